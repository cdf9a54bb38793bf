/* glarusd - one site. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "site/process.h"
#include "site/supervisor.h"

static const char help[] =
    "usage: glarusd --config FILE [--check]\n"
    "Runs one site: intake, vault, ledger.  Ends in order at SIGTERM; SIGHUP reads FILE again.\n"
    "\n"
    "  -c, --config FILE  the site's configuration, glarusd.yaml(5)\n"
    "      --check        read the configuration, say whether it is in order, end\n"
    "  -h, --help         this text\n"
    "      --version      the version\n"
    "\n"
    "Exit: 0 ended in order, 2 command line or configuration, 3 the environment failed.\n"
    "Example:\n"
    "  glarus site init --config zrh1/glarusd.yaml && glarusd --config zrh1/glarusd.yaml\n";

static const struct option options[] = {
    {"config", required_argument, NULL, 'c'}, {"part", required_argument, NULL, 'p'},
    {"check", no_argument, NULL, 'k'},        {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'v'},      {NULL, 0, NULL, 0}};

/* Of the supervisor's child; c is the part's for as long as it lives. */
static int run_part(const char *name, struct config *c)
{
    log_open(name, LOG_INFO_, -1);
    /* a terminal or a service manager signals the whole group; a part ends by its channel's word */
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    if (strcmp(name, config_process_name(CONFIG_KEEPER)) == 0)
        return keeper_main(c);
    if (strcmp(name, config_process_name(CONFIG_FRONT)) == 0)
        return front_main(c);
    if (strcmp(name, config_process_name(CONFIG_SIGNER)) == 0)
        return signer_main(c);
    if (strcmp(name, config_process_name(CONFIG_COURIER)) == 0)
        return courier_main(c);
    if (strcmp(name, config_process_name(CONFIG_READER)) == 0)
        return reader_main(c);
    (void)fprintf(stderr, "glarusd: there is no part \"%s\"\n", name);
    return 2;
}

int main(int argc, char **argv)
{
    const char *file = NULL, *part = NULL;
    char path[PATH_MAX];
    struct config *c = NULL;
    struct err e = ERR_INIT;
    bool check = false;
    int o;

    while ((o = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        switch (o) {
        case 'c':
            file = optarg;
            break;
        case 'p':
            part = optarg;
            break;
        case 'k':
            check = true;
            break;
        case 'h':
            return fputs(help, stdout) < 0 ? 3 : 0;
        case 'v':
            return puts("glarusd " GLARUS_VERSION) < 0 ? 3 : 0;
        default:
            return 2; /* getopt has spoken */
        }
    }
    if (file == NULL || optind != argc) {
        (void)fputs("glarusd: --config FILE is needed, and nothing else; see --help\n", stderr);
        return 2;
    }
    /* absolute from here on: parts look nothing up once they are jailed */
    if (realpath(file, path) != NULL)
        file = path;
    if (config_load(&c, file, &e) != 0) {
        (void)fprintf(stderr, "glarusd: %s\n", err_text(&e));
        return e.code == -EINVAL || e.code == -E2BIG ? 2 : 3;
    }
    if (check) {
        (void)printf("%s: site %s of zone %s, in order\n", file, c->site, c->zone);
        config_free(c);
        return 0;
    }
    if (part != NULL)
        return run_part(part, c);
    log_open("supervisor", LOG_INFO_, -1);
    return supervisor_run(c);
}

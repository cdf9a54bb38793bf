/* cmd_site.c - founding, running and tending a site. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/admin.h"
#include "cli/cli.h"
#include "site/backup.h"
#include "site/init.h"
#include "site/rebuild.h"

#define CONFIG_DEFAULT "glarusd.yaml"

static const struct option options[] = {
    {"config", required_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};

/* Takes the options, loads the configuration. 0, or an exit code in *out and -1. */
static int begin(const struct command *c, int argc, char **argv, struct config **config,
                 const char **path, int *out)
{
    struct err e = ERR_INIT;
    int o;

    *path = CONFIG_DEFAULT;
    while ((o = cli_getopt(c, argc, argv, "c:h", options)) != -1)
        if (o == 'c')
            *path = optarg;
    if (config_load(config, *path, &e) != 0) {
        *out = cli_fail(c, &e);
        return -1;
    }
    return 0;
}

static int site_init_run(const struct command *c, int argc, char **argv)
{
    struct config *config;
    struct err e = ERR_INIT;
    const char *path;
    int code;

    if (begin(c, argc, argv, &config, &path, &code) != 0)
        return code;
    code = site_init(config, &e) == 0 ? EXIT_HELD : cli_fail(c, &e);
    config_free(config);
    return code;
}

static int site_run(const struct command *c, int argc, char **argv)
{
    struct config *config;
    struct err e = ERR_INIT;
    const char *path, *program = getenv("GLARUSD");
    char own[4096], beside[4200];
    ssize_t n;
    int code;

    if (begin(c, argc, argv, &config, &path, &code) != 0)
        return code;
    config_free(config);
    n = readlink("/proc/self/exe", own, sizeof(own) - 1);
    own[n < 0 ? 0 : n] = '\0';
    if (strrchr(own, '/') != NULL)
        *strrchr(own, '/') = '\0';
    (void)snprintf(beside, sizeof(beside), "%s/glarusd", own);
    if (program == NULL)
        program = access(beside, X_OK) == 0 ? beside : "glarusd";
    (void)execlp(program, "glarusd", "--config", path, (char *)NULL);
    (void)err_sys(&e, -errno, "starting \"%s\"", program);
    return cli_fail(c, &e);
}

static int ask(const struct command *c, int argc, char **argv, enum proto_admin what)
{
    struct admin_ask a = {.what = what};
    struct config *config;
    struct err e = ERR_INIT;
    const char *path;
    int code;

    if (begin(c, argc, argv, &config, &path, &code) != 0)
        return code;
    code = admin_do(config, &a, c->words, &e) == 0 ? EXIT_HELD : cli_fail(c, &e);
    config_free(config);
    return code;
}

static int site_status(const struct command *c, int argc, char **argv)
{
    return ask(c, argc, argv, ADMIN_STATUS);
}

static int site_scrub(const struct command *c, int argc, char **argv)
{
    return ask(c, argc, argv, ADMIN_SCRUB);
}

static int site_turn(const struct command *c, int argc, char **argv)
{
    return ask(c, argc, argv, ADMIN_TURN_EPOCH);
}

static int site_inventory(const struct command *c, int argc, char **argv)
{
    return ask(c, argc, argv, ADMIN_INVENTORY);
}

static void rebuilding(void *arg, uint64_t done, uint64_t total)
{
    struct progress *bar = arg;

    bar->total = total;
    progress_step(bar, done);
}

static int site_rebuild_run(const struct command *c, int argc, char **argv)
{
    struct rebuild_report r;
    struct config *config;
    struct progress bar;
    struct err e = ERR_INIT;
    const char *path;
    int code, rc;

    if (begin(c, argc, argv, &config, &path, &code) != 0)
        return code;
    progress_begin(&bar, "site rebuild", "groups", 0);
    rc = site_rebuild(config, rebuilding, &bar, &r, &e);
    progress_end(&bar);
    config_free(config);
    if (rc != 0)
        return cli_fail(c, &e);
    (void)printf("%" PRIu64 " groups of the journal: %" PRIu64 " leaves, %" PRIu64
                 " submissions that hold bytes\n",
                 r.groups, r.leaves, r.live);
    if (r.published > 0)
        (void)printf("the published checkpoint of %" PRIu64
                     " leaves is the root of the new tiles\n",
                     r.published);
    else
        (void)printf("no checkpoint is published here: the new tiles were held against nothing\n");
    if (r.moves > 0)
        (void)printf("%" PRIu64 " moves are not closed: one that began here cannot go on, its salt "
                     "was in the lost catalog\n",
                     r.moves);
    return EXIT_HELD;
}

static int site_clock(const struct command *c, int argc, char **argv)
{
    return ask(c, argc, argv, ADMIN_CONFIRM_CLOCK);
}

static void copying(void *arg, uint64_t done, uint64_t total)
{
    struct progress *bar = arg;

    bar->total = total;
    progress_step(bar, done);
}

/* Options, then one folder. */
static int begin_folder(const struct command *c, int argc, char **argv, struct config **config,
                        const char **dir, int *code)
{
    const char *path;

    if (begin(c, argc, argv, config, &path, code) != 0)
        return -1;
    if (argc - optind != 1) {
        config_free(*config);
        *code = cli_usage(c, "name one folder");
        return -1;
    }
    *dir = argv[optind];
    return 0;
}

static int ask_point(const struct config *config, struct backup_point *at, struct err *e)
{
    struct admin_ask ask = {.what = ADMIN_BACKUP};
    unsigned long long end, epoch, leaves;
    unsigned segment;
    char text[1024];
    int rc = admin_hear(config, &ask, text, e);

    if (rc != 0)
        return rc;
    if (sscanf(text, BACKUP_POINT, &segment, &end, &epoch, &leaves) != 4)
        return err_set(e, -EPROTO, "the site does not say where its journal ends: %.200s", text);
    *at = (struct backup_point){segment, end, epoch, leaves};
    return 0;
}

static int site_backup_run(const struct command *c, int argc, char **argv)
{
    struct backup_point at;
    struct config *config;
    struct progress bar;
    struct err e = ERR_INIT;
    const char *dir;
    int code, rc;

    if (begin_folder(c, argc, argv, &config, &dir, &code) != 0)
        return code;
    progress_begin(&bar, "site backup", "segments", 0);
    if ((rc = backup_begin(config, dir, &e)) == 0 && (rc = ask_point(config, &at, &e)) == 0)
        rc = backup_end(config, dir, &at, copying, &bar, &e);
    progress_end(&bar);
    config_free(config);
    if (rc != 0)
        return cli_fail(c, &e);
    (void)printf("%s: %" PRIu64 " leaves.  It can be read with the key of epoch %" PRIu64
                 " and no other; when that epoch has turned, take the next.\n"
                 "No key is in it, nor the signer's state: docs/operations.md, Backup.\n",
                 dir, at.leaves, at.epoch);
    return EXIT_HELD;
}

static int site_restore_run(const struct command *c, int argc, char **argv)
{
    struct backup_point at;
    struct config *config;
    struct err e = ERR_INIT;
    const char *dir;
    int code, rc;

    if (begin_folder(c, argc, argv, &config, &dir, &code) != 0)
        return code;
    rc = backup_restore(config, dir, &at, &e);
    if (rc == 0)
        (void)printf("%" PRIu64 " leaves are back.  Now bring from where they are kept\n"
                     "  the key of epoch %" PRIu64 "   %s/epoch-%" PRIu64 ".key\n"
                     "  the ledger's key     %s\n  the move key         %s\n"
                     "  the signer's state   %s/signer/state, the newest there is\n"
                     "each owned by its user, mode 0600; then \"glarus site rebuild\", then start "
                     "it.\n",
                     at.leaves, at.epoch, config->epoch_keys, at.epoch, config->ledger_key,
                     config->move_key, config->data);
    config_free(config);
    return rc == 0 ? EXIT_HELD : cli_fail(c, &e);
}

#define CONFIG_HELP "  -c, --config FILE   the site's configuration (default " CONFIG_DEFAULT ")\n"

const struct command cli_site[] = {
    {"site init", "make the keys and folders of a new site", "[--config FILE]",
     CONFIG_HELP
     "\nRefuses to touch what is there.  Prints the ledger's verifier key, for trust files.\n\n"
     "Example: glarus site init --config zrh1.yaml\n",
     site_init_run},
    {"site run", "run a site (as glarusd)", "[--config FILE]",
     CONFIG_HELP "\nStays in the foreground; SIGTERM ends it in order, SIGHUP reads the "
                 "configuration again.\n\n"
                 "Example: glarus site run --config zrh1.yaml\n",
     site_run},
    {"site backup", "copy a running site's journal, ledger and documents", "DIR [--config FILE]",
     CONFIG_HELP "\nDIR must not be there.  Never copied: any key, the signer's state, what can be "
                 "made anew.\n\n"
                 "Example: glarus site backup /backup/zrh1-2026-11-26 --config zrh1.yaml\n",
     site_backup_run},
    {"site restore", "put a backup into an empty data folder", "DIR [--config FILE]",
     CONFIG_HELP "\nEvery file is held against the backup's manifest.  Says what to do next.\n\n"
                 "Example: glarus site restore /backup/zrh1-2026-11-26 --config zrh1.yaml\n",
     site_restore_run},
    {"site confirm-clock", "tell a running site that its clock is right", "[--config FILE]",
     CONFIG_HELP
     "\nFor a site that waits because its clock jumped and its witnesses cannot be asked.\n"
     "Look at the clock first: retentions end by it.\n\n"
     "Example: glarus site confirm-clock --config zrh1.yaml\n",
     site_clock},
    {"site status", "what a running site says of itself", "[--config FILE]",
     CONFIG_HELP "\nOne screen: what is wrong, what to do, and how much there is.\n\nExample: "
                 "glarus site status --config zrh1.yaml\n",
     site_status},
    {"site turn-epoch", "end the epoch now: erasures become final", "[--config FILE]",
     CONFIG_HELP "\nExample: glarus site turn-epoch --config zrh1.yaml\n", site_turn},
    {"site inventory", "log the inventories now", "[--config FILE]",
     CONFIG_HELP "\nExample: glarus site inventory --config zrh1.yaml\n", site_inventory},
    {"site scrub", "read everything that is kept again and verify it", "[--config FILE]",
     CONFIG_HELP
     "\nExit 1 if anything is damaged.\n\nExample: glarus site scrub --config zrh1.yaml\n",
     site_scrub},
    {"site rebuild", "make catalog and ledger tiles anew from the journal", "[--config FILE]",
     CONFIG_HELP
     "\nFor a site that does not run and whose catalog or tiles are lost or damaged.  Everything "
     "is\n"
     "made beside what is there, held against the published checkpoint, then put in place.\n"
     "Checkpoints, artifacts and keys stay as they are.  Killed: run it again.\n\n"
     "Example: glarus site rebuild --config zrh1.yaml\n",
     site_rebuild_run},
    {NULL, NULL, NULL, NULL, NULL}};

/* cmd_update.c - rules from an update repository, installed where programs load them. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "claims/trust.h"
#include "cli/cli.h"
#include "updates/install.h"
#include "updates/tuf_updater.h"

static const struct option options[] = {{"dir", required_argument, NULL, 'd'},
                                        {"trust", required_argument, NULL, 't'},
                                        {"root", required_argument, NULL, 'r'},
                                        {"help", no_argument, NULL, 'h'},
                                        {NULL, 0, NULL, 0}};

struct request {
    const char *url, *dir, *trust, *root;
};

static void tell(const struct request *q, const struct install_done *d)
{
    static const char *const ways[] = {
        [INSTALL_NOTHING] = "the files were here",
        [INSTALL_DELTA] = "as the difference",
        [INSTALL_COMPRESSED] = "whole, compressed",
        [INSTALL_PLAIN] = "whole",
    };
    char hex[65], got[32], size[32], when[CLOCK_MINUTE_LEN + 1];
    const struct release_leaf *r = &d->release;

    text_digest(hex, &r->tree);
    clock_minute(when, r->time);
    (void)printf("release %" PRIu64 "%s%s, tree %.16s\n", r->serial,
                 r->enforce ? "" : " (detect only)", r->urgent ? " (urgent)" : "", hex);
    (void)printf("  proved: leaf %" PRIu64 " of %s's ledger, %s, cosigned by the quorum\n",
                 r->index, r->site, when);
    if (!d->installed)
        (void)printf("  in use already: %s/current\n", q->dir);
    else
        (void)printf("  installed: %s/current (%s, %s for %s)\n", q->dir, ways[d->way],
                     text_bytes(got, d->fetched), text_bytes(size, d->size));
    if (d->fell_back)
        (void)printf("  the difference from release %" PRIu64 " was of no use\n", d->before);
}

static int run(const struct request *q, struct err *e)
{
    bool web = strstr(q->url, "://") != NULL;
    struct install in = {.url = q->url, .dir = q->dir};
    struct tuf_fetch fetch = {0};
    struct trust *trust = NULL;
    struct install_done d;
    struct buf root;
    int rc;

    buf_init(&root, TUF_MAX_ROOT);
    tuf_fetch_dir(&fetch);
    if (q->root != NULL && (rc = io_read_file(AT_FDCWD, q->root, &root)) != 0)
        (void)err_sys(e, rc, "reading \"%s\"", q->root);
    else if ((rc = trust_load(&trust, q->trust, e)) == 0 &&
             (!web || (rc = tuf_fetch_http_new(&fetch, NULL, e)) == 0)) {
        if (trust_expired(trust, clock_now()))
            (void)fprintf(stderr,
                          "glarus update: warning: \"%s\" has expired; get a new one out of band\n",
                          q->trust);
        in.fetch = &fetch;
        in.root = buf_span(&root);
        in.policy = trust->policy;
        in.first_root = trust->has_updates_root ? &trust->updates_root : NULL;
        rc = install_update(&in, &d, e);
    }
    if (rc == 0)
        tell(q, &d);
    tuf_fetch_http_free(&fetch);
    trust_free(trust);
    buf_free(&root);
    return rc;
}

static int update_run(const struct command *c, int argc, char **argv)
{
    struct request q = {.dir = NULL};
    struct err e = ERR_INIT;
    int o;

    while ((o = cli_getopt(c, argc, argv, "d:t:r:h", options)) != -1)
        *(o == 'd' ? &q.dir : o == 't' ? &q.trust : &q.root) = optarg;
    if (optind + 1 != argc || q.dir == NULL || q.trust == NULL)
        return cli_usage(c, "name the repository, --dir and --trust");
    q.url = argv[optind];
    return run(&q, &e) == 0 ? EXIT_HELD : cli_fail(c, &e);
}

const struct command cli_update[] = {
    {"update", "install the newest rules, if they are what was released",
     "REPOSITORY --dir FOLDER --trust FILE [--root FILE]",
     "  -d, --dir FOLDER   where they go: FOLDER/current is what to load\n"
     "  -t, --trust FILE   logs and witnesses: a release that they have not seen is refused\n"
     "  -r, --root FILE    the first time: root metadata, got out of band (not needed where the "
     "trust\n"
     "                     file names it: updates_root)\n\n"
     "REPOSITORY is a URL or a folder that has metadata/ and targets/.  Whatever fails, the rules\n"
     "in use stay in use.  Exit 0: current is the newest release; 1: something does not verify;\n"
     "4: it is not cosigned yet.\n\n"
     "Example: glarus update https://updates.example.org --dir /var/lib/rules --trust trust.yaml\n",
     update_run},
    {NULL, NULL, NULL, NULL, NULL}};

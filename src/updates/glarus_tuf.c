/* glarus_tuf.c - the bare TUF client: what updates are made of, without anything of ours in them.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "updates/tuf_updater.h"

static const char help[] =
    "usage: glarus-tuf --metadata-dir DIR init ROOT.json\n"
    "       glarus-tuf --metadata-dir DIR --metadata-url URL refresh\n"
    "       glarus-tuf --metadata-dir DIR --metadata-url URL --target-dir DIR --target-base-url "
    "URL\n"
    "                  --target-name PATH [--target-name PATH ...] download\n"
    "A client of The Update Framework (TUF 1.0).  init takes the root to trust from then on; "
    "refresh\n"
    "brings the metadata up to date; download does that and fetches targets, in the order given,\n"
    "until one fails.  A target that is there already is not fetched again.\n"
    "\n"
    "      --metadata-dir DIR     where verified metadata is kept\n"
    "      --metadata-url URL     the repository's metadata\n"
    "      --target-name PATH     a target's path; again for more\n"
    "      --target-dir DIR       where targets are put\n"
    "      --target-base-url URL  the repository's targets\n"
    "  -q, --quiet                say nothing when all is well\n"
    "  -h, --help                 this text\n"
    "      --version              the version\n"
    "\n"
    "Exit: 0 done, 1 failed; nothing that did not verify was kept.\n"
    "Example:\n"
    "  glarus-tuf --metadata-dir meta init root.json\n"
    "  glarus-tuf --metadata-dir meta --metadata-url https://updates.example.org/metadata \\\n"
    "      --target-dir rules --target-base-url https://updates.example.org/targets \\\n"
    "      --target-name rules.tar.zst download\n";

struct request {
    const char *metadata_dir, *metadata_url, *target_dir, *target_base_url;
    const char **targets;
    size_t n_targets;
    bool quiet;
};

static int needs(const char *value, const char *option, struct err *e)
{
    return value != NULL ? 0 : err_set(e, -EINVAL, "needs %s; see glarus-tuf --help", option);
}

static int run_init(const struct request *r, const char *path, struct err *e)
{
    struct tuf_store store = {0};
    struct buf root;
    int rc;

    buf_init(&root, TUF_MAX_ROOT);
    if ((rc = io_read_file(AT_FDCWD, path, &root)) != 0)
        (void)err_sys(e, rc, "reading \"%s\"", path);
    else if ((rc = tuf_store_dir_open(&store, r->metadata_dir, e)) == 0)
        rc = tuf_updater_init(&store, buf_span(&root), e);
    tuf_store_dir_close(&store);
    buf_free(&root);
    return rc;
}

static int refresh(const struct request *r, struct tuf_updater *u, struct err *e)
{
    int rc = tuf_updater_refresh(u, e);

    if (rc == 0 && !r->quiet)
        (void)printf("trusted: root %" PRId64 ", timestamp %" PRId64 ", snapshot %" PRId64
                     ", targets %" PRId64 "\n",
                     tuf_updater_version(u, TUF_ROOT), tuf_updater_version(u, TUF_TIMESTAMP),
                     tuf_updater_version(u, TUF_SNAPSHOT), tuf_updater_version(u, TUF_TARGETS));
    return rc;
}

static int download_one(const struct request *r, struct tuf_updater *u, struct tuf_shelf *shelf,
                        const char *path, struct err *e)
{
    const struct tuf_file *target;
    bool fetched;
    int rc = tuf_updater_find(u, path, &target, e);

    if (rc == 0)
        rc = tuf_updater_download(u, target, r->target_base_url, shelf, &fetched, e);
    if (rc == 0 && !r->quiet)
        (void)printf("%s: %s\n", fetched ? "fetched" : "there already", path);
    return rc;
}

static int download(const struct request *r, struct tuf_updater *u, struct err *e)
{
    struct tuf_shelf *shelf = NULL;
    int rc = refresh(r, u, e);

    if (rc == 0)
        rc = tuf_shelf_open(&shelf, r->target_dir, e);
    for (size_t i = 0; rc == 0 && i < r->n_targets; i++)
        rc = download_one(r, u, shelf, r->targets[i], e);
    tuf_shelf_close(shelf);
    return rc;
}

static int run_update(const struct request *r,
                      int (*what)(const struct request *, struct tuf_updater *, struct err *),
                      struct err *e)
{
    struct tuf_store store = {0};
    struct tuf_fetch fetch = {0};
    struct tuf_updater *u = NULL;
    int rc;

    if ((rc = tuf_store_dir_open(&store, r->metadata_dir, e)) == 0 &&
        (rc = tuf_fetch_http_new(&fetch, NULL, e)) == 0 &&
        (rc = tuf_updater_new(&u, &fetch, &store, r->metadata_url, e)) == 0)
        rc = what(r, u, e);
    tuf_updater_free(u);
    tuf_fetch_http_free(&fetch);
    tuf_store_dir_close(&store);
    return rc;
}

static int run(const struct request *r, int n, char **words, struct err *e)
{
    const char *command = n > 0 ? words[0] : "";
    bool init = strcmp(command, "init") == 0, get = strcmp(command, "download") == 0;
    int rc;

    if (n == 0)
        return err_set(e, -EINVAL, "needs init, refresh or download; see glarus-tuf --help");
    if (!init && !get && strcmp(command, "refresh") != 0)
        return err_set(e, -EINVAL, "\"%s\" is not init, refresh or download; see glarus-tuf --help",
                       command);
    if (n != 1 + init)
        return err_set(e, -EINVAL, init ? "init needs one root file" : "a word too many");
    if ((rc = needs(r->metadata_dir, "--metadata-dir", e)) != 0)
        return rc;
    if (init)
        return run_init(r, words[1], e);
    if ((rc = needs(r->metadata_url, "--metadata-url", e)) != 0)
        return rc;
    if (!get)
        return run_update(r, refresh, e);
    if ((rc = needs(r->target_dir, "--target-dir", e)) != 0 ||
        (rc = needs(r->target_base_url, "--target-base-url", e)) != 0 ||
        (rc = needs(r->n_targets > 0 ? r->targets[0] : NULL, "--target-name", e)) != 0)
        return rc;
    return run_update(r, download, e);
}

static const struct option options[] = {{"metadata-dir", required_argument, NULL, 'd'},
                                        {"metadata-url", required_argument, NULL, 'u'},
                                        {"target-name", required_argument, NULL, 'n'},
                                        {"target-dir", required_argument, NULL, 't'},
                                        {"target-base-url", required_argument, NULL, 'b'},
                                        {"quiet", no_argument, NULL, 'q'},
                                        {"help", no_argument, NULL, 'h'},
                                        {"version", no_argument, NULL, 'v'},
                                        {NULL, 0, NULL, 0}};

/* 0; 1: the command line makes no sense; -1: all is said. */
static int read_options(struct request *r, int argc, char **argv)
{
    int o;

    while ((o = getopt_long(argc, argv, "+qh", options, NULL)) != -1) {
        switch (o) {
        case 'd':
            r->metadata_dir = optarg;
            break;
        case 'u':
            r->metadata_url = optarg;
            break;
        case 'n':
            r->targets[r->n_targets++] = optarg;
            break;
        case 't':
            r->target_dir = optarg;
            break;
        case 'b':
            r->target_base_url = optarg;
            break;
        case 'q':
            r->quiet = true;
            break;
        case 'h':
            (void)fputs(help, stdout);
            return -1;
        case 'v':
            (void)puts("glarus-tuf " GLARUS_VERSION);
            return -1;
        default:
            return 1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct request r = {0};
    struct err e = ERR_INIT;
    int rc;

    if ((r.targets = calloc((size_t)argc + 1, sizeof(*r.targets))) == NULL)
        return 1;
    rc = read_options(&r, argc, argv);
    if (rc == 0 && run(&r, argc - optind, argv + optind, &e) != 0) {
        (void)fprintf(stderr, "glarus-tuf: %s\n", err_text(&e));
        rc = 1;
    }
    free(r.targets);
    return rc > 0 ? 1 : fflush(stdout) != 0;
}

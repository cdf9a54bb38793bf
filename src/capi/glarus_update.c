/* glarus_update.c - the newest rules from an update repository. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "capi/capi_priv.h"
#include "updates/install.h"
#include "updates/tuf_updater.h"

struct glarus_release {
    struct install_done d;
    char tree[65], time[CLOCK_SECOND_LEN + 1];
};

static int update(const char *repository, const char *folder, const glarus_trust *trust,
                  const char *root_path, struct install_done *out, struct err *e)
{
    struct install in = {.url = repository,
                         .dir = folder,
                         .policy = trust->t->policy,
                         .first_root = trust->t->has_updates_root ? &trust->t->updates_root : NULL};
    struct tuf_fetch fetch = {0};
    struct buf root;
    int rc = 0;

    buf_init(&root, TUF_MAX_ROOT);
    tuf_fetch_dir(&fetch);
    if (root_path != NULL && (rc = io_read_file(AT_FDCWD, root_path, &root)) != 0)
        (void)err_sys(e, rc, "reading \"%s\"", root_path);
    if (rc == 0 && strstr(repository, "://") != NULL)
        rc = tuf_fetch_http_new(&fetch, NULL, e);
    if (rc == 0) {
        in.fetch = &fetch;
        in.root = buf_span(&root);
        rc = install_update(&in, out, e);
    }
    tuf_fetch_http_free(&fetch);
    buf_free(&root);
    return rc;
}

int glarus_update(const char *repository, const char *folder, const glarus_trust *trust,
                  const char *root, glarus_release **out, glarus_error *error)
{
    struct err e = ERR_INIT;
    glarus_release *r;
    int rc;

    if (out == NULL)
        return capi_wrong(error, "glarus_update: out is NULL");
    *out = NULL;
    if (repository == NULL || folder == NULL || trust == NULL)
        return capi_wrong(error, "glarus_update: an argument is NULL");
    if ((r = calloc(1, sizeof(*r))) == NULL)
        return capi_fail(error, -ENOMEM, &e);
    if ((rc = update(repository, folder, trust, root, &r->d, &e)) != 0) {
        free(r);
        return capi_fail(error, rc, &e);
    }
    text_digest(r->tree, &r->d.release.tree);
    clock_second(r->time, r->d.release.time);
    *out = r;
    return GLARUS_OK;
}

void glarus_release_free(glarus_release *release)
{
    free(release);
}

uint64_t glarus_release_serial(const glarus_release *release)
{
    return release != NULL ? release->d.release.serial : 0;
}

uint64_t glarus_release_before(const glarus_release *release)
{
    return release != NULL ? release->d.before : 0;
}

int glarus_release_installed(const glarus_release *release)
{
    return release != NULL && release->d.installed;
}

const char *glarus_release_tree(const glarus_release *release)
{
    return release != NULL ? release->tree : "";
}

const char *glarus_release_site(const glarus_release *release)
{
    return release != NULL ? release->d.release.site : "";
}

const char *glarus_release_time(const glarus_release *release)
{
    return release != NULL ? release->time : "";
}

int glarus_release_enforce(const glarus_release *release)
{
    return release != NULL && release->d.release.enforce;
}

int glarus_release_urgent(const glarus_release *release)
{
    return release != NULL && release->d.release.urgent;
}

uint64_t glarus_release_fetched(const glarus_release *release)
{
    return release != NULL ? release->d.fetched : 0;
}

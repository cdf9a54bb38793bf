/* install_folder.c - the folder of an installation: releases side by side, one of them current. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "detect/release.h"
#include "updates/install_priv.h"
#include "updates/pack.h"

#define COMING ".coming"       /* releases/.coming: being unpacked */
#define LINK_COMING ".current" /* the link before it gets its name */

static void path_in(const struct installing *w, const char *name, char out[PATH_MAX])
{
    (void)snprintf(out, PATH_MAX, "%s/%s", w->in->dir, name);
}

static void release_name(char out[64], uint64_t serial, const char *ending)
{
    (void)snprintf(out, 64, "releases/%" PRIu64 "%s", serial, ending);
}

static int remove_tree(struct installing *w, const char *name)
{
    char path[PATH_MAX];

    path_in(w, name, path);
    return io_remove_tree(path);
}

/* "releases/7" -> 7; 0: no such link */
static uint64_t in_use(const struct installing *w)
{
    char to[64];
    ssize_t n = readlinkat(w->dir, "current", to, sizeof(to));
    const char *head = "releases/";
    uint64_t serial;

    if (n <= (ssize_t)strlen(head) || n >= (ssize_t)sizeof(to) ||
        memcmp(to, head, strlen(head)) != 0 ||
        text_u64(span_of(to + strlen(head), (size_t)n - strlen(head)), INT64_MAX, &serial) != 0)
        return 0;
    return serial;
}

int install_look(struct installing *w, struct err *e)
{
    int rc;

    if ((rc = io_mkdir_synced(w->dir, "releases", 0755)) != 0 ||
        (rc = remove_tree(w, "releases/" COMING)) != 0)
        return err_sys(e, rc, "folder \"%s/releases\"", w->in->dir);
    if (unlinkat(w->dir, LINK_COMING, 0) != 0 && errno != ENOENT)
        return err_sys(e, -errno, "folder \"%s\"", w->in->dir);
    w->out->before = in_use(w);
    return 0;
}

/* The files of a folder under releases/ are those of the release that is wanted. */
static int check_tree(const struct installing *w, const char *name, struct err *e)
{
    struct release *r = NULL;
    struct digest d;
    char path[PATH_MAX];
    int rc;

    path_in(w, name, path);
    if ((rc = release_load(&r, path, e)) != 0)
        return rc;
    d = release_digest(r);
    release_free(r);
    return digest_eq(&d, &w->out->release.tree)
               ? 0
               : err_set(e, -EBADMSG,
                         "release %" PRIu64
                         " is refused: its files are not those that were approved",
                         w->out->release.serial);
}

bool install_is_sound(const struct installing *w)
{
    char name[64];

    release_name(name, w->out->release.serial, "");
    return check_tree(w, name, NULL) == 0;
}

int install_keep_proof(struct installing *w, struct span proof, struct err *e)
{
    char name[64];
    int rc;

    release_name(name, w->out->release.serial, ".proof");
    rc = io_replace_file(w->dir, name, proof.p, proof.n, 0644);
    return rc == 0 ? 0 : err_sys(e, rc, "writing \"%s/%s\"", w->in->dir, name);
}

int install_unpack(struct installing *w, struct span tar, struct err *e)
{
    const char *coming = "releases/" COMING;
    char name[64];
    int dir, rc = io_mkdir_synced(w->dir, coming, 0755);

    if (rc != 0)
        return err_sys(e, rc, "folder \"%s/%s\"", w->in->dir, coming);
    if ((dir = openat(w->dir, coming, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
        return err_sys(e, -errno, "folder \"%s/%s\"", w->in->dir, coming);
    rc = pack_read(tar, dir, e);
    io_close(&dir);
    if (rc != 0 || (rc = check_tree(w, coming, e)) != 0)
        return rc;
    release_name(name, w->out->release.serial, "");
    if ((rc = remove_tree(w, name)) == 0 && /* one that was not sound */
        renameat(w->dir, coming, w->dir, name) != 0)
        rc = -errno;
    if (rc == 0)
        rc = io_sync_dir(w->dir, "releases");
    return rc == 0 ? 0 : err_sys(e, rc, "folder \"%s/%s\"", w->in->dir, name);
}

int install_switch(struct installing *w, struct err *e)
{
    char to[64];
    int rc = 0;

    release_name(to, w->out->release.serial, "");
    if (symlinkat(to, w->dir, LINK_COMING) != 0 ||
        renameat(w->dir, LINK_COMING, w->dir, "current") != 0)
        rc = -errno;
    if (rc == 0)
        rc = io_sync_dir(w->dir, ".");
    return rc == 0 ? 0 : err_sys(e, rc, "the link \"%s/current\"", w->in->dir);
}

/* "7", "7.proof" -> 7 */
static bool is_of(const char *name, uint64_t serial)
{
    size_t n = strspn(name, "0123456789");
    uint64_t have;

    return n > 0 && text_u64(span_of(name, n), INT64_MAX, &have) == 0 && have == serial;
}

static DIR *list_of(const struct installing *w, const char *name)
{
    int fd = openat(w->dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);

    if (list == NULL)
        io_close(&fd);
    return list;
}

/* What cannot be removed now is in nobody's way and goes the next time. */
void install_sweep(struct installing *w)
{
    const struct dirent *d;
    char keep[80], path[PATH_MAX];
    DIR *list;

    if ((list = list_of(w, "releases")) != NULL) {
        while ((d = readdir(list)) != NULL)
            if (d->d_name[0] != '.' && !is_of(d->d_name, w->out->release.serial) &&
                !is_of(d->d_name, w->out->before)) {
                (void)snprintf(path, sizeof(path), "%s/releases/%s", w->in->dir, d->d_name);
                if (io_remove_tree(path) != 0)
                    break;
            }
        (void)closedir(list);
    }
    (void)snprintf(keep, sizeof(keep), "rules%%2F%" PRIu64 ".tar", w->out->release.serial);
    if ((list = list_of(w, "download")) != NULL) {
        while ((d = readdir(list)) != NULL)
            if (d->d_name[0] != '.' && strcmp(d->d_name, keep) != 0)
                (void)unlinkat(dirfd(list), d->d_name, 0);
        (void)closedir(list);
    }
}

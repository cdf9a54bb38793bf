/* client_find.c - what there is to do: the files of a run, and what is known of them from before.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "capi/client_submit_priv.h"
#include "crypto/secret.h"
#include "crypto/sha256.h"

#define DEPTH_MAX 64
#define SMALL_MAX ((size_t)256 << 10) /* files up to here are kept in memory on their way */
#define MEMORY_MAX ((size_t)32 << 20) /* of all of them */

static void skip(struct submit *r, const char *path, int code)
{
    struct client_report what = {.path = path,
                                 .sub = "",
                                 .fate = CLIENT_SKIPPED,
                                 .verdict = "",
                                 .site = "",
                                 .why = strerror(-code),
                                 .code = code};

    r->total++;
    client_submit_report(r, &what);
}

static int add_item(struct submit *r, const char *path, const struct client_source *source)
{
    struct submit_item *it = calloc(1, sizeof(*it));

    if (it == NULL || (it->path = strdup(path)) == NULL) {
        free(it);
        return -ENOMEM;
    }
    it->run = r;
    it->fd = -1;
    it->source = source;
    client_submit_list_add(&r->todo, it);
    r->total++;
    return 0;
}

static int add_file(struct submit *r, const char *path)
{
    return add_item(r, path, NULL);
}

/* What has no path gets one that no file has (there is no folder "/-" to speak of) and no second
 * submission gets: a later run does not take other bytes of this name for these. */
int client_find_source(struct submit *r, const struct client_source *source)
{
    char unique[33], path[sizeof("/-//") + 32 + CLIENT_NAME_MAX];
    struct id128 id = random_id();

    text_id(unique, &id);
    (void)snprintf(path, sizeof(path), "/-/%s/%s", unique, source->name);
    return add_item(r, path, source);
}

static int add_tree(struct submit *r, const char *path, int depth);

static int add_folder(struct submit *r, const char *path, int depth)
{
    struct dirent **names = NULL;
    char *below;
    int n, rc = 0;

    if (depth > DEPTH_MAX) {
        skip(r, path, -ELOOP);
        return 0;
    }
    if ((n = scandir(path, &names, NULL, alphasort)) < 0) {
        skip(r, path, -errno);
        return 0;
    }
    for (int i = 0; i < n; i++) {
        const char *name = names[i]->d_name;

        if (rc == 0 && strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
            if (asprintf(&below, "%s/%s", path, name) < 0) {
                rc = -ENOMEM;
            } else {
                rc = add_tree(r, below, depth + 1);
                free(below);
            }
        }
        free(names[i]);
    }
    free(names);
    return rc;
}

static int add_tree(struct submit *r, const char *path, int depth)
{
    struct stat st;

    if (lstat(path, &st) != 0) {
        skip(r, path, -errno);
        return 0;
    }
    if (S_ISDIR(st.st_mode))
        return add_folder(r, path, depth);
    if (S_ISREG(st.st_mode))
        return add_file(r, path);
    if (depth == 0)
        skip(r, path, -EINVAL); /* named by its user, and not a file */
    return 0;
}

/* Files are known by their absolute path. */
int client_find(struct submit *r, const char *path)
{
    char *real;
    struct stat st;
    int rc;

    if (lstat(path, &st) != 0 || (real = realpath(path, NULL)) == NULL) {
        skip(r, path, -errno);
        return 0;
    }
    rc = add_tree(r, real, 0);
    free(real);
    return rc;
}

static bool known(const struct client_entry *old, const struct submit_item *it)
{
    return old != NULL && old->size == it->file.size && old->mtime == it->mtime &&
           old->stage != STAGE_REFUSED;
}

static void told_before(struct submit *r, struct submit_item *it, const struct client_entry *old)
{
    struct client_report what = {.path = it->path,
                                 .sub = it->hex,
                                 .fate = old->stage == STAGE_DONE ? CLIENT_DONE : CLIENT_PENDING,
                                 .verdict = old->verdict,
                                 .site = old->site,
                                 .why = "",
                                 .size = it->file.size,
                                 .final = old->stage == STAGE_DONE,
                                 .before = true};

    client_submit_report(r, &what);
    client_submit_item_free(it);
}

/* A small file is read once, hashed and sent from memory.  -EAGAIN: it is not small, or grows. */
static int read_small(struct submit_item *it, uint64_t size)
{
    size_t most = MEMORY_MAX / it->run->c->in_flight, n = 0;
    ssize_t got;

    if (size > (most < SMALL_MAX ? most : SMALL_MAX))
        return -EAGAIN;
    if ((it->bytes = malloc((size_t)size + 1)) == NULL)
        return -ENOMEM;
    do {
        got = pread(it->fd, it->bytes + n, (size_t)size + 1 - n, (off_t)n);
        n += got > 0 ? (size_t)got : 0;
        /* a byte too much was asked for: without it, n == size is the end */
    } while ((got > 0 && n < size) || (got < 0 && errno == EINTR));
    if (got < 0)
        return -errno;
    if (n > size) {
        free(it->bytes);
        it->bytes = NULL;
        return -EAGAIN;
    }
    it->file.size = n;
    sha256_of(it->bytes, n, &it->file.sha256);
    io_close(&it->fd);
    return 0;
}

static int open_item(struct submit_item *it, struct err *e)
{
    struct stat st;
    int rc;

    if (it->source != NULL && it->source->fd < 0) {
        it->bytes = (uint8_t *)(uintptr_t)it->source->bytes.p;
        it->file.size = it->source->bytes.n;
        sha256_of(it->bytes, it->source->bytes.n, &it->file.sha256);
        return 0;
    }
    it->fd = it->source != NULL ? fcntl(it->source->fd, F_DUPFD_CLOEXEC, 3)
                                : open(it->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (it->fd == 0) { /* our caller has closed its standard input; http/client.h has no file 0 */
        it->fd = fcntl(0, F_DUPFD_CLOEXEC, 3);
        (void)close(0);
    }
    if (it->fd < 0)
        return -errno;
    if (fstat(it->fd, &st) != 0 || !S_ISREG(st.st_mode))
        return -EINVAL;
    it->mtime = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    if (it->source != NULL) /* in memory it would be the caller's */
        return client_file_read(&it->file, it->fd, e);
    rc = read_small(it, (uint64_t)st.st_size);
    return rc != -EAGAIN ? rc : client_file_read(&it->file, it->fd, e);
}

void client_find_next(struct submit *r)
{
    struct submit_item *it = TAILQ_FIRST(&r->todo.items);
    const struct client_entry *old;
    struct err e = ERR_INIT;
    int rc;

    if ((rc = open_item(it, &e)) != 0) {
        r->total--; /* skip counts it again */
        skip(r, it->path, rc);
        client_submit_item_free(it);
        return;
    }
    old = client_state_path(r->c->state, it->path);
    if (known(old, it)) {
        it->own.act.sub = old->sub;
        text_id(it->hex, &it->own.act.sub);
        if (old->stage == STAGE_DONE || (old->stage == STAGE_PENDING && r->o->no_wait)) {
            told_before(r, it, old);
            return;
        }
    } else {
        old = NULL;
        it->own.act.sub = random_id();
        text_id(it->hex, &it->own.act.sub);
    }
    it->site = r->o->site_url != NULL                       ? &r->forced
               : old != NULL && old->stage == STAGE_PENDING ? client_site_named(r->c, old->site)
                                                            : NULL;
    if (it->site == NULL && (it->site = client_home(r->c, &e)) == NULL) {
        client_submit_fatal(r, &e);
        it->code = e.code;
        client_submit_finish(it, CLIENT_FAILED, err_text(&e));
    } else if (old != NULL && old->stage == STAGE_PENDING) {
        client_submit_let_go(it);
        it->step = WATCH;
        client_submit_list_move(&r->accepted, it);
    } else if (old == NULL && client_submit_note(it, STAGE_DRAWN) != 0) {
        /* not sent: the next run would not know under what */
        it->code = r->fatal.code;
        client_submit_finish(it, CLIENT_FAILED, err_text(&r->fatal));
    } else {
        r->bytes_total += it->file.size;
        client_submit_list_move(&r->sending, it);
        client_submit_idle(it, 0);
    }
}

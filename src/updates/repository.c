#include "updates/repository_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"

#define KEYS_MAX (64u << 10)
#define ROOTS_MAX 1000000

void repository_metadata_name(char out[96], const char *role, int64_t version)
{
    if (version > 0)
        (void)snprintf(out, 96, "metadata/%" PRId64 ".%.40s.json", version, role);
    else
        (void)snprintf(out, 96, "metadata/%.40s.json", role);
}

int repository_read(struct repository *r, const char *name, enum tuf_type type,
                    struct tuf_metadata **out, struct err *e)
{
    struct buf b;
    int rc;

    *out = NULL;
    buf_init(&b, TUF_MAX_BYTES);
    if ((rc = io_read_file(r->fd, name, &b)) != 0)
        (void)err_sys(e, rc, "reading \"%s/%s\"", r->dir, name);
    else if ((rc = tuf_metadata_parse(out, type, buf_span(&b), e)) != 0)
        (void)err_prefix(e, "\"%s/%s\"", r->dir, name);
    buf_free(&b);
    return rc;
}

int repository_write(struct repository *r, const char *name, struct span bytes, struct err *e)
{
    int rc = io_replace_file(r->fd, name, bytes.p, bytes.n, 0644);

    return rc == 0 ? 0 : err_sys(e, rc, "writing \"%s/%s\"", r->dir, name);
}

int repository_wait(struct repository *r, const char *role, const json_t *signed_part,
                    struct err *e)
{
    struct buf b;
    char name[96];
    int rc;

    buf_init(&b, TUF_MAX_BYTES);
    (void)snprintf(name, sizeof(name), "pending/%.40s.json", role);
    if ((rc = tuf_write_unsigned(&b, signed_part, e)) == 0)
        rc = repository_write(r, name, buf_span(&b), e);
    buf_free(&b);
    return rc;
}

const json_t *repository_signed(const struct tuf_metadata *m)
{
    return json_object_get(m->json, "signed");
}

unix_time repository_expiry(const struct repository *r, unsigned role)
{
    return clock_now() + (unix_time)r->keys.role[role].lifetime;
}

/* --- opening --- */

/* The newest root, by looking for the next one. */
static int read_root(struct repository *r, struct err *e)
{
    int64_t version = 0;
    char name[96];

    for (; version < ROOTS_MAX; version++) {
        repository_metadata_name(name, "root", version + 1);
        if (faccessat(r->fd, name, F_OK, 0) != 0)
            break;
    }
    if (version == 0)
        return 0;
    repository_metadata_name(name, "root", version);
    return repository_read(r, name, TUF_ROOT, &r->role[TUF_ROOT], e);
}

/* A file that another one announces: its version, then itself. */
static int read_announced(struct repository *r, const struct tuf_metadata *by, unsigned role,
                          struct err *e)
{
    enum tuf_type type = role < TUF_TYPES ? (enum tuf_type)role : TUF_TARGETS;
    const struct tuf_file *f;
    char name[96];
    int rc;

    (void)snprintf(name, sizeof(name), "%s.json", repository_role_name(role));
    if ((f = tuf_metadata_file(by, name)) == NULL)
        return 0;
    repository_metadata_name(name, repository_role_name(role), f->version);
    if ((rc = repository_read(r, name, type, &r->role[role], e)) != 0)
        return rc;
    return tuf_file_matches(f, span_of(r->role[role]->bytes, r->role[role]->n_bytes), name, e);
}

static int read_published(struct repository *r, struct err *e)
{
    char name[96];
    int rc = read_root(r, e);

    if (rc != 0)
        return rc;
    repository_metadata_name(name, "timestamp", 0);
    if (faccessat(r->fd, name, F_OK, 0) != 0)
        return errno == ENOENT ? 0 : err_sys(e, -errno, "\"%s/%s\"", r->dir, name);
    if ((rc = repository_read(r, name, TUF_TIMESTAMP, &r->role[TUF_TIMESTAMP], e)) != 0 ||
        (rc = read_announced(r, r->role[TUF_TIMESTAMP], TUF_SNAPSHOT, e)) != 0)
        return rc;
    for (unsigned i = TUF_TARGETS; rc == 0 && i < REPOSITORY_ROLES; i++)
        rc = read_announced(r, r->role[TUF_SNAPSHOT], i, e);
    return rc;
}

static int read_keys(struct repository *r, struct err *e)
{
    struct buf b;
    char *name;
    int rc;

    if (asprintf(&name, "%s/keys.yaml", r->dir) < 0)
        return err_sys(e, -ENOMEM, "\"%s\"", r->dir);
    buf_init(&b, KEYS_MAX);
    if ((rc = io_read_file(r->fd, "keys.yaml", &b)) == 0)
        rc = repository_keys_parse(&r->keys, name, buf_span(&b), e);
    else
        (void)err_sys(e, rc, "\"%s\", which says who signs (\"glarus repository plan --help\")",
                      name);
    buf_free(&b);
    free(name);
    return rc;
}

static int make_folders(struct repository *r, struct err *e)
{
    static const char *const folders[] = {
        "metadata", "targets", "targets/rules", "targets/products", "clamav", "pending", "log"};
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(folders); i++)
        if ((rc = io_mkdir_synced(r->fd, folders[i], 0755)) != 0)
            (void)err_sys(e, rc, "folder \"%s/%s\"", r->dir, folders[i]);
    return rc;
}

int repository_open(struct repository **out, const char *dir, struct err *e)
{
    struct repository *r = calloc(1, sizeof(*r));
    int rc = 0;

    *out = NULL;
    if (r == NULL || (r->dir = strdup(dir)) == NULL) {
        free(r);
        return err_sys(e, -ENOMEM, "repository \"%s\"", dir);
    }
    if ((r->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        rc = err_sys(e, -errno, "repository \"%s\"", dir);
    else if (flock(r->fd, LOCK_EX | LOCK_NB) != 0)
        rc = errno == EWOULDBLOCK
                 ? err_set(e, -EAGAIN, "repository \"%s\": another command writes in it; try again",
                           dir)
                 : err_sys(e, -errno, "locking \"%s\"", dir);
    if (rc == 0 && (rc = read_keys(r, e)) == 0 && (rc = make_folders(r, e)) == 0)
        rc = read_published(r, e);
    if (rc != 0) {
        repository_close(r);
        return rc;
    }
    *out = r;
    return 0;
}

void repository_close(struct repository *r)
{
    if (r == NULL)
        return;
    for (unsigned i = 0; i < REPOSITORY_ROLES; i++)
        tuf_metadata_free(r->role[i]);
    io_close(&r->fd);
    free(r->dir);
    free(r);
}

/* --- targets --- */

int repository_target_name(char out[192], const char *path, const struct digest *hash,
                           struct err *e)
{
    const char *slash = strrchr(path, '/');
    char hex[65];
    int n;

    text_digest(hex, hash);
    n = slash == NULL
            ? snprintf(out, 192, "targets/%s.%s", hex, path)
            : snprintf(out, 192, "targets/%.*s/%s.%s", (int)(slash - path), path, hex, slash + 1);
    return n > 0 && n < 192 ? 0 : err_set(e, -E2BIG, "target \"%.80s\": too long a name", path);
}

int repository_serial(const struct tuf_metadata *rules, uint64_t *serial, struct err *e)
{
    const json_t *all, *one, *custom;
    json_int_t n = 0;

    *serial = 0;
    if (rules == NULL)
        return 0;
    all = json_object_get(repository_signed(rules), "targets");
    if ((one = json_object_get(all, REPOSITORY_CURRENT)) == NULL)
        return 0;
    custom = json_object_get(one, "custom");
    n = json_integer_value(json_object_get(custom, "serial"));
    if (n <= 0)
        return err_set(e, -EBADMSG, "the published rules.json does not say which release it is of");
    *serial = (uint64_t)n;
    return 0;
}

int repository_map(struct repository *r, const struct tuf_metadata *rules, const char *path,
                   struct span *out, struct err *e)
{
    const struct tuf_file *f = tuf_metadata_file(rules, path);
    char name[192];
    struct stat st;
    void *map;
    int fd, rc;

    *out = (struct span){NULL, 0};
    if (f == NULL || !f->hashes.has_sha256)
        return err_set(e, -ENOENT, "the repository lists no \"%s\"", path);
    if ((rc = repository_target_name(name, path, &f->hashes.sha256, e)) != 0)
        return rc;
    if ((fd = openat(r->fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)) < 0)
        return err_sys(e, -errno, "\"%s/%s\"", r->dir, name);
    if (fstat(fd, &st) != 0)
        rc = err_sys(e, -errno, "\"%s/%s\"", r->dir, name);
    else if ((uint64_t)st.st_size != f->length || f->length == 0)
        rc = err_set(e, -EBADMSG, "\"%s/%s\" has not the length that its metadata says", r->dir,
                     name);
    else if ((map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0)) == MAP_FAILED)
        rc = err_sys(e, -errno, "\"%s/%s\"", r->dir, name);
    else
        *out = span_of(map, (size_t)st.st_size);
    io_close(&fd);
    return rc;
}

void repository_unmap(struct span s)
{
    if (s.n > 0)
        (void)munmap((void *)(uintptr_t)s.p, s.n);
}

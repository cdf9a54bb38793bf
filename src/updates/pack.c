#include "updates/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "base/ustar.h"
#include "detect/protocol.h"

/* --- writing --- */

static int write_file(int fd, const struct protocol_file *f, struct err *e)
{
    uint8_t head[USTAR_BLOCK];
    int rc = ustar_header(head, f->name, f->content.n);

    if (rc != 0)
        return err_set(e, rc,
                       "rule file \"%s\": its name does not fit into a tar archive; no part of it "
                       "may have more than %u bytes",
                       f->name, USTAR_PART_MAX);
    if ((rc = io_write_all(fd, head, sizeof(head))) != 0 ||
        (rc = io_write_all(fd, f->content.p, f->content.n)) != 0 ||
        (rc = io_write_all(fd, ustar_zeros, ustar_padding(f->content.n))) != 0)
        return err_sys(e, rc, "packing the release");
    return 0;
}

int pack_write(const struct release *r, int fd, struct err *e)
{
    size_t n = (size_t)release_size(r);
    void *map = mmap(NULL, n, PROT_READ, MAP_SHARED, release_fd(r), 0);
    struct protocol_file f;
    struct cur c;
    int rc = 0;

    if (map == MAP_FAILED)
        return err_sys(e, -errno, "packing the release");
    c = cur_of(span_of(map, n));
    while (rc == 0 && (rc = protocol_bundle_next(&c, &f)) == 1)
        rc = write_file(fd, &f, e);
    if (rc == 0 && (rc = io_write_all(fd, ustar_zeros, sizeof(ustar_zeros))) != 0)
        (void)err_sys(e, rc, "packing the release");
    (void)munmap(map, n);
    return rc;
}

/* --- reading --- */

/* Names as a release's: no part is empty or begins with a dot, so none leads out. */
static bool name_ok(const char *name)
{
    bool begins = true;

    if (*name == '\0')
        return false;
    for (const char *p = name; *p != '\0'; p++) {
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                     (*p >= '0' && *p <= '9') || strchr("._-/", *p) != NULL;

        if (!plain || (begins && (*p == '.' || *p == '/')))
            return false;
        begins = *p == '/';
    }
    return !begins;
}

static int make_file(void *arg, const char *name, struct span content, struct err *e)
{
    int dir = *(int *)arg;
    const char *slash = strrchr(name, '/');
    char folder[USTAR_NAME_MAX + 1];
    int fd = -1, rc = 0;

    if (slash != NULL) {
        (void)snprintf(folder, sizeof(folder), "%.*s", (int)(slash - name), name);
        rc = io_mkdirs_beneath(dir, folder);
    }
    if (rc == 0 && (fd = io_open_beneath(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0644)) < 0)
        rc = fd;
    if (rc == 0)
        rc = io_write_all(fd, content.p, content.n);
    io_close(&fd);
    return rc == 0 ? 0 : err_sys(e, rc, "unpacking \"%s\"", name);
}

typedef int each_fn(void *arg, const char *name, struct span content, struct err *e);

/* *theirs: what each said ended it. */
static int read_files(struct cur *c, each_fn *each, void *arg, bool *theirs, struct err *e)
{
    char name[USTAR_NAME_MAX + 1], before[sizeof(name)] = "";
    struct span head, content, pad;
    uint64_t size;
    size_t n = 0;
    int rc;

    for (;;) {
        if ((rc = cur_take(c, USTAR_BLOCK, &head)) != 0 ||
            (rc = ustar_read(head.p, name, &size)) <= 0)
            return rc;
        if (!name_ok(name) || strcmp(before, name) >= 0 || size > c->n)
            return -EBADMSG;
        if (++n > RELEASE_FILES_MAX)
            return -E2BIG;
        if ((rc = cur_take(c, (size_t)size, &content)) != 0 ||
            (rc = cur_take(c, ustar_padding(size), &pad)) != 0)
            return rc;
        if (memcmp(pad.p, ustar_zeros, pad.n) != 0)
            return -EBADMSG;
        if ((rc = each(arg, name, content, e)) != 0) {
            *theirs = true;
            return rc;
        }
        memcpy(before, name, sizeof(name));
    }
}

int pack_each(struct span tar, each_fn *each, void *arg, struct err *e)
{
    struct cur c = cur_of(tar);
    bool theirs = false;
    struct span rest;
    int rc;

    if (tar.n > PACK_BYTES_MAX)
        return err_set(e, -E2BIG, "the packed release has more than %llu bytes",
                       (unsigned long long)PACK_BYTES_MAX);
    rc = read_files(&c, each, arg, &theirs, e);
    if (rc == 0 && (cur_take(&c, USTAR_BLOCK, &rest) != 0 ||
                    memcmp(rest.p, ustar_zeros, USTAR_BLOCK) != 0 || c.n != 0))
        rc = -EBADMSG;
    if (rc != 0 && !theirs)
        (void)err_set(e, rc, "the packed release is %s", rc == -E2BIG ? "too large" : "malformed");
    return rc;
}

int pack_read(struct span tar, int dir, struct err *e)
{
    int rc = pack_each(tar, make_file, &dir, e);

    if (rc == 0 && syncfs(dir) != 0) /* once, not for each of some hundred files */
        rc = err_sys(e, -errno, "unpacking the release");
    return rc;
}

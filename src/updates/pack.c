#include "updates/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "detect/protocol.h"

#define BLOCK 512u
#define NAME_PART 100u
#define PREFIX_PART 155u

/* Where the parts of a header are, and how long. */
enum {
    AT_NAME = 0,
    AT_MODE = 100,
    AT_UID = 108,
    AT_GID = 116,
    AT_SIZE = 124,
    AT_TIME = 136,
    AT_SUM = 148,
    AT_TYPE = 156,
    AT_MAGIC = 257,
    AT_MAJOR = 329,
    AT_MINOR = 337,
    AT_PREFIX = 345
};

static const uint8_t zeros[2 * BLOCK];

/* Where name is cut in two: 0: it fits whole; else the '/' that neither part has.  -E2BIG. */
static int cut(const char *name, size_t *at)
{
    size_t n = strlen(name);

    *at = 0;
    if (n <= NAME_PART)
        return 0;
    for (size_t i = n - NAME_PART - 1; i < n && i <= PREFIX_PART; i++)
        if (i > 0 && name[i] == '/' && i + 1 < n) {
            *at = i;
            return 0;
        }
    return -E2BIG;
}

static int header(uint8_t out[BLOCK], const char *name, uint64_t size)
{
    char text[16];
    unsigned sum = 0;
    size_t at;
    int rc = cut(name, &at);

    if (rc != 0)
        return rc;
    memset(out, 0, BLOCK);
    memcpy(out + AT_PREFIX, name, at);
    memcpy(out + AT_NAME, name + at + (at > 0), strlen(name) - at - (at > 0));
    memcpy(out + AT_MODE, "0000644", 7);
    memcpy(out + AT_UID, "0000000", 7);
    memcpy(out + AT_GID, "0000000", 7);
    (void)snprintf(text, sizeof(text), "%011llo", (unsigned long long)size);
    memcpy(out + AT_SIZE, text, 11);
    memcpy(out + AT_TIME, "00000000000", 11);
    memset(out + AT_SUM, ' ', 8);
    out[AT_TYPE] = '0';
    memcpy(out + AT_MAGIC,
           "ustar\0"
           "00",
           8);
    memcpy(out + AT_MAJOR, "0000000", 7);
    memcpy(out + AT_MINOR, "0000000", 7);
    for (size_t i = 0; i < BLOCK; i++)
        sum += out[i];
    (void)snprintf(text, sizeof(text), "%06o", sum);
    memcpy(out + AT_SUM, text, 7); /* six digits, NUL, blank */
    return 0;
}

static size_t padding(uint64_t size)
{
    return (size_t)((BLOCK - size % BLOCK) % BLOCK);
}

/* --- writing --- */

static int write_file(int fd, const struct protocol_file *f, struct err *e)
{
    uint8_t head[BLOCK];
    int rc = header(head, f->name, f->content.n);

    if (rc != 0)
        return err_set(e, rc,
                       "rule file \"%s\": its name does not fit into a tar archive; no part of it "
                       "may have more than %u bytes",
                       f->name, NAME_PART);
    if ((rc = io_write_all(fd, head, sizeof(head))) != 0 ||
        (rc = io_write_all(fd, f->content.p, f->content.n)) != 0 ||
        (rc = io_write_all(fd, zeros, padding(f->content.n))) != 0)
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
    if (rc == 0 && (rc = io_write_all(fd, zeros, sizeof(zeros))) != 0)
        (void)err_sys(e, rc, "packing the release");
    (void)munmap(map, n);
    return rc;
}

/* --- reading --- */

/* A header's name, size and nothing else are read; what header() makes of them must be the header.
 * 1: a file; 0: the end; -EBADMSG. */
static int read_header(const uint8_t *h, char name[NAME_PART + PREFIX_PART + 2], uint64_t *size)
{
    size_t prefix = strnlen((const char *)h + AT_PREFIX, PREFIX_PART);
    size_t rest = strnlen((const char *)h + AT_NAME, NAME_PART);
    uint8_t again[BLOCK];

    if (memcmp(h, zeros, BLOCK) == 0)
        return 0;
    memcpy(name, h + AT_PREFIX, prefix);
    if (prefix > 0)
        name[prefix++] = '/';
    memcpy(name + prefix, h + AT_NAME, rest);
    name[prefix + rest] = '\0';
    *size = 0;
    for (int i = 0; i < 11; i++) {
        unsigned digit = h[AT_SIZE + i] - (unsigned)'0';

        if (digit > 7)
            return -EBADMSG;
        *size = *size * 8 + digit;
    }
    return header(again, name, *size) == 0 && memcmp(again, h, BLOCK) == 0 ? 1 : -EBADMSG;
}

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
    char folder[NAME_PART + PREFIX_PART + 2];
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
    char name[NAME_PART + PREFIX_PART + 2], before[sizeof(name)] = "";
    struct span head, content, pad;
    uint64_t size;
    size_t n = 0;
    int rc;

    for (;;) {
        if ((rc = cur_take(c, BLOCK, &head)) != 0 || (rc = read_header(head.p, name, &size)) <= 0)
            return rc;
        if (!name_ok(name) || strcmp(before, name) >= 0 || size > c->n)
            return -EBADMSG;
        if (++n > RELEASE_FILES_MAX)
            return -E2BIG;
        if ((rc = cur_take(c, (size_t)size, &content)) != 0 ||
            (rc = cur_take(c, padding(size), &pad)) != 0)
            return rc;
        if (memcmp(pad.p, zeros, pad.n) != 0)
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
    if (rc == 0 &&
        (cur_take(&c, BLOCK, &rest) != 0 || memcmp(rest.p, zeros, BLOCK) != 0 || c.n != 0))
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

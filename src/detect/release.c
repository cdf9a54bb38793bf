#include "detect/release.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "crypto/sha256.h"
#include "detect/protocol.h"

#define NAME_MAX_ 255u
#define DEPTH_MAX 8
#define FILE_MAX (UINT64_C(64) << 20)
#define DOMAIN "rules-release/v1"

struct release {
    char **names; /* relative to the folder, ascending */
    size_t n, room;
    struct hashset *hashes;
    struct digest digest;
    int fd;
    uint64_t size, read;
};

/* --- the names --- */

static bool has_ending(const char *name, const char *ending)
{
    size_t n = strlen(name), m = strlen(ending);

    return n > m && strcmp(name + n - m, ending) == 0;
}

/* Sources that are handed to the engines; each takes the endings it knows. */
static bool is_source(const char *name)
{
    static const char *const endings[] = {
        ".yar", ".yara",                           /* YARA */
        ".hdb", ".hsb",  ".mdb",  ".msb",  ".imp", /* ClamAV: hashes */
        ".ndb", ".ldb",  ".cdb",  ".idb",          /* ClamAV: bodies, logic, containers, icons */
        ".fp",  ".sfp",  ".ign2", ".pwdb",         /* ClamAV: exceptions; passwords */
    };

    for (size_t i = 0; i < ARRAY_LEN(endings); i++)
        if (has_ending(name, endings[i]))
            return true;
    return false;
}

static bool is_hashes(const char *name)
{
    return has_ending(name, ".sha256");
}

static int check_name(const char *name, struct err *e)
{
    if (strlen(name) > NAME_MAX_)
        return err_set(e, -E2BIG, "\"%s\": rule file names have at most %u bytes", name, NAME_MAX_);
    for (const char *p = name; *p != '\0'; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
              strchr("._-/", *p) != NULL))
            return err_set(e, -EBADMSG,
                           "\"%s\": rule file names are made of letters, digits and ._-", name);
    return 0;
}

static int keep_name(struct release *r, const char *name, struct err *e)
{
    int rc = check_name(name, e);

    if (rc != 0)
        return rc;
    if (r->n >= RELEASE_FILES_MAX)
        return err_set(e, -E2BIG, "a rule release has at most %d files", RELEASE_FILES_MAX);
    if (r->n == r->room) {
        size_t room = r->room == 0 ? 64 : r->room * 2;
        char **more = reallocarray(r->names, room, sizeof(*more));

        if (more == NULL)
            return err_set(e, -ENOMEM, "out of memory");
        r->names = more;
        r->room = room;
    }
    if ((r->names[r->n] = strdup(name)) == NULL)
        return err_set(e, -ENOMEM, "out of memory");
    r->n++;
    return 0;
}

static int walk(struct release *r, int root, const char *folder, unsigned depth, struct err *e);

static int look_at(struct release *r, int root, const char *folder, const char *entry,
                   unsigned depth, struct err *e)
{
    char name[NAME_MAX_ + NAME_MAX_ + 2];
    struct stat st;
    bool wanted = is_source(entry) || is_hashes(entry);

    (void)snprintf(name, sizeof(name), "%s%s%s", folder, *folder != '\0' ? "/" : "", entry);
    if (fstatat(root, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return err_sys(e, -errno, "rule file \"%s\"", name);
    if (S_ISDIR(st.st_mode)) {
        if (strlen(name) > NAME_MAX_ || depth >= DEPTH_MAX)
            return err_set(e, -E2BIG, "rule folder \"%s\" is too deep", name);
        return walk(r, root, name, depth + 1, e);
    }
    if (!wanted)
        return 0;
    if (!S_ISREG(st.st_mode))
        return err_set(e, -EBADMSG, "rule file \"%s\" is no regular file", name);
    return keep_name(r, name, e);
}

static int walk(struct release *r, int root, const char *folder, unsigned depth, struct err *e)
{
    int fd = openat(root, *folder != '\0' ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *en;
    int rc = 0;

    if (d == NULL) {
        rc = err_sys(e, -errno, "rule folder \"%s\"", folder);
        io_close(&fd);
        return rc;
    }
    while (rc == 0 && (errno = 0, en = readdir(d)) != NULL)
        if (en->d_name[0] != '.')
            rc = look_at(r, root, folder, en->d_name, depth, e);
    if (rc == 0 && errno != 0)
        rc = err_sys(e, -errno, "rule folder \"%s\"", folder);
    (void)closedir(d);
    return rc;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* --- the contents --- */

static int check_source(const char *name, struct span text, struct err *e)
{
    unsigned line = 1;

    if (text.n >= 4 && memcmp(text.p, "YARA", 4) == 0)
        return err_set(e, -EBADMSG, "%s:1: compiled YARA is refused; put the rules' source here",
                       name);
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\0')
            return err_set(e, -EBADMSG, "%s:%u: a NUL byte: this is no text", name, line);
        if (text.p[i] == '\n')
            line++;
    }
    return 0;
}

static int bundle(struct release *r, const char *name, struct span text, struct err *e)
{
    struct buf head;
    int rc;

    buf_init(&head, NAME_MAX_ + 6);
    rc = protocol_put_file(&head, name, (uint32_t)text.n);
    if (rc == 0)
        rc = io_write_all(r->fd, head.data, head.len);
    if (rc == 0)
        rc = io_write_all(r->fd, text.p, text.n);
    if (rc == 0)
        r->size += head.len + text.n;
    buf_free(&head);
    return rc == 0 ? 0 : err_sys(e, rc, "cannot keep rule file \"%s\"", name);
}

static void hash_file(struct sha256 *h, const char *name, struct span text)
{
    uint8_t length[2] = {(uint8_t)(strlen(name) >> 8), (uint8_t)strlen(name)};
    struct digest content;

    sha256_of(text.p, text.n, &content);
    sha256_add(h, length, sizeof(length));
    sha256_add(h, name, strlen(name));
    sha256_add(h, content.b, sizeof(content.b));
}

static int take_file(struct release *r, int root, const char *name, struct sha256 *h, struct err *e)
{
    struct buf text;
    int rc;

    buf_init(&text, FILE_MAX);
    rc = io_read_file(root, name, &text);
    if (rc != 0) {
        rc = err_sys(e, rc, "rule file \"%s\"", name);
        goto out;
    }
    rc = -E2BIG;
    if ((r->read += text.len) > RELEASE_BYTES_MAX) {
        (void)err_set(e, rc, "a rule release has at most %llu bytes",
                      (unsigned long long)RELEASE_BYTES_MAX);
        goto out;
    }
    hash_file(h, name, buf_span(&text));
    if (is_hashes(name))
        rc = hashset_add(r->hashes, name, buf_span(&text), e);
    else if ((rc = check_source(name, buf_span(&text), e)) == 0)
        rc = bundle(r, name, buf_span(&text), e);
out:
    buf_free(&text);
    return rc;
}

static int take_all(struct release *r, int root, struct err *e)
{
    static const uint8_t domain[] = "\0\20" DOMAIN; /* lp(DOMAIN) */
    struct sha256 *h = sha256_new();
    int rc = 0;

    if (h == NULL)
        return err_set(e, -ENOMEM, "out of memory");
    sha256_add(h, domain, sizeof(domain) - 1);
    for (size_t i = 0; i < r->n && rc == 0; i++)
        rc = take_file(r, root, r->names[i], h, e);
    sha256_end(h, &r->digest);
    sha256_free(h);
    return rc;
}

int release_load(struct release **out, const char *folder, struct err *e)
{
    struct release *r = calloc(1, sizeof(*r));
    int root = -1, rc;

    if (r == NULL)
        return err_set(e, -ENOMEM, "out of memory");
    r->fd = memfd_create("rules", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r->fd < 0 || root < 0) {
        rc = err_sys(e, -errno, "rule folder \"%s\"", folder);
        goto out;
    }
    if ((rc = hashset_new(&r->hashes)) != 0 || (rc = walk(r, root, "", 0, e)) != 0)
        goto out;
    if (r->n == 0) {
        rc = err_set(e, -EINVAL,
                     "rule folder \"%s\" has no file of rules (.yar, .ndb, .sha256, ...)", folder);
        goto out;
    }
    qsort(r->names, r->n, sizeof(*r->names), compare);
    if ((rc = take_all(r, root, e)) != 0)
        goto out;
    hashset_seal(r->hashes);
    /* from here on nobody, not even we, can change what was hashed */
    if (fcntl(r->fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        rc = err_sys(e, -errno, "cannot seal the rules");
        goto out;
    }
    *out = r;
    r = NULL;
out:
    io_close(&root);
    release_free(r);
    return rc;
}

void release_free(struct release *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->n; i++)
        free(r->names[i]);
    free(r->names);
    hashset_free(r->hashes);
    io_close(&r->fd);
    free(r);
}

struct digest release_digest(const struct release *r)
{
    return r->digest;
}

const struct hashset *release_hashes(const struct release *r)
{
    return r->hashes;
}

int release_fd(const struct release *r)
{
    return r->fd;
}

uint64_t release_size(const struct release *r)
{
    return r->size;
}

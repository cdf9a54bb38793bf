#include "detect/release.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "crypto/sha256.h"
#include "detect/protocol.h"

#define NAME_MAX_ 255u
#define DOMAIN "rules-release/v1"
#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)

struct release {
    struct hashset *hashes;
    struct digest digest;
    int fd;
    uint64_t size;
};

struct pack {
    char **names; /* relative to the folder, ascending */
    size_t n, room;
    int fd;
    uint64_t size; /* of the contents */
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

bool release_wants(const char *name)
{
    return is_source(name) || is_hashes(name);
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

static int keep_name(struct pack *r, const char *name, struct err *e)
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

/* A folder of rules may be somebody else's, and we may be root; a pipe in it must not hold us. */
static int open_in(int root, const char *name, int flags)
{
    return io_open_beneath(root, name, flags | O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
}

static int walk(struct pack *r, int root, const char *folder, unsigned depth, struct err *e);

static int look_at(struct pack *r, int root, const char *folder, const char *entry, unsigned depth,
                   struct err *e)
{
    char name[NAME_MAX_ + NAME_MAX_ + 2];
    struct stat st;
    bool wanted = release_wants(entry);

    (void)snprintf(name, sizeof(name), "%s%s%s", folder, *folder != '\0' ? "/" : "", entry);
    if (fstatat(root, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return err_sys(e, -errno, "rule file \"%s\"", name);
    if (S_ISDIR(st.st_mode)) {
        if (strlen(name) > NAME_MAX_ || depth >= RELEASE_DEPTH_MAX)
            return err_set(e, -E2BIG, "rule folder \"%s\" is too deep", name);
        return walk(r, root, name, depth + 1, e);
    }
    if (!wanted)
        return 0;
    if (!S_ISREG(st.st_mode))
        return err_set(e, -EBADMSG, "rule file \"%s\" is no regular file", name);
    return keep_name(r, name, e);
}

static int walk(struct pack *r, int root, const char *folder, unsigned depth, struct err *e)
{
    int fd = open_in(root, *folder != '\0' ? folder : ".", O_DIRECTORY);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *en;
    int rc = 0;

    if (d == NULL) {
        rc = err_sys(e, fd < 0 ? fd : -errno, "rule folder \"%s\"", folder);
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

/* --- packing: names and contents into one memory, unread --- */

static int read_file(int root, const char *name, struct buf *text)
{
    struct stat st;
    int fd = open_in(root, name, 0), rc;

    if (fd < 0)
        return fd;
    if (fstat(fd, &st) != 0)
        rc = -errno;
    else
        rc = S_ISREG(st.st_mode) ? io_read_fd(fd, text) : -EBADMSG;
    io_close(&fd);
    return rc;
}

static int pack_file(struct pack *p, int root, const char *name, struct err *e)
{
    struct buf text, head;
    int rc;

    buf_init(&text, RELEASE_FILE_MAX);
    buf_init(&head, NAME_MAX_ + 6);
    rc = read_file(root, name, &text);
    if (rc == -E2BIG || (rc == 0 && (p->size += text.len) > RELEASE_BYTES_MAX)) {
        rc = err_set(e, -E2BIG,
                     "rule file \"%s\": a rule file has at most %llu bytes, a release %llu", name,
                     (unsigned long long)RELEASE_FILE_MAX, (unsigned long long)RELEASE_BYTES_MAX);
        goto out;
    }
    if (rc == 0)
        rc = protocol_put_file(&head, name, (uint32_t)text.len);
    if (rc == 0)
        rc = io_write_all(p->fd, head.data, head.len);
    if (rc == 0 && text.len > 0)
        rc = io_write_all(p->fd, text.data, text.len);
    if (rc != 0)
        (void)err_sys(e, rc, "rule file \"%s\"", name);
out:
    buf_free(&text);
    buf_free(&head);
    return rc;
}

int release_seal(int fd, struct err *e)
{
    /* from here on nobody, not even we, can change what will be hashed */
    if (fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) != 0)
        return err_sys(e, -errno, "cannot seal the rules");
    return 0;
}

static int pack_all(struct pack *p, int root, const char *folder, struct err *e)
{
    int rc = walk(p, root, "", 0, e);

    if (rc == 0 && p->n == 0)
        rc = err_set(e, -EINVAL,
                     "rule folder \"%s\" has no file of rules (.yar, .ndb, .sha256, ...)", folder);
    if (rc == 0)
        qsort(p->names, p->n, sizeof(*p->names), compare);
    for (size_t i = 0; i < p->n && rc == 0; i++)
        rc = pack_file(p, root, p->names[i], e);
    return rc == 0 ? release_seal(p->fd, e) : rc;
}

int release_pack(int *fd, const char *folder, struct err *e)
{
    struct pack p = {.fd = memfd_create("rules", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    int root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

    if (p.fd < 0 || root < 0)
        rc = err_sys(e, -errno, "rule folder \"%s\"", folder);
    else if ((rc = pack_all(&p, root, folder, e)) == 0) {
        *fd = p.fd;
        p.fd = -1;
    }
    io_close(&root);
    io_close(&p.fd);
    for (size_t i = 0; i < p.n; i++)
        free(p.names[i]);
    free(p.names);
    return rc;
}

/* --- opening: what was packed is checked and hashed --- */

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

static void hash_file(struct sha256 *h, const char *name, struct span text)
{
    uint8_t length[2] = {(uint8_t)(strlen(name) >> 8), (uint8_t)strlen(name)};
    struct digest content;

    sha256_of(text.p, text.n, &content);
    sha256_add(h, length, sizeof(length));
    sha256_add(h, name, strlen(name));
    sha256_add(h, content.b, sizeof(content.b));
}

static int take_file(struct release *r, const struct protocol_file *f, struct sha256 *h,
                     struct err *e)
{
    int rc = check_name(f->name, e);

    if (rc != 0)
        return rc;
    hash_file(h, f->name, f->content);
    if (is_hashes(f->name))
        return hashset_add(r->hashes, f->name, f->content, e);
    return check_source(f->name, f->content, e);
}

static int take_all(struct release *r, struct span all, struct err *e)
{
    static const uint8_t domain[] = "\0\20" DOMAIN; /* lp(DOMAIN) */
    struct sha256 *h = sha256_new();
    struct cur c = cur_of(all);
    struct protocol_file f;
    char before[sizeof(f.name)] = "";
    size_t n = 0;
    int rc;

    if (h == NULL)
        return err_set(e, -ENOMEM, "out of memory");
    sha256_add(h, domain, sizeof(domain) - 1);
    while ((rc = protocol_bundle_next(&c, &f)) == 1) {
        if (++n > RELEASE_FILES_MAX || strcmp(before, f.name) >= 0)
            rc = -EBADMSG;
        else if ((rc = take_file(r, &f, h, e)) == 0) {
            (void)snprintf(before, sizeof(before), "%s", f.name);
            continue;
        }
        break;
    }
    sha256_end(h, &r->digest);
    sha256_free(h);
    if (rc != 0 && (e == NULL || e->code == 0))
        (void)err_set(e, rc, "the packed rules are malformed");
    return rc;
}

int release_open(struct release **out, int fd, struct err *e)
{
    struct release *r = calloc(1, sizeof(*r));
    struct stat st;
    void *map = NULL;
    int rc, seals;

    if (r == NULL) {
        (void)close(fd);
        return err_set(e, -ENOMEM, "out of memory");
    }
    r->fd = fd;
    seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) != 0 || st.st_size <= 0) {
        rc = err_set(e, -EBADMSG, "the packed rules are malformed");
        goto out;
    }
    r->size = (uint64_t)st.st_size;
    map = mmap(NULL, (size_t)r->size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        map = NULL;
        rc = err_sys(e, -errno, "cannot map the rules");
        goto out;
    }
    if ((rc = hashset_new(&r->hashes)) != 0) {
        (void)err_sys(e, rc, "preparing the hash sets");
        goto out;
    }
    if ((rc = take_all(r, span_of(map, (size_t)r->size), e)) != 0)
        goto out;
    hashset_seal(r->hashes);
    *out = r;
    r = NULL;
out:
    if (map != NULL)
        (void)munmap(map, (size_t)st.st_size);
    release_free(r);
    return rc;
}

int release_load(struct release **out, const char *folder, struct err *e)
{
    int fd, rc = release_pack(&fd, folder, e);

    return rc != 0 ? rc : release_open(out, fd, e);
}

void release_free(struct release *r)
{
    if (r == NULL)
        return;
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

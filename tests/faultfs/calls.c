/* calls.c - see calls.h.  Each wrapper: is it about the watched folder?  shall it fail?  the real
 * call; the record.  The lock is held over the real call where names change, so that the record
 * has the order of the file system; writes are recorded when they are over, and a sync covers what
 * was recorded before it began. */
#include "calls.h"

#include <assert.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FDS 65536

const char *const call_names[CALL_KINDS] = {"open",  "read", "write", "sync",
                                            "space", "name", "look",  "memory"};

enum step_kind {
    MAKE,
    MAKE_FOLDER,
    LINK,
    REMOVE,
    RENAME,
    EXCHANGE,
    WRITE,
    LENGTH,
    RESERVE,
    PUNCH,
    SYNC,
    SYNC_ALL,
    LOSE,
    MARK
};

struct step {
    enum step_kind kind;
    bool keep_size;
    disk_node a, b;
    char *name, *as;
    uint8_t *p;
    uint64_t at, n; /* SYNC: n is when it began */
    struct calls_mark mark;
};

struct calls_trace {
    struct disk *start;
    struct step *step;
    size_t n, cap;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *root; /* NULL: nothing is watched */
static size_t root_len;
static struct disk *live;
static struct calls_trace *trace;
static disk_node of_fd[FDS];
static bool halve, held, begun;
static pthread_t holder;
static pthread_cond_t held_changed = PTHREAD_COND_INITIALIZER;

static uint64_t counted[CALL_KINDS], until;
static unsigned fail_mask, fail_times;
static bool fail_for_ever, any_failed;
static int fail_errno;
static enum call first_failed;

static void *real(const char *name)
{
    void *p = dlsym(RTLD_NEXT, name);

    if (p == NULL)
        abort();
    return p;
}
#define REAL(name) ((__typeof__(&(name)))real(#name))

static void *must(void *p)
{
    if (p == NULL)
        abort();
    return p;
}

/* What the record itself allocates is no call of the program's (memory.c). */
static _Thread_local unsigned inside;

static void enter(void)
{
    (void)pthread_mutex_lock(&lock);
    inside++;
}

static void leave(void)
{
    inside--;
    (void)pthread_mutex_unlock(&lock);
}

void calls_aside(bool on)
{
    inside += on ? 1U : -1U;
}

/* --- failing --- */

void calls_fail(uint64_t nth, unsigned mask, int err, unsigned times)
{
    enter();
    until = nth;
    fail_mask = nth == 0 ? 0 : mask;
    fail_errno = err;
    fail_times = times;
    fail_for_ever = times == 0;
    any_failed = false;
    leave();
}

bool calls_failed(void)
{
    return any_failed;
}

enum call calls_failed_kind(void)
{
    return first_failed;
}

void calls_hold_syncs(bool on)
{
    (void)pthread_mutex_lock(&lock);
    held = on;
    begun = false;
    holder = pthread_self();
    (void)pthread_cond_broadcast(&held_changed);
    (void)pthread_mutex_unlock(&lock);
}

void calls_sync_begun(void)
{
    bool yes = false;

    for (unsigned i = 0; i < 300 && !yes; i++) { /* it may have failed before it came so far */
        (void)pthread_mutex_lock(&lock);
        yes = begun;
        (void)pthread_mutex_unlock(&lock);
        if (!yes)
            (void)usleep(1000);
    }
}

void calls_halve(bool on)
{
    halve = on;
}

uint64_t calls_count(enum call kind)
{
    return counted[kind];
}

bool calls_one(enum call kind)
{
    bool fails = false;

    if (inside > 0)
        return false;
    enter();
    counted[kind]++;
    if ((fail_mask >> kind & 1) != 0) {
        if (until > 0)
            until--;
        fails = until == 0 && (fail_for_ever || fail_times > 0);
        if (fails && !fail_for_ever)
            fail_times--;
        if (fails && !any_failed)
            first_failed = kind;
        any_failed = any_failed || fails;
    }
    leave();
    if (fails)
        errno = fail_errno;
    return fails;
}

/* --- the record --- */

static struct step *step(enum step_kind kind, disk_node a)
{
    struct step *s;

    if (trace->n == trace->cap) {
        trace->cap = trace->cap == 0 ? 1024 : trace->cap * 2;
        trace->step = must(realloc(trace->step, trace->cap * sizeof(*trace->step)));
    }
    s = &trace->step[trace->n++];
    memset(s, 0, sizeof(*s));
    s->kind = kind;
    s->a = a;
    return s;
}

static void play(const struct step *s, struct disk *d)
{
    switch (s->kind) {
    case MAKE:
    case MAKE_FOLDER:
        (void)disk_make(d, s->a, s->name, s->kind == MAKE_FOLDER);
        break;
    case LINK:
        disk_link(d, s->b, s->a, s->name);
        break;
    case REMOVE:
        disk_remove(d, s->a, s->name);
        break;
    case RENAME:
    case EXCHANGE:
        disk_rename(d, s->a, s->name, s->b, s->as, s->kind == EXCHANGE);
        break;
    case WRITE:
        disk_write(d, s->a, s->p, s->n, s->at);
        break;
    case LENGTH:
        disk_truncate(d, s->a, s->n);
        break;
    case RESERVE:
        disk_reserve(d, s->a, s->at, s->n, s->keep_size);
        break;
    case PUNCH:
        disk_punch(d, s->a, s->at, s->n);
        break;
    case SYNC:
        disk_sync(d, s->a, s->n);
        break;
    case SYNC_ALL:
        disk_sync_all(d, s->n);
        break;
    case LOSE:
        disk_lose(d, s->a);
        break;
    case MARK:
        break;
    }
}

static void now(const struct step *s)
{
    play(s, live);
}

static void name_step(enum step_kind kind, disk_node folder, const char *name, disk_node b)
{
    struct step *s = step(kind, folder);

    s->b = b;
    s->name = must(strdup(name));
    now(s);
}

static void write_step(disk_node f, const void *p, size_t n, uint64_t at)
{
    struct step *s;

    if (n == 0)
        return;
    s = step(WRITE, f);
    s->p = must(malloc(n));
    memcpy(s->p, p, n);
    s->n = n;
    s->at = at;
    now(s);
}

void calls_mark(int what, uint64_t value, const void *digest)
{
    struct step *s;

    enter();
    if (trace != NULL) {
        s = step(MARK, 0);
        s->mark.what = what;
        s->mark.value = value;
        if (digest != NULL)
            memcpy(s->mark.digest, digest, 32);
    }
    leave();
}

size_t calls_steps(void)
{
    return trace == NULL ? 0 : trace->n;
}

void calls_trace_free(struct calls_trace *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->n; i++) {
        free(t->step[i].name);
        free(t->step[i].as);
        free(t->step[i].p);
    }
    free(t->step);
    disk_free(t->start);
    free(t);
}

size_t calls_trace_steps(const struct calls_trace *t)
{
    return t->n;
}

struct disk *calls_trace_disk(struct calls_trace *t)
{
    struct disk *d = t->start;

    t->start = NULL;
    return d;
}

void calls_trace_step(const struct calls_trace *t, size_t i, struct disk *d,
                      struct calls_mark *mark)
{
    const struct step *s = &t->step[i];

    mark->what = -1;
    if (s->kind == MARK)
        *mark = s->mark;
    else
        play(s, d);
}

/* --- an existing folder becomes a disk --- */

static void load_file(struct disk *d, disk_node f, const char *path)
{
    uint8_t *b = must(malloc(1 << 20));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint64_t at = 0;
    ssize_t n;

    if (fd < 0)
        abort();
    while ((n = read(fd, b, 1 << 20)) > 0) {
        disk_write(d, f, b, (size_t)n, at);
        at += (uint64_t)n;
    }
    (void)close(fd);
    free(b);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void load(struct disk *d, disk_node folder, const char *path)
{
    struct dirent **e;
    int n = scandir(path, &e, NULL, by_name);

    for (int i = 0; i < n; i++) {
        const char *name = e[i]->d_name;
        char below[4096];
        struct stat st;

        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
            snprintf(below, sizeof(below), "%s/%s", path, name) < (int)sizeof(below) &&
            stat(below, &st) == 0) {
            bool is_folder = S_ISDIR(st.st_mode);
            disk_node x = disk_make(d, folder, name, is_folder);

            disk_own(d, x, st.st_mode, st.st_uid, st.st_gid);
            if (is_folder)
                load(d, x, below);
            else
                load_file(d, x, below);
        }
        free(e[i]);
    }
    if (n >= 0)
        free(e);
}

static struct disk *disk_of(const char *dir)
{
    struct disk *d = disk_new();

    load(d, DISK_ROOT, dir);
    disk_sync_all(d, disk_now(d));
    return d;
}

void calls_watch(const char *dir)
{
    struct disk *d = dir == NULL ? NULL : disk_of(dir), *start = dir == NULL ? NULL : disk_of(dir);

    enter();
    disk_free(live);
    calls_trace_free(trace);
    free(root);
    memset(of_fd, 0, sizeof(of_fd));
    live = d;
    root = dir == NULL ? NULL : must(strdup(dir));
    root_len = dir == NULL ? 0 : strlen(dir);
    trace = dir == NULL ? NULL : must(calloc(1, sizeof(*trace)));
    if (trace != NULL)
        trace->start = start;
    leave();
}

struct calls_trace *calls_take(void)
{
    struct calls_trace *t;

    enter();
    t = trace;
    trace = NULL;
    leave();
    calls_watch(NULL);
    return t;
}

/* --- which node is meant --- */

struct place {
    disk_node folder;
    char name[256]; /* "": the watched folder itself */
};

/* false: not below the watched folder.  With the lock held. */
static bool resolve(int dirfd, const char *path, struct place *p)
{
    char above[4096];
    const char *slash;
    disk_node at = DISK_ROOT;

    if (root == NULL || path == NULL)
        return false;
    if (path[0] == '/') {
        if (strncmp(path, root, root_len) != 0 || (path[root_len] != '/' && path[root_len] != '\0'))
            return false;
        path += root_len;
        path += strspn(path, "/");
    } else {
        at = dirfd >= 0 && dirfd < FDS ? of_fd[dirfd] : 0;
        if (at == 0)
            return false;
    }
    slash = strrchr(path, '/');
    if (slash != NULL) {
        size_t n = (size_t)(slash - path);

        while (n > 0 && path[n - 1] == '/')
            n--;
        if (n >= sizeof(above))
            return false;
        memcpy(above, path, n);
        above[n] = '\0';
        /* step by step from `at`: disk_path begins at the root */
        for (char *part = above, *end; *part != '\0' && at != 0; part = end) {
            end = part + strcspn(part, "/");
            if (*end == '/')
                *end++ = '\0';
            if (strcmp(part, ".") != 0 && part[0] != '\0')
                at = disk_find(live, at, part);
        }
        path = slash + 1;
        if (at == 0)
            return false;
    }
    if (strcmp(path, ".") == 0)
        path = "";
    if (strlen(path) >= sizeof(p->name))
        return false;
    p->folder = at;
    memcpy(p->name, path, strlen(path) + 1);
    return true;
}

static disk_node node_at(const struct place *p)
{
    return p->name[0] == '\0' ? p->folder : disk_find(live, p->folder, p->name);
}

static disk_node node_fd(int fd)
{
    return root != NULL && fd >= 0 && fd < FDS ? of_fd[fd] : 0;
}

static bool watched(int dirfd, const char *path)
{
    struct place p;
    bool is;

    enter();
    is = resolve(dirfd, path, &p);
    leave();
    return is;
}

/* --- open, close --- */

static int open_at(int dirfd, const char *path, int flags, mode_t mode)
{
    int (*really)(int, const char *, int, ...) = REAL(openat64);
    struct place p;
    disk_node n;
    int fd;

    if (watched(dirfd, path) && calls_one(CALL_OPEN))
        return -1;
    enter();
    fd = really(dirfd, path, flags, mode);
    if (fd >= 0 && fd < FDS)
        of_fd[fd] = 0;
    if (fd >= 0 && fd < FDS && resolve(dirfd, path, &p)) {
        n = node_at(&p);
        if (n == 0) {
            struct stat st;

            name_step(MAKE, p.folder, p.name, 0);
            n = disk_find(live, p.folder, p.name);
            if (fstat(fd, &st) == 0)
                disk_own(live, n, st.st_mode, st.st_uid, st.st_gid);
        } else if ((flags & O_TRUNC) != 0 && disk_size(live, n) > 0) {
            struct step *s = step(LENGTH, n);

            s->n = 0;
            now(s);
        }
        of_fd[fd] = n;
    }
    leave();
    return fd;
}

static mode_t mode_of(int flags, va_list ap)
{
    return (flags & O_CREAT) != 0 ? (mode_t)va_arg(ap, unsigned) : 0;
}

#define OPEN(name)                                                                                 \
    int name(const char *path, int flags, ...)                                                     \
    {                                                                                              \
        va_list ap;                                                                                \
        mode_t mode;                                                                               \
                                                                                                   \
        va_start(ap, flags);                                                                       \
        mode = mode_of(flags, ap);                                                                 \
        va_end(ap);                                                                                \
        return open_at(AT_FDCWD, path, flags, mode);                                               \
    }
#define OPENAT(name)                                                                               \
    int name(int dirfd, const char *path, int flags, ...)                                          \
    {                                                                                              \
        va_list ap;                                                                                \
        mode_t mode;                                                                               \
                                                                                                   \
        va_start(ap, flags);                                                                       \
        mode = mode_of(flags, ap);                                                                 \
        va_end(ap);                                                                                \
        return open_at(dirfd, path, flags, mode);                                                  \
    }
/* With _FILE_OFFSET_BITS=64 the headers rename open to open64, and fortified calls have names of
 * their own: all are given to the assembler as they are. */
int shadow_open(const char *path, int flags, ...) __asm__("open");
int shadow_open64(const char *path, int flags, ...) __asm__("open64");
int shadow_openat(int dirfd, const char *path, int flags, ...) __asm__("openat");
int shadow_openat64(int dirfd, const char *path, int flags, ...) __asm__("openat64");
int shadow_open_2(const char *path, int flags) __asm__("__open_2");
int shadow_open64_2(const char *path, int flags) __asm__("__open64_2");
int shadow_openat_2(int dirfd, const char *path, int flags) __asm__("__openat_2");
int shadow_openat64_2(int dirfd, const char *path, int flags) __asm__("__openat64_2");
OPEN(shadow_open)
OPEN(shadow_open64)
OPENAT(shadow_openat)
OPENAT(shadow_openat64)

int shadow_open_2(const char *path, int flags)
{
    return open_at(AT_FDCWD, path, flags, 0);
}

int shadow_open64_2(const char *path, int flags)
{
    return open_at(AT_FDCWD, path, flags, 0);
}

int shadow_openat_2(int dirfd, const char *path, int flags)
{
    return open_at(dirfd, path, flags, 0);
}

int shadow_openat64_2(int dirfd, const char *path, int flags)
{
    return open_at(dirfd, path, flags, 0);
}

int close(int fd)
{
    if (fd >= 0 && fd < FDS)
        of_fd[fd] = 0;
    return REAL(close)(fd);
}

/* --- reading and writing --- */

static size_t half(size_t n)
{
    return halve && n > 1 ? n / 2 : n;
}

ssize_t read(int fd, void *p, size_t n)
{
    if (node_fd(fd) == 0)
        return REAL(read)(fd, p, n);
    return calls_one(CALL_READ) ? -1 : REAL(read)(fd, p, half(n));
}

ssize_t write(int fd, const void *p, size_t n)
{
    disk_node f = node_fd(fd);
    ssize_t w;

    if (f == 0)
        return REAL(write)(fd, p, n);
    if (calls_one(CALL_WRITE))
        return -1;
    w = REAL(write)(fd, p, half(n));
    if (w > 0) {
        off_t end = lseek(fd, 0, SEEK_CUR);

        enter();
        write_step(f, p, (size_t)w, (uint64_t)(end - w));
        leave();
    }
    return w;
}

static ssize_t pread_one(int fd, void *p, size_t n, off_t at)
{
    ssize_t (*really)(int, void *, size_t, off_t) = REAL(pread64);

    if (node_fd(fd) == 0)
        return really(fd, p, n, at);
    return calls_one(CALL_READ) ? -1 : really(fd, p, half(n), at);
}

static ssize_t pwrite_one(int fd, const void *p, size_t n, off_t at)
{
    ssize_t (*really)(int, const void *, size_t, off_t) = REAL(pwrite64);
    disk_node f = node_fd(fd);
    ssize_t w;

    if (f == 0)
        return really(fd, p, n, at);
    if (calls_one(CALL_WRITE))
        return -1;
    w = really(fd, p, half(n), at);
    if (w > 0) {
        enter();
        write_step(f, p, (size_t)w, (uint64_t)at);
        leave();
    }
    return w;
}

ssize_t shadow_pread(int fd, void *p, size_t n, off_t at) __asm__("pread");
ssize_t shadow_pread64(int fd, void *p, size_t n, off_t at) __asm__("pread64");
ssize_t shadow_pwrite(int fd, const void *p, size_t n, off_t at) __asm__("pwrite");
ssize_t shadow_pwrite64(int fd, const void *p, size_t n, off_t at) __asm__("pwrite64");
ssize_t shadow_pread_chk(int, void *, size_t, off_t, size_t) __asm__("__pread64_chk");
ssize_t shadow_read_chk(int fd, void *p, size_t n, size_t room) __asm__("__read_chk");

ssize_t shadow_pread(int fd, void *p, size_t n, off_t at)
{
    return pread_one(fd, p, n, at);
}

ssize_t shadow_pread64(int fd, void *p, size_t n, off_t at)
{
    return pread_one(fd, p, n, at);
}

ssize_t shadow_pread_chk(int fd, void *p, size_t n, off_t at, size_t room)
{
    assert(n <= room);
    return pread_one(fd, p, n, at);
}

ssize_t shadow_read_chk(int fd, void *p, size_t n, size_t room)
{
    assert(n <= room);
    return read(fd, p, n);
}

ssize_t shadow_pwrite(int fd, const void *p, size_t n, off_t at)
{
    return pwrite_one(fd, p, n, at);
}

ssize_t shadow_pwrite64(int fd, const void *p, size_t n, off_t at)
{
    return pwrite_one(fd, p, n, at);
}

/* --- length and space --- */

static int truncate_one(int fd, off_t size)
{
    int (*really)(int, off_t) = REAL(ftruncate64);
    disk_node f = node_fd(fd);
    int rc;

    if (f == 0)
        return really(fd, size);
    if (calls_one(CALL_SPACE))
        return -1;
    rc = really(fd, size);
    if (rc == 0) {
        struct step *s;

        enter();
        s = step(LENGTH, f);
        s->n = (uint64_t)size;
        now(s);
        leave();
    }
    return rc;
}

static int reserve_one(int fd, int mode, off_t at, off_t n)
{
    int (*really)(int, int, off_t, off_t) = REAL(fallocate64);
    disk_node f = node_fd(fd);
    int rc;

    if (f == 0)
        return really(fd, mode, at, n);
    if (calls_one(CALL_SPACE))
        return -1;
    rc = really(fd, mode, at, n);
    if (rc == 0) {
        struct step *s;

        enter();
        s = step((mode & FALLOC_FL_PUNCH_HOLE) != 0 ? PUNCH : RESERVE, f);
        s->keep_size = (mode & FALLOC_FL_KEEP_SIZE) != 0;
        s->at = (uint64_t)at;
        s->n = (uint64_t)n;
        now(s);
        leave();
    }
    return rc;
}

int shadow_ftruncate(int fd, off_t size) __asm__("ftruncate");
int shadow_ftruncate64(int fd, off_t size) __asm__("ftruncate64");
int shadow_fallocate(int fd, int mode, off_t at, off_t n) __asm__("fallocate");
int shadow_fallocate64(int fd, int mode, off_t at, off_t n) __asm__("fallocate64");

int shadow_ftruncate(int fd, off_t size)
{
    return truncate_one(fd, size);
}

int shadow_ftruncate64(int fd, off_t size)
{
    return truncate_one(fd, size);
}

int shadow_fallocate(int fd, int mode, off_t at, off_t n)
{
    return reserve_one(fd, mode, at, n);
}

int shadow_fallocate64(int fd, int mode, off_t at, off_t n)
{
    return reserve_one(fd, mode, at, n);
}

/* --- syncing --- */

static int sync_one(int fd, enum step_kind kind)
{
    disk_node n = node_fd(fd);
    struct step *s;
    uint64_t began;

    enter();
    began = disk_now(live);
    while (held && !pthread_equal(holder, pthread_self())) {
        begun = true;
        (void)pthread_cond_broadcast(&held_changed);
        (void)pthread_cond_wait(&held_changed, &lock);
    }
    leave();
    if (calls_one(CALL_SYNC)) {
        enter();
        now(step(LOSE, n));
        leave();
        errno = fail_errno;
        return -1;
    }
    enter();
    s = step(kind, n);
    s->n = began;
    now(s);
    leave();
    return 0;
}

int fsync(int fd)
{
    return node_fd(fd) == 0 ? REAL(fsync)(fd) : sync_one(fd, SYNC);
}

int fdatasync(int fd)
{
    return node_fd(fd) == 0 ? REAL(fdatasync)(fd) : sync_one(fd, SYNC);
}

int syncfs(int fd)
{
    return node_fd(fd) == 0 ? REAL(syncfs)(fd) : sync_one(fd, SYNC_ALL);
}

int shadow_sync_file_range(int fd, off_t at, off_t n, unsigned flags) __asm__("sync_file_range");
int shadow_sync_file_range(int fd, off_t at, off_t n, unsigned flags)
{
    int (*really)(int, off_t, off_t, unsigned) =
        (int (*)(int, off_t, off_t, unsigned))real("sync_file_range");

    return node_fd(fd) == 0 ? really(fd, at, n, flags) : 0;
}

/* --- names --- */

/* The two places of a call, both below the watched folder; the lock is taken if they are. */
static bool both(int a, const char *p, int b, const char *q, struct place *x, struct place *y)
{
    enter();
    if (resolve(a, p, x) && resolve(b, q, y))
        return true;
    leave();
    return false;
}

static bool one(int a, const char *p, struct place *x)
{
    return both(a, p, a, p, x, x);
}

int renameat2(int a, const char *p, int b, const char *q, unsigned flags)
{
    struct place x, y;
    int rc;

    if (watched(a, p) && calls_one(CALL_NAME))
        return -1;
    if (!both(a, p, b, q, &x, &y))
        return REAL(renameat2)(a, p, b, q, flags);
    rc = REAL(renameat2)(a, p, b, q, flags);
    if (rc == 0) {
        struct step *s = step((flags & RENAME_EXCHANGE) != 0 ? EXCHANGE : RENAME, x.folder);

        s->b = y.folder;
        s->name = must(strdup(x.name));
        s->as = must(strdup(y.name));
        now(s);
    }
    leave();
    return rc;
}

int renameat(int a, const char *p, int b, const char *q)
{
    return renameat2(a, p, b, q, 0);
}

int rename(const char *p, const char *q)
{
    return renameat2(AT_FDCWD, p, AT_FDCWD, q, 0);
}

int linkat(int a, const char *p, int b, const char *q, int flags)
{
    struct place x, y;
    int rc;

    if (watched(a, p) && calls_one(CALL_NAME))
        return -1;
    if (!both(a, p, b, q, &x, &y))
        return REAL(linkat)(a, p, b, q, flags);
    rc = REAL(linkat)(a, p, b, q, flags);
    if (rc == 0)
        name_step(LINK, y.folder, y.name, node_at(&x));
    leave();
    return rc;
}

int link(const char *p, const char *q)
{
    return linkat(AT_FDCWD, p, AT_FDCWD, q, 0);
}

int unlinkat(int a, const char *p, int flags)
{
    struct place x;
    int rc;

    if (watched(a, p) && calls_one(CALL_NAME))
        return -1;
    if (!one(a, p, &x))
        return REAL(unlinkat)(a, p, flags);
    rc = REAL(unlinkat)(a, p, flags);
    if (rc == 0)
        name_step(REMOVE, x.folder, x.name, 0);
    leave();
    return rc;
}

int unlink(const char *p)
{
    return unlinkat(AT_FDCWD, p, 0);
}

int rmdir(const char *p)
{
    return unlinkat(AT_FDCWD, p, AT_REMOVEDIR);
}

int mkdirat(int a, const char *p, mode_t mode)
{
    struct place x;
    int rc;

    if (watched(a, p) && calls_one(CALL_NAME))
        return -1;
    if (!one(a, p, &x))
        return REAL(mkdirat)(a, p, mode);
    rc = REAL(mkdirat)(a, p, mode);
    if (rc == 0)
        name_step(MAKE_FOLDER, x.folder, x.name, 0);
    leave();
    return rc;
}

int mkdir(const char *p, mode_t mode)
{
    return mkdirat(AT_FDCWD, p, mode);
}

/* --- looking --- */

static int fstat_one(int fd, struct stat *st)
{
    int (*really)(int, struct stat *) = (int (*)(int, struct stat *))real("fstat64");

    return node_fd(fd) != 0 && calls_one(CALL_LOOK) ? -1 : really(fd, st);
}

static int fstatat_one(int dirfd, const char *path, struct stat *st, int flags)
{
    int (*really)(int, const char *, struct stat *, int) =
        (int (*)(int, const char *, struct stat *, int))real("fstatat64");

    return watched(dirfd, path) && calls_one(CALL_LOOK) ? -1 : really(dirfd, path, st, flags);
}

int shadow_fstat64(int fd, struct stat *st) __asm__("fstat64");
int shadow_fstatat64(int d, const char *p, struct stat *st, int f) __asm__("fstatat64");
int shadow_stat64(const char *p, struct stat *st) __asm__("stat64");
int shadow_lstat64(const char *p, struct stat *st) __asm__("lstat64");

int shadow_fstat64(int fd, struct stat *st)
{
    return fstat_one(fd, st);
}

int shadow_fstatat64(int d, const char *p, struct stat *st, int f)
{
    return fstatat_one(d, p, st, f);
}

int shadow_stat64(const char *p, struct stat *st)
{
    return fstatat_one(AT_FDCWD, p, st, 0);
}

int shadow_lstat64(const char *p, struct stat *st)
{
    return fstatat_one(AT_FDCWD, p, st, AT_SYMLINK_NOFOLLOW);
}

DIR *fdopendir(int fd)
{
    return node_fd(fd) != 0 && calls_one(CALL_LOOK) ? NULL : REAL(fdopendir)(fd);
}

int flock(int fd, int how)
{
    return node_fd(fd) != 0 && calls_one(CALL_LOOK) ? -1 : REAL(flock)(fd, how);
}

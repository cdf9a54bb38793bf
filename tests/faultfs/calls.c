/* calls.c - see calls.h.  What is watched, and the record of it.  The lock is held over the real
 * call where names change (calls_names.c), so that the record has the order of the file system;
 * writes are recorded when they are over, and a sync covers what was recorded before it began. */
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "calls_priv.h"

struct calls_trace {
    struct disk *start;
    struct calls_step *step;
    size_t n, cap;
};

pthread_mutex_t calls_lock = PTHREAD_MUTEX_INITIALIZER;
struct disk *calls_live;
disk_node calls_of_fd[CALLS_FDS];
static char *root; /* NULL: nothing is watched */
static size_t root_len;
static struct calls_trace *trace;

void *calls_real(const char *symbol)
{
    return calls_must(dlsym(RTLD_NEXT, symbol));
}

void *calls_must(void *p)
{
    if (p == NULL)
        abort();
    return p;
}

void calls_enter(void)
{
    (void)pthread_mutex_lock(&calls_lock);
    calls_inside++;
}

void calls_leave(void)
{
    calls_inside--;
    (void)pthread_mutex_unlock(&calls_lock);
}

/* --- the record --- */

struct calls_step *calls_step(enum step_kind kind, disk_node a)
{
    struct calls_step *s;

    if (trace->n == trace->cap) {
        trace->cap = trace->cap == 0 ? 1024 : trace->cap * 2;
        trace->step = calls_must(realloc(trace->step, trace->cap * sizeof(*trace->step)));
    }
    s = &trace->step[trace->n++];
    memset(s, 0, sizeof(*s));
    s->kind = kind;
    s->a = a;
    return s;
}

static void play(const struct calls_step *s, struct disk *d)
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

void calls_now(const struct calls_step *s)
{
    play(s, calls_live);
}

void calls_name_step(enum step_kind kind, disk_node folder, const char *name, disk_node b)
{
    struct calls_step *s = calls_step(kind, folder);

    s->b = b;
    s->name = calls_must(strdup(name));
    calls_now(s);
}

void calls_write_step(disk_node f, const void *p, size_t n, uint64_t at)
{
    struct calls_step *s;

    if (n == 0)
        return;
    s = calls_step(WRITE, f);
    s->p = calls_must(malloc(n));
    memcpy(s->p, p, n);
    s->n = n;
    s->at = at;
    calls_now(s);
}

void calls_mark(int what, uint64_t value, const void *digest)
{
    struct calls_step *s;

    calls_enter();
    if (trace != NULL) {
        s = calls_step(MARK, 0);
        s->mark.what = what;
        s->mark.value = value;
        if (digest != NULL)
            memcpy(s->mark.digest, digest, 32);
    }
    calls_leave();
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
    const struct calls_step *s = &t->step[i];

    mark->what = -1;
    if (s->kind == MARK)
        *mark = s->mark;
    else
        play(s, d);
}

/* --- an existing folder becomes a disk --- */

static void load_file(struct disk *d, disk_node f, const char *path)
{
    uint8_t *b = calls_must(malloc(1 << 20));
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

    calls_enter();
    disk_free(calls_live);
    calls_trace_free(trace);
    free(root);
    memset(calls_of_fd, 0, sizeof(calls_of_fd));
    calls_live = d;
    root = dir == NULL ? NULL : calls_must(strdup(dir));
    root_len = dir == NULL ? 0 : strlen(dir);
    trace = dir == NULL ? NULL : calls_must(calloc(1, sizeof(*trace)));
    if (trace != NULL)
        trace->start = start;
    calls_leave();
}

struct calls_trace *calls_take(void)
{
    struct calls_trace *t;

    calls_enter();
    t = trace;
    trace = NULL;
    calls_leave();
    calls_watch(NULL);
    return t;
}

/* --- which node is meant --- */

/* false: not below the watched folder.  With the lock held. */
bool calls_resolve(int dirfd, const char *path, struct calls_place *p)
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
        at = dirfd >= 0 && dirfd < CALLS_FDS ? calls_of_fd[dirfd] : 0;
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
                at = disk_find(calls_live, at, part);
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

disk_node calls_node_at(const struct calls_place *p)
{
    return p->name[0] == '\0' ? p->folder : disk_find(calls_live, p->folder, p->name);
}

disk_node calls_node_fd(int fd)
{
    return root != NULL && fd >= 0 && fd < CALLS_FDS ? calls_of_fd[fd] : 0;
}

bool calls_watched(int dirfd, const char *path)
{
    struct calls_place p;
    bool is;

    calls_enter();
    is = calls_resolve(dirfd, path, &p);
    calls_leave();
    return is;
}

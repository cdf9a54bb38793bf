/* disk.c - see disk.h.  A file's kept bytes, and behind them a list of changes; the same for names,
 * in one list for the whole disk.  Nothing is clever: sizes are those of tests. */
#include "disk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME 256

enum change_kind { WRITE, LENGTH, RESERVE };

struct change { /* of a file */
    struct change *next;
    enum change_kind kind;
    uint64_t when, at, n; /* LENGTH: n is the length; a hole is a WRITE of zeros */
    uint8_t *p;           /* of a WRITE */
    bool shrinks;         /* LENGTH below the one before: the bytes beyond are gone */
};

struct bytes {
    uint8_t *p;
    uint64_t n;
    uint64_t reserved; /* bytes below this read as zeros where nobody wrote */
};

struct node {
    bool folder;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    struct bytes there, kept;
    struct change *first, **last;
};

struct name { /* of a node in a folder */
    disk_node folder, node;
    char text[NAME];
};
struct names {
    struct name *e;
    size_t n, cap;
};

struct naming { /* a change of names */
    enum { MAKE, REMOVE, RENAME, EXCHANGE } kind;
    uint64_t when;
    disk_node node; /* MAKE */
    disk_node folder, to;
    char name[NAME], as[NAME];
};

struct disk {
    struct node *node; /* node[0] unused */
    size_t n, cap;
    struct names there, kept;
    struct naming *pending;
    size_t n_pending, cap_pending;
    uint64_t clock;
};

/* --- small things --- */

static void *must(void *p)
{
    if (p == NULL)
        abort();
    return p;
}

static struct node *node_of(const struct disk *d, disk_node n)
{
    assert(n > 0 && n < d->n);
    return &d->node[n];
}

static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static void bytes_fit(struct bytes *b, uint64_t n)
{
    if (n <= b->n)
        return;
    b->p = must(realloc(b->p, n));
    memset(b->p + b->n, 0, n - b->n);
    b->n = n;
}

static void bytes_length(struct bytes *b, uint64_t n)
{
    bytes_fit(b, n);
    b->n = n;
    if (b->reserved > n)
        b->reserved = n;
}

static disk_node node_new(struct disk *d, bool folder)
{
    struct node *x;

    if (d->n >= d->cap) {
        d->cap = d->cap == 0 ? 64 : d->cap * 2;
        d->node = must(reallocarray(d->node, d->cap, sizeof(*d->node)));
        for (size_t i = 1; i < d->n; i++) /* lists point into the array */
            if (d->node[i].first == NULL)
                d->node[i].last = &d->node[i].first;
    }
    x = &d->node[d->n];
    memset(x, 0, sizeof(*x));
    x->folder = folder;
    x->mode = folder ? 0700 : 0600;
    x->uid = geteuid();
    x->gid = getegid();
    x->last = &x->first;
    return (disk_node)d->n++;
}

struct disk *disk_new(void)
{
    struct disk *d = must(calloc(1, sizeof(*d)));

    d->n = 1;
    (void)node_new(d, true);
    return d;
}

static void changes_free(struct node *x)
{
    struct change *c;

    while ((c = x->first) != NULL) {
        x->first = c->next;
        free(c->p);
        free(c);
    }
    x->last = &x->first;
}

void disk_free(struct disk *d)
{
    if (d == NULL)
        return;
    for (size_t i = 1; i < d->n; i++) {
        changes_free(&d->node[i]);
        free(d->node[i].there.p);
        free(d->node[i].kept.p);
    }
    free(d->node);
    free(d->there.e);
    free(d->kept.e);
    free(d->pending);
    free(d);
}

/* --- names --- */

static struct name *names_find(const struct names *t, disk_node folder, const char *name)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->e[i].folder == folder && strcmp(t->e[i].text, name) == 0)
            return &t->e[i];
    return NULL;
}

static void names_drop(struct names *t, disk_node folder, const char *name)
{
    struct name *e = names_find(t, folder, name);

    if (e != NULL)
        *e = t->e[--t->n];
}

static void names_set(struct names *t, disk_node folder, const char *name, disk_node node)
{
    names_drop(t, folder, name);
    if (t->n == t->cap) {
        t->cap = t->cap == 0 ? 64 : t->cap * 2;
        t->e = must(reallocarray(t->e, t->cap, sizeof(*t->e)));
    }
    t->e[t->n].folder = folder;
    t->e[t->n].node = node;
    assert(strlen(name) < NAME);
    memcpy(t->e[t->n++].text, name, strlen(name) + 1);
}

static void names_apply(struct names *t, const struct naming *c)
{
    const struct name *from = names_find(t, c->folder, c->name);
    const struct name *to = names_find(t, c->to, c->as);
    disk_node a = from == NULL ? 0 : from->node, b = to == NULL ? 0 : to->node;

    switch (c->kind) {
    case MAKE:
        names_set(t, c->folder, c->name, c->node);
        break;
    case REMOVE:
        names_drop(t, c->folder, c->name);
        break;
    case RENAME:
    case EXCHANGE:
        if (a == 0 || a == b) /* two names of one file: rename(2) does nothing */
            break;
        names_drop(t, c->folder, c->name);
        names_set(t, c->to, c->as, a);
        if (c->kind == EXCHANGE && b != 0)
            names_set(t, c->folder, c->name, b);
        break;
    }
}

static void change_names(struct disk *d, const struct naming *c)
{
    names_apply(&d->there, c);
    if (d->n_pending == d->cap_pending) {
        d->cap_pending = d->cap_pending == 0 ? 64 : d->cap_pending * 2;
        d->pending = must(reallocarray(d->pending, d->cap_pending, sizeof(*d->pending)));
    }
    d->pending[d->n_pending] = *c;
    d->pending[d->n_pending++].when = ++d->clock;
}

static struct naming naming(int kind, disk_node folder, const char *name)
{
    struct naming c;

    memset(&c, 0, sizeof(c));
    c.kind = (__typeof__(c.kind))kind;
    c.folder = folder;
    (void)snprintf(c.name, sizeof(c.name), "%s", name);
    return c;
}

disk_node disk_find(const struct disk *d, disk_node folder, const char *name)
{
    const struct name *e = names_find(&d->there, folder, name);

    return e == NULL ? 0 : e->node;
}

disk_node disk_path(const struct disk *d, const char *path)
{
    disk_node at = DISK_ROOT;
    char part[NAME];

    while (*path != '\0' && at != 0) {
        size_t n = strcspn(path, "/");

        if (n >= sizeof(part))
            return 0;
        if (n > 0 && !(n == 1 && path[0] == '.')) {
            memcpy(part, path, n);
            part[n] = '\0';
            at = disk_find(d, at, part);
        }
        path += n + (path[n] == '/');
    }
    return at;
}

disk_node disk_make(struct disk *d, disk_node folder, const char *name, bool is_folder)
{
    struct naming c = naming(MAKE, folder, name);

    c.node = node_new(d, is_folder);
    change_names(d, &c);
    return c.node;
}

void disk_link(struct disk *d, disk_node f, disk_node folder, const char *name)
{
    struct naming c = naming(MAKE, folder, name);

    c.node = f;
    change_names(d, &c);
}

void disk_remove(struct disk *d, disk_node folder, const char *name)
{
    struct naming c = naming(REMOVE, folder, name);

    change_names(d, &c);
}

void disk_rename(struct disk *d, disk_node from, const char *name, disk_node to, const char *as,
                 bool exchange)
{
    struct naming c = naming(exchange ? EXCHANGE : RENAME, from, name);

    c.to = to;
    (void)snprintf(c.as, sizeof(c.as), "%s", as);
    change_names(d, &c);
}

/* --- bytes --- */

bool disk_is_folder(const struct disk *d, disk_node n)
{
    return node_of(d, n)->folder;
}

uint64_t disk_size(const struct disk *d, disk_node n)
{
    return node_of(d, n)->there.n;
}

size_t disk_read(const struct disk *d, disk_node f, void *p, size_t n, uint64_t at)
{
    const struct bytes *b = &node_of(d, f)->there;

    if (at >= b->n)
        return 0;
    n = n < b->n - at ? n : (size_t)(b->n - at);
    memcpy(p, b->p + at, n);
    return n;
}

static struct change *change_new(struct disk *d, disk_node f, enum change_kind kind, uint64_t at,
                                 uint64_t n)
{
    struct node *x = node_of(d, f);
    struct change *c = must(calloc(1, sizeof(*c)));

    c->kind = kind;
    c->when = ++d->clock;
    c->at = at;
    c->n = n;
    *x->last = c;
    x->last = &c->next;
    return c;
}

static void apply(struct bytes *b, const struct change *c)
{
    switch (c->kind) {
    case WRITE:
        bytes_fit(b, c->at + c->n);
        memcpy(b->p + c->at, c->p, c->n);
        break;
    case LENGTH:
        bytes_length(b, c->n);
        break;
    case RESERVE:
        if (c->at <= b->reserved && b->reserved < c->at + c->n)
            b->reserved = c->at + c->n;
        break;
    }
}

void disk_write(struct disk *d, disk_node f, const void *p, size_t n, uint64_t at)
{
    struct node *x = node_of(d, f);
    struct change *c;

    if (n == 0)
        return;
    if (at + n > x->there.n)
        disk_truncate(d, f, at + n); /* the length is a change of its own */
    c = change_new(d, f, WRITE, at, n);
    c->p = must(malloc(n));
    memcpy(c->p, p, n);
    apply(&x->there, c);
}

void disk_truncate(struct disk *d, disk_node f, uint64_t size)
{
    struct node *x = node_of(d, f);
    struct change *c;

    if (size == x->there.n)
        return;
    c = change_new(d, f, LENGTH, 0, size);
    c->shrinks = size < x->there.n;
    apply(&x->there, c);
}

void disk_reserve(struct disk *d, disk_node f, uint64_t at, uint64_t n, bool keep_size)
{
    struct node *x = node_of(d, f);

    if (!keep_size && at + n > x->there.n)
        disk_truncate(d, f, at + n);
    apply(&x->there, change_new(d, f, RESERVE, at, n));
}

void disk_punch(struct disk *d, disk_node f, uint64_t at, uint64_t n)
{
    uint64_t size = disk_size(d, f);
    uint8_t *zeros;

    if (at >= size)
        return;
    n = n < size - at ? n : size - at;
    zeros = must(calloc(1, n));
    disk_write(d, f, zeros, n, at);
    free(zeros);
}

void disk_own(struct disk *d, disk_node n, mode_t mode, uid_t uid, gid_t gid)
{
    struct node *x = node_of(d, n);

    x->mode = mode & 07777;
    x->uid = uid;
    x->gid = gid;
}

/* --- syncing --- */

uint64_t disk_now(const struct disk *d)
{
    return d->clock;
}

static void sync_bytes(struct node *x, uint64_t began)
{
    struct change *c;

    while ((c = x->first) != NULL && c->when <= began) {
        apply(&x->kept, c);
        x->first = c->next;
        free(c->p);
        free(c);
    }
    if (x->first == NULL)
        x->last = &x->first;
}

/* Of two folders one is enough: file systems that move names between folders do it at once. */
static void sync_names(struct disk *d, disk_node folder, uint64_t began)
{
    size_t left = 0;

    for (size_t i = 0; i < d->n_pending; i++) {
        const struct naming *c = &d->pending[i];

        if (c->when <= began && (folder == 0 || c->folder == folder || c->to == folder))
            names_apply(&d->kept, c);
        else
            d->pending[left++] = *c;
    }
    d->n_pending = left;
}

void disk_sync(struct disk *d, disk_node n, uint64_t began)
{
    if (node_of(d, n)->folder)
        sync_names(d, n, began);
    else
        sync_bytes(node_of(d, n), began);
}

void disk_sync_all(struct disk *d, uint64_t began)
{
    sync_names(d, 0, began);
    for (size_t i = 1; i < d->n; i++)
        sync_bytes(&d->node[i], began);
}

void disk_lose(struct disk *d, disk_node f)
{
    struct node *x = node_of(d, f);
    struct change **at = &x->first, *c;

    while ((c = *at) != NULL) {
        if (c->kind != WRITE) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        free(c->p);
        free(c);
    }
    x->last = at;
}

size_t disk_pending(const struct disk *d)
{
    size_t n = d->n_pending;

    for (size_t i = 1; i < d->n; i++)
        for (const struct change *c = d->node[i].first; c != NULL; c = c->next)
            n++;
    return n;
}

/* --- the cut --- */

/* The moment up to which, or from which on, changes are kept in order. */
static uint64_t cut_moment(const struct disk *d, const struct disk_cut *how, enum disk_keep k)
{
    uint64_t first = d->clock + 1;

    if (k == DISK_ALL)
        return d->clock;
    if (k == DISK_LATE)
        return d->clock - mix(how->seed) % 4;
    if (k != DISK_PREFIX)
        return 0;
    for (size_t i = 0; i < d->n_pending; i++)
        first = d->pending[i].when < first ? d->pending[i].when : first;
    for (size_t i = 1; i < d->n; i++)
        if (d->node[i].first != NULL && d->node[i].first->when < first)
            first = d->node[i].first->when;
    return first - 1 + mix(how->seed) % (d->clock - first + 2);
}

static bool touches(const struct naming *c, const struct names *lost)
{
    return names_find(lost, c->folder, c->name) != NULL ||
           ((c->kind == RENAME || c->kind == EXCHANGE) && names_find(lost, c->to, c->as) != NULL);
}

static void cut_names(const struct disk *d, const struct disk_cut *how, struct names *out)
{
    uint64_t moment = cut_moment(d, how, how->names);
    struct names lost = {NULL, 0, 0};

    for (size_t i = 0; i < d->kept.n; i++)
        names_set(out, d->kept.e[i].folder, d->kept.e[i].text, d->kept.e[i].node);
    for (size_t i = 0; i < d->n_pending; i++) {
        const struct naming *c = &d->pending[i];
        bool keep =
            how->names == DISK_SOME ? mix(how->seed ^ c->when << 20) % 3 != 0 : c->when <= moment;

        if (keep && !touches(c, &lost)) {
            names_apply(out, c);
            continue;
        }
        names_set(&lost, c->folder, c->name, 1);
        if (c->kind == RENAME || c->kind == EXCHANGE)
            names_set(&lost, c->to, c->as, 1);
    }
    free(lost.e);
}

/* A sector stops changing at the first of its writes that is not kept. */
static void keep_sectors(const struct disk_cut *how, uint64_t moment, disk_node f,
                         const struct change *c, struct bytes *b, uint8_t *frozen, uint8_t *wrote)
{
    for (uint64_t s = c->at / how->sector; s <= (c->at + c->n - 1) / how->sector; s++) {
        uint64_t from = s * how->sector, to = from + how->sector;

        if (frozen[s])
            continue;
        if ((how->bytes == DISK_SOME &&
             mix(how->seed ^ (uint64_t)f << 44 ^ s << 16 ^ c->when) % 2) ||
            (how->bytes == DISK_LATE && c->when < moment)) {
            frozen[s] = 1;
            continue;
        }
        from = from > c->at ? from : c->at;
        to = to < c->at + c->n ? to : c->at + c->n;
        bytes_fit(b, to);
        memcpy(b->p + from, c->p + (from - c->at), to - from);
        wrote[s] = 1;
    }
}

/* New space that a lost write was to fill; what only a length or a reservation covers is zeros. */
static void fill_rubbish(const struct disk_cut *how, struct bytes *b, uint64_t from,
                         const uint8_t *frozen, const uint8_t *wrote)
{
    for (uint64_t i = from > b->reserved ? from : b->reserved; i < b->n; i++)
        if (frozen[i / how->sector] && !wrote[i / how->sector])
            b->p[i] = (uint8_t)mix(how->seed ^ i);
}

static void cut_bytes(const struct disk *d, const struct disk_cut *how, disk_node f,
                      struct bytes *out)
{
    const struct node *x = node_of(d, f);
    uint64_t moment = cut_moment(d, how, how->bytes), length = x->kept.n, most = x->kept.n;
    uint8_t *frozen, *wrote;
    bool length_lost = false;

    memset(out, 0, sizeof(*out));
    bytes_fit(out, x->kept.n);
    if (x->kept.n > 0)
        memcpy(out->p, x->kept.p, x->kept.n);
    out->reserved = x->kept.reserved;
    for (const struct change *c = x->first; c != NULL; c = c->next) {
        uint64_t upto = c->kind == LENGTH ? c->n : c->at + c->n;

        most = upto > most ? upto : most;
    }
    frozen = must(calloc(2, most / how->sector + 1));
    wrote = frozen + most / how->sector + 1;
    for (const struct change *c = x->first; c != NULL; c = c->next) {
        bool some = how->bytes == DISK_SOME;

        if (how->bytes != DISK_SOME && how->bytes != DISK_LATE && c->when > moment)
            break;
        if (c->kind == WRITE) {
            keep_sectors(how, moment, f, c, out, frozen, wrote);
        } else if (c->kind == RESERVE) {
            if (!some)
                apply(out, c);
        } else if (!length_lost) {
            length_lost = some && mix(how->seed ^ c->when << 9 ^ f) % 3 == 0;
            length = length_lost ? length : c->n;
            if (!length_lost && c->shrinks && c->n < out->n)
                memset(out->p + c->n, 0, out->n - c->n);
        }
    }
    bytes_length(out, length);
    if (how->rubbish)
        fill_rubbish(how, out, x->kept.n, frozen, wrote);
    free(frozen);
}

static void write_out(const struct node *x, const char *path, const struct bytes *b)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    uint64_t at = 0;

    assert(fd >= 0);
    if (ftruncate(fd, (off_t)b->n) != 0)
        abort();
    for (; at < b->n; at += 65536) { /* zeros stay holes */
        size_t n = b->n - at < 65536 ? (size_t)(b->n - at) : 65536;

        if ((b->p[at] != 0 || memcmp(b->p + at, b->p + at + 1, n - 1) != 0) &&
            pwrite(fd, b->p + at, n, (off_t)at) != (ssize_t)n)
            abort();
    }
    if (fchmod(fd, x->mode) != 0 || (geteuid() == 0 && fchown(fd, x->uid, x->gid) != 0))
        abort();
    (void)close(fd);
}

static void write_folder(const struct disk *d, const struct disk_cut *how, const struct names *t,
                         disk_node folder, const char *out)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct node *x = node_of(d, t->e[i].node);
        struct bytes b;
        char path[4096];

        if (t->e[i].folder != folder)
            continue;
        if (snprintf(path, sizeof(path), "%s/%s", out, t->e[i].text) >= (int)sizeof(path))
            abort();
        if (x->folder) {
            if (mkdir(path, 0700) != 0 || chmod(path, x->mode) != 0 ||
                (geteuid() == 0 && chown(path, x->uid, x->gid) != 0))
                abort();
            write_folder(d, how, t, t->e[i].node, path);
            continue;
        }
        cut_bytes(d, how, t->e[i].node, &b);
        write_out(x, path, &b);
        free(b.p);
    }
}

void disk_cut(const struct disk *d, const struct disk_cut *how, const char *out)
{
    struct names names = {NULL, 0, 0};

    assert(how->sector > 0);
    cut_names(d, how, &names);
    write_folder(d, how, &names, DISK_ROOT, out);
    free(names.e);
}

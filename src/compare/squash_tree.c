/* squash_tree.c - names: folders from the root on, each of which is in one place. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compare/squash_priv.h"

#define PATH_MOST 4096u
#define HEADER 12u
#define ENTRY 8u
#define ENTRIES 256u /* behind one header */
#define NOTHING 3u   /* what the size of an empty folder is */

struct listing { /* of a folder, as it is read */
    const struct squash_inode *of;
    uint64_t from, at, end; /* in the table of folders */
    const uint8_t *index;
    uint32_t indexes;
    struct span last; /* name */
};

static int by_at(const void *key, const void *one)
{
    const uint64_t *at = key;
    const struct squash_inode *i = one;

    return *at < i->at ? -1 : *at > i->at;
}

static struct squash_inode *inode_at(const struct squash_side *q, uint64_t block, uint32_t offset)
{
    uint64_t at;

    if (!squash_place(&q->inode_table, block, offset, &at))
        return NULL;
    return bsearch(&at, q->inode, q->inodes, sizeof(*q->inode), by_at);
}

/* Takes path. */
static int add(struct look *l, struct squash_side *q, struct squash_inode *i, char *path,
               const char **why)
{
    uint64_t cost = sizeof(*q->name) + strlen(path) + 1;

    *why = "too many names, or too much to be held";
    if (!look_may(l) || !look_charge(l, cost)) {
        free(path);
        return -EBADMSG;
    }
    q->charged += cost;
    if (q->names == q->names_room) {
        size_t room = 2 * q->names_room + 16;
        struct squash_name *more = reallocarray(q->name, room, sizeof(*more));

        if (more == NULL) {
            free(path);
            return -ENOMEM;
        }
        q->name = more;
        q->names_room = room;
    }
    q->name[q->names++] =
        (struct squash_name){.path = path, .inode = (size_t)(i - q->inode), .first = 0};
    i->names++;
    *why = "a folder in two places";
    return i->sort == SQUASH_FOLDER && i->names > 1 ? -EBADMSG : 0;
}

/* Behind the last one, in the order of bytes, and nothing that leads elsewhere. */
static bool name_clean(struct span last, struct span name)
{
    size_t n = last.n < name.n ? last.n : name.n;
    int d = n > 0 ? memcmp(last.p, name.p, n) : 0;

    return memchr(name.p, '/', name.n) == NULL && memchr(name.p, 0, name.n) == NULL &&
           !span_is(name, ".") && !span_is(name, "..") &&
           (last.p == NULL || d < 0 || (d == 0 && last.n < name.n));
}

static char *path_of(const char *folder, struct span name)
{
    size_t n = strcmp(folder, "/") == 0 ? 0 : strlen(folder) + 1;
    char *path = n + name.n < PATH_MOST ? malloc(n + name.n + 1) : NULL;

    if (path == NULL)
        return NULL;
    if (n > 0) {
        memcpy(path, folder, n - 1);
        path[n - 1] = '/';
    }
    memcpy(path + n, name.p, name.n);
    path[n + name.n] = '\0';
    return path;
}

/* The next place that the index has must be a header, the first name behind which it has, too. */
static bool indexed(const struct squash_side *q, struct listing *t)
{
    const uint8_t *p = q->folder_table.p + t->at, *x = t->index;
    uint32_t n;

    if (t->indexes == 0 || squash_u32(x) != t->at - t->from)
        return t->indexes == 0 || squash_u32(x) > t->at - t->from;
    n = squash_u32(x + 8) + 1;
    if (t->end - t->at < HEADER + ENTRY + n || squash_u16(p + HEADER + 6) + 1u != n ||
        memcmp(x + 12, p + HEADER + ENTRY, n) != 0 ||
        q->folder_table.start[t->at / SQUASH_BLOCK] != squash_u32(x + 4))
        return false;
    t->index += 12 + n;
    t->indexes--;
    return true;
}

static int entry(struct look *l, struct squash_side *q, struct listing *t, size_t folder,
                 uint32_t block, uint32_t number, const char **why)
{
    const uint8_t *p = q->folder_table.p + t->at;
    struct squash_inode *i;
    struct span name;
    char *path;

    *why = "an entry of a folder that cannot be";
    if (t->end - t->at < ENTRY || t->end - t->at - ENTRY < squash_u16(p + 6) + 1u)
        return -EBADMSG;
    name = span_of(p + ENTRY, squash_u16(p + 6) + 1u);
    if ((i = inode_at(q, block, squash_u16(p))) == NULL || i->sort != squash_u16(p + 4) ||
        i->number != number + (uint32_t)(int16_t)squash_u16(p + 2) || !name_clean(t->last, name) ||
        (i->sort == SQUASH_FOLDER && i->parent != t->of->number))
        return -EBADMSG;
    t->at += ENTRY + name.n;
    t->last = name;
    if ((path = path_of(q->name[folder].path, name)) == NULL) {
        *why = "a path that is too long";
        return strlen(q->name[folder].path) + name.n + 1 < PATH_MOST ? -ENOMEM : -EBADMSG;
    }
    return add(l, q, i, path, why);
}

static bool listing_of(const struct squash_side *q, const struct squash_inode *i, struct listing *t)
{
    memset(t, 0, sizeof(*t));
    t->of = i;
    t->index = i->list;
    t->indexes = i->indexes;
    if (i->size <= NOTHING)
        return i->size == NOTHING && i->indexes == 0 && i->start <= q->folder_table.at.n &&
               i->tail_at < SQUASH_BLOCK;
    if (!squash_place(&q->folder_table, i->start, i->tail_at, &t->from) ||
        i->size - NOTHING > q->folder_table.n - t->from)
        return false;
    t->at = t->from;
    t->end = t->from + i->size - NOTHING;
    return true;
}

static int read_folder(struct look *l, struct squash_side *q, size_t folder, const char **why)
{
    struct listing t;
    int rc = 0;

    *why = "a folder that is not in its table";
    if (!listing_of(q, &q->inode[q->name[folder].inode], &t))
        return -EBADMSG;
    while (rc == 0 && t.at < t.end) {
        const uint8_t *p = q->folder_table.p + t.at;
        uint32_t count;

        *why = "a folder, or its index, that cannot be";
        if (t.end - t.at < HEADER || squash_u32(p) >= ENTRIES || !indexed(q, &t))
            return -EBADMSG;
        t.at += HEADER;
        count = squash_u32(p) + 1;
        for (uint32_t i = 0; i < count && rc == 0; i++)
            rc = entry(l, q, &t, folder, squash_u32(p + 4), squash_u32(p + 8), why);
    }
    if (rc != 0)
        return rc;
    *why = "an index of a folder that leads nowhere";
    return t.indexes == 0 ? 0 : -EBADMSG;
}

/* --- that nothing is left --- */

static int by_place(const void *x, const void *y)
{
    const struct look_range *a = x, *b = y;

    return a->at < b->at ? -1 : a->at > b->at;
}

/* Folders have all of their table, and each has its own part. */
static int covered(const struct squash_side *q, const char **why)
{
    struct look_range *v = calloc(q->inodes, sizeof(*v));
    struct listing t;
    uint64_t at = 0;
    size_t n = 0;

    if (v == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < q->inodes; i++)
        if (q->inode[i].sort == SQUASH_FOLDER && listing_of(q, &q->inode[i], &t) && t.end > t.from)
            v[n++] = (struct look_range){t.from, t.end - t.from};
    qsort(v, n, sizeof(*v), by_place);
    for (size_t i = 0; i < n && v[i].at == at; i++)
        at += v[i].n;
    free(v);
    *why = "names that no folder has, or two";
    return at == q->folder_table.n ? 0 : -EBADMSG;
}

static int by_path(const void *x, const void *y)
{
    return strcmp(((const struct squash_name *)x)->path, ((const struct squash_name *)y)->path);
}

/* Sorted by path; and each inode knows its first name. */
static int order(struct squash_side *q)
{
    size_t *first = calloc(q->inodes, sizeof(*first));

    if (first == NULL)
        return -ENOMEM;
    qsort(q->name, q->names, sizeof(*q->name), by_path);
    for (size_t i = q->names; i-- > 0;)
        first[q->name[i].inode] = i;
    for (size_t i = 0; i < q->names; i++)
        q->name[i].first = first[q->name[i].inode];
    free(first);
    return 0;
}

int squash_tree_read(struct look *l, struct squash_side *q, const char **why)
{
    struct squash_inode *root = inode_at(q, q->root >> 16, q->root & 0xffff);
    char *path;
    int rc;

    *why = "a root that is none";
    if (root == NULL || root->sort != SQUASH_FOLDER || root->parent != q->inodes + 1)
        return -EBADMSG;
    if ((path = strdup("/")) == NULL)
        return -ENOMEM;
    rc = add(l, q, root, path, why);
    for (size_t i = 0; rc == 0 && i < q->names; i++)
        if (q->inode[q->name[i].inode].sort == SQUASH_FOLDER)
            rc = read_folder(l, q, i, why);
    if (rc != 0 || (rc = covered(q, why)) != 0)
        return rc;
    *why = "an inode that no folder has";
    for (uint32_t i = 0; i < q->inodes; i++)
        if (q->inode[i].names == 0)
            return -EBADMSG;
    return order(q);
}

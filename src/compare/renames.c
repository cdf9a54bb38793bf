/* renames.c - files that are in one tree only, but in the other one under another name. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "compare/run_priv.h"
#include "crypto/sha256.h"

int renames_add(struct running *r, struct place *p, int side, const char *name, uint64_t size,
                struct rights rights)
{
    struct only_files *o = &r->only[side];
    char *path;

    if (o->n == RUN_ONLY_MAX)
        return -E2BIG;
    if (o->n == o->room) {
        size_t room = o->room == 0 ? 64 : 2 * o->room;
        struct only_file *more = reallocarray(o->v, room, sizeof(*more));

        if (more == NULL)
            return err_sys(r->e, -ENOMEM, "comparing");
        o->v = more;
        o->room = room;
    }
    if (asprintf(&path, "%s%s", r->path, name) < 0)
        return err_sys(r->e, -ENOMEM, "comparing");
    o->v[o->n++] =
        (struct only_file){.path = path, .size = size, .rights = rights, .place = place_hold(p)};
    return 0;
}

/* --- by content --- */

static int by_size(const void *x, const void *y)
{
    const struct only_file *a = x, *b = y;

    return a->size < b->size ? -1 : a->size > b->size ? 1 : strcmp(a->path, b->path);
}

/* The files of that size: v[*from] up to v[*to]. */
static void of_size(const struct only_files *o, uint64_t size, size_t *from, size_t *to)
{
    size_t lo = 0, hi = o->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (o->v[mid].size < size)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (*from = lo; lo < o->n && o->v[lo].size == size;)
        lo++;
    *to = lo;
}

static int hash(struct running *r, int side, struct only_file *f)
{
    struct span content;
    int rc;

    if (f->hashed)
        return 0;
    if ((rc = run_map(r, r->root[side], f->path, &content)) != 0)
        return rc;
    f->hashed = content.n == f->size;
    sha256_of(content.p, content.n, &f->digest);
    ask_unmap(&content);
    ask_step(&r->ask, f->size);
    return 0;
}

static int attributes(struct running *r, struct compare_node *n, const struct only_file *a,
                      const struct only_file *b)
{
    const struct only_file *of[2] = {a, b};
    int fd[2] = {-1, -1}, rc = 0;

    for (int side = 0; side < 2 && rc == 0; side++)
        if ((fd[side] = openat(r->root[side], of[side]->path,
                               O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)) < 0)
            rc = err_sys(r->e, -errno, "reading \"%s\"", of[side]->path);
    if (rc == 0)
        rc = attributes_compare(r, n, fd, b->path);
    io_close(&fd[0]);
    io_close(&fd[1]);
    return rc;
}

static int moved(struct running *r, struct place *root, struct only_file *a, struct only_file *b)
{
    const struct rights of[2] = {a->rights, b->rights};
    struct compare_node *n = NULL;
    int rc = look_node_new(&n, "file", a->path, b->path);

    if (rc != 0)
        return err_sys(r->e, rc, "comparing");
    for (int side = 0; side < 2; side++)
        n->size[side] = n->bytes[side][COMPARE_IDENTICAL] = a->size;
    if ((rc = run_note(r, n, COMPARE_METADATA, "the same content under another name")) != 0 ||
        (rc = tree_rights(r, n, of, b->path)) != 0 || (rc = attributes(r, n, a, b)) != 0) {
        look_node_free(n);
        return rc;
    }
    a->told = b->told = true;
    rc = look_node_add(root->node, n);
    return rc == 0 ? 0 : err_sys(r->e, rc, "comparing");
}

/* The first file of B with the content of a that is not another's yet.  Each is hashed once, and
 * looked at only beside those of its size. */
static int find(struct running *r, struct place *root, struct only_file *a)
{
    size_t i, end;
    int rc;

    of_size(&r->only[1], a->size, &i, &end);
    if (i == end || a->size == 0)
        return 0;
    if ((rc = hash(r, 0, a)) != 0)
        return rc;
    for (unsigned tries = 0; i < end && a->hashed && tries < 1000; i++) {
        struct only_file *b = &r->only[1].v[i];

        if (b->told)
            continue;
        tries++;
        if ((rc = hash(r, 1, b)) != 0)
            return rc;
        if (b->hashed && digest_eq(&a->digest, &b->digest))
            return moved(r, root, a, b);
    }
    return 0;
}

static int tell(struct running *r, int side, struct only_file *f)
{
    const char *slash = strrchr(f->path, '/');
    struct place *p = f->place;
    int rc = f->told ? 0 : tree_only(r, p, side, slash != NULL ? slash + 1 : f->path, f->size);

    f->place = NULL;
    if (place_let_go(p) != 0 && rc == 0)
        rc = err_sys(r->e, -ENOMEM, "comparing");
    return rc;
}

int renames_tell(struct running *r, struct place *root)
{
    int rc = 0;

    for (int side = 0; side < 2; side++)
        if (r->only[side].n > 1)
            qsort(r->only[side].v, r->only[side].n, sizeof(struct only_file), by_size);
    for (size_t i = 0; i < r->only[0].n && r->only[1].n > 0 && rc == 0; i++)
        rc = find(r, root, &r->only[0].v[i]);
    for (int side = 0; side < 2; side++)
        for (size_t i = 0; i < r->only[side].n && rc == 0; i++)
            rc = tell(r, side, &r->only[side].v[i]);
    return rc;
}

void renames_free(struct running *r)
{
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < r->only[side].n; i++) {
            free(r->only[side].v[i].path);
            if (r->only[side].v[i].place != NULL)
                place_drop(r->only[side].v[i].place);
        }
        free(r->only[side].v);
        r->only[side] = (struct only_files){NULL, 0, 0};
    }
}

/* cpio_links.c - hard links: entries of one device and inode are one file, whatever the numbers
 * are. Two archives link alike if numbers of one side are numbers of the other, one for one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compare/cpio_priv.h"

struct key {
    uint64_t device, inode;
};

struct cpio_link { /* an entry that says to be one of many, and its mate */
    struct key of[2];
};

static struct key key_of(const struct cpio_entry *e)
{
    return (struct key){e->v[CPIO_DEV] << 32 | e->v[CPIO_DEV_MINOR], e->v[CPIO_INO]};
}

static bool many(const struct cpio_entry *e)
{
    return e->v[CPIO_NLINK] > 1 && (e->v[CPIO_MODE] & 0170000u) != 0040000u;
}

int cpio_links_add(struct look *l, struct cpio_links *t, const struct cpio_entry *a,
                   const struct cpio_entry *b)
{
    if (!many(a) && !many(b))
        return 0;
    if (t->n == t->room) {
        size_t room = t->room == 0 ? 64 : 2 * t->room;
        uint64_t cost = (room - t->room) * sizeof(*t->v);
        struct cpio_link *more = reallocarray(t->v, room, sizeof(*more));

        if (more == NULL)
            return -ENOMEM;
        t->v = more;
        if (!look_charge(l, cost))
            return look_find(l, COMPARE_UNEXPLAINED, "hard links too many to be followed");
        t->charged += cost;
        t->room = room;
    }
    t->v[t->n++] = (struct cpio_link){{key_of(a), key_of(b)}};
    return 0;
}

static int by_key(struct key a, struct key b)
{
    if (a.device != b.device)
        return a.device < b.device ? -1 : 1;
    return a.inode < b.inode ? -1 : a.inode > b.inode;
}

static int by_a(const void *x, const void *y)
{
    return by_key(((const struct cpio_link *)x)->of[0], ((const struct cpio_link *)y)->of[0]);
}

static int by_b(const void *x, const void *y)
{
    return by_key(((const struct cpio_link *)x)->of[1], ((const struct cpio_link *)y)->of[1]);
}

/* Each number of side, which they are sorted by, is one of the other side. */
static bool one_for_one(const struct cpio_links *t, int side)
{
    for (size_t i = 1; i < t->n; i++)
        if (by_key(t->v[i - 1].of[side], t->v[i].of[side]) == 0 &&
            by_key(t->v[i - 1].of[!side], t->v[i].of[!side]) != 0)
            return false;
    return true;
}

int cpio_links_tell(struct look *l, struct cpio_links *t)
{
    bool alike = true;

    if (t->n > 0) {
        qsort(t->v, t->n, sizeof(*t->v), by_a);
        alike = one_for_one(t, 0);
        qsort(t->v, t->n, sizeof(*t->v), by_b);
        alike = one_for_one(t, 1) && alike;
    }
    t->n = 0;
    return alike
               ? 0
               : look_find(l, COMPARE_UNEXPLAINED,
                           "hard links: names that are one file on one side are not on the other");
}

void cpio_links_free(struct look *l, struct cpio_links *t)
{
    look_discharge(l, t->charged);
    free(t->v);
    memset(t, 0, sizeof(*t));
}

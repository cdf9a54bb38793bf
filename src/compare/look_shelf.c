/* look_shelf.c - what the members of one package say of one another. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compare/look_priv.h"
#include "crypto/md5.h"
#include "crypto/sha256.h"

struct told {
    char *name;
    struct look_told of;
};

struct look_shelf {
    struct look_shelf *outer;
    unsigned depth; /* left where the package is */
    unsigned telling, asking;
    struct {
        struct told *v;
        size_t n, room;
        uint64_t charged;
        bool sorted;
    } side[2];
};

int look_shelf_open(struct look *l)
{
    struct look_shelf *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return -ENOMEM;
    s->outer = l->budget->shelf;
    s->depth = l->budget->depth;
    l->budget->shelf = s;
    return 0;
}

void look_shelf_close(struct look *l)
{
    struct look_shelf *s = l->budget->shelf;

    l->budget->shelf = s->outer;
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < s->side[side].n; i++)
            free(s->side[side].v[i].name);
        free(s->side[side].v);
        look_discharge(l, s->side[side].charged);
    }
    free(s);
}

void look_shelf_turn(struct look *l, unsigned telling, unsigned asking)
{
    l->budget->shelf->telling = telling;
    l->budget->shelf->asking = asking;
}

static bool at_level(const struct look *l, unsigned level)
{
    if (level == LOOK_SHELF_SELF)
        level = 0;
    else if (level == 0)
        return false;
    return l->budget->depth + level == l->budget->shelf->depth;
}

static const char *plain(const char *name)
{
    while (name[0] == '.' && name[1] == '/')
        name += 2;
    return name;
}

int look_tell(struct look *l, int side, const char *name, struct span content)
{
    struct look_shelf *s = l->budget->shelf;
    struct told *more;
    uint64_t cost;

    if (s == NULL || !at_level(l, s->telling) || content.p == NULL)
        return 0;
    name = plain(name);
    cost = sizeof(*more) + strlen(name);
    if (!look_charge(l, cost))
        return 0; /* it is not told, and so nothing is derived from it */
    s->side[side].charged += cost;
    if (s->side[side].n == s->side[side].room) {
        size_t room = s->side[side].room == 0 ? 16 : 2 * s->side[side].room;

        if ((more = reallocarray(s->side[side].v, room, sizeof(*more))) == NULL)
            return -ENOMEM;
        s->side[side].v = more;
        s->side[side].room = room;
    }
    more = &s->side[side].v[s->side[side].n];
    more->of.n = content.n;
    sha256_of(content.p, content.n, &more->of.sha256);
    if (!md5_of(content.p, content.n, more->of.md5))
        return 0;
    if ((more->name = strdup(name)) == NULL)
        return -ENOMEM;
    s->side[side].n++;
    s->side[side].sorted = false;
    return 0;
}

bool look_may_ask(const struct look *l)
{
    return l->budget->shelf != NULL && at_level(l, l->budget->shelf->asking);
}

static int by_name(const void *x, const void *y)
{
    return strcmp(((const struct told *)x)->name, ((const struct told *)y)->name);
}

bool look_told(struct look *l, int side, const char *name, struct look_told *out)
{
    struct look_shelf *s = l->budget->shelf;
    const struct told key = {.name = (char *)(uintptr_t)plain(name)}, *hit, *v;
    size_t n;

    if (!look_may_ask(l) || s->side[side].n == 0)
        return false;
    v = s->side[side].v;
    n = s->side[side].n;
    if (!s->side[side].sorted)
        qsort(s->side[side].v, n, sizeof(*v), by_name);
    s->side[side].sorted = true;
    hit = bsearch(&key, v, n, sizeof(*v), by_name);
    if (hit == NULL || (hit > v && by_name(hit - 1, hit) == 0) ||
        (hit + 1 < v + n && by_name(hit, hit + 1) == 0))
        return false;
    *out = hit->of;
    return true;
}

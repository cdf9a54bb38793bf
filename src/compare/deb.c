/* deb.c - deb(5): an ar of debian-binary, control.tar.X, data.tar.X, in this order and nothing
 * else; what is not that is compared as ar.  data is looked at before control, whose md5sums follow
 * from it. */
#include <string.h>

#include "compare/ar_priv.h"
#include "compare/tar_priv.h"

#define PARTS 3u
static const char *const stem[PARTS] = {"debian-binary", "control.tar", "data.tar"};

static bool is(struct span s, const char *name)
{
    return ar_is(s, name) && s.n > 24 && memcmp(s.p + 8, "debian-binary", 13) == 0;
}

static bool has_stem(const char *name, const char *of)
{
    size_t n = strlen(of);

    return strncmp(name, of, n) == 0 && (name[n] == '\0' || name[n] == '.');
}

static bool as_expected(const struct ar_side *a)
{
    for (size_t i = 0; a->n == PARTS && i < PARTS; i++)
        if (!has_stem(a->v[i].name, stem[i]))
            return false;
    return a->n == PARTS;
}

/* How far below the package the tar is. */
static unsigned level(const struct look *l, const struct ar_member *m)
{
    struct span s = look_side(l, 0);

    return tar_is_header(span_of(s.p + m->content.at, (size_t)m->content.n)) ? 1 : 2;
}

static int part(struct look *l, const struct ar_side a[2], size_t i)
{
    const struct ar_member *x = &a[0].v[i], *y = &a[1].v[i];
    int rc = ar_frame(l, x, y, COMPARE_SAME_CONTENT); /* the suffix tells the compressor */

    return rc != 0 ? rc : look_member(l, x->content, y->content, x->name, x->name);
}

static int parts(struct look *l, const struct ar_side a[2])
{
    int rc = look_shelf_open(l);

    if (rc != 0)
        return rc;
    look_shelf_turn(l, level(l, &a[0].v[2]), 0);
    rc = part(l, a, 2);
    look_shelf_turn(l, 0, level(l, &a[0].v[1]) + 1);
    if (rc == 0)
        rc = part(l, a, 1);
    look_shelf_close(l);
    return rc != 0 ? rc : part(l, a, 0);
}

static int compare(struct look *l)
{
    struct ar_side a[2];
    int rc = ar_read(l, a);

    if (rc == 0)
        rc = as_expected(&a[0]) && as_expected(&a[1]) ? parts(l, a) : ar_members(l, a);
    ar_free(l, a);
    return rc;
}

extern const struct look_format deb_format;
const struct look_format deb_format = {"deb", is, compare};

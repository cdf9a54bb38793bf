/* md5sums.c - the sums in control of a package: a line that differs follows from the files only if
 * on each side it is the MD5 of that package's own file.  Nothing is derived from a file that is
 * equal on both sides. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "compare/pairing.h"

#define LINES_MAX (1u << 20)
#define SUM 32u

extern const struct look_format md5sums_format;

struct lines {
    struct pairing_item *item;
    struct look_range *at;
    size_t n, room;
};

static bool is(struct span side, const char *name)
{
    (void)side;
    return name != NULL && (strcmp(name, "md5sums") == 0 || strcmp(name, "./md5sums") == 0);
}

static int add(struct lines *t, struct look_range at, char *name)
{
    if (t->n == t->room) {
        size_t room = t->room == 0 ? 256 : 2 * t->room;
        struct pairing_item *item = reallocarray(t->item, room, sizeof(*item));
        struct look_range *where;

        if (item == NULL)
            return -ENOMEM;
        t->item = item;
        if ((where = reallocarray(t->at, room, sizeof(*where))) == NULL)
            return -ENOMEM;
        t->at = where;
        t->room = room;
    }
    t->at[t->n] = at;
    t->item[t->n++] = (struct pairing_item){name, NULL, PAIRING_NONE};
    return 0;
}

/* -EBADMSG: these are no sums. */
static int read_lines(struct span side, struct lines *t)
{
    struct cur c = cur_of(side);
    struct span line;
    uint8_t sum[16];
    char *name;
    int rc = 0;

    while (rc == 0 && c.n > 0) {
        const uint8_t *from = c.p;

        if (cur_line(&c, &line) != 0 || line.n < SUM + 3 || t->n == LINES_MAX ||
            text_unhex(span_of(line.p, SUM), sum, sizeof(sum)) != 0 ||
            memcmp(line.p + SUM, "  ", 2) != 0 || memchr(line.p, 0, line.n) != NULL)
            return -EBADMSG;
        if ((name = strndup((const char *)line.p + SUM + 2, line.n - SUM - 2)) == NULL)
            return -ENOMEM;
        rc = add(t, (struct look_range){(uint64_t)(from - side.p), line.n + 1}, name);
        if (rc != 0)
            free(name);
    }
    return rc;
}

static void lines_free(struct lines *t)
{
    for (size_t i = 0; i < t->n; i++)
        free((void *)(uintptr_t)t->item[i].name);
    free(t->item);
    free(t->at);
}

/* Whether the line is the sum of the package's own file. */
static bool right(struct look *l, int side, const struct lines *t, size_t i)
{
    uint8_t said[16];
    struct look_told is_it;
    struct span s = span_of(look_side(l, side).p + t->at[i].at, SUM);

    return text_unhex(s, said, sizeof(said)) == 0 && look_told(l, side, t->item[i].name, &is_it) &&
           memcmp(said, is_it.md5, sizeof(said)) == 0;
}

static int pair(struct look *l, const struct lines t[2], size_t i, size_t k)
{
    bool ok = right(l, 0, &t[0], i) && right(l, 1, &t[1], k);

    return look_field(l, t[0].at[i], t[1].at[k], ok ? COMPARE_DERIVED : COMPARE_UNEXPLAINED, "MD5",
                      t[0].item[i].name, "%s",
                      ok ? ", right in both packages" : ", which is not that of the file");
}

static int alone(struct look *l, int side, const struct lines *t, size_t i)
{
    const struct look_range none = {0, 0};
    bool ok = right(l, side, t, i);

    return look_pair(l, side == 0 ? t->at[i] : none, side == 1 ? t->at[i] : none,
                     ok ? COMPARE_DERIVED : COMPARE_UNEXPLAINED,
                     "the MD5 of \"%s\" is only in %s%s", t->item[i].name, side == 0 ? "A" : "B",
                     ok ? ", as the file" : "");
}

static int all(struct look *l, const struct lines t[2])
{
    int rc = pairing_by_name(t[0].item, t[0].n, t[1].item, t[1].n);

    for (size_t i = 0; i < t[0].n && rc == 0; i++)
        rc = t[0].item[i].mate == PAIRING_NONE ? alone(l, 0, &t[0], i)
                                               : pair(l, t, i, t[0].item[i].mate);
    for (size_t i = 0; i < t[1].n && rc == 0; i++)
        if (t[1].item[i].mate == PAIRING_NONE)
            rc = alone(l, 1, &t[1], i);
    if (rc == 0 && !pairing_ordered(t[0].item, t[0].n))
        rc = look_find(l, COMPARE_SAME_CONTENT, "its lines come in another order");
    return rc;
}

static int compare(struct look *l)
{
    struct lines t[2];
    int rc;

    if (!look_may_ask(l))
        return look_otherwise(l, &md5sums_format);
    memset(t, 0, sizeof(t));
    if ((rc = read_lines(look_side(l, 0), &t[0])) == 0)
        rc = read_lines(look_side(l, 1), &t[1]);
    if (rc == 0)
        rc = all(l, t);
    else if (rc == -EBADMSG)
        rc = look_otherwise(l, &md5sums_format);
    lines_free(&t[0]);
    lines_free(&t[1]);
    return rc;
}

const struct look_format md5sums_format = {"md5sums", is, compare};

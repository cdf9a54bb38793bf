#include "rules/difference.h"

#include <string.h>

#include "rules/yara_text.h"

const char *difference_word(enum difference_sort s)
{
    static const char *const words[] = {"added", "removed", "changed"};

    return words[s];
}

/* The entries of one kind and name that begin at i. */
static size_t group(const struct inventory *v, size_t i)
{
    struct inventory_entry first = inventory_at(v, i), x;
    size_t n = 1;

    while (i + n < inventory_count(v)) {
        x = inventory_at(v, i + n);
        if (inventory_order(&first, &x) != 0)
            break;
        n++;
    }
    return n;
}

static int by_text(struct span a, struct span b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n > 0 ? memcmp(a.p, b.p, n) : 0;

    return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

/* Lines of one name that only one side has; both stand in the order of their bytes. */
static void lines(const struct inventory *was, size_t i, size_t n, const struct inventory *is,
                  size_t j, size_t m, struct difference *d)
{
    while (n > 0 && m > 0) {
        int c = by_text(inventory_at(was, i).text, inventory_at(is, j).text);

        d->less += c < 0;
        d->more += c > 0;
        i += c <= 0;
        n -= c <= 0;
        j += c >= 0;
        m -= c >= 0;
    }
    d->less += n;
    d->more += m;
}

/* Two sets of one name. */
static bool differ(const struct inventory *was, size_t i, size_t n, const struct inventory *is,
                   size_t j, size_t m, struct difference *d, struct difference_counts *c)
{
    bool layout = false;

    if (d->kind != INVENTORY_YARA) {
        lines(was, i, n, is, j, m, d);
        return d->more > 0 || d->less > 0;
    }
    for (size_t k = 0; n == m && k < n; k++) {
        struct span a = inventory_at(was, i + k).text, b = inventory_at(is, j + k).text;

        if (span_eq(a, b))
            continue;
        layout = true;
        if (!yara_text_same(a, b))
            return true;
    }
    c->layout += n == m && layout;
    return n != m;
}

static void count(struct difference_counts *c, const struct difference *d, size_t n, size_t m)
{
    if (d->kind == INVENTORY_ALLOW) {
        c->allows_added += d->sort == DIFFERENCE_ADDED ? m : d->more;
        c->allows_removed += d->sort == DIFFERENCE_REMOVED ? n : d->less;
        return;
    }
    c->added += d->sort == DIFFERENCE_ADDED;
    c->removed += d->sort == DIFFERENCE_REMOVED;
    c->changed += d->sort == DIFFERENCE_CHANGED;
}

void difference_run(const struct inventory *was, const struct inventory *is, difference_tell *tell,
                    void *arg, struct difference_counts *out)
{
    size_t i = 0, j = 0, from = inventory_count(was), to = inventory_count(is);

    memset(out, 0, sizeof(*out));
    while (i < from || j < to) {
        struct difference d = {.sort = DIFFERENCE_CHANGED};
        size_t n = 0, m = 0;
        int c;

        if (i < from)
            d.was = inventory_at(was, i);
        if (j < to)
            d.is = inventory_at(is, j);
        c = i == from ? 1 : j == to ? -1 : inventory_order(&d.was, &d.is);
        d.kind = c <= 0 ? d.was.kind : d.is.kind;
        d.name = c <= 0 ? d.was.name : d.is.name;
        if (c <= 0)
            n = group(was, i);
        if (c >= 0)
            m = group(is, j);
        if (c != 0) {
            d.sort = c < 0 ? DIFFERENCE_REMOVED : DIFFERENCE_ADDED;
            d.less = n;
            d.more = m;
            memset(c < 0 ? &d.is : &d.was, 0, sizeof(d.is));
        }
        if (c != 0 || differ(was, i, n, is, j, m, &d, out)) {
            count(out, &d, n, m);
            if (tell != NULL)
                tell(arg, &d);
        } else {
            out->moved += strcmp(d.was.file, d.is.file) != 0;
        }
        i += n;
        j += m;
    }
}

bool difference_named(const struct inventory *was, const struct inventory *is,
                      enum inventory_kind k, struct span name, struct difference *out)
{
    size_t i = inventory_find(was, k, name), j = inventory_find(is, k, name);
    bool before = i < inventory_count(was), now = j < inventory_count(is);
    struct difference_counts c = {.added = 0};

    *out = (struct difference){.sort = DIFFERENCE_CHANGED, .kind = k, .name = name};
    if (before)
        out->was = inventory_at(was, i);
    if (now)
        out->is = inventory_at(is, j);
    if (before && now)
        return differ(was, i, group(was, i), is, j, group(is, j), out, &c);
    out->sort = now ? DIFFERENCE_ADDED : DIFFERENCE_REMOVED;
    out->more = now ? group(is, j) : 0;
    out->less = before ? group(was, i) : 0;
    return before || now;
}

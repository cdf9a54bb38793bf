/* tar_entry.c - one entry: the headers before it, its header, content, padding. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compare/tar_priv.h"

struct effect { /* what the headers before one say of it; p NULL: nothing */
    struct span path, link;
    bool sized, owns;
    uint64_t size;
};

bool tar_zero(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != 0)
            return false;
    return true;
}

bool tar_number(struct span f, uint64_t *v)
{
    size_t i = 0;

    *v = 0;
    if (f.n > 0 && f.p[0] == 0x80) { /* GNU: base 256 */
        for (i = 1; i < f.n; i++) {
            if (*v >> 56 != 0)
                return false;
            *v = *v << 8 | f.p[i];
        }
        return true;
    }
    while (i < f.n && f.p[i] == ' ')
        i++;
    for (; i < f.n && f.p[i] >= '0' && f.p[i] <= '7'; i++)
        *v = *v << 3 | (uint64_t)(f.p[i] - '0');
    for (; i < f.n; i++)
        if (f.p[i] != 0 && f.p[i] != ' ')
            return false;
    return true;
}

bool tar_text(struct span f, struct span *v)
{
    v->p = f.p;
    v->n = strnlen((const char *)f.p, f.n);
    return tar_zero(span_of(f.p + v->n, f.n - v->n));
}

static struct span field(const struct look_held *h, size_t at, size_t n)
{
    return span_of(h->bytes.p + at, n);
}

bool tar_is_header(struct span b)
{
    uint64_t said, sum = 0;

    if (b.n < TAR_BLOCK || b.p[0] == 0 || !tar_number(span_of(b.p + 148, 8), &said))
        return false;
    for (size_t i = 0; i < TAR_BLOCK; i++)
        sum += i >= 148 && i < 156 ? ' ' : b.p[i];
    return sum == said &&
           (memcmp(b.p + 257, "ustar", 5) == 0 || tar_zero(span_of(b.p + 257, TAR_BLOCK - 257)));
}

bool tar_record(struct span *rest, struct span *all, struct span *key, struct span *value)
{
    uint64_t n = 0;
    size_t i = 0, eq;

    for (; i < rest->n && i < 8 && rest->p[i] >= '0' && rest->p[i] <= '9'; i++)
        n = n * 10 + (uint64_t)(rest->p[i] - '0');
    if (i == 0 || i >= rest->n || rest->p[i] != ' ' || n > rest->n || n < i + 4 ||
        rest->p[n - 1] != '\n')
        return false;
    i++;
    for (eq = i; eq < n - 1 && rest->p[eq] != '=';)
        eq++;
    if (eq == i || eq == n - 1)
        return false;
    *all = span_of(rest->p, (size_t)n);
    *key = span_of(rest->p + i, eq - i);
    *value = span_of(rest->p + eq + 1, (size_t)n - eq - 2);
    *rest = span_of(rest->p + n, rest->n - (size_t)n);
    return true;
}

static bool decimal(struct span s, uint64_t *v)
{
    *v = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9' || *v > UINT64_MAX / 16)
            return false;
        *v = *v * 10 + (uint64_t)(s.p[i] - '0');
    }
    return s.n > 0;
}

bool tar_owner(struct span key)
{
    return span_is(key, "uid") || span_is(key, "gid") || span_is(key, "uname") ||
           span_is(key, "gname");
}

/* What one header before a header says; NULL, or why it cannot be followed. */
static const char *pax(const struct tar_extra *x, uint64_t size, struct effect *f)
{
    struct span rest = span_of(x->data.bytes.p, (size_t)size), all, key, value;

    while (tar_record(&rest, &all, &key, &value)) {
        if (key.n >= 11 && memcmp(key.p, "GNU.sparse.", 11) == 0)
            return "sparse files are not followed";
        if (x->type == 'g') {
            if (span_is(key, "path") || span_is(key, "linkpath") || span_is(key, "size"))
                return "a global header names one file";
            f->owns = f->owns || tar_owner(key);
        } else if (span_is(key, "path")) {
            f->path = value;
        } else if (span_is(key, "linkpath")) {
            f->link = value;
        } else if (span_is(key, "size")) {
            if (!decimal(value, &f->size))
                return "a size that is no number";
            f->sized = true;
        }
    }
    if ((f->path.p != NULL && memchr(f->path.p, 0, f->path.n) != NULL) ||
        (f->link.p != NULL && memchr(f->link.p, 0, f->link.n) != NULL))
        return "a name with an end inside";
    return rest.n > 0 ? "a pax header that is none" : NULL;
}

static const char *effect(const struct tar_extra *x, uint64_t size, struct effect *f)
{
    struct span text;

    if (x->type == 'x' || x->type == 'g')
        return pax(x, size, f);
    if (!tar_text(span_of(x->data.bytes.p, (size_t)size), &text))
        return "a long name with an end inside";
    if (x->type == 'L')
        f->path = text;
    else
        f->link = text;
    return NULL;
}

static uint64_t padded(uint64_t n)
{
    return (n + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
}

static bool is_extra(uint8_t type)
{
    return type == 'x' || type == 'g' || type == 'L' || type == 'K';
}

/* e->head is one that goes before another: moves it there. */
static int read_extra(struct look *l, int side, struct tar_entry *e, struct effect *f,
                      const char **why)
{
    struct tar_extra *x = &e->extra[e->extras];
    uint64_t size;
    int rc;

    if (e->extras == TAR_EXTRAS || !tar_number(field(&e->head, 124, 12), &size) ||
        size > TAR_EXTRA_MAX) {
        *why = "too many or too large headers before a header";
        return -EBADMSG;
    }
    x->type = (char)e->head.bytes.p[156];
    x->head = e->head;
    memset(&e->head, 0, sizeof(e->head));
    e->extras++;
    if ((rc = look_take(l, side, padded(size), &x->data)) != 0)
        return rc;
    *why = x->data.at.n < padded(size) || (size > 0 && x->data.bytes.p == NULL)
               ? "it ends inside of a header"
               : effect(x, size, f);
    return *why == NULL ? 0 : -EBADMSG;
}

static char *joined(struct span a, const char *between, struct span b)
{
    size_t n = strlen(between);
    char *s = malloc(a.n + n + b.n + 1);

    if (s == NULL)
        return NULL;
    memcpy(s, a.p, a.n);
    memcpy(s + a.n, between, n);
    memcpy(s + a.n + n, b.p, b.n);
    s[a.n + n + b.n] = '\0';
    return s;
}

static int set_names(struct tar_entry *e, const struct effect *f)
{
    const struct span none = span_of("", 0);
    struct span name, link, prefix = none;

    (void)tar_text(field(&e->head, 0, 100), &name);
    (void)tar_text(field(&e->head, 157, 100), &link);
    if (memcmp(e->head.bytes.p + 257, "ustar", 6) == 0)
        (void)tar_text(field(&e->head, 345, 155), &prefix);
    if (f->path.p != NULL)
        e->name = joined(none, "", f->path);
    else
        e->name = joined(prefix, prefix.n > 0 ? "/" : "", name);
    e->link = joined(none, "", f->link.p != NULL ? f->link : link);
    return e->name == NULL || e->link == NULL ? -ENOMEM : 0;
}

static const char *measure(struct tar_entry *e, const struct effect *f)
{
    uint8_t type = e->head.bytes.p[156];
    bool file = type == '0' || type == '7' || type == 0;

    if (type == 'S')
        return "sparse files are not followed";
    if (!file && (type < '1' || type > '6'))
        return "an entry of no known sort";
    if (!tar_number(field(&e->head, 124, 12), &e->content_n))
        return "a size that is no number";
    if (f->sized)
        e->content_n = f->size;
    if (e->content_n > UINT64_MAX / 4)
        return "a size that cannot be";
    return !file && e->content_n > 0 ? "content where none belongs" : NULL;
}

int tar_entry_read(struct look *l, int side, struct tar_entry *e, const char **why)
{
    struct effect f = {.owns = false};
    int rc;

    memset(e, 0, sizeof(*e));
    *why = NULL;
    for (;;) {
        if ((rc = look_take(l, side, TAR_BLOCK, &e->head)) != 0)
            return rc;
        if (e->extras == 0 && tar_zero(e->head.bytes))
            return 0;
        *why = tar_is_header(e->head.bytes) ? NULL : "what stands there is no header";
        if (*why != NULL)
            return -EBADMSG;
        if (!is_extra(e->head.bytes.p[156]))
            break;
        if ((rc = read_extra(l, side, e, &f, why)) != 0)
            return rc;
    }
    e->owns = f.owns;
    if ((*why = measure(e, &f)) != NULL)
        return -EBADMSG;
    if ((rc = set_names(e, &f)) != 0 || (rc = look_take(l, side, e->content_n, &e->content)) != 0 ||
        (rc = look_take(l, side, padded(e->content_n) - e->content_n, &e->padding)) != 0)
        return rc;
    if (e->content.at.n < e->content_n) {
        *why = "it ends inside of a file";
        return -EBADMSG;
    }
    return 1;
}

struct look_range tar_entry_range(const struct tar_entry *e)
{
    uint64_t at = e->extras > 0 ? e->extra[0].head.at.at : e->head.at.at;

    return (struct look_range){at, e->padding.at.at + e->padding.at.n - at};
}

void tar_entry_free(struct look *l, struct tar_entry *e)
{
    look_let_go(l, &e->padding);
    look_let_go(l, &e->content);
    look_let_go(l, &e->head);
    for (size_t i = e->extras; i-- > 0;) {
        look_let_go(l, &e->extra[i].data);
        look_let_go(l, &e->extra[i].head);
    }
    free(e->name);
    free(e->link);
    memset(e, 0, sizeof(*e));
}

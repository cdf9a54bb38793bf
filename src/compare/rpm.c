/* rpm.c - two packages: lead, signatures, header, payload.  The payload is looked at first, for
 * sums in the headers follow from it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare/packed.h"
#include "compare/rpm_priv.h"
#include "crypto/sha256.h"

#define SHOWN 120

static bool is(struct span s, const char *name)
{
    (void)name;
    return s.n >= RPM_LEAD + 2 * RPM_PREAMBLE && memcmp(s.p, "\xed\xab\xee\xdb", 4) == 0 &&
           memcmp(s.p + RPM_LEAD, "\x8e\xad\xe8\x01", 4) == 0;
}

/* --- reading --- */

static int read_side(struct rpm *r, int side, const char **why)
{
    struct rpm_side *s = &r->side[side];
    struct span all = look_side(r->l, side);
    uint64_t end;
    int rc = rpm_header_read(r->l, side, RPM_LEAD, &s->sig, why);

    if (rc != 0)
        return rc;
    end = s->sig.all.at + s->sig.all.n;
    s->padding = (struct look_range){end, (8 - end % 8) % 8};
    if ((rc = rpm_header_read(r->l, side, end + s->padding.n, &s->main, why)) != 0)
        return rc;
    end = s->main.all.at + s->main.all.n;
    s->payload = (struct look_range){end, all.n - end};
    return rpm_names_read(r, side);
}

static void side_free(struct rpm *r, int side)
{
    struct rpm_side *s = &r->side[side];

    rpm_header_free(r->l, &s->sig);
    rpm_header_free(r->l, &s->main);
    free(s->name[0]);
    free(s->name[1]);
    look_discharge(r->l, s->charged);
    sha256_free(s->plain.running);
}

/* --- one tag --- */

static struct look_range sub(struct look_range r, uint64_t at, uint64_t n)
{
    return (struct look_range){r.at + at, n};
}

/* "the signature (RSA)", "tag 1234". */
static void name_of(const struct rpm_kind *k, uint32_t tag, char out[64])
{
    if (k->name != NULL)
        (void)snprintf(out, 64, "the %s", k->name);
    else
        (void)snprintf(out, 64, "tag %" PRIu32, tag);
}

static int shown(struct span s)
{
    return (int)(s.n < SHOWN ? s.n : SHOWN);
}

static uint64_t value_of(struct span v)
{
    uint64_t n = 0;

    for (size_t i = 0; i < v.n && i < 8; i++)
        n = n << 8 | v.p[i];
    return n;
}

/* Two elements: their values without the NUL of a text. */
static int element(struct rpm *r, const struct rpm_kind *k, const struct rpm_entry *e[2],
                   const struct look_range at[2], size_t i)
{
    bool text = rpm_width(e[0]->type) == 0 && e[0]->type != RPM_BIN, right, equal;
    struct span v[2] = {rpm_bytes(r, 0, at[0]), rpm_bytes(r, 1, at[1])};
    enum compare_class class;
    char name[64], which[32] = "";
    const char *told;
    int rc;

    if ((equal = span_eq(v[0], v[1])) && (k->differs == NULL || !k->differs(r, i)))
        return look_pair(r->l, at[0], at[1], COMPARE_UNEXPLAINED, "a tag");
    for (int side = 0; side < 2 && text; side++)
        v[side].n--;
    right = k->right != NULL && k->right(r, 0, e[0], i, v[0]) && k->right(r, 1, e[1], i, v[1]);
    class = right ? k->if_right : k->class;
    told = class == COMPARE_DERIVED ? ", right on both sides" : "";
    name_of(k, e[0]->tag, name);
    if (equal && !right &&
        (rc = look_find(r->l, COMPARE_UNEXPLAINED, "%s is the same on both sides, and wrong",
                        name)) != 0)
        return rc;
    if (e[0]->count > 1 && e[0]->type != RPM_BIN)
        (void)snprintf(which, sizeof(which), ", number %zu", i + 1);
    if (text)
        return look_pair(r->l, at[0], at[1], class, "%s%s: \"%.*s\" and \"%.*s\"%s", name, which,
                         shown(v[0]), (const char *)v[0].p, shown(v[1]), (const char *)v[1].p,
                         told);
    if (e[0]->type == RPM_BIN)
        return look_pair(r->l, at[0], at[1], class, "%s", name);
    return look_pair(r->l, at[0], at[1], class,
                     e[0]->tag == RPM_FILEMODES ? "%s%s: %06" PRIo64 " and %06" PRIo64 "%s"
                                                : "%s%s: %" PRIu64 " and %" PRIu64 "%s",
                     name, which, value_of(v[0]), value_of(v[1]), told);
}

/* Its i-th element, behind those before; false: there are no more. */
static bool next_element(const struct rpm *r, int side, const struct rpm_entry *e, size_t i,
                         struct look_range *at)
{
    struct look_range rest;
    struct span s, text;
    size_t width = rpm_width(e->type);

    if (i == 0)
        *at = (struct look_range){e->data.at, 0};
    at->at += at->n;
    rest = sub(e->data, at->at - e->data.at, e->data.n - (at->at - e->data.at));
    if (i >= (e->type == RPM_BIN ? 1 : e->count) || e->type == RPM_NULL)
        return false;
    s = rpm_bytes(r, side, rest);
    if (width > 0)
        at->n = width;
    else if (e->type == RPM_BIN)
        at->n = rest.n;
    else
        at->n = rpm_text(&s, &text) ? text.n + 1 : 0;
    return at->n > 0;
}

static int data(struct rpm *r, const struct rpm_kind *k, const struct rpm_entry *a,
                const struct rpm_entry *b)
{
    const struct rpm_entry *e[2] = {a, b};
    struct look_range at[2] = {{0, 0}, {0, 0}};
    int rc = 0;

    for (size_t i = 0;
         rc == 0 && next_element(r, 0, a, i, &at[0]) && next_element(r, 1, b, i, &at[1]); i++)
        rc = element(r, k, e, at, i);
    return rc;
}

/* Whether another number of elements is told by what they are: bytes that were compared as one. */
static enum compare_class count_class(struct rpm *r, const struct rpm_kind *k,
                                      const struct rpm_entry *a, const struct rpm_entry *b)
{
    if (a->type != RPM_BIN || k->right == NULL || !k->right(r, 0, a, 0, rpm_bytes(r, 0, a->data)) ||
        !k->right(r, 1, b, 0, rpm_bytes(r, 1, b->data)))
        return COMPARE_UNEXPLAINED;
    return k->if_right;
}

static int pair(struct rpm *r, bool sig, const struct rpm_entry *a, const struct rpm_entry *b)
{
    struct rpm_kind k = rpm_kind_of(sig, a->tag);
    char name[64];
    int rc = look_pair(r->l, sub(a->index, 0, 8), sub(b->index, 0, 8), COMPARE_UNEXPLAINED,
                       "the type of a tag");

    name_of(&k, a->tag, name);
    if (rc == 0)
        rc = look_quiet(r->l, sub(a->index, 8, 4), sub(b->index, 8, 4), COMPARE_SAME_CONTENT);
    r->moved = r->moved || a->data.at - r->store[0] != b->data.at - r->store[1];
    if (rc == 0)
        rc = look_pair(r->l, sub(a->index, 12, 4), sub(b->index, 12, 4), count_class(r, &k, a, b),
                       "the length of %s: %" PRIu32 " and %" PRIu32, name, a->count, b->count);
    if (rc != 0)
        return rc;
    if (a->type == b->type && (a->count == b->count || a->type == RPM_BIN))
        return data(r, &k, a, b);
    return look_pair(r->l, a->data, b->data, COMPARE_UNEXPLAINED, "%s", name);
}

static int alone(struct rpm *r, int side, bool sig, const struct rpm_entry *e)
{
    const struct look_range none = {0, 0};
    struct rpm_kind k = rpm_kind_of(sig, e->tag);
    struct look_range at = {0, 0};
    enum compare_class class = COMPARE_UNEXPLAINED;
    bool all = k.right != NULL;
    char name[64];
    int rc;

    for (size_t i = 0; all && next_element(r, side, e, i, &at); i++) {
        struct span v = rpm_bytes(r, side, at);

        v.n -= rpm_width(e->type) == 0 && e->type != RPM_BIN;
        all = k.right(r, side, e, i, v);
    }
    name_of(&k, e->tag, name);
    if (all && e->data.n > 0 && sig)
        class = k.if_right;
    rc = look_pair(r->l, side == 0 ? e->index : none, side == 1 ? e->index : none, class,
                   "%s is only in %s", name, side == 0 ? "A" : "B");
    return rc != 0 ? rc
                   : look_pair(r->l, side == 0 ? e->data : none, side == 1 ? e->data : none, class,
                               "%s, only in %s", name, side == 0 ? "A" : "B");
}

/* --- between the data of tags --- */

static int by_place(const void *x, const void *y)
{
    const struct look_range *a = x, *b = y;

    return a->at < b->at ? -1 : a->at > b->at;
}

/* What of the store no tag has: *out is to be freed. */
static int gaps_of(const struct rpm_header *h, struct look_range **out, size_t *n)
{
    struct look_range *v = calloc(h->n + 1, sizeof(*v));
    uint64_t done = h->store.at;

    *n = 0;
    if ((*out = v) == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < h->n; i++)
        v[i] = h->v[i].data;
    v[h->n] = (struct look_range){h->store.at + h->store.n, 0};
    qsort(v, h->n + 1, sizeof(*v), by_place);
    for (size_t i = 0; i <= h->n; i++) {
        struct look_range d = v[i];

        if (d.at > done)
            v[(*n)++] = (struct look_range){done, d.at - done};
        done = d.at + d.n > done ? d.at + d.n : done;
    }
    return 0;
}

/* Numbers are aligned by less than eight zeros. */
static bool aligns(struct rpm *r, int side, struct look_range g)
{
    struct span s = rpm_bytes(r, side, g);

    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != 0)
            return false;
    return s.n < 8;
}

static int gaps(struct rpm *r, const struct rpm_header *a, const struct rpm_header *b)
{
    const struct look_range none = {0, 0};
    struct look_range *v[2] = {NULL, NULL};
    size_t n[2] = {0, 0};
    int rc = gaps_of(a, &v[0], &n[0]);

    if (rc == 0)
        rc = gaps_of(b, &v[1], &n[1]);
    for (size_t i = 0; rc == 0 && (i < n[0] || i < n[1]); i++) {
        struct look_range x = i < n[0] ? v[0][i] : none, y = i < n[1] ? v[1][i] : none;
        bool zero = aligns(r, 0, x) && aligns(r, 1, y);

        rc = look_pair(r->l, x, y, zero ? COMPARE_SAME_CONTENT : COMPARE_UNEXPLAINED,
                       zero ? "zeros that align data" : "bytes between the data of tags");
    }
    free(v[0]);
    free(v[1]);
    return rc;
}

/* --- a header --- */

static int preamble(struct rpm *r, const struct rpm_header *a, const struct rpm_header *b)
{
    int rc = look_pair(r->l, sub(a->all, 0, 8), sub(b->all, 0, 8), COMPARE_UNEXPLAINED,
                       "the beginning of a header");

    if (rc == 0)
        rc = look_pair(r->l, sub(a->all, 8, 8), sub(b->all, 8, 8), COMPARE_SAME_CONTENT,
                       "the number of tags: %zu and %zu, or the size of their data", a->n, b->n);
    if (rc == 0 && !(a->in_order && b->in_order) &&
        !span_eq(rpm_bytes(r, 0, a->all), rpm_bytes(r, 1, b->all)))
        rc = look_find(r->l, COMPARE_UNEXPLAINED, "tags that do not come in their order, or twice");
    return rc;
}

static int header(struct rpm *r, bool sig)
{
    const struct rpm_header *a = sig ? &r->side[0].sig : &r->side[0].main,
                            *b = sig ? &r->side[1].sig : &r->side[1].main;
    size_t i = 0, k = 0;
    int rc = preamble(r, a, b);

    r->moved = false;
    r->store[0] = a->store.at;
    r->store[1] = b->store.at;
    while (rc == 0 && (i < a->n || k < b->n)) {
        bool left = k >= b->n || (i < a->n && a->v[i].tag <= b->v[k].tag),
             right = i >= a->n || (k < b->n && b->v[k].tag <= a->v[i].tag);

        if (left && right)
            rc = pair(r, sig, &a->v[i], &b->v[k]);
        else
            rc = left ? alone(r, 0, sig, &a->v[i]) : alone(r, 1, sig, &b->v[k]);
        i += left;
        k += right;
    }
    if (rc == 0 && r->moved)
        rc = look_find(r->l, COMPARE_SAME_CONTENT, "where the data of tags stands");
    return rc != 0 ? rc : gaps(r, a, b);
}

/* --- the payload --- */

static void see(void *arg, const void *p, size_t n)
{
    struct rpm_expanded *x = arg;

    sha256_add(x->running, p, n);
    x->n += n;
}

/* It is cpio as it is. */
static void unpacked(struct rpm *r, int side)
{
    struct span s = rpm_bytes(r, side, r->side[side].payload);
    struct rpm_expanded *x = &r->side[side].plain;

    x->whole = s.n > 5 && memcmp(s.p, "07070", 5) == 0;
    x->n = s.n;
    sha256_of(s.p, s.n, &x->sha256);
}

static int payload(struct rpm *r)
{
    static const char name[] = "payload";
    struct rpm_side *a = &r->side[0], *b = &r->side[1];
    const uint64_t at[2] = {a->payload.at, b->payload.at};
    void *const arg[2] = {&a->plain, &b->plain};
    bool whole = false;
    int rc;

    if (!packed_is(rpm_bytes(r, 0, a->payload)) || !packed_is(rpm_bytes(r, 1, b->payload))) {
        unpacked(r, 0);
        unpacked(r, 1);
        return look_member(r->l, a->payload, b->payload, name, name);
    }
    for (int side = 0; side < 2; side++)
        if ((r->side[side].plain.running = sha256_new()) == NULL)
            return -ENOMEM;
    rc = packed_behind(r->l, at, name, see, arg, &whole);
    for (int side = 0; side < 2 && rc == 0; side++) {
        sha256_end(r->side[side].plain.running, &r->side[side].plain.sha256);
        r->side[side].plain.whole = whole;
    }
    return rc;
}

/* --- all of it --- */

static int lead(struct rpm *r)
{
    static const struct {
        uint8_t at, n;
        const char *what;
    } f[] = {{0, 4, "the magic"},
             {4, 6, "the version, the sort and the machine in the lead"},
             {10, 66, "the name in the lead"},
             {76, 20, "the system, the sort of signature and what is reserved in the lead"}};
    int rc = 0;

    for (size_t i = 0; i < ARRAY_LEN(f) && rc == 0; i++) {
        const struct look_range at = {f[i].at, f[i].n};

        rc = look_pair(r->l, at, at, COMPARE_UNEXPLAINED, "%s", f[i].what);
    }
    return rc;
}

static int parts(struct rpm *r)
{
    struct rpm_side *a = &r->side[0], *b = &r->side[1];
    int rc = look_shelf_open(r->l);
    bool zero;

    if (rc != 0)
        return rc;
    look_shelf_turn(r->l, 1, 0);
    rc = payload(r);
    look_shelf_turn(r->l, 0, LOOK_SHELF_SELF);
    if (rc == 0)
        rc = header(r, false);
    look_shelf_close(r->l);
    if (rc == 0)
        rc = header(r, true);
    zero = aligns(r, 0, a->padding) && aligns(r, 1, b->padding);
    return rc != 0 ? rc
                   : look_pair(r->l, a->padding, b->padding,
                               zero ? COMPARE_SAME_CONTENT : COMPARE_UNEXPLAINED,
                               "padding behind the signatures");
}

static int compare(struct look *l)
{
    struct rpm r;
    const char *why = NULL;
    int rc = 0, got;

    memset(&r, 0, sizeof(r));
    r.l = l;
    for (int side = 0; side < 2 && rc == 0; side++)
        if ((rc = read_side(&r, side, &why)) == -EBADMSG)
            look_cut(l, why);
    got = rc;
    if (rc == 0 || rc == -EBADMSG)
        rc = lead(&r);
    if (rc == 0 && got == 0)
        rc = parts(&r);
    side_free(&r, 1);
    side_free(&r, 0);
    return rc;
}

const struct look_format rpm_format = {"rpm", is, compare};

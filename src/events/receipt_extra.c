#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "events/receipt_extra.h"
#include "events/seal.h"

static const char OPEN_LEAF[] = "{\"leaf\":\"", OPEN_LIST[] = "\",\"openings\":[",
                  OPEN_NAME[] = "{\"name\":\"", OPEN_SALT[] = "\",\"salt\":\"",
                  OPEN_VALUE[] = "\",\"value\":\"", CLOSE_ONE[] = "\"}", CLOSE[] = "],\"v\":1}";

const struct receipt_opening *receipt_extra_find(const struct receipt_extra *x, enum leaf_field f)
{
    for (size_t i = 0; i < x->openings; i++)
        if (x->opening[i].field == f)
            return &x->opening[i];
    return NULL;
}

static int put_base64(struct buf *out, const void *p, size_t n)
{
    int rc = buf_reserve(out, TEXT_BASE64_LEN(n) + 1);

    if (rc != 0)
        return rc;
    text_base64((char *)out->data + out->len, p, n);
    out->len += TEXT_BASE64_LEN(n);
    return 0;
}

static int put_opening(struct buf *out, const struct receipt_opening *o, bool is_first)
{
    int rc;

    if ((!is_first && (rc = buf_putc(out, ',')) != 0) || (rc = buf_puts(out, OPEN_NAME)) != 0 ||
        (rc = buf_puts(out, seal_name(o->field))) != 0 || (rc = buf_puts(out, OPEN_SALT)) != 0 ||
        (rc = put_base64(out, o->salt, sizeof(o->salt))) != 0 ||
        (rc = buf_puts(out, OPEN_VALUE)) != 0 ||
        (rc = put_base64(out, o->value.p, o->value.n)) != 0)
        return rc;
    return buf_puts(out, CLOSE_ONE);
}

/* Every opening is of this leaf, opens its field, and stands once. */
static int check(const struct receipt_extra *x, struct leaf *l, struct err *e)
{
    int rc = leaf_parse(l, x->leaf);

    if (rc != 0)
        return err_set(e, rc, "the receipt's leaf is not one this program knows");
    for (size_t i = 0; i < x->openings; i++) {
        const struct receipt_opening *o = &x->opening[i];

        if (seal_name(o->field) == NULL || receipt_extra_find(x, o->field) != o)
            return err_set(e, -EINVAL, "two openings of one field, or of one that is not sealed");
        if (o->value.n > RECEIPT_VALUE_MAX)
            return err_set(e, -E2BIG, "the opening of \"%s\" is longer than %d bytes",
                           seal_name(o->field), RECEIPT_VALUE_MAX);
        if (seal_check(l, o->field, o->salt, o->value) != 0)
            return err_set(e, -EBADMSG, "the opening of \"%s\" does not open the leaf's field",
                           seal_name(o->field));
    }
    return 0;
}

int receipt_extra_encode(const struct receipt_extra *x, struct buf *out, struct err *e)
{
    size_t before = out->len, written = 0;
    struct leaf l;
    int rc;

    if (x->openings > RECEIPT_OPENINGS_MAX)
        return err_set(e, -EINVAL, "more than %d openings", RECEIPT_OPENINGS_MAX);
    if ((rc = check(x, &l, e)) != 0)
        return rc;
    if ((rc = buf_puts(out, OPEN_LEAF)) != 0 || (rc = put_base64(out, x->leaf.p, x->leaf.n)) != 0 ||
        (rc = buf_puts(out, OPEN_LIST)) != 0)
        goto out;
    for (size_t i = 0; i < leaf_kinds[l.kind].slots; i++) {
        const struct receipt_opening *o =
            receipt_extra_find(x, (enum leaf_field)leaf_kinds[l.kind].slot[i].field);

        if (o != NULL && (rc = put_opening(out, o, written++ == 0)) != 0)
            goto out;
    }
    rc = buf_puts(out, CLOSE);
out:
    if (rc != 0)
        out->len = before;
    return rc;
}

/* ------------------------------------------------------------------ decoding */

static int take_text(struct cur *c, const char *text)
{
    size_t n = strlen(text);

    if (c->n < n || memcmp(c->p, text, n) != 0)
        return -EBADMSG;
    c->p += n;
    c->n -= n;
    return 0;
}

static bool next_is(const struct cur *c, const char *text)
{
    struct cur copy = *c;

    return take_text(&copy, text) == 0;
}

/* The characters up to the next quote, which stays. */
static struct span until_quote(struct cur *c)
{
    struct span s = {c->p, 0};

    while (s.n < c->n && s.p[s.n] != '"')
        s.n++;
    c->p += s.n;
    c->n -= s.n;
    return s;
}

/* Base64 up to the next quote, decoded into the store (whose room was reserved: spans stay). */
static int take_base64(struct cur *c, struct buf *store, size_t max, struct span *out)
{
    struct span s = until_quote(c);
    size_t n;
    int rc;

    if (s.n > TEXT_BASE64_LEN(max))
        return -EBADMSG;
    rc = text_unbase64(s, store->data + store->len, store->cap - store->len, &n);
    if (rc != 0 || n > max)
        return -EBADMSG;
    *out = span_of(store->data + store->len, n);
    store->len += n;
    return 0;
}

static int take_opening(struct receipt_extra *x, struct cur *c)
{
    struct receipt_opening *o = &x->opening[x->openings];
    struct span salt;

    if (take_text(c, OPEN_NAME) != 0 || seal_field(until_quote(c), &o->field) != 0 ||
        take_text(c, OPEN_SALT) != 0 || take_base64(c, &x->store, 32, &salt) != 0 || salt.n != 32 ||
        take_text(c, OPEN_VALUE) != 0 ||
        take_base64(c, &x->store, RECEIPT_VALUE_MAX, &o->value) != 0 ||
        take_text(c, CLOSE_ONE) != 0)
        return -EBADMSG;
    memcpy(o->salt, salt.p, sizeof(o->salt));
    x->openings++;
    return 0;
}

/* The list up to and with its bracket. */
static int take_list(struct receipt_extra *x, struct cur *c)
{
    if (next_is(c, "]"))
        return take_text(c, CLOSE);
    for (;;) {
        if (x->openings == RECEIPT_OPENINGS_MAX || take_opening(x, c) != 0)
            return -EBADMSG;
        if (!next_is(c, ","))
            return take_text(c, CLOSE);
        if (take_text(c, ",") != 0)
            return -EBADMSG;
    }
}

/* One spelling only: what was read, written again, is the same text. */
static int same_again(const struct receipt_extra *x, struct span json, struct err *e)
{
    struct buf again;
    int rc;

    buf_init(&again, RECEIPT_EXTRA_MAX);
    rc = receipt_extra_encode(x, &again, e);
    if (rc == 0 && !span_eq(buf_span(&again), json))
        rc = err_set(e, -EBADMSG, "the receipt's openings are not in the leaf's order");
    buf_free(&again);
    return rc == -EINVAL ? -EBADMSG : rc;
}

int receipt_extra_decode(struct receipt_extra *x, struct span json, struct err *e)
{
    struct receipt_extra r = {.openings = 0};
    struct cur c = cur_of(json);
    int rc;

    if (json.n > RECEIPT_EXTRA_MAX)
        return err_set(e, -EBADMSG, "the receipt's extra part is longer than %d characters",
                       RECEIPT_EXTRA_MAX);
    buf_init(&r.store, RECEIPT_EXTRA_MAX);
    /* decoded bytes are fewer than the characters they come from */
    if ((rc = buf_reserve(&r.store, json.n + 1)) != 0)
        goto out;
    if (take_text(&c, OPEN_LEAF) != 0 || take_base64(&c, &r.store, LEAF_MAX, &r.leaf) != 0 ||
        take_text(&c, OPEN_LIST) != 0 || take_list(&r, &c) != 0 || c.n != 0) {
        rc = err_set(e, -EBADMSG, "the receipt's extra part is not {leaf, openings} of version 1");
        goto out;
    }
    rc = same_again(&r, json, e);
out:
    if (rc != 0) {
        receipt_extra_free(&r);
        return rc;
    }
    *x = r;
    return 0;
}

void receipt_extra_free(struct receipt_extra *x)
{
    if (x == NULL)
        return;
    buf_free(&x->store);
    memset(x, 0, sizeof(*x));
}

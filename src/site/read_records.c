#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "site/reader.h"

#define CHANGES_MAX 100000

static int put_short(struct buf *b, const char *s)
{
    int rc = buf_putc(b, (int)strlen(s));

    return rc != 0 ? rc : buf_puts(b, s);
}

static int take_short(struct cur *c, char *out, size_t cap)
{
    uint8_t n;
    int rc = cur_u8(c, &n);

    if (rc != 0 || n >= cap)
        return -EBADMSG;
    out[n] = '\0';
    return cur_copy(c, out, n);
}

static int put_previous(struct buf *b, bool has, const struct digest *d)
{
    int rc = buf_putc(b, has);

    return rc != 0 ? rc : buf_put(b, d->b, 32);
}

static int take_previous(struct cur *c, bool *has, struct digest *d)
{
    uint8_t flag;
    int rc = cur_u8(c, &flag);

    if (rc != 0 || flag > 1)
        return -EBADMSG;
    *has = flag != 0;
    return cur_copy(c, d->b, 32);
}

static int put_change(struct buf *b, const struct register_change *h)
{
    int rc;

    if ((rc = buf_putc(b, (int)h->kind)) != 0 || (rc = buf_put(b, h->person.b, 16)) != 0 ||
        (rc = buf_put(b, h->org.b, 16)) != 0 || (rc = buf_put(b, h->voucher.b, 16)) != 0 ||
        (rc = buf_putc(b, h->vouched)) != 0 || (rc = buf_put(b, h->key.b, 32)) != 0)
        return rc;
    return buf_putc(b, (int)h->role);
}

static int take_change(struct cur *c, struct register_change *h)
{
    uint8_t kind, vouched, role;
    int rc;

    if ((rc = cur_u8(c, &kind)) != 0 || (rc = cur_copy(c, h->person.b, 16)) != 0 ||
        (rc = cur_copy(c, h->org.b, 16)) != 0 || (rc = cur_copy(c, h->voucher.b, 16)) != 0 ||
        (rc = cur_u8(c, &vouched)) != 0 || (rc = cur_copy(c, h->key.b, 32)) != 0 ||
        (rc = cur_u8(c, &role)) != 0)
        return rc;
    if (kind > CHANGE_ROLE_ENDED || vouched > 1 || role >= REGISTER_ROLES)
        return -EBADMSG;
    h->kind = (enum register_change_kind)kind;
    h->vouched = vouched != 0;
    h->role = (enum register_role)role;
    return 0;
}

int read_register_encode(const struct read_register *r, struct buf *b)
{
    int rc;

    if ((rc = buf_put_u64(b, r->serial)) != 0 ||
        (rc = put_previous(b, r->has_previous, &r->previous)) != 0 ||
        (rc = buf_put_u32(b, (uint32_t)r->n)) != 0)
        return rc;
    for (size_t i = 0; i < r->n; i++)
        if ((rc = put_change(b, &r->change[i])) != 0)
            return rc;
    return 0;
}

int read_register_decode(struct span s, struct read_register *out)
{
    struct cur c = cur_of(s);
    uint32_t n;
    int rc;

    memset(out, 0, sizeof(*out));
    if ((rc = cur_u64(&c, &out->serial)) != 0 ||
        (rc = take_previous(&c, &out->has_previous, &out->previous)) != 0 ||
        (rc = cur_u32(&c, &n)) != 0)
        return rc;
    if (n > CHANGES_MAX || (size_t)n * 83 != c.n)
        return -EBADMSG;
    out->change = calloc((size_t)n + 1, sizeof(*out->change));
    if (out->change == NULL)
        return -ENOMEM;
    for (; out->n < n && rc == 0; out->n++)
        rc = take_change(&c, &out->change[out->n]);
    if (rc != 0)
        read_register_done(out);
    return rc;
}

void read_register_done(struct read_register *r)
{
    free(r->change);
    memset(r, 0, sizeof(*r));
}

int read_policy_encode(const struct read_policy *p, struct buf *b)
{
    int rc = put_previous(b, p->has_previous, &p->previous);

    return rc != 0 ? rc : placement_encode(p->placement, b);
}

int read_policy_decode(struct span s, struct read_policy *out)
{
    struct cur c = cur_of(s);
    int rc;

    memset(out, 0, sizeof(*out));
    if ((rc = take_previous(&c, &out->has_previous, &out->previous)) != 0)
        return rc;
    return placement_decode(span_of(c.p, c.n), &out->placement);
}

int read_statement_encode(const struct read_statement *r, struct buf *b)
{
    int rc;

    if ((rc = buf_put_u32(b, r->scopes)) != 0 || (rc = buf_put_u32(b, r->erase_within)) != 0 ||
        (rc = buf_put_u32(b, r->retention)) != 0)
        return rc;
    return put_short(b, r->language);
}

int read_statement_decode(struct span s, struct read_statement *out)
{
    struct cur c = cur_of(s);
    uint32_t scopes, within, retention;
    int rc;

    memset(out, 0, sizeof(*out));
    if ((rc = cur_u32(&c, &scopes)) != 0 || (rc = cur_u32(&c, &within)) != 0 ||
        (rc = cur_u32(&c, &retention)) != 0 ||
        (rc = take_short(&c, out->language, sizeof(out->language))) != 0)
        return rc;
    if (c.n != 0 || scopes == 0 || scopes > 7)
        return -EBADMSG;
    out->scopes = scopes;
    out->erase_within = within;
    out->retention = retention;
    return 0;
}

int read_move_encode(const struct read_move *m, struct buf *b)
{
    int rc;

    if ((rc = buf_put(b, m->move.b, 16)) != 0 || (rc = buf_put(b, m->country, 2)) != 0 ||
        (rc = put_short(b, m->from)) != 0 || (rc = put_short(b, m->to)) != 0)
        return rc;
    return buf_put(b, m->policy.b, 32);
}

int read_move_decode(struct span s, struct read_move *out)
{
    struct cur c = cur_of(s);
    int rc;

    memset(out, 0, sizeof(*out));
    if ((rc = cur_copy(&c, out->move.b, 16)) != 0 || (rc = cur_copy(&c, out->country, 2)) != 0 ||
        (rc = take_short(&c, out->from, sizeof(out->from))) != 0 ||
        (rc = take_short(&c, out->to, sizeof(out->to))) != 0 ||
        (rc = cur_copy(&c, out->policy.b, 32)) != 0)
        return rc;
    return c.n == 0 ? 0 : -EBADMSG;
}

#include "site/keeper_notes.h"

#include <errno.h>
#include <string.h>

#define DETECT 0x80 /* beside a verdict's word: it blocks nothing */

static int begin(struct buf *b, enum note_kind kind)
{
    int rc = buf_putc(b, (int)kind);

    return rc != 0 ? rc : buf_put_u64(b, 0);
}

static int put_short(struct buf *b, const char *s)
{
    int rc = buf_putc(b, (int)strlen(s));

    return rc != 0 ? rc : buf_puts(b, s);
}

static int take_short(struct cur *c, char *out, size_t cap)
{
    uint8_t n;

    if (cur_u8(c, &n) != 0 || n >= cap)
        return -EBADMSG;
    out[n] = '\0';
    if (cur_copy(c, out, n) != 0)
        return -EBADMSG;
    return strlen(out) == n ? 0 : -EBADMSG;
}

static int take_time(struct cur *c, unix_time *t)
{
    uint64_t v;
    int rc = cur_u64(c, &v);

    *t = (unix_time)v;
    return rc;
}

void keeper_note_set_leaf(struct buf *b, uint64_t leaf)
{
    for (int i = 0; i < 8; i++)
        b->data[1 + i] = (uint8_t)(leaf >> (56 - 8 * i));
}

int keeper_note_put_accept(struct buf *b, const struct note_accept *n)
{
    const struct catalog_submission *r = &n->row;
    int rc;

    if ((rc = begin(b, NOTE_ACCEPT)) != 0 || (rc = buf_put(b, r->sub.b, 16)) != 0 ||
        (rc = buf_put(b, r->ref.b, 16)) != 0 || (rc = buf_put(b, r->object.b, 16)) != 0 ||
        (rc = buf_put(b, r->country, 2)) != 0 || (rc = put_short(b, r->account)) != 0 ||
        (rc = buf_putc(b, (int)r->kind)) != 0 || (rc = buf_putc(b, (int)r->scope)) != 0 ||
        (rc = buf_put(b, r->statement.b, 32)) != 0 || (rc = buf_put(b, r->policy.b, 32)) != 0 ||
        (rc = buf_put_u64(b, (uint64_t)r->accepted)) != 0)
        return rc;
    return buf_put(b, n->sub_key, 32);
}

static int get_accept(struct cur *c, struct note_accept *n)
{
    struct catalog_submission *r = &n->row;
    uint8_t kind, scope;
    int rc;

    memset(n, 0, sizeof(*n));
    if ((rc = cur_copy(c, r->sub.b, 16)) != 0 || (rc = cur_copy(c, r->ref.b, 16)) != 0 ||
        (rc = cur_copy(c, r->object.b, 16)) != 0 || (rc = cur_copy(c, r->country, 2)) != 0 ||
        (rc = take_short(c, r->account, sizeof(r->account))) != 0 || (rc = cur_u8(c, &kind)) != 0 ||
        (rc = cur_u8(c, &scope)) != 0 || (rc = cur_copy(c, r->statement.b, 32)) != 0 ||
        (rc = cur_copy(c, r->policy.b, 32)) != 0 || (rc = take_time(c, &r->accepted)) != 0)
        return rc;
    r->kind = (enum catalog_kind)kind;
    r->scope = (enum catalog_kind)scope;
    r->state = CATALOG_LIVE;
    return cur_copy(c, n->sub_key, 32);
}

int keeper_note_put_end(struct buf *b, const struct note_end *n)
{
    int rc;

    if ((rc = begin(b, NOTE_END)) != 0 || (rc = buf_put(b, n->sub.b, 16)) != 0 ||
        (rc = buf_putc(b, (int)n->state)) != 0 || (rc = buf_put_u64(b, (uint64_t)n->at)) != 0)
        return rc;
    return buf_put_u64(b, n->final_epoch);
}

static int get_end(struct cur *c, struct note_end *n)
{
    uint8_t state;
    int rc;

    if ((rc = cur_copy(c, n->sub.b, 16)) != 0 || (rc = cur_u8(c, &state)) != 0 ||
        (rc = take_time(c, &n->at)) != 0)
        return rc;
    n->state = (enum catalog_state)state;
    return cur_u64(c, &n->final_epoch);
}

int keeper_note_put_scan(struct buf *b, const struct note_scan *n)
{
    const struct catalog_verdict *r = &n->row;
    int rc;

    if ((rc = begin(b, NOTE_SCAN)) != 0 || (rc = buf_put(b, r->ref.b, 16)) != 0 ||
        (rc = put_short(b, r->engine)) != 0 || (rc = buf_put(b, r->release.b, 32)) != 0 ||
        (rc = buf_putc(b, (int)r->verdict | (r->detect ? DETECT : 0))) != 0 ||
        (rc = put_short(b, r->reason)) != 0 || (rc = buf_put_u32(b, r->hits)) != 0 ||
        (rc = buf_put_u64(b, (uint64_t)r->at)) != 0)
        return rc;
    return buf_put(b, n->names.p, n->names.n);
}

static int get_scan(struct cur *c, struct note_scan *n)
{
    struct catalog_verdict *r = &n->row;
    uint8_t verdict;
    int rc;

    memset(n, 0, sizeof(*n));
    if ((rc = cur_copy(c, r->ref.b, 16)) != 0 ||
        (rc = take_short(c, r->engine, sizeof(r->engine))) != 0 ||
        (rc = cur_copy(c, r->release.b, 32)) != 0 || (rc = cur_u8(c, &verdict)) != 0 ||
        (rc = take_short(c, r->reason, sizeof(r->reason))) != 0 ||
        (rc = cur_u32(c, &r->hits)) != 0 || (rc = take_time(c, &r->at)) != 0)
        return rc;
    r->verdict = (enum catalog_verdict_word)(verdict & ~DETECT);
    r->detect = (verdict & DETECT) != 0;
    return cur_take(c, c->n, &n->names);
}

int keeper_note_put_document(struct buf *b, const struct note_document *n)
{
    int rc;

    if ((rc = begin(b, NOTE_DOCUMENT)) != 0 || (rc = buf_putc(b, n->what)) != 0 ||
        (rc = buf_put(b, n->doc.b, 32)) != 0)
        return rc;
    return buf_put(b, n->record.p, n->record.n);
}

static int get_document(struct cur *c, struct note_document *n)
{
    int rc;

    if ((rc = cur_u8(c, &n->what)) != 0 || (rc = cur_copy(c, n->doc.b, 32)) != 0)
        return rc;
    return cur_take(c, c->n, &n->record);
}

int keeper_note_put_withdrawn(struct buf *b, const struct digest *doc)
{
    int rc = begin(b, NOTE_WITHDRAWN);

    return rc != 0 ? rc : buf_put(b, doc->b, 32);
}

int keeper_note_put_rules(struct buf *b, const struct note_rules *n)
{
    int rc;

    if ((rc = begin(b, NOTE_RULES)) != 0 || (rc = buf_put(b, n->release.b, 32)) != 0)
        return rc;
    return put_short(b, n->engine);
}

static int get_rules(struct cur *c, struct note_rules *n)
{
    int rc = cur_copy(c, n->release.b, 32);

    return rc != 0 ? rc : take_short(c, n->engine, sizeof(n->engine));
}

int keeper_note_put_tree(struct buf *b, const struct note_tree *n)
{
    int rc;

    if ((rc = begin(b, NOTE_TREE)) != 0 || (rc = buf_put(b, n->ref.b, 16)) != 0)
        return rc;
    return n->tree.n > 0 ? buf_put(b, n->tree.p, n->tree.n) : 0;
}

static int get_tree(struct cur *c, struct note_tree *n)
{
    int rc = cur_copy(c, n->ref.b, 16);

    return rc != 0 ? rc : cur_take(c, c->n, &n->tree);
}

int keeper_note_put_renewed(struct buf *b, const struct id128 *ref)
{
    int rc = begin(b, NOTE_RENEWED);

    return rc != 0 ? rc : buf_put(b, ref->b, 16);
}

int keeper_note_put_round(struct buf *b, const struct note_round *n)
{
    int rc;

    if ((rc = begin(b, NOTE_ROUND)) != 0 || (rc = buf_put(b, n->release.b, 32)) != 0 ||
        (rc = put_short(b, n->engine)) != 0)
        return rc;
    return buf_put_u64(b, (uint64_t)n->at);
}

static int get_round(struct cur *c, struct note_round *n)
{
    int rc;

    if ((rc = cur_copy(c, n->release.b, 32)) != 0 ||
        (rc = take_short(c, n->engine, sizeof(n->engine))) != 0)
        return rc;
    return take_time(c, &n->at);
}

int keeper_note_put_tripped(struct buf *b, const struct digest *release)
{
    int rc = begin(b, NOTE_TRIPPED);

    return rc != 0 ? rc : buf_put(b, release->b, 32);
}

int keeper_note_put_move(struct buf *b, const struct catalog_move *m)
{
    int rc;

    if ((rc = begin(b, NOTE_MOVE)) != 0 || (rc = buf_put(b, m->move.b, 16)) != 0 ||
        (rc = buf_put(b, m->country, 2)) != 0 || (rc = put_short(b, m->from)) != 0 ||
        (rc = put_short(b, m->to)) != 0 || (rc = buf_putc(b, (int)m->state)) != 0 ||
        (rc = buf_put(b, m->policy.b, 32)) != 0 || (rc = buf_put(b, m->doc.b, 32)) != 0 ||
        (rc = buf_put(b, m->set_root.b, 32)) != 0 || (rc = buf_put_u64(b, m->cut)) != 0 ||
        (rc = buf_put_u64(b, m->count)) != 0 || (rc = buf_put_u64(b, m->done)) != 0 ||
        (rc = buf_put_u64(b, m->epoch)) != 0 || (rc = buf_put_u64(b, (uint64_t)m->opened)) != 0)
        return rc;
    return buf_put_u64(b, (uint64_t)m->closed);
}

static int get_move(struct cur *c, struct catalog_move *m)
{
    uint8_t state;
    int rc;

    memset(m, 0, sizeof(*m));
    if ((rc = cur_copy(c, m->move.b, 16)) != 0 || (rc = cur_copy(c, m->country, 2)) != 0 ||
        (rc = take_short(c, m->from, sizeof(m->from))) != 0 ||
        (rc = take_short(c, m->to, sizeof(m->to))) != 0 || (rc = cur_u8(c, &state)) != 0 ||
        (rc = cur_copy(c, m->policy.b, 32)) != 0 || (rc = cur_copy(c, m->doc.b, 32)) != 0 ||
        (rc = cur_copy(c, m->set_root.b, 32)) != 0 || (rc = cur_u64(c, &m->cut)) != 0 ||
        (rc = cur_u64(c, &m->count)) != 0 || (rc = cur_u64(c, &m->done)) != 0 ||
        (rc = cur_u64(c, &m->epoch)) != 0 || (rc = take_time(c, &m->opened)) != 0)
        return rc;
    m->state = (enum catalog_move_state)state;
    return take_time(c, &m->closed);
}

int keeper_note_get(struct span s, struct note *out)
{
    struct cur c = cur_of(s);
    uint8_t kind;
    int rc;

    if ((rc = cur_u8(&c, &kind)) != 0 || (rc = cur_u64(&c, &out->leaf)) != 0)
        return rc;
    out->kind = (enum note_kind)kind;
    switch (out->kind) {
    case NOTE_ACCEPT:
        rc = get_accept(&c, &out->accept);
        break;
    case NOTE_END:
        rc = get_end(&c, &out->end);
        break;
    case NOTE_SCAN:
        rc = get_scan(&c, &out->scan);
        break;
    case NOTE_DOCUMENT:
        rc = get_document(&c, &out->document);
        break;
    case NOTE_WITHDRAWN:
        rc = cur_copy(&c, out->withdrawn.b, 32);
        break;
    case NOTE_RULES:
        rc = get_rules(&c, &out->rules);
        break;
    case NOTE_MOVE:
        rc = get_move(&c, &out->move);
        break;
    case NOTE_TREE:
        rc = get_tree(&c, &out->tree);
        break;
    case NOTE_RENEWED:
        rc = cur_copy(&c, out->renewed.b, 16);
        break;
    case NOTE_ROUND:
        rc = get_round(&c, &out->round);
        break;
    case NOTE_TRIPPED:
        rc = cur_copy(&c, out->tripped.b, 32);
        break;
    default:
        rc = -EBADMSG;
    }
    return rc == 0 && c.n == 0 ? 0 : -EBADMSG;
}

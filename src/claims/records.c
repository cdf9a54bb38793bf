#include <errno.h>
#include <string.h>

#include "claims/claims_priv.h"
#include "intake/submitter.h"

int claims_sub(struct audit *a, const struct id128 *id, struct sub_rec **out)
{
    size_t i = ids_find(&a->sub_ids, a->subs.v, a->subs.n, sizeof(*a->subs.v), id);
    int rc;

    if (i == a->subs.n) {
        if ((rc = VEC_ROOM(&a->subs)) != 0)
            return rc;
        a->subs.v[i] = (struct sub_rec){.id = *id,
                                        .accepted = NONE,
                                        .erased = NONE,
                                        .when = NONE,
                                        .erased_at = NONE,
                                        .statement = UINT16_MAX};
        if ((rc = ids_add(&a->sub_ids, a->subs.v, i, sizeof(*a->subs.v))) != 0)
            return rc;
        a->subs.n++;
    }
    *out = &a->subs.v[i];
    return 0;
}

int claims_ref(struct audit *a, const struct id128 *id, struct ref_rec **out)
{
    size_t i = ids_find(&a->ref_ids, a->refs.v, a->refs.n, sizeof(*a->refs.v), id);
    int rc;

    if (i == a->refs.n) {
        if ((rc = VEC_ROOM(&a->refs)) != 0)
            return rc;
        a->refs.v[i] = (struct ref_rec){
            .id = *id, .placed = NONE, .removed = NONE, .when = NONE, .scanned = NONE};
        if ((rc = ids_add(&a->ref_ids, a->refs.v, i, sizeof(*a->refs.v))) != 0)
            return rc;
        a->refs.n++;
    }
    *out = &a->refs.v[i];
    return 0;
}

const struct sub_rec *claims_sub_find(const struct audit *a, const struct id128 *id)
{
    size_t i = ids_find(&a->sub_ids, a->subs.v, a->subs.n, sizeof(*a->subs.v), id);

    return i == a->subs.n ? NULL : &a->subs.v[i];
}

const struct ref_rec *claims_ref_find(const struct audit *a, const struct id128 *id)
{
    size_t i = ids_find(&a->ref_ids, a->refs.v, a->refs.n, sizeof(*a->refs.v), id);

    return i == a->refs.n ? NULL : &a->refs.v[i];
}

const char *claims_absent(const struct audit *a)
{
    for (size_t i = 0; i < a->trust->sites; i++) {
        bool there = false;

        for (size_t j = 0; j < a->sites; j++)
            there |= a->site[j].trust == &a->trust->site[i] && a->site[j].done;
        if (!there)
            return a->trust->site[i].site;
    }
    return NULL;
}

const struct doc_statement *claims_statement(const struct audit *a, const struct sub_rec *r)
{
    if (r->accepted == NONE || r->statement == UINT16_MAX)
        return NULL;
    return &a->site[r->site].statements.v[r->statement];
}

int claims_check_signature(struct audit *a, enum claim_id c, struct site *s, uint32_t leaf,
                           const struct sub_rec *r, bool erase)
{
    struct pool_job *j;
    struct leaf l;
    struct buf text;
    int rc;

    if (claims_is_known(s, leaf) && claims_is_known(&a->site[r->site], r->accepted)) {
        a->known++;
        return 0;
    }
    if ((rc = pool_job(a->pool, &j)) != 0 || (rc = claims_ledger_leaf(s, leaf, &l)) != 0)
        return rc;
    leaf_sig(&l, LF_SUB_SIG, j->sig.b);
    if ((rc = claims_ledger_leaf(&a->site[r->site], r->accepted, &l)) != 0)
        return rc;
    leaf_key(&l, LF_SUB_KEY, j->key.b);
    buf_init(&text, sizeof(j->text));
    rc = erase ? submitter_erase_text(&text, &r->id) : submitter_withdraw_text(&text, &r->id);
    if (rc == 0) {
        memcpy(j->text, text.data, text.len);
        j->n = (uint16_t)text.len;
        j->site = (uint8_t)s->number;
        j->leaf = leaf;
        j->claim = c;
        pool_put(a->pool);
    }
    buf_free(&text);
    return rc;
}

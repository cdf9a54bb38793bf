/* What the claims ask about submissions and copies. */
#include <stdlib.h>
#include <string.h>

#include "claims/claims_priv.h"
#include "intake/submitter.h"

void records_free(struct audit *a)
{
    ids_free(&a->sub_ids);
    ids_free(&a->ref_ids);
    free(a->subs_aside.v);
    free(a->refs_aside.v);
}

uint64_t records_bytes(const struct audit *a)
{
    uint64_t n = ids_bytes(&a->sub_ids) + ids_bytes(&a->ref_ids) +
                 a->subs_aside.cap * sizeof(*a->subs_aside.v) +
                 a->refs_aside.cap * sizeof(*a->refs_aside.v) +
                 a->scratch.cap * sizeof(*a->scratch.v);

    for (size_t i = 0; i < a->sites; i++)
        n += a->site[i].minutes.cap * sizeof(*a->site[i].minutes.v);
    return n;
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
    if (r->accepted == NONE || r->statement == STATEMENT_NONE)
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

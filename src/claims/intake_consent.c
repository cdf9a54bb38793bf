/* intake.consent: each submission is signed by its own key, under a statement published before and
 * not withdrawn, within its scopes; withdrawals are signed and lead to erasure within the
 * statement's days. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "claims/claims_priv.h"
#include "intake/statement.h"
#include "intake/submitter.h"

#define DAY_MINUTES 1440

static size_t find_statement(const struct site *s, const struct digest *doc)
{
    for (size_t i = s->statements.n; i > 0; i--)
        if (memcmp(s->statements.v[i - 1].doc.b, doc->b, sizeof(doc->b)) == 0)
            return i - 1;
    return STATEMENT_NONE;
}

static void fields_agree(struct audit *a, struct site *s, const struct leaf *l,
                         const struct statement *st)
{
    if (!span_is(leaf_text(l, LF_LANG), st->language) ||
        leaf_scopes_mask(leaf_word(l, LF_SCOPES)) != st->scopes ||
        leaf_int(l, LF_ERASE_WITHIN) != st->erase_within ||
        leaf_int(l, LF_RETENTION) != st->retention)
        claims_broken(a, CLAIM_CONSENT, s, s->index,
                      "the leaf says of the statement what the statement does not");
}

static int statement_published(struct audit *a, struct site *s, const struct leaf *l)
{
    uint64_t days = leaf_int(l, LF_ERASE_WITHIN);
    struct doc_statement d = {.doc = leaf_digest(l, LF_DOC),
                              .scopes = leaf_scopes_mask(leaf_word(l, LF_SCOPES)),
                              .erase_within = days > 36500 ? 36500 : (uint32_t)days,
                              .withdrawn = NONE};
    struct statement st = {.text = NULL};
    struct dsse *env = NULL;
    struct err e = ERR_INIT;
    int rc;

    if (s->statements.n == STATEMENT_NONE) {
        claims_unknown(a, CLAIM_CONSENT, s, s->index, "more statements than this program counts");
        return 0;
    }
    if ((rc = VEC_ROOM(&s->statements)) != 0)
        return rc;
    s->statements.v[s->statements.n++] = d;
    rc = claims_document(a, s, CLAIM_CONSENT, DOCUMENT_STATEMENT, &d.doc, &env);
    if (rc != 0)
        goto out;
    rc = statement_parse(&st, "statement", dsse_payload(env), &e);
    if (rc == -EINVAL || rc == -EBADMSG || rc == -E2BIG) {
        claims_broken(a, CLAIM_CONSENT, s, s->index, "%s", err_text(&e));
        rc = 1;
    }
    if (rc != 0)
        goto out;
    fields_agree(a, s, l, &st);
    rc = claims_approved(a, s, CLAIM_CONSENT, DOCUMENT_STATEMENT, &d.doc, env, NULL,
                         claims_witnessed(s, l->time));
out:
    statement_done(&st);
    dsse_free(env);
    return rc < 0 ? rc : 0;
}

static void statement_withdrawn(struct audit *a, struct site *s, const struct leaf *l)
{
    struct digest doc = leaf_digest(l, LF_DOC);
    size_t i = find_statement(s, &doc);

    if (i == STATEMENT_NONE)
        claims_broken(a, CLAIM_CONSENT, s, s->index,
                      "a statement is withdrawn that was not published");
    else if (s->statements.v[i].withdrawn == NONE)
        s->statements.v[i].withdrawn = (uint32_t)s->index;
}

static int queue_signature(struct audit *a, struct site *s, const struct leaf *l,
                           const struct digest *statement)
{
    struct submitter_act act = {.sub = leaf_id(l, LF_SUB),
                                .kind = (enum intake_scope)leaf_word(l, LF_SUBMISSION),
                                .statement = *statement,
                                .scope = (enum intake_scope)leaf_word(l, LF_SCOPE)};
    struct pool_job *j;
    struct buf text;
    int rc;

    if (claims_is_known(s, s->index)) {
        a->known++;
        return 0;
    }
    memcpy(act.country, country_table[leaf_country(l, LF_COUNTRY)].code, 3);
    if ((rc = pool_job(a->pool, &j)) != 0)
        return rc;
    buf_init(&text, sizeof(j->text));
    rc = submitter_submit_text(&text, &act);
    if (rc == 0) {
        memcpy(j->text, text.data, text.len);
        j->n = (uint16_t)text.len;
        j->site = (uint8_t)s->number;
        j->leaf = (uint32_t)s->index;
        j->claim = CLAIM_CONSENT;
        leaf_key(l, LF_SUB_KEY, j->key.b);
        leaf_sig(l, LF_SUB_SIG, j->sig.b);
        pool_put(a->pool);
    }
    buf_free(&text);
    return rc;
}

/* Unless the leaf in hand accepts what was accepted before. */
static int note_statement(struct audit *a, const struct site *s, uint16_t statement)
{
    struct sub_rec r;

    if (a->sub == NONE)
        return 0;
    r = subs_get(a, a->sub);
    if (r.accepted != s->index || r.site != s->number)
        return 0;
    r.statement = statement;
    return subs_put(a, a->sub, &r);
}

static int accepted(struct audit *a, struct site *s, const struct leaf *l)
{
    struct digest doc = leaf_digest(l, LF_STATEMENT);
    size_t i = find_statement(s, &doc);
    unsigned scope = leaf_word(l, LF_SCOPE);
    int rc;

    claims_count(a, CLAIM_CONSENT, 1);
    if (i == STATEMENT_NONE)
        claims_broken(a, CLAIM_CONSENT, s, s->index,
                      "accepted without consent: no such statement was published before");
    else if (s->statements.v[i].withdrawn != NONE)
        claims_broken(a, CLAIM_CONSENT, s, s->index,
                      "accepted under a statement that was withdrawn at leaf %u",
                      s->statements.v[i].withdrawn);
    else if ((s->statements.v[i].scopes >> scope & 1) == 0)
        claims_broken(a, CLAIM_CONSENT, s, s->index, "scope \"%s\" is not one of the statement's",
                      leaf_word_text(LL_SUBMISSION, scope));
    if (scope != leaf_word(l, LF_SUBMISSION))
        claims_broken(a, CLAIM_CONSENT, s, s->index, "a \"%s\" taken under consent for \"%s\"",
                      leaf_word_text(LL_SUBMISSION, leaf_word(l, LF_SUBMISSION)),
                      leaf_word_text(LL_SUBMISSION, scope));
    if ((rc = note_statement(a, s, (uint16_t)i)) != 0)
        return rc;
    return queue_signature(a, s, l, &doc);
}

static int withdrawn(struct audit *a, struct site *s, const struct leaf *l)
{
    struct id128 sub = leaf_id(l, LF_SUB);
    size_t i;
    int rc;

    if ((rc = subs_of(a, &sub, &i)) != 0 || (rc = VEC_ROOM(&a->withdrawals)) != 0)
        return rc;
    a->withdrawals.v[a->withdrawals.n++] = (struct later){.sub = (uint32_t)i,
                                                          .leaf = (uint32_t)s->index,
                                                          .when = minutes(l->time),
                                                          .site = (uint8_t)s->number};
    return 0;
}

static int leaf(struct audit *a, struct site *s, const struct leaf *l)
{
    switch (l->kind) {
    case LK_STATEMENT_PUBLISHED:
        return statement_published(a, s, l);
    case LK_STATEMENT_WITHDRAWN:
        statement_withdrawn(a, s, l);
        return 0;
    case LK_SUBMISSION_ACCEPTED:
        return accepted(a, s, l);
    case LK_CONSENT_WITHDRAWN:
        return withdrawn(a, s, l);
    default:
        return 0;
    }
}

static int check_withdrawal(struct audit *a, const struct later *w)
{
    const struct sub_rec rec = subs_get(a, w->sub), *r = &rec;
    struct site *s = &a->site[w->site];
    const struct doc_statement *st = claims_statement(a, r);
    const char *absent = claims_absent(a);
    uint64_t deadline;

    if (r->accepted == NONE && absent != NULL) {
        claims_unknown(a, CLAIM_CONSENT, s, w->leaf,
                       "withdraws a submission of a ledger that was not given (site \"%s\"?)",
                       absent);
        return 0;
    }
    if (r->accepted == NONE || st == NULL) {
        claims_broken(a, CLAIM_CONSENT, s, w->leaf,
                      "withdraws a submission that was never accepted");
        return 0;
    }
    deadline = w->when + (uint64_t)st->erase_within * DAY_MINUTES;
    if (r->erased != NONE && r->erased_at > deadline)
        claims_broken(a, CLAIM_CONSENT, &a->site[r->erased_site], r->erased,
                      "erased later than the %u days the statement promised", st->erase_within);
    else if (r->erased == NONE && minutes(s->as_of) > deadline)
        claims_broken(a, CLAIM_CONSENT, s, w->leaf,
                      "not erased within the %u days of the statement", st->erase_within);
    else if (r->erased == NONE)
        a->result[CLAIM_CONSENT].pending++;
    return claims_check_signature(a, CLAIM_CONSENT, s, w->leaf, r, false);
}

static int end(struct audit *a)
{
    int rc = 0;

    for (size_t i = 0; i < a->withdrawals.n && rc == 0; i++)
        rc = check_withdrawal(a, &a->withdrawals.v[i]);
    return rc;
}

static void sentence(const struct audit *a, char *out, size_t n)
{
    (void)snprintf(out, n,
                   "each signed by its own key under a published statement; %zu withdrawal%s",
                   a->withdrawals.n, claims_noun(a->withdrawals.n, "", "s"));
}

static const uint8_t assumption[] = {1, 2, 4, 9, 10, 0};
const struct claim claims_intake_consent = {
    .name = "intake.consent",
    .basis = AUDIT_COUNTERSIGNED,
    .unit = "submissions",
    .one = "submission",
    .assumption = assumption,
    .kinds = READS(STATEMENT_PUBLISHED) | READS(STATEMENT_WITHDRAWN) | READS(SUBMISSION_ACCEPTED) |
             READS(CONSENT_WITHDRAWN) | READS(SUBMISSION_ERASED),
    .leaf = leaf,
    .end = end,
    .sentence = sentence,
};

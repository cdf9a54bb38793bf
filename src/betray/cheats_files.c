/* Cheats about submissions, their copies and keys. */
#include "betray/cheats_priv.h"

#include <string.h>

#include "crypto/secret.h"
#include "events/country.h"
#include "intake/submitter.h"

/* --- submissions --- */

static int submit(struct stage *s, struct made *m, struct err *e)
{
    int rc = stage_submit(s, m, stage_time(s, m->site), e);

    ed25519_free(m->key);
    m->key = NULL;
    return rc;
}

int cheats_no_consent(struct stage *s, struct err *e)
{
    struct made m;

    stage_made(s, 0, &m);
    random_bytes(m.statement.b, sizeof(m.statement.b));
    return submit(s, &m, e);
}

int cheats_withdrawn_statement(struct stage *s, struct err *e)
{
    unix_time t = stage_time(s, 0);
    struct leaf_builder b;
    struct made m;
    int rc;

    stage_begin(s, 0, &b, LK_STATEMENT_WITHDRAWN, t);
    leaf_set_digest(&b, LF_DOC, &s->statement);
    if ((rc = stage_add(s, 0, &b, e)) != 0 || (rc = stage_publish(s, 0, t)) != 0)
        return rc;
    stage_made(s, 0, &m);
    return submit(s, &m, e);
}

int cheats_wrong_scope(struct stage *s, struct err *e)
{
    struct made m;

    stage_made(s, 0, &m);
    for (unsigned k = 0; k < 3; k++)
        if ((s->scopes >> k & 1) == 0)
            m.scope = k;
    if (m.scope == m.kind)
        return stage_nothing(e, "the statement allows everything");
    return submit(s, &m, e);
}

int cheats_forged_signature(struct stage *s, struct err *e)
{
    struct made m;

    stage_made(s, 0, &m);
    m.forged = true;
    return submit(s, &m, e);
}

/* The k-th country of (inside) or outside the zone of the first site. */
static int country(const struct stage *s, bool inside, unsigned k, char out[3])
{
    const struct trust_site *ts = trust_site(s->trust, stage_site_name(s, 0));
    unix_time t = stage_time(s, 0);

    for (size_t i = 0; i < COUNTRY_COUNT; i++) {
        const char *zone = policy_zone(s->policy, country_table[i].code, t);

        if (zone != NULL && (strcmp(zone, ts->zone) == 0) == inside && k-- == 0) {
            memcpy(out, country_table[i].code, 3);
            return 0;
        }
    }
    return 1;
}

int cheats_country_changed(struct stage *s, struct err *e)
{
    struct made m;

    stage_made(s, 0, &m);
    if (country(s, true, 0, m.country) != 0 || country(s, true, 1, m.signed_country) != 0)
        return stage_nothing(e, "the zone has only one country");
    return submit(s, &m, e);
}

int cheats_wrong_zone(struct stage *s, struct err *e)
{
    struct made m;

    stage_made(s, 0, &m);
    if (country(s, false, 0, m.country) != 0)
        return stage_nothing(e, "the policy has only one zone");
    return submit(s, &m, e);
}

int cheats_hidden_copy(struct stage *s, struct err *e)
{
    struct made m;

    stage_made(s, 0, &m);
    m.no_copy = true;
    return submit(s, &m, e);
}

/* A copy of something nobody submitted. */
int cheats_stray_copy(struct stage *s, struct err *e)
{
    size_t i;
    int rc;
    struct made m;

    stage_made(s, 0, &m);
    if ((rc = submit(s, &m, e)) != 0)
        return rc;
    i = tale_last(&s->tale[0], LK_SUBMISSION_ACCEPTED);
    tale_delete(&s->tale[0], i);
    return 0;
}

int cheats_false_country(struct stage *s, struct err *e)
{
    struct made m;

    stage_made(s, 0, &m);
    return submit(s, &m, e);
}

int cheats_forged_withdrawal(struct stage *s, struct err *e)
{
    size_t i;
    int site, rc = stage_find(s, LK_SUBMISSION_ACCEPTED, &site, &i, e);
    struct leaf_builder b;
    struct id128 sub;
    uint8_t sig[64] = {1};
    struct leaf l;
    unix_time t;

    if (rc != 0)
        return rc;
    l = tale_leaf(&s->tale[site], i);
    sub = leaf_id(&l, LF_SUB);
    t = stage_time(s, site);
    stage_begin(s, site, &b, LK_CONSENT_WITHDRAWN, t);
    leaf_set_id(&b, LF_SUB, &sub);
    leaf_set_sig(&b, LF_SUB_SIG, sig);
    if ((rc = stage_add(s, site, &b, e)) != 0)
        return rc;
    return stage_publish(s, site, t);
}

/* The submitter withdraws; the site says so and does nothing for longer than it promised. */
int cheats_withdrawal_ignored(struct stage *s, struct err *e)
{
    struct ed25519_sig sig;
    struct leaf_builder b;
    struct made m;
    unix_time t;
    int rc;

    stage_made(s, 0, &m);
    if ((rc = stage_submit(s, &m, stage_time(s, 0), e)) != 0)
        goto out;
    t = stage_time(s, 0);
    if ((rc = submitter_sign_withdraw(m.key, &m.sub, &sig)) != 0)
        goto out;
    stage_begin(s, 0, &b, LK_CONSENT_WITHDRAWN, t);
    leaf_set_id(&b, LF_SUB, &m.sub);
    leaf_set_sig(&b, LF_SUB_SIG, sig.b);
    if ((rc = stage_add(s, 0, &b, e)) == 0 && (rc = stage_publish(s, 0, t)) == 0)
        rc = stage_inventory(s, 0, t + 400 * (unix_time)DAY, e);
out:
    ed25519_free(m.key);
    return rc;
}

/* --- copies and keys --- */

static int delete_last(struct stage *s, enum leaf_kind k, unix_time later, struct err *e)
{
    size_t i;
    int site, rc = stage_find(s, k, &site, &i, e);

    if (rc != 0)
        return rc;
    tale_delete(&s->tale[site], i);
    return later == 0 ? 0 : stage_inventory(s, site, stage_time(s, site) + later, e);
}

int cheats_slot_kept(struct stage *s, struct err *e)
{
    return delete_last(s, LK_SLOT_DESTROYED, 0, e);
}

int cheats_epoch_kept(struct stage *s, struct err *e)
{
    return delete_last(s, LK_EPOCH_DESTROYED, 60 * (unix_time)DAY, e);
}

int cheats_no_order(struct stage *s, struct err *e)
{
    return delete_last(s, LK_ERASE_ORDERED, 0, e);
}

static bool removed_after(const struct tale *t, size_t i, const struct id128 *ref)
{
    for (size_t k = i + 1; k < t->leaves; k++) {
        struct leaf l;
        struct id128 id;

        if (leaf_parse(&l, span_of(t->leaf[k].bytes, t->leaf[k].n)) != 0 ||
            l.kind != LK_COPY_REMOVED)
            continue;
        id = leaf_id(&l, LF_REF);
        if (memcmp(&id, ref, sizeof(id)) == 0)
            return true;
    }
    return false;
}

static bool scanned_before(const struct tale *t, size_t i, const struct id128 *ref)
{
    for (size_t k = 0; k < i; k++) {
        struct leaf l;
        struct id128 id;

        if (leaf_parse(&l, span_of(t->leaf[k].bytes, t->leaf[k].n)) != 0 || l.kind != LK_SCAN_DONE)
            continue;
        id = leaf_id(&l, LF_REF);
        if (memcmp(&id, ref, sizeof(id)) == 0)
            return true;
    }
    return false;
}

/* The only scan of a copy that is still there: nobody asks whether one was scanned that is gone. */
int cheats_never_scanned(struct stage *s, struct err *e)
{
    for (int site = 0; site < (int)s->sites; site++)
        for (size_t i = s->tale[site].leaves; i-- > 0;) {
            const struct tale_leaf *t = &s->tale[site].leaf[i];
            struct leaf l;
            struct id128 ref;

            if (leaf_parse(&l, span_of(t->bytes, t->n)) != 0 || l.kind != LK_SCAN_DONE)
                continue;
            ref = leaf_id(&l, LF_REF);
            if (removed_after(&s->tale[site], i, &ref) || scanned_before(&s->tale[site], i, &ref))
                continue;
            tale_delete(&s->tale[site], i);
            return stage_inventory(s, site, stage_time(s, site) + 60 * (unix_time)DAY, e);
        }
    return stage_nothing(e, "the history has no scan of a copy that is still there");
}

int cheats_false_inventory(struct stage *s, struct err *e)
{
    char hex[65];
    size_t i;
    int site, rc = stage_find(s, LK_INVENTORY_SITE, &site, &i, e);

    if (rc != 0)
        return rc;
    cheats_random_hex(hex, 32);
    return tale_edit(&s->tale[site], i, LF_ROOT, hex, e);
}

int cheats_unloaded_release(struct stage *s, struct err *e)
{
    char hex[65];
    size_t i;
    int site, rc = stage_find(s, LK_SCAN_DONE, &site, &i, e);

    if (rc != 0)
        return rc;
    cheats_random_hex(hex, 32);
    return tale_edit(&s->tale[site], i, LF_RELEASE, hex, e);
}

int cheats_scanned_abroad(struct stage *s, struct err *e)
{
    size_t i;
    int site, rc = stage_find(s, LK_SCAN_DONE, &site, &i, e);

    if (rc != 0)
        return rc;
    for (size_t k = 0; k < s->trust->sites; k++)
        if (strcmp(s->trust->site[k].zone, trust_site(s->trust, stage_site_name(s, site))->zone) !=
            0)
            return tale_edit(&s->tale[site], i, LF_WORKER_SITE, s->trust->site[k].site, e);
    return stage_nothing(e, "the trust file has only one zone");
}

int cheats_unlogged_copy(struct stage *s, struct err *e)
{
    (void)s;
    (void)e;
    return 0; /* the ledgers are the same: that is the point */
}

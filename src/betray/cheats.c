/* The cheats.  Most are played live: the operator writes a false leaf when its time comes, and the
 * honest witness cosigns it, because a witness sees only that the tree grows.  Those about the
 * ledger itself are played afterwards, on what was published already. */
#include "betray/cheats.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "crypto/secret.h"
#include "crypto/sha256.h"
#include "events/country.h"
#include "events/setroot.h"
#include "intake/submitter.h"

#define HOUR 3600
#define DAY (24 * HOUR)

static void random_hex(char *out, size_t n)
{
    uint8_t b[64];

    random_bytes(b, n);
    text_hex(out, b, n);
}

static void free_keys(struct ed25519_key **k, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ed25519_free(k[i]);
}

/* ------------------------------------------------------------------ the ledger itself */

/* Changes a published leaf and signs every later checkpoint again. */
static int edit_published(struct stage *s, bool witness_too, struct err *e)
{
    size_t i;
    int site, rc = stage_find(s, LK_SUBMISSION_ACCEPTED, &site, &i, e);
    struct tale *t = &s->tale[site];
    char hex[65];

    if (rc != 0)
        return rc;
    random_hex(hex, 32);
    if ((rc = tale_edit(t, i, LF_STATEMENT, hex, e)) != 0)
        return rc;
    for (size_t k = 0; k < t->marks && !witness_too; k++)
        if (t->mark[k].size > i)
            t->mark[k].when = 0;
    return 0;
}

static int edited_leaf(struct stage *s, struct err *e)
{
    return edit_published(s, false, e);
}

static int edited_file(struct stage *s, struct err *e)
{
    return stage_find(s, LK_SUBMISSION_ACCEPTED, &s->patch_site, &s->patch_leaf, e);
}

/* Another history from the last checkpoint on, of the same size. */
static int fork_all(struct stage *s, struct err *e)
{
    for (size_t i = 0; i < s->sites; i++) {
        struct tale *t = &s->tale[i];
        struct leaf l;
        char text[CLOCK_MINUTE_LEN + 1];
        int rc;

        if (t->leaves < 2)
            return stage_nothing(e, "the history is too short");
        l = tale_leaf(t, t->leaves - 1);
        clock_minute(text, l.time - 60);
        if ((rc = tale_edit(t, t->leaves - 1, LF_TIME, text, e)) != 0)
            return rc;
    }
    return 0;
}

static int forked(struct stage *s, struct err *e)
{
    return s->n_receipts == 0 ? stage_nothing(e, "nobody holds a receipt") : fork_all(s, e);
}

static int forked_unseen(struct stage *s, struct err *e)
{
    s->no_receipts = true;
    return fork_all(s, e);
}

static int roll_all(struct stage *s, struct err *e)
{
    for (size_t i = 0; i < s->sites; i++) {
        struct tale *t = &s->tale[i];

        if (t->marks < 2)
            return stage_nothing(e, "the history has a single checkpoint");
        t->marks--;
        while (t->leaves > t->mark[t->marks - 1].size)
            tale_delete(t, t->leaves - 1);
    }
    return 0;
}

static int rolled_back(struct stage *s, struct err *e)
{
    return s->n_receipts == 0 ? stage_nothing(e, "nobody holds a receipt") : roll_all(s, e);
}

static int stale(struct stage *s, struct err *e)
{
    s->no_receipts = true;
    return roll_all(s, e);
}

static int back_dated_entry(struct stage *s, struct err *e)
{
    unix_time t = stage_time(s, 0);
    struct leaf_builder b;
    struct digest release;
    int rc;

    random_bytes(release.b, sizeof(release.b));
    stage_begin(s, 0, &b, LK_RULES_LOADED, t - HOUR);
    leaf_set_digest(&b, LF_RELEASE, &release);
    leaf_set_text(&b, LF_ENGINE, "yara");
    leaf_set_int(&b, LF_RULES, 1);
    if ((rc = stage_add(s, 0, &b, e)) != 0)
        return rc;
    return stage_publish(s, 0, t);
}

/* ------------------------------------------------------------------ people and policy */

/* A policy that follows, signed by one kind of signers and `good` good ones. */
static int bad_policy(struct stage *s, enum stage_who who, size_t want, size_t good,
                      const char *none, struct err *e)
{
    unix_time t = stage_time(s, 0);
    struct ed25519_key *k[4] = {NULL};
    size_t n = stage_signers(s, ROLE_POLICY, who, t, k, want);
    int rc;

    if (n < want) {
        free_keys(k, n);
        return stage_nothing(e, none);
    }
    n += stage_signers(s, ROLE_POLICY, WHO_GOOD, t, k + n, good);
    rc = stage_policy(s, t + DAY, k, n, t, e);
    free_keys(k, n);
    return rc;
}

static int self_approved(struct stage *s, struct err *e)
{
    return bad_policy(s, WHO_AUTHOR, 1, 1, "the author's key is not at hand", e);
}

static int two_keys(struct stage *s, struct err *e)
{
    return bad_policy(s, WHO_TWO_KEYS, 2, 0, "nobody who approves policies has two keys at hand",
                      e);
}

static int revoked_key(struct stage *s, struct err *e)
{
    return bad_policy(s, WHO_REVOKED, 1, 1, "no approver's revoked key is at hand", e);
}

static int retired(struct stage *s, struct err *e)
{
    return bad_policy(s, WHO_RETIRED, 1, 1, "no approver has retired", e);
}

static int back_dated_policy(struct stage *s, struct err *e)
{
    unix_time t = stage_time(s, 0);
    struct ed25519_key *k[2] = {NULL};
    size_t n = stage_signers(s, ROLE_POLICY, WHO_GOOD, t, k, 2);
    int rc;

    if (n < 2)
        rc = stage_nothing(e, "the keys of two approvers are not at hand");
    else
        rc = stage_policy(s, t - HOUR, k, n, t, e);
    free_keys(k, n);
    return rc;
}

static int unlisted_person(struct stage *s, struct err *e)
{
    unix_time t = stage_time(s, 0);
    struct id128 person = random_id(), org = random_id();
    struct leaf_builder b;
    int rc;

    stage_begin(s, 0, &b, LK_PERSON_ENROLLED, t);
    leaf_set_id(&b, LF_PERSON, &person);
    leaf_set_id(&b, LF_ORG, &org);
    if ((rc = stage_add(s, 0, &b, e)) != 0)
        return rc;
    return stage_publish(s, 0, t);
}

static int lone_registrar(struct stage *s, struct err *e)
{
    unix_time t = stage_time(s, 0);
    struct ed25519_key *k[1] = {NULL};
    size_t n = stage_signers(s, ROLE_REGISTRAR, WHO_GOOD, t, k, 1);
    int rc;

    if (n == 0)
        return stage_nothing(e, "no registrar's key is at hand");
    if ((rc = stage_register(s, "", k, n, t, e)) == 0)
        rc = stage_publish(s, 0, t);
    free_keys(k, n);
    return rc;
}

/* The leaves of a person who is new in the register. */
static int enroll(struct stage *s, const struct id128 *person, const struct id128 *org,
                  const struct id128 *voucher, const struct ed25519_pub *key, unix_time t,
                  struct err *e)
{
    struct leaf_builder b;
    int rc;

    stage_begin(s, 0, &b, LK_PERSON_ENROLLED, t);
    leaf_set_id(&b, LF_PERSON, person);
    leaf_set_id(&b, LF_ORG, org);
    leaf_set_id(&b, LF_VOUCHER, voucher);
    if ((rc = stage_add(s, 0, &b, e)) != 0)
        return rc;
    stage_begin(s, 0, &b, LK_KEY_BOUND, t);
    leaf_set_id(&b, LF_PERSON, person);
    leaf_set_key(&b, LF_KEY, key->b);
    if ((rc = stage_add(s, 0, &b, e)) != 0)
        return rc;
    return stage_publish(s, 0, t);
}

/* Somebody who is in the register already enrolls once more, under another pseudonym. */
static int two_enrolments(struct stage *s, struct err *e)
{
    const struct register_person *voucher = register_person(s->people, 0);
    char more[600], id[33], org[33], vouch[33], key[TEXT_BASE64_LEN(32) + 1], from[20];
    unix_time t = stage_time(s, 0);
    struct ed25519_key *k[2] = {NULL}, *fresh = NULL;
    size_t n = stage_signers(s, ROLE_REGISTRAR, WHO_GOOD, t, k, 2);
    struct id128 person = random_id();
    struct ed25519_pub pub;
    int rc;

    if (n < 2) {
        rc = stage_nothing(e, "the keys of two registrars are not at hand");
        goto out;
    }
    if ((rc = ed25519_generate(&fresh)) != 0)
        goto out;
    ed25519_public(fresh, &pub);
    text_id(id, &person);
    text_id(org, &voucher->org);
    text_id(vouch, &voucher->id);
    text_base64(key, pub.b, sizeof(pub.b));
    clock_minute(from, t);
    (void)snprintf(more, sizeof(more),
                   "  - id: \"%s\"\n    org: \"%s\"\n    voucher: \"%s\"\n    keys:\n"
                   "      - {key: \"%s\", from: %s}\n    roles: []\n",
                   id, org, vouch, key, from);
    if ((rc = stage_register(s, more, k, n, t, e)) == 0)
        rc = enroll(s, &person, &voucher->org, &voucher->id, &pub, t, e);
out:
    free_keys(k, n);
    ed25519_free(fresh);
    return rc;
}

/* ------------------------------------------------------------------ submissions */

static int submit(struct stage *s, struct made *m, struct err *e)
{
    int rc = stage_submit(s, m, stage_time(s, m->site), e);

    ed25519_free(m->key);
    m->key = NULL;
    return rc;
}

static int no_consent(struct stage *s, struct err *e)
{
    struct made m;

    stage_made(s, 0, &m);
    random_bytes(m.statement.b, sizeof(m.statement.b));
    return submit(s, &m, e);
}

static int withdrawn_statement(struct stage *s, struct err *e)
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

static int wrong_scope(struct stage *s, struct err *e)
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

static int forged_signature(struct stage *s, struct err *e)
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

static int country_changed(struct stage *s, struct err *e)
{
    struct made m;

    stage_made(s, 0, &m);
    if (country(s, true, 0, m.country) != 0 || country(s, true, 1, m.signed_country) != 0)
        return stage_nothing(e, "the zone has only one country");
    return submit(s, &m, e);
}

static int wrong_zone(struct stage *s, struct err *e)
{
    struct made m;

    stage_made(s, 0, &m);
    if (country(s, false, 0, m.country) != 0)
        return stage_nothing(e, "the policy has only one zone");
    return submit(s, &m, e);
}

static int hidden_copy(struct stage *s, struct err *e)
{
    struct made m;

    stage_made(s, 0, &m);
    m.no_copy = true;
    return submit(s, &m, e);
}

/* A copy of something nobody submitted. */
static int stray_copy(struct stage *s, struct err *e)
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

static int false_country(struct stage *s, struct err *e)
{
    struct made m;

    stage_made(s, 0, &m);
    return submit(s, &m, e);
}

static int forged_withdrawal(struct stage *s, struct err *e)
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
static int withdrawal_ignored(struct stage *s, struct err *e)
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

/* ------------------------------------------------------------------ copies and keys */

static int delete_last(struct stage *s, enum leaf_kind k, unix_time later, struct err *e)
{
    size_t i;
    int site, rc = stage_find(s, k, &site, &i, e);

    if (rc != 0)
        return rc;
    tale_delete(&s->tale[site], i);
    return later == 0 ? 0 : stage_inventory(s, site, stage_time(s, site) + later, e);
}

static int slot_kept(struct stage *s, struct err *e)
{
    return delete_last(s, LK_SLOT_DESTROYED, 0, e);
}

static int epoch_kept(struct stage *s, struct err *e)
{
    return delete_last(s, LK_EPOCH_DESTROYED, 60 * (unix_time)DAY, e);
}

static int no_order(struct stage *s, struct err *e)
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

/* The last scan of a copy that is still there: nobody asks whether one was scanned that is gone. */
static int never_scanned(struct stage *s, struct err *e)
{
    for (int site = 0; site < (int)s->sites; site++)
        for (size_t i = s->tale[site].leaves; i-- > 0;) {
            const struct tale_leaf *t = &s->tale[site].leaf[i];
            struct leaf l;
            struct id128 ref;

            if (leaf_parse(&l, span_of(t->bytes, t->n)) != 0 || l.kind != LK_SCAN_DONE)
                continue;
            ref = leaf_id(&l, LF_REF);
            if (removed_after(&s->tale[site], i, &ref))
                continue;
            tale_delete(&s->tale[site], i);
            return stage_inventory(s, site, stage_time(s, site) + 60 * (unix_time)DAY, e);
        }
    return stage_nothing(e, "the history has no scan of a copy that is still there");
}

static int false_inventory(struct stage *s, struct err *e)
{
    char hex[65];
    size_t i;
    int site, rc = stage_find(s, LK_INVENTORY_SITE, &site, &i, e);

    if (rc != 0)
        return rc;
    random_hex(hex, 32);
    return tale_edit(&s->tale[site], i, LF_ROOT, hex, e);
}

static int unloaded_release(struct stage *s, struct err *e)
{
    char hex[65];
    size_t i;
    int site, rc = stage_find(s, LK_SCAN_DONE, &site, &i, e);

    if (rc != 0)
        return rc;
    random_hex(hex, 32);
    return tale_edit(&s->tale[site], i, LF_RELEASE, hex, e);
}

static int scanned_abroad(struct stage *s, struct err *e)
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

static int unlogged_copy(struct stage *s, struct err *e)
{
    (void)s;
    (void)e;
    return 0; /* the ledgers are the same: that is the point */
}

/* ------------------------------------------------------------------ moves */

static int object_left(struct stage *s, struct err *e)
{
    struct id128 ref = random_id();
    struct leaf_builder b;
    struct digest root;
    struct leaf l;
    unix_time t;
    size_t i;
    int site, rc = stage_find(s, LK_MOVE_CLOSED, &site, &i, e);

    if (rc != 0)
        return rc;
    l = tale_leaf(&s->tale[site], i);
    t = stage_time(s, site);
    if ((rc = setroot_ids(&ref, 1, &root)) != 0)
        return rc;
    stage_begin(s, site, &b, LK_INVENTORY, t);
    leaf_set_span(&b, LF_COUNTRY, leaf_text(&l, LF_COUNTRY));
    leaf_set_digest(&b, LF_ROOT, &root);
    leaf_set_int(&b, LF_COUNT, 1);
    leaf_set_int(&b, LF_AT_SIZE, s->tale[site].leaves);
    if ((rc = stage_add(s, site, &b, e)) != 0)
        return rc;
    return stage_publish(s, site, t);
}

/* The slots of a tale's copy.removed leaves before leaf i, since the slot.destroyed before it. */
static int slots_before(const struct tale *t, size_t i, struct digest *root, size_t *n)
{
    struct id128 *v = calloc(i + 1, sizeof(*v));
    int rc;

    if (v == NULL)
        return -ENOMEM;
    *n = 0;
    while (i-- > 0) {
        struct leaf l = tale_leaf(t, i);

        if (l.kind == LK_SLOT_DESTROYED)
            break;
        if (l.kind == LK_COPY_REMOVED)
            v[(*n)++] = leaf_id(&l, LF_REF);
    }
    rc = setroot_ids(v, *n, root);
    free(v);
    return rc;
}

/* One copy of the set stays: its removal is not told and its slot not destroyed. */
static int copy_kept(struct stage *s, struct err *e)
{
    struct digest root;
    size_t i, n, slot;
    char text[80];
    int site, rc = stage_find(s, LK_MOVE_OPENED, &site, &i, e);
    struct tale *t = &s->tale[site];

    if (rc != 0)
        return rc;
    i = tale_find(t, LK_COPY_REMOVED, i);
    if (i == t->leaves)
        return stage_nothing(e, "the move was of no copy");
    tale_delete(t, i);
    slot = tale_find(t, LK_SLOT_DESTROYED, i);
    if (slot == t->leaves)
        return stage_nothing(e, "the move destroyed no slot");
    if ((rc = slots_before(t, slot, &root, &n)) != 0)
        return rc;
    text_digest(text, &root);
    if ((rc = tale_edit(t, slot, LF_ROOT, text, e)) != 0)
        return rc;
    (void)snprintf(text, sizeof(text), "%zu", n);
    return tale_edit(t, slot, LF_COUNT, text, e);
}

static int object_lost(struct stage *s, struct err *e)
{
    struct leaf l;
    char text[24];
    size_t i;
    int site, rc = stage_find(s, LK_MOVE_RECEIVED, &site, &i, e);

    if (rc != 0)
        return rc;
    l = tale_leaf(&s->tale[site], i);
    if (leaf_int(&l, LF_COUNT) == 0)
        return stage_nothing(e, "the move was of nothing");
    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)leaf_int(&l, LF_COUNT) - 1);
    return tale_edit(&s->tale[site], i, LF_COUNT, text, e);
}

static int object_swapped(struct stage *s, struct err *e)
{
    char hex[65];
    size_t i;
    int site, rc = stage_find(s, LK_MOVE_RECEIVED, &site, &i, e);

    if (rc != 0)
        return rc;
    random_hex(hex, 32);
    return tale_edit(&s->tale[site], i, LF_SET_ROOT, hex, e);
}

static int moved_late(struct stage *s, struct err *e)
{
    size_t i, first;
    int site, rc = stage_find(s, LK_MOVE_CLOSED, &site, &i, e);
    const struct tale *t = &s->tale[site];

    if (rc != 0)
        return rc;
    /* the whole batch: from the copies' removal on */
    first = i;
    for (size_t k = 0; k < t->marks; k++)
        if (t->mark[k].size <= i)
            first = (size_t)t->mark[k].size;
    return tale_delay(&s->tale[site], first, 60 * (int64_t)DAY, e);
}

static int unapproved_move(struct stage *s, struct err *e)
{
    struct ed25519_key *k[1] = {NULL};
    struct dsse *env = NULL, *d = NULL;
    struct digest doc, is;
    struct buf out;
    struct leaf l;
    char hex[65];
    size_t i, n;
    int site, rc = stage_find(s, LK_MOVE_OPENED, &site, &i, e);

    if (rc != 0)
        return rc;
    l = tale_leaf(&s->tale[site], i);
    doc = leaf_digest(&l, LF_DOC);
    n = stage_signers(s, ROLE_MOVER, WHO_GOOD, l.time, k, 1);
    buf_init(&out, DSSE_MAX_BYTES);
    for (size_t j = 0; j < s->tale[site].artifacts && env == NULL && rc == 0; j++) {
        dsse_digest(buf_span(&s->tale[site].artifact[j]), &is);
        if (memcmp(is.b, doc.b, sizeof(is.b)) == 0)
            rc = dsse_parse(&env, buf_span(&s->tale[site].artifact[j]), e);
    }
    if (rc == 0 && (env == NULL || n == 0))
        rc = stage_nothing(e, "the move's approval or a mover's key is not at hand");
    if (rc == 0 && (rc = dsse_new(&d, dsse_type(env), dsse_payload(env))) == 0 &&
        (rc = dsse_sign(d, k[0])) == 0 && (rc = dsse_write(d, &out)) == 0 &&
        (rc = tale_document(&s->tale[site], buf_span(&out), &doc)) == 0) {
        text_digest(hex, &doc);
        rc = tale_edit(&s->tale[site], i, LF_DOC, hex, e);
    }
    buf_free(&out);
    dsse_free(env);
    dsse_free(d);
    free_keys(k, n);
    return rc;
}

/* ------------------------------------------------------------------ the table */

#define LATER "afterwards"
#define LIVE "at its time"
#define O BETRAY_OPERATOR
#define P BETRAY_PEOPLE
#define W BETRAY_WITNESS
const struct cheats_entry cheats_table[] = {
    {{"edited-leaf", O, "a published leaf is changed and every later checkpoint signed again",
      LATER, "ledger.append-only", NULL},
     edited_leaf},
    {{"edited-file", O, "one byte of a published leaf is changed on disk", LATER,
      "ledger.append-only", NULL},
     edited_file},
    {{"forked", O | W,
      "two histories of one size, both cosigned; somebody holds a receipt of the other", LATER,
      "ledger.append-only", NULL},
     forked},
    {{"rolled-back", O, "the newest leaves are taken back; somebody holds a receipt for them",
      LATER, "ledger.append-only", NULL},
     rolled_back},
    {{"back-dated-entry", O, "a leaf says a time an hour before it was written", LIVE,
      "ledger.time", NULL},
     back_dated_entry},
    {{"unlisted-person", O, "a person is enrolled whom no approved register lists", LIVE,
      "people.register", NULL},
     unlisted_person},
    {{"lone-registrar", O | P, "a register approved by one registrar where two are needed", LIVE,
      "people.register", NULL},
     lone_registrar},
    {{"self-approved-policy", O | P, "the author of a policy is one of its two approvers", LIVE,
      "policy.uniform", NULL},
     self_approved},
    {{"two-keys-one-person", O | P, "one person approves twice, with two keys", LIVE,
      "policy.uniform", NULL},
     two_keys},
    {{"revoked-key", O | P, "a policy is approved with a key that was revoked", LIVE,
      "policy.uniform", NULL},
     revoked_key},
    {{"retired-approver", O | P, "a policy is approved by one whose duty had ended", LIVE,
      "policy.uniform", NULL},
     retired},
    {{"back-dated-policy", O | P, "two approvers agree to a policy that is valid from an hour ago",
      LIVE, "policy.uniform", NULL},
     back_dated_policy},
    {{"wrong-zone", O, "a file is accepted at a site of the wrong zone", LIVE,
      "residency.placement", NULL},
     wrong_zone},
    {{"hidden-copy", O, "a file is accepted, but where its copy lies is not told", LIVE,
      "residency.placement", NULL},
     hidden_copy},
    {{"stray-copy", O, "a copy is stored that nobody submitted", LIVE, "residency.placement", NULL},
     stray_copy},
    {{"false-inventory", O, "an inventory tells another set of copies", LIVE, "residency.placement",
      NULL},
     false_inventory},
    {{"no-consent", O, "a file is accepted under a statement that was never published", LIVE,
      "intake.consent", NULL},
     no_consent},
    {{"withdrawn-statement", O, "a file is accepted under a statement withdrawn before", LIVE,
      "intake.consent", NULL},
     withdrawn_statement},
    {{"wrong-scope", O, "a file is taken under consent for something else", LIVE, "intake.consent",
      NULL},
     wrong_scope},
    {{"forged-signature", O, "the submitter's signature is made up", LIVE, "intake.consent", NULL},
     forged_signature},
    {{"country-changed", O, "the leaf says another country than the submitter signed", LIVE,
      "intake.consent", NULL},
     country_changed},
    {{"forged-withdrawal", O, "a withdrawal is logged that the submitter did not sign", LIVE,
      "intake.consent", NULL},
     forged_withdrawal},
    {{"withdrawal-ignored", O, "a withdrawal is logged and nothing is erased", LIVE,
      "intake.consent", NULL},
     withdrawal_ignored},
    {{"unapproved-move", O | P,
      "a country is moved with the approval of one mover where two are needed", LIVE,
      "residency.relocation", NULL},
     unapproved_move},
    {{"object-left", O, "after the move one copy is left in the old site's inventory", LIVE,
      "residency.relocation", NULL},
     object_left},
    {{"copy-kept", O, "one copy of the set is not removed at the old site", LIVE,
      "residency.relocation", NULL},
     copy_kept},
    {{"object-lost", O, "the new site receives one less than were sent", LIVE,
      "residency.relocation", NULL},
     object_lost},
    {{"object-swapped", O, "the new site receives another set of the same size", LIVE,
      "residency.relocation", NULL},
     object_swapped},
    {{"moved-late", O, "the move is closed after the policy's move_by", LIVE,
      "residency.relocation", NULL},
     moved_late},
    {{"slot-kept", O, "files are erased, but their key slots are not destroyed", LIVE,
      "vault.erasure", NULL},
     slot_kept},
    {{"epoch-kept", O, "the key of an epoch is never destroyed", LIVE, "vault.erasure", NULL},
     epoch_kept},
    {{"erased-without-order", O, "a file is erased that nobody ordered to erase", LIVE,
      "vault.erasure", NULL},
     no_order},
    {{"unloaded-release", O, "a file is scanned by rules that were never loaded", LIVE,
      "detect.explained", NULL},
     unloaded_release},
    {{"never-scanned", O, "a copy is stored and never scanned", LIVE, "detect.explained", NULL},
     never_scanned},
    {{"scanned-abroad", O, "a file is scanned at a site of another zone", LIVE, "detect.explained",
      NULL},
     scanned_abroad},
    {{"unlogged-copy", O, "a copy is made beside the vault and not told", LIVE, NULL,
      "no software shows that no other copy exists (A6)"},
     unlogged_copy},
    {{"two-enrolments", O | P, "one human is enrolled twice, under two pseudonyms", LIVE, NULL,
      "the register knows persons, not humans (A8); the organizations that vouch must look"},
     two_enrolments},
    {{"false-country", O, "the vendor submits as somebody from the zone it prefers", LIVE, NULL,
      "the country is what the submitter declares (A9)"},
     false_country},
    {{"forked-unseen", O | W | BETRAY_OUTSIDE,
      "two histories, both cosigned, and nobody outside holds a receipt", LATER, NULL,
      "log and witness together can sign anything (A3); only what somebody else holds tells two "
      "histories apart"},
     forked_unseen},
    {{"stale-view", O | BETRAY_OUTSIDE, "the auditor is shown the ledger of yesterday", LATER, NULL,
      "an old ledger is true; compare its date, or ask the witnesses for their newest checkpoint "
      "(A4)"},
     stale},
};
const size_t cheats_count = ARRAY_LEN(cheats_table);

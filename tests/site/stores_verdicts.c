/* stores_verdicts.c - verdicts, and the rounds in which other rules change them, by the keeper's
 * own code; and what must be true of them after a crash: the catalog is what the leaves say. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/sha256.h"
#include "events/setroot.h"
#include "site/keeper_lines.h"
#include "site/keeper_notes.h"
#include "site/keeper_verdict.h"
#include "stores.h"

#define ENGINE "yara"
#define LAST_ACCOUNT "\4acme"
#define MANY 64
#define WRONG(...) fail_msg(__VA_ARGS__)

static struct digest release_of(uint8_t n)
{
    struct digest d = {{n}};

    return d;
}

/* As keeper_lines.c does once they serve. */
int stores_rules(struct stores *s, uint8_t release)
{
    struct note_rules n = {release_of(release), ENGINE};
    struct act *a = keeper_act_new();
    struct leaf_builder b;
    struct buf *note = a == NULL ? NULL : keeper_act_note_new(a, NULL, 0);
    int rc = note == NULL ? -ENOMEM : keeper_note_put_rules(note, &n);

    leaf_begin(&b, LK_RULES_LOADED, clock_now(), s->k->c->site);
    leaf_set_digest(&b, LF_RELEASE, &n.release);
    leaf_set_text(&b, LF_ENGINE, ENGINE);
    leaf_set_int(&b, LF_RULES, release);
    if (rc != 0 || (rc = keeper_act_leaf(a, &b)) != 0) {
        keeper_act_free(a);
        return rc;
    }
    keeper_group_add(s->k, a);
    return stores_sign(s);
}

int stores_judge(struct stores *s, unsigned n, uint8_t release, bool malicious)
{
    struct digest rules = release_of(release);
    struct id128 ref = stores_id(n, 'r');
    struct span name = span_str("A_rule");
    struct catalog_submission row;
    struct finding f;
    int rc = 0;

    if (catalog_submission_by_ref(s->k->catalog, &ref, &row) != 0)
        return 0; /* it was not accepted, or erased */
    if (!s->k->lines->rescan.known)
        keeper_rescan_look(s->k);
    finding_init(&f);
    if (malicious)
        rc = finding_malicious(&f, &name, 1);
    if (rc == 0)
        rc = keeper_verdict_by(s->k, ENGINE, &rules, &ref, release > 1, &f, span_str("held"));
    finding_done(&f);
    return rc != 0 ? rc : stores_sign(s);
}

int stores_trip(struct stores *s)
{
    struct rescan *r = &s->k->lines->rescan;
    int rc;

    keeper_rescan_look(s->k);
    if (!r->open || r->stopped)
        return 0; /* what leads to it has failed */
    r->window = 2;
    r->turned = 1;
    rc = keeper_rescan_trip(s->k);
    return rc != 0 ? rc : stores_sign(s);
}

int stores_round(struct stores *s)
{
    int rc;

    keeper_rescan_look(s->k);
    if (!s->k->lines->rescan.open)
        return 0;
    if ((rc = catalog_value_put(s->k->catalog, "rescan.at", span_str(LAST_ACCOUNT))) != 0)
        return rc;
    rc = keeper_rescan_finish(s->k);
    return rc != 0 ? rc : stores_sign(s);
}

/* --- what the leaves say --- */

struct copy {
    struct id128 ref;
    bool removed;
    unsigned scans;
    struct digest release, before; /* of the last scan, of the one before that */
    bool renewed;                  /* since the last summary */
};
struct told {
    struct copy copy[MANY];
    size_t n;
    bool loaded, open, tripped;
    struct digest rules;
};

static struct copy *copy_of(struct told *t, const struct leaf *l)
{
    struct id128 ref = leaf_id(l, LF_REF);

    for (size_t i = 0; i < t->n; i++)
        if (memcmp(&t->copy[i].ref, &ref, sizeof(ref)) == 0)
            return &t->copy[i];
    assert_true(t->n < MANY);
    t->copy[t->n] = (struct copy){.ref = ref};
    return &t->copy[t->n++];
}

static int by_id(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct id128));
}

static size_t renewed(const struct told *t, struct id128 out[MANY])
{
    size_t n = 0;

    for (size_t i = 0; i < t->n; i++)
        if (t->copy[i].renewed)
            out[n++] = t->copy[i].ref;
    qsort(out, n, sizeof(*out), by_id);
    return n;
}

static void summed_up(struct told *t, const struct leaf *l)
{
    struct digest root, said = leaf_digest(l, LF_ROOT);
    struct id128 set[MANY];
    size_t n = renewed(t, set), judged = 0;

    for (size_t i = 0; i < t->n; i++) {
        judged += t->copy[i].scans > 0 && !t->copy[i].removed;
        t->copy[i].renewed = false;
    }
    assert_int_equal(setroot_ids(set, n, &root), 0);
    if (leaf_int(l, LF_COUNT) != judged || leaf_int(l, LF_CHANGED) != n || !digest_eq(&root, &said))
        WRONG("a summary of %llu files and %llu changes, the leaves have %zu and %zu",
              (unsigned long long)leaf_int(l, LF_COUNT),
              (unsigned long long)leaf_int(l, LF_CHANGED), judged, n);
    t->open = t->tripped = false;
}

static void tell(struct told *t, const struct leaf *l)
{
    struct copy *c;

    switch (l->kind) {
    case LK_RULES_LOADED:
        t->open = t->open || t->loaded;
        t->loaded = true;
        t->tripped = false;
        t->rules = leaf_digest(l, LF_RELEASE);
        break;
    case LK_COPY_REMOVED:
        copy_of(t, l)->removed = true;
        break;
    case LK_SCAN_DONE:
        c = copy_of(t, l);
        c->renewed = c->renewed || c->scans > 0;
        c->before = c->release;
        c->release = leaf_digest(l, LF_RELEASE);
        c->scans++;
        break;
    case LK_RESCAN_DONE:
        summed_up(t, l);
        break;
    case LK_BREAKER_TRIPPED:
        t->tripped = true;
        break;
    default:
        break;
    }
}

/* --- and the catalog --- */

static int take_row(void *arg, const struct catalog_verdict *v)
{
    struct digest *release = arg;

    *release = v->release;
    return 1;
}

static void check_copy(struct stores *s, const struct copy *c)
{
    struct catalog_verdict before;
    struct digest now;
    struct buf sealed;
    int rc;

    buf_init(&sealed, 8 + CATALOG_SEALED_MAX + VAULT_SEAL_EXTRA);
    rc = catalog_verdicts(s->k->catalog, &c->ref, take_row, &now);
    if ((rc == 1) != (c->scans > 0 && !c->removed) || (rc == 1 && !digest_eq(&now, &c->release)))
        WRONG("a copy with %u scans%s has %s verdict in the catalog", c->scans,
              c->removed ? " that is gone" : "", rc == 1 ? "another" : "no");
    rc = catalog_verdict_before(s->k->catalog, &c->ref, &before, &sealed);
    if ((rc == 0) != (c->scans > 1 && !c->removed) ||
        (rc == 0 && !digest_eq(&before.release, &c->before)))
        WRONG("a copy with %u scans%s has %s verdict before in the catalog", c->scans,
              c->removed ? " that is gone" : "", rc == 0 ? "another" : "no");
    buf_free(&sealed);
}

struct listed {
    struct id128 id[MANY];
    size_t n;
};

static int take_id(void *arg, const struct id128 *id)
{
    struct listed *l = arg;

    assert_true(l->n < MANY);
    l->id[l->n++] = *id;
    return 0;
}

void stores_check_verdicts(struct stores *s)
{
    struct told *t = calloc(1, sizeof(*t));
    struct listed list = {.n = 0};
    struct id128 set[MANY];
    struct err e = ERR_INIT;
    struct buf b;
    size_t n;

    assert_non_null(t);
    buf_init(&b, LEAF_MAX);
    for (uint64_t i = 0; i < ledger_size(s->k->ledger); i++) {
        struct leaf l;

        buf_reset(&b);
        assert_int_equal(ledger_leaf(s->k->ledger, i, &b, &e), 0);
        assert_int_equal(leaf_parse(&l, buf_span(&b)), 0);
        tell(t, &l);
    }
    buf_free(&b);
    for (size_t i = 0; i < t->n; i++)
        check_copy(s, &t->copy[i]);
    n = renewed(t, set);
    assert_int_equal(catalog_renewed(s->k->catalog, take_id, &list), 0);
    if (n != list.n || memcmp(set, list.id, n * sizeof(set[0])) != 0)
        WRONG("%zu verdicts changed by the leaves, %zu by the catalog", n, list.n);
    keeper_rescan_look(s->k);
    if (s->k->lines->rescan.open != t->open)
        WRONG("a round is %s by the leaves", t->open ? "open" : "closed");
    buf_init(&b, 256);
    if (!t->open && catalog_value_get(s->k->catalog, "rescan.at", &b) == 0 &&
        memmem(b.data, b.len, "acme", 4) != NULL)
        WRONG("the account of the last file stands behind a round that is over");
    buf_free(&b);
    if (t->loaded && t->open && keeper_rules_stopped(s->k, &t->rules) != t->tripped)
        WRONG("the breaker has %stripped by the leaves", t->tripped ? "" : "not ");
    free(t);
}

/* stores_check.c - what must be true of a site's stores after a crash. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "crypto/sha256.h"
#include "events/setroot.h"
#include "stores.h"

#define MANY 4096

enum state { NEVER, ASKED, KEPT, ERASING, ERASED };

/* What the marks say. */
struct expected {
    enum state of[MANY];
    unsigned next;
    struct calls_mark signed_, cosigned, published; /* the newest */
    uint64_t turned;
};

static void expect(struct expected *x, const struct calls_mark *m, size_t n)
{
    static const enum state becomes[] = {
        [MARK_ASKED] = ASKED, [MARK_KEPT] = KEPT, [MARK_ERASING] = ERASING, [MARK_ERASED] = ERASED};

    memset(x, 0, sizeof(*x));
    x->next = 1;
    for (size_t i = 0; i < n; i++) {
        switch (m[i].what) {
        case MARK_ASKED:
        case MARK_KEPT:
        case MARK_ERASING:
        case MARK_ERASED:
            assert_true(m[i].value < MANY);
            x->of[m[i].value] = becomes[m[i].what];
            x->next = m[i].value >= x->next ? (unsigned)m[i].value + 1 : x->next;
            break;
        case MARK_SIGNED:
            x->signed_ = m[i];
            break;
        case MARK_COSIGNED:
            x->cosigned = m[i];
            break;
        case MARK_PUBLISHED:
            x->published = m[i];
            break;
        case MARK_TURNED:
            x->turned = m[i].value;
            break;
        default:
            break;
        }
    }
}

#define WRONG(...) fail_msg(__VA_ARGS__)

/* --- objects --- */

/* 0: reads as submission n's bytes do; else why not. */
static int reads(struct stores *s, unsigned n)
{
    static uint8_t want[STORES_BYTES];
    struct id128 ref = stores_id(n, 'r');
    size_t len = stores_content(n, want), at = 0, m;
    struct vault_read *r;
    const uint8_t *p;
    int rc = vault_read_open(&r, s->k->vault, &ref, &s->e);

    if (rc != 0)
        return rc;
    while ((rc = vault_read_next(r, &p, &m)) == 0 && m > 0) {
        if (m > len - at || memcmp(p, want + at, m) != 0) {
            rc = -EILSEQ;
            break;
        }
        at += m;
    }
    vault_read_close(r);
    return rc != 0 ? rc : at == len ? 0 : -EILSEQ;
}

/* The leaf of an acceptance is in the ledger, where the catalog says, under a proof that verifies.
 */
static void check_leaf(struct stores *s, unsigned n, const struct catalog_submission *row)
{
    struct digest path[CORE_PROOF_MAX], root, own;
    uint64_t size = ledger_size(s->k->ledger);
    struct err e = ERR_INIT;
    struct buf leaf;
    char ref[33];
    size_t m = 0;

    buf_init(&leaf, LEAF_MAX);
    if (ledger_leaf(s->k->ledger, row->leaf, &leaf, &e) != 0)
        WRONG("submission %u: its leaf %llu cannot be read: %s", n, (unsigned long long)row->leaf,
              err_text(&e));
    text_id(ref, &row->ref);
    if (memmem(leaf.data, leaf.len, "copy.placed", 11) == NULL ||
        memmem(leaf.data, leaf.len, ref, 32) == NULL)
        WRONG("submission %u: leaf %llu is another's", n, (unsigned long long)row->leaf);
    sha256_leaf(leaf.data, leaf.len, &own);
    ledger_root(s->k->ledger, &root);
    if (ledger_inclusion(s->k->ledger, row->leaf, size, path, &m, &e) != 0 ||
        core_inclusion(&note_crypto, row->leaf, size, &own, path, m, &root) != 0)
        WRONG("submission %u: no proof of its leaf: %s", n, err_text(&e));
    buf_free(&leaf);
}

static bool check_submission(struct stores *s, const struct expected *x, unsigned n)
{
    struct id128 sub = stores_id(n, 's');
    struct catalog_submission row;
    int rc = catalog_submission_get(s->k->catalog, &sub, &row), read = reads(s, n);
    bool live = rc == 0 && row.state == CATALOG_LIVE;

    if (read != 0 && read != -ENOENT)
        WRONG("submission %u reads with %d", n, read);
    if (live != (read == 0))
        WRONG("submission %u: the catalog says %d (%d), the vault %d", n, rc,
              rc == 0 ? (int)row.state : 0, read);
    if (x->of[n] == KEPT && !live)
        WRONG("submission %u was acknowledged and is gone (%d)", n, read);
    if (x->of[n] == ERASED &&
        (live || rc != 0 || row.state != CATALOG_ERASED ||
         memcmp(row.sub_key, stores_key(n).b, 32) != 0 || row.end_leaf == CATALOG_NO_LEAF))
        WRONG("submission %u was erased: the catalog says %d (%d)%s", n, rc,
              rc == 0 ? (int)row.state : 0, live ? ", and it is back" : "");
    if (x->of[n] == NEVER && rc != -ENOENT)
        WRONG("submission %u was never sent", n);
    if (live)
        check_leaf(s, n, &row);
    return live;
}

/* --- leaf => object or erasure; inventory = catalog = vault --- */

static int by_id(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct id128));
}

struct refs {
    struct id128 id[2 * MANY];
    size_t n;
};

static int take(void *arg, const struct id128 *id)
{
    struct refs *r = arg;

    r->id[r->n++] = *id;
    return 0;
}

/* The ref of a leaf of this kind. */
static bool ref_of(const struct buf *leaf, const char *kind, struct id128 *out)
{
    const char *at = memmem(leaf->data, leaf->len, kind, strlen(kind));
    const char *ref = memmem(leaf->data, leaf->len, "\"ref\":\"", 7);

    return at != NULL && ref != NULL && text_unid(span_of((const uint8_t *)ref + 7, 32), out) == 0;
}

/* By the ledger alone: placed and not removed. */
static void refs_of_ledger(struct stores *s, struct refs *out)
{
    struct refs *gone = calloc(1, sizeof(*gone));
    struct buf leaf;
    struct err e = ERR_INIT;
    size_t left = 0;

    assert_non_null(gone);
    buf_init(&leaf, LEAF_MAX);
    for (uint64_t i = 0; i < ledger_size(s->k->ledger); i++) {
        struct id128 id;

        buf_reset(&leaf);
        if (ledger_leaf(s->k->ledger, i, &leaf, &e) != 0)
            WRONG("leaf %llu cannot be read: %s", (unsigned long long)i, err_text(&e));
        if (ref_of(&leaf, "\"copy.placed\"", &id))
            out->id[out->n++] = id;
        else if (ref_of(&leaf, "\"copy.removed\"", &id))
            gone->id[gone->n++] = id;
    }
    buf_free(&leaf);
    for (size_t i = 0; i < out->n; i++) {
        bool removed = false;

        for (size_t j = 0; j < gone->n && !removed; j++)
            removed = memcmp(&gone->id[j], &out->id[i], sizeof(out->id[i])) == 0;
        if (!removed)
            out->id[left++] = out->id[i];
    }
    out->n = left;
    qsort(out->id, out->n, sizeof(out->id[0]), by_id);
    free(gone);
}

static void check_sets(struct stores *s, size_t live)
{
    struct refs *ledger = calloc(1, sizeof(*ledger)), *catalog = calloc(1, sizeof(*catalog));
    struct vault_scrub scrub;

    assert_non_null(ledger);
    assert_non_null(catalog);
    refs_of_ledger(s, ledger);
    assert_int_equal(catalog_refs(s->k->catalog, NULL, take, catalog), 0);
    if (ledger->n != catalog->n ||
        memcmp(ledger->id, catalog->id, ledger->n * sizeof(ledger->id[0])) != 0)
        WRONG("the ledger knows %zu copies, the catalog %zu", ledger->n, catalog->n);
    assert_int_equal(vault_scrub(s->k->vault, &scrub, NULL, NULL, &s->e), 0);
    if (scrub.objects != live || ledger->n != live ||
        scrub.bad_objects + scrub.bad_segments + scrub.bad_stretches != 0)
        WRONG("%zu live, %zu by the ledger, %llu in the vault, %llu of them bad, %llu segments bad",
              live, ledger->n, (unsigned long long)scrub.objects,
              (unsigned long long)scrub.bad_objects, (unsigned long long)scrub.bad_segments);
    free(ledger);
    free(catalog);
}

/* --- what was signed --- */

/* The tree holds the signed one: its first `size` leaves have that root. */
static void check_root(struct stores *s, const char *what, const struct calls_mark *m)
{
    struct core_range r;
    struct digest h, root;
    struct buf leaf;
    struct err e = ERR_INIT;

    if (m->what == 0)
        return;
    if (ledger_size(s->k->ledger) < m->value)
        WRONG("%s %llu leaves, the ledger has %llu", what, (unsigned long long)m->value,
              (unsigned long long)ledger_size(s->k->ledger));
    memset(&r, 0, sizeof(r));
    buf_init(&leaf, LEAF_MAX);
    for (uint64_t i = 0; i < m->value; i++) {
        buf_reset(&leaf);
        assert_int_equal(ledger_leaf(s->k->ledger, i, &leaf, &e), 0);
        sha256_leaf(leaf.data, leaf.len, &h);
        assert_int_equal(core_range_add(&note_crypto, &r, &h), 0);
    }
    buf_free(&leaf);
    core_range_root(&note_crypto, &r, &root);
    if (memcmp(root.b, m->digest, 32) != 0)
        WRONG("%s another root of %llu leaves: a fork", what, (unsigned long long)m->value);
}

static void check_signatures(struct stores *s, const struct expected *x)
{
    check_root(s, "signed", &x->signed_);
    check_root(s, "cosigned", &x->cosigned);
    check_root(s, "published", &x->published);
    if (signer_size(s->signer) < x->signed_.value)
        WRONG("the signer forgot: %llu after %llu", (unsigned long long)signer_size(s->signer),
              (unsigned long long)x->signed_.value);
    if (ledger_published(s->k->ledger) < x->published.value)
        WRONG("%llu leaves were published, now %llu", (unsigned long long)x->published.value,
              (unsigned long long)ledger_published(s->k->ledger));
}

/* A witness's newest size is in its state's second line. */
static void check_witness(struct stores *s, const struct expected *x)
{
    struct core_checkpoint c;
    struct core_note note;
    struct tlog_answer a;
    struct digest d;
    char hex[65];

    tlog_answer_init(&a);
    sha256_of(s->log_key.key.name, strlen(s->log_key.key.name), &d);
    text_digest(hex, &d);
    tlog_witness_get(s->witness, span_str(hex), &a);
    if (a.status == 200) {
        assert_int_equal(core_note_split(buf_span(&a.body), &note), 0);
        assert_int_equal(core_checkpoint_parse(note.text, &c), 0);
        if (c.size < x->cosigned.value)
            WRONG("the witness went back from %llu to %llu", (unsigned long long)x->cosigned.value,
                  (unsigned long long)c.size);
    } else if (x->cosigned.value > 0) {
        WRONG("the witness forgot (%d)", a.status);
    }
    tlog_answer_free(&a);
}

/* --- all of it --- */

void stores_check(const char *dir, const struct calls_mark *m, size_t n, void *where)
{
    struct expected *x = calloc(1, sizeof(*x));
    struct stores s;
    size_t live = 0;
    int rc;

    (void)where;
    assert_non_null(x);
    expect(x, m, n);
    if ((rc = stores_open(&s, dir)) != 0)
        WRONG("it does not open again (%d): %s", rc, err_text(&s.e));
    if (s.report.damaged != 0)
        WRONG("%zu stretches of the journal are damaged: segment %u, at %llu, %llu bytes, groups "
              "%llu to "
              "%llu",
              s.report.damaged, (unsigned)s.report.damage[0].segment,
              (unsigned long long)s.report.damage[0].at,
              (unsigned long long)s.report.damage[0].length,
              (unsigned long long)s.report.damage[0].first_seq,
              (unsigned long long)s.report.damage[0].last_seq);
    for (unsigned i = 1; i < x->next; i++)
        live += check_submission(&s, x, i);
    check_signatures(&s, x);
    check_witness(&s, x);
    check_sets(&s, live);
    stores_check_verdicts(&s);
    if (vault_epoch_oldest(s.k->vault) <= x->turned)
        WRONG("the destroyed epoch %llu is back", (unsigned long long)x->turned);
    /* and it goes on, with a turn that may be half done */
    s.next = x->next;
    if ((rc = stores_accept(&s, 1)) != 0 || (rc = stores_publish(&s)) != 0)
        WRONG("it does not go on (%d): %s", rc, err_text(&s.e));
    if (reads(&s, s.next - 1) != 0)
        WRONG("a new submission does not read");
    stores_close(&s);
    free(x);
}

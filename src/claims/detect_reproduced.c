/* detect.reproduced: verdicts that others made again from the file, the rules and the engines, to
 * the same.  An attestation counts if it is signed by the key it names and about a scan that stands
 * before it, and if the trust file names that key as an attester's; each verdict counts once.  An
 * attester of the trust file who got something else breaks the claim, unless the verdict's reason
 * was a machine's (time, engine, crash). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "claims/claims_priv.h"
#include "crypto/sha256.h"
#include "ledger/tlog_tiles.h"
#include "rules/attestation.h"

static unsigned attester_of(const struct audit *a, const struct ed25519_pub *k)
{
    for (unsigned i = 0; i < a->trust->attesters; i++)
        if (memcmp(a->trust->attester[i].b, k->b, sizeof(k->b)) == 0)
            return i;
    return TRUST_ATTESTERS;
}

/* 1: it has been told. */
static int read_document(struct audit *a, struct site *s, const struct digest *doc,
                         struct attestation *out)
{
    struct err e = ERR_INIT;
    struct buf b;
    int rc;

    buf_init(&b, DSSE_MAX_BYTES);
    rc = tlog_tiles_artifact(s->dir, doc, &b, &e);
    if (rc == -ENOENT) {
        claims_unknown(a, CLAIM_REPRODUCED, s, s->index, "the attestation is missing: %s",
                       err_text(&e));
        rc = 1;
    } else if (rc == 0) {
        rc = attestation_open(out, "attestation", buf_span(&b), &e);
    }
    if (rc == -EBADMSG || rc == -E2BIG || rc == -EINVAL) {
        claims_broken(a, CLAIM_REPRODUCED, s, s->index, "%s", err_text(&e));
        rc = 1;
    }
    buf_free(&b);
    return rc;
}

static bool agrees(const struct leaf *l, const struct attestation *t)
{
    struct digest scan = leaf_digest(l, LF_SCAN), release = leaf_digest(l, LF_RELEASE);
    uint8_t key[32];

    leaf_key(l, LF_KEY, key);
    return span_is(leaf_text(l, LF_SITE), t->site) && leaf_int(l, LF_LEAF) == t->leaf &&
           digest_eq(&scan, &t->scan) && digest_eq(&release, &t->release) &&
           memcmp(key, t->key.b, sizeof(key)) == 0 &&
           (leaf_word(l, LF_SAME) == LW_SAME_YES) == t->same;
}

static int leaf(struct audit *a, struct site *s, const struct leaf *l)
{
    struct digest doc = leaf_digest(l, LF_DOC);
    struct attestation t;
    int rc = read_document(a, s, &doc, &t);

    if (rc != 0)
        return rc < 0 ? rc : 0;
    if (!agrees(l, &t)) {
        claims_broken(a, CLAIM_REPRODUCED, s, s->index,
                      "the leaf does not say what the attester signed");
        return 0;
    }
    if (t.leaf >= s->index) {
        claims_broken(a, CLAIM_REPRODUCED, s, s->index, "it is about a leaf that follows it");
        return 0;
    }
    if ((rc = VEC_ROOM(&s->attested)) != 0)
        return rc;
    s->attested.v[s->attested.n++] = (struct attested){.scan = t.scan,
                                                       .release = t.release,
                                                       .scan_leaf = t.leaf,
                                                       .leaf = (uint32_t)s->index,
                                                       .attester = attester_of(a, &t.key),
                                                       .same = t.same};
    return 0;
}

/* --- when all is read --- */

static bool of_a_machine(const struct leaf *l)
{
    unsigned reason = leaf_word(l, LF_REASON);

    return reason == LW_REASON_TIME || reason == LW_REASON_ENGINE || reason == LW_REASON_CRASH;
}

/* Is it about the scan it names, and what does it say of it?  true: it counts. */
static bool counts(struct audit *a, struct site *s, const struct attested *t)
{
    struct digest hash, release;
    struct leaf l;

    if (claims_ledger_leaf(s, (uint32_t)t->scan_leaf, &l) != 0 || l.kind != LK_SCAN_DONE) {
        claims_broken(a, CLAIM_REPRODUCED, s, t->leaf, "leaf %llu, which it is about, is no scan",
                      (unsigned long long)t->scan_leaf);
        return false;
    }
    sha256_leaf(l.bytes.p, l.bytes.n, &hash);
    release = leaf_digest(&l, LF_RELEASE);
    if (!digest_eq(&hash, &t->scan) || !digest_eq(&release, &t->release)) {
        claims_broken(a, CLAIM_REPRODUCED, s, t->leaf, "leaf %llu is another scan than it is about",
                      (unsigned long long)t->scan_leaf);
        return false;
    }
    if (t->attester == TRUST_ATTESTERS) {
        a->strangers++;
        return false;
    }
    if (t->same)
        return true;
    if (!of_a_machine(&l))
        claims_broken(a, CLAIM_REPRODUCED, s, t->leaf,
                      "attester %u of the trust file made the verdict of leaf %llu again, and got "
                      "another",
                      t->attester + 1, (unsigned long long)t->scan_leaf);
    return false;
}

static int by_scan(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static int end(struct audit *a)
{
    uint64_t by = 0; /* attesters, by number */

    for (size_t i = 0; i < a->sites; i++) {
        struct site *s = &a->site[i];
        uint64_t *scan = calloc(s->attested.n + 1, sizeof(*scan));
        size_t n = 0;

        if (scan == NULL)
            return -ENOMEM;
        for (size_t k = 0; s->tiles != NULL && k < s->attested.n; k++)
            if (counts(a, s, &s->attested.v[k])) {
                scan[n++] = s->attested.v[k].scan_leaf;
                by |= UINT64_C(1) << s->attested.v[k].attester;
            }
        if (n > 1)
            qsort(scan, n, sizeof(*scan), by_scan);
        for (size_t k = 0; k < n; k++)
            if (k == 0 || scan[k] != scan[k - 1])
                claims_count(a, CLAIM_REPRODUCED, 1);
        free(scan);
    }
    a->attesters = (size_t)__builtin_popcountll(by);
    return 0;
}

static void sentence(const struct audit *a, char *out, size_t n)
{
    (void)snprintf(out, n,
                   "made again, to the same, by %zu attester%s of the trust file; %zu attestations "
                   "by others do not count",
                   a->attesters, a->attesters == 1 ? "" : "s", a->strangers);
}

static const uint8_t assumption[] = {1, 2, 0};
const struct claim claims_detect_reproduced = {
    .name = "detect.reproduced",
    .basis = AUDIT_COUNTERSIGNED,
    .unit = "verdicts made again",
    .one = "verdict made again",
    .assumption = assumption,
    .kinds = READS(REPLAY_ATTESTED),
    .leaf = leaf,
    .end = end,
    .sentence = sentence,
};

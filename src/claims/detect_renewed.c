/* detect.renewed: once other rules are loaded, the files that are here already are scanned again.
 * Each verdict that changed is a leaf, and a summary tells how many did and which; what only
 * detects is called so.
 *
 * The summary is compared with the leaves before it.  That a file without a new leaf was really
 * scanned again cannot be seen here: whoever has the file and the rules can repeat the scan. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "claims/claims_priv.h"
#include "crypto/sha256.h"
#include "events/setroot.h"

/* ------------------------------------------------------------------ what only detects */

static bool said_to_detect(const struct leaf *l)
{
    return leaf_has(l, LF_MODE) && leaf_word(l, LF_MODE) == LW_MODE_DETECT;
}

static struct trip *trip_of(struct site *s, const struct digest *release)
{
    for (size_t i = s->trips.n; i > 0; i--)
        if (digest_eq(&s->trips.v[i - 1].release, release))
            return &s->trips.v[i - 1];
    return NULL;
}

void claims_trip_over(struct site *s, const struct digest *release)
{
    struct trip *t = trip_of(s, release);

    if (t != NULL)
        t->over = true;
}

/* A release may have been published twice, in both modes; then either is true.  Programs of before
 * did not say it: where a ledger says nothing of rounds yet, silence is no lie. */
static void check_mode(struct audit *a, struct site *s, const struct leaf *l)
{
    struct digest release = leaf_digest(l, LF_RELEASE);
    const struct trip *t = trip_of(s, &release);
    bool detects = false, enforces = false;

    for (size_t i = 0; i < s->rules.n; i++)
        if (digest_eq(&s->rules.v[i].tree, &release)) {
            detects = detects || s->rules.v[i].detect;
            enforces = enforces || !s->rules.v[i].detect;
        }
    s->tells_mode = s->tells_mode || said_to_detect(l);
    if (said_to_detect(l) && !detects && t == NULL)
        claims_broken(a, CLAIM_RENEWED, s, s->index,
                      "a finding that blocks nothing, by rules that enforce");
    else if (!said_to_detect(l) && detects && !enforces && s->tells_mode)
        claims_broken(a, CLAIM_RENEWED, s, s->index, "a verdict of rules that only detect");
    else if (!said_to_detect(l) && t != NULL && !t->over)
        claims_broken(a, CLAIM_RENEWED, s, s->index,
                      "a verdict of rules that the breaker had stopped");
}

/* ------------------------------------------------------------------ what changed */

static int loaded(struct audit *a, struct site *s)
{
    (void)a;
    s->rescan_due = s->rescan_due || s->releases.n > 1; /* detect_explained.c has added it */
    s->turned = 0;
    return 0;
}

static int scanned(struct audit *a, struct site *s, const struct leaf *l)
{
    int rc;

    check_mode(a, s, l);
    if (!a->again)
        return 0;
    if ((rc = VEC_ROOM(&s->renewed)) != 0)
        return rc;
    s->renewed.v[s->renewed.n++] = leaf_id(l, LF_REF);
    s->turned += leaf_word(l, LF_VERDICT) == LW_VERDICT_MALICIOUS;
    return 0;
}

static int by_id(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct id128));
}

/* Those whose verdict changed, each once: it may have changed twice before the summary. */
static int renewed_root(struct site *s, struct digest *root)
{
    struct id128 *v = s->renewed.v;
    size_t n = 0;

    if (s->renewed.n > 1)
        qsort(v, s->renewed.n, sizeof(*v), by_id);
    for (size_t i = 0; i < s->renewed.n; i++)
        if (n == 0 || by_id(&v[n - 1], &v[i]) != 0)
            v[n++] = v[i];
    s->renewed.n = n;
    return setroot_ids(v, n, root);
}

/* Are these the rules that serve? */
static bool serves(const struct site *s, const struct leaf *l)
{
    struct digest release = leaf_digest(l, LF_RELEASE);
    const struct release *r = s->releases.n == 0 ? NULL : &s->releases.v[s->releases.n - 1];

    return r != NULL && digest_eq(&r->release, &release) &&
           span_is(leaf_text(l, LF_ENGINE), r->engine);
}

static int summary(struct audit *a, struct site *s, const struct leaf *l)
{
    struct digest release = leaf_digest(l, LF_RELEASE), said = leaf_digest(l, LF_ROOT), root;
    uint64_t count = leaf_int(l, LF_COUNT), changed = leaf_int(l, LF_CHANGED);
    const struct trip *t = trip_of(s, &release);
    int rc;

    claims_count(a, CLAIM_RENEWED, 1);
    if ((rc = renewed_root(s, &root)) != 0)
        return rc;
    if (!serves(s, l))
        claims_broken(a, CLAIM_RENEWED, s, s->index,
                      "files were scanned again by rules that are not loaded");
    else if (t != NULL && !t->over)
        claims_broken(a, CLAIM_RENEWED, s, s->index,
                      "files were scanned again by rules that the breaker had stopped");
    else if (count != s->judged)
        claims_broken(a, CLAIM_RENEWED, s, s->index,
                      "%llu files are judged by the new rules, but %llu copies with a verdict are "
                      "here",
                      (unsigned long long)count, (unsigned long long)s->judged);
    else if (changed != s->renewed.n)
        claims_broken(a, CLAIM_RENEWED, s, s->index,
                      "%llu verdicts changed by the summary, %zu by the leaves before it",
                      (unsigned long long)changed, s->renewed.n);
    else if (!digest_eq(&root, &said))
        claims_broken(a, CLAIM_RENEWED, s, s->index,
                      "the summary has the root of other copies than those whose verdict changed");
    s->tells_mode = true;
    s->verdicts_renewed += s->renewed.n;
    s->renewed.n = 0;
    s->turned = 0;
    s->rescan_due = false;
    return 0;
}

static int tripped(struct audit *a, struct site *s, const struct leaf *l)
{
    struct trip t = {.release = leaf_digest(l, LF_RELEASE)};
    uint64_t changed = leaf_int(l, LF_CHANGED);
    int rc = VEC_ROOM(&s->trips);

    if (rc != 0)
        return rc;
    s->trips.v[s->trips.n++] = t;
    if (!serves(s, l))
        claims_broken(a, CLAIM_RENEWED, s, s->index,
                      "the breaker stopped rules that are not loaded");
    else if (changed == 0 || changed > leaf_int(l, LF_COUNT) || changed > s->turned)
        claims_broken(a, CLAIM_RENEWED, s, s->index,
                      "the breaker tells of %llu files that became malicious, the leaves of %llu",
                      (unsigned long long)changed, (unsigned long long)s->turned);
    return 0;
}

static int leaf(struct audit *a, struct site *s, const struct leaf *l)
{
    switch (l->kind) {
    case LK_RULES_LOADED:
        return loaded(a, s);
    case LK_SCAN_DONE:
        return scanned(a, s, l);
    case LK_RESCAN_DONE:
        return summary(a, s, l);
    case LK_BREAKER_TRIPPED:
        return tripped(a, s, l);
    default:
        return 0; /* others note what is asked of them here */
    }
}

static int end(struct audit *a)
{
    for (size_t i = 0; i < a->sites; i++)
        a->result[CLAIM_RENEWED].pending += a->site[i].rescan_due;
    return 0;
}

static void sentence(const struct audit *a, char *out, size_t n)
{
    uint64_t renewed = 0, trips = 0;

    for (size_t i = 0; i < a->sites; i++) {
        renewed += a->site[i].verdicts_renewed;
        trips += a->site[i].trips.n;
    }
    (void)snprintf(out, n,
                   "each tells the copies whose verdict changed as the leaves do, %llu in all; the "
                   "breaker stopped %llu release%s; %llu site%s not through yet",
                   (unsigned long long)renewed, (unsigned long long)trips,
                   claims_noun(trips, "", "s"),
                   (unsigned long long)a->result[CLAIM_RENEWED].pending,
                   claims_noun(a->result[CLAIM_RENEWED].pending, "", "s"));
}

static const uint8_t assumption[] = {1, 2, 6, 12, 0};
const struct claim claims_detect_renewed = {
    .name = "detect.renewed",
    .basis = AUDIT_STATED,
    .unit = "rounds",
    .one = "round",
    .assumption = assumption,
    .kinds = READS(RULES_LOADED) | READS(SCAN_DONE) | READS(RESCAN_DONE) | READS(BREAKER_TRIPPED) |
             READS(COPY_PLACED) | READS(COPY_REMOVED) | READS(RELEASE_PUBLISHED) |
             READS(OVERRIDE_MADE),
    .leaf = leaf,
    .end = end,
    .sentence = sentence,
};

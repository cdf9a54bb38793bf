/* ledger.append-only: every archived checkpoint's root is the root of that many leaves, each is
 * signed by the log and cosigned by the quorum, and what others hold is a prefix of it.  read.c
 * compares the roots as it passes; here are the rules about which leaves a ledger may have at all.
 */
#include <stdio.h>
#include <string.h>

#include "claims/claims_priv.h"

static void first_leaf(struct audit *a, struct site *s, const struct leaf *l)
{
    char vkey[CORE_VKEY_TEXT_MAX + 1];

    if (l->kind != LK_SITE_OPENED) {
        claims_broken(a, CLAIM_APPEND_ONLY, s, 0, "leaf 0 is not site.opened");
        return;
    }
    note_vkey_format(s->trust->log, vkey);
    if (!span_is(leaf_text(l, LF_VKEY), vkey))
        claims_broken(a, CLAIM_APPEND_ONLY, s, 0,
                      "site.opened names another key than the trust file's for this log");
}

static int leaf(struct audit *a, struct site *s, const struct leaf *l)
{
    claims_count(a, CLAIM_APPEND_ONLY, 1);
    if (s->index == 0)
        first_leaf(a, s, l);
    else if (l->kind == LK_SITE_OPENED)
        claims_broken(a, CLAIM_APPEND_ONLY, s, s->index, "the site is opened a second time");
    if (!span_is(leaf_text(l, LF_SITE), s->trust->site))
        claims_broken(a, CLAIM_APPEND_ONLY, s, s->index, "the leaf is of site \"%.*s\"",
                      (int)leaf_text(l, LF_SITE).n, (const char *)leaf_text(l, LF_SITE).p);
    if (s->closed)
        claims_broken(a, CLAIM_APPEND_ONLY, s, s->index, "a leaf after ledger.closed");
    s->closed |= l->kind == LK_LEDGER_CLOSED;
    return 0;
}

static void sentence(const struct audit *a, char *out, size_t n)
{
    uint64_t checkpoints = 0, held = 0;

    for (size_t i = 0; i < a->sites; i++) {
        checkpoints += a->site[i].checkpoints;
        for (size_t j = 0; j < a->site[i].stop.n; j++)
            held += !a->site[i].stop.v[j].known;
    }
    (void)snprintf(
        out, n,
        "%llu archived checkpoint%s each the root of that many leaves; %llu root%s that others "
        "hold %s",
        (unsigned long long)checkpoints, claims_noun(checkpoints, " is", "s are"),
        (unsigned long long)held, claims_noun(held, "", "s"),
        claims_noun(held, "is a prefix", "are prefixes"));
}

static const uint8_t assumption[] = {1, 2, 4, 0};
const struct claim claims_ledger_append_only = {
    .name = "ledger.append-only",
    .basis = AUDIT_MATH,
    .unit = "leaves",
    .one = "leaf",
    .assumption = assumption,
    .kinds = UINT64_MAX,
    .leaf = leaf,
    .sentence = sentence,
};

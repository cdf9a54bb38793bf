/* ledger.time: a leaf's time lies between the witnesses' times of the checkpoints around it, within
 * the tolerance of the trust file, and never runs backwards by more than it.  A leaf's minute is
 * rounded down, which gives the lower bounds 59 more seconds. */
#include <stdio.h>

#include "claims/claims_priv.h"

#define ROUNDED 59

static int leaf(struct audit *a, struct site *s, const struct leaf *l)
{
    int64_t slack = (int64_t)a->trust->tolerance;
    char at[CLOCK_SECOND_LEN + 1];

    claims_count(a, CLAIM_TIME, 1);
    if (s->cover.early == 0) {
        claims_unknown(a, CLAIM_TIME, s, s->index, "no witness has cosigned a checkpoint over it");
        return 0;
    }
    if (l->time > s->cover.early + slack) {
        clock_second(at, s->cover.early);
        claims_broken(a, CLAIM_TIME, s, s->index,
                      "dated after %s, when a witness had already seen it", at);
    }
    if (s->before.early != 0 && l->time + ROUNDED < s->before.early - slack) {
        clock_second(at, s->before.early);
        claims_broken(a, CLAIM_TIME, s, s->index,
                      "back-dated: at %s a witness saw the ledger without it", at);
    }
    if (l->time + ROUNDED < s->last - slack) {
        clock_second(at, s->last);
        claims_broken(a, CLAIM_TIME, s, s->index, "back-dated: an earlier leaf says %s", at);
    }
    return 0;
}

static int end(struct audit *a)
{
    for (size_t i = 0; i < a->sites; i++)
        if (a->site[i].inside)
            a->result[CLAIM_TIME].basis = AUDIT_STATED;
    return 0;
}

static void sentence(const struct audit *a, char *out, size_t n)
{
    if (a->result[CLAIM_TIME].basis == AUDIT_STATED)
        (void)snprintf(out, n,
                       "every leaf's minute agrees with the witnesses' times, but some checkpoints "
                       "carry no outsider's");
    else
        (void)snprintf(out, n, "every leaf's minute lies between outsiders' times, %llu s allowed",
                       (unsigned long long)a->trust->tolerance);
}

static const uint8_t assumption[] = {1, 2, 3, 5, 0};
const struct claim claims_ledger_time = {
    .name = "ledger.time",
    .basis = AUDIT_COUNTERSIGNED,
    .unit = "leaves",
    .one = "leaf",
    .assumption = assumption,
    .kinds = UINT64_MAX,
    .leaf = leaf,
    .end = end,
    .sentence = sentence,
};

/* intake.lookups: of look-ups (and statistics) a ledger has daily counts of countries and nothing
 * else, and each country counted belonged at that site on that day or the day before.
 *
 * That the site keeps nothing of them beside, and that so many were asked, is what it says. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "claims/claims_priv.h"
#include "events/country.h"

#define DAY 86400
#define LAST_SECOND 59 /* of a leaf's minute */

/* By the policy that was in force then; *read: it could be read. */
static bool belonged(const struct site *s, const char *country, unix_time t, bool *read)
{
    const struct doc_policy *p = claims_policy(s, t);
    const char *zone;

    if (p == NULL)
        return false;
    if (p->policy == NULL) {
        *read = false;
        return false;
    }
    zone = policy_zone(p->policy, country, t);
    return zone != NULL && strcmp(zone, s->trust->zone) == 0;
}

static int leaf(struct audit *a, struct site *s, const struct leaf *l)
{
    const char *country = country_table[leaf_country(l, LF_COUNTRY)].code;
    uint64_t n = leaf_int(l, LF_COUNT);
    bool read = true;

    claims_count(a, CLAIM_LOOKUPS, n);
    if (leaf_word(l, LF_SUBMISSION) == LW_SUBMISSION_FILE) {
        claims_broken(a, CLAIM_LOOKUPS, s, s->index,
                      "files are counted as look-ups; each has a leaf of its own");
    } else if (n == 0) {
        claims_broken(a, CLAIM_LOOKUPS, s, s->index, "a count of nothing");
    } else if (!belonged(s, country, l->time + LAST_SECOND, &read) &&
               !belonged(s, country, l->time - DAY, &read)) {
        if (read)
            claims_broken(a, CLAIM_LOOKUPS, s, s->index,
                          "look-ups for country %s in zone %s, where its files do not belong",
                          country, s->trust->zone);
        else
            claims_unknown(a, CLAIM_LOOKUPS, s, s->index, "the policy in force could not be read");
    }
    return 0;
}

static void sentence(const struct audit *a, char *out, size_t n)
{
    (void)a;
    (void)snprintf(
        out, n,
        "told as counts of countries alone, each where the country belongs; that nothing "
        "else is kept is the site's word");
}

static const uint8_t assumption[] = {1, 2, 6, 9, 0};
const struct claim claims_intake_lookups = {
    .name = "intake.lookups",
    .basis = AUDIT_STATED,
    .unit = "look-ups",
    .one = "look-up",
    .assumption = assumption,
    .kinds = READS(LOOKUPS_COUNTED),
    .leaf = leaf,
    .sentence = sentence,
};

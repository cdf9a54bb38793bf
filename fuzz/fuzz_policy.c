/* Policies: what is accepted places every country of today at every time it speaks of, in a zone it
 * lists, and differs in nothing from itself; what is refused says where. */
#include <stdlib.h>
#include <string.h>

#include "events/country.h"
#include "residency/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool held)
{
    if (!held)
        abort();
}

static void refused(const struct policy *p, const struct policy_problems *pr)
{
    expect(p == NULL && pr->n > 0 && pr->n <= POLICY_MAX_PROBLEMS);
    for (size_t i = 0; i < pr->n; i++)
        expect(strncmp(pr->v[i].text, "p:", 2) == 0);
}

static void places_everybody(const struct policy *p)
{
    struct policy_move *m = NULL;
    size_t n = 0;

    for (size_t i = 0; i < COUNTRY_COUNT; i++) {
        const char *zone = policy_zone(p, country_table[i].code, policy_valid_from(p));

        expect(zone != NULL || country_table[i].formerly);
        expect(zone == NULL || policy_site_name(p, zone, 0) != NULL);
    }
    expect(policy_moves_all(p, &m, &n) == 0);
    for (size_t i = 0; i < n; i++)
        expect(m[i].since <= m[i].by && strcmp(m[i].from, m[i].to) != 0);
    free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct policy_problems pr;
    struct policy *p = NULL;
    struct buf out;

    if (policy_check(&p, "p", span_of(data, size), &pr) != 0) {
        refused(p, &pr);
        policy_problems_done(&pr);
        return 0;
    }
    expect(pr.n == 0);
    policy_problems_done(&pr);
    places_everybody(p);
    buf_init(&out, (size_t)8 << 20);
    expect(policy_explain(p, "CA", &out, NULL) == 0);
    buf_reset(&out);
    expect(policy_diff(p, p, &out) == 0);
    expect(strstr(buf_str(&out), "\nnothing else changes\n") != NULL);
    buf_free(&out);
    policy_free(p);
    return 0;
}

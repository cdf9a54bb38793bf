#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "claims/claims_priv.h"

const struct claim *const claims_table[CLAIMS] = {
    [CLAIM_APPEND_ONLY] = &claims_ledger_append_only,
    [CLAIM_TIME] = &claims_ledger_time,
    [CLAIM_REGISTER] = &claims_people_register,
    [CLAIM_POLICY] = &claims_policy_uniform,
    [CLAIM_PLACEMENT] = &claims_residency_placement,
    [CLAIM_CONSENT] = &claims_intake_consent,
    [CLAIM_LOOKUPS] = &claims_intake_lookups,
    [CLAIM_RELOCATION] = &claims_residency_relocation,
    [CLAIM_ERASURE] = &claims_vault_erasure,
    [CLAIM_EXPLAINED] = &claims_detect_explained,
    [CLAIM_RENEWED] = &claims_detect_renewed,
    [CLAIM_REPRODUCED] = &claims_detect_reproduced,
    [CLAIM_FOUR_EYES] = &claims_rules_four_eyes,
    [CLAIM_UNBROKEN] = &claims_rules_unbroken,
    [CLAIM_NEUTRAL] = &claims_detect_neutral,
    [CLAIM_PROVENANCE] = &claims_build_provenance,
    [CLAIM_REBUILT] = &claims_build_reproduced,
    [CLAIM_PLACE] = &claims_build_placement,
    [CLAIM_SOFTWARE] = &claims_site_software,
};

int claims_grow(void **v, size_t *cap, size_t n, size_t size)
{
    size_t more = *cap < 64 ? 64 : *cap + *cap / 4;
    void *p;

    if (n < *cap)
        return 0;
    if (more > SIZE_MAX / 2 / size)
        return -ENOMEM;
    p = realloc(*v, more * size);
    if (p == NULL)
        return -ENOMEM;
    *v = p;
    *cap = more;
    return 0;
}

static bool stays(const struct audit *a, enum claim_id c, enum audit_verdict v, uint64_t order)
{
    enum audit_verdict have = a->result[c].verdict;

    if (have == AUDIT_BROKEN && v != AUDIT_BROKEN)
        return true;
    return have == v && a->told[c] <= order;
}

/* Replaces what the result says, control characters by '?'. */
__attribute__((format(printf, 5, 0))) static void say(struct audit_result *r, enum audit_verdict v,
                                                      const struct site *s, uint64_t leaf,
                                                      const char *fmt, va_list ap)
{
    r->verdict = v;
    r->leaf = leaf;
    r->site[0] = '\0';
    if (s != NULL)
        memcpy(r->site, s->trust->site, sizeof(r->site));
    (void)vsnprintf(r->sentence, sizeof(r->sentence), fmt, ap);
    for (char *p = r->sentence; *p != '\0'; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
}

void claims_broken(struct audit *a, enum claim_id c, const struct site *s, uint64_t leaf,
                   const char *fmt, ...)
{
    uint64_t order = a->order++;
    va_list ap;

    if (stays(a, c, AUDIT_BROKEN, order))
        return;
    a->told[c] = order;
    va_start(ap, fmt);
    say(&a->result[c], AUDIT_BROKEN, s, leaf, fmt, ap);
    va_end(ap);
}

void claims_broken_at(struct audit *a, uint64_t order, enum claim_id c, const struct site *s,
                      uint64_t leaf, const char *fmt, ...)
{
    va_list ap;

    if (stays(a, c, AUDIT_BROKEN, order))
        return;
    a->told[c] = order;
    va_start(ap, fmt);
    say(&a->result[c], AUDIT_BROKEN, s, leaf, fmt, ap);
    va_end(ap);
}

void claims_unknown(struct audit *a, enum claim_id c, const struct site *s, uint64_t leaf,
                    const char *fmt, ...)
{
    uint64_t order = a->order++;
    va_list ap;

    if (stays(a, c, AUDIT_UNKNOWN, order))
        return;
    a->told[c] = order;
    va_start(ap, fmt);
    say(&a->result[c], AUDIT_UNKNOWN, s, leaf, fmt, ap);
    va_end(ap);
}

struct site *claims_site(struct audit *a, const char *name)
{
    for (size_t i = 0; i < a->sites; i++)
        if (strcmp(a->site[i].trust->site, name) == 0)
            return &a->site[i];
    return NULL;
}

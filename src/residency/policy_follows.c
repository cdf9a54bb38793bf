/* policy_follows.c - the step from one policy to the next.
 *
 * A new policy may say anything about the time from its valid_from on.  Of the time before, it must
 * say what its predecessor said: otherwise an operator could, by a later policy, make an old
 * placement right that was wrong. */
#include "residency/policy_priv.h"

#include <errno.h>
#include <string.h>

struct step {
    const struct policy *old, *next;
    struct err *e;
};

/* Do the entries that begin before next's valid_from agree? */
static int same_past(const struct step *s, const char *subject, const struct policy_placement *a,
                     const struct policy_placement *b)
{
    unix_time now = s->next->valid_from;

    for (size_t i = 0;; i++) {
        const struct policy_entry *x = i < a->n && a->entry[i].from < now ? &a->entry[i] : NULL;
        const struct policy_entry *y = i < b->n && b->entry[i].from < now ? &b->entry[i] : NULL;

        if (x == NULL && y == NULL)
            return 0;
        if (x == NULL || y == NULL || x->from != y->from ||
            strcmp(s->old->zone[x->zone].name, s->next->zone[y->zone].name) != 0)
            return document_err(s->e, s->next->name, y != NULL ? y->at : b->at,
                                "%s: the time before \"valid_from\" (%s) is not as policy %llu "
                                "says; the past stands",
                                subject, policy_when(now).text,
                                (unsigned long long)s->old->chain.serial);
        if (x->move_by != y->move_by && (x->move_by < now || y->move_by < now))
            return document_err(s->e, s->next->name, y->at,
                                "%s: a deadline that was over before \"valid_from\" (%s) is not as "
                                "policy %llu says; the past stands",
                                subject, policy_when(now).text,
                                (unsigned long long)s->old->chain.serial);
    }
}

static int same_past_of(const struct step *s, const char *subject, const struct policy_placement *a,
                        const struct policy_placement *b)
{
    if (a == NULL)
        return 0; /* a country that is new in the world */
    if (b == NULL)
        return document_err(s->e, s->next->name, s->next->placement_at,
                            "%s is placed by policy %llu and no longer here", subject,
                            (unsigned long long)s->old->chain.serial);
    return same_past(s, subject, a, b);
}

static int sites_stay(const struct step *s)
{
    for (size_t z = 0; z < s->old->n_zones; z++)
        for (size_t i = 0; i < s->old->zone[z].n_sites; i++) {
            const char *site = s->old->zone[z].site[i];
            const char *now = policy_zone_of_site(s->next, site);

            if (now != NULL && strcmp(now, s->old->zone[z].name) != 0)
                return document_err(s->e, s->next->name, s->next->zones_at,
                                    "site \"%s\" was in zone %s and is now in %s; a site does not "
                                    "change its zone",
                                    site, s->old->zone[z].name, now);
        }
    return 0;
}

int policy_follows(const struct policy *p, const struct digest *doc, const struct policy *next,
                   struct err *e)
{
    struct step s = {p, next, e};
    int rc = document_follows(&p->chain, doc, next->name, &next->chain, e);

    if (rc == 0 && next->valid_from <= p->valid_from)
        rc = document_err(e, next->name, next->valid_from_at,
                          "\"valid_from\" must be after that of policy %llu, %s",
                          (unsigned long long)p->chain.serial, policy_when(p->valid_from).text);
    if (rc == 0)
        rc = sites_stay(&s);
    for (size_t c = 0; rc == 0 && c < COUNTRY_COUNT; c++)
        rc = same_past_of(&s, country_table[c].code, policy_of_country(p, c),
                          policy_of_country(next, c));
    for (size_t i = 0; rc == 0 && i < p->n_reserved; i++)
        rc = same_past_of(&s, p->reserved[i].subject, &p->placement[p->reserved[i].placement],
                          policy_of_reserved(next, p->reserved[i].subject));
    return rc;
}

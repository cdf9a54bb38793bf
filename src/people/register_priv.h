/* register_priv.h - what a register is made of, for the register_*.c files. */
#ifndef PEOPLE_REGISTER_PRIV_H
#define PEOPLE_REGISTER_PRIV_H

#include "people/register.h"

struct register_organization {
    struct id128 id;
    enum register_org kind;
    struct mark at;
};

/* One key of anybody: the look-up table, sorted by keyid. */
struct register_binding {
    char keyid[65];
    const struct register_person *person;
    const struct register_key *key;
};

/* An identifier and where it stands in its list; sorted by identifier, then by place. */
struct register_place {
    struct id128 id;
    size_t i;
};

struct people {
    char *name;
    struct chain chain;
    struct register_rule rule[DOCUMENTS];
    struct mark rule_at[DOCUMENTS];
    struct mark orgs_at, persons_at;
    struct register_organization *org;
    size_t n_orgs;
    struct register_place *org_place;
    struct register_person *person;
    size_t n_persons;
    struct register_place *person_place;
    struct register_binding *binding;
    size_t n_bindings;
};

/* The entry of an organization, or NULL. */
const struct register_organization *register_organization(const struct people *p,
                                                          const struct id128 *id);
static inline bool register_id_eq(const struct id128 *a, const struct id128 *b)
{
    return __builtin_memcmp(a, b, sizeof(*a)) == 0;
}
/* How an identifier or keyid is named in messages: its first eight digits, which can be searched.
 */
struct register_short {
    char text[12];
};
struct register_short register_short(const struct id128 *id);

#endif

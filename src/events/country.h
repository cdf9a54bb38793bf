/* country.h - ISO 3166-1 alpha-2: the 249 codes assigned today and those formerly assigned that no
 * country has now (ISO 3166-3).  A leaf may carry either; a policy must place all of the former. */
#ifndef EVENTS_COUNTRY_H
#define EVENTS_COUNTRY_H

#include "base/defs.h"

#define COUNTRY_ASSIGNED 249
#define COUNTRY_COUNT 274 /* with the formerly assigned */

struct country {
    char code[3];
    bool formerly;
    const char *name; /* English */
};
extern const struct country country_table[COUNTRY_COUNT]; /* ascending by code */

/* Index into country_table, or -ENOENT. */
MUST_CHECK int country_index(struct span code);

#endif

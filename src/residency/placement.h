/* placement.h - the part of a policy that decides: which zone a country's files belong to, when.
 * Plain data, made by the reader process from a checked policy and handed to the keeper as bytes,
 * so that the keeper never parses YAML.  Encoding (internal to one site, versioned, big-endian): u8
 * 1 | u64 serial | policy[32] | u64 valid_from | u8 zones, each u8 length + name | u8 sites, each
 * u8 zone, u8 length + name | u16 steps, each country[2] u8 zone u64 from u64 move_by */
#ifndef RESIDENCY_PLACEMENT_H
#define RESIDENCY_PLACEMENT_H

#include "base/buf.h"
#include "base/clock.h"
#include "residency/policy.h"

#define PLACEMENT_ZONES_MAX 32
#define PLACEMENT_SITES_MAX 64
#define PLACEMENT_STEPS_MAX 4096 /* over all countries */

struct placement_step {
    char country[2];
    uint8_t zone;      /* index into zone[] */
    unix_time from;    /* new submissions go to zone from here on */
    unix_time move_by; /* what lies elsewhere must have moved by then; 0: no date */
};
struct placement_site {
    char name[17];
    uint8_t zone;
};
struct placement {
    uint64_t serial;
    struct digest policy; /* of the signed envelope */
    unix_time valid_from;
    size_t zones, sites, steps;
    char zone[PLACEMENT_ZONES_MAX][9];
    struct placement_site site[PLACEMENT_SITES_MAX];
    struct placement_step *step; /* by country, then ascending from */
};

MUST_CHECK int placement_new(struct placement **out);
void placement_free(struct placement *p);
/* Appends.  -E2BIG beyond the limits above, -EINVAL if countries or times are not ascending. */
MUST_CHECK int placement_add_zone(struct placement *p, const char *zone);
MUST_CHECK int placement_add_site(struct placement *p, const char *site, size_t zone);
MUST_CHECK int placement_add_step(struct placement *p, const struct placement_step *s);

/* What policy decides, whose envelope's digest is doc.  -E2BIG with a sentence beyond the limits.
 */
MUST_CHECK int placement_policy(const struct policy *policy, const struct digest *doc,
                                struct placement **out, struct err *e);

MUST_CHECK int placement_encode(const struct placement *p, struct buf *out);
/* -EBADMSG for anything placement_encode would not write. */
MUST_CHECK int placement_decode(struct span s, struct placement **out);

/* Index of the zone where new submissions of country go at t; -1 if the policy has none. */
int placement_zone(const struct placement *p, const char country[2], unix_time t);
/* The first site of a zone; NULL if it has none. */
const char *placement_site(const struct placement *p, int zone);
int placement_zone_index(const struct placement *p, const char *zone); /* -1: unknown */

#endif

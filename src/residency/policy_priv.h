/* policy_priv.h - what a policy is made of, for the policy_*.c files. */
#ifndef RESIDENCY_POLICY_PRIV_H
#define RESIDENCY_POLICY_PRIV_H

#include "events/country.h"
#include "people/document.h"
#include "residency/policy.h"

#define POLICY_NEVER INT64_MAX /* no move_by */
#define POLICY_ZONE_MAX 8
#define POLICY_SITE_MAX 16
#define POLICY_SUBJECT_MAX 40 /* "product:" and a label of 32 */
#define POLICY_FIELDS 4

/* The equal values, by enum policy_field: how they are spelled and between what they lie. */
struct policy_field_rule {
    const char *name;
    bool duration; /* seconds, written with a unit; else a plain number */
    uint64_t least, most;
};
extern const struct policy_field_rule policy_field_rules[POLICY_FIELDS];

struct policy_zone {
    char name[POLICY_ZONE_MAX + 1];
    char (*site)[POLICY_SITE_MAX + 1];
    size_t n_sites;
    uint64_t value[POLICY_FIELDS]; /* uniform, or this zone's difference */
};

struct policy_difference {
    size_t zone;
    enum policy_field field;
    uint64_t value;
    const char *ground;
};

struct policy_entry {
    size_t zone;
    unix_time from, move_by;
    struct mark at;
};

struct policy_placement {
    struct policy_entry *entry;
    size_t n;
    struct mark at;
};

struct policy_reserved {
    char subject[POLICY_SUBJECT_MAX + 1];
    size_t placement;
};

struct policy {
    char *name;
    struct chain chain;
    struct id128 author;
    unix_time valid_from;
    struct mark valid_from_at, zones_at, placement_at;
    struct policy_zone *zone;
    size_t n_zones;
    uint64_t uniform[POLICY_FIELDS];
    struct policy_difference *difference;
    size_t n_differences;
    struct policy_placement *placement;
    size_t n_placements;
    uint16_t by_country[COUNTRY_COUNT]; /* placement + 1; 0: none */
    struct policy_reserved *reserved;
    size_t n_reserved;
};

#define POLICY_NO_ZONE SIZE_MAX
size_t policy_zone_index(const struct policy *p, const char *name); /* or POLICY_NO_ZONE */
/* The timeline of a country (index into country_table) or of a subject; NULL if there is none. */
const struct policy_placement *policy_of_country(const struct policy *p, size_t country);
const struct policy_placement *policy_of_subject(const struct policy *p, const char *subject);
/* Of a reserved subject exactly as written; no wildcard. */
const struct policy_placement *policy_of_reserved(const struct policy *p, const char *subject);

/* "365d", "24h", "90s"; and a time, to the minute if it is one. */
struct policy_word {
    char text[32];
};
struct policy_word policy_duration(uint64_t seconds);
struct policy_word policy_value(enum policy_field f, uint64_t value);
struct policy_word policy_when(unix_time t);

/* Appends "; did you mean …?" if the wrong subject resembles a right one. */
void policy_suggest(char *text, size_t cap, const char *wrong);

#endif

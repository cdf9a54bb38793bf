#include "residency/policy_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY 86400u

const struct policy_field_rule policy_field_rules[POLICY_FIELDS] = {
    [POLICY_RETENTION] = {"retention", true, DAY, 36500ull * DAY},
    [POLICY_READ_APPROVALS] = {"read_approvals", false, 1, 16},
    [POLICY_COPIES] = {"copies", false, 1, 16},
    [POLICY_SCAN_WITHIN] = {"scan_within", true, 1, 366ull * DAY},
};

void policy_free(struct policy *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->n_zones; i++)
        free(p->zone[i].site);
    for (size_t i = 0; i < p->n_placements; i++)
        free(p->placement[i].entry);
    free(p->zone);
    free(p->difference);
    free(p->placement);
    free(p->reserved);
    free(p->name);
    free(p);
}

uint64_t policy_serial(const struct policy *p)
{
    return p->chain.serial;
}

const struct digest *policy_previous(const struct policy *p)
{
    return p->chain.serial == 1 ? NULL : &p->chain.previous;
}

const struct id128 *policy_author(const struct policy *p)
{
    return &p->author;
}

unix_time policy_valid_from(const struct policy *p)
{
    return p->valid_from;
}

static struct policy_terms terms(const uint64_t value[POLICY_FIELDS])
{
    struct policy_terms t = {value[POLICY_RETENTION], (unsigned)value[POLICY_READ_APPROVALS],
                             (unsigned)value[POLICY_COPIES], value[POLICY_SCAN_WITHIN]};

    return t;
}

struct policy_terms policy_uniform(const struct policy *p)
{
    return terms(p->uniform);
}

int policy_terms_of(const struct policy *p, const char *zone, struct policy_terms *out)
{
    size_t z = policy_zone_index(p, zone);

    if (z == POLICY_NO_ZONE)
        return -ENOENT;
    *out = terms(p->zone[z].value);
    return 0;
}

size_t policy_differences(const struct policy *p)
{
    return p->n_differences;
}

int policy_difference_text(const struct policy *p, size_t i, struct buf *out)
{
    const struct policy_difference *d = &p->difference[i];

    return buf_printf(out, "%s: %s is %s, elsewhere %s (%s)", p->zone[d->zone].name,
                      policy_field_rules[d->field].name, policy_value(d->field, d->value).text,
                      policy_value(d->field, p->uniform[d->field]).text, d->ground);
}

size_t policy_zone_index(const struct policy *p, const char *name)
{
    for (size_t i = 0; i < p->n_zones; i++)
        if (strcmp(p->zone[i].name, name) == 0)
            return i;
    return POLICY_NO_ZONE;
}

const char *policy_zone_name(const struct policy *p, size_t i)
{
    return i < p->n_zones ? p->zone[i].name : NULL;
}

const char *policy_site_name(const struct policy *p, const char *zone, size_t i)
{
    size_t z = policy_zone_index(p, zone);

    return z != POLICY_NO_ZONE && i < p->zone[z].n_sites ? p->zone[z].site[i] : NULL;
}

const char *policy_zone_of_site(const struct policy *p, const char *site)
{
    for (size_t z = 0; z < p->n_zones; z++)
        for (size_t i = 0; i < p->zone[z].n_sites; i++)
            if (strcmp(p->zone[z].site[i], site) == 0)
                return p->zone[z].name;
    return NULL;
}

const struct policy_placement *policy_of_country(const struct policy *p, size_t country)
{
    uint16_t i = p->by_country[country];

    return i == 0 ? NULL : &p->placement[i - 1];
}

const struct policy_placement *policy_of_reserved(const struct policy *p, const char *subject)
{
    for (size_t i = 0; i < p->n_reserved; i++)
        if (strcmp(p->reserved[i].subject, subject) == 0)
            return &p->placement[p->reserved[i].placement];
    return NULL;
}

const struct policy_placement *policy_of_subject(const struct policy *p, const char *subject)
{
    int c = country_index(span_str(subject));
    const struct policy_placement *at;
    const char *colon;
    char wild[POLICY_SUBJECT_MAX + 1];

    if (c >= 0)
        return policy_of_country(p, (size_t)c);
    at = policy_of_reserved(p, subject);
    colon = strchr(subject, ':');
    if (at != NULL || colon == NULL || colon - subject > 16)
        return at;
    /* the name is not listed: its kind's wildcard speaks for it */
    (void)snprintf(wild, sizeof(wild), "%.*s:*", (int)(colon - subject), subject);
    return policy_of_reserved(p, wild);
}

const char *policy_zone(const struct policy *p, const char *subject, unix_time t)
{
    const struct policy_placement *at = policy_of_subject(p, subject);

    for (size_t i = at == NULL ? 0 : at->n; i-- > 0;)
        if (at->entry[i].from <= t)
            return p->zone[at->entry[i].zone].name;
    return NULL;
}

bool policy_step(const struct policy *p, const char *subject, size_t i, struct policy_step *out)
{
    const struct policy_placement *at = policy_of_subject(p, subject);
    const struct policy_entry *entry;

    if (at == NULL || i >= at->n)
        return false;
    entry = &at->entry[i];
    out->zone = p->zone[entry->zone].name;
    out->from = entry->from;
    out->move_by = entry->move_by == POLICY_NEVER ? 0 : entry->move_by;
    return true;
}

/* Every move with a deadline, or (at a time) those running. */
static int collect_moves(const struct policy *p, const unix_time *t, struct policy_move **out,
                         size_t *n)
{
    size_t most = 1, k = 0;
    struct policy_move *v;

    for (size_t c = 0; c < COUNTRY_COUNT; c++)
        most += p->by_country[c] == 0 ? 0 : policy_of_country(p, c)->n;
    v = calloc(most, sizeof(*v));
    if (v == NULL)
        return -ENOMEM;
    for (size_t c = 0; c < COUNTRY_COUNT; c++) {
        const struct policy_placement *at = policy_of_country(p, c);

        for (size_t i = 1; at != NULL && i < at->n; i++) {
            const struct policy_entry *e = &at->entry[i];

            if (e->move_by == POLICY_NEVER || (t != NULL && (*t < e->from || *t >= e->move_by)))
                continue;
            memcpy(v[k].country, country_table[c].code, sizeof(v[k].country));
            v[k].from = p->zone[at->entry[i - 1].zone].name;
            v[k].to = p->zone[e->zone].name;
            v[k].since = e->from;
            v[k++].by = e->move_by;
        }
    }
    *out = v;
    *n = k;
    return 0;
}

int policy_moves(const struct policy *p, unix_time t, struct policy_move **out, size_t *n)
{
    return collect_moves(p, &t, out, n);
}

int policy_moves_all(const struct policy *p, struct policy_move **out, size_t *n)
{
    return collect_moves(p, NULL, out, n);
}

struct policy_word policy_duration(uint64_t seconds)
{
    static const struct {
        unsigned length;
        char unit;
    } units[] = {{DAY, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    struct policy_word w = {"0s"};

    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (seconds > 0 && seconds % units[i].length == 0) {
            (void)snprintf(w.text, sizeof(w.text), "%" PRIu64 "%c", seconds / units[i].length,
                           units[i].unit);
            break;
        }
    return w;
}

struct policy_word policy_value(enum policy_field f, uint64_t value)
{
    struct policy_word w;

    if (policy_field_rules[f].duration)
        return policy_duration(value);
    (void)snprintf(w.text, sizeof(w.text), "%" PRIu64, value);
    return w;
}

struct policy_word policy_when(unix_time t)
{
    struct policy_word w;

    if (t % 60 == 0)
        clock_minute(w.text, t);
    else
        clock_second(w.text, t);
    return w;
}

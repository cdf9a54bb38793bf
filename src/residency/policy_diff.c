/* policy_diff.c - what a policy changes, for people.
 *
 * Countries whose timelines change in the same way are named together: a relocation of thirty
 * countries is one line. */
#include "residency/policy_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHANGE_MAX 16384 /* bytes of one country's change: 2 x 64 entries */

static bool has_site(const struct policy *p, const char *zone, const char *site)
{
    const char *z = policy_zone_of_site(p, site);

    return z != NULL && strcmp(z, zone) == 0;
}

/* The sites of a's zones that b has not there. */
static int sites_not_in(const struct policy *a, const struct policy *b, const char *sign,
                        struct buf *out)
{
    int rc = 0;

    for (size_t z = 0; z < a->n_zones; z++) {
        if (rc == 0 && policy_zone_index(b, a->zone[z].name) == POLICY_NO_ZONE)
            rc = buf_printf(out, "%s zone %s\n", sign, a->zone[z].name);
        for (size_t i = 0; rc == 0 && i < a->zone[z].n_sites; i++)
            if (!has_site(b, a->zone[z].name, a->zone[z].site[i]))
                rc = buf_printf(out, "%s site %s in zone %s\n", sign, a->zone[z].site[i],
                                a->zone[z].name);
    }
    return rc;
}

static int values_text(const struct policy *a, const struct policy *b, struct buf *out)
{
    int rc = 0;

    for (int f = 0; rc == 0 && f < POLICY_FIELDS; f++) {
        const char *name = policy_field_rules[f].name;
        enum policy_field field = (enum policy_field)f;

        if (a->uniform[f] != b->uniform[f])
            rc =
                buf_printf(out, "~ %s: %s, was %s\n", name, policy_value(field, b->uniform[f]).text,
                           policy_value(field, a->uniform[f]).text);
        for (size_t z = 0; rc == 0 && z < b->n_zones; z++) {
            size_t was = policy_zone_index(a, b->zone[z].name);
            bool differs = b->zone[z].value[f] != b->uniform[f];
            bool differed = was != POLICY_NO_ZONE && a->zone[was].value[f] != a->uniform[f];

            if (differs && !(differed && a->zone[was].value[f] == b->zone[z].value[f]))
                rc = buf_printf(out, "~ %s in zone %s alone: %s\n", name, b->zone[z].name,
                                policy_value(field, b->zone[z].value[f]).text);
            else if (differed && !differs)
                rc = buf_printf(out, "~ %s in zone %s: as everywhere, was %s\n", name,
                                b->zone[z].name, policy_value(field, a->zone[was].value[f]).text);
        }
    }
    return rc;
}

static const struct policy_entry *same_entry(const struct policy *in,
                                             const struct policy_placement *pl,
                                             const struct policy *of, const struct policy_entry *e)
{
    for (size_t i = 0; pl != NULL && i < pl->n; i++)
        if (pl->entry[i].from == e->from &&
            strcmp(in->zone[pl->entry[i].zone].name, of->zone[e->zone].name) == 0)
            return &pl->entry[i];
    return NULL;
}

static int deadline_text(const struct policy_entry *e, struct buf *out)
{
    return e->move_by == POLICY_NEVER
               ? 0
               : buf_printf(out, ", files moved by %s", policy_when(e->move_by).text);
}

/* How one timeline becomes the other; nothing if they are the same. */
static int timeline_text(const struct policy *a, const struct policy_placement *x,
                         const struct policy *b, const struct policy_placement *y, struct buf *out)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && y != NULL && i < y->n; i++) {
        const struct policy_entry *e = &y->entry[i], *was = same_entry(a, x, b, e);

        if (was != NULL && was->move_by == e->move_by)
            continue;
        rc = buf_printf(out, "    + %s from %s", b->zone[e->zone].name, policy_when(e->from).text);
        if (rc == 0)
            rc = deadline_text(e, out);
        if (rc == 0)
            rc = buf_puts(out, "\n");
    }
    for (size_t i = 0; rc == 0 && x != NULL && i < x->n; i++) {
        const struct policy_entry *e = &x->entry[i], *is = same_entry(b, y, a, e);

        if (is != NULL && is->move_by == e->move_by)
            continue;
        rc = buf_printf(out, "    - %s from %s", a->zone[e->zone].name, policy_when(e->from).text);
        if (rc == 0)
            rc = deadline_text(e, out);
        if (rc == 0)
            rc = buf_puts(out, "\n");
    }
    return rc;
}

/* One line "CA, US" and what changes for them, for each different change. */
static int countries_text(char *const change[COUNTRY_COUNT], struct buf *out)
{
    int rc = 0;

    for (size_t c = 0; rc == 0 && c < COUNTRY_COUNT; c++) {
        size_t column = 2;
        bool first = true;

        for (size_t d = 0; d < c && first; d++)
            first = strcmp(change[d], change[c]) != 0;
        if (change[c][0] == '\0' || !first)
            continue;
        rc = buf_printf(out, "%s", country_table[c].code);
        for (size_t d = c + 1; rc == 0 && d < COUNTRY_COUNT; d++)
            if (strcmp(change[d], change[c]) == 0) {
                rc = buf_printf(out, "%s%s", column > 90 ? ",\n" : ", ", country_table[d].code);
                column = column > 90 ? 2 : column + 4;
            }
        if (rc == 0)
            rc = buf_printf(out, "\n%s", change[c]);
    }
    return rc;
}

static int all_countries(const struct policy *a, const struct policy *b, struct buf *out)
{
    char *change[COUNTRY_COUNT] = {NULL};
    const char *text;
    struct buf one;
    int rc = 0;

    buf_init(&one, CHANGE_MAX);
    for (size_t c = 0; rc == 0 && c < COUNTRY_COUNT; c++) {
        buf_reset(&one);
        rc = timeline_text(a, policy_of_country(a, c), b, policy_of_country(b, c), &one);
        text = rc == 0 ? buf_str(&one) : NULL;
        if (rc == 0 && (text == NULL || (change[c] = strdup(text)) == NULL))
            rc = -ENOMEM;
    }
    if (rc == 0)
        rc = countries_text(change, out);
    for (size_t c = 0; c < COUNTRY_COUNT; c++)
        free(change[c]);
    buf_free(&one);
    return rc;
}

static int one_reserved(const struct policy *a, const struct policy *b, const char *subject,
                        struct buf *out)
{
    struct buf one;
    int rc;

    buf_init(&one, CHANGE_MAX);
    rc = timeline_text(a, policy_of_reserved(a, subject), b, policy_of_reserved(b, subject), &one);
    if (rc == 0 && one.len > 0)
        rc = buf_printf(out, "%s\n", subject);
    if (rc == 0 && one.len > 0)
        rc = buf_put(out, one.data, one.len);
    buf_free(&one);
    return rc;
}

static int all_reserved(const struct policy *a, const struct policy *b, struct buf *out)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < b->n_reserved; i++)
        rc = one_reserved(a, b, b->reserved[i].subject, out);
    for (size_t i = 0; rc == 0 && i < a->n_reserved; i++)
        if (policy_of_reserved(b, a->reserved[i].subject) == NULL)
            rc = one_reserved(a, b, a->reserved[i].subject, out);
    return rc;
}

int policy_diff(const struct policy *a, const struct policy *b, struct buf *out)
{
    size_t before = out->len, header;
    int rc = buf_printf(out, "policy %llu, in force from %s, against policy %llu\n",
                        (unsigned long long)b->chain.serial, policy_when(b->valid_from).text,
                        (unsigned long long)a->chain.serial);

    header = out->len;
    if (rc != 0 || (rc = sites_not_in(b, a, "+", out)) != 0 ||
        (rc = sites_not_in(a, b, "-", out)) != 0 || (rc = values_text(a, b, out)) != 0 ||
        (rc = all_countries(a, b, out)) != 0 || (rc = all_reserved(a, b, out)) != 0)
        out->len = before;
    else if (out->len == header)
        rc = buf_puts(out, "nothing else changes\n");
    return rc;
}

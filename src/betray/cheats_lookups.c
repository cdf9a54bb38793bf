/* Cheats about look-ups: of them there is nothing but a count. */
#include <errno.h>
#include <string.h>

#include "betray/cheats_priv.h"
#include "events/country.h"

static int count(struct stage *s, int site, const char *country, uint64_t n, struct err *e)
{
    unix_time t = stage_time(s, site);
    struct leaf_builder b;
    int rc;

    stage_begin(s, site, &b, LK_LOOKUPS_COUNTED, t);
    leaf_set_text(&b, LF_COUNTRY, country);
    leaf_set_int(&b, LF_COUNT, n);
    leaf_set_word(&b, LF_SUBMISSION, LW_SUBMISSION_LOOKUP);
    rc = stage_add(s, site, &b, e);
    return rc != 0 ? rc : stage_publish(s, site, t);
}

/* Has that country moved, or is it about to? */
static bool moves(const struct stage *s, const struct leaf *l)
{
    for (size_t site = 0; site < s->sites; site++) {
        const struct tale *t = &s->tale[site];

        for (size_t i = tale_find(t, LK_MOVE_OPENED, 0); i < t->leaves;
             i = tale_find(t, LK_MOVE_OPENED, i + 1)) {
            struct leaf m = tale_leaf(t, i);

            if (leaf_country(&m, LF_COUNTRY) == leaf_country(l, LF_COUNTRY))
                return true;
        }
    }
    return false;
}

/* A country whose files were accepted at this site, or at the other one, and stayed there. */
static int country_of(struct stage *s, bool other, int *site, const char **out, struct err *e)
{
    const struct tale *t;
    struct leaf l;
    size_t i;
    int from, rc = stage_find(s, LK_SUBMISSION_ACCEPTED, &from, &i, e);

    if (rc != 0)
        return rc;
    if (other && s->sites != 2)
        return stage_nothing(e, "there are not two sites");
    t = &s->tale[from];
    for (i = tale_find(t, LK_SUBMISSION_ACCEPTED, 0); i < t->leaves;
         i = tale_find(t, LK_SUBMISSION_ACCEPTED, i + 1)) {
        l = tale_leaf(t, i);
        if (!moves(s, &l)) {
            *out = country_table[leaf_country(&l, LF_COUNTRY)].code;
            *site = other ? 1 - from : from;
            return 0;
        }
    }
    return stage_nothing(e, "every country has moved");
}

int cheats_lookups_elsewhere(struct stage *s, struct err *e)
{
    const char *country;
    int site, rc = country_of(s, true, &site, &country, e);

    return rc != 0 ? rc : count(s, site, country, 17, e);
}

/* 17 of them, where there were thousands, and the site has written down who asked. */
int cheats_lookups_kept(struct stage *s, struct err *e)
{
    const char *country;
    int site, rc = country_of(s, false, &site, &country, e);

    return rc != 0 ? rc : count(s, site, country, 17, e);
}

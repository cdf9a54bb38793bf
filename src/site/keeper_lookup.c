#include "site/keeper_lookup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/log.h"
#include "detect/release.h"
#include "events/country.h"
#include "site/hot.h"
#include "site/keeper_lines.h"

#define DAY 86400

struct keeper_lookups {
    struct digest release; /* whose snapshot is out */
    bool out, enforced;    /* one is; its hash sets are in it */
    uint64_t n[COUNTRY_COUNT];
    uint64_t waiting; /* the sum of n */
    int64_t day;      /* on which they were counted */
    bool told;        /* the front is draining and has told all; it is logged */
};

int keeper_lookup_open(struct keeper *k)
{
    return (k->lookups = calloc(1, sizeof(*k->lookups))) != NULL ? 0 : -ENOMEM;
}

void keeper_lookup_close(struct keeper *k)
{
    free(k->lookups);
    k->lookups = NULL;
}

void keeper_lookup_ask(struct keeper *k, uint64_t id, const struct pm_lookup *m)
{
    struct pm_open like = {.token = m->token};

    memcpy(like.country, m->country, 2);
    if (country_index(span_of(m->country, 2)) < 0)
        keeper_refuse(k, id, PRF_MALFORMED, "the country is malformed");
    else if (keeper_ticket_may_look(k, id, &like))
        keeper_answer(k, FK_LOOKUP_GO, id, NULL, 0, span_of(NULL, 0), NULL);
}

/* ---- the snapshot ---------------------------------------------------------------------------- */

/* The hash sets of the release that serves; of one that only detects none: they block nothing. */
static void give_out(struct keeper *k)
{
    struct keeper_lookups *l = k->lookups;
    const struct scan_line *s;
    struct digest release;
    struct err e = ERR_INIT;
    bool enforced;
    int fd;

    if (k->lines == NULL)
        return;
    s = &k->lines->line[k->lines->now];
    if (s->line == NULL || !s->logged || s->refused != NULL)
        return;
    release = detect_line_release(s->line);
    enforced = !keeper_rules_detects(k, &release);
    if (l->out && l->enforced == enforced && memcmp(&l->release, &release, sizeof(release)) == 0)
        return;
    if (hot_make(&fd, enforced ? release_hashes(s->release) : NULL, &release, &e) != 0) {
        log_warn("look-ups are answered by the rules before", "why", err_text(&e));
        return;
    }
    keeper_answer(k, FK_HOT, 0, NULL, 0, span_of(NULL, 0), &fd);
    io_close(&fd);
    l->release = release;
    l->enforced = enforced;
    l->out = true;
}

/* ---- counts ---------------------------------------------------------------------------------- */

static int log_one(struct keeper *k, size_t country)
{
    struct leaf_builder b;
    struct act *a = keeper_act_new();
    int rc = a == NULL ? -ENOMEM : 0;

    if (rc != 0)
        return rc;
    leaf_begin(&b, LK_LOOKUPS_COUNTED, clock_now(), k->c->site);
    leaf_set_text(&b, LF_COUNTRY, country_table[country].code);
    leaf_set_int(&b, LF_COUNT, k->lookups->n[country]);
    leaf_set_word(&b, LF_SUBMISSION, LW_SUBMISSION_LOOKUP);
    if ((rc = keeper_act_leaf(a, &b)) == 0)
        keeper_group_add(k, a);
    else
        keeper_act_free(a);
    return rc;
}

static void log_all(struct keeper *k)
{
    struct keeper_lookups *l = k->lookups;

    for (size_t i = 0; i < COUNTRY_COUNT && k->stopped == 0; i++) {
        if (l->n[i] == 0 || log_one(k, i) != 0)
            continue;
        l->waiting -= l->n[i];
        l->n[i] = 0;
    }
}

/* The front drains, and has told all.  It may be gone in a moment, and the keeper with it. */
static void end(struct keeper *k)
{
    (void)keeper_group_settle(k);
    if (keeper_clock_good(k))
        log_all(k);
    (void)keeper_group_commit(k);
    k->lookups->told = true;
}

void keeper_lookup_count(struct keeper *k, const struct pm_looked *m)
{
    struct keeper_lookups *l = k->lookups;
    int i = country_index(span_of(m->country, 2));

    if (m->n == 0 && k->draining)
        end(k);
    if (i < 0 || m->n >= LEAF_INT_MAX - l->n[i])
        return;
    l->n[i] += m->n;
    l->waiting += m->n;
    k->n.lookups += m->n;
}

void keeper_lookup_tick(struct keeper *k)
{
    struct keeper_lookups *l = k->lookups;
    int64_t today = clock_now() / DAY;

    give_out(k);
    if (l->waiting > 0 && l->day != 0 && l->day != today)
        log_all(k);
    if (l->waiting == 0 || l->day == 0)
        l->day = today;
}

bool keeper_lookup_done(const struct keeper *k)
{
    return k->lookups->told;
}

/* policy_check.c - reading a policy, and saying everything that is wrong with it.
 *
 * Unlike the other documents a policy is long and written by hand, so reading goes on after a
 * problem: each part notes what is wrong and leaves a value that the later parts can bear.  What
 * needs the whole (does every country have a zone at every time?) is asked at the end.  A policy
 * with a problem is never handed out. */
#include "residency/policy_priv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

#define MAX_PLACEMENTS 1024
#define MAX_SUBJECTS 1024
#define MAX_DIFFERENCES (POLICY_MAX_ZONES * POLICY_FIELDS)
#define MAX_RESERVED 512

static const char *const grounds[] = {"law", "authority", "contract", "technical"};

struct reader {
    struct policy *p;
    struct policy_problems *out;
    int rc; /* of the machine, not of the document */
    /* where each subject was first placed, to point at when it comes again */
    int country_line[COUNTRY_COUNT];
};

static void note(struct reader *r, const struct err *e)
{
    if (e->code == -ENOMEM)
        r->rc = -ENOMEM;
    if (r->out->n == POLICY_MAX_PROBLEMS)
        r->out->more++;
    else
        r->out->v[r->out->n++] = *e;
}

/* true if rc is 0; else notes e */
static bool held(struct reader *r, int rc, const struct err *e)
{
    if (rc != 0)
        note(r, e);
    return rc == 0;
}

static void problem(struct reader *r, struct mark at, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void problem(struct reader *r, struct mark at, const char *fmt, ...)
{
    struct err e = ERR_INIT;
    char text[ERR_TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    (void)document_err(&e, r->p->name, at, "%s", text);
    note(r, &e);
}

static void *room(struct reader *r, size_t n, size_t size)
{
    void *v = calloc(n + 1, size); /* + 1: an empty list has an address too */

    if (v == NULL)
        r->rc = -ENOMEM;
    return v;
}

/* The text of map's key; false and a note if it is not there. */
static bool text_of(struct reader *r, const struct yaml_node *map, const char *key,
                    const struct yaml_node **n, const char **out)
{
    struct err e = ERR_INIT;

    return held(r, yaml_need(map, key, n, &e), &e) && held(r, yaml_text(*n, out, &e), &e);
}

static bool in_set(const char *s, size_t least, size_t most, const char *set)
{
    size_t n = strlen(s);

    return n >= least && n <= most && strspn(s, set) == n;
}

/* --- zones --- */

static bool zone_name_ok(const char *s)
{
    return in_set(s, 2, POLICY_ZONE_MAX, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
}

static bool site_name_ok(const char *s)
{
    return s[0] >= 'a' && s[0] <= 'z' &&
           in_set(s, 2, POLICY_SITE_MAX, "abcdefghijklmnopqrstuvwxyz0123456789");
}

static void read_site(struct reader *r, struct policy_zone *z, const struct yaml_node *list,
                      size_t i)
{
    struct err e = ERR_INIT;
    const struct yaml_node *n;
    const char *site, *other;

    if (!held(r, yaml_item(list, i, &n, &e), &e) || !held(r, yaml_text(n, &site, &e), &e))
        return;
    if (!site_name_ok(site)) {
        problem(r, document_mark(n),
                "\"%s\" is not a site: a lower-case letter, then 1 to 15 of a-z and 0-9", site);
        return;
    }
    other = policy_zone_of_site(r->p, site);
    if (other != NULL) {
        problem(r, document_mark(n), "site \"%s\" is already in zone %s; a site has one zone", site,
                other);
        return;
    }
    memcpy(z->site[z->n_sites++], site, strlen(site) + 1);
}

static void read_zone(struct reader *r, const struct yaml_node *item)
{
    struct policy_zone *z = &r->p->zone[r->p->n_zones];
    const struct yaml_node *n, *sites;
    struct err e = ERR_INIT;
    const char *name;
    bool named;

    named = text_of(r, item, "zone", &n, &name);
    if (named && !zone_name_ok(name)) {
        problem(r, document_mark(n), "\"%s\" is not a zone: 2 to 8 of A-Z and 0-9", name);
        named = false;
    } else if (named && policy_zone_index(r->p, name) != POLICY_NO_ZONE) {
        problem(r, document_mark(n), "zone %s is already listed", name);
        named = false;
    }
    (void)snprintf(z->name, sizeof(z->name), "%s", named ? name : "");
    if (held(r, document_list(item, "sites", 1, POLICY_MAX_SITES, &sites, &e), &e) &&
        (z->site = room(r, yaml_count(sites), sizeof(*z->site))) != NULL) {
        r->p->n_zones++; /* seen by read_site, for sites listed twice */
        for (size_t i = 0; i < yaml_count(sites); i++)
            read_site(r, z, sites, i);
    } else if (named) {
        r->p->n_zones++; /* placements may name it although its sites are wrong */
    }
    (void)held(r, yaml_map_done(item, &e), &e);
}

static void read_zones(struct reader *r, const struct yaml_node *root)
{
    const struct yaml_node *list, *item;
    struct err e = ERR_INIT;

    if (!held(r, document_list(root, "zones", 1, POLICY_MAX_ZONES, &list, &e), &e))
        return;
    r->p->zones_at = document_mark(list);
    r->p->zone = room(r, yaml_count(list), sizeof(*r->p->zone));
    for (size_t i = 0; r->p->zone != NULL && i < yaml_count(list); i++)
        if (held(r, document_item(list, i, &item, &e), &e))
            read_zone(r, item);
}

/* The zone map's "zone" names; POLICY_NO_ZONE and a note if there is none of that name. */
static size_t known_zone(struct reader *r, const struct yaml_node *map)
{
    const struct yaml_node *n;
    const char *name;
    size_t z;

    if (!text_of(r, map, "zone", &n, &name))
        return POLICY_NO_ZONE;
    z = name[0] == '\0' ? POLICY_NO_ZONE : policy_zone_index(r->p, name);
    if (z == POLICY_NO_ZONE)
        problem(r, document_mark(n), "zone \"%s\" is not listed under \"zones\"", name);
    return z;
}

/* --- what is equal, and what differs --- */

static bool read_value(struct reader *r, const struct yaml_node *map, const char *key,
                       enum policy_field f, uint64_t *out)
{
    const struct policy_field_rule *rule = &policy_field_rules[f];
    const struct yaml_node *n;
    struct err e = ERR_INIT;

    if (!held(r, yaml_need(map, key, &n, &e), &e))
        return false;
    if (!rule->duration)
        return held(r, yaml_u64(n, rule->least, rule->most, out, &e), &e);
    if (!held(r, yaml_duration(n, out, &e), &e))
        return false;
    if (*out < rule->least || *out > rule->most) {
        problem(r, document_mark(n), "%s must be between %s and %s", rule->name,
                policy_duration(rule->least).text, policy_duration(rule->most).text);
        return false;
    }
    return true;
}

static void read_uniform(struct reader *r, const struct yaml_node *root)
{
    static const char *const consent[] = {"required"};
    const struct yaml_node *map;
    struct err e = ERR_INIT;
    size_t word;

    if (!held(r, yaml_need(root, "uniform", &map, &e), &e))
        return;
    if (yaml_type(map) != YAML_MAP_) {
        problem(r, document_mark(map), "\"uniform\" must be a map");
        return;
    }
    for (int f = 0; f < POLICY_FIELDS; f++)
        (void)read_value(r, map, policy_field_rules[f].name, (enum policy_field)f,
                         &r->p->uniform[f]);
    (void)held(r, document_word_of(map, "consent", consent, ARRAY_LEN(consent), &word, &e), &e);
    (void)held(r, yaml_map_done(map, &e), &e);
}

static void keep_difference(struct reader *r, const struct yaml_node *item,
                            const struct policy_difference *d)
{
    struct policy *p = r->p;

    if (d->value == p->uniform[d->field]) {
        problem(r, document_mark(item), "%s of zone %s is the same as everywhere: no difference",
                policy_field_rules[d->field].name, p->zone[d->zone].name);
        return;
    }
    for (size_t i = 0; i < p->n_differences; i++)
        if (p->difference[i].zone == d->zone && p->difference[i].field == d->field) {
            problem(r, document_mark(item), "%s of zone %s is already listed as different",
                    policy_field_rules[d->field].name, p->zone[d->zone].name);
            return;
        }
    p->difference[p->n_differences++] = *d;
}

static void read_difference(struct reader *r, const struct yaml_node *item)
{
    static const char *const names[POLICY_FIELDS] = {"retention", "read_approvals", "copies",
                                                     "scan_within"};
    struct policy_difference d = {0, POLICY_RETENTION, 0, NULL};
    const struct yaml_node *value;
    struct err e = ERR_INIT;
    size_t field, ground;
    bool good;

    d.zone = known_zone(r, item);
    good = d.zone != POLICY_NO_ZONE;
    if (held(r, document_word_of(item, "field", names, POLICY_FIELDS, &field, &e), &e)) {
        d.field = (enum policy_field)field;
        good = read_value(r, item, "value", d.field, &d.value) && good;
    } else {
        good = false;
        (void)held(r, yaml_need(item, "value", &value, &e), &e);
    }
    if (held(r, document_word_of(item, "ground", grounds, ARRAY_LEN(grounds), &ground, &e), &e))
        d.ground = grounds[ground];
    (void)held(r, yaml_map_done(item, &e), &e);
    if (good && d.ground != NULL)
        keep_difference(r, item, &d);
}

static void read_differences(struct reader *r, const struct yaml_node *root)
{
    const struct yaml_node *list, *item;
    struct policy *p = r->p;
    struct err e = ERR_INIT;

    if (!held(r, document_list(root, "differences", 0, MAX_DIFFERENCES, &list, &e), &e))
        return;
    p->difference = room(r, yaml_count(list), sizeof(*p->difference));
    for (size_t i = 0; p->difference != NULL && i < yaml_count(list); i++)
        if (held(r, document_item(list, i, &item, &e), &e))
            read_difference(r, item);
    for (size_t z = 0; z < p->n_zones; z++)
        memcpy(p->zone[z].value, p->uniform, sizeof(p->uniform));
    for (size_t i = 0; i < p->n_differences; i++)
        p->zone[p->difference[i].zone].value[p->difference[i].field] = p->difference[i].value;
}

/* --- placement --- */

/* Against the entry before: ascending, another zone, the move before it over. */
static void check_step(struct reader *r, const struct policy_entry *last,
                       const struct policy_entry *n)
{
    if (n->from <= last->from)
        problem(r, n->at, "\"from\" must be after the entry before, which starts at %s",
                policy_when(last->from).text);
    else if (last->move_by != POLICY_NEVER && n->from < last->move_by)
        problem(r, n->at, "this starts before the move of the entry before is over (%s)",
                policy_when(last->move_by).text);
    if (n->zone == last->zone)
        problem(r, n->at, "zone %s is where it already is", r->p->zone[n->zone].name);
}

static void read_entry(struct reader *r, struct policy_placement *pl, const struct yaml_node *item)
{
    struct policy_entry en = {0, 0, POLICY_NEVER, document_mark(item)};
    const struct yaml_node *by;
    struct err e = ERR_INIT;
    bool good;

    en.zone = known_zone(r, item);
    good = en.zone != POLICY_NO_ZONE;
    good = held(r, document_time(item, "from", &en.from, &e), &e) && good;
    if (!held(r, yaml_may(item, "move_by", &by, &e), &e) ||
        (by != NULL && !held(r, yaml_time(by, &en.move_by, &e), &e)))
        good = false;
    (void)held(r, yaml_map_done(item, &e), &e);
    if (!good)
        return;
    if (by != NULL && en.move_by < en.from)
        problem(r, document_mark(by), "\"move_by\" is before \"from\"");
    if (by != NULL && pl->n == 0)
        problem(r, document_mark(by), "the first entry has nothing to move; leave \"move_by\" out");
    if (pl->n == 0 && en.from > r->p->valid_from)
        problem(r, en.at, "the first entry must not start after \"valid_from\" (%s)",
                policy_when(r->p->valid_from).text);
    if (pl->n > 0)
        check_step(r, &pl->entry[pl->n - 1], &en);
    pl->entry[pl->n++] = en;
}

static bool reserved_ok(const char *s)
{
    const char *name = strncmp(s, "product:", 8) == 0 ? s + 8
                       : strncmp(s, "rules:", 6) == 0 ? s + 6
                                                      : NULL;

    return name != NULL && (strcmp(name, "*") == 0 ||
                            in_set(name, 1, 32, "abcdefghijklmnopqrstuvwxyz0123456789.-"));
}

static void place_country(struct reader *r, const struct yaml_node *n, size_t c, size_t placement)
{
    if (r->p->by_country[c] != 0) {
        problem(r, document_mark(n), "%s (%s) is already placed at line %d", country_table[c].code,
                country_table[c].name, r->country_line[c]);
        return;
    }
    r->p->by_country[c] = (uint16_t)(placement + 1);
    r->country_line[c] = yaml_line(n);
}

static void place_reserved(struct reader *r, const struct yaml_node *n, const char *subject,
                           size_t placement)
{
    struct policy *p = r->p;

    if (policy_of_reserved(p, subject) != NULL) {
        problem(r, document_mark(n), "\"%s\" is already placed", subject);
    } else if (p->n_reserved == MAX_RESERVED) {
        problem(r, document_mark(n), "more than %d reserved subjects", MAX_RESERVED);
    } else {
        (void)snprintf(p->reserved[p->n_reserved].subject, sizeof(p->reserved[0].subject), "%s",
                       subject);
        p->reserved[p->n_reserved++].placement = placement;
    }
}

static void read_subject(struct reader *r, const struct yaml_node *n, size_t placement)
{
    struct err e = ERR_INIT;
    const char *subject;
    char text[256];
    int c;

    if (!held(r, yaml_text(n, &subject, &e), &e))
        return;
    c = country_index(span_str(subject));
    if (c >= 0) {
        place_country(r, n, (size_t)c, placement);
        return;
    }
    if (reserved_ok(subject)) {
        place_reserved(r, n, subject, placement);
        return;
    }
    (void)snprintf(text, sizeof(text), "\"%.60s\" is %s", subject,
                   strchr(subject, ':') != NULL
                       ? "not a subject: product:NAME, rules:NAME, or * for all names"
                       : "not a country of ISO 3166-1");
    policy_suggest(text, sizeof(text), subject);
    problem(r, document_mark(n), "%s", text);
}

static void read_placement(struct reader *r, const struct yaml_node *item, size_t index)
{
    struct policy_placement *pl = &r->p->placement[index];
    const struct yaml_node *subjects, *at, *n;
    struct err e = ERR_INIT;

    pl->at = document_mark(item);
    if (held(r, document_list(item, "subjects", 1, MAX_SUBJECTS, &subjects, &e), &e))
        for (size_t i = 0; i < yaml_count(subjects); i++)
            if (held(r, yaml_item(subjects, i, &n, &e), &e))
                read_subject(r, n, index);
    if (held(r, document_list(item, "at", 1, POLICY_MAX_ENTRIES, &at, &e), &e) &&
        (pl->entry = room(r, yaml_count(at), sizeof(*pl->entry))) != NULL)
        for (size_t i = 0; i < yaml_count(at); i++)
            if (held(r, document_item(at, i, &n, &e), &e))
                read_entry(r, pl, n);
    (void)held(r, yaml_map_done(item, &e), &e);
}

static void read_placements(struct reader *r, const struct yaml_node *root)
{
    const struct yaml_node *list, *item;
    struct policy *p = r->p;
    struct err e = ERR_INIT;

    if (!held(r, document_list(root, "placement", 1, MAX_PLACEMENTS, &list, &e), &e))
        return;
    p->placement_at = document_mark(list);
    p->placement = room(r, yaml_count(list), sizeof(*p->placement));
    p->reserved = room(r, MAX_RESERVED, sizeof(*p->reserved));
    if (p->placement == NULL || p->reserved == NULL)
        return;
    p->n_placements = yaml_count(list);
    for (size_t i = 0; i < p->n_placements; i++)
        if (held(r, document_item(list, i, &item, &e), &e))
            read_placement(r, item, i);
}

/* --- the whole --- */

/* Every country assigned today has a placement. */
static void check_all_placed(struct reader *r)
{
    size_t missing = 0;
    const char *names;
    struct buf text;
    int rc = 0;

    buf_init(&text, ERR_TEXT_MAX);
    for (size_t c = 0; c < COUNTRY_COUNT && rc == 0; c++) {
        if (country_table[c].formerly || r->p->by_country[c] != 0)
            continue;
        if (missing++ < 6)
            rc = buf_printf(&text, "%s%s (%s)", missing > 1 ? ", " : "", country_table[c].code,
                            country_table[c].name);
    }
    names = rc == 0 ? buf_str(&text) : NULL;
    if (names == NULL)
        r->rc = -ENOMEM;
    else if (missing > 0 && r->p->placement != NULL)
        problem(r, r->p->placement_at, "%zu assigned countr%s no placement: %s%s", missing,
                missing == 1 ? "y has" : "ies have", names, missing > 6 ? ", …" : "");
    buf_free(&text);
}

/* All countries start together: from the earliest "from" on, each has a zone at every time. */
static void check_no_gap(struct reader *r)
{
    const struct policy *p = r->p;
    unix_time earliest = POLICY_NEVER;
    bool said[MAX_PLACEMENTS] = {false};

    for (size_t c = 0; c < COUNTRY_COUNT; c++) {
        const struct policy_placement *pl = policy_of_country(p, c);

        if (pl != NULL && pl->n > 0 && pl->entry[0].from < earliest)
            earliest = pl->entry[0].from;
    }
    for (size_t c = 0; c < COUNTRY_COUNT; c++) {
        const struct policy_placement *pl = policy_of_country(p, c);

        if (pl == NULL || pl->n == 0 || pl->entry[0].from == earliest || said[pl - p->placement])
            continue;
        said[pl - p->placement] = true;
        problem(
            r, pl->entry[0].at,
            "%s has no zone from %s, when the first countries start, to %s; all countries start "
            "together",
            country_table[c].code, policy_when(earliest).text, policy_when(pl->entry[0].from).text);
    }
}

static void read_policy(struct reader *r, const struct yaml_node *root)
{
    struct policy *p = r->p;
    const struct yaml_node *n;
    struct err e = ERR_INIT;

    if (yaml_type(root) != YAML_MAP_) {
        problem(r, document_mark(root), "a policy is a map that begins with \"format: policy/v1\"");
        return;
    }
    /* of another format nothing else can be said */
    if (!held(r, document_format(root, "policy/v1", &e), &e))
        return;
    (void)held(r, document_chain(root, &p->chain, &e), &e);
    (void)held(r, document_id(root, "author", &p->author, &e), &e);
    p->valid_from = POLICY_NEVER;
    if (held(r, yaml_need(root, "valid_from", &n, &e), &e)) {
        p->valid_from_at = document_mark(n);
        (void)held(r, yaml_time(n, &p->valid_from, &e), &e);
    }
    read_zones(r, root);
    read_uniform(r, root);
    read_differences(r, root);
    read_placements(r, root);
    (void)held(r, yaml_map_done(root, &e), &e);
    check_all_placed(r);
    check_no_gap(r);
}

int policy_check(struct policy **out, const char *name, struct span text, struct policy_problems *p)
{
    struct reader r = {.out = p};
    struct yaml_doc *doc = NULL;
    struct err e = ERR_INIT;

    memset(p, 0, sizeof(*p));
    p->v = calloc(POLICY_MAX_PROBLEMS, sizeof(*p->v));
    r.p = calloc(1, sizeof(*r.p));
    if (p->v == NULL || r.p == NULL || (r.p->name = strdup(name)) == NULL) {
        policy_free(r.p);
        return -ENOMEM;
    }
    if (held(&r, yaml_parse(&doc, name, text, &e), &e))
        read_policy(&r, yaml_root(doc));
    yaml_free(doc);
    if (r.rc == 0 && p->n > 0)
        r.rc = -EINVAL;
    if (r.rc != 0)
        policy_free(r.p);
    else
        *out = r.p;
    return r.rc;
}

void policy_problems_done(struct policy_problems *p)
{
    free(p->v);
    memset(p, 0, sizeof(*p));
}

int policy_problems_text(const struct policy_problems *p, struct buf *out)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < p->n; i++)
        rc = buf_printf(out, "%s\n", err_text(&p->v[i]));
    if (rc == 0 && p->n > 0)
        rc = buf_printf(out, "%zu problem%s%s\n", p->n + p->more, p->n + p->more == 1 ? "" : "s",
                        p->more > 0 ? " (the first 20 are shown)" : "");
    return rc;
}

int policy_parse(struct policy **out, const char *name, struct span text, struct err *e)
{
    struct policy_problems p;
    int rc = policy_check(out, name, text, &p);

    if (rc == -ENOMEM)
        (void)err_set(e, rc, "policy: out of memory");
    else if (rc != 0)
        (void)err_set(e, rc, "%s", err_text(&p.v[0]));
    policy_problems_done(&p);
    return rc;
}

/* --- what might have been meant --- */

static bool one_letter_off(const char *a, const char *b)
{
    return strlen(a) == 2 &&
           ((a[0] == b[0]) + (a[1] == b[1]) == 1 || (a[0] == b[1] && a[1] == b[0]));
}

void policy_suggest(char *text, size_t cap, const char *wrong)
{
    static const char *const habits[][2] = {{"UK", "GB"}, {"EL", "GR"}, {"EN", "GB"}};
    size_t found = 0, n;
    char up[3] = "";

    if (strlen(wrong) == 2) {
        up[0] = wrong[0] >= 'a' && wrong[0] <= 'z' ? (char)(wrong[0] - 32) : wrong[0];
        up[1] = wrong[1] >= 'a' && wrong[1] <= 'z' ? (char)(wrong[1] - 32) : wrong[1];
    }
    for (size_t i = 0; i < ARRAY_LEN(habits); i++)
        if (strcmp(up, habits[i][0]) == 0)
            memcpy(up, habits[i][1], sizeof(up));
    /* first what it surely is, in capitals or by name; then what is one letter away */
    for (int pass = 0; pass < 2 && found == 0; pass++)
        for (size_t c = 0; c < COUNTRY_COUNT && found < 3; c++) {
            bool like = pass == 0 ? strcmp(up, country_table[c].code) == 0 ||
                                        strcasecmp(wrong, country_table[c].name) == 0
                                  : one_letter_off(up, country_table[c].code);

            if (!like || country_table[c].formerly)
                continue;
            n = strlen(text);
            (void)snprintf(text + n, cap - n, "%s%s (%s)", found++ == 0 ? "; did you mean " : ", ",
                           country_table[c].code, country_table[c].name);
        }
    n = strlen(text);
    if (found > 0)
        (void)snprintf(text + n, cap - n, "?");
}

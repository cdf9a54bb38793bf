/* line.c - batches through the walk and through every engine.
 *
 * Nothing here waits.  A step gives each engine what it has room for and takes what has come;
 * every file submitted gives exactly one result, whatever engines do. */
#include "detect/line.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "detect/line_priv.h"
#include "detect/tree.h"

#define WORKS_MAX 8
#define MEMBERS_HELD (UINT64_C(1) << 30) /* bytes of members at once: no further walk beyond it */
#define HASH_BYTES (UINT64_C(16) << 20)  /* of members, in one turn of the owner's loop */
#define WALK "walk"

void detect_line_result_init(struct detect_line_result *r)
{
    memset(r, 0, sizeof(*r));
    finding_init(&r->finding);
    buf_init(&r->tree, TREE_MAX);
}

void detect_line_result_done(struct detect_line_result *r)
{
    finding_done(&r->finding);
    buf_free(&r->tree);
}

/* --- putting it together --- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int make_label(struct detect_line *l, struct err *e)
{
    const char *sorted[DETECT_LINE_ENGINES];
    size_t n = 0;

    for (size_t i = 0; i < l->engines; i++)
        sorted[i] = l->engine[i].name;
    qsort(sorted, l->engines, sizeof(*sorted), by_name);
    for (size_t i = 0; i < l->engines; i++) {
        if (i > 0 && strcmp(sorted[i - 1], sorted[i]) == 0)
            return err_set(e, -EINVAL, "the engine \"%s\" stands in the list twice", sorted[i]);
        n += (size_t)snprintf(l->label + n, sizeof(l->label) - n, "%s%s", i > 0 ? "." : "",
                              sorted[i]);
        if (n >= sizeof(l->label))
            return err_set(e, -EINVAL,
                           "the engines' names together have more than %d letters; a leaf's label "
                           "has no more",
                           DETECT_LABEL_MAX);
    }
    return 0;
}

static int add_engine(struct detect_line *l, const char *name, bool clamav)
{
    struct line_engine *g = &l->engine[l->engines];
    struct detect_limits limits = l->limits;
    int rc;

    (void)snprintf(g->name, sizeof(g->name), "%s", name);
    g->walks = strcmp(name, WALK) == 0;
    limits.others_open = clamav;
    limits.walks = g->walks;
    if ((rc = detect_client_new(&g->client, l->release, &limits)) != 0)
        return rc;
    if (g->walks)
        l->walk = (int)l->engines;
    l->engines++;
    return 0;
}

int detect_line_new(struct detect_line **out, const struct release *r,
                    const struct detect_limits *limits, const char *const *names, size_t n,
                    struct err *e)
{
    struct detect_line *l = calloc(1, sizeof(*l));
    bool clamav = false, scans = false;
    int rc = 0;

    if (l == NULL)
        return err_set(e, -ENOMEM, "out of memory");
    l->release = r;
    l->limits = *limits;
    if (l->limits.file_ms == 0)
        l->limits.file_ms = 60000;
    if (l->limits.member_bytes == 0)
        l->limits.member_bytes = UINT64_C(256) << 20;
    l->walk = -1;
    l->last = &l->works;
    l->end = &l->first;
    for (size_t i = 0; i < n; i++) {
        clamav |= strcmp(names[i], "clamav") == 0;
        scans |= strcmp(names[i], WALK) != 0;
    }
    if (n > DETECT_LINE_ENGINES || !scans)
        rc = err_set(e, -EINVAL, "a site has 1 to %d engines, and \"" WALK "\" alone scans nothing",
                     DETECT_LINE_ENGINES);
    for (size_t i = 0; i < n && rc == 0; i++)
        if ((rc = add_engine(l, names[i], clamav)) != 0)
            (void)err_sys(e, rc, "preparing the engine \"%s\"", names[i]);
    if (rc == 0)
        rc = make_label(l, e);
    if (rc != 0) {
        detect_line_free(l);
        return rc;
    }
    *out = l;
    return 0;
}

static void work_free(struct work *w)
{
    line_part_free(&w->part);
    detect_batch_free(w->batch);
    free(w);
}

void detect_line_free(struct detect_line *l)
{
    if (l == NULL)
        return;
    for (size_t i = 0; i < l->engines; i++)
        detect_client_free(l->engine[i].client);
    while (l->works != NULL) {
        struct work *w = l->works;

        l->works = w->next;
        work_free(w);
    }
    while (l->first != NULL) {
        struct answered *a = l->first;

        l->first = a->next;
        detect_line_result_done(&a->result);
        free(a);
    }
    free(l);
}

/* --- engines --- */

size_t detect_line_engines(const struct detect_line *l)
{
    return l->engines;
}

int detect_line_attach(struct detect_line *l, size_t i, int sock, struct err *e)
{
    return detect_client_attach(l->engine[i].client, sock, e);
}

bool detect_line_wants_engine(const struct detect_line *l, size_t i, mono_ms now)
{
    return detect_client_wants_engine(l->engine[i].client, now);
}

enum detect_state detect_line_state(const struct detect_line *l)
{
    enum detect_state least = DETECT_READY;

    for (size_t i = 0; i < l->engines; i++)
        if (detect_client_state(l->engine[i].client) < least)
            least = detect_client_state(l->engine[i].client);
    return least;
}

const char *detect_line_trouble(const struct detect_line *l)
{
    for (size_t i = 0; i < l->engines; i++)
        if (detect_client_state(l->engine[i].client) == DETECT_DOWN)
            return detect_client_trouble(l->engine[i].client);
    return "";
}

int detect_line_fd(const struct detect_line *l, size_t i)
{
    return detect_client_fd(l->engine[i].client);
}

const char *detect_line_label(const struct detect_line *l)
{
    return l->label;
}

uint32_t detect_line_rules(const struct detect_line *l)
{
    uint64_t n = hashset_count(release_hashes(l->release));

    for (size_t i = 0; i < l->engines; i++)
        n += detect_client_rules(l->engine[i].client) - hashset_count(release_hashes(l->release));
    return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

struct digest detect_line_release(const struct detect_line *l)
{
    return release_digest(l->release);
}

/* --- files in --- */

int detect_line_submit(struct detect_line *l, struct detect_batch *b)
{
    struct work *w;
    int rc;

    assert(b->scan.n > 0);
    if (l->n_works >= WORKS_MAX || detect_line_state(l) != DETECT_READY)
        return -EAGAIN;
    if ((rc = detect_batch_seal(b)) != 0)
        return rc;
    if ((w = calloc(1, sizeof(*w))) == NULL)
        return -ENOMEM;
    line_part_init(&w->part, 0, b->scan.n);
    w->serial = ++l->serial;
    w->batch = b;
    *l->last = w;
    l->last = &w->next;
    l->n_works++;
    l->counts.batches++;
    l->counts.files += b->scan.n;
    l->counts.bytes += b->used;
    return 0;
}

size_t detect_line_in_flight(const struct detect_line *l)
{
    return l->n_works;
}

/* A unit's cookie says whose it is. */
static uint64_t cookie_of(const struct work *w, uint32_t unit)
{
    return w->serial << 32 | unit;
}

/* --- the walk --- */

static uint64_t members_held(const struct detect_line *l)
{
    uint64_t n = 0;

    for (const struct work *w = l->works; w != NULL; w = w->next)
        n += w->part.step == PART_WALKING ? l->limits.member_bytes : w->part.table.size;
    return n;
}

static int slice_files(const struct work *w, struct detect_batch **out)
{
    const struct part *p = &w->part;
    int rc = detect_batch_slice(out, w->batch->fd);

    for (uint32_t i = p->from; i < p->to && rc == 0; i++)
        rc = detect_batch_point(*out, w->batch->scan.file[i].offset, w->batch->scan.file[i].size,
                                cookie_of(w, i - p->from));
    return rc;
}

static void scan_begins(struct work *w, mono_ms now)
{
    w->part.step = PART_SCANNING;
    w->part.began = now;
}

static void without_walk(struct detect_line *l, struct work *w, mono_ms now)
{
    struct detect_members none = {.count = 0};

    (void)l;
    if (line_part_open(&w->part, &none, -1) == 0)
        scan_begins(w, now);
}

static void begin_walk(struct detect_line *l, struct work *w, mono_ms now)
{
    struct detect_batch *b = NULL;

    if (l->walk < 0) {
        without_walk(l, w, now);
        return;
    }
    if (members_held(l) + l->limits.member_bytes > MEMBERS_HELD &&
        members_held(l) > 0) /* one may always */
        return;
    if (slice_files(w, &b) == 0 && detect_client_submit(l->engine[l->walk].client, b) == 0) {
        w->part.step = PART_WALKING;
        w->walked = 0;
        /* findings of the files come before the number of units is known */
        w->part.found = calloc(DETECT_BATCH_FILES, sizeof(*w->part.found));
        w->part.lost = calloc(DETECT_BATCH_FILES, sizeof(*w->part.lost));
        if (w->part.found == NULL || w->part.lost == NULL)
            abort();
        for (uint32_t i = 0; i < DETECT_BATCH_FILES; i++)
            finding_init(&w->part.found[i]);
        return;
    }
    detect_batch_free(b);
}

/* The walk has ended for this part: what it told about the files is kept, the members are opened.
 * A table that lies is an engine that lies: nothing was looked into. */
static void walk_ended(struct work *w, struct detect_result *r)
{
    struct part *p = &w->part;
    struct finding *early = p->found;
    bool *lost = p->lost;
    int fd = r->fd;

    r->fd = -1;
    p->found = NULL;
    p->lost = NULL;
    p->to = p->from + r->table.next;
    if (line_part_open(p, &r->table, fd) != 0)
        for (uint32_t i = 0; i < p->to - p->from; i++)
            finding_incomplete(&early[i], REASON_ENGINE);
    for (uint32_t i = 0; i < DETECT_BATCH_FILES; i++) {
        if (i < p->to - p->from) {
            p->found[i] = early[i];
            p->lost[i] = lost[i];
        } else {
            finding_done(&early[i]);
        }
    }
    free(early);
    free(lost);
    p->step = PART_HASHING;
}

/* --- every engine --- */

static uint32_t files_of(const struct part *p)
{
    return p->to - p->from;
}

/* What the part may still take, ms; 0: nothing. */
static uint64_t time_left(const struct detect_line *l, const struct part *p, mono_ms now)
{
    uint64_t all = (uint64_t)files_of(p) * l->limits.file_ms, spent = (uint64_t)(now - p->began);

    return spent < all ? all - spent : 0;
}

/* Units [sent, …) of one memory, at most a batch. */
static int slice_units(const struct work *w, uint32_t *next, struct detect_batch **out)
{
    const struct part *p = &w->part;
    bool members = *next >= files_of(p);
    uint32_t end = members ? p->units : files_of(p);
    int rc = detect_batch_slice(out, members ? p->fd : w->batch->fd);

    for (; *next < end && rc == 0; (*next)++) {
        if (p->done[*next])
            continue;
        if (members) {
            struct detect_member m = line_part_member(p, *next - files_of(p));

            rc = detect_batch_point(*out, m.offset, m.size, cookie_of(w, *next));
        } else {
            uint32_t i = p->from + *next;

            rc = detect_batch_point(*out, w->batch->scan.file[i].offset,
                                    w->batch->scan.file[i].size, cookie_of(w, *next));
        }
        if (rc == -EAGAIN)
            return 0; /* full */
    }
    return rc;
}

/* The engine is not asked about what it was not sent yet. */
static void give_up_rest(struct work *w, size_t engine, enum verdict_reason why, bool lost)
{
    struct part *p = &w->part;
    struct finding f;

    finding_init(&f);
    for (; p->sent[engine] < p->units; p->sent[engine]++) {
        uint32_t i = p->sent[engine];

        p->answered[engine]++;
        if (p->done[i])
            continue;
        finding_incomplete(&f, why);
        p->lost[i] |= lost;
        if (finding_add(&p->found[i], &f) != 0)
            abort();
    }
    finding_done(&f);
}

static void send_units(struct detect_line *l, struct work *w, size_t engine, mono_ms now)
{
    struct detect_client *c = l->engine[engine].client;
    struct part *p = &w->part;

    while (p->sent[engine] < p->units) {
        uint64_t left = time_left(l, p, now);
        uint32_t next = p->sent[engine], from = next;
        struct detect_batch *b = NULL;

        if (detect_client_state(c) != DETECT_READY) {
            give_up_rest(w, engine, REASON_ENGINE, true);
            return;
        }
        if (left == 0) {
            give_up_rest(w, engine, REASON_TIME, false);
            return;
        }
        if (slice_units(w, &next, &b) != 0) {
            detect_batch_free(b);
            return; /* no memory now: once more in the next step */
        }
        if (detect_batch_count(b) == 0) { /* all known by their hashes */
            detect_batch_free(b);
            p->answered[engine] += next - from;
            p->sent[engine] = next;
            continue;
        }
        detect_batch_total(b, left);
        p->answered[engine] += next - from - (uint32_t)detect_batch_count(b);
        if (detect_client_submit(c, b) != 0) {
            p->answered[engine] -= next - from - (uint32_t)detect_batch_count(b);
            detect_batch_free(b);
            return; /* it has enough */
        }
        p->sent[engine] = next;
    }
}

static bool all_answered(const struct detect_line *l, const struct part *p)
{
    for (size_t i = 0; i < l->engines; i++)
        if (!l->engine[i].walks && p->answered[i] < p->units)
            return false;
    return true;
}

/* --- results --- */

static struct work *work_of(struct detect_line *l, uint64_t cookie)
{
    for (struct work *w = l->works; w != NULL; w = w->next)
        if (w->serial == cookie >> 32)
            return w;
    return NULL;
}

static void take(struct detect_line *l, size_t engine, struct detect_result *r)
{
    struct work *w = work_of(l, r->cookie);
    uint32_t unit = (uint32_t)r->cookie;

    if (w == NULL) {
        io_close(&r->fd);
        return;
    }
    if (r->members) { /* the client lets no other engine say so */
        assert(l->engine[engine].walks && w->part.step == PART_WALKING);
        walk_ended(w, r);
        return;
    }
    if (w->part.lost != NULL)
        w->part.lost[unit] |= r->lost;
    if (finding_add(&w->part.found[unit], &r->finding) != 0)
        abort(); /* a result would be lost */
    if (!l->engine[engine].walks)
        w->part.answered[engine]++;
}

static void take_results(struct detect_line *l)
{
    struct detect_result r;

    memset(&r, 0, sizeof(r));
    finding_init(&r.finding);
    for (size_t i = 0; i < l->engines; i++)
        while (detect_client_next(l->engine[i].client, &r) == 1)
            take(l, i, &r);
    finding_done(&r.finding);
}

static void count(struct detect_counts *n, enum verdict v)
{
    n->malicious += v == VERDICT_MALICIOUS;
    n->incomplete += v == VERDICT_INCOMPLETE;
    n->clean += v == VERDICT_CLEAN;
}

static void conclude(struct detect_line *l, struct work *w)
{
    struct part *p = &w->part;

    for (uint32_t i = 0; i < files_of(p); i++) {
        struct answered *a = calloc(1, sizeof(*a));

        if (a == NULL)
            abort();
        detect_line_result_init(&a->result);
        a->result.cookie = w->batch->cookie[p->from + i];
        if (line_part_result(p, i, &a->result) != 0)
            abort();
        count(&l->counts, a->result.finding.verdict);
        *l->end = a;
        l->end = &a->next;
    }
}

int detect_line_next(struct detect_line *l, struct detect_line_result *r)
{
    struct answered *a = l->first;

    if (a == NULL)
        return 0;
    l->first = a->next;
    if (l->first == NULL)
        l->end = &l->first;
    detect_line_result_done(r);
    *r = a->result;
    free(a);
    return 1;
}

/* --- the step --- */

/* true: the batch is through. */
static bool advance(struct detect_line *l, struct work *w, uint64_t *hash, mono_ms now)
{
    uint32_t to;

    if (w->part.step == PART_WAITING)
        begin_walk(l, w, now);
    if (w->part.step == PART_HASHING && line_part_hash(&w->part, l->release, hash))
        scan_begins(w, now);
    if (w->part.step != PART_SCANNING)
        return false;
    for (size_t i = 0; i < l->engines; i++)
        if (!l->engine[i].walks)
            send_units(l, w, i, now);
    if (!all_answered(l, &w->part))
        return false;
    conclude(l, w);
    to = w->part.to;
    line_part_free(&w->part);
    line_part_init(&w->part, to, w->batch->scan.n);
    return to == w->batch->scan.n;
}

void detect_line_step(struct detect_line *l, mono_ms now)
{
    struct work **at = &l->works, *w;
    uint64_t hash = HASH_BYTES; /* all batches together */

    for (size_t i = 0; i < l->engines; i++)
        detect_client_step(l->engine[i].client, now);
    take_results(l);
    while ((w = *at) != NULL) {
        if (!advance(l, w, &hash, now)) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        if (l->last == &w->next)
            l->last = at;
        l->n_works--;
        work_free(w);
    }
}

mono_ms detect_line_due(const struct detect_line *l)
{
    mono_ms due = INT64_MAX;

    for (size_t i = 0; i < l->engines; i++) {
        mono_ms one = detect_client_due(l->engine[i].client);

        due = one < due ? one : due;
    }
    for (const struct work *w = l->works; w != NULL; w = w->next)
        if (w->part.step == PART_HASHING)
            due = 0; /* at once */
    return due;
}

int detect_line_known(struct detect_line *l, const struct digest *d, struct finding *f)
{
    int rc = hashset_find(release_hashes(l->release), d, f);

    l->counts.known += rc == 1;
    return rc;
}

struct detect_counts detect_line_counts(const struct detect_line *l)
{
    struct detect_counts n = l->counts;

    n.in_flight = (uint32_t)l->n_works;
    for (size_t i = 0; i < l->engines; i++)
        n.engines_lost += detect_client_counts(l->engine[i].client).engines_lost;
    return n;
}

#include "site/keeper_rescan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "crypto/sha256.h"
#include "events/setroot.h"
#include "site/keeper_lines.h"
#include "site/keeper_notes.h"

#define AGAIN_MAX 64
#define LATER_MS 1000 /* after something failed */

/* --- what the catalog knows --- */

static int put_open(struct keeper *k, bool open, const struct digest *release, const char *engine)
{
    struct buf b;
    int rc;

    buf_init(&b, 128);
    if ((rc = buf_putc(&b, open ? 1 : 0)) == 0 && (rc = buf_put(&b, release->b, 32)) == 0 &&
        (rc = buf_puts(&b, engine)) == 0)
        rc = catalog_value_put(k->catalog, "rescan.open", buf_span(&b));
    buf_free(&b);
    return rc;
}

static int get_open(struct keeper *k, struct rescan *r)
{
    struct buf b;
    struct cur c;
    uint8_t open = 0;
    int rc;

    buf_init(&b, 128);
    if ((rc = catalog_value_get(k->catalog, "rescan.open", &b)) == 0) {
        c = cur_of(buf_span(&b));
        if (cur_u8(&c, &open) != 0 || cur_copy(&c, r->release.b, 32) != 0 ||
            c.n > CATALOG_LABEL_MAX)
            rc = -EBADMSG;
        else
            (void)snprintf(r->engine, sizeof(r->engine), "%.*s", (int)c.n, (const char *)c.p);
    }
    r->open = rc == 0 && open != 0;
    buf_free(&b);
    return rc == -ENOENT ? 0 : rc;
}

static int put_at(struct keeper *k, const struct rescan *r)
{
    const uint64_t numbers[] = {r->at.accepted, r->at.row, r->files, r->window, r->turned};
    struct buf b;
    int rc;

    buf_init(&b, 128);
    rc = buf_putc(&b, (int)strlen(r->at.account));
    if (rc == 0)
        rc = buf_puts(&b, r->at.account);
    for (size_t i = 0; i < ARRAY_LEN(numbers) && rc == 0; i++)
        rc = buf_put_u64(&b, numbers[i]);
    if (rc == 0)
        rc = catalog_value_put(k->catalog, "rescan.at", buf_span(&b));
    buf_free(&b);
    return rc;
}

static void get_at(struct keeper *k, struct rescan *r)
{
    uint64_t *const numbers[] = {&r->at.accepted, &r->at.row, &r->files, &r->window, &r->turned};
    struct buf b;
    struct cur c;
    uint8_t n;
    int rc;

    buf_init(&b, 128);
    rc = catalog_value_get(k->catalog, "rescan.at", &b);
    c = cur_of(buf_span(&b));
    if (rc == 0 && (rc = cur_u8(&c, &n)) == 0 && n > CATALOG_ACCOUNT_MAX)
        rc = -EBADMSG;
    if (rc == 0)
        rc = cur_copy(&c, r->at.account, n);
    for (size_t i = 0; i < ARRAY_LEN(numbers) && rc == 0; i++)
        rc = cur_u64(&c, numbers[i]);
    buf_free(&b);
    if (rc == 0)
        return;
    memset(&r->at, 0, sizeof(r->at)); /* from the beginning */
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        *numbers[i] = 0;
}

/* A round begins anew. */
static int put_start(struct keeper *k)
{
    struct rescan none;

    memset(&none, 0, sizeof(none));
    return put_at(k, &none);
}

void keeper_rescan_look(struct keeper *k)
{
    struct rescan *r = &k->lines->rescan;

    memset(&r->at, 0, sizeof(r->at));
    r->batch = r->lost = r->failed = false; /* what is at the engines is waited for, no more */
    r->attempts = 0;
    r->known = get_open(k, r) == 0;
    if (!r->known || !r->open)
        return;
    get_at(k, r);
    r->stopped = keeper_rules_stopped(k, &r->release);
    if (catalog_judged(k->catalog, &r->total) != 0)
        r->total = 0;
    if (!r->stopped)
        log_info("the files that are here are scanned again, by the rules that serve");
}

void keeper_rescan_forget(struct keeper *k)
{
    if (k->lines != NULL) /* a rebuild has none */
        k->lines->rescan.known = false;
}

int keeper_rescan_apply_rules(struct keeper *k, const struct note_rules *n)
{
    size_t label = strlen(n->engine);
    struct buf b;
    bool others;
    int rc;

    buf_init(&b, 32 + CATALOG_LABEL_MAX);
    rc = catalog_value_get(k->catalog, "rules.loaded", &b);
    others = rc == 0 && (b.len != 32 + label || memcmp(b.data, n->release.b, 32) != 0 ||
                         memcmp(b.data + 32, n->engine, label) != 0);
    buf_free(&b);
    if (rc == -ENOENT || (rc == 0 && !others))
        return 0; /* the first rules of this ledger, or the same */
    if (rc != 0 || (rc = put_open(k, true, &n->release, n->engine)) != 0 ||
        (rc = put_start(k)) != 0)
        return rc;
    keeper_rescan_forget(k);
    return 0;
}

int keeper_rescan_apply_over(struct keeper *k, const struct digest *release)
{
    struct rescan now;
    int rc;

    memset(&now, 0, sizeof(now));
    if ((rc = get_open(k, &now)) != 0)
        return rc;
    keeper_rescan_forget(k);
    /* from the beginning: what it found so far blocked nothing */
    return now.open && digest_eq(&now.release, release) ? put_start(k) : 0;
}

int keeper_rescan_apply_round(struct keeper *k, const struct note_round *n, uint64_t leaf)
{
    struct buf b;
    int rc;

    buf_init(&b, 64);
    if ((rc = buf_put(&b, n->release.b, 32)) == 0 && (rc = buf_put_u64(&b, (uint64_t)n->at)) == 0 &&
        (rc = buf_put_u64(&b, leaf)) == 0 &&
        (rc = catalog_value_put(k->catalog, "rescan.done", buf_span(&b))) == 0 &&
        (rc = put_open(k, false, &n->release, n->engine)) == 0 &&
        (rc = put_start(k)) == 0) /* whose files came last need not stand anywhere */
        rc = catalog_renewed_clear(k->catalog);
    buf_free(&b);
    keeper_rescan_forget(k);
    return rc;
}

int keeper_rescan_last(struct keeper *k, struct rescan_done *out)
{
    struct buf b;
    struct cur c;
    uint64_t at = 0;
    int rc;

    buf_init(&b, 64);
    if ((rc = catalog_value_get(k->catalog, "rescan.done", &b)) == 0) {
        c = cur_of(buf_span(&b));
        if ((rc = cur_copy(&c, out->release.b, 32)) == 0 && (rc = cur_u64(&c, &at)) == 0)
            rc = cur_u64(&c, &out->leaf);
        out->at = (unix_time)at;
    }
    buf_free(&b);
    return rc;
}

/* --- what became of a file --- */

void keeper_rescan_result(struct keeper *k, bool lost, bool failed)
{
    struct rescan *r = &k->lines->rescan;

    if (r->out > 0)
        r->out--;
    r->lost = r->lost || lost;
    r->failed = r->failed || failed;
}

void keeper_rescan_judged(struct keeper *k, const struct digest *release)
{
    struct rescan *r = &k->lines->rescan;

    k->n.rescanned++;
    if (!r->open || !digest_eq(&r->release, release))
        return; /* of the round before */
    r->files++;
    r->window++;
}

void keeper_rescan_changed(struct keeper *k)
{
    k->lines->rescan.acts++;
}

void keeper_rescan_logged(struct keeper *k, const struct digest *release, bool turned, int rc)
{
    struct rescan *r;

    if (k->lines == NULL)
        return; /* the keeper is ending */
    r = &k->lines->rescan;
    if (r->acts > 0)
        r->acts--;
    r->failed = r->failed || rc != 0;
    if (rc == 0 && turned && r->open && digest_eq(&r->release, release))
        r->turned++;
}

/* --- leaves --- */

/* The act alone in its group: what it counts is in all groups before. */
static int log_alone(struct keeper *k, struct act *a)
{
    keeper_group_add(k, a);
    return keeper_group_commit(k);
}

static int trip_act(struct keeper *k, const struct rescan *r, struct act *a)
{
    struct leaf_builder b;
    struct buf *note = keeper_act_note_new(a, NULL, 0);
    int rc = note == NULL ? -ENOMEM : keeper_note_put_tripped(note, &r->release);

    leaf_begin(&b, LK_BREAKER_TRIPPED, clock_now(), k->c->site);
    leaf_set_digest(&b, LF_RELEASE, &r->release);
    leaf_set_text(&b, LF_ENGINE, r->engine);
    leaf_set_int(&b, LF_COUNT, r->window);
    leaf_set_int(&b, LF_CHANGED, r->turned);
    return rc != 0 ? rc : keeper_act_leaf(a, &b);
}

int keeper_rescan_trip(struct keeper *k)
{
    struct rescan *r = &k->lines->rescan;
    struct act *a = keeper_act_new();
    int rc = a == NULL ? -ENOMEM : trip_act(k, r, a);

    if (rc != 0) {
        keeper_act_free(a);
        return rc;
    }
    (void)keeper_group_commit(k); /* verdicts that enforce stand before it */
    if ((rc = log_alone(k, a)) != 0)
        return rc;
    keeper_rescan_look(k);
    log_error("the breaker stops the new rules: too many files that were clean are malicious by "
              "them; from now on they only detect");
    return 0;
}

struct refs {
    struct id128 *v;
    size_t n, cap;
};

static int take_ref(void *arg, const struct id128 *id)
{
    struct refs *r = arg;

    if (r->n == r->cap)
        return -EOVERFLOW; /* counted a moment ago */
    r->v[r->n++] = *id;
    return 0;
}

static int root_of_changed(struct keeper *k, uint64_t *changed, struct digest *root)
{
    struct refs r = {NULL, 0, 0};
    int rc = catalog_renewed_count(k->catalog, changed);

    if (rc == 0 && (r.v = calloc(*changed + 1, sizeof(*r.v))) == NULL)
        rc = -ENOMEM;
    r.cap = (size_t)*changed;
    if (rc == 0 && (rc = catalog_renewed(k->catalog, take_ref, &r)) == 0)
        rc = setroot_ids(r.v, r.n, root);
    free(r.v);
    return rc;
}

static int round_act(struct keeper *k, const struct rescan *r, struct act *a)
{
    struct note_round n = {.release = r->release, .at = clock_now()};
    struct leaf_builder b;
    struct buf *note = keeper_act_note_new(a, NULL, 0);
    uint64_t count, changed;
    struct digest root;
    int rc;

    (void)snprintf(n.engine, sizeof(n.engine), "%s", r->engine);
    if ((rc = note == NULL ? -ENOMEM : keeper_note_put_round(note, &n)) != 0 ||
        (rc = catalog_judged(k->catalog, &count)) != 0 ||
        (rc = root_of_changed(k, &changed, &root)) != 0)
        return rc;
    leaf_begin(&b, LK_RESCAN_DONE, n.at, k->c->site);
    leaf_set_digest(&b, LF_RELEASE, &r->release);
    leaf_set_text(&b, LF_ENGINE, r->engine);
    leaf_set_int(&b, LF_COUNT, count);
    leaf_set_int(&b, LF_CHANGED, changed);
    leaf_set_digest(&b, LF_ROOT, &root);
    return keeper_act_leaf(a, &b);
}

/* All are through: once what is on its way is in, the summary counts it. */
int keeper_rescan_finish(struct keeper *k)
{
    struct rescan *r = &k->lines->rescan;
    struct act *a;
    int rc = keeper_group_commit(k);

    if (rc != 0 || !r->known)
        return rc;
    a = keeper_act_new();
    if ((rc = a == NULL ? -ENOMEM : round_act(k, r, a)) != 0) {
        keeper_act_free(a);
        return rc;
    }
    if ((rc = log_alone(k, a)) != 0)
        return rc;
    keeper_rescan_look(k);
    log_info("all files are judged by the new rules");
    return 0;
}

/* --- a batch --- */

/* It has a verdict, and not by these rules; or one by them that blocked nothing and now would. */
static bool wanted(const struct catalog_again *a, const struct rescan *r, bool detect)
{
    return a->scanned && (!digest_eq(&a->release, &r->release) ||
                          strcmp(a->engine, r->engine) != 0 || (a->detect && !detect));
}

static void fill(struct keeper *k, struct detect_line *l, struct detect_batch *b,
                 const struct catalog_again *a, size_t n)
{
    struct rescan *r = &k->lines->rescan;
    bool detect = keeper_rules_detects(k, &r->release);
    int rc = 1;

    for (size_t i = 0; i < n && rc == 1; i++) {
        struct catalog_scan s = {
            .ref = a[i].ref, .object = a[i].object, .attempts = r->attempts + 1};

        if (wanted(&a[i], r, detect))
            rc = keeper_scan_add(k, l, b, &s);
        if (rc == 1)
            r->next = a[i].at;
        else if (rc < 0)
            r->failed = true;
    }
}

/* As many files as the breaker looks at together, and no more. */
static size_t batch_max(const struct keeper *k)
{
    const struct rescan *r = &k->lines->rescan;
    uint64_t left = k->c->breaker_files > r->window ? k->c->breaker_files - r->window : 1;

    return r->careful > 0 ? 1 : left < AGAIN_MAX ? (size_t)left : AGAIN_MAX;
}

/* 1: the round is through. */
static int begin_batch(struct keeper *k, struct detect_line *l)
{
    struct rescan *r = &k->lines->rescan;
    struct catalog_again a[AGAIN_MAX];
    struct detect_batch *b = NULL;
    uint64_t before = k->next_id;
    size_t n, files;
    int rc;

    if ((rc = catalog_again_next(k->catalog, &r->at, a, batch_max(k), &n)) != 0)
        return rc;
    if (n == 0)
        return 1;
    if ((rc = detect_batch_new(&b)) != 0)
        return rc;
    r->next = r->at;
    r->batch = true;
    r->lost = r->failed = false;
    fill(k, l, b, a, n);
    files = detect_batch_count(b);
    if (files > 0 && detect_line_submit(l, b) == 0) {
        r->out = files;
        return 0;
    }
    if (files > 0) {
        keeper_scan_forget(k, before);
        r->failed = true;
    }
    detect_batch_free(b);
    return 0;
}

/* Everything of the batch is back and durable: the round is further by it, unless something of it
 * has to be repeated. */
static void end_batch(struct keeper *k, struct rescan *r, mono_ms now)
{
    r->batch = false;
    if (r->lost || r->failed) {
        r->attempts += r->lost;
        r->careful = r->lost ? AGAIN_MAX : r->careful; /* one of them it was */
        r->due = now + LATER_MS;
        return;
    }
    r->at = r->next;
    r->attempts = 0;
    r->careful -= r->careful > 0;
    if (put_at(k, r) != 0)
        log_warn("where files are scanned again could not be noted; some are scanned twice");
}

/* More than the share of so many files, among fewer of them? */
static bool too_many(struct keeper *k, struct rescan *r)
{
    bool more = r->turned * CONFIG_SHARE_WHOLE > k->c->breaker_share * k->c->breaker_files;
    bool trips = more && keeper_rules_may_trip(k, &r->release);

    if (r->window >= k->c->breaker_files && !trips)
        r->window = r->turned = 0;
    return trips;
}

static bool serves(const struct rescan *r, const struct detect_line *l)
{
    struct digest release = detect_line_release(l);

    return digest_eq(&r->release, &release) && strcmp(r->engine, detect_line_label(l)) == 0;
}

void keeper_rescan_step(struct keeper *k, struct detect_line *l, mono_ms now)
{
    struct rescan *r = &k->lines->rescan;
    int rc;

    if (!r->known)
        keeper_rescan_look(k);
    if (!r->known || !r->open || r->stopped || r->out > 0 || r->acts > 0 || now < r->due ||
        !keeper_lines_alone(k) || !serves(r, l))
        return;
    if (r->batch)
        end_batch(k, r, now);
    if (now < r->due)
        return;
    if (too_many(k, r)) {
        rc = keeper_rescan_trip(k);
    } else {
        if (r->at.account[0] == '\0') /* what the line before said last is in */
            (void)keeper_group_commit(k);
        if ((rc = begin_batch(k, l)) == 1)
            rc = keeper_rescan_finish(k);
    }
    if (rc != 0) {
        log_warn("files could not be scanned again; that is tried once more", "why", strerror(-rc));
        r->due = now + LATER_MS;
    }
}

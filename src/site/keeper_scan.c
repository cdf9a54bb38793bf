/* keeper_scan.c - the scan queue meets the engine.  Jobs of one submitter form a batch; the
 * plaintext is written straight from the vault's verified chunks into the batch's sealed memory;
 * each finding becomes a scan.done leaf.  What the vault cannot read or no engine takes is
 * INCOMPLETE with its reason. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "site/keeper_intake.h"
#include "site/keeper_notes.h"
#include "site/keeper_priv.h"

#define CLAIM_MAX 64
#define LEASE_SECONDS 300
#define IDLE_MS 200
#define BATCHES 4 /* at the engine; more would only hold plaintext in memory */
#define ATTEMPTS_MAX 3

/* A cookie of a batch names a job by its ref, kept here until the finding comes. */
struct scan_job {
    struct scan_job *next;
    uint64_t cookie, job;
    struct id128 ref;
};

static int scan_leaf(struct keeper *k, struct act *a, const struct id128 *ref,
                     const struct finding *f, const struct slot_blob *blob, unix_time now)
{
    struct digest release = detect_client_release(k->detect);
    struct leaf_builder b;
    uint8_t salt[32];

    keeper_salt(blob->seed, LK_SCAN_DONE, LF_SEALED_NAMES, span_of(release.b, 32), salt);
    leaf_begin(&b, LK_SCAN_DONE, now, k->c->site);
    leaf_set_id(&b, LF_REF, ref);
    leaf_set_text(&b, LF_WORKER_SITE, k->c->site);
    leaf_set_text(&b, LF_ENGINE, detect_client_engine(k->detect));
    leaf_set_digest(&b, LF_RELEASE, &release);
    leaf_set_text(&b, LF_VERDICT, verdict_word(f->verdict));
    leaf_set_text(&b, LF_REASON, verdict_reason_word(f->reason));
    leaf_set_int(&b, LF_HITS, f->hits);
    leaf_set_sealed(&b, LF_SEALED_NAMES, salt, buf_span(&f->names));
    return keeper_act_leaf(a, &b);
}

static int scan_note(struct keeper *k, struct act *a, const struct id128 *ref,
                     const struct finding *f, unix_time now)
{
    struct note_scan n;
    struct buf *out = keeper_act_note_new(a, ref, 0);

    memset(&n, 0, sizeof(n));
    n.row.ref = *ref;
    (void)snprintf(n.row.engine, sizeof(n.row.engine), "%s", detect_client_engine(k->detect));
    n.row.release = detect_client_release(k->detect);
    n.row.verdict = f->verdict == VERDICT_MALICIOUS ? CATALOG_MALICIOUS
                    : f->verdict == VERDICT_CLEAN   ? CATALOG_CLEAN
                                                    : CATALOG_INCOMPLETE;
    (void)snprintf(n.row.reason, sizeof(n.row.reason), "%s", verdict_reason_word(f->reason));
    n.row.hits = f->hits;
    n.row.at = now;
    n.names = buf_span(&f->names);
    return out == NULL ? -ENOMEM : keeper_note_put_scan(out, &n);
}

static void scan_logged(struct keeper *k, struct act *a, int rc)
{
    if (rc == 0)
        keeper_trace_changed(k, a->ctx);
}

static void ctx_free(struct act *a)
{
    free(a->ctx);
}

/* A finding becomes an act; a submission erased meanwhile needs none. */
static int conclude(struct keeper *k, const struct id128 *ref, const struct finding *f)
{
    struct catalog_submission row;
    struct vault_slot_info info;
    struct slot_blob blob;
    struct err e = ERR_INIT;
    unix_time now = clock_now();
    struct act *a;
    int rc;

    if (catalog_submission_by_ref(k->catalog, ref, &row) != 0 ||
        vault_slot_info(k->vault, ref, &info, &e) != 0)
        return 0;
    a = keeper_act_new();
    rc = a == NULL || keeper_group_of(k) == NULL ? -EIO
                                                 : keeper_blob_decode(buf_span(&info.blob), &blob);
    if (rc == 0 && (rc = scan_leaf(k, a, ref, f, &blob, now)) == 0)
        rc = scan_note(k, a, ref, f, now);
    vault_slot_info_done(&info);
    if (rc == 0 && (a->ctx = malloc(sizeof(row.sub))) != NULL) {
        memcpy(a->ctx, &row.sub, sizeof(row.sub));
        a->free = ctx_free;
        a->done = scan_logged;
    }
    if (rc != 0) {
        keeper_act_free(a);
        return rc;
    }
    k->n.scanned++;
    k->n.malicious += f->verdict == VERDICT_MALICIOUS;
    k->n.incomplete += f->verdict == VERDICT_INCOMPLETE;
    keeper_group_add(k, a);
    return 0;
}

static int give_up(struct keeper *k, const struct id128 *ref, enum verdict_reason why)
{
    struct finding f;
    int rc;

    finding_init(&f);
    finding_incomplete(&f, why);
    rc = conclude(k, ref, &f);
    finding_done(&f);
    return rc;
}

/* --- into a batch --- */

static int fill(struct vault_read *r, uint8_t *to, uint64_t size)
{
    const uint8_t *p;
    uint64_t got = 0;
    size_t n;
    int rc;

    while ((rc = vault_read_next(r, &p, &n)) == 0 && n > 0) {
        if (n > size - got)
            return -EBADMSG;
        memcpy(to + got, p, n);
        got += n;
    }
    return rc != 0 ? rc : got == size ? 0 : -EBADMSG;
}

/* 1: it is in the batch (or settled without); 0: the batch is full; <0: errno. */
static int add_job(struct keeper *k, struct detect_batch *b, const struct catalog_scan *s)
{
    struct vault_read *r = NULL;
    struct finding f;
    struct digest sha;
    struct scan_job *j;
    struct err e = ERR_INIT;
    void *where;
    int rc;

    if (s->attempts > ATTEMPTS_MAX)
        return give_up(k, &s->ref, REASON_ENGINE) == 0 ? 1 : -EIO;
    rc = vault_read_open(&r, k->vault, &s->ref, &e);
    if (rc == -ENOENT)
        return catalog_scan_done(k->catalog, s->job) == 0 ? 1 : -EIO;
    if (rc != 0)
        return give_up(k, &s->ref, REASON_DAMAGED) == 0 ? 1 : -EIO;
    finding_init(&f);
    vault_read_sha256(r, &sha);
    if (detect_client_known(k->detect, &sha, &f) == 1) {
        rc = conclude(k, &s->ref, &f) == 0 ? 1 : -EIO;
    } else {
        rc = detect_batch_add(b, vault_read_size(r), &where, ++k->next_id);
        if (rc == -E2BIG) {
            rc = give_up(k, &s->ref, REASON_SIZE) == 0 ? 1 : -EIO;
        } else if (rc == -EAGAIN) {
            rc = 0;
        } else if (rc == 0 && (j = calloc(1, sizeof(*j))) != NULL) {
            j->cookie = k->next_id;
            j->job = s->job;
            j->ref = s->ref;
            j->next = k->scans;
            k->scans = j;
            k->scans_out++;
            /* what cannot be read is scanned as what it is not: the job says damaged instead */
            rc = fill(r, where, vault_read_size(r)) == 0 ? 1 : (j->job = 0, 1);
        }
    }
    finding_done(&f);
    vault_read_close(r);
    return rc;
}

/* No engine has tried it: the attempt does not count. */
static void unclaim(struct keeper *k, uint64_t job)
{
    if (catalog_scan_unclaim(k->catalog, job) != 0)
        log_warn("a scan job could not be put back; its lease ends by itself");
}

/* The engine did not take the batch: nothing of it will be answered. */
static void forget_jobs(struct keeper *k, uint64_t after)
{
    for (struct scan_job **at = &k->scans; *at != NULL;) {
        struct scan_job *j = *at;

        if (j->cookie <= after) {
            at = &j->next;
            continue;
        }
        if (j->job != 0)
            unclaim(k, j->job);
        *at = j->next;
        k->scans_out--;
        free(j);
    }
}

static bool next_batch(struct keeper *k)
{
    uint64_t before = k->next_id;
    struct catalog_scan jobs[CLAIM_MAX];
    struct detect_batch *b = NULL;
    unix_time now = clock_now();
    size_t n = 0, i;
    int rc;

    if (catalog_scan_claim(k->catalog, now, now + LEASE_SECONDS, jobs, CLAIM_MAX, &n) != 0 ||
        n == 0)
        return false;
    if (detect_batch_new(&b) != 0)
        n = 0;
    for (i = 0; i < n; i++) {
        rc = add_job(k, b, &jobs[i]);
        if (rc == 0) /* full: the rest waits for another batch */
            break;
        if (rc < 0)
            log_warn("a file could not be given to the engine", "why", strerror(-rc));
    }
    for (; i < n; i++)
        unclaim(k, jobs[i].job);
    if (b != NULL && detect_batch_count(b) > 0) {
        if (detect_client_submit(k->detect, b) == 0)
            return true;
        forget_jobs(k, before);
        n = 0;
    }
    detect_batch_free(b);
    return n > 0;
}

/* --- out of the engine --- */

static struct scan_job *take_job(struct keeper *k, uint64_t cookie)
{
    for (struct scan_job **at = &k->scans; *at != NULL; at = &(*at)->next)
        if ((*at)->cookie == cookie) {
            struct scan_job *j = *at;

            *at = j->next;
            k->scans_out--;
            return j;
        }
    return NULL;
}

static void take_results(struct keeper *k)
{
    struct detect_result r;
    struct scan_job *j;
    int rc;

    finding_init(&r.finding);
    while (detect_client_next(k->detect, &r) == 1) {
        if ((j = take_job(k, r.cookie)) == NULL)
            continue;
        if (r.finding.verdict == VERDICT_INCOMPLETE && r.finding.reason == REASON_ENGINE)
            rc =
                catalog_scan_release(k->catalog, j->job); /* another engine, at most ATTEMPTS_MAX */
        else if (j->job == 0)
            rc = give_up(k, &j->ref, REASON_DAMAGED);
        else
            rc = conclude(k, &j->ref, &r.finding);
        if (rc != 0)
            log_warn("a finding could not be logged; the file is scanned again", "why",
                     strerror(-rc));
        free(j);
    }
    finding_done(&r.finding);
}

/* The leaf that says which rules serve, once for each release. */
static void log_rules(struct keeper *k)
{
    struct digest release = detect_client_release(k->detect);
    struct note_rules n;
    struct leaf_builder b;
    struct buf have, *note;
    struct act *a;
    bool same;

    buf_init(&have, 32);
    same = catalog_value_get(k->catalog, "rules.loaded", &have) == 0 && have.len == 32 &&
           memcmp(have.data, release.b, 32) == 0;
    buf_free(&have);
    k->rules_logged = true;
    if (same || (a = keeper_act_new()) == NULL)
        return;
    leaf_begin(&b, LK_RULES_LOADED, clock_now(), k->c->site);
    leaf_set_digest(&b, LF_RELEASE, &release);
    leaf_set_text(&b, LF_ENGINE, detect_client_engine(k->detect));
    leaf_set_int(&b, LF_RULES, detect_client_rules(k->detect));
    n.release = release;
    (void)snprintf(n.engine, sizeof(n.engine), "%s", detect_client_engine(k->detect));
    note = keeper_act_note_new(a, NULL, 0);
    if (keeper_act_leaf(a, &b) == 0 && note != NULL && keeper_note_put_rules(note, &n) == 0)
        keeper_group_add(k, a);
    else
        keeper_act_free(a);
}

void keeper_scan_close(struct keeper *k)
{
    struct scan_job *j;

    while ((j = k->scans) != NULL) {
        k->scans = j->next;
        free(j);
    }
}

void keeper_scan_step(struct keeper *k, mono_ms now)
{
    if (k->detect == NULL || k->stopped != 0)
        return;
    detect_client_step(k->detect, now);
    take_results(k);
    if (detect_client_state(k->detect) != DETECT_READY) {
        if (!k->asked_engine && detect_client_wants_engine(k->detect, now) &&
            msg_send(k->control, PX_WANT_ENGINE, 0, span_of(NULL, 0), NULL) == 0)
            k->asked_engine = true;
        return;
    }
    if (!k->rules_logged) {
        log_rules(k);
        return; /* the leaf comes before the first scan.done */
    }
    while (now >= k->scan_due && detect_client_counts(k->detect).in_flight < BATCHES)
        if (!next_batch(k))
            k->scan_due = now + IDLE_MS;
}

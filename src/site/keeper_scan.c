/* keeper_scan.c - the scan queue meets the line of engines.  Jobs of one submitter form a batch;
 * the plaintext is written straight from the vault's verified chunks into the batch's sealed
 * memory; each finding becomes a scan.done leaf, and what the file held a record sealed beside it.
 * What the vault cannot read or no engine takes is INCOMPLETE with its reason.
 *
 * Not everything is scanned: a file in a hash set has its verdict at once, and so has one whose
 * bytes the same engines have judged by the same rules for another submission of the account. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "detect/tree.h"
#include "site/keeper_intake.h"
#include "site/keeper_lines.h"
#include "site/keeper_notes.h"

#define CLAIM_MAX 64
#define LEASE_SECONDS 3600 /* longer than a batch may take: file_ms for each file and engine */
#define IDLE_MS 200
#define BATCHES 4 /* on their way; more would only hold plaintext in memory */
#define ATTEMPTS_MAX 3

/* A cookie of a batch names a job by its ref, kept here until the finding comes. */
struct scan_job {
    struct scan_job *next;
    uint64_t cookie, job;
    struct id128 ref;
    bool damaged; /* what could be read of it is not what it is */
};

/* What is concluded about a file, by which engines and rules. */
struct judged {
    const char *label;
    struct digest release;
    const struct finding *finding;
    struct span tree; /* empty: it held nothing, or nobody looked */
};

static int scan_leaf(struct keeper *k, struct act *a, const struct id128 *ref,
                     const struct judged *g, const struct slot_blob *blob, unix_time now)
{
    const struct finding *f = g->finding;
    struct leaf_builder b;
    uint8_t salt[32];

    keeper_salt(blob->seed, LK_SCAN_DONE, LF_SEALED_NAMES, span_of(g->release.b, 32), salt);
    leaf_begin(&b, LK_SCAN_DONE, now, k->c->site);
    leaf_set_id(&b, LF_REF, ref);
    leaf_set_text(&b, LF_WORKER_SITE, k->c->site);
    leaf_set_text(&b, LF_ENGINE, g->label);
    leaf_set_digest(&b, LF_RELEASE, &g->release);
    leaf_set_text(&b, LF_VERDICT, verdict_word(f->verdict));
    leaf_set_text(&b, LF_REASON, verdict_reason_word(f->reason));
    leaf_set_int(&b, LF_HITS, f->hits);
    leaf_set_sealed(&b, LF_SEALED_NAMES, salt, buf_span(&f->names));
    return keeper_act_leaf(a, &b);
}

static enum catalog_verdict_word word_of(enum verdict v)
{
    return v == VERDICT_MALICIOUS ? CATALOG_MALICIOUS
           : v == VERDICT_CLEAN   ? CATALOG_CLEAN
                                  : CATALOG_INCOMPLETE;
}

static int scan_notes(struct act *a, const struct id128 *ref, const struct judged *g, unix_time now)
{
    const struct finding *f = g->finding;
    struct note_tree t = {*ref, g->tree};
    struct note_scan n;
    struct buf *out = keeper_act_note_new(a, ref, 0);
    int rc;

    memset(&n, 0, sizeof(n));
    n.row.ref = *ref;
    (void)snprintf(n.row.engine, sizeof(n.row.engine), "%s", g->label);
    n.row.release = g->release;
    n.row.verdict = word_of(f->verdict);
    (void)snprintf(n.row.reason, sizeof(n.row.reason), "%s", verdict_reason_word(f->reason));
    n.row.hits = f->hits;
    n.row.at = now;
    n.names = buf_span(&f->names);
    rc = out == NULL ? -ENOMEM : keeper_note_put_scan(out, &n);
    if (rc != 0)
        return rc;
    /* also an empty one: it replaces what an earlier scan said */
    out = keeper_act_note_new(a, ref, -1);
    return out == NULL ? -ENOMEM : keeper_note_put_tree(out, &t);
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
static int conclude(struct keeper *k, const struct id128 *ref, const struct judged *g)
{
    const struct finding *f = g->finding;
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
    if (rc == 0 && (rc = scan_leaf(k, a, ref, g, &blob, now)) == 0)
        rc = scan_notes(a, ref, g, now);
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

static int conclude_by(struct keeper *k, const struct detect_line *l, const struct id128 *ref,
                       const struct finding *f, struct span tree)
{
    struct judged g = {detect_line_label(l), detect_line_release(l), f, tree};

    return conclude(k, ref, &g);
}

static int give_up(struct keeper *k, const struct detect_line *l, const struct id128 *ref,
                   enum verdict_reason why)
{
    struct finding f;
    int rc;

    finding_init(&f);
    finding_incomplete(&f, why);
    rc = conclude_by(k, l, ref, &f, span_of(NULL, 0));
    finding_done(&f);
    return rc;
}

/* --- what is known already --- */

/* Another submission's record, which is under the key of its slot. */
static int unseal(struct keeper *k, const struct id128 *ref, const struct buf *sealed,
                  struct buf *out)
{
    int rc;

    if (sealed->len < VAULT_SEAL_EXTRA)
        return -EBADMSG;
    if ((rc = buf_reserve(out, sealed->len)) != 0 ||
        (rc = vault_unseal_text(k->vault, ref, buf_span(sealed), out->data)) != 0)
        return rc;
    out->len = sealed->len - VAULT_SEAL_EXTRA;
    return 0;
}

static int finding_of_row(struct finding *f, const struct catalog_verdict *v, struct span names)
{
    struct span one[VERDICT_NAMES_MAX];
    enum verdict_reason why;
    size_t n = 0;
    int rc = 0;

    if (v->verdict == CATALOG_CLEAN)
        return 0;
    if (v->verdict == CATALOG_INCOMPLETE) {
        if ((rc = verdict_reason_of_word(span_str(v->reason), &why)) == 0)
            finding_incomplete(f, why);
        return rc;
    }
    while (names.n > 0 && n < VERDICT_NAMES_MAX) {
        const uint8_t *end = memchr(names.p, '\n', names.n);

        one[n] = span_of(names.p, end != NULL ? (size_t)(end - names.p) : names.n);
        names = span_of(names.p + one[n].n + (end != NULL), names.n - one[n].n - (end != NULL));
        n++;
    }
    if ((rc = finding_malicious(f, one, n)) == 0)
        f->hits = v->hits;
    return rc;
}

/* What an engine could not do once it may be able to do now. */
static bool worth_another(const struct catalog_verdict *v)
{
    return strcmp(v->reason, "engine") == 0 || strcmp(v->reason, "crash") == 0 ||
           strcmp(v->reason, "time") == 0 || strcmp(v->reason, "damaged") == 0;
}

/* The verdict's names, which stand behind the index of its leaf, and the tree. */
static int read_judged(struct keeper *k, const struct catalog_verdict *v, const struct buf *sealed,
                       struct buf *names, struct buf *tree)
{
    struct buf other;
    int rc;

    if ((rc = unseal(k, &v->ref, sealed, names)) != 0 || names->len < 8)
        return rc != 0 ? rc : -EBADMSG;
    buf_init(&other, CATALOG_TREE_MAX);
    rc = catalog_tree_get(k->catalog, &v->ref, &other);
    if (rc == 0)
        rc = unseal(k, &v->ref, &other, tree);
    buf_free(&other);
    return rc == -ENOENT ? 0 : rc; /* it held nothing */
}

/* The same bytes of the same account were judged by the same rules: the verdict is logged for this
 * submission too.  Not what was judged for others: who takes over the child that scans his own
 * files, this one among them, would else decide what everybody is told of it. */
static bool judged_before(struct keeper *k, const struct detect_line *l,
                          const struct catalog_scan *s)
{
    struct digest release = detect_line_release(l);
    struct catalog_verdict v;
    struct finding f;
    struct buf sealed, names, tree;
    int rc;

    finding_init(&f);
    buf_init(&sealed, 8 + CATALOG_SEALED_MAX + VAULT_SEAL_EXTRA);
    buf_init(&names, 8 + CATALOG_SEALED_MAX + VAULT_SEAL_EXTRA);
    buf_init(&tree, CATALOG_TREE_MAX);
    rc = catalog_verdict_of_object(k->catalog, &s->object, &s->ref, detect_line_label(l), &release,
                                   &v, &sealed);
    if (rc == 0 && worth_another(&v))
        rc = -ENOENT;
    if (rc == 0)
        rc = read_judged(k, &v, &sealed, &names, &tree);
    if (rc == 0)
        rc = finding_of_row(&f, &v, span_of(names.data + 8, names.len - 8));
    if (rc == 0)
        rc = conclude_by(k, l, &s->ref, &f, buf_span(&tree));
    k->n.scans_spared += rc == 0;
    finding_done(&f);
    buf_free(&sealed);
    buf_free(&names);
    buf_free(&tree);
    return rc == 0; /* whatever went wrong: it is scanned */
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

/* Reads one into the batch.  1, 0: the batch is full, <0: errno. */
static int put_job(struct keeper *k, struct detect_batch *b, const struct catalog_scan *s,
                   struct vault_read *r)
{
    struct scan_job *j = calloc(1, sizeof(*j));
    void *where;
    int rc = j == NULL ? -ENOMEM : detect_batch_add(b, vault_read_size(r), &where, k->next_id + 1);

    if (rc != 0) {
        free(j);
        return rc == -EAGAIN ? 0 : rc;
    }
    j->cookie = ++k->next_id;
    j->job = s->job;
    j->ref = s->ref;
    j->next = k->lines->jobs;
    k->lines->jobs = j;
    j->damaged = fill(r, where, vault_read_size(r)) != 0;
    return 1;
}

/* 1: it is in the batch (or settled without); 0: the batch is full; <0: errno. */
static int add_job(struct keeper *k, struct detect_line *l, struct detect_batch *b,
                   const struct catalog_scan *s)
{
    struct vault_read *r = NULL;
    struct finding f;
    struct digest sha;
    struct err e = ERR_INIT;
    int rc;

    if (s->attempts > ATTEMPTS_MAX)
        return give_up(k, l, &s->ref, REASON_ENGINE) == 0 ? 1 : -EIO;
    rc = vault_read_open(&r, k->vault, &s->ref, &e);
    if (rc == -ENOENT)
        return catalog_scan_done(k->catalog, s->job) == 0 ? 1 : -EIO;
    if (rc != 0)
        return give_up(k, l, &s->ref, REASON_DAMAGED) == 0 ? 1 : -EIO;
    finding_init(&f);
    vault_read_sha256(r, &sha);
    if (detect_line_known(l, &sha, &f) == 1)
        rc = conclude_by(k, l, &s->ref, &f, span_of(NULL, 0)) == 0 ? 1 : -EIO;
    else if (judged_before(k, l, s))
        rc = 1;
    else if ((rc = put_job(k, b, s, r)) == -E2BIG)
        rc = give_up(k, l, &s->ref, REASON_SIZE) == 0 ? 1 : -EIO;
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

/* The line did not take the batch: nothing of it will be answered. */
static void forget_jobs(struct keeper *k, uint64_t after)
{
    for (struct scan_job **at = &k->lines->jobs; *at != NULL;) {
        struct scan_job *j = *at;

        if (j->cookie <= after) {
            at = &j->next;
            continue;
        }
        unclaim(k, j->job);
        *at = j->next;
        free(j);
    }
}

static bool next_batch(struct keeper *k, struct detect_line *l)
{
    uint64_t before = k->next_id;
    struct catalog_scan jobs[CLAIM_MAX];
    struct detect_batch *b = NULL;
    unix_time now = clock_now();
    size_t n = 0, i;
    int rc;

    if (catalog_scan_claim(k->catalog, now, now + LEASE_SECONDS, k->lines->turn, jobs, CLAIM_MAX,
                           &n) != 0 ||
        n == 0)
        return false;
    if (detect_batch_new(&b) != 0)
        n = 0;
    for (i = 0; i < n; i++) {
        rc = add_job(k, l, b, &jobs[i]);
        if (rc == 0) /* full: the rest waits for another batch */
            break;
        if (rc < 0)
            log_warn("a file could not be given to the engines", "why", strerror(-rc));
    }
    for (; i < n; i++)
        unclaim(k, jobs[i].job);
    if (b != NULL && detect_batch_count(b) > 0) {
        if (detect_line_submit(l, b) == 0)
            return true;
        forget_jobs(k, before);
        n = 0;
    }
    detect_batch_free(b);
    return n > 0;
}

/* --- out of the line --- */

static struct scan_job *take_job(struct keeper *k, uint64_t cookie)
{
    for (struct scan_job **at = &k->lines->jobs; *at != NULL; at = &(*at)->next)
        if ((*at)->cookie == cookie) {
            struct scan_job *j = *at;

            *at = j->next;
            return j;
        }
    return NULL;
}

void keeper_scan_results(struct keeper *k, struct detect_line *l)
{
    struct detect_line_result r;
    struct scan_job *j;
    int rc;

    detect_line_result_init(&r);
    while (detect_line_next(l, &r) == 1) {
        if ((j = take_job(k, r.cookie)) == NULL)
            continue;
        if (r.lost)
            rc = catalog_scan_release(k->catalog, j->job); /* once more, at most ATTEMPTS_MAX */
        else if (j->damaged)
            rc = give_up(k, l, &j->ref, REASON_DAMAGED);
        else
            rc = conclude_by(k, l, &j->ref, &r.finding, buf_span(&r.tree));
        if (rc != 0)
            log_warn("a finding could not be logged; the file is scanned again", "why",
                     strerror(-rc));
        k->n.members += r.members;
        free(j);
    }
    detect_line_result_done(&r);
}

size_t keeper_scan_out(const struct keeper *k)
{
    size_t n = 0;

    for (const struct scan_job *j = k->lines == NULL ? NULL : k->lines->jobs; j != NULL;
         j = j->next)
        n++;
    return n;
}

void keeper_scan_close(struct keeper *k)
{
    struct scan_job *j;

    while (k->lines != NULL && (j = k->lines->jobs) != NULL) {
        k->lines->jobs = j->next;
        free(j);
    }
    keeper_lines_close(k);
}

void keeper_scan_step(struct keeper *k, mono_ms now)
{
    struct scan_line *s;

    if (k->lines == NULL || k->stopped != 0)
        return;
    keeper_lines_step(k, now);
    s = &k->lines->line[k->lines->now];
    if (detect_line_state(s->line) != DETECT_READY || !s->logged)
        return;
    while (now >= k->lines->due && detect_line_in_flight(s->line) < BATCHES)
        if (!next_batch(k, s->line))
            k->lines->due = now + IDLE_MS;
}

/* keeper_scan.c - the scan queue meets the line of engines.  Jobs of one submitter form a batch;
 * the plaintext is written straight from the vault's verified chunks into the batch's sealed
 * memory; what comes of it is keeper_verdict.c's.  What the vault cannot read or no engine takes is
 * INCOMPLETE with its reason; a file in a hash set has its verdict at once. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "site/keeper_lines.h"
#include "site/keeper_verdict.h"

#define CLAIM_MAX 64
#define LEASE_SECONDS 3600 /* longer than a batch may take: file_ms for each file and engine */
#define IDLE_MS 200
#define BATCHES 4 /* on their way; more would only hold plaintext in memory */
#define ATTEMPTS_MAX 3

/* A cookie of a batch names a job by its ref, kept here until the finding comes. */
struct scan_job {
    struct scan_job *next;
    uint64_t cookie, job; /* job 0: scanned again (keeper_rescan.c) */
    struct id128 ref;
    bool damaged; /* what could be read of it is not what it is */
};

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

int keeper_scan_add(struct keeper *k, struct detect_line *l, struct detect_batch *b,
                    const struct catalog_scan *s)
{
    struct vault_read *r = NULL;
    struct finding f;
    struct digest sha;
    struct err e = ERR_INIT;
    int rc;

    if (s->attempts > ATTEMPTS_MAX)
        return keeper_verdict_give_up(k, l, &s->ref, s->job == 0, REASON_ENGINE) == 0 ? 1 : -EIO;
    rc = vault_read_open(&r, k->vault, &s->ref, &e);
    if (rc == -ENOENT)
        return catalog_scan_done(k->catalog, s->job) == 0 ? 1 : -EIO;
    if (rc != 0)
        return keeper_verdict_give_up(k, l, &s->ref, s->job == 0, REASON_DAMAGED) == 0 ? 1 : -EIO;
    finding_init(&f);
    vault_read_sha256(r, &sha);
    if (detect_line_known(l, &sha, &f) == 1)
        rc = keeper_verdict(k, l, &s->ref, s->job == 0, &f, span_of(NULL, 0)) == 0 ? 1 : -EIO;
    else if (keeper_verdict_spared(k, l, s))
        rc = 1;
    else if ((rc = put_job(k, b, s, r)) == -E2BIG)
        rc = keeper_verdict_give_up(k, l, &s->ref, s->job == 0, REASON_SIZE) == 0 ? 1 : -EIO;
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

void keeper_scan_forget(struct keeper *k, uint64_t after)
{
    for (struct scan_job **at = &k->lines->jobs; *at != NULL;) {
        struct scan_job *j = *at;

        if (j->cookie <= after) {
            at = &j->next;
            continue;
        }
        if (j->job != 0)
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
        rc = keeper_scan_add(k, l, b, &jobs[i]);
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
        keeper_scan_forget(k, before);
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
        if (r.lost) /* once more, at most ATTEMPTS_MAX */
            rc = j->job == 0 ? 0 : catalog_scan_release(k->catalog, j->job);
        else if (j->damaged)
            rc = keeper_verdict_give_up(k, l, &j->ref, j->job == 0, REASON_DAMAGED);
        else
            rc = keeper_verdict(k, l, &j->ref, j->job == 0, &r.finding, buf_span(&r.tree));
        if (rc != 0)
            log_warn("a finding could not be logged; the file is scanned again", "why",
                     strerror(-rc));
        k->n.members += r.members;
        if (j->job == 0)
            keeper_rescan_result(k, r.lost, rc != 0);
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
    if (now < k->lines->due && detect_line_in_flight(s->line) < BATCHES)
        keeper_rescan_step(k, s->line, now); /* no new file waits */
}

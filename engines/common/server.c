/* server.c - the engine's event loop.
 *
 * A job is one SCAN.  It waits, then has a child; when the child ends before the last file, the
 * file it was at is INCOMPLETE and a new child takes up behind it.  Verdicts are told in the order
 * of the batch, from the child's sheet, every TICK while it runs and when it ends.
 *
 * An engine that opens containers has one child a job, which writes members into the job's arena.
 * When it has ended, whatever way, the arena is sealed and told, and the job with it: the files the
 * child did not come to are the client's to send again. */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "child.h"
#include "scratch.h"

#define JOBS_MAX 64 /* more in flight is the client's breach */
#define TICK 20     /* ms */
#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)

struct job {
    struct job *next;
    uint64_t id;
    struct detect_scan scan;
    int batch;
    uint64_t size;
    struct proc proc;
    struct sheet *sheet;
    uint32_t serial; /* of the child */
    int part;        /* of the scratch room; -1: none */
    uint32_t from;   /* the first file of this child */
    uint32_t done;   /* files with an outcome that we know of */
    uint32_t told;   /* verdicts sent */
    mono_ms since;   /* when the file it is at began */
    mono_ms began;   /* the first child; 0: none yet */
    int arena;       /* memfd for members; -1: none */
    uint64_t used;   /* of it, once its child has ended */
    uint32_t members;
    bool ended; /* the one child of an arena has had its turn */
    bool late;  /* killed for time */
    struct {
        uint8_t reason; /* INCOMPLETE by the server's judgement; REASON_NONE: the sheet's */
        uint32_t serial;
    } file[DETECT_BATCH_FILES];
    struct outcome *outcome; /* copies: the sheet goes with its child */
};

struct server {
    const struct server_spec *spec;
    struct job *jobs, **last; /* in order of arrival */
    uint32_t count, running, serial;
    struct scratch scratch;
};

/* --- jobs --- */

static void job_free(struct job *j)
{
    proc_end_now(&j->proc);
    child_unmap(j->sheet);
    io_close(&j->batch);
    io_close(&j->arena);
    free(j->outcome);
    free(j);
}

static int check_batch(const struct job *j)
{
    struct stat st;
    int seals = fcntl(j->batch, F_GET_SEALS);

    if (seals < 0 || (seals & SEALS) != SEALS || fstat(j->batch, &st) != 0)
        return -EPROTO;
    for (uint32_t i = 0; i < j->scan.n; i++)
        if (j->scan.file[i].offset > (uint64_t)st.st_size ||
            j->scan.file[i].size > (uint64_t)st.st_size - j->scan.file[i].offset)
            return -EPROTO;
    return 0;
}

/* Takes the message's descriptor. */
static int job_new(struct job **out, struct msg *m)
{
    struct job *j = calloc(1, sizeof(*j));
    struct stat st;
    int rc;

    if (j == NULL)
        return -ENOMEM;
    j->proc.pid = j->proc.pidfd = -1;
    j->arena = j->part = -1;
    j->batch = msg_take_fd(m, 0);
    j->id = m->id;
    rc = protocol_get_scan(m->body, &j->scan);
    if (rc == 0)
        rc = check_batch(j);
    if (rc == 0 && fstat(j->batch, &st) == 0)
        j->size = (uint64_t)st.st_size;
    if (rc == 0 && (j->outcome = calloc(j->scan.n, sizeof(*j->outcome))) == NULL)
        rc = -ENOMEM;
    if (rc != 0) {
        job_free(j);
        return rc;
    }
    *out = j;
    return 0;
}

/* --- children --- */

static int arena_new(int *out, uint64_t size)
{
    int fd = memfd_create("members", MFD_CLOEXEC | MFD_ALLOW_SEALING), rc;

    if (fd < 0)
        return -errno;
    if (ftruncate(fd, (off_t)size) != 0) {
        rc = -errno;
        io_close(&fd);
        return rc;
    }
    *out = fd;
    return 0;
}

/* The child that wrote it is dead: from here on nobody can change it. */
static int arena_seal(struct job *j)
{
    if (ftruncate(j->arena, (off_t)j->used) != 0 ||
        fcntl(j->arena, F_ADD_SEALS, SEALS | F_SEAL_SEAL) != 0)
        return -errno;
    return 0;
}

static int start_child(struct server *s, struct job *j)
{
    struct child_job c = {s->spec->rules, s->spec->door, j->batch, j->size,
                          &j->scan,       j->done,       NULL,     -1};
    char folder[SCRATCH_PATH];
    int rc = 0;

    if (rules_traits.scratch_bytes != 0) {
        j->part = scratch_take(&s->scratch, s->spec->children, folder);
        if (j->part < 0)
            return j->part;
        c.scratch = folder;
    }
    if (rules_traits.members) {
        rc = arena_new(&j->arena, rules_arena_size(s->spec->rules));
        c.arena = j->arena;
    }
    if (rc == 0)
        rc = child_start(&j->proc, &j->sheet, &c);
    if (rc != 0)
        return rc;
    j->serial = ++s->serial;
    j->from = j->done;
    j->since = clock_mono();
    if (j->began == 0)
        j->began = j->since;
    j->late = false;
    s->running++;
    return 0;
}

/* A child's word, made harmless: kept in bounds, verdict and reason that fit together. */
static void believe(struct outcome *to, const struct outcome *from, uint32_t rules)
{
    *to = *from;
    if (to->verdict > VERDICT_MALICIOUS || to->reason >= REASONS || to->kept > VERDICT_NAMES_MAX ||
        to->hits < to->kept || to->hits > rules ||
        (to->verdict == VERDICT_MALICIOUS) != (to->kept > 0) ||
        (to->verdict == VERDICT_INCOMPLETE) != (to->reason != REASON_NONE))
        goto lie;
    for (uint32_t i = 0; i < to->kept; i++)
        if (to->rank[i] >= rules || (i > 0 && to->rank[i] <= to->rank[i - 1]))
            goto lie;
    return;
lie:
    memset(to, 0, sizeof(*to));
    to->verdict = VERDICT_INCOMPLETE;
    to->reason = REASON_CRASH;
}

static void take_outcomes(struct server *s, struct job *j, mono_ms now)
{
    uint32_t done = atomic_load_explicit(&j->sheet->done, memory_order_acquire);

    if (done <= j->done || done > j->scan.n)
        return;
    for (; j->done < done; j->done++) {
        j->file[j->done].reason = REASON_NONE;
        j->file[j->done].serial = j->serial;
        believe(&j->outcome[j->done], &j->sheet->file[j->done], rules_ranks(s->spec->rules));
    }
    j->since = now;
}

static bool out_of_time(const struct job *j, mono_ms now)
{
    return now - j->began > (mono_ms)j->scan.total;
}

/* Why the file it was at has no verdict. */
static enum verdict_reason judge(const struct job *j, const struct proc_last *why)
{
    if (j->late)
        return REASON_TIME;
    if (why->end == PROC_SIGNALED && why->code == SIGKILL)
        return REASON_SIZE; /* the kernel, for want of memory */
    if (why->end == PROC_EXITED && why->code == CHILD_BAD_JAIL)
        return REASON_ENGINE;
    return REASON_CRASH;
}

/* What a child left is no other's business. */
static int clear_up(struct server *s, struct job *j)
{
    int rc = j->part < 0 ? 0 : scratch_give_back(&s->scratch, j->part);

    j->part = -1;
    if (rc != 0)
        log_warn("what a child left cannot be removed; the engine begins anew");
    return rc;
}

static int child_ended(struct server *s, struct job *j, const struct proc_last *why, mono_ms now)
{
    int rc;

    take_outcomes(s, j, now);
    j->members = atomic_load(&j->sheet->members);
    j->used = atomic_load(&j->sheet->used);
    child_unmap(j->sheet);
    j->sheet = NULL;
    j->ended = true;
    s->running--;
    if ((rc = clear_up(s, j)) != 0 || j->done == j->scan.n)
        return rc;
    if (why->end == PROC_EXITED && why->code == CHILD_FULL && rules_traits.members &&
        j->done > j->from)
        return 0;
    /* only one that got on may ask for a successor: no loop */
    if (why->end == PROC_EXITED && why->code == CHILD_SPENT && j->done > j->from)
        return 0;
    j->file[j->done].reason = (uint8_t)judge(j, why);
    j->file[j->done].serial = j->serial;
    j->done++; /* never tried again */
    /* the time of all together is over: those behind it have had none */
    for (; j->done < j->scan.n && out_of_time(j, now); j->done++) {
        j->file[j->done].reason = REASON_TIME;
        j->file[j->done].serial = j->serial;
    }
    return 0;
}

/* --- telling --- */

static int tell_one(struct server *s, struct job *j, struct buf *body)
{
    struct span names[VERDICT_NAMES_MAX];
    const struct outcome *o = &j->outcome[j->told];
    struct detect_answer a = {.index = j->told, .child = j->file[j->told].serial};
    int rc = 0;

    finding_init(&a.finding);
    if (j->file[j->told].reason != REASON_NONE)
        finding_incomplete(&a.finding, (enum verdict_reason)j->file[j->told].reason);
    else if (o->verdict == VERDICT_INCOMPLETE)
        finding_incomplete(&a.finding, (enum verdict_reason)o->reason);
    else if (o->verdict == VERDICT_MALICIOUS) {
        for (uint32_t i = 0; i < o->kept; i++)
            names[i] = span_str(rules_name(s->spec->rules, o->rank[i]));
        rc = finding_malicious(&a.finding, names, o->kept);
        a.finding.hits = o->hits;
    }
    buf_reset(body);
    if (rc == 0)
        rc = protocol_put_answer(body, &a);
    finding_done(&a.finding);
    return rc != 0 ? rc : msg_send(s->spec->chan, DETECT_VERDICT, j->id, buf_span(body), NULL);
}

static int tell(struct server *s, struct job *j, struct buf *body)
{
    int rc = 0;

    while (j->told < j->done && (rc = tell_one(s, j, body)) == 0)
        j->told++;
    return rc == -EAGAIN ? 0 : rc;
}

/* Ends the job: 1, or 0 if the client does not read now. */
static int tell_members(struct server *s, struct job *j, struct buf *body)
{
    struct detect_members m = {.next = j->done};
    uint64_t room = rules_arena_size(s->spec->rules);
    int rc;

    /* a child that lies about its arena has none; the client looks at the table itself */
    if (j->used > room || j->members > DETECT_MEMBERS_MAX ||
        j->used < (uint64_t)j->members * sizeof(struct detect_member))
        j->used = j->members = 0;
    m.count = j->members;
    m.size = j->used;
    if ((rc = arena_seal(j)) != 0)
        return rc;
    buf_reset(body);
    if ((rc = protocol_put_members(body, &m)) == 0)
        rc = msg_send(s->spec->chan, DETECT_MEMBERS, j->id, buf_span(body), &j->arena);
    return rc == 0 ? 1 : rc == -EAGAIN ? 0 : rc;
}

/* --- the loop --- */

static int accept_batches(struct server *s, struct err *e)
{
    struct job *j = NULL;
    struct msg m;
    int rc;

    while ((rc = msg_recv(s->spec->chan, &m, e)) == 0) {
        if (s->count == JOBS_MAX)
            return err_set(e, -EPROTO, "the client has more than %d batches out", JOBS_MAX);
        if ((rc = job_new(&j, &m)) != 0)
            return err_set(e, rc, "the client's batch makes no sense");
        *s->last = j;
        s->last = &j->next;
        s->count++;
    }
    return rc == -EAGAIN ? 0 : rc;
}

/* One look at a job: outcomes, end, lateness, next child, verdicts.  1: all told. */
static int attend(struct server *s, struct job *j, struct buf *body, mono_ms now)
{
    struct proc_last why;
    int rc;

    if (j->proc.pidfd >= 0) {
        rc = proc_reap(&j->proc, false, &why);
        if (rc == 0)
            rc = child_ended(s, j, &why, now);
        if (rc != 0 && rc != -EAGAIN)
            return rc;
        if (rc == -EAGAIN) {
            take_outcomes(s, j, now);
            if (!j->late && (now - j->since > (mono_ms)j->scan.limit || out_of_time(j, now))) {
                j->late = true;
                (void)!proc_signal(&j->proc, SIGKILL);
            }
        }
    }
    if (j->proc.pidfd < 0 && j->done < j->scan.n && !(j->ended && rules_traits.members) &&
        s->running < s->spec->children && (rc = start_child(s, j)) != 0)
        return rc;
    if ((rc = tell(s, j, body)) != 0)
        return rc;
    if (j->proc.pidfd >= 0 || j->told < j->done)
        return 0;
    if (!rules_traits.members)
        return j->told == j->scan.n;
    return j->ended ? tell_members(s, j, body) : 0;
}

static int attend_all(struct server *s, struct buf *body)
{
    struct job **at = &s->jobs, *j;
    mono_ms now = clock_mono();

    while ((j = *at) != NULL) {
        int rc = attend(s, j, body, now);

        if (rc < 0)
            return rc;
        if (rc == 0) {
            at = &j->next;
            continue;
        }
        *at = j->next;
        if (s->last == &j->next)
            s->last = at;
        s->count--;
        job_free(j);
    }
    return 0;
}

static int wait_for_news(struct server *s)
{
    struct pollfd p[1 + JOBS_MAX];
    nfds_t n = 1;

    p[0].fd = msg_fd(s->spec->chan);
    p[0].events = POLLIN | (msg_wants_write(s->spec->chan) ? POLLOUT : 0);
    for (struct job *j = s->jobs; j != NULL; j = j->next)
        if (j->proc.pidfd >= 0) {
            p[n].fd = j->proc.pidfd;
            p[n++].events = POLLIN;
        }
    if (poll(p, n, s->running > 0 ? TICK : -1) < 0 && errno != EINTR)
        return -errno;
    return 0;
}

int server_run(const struct server_spec *spec, struct err *e)
{
    struct server s = {.spec = spec};
    struct buf body;
    int rc = 0;

    s.last = &s.jobs;
    buf_init(&body, MSG_BODY_MAX);
    while (rc == 0) {
        rc = msg_flush(spec->chan);
        if (rc == -EAGAIN)
            rc = 0;
        if (rc == 0)
            rc = accept_batches(&s, e);
        if (rc == 0)
            rc = attend_all(&s, &body);
        if (rc == 0)
            rc = wait_for_news(&s);
    }
    while (s.jobs != NULL) {
        struct job *j = s.jobs;

        s.jobs = j->next;
        job_free(j);
    }
    buf_free(&body);
    return rc == -EPIPE ? 0 : rc;
}

/* --- the proof --- */

/* All samples in one memory, and where each lies. */
static int make_samples(int *fd, uint64_t *size, struct detect_scan *scan, const struct rules *r)
{
    bool canary;

    *fd = memfd_create("sample", MFD_CLOEXEC);
    if (*fd < 0)
        return -errno;
    for (size_t i = 0; i < rules_traits.samples; i++) {
        struct span one = rules_sample(r, i, &canary);
        int rc = io_write_all(*fd, one.p, one.n);

        if (rc != 0)
            return rc;
        scan->file[scan->n].offset = *size;
        scan->file[scan->n++].size = one.n;
        *size += one.n;
    }
    return 0;
}

static int judge_samples(const struct sheet *sheet, const struct rules *r, struct err *e)
{
    bool canary;

    if (atomic_load(&sheet->done) != rules_traits.samples)
        return err_set(e, -EIO, "the known samples are not scanned to their end");
    for (size_t i = 0; i < rules_traits.samples; i++) {
        (void)rules_sample(r, i, &canary);
        if ((sheet->file[i].canary != 0) != canary)
            return err_set(e, -EIO,
                           "a known sample is %s from inside the jail (outcome \"%s\"): check "
                           "memory and the room for temporary files",
                           canary ? "not found" : "found where it is not",
                           sheet->file[i].reason < REASONS
                               ? verdict_reason_word((enum verdict_reason)sheet->file[i].reason)
                               : "?");
    }
    return 0;
}

int server_prove(const struct server_spec *spec, struct err *e)
{
    struct detect_scan scan = {.limit = 1, .total = 1};
    struct child_job job = {spec->rules, spec->door, -1, 0, &scan, 0, NULL, -1};
    struct proc p = PROC_NONE;
    struct sheet *sheet = NULL;
    struct proc_last why;
    struct scratch scratch = {{false}};
    char text[96], folder[SCRATCH_PATH];
    int rc = 0, rc2, part = -1;

    if (rules_traits.scratch_bytes != 0) {
        if ((part = scratch_take(&scratch, 1, folder)) < 0)
            return err_sys(e, part, "there is no room for temporary files");
        job.scratch = folder;
    }
    if (rules_traits.members)
        rc = arena_new(&job.arena, rules_arena_size(spec->rules));
    if (rc != 0 || (rc = make_samples(&job.batch, &job.size, &scan, spec->rules)) != 0 ||
        (rc = child_start(&p, &sheet, &job)) != 0) {
        rc = err_sys(e, rc, "cannot try a known sample");
        goto out;
    }
    if ((rc = proc_reap(&p, true, &why)) != 0)
        goto out;
    if (why.end != PROC_EXITED || why.code != 0)
        rc = err_set(e, -EIO, "the first child ended by %s", proc_last_text(&why, text));
    else
        rc = judge_samples(sheet, spec->rules, e);
out:
    if (part >= 0 && (rc2 = scratch_give_back(&scratch, part)) != 0 && rc == 0)
        rc = err_sys(e, rc2, "the room for temporary files cannot be emptied");
    child_unmap(sheet);
    io_close(&job.batch);
    io_close(&job.arena);
    return rc;
}

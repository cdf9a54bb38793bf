#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"

static void scan_one(struct rules *rules, uint32_t index, struct span file, struct outcome *o)
{
    struct rules_hits hits = {.rank = o->rank, .max = VERDICT_NAMES_MAX};
    enum verdict_reason reason;

#ifdef ENGINE_TEST_HOOK
    engine_test_hook(file);
#endif
    reason = rules_scan(rules, index, file, &hits);
    o->hits = hits.n;
    o->kept = hits.kept;
    o->canary = hits.canary;
    o->reason = REASON_NONE;
    if (hits.n > 0) { /* worst wins: what was found stands, whatever came after */
        o->verdict = VERDICT_MALICIOUS;
        return;
    }
    o->verdict = reason == REASON_NONE ? VERDICT_CLEAN : VERDICT_INCOMPLETE;
    o->reason = (uint32_t)reason;
}

/* Every descriptor goes, other submitters' batches among them; then every right. */
static bool close_in(const struct child_job *job)
{
    int folder;

    if (job->scratch == NULL)
        return jail_close_from(0, NULL, 0) == 0 && jail_close_in(job->door) == 0;
    if ((folder = open(job->scratch, O_PATH | O_CLOEXEC)) < 0)
        return false;
    /* too large a file is an error like a full file system, not a death */
    (void)signal(SIGXFSZ, SIG_IGN);
    /* The first three numbers stay taken, by a descriptor that nobody can read or write: libclamav
     * takes a file whose descriptor is 0 for one that is not there, and calls it clean. */
    for (int fd = 0; fd < 3; fd++)
        if (dup2(folder, fd) < 0)
            return false;
    return jail_close_from(3, NULL, 0) == 0 && jail_close_in_beneath(job->door, 0) == 0;
}

static bool map_arena(const struct child_job *job, struct rules_where *w)
{
    if (job->arena < 0)
        return true;
    w->arena_size = rules_arena_size(job->rules);
    w->arena = mmap(NULL, (size_t)w->arena_size, PROT_READ | PROT_WRITE, MAP_SHARED, job->arena, 0);
    return w->arena != MAP_FAILED;
}

/* Members that were taken out before the child dies in the middle of a file are scanned. */
static void told(const struct rules_where *w)
{
    struct sheet *sheet = w->arg;

    atomic_store_explicit(&sheet->used, w->used, memory_order_relaxed);
    atomic_store_explicit(&sheet->members, w->members, memory_order_relaxed);
#ifdef ENGINE_TEST_HOOK
    if (w->arena != NULL && w->used >= 10)
        engine_test_hook(span_of(w->arena + w->used - 10, 10)); /* "HOOK:crash" and the like */
#endif
}

static __attribute__((noreturn)) void run(const struct child_job *job, int sheet_fd)
{
    struct rules_where where = {.scratch = job->scratch};
    const uint8_t *batch = NULL;
    struct sheet *sheet;

    sheet = mmap(NULL, sizeof(*sheet), PROT_READ | PROT_WRITE, MAP_SHARED, sheet_fd, 0);
    if (job->size > 0)
        batch = mmap(NULL, (size_t)job->size, PROT_READ, MAP_PRIVATE, job->batch, 0);
    if (sheet == MAP_FAILED || batch == MAP_FAILED || !map_arena(job, &where) ||
        rules_child(job->rules, &where) != 0 || !close_in(job))
        _exit(CHILD_BAD_JAIL);
    where.told = told;
    where.arg = sheet;
    for (uint32_t i = job->first; i < job->scan->n; i++) {
        struct span file = span_of(batch != NULL ? batch + job->scan->file[i].offset : NULL,
                                   (size_t)job->scan->file[i].size);

        if (i > job->first && where.arena != NULL && !rules_arena_room(job->rules, &where))
            _exit(CHILD_FULL);
        scan_one(job->rules, i, file, &sheet->file[i]);
        told(&where);
#ifdef ENGINE_TEST_HOOK
        engine_test_lie(file, sheet, i);
#endif
        atomic_store_explicit(&sheet->done, i + 1, memory_order_release);
        if (sheet->file[i].reason == REASON_SIZE && where.arena == NULL)
            _exit(CHILD_SPENT);
    }
    _exit(0);
}

int child_start(struct proc *p, struct sheet **out, const struct child_job *job)
{
    struct sheet *s = MAP_FAILED;
    int fd = memfd_create("sheet", MFD_CLOEXEC), rc;

    if (fd < 0)
        return -errno;
    if (ftruncate(fd, sizeof(*s)) != 0 ||
        (s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED ||
        /* no other submitter's child may find this in its memory */
        madvise(s, sizeof(*s), MADV_DONTFORK) != 0) {
        rc = -errno;
        goto out;
    }
    atomic_store(&s->done, job->first);
    rc = proc_fork(p);
    if (rc == 1)
        run(job, fd);
    if (rc != 0)
        goto out;
    *out = s;
    s = MAP_FAILED;
out:
    if (s != MAP_FAILED)
        child_unmap(s);
    io_close(&fd);
    return rc;
}

void child_unmap(struct sheet *s)
{
    if (s != NULL)
        (void)munmap(s, sizeof(*s));
}

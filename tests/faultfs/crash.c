#include "crash.h"

#include <assert.h>
#include <string.h>

#include "scratch.h"

static const struct way {
    const char *name;
    struct disk_cut cut;
} ways[] = {
    {"nothing unsynced is kept", {DISK_NONE, DISK_NONE, 512, false, 0}},
    {"everything is kept", {DISK_ALL, DISK_ALL, 512, false, 0}},
    {"names are kept, bytes are not", {DISK_NONE, DISK_ALL, 512, false, 0}},
    {"bytes are kept, names are not", {DISK_ALL, DISK_NONE, 512, false, 0}},
    {"names are kept, bytes torn at 512, rubbish", {DISK_SOME, DISK_ALL, 512, true, 0}},
    /* with seeds: */
    {"torn at 512, names at random", {DISK_SOME, DISK_SOME, 512, false, 0}},
    {"torn at 4096, names in order", {DISK_SOME, DISK_PREFIX, 4096, false, 0}},
    {"all in order up to a moment", {DISK_PREFIX, DISK_PREFIX, 4096, false, 0}},
    {"only the newest bytes are kept", {DISK_LATE, DISK_ALL, 512, false, 0}},
};
#define FIXED 5
#define SEEDED 4

static char where[200];

char crash_dir[SCRATCH];

int crash_set_up(void **state)
{
    (void)state;
    scratch_make(crash_dir);
    return 0;
}

int crash_tear_down(void **state)
{
    (void)state;
    if (where[0] != '\0')
        print_error("%s\n", where);
    where[0] = '\0';
    calls_fail(0, 0, 0, 0);
    calls_watch(NULL);
    scratch_remove(crash_dir);
    return 0;
}

void crash_afresh(void)
{
    scratch_remove(crash_dir);
    scratch_make(crash_dir);
}

struct marks {
    struct calls_mark *m;
    size_t n, cap;
};

static void marks_add(struct marks *l, const struct calls_mark *m)
{
    if (l->n == l->cap) {
        l->cap = l->cap == 0 ? 256 : l->cap * 2;
        l->m = realloc(l->m, l->cap * sizeof(*l->m));
        assert_non_null(l->m);
    }
    l->m[l->n++] = *m;
}

struct looking {
    const struct crash_plan *plan;
    crash_check *check;
    void *arg;
    struct crash_tally *tally;
    struct marks marks;
};

static void look(struct looking *l, const struct disk *d, size_t i, const struct way *w,
                 uint64_t seed)
{
    struct disk_cut cut = w->cut;
    char dir[SCRATCH];

    cut.seed = seed;
    (void)snprintf(where, sizeof(where), "crash after step %zu; %s; seed %llu", i, w->name,
                   (unsigned long long)seed);
    scratch_make(dir);
    disk_cut(d, &cut, dir);
    l->tally->points++;
    l->tally->lossy += w != &ways[1] && disk_pending(d) > 0;
    l->check(dir, l->marks.m, l->marks.n, l->arg);
    scratch_remove(dir);
    where[0] = '\0';
}

/* All ways of losing at this moment. */
static void moment(struct looking *l, const struct disk *d, size_t i)
{
    l->tally->moments++;
    if (disk_pending(d) == 0) {
        look(l, d, i, &ways[0], 0);
        return;
    }
    for (size_t w = 0; w < FIXED; w++)
        look(l, d, i, &ways[w], i);
    for (unsigned s = 0; s < l->plan->seeds; s++)
        look(l, d, i, &ways[FIXED + (i + s) % SEEDED], l->plan->seed + i * 1000 + s);
}

void crash_enumerate(struct calls_trace *t, const struct crash_plan *plan, crash_check *check,
                     void *arg, struct crash_tally *tally)
{
    struct looking l = {.plan = plan, .check = check, .arg = arg, .tally = tally};
    struct disk *d = calls_trace_disk(t);

    for (size_t i = 0; i < calls_trace_steps(t); i++) {
        struct calls_mark m;

        calls_trace_step(t, i, d, &m);
        if (m.what >= 0)
            marks_add(&l.marks, &m);
        else if (i >= plan->from && i % plan->every == plan->first % plan->every)
            moment(&l, d, i);
    }
    disk_free(d);
    calls_trace_free(t);
    free(l.marks.m);
}

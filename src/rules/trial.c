#include "rules/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "crypto/sha256.h"
#include "detect/protocol.h"

#define BATCHES 4 /* in flight */
#define NOBODY 65534
#define END_MS 20000

struct trial {
    const struct release *release;
    uint64_t file_max;
    struct detect_line *line;
    struct proc proc[DETECT_LINE_ENGINES];
    size_t n;
};

/* --- starting --- */

static int start(struct trial *t, size_t i, const struct trial_spec *s, struct err *e)
{
    struct detect_engine_spec spec = {.uid = NOBODY, .gid = NOBODY};
    char path[4096];
    int sock = -1, rc;

    (void)snprintf(path, sizeof(path), "%s/glarus-engine-%s", s->programs, s->engines[i]);
    if (access(path, X_OK) != 0)
        (void)snprintf(path, sizeof(path), "%s/%s/glarus-engine-%s", s->programs, s->engines[i],
                       s->engines[i]);
    if (access(path, X_OK) != 0)
        return err_set(e, -ENOENT,
                       "there is no engine \"%s\" in \"%s\"; name the folder of the engines "
                       "(--programs)",
                       s->engines[i], s->programs);
    spec.path = path;
    if ((rc = detect_engine_start(&t->proc[i], &sock, &spec, e)) != 0)
        return rc;
    return detect_line_attach(t->line, i, sock, e);
}

/* Waits for what comes next of any engine. */
static void turn(struct trial *t, int ms)
{
    struct pollfd p[DETECT_LINE_ENGINES];
    mono_ms due = detect_line_due(t->line), now = clock_mono();

    for (size_t i = 0; i < t->n; i++)
        p[i] = (struct pollfd){.fd = detect_line_fd(t->line, i), .events = POLLIN};
    if (due - now < ms)
        ms = due > now ? (int)(due - now) : 0;
    (void)poll(p, t->n, ms);
    detect_line_step(t->line, clock_mono());
}

static int serve(struct trial *t, struct err *e)
{
    while (detect_line_state(t->line) == DETECT_STARTING)
        turn(t, 100);
    if (detect_line_state(t->line) == DETECT_READY)
        return 0;
    return err_set(e, -EBADMSG, "%s", detect_line_trouble(t->line));
}

int trial_open(struct trial **out, const struct release *r, const struct trial_spec *s,
               struct err *e)
{
    struct trial *t = calloc(1, sizeof(*t));
    int rc;

    if (t == NULL)
        return err_sys(e, -ENOMEM, "trying the rules");
    for (size_t i = 0; i < DETECT_LINE_ENGINES; i++)
        t->proc[i] = (struct proc)PROC_NONE;
    t->release = r;
    t->file_max = s->file_max != 0 ? s->file_max : TRIAL_FILE_MAX;
    rc = detect_line_new(&t->line, r, &s->limits, s->engines, s->n, e);
    for (; rc == 0 && t->n < s->n; t->n++)
        rc = start(t, t->n, s, e);
    if (rc == 0)
        rc = serve(t, e);
    if (rc != 0) {
        trial_close(t);
        return rc;
    }
    *out = t;
    return 0;
}

void trial_close(struct trial *t)
{
    if (t == NULL)
        return;
    detect_line_free(t->line);
    for (size_t i = 0; i < DETECT_LINE_ENGINES; i++)
        proc_end_now(&t->proc[i]);
    free(t);
}

static int ended(struct proc *p, uint64_t *cpu_us)
{
    struct pollfd wait = {.fd = p->pidfd, .events = POLLIN};
    mono_ms due = clock_mono() + END_MS, left;
    struct proc_last last;
    int rc = -EAGAIN;

    while (rc == -EAGAIN && (left = due - clock_mono()) > 0) {
        (void)poll(&wait, 1, (int)left);
        rc = proc_reap(p, false, &last);
    }
    if (rc == 0)
        *cpu_us += last.cpu_us;
    return rc == -EAGAIN ? -ETIMEDOUT : rc;
}

int trial_end(struct trial *t, uint64_t *cpu_us, struct err *e)
{
    int rc = 0;

    *cpu_us = 0;
    detect_line_free(t->line); /* an engine ends when nobody talks to it any more */
    t->line = NULL;
    for (size_t i = 0; i < DETECT_LINE_ENGINES && rc == 0; i++)
        if (t->proc[i].pidfd >= 0)
            rc = ended(&t->proc[i], cpu_us);
    if (rc != 0)
        (void)err_sys(e, rc, "waiting for an engine to end");
    trial_close(t);
    return rc;
}

struct digest trial_tree(const struct trial *t)
{
    return release_digest(t->release);
}

uint32_t trial_rules(const struct trial *t)
{
    return detect_line_rules(t->line);
}

const char *trial_engines(const struct trial *t)
{
    return detect_line_label(t->line);
}

static bool allows_in(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot != NULL &&
           (strcmp(dot, ".fp") == 0 || strcmp(dot, ".sfp") == 0 || strcmp(dot, ".ign2") == 0);
}

static uint64_t entries(struct span text)
{
    struct cur c = cur_of(text);
    struct span line;
    uint64_t n = 0;

    while (c.n > 0 && cur_line(&c, &line) == 0)
        n += line.n > 0 && line.p[0] != '#' && line.p[0] != '\r';
    return n + (c.n > 0); /* the last line may lack its end */
}

int trial_allows(const struct trial *t, uint64_t *out, struct err *e)
{
    size_t size = (size_t)release_size(t->release);
    void *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, release_fd(t->release), 0);
    struct protocol_file f;
    struct cur c;
    int rc;

    *out = 0;
    if (map == MAP_FAILED)
        return err_sys(e, -errno, "reading the release");
    c = cur_of(span_of(map, size));
    while ((rc = protocol_bundle_next(&c, &f)) == 1)
        if (allows_in(f.name))
            *out += entries(f.content);
    (void)munmap(map, size);
    return rc == 0 ? 0 : err_sys(e, rc, "reading the release");
}

/* --- files --- */

struct file {
    struct digest sha256;
    bool told; /* without the engines */
};

struct run {
    struct trial *t;
    struct file *file;
    const char *const *path;
    size_t n, next, done; /* next: to be read; done: told */
    trial_look *look;
    void *arg;
    struct trial_cost *cost;
};

static void tell(struct run *r, size_t i, const struct digest *d, const struct finding *f)
{
    r->look(r->arg, i, d, f);
    r->done++;
}

static void too_large(struct run *r, size_t i)
{
    struct finding f;

    finding_init(&f);
    finding_incomplete(&f, REASON_SIZE);
    tell(r, i, NULL, &f);
    finding_done(&f);
}

/* What the hash sets know is told without the engines, as at a site. */
static int known(struct run *r, size_t i, const void *p, size_t n)
{
    struct digest *d = &r->file[i].sha256;
    struct finding f;
    int rc;

    sha256_of(p, n, d);
    finding_init(&f);
    rc = detect_line_known(r->t->line, d, &f);
    if (rc == 1)
        tell(r, i, d, &f);
    finding_done(&f);
    return rc;
}

/* Reads file i into the batch.  1: it is in, or told already; 0: the batch is full. */
static int put(struct run *r, struct detect_batch *b, size_t i, struct err *e)
{
    int fd = open(r->path[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), rc = 0;
    struct stat st;
    void *where;

    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        rc = fd < 0 ? -errno : -EINVAL;
        io_close(&fd);
        return err_sys(e, rc, "reading \"%s\"", r->path[i]);
    }
    if ((uint64_t)st.st_size > r->t->file_max) {
        too_large(r, i);
        rc = 1;
    } else if ((rc = detect_batch_add(b, (uint64_t)st.st_size, &where, i)) == -EAGAIN) {
        rc = 0;
    } else if (rc == -E2BIG) {
        too_large(r, i);
        rc = 1;
    } else if (rc == 0 && (rc = io_pread_full(fd, where, (size_t)st.st_size, 0)) == 0) {
        r->cost->files++;
        r->cost->bytes += (uint64_t)st.st_size;
        rc = known(r, i, where, (size_t)st.st_size);
        rc = rc < 0 ? rc : 2 - rc; /* 1: told, and scanned for nothing; 2: the engines will tell */
    }
    io_close(&fd);
    return rc >= 0 ? rc : err_sys(e, rc, "reading \"%s\"", r->path[i]);
}

/* Fills and submits one batch. */
static int submit(struct run *r, struct err *e)
{
    struct detect_batch *b = NULL;
    int rc = detect_batch_new(&b);

    if (rc != 0)
        return err_sys(e, rc, "taking a batch");
    rc = 1;
    while (rc > 0 && r->next < r->n) {
        rc = put(r, b, r->next, e);
        if (rc > 0)
            r->file[r->next++].told = rc == 1;
    }
    if (rc >= 0 && detect_batch_count(b) > 0) {
        rc = detect_line_submit(r->t->line, b);
        if (rc == 0)
            return 0;
        rc = err_set(e, rc, "the engines do not take a batch: %s", detect_line_trouble(r->t->line));
    }
    detect_batch_free(b);
    return rc < 0 ? rc : 0;
}

static int collect(struct run *r, struct err *e)
{
    struct detect_line_result x;
    int rc = 0;

    detect_line_result_init(&x);
    while (rc == 0 && detect_line_next(r->t->line, &x) == 1) {
        if (x.cookie >= r->n || r->file[x.cookie].told)
            continue;
        if (x.lost)
            rc = err_set(e, -EIO, "an engine ended over \"%s\" or a file beside it: %s",
                         r->path[x.cookie], detect_line_trouble(r->t->line));
        else
            tell(r, x.cookie, &r->file[x.cookie].sha256, &x.finding);
    }
    detect_line_result_done(&x);
    return rc;
}

int trial_run(struct trial *t, const char *const *paths, size_t n, trial_look *look, void *arg,
              struct progress *progress, struct trial_cost *cost, struct err *e)
{
    struct trial_cost mine = {0, 0, 0};
    struct run r = {.t = t, .path = paths, .n = n, .look = look, .arg = arg, .cost = &mine};
    mono_ms began = clock_mono();
    int rc = 0;

    r.file = calloc(n + 1, sizeof(*r.file));
    if (r.file == NULL)
        rc = err_sys(e, -ENOMEM, "trying the rules");

    while (rc == 0 && r.done < n) {
        while (rc == 0 && r.next < n && detect_line_in_flight(t->line) < BATCHES)
            rc = submit(&r, e);
        if (rc == 0 && r.done < n) {
            turn(t, 100);
            rc = collect(&r, e);
        }
        if (rc == 0 && detect_line_state(t->line) != DETECT_READY)
            rc = err_set(e, -EIO, "an engine ended: %s", detect_line_trouble(t->line));
        if (progress != NULL)
            progress_step(progress, r.done);
    }
    mine.ms = clock_mono() - began;
    if (cost != NULL)
        *cost = mine;
    free(r.file);
    return rc;
}

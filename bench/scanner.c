#include "scanner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"

#define BATCH 64
#define UID 65534 /* nobody, when we are root */

static void turn(struct scanner *s, int wait)
{
    struct pollfd p = {detect_client_fd(s->client), POLLIN, 0};

    if (detect_client_wants_write(s->client))
        p.events |= POLLOUT;
    (void)poll(&p, 1, wait);
    detect_client_step(s->client, clock_mono());
}

void scanner_start(struct scanner *s, const char *engine, const char *release)
{
    struct detect_engine_spec spec = {
        .path = engine, .uid = UID, .gid = UID, .children = SCANNER_CHILDREN};
    struct detect_limits limits = {.file_ms = DETECT_TIME_MAX}; /* on a loaded machine too */
    struct cost begin = measure_now();
    struct err e = ERR_INIT;
    int sock;

    memset(s, 0, sizeof(*s));
    if (release_load(&s->release, release, &e) != 0 ||
        detect_client_new(&s->client, s->release, &limits) != 0)
        measure_die("rules", &e);
    if (detect_engine_start(&s->engine, &sock, &spec, &e) != 0 ||
        detect_client_attach(s->client, sock, &e) != 0)
        measure_die("engine", &e);
    while (detect_client_state(s->client) == DETECT_STARTING)
        turn(s, 100);
    if (detect_client_state(s->client) != DETECT_READY)
        measure_die(detect_client_trouble(s->client), NULL);
    s->loading = measure_since(&begin).wall;
}

void scanner_end(struct scanner *s, struct proc_last *why)
{
    detect_client_free(s->client);
    if (proc_reap(&s->engine, true, why) != 0)
        memset(why, 0, sizeof(*why));
    release_free(s->release);
}

static size_t collect(struct scanner *s, const struct files *files, struct detect_result *r,
                      scanner_told *told, void *arg)
{
    size_t n = 0;

    while (detect_client_next(s->client, r) == 1) {
        if (r->lost)
            measure_die(detect_client_trouble(s->client), NULL);
        told(arg, &files->v[r->cookie], &r->finding);
        n++;
    }
    return n;
}

static struct detect_batch *fill(const struct files *files, size_t *next)
{
    struct detect_batch *b;
    void *where;
    int rc = 0;

    if (detect_batch_new(&b) != 0)
        measure_die("batch", NULL);
    while (*next < files->n && detect_batch_count(b) < BATCH &&
           (rc = detect_batch_add(b, files->v[*next].size, &where, *next)) == 0)
        files_read(&files->v[(*next)++], where);
    if (rc != 0 && rc != -EAGAIN)
        measure_die("batch", NULL);
    return b;
}

double scanner_tree_cpu(int pid)
{
    unsigned long t[4] = {0};
    char path[64];
    const char *at;
    struct buf b;
    double sum;

    buf_init(&b, 65536);
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    if (io_read_file(AT_FDCWD, path, &b) != 0 || buf_str(&b) == NULL) {
        buf_free(&b);
        return 0; /* it has ended, and its parent has its time */
    }
    at = strrchr((const char *)b.data, ')');
    if (at == NULL || sscanf(at, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %lu %lu",
                             &t[0], &t[1], &t[2], &t[3]) != 4)
        measure_die(path, NULL);
    sum = (double)(t[0] + t[1] + t[2] + t[3]) / (double)sysconf(_SC_CLK_TCK);
    buf_reset(&b);
    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
    if (io_read_file(AT_FDCWD, path, &b) == 0 && buf_str(&b) != NULL) {
        char *next = (char *)b.data;

        for (long child; (child = strtol(next, &next, 10)) > 0;)
            sum += scanner_tree_cpu((int)child);
    }
    buf_free(&b);
    return sum;
}

struct cost scanner_run(struct scanner *s, const struct files *files, scanner_told *told, void *arg)
{
    struct detect_result r;
    struct detect_batch *b = NULL;
    size_t next = 0, done = 0;
    struct cost begin = measure_now(), c;
    double before = scanner_tree_cpu(s->engine.pid);

    finding_init(&r.finding);
    while (done < files->n) {
        bool taken = true;

        if (b == NULL && next < files->n)
            b = fill(files, &next);
        if (b != NULL && (taken = detect_client_submit(s->client, b) == 0))
            b = NULL;
        turn(s, taken && next < files->n ? 0 : 100);
        done += collect(s, files, &r, told, arg);
        if (detect_client_state(s->client) != DETECT_READY)
            measure_die(detect_client_trouble(s->client), NULL);
    }
    c = measure_since(&begin);
    c.cpu += scanner_tree_cpu(s->engine.pid) - before;
    finding_done(&r.finding);
    return c;
}

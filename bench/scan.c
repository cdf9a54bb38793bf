/* bench-scan ENGINE RELEASE COMPILED CORPUS TMP: the files of a corpus through the jailed engine,
 * against YARA's own program with the same rules.
 *
 * Ours: detect's client reads each file into a batch's memory (64 files a batch, one submitter's);
 * the engine forks a jailed child for each batch, two at a time; a round ends with the last
 * verdict. The engine has its rules compiled before the first round, so the peer gets them compiled
 * too: `yara -C -r -p 2`, which is kinder to it than the sources.  Both must name the same rules in
 * the same files, or the bench fails. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "detect/client.h"
#include "files.h"
#include "measure.h"

#define BATCH 64
#define CHILDREN 2
#define UID 65534 /* nobody, when we are root */
#define FILE_MOST (64 << 20)

struct hits { /* "rule path" lines */
    char **v;
    size_t n, cap;
};

static struct files files;
static struct detect_client *client;

static void add_hit(struct hits *h, const char *text, size_t n)
{
    if (h->n == h->cap) {
        h->cap = h->cap == 0 ? 256 : h->cap * 2;
        h->v = reallocarray(h->v, h->cap, sizeof(*h->v));
        if (h->v == NULL)
            measure_die("out of memory", NULL);
    }
    h->v[h->n] = strndup(text, n);
    if (h->v[h->n++] == NULL)
        measure_die("out of memory", NULL);
}

static void forget(struct hits *h)
{
    for (size_t i = 0; i < h->n; i++)
        free(h->v[i]);
    h->n = 0;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* ------------------------------------------------------------------ ours */

static void add_names(struct hits *h, const struct detect_result *r)
{
    struct cur c = cur_of(buf_span(&r->finding.names));

    while (c.n > 0) {
        const uint8_t *end = memchr(c.p, '\n', c.n);
        size_t n = end != NULL ? (size_t)(end - c.p) : c.n;
        char line[4400];
        int len = snprintf(line, sizeof(line), "%.*s %s", (int)n, (const char *)c.p,
                           files.v[r->cookie].path);

        add_hit(h, line, (size_t)len);
        c.p += end != NULL ? n + 1 : n;
        c.n -= end != NULL ? n + 1 : n;
    }
}

static size_t collect(struct hits *h, struct detect_result *r)
{
    size_t n = 0;

    while (detect_client_next(client, r) == 1) {
        if (r->finding.verdict == VERDICT_INCOMPLETE) {
            struct err e = ERR_INIT;

            (void)err_set(&e, -EPROTO, "\"%s\" is incomplete (%s) %s", files.v[r->cookie].path,
                          verdict_reason_word(r->finding.reason), detect_client_trouble(client));
            measure_die("scan", &e);
        }
        add_names(h, r);
        n++;
    }
    return n;
}

static void turn(int wait)
{
    struct pollfd p = {detect_client_fd(client), POLLIN, 0};

    if (detect_client_wants_write(client))
        p.events |= POLLOUT;
    (void)poll(&p, 1, wait);
    detect_client_step(client, clock_mono());
}

static struct detect_batch *fill(size_t *next)
{
    struct detect_batch *b;
    void *where;
    int rc = 0;

    if (detect_batch_new(&b) != 0)
        measure_die("batch", NULL);
    while (*next < files.n && detect_batch_count(b) < BATCH &&
           (rc = detect_batch_add(b, files.v[*next].size, &where, *next)) == 0)
        files_read(&files.v[(*next)++], where);
    if (rc != 0 && rc != -EAGAIN)
        measure_die("batch", NULL);
    return b;
}

/* User and system time of a process, what runs beneath it, and what these have waited for (proc(5),
 * stat and children). */
static double tree_cpu(int pid)
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
            sum += tree_cpu((int)child);
    }
    buf_free(&b);
    return sum;
}

static struct cost ours(struct hits *h, const struct proc *engine)
{
    struct detect_result r;
    struct detect_batch *b = NULL;
    size_t next = 0, done = 0;
    struct cost begin = measure_now(), c;
    double before = tree_cpu(engine->pid);

    finding_init(&r.finding);
    while (done < files.n) {
        bool taken = true;

        if (b == NULL && next < files.n)
            b = fill(&next);
        if (b != NULL && (taken = detect_client_submit(client, b) == 0))
            b = NULL;
        turn(taken && next < files.n ? 0 : 100);
        done += collect(h, &r);
        if (detect_client_state(client) != DETECT_READY)
            measure_die(detect_client_trouble(client), NULL);
    }
    c = measure_since(&begin);
    c.cpu += tree_cpu(engine->pid) - before;
    finding_done(&r.finding);
    return c;
}

static double start(struct proc *p, const char *engine)
{
    struct detect_engine_spec spec = {.path = engine, .uid = UID, .gid = UID, .children = CHILDREN};
    struct cost begin = measure_now();
    struct err e = ERR_INIT;
    int sock;

    if (detect_engine_start(p, &sock, &spec, &e) != 0 ||
        detect_client_attach(client, sock, &e) != 0)
        measure_die("engine", &e);
    while (detect_client_state(client) == DETECT_STARTING)
        turn(100);
    if (detect_client_state(client) != DETECT_READY)
        measure_die(detect_client_trouble(client), NULL);
    return measure_since(&begin).wall;
}

/* ------------------------------------------------------------------ the peer */

static struct cost peer(const char *compiled, const char *corpus, const char *out)
{
    const char *argv[] = {"yara", "-C", "-w", "-r", "-p", "2", compiled, corpus, NULL};

    return measure_command(argv, out);
}

static void read_lines(struct hits *h, const char *path)
{
    struct buf b;
    struct span line;
    struct cur c;

    buf_init(&b, (size_t)256 << 20);
    if (io_read_file(AT_FDCWD, path, &b) != 0)
        measure_die(path, NULL);
    c = cur_of(buf_span(&b));
    while (cur_line(&c, &line) == 0)
        add_hit(h, (const char *)line.p, line.n);
    buf_free(&b);
}

static void compare(struct hits *a, struct hits *b)
{
    struct err e = ERR_INIT;

    if (a->n > 1)
        qsort(a->v, a->n, sizeof(*a->v), by_text);
    if (b->n > 1)
        qsort(b->v, b->n, sizeof(*b->v), by_text);
    for (size_t i = 0; i < a->n || i < b->n; i++)
        if (i >= a->n || i >= b->n || strcmp(a->v[i], b->v[i]) != 0) {
            (void)err_set(&e, -EPROTO, "of %zu and %zu hits the first that differs: \"%s\", \"%s\"",
                          a->n, b->n, i < a->n ? a->v[i] : "none", i < b->n ? b->v[i] : "none");
            measure_die("the two did not find the same", &e);
        }
    if (a->n == 0)
        measure_die("nothing was found: the comparison of hits would be empty", NULL);
}

int main(int argc, char **argv)
{
    struct bench b = {.name = "scan", .unit = "files", .bar = 0.95}, by_cpu;
    struct hits mine = {0}, theirs = {0};
    struct release *release;
    struct proc engine = PROC_NONE;
    struct proc_last last;
    struct err e = ERR_INIT;
    char out[4096];
    double loaded;

    if (argc != 6) {
        (void)fprintf(stderr, "usage: bench-scan ENGINE RELEASE COMPILED CORPUS TMP\n");
        return 2;
    }
    (void)snprintf(out, sizeof(out), "%s/yara.out", argv[5]);
    files_list(&files, (const char *const[]){argv[4], NULL}, 0, FILE_MOST);
    if (release_load(&release, argv[2], &e) != 0 ||
        detect_client_new(&client, release, &(struct detect_limits){0}) != 0)
        measure_die("rules", &e);
    loaded = start(&engine, argv[1]);
    (void)peer(argv[3], argv[4], out); /* the page cache is warm */
    for (size_t n = measure_rounds(5); b.n < n; b.n++) {
        b.ours[b.n] = ours(&mine, &engine);
        b.peer[b.n] = peer(argv[3], argv[4], out);
        read_lines(&theirs, out);
        compare(&mine, &theirs);
        if (b.n + 1 < n) {
            forget(&mine);
            forget(&theirs);
        }
    }
    b.work = (double)files.n;
    measure_print(&b);
    by_cpu = b;
    by_cpu.name = "scan-cpu";
    by_cpu.by_cpu = true;
    by_cpu.bar = 0;
    measure_print(&by_cpu);
    measure_say(b.name, "%zu files, %.0f MB, %u rules; %zu hits, identical; %s loaded in %.2f s",
                files.n, (double)files.bytes / 1e6, detect_client_rules(client), mine.n,
                detect_client_engine(client), loaded);
    detect_client_free(client);
    if (proc_reap(&engine, true, &last) == 0)
        measure_say(b.name,
                    "the engine and its %zu rounds of children used %.2f CPU seconds, "
                    "loading included",
                    b.n, (double)last.cpu_us / 1e6);
    forget(&mine);
    forget(&theirs);
    release_free(release);
    files_free(&files);
    return 0;
}

#include "measure.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static double seconds(const struct timeval *t)
{
    return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

struct cost measure_now(void)
{
    struct cost c = {.wall = (double)clock_mono_ns() / 1e9};
    struct rusage ended;

    c.cpu = (double)clock_cpu_ns() / 1e9;
    if (getrusage(RUSAGE_CHILDREN, &ended) == 0)
        c.cpu += seconds(&ended.ru_utime) + seconds(&ended.ru_stime);
    return c;
}

struct cost measure_since(const struct cost *begin)
{
    struct cost c = measure_now();

    c.wall -= begin->wall;
    c.cpu -= begin->cpu;
    return c;
}

void measure_die(const char *what, const struct err *e)
{
    (void)fflush(stdout);
    (void)fprintf(stderr, "bench: %s%s%s\n", what, e != NULL ? ": " : "",
                  e != NULL ? err_text(e) : "");
    exit(3);
}

static void not_well(const char *program, int status)
{
    struct err e = ERR_INIT;

    (void)err_set(&e, -EPROTO, "\"%s\" did not end well (status %d)", program, status);
    measure_die("peer", &e);
}

struct cost measure_run(const char *const *argv, const char *out, int *code)
{
    struct cost begin = measure_now();
    int status = 0;
    pid_t pid;

    (void)fflush(stdout);
    pid = fork();
    if (pid == 0) {
        int fd =
            open(out != NULL ? out : "/dev/null", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0)
            _exit(126);
        (void)execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (pid < 0 || !WIFEXITED(status))
        not_well(argv[0], status);
    *code = WEXITSTATUS(status);
    return measure_since(&begin);
}

struct cost measure_command(const char *const *argv, const char *out)
{
    int code;
    struct cost c = measure_run(argv, out, &code);

    if (code != 0)
        not_well(argv[0], code);
    return c;
}

size_t measure_rounds(size_t usual)
{
    const char *text = getenv("BENCH_ROUNDS");
    long n = text != NULL && text[0] != '\0' ? strtol(text, NULL, 10) : (long)usual;

    return n < 1 ? 1 : n > MEASURE_ROUNDS ? MEASURE_ROUNDS : (size_t)n;
}

static int ascending(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

double measure_median(const double *v, size_t n)
{
    double sorted[MEASURE_ROUNDS];

    if (n == 0 || n > MEASURE_ROUNDS)
        return 0;
    memcpy(sorted, v, n * sizeof(*v));
    qsort(sorted, n, sizeof(*sorted), ascending);
    return n % 2 == 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

static void medians(const struct cost *c, size_t n, struct cost *out)
{
    double v[MEASURE_ROUNDS] = {0};

    for (size_t i = 0; i < n; i++)
        v[i] = c[i].wall;
    out->wall = measure_median(v, n);
    for (size_t i = 0; i < n; i++)
        v[i] = c[i].cpu;
    out->cpu = measure_median(v, n);
}

static double cost_of(const struct bench *b, const struct cost *c)
{
    double t = b->by_cpu ? c->cpu : c->wall;

    return t > 1e-9 ? t : 1e-9;
}

void measure_print(const struct bench *b)
{
    double ratio[MEASURE_ROUNDS] = {0}, least = 0, most = 0;
    const char *per = b->by_cpu ? "cpu-s" : "s";
    struct cost ours, peer;
    char bar[32] = "-";

    medians(b->ours, b->n, &ours);
    medians(b->peer, b->n, &peer);
    if (b->bar > 0)
        (void)snprintf(bar, sizeof(bar), "%g", b->bar);
    (void)printf("bench %s ours=%.0f", b->name, b->work / cost_of(b, &ours));
    if (b->no_peer) {
        (void)printf(" peer=absent ratio=- bar=%s unit=%s/%s", bar, b->unit, per);
    } else {
        for (size_t i = 0; i < b->n; i++) {
            ratio[i] = cost_of(b, &b->peer[i]) / cost_of(b, &b->ours[i]);
            least = i == 0 || ratio[i] < least ? ratio[i] : least;
            most = i == 0 || ratio[i] > most ? ratio[i] : most;
        }
        (void)printf(" peer=%.0f ratio=%.3g bar=%s unit=%s/%s range=%.3g..%.3g",
                     b->work / cost_of(b, &peer), measure_median(ratio, b->n), bar, b->unit, per,
                     least, most);
    }
    (void)printf(" rounds=%zu work=%.0f ours_wall=%.3f ours_cpu=%.3f", b->n, b->work, ours.wall,
                 ours.cpu);
    if (!b->no_peer)
        (void)printf(" peer_wall=%.3f peer_cpu=%.3f", peer.wall, peer.cpu);
    (void)printf("\n");
    (void)fflush(stdout);
}

void measure_say(const char *name, const char *fmt, ...)
{
    va_list ap;

    (void)printf("  %s: ", name);
    va_start(ap, fmt);
    (void)vprintf(fmt, ap);
    va_end(ap);
    (void)printf("\n");
    (void)fflush(stdout);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    return remove(path);
}

void measure_remove(const char *dir)
{
    (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

uint64_t measure_random(uint64_t *state)
{
    uint64_t x = *state;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * UINT64_C(0x2545F4914F6CDD1D);
}

/* measure.h - what the bench programs share: rounds of two sides that take turns, medians, and the
 * one line a comparison prints.
 *
 * The two sides of a comparison alternate (A B A B ...) inside one program, so that a machine that
 * is slow for a minute is slow for both; the ratio is the median of the rounds' ratios, which need
 * not be the quotient of the printed medians.  Higher is better, always.
 *
 *   struct bench b = {.name = "ledger-check", .unit = "leaves", .work = n, .bar = 0.5};
 *   for (rounds) { measure_begin(&m); ...; b.ours[b.n] = measure_end(&m); ... b.n++; }
 *   measure_print(&b);
 *
 * CPU time is that of this process with its threads and of every child that has been waited for.
 * Programs of bench/ end with exit code 3 and a sentence when something fails: no half results. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include "base/clock.h"
#include "base/err.h"

#define MEASURE_ROUNDS 32

struct cost {
    double wall, cpu; /* seconds */
};

struct bench {
    const char *name; /* lower-case words joined by '-' */
    const char *unit; /* of the work, plural */
    double work;      /* units a round */
    bool by_cpu;      /* the ratio is of CPU seconds; otherwise of the clock on the wall */
    double bar;       /* 0: none */
    size_t n;         /* rounds */
    struct cost ours[MEASURE_ROUNDS], peer[MEASURE_ROUNDS];
    bool no_peer; /* peer stays empty: printed as absent */
};

struct cost measure_now(void);
struct cost measure_since(const struct cost *begin);
/* Runs a program to its end; its output goes to the file `out` or /dev/null.  Dies unless it exits
 * 0. */
struct cost measure_command(const char *const *argv, const char *out);
/* The same of a program whose exit code says something: *code. */
struct cost measure_run(const char *const *argv, const char *out, int *code);
/* BENCH_ROUNDS, or so many. */
size_t measure_rounds(size_t usual);
/* "bench NAME ours=... peer=... ratio=... bar=... ...": run.sh collects these lines. */
void measure_print(const struct bench *b);
/* "  NAME: ...": what was not equal, what else was seen. */
void measure_say(const char *name, const char *fmt, ...) PRINTF_LIKE(2, 3);
double measure_median(const double *v, size_t n);
/* "NAME: text" and exit 3. */
void measure_die(const char *what, const struct err *e) __attribute__((noreturn));
/* Removes a folder with all that is in it; one that is not there is fine. */
void measure_remove(const char *dir);
/* A small generator whose sequence is the same everywhere (xorshift64*); *state is not 0. */
uint64_t measure_random(uint64_t *state);

#endif

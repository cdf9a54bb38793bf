/* bench-compare: `glarus compare` beside diffoscope, the same two files or trees.
 *
 *   compare NAME BAR GLARUS A B WORK
 *
 * Each writes its report as text into a file; both must say the same by their exit code (0 or 1),
 * or this is no measurement.  NAME is the time by the wall's clock, in thousandths of a comparison
 * a second, NAME-cpu by the processors'; NAME-report how many times smaller our report is.
 * diffoscope has no limits set, as ours has none that matters here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "measure.h"

#define USUAL_ROUNDS 3

static double size_of(const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0)
        measure_die(path, NULL);
    return (double)st.st_size;
}

int main(int argc, char **argv)
{
    size_t rounds = measure_rounds(USUAL_ROUNDS);
    struct bench b = {.unit = "millicomparisons", .work = 1000}, by_cpu;
    char path[3][4096], name[64];
    int code[2] = {0, 0};
    double ratio;

    if (argc != 7) {
        (void)fprintf(stderr, "usage: bench-compare NAME BAR GLARUS A B WORK\n");
        return 2;
    }
    b.name = argv[1];
    b.bar = strtod(argv[2], NULL);
    for (int i = 0; i < 3; i++)
        (void)snprintf(path[i], sizeof(path[i]), "%s/%s", argv[6],
                       i == 0   ? "ours"
                       : i == 1 ? "peer"
                                : "said");
    for (size_t i = 0; i < rounds; i++, b.n++) {
        const char *const ours[] = {argv[3], "compare", argv[4], argv[5], NULL};
        const char *const peer[] = {"diffoscope", "--text",
                                    path[1],      "--max-report-size",
                                    "0",          "--max-text-report-size",
                                    "0",          "--max-diff-block-lines",
                                    "0",          "--max-diff-input-lines",
                                    "0",          argv[4],
                                    argv[5],      NULL};

        b.ours[b.n] = measure_run(ours, path[0], &code[0]);
        (void)remove(path[1]);
        b.peer[b.n] = measure_run(peer, path[2], &code[1]);
        if (code[0] != code[1] || code[0] > 1) {
            (void)fprintf(stderr, "bench-compare: ours ends with %d, diffoscope with %d\n", code[0],
                          code[1]);
            return 3;
        }
    }
    measure_print(&b);
    (void)snprintf(name, sizeof(name), "%s-cpu", argv[1]);
    by_cpu = b;
    by_cpu.name = name;
    by_cpu.by_cpu = true;
    by_cpu.bar = 0;
    measure_print(&by_cpu);
    if (code[0] == 0)
        return 0;
    ratio = size_of(path[1]) / size_of(path[0]);
    (void)printf("bench %s-report ours=%.0f peer=%.0f ratio=%.3g bar=20 unit=bytes\n", b.name,
                 size_of(path[0]), size_of(path[1]), ratio);
    return 0;
}

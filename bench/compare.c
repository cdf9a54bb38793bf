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

static const char ours[] = "\"$0\" compare \"$1\" \"$2\" >\"$3/ours\"; echo $? >\"$3/ours.rc\"";
static const char peer[] =
    "diffoscope --text \"$3/peer\" --max-report-size 0 --max-text-report-size 0 "
    "--max-diff-block-lines 0 --max-diff-input-lines 0 \"$1\" \"$2\" >\"$3/log\" 2>&1; "
    "echo $? >\"$3/peer.rc\"; [ -e \"$3/peer\" ] || : >\"$3/peer\"";

static char exit_code(const char *path)
{
    FILE *f = fopen(path, "re");
    int c = f == NULL ? EOF : getc(f);

    if (f == NULL || (c != '0' && c != '1'))
        measure_die(path, NULL);
    (void)fclose(f);
    return (char)c;
}

int main(int argc, char **argv)
{
    size_t rounds = measure_rounds(USUAL_ROUNDS);
    struct bench b = {.unit = "millicomparisons", .work = 1000}, by_cpu;
    char path[4][4096], name[64];
    double ratio;

    if (argc != 7) {
        (void)fprintf(stderr, "usage: bench-compare NAME BAR GLARUS A B WORK\n");
        return 2;
    }
    b.name = argv[1];
    b.bar = strtod(argv[2], NULL);
    for (int i = 0; i < 4; i++)
        (void)snprintf(path[i], sizeof(path[i]), "%s/%s%s", argv[6], i < 2 ? "ours" : "peer",
                       i % 2 == 0 ? "" : ".rc");
    for (size_t i = 0; i < rounds; i++, b.n++) {
        const char *const run[2][8] = {
            {"/bin/sh", "-c", ours, argv[3], argv[4], argv[5], argv[6], NULL},
            {"/bin/sh", "-c", peer, argv[3], argv[4], argv[5], argv[6], NULL}};

        b.ours[b.n] = measure_command(run[0], NULL);
        (void)remove(path[2]);
        b.peer[b.n] = measure_command(run[1], NULL);
        if (exit_code(path[1]) != exit_code(path[3])) {
            (void)fprintf(stderr, "bench-compare: ours ends with %c, diffoscope with %c\n",
                          exit_code(path[1]), exit_code(path[3]));
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
    if (exit_code(path[1]) == '0')
        return 0;
    ratio = size_of(path[2]) / size_of(path[0]);
    (void)printf("bench %s-report ours=%.0f peer=%.0f ratio=%.3g bar=20 unit=bytes\n", b.name,
                 size_of(path[0]), size_of(path[2]), ratio);
    return 0;
}

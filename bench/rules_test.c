/* bench-rules-test: `glarus rules test` beside `yara -r -p CORES`, the same rules on the same
 * files.
 *
 *   rules-test NAME GLARUS ENGINES RULES CORPUS WORK
 *
 * Both read the rules' source, compile it, and scan every file on all cores.  Ours does more: each
 * file is hashed, scanned in a jail by a child that is then thrown away, and held against what was
 * expected; yara prints what it found.  What both find is compared (found.c), else this is no
 * measurement. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "measure.h"

#define USUAL_ROUNDS 5

/* Lines of a file that name a hit: ours "PATH: hit, and must not be: RULE RULE", yara's "RULE
 * PATH". */
static size_t hits(const char *path, bool ours)
{
    char *line = NULL;
    size_t room = 0, n = 0;
    FILE *f = fopen(path, "re");

    if (f == NULL)
        measure_die(path, NULL);
    while (getline(&line, &room, f) > 0) {
        const char *names = strstr(line, ": hit, and must not be:");

        if (!ours)
            n++;
        for (const char *p = ours ? names : NULL; p != NULL; p = strchr(p + 1, ' '))
            n += p > names + strlen(": hit, and must not be");
    }
    free(line);
    (void)fclose(f);
    return n;
}

int main(int argc, char **argv)
{
    struct bench b = {.name = argc > 1 ? argv[1] : "", .unit = "files", .bar = 0.95};
    char found[2][4096], cores[16], command[2][8192];
    struct files f;
    size_t rounds = measure_rounds(USUAL_ROUNDS), had[2] = {0, 0};

    if (argc != 7) {
        (void)fprintf(stderr, "usage: bench-rules-test NAME GLARUS ENGINES RULES CORPUS WORK\n");
        return 2;
    }
    files_list(&f, (const char *const[]){argv[5], NULL}, 1, UINT64_MAX);
    b.work = (double)f.n;
    (void)snprintf(cores, sizeof(cores), "%ld", sysconf(_SC_NPROCESSORS_ONLN));
    for (int i = 0; i < 2; i++)
        (void)snprintf(found[i], sizeof(found[i]), "%s/%s", argv[6], i == 0 ? "ours" : "yara");
    (void)snprintf(command[0], sizeof(command[0]),
                   "\"$0\" rules test \"$1\" --clean \"$2\" --engine yara --programs \"$3\"; "
                   "test $? -le 1"); /* 1: something was hit */
    (void)snprintf(command[1], sizeof(command[1]), "yara -w -r -p %s \"$1\"/*.yar \"$2\"", cores);
    for (size_t i = 0; i <= rounds; i++) { /* the first warms up */
        for (int k = 0; k < 2; k++) {
            const char *const run[] = {"/bin/sh", "-c",    command[k], argv[2],
                                       argv[4],   argv[5], argv[3],    NULL};
            struct cost c = measure_command(run, found[k]);

            if (i > 0)
                *(k == 0 ? &b.ours[b.n] : &b.peer[b.n]) = c;
            had[k] = hits(found[k], k == 0);
        }
        b.n += i > 0;
        if (had[0] != had[1]) {
            (void)fprintf(stderr, "bench-rules-test: ours finds %zu, yara %zu\n", had[0], had[1]);
            return 3;
        }
    }
    measure_say(b.name, "%zu rules hit files on either side; ours hashes, jails and compares, too",
                had[0]);
    measure_print(&b);
    files_free(&f);
    return 0;
}

/* make_ledger.c DIR [--last-alone] FOLDER... - ledger_of for scripts; --last-alone: the newest
 * checkpoint has no witness. */
#include <stdio.h>
#include <string.h>

#include "ledger_of.h"

int main(int argc, char **argv)
{
    bool alone = argc > 2 && strcmp(argv[2], "--last-alone") == 0;
    int first = alone ? 3 : 2;
    struct err e = ERR_INIT;

    if (argc <= first) {
        (void)fprintf(stderr, "usage: make_ledger DIR [--last-alone] FOLDER...\n");
        return 2;
    }
    if (ledger_of(argv[1], (const char *const *)argv + first, argc - first, alone, &e) == 0)
        return 0;
    (void)fprintf(stderr, "make_ledger: %s\n", err_text(&e));
    return 1;
}

/* make_history.c DIR - a history of two sites (betray/history.h), for scripts. */
#include <stdio.h>

#include "betray/history.h"

int main(int argc, char **argv)
{
    static const struct history_spec spec = {
        .submissions = 4, .withdrawn = 1, .move = true, .scans = true, .group = 4, .seed = 1};
    struct err e = ERR_INIT;

    if (argc == 2 && history_make(argv[1], &spec, &e) == 0)
        return 0;
    (void)fprintf(stderr, "make_history: %s\n", err_text(&e));
    return 1;
}

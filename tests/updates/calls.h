/* calls.h - the file system's calls, of which one fails or kills (link with -Wl,--wrap=NAME for
 * each WRAP).  For one source of a test program. */
#ifndef TESTS_UPDATES_CALLS_H
#define TESTS_UPDATES_CALLS_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>

static int calls_left = -1; /* until one fails; -1: none does */
static bool dies;           /* instead of failing: before the call, or after it */
static bool dies_after;

static bool calls_now(void)
{
    if (calls_left < 0)
        return false;
    return calls_left-- == 0;
}

#define WRAP(error, type, name, params, args)                                                      \
    type __real_##name params;                                                                     \
    type __wrap_##name params;                                                                     \
    type __wrap_##name params                                                                      \
    {                                                                                              \
        bool mine = calls_now();                                                                   \
        type rc;                                                                                   \
                                                                                                   \
        if (mine && !dies) {                                                                       \
            errno = (error);                                                                       \
            return -1;                                                                             \
        }                                                                                          \
        if (mine && !dies_after)                                                                   \
            (void)raise(SIGKILL);                                                                  \
        rc = __real_##name args;                                                                   \
        if (mine)                                                                                  \
            (void)raise(SIGKILL);                                                                  \
        return rc;                                                                                 \
    }

#endif

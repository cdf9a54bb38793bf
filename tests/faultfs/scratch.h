/* scratch.h - folders of tests that vanish; in memory where the machine offers that, because what
 * these tests ask of a disk is asked of the model. */
#ifndef TESTS_FAULTFS_SCRATCH_H
#define TESTS_FAULTFS_SCRATCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SCRATCH 96

static inline void scratch_make(char out[SCRATCH])
{
    const char *where = access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp";

    (void)snprintf(out, SCRATCH, "%s/faults-XXXXXX", where);
    assert_non_null(mkdtemp(out));
}

static inline int scratch_one(const char *path, const struct stat *st, int flag, struct FTW *f)
{
    (void)st;
    (void)flag;
    (void)f;
    return remove(path);
}

/* NULL-safe in that "" is nothing. */
static inline void scratch_remove(char dir[SCRATCH])
{
    if (dir[0] != '\0')
        (void)nftw(dir, scratch_one, 16, FTW_DEPTH | FTW_PHYS);
    dir[0] = '\0';
}

#endif

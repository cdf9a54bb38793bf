/* mount.h - a faulty file system (faultfs.c) mounted for a test.  Fails the cmocka test when
 * something goes wrong, but for one thing: where FUSE is not to be had, faultfs_mount says so. */
#ifndef TESTS_FAULTFS_MOUNT_H
#define TESTS_FAULTFS_MOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct faultfs {
    pid_t pid; /* 0: not mounted */
    char at[200], control[220];
};

/* false: this machine has no FUSE (the program said why on stderr). */
bool faultfs_mount(struct faultfs *f, const char *program, const char *backing, const char *at);
/* An order, as in faultfs.c; the rest of its answer into out (may be NULL). */
void faultfs_order(const struct faultfs *f, char *out, size_t cap, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Also while files are open there. */
void faultfs_unmount(struct faultfs *f);

#endif

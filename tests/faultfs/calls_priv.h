/* calls_priv.h - what the wrappers of libc's calls (calls_io.c, calls_names.c) share with the
 * record (calls.c) and with what decides which call fails (calls_fail.c). */
#ifndef TESTS_FAULTFS_CALLS_PRIV_H
#define TESTS_FAULTFS_CALLS_PRIV_H

#include <pthread.h>

#include "calls.h"

#define CALLS_FDS 65536

/* --- calls.c: the record --- */

enum step_kind {
    MAKE,
    MAKE_FOLDER,
    LINK,
    REMOVE,
    RENAME,
    EXCHANGE,
    WRITE,
    LENGTH,
    RESERVE,
    PUNCH,
    SYNC,
    SYNC_ALL,
    LOSE,
    MARK
};

struct calls_step {
    enum step_kind kind;
    bool keep_size;
    disk_node a, b;
    char *name, *as;
    uint8_t *p;
    uint64_t at, n; /* SYNC: n is when it began */
    struct calls_mark mark;
};

extern pthread_mutex_t calls_lock;
/* Takes it; what is called under it is no call of the program's. */
void calls_enter(void);
void calls_leave(void);

/* With the lock held: */
extern struct disk *calls_live;
extern disk_node calls_of_fd[CALLS_FDS];
struct calls_step *calls_step(enum step_kind kind, disk_node a);
void calls_now(const struct calls_step *s); /* it happens */
void calls_name_step(enum step_kind kind, disk_node folder, const char *name, disk_node b);
void calls_write_step(disk_node f, const void *p, size_t n, uint64_t at);

struct calls_place {
    disk_node folder;
    char name[256]; /* "": the watched folder itself */
};
/* false: not below the watched folder. */
bool calls_resolve(int dirfd, const char *path, struct calls_place *p);
disk_node calls_node_at(const struct calls_place *p);

/* Without it: */
disk_node calls_node_fd(int fd); /* 0: not watched */
bool calls_watched(int dirfd, const char *path);

void *calls_must(void *p);            /* NULL ends the process */
void *calls_real(const char *symbol); /* libc's own */
#define REAL(name) ((__typeof__(&(name)))calls_real(#name))

/* --- calls_fail.c --- */

extern _Thread_local unsigned calls_inside; /* more than 0: nothing is counted, nothing fails */
/* A sync that is held waits here; the lock is held, and let go meanwhile. */
void calls_sync_wait(pthread_mutex_t *lock);
size_t calls_half(size_t n);

#endif

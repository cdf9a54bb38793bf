/* rights.h - every right we could think of, each as an attempt, and the world outside a jail that
 * the attempts reach for: another process, files, listening sockets.
 *
 * An attempt tried in a child of its own is GRANTED, REFUSED (the call failed, or there is nothing
 * to call it on), DIED of the jail's filter, or ended in another way.  A few attempts are harmless
 * calls with useless arguments (`filtered`): they would fail in any case, so for them only the
 * filter's answer counts as a refusal. */
#ifndef TESTS_JAIL_RIGHTS_H
#define TESTS_JAIL_RIGHTS_H

#include <stdbool.h>
#include <stddef.h>

#define PLAIN_UID 64123 /* nobody's */

struct right {
    const char *group; /* the row of docs/architecture.md it belongs to */
    const char *name;  /* "open a file" */
    int (*run)(void);  /* 0, or errno */
    bool free;         /* root succeeds outside a jail */
    bool filtered;     /* see above */
    bool run_time;     /* the sanitizers' run-time needs the call: not asked in their builds */
};
extern const struct right rights[];
extern const size_t rights_count;

/* Can it be asked here at all? */
bool rights_asked(const struct right *r);

enum right_outcome {
    RIGHT_GRANTED,
    RIGHT_REFUSED,
    RIGHT_DIED,
    RIGHT_REACHED, /* filtered ones: no filter stood before the kernel */
    RIGHT_OTHER
};
/* In a child that first becomes the ordinary user (if asked), then enters (NULL: nothing).
 * enter: 0, or it has told on standard error why not.  The raw wait status in *status. */
enum right_outcome rights_try(const struct right *r, bool ordinary, int (*enter)(void *), void *arg,
                              int *status);
/* REFUSED or DIED, as far as this right's attempt tells: a filtered one must die, or be answered
 * EPERM where the filter answers (sanitizers). */
bool rights_refused(const struct right *r, enum right_outcome o);

/* The world outside; own_read and own_write may be set to a file and a folder of the process. */
extern char rights_folder[64]; /* open to all */
extern const char *rights_own_read, *rights_own_write;
int rights_open(void **state); /* cmocka's set-up and tear-down */
int rights_close(void **state);
/* Some of the attempts, for tests of one lock at a time. */
int rights_by_name(const char *name);

/* NULL, or why an ordinary user can make no namespaces here (a sentence, with the cure): then a
 * test of jails that a user starts cannot be, and says so. */
const char *rights_no_user_namespaces(void);

#endif

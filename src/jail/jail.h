/* jail.h - gives up rights for good: after jail_enter this process can do what its profile lists
 * and nothing else, whatever code runs in it.
 *
 * What jail_enter does, in this order (each step is skipped only where the spec says so):
 *   1. namespaces: mount, net, ipc + uts, pid; with root's rights directly, otherwise inside a new
 *      user namespace.  Where that is forbidden the answer is -EPERM with the cure in the text: the
 *      caller exits 3 and never runs unjailed.
 *   2. an empty root: pivot_root into a read-only tmpfs that holds nothing but the spec's paths
 *      (bind mounts, no devices, no setuid, no exec) and, if asked, a private /tmp with a cap on
 *      bytes and inodes.  /proc, /sys and /dev do not exist there.
 *   3. resource limits; no core dumps; not dumpable, so not traceable by its own uid.
 *   4. another uid and gid (only root can), no supplementary groups, no capabilities in any set,
 *      no_new_privs.
 *   5. Landlock, masked by the kernel's ABI: every right it handles is refused except beneath the
 *      spec's paths.  A kernel without Landlock is accepted: it is the second lock.
 *   6. seccomp: the profile's system calls (src/jail/profiles.c is the table); any other kills the
 *      process with SIGSYS.
 *
 * Call it from a process with one thread, with every file already open that will be needed, every
 * library loaded (dlopen, gconv, NSS, terminfo: warm up first) and secrets already in memory.
 *
 * Pid namespace: jail_enter forks.  The caller's process stays outside as a warden that can only
 * wait: it has no descriptors, dies when its parent dies, and ends as its child ends (same exit
 * code or signal).  jail_enter returns in the child, which is process 1 of the namespace: so the
 * pid changes, and all processes in it die with it.
 *
 * Sanitizer builds (ASan, LSan, TSan) get a wider profile that answers EPERM instead of killing and
 * have no limit on address space, because the run-time needs both; the rights that it does not need
 * are tested there as well.  jail_is_sanitized() tells.  Leave jailed workers with _exit: no leak
 * check there.
 */
#ifndef JAIL_JAIL_H
#define JAIL_JAIL_H

#include <sys/types.h>

#include "base/err.h"

enum jail_profile {
    JAIL_READER,         /* parses documents handed over as descriptors; answers on a channel */
    JAIL_ENGINE_SERVER,  /* forks and kills its children, receives descriptors; no files */
    JAIL_ENGINE_CHILD,   /* computes on mapped memory and ends; no descriptor at all */
    JAIL_SCRATCH_SERVER, /* as ENGINE_SERVER, with files in its private /tmp */
    JAIL_SCRATCH_CHILD,  /* as ENGINE_CHILD, with files beneath one folder */
    JAIL_FRONT,          /* accepts and serves inet and unix sockets, threads; opens no file */
    JAIL_KEEPER,         /* files beneath its paths, threads; no inet socket, no fork */
    JAIL_SIGNER,         /* rewrites its own state file beneath its path; no sockets of its own */
    JAIL_FILES_READER,   /* as READER, and reads files beneath its paths */
    JAIL_EXPANDER,       /* as READER, with threads */
    JAIL_COURIER, /* outgoing inet connections (also name lookup), threads; paths read-only */
    JAIL_PROFILES
};
const char *jail_profile_name(enum jail_profile p); /* "engine-child" */

struct jail_path {
    const char *path; /* absolute; a folder or a file that exists */
    bool write;       /* also create, write, rename, remove beneath it */
};

enum {
    JAIL_NET = 1,          /* a network namespace of its own, with not even a loopback up */
    JAIL_IPC = 2,          /* ipc and uts namespaces */
    JAIL_PID = 4,          /* a pid namespace; see above: the pid changes */
    JAIL_EMPTY_ROOT = 8,   /* mount namespace and empty root */
    JAIL_REPORT = 16,      /* tests: name the refused system call on stderr, exit 159 */
    JAIL_KEEP_THREADS = 32 /* tests: do not insist on a single thread */
};
#define JAIL_REPORT_EXIT 159 /* 128 + SIGSYS */

/* Zero in a limit means the profile's own default, stated in profiles.c. */
struct jail_spec {
    enum jail_profile profile;
    unsigned flags;
    const struct jail_path *paths; /* lent during the call */
    size_t npaths;
    uint64_t tmp_bytes, tmp_inodes; /* /tmp of the empty root; bytes 0: there is none */
    /* 0: /tmp is one file system of that size; else it has folders 0, 1, ... tmp_parts - 1, each a
     * file system of its own of that size, so that who fills one leaves the others their room */
    unsigned tmp_parts;
    uid_t uid; /* as root: 0 is refused; otherwise ignored */
    gid_t gid;
    uint64_t address_space; /* bytes */
    uint64_t file_size;     /* bytes */
    unsigned files;         /* descriptors */
    unsigned processes;     /* of the uid; counts the threads too */
    unsigned cpu_seconds;
};

#define JAIL_TMP_PARTS_MAX 64

/* A folder in memory with a cap on bytes, for a process that is not jailed yet and must write files
 * (a library that reads from files only): it stands nowhere in the tree, is reached by its
 * descriptor alone ("/proc/self/fd/N/name" as a path), and is gone with it, whatever becomes of the
 * process.  s->tmp_bytes is its size.  Without root's rights the process has s->uid (as in
 * jail_enter) and namespaces of its own from here on; jail_enter may still be called. */
MUST_CHECK int jail_memory_folder(int *out, const struct jail_spec *s, struct err *e);

/* All steps above.  0, or a negative errno with its sentence in e; after a failure the process is
 * in an undefined state between free and jailed: report and exit 3. */
MUST_CHECK int jail_enter(const struct jail_spec *spec, struct err *e);

/* For a process that starts others and so cannot be jailed itself: no dumps, not traceable, no new
 * privileges, and a filter that refuses (EPERM) what neither it nor anything it starts will ever
 * need: tracing, bpf, io_uring, keyrings, modules, clocks, raw sockets and the like (profiles.c).
 * Its children inherit all but the second; their own jails go further. */
MUST_CHECK int jail_guard(struct err *e);

/* The cheap second jail of a process that is about to fork many children: the filter is made once,
 * before the fork; jail_close_in then only sets limits and the filter in the child (about 30
 * microseconds, no allocation).  The namespaces and the root are the parent's. */
struct jail_door;
MUST_CHECK int jail_door_new(struct jail_door **out, const struct jail_spec *spec, struct err *e);
void jail_door_free(struct jail_door *d);
/* 0 or a negative errno: _exit then. */
MUST_CHECK int jail_close_in(const struct jail_door *d);

/* The same, with files beneath the open folder (O_PATH) and nowhere else, by Landlock: for
 * JAIL_SCRATCH_CHILD.  Where the kernel has no Landlock (jail_landlock_abi() 0) the folder is not a
 * border between siblings: have one child at a time, and empty the folder after it. */
MUST_CHECK int jail_close_in_beneath(const struct jail_door *d, int folder);

/* Closes every descriptor from `from` up, except those in keep (ascending order). */
MUST_CHECK int jail_close_from(int from, const int *keep, size_t n);

/* What this kernel offers, for the start-up log and tests: the Landlock ABI (0: none). */
int jail_landlock_abi(void);
bool jail_is_sanitized(void);

#endif

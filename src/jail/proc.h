/* proc.h - starting, watching and ending our own processes.
 *
 * proc_spawn forks and executes one of our programs with exactly the descriptors it is given (all
 * others are closed), an environment that is given or empty, the default signal dispositions, an
 * empty signal mask, and optionally another uid.  A failure up to and including execve is reported
 * by proc_spawn itself, not by a child that dies later.
 *
 * A struct proc is a plain value that owns a pidfd.  The pidfd becomes readable (epoll) when the
 * process ends; proc_reap then tells why and closes it.  Nothing here uses SIGCHLD or waits for
 * any process but its own. */
#ifndef JAIL_PROC_H
#define JAIL_PROC_H

#include <sys/types.h>

#include "base/err.h"

struct proc {
    pid_t pid;
    int pidfd; /* -1: none */
};
#define PROC_NONE                                                                                  \
    {                                                                                              \
        -1, -1                                                                                     \
    }

/* from: a descriptor here; to: its number there.  Standard streams not listed become /dev/null,
 * except standard error, which is inherited. */
struct proc_fd {
    int from, to;
};
#define PROC_FDS_MAX 16

struct proc_spec {
    const char *path;        /* absolute path of the program, or one relative to the folder */
    const char *const *argv; /* NULL-terminated, argv[0] included */
    const char *const *envp; /* NULL-terminated; NULL: an empty environment */
    const struct proc_fd *fds;
    size_t nfds;
    bool set_ids; /* as root: change to uid and gid, no groups, before execve */
    uid_t uid;
    gid_t gid;
    int death_signal; /* sent to it when the thread that spawned it ends; 0: none */
};
MUST_CHECK int proc_spawn(struct proc *out, const struct proc_spec *s, struct err *e);

/* Forks without execve: 0 in the parent with *out filled, 1 in the child.  For engine servers. */
MUST_CHECK int proc_fork(struct proc *out);

enum proc_end { PROC_EXITED, PROC_SIGNALED, PROC_JAILED /* SIGSYS: the jail killed it */ };
struct proc_last {
    enum proc_end end;
    int code;         /* exit code or signal */
    uint64_t cpu_us;  /* user + system */
    uint64_t rss_max; /* bytes */
};
/* 0: it has ended, *why says how, p is PROC_NONE; -EAGAIN: still running (only with wait false). */
MUST_CHECK int proc_reap(struct proc *p, bool wait, struct proc_last *why);
/* "exit code 3", "signal 11 (Segmentation fault)", "killed by its jail (forbidden system call)" */
const char *proc_last_text(const struct proc_last *why, char out[96]);
MUST_CHECK int proc_signal(const struct proc *p, int sig); /* -ESRCH: already gone */
/* Kills and reaps without looking; PROC_NONE is fine. */
void proc_end_now(struct proc *p);

#endif

#include "jail/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "jail/jail.h"

/* What the child tells through a pipe that execve closes. */
struct failure {
    int error;
    char step[60];
};

static __attribute__((noreturn)) void fail(int status, const char *step)
{
    struct failure f = {errno, ""};
    ssize_t n;

    (void)strncpy(f.step, step, sizeof(f.step) - 1);
    n = write(status, &f, sizeof(f));
    _exit(n == (ssize_t)sizeof(f) ? 127 : 126);
}

/* Everything up to execve runs between fork and exec: async-signal-safe calls only. */

static int plain_signals(void)
{
    struct sigaction sa;
    sigset_t none;

    memset(&sa, 0, sizeof(sa));
    sa.sa_handler = SIG_DFL;
    for (int sig = 1; sig < NSIG; sig++)
        (void)sigaction(sig, &sa, NULL); /* KILL, STOP and libc's own refuse */
    (void)sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL);
}

static int compare_int(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;

    return (x > y) - (x < y);
}

/* Moves every descriptor out of the way first, so that no target overwrites a source. */
static int place_fds(const struct proc_spec *s, int *status)
{
    int keep[PROC_FDS_MAX + 1], moved[PROC_FDS_MAX], above = 3;
    bool std[2] = {false, false};

    for (size_t i = 0; i < s->nfds; i++)
        if (s->fds[i].to >= above)
            above = s->fds[i].to + 1;
    for (size_t i = 0; i < s->nfds; i++)
        if ((moved[i] = fcntl(s->fds[i].from, F_DUPFD_CLOEXEC, above)) < 0)
            return -1;
    if ((*status = fcntl(*status, F_DUPFD_CLOEXEC, above)) < 0)
        return -1;
    for (size_t i = 0; i < s->nfds; i++) {
        if (dup2(moved[i], s->fds[i].to) < 0) /* clears close-on-exec */
            return -1;
        keep[i] = s->fds[i].to;
        if (keep[i] < 2)
            std[keep[i]] = true;
    }
    for (int fd = 0; fd < 2; fd++) {
        int null;

        if (std[fd])
            continue;
        if ((null = open("/dev/null", O_RDWR | O_CLOEXEC)) < 0)
            return -1;
        if (null != fd && (dup2(null, fd) < 0 || close(null) != 0))
            return -1;
        if (null == fd && fcntl(fd, F_SETFD, 0) != 0)
            return -1;
    }
    keep[s->nfds] = *status;
    qsort(keep, s->nfds + 1, sizeof(keep[0]), compare_int);
    return jail_close_from(3, keep, s->nfds + 1);
}

static __attribute__((noreturn)) void child(const struct proc_spec *s, int status, pid_t parent)
{
    static char *const empty[] = {NULL};

    if (plain_signals() != 0 || place_fds(s, &status) != 0)
        fail(status, "passing descriptors to");
    if (s->set_ids && (setgroups(0, NULL) != 0 || setresgid(s->gid, s->gid, s->gid) != 0 ||
                       setresuid(s->uid, s->uid, s->uid) != 0))
        fail(status, "changing the user for");
    if (s->death_signal != 0) {
        /* after the change of user, which clears it */
        if (prctl(PR_SET_PDEATHSIG, s->death_signal) != 0)
            fail(status, "setting the parent-death signal of");
        if (getppid() != parent)
            _exit(125);
    }
    (void)execve(s->path, (char *const *)s->argv, s->envp != NULL ? (char *const *)s->envp : empty);
    fail(status, "executing");
}

static int hold(struct proc *out, pid_t pid)
{
    int fd = pidfd_open(pid, 0);

    if (fd < 0) {
        int rc = -errno;

        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        return rc;
    }
    out->pid = pid;
    out->pidfd = fd;
    return 0;
}

int proc_spawn(struct proc *out, const struct proc_spec *s, struct err *e)
{
    struct proc p = PROC_NONE;
    struct failure f = {0, ""};
    int status[2], rc;
    pid_t parent = getpid(), pid;

    if (s->nfds > PROC_FDS_MAX)
        return err_set(e, -EINVAL, "at most %d descriptors can be passed", PROC_FDS_MAX);
    if (pipe2(status, O_CLOEXEC) != 0)
        return err_sys(e, -errno, "cannot start \"%s\"", s->path);
    pid = fork();
    if (pid == 0)
        child(s, status[1], parent);
    rc = pid < 0 ? -errno : 0;
    (void)close(status[1]);
    if (rc == 0 && (rc = hold(&p, pid)) == 0 && read(status[0], &f, sizeof(f)) == sizeof(f)) {
        rc = -f.error;
        proc_end_now(&p);
    }
    (void)close(status[0]);
    f.step[sizeof(f.step) - 1] = '\0';
    if (rc != 0)
        return err_sys(e, rc, "%s \"%s\" failed", f.step[0] != '\0' ? f.step : "starting", s->path);
    *out = p;
    return 0;
}

int proc_fork(struct proc *out)
{
    pid_t pid = fork();

    if (pid < 0)
        return -errno;
    if (pid == 0)
        return 1;
    return hold(out, pid);
}

int proc_reap(struct proc *p, bool wait, struct proc_last *why)
{
    struct rusage ru;
    siginfo_t si;
    long rc;

    memset(&si, 0, sizeof(si));
    memset(&ru, 0, sizeof(ru));
    do
        rc = syscall(SYS_waitid, P_PIDFD, p->pidfd, &si, WEXITED | (wait ? 0 : WNOHANG), &ru);
    while (rc != 0 && errno == EINTR);
    if (rc != 0)
        return -errno;
    if (si.si_pid == 0)
        return -EAGAIN;
    why->code = si.si_status;
    why->end = si.si_code == CLD_EXITED ? PROC_EXITED
               : si.si_status == SIGSYS ? PROC_JAILED
                                        : PROC_SIGNALED;
    why->cpu_us = (uint64_t)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000u +
                  (uint64_t)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec);
    why->rss_max = (uint64_t)ru.ru_maxrss * 1024u;
    io_close(&p->pidfd);
    p->pid = -1;
    return 0;
}

const char *proc_last_text(const struct proc_last *why, char out[96])
{
    const char *name;

    switch (why->end) {
    case PROC_EXITED:
        (void)snprintf(out, 96, "exit code %d", why->code);
        break;
    case PROC_JAILED:
        (void)snprintf(out, 96, "killed by its jail (forbidden system call)");
        break;
    case PROC_SIGNALED:
        name = sigdescr_np(why->code);
        (void)snprintf(out, 96, "signal %d (%s)", why->code, name != NULL ? name : "?");
        break;
    }
    return out;
}

int proc_signal(const struct proc *p, int sig)
{
    if (p->pidfd < 0)
        return -ESRCH;
    return pidfd_send_signal(p->pidfd, sig, NULL, 0) == 0 ? 0 : -errno;
}

void proc_end_now(struct proc *p)
{
    struct proc_last why;

    if (p->pidfd < 0)
        return;
    (void)!proc_signal(p, SIGKILL);
    (void)!proc_reap(p, true, &why);
    io_close(&p->pidfd);
    p->pid = -1;
}

#include "watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"

#define TRACING "/sys/kernel/tracing"
#define PROCESSES 4096 /* alive or just gone, at a time */
#define SEEN 65536     /* opened files of everybody, of two turns */

enum role { WARDEN, SERVER, CHILD };

struct process {
    pid_t pid; /* 0: free */
    enum role role;
    bool files, locked; /* locked: a child whose filter is on */
    bool refused;       /* its filter has ended it: the call that it ends in did not happen */
    unsigned gone;      /* turns since it ended, from 1 */
};
struct opened {
    pid_t pid;
    char name[48];
};
struct watch {
    char folder[128]; /* the instance */
    int pipe, fanotify;
    bool on;      /* the kernel reports */
    bool mounted; /* tracefs, by us */
    struct process process[PROCESSES];
    struct opened seen[2][SEEN]; /* this turn's and the last one's */
    size_t n_seen[2];
    struct watch_counts n;
    char line[4096]; /* an unfinished one */
    size_t len;
};

/* --- what each needs --- */

static bool is_among(long nr, const long *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == nr)
            return true;
    return false;
}
#define AMONG(nr, ...)                                                                             \
    is_among(nr, (const long[]){__VA_ARGS__}, sizeof((const long[]){__VA_ARGS__}) / sizeof(long))

/* Memory, time, ending. */
static bool computes(long nr)
{
    return AMONG(nr, SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_madvise, SYS_mprotect,
                 SYS_futex, SYS_clock_gettime, SYS_gettimeofday, SYS_getrandom, SYS_rt_sigreturn,
                 SYS_rt_sigprocmask, SYS_rt_sigaction, SYS_restart_syscall, SYS_getpid, SYS_gettid,
                 SYS_exit, SYS_exit_group);
}

/* Files, beneath what it has: whether they are is fanotify's to say. */
static bool has_files(long nr)
{
    return AMONG(nr, SYS_open, SYS_openat, SYS_close, SYS_read, SYS_write, SYS_pread64,
                 SYS_pwrite64, SYS_readv, SYS_writev, SYS_lseek, SYS_fstat, SYS_stat, SYS_lstat,
                 SYS_statx, SYS_newfstatat, SYS_access, SYS_getdents64, SYS_mkdir, SYS_mkdirat,
                 SYS_rmdir, SYS_unlink, SYS_unlinkat, SYS_rename, SYS_renameat, SYS_renameat2,
                 SYS_ftruncate, SYS_fchmod, SYS_fcntl, SYS_dup, SYS_dup2, SYS_readlink, SYS_getcwd,
                 SYS_statfs, SYS_fstatfs, SYS_fadvise64, SYS_umask, SYS_getuid, SYS_geteuid,
                 SYS_sysinfo, SYS_uname, SYS_sched_getaffinity, SYS_sched_yield, SYS_getrusage);
}

static bool serves(long nr)
{
    return AMONG(nr, SYS_recvmsg, SYS_sendmsg, SYS_poll, SYS_ppoll, SYS_memfd_create, SYS_ftruncate,
                 SYS_fcntl, SYS_fstat, SYS_newfstatat, SYS_close, SYS_write, SYS_lseek,
                 SYS_clone /* fork(3) */, SYS_pidfd_open, SYS_pidfd_send_signal, SYS_waitid,
                 SYS_wait4);
}

/* Between fork and the filter. */
static bool closes_itself_in(long nr)
{
    return AMONG(nr, SYS_clone, SYS_set_robust_list, SYS_rseq, SYS_prctl, SYS_getppid,
                 SYS_close_range, SYS_setrlimit, SYS_prlimit64, SYS_seccomp,
                 SYS_landlock_create_ruleset, SYS_landlock_add_rule, SYS_landlock_restrict_self);
}

static bool needs(const struct process *p, long nr)
{
    switch (p->role) {
    case WARDEN:
        return computes(nr) || nr == SYS_wait4;
    case SERVER:
        return computes(nr) || serves(nr) || (p->files && (has_files(nr) || nr == SYS_chmod));
    case CHILD:
        return computes(nr) || (!p->locked && closes_itself_in(nr)) || (p->files && has_files(nr));
    }
    return false;
}

/* --- processes --- */

static struct process *process_of(struct watch *w, pid_t pid)
{
    for (size_t i = 0; i < PROCESSES; i++)
        if (w->process[i].pid == pid)
            return &w->process[i];
    return NULL;
}

static struct process *follow(struct watch *w, pid_t pid, enum role role, bool files)
{
    struct process *p = process_of(w, pid);

    if (p == NULL && (p = process_of(w, 0)) == NULL) {
        w->n.lost++;
        return NULL;
    }
    *p = (struct process){.pid = pid, .role = role, .files = files};
    return p;
}

static void escaped(struct watch *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void escaped(struct watch *w, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    if (w->n.escapes++ == 0)
        (void)vsnprintf(w->n.first, sizeof(w->n.first), fmt, ap);
    va_end(ap);
}

/* --- what the kernel tells --- */

static void on_call(struct watch *w, struct process *p, long nr, long result)
{
    static const char *const roles[] = {"warden", "server", "child"};

    if (p->refused)
        return;
    w->n.calls++;
    if (p->role == CHILD && nr == SYS_seccomp && result == 0)
        p->locked = true;
    else if (!needs(p, nr))
        escaped(w, "a %s%s made system call %ld, which answered %ld", roles[p->role],
                p->role == CHILD && !p->locked ? " without a filter" : "", nr, result);
}

static void on_line(struct watch *w, const char *line)
{
    const char *bracket = strstr(line, " ["), *at;
    struct process *p;
    pid_t pid = 0, child;
    long nr, result;

    if (strstr(line, " EVENTS]") != NULL) { /* "CPU:1 [LOST 17 EVENTS]" */
        w->n.lost++;
        return;
    }
    for (at = bracket; at != NULL && at > line && at[-1] != '-'; at--)
        ;
    if (bracket == NULL || sscanf(at, "%d", &pid) != 1 || (p = process_of(w, pid)) == NULL)
        return;
    if ((at = strstr(bracket, "sys_exit: NR ")) != NULL) {
        if (sscanf(at, "sys_exit: NR %ld = %ld", &nr, &result) == 2)
            on_call(w, p, nr, result);
    } else if ((at = strstr(bracket, "sched_process_fork: ")) != NULL) {
        if ((at = strstr(at, "child_pid=")) == NULL || sscanf(at, "child_pid=%d", &child) != 1)
            return;
        w->n.children++;
        if (p->role != SERVER)
            escaped(w, "a process that may not has started another");
        (void)follow(w, child, CHILD, p->files);
    } else if (strstr(bracket, "sched_process_exec: ") != NULL) {
        escaped(w, "a program was started: %.100s", strstr(bracket, "sched_process_exec: "));
    } else if (strstr(bracket, "sched_process_exit: ") != NULL) {
        p->gone = 1;
    } else if (strstr(bracket, "signal_generate: ") != NULL) {
        w->n.refused++;
        p->refused = true;
    }
}

static void read_trace(struct watch *w)
{
    ssize_t n;

    while ((n = read(w->pipe, w->line + w->len, sizeof(w->line) - 1 - w->len)) > 0) {
        char *from = w->line, *end;

        w->len += (size_t)n;
        w->line[w->len] = '\0';
        while ((end = strchr(from, '\n')) != NULL) {
            *end = '\0';
            on_line(w, from);
            from = end + 1;
        }
        w->len -= (size_t)(from - w->line);
        memmove(w->line, from, w->len);
    }
}

static void on_file(struct watch *w, const struct fanotify_event_metadata *m)
{
    const struct fanotify_event_info_fid *fid = (const void *)(m + 1);
    struct opened *o;

    if ((m->mask & FAN_Q_OVERFLOW) != 0 || w->n_seen[0] == SEEN) {
        w->n.lost++;
        return;
    }
    o = &w->seen[0][w->n_seen[0]++];
    o->pid = m->pid;
    o->name[0] = '\0';
    if (m->event_len > sizeof(*m) && fid->hdr.info_type == FAN_EVENT_INFO_TYPE_DFID_NAME) {
        const struct file_handle *h = (const void *)fid->handle;

        (void)snprintf(o->name, sizeof(o->name), "%s", (const char *)h->f_handle + h->handle_bytes);
    }
}

static void read_files(struct watch *w)
{
    static _Alignas(struct fanotify_event_metadata) char events[65536];
    ssize_t n;

    while ((n = read(w->fanotify, events, sizeof(events))) > 0) {
        const struct fanotify_event_metadata *m = (const void *)events;

        while (FAN_EVENT_OK(m, n)) {
            on_file(w, m);
            n -= m->event_len;
            m = (const void *)((const char *)m + m->event_len);
        }
        if (w->n_seen[0] > SEEN / 2)
            return; /* the rest in the next turn */
    }
}

/* Who opened a file may become known only in the next turn. */
static void judge_files(struct watch *w)
{
    for (size_t turn = 0; turn < 2; turn++)
        for (size_t i = 0; i < w->n_seen[turn]; i++)
            if (w->seen[turn][i].pid > 0 && process_of(w, w->seen[turn][i].pid) != NULL) {
                w->n.files++;
                escaped(w, "the file \"%s\" outside was opened or changed", w->seen[turn][i].name);
                w->seen[turn][i].pid = 0;
            }
    memcpy(w->seen[1], w->seen[0], w->n_seen[0] * sizeof(*w->seen[0]));
    w->n_seen[1] = w->n_seen[0];
    w->n_seen[0] = 0;
}

void watch_turn(struct watch *w)
{
    read_files(w);
    read_trace(w);
    judge_files(w);
    for (size_t i = 0; i < PROCESSES; i++)
        if (w->process[i].gone > 0 && ++w->process[i].gone > 3)
            w->process[i] = (struct process){.pid = 0};
}

/* --- opening and closing --- */

static int put(const struct watch *w, const char *file, const char *text, int how)
{
    char path[256];
    int fd, rc = 0;

    (void)snprintf(path, sizeof(path), "%s/%s", w->folder, file);
    fd = open(path, O_WRONLY | O_CLOEXEC | how);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        rc = -errno;
    io_close(&fd);
    return rc;
}

/* Mounted for as long as the watch lasts where the machine has not done so. */
static int find_tracefs(struct watch *w)
{
    if (access(TRACING "/instances", F_OK) == 0)
        return 0;
    if (mount("tracefs", TRACING, "tracefs", 0, NULL) != 0)
        return -errno;
    w->mounted = true;
    return access(TRACING "/instances", F_OK) == 0 ? 0 : -ENOSYS;
}

static int open_trace(struct watch *w)
{
    static const struct {
        const char *file, *text;
    } settings[] = {
        {"buffer_size_kb", "16384"},
        {"options/event-fork", "1"},
        {"events/raw_syscalls/sys_exit/filter", "ret >= 0"},
        {"events/signal/signal_generate/filter", "sig == 31"}, /* SIGSYS */
    };
    char path[256];
    int rc;

    (void)snprintf(w->folder, sizeof(w->folder), TRACING "/instances/watch-%d", (int)getpid());
    if (mkdir(w->folder, 0700) != 0) {
        rc = -errno;
        w->folder[0] = '\0';
        return rc;
    }
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        if ((rc = put(w, settings[i].file, settings[i].text, 0)) != 0)
            return rc;
    (void)snprintf(path, sizeof(path), "%s/trace_pipe", w->folder);
    w->pipe = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    return w->pipe < 0 ? -errno : 0;
}

static int open_fanotify(struct watch *w)
{
    FILE *f = setmntent("/proc/self/mounts", "re");
    const struct mntent *m;
    unsigned marks = 0;

    w->fanotify = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_DFID_NAME | FAN_NONBLOCK |
                                    FAN_UNLIMITED_QUEUE | FAN_CLOEXEC,
                                O_RDONLY);
    /* all that can be marked; those of the kernel's own (proc, cgroup) cannot, or hold no files */
    while (f != NULL && w->fanotify >= 0 && (m = getmntent(f)) != NULL)
        marks += strcmp(m->mnt_type, "tracefs") != 0 && strcmp(m->mnt_type, "debugfs") != 0 &&
                 fanotify_mark(w->fanotify, FAN_MARK_ADD | FAN_MARK_FILESYSTEM,
                               FAN_OPEN | FAN_CREATE | FAN_DELETE | FAN_MOVED_FROM | FAN_MOVED_TO |
                                   FAN_MODIFY | FAN_ONDIR,
                               AT_FDCWD, m->mnt_dir) == 0;
    if (f != NULL)
        (void)endmntent(f);
    return w->fanotify < 0 ? -errno : marks == 0 ? -ENOSYS : 0;
}

int watch_open(struct watch **out, struct err *e)
{
    struct watch *w;
    int rc;

    if (geteuid() != 0)
        return err_set(e, -EPERM, "only root can watch");
    if ((w = calloc(1, sizeof(*w))) == NULL)
        return err_set(e, -ENOMEM, "out of memory");
    w->pipe = w->fanotify = -1;
    if ((rc = find_tracefs(w)) != 0 || (rc = open_trace(w)) != 0) {
        (void)err_sys(e, rc, "the kernel's tracing cannot be used");
        goto out;
    }
    if ((rc = open_fanotify(w)) != 0) {
        (void)err_sys(e, rc, "fanotify cannot be used");
        goto out;
    }
    *out = w;
    w = NULL;
out:
    watch_close(w);
    return rc;
}

void watch_close(struct watch *w)
{
    if (w == NULL)
        return;
    io_close(&w->pipe);
    io_close(&w->fanotify);
    if (w->folder[0] != '\0')
        (void)rmdir(w->folder);
    if (w->mounted)
        (void)umount2(TRACING, MNT_DETACH);
    free(w);
}

static pid_t only_child_of(pid_t parent)
{
    DIR *d = opendir("/proc");
    const struct dirent *en;
    pid_t found = 0;

    while (d != NULL && (en = readdir(d)) != NULL) {
        char path[300], text[512];
        const char *at;
        int fd, is = 0;
        ssize_t n = 0;

        (void)snprintf(path, sizeof(path), "/proc/%s/stat", en->d_name);
        if (en->d_name[0] < '1' || en->d_name[0] > '9' || (fd = open(path, O_RDONLY)) < 0)
            continue;
        n = read(fd, text, sizeof(text) - 1);
        (void)close(fd);
        text[n > 0 ? n : 0] = '\0';
        if ((at = strrchr(text, ')')) != NULL && sscanf(at, ") %*c %d", &is) == 1 && is == parent)
            found = (pid_t)strtol(en->d_name, NULL, 10);
    }
    if (d != NULL)
        (void)closedir(d);
    return found;
}

void watch_engine(struct watch *w, pid_t engine, bool files)
{
    static const char *const events[] = {
        "events/raw_syscalls/sys_exit/enable", "events/signal/signal_generate/enable",
        "events/sched/sched_process_fork/enable", "events/sched/sched_process_exec/enable",
        "events/sched/sched_process_exit/enable"};
    pid_t server = only_child_of(engine);
    char text[24];

    /* what it opened while it loaded was before its jail closed */
    do
        watch_turn(w);
    while (w->n_seen[1] > 0);
    /* an engine without a jail has no warden */
    (void)follow(w, engine, server != 0 ? WARDEN : SERVER, files);
    if (server != 0)
        (void)follow(w, server, SERVER, files);
    for (int i = 0; i < 2; i++) {
        (void)snprintf(text, sizeof(text), "%d", (int)(i == 0 ? engine : server));
        if (text[0] != '0' && put(w, "set_event_pid", text, O_APPEND) != 0)
            w->n.lost++;
    }
    /* not before: no process named would mean all */
    for (size_t i = 0; i < ARRAY_LEN(events) && !w->on; i++)
        if (put(w, events[i], "1", 0) != 0)
            w->n.lost++;
    w->on = true;
}

static unsigned overruns(const struct watch *w)
{
    unsigned n = 0, all = 0;

    for (int cpu = 0; cpu < 1024; cpu++) {
        char path[256], text[1024];
        const char *at;
        int fd;
        ssize_t got;

        (void)snprintf(path, sizeof(path), "%s/per_cpu/cpu%d/stats", w->folder, cpu);
        if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
            break;
        got = read(fd, text, sizeof(text) - 1);
        (void)close(fd);
        text[got > 0 ? got : 0] = '\0';
        if ((at = strstr(text, "overrun: ")) != NULL && sscanf(at, "overrun: %u", &n) == 1)
            all += n;
        if ((at = strstr(text, "dropped events: ")) != NULL &&
            sscanf(at, "dropped events: %u", &n) == 1)
            all += n;
    }
    return all;
}

struct watch_counts watch_end(struct watch *w)
{
    for (int i = 0; i < 5; i++) {
        (void)usleep(20000);
        watch_turn(w);
    }
    w->n.lost += overruns(w);
    return w->n;
}

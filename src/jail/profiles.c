/* profiles.c - which system calls a profile may make.
 *
 * One row a system call, one column a profile, so that the whole policy can be read at a glance and
 * a change shows as one character.  What a library needs only while it starts is not here: warm up
 * before jail_enter.  Calls whose danger lies in an argument stand in the second table. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "jail/jail_priv.h"

#define R (1u << JAIL_READER)
#define S (1u << JAIL_ENGINE_SERVER)
#define C (1u << JAIL_ENGINE_CHILD)
#define T (1u << JAIL_SCRATCH_SERVER)
#define D (1u << JAIL_SCRATCH_CHILD)
#define F (1u << JAIL_FRONT)
#define K (1u << JAIL_KEEPER)
#define G (1u << JAIL_SIGNER)
#define L (1u << JAIL_FILES_READER)
#define N (1u << JAIL_COURIER)
#define E (1u << JAIL_EXPANDER)
#define W (1u << JAIL_WARDEN)
#define ALL (R | S | C | T | D | F | K | G | L | N | E | W)
#define TALK (R | S | T | F | K | G | L | N | E) /* all that hold descriptors */
#define HOLD (TALK | D)                          /* D holds files of its own making only */
#define DISK (K | G | L | N | T | D) /* all that have paths; Landlock says which and how */
#define THREADED (F | K | N | E)

static const struct row {
    int nr;
    unsigned who;
} plain[] = {
    /* memory, time, ending */
    {SCMP_SYS(brk), ALL},
    {SCMP_SYS(munmap), ALL},
    {SCMP_SYS(mremap), ALL},
    {SCMP_SYS(madvise), ALL},
    {SCMP_SYS(futex), ALL},
    {SCMP_SYS(clock_gettime), ALL},
    {SCMP_SYS(clock_getres), ALL},
    {SCMP_SYS(gettimeofday), ALL},
    {SCMP_SYS(getrandom), ALL & ~W},
    {SCMP_SYS(rt_sigreturn), ALL},
    {SCMP_SYS(rt_sigprocmask), ALL},
    {SCMP_SYS(rt_sigaction), ALL},
    {SCMP_SYS(restart_syscall), ALL},
    {SCMP_SYS(getpid), ALL},
    {SCMP_SYS(gettid), ALL},
    {SCMP_SYS(exit), ALL},
    {SCMP_SYS(exit_group), ALL},
    {SCMP_SYS(rseq), TALK},
    {SCMP_SYS(set_robust_list), TALK},
    {SCMP_SYS(sigaltstack), TALK},
    {SCMP_SYS(sched_yield), HOLD},
    {SCMP_SYS(sched_getaffinity), HOLD},
    {SCMP_SYS(membarrier), HOLD},
    {SCMP_SYS(nanosleep), TALK},
    {SCMP_SYS(clock_nanosleep), TALK},
    {SCMP_SYS(getrusage), HOLD},
    {SCMP_SYS(sysinfo), HOLD},
    {SCMP_SYS(uname), HOLD},
    {SCMP_SYS(mlock), K | G | F},
    {SCMP_SYS(mlock2), K | G | F},
    {SCMP_SYS(munlock), K | G | F},
    {SCMP_SYS(getuid), HOLD},
    {SCMP_SYS(geteuid), HOLD},
    {SCMP_SYS(getgid), HOLD},
    {SCMP_SYS(getegid), HOLD},
    {SCMP_SYS(getppid), HOLD},
    /* descriptors one already has */
    {SCMP_SYS(read), HOLD},
    {SCMP_SYS(write), HOLD},
    {SCMP_SYS(readv), HOLD},
    {SCMP_SYS(writev), HOLD},
    {SCMP_SYS(pread64), HOLD},
    {SCMP_SYS(pwrite64), HOLD},
    {SCMP_SYS(preadv), HOLD},
    {SCMP_SYS(pwritev), HOLD},
    {SCMP_SYS(lseek), HOLD},
    {SCMP_SYS(close), HOLD},
    {SCMP_SYS(close_range), TALK},
    {SCMP_SYS(dup), HOLD},
    {SCMP_SYS(dup2), HOLD},
    {SCMP_SYS(dup3), TALK},
    {SCMP_SYS(fstat), HOLD},
    {SCMP_SYS(pipe2), TALK},
    {SCMP_SYS(eventfd2), TALK},
    {SCMP_SYS(poll), TALK},
    {SCMP_SYS(ppoll), TALK},
    {SCMP_SYS(select), TALK},
    {SCMP_SYS(pselect6), TALK},
    {SCMP_SYS(epoll_create1), TALK},
    {SCMP_SYS(epoll_ctl), TALK},
    {SCMP_SYS(epoll_wait), TALK},
    {SCMP_SYS(epoll_pwait), TALK},
    {SCMP_SYS(timerfd_create), TALK},
    {SCMP_SYS(timerfd_settime), TALK},
    {SCMP_SYS(recvmsg), TALK},
    {SCMP_SYS(sendmsg), TALK},
    {SCMP_SYS(recvfrom), TALK},
    {SCMP_SYS(sendto), TALK},
    {SCMP_SYS(getsockopt), TALK},
    {SCMP_SYS(shutdown), TALK},
    {SCMP_SYS(memfd_create), TALK},
    {SCMP_SYS(ftruncate), HOLD},
    /* connections */
    {SCMP_SYS(accept), F},
    {SCMP_SYS(accept4), F},
    {SCMP_SYS(getsockname), F | N},
    {SCMP_SYS(getpeername), F | N},
    {SCMP_SYS(setsockopt), F | N},
    {SCMP_SYS(connect), N},
    {SCMP_SYS(bind), N}, /* getaddrinfo binds a netlink socket; Landlock refuses TCP */
    {SCMP_SYS(sendmmsg), N},
    {SCMP_SYS(recvmmsg), N},
    {SCMP_SYS(sendfile), F},
    /* files beneath the paths */
    {SCMP_SYS(open), DISK},
    {SCMP_SYS(openat), DISK},
    {SCMP_SYS(stat), DISK},
    {SCMP_SYS(lstat), DISK},
    {SCMP_SYS(statx), DISK},
    {SCMP_SYS(newfstatat), DISK},
    {SCMP_SYS(access), DISK},
    {SCMP_SYS(faccessat), DISK},
    {SCMP_SYS(faccessat2), DISK},
    {SCMP_SYS(readlink), DISK},
    {SCMP_SYS(readlinkat), DISK},
    {SCMP_SYS(getdents64), DISK},
    {SCMP_SYS(getcwd), DISK},
    {SCMP_SYS(statfs), DISK},
    {SCMP_SYS(fstatfs), DISK},
    {SCMP_SYS(fadvise64), DISK},
    {SCMP_SYS(flock), K | G},
    {SCMP_SYS(mkdir), K | G | T | D},
    {SCMP_SYS(mkdirat), K | G | T | D},
    {SCMP_SYS(rmdir), K | G | T | D},
    {SCMP_SYS(unlink), K | G | T | D},
    {SCMP_SYS(unlinkat), K | G | T | D},
    {SCMP_SYS(rename), K | G | T | D},
    {SCMP_SYS(renameat), K | G | T | D},
    {SCMP_SYS(renameat2), K | G | T | D},
    {SCMP_SYS(link), K | G},
    {SCMP_SYS(linkat), K | G},
    {SCMP_SYS(fsync), K | G},
    {SCMP_SYS(fdatasync), K | G},
    {SCMP_SYS(syncfs), K}, /* the ledger, when many tiles wait */
    {SCMP_SYS(sync_file_range), K | G},
    {SCMP_SYS(fallocate), K | G | F},
    {SCMP_SYS(truncate), K | G | T},
    {SCMP_SYS(fchmod), K | G | T | D},
    {SCMP_SYS(chmod), T},
    {SCMP_SYS(fchmodat), K | G | T},
    {SCMP_SYS(utimensat), K | G},
    {SCMP_SYS(umask), K | G | T | D},
    {SCMP_SYS(copy_file_range), K},
    /* children */
    {SCMP_SYS(wait4), S | T | W},
    {SCMP_SYS(waitid), S | T},
    {SCMP_SYS(pidfd_open), S | T},
    {SCMP_SYS(pidfd_send_signal), S | T},   /* Landlock and the pid namespace: its own children */
    {SCMP_SYS(landlock_create_ruleset), T}, /* a new child's own border */
    {SCMP_SYS(landlock_add_rule), T},
    {SCMP_SYS(landlock_restrict_self), T},
    {SCMP_SYS(setrlimit), S | T}, /* limits of a new child; they can only be lowered */
};

/* Allowed only if (argument arg & mask) == value. */
static const struct narrow {
    int nr;
    unsigned who;
    unsigned arg;
    uint64_t mask, value;
} narrow[] = {
    /* no memory that can be executed: what runs is what was loaded */
    {SCMP_SYS(mmap), ALL, 2, PROT_EXEC, 0},
    {SCMP_SYS(mprotect), ALL, 2, PROT_EXEC, 0},
    /* glibc's fstat; DISK, which has paths, stands above */
    {SCMP_SYS(newfstatat), TALK & ~DISK, 3, AT_EMPTY_PATH, AT_EMPTY_PATH},
    {SCMP_SYS(clone), THREADED, 0, CLONE_THREAD, CLONE_THREAD},
    /* exactly what fork(3) of glibc asks: no namespace, no shared memory */
    {SCMP_SYS(clone), S | T, 0, UINT32_MAX, CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD},
    {SCMP_SYS(fcntl), HOLD, 1, UINT32_MAX, F_GETFL},
    {SCMP_SYS(fcntl), HOLD, 1, UINT32_MAX, F_SETFL},
    {SCMP_SYS(fcntl), HOLD, 1, UINT32_MAX, F_GETFD},
    {SCMP_SYS(fcntl), HOLD, 1, UINT32_MAX, F_SETFD},
    {SCMP_SYS(fcntl), HOLD, 1, UINT32_MAX, F_DUPFD_CLOEXEC},
    {SCMP_SYS(fcntl), TALK, 1, UINT32_MAX, F_ADD_SEALS},
    {SCMP_SYS(fcntl), TALK, 1, UINT32_MAX, F_GET_SEALS},
    {SCMP_SYS(fcntl), DISK, 1, UINT32_MAX, F_SETLK},
    {SCMP_SYS(fcntl), DISK, 1, UINT32_MAX, F_SETLKW},
    {SCMP_SYS(fcntl), DISK, 1, UINT32_MAX, F_GETLK},
    {SCMP_SYS(fcntl), DISK, 1, UINT32_MAX, F_OFD_SETLK},
    {SCMP_SYS(ioctl), TALK, 1, UINT32_MAX, FIONREAD},
    {SCMP_SYS(ioctl), TALK, 1, UINT32_MAX, FIONBIO},
    {SCMP_SYS(setsockopt), R | S | T | K | G | L | E, 1, UINT32_MAX, SOL_SOCKET},
    {SCMP_SYS(socket), N, 0, UINT32_MAX, AF_INET},
    {SCMP_SYS(socket), N, 0, UINT32_MAX, AF_INET6},
    {SCMP_SYS(socket), N, 0, UINT32_MAX, AF_NETLINK},
    {SCMP_SYS(socket), N, 0, UINT32_MAX, AF_UNIX},
    {SCMP_SYS(socketpair), K | N | F, 0, UINT32_MAX, AF_UNIX},
    {SCMP_SYS(prctl), TALK, 0, UINT32_MAX, PR_SET_NAME},
    {SCMP_SYS(prctl), S | T, 0, UINT32_MAX, PR_SET_PDEATHSIG},
    {SCMP_SYS(seccomp), S | T, 0, UINT32_MAX, SECCOMP_SET_MODE_FILTER}, /* a child's own */
    {SCMP_SYS(prlimit64), TALK, 2, UINT64_MAX, 0},                      /* reading */
    {SCMP_SYS(prlimit64), S | T, 0, UINT32_MAX, 0},                     /* of itself */
};

/* Refused with an errno instead of death: what libraries try and live without. */
static const struct soft {
    int nr;
    unsigned who;
    int error;
} soft[] = {
    {SCMP_SYS(clone3), ALL, ENOSYS}, /* its flags lie in memory; glibc then uses clone */
    /* by path, which Landlock does not look at: a child could close its siblings' folders */
    {SCMP_SYS(chmod), D, EACCES},
    {SCMP_SYS(fchmodat), D, EACCES},
};

#if JAIL_SANITIZED
/* What the sanitizers' run-time does in any process. */
static const int sanitizer[] = {
    SCMP_SYS(open),       SCMP_SYS(openat),
    SCMP_SYS(read),       SCMP_SYS(write),
    SCMP_SYS(close),      SCMP_SYS(readlink),
    SCMP_SYS(readlinkat), SCMP_SYS(stat),
    SCMP_SYS(fstat),      SCMP_SYS(newfstatat),
    SCMP_SYS(prctl),      SCMP_SYS(clone),
    SCMP_SYS(wait4),      SCMP_SYS(sigaltstack),
    SCMP_SYS(ptrace),     SCMP_SYS(sched_yield),
    SCMP_SYS(getrlimit),  SCMP_SYS(prlimit64),
    SCMP_SYS(tgkill),     SCMP_SYS(kill),
    SCMP_SYS(mmap),       SCMP_SYS(mprotect),
    SCMP_SYS(getppid),    SCMP_SYS(nanosleep),
    SCMP_SYS(ioctl),      SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),       SCMP_SYS(process_vm_readv),
    SCMP_SYS(getdents64), SCMP_SYS(sched_getaffinity),
    SCMP_SYS(lseek),      SCMP_SYS(pipe2),
};
#endif

#define MIB (UINT64_C(1) << 20)
static const struct jail_defaults defaults[] = {
    /*                   address space, file size,  files, processes */
    [JAIL_READER] = {1024 * MIB, 0, 64, 0},
    [JAIL_ENGINE_SERVER] = {RLIM_INFINITY, 16 * MIB, 1024, 64},
    [JAIL_ENGINE_CHILD] = {1024 * MIB, 0, 0, 0},
    [JAIL_SCRATCH_SERVER] = {RLIM_INFINITY, 64 * MIB, 1024, 64},
    [JAIL_SCRATCH_CHILD] = {1024 * MIB, 64 * MIB, 64, 0},
    [JAIL_FRONT] = {RLIM_INFINITY, 0, 65536, 256},
    [JAIL_KEEPER] = {RLIM_INFINITY, RLIM_INFINITY, 4096, 256},
    [JAIL_SIGNER] = {1024 * MIB, MIB, 64, 0},
    [JAIL_FILES_READER] = {1024 * MIB, 0, 256, 0},
    [JAIL_EXPANDER] = {1024 * MIB, 0, 64, 256},
    [JAIL_COURIER] = {RLIM_INFINITY, 0, 1024, 256},
    [JAIL_WARDEN] = {RLIM_INFINITY, 0, 0, 0},
};

const struct jail_defaults *profiles_defaults(unsigned profile)
{
    return &defaults[profile];
}

static uint32_t default_action(unsigned flags)
{
    if (JAIL_SANITIZED)
        return SCMP_ACT_ERRNO(EPERM);
    return (flags & JAIL_REPORT) != 0 ? SCMP_ACT_TRAP : SCMP_ACT_KILL_PROCESS;
}

static int add_rules(scmp_filter_ctx ctx, unsigned bit)
{
    int rc = 0;

    for (size_t i = 0; i < ARRAY_LEN(plain) && rc == 0; i++)
        if ((plain[i].who & bit) != 0)
            rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, plain[i].nr, 0);
#if JAIL_SANITIZED
    for (size_t i = 0; i < ARRAY_LEN(sanitizer) && rc == 0; i++)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, sanitizer[i], 0);
#endif
    for (size_t i = 0; i < ARRAY_LEN(narrow) && rc == 0; i++)
        if ((narrow[i].who & bit) != 0)
            rc = seccomp_rule_add(
                ctx, SCMP_ACT_ALLOW, narrow[i].nr, 1,
                SCMP_CMP(narrow[i].arg, SCMP_CMP_MASKED_EQ, narrow[i].mask, narrow[i].value));
    for (size_t i = 0; i < ARRAY_LEN(soft) && rc == 0; i++)
        if ((soft[i].who & bit) != 0)
            rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO((uint32_t)soft[i].error), soft[i].nr, 0);
    /* abort(3): a failed assertion should look like one; only at oneself */
    if (rc == 0 && bit != C && !JAIL_SANITIZED)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                              SCMP_CMP(0, SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0));
    return rc;
}

/* libseccomp writes a program only to a descriptor. */
static int export_program(scmp_filter_ctx ctx, struct sock_fprog *out)
{
    struct sock_filter *code = NULL;
    off_t size;
    int fd, rc;

    fd = memfd_create("seccomp", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    rc = seccomp_export_bpf(ctx, fd);
    if (rc != 0)
        goto out;
    size = lseek(fd, 0, SEEK_END);
    rc = -EINVAL;
    if (size <= 0 || (size_t)size % sizeof(*code) != 0 || (size_t)size / sizeof(*code) > USHRT_MAX)
        goto out;
    rc = -ENOMEM;
    if ((code = malloc((size_t)size)) == NULL)
        goto out;
    rc = -EIO;
    if (pread(fd, code, (size_t)size, 0) != size)
        goto out;
    out->len = (unsigned short)((size_t)size / sizeof(*code));
    out->filter = code;
    code = NULL;
    rc = 0;
out:
    free(code);
    (void)close(fd);
    return rc;
}

int profiles_program(struct sock_fprog *out, unsigned profile, unsigned flags, struct err *e)
{
    scmp_filter_ctx ctx;
    int rc;

    ctx = seccomp_init(default_action(flags));
    if (ctx == NULL)
        return err_set(e, -ENOMEM, "cannot begin a seccomp filter");
    /* a sorted tree instead of a list of comparisons: half the cost of a call */
    (void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    rc = add_rules(ctx, 1u << profile);
    if (rc == 0)
        rc = export_program(ctx, out);
    seccomp_release(ctx);
    return rc == 0 ? 0
                   : err_sys(e, rc, "cannot make the seccomp filter \"%s\"",
                             jail_profile_name((enum jail_profile)profile));
}

/* Nobody's: neither the supervisor's nor any part's. */
static const int never[] = {
#if !JAIL_SANITIZED /* whose run-time traces itself */
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(personality),
#endif
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(kcmp),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
    SCMP_SYS(io_setup),
    SCMP_SYS(keyctl),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(reboot),
    SCMP_SYS(swapon),
    SCMP_SYS(swapoff),
    SCMP_SYS(acct),
    SCMP_SYS(quotactl),
    SCMP_SYS(syslog),
    SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime),
    SCMP_SYS(clock_adjtime),
    SCMP_SYS(adjtimex),
    SCMP_SYS(iopl),
    SCMP_SYS(ioperm),
    SCMP_SYS(modify_ldt),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(name_to_handle_at),
    SCMP_SYS(fanotify_init),
    SCMP_SYS(inotify_init1),
    SCMP_SYS(mbind),
    SCMP_SYS(move_pages),
    SCMP_SYS(migrate_pages),
    SCMP_SYS(splice),
    SCMP_SYS(vmsplice),
    SCMP_SYS(tee),
    SCMP_SYS(remap_file_pages),
    SCMP_SYS(timer_create),
    SCMP_SYS(mq_open),
    SCMP_SYS(shmget),
    SCMP_SYS(semget),
    SCMP_SYS(msgget),
    SCMP_SYS(chroot),
    SCMP_SYS(rt_sigqueueinfo),
    SCMP_SYS(sched_setscheduler),
    SCMP_SYS(mknod),
    SCMP_SYS(mknodat),
    SCMP_SYS(setxattr),
    SCMP_SYS(sethostname),
};
static const int never_family[] = {AF_PACKET, AF_VSOCK, AF_ALG, AF_BLUETOOTH, AF_CAN, AF_XDP};

int profiles_guard(struct sock_fprog *out, struct err *e)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
    int rc = 0;

    if (ctx == NULL)
        return err_set(e, -ENOMEM, "cannot begin a seccomp filter");
    (void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    for (size_t i = 0; i < ARRAY_LEN(never) && rc == 0; i++)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), never[i], 0);
    for (size_t i = 0; i < ARRAY_LEN(never_family) && rc == 0; i++)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1,
                              SCMP_CMP(0, SCMP_CMP_EQ, (scmp_datum_t)never_family[i], 0));
    for (int six = 0; six < 2 && rc == 0; six++)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 2,
                              SCMP_CMP(0, SCMP_CMP_EQ, six != 0 ? AF_INET6 : AF_INET, 0),
                              SCMP_CMP(1, SCMP_CMP_MASKED_EQ, 0xf, SOCK_RAW));
    if (rc == 0)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
                              SCMP_CMP(1, SCMP_CMP_MASKED_EQ, UINT32_MAX, TIOCSTI));
    if (rc == 0)
        rc = export_program(ctx, out);
    seccomp_release(ctx);
    return rc == 0 ? 0 : err_sys(e, rc, "cannot make the seccomp filter of the supervisor");
}

static void report(int sig, siginfo_t *si, void *context)
{
    char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, si->si_syscall);
    char text[96];
    int n;

    (void)sig;
    (void)context;
    n = snprintf(text, sizeof(text), "jail: forbidden system call %s (%d)\n",
                 name != NULL ? name : "?", si->si_syscall);
    if (write(STDERR_FILENO, text, (size_t)n) != n)
        _exit(JAIL_REPORT_EXIT + 1);
    _exit(JAIL_REPORT_EXIT);
}

int profiles_install(const struct sock_fprog *program, unsigned flags)
{
    struct sigaction sa;

    if ((flags & JAIL_REPORT) != 0) {
        memset(&sa, 0, sizeof(sa));
        sa.sa_sigaction = report;
        sa.sa_flags = SA_SIGINFO;
        if (sigaction(SIGSYS, &sa, NULL) != 0)
            return -errno;
    }
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, program) != 0)
        return -errno;
    return 0;
}

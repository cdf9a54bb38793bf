#include "rights_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jail/jail.h"

static char secret[] = "outside";

/* --- the attempts: 0 when the right was there --- */

static int as_rc(long n)
{
    return n < 0 ? errno : 0;
}

static int try_read_file(void)
{
    return as_rc(open("/etc/passwd", O_RDONLY));
}
static int try_read_old_open(void)
{
    struct open_how {
        uint64_t flags, mode, resolve;
    } how = {O_RDONLY, 0, 0};

    return as_rc(syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", &how, sizeof(how)));
}
static int try_write_file(void)
{
    char path[96];

    (void)snprintf(path, sizeof(path), "%s/written", rights_folder);
    return as_rc(open(path, O_WRONLY | O_CREAT, 0600));
}
static int try_unlink(void)
{
    char path[96];

    (void)snprintf(path, sizeof(path), "%s/victim", rights_folder);
    return as_rc(unlink(path)) == 0 ? as_rc(open(path, O_CREAT | O_WRONLY, 0666)) : errno;
}
static int try_make_folder(void)
{
    char path[96];

    (void)snprintf(path, sizeof(path), "%s/made-%d", rights_folder, (int)getpid());
    return as_rc(mkdir(path, 0700));
}
static int try_root_folder(void)
{
    const char *made = strrchr(rights_folder, '/'); /* a name no other run has */

    return as_rc(mkdir(made, 0700)) == 0 ? as_rc(rmdir(made)) : errno;
}
static int try_proc_self(void)
{
    return as_rc(open("/proc/self/maps", O_RDONLY));
}
static int try_proc_other(void)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)world.outsider);
    return as_rc(open(path, O_RDONLY));
}
static int try_device(void)
{
    return as_rc(open("/dev/null", O_RDWR));
}
static int try_inet_socket(void)
{
    return as_rc(socket(AF_INET, SOCK_DGRAM, 0));
}
static int try_raw_socket(void)
{
    return as_rc(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
}
static int try_connect(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = world.port};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return fd < 0 ? errno : as_rc(connect(fd, (struct sockaddr *)&a, sizeof(a)));
}
static int try_bind(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return fd < 0 ? errno : as_rc(bind(fd, (struct sockaddr *)&a, sizeof(a)));
}
static int try_unix_socket(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    return fd < 0 ? errno
                  : as_rc(connect(fd, (struct sockaddr *)&world.abstract, world.abstract_len));
}
static int try_fork(void)
{
    long pid = syscall(SYS_fork);

    if (pid == 0)
        _exit(0);
    return as_rc(pid);
}
static int try_library_fork(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return as_rc(pid);
}
static int try_vfork(void)
{
    long pid = syscall(SYS_clone, CLONE_VM | SIGCHLD, 0, 0, 0, 0);

    if (pid == 0)
        syscall(SYS_exit, 0);
    return as_rc(pid);
}
static int try_exec(void)
{
    static char *const argv[] = {(char *)(uintptr_t) "true", NULL};

    return as_rc(execve("/bin/true", argv, NULL)); /* exits 0 when it works */
}
static int try_exec_memory(void)
{
    static char *const argv[] = {(char *)(uintptr_t) "x", NULL};
    int fd = memfd_create("x", 0);

    if (fd < 0 || write(fd, "#!/bin/true\n", 12) != 12)
        return errno;
    return as_rc(syscall(SYS_execveat, fd, "", argv, NULL, AT_EMPTY_PATH));
}
static int try_ptrace(void)
{
    return as_rc(ptrace(PTRACE_ATTACH, world.outsider, NULL, NULL));
}
static int try_read_memory(void)
{
    char copy[sizeof(secret)];
    struct iovec to = {copy, sizeof(copy)}, from = {secret, sizeof(secret)};

    return as_rc(process_vm_readv(world.outsider, &to, 1, &from, 1, 0));
}
static int try_kill(void)
{
    return as_rc(kill(world.outsider, 0));
}
static int try_kill_all(void)
{
    return as_rc(syscall(SYS_kill, getppid() == 0 ? 1 : getppid(), 0));
}
static int try_pidfd(void)
{
    return as_rc(syscall(SYS_pidfd_open, world.outsider, 0));
}
static int try_mount(void)
{
    /* on a folder of this run's own: outside a jail it succeeds, and over /tmp it would hide the
     * files of everybody else on this machine, for good if one of them is then in use */
    return as_rc(mount("tmpfs", rights_folder, "tmpfs", 0, NULL)) == 0
               ? as_rc(umount2(rights_folder, MNT_DETACH))
               : errno;
}
static int try_user_namespace(void)
{
    return as_rc(syscall(SYS_unshare, CLONE_NEWUSER));
}
static int try_setuid(void)
{
    return as_rc(syscall(SYS_setresuid, 0, 0, 0));
}
static int try_chroot(void)
{
    return as_rc(chroot("/"));
}
static int try_executable_memory(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
               ? errno
               : 0;
}
static int try_make_executable(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? errno : as_rc(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}
static int try_shared_memory(void)
{
    return as_rc(shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600));
}
static int try_keyring(void)
{
    return as_rc(syscall(SYS_keyctl, 0 /* get id */, -3 /* session */, 1));
}
static int try_io_uring(void)
{
    char params[256] = {0};

    return as_rc(syscall(SYS_io_uring_setup, 1, params));
}
static int try_bpf(void)
{
    char attr[128] = {0};

    return as_rc(syscall(SYS_bpf, 0, attr, sizeof(attr)));
}
static int try_dumpable(void)
{
    return as_rc(prctl(PR_SET_DUMPABLE, 1));
}
static int try_raise_limit(void)
{
    struct rlimit r = {RLIM_INFINITY, RLIM_INFINITY};

    return as_rc(syscall(SYS_prlimit64, 0, RLIMIT_CORE, &r, NULL));
}
static int try_limit_other(void)
{
    struct rlimit r = {0, 0};

    return as_rc(syscall(SYS_prlimit64, world.outsider, RLIMIT_CORE, &r, NULL));
}
static int try_hostname(void)
{
    char name[65];

    return gethostname(name, sizeof(name)) != 0 ? errno : as_rc(sethostname(name, strlen(name)));
}
static int try_device_node(void)
{
    char path[96];

    (void)snprintf(path, sizeof(path), "%s/node-%d", rights_folder, (int)getpid());
    return as_rc(mknod(path, S_IFCHR | 0600, 0x103));
}

/* Of its own: what the configuration gives the process. */
static int try_own_read(void)
{
    return rights_own_read == NULL ? ENOENT : as_rc(open(rights_own_read, O_RDONLY));
}
static int try_own_write(void)
{
    char path[160];
    int fd;

    if (rights_own_write == NULL)
        return ENOENT;
    (void)snprintf(path, sizeof(path), "%s/probe", rights_own_write);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    return fd < 0 ? errno : as_rc(unlink(path));
}
static int try_listen(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0)
        return errno;
    return as_rc(listen(fd, 1));
}
static int try_packet_socket(void)
{
    return as_rc(socket(AF_PACKET, SOCK_RAW, 0));
}
static int try_vsock(void)
{
    return as_rc(socket(AF_VSOCK, SOCK_STREAM, 0));
}
static int try_alg_socket(void)
{
    return as_rc(socket(AF_ALG, SOCK_SEQPACKET, 0));
}
static void *nothing(void *arg)
{
    return arg;
}
static int try_thread(void)
{
    pthread_t t;
    int rc = pthread_create(&t, NULL, nothing, NULL);

    return rc != 0 ? rc : pthread_join(t, NULL);
}
static int try_memfd(void)
{
    return as_rc(memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING));
}
static int try_write_memory(void)
{
    char copy[sizeof(secret)] = {0};
    struct iovec from = {copy, sizeof(copy)}, to = {secret, sizeof(secret)};

    return as_rc(process_vm_writev(world.outsider, &from, 1, &to, 1, 0));
}
static int try_trace_me(void)
{
    return as_rc(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}
static int try_take_descriptor(void)
{
    int fd = (int)syscall(SYS_pidfd_open, world.outsider, 0);

    return fd < 0 ? errno : as_rc(syscall(SYS_pidfd_getfd, fd, 0, 0));
}
static int try_own_priority(void)
{
    return as_rc(setpriority(PRIO_PROCESS, (id_t)world.outsider, 1));
}
static int try_network_namespace(void)
{
    return as_rc(syscall(SYS_unshare, CLONE_NEWNET));
}
static int try_clone_user(void)
{
    long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);

    if (pid == 0)
        syscall(SYS_exit, 0);
    return as_rc(pid);
}
static int try_put_into_terminal(void)
{
    return as_rc(ioctl(0, TIOCSTI, "x"));
}
static int try_message_queue(void)
{
    return as_rc(syscall(SYS_msgget, IPC_PRIVATE, IPC_CREAT | 0600));
}
/* Calls that no part needs.  The arguments are useless on purpose: outside they harm nobody. */
#define CALL(name, ...)                                                                            \
    static int try_##name(void)                                                                    \
    {                                                                                              \
        return as_rc(syscall(SYS_##name, __VA_ARGS__));                                            \
    }
CALL(perf_event_open, NULL, 0, -1, -1, 0)
CALL(userfaultfd, 0x40000000)
CALL(add_key, NULL, NULL, NULL, 0, 0)
CALL(request_key, NULL, NULL, NULL, 0)
CALL(io_setup, 0, NULL)
CALL(fanotify_init, 0xffffffff, 0)
CALL(inotify_init1, 0xffffffff)
CALL(init_module, NULL, 0, NULL)
CALL(finit_module, -1, NULL, 0)
CALL(delete_module, NULL, 0)
CALL(kexec_load, 0, 0, NULL, 0xffffffff)
CALL(reboot, 0, 0, 0, NULL)
CALL(swapon, NULL, 0)
CALL(swapoff, NULL)
CALL(acct, "/nowhere/at/all")
CALL(syslog, 99, NULL, 0)
CALL(settimeofday, NULL, NULL)
CALL(clock_settime, 99, NULL)
CALL(clock_adjtime, 99, NULL)
CALL(iopl, 99)
CALL(ioperm, 0, 0, 0)
CALL(modify_ldt, 99, NULL, 0)
CALL(personality, 0xffffffff)
CALL(kcmp, 0, 0, 99, 0, 0)
CALL(setns, -1, 0)
CALL(pivot_root, NULL, NULL)
CALL(open_by_handle_at, -1, NULL, 0)
CALL(name_to_handle_at, -1, NULL, NULL, NULL, 0)
CALL(fsopen, NULL, 0)
CALL(open_tree, -1, NULL, 0)
CALL(move_mount, -1, NULL, -1, NULL, 0)
CALL(umount2, NULL, 0)
CALL(quotactl, 0, NULL, 0, NULL)
CALL(mbind, NULL, 0, 99, NULL, 0, 0)
CALL(move_pages, 0, 0, NULL, NULL, NULL, 0)
CALL(splice, -1, NULL, -1, NULL, 0, 0)
CALL(vmsplice, -1, NULL, 0, 0)
CALL(remap_file_pages, NULL, 0, 0, 0, 0)
CALL(mq_open, NULL, 0, 0, NULL)
CALL(timer_create, 99, NULL, NULL)
CALL(sched_setscheduler, 0, 99, NULL)
CALL(rt_sigqueueinfo, 0, 0, NULL)
CALL(setgroups, 0x7fffffff, NULL)
CALL(capset, NULL, NULL)
CALL(mknodat, -1, NULL, 0, 0)
CALL(symlinkat, NULL, -1, NULL)
CALL(setxattr, NULL, NULL, NULL, 0, 0)
CALL(fchownat, -1, NULL, 0, 0, 0)

#define FILES "open, make or remove files elsewhere"
#define OWN_R "read its own files"
#define OWN_W "write its own files"
#define PROC "read /proc, of itself or another"
#define INET "make an Internet socket"
#define CONN "connect by TCP"
#define LIST "listen on a TCP port"
#define UNIX "connect to a socket it was not given"
#define SOCK "make raw, packet, vsock or crypto sockets"
#define CODE "start a program, run new code"
#define FORK "fork"
#define THRD "make a thread"
#define MEMF "make anonymous files (memfd)"
#define PEEK "trace another process, read or write its memory"
#define KILL "signal another process, change its limits"
#define HOLD "hold a process by pidfd"
#define SPCE "make namespaces, mounts, another root"
#define USER "become another user"
#define LIMS "raise its own limits, become dumpable"
#define MISC "kernel interfaces that nobody here needs"
#define IPC_ "SysV and POSIX queues, shared memory"
#define META "make links, devices; change owners, names"

/* name, function, free, filtered, run_time */
const struct right rights[] = {
    {OWN_R, "read a file of its own", try_own_read, false, false, false},
    {OWN_W, "write a file of its own", try_own_write, false, false, false},
    {FILES, "open a file", try_read_file, true, false, false},
    {FILES, "open a file by openat2", try_read_old_open, true, false, false},
    {FILES, "create a file", try_write_file, true, false, false},
    {FILES, "remove a file", try_unlink, true, false, false},
    {FILES, "make a folder", try_make_folder, true, false, false},
    {FILES, "make a folder in the root", try_root_folder, true, false, false},
    {FILES, "open a device", try_device, true, false, false},
    {FILES, "open by a handle", try_open_by_handle_at, false, true, false},
    {FILES, "take a handle", try_name_to_handle_at, false, true, false},
    {PROC, "read its own /proc", try_proc_self, true, false, false},
    {PROC, "read another's /proc", try_proc_other, true, false, false},
    {INET, "make an inet socket", try_inet_socket, true, false, false},
    {CONN, "connect to a listener", try_connect, true, false, false},
    {LIST, "bind a TCP port", try_bind, true, false, false},
    {LIST, "listen on a TCP port", try_listen, true, false, false},
    {UNIX, "connect to an abstract socket", try_unix_socket, true, false, false},
    {SOCK, "make a raw socket", try_raw_socket, true, false, false},
    {SOCK, "make a packet socket", try_packet_socket, false, false, false},
    {SOCK, "make a vsock", try_vsock, false, false, false},
    {SOCK, "make a socket of the kernel's ciphers", try_alg_socket, false, false, false},
    {CODE, "execute a program", try_exec, true, false, false},
    {CODE, "execute memory", try_exec_memory, true, false, false},
    {CODE, "map executable memory", try_executable_memory, true, false, true},
    {CODE, "make memory executable", try_make_executable, true, false, true},
    {FORK, "fork", try_fork, true, false, true},
    {FORK, "fork as the C library does", try_library_fork, true, false, true},
    {FORK, "vfork", try_vfork, true, false, true},
    {THRD, "make a thread", try_thread, true, false, true},
    {MEMF, "make a memfd", try_memfd, true, false, false},
    {PEEK, "ptrace an outsider", try_ptrace, true, false, false},
    {PEEK, "be traced", try_trace_me, true, false, true},
    {PEEK, "read an outsider's memory", try_read_memory, true, false, false},
    {PEEK, "write an outsider's memory", try_write_memory, true, false, false},
    {PEEK, "take an outsider's descriptor", try_take_descriptor, false, false, false},
    {PEEK, "compare processes", try_kcmp, false, true, false},
    {KILL, "signal an outsider", try_kill, true, false, true},
    {KILL, "signal its parent", try_kill_all, true, false, true},
    {KILL, "queue a signal", try_rt_sigqueueinfo, false, true, false},
    {KILL, "limit an outsider", try_limit_other, false, false, false},
    {KILL, "change an outsider's priority", try_own_priority, true, false, false},
    {HOLD, "hold an outsider by pidfd", try_pidfd, true, false, false},
    {SPCE, "mount", try_mount, true, false, false},
    {SPCE, "make a user namespace", try_user_namespace, true, false, false},
    {SPCE, "make a network namespace", try_network_namespace, true, false, false},
    {SPCE, "clone into a user namespace", try_clone_user, false, false, true},
    {SPCE, "change root", try_chroot, true, false, false},
    {SPCE, "enter a namespace", try_setns, false, true, false},
    {SPCE, "pivot the root", try_pivot_root, false, true, false},
    {SPCE, "open a file system", try_fsopen, false, true, false},
    {SPCE, "clone a tree", try_open_tree, false, true, false},
    {SPCE, "move a mount", try_move_mount, false, true, false},
    {SPCE, "unmount", try_umount2, false, true, false},
    {USER, "become root", try_setuid, true, false, false},
    {USER, "join groups", try_setgroups, false, true, false},
    {USER, "set capabilities", try_capset, false, true, false},
    {LIMS, "become dumpable", try_dumpable, true, false, true},
    {LIMS, "raise a limit", try_raise_limit, false, false, false},
    {LIMS, "set a scheduler", try_sched_setscheduler, false, true, false},
    {IPC_, "make SysV shared memory", try_shared_memory, true, false, false},
    {IPC_, "make a SysV queue", try_message_queue, true, false, false},
    {IPC_, "open a POSIX queue", try_mq_open, false, true, false},
    {META, "set the host's name", try_hostname, true, false, false},
    {META, "make a device node", try_device_node, true, false, false},
    {META, "make a node", try_mknodat, false, true, false},
    {META, "make a symbolic link", try_symlinkat, false, true, false},
    {META, "set an attribute", try_setxattr, false, true, false},
    {META, "change an owner", try_fchownat, false, true, false},
    {MISC, "use keyrings", try_keyring, false, true, false},
    {MISC, "add a key", try_add_key, false, true, false},
    {MISC, "request a key", try_request_key, false, true, false},
    {MISC, "use io_uring", try_io_uring, false, true, false},
    {MISC, "use bpf", try_bpf, false, true, false},
    {MISC, "use performance counters", try_perf_event_open, false, true, false},
    {MISC, "handle page faults", try_userfaultfd, false, true, false},
    {MISC, "use kernel AIO", try_io_setup, false, true, false},
    {MISC, "watch the file system", try_fanotify_init, false, true, false},
    {MISC, "watch files", try_inotify_init1, false, true, false},
    {MISC, "load a module", try_init_module, false, true, false},
    {MISC, "load a module's file", try_finit_module, false, true, false},
    {MISC, "unload a module", try_delete_module, false, true, false},
    {MISC, "load a kernel", try_kexec_load, false, true, false},
    {MISC, "reboot", try_reboot, false, true, false},
    {MISC, "swap on", try_swapon, false, true, false},
    {MISC, "swap off", try_swapoff, false, true, false},
    {MISC, "account", try_acct, false, true, false},
    {MISC, "read the kernel's log", try_syslog, false, true, false},
    {MISC, "set the time", try_settimeofday, false, true, false},
    {MISC, "set a clock", try_clock_settime, false, true, false},
    {MISC, "adjust a clock", try_clock_adjtime, false, true, false},
    {MISC, "reach the ports", try_iopl, false, true, false},
    {MISC, "reach some ports", try_ioperm, false, true, false},
    {MISC, "change segments", try_modify_ldt, false, true, false},
    {MISC, "change its personality", try_personality, false, true, false},
    {MISC, "set quotas", try_quotactl, false, true, false},
    {MISC, "bind memory", try_mbind, false, true, false},
    {MISC, "move pages", try_move_pages, false, true, false},
    {MISC, "splice", try_splice, false, true, false},
    {MISC, "splice memory", try_vmsplice, false, true, false},
    {MISC, "remap files", try_remap_file_pages, false, true, false},
    {MISC, "make a timer that signals", try_timer_create, false, true, false},
    {MISC, "put bytes into a terminal", try_put_into_terminal, false, true, true},
};
const size_t rights_count = sizeof(rights) / sizeof(rights[0]);

int rights_by_name(const char *name)
{
    for (size_t i = 0; i < rights_count; i++)
        if (strcmp(rights[i].name, name) == 0)
            return rights[i].run();
    (void)fprintf(stderr, "there is no right \"%s\"\n", name);
    abort();
}

/* Every right, tried from inside every profile: once as root would start the process and once as an
 * ordinary user would.  Each attempt is first made outside any jail, where those marked `free` must
 * succeed: an attempt that fails for another reason would prove nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

#include "jail/jail_priv.h"

#define PLAIN_UID 64123 /* nobody's */

static int forbid_namespaces;
int __real_unshare(int flags);
int __wrap_unshare(int flags);
int __wrap_unshare(int flags)
{
    if (forbid_namespaces) {
        errno = forbid_namespaces;
        return -1;
    }
    return __real_unshare(flags);
}

/* --- the attempts: 0 when the right was there --- */

static pid_t outsider;  /* a process outside the jail */
static char folder[64]; /* a folder outside the jail, open to all */
static in_port_t port;  /* of a listening socket outside */
static struct sockaddr_un abstract;
static socklen_t abstract_len = sizeof(abstract);
static char secret[] = "outside";

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

    (void)snprintf(path, sizeof(path), "%s/written", folder);
    return as_rc(open(path, O_WRONLY | O_CREAT, 0600));
}
static int try_unlink(void)
{
    char path[96];

    (void)snprintf(path, sizeof(path), "%s/victim", folder);
    return as_rc(unlink(path)) == 0 ? as_rc(open(path, O_CREAT | O_WRONLY, 0666)) : errno;
}
static int try_make_folder(void)
{
    char path[96];

    (void)snprintf(path, sizeof(path), "%s/made-%d", folder, (int)getpid());
    return as_rc(mkdir(path, 0700));
}
static int try_root_folder(void)
{
    const char *made = strrchr(folder, '/'); /* a name no other run has */

    return as_rc(mkdir(made, 0700)) == 0 ? as_rc(rmdir(made)) : errno;
}
static int try_proc_self(void)
{
    return as_rc(open("/proc/self/maps", O_RDONLY));
}
static int try_proc_other(void)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)outsider);
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
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = port};
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

    return fd < 0 ? errno : as_rc(connect(fd, (struct sockaddr *)&abstract, abstract_len));
}
static int try_fork(void)
{
    long pid = syscall(SYS_fork);

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
    return as_rc(ptrace(PTRACE_ATTACH, outsider, NULL, NULL));
}
static int try_read_memory(void)
{
    char copy[sizeof(secret)];
    struct iovec to = {copy, sizeof(copy)}, from = {secret, sizeof(secret)};

    return as_rc(process_vm_readv(outsider, &to, 1, &from, 1, 0));
}
static int try_kill(void)
{
    return as_rc(kill(outsider, 0));
}
static int try_kill_all(void)
{
    return as_rc(syscall(SYS_kill, getppid() == 0 ? 1 : getppid(), 0));
}
static int try_pidfd(void)
{
    return as_rc(syscall(SYS_pidfd_open, outsider, 0));
}
static int try_mount(void)
{
    /* on a folder of this run's own: outside a jail it succeeds, and over /tmp it would hide the
     * files of everybody else on this machine, for good if one of them is then in use */
    return as_rc(mount("tmpfs", folder, "tmpfs", 0, NULL)) == 0 ? as_rc(umount2(folder, MNT_DETACH))
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

    return as_rc(syscall(SYS_prlimit64, outsider, RLIMIT_CORE, &r, NULL));
}
static int try_hostname(void)
{
    char name[65];

    return gethostname(name, sizeof(name)) != 0 ? errno : as_rc(sethostname(name, strlen(name)));
}
static int try_device_node(void)
{
    char path[96];

    (void)snprintf(path, sizeof(path), "%s/node-%d", folder, (int)getpid());
    return as_rc(mknod(path, S_IFCHR | 0600, 0x103));
}
#define BIT(p) (1u << (p))
#define EVERY (BIT(JAIL_PROFILES) - 1)
#define PATHS (BIT(JAIL_KEEPER) | BIT(JAIL_SIGNER) | BIT(JAIL_COURIER))

static const struct attempt {
    const char *name;
    int (*run)(void);
    bool free;       /* root succeeds outside a jail */
    unsigned except; /* profiles that have this right by design */
} attempts[] = {
    {"open a file", try_read_file, true, 0},
    {"open a file by openat2", try_read_old_open, true, 0},
    {"create a file", try_write_file, true, 0},
    {"remove a file", try_unlink, true, 0},
    {"make a folder", try_make_folder, true, 0},
    {"make a folder in the root", try_root_folder, true, 0},
    {"read its own /proc", try_proc_self, true, 0},
    {"read another's /proc", try_proc_other, true, 0},
    {"open a device", try_device, true, 0},
    {"make an inet socket", try_inet_socket, true, BIT(JAIL_COURIER)},
    {"make a raw socket", try_raw_socket, true, 0},
    {"connect to a listener", try_connect, true, 0}, /* the courier's own net is empty here */
    {"bind a TCP port", try_bind, true, 0},
    {"connect to an abstract socket", try_unix_socket, true, 0},
    {"fork", try_fork, true, 0},
    {"vfork", try_vfork, true, 0},
    {"execute a program", try_exec, true, 0},
    {"execute memory", try_exec_memory, true, 0},
    {"ptrace an outsider", try_ptrace, true, 0},
    {"read an outsider's memory", try_read_memory, true, 0},
    {"signal an outsider", try_kill, true, 0},
    {"signal its parent", try_kill_all, true, 0},
    {"hold an outsider by pidfd", try_pidfd, true, 0},
    {"mount", try_mount, true, 0},
    {"make a user namespace", try_user_namespace, true, 0},
    {"become root", try_setuid, true, 0},
    {"change root", try_chroot, true, 0},
    {"map executable memory", try_executable_memory, true, 0},
    {"make memory executable", try_make_executable, true, 0},
    {"make SysV shared memory", try_shared_memory, true, 0},
    {"use keyrings", try_keyring, false, 0},
    {"use io_uring", try_io_uring, false, 0},
    {"use bpf", try_bpf, false, 0},
    {"become dumpable", try_dumpable, true, 0},
    {"raise a limit", try_raise_limit, false, 0},
    {"limit an outsider", try_limit_other, false, 0},
    {"set the host's name", try_hostname, true, 0},
    {"make a device node", try_device_node, true, 0},
};

/* --- running one --- */

enum { GRANTED = 0, REFUSED = 90, BROKEN = 91 }; /* exit codes */

static struct jail_spec full(enum jail_profile p)
{
    struct jail_spec s = {.profile = p,
                          .flags = JAIL_NET | JAIL_IPC | JAIL_PID | JAIL_EMPTY_ROOT,
                          .uid = PLAIN_UID,
                          .gid = PLAIN_UID};

    return s;
}

/* Runs fn in a child that first became the ordinary user (if asked) and entered the jail (if any);
 * the raw wait status. */
static int in_child(const struct jail_spec *s, bool ordinary, int (*fn)(void))
{
    struct err e = ERR_INIT;
    int status;
    pid_t pid;

    (void)fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)signal(SIGSEGV, SIG_DFL); /* cmocka's own handler */
        if (ordinary && geteuid() == 0) {
            if (setresgid(PLAIN_UID, PLAIN_UID, PLAIN_UID) != 0 ||
                setresuid(PLAIN_UID, PLAIN_UID, PLAIN_UID) != 0)
                _exit(BROKEN);
            (void)prctl(PR_SET_DUMPABLE, 1);
        }
        if (s != NULL && jail_enter(s, &e) != 0) {
            (void)fprintf(stderr, "%s\n", err_text(&e));
            _exit(BROKEN);
        }
        _exit(fn() == 0 ? GRANTED : REFUSED);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static bool refused(int status)
{
    return (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) ||
           (WIFEXITED(status) && WEXITSTATUS(status) == REFUSED);
}

static void the_attempts_succeed_where_there_is_no_jail(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    for (size_t i = 0; i < ARRAY_LEN(attempts); i++) {
        int status = in_child(NULL, false, attempts[i].run);

        if (attempts[i].free && !(WIFEXITED(status) && WEXITSTATUS(status) == GRANTED))
            fail_msg("outside, \"%s\" must work: status %x", attempts[i].name, status);
    }
}

static void try_all(bool ordinary)
{
    if (jail_is_sanitized())
        skip();
    for (unsigned p = 0; p < JAIL_PROFILES; p++)
        for (size_t i = 0; i < ARRAY_LEN(attempts); i++) {
            struct jail_spec s = full((enum jail_profile)p);
            int status = in_child(&s, ordinary, attempts[i].run);

            if ((attempts[i].except & BIT(p)) == 0 && !refused(status))
                fail_msg("%s can %s: status %x", jail_profile_name(s.profile), attempts[i].name,
                         status);
        }
}

static void no_profile_started_by_root_keeps_a_right(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    try_all(false);
}

static void no_profile_started_by_a_user_keeps_a_right(void **state)
{
    (void)state;
    try_all(true);
}

/* --- each lock alone: the attempts of the one that seccomp would hide --- */

static int behind_namespaces(void)
{
    /* run inside namespaces and empty root, before Landlock and seccomp */
    if (try_read_file() != ENOENT || try_proc_self() != ENOENT || try_device() != ENOENT)
        return 1;
    if (try_root_folder() != EROFS)
        return 2;
    if (try_connect() == 0 || try_unix_socket() != ECONNREFUSED)
        return 3;
    if (try_kill() != ESRCH)
        return 4;
    return 0;
}

static int only_namespaces(void)
{
    struct jail_spec s = full(JAIL_READER);

    if (space_unshare(&s, NULL) != 0 || space_empty_root(&s, NULL, NULL) != 0)
        return 9;
    /* pid: the namespace begins with the next child */
    switch (fork()) {
    case 0: {
        int rc = behind_namespaces();

        if (rc != 0)
            (void)fprintf(stderr, "namespaces: step %d\n", rc);
        _exit(rc);
    }
    default: {
        int status;

        return wait(&status) > 0 && status == 0 ? 0 : 1;
    }
    }
}

static void the_namespaces_alone_hide_files_net_and_processes(void **state)
{
    (void)state;
    assert_int_equal(in_child(NULL, true, only_namespaces), 0);
    if (geteuid() == 0)
        assert_int_equal(in_child(NULL, false, only_namespaces), 0);
}

static int only_landlock(void)
{
    const struct jail_path paths[] = {{"/usr", false}};
    struct jail_spec s = {.profile = JAIL_KEEPER, .paths = paths, .npaths = 1};
    struct jail_pin pin;

    if (space_pin(&pin, &paths[0], false, NULL) != 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || landlock_restrict(&s, &pin, -1, NULL) != 0)
        return 1;
    if (try_read_file() != EACCES || try_write_file() != EACCES || try_make_folder() != EACCES)
        return 2;
    if (open("/usr/bin/env", O_RDONLY) < 0 || open("/usr/bin/env", O_WRONLY) >= 0)
        return 3;
    if (jail_landlock_abi() >= 4 && (try_connect() != EACCES || try_bind() != EACCES))
        return 4;
    if (jail_landlock_abi() >= 6 && (try_kill() != EPERM || try_unix_socket() != EPERM))
        return 5;
    return 0;
}

static void landlock_alone_keeps_all_but_the_paths(void **state)
{
    (void)state;
    if (jail_landlock_abi() == 0)
        skip();
    assert_int_equal(in_child(NULL, false, only_landlock), 0);
}

/* Without namespaces or an empty root before it: what holds no paths dies of every attempt. */
static void seccomp_alone_kills_whoever_has_no_paths(void **state)
{
    static const enum jail_profile profiles[] = {JAIL_READER, JAIL_ENGINE_SERVER, JAIL_ENGINE_CHILD,
                                                 JAIL_FRONT};

    (void)state;
    if (jail_is_sanitized())
        skip();
    for (size_t k = 0; k < ARRAY_LEN(profiles); k++)
        for (size_t i = 0; i < ARRAY_LEN(attempts); i++) {
            struct jail_spec s = full(profiles[k]);
            int status;

            /* a server holds its children by pidfd and lowers their limits */
            if (profiles[k] == JAIL_ENGINE_SERVER &&
                (attempts[i].run == try_pidfd || attempts[i].run == try_raise_limit))
                continue;
            s.flags = 0;
            status = in_child(&s, true, attempts[i].run);
            /* SIGXFSZ: the limit on file sizes, when memory was to be filled for execution */
            if (!WIFSIGNALED(status) || (WTERMSIG(status) != SIGSYS && WTERMSIG(status) != SIGXFSZ))
                fail_msg("%s survives \"%s\": status %x", jail_profile_name(s.profile),
                         attempts[i].name, status);
        }
}

/* --- what is allowed works --- */

static int use_paths(void)
{
    char path[96];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/rw/new", folder);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0 || write(fd, "x", 1) != 1 || fsync(fd) != 0 || unlink(path) != 0)
        return 1;
    (void)snprintf(path, sizeof(path), "%s/ro/there", folder);
    if (open(path, O_RDONLY) < 0 || open(path, O_RDWR) >= 0)
        return 2;
    return try_read_file() == 0 || try_write_file() == 0;
}

static void the_keeper_writes_beneath_its_paths_and_nowhere_else(void **state)
{
    char rw[80], ro[80];
    const struct jail_path paths[] = {{rw, true}, {ro, false}};
    struct jail_spec s = full(JAIL_KEEPER);

    (void)state;
    (void)snprintf(rw, sizeof(rw), "%s/rw", folder);
    (void)snprintf(ro, sizeof(ro), "%s/ro", folder);
    s.paths = paths;
    s.npaths = 2;
    assert_int_equal(in_child(&s, true, use_paths), 0);
    if (geteuid() == 0)
        assert_int_equal(in_child(&s, false, use_paths), 0);
    s.flags &= ~(unsigned)JAIL_EMPTY_ROOT; /* Landlock alone */
    assert_int_equal(in_child(&s, true, use_paths), 0);
}

static int fill_bytes(void)
{
    static char block[65536];
    int fd = open("/tmp/f", O_WRONLY | O_CREAT | O_EXCL, 0600);
    size_t written = 0;

    while (fd >= 0 && write(fd, block, sizeof(block)) == sizeof(block))
        written += sizeof(block);
    return fd >= 0 && errno == ENOSPC && written > 0 && written <= 1 << 20 ? 0 : 1;
}

static int fill_inodes(void)
{
    char name[32];
    int n = 0;

    for (; n < 1000; n++) {
        (void)snprintf(name, sizeof(name), "/tmp/%d", n);
        if (open(name, O_WRONLY | O_CREAT | O_EXCL, 0600) < 0)
            break;
    }
    return errno == ENOSPC && n > 0 && n < 16 ? 0 : 1;
}

static void the_private_tmp_ends_at_its_bytes_and_inodes(void **state)
{
    struct jail_spec s = full(JAIL_KEEPER);

    (void)state;
    s.tmp_bytes = 1 << 20;
    s.tmp_inodes = 16;
    for (int ordinary = geteuid() != 0; ordinary < 2; ordinary++) {
        assert_int_equal(in_child(&s, ordinary, fill_bytes), 0);
        assert_int_equal(in_child(&s, ordinary, fill_inodes), 0);
    }
}

static int eat_memory(void)
{
    void *p = mmap(NULL, 512u << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED && errno == ENOMEM ? 0 : 1;
}

static void memory_ends_at_the_limit(void **state)
{
    struct jail_spec s = full(JAIL_READER);

    (void)state;
    if (jail_is_sanitized())
        skip();
    s.address_space = 256u << 20;
    assert_int_equal(in_child(&s, true, eat_memory), 0);
}

/* --- entering --- */

static int is_init(void)
{
    return getpid() == 1 ? 0 : 1;
}
static int crash(void)
{
    return raise(SIGSEGV);
}

static void a_pid_namespace_has_one_first_process_and_its_warden_tells_how_it_ended(void **state)
{
    struct jail_spec s = full(JAIL_READER);

    (void)state;
    assert_int_equal(in_child(&s, true, is_init), 0);
    if (jail_is_sanitized())
        skip();
    assert_true(WIFSIGNALED(in_child(&s, true, try_read_file)));
    assert_int_equal(WTERMSIG(in_child(&s, true, try_read_file)), SIGSYS);
    s.flags &= ~(unsigned)JAIL_PID; /* process 1 does not die of its own signals */
    assert_int_equal(WTERMSIG(in_child(&s, true, crash)), SIGSEGV);
}

static int forbidden(void)
{
    struct err e = ERR_INIT;
    struct jail_spec s = full(JAIL_READER);

    forbid_namespaces = EPERM;
    if (jail_enter(&s, &e) != -EPERM || strstr(err_text(&e), "max_user_namespaces") == NULL)
        return 1;
    forbid_namespaces = ENOSPC; /* the answer when the sysctl is 0 */
    return jail_enter(&s, &e) == -EPERM ? 0 : 1;
}

static void where_namespaces_are_forbidden_the_error_tells_the_cure(void **state)
{
    (void)state;
    assert_int_equal(in_child(NULL, true, forbidden), 0);
}

static void root_is_never_what_a_jail_becomes(void **state)
{
    struct jail_spec s = full(JAIL_READER);
    struct err e = ERR_INIT;

    (void)state;
    if (geteuid() != 0)
        skip();
    s.uid = 0;
    assert_int_equal(jail_enter(&s, &e), -EINVAL);
    s = full(JAIL_PROFILES);
    assert_int_equal(jail_enter(&s, &e), -EINVAL);
}

static int behind_a_door(void)
{
    struct jail_spec s = full(JAIL_ENGINE_SERVER), c = {.profile = JAIL_ENGINE_CHILD};
    struct jail_door *d = NULL;
    int status = 0;
    pid_t pid;

    if (jail_door_new(&d, &c, NULL) != 0 || jail_enter(&s, NULL) != 0)
        return 1;
    pid = fork();
    if (pid == 0) {
        if (jail_close_from(0, NULL, 0) != 0 || jail_close_in(d) != 0)
            _exit(2);
        (void)getppid(); /* the server may, the child may not */
        _exit(3);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 1;
    jail_door_free(d);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS ? 0 : 1;
}

static void a_server_locks_its_children_in_deeper(void **state)
{
    (void)state;
    if (jail_is_sanitized())
        skip();
    assert_int_equal(in_child(NULL, true, behind_a_door), 0);
}

static void a_test_can_ask_which_call_was_refused(void **state)
{
    struct jail_spec s = full(JAIL_READER);

    (void)state;
    if (jail_is_sanitized())
        skip();
    s.flags |= JAIL_REPORT;
    assert_int_equal(WEXITSTATUS(in_child(&s, true, try_read_file)), JAIL_REPORT_EXIT);
}

static void close_from_keeps_what_is_listed(void **state)
{
    int fd[4], keep[2], status;
    pid_t pid;

    (void)state;
    for (int i = 0; i < 4; i++)
        fd[i] = open("/dev/null", O_RDONLY);
    keep[0] = fd[1];
    keep[1] = fd[3];
    (void)fflush(NULL);
    if ((pid = fork()) == 0) {
        if (jail_close_from(3, keep, 2) != 0)
            _exit(1);
        _exit(fcntl(fd[0], F_GETFD) == -1 && fcntl(fd[1], F_GETFD) != -1 &&
                      fcntl(fd[2], F_GETFD) == -1 && fcntl(fd[3], F_GETFD) != -1
                  ? 0
                  : 2);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    for (int i = 0; i < 4; i++)
        (void)close(fd[i]);
}

/* --- the world outside --- */

static void listen_outside(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t n = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(fd, 128), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    port = a.sin_port;
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    /* without a path the kernel chooses an abstract name, so that several runs do not meet */
    abstract.sun_family = AF_UNIX;
    assert_int_equal(bind(fd, (struct sockaddr *)&abstract, sizeof(abstract.sun_family)), 0);
    assert_int_equal(listen(fd, 128), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&abstract, &abstract_len), 0);
    assert_true(abstract_len > sizeof(abstract.sun_family) && abstract.sun_path[0] == '\0');
}

static int set_up(void **state)
{
    char path[96];

    (void)state;
    (void)snprintf(folder, sizeof(folder), "/var/tmp/jail-XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chmod(folder, 0777), 0);
    for (int i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", folder, i == 0 ? "rw" : "ro");
        assert_int_equal(mkdir(path, 0777), 0);
        assert_int_equal(chmod(path, 0777), 0);
    }
    for (int i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", folder, i == 0 ? "victim" : "ro/there");
        assert_int_not_equal(open(path, O_CREAT | O_WRONLY, 0644), -1);
        assert_int_equal(chmod(path, 0666), 0);
    }
    listen_outside();
    outsider = fork();
    if (outsider == 0) {
        /* the same uid as the jailed, so that only the jail stands between */
        if (geteuid() == 0 && setresuid(PLAIN_UID, PLAIN_UID, PLAIN_UID) != 0)
            _exit(1);
        (void)prctl(PR_SET_DUMPABLE, 1);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            (void)pause();
    }
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static int tear_down(void **state)
{
    (void)state;
    (void)kill(outsider, SIGKILL);
    (void)waitpid(outsider, NULL, 0);
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_attempts_succeed_where_there_is_no_jail),
        cmocka_unit_test(no_profile_started_by_root_keeps_a_right),
        cmocka_unit_test(no_profile_started_by_a_user_keeps_a_right),
        cmocka_unit_test(the_namespaces_alone_hide_files_net_and_processes),
        cmocka_unit_test(landlock_alone_keeps_all_but_the_paths),
        cmocka_unit_test(seccomp_alone_kills_whoever_has_no_paths),
        cmocka_unit_test(the_keeper_writes_beneath_its_paths_and_nowhere_else),
        cmocka_unit_test(the_private_tmp_ends_at_its_bytes_and_inodes),
        cmocka_unit_test(memory_ends_at_the_limit),
        cmocka_unit_test(a_pid_namespace_has_one_first_process_and_its_warden_tells_how_it_ended),
        cmocka_unit_test(where_namespaces_are_forbidden_the_error_tells_the_cure),
        cmocka_unit_test(root_is_never_what_a_jail_becomes),
        cmocka_unit_test(a_server_locks_its_children_in_deeper),
        cmocka_unit_test(a_test_can_ask_which_call_was_refused),
        cmocka_unit_test(close_from_keeps_what_is_listed),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}

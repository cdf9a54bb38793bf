#include "rights_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jail/jail.h"

char rights_folder[64];
const char *rights_own_read, *rights_own_write;
struct rights_world world = {.abstract_len = sizeof(world.abstract)};

bool rights_asked(const struct right *r)
{
    if (r->run_time && jail_is_sanitized())
        return false;
    /* the courier's binding is refused by Landlock alone, which learned it later */
    return strcmp(r->name, "bind a TCP port") != 0 || jail_landlock_abi() >= 4;
}

/* --- one in a child of its own --- */

enum { GRANTED = 0, REFUSED = 90, BROKEN = 91, NEVER = 92 }; /* exit codes */

static __attribute__((noreturn)) void child(const struct right *r, bool ordinary,
                                            int (*enter)(void *), void *arg)
{
    int rc;

    (void)signal(SIGSEGV, SIG_DFL); /* cmocka's own handler */
    if (ordinary && geteuid() == 0) {
        if (setresgid(PLAIN_UID, PLAIN_UID, PLAIN_UID) != 0 ||
            setresuid(PLAIN_UID, PLAIN_UID, PLAIN_UID) != 0)
            _exit(BROKEN);
        (void)prctl(PR_SET_DUMPABLE, 1);
    }
    if (enter != NULL && enter(arg) != 0)
        _exit(BROKEN);
    rc = r->run();
    /* where the filter answers instead of killing, its answer is EPERM */
    if (rc != 0 && r->filtered)
        _exit(rc == EPERM ? REFUSED : NEVER);
    _exit(rc == 0 ? GRANTED : REFUSED);
}

enum right_outcome rights_try(const struct right *r, bool ordinary, int (*enter)(void *), void *arg,
                              int *status)
{
    pid_t pid;

    (void)fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        child(r, ordinary, enter, arg);
    assert_int_equal(waitpid(pid, status, 0), pid);
    if (WIFSIGNALED(*status) && WTERMSIG(*status) == SIGSYS)
        return RIGHT_DIED;
    if (!WIFEXITED(*status))
        return RIGHT_OTHER;
    return WEXITSTATUS(*status) == GRANTED   ? RIGHT_GRANTED
           : WEXITSTATUS(*status) == REFUSED ? RIGHT_REFUSED
           : WEXITSTATUS(*status) == NEVER   ? RIGHT_REACHED
                                             : RIGHT_OTHER;
}

bool rights_refused(const struct right *r, enum right_outcome o)
{
    return o == RIGHT_DIED || (o == RIGHT_REFUSED && (!r->filtered || jail_is_sanitized()));
}

/* --- what this kernel allows --- */

/* In a chroot none of the mounts that can be seen has its place at "/". */
static bool in_chroot(void)
{
    FILE *f = fopen("/proc/self/mountinfo", "re");
    char line[4096], at[2048];
    bool root = f == NULL;

    while (f != NULL && !root && fgets(line, sizeof(line), f) != NULL)
        root = sscanf(line, "%*s %*s %*s %*s %2047s", at) == 1 && strcmp(at, "/") == 0;
    if (f != NULL)
        (void)fclose(f);
    return !root;
}

const char *rights_no_user_namespaces(void)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        if (geteuid() == 0 && (setresgid(PLAIN_UID, PLAIN_UID, PLAIN_UID) != 0 ||
                               setresuid(PLAIN_UID, PLAIN_UID, PLAIN_UID) != 0))
            _exit(0);
        _exit(syscall(SYS_unshare, CLONE_NEWUSER) == 0 ? 0 : errno);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
        WEXITSTATUS(status) == 0)
        return NULL;
    if (in_chroot())
        return "this is a chroot, and Linux makes no user namespace in one (user_namespaces(7)): "
               "run the tests outside, or in a container that pivots its root";
    return "this system forbids user namespaces to ordinary users "
           "(user.max_user_namespaces, kernel.unprivileged_userns_clone, AppArmor)";
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
    world.port = a.sin_port;
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    /* without a path the kernel chooses an abstract name, so that several runs do not meet */
    world.abstract.sun_family = AF_UNIX;
    assert_int_equal(
        bind(fd, (struct sockaddr *)&world.abstract, sizeof(world.abstract.sun_family)), 0);
    assert_int_equal(listen(fd, 128), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&world.abstract, &world.abstract_len), 0);
    assert_true(world.abstract_len > sizeof(world.abstract.sun_family) &&
                world.abstract.sun_path[0] == '\0');
}

int rights_open(void **state)
{
    char path[96];

    (void)state;
    (void)snprintf(rights_folder, sizeof(rights_folder), "/var/tmp/jail-XXXXXX");
    assert_non_null(mkdtemp(rights_folder));
    assert_int_equal(chmod(rights_folder, 0777), 0);
    for (int i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", rights_folder, i == 0 ? "rw" : "ro");
        assert_int_equal(mkdir(path, 0777), 0);
        assert_int_equal(chmod(path, 0777), 0);
    }
    for (int i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", rights_folder, i == 0 ? "victim" : "ro/there");
        assert_int_not_equal(open(path, O_CREAT | O_WRONLY, 0644), -1);
        assert_int_equal(chmod(path, 0666), 0);
    }
    listen_outside();
    world.outsider = fork();
    if (world.outsider == 0) {
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

int rights_close(void **state)
{
    (void)state;
    (void)kill(world.outsider, SIGKILL);
    (void)waitpid(world.outsider, NULL, 0);
    return nftw(rights_folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

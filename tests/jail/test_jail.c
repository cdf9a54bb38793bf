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
#include "rights.h"

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

/* Rights that a profile has by design, whatever paths it is given here (none). */
static bool by_design(enum jail_profile p, const struct right *r)
{
    static const struct {
        enum jail_profile p;
        const char *name;
    } rows[] = {
        {JAIL_COURIER, "make an inet socket"}, {JAIL_ENGINE_SERVER, "fork as the C library does"},
        {JAIL_FRONT, "make a thread"},         {JAIL_KEEPER, "make a thread"},
        {JAIL_COURIER, "make a thread"},       {JAIL_SCRATCH_SERVER, "fork as the C library does"},
        {JAIL_EXPANDER, "make a thread"},
    };

    if (p != JAIL_ENGINE_CHILD && p != JAIL_SCRATCH_CHILD && strcmp(r->name, "make a memfd") == 0)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].p == p && strcmp(rows[i].name, r->name) == 0)
            return true;
    return false;
}

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

static int enter(void *spec)
{
    struct err e = ERR_INIT;

    if (jail_enter(spec, &e) == 0)
        return 0;
    (void)fprintf(stderr, "%s\n", err_text(&e));
    return 1;
}

/* Runs fn in a child that first became the ordinary user (if asked) and entered the jail (if any);
 * the raw wait status. */
static int in_child(const struct jail_spec *s, bool ordinary, int (*fn)(void))
{
    const struct right r = {.name = "", .run = fn};
    struct jail_spec copy;
    int status;

    if (s != NULL)
        copy = *s;
    (void)rights_try(&r, ordinary, s != NULL ? enter : NULL, &copy, &status);
    return status;
}

/* True, and says why, if what a user would start cannot be jailed here. */
static bool no_users_jail(bool ordinary)
{
    const char *why = ordinary || geteuid() != 0 ? rights_no_user_namespaces() : NULL;

    if (why != NULL)
        print_message("not tested: %s\n", why);
    return why != NULL;
}

/* How a jail is started here when it does not matter: as a user would where that can be. */
static bool as_user(void)
{
    static int can = -1;

    if (can < 0)
        can = rights_no_user_namespaces() == NULL;
    if (!can && geteuid() != 0)
        skip();
    return can == 1;
}

static void the_attempts_succeed_where_there_is_no_jail(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    for (size_t i = 0; i < rights_count; i++) {
        int status;
        enum right_outcome o;

        if (!rights[i].free || !rights_asked(&rights[i]) ||
            (strcmp(rights[i].name, "make a user namespace") == 0 && no_users_jail(true)))
            continue;
        o = rights_try(&rights[i], false, NULL, NULL, &status);
        if (o != RIGHT_GRANTED)
            fail_msg("outside, \"%s\" must work: status %x", rights[i].name, status);
    }
}

static void try_all(bool ordinary)
{
    for (unsigned p = 0; p < JAIL_PROFILES; p++)
        for (size_t i = 0; i < rights_count; i++) {
            struct jail_spec s = full((enum jail_profile)p);
            enum right_outcome o;
            int status;

            if (!rights_asked(&rights[i]) || by_design(s.profile, &rights[i]))
                continue;
            o = rights_try(&rights[i], ordinary, enter, &s, &status);
            if (!rights_refused(&rights[i], o))
                fail_msg("%s can %s: status %x", jail_profile_name(s.profile), rights[i].name,
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
    if (no_users_jail(true))
        skip();
    try_all(true);
}

/* --- each lock alone: the attempts of the one that seccomp would hide --- */

static int behind_namespaces(void)
{
    /* run inside namespaces and empty root, before Landlock and seccomp */
    if (rights_by_name("open a file") != ENOENT || rights_by_name("read its own /proc") != ENOENT ||
        rights_by_name("open a device") != ENOENT)
        return 1;
    if (rights_by_name("make a folder in the root") != EROFS)
        return 2;
    if (rights_by_name("connect to a listener") == 0 ||
        rights_by_name("connect to an abstract socket") != ECONNREFUSED)
        return 3;
    if (rights_by_name("signal an outsider") != ESRCH)
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
    if (!no_users_jail(true))
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
    if (rights_by_name("open a file") != EACCES || rights_by_name("create a file") != EACCES ||
        rights_by_name("make a folder") != EACCES)
        return 2;
    if (open("/usr/bin/env", O_RDONLY) < 0 || open("/usr/bin/env", O_WRONLY) >= 0)
        return 3;
    if (jail_landlock_abi() >= 4 && (rights_by_name("connect to a listener") != EACCES ||
                                     rights_by_name("bind a TCP port") != EACCES))
        return 4;
    if (jail_landlock_abi() >= 6 && (rights_by_name("signal an outsider") != EPERM ||
                                     rights_by_name("connect to an abstract socket") != EPERM))
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
                                                 JAIL_FRONT, JAIL_EXPANDER};

    (void)state;
    if (jail_is_sanitized())
        skip();
    for (size_t k = 0; k < ARRAY_LEN(profiles); k++)
        for (size_t i = 0; i < rights_count; i++) {
            const struct right *t = &rights[i];
            struct jail_spec s = full(profiles[k]);
            int status;

            s.flags = 0;
            /* a server holds its children by pidfd and lowers their limits; no paths are given */
            if (by_design(profiles[k], t) || strstr(t->name, "of its own") != NULL ||
                (profiles[k] == JAIL_ENGINE_SERVER &&
                 (strstr(t->name, "pidfd") != NULL || strcmp(t->name, "raise a limit") == 0)))
                continue;
            (void)rights_try(t, true, enter, &s, &status);
            /* SIGXFSZ: the limit on file sizes, when memory was to be filled for execution */
            if (!WIFSIGNALED(status) || (WTERMSIG(status) != SIGSYS && WTERMSIG(status) != SIGXFSZ))
                fail_msg("%s survives \"%s\": status %x", jail_profile_name(profiles[k]), t->name,
                         status);
        }
}

/* --- what is allowed works --- */

static int use_paths(void)
{
    char path[96];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/rw/new", rights_folder);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0 || write(fd, "x", 1) != 1 || fsync(fd) != 0 || syncfs(fd) != 0 || unlink(path) != 0)
        return 1;
    (void)snprintf(path, sizeof(path), "%s/ro/there", rights_folder);
    if (open(path, O_RDONLY) < 0 || open(path, O_RDWR) >= 0)
        return 2;
    return rights_by_name("open a file") == 0 || rights_by_name("create a file") == 0;
}

static void the_keeper_writes_beneath_its_paths_and_nowhere_else(void **state)
{
    char rw[80], ro[80];
    const struct jail_path paths[] = {{rw, true}, {ro, false}};
    struct jail_spec s = full(JAIL_KEEPER);

    (void)state;
    (void)snprintf(rw, sizeof(rw), "%s/rw", rights_folder);
    (void)snprintf(ro, sizeof(ro), "%s/ro", rights_folder);
    s.paths = paths;
    s.npaths = 2;
    assert_int_equal(in_child(&s, as_user(), use_paths), 0);
    if (geteuid() == 0)
        assert_int_equal(in_child(&s, false, use_paths), 0);
    s.flags &= ~(unsigned)JAIL_EMPTY_ROOT; /* Landlock alone */
    assert_int_equal(in_child(&s, as_user(), use_paths), 0);
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
        if (ordinary != 0 && no_users_jail(true))
            continue;
        assert_int_equal(in_child(&s, ordinary, fill_bytes), 0);
        assert_int_equal(in_child(&s, ordinary, fill_inodes), 0);
    }
}

static size_t fill(const char *path)
{
    static char block[65536];
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    size_t written = 0;
    ssize_t n;

    while (fd >= 0 && (n = write(fd, block, sizeof(block))) > 0)
        written += (size_t)n;
    return written;
}

static int fill_one_part(void)
{
    size_t first = fill("/tmp/0/f"), second;

    if (first == 0 || errno != ENOSPC)
        return 1;
    second = fill("/tmp/1/f");
    /* each has its own room, there is no third, and /tmp itself takes nothing */
    return second == first && second >= 1 << 19 && open("/tmp/2", O_RDONLY) < 0 &&
                   open("/tmp/f", O_WRONLY | O_CREAT, 0600) < 0
               ? 0
               : 2;
}

static void who_fills_one_part_of_tmp_leaves_the_others_their_room(void **state)
{
    struct jail_spec s = full(JAIL_KEEPER);
    struct err e = ERR_INIT;

    (void)state;
    s.tmp_bytes = 1 << 20;
    s.tmp_inodes = 16;
    s.tmp_parts = 2;
    for (int ordinary = geteuid() != 0; ordinary < 2; ordinary++)
        if (ordinary == 0 || !no_users_jail(true))
            assert_int_equal(in_child(&s, ordinary, fill_one_part), 0);
    s.tmp_parts = JAIL_TMP_PARTS_MAX + 1;
    assert_int_equal(jail_enter(&s, &e), -EINVAL);
}

static bool in_the_tree(const char *what)
{
    FILE *f = fopen("/proc/self/mountinfo", "re");
    char line[4096];
    bool found = false;

    while (f != NULL && fgets(line, sizeof(line), f) != NULL)
        found |= strstr(line, what) != NULL;
    if (f != NULL)
        (void)fclose(f);
    return found;
}

static int use_a_memory_folder(void)
{
    struct jail_spec s = full(JAIL_SCRATCH_SERVER);
    struct err e = ERR_INIT;
    char path[64];
    int folder = -1, fd;

    s.tmp_bytes = 1234 * 4096;
    if (jail_memory_folder(&folder, &s, &e) != 0)
        return 1;
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d/file", folder);
    fd = openat(folder, "file", O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0 || write(fd, "x", 1) != 1 || close(fd) != 0 || open(path, O_RDONLY) < 0)
        return 2;
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d/more", folder);
    if (fill(path) != 1233 * 4096 || errno != ENOSPC)
        return 3;
    if (in_the_tree("size=4936k")) /* no mount that anybody could find, or that could stay */
        return 4;
    return close(folder) == 0 && jail_enter(&s, &e) == 0 ? 0 : 5;
}

static void a_memory_folder_stands_nowhere_and_the_jail_closes_after_it(void **state)
{
    (void)state;
    for (int ordinary = geteuid() != 0; ordinary < 2; ordinary++)
        if (ordinary == 0 || !no_users_jail(true))
            assert_int_equal(in_child(NULL, ordinary, use_a_memory_folder), 0);
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
    assert_int_equal(in_child(&s, as_user(), eat_memory), 0);
}

/* --- entering --- */

static int open_a_file(void)
{
    return rights_by_name("open a file");
}
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
    assert_int_equal(in_child(&s, as_user(), is_init), 0);
    if (jail_is_sanitized())
        skip();
    assert_true(WIFSIGNALED(in_child(&s, as_user(), open_a_file)));
    assert_int_equal(WTERMSIG(in_child(&s, as_user(), open_a_file)), SIGSYS);
    s.flags &= ~(unsigned)JAIL_PID; /* process 1 does not die of its own signals */
    assert_int_equal(WTERMSIG(in_child(&s, as_user(), crash)), SIGSEGV);
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

static struct jail_door *scratch_door;

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
    assert_int_equal(in_child(NULL, as_user(), behind_a_door), 0);
}

/* Two children's folders in one /tmp; the child of the first tries the second's file. */
static int beside_its_folder(void)
{
    int folder = open("/tmp/1", O_PATH | O_CLOEXEC), fd;

    if (folder < 0 || jail_close_in_beneath(scratch_door, folder) != 0)
        return 2;
    if ((fd = open("/tmp/1/mine", O_RDWR | O_CREAT, 0600)) < 0 || write(fd, "x", 1) != 1 ||
        rename("/tmp/1/mine", "/tmp/1/still-mine") != 0 || mkdir("/tmp/1/more", 0700) != 0)
        return 3;
    if (open("/tmp/2/theirs", O_RDONLY) >= 0 || open("/tmp/2", O_RDONLY) >= 0 ||
        open("/tmp", O_RDONLY) >= 0 || open("/tmp/2/new", O_WRONLY | O_CREAT, 0600) >= 0)
        return 4;
    if (rename("/tmp/1/still-mine", "/tmp/2/mine") == 0 || unlink("/tmp/2/theirs") == 0 ||
        open("/etc/passwd", O_RDONLY) >= 0)
        return 5;
    return 0;
}

static int scratch_server(void)
{
    struct jail_spec s = full(JAIL_SCRATCH_SERVER), c = {.profile = JAIL_SCRATCH_CHILD};
    int status = -1, fd;
    pid_t pid;

    s.tmp_bytes = 1 << 20;
    if (jail_door_new(&scratch_door, &c, NULL) != 0 || jail_enter(&s, NULL) != 0 ||
        mkdir("/tmp/1", 0700) != 0 || mkdir("/tmp/2", 0700) != 0 ||
        (fd = open("/tmp/2/theirs", O_WRONLY | O_CREAT, 0600)) < 0 || write(fd, "secret", 6) != 6)
        return 1;
    pid = fork();
    if (pid == 0)
        _exit(beside_its_folder());
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 1;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        (void)fprintf(stderr, "child: status %x\n", status);
    return status == 0 ? 0 : 1;
}

static void a_child_with_files_sees_its_own_folder_only(void **state)
{
    (void)state;
    if (jail_landlock_abi() == 0)
        skip(); /* then a server has one child at a time */
    assert_int_equal(in_child(NULL, as_user(), scratch_server), 0);
}

static void a_test_can_ask_which_call_was_refused(void **state)
{
    struct jail_spec s = full(JAIL_READER);

    (void)state;
    if (jail_is_sanitized())
        skip();
    s.flags |= JAIL_REPORT;
    assert_int_equal(WEXITSTATUS(in_child(&s, as_user(), open_a_file)), JAIL_REPORT_EXIT);
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
        cmocka_unit_test(who_fills_one_part_of_tmp_leaves_the_others_their_room),
        cmocka_unit_test(a_memory_folder_stands_nowhere_and_the_jail_closes_after_it),
        cmocka_unit_test(memory_ends_at_the_limit),
        cmocka_unit_test(a_pid_namespace_has_one_first_process_and_its_warden_tells_how_it_ended),
        cmocka_unit_test(where_namespaces_are_forbidden_the_error_tells_the_cure),
        cmocka_unit_test(root_is_never_what_a_jail_becomes),
        cmocka_unit_test(a_server_locks_its_children_in_deeper),
        cmocka_unit_test(a_child_with_files_sees_its_own_folder_only),
        cmocka_unit_test(a_test_can_ask_which_call_was_refused),
        cmocka_unit_test(close_from_keeps_what_is_listed),
    };

    return cmocka_run_group_tests(tests, rights_open, rights_close);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jail/proc.h"

/* Starts sh -c script with its standard output in a pipe; what it wrote. */
static void output_of(struct proc_spec s, const char *script, char *out, size_t size,
                      struct proc_last *why)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    struct proc_fd fds[4];
    struct proc p = PROC_NONE;
    struct err e = ERR_INIT;
    size_t n = 0;
    ssize_t m;
    int pipe_fd[2];

    assert_int_equal(pipe2(pipe_fd, O_CLOEXEC), 0);
    for (size_t i = 0; i < s.nfds; i++)
        fds[i] = s.fds[i];
    fds[s.nfds].from = pipe_fd[1];
    fds[s.nfds].to = 1;
    s.fds = fds;
    s.nfds++;
    s.path = "/bin/sh";
    s.argv = argv;
    assert_int_equal(proc_spawn(&p, &s, &e), 0);
    (void)close(pipe_fd[1]);
    while ((m = read(pipe_fd[0], out + n, size - 1 - n)) > 0)
        n += (size_t)m;
    out[n] = '\0';
    (void)close(pipe_fd[0]);
    assert_int_equal(proc_reap(&p, true, why), 0);
    assert_int_equal(p.pidfd, -1);
}

static void a_program_gets_exactly_its_descriptors(void **state)
{
    /* the two change places, and one of them is a number the other had */
    int a = open("/etc/passwd", O_RDONLY), b = open("/etc/group", O_RDONLY);
    const struct proc_fd fds[] = {{a, b}, {b, a}};
    struct proc_spec s = {.fds = fds, .nfds = 2};
    struct proc_last why;
    char out[1024], want[256];

    (void)state;
    (void)snprintf(want, sizeof(want), "for f in %d %d; do readlink /proc/self/fd/$f; done", a, b);
    output_of(s, want, out, sizeof(out), &why);
    assert_string_equal(out, "/etc/group\n/etc/passwd\n");
    /* 0 is /dev/null; nothing above 2 but these two (ls holds one of its own) */
    output_of(s, "readlink /proc/self/fd/0; ls /proc/self/fd | wc -l", out, sizeof(out), &why);
    assert_string_equal(out, "/dev/null\n6\n");
    (void)close(a);
    (void)close(b);
}

static void nothing_of_our_environment_or_signals_is_inherited(void **state)
{
    struct proc_spec s = {0};
    struct proc_last why;
    unsigned long long blocked, ignored;
    char out[1024];
    sigset_t set;

    (void)state;
    assert_int_equal(setenv("HOME", "/secret", 1), 0);
    (void)signal(SIGUSR1, SIG_IGN);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGUSR2);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    output_of(s, "echo $HOME; grep -E 'Sig(Blk|Ign)' /proc/self/status | tr -d '\\t'", out,
              sizeof(out), &why);
    (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
    (void)signal(SIGUSR1, SIG_DFL);
    assert_int_equal(sscanf(out, "\nSigBlk:%llx\nSigIgn:%llx\n", &blocked, &ignored), 2);
    assert_int_equal(blocked, 0);
    /* 32 and 33 belong to libc: a parent that used its posix_spawn, as make does, leaves them
     * ignored, and sigaction refuses to touch them */
    assert_int_equal(ignored & ~(3ull << 31), 0);
}

static void another_user_has_no_groups_of_ours(void **state)
{
    struct proc_spec s = {.set_ids = true, .uid = 64123, .gid = 64124};
    struct proc_last why;
    char out[1024];

    (void)state;
    if (geteuid() != 0)
        skip();
    output_of(s, "id -u; id -g; id -G", out, sizeof(out), &why);
    assert_string_equal(out, "64123\n64124\n64124\n");
}

static void a_failed_start_is_told_at_once(void **state)
{
    static const char *const argv[] = {"x", NULL};
    const struct proc_fd bad = {999, 3};
    struct proc_spec s = {.path = "/nonexistent/program", .argv = argv};
    struct proc p = PROC_NONE;
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(proc_spawn(&p, &s, &e), -ENOENT);
    assert_non_null(strstr(err_text(&e), "executing \"/nonexistent/program\""));
    assert_int_equal(p.pidfd, -1);
    s.path = "/bin/true";
    s.fds = &bad;
    s.nfds = 1;
    assert_int_equal(proc_spawn(&p, &s, &e), -EBADF);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nothing left behind */
    assert_int_equal(errno, ECHILD);
}

static void the_end_is_told_with_its_reason(void **state)
{
    static const struct {
        const char *script;
        enum proc_end end;
        int code;
        const char *text;
    } rows[] = {
        {"exit 3", PROC_EXITED, 3, "exit code 3"},
        {"kill -SEGV $$", PROC_SIGNALED, SIGSEGV, "signal 11 (Segmentation fault)"},
        {"kill -SYS $$", PROC_JAILED, SIGSYS, "killed by its jail (forbidden system call)"},
    };
    struct proc_spec s = {0};
    struct proc_last why;
    char out[64], text[96];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        output_of(s, rows[i].script, out, sizeof(out), &why);
        assert_int_equal(why.end, rows[i].end);
        assert_int_equal(why.code, rows[i].code);
        assert_string_equal(proc_last_text(&why, text), rows[i].text);
    }
}

static void a_pidfd_wakes_when_the_process_ends(void **state)
{
    struct proc p = PROC_NONE;
    struct proc_last why;
    struct pollfd f = {-1, POLLIN, 0};
    int rc = proc_fork(&p);

    (void)state;
    if (rc == 1) {
        for (;;)
            (void)pause();
    }
    assert_int_equal(rc, 0);
    f.fd = p.pidfd;
    assert_int_equal(proc_reap(&p, false, &why), -EAGAIN);
    assert_int_equal(poll(&f, 1, 0), 0);
    assert_int_equal(proc_signal(&p, SIGTERM), 0);
    assert_int_equal(poll(&f, 1, 5000), 1);
    assert_int_equal(proc_reap(&p, false, &why), 0);
    assert_int_equal(why.code, SIGTERM);
    assert_int_equal(proc_signal(&p, SIGTERM), -ESRCH);
    proc_end_now(&p); /* harmless */
}

static void a_child_does_not_outlive_its_parent(void **state)
{
    static const char *const argv[] = {"sleep", "100", NULL};
    struct proc_spec s = {.path = "/bin/sleep", .argv = argv, .death_signal = SIGKILL};
    struct proc parent = PROC_NONE;
    struct proc_last why;
    pid_t pid = 0;
    int fd[2], rc;

    (void)state;
    assert_int_equal(pipe(fd), 0);
    rc = proc_fork(&parent);
    if (rc == 1) {
        struct proc p = PROC_NONE;

        if (proc_spawn(&p, &s, NULL) != 0 || write(fd[1], &p.pid, sizeof(p.pid)) < 0)
            _exit(1);
        _exit(0);
    }
    assert_int_equal(proc_reap(&parent, true, &why), 0);
    assert_int_equal(read(fd[0], &pid, sizeof(pid)), sizeof(pid));
    for (int i = 0; i < 500 && kill(pid, 0) == 0; i++) {
        char path[64], state_line[256] = "";
        FILE *f;

        (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
        f = fopen(path, "r"); /* nobody may be there to reap it: a zombie is dead enough */
        if (f == NULL)
            break;
        if (fgets(state_line, sizeof(state_line), f) != NULL && strstr(state_line, ") Z") != NULL) {
            (void)fclose(f);
            pid = 0;
            break;
        }
        (void)fclose(f);
        (void)usleep(10000);
    }
    assert_true(pid == 0 || kill(pid, 0) != 0);
    (void)close(fd[0]);
    (void)close(fd[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_gets_exactly_its_descriptors),
        cmocka_unit_test(nothing_of_our_environment_or_signals_is_inherited),
        cmocka_unit_test(another_user_has_no_groups_of_ours),
        cmocka_unit_test(a_failed_start_is_told_at_once),
        cmocka_unit_test(the_end_is_told_with_its_reason),
        cmocka_unit_test(a_pidfd_wakes_when_the_process_ends),
        cmocka_unit_test(a_child_does_not_outlive_its_parent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

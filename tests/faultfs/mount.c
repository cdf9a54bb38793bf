#include "mount.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

bool faultfs_mount(struct faultfs *f, const char *program, const char *backing, const char *at)
{
    int out[2], status;
    char word[16] = "";

    (void)snprintf(f->at, sizeof(f->at), "%s", at);
    (void)snprintf(f->control, sizeof(f->control), "%s.ctl", at);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    f->pid = fork();
    assert_true(f->pid >= 0);
    if (f->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        (void)dup2(out[1], STDOUT_FILENO);
        (void)execl(program, program, backing, at, f->control, (char *)NULL);
        _exit(3);
    }
    (void)close(out[1]);
    if (read(out[0], word, sizeof(word) - 1) <= 0) {
        assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
        f->pid = 0;
        (void)close(out[0]);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 77)
            fail_msg("%s ended with %x", program, (unsigned)status);
        return false;
    }
    (void)close(out[0]);
    assert_memory_equal(word, "mounted", 7);
    return true;
}

void faultfs_order(const struct faultfs *f, char *out, size_t cap, const char *fmt, ...)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char line[4096], answer[400];
    va_list ap;
    ssize_t n;
    int m;

    va_start(ap, fmt);
    m = vsnprintf(line, sizeof(line) - 1, fmt, ap);
    va_end(ap);
    assert_true(m > 0 && (size_t)m < sizeof(line) - 1 && strlen(f->control) < sizeof(a.sun_path));
    memcpy(line + m, "\n", 2);
    memcpy(a.sun_path, f->control, strlen(f->control) + 1);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(write(fd, line, (size_t)m + 1), m + 1);
    n = read(fd, answer, sizeof(answer) - 1);
    (void)close(fd);
    assert_true(n >= 3);
    answer[n - 1] = '\0';
    if (memcmp(answer, "ok", 2) != 0)
        fail_msg("faultfs was told \"%.*s\" and says %s", m, line, answer);
    if (out != NULL)
        (void)snprintf(out, cap, "%s", answer + 2);
}

void faultfs_unmount(struct faultfs *f)
{
    int status;

    if (f->pid == 0)
        return;
    (void)umount2(f->at, MNT_DETACH);
    (void)kill(f->pid, SIGKILL);
    (void)waitpid(f->pid, &status, 0);
    (void)unlink(f->control);
    f->pid = 0;
}

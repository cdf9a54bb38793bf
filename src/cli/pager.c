#include "cli/pager.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/io.h"
#include "jail/proc.h"

/* Lines of the terminal; 0: it is none. */
static size_t screen(void)
{
    struct winsize w;

    if (isatty(STDOUT_FILENO) != 1)
        return 0;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row > 0 ? w.ws_row : 24;
}

static bool fits(struct span text, size_t rows)
{
    size_t n = 0;

    for (size_t i = 0; i < text.n && n < rows; i++)
        n += text.p[i] == '\n';
    return n < rows;
}

static const char *program(void)
{
    const char *p = getenv("PAGER");

    if (p == NULL)
        p = "less";
    return p[0] == '\0' || strcmp(p, "cat") == 0 ? NULL : p;
}

/* The environment, with what less and lv are told unless the user did; free(3) it. */
static const char **environment(void)
{
    size_t n = 0, k = 0;
    const char **v;

    while (environ[n] != NULL)
        n++;
    if ((v = calloc(n + 3, sizeof(*v))) == NULL)
        return NULL;
    for (; k < n; k++)
        v[k] = environ[k];
    if (getenv("LESS") == NULL)
        v[k++] = "LESS=FRX";
    if (getenv("LV") == NULL)
        v[k++] = "LV=-c";
    return v;
}

/* 1: there is no pager after all. */
static int through(const char *pager, struct span text)
{
    const char *const argv[] = {"sh", "-c", pager, NULL};
    const char **envp = environment();
    struct sigaction ignore = {.sa_handler = SIG_IGN}, was[2];
    int fd[2] = {-1, -1}, rc = 1;
    struct proc p = PROC_NONE;
    struct proc_last why;

    if (envp != NULL && pipe2(fd, O_CLOEXEC) == 0) {
        const struct proc_fd fds[] = {{fd[0], STDIN_FILENO}, {STDOUT_FILENO, STDOUT_FILENO}};
        const struct proc_spec s = {
            .path = "/bin/sh", .argv = argv, .envp = envp, .fds = fds, .nfds = 2};

        rc = proc_spawn(&p, &s, NULL) == 0 ? 0 : 1;
    }
    io_close(&fd[0]);
    if (rc == 0) { /* who ends the pager early has seen enough; ^C is the pager's */
        (void)sigaction(SIGPIPE, &ignore, &was[0]);
        (void)sigaction(SIGINT, &ignore, &was[1]);
        rc = io_write_all(fd[1], text.p, text.n);
        rc = rc == -EPIPE ? 0 : rc;
        io_close(&fd[1]);
        if (proc_reap(&p, true, &why) == 0 && why.end == PROC_EXITED && why.code == 127)
            rc = 1; /* the shell did not find it */
        (void)sigaction(SIGPIPE, &was[0], NULL);
        (void)sigaction(SIGINT, &was[1], NULL);
    }
    io_close(&fd[1]);
    free(envp);
    return rc;
}

int pager_show(struct span text, struct err *e)
{
    size_t rows = screen();
    const char *pager = rows == 0 || fits(text, rows) ? NULL : program();
    int rc = pager != NULL ? through(pager, text) : 1;

    if (rc == 1)
        rc = io_write_all(STDOUT_FILENO, text.p, text.n);
    return rc == 0 ? 0 : err_sys(e, rc, "the report");
}

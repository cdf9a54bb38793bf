/* web.h - a web server in a process of its own, as well or as badly behaved as its paths say. */
#ifndef TESTS_UPDATES_WEB_H
#define TESTS_UPDATES_WEB_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct web_server {
    pid_t pid;
    uint16_t port;
};

/* answer writes to fd what it likes for a GET of path; the connection is closed afterwards. */
static void web_serve(int listener, void (*answer)(int fd, const char *path, void *arg), void *arg)
{
    for (;;) {
        char head[4096], path[2048];
        int fd = accept(listener, NULL, NULL);
        size_t n = 0;
        ssize_t got;

        if (fd < 0)
            _exit(1);
        while (n + 1 < sizeof(head) && (got = read(fd, head + n, sizeof(head) - 1 - n)) > 0) {
            n += (size_t)got;
            head[n] = '\0';
            if (strstr(head, "\r\n\r\n") != NULL)
                break;
        }
        head[n] = '\0';
        if (sscanf(head, "GET %2047s", path) == 1)
            answer(fd, path, arg);
        (void)shutdown(fd, SHUT_RDWR);
        (void)close(fd);
    }
}

static void web_start(struct web_server *w, void (*answer)(int fd, const char *path, void *arg),
                      void *arg)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    w->port = ntohs(a.sin_port);
    w->pid = fork();
    assert_true(w->pid >= 0);
    if (w->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)signal(SIGPIPE, SIG_IGN);
        web_serve(fd, answer, arg);
    }
    (void)close(fd);
}

static void web_stop(struct web_server *w)
{
    assert_int_equal(kill(w->pid, SIGKILL), 0);
    assert_int_equal(waitpid(w->pid, NULL, 0), w->pid);
}

static bool web_send(int fd, const void *p, size_t n)
{
    const char *s = p;

    while (n > 0) {
        ssize_t done = send(fd, s, n, MSG_NOSIGNAL);

        if (done <= 0)
            return false;
        s += done;
        n -= (size_t)done;
    }
    return true;
}

static bool web_says(int fd, const char *text)
{
    return web_send(fd, text, strlen(text));
}

#endif

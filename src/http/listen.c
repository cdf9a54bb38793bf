/* listen.c - listening sockets, opened by whoever may open them (a supervisor). */
#include "http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"

#define BACKLOG 1024

union address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
};

/* "HOST:PORT" or "[HOST]:PORT", numeric */
static int parse_tcp(const char *text, union address *a, socklen_t *len)
{
    const char *colon = strrchr(text, ':');
    bool six = text[0] == '[';
    char host[64];
    uint64_t port;
    size_t n;

    if (colon == NULL || text_u64(span_str(colon + 1), 65535, &port) != 0)
        return -EINVAL;
    n = (size_t)(colon - text);
    if (six && (n < 2 || text[n - 1] != ']'))
        return -EINVAL;
    if (six) {
        text++;
        n -= 2;
    }
    if (n >= sizeof(host))
        return -EINVAL;
    memcpy(host, text, n);
    host[n] = '\0';
    memset(a, 0, sizeof(*a));
    if (six) {
        a->in6.sin6_family = AF_INET6;
        a->in6.sin6_port = htons((uint16_t)port);
        *len = sizeof(a->in6);
        return inet_pton(AF_INET6, host, &a->in6.sin6_addr) == 1 ? 0 : -EINVAL;
    }
    a->in.sin_family = AF_INET;
    a->in.sin_port = htons((uint16_t)port);
    *len = sizeof(a->in);
    return inet_pton(AF_INET, host, &a->in.sin_addr) == 1 ? 0 : -EINVAL;
}

static int parse_unix(const char *path, union address *a, socklen_t *len)
{
    size_t n = strlen(path);

    memset(a, 0, sizeof(*a));
    if (n == 0 || n >= sizeof(a->un.sun_path))
        return -EINVAL;
    a->un.sun_family = AF_UNIX;
    memcpy(a->un.sun_path, path, n);
    *len = (socklen_t)sizeof(a->un);
    return 0;
}

/* Removes a socket file that nobody listens on any more; anything else stays. */
static void clear_stale(const union address *a, socklen_t len)
{
    struct stat st;
    int fd;

    if (lstat(a->un.sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return;
    if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0)
        return;
    if (connect(fd, &a->any, len) != 0 && errno == ECONNREFUSED)
        (void)unlink(a->un.sun_path);
    io_close(&fd);
}

static int open_bound(int *out, const union address *a, socklen_t len)
{
    int fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1, rc;
    mode_t mask;

    if (fd < 0)
        return -errno;
    if (a->any.sa_family == AF_UNIX)
        clear_stale(a, len);
    else
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    mask = umask(0177);
    rc = bind(fd, &a->any, len) == 0 ? 0 : -errno;
    (void)umask(mask);
    if (rc == 0 && listen(fd, BACKLOG) != 0)
        rc = -errno;
    if (rc != 0)
        io_close(&fd);
    *out = fd;
    return rc;
}

int http_listen(int *fd, const char *address, struct err *e)
{
    union address a;
    socklen_t len;
    int rc;

    *fd = -1;
    if (strncmp(address, "unix:", 5) == 0)
        rc = parse_unix(address + 5, &a, &len);
    else
        rc = parse_tcp(address, &a, &len);
    if (rc != 0)
        return err_set(e, rc,
                       "listening address \"%s\": write 127.0.0.1:8080, [::1]:8080 or unix:/path",
                       address);
    if ((rc = open_bound(fd, &a, len)) != 0)
        return err_sys(e, rc, "listening on \"%s\"", address);
    return 0;
}

int http_listen_name(int fd, char *out, size_t cap)
{
    union address a = {0};
    socklen_t len = sizeof(a);
    char host[INET6_ADDRSTRLEN];
    int n = -1;

    if (getsockname(fd, &a.any, &len) != 0)
        return -errno;
    if (a.any.sa_family == AF_INET &&
        inet_ntop(AF_INET, &a.in.sin_addr, host, sizeof(host)) != NULL)
        n = snprintf(out, cap, "%s:%u", host, ntohs(a.in.sin_port));
    else if (a.any.sa_family == AF_INET6 &&
             inet_ntop(AF_INET6, &a.in6.sin6_addr, host, sizeof(host)) != NULL)
        n = snprintf(out, cap, "[%s]:%u", host, ntohs(a.in6.sin6_port));
    else if (a.any.sa_family == AF_UNIX)
        n = snprintf(out, cap, "unix:%s", a.un.sun_path);
    if (n < 0)
        return -EINVAL;
    return (size_t)n < cap ? 0 : -E2BIG;
}

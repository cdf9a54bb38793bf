#include "site/admin_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"

static int bind_it(int fd, const struct sockaddr_un *at)
{
    if (bind(fd, (const struct sockaddr *)at, sizeof(*at)) == 0)
        return 0;
    if (errno != EADDRINUSE)
        return -errno;
    /* somebody listens there, or a dead site left it */
    if (connect(fd, (const struct sockaddr *)at, sizeof(*at)) == 0 || errno != ECONNREFUSED)
        return -EADDRINUSE;
    if (unlink(at->sun_path) != 0 || bind(fd, (const struct sockaddr *)at, sizeof(*at)) != 0)
        return -errno;
    return 0;
}

int admin_socket_open(const struct config *c, int *out, struct err *e)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd, rc;

    if (strlen(c->admin) >= sizeof(at.sun_path))
        return err_set(e, -EINVAL, "the path of the admin socket \"%s\" has more than %zu bytes",
                       c->admin, sizeof(at.sun_path) - 1);
    memcpy(at.sun_path, c->admin, strlen(c->admin) + 1);
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_sys(e, -errno, "opening the admin socket");
    rc = bind_it(fd, &at);
    /* who may speak the peer's uid decides; other administrators must reach it */
    if (rc == 0 && (chmod(c->admin, c->admins > 0 ? 0666 : 0660) != 0 || listen(fd, 16) != 0))
        rc = -errno;
    if (rc != 0) {
        io_close(&fd);
        return err_sys(e, rc, "listening on \"%s\"", c->admin);
    }
    *out = fd;
    return 0;
}

static bool may_administrate(const struct config *c, int fd)
{
    struct ucred who;
    socklen_t n = sizeof(who);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) != 0)
        return false;
    if (who.uid == 0 || who.uid == geteuid() || who.uid == c->uid[CONFIG_KEEPER])
        return true;
    for (size_t i = 0; i < c->admins; i++)
        if (c->admin_uid[i] == who.uid)
            return true;
    return false;
}

int admin_socket_accept(int fd, const struct config *c)
{
    int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (peer >= 0 && !may_administrate(c, peer)) {
        log_warn("a peer of the admin socket was turned away");
        io_close(&peer);
    }
    return peer;
}

/* admin_socket.h - the unix socket of administrators, at the supervisor.  Who speaks there the
 * kernel tells; the keeper gets a connection only if its peer may.  It cannot ask itself: in a user
 * namespace of its own every other user would look the same. */
#ifndef SITE_ADMIN_SOCKET_H
#define SITE_ADMIN_SOCKET_H

#include "site/config.h"

/* A dead site's socket is replaced; -EADDRINUSE if a living one listens there. */
MUST_CHECK int admin_socket_open(const struct config *c, int *out, struct err *e);
/* A connection whose peer is root, this user, the keeper or one of admins:; -1: none, or somebody
 * was turned away. */
MUST_CHECK int admin_socket_accept(int fd, const struct config *c);

#endif

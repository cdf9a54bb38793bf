/* messages.c - channels that fail (calls.h): for a test, link_with faultfs_messages, link_args
 * message_wraps. */
#include <sys/socket.h>

#include "calls.h"

ssize_t __real_sendmsg(int fd, const struct msghdr *m, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags);
ssize_t __real_recvmsg(int fd, struct msghdr *m, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *m, int flags);

ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags)
{
    return calls_one(CALL_SEND) ? -1 : __real_sendmsg(fd, m, flags);
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *m, int flags)
{
    return calls_one(CALL_RECEIVE) ? -1 : __real_recvmsg(fd, m, flags);
}

/* rights_priv.h - what the attempts reach for. */
#ifndef TESTS_JAIL_RIGHTS_PRIV_H
#define TESTS_JAIL_RIGHTS_PRIV_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include "rights.h"

extern struct rights_world {
    pid_t outsider; /* a process outside the jail, of the same user as the jailed */
    in_port_t port; /* of a listening socket outside */
    struct sockaddr_un abstract;
    socklen_t abstract_len;
} world;

#endif

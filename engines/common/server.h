/* server.h - the loop of a jailed engine server: batches in, a child for each, verdicts out. */
#ifndef ENGINE_SERVER_H
#define ENGINE_SERVER_H

#include "jail/jail.h"
#include "jail/msg.h"
#include "rules.h"

struct server_spec {
    struct rules *rules;
    const struct jail_door *door; /* the children's */
    struct msg_chan *chan;
    uint32_t children; /* at a time */
};

/* Scans the canary and a clean text through a child, exactly as a batch would be.  0 or -EIO. */
MUST_CHECK int server_prove(const struct server_spec *s, struct err *e);
/* Until the client goes (0) or breaks the protocol (-EPROTO). */
MUST_CHECK int server_run(const struct server_spec *s, struct err *e);

#endif

/* process.h - the parts of glarusd, each a function that runs until its channel closes.
 * The supervisor forks and executes glarusd again with "--part NAME" and the descriptors below; the
 * part reads what it needs from the configuration, opens its files, jails itself (jail/jail.h) and
 * serves. They return an exit code: 0 the channel closed or drained, 2 configuration, 3 the
 * environment. */
#ifndef SITE_PROCESS_H
#define SITE_PROCESS_H

#include "site/config.h"

/* Descriptor numbers in every part; those a part does not have are closed. */
enum {
    PART_CHANNEL = 3, /* to the keeper */
    PART_RING = 4,    /* front and keeper */
    PART_LISTEN = 5,  /* front */
    PART_FRONT = 6,   /* keeper's ends */
    PART_SIGNER = 7,
    PART_COURIER = 8,
    PART_READER = 9,
    PART_CONTROL = 10, /* keeper, and with TLS front and signer: the supervisor's word */
    PART_TLS = 11      /* with TLS: front and signer to each other */
};

int signer_main(const struct config *c);
int reader_main(const struct config *c);
int courier_main(const struct config *c);
int front_main(const struct config *c);
int keeper_main(struct config *c); /* takes c: SIGHUP replaces it */

/* Jails this process for its profile, as the configuration's uid, and logs what it has. */
MUST_CHECK int process_jail(const struct config *c, enum config_process p, struct err *e);

/* SHA-256 of the executable at path, which may be a link ("/proc/self/exe": of this one). */
MUST_CHECK int process_binary(const char *path, struct digest *out, struct err *e);

/* Keys are locked into memory; what is in flight cannot all be: warns where it could be swapped
 * out. */
void process_warn_of_swap(void);

#endif

/* supervisor.h - starts the parts of a site, watches them, and starts all of them again when one
 * ends that should not: a part has no state that another could rely on after its death, so there is
 * one way to begin, the same after a crash as after a boot.  The engine alone is replaced alone.
 *
 * The supervisor re-executes its own program with "--config FILE --part NAME" and the descriptors
 * of process.h; it parses nothing but the configuration and holds no key. */
#ifndef SITE_SUPERVISOR_H
#define SITE_SUPERVISOR_H

#include "site/config.h"

/* Runs the site until SIGTERM or SIGINT.  Takes c.  An exit code: 0 ended in order, 2 a part
 * refuses the configuration, 3 a part cannot begin in this environment. */
int supervisor_run(struct config *c);

#endif

/* pager.h - a long text for somebody at a terminal. */
#ifndef CLI_PAGER_H
#define CLI_PAGER_H

#include "base/err.h"

/* Writes text to standard output; through $PAGER (less; with LESS=FRX and LV=-c unless they are
 * set, as git has it) if that is a terminal and text has more lines than it.  PAGER="" or "cat":
 * never. -errno: it could not be written. */
MUST_CHECK int pager_show(struct span text, struct err *e);

#endif

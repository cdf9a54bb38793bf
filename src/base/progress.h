/* progress.h - one line of progress on a terminal for work over a second; silent elsewhere.
 * Draws at most 10 times a second on standard error, erases itself at the end. */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include "base/clock.h"

struct progress {
    const char *what;     /* "audit", lent */
    const char *unit;     /* "leaves", lent */
    uint64_t done, total; /* total 0: unknown */
    mono_ms began, drawn;
    bool on;
};
void progress_begin(struct progress *p, const char *what, const char *unit, uint64_t total);
void progress_step(struct progress *p, uint64_t done);
/* The same of work that says lines itself: the last one (plain text, NUL-terminated) is shown, as
 * far as the terminal is wide, behind how many there were and the seconds since begin. */
void progress_tell(struct progress *p, uint64_t done, const char *said);
void progress_end(struct progress *p);

#endif

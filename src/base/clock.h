/* clock.h - the only clock.  Nothing else in the project reads the time; there is no override. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/buf.h"
#include "base/defs.h"

typedef int64_t unix_time; /* seconds since the Epoch, UTC */
typedef int64_t mono_ms;   /* milliseconds of CLOCK_MONOTONIC: only for differences */

unix_time clock_now(void);
mono_ms clock_mono(void);
uint64_t clock_mono_ns(void);
/* CPU time of this process, nanoseconds, user + system */
uint64_t clock_cpu_ns(void);

/* A leaf's time: UTC to the minute, "2026-11-23T20:51Z", 17 characters.  Formatting rounds down;
 * times before 1970 or after 9999 are written as the first or last moment that can be. */
#define CLOCK_MINUTE_LEN 17
void clock_minute(char out[CLOCK_MINUTE_LEN + 1], unix_time t);
MUST_CHECK int clock_unminute(struct span s,
                              unix_time *out); /* -EBADMSG unless a real date 1970-9999 */
/* Seconds form used in documents: "2026-11-23T20:51:07Z", 20 characters. */
#define CLOCK_SECOND_LEN 20
void clock_second(char out[CLOCK_SECOND_LEN + 1], unix_time t);
/* Accepts either form above. */
MUST_CHECK int clock_unsecond(struct span s, unix_time *out);

#endif

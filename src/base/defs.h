/* defs.h - the few words every room uses. */
#ifndef BASE_DEFS_H
#define BASE_DEFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK __attribute__((warn_unused_result))
/* Not cleared at each call although the compiler clears all others (-ftrivial-auto-var-init): for
 * the buffer of a hot path that is written before it is read. */
#define NOT_CLEARED __attribute__((uninitialized))
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* A borrowed run of bytes; never owns.  p may be NULL only if n is 0. */
struct span {
    const uint8_t *p;
    size_t n;
};

/* A SHA-256 value.  A type of its own so that lengths cannot be confused. */
struct digest {
    uint8_t b[32];
};

/* A random 128-bit identifier: sub, ref, segment, move, person, ... */
struct id128 {
    uint8_t b[16];
};

#endif

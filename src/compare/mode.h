/* mode.h - what a difference is of who may do what with a file.  Modes say it, and for programs
 * that run as their owner or group the owner does, too; elsewhere owners are metadata. */
#ifndef COMPARE_MODE_H
#define COMPARE_MODE_H

#include "compare/compare.h"

#define MODE_BITS UINT64_C(07777)

/* Of two modes that differ: UNEXPLAINED where permissions, set-user-ID, set-group-ID or sticky do,
 * METADATA where other bits do (some archives repeat the sort of file there). */
enum compare_class mode_class(uint64_t a, uint64_t b);
/* Of owners or groups that differ, of a file with these modes. */
enum compare_class mode_owner_class(uint64_t a, uint64_t b);

#endif

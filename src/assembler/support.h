/* support.h - until when the distribution supports a package, as far as that is known: which of
 * its releases a package source offers is apt's word ("indextargets"), when that release ends is
 * distro-info-data's (Debian's table of its releases, a file on this machine).
 *
 * Nothing is guessed: a source of somebody else, one that offers several releases, a release that
 * the table does not have or does not end are all "not known".  The date is that of the regular
 * support; what others do for a release afterwards (LTS) is not counted. */
#ifndef ASSEMBLER_SUPPORT_H
#define ASSEMBLER_SUPPORT_H

#include "base/buf.h"
#include "base/clock.h"

#define SUPPORT_TABLE "/usr/share/distro-info/debian.csv"
#define SUPPORT_TARGETS "$(ORIGIN)|$(CODENAME)|$(REPO_URI)" /* a line of `targets` below */
#define SUPPORT_UNKNOWN ((unix_time)-1)

/* Of the package that apt fetches from uri; both texts as their programs have them.  The last
 * moment of the day, or SUPPORT_UNKNOWN. */
unix_time support_until(struct span targets, struct span table, const char *uri);

#endif

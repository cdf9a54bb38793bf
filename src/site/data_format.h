/* data_format.h - which program a data folder belongs to.
 *
 * The folder's file "format" says "site-data/vN"; a folder without it is version 1, written before
 * there was such a file.  A newer version than ours is refused before anything is opened, locked or
 * written.  An older one is brought up step by step; each step may be interrupted at any point and
 * is begun again: the file is replaced, durably, only when its step is done.  What changes *inside*
 * a store without a new version of the folder (additional columns of the catalog, new kinds of
 * notes) is that store's own business. */
#ifndef SITE_DATA_FORMAT_H
#define SITE_DATA_FORMAT_H

#include "base/err.h"

#define DATA_FORMAT 1

/* Brings a folder from version i + 1 to i + 2.  Must be able to find its own half-done work. */
typedef int data_format_step(const char *dir, struct err *e);
struct data_format_steps {
    data_format_step *const *step;
    uint32_t n; /* the newest version is n + 1 */
};
extern const struct data_format_steps data_format_steps; /* this program's */

/* Only looks.  *version: 0 if the folder holds no site yet.  -EPROTONOSUPPORT: written by a newer
 * program; -EBADMSG: the file says nothing we understand. */
MUST_CHECK int data_format_look(const char *dir, uint32_t *version, struct err *e);
/* The same for a program whose steps are these: for tests. */
MUST_CHECK int data_format_look_with(const char *dir, const struct data_format_steps *s,
                                     uint32_t *version, struct err *e);
/* Brings the folder to the newest version and says so in it. */
MUST_CHECK int data_format_bring(const char *dir, const struct data_format_steps *s, struct err *e);

#endif

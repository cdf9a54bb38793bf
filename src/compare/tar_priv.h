/* tar_priv.h - tar: ustar (POSIX.1-1988), pax (POSIX.1-2001) and GNU's long names.  tar_entry.c
 * reads, tar_fields.c compares two entries, tar.c walks both archives in step (instep.h). */
#ifndef COMPARE_TAR_PRIV_H
#define COMPARE_TAR_PRIV_H

#include "compare/look.h"

#define TAR_BLOCK 512u
#define TAR_EXTRAS 6u            /* headers before a header */
#define TAR_EXTRA_MAX (1u << 20) /* bytes of one */

struct tar_extra { /* x, g: pax; L, K: GNU's long name and link */
    struct look_held head, data;
    char type;
};

struct tar_entry {
    struct tar_extra extra[TAR_EXTRAS];
    size_t extras;
    struct look_held head, content, padding;
    char *name, *link; /* as an unpacker would take them */
    uint64_t content_n;
    bool owns; /* a global header before it says who owns what follows */
};

/* Whether a block is a header: its checksum is right and it says tar, or says nothing as in 1979.
 */
bool tar_is_header(struct span block);
/* 1: *e is the next entry; 0: the end, e->head holds what stands there (a zero block or nothing);
 * -EBADMSG: it cannot be followed, and *why says why.  e is to be freed in each case. */
MUST_CHECK int tar_entry_read(struct look *l, int side, struct tar_entry *e, const char **why);
void tar_entry_free(struct look *l, struct tar_entry *e);
struct look_range tar_entry_range(const struct tar_entry *e);

/* Claims all of both. */
MUST_CHECK int tar_entry_compare(struct look *l, const struct tar_entry *a,
                                 const struct tar_entry *b);

/* A number of a header: false if there is more than a number in the field. */
bool tar_number(struct span field, uint64_t *v);
/* A text of a header: false if something stands behind its end. */
bool tar_text(struct span field, struct span *v);
/* The next record of a pax header; false at the end or where it is none (then rest->n > 0). */
bool tar_record(struct span *rest, struct span *all, struct span *key, struct span *value);
bool tar_owner(struct span key); /* of a record: it names an owner or a group */
bool tar_zero(struct span s);

#endif

/* cpio_priv.h - cpio: "newc" with and without sums (070701, 070702), the portable one of POSIX.1
 * ("odc", 070707) and the old binary one of either byte order.  cpio_entry.c reads, cpio_fields.c
 * compares two entries, cpio_links.c follows hard links, cpio.c walks archives in step, and those
 * behind one another. */
#ifndef COMPARE_CPIO_PRIV_H
#define COMPARE_CPIO_PRIV_H

#include "compare/look.h"

#define CPIO_LEAD 4u /* bytes that are read first, to see what stands there */
#define CPIO_HEAD 110u

enum cpio_field {
    CPIO_DEV,
    CPIO_DEV_MINOR,
    CPIO_INO,
    CPIO_MODE,
    CPIO_UID,
    CPIO_GID,
    CPIO_NLINK,
    CPIO_RDEV,
    CPIO_RDEV_MINOR,
    CPIO_MTIME,
    CPIO_NAME_N,
    CPIO_SIZE,
    CPIO_SUM,
    CPIO_FIELDS
};

struct cpio_layout {
    const char *magic;
    uint8_t magic_n, head_n, align;
    uint8_t base; /* of its numbers; 1, 2: binary, little and big endian */
    struct {
        uint8_t at, n; /* n 0: it has none */
    } field[CPIO_FIELDS];
};

struct cpio_entry {
    uint8_t head[CPIO_HEAD]; /* as far as it has been read */
    struct look_range head_at;
    struct look_held name_at; /* the name with its NUL and padding */
    struct look_held content, padding;
    const struct cpio_layout *layout;
    uint64_t v[CPIO_FIELDS];
    char *name;
};

/* Of what a header begins with, whole as far as it is there; NULL: it is none. */
const struct cpio_layout *cpio_layout_of(struct span head);
/* Numbers of a header; false: one is none. */
bool cpio_numbers(const struct cpio_layout *t, struct span head, uint64_t v[CPIO_FIELDS]);
/* The next n bytes of the header.  0 also where there are fewer; -ENOMEM. */
MUST_CHECK int cpio_entry_take(struct look *l, int side, struct cpio_entry *e, size_t n);
struct look_held cpio_entry_head(const struct cpio_entry *e); /* lent */
/* The first bytes of e have been taken.  1: *e is an entry; -EBADMSG: it cannot be followed, and
 * *why says why; -ENOMEM. */
MUST_CHECK int cpio_entry_read(struct look *l, int side, struct cpio_entry *e, const char **why);
void cpio_entry_free(struct look *l, struct cpio_entry *e);
struct look_range cpio_entry_range(const struct cpio_entry *e);
bool cpio_is_trailer(const struct cpio_entry *e);
bool cpio_zero(struct span s);

/* --- hard links: which names are one file --- */

struct cpio_links {
    struct cpio_link *v;
    size_t n, room;
    uint64_t charged;
};

/* Two that were compared.  0, or -ENOMEM. */
MUST_CHECK int cpio_links_add(struct look *l, struct cpio_links *t, const struct cpio_entry *a,
                              const struct cpio_entry *b);
/* Tells whether names are linked with one another on one side and not on the other; t is empty
 * afterwards. */
MUST_CHECK int cpio_links_tell(struct look *l, struct cpio_links *t);
void cpio_links_free(struct look *l, struct cpio_links *t);

/* Claims all of both. */
MUST_CHECK int cpio_entry_compare(struct look *l, const struct cpio_entry *a,
                                  const struct cpio_entry *b);
/* As bytes, what was read of two. */
MUST_CHECK int cpio_entry_raw(struct look *l, const struct cpio_entry *a,
                              const struct cpio_entry *b);

#endif

/* zip_priv.h - zip (APPNOTE 6.3): the directory at the end leads, and each member is read twice: as
 * the directory has it and as its own header has it.  zip_read.c finds, zip_member.c compares two
 * members, zip.c is the format. */
#ifndef COMPARE_ZIP_PRIV_H
#define COMPARE_ZIP_PRIV_H

#include "compare/look.h"

#define ZIP_CENTRAL 46u
#define ZIP_LOCAL 30u
#define ZIP_END 22u

struct zip_member {
    char *name;
    struct look_range central, local;                /* fixed parts */
    struct look_range name_at[2], extra[2], comment; /* 0: central, 1: local */
    struct look_range data, descriptor;
    uint64_t packed_n, plain_n;
    uint32_t crc;
    uint16_t method, flags;
};

struct zip_side {
    struct zip_member *v;
    size_t n, room;
    uint64_t charged;
    struct look_range end, comment, end64, locator;
    bool counted; /* the numbers of the end are those of what was found */
};

uint16_t zip_u16(const uint8_t *p);
uint32_t zip_u32(const uint8_t *p);
uint64_t zip_u64(const uint8_t *p);

/* As far as it can be followed.  0, -ENOMEM, or -EBADMSG with *why. */
MUST_CHECK int zip_read(struct look *l, int side, struct zip_side *z, const char **why);
void zip_free(struct look *l, struct zip_side *z);

/* Claims all of two members: in the directory, and where they are. */
MUST_CHECK int zip_member_compare(struct look *l, const struct zip_member *a,
                                  const struct zip_member *b);
/* All that belongs to one. */
MUST_CHECK int zip_member_alone(struct look *l, int side, const struct zip_member *m);

#endif

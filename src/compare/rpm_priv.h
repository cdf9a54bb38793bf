/* rpm_priv.h - packages of rpm, version 3 and 4: lead, a header of signatures, the header, and the
 * payload, a packed cpio.  rpm_read.c reads headers, rpm_tags.c says what a difference in each tag
 * would be, rpm_sums.c whether sums and signatures are what they seem, rpm.c compares. */
#ifndef COMPARE_RPM_PRIV_H
#define COMPARE_RPM_PRIV_H

#include "compare/look.h"

#define RPM_LEAD 96u
#define RPM_PREAMBLE 16u /* of a header: magic, 4 bytes of nothing, two numbers */
#define RPM_INDEX 16u

enum rpm_type { /* of the data of a tag */
                RPM_NULL,
                RPM_CHAR,
                RPM_INT8,
                RPM_INT16,
                RPM_INT32,
                RPM_INT64,
                RPM_STRING,
                RPM_BIN,
                RPM_STRINGS,
                RPM_I18N,
                RPM_TYPES
};

enum { /* tags; those of signatures from SIG on are in the first header */
       RPM_REGION_SIG = 62,
       RPM_REGION = 63,
       RPM_NAME = 1000,
       RPM_BUILDTIME = 1006,
       RPM_BUILDHOST = 1007,
       RPM_SIZE = 1009,
       RPM_FILESIZES = 1028,
       RPM_FILEMODES = 1030,
       RPM_FILEMTIMES = 1034,
       RPM_FILEDIGESTS = 1035,
       RPM_FILEUSERS = 1039,
       RPM_FILEGROUPS = 1040,
       RPM_COOKIE = 1094,
       RPM_DIRINDEXES = 1116,
       RPM_BASENAMES = 1117,
       RPM_DIRNAMES = 1118,
       RPM_PAYLOADFLAGS = 1126,
       RPM_FILEDIGESTALGO = 5011,
       RPM_PAYLOADDIGEST = 5092,
       RPM_PAYLOADDIGESTALGO = 5093,
       RPM_PAYLOADDIGESTALT = 5097,
       RPM_SIG_DSA = 267,
       RPM_SIG_RSA = 268,
       RPM_SIG_SHA1 = 269,
       RPM_SIG_SHA256 = 273,
       RPM_SIG_OPENPGP = 278,
       RPM_SIG_SIZE = 1000,
       RPM_SIG_PGP = 1002,
       RPM_SIG_MD5 = 1004,
       RPM_SIG_GPG = 1005,
       RPM_SIG_PAYLOADSIZE = 1007,
       RPM_SIG_RESERVED = 1008
};

struct rpm_entry {
    uint32_t tag, type, count;
    struct look_range index, data;
};

struct rpm_header {
    struct look_range all, store; /* all: from the magic to the end of the store */
    struct rpm_entry *v;          /* by tag, then by place */
    size_t n;
    uint64_t charged;
    bool in_order; /* as they stand there, too */
};

struct rpm_expanded { /* what the payload expands to */
    struct sha256 *running;
    struct digest sha256;
    uint64_t n;
    bool whole;
};

struct rpm_side {
    struct rpm_header sig, main;
    struct look_range padding, payload;
    struct rpm_expanded plain;
    struct span *name[2]; /* of files and of folders, as main has them; NULL: it has none */
    size_t names[2];
    uint64_t charged;
};

struct rpm {
    struct look *l;
    struct rpm_side side[2];
    uint64_t store[2]; /* of the header that is compared */
    bool moved;        /* data of a tag stands elsewhere in it */
};

uint32_t rpm_u32(const uint8_t *p);
struct span rpm_bytes(const struct rpm *r, int side, struct look_range at);

/* A header at at.  0; -EBADMSG with *why: it cannot be followed; -ENOMEM. */
MUST_CHECK int rpm_header_read(struct look *l, int side, uint64_t at, struct rpm_header *h,
                               const char **why);
void rpm_header_free(struct look *l, struct rpm_header *h);
const struct rpm_entry *rpm_find(const struct rpm_header *h, uint32_t tag);
/* Bytes of one element of a type; 0: texts, or nothing. */
size_t rpm_width(uint32_t type);
/* The next text of what is left. */
bool rpm_text(struct span *rest, struct span *text);

/* What a difference in an element would be, and what to call the tag. */
struct rpm_kind {
    const char *name; /* NULL: only its number is known */
    enum compare_class class;
    bool (*right)(struct rpm *r, int side, const struct rpm_entry *e, size_t i, struct span value);
    enum compare_class if_right; /* on both sides */
    /* Whether what the i-th element is a sum of is another on both sides: then equal sums, too, are
     * looked at.  NULL: they are not. */
    bool (*differs)(struct rpm *r, size_t i);
};
struct rpm_kind rpm_kind_of(bool sig, uint32_t tag);

/* Whether the i-th element is what follows from the rest of the package. */
bool rpm_is_file_digest(struct rpm *r, int side, const struct rpm_entry *e, size_t i,
                        struct span value);
bool rpm_is_file_size(struct rpm *r, int side, const struct rpm_entry *e, size_t i,
                      struct span value);
/* The file does not run as its owner or group. */
bool rpm_is_mere_owner(struct rpm *r, int side, const struct rpm_entry *e, size_t i,
                       struct span value);
bool rpm_is_sum_of_sizes(struct rpm *r, int side, const struct rpm_entry *e, size_t i,
                         struct span value);
bool rpm_is_payload_digest(struct rpm *r, int side, const struct rpm_entry *e, size_t i,
                           struct span value);
bool rpm_is_plain_digest(struct rpm *r, int side, const struct rpm_entry *e, size_t i,
                         struct span value);
bool rpm_is_plain_size(struct rpm *r, int side, const struct rpm_entry *e, size_t i,
                       struct span value);
bool rpm_is_size(struct rpm *r, int side, const struct rpm_entry *e, size_t i, struct span value);
bool rpm_is_md5(struct rpm *r, int side, const struct rpm_entry *e, size_t i, struct span value);
bool rpm_is_sha1(struct rpm *r, int side, const struct rpm_entry *e, size_t i, struct span value);
bool rpm_is_sha256(struct rpm *r, int side, const struct rpm_entry *e, size_t i, struct span value);
bool rpm_is_zero(struct rpm *r, int side, const struct rpm_entry *e, size_t i, struct span value);
bool rpm_is_region(struct rpm *r, int side, const struct rpm_entry *e, size_t i, struct span value);
bool rpm_is_level(struct rpm *r, int side, const struct rpm_entry *e, size_t i, struct span value);
/* A signature of OpenPGP and nothing else: its own lengths account for all of it. */
bool rpm_is_signature(struct rpm *r, int side, const struct rpm_entry *e, size_t i,
                      struct span value);
bool rpm_is_armored(struct rpm *r, int side, const struct rpm_entry *e, size_t i,
                    struct span value);

bool rpm_differs_file(struct rpm *r, size_t i);
bool rpm_differs_payload(struct rpm *r, size_t i);
bool rpm_differs_plain(struct rpm *r, size_t i);
bool rpm_differs_header(struct rpm *r, size_t i);
bool rpm_differs_signed(struct rpm *r, size_t i); /* header and payload */

/* Names of files, for those that ask of single files.  0, or -ENOMEM. */
MUST_CHECK int rpm_names_read(struct rpm *r, int side);

#endif

/* der.h - DER (X.690) within its bounds, and what a structure in it consists of: parts with names,
 * that are held against those of another one.
 *
 *   der.c       elements, object identifiers   der_parts.c  parts of two sides in pairs
 *   der_show.c  values as text                 x509.c       certificates, lists of revoked ones,
 *   pem.c       the same as text                            requests; which of them a file is
 *   cms.c       signed data
 *
 * Strict: lengths in their shortest form, none indefinite, no tags of more than a byte.  What does
 * not read so is not followed. */
#ifndef COMPARE_DER_H
#define COMPARE_DER_H

#include "compare/look_priv.h"

#define DER_LABEL 96u
#define DER_SHOWN 160u

#define DER_INTEGER 0x02
#define DER_BITS 0x03
#define DER_OCTETS 0x04
#define DER_OID 0x06
#define DER_UTC_TIME 0x17
#define DER_TIME 0x18
#define DER_SEQUENCE 0x30
#define DER_SET 0x31
#define DER_CONTEXT(n) (0xa0 + (n)) /* constructed */

struct der {
    uint8_t tag;
    struct look_range all, head, body; /* head: tag and length */
};

/* The element at *at, which ends before end; *at moves behind it. */
bool der_next(struct span s, uint64_t *at, uint64_t end, struct der *out);
/* The same, if it has that tag. */
bool der_is(struct span s, uint64_t *at, uint64_t end, uint8_t tag, struct der *out);
struct span der_bytes(struct span s, struct look_range r);
uint64_t der_end(const struct der *d);
/* "2.5.29.17" or the name it has. */
const char *der_oid(char out[DER_LABEL], struct span oid);
bool der_oid_is(struct span oid, const char *dotted);

enum der_show {
    DER_SHOW_HEX,
    DER_SHOW_NAME,
    DER_SHOW_TIME,
    DER_SHOW_ALGORITHM,
    DER_SHOW_NAMES,
    DER_SHOW_SIGNATURE,
};
/* The element in s as text. */
const char *der_show(char out[DER_SHOWN], enum der_show how, struct span s);

struct der_part {
    struct look_range at;
    enum compare_class class;
    enum der_show show;
    bool quiet; /* its length follows from the parts it is the head of */
    char label[DER_LABEL];
};
struct der_parts {
    struct look *l;
    struct span all;
    enum compare_class class; /* of what is added */
    struct der_part *v;
    size_t n, room;
    int rc;
};
void der_add(struct der_parts *o, struct look_range at, enum der_show show, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* The head of an element whose parts follow: its length is theirs. */
void der_head(struct der_parts *o, const struct der *d, const char *of);
void der_parts_done(struct der_parts *o);
/* Claims the parts of both, paired by their labels: the second of a label with the second. */
MUST_CHECK int der_compare(struct look *l, struct der_parts o[2]);

/* The same for each: takes apart what begins at *at; false: it is none, or o->rc. */
bool x509_certificate(struct der_parts *o, uint64_t at, uint64_t end);
bool x509_revoked(struct der_parts *o, uint64_t at, uint64_t end);
bool x509_request(struct der_parts *o, uint64_t at, uint64_t end);
/* Signed data (RFC 5652).  What its signatures do not cover is UNEXPLAINED whatever o->class is,
 * but for the signatures themselves and for timestamps. */
bool cms_signed(struct der_parts *o, uint64_t at, uint64_t end, const char *of);

#endif

/* java_priv.h - a Java class file read within its bounds (JVMS chapter 4), and a pair of them.
 *
 *   java_read.c   the pool, fields, methods, attributes of one file
 *   java_pool.c   which constant of A is which of B, and what is claimed of them
 *   java_items.c  an attribute taken apart     java_code.c  the same of code (JVMS chapter 6)
 *   java_show.c   constants and items as text
 *   java.c        everything in pairs
 *
 * What refers to a constant is not compared as a number but as what it refers to: so a pool in
 * another order is SAME_CONTENT, if all that refers to it is known and leads to the same.  An
 * attribute that is not known could refer to it, too: then it is UNEXPLAINED. */
#ifndef COMPARE_JAVA_PRIV_H
#define COMPARE_JAVA_PRIV_H

#include "compare/look_priv.h"

#define JAVA_TEXT 120u /* of a constant or item, as shown */

enum java_tag {
    JAVA_UTF8 = 1,
    JAVA_INTEGER = 3,
    JAVA_FLOAT = 4,
    JAVA_LONG = 5,
    JAVA_DOUBLE = 6,
    JAVA_CLASS = 7,
    JAVA_STRING = 8,
    JAVA_FIELD = 9,
    JAVA_METHOD = 10,
    JAVA_INTERFACE_METHOD = 11,
    JAVA_NAME_AND_TYPE = 12,
    JAVA_METHOD_HANDLE = 15,
    JAVA_METHOD_TYPE = 16,
    JAVA_DYNAMIC = 17,
    JAVA_INVOKE_DYNAMIC = 18,
    JAVA_MODULE = 19,
    JAVA_PACKAGE = 20,
};

struct java_constant {
    uint8_t tag; /* 0: no constant has this number */
    struct look_range at;
    uint32_t id; /* equal where what they stand for is equal, on both sides */
    long peer;   /* in the other file; -1: not there */
    bool explained;
};

struct java_member { /* a field or method */
    struct look_range at;
    unsigned name, descriptor;
};

struct java {
    struct span all;
    struct java_constant *constant;
    size_t constants;                        /* with the unused one, 0 */
    uint64_t body, fields, methods, classes; /* where flags, and the counts of each lie */
    struct java_member *field, *method;
    size_t n_fields, n_methods;
    uint64_t end;
};

struct java_pair {
    struct look *l;
    struct java f[2];
    bool renumbered; /* a constant has another number */
};

/* NULL, or what is wrong with it; -ENOMEM in *rc.  java_done in any case. */
const char *java_read(struct java *f, struct span all, int *rc);
void java_done(struct java *f);
uint64_t java_get(const struct java *f, uint64_t at, unsigned n); /* 0 outside of the file */
/* The bytes of a text constant; empty if it is none. */
struct span java_utf8(const struct java *f, unsigned index);
/* Numbers of the k-th with a key are paired with the k-th of it; peers: -1 where there is none. */
MUST_CHECK int java_match(const uint64_t *a, size_t na, long *pa, const uint64_t *b, size_t nb,
                          long *pb);

MUST_CHECK int java_pool_match(struct java_pair *p);
MUST_CHECK int java_pool_claim(struct java_pair *p);

/* --- what attributes are made of --- */

struct java_token {
    uint64_t at;
    uint32_t n;
    uint32_t index; /* of a constant */
    bool ref;
    bool count; /* of the items behind it: they say the same */
};
struct java_items { /* the bytes of a part, as numbers and references */
    const struct java *f;
    struct look *l;
    struct java_token *v;
    size_t n, room;
    size_t *start; /* the token each item begins with */
    size_t items, start_room;
    uint64_t at, end; /* read up to; of the part */
    uint64_t code;    /* where the code begins; 0: none */
    bool bad;         /* it is not made so */
    unsigned depth;
    int rc;
};
enum java_where {
    JAVA_OF_CLASS = 1,
    JAVA_OF_FIELD = 2,
    JAVA_OF_METHOD = 4,
    JAVA_OF_CODE = 8,
    JAVA_OF_COMPONENT = 16,
};
/* How the attribute of that name is made, at this place; NULL: it is not known. */
const char *java_layout(struct span name, enum java_where where);
/* Takes a part apart; false: it is not made so, or is too large.  java_items_done in any case. */
bool java_items_read(struct java_items *o, const struct java *f, struct look *l,
                     struct look_range at, const char *layout);
void java_items_done(struct java_items *o);
struct look_range java_item(const struct java_items *o, size_t i);
/* For layouts: one number, reference or beginning of an item. */
void java_raw(struct java_items *o, uint64_t n);
void java_ref(struct java_items *o, unsigned n);
void java_count(struct java_items *o, unsigned n);
void java_begin(struct java_items *o);
/* n bytes of code. */
void java_code(struct java_items *o, uint64_t n);

/* --- as text --- */

const char *java_show_constant(char out[JAVA_TEXT], const struct java *f, unsigned index);
const char *java_show_item(char out[JAVA_TEXT], const struct java_items *o, size_t i, bool is_code);
const char *java_mnemonic(uint8_t op); /* NULL: there is none */
char java_operand(uint8_t op);

#endif

/* json_read.h - a JSON document (RFC 8259) as its values lie in it.
 *
 * Strict, and stricter: valid UTF-8; no key twice in an object and no escape in a key, because
 * readers disagree about these; an object or array at the top; at most JSON_DEPTH deep and
 * JSON_VALUES values.  What is not read here may still be compared as text. */
#ifndef COMPARE_JSON_READ_H
#define COMPARE_JSON_READ_H

#include "base/defs.h"

#define JSON_DEPTH 64u
#define JSON_VALUES 500000u
#define JSON_BYTES ((size_t)64 << 20)

enum json_sort { JSON_OBJECT, JSON_ARRAY, JSON_SCALAR };

struct json_value {
    enum json_sort sort;
    uint32_t nodes;    /* this one and all in it: they follow it */
    uint32_t children; /* members or elements */
    struct span key;   /* with its quotes; n 0: none */
    struct span text;  /* from its first byte to its last */
    uint64_t hash;     /* equal where the value is, whatever blanks and order of members */
};

struct json {
    struct json_value *v; /* v[0] is the whole */
    size_t n;
};

/* 0; -EBADMSG: not such a document; -ENOMEM.  *out lends from text; json_free it. */
MUST_CHECK int json_read(struct json *out, struct span text);
void json_free(struct json *j); /* empty is fine */

#endif

/* tuf_json.h - JSON as TUF metadata uses it, read strictly, and its canonical form.
 * Only this room includes it; json values are jansson's, borrowed unless said. */
#ifndef UPDATES_TUF_JSON_H
#define UPDATES_TUF_JSON_H

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"

#define TUF_JSON_MAX_DEPTH 32       /* arrays and objects inside one another */
#define TUF_JSON_MAX_VALUES 600000  /* of one document: jansson takes up to 260 bytes for each */
#define TUF_INT_MAX (INT64_MAX - 1) /* of any integer: N + 1 can be asked for */

/* One JSON object and nothing behind it but blanks.  Refused: a key twice in one object, NUL in a
 * string, numbers that are no 64-bit integers, invalid UTF-8 (-EBADMSG); more depth or values than
 * above (-E2BIG, before jansson sees it).  *out is the caller's (json_decref). */
MUST_CHECK int tuf_json_parse(json_t **out, struct span bytes, struct err *e);

/* Appends v in OLPC's canonical form (wiki.laptop.org/go/Canonical_JSON): keys in the order of
 * their bytes, no blanks, in strings only quote and backslash escaped.  It is never longer than
 * what v was parsed from.  -E2BIG, -ENOMEM. */
MUST_CHECK int tuf_json_canonical(struct buf *b, const json_t *v);

/* Members of an object, with where standing for it in the message; each -EBADMSG unless it is there
 * and of that kind. */
MUST_CHECK int tuf_json_object(const json_t *in, const char *where, const char *name, json_t **out,
                               struct err *e);
MUST_CHECK int tuf_json_array(const json_t *in, const char *where, const char *name, json_t **out,
                              struct err *e);
MUST_CHECK int tuf_json_string(const json_t *in, const char *where, const char *name,
                               const char **out, struct err *e);
/* least to most, both included */
MUST_CHECK int tuf_json_int(const json_t *in, const char *where, const char *name, int64_t least,
                            int64_t most, int64_t *out, struct err *e);
/* absent is false */
MUST_CHECK int tuf_json_bool(const json_t *in, const char *where, const char *name, bool *out,
                             struct err *e);

#endif

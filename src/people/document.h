/* document.h - the kinds of signed documents and the three lines every one of them that is chained
 * begins with: format, serial, previous (docs/formats.md, "Documents"). */
#ifndef PEOPLE_DOCUMENT_H
#define PEOPLE_DOCUMENT_H

#include "base/yaml.h"
#include "crypto/ed25519.h"

enum document {
    DOCUMENT_REGISTER,
    DOCUMENT_POLICY,
    DOCUMENT_STATEMENT,
    DOCUMENT_MOVE,
    DOCUMENT_CHANGE,   /* of the rules: proposed by its author (rules/document.h) */
    DOCUMENT_RELEASE,  /* of the rules */
    DOCUMENT_OVERRIDE, /* an entry of an allow list, a rule withdrawn, a verdict changed */
    DOCUMENT_PRODUCT,  /* what a release of a product was built from (assembler/product.h) */
};
#define DOCUMENTS 8
#define DOCUMENTS_ALWAYS 4 /* the first so many every register says how to approve */
const char *document_word(enum document k); /* "register", … as under "approvals" */
const char *document_type(enum document k); /* "application/x.register.v1+yaml", … */

/* A place in a document, for messages about what was read from there. */
struct mark {
    int line, column;
};
struct mark document_mark(const struct yaml_node *n);
/* "NAME:LINE:COLUMN: …"; returns -EINVAL. */
int document_err(struct err *e, const char *name, struct mark at, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/* Asks map for "format" and refuses any other word than format ("policy/v1"). */
MUST_CHECK int document_format(const struct yaml_node *map, const char *format, struct err *e);

struct chain {
    uint64_t serial;        /* from 1 */
    struct digest previous; /* of the envelope before; all zero in serial 1 */
    struct mark serial_at, previous_at;
};
/* Asks map for "serial" and "previous"; previous is "none" exactly in serial 1. */
MUST_CHECK int document_chain(const struct yaml_node *map, struct chain *out, struct err *e);
/* Is next (read from NAME) the successor of old, whose envelope's digest is doc? */
MUST_CHECK int document_follows(const struct chain *old, const struct digest *doc, const char *name,
                                const struct chain *next, struct err *e);

/* yaml_need, and the value must be a list of least to most items. */
MUST_CHECK int document_list(const struct yaml_node *map, const char *key, size_t least,
                             size_t most, const struct yaml_node **out, struct err *e);
/* The i-th item of a list, which must be a map. */
MUST_CHECK int document_item(const struct yaml_node *list, size_t i, const struct yaml_node **out,
                             struct err *e);
/* yaml_need and the scalar of that type, or *out = otherwise when the key is missing. */
MUST_CHECK int document_id(const struct yaml_node *map, const char *key, struct id128 *out,
                           struct err *e);
MUST_CHECK int document_time(const struct yaml_node *map, const char *key, unix_time *out,
                             struct err *e);
MUST_CHECK int document_may_time(const struct yaml_node *map, const char *key, unix_time otherwise,
                                 unix_time *out, struct err *e);
/* A raw Ed25519 public key, as people write it: base64. */
MUST_CHECK int document_key(const struct yaml_node *text, struct ed25519_pub *out, struct err *e);
MUST_CHECK int document_word_of(const struct yaml_node *map, const char *key,
                                const char *const *names, size_t count, size_t *out, struct err *e);

#endif

/* yaml.h - a strict reader of the YAML people write, over libyaml: one document, UTF-8, maps, lists
 * and plain or quoted scalars.  Refused, with line and column: anchors, aliases, tags, merge keys,
 * duplicate keys, directives, a second document, control characters (also escaped, also those that
 * turn the direction of text), nesting over 16, more than 200,000 nodes, input over 4 MiB.
 * Errors: -E2BIG for the limits, -EINVAL for all else that is wrong with the text; -ENOMEM;
 * yaml_load also the environment's own word.
 * Numbers are decimal only (010, 0x8, 1e3 and 1_000 are refused where a number is asked for).
 * Every node keeps line and column (from 1), so that a checker's message can point at it:
 *   "policy.yaml:12:9: \"ZZ\" is not a country of ISO 3166-1; ..."
 * A value that is missing after its colon is no text; where an empty text is meant, it is quoted.
 * Numbers, true and false are not quoted.  Threads: reading a map marks its keys, so a document is
 * for one thread at a time.
 * Getters report unknown keys: yaml_map_done() fails on keys nobody asked for. */
#ifndef BASE_YAML_H
#define BASE_YAML_H

#include "base/clock.h"
#include "base/err.h"

struct yaml_doc;  /* owns all nodes */
struct yaml_node; /* lives as long as its document */

/* name is used in messages (a file name). */
MUST_CHECK int yaml_parse(struct yaml_doc **out, const char *name, struct span text, struct err *e);
/* The bytes of a file that yaml_load would parse, for who must know them too; buf_free(out). */
MUST_CHECK int yaml_read(struct buf *out, const char *path, struct err *e);
MUST_CHECK int yaml_load(struct yaml_doc **out, const char *path,
                         struct err *e); /* file, at most 4 MiB */
void yaml_doc_free(struct yaml_doc *d);  /* NULL is fine */
/* Inline, because libyaml exports a function of this name and would call ours instead. */
static inline void yaml_free(struct yaml_doc *d)
{
    yaml_doc_free(d);
}
const struct yaml_node *yaml_root(const struct yaml_doc *d);

enum yaml_type { YAML_MAP_, YAML_LIST_, YAML_TEXT_ };
enum yaml_type yaml_type(const struct yaml_node *n);
int yaml_line(const struct yaml_node *n);
int yaml_column(const struct yaml_node *n);

/* Sets "NAME:LINE:COL: " + message; returns -EINVAL. */
int yaml_err(struct err *e, const struct yaml_node *n, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Map access.  _need: missing key is an error naming the key and the map's place; _may: *out = NULL
 * and 0 when missing.  A map remembers which keys were asked for. */
MUST_CHECK int yaml_need(const struct yaml_node *map, const char *key, const struct yaml_node **out,
                         struct err *e);
MUST_CHECK int yaml_may(const struct yaml_node *map, const char *key, const struct yaml_node **out,
                        struct err *e);
/* Fails if the map has a key that was never asked for ("unknown key ...; known: ..."). */
MUST_CHECK int yaml_map_done(const struct yaml_node *map, struct err *e);
/* The i-th key and value in the order written; for maps whose keys are data.  Marks it as asked. */
size_t yaml_count(const struct yaml_node *n); /* entries of a map or list; 0 for a text */
MUST_CHECK int yaml_entry(const struct yaml_node *map, size_t i, const char **key,
                          const struct yaml_node **out, struct err *e);
MUST_CHECK int yaml_item(const struct yaml_node *list, size_t i, const struct yaml_node **out,
                         struct err *e);

/* Scalars, each with its type's own sentence on failure.  Strings are lent, NUL-terminated, no NUL
 * inside. */
MUST_CHECK int yaml_text(const struct yaml_node *n, const char **out, struct err *e);
MUST_CHECK int yaml_u64(const struct yaml_node *n, uint64_t min, uint64_t max, uint64_t *out,
                        struct err *e);
MUST_CHECK int yaml_bool(const struct yaml_node *n, bool *out, struct err *e); /* true|false only */
MUST_CHECK int yaml_digest(const struct yaml_node *n, struct digest *out, struct err *e);
MUST_CHECK int yaml_id(const struct yaml_node *n, struct id128 *out, struct err *e);
MUST_CHECK int yaml_time(const struct yaml_node *n, unix_time *out,
                         struct err *e); /* clock_unsecond */
/* "90s", "15m", "24h", "30d" -> seconds; a bare number is refused (the unit is asked for). */
MUST_CHECK int yaml_duration(const struct yaml_node *n, uint64_t *seconds, struct err *e);
/* "64KiB", "3GiB", "100MB", "17" (bytes); units kB MB GB TB (powers of 1000) and KiB MiB GiB TiB */
MUST_CHECK int yaml_size(const struct yaml_node *n, uint64_t *bytes, struct err *e);
/* One of the words of names[0..n); *out is its index. The message lists the words. */
MUST_CHECK int yaml_word(const struct yaml_node *n, const char *const *names, size_t count,
                         size_t *out, struct err *e);

/* Convenience for the commonest shape: need + scalar. */
MUST_CHECK int yaml_need_text(const struct yaml_node *map, const char *key, const char **out,
                              struct err *e);
MUST_CHECK int yaml_need_u64(const struct yaml_node *map, const char *key, uint64_t min,
                             uint64_t max, uint64_t *out, struct err *e);

#endif

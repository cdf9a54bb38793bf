/* rules.h - what an engine brings along; loop, jails, children and messages are common to all.
 *
 * Each engine executable is linked from engines/common and one implementation of this header.  A
 * release's rules are known by *rank*: their place among the names in byte order.  A child tells
 * ranks, never names, so that a taken-over child can at most lie about its own submitter's files,
 * in names of the release.
 *
 * Beside the release's rules stands one of our own, the canary: a random text made at start.  To
 * find it is to prove that compiled rules, scanner and jail work together; it is in no verdict. */
#ifndef ENGINE_RULES_H
#define ENGINE_RULES_H

#include "base/err.h"
#include "detect/protocol.h"

struct rules;

struct rules_traits {
    const char *label; /* "yara" */
    bool members;      /* it opens containers: rules_scan fills rules_where.arena */
    /* A file system in memory of this size for each of the server's children, who sees its own
     * only; 0: none. */
    uint64_t scratch_bytes, scratch_inodes;
    size_t samples; /* of rules_sample */
};
extern const struct rules_traits rules_traits;
const char *rules_version(void); /* "4.2.3" */

/* -EBADMSG with file:line and the library's own sentence.  Loads and warms up all that is loaded
 * lazily: after it the jail closes.  folder: a folder in memory for an engine with scratch_bytes,
 * gone with its descriptor; else -1. */
MUST_CHECK int rules_compile(struct rules **out, struct span bundle, const struct detect_rules *m,
                             int folder, struct err *e);
void rules_free(struct rules *r);
uint32_t rules_count(const struct rules *r); /* of the release */
/* Names of the release: ranks are below.  Fewer than rules where several have one name, or none. */
uint32_t rules_ranks(const struct rules *r);
/* The name of the rule of this rank. */
const char *rules_name(const struct rules *r, uint32_t rank);

/* What the engine is tried with before it serves: lent; *canary is whether it must be found. */
struct span rules_sample(const struct rules *r, size_t i, bool *canary);

/* Where a child works: its folder in memory (or NULL), the memory for members. */
struct rules_where {
    const char *scratch;
    uint8_t *arena; /* as docs of MEMBERS say; NULL: this engine opens nothing */
    uint64_t arena_size;
    uint32_t members; /* so far */
    uint64_t used;    /* bytes of the arena in use, table included */
    /* After each member: what is whole by now survives the child.  NULL: nobody asks. */
    void (*told)(const struct rules_where *);
    void *arg;
};
/* The size of the arena this release needs, and whether one more file may be begun in it. */
uint64_t rules_arena_size(const struct rules *r);
bool rules_arena_room(const struct rules *r, const struct rules_where *w);

/* Once in each child, before its jail closes. */
MUST_CHECK int rules_child(struct rules *r, struct rules_where *w);

struct rules_hits {
    uint32_t n, kept; /* all, and those in rank (ascending, the first ones) */
    bool canary;
    uint32_t *rank; /* the caller's, room for max */
    uint32_t max;
};
/* Scans one file, the index-th of its batch.  REASON_NONE: all of it was looked at; else why not.
 * hits->rank and max are the caller's; the rest is filled, whatever the result: what was found
 * before the trouble counts.  REASON_SIZE ends the child (memory). */
MUST_CHECK enum verdict_reason rules_scan(struct rules *r, uint32_t index, struct span file,
                                          struct rules_hits *hits);

#endif

/* compare.h - two files or trees, and what makes them different, down to the byte.
 *
 * The answer is a tree of nodes (a folder, a file, a member of an archive, what a stream expands
 * to), each with a class.  Classes form a lattice, worst wins; only IDENTICAL means reproduced, and
 * nothing is ever rounded up: the answer rests on an account in which every byte of both sides is
 * claimed by a field, a member, padding, or is unexplained.  docs/compare.md.
 *
 * Parsing happens in a jailed child; this side opens files, compares bytes, and reads the child's
 * answer as a stranger's. */
#ifndef COMPARE_COMPARE_H
#define COMPARE_COMPARE_H

#include "base/buf.h"
#include "base/err.h"

enum compare_class {
    COMPARE_IDENTICAL,
    COMPARE_SAME_CONTENT, /* equal content in another container: recompressed, reordered */
    COMPARE_DERIVED,      /* follows from something else: build-id, debuglink, md5sums, CRC */
    COMPARE_SIGNATURE,    /* a signature, and the fields that go with it */
    COMPARE_METADATA,     /* owner, time, name, order */
    COMPARE_EXPLAINED,    /* content, with a cause that was proved: year, path, ident */
    COMPARE_UNEXPLAINED,
    COMPARE_CLASSES
};
const char *compare_class_word(enum compare_class c); /* "derived-only" */

struct compare_finding {
    enum compare_class class;
    const char *what;     /* a sentence; UTF-8 without control characters */
    uint64_t at[2], n[2]; /* bytes of the node's two sides; n 0: nowhere in particular */
    uint64_t times;       /* what it is told of at once; beyond 1, at is of the first, n of all */
    unsigned like;        /* while it is being looked at: what it is like; else 0 */
};

struct compare_node {
    const char *name[2];      /* NULL: not there on that side */
    const char *format;       /* "tar", "ELF", "text", "bytes", "folder" */
    enum compare_class class; /* the worst of its findings and children */
    uint64_t size[2];
    uint64_t bytes[2][COMPARE_CLASSES]; /* the account: they add up to size */
    struct compare_finding *finding;
    size_t findings, findings_more; /* more: not kept */
    struct compare_node **child;    /* those that are not identical */
    size_t children;
    uint64_t equal_children; /* members that are identical, counted only */
    const char *cut;         /* a limit that ended the look into it; NULL: none */
};

struct compare_report {
    struct compare_node *root;
    uint64_t looked; /* pairs that were looked into */
};

struct compare_options { /* zero in a field: the default in brackets */
    unsigned depth;      /* [16] containers in one another */
    uint64_t members;    /* [10,000,000] of all containers and folders together */
    uint64_t unpacked;   /* [64 GiB] bytes that streams expand to, in all */
    uint64_t memory;     /* [1 GiB] of what is held unpacked at one time */
    unsigned seconds;    /* [3,600] CPU of one child */
    size_t findings;     /* [100] kept of a node */
    /* What the caller knows of both builds, A's first.  A difference that is exactly this is
     * EXPLAINED; what is not given explains nothing. */
    uint64_t years[2];    /* [0, 0: not known] the years of the builds */
    const char *paths[2]; /* [NULL, NULL: not known] the folders they were made in */
    void (*step)(void *arg, uint64_t done, uint64_t total); /* bytes; may be NULL */
    void *arg;
};

/* 0 whatever the class is; -errno: trouble (a file cannot be read, no jail).  *out is the caller's.
 */
MUST_CHECK int compare_run(struct compare_report **out, const char *a, const char *b,
                           const struct compare_options *o, struct err *e);
void compare_report_free(struct compare_report *r); /* NULL is fine */

/* A report for people (color: with escape sequences; or as a page that stands alone) and for
 * programs (docs/formats.md). */
MUST_CHECK int compare_text(const struct compare_report *r, bool color, struct buf *out);
MUST_CHECK int compare_html(const struct compare_report *r, struct buf *out);
MUST_CHECK int compare_json(const struct compare_report *r, struct buf *out);

#endif

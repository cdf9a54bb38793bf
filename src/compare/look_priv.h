/* look_priv.h - nodes, and one pair being looked at. */
#ifndef COMPARE_LOOK_PRIV_H
#define COMPARE_LOOK_PRIV_H

#include <stdarg.h>

#include "compare/look.h"

#define LOOK_DEPTH 16u
#define LOOK_MEMBERS UINT64_C(10000000)
#define LOOK_UNPACKED (UINT64_C(64) << 30)
#define LOOK_MEMORY (UINT64_C(1) << 30)
#define LOOK_SECONDS 3600u
#define LOOK_FINDINGS 100u
#define LOOK_CHILDREN 100000u /* nodes kept of one parent */
#define LOOK_WHAT 400u        /* bytes of a sentence */

extern const struct look_format bytes_format; /* anything */

/* What all pairs of one comparison share. */
struct look_budget {
    unsigned depth;
    uint64_t members, unpacked, memory; /* left */
    size_t findings;
    uint64_t looked;
    unsigned helpers;         /* threads that may be begun */
    _Atomic uint64_t *seen;   /* counts what is looked at of the outermost; NULL: nobody asks */
    struct look_shelf *shelf; /* of the package around; NULL: none */
    struct look_known {
        uint64_t years[2];
        struct span path[2]; /* without '/' at the end; n 0: not known */
    } known;
};
const struct look_known *look_known(const struct look *l);

/* One pair being looked at. */
struct look_claim {
    struct look_range r;
    enum compare_class class;
};

#define LOOK_HEAD 4096u /* of what streams by, to tell its format */
struct look_stream {
    struct look_source *from; /* NULL: the side is in memory */
    uint64_t at;              /* of the next byte */
    uint8_t head[LOOK_HEAD];
    size_t head_n, head_at;
    bool ended, whole; /* whole: by itself, not by damage or a limit */
};

struct look {
    struct look_budget *budget;
    struct compare_node *node;
    struct span side[2];
    const char *name[2];
    bool streamed;                /* neither side is in memory */
    struct look_stream stream[2]; /* what look_take reads */
    struct look_alike *alike;     /* what is told of many members; NULL: nothing yet */
    struct {
        struct look_claim *v;
        size_t n, room;
    } claims[2];
};

void look_budget_init(struct look_budget *b, const struct compare_options *o);

/* A node of its own for two contents; names may be NULL.  *out is the caller's (look_node_free). */
MUST_CHECK int look_compare(struct look_budget *b, struct span a, struct span b_side,
                            const char *name_a, const char *name_b, struct compare_node **out);
/* A content below l; *class is what the difference is, of the bytes it lies in. */
MUST_CHECK int look_child(struct look *l, struct span a, struct span b, const char *name_a,
                          const char *name_b, enum compare_class *class);
/* Takes n, a child of l: its name is another if the two differ. */
MUST_CHECK int look_adopt(struct look *l, struct compare_node *n);
bool look_same_text(const char *a, const char *b); /* both may be NULL */
MUST_CHECK int look_claim(struct look *l, int side, struct look_range r, enum compare_class class);
MUST_CHECK int look_find_at(struct look *l, enum compare_class class, struct look_range a,
                            struct look_range b, const char *fmt, va_list ap)
    __attribute__((format(printf, 5, 0)));
/* Counts what was claimed, and what was not. */
MUST_CHECK int look_settle(struct look *l);
const struct look_format *look_format_of(struct span a, struct span b, const char *name_a,
                                         const char *name_b);
/* The first of the table behind self (NULL: from its beginning) that both are. */
const struct look_format *look_format_behind(const struct look_format *self, struct span a,
                                             struct span b, const char *name_a, const char *name_b);
MUST_CHECK int look_node_new(struct compare_node **out, const char *format, const char *name_a,
                             const char *name_b);
MUST_CHECK int look_node_format(struct compare_node *n, const char *format);
void look_node_free(struct compare_node *n); /* NULL is fine */
/* Takes child, and counts its class in. */
MUST_CHECK int look_node_add(struct compare_node *n, struct compare_node *child);
MUST_CHECK int look_node_find(struct compare_node *n, size_t most, enum compare_class class,
                              const struct look_range at[2], const char *what);

/* The same, of something that is told of many: those of one number are gathered into one finding
 * (without a text of its own), and this one with them.  hint: where it was, 0 at first. */
MUST_CHECK int look_node_find_like(struct compare_node *n, size_t most, enum compare_class class,
                                   const struct look_range at[2], const char *what, unsigned like);
void look_node_gather(struct compare_node *n, unsigned like, const struct look_range at[2],
                      size_t *hint);

/* look_alike.c */
MUST_CHECK int look_alike_find(struct look *l, enum compare_class class,
                               const struct look_range at[2], const char *what, const char *name,
                               const char *fmt, va_list ap) __attribute__((format(printf, 6, 0)));
MUST_CHECK int look_alike_tell(struct look *l); /* writes what is told of many */
void look_alike_free(struct look *l);

/* A node as bytes, between the jailed child and its parent; the reader believes nothing. */
MUST_CHECK int look_wire_put(struct buf *b, const struct compare_node *n);
MUST_CHECK int look_wire_get(struct cur *c, struct compare_node **out);

#endif

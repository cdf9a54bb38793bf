/* look.h - what a format does: it walks both sides of a pair in step and claims their bytes.
 *
 * A format's function gets a struct look, whose two sides are in memory (mapped files, or unpacked
 * members).  It claims every byte of both sides:
 *
 *   look_pair      a field, a section, padding: equal bytes are identical whatever was said of
 *                  them; else they differ, with the class and the sentence that were given
 *   look_member    content that lies there as it is (tar, ar, stored in zip): compared as a pair of
 *                  its own, in its own format
 *   look_unpacked  content that lies there packed: the same, over what it expands to
 *   look_find      what has no bytes of its own: an order, a missing member
 *
 * What nobody claimed is unexplained when the function returns, where it differs: so bytes behind
 * the end of an archive, in padding or between sections are found without looking for them.  Where
 * claims overlap the worse one counts.  A function never says that something is fine; it can only
 * say what kind of difference something would be.  A function that cannot go on (malformed, a
 * limit) returns: the rest is then unclaimed, and so unexplained where it differs.
 *
 * Hostile input: offsets and lengths given here may be anything; a claim outside of its side is cut
 * and the node is marked.  Formats check their own arithmetic. */
#ifndef COMPARE_LOOK_H
#define COMPARE_LOOK_H

#include <limits.h>

#include "compare/compare.h"

struct look;

struct look_range {
    uint64_t at, n;
};

struct span look_side(const struct look *l, int side); /* 0: A, 1: B */
const char *look_name(const struct look *l, int side); /* of the file or member; may be NULL */

/* Claims a range of either side; n 0 on one side: it is only on the other.  0, or -ENOMEM. */
MUST_CHECK int look_pair(struct look *l, struct look_range a, struct look_range b,
                         enum compare_class if_differs, const char *fmt, ...) PRINTF_LIKE(5, 6);
/* The same without a sentence: for differences that one look_find tells for all of them. */
MUST_CHECK int look_quiet(struct look *l, struct look_range a, struct look_range b,
                          enum compare_class if_differs);
/* Of a field that each member has: "the WHAT of "NAME"", then fmt.  Beyond a handful, those that
 * say the same are told as one, with how many they are (not what is EXPLAINED or UNEXPLAINED). */
MUST_CHECK int look_field(struct look *l, struct look_range a, struct look_range b,
                          enum compare_class if_differs, const char *what, const char *name,
                          const char *fmt, ...) PRINTF_LIKE(7, 8);
/* A member under a name; name[i] NULL: not on that side (its range has n 0).  The names may hold
 * any bytes. */
MUST_CHECK int look_member(struct look *l, struct look_range a, struct look_range b,
                           const char *name_a, const char *name_b);
/* The ranges are packed; a_plain, b_plain are what they expand to (p NULL with n 0: could not be
 * expanded: then the packed bytes are compared as they are).  Equal content in other packed bytes
 * is SAME_CONTENT.  plain is lent during the call. */
MUST_CHECK int look_unpacked(struct look *l, struct look_range a, struct look_range b,
                             struct span a_plain, struct span b_plain, const char *name_a,
                             const char *name_b);
MUST_CHECK int look_find(struct look *l, enum compare_class class, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* Causes.  They are proved by what the caller of the comparison knows of both builds, never by the
 * contents alone.  look_year: a is the year of A's build and b of B's, and they differ.
 * look_cause: b is a with the path of A's build replaced by that of B's, or the year, and nothing
 * else; returns "build path", "build year" or "build path and year", else NULL. */
bool look_year(const struct look *l, uint64_t a, uint64_t b);
const char *look_cause(const struct look *l, struct span a, struct span b);
/* Marks the node: a limit ended the look into it. */
void look_cut(struct look *l, const char *why); /* a literal */
/* Before a member: false when the members of all are too many (the node is then cut). */
bool look_may(struct look *l);
/* Room for n bytes that something expands to: NULL beyond the limits (the node is then cut).  Freed
 * with look_give_back, in the reverse order. */
void *look_room(struct look *l, uint64_t n);
void look_give_back(struct look *l, void *p, uint64_t n);

/* --- what streams by ---
 * A packed stream is expanded while it is looked at, both sides in step, and of what it expands to
 * nothing is held but what is being compared.  A format that can be read from its beginning to its
 * end without going back (tar) reads its sides with look_take, whether they are in memory or not;
 * any other gets them whole in memory, within the limits. */
struct look_source {
    void *arg;
    /* Fills p with *got of at most n bytes; 0 of them at the end.  -EBADMSG: it is damaged behind
     * them. */
    int (*read)(void *arg, void *p, size_t n, size_t *got);
};
/* Compares what two sources expand to.  Claims nothing: the caller knows afterwards which bytes
 * they were read from, and claims those with *class.  Both are read to their end or to the limits:
 * *whole tells that it was the end. */
MUST_CHECK int look_expanded(struct look *l, struct look_source *a, struct look_source *b,
                             const char *name_a, const char *name_b, enum compare_class *class,
                             bool *whole);
/* Claims what they were read from, with the class of look_expanded: other bytes for an identical
 * content are SAME_CONTENT. */
MUST_CHECK int look_packed(struct look *l, struct look_range a, struct look_range b,
                           enum compare_class class);

struct look_held { /* a part of a side, zero when empty */
    struct look_range at;
    struct span bytes;    /* p NULL though at.n is not 0: too large to be held */
    struct digest sha256; /* of what could not be held */
    void *room;
};
/* The next n bytes of a side; fewer at its end.  0, or -ENOMEM. */
MUST_CHECK int look_take(struct look *l, int side, uint64_t n, struct look_held *out);
void look_let_go(struct look *l, struct look_held *h);
bool look_held_eq(const struct look_held *a, const struct look_held *b);
/* As look_pair and look_member, of held parts. */
MUST_CHECK int look_pair_held(struct look *l, const struct look_held *a, const struct look_held *b,
                              enum compare_class if_differs, const char *fmt, ...)
    PRINTF_LIKE(5, 6);
MUST_CHECK int look_field_held(struct look *l, const struct look_held *a, const struct look_held *b,
                               enum compare_class if_differs, const char *what, const char *name,
                               const char *fmt, ...) PRINTF_LIKE(7, 8);
/* The same of what has no fields: equal bytes at both ends are left out of the difference. */
MUST_CHECK int look_pair_raw(struct look *l, const struct look_held *a, const struct look_held *b,
                             enum compare_class if_differs, const char *what);
/* n bytes of h from at on, as far as they are there. */
struct look_held look_part(const struct look_held *h, uint64_t at, uint64_t n);
MUST_CHECK int look_member_held(struct look *l, const struct look_held *a,
                                const struct look_held *b, const char *name_a, const char *name_b);
/* n bytes at at are a member of one side only. */
MUST_CHECK int look_only(struct look *l, int side, struct look_range r, const char *name);

/* Counts n bytes that a format keeps of its own against what may be held: false beyond it (the node
 * is then cut). */
bool look_charge(struct look *l, uint64_t n);
void look_discharge(struct look *l, uint64_t n);
/* n threads for a format of its own: 0, or what they may hold together until look_helpers_end,
 * which is a small part of what may be held.  The outermost ask first, and get them. */
size_t look_helpers(struct look *l, unsigned n);
void look_helpers_end(struct look *l, unsigned n, size_t held);

/* Where who reads the outermost counts its bytes, for those who wait; NULL: it is not the
 * outermost, or nobody waits.  Given back at the end. */
_Atomic uint64_t *look_seen(struct look *l);
void look_seen_back(struct look *l, _Atomic uint64_t *seen);

/* --- what one member says of others ---
 * A package may hold sums of its own files.  The format of the package opens a shelf before it
 * looks at its members; the archive that holds the files, levels below the package (1: a member of
 * it; 2: what such a member expands to), tells those that differ, and the member that lists the
 * sums, levels below the package, asks for them.  Nothing at another level is heard. */
MUST_CHECK int look_shelf_open(struct look *l);
void look_shelf_close(struct look *l);
void look_shelf_turn(struct look *l, unsigned telling, unsigned asking); /* levels; 0: nobody */
#define LOOK_SHELF_SELF UINT_MAX /* the format of the package itself asks */
MUST_CHECK int look_tell(struct look *l, int side, const char *name, struct span content);
bool look_may_ask(const struct look *l);
struct look_told { /* of a file that was told */
    uint64_t n;
    uint8_t md5[16];
    struct digest sha256;
};
/* False: none of that name was told, or two. */
bool look_told(struct look *l, int side, const char *name, struct look_told *out);
/* For a format that finds that it cannot say more than the formats behind it in the table. */
struct look_format;
MUST_CHECK int look_otherwise(struct look *l, const struct look_format *self);

/* One format.  is: by the first bytes (all of the side), and the name where that helps (may be
 * NULL).  Both sides must be of it for compare to be called. */
struct look_format {
    const char *name;
    bool (*is)(struct span side, const char *name);
    int (*compare)(struct look *l); /* 0, or -ENOMEM */
};
/* Ended by {NULL}; the first that both sides are is taken, else "bytes". */
extern const struct look_format *const formats_table[];
/* Those of them that read with look_take; their is() needs the first 4 KiB only. */
extern const struct look_format *const formats_streamed[];

#endif

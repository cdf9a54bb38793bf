/* sqlite_priv.h - files of SQLite 3 (sqlite.org/fileformat2.html), by a reader of our own.
 * sqlite_read.c reads pages and walks b-trees, sqlite_record.c reads rows, sqlite_rows.c compares
 * two trees, sqlite_rest.c what belongs to no row; sqlite.c is the format. */
#ifndef COMPARE_SQLITE_PRIV_H
#define COMPARE_SQLITE_PRIV_H

#include "compare/look.h"

#define SQLITE_HEAD 100u
#define SQLITE_DEPTH 20u

enum sqlite_use { /* of a page; from ROOT on: as a pointer map has it */
                  SQLITE_UNUSED,
                  SQLITE_ROOT,
                  SQLITE_FREE,
                  SQLITE_OVERFLOW,      /* the first of a row */
                  SQLITE_OVERFLOW_MORE, /* another */
                  SQLITE_TREE,
                  SQLITE_MAP
};

struct sqlite_ranges {
    struct look_range *v;
    size_t n, room;
};

struct sqlite_side {
    struct look *l;
    struct span s;
    uint32_t page_size, usable, pages;
    bool mapped; /* pages are in pointer maps (auto_vacuum) */
    uint8_t *use;
    uint32_t *parent;
    struct sqlite_ranges layout; /* what says where rows are: pointers, heads of pages */
    struct sqlite_ranges zeros;  /* unused, and nothing is left there */
    struct sqlite_ranges left;   /* unused, and something is */
    uint64_t charged;
    const char *why;
    bool moved; /* of A's side: something lies elsewhere than in B */
};

struct sqlite_cell {
    struct look_range at;    /* in the page, without what overflows */
    struct look_range local; /* of the record, in the page */
    uint64_t n;              /* of the record */
    uint32_t overflow;       /* first page of the rest; 0: none */
    uint32_t left;           /* of an inner page */
    int64_t rowid;           /* of a table */
};

struct sqlite_frame {
    uint32_t page, count, at; /* at: steps done */
    uint8_t type;
};

struct sqlite_cursor { /* over the rows or entries of a tree */
    struct sqlite_side *d;
    struct sqlite_frame frame[SQLITE_DEPTH];
    unsigned depth;
    bool any;
    int64_t last; /* no row comes that is not beyond it */
};

/* --- sqlite_read.c --- */
uint32_t sqlite_u16(const uint8_t *p);
uint32_t sqlite_u32(const uint8_t *p);
/* Bytes of it, at most 9; 0: it does not end in s. */
size_t sqlite_varint(struct span s, uint64_t *v);
/* 0, -ENOMEM, or -EBADMSG with d->why; so do all that follow. */
MUST_CHECK int sqlite_open(struct sqlite_side *d);
void sqlite_close(struct sqlite_side *d);
MUST_CHECK int sqlite_stop(struct sqlite_side *d, const char *why);
struct look_range sqlite_page(const struct sqlite_side *d, uint32_t page);
MUST_CHECK int sqlite_take(struct sqlite_side *d, uint32_t page, enum sqlite_use use,
                           uint32_t parent);
MUST_CHECK int sqlite_range(struct sqlite_side *d, struct sqlite_ranges *to, struct look_range r);
/* Takes note of unused space. */
MUST_CHECK int sqlite_left(struct sqlite_side *d, struct look_range r);
MUST_CHECK int sqlite_first(struct sqlite_cursor *c, struct sqlite_side *d, uint32_t root);
bool sqlite_is_table(const struct sqlite_cursor *c); /* rows with rowids */
/* 1: *out is the next one; 0: there is none. */
MUST_CHECK int sqlite_next(struct sqlite_cursor *c, struct sqlite_cell *out);

/* --- sqlite_record.c --- */
struct sqlite_pieces { /* of one record, in their order */
    const struct sqlite_side *d;
    struct sqlite_cell cell;
    uint64_t done;
    uint32_t page;
};
void sqlite_pieces_of(struct sqlite_pieces *p, const struct sqlite_side *d,
                      const struct sqlite_cell *c);
bool sqlite_piece(struct sqlite_pieces *p, struct look_range *out);
bool sqlite_same_record(const struct sqlite_side *a, const struct sqlite_cell *ca,
                        const struct sqlite_side *b, const struct sqlite_cell *cb);
/* Up to `most` bytes of a record, to be freed; NULL: no memory. */
uint8_t *sqlite_record(const struct sqlite_side *d, const struct sqlite_cell *c, size_t most,
                       struct span *out);
struct sqlite_value {
    uint64_t sort; /* serial type */
    struct span bytes;
};
struct sqlite_values { /* of a record, in their order; pos == head && at == record.n: all of it */
    struct span record;
    size_t pos;
    uint64_t head, at;
};
void sqlite_values_of(struct sqlite_values *w, struct span record);
bool sqlite_value(struct sqlite_values *w, struct sqlite_value *out); /* false: there is none */
#define SQLITE_SHOWN 160u
const char *sqlite_show(char out[SQLITE_SHOWN], const struct sqlite_value *v);
int64_t sqlite_int(const struct sqlite_value *v);

/* --- sqlite_rows.c --- */
/* Claims what lies where it lies: a difference is no other content. */
MUST_CHECK int sqlite_quiet(struct sqlite_side d[2], struct look_range a, struct look_range b);
/* Claims two records (NULL: not on that side) that hold the same (what NULL), or do not. */
MUST_CHECK int sqlite_claim(struct sqlite_side d[2], const struct sqlite_cell *a,
                            const struct sqlite_cell *b, const char *what);
MUST_CHECK int sqlite_trees(struct sqlite_side d[2], const uint32_t root[2], const char *name);

/* --- sqlite_rest.c --- */
MUST_CHECK int sqlite_head(struct sqlite_side d[2]);
MUST_CHECK int sqlite_free_pages(struct sqlite_side *d);
MUST_CHECK int sqlite_maps(struct sqlite_side *d);
/* Claims the layout and the zeros of both. */
MUST_CHECK int sqlite_settle(struct sqlite_side d[2]);

#endif

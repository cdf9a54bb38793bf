/* store.h - where segments live: a table of functions.  The directory of store_dir.c is the first
 * implementation; an S3 store implements the same table (active segments local, sealed ones away).
 *
 * A segment is a numbered run of bytes of fixed capacity, from 1 upward without gaps in the order
 * of creation.  The vault writes each byte once, in ascending order of allocation, and syncs whole
 * segments.  Everything a store sees is ciphertext or holds nothing secret.
 *
 * All functions return 0 or a negative errno of their environment.  read and write of one segment
 * may be called from several threads at once; everything else from one.  The vault never retries a
 * failed sync: the pages may be gone. */
#ifndef VAULT_STORE_H
#define VAULT_STORE_H

#include "base/buf.h"
#include "base/err.h"

struct store;         /* an implementation's own; starts with its ops */
struct store_segment; /* an open segment */

struct store_ops {
    /* Makes segment no with size bytes reserved (-ENOSPC now rather than in the middle of a group)
     * that read as zeros.  After 0 its name and size survive power loss. -EEXIST if it is there. */
    int (*create)(struct store *s, uint32_t no, uint64_t size, struct store_segment **out);
    /* Opens an existing one; *size is its present length. */
    int (*open)(struct store *s, uint32_t no, struct store_segment **out, uint64_t *size);
    /* Replaces segment no by a fresh copy of its first upto bytes, size bytes reserved as create
     * does, durable; then the old one is gone.  Either the old or the new is seen after a crash. */
    int (*copy)(struct store *s, uint32_t no, uint64_t upto, uint64_t size);
    int (*remove)(struct store *s, uint32_t no);
    /* The numbers present, ascending, in a new array (free(3) it). */
    int (*list)(struct store *s, uint32_t **nos, size_t *n);
    /* Exactly n bytes; -EPIPE beyond the end. */
    int (*read)(struct store_segment *g, void *p, size_t n, uint64_t at);
    int (*write)(struct store_segment *g, const void *p, size_t n, uint64_t at);
    /* A hint that [at, at+n) is complete and may go to the disk early.  May be NULL. */
    void (*hint)(struct store_segment *g, uint64_t at, uint64_t n);
    int (*sync)(struct store_segment *g);
    /* Gives back the space of [at, at+n), which reads as zeros afterwards.  -EOPNOTSUPP allowed. */
    int (*punch)(struct store_segment *g, uint64_t at, uint64_t n);
    void (*close)(struct store_segment *g); /* NULL is fine */
    /* One small blob beside the segments, replaced atomically and durably. -ENOENT at first. */
    int (*state_get)(struct store *s, struct buf *out);
    int (*state_put)(struct store *s, const void *p, size_t n);
    void (*free)(struct store *s); /* NULL is fine */
};

struct store {
    const struct store_ops *ops;
};

/* Segments as files "DIR/seg-00000001", preallocated with fallocate(2); the state as "DIR/state".
 * The folder is made (0700) if missing and locked (flock) as long as the store is open: -EBUSY if
 * another process has it. */
MUST_CHECK int store_dir_open(struct store **out, const char *dir, struct err *e);
void store_free(struct store *s);

#endif

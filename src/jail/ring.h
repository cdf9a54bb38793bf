/* ring.h - one shared memory for uploads on their way from the front (producer) to the keeper
 * (consumer): a sealed memfd of equal slots, never swapped out if the limits allow, never dumped.
 *
 * The producer owns the index: it claims a slot, fills it, tells the consumer the slot's number and
 * length in a message, and frees it when the consumer's answer says so.  A claimed slot is the
 * credit: no free slot, no more reading from the network.  The ring itself carries no state that
 * both sides trust; nothing in the shared pages is an index, a length or a pointer.
 *
 * Trust.  The producer parses strangers' bytes and can change a slot at any time, also while the
 * consumer works on it.  So the consumer must read every byte exactly once and use only what it
 * read: ring_read copies out (the plain way), or it hashes and encrypts what it copied to memory of
 * its own in blocks (ring_each, 16 KiB at a time, cache-warm).  Hashing in the slot and then
 * encrypting from the slot reads twice and is wrong: the stored bytes might not be those hashed.
 * A producer that changes bytes before they are copied only changes what it submits, which it could
 * always do; what is hashed, encrypted, receipted and stored is one and the same copy. */
#ifndef JAIL_RING_H
#define JAIL_RING_H

#include "base/err.h"

struct ring; /* either end */

#define RING_SLOT_MAX (UINT32_C(16) << 20)
#define RING_SLOTS_MAX 65536

/* Producer.  slot: bytes, a multiple of the page size; memory: slots * slot, reserved at once as
 * address space, as pages when first written. */
MUST_CHECK int ring_new(struct ring **out, uint32_t slot, uint32_t slots, struct err *e);
/* A producer of another process over a ring that ring_new made (a supervisor's) and passed on with
 * all slots free.  Takes fd.  Errors as ring_attach. */
MUST_CHECK int ring_open(struct ring **out, int fd, uint32_t slot, uint32_t slots, struct err *e);
int ring_fd(const struct ring *r);                          /* lent; to be passed to the consumer */
MUST_CHECK int ring_claim(struct ring *r, uint32_t *index); /* -EAGAIN: none free */
void *ring_slot(struct ring *r, uint32_t index);            /* of a claimed slot */
/* 0, or -EPROTO if index is not claimed: the consumer freed twice or lies. */
MUST_CHECK int ring_free_slot(struct ring *r, uint32_t index);
uint32_t ring_claimed(const struct ring *r);
/* Gives the pages of free slots back to the system (idle times). */
void ring_trim(struct ring *r);

/* Consumer: maps the descriptor it was passed read-only.  Takes fd.  -EPROTO unless it is a memfd
 * of exactly this size, sealed against shrinking, growing and further seals. */
MUST_CHECK int ring_attach(struct ring **out, int fd, uint32_t slot, uint32_t slots, struct err *e);
/* Copies n bytes at offset of a slot; -EPROTO if they do not lie within it. */
MUST_CHECK int ring_read(const struct ring *r, uint32_t index, uint32_t offset, void *out,
                         uint32_t n);
/* Calls fn with successive private copies of bytes [0, n) of a slot; a non-zero answer ends the
 * walk and is returned.  The copy is wiped afterwards. */
typedef int (*ring_block)(void *arg, const void *copy, size_t n);
MUST_CHECK int ring_each(const struct ring *r, uint32_t index, uint32_t n, ring_block fn,
                         void *arg);

void ring_close(struct ring *r); /* either end; NULL is fine */

#endif

/* vault_priv.h - the vault's own state, shared by its files.
 *
 *   segment.c  space in segments, who has written, sync          scan.c    find the tail, cut, copy
 *   put.c      plaintext → chunks in segments                    replay.c  index and derived stores
 *   group.c    one commit record, one sync                       slot.c    what a slot hides
 *   read.c     back again                                        turn.c    epochs
 *   scrub.c, seal.c, reclaim.c  upkeep                           vault.c   open and close
 *
 * Locking: `lock` guards everything under "guarded" below; it is held for arithmetic and for making
 * a segment, never for a data write or a sync.  All else belongs to the owner's thread. */
#ifndef VAULT_VAULT_PRIV_H
#define VAULT_VAULT_PRIV_H

#include <pthread.h>

#include "crypto/aead.h"
#include "crypto/sha256.h"
#include "vault/record_priv.h"
#include "vault/vault.h"

#define CHUNK_DISK (VAULT_CHUNK + AEAD_TAG)
#define SEGMENT_HEAD 4096 /* where the first byte of data may lie */
#define SPARE_PUTS 128

/* An open segment that is being written, or was since the last sync. */
struct segment {
    struct segment *next;
    struct store_segment *h;
    uint32_t no;
    uint64_t size;
    uint64_t zeroed; /* bytes before this were written as zeros and synced (see group.c) */
    uint64_t hinted; /* bytes before this were handed to the disk early */
    unsigned writers;
    bool dirty;
};

struct places {
    struct record_place *p;
    size_t n, cap;
};

struct vault {
    struct vault_config cfg;
    struct id128 id;
    struct record_place last; /* newest committed record */
    struct record_place mark; /* the record at the checkpoint */
    uint64_t mark_end;
    uint64_t ledger;
    uint64_t epoch, oldest, retired;
    uint8_t check[RECORD_CHECK];
    uint64_t behind;
    bool replayed;
    bool index_late;        /* a commit could not be brought into the index */
    int missed;             /* why the last commit was not handed on; 0: it was */
    struct slot_memo *memo; /* while groups are delivered, which change no slot; NULL else */
    struct vault_group *group;
    struct { /* of the last group, emptied */
        struct record_draft d;
        struct buf record;
    } room;
    struct id128 *bad; /* objects that the last scrub found damaged, in order */
    size_t n_bad;

    pthread_mutex_t lock;
    /* guarded: */
    struct segment *segments; /* the active one first */
    uint64_t end;             /* next free byte of the active one */
    uint64_t since;           /* bytes given out since the last record */
    int broken;               /* why the writer has stopped; 0: it works */
    struct vault_put *spare;
    unsigned n_spare;
    unsigned out; /* puts that somebody holds */
    struct record_draft
        waste; /* RECORD_OBJECTS only: aborted puts: objects without slots for the next record */
};

/* What a slot hides under the epoch key: VAULT_WRAP bytes when wrapped. */
struct slot_secret {
    uint8_t key[32]; /* of the sealed part, notes and texts */
    uint8_t dek[32];
    struct digest sha256;
    uint64_t size;
};

struct vault_put {
    struct vault *v;
    struct vault_put *next;
    struct sha256 *hash;
    struct aead *aead;
    uint8_t *dek; /* secret memory, 32 bytes */
    struct id128 object;
    struct digest sha256;
    uint64_t size;
    uint64_t chunks;
    struct extent *extent;
    size_t n_extents, cap_extents;
    size_t fill;
    int failed;
    bool finished;
    uint8_t buf[CHUNK_DISK];
};

/* segment.c */
MUST_CHECK int vault_segment_alloc(struct vault *v, size_t n, bool record, struct segment **out,
                                   uint64_t *at);
/* Writes to space from alloc; ends the caller's hold on the segment. */
MUST_CHECK int vault_segment_write(struct vault *v, struct segment *s, const void *p, size_t n,
                                   uint64_t at);
MUST_CHECK int vault_segment_sync(struct vault *v);
MUST_CHECK int vault_segment_start(struct vault *v, uint32_t no); /* create and make active */
MUST_CHECK int vault_segment_adopt(struct vault *v, uint32_t no, uint64_t end);
void vault_segment_close_all(struct vault *v);
void vault_segment_head(const struct vault *v, uint32_t no, uint8_t out[SEGMENT_HEAD]);
MUST_CHECK int vault_segment_head_check(const uint8_t head[SEGMENT_HEAD], uint32_t no,
                                        struct id128 *vault);
int vault_segment_broken(struct vault *v); /* 0, or why */
/* Is all that was given out in the segments before `no` written and synced?  What recovery copies
 * because it may lie in memory only begins with the segment of the mark. */
bool vault_segment_settled(struct vault *v, uint32_t no);

/* put.c */
void vault_put_recycle(struct vault_put *p); /* back to the spares, secrets wiped */
void vault_put_free_spares(struct vault *v);
MUST_CHECK int vault_put_extents(const struct vault_put *p, struct buf *out);
void vault_put_chunk_nonce(uint8_t out[AEAD_NONCE], uint64_t chunk, bool last);
#define CHUNK_AD 24
void vault_put_chunk_ad(uint8_t out[CHUNK_AD], const struct id128 *object);

/* slot.c */
MUST_CHECK int vault_slot_wrap(struct vault *v, uint64_t epoch, const struct id128 *ref,
                               const struct id128 *object, const struct slot_secret *s,
                               uint8_t out[VAULT_WRAP]);
MUST_CHECK int vault_slot_unwrap(struct vault *v, uint64_t epoch, const struct id128 *ref,
                                 const struct id128 *object, const uint8_t wrap[VAULT_WRAP],
                                 struct slot_secret *out);
MUST_CHECK int vault_slot_seal(const struct slot_secret *s, const struct id128 *ref,
                               const struct id128 *object, const struct id128 *sub,
                               struct span blob, struct buf *out);
/* Plaintext (sub, blob) into out, which has sealed.n bytes; *n is the length. */
MUST_CHECK int vault_slot_open(const struct slot_secret *s, const struct id128 *ref,
                               const struct id128 *object, struct span sealed, uint8_t *out,
                               size_t *n);
enum slot_text { SLOT_NOTE, SLOT_TEXT };
MUST_CHECK int vault_slot_seal_text(const struct slot_secret *s, const struct id128 *ref,
                                    enum slot_text what, struct span text, void *out);
MUST_CHECK int vault_slot_open_text(const struct slot_secret *s, const struct id128 *ref,
                                    enum slot_text what, struct span sealed, void *out);
MUST_CHECK int vault_slot_tag(struct vault *v, uint64_t epoch, const struct digest *sha256,
                              struct digest *tag);
/* The live slot of ref and what it hides (index brought up to date first). */
MUST_CHECK int vault_slot_find(struct vault *v, const struct id128 *ref, struct vault_slot_row *row,
                               struct slot_secret *s);
void vault_slot_wipe(struct slot_secret *s);
/* From here to forget, vault_slot_find keeps what it found last (a replay asks for each slot three
 * or four times in a row).  The index must not change meanwhile.  Without the memory it works too.
 */
void vault_slot_remember(struct vault *v);
void vault_slot_forget(struct vault *v);

/* scrub.c: is it set aside? */
bool vault_scrub_is_bad(const struct vault *v, const struct id128 *object);

/* scan.c */
struct scan {
    struct places found;
    uint64_t scanned;
    struct record_place last;
    uint64_t garbage; /* bytes behind the last record, up to the last that is not zero */
};
/* Looks for records of this vault from (segment, at) to the end of segment `upto`, the first of
 * them following `after`; damage goes to r (may be NULL). */
MUST_CHECK int vault_scan(struct vault *v, const struct record_place *after, uint32_t segment,
                          uint64_t at, uint32_t upto, struct scan *out, struct vault_report *r);
void vault_scan_done(struct scan *s);
/* Which vault a segment belongs to, by its first whole record. -EBADMSG: it has none. */
MUST_CHECK int vault_scan_id(struct vault *v, uint32_t segment, struct id128 *id);
/* Reads, verifies and parses the record at a place; the hash must be the place's unless it is zero.
 * out points into b. */
MUST_CHECK int vault_scan_record(struct vault *v, const struct record_place *at, struct buf *b,
                                 struct record *out);
MUST_CHECK int vault_scan_places_add(struct places *l, const struct record_place *p);
/* behind the padding of a record */
uint64_t vault_scan_end(const struct record_place *p);

/* replay.c */
MUST_CHECK int vault_replay_apply(struct vault *v, const struct record *r);
/* own: the group whose record this is, NULL if that is long ago: then what is sealed is opened. */
struct vault_group;
MUST_CHECK int vault_replay_deliver(struct vault *v, const struct record *r,
                                    const struct vault_group *own, vault_group_fn *fn, void *arg);
MUST_CHECK int vault_replay_index(struct vault *v); /* up to v->last */

/* group.c */
struct group_plain { /* what the record has sealed, to be shown when the group stands */
    size_t n;
    uint8_t b[];
};
struct group_slot {
    struct vault_slot_row row;
    struct digest tag;
    struct id128 sub;
    uint64_t size;
    struct group_plain *blob;
};
struct group_note {
    bool sealed;
    struct id128 ref;
    struct group_plain *text; /* of a sealed one */
};
struct vault_group {
    struct vault *v;
    struct record_draft d;
    struct group_slot *slot;
    size_t n_slots, cap_slots;
    struct group_note *note;
    size_t n_notes, cap_notes;
    struct vault_put **put;
    size_t n_puts, cap_puts;
    uint64_t epoch, oldest, retired; /* as they will be */
    bool stepped;
    size_t waste; /* bytes and entries of RECORD_OBJECTS that came from aborted puts */
    uint32_t n_waste;
    struct buf tmp;
    struct record_head head; /* once it is written */
    struct buf record;
    bool written, empty;
};
bool vault_group_destroys(const struct vault_group *g, const struct id128 *ref);

#endif

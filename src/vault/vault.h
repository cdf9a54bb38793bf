/* vault.h - bytes at rest: encrypted objects, key slots, and the journal of a site.
 *
 * One journal, one sync: objects stream into preallocated segments as ciphertext; a *group* then
 * closes with one commit record that carries the key slots, the ledger leaves (exact bytes, in
 * order) and notes for the catalog.  When vault_group_commit returns 0 all of it survives power
 * loss, at the price of one fdatasync; ledger tiles and catalog are derived from the journal and
 * catch up.
 *
 * An object has one DEK; each submission that holds it has its own *slot*, known by its `ref`: the
 * DEK, the hash, and the openings of its leaves, sealed so that they die with it.  Destroying a
 * slot takes it out of the live set; the destruction is final when the key of its epoch is
 * destroyed, because only live slots are wrapped again at the turn (docs/vault.md is the format).
 *
 * Calling order:
 *   open, replay (always once: derived stores catch up), then
 *   first of all a turn: turn_begin in a group opens epoch 1;
 *   put_begin / append… / finish, several at a time;
 *   group_begin, then put, destroy, leaf, note, in any order, group_commit or group_abort;
 *   close.
 * A commit may be had in three parts, group_write, group_sync, group_settle: then another thread
 * can wait for the disk while the owner's streams the next group's objects in.
 *
 * Threads: vault_put_begin/append/finish/abort of *distinct* puts and vault_read_next of distinct
 * readers may run in threads of the caller, also while the owner's thread commits a group; and
 * vault_group_sync in one.  All other functions belong to one thread, the vault's owner.  Every put
 * and reader must be ended before vault_close, and a group that was written, settled.
 *
 * Errors: -EIO once a sync failed: the writer has stopped and every later call fails; reopen.
 * -ENOSPC: nothing acknowledged is touched; later calls work when there is room.  -EBADMSG: bytes
 * on disk do not verify.  -EINVAL: out of order. */
#ifndef VAULT_VAULT_H
#define VAULT_VAULT_H

#include "base/buf.h"
#include "base/err.h"
#include "vault/index.h"
#include "vault/keyring.h"
#include "vault/store.h"

#define VAULT_CHUNK 65536
#define VAULT_SEGMENT_DEFAULT (UINT64_C(64) << 20)
#define VAULT_SEGMENT_LEAST (UINT64_C(256) << 10)
#define VAULT_SEGMENT_MOST (UINT64_C(1) << 30)
#define VAULT_BLOB_MAX 65535  /* a slot's blob, a note */
#define VAULT_GROUP_MAX 65536 /* leaves, notes, destroyed slots in a group */
#define VAULT_GROUP_PUTS 4096 /* puts in a group */
#define VAULT_TURN_MAX 8192   /* slots wrapped again in a group */

struct vault;
struct vault_put;   /* an object being written */
struct vault_group; /* a group being put together; one at a time */
struct vault_read;  /* an object being read */

/* All lent until vault_close. */
struct vault_config {
    struct store *store;
    struct keyring *keys;
    struct vault_index *index;
    uint64_t segment_size; /* 0: the default.  Only for segments made from now on */
};

/* A stretch of the journal that does not verify although something committed lies behind it. */
struct vault_damage {
    uint32_t segment;
    uint64_t at, length;
    uint64_t first_seq, last_seq; /* groups missing; 0, 0 when it is no record that is hurt */
};
#define VAULT_DAMAGE_MAX 16

struct vault_report {
    uint64_t seq;         /* last committed group, 0: none */
    uint64_t ledger_size; /* leaves in all groups */
    uint64_t epoch;       /* current; 0: none yet */
    bool clean;           /* closed in order last time */
    uint64_t scanned;     /* bytes looked at behind the checkpoint */
    uint64_t cut;         /* bytes behind the last record that were never committed */
    size_t damaged;       /* quarantined stretches, all of them; the first ones: */
    struct vault_damage damage[VAULT_DAMAGE_MAX];
};

/* Opens or, on an empty store, founds a vault.  Behind the last commit record everything is cut;
 * what is damaged before it stays as it is and is reported.  Cost: the journal behind the last
 * checkpoint. After an unclean end that tail is copied to a new file first, because a failed sync
 * may have left it in memory only. */
MUST_CHECK int vault_open(struct vault **out, const struct vault_config *c, struct vault_report *r,
                          struct err *e);
/* Checkpoints if nothing failed, and frees.  NULL is fine. */
void vault_close(struct vault *v);

/* --- replay: derived stores from the journal --- */

struct vault_slot_view {
    struct id128 ref, object, sub;
    bool live;        /* false: destroyed since; sub, size and blob are unknown then */
    uint64_t size;    /* of the object */
    struct span blob; /* as given to vault_group_put */
};
struct vault_note_view {
    bool sealed; /* was given with a ref */
    bool live;   /* readable: not sealed, or its slot still lives */
    struct id128 ref;
    struct span text;
};
struct vault_epoch_view {
    uint64_t epoch;
    enum vault_epoch_event {
        VAULT_EPOCH_OPENED = 1,
        VAULT_EPOCH_RETIRED,
        VAULT_EPOCH_DESTROYED
    } event;
};
/* One committed group.  Spans live until the callback returns. */
struct vault_group_view {
    uint64_t seq;
    uint64_t ledger_before;
    const struct span *leaves;
    size_t n_leaves;
    const struct vault_slot_view *slots; /* added by this group */
    size_t n_slots;
    const struct id128 *destroyed;
    size_t n_destroyed;
    const struct vault_note_view *notes;
    size_t n_notes;
    const struct vault_epoch_view *epochs;
    size_t n_epochs;
};
/* Other than 0 stops the replay with that value.  Of the vault it may call vault_seal_text,
 * vault_unseal_text, vault_slot_info and the plain questions (vault_seq …), nothing else. */
typedef int vault_group_fn(void *arg, const struct vault_group_view *g);

/* Brings the index up to date (from wherever it is, also from nothing), then delivers in order
 * every group after `after_seq` and every group with a leaf at index `ledger_size` or later: what
 * the catalog and the ledger lack.  0, 0 delivers everything: a rebuild.  fn may be NULL.  Walks
 * back from the last record and reads records only, never objects: O(what is missing).  Groups that
 * are damaged are left out (vault_report told of them). */
MUST_CHECK int vault_replay(struct vault *v, uint64_t after_seq, uint64_t ledger_size,
                            vault_group_fn *fn, void *arg, struct err *e);

/* Notes on disk where recovery may begin, so that the next start scans only what is behind. Does
 * nothing, and succeeds, while a put still writes to a segment before the last record's.  Happens
 * by itself after each segment's worth of bytes and at close; worth a call when idle. */
MUST_CHECK int vault_checkpoint(struct vault *v, struct err *e);

/* 0 while the writer works; else the error of the write or sync that stopped it (-EIO, or -ENOSPC
 * where the file system does not keep what it reserved): reopen. */
int vault_stopped(struct vault *v);
/* 0, or why the group committed last, durable all the same, was not handed to its vault_group_fn
 * (-EAGAIN: because one before it was not): a replay hands it on. */
int vault_missed(const struct vault *v);
uint64_t vault_seq(const struct vault *v);
/* Where the journal ends: what lies before is durable, whole and never written again (holes are
 * punched for the dead).  A copy of the segments up to here is a vault. */
void vault_end(const struct vault *v, uint32_t *segment, uint64_t *at);
uint64_t vault_ledger_size(const struct vault *v);
uint64_t vault_epoch(const struct vault *v);
/* The oldest epoch whose key is not destroyed; equals vault_epoch when no turn is under way. */
uint64_t vault_epoch_oldest(const struct vault *v);
/* Bytes written behind the last checkpoint: a measure for when to make one. */
uint64_t vault_behind(const struct vault *v);

/* --- writing objects --- */

MUST_CHECK int vault_put_begin(struct vault_put **out, struct vault *v);
/* Hashes and encrypts; whole chunks go to the segment.  After a failure only abort remains. */
MUST_CHECK int vault_put_append(struct vault_put *p, const void *data, size_t n);
/* The same without a copy: writes at *into, at most *n bytes (more than 0), and says how many. */
MUST_CHECK int vault_put_room(struct vault_put *p, uint8_t **into, size_t *n);
MUST_CHECK int vault_put_came(struct vault_put *p, size_t n);
/* The content is complete: its hash and size.  Not durable yet. */
MUST_CHECK int vault_put_finish(struct vault_put *p, struct digest *sha256, uint64_t *size);
/* The space is given back later; NULL is fine. */
void vault_put_abort(struct vault_put *p);

/* --- groups --- */

MUST_CHECK int vault_group_begin(struct vault_group **out, struct vault *v);
/* The finished put gets a slot: sub and blob (openings and whatever else must die with the
 * submission, at most VAULT_BLOB_MAX) are sealed under the slot's own key.  When the zone already
 * has the content with a live slot, only a slot is added and *again says so.  On success the group
 * owns p (forget it), on failure the caller does.  ref must be new. */
MUST_CHECK int vault_group_put(struct vault_group *g, struct vault_put *p, const struct id128 *ref,
                               const struct id128 *sub, struct span blob, bool *again,
                               struct id128 *object);
/* -ENOENT unless ref is live (and committed before this group). */
MUST_CHECK int vault_group_destroy(struct vault_group *g, const struct id128 *ref);
/* One leaf, 1 to 65,535 bytes, appended in order. */
MUST_CHECK int vault_group_leaf(struct vault_group *g, struct span leaf);
/* A note for the catalog.  With a ref (live, or added by this group) it is sealed under that slot's
 * key and dies with it; without, it stays readable for ever: put nothing in it that must die. */
MUST_CHECK int vault_group_note(struct vault_group *g, const struct id128 *ref, struct span text);
/* Durable after 0; g is freed either way.  A group without entries costs nothing: 0, fn is not
 * called. Then the index is brought up to date and fn (may be NULL) gets the group as replay would
 * give it; its result is ignored, for the group stands.  Should the index fail (its disk is full),
 * the group stands all the same: 0, fn is not called, and every call that needs the index brings it
 * up to date first or fails; what fn would have been told comes with the next vault_replay. */
MUST_CHECK int vault_group_commit(struct vault_group *g, vault_group_fn *fn, void *arg,
                                  struct err *e);
void vault_group_abort(struct vault_group *g); /* frees puts given to it; NULL is fine */

/* vault_group_commit in parts.  One group at a time is on its way: from write to settle no other
 * can begin, nothing of it is visible, and whether it will survive is open.
 *   write   its record is in the segment.  On failure g is freed.
 *   sync    waits for the disk; the only part that may run in another thread.  Once, after write.
 *   settle  rc is what sync returned: the group stands and fn gets it as in vault_group_commit, or
 *           it failed and rc comes back.  g is freed. */
MUST_CHECK int vault_group_write(struct vault_group *g, struct err *e);
MUST_CHECK int vault_group_sync(struct vault_group *g);
MUST_CHECK int vault_group_settle(struct vault_group *g, int rc, vault_group_fn *fn, void *arg,
                                  struct err *e);

/* --- reading --- */

/* -ENOENT: no live slot. */
MUST_CHECK int vault_read_open(struct vault_read **out, struct vault *v, const struct id128 *ref,
                               struct err *e);
uint64_t vault_read_size(const struct vault_read *r);
void vault_read_sha256(const struct vault_read *r, struct digest *out);
/* The next bytes, lent until the next call; *n is 0 at the end.  Each chunk's tag is verified
 * before it is lent, the last chunk only after the whole content's SHA-256 agreed. -EBADMSG
 * otherwise, and then on every later call. */
MUST_CHECK int vault_read_next(struct vault_read *r, const uint8_t **p, size_t *n);
void vault_read_close(struct vault_read *r); /* NULL is fine */

struct vault_slot_info {
    struct id128 sub, object;
    struct digest sha256;
    uint64_t size;
    uint64_t epoch;
    struct buf blob; /* buf_init'ed by the callee; free with vault_slot_info_done */
};
MUST_CHECK int vault_slot_info(struct vault *v, const struct id128 *ref,
                               struct vault_slot_info *out, struct err *e);
void vault_slot_info_done(struct vault_slot_info *i); /* wipes */
/* Is this content here, held by a live slot?  -ENOENT.  Never tell anybody outside the zone. */
MUST_CHECK int vault_find(struct vault *v, const struct digest *sha256, struct id128 *object);
/* Seals a small text under the slot's key, for a derived store to keep: n + 28 bytes. */
#define VAULT_SEAL_EXTRA 28
MUST_CHECK int vault_seal_text(struct vault *v, const struct id128 *ref, struct span text,
                               void *out);
MUST_CHECK int vault_unseal_text(struct vault *v, const struct id128 *ref, struct span sealed,
                                 void *out);

/* --- epochs: open the next, wrap every live slot again, destroy the old key --- */

/* Each step adds to a group of the caller (who adds leaves); any step may be repeated after a
 * crash:
 *   1. vault_turn_begin(g, &epoch), commit      the new key exists and is current
 *   2. while left: vault_turn_step(g), commit   live slots are wrapped under it
 *   3. vault_turn_retire(g), commit             nothing needs the old key any more
 *   4. vault_turn_destroy(g, …), commit         it is gone
 * Where a turn stands: vault_epoch_oldest() < vault_epoch().  New puts use the new key from 1 on.
 * The first turn of all is step 1 alone. */
MUST_CHECK int vault_turn_begin(struct vault_group *g, uint64_t *epoch, struct err *e);
/* Wraps up to max slots (at most VAULT_TURN_MAX), once a group; *left: whether there are more. */
MUST_CHECK int vault_turn_step(struct vault_group *g, size_t max, bool *left, struct err *e);
/* -EAGAIN while a live slot is still under the old key. */
MUST_CHECK int vault_turn_retire(struct vault_group *g, struct err *e);
/* Destroys the retired key, at once, before the group commits; *epoch is the one destroyed and
 * *attestation the word for its leaf.  -EAGAIN unless retired in a committed group. */
MUST_CHECK int vault_turn_destroy(struct vault_group *g, uint64_t *epoch, const char **attestation,
                                  struct err *e);

/* --- upkeep --- */

struct vault_scrub {
    uint64_t objects, bytes, segments, groups; /* checked; groups: records of the journal */
    uint64_t bad_objects, bad_segments;
    uint64_t bad_stretches; /* of the journal: what vault_report calls damaged */
    struct id128 first_bad; /* a ref of the first bad object */
    uint32_t first_bad_segment;
    struct vault_damage first_stretch;
};
/* Reads everything that is live again: tags, hashes, slots, roots of sealed segments, and every
 * record of the journal.  Objects found damaged are set aside until the next scrub or the end of
 * the process: the same content that comes again is stored anew.  0 even when something is bad (see
 * out); progress may be NULL and stops it by returning other than 0. */
MUST_CHECK int vault_scrub(struct vault *v, struct vault_scrub *out,
                           int (*progress)(void *arg, const struct vault_scrub *), void *arg,
                           struct err *e);
/* Adds the root of one full segment that has none to the group; *sealed is its number or 0. Reads
 * the whole segment: for idle times. */
MUST_CHECK int vault_seal_segment(struct vault_group *g, uint32_t *sealed, struct err *e);
/* RFC 6962 tree hash of the first length bytes of a segment in 64 KiB leaves. */
MUST_CHECK int vault_segment_root(struct vault *v, uint32_t segment, uint64_t length,
                                  struct digest *root);
/* Gives the space of up to max objects without slots back to the file system (holes; no copy).
 * Commits groups of its own, so no group may be open. */
MUST_CHECK int vault_reclaim(struct vault *v, size_t max, uint64_t *bytes, struct err *e);

#endif

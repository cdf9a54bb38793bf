/* record_priv.h - the commit record: bytes on disk, docs/vault.md "Commit record".
 * A record is parsed whole before anything of it is used: after vault_record_parse the section
 * cursors hold exactly n well-formed entries each. */
#ifndef VAULT_RECORD_PRIV_H
#define VAULT_RECORD_PRIV_H

#include "base/buf.h"
#include "vault/index.h"

#define RECORD_ALIGN 4096
#define RECORD_MAX (UINT32_C(32) << 20)
#define RECORD_HEAD 148  /* bytes before the first section */
#define RECORD_LEAST 260 /* an empty record: head, ten empty sections, hash */
#define RECORD_CHECK 16
#define RECORD_EXTENT 24
#define RECORD_EXTENTS_MAX (UINT32_C(1) << 20)

extern const uint8_t vault_record_magic[16];

/* Where a record lies, and its hash. */
struct record_place {
    uint64_t seq; /* 0: none */
    uint32_t segment;
    uint32_t length;
    uint64_t at;
    struct digest hash;
};

struct record_head {
    struct record_place self, prev; /* self.hash is filled by parse and seal, prev.length unused */
    struct id128 vault;
    uint64_t ledger_before;
    uint64_t epoch, oldest, retired;
    uint8_t check[RECORD_CHECK];
};

enum record_section {
    RECORD_OBJECTS,
    RECORD_SLOTS,
    RECORD_REWRAPS,
    RECORD_DESTROYED,
    RECORD_LEAVES,
    RECORD_NOTES,
    RECORD_EPOCHS,
    RECORD_SEALS,
    RECORD_UNSEALS,
    RECORD_DROPPED,
    RECORD_SECTIONS
};

struct record {
    struct record_head head;
    struct {
        uint32_t n;
        struct cur c;
    } sec[RECORD_SECTIONS];
    const uint8_t *base; /* of the whole record: offsets of entries */
};

struct extent {
    uint32_t segment;
    uint32_t chunks;
    uint64_t at;
    uint64_t bytes;
};
struct record_object {
    struct id128 id;
    struct span extents; /* RECORD_EXTENT each */
};
struct record_slot {
    struct id128 ref, object;
    uint64_t epoch;
    struct span wrap;   /* VAULT_WRAP */
    struct span sealed; /* ciphertext of sub and blob */
};
struct record_rewrap {
    struct id128 ref;
    uint64_t epoch;
    struct span wrap;
};
struct record_note {
    bool sealed;
    struct id128 ref;
    struct span text;
};
struct record_seal {
    uint32_t segment;
    uint64_t length;
    struct digest root;
};

/* -EBADMSG unless p is one whole record with a right hash.  Does not look at the head's values
 * beyond their form: whether it belongs here is the caller's question. */
MUST_CHECK int vault_record_parse(struct span p, struct record *out);
/* The length a record claims: p is its first RECORD_HEAD bytes. -EBADMSG: no record. */
MUST_CHECK int vault_record_length(struct span p, uint32_t *length);

MUST_CHECK int vault_record_object(struct cur *c, struct record_object *out);
MUST_CHECK int vault_record_slot(struct cur *c, struct record_slot *out);
MUST_CHECK int vault_record_rewrap(struct cur *c, struct record_rewrap *out);
MUST_CHECK int vault_record_id(struct cur *c, struct id128 *out);
MUST_CHECK int vault_record_leaf(struct cur *c, struct span *out);
MUST_CHECK int vault_record_note(struct cur *c, struct record_note *out);
MUST_CHECK int vault_record_epoch(struct cur *c, uint8_t *event, uint64_t *epoch);
MUST_CHECK int vault_record_seal(struct cur *c, struct record_seal *out);
MUST_CHECK int vault_record_unseal(struct cur *c, uint32_t *segment);
MUST_CHECK int vault_record_extent(struct cur *c, struct extent *out);

/* Building: sections grow separately, seal puts them together. */
struct record_draft {
    struct buf sec[RECORD_SECTIONS];
    uint32_t n[RECORD_SECTIONS];
};
void vault_record_draft_init(struct record_draft *d);
void vault_record_draft_free(struct record_draft *d);
size_t vault_record_draft_size(const struct record_draft *d); /* of the record it would make */
MUST_CHECK int vault_record_put_extent(struct buf *b, const struct extent *x);
MUST_CHECK int vault_record_add_object(struct record_draft *d, const struct id128 *id,
                                       struct span extents);
MUST_CHECK int vault_record_add_slot(struct record_draft *d, const struct record_slot *s);
MUST_CHECK int vault_record_add_rewrap(struct record_draft *d, const struct record_rewrap *r);
MUST_CHECK int vault_record_add_id(struct record_draft *d, enum record_section s,
                                   const struct id128 *id);
MUST_CHECK int vault_record_add_leaf(struct record_draft *d, struct span leaf);
MUST_CHECK int vault_record_add_note(struct record_draft *d, const struct record_note *n);
MUST_CHECK int vault_record_add_epoch(struct record_draft *d, uint8_t event, uint64_t epoch);
MUST_CHECK int vault_record_add_seal(struct record_draft *d, const struct record_seal *s);
MUST_CHECK int vault_record_add_unseal(struct record_draft *d, uint32_t segment);
/* The bytes, padded with zeros to RECORD_ALIGN; h->self.length and .hash are set. */
MUST_CHECK int vault_record_seal_up(struct record_draft *d, struct record_head *h, struct buf *out);
/* What vault_record_parse would make of the bytes p that seal_up has made of d: they need not be
 * hashed and looked at again. */
void vault_record_own(const struct record_draft *d, const struct record_head *h, const uint8_t *p,
                      struct record *out);

#endif

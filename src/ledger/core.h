/* core.h - the arithmetic of transparency logs: RFC 6962 Merkle trees, signed notes, checkpoints,
 * cosignatures, offline proofs.  No allocation, no libc (memcpy, memset and memcmp excepted), no
 * files, no clock: one source for the programs, the library and WebAssembly.  Hashing and signature
 * checks come through a small table.
 *
 * All texts are borrowed and all limits fixed: a parsed value points into the bytes it was parsed
 * from and lives as long as they do.  Everything that is parsed is bytes from outside; each parser
 * accepts exactly the grammar of its C2SP page and nothing else.
 *
 * Results: 0 or one of enum core_rc, which are the negative errno values of Linux under names that
 * exist where <errno.h> does not.  Threads: no state; any number. */
#ifndef LEDGER_CORE_H
#define LEDGER_CORE_H

#include "base/defs.h"

enum core_rc {
    CORE_ENOENT = -2,   /* no signature by that key */
    CORE_E2BIG = -7,    /* above a limit of this header */
    CORE_EINVAL = -22,  /* the caller asked for something that does not exist */
    CORE_EBADMSG = -74, /* malformed, or does not verify */
};

#define CORE_PROOF_MAX 64 /* hashes in a proof; a consistency proof of 2^63 leaves fits */
#define CORE_SIGS_MAX 100 /* signature lines in a note (as golang.org/x/mod) */
#define CORE_NOTE_MAX (256 * 1024)
#define CORE_TEXT_MAX 4096  /* bytes of a checkpoint's text that can be cosigned */
#define CORE_LEAF_MAX 65535 /* tlog-tiles: u16 length */
#define CORE_ORIGIN_MAX 255
#define CORE_VKEY_TEXT_MAX 256
#define CORE_NAME_MAX 200

/* What the arithmetic needs from cryptography.  note.h has the table of the programs.
 * verify: 0, or anything else for a signature that is not by pub over those bytes. */
struct core_crypto {
    void (*hash)(const void *p, size_t n, struct digest *out); /* SHA-256 */
    void (*leaf)(const void *p, size_t n, struct digest *out); /* SHA-256(0x00 || p) */
    void (*node)(const struct digest *l, const struct digest *r, struct digest *out);
    int (*verify)(const uint8_t pub[32], const void *p, size_t n, const uint8_t sig[64]);
};

/* ---- Merkle trees (RFC 6962 section 2.1, RFC 9162 section 2.1) ------------------------------- */

/* A compact range: the roots of the perfect subtrees of the first `size` leaves, largest first, one
 * for each bit set in size.  A plain value: copy it to remember a tree.  {0} is the empty tree. */
struct core_range {
    uint64_t size;
    struct digest node[64];
};
/* Appends the hash of a leaf (crypto->leaf of its bytes).  CORE_E2BIG at 2^63 leaves. */
MUST_CHECK int core_range_add(const struct core_crypto *c, struct core_range *r,
                              const struct digest *leaf);
/* Appends the root of a perfect subtree of 2^level leaves; size must be a multiple of 2^level
 * (CORE_EINVAL). */
MUST_CHECK int core_range_add_subtree(const struct core_crypto *c, struct core_range *r,
                                      unsigned level, const struct digest *root);
/* The tree head; SHA-256 of nothing for the empty tree. */
void core_range_root(const struct core_crypto *c, const struct core_range *r, struct digest *out);
/* The root of n hashes of equal level, n >= 1 (RFC 6962 splitting). */
void core_fold(const struct core_crypto *c, const struct digest *h, size_t n, struct digest *out);

/* 0 if `leaf` (a leaf hash) is at `index` in the tree of `size` leaves and head `root`, else
 * CORE_EBADMSG; an index outside the tree does not verify. */
MUST_CHECK int core_inclusion(const struct core_crypto *c, uint64_t index, uint64_t size,
                              const struct digest *leaf, const struct digest *path, size_t n,
                              const struct digest *root);
/* 0 if the tree (new_size, new_root) extends (old_size, old_root), else CORE_EBADMSG.  From an
 * empty tree (old_root must be its hash) and between equal sizes (the roots must be equal) the
 * proof must be empty. */
MUST_CHECK int core_consistency(const struct core_crypto *c, uint64_t old_size, uint64_t new_size,
                                const struct digest *old_root, const struct digest *new_root,
                                const struct digest *path, size_t n);

/* Where proofs are made from: the root of the perfect subtree of 2^level leaves that starts at
 * index * 2^level.  Only asked for subtrees inside the tree.  Its failures are passed on. */
struct core_source {
    int (*subtree)(void *arg, unsigned level, uint64_t index, struct digest *out);
    void *arg;
};
/* path has room for CORE_PROOF_MAX hashes.  CORE_EINVAL: index >= size, or old > size. */
MUST_CHECK int core_prove_inclusion(const struct core_crypto *c, const struct core_source *src,
                                    uint64_t index, uint64_t size, struct digest *path, size_t *n);
MUST_CHECK int core_prove_consistency(const struct core_crypto *c, const struct core_source *src,
                                      uint64_t old_size, uint64_t size, struct digest *path,
                                      size_t *n);
/* The compact range of the first `size` leaves (at most 64 subtrees are asked for). */
MUST_CHECK int core_range_from(const struct core_crypto *c, const struct core_source *src,
                               uint64_t size, struct core_range *out);

/* ---- Texts ----------------------------------------------------------------------------------- */

/* Decimal without sign or leading zeros, at most 2^63 - 1. */
MUST_CHECK int core_decimal(struct span s, uint64_t *out);
/* RFC 4648 section 4, padded, spare bits zero.  out NULL: only checks; *n is the decoded length. */
MUST_CHECK int core_base64(struct span s, uint8_t *out, size_t cap, size_t *n);

/* A verifier key (C2SP signed-note): "name+hex id+base64(type || public key)".  A plain value. */
enum { VKEY_ED25519 = 0x01, VKEY_COSIGNATURE = 0x04 };
struct vkey {
    char name[CORE_NAME_MAX + 1]; /* NUL-terminated; valid UTF-8, no space, no '+' */
    uint8_t id[4];
    uint8_t type; /* VKEY_ED25519 or VKEY_COSIGNATURE; other types are refused */
    uint8_t pub[32];
};
/* CORE_EBADMSG also when the id is not the one the page tells to compute. */
MUST_CHECK int core_vkey_parse(const struct core_crypto *c, struct span text, struct vkey *out);
/* Fills in name and id.  CORE_EINVAL: not a key name, or another type. */
MUST_CHECK int core_vkey_make(const struct core_crypto *c, const char *name, uint8_t type,
                              const uint8_t pub[32], struct vkey *out);

/* A note, split at its last empty line.  Signature lines are well-formed but not verified. */
struct core_sig {
    struct span line; /* without the line feed */
    struct span name;
    uint8_t id[4];
    struct span b64; /* of id || signature */
};
struct core_note {
    struct span text; /* with its final line feed: what is signed */
    struct span sigs; /* all signature lines */
    size_t n;
    struct core_sig sig[CORE_SIGS_MAX];
};
MUST_CHECK int core_note_split(struct span note, struct core_note *out);
/* Splits signature lines alone (a witness's answer): at least one. */
MUST_CHECK int core_sigs_split(struct span lines, struct core_note *out);
/* Verifies the signature of one key: 0; CORE_ENOENT if the note has none by it; CORE_EBADMSG if it
 * has one that fails: then the whole note must be rejected.  time (may be NULL): the cosignature's
 * POSIX time for VKEY_COSIGNATURE, else 0. */
MUST_CHECK int core_note_verify(const struct core_crypto *c, const struct core_note *note,
                                const struct vkey *key, uint64_t *time);

/* A checkpoint's text (C2SP tlog-checkpoint). */
struct core_checkpoint {
    struct span origin;
    uint64_t size;
    struct digest root;
    struct span extensions; /* the extension lines, empty if none */
};
MUST_CHECK int core_checkpoint_parse(struct span text, struct core_checkpoint *out);

/* An offline proof (C2SP tlog-proof). */
struct core_proof {
    bool has_extra;
    struct span extra; /* base64, checked, not decoded */
    uint64_t index;
    size_t n;
    struct digest path[CORE_PROOF_MAX];
    struct span checkpoint; /* the note, verbatim */
};
MUST_CHECK int core_proof_parse(struct span text, struct core_proof *out);

/* The body of a witness's add-checkpoint request (C2SP tlog-witness). */
struct core_add_checkpoint {
    uint64_t old_size;
    size_t n; /* at most 63 */
    struct digest path[CORE_PROOF_MAX];
    struct span checkpoint;
};
MUST_CHECK int core_add_checkpoint_parse(struct span text, struct core_add_checkpoint *out);

#endif

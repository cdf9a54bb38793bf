/* note.h - signed notes (C2SP signed-note), checkpoints (tlog-checkpoint) and Ed25519 cosignatures
 * (tlog-cosignature, cosignature/v1), bound to the programs' cryptography.  Parsing is in core.h;
 * this header adds making, and verdicts with a sentence.
 *
 * Threads: no state. */
#ifndef LEDGER_NOTE_H
#define LEDGER_NOTE_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "crypto/ed25519.h"
#include "ledger/core.h"

/* SHA-256 and Ed25519 of crypto/. */
extern const struct core_crypto note_crypto;

/* ---- Keys ------------------------------------------------------------------------------------ */

/* text: one verifier key, no blanks around it.  The message names what is wrong with it. */
MUST_CHECK int note_vkey_parse(struct vkey *out, struct span text, struct err *e);
/* Reads a file of one vkey and at most one line feed. */
MUST_CHECK int note_vkey_load(struct vkey *out, const char *path, struct err *e);
/* "name+id+base64" with a NUL: at most CORE_VKEY_TEXT_MAX characters. */
void note_vkey_format(const struct vkey *k, char out[CORE_VKEY_TEXT_MAX + 1]);
MUST_CHECK int note_vkey_make(struct vkey *out, const char *name, uint8_t type,
                              const struct ed25519_pub *pub, struct err *e);

/* Who signs: the key's public description and a way to sign.  sign returns 0 or -errno. */
struct note_signer {
    struct vkey key;
    int (*sign)(void *arg, const void *p, size_t n, uint8_t sig[64]);
    void *arg;
};
/* A signer over a key in memory; k must outlive it. */
MUST_CHECK int note_signer_init(struct note_signer *out, const char *name, uint8_t type,
                                const struct ed25519_key *k, struct err *e);

/* ---- Notes ----------------------------------------------------------------------------------- */

/* Appends text, an empty line and the signer's line.  text ends in a line feed and is printable
 * UTF-8.  -EINVAL for another text, or a signer of type VKEY_COSIGNATURE (see note_cosign). */
MUST_CHECK int note_sign(struct buf *out, struct span text, const struct note_signer *s,
                         struct err *e);
/* Verifies a note against a set of keys by the rules of the page: signatures of unknown keys are
 * ignored; a known key's signature that fails rejects the whole note; at least one must verify.
 * signed_by[i] (may be NULL) tells which keys did.  -EBADMSG otherwise. */
MUST_CHECK int note_verify(struct core_note *out, struct span note, const struct vkey *keys,
                           size_t n, bool *signed_by, struct err *e);

/* ---- Checkpoints ----------------------------------------------------------------------------- */

/* Appends "origin \n size \n base64(root) \n".  -EINVAL: origin empty, over CORE_ORIGIN_MAX or not
 * printable UTF-8. */
MUST_CHECK int note_checkpoint_text(struct buf *out, const char *origin, uint64_t size,
                                    const struct digest *root, struct err *e);
/* Appends a signed checkpoint; the signer's key name is the origin. */
MUST_CHECK int note_checkpoint_make(struct buf *out, uint64_t size, const struct digest *root,
                                    const struct note_signer *log, struct err *e);
/* Verifies and parses: signed by `log`, whose name is the origin.  note_out may be NULL. */
MUST_CHECK int note_checkpoint_open(struct core_checkpoint *out, struct core_note *note_out,
                                    struct span note, const struct vkey *log, struct err *e);

/* ---- Cosignatures ---------------------------------------------------------------------------- */

/* Appends the one signature line of a cosignature over the checkpoint text at `now`; the signer's
 * type must be VKEY_COSIGNATURE. */
MUST_CHECK int note_cosign(struct buf *out, struct span checkpoint_text, unix_time now,
                           const struct note_signer *s, struct err *e);
/* Adds to note (a whole checkpoint) those lines of `lines` (a witness's answer) that verify under
 * one of the keys and are not there yet (same name and id); unknown keys are ignored.  *added
 * counts them.  -EBADMSG: malformed, or a known key's line fails; note is then unchanged. */
MUST_CHECK int note_merge(struct buf *note, struct span lines, const struct vkey *keys, size_t n,
                          size_t *added, struct err *e);

#endif

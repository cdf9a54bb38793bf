/* tuf_key.h - the keys that metadata lists, and thresholds of their signatures (TUF 4.2.1, 5.3.4).
 *
 * A key counts only if it is usable: its keyid is the SHA-256 of its canonical JSON, as the
 * specification demands, and it is of a scheme known here: ed25519, ecdsa-sha2-nistp256,
 * rsassa-pss-sha256.  A key that is not usable is no reason to refuse the list it stands in: lists
 * are signed by others, and a scheme of tomorrow must not shut today's clients out. */
#ifndef UPDATES_TUF_KEY_H
#define UPDATES_TUF_KEY_H

#include "updates/tuf_json.h"

#define TUF_MAX_KEYS 4096
#define TUF_MAX_KEYIDS 256     /* of one role */
#define TUF_MAX_SIGNATURES 256 /* on one file */
#define TUF_MAX_SIG_BYTES 1024

struct tuf_keys; /* a list of keys, by keyid */

/* Who signs for a role.  Strings are borrowed from the document. */
struct tuf_signers {
    const char **keyids; /* each once */
    size_t n;
    int64_t threshold; /* at least 1; may be more than n: then nothing is ever signed */
};

struct tuf_signature {
    const char *keyid;
    const char *sig; /* hexadecimal, if it is any good */
};

/* From {"KEYID": {"keytype", "scheme", "keyval": {"public"}}}.  The list borrows from object. */
MUST_CHECK int tuf_keys_parse(struct tuf_keys **out, const json_t *object, struct err *e);
void tuf_keys_free(struct tuf_keys *k);
size_t tuf_keys_usable(const struct tuf_keys *k);

/* {"keyids": [...], "threshold": N} inside an object that where stands for. */
MUST_CHECK int tuf_signers_parse(struct tuf_signers *out, const json_t *object, const char *where,
                                 struct err *e);
void tuf_signers_free(struct tuf_signers *s);

/* 0 if signed is signed by threshold of the signers.  Keys count by what they are, not by name: two
 * keyids of one key count once.  -EBADMSG else, with how many there were. */
MUST_CHECK int tuf_signers_verify(const struct tuf_signers *s, const struct tuf_keys *keys,
                                  struct span signed_bytes, const struct tuf_signature *sigs,
                                  size_t n_sigs, const char *what, struct err *e);

/* True if a key that counted for a does not count for b: it was taken away. */
bool tuf_signers_lost(const struct tuf_signers *a, const struct tuf_keys *a_keys,
                      const struct tuf_signers *b, const struct tuf_keys *b_keys);

#endif

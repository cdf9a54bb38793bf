/* keyring.h - who holds the epoch keys: a table of functions.  The vault never sees an epoch key;
 * it asks for wraps.  Key files are the first holder; a token, or an outside custodian that answers
 * only to an approved access, implement the same table.
 *
 * Epochs are numbered from 1.  A key is created, used, and destroyed, once each; after destroy
 * nothing that was wrapped under it can be opened by anybody.  One thread at a time. */
#ifndef VAULT_KEYRING_H
#define VAULT_KEYRING_H

#include "base/buf.h"
#include "base/err.h"

#define KEYRING_WRAP_EXTRA 28 /* a wrap is this much longer than what it hides */
#define KEYRING_SECRET_MAX 256

struct keyring; /* an implementation's own; starts with its ops */

struct keyring_ops {
    /* How a destruction by this holder is attested, a word of the leaf kind epoch.destroyed:
     * "file.overwritten", "token.destroyed" or "custodian". */
    const char *attestation;
    /* A fresh random key for this epoch, durable before return.  replace: one that a crash left
     * behind before any wrap was committed is destroyed first; otherwise -EEXIST. */
    int (*create)(struct keyring *k, uint64_t epoch, bool replace);
    /* 0, or -ENOENT, or why it cannot be used (-EBADMSG damaged, -EACCES others may read it). */
    int (*have)(struct keyring *k, uint64_t epoch);
    /* Authenticated encryption of n <= KEYRING_SECRET_MAX bytes, n + KEYRING_WRAP_EXTRA out. */
    int (*wrap)(struct keyring *k, uint64_t epoch, struct span ad, const void *in, size_t n,
                void *out);
    /* n counts the wrap; -EBADMSG if it was not made under this key with this ad. */
    int (*unwrap)(struct keyring *k, uint64_t epoch, struct span ad, const void *in, size_t n,
                  void *out);
    /* A keyed hash under a key derived from the epoch's: the dedup index, the check value. */
    int (*mac)(struct keyring *k, uint64_t epoch, struct span msg, struct digest *out);
    /* Destroys for ever, durably.  0 also when it is already gone. */
    int (*destroy)(struct keyring *k, uint64_t epoch);
    void (*free)(struct keyring *k); /* wipes; NULL is fine */
};

struct keyring {
    const struct keyring_ops *ops;
};

/* Keys as files "DIR/epoch-<n>.key" (0600; refused if group or others may read), DIR made 0700.
 * destroy overwrites the file in place, fsyncs, unlinks, and fsyncs the folder: this rests on a
 * file system that overwrites in place (docs/vault.md, "What must be true of the disk"). */
MUST_CHECK int keyring_file_open(struct keyring **out, const char *dir, struct err *e);
void keyring_free(struct keyring *k);

#endif

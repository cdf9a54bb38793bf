/* signer.h - the rule of the signing process: it signs only checkpoints that extend the last one it
 * signed, and never two roots of one size.  The last signed checkpoint is in a file of two slots
 * with sequence number and checksum, written alternately and synced before a signature is given
 * out, so that no kill at any moment makes it forget or sign a fork.
 *
 * The state file is as precious as the key: -EBADMSG at open when neither slot is whole (restore it
 * from a copy; starting with an empty one would allow a fork).  Threads: one at a time. */
#ifndef LEDGER_SIGNER_H
#define LEDGER_SIGNER_H

#include "ledger/note.h"

struct signer;

/* create true: the file must not exist (-EEXIST) and is made with the empty tree; false: it must
 * (-ENOENT).  The log's name (key.name of `log`) is the origin and must be the file's.  log is
 * copied; what its arg points to must outlive the signer.  Takes a lock (-EBUSY). */
MUST_CHECK int signer_open(struct signer **out, const char *path, const struct note_signer *log,
                           bool create, struct err *e);
void signer_close(struct signer *s);

/* The last signed size (0 and the empty root at first). */
uint64_t signer_size(const struct signer *s);
void signer_root(const struct signer *s, struct digest *out);

/* Signs (size, root) if path proves that it extends the last signed one; appends the checkpoint.
 * -EPERM with the reason: smaller size, another root of the same size, or a proof that does not
 * verify.  -EIO and the like: the state could not be made durable; nothing was signed, and the
 * signer refuses until opened again. */
MUST_CHECK int signer_sign(struct signer *s, uint64_t size, const struct digest *root,
                           const struct digest *path, size_t n, struct buf *out, struct err *e);

#endif

/* tlog_witness.h - C2SP tlog-witness without HTTP: the server's decisions, and the client's texts.
 *
 * Server.  A witness has a name, one key and a list of logs.  For each origin it keeps the newest
 * checkpoint that it cosigned, with its cosignature, in one file "<hex SHA-256 of the origin>" of
 * its folder; the file is replaced atomically and synced before the answer is given, under a lock,
 * so two requests can never both win.  Several threads may call tlog_witness_add and
 * tlog_witness_get. */
#ifndef LEDGER_TLOG_WITNESS_H
#define LEDGER_TLOG_WITNESS_H

#include "ledger/note.h"

#define TLOG_WITNESS_BODY_MAX (CORE_NOTE_MAX + 8192)
#define TLOG_WITNESS_LOGS_MAX 256

struct tlog_witness;

/* self: signer of type VKEY_COSIGNATURE, copied.  dir must exist; the lock file in it keeps a
 * second witness out (-EBUSY).  A state file that does not parse or verify is -EBADMSG: refusing is
 * safer than forgetting. */
MUST_CHECK int tlog_witness_open(struct tlog_witness **out, const char *dir,
                                 const struct note_signer *self, struct err *e);
void tlog_witness_close(struct tlog_witness *w);
/* Trusts a log key (type VKEY_ED25519) for the origin of that name; several keys may share one
 * origin.  Before the first request only. */
MUST_CHECK int tlog_witness_trust(struct tlog_witness *w, const struct vkey *log, struct err *e);

struct tlog_answer {
    int status;               /* 200, 400, 403, 404, 409, 422; 500 if the state cannot be kept */
    const char *content_type; /* static text */
    struct buf body;
};
void tlog_answer_init(struct tlog_answer *a);
void tlog_answer_free(struct tlog_answer *a);

/* POST add-checkpoint.  Always fills in the answer; now is stamped into the cosignature. */
void tlog_witness_add(struct tlog_witness *w, struct span body, unix_time now,
                      struct tlog_answer *a);
/* GET <prefix>/<origin hash>/checkpoint: origin_hash is the 64 hex digits of the path. */
void tlog_witness_get(struct tlog_witness *w, struct span origin_hash, struct tlog_answer *a);

/* ---- Client ---------------------------------------------------------------------------------- */

/* Appends a request body.  checkpoint: the note signed by the log. */
MUST_CHECK int tlog_witness_request(struct buf *out, uint64_t old_size, const struct digest *path,
                                    size_t n, struct span checkpoint, struct err *e);
/* What an answer means.  200: the cosignatures by `keys` are merged into note (note_merge), at
 * least one must be there.  409: *old_size is the size to prove from; returns -EAGAIN. -EPERM: the
 * witness refuses (400, 403, 404, 422): a human must look.  -EPROTO: nonsense. -EIO: 5xx or
 * anything else; try later. */
MUST_CHECK int tlog_witness_answer(struct buf *note, int status, struct span body,
                                   const struct vkey *keys, size_t nkeys, uint64_t *old_size,
                                   struct err *e);

#endif

/* slots_priv.h - a small record that survives any kill: a file of two slots, each with a sequence
 * number and a checksum, in different blocks of the disk.  Storing writes the older slot and syncs;
 * whatever happens meanwhile, the newer one stays whole.
 *
 * A slot is 4,096 bytes: "slots/v1", u64 sequence number (from 1), u16 length and bytes of the
 * record, SHA-256 of all before, zeros.  The file is locked while it is open. */
#ifndef LEDGER_SLOTS_PRIV_H
#define LEDGER_SLOTS_PRIV_H

#include "base/err.h"

#define SLOTS_RECORD_MAX 1024

struct slots {
    int fd;
    unsigned next;  /* slot to write */
    uint64_t seq;   /* of the newest record; 0 if none */
    unsigned found; /* whole records, 0..2 */
    size_t len[2];  /* newest first */
    uint8_t record[2][SLOTS_RECORD_MAX];
};

/* flags as open(2): O_CREAT, O_EXCL.  -EBUSY if another process has it.  A slot that is not whole
 * is not an error here: see found.  *fresh (may be NULL): the file had no bytes. */
MUST_CHECK int slots_open(struct slots *s, int dirfd, const char *path, int flags, bool *fresh,
                          struct err *e);
/* Durable when it returns 0.  After a failure the slots must not be used again. */
MUST_CHECK int slots_store(struct slots *s, const void *record, size_t n);
void slots_close(struct slots *s);

#endif

/* cmd_assemble_priv.h - what the files of `glarus assemble` share. */
#ifndef CLI_CMD_ASSEMBLE_PRIV_H
#define CLI_CMD_ASSEMBLE_PRIV_H

#include "base/err.h"
#include "crypto/sha256.h"

/* SHA-256 and size of a file; e names it. */
MUST_CHECK int cmd_assemble_hash(const char *path, struct digest *out, uint64_t *size,
                                 struct err *e);

#endif

/* cmd_repository_priv.h - what the files of `glarus repository` share. */
#ifndef CLI_CMD_REPOSITORY_PRIV_H
#define CLI_CMD_REPOSITORY_PRIV_H

#include "base/err.h"

/* DIR/pending/ROLE.json, signed by the key that spec names (crypto/signkey.h). */
MUST_CHECK int cmd_repository_sign(const char *dir, const char *role, const char *spec,
                                   struct err *e);

#endif

/* cmd_assemble_priv.h - what the files of `glarus assemble` share. */
#ifndef CLI_CMD_ASSEMBLE_PRIV_H
#define CLI_CMD_ASSEMBLE_PRIV_H

#include "assembler/lock.h"
#include "assembler/recipe.h"
#include "base/buf.h"
#include "base/err.h"
#include "crypto/sha256.h"

/* SHA-256 and size of a file; e names it. */
MUST_CHECK int cmd_assemble_hash(const char *path, struct digest *out, uint64_t *size,
                                 struct err *e);

/* What was asked; which options a command has is one string, as of getopt, and a long one counts by
 * its letter.  0, or the exit code of a mistake. */
struct assemble_ask {
    const char *recipe, *lock, *packages, *out, *sources, *work, *published, *debian, *tree, *tar,
        *name, *version, *key, *builder, *year;
    bool once, quiet;
};
struct command;
int cmd_assemble_options(const struct command *c, int argc, char **argv, const char *known,
                         struct assemble_ask *a);

MUST_CHECK int cmd_assemble_read(const char *path, struct buf *text, struct err *e);
MUST_CHECK int cmd_assemble_store(const char *path, const struct buf *b, struct err *e);
/* A recipe, or an envelope around one; who signed it is shown. */
MUST_CHECK int cmd_assemble_recipe(struct recipe **out, const char *path, struct err *e);
MUST_CHECK int cmd_assemble_lock(struct lock *out, const char *path, struct err *e);

#endif

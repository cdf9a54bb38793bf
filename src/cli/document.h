/* document.h - what `policy`, `people` and `relocate` do with a signed document alike. */
#ifndef CLI_DOCUMENT_H
#define CLI_DOCUMENT_H

#include "cli/cli.h"
#include "people/dsse.h"
#include "people/register.h"

/* "WORDS sign FILE --key KEY [--out ENVELOPE]": FILE is the YAML document or an envelope that
 * others have signed already; the envelope goes to --out, or to FILE.dsse.  check is asked about
 * the document first. */
typedef int document_check(const char *name, struct span text, struct err *e);
int document_sign(const struct command *c, int argc, char **argv, enum document kind,
                  document_check *check);
/* Adds the signature of the key that spec names (crypto/signkey.h); path is for messages. */
MUST_CHECK int document_add_signature(struct dsse *env, const char *spec, const char *path,
                                      struct err *e);
/* "WORDS publish ENVELOPE --config FILE" */
int document_publish(const struct command *c, int argc, char **argv, enum document kind);
/* Reads a document or the payload of its envelope; *env is NULL for a bare document.  text is
 * owned. */
MUST_CHECK int document_read(const char *path, enum document kind, struct buf *text,
                             struct dsse **env, struct digest *digest, struct err *e);

#endif

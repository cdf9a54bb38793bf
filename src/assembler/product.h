/* product.h - what a release of a product was built from: the document product/v1 that supervisors
 * sign, k of n (role and number: the register's "product").  docs/formats.md, "Product".
 *
 * A product is named by the digest of its envelope.  Releases of one name are chained (serial,
 * previous).  What was built is a list of files; its digest (product_output) is what whoever builds
 * it again compares with. */
#ifndef ASSEMBLER_PRODUCT_H
#define ASSEMBLER_PRODUCT_H

#include "base/err.h"
#include "crypto/ed25519.h"
#include "people/document.h"

#define PRODUCT_MAX_ARTIFACTS 1000
#define PRODUCT_NAME_MAX 32 /* a label: the policy's product:NAME */
#define PRODUCT_VERSION_MAX 64
#define PRODUCT_FILE_MAX 200

struct product_artifact {
    char name[PRODUCT_FILE_MAX + 1]; /* a file's path in the folder of what was built */
    struct digest sha256;
    uint64_t size;
};

struct product {
    struct chain chain; /* of this name */
    char name[PRODUCT_NAME_MAX + 1];
    char version[PRODUCT_VERSION_MAX + 1];
    char site[17], zone[9]; /* where it was built */
    struct digest source;
    struct digest recipe, toolchain, provenance, sbom; /* files, artifacts of the ledger */
    struct product_artifact *artifact;                 /* by name, ascending; product_done */
    size_t artifacts;
};

/* -EINVAL with line and column; -E2BIG; -ENOMEM.  out has nothing to be freed then. */
MUST_CHECK int product_parse(struct product *out, const char *name, struct span text,
                             struct err *e);
void product_done(struct product *p);
/* Appends the document as YAML, ready to be put into an envelope: what product_parse would refuse
 * is written and refused there. */
MUST_CHECK int product_write(const struct product *p, struct buf *out);

/* SHA-256 over a line "SHA256  NAME\n" for each artifact, in their order: what "sha256sum * |
 * sha256sum" prints in a folder that holds them and nothing else (LC_ALL=C; where there are folders
 * in it, for the paths of all files, sorted). */
MUST_CHECK int product_output(const struct product *p, struct digest *out); /* -ENOMEM */

/* A digest, a key that map must have: shared with rebuilt.c. */
MUST_CHECK int product_digest(const struct yaml_node *map, const char *key, struct digest *out,
                              struct err *e);

#endif

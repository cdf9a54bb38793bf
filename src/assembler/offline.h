/* offline.h - a bundle: all that it takes to build a product again without a network, in one file.
 * The product's envelope, recipe, lock, provenance and bill of materials, the proof that it stands
 * in a ledger (if wanted), the sources, the packages of the lock, and what was published.
 * docs/formats.md, "Offline bundle".
 *
 * The envelope names recipe, lock, provenance, bill of materials and what was published by SHA-256,
 * the recipe names the sources and the lock the packages.  So the documents at the beginning say
 * what follows, in which order and how long: whatever else is there ends the reading.  Who signed
 * the product is for the caller. */
#ifndef ASSEMBLER_OFFLINE_H
#define ASSEMBLER_OFFLINE_H

#include "assembler/lock.h"
#include "assembler/product.h"
#include "assembler/recipe.h"

enum offline_document {
    OFFLINE_PRODUCT,
    OFFLINE_RECIPE,
    OFFLINE_LOCK,
    OFFLINE_PROVENANCE,
    OFFLINE_SBOM,
    OFFLINE_PROOF, /* may be missing */
    OFFLINE_DOCUMENTS
};
enum offline_folder { OFFLINE_SOURCES, OFFLINE_PACKAGES, OFFLINE_PUBLISHED, OFFLINE_FOLDERS };
const char *offline_document_name(enum offline_document d); /* "product.dsse", ... */
const char *offline_folder_name(enum offline_folder f);     /* "sources", ... */

struct offline {
    struct digest digest; /* of the product's envelope: its name */
    struct product product;
    struct recipe *recipe;
    struct lock lock;
    struct buf text[OFFLINE_DOCUMENTS]; /* as they lie in the bundle; the proof may be empty */
    uint64_t files, bytes;              /* behind the documents */
};
void offline_done(struct offline *b); /* zeroed is fine */

/* done of total bytes; may be NULL */
struct offline_watch {
    void (*step)(void *arg, uint64_t done, uint64_t total);
    void *arg;
};

/* Writes the bundle `to` (which must not be there) out of files as they lie about.  Each must be
 * the one the documents name.  -EBADMSG: one is not; -ENOENT; -EINVAL: a source that is no file, a
 * proof of another product; -E2BIG: a name that does not fit; -EEXIST.  Whatever fails, `to` is
 * not there. */
struct offline_from {
    const char *document[OFFLINE_PROOF]; /* paths */
    const char *folder[OFFLINE_FOLDERS];
    struct span proof; /* its bytes; empty: none */
};
MUST_CHECK int offline_write(struct offline *out, const struct offline_from *from, const char *to,
                             const struct offline_watch *watch, struct err *e);

/* Reads a bundle from its beginning and puts its files into `folder`, which is made: documents
 * under their names, the others in folders.  NULL: it is checked only.  The proof is checked for
 * what it is of, not verified (product_proof.h).  -EBADMSG: anything that does not belong there.
 * Whatever fails, the folder is not there. */
MUST_CHECK int offline_read(struct offline *out, int fd, const char *folder,
                            const struct offline_watch *watch, struct err *e);

#endif

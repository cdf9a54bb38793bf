/* cmd_assemble_priv.h - what the files of `glarus assemble` share. */
#ifndef CLI_CMD_ASSEMBLE_PRIV_H
#define CLI_CMD_ASSEMBLE_PRIV_H

#include "assembler/build.h"
#include "assembler/product.h"
#include "compare/compare.h"
#include "site/bundle.h"

/* SHA-256 and size of a file; e names it. */
MUST_CHECK int cmd_assemble_hash(const char *path, struct digest *out, uint64_t *size,
                                 struct err *e);

/* What was asked; which options a command has is one string, as of getopt, and a long one counts by
 * its letter.  0, or the exit code of a mistake. */
struct assemble_ask {
    const char *recipe, *lock, *packages, *out, *sources, *work, *debian, *tree, *tar, *name,
        *version, *key, *builder, *site, *zone, *after;
    bool once, quiet;
};
struct command;
int cmd_assemble_options(const struct command *c, int argc, char **argv, const char *known,
                         struct assemble_ask *a);

MUST_CHECK int cmd_assemble_read(const char *path, struct buf *text, struct err *e);
MUST_CHECK int cmd_assemble_store(const char *path, const struct buf *b, struct err *e);
/* A recipe, or an envelope around one; who signed it is shown.  text: its own bytes; may be NULL.
 */
MUST_CHECK int cmd_assemble_recipe(struct recipe **out, const char *path, struct buf *text,
                                   struct err *e);
MUST_CHECK int cmd_assemble_lock(struct lock *out, const char *path, struct buf *text,
                                 struct err *e);

/* A build as asked, its log on standard error, and what it says of itself beside its outputs.
 * build_done(res) whatever it answers. */
MUST_CHECK int cmd_assemble_build(const struct assemble_ask *a, struct build_result *res,
                                  struct err *e);
/* Tells how one build ended; true: it is whole. */
bool cmd_assemble_build_told(const char *which, const struct cell_result *r);
/* Tells whether the second build was equal, and compares if not; an exit code. */
int cmd_assemble_build_again(const struct command *c, const struct assemble_ask *a,
                             const struct build_result *res);
/* The report of compare to the terminal and OUT/NAME; its class. */
MUST_CHECK int cmd_assemble_build_report(const char *a, const char *b, const char *out,
                                         const char *name, const struct compare_options *known,
                                         enum compare_class *class, struct err *e);

/* The files a product names, in the order of site/bundle.h: as they were given or, where the
 * envelope is in a folder that "assemble build --site" made, there.  false: not all are known. */
struct assemble_parts {
    const char *path[BUNDLE_PARTS]; /* the envelope, too */
    char made[BUNDLE_PARTS][4096];
};
bool cmd_assemble_product_parts(struct assemble_parts *p);
#define CMD_ASSEMBLE_PARTS_HELP                                                                    \
    "  -r, --recipe FILE       the recipe [recipe.yaml beside ENVELOPE]\n"                         \
    "  -t, --toolchain FILE    the lock [lock.yaml]\n"                                             \
    "  -p, --provenance FILE   the provenance [provenance.dsse]\n"                                 \
    "  -b, --sbom FILE         the bill of materials [sbom.spdx.json]\n"
/* Completes p (name, version, site, zone, source, artifacts) by the digests of its files and its
 * place behind the envelope `after` (NULL: the first), and writes it if it would not be refused. */
MUST_CHECK int cmd_assemble_product_write(struct product *p, const char *const part[BUNDLE_PARTS],
                                          const char *after, const char *out, struct err *e);
/* A product as it was published: its envelope. */
MUST_CHECK int cmd_assemble_product_read(const char *path, struct product *out, struct digest *doc,
                                         struct err *e);

/* The step of an offline_watch: a progress bar, zeroed, which the caller ends. */
void cmd_assemble_bundle_step(void *arg, uint64_t done, uint64_t total);

/* Whether what was built is what was published once the signature of this is put onto it; false too
 * where there is none to take.  to: a file that is made for it, and removed. */
MUST_CHECK int cmd_assemble_transplanted(const char *published, const char *built, const char *to,
                                         bool *identical, struct err *e);

/* What was published and what was built again, compared and signed (key NULL: compared).  made: all
 * that was built; NULL: the files of the product's names in the folder `rebuilt`.  reports: a
 * folder for what compare found; may be NULL. */
struct assemble_attest {
    const char *envelope, *published, *rebuilt, *key, *out, *reports;
    const struct outputs *made;
    const struct compare_options *known;
};
MUST_CHECK int cmd_assemble_attest(const struct assemble_attest *a, enum compare_class *verdict,
                                   struct err *e);

#endif

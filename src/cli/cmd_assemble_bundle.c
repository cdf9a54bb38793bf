/* cmd_assemble_bundle.c - all that it takes to build a product again, put into one file. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assembler/offline.h"
#include "assembler/product_proof.h"
#include "base/io.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/cmd_assemble_priv.h"
#include "ledger/tlog_proof.h"
#include "people/dsse.h"

void cmd_assemble_bundle_step(void *arg, uint64_t done, uint64_t total)
{
    struct progress *bar = arg;

    if (bar->total == 0)
        progress_begin(bar, "bundle", "bytes", total);
    bar->total = total;
    progress_step(bar, done);
}

struct bundling {
    struct assemble_parts parts;
    const char *sources, *packages, *published, *ledger, *out;
};

/* Of the envelope as it lies there. */
static int proof_of(const struct bundling *w, struct buf *proof, struct err *e)
{
    struct digest product;
    struct buf b;
    int rc;

    if (w->ledger == NULL)
        return 0;
    buf_init(&b, DSSE_MAX_BYTES);
    if ((rc = cmd_assemble_read(w->parts.path[BUNDLE_ENVELOPE], &b, e)) == 0) {
        dsse_digest(buf_span(&b), &product);
        rc = product_proof_make(proof, w->ledger, &product, e);
    }
    buf_free(&b);
    return rc;
}

static void tell(const struct bundling *w, const struct offline *b)
{
    char hex[65], size[32];

    text_digest(hex, &b->digest);
    (void)printf("%s: %s %s, product %s\n", w->out, b->product.name, b->product.version, hex);
    (void)printf("  %" PRIu64 " files, %s: %zu packages, %zu published%s\n", b->files,
                 text_bytes(size, b->bytes), b->lock.n, b->product.artifacts,
                 b->text[OFFLINE_PROOF].len > 0 ? ", and the proof that it stands in a ledger"
                                                : "; without a proof (--ledger)");
}

static int bundle(const struct bundling *w, struct err *e)
{
    struct progress bar = {.total = 0};
    const struct offline_watch watch = {cmd_assemble_bundle_step, &bar};
    struct offline_from from = {
        .document = {[OFFLINE_PRODUCT] = w->parts.path[BUNDLE_ENVELOPE],
                     [OFFLINE_RECIPE] = w->parts.path[BUNDLE_RECIPE],
                     [OFFLINE_LOCK] = w->parts.path[BUNDLE_TOOLCHAIN],
                     [OFFLINE_PROVENANCE] = w->parts.path[BUNDLE_PROVENANCE],
                     [OFFLINE_SBOM] = w->parts.path[BUNDLE_SBOM]},
        .folder = {w->sources, w->packages, w->published}};
    struct offline b;
    struct buf proof;
    int rc;

    buf_init(&proof, TLOG_PROOF_MAX);
    if ((rc = proof_of(w, &proof, e)) == 0) {
        from.proof = buf_span(&proof);
        rc = offline_write(&b, &from, w->out, &watch, e);
        progress_end(&bar);
        if (rc == 0)
            tell(w, &b);
        offline_done(&b);
    }
    buf_free(&proof);
    return rc;
}

static const struct option bundle_options[] = {{"recipe", required_argument, NULL, 'r'},
                                               {"toolchain", required_argument, NULL, 't'},
                                               {"provenance", required_argument, NULL, 'p'},
                                               {"sbom", required_argument, NULL, 'b'},
                                               {"sources", required_argument, NULL, 's'},
                                               {"packages", required_argument, NULL, 'k'},
                                               {"published", required_argument, NULL, 'P'},
                                               {"ledger", required_argument, NULL, 'l'},
                                               {"out", required_argument, NULL, 'o'},
                                               {"help", no_argument, NULL, 'h'},
                                               {NULL, 0, NULL, 0}};

static int assemble_bundle(const struct command *c, int argc, char **argv)
{
    struct bundling w = {.out = NULL};
    struct err e = ERR_INIT;
    int o;

    while ((o = cli_getopt(c, argc, argv, "r:t:p:b:s:k:P:l:o:h", bundle_options)) != -1)
        *(o == 'r'   ? &w.parts.path[BUNDLE_RECIPE]
          : o == 't' ? &w.parts.path[BUNDLE_TOOLCHAIN]
          : o == 'p' ? &w.parts.path[BUNDLE_PROVENANCE]
          : o == 'b' ? &w.parts.path[BUNDLE_SBOM]
          : o == 's' ? &w.sources
          : o == 'k' ? &w.packages
          : o == 'P' ? &w.published
          : o == 'l' ? &w.ledger
                     : &w.out) = optarg;
    if (optind + 1 != argc || w.sources == NULL || w.packages == NULL || w.published == NULL ||
        w.out == NULL)
        return cli_usage(c, "name the product's envelope, --sources, --packages, --published and "
                            "--out");
    w.parts.path[BUNDLE_ENVELOPE] = argv[optind];
    if (!cmd_assemble_product_parts(&w.parts))
        return cli_usage(c, "a bundle has the files the product names: --recipe, --toolchain, "
                            "--provenance, --sbom");
    return bundle(&w, &e) == 0 ? EXIT_HELD : cli_fail(c, &e);
}

const struct command cli_assemble_bundle[] = {
    {"assemble bundle", "put all that it takes to build a product again into one file",
     "ENVELOPE --sources FOLDER --packages FOLDER --published FOLDER --out FILE [--ledger LEDGER]",
     "  -s, --sources FOLDER    where the recipe's sources are\n"
     "  -k, --packages FOLDER   where the lock's packages are\n"
     "  -P, --published FOLDER  where the files are that the product names (outputs/ of the "
     "build)\n"
     "  -l, --ledger LEDGER     a ledger's folder in which the product is published: the proof of "
     "it\n"
     "                          goes along\n" CMD_ASSEMBLE_PARTS_HELP
     "  -o, --out FILE          the bundle: a tar archive\n\n"
     "Every file must be the one that the product, its recipe or its lock names.  \"assemble\n"
     "rebuild --bundle\" takes it, on a machine without network.\n\n"
     "Example: glarus assemble bundle made/product.yaml.dsse --sources src --packages kept \\\n"
     "    --published made/outputs --ledger /srv/zrh1/ledger --out hello-1.0.bundle\n",
     assemble_bundle},
    {NULL, NULL, NULL, NULL, NULL}};

/* cmd_assemble_publish.c - a product is signed, and gets into a ledger; and so does the word of
 * whoever built it again. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "assembler/proven.h"
#include "assembler/rebuilt.h"
#include "base/io.h"
#include "base/text.h"
#include "cli/admin.h"
#include "cli/cli.h"
#include "cli/cmd_assemble_priv.h"
#include "cli/document.h"
#include "crypto/sha256.h"
#include "site/bundle.h"

/* --- signing --- */

static int good_product(const char *name, struct span text, struct err *e)
{
    struct product p;
    int rc = product_parse(&p, name, text, e);

    product_done(&p);
    return rc;
}

static int assemble_sign(const struct command *c, int argc, char **argv)
{
    return document_sign(c, argc, argv, DOCUMENT_PRODUCT, good_product);
}

/* --- publishing --- */

static const struct option publish_options[] = {{"recipe", required_argument, NULL, 'r'},
                                                {"toolchain", required_argument, NULL, 't'},
                                                {"provenance", required_argument, NULL, 'p'},
                                                {"sbom", required_argument, NULL, 'b'},
                                                {"config", required_argument, NULL, 'c'},
                                                {"help", no_argument, NULL, 'h'},
                                                {NULL, 0, NULL, 0}};

static int publish(const char *config_path, const struct admin_ask *ask, const char *title,
                   struct err *e)
{
    struct config *config = NULL;
    int rc = config_load(&config, config_path, e);

    if (rc == 0)
        rc = admin_do(config, ask, title, e);
    config_free(config);
    return rc;
}

static int publish_product(const char *config, const char *const path[BUNDLE_PARTS],
                           const char *title, struct err *e)
{
    struct admin_ask ask = {.what = ADMIN_PUBLISH, .document = READ_PRODUCT};
    struct span part[BUNDLE_PARTS];
    struct buf b[BUNDLE_PARTS], all;
    int rc = 0;

    buf_init(&all, DSSE_MAX_BYTES);
    for (size_t i = 0; i < BUNDLE_PARTS; i++) {
        buf_init(&b[i], DSSE_MAX_BYTES);
        if (rc == 0 && (rc = io_read_file(AT_FDCWD, path[i], &b[i])) != 0)
            (void)err_sys(e, rc, "reading \"%s\"", path[i]);
        if (rc == 0 && b[i].len == 0)
            rc = err_set(e, -EINVAL, "\"%s\" is empty", path[i]);
        part[i] = buf_span(&b[i]);
    }
    if (rc == 0 && (rc = bundle_write(part, BUNDLE_PARTS, &all)) != 0)
        (void)err_sys(e, rc, "putting together the product and its files, at most %zu bytes",
                      DSSE_MAX_BYTES);
    if (rc == 0) {
        ask.bytes = buf_span(&all);
        rc = publish(config, &ask, title, e);
    }
    for (size_t i = 0; i < BUNDLE_PARTS; i++)
        buf_free(&b[i]);
    buf_free(&all);
    return rc;
}

/* The payloadType of an envelope, or "". */
static void type_of(const char *path, char out[DSSE_MAX_TYPE + 1])
{
    struct dsse *env = NULL;
    struct buf b;

    out[0] = '\0';
    buf_init(&b, DSSE_MAX_BYTES);
    if (io_read_file(AT_FDCWD, path, &b) == 0 && dsse_parse(&env, buf_span(&b), NULL) == 0)
        (void)snprintf(out, DSSE_MAX_TYPE + 1, "%s", dsse_type(env));
    dsse_free(env);
    buf_free(&b);
}

static int assemble_publish(const struct command *c, int argc, char **argv)
{
    struct admin_ask ask = {.what = ADMIN_PUBLISH, .document = READ_REBUILT};
    struct assemble_parts parts = {.path = {NULL}};
    const char *path = "glarusd.yaml";
    char type[DSSE_MAX_TYPE + 1];
    struct err e = ERR_INIT;
    int o, rc;

    while ((o = cli_getopt(c, argc, argv, "r:t:p:b:c:h", publish_options)) != -1)
        *(o == 'r'   ? &parts.path[BUNDLE_RECIPE]
          : o == 't' ? &parts.path[BUNDLE_TOOLCHAIN]
          : o == 'p' ? &parts.path[BUNDLE_PROVENANCE]
          : o == 'b' ? &parts.path[BUNDLE_SBOM]
                     : &path) = optarg;
    if (optind + 1 != argc)
        return cli_usage(c, "name one signed product or rebuild");
    ask.file = parts.path[BUNDLE_ENVELOPE] = argv[optind];
    type_of(ask.file, type);
    if (strcmp(type, REBUILT_TYPE) == 0) {
        rc = publish(path, &ask, c->words, &e);
    } else if (strcmp(type, document_type(DOCUMENT_PRODUCT)) != 0) {
        return cli_usage(c, "\"%s\" is no signed product and no rebuild", ask.file);
    } else if (!cmd_assemble_product_parts(&parts)) {
        return cli_usage(c, "a product is published with the files it names: --recipe, "
                            "--toolchain, --provenance, --sbom");
    } else {
        rc = publish_product(path, parts.path, c->words, &e);
    }
    return rc == 0 ? EXIT_HELD : cli_fail(c, &e);
}

const struct command cli_assemble_publish[] = {
    {"assemble sign", "sign what a product was built from", "FILE --key KEY [--out ENVELOPE]",
     "  -k, --key KEY        PEM file or pkcs11: URI of a supervisor's key\n"
     "  -o, --out ENVELOPE   where the envelope goes (default: FILE.dsse, or FILE if it is one)\n\n"
     "Example: glarus assemble sign product.yaml --key anna.pem\n",
     assemble_sign},
    {"assemble publish", "publish a product, or that it was built again, in a site's ledger",
     "ENVELOPE [--recipe FILE --toolchain FILE --provenance FILE --sbom FILE] [--config FILE]",
     CMD_ASSEMBLE_PARTS_HELP
     "  -c, --config FILE       the site's configuration (default glarusd.yaml)\n\n"
     "A product comes with the files it names, which are published, too; a rebuild comes alone.  "
     "What\n"
     "is signed by too few supervisors, does not follow the product before of its name, was built "
     "where\n"
     "the policy does not say, or is about no product of this ledger, is refused.\n\n"
     "Example: glarus assemble publish product.yaml.dsse --recipe hello.yaml --toolchain "
     "hello.lock \\\n"
     "    --provenance hello.provenance.dsse --sbom hello.spdx.json --config zrh1.yaml\n",
     assemble_publish},
    {NULL, NULL, NULL, NULL, NULL}};

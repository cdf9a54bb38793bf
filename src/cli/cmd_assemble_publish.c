/* `glarus assemble product|sign|publish`: the document that says what was built from what, its
 * signatures, and its way into a ledger; and that of whoever built it again. */
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

/* The files a product names, in the order of a bundle. */
static const char *const part_words[BUNDLE_PARTS] = {[BUNDLE_RECIPE] = "recipe",
                                                     [BUNDLE_TOOLCHAIN] = "toolchain",
                                                     [BUNDLE_PROVENANCE] = "provenance",
                                                     [BUNDLE_SBOM] = "sbom"};

static bool parts_named(const char *const part[BUNDLE_PARTS])
{
    for (size_t i = BUNDLE_RECIPE; i < BUNDLE_PARTS; i++)
        if (part[i] == NULL)
            return false;
    return true;
}

/* --- the document --- */

int cmd_assemble_hash(const char *path, struct digest *out, uint64_t *size, struct err *e)
{
    struct sha256 *h = sha256_new();
    uint8_t chunk[65536];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = -1;

    *size = 0;
    if (h != NULL && fd >= 0)
        while ((n = read(fd, chunk, sizeof(chunk))) > 0) {
            sha256_add(h, chunk, (size_t)n);
            *size += (uint64_t)n;
        }
    if (n < 0)
        (void)err_sys(e, h == NULL ? -ENOMEM : -errno, "reading \"%s\"", path);
    else
        sha256_end(h, out);
    sha256_free(h);
    io_close(&fd);
    return n < 0 ? e->code : 0;
}

static int by_file_name(const void *a, const void *b)
{
    const struct product_artifact *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static int add_artifacts(struct product *p, char **file, int n, struct err *e)
{
    int rc = 0;

    if ((p->artifact = calloc((size_t)n, sizeof(*p->artifact))) == NULL)
        return err_sys(e, -ENOMEM, "reading the artifacts");
    for (int i = 0; i < n && rc == 0; i++) {
        struct product_artifact *a = &p->artifact[i];
        const char *slash = strrchr(file[i], '/'), *name = slash == NULL ? file[i] : slash + 1;

        if (strlen(name) >= sizeof(a->name))
            return err_set(e, -EINVAL, "\"%s\" is longer than %d characters", name,
                           PRODUCT_FILE_MAX);
        memcpy(a->name, name, strlen(name) + 1);
        rc = cmd_assemble_hash(file[i], &a->sha256, &a->size, e);
        p->artifacts++;
    }
    qsort(p->artifact, p->artifacts, sizeof(*p->artifact), by_file_name);
    return rc;
}

/* serial and previous: behind the envelope before, or the first. */
static int follow(struct product *p, const char *after, struct err *e)
{
    struct dsse *env = NULL;
    struct product before;
    struct buf text;
    int rc;

    p->chain.serial = 1;
    if (after == NULL)
        return 0;
    rc = document_read(after, DOCUMENT_PRODUCT, &text, &env, &p->chain.previous, e);
    if (rc == 0 && env == NULL)
        rc = err_set(e, -EINVAL, "\"%s\" is not signed; name the envelope that was published",
                     after);
    if (rc == 0 && (rc = product_parse(&before, after, buf_span(&text), e)) == 0) {
        p->chain.serial = before.chain.serial + 1;
        if (strcmp(before.name, p->name) != 0)
            rc = err_set(e, -EINVAL, "\"%s\" is of \"%s\", not of \"%s\"", after, before.name,
                         p->name);
        product_done(&before);
    }
    dsse_free(env);
    buf_free(&text);
    return rc;
}

/* What would be refused is refused here, and the provenance is of this product. */
static int check_made(const struct product *p, const struct buf *yaml, const char *provenance,
                      struct err *e)
{
    struct product again;
    struct buf b;
    int rc;

    if ((rc = product_parse(&again, "product", buf_span(yaml), e)) != 0)
        return rc;
    product_done(&again);
    buf_init(&b, DSSE_MAX_BYTES);
    rc = io_read_file(AT_FDCWD, provenance, &b);
    rc = rc != 0 ? err_sys(e, rc, "reading \"%s\"", provenance) : proven_check(buf_span(&b), p, e);
    buf_free(&b);
    return rc;
}

static int write_product(struct product *p, const char *const part[BUNDLE_PARTS], const char *after,
                         const char *out, struct err *e)
{
    struct digest *const of[BUNDLE_PARTS] = {[BUNDLE_RECIPE] = &p->recipe,
                                             [BUNDLE_TOOLCHAIN] = &p->toolchain,
                                             [BUNDLE_PROVENANCE] = &p->provenance,
                                             [BUNDLE_SBOM] = &p->sbom};
    struct buf yaml;
    uint64_t size;
    int rc = follow(p, after, e);

    for (size_t i = BUNDLE_RECIPE; i < BUNDLE_PARTS && rc == 0; i++)
        rc = cmd_assemble_hash(part[i], of[i], &size, e);
    buf_init(&yaml, DSSE_MAX_PAYLOAD);
    if (rc == 0 && (rc = product_write(p, &yaml)) != 0)
        (void)err_sys(e, rc, "writing the product");
    if (rc == 0 && (rc = check_made(p, &yaml, part[BUNDLE_PROVENANCE], e)) == 0) {
        if ((rc = io_replace_file(AT_FDCWD, out, yaml.data, yaml.len, 0644)) != 0)
            (void)err_sys(e, rc, "writing \"%s\"", out);
        else
            (void)printf("%s: read it, then let supervisors sign it (\"glarus assemble sign\")\n",
                         out);
    }
    buf_free(&yaml);
    return rc;
}

static bool take(char *out, size_t size, const char *text)
{
    if (text == NULL || strlen(text) >= size)
        return false;
    memcpy(out, text, strlen(text) + 1);
    return true;
}

static const struct option product_options[] = {{"name", required_argument, NULL, 'n'},
                                                {"version", required_argument, NULL, 'v'},
                                                {"site", required_argument, NULL, 'S'},
                                                {"zone", required_argument, NULL, 'z'},
                                                {"source", required_argument, NULL, 's'},
                                                {"recipe", required_argument, NULL, 'r'},
                                                {"toolchain", required_argument, NULL, 't'},
                                                {"provenance", required_argument, NULL, 'p'},
                                                {"sbom", required_argument, NULL, 'b'},
                                                {"after", required_argument, NULL, 'a'},
                                                {"out", required_argument, NULL, 'o'},
                                                {"help", no_argument, NULL, 'h'},
                                                {NULL, 0, NULL, 0}};

static int assemble_product(const struct command *c, int argc, char **argv)
{
    const char *part[BUNDLE_PARTS] = {NULL}, *name = NULL, *version = NULL, *site = NULL;
    const char *zone = NULL, *source = NULL, *after = NULL, *out = NULL;
    struct err e = ERR_INIT;
    struct product p;
    int o, rc;

    memset(&p, 0, sizeof(p));
    while ((o = cli_getopt(c, argc, argv, "n:v:S:z:s:r:t:p:b:a:o:h", product_options)) != -1)
        *(o == 'n'   ? &name
          : o == 'v' ? &version
          : o == 'S' ? &site
          : o == 'z' ? &zone
          : o == 's' ? &source
          : o == 'r' ? &part[BUNDLE_RECIPE]
          : o == 't' ? &part[BUNDLE_TOOLCHAIN]
          : o == 'p' ? &part[BUNDLE_PROVENANCE]
          : o == 'b' ? &part[BUNDLE_SBOM]
          : o == 'a' ? &after
                     : &out) = optarg;
    if (optind == argc || !parts_named(part) || out == NULL)
        return cli_usage(c, "name what was built, --recipe, --toolchain, --provenance, --sbom and "
                            "--out");
    if (!take(p.name, sizeof(p.name), name) || !take(p.version, sizeof(p.version), version) ||
        !take(p.site, sizeof(p.site), site) || !take(p.zone, sizeof(p.zone), zone))
        return cli_usage(c, "--name, --version, --site and --zone are needed, and short");
    if (source == NULL || text_undigest(span_str(source), &p.source) != 0)
        return cli_usage(c, "--source is 64 hex digits: the SHA-256 of the source");
    if ((rc = add_artifacts(&p, argv + optind, argc - optind, &e)) == 0)
        rc = write_product(&p, part, after, out, &e);
    product_done(&p);
    return rc == 0 ? EXIT_HELD : cli_fail(c, &e);
}

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
    const char *path = "glarusd.yaml", *part[BUNDLE_PARTS] = {NULL};
    char type[DSSE_MAX_TYPE + 1];
    struct err e = ERR_INIT;
    int o, rc;

    while ((o = cli_getopt(c, argc, argv, "r:t:p:b:c:h", publish_options)) != -1)
        *(o == 'r'   ? &part[BUNDLE_RECIPE]
          : o == 't' ? &part[BUNDLE_TOOLCHAIN]
          : o == 'p' ? &part[BUNDLE_PROVENANCE]
          : o == 'b' ? &part[BUNDLE_SBOM]
                     : &path) = optarg;
    if (optind + 1 != argc)
        return cli_usage(c, "name one signed product or rebuild");
    ask.file = part[BUNDLE_ENVELOPE] = argv[optind];
    type_of(ask.file, type);
    if (strcmp(type, REBUILT_TYPE) == 0) {
        rc = publish(path, &ask, c->words, &e);
    } else if (strcmp(type, document_type(DOCUMENT_PRODUCT)) != 0) {
        return cli_usage(c, "\"%s\" is no signed product and no rebuild", ask.file);
    } else if (!parts_named(part)) {
        return cli_usage(c,
                         "a product is published with the files it names: --%s, --%s, --%s, "
                         "--%s",
                         part_words[1], part_words[2], part_words[3], part_words[4]);
    } else {
        rc = publish_product(path, part, c->words, &e);
    }
    return rc == 0 ? EXIT_HELD : cli_fail(c, &e);
}

#define PARTS_HELP                                                                                 \
    "  -r, --recipe FILE       the recipe\n"                                                       \
    "  -t, --toolchain FILE    the lock\n"                                                         \
    "  -p, --provenance FILE   the provenance, an envelope\n"                                      \
    "  -b, --sbom FILE         the bill of materials\n"

const struct command cli_assemble_publish[] = {
    {"assemble product", "write what a product was built from, for supervisors to sign",
     "ARTIFACT... --name NAME --version V --site SITE --zone ZONE --source SHA256 --recipe FILE "
     "--toolchain FILE --provenance FILE --sbom FILE --out FILE [--after ENVELOPE]",
     "  -n, --name NAME         a label: the policy's product:NAME\n"
     "  -v, --version V\n"
     "  -S, --site SITE         where it was built,\n"
     "  -z, --zone ZONE         and in which zone\n"
     "  -s, --source SHA256     of the source\n" PARTS_HELP
     "  -a, --after ENVELOPE    the product before of that name, as it was published; none: the "
     "first\n"
     "  -o, --out FILE          the document (YAML)\n\n"
     "Refused where the provenance is of other files, or names another source, recipe or "
     "toolchain.\n\n"
     "Example: glarus assemble product out/hello_2.10-3_amd64.deb --name hello --version 2.10-3 "
     "\\\n"
     "    --site zrh1 --zone CH --source $(sha256sum <hello.dsc | cut -c1-64) --recipe "
     "hello.yaml \\\n"
     "    --toolchain hello.lock --provenance hello.provenance.dsse --sbom hello.spdx.json \\\n"
     "    --out product.yaml\n",
     assemble_product},
    {"assemble sign", "sign what a product was built from", "FILE --key KEY [--out ENVELOPE]",
     "  -k, --key KEY        PEM file or pkcs11: URI of a supervisor's key\n"
     "  -o, --out ENVELOPE   where the envelope goes (default: FILE.dsse, or FILE if it is one)\n\n"
     "Example: glarus assemble sign product.yaml --key anna.pem\n",
     assemble_sign},
    {"assemble publish", "publish a product, or that it was built again, in a site's ledger",
     "ENVELOPE [--recipe FILE --toolchain FILE --provenance FILE --sbom FILE] [--config FILE]",
     PARTS_HELP
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

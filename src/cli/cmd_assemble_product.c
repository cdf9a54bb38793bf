/* cmd_assemble_product.c - the document that says what was built from what, for supervisors. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "assembler/proven.h"
#include "base/io.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/cmd_assemble_priv.h"
#include "cli/document.h"
#include "crypto/sha256.h"

static bool parts_named(const char *const part[BUNDLE_PARTS])
{
    for (size_t i = BUNDLE_RECIPE; i < BUNDLE_PARTS; i++)
        if (part[i] == NULL)
            return false;
    return true;
}

bool cmd_assemble_product_parts(struct assemble_parts *p)
{
    static const char *const usual[BUNDLE_PARTS] = {[BUNDLE_RECIPE] = "recipe.yaml",
                                                    [BUNDLE_TOOLCHAIN] = "lock.yaml",
                                                    [BUNDLE_PROVENANCE] = "provenance.dsse",
                                                    [BUNDLE_SBOM] = "sbom.spdx.json"};
    const char *envelope = p->path[BUNDLE_ENVELOPE], *slash = strrchr(envelope, '/');
    int n = slash == NULL ? 0 : (int)(slash - envelope + 1);

    for (size_t i = BUNDLE_RECIPE; i < BUNDLE_PARTS; i++) {
        if (p->path[i] != NULL ||
            snprintf(p->made[i], sizeof(p->made[i]), "%.*s%s", n, envelope, usual[i]) >=
                (int)sizeof(p->made[i]) ||
            access(p->made[i], R_OK) != 0)
            continue;
        p->path[i] = p->made[i];
    }
    return parts_named(p->path);
}

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

int cmd_assemble_product_read(const char *path, struct product *out, struct digest *doc,
                              struct err *e)
{
    struct dsse *env = NULL;
    struct buf text;
    int rc = document_read(path, DOCUMENT_PRODUCT, &text, &env, doc, e);

    if (rc == 0 && env == NULL)
        rc =
            err_set(e, -EINVAL, "\"%s\" is not signed; name the envelope that was published", path);
    if (rc == 0)
        rc = product_parse(out, path, buf_span(&text), e);
    dsse_free(env);
    buf_free(&text);
    return rc;
}

/* serial and previous: behind the envelope before, or the first. */
static int follow(struct product *p, const char *after, struct err *e)
{
    struct product before;
    int rc;

    p->chain.serial = 1;
    if (after == NULL)
        return 0;
    if ((rc = cmd_assemble_product_read(after, &before, &p->chain.previous, e)) != 0)
        return rc;
    p->chain.serial = before.chain.serial + 1;
    if (strcmp(before.name, p->name) != 0)
        rc = err_set(e, -EINVAL, "\"%s\" is of \"%s\", not of \"%s\"", after, before.name, p->name);
    product_done(&before);
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

int cmd_assemble_product_write(struct product *p, const char *const part[BUNDLE_PARTS],
                               const char *after, const char *out, struct err *e)
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
        rc = cmd_assemble_product_write(&p, part, after, out, &e);
    product_done(&p);
    return rc == 0 ? EXIT_HELD : cli_fail(c, &e);
}

const struct command cli_assemble_product[] = {
    {"assemble product", "write what a product was built from, for supervisors to sign",
     "ARTIFACT... --name NAME --version V --site SITE --zone ZONE --source SHA256 --recipe FILE "
     "--toolchain FILE --provenance FILE --sbom FILE --out FILE [--after ENVELOPE]",
     "  -n, --name NAME         a label: the policy's product:NAME\n"
     "  -v, --version V\n"
     "  -S, --site SITE         where it was built,\n"
     "  -z, --zone ZONE         and in which zone\n"
     "  -s, --source SHA256     of the source\n"
     "  -r, --recipe FILE       the recipe\n"
     "  -t, --toolchain FILE    the lock\n"
     "  -p, --provenance FILE   the provenance, an envelope\n"
     "  -b, --sbom FILE         the bill of materials\n"
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
    {NULL, NULL, NULL, NULL, NULL}};

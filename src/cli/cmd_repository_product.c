/* cmd_repository_product.c - a product's bundle put where others find it. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "assembler/offline.h"
#include "assembler/product_proof.h"
#include "base/io.h"
#include "base/text.h"
#include "claims/trust.h"
#include "cli/cli.h"
#include "cli/cmd_repository_priv.h"
#include "updates/repository.h"

struct adding {
    const char *dir, *bundle, *trust, *key;
    struct progress bar;
    uint64_t copied;
};

static void look_step(void *arg, uint64_t done, uint64_t total)
{
    struct adding *x = arg;

    if (x->bar.total == 0)
        progress_begin(&x->bar, "repository add-product", "bytes", total);
    progress_step(&x->bar, done);
}

static void copy_step(void *arg, uint64_t bytes)
{
    struct adding *x = arg;

    progress_step(&x->bar, x->copied += bytes);
}

/* The bundle is whole, and its product stands in a ledger that the quorum has seen. */
static int look(struct adding *x, struct offline *b, struct err *e)
{
    const struct offline_watch watch = {look_step, x};
    int rc, fd = open(x->bundle, O_RDONLY | O_CLOEXEC);
    struct product_leaf leaf;
    struct trust *t = NULL;

    if (fd < 0)
        return err_sys(e, -errno, "the bundle \"%s\"", x->bundle);
    if ((rc = offline_read(b, fd, NULL, &watch, e)) == 0 &&
        (rc = trust_load(&t, x->trust, e)) == 0) {
        if (b->text[OFFLINE_PROOF].len == 0)
            rc = err_set(e, -EINVAL,
                         "the bundle has no proof that its product stands in a ledger (\"glarus "
                         "assemble bundle --ledger\")");
        else if ((rc = product_proof_check(&leaf, buf_span(&b->text[OFFLINE_PROOF]), &b->digest,
                                           t->policy, e)) == 0 &&
                 !leaf.final)
            rc = err_set(e, -EAGAIN,
                         "the checkpoint of the product's proof is not cosigned by "
                         "enough witnesses");
    }
    progress_end(&x->bar);
    trust_free(t);
    io_close(&fd);
    return rc;
}

static int put(struct adding *x, const struct offline *b, struct err *e)
{
    static const struct {
        const char *end;
        enum offline_document of;
    } small[] = {{"product", OFFLINE_PRODUCT},
                 {"provenance", OFFLINE_PROVENANCE},
                 {"sbom", OFFLINE_SBOM},
                 {"proof", OFFLINE_PROOF}};
    struct repository_file f[1 + ARRAY_LEN(small)];
    char name[1 + ARRAY_LEN(small)][160];
    const struct product *p = &b->product;
    struct repository *r = NULL;
    bool again = false;
    int rc;

    memset(f, 0, sizeof(f));
    for (size_t i = 0; i < ARRAY_LEN(f); i++) {
        (void)snprintf(name[i], sizeof(name[i]), "%s_%s.%s", p->name, p->version,
                       i == 0 ? "bundle" : small[i - 1].end);
        f[i].name = name[i];
        if (i > 0)
            f[i].bytes = buf_span(&b->text[small[i - 1].of]);
    }
    f[0].path = x->bundle;
    progress_begin(&x->bar, "repository add-product", "bytes", b->bytes);
    if ((rc = repository_open(&r, x->dir, e)) == 0)
        rc = repository_add_products(r, f, ARRAY_LEN(f), copy_step, x, &again, e);
    progress_end(&x->bar);
    if (rc == 0 && !again && x->key != NULL)
        rc = cmd_repository_sign(x->dir, "products", x->key, e);
    if (rc == 0 && again)
        (void)printf("%s %s is listed already; nothing to do\n", p->name, p->version);
    else if (rc == 0)
        (void)printf("products/%s and %zu files beside it\n%s/pending/products.json: %s\n", name[0],
                     ARRAY_LEN(small), x->dir,
                     x->key != NULL ? "signed; publish it when it has enough signatures"
                                    : "to be signed (\"glarus repository sign\")");
    repository_close(r);
    return rc;
}

static const struct option options[] = {{"trust", required_argument, NULL, 't'},
                                        {"key", required_argument, NULL, 'k'},
                                        {"help", no_argument, NULL, 'h'},
                                        {NULL, 0, NULL, 0}};

static int add_product(const struct command *c, int argc, char **argv)
{
    struct adding x = {.dir = NULL};
    struct err e = ERR_INIT;
    struct offline b;
    int o, rc;

    memset(&b, 0, sizeof(b));
    while ((o = cli_getopt(c, argc, argv, "t:k:h", options)) != -1)
        *(o == 't' ? &x.trust : &x.key) = optarg;
    if (optind + 2 != argc || x.trust == NULL)
        return cli_usage(c, "name the repository and the bundle, and --trust");
    x.dir = argv[optind];
    x.bundle = argv[optind + 1];
    if ((rc = look(&x, &b, &e)) == 0)
        rc = put(&x, &b, &e);
    offline_done(&b);
    return rc == 0 ? EXIT_HELD : cli_fail(c, &e);
}

const struct command cli_repository_product[] = {
    {"repository add-product", "put a product's bundle where others find it",
     "REPOSITORY BUNDLE --trust FILE [--key KEY]",
     "  -t, --trust FILE   whose quorum must have cosigned the ledger that the bundle proves\n"
     "  -k, --key KEY      signs products.json at once\n\n"
     "Listed are products/NAME_VERSION.bundle and, for who wants these alone, .product,\n"
     ".provenance, .sbom and .proof.  What is listed stays: another bundle of the same version is\n"
     "refused.  \"assemble rebuild NAME --version V --from REPOSITORY\" fetches it.\n\n"
     "Example: glarus repository add-product /srv/updates hello-1.0.bundle --trust trust.yaml \\\n"
     "    --key products.pem\n",
     add_product},
    {NULL, NULL, NULL, NULL, NULL}};

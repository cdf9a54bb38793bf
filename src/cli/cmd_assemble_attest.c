/* `glarus assemble attest`: what was published of a product and what was built again, compared, and
 * the word it ended in signed. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assembler/product.h"
#include "assembler/rebuilt.h"
#include "base/io.h"
#include "cli/cli.h"
#include "cli/cmd_assemble_priv.h"
#include "cli/document.h"

struct attesting {
    const char *envelope, *published, *rebuilt, *key, *out;
    struct product p;
    struct rebuilt r;
};

static int read_product(struct attesting *w, struct err *e)
{
    struct dsse *env = NULL;
    struct buf text;
    int rc = document_read(w->envelope, DOCUMENT_PRODUCT, &text, &env, &w->r.product, e);

    if (rc == 0 && env == NULL)
        rc = err_set(e, -EINVAL, "\"%s\" is not signed; name the envelope that was published",
                     w->envelope);
    if (rc == 0)
        rc = product_parse(&w->p, w->envelope, buf_span(&text), e);
    dsse_free(env);
    buf_free(&text);
    return rc;
}

/* One artifact: the published one must be it; the other becomes part of the output. */
static int look(struct attesting *w, struct product_artifact *a, struct err *e)
{
    static const struct compare_options usual;
    struct compare_report *report = NULL;
    char was[4096], is[4096];
    struct digest d;
    uint64_t size;
    int rc;

    if (snprintf(was, sizeof(was), "%s/%s", w->published, a->name) >= (int)sizeof(was) ||
        snprintf(is, sizeof(is), "%s/%s", w->rebuilt, a->name) >= (int)sizeof(is))
        return err_set(e, -EINVAL, "a folder's name is too long");
    if ((rc = cmd_assemble_hash(was, &d, &size, e)) != 0)
        return rc;
    if (size != a->size || !digest_eq(&d, &a->sha256))
        return err_set(e, -EBADMSG, "\"%s\" is not the file that the product names", was);
    if ((rc = cmd_assemble_hash(is, &a->sha256, &a->size, e)) != 0 ||
        (rc = compare_run(&report, was, is, &usual, e)) != 0)
        return rc;
    (void)printf("%s: %s\n", a->name, compare_class_word(report->root->class));
    if (report->root->class > w->r.verdict)
        w->r.verdict = report->root->class;
    compare_report_free(report);
    return 0;
}

static int attest(struct attesting *w, struct err *e)
{
    struct ed25519_key *key = NULL;
    struct digest published;
    struct buf out;
    const char *wrong;
    int rc;

    if ((rc = read_product(w, e)) != 0)
        return rc;
    if ((rc = product_output(&w->p, &published)) != 0)
        return err_sys(e, rc, "reading the product");
    for (size_t i = 0; i < w->p.artifacts && rc == 0; i++)
        rc = look(w, &w->p.artifact[i], e);
    if (rc == 0 && (rc = product_output(&w->p, &w->r.output)) != 0)
        (void)err_sys(e, rc, "hashing what was built");
    if (rc == 0 && (wrong = rebuilt_fault(&w->r, &published)) != NULL)
        rc = err_set(e, -EIO, "a file changed while it was looked at: %s", wrong);
    if (rc != 0)
        return rc;
    buf_init(&out, DSSE_MAX_BYTES);
    if ((rc = ed25519_load(&key, w->key, e)) == 0 &&
        (rc = rebuilt_sign(&w->r, key, &out, e)) == 0 &&
        (rc = io_replace_file(AT_FDCWD, w->out, out.data, out.len, 0644)) != 0)
        (void)err_sys(e, rc, "writing \"%s\"", w->out);
    ed25519_free(key);
    buf_free(&out);
    return rc;
}

static const struct option attest_options[] = {{"published", required_argument, NULL, 'p'},
                                               {"rebuilt", required_argument, NULL, 'r'},
                                               {"key", required_argument, NULL, 'k'},
                                               {"out", required_argument, NULL, 'o'},
                                               {"help", no_argument, NULL, 'h'},
                                               {NULL, 0, NULL, 0}};

static int assemble_attest(const struct command *c, int argc, char **argv)
{
    struct attesting w;
    struct err e = ERR_INIT;
    int o, rc;

    memset(&w, 0, sizeof(w));
    while ((o = cli_getopt(c, argc, argv, "p:r:k:o:h", attest_options)) != -1)
        *(o == 'p' ? &w.published : o == 'r' ? &w.rebuilt : o == 'k' ? &w.key : &w.out) = optarg;
    if (optind + 1 != argc || w.published == NULL || w.rebuilt == NULL || w.key == NULL ||
        w.out == NULL)
        return cli_usage(c, "name the product's envelope, --published, --rebuilt, --key and --out");
    w.envelope = argv[optind];
    if ((rc = attest(&w, &e)) == 0)
        (void)printf("%s: %s, signed (\"glarus assemble publish\")\n", w.out,
                     compare_class_word(w.r.verdict));
    product_done(&w.p);
    if (rc != 0)
        return cli_fail(c, &e);
    return w.r.verdict == COMPARE_IDENTICAL ? EXIT_HELD : EXIT_FALSE;
}

const struct command cli_assemble_attest[] = {
    {"assemble attest", "compare what was built again with what was published, and sign the word",
     "ENVELOPE --published FOLDER --rebuilt FOLDER --key KEY --out FILE",
     "  -p, --published FOLDER   the files that the product names\n"
     "  -r, --rebuilt FOLDER     the files of these names that were built again\n"
     "  -k, --key KEY            of the builder (PEM), whose public half auditors name in trust "
     "files\n"
     "  -o, --out FILE           where the signed word goes\n\n"
     "ENVELOPE is the product as it was published.  The word is the worst of all files.\n"
     "Exit 0: identical; 1: anything else, which is signed too.\n\n"
     "Example: glarus assemble attest hello.yaml.dsse --published debs --rebuilt out --key "
     "builder.pem \\\n"
     "    --out hello.rebuilt.dsse\n",
     assemble_attest},
    {NULL, NULL, NULL, NULL, NULL}};

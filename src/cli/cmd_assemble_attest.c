/* cmd_assemble_attest.c - what was published of a product and what was built again, compared, and
 * the word it ended in signed. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assembler/rebuilt.h"
#include "base/io.h"
#include "cli/cli.h"
#include "cli/cmd_assemble_priv.h"
#include "cli/document.h"
#include "crypto/sha256.h"
#include "crypto/signkey.h"

struct attesting {
    const struct assemble_attest *a;
    struct product p; /* its artifacts become what was built */
    struct rebuilt r;
    unsigned reports;
};

static void worse(struct attesting *w, enum compare_class class)
{
    if (class > w->r.verdict)
        w->r.verdict = class;
}

/* What compare found, for programs: a file each, in the order they were looked at. */
static int keep(struct attesting *w, const struct compare_report *report, struct err *e)
{
    struct buf text;
    char path[4096];
    int rc;

    if (w->a->reports == NULL)
        return 0;
    (void)snprintf(path, sizeof(path), "%s/%u.json", w->a->reports, ++w->reports);
    buf_init(&text, (size_t)1 << 30);
    if ((rc = io_mkdirs(AT_FDCWD, w->a->reports)) != 0 || (rc = compare_json(report, &text)) != 0)
        (void)err_sys(e, rc, "writing \"%s\"", path);
    else
        rc = cmd_assemble_store(path, &text, e);
    if (rc == 0) {
        buf_reset(&text);
        if ((rc = compare_text(report, false, &text)) == 0)
            (void)fwrite(text.data, 1, text.len, stdout);
    }
    buf_free(&text);
    return rc;
}

static int compare(struct attesting *w, const char *name, const char *was, const char *is,
                   struct err *e)
{
    static const struct compare_options usual;
    struct compare_report *report = NULL;
    int rc = compare_run(&report, was, is, w->a->known != NULL ? w->a->known : &usual, e);

    if (rc == 0) {
        (void)printf("%s: %s\n", name, compare_class_word(report->root->class));
        worse(w, report->root->class);
        if (report->root->class != COMPARE_IDENTICAL)
            rc = keep(w, report, e);
    }
    compare_report_free(report);
    return rc;
}

static const struct output *find(const struct outputs *o, const char *path)
{
    for (size_t i = 0; i < o->n; i++)
        if (strcmp(o->v[i].path, path) == 0)
            return &o->v[i];
    return NULL;
}

/* One artifact: the published one must be it; the other becomes part of the output. */
static int look(struct attesting *w, struct product_artifact *a, struct err *e)
{
    char was[4096], is[4096], with[4096];
    struct digest d;
    bool identical;
    uint64_t size;
    int rc;

    if (snprintf(was, sizeof(was), "%s/%s", w->a->published, a->name) >= (int)sizeof(was) ||
        snprintf(is, sizeof(is), "%s/%s", w->a->rebuilt, a->name) >= (int)sizeof(is))
        return err_set(e, -EINVAL, "a folder's name is too long");
    if ((rc = cmd_assemble_hash(was, &d, &size, e)) != 0)
        return rc;
    if (size != a->size || !digest_eq(&d, &a->sha256))
        return err_set(e, -EBADMSG, "\"%s\" is not the file that the product names", was);
    if (w->a->made != NULL && find(w->a->made, a->name) == NULL) {
        (void)printf("%s: was published, and was not built\n", a->name);
        worse(w, COMPARE_UNEXPLAINED);
        return 0;
    }
    if ((rc = cmd_assemble_hash(is, &a->sha256, &a->size, e)) != 0)
        return rc;
    if (digest_eq(&d, &a->sha256))
        return compare(w, a->name, was, is, e);
    (void)snprintf(with, sizeof(with), "%s.with-signature", w->a->out);
    if ((rc = cmd_assemble_transplanted(was, is, with, &identical, e)) != 0)
        return rc;
    if (!identical)
        return compare(w, a->name, was, is, e);
    /* what comes of it is the published file, and counts as that */
    (void)printf("%s: identical after the signature was transplanted\n", a->name);
    a->sha256 = d;
    a->size = size;
    w->r.transplanted++;
    return 0;
}

/* The product's artifacts become all that was built, whatever the product has. */
static int take_made(struct attesting *w, struct err *e)
{
    const struct outputs *o = w->a->made;
    struct product built;

    memset(&built, 0, sizeof(built));
    if (o == NULL)
        return 0;
    if ((built.artifact = calloc(o->n, sizeof(*built.artifact))) == NULL)
        return err_sys(e, -ENOMEM, "what was built");
    for (; built.artifacts < o->n; built.artifacts++) {
        struct product_artifact *a = &built.artifact[built.artifacts];
        const struct output *v = &o->v[built.artifacts];
        const struct product_artifact *known = NULL;

        for (size_t i = 0; i < w->p.artifacts; i++)
            if (strcmp(w->p.artifact[i].name, v->path) == 0)
                known = &w->p.artifact[i];
        if (known == NULL) {
            (void)printf("%s: was built, and was not published\n", v->path);
            worse(w, COMPARE_UNEXPLAINED);
        }
        (void)snprintf(a->name, sizeof(a->name), "%s", v->path);
        a->sha256 = known != NULL ? known->sha256 : v->sha256;
    }
    product_done(&w->p);
    w->p.artifact = built.artifact;
    w->p.artifacts = built.artifacts;
    return 0;
}

/* Signed by a key in a file or a token. */
static int sign(struct attesting *w, struct err *e)
{
    struct signkey *key = NULL;
    struct dsse *env = NULL;
    struct buf text, out;
    int rc;

    buf_init(&text, DSSE_MAX_PAYLOAD);
    buf_init(&out, DSSE_MAX_BYTES);
    if ((rc = signkey_open(&key, w->a->key, e)) != 0)
        return rc;
    signkey_public(key, &w->r.key);
    signkey_close(key);
    if ((rc = rebuilt_write(&w->r, &text)) != 0 ||
        (rc = dsse_new(&env, REBUILT_TYPE, buf_span(&text))) != 0)
        (void)err_sys(e, rc, "writing \"%s\"", w->a->out);
    else if ((rc = document_add_signature(env, w->a->key, w->a->out, e)) == 0 &&
             (rc = dsse_write(env, &out)) == 0)
        rc = cmd_assemble_store(w->a->out, &out, e);
    dsse_free(env);
    buf_free(&text);
    buf_free(&out);
    return rc;
}

static int attest(struct attesting *w, struct err *e)
{
    struct digest published;
    const char *wrong;
    int rc;

    if ((rc = cmd_assemble_product_read(w->a->envelope, &w->p, &w->r.product, e)) != 0)
        return rc;
    if ((rc = product_output(&w->p, &published)) != 0)
        return err_sys(e, rc, "reading the product");
    for (size_t i = 0; i < w->p.artifacts && rc == 0; i++)
        rc = look(w, &w->p.artifact[i], e);
    if (rc != 0 || (rc = take_made(w, e)) != 0)
        return rc;
    if ((rc = product_output(&w->p, &w->r.output)) != 0)
        return err_sys(e, rc, "hashing what was built");
    if ((wrong = rebuilt_fault(&w->r, &published)) != NULL)
        return err_set(e, -EIO, "a file changed while it was looked at: %s", wrong);
    return w->a->key == NULL ? 0 : sign(w, e);
}

int cmd_assemble_attest(const struct assemble_attest *a, enum compare_class *verdict, struct err *e)
{
    struct attesting w;
    int rc;

    memset(&w, 0, sizeof(w));
    w.a = a;
    rc = attest(&w, e);
    *verdict = w.r.verdict;
    product_done(&w.p);
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
    struct assemble_attest a = {.key = NULL};
    enum compare_class verdict;
    struct err e = ERR_INIT;
    int o;

    while ((o = cli_getopt(c, argc, argv, "p:r:k:o:h", attest_options)) != -1)
        *(o == 'p' ? &a.published : o == 'r' ? &a.rebuilt : o == 'k' ? &a.key : &a.out) = optarg;
    if (optind + 1 != argc || a.published == NULL || a.rebuilt == NULL || a.key == NULL ||
        a.out == NULL)
        return cli_usage(c, "name the product's envelope, --published, --rebuilt, --key and --out");
    a.envelope = argv[optind];
    if (cmd_assemble_attest(&a, &verdict, &e) != 0)
        return cli_fail(c, &e);
    (void)printf("%s: %s, signed (\"glarus assemble publish\")\n", a.out,
                 compare_class_word(verdict));
    return verdict == COMPARE_IDENTICAL ? EXIT_HELD : EXIT_FALSE;
}

const struct command cli_assemble_attest[] = {
    {"assemble attest", "compare what was built again with what was published, and sign the word",
     "ENVELOPE --published FOLDER --rebuilt FOLDER --key KEY --out FILE",
     "  -p, --published FOLDER   the files that the product names\n"
     "  -r, --rebuilt FOLDER     the files of these names that were built again\n"
     "  -k, --key KEY            of the builder (PEM, or a token's pkcs11: URI), whose public "
     "half\n"
     "                           auditors name in trust files\n"
     "  -o, --out FILE           where the signed word goes\n\n"
     "ENVELOPE is the product as it was published.  The word is the worst of all files.  A file "
     "that is\n"
     "the published one once the signature of this is put onto it is identical, and the document "
     "says so.\n"
     "Exit 0: identical; 1: anything else, which is signed too.\n\n"
     "Example: glarus assemble attest hello.yaml.dsse --published debs --rebuilt out --key "
     "builder.pem \\\n"
     "    --out hello.rebuilt.dsse\n",
     assemble_attest},
    {NULL, NULL, NULL, NULL, NULL}};

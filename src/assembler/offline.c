#include "assembler/offline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assembler/dsc.h"
#include "assembler/offline_priv.h"
#include "assembler/product_proof.h"
#include "assembler/proven.h"
#include "crypto/sha256.h"
#include "people/dsse.h"

#define SOURCES_MAX 10000u

const char *offline_document_name(enum offline_document d)
{
    static const char *const name[OFFLINE_DOCUMENTS] = {"product.dsse", "recipe.yaml",
                                                        "lock.yaml",    "provenance.dsse",
                                                        "sbom.json",    "product.proof"};

    return name[d];
}

const char *offline_folder_name(enum offline_folder f)
{
    static const char *const name[OFFLINE_FOLDERS] = {"sources", "packages", "published"};

    return name[f];
}

int offline_path(char out[USTAR_NAME_MAX + 1], const struct offline_entry *entry, struct err *e)
{
    int n =
        snprintf(out, USTAR_NAME_MAX + 1, "%s/%s", offline_folder_name(entry->folder), entry->name);

    return n > 0 && n <= (int)USTAR_NAME_MAX
               ? 0
               : err_set(e, -E2BIG, "\"%s\" has too long a name for a bundle", entry->name);
}

int offline_wrong(const char *path, struct err *e)
{
    return err_set(e, -EBADMSG, "\"%s\" is not the file that the product's documents name", path);
}

void offline_step(struct offline_work *w, uint64_t bytes)
{
    w->done += bytes;
    if (w->watch != NULL && w->watch->step != NULL)
        w->watch->step(w->watch->arg, w->done, w->total > w->done ? w->total : w->done);
}

/* What a document from outside is refused for is that it does not verify. */
static int outside(int rc, struct err *e)
{
    if (rc != -EINVAL && rc != -E2BIG && rc != -EEXIST)
        return rc;
    if (e != NULL)
        e->code = -EBADMSG;
    return -EBADMSG;
}

/* --- the documents --- */

static int read_product(struct offline *b, struct err *e)
{
    struct span text = buf_span(&b->text[OFFLINE_PRODUCT]);
    struct dsse *env = NULL;
    int rc = dsse_parse(&env, text, e);

    if (rc == 0 && strcmp(dsse_type(env), document_type(DOCUMENT_PRODUCT)) != 0)
        rc = err_set(e, -EBADMSG, "the bundle begins with an envelope of type %s, not of a product",
                     dsse_type(env));
    if (rc == 0)
        rc = product_parse(&b->product, "product.dsse", dsse_payload(env), e);
    dsse_digest(text, &b->digest);
    dsse_free(env);
    return outside(rc, e);
}

/* The next document, which must have that digest. */
static int take(struct offline_work *w, enum offline_document d, const struct digest *want,
                struct err *e)
{
    struct digest is;
    int rc = w->document(w, d, e);

    if (rc != 0)
        return rc;
    sha256_of(w->b->text[d].data, w->b->text[d].len, &is);
    return digest_eq(&is, want) ? 0
                                : err_set(e, -EBADMSG, "\"%s\" is not the one the product names",
                                          offline_document_name(d));
}

static int documents(struct offline_work *w, struct err *e)
{
    struct offline *b = w->b;
    const struct product *p = &b->product;
    struct product_leaf leaf;
    struct span proof;
    int rc;

    if ((rc = w->document(w, OFFLINE_PRODUCT, e)) != 0 || (rc = read_product(b, e)) != 0 ||
        (rc = take(w, OFFLINE_RECIPE, &p->recipe, e)) != 0 ||
        (rc = take(w, OFFLINE_LOCK, &p->toolchain, e)) != 0 ||
        (rc = take(w, OFFLINE_PROVENANCE, &p->provenance, e)) != 0 ||
        (rc = take(w, OFFLINE_SBOM, &p->sbom, e)) != 0 ||
        (rc = w->document(w, OFFLINE_PROOF, e)) != 0)
        return rc;
    if ((rc = recipe_parse(&b->recipe, "recipe.yaml", buf_span(&b->text[OFFLINE_RECIPE]), e)) !=
            0 ||
        (rc = lock_parse(&b->lock, "lock.yaml", buf_span(&b->text[OFFLINE_LOCK]), e)) != 0)
        return outside(rc, e);
    if (!digest_eq(&b->lock.recipe, &b->recipe->digest))
        return err_set(e, -EBADMSG, "the lock is of another recipe");
    if ((rc = proven_check(buf_span(&b->text[OFFLINE_PROVENANCE]), p, e)) != 0)
        return rc;
    proof = buf_span(&b->text[OFFLINE_PROOF]);
    return proof.n == 0 ? 0 : outside(product_proof_check(&leaf, proof, &b->digest, NULL, e), e);
}

/* --- the files they name --- */

static int file(struct offline_work *w, const struct offline_entry *entry, struct err *e)
{
    int rc = w->file(w, entry, e);

    w->b->files += rc == 0;
    return rc;
}

/* Names of sources are of several lists: none may say another's. */
static int new_name(struct offline_work *w, const char *name, struct err *e)
{
    char **more;

    for (size_t i = 0; i < w->names; i++)
        if (strcmp(w->name[i], name) == 0)
            return err_set(e, -EBADMSG, "the source \"%s\" is named twice", name);
    if (w->names == SOURCES_MAX)
        return err_set(e, -EBADMSG, "more than %u files are sources", SOURCES_MAX);
    if ((w->names & (w->names - 1)) == 0) {
        more = realloc(w->name, (w->names == 0 ? 1 : 2 * w->names) * sizeof(*more));
        if (more == NULL)
            return err_sys(e, -ENOMEM, "the list of sources");
        w->name = more;
    }
    if ((w->name[w->names] = strdup(name)) == NULL)
        return err_sys(e, -ENOMEM, "the list of sources");
    w->names++;
    return 0;
}

static int listed(void *arg, const struct dsc_file *f, struct err *e)
{
    struct offline_work *w = arg;
    struct offline_entry entry = {OFFLINE_SOURCES, f->name, f->size, f->sha256, NULL};
    int rc = new_name(w, f->name, e);

    return rc == 0 ? file(w, &entry, e) : rc;
}

static int source(struct offline_work *w, const struct recipe_source *s, struct err *e)
{
    struct offline_entry entry = {OFFLINE_SOURCES, s->where, OFFLINE_SIZE_UNKNOWN, s->sha256, NULL};
    struct buf dsc;
    int rc;

    if (s->kind == SOURCE_GIT || s->kind == SOURCE_TREE)
        return err_set(
            e, -EINVAL,
            "the source \"%s\" is a %s; a bundle carries files alone: pack it into a tar "
            "archive and name that in the recipe",
            s->where, s->kind == SOURCE_GIT ? "git repository" : "folder");
    if ((rc = new_name(w, s->where, e)) != 0)
        return rc;
    buf_init(&dsc, DSC_MAX);
    entry.keep = s->kind == SOURCE_DEBIAN ? &dsc : NULL;
    if ((rc = file(w, &entry, e)) == 0 && entry.keep != NULL)
        rc = dsc_each(buf_span(&dsc), listed, w, e);
    buf_free(&dsc);
    return rc;
}

static int files(struct offline_work *w, struct err *e)
{
    const struct offline *b = w->b;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < b->recipe->nsources; i++)
        rc = source(w, &b->recipe->sources[i], e);
    for (size_t i = 0; rc == 0 && i < b->lock.n; i++) {
        const struct lock_package *p = &b->lock.packages[i];
        struct offline_entry entry = {OFFLINE_PACKAGES, p->file, p->size, p->sha256, NULL};

        rc = file(w, &entry, e);
    }
    for (size_t i = 0; rc == 0 && i < b->product.artifacts; i++) {
        const struct product_artifact *a = &b->product.artifact[i];
        struct offline_entry entry = {OFFLINE_PUBLISHED, a->name, a->size, a->sha256, NULL};

        rc = file(w, &entry, e);
    }
    return rc;
}

int offline_walk(struct offline_work *w, struct err *e)
{
    int rc;

    memset(w->b, 0, sizeof(*w->b));
    for (size_t i = 0; i < OFFLINE_DOCUMENTS; i++)
        buf_init(&w->b->text[i], DSSE_MAX_BYTES);
    if ((rc = documents(w, e)) == 0)
        rc = files(w, e);
    for (size_t i = 0; i < w->names; i++)
        free(w->name[i]);
    free(w->name);
    return rc;
}

void offline_done(struct offline *b)
{
    for (size_t i = 0; i < OFFLINE_DOCUMENTS; i++)
        buf_free(&b->text[i]);
    product_done(&b->product);
    recipe_free(b->recipe);
    lock_done(&b->lock);
    memset(b, 0, sizeof(*b));
}

/* The builds of a generated history: two releases of one product, built at zrh1 and published
 * there; persons 3 and 4 are the supervisors who sign.  Two builders of the trust file build one
 * each again, and get the same. */
#include <string.h>

#include "assembler/product.h"
#include "assembler/rebuilt.h"
#include "betray/builds.h"
#include "betray/history_priv.h"
#include "crypto/sha256.h"

static int make_parts(struct history *h, struct history_build *b, struct product *p, int k)
{
    int rc;

    history_random(h, "source", (uint64_t)k, &p->source);
    history_random(h, "built", (uint64_t)k, &p->artifact[0].sha256);
    if ((rc = buf_printf(&b->recipe, "format: recipe/v1\nname: agent\nrelease: %d\n", k + 1)) !=
            0 ||
        (rc = buf_printf(&b->toolchain, "format: lock/v1\nrelease: %d\n", k + 1)) != 0 ||
        (rc = buf_printf(&b->sbom, "{\"spdxVersion\":\"SPDX-2.3\",\"release\":%d}\n", k + 1)) != 0)
        return rc;
    sha256_of(b->recipe.data, b->recipe.len, &p->recipe);
    sha256_of(b->toolchain.data, b->toolchain.len, &p->toolchain);
    sha256_of(b->sbom.data, b->sbom.len, &p->sbom);
    if ((rc = builds_provenance(p, h->person_key[3], &b->provenance)) == 0)
        sha256_of(b->provenance.data, b->provenance.len, &p->provenance);
    return rc;
}

static int make_build(struct history *h, int k)
{
    static const int by_two[] = {3, 4, -1};
    struct history_build *b = &h->build[k];
    struct product_artifact file = {.name = "agent.tar", .size = 4096};
    struct product p = {.name = HISTORY_PRODUCT, .artifact = &file, .artifacts = 1};
    struct rebuilt again = {.verdict = COMPARE_IDENTICAL};
    struct buf yaml;
    int rc;

    memcpy(p.site, "zrh1", 5);
    memcpy(p.zone, "CH", 3);
    memcpy(p.version, k == 0 ? "1.0" : "1.1", 4);
    p.chain.serial = (uint64_t)k + 1;
    if (k > 0)
        p.chain.previous = h->build[k - 1].doc;
    buf_init(&yaml, DSSE_MAX_PAYLOAD);
    if ((rc = make_parts(h, b, &p, k)) == 0 && (rc = product_write(&p, &yaml)) == 0 &&
        (rc = history_wrap(DOCUMENT_PRODUCT, &yaml, h->person_key, by_two, &b->env)) == 0 &&
        (rc = product_output(&p, &again.output)) == 0) {
        dsse_digest(buf_span(&b->env), &b->doc);
        again.product = b->doc;
        rc = rebuilt_sign(&again, h->builder_key[k], &b->rebuilt, NULL);
    }
    b->program = file.sha256;
    p.artifact = NULL;
    p.artifacts = 0;
    b->product = p;
    b->output = again.output;
    buf_free(&yaml);
    return rc;
}

int history_builds_begin(struct history *h)
{
    int rc = 0;

    for (int k = 0; k < HISTORY_BUILDS; k++) {
        struct history_build *b = &h->build[k];

        buf_init(&b->env, DSSE_MAX_BYTES);
        buf_init(&b->rebuilt, DSSE_MAX_BYTES);
        buf_init(&b->recipe, 4096);
        buf_init(&b->toolchain, 4096);
        buf_init(&b->provenance, DSSE_MAX_BYTES);
        buf_init(&b->sbom, 4096);
    }
    for (int k = 0; k < HISTORY_BUILDS && rc == 0; k++)
        if ((rc = history_key(h, "builder", (uint64_t)k, &h->builder_key[k])) == 0)
            rc = make_build(h, k);
    return rc;
}

void history_builds_end(struct history *h)
{
    for (int k = 0; k < HISTORY_BUILDS; k++) {
        struct history_build *b = &h->build[k];

        buf_free(&b->env);
        buf_free(&b->rebuilt);
        buf_free(&b->recipe);
        buf_free(&b->toolchain);
        buf_free(&b->provenance);
        buf_free(&b->sbom);
        ed25519_free(h->builder_key[k]);
    }
}

int history_builds_started(struct history *h, int site, int k, unix_time t, struct err *e)
{
    struct leaf_builder b;

    leaf_begin(&b, LK_PROCESS_STARTED, t, h->tale[site].site);
    leaf_set_digest(&b, LF_BINARY, &h->build[k].program);
    leaf_set_text(&b, LF_PART, "site");
    leaf_set_text(&b, LF_VERSION, h->build[k].product.version);
    return tale_add(&h->tale[site], &b, e);
}

static int rebuilt_leaf(struct history *h, int k, unix_time t, struct err *e)
{
    const struct history_build *x = &h->build[k];
    struct leaf_builder b;
    struct ed25519_pub pub;
    struct digest doc;
    int rc = tale_document(&h->tale[0], buf_span(&x->rebuilt), &doc);

    if (rc != 0)
        return rc;
    ed25519_public(h->builder_key[k], &pub);
    leaf_begin(&b, LK_REBUILD_ATTESTED, t, "zrh1");
    leaf_set_digest(&b, LF_DOC, &doc);
    leaf_set_key(&b, LF_KEY, pub.b);
    leaf_set_digest(&b, LF_PRODUCT, &x->doc);
    leaf_set_word(&b, LF_VERDICT, LW_COMPARED_IDENTICAL);
    leaf_set_digest(&b, LF_OUTPUT, &x->output);
    return tale_add(&h->tale[0], &b, e);
}

int history_builds_leaves(struct history *h, int k, unix_time t, struct err *e)
{
    const struct history_build *x = &h->build[k];
    const struct buf *const file[] = {&x->env, &x->recipe, &x->toolchain, &x->provenance, &x->sbom};
    struct leaf_builder b;
    int rc = 0;

    for (size_t i = 0; i < ARRAY_LEN(file) && rc == 0; i++)
        rc = tale_document(&h->tale[0], buf_span(file[i]), NULL);
    if (rc != 0)
        return rc;
    leaf_begin(&b, LK_PRODUCT_PUBLISHED, t, "zrh1");
    builds_leaf(&b, &x->product, &x->doc, &x->output);
    if ((rc = tale_add(&h->tale[0], &b, e)) != 0)
        return rc;
    return rebuilt_leaf(h, k, t, e);
}

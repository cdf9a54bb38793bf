#include "betray/builds.h"

#include "assembler/proven.h"
#include "base/text.h"
#include "people/dsse.h"

int builds_provenance(const struct product *p, const struct ed25519_key *by, struct buf *out)
{
    char built[65], source[65], recipe[65], toolchain[65];
    struct dsse *d = NULL;
    struct buf json;
    int rc;

    text_digest(built, &p->artifact[0].sha256);
    text_digest(source, &p->source);
    text_digest(recipe, &p->recipe);
    text_digest(toolchain, &p->toolchain);
    buf_init(&json, 1 << 16);
    rc = buf_printf(&json,
                    "{\"_type\":\"" PROVEN_STATEMENT "\",\"predicateType\":\"" PROVEN_PREDICATE
                    "\",\"subject\":[{\"name\":\"%s\",\"digest\":{\"sha256\":\"%s\"}}],"
                    "\"predicate\":{\"buildDefinition\":{\"resolvedDependencies\":["
                    "{\"name\":\"source\",\"digest\":{\"sha256\":\"%s\"}},"
                    "{\"name\":\"recipe\",\"digest\":{\"sha256\":\"%s\"}},"
                    "{\"name\":\"toolchain\",\"digest\":{\"sha256\":\"%s\"}}]}}}\n",
                    p->artifact[0].name, built, source, recipe, toolchain);
    if (rc == 0 && (rc = dsse_new(&d, PROVEN_TYPE, buf_span(&json))) == 0 &&
        (rc = dsse_sign(d, by)) == 0)
        rc = dsse_write(d, out);
    dsse_free(d);
    buf_free(&json);
    return rc;
}

void builds_leaf(struct leaf_builder *b, const struct product *p, const struct digest *doc,
                 const struct digest *output)
{
    leaf_set_digest(b, LF_DOC, doc);
    leaf_set_text(b, LF_NAME, p->name);
    leaf_set_int(b, LF_SERIAL, p->chain.serial);
    if (p->chain.serial > 1)
        leaf_set_digest(b, LF_PREV, &p->chain.previous);
    leaf_set_text(b, LF_WORKER_SITE, p->site);
    leaf_set_text(b, LF_ZONE, p->zone);
    leaf_set_digest(b, LF_SOURCE, &p->source);
    leaf_set_digest(b, LF_RECIPE, &p->recipe);
    leaf_set_digest(b, LF_TOOLCHAIN, &p->toolchain);
    leaf_set_digest(b, LF_PROVENANCE, &p->provenance);
    leaf_set_digest(b, LF_SBOM, &p->sbom);
    leaf_set_digest(b, LF_OUTPUT, output);
}

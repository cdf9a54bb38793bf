/* What is signed about a build: the product, the rebuild, the provenance.  The first byte chooses.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "assembler/proven.h"
#include "assembler/rebuilt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A refusal has a sentence. */
static int refused(int rc, const struct err *e)
{
    if (rc != 0 && e->text[0] == '\0')
        abort();
    return rc;
}

static void same(const void *a, const void *b, size_t n)
{
    if (memcmp(a, b, n) != 0)
        abort();
}

static void product(struct span text, struct buf *out)
{
    struct product p, again;
    struct digest d, d2;
    struct err e = ERR_INIT;

    if (refused(product_parse(&p, "d", text, &e), &e) != 0)
        return;
    if (product_write(&p, out) != 0 || product_parse(&again, "d", buf_span(out), NULL) != 0 ||
        p.artifacts != again.artifacts || strcmp(p.name, again.name) != 0 ||
        strcmp(p.version, again.version) != 0 || p.chain.serial != again.chain.serial)
        abort();
    if (product_output(&p, &d) != 0 || product_output(&again, &d2) != 0)
        abort();
    same(&d, &d2, sizeof(d));
    same(&p.source, &again.source, sizeof(d));
    same(&p.provenance, &again.provenance, sizeof(d));
    product_done(&p);
    product_done(&again);
}

static void rebuilt(struct span text, struct buf *out)
{
    struct rebuilt r, again;
    struct err e = ERR_INIT;

    if (refused(rebuilt_parse(&r, "d", text, &e), &e) != 0)
        return;
    if (rebuilt_write(&r, out) != 0 || rebuilt_parse(&again, "d", buf_span(out), NULL) != 0 ||
        r.verdict != again.verdict)
        abort();
    same(&r.product, &again.product, sizeof(r.product));
    same(&r.output, &again.output, sizeof(r.output));
    same(&r.key, &again.key, sizeof(r.key));
}

static void provenance(struct span text, struct buf *out)
{
    static struct product_artifact a = {"a", {{1}}, 1};
    static const struct product p = {.artifact = &a, .artifacts = 1};
    struct err e = ERR_INIT;

    (void)out;
    (void)refused(proven_check(text, &p, &e), &e);
    if (proven_year(text) > 9999)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const read[])(struct span, struct buf *) = {product, rebuilt, provenance};
    struct buf out;

    if (size == 0)
        return 0;
    buf_init(&out, 1 << 20);
    read[data[0] % 3](span_of(data + 1, size - 1), &out);
    buf_free(&out);
    return 0;
}

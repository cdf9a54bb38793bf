/* read_builds.c - what the reader found in a document about builds, as bytes (reader.h). */
#include "site/reader.h"

#include <errno.h>
#include <string.h>

static int put_text(struct buf *b, const char *s)
{
    size_t n = strlen(s);
    int rc = buf_putc(b, (int)n);

    return rc != 0 ? rc : buf_put(b, s, n);
}

static int get_text(struct cur *c, char *out, size_t size)
{
    uint8_t n;
    int rc = cur_u8(c, &n);

    if (rc != 0)
        return rc;
    if (n == 0 || n >= size)
        return -EBADMSG;
    out[n] = '\0';
    return cur_copy(c, out, n);
}

int read_product_encode(const struct read_product *p, struct buf *b)
{
    const struct digest *const d[] = {&p->previous,   &p->source, &p->recipe, &p->toolchain,
                                      &p->provenance, &p->sbom,   &p->output};
    int rc = buf_put_u64(b, p->serial);

    for (size_t i = 0; i < ARRAY_LEN(d) && rc == 0; i++)
        rc = buf_put(b, d[i]->b, 32);
    if (rc != 0 || (rc = put_text(b, p->name)) != 0 || (rc = put_text(b, p->site)) != 0)
        return rc;
    return put_text(b, p->zone);
}

int read_product_decode(struct span s, struct read_product *out)
{
    struct digest *const d[] = {&out->previous,   &out->source, &out->recipe, &out->toolchain,
                                &out->provenance, &out->sbom,   &out->output};
    struct cur c = cur_of(s);
    int rc;

    memset(out, 0, sizeof(*out));
    rc = cur_u64(&c, &out->serial);
    for (size_t i = 0; i < ARRAY_LEN(d) && rc == 0; i++)
        rc = cur_copy(&c, d[i]->b, 32);
    if (rc != 0 || (rc = get_text(&c, out->name, sizeof(out->name))) != 0 ||
        (rc = get_text(&c, out->site, sizeof(out->site))) != 0 ||
        (rc = get_text(&c, out->zone, sizeof(out->zone))) != 0)
        return rc;
    return c.n == 0 && out->serial != 0 ? 0 : -EBADMSG;
}

int read_rebuilt_encode(const struct rebuilt *r, struct buf *b)
{
    int rc;

    if ((rc = buf_put(b, r->product.b, 32)) != 0 || (rc = buf_put(b, r->output.b, 32)) != 0 ||
        (rc = buf_put(b, r->key.b, 32)) != 0)
        return rc;
    return buf_putc(b, (int)r->verdict);
}

int read_rebuilt_decode(struct span s, struct rebuilt *out)
{
    struct cur c = cur_of(s);
    uint8_t verdict;
    int rc;

    memset(out, 0, sizeof(*out));
    if ((rc = cur_copy(&c, out->product.b, 32)) != 0 ||
        (rc = cur_copy(&c, out->output.b, 32)) != 0 || (rc = cur_copy(&c, out->key.b, 32)) != 0 ||
        (rc = cur_u8(&c, &verdict)) != 0)
        return rc;
    if (verdict >= COMPARE_CLASSES || c.n != 0)
        return -EBADMSG;
    out->verdict = (enum compare_class)verdict;
    return 0;
}

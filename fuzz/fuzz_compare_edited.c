/* A program (ELF, PE), an archive or an image, and the same edited: the first byte says how often,
 * then five bytes an edit (where, what), then a file.  Whatever the tables say, each byte is
 * counted once and a difference is a difference. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "compare/look_priv.h"

#define EDITS 8u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void edit(uint8_t *b, size_t n, const uint8_t *e, unsigned edits)
{
    for (unsigned i = 0; i < edits; i++, e += 5) {
        size_t at = (size_t)e[0] | (size_t)e[1] << 8 | (size_t)e[2] << 16 | (size_t)e[3] << 24;

        if (n > 0)
            b[at % n] = e[4];
    }
}

static enum compare_class compared(struct span a, struct span b)
{
    const struct compare_options o = {.unpacked = 1u << 24, .memory = 1u << 24, .findings = 10};
    struct compare_node *n = NULL;
    struct look_budget budget;
    enum compare_class class;

    look_budget_init(&budget, &o);
    assert(look_compare(&budget, a, b, "a", "b", &n) == 0);
    for (int side = 0; side < 2; side++) {
        uint64_t sum = 0;

        for (int c = 0; c < COMPARE_CLASSES; c++)
            sum += n->bytes[side][c];
        assert(sum == n->size[side]);
    }
    class = n->class;
    look_node_free(n);
    return class;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const unsigned edits = size == 0 ? 0 : data[0] % (EDITS + 1);
    const size_t head = 1 + 5 * (size_t)edits;
    uint8_t *b;

    if (size < head)
        return 0;
    size -= head;
    if ((b = malloc(size + 1)) == NULL)
        return 0;
    memcpy(b, data + head, size);
    edit(b, size, data + 1, edits);
    if (memcmp(b, data + head, size) != 0) {
        assert(compared(span_of(data + head, size), span_of(b, size)) != COMPARE_IDENTICAL);
        assert(compared(span_of(b, size), span_of(data + head, size)) != COMPARE_IDENTICAL);
        assert(compared(span_of(data + head, size), span_of(b, size / 2)) != COMPARE_IDENTICAL);
    }
    free(b);
    return 0;
}

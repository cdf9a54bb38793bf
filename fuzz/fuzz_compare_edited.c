/* A program (ELF, PE), an archive or an image, and the same edited: the first byte says how often,
 * then five bytes an edit (where, what), then a file.  Whatever the tables say, each byte is
 * counted once and a difference is a difference. */
#include "compare_pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void compared(struct span a, struct span b)
{
    static const struct compare_options o = {
        .unpacked = 1u << 24, .memory = 1u << 24, .findings = 10};
    struct compare_node *n = pair_look(a, b, "a", "b", &o);

    assert(n != NULL && n->class != COMPARE_IDENTICAL);
    look_node_free(n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span a;
    uint8_t *b = pair_edited(data, size, &a);

    if (b == NULL)
        return 0;
    compared(a, span_of(b, a.n));
    compared(span_of(b, a.n), a);
    compared(a, span_of(b, a.n / 2));
    free(b);
    return 0;
}

/* Certificates, signed data and the like, in DER and as text, and the same edited: the first byte
 * says how often, then five bytes an edit (where, what), then the file.  Each byte is counted once;
 * what differs is unexplained, or a signature, or (as text) wrapped otherwise. */
#include "compare_pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void compared(struct span a, struct span b)
{
    static const struct compare_options o = {
        .unpacked = 1u << 20, .memory = 1u << 20, .findings = 10};
    struct compare_node *n = pair_look(a, b, "a", "b", &o);

    assert(n != NULL && n->class != COMPARE_IDENTICAL && n->findings + n->children > 0);
    if (strcmp(n->format, "X.509 certificate") == 0 || strcmp(n->format, "signed data") == 0)
        assert(n->class == COMPARE_UNEXPLAINED || n->class == COMPARE_SIGNATURE);
    look_node_free(n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span a;
    uint8_t *b = pair_edited(data, size, &a);

    if (b == NULL)
        return 0;
    compared(a, span_of(b, a.n));
    compared(span_of(b, a.n), span_of(a.p, a.n / 2));
    free(b);
    return 0;
}

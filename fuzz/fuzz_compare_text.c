/* Two texts, parted by a NUL: every byte is accounted for once, what is not identical is told, and
 * what is told is whole. */
#include "base/text.h"
#include "compare_pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_account(const struct compare_node *n)
{
    pair_check(n);
    for (size_t i = 0; i < n->findings; i++) {
        const struct compare_finding *f = &n->finding[i];
        uint32_t code;

        assert(f->class != COMPARE_IDENTICAL);
        assert(f->at[0] + f->n[0] <= n->size[0] && f->at[1] + f->n[1] <= n->size[1]);
        for (struct span s = span_str(f->what); s.n > 0;) {
            size_t k = text_utf8_next(s, &code);

            assert(k > 0 && !text_is_control(code));
            s = span_of(s.p + k, s.n - k);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size == 0 ? NULL : memchr(data, '\0', size);
    size_t n = nul == NULL ? size : (size_t)(nul - data);
    struct span a = span_of(data, n),
                b = nul == NULL ? span_of(data, 0) : span_of(nul + 1, size - n - 1);
    struct compare_node *node = NULL;
    struct look_budget budget;

    look_budget_init(&budget, NULL);
    if (look_compare(&budget, a, b, "a", "b", &node) != 0)
        return 0;
    assert((node->class == COMPARE_IDENTICAL) == span_eq(a, b));
    check_account(node);
    look_node_free(node);
    return 0;
}

/* Two JSON documents, parted by a NUL: what is read lies in what was given, each value in the one
 * it is a child of; and every byte of both is accounted for once. */
#include "compare/json_read.h"
#include "compare_pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_account(const struct compare_node *n)
{
    pair_check(n);
    for (size_t i = 0; i < n->findings; i++) {
        const struct compare_finding *f = &n->finding[i];

        assert(f->class != COMPARE_IDENTICAL);
        assert(f->at[0] + f->n[0] <= n->size[0] && f->at[1] + f->n[1] <= n->size[1]);
    }
}

static bool lies_in(struct span s, struct span all)
{
    return s.p >= all.p && s.p + s.n <= all.p + all.n;
}

static size_t check_value(const struct json *j, size_t at, struct span all)
{
    const struct json_value *v = &j->v[at];
    size_t i = at + 1;

    assert(v->text.n > 0 && lies_in(v->text, all));
    assert(v->key.n == 0 || (lies_in(v->key, all) && v->key.p + v->key.n < v->text.p));
    for (size_t k = 0; k < v->children; k++)
        i = check_value(j, i, v->text);
    assert(i == at + v->nodes);
    return i;
}

static void check_read(struct span text)
{
    struct json j;

    if (json_read(&j, text) != 0)
        return;
    assert(check_value(&j, 0, text) == j.n);
    json_free(&j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size == 0 ? NULL : memchr(data, '\0', size);
    size_t n = nul == NULL ? size : (size_t)(nul - data);
    struct span a = span_of(data, n),
                b = nul == NULL ? span_of(data, 0) : span_of(nul + 1, size - n - 1);
    struct compare_node *node = NULL;
    struct look_budget budget;

    check_read(a);
    check_read(b);
    look_budget_init(&budget, NULL);
    if (look_compare(&budget, a, b, "a", "b", &node) != 0)
        return 0;
    assert((node->class == COMPARE_IDENTICAL) == span_eq(a, b));
    check_account(node);
    look_node_free(node);
    return 0;
}

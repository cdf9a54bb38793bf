/* What a jailed child of compare says: what is taken is written again byte by byte, and its class
 * is never better than what it is made of. */
#include <assert.h>
#include <string.h>

#include "compare/look_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct compare_node *n)
{
    assert(n->format != NULL && n->class < COMPARE_CLASSES);
    for (size_t i = 0; i < n->findings; i++)
        assert(n->finding[i].class <= n->class && n->finding[i].what != NULL);
    for (size_t i = 0; i < n->children; i++) {
        assert(n->child[i]->class <= n->class && n->child[i]->class != COMPARE_IDENTICAL);
        check(n->child[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cur c = cur_of(span_of(data, size)), again;
    struct compare_node *n = NULL, *m = NULL;
    struct compare_report r;
    struct buf b;

    if (look_wire_get(&c, &n) != 0) {
        assert(n == NULL);
        return 0;
    }
    check(n);
    buf_init(&b, 1 << 24);
    assert(look_wire_put(&b, n) == 0);
    again = cur_of(buf_span(&b));
    assert(look_wire_get(&again, &m) == 0 && again.n == 0);
    assert(m->class == n->class && m->children == n->children && m->findings == n->findings);
    r = (struct compare_report){.root = n};
    buf_reset(&b);
    assert(compare_text(&r, true, &b) == 0);
    buf_reset(&b);
    assert(compare_json(&r, &b) == 0);
    buf_free(&b);
    look_node_free(n);
    look_node_free(m);
    return 0;
}

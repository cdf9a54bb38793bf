/* Images of ISO 9660 in glarus compare.  The input is the length of the first (32 bits,
 * big-endian), the first, the second; each image is its number of sectors (16 bits) and pieces of
 * it: place in sectors (16 bits), length (16 bits), bytes.  All else in it is zero. */
#include <assert.h>
#include <string.h>

#include "compare/look_priv.h"

#define SECTOR 2048u
#define MOST 64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t image[2][MOST * SECTOR];

static struct span expand(struct span packed, uint8_t *to)
{
    struct cur c = cur_of(packed);
    uint16_t sectors, at, n;

    memset(to, 0, MOST * SECTOR);
    if (cur_u16(&c, &sectors) != 0 || sectors > MOST)
        return span_of(to, 0);
    while (cur_u16(&c, &at) == 0 && cur_u16(&c, &n) == 0 && at < sectors) {
        size_t room = (size_t)(sectors - at) * SECTOR, take = n < c.n ? n : c.n;

        take = take < room ? take : room;
        if (cur_copy(&c, to + (size_t)at * SECTOR, take) != 0)
            break;
    }
    return span_of(to, (size_t)sectors * SECTOR);
}

/* Every byte is counted once, and the class is the worst of what is below. */
static void check(const struct compare_node *n)
{
    assert(n->class < COMPARE_CLASSES);
    for (int side = 0; side < 2; side++) {
        uint64_t sum = 0;

        for (int c = 0; c < COMPARE_CLASSES; c++)
            sum += n->bytes[side][c];
        assert(sum == n->size[side]);
    }
    for (size_t i = 0; i < n->findings; i++)
        assert(n->finding[i].class <= n->class);
    for (size_t i = 0; i < n->children; i++) {
        assert(n->child[i]->class <= n->class);
        check(n->child[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct compare_options o = {
        .depth = 4, .members = 1000, .unpacked = 1 << 20, .memory = 1 << 19};
    struct cur c = cur_of(span_of(data, size));
    struct compare_node *n = NULL;
    struct look_budget budget;
    struct span a, b;
    uint32_t len;

    if (cur_u32(&c, &len) != 0 || cur_take(&c, len, &a) != 0)
        return 0;
    a = expand(a, image[0]);
    b = expand(span_of(c.p, c.n), image[1]);
    look_budget_init(&budget, &o);
    if (look_compare(&budget, a, b, "a", "b", &n) != 0)
        return 0;
    assert((n->class == COMPARE_IDENTICAL) == span_eq(a, b));
    assert(budget.memory == o.memory && budget.depth == o.depth);
    check(n);
    look_node_free(n);
    return 0;
}

/* Images of ISO 9660 in glarus compare.  The input is the length of the first (32 bits,
 * big-endian), the first, the second; each image is its number of sectors (16 bits) and pieces of
 * it: place in sectors (16 bits), length (16 bits), bytes.  All else in it is zero. */
#include "compare_pair.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct compare_options o = {
        .depth = 4, .members = 1000, .unpacked = 1 << 20, .memory = 1 << 19};
    struct span a, b;

    if (pair_of(data, size, &a, &b))
        look_node_free(pair_look(expand(a, image[0]), expand(b, image[1]), "a", "b", &o));
    return 0;
}

/* Bundles of leaves and names of tiles.  The first byte is the width, less one. */
#include <assert.h>
#include <string.h>

#include "ledger/tlog_tiles.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_path(struct span s)
{
    char again[TLOG_TILES_PATH_MAX];
    struct tlog_tile t;

    if (tlog_tiles_unpath(&t, s) != 0)
        return;
    assert(t.width >= 1 && t.width <= 256);
    tlog_tiles_path(again, &t);
    assert(span_is(s, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span leaf[256], rest;
    size_t sum = 0;
    unsigned width;

    try_path(span_of(data, size));
    if (size == 0)
        return 0;
    width = data[0] + 1u;
    rest = span_of(data + 1, size - 1);
    if (tlog_tiles_split(rest, width, true, leaf) == 0) {
        for (unsigned i = 0; i < width; i++) {
            assert(leaf[i].p == rest.p + sum + 2 && leaf[i].n <= CORE_LEAF_MAX);
            sum += 2 + leaf[i].n;
        }
        assert(sum == rest.n);
        /* all but the last are a part of it, and not all of it */
        assert(tlog_tiles_split(rest, width - 1, false, leaf) == 0);
        assert(tlog_tiles_split(rest, width - 1, true, leaf) != 0);
    }
    return 0;
}

/* A stream from another site.  The box's key is fixed, so that the corpus can hold streams that
 * open; the first byte says in which pieces the rest arrives. */
#include <assert.h>
#include <string.h>

#include "site/move_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int sink(void *arg, const void *p, size_t n)
{
    (void)p;
    *(uint64_t *)arg += n;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t key[32];
    const struct id128 move = {{1}}, sub = {{2}};
    const struct digest salt = {{3}};
    struct move_receiver *r = NULL;
    const struct move_meta *meta;
    uint64_t got = 0;
    size_t step;
    int rc = 0;

    if (size == 0)
        return 0;
    memset(key, 5, sizeof(key));
    step = (size_t)data[0] + 1;
    if (move_receiver_new(&r, key, &move, &sub, &salt) != 0)
        return 0;
    for (size_t at = 1; at < size && rc == 0; at += step)
        rc = move_receiver_data(r, data + at, size - at < step ? size - at : step, sink, &got);
    if (rc == 0 && move_receiver_end(r, &meta) == 0)
        assert(meta->size == got && meta->name_len <= 255 && strlen(meta->account) <= 64);
    move_receiver_free(r);
    return 0;
}

/* What is taken out, put together again, is the same text, as far as it could be read. */
#include "events/receipt_pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cur c = cur_of(span_of(data, size));
    struct span receipt;
    struct id128 sub;
    struct buf again;

    buf_init(&again, size + 64);
    while (receipt_pack_next(&c, &sub, &receipt, NULL) == 0)
        if (receipt_pack_put(&again, &sub, receipt) != 0)
            __builtin_trap();
    if (again.len != size - c.n || !span_eq(buf_span(&again), span_of(data, again.len)))
        __builtin_trap();
    buf_free(&again);
    return 0;
}

/* What is decoded, written again, is the same text. */
#include "events/receipt_extra.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct receipt_extra x;
    struct buf again;

    if (receipt_extra_decode(&x, span_of(data, size), NULL) != 0)
        return 0;
    buf_init(&again, RECEIPT_EXTRA_MAX);
    if (receipt_extra_encode(&x, &again, NULL) != 0 ||
        !span_eq(buf_span(&again), span_of(data, size)))
        __builtin_trap();
    buf_free(&again);
    receipt_extra_free(&x);
    return 0;
}

/* Offline proofs: what parses is written again as the same bytes, and verifies under no policy. */
#include <assert.h>
#include <string.h>

#include "ledger/tlog_proof.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct core_proof p;
    struct buf extra, again;

    if (tlog_proof_parse(&p, span_of(data, size), NULL) != 0)
        return 0;
    assert(p.n <= CORE_PROOF_MAX && p.checkpoint.p + p.checkpoint.n == data + size);
    buf_init(&extra, TLOG_PROOF_MAX);
    buf_init(&again, TLOG_PROOF_MAX);
    assert(tlog_proof_extra(&extra, &p, NULL) == 0 && (extra.len > 0) == p.has_extra);
    assert(tlog_proof_format(&again, buf_span(&extra), p.index, p.path, p.n, p.checkpoint, NULL) ==
           0);
    assert(again.len == size && memcmp(again.data, data, size) == 0);
    buf_free(&extra);
    buf_free(&again);
    return 0;
}

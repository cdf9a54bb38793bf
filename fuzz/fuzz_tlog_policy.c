/* Policies: what parses is within the limits, and more witnesses never make a quorum false. */
#include <assert.h>
#include <string.h>

#include "ledger/tlog_policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tlog_policy *p;
    struct err e = ERR_INIT;
    size_t n;

    if (tlog_policy_parse(&p, span_of(data, size), &e) != 0) {
        assert(e.code != 0 && e.text[0] != '\0');
        return 0;
    }
    n = tlog_policy_witness_count(p);
    assert(n <= TLOG_POLICY_MAX && tlog_policy_logs(p) <= TLOG_POLICY_MAX);
    assert(tlog_policy_quorum(p, ~UINT64_C(0)));
    for (size_t i = 0; i < n; i++) {
        tlog_witnesses one = UINT64_C(1) << i;

        assert(tlog_policy_find_witness(p, tlog_policy_witness_name(p, i)) == (int)i);
        assert(!tlog_policy_quorum(p, 0) || tlog_policy_quorum(p, one));
        assert(tlog_policy_quorum_without(p, one) == tlog_policy_quorum(p, ~one));
        assert(strlen(tlog_policy_witness_url(p, i)) <= size);
    }
    tlog_policy_free(p);
    return 0;
}

/* Signatures taken from one file for another: the input is the length of the signed one (32 bits,
 * big-endian), the signed one, the built one.  What is planned stays within both, takes an end of
 * the signed one and all of the built one; and a built one that is the signed one as it stands is
 * never planned. */
#include <assert.h>

#include "base/buf.h"
#include "compare/transplant.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cur c = cur_of(span_of(data, size));
    struct transplant t;
    struct span a, b;
    uint32_t len;

    if (cur_u32(&c, &len) != 0 || cur_take(&c, len, &a) != 0)
        return 0;
    b = span_of(c.p, c.n);
    assert(transplant_plan(&t, a, a) != NULL);
    if (transplant_plan(&t, a, b) != NULL)
        return 0;
    assert(t.format < TRANSPLANT_FORMATS && t.signatures > 0 && t.zeros < 8);
    assert(t.kept == b.n && t.n > 0 && t.n <= TRANSPLANT_MAX && t.at < a.n && t.at + t.n == a.n);
    assert(t.edits <= (t.format == TRANSPLANT_PE ? 2 : 0));
    for (unsigned i = 0; i < t.edits; i++)
        assert(t.edit[i].n <= 8 && t.edit[i].at < b.n && t.edit[i].n <= b.n - t.edit[i].at);
    return 0;
}

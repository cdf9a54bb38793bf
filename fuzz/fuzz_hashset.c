/* A hash set's source text. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "detect/hashset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hashset *h = NULL;
    struct err e = ERR_INIT;
    struct finding f;
    struct digest d;

    if (hashset_new(&h) != 0)
        return 0;
    finding_init(&f);
    if (hashset_add(h, "f", span_of(data, size), &e) == 0) {
        hashset_seal(h);
        memset(d.b, 0x11, sizeof(d.b));
        if (hashset_find(h, &d, &f) == 1)
            assert(f.verdict == VERDICT_MALICIOUS && f.hits > 0 && hashset_count(h) > 0);
    } else {
        assert(strncmp(err_text(&e), "f:", 2) == 0);
    }
    finding_done(&f);
    hashset_free(h);
    return 0;
}

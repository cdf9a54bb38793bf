/* The two bodies that strangers send as JSON. */
#include <assert.h>
#include <string.h>

#include "site/front_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span s = {data, size};
    struct err e = ERR_INIT;
    struct pm_open open;
    uint8_t sig[64];

    memset(&open, 0, sizeof(open));
    if (front_json_open(s, &open, &e) == 0) {
        assert(open.country[0] >= 'A' && open.country[1] <= 'Z' && open.country[2] == '\0');
        assert(open.kind < 3 && open.scope < 3 && open.has_statement <= 1);
        assert(front_json_order(s, sig, &e) != 0);
    }
    if (front_json_order(s, sig, &e) == 0)
        assert(size <= FRONT_JSON_MAX);
    return 0;
}

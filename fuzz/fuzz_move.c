/* Approvals of moves: what is accepted is written and read again as the same. */
#include <stdlib.h>
#include <string.h>

#include "residency/move.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct move_approval m = {.country = ""}, again = {.country = ""};
    struct err e = ERR_INIT;
    struct buf out;

    if (move_parse(&m, "m", span_of(data, size), &e) != 0) {
        if (strncmp(e.text, "m:", 2) != 0)
            abort();
        return 0;
    }
    buf_init(&out, 4096);
    if (move_write(&m, &out) != 0 || move_parse(&again, "m", buf_span(&out), NULL) != 0 ||
        strcmp(m.from, again.from) != 0 || strcmp(m.to, again.to) != 0 ||
        strcmp(m.country, again.country) != 0 || memcmp(&m.policy, &again.policy, 32) != 0)
        abort();
    buf_free(&out);
    return 0;
}

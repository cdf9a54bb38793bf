/* A packet from a peer: 1 byte phase, 1 byte descriptors, then the packet. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "jail/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct msg_type types[] = {
    {1, "ASK", MSG_A, 0, 0, 16, MSG_IN_PHASE(0)},
    {2, "GIVE", MSG_A, 2, 1, 8, MSG_IN_PHASE(1)},
    {3, "ANSWER", MSG_B, 0, 4, MSG_BODY_MAX, MSG_ANY_PHASE},
};
static const struct msg_protocol proto = {"fuzz", 0x74657374, 7, types, ARRAY_LEN(types), false};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = ERR_INIT;
    struct msg m;

    if (size < 2)
        return 0;
    for (unsigned side = MSG_A; side <= MSG_B; side++) {
        if (msg_parse(&proto, (enum msg_side)side, data[0], span_of(data + 2, size - 2), data[1],
                      &m, &e) != 0)
            continue;
        assert(m.type >= types && m.type < types + ARRAY_LEN(types));
        assert((m.type->from & side) != 0 && (m.type->phases & MSG_IN_PHASE(data[0])) != 0);
        assert(m.body.n >= m.type->min && m.body.n <= m.type->max);
        assert(m.body.p + m.body.n == data + size);
    }
    return 0;
}

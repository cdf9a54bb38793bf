/* What an engine and its client say to each other: the first byte chooses the message. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "detect/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(const struct buf *b, struct span s)
{
    assert(b->len == s.n && memcmp(b->data, s.p, s.n) == 0);
}

static void hello(struct span s, struct buf *again)
{
    struct detect_hello h;

    if (protocol_get_hello(s, &h) == 0 && protocol_put_hello(again, &h) == 0)
        same(again, s);
}

static void scan(struct span s, struct buf *again)
{
    static struct detect_scan m;

    if (protocol_get_scan(s, &m) == 0 && protocol_put_scan(again, &m) == 0)
        same(again, s);
}

static void answer(struct span s, struct buf *again)
{
    struct detect_answer a;

    finding_init(&a.finding);
    if (protocol_get_answer(s, &a) == 0 && protocol_put_answer(again, &a) == 0)
        same(again, s);
    finding_done(&a.finding);
}

static void bundle(struct span s, struct buf *again)
{
    struct protocol_file f;
    struct cur c = cur_of(s);

    while (protocol_bundle_next(&c, &f) == 1) {
        assert(f.content.p >= s.p && f.content.p + f.content.n <= s.p + s.n);
        assert(strlen(f.name) < sizeof(f.name));
    }
    (void)again;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const kinds[])(struct span, struct buf *) = {hello, scan, answer, bundle};
    struct buf again;

    if (size == 0)
        return 0;
    buf_init(&again, 1u << 20);
    kinds[data[0] % ARRAY_LEN(kinds)](span_of(data + 1, size - 1), &again);
    buf_free(&again);
    return 0;
}

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

static void rules(struct span s, struct buf *again)
{
    struct detect_rules m;

    if (protocol_get_rules(s, &m) == 0 && protocol_put_rules(again, &m) == 0)
        same(again, s);
}

/* The message, then the memory it is about: what the check lets pass must be readable. */
static void members(struct span s, struct buf *again)
{
    struct detect_members m;
    struct detect_member one;
    struct span memory;
    unsigned sum = 0;

    if (s.n < 16 || protocol_get_members(span_of(s.p, 16), &m) != 0)
        return;
    memory = span_of(s.p + 16, s.n - 16);
    if (m.size != memory.n || protocol_members_check(&m, memory.p, DETECT_BATCH_FILES) != 0)
        return;
    for (uint32_t i = 0; i < m.count; i++) {
        memcpy(&one, memory.p + i * sizeof(one), sizeof(one));
        for (uint64_t k = 0; k < one.size; k++)
            sum += memory.p[one.offset + k];
        for (uint32_t k = 0; k < one.name_len; k++)
            sum += memory.p[one.name_at + k];
        assert(one.parent <= i && one.file < m.next);
    }
    (void)sum;
    (void)again;
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
    static void (*const kinds[])(struct span, struct buf *) = {hello,  scan,  answer,
                                                               bundle, rules, members};
    struct buf again;

    if (size == 0)
        return 0;
    buf_init(&again, 1u << 20);
    kinds[data[0] % ARRAY_LEN(kinds)](span_of(data + 1, size - 1), &again);
    buf_free(&again);
    return 0;
}

/* A note of the journal: what is taken is written again byte by byte. */
#include <assert.h>
#include <string.h>

#include "site/keeper_notes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int put(struct buf *b, const struct note *n)
{
    switch (n->kind) {
    case NOTE_ACCEPT:
        return keeper_note_put_accept(b, &n->accept);
    case NOTE_END:
        return keeper_note_put_end(b, &n->end);
    case NOTE_SCAN:
        return keeper_note_put_scan(b, &n->scan);
    case NOTE_DOCUMENT:
        return keeper_note_put_document(b, &n->document);
    case NOTE_WITHDRAWN:
        return keeper_note_put_withdrawn(b, &n->withdrawn);
    case NOTE_RULES:
        return keeper_note_put_rules(b, &n->rules);
    case NOTE_MOVE:
        return keeper_note_put_move(b, &n->move);
    case NOTE_TREE:
        return keeper_note_put_tree(b, &n->tree);
    case NOTE_RENEWED:
        return keeper_note_put_renewed(b, &n->renewed);
    case NOTE_ROUND:
        return keeper_note_put_round(b, &n->round);
    case NOTE_TRIPPED:
        return keeper_note_put_tripped(b, &n->tripped);
    }
    return -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct note n;
    struct buf b;

    if (keeper_note_get(span_of(data, size), &n) != 0)
        return 0;
    buf_init(&b, size + 16);
    assert(put(&b, &n) == 0);
    keeper_note_set_leaf(&b, n.leaf);
    assert(b.len == size && memcmp(b.data, data, size) == 0);
    buf_free(&b);
    return 0;
}

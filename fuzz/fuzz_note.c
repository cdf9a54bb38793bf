/* Notes, verifier keys, checkpoints, cosignature lines: what parses lies inside the input, and what
 * we would write of it is the same bytes. */
#include <assert.h>
#include <string.h>

#include "ledger/note.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(struct span s, const uint8_t *data, size_t size)
{
    assert(s.n == 0 || (s.p >= data && s.p + s.n <= data + size));
}

static void try_vkey(struct span s)
{
    char again[CORE_VKEY_TEXT_MAX + 1];
    struct vkey k;

    if (core_vkey_parse(&note_crypto, s, &k) != 0)
        return;
    note_vkey_format(&k, again);
    assert(span_is(s, again));
}

static void try_checkpoint(struct span text)
{
    struct core_checkpoint c;
    char origin[CORE_ORIGIN_MAX + 1];
    struct buf b;

    if (core_checkpoint_parse(text, &c) != 0)
        return;
    inside(c.origin, text.p, text.n);
    inside(c.extensions, text.p, text.n);
    if (memchr(c.origin.p, '\0', c.origin.n) != NULL)
        return;
    memcpy(origin, c.origin.p, c.origin.n);
    origin[c.origin.n] = '\0';
    buf_init(&b, CORE_TEXT_MAX);
    assert(note_checkpoint_text(&b, origin, c.size, &c.root, NULL) == 0);
    assert(b.len + c.extensions.n == text.n && memcmp(b.data, text.p, b.len) == 0);
    buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span s = {data, size};
    struct core_note n;
    struct vkey k;
    size_t added;
    struct buf b;

    try_vkey(s);
    try_checkpoint(s);
    if (core_note_split(s, &n) == 0) {
        inside(n.text, data, size);
        assert(n.text.n + 1 + n.sigs.n == size && n.n > 0 && n.n <= CORE_SIGS_MAX);
        try_checkpoint(n.text);
        memset(&k, 0, sizeof(k));
        assert(n.sig[0].name.n > 0);
        if (n.sig[0].name.n <= CORE_NAME_MAX) {
            /* a key that answers to the first name and id: its signature is then looked at */
            memcpy(k.name, n.sig[0].name.p, n.sig[0].name.n);
            memcpy(k.id, n.sig[0].id, 4);
            k.type = size % 2 != 0 ? VKEY_ED25519 : VKEY_COSIGNATURE;
            assert(core_note_verify(&note_crypto, &n, &k, NULL) != CORE_ENOENT);
        }
        buf_init(&b, CORE_NOTE_MAX);
        if (buf_put(&b, data, size) == 0)
            assert(note_merge(&b, n.sigs, &k, 1, &added, NULL) != 0 || b.len == size);
        buf_free(&b);
    }
    (void)!core_sigs_split(s, &n);
    return 0;
}

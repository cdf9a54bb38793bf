/* Commit records of the vault's journal.  The length and the final hash are set right first, so
 * that the parser behind them is reached; the input as it is goes in too.  What is accepted and
 * written again is the same bytes. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/sha256.h"
#include "vault/record_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int again(struct record_draft *d, enum record_section s, struct cur *c)
{
    struct record_object o;
    struct record_slot sl;
    struct record_rewrap rw;
    struct record_note no;
    struct record_seal se;
    struct span leaf;
    struct id128 id;
    uint64_t epoch;
    uint32_t segment;
    uint8_t event;
    int rc;

    switch (s) {
    case RECORD_OBJECTS:
        rc = vault_record_object(c, &o);
        return rc != 0 ? rc : vault_record_add_object(d, &o.id, o.extents);
    case RECORD_SLOTS:
        rc = vault_record_slot(c, &sl);
        return rc != 0 ? rc : vault_record_add_slot(d, &sl);
    case RECORD_REWRAPS:
        rc = vault_record_rewrap(c, &rw);
        return rc != 0 ? rc : vault_record_add_rewrap(d, &rw);
    case RECORD_LEAVES:
        rc = vault_record_leaf(c, &leaf);
        return rc != 0 ? rc : vault_record_add_leaf(d, leaf);
    case RECORD_NOTES:
        rc = vault_record_note(c, &no);
        return rc != 0 ? rc : vault_record_add_note(d, &no);
    case RECORD_EPOCHS:
        rc = vault_record_epoch(c, &event, &epoch);
        return rc != 0 ? rc : vault_record_add_epoch(d, event, epoch);
    case RECORD_SEALS:
        rc = vault_record_seal(c, &se);
        return rc != 0 ? rc : vault_record_add_seal(d, &se);
    case RECORD_UNSEALS:
        rc = vault_record_unseal(c, &segment);
        return rc != 0 ? rc : vault_record_add_unseal(d, segment);
    case RECORD_DESTROYED:
    case RECORD_DROPPED:
        rc = vault_record_id(c, &id);
        return rc != 0 ? rc : vault_record_add_id(d, s, &id);
    case RECORD_SECTIONS:
        break;
    }
    return -1;
}

static void write_again(const struct record *r, struct span p)
{
    struct record_head h = r->head;
    struct record_draft d;
    struct buf out;
    int rc = 0;

    vault_record_draft_init(&d);
    buf_init(&out, RECORD_MAX + RECORD_ALIGN);
    for (int s = 0; s < RECORD_SECTIONS; s++) {
        struct cur c = r->sec[s].c;

        for (uint32_t i = 0; i < r->sec[s].n && rc == 0; i++)
            rc = again(&d, (enum record_section)s, &c);
        assert(rc == 0 && c.n == 0); /* parse promised well-formed entries */
    }
    rc = vault_record_seal_up(&d, &h, &out);
    assert(rc == 0 && h.self.length == p.n && out.len % RECORD_ALIGN == 0);
    assert(memcmp(out.data, p.p, p.n) == 0);
    vault_record_draft_free(&d);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct digest h;
    struct record r;
    uint8_t *p;

    if (vault_record_parse(span_of(data, size), &r) == 0)
        write_again(&r, span_of(data, r.head.self.length));
    if (size < RECORD_LEAST || size > RECORD_MAX)
        return 0;
    p = malloc(size);
    if (p == NULL)
        return 0;
    memcpy(p, data, size);
    for (int i = 0; i < 4; i++)
        p[16 + i] = (uint8_t)(size >> (24 - 8 * i));
    sha256_of(p, size - 32, &h);
    memcpy(p + size - 32, h.b, 32);
    if (vault_record_parse(span_of(p, size), &r) == 0)
        write_again(&r, span_of(p, size));
    free(p);
    return 0;
}

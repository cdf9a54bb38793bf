/* elf_frame.c - the records of .eh_frame (LSB Core 5.0, 10.6.1): where functions begin and end. */
#include <string.h>

#include "compare/elf_priv.h"

#define PCREL 0x10u
#define FORM 0x0fu

/* The bytes of a pointer of an encoding; 0: not supported. */
static unsigned width(const struct elf_file *f, unsigned enc)
{
    switch (enc & FORM) {
    case 0x00:
        return f->wide ? 8 : 4;
    case 0x02:
    case 0x0a:
        return 2;
    case 0x03:
    case 0x0b:
        return 4;
    case 0x04:
    case 0x0c:
        return 8;
    default:
        return 0;
    }
}

static uint64_t signed_of(uint64_t v, unsigned n)
{
    const uint64_t sign = UINT64_C(1) << (8 * n - 1);

    return n == 8 ? v : (v ^ sign) - sign;
}

static bool leb(const struct elf_file *f, uint64_t *at, uint64_t end, uint64_t *out)
{
    *out = 0;
    for (unsigned shift = 0; *at < end && shift < 63; shift += 7) {
        uint8_t c = f->all.p[(*at)++];

        *out |= (uint64_t)(c & 0x7f) << shift;
        if ((c & 0x80) == 0)
            return true;
    }
    return false;
}

/* The encoding of the pointers in the FDEs of the CIE at at; false if it is not understood. */
static bool cie_encoding(const struct elf_file *f, uint64_t at, uint64_t end, unsigned *enc)
{
    struct span aug;
    uint64_t v;

    *enc = 0;
    at += 9; /* length, id, version */
    if (at >= end)
        return false;
    aug = elf_string(span_of(f->all.p, (size_t)end), at);
    at += aug.n + 1;
    if (aug.n == 0)
        return true;
    if (aug.p[0] != 'z' || !leb(f, &at, end, &v) || !leb(f, &at, end, &v) ||
        !leb(f, &at, end, &v) || !leb(f, &at, end, &v)) /* alignments, register, length */
        return false;
    for (size_t i = 1; i < aug.n && at < end; i++) {
        if (aug.p[i] == 'R') {
            *enc = f->all.p[at];
            return true;
        }
        if (aug.p[i] == 'P')
            at += 1 + width(f, f->all.p[at]);
        else if (aug.p[i] == 'L')
            at++;
        else if (aug.p[i] != 'S' && aug.p[i] != 'B')
            return false;
    }
    return true;
}

static void fde(const struct elf_file *f, const struct elf_section *s, struct elf_record *r)
{
    const uint64_t cie = r->at + 4 - elf_get(f, r->at + 4, 4);
    unsigned enc;

    if (cie < s->off || cie + 13 > s->off + s->size || cie >= r->at ||
        !cie_encoding(f, cie, s->off + s->size, &enc))
        return;
    r->pc_n = width(f, enc);
    if (r->pc_n == 0 || (enc & 0x60) != 0 || r->n < 8 + 2 * (uint64_t)r->pc_n) {
        r->pc_n = 0;
        return;
    }
    r->pc_at = r->at + 8;
    r->pc = elf_get(f, r->pc_at, r->pc_n);
    if ((enc & 0x08) != 0 || (enc & PCREL) != 0)
        r->pc = signed_of(r->pc, r->pc_n);
    if ((enc & 0x70) == PCREL)
        r->pc += s->addr + (r->pc_at - s->off);
    if (!f->wide)
        r->pc &= UINT32_MAX;
    r->range = elf_get(f, r->pc_at + r->pc_n, r->pc_n);
}

bool elf_frame_next(const struct elf_file *f, const struct elf_section *s, uint64_t *at,
                    struct elf_record *out)
{
    const uint64_t end = s->off + s->size;
    uint64_t n;

    if (!elf_content(s) || *at > s->size || s->size - *at < 4)
        return false;
    *out = (struct elf_record){.at = s->off + *at};
    n = elf_get(f, out->at, 4);
    if (n == UINT32_MAX || n > end - out->at - 4) /* of 64 bits, or cut */
        return false;
    out->n = 4 + n;
    *at += out->n;
    if (n >= 4 && elf_get(f, out->at + 4, 4) != 0)
        fde(f, s, out);
    return true;
}

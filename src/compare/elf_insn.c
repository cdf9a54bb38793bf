/* elf_insn.c - how long an instruction is, and which of its bytes say where it leads: x86-64 by the
 * tables of opcodes (Intel SDM volume 2, appendix A), arm64 by the classes of its words (Arm ARM,
 * C4.1).  Enough to compare code that was moved, at the speed of reading it; a disassembler is
 * asked only for what differs. */
#include <string.h>

#include "compare/elf_priv.h"

bool elf_insn_known(uint16_t machine)
{
    return machine == EM_X86_64 || machine == EM_AARCH64;
}

static uint64_t get(const uint8_t *p, unsigned n)
{
    uint64_t v = 0;

    for (unsigned i = n; i > 0; i--)
        v = v << 8 | p[i - 1];
    return v;
}

static uint64_t extend(uint64_t v, unsigned bits)
{
    const uint64_t sign = UINT64_C(1) << (bits - 1);

    return (v ^ sign) - sign;
}

/* --- x86-64 --- */

enum {         /* what follows an opcode */
       M = 1,  /* ModRM */
       I8 = 2, /* a byte */
       IZ = 4, /* 4 bytes, 2 with an operand size prefix */
       IV = 8, /* as IZ, 8 with REX.W */
       I16 = 16,
       R8 = 32, /* where it leads, a byte */
       R32 = 64,
       BAD = 128
};

/* Runs of opcodes, ended by the last one. */
struct run {
    uint8_t last, what;
};

static const struct run one_byte[] = {
    {0x03, M},      {0x04, I8},     {0x05, IZ},     {0x07, BAD},      {0x0b, M},   {0x0c, I8},
    {0x0d, IZ},     {0x0f, BAD},    {0x13, M},      {0x14, I8},       {0x15, IZ},  {0x17, BAD},
    {0x1b, M},      {0x1c, I8},     {0x1d, IZ},     {0x1f, BAD},      {0x23, M},   {0x24, I8},
    {0x25, IZ},     {0x27, BAD},    {0x2b, M},      {0x2c, I8},       {0x2d, IZ},  {0x2f, BAD},
    {0x33, M},      {0x34, I8},     {0x35, IZ},     {0x37, BAD},      {0x3b, M},   {0x3c, I8},
    {0x3d, IZ},     {0x4f, BAD},    {0x5f, 0},      {0x62, BAD},      {0x63, M},   {0x67, BAD},
    {0x68, IZ},     {0x69, M | IZ}, {0x6a, I8},     {0x6b, M | I8},   {0x6f, 0},   {0x7f, R8},
    {0x80, M | I8}, {0x81, M | IZ}, {0x82, BAD},    {0x83, M | I8},   {0x8f, M},   {0x99, 0},
    {0x9a, BAD},    {0x9f, 0},      {0xa3, 0},      {0xa7, 0},        {0xa8, I8},  {0xa9, IZ},
    {0xaf, 0},      {0xb7, I8},     {0xbf, IV},     {0xc1, M | I8},   {0xc2, I16}, {0xc3, 0},
    {0xc5, BAD},    {0xc6, M | I8}, {0xc7, M | IZ}, {0xc8, I16 | I8}, {0xc9, 0},   {0xca, I16},
    {0xcc, 0},      {0xcd, I8},     {0xce, BAD},    {0xcf, 0},        {0xd3, M},   {0xd6, BAD},
    {0xd7, 0},      {0xdf, M},      {0xe3, R8},     {0xe7, I8},       {0xe9, R32}, {0xea, BAD},
    {0xeb, R8},     {0xef, 0},      {0xf0, BAD},    {0xf1, 0},        {0xf3, BAD}, {0xf5, 0},
    {0xf7, M},      {0xfd, 0},      {0xff, M},
};

static const struct run two_byte[] = {
    /* after 0f */
    {0x03, M},      {0x04, BAD},    {0x09, 0},      {0x0a, BAD}, {0x0b, 0},      {0x0c, BAD},
    {0x0d, M},      {0x0e, 0},      {0x0f, M | I8}, {0x23, M},   {0x27, BAD},    {0x2f, M},
    {0x35, 0},      {0x36, BAD},    {0x37, 0},      {0x3f, BAD}, {0x6f, M},      {0x73, M | I8},
    {0x76, M},      {0x77, 0},      {0x7f, M},      {0x8f, R32}, {0x9f, M},      {0xa2, 0},
    {0xa3, M},      {0xa4, M | I8}, {0xa5, M},      {0xa7, BAD}, {0xaa, 0},      {0xab, M},
    {0xac, M | I8}, {0xb9, M},      {0xba, M | I8}, {0xc1, M},   {0xc2, M | I8}, {0xc3, M},
    {0xc6, M | I8}, {0xc7, M},      {0xcf, 0},      {0xff, M},
};

static uint8_t look_up(const struct run *r, uint8_t op)
{
    while (r->last < op)
        r++;
    return r->what;
}

struct x86 {
    struct span s;
    unsigned at;
    uint8_t rex, op, what;
    bool size16, addr32, vector, first; /* first: of the one-byte opcodes */
};

static bool prefix(struct x86 *x, uint8_t c)
{
    x->size16 = x->size16 || c == 0x66;
    x->addr32 = x->addr32 || c == 0x67;
    return c == 0x66 || c == 0x67 || c == 0xf0 || c == 0xf2 || c == 0xf3 || c == 0x2e ||
           c == 0x36 || c == 0x3e || c == 0x26 || c == 0x64 || c == 0x65;
}

/* The opcode of VEX (c4, c5) and EVEX (62): maps 1, 2, 3 are 0f, 0f38, 0f3a; 5 and 6 as 2. */
static bool vector(struct x86 *x, unsigned payload, unsigned map)
{
    if (x->at + payload + 1 >= x->s.n)
        return false;
    x->op = x->s.p[x->at + payload + 1];
    x->at += payload + 2;
    x->vector = true;
    x->what = map == 1                           ? look_up(two_byte, x->op)
              : map == 3                         ? (uint8_t)(M | I8)
              : map == 2 || map == 5 || map == 6 ? (uint8_t)M
                                                 : (uint8_t)BAD;
    if (map == 1 && (x->what & R32) != 0)
        x->what = M; /* 0f 80 and on are mask instructions there */
    return x->what != BAD;
}

static bool opcode(struct x86 *x)
{
    const uint8_t *p = x->s.p;

    while (x->at < x->s.n && x->at < 14 && prefix(x, p[x->at]))
        x->at++;
    if (x->at < x->s.n && (p[x->at] & 0xf0) == 0x40)
        x->rex = p[x->at++];
    if (x->at + 3 < x->s.n && p[x->at] == 0xc5)
        return vector(x, 1, 1);
    if (x->at + 3 < x->s.n && p[x->at] == 0xc4)
        return vector(x, 2, p[x->at + 1] & 31);
    if (x->at + 4 < x->s.n && p[x->at] == 0x62)
        return vector(x, 3, p[x->at + 1] & 7);
    if (x->at >= x->s.n)
        return false;
    x->op = p[x->at++];
    if (x->op != 0x0f) {
        x->first = true;
        x->what = look_up(one_byte, x->op);
        return x->what != BAD;
    }
    if (x->at >= x->s.n)
        return false;
    x->op = p[x->at++];
    if (x->op == 0x38 || x->op == 0x3a) {
        x->what = x->op == 0x38 ? M : M | I8;
        return x->at++ < x->s.n;
    }
    x->what = look_up(two_byte, x->op);
    return x->what != BAD;
}

/* ModRM, SIB and displacement; notes one that is relative to the instruction. */
static bool operands(struct x86 *x, struct elf_insn *out)
{
    uint8_t modrm, mod, rm;

    if (x->at >= x->s.n)
        return false;
    modrm = x->s.p[x->at++];
    mod = modrm >> 6;
    rm = modrm & 7;
    if (x->first && (x->op == 0xf6 || x->op == 0xf7) && (modrm & 0x38) <= 8)
        x->what |= x->op == 0xf6 ? I8 : IZ;
    if (mod == 3)
        return true;
    if (rm == 4) {
        if (x->at >= x->s.n)
            return false;
        if ((x->s.p[x->at++] & 7) == 5 && mod == 0)
            x->at += 4;
    } else if (rm == 5 && mod == 0) {
        out->ref_at = (uint8_t)x->at;
        out->ref_n = 4;
        x->at += 4;
    }
    x->at += mod == 1 ? 1 : mod == 2 ? 4 : 0;
    return true;
}

static void number(struct x86 *x, struct elf_insn *out, unsigned n)
{
    out->imm_at = (uint8_t)x->at;
    out->imm_n = (uint8_t)n;
    x->at += n;
}

static void immediates(struct x86 *x, struct elf_insn *out)
{
    const bool w = (x->rex & 8) != 0;

    if ((x->what & I16) != 0)
        number(x, out, 2);
    if ((x->what & I8) != 0)
        number(x, out, 1);
    if ((x->what & IZ) != 0)
        number(x, out, x->size16 && !w ? 2 : 4);
    if ((x->what & IV) != 0)
        number(x, out, w ? 8 : x->size16 ? 2 : 4);
    if (x->first && x->op >= 0xa0 && x->op <= 0xa3)
        number(x, out, x->addr32 ? 4 : 8);
    if ((x->what & (R8 | R32)) != 0) {
        out->ref_at = (uint8_t)x->at;
        out->ref_n = (x->what & R8) != 0 ? 1 : 4;
        x->at += out->ref_n;
    }
}

static void x86(struct span s, uint64_t addr, struct elf_insn *out)
{
    struct x86 x = {.s = span_of(s.p, s.n < 15 ? s.n : 15)};

    if (!opcode(&x) || ((x.what & M) != 0 && !operands(&x, out)))
        return;
    immediates(&x, out);
    if (x.at > x.s.n)
        return;
    out->len = (uint8_t)x.at;
    if (out->ref_n > 0) {
        out->ref = ELF_REF;
        out->target = addr + x.at + extend(get(s.p + out->ref_at, out->ref_n), 8u * out->ref_n);
    }
    if (out->imm_n > 0)
        out->imm = get(s.p + out->imm_at, out->imm_n);
}

/* --- arm64 --- */

struct branch {
    uint32_t mask, is, field;
    unsigned shift, bits;
};
static const struct branch branches[] = {
    {0x7c000000, 0x14000000, 0x03ffffff, 0, 26}, /* B, BL */
    {0xff000010, 0x54000000, 0x00ffffe0, 5, 19}, /* B.cond */
    {0x7e000000, 0x34000000, 0x00ffffe0, 5, 19}, /* CBZ, CBNZ */
    {0x7e000000, 0x36000000, 0x0007ffe0, 5, 14}, /* TBZ, TBNZ */
    {0x3b000000, 0x18000000, 0x00ffffe0, 5, 19}, /* LDR literal */
};

static void low_bits(uint32_t w, struct elf_insn *out)
{
    const unsigned vector = w >> 26 & 1, opc = w >> 22 & 3;
    unsigned scale = w >> 30;

    if ((w & 0xffc00000) == 0x91000000) { /* ADD, 64 bit, not shifted */
        scale = 0;
    } else if ((w & 0x3b000000) == 0x39000000) { /* LDR, STR, unsigned offset */
        scale = vector == 1 && scale == 0 && opc >= 2 ? 4 : scale;
    } else {
        return;
    }
    out->ref = ELF_LOW;
    out->reg = (uint8_t)(w >> 5 & 31);
    out->mask = 0x003ffc00;
    out->target = (uint64_t)(w >> 10 & 0xfff) << scale;
}

static void arm64(struct span s, uint64_t addr, struct elf_insn *out)
{
    uint32_t w;

    if (s.n < 4)
        return;
    w = (uint32_t)get(s.p, 4);
    out->len = 4;
    for (size_t i = 0; i < ARRAY_LEN(branches); i++) {
        const struct branch *b = &branches[i];

        if ((w & b->mask) != b->is)
            continue;
        out->ref = ELF_REF;
        out->mask = b->field;
        out->target = addr + 4 * extend((w & b->field) >> b->shift, b->bits);
        return;
    }
    if ((w & 0x1f000000) == 0x10000000) { /* ADR, ADRP */
        uint64_t v = extend((uint64_t)(w >> 5 & 0x7ffff) << 2 | (w >> 29 & 3), 21);

        out->ref = w >> 31 == 0 ? ELF_REF : ELF_PAGE;
        out->mask = 0x60ffffe0;
        out->reg = (uint8_t)(w & 31);
        out->target = w >> 31 == 0 ? addr + v : (addr & ~UINT64_C(0xfff)) + (v << 12);
        return;
    }
    if ((w & 0x1f800000) == 0x12800000) { /* MOVN, MOVZ, MOVK */
        out->imm_n = 2;
        out->imm = w >> 5 & 0xffff;
        out->imm_mask = 0x001fffe0;
    } else if ((w & 0x1fc00000) == 0x11000000) { /* ADD, SUB, CMP, CMN, not shifted */
        out->imm_n = 2;
        out->imm = w >> 10 & 0xfff;
        out->imm_mask = 0x003ffc00;
    }
    low_bits(w, out);
}

void elf_insn(uint16_t machine, struct span s, uint64_t addr, struct elf_insn *out)
{
    *out = (struct elf_insn){0};
    if (machine == EM_X86_64)
        x86(s, addr, out);
    else if (machine == EM_AARCH64)
        arm64(s, addr, out);
}

/* --- two of them --- */

static bool but_for(const uint8_t *a, const uint8_t *b, unsigned len, unsigned at, unsigned n)
{
    return memcmp(a, b, at) == 0 && memcmp(a + at + n, b + at + n, len - at - n) == 0;
}

bool elf_insn_alike(uint16_t machine, const uint8_t *a, const uint8_t *b, const struct elf_insn *ia,
                    const struct elf_insn *ib)
{
    if (ia->len == 0 || ia->len != ib->len || ia->ref != ib->ref)
        return false;
    if (machine == EM_AARCH64)
        return ia->mask == ib->mask && ((get(a, 4) ^ get(b, 4)) & ~(uint64_t)ia->mask) == 0;
    return ia->ref_at == ib->ref_at && ia->ref_n == ib->ref_n &&
           but_for(a, b, ia->len, ia->ref_at, ia->ref_n);
}

bool elf_insn_number(uint16_t machine, const uint8_t *a, const uint8_t *b,
                     const struct elf_insn *ia, const struct elf_insn *ib)
{
    if (ia->len == 0 || ia->len != ib->len || ia->imm_n == 0 || ia->imm_n != ib->imm_n)
        return false;
    if (machine == EM_AARCH64)
        return ia->ref == ELF_NO_REF && ib->ref == ELF_NO_REF && ia->imm_mask == ib->imm_mask &&
               ((get(a, 4) ^ get(b, 4)) & ~(uint64_t)ia->imm_mask) == 0;
    return ia->imm_at == ib->imm_at && but_for(a, b, ia->len, ia->imm_at, ia->imm_n);
}

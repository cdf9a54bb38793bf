/* Lengths and references of instructions, against a disassembler: every instruction of programs of
 * this machine; arm64 by words assembled by hand from the manual's tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <capstone/capstone.h>

#include "base/io.h"
#include "compare/elf_priv.h"

/* The address an x86 instruction leads to, as capstone says it; 0: nowhere. */
static uint64_t leads_to(const cs_insn *i)
{
    const cs_x86 *x = &i->detail->x86;

    for (unsigned k = 0; k < x->op_count; k++) {
        if (x->operands[k].type == X86_OP_MEM && x->operands[k].mem.base == X86_REG_RIP)
            return i->address + i->size + (uint64_t)x->operands[k].mem.disp;
        if (x->operands[k].type == X86_OP_IMM && x->op_count == 1 &&
            (cs_insn_group(0, i, X86_GRP_JUMP) || cs_insn_group(0, i, X86_GRP_CALL)))
            return (uint64_t)x->operands[k].imm;
    }
    return 0;
}

static size_t code_agrees(const char *path)
{
    const char *why = "";
    struct elf_file f;
    struct buf b;
    const struct elf_section *s;
    csh h;
    cs_insn *i;
    size_t n = 0;

    buf_init(&b, 64u << 20);
    if (io_read_file(AT_FDCWD, path, &b) != 0 || elf_read(&f, buf_span(&b), &why) != 0 ||
        f.machine != EM_X86_64) {
        buf_free(&b);
        return 0;
    }
    s = elf_named(&f, ".text");
    assert_non_null(s);
    assert_int_equal(cs_open(CS_ARCH_X86, CS_MODE_64, &h), CS_ERR_OK);
    assert_int_equal(cs_option(h, CS_OPT_DETAIL, CS_OPT_ON), CS_ERR_OK);
    i = cs_malloc(h);
    for (uint64_t at = 0; at < s->size;) {
        const uint8_t *p = b.data + s->off + at;
        size_t left = (size_t)(s->size - at);
        uint64_t addr = s->addr + at;
        struct elf_insn x;

        elf_insn(EM_X86_64, span_of(p, left), addr, &x);
        if (!cs_disasm_iter(h, &p, &left, &addr, i)) { /* one it does not know */
            at += x.len > 0 ? x.len : 1;
            continue;
        }
        if (x.len != i->size)
            fail_msg("%s: %s %s at %lx: %u bytes, not %u", path, i->mnemonic, i->op_str,
                     (unsigned long)i->address, i->size, x.len);
        if (x.ref == ELF_REF && leads_to(i) != 0 && leads_to(i) != x.target)
            fail_msg("%s: %s %s at %lx leads to %lx, not %lx", path, i->mnemonic, i->op_str,
                     (unsigned long)i->address, (unsigned long)leads_to(i),
                     (unsigned long)x.target);
        if (x.ref == ELF_NO_REF && leads_to(i) != 0)
            fail_msg("%s: %s %s leads somewhere", path, i->mnemonic, i->op_str);
        at += i->size;
        n++;
    }
    cs_free(i, 1);
    (void)cs_close(&h);
    elf_done(&f);
    buf_free(&b);
    return n;
}

static void x86_lengths_and_references_are_those_of_a_disassembler(void **state)
{
    (void)state;
    if (code_agrees("/proc/self/exe") == 0)
        skip();                                           /* another machine */
    (void)code_agrees("/lib/x86_64-linux-gnu/libm.so.6"); /* vectors of all sizes */
    (void)code_agrees("/lib/x86_64-linux-gnu/libc.so.6");
}

static struct elf_insn arm(uint32_t w, uint64_t addr)
{
    const uint8_t b[4] = {(uint8_t)w, (uint8_t)(w >> 8), (uint8_t)(w >> 16), (uint8_t)(w >> 24)};
    struct elf_insn x;

    elf_insn(EM_AARCH64, span_of(b, 4), addr, &x);
    return x;
}

static void arm64_words_lead_where_the_manual_says(void **state)
{
    static const struct {
        uint32_t word;
        enum elf_ref ref;
        uint64_t target;
    } v[] = {
        {0x94000002, ELF_REF, 0x10008},  /* bl +8 */
        {0x17ffffff, ELF_REF, 0xfffc},   /* b -4 */
        {0x54000040, ELF_REF, 0x10008},  /* b.eq +8 */
        {0xb4ffffe0, ELF_REF, 0xfffc},   /* cbz x0, -4 */
        {0x36080040, ELF_REF, 0x10008},  /* tbz w0, #1, +8 */
        {0x58000040, ELF_REF, 0x10008},  /* ldr x0, +8 */
        {0x10000040, ELF_REF, 0x10008},  /* adr x0, +8 */
        {0xb0000003, ELF_PAGE, 0x11000}, /* adrp x3, +1 page */
        {0x91048063, ELF_LOW, 0x120},    /* add x3, x3, #0x120 */
        {0xf9400860, ELF_LOW, 0x10},     /* ldr x0, [x3, #0x10] */
        {0xb9400c60, ELF_LOW, 0xc},      /* ldr w0, [x3, #0xc] */
        {0x3dc00460, ELF_LOW, 0x10},     /* ldr q0, [x3, #0x10] */
        {0xd503201f, ELF_NO_REF, 0},     /* nop */
        {0xd65f03c0, ELF_NO_REF, 0},     /* ret */
        {0x8b030000, ELF_NO_REF, 0},     /* add x0, x0, x3 */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        struct elf_insn x = arm(v[i].word, 0x10000);

        if (x.len != 4 || x.ref != v[i].ref || x.target != v[i].target)
            fail_msg("%08x: %d to %lx", v[i].word, (int)x.ref, (unsigned long)x.target);
    }
    assert_int_equal(arm(0x5280fcc0, 0).imm, 0x7e6); /* mov w0, #0x7e6 */
    assert_int_equal(arm(0x111f9800, 0).imm, 0x7e6); /* add w0, w0, #0x7e6 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(x86_lengths_and_references_are_those_of_a_disassembler),
        cmocka_unit_test(arm64_words_lead_where_the_manual_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

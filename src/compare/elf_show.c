/* elf_show.c - instructions as text, by capstone. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <capstone/capstone.h>

#include "compare/elf_priv.h"

#define SHOWN_BYTES 64u

static size_t add(char *out, size_t room, size_t at, const char *text)
{
    size_t n = strlen(text), left = room - 1 - at;

    n = n < left ? n : left;
    memcpy(out + at, text, n);
    out[at + n] = '\0';
    return at + n;
}

static void hex(struct span s, char *out, size_t room)
{
    size_t at = 0;
    char two[4];

    for (size_t i = 0; i < s.n && i < 16 && at + 4 < room; i++) {
        (void)snprintf(two, sizeof(two), "%02x ", s.p[i]);
        at = add(out, room, at, two);
    }
}

const char *elf_show(uint16_t machine, struct span s, uint64_t addr, char *out, size_t room)
{
    const struct span some = span_of(s.p, s.n < SHOWN_BYTES ? s.n : SHOWN_BYTES);
    cs_insn *v = NULL;
    char text[sizeof(v->mnemonic) + sizeof(v->op_str) + 4];
    size_t n = 0, at = 0, done = 0;
    csh h;

    out[0] = '\0';
    if (s.n == 0)
        return memcpy(out, "nothing", sizeof("nothing"));
    if (cs_open(machine == EM_AARCH64 ? CS_ARCH_ARM64 : CS_ARCH_X86,
                machine == EM_AARCH64 ? CS_MODE_ARM : CS_MODE_64, &h) != CS_ERR_OK) {
        hex(some, out, room);
        return out;
    }
    n = cs_disasm(h, some.p, some.n, addr, 0, &v);
    for (size_t i = 0; i < n && at + 8 < room; i++) {
        (void)snprintf(text, sizeof(text), "%s%s%s%s", i > 0 ? "; " : "", v[i].mnemonic,
                       v[i].op_str[0] != '\0' ? " " : "", v[i].op_str);
        at = add(out, room, at, text);
        done += v[i].size;
    }
    if (n == 0)
        hex(some, out, room);
    else if (done < s.n)
        (void)add(out, room, at, "; ...");
    cs_free(v, n);
    (void)cs_close(&h);
    return out;
}

/* elf_show.c - instructions as text, by capstone.  The library is loaded when it is wanted: it
 * would be a fourth of the start of a program that compares, and most never show an instruction. */
#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <capstone/capstone.h>

#include "compare/elf_priv.h"

#define SHOWN_BYTES 64u
#define TEXT_(n) #n
#define TEXT(n) TEXT_(n)
#define LIBRARY "libcapstone.so." TEXT(CS_API_MAJOR)

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct {
    __typeof__(cs_open) *open;
    __typeof__(cs_disasm) *disasm;
    __typeof__(cs_free) *free;
    __typeof__(cs_close) *close;
    bool there;
} cs;

static void load(void)
{
    void *lib = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

    if (lib == NULL)
        return;
    cs.open = (__typeof__(cs.open))dlsym(lib, "cs_open");
    cs.disasm = (__typeof__(cs.disasm))dlsym(lib, "cs_disasm");
    cs.free = (__typeof__(cs.free))dlsym(lib, "cs_free");
    cs.close = (__typeof__(cs.close))dlsym(lib, "cs_close");
    cs.there = cs.open != NULL && cs.disasm != NULL && cs.free != NULL && cs.close != NULL;
}

int elf_show_load(struct err *e)
{
    (void)pthread_once(&once, load);
    return cs.there ? 0 : err_set(e, -ENOENT, "the library \"" LIBRARY "\" is missing: install it");
}

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
    if (elf_show_load(NULL) != 0 ||
        cs.open(machine == EM_AARCH64 ? CS_ARCH_ARM64 : CS_ARCH_X86,
                machine == EM_AARCH64 ? CS_MODE_ARM : CS_MODE_64, &h) != CS_ERR_OK) {
        hex(some, out, room);
        return out;
    }
    n = cs.disasm(h, some.p, some.n, addr, 0, &v);
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
    cs.free(v, n);
    (void)cs.close(&h);
    return out;
}

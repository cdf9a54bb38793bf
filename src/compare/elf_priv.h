/* elf_priv.h - an ELF file read within its bounds, a pair of them, and where in B lies what lies
 * somewhere in A.
 *
 *   elf_read.c   the tables of one file        elf_map.c   the correspondence of addresses
 *   elf.c        headers, padding              elf_part.c  a section by its type; notes, idents
 *   elf_list.c   relocations and other lists   elf_names.c symbols, tables of names
 *   elf_data.c   data, and texts in it
 *   elf_func.c   functions: found, matched     elf_code.c  the instructions of two functions
 *   elf_frame.c  records of .eh_frame
 *   elf_insn.c   lengths and references        elf_show.c  an instruction as text (capstone)
 *
 * An address is never compared as a number where it can be compared as what it leads to: two
 * addresses correspond when they lie at one place of one section, of one function, of one run of
 * bytes that both files have (elf_leads).  A number that differs and corresponds is DERIVED. */
#ifndef COMPARE_ELF_PRIV_H
#define COMPARE_ELF_PRIV_H

#include <elf.h>

#include "compare/look_priv.h"

#define ELF_NAME 96u /* of a name, as shown */

struct elf_block { /* bytes of a section that are one thing on both sides; offsets in it */
    uint64_t a, b, na, nb;
};

struct elf_section {
    struct span name;
    uint32_t type, link, info;
    uint64_t flags, addr, off, size, align, entsize;
    uint64_t head;         /* where its header lies */
    bool shared;           /* its bytes are something else's too, or are loaded from elsewhere */
    bool outside;          /* it does not lie in the file; it has no content then */
    long peer;             /* in the other file; -1: not there */
    struct elf_block *map; /* of A's; sorted by a.  NULL: offsets correspond as they are */
    size_t maps;
};

struct elf_segment {
    uint32_t type, flags;
    uint64_t off, vaddr, paddr, filesz, memsz, align;
};

struct elf_file {
    struct span all;
    bool wide, big; /* 64 bit, big-endian */
    uint16_t type, machine;
    uint64_t entry, phoff, shoff;
    size_t ehsize, phentsize, shentsize, names;
    struct elf_section *section;
    size_t sections;
    struct elf_segment *segment;
    size_t segments;
    size_t *loaded; /* sections that have addresses, by them */
    size_t loads;
};

struct elf_func {
    uint64_t off, n; /* in its section */
    uint64_t tail;   /* bytes between its end and the next */
    struct span name;
    long peer;
};
struct elf_funcs {
    struct elf_func *v;
    size_t n;
    uint64_t head; /* bytes before the first */
};

struct elf_base { /* an address that code takes, on both sides */
    uint64_t a, b;
};

struct elf_pair {
    struct look *l;
    struct elf_file f[2];
    bool shifted;          /* any content lies elsewhere in the file */
    bool moved;            /* anything lies at another address */
    struct elf_base *base; /* of data, by a once they are asked for */
    size_t bases, base_room;
    bool sorted;
    struct elf_funcs (*code)[2]; /* of A's section of the same index, and of its peer */
};

/* 0; -EBADMSG with *why a literal; -ENOMEM.  elf_done in any case. */
MUST_CHECK int elf_read(struct elf_file *f, struct span all, const char **why);
void elf_done(struct elf_file *f);
uint64_t elf_get(const struct elf_file *f, uint64_t at, unsigned n); /* 0 outside of the file */
uint64_t elf_field(const struct elf_file *f, uint64_t at, unsigned at64, unsigned n64,
                   unsigned at32, unsigned n32);
bool elf_content(const struct elf_section *s); /* has bytes in the file */
struct span elf_bytes(const struct elf_file *f, const struct elf_section *s);
struct span elf_string(struct span table, uint64_t at); /* without its NUL; empty outside */
const struct elf_section *elf_named(const struct elf_file *f, const char *name);
/* As text: printable ASCII, else '?', cut. */
const char *elf_text(char out[ELF_NAME], struct span name);

struct elf_symbol {
    struct span name;
    uint32_t at; /* of its name in the table */
    uint64_t value, size;
    uint8_t info, other;
    uint32_t shndx;
};
/* The i-th entry of the symbol table s; false beyond it. */
bool elf_symbol(const struct elf_file *f, const struct elf_section *s, uint64_t i,
                struct elf_symbol *out);
uint64_t elf_symbols(const struct elf_file *f, const struct elf_section *s);

/* Whether address a of A is address b of B. */
bool elf_leads(const struct elf_pair *p, uint64_t a, uint64_t b);
/* Offset a of A's section s corresponds to b of its peer. */
bool elf_offset_leads(const struct elf_pair *p, const struct elf_section *s, uint64_t a,
                      uint64_t b);
MUST_CHECK int elf_base_add(struct elf_pair *p, uint64_t a, uint64_t b);
const struct elf_base *elf_base_of(struct elf_pair *p, uint64_t a); /* the last at or before a */
const struct elf_section *elf_at(const struct elf_file *f, uint64_t addr);
bool elf_same_section(const struct elf_pair *p, uint64_t index_a, uint64_t index_b);
/* Maps of the contents of data: equal beginnings and ends. */
MUST_CHECK int elf_map_data(struct elf_pair *p, struct elf_section *s);

/* What a difference in s is, if it is class when all is in order. */
enum compare_class elf_class(const struct elf_pair *p, const struct elf_section *s,
                             enum compare_class class);
struct look_range elf_range(const struct elf_section *s);

/* Two lists in step: entries that are the same lead to the same in other bytes at most (DERIVED);
 * what is inserted or gone is found within a few entries; the rest is UNEXPLAINED. */
struct elf_list {
    void *arg;
    const struct elf_section *s; /* of A */
    size_t n[2];
    struct look_range (*at)(void *arg, int side, size_t i);
    bool (*same)(void *arg, size_t i, size_t k);
    void (*text)(void *arg, int side, size_t i, char out[ELF_NAME]);
    const char *what; /* "relocation" */
    bool ordered;     /* in another order they mean something else */
};
MUST_CHECK int elf_list(struct elf_pair *p, const struct elf_list *o);

MUST_CHECK int elf_relocations(struct elf_pair *p, struct elf_section *s);
MUST_CHECK int elf_dynamic(struct elf_pair *p, struct elf_section *s);
MUST_CHECK int elf_frames(struct elf_pair *p, struct elf_section *s);
MUST_CHECK int elf_frame_table(struct elf_pair *p, struct elf_section *s);
MUST_CHECK int elf_pointers(struct elf_pair *p, struct elf_section *s);
MUST_CHECK int elf_symbols_compare(struct elf_pair *p, struct elf_section *s);
MUST_CHECK int elf_strings(struct elf_pair *p, struct elf_section *s);
MUST_CHECK int elf_data(struct elf_pair *p, struct elf_section *s);
MUST_CHECK int elf_lines(struct elf_pair *p, struct elf_section *s); /* elf_line_priv.h */

/* The contents of a section of A, which has a peer.  0, or -ENOMEM. */
MUST_CHECK int elf_part(struct elf_pair *p, struct elf_section *s);

/* The record of .eh_frame at *at, an offset in s, which moves on; false at the end. */
struct elf_record {
    uint64_t at, n;            /* in the file, with its length */
    uint64_t pc_at, pc, range; /* of an FDE: where a function begins, and its bytes */
    unsigned pc_n;             /* bytes of each; 0: no FDE that is understood */
};
bool elf_frame_next(const struct elf_file *f, const struct elf_section *s, uint64_t *at,
                    struct elf_record *out);

/* --- code --- */

/* Finds and matches the functions of s and of its peer, and makes the map of s. */
MUST_CHECK int elf_funcs_match(struct elf_pair *p, struct elf_section *s, struct elf_funcs f[2]);
/* The same, of functions that are found: v[n] in any order, taken; none begins before the one
 * before it ends.  Then both are matched. */
void elf_funcs_settle(struct elf_func *v, size_t n, const struct elf_section *s,
                      struct elf_funcs *out);
MUST_CHECK int elf_funcs_pair(struct elf_pair *p, struct elf_section *s, struct elf_funcs f[2]);
void elf_funcs_free(struct elf_funcs *f);
MUST_CHECK int elf_code(struct elf_pair *p, struct elf_section *s);

enum elf_ref { ELF_NO_REF, ELF_REF, ELF_PAGE, ELF_LOW };
struct elf_insn {
    uint8_t len;           /* 0: not understood */
    uint8_t ref_at, ref_n; /* the field that says where it leads (x86) */
    uint8_t imm_at, imm_n; /* a number (x86) */
    uint32_t mask;         /* the same, of an arm64 word */
    uint32_t imm_mask;     /* and of its number */
    enum elf_ref ref;
    uint8_t reg;     /* ELF_PAGE: set, ELF_LOW: read */
    uint64_t target; /* ELF_REF: address; ELF_PAGE: of the page; ELF_LOW: bytes in it */
    uint64_t imm;
};
bool elf_insn_known(uint16_t machine);
/* One instruction at the beginning of s, which is at addr. */
void elf_insn(uint16_t machine, struct span s, uint64_t addr, struct elf_insn *out);
/* Equal but for the field where they lead. */
bool elf_insn_alike(uint16_t machine, const uint8_t *a, const uint8_t *b, const struct elf_insn *ia,
                    const struct elf_insn *ib);
/* Only their number differs. */
bool elf_insn_number(uint16_t machine, const uint8_t *a, const uint8_t *b,
                     const struct elf_insn *ia, const struct elf_insn *ib);
/* Loads what elf_show needs, which in a jail cannot be done any more. */
MUST_CHECK int elf_show_load(struct err *e);
/* "mov edi, 0x7e6; call 0x1030": the instructions in s, as far as out has room. */
const char *elf_show(uint16_t machine, struct span s, uint64_t addr, char *out, size_t room);

#endif

/* elf_line_priv.h - line tables of DWARF 2 to 5, unit by unit (DWARF 5, 6.2).
 *
 *   elf_line.c   a unit taken apart, and the rows that its program makes
 *   elf_lines.c  the units of two files in pairs */
#ifndef COMPARE_ELF_LINE_PRIV_H
#define COMPARE_ELF_LINE_PRIV_H

#include "compare/elf_priv.h"

enum line_sort {
    LINE_RAW,
    LINE_LENGTH,  /* follows from what it is the length of */
    LINE_ADDRESS, /* of code */
    LINE_TEXT,    /* with its NUL */
    LINE_OFFSET,  /* of a text in another section */
};
struct line_token {
    enum line_sort sort;
    uint64_t at, n;
    struct span text;
};
/* .debug_str, .debug_line_str: what names are taken from. */
struct line_texts {
    struct span v[2];
};
struct line_unit {
    const struct elf_file *f;
    const struct line_texts *texts;
    struct look *l;
    uint64_t at, end, program;
    unsigned version, offset_n, min_insn, base, range, opcodes;
    int line_base;
    bool is_stmt, bad;
    uint64_t lens;        /* of the standard opcodes: where they lie */
    struct span name;     /* of its first file */
    struct line_token *v; /* when it is taken apart; those of the program from split on */
    size_t n, room, split;
    int rc;
};
/* The unit that begins at *at, which moves behind it; false: there is none. */
bool elf_line_unit_next(const struct elf_file *f, const struct line_texts *texts, uint64_t *at,
                        uint64_t end, struct line_unit *out);
void elf_line_texts_of(const struct elf_file *f, struct line_texts *out);
/* Takes it apart; false: it is not made so, or too large, or rc is set. */
bool elf_line_unit_read(struct line_unit *u, struct look *l);
void elf_line_unit_done(struct line_unit *u);

struct line_row {
    uint64_t address, file, line, column; /* address: from the beginning of its sequence */
    bool is_stmt, end;
};
struct line_machine {
    const struct line_unit *u;
    uint64_t at, first;
    struct line_row row;
    bool bad;
};
void elf_line_start(struct line_machine *m, const struct line_unit *u);
bool elf_line_next(struct line_machine *m, struct line_row *out);
/* The name of the file of that number; empty: there is none. */
struct span elf_line_file(const struct line_unit *u, uint64_t file);

#endif

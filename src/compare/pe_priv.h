/* pe_priv.h - a PE file read within its bounds. */
#ifndef COMPARE_PE_PRIV_H
#define COMPARE_PE_PRIV_H

#include "compare/look_priv.h"

#define PE_SECTION 40u
#define PE_CERTIFICATES 4u /* entry of the data directory */

struct pe {
    struct span all;
    uint64_t header, optional, directory, table; /* where they lie */
    unsigned sections, directories;
    bool wide;                   /* PE32+ */
    struct look_range signature; /* the certificate table; n 0: none */
};

bool pe_is(struct span s);
/* NULL, or what is wrong with it. */
const char *pe_read(struct pe *f, struct span all);
uint64_t pe_get(const struct pe *f, uint64_t at, unsigned n); /* 0 outside of the file */
struct look_range pe_directory(const struct pe *f, unsigned i);
struct look_range pe_content(const struct pe *f, unsigned i);    /* of a section, in the file */
uint64_t pe_place(const struct pe *f, uint64_t rva, uint64_t n); /* in the file; 0: none */
bool pe_checksum_right(const struct pe *f);                      /* or none */
/* The sum of what has been summed and of s, which begins at an even place: words of 16 bits with
 * carry. */
uint32_t pe_words(uint32_t sum, struct span s);
/* PKCS #7 signed data (RFC 2315) at a place, by the lengths of its outer elements: it ends at *end,
 * not behind limit. */
bool pe_signed_data(const struct pe *f, uint64_t at, uint64_t limit, uint64_t *end);
/* The certificate table, as far as signatures account for it; n 0: there is none, or it does not
 * lie behind everything else. */
struct look_range pe_signature(const struct pe *f);

/* The code of both, by functions: those of the table of exceptions (x86-64). */
struct pe_code;
/* NULL in *out: there is none that is understood. */
MUST_CHECK int pe_code_open(struct pe_code **out, struct look *l, const struct pe f[2]);
void pe_code_close(struct pe_code *c); /* NULL is fine */
/* Whether section i is code with functions on both sides; then it is claimed. */
bool pe_code_has(const struct pe_code *c, unsigned i);
MUST_CHECK int pe_code_claim(struct pe_code *c, unsigned i);
/* Claims both certificate tables. */
MUST_CHECK int pe_sign(struct look *l, const struct pe f[2]);

#endif

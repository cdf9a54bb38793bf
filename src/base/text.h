/* text.h - strict encodings of numbers and bytes as text.  Every decoder accepts exactly one
 * spelling of a value and refuses all else with -EBADMSG: no blanks, no sign, no leading zeros, no
 * upper-case hex, no base64 without padding or with non-zero spare bits (RFC 4648 section 3.5). */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include "base/buf.h"
#include "base/defs.h"

/* Decimal without leading zeros, at most max. */
MUST_CHECK int text_u64(struct span s, uint64_t max, uint64_t *out);

void text_hex(char *out, const void *p, size_t n);             /* writes 2n characters and a NUL */
MUST_CHECK int text_unhex(struct span s, void *out, size_t n); /* s.n must be 2n */

#define TEXT_BASE64_LEN(n) (((n) + 2) / 3 * 4)
void text_base64(char *out, const void *p, size_t n); /* TEXT_BASE64_LEN(n) characters and a NUL */
/* Decodes into out of size cap; *n is the decoded length.  -E2BIG if it does not fit. */
MUST_CHECK int text_unbase64(struct span s, void *out, size_t cap, size_t *n);
MUST_CHECK int text_unbase64_exact(struct span s, void *out, size_t n);

static inline void text_digest(char out[65], const struct digest *d)
{
    text_hex(out, d->b, 32);
}
static inline void text_id(char out[33], const struct id128 *i)
{
    text_hex(out, i->b, 16);
}
MUST_CHECK int text_undigest(struct span s, struct digest *out);
MUST_CHECK int text_unid(struct span s, struct id128 *out);

/* UTF-8 validity (RFC 3629: no surrogates, no overlongs, at most U+10FFFF). */
bool text_is_utf8(struct span s);
/* The character s begins with: its length in bytes (1 to 4) and code; 0 if s is empty or does not
 * begin with valid UTF-8. */
size_t text_utf8_next(struct span s, uint32_t *code);
/* C0, DEL, C1, line and paragraph separators, and the characters that turn the direction of text:
 * what could drive a terminal or make a line read as another. */
bool text_is_control(uint32_t code);

/* A size for people, powers of 1000: "999 B", "1.4 MB".  out has at least 32 bytes; returns it. */
const char *text_bytes(char *out, uint64_t n);

/* Appends s as a JSON string with quotes, escaped as RFC 8785 has it (RFC 8259's short
 * forms, else \u00xx).  -EBADMSG if s is not valid UTF-8.  On failure b is as before. */
MUST_CHECK int text_json_string(struct buf *b, struct span s);
/* Appends s for a terminal: each control character (text_is_control) and each byte of invalid
 * UTF-8 becomes '?'. */
MUST_CHECK int text_plain(struct buf *b, struct span s);

#endif

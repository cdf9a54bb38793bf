/* plain.h - texts as JSON sees them too: what is shown of them, and their lines compared. */
#ifndef COMPARE_PLAIN_H
#define COMPARE_PLAIN_H

#include "compare/look.h"

#define PLAIN_SHOWN 150u /* bytes that plain_show writes at most, with quotes and the NUL */

/* s, in quotes or not, cut around byte `at`; control characters, backslashes and what is no UTF-8
 * as escapes.  Returns out. */
const char *plain_show(char out[PLAIN_SHOWN], struct span s, size_t at, bool quotes);
/* Where two texts begin to differ, and how many bytes of the ends are equal behind that; both at
 * the border of a character. */
void plain_common(struct span a, struct span b, size_t *head, size_t *tail);

/* The lines of two texts: a look_format's compare. */
MUST_CHECK int plain_compare(struct look *l);
extern const struct look_format plain_format;

#endif

/* formats.c - the formats that are known, the most telling first.  One file a format; this table is
 * all that knows of them. */
#include "compare/look.h"

const struct look_format *const formats_table[] = {NULL};

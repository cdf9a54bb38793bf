/* formats.c - the formats that are known, the most telling first.  One file a format; this table is
 * all that knows of them. */
#include "compare/plain.h"

extern const struct look_format json_format;

const struct look_format *const formats_table[] = {&json_format, &plain_format, NULL};

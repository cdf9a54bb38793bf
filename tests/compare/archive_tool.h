/* archive_tool.h - a folder of its own for each test, commands in it, and what comparing two of its
 * files says. */
#ifndef TESTS_COMPARE_ARCHIVE_TOOL_H
#define TESTS_COMPARE_ARCHIVE_TOOL_H

#include "compare/compare.h"

int archive_setup(void **state);
int archive_teardown(void **state);
const char *archive_dir(void);
/* The bytes of a file in it: at least `least`, and fewer than room. */
size_t archive_load(const char *name, uint8_t *p, size_t least, size_t room);
void archive_sh(const char *fmt, ...) PRINTF_LIKE(1, 2);
struct compare_report *archive_compare(const char *a, const char *b,
                                       const struct compare_options *o);
/* The class of the whole, and each of the texts (ended by NULL) in the report; the account of every
 * node adds up. */
void archive_expect(const char *a, const char *b, enum compare_class class, ...);
void archive_expect_with(const struct compare_options *o, const char *a, const char *b,
                         enum compare_class class, ...);

#endif

/* changed.h - one byte of a file after the other is changed, and the answer is never milder than
 * what the format says of that byte. */
#ifndef TESTS_COMPARE_CHANGED_H
#define TESTS_COMPARE_CHANGED_H

#include "compare/compare.h"

/* The file is one of the test's folder (archive_tool.h); each step-th byte.  least: of a byte. */
void changed_expect(const char *file, size_t step, enum compare_class (*least)(size_t at));

#endif

#include "changed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive_tool.h"
#include "base/io.h"
#include "compare/look_priv.h"

static enum compare_class class_of(struct span a, struct span b)
{
    struct compare_node *n = NULL;
    struct look_budget budget;
    enum compare_class class;

    look_budget_init(&budget, NULL);
    assert_int_equal(look_compare(&budget, a, b, "a", "a", &n), 0);
    class = n->class;
    look_node_free(n);
    return class;
}

void changed_expect(const char *file, size_t step, enum compare_class (*least)(size_t at))
{
    static const uint8_t with[] = {0x01, 0x80, 0xff};
    char path[256];
    struct buf b;
    uint8_t *copy;

    (void)snprintf(path, sizeof(path), "%s/%s", archive_dir(), file);
    buf_init(&b, 1 << 24);
    assert_int_equal(io_read_file(AT_FDCWD, path, &b), 0);
    assert_non_null(copy = malloc(b.len));
    memcpy(copy, b.data, b.len);
    for (size_t i = 0; i < b.len; i += step)
        for (size_t k = 0; k < sizeof(with); k++) {
            copy[i] ^= with[k];
            for (int turned = 0; turned < 2; turned++) {
                struct span x = buf_span(&b), y = span_of(copy, b.len);
                enum compare_class class = turned ? class_of(y, x) : class_of(x, y);

                if (class < least(i))
                    fail_msg("byte %zu of \"%s\" changed with %02x: %s", i, file, with[k],
                             compare_class_word(class));
            }
            copy[i] ^= with[k];
        }
    free(copy);
    buf_free(&b);
}

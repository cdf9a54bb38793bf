/* The names in a release's ClamAV databases: the first byte chooses the kind of database, the rest
 * is its text.  What is taken is spelled as verdicts are, sorted, each once, and found again under
 * its rank as libclamav would tell it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../engines/clamav/names.h"
#include "detect/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hold(bool good)
{
    if (!good)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const files[] = {"a.hdb", "b.ndb", "c.ldb", "d.cdb",
                                        "e.fp",  "f.idb", "g.imp", "h.pwdb"};
    char told[VERDICT_NAME_MAX + 16];
    struct names names = {NULL, 0, 0};
    struct err e = ERR_INIT;
    const char *file;
    int rc;

    if (size == 0)
        return 0;
    file = files[data[0] % ARRAY_LEN(files)];
    hold(names_is_database(file));
    rc = names_add(&names, file, span_of(data + 1, size - 1), &e);
    hold(rc == 0 || (rc == -EBADMSG && strncmp(e.text, file, strlen(file)) == 0));
    names_sort(&names);
    for (size_t i = 0; i < names.n; i++) {
        size_t n = strlen(names.v[i]);

        hold(n > 0 && n <= VERDICT_NAME_MAX);
        hold(strspn(names.v[i], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789_.:-") == n);
        hold(i == 0 || strcmp(names.v[i - 1], names.v[i]) < 0);
        (void)snprintf(told, sizeof(told), "%s.UNOFFICIAL", names.v[i]);
        hold(names_rank(&names, told) == (long)i);
    }
    /* what a library could tell: any text without a zero */
    if (memchr(data, '\0', size) == NULL) {
        char any[512];
        size_t n = size < sizeof(any) ? size : sizeof(any) - 1;
        long rank;

        memcpy(any, data, n);
        any[n] = '\0';
        rank = names_rank(&names, any);
        hold(rank >= -1 && rank < (long)names.n);
    }
    names_free(&names);
    return 0;
}

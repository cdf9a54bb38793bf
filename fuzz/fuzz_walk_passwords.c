/* The passwords of a release (.pwdb): as many as there may be, none empty, none too long, and each
 * written as hexadecimal is read as the same one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../engines/walk/passwords.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hold(bool good)
{
    if (!good)
        __builtin_trap();
}

static void same_as_hex(const char *password)
{
    char line[2 * PASSWORD_MAX + 32];
    struct passwords again = {.n = 0};
    size_t n = strlen(password);

    memcpy(line, "n;t;1;", 6);
    text_hex(line + 6, (const uint8_t *)password, n);
    hold(passwords_add(&again, "again", span_str(line), NULL) == 0 && again.n == 1);
    hold(strcmp(again.v[0], password) == 0);
    passwords_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct passwords p = {.n = 0};
    struct err e = ERR_INIT;
    int rc = passwords_add(&p, "x.pwdb", span_of(data, size), &e);

    hold(rc == 0 || ((rc == -EBADMSG || rc == -E2BIG) && strncmp(e.text, "x.pwdb:", 7) == 0));
    hold(p.n <= PASSWORDS_MAX && (rc != -E2BIG || p.n == PASSWORDS_MAX));
    for (size_t i = 0; i < p.n; i++) {
        size_t n = strlen(p.v[i]);

        hold(n > 0 && n <= PASSWORD_MAX);
        same_as_hex(p.v[i]);
    }
    passwords_free(&p);
    return 0;
}

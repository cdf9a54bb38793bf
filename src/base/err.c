#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* What a terminal would obey, and what is no text, becomes '?'. */
static void scrub(char *s)
{
    struct span rest = span_str(s);
    char *to = s;

    while (rest.n > 0) {
        uint32_t code = 0;
        size_t len = text_utf8_next(rest, &code);
        bool bad = len == 0 || text_is_control(code);

        if (len == 0)
            len = 1;
        if (bad)
            *to++ = '?';
        else
            for (size_t i = 0; i < len; i++)
                *to++ = (char)rest.p[i];
        rest = span_of(rest.p + len, rest.n - len);
    }
    *to = '\0';
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
    va_list ap;

    if (e == NULL)
        return code;
    e->code = code;
    va_start(ap, fmt);
    (void)vsnprintf(e->text, sizeof(e->text), fmt, ap);
    va_end(ap);
    scrub(e->text);
    return code;
}

int err_sys(struct err *e, int code, const char *fmt, ...)
{
    va_list ap;
    size_t n;

    if (e == NULL)
        return code;
    e->code = code;
    va_start(ap, fmt);
    (void)vsnprintf(e->text, sizeof(e->text), fmt, ap);
    va_end(ap);
    n = strlen(e->text);
    (void)snprintf(e->text + n, sizeof(e->text) - n, ": %s", strerror(-code));
    scrub(e->text);
    return code;
}

int err_prefix(struct err *e, const char *fmt, ...)
{
    char old[ERR_TEXT_MAX];
    va_list ap;
    size_t n;

    if (e == NULL)
        return 0;
    (void)snprintf(old, sizeof(old), "%s", err_text(e));
    va_start(ap, fmt);
    (void)vsnprintf(e->text, sizeof(e->text), fmt, ap);
    va_end(ap);
    n = strlen(e->text);
    (void)snprintf(e->text + n, sizeof(e->text) - n, ": %.*s", (int)sizeof(old), old);
    scrub(e->text);
    return e->code;
}

const char *err_text(const struct err *e)
{
    if (e == NULL)
        return "failed";
    return e->text[0] != '\0' ? e->text : strerror(-e->code);
}

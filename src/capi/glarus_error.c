/* glarus_error.c - failures, as they are told outside. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "capi/capi_priv.h"

_Static_assert(sizeof(glarus_error) == 512, "the size is a promise");
_Static_assert(ERR_TEXT_MAX <= sizeof(((glarus_error *)NULL)->text), "every sentence fits");

const char *glarus_version(void)
{
    return GLARUS_VERSION;
}

const char *glarus_code_word(int code)
{
    static const char *const words[] = {
        [GLARUS_OK] = "ok",
        [GLARUS_E_INVALID] = "invalid",
        [GLARUS_E_VERIFY] = "verify",
        [GLARUS_E_REFUSED] = "refused",
        [GLARUS_E_NOT_FOUND] = "not_found",
        [GLARUS_E_PENDING] = "pending",
        [GLARUS_E_BUSY] = "busy",
        [GLARUS_E_NETWORK] = "network",
        [GLARUS_E_PROTOCOL] = "protocol",
        [GLARUS_E_LIMIT] = "limit",
        [GLARUS_E_CANCELLED] = "cancelled",
        [GLARUS_E_UNSUPPORTED] = "unsupported",
        [GLARUS_E_MEMORY] = "memory",
        [GLARUS_E_SYSTEM] = "system",
    };

    return code >= 0 && (size_t)code < ARRAY_LEN(words) ? words[code] : "unknown";
}

int capi_code(int rc)
{
    static const struct {
        int rc, code;
    } table[] = {
        {0, GLARUS_OK},
        {EINVAL, GLARUS_E_INVALID},
        {EBADMSG, GLARUS_E_VERIFY},
        {EPERM, GLARUS_E_REFUSED},
        {EACCES, GLARUS_E_REFUSED},
        {ENOENT, GLARUS_E_NOT_FOUND},
        {EAGAIN, GLARUS_E_PENDING},
        {EBUSY, GLARUS_E_BUSY},
        {ETIMEDOUT, GLARUS_E_NETWORK},
        {ECONNREFUSED, GLARUS_E_NETWORK},
        {ECONNRESET, GLARUS_E_NETWORK},
        {EHOSTUNREACH, GLARUS_E_NETWORK},
        {EPROTO, GLARUS_E_PROTOCOL},
        {E2BIG, GLARUS_E_LIMIT},
        {ECANCELED, GLARUS_E_CANCELLED},
        {ENOTSUP, GLARUS_E_UNSUPPORTED},
        {EPROTONOSUPPORT, GLARUS_E_UNSUPPORTED},
        {ENOMEM, GLARUS_E_MEMORY},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (table[i].rc == -rc)
            return table[i].code;
    return GLARUS_E_SYSTEM;
}

int capi_fail(glarus_error *out, int rc, const struct err *e)
{
    struct err plain = {.code = rc};
    int code = capi_code(rc);

    if (out == NULL)
        return code;
    if (e == NULL || e->text[0] == '\0')
        e = &plain;
    memset(out, 0, sizeof(*out));
    out->code = code;
    out->system = rc < 0 ? -rc : 0;
    (void)snprintf(out->text, sizeof(out->text), "%s", err_text(e));
    return code;
}

int capi_wrong(glarus_error *out, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    struct err e = ERR_INIT;
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    (void)err_set(&e, -EINVAL, "%s", text); /* which replaces control characters */
    return capi_fail(out, -EINVAL, &e);
}

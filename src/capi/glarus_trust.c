#include <errno.h>
#include <stdlib.h>

#include "capi/capi_priv.h"

static int begin(glarus_trust **out, const void *what, const char *function, glarus_error *error)
{
    if (out == NULL)
        return capi_wrong(error, "%s: out is NULL", function);
    *out = NULL;
    return what != NULL ? GLARUS_OK : capi_wrong(error, "%s: an argument is NULL", function);
}

/* rc: of reading t, which is taken over */
static int end(glarus_trust **out, struct trust *t, int rc, const struct err *e,
               glarus_error *error)
{
    if (rc == 0 && (*out = calloc(1, sizeof(**out))) == NULL) {
        trust_free(t);
        rc = -ENOMEM;
    }
    if (rc != 0)
        return capi_fail(error, rc, e);
    (*out)->t = t;
    return GLARUS_OK;
}

int glarus_trust_load(glarus_trust **out, const char *path, glarus_error *error)
{
    struct trust *t = NULL;
    struct err e = ERR_INIT;
    int code = begin(out, path, "glarus_trust_load", error), rc;

    if (code != GLARUS_OK)
        return code;
    rc = trust_load(&t, path, &e);
    return end(out, t, rc, &e, error);
}

int glarus_trust_parse(glarus_trust **out, const void *text, size_t n, glarus_error *error)
{
    struct trust *t = NULL;
    struct err e = ERR_INIT;
    int code = begin(out, text, "glarus_trust_parse", error), rc;

    if (code != GLARUS_OK)
        return code;
    rc = trust_parse(&t, "the trust file", span_of(text, n), &e);
    return end(out, t, rc, &e, error);
}

int glarus_trust_expired(const glarus_trust *trust)
{
    return trust == NULL || trust_expired(trust->t, clock_now());
}

void glarus_trust_free(glarus_trust *trust)
{
    if (trust == NULL)
        return;
    trust_free(trust->t);
    free(trust);
}

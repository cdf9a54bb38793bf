/* glarus_lookup.c - is it known to be malicious? */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/io.h"
#include "capi/capi_priv.h"
#include "capi/client_lookup.h"
#include "events/country.h"

_Static_assert(sizeof(struct digest) == 32 && (int)CLIENT_UNKNOWN == (int)GLARUS_UNKNOWN &&
                   (int)CLIENT_MALICIOUS == (int)GLARUS_MALICIOUS,
               "what is asked and answered is what callers have");

static int look(glarus_client *client, const char *country, const void *hashes, size_t n,
                unsigned char *known, const char *function, glarus_error *error)
{
    struct err e = ERR_INIT;
    int code, rc;

    if (country != NULL && country_index(span_str(country)) < 0)
        return capi_wrong(error, "%s: \"%.8s\" is not a country of ISO 3166-1: two letters A-Z",
                          function, country);
    if ((code = capi_enter(client, function, error)) != GLARUS_OK)
        return code;
    rc = client_lookup(client->c, country, hashes, n, known, NULL, &e);
    capi_leave(client);
    return rc == 0 ? GLARUS_OK : capi_fail(error, rc, &e);
}

int glarus_lookup(glarus_client *client, const char *country, const unsigned char (*sha256)[32],
                  size_t n, unsigned char *known, glarus_error *error)
{
    if ((sha256 == NULL || known == NULL) && n > 0)
        return capi_wrong(error, "glarus_lookup: an argument is NULL");
    return look(client, country, sha256, n, known, "glarus_lookup", error);
}

int glarus_lookup_path(glarus_client *client, const char *country, const char *path, int *known,
                       glarus_error *error)
{
    struct client_file f;
    struct err e = ERR_INIT;
    unsigned char answer = GLARUS_UNKNOWN;
    int fd, rc;

    if (path == NULL || known == NULL)
        return capi_wrong(error, "glarus_lookup_path: an argument is NULL");
    if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) < 0)
        rc = err_sys(&e, -errno, "opening \"%s\"", path);
    else if ((rc = client_file_read(&f, fd, &e)) != 0)
        (void)err_prefix(&e, "\"%s\"", path);
    io_close(&fd);
    if (rc != 0)
        return capi_fail(error, rc, &e);
    rc = look(client, country, &f.sha256, 1, &answer, "glarus_lookup_path", error);
    if (rc == GLARUS_OK)
        *known = answer;
    return rc;
}

/* glarus_client.c - a client, and what its owner has agreed to. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "capi/capi_priv.h"
#include "capi/client_consent.h"

/* ---- one call at a time ---------------------------------------------------------------------- */

int capi_enter(glarus_client *client, const char *function, glarus_error *error)
{
    struct err e = ERR_INIT;

    if (client == NULL)
        return capi_wrong(error, "%s: client is NULL", function);
    if (!atomic_flag_test_and_set(&client->inside))
        return GLARUS_OK;
    (void)err_set(&e, -EBUSY,
                  "%s: another call of this client is under way; a client is for one thread at a "
                  "time, and not for its own callbacks",
                  function);
    return capi_fail(error, -EBUSY, &e);
}

void capi_leave(glarus_client *client)
{
    atomic_flag_clear(&client->inside);
}

/* ---- new, free ------------------------------------------------------------------------------- */

static int begin(glarus_client **out, bool given, const char *function, glarus_error *error)
{
    struct err e = ERR_INIT;

    if (out == NULL)
        return capi_wrong(error, "%s: out is NULL", function);
    *out = NULL;
    if (!given)
        return capi_wrong(error, "%s: an argument is NULL", function);
    if ((*out = calloc(1, sizeof(**out))) == NULL)
        return capi_fail(error, -ENOMEM, &e);
    atomic_flag_clear(&(*out)->inside);
    return GLARUS_OK;
}

static void note_agreed(glarus_client *c)
{
    const struct digest *d = client_agreed(c->c);

    if (d != NULL)
        text_digest(c->agreed, d);
}

static int end(glarus_client **out, int rc, const struct err *e, glarus_error *error)
{
    if (rc == 0) {
        note_agreed(*out);
        return GLARUS_OK;
    }
    free(*out);
    *out = NULL;
    return capi_fail(error, rc, e);
}

int glarus_client_open(glarus_client **out, const char *path, glarus_error *error)
{
    struct err e = ERR_INIT;
    int code = begin(out, path != NULL, "glarus_client_open", error);

    return code != GLARUS_OK ? code : end(out, client_load(&(*out)->c, path, &e), &e, error);
}

int glarus_client_parse(glarus_client **out, const char *folder, const void *text, size_t n,
                        glarus_error *error)
{
    struct err e = ERR_INIT;
    int code = begin(out, folder != NULL && text != NULL, "glarus_client_parse", error);

    return code != GLARUS_OK
               ? code
               : end(out, client_parse(&(*out)->c, folder, span_of(text, n), &e), &e, error);
}

void glarus_client_free(glarus_client *client)
{
    if (client == NULL)
        return;
    client_free(client->c);
    free(client);
}

void glarus_client_cancel(glarus_client *client)
{
    if (client != NULL)
        client_cancel(client->c, true);
}

void glarus_client_uncancel(glarus_client *client)
{
    if (client != NULL)
        client_cancel(client->c, false);
}

/* ---- statements ------------------------------------------------------------------------------ */

struct glarus_statement {
    struct client_statement s;
    char digest[65];
};

enum which { NEWEST, THAT };

/* THAT one of digest, or if that is NULL the one that is agreed to. */
static int find_statement(struct client *c, enum which which, const char *digest,
                          struct client_statement *out, struct err *e)
{
    const struct digest *agreed = client_agreed(c);
    struct digest d;

    if (which == NEWEST)
        return client_statement_get(c, NULL, out, e);
    if (digest != NULL && text_undigest(span_str(digest), &d) != 0)
        return err_set(e, -EINVAL, "\"%.80s\" is not the 64 lower-case hex digits of a digest",
                       digest);
    if (digest == NULL && agreed == NULL)
        return err_set(e, -ENOENT, "no consent statement is agreed to");
    return client_statement_get(c, digest != NULL ? &d : agreed, out, e);
}

static int get_statement(glarus_client *client, enum which which, const char *digest,
                         const char *function, glarus_statement **out, glarus_error *error)
{
    struct err e = ERR_INIT;
    int code, rc;

    if (out == NULL)
        return capi_wrong(error, "%s: out is NULL", function);
    *out = NULL;
    if ((code = capi_enter(client, function, error)) != GLARUS_OK)
        return code;
    if ((*out = calloc(1, sizeof(**out))) == NULL)
        rc = -ENOMEM;
    else if ((rc = find_statement(client->c, which, digest, &(*out)->s, &e)) == 0)
        text_digest((*out)->digest, &(*out)->s.digest);
    capi_leave(client);
    if (rc == 0)
        return GLARUS_OK;
    glarus_statement_free(*out);
    *out = NULL;
    return capi_fail(error, rc, &e);
}

int glarus_statement_newest(glarus_client *client, glarus_statement **out, glarus_error *error)
{
    return get_statement(client, NEWEST, NULL, "glarus_statement_newest", out, error);
}

int glarus_statement_get(glarus_client *client, const char *digest, glarus_statement **out,
                         glarus_error *error)
{
    return get_statement(client, THAT, digest, "glarus_statement_get", out, error);
}

void glarus_statement_free(glarus_statement *statement)
{
    if (statement == NULL)
        return;
    client_statement_done(&statement->s);
    free(statement);
}

const char *glarus_statement_digest(const glarus_statement *statement)
{
    return statement != NULL ? statement->digest : "";
}

const char *glarus_statement_language(const glarus_statement *statement)
{
    return statement != NULL ? statement->s.terms.language : "";
}

const char *glarus_statement_text(const glarus_statement *statement)
{
    return statement != NULL ? statement->s.terms.text : "";
}

const char *glarus_statement_scopes(const glarus_statement *statement)
{
    return statement != NULL ? statement_scopes_word(statement->s.terms.scopes) : "";
}

unsigned glarus_statement_retention(const glarus_statement *statement)
{
    return statement != NULL ? statement->s.terms.retention : 0;
}

unsigned glarus_statement_erase_within(const glarus_statement *statement)
{
    return statement != NULL ? statement->s.terms.erase_within : 0;
}

int glarus_client_agree(glarus_client *client, const glarus_statement *statement,
                        glarus_error *error)
{
    struct err e = ERR_INIT;
    int code, rc;

    if (statement == NULL)
        return capi_wrong(error, "glarus_client_agree: statement is NULL");
    if ((code = capi_enter(client, "glarus_client_agree", error)) != GLARUS_OK)
        return code;
    if ((rc = client_agree(client->c, &statement->s, &e)) == 0)
        note_agreed(client);
    capi_leave(client);
    return rc == 0 ? GLARUS_OK : capi_fail(error, rc, &e);
}

const char *glarus_client_agreed(const glarus_client *client)
{
    return client != NULL && client->agreed[0] != '\0' ? client->agreed : NULL;
}

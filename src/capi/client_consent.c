#include "capi/client_consent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "capi/client_priv.h"
#include "crypto/sha256.h"
#include "people/document.h"
#include "people/dsse.h"

#define CONSENT_MAX ((size_t)1 << 20) /* of the record: some ten thousand times agreed */

/* ---- reading --------------------------------------------------------------------------------- */

static int parse(struct client_statement *s, struct err *e)
{
    struct dsse *env = NULL;
    int rc = dsse_parse(&env, buf_span(&s->envelope), e);

    if (rc == 0 && strcmp(dsse_type(env), document_type(DOCUMENT_STATEMENT)) != 0)
        rc = err_set(e, -EBADMSG, "it is an envelope of type %s", dsse_type(env));
    if (rc == 0)
        rc = statement_parse(&s->terms, "the statement", dsse_payload(env), e);
    dsse_free(env);
    if (rc == 0)
        return 0;
    (void)err_prefix(e, "what the site gave is no consent statement");
    if (rc != -ENOMEM && e != NULL)
        e->code = -EBADMSG;
    return rc == -ENOMEM ? rc : -EBADMSG;
}

int client_statement_get(struct client *c, const struct digest *which, struct client_statement *out,
                         struct err *e)
{
    const struct client_site *site;
    struct http_call call = {.method = HTTP_GET, .max_answer = DSSE_MAX_BYTES, .total_ms = 60000};
    struct http_result a;
    char url[640], hex[65];
    int rc;

    memset(out, 0, sizeof(*out));
    buf_init(&out->envelope, DSSE_MAX_BYTES);
    if ((site = client_home(c, e)) == NULL)
        return -EINVAL;
    if (which == NULL) {
        (void)snprintf(url, sizeof(url), "%s/v1/statements", site->url);
    } else {
        text_digest(hex, which);
        (void)snprintf(url, sizeof(url), "%s/ledger/artifact/sha256/%s", site->url, hex);
    }
    call.url = url;
    call.pin = site->pin;
    rc = client_do(c, &call, &a, e);
    if (rc == 0 && a.status != 200)
        rc = client_refused(&a, e);
    if (rc == 0 && (rc = buf_put(&out->envelope, a.body.data, a.body.len)) != 0)
        (void)err_sys(e, rc, "reading the consent statement");
    http_result_free(&a);
    if (rc != 0) {
        (void)err_prefix(e, "asking \"%s\" for the consent statement", site->name);
        return rc;
    }
    dsse_digest(buf_span(&out->envelope), &out->digest);
    if (which != NULL && !digest_eq(&out->digest, which))
        return err_set(e, -EBADMSG,
                       "site \"%s\" gave another document than the statement %.16s...; do not "
                       "agree to it",
                       site->name, hex);
    return parse(out, e);
}

void client_statement_done(struct client_statement *s)
{
    statement_done(&s->terms);
    buf_free(&s->envelope);
}

/* ---- the record ------------------------------------------------------------------------------ */

static int record_path(const struct client *c, char **out, struct err *e)
{
    return asprintf(out, "%s.consent", c->state_path) < 0
               ? err_sys(e, -ENOMEM, "reading the record of consent")
               : 0;
}

/* "TIME DIGEST" */
static int read_line(struct span line, struct digest *out)
{
    unix_time t;

    if (line.n != CLOCK_SECOND_LEN + 1 + 64 || line.p[CLOCK_SECOND_LEN] != ' ' ||
        clock_unsecond(span_of(line.p, CLOCK_SECOND_LEN), &t) != 0)
        return -EBADMSG;
    return text_undigest(span_of(line.p + CLOCK_SECOND_LEN + 1, 64), out);
}

int client_consent_load(struct client *c, struct err *e)
{
    struct buf text;
    struct span line;
    struct cur at;
    char *path;
    int rc;

    if ((rc = record_path(c, &path, e)) != 0)
        return rc;
    buf_init(&text, CONSENT_MAX);
    rc = io_read_file(AT_FDCWD, path, &text);
    if (rc == -ENOENT)
        rc = 0;
    else if (rc != 0)
        (void)err_sys(e, rc, "reading \"%s\"", path);
    for (at = cur_of(buf_span(&text)); rc == 0 && at.n > 0 && !c->configured; c->agreed = true)
        if (cur_line(&at, &line) != 0 || read_line(line, &c->statement) != 0)
            rc = err_set(e, -EBADMSG,
                         "\"%s\" is not a record of consent; repair it, or move it away and agree "
                         "anew",
                         path);
    buf_free(&text);
    free(path);
    return rc;
}

static int keep_envelope(const struct client *c, const struct client_statement *s, const char *hex,
                         struct err *e)
{
    char *path;
    int rc;

    if (asprintf(&path, "%s/%s.statement", c->receipts, hex) < 0)
        return err_sys(e, -ENOMEM, "keeping the statement");
    rc = io_replace_file(AT_FDCWD, path, s->envelope.data, s->envelope.len, 0644);
    if (rc != 0)
        (void)err_sys(e, rc, "keeping the statement \"%s\"", path);
    free(path);
    return rc;
}

static int keep_line(const struct client *c, const char *hex, struct err *e)
{
    char now[CLOCK_SECOND_LEN + 1], *path;
    struct buf text;
    int rc;

    if ((rc = record_path(c, &path, e)) != 0)
        return rc;
    clock_second(now, clock_now());
    buf_init(&text, CONSENT_MAX);
    rc = io_read_file(AT_FDCWD, path, &text);
    if ((rc != 0 && rc != -ENOENT) || (rc = buf_printf(&text, "%s %s\n", now, hex)) != 0 ||
        (rc = io_replace_file(AT_FDCWD, path, text.data, text.len, 0600)) != 0)
        (void)err_sys(e, rc, "recording consent in \"%s\"", path);
    buf_free(&text);
    free(path);
    return rc;
}

int client_agree(struct client *c, const struct client_statement *s, struct err *e)
{
    char hex[65], named[65];
    int rc;

    text_digest(hex, &s->digest);
    text_digest(named, &c->statement);
    if (c->configured && !digest_eq(&s->digest, &c->statement))
        return err_set(e, -EINVAL,
                       "the configuration says that statement %.16s... is agreed to, not "
                       "%.16s...; change or remove its \"statement\"",
                       named, hex);
    if (!statement_covers(&s->terms, SCOPE_FILE))
        return err_set(e, -EINVAL, "the statement does not cover files (scope \"file\")");
    if ((rc = keep_envelope(c, s, hex, e)) != 0 || (rc = keep_line(c, hex, e)) != 0)
        return rc;
    c->statement = s->digest;
    c->agreed = true;
    return 0;
}

const struct digest *client_agreed(const struct client *c)
{
    return c->agreed ? &c->statement : NULL;
}

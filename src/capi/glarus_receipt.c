/* glarus_receipt.c - receipts: what was opened and verified, as texts that outlive the trust file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "capi/capi_priv.h"
#include "capi/client_history.h"
#include "capi/client_priv.h"
#include "crypto/sha256.h"
#include "events/seal.h"

#define OUT_MAX ((size_t)1 << 20)
#define FIELDS_MAX (64 + RECEIPT_OPENINGS_MAX)

struct field {
    const char *name; /* of a const table */
    char *value;
    bool opened;
};

struct glarus_receipt {
    struct client_receipt r; /* r.site is gone: it was the trust file's */
    char site[17], zone[9];
    char *origin, *text, *json;
    struct field field[FIELDS_MAX];
    size_t fields;
};

char *capi_text(const struct buf *b)
{
    char *out = malloc(b->len + 1);

    if (out == NULL)
        return NULL;
    if (b->len > 0)
        memcpy(out, b->data, b->len);
    out[b->len] = '\0';
    return out;
}

/* ---- making ---------------------------------------------------------------------------------- */

static int add_field(glarus_receipt *g, const char *name, struct span value, bool opened)
{
    struct field *f = &g->field[g->fields];

    if (g->fields == FIELDS_MAX)
        return -E2BIG;
    if (value.n > 0 && memchr(value.p, '\0', value.n) != NULL)
        return 0; /* a sealed value that is no text stands in the JSON alone */
    if ((f->value = strndup(value.n > 0 ? (const char *)value.p : "", value.n)) == NULL)
        return -ENOMEM;
    f->name = name;
    f->opened = opened;
    g->fields++;
    return 0;
}

static int add_fields(glarus_receipt *g)
{
    const struct leaf_kind_info *k = &leaf_kinds[g->r.leaf.kind];
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < k->slots; i++) {
        enum leaf_field f = (enum leaf_field)k->slot[i].field;

        if (leaf_has(&g->r.leaf, f) && leaf_field_type(f) != LT_SEALED)
            rc = add_field(g, leaf_field_name(f), leaf_text(&g->r.leaf, f), false);
    }
    for (size_t i = 0; rc == 0 && i < g->r.x.openings; i++)
        rc = add_field(g, seal_name(g->r.x.opening[i].field), g->r.x.opening[i].value, true);
    return rc;
}

static int render(glarus_receipt *g, const struct trust *t)
{
    struct buf out;
    int rc;

    buf_init(&out, OUT_MAX);
    if ((rc = client_receipt_text(&g->r, t, &out)) == 0 && (g->text = capi_text(&out)) == NULL)
        rc = -ENOMEM;
    buf_reset(&out);
    if (rc == 0 && (rc = client_receipt_json(&g->r, t, &out)) == 0 &&
        (g->json = capi_text(&out)) == NULL)
        rc = -ENOMEM;
    buf_free(&out);
    return rc;
}

int capi_receipt(glarus_receipt **out, struct client_receipt *r, const struct trust *t,
                 struct err *e)
{
    glarus_receipt *g = calloc(1, sizeof(*g));
    int rc;

    if (g == NULL) {
        client_receipt_done(r);
        return err_sys(e, -ENOMEM, "reading a receipt");
    }
    g->r = *r; /* its spans point into what its buffers own: they stay where they are */
    memset(r, 0, sizeof(*r));
    memcpy(g->site, g->r.site->site, sizeof(g->site));
    memcpy(g->zone, g->r.site->zone, sizeof(g->zone));
    rc = (g->origin = strdup(g->r.site->origin)) == NULL ? -ENOMEM : add_fields(g);
    if (rc == 0)
        rc = render(g, t);
    g->r.site = NULL;
    if (rc != 0) {
        glarus_receipt_free(g);
        return err_sys(e, rc, "reading a receipt");
    }
    *out = g;
    return 0;
}

void glarus_receipt_free(glarus_receipt *receipt)
{
    if (receipt == NULL)
        return;
    for (size_t i = 0; i < receipt->fields; i++)
        free(receipt->field[i].value);
    free(receipt->origin);
    free(receipt->text);
    free(receipt->json);
    client_receipt_done(&receipt->r);
    free(receipt);
}

/* ---- from a file, from memory ---------------------------------------------------------------- */

static int begin(glarus_receipt **out, bool given, const char *function, glarus_error *error)
{
    if (out == NULL)
        return capi_wrong(error, "%s: out is NULL", function);
    *out = NULL;
    return given ? GLARUS_OK : capi_wrong(error, "%s: an argument is NULL", function);
}

/* rc: of opening r, which is released */
static int end(glarus_receipt **out, struct client_receipt *r, int rc, const struct trust *t,
               struct err *e, glarus_error *error)
{
    if (rc == 0)
        rc = capi_receipt(out, r, t, e);
    else
        client_receipt_done(r);
    return rc == 0 ? GLARUS_OK : capi_fail(error, rc, e);
}

int glarus_receipt_load(glarus_receipt **out, const char *path, const glarus_trust *trust,
                        glarus_error *error)
{
    int code = begin(out, path != NULL && trust != NULL, "glarus_receipt_load", error), rc;
    struct client_receipt r;
    struct err e = ERR_INIT;

    if (code != GLARUS_OK)
        return code;
    rc = client_receipt_load(&r, path, trust->t, &e);
    return end(out, &r, rc, trust->t, &e, error);
}

int glarus_receipt_parse(glarus_receipt **out, const void *text, size_t n,
                         const glarus_trust *trust, glarus_error *error)
{
    int code = begin(out, text != NULL && trust != NULL, "glarus_receipt_parse", error), rc;
    struct client_receipt r;
    struct err e = ERR_INIT;

    if (code != GLARUS_OK)
        return code;
    rc = client_receipt_open(&r, span_of(text, n), trust->t, &e);
    return end(out, &r, rc, trust->t, &e, error);
}

int glarus_receipt_redact(const glarus_receipt *receipt, const char *names,
                          const glarus_trust *trust, glarus_receipt **out, glarus_error *error)
{
    int code = begin(out, receipt != NULL && names != NULL && trust != NULL,
                     "glarus_receipt_redact", error),
        rc;
    struct client_receipt r = {.site = NULL};
    struct err e = ERR_INIT;
    struct buf shorter;

    if (code != GLARUS_OK)
        return code;
    buf_init(&shorter, TLOG_PROOF_MAX);
    rc = client_receipt_redact(buf_span(&receipt->r.text), names, &shorter, &e);
    if (rc == 0)
        rc = client_receipt_open(&r, buf_span(&shorter), trust->t, &e);
    buf_free(&shorter);
    return end(out, &r, rc, trust->t, &e, error);
}

/* ---- of a client's submission ---------------------------------------------------------------- */

enum from { KEPT, ASKED, WAITED };

/* Of the site where it lives now. */
static int ask(struct client *c, struct client_subject *s, const char *of, struct client_receipt *r,
               struct err *e)
{
    char went[CLIENT_MOVES_MAX][17];
    struct client_answer_state st;
    size_t moves;
    int rc = client_history_ask(c, s, &st, went, &moves, e);

    client_answer_state_done(&st);
    return rc != 0 ? rc : client_history_receipt(c, s, of, r, e);
}

static int of_client(glarus_client *client, const char *which, const char *of, enum from from,
                     unsigned seconds, const char *function, glarus_receipt **out,
                     glarus_error *error)
{
    int code = begin(out, which != NULL && of != NULL, function, error), rc;
    struct client_receipt r = {.site = NULL};
    struct client_subject s;
    struct err e = ERR_INIT;

    if (code != GLARUS_OK || (code = capi_enter(client, function, error)) != GLARUS_OK)
        return code;
    if ((rc = client_subject_find(client->c, which, &s, &e)) == 0)
        rc = from == KEPT    ? client_history_kept(client->c, &s, of, &r, &e)
             : from == ASKED ? ask(client->c, &s, of, &r, &e)
                             : client_history_wait(client->c, &s, of, seconds, &r, &e);
    code = end(out, &r, rc, client->c->trust, &e, error);
    capi_leave(client);
    return code;
}

int glarus_receipt_kept(glarus_client *client, const char *which, const char *of,
                        glarus_receipt **out, glarus_error *error)
{
    return of_client(client, which, of, KEPT, 0, "glarus_receipt_kept", out, error);
}

int glarus_receipt_get(glarus_client *client, const char *which, const char *of,
                       glarus_receipt **out, glarus_error *error)
{
    return of_client(client, which, of, ASKED, 0, "glarus_receipt_get", out, error);
}

int glarus_receipt_wait(glarus_client *client, const char *which, const char *of, unsigned seconds,
                        glarus_receipt **out, glarus_error *error)
{
    return of_client(client, which, of, WAITED, seconds, "glarus_receipt_wait", out, error);
}

/* ---- reading --------------------------------------------------------------------------------- */

int glarus_receipt_final(const glarus_receipt *receipt)
{
    return receipt != NULL && receipt->r.verdict.quorum;
}

const char *glarus_receipt_kind(const glarus_receipt *receipt)
{
    return receipt != NULL ? leaf_kinds[receipt->r.leaf.kind].name : "";
}

const char *glarus_receipt_site(const glarus_receipt *receipt)
{
    return receipt != NULL ? receipt->site : "";
}

const char *glarus_receipt_zone(const glarus_receipt *receipt)
{
    return receipt != NULL ? receipt->zone : "";
}

const char *glarus_receipt_origin(const glarus_receipt *receipt)
{
    return receipt != NULL ? receipt->origin : "";
}

uint64_t glarus_receipt_index(const glarus_receipt *receipt)
{
    return receipt != NULL ? receipt->r.proof.index : 0;
}

static const char *find(const glarus_receipt *g, const char *name, bool opened)
{
    for (size_t i = 0; g != NULL && name != NULL && i < g->fields; i++)
        if (g->field[i].opened == opened && strcmp(g->field[i].name, name) == 0)
            return g->field[i].value;
    return NULL;
}

const char *glarus_receipt_field(const glarus_receipt *receipt, const char *name)
{
    return find(receipt, name, false);
}

const char *glarus_receipt_opening(const glarus_receipt *receipt, const char *name)
{
    return find(receipt, name, true);
}

const char *glarus_receipt_text(const glarus_receipt *receipt)
{
    return receipt != NULL ? receipt->text : "";
}

const char *glarus_receipt_json(const glarus_receipt *receipt)
{
    return receipt != NULL ? receipt->json : "";
}

const void *glarus_receipt_bytes(const glarus_receipt *receipt, size_t *n)
{
    if (n != NULL)
        *n = receipt != NULL ? receipt->r.text.len : 0;
    return receipt != NULL ? receipt->r.text.data : NULL;
}

/* ---- is it of this file? --------------------------------------------------------------------- */

int glarus_receipt_covers_path(const glarus_receipt *receipt, const char *path, glarus_error *error)
{
    struct client_file f;
    struct err e = ERR_INIT;
    int fd, rc;

    if (receipt == NULL || path == NULL)
        return capi_wrong(error, "glarus_receipt_covers_path: an argument is NULL");
    if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) < 0)
        rc = err_sys(&e, -errno, "opening \"%s\"", path);
    else if ((rc = client_file_read(&f, fd, &e)) != 0 ||
             (rc = client_receipt_covers(&receipt->r, &f, &e)) != 0)
        (void)err_prefix(&e, "\"%s\"", path);
    io_close(&fd);
    return rc == 0 ? GLARUS_OK : capi_fail(error, rc, &e);
}

int glarus_receipt_covers_memory(const glarus_receipt *receipt, const void *bytes, size_t n,
                                 glarus_error *error)
{
    struct client_file f = {.size = n};
    struct err e = ERR_INIT;
    int rc;

    if (receipt == NULL || (bytes == NULL && n > 0))
        return capi_wrong(error, "glarus_receipt_covers_memory: an argument is NULL");
    sha256_of(bytes, n, &f.sha256);
    rc = client_receipt_covers(&receipt->r, &f, &e);
    return rc == 0 ? GLARUS_OK : capi_fail(error, rc, &e);
}

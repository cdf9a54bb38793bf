/* front_routes.c - the paths of docs/openapi.yaml and of docs/formats.md, "Between sites". */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "crypto/sha256.h"
#include "site/front_json.h"
#include "site/front_priv.h"

#define ASK_MS 30000
#define ORDER_MS 60000
#define HEALTH_MS 5000
#define WAIT_MAX 60
#define TOKEN_MAX 512
#define ARRIVING_EXTRA 4096 /* of a sealed stream: its head; tags are counted apart */

static void malformed(struct http_req *r, const char *text)
{
    front_answer_error(r, 400, "bad_request", "compare the request with docs/openapi.yaml", 0,
                       text);
}

static bool id_of(struct http_req *r, const char *name, struct id128 *out)
{
    if (text_unid(http_param(r, name), out) == 0)
        return true;
    front_answer_error(r, 404, "not_found", "identifiers are 32 lower-case hex digits", 0,
                       "there is no such submission or move");
    return false;
}

/* --- submissions --- */

/* The token is hashed here; the keeper never sees it. */
bool front_token(struct http_req *r, struct digest *out)
{
    struct span s = http_header(r, "authorization");

    if (s.p == NULL || s.n <= 7 || memcmp(s.p, "Bearer ", 7) != 0) {
        front_answer_error(r, 401, "token_missing", "send Authorization: Bearer TOKEN", 0,
                           "a submission is announced with a token of this site");
        return false;
    }
    if (s.n - 7 > TOKEN_MAX) {
        front_answer_error(r, 401, "token_unknown", "send the token as it was given", 0,
                           "the token is unknown at this site");
        return false;
    }
    sha256_of(s.p + 7, s.n - 7, out);
    return true;
}

static void begin_open(struct http_req *r, void *arg)
{
    struct front *f = arg;
    struct err e = ERR_INIT;
    struct pm_open m;
    struct visit *v;

    memset(&m, 0, sizeof(m));
    if (!front_token(r, &m.token))
        return;
    if (front_json_open(http_body(r), &m, &e) != 0) {
        malformed(r, err_text(&e));
        return;
    }
    if ((v = front_visit(f, r)) == NULL)
        return;
    v->sub = m.sub;
    front_ask(f, r, FK_OPEN, &m, sizeof(m), ASK_MS);
}

/* "Submission TIME:SIG" */
static bool signature_of(struct http_req *r, struct pm_trace *m)
{
    struct span s = http_header(r, "authorization");
    const uint8_t *colon;
    uint64_t t;

    if (s.p == NULL || s.n <= 11 || memcmp(s.p, "Submission ", 11) != 0) {
        front_answer_error(r, 401, "signature_missing", "send Authorization: Submission TIME:SIG",
                           0, "a submission is shown to who has its key");
        return false;
    }
    s = span_of(s.p + 11, s.n - 11);
    colon = memchr(s.p, ':', s.n);
    if (colon == NULL || text_u64(span_of(s.p, (size_t)(colon - s.p)), INT64_MAX, &t) != 0 ||
        text_unbase64_exact(span_of(colon + 1, s.n - (size_t)(colon - s.p) - 1), m->sig, 64) != 0) {
        front_answer_error(r, 401, "bad_signature", "send Authorization: Submission TIME:SIG", 0,
                           "the header Authorization is malformed");
        return false;
    }
    m->time = (int64_t)t;
    return true;
}

static bool number_of(struct http_req *r, const char *name, uint64_t most, uint32_t *out)
{
    struct span s = http_query(r, name);
    uint64_t v = 0;

    if (s.p != NULL && text_u64(s, most, &v) != 0) {
        malformed(r, "a number of the query is malformed or too large");
        return false;
    }
    *out = (uint32_t)v;
    return true;
}

static void ask_trace(struct front *f, struct http_req *r, uint16_t type, struct pm_trace *m,
                      uint32_t ms)
{
    struct visit *v;

    if (!id_of(r, "sub", &m->sub) || !signature_of(r, m) || (v = front_visit(f, r)) == NULL)
        return;
    v->sub = m->sub;
    front_ask(f, r, type, m, sizeof(*m), ms);
    if (m->wait > 0 && http_find(f->server, v->id) != NULL)
        http_long_poll(r, ms);
}

static void begin_trace(struct http_req *r, void *arg)
{
    struct pm_trace m;

    memset(&m, 0, sizeof(m));
    if (number_of(r, "wait", WAIT_MAX, &m.wait) && number_of(r, "seen", UINT32_MAX, &m.seen))
        ask_trace(arg, r, FK_TRACE, &m, ASK_MS + 1000 * m.wait);
}

static void begin_receipt(struct http_req *r, void *arg)
{
    static const char *const words[PROTO_RECEIPTS] = {
        [PROTO_RECEIPT_ACCEPTED] = "accepted",
        [PROTO_RECEIPT_SCAN] = "scan",
        [PROTO_RECEIPT_ERASED] = "erased",
    };
    struct span of = http_query(r, "of");
    struct pm_trace m;

    memset(&m, 0, sizeof(m));
    while (of.p != NULL && m.which < PROTO_RECEIPTS && !span_is(of, words[m.which]))
        m.which++;
    if (m.which == PROTO_RECEIPTS)
        malformed(r, "\"of\" must be accepted, scan or erased");
    else
        ask_trace(arg, r, FK_RECEIPT, &m, ASK_MS);
}

static void ask_order(struct front *f, struct http_req *r, bool erase)
{
    struct err e = ERR_INIT;
    struct pm_order m;
    struct visit *v;

    memset(&m, 0, sizeof(m));
    m.erase = erase;
    if (!id_of(r, "sub", &m.sub))
        return;
    if (front_json_order(http_body(r), m.sig, &e) != 0) {
        malformed(r, err_text(&e));
        return;
    }
    if ((v = front_visit(f, r)) == NULL)
        return;
    v->state = erase ? "erased" : "withdrawn";
    front_ask(f, r, FK_ORDER, &m, sizeof(m), ORDER_MS);
}

static void begin_withdraw(struct http_req *r, void *arg)
{
    ask_order(arg, r, false);
}

static void begin_erase(struct http_req *r, void *arg)
{
    ask_order(arg, r, true);
}

/* --- documents, ledger, state --- */

/* A visit whose answer comes with a descriptor; NULL: it has answered. */
static struct visit *file_visit(struct front *f, struct http_req *r)
{
    struct visit *v;

    if (f->files_now >= FRONT_FILES_MAX) {
        front_answer_error(r, 503, "busy", "try again after the seconds of Retry-After", 2,
                           "too many files are being sent");
        return NULL;
    }
    if ((v = front_visit(f, r)) != NULL) {
        v->file = true;
        f->files_now++;
    }
    return v;
}

static void ask_document(struct front *f, struct http_req *r, enum proto_doc which)
{
    struct pm_doc m = {(uint32_t)which, 0};
    struct visit *v = file_visit(f, r);

    if (v == NULL)
        return;
    v->type = "application/json";
    front_ask(f, r, FK_DOC, &m, sizeof(m), ASK_MS);
}

static void begin_policy(struct http_req *r, void *arg)
{
    ask_document(arg, r, PROTO_DOC_POLICY);
}

static void begin_statements(struct http_req *r, void *arg)
{
    ask_document(arg, r, PROTO_DOC_STATEMENT);
}

static void begin_register(struct http_req *r, void *arg)
{
    ask_document(arg, r, PROTO_DOC_REGISTER);
}

static void begin_ledger(struct http_req *r, void *arg)
{
    struct span path = http_param(r, "path");
    struct pm_file m;
    struct visit *v;

    memset(&m, 0, sizeof(m));
    if (path.n >= sizeof(m.path)) {
        front_answer_error(r, 404, "not_found", "docs/openapi.yaml lists the paths", 0,
                           "a ledger has no file of this name");
        return;
    }
    if ((v = file_visit(arg, r)) == NULL)
        return;
    memcpy(m.path, path.p, path.n);
    v->type = strncmp(m.path, "checkpoint", 10) == 0 ? "text/plain; charset=utf-8"
                                                     : "application/octet-stream";
    (void)snprintf(v->path, sizeof(v->path), "%s", m.path);
    front_ask(arg, r, FK_FILE, &m, sizeof(m), ASK_MS);
}

static void begin_health(struct http_req *r, void *arg)
{
    if (front_visit(arg, r) != NULL)
        front_ask(arg, r, FK_STATE, NULL, 0, HEALTH_MS);
}

static void begin_metrics(struct http_req *r, void *arg)
{
    struct visit *v = front_visit(arg, r);

    if (v == NULL)
        return;
    v->metrics = true;
    front_ask(arg, r, FK_STATE, NULL, 0, HEALTH_MS);
}

/* --- between sites --- */

/* u32 n | proof (n bytes) | box(salt) */
static void begin_move(struct http_req *r, void *arg)
{
    struct cur c = cur_of(http_body(r));
    struct pm_move m;
    struct span proof;
    struct buf b;
    uint32_t n;
    int rc;

    memset(&m, 0, sizeof(m));
    if (!id_of(r, "move", &m.move))
        return;
    if (cur_u32(&c, &n) != 0 || cur_take(&c, n, &proof) != 0) {
        malformed(r, "the body is not a proof and a sealed salt");
        return;
    }
    m.proof_len = n;
    m.sealed_len = (uint32_t)c.n;
    buf_init(&b, sizeof(m) + PROTO_TAIL_MAX);
    if ((rc = buf_put(&b, &m, sizeof(m))) == 0 && (rc = buf_put(&b, proof.p, proof.n)) == 0)
        rc = buf_put(&b, c.p, c.n);
    if (rc != 0)
        front_answer_error(r, 503, "busy", "try again later", 2, "out of memory");
    else if (front_visit(arg, r) != NULL)
        front_ask(arg, r, FK_MOVE_OPEN, b.data, b.len, ASK_MS);
    buf_free(&b);
}

static void begin_close(struct http_req *r, void *arg)
{
    struct pm_move m;

    memset(&m, 0, sizeof(m));
    if (id_of(r, "move", &m.move) && front_visit(arg, r) != NULL)
        front_ask(arg, r, FK_MOVE_CLOSE, &m, sizeof(m), ASK_MS);
}

/* --- the table --- */

static void on_late(struct http_req *r, void *arg)
{
    const struct front *f = arg;

    if (f->draining)
        front_answer_error(r, 503, "stopping", "try again when the site is back", 5,
                           "the site is going down");
    else
        front_answer_error(r, 503, "busy", "repeat the request; that is always safe", 2,
                           "the answer is not there in time");
}

static void on_gone(struct http_req *r, void *arg)
{
    struct visit *v = http_context(r);
    struct front *f = arg;

    if (v == NULL)
        return;
    if (v->file)
        f->files_now--;
    if (v->upload != UPLOAD_NONE)
        front_upload_gone(r, arg);
    free(v);
}

#define NONE(path, fn)                                                                             \
    {                                                                                              \
        HTTP_GET, path, HTTP_BODY_NONE, 0, fn, NULL, NULL, NULL, on_late, on_gone                  \
    }
#define WHOLE(path, most, fn)                                                                      \
    {                                                                                              \
        HTTP_POST, path, HTTP_BODY_WHOLE, most, fn, NULL, NULL, NULL, on_late, on_gone             \
    }
#define STREAM(path, fn)                                                                           \
    {                                                                                              \
        HTTP_PUT, path, HTTP_BODY_STREAM, 0, fn, front_upload_room, front_upload_body,             \
            front_upload_end, on_late, on_gone                                                     \
    }

static const struct http_route table[] = {
    WHOLE("/v1/submissions", FRONT_JSON_MAX, begin_open),
    STREAM("/v1/submissions/{sub}/content", front_upload_begin),
    NONE("/v1/submissions/{sub}", begin_trace),
    NONE("/v1/submissions/{sub}/receipt", begin_receipt),
    WHOLE("/v1/submissions/{sub}/withdraw", FRONT_JSON_MAX, begin_withdraw),
    WHOLE("/v1/submissions/{sub}/erase", FRONT_JSON_MAX, begin_erase),
    NONE("/v1/policy", begin_policy),
    NONE("/v1/statements", begin_statements),
    NONE("/v1/register", begin_register),
    NONE("/ledger/{path...}", begin_ledger),
    NONE("/healthz", begin_health),
    NONE("/metrics", begin_metrics),
    WHOLE("/v1/moves/{move}", FRONT_MOVE_BODY_MAX, begin_move),
    STREAM("/v1/moves/{move}/objects/{sub}", front_upload_object),
    WHOLE("/v1/moves/{move}/close", 0, begin_close),
    NONE("/v1/lookups/{sha256}", front_lookup_one),
    WHOLE("/v1/lookups", FRONT_LOOKUP_MOST * sizeof(struct digest), front_lookup_many),
};
_Static_assert(ARRAY_LEN(table) == FRONT_ROUTES, "every route has its row");

void front_routes(struct front *f)
{
    memcpy(f->route, table, sizeof(table));
    for (size_t i = 0; i < FRONT_ROUTES; i++)
        if (table[i].begin == front_upload_begin)
            f->route[i].max_body = f->c->object_max;
        else if (table[i].begin == front_upload_object) /* a tag a chunk, and the head */
            f->route[i].max_body = f->c->object_max + (f->c->object_max >> 10) + ARRIVING_EXTRA;
}

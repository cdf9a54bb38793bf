/* front_answer.c - the keeper's typed answers as docs/openapi.yaml spells them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "detect/tree.h"
#include "site/front_priv.h"

#define JSON "application/json"
#define ANSWER_MAX (256 * 1024)

void front_answer_error(struct http_req *r, int status, const char *code, const char *cure,
                        unsigned retry_after, const char *text)
{
    char seconds[16];

    if (retry_after == 0 && (status == 503 || status == 429 || status == 507))
        retry_after = 2;
    (void)snprintf(seconds, sizeof(seconds), "%u", retry_after);
    if (retry_after != 0)
        http_put_header(r, "Retry-After", seconds);
    if (strncmp(code, "token_", 6) == 0)
        http_put_header(r, "WWW-Authenticate", "Bearer");
    http_error(r, status, code, cure, "%s", text);
}

static void out_of_memory(struct http_req *r, struct buf *b)
{
    buf_free(b);
    front_answer_error(r, 503, "busy", "try again later", 2, "out of memory");
}

/* ,"name":"value"; the comma not at the beginning of an object */
static int member(struct buf *b, const char *name, struct span value)
{
    int rc = 0;

    if (b->len > 0 && b->data[b->len - 1] != '{')
        rc = buf_putc(b, ',');
    if (rc == 0)
        rc = buf_printf(b, "\"%s\":", name);
    if (rc == 0 && (rc = text_json_string(b, value)) == -EBADMSG)
        rc = buf_puts(b, "\"\""); /* bytes that are no text are not shown */
    return rc;
}

static int member_number(struct buf *b, const char *name, uint64_t v)
{
    return buf_printf(b, "%s\"%s\":%llu", b->len > 0 && b->data[b->len - 1] != '{' ? "," : "", name,
                      (unsigned long long)v);
}

static int member_time(struct buf *b, const char *name, int64_t t)
{
    char text[CLOCK_SECOND_LEN + 1];

    if (t == 0)
        return 0;
    clock_second(text, t);
    return member(b, name, span_str(text));
}

/* A string of a fixed array, as far as its NUL. */
static struct span fixed(const char *s, size_t cap)
{
    return span_of(s, strnlen(s, cap));
}

/* --- refusals --- */

static void wrong_site(struct http_req *r, const struct pm_refused *m)
{
    struct buf b;
    int rc;

    buf_init(&b, ANSWER_MAX);
    if ((rc = buf_puts(&b, "{\"error\":{")) == 0 &&
        (rc = member(&b, "code", span_str(proto_refusal_word(PRF_WRONG_SITE)))) == 0 &&
        (rc = member(&b, "message", fixed(m->text, sizeof(m->text)))) == 0 &&
        (rc = member(&b, "cure", span_str(proto_refusal_cure(PRF_WRONG_SITE)))) == 0 &&
        (rc = buf_putc(&b, '}')) == 0 &&
        (rc = member(&b, "site", fixed(m->site, sizeof(m->site)))) == 0 &&
        (rc = member(&b, "url", fixed(m->url, sizeof(m->url)))) == 0)
        rc = buf_puts(&b, "}\n");
    if (rc != 0)
        out_of_memory(r, &b);
    else
        http_answer_take(r, 421, JSON, &b);
}

static void refused(struct http_req *r, const struct pm_refused *m)
{
    enum proto_refusal why = m->refusal < PRF_REFUSALS ? (enum proto_refusal)m->refusal : PRF_NONE;
    char text[PROTO_TEXT + 1];

    if (why == PRF_WRONG_SITE) {
        wrong_site(r, m);
        return;
    }
    (void)snprintf(text, sizeof(text), "%.*s", (int)sizeof(m->text), m->text);
    front_answer_error(r, (int)proto_refusal_status(why), proto_refusal_word(why),
                       proto_refusal_cure(why), m->retry_after, text);
}

/* --- submissions --- */

static void opened(struct front *f, struct http_req *r, struct visit *v, const struct pm_opened *m)
{
    char id[33], sub[33];
    struct buf b;
    int rc;

    buf_init(&b, ANSWER_MAX);
    text_id(id, &m->ticket);
    text_id(sub, &v->sub);
    if ((rc = buf_putc(&b, '{')) == 0 && (rc = member(&b, "ticket", span_str(id))) == 0 &&
        (rc = buf_printf(&b, ",\"upload_url\":\"%s/v1/submissions/%s/content\"", f->c->url, sub)) ==
            0 &&
        (rc = member_number(&b, "max_bytes", m->max_bytes)) == 0 &&
        (rc = member_time(&b, "expires", m->expires)) == 0)
        rc = buf_puts(&b, "}\n");
    if (rc != 0)
        out_of_memory(r, &b);
    else
        http_answer_take(r, 201, JSON, &b);
}

static void receipt(struct http_req *r, int status, const struct pm_receipt *m, struct span tail)
{
    http_put_header(r, "X-Receipt", m->final != 0 ? "final" : "pending");
    http_put_header(r, "Cache-Control", HTTP_CACHE_NEVER);
    http_answer(r, status, "text/plain", tail);
}

static void put_done(struct http_req *r, struct visit *v, const struct pm_receipt *m,
                     struct span tail)
{
    int status = m->repeat != 0 ? 200 : 201;

    v->upload = UPLOAD_OVER;
    if (v->move)
        http_answer(r, status, JSON, span_str("{\"status\":\"taken\"}\n"));
    else
        receipt(r, status, m, tail);
}

static const struct {
    uint32_t bit;
    const char *word;
} states[] = {
    {SUB_ACCEPTED, "accepted"},   {SUB_FINAL, "final"},     {SUB_SCANNED, "scanned"},
    {SUB_WITHDRAWN, "withdrawn"}, {SUB_ERASED, "erased"},   {SUB_MOVED, "moved"},
    {SUB_DESTROYED, "destroyed"}, {SUB_RENEWED, "renewed"},
};

static int put_states(struct buf *b, uint32_t set)
{
    int rc = buf_puts(b, ",\"states\":[");
    bool first = true;

    for (size_t i = 0; i < ARRAY_LEN(states) && rc == 0; i++)
        if ((set & states[i].bit) != 0) {
            rc = buf_printf(b, "%s\"%s\"", first ? "" : ",", states[i].word);
            first = false;
        }
    return rc == 0 ? buf_putc(b, ']') : rc;
}

static int put_names(struct buf *b, struct span names)
{
    int rc = buf_puts(b, ",\"names\":[");
    bool first = true;

    while (names.n > 0 && rc == 0) {
        const uint8_t *end = memchr(names.p, '\n', names.n);
        struct span one = span_of(names.p, end == NULL ? names.n : (size_t)(end - names.p));
        size_t used = one.n + (end != NULL);

        if (text_is_utf8(one) && one.n > 0) {
            rc = first ? 0 : buf_putc(b, ',');
            if (rc == 0)
                rc = text_json_string(b, one);
            first = false;
        }
        names = span_of(names.p + used, names.n - used);
    }
    return rc == 0 ? buf_putc(b, ']') : rc;
}

/* A member's name is whatever its container says: shown as a terminal would. */
static int put_member_name(struct buf *b, struct span name)
{
    struct buf plain;
    int rc;

    buf_init(&plain, 4 * TREE_NAME_MAX);
    rc = text_plain(&plain, name);
    if (rc == 0)
        rc = member(b, "name", buf_span(&plain));
    buf_free(&plain);
    return rc;
}

static int put_held_one(struct buf *b, const struct tree_member *m)
{
    char hex[65];
    int rc;

    text_digest(hex, &m->sha256);
    if ((rc = buf_printf(b, "{\"number\":%u,\"parent\":%u", m->number, m->parent)) != 0 ||
        (rc = put_member_name(b, m->name)) != 0 || (rc = member_number(b, "size", m->size)) != 0 ||
        (rc = member(b, "sha256", span_str(hex))) != 0 ||
        (rc = member(b, "verdict", span_str(verdict_word(m->verdict)))) != 0 ||
        (rc = member(b, "reason", span_str(verdict_reason_word(m->reason)))) != 0 ||
        (rc = put_names(b, m->names)) != 0)
        return rc;
    return buf_putc(b, '}');
}

/* What the file held; nothing is said of a file that is no container. */
static int put_held(struct buf *b, struct span record)
{
    struct tree_member m;
    struct tree t;
    bool first = true;
    int rc;

    if (record.n == 0)
        return 0;
    if (tree_read(&t, record) != 0)
        return -EPROTO;
    rc = buf_printf(b, ",\"held\":{\"members\":%u,\"listed\":[", t.members);
    while (rc == 0 && (rc = tree_next(&t, &m)) == 1) {
        rc = first ? 0 : buf_putc(b, ',');
        if (rc == 0)
            rc = put_held_one(b, &m);
        first = false;
    }
    return rc == -EBADMSG ? -EPROTO : rc != 0 ? rc : buf_puts(b, "]}");
}

static int put_words(struct buf *b, const struct pm_verdict *v, struct span names)
{
    char hex[65];
    int rc;

    if (v->verdict > VERDICT_MALICIOUS || v->reason > REASON_CRASH)
        return -EPROTO;
    text_digest(hex, &v->release);
    if ((rc = buf_printf(b, "{\"verdict\":\"%s\"", verdict_word((enum verdict)v->verdict))) != 0 ||
        (rc = member(b, "reason", span_str(verdict_reason_word((enum verdict_reason)v->reason)))) !=
            0 ||
        (rc = member_number(b, "hits", v->hits)) != 0 ||
        (rc = member(b, "mode", span_str(v->detect != 0 ? "detect" : "enforce"))) != 0 ||
        (rc = member(b, "release", span_str(hex))) != 0 ||
        (rc = member_time(b, "time", v->at)) != 0)
        return rc;
    return put_names(b, names);
}

/* What became of it when other rules came: the verdict before, and who said the same since. */
static int put_since(struct buf *b, const struct pm_traced *m, struct span names)
{
    char hex[65];
    int rc = 0;

    if ((m->state & SUB_RENEWED) != 0 && (rc = buf_puts(b, ",\"before\":")) == 0 &&
        (rc = put_words(b, &m->before, names)) == 0)
        rc = buf_putc(b, '}');
    if (rc != 0 || m->confirmed == 0)
        return rc;
    text_digest(hex, &m->confirmed_by);
    if ((rc = buf_printf(b, ",\"confirmed\":{\"release\":\"%s\"", hex)) == 0 &&
        (rc = member_time(b, "time", m->confirmed)) == 0)
        rc = buf_putc(b, '}');
    return rc;
}

static int put_verdict(struct buf *b, const struct pm_traced *m, struct span tail)
{
    const struct pm_verdict now = {m->verdict, m->reason,  m->hits,
                                   m->detect,  m->scanned, m->release};
    struct cur c = cur_of(tail);
    struct span names, tree, before;
    int rc;

    if (cur_take(&c, m->names_len, &names) != 0 || cur_take(&c, m->tree_len, &tree) != 0 ||
        cur_take(&c, m->before_len, &before) != 0 || c.n != 0)
        return -EPROTO;
    if ((m->state & SUB_SCANNED) == 0)
        return buf_puts(b, ",\"verdict\":null");
    if ((rc = buf_puts(b, ",\"verdict\":")) == 0 && (rc = put_words(b, &now, names)) == 0 &&
        (rc = put_held(b, tree)) == 0 && (rc = put_since(b, m, before)) == 0)
        rc = buf_putc(b, '}');
    return rc;
}

static int put_traced(struct buf *b, const struct visit *v, const struct pm_traced *m,
                      struct span tail)
{
    char sub[33];
    int rc;

    text_id(sub, &v->sub);
    if ((rc = buf_putc(b, '{')) != 0 || (rc = member(b, "sub", span_str(sub))) != 0 ||
        (rc = put_states(b, m->state)) != 0 || (rc = member_number(b, "seen", m->state)) != 0 ||
        (rc = put_verdict(b, m, tail)) != 0 ||
        (rc = member(b, "country", fixed(m->country, sizeof(m->country)))) != 0 ||
        (rc = member_number(b, "size", m->size)) != 0 ||
        (rc = member(b, "site", fixed(m->site, sizeof(m->site)))) != 0 ||
        (rc = member(b, "url", fixed(m->url, sizeof(m->url)))) != 0 ||
        (rc = member_time(b, "accepted", m->accepted)) != 0 ||
        (rc = member_time(b, "ended", m->erased)) != 0)
        return rc;
    if ((m->state & (SUB_WITHDRAWN | SUB_ERASED | SUB_MOVED)) != 0 &&
        (rc = member_number(b, "final_epoch", m->final_epoch)) != 0)
        return rc;
    return buf_puts(b, "}\n");
}

static void traced(struct front *f, struct http_req *r, const struct visit *v,
                   const struct pm_traced *m, struct span tail)
{
    struct buf b;
    int rc;

    buf_init(&b, ANSWER_MAX);
    rc = put_traced(&b, v, m, tail);
    http_put_header(r, "Cache-Control", HTTP_CACHE_NEVER);
    if (rc == -EPROTO)
        f->failed = rc;
    if (rc != 0)
        out_of_memory(r, &b);
    else
        http_answer_take(r, 200, JSON, &b);
}

static void ordered(struct http_req *r, const struct visit *v, const struct pm_ordered *m,
                    struct span tail)
{
    struct buf b;
    int rc;

    buf_init(&b, ANSWER_MAX);
    if ((rc = buf_putc(&b, '{')) == 0 && (rc = member(&b, "state", span_str(v->state))) == 0 &&
        (rc = member_number(&b, "final_epoch", m->final_epoch)) == 0 &&
        (rc = member_time(&b, "final_by", m->final_by)) == 0 &&
        (rc = member(&b, "receipt", tail)) == 0)
        rc = buf_puts(&b, "}\n");
    if (rc != 0)
        out_of_memory(r, &b);
    else
        http_answer_take(r, 202, JSON, &b);
}

/* --- files --- */

static void file(struct http_req *r, const struct visit *v, struct msg *m,
                 const struct pm_file_is *is)
{
    char hex[65], tag[160];

    /* a ledger's file is named by its path, which never changes its meaning; a document by its
     * digest */
    text_digest(hex, &is->digest);
    (void)snprintf(tag, sizeof(tag), "\"%s\"", v->path[0] != '\0' ? v->path : hex);
    http_put_header(r, "Cache-Control", is->immutable != 0 ? HTTP_CACHE_FOREVER : HTTP_CACHE_NEVER);
    if ((is->immutable != 0 || v->path[0] == '\0') && http_etag(r, tag))
        return;
    http_answer_fd(r, 200, v->type, msg_take_fd(m, 0), 0, is->size);
}

/* --- state --- */

static struct span until(struct span *s, char end)
{
    const uint8_t *at = s->n == 0 ? NULL : memchr(s->p, end, s->n);
    struct span part = span_of(s->p, at == NULL ? s->n : (size_t)(at - s->p));
    size_t used = part.n + (at != NULL);

    *s = span_of(s->p + used, s->n - used);
    return part;
}

/* "NAME\tok|no\tWHAT\tCURE" */
static int put_check(struct buf *b, struct span line)
{
    struct span name = until(&line, '\t'), is = until(&line, '\t'), what = until(&line, '\t');
    bool ok = span_is(is, "ok");
    int rc;

    if ((rc = buf_putc(b, '{')) != 0 || (rc = member(b, "name", name)) != 0 ||
        (rc = buf_puts(b, ok ? ",\"ok\":true" : ",\"ok\":false")) != 0)
        return rc;
    if (!ok && (rc = member(b, "message", what)) == 0)
        rc = member(b, "cure", line);
    return rc != 0 ? rc : buf_putc(b, '}');
}

static const char *const state_words[] = {"ok", "degraded", "failing"};

static void health(struct http_req *r, const struct pm_state_is *m, struct span tail)
{
    bool takes = m->state < ARRAY_LEN(state_words) - 1;
    struct buf b;
    int rc;

    buf_init(&b, ANSWER_MAX);
    rc = buf_printf(&b, "{\"status\":\"%s\",\"checks\":[",
                    state_words[takes ? m->state : ARRAY_LEN(state_words) - 1]);
    for (uint32_t i = 0; i < m->checks && rc == 0; i++) {
        if (i > 0)
            rc = buf_putc(&b, ',');
        if (rc == 0)
            rc = put_check(&b, until(&tail, '\n'));
    }
    if (rc == 0)
        rc = buf_puts(&b, "]}\n");
    http_put_header(r, "Cache-Control", HTTP_CACHE_NEVER);
    if (!takes)
        http_put_header(r, "Retry-After", "2");
    if (rc != 0)
        out_of_memory(r, &b);
    else
        http_answer_take(r, takes ? 200 : 503, JSON, &b);
}

static int put_own_metrics(const struct front *f, struct buf *b)
{
    struct http_stats s;
    int rc = 0;

    http_server_stats(f->server, &s);
    const struct {
        const char *name, *type, *help;
        uint64_t value;
    } rows[] = {
        {"connections_accepted", "counter", "Connections accepted", s.accepted},
        {"connections", "gauge", "Connections open", s.active},
        {"requests", "counter", "Requests that passed the gate", s.requests},
        {"gate_refusals", "counter", "Requests the gate refused", s.refused},
        {"over_limit", "counter", "Connections turned away", s.over_limit},
        {"idle_closed", "counter", "Idle connections closed to make room", s.idle_closed},
        {"timeouts", "counter", "Requests that were too slow", s.timeouts},
        {"bytes_in", "counter", "Bytes received", s.bytes_in},
        {"bytes_discarded", "counter", "Bytes of refused bodies, dropped unread",
         s.bytes_discarded},
        {"bytes_out", "counter", "Bytes sent", s.bytes_out},
        {"uploads", "gauge", "Uploads under way", f->uploads_now},
        {"uploads_aborted", "counter", "Uploads whose client left", f->aborted},
        {"slot_waits", "counter", "Times an upload waited for the ring", f->starved},
        {"ring_slots_used", "gauge", "Slots of the upload ring in use", ring_claimed(f->ring)},
        {"handshakes", "counter", "TLS handshakes that succeeded", s.handshakes},
        {"handshakes_refused", "counter", "TLS handshakes that failed", s.handshakes_failed},
        {"certificate_expires_seconds", "gauge", "When the certificate expires (0: no TLS)",
         f->tls != NULL ? (uint64_t)front_tls_expires(f->tls) : 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows) && rc == 0; i++)
        rc = buf_printf(b, "# TYPE front_%s %s\n# HELP front_%s %s\nfront_%s%s %llu\n",
                        rows[i].name, rows[i].type, rows[i].name, rows[i].help, rows[i].name,
                        rows[i].type[0] == 'c' ? "_total" : "", (unsigned long long)rows[i].value);
    return rc;
}

static void metrics(struct front *f, struct http_req *r, struct span text)
{
    static const char end[] = "# EOF\n";
    struct buf b;
    int rc;

    if (text.n >= sizeof(end) - 1 &&
        memcmp(text.p + text.n - (sizeof(end) - 1), end, sizeof(end) - 1) == 0)
        text.n -= sizeof(end) - 1;
    buf_init(&b, ANSWER_MAX);
    if ((rc = buf_put(&b, text.p, text.n)) == 0 && (rc = put_own_metrics(f, &b)) == 0)
        rc = buf_puts(&b, end);
    http_put_header(r, "Cache-Control", HTTP_CACHE_NEVER);
    if (rc != 0)
        out_of_memory(r, &b);
    else
        http_answer_take(r, 200, "application/openmetrics-text; version=1.0.0; charset=utf-8", &b);
}

static void state(struct front *f, struct http_req *r, const struct visit *v,
                  const struct pm_state_is *m, struct span tail)
{
    if (!v->metrics) {
        health(r, m, tail);
        return;
    }
    for (uint32_t i = 0; i < m->checks; i++)
        (void)until(&tail, '\n');
    metrics(f, r, tail);
}

/* --- one message --- */

/* The fixed part of a message whose table guarantees that it is there. */
#define HEAD(type, name)                                                                           \
    type name;                                                                                     \
    memcpy(&name, m->body.p, sizeof(name));                                                        \
    struct span tail = span_of(m->body.p + sizeof(name), m->body.n - sizeof(name));                \
    (void)tail

static void answer(struct front *f, struct http_req *r, struct visit *v, struct msg *m)
{
    switch (m->type->type) {
    case FK_REFUSED: {
        HEAD(struct pm_refused, is);
        if (v->upload != UPLOAD_NONE)
            v->upload = UPLOAD_OVER;
        refused(r, &is);
        break;
    }
    case FK_OPENED: {
        HEAD(struct pm_opened, is);
        opened(f, r, v, &is);
        break;
    }
    case FK_PUT_GO:
        front_upload_go(f, r);
        break;
    case FK_PUT_DONE: {
        HEAD(struct pm_receipt, is);
        put_done(r, v, &is, tail);
        break;
    }
    case FK_TRACED: {
        HEAD(struct pm_traced, is);
        traced(f, r, v, &is, tail);
        break;
    }
    case FK_RECEIPT_IS: {
        HEAD(struct pm_receipt, is);
        receipt(r, 200, &is, tail);
        break;
    }
    case FK_ORDERED: {
        HEAD(struct pm_ordered, is);
        ordered(r, v, &is, tail);
        break;
    }
    case FK_FILE_IS: {
        HEAD(struct pm_file_is, is);
        file(r, v, m, &is);
        break;
    }
    case FK_STATE_IS: {
        HEAD(struct pm_state_is, is);
        state(f, r, v, &is, tail);
        break;
    }
    case FK_LOOKUP_GO:
        front_lookup_go(f, r);
        break;
    case FK_MOVE_GO:
        http_answer(r, 201, JSON, span_str("{\"status\":\"taken\"}\n"));
        break;
    default:
        f->failed = -EPROTO;
    }
}

void front_answer(struct front *f, struct msg *m)
{
    struct pm_slot_free freed;
    struct http_req *r;

    if (m->type->type == FK_DRAIN) {
        f->draining = true;
        front_lookup_end(f);
        return;
    }
    if (m->type->type == FK_HOT) {
        f->failed = front_lookup_take(f, m);
        return;
    }
    if (m->type->type == FK_SLOT_FREE) {
        memcpy(&freed, m->body.p, sizeof(freed));
        front_upload_freed(f, freed.slot);
        return;
    }
    r = http_find(f->server, m->id);
    if (r != NULL)
        answer(f, r, http_context(r), m);
}

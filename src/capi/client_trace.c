/* client_trace.c - the history of one submission, and the orders its submitter can give. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "capi/client_priv.h"

#define MOVES_MAX 8

struct subject {
    struct id128 sub;
    char hex[33];
    const struct client_entry *entry; /* NULL: this client's state does not know it */
    const struct client_site *site;
};

/* 32 hex digits, or a file that was submitted. */
static int find_subject(const struct client *c, const char *which, struct subject *s, struct err *e)
{
    char *real;

    memset(s, 0, sizeof(*s));
    if (text_unid(span_str(which), &s->sub) == 0) {
        s->entry = client_state_sub(c->state, &s->sub);
    } else {
        if ((real = realpath(which, NULL)) == NULL)
            return err_sys(e, -errno, "\"%s\" is neither 32 hex digits nor a file", which);
        s->entry = client_state_path(c->state, real);
        free(real);
        if (s->entry == NULL)
            return err_set(e, -ENOENT, "\"%s\" was not submitted with the state \"%s\"", which,
                           c->state_path);
        s->sub = s->entry->sub;
    }
    text_id(s->hex, &s->sub);
    if (s->entry != NULL)
        s->site = client_site_named(c, s->entry->site);
    if (s->site == NULL)
        s->site = client_home(c, e);
    return s->site == NULL ? -EINVAL : 0;
}

static int refused(const struct http_result *a, struct err *e)
{
    struct client_error why;

    (void)!client_answer_error(&why, a->status, buf_span(&a->body));
    return err_set(e,
                   a->status == 404                       ? -ENOENT
                   : a->status == 429 || a->status >= 500 ? -EIO
                                                          : -EPERM,
                   "%s%s%s%s%s", why.code, why.code[0] != '\0' ? ": " : "", why.message,
                   why.cure[0] != '\0' ? "; " : "", why.cure);
}

static int get(struct client *c, const struct subject *s, const char *tail, struct http_result *a,
               struct err *e)
{
    char url[640], auth[CLIENT_AUTH_MAX];
    const char *headers[] = {auth, NULL};
    struct http_call call = {.method = HTTP_GET,
                             .url = url,
                             .pin = s->site->pin,
                             .headers = headers,
                             .max_answer = TLOG_PROOF_MAX,
                             .total_ms = 60000};
    int rc;

    (void)snprintf(url, sizeof(url), "%s/v1/submissions/%s%s", s->site->url, s->hex, tail);
    memset(a, 0, sizeof(*a));
    if ((rc = client_auth(c, &s->sub, auth)) != 0)
        return err_sys(e, rc, "signing the request");
    if ((rc = http_client_do(c->http, &call, a, e)) != 0)
        return rc;
    return a->status == 200 ? 0 : refused(a, e);
}

/* The answer of the site where the submission lives now.  The address of a site comes from the
 * configuration, never from an answer. */
static int ask(struct client *c, struct subject *s, struct client_answer_state *st,
               char went[MOVES_MAX][17], size_t *moves, struct err *e)
{
    const struct client_site *next;
    struct http_result a;
    int rc;

    for (*moves = 0;; (*moves)++) {
        rc = get(c, s, "", &a, e);
        if (rc == 0)
            rc = client_answer_submission(st, &s->sub, buf_span(&a.body), e);
        http_result_free(&a);
        if (rc != 0 || strcmp(st->site, s->site->name) == 0 || *moves == MOVES_MAX)
            return rc;
        if ((next = client_site_named(c, st->site)) == NULL) {
            rc = err_set(e, -ENOENT,
                         "it has moved to site \"%s\", which the configuration does not name",
                         st->site);
            client_answer_state_done(st);
            return rc;
        }
        memcpy(went[*moves], s->site->name, sizeof(went[0]));
        client_answer_state_done(st);
        s->site = next;
    }
}

/* ---- receipts -------------------------------------------------------------------------------- */

static bool about(const struct client_receipt *r, const struct subject *s)
{
    const struct receipt_opening *o = receipt_extra_find(&r->x, LF_SEALED_SUB);
    struct id128 sub;

    if (leaf_has(&r->leaf, LF_SUB))
        sub = leaf_id(&r->leaf, LF_SUB);
    else if (r->leaf.kind == LK_SCAN_DONE)
        return true; /* it names the copy only; the site says it is of this submission */
    else if (o == NULL || text_unid(o->value, &sub) != 0)
        return false;
    return memcmp(&sub, &s->sub, sizeof(sub)) == 0;
}

static int verified(const struct client *c, const struct subject *s, struct span text,
                    struct client_receipt *r, struct err *e)
{
    int rc = client_receipt_open(r, text, c->trust, e);

    if (rc == 0 && !about(r, s))
        rc = err_set(e, -EBADMSG, "it is of another submission");
    return rc == 0 ? 0 : err_prefix(e, "the receipt is not believed");
}

struct kind {
    const char *of, *suffix;
};

/* Appends one receipt; a site that has none is no failure. */
static int put_receipt(struct client *c, const struct subject *s, const struct kind *k, bool json,
                       struct buf *out, struct err *e)
{
    struct client_receipt r = {.site = NULL};
    struct http_result a;
    char tail[64];
    int rc;

    (void)snprintf(tail, sizeof(tail), "/receipt?of=%s", k->of);
    if ((rc = get(c, s, tail, &a, e)) == -ENOENT) {
        e->code = 0;
        http_result_free(&a);
        return json ? buf_puts(out, "null") : 0;
    }
    if (rc == 0 && (rc = verified(c, s, buf_span(&a.body), &r, e)) == 0 &&
        (rc = client_keep(c, &s->sub, k->suffix, buf_span(&a.body), e)) == 0) {
        if (json)
            rc = client_receipt_json(&r, c->trust, out);
        else if ((rc = buf_printf(out, "\nReceipt (%s):\n", k->of)) == 0)
            rc = client_receipt_text(&r, c->trust, out);
    }
    client_receipt_done(&r);
    http_result_free(&a);
    return rc;
}

/* ---- trace ----------------------------------------------------------------------------------- */

static const char *state_word(const struct client_answer_state *s)
{
    return s->destroyed   ? "erased for good: the epoch's key is destroyed"
           : s->erased    ? "erased; final with the end of the epoch"
           : s->withdrawn ? "withdrawn"
           : s->scanned   ? "scanned"
           : s->final     ? "accepted, and witnessed"
                          : "accepted";
}

static int put_line(struct buf *out, const char *name, const char *value)
{
    int rc = 0;

    if (value[0] != '\0' && (rc = buf_printf(out, "  %-10s ", name)) == 0 &&
        (rc = text_plain(out, span_str(value))) == 0)
        rc = buf_putc(out, '\n');
    return rc;
}

static int put_lines(struct buf *out, const char *what, struct span names)
{
    struct cur c = cur_of(names);
    int rc = 0;

    while (rc == 0 && c.n > 0) {
        const uint8_t *end = memchr(c.p, '\n', c.n);
        size_t n = end == NULL ? c.n : (size_t)(end - c.p);

        if ((rc = buf_printf(out, "  %-10s ", what)) == 0 &&
            (rc = text_plain(out, span_of(c.p, n))) == 0)
            rc = buf_putc(out, '\n');
        n += end != NULL;
        c.p += n;
        c.n -= n;
    }
    return rc;
}

/* A verdict keeps so many names and counts all rules that hit. */
static int put_unnamed(struct buf *out, const struct client_answer_state *st)
{
    if (st->hits <= st->named)
        return 0;
    return buf_printf(out, "  %-10s and %" PRIu64 " more, counted but not named\n", "rule",
                      st->hits - st->named);
}

static int put_history(const struct subject *s, const struct client_answer_state *st,
                       const char went[MOVES_MAX][17], size_t moves, struct buf *out)
{
    char number[32];
    int rc;

    if ((rc = buf_printf(out, "Submission %s\n", s->hex)) != 0 ||
        (rc = put_line(out, "file", s->entry != NULL ? s->entry->path : "")) != 0 ||
        (rc = put_line(out, "state", state_word(st))) != 0 ||
        (rc = put_line(out, "country", st->country)) != 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < moves; i++)
        rc = put_line(out, "moved from", went[i]);
    if (rc != 0 || (rc = put_line(out, "site", s->site->name)) != 0)
        return rc;
    if (!st->erased && (rc = put_line(out, "size", text_bytes(number, st->size))) != 0)
        return rc;
    if ((rc = put_line(out, "accepted", st->accepted_at)) != 0 ||
        (rc = put_line(out, "scanned", st->scanned_at)) != 0 ||
        (rc = put_line(out, "ended", st->ended_at)) != 0)
        return rc;
    if (st->has_epoch && (st->withdrawn || st->erased)) {
        (void)snprintf(number, sizeof(number), "%" PRIu64, st->final_epoch);
        if ((rc = put_line(out, "epoch", number)) != 0)
            return rc;
    }
    if (st->verdict[0] == '\0' && st->erased) /* what the site knew of the bytes died with them */
        return 0;
    if (st->verdict[0] == '\0')
        return buf_puts(out, "  verdict    none yet\n");
    if ((rc = put_line(out, "verdict", st->verdict)) != 0 ||
        (strcmp(st->reason, "none") != 0 && (rc = put_line(out, "because", st->reason)) != 0) ||
        (rc = put_line(out, "release", st->release)) != 0 ||
        (rc = put_lines(out, "rule", buf_span(&st->names))) != 0 ||
        (rc = put_unnamed(out, st)) != 0)
        return rc;
    return put_lines(out, "held", buf_span(&st->held));
}

static int put_json(const struct subject *s, const struct client_answer_state *st, struct buf *out)
{
    const struct {
        const char *name, *value;
    } texts[] = {
        {"site", s->site->name},          {"country", st->country},
        {"verdict", st->verdict},         {"reason", st->reason},
        {"release", st->release},         {"names", buf_str((struct buf *)(uintptr_t)&st->names)},
        {"accepted_at", st->accepted_at}, {"scanned_at", st->scanned_at},
        {"ended_at", st->ended_at},       {"path", s->entry != NULL ? s->entry->path : ""}};
    const struct {
        const char *name;
        bool is;
    } flags[] = {{"accepted", st->accepted},   {"final", st->final},   {"scanned", st->scanned},
                 {"withdrawn", st->withdrawn}, {"erased", st->erased}, {"moved", st->moved},
                 {"destroyed", st->destroyed}};
    int rc = buf_printf(out, "{\"sub\":\"%s\",\"size\":%" PRIu64, s->hex, st->size);

    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(texts); i++) {
        const char *v = texts[i].value;

        if (v == NULL || v[0] == '\0' || !text_is_utf8(span_str(v)))
            continue;
        if ((rc = buf_printf(out, ",\"%s\":", texts[i].name)) == 0)
            rc = text_json_string(out, span_str(v));
    }
    if (rc == 0 && st->verdict[0] != '\0')
        rc = buf_printf(out, ",\"hits\":%" PRIu64, st->hits);
    if (rc == 0 && st->held_json != NULL)
        rc = buf_printf(out, ",\"held\":%s", st->held_json);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(flags); i++)
        rc = buf_printf(out, ",\"%s\":%s", flags[i].name, flags[i].is ? "true" : "false");
    return rc;
}

int client_trace(struct client *c, const char *which, bool json, struct buf *out, struct err *e)
{
    static const struct kind kinds[] = {{"accepted", ".tlog-proof"},
                                        {"scan", ".scan.tlog-proof"},
                                        {"erased", ".erased.tlog-proof"}};
    struct client_answer_state st;
    char went[MOVES_MAX][17];
    struct subject s;
    size_t moves;
    int rc;

    if ((rc = find_subject(c, which, &s, e)) != 0)
        return rc;
    memset(&st, 0, sizeof(st));
    if ((rc = ask(c, &s, &st, went, &moves, e)) != 0)
        goto out;
    rc = json ? put_json(&s, &st, out) : put_history(&s, &st, went, moves, out);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(kinds); i++) {
        if (json && (rc = buf_printf(out, ",\"receipt_%s\":", kinds[i].of)) != 0)
            break;
        rc = put_receipt(c, &s, &kinds[i], json, out, e);
    }
    if (rc == 0 && json)
        rc = buf_puts(out, "}\n");
    if (rc != 0 && e->code == 0)
        (void)err_sys(e, rc, "telling the history");
out:
    client_answer_state_done(&st);
    return rc;
}

/* ---- withdraw, erase ------------------------------------------------------------------------- */

static int send_order(struct client *c, const struct subject *s, enum client_order what,
                      struct http_result *a, struct err *e)
{
    char url[640], body[160], sig64[TEXT_BASE64_LEN(64) + 1];
    const char *headers[] = {"Content-Type: application/json", NULL};
    struct http_call call = {.method = HTTP_POST,
                             .url = url,
                             .pin = s->site->pin,
                             .headers = headers,
                             .max_answer = TLOG_PROOF_MAX + 4096,
                             .total_ms = 60000};
    struct ed25519_key *k = NULL;
    struct ed25519_sig sig;
    int rc = submitter_key(&k, c->secret, &s->sub);

    memset(a, 0, sizeof(*a));
    if (rc == 0)
        rc = what == CLIENT_WITHDRAW ? submitter_sign_withdraw(k, &s->sub, &sig)
                                     : submitter_sign_erase(k, &s->sub, &sig);
    ed25519_free(k);
    if (rc != 0)
        return err_sys(e, rc, "signing the order");
    text_base64(sig64, sig.b, sizeof(sig.b));
    (void)snprintf(body, sizeof(body), "{\"sub_sig\":\"%s\"}", sig64);
    (void)snprintf(url, sizeof(url), "%s/v1/submissions/%s/%s", s->site->url, s->hex,
                   what == CLIENT_WITHDRAW ? "withdraw" : "erase");
    call.body = span_str(body);
    if ((rc = http_client_do(c->http, &call, a, e)) != 0)
        return rc;
    return a->status == 202 ? 0 : refused(a, e);
}

static int put_order(const struct subject *s, const struct client_ordered *o,
                     const struct client_receipt *r, const struct client *c, bool json,
                     struct buf *out)
{
    int rc;

    if (json) {
        if ((rc = buf_printf(
                 out, "{\"sub\":\"%s\",\"state\":\"%s\",\"final_epoch\":%" PRIu64 ",\"final_by\":",
                 s->hex, o->state, o->final_epoch)) != 0 ||
            (rc = text_json_string(out, span_str(o->final_by))) != 0 ||
            (rc = buf_puts(out, ",\"receipt\":")) != 0 ||
            (rc = client_receipt_json(r, c->trust, out)) != 0)
            return rc;
        return buf_puts(out, "}\n");
    }
    rc = buf_printf(out,
                    "%s: %s.  Final when epoch %" PRIu64 " is destroyed, by %s.\n"
                    "Receipt kept: %s/%s.erased.tlog-proof\n\n",
                    s->hex, o->state, o->final_epoch, o->final_by, c->receipts, s->hex);
    return rc != 0 ? rc : client_receipt_text(r, c->trust, out);
}

int client_order(struct client *c, const char *which, enum client_order what, bool json,
                 struct buf *out, struct err *e)
{
    struct client_receipt r = {.site = NULL};
    struct client_answer_state st;
    struct client_ordered o;
    char went[MOVES_MAX][17];
    struct http_result a;
    struct subject s;
    size_t moves;
    int rc;

    if ((rc = find_subject(c, which, &s, e)) != 0)
        return rc;
    memset(&st, 0, sizeof(st));
    memset(&o, 0, sizeof(o));
    memset(&a, 0, sizeof(a));
    if ((rc = ask(c, &s, &st, went, &moves, e)) == 0 && /* it may have moved */
        (rc = send_order(c, &s, what, &a, e)) == 0 &&
        (rc = client_answer_ordered(&o, buf_span(&a.body), e)) == 0 &&
        (rc = verified(c, &s, buf_span(&o.receipt), &r, e)) == 0 &&
        r.leaf.kind != LK_SUBMISSION_ERASED)
        rc = err_set(e, -EBADMSG, "the receipt is not of an erasure");
    if (rc == 0 && leaf_int(&r.leaf, LF_FINAL_EPOCH) != o.final_epoch)
        rc = err_set(e, -EBADMSG, "the receipt says another epoch than the answer");
    if (rc == 0 &&
        (rc = client_keep(c, &s.sub, ".erased.tlog-proof", buf_span(&o.receipt), e)) == 0 &&
        (rc = put_order(&s, &o, &r, c, json, out)) != 0)
        (void)err_sys(e, rc, "telling the answer");
    client_receipt_done(&r);
    client_ordered_done(&o);
    client_answer_state_done(&st);
    http_result_free(&a);
    return rc;
}

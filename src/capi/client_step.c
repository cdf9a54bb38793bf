/* client_step.c - the steps of one file: the requests, and what their answers mean. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "capi/client_submit_priv.h"
#include "crypto/secret.h"

#define POLL_SECONDS 20
#define PAUSE_MAX_MS 10000
#define RETRY_AFTER_MAX 60
#define NAME_MAX_BYTES 255

/* Sleeps before the step is taken again, or gives up. */
static void pause_item(struct submit_item *it, unsigned seconds, const char *why)
{
    unsigned most = it->run->o->tries != 0 ? it->run->o->tries : 30;
    uint64_t ms = it->run->o->backoff_ms != 0 ? it->run->o->backoff_ms : 200;

    if (++it->tries > most) {
        client_submit_finish(it, it->step >= WATCH ? CLIENT_PENDING : CLIENT_FAILED, why);
        return;
    }
    for (unsigned i = 1; i < it->tries && ms < PAUSE_MAX_MS; i++)
        ms *= 2;
    if (ms > PAUSE_MAX_MS)
        ms = PAUSE_MAX_MS;
    if (seconds > 0)
        ms = (uint64_t)seconds * 1000;
    client_submit_idle(it, clock_mono() + (mono_ms)(ms + random_below(ms / 4 + 1)));
}

static unsigned retry_after(const struct http_result *a)
{
    uint64_t s;

    if (text_u64(http_result_header(a, "retry-after"), 3600, &s) != 0)
        return 0;
    return (unsigned)(s > RETRY_AFTER_MAX ? RETRY_AFTER_MAX : s);
}

/* What all steps do alike with an answer that is not theirs. */
static void other_answer(struct submit_item *it, const struct http_result *a)
{
    struct client_error why;
    char text[2 * CLIENT_TEXT + 64];

    it->code = a->status == 0                         ? a->rc
               : a->status == 429 || a->status == 503 ? -EBUSY
               : a->status >= 500                     ? -EIO
                                                      : -EPERM;
    if (a->status == 0) {
        pause_item(it, 0, a->err.text[0] != '\0' ? a->err.text : "the connection was lost");
        return;
    }
    if (client_answer_error(&why, a->status, buf_span(&a->body)) != 0) {
        it->code = -ENOMEM;
        pause_item(it, 0, "no memory for the site's answer");
        return;
    }
    (void)snprintf(text, sizeof(text), "%s%s%s%s%s", why.code, why.code[0] != '\0' ? ": " : "",
                   why.message, why.cure[0] != '\0' ? "; " : "", why.cure);
    if (a->status == 429 || a->status == 408 || a->status >= 500)
        pause_item(it, retry_after(a), text);
    else if (a->status == 403 && strcmp(why.code, "ticket_unknown") == 0) {
        it->step = ANNOUNCE; /* the ticket has ended */
        pause_item(it, 0, text);
    } else {
        client_submit_refuse(it, text);
    }
}

/* ---- requests -------------------------------------------------------------------------------- */

static void start(struct submit_item *it, const struct http_call *call)
{
    struct err e = ERR_INIT;

    client_submit_busy(it);
    if ((it->code = http_client_start(it->run->c->http, call, &e)) != 0)
        client_submit_finish(it, CLIENT_FAILED, err_text(&e));
}

static void on_announced(struct http_result *a, void *arg);
static void on_uploaded(struct http_result *a, void *arg);
static void on_watched(struct http_result *a, void *arg);
static void on_fetched(struct http_result *a, void *arg);

/* The item's key signs the act; what it signed is kept, to be found again in the receipt. */
static int sign_act(struct submit_item *it)
{
    const struct client *c = it->run->c;
    struct ed25519_key *k = it->run->key;
    int rc;

    it->own.act.kind = it->own.act.scope = SCOPE_FILE;
    it->own.act.statement = c->statement;
    memcpy(it->own.act.country, c->country, sizeof(it->own.act.country));
    submitter_rekey(k, c->secret, &it->own.act.sub);
    if ((rc = submitter_sign_submit(k, &it->own.act, &it->own.sig)) == 0) {
        ed25519_public(k, &it->own.pub);
        it->announced = true;
    }
    return rc;
}

static int announcement(struct submit_item *it, struct buf *out)
{
    char key[TEXT_BASE64_LEN(32) + 1], sig[TEXT_BASE64_LEN(64) + 1], statement[65];
    int rc = it->announced ? 0 : sign_act(it);

    if (rc != 0)
        return rc;
    text_base64(key, it->own.pub.b, sizeof(it->own.pub.b));
    text_base64(sig, it->own.sig.b, sizeof(it->own.sig.b));
    text_digest(statement, &it->own.act.statement);
    return buf_printf(out,
                      "{\"basis\":\"declared\",\"country\":\"%s\",\"kind\":\"file\",\"scope\":"
                      "\"file\",\"statement\":\"%s\",\"sub\":\"%s\",\"sub_key\":\"%s\","
                      "\"sub_sig\":\"%s\"}",
                      it->own.act.country, statement, it->hex, key, sig);
}

struct message { /* a body that lives until its answer */
    struct submit_item *it;
    struct buf body;
};

static void send_announcement(struct submit_item *it)
{
    struct message *m = calloc(1, sizeof(*m));
    char url[640], auth[600];
    const char *headers[] = {auth, "Content-Type: application/json", NULL};
    struct http_call call = {.method = HTTP_POST,
                             .url = url,
                             .pin = it->site->pin,
                             .headers = headers,
                             .done = on_announced,
                             .total_ms = 60000,
                             .arg = m};
    struct err e = ERR_INIT;

    if (m == NULL)
        goto fail;
    m->it = it;
    buf_init(&m->body, 4096);
    if (announcement(it, &m->body) != 0)
        goto fail;
    (void)snprintf(url, sizeof(url), "%s/v1/submissions", it->site->url);
    (void)snprintf(auth, sizeof(auth), "Authorization: Bearer %s", it->run->c->token);
    call.body = buf_span(&m->body);
    client_submit_busy(it);
    if (http_client_start(it->run->c->http, &call, &e) == 0)
        return;
fail:
    if (m != NULL)
        buf_free(&m->body);
    free(m);
    it->code = e.code != 0 ? e.code : -ENOMEM;
    client_submit_finish(it, CLIENT_FAILED, e.code != 0 ? err_text(&e) : "out of memory");
}

/* X-Name: the last part of the path, if it can be said in UTF-8. */
static bool name_header(const char *path, char *out, size_t cap)
{
    const char *name = strrchr(path, '/') + 1;
    size_t n = strlen(name);
    char *p;

    if (n == 0 || n > NAME_MAX_BYTES || !text_is_utf8(span_str(name)) ||
        cap < sizeof("X-Name: ") + TEXT_BASE64_LEN(n))
        return false;
    memcpy(out, "X-Name: ", 8);
    text_base64(out + 8, name, n);
    for (p = out + 8; *p != '\0' && *p != '='; p++)
        *p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
    *p = '\0';
    return true;
}

/* Tells the caller of the run how much has left; what an upload that is sent again had sent does
 * not count twice. */
static void count_sent(struct submit_item *it, uint64_t sent)
{
    struct submit *r = it->run;

    if (r->o->sent == NULL || it->sent == sent || sent > it->file.size)
        return;
    r->bytes += sent - it->sent;
    it->sent = sent;
    r->stop = !r->o->sent(r->o->arg, r->bytes, r->bytes_total) || r->stop;
}

static void on_sent(uint64_t sent, uint64_t total, void *arg)
{
    (void)total;
    count_sent(arg, sent);
}

static void send_content(struct submit_item *it)
{
    char url[640], ticket[64], name[400];
    const char *headers[] = {ticket, "Content-Type: application/octet-stream", name, NULL};
    struct http_call call = {.method = HTTP_PUT,
                             .url = url,
                             .pin = it->site->pin,
                             .headers = headers,
                             .body_fd = it->fd,
                             .body_len = it->file.size,
                             .max_answer = TLOG_PROOF_MAX,
                             .done = on_uploaded,
                             .progress = it->run->o->sent != NULL ? on_sent : NULL,
                             .arg = it};

    (void)snprintf(url, sizeof(url), "%s/v1/submissions/%s/content", it->site->url, it->hex);
    (void)snprintf(ticket, sizeof(ticket), "Ticket: %s", it->ticket);
    if (!name_header(it->path, name, sizeof(name)))
        headers[2] = NULL;
    if (it->bytes != NULL || it->file.size == 0) {
        call.body_fd = 0;
        call.body = span_of(it->bytes, it->bytes != NULL ? (size_t)it->file.size : 0);
    }
    start(it, &call);
}

static void send_get(struct submit_item *it, const char *tail, uint32_t ms,
                     void (*done)(struct http_result *, void *))
{
    char url[640], auth[CLIENT_AUTH_MAX];
    const char *headers[] = {auth, NULL};
    struct http_call call = {.method = HTTP_GET,
                             .url = url,
                             .pin = it->site->pin,
                             .headers = headers,
                             .max_answer = TLOG_PROOF_MAX,
                             .total_ms = ms,
                             .done = done,
                             .arg = it};

    (void)snprintf(url, sizeof(url), "%s/v1/submissions/%s%s", it->site->url, it->hex, tail);
    it->code = client_auth(it->run->c, &it->own.act.sub, auth);
    if (it->code != 0)
        client_submit_finish(it, CLIENT_FAILED, "out of memory");
    else
        start(it, &call);
}

void client_step_take(struct submit_item *it)
{
    char tail[64];

    switch (it->step) {
    case ANNOUNCE:
        send_announcement(it);
        break;
    case UPLOAD:
        send_content(it);
        break;
    case WATCH:
        (void)snprintf(tail, sizeof(tail), "?wait=%d&seen=%llu", POLL_SECONDS,
                       (unsigned long long)it->seen);
        send_get(it, tail, (POLL_SECONDS + 20) * 1000, on_watched);
        break;
    case FETCH:
        send_get(it, "/receipt", 60000, on_fetched);
        break;
    case KEEP:
        break; /* the shelf's turn */
    }
}

/* ---- answers --------------------------------------------------------------------------------- */

/* 421: followed only where the policy says so too, and to the address of the configuration. */
static void misdirected(struct submit *r, struct submit_item *it, const struct http_result *a)
{
    struct client_error why;
    struct err e = ERR_INIT;
    const struct client_site *home = client_home(r->c, &e);
    char text[4 * CLIENT_TEXT];

    it->code = -EPERM;
    if (client_answer_error(&why, a->status, buf_span(&a->body)) != 0) {
        pause_item(it, 0, "no memory for the site's answer");
        return;
    }
    if (r->o->site_url == NULL && home != NULL && home != it->site &&
        strcmp(home->name, why.site) == 0 && it->redirected++ == 0) {
        it->site = home;
        client_submit_forward(it);
        client_submit_idle(it, 0);
        return;
    }
    if (home != NULL && strcmp(home->name, why.site) == 0)
        (void)snprintf(
            text, sizeof(text),
            "%s: %s; the policy says the same: %s's files belong to %s (%s); nothing was "
            "kept there",
            why.code, why.message, r->c->country, why.site, home->url);
    else
        (void)snprintf(
            text, sizeof(text),
            "%s: the site names \"%s\", the policy \"%s\" says %s; not followed: get the "
            "newest policy and check who signed it",
            why.code, why.site, r->c->policy_path, home != NULL ? home->name : err_text(&e));
    client_submit_refuse(it, text);
}

/* What the site said does not verify: refused; or it could not be found out: left for later. */
static void disbelieve(struct submit_item *it, int rc, const struct err *e)
{
    it->code = rc;
    if (rc != -ENOMEM)
        client_submit_refuse(it, err_text(e));
    else
        client_submit_finish(it, it->step >= WATCH ? CLIENT_PENDING : CLIENT_FAILED, err_text(e));
}

static void on_announced(struct http_result *a, void *arg)
{
    struct message *m = arg;
    struct submit_item *it = m->it;
    struct submit *r = it->run;
    struct client_ticket t;
    struct err e = ERR_INIT;

    buf_free(&m->body);
    free(m);
    if (a->rc == -ECANCELED)
        return;
    if (a->status == 421) {
        misdirected(r, it, a);
    } else if (a->status != 201) {
        other_answer(it, a);
    } else if (client_answer_ticket(&t, buf_span(&a->body), &e) != 0) {
        it->code = e.code;
        pause_item(it, 0, err_text(&e)); /* jansson calls a lack of memory bad syntax */
    } else if (t.max_bytes < it->file.size) {
        it->code = -E2BIG;
        client_submit_refuse(it, "the file is larger than the site takes");
    } else {
        memcpy(it->ticket, t.ticket, sizeof(it->ticket));
        it->step = UPLOAD;
        client_step_take(it);
    }
}

/* Is it the receipt of this very submission? */
static int believe(struct submit_item *it, struct span text, bool *final, struct err *e)
{
    const struct client *c = it->run->c;
    struct client_receipt r;
    struct id128 sub;
    int rc = client_receipt_open_own(&r, text, c->trust, &it->run->memo,
                                     it->announced ? &it->own : NULL, e);

    if (rc == 0 && r.leaf.kind != LK_SUBMISSION_ACCEPTED)
        rc = err_set(e, -EBADMSG, "it is not of an acceptance");
    if (rc == 0) {
        sub = leaf_id(&r.leaf, LF_SUB);
        if (memcmp(&sub, &it->own.act.sub, sizeof(sub)) != 0)
            rc = err_set(e, -EBADMSG, "it is of another submission");
        else if (!span_is(leaf_text(&r.leaf, LF_COUNTRY), c->country))
            rc = err_set(e, -EBADMSG, "it says another country");
        else if ((rc = client_receipt_covers(&r, &it->file, e)) == 0)
            *final = r.verdict.quorum;
    }
    client_receipt_done(&r);
    return rc == 0 ? 0 : err_prefix(e, "the receipt is not believed");
}

/* A receipt that is believed goes to the shelf, and the item waits for it. */
static void keep(struct submit_item *it, struct span receipt)
{
    struct submit *r = it->run;
    struct err e = ERR_INIT;
    /* a pending one is for the time until the final one is there */
    int rc = client_shelf_put(r->shelf, &it->own.act.sub, ".tlog-proof",
                              it->final ? SHELF_ALONE : SHELF_PACKED, receipt, it);

    if (rc != 0) {
        (void)err_sys(&e, rc, "keeping a receipt");
        it->code = rc;
        client_submit_fatal(r, &e);
        client_submit_finish(it, CLIENT_FAILED, err_text(&e));
        return;
    }
    client_submit_forward(it);
    it->fetched = it->step == FETCH;
    it->step = KEEP;
    client_submit_list_move(&r->keeping, it);
}

void client_step_kept(struct submit_item *it, int rc, const struct err *e)
{
    struct submit *r = it->run;

    if (rc != 0) {
        it->code = rc;
        client_submit_fatal(r, e);
        client_submit_finish(it, it->fetched ? CLIENT_PENDING : CLIENT_FAILED, err_text(e));
        return;
    }
    r->fetched |= it->fetched;
    (void)!client_submit_note(it, it->fetched ? STAGE_DONE : STAGE_PENDING);
    it->step = WATCH;
    if (it->fetched)
        client_submit_finish(it, CLIENT_DONE, "");
    else if (r->o->no_wait)
        client_submit_finish(it, CLIENT_PENDING, "");
    else
        client_submit_list_move(&r->accepted, it);
}

static void on_uploaded(struct http_result *a, void *arg)
{
    struct submit_item *it = arg;
    struct err e = ERR_INIT;
    int rc;

    if (a->rc == -ECANCELED)
        return;
    if (a->status != 201 && a->status != 200) {
        count_sent(it, 0);
        if (a->status == 0)
            it->step = ANNOUNCE; /* the ticket was for one body */
        other_answer(it, a);
        return;
    }
    if ((rc = believe(it, buf_span(&a->body), &it->final, &e)) != 0) {
        disbelieve(it, rc, &e);
        return;
    }
    count_sent(it, it->file.size);
    client_submit_let_go(it);
    keep(it, buf_span(&a->body));
}

static void on_watched(struct http_result *a, void *arg)
{
    struct submit_item *it = arg;
    struct client_answer_state s;
    struct err e = ERR_INIT;

    if (a->rc == -ECANCELED)
        return;
    if (a->status == 0 && a->rc == -ETIMEDOUT) { /* a long poll may end so */
        client_submit_idle(it, 0);
        return;
    }
    if (a->status != 200) {
        other_answer(it, a);
        return;
    }
    if (client_answer_submission(&s, &it->own.act.sub, buf_span(&a->body), &e) != 0) {
        pause_item(it, 0, err_text(&e));
    } else {
        if (s.seen != it->seen)
            client_submit_forward(it);
        it->seen = s.seen;
        client_submit_idle(it, 0);
        memcpy(it->verdict, s.verdict, sizeof(it->verdict));
        if (s.final && (s.verdict[0] != '\0' || s.erased || s.moved))
            it->step = FETCH;
        if (it->step == FETCH && it->final) { /* it was final at once */
            (void)!client_submit_note(it, STAGE_DONE);
            client_submit_finish(it, CLIENT_DONE, "");
        }
    }
    client_answer_state_done(&s);
}

static void on_fetched(struct http_result *a, void *arg)
{
    struct submit_item *it = arg;
    struct err e = ERR_INIT;
    int rc;

    if (a->rc == -ECANCELED)
        return;
    if (a->status != 200) {
        other_answer(it, a);
        return;
    }
    if ((rc = believe(it, buf_span(&a->body), &it->final, &e)) != 0) {
        disbelieve(it, rc, &e);
        return;
    }
    if (!it->final) {
        pause_item(it, 1, "the final receipt is late");
        return;
    }
    keep(it, buf_span(&a->body));
}

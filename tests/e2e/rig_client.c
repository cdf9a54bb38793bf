#include "rig_client.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "crypto/secret.h"
#include "rig_priv.h"

#define ASK_MS (RIG_SOON + 10000)

void rig_sub_new(struct rig *r, struct rig_sub *s, const char *country)
{
    struct err e = ERR_INIT;

    memset(s, 0, sizeof(*s));
    s->sub = random_id();
    text_id(s->hex, &s->sub);
    rig_ok(submitter_key(&s->key, r->secret, &s->sub), &e);
    (void)snprintf(s->country, sizeof(s->country), "%.2s", country);
    s->kind = s->scope = SCOPE_FILE;
    s->statement = r->statement;
    s->has_statement = true;
    s->token = RIG_TOKEN;
}

void rig_sub_free(struct rig_sub *s)
{
    ed25519_free(s->key);
    s->key = NULL;
}

/* --- one request --- */

struct ask {
    enum http_method method;
    const char *path;
    const char *headers[5];
    struct span body;
};

static int ask(struct rig *r, size_t site, const struct ask *q, struct http_result *out)
{
    struct http_call call = {.method = q->method,
                             .headers = q->headers,
                             .body = q->body,
                             .expect = q->body.n > 65536,
                             .total_ms = ASK_MS};
    struct err e = ERR_INIT;
    char url[256];

    (void)snprintf(url, sizeof(url), "%s%s", r->site[site].url, q->path);
    call.url = url;
    if (http_client_do(r->http, &call, out, &e) != 0)
        fail_msg("%s: %s", url, err_text(&out->err));
    return out->status;
}

static json_t *json_of(const struct buf *b)
{
    json_error_t je;
    json_t *j = json_loadb((const char *)b->data, b->len, 0, &je);

    if (j == NULL)
        fail_msg("no JSON: %.*s", (int)b->len, (const char *)b->data);
    return j;
}

static void word_of(const struct http_result *a, struct rig_word *out)
{
    struct span after;
    json_t *j;

    if (out == NULL)
        return;
    memset(out, 0, sizeof(*out));
    if (a->status < 400)
        return;
    after = http_result_header(a, "retry-after");
    if (after.p != NULL)
        out->retry_after = (unsigned)strtoul((const char *)after.p, NULL, 10);
    j = json_of(&a->body);
    (void)snprintf(out->text, sizeof(out->text), "%s",
                   json_string_value(json_object_get(json_object_get(j, "error"), "code")));
    json_decref(j);
}

static const char *text_member(const json_t *j, const char *name)
{
    const char *s = json_string_value(json_object_get(j, name));

    if (s == NULL)
        fail_msg("the answer has no text \"%s\"", name);
    return s;
}

/* --- the two steps --- */

void rig_announcement(const struct rig_sub *s, struct buf *out)
{
    struct submitter_act act = {
        .sub = s->sub, .kind = s->kind, .scope = s->scope, .statement = s->statement};
    char key[TEXT_BASE64_LEN(32) + 1], sig[TEXT_BASE64_LEN(64) + 1], doc[65];
    struct ed25519_pub pub;
    struct ed25519_sig g;
    struct err e = ERR_INIT;

    memcpy(act.country, s->country, sizeof(act.country));
    ed25519_public(s->key, &pub);
    rig_ok(submitter_sign_submit(s->key, &act, &g), &e);
    g.b[7] ^= s->bad_signature ? 1 : 0;
    text_base64(key, pub.b, 32);
    text_base64(sig, g.b, 64);
    text_digest(doc, &s->statement);
    assert_int_equal(buf_printf(out,
                                "{\"sub\":\"%s\",\"sub_key\":\"%s\",\"sub_sig\":\"%s\","
                                "\"kind\":\"%s\",\"country\":\"%s\",\"basis\":\"declared\","
                                "%s%s%s\"scope\":\"%s\"}",
                                s->hex, key, sig, intake_scope_word(s->kind), s->country,
                                s->has_statement ? "\"statement\":\"" : "",
                                s->has_statement ? doc : "", s->has_statement ? "\"," : "",
                                intake_scope_word(s->scope)),
                     0);
}

bool rig_ticket(struct rig_sub *s, struct span body)
{
    json_t *j = json_loadb((const char *)body.p, body.n, 0, NULL);
    const char *t = json_string_value(json_object_get(j, "ticket"));

    (void)snprintf(s->ticket, sizeof(s->ticket), "%s", t == NULL ? "" : t);
    json_decref(j);
    return s->ticket[0] != '\0';
}

int rig_announce(struct rig *r, size_t site, struct rig_sub *s, struct rig_word *code)
{
    char token[96];
    struct ask q = {HTTP_POST,
                    "/v1/submissions",
                    {"Content-Type: application/json", s->token == NULL ? NULL : token},
                    {NULL, 0}};
    struct http_result a;
    struct buf b;
    int status;

    buf_init(&b, 4096);
    rig_announcement(s, &b);
    q.body = buf_span(&b);
    if (s->token != NULL)
        (void)snprintf(token, sizeof(token), "Authorization: Bearer %s", s->token);
    status = ask(r, site, &q, &a);
    if (status == 201)
        assert_true(rig_ticket(s, buf_span(&a.body)));
    word_of(&a, code);
    http_result_free(&a);
    buf_free(&b);
    return status;
}

/* Hands the body over. */
static void give(struct http_result *a, struct buf *out)
{
    if (out != NULL && a->status < 300) {
        *out = a->body;
        memset(&a->body, 0, sizeof(a->body));
    }
}

int rig_put(struct rig *r, size_t site, const struct rig_sub *s, struct span bytes,
            const char *name, struct buf *receipt, struct rig_word *code)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char path[96], ticket[64], x_name[400] = "X-Name: ";
    struct ask q = {HTTP_PUT,
                    path,
                    {"Content-Type: application/octet-stream", ticket, name ? x_name : NULL},
                    bytes};
    struct http_result a;
    size_t at = strlen(x_name), n = name == NULL ? 0 : strlen(name);
    int status;

    for (size_t i = 0; i < n; i += 3) { /* base64url without padding */
        const unsigned char *p = (const unsigned char *)name + i;
        size_t left = n - i > 3 ? 3 : n - i;
        uint32_t v =
            (uint32_t)p[0] << 16 | (left > 1 ? (uint32_t)p[1] << 8 : 0) | (left > 2 ? p[2] : 0);

        for (size_t k = 0; k <= left; k++)
            x_name[at++] = alphabet[v >> (18 - 6 * k) & 63];
    }
    x_name[at] = '\0';
    (void)snprintf(path, sizeof(path), "/v1/submissions/%s/content", s->hex);
    (void)snprintf(ticket, sizeof(ticket), "Ticket: %s", s->ticket);
    status = ask(r, site, &q, &a);
    word_of(&a, code);
    give(&a, receipt);
    http_result_free(&a);
    return status;
}

void rig_submit(struct rig *r, size_t site, struct rig_sub *s, struct span bytes, const char *name,
                struct buf *receipt)
{
    struct rig_word w;
    int status = rig_announce(r, site, s, &w);

    if (status != 201)
        fail_msg("announcing: %d %s", status, w.text);
    if ((status = rig_put(r, site, s, bytes, name, receipt, &w)) != 201)
        fail_msg("uploading: %d %s", status, w.text);
}

/* --- afterwards --- */

static void own(const struct rig_sub *s, char out[192])
{
    char sig[TEXT_BASE64_LEN(64) + 1];
    unix_time now = clock_now();
    struct ed25519_sig g;
    struct err e = ERR_INIT;

    rig_ok(submitter_sign_trace(s->key, &s->sub, now, &g), &e);
    text_base64(sig, g.b, 64);
    (void)snprintf(out, 192, "Authorization: Submission %lld:%s", (long long)now, sig);
}

int rig_receipt(struct rig *r, size_t site, const struct rig_sub *s, const char *of,
                struct buf *receipt)
{
    char path[96], who[192];
    struct ask q = {HTTP_GET, path, {who}, {NULL, 0}};
    struct http_result a;
    int status;

    own(s, who);
    (void)snprintf(path, sizeof(path), "/v1/submissions/%s/receipt?of=%s", s->hex, of);
    status = ask(r, site, &q, &a);
    give(&a, receipt);
    http_result_free(&a);
    return status;
}

void rig_order_body(const struct rig_sub *s, const char *word, struct buf *out)
{
    char sig[TEXT_BASE64_LEN(64) + 1];
    struct ed25519_sig g;
    struct err e = ERR_INIT;

    rig_ok(strcmp(word, "erase") == 0 ? submitter_sign_erase(s->key, &s->sub, &g)
                                      : submitter_sign_withdraw(s->key, &s->sub, &g),
           &e);
    g.b[3] ^= s->bad_signature ? 1 : 0;
    text_base64(sig, g.b, 64);
    assert_int_equal(buf_printf(out, "{\"sub_sig\":\"%s\"}", sig), 0);
}

int rig_order(struct rig *r, size_t site, const struct rig_sub *s, const char *word,
              uint64_t *final_epoch, struct buf *receipt, struct rig_word *code)
{
    char path[96];
    struct ask q = {HTTP_POST, path, {"Content-Type: application/json"}, {NULL, 0}};
    struct http_result a;
    struct buf body;
    int status;

    buf_init(&body, 256);
    rig_order_body(s, word, &body);
    (void)snprintf(path, sizeof(path), "/v1/submissions/%s/%s", s->hex, word);
    q.body = buf_span(&body);
    status = ask(r, site, &q, &a);
    buf_free(&body);
    word_of(&a, code);
    if (status == 202) {
        json_t *j = json_of(&a.body);

        if (final_epoch != NULL)
            *final_epoch = (uint64_t)json_integer_value(json_object_get(j, "final_epoch"));
        if (receipt != NULL) {
            buf_init(receipt, TLOG_PROOF_MAX);
            assert_int_equal(buf_puts(receipt, text_member(j, "receipt")), 0);
        }
        json_decref(j);
    }
    http_result_free(&a);
    return status;
}

static void read_states(const json_t *list, struct rig_state *out)
{
    const struct {
        const char *word;
        bool *is;
    } all[] = {{"accepted", &out->accepted},   {"final", &out->final},
               {"scanned", &out->scanned},     {"withdrawn", &out->withdrawn},
               {"erased", &out->erased},       {"moved", &out->moved},
               {"destroyed", &out->destroyed}, {"renewed", &out->renewed}};

    for (size_t i = 0; i < json_array_size(list); i++)
        for (size_t k = 0; k < ARRAY_LEN(all); k++)
            if (strcmp(json_string_value(json_array_get(list, i)), all[k].word) == 0)
                *all[k].is = true;
}

/* The last malicious member and its chain, which must lead to the file. */
static void read_held(const json_t *held, struct rig_state *out)
{
    const json_t *list = json_object_get(held, "listed"), *m;
    json_int_t want = 0;

    out->members = (uint64_t)json_integer_value(json_object_get(held, "members"));
    for (size_t i = json_array_size(list); i > 0; i--) {
        m = json_array_get(list, i - 1);
        if (want == 0 && strcmp(text_member(m, "verdict"), "malicious") == 0 && out->chain == 0)
            (void)snprintf(out->deepest_bad, sizeof(out->deepest_bad), "%.64s",
                           text_member(m, "sha256"));
        else if (want == 0 || json_integer_value(json_object_get(m, "number")) != want)
            continue;
        out->chain++;
        want = json_integer_value(json_object_get(m, "parent"));
    }
    assert_int_equal(want, 0);
}

static void first_name(const json_t *verdict, char out[128])
{
    const json_t *names = json_object_get(verdict, "names");

    if (json_array_size(names) > 0)
        (void)snprintf(out, 128, "%s", json_string_value(json_array_get(names, 0)));
}

static void read_verdict(const json_t *v, struct rig_state *out)
{
    const json_t *before = json_object_get(v, "before"), *since = json_object_get(v, "confirmed");

    (void)snprintf(out->verdict, sizeof(out->verdict), "%.15s", text_member(v, "verdict"));
    (void)snprintf(out->mode, sizeof(out->mode), "%.15s", text_member(v, "mode"));
    (void)snprintf(out->release, sizeof(out->release), "%.64s", text_member(v, "release"));
    first_name(v, out->names);
    if (json_object_get(v, "held") != NULL)
        read_held(json_object_get(v, "held"), out);
    assert_true(out->renewed == (before != NULL));
    if (before != NULL) {
        (void)snprintf(out->before, sizeof(out->before), "%.15s", text_member(before, "verdict"));
        (void)snprintf(out->before_mode, sizeof(out->before_mode), "%.15s",
                       text_member(before, "mode"));
        (void)snprintf(out->before_release, sizeof(out->before_release), "%.64s",
                       text_member(before, "release"));
        first_name(before, out->before_names);
    }
    if (since != NULL)
        (void)snprintf(out->confirmed_by, sizeof(out->confirmed_by), "%.64s",
                       text_member(since, "release"));
}

static int trace(struct rig *r, size_t site, const struct rig_sub *s, struct rig_state *out,
                 unsigned wait, uint64_t *seen)
{
    char path[128], who[192];
    struct ask q = {HTTP_GET, path, {who}, {NULL, 0}};
    const json_t *v;
    struct http_result a;
    json_t *j;
    int status;

    own(s, who);
    memset(out, 0, sizeof(*out));
    (void)snprintf(path, sizeof(path), "/v1/submissions/%s?wait=%u&seen=%llu", s->hex, wait,
                   (unsigned long long)*seen);
    if ((status = ask(r, site, &q, &a)) == 200) {
        j = json_of(&a.body);
        *seen = (uint64_t)json_integer_value(json_object_get(j, "seen"));
        read_states(json_object_get(j, "states"), out);
        (void)snprintf(out->country, sizeof(out->country), "%.2s", text_member(j, "country"));
        (void)snprintf(out->site, sizeof(out->site), "%.16s", text_member(j, "site"));
        out->size = (uint64_t)json_integer_value(json_object_get(j, "size"));
        out->final_epoch = (uint64_t)json_integer_value(json_object_get(j, "final_epoch"));
        if (json_is_object(v = json_object_get(j, "verdict")))
            read_verdict(v, out);
        json_decref(j);
    }
    http_result_free(&a);
    return status;
}

int rig_trace(struct rig *r, size_t site, const struct rig_sub *s, struct rig_state *out)
{
    uint64_t seen = 0;

    return trace(r, site, s, out, 0, &seen);
}

void rig_await(struct rig *r, size_t site, const struct rig_sub *s, const char *state,
               struct rig_state *out)
{
    mono_ms until = clock_mono() + RIG_SOON;
    uint64_t seen = 0;
    struct rig_state want;

    for (;;) {
        json_t *list = json_pack("[s]", state);
        int status = trace(r, site, s, out, 2, &seen);

        assert_int_equal(status, 200);
        memset(&want, 0, sizeof(want));
        read_states(list, &want);
        json_decref(list);
        if ((want.final && out->final) || (want.scanned && out->scanned) ||
            (want.moved && out->moved) || (want.destroyed && out->destroyed) ||
            (want.erased && out->erased) || (want.accepted && out->accepted) ||
            (want.renewed && out->renewed))
            return;
        if (clock_mono() > until)
            fail_msg("%s does not become \"%s\" at %s", s->hex, state, r->site[site].name);
    }
}

/* --- receipts --- */

void rig_receipt_open(struct rig *r, struct rig_receipt *p, struct span text)
{
    struct err e = ERR_INIT;
    struct digest hash;

    memset(p, 0, sizeof(*p));
    buf_init(&p->text, TLOG_PROOF_MAX);
    buf_init(&p->extra, RECEIPT_EXTRA_MAX);
    assert_int_equal(buf_put(&p->text, text.p, text.n), 0);
    rig_ok(tlog_proof_parse(&p->proof, buf_span(&p->text), &e), &e);
    rig_ok(tlog_proof_extra(&p->extra, &p->proof, &e), &e);
    rig_ok(receipt_extra_decode(&p->x, buf_span(&p->extra), &e), &e);
    rig_ok(leaf_parse(&p->leaf, p->x.leaf), &e);
    note_crypto.leaf(p->x.leaf.p, p->x.leaf.n, &hash);
    rig_ok(tlog_proof_verify(&p->verdict, &p->proof, r->trust->policy, &hash, &e), &e);
}

void rig_receipt_done(struct rig_receipt *p)
{
    receipt_extra_free(&p->x);
    buf_free(&p->text);
    buf_free(&p->extra);
}

/* fake.h - a site in a thread of the test: answers as docs/openapi.yaml says, with receipts of a
 * ledger of one leaf, and with the faults a test asks for. */
#ifndef TESTS_CAPI_FAKE_H
#define TESTS_CAPI_FAKE_H

#include "../http/rig.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/io.h"
#include "base/text.h"
#include "crypto/sha256.h"
#include "crypto/secret.h"
#include "events/country.h"
#include "events/receipt_extra.h"
#include "ledger/tlog_proof.h"
#include "intake/submitter.h"
#include "people/document.h"
#include "people/dsse.h"
#include "site/front_json.h"

#define FAKE_FILES 64

enum fake_lie {
    LIE_NONE,
    LIE_HASH,      /* the receipt opens another hash */
    LIE_LOG,       /* signed by a key that is not the log's */
    LIE_SUB,       /* it is another submission's */
    LIE_UNCOSIGNED /* never final */
};

struct fake_file {
    struct pm_open open;
    struct digest sha;
    uint64_t size;
    char name[300];
    bool here;
};

struct fake {
    struct rig rig;
    pthread_t thread;
    atomic_bool stop;
    atomic_int announces, puts, gets, orders, lookups;
    atomic_int busy;   /* so many announcements are answered 503 */
    atomic_int drop;   /* so many contents are answered by closing the connection */
    atomic_int refuse; /* 403 */
    atomic_int mute;   /* verdicts do not come */
    atomic_int renew;  /* other rules changed the verdict of every file */
    _Atomic(enum fake_lie) lie;
    atomic_int forge;             /* another document stands where a statement is asked for */
    char wrong_site[17];          /* not empty: 421 */
    struct buf statement, forged; /* envelopes */
    struct ed25519_key *log_key, *other_key, *witness_key;
    struct note_signer log, other, witness;
    struct fake_file file[FAKE_FILES];
    size_t files;
};

static inline struct fake_file *fake_find(struct fake *f, struct span hex, bool add)
{
    struct id128 sub;

    if (text_unid(hex, &sub) != 0)
        return NULL;
    for (size_t i = 0; i < f->files; i++)
        if (memcmp(&f->file[i].open.sub, &sub, sizeof(sub)) == 0)
            return &f->file[i];
    if (!add || f->files == FAKE_FILES)
        return NULL;
    f->file[f->files].open.sub = sub;
    return &f->file[f->files++];
}

static inline void fake_seal(struct leaf_builder *b, struct receipt_extra *x, enum leaf_field field,
                             const char *value)
{
    struct receipt_opening *o = &x->opening[x->openings++];

    o->field = field;
    random_bytes(o->salt, sizeof(o->salt));
    o->value = span_str(value);
    leaf_set_sealed(b, field, o->salt, o->value);
}

/* A proof that the leaf is alone in its ledger. */
static inline void fake_prove(struct fake *f, struct receipt_extra *x, bool final, struct buf *out)
{
    struct buf json, note;
    struct core_note split;
    struct digest root;
    struct err e = ERR_INIT;

    buf_init(&json, RECEIPT_EXTRA_MAX);
    buf_init(&note, CORE_NOTE_MAX);
    sha256_leaf(x->leaf.p, x->leaf.n, &root);
    assert_int_equal(receipt_extra_encode(x, &json, &e), 0);
    assert_int_equal(
        note_checkpoint_make(&note, 1, &root, f->lie == LIE_LOG ? &f->other : &f->log, &e), 0);
    if (final) {
        assert_int_equal(core_note_split(buf_span(&note), &split), 0);
        struct buf line;

        buf_init(&line, 4096);
        assert_int_equal(note_cosign(&line, split.text, clock_now(), &f->witness, &e), 0);
        assert_int_equal(buf_put(&note, line.data, line.len), 0);
        buf_free(&line);
    }
    assert_int_equal(tlog_proof_format(out, buf_span(&json), 0, NULL, 0, buf_span(&note), &e), 0);
    buf_free(&json);
    buf_free(&note);
}

static inline void fake_receipt(struct fake *f, const struct fake_file *file, bool final,
                                struct buf *out)
{
    static const char ref[] = "00112233445566778899aabbccddeeff";
    struct receipt_extra x = {.openings = 0};
    struct leaf_builder b;
    struct id128 sub = file->open.sub;
    struct digest sha = file->sha;
    struct err e = ERR_INIT;
    char hex[65], size[32];
    struct buf leaf;

    buf_init(&leaf, LEAF_MAX);
    if (f->lie == LIE_SUB)
        sub.b[0] ^= 1;
    if (f->lie == LIE_HASH)
        sha.b[0] ^= 1;
    text_digest(hex, &sha);
    (void)snprintf(size, sizeof(size), "%llu", (unsigned long long)file->size);
    leaf_begin(&b, LK_SUBMISSION_ACCEPTED, clock_now(), "zrh1");
    leaf_set_id(&b, LF_SUB, &sub);
    leaf_set_key(&b, LF_SUB_KEY, file->open.sub_key);
    leaf_set_sig(&b, LF_SUB_SIG, file->open.sub_sig);
    leaf_set_word(&b, LF_SUBMISSION, LW_SUBMISSION_FILE);
    leaf_set_text(&b, LF_COUNTRY, "CH");
    leaf_set_word(&b, LF_BASIS, 0);
    leaf_set_digest(&b, LF_STATEMENT, &file->open.statement);
    leaf_set_word(&b, LF_SCOPE, LW_SUBMISSION_FILE);
    leaf_set_digest(&b, LF_POLICY, &file->open.statement);
    fake_seal(&b, &x, LF_SEALED_REF, ref);
    fake_seal(&b, &x, LF_SEALED_SHA256, hex);
    fake_seal(&b, &x, LF_SEALED_SIZE, size);
    fake_seal(&b, &x, LF_SEALED_NAME, file->name);
    fake_seal(&b, &x, LF_SEALED_ACCOUNT, "acme");
    assert_int_equal(leaf_end(&b, &leaf, &e), 0);
    x.leaf = buf_span(&leaf);
    fake_prove(f, &x, final, out);
    buf_free(&leaf);
}

static inline void fake_erased(struct fake *f, const struct fake_file *file, struct buf *out)
{
    struct receipt_extra x = {.openings = 0};
    struct leaf_builder b;
    struct err e = ERR_INIT;
    struct buf leaf;

    buf_init(&leaf, LEAF_MAX);
    leaf_begin(&b, LK_SUBMISSION_ERASED, clock_now(), "zrh1");
    leaf_set_id(&b, LF_SUB, &file->open.sub);
    leaf_set_int(&b, LF_FINAL_EPOCH, 7);
    fake_seal(&b, &x, LF_SEALED_REF, "00112233445566778899aabbccddeeff");
    assert_int_equal(leaf_end(&b, &leaf, &e), 0);
    x.leaf = buf_span(&leaf);
    fake_prove(f, &x, true, out);
    buf_free(&leaf);
}

static inline void fake_announce(struct http_req *r, void *arg)
{
    static const char ticket[] =
        "{\"ticket\":\"0123456789abcdef0123456789abcdef\",\"upload_url\":\"http://elsewhere/\","
        "\"max_bytes\":1000000,\"expires\":\"2026-11-23T20:51:07Z\"}";
    struct fake *f = arg;
    struct pm_open open = {.kind = 0};
    struct fake_file *file;
    struct err e = ERR_INIT;
    char hex[33], body[300];

    f->announces++;
    if (!span_is(http_header(r, "authorization"), "Bearer token-1") ||
        front_json_open(http_body(r), &open, &e) != 0) {
        http_error(r, 400, "bad_request", NULL, "%s", err_text(&e));
    } else if (f->busy > 0) {
        f->busy--;
        http_put_header(r, "Retry-After", "1");
        http_error(r, 503, "busy", NULL, "queues are full");
    } else if (f->refuse > 0) {
        http_error(r, 403, "country_not_granted", NULL, "the token is not for that country");
    } else if (f->wrong_site[0] != '\0') {
        (void)snprintf(
            body, sizeof(body),
            "{\"error\":{\"code\":\"wrong_site\",\"message\":\"not here\"},\"site\":\"%s\","
            "\"url\":\"http://evil.example/\"}",
            f->wrong_site);
        http_answer(r, 421, "application/json", span_str(body));
    } else {
        text_id(hex, &open.sub);
        file = fake_find(f, span_str(hex), true);
        if (file == NULL) {
            http_error(r, 507, "full", NULL, "too many files");
            return;
        }
        file->open = open;
        http_answer(r, 201, "application/json", span_str(ticket));
    }
}

static inline void fake_content(struct http_req *r, void *arg)
{
    struct fake *f = arg;
    struct fake_file *file = fake_find(f, http_param(r, "sub"), false);
    struct span body = http_body(r);
    struct buf out;

    f->puts++;
    if (f->drop > 0) {
        f->drop--;
        http_close_after(r);
        http_error(r, 503, "busy", NULL, "dropped");
        return;
    }
    if (file == NULL || !span_is(http_header(r, "ticket"), "0123456789abcdef0123456789abcdef")) {
        http_error(r, 403, "ticket_unknown", NULL, "no such ticket");
        return;
    }
    sha256_of(body.p, body.n, &file->sha);
    file->size = body.n;
    (void)snprintf(file->name, sizeof(file->name), "%.*s", (int)http_header(r, "x-name").n,
                   (const char *)http_header(r, "x-name").p);
    file->here = true;
    buf_init(&out, TLOG_PROOF_MAX);
    fake_receipt(f, file, false, &out);
    http_put_header(r, "X-Receipt", "pending");
    http_answer_take(r, 201, "text/plain", &out);
}

static inline void fake_state(struct http_req *r, void *arg)
{
    struct fake *f = arg;
    struct fake_file *file = fake_find(f, http_param(r, "sub"), false);
    static const char renewed[] =
        "{\"verdict\":\"malicious\",\"reason\":\"none\",\"hits\":1,\"mode\":\"detect\","
        "\"release\":\"02\",\"time\":\"2026-11-26T20:00:00Z\",\"names\":[\"Two\"],\"before\":{"
        "\"verdict\":\"incomplete\",\"reason\":\"size\",\"hits\":0,\"mode\":\"enforce\","
        "\"release\":\"01\",\"time\":\"2026-11-25T20:00:00Z\",\"names\":[]},"
        "\"confirmed\":{\"release\":\"03\",\"time\":\"2026-11-27T20:00:00Z\"}}";
    char body[1200];

    f->gets++;
    if (file == NULL || !file->here) {
        http_error(r, 404, "not_found", NULL, "no such submission");
        return;
    }
    (void)snprintf(
        body, sizeof(body),
        "{\"sub\":\"%.*s\",\"states\":[\"accepted\",\"final\"%s],\"seen\":%d,\"verdict\":%s,"
        "\"country\":\"CH\",\"size\":%llu,\"site\":\"zrh1\",\"url\":\"\"}",
        (int)http_param(r, "sub").n, (const char *)http_param(r, "sub").p,
        f->mute    ? ""
        : f->renew ? ",\"scanned\",\"renewed\""
                   : ",\"scanned\"",
        f->mute    ? 3
        : f->renew ? 135
                   : 7,
        f->mute          ? "null"
        : f->renew       ? renewed
        : file->size % 2 ? "{\"verdict\":\"malicious\",\"reason\":\"none\",\"hits\":300,"
                           "\"release\":\"00\",\"names\":[\"Eicar\\u001b\"]}"
                         : "{\"verdict\":\"clean\",\"reason\":\"none\",\"hits\":0,"
                           "\"release\":\"00\",\"names\":[]}",
        (unsigned long long)file->size);
    http_answer(r, 200, "application/json", span_str(body));
}

static inline void fake_proof(struct http_req *r, void *arg)
{
    struct fake *f = arg;
    struct fake_file *file = fake_find(f, http_param(r, "sub"), false);
    struct span of = http_query(r, "of");
    struct buf out;

    if (file == NULL || (of.p != NULL && !span_is(of, "accepted"))) {
        http_error(r, 404, "not_found", NULL, "none");
        return;
    }
    buf_init(&out, TLOG_PROOF_MAX);
    fake_receipt(f, file, f->lie != LIE_UNCOSIGNED, &out);
    http_answer_take(r, 200, "text/plain", &out);
}

static inline void fake_withdraw(struct http_req *r, void *arg)
{
    struct fake *f = arg;
    struct fake_file *file = fake_find(f, http_param(r, "sub"), false);
    struct ed25519_pub pub;
    struct ed25519_sig sig;
    struct buf proof, body;
    struct err e = ERR_INIT;

    f->orders++;
    if (file == NULL || front_json_order(http_body(r), sig.b, &e) != 0) {
        http_error(r, 400, "bad_request", NULL, "?");
        return;
    }
    memcpy(pub.b, file->open.sub_key, sizeof(pub.b));
    if (submitter_verify_withdraw(&pub, &file->open.sub, &sig) != 0) {
        http_error(r, 403, "bad_signature", NULL, "not the submitter's");
        return;
    }
    buf_init(&proof, TLOG_PROOF_MAX);
    buf_init(&body, TLOG_PROOF_MAX);
    fake_erased(f, file, &proof);
    assert_int_equal(buf_puts(&body, "{\"state\":\"withdrawn\",\"final_epoch\":7,\"final_by\":"
                                     "\"2026-11-24T00:00:00Z\",\"receipt\":"),
                     0);
    assert_int_equal(text_json_string(&body, buf_span(&proof)), 0);
    assert_int_equal(buf_putc(&body, '}'), 0);
    http_answer_take(r, 202, "application/json", &body);
    buf_free(&proof);
}

/* ---- statements ------------------------------------------------------------------------------ */

static inline void fake_envelope(struct fake *f, struct buf *out, const char *text)
{
    struct dsse *d = NULL;

    buf_init(out, 1 << 20);
    assert_int_equal(dsse_new(&d, document_type(DOCUMENT_STATEMENT), span_str(text)), 0);
    assert_int_equal(dsse_sign(d, f->other_key), 0);
    assert_int_equal(dsse_write(d, out), 0);
    dsse_free(d);
}

static inline void fake_statements(struct http_req *r, void *arg)
{
    struct fake *f = arg;

    http_answer(r, 200, "application/json", buf_span(&f->statement));
}

static inline void fake_artifact(struct http_req *r, void *arg)
{
    struct fake *f = arg;
    struct digest d;
    char hex[65];

    sha256_of(f->statement.data, f->statement.len, &d);
    text_digest(hex, &d);
    if (f->forge > 0)
        http_answer(r, 200, "application/json", buf_span(&f->forged));
    else if (span_is(http_param(r, "digest"), hex))
        http_answer(r, 200, "application/json", buf_span(&f->statement));
    else
        http_error(r, 404, "not_found", NULL, "no such document");
}

/* ---- look-ups: a hash is malicious if its first byte is odd ------------------------------------
 */

static inline void fake_lookup(struct http_req *r, void *arg)
{
    struct fake *f = arg;
    struct span body = http_body(r);
    struct buf out;

    f->lookups++;
    buf_init(&out, 8192);
    if (!span_is(http_header(r, "authorization"), "Bearer token-1") ||
        !span_is(http_query(r, "country"), "CH") || body.n % 32 != 0) {
        http_error(r, 403, "country_not_granted", NULL, "the token is not for that country");
        return;
    }
    for (size_t i = 0; i < body.n; i += 32)
        assert_int_equal(buf_putc(&out, f->lie == LIE_HASH ? 2 : body.p[i] & 1), 0);
    if (f->lie == LIE_SUB)
        assert_int_equal(buf_putc(&out, 0), 0);
    http_put_header(r, "X-Release",
                    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff");
    http_answer_take(r, 200, "application/octet-stream", &out);
    buf_free(&out);
}

static const struct http_route fake_routes[] = {
    {.method = HTTP_POST,
     .pattern = "/v1/submissions",
     .body_mode = HTTP_BODY_WHOLE,
     .max_body = 4096,
     .begin = fake_announce},
    {.method = HTTP_PUT,
     .pattern = "/v1/submissions/{sub}/content",
     .body_mode = HTTP_BODY_WHOLE,
     .max_body = 1 << 20,
     .begin = fake_content},
    {.method = HTTP_GET, .pattern = "/v1/submissions/{sub}", .begin = fake_state},
    {.method = HTTP_GET, .pattern = "/v1/submissions/{sub}/receipt", .begin = fake_proof},
    {.method = HTTP_POST,
     .pattern = "/v1/submissions/{sub}/withdraw",
     .body_mode = HTTP_BODY_WHOLE,
     .max_body = 4096,
     .begin = fake_withdraw},
    {.method = HTTP_POST,
     .pattern = "/v1/lookups",
     .body_mode = HTTP_BODY_WHOLE,
     .max_body = 4096 * 32,
     .begin = fake_lookup},
    {.method = HTTP_GET, .pattern = "/v1/statements", .begin = fake_statements},
    {.method = HTTP_GET, .pattern = "/ledger/artifact/sha256/{digest}", .begin = fake_artifact},
};

static void (*fake_in_thread)(void); /* called first in the site's thread */

static inline void *fake_loop(void *arg)
{
    struct fake *f = arg;

    if (fake_in_thread != NULL)
        fake_in_thread();
    while (!f->stop)
        rig_spin(&f->rig, 20);
    return NULL;
}

static inline void fake_open(struct fake *f)
{
    struct err e = ERR_INIT;

    memset(f, 0, sizeof(*f));
    assert_int_equal(ed25519_generate(&f->log_key), 0);
    assert_int_equal(ed25519_generate(&f->other_key), 0);
    assert_int_equal(ed25519_generate(&f->witness_key), 0);
    assert_int_equal(note_signer_init(&f->log, "zrh1.example/ledger", VKEY_ED25519, f->log_key, &e),
                     0);
    assert_int_equal(
        note_signer_init(&f->other, "zrh1.example/ledger", VKEY_ED25519, f->other_key, &e), 0);
    assert_int_equal(
        note_signer_init(&f->witness, "w.example/w1", VKEY_COSIGNATURE, f->witness_key, &e), 0);
    fake_envelope(f, &f->statement,
                  "format: statement/v1\nlanguage: en\nscopes: [file, lookup]\n"
                  "erase_within: 30d\nretention: 365d\ntext: |\n  We keep what you send.\n");
    fake_envelope(f, &f->forged,
                  "format: statement/v1\nlanguage: en\nscopes: [statistic]\n"
                  "erase_within: 30d\nretention: 36500d\ntext: |\n  We sell what you send.\n");
    rig_open(&f->rig, fake_routes, ARRAY_LEN(fake_routes), NULL, f);
    assert_int_equal(pthread_create(&f->thread, NULL, fake_loop, f), 0);
}

static inline void fake_close(struct fake *f)
{
    f->stop = true;
    assert_int_equal(pthread_join(f->thread, NULL), 0);
    rig_close(&f->rig);
    buf_free(&f->statement);
    buf_free(&f->forged);
    ed25519_free(f->log_key);
    ed25519_free(f->other_key);
    ed25519_free(f->witness_key);
}
#endif

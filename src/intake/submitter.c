#include "intake/submitter.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "crypto/secret.h"

#define TEXT_MAX 512   /* the longest signed text is under 300 bytes */
#define SUBMIT_MAX 256 /* that of submitting: 183 with the longest words */
static const char key_label[] = "submission-key/v1";

static void seed_of(uint8_t seed[32], const uint8_t secret[SUBMITTER_SECRET],
                    const struct id128 *sub)
{
    uint8_t info[sizeof(key_label) - 1 + sizeof(sub->b)];

    memcpy(info, key_label, sizeof(key_label) - 1);
    memcpy(info + sizeof(key_label) - 1, sub->b, sizeof(sub->b));
    hkdf_sha256(span_of(secret, SUBMITTER_SECRET), span_of(NULL, 0), span_of(info, sizeof(info)),
                seed, 32);
}

int submitter_key(struct ed25519_key **out, const uint8_t secret[SUBMITTER_SECRET],
                  const struct id128 *sub)
{
    uint8_t seed[32];
    int rc;

    seed_of(seed, secret, sub);
    rc = ed25519_from_seed(out, seed);
    secret_wipe(seed, sizeof(seed));
    return rc;
}

void submitter_rekey(struct ed25519_key *k, const uint8_t secret[SUBMITTER_SECRET],
                     const struct id128 *sub)
{
    uint8_t seed[32];

    seed_of(seed, secret, sub);
    ed25519_reseed(k, seed);
    secret_wipe(seed, sizeof(seed));
}

/* Without printf: an audit makes one for each submission, and formats cost it a twentieth. */
int submitter_submit_text(struct buf *out, const struct submitter_act *a)
{
    char sub[33], statement[65];
    const struct {
        const char *name, *value;
    } line[] = {
        {"submission/v1\nsub ", sub},
        {"kind ", intake_scope_word(a->kind)},
        {"country ", a->country},
        {"basis declared\nstatement ", statement},
        {"scope ", intake_scope_word(a->scope)},
    };
    int rc = buf_reserve(out, SUBMIT_MAX); /* nothing below can fail half-way */

    text_id(sub, &a->sub);
    text_digest(statement, &a->statement);
    for (size_t i = 0; i < ARRAY_LEN(line) && rc == 0; i++)
        if ((rc = buf_puts(out, line[i].name)) == 0 && (rc = buf_puts(out, line[i].value)) == 0)
            rc = buf_putc(out, '\n');
    return rc;
}

static int short_text(struct buf *out, const char *title, const struct id128 *sub)
{
    char hex[33];

    text_id(hex, sub);
    return buf_printf(out, "%s\nsub %s\n", title, hex);
}

int submitter_withdraw_text(struct buf *out, const struct id128 *sub)
{
    return short_text(out, "withdraw/v1", sub);
}

int submitter_erase_text(struct buf *out, const struct id128 *sub)
{
    return short_text(out, "erase/v1", sub);
}

int submitter_trace_text(struct buf *out, const struct id128 *sub, unix_time t)
{
    char hex[33];

    text_id(hex, sub);
    return buf_printf(out, "trace/v1\nsub %s\ntime %lld\n", hex, (long long)t);
}

/* rc of the text before it, then the signature over it; frees the text. */
static int sign(int rc, struct buf *text, const struct ed25519_key *k, struct ed25519_sig *out)
{
    if (rc == 0)
        rc = ed25519_sign(k, text->data, text->len, out);
    buf_free(text);
    return rc;
}

static int verify(int rc, struct buf *text, const struct ed25519_pub *k,
                  const struct ed25519_sig *sig)
{
    if (rc == 0)
        rc = ed25519_verify(k, text->data, text->len, sig);
    buf_free(text);
    return rc;
}

int submitter_sign_submit(const struct ed25519_key *k, const struct submitter_act *a,
                          struct ed25519_sig *out)
{
    struct buf text;

    buf_init(&text, TEXT_MAX);
    return sign(submitter_submit_text(&text, a), &text, k, out);
}

int submitter_sign_withdraw(const struct ed25519_key *k, const struct id128 *sub,
                            struct ed25519_sig *out)
{
    struct buf text;

    buf_init(&text, TEXT_MAX);
    return sign(submitter_withdraw_text(&text, sub), &text, k, out);
}

int submitter_sign_erase(const struct ed25519_key *k, const struct id128 *sub,
                         struct ed25519_sig *out)
{
    struct buf text;

    buf_init(&text, TEXT_MAX);
    return sign(submitter_erase_text(&text, sub), &text, k, out);
}

int submitter_sign_trace(const struct ed25519_key *k, const struct id128 *sub, unix_time t,
                         struct ed25519_sig *out)
{
    struct buf text;

    buf_init(&text, TEXT_MAX);
    return sign(submitter_trace_text(&text, sub, t), &text, k, out);
}

int submitter_verify_submit(const struct ed25519_pub *k, const struct submitter_act *a,
                            const struct ed25519_sig *sig)
{
    struct buf text;

    buf_init(&text, TEXT_MAX);
    return verify(submitter_submit_text(&text, a), &text, k, sig);
}

int submitter_verify_withdraw(const struct ed25519_pub *k, const struct id128 *sub,
                              const struct ed25519_sig *sig)
{
    struct buf text;

    buf_init(&text, TEXT_MAX);
    return verify(submitter_withdraw_text(&text, sub), &text, k, sig);
}

int submitter_verify_erase(const struct ed25519_pub *k, const struct id128 *sub,
                           const struct ed25519_sig *sig)
{
    struct buf text;

    buf_init(&text, TEXT_MAX);
    return verify(submitter_erase_text(&text, sub), &text, k, sig);
}

int submitter_verify_trace(const struct ed25519_pub *k, const struct id128 *sub, unix_time t,
                           unix_time now, const struct ed25519_sig *sig)
{
    struct buf text;

    /* bounds first: no difference of a stranger's number is ever taken */
    if (t < now - SUBMITTER_TRACE_SECONDS || t > now + SUBMITTER_TRACE_SECONDS)
        return -EBADMSG;
    buf_init(&text, TEXT_MAX);
    return verify(submitter_trace_text(&text, sub, t), &text, k, sig);
}

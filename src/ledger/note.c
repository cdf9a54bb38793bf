#include "ledger/note.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "crypto/sha256.h"

_Static_assert(CORE_ENOENT == -ENOENT && CORE_E2BIG == -E2BIG && CORE_EINVAL == -EINVAL &&
                   CORE_EBADMSG == -EBADMSG,
               "core.h spells Linux's errno values");

#define SIG_RAW_MAX (4 + 8 + 64)

static int verify(const uint8_t pub[32], const void *p, size_t n, const uint8_t sig[64])
{
    struct ed25519_pub k;
    struct ed25519_sig s;

    memcpy(k.b, pub, sizeof(k.b));
    memcpy(s.b, sig, sizeof(s.b));
    return ed25519_verify(&k, p, n, &s);
}

const struct core_crypto note_crypto = {
    .hash = sha256_of, .leaf = sha256_leaf, .node = sha256_node, .verify = verify};

/* ---- Keys ------------------------------------------------------------------------------------ */

int note_vkey_parse(struct vkey *out, struct span text, struct err *e)
{
    int rc = core_vkey_parse(&note_crypto, text, out);

    if (rc == -E2BIG)
        return err_set(e, rc, "verifier key is longer than %d characters", CORE_VKEY_TEXT_MAX);
    if (rc != 0)
        return err_set(e, rc,
                       "\"%.*s\" is not a verifier key; expected name+id+base64 of an Ed25519 key "
                       "(type 1) or cosigner (type 4), with the id that belongs to them",
                       (int)text.n, (const char *)text.p);
    return 0;
}

int note_vkey_load(struct vkey *out, const char *path, struct err *e)
{
    struct buf b;
    struct span s;
    int rc;

    buf_init(&b, CORE_VKEY_TEXT_MAX + 1);
    rc = io_read_file(AT_FDCWD, path, &b);
    if (rc == -E2BIG) {
        rc =
            err_set(e, -EBADMSG, "\"%s\" is too long for a verifier key; give a file of one", path);
    } else if (rc != 0) {
        rc = err_sys(e, rc, "reading \"%s\"", path);
    } else {
        s = buf_span(&b);
        if (s.n > 0 && s.p[s.n - 1] == '\n')
            s.n--;
        if ((rc = note_vkey_parse(out, s, e)) != 0)
            (void)err_prefix(e, "\"%s\"", path);
    }
    buf_free(&b);
    return rc;
}

void note_vkey_format(const struct vkey *k, char out[CORE_VKEY_TEXT_MAX + 1])
{
    uint8_t raw[33];
    size_t n = strlen(k->name);

    memcpy(out, k->name, n);
    out[n++] = '+';
    text_hex(out + n, k->id, 4);
    n += 8;
    out[n++] = '+';
    raw[0] = k->type;
    memcpy(raw + 1, k->pub, 32);
    text_base64(out + n, raw, sizeof(raw));
}

int note_vkey_make(struct vkey *out, const char *name, uint8_t type, const struct ed25519_pub *pub,
                   struct err *e)
{
    if (core_vkey_make(&note_crypto, name, type, pub->b, out) != 0)
        return err_set(e, -EINVAL,
                       "\"%s\" cannot name a key; use 1 to %d bytes of UTF-8 without blanks or '+'",
                       name, CORE_NAME_MAX);
    return 0;
}

static int sign_with_key(void *arg, const void *p, size_t n, uint8_t sig[64])
{
    struct ed25519_sig s;
    int rc = ed25519_sign(arg, p, n, &s);

    if (rc == 0)
        memcpy(sig, s.b, sizeof(s.b));
    return rc;
}

int note_signer_init(struct note_signer *out, const char *name, uint8_t type,
                     const struct ed25519_key *k, struct err *e)
{
    struct ed25519_pub pub;

    ed25519_public(k, &pub);
    out->sign = sign_with_key;
    out->arg = (void *)(uintptr_t)k; /* the callback only reads it */
    return note_vkey_make(&out->key, name, type, &pub, e);
}

/* ---- Notes ----------------------------------------------------------------------------------- */

static int put_sig_line(struct buf *out, const struct vkey *k, const uint8_t *sig, size_t n)
{
    uint8_t raw[SIG_RAW_MAX];
    char b64[TEXT_BASE64_LEN(SIG_RAW_MAX) + 1];

    memcpy(raw, k->id, 4);
    memcpy(raw + 4, sig, n);
    text_base64(b64, raw, 4 + n);
    return buf_printf(out, "\xe2\x80\x94 %s %s\n", k->name, b64);
}

static int sign_into(struct buf *b, struct span text, const struct note_signer *s, struct err *e)
{
    struct core_note note;
    uint8_t sig[64];
    int rc;

    if ((rc = s->sign(s->arg, text.p, text.n, sig)) != 0)
        return err_sys(e, rc, "signing with key \"%s\"", s->key.name);
    if ((rc = buf_put(b, text.p, text.n)) != 0 || (rc = buf_putc(b, '\n')) != 0 ||
        (rc = put_sig_line(b, &s->key, sig, sizeof(sig))) != 0)
        return err_sys(e, rc, "writing a note");
    /* what we would not read ourselves is not written */
    if (core_note_split(buf_span(b), &note) != 0)
        return err_set(e, -EINVAL, "a note's text must be UTF-8 without control characters");
    return 0;
}

int note_sign(struct buf *out, struct span text, const struct note_signer *s, struct err *e)
{
    struct buf b;
    int rc;

    if (s->key.type != VKEY_ED25519)
        return err_set(e, -EINVAL, "key \"%s\" signs checkpoints only, not notes", s->key.name);
    if (text.n == 0 || text.p[text.n - 1] != '\n')
        return err_set(e, -EINVAL, "a note's text must end in a line feed");
    buf_init(&b, CORE_NOTE_MAX);
    rc = sign_into(&b, text, s, e);
    if (rc == 0 && (rc = buf_put(out, b.data, b.len)) != 0)
        rc = err_sys(e, rc, "writing a note");
    buf_free(&b);
    return rc;
}

static int split(struct core_note *out, struct span note, struct err *e)
{
    int rc = core_note_split(note, out);

    if (rc == -E2BIG)
        return err_set(e, -EBADMSG, "note is larger than %d bytes or has more than %d signatures",
                       CORE_NOTE_MAX, CORE_SIGS_MAX);
    if (rc != 0)
        return err_set(e, rc, "not a signed note (text, empty line, signature lines)");
    return 0;
}

/* 0, -ENOENT or -EBADMSG with its sentence */
static int verify_by(const struct core_note *note, const struct vkey *k, uint64_t *time,
                     struct err *e)
{
    int rc = core_note_verify(&note_crypto, note, k, time);

    if (rc == -EBADMSG)
        return err_set(e, rc, "the signature of \"%s\" does not verify", k->name);
    return rc;
}

int note_verify(struct core_note *out, struct span note, const struct vkey *keys, size_t n,
                bool *signed_by, struct err *e)
{
    bool any = false;
    int rc = split(out, note, e);

    if (rc != 0)
        return rc;
    for (size_t i = 0; i < n; i++) {
        if ((rc = verify_by(out, &keys[i], NULL, e)) == -EBADMSG)
            return rc;
        any = any || rc == 0;
        if (signed_by != NULL)
            signed_by[i] = rc == 0;
    }
    return any ? 0 : err_set(e, -EBADMSG, "the note has no signature of a known key");
}

/* ---- Checkpoints ----------------------------------------------------------------------------- */

int note_checkpoint_text(struct buf *out, const char *origin, uint64_t size,
                         const struct digest *root, struct err *e)
{
    struct core_checkpoint c;
    char text[CORE_ORIGIN_MAX + 80], b64[TEXT_BASE64_LEN(32) + 1];
    int n, rc;

    text_base64(b64, root->b, sizeof(root->b));
    n = snprintf(text, sizeof(text), "%s\n%" PRIu64 "\n%s\n", origin, size, b64);
    if (n < 0 || (size_t)n >= sizeof(text) ||
        core_checkpoint_parse(span_of(text, (size_t)n), &c) != 0 || !span_is(c.origin, origin) ||
        c.extensions.n != 0)
        return err_set(e, -EINVAL, "\"%s\" at size %" PRIu64 " cannot be a checkpoint", origin,
                       size);
    if ((rc = buf_put(out, text, (size_t)n)) != 0)
        return err_sys(e, rc, "writing a checkpoint");
    return 0;
}

int note_checkpoint_make(struct buf *out, uint64_t size, const struct digest *root,
                         const struct note_signer *log, struct err *e)
{
    struct buf text;
    int rc;

    buf_init(&text, CORE_TEXT_MAX);
    rc = note_checkpoint_text(&text, log->key.name, size, root, e);
    if (rc == 0)
        rc = note_sign(out, buf_span(&text), log, e);
    buf_free(&text);
    return rc;
}

int note_checkpoint_open(struct core_checkpoint *out, struct core_note *note_out, struct span note,
                         const struct vkey *log, struct err *e)
{
    struct core_note own, *n = note_out != NULL ? note_out : &own;
    int rc;

    if ((rc = note_verify(n, note, log, 1, NULL, e)) != 0)
        return rc;
    if (core_checkpoint_parse(n->text, out) != 0)
        return err_set(e, -EBADMSG, "not a checkpoint (origin, size, root hash)");
    if (!span_is(out->origin, log->name))
        return err_set(e, -EBADMSG, "checkpoint is of \"%.*s\", expected \"%s\"",
                       (int)out->origin.n, (const char *)out->origin.p, log->name);
    return 0;
}

/* ---- Cosignatures ---------------------------------------------------------------------------- */

int note_cosign(struct buf *out, struct span checkpoint_text, unix_time now,
                const struct note_signer *s, struct err *e)
{
    struct core_checkpoint c;
    struct buf msg;
    uint8_t sig[8 + 64];
    int rc;

    if (s->key.type != VKEY_COSIGNATURE || now <= 0)
        return err_set(e, -EINVAL, "key \"%s\" cannot cosign", s->key.name);
    if (core_checkpoint_parse(checkpoint_text, &c) != 0)
        return err_set(e, -EINVAL, "only a checkpoint can be cosigned");
    buf_init(&msg, CORE_TEXT_MAX + 64);
    if ((rc = buf_printf(&msg, "cosignature/v1\ntime %" PRIi64 "\n", now)) != 0 ||
        (rc = buf_put(&msg, checkpoint_text.p, checkpoint_text.n)) != 0 ||
        (rc = s->sign(s->arg, msg.data, msg.len, sig + 8)) != 0) {
        rc = err_sys(e, rc, "cosigning with key \"%s\"", s->key.name);
        goto out;
    }
    for (int i = 0; i < 8; i++)
        sig[i] = (uint8_t)((uint64_t)now >> (56 - 8 * i));
    if ((rc = put_sig_line(out, &s->key, sig, sizeof(sig))) != 0)
        rc = err_sys(e, rc, "writing a cosignature");
out:
    buf_free(&msg);
    return rc;
}

/* The first line by a key; NULL if there is none. */
static const struct core_sig *line_of(const struct core_note *n, const struct vkey *k)
{
    for (size_t i = 0; i < n->n; i++)
        if (span_is(n->sig[i].name, k->name) && memcmp(n->sig[i].id, k->id, 4) == 0)
            return &n->sig[i];
    return NULL;
}

/* Appends to `more` the verified lines of `got` that `have` lacks. */
static int pick_lines(struct buf *more, const struct core_note *have, const struct core_note *got,
                      const struct vkey *keys, size_t n, size_t *added, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        const struct core_sig *l = line_of(got, &keys[i]);
        int rc;

        if (l == NULL)
            continue;
        if ((rc = verify_by(got, &keys[i], NULL, e)) != 0)
            return rc;
        if (line_of(have, &keys[i]) != NULL)
            continue;
        if ((rc = buf_put(more, l->line.p, l->line.n)) != 0 || (rc = buf_putc(more, '\n')) != 0)
            return err_sys(e, rc, "merging cosignatures");
        (*added)++;
    }
    return 0;
}

int note_merge(struct buf *note, struct span lines, const struct vkey *keys, size_t n,
               size_t *added, struct err *e)
{
    struct core_note have, got;
    struct buf more;
    size_t count = 0;
    int rc;

    *added = 0;
    if ((rc = split(&have, buf_span(note), e)) != 0)
        return rc;
    if (core_sigs_split(lines, &got) != 0)
        return err_set(e, -EBADMSG, "not signature lines");
    got.text = have.text;
    buf_init(&more, CORE_NOTE_MAX);
    rc = pick_lines(&more, &have, &got, keys, n, &count, e);
    if (rc == 0 && (rc = buf_put(note, more.data, more.len)) != 0)
        rc = err_sys(e, rc, "merging cosignatures");
    if (rc == 0)
        *added = count;
    buf_free(&more);
    return rc;
}

/* core_text.c - the texts of C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-proof and
 * tlog-witness, parsed in place. */
#include "ledger/core.h"
#include "ledger/core_priv.h"

#define SIG_PREFIX "\xe2\x80\x94 " /* em dash, space */
#define SIG_PREFIX_LEN 4
#define PROOF_HEADER "c2sp.org/tlog-proof@v1"
#define COSIGN_HEADER "cosignature/v1\ntime "

/* ---- Bytes ----------------------------------------------------------------------------------- */

static struct span part(struct span s, size_t from, size_t n)
{
    struct span r = {s.p + from, n};
    return r;
}

static bool starts_with(struct span s, const char *lit, size_t n)
{
    return s.n >= n && memcmp(s.p, lit, n) == 0;
}

static bool equal(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Takes the next line off `rest`, without its line feed. */
static int next_line(struct span *rest, struct span *line)
{
    for (size_t i = 0; i < rest->n; i++)
        if (rest->p[i] == '\n') {
            *line = part(*rest, 0, i);
            *rest = part(*rest, i + 1, rest->n - i - 1);
            return 0;
        }
    return CORE_EBADMSG;
}

/* Takes one character of UTF-8 (RFC 3629) off s; 0xffffffff if there is none. */
static uint32_t next_rune(struct span *s)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t b = s->p[0];
    size_t n = b < 0x80 ? 1 : (b & 0xe0) == 0xc0 ? 2 : (b & 0xf0) == 0xe0 ? 3 : 4;
    uint32_t v = n == 1 ? b : b & (0x7fu >> n);

    if (n == 4 && (b & 0xf8) != 0xf0)
        return UINT32_MAX;
    if (s->n < n)
        return UINT32_MAX;
    for (size_t i = 1; i < n; i++) {
        if ((s->p[i] & 0xc0) != 0x80)
            return UINT32_MAX;
        v = v << 6 | (s->p[i] & 0x3f);
    }
    if (v < least[n] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
        return UINT32_MAX;
    *s = part(*s, n, s->n - n);
    return v;
}

static bool is_space(uint32_t r) /* White_Space of the Unicode character database */
{
    return (r >= 9 && r <= 13) || r == 0x20 || r == 0x85 || r == 0xa0 || r == 0x1680 ||
           (r >= 0x2000 && r <= 0x200a) || r == 0x2028 || r == 0x2029 || r == 0x202f ||
           r == 0x205f || r == 0x3000;
}

/* Valid UTF-8 without control characters other than the line feed. */
static bool is_note_text(struct span s)
{
    while (s.n > 0) {
        uint32_t r = next_rune(&s);

        if (r == UINT32_MAX || (r < 0x20 && r != '\n'))
            return false;
    }
    return true;
}

static bool is_key_name(struct span s)
{
    if (s.n == 0)
        return false;
    while (s.n > 0) {
        uint32_t r = next_rune(&s);

        if (r == UINT32_MAX || r < 0x20 || r == '+' || is_space(r))
            return false;
    }
    return true;
}

int core_decimal(struct span s, uint64_t *out)
{
    uint64_t v = 0;

    if (s.n == 0 || s.n > 19 || (s.p[0] == '0' && s.n > 1))
        return CORE_EBADMSG;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return CORE_EBADMSG;
        v = v * 10 + (uint64_t)(s.p[i] - '0'); /* 19 digits fit */
    }
    if (v > INT64_MAX)
        return CORE_EBADMSG;
    *out = v;
    return 0;
}

/* The value of each sign of the alphabet, plus 1; 0 for every other byte below 128. */
static const uint8_t base64_sign[128] = {
    0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,
    0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  63,
    0,  0,  0,  64, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 0,  0,  0,  0,  0,  0,  0,  1,
    2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
    24, 25, 26, 0,  0,  0,  0,  0,  0,  27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39,
    40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 0,  0,  0,  0,  0,
};

static uint32_t base64_digit(uint8_t c)
{
    return c < 128 ? base64_sign[c] - 1U : UINT32_MAX; /* above 63: no sign */
}

int core_base64(struct span s, uint8_t *out, size_t cap, size_t *n)
{
    size_t pad = 0, len, at = 0;

    if (s.n % 4 != 0)
        return CORE_EBADMSG;
    while (pad < 2 && pad < s.n && s.p[s.n - 1 - pad] == '=')
        pad++;
    len = s.n / 4 * 3 - pad;
    if (out != NULL && len > cap)
        return CORE_E2BIG;
    for (size_t i = 0; i < s.n; i += 4) {
        size_t signs = i + 4 < s.n ? 4 : 4 - pad;
        uint32_t acc = 0, bad = 0;

        for (size_t k = 0; k < 4; k++) {
            uint32_t d = k < signs ? base64_digit(s.p[i + k]) : 0;

            bad |= d;
            acc = acc << 6 | (d & 63);
        }
        if (bad > 63 || (signs == 3 && (acc & 0xff) != 0) || (signs == 2 && (acc & 0xffff) != 0))
            return CORE_EBADMSG; /* not of the alphabet, or spare bits */
        for (size_t k = 0; out != NULL && k + 1 < signs; k++)
            out[at++] = (uint8_t)(acc >> (16 - 8 * k));
    }
    *n = len;
    return 0;
}

static int digest_of_base64(struct span s, struct digest *out)
{
    size_t n;
    int rc = core_base64(s, out->b, sizeof(out->b), &n);

    return rc == 0 && n == sizeof(out->b) ? 0 : CORE_EBADMSG;
}

static int hex_digit(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* ---- Verifier keys --------------------------------------------------------------------------- */

int core_vkey_make(const struct core_crypto *c, const char *name, uint8_t type,
                   const uint8_t pub[32], struct vkey *out)
{
    uint8_t msg[CORE_NAME_MAX + 2 + 32];
    struct digest d;
    size_t n = 0;

    while (n <= CORE_NAME_MAX && name[n] != '\0')
        n++;
    if (n > CORE_NAME_MAX || !is_key_name((struct span){(const uint8_t *)name, n}))
        return CORE_EINVAL;
    if (type != VKEY_ED25519 && type != VKEY_COSIGNATURE)
        return CORE_EINVAL;
    memcpy(msg, name, n);
    msg[n] = '\n';
    msg[n + 1] = type;
    memcpy(msg + n + 2, pub, 32);
    c->hash(msg, n + 2 + 32, &d);
    memset(out, 0, sizeof(*out));
    memcpy(out->name, name, n);
    memcpy(out->id, d.b, 4);
    out->type = type;
    memcpy(out->pub, pub, 32);
    return 0;
}

int core_vkey_parse(const struct core_crypto *c, struct span text, struct vkey *out)
{
    char name[CORE_NAME_MAX + 1];
    uint8_t id[4], key[33];
    size_t plus = 0, n;
    int rc;

    if (text.n > CORE_VKEY_TEXT_MAX)
        return CORE_E2BIG;
    while (plus < text.n && text.p[plus] != '+' && text.p[plus] != '\0')
        plus++;
    /* '+' is a base64 digit too: the second separator stands 9 after the first */
    if (plus > CORE_NAME_MAX || text.n < plus + 10 || text.p[plus] != '+' ||
        text.p[plus + 9] != '+')
        return CORE_EBADMSG;
    for (size_t i = 0; i < 4; i++) {
        int hi = hex_digit(text.p[plus + 1 + 2 * i]), lo = hex_digit(text.p[plus + 2 + 2 * i]);

        if (hi < 0 || lo < 0)
            return CORE_EBADMSG;
        id[i] = (uint8_t)(hi << 4 | lo);
    }
    rc = core_base64(part(text, plus + 10, text.n - plus - 10), key, sizeof(key), &n);
    if (rc != 0 || n != sizeof(key))
        return CORE_EBADMSG;
    memcpy(name, text.p, plus);
    name[plus] = '\0';
    if (core_vkey_make(c, name, key[0], key + 1, out) != 0)
        return CORE_EBADMSG;
    return memcmp(id, out->id, 4) == 0 ? 0 : CORE_EBADMSG;
}

/* ---- Notes ----------------------------------------------------------------------------------- */

/* "- NAME BASE64" with at least one byte after the key id */
static int sig_parse(struct span line, struct core_sig *out)
{
    uint8_t head[6]; /* eight base64 digits */
    size_t sp = SIG_PREFIX_LEN, n;

    if (!starts_with(line, SIG_PREFIX, SIG_PREFIX_LEN))
        return CORE_EBADMSG;
    while (sp < line.n && line.p[sp] != ' ')
        sp++;
    if (sp == line.n)
        return CORE_EBADMSG;
    out->line = line;
    out->name = part(line, SIG_PREFIX_LEN, sp - SIG_PREFIX_LEN);
    out->b64 = part(line, sp + 1, line.n - sp - 1);
    if (!is_key_name(out->name) || core_base64(out->b64, NULL, 0, &n) != 0 || n < 5)
        return CORE_EBADMSG;
    if (core_base64(part(out->b64, 0, 8), head, sizeof(head), &n) != 0 || n < 5)
        return CORE_EBADMSG;
    memcpy(out->id, head, 4);
    return 0;
}

static int sigs_parse(struct span lines, struct core_note *out)
{
    struct span line;

    out->sigs = lines;
    out->n = 0;
    if (lines.n == 0)
        return CORE_EBADMSG;
    while (lines.n > 0) {
        if (next_line(&lines, &line) != 0)
            return CORE_EBADMSG;
        if (out->n == CORE_SIGS_MAX)
            return CORE_E2BIG;
        if (sig_parse(line, &out->sig[out->n]) != 0)
            return CORE_EBADMSG;
        out->n++;
    }
    return 0;
}

int core_sigs_split(struct span lines, struct core_note *out)
{
    if (lines.n > CORE_NOTE_MAX)
        return CORE_E2BIG;
    if (!is_note_text(lines))
        return CORE_EBADMSG;
    out->text = part(lines, 0, 0);
    return sigs_parse(lines, out);
}

int core_note_split(struct span note, struct core_note *out)
{
    size_t i;

    if (note.n > CORE_NOTE_MAX)
        return CORE_E2BIG;
    if (!is_note_text(note))
        return CORE_EBADMSG;
    for (i = note.n; i >= 2; i--)
        if (note.p[i - 1] == '\n' && note.p[i - 2] == '\n')
            break;
    if (i < 2)
        return CORE_EBADMSG;
    out->text = part(note, 0, i - 1);
    return sigs_parse(part(note, i, note.n - i), out);
}

/* The signed message of cosignature/v1: header line, time line, text.  Returns its length. */
static size_t cosign_message(uint8_t *out, uint64_t time, struct span text)
{
    uint8_t digits[20];
    size_t n = sizeof(COSIGN_HEADER) - 1, k = 0;

    memcpy(out, COSIGN_HEADER, n);
    do
        digits[k++] = (uint8_t)('0' + time % 10);
    while ((time /= 10) != 0);
    while (k > 0)
        out[n++] = digits[--k];
    out[n++] = '\n';
    memcpy(out + n, text.p, text.n);
    return n + text.n;
}

static int cosig_verify(const struct core_crypto *c, struct span text, const uint8_t sig[76],
                        const struct vkey *key, uint64_t *time)
{
    uint8_t msg[CORE_TEXT_MAX + 64];
    uint64_t t = 0;

    for (int i = 4; i < 12; i++)
        t = t << 8 | sig[i];
    if (t > INT64_MAX || text.n > CORE_TEXT_MAX)
        return CORE_EBADMSG;
    if (c->verify(key->pub, msg, cosign_message(msg, t, text), sig + 12) != 0)
        return CORE_EBADMSG;
    *time = t;
    return 0;
}

static int sig_verify(const struct core_crypto *c, struct span text, const struct core_sig *s,
                      const struct vkey *key, uint64_t *time)
{
    uint8_t sig[76]; /* id, time of a cosignature, Ed25519 */
    size_t n, want = key->type == VKEY_COSIGNATURE ? 76 : 68;

    if (core_base64(s->b64, sig, sizeof(sig), &n) != 0 || n != want)
        return CORE_EBADMSG;
    if (key->type == VKEY_COSIGNATURE)
        return cosig_verify(c, text, sig, key, time);
    *time = 0;
    return c->verify(key->pub, text.p, text.n, sig + 4) == 0 ? 0 : CORE_EBADMSG;
}

int core_note_verify(const struct core_crypto *c, const struct core_note *note,
                     const struct vkey *key, uint64_t *time)
{
    struct span name = {(const uint8_t *)key->name, 0};
    bool found = false;
    uint64_t t;

    while (key->name[name.n] != '\0')
        name.n++;
    for (size_t i = 0; i < note->n; i++) {
        const struct core_sig *s = &note->sig[i];

        if (!equal(s->name, name) || memcmp(s->id, key->id, 4) != 0)
            continue;
        if (sig_verify(c, note->text, s, key, &t) != 0)
            return CORE_EBADMSG;
        if (!found && time != NULL)
            *time = t;
        found = true;
    }
    return found ? 0 : CORE_ENOENT;
}

/* ---- Checkpoints and proofs ------------------------------------------------------------------ */

int core_checkpoint_parse(struct span text, struct core_checkpoint *out)
{
    struct span rest = text, size, root, line;

    if (text.n > CORE_TEXT_MAX)
        return CORE_E2BIG;
    if (!is_note_text(text) || next_line(&rest, &out->origin) != 0 ||
        next_line(&rest, &size) != 0 || next_line(&rest, &root) != 0)
        return CORE_EBADMSG;
    if (out->origin.n == 0 || out->origin.n > CORE_ORIGIN_MAX ||
        core_decimal(size, &out->size) != 0 || digest_of_base64(root, &out->root) != 0)
        return CORE_EBADMSG;
    out->extensions = rest;
    while (rest.n > 0)
        if (next_line(&rest, &line) != 0 || line.n == 0)
            return CORE_EBADMSG;
    return 0;
}

/* Hash lines up to and including the empty line. */
static int hashes_parse(struct span *rest, struct digest *path, size_t max, size_t *n)
{
    struct span line;

    for (*n = 0;; (*n)++) {
        if (next_line(rest, &line) != 0)
            return CORE_EBADMSG;
        if (line.n == 0)
            return 0;
        if (*n == max)
            return CORE_E2BIG;
        if (digest_of_base64(line, &path[*n]) != 0)
            return CORE_EBADMSG;
    }
}

int core_proof_parse(struct span text, struct core_proof *out)
{
    struct span rest = text, line;
    size_t n;
    int rc;

    if (next_line(&rest, &line) != 0 || line.n != sizeof(PROOF_HEADER) - 1 ||
        memcmp(line.p, PROOF_HEADER, line.n) != 0)
        return CORE_EBADMSG;
    if (next_line(&rest, &line) != 0)
        return CORE_EBADMSG;
    out->extra = part(line, 0, 0);
    if ((out->has_extra = starts_with(line, "extra ", 6))) {
        out->extra = part(line, 6, line.n - 6);
        /* absent data are said by leaving the line out, in no other way */
        if (core_base64(out->extra, NULL, 0, &n) != 0 || n == 0 || next_line(&rest, &line) != 0)
            return CORE_EBADMSG;
    }
    if (!starts_with(line, "index ", 6) ||
        core_decimal(part(line, 6, line.n - 6), &out->index) != 0)
        return CORE_EBADMSG;
    if ((rc = hashes_parse(&rest, out->path, CORE_PROOF_MAX, &out->n)) != 0)
        return rc;
    out->checkpoint = rest;
    return rest.n > 0 ? 0 : CORE_EBADMSG;
}

int core_add_checkpoint_parse(struct span text, struct core_add_checkpoint *out)
{
    struct span rest = text, line;
    int rc;

    if (next_line(&rest, &line) != 0 || !starts_with(line, "old ", 4) ||
        core_decimal(part(line, 4, line.n - 4), &out->old_size) != 0)
        return CORE_EBADMSG;
    if ((rc = hashes_parse(&rest, out->path, 63, &out->n)) != 0)
        return rc;
    out->checkpoint = rest;
    return rest.n > 0 ? 0 : CORE_EBADMSG;
}

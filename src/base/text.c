#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int text_u64(struct span s, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;

    if (s.n == 0 || s.n > 20 || (s.p[0] == '0' && s.n > 1))
        return -EBADMSG;
    for (size_t i = 0; i < s.n; i++) {
        uint64_t d = (uint64_t)s.p[i] - '0';

        if (s.p[i] < '0' || s.p[i] > '9' || v > (UINT64_MAX - d) / 10)
            return -EBADMSG;
        v = v * 10 + d;
    }
    if (v > max)
        return -EBADMSG;
    *out = v;
    return 0;
}

void text_hex(char *out, const void *p, size_t n)
{
    static const char digit[] = "0123456789abcdef";
    const uint8_t *b = p;

    for (size_t i = 0; i < n; i++) {
        *out++ = digit[b[i] >> 4];
        *out++ = digit[b[i] & 15];
    }
    *out = '\0';
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

int text_unhex(struct span s, void *out, size_t n)
{
    uint8_t *o = out;

    if (s.n % 2 != 0 || s.n / 2 != n)
        return -EBADMSG;
    for (size_t i = 0; i < s.n; i++)
        if (hex_value(s.p[i]) < 0)
            return -EBADMSG;
    for (size_t i = 0; i < n; i++)
        o[i] = (uint8_t)(hex_value(s.p[2 * i]) << 4 | hex_value(s.p[2 * i + 1]));
    return 0;
}

void text_base64(char *out, const void *p, size_t n)
{
    static const char sign[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *b = p;

    for (; n >= 3; n -= 3, b += 3) {
        *out++ = sign[b[0] >> 2];
        *out++ = sign[(b[0] & 3) << 4 | b[1] >> 4];
        *out++ = sign[(b[1] & 15) << 2 | b[2] >> 6];
        *out++ = sign[b[2] & 63];
    }
    if (n > 0) {
        uint8_t second = n == 2 ? b[1] : 0;

        *out++ = sign[b[0] >> 2];
        *out++ = sign[(b[0] & 3) << 4 | second >> 4];
        *out++ = n == 2 ? sign[(second & 15) << 2] : '=';
        *out++ = '=';
    }
    *out = '\0';
}

/* The value of each sign of the alphabet, plus 1; 0 for every other byte. */
static const uint8_t base64_sign[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
};

/* How many bytes s stands for; -EBADMSG unless it is the one spelling of them. */
static int base64_check(struct span s, size_t *n)
{
    size_t pad = 0, chars;
    bool good = true;

    if (s.n % 4 != 0)
        return -EBADMSG;
    while (pad < 2 && pad < s.n && s.p[s.n - 1 - pad] == '=')
        pad++;
    chars = s.n - pad;
    for (size_t i = 0; i < chars; i++)
        good &= base64_sign[s.p[i]] != 0;
    if (!good)
        return -EBADMSG;
    /* the last sign before the padding carries bits no byte takes: they must be zero */
    if (pad > 0 && ((base64_sign[s.p[chars - 1]] - 1) & (pad == 1 ? 3 : 15)) != 0)
        return -EBADMSG;
    *n = s.n / 4 * 3 - pad;
    return 0;
}

/* Four signs as 24 bits; '=' counts as 0. */
static uint32_t base64_quad(const uint8_t *p)
{
    uint32_t bits = 0;

    for (int i = 0; i < 4; i++)
        bits = bits << 6 | (p[i] == '=' ? 0 : (uint32_t)base64_sign[p[i]] - 1);
    return bits;
}

/* s was checked and stands for n bytes. */
static void base64_decode(struct span s, uint8_t *out, size_t n)
{
    const uint8_t *p = s.p;

    for (; n >= 3; p += 4, out += 3, n -= 3) {
        uint32_t bits = base64_quad(p);

        out[0] = (uint8_t)(bits >> 16);
        out[1] = (uint8_t)(bits >> 8);
        out[2] = (uint8_t)bits;
    }
    if (n > 0)
        out[0] = (uint8_t)(base64_quad(p) >> 16);
    if (n > 1)
        out[1] = (uint8_t)(base64_quad(p) >> 8);
}

int text_unbase64(struct span s, void *out, size_t cap, size_t *n)
{
    size_t len;

    if (base64_check(s, &len) != 0)
        return -EBADMSG;
    if (len > cap)
        return -E2BIG;
    base64_decode(s, out, len);
    *n = len;
    return 0;
}

int text_unbase64_exact(struct span s, void *out, size_t n)
{
    size_t len;

    if (base64_check(s, &len) != 0 || len != n)
        return -EBADMSG;
    base64_decode(s, out, n);
    return 0;
}

int text_undigest(struct span s, struct digest *out)
{
    return text_unhex(s, out->b, sizeof(out->b));
}

int text_unid(struct span s, struct id128 *out)
{
    return text_unhex(s, out->b, sizeof(out->b));
}

size_t text_utf8_next(struct span s, uint32_t *code)
{
    /* RFC 3629 section 4: by length, the least code it may carry (else it is overlong) */
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len;
    uint32_t c;

    if (s.n == 0)
        return 0;
    c = s.p[0];
    if (c < 0x80)
        len = 1;
    else if (c >= 0xc2 && c <= 0xdf)
        len = 2, c &= 0x1f;
    else if (c >= 0xe0 && c <= 0xef)
        len = 3, c &= 0x0f;
    else if (c >= 0xf0 && c <= 0xf4)
        len = 4, c &= 0x07;
    else
        return 0;
    if (len > s.n)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((s.p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (s.p[i] & 0x3f);
    }
    if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    *code = c;
    return len;
}

bool text_is_utf8(struct span s)
{
    uint32_t code;

    while (s.n > 0) {
        size_t len = text_utf8_next(s, &code);

        if (len == 0)
            return false;
        s = span_of(s.p + len, s.n - len);
    }
    return true;
}

const char *text_bytes(char *out, uint64_t n)
{
    static const char *const unit[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
    size_t u = 0;
    uint64_t one = 1000, tenths;

    if (n < 1000) {
        (void)snprintf(out, 32, "%u B", (unsigned)n);
        return out;
    }
    /* 999,950 rounds to 1000.0 kB: such a value belongs to the next unit */
    while (u + 1 < ARRAY_LEN(unit) && n >= one * 1000 - one / 20) {
        one *= 1000;
        u++;
    }
    tenths = n / (one / 10) + (n % (one / 10) >= one / 20);
    (void)snprintf(out, 32, "%u.%u %s", (unsigned)(tenths / 10), (unsigned)(tenths % 10), unit[u]);
    return out;
}

/* One byte of a JSON string; bytes of 0x20 and more except two stand for themselves. */
static int json_byte(struct buf *b, uint8_t c)
{
    static const char brief[] = "\bb\tt\nn\ff\rr\"\"\\\\";

    for (size_t i = 0; brief[i] != '\0'; i += 2)
        if ((uint8_t)brief[i] == c)
            return buf_printf(b, "\\%c", brief[i + 1]);
    return c < 0x20 ? buf_printf(b, "\\u%04x", c) : buf_putc(b, c);
}

int text_json_string(struct buf *b, struct span s)
{
    size_t before = b->len;
    int rc;

    if (!text_is_utf8(s))
        return -EBADMSG;
    rc = buf_putc(b, '"');
    for (size_t i = 0; i < s.n && rc == 0; i++)
        rc = json_byte(b, s.p[i]);
    if (rc == 0)
        rc = buf_putc(b, '"');
    if (rc != 0)
        b->len = before;
    return rc;
}

bool text_is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code <= 0x9f)        /* C0, DEL, C1 */
           || code == 0x61c || code == 0x200e || code == 0x200f /* direction */
           || (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

int text_plain(struct buf *b, struct span s)
{
    size_t before = b->len;
    int rc = 0;

    while (s.n > 0 && rc == 0) {
        uint32_t code = 0;
        size_t len = text_utf8_next(s, &code);

        rc = len == 0 || text_is_control(code) ? buf_putc(b, '?') : buf_put(b, s.p, len);
        if (len == 0)
            len = 1;
        s = span_of(s.p + len, s.n - len);
    }
    if (rc != 0)
        b->len = before;
    return rc;
}

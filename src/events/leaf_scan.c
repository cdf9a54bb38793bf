/* How each type of value is spelled.  Fixed-length types are checked sixteen bytes at a time
 * without branches, which the compiler turns into vector compares: a submission.accepted leaf is
 * 800 characters, nearly all of them hex and base64. */
#include <errno.h>
#include <string.h>

#include "events/country.h"
#include "events/leaf_priv.h"

#define BLOCK 16

/* Nonzero if one of 16 characters is not a lower-case hex digit. */
static inline unsigned not_hex(const uint8_t *p)
{
    uint8_t bad = 0;

    for (int i = 0; i < BLOCK; i++) {
        uint8_t digit = (uint8_t)(p[i] - '0') < 10, letter = (uint8_t)(p[i] - 'a') < 6;

        bad |= (uint8_t) !(digit | letter);
    }
    return bad;
}

/* Nonzero if one of 16 characters is not of the base64 alphabet. */
static inline unsigned not_base64(const uint8_t *p)
{
    uint8_t bad = 0;

    for (int i = 0; i < BLOCK; i++) {
        uint8_t letter = (uint8_t)((p[i] | 0x20) - 'a') < 26, digit = (uint8_t)(p[i] - '0') < 10;
        uint8_t other = (p[i] == '+') | (p[i] == '/');

        bad |= (uint8_t) !(letter | digit | other);
    }
    return bad;
}

static size_t scan_hex(const uint8_t *p, const uint8_t *end, size_t n)
{
    unsigned bad = 0;

    if ((size_t)(end - p) < n)
        return 0;
    for (size_t i = 0; i < n; i += BLOCK)
        bad |= not_hex(p + i);
    return bad != 0 ? 0 : n;
}

static int base64_value(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

/* Base64 of 32 bytes: 43 characters, the last with two spare bits, and one '='. */
static size_t scan_base64_32(const uint8_t *p, const uint8_t *end)
{
    if (end - p < 44)
        return 0;
    if ((not_base64(p) | not_base64(p + 16) | not_base64(p + 27)) != 0)
        return 0;
    return p[43] == '=' && (base64_value(p[42]) & 3) == 0 ? 44 : 0;
}

/* Base64 of 64 bytes: 86 characters, the last with four spare bits, and "==". */
static size_t scan_base64_64(const uint8_t *p, const uint8_t *end)
{
    unsigned bad = 0;

    if (end - p < 88)
        return 0;
    for (int i = 0; i < 80; i += BLOCK)
        bad |= not_base64(p + i);
    bad |= not_base64(p + 70);
    return bad == 0 && p[86] == '=' && p[87] == '=' && (base64_value(p[85]) & 15) == 0 ? 88 : 0;
}

static size_t scan_int(const uint8_t *p, const uint8_t *end)
{
    const uint8_t *q = p;
    uint64_t v = 0;

    while (q < end && *q >= '0' && *q <= '9' && q - p < 17)
        v = v * 10 + (*q++ - (uint64_t)'0');
    if (q == p || (*p == '0' && q - p > 1) || v >= LEAF_INT_MAX)
        return 0;
    return (size_t)(q - p);
}

/* "2026-11-23T20:51Z" and a day that exists. */
static size_t scan_minute(const uint8_t *p, const uint8_t *end)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    static const uint8_t digit_at[] = {0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15};
    unsigned bad = 0, y, m, d;

    if ((size_t)(end - p) < CLOCK_MINUTE_LEN)
        return 0;
    for (size_t i = 0; i < sizeof(digit_at); i++)
        bad |= (uint8_t)(p[digit_at[i]] - '0') > 9;
    bad |= p[4] != '-' || p[7] != '-' || p[10] != 'T' || p[13] != ':' || p[16] != 'Z';
    if (bad != 0)
        return 0;
#define TWO(i) ((p[i] - (unsigned)'0') * 10 + (p[(i) + 1] - (unsigned)'0'))
    y = TWO(0) * 100 + TWO(2);
    m = TWO(5);
    d = TWO(8);
    if (y < 1970 || m < 1 || m > 12 || d < 1 || TWO(11) > 23 || TWO(14) > 59)
        return 0;
#undef TWO
    if (m == 2 && y % 4 == 0 && (y % 100 != 0 || y % 400 == 0))
        return d <= 29 ? CLOCK_MINUTE_LEN : 0;
    return d <= days[m - 1] ? CLOCK_MINUTE_LEN : 0;
}

enum { LOW = 1, UP = 2, DIG = 4, DOT = 8, DASH = 16, COMMA = 32 };
static const uint8_t class_of[256] = {
    ['a' ... 'z'] = LOW, ['A' ... 'Z'] = UP, ['0' ... '9'] = DIG,
    ['.'] = DOT,         ['-'] = DASH,       [','] = COMMA,
};

/* min to max characters of the classes; a longer run is none. */
static size_t scan_run(const uint8_t *p, const uint8_t *end, unsigned classes, size_t min,
                       size_t max)
{
    size_t n = 0;

    while (p + n < end && n <= max && (class_of[p[n]] & classes) != 0)
        n++;
    return n >= min && n <= max ? n : 0;
}

/* A verifier key of C2SP signed-note: name '+' 8 hex digits '+' base64 (padding checked as shape).
 */
static size_t scan_vkey(const uint8_t *p, const uint8_t *end)
{
    size_t n = 0, name, key;

    while (p + n < end && n <= LEAF_VKEY_MAX && p[n] > ' ' && p[n] < 0x7f && p[n] != '"' &&
           p[n] != '\\')
        n++;
    if (n > LEAF_VKEY_MAX)
        return 0;
    for (name = 0; name < n && p[name] != '+'; name++)
        ;
    if (name == 0 || n < name + 10 || p[name + 9] != '+')
        return 0;
    for (size_t i = name + 1; i < name + 9; i++)
        if ((class_of[p[i]] & (DIG | LOW)) == 0 || p[i] > 'f')
            return 0;
    key = n - (name + 10);
    if (key == 0 || key % 4 != 0)
        return 0;
    for (size_t i = name + 10; i < n; i++)
        if (base64_value(p[i]) < 0 &&
            !(p[i] == '=' && (i == n - 1 || (i == n - 2 && p[n - 1] == '='))))
            return 0;
    return n;
}

static size_t scan_word(enum leaf_list list, const uint8_t *p, const uint8_t *end)
{
    size_t n = scan_run(p, end, LOW | DIG | DOT | DASH | COMMA, 1, 64);

    return n != 0 && leaf_word_of(list, p, n) >= 0 ? n : 0;
}

size_t leaf_scan(enum leaf_type t, enum leaf_list list, const uint8_t *p, const uint8_t *end)
{
    enum leaf_kind k;
    size_t n;

    switch (t) {
    case LT_INT:
        return scan_int(p, end);
    case LT_ID:
        return scan_hex(p, end, 32);
    case LT_DIGEST:
        return scan_hex(p, end, 64);
    case LT_COUNTRY:
        return end - p >= 2 && country_index(span_of(p, 2)) >= 0 ? 2 : 0;
    case LT_MINUTE:
        return scan_minute(p, end);
    case LT_SITE:
        n = scan_run(p, end, LOW | DIG, 2, 16);
        return n != 0 && class_of[p[0]] == LOW ? n : 0;
    case LT_ZONE:
        return scan_run(p, end, UP | DIG, 2, 8);
    case LT_KEY:
    case LT_SEALED:
        return scan_base64_32(p, end);
    case LT_SIG:
        return scan_base64_64(p, end);
    case LT_VKEY:
        return scan_vkey(p, end);
    case LT_WORD:
        return scan_word(list, p, end);
    case LT_LABEL:
        return scan_run(p, end, LOW | DIG | DOT | DASH, 1, 32);
    case LT_KIND:
        n = scan_run(p, end, LOW | DOT, 1, 32);
        return n != 0 && leaf_kind_of(span_of(p, n), &k) == 0 ? n : 0;
    }
    return 0;
}

/* plain_show.c - a piece of a text in a sentence. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "compare/plain.h"

#define BEFORE 30u /* bytes shown before the place that matters, when not all fits */
#define DOTS "..."

static bool continues(uint8_t c)
{
    return (c & 0xc0) == 0x80;
}

void plain_common(struct span a, struct span b, size_t *head, size_t *tail)
{
    size_t least = a.n < b.n ? a.n : b.n, h = 0, t = 0;

    while (h < least && a.p[h] == b.p[h])
        h++;
    while (h > 0 && ((h < a.n && continues(a.p[h])) || (h < b.n && continues(b.p[h]))))
        h--;
    while (t < least - h && a.p[a.n - 1 - t] == b.p[b.n - 1 - t])
        t++;
    while (t > 0 && continues(a.p[a.n - t]))
        t--;
    *head = h;
    *tail = t;
}

/* One character as it is shown; returns the bytes of s that it was. */
static size_t one(char out[16], struct span s)
{
    uint32_t code = 0;
    size_t n = text_utf8_next(s, &code);

    if (n == 0) {
        (void)snprintf(out, 16, "\\x%02x", s.p[0]);
        return 1;
    }
    if (code == '\t' || code == '\n' || code == '\r' || code == '\\')
        (void)snprintf(out, 16, "\\%c",
                       code == '\t'   ? 't'
                       : code == '\n' ? 'n'
                       : code == '\r' ? 'r'
                                      : '\\');
    else if (text_is_control(code))
        (void)snprintf(out, 16, code < 256 ? "\\x%02x" : "\\u%04x", (unsigned)code);
    else
        (void)snprintf(out, 16, "%.*s", (int)n, (const char *)s.p);
    return n;
}

const char *plain_show(char out[PLAIN_SHOWN], struct span s, size_t at, bool quotes)
{
    const size_t room = PLAIN_SHOWN - 2 * sizeof(DOTS) - 2;
    size_t i = s.n <= room || at <= BEFORE ? 0 : at - BEFORE, len = 0;
    const char *quote = quotes ? "\"" : "";
    char c[16];

    while (i > 0 && i < s.n && continues(s.p[i]) && at - i < BEFORE + 4)
        i--;
    i = i > s.n ? s.n : i;
    len = (size_t)snprintf(out, PLAIN_SHOWN, "%s%s", i > 0 ? DOTS : "", quote);
    while (i < s.n) {
        size_t n = one(c, span_of(s.p + i, s.n - i)), k = strlen(c);

        if (len + k > room)
            break;
        memcpy(out + len, c, k);
        len += k;
        i += n;
    }
    (void)snprintf(out + len, PLAIN_SHOWN - len, "%s%s", quote, i < s.n ? DOTS : "");
    return out;
}

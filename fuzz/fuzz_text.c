/* Every decoder of text.h and clock.h on the same bytes.  Each value has one spelling, so whatever
 * is accepted must come back as it was when it is written again. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held)
{
    if (!held)
        abort();
}

static void numbers_and_times(struct span s)
{
    char out[32];
    unix_time t;
    uint64_t v;

    if (text_u64(s, UINT64_MAX, &v) == 0) {
        (void)snprintf(out, sizeof(out), "%llu", (unsigned long long)v);
        must(span_is(s, out));
    }
    if (clock_unminute(s, &t) == 0) {
        clock_minute(out, t);
        must(span_is(s, out));
    } else if (clock_unsecond(s, &t) == 0) {
        clock_second(out, t);
        must(span_is(s, out));
    }
}

static void hex_and_base64(struct span s)
{
    uint8_t *raw = malloc(s.n + 1);
    char *again = malloc(s.n + 8);
    size_t n;

    must(raw != NULL && again != NULL);
    if (text_unhex(s, raw, s.n / 2) == 0) {
        text_hex(again, raw, s.n / 2);
        must(span_is(s, again));
    }
    if (text_unbase64(s, raw, s.n, &n) == 0) {
        text_base64(again, raw, n);
        must(span_is(s, again) && TEXT_BASE64_LEN(n) == s.n);
    }
    free(raw);
    free(again);
}

static void words_for_readers(struct span s)
{
    struct buf b;
    struct cur c;
    struct span line;

    buf_init(&b, s.n * 6 + 2);
    must(text_plain(&b, s) == 0 && text_is_utf8(buf_span(&b)));
    for (size_t i = 0; i < b.len; i++)
        must(b.data[i] >= 0x20 && b.data[i] != 0x7f);
    buf_reset(&b);
    must((text_json_string(&b, s) == 0) == text_is_utf8(s));
    buf_free(&b);
    for (c = cur_of(s); cur_line(&c, &line) == 0;)
        must(line.n == 0 || memchr(line.p, '\n', line.n) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span s = span_of(data, size);

    numbers_and_times(s);
    hex_and_base64(s);
    words_for_readers(s);
    return 0;
}

/* One request head on raw bytes: scanned whole and dripping, parsed, its decoded parts re-examined.
 */
#include <stdlib.h>
#include <string.h>

#include "http/head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(x)                                                                                    \
    do {                                                                                           \
        if (!(x))                                                                                  \
            abort();                                                                               \
    } while (0)

static struct span first(const uint8_t *p, size_t n)
{
    struct span s = {p, n};

    return s;
}

/* Fed a byte at a time, the judgement is the same; it may only come earlier. */
static void check_dripping(const uint8_t *data, size_t size, long whole)
{
    const struct http_refusal *why;
    size_t limit = size < 600 ? size : 600;
    long got = 0;

    for (size_t n = 1; n <= limit && got == 0; n++)
        got = http_head_scan(first(data, n), n - 1, &why);
    if (got == 0 && limit == size)
        MUST(whole == 0);
    if (got != 0)
        MUST(got == whole);
}

static void check_spans(const struct http_head *h, const uint8_t *data, size_t len)
{
    MUST(h->n_fields <= HTTP_HEADERS_MAX);
    for (size_t i = 0; i < h->n_fields; i++) {
        struct span n = h->fields[i].name, v = h->fields[i].value;

        MUST(n.n > 0 && n.p >= data && n.p + n.n <= v.p && v.p + v.n <= data + len);
        MUST(memchr(v.p, '\r', v.n) == NULL && memchr(v.p, '\n', v.n) == NULL &&
             memchr(v.p, '\0', v.n) == NULL);
        MUST(memchr(n.p, ' ', n.n) == NULL && memchr(n.p, ':', n.n) == NULL);
    }
}

/* A path that was accepted leaves its folder in no reading. */
static void check_path(const struct http_head *h)
{
    MUST(h->text[0] == '/' && strlen(h->text) == h->path_len);
    MUST(strstr(h->text, "//") == NULL && strchr(h->text, '\\') == NULL);
    MUST(strstr(h->text, "/../") == NULL && strstr(h->text, "/./") == NULL);
    MUST(h->path_len < 3 || strcmp(h->text + h->path_len - 3, "/..") != 0);
    MUST(h->text_len <= sizeof(h->text) && h->text[h->text_len - 1] == '\0');
    (void)http_head_query(h, "wait");
}

static void check_framing(const struct http_head *h)
{
    struct span length = http_head_field(h, "content-length");
    struct span coding = http_head_field(h, "transfer-encoding");

    MUST(length.p == NULL || coding.p == NULL);
    MUST((coding.p != NULL) == (h->length == HTTP_LENGTH_CHUNKED));
    MUST(length.p != NULL || coding.p != NULL || h->length == 0);
    MUST(h->minor == 0 || http_head_field(h, "host").n > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct http_refusal *why = NULL;
    struct http_head h;
    long len = http_head_scan(first(data, size), 0, &why);

    check_dripping(data, size, len);
    MUST(len >= 0 || (why != NULL && why->status >= 400));
    if (len <= 0)
        return 0;
    MUST((size_t)len <= size && len <= HTTP_HEAD_MAX && memcmp(data + len - 4, "\r\n\r\n", 4) == 0);
    why = NULL;
    if (http_head_parse(&h, first(data, (size_t)len), &why) != 0) {
        MUST(why != NULL && why->status >= 400);
        return 0;
    }
    check_spans(&h, data, (size_t)len);
    check_path(&h);
    check_framing(&h);
    return 0;
}

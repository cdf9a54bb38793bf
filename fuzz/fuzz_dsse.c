/* Envelopes: what is accepted is written and read again as the same envelope, within the limits. */
#include <stdlib.h>
#include <string.h>

#include "people/dsse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool held)
{
    if (!held)
        abort();
}

static bool no_key(void *ctx, const char *keyid, struct ed25519_pub *out)
{
    (void)ctx;
    expect(strlen(keyid) == 64 && strspn(keyid, "0123456789abcdef") == 64);
    memset(out, 1, sizeof(*out));
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t good[DSSE_MAX_SIGNATURES], n = 0;
    struct dsse *d = NULL, *again = NULL;
    struct err e = ERR_INIT;
    struct buf out;

    if (dsse_parse(&d, span_of(data, size), &e) != 0) {
        expect(d == NULL && e.text[0] != '\0');
        return 0;
    }
    expect(strlen(dsse_type(d)) <= DSSE_MAX_TYPE && dsse_payload(d).n <= DSSE_MAX_PAYLOAD &&
           dsse_count(d) <= DSSE_MAX_SIGNATURES);
    /* no keyid is the hash of this key */
    expect(dsse_verify(d, no_key, NULL, good, &n) == 0 && n == 0);
    buf_init(&out, 2 * DSSE_MAX_BYTES);
    expect(dsse_write(d, &out) == 0);
    expect(dsse_parse(&again, buf_span(&out), NULL) == 0);
    expect(strcmp(dsse_type(d), dsse_type(again)) == 0 &&
           span_eq(dsse_payload(d), dsse_payload(again)) && dsse_count(d) == dsse_count(again));
    for (size_t i = 0; i < dsse_count(d); i++)
        expect(strcmp(dsse_keyid(d, i), dsse_keyid(again, i)) == 0);
    buf_free(&out);
    dsse_free(again);
    dsse_free(d);
    return 0;
}

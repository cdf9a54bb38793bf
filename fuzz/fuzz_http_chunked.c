/* A chunked body: taken whole or in pieces, the same bytes come out; they are never more than went
 * in. */
#include <stdlib.h>
#include <string.h>

#include "http/head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(x)                                                                                    \
    do {                                                                                           \
        if (!(x))                                                                                  \
            abort();                                                                               \
    } while (0)

struct outcome {
    int rc;
    size_t used, got;
    uint64_t sum;
};

/* step: bytes offered at a time */
static struct outcome run(const uint8_t *data, size_t size, size_t step)
{
    struct outcome o = {0, 0, 0, 0};
    struct http_chunked c;

    http_chunked_init(&c);
    while (o.rc == 0 && o.used < size) {
        struct span in = {data + o.used, size - o.used < step ? size - o.used : step}, out;
        size_t used;

        o.rc = http_chunked_step(&c, in, &used, &out);
        if (o.rc < 0)
            break;
        MUST(used <= in.n && (used > 0 || o.rc == 1));
        MUST(out.n == 0 || (out.p >= in.p && out.p + out.n <= in.p + used));
        for (size_t i = 0; i < out.n; i++)
            o.sum = o.sum * 31 + out.p[i];
        o.got += out.n;
        o.used += used;
    }
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome whole = run(data, size, SIZE_MAX), drip = run(data, size, 1);

    MUST(whole.rc == drip.rc && whole.got == drip.got && whole.sum == drip.sum);
    MUST(whole.rc < 0 || whole.used == drip.used);
    MUST(whole.got <= size);
    return 0;
}

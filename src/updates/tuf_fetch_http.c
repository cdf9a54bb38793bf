#include "updates/tuf_fetch.h"

#include <errno.h>
#include <stdlib.h>

#include "http/client.h"

#define SHORT_MAX (16 << 20) /* bytes of metadata */

struct web {
    struct http_client *client;
    uint32_t metadata_ms;
};

struct taker {
    int (*sink)(const void *p, size_t n, void *arg);
    void *arg;
    uint64_t left;
    int rc; /* what sink said */
};

static int take(const void *p, size_t n, void *arg)
{
    struct taker *t = arg;

    if (n > t->left)
        return -E2BIG;
    t->left -= n;
    return t->rc = t->sink(p, n, t->arg);
}

static int get(void *ctx, const char *url, uint64_t max,
               int (*sink)(const void *p, size_t n, void *arg), void *arg, struct err *e)
{
    const struct web *w = ctx;
    struct taker t = {sink, arg, max, 0};
    struct http_result a;
    struct http_call call = {.method = HTTP_GET,
                             .url = url,
                             .total_ms = max <= SHORT_MAX ? w->metadata_ms : 0,
                             .max_answer = max > 0 ? max : 1,
                             .take = take,
                             .take_arg = &t};
    int rc = http_client_do(w->client, &call, &a, e), status = a.status;

    http_result_free(&a);
    if (rc != 0)
        return t.rc != 0 ? t.rc : rc;
    if (status == 200)
        return 0;
    if (status == 404 || status == 403)
        return err_set(e, -ENOENT, "the repository has no such file (HTTP status %d)", status);
    return err_set(e, -EPROTO, "HTTP status %d; try again later", status);
}

int tuf_fetch_http_new(struct tuf_fetch *out, const struct tuf_fetch_limits *limits, struct err *e)
{
    const struct tuf_fetch_limits none = {0}, *l = limits != NULL ? limits : &none;
    const struct http_client_limits http = {.connections = 1,
                                            .per_host = 1,
                                            .stall_ms = l->stall_ms != 0 ? l->stall_ms : 20000,
                                            .stall_rate =
                                                l->stall_rate != 0 ? l->stall_rate : 1000};
    struct web *w = calloc(1, sizeof(*w));
    int rc;

    *out = (struct tuf_fetch){get, NULL};
    if (w == NULL)
        return err_sys(e, -ENOMEM, "HTTP client");
    w->metadata_ms = l->metadata_ms != 0 ? l->metadata_ms : 300000;
    if ((rc = http_client_new(&w->client, &http, e)) != 0) {
        free(w);
        return rc;
    }
    out->ctx = w;
    return 0;
}

void tuf_fetch_http_free(struct tuf_fetch *f)
{
    struct web *w = f->ctx;

    if (w == NULL)
        return;
    http_client_free(w->client);
    free(w);
    f->ctx = NULL;
}

/* request.c - what a handler may ask about its request. */
#include "http/server_priv.h"

#include <string.h>

#define SLOT_BITS 16

uint64_t http_id(const struct http_req *r)
{
    return r->id;
}

struct http_req *http_find(struct http_server *s, uint64_t id)
{
    size_t slot = id & ((1u << SLOT_BITS) - 1);
    struct conn *c = slot < s->limits.connections ? s->slots[slot] : NULL;

    if (c == NULL || c->req == NULL || c->req->id != id || c->req->answered)
        return NULL;
    return c->req;
}

const struct http_route *http_route(const struct http_req *r)
{
    return r->route;
}

enum http_method http_method(const struct http_req *r)
{
    return r->head.method;
}

struct span http_path(const struct http_req *r)
{
    return span_of(r->head.text, r->head.path_len);
}

struct span http_param(const struct http_req *r, const char *name)
{
    const char *p = r->route->pattern;
    size_t len = strlen(name);

    for (size_t i = 0; (p = strchr(p, '{')) != NULL; i++, p++)
        if (strncmp(p + 1, name, len) == 0 && (p[1 + len] == '}' || p[1 + len] == '.'))
            return r->params[i];
    return span_of(NULL, 0);
}

struct span http_query(const struct http_req *r, const char *name)
{
    return http_head_query(&r->head, name);
}

struct span http_header(const struct http_req *r, const char *name)
{
    return http_head_field(&r->head, name);
}

uint64_t http_length(const struct http_req *r)
{
    return r->head.length;
}

struct span http_body(const struct http_req *r)
{
    return buf_span(&r->body);
}

const char *http_peer(const struct http_req *r)
{
    return r->c->peer_name;
}

void http_set_context(struct http_req *r, void *ctx)
{
    r->context = ctx;
}

void *http_context(const struct http_req *r)
{
    return r->context;
}

void http_deadline(struct http_req *r, uint32_t ms)
{
    r->deadline = clock_mono() + ms;
    r->long_poll = false;
    if (r->paused || r->c->phase == CONN_PARKED)
        server_due(r->c, r->deadline);
}

void http_long_poll(struct http_req *r, uint32_t ms)
{
    http_deadline(r, ms);
    r->long_poll = true;
    server_ready(r->c); /* it may already be draining, or the client gone */
}

void http_resume(struct http_req *r)
{
    if (!r->paused)
        return;
    r->paused = false;
    r->deadline = 0;
    r->paused_ms += clock_mono() - r->paused_at;
    server_ready(r->c);
}

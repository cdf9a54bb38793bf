#include "site/front_lookup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "events/country.h"
#include "site/front_priv.h"
#include "site/hot.h"

#define GRANTS 256   /* of tokens and countries */
#define TELL_MS 2000 /* how long counts may wait */
#define ASK_MS 30000

struct grant {
    struct digest token;
    char country[4];
    mono_ms until; /* 0: this place is free */
};

struct front_lookup {
    struct hot *hot; /* NULL: none was given out yet */
    struct grant grant[GRANTS];
    uint64_t n[COUNTRY_COUNT]; /* answered, and not told */
    mono_ms since;             /* the first of those; 0: there are none */
};

int front_lookup_new(struct front_lookup **out)
{
    return (*out = calloc(1, sizeof(**out))) != NULL ? 0 : -ENOMEM;
}

void front_lookup_free(struct front_lookup *l)
{
    if (l == NULL)
        return;
    hot_close(l->hot);
    free(l);
}

int front_lookup_take(struct front *f, struct msg *m)
{
    struct hot *fresh;
    struct err e = ERR_INIT;
    int rc = hot_open(&fresh, msg_take_fd(m, 0), &e);

    if (rc != 0)
        return rc;
    hot_close(f->lookup->hot);
    f->lookup->hot = fresh;
    return 0;
}

/* ---- who may ------------------------------------------------------------------------------- */

/* The place of a grant: where it is, or where it would stand. */
static struct grant *grant_of(struct front_lookup *l, const struct pm_lookup *m)
{
    unsigned i = (m->token.b[0] ^ (unsigned)(uint8_t)m->country[0] * 31u ^
                  (unsigned)(uint8_t)m->country[1] * 7u) %
                 GRANTS;

    return &l->grant[i];
}

static bool granted(struct front_lookup *l, const struct pm_lookup *m)
{
    const struct grant *g = grant_of(l, m);

    return g->until > clock_mono() && memcmp(&g->token, &m->token, sizeof(g->token)) == 0 &&
           memcmp(g->country, m->country, sizeof(g->country)) == 0;
}

/* What the request asks for; false: it has its answer. */
static bool asker_of(struct http_req *r, struct pm_lookup *m)
{
    struct span country = http_query(r, "country");

    memset(m, 0, sizeof(*m));
    if (!front_token(r, &m->token))
        return false;
    if (country.p == NULL || country_index(country) < 0) {
        front_answer_error(r, 400, "bad_request", "compare the request with docs/openapi.yaml", 0,
                           "\"country\" must be a country of ISO 3166-1");
        return false;
    }
    memcpy(m->country, country.p, 2);
    return true;
}

/* ---- answers --------------------------------------------------------------------------------- */

static void count(struct front *f, const char *country, size_t n)
{
    struct front_lookup *l = f->lookup;
    int i = country_index(span_of(country, 2));

    if (i < 0)
        return;
    l->n[i] += n;
    if (l->since == 0)
        l->since = clock_mono();
}

static void no_memory(struct http_req *r)
{
    front_answer_error(r, 503, "busy", "try again later", 2, "out of memory");
}

static void answer_one(struct front *f, struct http_req *r, const struct digest *d)
{
    char release[65];
    struct buf b;

    buf_init(&b, 512);
    text_digest(release, hot_release(f->lookup->hot));
    if (buf_printf(&b, "{\"verdict\":\"%s\",\"release\":\"%s\"}\n",
                   hot_find(f->lookup->hot, d) ? "malicious" : "unknown", release) == 0)
        http_answer_take(r, 200, "application/json", &b);
    else
        no_memory(r);
    buf_free(&b);
}

static void answer_many(struct front *f, struct http_req *r, struct span hashes)
{
    uint8_t found[FRONT_LOOKUP_MOST];
    size_t n = hashes.n / sizeof(struct digest);
    char release[65];
    struct buf b;

    for (size_t i = 0; i < n; i++) {
        struct digest d;

        memcpy(&d, hashes.p + i * sizeof(d), sizeof(d));
        found[i] = hot_find(f->lookup->hot, &d);
    }
    text_digest(release, hot_release(f->lookup->hot));
    buf_init(&b, FRONT_LOOKUP_MOST);
    if (buf_put(&b, found, n) == 0) {
        http_put_header(r, "X-Release", release);
        http_answer_take(r, 200, "application/octet-stream", &b);
    } else {
        no_memory(r);
    }
    buf_free(&b);
}

/* The shape has been looked at before. */
static void answer(struct front *f, struct http_req *r, const char *country)
{
    struct span hex = http_param(r, "sha256"), hashes = http_body(r);
    struct digest d;

    http_put_header(r, "Cache-Control", HTTP_CACHE_NEVER);
    if (hex.p == NULL) {
        count(f, country, hashes.n / sizeof(d));
        answer_many(f, r, hashes);
    } else if (text_undigest(hex, &d) == 0) {
        count(f, country, 1);
        answer_one(f, r, &d);
    }
}

/* ---- requests -------------------------------------------------------------------------------- */

static void ask(struct front *f, struct http_req *r)
{
    struct pm_lookup m;

    if (!asker_of(r, &m))
        return;
    if (f->draining) {
        front_answer_error(r, 503, "stopping", "try again when the site is back", 5,
                           "the site is going down");
        return;
    }
    if (f->lookup->hot == NULL) {
        front_answer_error(r, 503, "not_ready", "try again when the site has loaded its rules", 5,
                           "no hash sets serve here yet");
        return;
    }
    if (granted(f->lookup, &m)) {
        answer(f, r, m.country);
        return;
    }
    if (front_visit(f, r) != NULL)
        front_ask(f, r, FK_LOOKUP, &m, sizeof(m), ASK_MS);
}

void front_lookup_one(struct http_req *r, void *arg)
{
    struct digest d;

    if (text_undigest(http_param(r, "sha256"), &d) != 0)
        front_answer_error(r, 404, "not_found", "a SHA-256 is 64 lower-case hex digits", 0,
                           "there is no such hash");
    else
        ask(arg, r);
}

void front_lookup_many(struct http_req *r, void *arg)
{
    struct span body = http_body(r);

    if (body.n == 0 || body.n % sizeof(struct digest) != 0)
        front_answer_error(r, 400, "bad_request", "compare the request with docs/openapi.yaml", 0,
                           "the body is 1 to 4096 SHA-256 values of 32 bytes");
    else
        ask(arg, r);
}

void front_lookup_go(struct front *f, struct http_req *r)
{
    struct pm_lookup m;
    struct grant *g;

    if (f->lookup->hot == NULL || !asker_of(r, &m)) {
        f->failed = -EPROTO; /* it was asked, and had the right shape */
        return;
    }
    g = grant_of(f->lookup, &m);
    g->token = m.token;
    memcpy(g->country, m.country, sizeof(g->country));
    g->until = clock_mono() + PROTO_LOOKUP_MS;
    answer(f, r, m.country);
}

static void tell(struct front *f)
{
    struct front_lookup *l = f->lookup;

    for (size_t i = 0; i < COUNTRY_COUNT; i++) {
        struct pm_looked m = {.n = l->n[i]};

        if (l->n[i] == 0)
            continue;
        memcpy(m.country, country_table[i].code, sizeof(country_table[i].code));
        front_send(f, FK_LOOKED, 0, &m, sizeof(m));
        l->n[i] = 0;
    }
    l->since = 0;
}

int front_lookup_tell(struct front *f)
{
    mono_ms left = f->lookup->since + TELL_MS - clock_mono();

    if (f->lookup->since == 0)
        return -1;
    if (left > 0)
        return (int)left;
    tell(f);
    return -1;
}

void front_lookup_end(struct front *f)
{
    const struct pm_looked all = {.n = 0};

    tell(f);
    front_send(f, FK_LOOKED, 0, &all, sizeof(all));
}

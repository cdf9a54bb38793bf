#include "capi/client_lookup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "capi/client_priv.h"

#define MOST 4096 /* docs/openapi.yaml */

/* One byte for each, and nothing that is not understood. */
static int take(const struct http_result *a, size_t n, uint8_t *out, struct digest *release,
                struct err *e)
{
    if (a->body.len != n || text_undigest(http_result_header(a, "x-release"), release) != 0)
        return err_set(e, -EPROTO, "the site's answer makes no sense: not one byte for each hash");
    for (size_t i = 0; i < n; i++)
        if (a->body.data[i] > CLIENT_MALICIOUS)
            return err_set(e, -EPROTO, "the site's answer makes no sense: an unknown verdict");
    memcpy(out, a->body.data, n);
    return 0;
}

static int ask(struct client *c, const struct client_site *site, const struct digest *hash,
               size_t n, uint8_t *out, struct digest *release, struct err *e)
{
    char url[640], auth[600];
    const char *headers[] = {auth, "Content-Type: application/octet-stream", NULL};
    struct http_call call = {.method = HTTP_POST,
                             .url = url,
                             .pin = site->pin,
                             .headers = headers,
                             .body = span_of(hash, n * sizeof(*hash)),
                             .max_answer = MOST + 4096,
                             .total_ms = 60000};
    struct http_result a;
    int rc;

    (void)snprintf(url, sizeof(url), "%s/v1/lookups?country=%s", site->url, c->country);
    (void)snprintf(auth, sizeof(auth), "Authorization: Bearer %s", c->token);
    if ((rc = client_do(c, &call, &a, e)) == 0)
        rc = a.status == 200 ? take(&a, n, out, release, e) : client_refused(&a, e);
    http_result_free(&a);
    return rc;
}

int client_lookup(struct client *c, const char *country, const struct digest *hash, size_t n,
                  uint8_t *out, struct digest *release, struct err *e)
{
    const struct client_site *site;
    struct digest unused;
    char own[3];
    int rc;

    if ((rc = client_policy_approved(c, e)) != 0)
        return rc; /* by an unapproved policy hashes go nowhere either */
    memcpy(own, c->country, sizeof(own));
    if (country != NULL) /* a country's code, says whoever calls */
        memcpy(c->country, country, sizeof(c->country));
    if ((site = client_home(c, e)) == NULL)
        rc = -EINVAL;
    for (size_t i = 0; rc == 0 && i < n; i += MOST)
        rc = ask(c, site, hash + i, n - i < MOST ? n - i : MOST, out + i,
                 release != NULL ? release : &unused, e);
    memcpy(c->country, own, sizeof(own));
    return rc;
}

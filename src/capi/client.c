/* client.c - configuration, and what submitting and tracing share. */
#include "capi/client.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "capi/client_priv.h"
#include "crypto/secret.h"
#include "events/country.h"
#include "people/document.h"

#define CONNECTIONS (CLIENT_IN_FLIGHT_MAX + 32) /* the others wait for verdicts */
#define TOKEN_MAX 512
#define LOOK_MS 250 /* how often a waiting call looks whether it is to end */

/* ---- the secret ------------------------------------------------------------------------------ */

static int make_secret(const char *path, struct err *e)
{
    uint8_t s[SUBMITTER_SECRET];
    int rc;

    random_bytes(s, sizeof(s));
    rc = io_create_file(AT_FDCWD, path, s, sizeof(s), 0600);
    secret_wipe(s, sizeof(s));
    return rc == 0 || rc == -EEXIST ? 0 : err_sys(e, rc, "making the secret \"%s\"", path);
}

static int load_secret(struct client *c, const char *path, struct err *e)
{
    struct stat st;
    int fd, rc;

    if (access(path, F_OK) != 0 && errno == ENOENT && (rc = make_secret(path, e)) != 0)
        return rc;
    if ((c->secret = secret_alloc(SUBMITTER_SECRET)) == NULL)
        return secret_err(e, SUBMITTER_SECRET);
    if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        return err_sys(e, -errno, "opening the secret \"%s\"", path);
    if (fstat(fd, &st) != 0)
        rc = err_sys(e, -errno, "looking at \"%s\"", path);
    else if ((st.st_mode & 077) != 0)
        rc = err_set(e, -EACCES, "others may read the secret \"%s\"; chmod 600 it", path);
    else if (!S_ISREG(st.st_mode) || st.st_size != SUBMITTER_SECRET)
        rc = err_set(e, -EINVAL, "the secret \"%s\" is not a file of %d bytes", path,
                     SUBMITTER_SECRET);
    else if ((rc = io_read_full(fd, c->secret, SUBMITTER_SECRET)) != 0)
        (void)err_sys(e, rc, "reading \"%s\"", path);
    io_close(&fd);
    return rc;
}

/* ---- the configuration ----------------------------------------------------------------------- */

struct reading {
    struct client *c;
    const char *file;
    const struct span *text; /* the file's, if it is not to be read */
    struct yaml_doc *doc;
    const struct yaml_node *root;
    char *secret, *trust;
};

/* Paths are relative to the configuration's folder. */
static int path_to(const struct reading *r, const struct yaml_node *n, char **out, struct err *e)
{
    const char *slash = strrchr(r->file, '/'), *path;
    int rc = yaml_text(n, &path, e);

    if (rc != 0)
        return rc;
    if (path[0] == '/' || slash == NULL)
        *out = strdup(path);
    else if (asprintf(out, "%.*s/%s", (int)(slash - r->file), r->file, path) < 0)
        *out = NULL;
    return *out == NULL ? err_sys(e, -ENOMEM, "reading \"%s\"", r->file) : 0;
}

static int path_of(const struct reading *r, const char *key, char **out, struct err *e)
{
    const struct yaml_node *n;
    int rc = yaml_need(r->root, key, &n, e);

    return rc != 0 ? rc : path_to(r, n, out, e);
}

/* "sha256//" and the base64 of a SHA-256, as curl writes it. */
static int pin_of(const struct yaml_node *map, char **out, struct err *e)
{
    const struct yaml_node *n;
    const char *pin;
    uint8_t digest[32];
    int rc;

    if ((rc = yaml_may(map, "pin", &n, e)) != 0 || n == NULL || (rc = yaml_text(n, &pin, e)) != 0)
        return rc;
    if (strncmp(pin, "sha256//", 8) != 0 ||
        text_unbase64_exact(span_str(pin + 8), digest, sizeof(digest)) != 0)
        return yaml_err(e, n, "a pin is \"sha256//\" and 44 characters of base64");
    return (*out = strdup(pin)) != NULL ? 0 : err_sys(e, -ENOMEM, "reading a pin");
}

static int token_of(const struct reading *r, struct err *e)
{
    const struct yaml_node *n;
    const char *token;
    int rc;

    if ((rc = yaml_need(r->root, "token", &n, e)) != 0 || (rc = yaml_text(n, &token, e)) != 0)
        return rc;
    if (token[0] == '\0' || strlen(token) > TOKEN_MAX)
        return yaml_err(e, n, "a token has 1 to %d characters", TOKEN_MAX);
    for (const char *p = token; *p != '\0'; p++)
        if (*p <= ' ' || *p > '~')
            return yaml_err(e, n, "a token has neither blanks nor letters beyond ASCII");
    r->c->token = strdup(token);
    return r->c->token == NULL ? err_sys(e, -ENOMEM, "reading \"%s\"", r->file) : 0;
}

static int country_of(const struct reading *r, struct err *e)
{
    const struct yaml_node *n;
    const char *code;
    int i, rc;

    if ((rc = yaml_need(r->root, "country", &n, e)) != 0 || (rc = yaml_text(n, &code, e)) != 0)
        return rc;
    if ((i = country_index(span_str(code))) < 0)
        return yaml_err(e, n, "\"%s\" is not a country of ISO 3166-1: two letters A-Z", code);
    memcpy(r->c->country, country_table[i].code, sizeof(r->c->country));
    return 0;
}

static int site_of(const struct reading *r, const struct yaml_node *map, struct err *e)
{
    struct client_site *s = &r->c->site[r->c->sites];
    const char *name, *url;
    size_t n;
    int rc;

    if ((rc = yaml_need_text(map, "site", &name, e)) != 0 ||
        (rc = yaml_need_text(map, "url", &url, e)) != 0 || (rc = pin_of(map, &s->pin, e)) != 0 ||
        (rc = yaml_map_done(map, e)) != 0)
        goto out;
    if (strlen(name) >= sizeof(s->name) || client_site_named(r->c, name) != NULL)
        rc = yaml_err(e, map, "site \"%s\" stands twice, or is no site's name", name);
    else if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
        rc = yaml_err(e, map, "\"%s\" does not begin with https:// or http://", url);
    for (n = strlen(url); n > 0 && url[n - 1] == '/'; n--)
        ;
    if (rc == 0 && (s->url = strndup(url, n)) == NULL)
        rc = err_sys(e, -ENOMEM, "reading \"%s\"", r->file);
out:
    if (rc != 0) {
        free(s->pin);
        s->pin = NULL;
        return rc;
    }
    memcpy(s->name, name, strlen(name) + 1);
    r->c->sites++;
    return 0;
}

static int sites_of(const struct reading *r, struct err *e)
{
    const struct yaml_node *list, *map;
    int rc = document_list(r->root, "sites", 1, CLIENT_SITES, &list, e);

    for (size_t i = 0; rc == 0 && i < yaml_count(list); i++)
        if ((rc = document_item(list, i, &map, e)) == 0)
            rc = site_of(r, map, e);
    return rc;
}

static int read_settings(struct reading *r, struct err *e)
{
    const struct yaml_node *n, *pinned;
    struct client *c = r->c;
    uint64_t in_flight = CLIENT_IN_FLIGHT_DEFAULT;
    int rc;

    if ((rc = document_format(r->root, "client/v1", e)) != 0 ||
        (rc = path_of(r, "secret", &r->secret, e)) != 0 || (rc = token_of(r, e)) != 0 ||
        (rc = country_of(r, e)) != 0 || (rc = yaml_may(r->root, "statement", &n, e)) != 0 ||
        (n != NULL && (rc = yaml_digest(n, &c->statement, e)) != 0))
        return rc;
    c->agreed = c->configured = n != NULL;
    if ((rc = path_of(r, "policy", &c->policy_path, e)) != 0 ||
        (rc = path_of(r, "register", &c->register_path, e)) != 0 ||
        (rc = yaml_may(r->root, "register_digest", &pinned, e)) != 0 ||
        (pinned != NULL && (rc = yaml_digest(pinned, &c->register_digest, e)) != 0) ||
        (rc = path_of(r, "trust", &r->trust, e)) != 0 ||
        (rc = path_of(r, "receipts", &c->receipts, e)) != 0 ||
        (rc = path_of(r, "state", &c->state_path, e)) != 0 || (rc = sites_of(r, e)) != 0 ||
        (rc = yaml_may(r->root, "authorities", &n, e)) != 0 ||
        (n != NULL && (rc = path_to(r, n, &c->authorities, e)) != 0) ||
        (rc = yaml_may(r->root, "in_flight", &n, e)) != 0 ||
        (n != NULL && (rc = yaml_u64(n, 1, CLIENT_IN_FLIGHT_MAX, &in_flight, e)) != 0))
        return rc;
    c->in_flight = (unsigned)in_flight;
    c->register_pinned = pinned != NULL;
    return yaml_map_done(r->root, e);
}

int client_connect(struct client *c, struct err *e)
{
    const struct http_client_limits limits = {
        .connections = CONNECTIONS, .per_host = CONNECTIONS, .authorities = c->authorities};

    return http_client_new(&c->http, &limits, e);
}

static int load_all(struct reading *r, struct err *e)
{
    struct client *c = r->c;
    int rc;

    rc = r->text != NULL ? yaml_parse(&r->doc, r->file, *r->text, e)
                         : yaml_load(&r->doc, r->file, e);
    if (rc != 0)
        return rc;
    r->root = yaml_root(r->doc);
    if ((rc = read_settings(r, e)) != 0 || (rc = load_secret(c, r->secret, e)) != 0 ||
        (rc = trust_load(&c->trust, r->trust, e)) != 0 || (rc = client_policy_load(c, e)) != 0)
        return rc;
    if ((rc = io_mkdirs_synced(AT_FDCWD, c->receipts)) != 0)
        return err_sys(e, rc, "making \"%s\"", c->receipts);
    if ((rc = client_state_open(&c->state, c->state_path, e)) != 0 ||
        (rc = client_consent_load(c, e)) != 0)
        return rc;
    return client_connect(c, e);
}

static int load_from(struct client **out, const char *path, const struct span *text, struct err *e)
{
    struct reading r = {.file = path, .text = text, .c = calloc(1, sizeof(*r.c))};
    int rc = r.c == NULL ? err_sys(e, -ENOMEM, "reading \"%s\"", path) : load_all(&r, e);

    yaml_free(r.doc);
    free(r.secret);
    free(r.trust);
    if (rc != 0)
        client_free(r.c);
    else
        *out = r.c;
    return rc;
}

int client_load(struct client **out, const char *path, struct err *e)
{
    return load_from(out, path, NULL, e);
}

int client_parse(struct client **out, const char *folder, struct span text, struct err *e)
{
    char *path;
    int rc;

    if (asprintf(&path, "%s/client.yaml", folder) < 0)
        return err_sys(e, -ENOMEM, "reading a configuration");
    rc = load_from(out, path, &text, e);
    free(path);
    return rc;
}

void client_free(struct client *c)
{
    if (c == NULL)
        return;
    http_client_free(c->http);
    client_state_close(c->state);
    for (size_t i = 0; i < c->sites; i++) {
        free(c->site[i].url);
        free(c->site[i].pin);
    }
    free(c->authorities);
    trust_free(c->trust);
    placement_free(c->placement);
    secret_free(c->secret, SUBMITTER_SECRET);
    free(c->token);
    free(c->receipts);
    free(c->state_path);
    free(c->policy_path);
    free(c->register_path);
    free(c);
}

/* ---- requests -------------------------------------------------------------------------------- */

void client_cancel(struct client *c, bool stop)
{
    atomic_store(&c->stop, stop);
}

struct waiting {
    struct http_result *out;
    bool done;
};

static void answered(struct http_result *a, void *arg)
{
    struct waiting *w = arg;

    *w->out = *a; /* its bytes are ours now */
    buf_init(&a->body, 0);
    buf_init(&a->head, 0);
    w->done = true;
}

/* Until it is answered; or there is a reason to end it. */
static int await(struct client *c, const struct waiting *w, struct err *e)
{
    struct pollfd p = {.fd = http_client_fd(c->http), .events = POLLIN};
    int wait, rc;

    while (!w->done) {
        if (atomic_load(&c->stop))
            return err_set(e, -ECANCELED, "cancelled");
        wait = http_client_wait(c->http);
        if (poll(&p, 1, wait >= 0 && wait < LOOK_MS ? wait : LOOK_MS) < 0 && errno != EINTR)
            return err_sys(e, -errno, "waiting for an answer");
        if ((rc = http_client_step(c->http)) != 0)
            return err_sys(e, rc, "waiting for an answer");
    }
    return 0;
}

int client_do(struct client *c, const struct http_call *call, struct http_result *a, struct err *e)
{
    struct waiting w = {a, false};
    struct http_call one = *call;
    int rc;

    memset(a, 0, sizeof(*a));
    one.done = answered;
    one.progress = NULL; /* its arg would be ours */
    one.arg = &w;
    if (atomic_load(&c->stop))
        return err_set(e, -ECANCELED, "cancelled");
    if (c->http == NULL && (rc = client_connect(c, e)) != 0) /* as after a lack of memory */
        return rc;
    if ((rc = http_client_start(c->http, &one, e)) != 0)
        return rc;
    if ((rc = await(c, &w, e)) != 0) {
        /* nobody may write to a any more */
        http_client_free(c->http);
        c->http = NULL;
        return rc;
    }
    if (a->rc != 0)
        (void)err_set(e, a->rc, "%s", err_text(&a->err));
    return a->rc;
}

int client_refused(const struct http_result *a, struct err *e)
{
    struct client_error why;

    (void)!client_answer_error(&why, a->status, buf_span(&a->body));
    return err_set(e,
                   a->status == 404                       ? -ENOENT
                   : a->status == 429 || a->status == 503 ? -EBUSY
                   : a->status >= 500                     ? -EIO
                                                          : -EPERM,
                   "%s%s%s%s%s", why.code, why.code[0] != '\0' ? ": " : "", why.message,
                   why.cure[0] != '\0' ? "; " : "", why.cure);
}

/* ---- where, who ------------------------------------------------------------------------------ */

const struct client_site *client_site_named(const struct client *c, const char *name)
{
    for (size_t i = 0; i < c->sites; i++)
        if (strcmp(c->site[i].name, name) == 0)
            return &c->site[i];
    return NULL;
}

const struct client_site *client_home(const struct client *c, struct err *e)
{
    const struct placement *p = c->placement;
    const struct client_site *s;
    int zone = placement_zone(p, c->country, clock_now());

    if (zone < 0) {
        (void)err_set(e, -EINVAL, "the policy \"%s\" says of no zone that %s belongs there now",
                      c->policy_path, c->country);
        return NULL;
    }
    for (size_t i = 0; i < p->sites; i++)
        if (p->site[i].zone == zone && (s = client_site_named(c, p->site[i].name)) != NULL)
            return s;
    (void)err_set(
        e, -EINVAL,
        "by the policy %s's files belong to zone %s, and the configuration has the address "
        "of none of its sites",
        c->country, p->zone[zone]);
    return NULL;
}

int client_auth(const struct client *c, const struct id128 *sub, char out[CLIENT_AUTH_MAX])
{
    char b64[TEXT_BASE64_LEN(64) + 1];
    struct ed25519_key *k = NULL;
    struct ed25519_sig sig;
    unix_time now = clock_now();
    int rc = submitter_key(&k, c->secret, sub);

    if (rc == 0)
        rc = submitter_sign_trace(k, sub, now, &sig);
    ed25519_free(k);
    if (rc != 0)
        return rc;
    text_base64(b64, sig.b, sizeof(sig.b));
    (void)snprintf(out, CLIENT_AUTH_MAX, "Authorization: Submission %" PRId64 ":%s", now, b64);
    return 0;
}

int client_keep(const struct client *c, const struct id128 *sub, const char *suffix,
                struct span text, struct err *e)
{
    char hex[33], *path = NULL;
    int rc;

    text_id(hex, sub);
    if (asprintf(&path, "%s/%s%s", c->receipts, hex, suffix) < 0)
        return err_sys(e, -ENOMEM, "keeping a receipt");
    rc = io_replace_file(AT_FDCWD, path, text.p, text.n, 0644);
    if (rc != 0)
        (void)err_sys(e, rc, "keeping the receipt \"%s\"", path);
    free(path);
    return rc;
}

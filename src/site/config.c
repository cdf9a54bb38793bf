#include "site/config.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static const char *const process_name[CONFIG_PROCESSES] = {
    [CONFIG_FRONT] = "front",     [CONFIG_KEEPER] = "keeper", [CONFIG_SIGNER] = "signer",
    [CONFIG_COURIER] = "courier", [CONFIG_READER] = "reader", [CONFIG_ENGINE] = "engine",
};

const char *config_process_name(enum config_process p)
{
    return process_name[p];
}

/* --- strings and numbers with defaults --- */

static int keep(struct config *c, char *s, const char **out)
{
    char **more = s == NULL ? NULL : reallocarray(c->made, c->mades + 1, sizeof(*more));

    if (more == NULL) {
        free(s);
        return -ENOMEM;
    }
    c->made = more;
    c->made[c->mades++] = s;
    *out = s;
    return 0;
}

/* A path relative to the configuration's folder, made absolute. */
static int resolve(struct config *c, const char *rel, const char **out)
{
    char *abs = NULL, *dir, *slash;

    if (rel[0] == '/')
        return keep(c, strdup(rel), out);
    /* a part in its jail cannot look the path up: its supervisor hands it over absolute */
    dir = c->file[0] == '/' ? strdup(c->file) : realpath(c->file, NULL);
    if (dir == NULL)
        return -errno;
    slash = strrchr(dir, '/');
    slash[slash == dir ? 1 : 0] = '\0';
    if (asprintf(&abs, "%s/%s", dir, rel) < 0)
        abs = NULL;
    free(dir);
    return keep(c, abs, out);
}

static int path_of(struct config *c, const struct yaml_node *map, const char *key,
                   const char *otherwise, const char **out, struct err *e)
{
    const struct yaml_node *n;
    const char *rel = otherwise;
    int rc;

    rc = yaml_may(map, key, &n, e);
    if (rc != 0)
        return rc;
    if (n != NULL && (rc = yaml_text(n, &rel, e)) != 0)
        return rc;
    rc = resolve(c, rel, out);
    return rc == 0 ? 0 : err_sys(e, rc, "%s: cannot resolve \"%s\"", c->file, rel);
}

typedef int (*number_fn)(const struct yaml_node *, uint64_t *, struct err *);

/* A number with a unit (or none), its default, and its bounds; the message names them. */
static int number_of(const struct yaml_node *map, const char *key, number_fn get,
                     uint64_t otherwise, uint64_t min, uint64_t max, uint64_t *out, struct err *e)
{
    const struct yaml_node *n;
    int rc;

    *out = otherwise;
    if ((rc = yaml_may(map, key, &n, e)) != 0 || n == NULL)
        return rc;
    if ((rc = get(n, out, e)) != 0)
        return rc;
    if (*out < min || *out > max)
        return yaml_err(e, n, "\"%s\" must lie between %llu and %llu, in the unit's base", key,
                        (unsigned long long)min, (unsigned long long)max);
    return 0;
}

static int plain_number(const struct yaml_node *n, uint64_t *out, struct err *e)
{
    return yaml_u64(n, 0, INT64_MAX, out, e);
}

static bool is_name(const char *s, size_t least, size_t most, bool lower)
{
    size_t n = strlen(s);

    for (size_t i = 0; i < n; i++) {
        bool letter = lower ? s[i] >= 'a' && s[i] <= 'z' : s[i] >= 'A' && s[i] <= 'Z';

        if (!letter && !(s[i] >= '0' && s[i] <= '9'))
            return false;
    }
    return n >= least && n <= most && (!lower || !(s[0] >= '0' && s[0] <= '9'));
}

static int site_name(const struct yaml_node *map, const char *key, const char **out, struct err *e)
{
    const struct yaml_node *n;
    int rc;

    if ((rc = yaml_need(map, key, &n, e)) != 0 || (rc = yaml_text(n, out, e)) != 0)
        return rc;
    if (!is_name(*out, 2, 16, true))
        return yaml_err(e, n,
                        "\"%s\" is not a site's name: a lower-case letter, then 1 to 15 of a-z 0-9",
                        *out);
    return 0;
}

static int zone_name(const struct yaml_node *map, const char *key, const char **out, struct err *e)
{
    const struct yaml_node *n;
    int rc;

    if ((rc = yaml_need(map, key, &n, e)) != 0 || (rc = yaml_text(n, out, e)) != 0)
        return rc;
    if (!is_name(*out, 2, 8, false))
        return yaml_err(e, n, "\"%s\" is not a zone's name: 2 to 8 of A-Z 0-9", *out);
    return 0;
}

static int key32(const struct yaml_node *n, uint8_t out[32], struct err *e)
{
    const char *s;
    int rc;

    if ((rc = yaml_text(n, &s, e)) != 0)
        return rc;
    if (text_unbase64_exact(span_str(s), out, 32) != 0)
        return yaml_err(e, n, "a public key is 44 characters of base64 (32 bytes)");
    return 0;
}

static int url_of(const struct yaml_node *map, const char *key, const char **out, struct err *e)
{
    const struct yaml_node *n;
    size_t len;
    int rc;

    if ((rc = yaml_need(map, key, &n, e)) != 0 || (rc = yaml_text(n, out, e)) != 0)
        return rc;
    len = strlen(*out);
    if (strncmp(*out, "http://", 7) != 0 && strncmp(*out, "https://", 8) != 0)
        return yaml_err(e, n, "\"%s\" must begin with http:// or https://", *out);
    if ((*out)[len - 1] == '/')
        return yaml_err(e, n, "\"%s\" must not end with a slash", *out);
    return 0;
}

/* "sha256//" and the base64 of a SHA-256, as curl writes it. */
static int pin_of(const struct yaml_node *map, const char **out, struct err *e)
{
    const struct yaml_node *n;
    uint8_t digest[32];
    int rc;

    if ((rc = yaml_may(map, "pin", &n, e)) != 0 || n == NULL || (rc = yaml_text(n, out, e)) != 0)
        return rc;
    if (strncmp(*out, "sha256//", 8) != 0 ||
        text_unbase64_exact(span_str(*out + 8), digest, sizeof(digest)) != 0)
        return yaml_err(e, n, "a pin is \"sha256//\" and 44 characters of base64");
    return 0;
}

/* --- the sections --- */

/* What listens where others can reach it speaks TLS, unless it is said that it must not. */
static bool is_loopback(const char *listen)
{
    return strncmp(listen, "127.", 4) == 0 || strncmp(listen, "[::1]:", 6) == 0 ||
           strncmp(listen, "unix:", 5) == 0;
}

static int read_plain(struct config *c, const struct yaml_node *root, struct err *e)
{
    const struct yaml_node *plain, *listen;
    bool said = false;
    int rc;

    if ((rc = yaml_may(root, "plain_http", &plain, e)) != 0 ||
        (rc = yaml_need(root, "listen", &listen, e)) != 0 ||
        (plain != NULL && (rc = yaml_bool(plain, &said, e)) != 0))
        return rc;
    if (said && c->certificate != NULL)
        return yaml_err(e, plain, "\"plain_http\" and \"tls\" exclude each other");
    if (!said && c->certificate == NULL && !is_loopback(c->listen))
        return yaml_err(
            e, listen,
            "listen \"%s\" without TLS would show tokens and files to the network: add "
            "\"tls: {certificate: FILE, key: FILE}\", or \"plain_http: true\" if a proxy "
            "before it ends TLS",
            c->listen);
    return 0;
}

static int read_tls(struct config *c, const struct yaml_node *root, struct err *e)
{
    const struct yaml_node *m, *n, *url;
    int rc;

    c->handshakes = 500;
    if ((rc = yaml_may(root, "authorities", &n, e)) != 0 ||
        (n != NULL && (rc = path_of(c, root, "authorities", "", &c->authorities, e)) != 0) ||
        (rc = yaml_may(root, "tls", &m, e)) != 0)
        return rc;
    if (m != NULL &&
        ((rc = yaml_need(m, "certificate", &n, e)) != 0 || (rc = yaml_need(m, "key", &n, e)) != 0 ||
         (rc = path_of(c, m, "certificate", "", &c->certificate, e)) != 0 ||
         (rc = path_of(c, m, "key", "", &c->tls_key, e)) != 0 ||
         (rc = number_of(m, "handshakes", plain_number, 500, 1, 100000, &c->handshakes, e)) != 0 ||
         (rc = yaml_map_done(m, e)) != 0))
        return rc;
    if (m != NULL && (rc = yaml_need(root, "url", &url, e)) != 0)
        return rc;
    if (m != NULL && strncmp(c->url, "https://", 8) != 0)
        return yaml_err(e, url, "a site with \"tls\" is reached by https://, not \"%s\"", c->url);
    if (m != NULL && strcmp(c->tls_key, c->ledger_key) == 0)
        return yaml_err(e, m, "the ledger's key is for the ledger: TLS wants one of its own");
    return read_plain(c, root, e);
}

static int read_keys(struct config *c, const struct yaml_node *root, struct err *e)
{
    const struct yaml_node *m;
    int rc;

    if ((rc = yaml_need(root, "keys", &m, e)) != 0 ||
        (rc = path_of(c, m, "ledger", "keys/ledger.pem", &c->ledger_key, e)) != 0 ||
        (rc = path_of(c, m, "epochs", "keys/epochs", &c->epoch_keys, e)) != 0 ||
        (rc = path_of(c, m, "move", "keys/move.key", &c->move_key, e)) != 0)
        return rc;
    return yaml_map_done(m, e);
}

static int read_roots(struct config *c, const struct yaml_node *root, struct err *e)
{
    const struct yaml_node *m, *keys, *k;
    uint64_t need;
    int rc;

    if ((rc = yaml_need(root, "roots", &m, e)) != 0 ||
        (rc = yaml_need_u64(m, "threshold", 1, CONFIG_ROOTS_MAX, &need, e)) != 0 ||
        (rc = yaml_need(m, "keys", &keys, e)) != 0)
        return rc;
    c->roots = yaml_count(keys);
    c->roots_needed = (size_t)need;
    if (c->roots < c->roots_needed || c->roots > CONFIG_ROOTS_MAX)
        return yaml_err(e, keys,
                        "%zu root keys cannot satisfy a threshold of %zu (at most %d keys)",
                        c->roots, c->roots_needed, CONFIG_ROOTS_MAX);
    for (size_t i = 0; i < c->roots; i++)
        if ((rc = yaml_item(keys, i, &k, e)) != 0 || (rc = key32(k, c->root_key[i], e)) != 0)
            return rc;
    return yaml_map_done(m, e);
}

static int read_uids(struct config *c, const struct yaml_node *root, struct err *e)
{
    const struct yaml_node *m, *n;
    uint64_t v;
    int rc;

    if ((rc = yaml_may(root, "run_as", &m, e)) != 0 || m == NULL)
        return rc;
    for (int p = 0; p < CONFIG_PROCESSES; p++) {
        if ((rc = yaml_may(m, process_name[p], &n, e)) != 0)
            return rc;
        if (n == NULL)
            continue;
        if ((rc = yaml_u64(n, 1, UINT32_MAX - 1, &v, e)) != 0)
            return rc;
        c->uid[p] = (uint32_t)v;
    }
    return yaml_map_done(m, e);
}

static int read_admins(struct config *c, const struct yaml_node *root, struct err *e)
{
    const struct yaml_node *list, *n;
    uint64_t v;
    int rc;

    if ((rc = yaml_may(root, "admins", &list, e)) != 0 || list == NULL)
        return rc;
    if (yaml_count(list) > CONFIG_ADMINS_MAX)
        return yaml_err(e, list, "at most %d administrators", CONFIG_ADMINS_MAX);
    for (size_t i = 0; i < yaml_count(list); i++) {
        if ((rc = yaml_item(list, i, &n, e)) != 0 ||
            (rc = yaml_u64(n, 0, UINT32_MAX - 1, &v, e)) != 0)
            return rc;
        c->admin_uid[c->admins++] = (uint32_t)v;
    }
    return 0;
}

static int read_limits(struct config *c, const struct yaml_node *root, struct err *e)
{
    const struct yaml_node *m;
    uint64_t ring, ms;
    int rc;

    if ((rc = yaml_may(root, "limits", &m, e)) != 0)
        return rc;
    c->reserve = 256 << 20;
    c->object_max = 256 << 20;
    c->ring_slots = 256;
    c->connections = c->per_address = 1024;
    c->segment = 64 << 20;
    if (m == NULL)
        return 0;
    if ((rc = number_of(m, "object", yaml_size, c->object_max, 1 << 10, 1ULL << 40, &c->object_max,
                        e)) != 0 ||
        (rc = number_of(m, "in_flight", yaml_size, 64 << 20, 4 << 20, 4ULL << 30, &ring, e)) != 0 ||
        (rc = number_of(m, "connections", plain_number, 1024, 8, 64000, &c->connections, e)) != 0 ||
        (rc = number_of(m, "per_address", plain_number, c->connections, 1, 64000, &c->per_address,
                        e)) != 0 ||
        (rc = number_of(m, "segment", yaml_size, c->segment, 1 << 20, 1 << 30, &c->segment, e)) !=
            0 ||
        (rc = number_of(m, "reserve", yaml_size, c->segment * 4, 4 << 20, 1ULL << 44, &c->reserve,
                        e)) != 0 ||
        (rc = number_of(m, "checkpoint_ms", plain_number, c->checkpoint_ms, 50, 60000, &ms, e)) !=
            0)
        return rc;
    c->ring_slots = ring >> 18;
    c->checkpoint_ms = ms;
    return yaml_map_done(m, e);
}

/* --- engines --- */

static int engine_name(const struct config *c, const struct yaml_node *m, const char **out,
                       struct err *e)
{
    const struct yaml_node *n;
    size_t len;
    int rc;

    if ((rc = yaml_need(m, "name", &n, e)) != 0 || (rc = yaml_text(n, out, e)) != 0)
        return rc;
    len = strlen(*out);
    for (size_t i = 0; i < len; i++)
        if (!((*out)[i] >= 'a' && (*out)[i] <= 'z') && !((*out)[i] >= '0' && (*out)[i] <= '9'))
            len = 0;
    if (len == 0 || len > 16)
        return yaml_err(e, n, "\"%s\" is not an engine's name: 1 to 16 of a-z 0-9", *out);
    for (size_t i = 0; i < c->engines; i++)
        if (strcmp(c->engine[i].name, *out) == 0)
            return yaml_err(e, n, "the engine \"%s\" is named twice", *out);
    return 0;
}

static int read_one_engine(struct config *c, const struct yaml_node *m, struct err *e)
{
    struct config_engine *g = &c->engine[c->engines];
    char usual[64];
    int rc;

    if ((rc = engine_name(c, m, &g->name, e)) != 0)
        return rc;
    (void)snprintf(usual, sizeof(usual), "/usr/libexec/glarus/glarus-engine-%s", g->name);
    if ((rc = path_of(c, m, "program", usual, &g->program, e)) != 0)
        return rc;
    c->engines++;
    return yaml_map_done(m, e);
}

static int read_engines(struct config *c, const struct yaml_node *list, struct err *e)
{
    const struct yaml_node *m;
    bool scans = false;
    int rc;

    if (yaml_count(list) == 0 || yaml_count(list) > CONFIG_ENGINES_MAX)
        return yaml_err(e, list, "1 to %d engines", CONFIG_ENGINES_MAX);
    for (size_t i = 0; i < yaml_count(list); i++)
        if ((rc = yaml_item(list, i, &m, e)) != 0 || (rc = read_one_engine(c, m, e)) != 0)
            return rc;
    for (size_t i = 0; i < c->engines; i++)
        scans |= strcmp(c->engine[i].name, "walk") != 0;
    if (!scans)
        return yaml_err(e, list, "\"walk\" opens containers and scans nothing: add an engine");
    return 0;
}

/* The map "scan", or the older "engine" that names one program too. */
static int read_scan(struct config *c, const struct yaml_node *m, struct err *e)
{
    int rc;

    if ((rc = path_of(c, m, "rules", "rules", &c->rules, e)) != 0 ||
        (rc = number_of(m, "seconds", yaml_duration, 30, 1, 600, &c->scan_seconds, e)) != 0 ||
        (rc = number_of(m, "unpacked", yaml_size, c->unpacked, 1 << 20, 1 << 30, &c->unpacked,
                        e)) != 0 ||
        (rc = number_of(m, "members", plain_number, c->members, 1, 100000, &c->members, e)) != 0)
        return rc;
    return number_of(m, "depth", plain_number, c->depth, 1, 62, &c->depth, e);
}

static int read_scanning(struct config *c, const struct yaml_node *root, struct err *e)
{
    const struct yaml_node *one, *list, *scan;
    int rc;

    c->scan_seconds = 30;
    c->unpacked = 256 << 20;
    c->members = 10000;
    c->depth = 16;
    if ((rc = yaml_may(root, "engine", &one, e)) != 0 ||
        (rc = yaml_may(root, "engines", &list, e)) != 0 ||
        (rc = yaml_may(root, "scan", &scan, e)) != 0)
        return rc;
    if (one != NULL && (list != NULL || scan != NULL))
        return yaml_err(e, one,
                        "\"engine\" is the short form for one engine: keep it, or "
                        "\"engines\" with \"scan\"");
    if (one != NULL) {
        c->engine[0].name = "yara";
        c->engines = 1;
        if ((rc = path_of(c, one, "program", "/usr/libexec/glarus/glarus-engine-yara",
                          &c->engine[0].program, e)) != 0 ||
            (rc = read_scan(c, one, e)) != 0)
            return rc;
        return yaml_map_done(one, e);
    }
    if (list == NULL && scan != NULL)
        return yaml_err(e, scan, "\"scan\" says how \"engines\" scan; there are none");
    if (list == NULL)
        return 0;
    if ((rc = read_engines(c, list, e)) != 0)
        return rc;
    if (scan == NULL)
        return (rc = resolve(c, "rules", &c->rules)) == 0
                   ? 0
                   : err_sys(e, rc, "%s: cannot resolve \"rules\"", c->file);
    if ((rc = read_scan(c, scan, e)) != 0)
        return rc;
    return yaml_map_done(scan, e);
}

/* "1%", "0.25%": of CONFIG_SHARE_WHOLE. */
static int share(const struct yaml_node *n, uint64_t *out, struct err *e)
{
    const char *s;
    size_t whole, part = 0;
    int rc = yaml_text(n, &s, e);

    if (rc != 0)
        return rc;
    whole = strspn(s, "0123456789");
    *out = 0;
    for (size_t i = 0; i < whole && i < 4; i++)
        *out = *out * 10 + (uint64_t)(s[i] - '0');
    if (s[whole] == '.' && (part = strspn(s + whole + 1, "0123456789")) == 0)
        whole = 0; /* nothing behind the point */
    *out *= 100;
    if (part >= 1)
        *out += 10 * (uint64_t)(s[whole + 1] - '0');
    if (part == 2)
        *out += (uint64_t)(s[whole + 2] - '0');
    if (whole == 0 || whole > 3 || part > 2 ||
        strcmp(s + whole + (part > 0 ? 1 + part : 0), "%") != 0)
        return yaml_err(e, n,
                        "\"%s\" is not a share: a number with at most two digits behind the "
                        "point, and %%, as in 1%% or 0.25%%",
                        s);
    return 0;
}

/* When new rules are stopped. */
static int read_breaker(struct config *c, const struct yaml_node *root, struct err *e)
{
    const struct yaml_node *m;
    int rc;

    c->breaker_files = 1000;
    c->breaker_share = CONFIG_SHARE_WHOLE / 100;
    if ((rc = yaml_may(root, "breaker", &m, e)) != 0 || m == NULL)
        return rc;
    if ((rc = number_of(m, "files", plain_number, c->breaker_files, 1, 1000000, &c->breaker_files,
                        e)) != 0 ||
        (rc = number_of(m, "malicious_more", share, c->breaker_share, 0, CONFIG_SHARE_WHOLE,
                        &c->breaker_share, e)) != 0)
        return rc;
    return yaml_map_done(m, e);
}

static int read_peer(struct config *c, const struct yaml_node *m, struct err *e)
{
    struct config_peer *p = &c->peer[c->peers];
    const struct yaml_node *n;
    int rc;

    if ((rc = site_name(m, "site", &p->site, e)) != 0 ||
        (rc = zone_name(m, "zone", &p->zone, e)) != 0 || (rc = url_of(m, "url", &p->url, e)) != 0 ||
        (rc = yaml_need(m, "move_key", &n, e)) != 0 || (rc = key32(n, p->move_key, e)) != 0 ||
        (rc = yaml_need_text(m, "policy", &p->policy, e)) != 0 ||
        (rc = pin_of(m, &p->pin, e)) != 0 || (rc = yaml_map_done(m, e)) != 0)
        return rc;
    if (strcmp(p->site, c->site) == 0 || config_peer(c, p->site) != NULL)
        return yaml_err(e, m, "the site \"%s\" is named twice", p->site);
    c->peers++;
    return 0;
}

static int read_peers(struct config *c, const struct yaml_node *root, struct err *e)
{
    const struct yaml_node *list, *m;
    int rc;

    if ((rc = yaml_may(root, "peers", &list, e)) != 0 || list == NULL)
        return rc;
    if (yaml_count(list) > CONFIG_PEERS_MAX)
        return yaml_err(e, list, "at most %d peers", CONFIG_PEERS_MAX);
    for (size_t i = 0; i < yaml_count(list); i++)
        if ((rc = yaml_item(list, i, &m, e)) != 0 || (rc = read_peer(c, m, e)) != 0)
            return rc;
    return 0;
}

static int read_countries(struct config_submitter *s, const struct yaml_node *m, struct err *e)
{
    const struct yaml_node *list, *n;
    const char *code;
    int rc;

    if ((rc = yaml_may(m, "countries", &list, e)) != 0 || list == NULL)
        return rc;
    if (yaml_count(list) > CONFIG_COUNTRIES_MAX || yaml_count(list) == 0)
        return yaml_err(e, list, "1 to %d countries, or no \"countries\" at all for any",
                        CONFIG_COUNTRIES_MAX);
    for (size_t i = 0; i < yaml_count(list); i++) {
        if ((rc = yaml_item(list, i, &n, e)) != 0 || (rc = yaml_text(n, &code, e)) != 0)
            return rc;
        if (!is_name(code, 2, 2, false))
            return yaml_err(e, n, "\"%s\" is not a country code: two letters A-Z; quote 'NO'",
                            code);
        memcpy(s->country[s->countries++], code, 2);
    }
    return 0;
}

static int read_submitter(struct config *c, const struct yaml_node *m, struct err *e)
{
    struct config_submitter *s = &c->submitter[c->submitters];
    const struct yaml_node *n;
    int rc;

    if ((rc = yaml_need_text(m, "name", &s->name, e)) != 0 ||
        (rc = yaml_need(m, "token_sha256", &n, e)) != 0 ||
        (rc = yaml_digest(n, &s->token, e)) != 0 || (rc = read_countries(s, m, e)) != 0 ||
        (rc = number_of(m, "per_day", plain_number, 100000, 1, INT64_MAX, &s->per_day, e)) != 0 ||
        (rc = number_of(m, "in_flight", plain_number, 256, 1, 65536, &s->in_flight, e)) != 0 ||
        (rc = number_of(m, "priority", plain_number, 0, 0, 9, &s->priority, e)) != 0)
        return rc;
    for (size_t i = 0; i < c->submitters; i++)
        if (memcmp(&c->submitter[i].token, &s->token, sizeof(s->token)) == 0 ||
            strcmp(c->submitter[i].name, s->name) == 0)
            return yaml_err(e, m, "submitter \"%s\" has the name or token of another", s->name);
    c->submitters++;
    return yaml_map_done(m, e);
}

static int read_submitters(struct config *c, const struct yaml_node *root, struct err *e)
{
    const struct yaml_node *list, *m;
    int rc;

    if ((rc = yaml_may(root, "submitters", &list, e)) != 0 || list == NULL)
        return rc;
    if (yaml_count(list) > CONFIG_SUBMITTERS_MAX)
        return yaml_err(e, list, "at most %d submitters", CONFIG_SUBMITTERS_MAX);
    c->submitter = calloc(yaml_count(list) + 1, sizeof(*c->submitter));
    if (c->submitter == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < yaml_count(list); i++)
        if ((rc = yaml_item(list, i, &m, e)) != 0 || (rc = read_submitter(c, m, e)) != 0)
            return rc;
    return 0;
}

static int read_identity(struct config *c, const struct yaml_node *root, struct err *e)
{
    const char *format;
    int rc;

    if ((rc = yaml_need_text(root, "format", &format, e)) != 0)
        return rc;
    if (strcmp(format, "site/v1") != 0)
        return yaml_err(e, root, "format \"%s\" is unknown here; this program reads site/v1",
                        format);
    if ((rc = site_name(root, "site", &c->site, e)) != 0 ||
        (rc = zone_name(root, "zone", &c->zone, e)) != 0 ||
        (rc = yaml_need_text(root, "origin", &c->origin, e)) != 0 ||
        (rc = url_of(root, "url", &c->url, e)) != 0 ||
        (rc = yaml_need_text(root, "listen", &c->listen, e)) != 0 ||
        (rc = yaml_need_text(root, "quorum", &c->quorum, e)) != 0 ||
        (rc = path_of(c, root, "data", "data", &c->data, e)) != 0 ||
        (rc = path_of(c, root, "admin", "admin.sock", &c->admin, e)) != 0)
        return rc;
    if (strrchr(c->listen, ':') == NULL)
        return yaml_err(e, root, "listen \"%s\" must be ADDRESS:PORT", c->listen);
    return 0;
}

static int read_all(struct config *c, const struct yaml_node *root, struct err *e)
{
    int rc;

    c->checkpoint_ms = 1000;
    if ((rc = read_identity(c, root, e)) != 0 || (rc = read_keys(c, root, e)) != 0 ||
        (rc = read_tls(c, root, e)) != 0 || (rc = read_roots(c, root, e)) != 0 ||
        (rc = read_uids(c, root, e)) != 0 || (rc = read_admins(c, root, e)) != 0 ||
        (rc = read_limits(c, root, e)) != 0 ||
        (rc = number_of(root, "epoch", yaml_duration, 86400, 5, 31 * 86400, &c->epoch, e)) != 0 ||
        (rc = number_of(root, "inventory", yaml_duration, 86400, 1, 31 * 86400, &c->inventory,
                        e)) != 0 ||
        (rc = read_scanning(c, root, e)) != 0 || (rc = read_breaker(c, root, e)) != 0 ||
        (rc = read_peers(c, root, e)) != 0 || (rc = read_submitters(c, root, e)) != 0)
        return rc;
    return yaml_map_done(root, e);
}

static int read_doc(struct config **out, const char *path, const struct span *text, struct err *e)
{
    struct config *c = calloc(1, sizeof(*c));
    int rc;

    *out = NULL;
    if (c == NULL)
        return err_sys(e, -ENOMEM, "reading \"%s\"", path);
    if ((rc = keep(c, strdup(path), &c->file)) == 0)
        rc = text == NULL ? yaml_load(&c->doc, path, e) : yaml_parse(&c->doc, path, *text, e);
    if (rc == 0)
        rc = read_all(c, yaml_root(c->doc), e);
    if (rc != 0) {
        config_free(c);
        return rc;
    }
    *out = c;
    return 0;
}

int config_load(struct config **out, const char *path, struct err *e)
{
    return read_doc(out, path, NULL, e);
}

int config_read(struct config **out, const char *path, struct span text, struct err *e)
{
    return read_doc(out, path, &text, e);
}

void config_free(struct config *c)
{
    if (c == NULL)
        return;
    yaml_free(c->doc);
    for (size_t i = 0; i < c->mades; i++)
        free(c->made[i]);
    free(c->made);
    free(c->submitter);
    free(c);
}

const struct config_peer *config_peer(const struct config *c, const char *site)
{
    for (size_t i = 0; i < c->peers; i++)
        if (strcmp(c->peer[i].site, site) == 0)
            return &c->peer[i];
    return NULL;
}

static bool same_peers(const struct config *a, const struct config *b)
{
    if (a->peers != b->peers)
        return false;
    for (size_t i = 0; i < a->peers; i++)
        if (strcmp(a->peer[i].site, b->peer[i].site) != 0 ||
            strcmp(a->peer[i].zone, b->peer[i].zone) != 0 ||
            strcmp(a->peer[i].url, b->peer[i].url) != 0 ||
            strcmp(a->peer[i].policy, b->peer[i].policy) != 0 ||
            strcmp(a->peer[i].pin != NULL ? a->peer[i].pin : "",
                   b->peer[i].pin != NULL ? b->peer[i].pin : "") != 0 ||
            memcmp(a->peer[i].move_key, b->peer[i].move_key, 32) != 0)
            return false;
    return true;
}

static bool same_engines(const struct config *a, const struct config *b)
{
    if (a->engines != b->engines || (a->rules == NULL) != (b->rules == NULL) ||
        (a->rules != NULL && strcmp(a->rules, b->rules) != 0) || a->unpacked != b->unpacked ||
        a->members != b->members || a->depth != b->depth)
        return false;
    for (size_t i = 0; i < a->engines; i++)
        if (strcmp(a->engine[i].name, b->engine[i].name) != 0 ||
            strcmp(a->engine[i].program, b->engine[i].program) != 0)
            return false;
    return true;
}

int config_may_replace(const struct config *old, const struct config *new, struct err *e)
{
    const struct {
        const char *what, *a, *b;
    } fixed[] = {
        {"site", old->site, new->site},
        {"zone", old->zone, new->zone},
        {"origin", old->origin, new->origin},
        {"listen", old->listen, new->listen},
        {"data", old->data, new->data},
        {"admin", old->admin, new->admin},
        {"keys.ledger", old->ledger_key, new->ledger_key},
        {"keys.epochs", old->epoch_keys, new->epoch_keys},
        {"keys.move", old->move_key, new->move_key},
        {"quorum", old->quorum, new->quorum},
        {"authorities", old->authorities != NULL ? old->authorities : "the system's",
         new->authorities != NULL ? new->authorities : "the system's"},
        {"tls", old->tls_key != NULL ? "there" : "none", new->tls_key != NULL ? "there" : "none"},
    };

    for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
        if (strcmp(fixed[i].a, fixed[i].b) != 0)
            return err_set(
                e, -EINVAL,
                "%s: \"%s\" cannot change while the site runs (\"%s\" to \"%s\"); stop it, change "
                "it, start it",
                new->file, fixed[i].what, fixed[i].a, fixed[i].b);
    if (!same_engines(old, new))
        return err_set(e, -EINVAL,
                       "%s: \"engines\", the folder of the rules and the budget of \"scan\" cannot "
                       "change while the site runs (what lies in the folder can); stop it, change "
                       "it, start it",
                       new->file);
    if (!same_peers(old, new))
        return err_set(e, -EINVAL,
                       "%s: \"peers\" cannot change while the site runs, its courier knows the old "
                       "ones; stop it, change it, start it",
                       new->file);
    return 0;
}

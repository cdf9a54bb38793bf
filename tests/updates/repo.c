#include "repo.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "crypto/ed25519.h"
#include "crypto/sha256.h"

#define TEXT_MAX (4 << 20)

static struct ed25519_key *key_of(int key)
{
    static struct ed25519_key *made[REPO_KEYS];
    uint8_t seed[32];

    assert_in_range(key, 0, REPO_KEYS - 1);
    memset(seed, key + 1, sizeof(seed));
    if (made[key] == NULL)
        assert_int_equal(ed25519_from_seed(&made[key], seed), 0);
    return made[key];
}

static void key_text(char out[160], int key)
{
    struct ed25519_pub pub;
    char hex[65];

    ed25519_public(key_of(key), &pub);
    text_hex(hex, pub.b, 32);
    (void)snprintf(out, 160,
                   "{\"keytype\":\"ed25519\",\"keyval\":{\"public\":\"%s\"},"
                   "\"scheme\":\"ed25519\"}",
                   hex);
}

const char *repo_keyid(int key)
{
    static char ids[REPO_KEYS][65];
    char text[160];
    struct digest d;

    if (ids[key][0] == '\0') {
        key_text(text, key);
        sha256_of(text, strlen(text), &d);
        text_digest(ids[key], &d);
    }
    return ids[key];
}

void repo_key(struct buf *b, int key, bool last)
{
    char text[160];

    key_text(text, key);
    assert_int_equal(buf_printf(b, "\"%s\":%s%s", repo_keyid(key), text, last ? "" : ","), 0);
}

struct repo_role repo_role(int threshold, const int *keys, int n)
{
    struct repo_role r = {.n = n, .threshold = threshold};

    memcpy(r.keys, keys, (size_t)n * sizeof(*keys));
    return r;
}

/* --- files ------------------------------------------------------------------------------------ */

static struct repo_file *find_in(struct repo_file *v, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(v[i].name, name) == 0)
            return &v[i];
    return NULL;
}

static void put_in(struct repo_file *v, size_t *n, size_t most, const char *name, struct span s)
{
    struct repo_file *f = find_in(v, *n, name);

    if (f == NULL) {
        assert_true(*n < most && strlen(name) < sizeof(f->name));
        f = &v[(*n)++];
        (void)snprintf(f->name, sizeof(f->name), "%s", name);
        buf_init(&f->bytes, TEXT_MAX);
    }
    buf_reset(&f->bytes);
    assert_int_equal(buf_put(&f->bytes, s.p, s.n), 0);
}

static void remove_in(struct repo_file *v, size_t *n, const char *name)
{
    struct repo_file *f = find_in(v, *n, name);

    if (f == NULL)
        return;
    buf_free(&f->bytes);
    *f = v[--*n];
}

void repo_put(struct repo *r, const char *name, struct span bytes)
{
    put_in(r->files, &r->n_files, REPO_FILES, name, bytes);
}

void repo_puts(struct repo *r, const char *name, const char *text)
{
    repo_put(r, name, span_str(text));
}

void repo_remove(struct repo *r, const char *name)
{
    remove_in(r->files, &r->n_files, name);
}

struct buf *repo_find(struct repo *r, const char *name)
{
    struct repo_file *f = find_in(r->files, r->n_files, name);

    return f != NULL ? &f->bytes : NULL;
}

/* --- metadata --------------------------------------------------------------------------------- */

void repo_sign(struct buf *out, const char *text, const int *keys, int n)
{
    struct ed25519_sig sig;
    char hex[129];

    assert_int_equal(buf_puts(out, "{\"signatures\":["), 0);
    for (int i = 0; i < n; i++) {
        assert_int_equal(ed25519_sign(key_of(keys[i]), text, strlen(text), &sig), 0);
        text_hex(hex, sig.b, 64);
        assert_int_equal(buf_printf(out, "%s{\"keyid\":\"%s\",\"sig\":\"%s\"}", i > 0 ? "," : "",
                                    repo_keyid(keys[i]), hex),
                         0);
    }
    assert_int_equal(buf_printf(out, "],\"signed\":%s}", text), 0);
}

static void publish(struct repo *r, const char *name, const char *text, const int *keys, int n)
{
    struct buf b;

    buf_init(&b, TEXT_MAX);
    repo_sign(&b, text, keys, n);
    repo_put(r, name, buf_span(&b));
    buf_free(&b);
}

static void publish_version(struct repo *r, enum tuf_type t, const char *text)
{
    char name[64];

    if (r->plain || t == TUF_TIMESTAMP)
        (void)snprintf(name, sizeof(name), "%s.json", tuf_type_name(t));
    else
        (void)snprintf(name, sizeof(name), "%" PRId64 ".%s.json", r->version[t], tuf_type_name(t));
    publish(r, name, text, r->roles[t].keys, r->roles[t].n);
}

static void put_role(struct buf *b, const struct repo_role *role)
{
    assert_int_equal(buf_puts(b, "\"keyids\":["), 0);
    for (int i = 0; i < role->n; i++)
        assert_int_equal(buf_printf(b, "%s\"%s\"", i > 0 ? "," : "", repo_keyid(role->keys[i])), 0);
    assert_int_equal(buf_puts(b, "],"), 0);
}

/* "_type" stands before what r->extra begins with: its names begin with '_' + something or 'a'. */
static void put_head(struct buf *b, const struct repo *r, enum tuf_type t)
{
    assert_int_equal(buf_printf(b, "{\"_type\":\"%s\",%s", tuf_type_name(t), r->extra), 0);
}

static void put_root(struct buf *b, const struct repo *r)
{
    static const enum tuf_type order[] = {TUF_ROOT, TUF_SNAPSHOT, TUF_TARGETS, TUF_TIMESTAMP};

    put_head(b, r, TUF_ROOT);
    assert_int_equal(buf_printf(b, "\"consistent_snapshot\":%s,\"expires\":\"%s\",\"keys\":{",
                                r->plain ? "false" : "true", r->expires[TUF_ROOT]),
                     0);
    for (int i = 0; i < REPO_KEYS; i++) /* by keyid: canonical */
        for (int k = 0; k < REPO_KEYS; k++) {
            int before = 0;

            for (int j = 0; j < REPO_KEYS; j++)
                before += strcmp(repo_keyid(j), repo_keyid(k)) < 0;
            if (before == i)
                repo_key(b, k, i == REPO_KEYS - 1);
        }
    assert_int_equal(buf_puts(b, "},\"roles\":{"), 0);
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        assert_int_equal(buf_printf(b, "%s\"%s\":{", i > 0 ? "," : "", tuf_type_name(order[i])), 0);
        put_role(b, &r->roles[order[i]]);
        assert_int_equal(buf_printf(b, "\"threshold\":%d}", r->roles[order[i]].threshold), 0);
    }
    assert_int_equal(buf_printf(b, "},\"spec_version\":\"%s\",\"version\":%" PRId64 "}", r->spec,
                                r->version[TUF_ROOT]),
                     0);
}

void repo_root_by(struct repo *r, const int *keys, int n)
{
    char name[32];
    struct buf b;

    buf_init(&b, TEXT_MAX);
    put_root(&b, r);
    (void)snprintf(name, sizeof(name), "%" PRId64 ".root.json", r->version[TUF_ROOT]);
    publish(r, name, buf_str(&b), keys, n);
    buf_free(&b);
}

/* The keys of the last root are kept beside, in the role of the one before. */
static struct repo_role last_root[1];

void repo_root(struct repo *r)
{
    int keys[2 * REPO_KEYS], n = 0;

    r->version[TUF_ROOT]++;
    for (int i = 0; i < r->roles[TUF_ROOT].n; i++)
        keys[n++] = r->roles[TUF_ROOT].keys[i];
    for (int i = 0; i < last_root->n; i++) {
        bool twice = false;

        for (int j = 0; j < n; j++)
            twice |= keys[j] == last_root->keys[i];
        if (!twice)
            keys[n++] = last_root->keys[i];
    }
    repo_root_by(r, keys, n);
    *last_root = r->roles[TUF_ROOT];
}

static void put_meta(struct buf *b, struct repo *r, const char *name, int64_t version)
{
    char file[120], hex[65];
    const struct buf *bytes;
    struct digest d;

    (void)snprintf(file, sizeof(file), "%" PRId64 ".%s", version, name);
    bytes = repo_find(r, r->plain ? name : file);
    if (r->hashes && bytes != NULL) {
        sha256_of(bytes->data, bytes->len, &d);
        text_digest(hex, &d);
        assert_int_equal(buf_printf(b, "\"%s\":{\"hashes\":{\"sha256\":\"%s\"},\"length\":%zu,",
                                    name, hex, bytes->len),
                         0);
    } else {
        assert_int_equal(buf_printf(b, "\"%s\":{", name), 0);
    }
    assert_int_equal(buf_printf(b, "\"version\":%" PRId64 "}", version), 0);
}

void repo_timestamp(struct repo *r)
{
    struct buf b;

    buf_init(&b, TEXT_MAX);
    put_head(&b, r, TUF_TIMESTAMP);
    assert_int_equal(buf_printf(&b, "\"expires\":\"%s\",\"meta\":{", r->expires[TUF_TIMESTAMP]), 0);
    put_meta(&b, r, "snapshot.json", r->version[TUF_SNAPSHOT]);
    assert_int_equal(buf_printf(&b, "},\"spec_version\":\"%s\",\"version\":%" PRId64 "}", r->spec,
                                r->version[TUF_TIMESTAMP]),
                     0);
    publish_version(r, TUF_TIMESTAMP, buf_str(&b));
    buf_free(&b);
}

static int by_meta(const void *a, const void *b)
{
    return strcmp(((const struct repo_meta *)a)->name, ((const struct repo_meta *)b)->name);
}

void repo_snapshot(struct repo *r)
{
    struct buf b;

    qsort(r->meta, r->n_meta, sizeof(r->meta[0]), by_meta);
    buf_init(&b, TEXT_MAX);
    put_head(&b, r, TUF_SNAPSHOT);
    assert_int_equal(buf_printf(&b, "\"expires\":\"%s\",\"meta\":{", r->expires[TUF_SNAPSHOT]), 0);
    for (size_t i = 0; i < r->n_meta; i++) {
        if (i > 0)
            assert_int_equal(buf_putc(&b, ','), 0);
        put_meta(&b, r, r->meta[i].name, r->meta[i].version);
    }
    assert_int_equal(buf_printf(&b, "},\"spec_version\":\"%s\",\"version\":%" PRId64 "}", r->spec,
                                r->version[TUF_SNAPSHOT]),
                     0);
    publish_version(r, TUF_SNAPSHOT, buf_str(&b));
    buf_free(&b);
}

static void targets_text(struct buf *b, const struct repo *r, const char *expires, int64_t version,
                         const char *targets, const char *delegations)
{
    put_head(b, r, TUF_TARGETS);
    if (delegations != NULL)
        assert_int_equal(buf_printf(b, "\"delegations\":%s,", delegations), 0);
    assert_int_equal(buf_printf(b,
                                "\"expires\":\"%s\",\"spec_version\":\"%s\",\"targets\":{%s},"
                                "\"version\":%" PRId64 "}",
                                expires, r->spec, targets, version),
                     0);
}

void repo_targets(struct repo *r)
{
    struct buf b;

    buf_init(&b, TEXT_MAX);
    targets_text(&b, r, r->expires[TUF_TARGETS], r->version[TUF_TARGETS], r->targets,
                 r->delegations);
    publish_version(r, TUF_TARGETS, buf_str(&b));
    repo_set_meta(r, "targets.json", r->version[TUF_TARGETS]);
    buf_free(&b);
}

void repo_set_meta(struct repo *r, const char *name, int64_t version)
{
    for (size_t i = 0; i < r->n_meta; i++)
        if (strcmp(r->meta[i].name, name) == 0) {
            r->meta[i].version = version;
            return;
        }
    assert_true(r->n_meta < ARRAY_LEN(r->meta));
    (void)snprintf(r->meta[r->n_meta].name, sizeof(r->meta[0].name), "%s", name);
    r->meta[r->n_meta++].version = version;
}

void repo_publish(struct repo *r)
{
    repo_targets(r);
    repo_snapshot(r);
    repo_timestamp(r);
}

void repo_bump(struct repo *r)
{
    r->version[TUF_TARGETS]++;
    r->version[TUF_SNAPSHOT]++;
    r->version[TUF_TIMESTAMP]++;
    repo_publish(r);
}

void repo_delegated(struct repo *r, const char *name, int64_t version, const char *targets,
                    const char *delegations, const int *keys, int n)
{
    char file[160];
    struct buf b;

    buf_init(&b, TEXT_MAX);
    targets_text(&b, r, REPO_SAFE, version, targets, delegations);
    (void)snprintf(file, sizeof(file), "%" PRId64 ".%s.json", version, name);
    publish(r, r->plain ? strchr(file, '.') + 1 : file, buf_str(&b), keys, n);
    (void)snprintf(file, sizeof(file), "%s.json", name);
    repo_set_meta(r, file, version);
    buf_free(&b);
}

char *repo_delegations(const struct repo_delegation *d, size_t n)
{
    struct buf b;
    size_t len;

    buf_init(&b, TEXT_MAX);
    assert_int_equal(buf_puts(&b, "{\"keys\":{"), 0);
    for (int i = 0; i < REPO_KEYS; i++)
        for (int k = 0; k < REPO_KEYS; k++) {
            int before = 0;

            for (int j = 0; j < REPO_KEYS; j++)
                before += strcmp(repo_keyid(j), repo_keyid(k)) < 0;
            if (before == i)
                repo_key(&b, k, i == REPO_KEYS - 1);
        }
    assert_int_equal(buf_puts(&b, "},\"roles\":["), 0);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(buf_printf(&b, "%s{", i > 0 ? "," : ""), 0);
        put_role(&b, &d[i].role);
        assert_int_equal(buf_printf(&b, "\"name\":\"%s\",%s\"terminating\":%s,\"threshold\":%d}",
                                    d[i].name, d[i].matcher, d[i].terminating ? "true" : "false",
                                    d[i].role.threshold),
                         0);
    }
    assert_int_equal(buf_puts(&b, "]}"), 0);
    assert_non_null(buf_str(&b));
    return (char *)buf_detach(&b, &len);
}

char *repo_target(struct repo *r, const char *path, const char *content)
{
    const char *slash = strrchr(path, '/'), *last = slash != NULL ? slash + 1 : path;
    char name[320], hex[65], *out;
    struct digest d;

    sha256_of(content, strlen(content), &d);
    text_digest(hex, &d);
    (void)snprintf(name, sizeof(name), "%.*s%s.%s", (int)(last - path), path, hex, last);
    repo_puts(r, r->plain ? path : name, content);
    assert_true(asprintf(&out, "\"%s\":{\"hashes\":{\"sha256\":\"%s\"},\"length\":%zu}", path, hex,
                         strlen(content)) > 0);
    return out;
}

/* --- the client's side ------------------------------------------------------------------------ */

static void log_request(struct repo *r, const char *name)
{
    size_t n = strlen(r->log), len = strlen(name);

    if (len > 5 && strcmp(name + len - 5, ".json") == 0)
        len -= 5;
    if (n + len + 2 >= sizeof(r->log)) /* enough is enough */
        return;
    (void)snprintf(r->log + n, sizeof(r->log) - n, "%s%.*s", n > 0 ? " " : "", (int)len, name);
}

/* What a server makes of a target's URL. */
static const char *unquoted(const char *s)
{
    static char out[1000];
    size_t n = 0;

    for (; *s != '\0' && n + 1 < sizeof(out); s++) {
        if (s[0] == '%') {
            const char two[3] = {s[1], s[2], '\0'};

            out[n++] = (char)strtoul(two, NULL, 16);
            s += 2;
        } else {
            out[n++] = *s;
        }
    }
    out[n] = '\0';
    return out;
}

static int get(void *ctx, const char *url, uint64_t max,
               int (*sink)(const void *p, size_t n, void *arg), void *arg, struct err *e)
{
    struct repo *r = ctx;
    const char *name = NULL;
    const struct buf *b;
    size_t n;
    int rc;

    if (strncmp(url, REPO_URL, strlen(REPO_URL)) == 0)
        name = url + strlen(REPO_URL);
    else if (strncmp(url, REPO_TARGETS_URL, strlen(REPO_TARGETS_URL)) == 0)
        name = unquoted(url + strlen(REPO_TARGETS_URL));
    assert_non_null(name);
    log_request(r, name);
    if (r->fail != 0)
        return err_set(e, r->fail, "fetch was made to fail");
    if ((b = repo_find(r, name)) == NULL)
        return err_set(e, -ENOENT, "no such file");
    n = b->len <= max ? b->len : (size_t)max;
    for (size_t i = 0; i < n; i += 1000) /* in pieces, as they come */
        if ((rc = sink(b->data + i, n - i < 1000 ? n - i : 1000, arg)) != 0)
            return rc;
    return b->len <= max ? 0 : err_set(e, -E2BIG, "longer than %llu", (unsigned long long)max);
}

struct tuf_fetch repo_fetch(struct repo *r)
{
    return (struct tuf_fetch){get, r};
}

static int load(void *ctx, const char *name, struct buf *b, struct err *e)
{
    struct repo *r = ctx;
    const struct repo_file *f = find_in(r->store, r->n_store, name);

    if (f == NULL)
        return err_set(e, -ENOENT, "not there");
    return buf_put(b, f->bytes.data, f->bytes.len);
}

static int save(void *ctx, const char *name, struct span bytes, struct err *e)
{
    struct repo *r = ctx;

    if (r->saves_left == 0)
        return err_set(e, -ENOSPC, "the store was made to fail");
    r->saves_left -= r->saves_left > 0;
    put_in(r->store, &r->n_store, ARRAY_LEN(r->store), name, bytes);
    return 0;
}

static int forget(void *ctx, const char *name, struct err *e)
{
    struct repo *r = ctx;

    if (r->saves_left == 0)
        return err_set(e, -EIO, "the store was made to fail");
    r->saves_left -= r->saves_left > 0;
    remove_in(r->store, &r->n_store, name);
    return 0;
}

struct tuf_store repo_store(struct repo *r)
{
    return (struct tuf_store){load, save, forget, r};
}

int64_t repo_stored(struct repo *r, const char *name)
{
    const struct repo_file *f = find_in(r->store, r->n_store, name);
    static const char word[] = "\"version\":";
    int64_t version = 0;

    /* the last one: each signed part ends with its version */
    for (size_t i = 0; f != NULL && i + sizeof(word) < f->bytes.len; i++)
        if (memcmp(f->bytes.data + i, word, sizeof(word) - 1) == 0) {
            version = 0;
            for (size_t j = i + sizeof(word) - 1;
                 f->bytes.data[j] >= '0' && f->bytes.data[j] <= '9'; j++)
                version = 10 * version + f->bytes.data[j] - '0';
        }
    return version;
}

static int update(struct repo *r, const char *path, struct err *e)
{
    struct tuf_fetch fetch = repo_fetch(r);
    struct tuf_store store = repo_store(r);
    const struct tuf_file *found;
    struct tuf_updater *u = NULL;
    int rc;

    r->log[0] = '\0';
    rc = tuf_updater_new(&u, &fetch, &store, REPO_URL, e);
    if (rc == 0)
        rc = path != NULL ? tuf_updater_find(u, path, &found, e) : tuf_updater_refresh(u, e);
    tuf_updater_free(u);
    return rc;
}

int repo_refresh(struct repo *r, struct err *e)
{
    return update(r, NULL, e);
}

int repo_search(struct repo *r, const char *path, struct err *e)
{
    return update(r, path, e);
}

void repo_open(struct repo *r)
{
    struct tuf_store store = repo_store(r);

    memset(r, 0, sizeof(*r));
    r->saves_left = -1;
    r->spec = "1.0.31";
    r->extra = "";
    r->targets = "";
    for (int t = 0; t < TUF_TYPES; t++) {
        r->roles[t] = ROLE(1, t);
        r->version[t] = t == TUF_ROOT ? 0 : 1;
        r->expires[t] = REPO_SAFE;
    }
    *last_root = (struct repo_role){0};
    repo_root(r);
    repo_publish(r);
    assert_int_equal(tuf_updater_init(&store, buf_span(repo_find(r, "1.root.json")), NULL), 0);
}

void repo_close(struct repo *r)
{
    while (r->n_files > 0)
        buf_free(&r->files[--r->n_files].bytes);
    while (r->n_store > 0)
        buf_free(&r->store[--r->n_store].bytes);
}

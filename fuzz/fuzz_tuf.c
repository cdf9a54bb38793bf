/* TUF metadata.  The first byte says what follows: 0 to 3, a file of that type, which is read, and
 * whose canonical form is read again; 4, a pattern, NUL, a path; else the signed parts of root,
 * timestamp, snapshot and targets, NUL between them, which are signed here and given to the trusted
 * set for as long as it takes them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "crypto/ed25519.h"
#include "updates/tuf_name.h"
#include "updates/tuf_trusted.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The key of seed 0x01 * 32 signs for everything. */
#define PUBLIC "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"
#define ROLE "{\"keyids\":[\"%s\"],\"threshold\":1}"

static void expect(bool held)
{
    if (!held)
        abort();
}

static void read_one(enum tuf_type type, struct span s)
{
    struct tuf_metadata *m = NULL;
    struct err e = ERR_INIT;
    struct buf again;
    json_t *v;

    if (tuf_metadata_parse(&m, type, s, &e) != 0) {
        expect(m == NULL && e.text[0] != '\0');
        return;
    }
    expect(m->version >= 1 && m->canonical.len <= s.n && m->n_bytes == s.n);
    buf_init(&again, s.n);
    if (tuf_json_parse(&v, buf_span(&m->canonical), NULL) == 0) { /* control characters are raw */
        expect(tuf_json_canonical(&again, v) == 0);
        expect(span_eq(buf_span(&again), buf_span(&m->canonical)));
        json_decref(v);
    }
    for (size_t i = 0; i < m->n_files; i++)
        expect(tuf_metadata_file(m, m->files[i].name) == &m->files[i]);
    buf_free(&again);
    tuf_metadata_free(m);
}

static void match(struct span s)
{
    const uint8_t *nul = s.n > 0 ? memchr(s.p, '\0', s.n) : NULL;
    char *pattern, *path;
    struct buf b;

    if (nul == NULL || s.n > 2000)
        return;
    pattern = strndup((const char *)s.p, s.n);
    path = strndup((const char *)nul + 1, s.n - 1 - (size_t)(nul - s.p));
    expect(pattern != NULL && path != NULL);
    /* whatever matches has as many parts */
    if (tuf_pattern_matches(pattern, path)) {
        int parts = 0;

        for (const char *p = pattern; *p != '\0'; p++)
            parts += *p == '/';
        for (const char *p = path; *p != '\0'; p++)
            parts -= *p == '/';
        expect(parts == 0);
    }
    buf_init(&b, 10000);
    if (tuf_name_file(&b, path, "") == 0) {
        const char *name = buf_str(&b);

        expect(name != NULL && name[0] != '.' && strchr(name, '/') == NULL);
    }
    buf_free(&b);
    free(pattern);
    free(path);
}

static struct ed25519_key *key(void)
{
    static struct ed25519_key *k;
    uint8_t seed[32];

    memset(seed, 1, sizeof(seed));
    if (k == NULL)
        expect(ed25519_from_seed(&k, seed) == 0);
    return k;
}

static const char *keyid(void)
{
    static char id[65];
    static const char text[] =
        "{\"keytype\":\"ed25519\",\"keyval\":{\"public\":\"" PUBLIC "\"},\"scheme\":\"ed25519\"}";
    struct digest d;

    if (id[0] == '\0') {
        sha256_of(text, sizeof(text) - 1, &d);
        text_digest(id, &d);
    }
    return id;
}

/* A file whose signed part is s, if s is JSON at all. */
static bool sign(struct buf *out, struct span s)
{
    struct ed25519_sig sig;
    struct buf canonical;
    char hex[129];
    json_t *v;
    bool good = tuf_json_parse(&v, s, NULL) == 0;

    if (!good)
        return false;
    buf_init(&canonical, s.n);
    expect(tuf_json_canonical(&canonical, v) == 0);
    json_decref(v);
    expect(ed25519_sign(key(), canonical.data, canonical.len, &sig) == 0);
    text_hex(hex, sig.b, 64);
    buf_reset(out);
    expect(buf_printf(out, "{\"signatures\":[{\"keyid\":\"%s\",\"sig\":\"%s\"}],\"signed\":",
                      keyid(), hex) == 0);
    expect(buf_put(out, s.p, s.n) == 0 && buf_putc(out, '}') == 0);
    buf_free(&canonical);
    return true;
}

/* Root 1, signed once. */
static struct tuf_trusted *first(void)
{
    static struct buf signed_once;
    struct tuf_trusted *t;
    char text[2000];
    const char *id = keyid();
    int n = snprintf(text, sizeof(text),
                     "{\"_type\":\"root\",\"spec_version\":\"1.0.0\",\"version\":1,"
                     "\"expires\":\"2100-01-01T00:00:00Z\",\"keys\":{\"%s\":{\"keytype\":"
                     "\"ed25519\",\"keyval\":{\"public\":\"" PUBLIC
                     "\"},\"scheme\":\"ed25519\"}},\"roles\":{\"root\":" ROLE ",\"timestamp\":" ROLE
                     ",\"snapshot\":" ROLE ",\"targets\":" ROLE "}}",
                     id, id, id, id, id);

    if (signed_once.len == 0) {
        expect(n > 0 && n < (int)sizeof(text));
        buf_init(&signed_once, 4000);
        expect(sign(&signed_once, span_of(text, (size_t)n)));
    }
    expect(tuf_trusted_new(&t, buf_span(&signed_once), 1000000000, NULL) == 0);
    return t;
}

static struct span next_part(struct span *s)
{
    const uint8_t *nul = s->n > 0 ? memchr(s->p, '\0', s->n) : NULL;
    struct span part = *s;

    if (nul != NULL)
        part.n = (size_t)(nul - s->p);
    s->p += part.n;
    s->n -= part.n;
    if (nul != NULL) {
        s->p++;
        s->n--;
    }
    return part;
}

static void grow(struct span s)
{
    struct tuf_trusted *t;
    struct buf b;
    bool flag;

    buf_init(&b, 2 * s.n + 4000);
    t = first();
    if (sign(&b, next_part(&s))) {
        int rc = tuf_trusted_root(t, buf_span(&b), &flag, NULL);

        expect(tuf_trusted_get(t, TUF_ROOT)->version == (rc == 0 ? 2 : 1));
    }
    if (tuf_trusted_root_final(t, NULL) != 0 || !sign(&b, next_part(&s)) ||
        tuf_trusted_timestamp(t, buf_span(&b), false, &flag, NULL) != 0)
        goto out;
    expect(tuf_trusted_get(t, TUF_TIMESTAMP)->expires > 1000000000);
    expect(tuf_trusted_timestamp_final(t, NULL) == 0);
    if (!sign(&b, next_part(&s)) || tuf_trusted_snapshot(t, buf_span(&b), false, &flag, NULL) != 0)
        goto out;
    expect(flag && tuf_trusted_get(t, TUF_SNAPSHOT)->version ==
                       tuf_trusted_get(t, TUF_TIMESTAMP)->files[0].version);
    if (!sign(&b, next_part(&s)) ||
        tuf_trusted_targets(t, buf_span(&b), "targets", "root", NULL) != 0)
        goto out;
    expect(tuf_trusted_role(t, "targets")->version == tuf_trusted_meta(t, "targets")->version);
    /* a delegated role signed by the same key, if it is delegated */
    if (sign(&b, next_part(&s)) && tuf_trusted_targets(t, buf_span(&b), "A", "targets", NULL) == 0)
        expect(tuf_trusted_again(t, "A", "targets", NULL) == 0);
out:
    tuf_trusted_free(t);
    buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest;

    if (size == 0)
        return 0;
    rest = span_of(data + 1, size - 1);
    if (data[0] < TUF_TYPES)
        read_one((enum tuf_type)data[0], rest);
    else if (data[0] == 4)
        match(rest);
    else
        grow(rest);
    return 0;
}

/* Publications of an update repository.  The first byte: 0, an artifact as it is; else the signed
 * parts of snapshot, targets and the role "rules", NUL between them, which are signed here and put
 * into an artifact with a root of the same key. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "crypto/ed25519.h"
#include "updates/published.h"
#include "updates/tuf_json.h"
#include "crypto/sha256.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The key of seed 0x01 * 32 signs for everything. */
#define PUBLIC "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"
#define KEY                                                                                        \
    "{\"keytype\":\"ed25519\",\"keyval\":{\"public\":\"" PUBLIC "\"},\"scheme\":\"ed25519\"}"
#define ROLE "{\"keyids\":[\"%s\"],\"threshold\":1}"

static void expect(bool held)
{
    if (!held)
        abort();
}

static void read_it(struct span s)
{
    const struct published_release *v;
    struct published *p = NULL;
    struct err e = ERR_INIT;
    size_t n;

    if (published_read(&p, s, &e) != 0) {
        expect(p == NULL && e.text[0] != '\0');
        return;
    }
    v = published_releases(p, &n);
    for (size_t i = 0; i < n; i++)
        expect(v[i].serial > (i == 0 ? 0 : v[i - 1].serial));
    expect(published_serial(p) == (n == 0 ? 0 : v[n - 1].serial));
    expect(published_follows(p, p, NULL) == 0 && published_same_roots(p, p, NULL) == 0);
    published_free(p);
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
    struct digest d;

    if (id[0] == '\0') {
        sha256_of(KEY, sizeof(KEY) - 1, &d);
        text_digest(id, &d);
    }
    return id;
}

/* A file whose signed part is s, if s is JSON; its version. */
static bool sign(struct buf *out, struct span s, int64_t *version)
{
    struct ed25519_sig sig;
    struct buf canonical;
    char hex[129];
    json_t *v;

    if (tuf_json_parse(&v, s, NULL) != 0)
        return false;
    if (tuf_json_int(v, "", "version", 1, TUF_INT_MAX, version, NULL) != 0)
        *version = 1;
    buf_init(&canonical, s.n);
    expect(tuf_json_canonical(&canonical, v) == 0);
    json_decref(v);
    expect(ed25519_sign(key(), canonical.data, canonical.len, &sig) == 0);
    text_hex(hex, sig.b, 64);
    buf_init(out, s.n + 1000);
    expect(buf_printf(out, "{\"signatures\":[{\"keyid\":\"%s\",\"sig\":\"%s\"}],\"signed\":",
                      keyid(), hex) == 0);
    expect(buf_put(out, s.p, s.n) == 0 && buf_putc(out, '}') == 0);
    buf_free(&canonical);
    return true;
}

static void first_root(struct buf *out)
{
    char text[2000];
    const char *id = keyid();
    int64_t version;
    int n = snprintf(text, sizeof(text),
                     "{\"_type\":\"root\",\"spec_version\":\"1.0.0\",\"version\":1,"
                     "\"expires\":\"2100-01-01T00:00:00Z\",\"keys\":{\"%s\":" KEY
                     "},\"roles\":{\"root\":" ROLE ",\"timestamp\":" ROLE ",\"snapshot\":" ROLE
                     ",\"targets\":" ROLE "}}",
                     id, id, id, id, id);

    expect(n > 0 && n < (int)sizeof(text));
    expect(sign(out, span_of(text, (size_t)n), &version) && version == 1);
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

static void compose(struct span s)
{
    static const char *const role[] = {"root", "snapshot", "targets", "rules"};
    struct published_file f[4];
    struct buf bytes[4], all;
    size_t n = 1;

    first_root(&bytes[0]);
    f[0].version = 1;
    while (n < 4 && sign(&bytes[n], next_part(&s), &f[n].version))
        n++;
    for (size_t i = 0; i < n; i++) {
        f[i].role = role[i];
        f[i].bytes = buf_span(&bytes[i]);
    }
    buf_init(&all, PUBLISHED_MAX_BYTES);
    if (published_write(&all, f, n, NULL) == 0)
        read_it(buf_span(&all));
    for (size_t i = 0; i < n; i++)
        buf_free(&bytes[i]);
    buf_free(&all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] == 0)
        read_it(span_of(data + 1, size - 1));
    else
        compose(span_of(data + 1, size - 1));
    return 0;
}

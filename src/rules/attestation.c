#include "rules/attestation.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "people/document.h"
#include "rules/change.h"

#define LEAVES_MAX (UINT64_C(1) << 53)

static const char *const answers[] = {"no", "yes"};
static const char *const compared[] = {"sealed", "compared"};

/* A text of these characters, at most `most` of them. */
static int read_label(const struct yaml_node *root, const char *key, const char *of, size_t most,
                      char *out, struct err *e)
{
    const struct yaml_node *n;
    const char *s;
    int rc;

    if ((rc = yaml_need(root, key, &n, e)) != 0 || (rc = yaml_text(n, &s, e)) != 0)
        return rc;
    if (s[0] == '\0' || strlen(s) > most || strspn(s, of) != strlen(s))
        return yaml_err(e, n, "\"%s\" is 1 to %zu of %s", key, most, of);
    memcpy(out, s, strlen(s) + 1);
    return 0;
}

static int read_attestation(const struct yaml_node *root, struct attestation *a, struct err *e)
{
    const struct yaml_node *key;
    size_t names = 0, same = 0;
    int rc;

    if (yaml_type(root) != YAML_MAP_)
        return yaml_err(e, root, "an attestation is a map that begins with \"format: replay/v1\"");
    if ((rc = document_format(root, "replay/v1", e)) != 0 ||
        (rc = read_label(root, "site", "abcdefghijklmnopqrstuvwxyz0123456789", sizeof(a->site) - 1,
                         a->site, e)) != 0 ||
        (rc = yaml_need_u64(root, "leaf", 0, LEAVES_MAX - 1, &a->leaf, e)) != 0 ||
        (rc = change_digest(root, "scan", &a->scan, NULL, e)) != 0 ||
        (rc = change_digest(root, "release", &a->release, NULL, e)) != 0 ||
        (rc = read_label(root, "engines", "abcdefghijklmnopqrstuvwxyz0123456789.-",
                         sizeof(a->engines) - 1, a->engines, e)) != 0 ||
        (rc = document_word_of(root, "names", compared, ARRAY_LEN(compared), &names, e)) != 0 ||
        (rc = document_word_of(root, "same", answers, ARRAY_LEN(answers), &same, e)) != 0 ||
        (rc = yaml_need(root, "key", &key, e)) != 0 || (rc = document_key(key, &a->key, e)) != 0)
        return rc;
    a->names = names == 1;
    a->same = same == 1;
    return yaml_map_done(root, e);
}

int attestation_parse(struct attestation *out, const char *name, struct span text, struct err *e)
{
    struct attestation a;
    struct yaml_doc *doc = NULL;
    int rc = yaml_parse(&doc, name, text, e);

    if (rc != 0)
        return rc;
    memset(&a, 0, sizeof(a));
    rc = read_attestation(yaml_root(doc), &a, e);
    yaml_free(doc);
    if (rc == 0)
        *out = a;
    return rc;
}

int attestation_write(const struct attestation *a, struct buf *out)
{
    char scan[65], release[65], key[TEXT_BASE64_LEN(32) + 1];

    text_digest(scan, &a->scan);
    text_digest(release, &a->release);
    text_base64(key, a->key.b, sizeof(a->key.b));
    return buf_printf(out,
                      "format: replay/v1\nsite: %s\nleaf: %llu\nscan: \"%s\"\nrelease: \"%s\"\n"
                      "engines: %s\nnames: %s\nsame: \"%s\"\nkey: \"%s\"\n",
                      a->site, (unsigned long long)a->leaf, scan, release, a->engines,
                      compared[a->names ? 1 : 0], answers[a->same ? 1 : 0], key);
}

int attestation_open(struct attestation *out, const char *name, struct span envelope, struct err *e)
{
    struct attestation a;
    struct dsse *env = NULL;
    int rc = dsse_own_open(&env, name, envelope, ATTESTATION_TYPE, e);

    if (rc != 0)
        return rc;
    if ((rc = attestation_parse(&a, name, dsse_payload(env), e)) == 0)
        rc = dsse_own_check(env, name, &a.key, e);
    dsse_free(env);
    if (rc == 0)
        *out = a;
    return rc;
}

int attestation_sign(struct attestation *a, const struct ed25519_key *k, struct buf *out,
                     struct err *e)
{
    struct buf yaml;
    int rc;

    buf_init(&yaml, 4096);
    ed25519_public(k, &a->key);
    if ((rc = attestation_write(a, &yaml)) == 0)
        rc = dsse_own_sign(ATTESTATION_TYPE, buf_span(&yaml), k, out);
    buf_free(&yaml);
    return rc == 0 ? 0 : err_sys(e, rc, "signing the attestation");
}

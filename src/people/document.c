#include "people/document.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "crypto/sha256.h"

static const char *const words[DOCUMENTS] = {"register", "policy",  "statement", "move",
                                             "change",   "release", "override",  "product"};
static const char *const types[DOCUMENTS] = {
    "application/x.register.v1+yaml",     "application/x.policy.v1+yaml",
    "application/x.statement.v1+yaml",    "application/x.move.v1+yaml",
    "application/x.rules-change.v1+yaml", "application/x.rules-release.v1+yaml",
    "application/x.override.v1+yaml",     "application/x.product.v1+yaml",
};

const char *document_word(enum document k)
{
    return words[k];
}

const char *document_type(enum document k)
{
    return types[k];
}

struct mark document_mark(const struct yaml_node *n)
{
    struct mark m = {yaml_line(n), yaml_column(n)};

    return m;
}

int document_err(struct err *e, const char *name, struct mark at, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return err_set(e, -EINVAL, "%s:%d:%d: %s", name, at.line, at.column, text);
}

int document_format(const struct yaml_node *map, const char *format, struct err *e)
{
    const struct yaml_node *n;
    const char *word;
    int rc;

    if ((rc = yaml_need(map, "format", &n, e)) != 0 || (rc = yaml_text(n, &word, e)) != 0)
        return rc;
    if (strcmp(word, format) != 0)
        return yaml_err(e, n, "format \"%s\" is not read here; this must be a \"%s\"", word,
                        format);
    return 0;
}

int document_chain(const struct yaml_node *map, struct chain *out, struct err *e)
{
    const struct yaml_node *serial, *previous;
    const char *word;
    bool none;
    int rc;

    memset(out, 0, sizeof(*out));
    if ((rc = yaml_need(map, "serial", &serial, e)) != 0 ||
        (rc = yaml_need(map, "previous", &previous, e)) != 0 ||
        (rc = yaml_u64(serial, 1, ((uint64_t)1 << 53) - 1, &out->serial, e)) != 0 ||
        (rc = yaml_text(previous, &word, e)) != 0)
        return rc;
    out->serial_at = document_mark(serial);
    out->previous_at = document_mark(previous);
    none = strcmp(word, "none") == 0;
    if (!none && (rc = yaml_digest(previous, &out->previous, e)) != 0)
        return rc;
    if (none && out->serial != 1)
        return yaml_err(e, previous, "serial %llu needs the digest of the document before it",
                        (unsigned long long)out->serial);
    if (!none && out->serial == 1)
        return yaml_err(e, previous, "serial 1 has nothing before it; write \"none\"");
    return 0;
}

int document_follows(const struct chain *old, const struct digest *doc, const char *name,
                     const struct chain *next, struct err *e)
{
    char want[65];

    if (next->serial != old->serial + 1)
        return document_err(e, name, next->serial_at,
                            "serial %llu does not follow serial %llu; it must be %llu",
                            (unsigned long long)next->serial, (unsigned long long)old->serial,
                            (unsigned long long)old->serial + 1);
    if (!digest_eq(&next->previous, doc)) {
        text_digest(want, doc);
        return document_err(e, name, next->previous_at,
                            "this is not the digest of serial %llu, which is %s",
                            (unsigned long long)old->serial, want);
    }
    return 0;
}

int document_list(const struct yaml_node *map, const char *key, size_t least, size_t most,
                  const struct yaml_node **out, struct err *e)
{
    int rc = yaml_need(map, key, out, e);

    if (rc != 0)
        return rc;
    if (yaml_type(*out) != YAML_LIST_)
        return yaml_err(e, *out, "\"%s\" must be a list", key);
    if (yaml_count(*out) < least)
        return yaml_err(e, *out, "\"%s\" must have at least %zu entr%s", key, least,
                        least == 1 ? "y" : "ies");
    if (yaml_count(*out) > most)
        return yaml_err(e, *out, "\"%s\" has %zu entries; at most %zu are allowed", key,
                        yaml_count(*out), most);
    return 0;
}

int document_item(const struct yaml_node *list, size_t i, const struct yaml_node **out,
                  struct err *e)
{
    int rc = yaml_item(list, i, out, e);

    if (rc == 0 && yaml_type(*out) != YAML_MAP_)
        rc = yaml_err(e, *out, "this entry must be a map (\"key: value\")");
    return rc;
}

int document_id(const struct yaml_node *map, const char *key, struct id128 *out, struct err *e)
{
    const struct yaml_node *n;
    int rc = yaml_need(map, key, &n, e);

    return rc != 0 ? rc : yaml_id(n, out, e);
}

int document_time(const struct yaml_node *map, const char *key, unix_time *out, struct err *e)
{
    const struct yaml_node *n;
    int rc = yaml_need(map, key, &n, e);

    return rc != 0 ? rc : yaml_time(n, out, e);
}

int document_may_time(const struct yaml_node *map, const char *key, unix_time otherwise,
                      unix_time *out, struct err *e)
{
    const struct yaml_node *n;
    int rc = yaml_may(map, key, &n, e);

    if (rc != 0)
        return rc;
    if (n == NULL) {
        *out = otherwise;
        return 0;
    }
    return yaml_time(n, out, e);
}

int document_word_of(const struct yaml_node *map, const char *key, const char *const *names,
                     size_t count, size_t *out, struct err *e)
{
    const struct yaml_node *n;
    int rc = yaml_need(map, key, &n, e);

    return rc != 0 ? rc : yaml_word(n, names, count, out, e);
}

int document_key(const struct yaml_node *text, struct ed25519_pub *out, struct err *e)
{
    const char *s;
    int rc = yaml_text(text, &s, e);

    if (rc == 0 && text_unbase64_exact(span_str(s), out->b, sizeof(out->b)) != 0)
        rc = yaml_err(e, text,
                      "a key is the base64 of 32 bytes: 44 characters, of an Ed25519 public key");
    return rc;
}

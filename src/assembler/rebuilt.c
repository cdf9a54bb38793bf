#include "assembler/rebuilt.h"

#include <errno.h>
#include <string.h>

#include "assembler/product.h"
#include "base/text.h"
#include "crypto/sha256.h"

static int read_rebuilt(const struct yaml_node *root, struct rebuilt *r, struct err *e)
{
    const struct yaml_node *key, *n;
    const char *words[COMPARE_CLASSES];
    size_t verdict = 0;
    int rc;

    for (size_t i = 0; i < COMPARE_CLASSES; i++)
        words[i] = compare_class_word((enum compare_class)i);
    if (yaml_type(root) != YAML_MAP_)
        return yaml_err(e, root, "a rebuild is a map that begins with \"format: rebuilt/v1\"");
    if ((rc = document_format(root, "rebuilt/v1", e)) != 0 ||
        (rc = product_digest(root, "product", &r->product, e)) != 0 ||
        (rc = document_word_of(root, "verdict", words, COMPARE_CLASSES, &verdict, e)) != 0 ||
        (rc = product_digest(root, "output", &r->output, e)) != 0 ||
        (rc = yaml_may(root, "transplanted", &n, e)) != 0 ||
        (n != NULL && (rc = yaml_u64(n, 1, PRODUCT_MAX_ARTIFACTS, &r->transplanted, e)) != 0) ||
        (rc = yaml_need(root, "key", &key, e)) != 0 || (rc = document_key(key, &r->key, e)) != 0)
        return rc;
    r->verdict = (enum compare_class)verdict;
    return yaml_map_done(root, e);
}

int rebuilt_parse(struct rebuilt *out, const char *name, struct span text, struct err *e)
{
    struct rebuilt r;
    struct yaml_doc *doc = NULL;
    int rc = yaml_parse(&doc, name, text, e);

    if (rc != 0)
        return rc;
    memset(&r, 0, sizeof(r));
    rc = read_rebuilt(yaml_root(doc), &r, e);
    yaml_free(doc);
    if (rc == 0)
        *out = r;
    return rc;
}

int rebuilt_write(const struct rebuilt *r, struct buf *out)
{
    char product[65], output[65], key[TEXT_BASE64_LEN(32) + 1];
    int rc;

    text_digest(product, &r->product);
    text_digest(output, &r->output);
    text_base64(key, r->key.b, sizeof(r->key.b));
    rc = buf_printf(out, "format: rebuilt/v1\nproduct: \"%s\"\nverdict: %s\noutput: \"%s\"\n",
                    product, compare_class_word(r->verdict), output);
    if (rc == 0 && r->transplanted > 0)
        rc = buf_printf(out, "transplanted: %llu\n", (unsigned long long)r->transplanted);
    return rc != 0 ? rc : buf_printf(out, "key: \"%s\"\n", key);
}

int rebuilt_open(struct rebuilt *out, const char *name, struct span envelope, struct err *e)
{
    struct rebuilt r;
    struct dsse *env = NULL;
    int rc = dsse_own_open(&env, name, envelope, REBUILT_TYPE, e);

    if (rc != 0)
        return rc;
    if ((rc = rebuilt_parse(&r, name, dsse_payload(env), e)) == 0)
        rc = dsse_own_check(env, name, &r.key, e);
    dsse_free(env);
    if (rc == 0)
        *out = r;
    return rc;
}

int rebuilt_sign(struct rebuilt *r, const struct ed25519_key *k, struct buf *out, struct err *e)
{
    struct buf yaml;
    int rc;

    buf_init(&yaml, 4096);
    ed25519_public(k, &r->key);
    if ((rc = rebuilt_write(r, &yaml)) == 0)
        rc = dsse_own_sign(REBUILT_TYPE, buf_span(&yaml), k, out);
    buf_free(&yaml);
    return rc == 0 ? 0 : err_sys(e, rc, "signing the rebuild");
}

const char *rebuilt_fault(const struct rebuilt *r, const struct digest *output)
{
    bool same = digest_eq(&r->output, output);

    if (same == (r->verdict == COMPARE_IDENTICAL))
        return NULL;
    return same ? "it names the product's own output, and does not call it identical"
                : "it says identical, and names another output than the product's";
}

#include "assembler/product.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "crypto/sha256.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyz"
#define CAPITALS "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"
#define SIZE_MOST (UINT64_C(1) << 53)

int product_digest(const struct yaml_node *map, const char *key, struct digest *out, struct err *e)
{
    const struct yaml_node *n;
    int rc = yaml_need(map, key, &n, e);

    return rc != 0 ? rc : yaml_digest(n, out, e);
}

/* A text of these characters, at most `most` of them. */
static int read_text(const struct yaml_node *map, const char *key, const char *of, size_t most,
                     char *out, struct err *e)
{
    const struct yaml_node *n;
    const char *s;
    int rc;

    if ((rc = yaml_need(map, key, &n, e)) != 0 || (rc = yaml_text(n, &s, e)) != 0)
        return rc;
    if (s[0] == '\0' || strlen(s) > most || strspn(s, of) != strlen(s))
        return yaml_err(e, n, "\"%s\" is 1 to %zu of %s", key, most, of);
    memcpy(out, s, strlen(s) + 1);
    return 0;
}

/* A path's part that is empty or begins with a point or dash: where it does; NULL: there is none.
 */
static const char *bad_part(const char *path)
{
    for (const char *p = path;; p++) {
        if (strchr(".-/", *p) != NULL) /* the end, too */
            return p;
        if ((p = strchr(p, '/')) == NULL)
            return NULL;
    }
}

static int read_artifact(const struct yaml_node *item, struct product *p, struct err *e)
{
    struct product_artifact *a = &p->artifact[p->artifacts];
    const struct yaml_node *name;
    const char *wrong;
    int rc;

    if ((rc = read_text(item, "name", LETTERS CAPITALS DIGITS "._+~:%-/", PRODUCT_FILE_MAX, a->name,
                        e)) != 0 ||
        (rc = yaml_need(item, "name", &name, e)) != 0 ||
        (rc = product_digest(item, "sha256", &a->sha256, e)) != 0 ||
        (rc = yaml_need_u64(item, "size", 0, SIZE_MOST - 1, &a->size, e)) != 0 ||
        (rc = yaml_map_done(item, e)) != 0)
        return rc;
    if ((wrong = bad_part(a->name)) != NULL)
        return *wrong == '\0' || *wrong == '/'
                   ? yaml_err(e, name, "a folder's or file's name is missing")
                   : yaml_err(e, name, "a file's name does not begin with \"%c\" here", *wrong);
    if (p->artifacts > 0 && strcmp(a[-1].name, a->name) >= 0)
        return yaml_err(e, name, "artifacts stand by name, ascending, each once");
    p->artifacts++;
    return 0;
}

static int read_artifacts(const struct yaml_node *root, struct product *p, struct err *e)
{
    const struct yaml_node *list, *item;
    int rc = document_list(root, "artifacts", 1, PRODUCT_MAX_ARTIFACTS, &list, e);

    if (rc != 0)
        return rc;
    if ((p->artifact = calloc(yaml_count(list), sizeof(*p->artifact))) == NULL)
        return err_sys(e, -ENOMEM, "reading the artifacts");
    for (size_t i = 0; i < yaml_count(list) && rc == 0; i++)
        if ((rc = document_item(list, i, &item, e)) == 0)
            rc = read_artifact(item, p, e);
    return rc;
}

static int read_product(const struct yaml_node *root, struct product *p, struct err *e)
{
    int rc;

    if (yaml_type(root) != YAML_MAP_)
        return yaml_err(e, root, "a product is a map that begins with \"format: product/v1\"");
    if ((rc = document_format(root, "product/v1", e)) != 0 ||
        (rc = document_chain(root, &p->chain, e)) != 0 ||
        (rc = read_text(root, "name", LETTERS DIGITS ".-", PRODUCT_NAME_MAX, p->name, e)) != 0 ||
        (rc = read_text(root, "version", LETTERS CAPITALS DIGITS "._+~:-", PRODUCT_VERSION_MAX,
                        p->version, e)) != 0 ||
        (rc = read_text(root, "site", LETTERS DIGITS, sizeof(p->site) - 1, p->site, e)) != 0 ||
        (rc = read_text(root, "zone", CAPITALS DIGITS, sizeof(p->zone) - 1, p->zone, e)) != 0 ||
        (rc = product_digest(root, "source", &p->source, e)) != 0 ||
        (rc = product_digest(root, "recipe", &p->recipe, e)) != 0 ||
        (rc = product_digest(root, "toolchain", &p->toolchain, e)) != 0 ||
        (rc = product_digest(root, "provenance", &p->provenance, e)) != 0 ||
        (rc = product_digest(root, "sbom", &p->sbom, e)) != 0 ||
        (rc = read_artifacts(root, p, e)) != 0)
        return rc;
    return yaml_map_done(root, e);
}

int product_parse(struct product *out, const char *name, struct span text, struct err *e)
{
    struct product p;
    struct yaml_doc *doc = NULL;
    int rc = yaml_parse(&doc, name, text, e);

    memset(out, 0, sizeof(*out));
    if (rc != 0)
        return rc;
    memset(&p, 0, sizeof(p));
    rc = read_product(yaml_root(doc), &p, e);
    yaml_free(doc);
    if (rc == 0)
        *out = p;
    else
        product_done(&p);
    return rc;
}

void product_done(struct product *p)
{
    free(p->artifact);
    p->artifact = NULL;
    p->artifacts = 0;
}

int product_write(const struct product *p, struct buf *out)
{
    const struct {
        const char *key;
        const struct digest *d;
    } parts[] = {{"source", &p->source},
                 {"recipe", &p->recipe},
                 {"toolchain", &p->toolchain},
                 {"provenance", &p->provenance},
                 {"sbom", &p->sbom}};
    char hex[65] = "none";
    int rc;

    if (p->chain.serial > 1)
        text_digest(hex, &p->chain.previous);
    rc =
        buf_printf(out,
                   "format: product/v1\nserial: %llu\nprevious: \"%s\"\nname: \"%s\"\n"
                   "version: \"%s\"\nsite: %s\nzone: \"%s\"\n",
                   (unsigned long long)p->chain.serial, hex, p->name, p->version, p->site, p->zone);
    for (size_t i = 0; i < ARRAY_LEN(parts) && rc == 0; i++) {
        text_digest(hex, parts[i].d);
        rc = buf_printf(out, "%s: \"%s\"\n", parts[i].key, hex);
    }
    if (rc == 0)
        rc = buf_puts(out, "artifacts:\n");
    for (size_t i = 0; i < p->artifacts && rc == 0; i++) {
        text_digest(hex, &p->artifact[i].sha256);
        rc = buf_printf(out, "  - {name: \"%s\", sha256: \"%s\", size: %llu}\n",
                        p->artifact[i].name, hex, (unsigned long long)p->artifact[i].size);
    }
    return rc;
}

int product_output(const struct product *p, struct digest *out)
{
    struct sha256 *h = sha256_new();
    char hex[65];

    if (h == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < p->artifacts; i++) {
        text_digest(hex, &p->artifact[i].sha256);
        sha256_add(h, hex, 64);
        sha256_add(h, "  ", 2);
        sha256_add(h, p->artifact[i].name, strlen(p->artifact[i].name));
        sha256_add(h, "\n", 1);
    }
    sha256_end(h, out);
    sha256_free(h);
    return 0;
}

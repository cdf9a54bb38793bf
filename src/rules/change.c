#include "rules/change.h"

#include <string.h>

#include "base/text.h"
#include "crypto/sha256.h"

int change_digest(const struct yaml_node *map, const char *key, struct digest *out, bool *none,
                  struct err *e)
{
    const struct yaml_node *n;
    const char *s;
    int rc;

    memset(out, 0, sizeof(*out));
    if ((rc = yaml_need(map, key, &n, e)) != 0 || (rc = yaml_text(n, &s, e)) != 0)
        return rc;
    if (none != NULL && (*none = strcmp(s, "none") == 0))
        return 0;
    return yaml_digest(n, out, e);
}

static int read_change(const struct yaml_node *root, struct rules_change *c, struct err *e)
{
    const struct yaml_node *tree;
    int rc;

    if (yaml_type(root) != YAML_MAP_)
        return yaml_err(e, root,
                        "a change of the rules is a map that begins with \"format: "
                        "rules-change/v1\"");
    if ((rc = document_format(root, "rules-change/v1", e)) != 0 ||
        (rc = document_id(root, "change", &c->change, e)) != 0 ||
        (rc = document_id(root, "author", &c->author, e)) != 0 ||
        (rc = change_digest(root, "base", &c->base, &c->first, e)) != 0 ||
        (rc = change_digest(root, "tree", &c->tree, NULL, e)) != 0 ||
        (rc = yaml_map_done(root, e)) != 0)
        return rc;
    if (!c->first && digest_eq(&c->base, &c->tree))
        return (rc = yaml_need(root, "tree", &tree, e)) != 0
                   ? rc
                   : yaml_err(e, tree, "\"base\" and \"tree\" are the same: nothing changes");
    return 0;
}

int change_parse(struct rules_change *out, const char *name, struct span text, struct err *e)
{
    struct rules_change c = {.first = false};
    struct yaml_doc *doc = NULL;
    int rc = yaml_parse(&doc, name, text, e);

    if (rc != 0)
        return rc;
    rc = read_change(yaml_root(doc), &c, e);
    yaml_free(doc);
    if (rc == 0)
        *out = c;
    return rc;
}

int change_write(const struct rules_change *c, struct buf *out)
{
    char id[33], author[33], base[65] = "none", tree[65];

    text_id(id, &c->change);
    text_id(author, &c->author);
    if (!c->first)
        text_digest(base, &c->base);
    text_digest(tree, &c->tree);
    return buf_printf(out,
                      "format: rules-change/v1\nchange: \"%s\"\nauthor: \"%s\"\nbase: \"%s\"\n"
                      "tree: \"%s\"\n",
                      id, author, base, tree);
}

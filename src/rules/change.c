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

/* A text that may be missing: 1 to most bytes, of these characters (NULL: any). */
static int may_text(const struct yaml_node *map, const char *key, const char *of, size_t most,
                    char *out, struct err *e)
{
    const struct yaml_node *n;
    const char *s;
    int rc;

    if ((rc = yaml_may(map, key, &n, e)) != 0 || n == NULL || (rc = yaml_text(n, &s, e)) != 0)
        return rc;
    if (s[0] == '\0' || strlen(s) > most || strchr(s, '\n') != NULL || strchr(s, '\t') != NULL)
        return yaml_err(e, n, "\"%s\" is one line of 1 to %zu bytes", key, most);
    if (of != NULL && strspn(s, of) != strlen(s))
        return yaml_err(e, n, "\"%s\" is made of %s", key, of);
    memcpy(out, s, strlen(s) + 1);
    return 0;
}

static int read_words(const struct yaml_node *root, struct rules_change *c, struct err *e)
{
    const struct yaml_node *n;
    size_t digits;
    int rc;

    if ((rc = may_text(root, "why", NULL, CHANGE_WHY_MAX, c->why, e)) != 0 ||
        (rc = may_text(root, "ticket",
                       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:/#-",
                       CHANGE_TICKET_MAX, c->ticket, e)) != 0 ||
        (rc = may_text(root, "commit", "0123456789abcdef", CHANGE_COMMIT_MAX, c->commit, e)) != 0)
        return rc;
    digits = strlen(c->commit);
    if (digits == 0 || digits == 40 || digits == 64)
        return 0;
    return (rc = yaml_need(root, "commit", &n, e)) != 0
               ? rc
               : yaml_err(e, n, "\"commit\" is 40 or 64 hex digits");
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
        (rc = read_words(root, c, e)) != 0 || (rc = yaml_map_done(root, e)) != 0)
        return rc;
    if (!c->first && digest_eq(&c->base, &c->tree))
        return (rc = yaml_need(root, "tree", &tree, e)) != 0
                   ? rc
                   : yaml_err(e, tree, "\"base\" and \"tree\" are the same: nothing changes");
    return 0;
}

int change_parse(struct rules_change *out, const char *name, struct span text, struct err *e)
{
    struct rules_change c;
    struct yaml_doc *doc = NULL;
    int rc = yaml_parse(&doc, name, text, e);

    if (rc != 0)
        return rc;
    memset(&c, 0, sizeof(c));
    rc = read_change(yaml_root(doc), &c, e);
    yaml_free(doc);
    if (rc == 0)
        *out = c;
    return rc;
}

/* In double quotes, of which YAML wants two characters spelled another way. */
int change_words(struct buf *out, const char *key, const char *s)
{
    int rc;

    if (s[0] == '\0')
        return 0;
    if ((rc = buf_printf(out, "%s: \"", key)) != 0)
        return rc;
    for (; *s != '\0' && rc == 0; s++)
        rc = *s == '"' || *s == '\\' ? buf_printf(out, "\\%c", *s) : buf_putc(out, (uint8_t)*s);
    return rc != 0 ? rc : buf_puts(out, "\"\n");
}

int change_write(const struct rules_change *c, struct buf *out)
{
    char id[33], author[33], base[65] = "none", tree[65];
    int rc;

    text_id(id, &c->change);
    text_id(author, &c->author);
    if (!c->first)
        text_digest(base, &c->base);
    text_digest(tree, &c->tree);
    if ((rc = buf_printf(out,
                         "format: rules-change/v1\nchange: \"%s\"\nauthor: \"%s\"\nbase: \"%s\"\n"
                         "tree: \"%s\"\n",
                         id, author, base, tree)) != 0 ||
        (rc = change_words(out, "why", c->why)) != 0 ||
        (rc = change_words(out, "ticket", c->ticket)) != 0)
        return rc;
    return change_words(out, "commit", c->commit);
}

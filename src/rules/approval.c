#include "rules/approval.h"

#include <string.h>

#include "base/text.h"
#include "rules/change.h"

static const char *const modes[] = {"detect", "enforce"};
static const char *const answers[] = {"no", "yes"};

static int read_release(const struct yaml_node *root, struct rules_release *r, struct err *e)
{
    size_t mode = 0, urgent = 0;
    int rc;

    if (yaml_type(root) != YAML_MAP_)
        return yaml_err(e, root,
                        "a release of the rules is a map that begins with \"format: "
                        "rules-release/v1\"");
    if ((rc = document_format(root, "rules-release/v1", e)) != 0 ||
        (rc = document_chain(root, &r->chain, e)) != 0 ||
        (rc = document_id(root, "change", &r->change, e)) != 0 ||
        (rc = document_id(root, "author", &r->author, e)) != 0 ||
        (rc = change_digest(root, "tree", &r->tree, NULL, e)) != 0 ||
        (rc = change_digest(root, "report", &r->report, NULL, e)) != 0 ||
        (rc = document_word_of(root, "mode", modes, ARRAY_LEN(modes), &mode, e)) != 0 ||
        (rc = document_word_of(root, "urgent", answers, ARRAY_LEN(answers), &urgent, e)) != 0 ||
        (rc = yaml_need_u64(root, "allows", 0, APPROVAL_ALLOWS_MAX, &r->allows, e)) != 0)
        return rc;
    r->mode = (enum rules_mode)mode;
    r->urgent = urgent == 1;
    return yaml_map_done(root, e);
}

int approval_parse(struct rules_release *out, const char *name, struct span text, struct err *e)
{
    struct rules_release r;
    struct yaml_doc *doc = NULL;
    int rc = yaml_parse(&doc, name, text, e);

    if (rc != 0)
        return rc;
    memset(&r, 0, sizeof(r));
    rc = read_release(yaml_root(doc), &r, e);
    yaml_free(doc);
    if (rc == 0)
        *out = r;
    return rc;
}

int approval_write(const struct rules_release *r, struct buf *out)
{
    char change[33], author[33], previous[65] = "none", tree[65], report[65];

    text_id(change, &r->change);
    text_id(author, &r->author);
    if (r->chain.serial > 1)
        text_digest(previous, &r->chain.previous);
    text_digest(tree, &r->tree);
    text_digest(report, &r->report);
    return buf_printf(out,
                      "format: rules-release/v1\nserial: %llu\nprevious: \"%s\"\nchange: \"%s\"\n"
                      "author: \"%s\"\ntree: \"%s\"\nreport: \"%s\"\nmode: %s\nurgent: \"%s\"\n"
                      "allows: %llu\n",
                      (unsigned long long)r->chain.serial, previous, change, author, tree, report,
                      modes[r->mode], answers[r->urgent ? 1 : 0], (unsigned long long)r->allows);
}

#include "rules/override.h"

#include <string.h>

#include "base/text.h"
#include "rules/change.h"

static const char *const grounds[] = {"allow", "withdraw", "verdict"};
static const char *const askers[] = {"vendor",     "owner",      "partner",
                                     "researcher", "government", "court"};

static int read_why(const struct yaml_node *root, struct err *e)
{
    const struct yaml_node *n;
    const char *s;
    int rc;

    if ((rc = yaml_need(root, "why", &n, e)) != 0 || (rc = yaml_text(n, &s, e)) != 0)
        return rc;
    if (s[0] == '\0' || strlen(s) > OVERRIDE_TEXT_MAX)
        return yaml_err(e, n, "\"why\" is 1 to %d bytes: what an auditor will read",
                        OVERRIDE_TEXT_MAX);
    return 0;
}

static int read_override(const struct yaml_node *root, struct rules_override *o, struct err *e)
{
    size_t ground = 0, asker = 0;
    int rc;

    if (yaml_type(root) != YAML_MAP_)
        return yaml_err(e, root, "an override is a map that begins with \"format: override/v1\"");
    if ((rc = document_format(root, "override/v1", e)) != 0 ||
        (rc = document_id(root, "override", &o->override, e)) != 0 ||
        (rc = document_id(root, "author", &o->author, e)) != 0 ||
        (rc = document_word_of(root, "ground", grounds, ARRAY_LEN(grounds), &ground, e)) != 0 ||
        (rc = document_word_of(root, "asker", askers, ARRAY_LEN(askers), &asker, e)) != 0 ||
        (rc = yaml_need_u64(root, "count", 1, OVERRIDE_COUNT_MAX, &o->count, e)) != 0 ||
        (rc = change_digest(root, "subject", &o->subject, NULL, e)) != 0 ||
        (rc = read_why(root, e)) != 0)
        return rc;
    o->ground = (enum rules_ground)ground;
    o->asker = (enum rules_asker)asker;
    return yaml_map_done(root, e);
}

int override_parse(struct rules_override *out, const char *name, struct span text, struct err *e)
{
    struct rules_override o;
    struct yaml_doc *doc = NULL;
    int rc = yaml_parse(&doc, name, text, e);

    if (rc != 0)
        return rc;
    memset(&o, 0, sizeof(o));
    rc = read_override(yaml_root(doc), &o, e);
    yaml_free(doc);
    if (rc == 0)
        *out = o;
    return rc;
}

int override_why(const char *name, struct span text, struct buf *out, struct err *e)
{
    struct yaml_doc *doc = NULL;
    const char *s;
    int rc = yaml_parse(&doc, name, text, e);

    if (rc == 0 && (rc = yaml_need_text(yaml_root(doc), "why", &s, e)) == 0)
        rc = buf_puts(out, s);
    yaml_free(doc);
    return rc;
}

int override_write(const struct rules_override *o, const char *why, struct buf *out)
{
    char id[33], author[33], subject[65];

    text_id(id, &o->override);
    text_id(author, &o->author);
    text_digest(subject, &o->subject);
    return buf_printf(out,
                      "format: override/v1\noverride: \"%s\"\nauthor: \"%s\"\nground: %s\n"
                      "asker: %s\ncount: %llu\nsubject: \"%s\"\nwhy: |\n  %s\n",
                      id, author, grounds[o->ground], askers[o->asker],
                      (unsigned long long)o->count, subject, why);
}

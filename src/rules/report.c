#include "rules/report.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "rules/change.h"

#define MOST (UINT64_C(1) << 52)
#define SLOWEST 1000 /* % */

static const char *const answers[] = {"no", "yes"};

bool report_passes(const struct rules_report *r, unsigned slower, char *out, size_t n)
{
    char text[200] = "";

    if (r->hit == 0 || r->clean == 0)
        (void)snprintf(text, sizeof(text), "nothing was tested that must %sbe hit",
                       r->hit == 0 ? "" : "not ");
    else if (r->missed > 0)
        (void)snprintf(text, sizeof(text), "%llu of %llu files that must be hit were not",
                       (unsigned long long)r->missed, (unsigned long long)r->hit);
    else if (r->false_hits > 0)
        (void)snprintf(text, sizeof(text), "%llu of %llu files that must not be hit were",
                       (unsigned long long)r->false_hits, (unsigned long long)r->clean);
    else if (r->base_ms > 0 && r->ms > r->base_ms * slower / 100)
        (void)snprintf(text, sizeof(text), "it takes %llu ms where the base takes %llu",
                       (unsigned long long)r->ms, (unsigned long long)r->base_ms);
    if (out != NULL)
        (void)snprintf(out, n, "%s", text);
    return text[0] == '\0';
}

static int read_engines(const struct yaml_node *root, struct rules_report *r, struct err *e)
{
    const struct yaml_node *n;
    const char *s;
    int rc;

    if ((rc = yaml_need(root, "engines", &n, e)) != 0 || (rc = yaml_text(n, &s, e)) != 0)
        return rc;
    if (s[0] == '\0' || strlen(s) >= sizeof(r->engines) ||
        strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789.-") != strlen(s))
        return yaml_err(e, n, "\"%s\" is not a label: 1 to 32 of a-z, 0-9, \".\" and \"-\"", s);
    memcpy(r->engines, s, strlen(s) + 1);
    return 0;
}

static int read_numbers(const struct yaml_node *root, struct rules_report *r, struct err *e)
{
    const struct {
        const char *key;
        uint64_t *to;
    } all[] = {{"rules", &r->rules},    {"allows", &r->allows},       {"hit", &r->hit},
               {"missed", &r->missed},  {"clean", &r->clean},         {"false", &r->false_hits},
               {"bytes", &r->bytes},    {"unscanned", &r->unscanned}, {"ms", &r->ms},
               {"base_ms", &r->base_ms}};
    int rc = 0;

    for (size_t i = 0; i < ARRAY_LEN(all) && rc == 0; i++)
        rc = yaml_need_u64(root, all[i].key, 0, MOST, all[i].to, e);
    return rc;
}

static int read_report(const struct yaml_node *root, struct rules_report *r, struct err *e)
{
    const struct yaml_node *passed;
    size_t answer = 0;
    char why[200];
    int rc;

    if (yaml_type(root) != YAML_MAP_)
        return yaml_err(e, root, "a report is a map that begins with \"format: rules-report/v1\"");
    if ((rc = document_format(root, "rules-report/v1", e)) != 0 ||
        (rc = change_digest(root, "tree", &r->tree, NULL, e)) != 0 ||
        (rc = change_digest(root, "base", &r->base, &r->first, e)) != 0 ||
        (rc = change_digest(root, "corpus_root", &r->corpus_root, NULL, e)) != 0 ||
        (rc = read_engines(root, r, e)) != 0 || (rc = read_numbers(root, r, e)) != 0 ||
        (rc = document_word_of(root, "passed", answers, ARRAY_LEN(answers), &answer, e)) != 0 ||
        (rc = yaml_map_done(root, e)) != 0)
        return rc;
    r->passed = answer == 1;
    if (r->passed && !report_passes(r, SLOWEST, why, sizeof(why)))
        return (rc = yaml_need(root, "passed", &passed, e)) != 0
                   ? rc
                   : yaml_err(e, passed, "it did not pass: %s", why);
    return 0;
}

int report_parse(struct rules_report *out, const char *name, struct span text, struct err *e)
{
    struct rules_report r;
    struct yaml_doc *doc = NULL;
    int rc = yaml_parse(&doc, name, text, e);

    if (rc != 0)
        return rc;
    memset(&r, 0, sizeof(r));
    rc = read_report(yaml_root(doc), &r, e);
    yaml_free(doc);
    if (rc == 0)
        *out = r;
    return rc;
}

int report_write(const struct rules_report *r, struct buf *out)
{
    char tree[65], base[65] = "none", root[65];

    text_digest(tree, &r->tree);
    if (!r->first)
        text_digest(base, &r->base);
    text_digest(root, &r->corpus_root);
    return buf_printf(
        out,
        "format: rules-report/v1\ntree: \"%s\"\nbase: \"%s\"\ncorpus_root: \"%s\"\nengines: %s\n"
        "rules: %llu\nallows: %llu\nhit: %llu\nmissed: %llu\nclean: %llu\nfalse: %llu\n"
        "unscanned: %llu\nbytes: %llu\nms: %llu\nbase_ms: %llu\npassed: \"%s\"\n",
        tree, base, root, r->engines, (unsigned long long)r->rules, (unsigned long long)r->allows,
        (unsigned long long)r->hit, (unsigned long long)r->missed, (unsigned long long)r->clean,
        (unsigned long long)r->false_hits, (unsigned long long)r->unscanned,
        (unsigned long long)r->bytes, (unsigned long long)r->ms, (unsigned long long)r->base_ms,
        answers[r->passed ? 1 : 0]);
}

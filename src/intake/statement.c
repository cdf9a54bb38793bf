#include "intake/statement.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "people/document.h"

#define DAY 86400u
#define MOST_DAYS 36500u

static const char *const scope_words[INTAKE_SCOPES] = {"file", "statistic", "lookup"};

/* By set: bit 0 file, bit 1 statistic, bit 2 lookup. */
static const char *const set_words[1 << INTAKE_SCOPES] = {
    "",       "file",        "statistic",        "file,statistic",
    "lookup", "file,lookup", "lookup,statistic", "file,lookup,statistic",
};

const char *intake_scope_word(enum intake_scope s)
{
    return scope_words[s];
}

int intake_scope_of(struct span word, enum intake_scope *out)
{
    for (int s = 0; s < INTAKE_SCOPES; s++)
        if (span_is(word, scope_words[s])) {
            *out = (enum intake_scope)s;
            return 0;
        }
    return -EBADMSG;
}

const char *statement_scopes_word(unsigned set)
{
    return set_words[set];
}

int statement_scopes_of(struct span word, unsigned *set)
{
    for (unsigned s = 1; s < ARRAY_LEN(set_words); s++)
        if (span_is(word, set_words[s])) {
            *set = s;
            return 0;
        }
    return -EBADMSG;
}

/* A label of docs/events.md, and more narrowly a language tag in lower case (RFC 5646's shape). */
static int read_language(const struct yaml_node *root, struct statement *s, struct err *e)
{
    const struct yaml_node *n;
    const char *word;
    size_t len;
    int rc;

    if ((rc = yaml_need(root, "language", &n, e)) != 0 || (rc = yaml_text(n, &word, e)) != 0)
        return rc;
    len = strlen(word);
    if (len < 2 || len >= sizeof(s->language) ||
        strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789-") != len || word[0] < 'a' ||
        word[1] < 'a' || word[len - 1] == '-')
        return yaml_err(e, n, "\"%s\" is not a language tag in lower case (\"en\", \"de-ch\")",
                        word);
    memcpy(s->language, word, len + 1);
    return 0;
}

static int read_scopes(const struct yaml_node *root, struct statement *s, struct err *e)
{
    const struct yaml_node *list, *n;
    size_t word;
    int rc;

    if ((rc = document_list(root, "scopes", 1, INTAKE_SCOPES, &list, e)) != 0)
        return rc;
    for (size_t i = 0; i < yaml_count(list); i++) {
        if ((rc = yaml_item(list, i, &n, e)) != 0 ||
            (rc = yaml_word(n, scope_words, INTAKE_SCOPES, &word, e)) != 0)
            return rc;
        if ((s->scopes >> word & 1) != 0)
            return yaml_err(e, n, "scope \"%s\" is already listed", scope_words[word]);
        s->scopes |= 1u << word;
    }
    return 0;
}

/* A number of whole days: the leaf carries days. */
static int read_days(const struct yaml_node *root, const char *key, unsigned *out, struct err *e)
{
    const struct yaml_node *n;
    uint64_t seconds;
    int rc;

    if ((rc = yaml_need(root, key, &n, e)) != 0 || (rc = yaml_duration(n, &seconds, e)) != 0)
        return rc;
    if (seconds % DAY != 0 || seconds < DAY || seconds > (uint64_t)MOST_DAYS * DAY)
        return yaml_err(e, n, "\"%s\" must be whole days, 1d to %ud", key, MOST_DAYS);
    *out = (unsigned)(seconds / DAY);
    return 0;
}

static int read_text(const struct yaml_node *root, struct statement *s, struct err *e)
{
    const struct yaml_node *n;
    const char *text;
    int rc;

    if ((rc = yaml_need(root, "text", &n, e)) != 0 || (rc = yaml_text(n, &text, e)) != 0)
        return rc;
    if (text[strspn(text, " \t\r\n")] == '\0')
        return yaml_err(e, n, "\"text\" is empty; nobody can agree to nothing");
    if (strlen(text) > STATEMENT_TEXT_MAX)
        return yaml_err(e, n, "\"text\" is longer than %zu bytes", STATEMENT_TEXT_MAX);
    s->text = strdup(text);
    return s->text == NULL ? err_set(e, -ENOMEM, "statement: out of memory") : 0;
}

static int read_statement(const struct yaml_node *root, struct statement *s, struct err *e)
{
    int rc;

    if (yaml_type(root) != YAML_MAP_)
        return yaml_err(e, root, "a statement is a map that begins with \"format: statement/v1\"");
    if ((rc = document_format(root, "statement/v1", e)) != 0 ||
        (rc = read_language(root, s, e)) != 0 || (rc = read_scopes(root, s, e)) != 0 ||
        (rc = read_days(root, "erase_within", &s->erase_within, e)) != 0 ||
        (rc = read_days(root, "retention", &s->retention, e)) != 0 ||
        (rc = read_text(root, s, e)) != 0)
        return rc;
    return yaml_map_done(root, e);
}

int statement_parse(struct statement *out, const char *name, struct span text, struct err *e)
{
    struct statement s = {.scopes = 0};
    struct yaml_doc *doc = NULL;
    int rc = yaml_parse(&doc, name, text, e);

    if (rc != 0)
        return rc;
    rc = read_statement(yaml_root(doc), &s, e);
    yaml_free(doc);
    if (rc != 0)
        statement_done(&s);
    else
        *out = s;
    return rc;
}

void statement_done(struct statement *s)
{
    free(s->text);
    s->text = NULL;
}

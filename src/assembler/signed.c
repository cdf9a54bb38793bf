#include "assembler/signed.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assembler/proven.h"
#include "base/text.h"
#include "crypto/sha256.h"

struct signed_statement {
    json_t *root, *subjects, *byproducts;
};

static bool is(const json_t *map, const char *key, const char *value)
{
    const char *s = json_string_value(json_object_get(map, key));

    return s != NULL && strcmp(s, value) == 0;
}

void signed_free(struct signed_statement *s)
{
    if (s == NULL)
        return;
    json_decref(s->root);
    free(s);
}

/* runDetails.byproducts, made where there is none. */
static json_t *byproducts_of(json_t *root)
{
    json_t *run = json_object_get(json_object_get(root, "predicate"), "runDetails");
    json_t *list = json_object_get(run, "byproducts");

    if (list == NULL && json_is_object(run) &&
        json_object_set_new(run, "byproducts", json_array()) == 0)
        list = json_object_get(run, "byproducts");
    return json_is_array(list) ? list : NULL;
}

int signed_open(struct signed_statement **out, struct span text, struct err *e)
{
    struct signed_statement *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return err_sys(e, -ENOMEM, "reading a provenance");
    s->root = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
    s->subjects = json_object_get(s->root, "subject");
    s->byproducts = byproducts_of(s->root);
    if (!is(s->root, "_type", PROVEN_STATEMENT) ||
        !is(s->root, "predicateType", PROVEN_PREDICATE) || !json_is_array(s->subjects) ||
        s->byproducts == NULL) {
        signed_free(s);
        return err_set(e, -EBADMSG,
                       "the provenance is no in-toto statement v1 with a SLSA provenance v1");
    }
    *out = s;
    return 0;
}

static bool ends_with(const char *name, const char *file)
{
    const size_t n = strlen(name), m = strlen(file);

    return n >= m && strcmp(name + n - m, file) == 0 && (n == m || name[n - m - 1] == '/');
}

int signed_subject(const struct signed_statement *s, const char *file, const char **name,
                   struct err *e)
{
    const char *found = NULL;

    for (size_t i = 0; i < json_array_size(s->subjects); i++) {
        const char *its =
            json_string_value(json_object_get(json_array_get(s->subjects, i), "name"));

        if (its == NULL || !ends_with(its, file))
            continue;
        if (found != NULL)
            return err_set(e, -ENOENT, "the provenance speaks of several \"%s\"", file);
        found = its;
    }
    if (found == NULL)
        return err_set(e, -ENOENT, "the provenance does not speak of \"%s\"", file);
    *name = found;
    return 0;
}

static size_t find(const json_t *list, const char *name)
{
    size_t i = 0;

    while (i < json_array_size(list) && !is(json_array_get(list, i), "name", name))
        i++;
    return i;
}

static json_t *with_digest(const char *name, const struct digest *d)
{
    char hex[65];

    text_digest(hex, d);
    return json_pack("{s:s, s:{s:s}}", "name", name, "digest", "sha256", hex);
}

static bool has_digest(const json_t *item, const struct digest *want)
{
    const char *hex = json_string_value(json_object_get(json_object_get(item, "digest"), "sha256"));
    struct digest d;

    return hex != NULL && text_undigest(span_str(hex), &d) == 0 && digest_eq(&d, want);
}

int signed_replace(struct signed_statement *s, const char *name, const struct digest *built,
                   const struct digest *is_now, struct err *e)
{
    const size_t at = find(s->subjects, name);
    char *before = NULL;
    int rc = 0;

    if (asprintf(&before, "%s, before it was signed", name) < 0)
        return err_sys(e, -ENOMEM, "the provenance");
    if (find(s->byproducts, before) < json_array_size(s->byproducts))
        rc = err_set(e, -EEXIST, "\"%s\" stands for two files", name);
    else if (!has_digest(json_array_get(s->subjects, at), built))
        rc = err_set(e, -EBADMSG, "the provenance is of another \"%s\" than was built", name);
    /* the byproduct first: name is the subject's, and goes with it */
    else if (json_array_append_new(s->byproducts, with_digest(before, built)) != 0 ||
             json_array_set_new(s->subjects, at, with_digest(name, is_now)) != 0)
        rc = err_sys(e, -ENOMEM, "the provenance");
    free(before);
    return rc;
}

int signed_write(const struct signed_statement *s, struct buf *out)
{
    char *text = json_dumps(s->root, JSON_COMPACT);
    int rc = text == NULL ? -ENOMEM : buf_puts(out, text);

    free(text);
    return rc != 0 ? rc : buf_putc(out, '\n');
}

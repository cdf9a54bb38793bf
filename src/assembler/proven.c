#include "assembler/proven.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/text.h"
#include "crypto/sha256.h"
#include "people/dsse.h"

static int bad(struct err *e, const char *what)
{
    return err_set(e, -EBADMSG, "the provenance %s", what);
}

static bool is(const json_t *map, const char *key, const char *value)
{
    const char *s = json_string_value(json_object_get(map, key));

    return s != NULL && strcmp(s, value) == 0;
}

/* {"digest": {"sha256": HEX}} */
static bool sha256_of_item(const json_t *item, struct digest *out)
{
    const char *s = json_string_value(json_object_get(json_object_get(item, "digest"), "sha256"));

    return s != NULL && text_undigest(span_str(s), out) == 0;
}

/* Each artifact once and nothing else: as many, and each found by name.  The artifacts' names
 * differ, so no subject can be counted twice unless one is missing. */
static int check_subjects(const json_t *subjects, const struct product *p, struct err *e)
{
    size_t n = json_array_size(subjects), at;
    struct digest d;

    if (n != p->artifacts)
        return err_set(e, -EBADMSG, "the provenance is of %zu files, the product has %zu", n,
                       p->artifacts);
    for (size_t i = 0; i < p->artifacts; i++) {
        for (at = 0; at < n; at++)
            if (is(json_array_get(subjects, at), "name", p->artifact[i].name))
                break;
        if (at == n)
            return err_set(e, -EBADMSG, "the provenance does not speak of \"%s\"",
                           p->artifact[i].name);
        if (!sha256_of_item(json_array_get(subjects, at), &d) ||
            !digest_eq(&d, &p->artifact[i].sha256))
            return err_set(e, -EBADMSG, "the provenance is of another \"%s\"", p->artifact[i].name);
    }
    return 0;
}

static bool depends(const json_t *list, const struct digest *want)
{
    struct digest d;

    for (size_t i = 0; i < json_array_size(list); i++)
        if (sha256_of_item(json_array_get(list, i), &d) && digest_eq(&d, want))
            return true;
    return false;
}

static int check_dependencies(const json_t *list, const struct product *p, struct err *e)
{
    if (!depends(list, &p->source))
        return bad(e, "says another source than the product");
    if (!depends(list, &p->recipe))
        return bad(e, "says another recipe than the product");
    if (!depends(list, &p->toolchain))
        return bad(e, "says another toolchain than the product");
    return 0;
}

static int check_statement(struct span text, const struct product *p, struct err *e)
{
    const json_t *definition;
    json_t *root = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
    int rc;

    if (!json_is_object(root) || !is(root, "_type", PROVEN_STATEMENT) ||
        !is(root, "predicateType", PROVEN_PREDICATE)) {
        json_decref(root);
        return bad(e, "is no in-toto statement v1 with a SLSA provenance v1");
    }
    definition = json_object_get(json_object_get(root, "predicate"), "buildDefinition");
    if ((rc = check_subjects(json_object_get(root, "subject"), p, e)) == 0)
        rc = check_dependencies(json_object_get(definition, "resolvedDependencies"), p, e);
    json_decref(root);
    return rc;
}

int proven_check(struct span envelope, const struct product *p, struct err *e)
{
    struct dsse *env = NULL;
    int rc = dsse_parse(&env, envelope, e);

    if (rc != 0) {
        err_prefix(e, "the provenance");
        return rc == -E2BIG ? -EBADMSG : rc;
    }
    if (strcmp(dsse_type(env), PROVEN_TYPE) != 0)
        rc = err_set(e, -EBADMSG, "the provenance is an envelope of type %s, not %s",
                     dsse_type(env), PROVEN_TYPE);
    else
        rc = check_statement(dsse_payload(env), p, e);
    dsse_free(env);
    return rc;
}

/* "2026-11-27T08:15:00Z" */
static unsigned year_of(const char *began)
{
    uint64_t year;

    return began != NULL && strlen(began) >= 20 && began[4] == '-' &&
                   text_u64(span_of(began, 4), 9999, &year) == 0 && year >= 1970
               ? (unsigned)year
               : 0;
}

unsigned proven_year(struct span envelope)
{
    const json_t *details;
    struct dsse *env = NULL;
    struct span text;
    unsigned year = 0;
    json_t *root;

    if (dsse_parse(&env, envelope, NULL) != 0)
        return 0;
    text = dsse_payload(env);
    if ((root = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, NULL)) != NULL) {
        details = json_object_get(json_object_get(root, "predicate"), "runDetails");
        year = year_of(
            json_string_value(json_object_get(json_object_get(details, "metadata"), "startedOn")));
    }
    json_decref(root);
    dsse_free(env);
    return year;
}

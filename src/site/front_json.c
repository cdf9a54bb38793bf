#include "site/front_json.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/text.h"
#include "intake/statement.h"

struct member {
    const char *name, *form;
    bool optional;
    int (*take)(struct span value, void *out);
};

/* --- values --- */

static int take_sub(struct span s, void *out)
{
    return text_unid(s, &((struct pm_open *)out)->sub);
}

static int take_key(struct span s, void *out)
{
    return text_unbase64_exact(s, ((struct pm_open *)out)->sub_key, 32);
}

static int take_sig(struct span s, void *out)
{
    return text_unbase64_exact(s, ((struct pm_open *)out)->sub_sig, 64);
}

static int take_order_sig(struct span s, void *out)
{
    return text_unbase64_exact(s, out, 64);
}

static int take_scope_of(struct span s, uint32_t *out)
{
    enum intake_scope scope;
    int rc = intake_scope_of(s, &scope);

    if (rc == 0)
        *out = (uint32_t)scope;
    return rc;
}

static int take_kind(struct span s, void *out)
{
    return take_scope_of(s, &((struct pm_open *)out)->kind);
}

static int take_scope(struct span s, void *out)
{
    return take_scope_of(s, &((struct pm_open *)out)->scope);
}

static int take_country(struct span s, void *out)
{
    struct pm_open *m = out;

    if (s.n != 2 || s.p[0] < 'A' || s.p[0] > 'Z' || s.p[1] < 'A' || s.p[1] > 'Z')
        return -EBADMSG;
    memcpy(m->country, s.p, 2);
    return 0;
}

static int take_basis(struct span s, void *out)
{
    (void)out;
    return span_is(s, "declared") ? 0 : -EBADMSG;
}

static int take_statement(struct span s, void *out)
{
    struct pm_open *m = out;

    m->has_statement = 1;
    return text_undigest(s, &m->statement);
}

static const struct member announcement[] = {
    {"sub", "32 lower-case hex digits", false, take_sub},
    {"sub_key", "44 characters of base64", false, take_key},
    {"sub_sig", "88 characters of base64", false, take_sig},
    {"kind", "file, statistic or lookup", false, take_kind},
    {"country", "two letters A-Z", false, take_country},
    {"basis", "declared", false, take_basis},
    {"statement", "64 lower-case hex digits", true, take_statement},
    {"scope", "file, statistic or lookup", false, take_scope},
};
static const struct member order[] = {
    {"sub_sig", "88 characters of base64", false, take_order_sig},
};

/* --- objects --- */

static int take_object(struct span body, const struct member *members, size_t n, void *out,
                       struct err *e)
{
    json_error_t why;
    json_t *root, *value;
    size_t found = 0;
    int rc = 0;

    if (body.n > FRONT_JSON_MAX)
        return err_set(e, -EBADMSG, "the body has more than %d bytes", FRONT_JSON_MAX);
    root = json_loadb((const char *)body.p, body.n, JSON_REJECT_DUPLICATES, &why);
    if (root == NULL || !json_is_object(root)) {
        rc = root == NULL
                 ? err_set(e, -EBADMSG, "the body is not JSON: line %d: %s", why.line, why.text)
                 : err_set(e, -EBADMSG, "the body is not a JSON object");
        json_decref(root);
        return rc;
    }
    for (size_t i = 0; i < n && rc == 0; i++) {
        value = json_object_get(root, members[i].name);
        if (value == NULL && members[i].optional)
            continue;
        found++;
        if (value == NULL)
            rc = err_set(e, -EBADMSG, "the member \"%s\" is missing", members[i].name);
        else if (!json_is_string(value) ||
                 members[i].take(span_of(json_string_value(value), json_string_length(value)),
                                 out) != 0)
            rc = err_set(e, -EBADMSG, "the member \"%s\" must be %s", members[i].name,
                         members[i].form);
    }
    if (rc == 0 && json_object_size(root) != found)
        rc = err_set(e, -EBADMSG, "the body has a member that docs/openapi.yaml does not name");
    json_decref(root);
    return rc;
}

void front_json_warm(void)
{
    json_object_seed(0); /* of its hash tables; it reads /dev/urandom */
}

int front_json_open(struct span body, struct pm_open *out, struct err *e)
{
    struct digest token = out->token;

    memset(out, 0, sizeof(*out));
    out->token = token;
    return take_object(body, announcement, ARRAY_LEN(announcement), out, e);
}

int front_json_order(struct span body, uint8_t sig[64], struct err *e)
{
    return take_object(body, order, ARRAY_LEN(order), sig, e);
}

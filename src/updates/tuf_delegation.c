#include "updates/tuf_delegation.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "crypto/sha256.h"

bool tuf_role_name_ok(const char *name)
{
    static const char *const top[] = {"root", "timestamp", "snapshot", "targets", "mirrors"};

    if (name[0] == '\0' || strlen(name) > TUF_MAX_ROLE_NAME)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(top); i++)
        if (strcmp(name, top[i]) == 0)
            return false;
    return true;
}

static bool is_hex(const char *s)
{
    size_t n = strlen(s);

    return n >= 1 && n <= 64 && strspn(s, "0123456789abcdef") == n;
}

static bool is_pattern(const char *s)
{
    return strlen(s) <= TUF_MAX_PATTERN;
}

/* An array of strings that ok likes, or NULL. */
static int parse_strings(const json_t *role, const char *where, const char *name,
                         bool (*ok)(const char *), json_t **out, struct err *e)
{
    json_t *s;
    size_t i;
    int rc;

    *out = NULL;
    if (json_object_get(role, name) == NULL)
        return 0;
    if ((rc = tuf_json_array(role, where, name, out, e)) != 0)
        return rc;
    json_array_foreach(*out, i, s)
    {
        if (!json_is_string(s) || !ok(json_string_value(s)))
            return err_set(e, -EBADMSG, "%s: \"%s\" has an element that makes no sense", where,
                           name);
    }
    return 0;
}

static int parse_one(struct tuf_delegation *d, const json_t *role, struct err *e)
{
    const char *where = "delegation";
    int rc;

    if (!json_is_object(role))
        return err_set(e, -EBADMSG, "%s: not an object", where);
    if ((rc = tuf_json_string(role, where, "name", &d->name, e)) != 0)
        return rc;
    if (!tuf_role_name_ok(d->name))
        return err_set(e, -EBADMSG, "%s: \"%.80s\" cannot be the name of a role", where, d->name);
    if ((rc = tuf_signers_parse(&d->signers, role, where, e)) != 0 ||
        (rc = tuf_json_bool(role, where, "terminating", &d->terminating, e)) != 0 ||
        (rc = parse_strings(role, where, "paths", is_pattern, &d->paths, e)) != 0 ||
        (rc = parse_strings(role, where, "path_hash_prefixes", is_hex, &d->prefixes, e)) != 0)
        return rc;
    if ((d->paths == NULL) == (d->prefixes == NULL))
        return err_set(e, -EBADMSG,
                       "%s \"%.80s\": needs either \"paths\" or \"path_hash_prefixes\"", where,
                       d->name);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* TUF 4.5: a role's name stands once in a delegations object. */
static int check_unique(const struct tuf_delegations *d, struct err *e)
{
    const char **names = calloc(d->n + 1, sizeof(*names));
    int rc = 0;

    if (names == NULL)
        return err_sys(e, -ENOMEM, "delegations");
    for (size_t i = 0; i < d->n; i++)
        names[i] = d->v[i].name;
    qsort(names, d->n, sizeof(*names), by_name);
    for (size_t i = 1; i < d->n && rc == 0; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            rc = err_set(e, -EBADMSG, "delegation \"%.80s\" stands there twice", names[i]);
    free(names);
    return rc;
}

static int parse_roles(struct tuf_delegations *out, const json_t *object, struct err *e)
{
    json_t *list, *role;
    size_t i;
    int rc;

    if ((rc = tuf_json_array(object, "delegations", "roles", &list, e)) != 0)
        return rc;
    if (json_array_size(list) > TUF_MAX_DELEGATIONS)
        return err_set(e, -E2BIG, "more than %d delegations", TUF_MAX_DELEGATIONS);
    if ((out->v = calloc(json_array_size(list) + 1, sizeof(*out->v))) == NULL)
        return err_sys(e, -ENOMEM, "delegations");
    json_array_foreach(list, i, role)
    {
        if ((rc = parse_one(&out->v[out->n++], role, e)) != 0)
            return rc;
    }
    return check_unique(out, e);
}

static int parse_bins(struct tuf_delegations *out, const json_t *object, struct err *e)
{
    const char *where = "succinct_roles";
    int64_t bits = 0;
    json_t *o;
    int rc;

    if ((rc = tuf_json_object(object, "delegations", where, &o, e)) != 0 ||
        (rc = tuf_json_int(o, where, "bit_length", 1, 32, &bits, e)) != 0 ||
        (rc = tuf_signers_parse(&out->bins.signers, o, where, e)) != 0 ||
        (rc = tuf_json_string(o, where, "name_prefix", &out->bins.prefix, e)) != 0)
        return rc;
    if (strlen(out->bins.prefix) > TUF_MAX_ROLE_NAME)
        return err_set(e, -E2BIG, "%s: a name_prefix of more than %d bytes", where,
                       TUF_MAX_ROLE_NAME);
    out->bins.bits = (unsigned)bits;
    return 0;
}

int tuf_delegations_parse(struct tuf_delegations *out, const json_t *object, struct err *e)
{
    bool roles = json_object_get(object, "roles") != NULL;
    bool bins = json_object_get(object, "succinct_roles") != NULL;

    if (roles == bins)
        return err_set(e, -EBADMSG, "delegations: need either \"roles\" or \"succinct_roles\"");
    return roles ? parse_roles(out, object, e) : parse_bins(out, object, e);
}

void tuf_delegations_free(struct tuf_delegations *d)
{
    for (size_t i = 0; i < d->n; i++)
        tuf_signers_free(&d->v[i].signers);
    free(d->v);
    tuf_signers_free(&d->bins.signers);
    *d = (struct tuf_delegations){0};
}

static void hash_path(const char *path, struct digest *d, char hex[65])
{
    sha256_of(path, strlen(path), d);
    text_digest(hex, d);
}

bool tuf_delegation_has(const struct tuf_delegation *d, const char *path)
{
    struct digest digest;
    char hex[65];
    json_t *s;
    size_t i;

    if (d->paths != NULL) {
        json_array_foreach(d->paths, i, s)
        {
            if (tuf_pattern_matches(json_string_value(s), path))
                return true;
        }
        return false;
    }
    hash_path(path, &digest, hex);
    json_array_foreach(d->prefixes, i, s)
    {
        if (strncmp(hex, json_string_value(s), json_string_length(s)) == 0)
            return true;
    }
    return false;
}

/* TAP 15: the bin is the first bits of the path's hash; its number has as many digits as the
 * greatest one. */
static int bin_digits(const struct tuf_bins *b)
{
    return (int)(b->bits + 3) / 4;
}

void tuf_bin_name(const struct tuf_bins *b, const char *path, char out[TUF_BIN_NAME_SIZE])
{
    struct digest d;
    char hex[65];
    uint32_t top;

    hash_path(path, &d, hex);
    top = (uint32_t)d.b[0] << 24 | (uint32_t)d.b[1] << 16 | (uint32_t)d.b[2] << 8 | d.b[3];
    (void)snprintf(out, TUF_BIN_NAME_SIZE, "%s-%0*x", b->prefix, bin_digits(b),
                   top >> (32 - b->bits));
}

static bool is_bin(const struct tuf_bins *b, const char *role)
{
    size_t n = strlen(b->prefix);
    int digits = bin_digits(b);
    const char *number = role + n + 1;

    return strncmp(role, b->prefix, n) == 0 && role[n] == '-' && strlen(number) == (size_t)digits &&
           strspn(number, "0123456789abcdef") == (size_t)digits &&
           strtoull(number, NULL, 16) >> b->bits == 0;
}

const struct tuf_signers *tuf_delegations_signers(const struct tuf_delegations *d, const char *role)
{
    if (d->bins.prefix != NULL)
        return is_bin(&d->bins, role) ? &d->bins.signers : NULL;
    for (size_t i = 0; i < d->n; i++)
        if (strcmp(d->v[i].name, role) == 0)
            return &d->v[i].signers;
    return NULL;
}

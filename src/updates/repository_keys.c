#include "updates/repository_keys.h"

#include <errno.h>
#include <string.h>

#include "base/yaml.h"
#include "people/document.h"

#define LIFETIME_MIN 60u
#define LIFETIME_MAX (20u * 366u * 86400u)

const char *repository_role_name(unsigned role)
{
    return role < TUF_TYPES           ? tuf_type_name((enum tuf_type)role)
           : role == REPOSITORY_RULES ? "rules"
                                      : "products";
}

struct tuf_write_role repository_keys_role(const struct repository_keys *k, unsigned role)
{
    return (struct tuf_write_role){
        .key = k->role[role].key, .n = k->role[role].n, .threshold = k->role[role].threshold};
}

static int parse_key(struct repository_keys *out, unsigned role, const struct yaml_node *item,
                     struct err *e)
{
    size_t n = out->role[role].n;
    struct ed25519_pub *k = &out->role[role].key[n];
    int rc = document_key(item, k, e);

    if (rc != 0)
        return rc;
    for (size_t i = 0; i < n; i++)
        if (memcmp(out->role[role].key[i].b, k->b, sizeof(k->b)) == 0)
            return yaml_err(e, item, "the same key twice in one role");
    out->role[role].n++;
    return 0;
}

static int parse_role(struct repository_keys *out, unsigned role, const struct yaml_node *map,
                      struct err *e)
{
    const struct yaml_node *keys, *expires, *item;
    uint64_t threshold, *life = &out->role[role].lifetime;
    int rc;

    if ((rc = yaml_need(map, "keys", &keys, e)) != 0 ||
        (rc = yaml_need_u64(map, "threshold", 1, REPOSITORY_KEYS_MAX, &threshold, e)) != 0 ||
        (rc = yaml_need(map, "expires", &expires, e)) != 0 ||
        (rc = yaml_duration(expires, life, e)) != 0 || (rc = yaml_map_done(map, e)) != 0)
        return rc;
    if (*life < LIFETIME_MIN || *life > LIFETIME_MAX)
        return yaml_err(e, expires, "from a minute to 20 years");
    if (yaml_type(keys) != YAML_LIST_ || yaml_count(keys) < threshold ||
        yaml_count(keys) > REPOSITORY_KEYS_MAX)
        return yaml_err(e, keys, "a list of at least as many keys as the threshold, at most %d",
                        REPOSITORY_KEYS_MAX);
    for (size_t i = 0; i < yaml_count(keys); i++)
        if ((rc = yaml_item(keys, i, &item, e)) != 0 || (rc = parse_key(out, role, item, e)) != 0)
            return rc;
    out->role[role].threshold = (unsigned)threshold;
    return 0;
}

static int parse(struct repository_keys *out, const struct yaml_node *root, struct err *e)
{
    const struct yaml_node *map;
    const char *format;
    int rc = yaml_need_text(root, "format", &format, e);

    if (rc != 0)
        return rc;
    if (strcmp(format, "update-keys/v1") != 0)
        return yaml_err(e, root, "\"format: update-keys/v1\" is expected");
    for (unsigned r = 0; r < REPOSITORY_ROLES; r++) {
        const char *name = repository_role_name(r);

        rc = r == REPOSITORY_PRODUCTS ? yaml_may(root, name, &map, e)
                                      : yaml_need(root, name, &map, e);
        if (rc != 0 || (map != NULL && (rc = parse_role(out, r, map, e)) != 0))
            return rc;
    }
    return yaml_map_done(root, e);
}

int repository_keys_parse(struct repository_keys *out, const char *name, struct span text,
                          struct err *e)
{
    struct yaml_doc *doc = NULL;
    int rc = yaml_parse(&doc, name, text, e);

    memset(out, 0, sizeof(*out));
    if (rc == 0)
        rc = parse(out, yaml_root(doc), e);
    yaml_free(doc);
    return rc;
}

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/yaml.h"
#include "claims/trust.h"
#include "crypto/sha256.h"
#include "people/document.h"

#define TOLERANCE_MAX 86400
#define EPOCH_WITHIN_DEFAULT (2 * 86400)

static int read_policy(struct trust *t, const struct yaml_node *root, struct err *e)
{
    const struct yaml_node *n;
    const char *text;
    int rc;

    if ((rc = yaml_need(root, "policy", &n, e)) != 0 || (rc = yaml_text(n, &text, e)) != 0)
        return rc;
    rc = tlog_policy_parse(&t->policy, span_str(text), e);
    if (rc == -ENOMEM)
        return rc;
    return rc != 0 ? yaml_err(e, n, "%s", err_text(e)) : 0;
}

static bool name_ok(const char *s, size_t min, size_t max, char first, char last)
{
    size_t n = strlen(s);

    if (n < min || n > max)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!(s[i] >= first && s[i] <= last) && !(s[i] >= '0' && s[i] <= '9'))
            return false;
    return true;
}

static int read_site(struct trust *t, const struct yaml_node *map, struct err *e)
{
    struct trust_site *s = &t->site[t->sites];
    const char *site, *zone;
    int rc;

    if ((rc = yaml_need_text(map, "site", &site, e)) != 0 ||
        (rc = yaml_need_text(map, "zone", &zone, e)) != 0 ||
        (rc = yaml_need_text(map, "origin", &s->origin, e)) != 0 ||
        (rc = yaml_map_done(map, e)) != 0)
        return rc;
    if (!name_ok(site, 2, 16, 'a', 'z') || site[0] < 'a')
        return yaml_err(e, map, "\"%s\" is not a site: a lower-case letter, then 1 to 15 of a-z0-9",
                        site);
    if (!name_ok(zone, 2, 8, 'A', 'Z'))
        return yaml_err(e, map, "\"%s\" is not a zone: 2 to 8 of A-Z0-9", zone);
    if (trust_site(t, site) != NULL)
        return yaml_err(e, map, "site \"%s\" stands twice", site);
    memcpy(s->site, site, strlen(site) + 1);
    memcpy(s->zone, zone, strlen(zone) + 1);
    for (size_t i = 0; i < tlog_policy_logs(t->policy); i++)
        if (strcmp(tlog_policy_log(t->policy, i)->name, s->origin) == 0)
            s->log = tlog_policy_log(t->policy, i);
    if (s->log == NULL)
        return yaml_err(e, map, "origin \"%s\" is not the name of a log of the policy above",
                        s->origin);
    t->sites++;
    return 0;
}

static int read_sites(struct trust *t, const struct yaml_node *root, struct err *e)
{
    const struct yaml_node *list, *map;
    int rc = document_list(root, "sites", 1, TRUST_SITES, &list, e);

    for (size_t i = 0; rc == 0 && i < yaml_count(list); i++)
        if ((rc = document_item(list, i, &map, e)) == 0)
            rc = read_site(t, map, e);
    return rc;
}

static int read_roots(struct trust *t, const struct yaml_node *root, struct err *e)
{
    const struct yaml_node *map, *list, *item;
    uint64_t threshold;
    int rc;

    if ((rc = yaml_need(root, "roots", &map, e)) != 0 ||
        (rc = yaml_need_u64(map, "threshold", 1, TRUST_ROOTS, &threshold, e)) != 0 ||
        (rc = document_list(map, "keys", 1, TRUST_ROOTS, &list, e)) != 0 ||
        (rc = yaml_map_done(map, e)) != 0)
        return rc;
    for (size_t i = 0; i < yaml_count(list); i++) {
        if ((rc = yaml_item(list, i, &item, e)) != 0 ||
            (rc = document_key(item, &t->root[i], e)) != 0)
            return rc;
        for (size_t j = 0; j < i; j++)
            if (memcmp(t->root[j].b, t->root[i].b, sizeof(t->root[i].b)) == 0)
                return yaml_err(e, item, "this key stands twice");
        t->roots++;
    }
    if (threshold > t->roots)
        return yaml_err(e, map, "threshold %llu of %zu keys can never be reached",
                        (unsigned long long)threshold, t->roots);
    t->threshold = (unsigned)threshold;
    return 0;
}

static int read_outsiders(struct trust *t, const struct yaml_node *root, struct err *e)
{
    const struct yaml_node *list, *item;
    const char *name;
    int rc = document_list(root, "outsiders", 0, TLOG_POLICY_MAX, &list, e);

    for (size_t i = 0; rc == 0 && i < yaml_count(list); i++) {
        int w;

        if ((rc = yaml_item(list, i, &item, e)) != 0 || (rc = yaml_text(item, &name, e)) != 0)
            return rc;
        w = tlog_policy_find_witness(t->policy, name);
        if (w < 0)
            return yaml_err(e, item, "\"%s\" is not a witness of the policy above", name);
        t->outsiders |= (tlog_witnesses)1 << w;
    }
    return rc;
}

/* A list of keys, which may be missing. */
static int read_keys(const struct yaml_node *root, const char *name, struct ed25519_pub *out,
                     size_t most, size_t *n, struct err *e)
{
    const struct yaml_node *list, *item;
    int rc;

    if ((rc = yaml_may(root, name, &list, e)) != 0 || list == NULL ||
        (rc = document_list(root, name, 1, most, &list, e)) != 0)
        return rc;
    for (size_t i = 0; i < yaml_count(list); i++) {
        if ((rc = yaml_item(list, i, &item, e)) != 0 || (rc = document_key(item, &out[i], e)) != 0)
            return rc;
        for (size_t j = 0; j < i; j++)
            if (memcmp(out[j].b, out[i].b, sizeof(out[i].b)) == 0)
                return yaml_err(e, item, "this key stands twice");
        (*n)++;
    }
    return 0;
}

static int read_attesters(struct trust *t, const struct yaml_node *root, struct err *e)
{
    int rc = read_keys(root, "attesters", t->attester, TRUST_ATTESTERS, &t->attesters, e);

    return rc != 0 ? rc : read_keys(root, "builders", t->builder, TRUST_BUILDERS, &t->builders, e);
}

static int read_software(struct trust *t, const struct yaml_node *root, struct err *e)
{
    const struct yaml_node *map;
    const char *name;
    uint64_t builders;
    int rc;

    if ((rc = yaml_may(root, "software", &map, e)) != 0 || map == NULL)
        return rc;
    if ((rc = yaml_need_text(map, "product", &name, e)) != 0 ||
        (rc = yaml_need_u64(map, "builders", 1, TRUST_BUILDERS, &builders, e)) != 0 ||
        (rc = yaml_map_done(map, e)) != 0)
        return rc;
    if (name[0] == '\0' || strlen(name) > PRODUCT_NAME_MAX)
        return yaml_err(e, map, "a product's name has 1 to %d characters", PRODUCT_NAME_MAX);
    if (builders > t->builders)
        return yaml_err(e, map, "%llu of %zu builders can never be reached",
                        (unsigned long long)builders, t->builders);
    memcpy(t->software, name, strlen(name) + 1);
    t->software_builders = (unsigned)builders;
    return 0;
}

static int read_updates_root(struct trust *t, const struct yaml_node *root, struct err *e)
{
    const struct yaml_node *n;
    int rc = yaml_may(root, "updates_root", &n, e);

    if (rc != 0 || n == NULL)
        return rc;
    t->has_updates_root = true;
    return yaml_digest(n, &t->updates_root, e);
}

static int read_durations(struct trust *t, const struct yaml_node *root, struct err *e)
{
    const struct yaml_node *n;
    int rc;

    if ((rc = yaml_need(root, "tolerance", &n, e)) != 0 ||
        (rc = yaml_duration(n, &t->tolerance, e)) != 0)
        return rc;
    if (t->tolerance > TOLERANCE_MAX)
        return yaml_err(e, n, "a tolerance above one day shows nothing");
    t->epoch_within = EPOCH_WITHIN_DEFAULT;
    if ((rc = yaml_may(root, "epoch_within", &n, e)) != 0 || n == NULL)
        return rc;
    return yaml_duration(n, &t->epoch_within, e);
}

static int read_all(struct trust *t, const struct yaml_node *root, struct err *e)
{
    const struct yaml_node *n;
    int rc;

    if ((rc = document_format(root, "trust/v1", e)) != 0 ||
        (rc = yaml_need(root, "expires", &n, e)) != 0 || (rc = yaml_time(n, &t->expires, e)) != 0 ||
        (rc = read_durations(t, root, e)) != 0 || (rc = read_policy(t, root, e)) != 0 ||
        (rc = read_sites(t, root, e)) != 0 || (rc = read_roots(t, root, e)) != 0 ||
        (rc = read_outsiders(t, root, e)) != 0 || (rc = read_attesters(t, root, e)) != 0 ||
        (rc = read_software(t, root, e)) != 0 || (rc = read_updates_root(t, root, e)) != 0)
        return rc;
    t->quorum_inside = tlog_policy_quorum_without(t->policy, t->outsiders);
    return yaml_map_done(root, e);
}

/* Takes doc over. */
static int from_doc(struct trust **out, struct yaml_doc *doc, struct err *e)
{
    struct trust *t = calloc(1, sizeof(*t));
    int rc;

    if (t == NULL) {
        yaml_free(doc);
        return err_sys(e, -ENOMEM, "reading the trust file");
    }
    t->doc = doc;
    rc = read_all(t, yaml_root(doc), e);
    if (rc != 0) {
        trust_free(t);
        return rc;
    }
    *out = t;
    return 0;
}

int trust_parse(struct trust **out, const char *name, struct span text, struct err *e)
{
    struct yaml_doc *doc;
    int rc = yaml_parse(&doc, name, text, e);

    if (rc == 0)
        rc = from_doc(out, doc, e);
    if (rc == 0)
        sha256_of(text.p, text.n, &(*out)->digest);
    return rc;
}

int trust_load(struct trust **out, const char *path, struct err *e)
{
    struct buf text;
    int rc = yaml_read(&text, path, e);

    if (rc != 0)
        return rc;
    rc = trust_parse(out, path, buf_span(&text), e);
    buf_free(&text);
    return rc;
}

void trust_free(struct trust *t)
{
    if (t == NULL)
        return;
    tlog_policy_free(t->policy);
    yaml_free(t->doc);
    free(t);
}

const struct trust_site *trust_site(const struct trust *t, const char *site)
{
    for (size_t i = 0; i < t->sites; i++)
        if (strcmp(t->site[i].site, site) == 0)
            return &t->site[i];
    return NULL;
}

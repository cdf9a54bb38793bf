#include "residency/move.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "events/country.h"
#include "people/document.h"

static int read_site(const struct yaml_node *map, const char *key, char out[MOVE_SITE_MAX + 1],
                     struct err *e)
{
    const struct yaml_node *n;
    const char *s;
    size_t len;
    int rc;

    if ((rc = yaml_need(map, key, &n, e)) != 0 || (rc = yaml_text(n, &s, e)) != 0)
        return rc;
    len = strlen(s);
    if (len < 2 || len > MOVE_SITE_MAX || s[0] < 'a' || s[0] > 'z' ||
        strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789") != len)
        return yaml_err(
            e, n, "\"%s\" is not a site: a lower-case letter, then 1 to 15 of a-z and 0-9", s);
    memcpy(out, s, len + 1);
    return 0;
}

static int read_country(const struct yaml_node *map, char out[3], struct err *e)
{
    const struct yaml_node *n;
    const char *s;
    int rc;

    if ((rc = yaml_need(map, "country", &n, e)) != 0 || (rc = yaml_text(n, &s, e)) != 0)
        return rc;
    if (country_index(span_str(s)) < 0)
        return yaml_err(e, n, "\"%s\" is not a country of ISO 3166-1", s);
    memcpy(out, s, 3);
    return 0;
}

static int read_move(const struct yaml_node *root, struct move_approval *m, struct err *e)
{
    const struct yaml_node *policy, *to;
    int rc;

    if (yaml_type(root) != YAML_MAP_)
        return yaml_err(e, root, "a move is a map that begins with \"format: move/v1\"");
    if ((rc = document_format(root, "move/v1", e)) != 0 ||
        (rc = document_id(root, "move", &m->move, e)) != 0 ||
        (rc = read_country(root, m->country, e)) != 0 ||
        (rc = read_site(root, "from", m->from, e)) != 0 ||
        (rc = read_site(root, "to", m->to, e)) != 0 ||
        (rc = yaml_need(root, "policy", &policy, e)) != 0 ||
        (rc = yaml_digest(policy, &m->policy, e)) != 0 || (rc = yaml_map_done(root, e)) != 0)
        return rc;
    if (strcmp(m->from, m->to) == 0)
        return (rc = yaml_need(root, "to", &to, e)) != 0
                   ? rc
                   : yaml_err(e, to, "\"from\" and \"to\" are the same site");
    return 0;
}

int move_parse(struct move_approval *out, const char *name, struct span text, struct err *e)
{
    struct move_approval m = {.country = ""};
    struct yaml_doc *doc = NULL;
    int rc = yaml_parse(&doc, name, text, e);

    if (rc != 0)
        return rc;
    rc = read_move(yaml_root(doc), &m, e);
    yaml_free(doc);
    if (rc == 0)
        *out = m;
    return rc;
}

int move_allowed(const struct move_approval *m, const struct policy *p, const struct digest *doc,
                 unix_time t, struct err *e)
{
    const char *from = policy_zone_of_site(p, m->from), *to = policy_zone_of_site(p, m->to);
    const char *home = policy_zone(p, m->country, t);
    char want[65];

    if (memcmp(doc, &m->policy, sizeof(*doc)) != 0) {
        text_digest(want, &m->policy);
        return err_set(e, -EPERM, "the move is approved under policy %s, which is not in force",
                       want);
    }
    if (from == NULL || to == NULL)
        return err_set(e, -EPERM, "the policy in force knows no site \"%s\"",
                       from == NULL ? m->from : m->to);
    if (home == NULL || strcmp(home, to) != 0)
        return err_set(e, -EPERM,
                       "%s belongs to zone %s; site \"%s\" is in zone %s: nothing of it may move "
                       "there",
                       m->country, home == NULL ? "(none)" : home, m->to, to);
    return 0;
}

int move_write(const struct move_approval *m, struct buf *out)
{
    char id[33], policy[65];

    text_id(id, &m->move);
    text_digest(policy, &m->policy);
    return buf_printf(out, "format: move/v1\nmove: %s\ncountry: %s\nfrom: %s\nto: %s\npolicy: %s\n",
                      id, m->country, m->from, m->to, policy);
}

/* register.c - reading a register and asking it.
 *
 * Reading goes in two passes.  The first follows the document and checks what one place alone can
 * show; the second checks what needs the whole: identifiers and keys are unique, organizations and
 * vouchers exist, every kind of document can be approved by somebody.  The tables the second pass
 * sorts are the ones the queries search. */
#include "people/register_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static const char *const role_words[REGISTER_ROLES] = {
    "registrar", "policy",  "statement", "mover",      "release",
    "operator",  "auditor", "author",    "supervisor",
};
static const char *const org_words[] = {"vendor", "partner", "government", "auditor"};

const char *register_role_word(enum register_role r)
{
    return role_words[r];
}

int register_role_of(struct span word, enum register_role *out)
{
    for (int r = 0; r < REGISTER_ROLES; r++)
        if (span_is(word, role_words[r])) {
            *out = (enum register_role)r;
            return 0;
        }
    return -EBADMSG;
}

struct register_short register_short(const struct id128 *id)
{
    struct register_short s;
    char hex[33];

    text_id(hex, id);
    (void)snprintf(s.text, sizeof(s.text), "%.8s…", hex);
    return s;
}

static int out_of_memory(struct err *e)
{
    return err_set(e, -ENOMEM, "register: out of memory");
}

static struct mark key_mark(const struct register_key *k)
{
    struct mark m = {k->line, k->column};

    return m;
}

static struct mark person_mark(const struct register_person *p)
{
    struct mark m = {p->line, p->column};

    return m;
}

/* --- first pass: along the document --- */

static int read_rule(const struct yaml_node *approvals, enum document k, struct people *p,
                     struct err *e)
{
    const struct yaml_node *rule;
    uint64_t persons;
    size_t role;
    int rc;

    if (k < DOCUMENTS_ALWAYS)
        rc = yaml_need(approvals, document_word(k), &rule, e);
    else
        rc = yaml_may(approvals, document_word(k), &rule, e);
    if (rc != 0 || rule == NULL)
        return rc;
    if (yaml_type(rule) != YAML_MAP_)
        return yaml_err(e, rule, "this must be {role: …, persons: …}");
    if ((rc = document_word_of(rule, "role", role_words, REGISTER_ROLES, &role, e)) != 0 ||
        (rc = yaml_need_u64(rule, "persons", 1, DSSE_MAX_SIGNATURES, &persons, e)) != 0 ||
        (rc = yaml_map_done(rule, e)) != 0)
        return rc;
    p->rule[k].role = (enum register_role)role;
    p->rule[k].persons = (unsigned)persons;
    p->rule_at[k] = document_mark(rule);
    return 0;
}

static int read_approvals(const struct yaml_node *root, struct people *p, struct err *e)
{
    const struct yaml_node *approvals;
    int rc;

    if ((rc = yaml_need(root, "approvals", &approvals, e)) != 0)
        return rc;
    if (yaml_type(approvals) != YAML_MAP_)
        return yaml_err(e, approvals, "\"approvals\" must be a map of kinds of documents");
    for (int k = 0; k < DOCUMENTS; k++)
        if ((rc = read_rule(approvals, (enum document)k, p, e)) != 0)
            return rc;
    return yaml_map_done(approvals, e);
}

static int read_organizations(const struct yaml_node *root, struct people *p, struct err *e)
{
    const struct yaml_node *list, *item;
    size_t kind;
    int rc;

    if ((rc = document_list(root, "organizations", 1, REGISTER_MAX_ORGS, &list, e)) != 0)
        return rc;
    p->orgs_at = document_mark(list);
    p->org = calloc(yaml_count(list), sizeof(*p->org));
    if (p->org == NULL)
        return out_of_memory(e);
    for (size_t i = 0; i < yaml_count(list); i++) {
        struct register_organization *o = &p->org[p->n_orgs];

        if ((rc = document_item(list, i, &item, e)) != 0 ||
            (rc = document_id(item, "id", &o->id, e)) != 0 ||
            (rc = document_word_of(item, "kind", org_words, ARRAY_LEN(org_words), &kind, e)) != 0 ||
            (rc = yaml_map_done(item, e)) != 0)
            return rc;
        o->kind = (enum register_org)kind;
        o->at = document_mark(item);
        p->n_orgs++;
    }
    return 0;
}

static int read_key(const struct yaml_node *item, struct register_key *k, struct err *e)
{
    const struct yaml_node *n;
    const char *text;
    int rc;

    if ((rc = yaml_need(item, "key", &n, e)) != 0 || (rc = yaml_text(n, &text, e)) != 0)
        return rc;
    if (text_unbase64_exact(span_str(text), k->pub.b, sizeof(k->pub.b)) != 0)
        return yaml_err(e, n,
                        "\"%s\" is not the base64 of a raw 32-byte Ed25519 public key (44 "
                        "characters)",
                        text);
    k->line = yaml_line(n);
    k->column = yaml_column(n);
    if ((rc = document_time(item, "from", &k->from, e)) != 0 ||
        (rc = document_may_time(item, "until", REGISTER_NEVER, &k->until, e)) != 0 ||
        (rc = document_may_time(item, "revoked", REGISTER_NEVER, &k->revoked, e)) != 0 ||
        (rc = yaml_map_done(item, e)) != 0)
        return rc;
    if (k->until <= k->from)
        return yaml_err(e, n, "this key's \"until\" is not after its \"from\"");
    if (k->revoked < k->from)
        return yaml_err(e, n, "this key is revoked before its \"from\"");
    return 0;
}

static int read_keys(const struct yaml_node *person, struct register_person *p, struct err *e)
{
    const struct yaml_node *list, *item;
    struct register_key *keys;
    int rc;

    if ((rc = document_list(person, "keys", 1, REGISTER_MAX_KEYS, &list, e)) != 0)
        return rc;
    keys = calloc(yaml_count(list), sizeof(*keys));
    if (keys == NULL)
        return out_of_memory(e);
    p->keys = keys;
    for (size_t i = 0; i < yaml_count(list); i++) {
        if ((rc = document_item(list, i, &item, e)) != 0 || (rc = read_key(item, &keys[i], e)) != 0)
            return rc;
        p->n_keys++;
    }
    return 0;
}

/* A role may be held again after it ended, never twice at once. */
static int read_duty(const struct yaml_node *item, struct register_person *p,
                     struct register_duty *d, struct err *e)
{
    const struct yaml_node *n;
    size_t role;
    int rc;

    if ((rc = yaml_need(item, "role", &n, e)) != 0 ||
        (rc = yaml_word(n, role_words, REGISTER_ROLES, &role, e)) != 0 ||
        (rc = document_time(item, "from", &d->from, e)) != 0 ||
        (rc = document_may_time(item, "until", REGISTER_NEVER, &d->until, e)) != 0 ||
        (rc = yaml_map_done(item, e)) != 0)
        return rc;
    d->role = (enum register_role)role;
    d->line = yaml_line(n);
    d->column = yaml_column(n);
    if (d->until <= d->from)
        return yaml_err(e, n, "this role's \"until\" is not after its \"from\"");
    for (size_t i = 0; i < p->n_duties; i++) {
        const struct register_duty *o = &p->duties[i];

        if (o->role == d->role && d->from < o->until && o->from < d->until)
            return yaml_err(e, n, "role \"%s\" is already held at that time, by line %d",
                            role_words[role], o->line);
    }
    return 0;
}

static int read_duties(const struct yaml_node *person, struct register_person *p, struct err *e)
{
    const struct yaml_node *list, *item;
    struct register_duty *duties;
    int rc;

    if ((rc = document_list(person, "roles", 0, REGISTER_MAX_ROLES, &list, e)) != 0)
        return rc;
    duties = calloc(yaml_count(list) + 1, sizeof(*duties));
    if (duties == NULL)
        return out_of_memory(e);
    p->duties = duties;
    for (size_t i = 0; i < yaml_count(list); i++) {
        if ((rc = document_item(list, i, &item, e)) != 0 ||
            (rc = read_duty(item, p, &duties[i], e)) != 0)
            return rc;
        p->n_duties++;
    }
    return 0;
}

static int read_person(const struct yaml_node *item, struct register_person *p, struct err *e)
{
    const struct yaml_node *voucher;
    int rc;

    if ((rc = document_id(item, "id", &p->id, e)) != 0 ||
        (rc = document_id(item, "org", &p->org, e)) != 0 ||
        (rc = yaml_may(item, "voucher", &voucher, e)) != 0)
        return rc;
    p->line = yaml_line(item);
    p->column = yaml_column(item);
    p->vouched = voucher != NULL;
    if (p->vouched && (rc = yaml_id(voucher, &p->voucher, e)) != 0)
        return rc;
    if ((rc = read_keys(item, p, e)) != 0 || (rc = read_duties(item, p, e)) != 0)
        return rc;
    return yaml_map_done(item, e);
}

static int read_persons(const struct yaml_node *root, struct people *p, struct err *e)
{
    const struct yaml_node *list, *item;
    int rc;

    if ((rc = document_list(root, "persons", 1, REGISTER_MAX_PERSONS, &list, e)) != 0)
        return rc;
    p->persons_at = document_mark(list);
    p->person = calloc(yaml_count(list), sizeof(*p->person));
    if (p->person == NULL)
        return out_of_memory(e);
    for (size_t i = 0; i < yaml_count(list); i++) {
        p->n_persons++; /* counted first, so that free sees what a failed read left */
        if ((rc = document_item(list, i, &item, e)) != 0 ||
            (rc = read_person(item, &p->person[i], e)) != 0)
            return rc;
    }
    return 0;
}

static int read_all(const struct yaml_node *root, struct people *p, struct err *e)
{
    int rc;

    if (yaml_type(root) != YAML_MAP_)
        return yaml_err(e, root, "a register is a map that begins with \"format: register/v1\"");
    if ((rc = document_format(root, "register/v1", e)) != 0 ||
        (rc = document_chain(root, &p->chain, e)) != 0 || (rc = read_approvals(root, p, e)) != 0 ||
        (rc = read_organizations(root, p, e)) != 0 || (rc = read_persons(root, p, e)) != 0)
        return rc;
    return yaml_map_done(root, e);
}

/* --- second pass: the whole --- */

static int place_cmp(const void *a, const void *b)
{
    const struct register_place *x = a, *y = b;
    int c = memcmp(&x->id, &y->id, sizeof(x->id));

    return c != 0 ? c : (x->i > y->i) - (x->i < y->i);
}

static int binding_cmp(const void *a, const void *b)
{
    const struct register_binding *x = a, *y = b;
    int c = strcmp(x->keyid, y->keyid);

    if (c != 0)
        return c;
    /* one person's keys lie in one array, persons in another: addresses follow the document only
     * within each, so compare lines */
    return (x->key->line > y->key->line) - (x->key->line < y->key->line);
}

static const struct register_place *find_place(const struct register_place *v, size_t n,
                                               const struct id128 *id)
{
    size_t lo = 0, hi = n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = memcmp(&v[mid].id, id, sizeof(*id));

        if (c == 0)
            return &v[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

/* Sorts places; the index of the first entry, as written, that repeats an identifier, or n. */
static size_t sort_places(struct register_place *v, size_t n, size_t *first)
{
    size_t worst = n;

    qsort(v, n, sizeof(*v), place_cmp);
    for (size_t i = 1; i < n; i++)
        if (register_id_eq(&v[i].id, &v[i - 1].id) && v[i].i < worst) {
            worst = v[i].i;
            *first = v[i - 1].i;
        }
    return worst;
}

static int index_organizations(struct people *p, struct err *e)
{
    size_t again, first = 0;

    p->org_place = calloc(p->n_orgs, sizeof(*p->org_place));
    if (p->org_place == NULL)
        return out_of_memory(e);
    for (size_t i = 0; i < p->n_orgs; i++) {
        p->org_place[i].id = p->org[i].id;
        p->org_place[i].i = i;
    }
    again = sort_places(p->org_place, p->n_orgs, &first);
    if (again < p->n_orgs)
        return document_err(e, p->name, p->org[again].at,
                            "organization %s is already listed at line %d",
                            register_short(&p->org[again].id).text, p->org[first].at.line);
    return 0;
}

static int index_persons(struct people *p, struct err *e)
{
    size_t again, first = 0;

    p->person_place = calloc(p->n_persons, sizeof(*p->person_place));
    if (p->person_place == NULL)
        return out_of_memory(e);
    for (size_t i = 0; i < p->n_persons; i++) {
        p->person_place[i].id = p->person[i].id;
        p->person_place[i].i = i;
    }
    again = sort_places(p->person_place, p->n_persons, &first);
    if (again < p->n_persons)
        return document_err(e, p->name, person_mark(&p->person[again]),
                            "person %s is already listed at line %d",
                            register_short(&p->person[again].id).text, p->person[first].line);
    return 0;
}

static int index_keys(struct people *p, struct err *e)
{
    const struct register_binding *worst = NULL, *first = NULL;
    size_t n = 0;

    for (size_t i = 0; i < p->n_persons; i++)
        n += p->person[i].n_keys;
    p->binding = calloc(n, sizeof(*p->binding));
    if (p->binding == NULL)
        return out_of_memory(e);
    for (size_t i = 0; i < p->n_persons; i++)
        for (size_t k = 0; k < p->person[i].n_keys; k++) {
            struct register_binding *b = &p->binding[p->n_bindings++];

            b->person = &p->person[i];
            b->key = &p->person[i].keys[k];
            ed25519_keyid(&b->key->pub, b->keyid);
        }
    qsort(p->binding, n, sizeof(*p->binding), binding_cmp);
    for (size_t i = 1; i < n; i++)
        if (strcmp(p->binding[i].keyid, p->binding[i - 1].keyid) == 0 &&
            (worst == NULL || p->binding[i].key->line < worst->key->line)) {
            worst = &p->binding[i];
            first = &p->binding[i - 1];
        }
    if (worst == NULL)
        return 0;
    return document_err(e, p->name, key_mark(worst->key),
                        "this key is already bound at line %d, to person %s; a key has one person",
                        first->key->line, register_short(&first->person->id).text);
}

/* Organizations exist; vouchers exist and stand before those they vouch for, so nobody vouches for
 * themselves and no circle forms. */
static int check_references(const struct people *p, struct err *e)
{
    for (size_t i = 0; i < p->n_persons; i++) {
        const struct register_person *person = &p->person[i];
        const struct register_place *v;

        if (register_organization(p, &person->org) == NULL)
            return document_err(e, p->name, person_mark(person),
                                "person %s is of organization %s, which is not listed",
                                register_short(&person->id).text,
                                register_short(&person->org).text);
        if (!person->vouched)
            continue;
        v = find_place(p->person_place, p->n_persons, &person->voucher);
        if (v == NULL)
            return document_err(e, p->name, person_mark(person),
                                "person %s is vouched for by %s, who is not listed",
                                register_short(&person->id).text,
                                register_short(&person->voucher).text);
        if (v->i >= i)
            return document_err(e, p->name, person_mark(person),
                                "person %s is vouched for by %s, who is not listed before them",
                                register_short(&person->id).text,
                                register_short(&person->voucher).text);
    }
    return 0;
}

/* Does the person hold the role and a valid key together at any time? */
static bool ever_approves(const struct register_person *p, enum register_role role)
{
    for (size_t d = 0; d < p->n_duties; d++) {
        const struct register_duty *duty = &p->duties[d];

        if (duty->role != role)
            continue;
        for (size_t k = 0; k < p->n_keys; k++) {
            const struct register_key *key = &p->keys[k];
            unix_time end = key->revoked < key->until ? key->revoked : key->until;

            if (key->from < duty->until && duty->from < end && key->from < end)
                return true;
        }
    }
    return false;
}

static int check_rules(const struct people *p, struct err *e)
{
    for (int k = 0; k < DOCUMENTS; k++) {
        unsigned able = 0;

        for (size_t i = 0; i < p->n_persons; i++)
            able += ever_approves(&p->person[i], p->rule[k].role);
        if (able < p->rule[k].persons)
            return document_err(e, p->name, p->rule_at[k],
                                "\"%s\" needs %u persons with role \"%s\"; %u listed ever hold it "
                                "together with a valid key",
                                document_word((enum document)k), p->rule[k].persons,
                                role_words[p->rule[k].role], able);
    }
    return 0;
}

int register_parse(struct people **out, const char *name, struct span text, struct err *e)
{
    struct yaml_doc *doc = NULL;
    struct people *p = NULL;
    int rc = yaml_parse(&doc, name, text, e);

    if (rc != 0)
        return rc;
    p = calloc(1, sizeof(*p));
    if (p == NULL || (p->name = strdup(name)) == NULL)
        rc = out_of_memory(e);
    if (rc == 0 && (rc = read_all(yaml_root(doc), p, e)) == 0 &&
        (rc = index_organizations(p, e)) == 0 && (rc = index_persons(p, e)) == 0 &&
        (rc = index_keys(p, e)) == 0 && (rc = check_references(p, e)) == 0 &&
        (rc = check_rules(p, e)) == 0) {
        *out = p;
        p = NULL;
    }
    register_free(p);
    yaml_free(doc);
    return rc;
}

void register_free(struct people *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->n_persons; i++) {
        free((void *)p->person[i].keys);
        free((void *)p->person[i].duties);
    }
    free(p->person);
    free(p->person_place);
    free(p->org);
    free(p->org_place);
    free(p->binding);
    free(p->name);
    free(p);
}

/* --- questions --- */

uint64_t register_serial(const struct people *p)
{
    return p->chain.serial;
}

const struct digest *register_previous(const struct people *p)
{
    return p->chain.serial == 1 ? NULL : &p->chain.previous;
}

struct register_rule register_rule(const struct people *p, enum document k)
{
    return p->rule[k];
}

size_t register_count(const struct people *p)
{
    return p->n_persons;
}

const struct register_person *register_person(const struct people *p, size_t i)
{
    return &p->person[i];
}

const struct register_person *register_find(const struct people *p, const struct id128 *person)
{
    const struct register_place *at = find_place(p->person_place, p->n_persons, person);

    return at == NULL ? NULL : &p->person[at->i];
}

const char *register_org_word(const struct people *p, const struct id128 *org)
{
    const struct register_organization *o = register_organization(p, org);

    return o == NULL ? NULL : org_words[o->kind];
}

const struct register_organization *register_organization(const struct people *p,
                                                          const struct id128 *id)
{
    const struct register_place *at = find_place(p->org_place, p->n_orgs, id);

    return at == NULL ? NULL : &p->org[at->i];
}

const struct register_person *register_keyid(const struct people *p, const char *keyid,
                                             const struct register_key **binding)
{
    size_t lo = 0, hi = p->n_bindings;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = strcmp(p->binding[mid].keyid, keyid);

        if (c == 0) {
            if (binding != NULL)
                *binding = p->binding[mid].key;
            return p->binding[mid].person;
        }
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

const struct register_person *register_key(const struct people *p, const struct ed25519_pub *k,
                                           const struct register_key **binding)
{
    char keyid[65];

    ed25519_keyid(k, keyid);
    return register_keyid(p, keyid, binding);
}

bool register_key_valid(const struct register_key *k, unix_time t)
{
    return k->from <= t && t < k->until && t < k->revoked;
}

bool register_has_role(const struct register_person *person, enum register_role r, unix_time t)
{
    for (size_t i = 0; i < person->n_duties; i++)
        if (person->duties[i].role == r && person->duties[i].from <= t &&
            t < person->duties[i].until)
            return true;
    return false;
}

int register_follows(const struct people *p, const struct digest *doc, const struct people *next,
                     struct err *e)
{
    return document_follows(&p->chain, doc, next->name, &next->chain, e);
}

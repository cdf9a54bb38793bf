/* The cast of a generated history, its documents, its trust file and its keys.
 *
 * Persons: 0 registrar and statements, 1 registrar and mover, 2 the policies' author, 3 and 4
 * approve policies and releases of the rules and supervise builds (4 is a mover too), 5 could and
 * has two keys, 6 could until their key was revoked (register 2), 7 could until they retired
 * (register 2), 8 is the operator and the rules' author, 9 came with register 2. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "betray/history_priv.h"
#include "crypto/secret.h"
#include "events/country.h"

#define KEYS_FROM "2026-01-01T00:00Z"
#define REGISTER_2 "2026-01-05T09:00Z"
#define WITNESS_NAME "witness.example/w1"

static const char *const sites[HISTORY_SITES] = {"zrh1", "mow1"};
static const char *const origins[HISTORY_SITES] = {"zrh1.example/ledger", "mow1.example/ledger"};
static const char *const zones[HISTORY_SITES] = {"CH", "RU"};

static const struct {
    unsigned person;
    const char *role;
} duties[] = {
    {0, "registrar"},  {0, "statement"},  {1, "registrar"},  {1, "mover"},      {2, "policy"},
    {3, "policy"},     {4, "policy"},     {4, "mover"},      {5, "policy"},     {6, "policy"},
    {7, "policy"},     {8, "operator"},   {9, "operator"},   {3, "release"},    {4, "release"},
    {5, "release"},    {6, "release"},    {7, "release"},    {8, "author"},     {8, "release"},
    {3, "supervisor"}, {4, "supervisor"}, {5, "supervisor"}, {6, "supervisor"}, {7, "supervisor"},
};

/* ------------------------------------------------------------------ the register */

static int put_key(const struct history *h, struct buf *b, unsigned key, const char *more)
{
    char text[TEXT_BASE64_LEN(32) + 1];
    struct ed25519_pub pub;

    ed25519_public(h->person_key[key], &pub);
    text_base64(text, pub.b, sizeof(pub.b));
    return buf_printf(b, "      - {key: \"%s\", from: " KEYS_FROM "%s}\n", text, more);
}

static int put_person(const struct history *h, struct buf *b, unsigned p, bool second)
{
    char id[33], other[33];
    int rc;

    text_id(id, &h->person[p]);
    text_id(other, &h->org[p == 4 ? 1 : 0]);
    rc = buf_printf(b, "  - id: \"%s\"\n    org: \"%s\"\n", id, other);
    if (rc == 0 && p == 9) {
        text_id(other, &h->person[0]);
        rc = buf_printf(b, "    voucher: \"%s\"\n", other);
    }
    if (rc == 0 && (rc = buf_puts(b, "    keys:\n")) == 0)
        rc = put_key(h, b, p, p == 6 && second ? ", revoked: " REGISTER_2 : "");
    if (rc == 0 && p == 5)
        rc = put_key(h, b, HISTORY_PERSONS, "");
    if (rc == 0)
        rc = buf_puts(b, "    roles:\n");
    for (size_t i = 0; i < ARRAY_LEN(duties) && rc == 0; i++)
        if (duties[i].person == p)
            rc = buf_printf(b, "      - {role: %s, from: " KEYS_FROM "%s}\n", duties[i].role,
                            p == 7 && second ? ", until: " REGISTER_2 : "");
    return rc;
}

static int register_yaml(const struct history *h, bool second, const struct digest *previous,
                         struct buf *b)
{
    char hex[65] = "none", org[2][33];
    int rc;

    if (second)
        text_digest(hex, previous);
    text_id(org[0], &h->org[0]);
    text_id(org[1], &h->org[1]);
    rc = buf_printf(b,
                    "format: register/v1\nserial: %d\nprevious: \"%s\"\napprovals:\n"
                    "  register: {role: registrar, persons: 2}\n"
                    "  policy: {role: policy, persons: 2}\n"
                    "  statement: {role: statement, persons: 1}\n"
                    "  move: {role: mover, persons: 2}\n"
                    "  change: {role: author, persons: 1}\n"
                    "  release: {role: release, persons: 2}\n"
                    "  override: {role: release, persons: 2}\n"
                    "  product: {role: supervisor, persons: 2}\n"
                    "organizations:\n  - {id: \"%s\", kind: vendor}\n"
                    "  - {id: \"%s\", kind: partner}\npersons:\n",
                    second ? 2 : 1, hex, org[0], org[1]);
    for (unsigned p = 0; p < (second ? 10U : 9U) && rc == 0; p++)
        rc = put_person(h, b, p, second);
    return rc;
}

/* ------------------------------------------------------------------ the policy */

static int put_rest(struct buf *b)
{
    const char *comma = "";
    int rc = buf_puts(b, "  - subjects: [");

    for (size_t i = 0; i < COUNTRY_COUNT && rc == 0; i++) {
        const char *c = country_table[i].code;

        if (country_table[i].formerly || strcmp(c, "RU") == 0 || strcmp(c, "KZ") == 0 ||
            strcmp(c, "CA") == 0)
            continue;
        /* quoted: NO is a word of its own in some YAML */
        rc = buf_printf(b, "%s\"%s\"", comma, c);
        comma = ", ";
    }
    if (rc == 0)
        rc = buf_puts(b, "]\n    at:\n      - {zone: CH, from: 2017-01-01T00:00Z}\n");
    return rc;
}

static int policy_yaml(const struct history *h, bool second, const struct digest *previous,
                       struct buf *b)
{
    char hex[65] = "none", author[33];
    int rc;

    if (second)
        text_digest(hex, previous);
    text_id(author, &h->person[2]);
    rc =
        buf_printf(b,
                   "format: policy/v1\nserial: %d\nprevious: \"%s\"\nauthor: \"%s\"\n"
                   "valid_from: %s\nzones:\n  - zone: CH\n    sites: [zrh1]\n"
                   "  - zone: RU\n    sites: [mow1]\nuniform:\n  retention: 365d\n"
                   "  consent: required\n  read_approvals: 2\n  copies: 1\n  scan_within: 24h\n"
                   "differences: []\nplacement:\n",
                   second ? 2 : 1, hex, author, second ? "2026-01-05T12:00Z" : "2026-01-05T08:00Z");
    if (rc == 0)
        rc = buf_puts(b, "  - subjects: [\"RU\", \"KZ\"]\n    at:\n"
                         "      - {zone: RU, from: 2017-01-01T00:00Z}\n"
                         "  - subjects: [\"CA\"]\n    at:\n"
                         "      - {zone: RU, from: 2017-01-01T00:00Z}\n");
    if (rc == 0 && second)
        rc = buf_puts(b, "      - {zone: CH, from: 2026-01-05T13:00Z, "
                         "move_by: 2026-01-06T13:00Z}\n");
    if (rc == 0)
        rc = put_rest(b);
    if (rc == 0)
        rc = buf_puts(b, "  - subjects: ['product:*', 'rules:*']\n    at:\n"
                         "      - {zone: CH, from: 2017-01-01T00:00Z}\n");
    return rc;
}

static int statement_yaml(struct buf *b)
{
    return buf_puts(b, "format: statement/v1\nlanguage: en\nscopes: [file]\nerase_within: 30d\n"
                       "retention: 365d\ntext: |\n  Your file is stored and scanned in the zone of "
                       "your country.\n");
}

static int move_yaml(const struct history *h, struct buf *b)
{
    char id[33], policy[65];

    text_id(id, &h->move);
    text_digest(policy, &h->policy[1]);
    return buf_printf(b,
                      "format: move/v1\nmove: \"%s\"\ncountry: CA\nfrom: mow1\nto: zrh1\n"
                      "policy: \"%s\"\n",
                      id, policy);
}

/* ------------------------------------------------------------------ envelopes */

static int sign_with(struct dsse *d, struct ed25519_key *const *keys, const int *signers)
{
    int rc = 0;

    for (; *signers >= 0 && rc == 0; signers++)
        rc = dsse_sign(d, keys[*signers]);
    return rc;
}

int history_wrap(enum document k, const struct buf *yaml, struct ed25519_key *const *keys,
                 const int *signers, struct buf *out)
{
    struct dsse *d = NULL;
    int rc = dsse_new(&d, document_type(k), buf_span(yaml));

    if (rc == 0 && (rc = sign_with(d, keys, signers)) == 0)
        rc = dsse_write(d, out);
    dsse_free(d);
    return rc;
}

static int make_register(struct history *h, int k, struct err *e)
{
    static const int by_roots[] = {0, 1, -1}, by_registrars[] = {0, 1, -1};
    struct digest previous;
    struct buf yaml;
    int rc;

    buf_init(&yaml, DSSE_MAX_PAYLOAD);
    dsse_digest(buf_span(&h->register_env[0]), &previous);
    if ((rc = register_yaml(h, k == 1, &previous, &yaml)) == 0 &&
        (rc = history_wrap(DOCUMENT_REGISTER, &yaml, k == 0 ? h->root : h->person_key,
                           k == 0 ? by_roots : by_registrars, &h->register_env[k])) == 0)
        rc = register_parse(&h->people[k], "register", buf_span(&yaml), e);
    buf_free(&yaml);
    return rc;
}

static int make_policy(struct history *h, int k)
{
    static const int by[] = {3, 4, -1};
    struct buf yaml;
    int rc;

    buf_init(&yaml, DSSE_MAX_PAYLOAD);
    if ((rc = policy_yaml(h, k == 1, &h->policy[0], &yaml)) == 0)
        rc = history_wrap(DOCUMENT_POLICY, &yaml, h->person_key, by, &h->policy_env[k]);
    dsse_digest(buf_span(&h->policy_env[k]), &h->policy[k]);
    buf_free(&yaml);
    return rc;
}

static int make_rest(struct history *h)
{
    static const int by_zero[] = {0, -1}, by_movers[] = {1, 4, -1};
    struct buf yaml;
    int rc;

    buf_init(&yaml, DSSE_MAX_PAYLOAD);
    if ((rc = statement_yaml(&yaml)) == 0)
        rc = history_wrap(DOCUMENT_STATEMENT, &yaml, h->person_key, by_zero, &h->statement_env);
    dsse_digest(buf_span(&h->statement_env), &h->statement);
    buf_reset(&yaml);
    if (rc == 0 && (rc = move_yaml(h, &yaml)) == 0)
        rc = history_wrap(DOCUMENT_MOVE, &yaml, h->person_key, by_movers, &h->move_env);
    buf_free(&yaml);
    return rc;
}

static struct id128 drawn_id(const struct history *h, const char *what, uint64_t n)
{
    struct digest d;
    struct id128 id;

    history_random(h, what, n, &d);
    memcpy(id.b, d.b, sizeof(id.b));
    return id;
}

static int make_keys(struct history *h, struct err *e)
{
    struct digest d;
    int rc = 0;

    for (unsigned i = 0; i < HISTORY_SITES && rc == 0; i++)
        if ((rc = history_key(h, "log", i, &h->log_key[i])) == 0)
            rc = note_signer_init(&h->log[i], origins[i], VKEY_ED25519, h->log_key[i], e);
    if (rc == 0 && (rc = history_key(h, "witness", 0, &h->witness_key)) == 0)
        rc = note_signer_init(&h->witness, WITNESS_NAME, VKEY_COSIGNATURE, h->witness_key, e);
    for (unsigned i = 0; i < HISTORY_ROOTS && rc == 0; i++)
        rc = history_key(h, "root", i, &h->root[i]);
    for (unsigned i = 0; i < HISTORY_KEYS && rc == 0; i++)
        rc = history_key(h, "person", i, &h->person_key[i]);
    for (unsigned i = 0; i < HISTORY_PERSONS; i++)
        h->person[i] = drawn_id(h, "person id", i);
    h->org[0] = drawn_id(h, "org", 0);
    h->org[1] = drawn_id(h, "org", 1);
    h->move = drawn_id(h, "move", 0);
    history_random(h, "submitters", 0, &d);
    memcpy(h->secret, d.b, sizeof(h->secret));
    return rc;
}

int history_begin(struct history *h, unsigned seed, struct err *e)
{
    int rc;

    memset(h, 0, sizeof(*h));
    h->seed = seed;
    for (int i = 0; i < 2; i++) {
        buf_init(&h->register_env[i], DSSE_MAX_BYTES);
        buf_init(&h->policy_env[i], DSSE_MAX_BYTES);
    }
    buf_init(&h->statement_env, DSSE_MAX_BYTES);
    buf_init(&h->move_env, DSSE_MAX_BYTES);
    for (int i = 0; i < HISTORY_SITES; i++)
        tale_init(&h->tale[i], sites[i]);
    if ((rc = make_keys(h, e)) != 0 || (rc = make_register(h, 0, e)) != 0 ||
        (rc = make_register(h, 1, e)) != 0 || (rc = make_policy(h, 0)) != 0 ||
        (rc = make_policy(h, 1)) != 0 || (rc = make_rest(h)) != 0)
        return rc;
    return (rc = history_rules_begin(h)) != 0 ? rc : history_builds_begin(h);
}

void history_end(struct history *h)
{
    for (int i = 0; i < 2; i++) {
        buf_free(&h->register_env[i]);
        buf_free(&h->policy_env[i]);
        register_free(h->people[i]);
    }
    buf_free(&h->statement_env);
    buf_free(&h->move_env);
    history_rules_end(h);
    history_builds_end(h);
    for (int i = 0; i < HISTORY_SITES; i++) {
        tale_free(&h->tale[i]);
        ed25519_free(h->log_key[i]);
    }
    ed25519_free(h->witness_key);
    for (int i = 0; i < HISTORY_ROOTS; i++)
        ed25519_free(h->root[i]);
    for (int i = 0; i < HISTORY_KEYS; i++)
        ed25519_free(h->person_key[i]);
    secret_wipe(h->secret, sizeof(h->secret));
}

/* ------------------------------------------------------------------ leaves about documents */

static void change_leaf(struct leaf_builder *b, const struct register_change *c, const char *site,
                        unix_time t)
{
    static const enum leaf_kind kinds[] = {[CHANGE_PERSON_ENROLLED] = LK_PERSON_ENROLLED,
                                           [CHANGE_KEY_BOUND] = LK_KEY_BOUND,
                                           [CHANGE_KEY_REVOKED] = LK_KEY_REVOKED,
                                           [CHANGE_ROLE_GRANTED] = LK_ROLE_GRANTED,
                                           [CHANGE_ROLE_ENDED] = LK_ROLE_ENDED};

    leaf_begin(b, kinds[c->kind], t, site);
    leaf_set_id(b, LF_PERSON, &c->person);
    switch (c->kind) {
    case CHANGE_PERSON_ENROLLED:
        leaf_set_id(b, LF_ORG, &c->org);
        if (c->vouched)
            leaf_set_id(b, LF_VOUCHER, &c->voucher);
        break;
    case CHANGE_KEY_BOUND:
    case CHANGE_KEY_REVOKED:
        leaf_set_key(b, LF_KEY, c->key.b);
        break;
    default:
        leaf_set_word(b, LF_ROLE, c->role);
        break;
    }
}

int history_register_leaves(struct history *h, int site, int k, unix_time t, struct err *e)
{
    struct tale *tale = &h->tale[site];
    struct register_diff diff = {.change = NULL};
    struct digest doc, previous;
    struct leaf_builder b;
    int rc;

    if ((rc = tale_document(tale, buf_span(&h->register_env[k]), &doc)) != 0)
        return rc;
    leaf_begin(&b, LK_REGISTER_PUBLISHED, t, sites[site]);
    leaf_set_digest(&b, LF_DOC, &doc);
    leaf_set_int(&b, LF_SERIAL, (uint64_t)k + 1);
    if (k > 0) {
        dsse_digest(buf_span(&h->register_env[k - 1]), &previous);
        leaf_set_digest(&b, LF_PREV, &previous);
    }
    if ((rc = tale_add(tale, &b, e)) != 0 ||
        (rc = register_diff(k > 0 ? h->people[k - 1] : NULL, h->people[k], &diff, e)) != 0)
        return rc;
    for (size_t i = 0; i < diff.n && rc == 0; i++) {
        change_leaf(&b, &diff.change[i], sites[site], t);
        rc = tale_add(tale, &b, e);
    }
    register_diff_done(&diff);
    return rc;
}

int history_policy_leaf(struct history *h, int site, int k, unix_time t, struct err *e)
{
    struct tale *tale = &h->tale[site];
    struct leaf_builder b;
    int rc = tale_document(tale, buf_span(&h->policy_env[k]), NULL);

    if (rc != 0)
        return rc;
    leaf_begin(&b, LK_POLICY_PUBLISHED, t, sites[site]);
    leaf_set_digest(&b, LF_DOC, &h->policy[k]);
    leaf_set_int(&b, LF_SERIAL, (uint64_t)k + 1);
    if (k > 0)
        leaf_set_digest(&b, LF_PREV, &h->policy[k - 1]);
    leaf_set_text(&b, LF_VALID_FROM, k == 0 ? "2026-01-05T08:00Z" : "2026-01-05T12:00Z");
    return tale_add(tale, &b, e);
}

int history_statement_leaf(struct history *h, int site, unix_time t, struct err *e)
{
    struct tale *tale = &h->tale[site];
    struct leaf_builder b;
    int rc = tale_document(tale, buf_span(&h->statement_env), NULL);

    if (rc != 0)
        return rc;
    leaf_begin(&b, LK_STATEMENT_PUBLISHED, t, sites[site]);
    leaf_set_digest(&b, LF_DOC, &h->statement);
    leaf_set_text(&b, LF_LANG, "en");
    leaf_set_word(&b, LF_SCOPES, leaf_scopes_word(LEAF_SCOPE_BIT(LW_SUBMISSION_FILE)));
    leaf_set_int(&b, LF_ERASE_WITHIN, 30);
    leaf_set_int(&b, LF_RETENTION, 365);
    return tale_add(tale, &b, e);
}

int history_move_document(struct history *h, int site, struct digest *doc, struct err *e)
{
    int rc = tale_document(&h->tale[site], buf_span(&h->move_env), doc);

    return rc != 0 ? err_sys(e, rc, "the move's approval") : 0;
}

/* ------------------------------------------------------------------ trust.yaml and keys */

static int trust_yaml(const struct history *h, struct buf *b)
{
    char vkey[CORE_VKEY_TEXT_MAX + 1], key[HISTORY_ROOTS][TEXT_BASE64_LEN(32) + 1];
    char builder[HISTORY_BUILDS][TEXT_BASE64_LEN(32) + 1];
    struct ed25519_pub pub;
    int rc = buf_puts(b, "format: trust/v1\nexpires: 2100-01-01T00:00Z\ntolerance: 180s\n"
                         "policy: |\n");

    for (int i = 0; i < HISTORY_SITES && rc == 0; i++) {
        note_vkey_format(&h->log[i].key, vkey);
        rc = buf_printf(b, "  log %s\n", vkey);
    }
    note_vkey_format(&h->witness.key, vkey);
    if (rc == 0)
        rc = buf_printf(b, "  witness w1 %s\n  quorum w1\nsites:\n", vkey);
    for (int i = 0; i < HISTORY_SITES && rc == 0; i++)
        rc =
            buf_printf(b, "  - {site: %s, zone: %s, origin: %s}\n", sites[i], zones[i], origins[i]);
    for (int i = 0; i < HISTORY_ROOTS; i++) {
        ed25519_public(h->root[i], &pub);
        text_base64(key[i], pub.b, sizeof(pub.b));
    }
    for (int i = 0; i < HISTORY_BUILDS; i++) {
        ed25519_public(h->builder_key[i], &pub);
        text_base64(builder[i], pub.b, sizeof(pub.b));
    }
    if (rc == 0)
        rc = buf_printf(b,
                        "builders: [\"%s\", \"%s\"]\n"
                        "software: {product: " HISTORY_PRODUCT ", builders: 1}\n",
                        builder[0], builder[1]);
    if (rc == 0)
        rc = buf_printf(b, "roots: {threshold: 2, keys: [\"%s\", \"%s\"]}\noutsiders: [w1]\n",
                        key[0], key[1]);
    return rc;
}

static int store(const struct ed25519_key *k, const char *dir, const char *name, struct err *e)
{
    char path[4096];

    (void)snprintf(path, sizeof(path), "%s/keys/%s.pem", dir, name);
    return ed25519_store(k, path, e);
}

int history_write_keys(const struct history *h, const char *dir, struct err *e)
{
    char name[80], path[4096];
    struct ed25519_pub pub;
    struct buf b;
    int rc;

    buf_init(&b, 64 * 1024);
    (void)snprintf(path, sizeof(path), "%s/trust.yaml", dir);
    if ((rc = trust_yaml(h, &b)) == 0)
        rc = io_replace_file(AT_FDCWD, path, b.data, b.len, 0644);
    buf_free(&b);
    for (int i = 0; i < HISTORY_SITES && rc == 0; i++) {
        (void)snprintf(name, sizeof(name), "log-%s", sites[i]);
        rc = store(h->log_key[i], dir, name, e);
    }
    if (rc == 0)
        rc = store(h->witness_key, dir, "witness", e);
    for (int i = 0; i < HISTORY_KEYS && rc == 0; i++) {
        ed25519_public(h->person_key[i], &pub);
        ed25519_keyid(&pub, name);
        rc = store(h->person_key[i], dir, name, e);
    }
    for (int i = 0; i <= SERVED_KEYS && rc == 0; i++) {
        ed25519_public(h->served_key[i], &pub);
        ed25519_keyid(&pub, name);
        rc = store(h->served_key[i], dir, name, e);
    }
    (void)snprintf(path, sizeof(path), "%s/keys/client.secret", dir);
    return rc != 0 ? rc : io_replace_file(AT_FDCWD, path, h->secret, sizeof(h->secret), 0600);
}

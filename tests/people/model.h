/* model.h - a register as plain numbers, and the document and signatures that say it.
 * Person n has the identifier …n, organization n the identifier a…n, and key n the seed of 32 bytes
 * n.  Times are days after 2026-01-01T00:00Z; FOREVER where the document says nothing. */
#ifndef TESTS_PEOPLE_MODEL_H
#define TESTS_PEOPLE_MODEL_H

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "people/register.h"

#define MODEL_EPOCH 1767225600 /* date -u -d 2026-01-01T00:00Z +%s */
#define FOREVER (-1)
#define MODEL_MANY 12

struct model_key {
    int key, from, until, revoked;
};
struct model_role {
    enum register_role role;
    int from, until;
};
struct model_person {
    int id, org, voucher; /* 0: none */
    struct model_key keys[MODEL_MANY];
    int n_keys;
    struct model_role roles[MODEL_MANY];
    int n_roles;
};
struct model {
    int serial;
    struct digest previous;
    struct {
        enum register_role role;
        int persons;
    } rule[DOCUMENTS];
    int orgs[MODEL_MANY], n_orgs; /* kind by number: vendor for odd, auditor for even */
    struct model_person persons[MODEL_MANY];
    int n_persons;
};

static inline unix_time model_day(int day)
{
    return MODEL_EPOCH + (unix_time)day * 86400;
}

static inline struct id128 model_id(int n)
{
    struct id128 id = {{0}};

    id.b[14] = (uint8_t)(n >> 8);
    id.b[15] = (uint8_t)n;
    return id;
}

static inline struct ed25519_key *model_private(int n)
{
    struct ed25519_key *k = NULL;
    uint8_t seed[32];

    memset(seed, n, sizeof(seed));
    assert_int_equal(ed25519_from_seed(&k, seed), 0);
    return k;
}

static inline struct ed25519_pub model_public(int n)
{
    static struct ed25519_pub known[256];
    static bool is_known[256];

    if (!is_known[n]) {
        struct ed25519_key *k = model_private(n);

        ed25519_public(k, &known[n]);
        ed25519_free(k);
        is_known[n] = true;
    }
    return known[n];
}

static inline void model_put(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
static inline void model_put(struct buf *b, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    assert_true(vsnprintf(text, sizeof(text), fmt, ap) < (int)sizeof(text));
    va_end(ap);
    assert_int_equal(buf_puts(b, text), 0);
}

static inline void model_put_time(struct buf *b, const char *name, int day)
{
    char at[CLOCK_MINUTE_LEN + 1];

    if (day == FOREVER)
        return;
    clock_minute(at, model_day(day));
    model_put(b, ", %s: %s", name, at);
}

static inline void model_write_person(const struct model_person *p, struct buf *b)
{
    char key[TEXT_BASE64_LEN(32) + 1];

    model_put(b, "  - id: %032x\n    org: a%031x\n", (unsigned)p->id, (unsigned)p->org);
    if (p->voucher != 0)
        model_put(b, "    voucher: %032x\n", (unsigned)p->voucher);
    model_put(b, "    keys:%s\n", p->n_keys == 0 ? " []" : "");
    for (int k = 0; k < p->n_keys; k++) {
        struct ed25519_pub pub = model_public(p->keys[k].key);

        text_base64(key, pub.b, sizeof(pub.b));
        model_put(b, "      - {key: %s", key);
        model_put_time(b, "from", p->keys[k].from);
        model_put_time(b, "until", p->keys[k].until);
        model_put_time(b, "revoked", p->keys[k].revoked);
        model_put(b, "}\n");
    }
    model_put(b, "    roles:%s\n", p->n_roles == 0 ? " []" : "");
    for (int r = 0; r < p->n_roles; r++) {
        model_put(b, "      - {role: %s", register_role_word(p->roles[r].role));
        model_put_time(b, "from", p->roles[r].from);
        model_put_time(b, "until", p->roles[r].until);
        model_put(b, "}\n");
    }
}

static inline void model_write(const struct model *m, struct buf *b)
{
    char previous[65] = "none";

    if (m->serial > 1)
        text_digest(previous, &m->previous);
    model_put(b, "format: register/v1\nserial: %d\nprevious: %s\napprovals:\n", m->serial,
              previous);
    for (int k = 0; k < DOCUMENTS; k++)
        if (m->rule[k].persons > 0)
            model_put(b, "  %s: {role: %s, persons: %d}\n", document_word((enum document)k),
                      register_role_word(m->rule[k].role), m->rule[k].persons);
    model_put(b, "organizations:\n");
    for (int i = 0; i < m->n_orgs; i++)
        model_put(b, "  - {id: a%031x, kind: %s}\n", (unsigned)m->orgs[i],
                  m->orgs[i] % 2 == 1 ? "vendor" : "auditor");
    model_put(b, "persons:\n");
    for (int i = 0; i < m->n_persons; i++)
        model_write_person(&m->persons[i], b);
}

static inline int model_parse(const struct model *m, struct people **out, struct err *e)
{
    struct buf b;
    int rc;

    *out = NULL;
    buf_init(&b, 1 << 20);
    model_write(m, &b);
    rc = register_parse(out, "r.yaml", buf_span(&b), e);
    buf_free(&b);
    return rc;
}

static inline struct people *model_people(const struct model *m)
{
    struct err e = ERR_INIT;
    struct people *p;

    if (model_parse(m, &p, &e) != 0)
        fail_msg("%s", err_text(&e));
    return p;
}

/* An envelope of kind k over a short text, signed by the keys (ended by 0). */
static inline struct dsse *model_signed(enum document k, const int *keys)
{
    struct dsse *d = NULL;

    assert_int_equal(dsse_new(&d, document_type(k), span_str("a document\n")), 0);
    for (; *keys != 0; keys++) {
        struct ed25519_key *key = model_private(*keys);

        assert_int_equal(dsse_sign(d, key), 0);
        ed25519_free(key);
    }
    return d;
}

/* Five persons of two organizations, all since day 0: 1 and 2 registrars; 1, 2 and 3 policy; 3
 * statement; 4 and 5 movers; person n has key n, person 1 also key 11. */
static inline struct model model_usual(void)
{
    struct model m = {
        .serial = 1,
        .rule = {{ROLE_REGISTRAR, 2}, {ROLE_POLICY, 2}, {ROLE_STATEMENT, 1}, {ROLE_MOVER, 2}},
        .orgs = {1, 2},
        .n_orgs = 2,
        .n_persons = 5,
        .persons = {
            {1,
             1,
             0,
             {{1, 0, FOREVER, FOREVER}, {11, 0, FOREVER, FOREVER}},
             2,
             {{ROLE_REGISTRAR, 0, FOREVER}, {ROLE_POLICY, 0, FOREVER}},
             2},
            {2,
             1,
             1,
             {{2, 0, FOREVER, FOREVER}},
             1,
             {{ROLE_REGISTRAR, 0, FOREVER}, {ROLE_POLICY, 0, FOREVER}},
             2},
            {3,
             1,
             1,
             {{3, 0, FOREVER, FOREVER}},
             1,
             {{ROLE_POLICY, 0, FOREVER}, {ROLE_STATEMENT, 0, FOREVER}},
             2},
            {4, 1, 2, {{4, 0, FOREVER, FOREVER}}, 1, {{ROLE_MOVER, 0, FOREVER}}, 1},
            {5, 2, 2, {{5, 0, FOREVER, FOREVER}}, 1, {{ROLE_MOVER, 0, FOREVER}}, 1},
        }};

    return m;
}

#endif

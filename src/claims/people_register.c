/* people.register: each register is approved by enough distinct persons of the one before it, with
 * keys valid then (serial 1 by the roots of the trust file), and the person, key and role leaves
 * say exactly what it changes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "claims/claims_priv.h"

static void fields_agree(struct audit *a, struct site *s, const struct leaf *l,
                         const struct people *p)
{
    const struct digest *prev = register_previous(p);
    struct digest said;

    if (leaf_int(l, LF_SERIAL) != register_serial(p))
        claims_broken(a, CLAIM_REGISTER, s, s->index,
                      "the leaf's serial is not the register's (%llu)",
                      (unsigned long long)register_serial(p));
    if (leaf_has(l, LF_PREV))
        said = leaf_digest(l, LF_PREV);
    if (leaf_has(l, LF_PREV) != (prev != NULL) ||
        (prev != NULL && memcmp(said.b, prev->b, sizeof(said.b)) != 0))
        claims_broken(a, CLAIM_REGISTER, s, s->index,
                      "the leaf's prev is not the register's previous");
}

/* 1: not approved, which has been told. */
static int approved(struct audit *a, struct site *s, const struct people *p, const struct dsse *env,
                    const struct digest *doc, unix_time t)
{
    const struct doc_register *old = claims_register(s);
    struct err e = ERR_INIT;
    int rc;

    if (register_serial(p) == 1) {
        if (old != NULL) {
            claims_broken(a, CLAIM_REGISTER, s, s->index, "a second register of serial 1");
            return 1;
        }
        rc = register_approved_by_roots(a->trust->root, a->trust->roots, a->trust->threshold, env,
                                        NULL, &e);
    } else {
        if (old == NULL)
            rc = err_set(&e, -EPERM, "the ledger's first register is of serial %llu",
                         (unsigned long long)register_serial(p));
        else if (old->people == NULL)
            return 1; /* told when it was read */
        else if ((rc = register_follows(old->people, &old->doc, p, &e)) == 0)
            return claims_approved(a, s, CLAIM_REGISTER, DOCUMENT_REGISTER, doc, env, NULL, t);
    }
    if (rc == -ENOMEM)
        return rc;
    if (rc != 0) {
        claims_broken(a, CLAIM_REGISTER, s, s->index, "%s", err_text(&e));
        return 1;
    }
    return claims_note_approved(a, doc);
}

static void nothing_left(struct audit *a, const struct site *s)
{
    if (s->expect_left > 0)
        claims_broken(a, CLAIM_REGISTER, s, s->registers.v[s->registers.n - 1].leaf,
                      "%zu changes of this register have no leaf; the first is %s", s->expect_left,
                      register_change_word(s->expect.change[0].kind));
}

/* The changes that leaves must tell from here on. */
static int expect(struct audit *a, struct site *s, const struct people *p)
{
    const struct doc_register *old = claims_register(s);
    struct err e = ERR_INIT;
    int rc;

    nothing_left(a, s);
    register_diff_done(&s->expect);
    memset(&s->expect, 0, sizeof(s->expect));
    s->expect_left = 0;
    rc = register_diff(old == NULL ? NULL : old->people, p, &s->expect, &e);
    if (rc == -ENOMEM)
        return rc;
    if (rc != 0)
        claims_broken(a, CLAIM_REGISTER, s, s->index, "%s", err_text(&e));
    else
        s->expect_left = s->expect.n;
    return 0;
}

static int published(struct audit *a, struct site *s, const struct leaf *l)
{
    struct doc_register r = {.doc = leaf_digest(l, LF_DOC), .leaf = s->index};
    struct dsse *env = NULL;
    struct err e = ERR_INIT;
    int rc;

    if ((rc = VEC_ROOM(&s->registers)) != 0)
        return rc;
    rc = claims_document(a, s, CLAIM_REGISTER, DOCUMENT_REGISTER, &r.doc, &env);
    if (rc != 0)
        goto out;
    rc = register_parse(&r.people, "register", dsse_payload(env), &e);
    if (rc == -EINVAL || rc == -EBADMSG || rc == -E2BIG) {
        claims_broken(a, CLAIM_REGISTER, s, s->index, "%s", err_text(&e));
        rc = 1;
    }
    if (rc != 0)
        goto out;
    fields_agree(a, s, l, r.people);
    rc = approved(a, s, r.people, env, &r.doc, claims_witnessed(s, l->time));
    if (rc >= 0)
        rc = expect(a, s, r.people);
out:
    dsse_free(env);
    if (rc < 0) {
        register_free(r.people);
        return rc;
    }
    s->registers.v[s->registers.n++] = r;
    return 0;
}

static enum register_change_kind change_of(enum leaf_kind k)
{
    switch (k) {
    case LK_PERSON_ENROLLED:
        return CHANGE_PERSON_ENROLLED;
    case LK_KEY_BOUND:
        return CHANGE_KEY_BOUND;
    case LK_KEY_REVOKED:
        return CHANGE_KEY_REVOKED;
    case LK_ROLE_GRANTED:
        return CHANGE_ROLE_GRANTED;
    default:
        return CHANGE_ROLE_ENDED;
    }
}

static bool same_id(const struct leaf *l, enum leaf_field f, const struct id128 *id)
{
    struct id128 said = leaf_id(l, f);

    return memcmp(said.b, id->b, sizeof(said.b)) == 0;
}

static bool says(const struct leaf *l, const struct register_change *c)
{
    uint8_t key[32];

    if (c->kind != change_of(l->kind) || !same_id(l, LF_PERSON, &c->person))
        return false;
    switch (c->kind) {
    case CHANGE_PERSON_ENROLLED:
        return same_id(l, LF_ORG, &c->org) && leaf_has(l, LF_VOUCHER) == c->vouched &&
               (!c->vouched || same_id(l, LF_VOUCHER, &c->voucher));
    case CHANGE_KEY_BOUND:
    case CHANGE_KEY_REVOKED:
        leaf_key(l, LF_KEY, key);
        return memcmp(key, c->key.b, sizeof(key)) == 0;
    default:
        return leaf_word(l, LF_ROLE) == (unsigned)c->role;
    }
}

static void changed(struct audit *a, struct site *s, const struct leaf *l)
{
    for (size_t i = 0; i < s->expect_left; i++)
        if (says(l, &s->expect.change[i])) {
            s->expect.change[i] = s->expect.change[--s->expect_left];
            return;
        }
    if (s->registers.n > 0 && s->registers.v[s->registers.n - 1].people == NULL)
        claims_unknown(a, CLAIM_REGISTER, s, s->index,
                       "the register it belongs to could not be read");
    else
        claims_broken(a, CLAIM_REGISTER, s, s->index,
                      "%s says what the newest register does not, or says it twice",
                      leaf_kinds[l->kind].name);
}

static int leaf(struct audit *a, struct site *s, const struct leaf *l)
{
    claims_count(a, CLAIM_REGISTER, 1);
    if (l->kind == LK_REGISTER_PUBLISHED)
        return published(a, s, l);
    changed(a, s, l);
    return 0;
}

/* All ledgers publish the same chain. */
static void compare(struct audit *a, const struct site *x, const struct site *y)
{
    for (size_t i = 0; i < x->registers.n && i < y->registers.n; i++)
        if (memcmp(x->registers.v[i].doc.b, y->registers.v[i].doc.b, 32) != 0) {
            claims_broken(a, CLAIM_REGISTER, y, y->registers.v[i].leaf,
                          "another register than site \"%s\" published in its place",
                          x->trust->site);
            return;
        }
}

static int end(struct audit *a)
{
    for (size_t i = 0; i < a->sites; i++) {
        nothing_left(a, &a->site[i]);
        for (size_t j = i + 1; j < a->sites; j++)
            compare(a, &a->site[i], &a->site[j]);
    }
    return 0;
}

static void sentence(const struct audit *a, char *out, size_t n)
{
    size_t registers = 0;

    for (size_t i = 0; i < a->sites; i++)
        registers += a->site[i].registers.n;
    (void)snprintf(out, n,
                   "%zu register%s approved by %s predecessor%s people; the leaves say exactly %s "
                   "changes",
                   registers, claims_noun(registers, "", "s"),
                   claims_noun(registers, "its", "their"), claims_noun(registers, "'s", "s'"),
                   claims_noun(registers, "its", "their"));
}

static const uint8_t assumption[] = {1, 2, 5, 8, 0};
const struct claim claims_people_register = {
    .name = "people.register",
    .basis = AUDIT_MATH,
    .unit = "leaves about people",
    .one = "leaf about people",
    .assumption = assumption,
    .kinds = READS(REGISTER_PUBLISHED) | READS(PERSON_ENROLLED) | READS(KEY_BOUND) |
             READS(KEY_REVOKED) | READS(ROLE_GRANTED) | READS(ROLE_ENDED),
    .leaf = leaf,
    .end = end,
    .sentence = sentence,
};

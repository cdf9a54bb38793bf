/* register_approved.c - does a signature count, and do enough persons' count?
 *
 * A document is approved by persons, not by keys: every signature is taken back to the person its
 * key is bound to, and a person counts once.  When too few count the sentence says why each other
 * signature does not, because that is what the one who collects them needs to know. */
#include "people/register_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool valid_key_at(const struct register_person *p, unix_time t)
{
    for (size_t i = 0; i < p->n_keys; i++)
        if (register_key_valid(&p->keys[i], t))
            return true;
    return false;
}

int register_workable(const struct people *p, unix_time t, struct err *e)
{
    char at[CLOCK_SECOND_LEN + 1];

    clock_second(at, t);
    for (int k = 0; k < DOCUMENTS; k++) {
        unsigned able = 0;

        for (size_t i = 0; i < p->n_persons; i++)
            able += register_has_role(&p->person[i], p->rule[k].role, t) &&
                    valid_key_at(&p->person[i], t);
        if (able < p->rule[k].persons)
            return err_set(e, -EPERM,
                           "%s:%d:%d: at %s no %s could be approved: that takes %u persons with "
                           "role \"%s\" and a valid key, and there %s %u",
                           p->name, p->rule_at[k].line, p->rule_at[k].column, at,
                           document_word((enum document)k), p->rule[k].persons,
                           register_role_word(p->rule[k].role), able == 1 ? "is" : "are", able);
    }
    return 0;
}

/* Why a signature that verifies does not count at t, or NULL if it does. */
static const char *key_fault(const struct register_key *k, unix_time t)
{
    if (t >= k->revoked)
        return "was revoked";
    if (t >= k->until)
        return "has expired";
    if (t < k->from)
        return "is not yet valid";
    return NULL;
}

static const char *role_fault(const struct register_person *p, enum register_role r, unix_time t)
{
    bool held = false, will = false;

    if (register_has_role(p, r, t))
        return NULL;
    for (size_t i = 0; i < p->n_duties; i++)
        if (p->duties[i].role == r) {
            held = held || t >= p->duties[i].until;
            will = will || t < p->duties[i].from;
        }
    return held   ? "is of a person whose role has ended"
           : will ? "is of a person who does not hold the role yet"
                  : "is of a person who never held the role";
}

struct question {
    const struct people *in_force;
    const struct dsse *env;
    struct register_rule rule;
    unix_time t;
    const struct id128 *author;
};

/* Why signature i does not count; NULL and *who if it does. */
static const char *fault(const struct question *q, size_t i, const bool verified[],
                         const struct register_approval *so_far, const struct register_person **who)
{
    const struct register_key *key = NULL;
    const struct register_person *p = register_keyid(q->in_force, dsse_keyid(q->env, i), &key);
    const char *why;

    if (p == NULL)
        return "is bound to nobody";
    if (!verified[i])
        return "did not make this signature";
    if ((why = key_fault(key, q->t)) != NULL || (why = role_fault(p, q->rule.role, q->t)) != NULL)
        return why;
    if (q->author != NULL && register_id_eq(&p->id, q->author))
        return "is the author's";
    for (unsigned c = 0; c < so_far->counted; c++)
        if (register_id_eq(&so_far->person[c], &p->id))
            return "is of a person who counts already";
    *who = p;
    return NULL;
}

static bool look_up(void *ctx, const char *keyid, struct ed25519_pub *out)
{
    const struct register_key *key = NULL;

    if (register_keyid(ctx, keyid, &key) == NULL)
        return false;
    *out = key->pub;
    return true;
}

static int verify(const struct question *q, bool verified[DSSE_MAX_SIGNATURES])
{
    size_t good[DSSE_MAX_SIGNATURES], n = 0;
    int rc = dsse_verify(q->env, look_up, (void *)q->in_force, good, &n);

    memset(verified, 0, sizeof(*verified) * DSSE_MAX_SIGNATURES);
    for (size_t i = 0; i < n; i++)
        verified[good[i]] = true;
    return rc;
}

static int right_type(const struct dsse *env, enum document k, struct err *e)
{
    if (strcmp(dsse_type(env), document_type(k)) == 0)
        return 0;
    return err_set(e, -EBADMSG, "the envelope's type is \"%s\", a %s's is \"%s\"", dsse_type(env),
                   document_word(k), document_type(k));
}

/* "2 distinct persons with role "policy" must sign, 1 counts; key 0123abcd… was revoked; …" */
static int refuse(const struct question *q, enum document k, const struct register_approval *a,
                  const char *const why[], struct err *e)
{
    char text[ERR_TEXT_MAX];
    size_t n;

    (void)snprintf(
        text, sizeof(text),
        "%s is not approved: %u distinct person%s with role \"%s\" must sign, %u count%s",
        document_word(k), a->needed, a->needed == 1 ? "" : "s", register_role_word(q->rule.role),
        a->counted, a->counted == 1 ? "s" : "");
    for (size_t i = 0; i < dsse_count(q->env); i++) {
        n = strlen(text);
        if (why[i] != NULL)
            (void)snprintf(text + n, sizeof(text) - n, "; key %.8s… %s", dsse_keyid(q->env, i),
                           why[i]);
    }
    return err_set(e, -EPERM, "%s", text);
}

int register_approved(const struct people *in_force, enum document k, const struct dsse *env,
                      unix_time t, const struct id128 *author, struct register_approval *out,
                      struct err *e)
{
    struct question q = {in_force, env, in_force->rule[k], t, author};
    struct register_approval a = {0, in_force->rule[k].persons, {{{0}}}};
    const char *why[DSSE_MAX_SIGNATURES] = {NULL};
    bool verified[DSSE_MAX_SIGNATURES];
    int rc;

    if (out != NULL)
        *out = a;
    if ((rc = right_type(env, k, e)) != 0)
        return rc;
    if (a.needed == 0) /* nobody would be enough */
        return err_set(e, -EPERM,
                       "the register in force does not say who approves a %s; publish one with "
                       "\"%s\" under \"approvals\"",
                       document_word(k), document_word(k));
    if (author != NULL && register_find(in_force, author) == NULL)
        return err_set(e, -EPERM, "the author, person %s, is not in the register in force",
                       register_short(author).text);
    if ((rc = verify(&q, verified)) != 0)
        return err_set(e, rc, "register: out of memory");
    for (size_t i = 0; i < dsse_count(env); i++) {
        const struct register_person *who = NULL;

        why[i] = fault(&q, i, verified, &a, &who);
        if (why[i] == NULL)
            a.person[a.counted++] = who->id;
    }
    if (out != NULL)
        *out = a;
    return a.counted >= a.needed ? 0 : refuse(&q, k, &a, why, e);
}

struct roots {
    const struct ed25519_pub *key;
    size_t n;
};

static bool look_up_root(void *ctx, const char *keyid, struct ed25519_pub *out)
{
    const struct roots *r = ctx;
    char have[65];

    for (size_t i = 0; i < r->n; i++) {
        ed25519_keyid(&r->key[i], have);
        if (strcmp(have, keyid) == 0) {
            *out = r->key[i];
            return true;
        }
    }
    return false;
}

int register_approved_by_roots(const struct ed25519_pub *roots, size_t n, unsigned threshold,
                               const struct dsse *env, unsigned *counted, struct err *e)
{
    struct roots r = {roots, n};
    size_t good[DSSE_MAX_SIGNATURES], n_good = 0;
    int rc;

    if (counted != NULL)
        *counted = 0;
    if ((rc = right_type(env, DOCUMENT_REGISTER, e)) != 0)
        return rc;
    if ((rc = dsse_verify(env, look_up_root, &r, good, &n_good)) != 0)
        return err_set(e, rc, "register: out of memory");
    if (counted != NULL)
        *counted = (unsigned)n_good;
    /* a threshold of none would approve what nobody signed */
    if (threshold == 0 || n_good < threshold)
        return err_set(e, -EPERM,
                       "the first register is not approved: %u of the root keys must sign, %zu did",
                       threshold, n_good);
    return 0;
}

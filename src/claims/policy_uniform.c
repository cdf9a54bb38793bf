/* policy.uniform: each policy is approved by enough distinct persons other than its author, chained
 * to the one before, announced before it takes effect, and gives every zone the same retention,
 * consent and access or lists the difference (the document's grammar has no other way). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "claims/claims_priv.h"

static void fields_agree(struct audit *a, struct site *s, const struct leaf *l,
                         const struct policy *p)
{
    const struct digest *prev = policy_previous(p);
    struct digest said;

    if (leaf_int(l, LF_SERIAL) != policy_serial(p))
        claims_broken(a, CLAIM_POLICY, s, s->index, "the leaf's serial is not the policy's (%llu)",
                      (unsigned long long)policy_serial(p));
    if (leaf_has(l, LF_PREV))
        said = leaf_digest(l, LF_PREV);
    if (leaf_has(l, LF_PREV) != (prev != NULL) ||
        (prev != NULL && memcmp(said.b, prev->b, sizeof(said.b)) != 0))
        claims_broken(a, CLAIM_POLICY, s, s->index, "the leaf's prev is not the policy's previous");
    /* the leaf says it to the minute */
    if (leaf_time(l, LF_VALID_FROM) != policy_valid_from(p) / 60 * 60)
        claims_broken(a, CLAIM_POLICY, s, s->index, "the leaf's valid_from is not the policy's");
}

/* Where submissions were accepted already, nobody may be told afterwards what was allowed. */
static void not_back_dated(struct audit *a, struct site *s, const struct leaf *l)
{
    unix_time seen = claims_witnessed(s, l->time);
    char at[CLOCK_SECOND_LEN + 1];

    if (!s->accepted_any || leaf_time(l, LF_VALID_FROM) + (int64_t)a->trust->tolerance >= seen)
        return;
    clock_second(at, seen);
    claims_broken(a, CLAIM_POLICY, s, s->index,
                  "back-dated: valid from %.*s, but witnesses first saw it at %s",
                  (int)leaf_text(l, LF_VALID_FROM).n, (const char *)leaf_text(l, LF_VALID_FROM).p,
                  at);
}

static int chained(struct audit *a, struct site *s, const struct policy *p)
{
    const struct doc_policy *old = s->policies.n == 0 ? NULL : &s->policies.v[s->policies.n - 1];
    struct err e = ERR_INIT;
    int rc = 0;

    if (old == NULL && policy_serial(p) != 1)
        rc = err_set(&e, -EINVAL, "the ledger's first policy is of serial %llu",
                     (unsigned long long)policy_serial(p));
    else if (old != NULL && old->policy != NULL)
        rc = policy_follows(old->policy, &old->doc, p, &e);
    if (rc == -EINVAL) {
        claims_broken(a, CLAIM_POLICY, s, s->index, "%s", err_text(&e));
        rc = 0;
    }
    return rc;
}

static int leaf(struct audit *a, struct site *s, const struct leaf *l)
{
    struct doc_policy p = {.doc = leaf_digest(l, LF_DOC),
                           .leaf = s->index,
                           .serial = leaf_int(l, LF_SERIAL),
                           .valid_from = leaf_time(l, LF_VALID_FROM)};
    struct dsse *env = NULL;
    struct err e = ERR_INIT;
    int rc;

    claims_count(a, CLAIM_POLICY, 1);
    if ((rc = VEC_ROOM(&s->policies)) != 0)
        return rc;
    not_back_dated(a, s, l);
    rc = claims_document(a, s, CLAIM_POLICY, DOCUMENT_POLICY, &p.doc, &env);
    if (rc != 0)
        goto out;
    rc = policy_parse(&p.policy, "policy", dsse_payload(env), &e);
    if (rc == -EINVAL || rc == -EBADMSG || rc == -E2BIG) {
        claims_broken(a, CLAIM_POLICY, s, s->index, "%s", err_text(&e));
        rc = 1;
    }
    if (rc != 0)
        goto out;
    fields_agree(a, s, l, p.policy);
    if ((rc = chained(a, s, p.policy)) == 0)
        rc = claims_approved(a, s, CLAIM_POLICY, DOCUMENT_POLICY, &p.doc, env,
                             policy_author(p.policy), claims_witnessed(s, l->time));
out:
    dsse_free(env);
    if (rc < 0) {
        policy_free(p.policy);
        return rc;
    }
    s->policies.v[s->policies.n++] = p;
    return 0;
}

static void compare(struct audit *a, const struct site *x, const struct site *y)
{
    for (size_t i = 0; i < x->policies.n && i < y->policies.n; i++)
        if (memcmp(x->policies.v[i].doc.b, y->policies.v[i].doc.b, 32) != 0) {
            claims_broken(a, CLAIM_POLICY, y, y->policies.v[i].leaf,
                          "another policy than site \"%s\" published in its place", x->trust->site);
            return;
        }
}

static int end(struct audit *a)
{
    for (size_t i = 0; i < a->sites; i++)
        for (size_t j = i + 1; j < a->sites; j++)
            compare(a, &a->site[i], &a->site[j]);
    return 0;
}

static void sentence(const struct audit *a, char *out, size_t n)
{
    size_t differences = 0;

    for (size_t i = 0; i < a->sites && differences == 0; i++)
        for (size_t j = 0; j < a->site[i].policies.n; j++)
            if (a->site[i].policies.v[j].policy != NULL)
                differences += policy_differences(a->site[i].policies.v[j].policy);
    (void)snprintf(out, n,
                   "approved by others than their authors, announced before they took effect; %zu "
                   "difference%s between zones %s listed",
                   differences, claims_noun(differences, "", "s"),
                   claims_noun(differences, "is", "are"));
}

static const uint8_t assumption[] = {1, 2, 5, 8, 0};
const struct claim claims_policy_uniform = {
    .name = "policy.uniform",
    .basis = AUDIT_MATH,
    .unit = "policies",
    .one = "policy",
    .assumption = assumption,
    .kinds = READS(POLICY_PUBLISHED),
    .leaf = leaf,
    .end = end,
    .sentence = sentence,
};

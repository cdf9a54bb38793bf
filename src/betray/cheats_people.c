/* Cheats about the register and the policies that its people approve. */
#include "betray/cheats_priv.h"

#include <stdio.h>

#include "base/text.h"

/* A policy that follows, signed by one kind of signers and `good` good ones. */
static int bad_policy(struct stage *s, enum stage_who who, size_t want, size_t good,
                      const char *none, struct err *e)
{
    unix_time t = stage_time(s, 0);
    struct ed25519_key *k[4] = {NULL};
    size_t n = stage_signers(s, ROLE_POLICY, who, t, k, want);
    int rc;

    if (n < want) {
        cheats_free_keys(k, n);
        return stage_nothing(e, none);
    }
    n += stage_signers(s, ROLE_POLICY, WHO_GOOD, t, k + n, good);
    rc = stage_policy(s, t + DAY, k, n, t, e);
    cheats_free_keys(k, n);
    return rc;
}

int cheats_self_approved(struct stage *s, struct err *e)
{
    return bad_policy(s, WHO_AUTHOR, 1, 1, "the author's key is not at hand", e);
}

int cheats_two_keys(struct stage *s, struct err *e)
{
    return bad_policy(s, WHO_TWO_KEYS, 2, 0, "nobody who approves policies has two keys at hand",
                      e);
}

int cheats_revoked_key(struct stage *s, struct err *e)
{
    return bad_policy(s, WHO_REVOKED, 1, 1, "no approver's revoked key is at hand", e);
}

int cheats_retired(struct stage *s, struct err *e)
{
    return bad_policy(s, WHO_RETIRED, 1, 1, "no approver has retired", e);
}

int cheats_back_dated_policy(struct stage *s, struct err *e)
{
    unix_time t = stage_time(s, 0);
    struct ed25519_key *k[2] = {NULL};
    size_t n = stage_signers(s, ROLE_POLICY, WHO_GOOD, t, k, 2);
    int rc;

    if (n < 2)
        rc = stage_nothing(e, "the keys of two approvers are not at hand");
    else
        rc = stage_policy(s, t - HOUR, k, n, t, e);
    cheats_free_keys(k, n);
    return rc;
}

int cheats_unlisted_person(struct stage *s, struct err *e)
{
    unix_time t = stage_time(s, 0);
    struct id128 person = random_id(), org = random_id();
    struct leaf_builder b;
    int rc;

    stage_begin(s, 0, &b, LK_PERSON_ENROLLED, t);
    leaf_set_id(&b, LF_PERSON, &person);
    leaf_set_id(&b, LF_ORG, &org);
    if ((rc = stage_add(s, 0, &b, e)) != 0)
        return rc;
    return stage_publish(s, 0, t);
}

int cheats_lone_registrar(struct stage *s, struct err *e)
{
    unix_time t = stage_time(s, 0);
    struct ed25519_key *k[1] = {NULL};
    size_t n = stage_signers(s, ROLE_REGISTRAR, WHO_GOOD, t, k, 1);
    int rc;

    if (n == 0)
        return stage_nothing(e, "no registrar's key is at hand");
    if ((rc = stage_register(s, "", k, n, t, e)) == 0)
        rc = stage_publish(s, 0, t);
    cheats_free_keys(k, n);
    return rc;
}

/* The leaves of a person who is new in the register. */
static int enroll(struct stage *s, const struct id128 *person, const struct id128 *org,
                  const struct id128 *voucher, const struct ed25519_pub *key, unix_time t,
                  struct err *e)
{
    struct leaf_builder b;
    int rc;

    stage_begin(s, 0, &b, LK_PERSON_ENROLLED, t);
    leaf_set_id(&b, LF_PERSON, person);
    leaf_set_id(&b, LF_ORG, org);
    leaf_set_id(&b, LF_VOUCHER, voucher);
    if ((rc = stage_add(s, 0, &b, e)) != 0)
        return rc;
    stage_begin(s, 0, &b, LK_KEY_BOUND, t);
    leaf_set_id(&b, LF_PERSON, person);
    leaf_set_key(&b, LF_KEY, key->b);
    if ((rc = stage_add(s, 0, &b, e)) != 0)
        return rc;
    return stage_publish(s, 0, t);
}

/* Somebody who is in the register already enrolls once more, under another pseudonym. */
int cheats_two_enrolments(struct stage *s, struct err *e)
{
    const struct register_person *voucher = register_person(s->people, 0);
    char more[600], id[33], org[33], vouch[33], key[TEXT_BASE64_LEN(32) + 1], from[20];
    unix_time t = stage_time(s, 0);
    struct ed25519_key *k[2] = {NULL}, *fresh = NULL;
    size_t n = stage_signers(s, ROLE_REGISTRAR, WHO_GOOD, t, k, 2);
    struct id128 person = random_id();
    struct ed25519_pub pub;
    int rc;

    if (n < 2) {
        rc = stage_nothing(e, "the keys of two registrars are not at hand");
        goto out;
    }
    if ((rc = ed25519_generate(&fresh)) != 0)
        goto out;
    ed25519_public(fresh, &pub);
    text_id(id, &person);
    text_id(org, &voucher->org);
    text_id(vouch, &voucher->id);
    text_base64(key, pub.b, sizeof(pub.b));
    clock_minute(from, t);
    (void)snprintf(more, sizeof(more),
                   "  - id: \"%s\"\n    org: \"%s\"\n    voucher: \"%s\"\n    keys:\n"
                   "      - {key: \"%s\", from: %s}\n    roles: []\n",
                   id, org, vouch, key, from);
    if ((rc = stage_register(s, more, k, n, t, e)) == 0)
        rc = enroll(s, &person, &voucher->org, &voucher->id, &pub, t, e);
out:
    cheats_free_keys(k, n);
    ed25519_free(fresh);
    return rc;
}

/* client_policy.c - where files belong, and whether those who may say so have said it.
 *
 * The policy must be approved, k of n, by the people of a register the client trusts: the first
 * edition, which the root keys of the trust file have signed, or the edition whose digest the
 * configuration names.  No register tells when a policy was approved; what is known is that it was
 * published before it took effect.  So roles and keys are asked at valid_from (or now, if that is
 * earlier), and a key that was revoked since does not count, because it may have been stolen. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "capi/client_priv.h"
#include "crypto/sha256.h"
#include "people/document.h"
#include "people/dsse.h"
#include "people/register.h"

static int load_envelope(const char *path, enum document kind, struct dsse **out,
                         struct digest *digest, struct err *e)
{
    struct buf text;
    int rc;

    buf_init(&text, DSSE_MAX_BYTES);
    if ((rc = io_read_file(AT_FDCWD, path, &text)) != 0) {
        (void)err_sys(e, rc, "reading the %s \"%s\"", document_word(kind), path);
    } else if ((rc = dsse_parse(out, buf_span(&text), e)) != 0) {
        (void)err_prefix(e, "the %s \"%s\"", document_word(kind), path);
    } else if (strcmp(dsse_type(*out), document_type(kind)) != 0) {
        rc = err_set(e, -EINVAL, "\"%s\" is an envelope of type %s, not a %s", path,
                     dsse_type(*out), document_word(kind));
    } else {
        dsse_digest(buf_span(&text), digest);
    }
    buf_free(&text);
    return rc;
}

/* ---- the register ---------------------------------------------------------------------------- */

static int trusted(const struct client *c, const struct dsse *env, const struct people *people,
                   const struct digest *is, struct err *e)
{
    const struct trust *t = c->trust;
    char have[65], want[65];
    unsigned counted;

    if (c->register_pinned) {
        if (digest_eq(is, &c->register_digest))
            return 0;
        text_digest(have, is);
        text_digest(want, &c->register_digest);
        return err_set(e, -EPERM,
                       "the register \"%s\" has the digest %.16s..., register_digest names "
                       "%.16s...; take the register that was checked",
                       c->register_path, have, want);
    }
    if (register_serial(people) != 1)
        return err_set(e, -EPERM,
                       "the register \"%s\" is edition %llu, and root keys sign the first alone; "
                       "have it checked, and write its digest (sha256sum) as register_digest",
                       c->register_path, (unsigned long long)register_serial(people));
    if (register_approved_by_roots(t->root, t->roots, t->threshold, env, &counted, e) != 0) {
        (void)err_prefix(e, "the register \"%s\" is not signed by the root keys of the trust file",
                         c->register_path);
        return -EPERM;
    }
    return 0;
}

static int load_register(const struct client *c, struct people **out, struct err *e)
{
    struct dsse *env = NULL;
    struct digest digest;
    int rc = load_envelope(c->register_path, DOCUMENT_REGISTER, &env, &digest, e);

    if (rc == 0 && (rc = register_parse(out, c->register_path, dsse_payload(env), e)) == 0)
        rc = trusted(c, env, *out, &digest, e);
    dsse_free(env);
    return rc;
}

/* ---- the approval ---------------------------------------------------------------------------- */

/* Has this person signed by a key that counts at t and is not revoked now? */
static bool still_stands(const struct people *people, const struct dsse *env,
                         const struct id128 *person, unix_time t, unix_time now)
{
    for (size_t i = 0; i < dsse_count(env); i++) {
        const struct register_key *key;
        const struct register_person *p = register_keyid(people, dsse_keyid(env, i), &key);

        if (p != NULL && memcmp(&p->id, person, sizeof(*person)) == 0 &&
            register_key_valid(key, t) && key->revoked > now && dsse_check(env, i, &key->pub) == 0)
            return true;
    }
    return false;
}

static int approved(const struct client *c, const struct people *people, const struct dsse *env,
                    const struct policy *policy, struct err *e)
{
    unix_time now = clock_now(), t = policy_valid_from(policy);
    struct register_approval a;
    unsigned stand = 0;
    int rc;

    if (t > now)
        t = now;
    rc = register_approved(people, DOCUMENT_POLICY, env, t, policy_author(policy), &a, e);
    if (rc != 0) {
        (void)err_prefix(e, "the policy \"%s\" is not approved by the register \"%s\"",
                         c->policy_path, c->register_path);
        return rc;
    }
    for (unsigned i = 0; i < a.counted; i++)
        stand += still_stands(people, env, &a.person[i], t, now);
    if (stand >= a.needed)
        return 0;
    return err_set(
        e, -EPERM,
        "the policy \"%s\" needs %u approvals by the register \"%s\" and has %u: %u more "
        "are by keys that were revoked since; ask for a policy that is signed anew",
        c->policy_path, a.needed, c->register_path, stand, a.counted - stand);
}

int client_policy_load(struct client *c, struct err *e)
{
    struct placement *placement = NULL;
    struct policy *policy = NULL;
    struct people *people = NULL;
    struct dsse *env = NULL;
    struct digest digest;
    struct err why = ERR_INIT;
    int rc = load_envelope(c->policy_path, DOCUMENT_POLICY, &env, &digest, e);

    if (rc == 0 && (rc = policy_parse(&policy, c->policy_path, dsse_payload(env), e)) == 0 &&
        (rc = placement_policy(policy, &digest, &placement, e)) == 0) {
        placement_free(c->placement);
        c->placement = placement;
        /* if not, tracing and withdrawing go on; nothing new is sent */
        c->approved =
            load_register(c, &people, &why) == 0 && approved(c, people, env, policy, &why) == 0;
        c->unapproved = why;
    }
    register_free(people);
    policy_free(policy);
    dsse_free(env);
    return rc;
}

int client_policy_approved(struct client *c, struct err *e)
{
    int rc;

    /* a file that could not be read may be there again, or a better one */
    if (!c->approved && (rc = client_policy_load(c, e)) != 0)
        return rc;
    if (c->approved)
        return 0;
    if (c->unapproved.code == 0)
        return err_set(e, -EPERM, "whether the policy is approved could not be found out");
    return err_set(e, c->unapproved.code, "%s", c->unapproved.text);
}

/* detect.neutral: what is decided against the rules (an entry of an allow list, a rule withdrawn, a
 * verdict changed by hand) is approved by enough people and says who asked; a release has no more
 * new entries of allow lists than were approved since the one before. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "claims/claims_priv.h"
#include "crypto/sha256.h"
#include "rules/override.h"

static void withdrawn(struct site *s, const struct digest *tree)
{
    for (size_t i = 0; i < s->rules.n; i++)
        if (digest_eq(&s->rules.v[i].tree, tree))
            s->rules.v[i].withdrawn = true;
}

static void takes_effect(struct site *s, const struct rules_override *o)
{
    if (o->ground == RULES_WITHDRAW)
        withdrawn(s, &o->subject);
    else if (o->ground == RULES_VERDICT)
        claims_trip_over(s, &o->subject);
}

static int read_override(struct audit *a, struct site *s, const struct leaf *l)
{
    struct digest doc = leaf_digest(l, LF_DOC);
    struct rules_override o;
    struct dsse *env = NULL;
    struct err e = ERR_INIT;
    int rc = claims_document(a, s, CLAIM_NEUTRAL, DOCUMENT_OVERRIDE, &doc, &env);

    if (rc == 0 && (rc = override_parse(&o, "override", dsse_payload(env), &e)) != 0 &&
        rc != -ENOMEM) {
        claims_broken(a, CLAIM_NEUTRAL, s, s->index, "%s", err_text(&e));
        rc = 1;
    }
    if (rc == 0 &&
        (leaf_word(l, LF_GROUND) != (unsigned)o.ground ||
         leaf_word(l, LF_ASKER) != (unsigned)o.asker || leaf_int(l, LF_COUNT) != o.count)) {
        claims_broken(a, CLAIM_NEUTRAL, s, s->index,
                      "the leaf does not say what its approvers signed");
        rc = 1;
    }
    if (rc == 0 && (rc = claims_approved(a, s, CLAIM_NEUTRAL, DOCUMENT_OVERRIDE, &doc, env, NULL,
                                         claims_witnessed(s, l->time))) == 0)
        takes_effect(s, &o);
    dsse_free(env);
    return rc < 0 ? rc : 0;
}

/* rules_four_eyes.c has put it at the end. */
static void allows(struct audit *a, struct site *s)
{
    const struct rules_rel *r = &s->rules.v[s->rules.n - 1];
    uint64_t before = s->rules.n == 1 ? 0 : (r - 1)->allows;

    if (r->allows > before && r->allows - before > s->allowed)
        claims_broken(a, CLAIM_NEUTRAL, s, s->index,
                      "%llu entries of allow lists more than before, and %llu were approved",
                      (unsigned long long)(r->allows - before), (unsigned long long)s->allowed);
    s->allowed = 0;
}

static int leaf(struct audit *a, struct site *s, const struct leaf *l)
{
    if (l->kind == LK_RELEASE_PUBLISHED) {
        allows(a, s);
        return 0;
    }
    claims_count(a, CLAIM_NEUTRAL, 1);
    if (leaf_word(l, LF_GROUND) == LW_OVERRIDE_ALLOW)
        s->allowed += leaf_int(l, LF_COUNT);
    return read_override(a, s, l);
}

static void sentence(const struct audit *a, char *out, size_t n)
{
    (void)a;
    (void)snprintf(out, n,
                   "each approved by enough people, with its ground and who asked; no "
                   "release has entries of allow lists beside them");
}

static const uint8_t assumption[] = {1, 2, 8, 12, 0};
const struct claim claims_detect_neutral = {
    .name = "detect.neutral",
    .basis = AUDIT_COUNTERSIGNED,
    .unit = "overrides",
    .one = "override",
    .assumption = assumption,
    .kinds = READS(OVERRIDE_MADE) | READS(RELEASE_PUBLISHED),
    .leaf = leaf,
    .sentence = sentence,
};

/* rules.four-eyes: each release of the rules is the tree that an author proposed on top of the
 * release before, that passed its tests, and that enough other people approved together with the
 * report of those tests. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "claims/claims_priv.h"
#include "crypto/sha256.h"
#include "ledger/tlog_tiles.h"
#include "rules/approval.h"
#include "rules/change.h"

static struct proposal *find(struct site *s, const struct id128 *change)
{
    for (size_t i = s->proposals.n; i > 0; i--)
        if (memcmp(s->proposals.v[i - 1].change.b, change->b, sizeof(change->b)) == 0)
            return &s->proposals.v[i - 1];
    return NULL;
}

/* Did the author sign it, as an author of rules then? */
static int signed_by(struct audit *a, struct site *s, const struct dsse *env,
                     const struct id128 *author, unix_time t)
{
    const struct doc_register *r = claims_register(s);
    struct register_approval by;
    struct err e = ERR_INIT;
    int rc;

    if (r == NULL || r->people == NULL) {
        claims_unknown(a, CLAIM_FOUR_EYES, s, s->index, "the register of people could not be read");
        return 1;
    }
    rc = register_approved(r->people, DOCUMENT_CHANGE, env, t, NULL, &by, &e);
    if (rc == -ENOMEM)
        return rc;
    for (unsigned i = 0; i < by.counted && rc == 0; i++)
        if (memcmp(by.person[i].b, author->b, sizeof(author->b)) == 0)
            return 0;
    claims_broken(a, CLAIM_FOUR_EYES, s, s->index, "%s",
                  rc != 0 ? err_text(&e) : "it is not signed by the author it names");
    return 1;
}

static int parsed(struct audit *a, struct site *s, int rc, const struct err *e)
{
    if (rc != -EINVAL && rc != -EBADMSG && rc != -E2BIG)
        return rc;
    claims_broken(a, CLAIM_FOUR_EYES, s, s->index, "%s", err_text(e));
    return 1;
}

static int read_change(struct audit *a, struct site *s, const struct leaf *l, struct proposal *p)
{
    struct digest doc = leaf_digest(l, LF_DOC);
    struct rules_change c;
    struct dsse *env = NULL;
    struct err e = ERR_INIT;
    int rc = claims_document(a, s, CLAIM_FOUR_EYES, DOCUMENT_CHANGE, &doc, &env);

    if (rc == 0)
        rc = parsed(a, s, change_parse(&c, "change", dsse_payload(env), &e), &e);
    if (rc == 0) {
        p->author = c.author;
        if (memcmp(c.change.b, p->change.b, sizeof(c.change.b)) != 0 ||
            !digest_eq(&c.tree, &p->tree) || c.first != p->first ||
            (!c.first && !digest_eq(&c.base, &p->base))) {
            claims_broken(a, CLAIM_FOUR_EYES, s, s->index,
                          "the leaf does not say what its author signed");
            rc = 1;
        }
    }
    if (rc == 0)
        rc = signed_by(a, s, env, &c.author, claims_witnessed(s, l->time));
    dsse_free(env);
    return rc;
}

static int proposed(struct audit *a, struct site *s, const struct leaf *l)
{
    struct proposal p = {.change = leaf_id(l, LF_CHANGE),
                         .tree = leaf_digest(l, LF_TREE),
                         .first = !leaf_has(l, LF_BASE)};
    int rc = VEC_ROOM(&s->proposals);

    if (rc != 0)
        return rc;
    if (!p.first)
        p.base = leaf_digest(l, LF_BASE);
    if (find(s, &p.change) != NULL)
        claims_broken(a, CLAIM_FOUR_EYES, s, s->index, "this change was proposed before");
    if ((rc = read_change(a, s, l, &p)) < 0)
        return rc;
    p.sound = rc == 0;
    s->proposals.v[s->proposals.n++] = p;
    return 0;
}

/* An auditor must be able to read what the approvers read. */
static int report_there(struct audit *a, struct site *s, const struct digest *report)
{
    struct err e = ERR_INIT;
    struct buf b;
    int rc;

    buf_init(&b, DSSE_MAX_BYTES);
    rc = tlog_tiles_artifact(s->dir, report, &b, &e);
    buf_free(&b);
    if (rc == -ENOENT) {
        claims_unknown(a, CLAIM_FOUR_EYES, s, s->index, "the report of the tests is missing");
        rc = 0;
    }
    return parsed(a, s, rc, &e) < 0 ? rc : 0;
}

static int passed(struct audit *a, struct site *s, const struct leaf *l)
{
    struct id128 change = leaf_id(l, LF_CHANGE);
    struct digest tree = leaf_digest(l, LF_TREE), report = leaf_digest(l, LF_REPORT);
    struct proposal *p = find(s, &change);

    if (p == NULL || !digest_eq(&p->tree, &tree)) {
        claims_broken(a, CLAIM_FOUR_EYES, s, s->index, "tests of a tree that nobody proposed");
        return 0;
    }
    p->passed = true;
    p->report = report;
    return report_there(a, s, &report);
}

/* --- the release --- */

static bool leaf_agrees(const struct leaf *l, const struct rules_release *r)
{
    struct id128 change = leaf_id(l, LF_CHANGE);
    struct digest tree = leaf_digest(l, LF_TREE), report = leaf_digest(l, LF_REPORT), prev;

    if (leaf_int(l, LF_SERIAL) != r->chain.serial || leaf_has(l, LF_PREV) != (r->chain.serial > 1))
        return false;
    if (r->chain.serial > 1) {
        prev = leaf_digest(l, LF_PREV);
        if (!digest_eq(&prev, &r->chain.previous))
            return false;
    }
    return memcmp(change.b, r->change.b, sizeof(change.b)) == 0 && digest_eq(&tree, &r->tree) &&
           digest_eq(&report, &r->report) && leaf_word(l, LF_MODE) == (unsigned)r->mode &&
           leaf_word(l, LF_URGENT) == (r->urgent ? LW_URGENT_YES : LW_URGENT_NO) &&
           leaf_int(l, LF_ALLOWS) == r->allows;
}

/* What is wrong with how it came about; NULL: nothing. */
static const char *fault(struct site *s, const struct rules_release *r)
{
    const struct proposal *p = find(s, &r->change);
    const struct rules_rel *before = s->rules.n == 0 ? NULL : &s->rules.v[s->rules.n - 1];

    if (p == NULL)
        return "a release that no change was proposed for";
    if (!digest_eq(&p->tree, &r->tree))
        return "another tree was released than was proposed";
    if (p->sound && memcmp(p->author.b, r->author.b, sizeof(r->author.b)) != 0)
        return "the release names another author than the change";
    if (!p->passed)
        return "released without having passed its tests";
    if (!digest_eq(&p->report, &r->report))
        return "approved with another report than that of its tests";
    if (p->first != (before == NULL) || (before != NULL && !digest_eq(&p->base, &before->tree)))
        return "the change was made on another tree than that of the release before";
    return NULL;
}

static int check_release(struct audit *a, struct site *s, const struct leaf *l)
{
    struct digest doc = leaf_digest(l, LF_DOC);
    struct rules_release r;
    struct dsse *env = NULL;
    struct err e = ERR_INIT;
    struct proposal *p;
    const char *wrong;
    int rc = claims_document(a, s, CLAIM_FOUR_EYES, DOCUMENT_RELEASE, &doc, &env);

    if (rc == 0)
        rc = parsed(a, s, approval_parse(&r, "release", dsse_payload(env), &e), &e);
    if (rc == 0 && (p = find(s, &r.change)) != NULL)
        p->released = true;
    if (rc == 0 && !leaf_agrees(l, &r))
        claims_broken(a, CLAIM_FOUR_EYES, s, s->index,
                      "the leaf does not say what its approvers signed");
    if (rc == 0 && (wrong = fault(s, &r)) != NULL)
        claims_broken(a, CLAIM_FOUR_EYES, s, s->index, "%s", wrong);
    if (rc == 0)
        rc = claims_approved(a, s, CLAIM_FOUR_EYES, DOCUMENT_RELEASE, &doc, env, &r.author,
                             claims_witnessed(s, l->time));
    dsse_free(env);
    return rc < 0 ? rc : 0;
}

static int released(struct audit *a, struct site *s, const struct leaf *l)
{
    struct rules_rel r = {.doc = leaf_digest(l, LF_DOC),
                          .tree = leaf_digest(l, LF_TREE),
                          .serial = leaf_int(l, LF_SERIAL),
                          .allows = leaf_int(l, LF_ALLOWS),
                          .detect = leaf_word(l, LF_MODE) == LW_MODE_DETECT,
                          .leaf = (uint32_t)s->index};
    int rc = VEC_ROOM(&s->rules);

    if (rc != 0 || (rc = check_release(a, s, l)) != 0)
        return rc;
    claims_count(a, CLAIM_FOUR_EYES, 1);
    s->rules.v[s->rules.n++] = r;
    return 0;
}

static int leaf(struct audit *a, struct site *s, const struct leaf *l)
{
    switch (l->kind) {
    case LK_CHANGE_PROPOSED:
        return proposed(a, s, l);
    case LK_GATES_PASSED:
        return passed(a, s, l);
    default:
        return released(a, s, l);
    }
}

static void sentence(const struct audit *a, char *out, size_t n)
{
    size_t open = 0;

    for (size_t i = 0; i < a->sites; i++)
        for (size_t j = 0; j < a->site[i].proposals.n; j++)
            open += !a->site[i].proposals.v[j].released;
    (void)snprintf(out, n,
                   "each proposed, tested, and approved by others than its author; %zu change%s "
                   "proposed and not released",
                   open, claims_noun(open, "", "s"));
}

static const uint8_t assumption[] = {1, 2, 5, 8, 0};
const struct claim claims_rules_four_eyes = {
    .name = "rules.four-eyes",
    .basis = AUDIT_MATH,
    .unit = "releases",
    .one = "release",
    .assumption = assumption,
    .kinds = READS(CHANGE_PROPOSED) | READS(GATES_PASSED) | READS(RELEASE_PUBLISHED),
    .leaf = leaf,
    .sentence = sentence,
};

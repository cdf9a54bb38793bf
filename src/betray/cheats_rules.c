/* Cheats about the rules: who wrote, tested and approved them, and what engines load.  Each makes
 * the release that would follow, honest but for one thing. */
#include "betray/cheats_priv.h"

#include <errno.h>
#include <string.h>

#include "crypto/sha256.h"
#include "rules/approval.h"
#include "rules/change.h"
#include "rules/override.h"

/* What is wrong with the release that follows. */
struct plan {
    enum stage_who who; /* approves, beside `good` honest ones */
    size_t want, good;
    bool author_approves, untested, another_tree, another_base, another_report, gap, unchained;
    uint64_t allows; /* entries more, approved by nobody */
};

struct next {
    int site;
    unix_time t;
    struct ed25519_key *author, *by[4];
    size_t n;
    struct rules_change change;
    struct rules_release release;
};

static void close_next(struct next *x)
{
    ed25519_free(x->author);
    cheats_free_keys(x->by, x->n);
}

static struct digest drawn(void)
{
    struct digest d;

    random_bytes(d.b, sizeof(d.b));
    return d;
}

/* Up to n honest approvers, none of them the author. */
static size_t approvers(const struct stage *s, const struct next *x, const struct id128 *author,
                        struct ed25519_key **out, size_t n)
{
    struct ed25519_key *k[4] = {NULL};
    size_t have = stage_signers(s, ROLE_RELEASE, WHO_GOOD, x->t, k, n + 1), got = 0;

    for (size_t i = 0; i < have; i++) {
        struct ed25519_pub pub;
        const struct register_person *who;

        ed25519_public(k[i], &pub);
        who = register_key(s->people, &pub, NULL);
        if (got < n && who != NULL && memcmp(who->id.b, author->b, sizeof(author->b)) != 0)
            out[got++] = k[i];
        else
            ed25519_free(k[i]);
    }
    return got;
}

static int begin(struct stage *s, const struct plan *p, struct next *x, struct err *e)
{
    const struct register_person *who;
    struct ed25519_pub pub;
    struct leaf l;
    size_t i;
    int rc;

    memset(x, 0, sizeof(*x));
    if ((rc = stage_find(s, LK_RELEASE_PUBLISHED, &x->site, &i, e)) != 0)
        return rc;
    l = tale_leaf(&s->tale[x->site], i);
    x->t = stage_time(s, x->site);
    if (stage_signers(s, ROLE_AUTHOR, WHO_GOOD, x->t, &x->author, 1) == 0)
        return stage_nothing(e, "no author's key is at hand");
    ed25519_public(x->author, &pub);
    who = register_key(s->people, &pub, NULL);
    if (p->want > 0)
        x->n = stage_signers(s, ROLE_RELEASE, p->who, x->t, x->by, p->want);
    if (x->n < p->want || who == NULL)
        return stage_nothing(e, "no such approver's key is at hand");
    x->n += approvers(s, x, &who->id, x->by + x->n, p->good);
    if (x->n < p->want + p->good)
        return stage_nothing(e, "the keys of two approvers are not at hand");
    x->change = (struct rules_change){.change = random_id(),
                                      .author = who->id,
                                      .base = leaf_digest(&l, LF_TREE),
                                      .tree = drawn()};
    x->release = (struct rules_release){.change = x->change.change,
                                        .author = who->id,
                                        .tree = x->change.tree,
                                        .mode = RULES_ENFORCE,
                                        .allows = leaf_int(&l, LF_ALLOWS) + p->allows};
    x->release.chain.serial = leaf_int(&l, LF_SERIAL) + (p->gap ? 2 : 1);
    x->release.chain.previous = p->unchained ? drawn() : leaf_digest(&l, LF_DOC);
    if (p->another_tree)
        x->release.tree = drawn();
    if (p->another_base)
        x->change.base = drawn();
    return 0;
}

static int propose(struct stage *s, struct next *x, struct buf *yaml, struct err *e)
{
    struct leaf_builder b;
    struct digest doc;
    int rc;

    buf_reset(yaml);
    if ((rc = change_write(&x->change, yaml)) != 0 ||
        (rc = stage_document(s, x->site, DOCUMENT_CHANGE, yaml, &x->author, 1, &doc)) != 0)
        return err_sys(e, rc, "writing a change");
    stage_begin(s, x->site, &b, LK_CHANGE_PROPOSED, x->t);
    leaf_set_id(&b, LF_CHANGE, &x->change.change);
    leaf_set_digest(&b, LF_DOC, &doc);
    leaf_set_digest(&b, LF_BASE, &x->change.base);
    leaf_set_digest(&b, LF_TREE, &x->change.tree);
    return stage_add(s, x->site, &b, e);
}

static int pass(struct stage *s, struct next *x, const struct plan *p, struct err *e)
{
    struct digest corpus = drawn(), report;
    struct leaf_builder b;
    char text[65];
    int rc;

    cheats_random_hex(text, 32);
    if ((rc = tale_document(&s->tale[x->site], span_str(text), &report)) != 0)
        return err_sys(e, rc, "writing a report");
    x->release.report = p->another_report ? drawn() : report;
    if (p->untested)
        return 0;
    stage_begin(s, x->site, &b, LK_GATES_PASSED, x->t);
    leaf_set_id(&b, LF_CHANGE, &x->change.change);
    leaf_set_digest(&b, LF_TREE, &x->change.tree);
    leaf_set_digest(&b, LF_REPORT, &report);
    leaf_set_digest(&b, LF_CORPUS_ROOT, &corpus);
    leaf_set_text(&b, LF_ENGINE, "yara");
    return stage_add(s, x->site, &b, e);
}

static int release(struct stage *s, struct next *x, const struct plan *p, struct buf *yaml,
                   struct err *e)
{
    const struct rules_release *r = &x->release;
    struct ed25519_key *by[5];
    struct leaf_builder b;
    struct digest doc;
    size_t n = 0;
    int rc;

    for (; n < x->n; n++)
        by[n] = x->by[n];
    if (p->author_approves)
        by[n++] = x->author;
    buf_reset(yaml);
    if ((rc = approval_write(r, yaml)) != 0 ||
        (rc = stage_document(s, x->site, DOCUMENT_RELEASE, yaml, by, n, &doc)) != 0)
        return err_sys(e, rc, "writing a release");
    stage_begin(s, x->site, &b, LK_RELEASE_PUBLISHED, x->t);
    leaf_set_digest(&b, LF_DOC, &doc);
    leaf_set_digest(&b, LF_PREV, &r->chain.previous);
    leaf_set_int(&b, LF_SERIAL, r->chain.serial);
    leaf_set_id(&b, LF_CHANGE, &r->change);
    leaf_set_digest(&b, LF_TREE, &r->tree);
    leaf_set_digest(&b, LF_REPORT, &r->report);
    leaf_set_word(&b, LF_MODE, LW_MODE_ENFORCE);
    leaf_set_word(&b, LF_URGENT, LW_URGENT_NO);
    leaf_set_int(&b, LF_ALLOWS, r->allows);
    if ((rc = stage_add(s, x->site, &b, e)) != 0)
        return rc;
    return stage_publish(s, x->site, x->t);
}

static int play(struct stage *s, const struct plan *p, struct err *e)
{
    struct next x;
    struct buf yaml;
    int rc;

    buf_init(&yaml, DSSE_MAX_PAYLOAD);
    if ((rc = begin(s, p, &x, e)) == 0 && (rc = propose(s, &x, &yaml, e)) == 0 &&
        (rc = pass(s, &x, p, e)) == 0)
        rc = release(s, &x, p, &yaml, e);
    close_next(&x);
    buf_free(&yaml);
    return rc;
}

#define PLAY(name, ...)                                                                            \
    int cheats_##name(struct stage *s, struct err *e)                                              \
    {                                                                                              \
        static const struct plan p = {__VA_ARGS__};                                                \
                                                                                                   \
        return play(s, &p, e);                                                                     \
    }

PLAY(rules_self_approved, .good = 1, .author_approves = true)
PLAY(rules_one_approver, .good = 1)
PLAY(rules_two_keys, .who = WHO_TWO_KEYS, .want = 2)
PLAY(rules_revoked_key, .who = WHO_REVOKED, .want = 1, .good = 1)
PLAY(rules_retired, .who = WHO_RETIRED, .want = 1, .good = 1)
PLAY(rules_untested, .good = 2, .untested = true)
PLAY(rules_another_tree, .good = 2, .another_tree = true)
PLAY(rules_another_base, .good = 2, .another_base = true)
PLAY(rules_another_report, .good = 2, .another_report = true)
PLAY(rules_gap, .good = 2, .gap = true)
PLAY(rules_unchained, .good = 2, .unchained = true)
PLAY(rules_silent_allow, .good = 2, .allows = 1)

/* --- what is loaded --- */

static int load(struct stage *s, int site, const struct digest *tree, unix_time t, struct err *e)
{
    struct leaf_builder b;
    int rc;

    stage_begin(s, site, &b, LK_RULES_LOADED, t);
    leaf_set_digest(&b, LF_RELEASE, tree);
    leaf_set_text(&b, LF_ENGINE, "yara");
    leaf_set_int(&b, LF_RULES, 41);
    if ((rc = stage_add(s, site, &b, e)) != 0)
        return rc;
    return stage_publish(s, site, t);
}

int cheats_rules_unreleased(struct stage *s, struct err *e)
{
    struct digest tree = drawn();
    size_t i;
    int site, rc = stage_find(s, LK_RELEASE_PUBLISHED, &site, &i, e);

    return rc != 0 ? rc : load(s, site, &tree, stage_time(s, site), e);
}

int cheats_rules_rolled_back(struct stage *s, struct err *e)
{
    struct digest first, newest;
    struct leaf l;
    size_t i, k;
    int site, rc = stage_find(s, LK_RELEASE_PUBLISHED, &site, &i, e);

    if (rc != 0)
        return rc;
    if ((k = tale_find(&s->tale[site], LK_RELEASE_PUBLISHED, 0)) == i)
        return stage_nothing(e, "there is one release only");
    l = tale_leaf(&s->tale[site], i);
    newest = leaf_digest(&l, LF_TREE);
    l = tale_leaf(&s->tale[site], k);
    first = leaf_digest(&l, LF_TREE);
    if ((rc = load(s, site, &newest, stage_time(s, site), e)) != 0)
        return rc;
    return load(s, site, &first, stage_time(s, site), e);
}

/* --- overrides --- */

int cheats_lone_override(struct stage *s, struct err *e)
{
    struct rules_override o = {.override = random_id(),
                               .author = random_id(),
                               .ground = RULES_VERDICT,
                               .asker = RULES_GOVERNMENT,
                               .count = 1,
                               .subject = drawn()};
    struct ed25519_key *k = NULL;
    struct leaf_builder b;
    struct digest doc;
    struct buf yaml;
    unix_time t;
    size_t i;
    int site, rc = stage_find(s, LK_RELEASE_PUBLISHED, &site, &i, e);

    if (rc != 0)
        return rc;
    t = stage_time(s, site);
    if (stage_signers(s, ROLE_RELEASE, WHO_GOOD, t, &k, 1) == 0)
        return stage_nothing(e, "no approver's key is at hand");
    buf_init(&yaml, DSSE_MAX_PAYLOAD);
    if ((rc = override_write(&o, "they asked", &yaml)) == 0)
        rc = stage_document(s, site, DOCUMENT_OVERRIDE, &yaml, &k, 1, &doc);
    buf_free(&yaml);
    ed25519_free(k);
    if (rc != 0)
        return err_sys(e, rc, "writing an override");
    stage_begin(s, site, &b, LK_OVERRIDE_MADE, t);
    leaf_set_digest(&b, LF_DOC, &doc);
    leaf_set_int(&b, LF_COUNT, o.count);
    leaf_set_word(&b, LF_GROUND, LW_OVERRIDE_VERDICT);
    leaf_set_word(&b, LF_ASKER, LW_ASKER_GOVERNMENT);
    if ((rc = stage_add(s, site, &b, e)) != 0)
        return rc;
    return stage_publish(s, site, t);
}

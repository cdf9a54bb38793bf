/* The rules of a generated history: two releases.  Person 8 is the author, 3 and 4 approve.  The
 * second release comes with two entries of an allow list, which 3 and 4 approved before. */
#include <string.h>

#include "base/text.h"
#include "betray/history_priv.h"
#include "crypto/sha256.h"
#include "rules/approval.h"
#include "rules/change.h"
#include "rules/override.h"
#include "updates/published.h"

#define ALLOWED 2
#define AUTHOR 8

static const char *const sites[HISTORY_SITES] = {"zrh1", "mow1"};

static int make_change(struct history *h, int k, struct buf *yaml)
{
    static const int by_author[] = {AUTHOR, -1};
    struct history_release *r = &h->release[k];
    struct rules_change c = {
        .change = r->change, .author = h->person[AUTHOR], .first = k == 0, .tree = r->tree};
    int rc;

    if (k > 0)
        c.base = h->release[k - 1].tree;
    buf_reset(yaml);
    rc = change_write(&c, yaml);
    return rc != 0 ? rc
                   : history_wrap(DOCUMENT_CHANGE, yaml, h->person_key, by_author, &r->change_env);
}

static int make_release(struct history *h, int k, struct buf *yaml)
{
    static const int by_two[] = {3, 4, -1};
    struct history_release *r = &h->release[k];
    struct rules_release doc = {.change = r->change,
                                .author = h->person[AUTHOR],
                                .tree = r->tree,
                                .report = r->report,
                                .mode = RULES_ENFORCE,
                                .allows = k == 0 ? 0 : ALLOWED};
    int rc;

    doc.chain.serial = (uint64_t)k + 1;
    if (k > 0)
        doc.chain.previous = h->release[k - 1].doc;
    buf_reset(yaml);
    if ((rc = approval_write(&doc, yaml)) == 0 &&
        (rc = history_wrap(DOCUMENT_RELEASE, yaml, h->person_key, by_two, &r->release_env)) == 0)
        dsse_digest(buf_span(&r->release_env), &r->doc);
    return rc;
}

static int make_override(struct history *h, struct buf *yaml)
{
    static const int by_two[] = {3, 4, -1};
    struct rules_override o = {
        .author = h->person[AUTHOR], .ground = RULES_ALLOW, .asker = RULES_OWNER, .count = ALLOWED};
    struct digest d;
    int rc;

    history_random(h, "override", 0, &d);
    memcpy(o.override.b, d.b, sizeof(o.override.b));
    history_random(h, "allowed", 0, &o.subject);
    buf_reset(yaml);
    rc = override_write(&o, "two builds of an installer that one rule hits", yaml);
    return rc != 0 ? rc
                   : history_wrap(DOCUMENT_OVERRIDE, yaml, h->person_key, by_two, &h->override_env);
}

/* The first release comes with the whole repository, the second with a root 2, in which timestamp
 * has another key. */
static int make_served(struct history *h)
{
    struct served_release r[2];
    struct ed25519_key *key[SERVED_KEYS];
    struct served v;
    int rc = 0;

    served_init(&v);
    for (unsigned i = 0; i <= SERVED_KEYS && rc == 0; i++)
        rc = history_key(h, "repository", i, &h->served_key[i]);
    for (int k = 0; k < 2; k++)
        r[k] = (struct served_release){(uint64_t)k + 1, h->release[k].tree};
    if (rc == 0 && (rc = served_begin(&v, h->served_key, r, 1)) == 0)
        rc = served_write(&v, &h->release[0].metadata);
    memcpy(key, h->served_key, sizeof(key));
    key[KEY_TIMESTAMP] = h->served_key[SERVED_KEYS];
    if (rc == 0 && (rc = served_put(&v, "root", served_root(2, key), key + KEY_ROOT, 2)) == 0 &&
        (rc = served_put(&v, "rules", served_rules(2, r, 2), key + KEY_RULES, 2)) == 0 &&
        (rc = served_put(&v, "snapshot", served_snapshot(&v), key + KEY_SNAPSHOT, 1)) == 0)
        rc = served_write(&v, &h->release[1].metadata);
    served_free(&v);
    return rc;
}

int history_rules_begin(struct history *h)
{
    struct buf yaml;
    int rc = 0;

    buf_init(&yaml, DSSE_MAX_PAYLOAD);
    buf_init(&h->override_env, DSSE_MAX_BYTES);
    for (int k = 0; k < 2; k++) {
        struct history_release *r = &h->release[k];
        struct digest d;

        buf_init(&r->report_text, 1 << 16);
        buf_init(&r->change_env, DSSE_MAX_BYTES);
        buf_init(&r->release_env, DSSE_MAX_BYTES);
        buf_init(&r->metadata, PUBLISHED_MAX_BYTES);
        history_random(h, "change", (uint64_t)k, &d);
        memcpy(r->change.b, d.b, sizeof(r->change.b));
        history_random(h, "tree", (uint64_t)k, &r->tree);
    }
    for (int k = 0; k < 2 && rc == 0; k++) {
        struct history_release *r = &h->release[k];

        if ((rc = buf_printf(&r->report_text, "format: rules-report/v1\nrelease: %d\n", k + 1)) ==
            0)
            sha256_of(r->report_text.data, r->report_text.len, &r->report);
        if (rc == 0 && (rc = make_change(h, k, &yaml)) == 0)
            rc = make_release(h, k, &yaml);
    }
    if (rc == 0 && (rc = make_override(h, &yaml)) == 0)
        rc = make_served(h);
    buf_free(&yaml);
    return rc;
}

void history_rules_end(struct history *h)
{
    for (int k = 0; k < 2; k++) {
        buf_free(&h->release[k].report_text);
        buf_free(&h->release[k].change_env);
        buf_free(&h->release[k].release_env);
        buf_free(&h->release[k].metadata);
    }
    for (size_t i = 0; i <= SERVED_KEYS; i++)
        ed25519_free(h->served_key[i]);
    buf_free(&h->override_env);
}

/* --- leaves --- */

static int proposed(struct history *h, int site, int k, unix_time t, struct err *e)
{
    const struct history_release *r = &h->release[k];
    struct leaf_builder b;
    struct digest doc;
    int rc = tale_document(&h->tale[site], buf_span(&r->change_env), &doc);

    if (rc != 0)
        return rc;
    leaf_begin(&b, LK_CHANGE_PROPOSED, t, sites[site]);
    leaf_set_id(&b, LF_CHANGE, &r->change);
    leaf_set_digest(&b, LF_DOC, &doc);
    leaf_set_digest(&b, LF_TREE, &r->tree);
    if (k > 0)
        leaf_set_digest(&b, LF_BASE, &h->release[k - 1].tree);
    return tale_add(&h->tale[site], &b, e);
}

static int passed(struct history *h, int site, int k, unix_time t, struct err *e)
{
    const struct history_release *r = &h->release[k];
    struct leaf_builder b;
    struct digest corpus;
    int rc = tale_document(&h->tale[site], buf_span(&r->report_text), NULL);

    if (rc != 0)
        return rc;
    history_random(h, "corpus", 0, &corpus);
    leaf_begin(&b, LK_GATES_PASSED, t, sites[site]);
    leaf_set_id(&b, LF_CHANGE, &r->change);
    leaf_set_digest(&b, LF_TREE, &r->tree);
    leaf_set_digest(&b, LF_REPORT, &r->report);
    leaf_set_digest(&b, LF_CORPUS_ROOT, &corpus);
    leaf_set_text(&b, LF_ENGINE, "yara");
    return tale_add(&h->tale[site], &b, e);
}

static int allowed(struct history *h, int site, unix_time t, struct err *e)
{
    struct leaf_builder b;
    struct digest doc;
    int rc = tale_document(&h->tale[site], buf_span(&h->override_env), &doc);

    if (rc != 0)
        return rc;
    leaf_begin(&b, LK_OVERRIDE_MADE, t, sites[site]);
    leaf_set_digest(&b, LF_DOC, &doc);
    leaf_set_int(&b, LF_COUNT, ALLOWED);
    leaf_set_word(&b, LF_GROUND, LW_OVERRIDE_ALLOW);
    leaf_set_word(&b, LF_ASKER, LW_ASKER_OWNER);
    return tale_add(&h->tale[site], &b, e);
}

static int released(struct history *h, int site, int k, unix_time t, struct err *e)
{
    const struct history_release *r = &h->release[k];
    struct leaf_builder b;
    int rc = tale_document(&h->tale[site], buf_span(&r->release_env), NULL);

    if (rc != 0)
        return rc;
    leaf_begin(&b, LK_RELEASE_PUBLISHED, t, sites[site]);
    leaf_set_digest(&b, LF_DOC, &r->doc);
    if (k > 0)
        leaf_set_digest(&b, LF_PREV, &h->release[k - 1].doc);
    leaf_set_int(&b, LF_SERIAL, (uint64_t)k + 1);
    leaf_set_id(&b, LF_CHANGE, &r->change);
    leaf_set_digest(&b, LF_TREE, &r->tree);
    leaf_set_digest(&b, LF_REPORT, &r->report);
    leaf_set_word(&b, LF_MODE, LW_MODE_ENFORCE);
    leaf_set_word(&b, LF_URGENT, LW_URGENT_NO);
    leaf_set_int(&b, LF_ALLOWS, k == 0 ? 0 : ALLOWED);
    return tale_add(&h->tale[site], &b, e);
}

static int served(struct history *h, int site, int k, unix_time t, struct err *e)
{
    struct leaf_builder b;
    struct digest metadata;
    int rc = tale_document(&h->tale[site], buf_span(&h->release[k].metadata), &metadata);

    if (rc != 0)
        return rc;
    leaf_begin(&b, LK_REPOSITORY_PUBLISHED, t, sites[site]);
    leaf_set_digest(&b, LF_METADATA, &metadata);
    leaf_set_int(&b, LF_SERIAL, (uint64_t)k + 1);
    if ((rc = tale_add(&h->tale[site], &b, e)) != 0)
        return rc;
    leaf_begin(&b, LK_RULES_LOADED, t, sites[site]);
    leaf_set_digest(&b, LF_RELEASE, &h->release[k].tree);
    leaf_set_text(&b, LF_ENGINE, "yara");
    leaf_set_int(&b, LF_RULES, 42);
    return tale_add(&h->tale[site], &b, e);
}

int history_rules_leaves(struct history *h, int site, int k, unix_time t, struct err *e)
{
    int rc;

    if ((k > 0 && (rc = allowed(h, site, t, e)) != 0) || (rc = proposed(h, site, k, t, e)) != 0 ||
        (rc = passed(h, site, k, t, e)) != 0 || (rc = released(h, site, k, t, e)) != 0)
        return rc;
    return served(h, site, k, t, e);
}

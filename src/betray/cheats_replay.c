/* Cheats about verdicts that others made again: the operator speaks for an attester. */
#include <errno.h>
#include <string.h>

#include "betray/cheats_priv.h"
#include "crypto/sha256.h"
#include "people/dsse.h"
#include "rules/attestation.h"

static int about(const struct stage *s, int site, size_t i, struct attestation *a)
{
    struct leaf l = tale_leaf(&s->tale[site], i);
    struct span engine = leaf_text(&l, LF_ENGINE);

    memset(a, 0, sizeof(*a));
    memcpy(a->site, stage_site_name(s, site), strlen(stage_site_name(s, site)) + 1);
    if (engine.n >= sizeof(a->engines))
        return -E2BIG;
    memcpy(a->engines, engine.p, engine.n);
    a->leaf = i;
    a->release = leaf_digest(&l, LF_RELEASE);
    a->same = true;
    sha256_leaf(l.bytes.p, l.bytes.n, &a->scan);
    return 0;
}

static int log_it(struct stage *s, int site, const struct attestation *a, const struct buf *env,
                  struct err *e)
{
    unix_time t = stage_time(s, site);
    struct leaf_builder b;
    struct digest doc;
    int rc = tale_document(&s->tale[site], buf_span(env), &doc);

    if (rc != 0)
        return rc;
    stage_begin(s, site, &b, LK_REPLAY_ATTESTED, t);
    leaf_set_digest(&b, LF_DOC, &doc);
    leaf_set_key(&b, LF_KEY, a->key.b);
    leaf_set_int(&b, LF_LEAF, a->leaf);
    leaf_set_digest(&b, LF_RELEASE, &a->release);
    leaf_set_word(&b, LF_SAME, a->same ? LW_SAME_YES : LW_SAME_NO);
    leaf_set_digest(&b, LF_SCAN, &a->scan);
    rc = stage_add(s, site, &b, e);
    return rc != 0 ? rc : stage_publish(s, site, t);
}

/* The document names the attester, and the operator signs it. */
static int forge(const struct attestation *a, const struct ed25519_key *own, struct buf *env)
{
    struct dsse *d = NULL;
    struct buf yaml;
    int rc;

    buf_init(&yaml, 4096);
    if ((rc = attestation_write(a, &yaml)) == 0 &&
        (rc = dsse_new(&d, ATTESTATION_TYPE, buf_span(&yaml))) == 0 &&
        (rc = dsse_sign(d, own)) == 0)
        rc = dsse_write(d, env);
    dsse_free(d);
    buf_free(&yaml);
    return rc;
}

/* moved: what the attester signed is logged as about another scan; else nobody signed it. */
static int play(struct stage *s, bool moved, struct err *e)
{
    struct ed25519_key *attester = NULL, *own = NULL;
    struct attestation a, other;
    struct buf env;
    size_t i, j = 0;
    int site, rc = stage_find(s, LK_SCAN_DONE, &site, &i, e);

    if (rc != 0)
        return rc;
    if (moved && (j = tale_find(&s->tale[site], LK_SCAN_DONE, 0)) == i)
        return stage_nothing(e, "there is one scan only");
    buf_init(&env, DSSE_MAX_BYTES);
    if ((rc = ed25519_generate(&attester)) == 0 && (rc = ed25519_generate(&own)) == 0 &&
        (rc = about(s, site, i, &a)) == 0) {
        ed25519_public(attester, &a.key);
        rc = moved ? attestation_sign(&a, attester, &env, e) : forge(&a, own, &env);
    }
    if (rc == 0 && moved && (rc = about(s, site, j, &other)) == 0) {
        other.key = a.key;
        a = other;
    }
    if (rc == 0)
        rc = log_it(s, site, &a, &env, e);
    ed25519_free(attester);
    ed25519_free(own);
    buf_free(&env);
    return rc;
}

int cheats_replay_forged(struct stage *s, struct err *e)
{
    return play(s, false, e);
}

int cheats_replay_moved(struct stage *s, struct err *e)
{
    return play(s, true, e);
}

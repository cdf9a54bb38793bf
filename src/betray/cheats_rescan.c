/* Cheats about what new rules do to files that are there already: verdicts that changed and are not
 * told, or told and not so; findings that quietly block nothing.  Each makes the round that would
 * follow one engine more, honest but for one thing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "betray/cheats_priv.h"
#include "crypto/sha256.h"
#include "events/setroot.h"

#define ENGINE "one.more"

/* What is wrong with the round. */
struct plan {
    bool pretended; /* nothing is scanned */
    bool hidden;    /* the changed verdict is not in the summary */
    bool unlogged;  /* it is in the summary, and has no leaf */
    bool one_less;  /* a file is left out */
    bool others;    /* the summary is of rules that do not serve */
    bool detect;    /* the changed verdict is said to block nothing */
    uint64_t trips; /* files that the breaker says became malicious; then there is no summary */
};

struct round {
    int site;
    unix_time t;
    struct digest release;
    struct id128 *ref; /* copies that are there and have a verdict, ascending */
    size_t refs;
};

static int by_id(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct id128));
}

/* The refs of all leaves of kind k, sorted, each once; NULL: no memory. */
static struct id128 *refs_in(const struct tale *t, enum leaf_kind k, size_t *n)
{
    struct id128 *v = calloc(t->leaves + 1, sizeof(*v));
    size_t all = 0;

    *n = 0;
    for (size_t i = 0; v != NULL && i < t->leaves; i++) {
        struct leaf l;

        if (leaf_parse(&l, span_of(t->leaf[i].bytes, t->leaf[i].n)) == 0 && l.kind == k)
            v[all++] = leaf_id(&l, LF_REF);
    }
    if (all > 1)
        qsort(v, all, sizeof(*v), by_id);
    for (size_t i = 0; i < all; i++)
        if (*n == 0 || by_id(&v[*n - 1], &v[i]) != 0)
            v[(*n)++] = v[i];
    return v;
}

static int begin(struct stage *s, struct round *r, struct err *e)
{
    struct id128 *gone;
    struct leaf l;
    size_t i, n, kept = 0;
    int rc;

    memset(r, 0, sizeof(*r));
    if ((rc = stage_find(s, LK_SCAN_DONE, &r->site, &i, e)) != 0)
        return rc;
    i = tale_last(&s->tale[r->site], LK_RULES_LOADED);
    if (i == s->tale[r->site].leaves)
        return stage_nothing(e, "no rules were loaded");
    l = tale_leaf(&s->tale[r->site], i);
    r->release = leaf_digest(&l, LF_RELEASE);
    r->t = stage_time(s, r->site);
    r->ref = refs_in(&s->tale[r->site], LK_SCAN_DONE, &r->refs);
    gone = refs_in(&s->tale[r->site], LK_COPY_REMOVED, &n);
    if (r->ref == NULL || gone == NULL) {
        free(gone);
        return err_sys(e, -ENOMEM, "listing the copies");
    }
    for (i = 0; i < r->refs; i++)
        if (bsearch(&r->ref[i], gone, n, sizeof(*gone), by_id) == NULL)
            r->ref[kept++] = r->ref[i];
    r->refs = kept;
    free(gone);
    return kept == 0 ? stage_nothing(e, "no file that was scanned is still there") : 0;
}

static int loaded(struct stage *s, const struct round *r, struct err *e)
{
    struct leaf_builder b;

    stage_begin(s, r->site, &b, LK_RULES_LOADED, r->t);
    leaf_set_digest(&b, LF_RELEASE, &r->release);
    leaf_set_text(&b, LF_ENGINE, ENGINE);
    leaf_set_int(&b, LF_RULES, 43);
    return stage_add(s, r->site, &b, e);
}

static int changed(struct stage *s, const struct round *r, bool detect, struct err *e)
{
    struct leaf_builder b;
    uint8_t salt[32];

    random_bytes(salt, sizeof(salt));
    stage_begin(s, r->site, &b, LK_SCAN_DONE, r->t);
    leaf_set_id(&b, LF_REF, &r->ref[0]);
    leaf_set_text(&b, LF_WORKER_SITE, stage_site_name(s, r->site));
    leaf_set_text(&b, LF_ENGINE, ENGINE);
    leaf_set_digest(&b, LF_RELEASE, &r->release);
    leaf_set_word(&b, LF_VERDICT, LW_VERDICT_MALICIOUS);
    leaf_set_word(&b, LF_REASON, LW_REASON_NONE);
    leaf_set_int(&b, LF_HITS, 1);
    if (detect)
        leaf_set_word(&b, LF_MODE, LW_MODE_DETECT);
    leaf_set_sealed(&b, LF_SEALED_NAMES, salt, span_str("rule"));
    return stage_add(s, r->site, &b, e);
}

static int breaker(struct stage *s, const struct round *r, uint64_t files, struct err *e)
{
    struct leaf_builder b;

    stage_begin(s, r->site, &b, LK_BREAKER_TRIPPED, r->t);
    leaf_set_digest(&b, LF_RELEASE, &r->release);
    leaf_set_text(&b, LF_ENGINE, ENGINE);
    leaf_set_int(&b, LF_COUNT, 1000);
    leaf_set_int(&b, LF_CHANGED, files);
    return stage_add(s, r->site, &b, e);
}

static int summary(struct stage *s, const struct round *r, const struct plan *p, struct err *e)
{
    size_t told = p->pretended || p->hidden ? 0 : 1;
    struct digest release = r->release, root;
    struct leaf_builder b;
    int rc = setroot_ids(r->ref, told, &root);

    if (rc != 0)
        return err_sys(e, rc, "the root of a summary");
    if (p->others)
        random_bytes(release.b, sizeof(release.b));
    stage_begin(s, r->site, &b, LK_RESCAN_DONE, r->t);
    leaf_set_digest(&b, LF_RELEASE, &release);
    leaf_set_text(&b, LF_ENGINE, ENGINE);
    leaf_set_int(&b, LF_COUNT, r->refs - p->one_less);
    leaf_set_int(&b, LF_CHANGED, told);
    leaf_set_digest(&b, LF_ROOT, &root);
    return stage_add(s, r->site, &b, e);
}

static int play(struct stage *s, const struct plan *p, struct err *e)
{
    struct round r;
    int rc;

    if ((rc = begin(s, &r, e)) == 0 && (rc = loaded(s, &r, e)) == 0 && !p->pretended &&
        !p->unlogged)
        rc = changed(s, &r, p->detect, e);
    if (rc == 0)
        rc = p->trips != 0 ? breaker(s, &r, p->trips, e) : summary(s, &r, p, e);
    if (rc == 0)
        rc = stage_publish(s, r.site, r.t);
    free(r.ref);
    return rc;
}

#define PLAY(name, ...)                                                                            \
    int cheats_##name(struct stage *s, struct err *e)                                              \
    {                                                                                              \
        static const struct plan p = {__VA_ARGS__};                                                \
                                                                                                   \
        return play(s, &p, e);                                                                     \
    }

PLAY(change_hidden, .hidden = true)
PLAY(change_unlogged, .unlogged = true)
PLAY(rescan_short, .one_less = true)
PLAY(rescan_others, .others = true)
PLAY(rescan_pretended, .pretended = true)
PLAY(breaker_false, .trips = 11)
PLAY(quietly_detect, .detect = true)

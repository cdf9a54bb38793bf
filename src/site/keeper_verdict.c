/* keeper_verdict.c - a finding becomes a scan.done leaf, a row of the catalog, and what the file
 * held a record sealed beside it.
 *
 * Not everything is scanned: a file whose bytes the same engines have judged by the same rules for
 * another submission of the account has its verdict at once.  And not every scan is an event: where
 * other rules say the same of a file as the rules before, nothing is logged but the sum of it
 * (keeper_rescan.c). */
#include "site/keeper_verdict.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "crypto/sha256.h"
#include "detect/tree.h"
#include "site/keeper_intake.h"
#include "site/keeper_lines.h"
#include "site/keeper_notes.h"

/* What is concluded about a file, by which engines and rules. */
struct judged {
    const char *label;
    struct digest release;
    bool detect; /* it blocks nothing */
    const struct finding *finding;
    struct span tree; /* empty: it held nothing, or nobody looked */
};

static int scan_leaf(struct keeper *k, struct act *a, const struct id128 *ref,
                     const struct judged *g, const struct slot_blob *blob, unix_time now)
{
    const struct finding *f = g->finding;
    struct leaf_builder b;
    uint8_t salt[32];

    keeper_salt(blob->seed, LK_SCAN_DONE, LF_SEALED_NAMES, span_of(g->release.b, 32), salt);
    leaf_begin(&b, LK_SCAN_DONE, now, k->c->site);
    leaf_set_id(&b, LF_REF, ref);
    leaf_set_text(&b, LF_WORKER_SITE, k->c->site);
    leaf_set_text(&b, LF_ENGINE, g->label);
    leaf_set_digest(&b, LF_RELEASE, &g->release);
    leaf_set_text(&b, LF_VERDICT, verdict_word(f->verdict));
    leaf_set_text(&b, LF_REASON, verdict_reason_word(f->reason));
    leaf_set_int(&b, LF_HITS, f->hits);
    if (g->detect)
        leaf_set_word(&b, LF_MODE, LW_MODE_DETECT);
    leaf_set_sealed(&b, LF_SEALED_NAMES, salt, buf_span(&f->names));
    return keeper_act_leaf(a, &b);
}

static enum catalog_verdict_word word_of(enum verdict v)
{
    return v == VERDICT_MALICIOUS ? CATALOG_MALICIOUS
           : v == VERDICT_CLEAN   ? CATALOG_CLEAN
                                  : CATALOG_INCOMPLETE;
}

/* renewed: it had another verdict before. */
static int scan_notes(struct act *a, const struct id128 *ref, const struct judged *g, bool renewed,
                      unix_time now)
{
    const struct finding *f = g->finding;
    struct note_tree t = {*ref, g->tree};
    struct note_scan n;
    struct buf *out = keeper_act_note_new(a, ref, 0);
    int rc;

    memset(&n, 0, sizeof(n));
    n.row.ref = *ref;
    (void)snprintf(n.row.engine, sizeof(n.row.engine), "%s", g->label);
    n.row.release = g->release;
    n.row.verdict = word_of(f->verdict);
    (void)snprintf(n.row.reason, sizeof(n.row.reason), "%s", verdict_reason_word(f->reason));
    n.row.hits = f->hits;
    n.row.at = now;
    n.row.detect = g->detect;
    n.names = buf_span(&f->names);
    rc = out == NULL ? -ENOMEM : keeper_note_put_scan(out, &n);
    if (rc != 0)
        return rc;
    /* also an empty one: it replaces what an earlier scan said */
    out = keeper_act_note_new(a, ref, -1);
    if ((rc = out == NULL ? -ENOMEM : keeper_note_put_tree(out, &t)) != 0 || !renewed)
        return rc;
    /* not sealed: the summary tells of it also when the file was erased since */
    out = keeper_act_note_new(a, NULL, -1);
    return out == NULL ? -ENOMEM : keeper_note_put_renewed(out, ref);
}

/* --- the verdict that it has --- */

/* A record that is under the key of this ref's slot. */
static int unseal(struct keeper *k, const struct id128 *ref, const struct buf *sealed,
                  struct buf *out)
{
    int rc;

    if (sealed->len < VAULT_SEAL_EXTRA)
        return -EBADMSG;
    if ((rc = buf_reserve(out, sealed->len)) != 0 ||
        (rc = vault_unseal_text(k->vault, ref, buf_span(sealed), out->data)) != 0)
        return rc;
    out->len = sealed->len - VAULT_SEAL_EXTRA;
    return 0;
}

struct stored {
    bool any;
    struct catalog_verdict row; /* the newest */
    struct buf sealed, names;   /* names: behind the index of its leaf */
};

static int take_newest(void *arg, const struct catalog_verdict *v)
{
    struct stored *s = arg;

    if (s->any && v->at < s->row.at)
        return 0;
    s->any = true;
    s->row = *v;
    s->row.sealed = span_of(NULL, 0);
    buf_reset(&s->sealed);
    return buf_put(&s->sealed, v->sealed.p, v->sealed.n);
}

static int stored_open(struct keeper *k, const struct id128 *ref, struct stored *s)
{
    s->any = false;
    buf_init(&s->sealed, 8 + CATALOG_SEALED_MAX + VAULT_SEAL_EXTRA);
    buf_init(&s->names, 8 + CATALOG_SEALED_MAX + VAULT_SEAL_EXTRA);
    return catalog_verdicts(k->catalog, ref, take_newest, s);
}

static void stored_close(struct stored *s)
{
    buf_free(&s->sealed);
    buf_free(&s->names);
}

/* Do these rules say what was said before?  Not if that blocked nothing and this does, nor if it
 * cannot be read any more. */
static bool says_the_same(struct keeper *k, struct stored *s, const struct judged *g)
{
    const struct finding *f = g->finding;
    struct span names;

    if (!s->any || (s->row.detect && !g->detect))
        return false;
    if (digest_eq(&s->row.release, &g->release) && strcmp(s->row.engine, g->label) == 0)
        return true; /* it is by these rules: whoever came second has nothing to say */
    if (s->row.verdict != word_of(f->verdict) || s->row.hits != f->hits ||
        strcmp(s->row.reason, verdict_reason_word(f->reason)) != 0 ||
        unseal(k, &s->row.ref, &s->sealed, &s->names) != 0 || s->names.len < 8)
        return false;
    names = span_of(s->names.data + 8, s->names.len - 8);
    return names.n == f->names.len &&
           (names.n == 0 || memcmp(names.p, f->names.data, names.n) == 0);
}

/* --- into the ledger --- */

struct logged { /* an act's */
    struct id128 sub;
    struct digest release;
    bool again, turned;
};

static void scan_logged(struct keeper *k, struct act *a, int rc)
{
    struct logged *x = a->ctx;

    if (x->again)
        keeper_rescan_logged(k, &x->release, x->turned, rc);
    if (rc == 0)
        keeper_trace_changed(k, &x->sub);
}

static void ctx_free(struct act *a)
{
    free(a->ctx);
}

static int make_act(struct keeper *k, const struct id128 *ref, const struct judged *g,
                    const struct slot_blob *blob, bool renewed, const struct logged *x,
                    struct act **out)
{
    unix_time now = clock_now();
    struct act *a = keeper_act_new();
    int rc = a == NULL || keeper_group_of(k) == NULL ? -EIO : 0;

    if (rc == 0 && (rc = scan_leaf(k, a, ref, g, blob, now)) == 0)
        rc = scan_notes(a, ref, g, renewed, now);
    if (rc == 0 && (a->ctx = malloc(sizeof(*x))) == NULL)
        rc = -ENOMEM;
    if (rc != 0) {
        keeper_act_free(a);
        return rc;
    }
    memcpy(a->ctx, x, sizeof(*x));
    a->free = ctx_free;
    a->done = scan_logged;
    *out = a;
    return 0;
}

static void count(struct keeper *k, const struct logged *x, const struct finding *f)
{
    if (x->again) {
        k->n.renewed++;
        keeper_rescan_changed(k);
        return;
    }
    k->n.scanned++;
    k->n.malicious += f->verdict == VERDICT_MALICIOUS;
    k->n.incomplete += f->verdict == VERDICT_INCOMPLETE;
}

static int log_it(struct keeper *k, const struct catalog_submission *row, const struct judged *g,
                  bool again, const struct stored *s)
{
    struct logged x = {row->sub, g->release, again,
                       s->any && s->row.verdict == CATALOG_CLEAN &&
                           g->finding->verdict == VERDICT_MALICIOUS};
    struct vault_slot_info info;
    struct slot_blob blob;
    struct err e = ERR_INIT;
    struct act *a;
    int rc;

    if (vault_slot_info(k->vault, &row->ref, &info, &e) != 0)
        return 0;
    if ((rc = keeper_blob_decode(buf_span(&info.blob), &blob)) == 0)
        rc = make_act(k, &row->ref, g, &blob, s->any, &x, &a);
    secret_wipe(&blob, sizeof(blob));
    vault_slot_info_done(&info);
    if (rc != 0)
        return rc;
    count(k, &x, g->finding);
    keeper_group_add(k, a);
    return 0;
}

int keeper_verdict_by(struct keeper *k, const char *label, const struct digest *release,
                      const struct id128 *ref, bool again, const struct finding *f,
                      struct span tree)
{
    struct judged g = {label, *release, false, f, tree};
    struct catalog_submission row;
    struct stored s;
    int rc;

    if (catalog_submission_by_ref(k->catalog, ref, &row) != 0)
        return 0;
    g.detect = keeper_rules_detects(k, &g.release);
    if (again)
        keeper_rescan_judged(k, &g.release);
    rc = stored_open(k, ref, &s);
    if (rc == 0 && !says_the_same(k, &s, &g))
        rc = log_it(k, &row, &g, again, &s);
    else if (rc == 0 && !again)
        rc = catalog_scan_done_ref(k->catalog, ref);
    stored_close(&s);
    return rc;
}

int keeper_verdict(struct keeper *k, const struct detect_line *l, const struct id128 *ref,
                   bool again, const struct finding *f, struct span tree)
{
    struct digest release = detect_line_release(l);

    return keeper_verdict_by(k, detect_line_label(l), &release, ref, again, f, tree);
}

int keeper_verdict_give_up(struct keeper *k, const struct detect_line *l, const struct id128 *ref,
                           bool again, enum verdict_reason why)
{
    struct finding f;
    int rc;

    finding_init(&f);
    finding_incomplete(&f, why);
    rc = keeper_verdict(k, l, ref, again, &f, span_of(NULL, 0));
    finding_done(&f);
    return rc;
}

/* --- what is known already --- */

static int finding_of_row(struct finding *f, const struct catalog_verdict *v, struct span names)
{
    struct span one[VERDICT_NAMES_MAX];
    enum verdict_reason why;
    size_t n = 0;
    int rc = 0;

    if (v->verdict == CATALOG_CLEAN)
        return 0;
    if (v->verdict == CATALOG_INCOMPLETE) {
        if ((rc = verdict_reason_of_word(span_str(v->reason), &why)) == 0)
            finding_incomplete(f, why);
        return rc;
    }
    while (names.n > 0 && n < VERDICT_NAMES_MAX) {
        const uint8_t *end = memchr(names.p, '\n', names.n);

        one[n] = span_of(names.p, end != NULL ? (size_t)(end - names.p) : names.n);
        names = span_of(names.p + one[n].n + (end != NULL), names.n - one[n].n - (end != NULL));
        n++;
    }
    if ((rc = finding_malicious(f, one, n)) == 0)
        f->hits = v->hits;
    return rc;
}

/* What an engine could not do once it may be able to do now. */
static bool worth_another(const struct catalog_verdict *v)
{
    return strcmp(v->reason, "engine") == 0 || strcmp(v->reason, "crash") == 0 ||
           strcmp(v->reason, "time") == 0 || strcmp(v->reason, "damaged") == 0;
}

/* The verdict's names, which stand behind the index of its leaf, and the tree. */
static int read_judged(struct keeper *k, const struct catalog_verdict *v, const struct buf *sealed,
                       struct buf *names, struct buf *tree)
{
    struct buf other;
    int rc;

    if ((rc = unseal(k, &v->ref, sealed, names)) != 0 || names->len < 8)
        return rc != 0 ? rc : -EBADMSG;
    buf_init(&other, CATALOG_TREE_MAX);
    rc = catalog_tree_get(k->catalog, &v->ref, &other);
    if (rc == 0)
        rc = unseal(k, &v->ref, &other, tree);
    buf_free(&other);
    return rc == -ENOENT ? 0 : rc; /* it held nothing */
}

/* Not what was judged for others: who takes over the child that scans his own files, this one among
 * them, would else decide what everybody is told of it. */
bool keeper_verdict_spared(struct keeper *k, const struct detect_line *l,
                           const struct catalog_scan *s)
{
    struct digest release = detect_line_release(l);
    struct catalog_verdict v;
    struct finding f;
    struct buf sealed, names, tree;
    int rc;

    finding_init(&f);
    buf_init(&sealed, 8 + CATALOG_SEALED_MAX + VAULT_SEAL_EXTRA);
    buf_init(&names, 8 + CATALOG_SEALED_MAX + VAULT_SEAL_EXTRA);
    buf_init(&tree, CATALOG_TREE_MAX);
    rc = catalog_verdict_of_object(k->catalog, &s->object, &s->ref, detect_line_label(l), &release,
                                   &v, &sealed);
    if (rc == 0 && worth_another(&v))
        rc = -ENOENT;
    if (rc == 0)
        rc = read_judged(k, &v, &sealed, &names, &tree);
    if (rc == 0)
        rc = finding_of_row(&f, &v, span_of(names.data + 8, names.len - 8));
    if (rc == 0)
        rc = keeper_verdict(k, l, &s->ref, s->job == 0, &f, buf_span(&tree));
    k->n.scans_spared += rc == 0;
    finding_done(&f);
    buf_free(&sealed);
    buf_free(&names);
    buf_free(&tree);
    return rc == 0; /* whatever went wrong: it is scanned */
}

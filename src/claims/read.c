/* Reading one ledger: its archived checkpoints in ascending order, and between them the leaves,
 * whose recomputed root must be the checkpoint's.  A checkpoint is read before the leaves it
 * covers, so that every leaf is seen together with the witnesses' times around it. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "claims/claims_priv.h"
#include "crypto/sha256.h"
#include "ledger/tlog_tiles.h"

#define PROGRESS_EVERY 8192
#define PUBLISHING_MS 2000 /* between the two files of one publication, at most */

struct reader {
    struct audit *a;
    struct site *s;
};

/* ------------------------------------------------------------------ leaves */

/* A leaf this program cannot read: every claim that it could touch is UNKNOWN. */
static void touch_claims(struct audit *a, struct site *s, struct span bytes, int rc)
{
    struct err e = ERR_INIT;
    uint64_t mask = UINT64_MAX;
    struct leaf l;

    leaf_why(bytes, &e);
    if (rc == -EBADMSG) {
        claims_broken(a, CLAIM_APPEND_ONLY, s, s->index, "malformed: %s", err_text(&e));
    } else if (rc == -ENOTSUP && leaf_parse(&l, bytes) == -ENOTSUP) {
        enum leaf_kind k;
        struct span name = leaf_kind_text(bytes);

        if (leaf_kind_of(name, &k) == 0)
            mask = 1ULL << k;
    }
    for (size_t c = CLAIM_TIME; c < CLAIMS; c++)
        if (c == CLAIM_TIME || (claims_table[c]->kinds & mask) != 0)
            claims_unknown(a, (enum claim_id)c, s, s->index, "%s", err_text(&e));
}

static int on_leaf(void *arg, uint64_t index, struct span bytes, struct err *e)
{
    struct reader *r = arg;
    struct audit *a = r->a;
    struct leaf l;
    int rc;

    r->s->index = index;
    if ((a->done++ % PROGRESS_EVERY) == 0 && a->options->progress != NULL)
        a->options->progress(a->options->arg, a->done, a->total);
    rc = leaf_parse(&l, bytes);
    if (rc != 0) {
        claims_count(a, CLAIM_APPEND_ONLY, 1);
        touch_claims(a, r->s, bytes, rc);
        return 0;
    }
    a->sub = NONE;
    for (size_t c = 0; c < CLAIMS; c++) {
        if (claims_table[c]->leaf == NULL || (claims_table[c]->kinds >> l.kind & 1) == 0)
            continue;
        rc = claims_table[c]->leaf(a, r->s, &l);
        if (rc != 0)
            return err_sys(e, rc, "auditing \"%s\"", claims_table[c]->name);
    }
    if (l.time > r->s->last)
        r->s->last = l.time;
    return 0;
}

int claims_ledger_leaf(struct site *s, uint32_t index, struct leaf *out)
{
    struct span bytes;
    int rc = tlog_tiles_leaf(s->tiles, index, &bytes, NULL);

    return rc != 0 ? rc : leaf_parse(out, bytes);
}

/* ------------------------------------------------------------------ checkpoints */

static struct checkpoint checkpoint_of(const struct audit *a, const struct tlog_verdict *v)
{
    struct checkpoint c = {.size = v->checkpoint.size};
    uint64_t inside = 0, outside = 0;

    for (size_t i = 0; i < TLOG_POLICY_MAX; i++) {
        bool out = (a->trust->outsiders >> i & 1) != 0;
        uint64_t *least = out ? &outside : &inside;

        if ((v->cosigned >> i & 1) != 0 && (*least == 0 || v->time[i] < *least))
            *least = v->time[i];
    }
    c.outside = outside != 0;
    c.early = (unix_time)(outside != 0 ? outside : inside);
    return c;
}

/* An archived checkpoint: signed by the log, cosigned by the quorum, of the size its name says. */
static int archived(struct audit *a, struct site *s, uint64_t size, struct stop *stop,
                    struct checkpoint *cp, struct err *e)
{
    struct tlog_verdict v;
    struct buf note;
    struct err why = ERR_INIT;
    int rc;

    buf_init(&note, CORE_NOTE_MAX);
    rc = tlog_tiles_checkpoint(s->dir, size, &note, &why);
    if (rc == -ENOMEM || rc == -EIO || rc == -EACCES) {
        (void)err_set(e, rc, "%s", err_text(&why));
        goto out;
    }
    if (rc == 0)
        rc = tlog_policy_check_log(&v, a->trust->policy, s->trust->log, buf_span(&note), &why);
    if (rc == 0 && v.checkpoint.size != size)
        rc = err_set(&why, -EBADMSG, "it is one of size %llu",
                     (unsigned long long)v.checkpoint.size);
    if (rc != 0) {
        claims_broken(a, CLAIM_APPEND_ONLY, s, AUDIT_NO_LEAF, "checkpoints/%llu: %s",
                      (unsigned long long)size, err_text(&why));
        memset(cp, 0, sizeof(*cp));
        cp->size = size;
        rc = 1;
        goto out;
    }
    *cp = checkpoint_of(a, &v);
    *stop = (struct stop){.size = size, .root = v.checkpoint.root, .final = v.quorum};
    if (!v.quorum)
        claims_broken(a, CLAIM_APPEND_ONLY, s, AUDIT_NO_LEAF,
                      "checkpoints/%llu is published without the cosignatures of the quorum",
                      (unsigned long long)size);
    s->inside |= !cp->outside;
    s->checkpoints++;
out:
    buf_free(&note);
    return rc;
}

int claims_ledger_open(struct audit *a, struct site *s, struct err *e)
{
    struct tlog_verdict v;
    struct buf note;
    struct err why = ERR_INIT;
    int rc;

    buf_init(&note, CORE_NOTE_MAX);
    rc = tlog_tiles_newest(s->dir, &note, &why);
    if (rc == -ENOENT) {
        for (size_t c = 0; c < CLAIMS; c++)
            claims_unknown(a, (enum claim_id)c, s, AUDIT_NO_LEAF,
                           "the ledger has no published checkpoint");
        rc = 0;
        goto out;
    }
    if (rc == 0)
        rc = tlog_policy_check_log(&v, a->trust->policy, s->trust->log, buf_span(&note), &why);
    if (rc == -EBADMSG || rc == -E2BIG) {
        claims_broken(a, CLAIM_APPEND_ONLY, s, AUDIT_NO_LEAF, "the newest checkpoint: %s",
                      err_text(&why));
        for (size_t c = CLAIM_TIME; c < CLAIMS; c++)
            claims_unknown(a, (enum claim_id)c, s, AUDIT_NO_LEAF,
                           "the ledger's newest checkpoint does not verify");
        rc = 0;
        goto out;
    }
    if (rc == 0 && v.checkpoint.size >= NONE)
        rc = err_set(&why, -E2BIG, "the ledger of \"%s\" has more leaves than this program counts",
                     s->trust->site);
    if (rc == 0)
        rc = tlog_tiles_open(&s->tiles, s->dir, v.checkpoint.size, &why);
    if (rc != 0) {
        rc = err_set(e, rc, "%s", err_text(&why));
        goto out;
    }
    s->size = v.checkpoint.size;
    s->root = v.checkpoint.root;
    s->final = v.quorum;
    a->total += s->size;
out:
    buf_free(&note);
    return rc;
}

void claims_ledger_close(struct site *s)
{
    tlog_tiles_close(s->tiles);
    s->tiles = NULL;
}

/* ------------------------------------------------------------------ the pass */

static void compare(struct audit *a, struct site *s, const struct stop *stop,
                    const struct core_range *at)
{
    struct digest root;

    core_range_root(&note_crypto, at, &root);
    if (digest_eq(&root, &stop->root)) {
        s->known.confirmed |= stop->known;
        return;
    }
    a->contradicted |= stop->known;
    if (stop->name == NULL)
        claims_broken(a, CLAIM_APPEND_ONLY, s, AUDIT_NO_LEAF,
                      "checkpoints/%llu: its root is not that of the first %llu leaves",
                      (unsigned long long)stop->size, (unsigned long long)stop->size);
    else
        claims_broken(a, CLAIM_APPEND_ONLY, s, stop->size == 0 ? 0 : stop->size - 1,
                      "the log also signed another tree of %llu leaves, in \"%s\": two histories",
                      (unsigned long long)stop->size, stop->name);
}

/* Walks on to `to`.  1: the ledger cannot be read further, which has been told. */
static int walk(struct reader *r, struct core_range *at, uint64_t to, struct err *e)
{
    struct tlog_walk w = {.leaf = on_leaf, .arg = r, .with_tiles = true};
    struct err why = ERR_INIT;
    int rc;

    if (at->size >= to)
        return 0;
    rc = tlog_tiles_walk(r->s->tiles, at, to, &w, &why);
    if (rc == 0)
        return 0;
    if (rc == -EBADMSG)
        claims_broken(r->a, CLAIM_APPEND_ONLY, r->s, AUDIT_NO_LEAF, "%s", err_text(&why));
    else if (rc == -ENOENT)
        claims_unknown(r->a, CLAIM_APPEND_ONLY, r->s, AUDIT_NO_LEAF, "%s", err_text(&why));
    else
        return err_set(e, rc, "%s", err_text(&why));
    for (size_t c = CLAIM_TIME; c < CLAIMS; c++)
        claims_unknown(r->a, (enum claim_id)c, r->s, AUDIT_NO_LEAF,
                       "the ledger cannot be read to its end: %s", err_text(&why));
    return 1;
}

/* What others hold, up to size `to`, each compared at its own size. */
static int others(struct reader *r, struct core_range *at, size_t *next, uint64_t to, struct err *e)
{
    for (; *next < r->s->stop.n && r->s->stop.v[*next].size <= to; (*next)++) {
        const struct stop *stop = &r->s->stop.v[*next];
        int rc = walk(r, at, stop->size, e);

        if (rc != 0)
            return rc;
        compare(r->a, r->s, stop, at);
    }
    return 0;
}

static void beyond(struct audit *a, const struct site *s, const struct stop *stop)
{
    a->contradicted |= stop->known;
    if (stop->final)
        claims_broken(
            a, CLAIM_APPEND_ONLY, s, AUDIT_NO_LEAF,
            "rolled back: the ledger has %llu leaves, but \"%s\" carries a final checkpoint "
            "of %llu",
            (unsigned long long)s->size, stop->name, (unsigned long long)stop->size);
    else
        claims_unknown(
            a, CLAIM_APPEND_ONLY, s, AUDIT_NO_LEAF,
            "\"%s\" is newer than the published ledger (%llu leaves against %llu); audit "
            "again when its checkpoint is published",
            stop->name, (unsigned long long)stop->size, (unsigned long long)s->size);
}

static int cmp_stop(const void *a, const void *b)
{
    const struct stop *x = a, *y = b;

    return (x->size > y->size) - (x->size < y->size);
}

static int read_archive(struct reader *r, const uint64_t *sizes, size_t n, struct core_range *at,
                        struct err *e)
{
    struct site *s = r->s;
    size_t next = 0;
    int rc = 0;

    for (size_t i = 0; i < n && sizes[i] <= s->size; i++) {
        struct stop stop;
        bool good;

        rc = archived(r->a, s, sizes[i], &stop, &s->cover, e);
        if (rc < 0)
            return rc;
        good = rc == 0;
        if ((rc = others(r, at, &next, sizes[i], e)) != 0 || (rc = walk(r, at, sizes[i], e)) != 0)
            return rc;
        if (good) {
            compare(r->a, s, &stop, at);
            s->as_of = s->cover.early;
            s->before = s->cover;
        }
    }
    for (; next < s->stop.n; next++)
        beyond(r->a, s, &s->stop.v[next]);
    return 0;
}

/* Whoever publishes writes the archive first, then `checkpoint`.  An archive that is ahead of the
 * checkpoint which was opened has gone on since, or is about to: nothing to accuse anybody of. */
static bool published_since(const struct audit *a, const struct site *s, uint64_t size)
{
    bool found = false;

    for (int i = 0; i < PUBLISHING_MS / 100 && !found; i++) {
        struct tlog_verdict v;
        struct buf note;

        if (i > 0)
            (void)poll(NULL, 0, 100);
        buf_init(&note, CORE_NOTE_MAX);
        found = tlog_tiles_newest(s->dir, &note, NULL) == 0 &&
                tlog_policy_check_log(&v, a->trust->policy, s->trust->log, buf_span(&note), NULL) ==
                    0 &&
                v.checkpoint.size >= size;
        buf_free(&note);
    }
    return found;
}

int claims_ledger_read(struct audit *a, struct site *s, struct err *e)
{
    struct core_range at = {.size = 0};
    struct reader r = {a, s};
    struct err why = ERR_INIT;
    uint64_t *sizes = NULL;
    struct digest root;
    size_t n = 0;
    int rc;

    if (s->tiles == NULL || s->known.size > s->size)
        s->known.size = 0; /* cannot be confirmed */
    if (s->tiles == NULL)
        return 0;
    if (s->stop.n > 1)
        qsort(s->stop.v, s->stop.n, sizeof(*s->stop.v), cmp_stop);
    rc = tlog_tiles_checkpoints(s->dir, &sizes, &n, &why);
    if (rc == -EBADMSG) {
        claims_broken(a, CLAIM_APPEND_ONLY, s, AUDIT_NO_LEAF, "%s", err_text(&why));
        n = 0;
    } else if (rc != 0) {
        return err_set(e, rc, "%s", err_text(&why));
    }
    if (n == 0 || sizes[n - 1] < s->size ||
        (sizes[n - 1] > s->size && !published_since(a, s, sizes[n - 1])))
        claims_broken(a, CLAIM_APPEND_ONLY, s, AUDIT_NO_LEAF,
                      "the archive's last checkpoint is not the newest one (%llu leaves)",
                      (unsigned long long)s->size);
    rc = read_archive(&r, sizes, n, &at, e);
    free(sizes);
    if (rc > 0)
        return 0;
    if (s->as_of == 0)
        s->as_of = s->last;
    s->done = rc == 0 && at.size == s->size;
    core_range_root(&note_crypto, &at, &root);
    s->sound = s->done && s->final && digest_eq(&root, &s->root);
    return rc;
}

/* keeper_rules.c - releases of the rules: what a document that the reader found sound must fit in
 * this ledger before it becomes a leaf, and which rules engines may load.  The claims
 * rules.four-eyes, rules.unbroken and detect.neutral (claims/) ask the same of the leaves.
 *
 * What is known stands in the catalog, derived from the journal's notes (keeper_rules_apply):
 *   rules.change.CHANGE     envelope's digest, record
 *   rules.passed.CHANGE     report's digest, change, record
 *   rules.release           the newest: envelope's digest, u64 leaf, record
 *   rules.tree.TREE         u64 serial of its newest release, u8 1 if that was taken back,
 *                           u8 1 if it only detects (older programs did not write that)
 *   rules.trip.TREE         u8 1: its breaker tripped; 0: and people set it going again
 *   rules.serial.SERIAL     tree
 *   rules.override.LEAF     envelope's digest, record
 *   rules.replay.DOC        an attestation's digest
 *   rules.published         what the update repository served last: artifact's digest, u64 serial
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "crypto/sha256.h"
#include "site/keeper_notes.h"
#include "site/keeper_priv.h"
#include "site/keeper_rescan.h"

#define NAME 80

static void by_id(char out[NAME], const char *what, const struct id128 *id)
{
    char hex[33];

    text_id(hex, id);
    (void)snprintf(out, NAME, "rules.%s.%s", what, hex);
}

static void by_tree(char out[NAME], const char *what, const struct digest *tree)
{
    char hex[65];

    text_digest(hex, tree);
    (void)snprintf(out, NAME, "rules.%s.%.40s", what, hex);
}

/* A value that begins with a digest; -ENOENT. */
static int get(struct keeper *k, const char *name, struct digest *doc, struct buf *b)
{
    int rc;

    buf_init(b, 4096);
    if ((rc = catalog_value_get(k->catalog, name, b)) == 0 && b->len < 32)
        rc = -EBADMSG;
    if (rc == 0)
        memcpy(doc->b, b->data, 32);
    return rc;
}

static int get_change(struct keeper *k, const struct id128 *id, struct rules_change *out)
{
    struct digest doc;
    struct buf b;
    char name[NAME];
    int rc;

    by_id(name, "change", id);
    if ((rc = get(k, name, &doc, &b)) == 0)
        rc = read_change_decode(span_of(b.data + 32, b.len - 32), out);
    buf_free(&b);
    return rc;
}

static int get_passed(struct keeper *k, const struct id128 *id, struct digest *report,
                      struct read_report *out)
{
    struct buf b;
    char name[NAME];
    int rc;

    by_id(name, "passed", id);
    if ((rc = get(k, name, report, &b)) == 0)
        rc = b.len < 48 ? -EBADMSG : read_report_decode(span_of(b.data + 48, b.len - 48), out);
    buf_free(&b);
    return rc;
}

struct newest {
    struct digest doc;
    uint64_t leaf;
    struct rules_release r;
};

static int get_newest(struct keeper *k, struct newest *out)
{
    struct buf b;
    struct cur c;
    int rc = get(k, "rules.release", &out->doc, &b);

    if (rc == 0) {
        c = cur_of(span_of(b.data + 32, b.len - 32));
        if ((rc = cur_u64(&c, &out->leaf)) == 0)
            rc = read_release_decode(span_of(c.p, c.n), &out->r);
    }
    buf_free(&b);
    return rc;
}

/* --- into the catalog --- */

static int put(struct keeper *k, const char *name, const struct digest *doc, const uint64_t *leaf,
               struct span record)
{
    struct buf b;
    int rc;

    buf_init(&b, 4096);
    rc = buf_put(&b, doc->b, 32);
    if (rc == 0 && leaf != NULL)
        rc = buf_put_u64(&b, *leaf);
    if (rc == 0 && (rc = buf_put(&b, record.p, record.n)) == 0)
        rc = catalog_value_put(k->catalog, name, buf_span(&b));
    buf_free(&b);
    return rc;
}

struct tree_row {
    uint64_t serial;
    bool withdrawn;
    bool told, detect; /* detect: if it is told */
};

static int tree_row(struct span value, struct tree_row *out)
{
    struct cur c = cur_of(value);
    uint8_t withdrawn, detect = 0;
    int rc = cur_u64(&c, &out->serial);

    if (rc != 0 || (rc = cur_u8(&c, &withdrawn)) != 0)
        return rc;
    out->withdrawn = withdrawn != 0;
    out->told = c.n > 0;
    if (out->told && (rc = cur_u8(&c, &detect)) != 0)
        return rc;
    out->detect = detect != 0;
    return 0;
}

/* -ENOENT: no release is this tree. */
static int get_tree(struct keeper *k, const struct digest *tree, struct tree_row *out)
{
    char name[NAME];
    struct buf b;
    int rc;

    by_tree(name, "tree", tree);
    buf_init(&b, 16);
    if ((rc = catalog_value_get(k->catalog, name, &b)) == 0)
        rc = tree_row(buf_span(&b), out);
    buf_free(&b);
    return rc;
}

static int put_tree(struct keeper *k, const struct digest *tree, const struct tree_row *r)
{
    char name[NAME];
    struct buf b;
    int rc;

    by_tree(name, "tree", tree);
    buf_init(&b, 16);
    if ((rc = buf_put_u64(&b, r->serial)) == 0 && (rc = buf_putc(&b, r->withdrawn ? 1 : 0)) == 0 &&
        (!r->told || (rc = buf_putc(&b, r->detect ? 1 : 0)) == 0))
        rc = catalog_value_put(k->catalog, name, buf_span(&b));
    buf_free(&b);
    return rc;
}

static void by_serial(char out[NAME], uint64_t serial)
{
    (void)snprintf(out, NAME, "rules.serial.%020" PRIu64, serial);
}

static int apply_release(struct keeper *k, const struct note_document *n, uint64_t leaf)
{
    struct rules_release r;
    char name[NAME];
    int rc = read_release_decode(n->record, &r);

    if (rc != 0 || (rc = put(k, "rules.release", &n->doc, &leaf, n->record)) != 0)
        return rc;
    by_serial(name, r.chain.serial);
    if ((rc = catalog_value_put(k->catalog, name, span_of(r.tree.b, 32))) != 0)
        return rc;
    return put_tree(k, &r.tree,
                    &(struct tree_row){
                        .serial = r.chain.serial, .told = true, .detect = r.mode == RULES_DETECT});
}

/* --- what only detects --- */

enum trip { TRIP_NEVER, TRIP_STOPPED, TRIP_OVER };

static enum trip trip_of(struct keeper *k, const struct digest *release)
{
    enum trip t = TRIP_NEVER;
    char name[NAME];
    struct buf b;

    by_tree(name, "trip", release);
    buf_init(&b, 1);
    if (catalog_value_get(k->catalog, name, &b) == 0 && b.len == 1)
        t = b.data[0] != 0 ? TRIP_STOPPED : TRIP_OVER;
    buf_free(&b);
    return t;
}

int keeper_rules_apply_trip(struct keeper *k, const struct digest *release, bool tripped)
{
    char name[NAME];
    int rc;

    by_tree(name, "trip", release);
    if ((rc = catalog_value_put(k->catalog, name, span_of(tripped ? "\1" : "\0", 1))) == 0 &&
        !tripped)
        return keeper_rescan_apply_over(k, release);
    keeper_rescan_forget(k);
    return rc;
}

bool keeper_rules_stopped(struct keeper *k, const struct digest *release)
{
    return trip_of(k, release) == TRIP_STOPPED;
}

bool keeper_rules_may_trip(struct keeper *k, const struct digest *release)
{
    return trip_of(k, release) == TRIP_NEVER && !keeper_rules_detects(k, release);
}

bool keeper_rules_detects(struct keeper *k, const struct digest *release)
{
    struct tree_row r;
    struct newest n;

    if (keeper_rules_stopped(k, release))
        return true;
    if (get_tree(k, release, &r) != 0)
        return false;
    if (r.told)
        return r.detect;
    return get_newest(k, &n) == 0 && digest_eq(&n.r.tree, release) && n.r.mode == RULES_DETECT;
}

/* --- what is decided against the rules --- */

static int apply_override(struct keeper *k, const struct note_document *n, uint64_t leaf)
{
    struct rules_override o;
    struct tree_row r;
    char name[NAME];
    int rc = read_override_decode(n->record, &o);

    if (rc != 0)
        return rc;
    (void)snprintf(name, sizeof(name), "rules.override.%020" PRIu64, leaf);
    if ((rc = put(k, name, &n->doc, NULL, n->record)) != 0)
        return rc;
    if (o.ground == RULES_VERDICT && keeper_rules_stopped(k, &o.subject))
        return keeper_rules_apply_trip(k, &o.subject, false);
    if (o.ground != RULES_WITHDRAW)
        return 0;
    if ((rc = get_tree(k, &o.subject, &r)) != 0)
        return rc == -ENOENT ? 0 : rc; /* a rule, or a tree that is no release */
    r.withdrawn = true;
    return put_tree(k, &o.subject, &r);
}

int keeper_rules_apply(struct keeper *k, const struct note_document *n, uint64_t leaf)
{
    struct rules_change ch;
    struct id128 change;
    char name[NAME];
    int rc;

    switch (n->what) {
    case READ_CHANGE:
        if ((rc = read_change_decode(n->record, &ch)) != 0)
            return rc;
        by_id(name, "change", &ch.change);
        return put(k, name, &n->doc, NULL, n->record);
    case READ_REPORT:
        if (n->record.n < 16)
            return -EBADMSG;
        memcpy(change.b, n->record.p, 16);
        by_id(name, "passed", &change);
        return put(k, name, &n->doc, NULL, n->record);
    case READ_RELEASE:
        return apply_release(k, n, leaf);
    case READ_OVERRIDE:
        return apply_override(k, n, leaf);
    case READ_PUBLISHED:
        return put(k, "rules.published", &n->doc, NULL, n->record);
    case READ_REPLAY:
        by_tree(name, "replay", &n->doc);
        return put(k, name, &n->doc, NULL, span_of(NULL, 0));
    default:
        return -EBADMSG;
    }
}

/* --- into the ledger --- */

static int not_now(struct err *e, const char *why)
{
    return err_set(e, -EPERM, "%s", why);
}

static int change_leaf(struct keeper *k, struct act *a, const struct digest *doc,
                       struct span record, struct err *e)
{
    struct rules_change ch, known;
    struct newest before;
    struct leaf_builder b;
    int rc;

    if ((rc = read_change_decode(record, &ch)) != 0)
        return rc;
    if ((rc = get_change(k, &ch.change, &known)) != -ENOENT)
        return rc != 0 ? rc : err_set(e, -EEXIST, "this change was proposed already");
    rc = get_newest(k, &before);
    if (rc != 0 && rc != -ENOENT)
        return rc;
    if (ch.first != (rc == -ENOENT) || (rc == 0 && !digest_eq(&ch.base, &before.r.tree)))
        return not_now(e, "the change is made on other rules than those of the newest release; "
                          "propose it anew on these");
    leaf_begin(&b, LK_CHANGE_PROPOSED, clock_now(), k->c->site);
    leaf_set_id(&b, LF_CHANGE, &ch.change);
    leaf_set_digest(&b, LF_DOC, doc);
    if (!ch.first)
        leaf_set_digest(&b, LF_BASE, &ch.base);
    leaf_set_digest(&b, LF_TREE, &ch.tree);
    return keeper_act_leaf(a, &b);
}

struct search {
    const struct digest *tree, *base; /* base NULL: the first release */
    struct rules_change found;
    bool any;
};

static int take_change(void *arg, const char *name, struct span value)
{
    struct search *s = arg;
    struct rules_change ch;

    (void)name;
    if (value.n >= 32 && read_change_decode(span_of(value.p + 32, value.n - 32), &ch) == 0 &&
        digest_eq(&ch.tree, s->tree) && ch.first == (s->base == NULL) &&
        (ch.first || digest_eq(&ch.base, s->base))) {
        s->found = ch;
        s->any = true;
    }
    return 0;
}

/* The report names a tree; the change that leads from the newest release to it is looked up (a tree
 * that comes back was reached by others before).  note: change, record. */
static int report_leaf(struct keeper *k, struct act *a, const struct digest *doc,
                       struct span record, struct buf *note, struct err *e)
{
    struct read_report r;
    struct search s = {.tree = &r.tree};
    struct newest n;
    struct leaf_builder b;
    int rc = get_newest(k, &n);

    if (rc == 0)
        s.base = &n.r.tree;
    else if (rc != -ENOENT)
        return rc;
    if ((rc = read_report_decode(record, &r)) != 0 ||
        (rc = catalog_values(k->catalog, "rules.change.", take_change, &s)) != 0)
        return rc;
    if (!s.any)
        return not_now(e,
                       "no change to the tree of this report was proposed on the newest release");
    if ((rc = buf_put(note, s.found.change.b, 16)) != 0 ||
        (rc = buf_put(note, record.p, record.n)) != 0)
        return rc;
    leaf_begin(&b, LK_GATES_PASSED, clock_now(), k->c->site);
    leaf_set_id(&b, LF_CHANGE, &s.found.change);
    leaf_set_digest(&b, LF_TREE, &r.tree);
    leaf_set_digest(&b, LF_REPORT, doc);
    leaf_set_digest(&b, LF_CORPUS_ROOT, &r.corpus_root);
    leaf_set_text(&b, LF_ENGINE, r.engines);
    return keeper_act_leaf(a, &b);
}

struct allowed {
    uint64_t after, sum; /* leaves behind this one count */
};

static int take_override(void *arg, const char *name, struct span value)
{
    struct allowed *x = arg;
    struct rules_override o;
    uint64_t leaf;

    if (text_u64(span_str(name + strlen("rules.override.") +
                          strspn(name + strlen("rules.override."), "0")),
                 UINT64_MAX, &leaf) != 0)
        leaf = 0;
    if (value.n >= 32 && read_override_decode(span_of(value.p + 32, value.n - 32), &o) == 0 &&
        o.ground == RULES_ALLOW && leaf > x->after)
        x->sum += o.count;
    return 0;
}

/* What stands against this release in this ledger; NULL: nothing. */
static const char *fault(struct keeper *k, const struct rules_release *r, const struct newest *n,
                         bool first)
{
    struct allowed more = {.after = first ? 0 : n->leaf};
    uint64_t before = first ? 0 : n->r.allows;
    struct rules_change ch;
    struct read_report passed;
    struct digest report;

    if (r->chain.serial != (first ? 1 : n->r.chain.serial + 1) ||
        (!first && !digest_eq(&r->chain.previous, &n->doc)))
        return "the release does not follow the newest one of this ledger";
    if (get_change(k, &r->change, &ch) != 0)
        return "its change was not proposed here";
    if (!digest_eq(&ch.tree, &r->tree) ||
        memcmp(ch.author.b, r->author.b, sizeof(ch.author.b)) != 0)
        return "the release is another tree, or another author's, than was proposed";
    if (ch.first != first || (!first && !digest_eq(&ch.base, &n->r.tree)))
        return "its change was made on other rules than those of the newest release";
    if (get_passed(k, &r->change, &report, &passed) != 0)
        return "its tests are not in this ledger";
    if (!digest_eq(&report, &r->report) || passed.allows != r->allows)
        return "it was approved with another report than that of its tests";
    if (catalog_values(k->catalog, "rules.override.", take_override, &more) != 0)
        return "the overrides cannot be read";
    if (r->allows > before && r->allows - before > more.sum)
        return "it has more new entries of allow lists than were approved (\"rules override "
               "--ground allow\")";
    return NULL;
}

static int release_leaf(struct keeper *k, struct act *a, const struct digest *doc,
                        struct span record, struct err *e)
{
    struct rules_release r;
    struct newest n;
    struct leaf_builder b;
    const char *wrong;
    int rc, found;

    if ((rc = read_release_decode(record, &r)) != 0)
        return rc;
    found = get_newest(k, &n);
    if (found != 0 && found != -ENOENT)
        return found;
    if ((wrong = fault(k, &r, &n, found == -ENOENT)) != NULL)
        return not_now(e, wrong);
    leaf_begin(&b, LK_RELEASE_PUBLISHED, clock_now(), k->c->site);
    leaf_set_digest(&b, LF_DOC, doc);
    if (found == 0)
        leaf_set_digest(&b, LF_PREV, &n.doc);
    leaf_set_int(&b, LF_SERIAL, r.chain.serial);
    leaf_set_id(&b, LF_CHANGE, &r.change);
    leaf_set_digest(&b, LF_TREE, &r.tree);
    leaf_set_digest(&b, LF_REPORT, &r.report);
    leaf_set_word(&b, LF_MODE, r.mode == RULES_DETECT ? LW_MODE_DETECT : LW_MODE_ENFORCE);
    leaf_set_word(&b, LF_URGENT, r.urgent ? LW_URGENT_YES : LW_URGENT_NO);
    leaf_set_int(&b, LF_ALLOWS, r.allows);
    return keeper_act_leaf(a, &b);
}

static int override_leaf(struct keeper *k, struct act *a, const struct digest *doc,
                         struct span record)
{
    struct rules_override o;
    struct leaf_builder b;
    int rc = read_override_decode(record, &o);

    if (rc != 0)
        return rc;
    leaf_begin(&b, LK_OVERRIDE_MADE, clock_now(), k->c->site);
    leaf_set_digest(&b, LF_DOC, doc);
    leaf_set_int(&b, LF_COUNT, o.count);
    leaf_set_word(&b, LF_GROUND, (unsigned)o.ground); /* the same numbers (rules/override.h) */
    leaf_set_word(&b, LF_ASKER, (unsigned)o.asker);
    return keeper_act_leaf(a, &b);
}

/* Is the leaf that an attestation is about the scan it names? */
static int is_scan(struct keeper *k, const struct attestation *t, struct err *e)
{
    struct digest hash, release;
    struct leaf l;
    struct buf b;
    int rc = -EBADMSG;

    buf_init(&b, LEAF_MAX);
    if (strcmp(t->site, k->c->site) == 0 && t->leaf < ledger_size(k->ledger) &&
        (rc = ledger_leaf(k->ledger, t->leaf, &b, e)) == 0 &&
        (rc = leaf_parse(&l, buf_span(&b))) == 0) {
        sha256_leaf(b.data, b.len, &hash);
        rc = l.kind == LK_SCAN_DONE && digest_eq(&hash, &t->scan) ? 0 : -EBADMSG;
        if (rc == 0) {
            release = leaf_digest(&l, LF_RELEASE);
            rc = digest_eq(&release, &t->release) ? 0 : -EBADMSG;
        }
    }
    buf_free(&b);
    return rc == 0 || (e->code != 0 && rc != -EBADMSG)
               ? rc
               : err_set(e, -EPERM, "the attestation is about no verdict of this ledger");
}

static int replay_leaf(struct keeper *k, struct act *a, const struct digest *doc,
                       struct span record, struct err *e)
{
    struct attestation t;
    struct digest known;
    struct leaf_builder b;
    struct buf value;
    char name[NAME];
    int rc = read_replay_decode(record, &t);

    if (rc != 0)
        return rc;
    by_tree(name, "replay", doc);
    rc = get(k, name, &known, &value);
    buf_free(&value);
    if (rc != -ENOENT)
        return rc != 0 ? rc : err_set(e, -EEXIST, "this attestation was published already");
    if ((rc = is_scan(k, &t, e)) != 0)
        return rc;
    leaf_begin(&b, LK_REPLAY_ATTESTED, clock_now(), k->c->site);
    leaf_set_digest(&b, LF_DOC, doc);
    leaf_set_key(&b, LF_KEY, t.key.b);
    leaf_set_int(&b, LF_LEAF, t.leaf);
    leaf_set_digest(&b, LF_RELEASE, &t.release);
    leaf_set_word(&b, LF_SAME, t.same ? LW_SAME_YES : LW_SAME_NO);
    leaf_set_digest(&b, LF_SCAN, &t.scan);
    return keeper_act_leaf(a, &b);
}

/* --- what may be served and loaded --- */

struct between {
    uint64_t above, upto; /* serials */
    bool all_withdrawn;
};

static int take_tree(void *arg, const char *name, struct span value)
{
    struct between *x = arg;
    struct tree_row r;

    (void)name;
    if (tree_row(value, &r) != 0 || (r.serial > x->above && r.serial <= x->upto && !r.withdrawn))
        x->all_withdrawn = false;
    return 0;
}

struct served {
    struct digest doc; /* the artifact */
    uint64_t serial;
};

static int get_served(struct keeper *k, struct served *out)
{
    struct buf b;
    struct cur c;
    int rc = get(k, "rules.published", &out->doc, &b);

    if (rc == 0) {
        c = cur_of(span_of(b.data + 32, b.len - 32));
        rc = cur_u64(&c, &out->serial);
    }
    buf_free(&b);
    return rc;
}

int keeper_rules_published(struct keeper *k, struct digest *out)
{
    struct served s;
    int rc = get_served(k, &s);

    if (rc == 0)
        *out = s.doc;
    return rc == -ENOENT ? 1 : rc;
}

static int is_release(struct keeper *k, const struct published_release *r, struct err *e)
{
    struct tree_row row;
    char name[NAME];
    struct buf b;
    int rc;

    by_serial(name, r->serial);
    buf_init(&b, 32);
    if ((rc = catalog_value_get(k->catalog, name, &b)) == -ENOENT &&
        get_tree(k, &r->tree, &row) == 0 && row.serial == r->serial)
        rc = 0; /* released when catalogs had no row for the serial yet */
    else if (rc == -ENOENT)
        rc = err_set(e, -EPERM,
                     "the repository lists release %" PRIu64 ", which is none of this ledger",
                     r->serial);
    else if (rc == 0 && (b.len != 32 || memcmp(b.data, r->tree.b, 32) != 0))
        rc = err_set(e, -EPERM,
                     "the repository lists release %" PRIu64 " with another tree than was released",
                     r->serial);
    buf_free(&b);
    return rc;
}

/* The versions went on (the reader has looked); what they lead to must not go back either. */
static int may_serve(struct keeper *k, const struct digest *doc, uint64_t serial, struct err *e)
{
    struct between x = {.above = serial, .all_withdrawn = true};
    struct served s;
    int rc = get_served(k, &s);

    if (rc != 0)
        return rc == -ENOENT ? 0 : rc;
    if (digest_eq(&s.doc, doc))
        return err_set(e, -EEXIST, "this is what was published last");
    x.upto = s.serial;
    if (serial < s.serial &&
        ((rc = catalog_values(k->catalog, "rules.tree.", take_tree, &x)) != 0 || !x.all_withdrawn))
        return err_set(e, rc != 0 ? rc : -EPERM,
                       "the repository goes back from release %" PRIu64 " to %" PRIu64
                       ", and what came after was not withdrawn",
                       s.serial, serial);
    return 0;
}

static int published_leaf(struct keeper *k, struct act *a, const struct digest *doc,
                          struct span record, struct buf *note, struct err *e)
{
    struct read_published p;
    struct leaf_builder b;
    int rc = read_published_decode(record, &p);

    if (rc != 0)
        return rc;
    rc = may_serve(k, doc, p.serial, e);
    for (size_t i = 0; rc == 0 && i < p.n; i++)
        rc = is_release(k, &p.release[i], e);
    if (rc == 0 && (rc = buf_put_u64(note, p.serial)) == 0) {
        leaf_begin(&b, LK_REPOSITORY_PUBLISHED, clock_now(), k->c->site);
        leaf_set_digest(&b, LF_METADATA, doc);
        leaf_set_int(&b, LF_SERIAL, p.serial);
        rc = keeper_act_leaf(a, &b);
    }
    read_published_done(&p);
    return rc;
}

int keeper_rules_leaf(struct keeper *k, struct act *a, uint32_t what, const struct digest *doc,
                      struct span record, struct buf *note, struct err *e)
{
    int rc;

    if (what == READ_REPORT)
        return report_leaf(k, a, doc, record, note, e);
    if (what == READ_PUBLISHED)
        return published_leaf(k, a, doc, record, note, e);
    if ((rc = buf_put(note, record.p, record.n)) != 0)
        return rc;
    if (what == READ_REPLAY)
        return replay_leaf(k, a, doc, record, e);
    return what == READ_CHANGE    ? change_leaf(k, a, doc, record, e)
           : what == READ_RELEASE ? release_leaf(k, a, doc, record, e)
                                  : override_leaf(k, a, doc, record);
}

/* --- what may be loaded --- */

bool keeper_rules_may_load(struct keeper *k, const struct digest *tree, const char **why)
{
    struct between x = {.all_withdrawn = true};
    struct tree_row wanted, now;
    struct digest loaded;
    struct newest n;
    struct buf b;
    int rc = get_newest(k, &n);

    *why = "what is released cannot be read";
    if (rc != 0)
        return rc == -ENOENT; /* nothing is released here yet */
    *why = "they are no release of this ledger; publish it first (\"glarus rules publish\")";
    if (get_tree(k, tree, &wanted) != 0)
        return false;
    rc = get(k, "rules.loaded", &loaded, &b);
    buf_free(&b);
    if (rc != 0 || get_tree(k, &loaded, &now) != 0 || wanted.serial >= now.serial)
        return true;
    x.above = wanted.serial;
    x.upto = now.serial;
    *why = "they are an older release than was loaded, and what came after was not withdrawn";
    return catalog_values(k->catalog, "rules.tree.", take_tree, &x) == 0 && x.all_withdrawn;
}

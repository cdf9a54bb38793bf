/* cmd_rules_explain.c - the story of one rule, from folders of rules, a ledger and receipts. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "capi/client_receipt.h"
#include "cli/cmd_rules_priv.h"
#include "crypto/sha256.h"
#include "ledger/tlog_tiles.h"
#include "rules/difference.h"
#include "rules/inventory.h"
#include "rules/source.h"
#include "rules/story.h"
#include "rules/yara_text.h"

#define TREES_MAX 1024
#define OUT_MAX ((size_t)64 << 20)

/* One tree of rules, and what of it has the name. */
struct tree {
    const char *where;
    struct release *release;
    struct inventory *rules;
    struct digest digest;
    size_t at[INVENTORY_KINDS]; /* the first of that kind and name; inventory_count: none */
    bool has;
};

struct explaining {
    const char *name, *git, *ledger, *trust_path;
    const char **receipt;
    size_t receipts;
    struct tree tree[TREES_MAX];
    size_t trees;

    struct trust *trust;
    struct story *story;
    bool final; /* the ledger's checkpoint has its quorum */
    struct buf out;
};

/* --- what is given --- */

static int load_tree(struct explaining *w, struct tree *t, struct err *e)
{
    const struct source from = {w->git, t->where};
    int rc = source_load(&t->release, &from, NULL, e);

    if (rc == 0)
        rc = inventory_new(&t->rules, t->release, e);
    if (rc != 0) {
        (void)err_prefix(e, "\"%s\"", t->where);
        return rc;
    }
    t->digest = release_digest(t->release);
    for (unsigned k = 0; k < INVENTORY_KINDS; k++) {
        t->at[k] = inventory_find(t->rules, (enum inventory_kind)k, span_str(w->name));
        t->has |= k != INVENTORY_ALLOW && t->at[k] < inventory_count(t->rules);
    }
    return 0;
}

static const struct tree *tree_of(const struct explaining *w, const struct digest *d)
{
    for (size_t i = 0; i < w->trees; i++)
        if (digest_eq(&w->tree[i].digest, d))
            return &w->tree[i];
    return NULL;
}

/* The checkpoint says how many leaves there are and which; with a trust file, who says so. */
static int load_story(struct explaining *w, struct err *e)
{
    struct core_checkpoint cp;
    struct tlog_verdict v;
    struct core_note note;
    struct buf text;
    int rc;

    buf_init(&text, CORE_NOTE_MAX);
    if ((rc = tlog_tiles_newest(w->ledger, &text, e)) != 0)
        goto out;
    if (w->trust != NULL) {
        if ((rc = tlog_policy_check(&v, w->trust->policy, buf_span(&text), e)) != 0) {
            (void)err_prefix(e, "\"%s\"", w->ledger);
            goto out;
        }
        cp = v.checkpoint;
        w->final = v.quorum;
    } else if (core_note_split(buf_span(&text), &note) != 0 ||
               core_checkpoint_parse(note.text, &cp) != 0) {
        rc = err_set(e, -EBADMSG, "\"%s/checkpoint\" is not a checkpoint", w->ledger);
        goto out;
    }
    rc = story_read(&w->story, w->ledger, cp.size, &cp.root, e);
out:
    buf_free(&text);
    return rc;
}

/* --- words --- */

static const char *when(char out[CLOCK_MINUTE_LEN + 1], unix_time t)
{
    clock_minute(out, t);
    return out;
}

static int put_person(struct buf *b, const struct story_person *p)
{
    char id[33], org[33];

    text_id(id, &p->id);
    text_id(org, &p->org);
    return p->kind == NULL ? buf_printf(b, "%s (in no register here)", id)
                           : buf_printf(b, "%s (%s %.8s)", id, p->kind, org);
}

static int put_plain(struct buf *b, const char *key, struct span text)
{
    int rc = buf_printf(b, "  %-11s ", key);

    for (size_t i = 0; rc == 0 && i < text.n; i++) {
        const uint8_t *end = memchr(text.p + i, '\n', text.n - i);
        size_t n = end != NULL ? (size_t)(end - text.p) - i : text.n - i;

        if ((rc = text_plain(b, span_of(text.p + i, n))) == 0 && i + n + 1 < text.n)
            rc = buf_printf(b, "\n  %-11s ", "");
        i += n;
    }
    return rc != 0 ? rc : buf_putc(b, '\n');
}

static int put_approvals(struct buf *b, const struct story_people *p)
{
    int rc = 0;

    if (p->refused[0] != '\0')
        return put_plain(b, "NOT APPROVED", span_str(p->refused));
    for (unsigned i = 0; rc == 0 && i < p->counted && i < STORY_APPROVERS; i++)
        if ((rc = buf_printf(b, "  %-11s ", i == 0 ? "approved by" : "and by")) == 0 &&
            (rc = put_person(b, &p->by[i])) == 0)
            rc = buf_putc(b, '\n');
    if (rc == 0 && p->counted > STORY_APPROVERS)
        rc = buf_printf(b, "  %-11s %u more\n", "and by", p->counted - STORY_APPROVERS);
    return rc;
}

/* --- the rule itself --- */

static int put_meta(struct buf *b, struct span rule)
{
    struct yara_text t = yara_text_of(rule);
    struct span key, value;
    struct yara_rule r;
    int rc = 0;

    if (yara_text_rule(&t, &r, NULL) != 1)
        return 0;
    t = yara_text_of(r.body);
    while (rc == 0 && yara_text_meta(&t, &key, &value) == 1) {
        struct buf words;
        char name[64];

        buf_init(&words, value.n);
        (void)snprintf(name, sizeof(name), "%.*s", (int)(key.n < 60 ? key.n : 60),
                       (const char *)key.p);
        if ((rc = yara_text_value(&words, value)) == 0)
            rc = put_plain(b, name, buf_span(&words));
        buf_free(&words);
    }
    return rc;
}

static int put_entries(struct buf *b, const struct tree *t, enum inventory_kind k)
{
    struct inventory_entry first = inventory_at(t->rules, t->at[k]), x;
    size_t n = 0;
    int rc = 0;

    for (size_t i = t->at[k]; rc == 0 && i < inventory_count(t->rules); i++) {
        x = inventory_at(t->rules, i);
        if (inventory_order(&first, &x) != 0)
            break;
        if (n++ < 8 || k == INVENTORY_YARA)
            rc = buf_printf(b, "%s of %s, %s:%u\n",
                            k == INVENTORY_YARA     ? "A YARA rule"
                            : k == INVENTORY_CLAMAV ? "A signature of ClamAV's"
                            : k == INVENTORY_HASH   ? "An entry of a hash set"
                            : k == INVENTORY_ALLOW  ? "ON AN ALLOW LIST, so that it is not told,"
                                                    : "A password",
                            t->where, x.file, x.line);
        if (rc == 0 && k == INVENTORY_YARA)
            rc = put_meta(b, x.text);
    }
    return rc != 0 || n <= 8 || k == INVENTORY_YARA
               ? rc
               : buf_printf(b, "and %zu more of that name\n", n - 8);
}

static int put_rule(struct buf *b, const struct tree *t)
{
    int rc = 0;

    for (unsigned k = 0; rc == 0 && k < INVENTORY_KINDS; k++)
        if (t->at[k] < inventory_count(t->rules))
            rc = put_entries(b, t, (enum inventory_kind)k);
    return rc;
}

/* What became of it from one tree to the next: NULL: nothing. */
static const char *step(const struct explaining *w, const struct tree *before,
                        const struct tree *now)
{
    struct difference d;

    if (before == NULL || before->has != now->has)
        return now->has ? "NEW" : before != NULL ? "GONE" : NULL;
    for (unsigned k = 0; now->has && k < INVENTORY_ALLOW; k++)
        if (difference_named(before->rules, now->rules, (enum inventory_kind)k, span_str(w->name),
                             &d))
            return "CHANGED";
    return NULL;
}

/* --- its releases --- */

static int put_change(struct buf *b, const struct story_release *r)
{
    char at[CLOCK_MINUTE_LEN + 1], id[33];
    int rc;

    text_id(id, &r->said.change);
    if (!r->proposed)
        return buf_printf(b, "  %-11s change %s is not in this ledger\n", "NOT PROPOSED", id);
    if ((rc = buf_printf(b, "  %-11s %s as change %s\n", "proposed", when(at, r->proposed_at),
                         id)) != 0 ||
        (rc = buf_printf(b, "  %-11s ", "author")) != 0 || (rc = put_person(b, &r->author)) != 0 ||
        (rc = buf_putc(b, '\n')) != 0 ||
        (r->change.why[0] != '\0' && (rc = put_plain(b, "why", span_str(r->change.why))) != 0) ||
        (r->change.ticket[0] != '\0' &&
         (rc = put_plain(b, "ticket", span_str(r->change.ticket))) != 0) ||
        (r->change.commit[0] != '\0' &&
         (rc = put_plain(b, "commit", span_str(r->change.commit))) != 0))
        return rc;
    return 0;
}

static int put_tests(struct buf *b, const struct story_release *r)
{
    const struct rules_report *t = &r->report;
    char at[CLOCK_MINUTE_LEN + 1];

    if (!r->tested)
        return buf_printf(b, "  %-11s this tree, with this report\n", "NOT TESTED");
    if (!r->reported)
        return buf_printf(b, "  %-11s %s; the report is not there to be read\n", "tested",
                          when(at, r->tested_at));
    return buf_printf(b,
                      "  %-11s %s: %" PRIu64 " files that must be hit, missed %" PRIu64 "; %" PRIu64
                      " that must not, hit %" PRIu64 ", given up on %" PRIu64 "; %" PRIu64
                      " rules, %" PRIu64 " ms\n",
                      "tested", when(at, r->tested_at), t->hit, t->missed, t->clean, t->false_hits,
                      t->unscanned, t->rules, t->ms);
}

static int put_release(struct buf *b, const struct explaining *w, const struct story_release *r,
                       const char *what)
{
    char at[CLOCK_MINUTE_LEN + 1], tree[65];
    int rc;

    text_digest(tree, &r->said.tree);
    if ((rc = buf_printf(b, "%s in release %" PRIu64 ", %s at %s, leaf %" PRIu64 ": %s%s\n", what,
                         r->said.chain.serial, when(at, r->at), w->story->site, r->leaf,
                         r->said.mode == RULES_DETECT ? "detect" : "enforce",
                         r->said.urgent ? ", urgent" : "")) != 0 ||
        (rc = buf_printf(b, "  %-11s %s\n", "tree", tree)) != 0 || (rc = put_change(b, r)) != 0 ||
        (rc = put_tests(b, r)) != 0 || (rc = put_approvals(b, &r->approved)) != 0)
        return rc;
    if (r->withdrawn && (rc = buf_puts(b, "  WITHDRAWN later\n")) != 0)
        return rc;
    return r->loaded == 0 ? buf_printf(b, "  %-11s never at %s\n", "loaded", w->story->site)
                          : buf_printf(b, "  %-11s %s\n", "loaded", when(at, r->loaded));
}

struct sums {
    uint64_t malicious, clean, incomplete;
    size_t has, given;
};

/* Each release in its order, as far as its rules are given. */
static int put_releases(struct buf *b, const struct explaining *w, struct sums *n)
{
    const struct tree *before = NULL;
    bool gap = false;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < w->story->releases; i++) {
        const struct story_release *r = &w->story->release[i];
        const struct tree *t = tree_of(w, &r->said.tree);
        const char *what;

        if (t == NULL) {
            gap = true;
            continue;
        }
        n->given++;
        if (t->has) {
            n->has++;
            n->malicious += r->malicious;
            n->clean += r->clean;
            n->incomplete += r->incomplete;
        }
        if ((what = step(w, before, t)) != NULL) {
            if ((rc = buf_putc(b, '\n')) == 0)
                rc = put_release(b, w, r, what);
            if (rc == 0 && gap)
                rc = buf_puts(b, "  at the latest: rules of releases before it are not given\n");
        }
        before = t;
        gap = false;
    }
    return rc;
}

/* --- what was decided against it --- */

static bool about(const struct explaining *w, const struct story_override *o, const char **how)
{
    const struct tree *t;
    struct digest name;

    sha256_of(w->name, strlen(w->name), &name);
    if (!o->read || o->said.ground != RULES_WITHDRAW)
        return false;
    *how = "the rule is withdrawn";
    if (digest_eq(&name, &o->said.subject))
        return true;
    *how = "a release that has it is withdrawn";
    t = tree_of(w, &o->said.subject);
    return t != NULL && t->has;
}

static int put_overrides(struct buf *b, const struct explaining *w)
{
    static const char *const askers[] = {"the vendor",   "the owner of what was hit",
                                         "a partner",    "a researcher",
                                         "a government", "a court"};
    char at[CLOCK_MINUTE_LEN + 1];
    size_t others = 0;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < w->story->overrides; i++) {
        const struct story_override *o = &w->story->override[i];
        const char *how = "";

        if (!about(w, o, &how)) {
            others++;
            continue;
        }
        if ((rc = buf_printf(b, "\nAGAINST IT, %s, leaf %" PRIu64 ": %s; asked for by %s\n",
                             when(at, o->at), o->leaf, how, askers[o->said.asker])) != 0 ||
            (rc = put_plain(b, "why", span_str(o->why))) != 0 ||
            (rc = put_approvals(b, &o->approved)) != 0)
            return rc;
    }
    if (rc == 0 && others > 0)
        rc = buf_printf(b, "\n%zu other decisions against rules do not name it.\n", others);
    return rc;
}

/* --- its verdicts --- */

static bool named(struct span names, const char *name)
{
    size_t n = strlen(name);

    while (names.n > 0) {
        const uint8_t *end = memchr(names.p, '\n', names.n);
        size_t m = end != NULL ? (size_t)(end - names.p) : names.n;

        if (m == n && memcmp(names.p, name, n) == 0)
            return true;
        m += end != NULL;
        names = span_of(names.p + m, names.n - m);
    }
    return false;
}

static int put_receipts(struct explaining *w, struct buf *b, struct err *e)
{
    size_t hits = 0, sealed = 0, scans = 0;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < w->receipts; i++) {
        struct client_receipt r = {.site = NULL};

        if ((rc = client_receipt_load(&r, w->receipt[i], w->trust, e)) == 0 &&
            r.leaf.kind == LK_SCAN_DONE) {
            const struct receipt_opening *o = receipt_extra_find(&r.x, LF_SEALED_NAMES);
            struct digest release = leaf_digest(&r.leaf, LF_RELEASE);
            struct span at = leaf_text(&r.leaf, LF_TIME);
            char hex[65];

            scans++;
            sealed += o == NULL;
            text_digest(hex, &release);
            if (o != NULL && named(o->value, w->name)) {
                hits++;
                rc = buf_printf(b, "%s%.*s at %s, release %.16s..., leaf %" PRIu64 "\n",
                                hits == 1 ? "\nVerdicts in the receipts given that name it:\n" : "",
                                (int)at.n, (const char *)at.p, r.site->site, hex, r.proof.index);
            }
        }
        client_receipt_done(&r);
    }
    if (rc == 0 && w->receipts > 0)
        rc = buf_printf(b,
                        "\nOf %zu receipts %zu are of scans; it is named in %zu, %zu are sealed.\n",
                        w->receipts, scans, hits, sealed);
    return rc;
}

static int put_sums(struct buf *b, const struct explaining *w, const struct sums *n)
{
    char at[CLOCK_MINUTE_LEN + 1];
    int rc =
        buf_printf(b,
                   "\nOf %zu releases in the ledger the rules of %zu are given; it is in %zu "
                   "of these.\nThey made, all of their rules together, %" PRIu64
                   " verdicts malicious, %" PRIu64 " clean, %" PRIu64
                   " incomplete; which\nrule it was is sealed, each submitter can open it.\n",
                   w->story->releases, n->given, n->has, n->malicious, n->clean, n->incomplete);

    if (rc == 0 && w->story->unknown > 0)
        rc = buf_printf(b, "%" PRIu64 " leaves are of kinds this program does not know.\n",
                        w->story->unknown);
    if (rc != 0)
        return rc;
    return buf_printf(b, "The ledger is as of %s; %s\n", when(at, w->story->last),
                      w->trust == NULL ? "nobody says that it is the site's (--trust)."
                      : w->final       ? "its log signed it, and enough witnesses."
                                       : "its log signed it, and not yet enough witnesses.");
}

static int explain(struct explaining *w, struct err *e)
{
    const struct tree *newest = NULL;
    struct sums n = {.has = 0};
    int rc = 0;

    if (w->trust_path != NULL)
        rc = trust_load(&w->trust, w->trust_path, e);
    for (size_t i = 0; rc == 0 && i < w->trees; i++)
        if ((rc = load_tree(w, &w->tree[i], e)) == 0 &&
            (w->tree[i].has || w->tree[i].at[INVENTORY_ALLOW] < inventory_count(w->tree[i].rules)))
            newest = &w->tree[i];
    if (rc == 0 && newest == NULL)
        rc = err_set(e, -EINVAL, "none of the rules given has the name \"%s\"", w->name);
    if (rc == 0 && w->ledger != NULL)
        rc = load_story(w, e);
    if (rc != 0)
        return rc;
    if ((rc = put_plain(&w->out, "name", span_str(w->name))) == 0 &&
        (rc = put_rule(&w->out, newest)) == 0 && w->story != NULL &&
        (rc = put_releases(&w->out, w, &n)) == 0 && (rc = put_overrides(&w->out, w)) == 0)
        rc = put_sums(&w->out, w, &n);
    if (rc == 0)
        rc = put_receipts(w, &w->out, e);
    return rc == 0 || e->code != 0 ? rc : err_sys(e, rc, "telling the story");
}

static const struct option explain_options[] = {{"rules", required_argument, NULL, 'r'},
                                                {"git", required_argument, NULL, 'g'},
                                                {"ledger", required_argument, NULL, 'l'},
                                                {"trust", required_argument, NULL, 't'},
                                                {"receipt", required_argument, NULL, 'R'},
                                                {"help", no_argument, NULL, 'h'},
                                                {NULL, 0, NULL, 0}};

static void done(struct explaining *w)
{
    for (size_t i = 0; i < w->trees; i++) {
        inventory_free(w->tree[i].rules);
        release_free(w->tree[i].release);
    }
    story_free(w->story);
    trust_free(w->trust);
    buf_free(&w->out);
    free(w->receipt);
    free(w);
}

static int take(const struct command *c, struct explaining *w, int o, const char *value)
{
    if (o == 'r') {
        if (w->trees == TREES_MAX)
            return cli_usage(c, "at most %d trees of rules", TREES_MAX);
        w->tree[w->trees++].where = value;
    } else if (o == 'R') {
        w->receipt[w->receipts++] = value;
    } else {
        *(o == 'g' ? &w->git : o == 'l' ? &w->ledger : &w->trust_path) = value;
    }
    return 0;
}

int cmd_rules_explain(const struct command *c, int argc, char **argv)
{
    struct explaining *w = calloc(1, sizeof(*w));
    struct err e = ERR_INIT;
    int o, code = 0;

    if (w == NULL || (w->receipt = calloc((size_t)argc + 1, sizeof(*w->receipt))) == NULL) {
        free(w);
        (void)err_sys(&e, -ENOMEM, "explaining a rule");
        return cli_fail(c, &e);
    }
    buf_init(&w->out, OUT_MAX);
    while (code == 0 && (o = cli_getopt(c, argc, argv, "r:g:l:t:R:h", explain_options)) != -1)
        code = take(c, w, o, optarg);
    if (code == 0 && (optind + 1 != argc || w->trees == 0))
        code = cli_usage(c, "name one rule, and folders that have it with --rules");
    if (code == 0 && w->receipts > 0 && w->trust_path == NULL)
        code = cli_usage(c, "receipts are verified: name the trust file (--trust)");
    if (code == 0) {
        w->name = argv[optind];
        if (explain(w, &e) != 0)
            code = cli_fail(c, &e);
        else
            (void)fwrite(w->out.data, 1, w->out.len, stdout);
    }
    done(w);
    return code;
}

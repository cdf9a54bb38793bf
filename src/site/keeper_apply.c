/* keeper_apply.c - ledger and catalog from a committed group: the only place that changes them,
 * used for the group just committed and for every group of a replay.  Each store skips what it has
 * already. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "site/keeper_notes.h"
#include "site/keeper_priv.h"
#include "site/keeper_rescan.h"

static int apply_ledger(struct keeper *k, const struct vault_group_view *g, struct err *e)
{
    uint64_t have = ledger_size(k->ledger), skip;

    if (have < g->ledger_before)
        return err_set(
            e, -EBADMSG,
            "the ledger ends at leaf %llu, but group %llu begins at %llu: restore the ledger's "
            "folder, or run \"glarus site rebuild\"",
            (unsigned long long)have, (unsigned long long)g->seq,
            (unsigned long long)g->ledger_before);
    skip = have - g->ledger_before;
    if (skip >= g->n_leaves)
        return 0;
    return ledger_append(k->ledger, g->leaves + skip, g->n_leaves - (size_t)skip, e);
}

/* Of the configuration as it is now; an account that is gone has the least. */
static int priority_of(const struct keeper *k, const char *account)
{
    for (size_t i = 0; i < k->c->submitters; i++)
        if (strcmp(k->c->submitter[i].name, account) == 0)
            return (int)k->c->submitter[i].priority;
    return 0;
}

static int apply_accept(struct keeper *k, const struct note *n)
{
    struct catalog_submission row = n->accept.row;
    int rc;

    row.leaf = n->leaf;
    memcpy(row.sub_key, n->accept.sub_key, sizeof(row.sub_key));
    rc = catalog_submission_add(k->catalog, &row);
    keeper_ticket_known(k, &row.sub);
    if (rc == 0 && row.kind == CATALOG_FILE)
        rc = catalog_scan_add(k->catalog, &row.ref, priority_of(k, row.account), row.accepted);
    return rc == -EEXIST ? 0 : rc;
}

static int apply_end(struct keeper *k, const struct note *n)
{
    int rc = catalog_submission_end(k->catalog, &n->end.sub, n->end.state, n->end.at,
                                    n->end.final_epoch, n->leaf);

    /* after a rebuild the acceptance of an erased submission cannot be read any more */
    return rc == -ENOENT ? 0 : rc;
}

static int apply_scan(struct keeper *k, const struct note *n)
{
    uint8_t plain[8 + CATALOG_SEALED_MAX], sealed[8 + CATALOG_SEALED_MAX + VAULT_SEAL_EXTRA];
    struct catalog_verdict row = n->scan.row;
    size_t names =
        n->scan.names.n < CATALOG_SEALED_MAX - 64 ? n->scan.names.n : CATALOG_SEALED_MAX - 64;
    int rc;

    for (int i = 0; i < 8; i++)
        plain[i] = (uint8_t)(n->leaf >> (56 - 8 * i));
    if (names > 0)
        memcpy(plain + 8, n->scan.names.p, names);
    rc = vault_seal_text(k->vault, &row.ref, span_of(plain, 8 + names), sealed);
    if (rc == -ENOENT)
        return 0; /* erased since */
    row.sealed = span_of(sealed, 8 + names + VAULT_SEAL_EXTRA);
    if (rc == 0)
        rc = catalog_verdict_renew(k->catalog, &row);
    if (rc == 0)
        rc = catalog_scan_done_ref(k->catalog, &row.ref);
    return rc;
}

static int apply_tree(struct keeper *k, const struct note *n)
{
    uint8_t sealed[CATALOG_TREE_MAX];
    int rc;

    if (n->tree.tree.n + VAULT_SEAL_EXTRA > sizeof(sealed))
        return -EBADMSG;
    rc = vault_seal_text(k->vault, &n->tree.ref, n->tree.tree, sealed);
    if (rc == 0)
        rc = catalog_tree_put(k->catalog, &n->tree.ref,
                              span_of(sealed, n->tree.tree.n + VAULT_SEAL_EXTRA));
    return rc == -ENOENT ? 0 : rc; /* erased since */
}

static int apply_rules(struct keeper *k, const struct note *n)
{
    uint8_t value[32 + CATALOG_LABEL_MAX];
    size_t label = strlen(n->rules.engine);
    int rc = keeper_rescan_apply_rules(k, &n->rules); /* while the ones before are known */

    if (rc != 0)
        return rc;
    memcpy(value, n->rules.release.b, 32);
    memcpy(value + 32, n->rules.engine, label);
    return catalog_value_put(k->catalog, "rules.loaded", span_of(value, 32 + label));
}

/* Statements are listed by their digests; which is the newest only their leaves tell. */
static int apply_published(struct keeper *k, const char *hex, uint64_t leaf)
{
    char name[80];
    struct buf b;
    int rc;

    (void)snprintf(name, sizeof(name), "published.%.40s", hex);
    buf_init(&b, 8);
    if ((rc = buf_put_u64(&b, leaf)) == 0)
        rc = catalog_value_put(k->catalog, name, buf_span(&b));
    buf_free(&b);
    return rc;
}

static int apply_document(struct keeper *k, const struct note *n)
{
    char name[80];
    struct buf value;
    uint64_t serial = 0;
    uint8_t count[2];
    char hex[65];
    int rc;

    if (n->document.what >= READ_PRODUCT)
        return keeper_builds_apply(k, &n->document);
    if (n->document.what >= READ_CHANGE)
        return keeper_rules_apply(k, &n->document, n->leaf);
    text_digest(hex, &n->document.doc);
    if (n->document.what == READ_POLICY || n->document.what == READ_REGISTER) {
        const char *key = n->document.what == READ_POLICY ? "policies" : "registers";

        buf_init(&value, 16);
        rc = catalog_value_get(k->catalog, key, &value);
        if (rc == 0 && value.len == 2)
            serial = (uint64_t)value.data[0] << 8 | value.data[1];
        buf_free(&value);
        (void)snprintf(name, sizeof(name), "%s.%03u", key, (unsigned)serial);
        serial++;
        count[0] = (uint8_t)(serial >> 8);
        count[1] = (uint8_t)serial;
        if ((rc = catalog_value_put(k->catalog, key, span_of(count, sizeof(count)))) != 0)
            return rc;
    } else {
        (void)snprintf(name, sizeof(name), "statement.%.40s", hex);
        if ((rc = apply_published(k, hex, n->leaf)) != 0)
            return rc;
    }
    buf_init(&value, 32 + n->document.record.n);
    if ((rc = buf_put(&value, n->document.doc.b, 32)) == 0 &&
        (rc = buf_put(&value, n->document.record.p, n->document.record.n)) == 0)
        rc = catalog_value_put(k->catalog, name, buf_span(&value));
    buf_free(&value);
    return rc;
}

static int apply_withdrawn(struct keeper *k, const struct note *n)
{
    char name[80], hex[65];

    text_digest(hex, &n->withdrawn);
    (void)snprintf(name, sizeof(name), "withdrawn.%.40s", hex);
    return catalog_value_put(k->catalog, name, span_of("1", 1));
}

static int apply_move(struct keeper *k, const struct note *n)
{
    struct catalog_move row = n->move;

    row.leaf = n->leaf; /* receipts of move.opened and move.received are made from it */
    return catalog_move_put(k->catalog, &row);
}

static int apply_note(struct keeper *k, const struct vault_note_view *v)
{
    struct note n;
    int rc;

    if (!v->live)
        return 0;
    if ((rc = keeper_note_get(v->text, &n)) != 0)
        return rc;
    switch (n.kind) {
    case NOTE_ACCEPT:
        return apply_accept(k, &n);
    case NOTE_END:
        return apply_end(k, &n);
    case NOTE_SCAN:
        return apply_scan(k, &n);
    case NOTE_DOCUMENT:
        return apply_document(k, &n);
    case NOTE_WITHDRAWN:
        return apply_withdrawn(k, &n);
    case NOTE_RULES:
        return apply_rules(k, &n);
    case NOTE_MOVE:
        return apply_move(k, &n);
    case NOTE_TREE:
        return apply_tree(k, &n);
    case NOTE_RENEWED:
        return catalog_renewed_add(k->catalog, &n.renewed);
    case NOTE_ROUND:
        return keeper_rescan_apply_round(k, &n.round, n.leaf);
    case NOTE_TRIPPED:
        return keeper_rules_apply_trip(k, &n.tripped, true);
    }
    return -EBADMSG;
}

/* An acceptance whose note died with its slot: the leaf says who may still ask for it.  What ended
 * it follows in a later group, and makes the row what it was. */
static int apply_ended_later(struct keeper *k, const struct leaf *l, uint64_t index)
{
    struct catalog_submission row;
    struct span country = leaf_text(l, LF_COUNTRY);
    struct id128 sub = leaf_id(l, LF_SUB);
    int rc = catalog_submission_get(k->catalog, &sub, &row);

    if (rc != -ENOENT)
        return rc;
    memset(&row, 0, sizeof(row));
    row.sub = sub;
    leaf_key(l, LF_SUB_KEY, row.sub_key);
    memcpy(row.country, country.p, 2);
    row.kind = (enum catalog_kind)(leaf_word(l, LF_SUBMISSION) + CATALOG_FILE);
    row.scope = (enum catalog_kind)(leaf_word(l, LF_SCOPE) + CATALOG_FILE);
    row.state = CATALOG_LIVE;
    row.statement = leaf_digest(l, LF_STATEMENT);
    row.policy = leaf_digest(l, LF_POLICY);
    row.accepted = l->time;
    row.leaf = index;
    row.end_leaf = CATALOG_NO_LEAF;
    return catalog_submission_add(k->catalog, &row);
}

/* The catalog may have lost more than was erased since: a power cut takes its last commits, and a
 * rebuild begins with none. */
static int apply_dead_notes(struct keeper *k, const struct vault_group_view *g)
{
    bool any = false;
    struct leaf l;
    int rc = 0;

    for (size_t i = 0; i < g->n_notes; i++)
        any = any || (g->notes[i].sealed && !g->notes[i].live);
    for (size_t i = 0; any && i < g->n_leaves && rc == 0; i++)
        if (leaf_parse(&l, g->leaves[i]) == 0 && l.kind == LK_SUBMISSION_ACCEPTED)
            rc = apply_ended_later(k, &l, g->ledger_before + i);
    return rc;
}

static int apply_catalog(struct keeper *k, const struct vault_group_view *g, struct err *e)
{
    uint64_t applied;
    int rc;

    if ((rc = catalog_applied(k->catalog, &applied)) != 0)
        return err_sys(e, rc, "asking the catalog where it stands");
    if (applied >= g->seq)
        return 0;
    if ((rc = catalog_begin(k->catalog)) != 0)
        return err_sys(e, rc, "beginning a batch in the catalog");
    for (size_t i = 0; i < g->n_notes && rc == 0; i++)
        rc = apply_note(k, &g->notes[i]);
    if (rc == 0)
        rc = apply_dead_notes(k, g);
    if (rc == 0)
        rc = catalog_set_applied(k->catalog, g->seq);
    if (rc == 0)
        rc = catalog_commit(k->catalog);
    if (rc != 0) {
        catalog_rollback(k->catalog);
        return err_sys(e, rc, "applying group %llu to the catalog", (unsigned long long)g->seq);
    }
    return 0;
}

int keeper_apply(void *arg, const struct vault_group_view *g)
{
    struct keeper *k = arg;
    struct err e = ERR_INIT;
    int rc;

    if ((rc = apply_ledger(k, g, &e)) != 0 || (rc = apply_catalog(k, g, &e)) != 0)
        log_error("a group cannot be applied", "why", err_text(&e));
    k->n.leaves += rc == 0 ? g->n_leaves : 0;
    return rc;
}

int keeper_apply_fresh(void *arg, const struct vault_group_view *g)
{
    struct keeper *k = arg;

    k->apply_failed = keeper_apply(arg, g);
    return 0;
}

/* keeper_documents.c - the register, policies and statements in force, as the catalog remembers
 * them, and the one question about a proof that the keeper hands to the reader. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/log.h"
#include "base/text.h"
#include "crypto/sha256.h"
#include "ledger/tlog_proof.h"
#include "site/keeper_priv.h"

static int load_list(struct keeper *k, const char *key, unsigned *n, struct err *e)
{
    struct buf b;
    int rc;

    *n = 0;
    buf_init(&b, 16);
    rc = catalog_value_get(k->catalog, key, &b);
    if (rc == 0 && b.len == 2)
        *n = (unsigned)b.data[0] << 8 | b.data[1];
    buf_free(&b);
    return rc == 0 || rc == -ENOENT ? 0 : err_sys(e, rc, "reading the catalog");
}

static int load_value(struct keeper *k, const char *name, struct buf *b, struct digest *doc,
                      struct err *e)
{
    int rc;

    buf_reset(b);
    if ((rc = catalog_value_get(k->catalog, name, b)) != 0)
        return err_sys(e, rc, "reading \"%s\" from the catalog", name);
    if (b->len < 32)
        return err_set(e, -EBADMSG, "\"%s\" in the catalog is malformed", name);
    memcpy(doc->b, b->data, 32);
    return 0;
}

static int load_register(struct keeper *k, struct buf *b, struct err *e)
{
    struct read_register r;
    struct digest doc;
    unsigned n;
    char name[32];
    int rc = load_list(k, "registers", &n, e);

    if (rc != 0 || n == 0)
        return rc;
    (void)snprintf(name, sizeof(name), "registers.%03u", n - 1);
    if ((rc = load_value(k, name, b, &doc, e)) != 0 ||
        (rc = read_register_decode(span_of(b->data + 32, b->len - 32), &r)) != 0)
        return rc;
    k->has_register = true;
    k->register_doc = doc;
    k->register_serial = r.serial;
    read_register_done(&r);
    return 0;
}

static int load_policies(struct keeper *k, struct buf *b, struct err *e)
{
    struct read_policy p;
    struct digest doc;
    unsigned n;
    char name[32];
    int rc = load_list(k, "policies", &n, e);

    while (rc == 0 && k->policies < n && k->policies < KEEPER_POLICIES_MAX) {
        (void)snprintf(name, sizeof(name), "policies.%03u", (unsigned)k->policies);
        if ((rc = load_value(k, name, b, &doc, e)) == 0 &&
            (rc = read_policy_decode(span_of(b->data + 32, b->len - 32), &p)) == 0) {
            p.placement->policy = doc;
            k->policy[k->policies++] = p.placement;
        }
    }
    return rc;
}

static int take_statement(void *arg, const char *name, struct span value)
{
    struct keeper *k = arg;
    struct statement_in_force *s = &k->statement[k->statements];

    if (k->statements == KEEPER_STATEMENTS_MAX || value.n < 32)
        return -EBADMSG;
    (void)name;
    memcpy(s->doc.b, value.p, 32);
    s->withdrawn = false;
    k->statements++;
    return read_statement_decode(span_of(value.p + 32, value.n - 32), &s->terms);
}

/* Of the catalog: an 8-byte number, if it is there. */
static int load_number(struct keeper *k, const char *name, uint64_t *out)
{
    struct buf b;
    struct cur c;
    int rc;

    *out = 0;
    buf_init(&b, 8);
    if ((rc = catalog_value_get(k->catalog, name, &b)) == 0) {
        c = cur_of(buf_span(&b));
        rc = cur_u64(&c, out);
    }
    buf_free(&b);
    return rc == -ENOENT ? 0 : rc;
}

static int load_statements(struct keeper *k, struct err *e)
{
    struct buf b;
    char name[80], hex[65];
    int rc;

    k->statements = 0;
    rc = catalog_values(k->catalog, "statement.", take_statement, k);
    buf_init(&b, 16);
    for (size_t i = 0; i < k->statements && rc == 0; i++) {
        text_digest(hex, &k->statement[i].doc);
        (void)snprintf(name, sizeof(name), "withdrawn.%.40s", hex);
        buf_reset(&b);
        k->statement[i].withdrawn = catalog_value_get(k->catalog, name, &b) == 0;
        (void)snprintf(name, sizeof(name), "published.%.40s", hex);
        rc = load_number(k, name, &k->statement[i].leaf);
    }
    buf_free(&b);
    return rc == 0 ? 0 : err_sys(e, rc, "reading the statements from the catalog");
}

int keeper_load_documents(struct keeper *k, struct err *e)
{
    struct buf b;
    int rc;

    buf_init(&b, 1 << 20);
    if ((rc = load_register(k, &b, e)) == 0 && (rc = load_policies(k, &b, e)) == 0)
        rc = load_statements(k, e);
    buf_free(&b);
    return rc;
}

int keeper_predecessor(struct keeper *k, uint32_t what, struct digest *out)
{
    const struct digest *d = NULL;
    const struct placement *p;

    if (what == READ_PUBLISHED)
        return keeper_rules_published(k, out);
    if (what == READ_REGISTER)
        d = k->has_register ? &k->register_doc : NULL;
    else if (what == READ_POLICY)
        d = k->policies > 0 ? &k->policy[k->policies - 1]->policy : NULL;
    else if ((what == READ_MOVE || what == READ_PRODUCT) &&
             (p = keeper_policy(k, clock_now())) != NULL)
        d = &p->policy;
    if (d == NULL)
        return 1;
    *out = *d;
    return 0;
}

int keeper_read_proof(struct keeper *k, uint64_t id, const char *policy, struct span proof,
                      struct err *e)
{
    struct pm_read m;
    struct buf all;
    int fd = -1, rc;

    memset(&m, 0, sizeof(m));
    buf_init(&all, TLOG_PROOF_MAX + TLOG_POLICY_TEXT_MAX);
    m.what = READ_PROOF;
    m.at = clock_now();
    m.len = m.register_at = proof.n;
    m.register_len = strlen(policy);
    if ((rc = buf_put(&all, proof.p, proof.n)) == 0 && (rc = buf_puts(&all, policy)) == 0 &&
        (rc = keeper_admin_memfd(&all, &fd)) == 0)
        rc = keeper_parts_ask(k, true, PR_READ, id, span_of(&m, sizeof(m)), &fd);
    io_close(&fd);
    buf_free(&all);
    return rc == 0 ? 0 : err_sys(e, rc, "asking the reader");
}

bool keeper_proof_holds(const char *policy, struct span proof, struct span leaf)
{
    struct tlog_policy *p = NULL;
    struct tlog_verdict v;
    struct core_proof parsed;
    struct digest hash;
    struct err e = ERR_INIT;
    bool holds;

    if (tlog_policy_parse(&p, span_str(policy), &e) != 0)
        return false;
    sha256_leaf(leaf.p, leaf.n, &hash);
    holds = tlog_proof_parse(&parsed, proof, &e) == 0 &&
            tlog_proof_verify(&v, &parsed, p, &hash, &e) == 0 && v.quorum;
    if (!holds)
        log_error("the reader let a proof pass that does not verify", "why", err_text(&e));
    tlog_policy_free(p);
    return holds;
}

/* reader.c - the process that parses what people outside wrote and signed, and nothing else.
 *
 * Each request brings one sealed memfd with everything it takes to decide: the document, the
 * register in force, the predecessor.  The reader keeps nothing between requests, so a document
 * that took it over could lie about itself only; the keeper compares the digests it was asked
 * about with the artifacts it stores. */
#include "site/reader_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "crypto/sha256.h"
#include "events/receipt_extra.h"
#include "intake/statement.h"
#include "jail/msg.h"
#include "ledger/tlog_proof.h"
#include "people/dsse.h"
#include "residency/move.h"
#include "site/process.h"

#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK)
#define MEMFD_MAX (4 * DSSE_MAX_BYTES)
#define POLICY_LATE 120 /* seconds a policy's valid_from may lie before now */

/* --- the memfd --- */

static int map_sealed(int fd, struct span *out, struct err *e)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);
    void *p;

    if (fstat(fd, &st) != 0 || seals < 0 || (seals & SEALS) != SEALS)
        return err_set(e, -EPROTO, "the descriptor is no sealed memory");
    if (st.st_size <= 0 || (uint64_t)st.st_size > MEMFD_MAX)
        return err_set(e, -E2BIG, "%lld bytes of documents; at most %zu are read",
                       (long long)st.st_size, (size_t)MEMFD_MAX);
    p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return err_sys(e, -errno, "mapping the documents");
    *out = span_of(p, (size_t)st.st_size);
    return 0;
}

static int part(struct span all, uint64_t at, uint64_t len, struct span *out)
{
    *out = span_of(NULL, 0);
    if (len == 0)
        return 0;
    if (at > all.n || len > all.n - at)
        return -EPROTO;
    *out = span_of(all.p + at, (size_t)len);
    return 0;
}

static int split(struct reading *r, struct span all, struct err *e)
{
    const struct pm_read *m = r->ask;

    if (part(all, 0, m->len, &r->document) != 0 ||
        part(all, m->register_at, m->register_len, &r->reg) != 0 ||
        part(all, m->previous_at, m->previous_len, &r->previous) != 0 || m->len == 0)
        return err_set(e, -EPROTO, "the request names bytes that are not there");
    if (m->what != READ_PRODUCT)
        return 0;
    if (bundle_split(r->document, r->part, BUNDLE_PARTS) != 0)
        return err_set(e, -EINVAL, "a product is published together with the files it names");
    r->document = r->part[BUNDLE_ENVELOPE];
    return 0;
}

/* --- envelopes --- */

int reader_envelope(struct span bytes, enum document kind, const char *name, struct dsse **out,
                    struct err *e)
{
    int rc = dsse_parse(out, bytes, e);

    if (rc != 0) {
        err_prefix(e, "%s", name);
        return rc;
    }
    if (strcmp(dsse_type(*out), document_type(kind)) == 0)
        return 0;
    rc = err_set(e, -EINVAL, "%s: its payloadType is \"%s\"; a %s has \"%s\"", name,
                 dsse_type(*out), document_word(kind), document_type(kind));
    dsse_free(*out);
    *out = NULL;
    return rc;
}

/* A document that this site published before: its bytes must be those of its digest. */
static int open_known(struct span bytes, enum document kind, const struct digest *doc,
                      const char *name, struct dsse **out, struct err *e)
{
    struct digest is;

    dsse_digest(bytes, &is);
    if (!digest_eq(&is, doc))
        return err_set(e, -EPROTO, "%s is not the document of that digest", name);
    return reader_envelope(bytes, kind, name, out, e);
}

static int known_register(struct span bytes, const struct digest *doc, struct people **out,
                          struct err *e)
{
    struct dsse *d = NULL;
    int rc = open_known(bytes, DOCUMENT_REGISTER, doc, "the register in force", &d, e);

    if (rc == 0)
        rc = register_parse(out, "register in force", dsse_payload(d), e);
    dsse_free(d);
    return rc;
}

int reader_policy(const struct reading *r, struct policy **out, struct err *e)
{
    struct dsse *d = NULL;
    int rc =
        open_known(r->previous, DOCUMENT_POLICY, &r->ask->previous_doc, "the policy before", &d, e);

    if (rc == 0)
        rc = policy_parse(out, "policy before", dsse_payload(d), e);
    dsse_free(d);
    return rc;
}

int reader_approved(struct reading *r, enum document kind, const struct id128 *author,
                    struct err *e)
{
    int rc;

    if (r->reg.n == 0)
        return err_set(e, -EPERM,
                       "no register is published at this site, so nobody can approve a %s; "
                       "publish the register first",
                       document_word(kind));
    if ((rc = known_register(r->reg, &r->ask->register_doc, &r->in_force, e)) != 0)
        return rc;
    return register_approved(r->in_force, kind, r->envelope, r->ask->at, author, NULL, e);
}

/* --- register --- */

static int first_register(struct reading *r, const struct people *next, struct err *e)
{
    struct ed25519_pub roots[CONFIG_ROOTS_MAX];
    unsigned counted;

    if (register_previous(next) != NULL)
        return err_set(e, -EINVAL, "the first register of a site has serial 1, this one has %llu",
                       (unsigned long long)register_serial(next));
    for (size_t i = 0; i < r->c->roots; i++)
        memcpy(roots[i].b, r->c->root_key[i], 32);
    return register_approved_by_roots(roots, r->c->roots, (unsigned)r->c->roots_needed, r->envelope,
                                      &counted, e);
}

static int next_register(struct reading *r, struct people **old, const struct people *next,
                         struct err *e)
{
    int rc = known_register(r->previous, &r->ask->previous_doc, old, e);

    if (rc == 0)
        rc = register_follows(*old, &r->ask->previous_doc, next, e);
    if (rc == 0)
        rc = register_approved(*old, DOCUMENT_REGISTER, r->envelope, r->ask->at, NULL, NULL, e);
    return rc;
}

static int encode_register(struct reading *r, const struct people *old, const struct people *next,
                           struct err *e)
{
    struct read_register out;
    struct register_diff diff = {NULL, 0, false, 0};
    int rc = register_diff(old, next, &diff, e);

    if (rc != 0)
        return rc;
    memset(&out, 0, sizeof(out));
    out.serial = register_serial(next);
    out.has_previous = register_previous(next) != NULL;
    if (out.has_previous)
        out.previous = *register_previous(next);
    out.n = diff.n;
    out.change = diff.change;
    rc = read_register_encode(&out, r->tail);
    if (rc != 0)
        err_sys(e, rc, "%zu changes in one register; publish it in steps", diff.n);
    register_diff_done(&diff);
    return rc;
}

static int read_register(struct reading *r, struct err *e)
{
    struct people *next = NULL, *old = NULL;
    int rc;

    if ((rc = reader_envelope(r->document, DOCUMENT_REGISTER, "register", &r->envelope, e)) != 0)
        return rc;
    rc = register_parse(&next, "register", dsse_payload(r->envelope), e);
    if (rc == 0)
        rc = r->previous.n == 0 ? first_register(r, next, e) : next_register(r, &old, next, e);
    if (rc == 0)
        rc = register_workable(next, r->ask->at, e);
    if (rc == 0)
        rc = encode_register(r, old, next, e);
    register_free(next);
    register_free(old);
    return rc;
}

/* --- policy --- */

static int check_policy(struct reading *r, const struct policy *next, struct err *e)
{
    struct policy *old = NULL;
    int rc = 0;

    if (policy_valid_from(next) < r->ask->at - POLICY_LATE)
        return err_set(e, -EINVAL,
                       "the policy's valid_from lies %lld s before now; a policy cannot take "
                       "effect before it is published",
                       (long long)(r->ask->at - policy_valid_from(next)));
    if (r->previous.n == 0 && policy_previous(next) != NULL)
        return err_set(e, -EINVAL, "the first policy of a site has serial 1, this one has %llu",
                       (unsigned long long)policy_serial(next));
    if (r->previous.n != 0 && (rc = reader_policy(r, &old, e)) == 0)
        rc = policy_follows(old, &r->ask->previous_doc, next, e);
    policy_free(old);
    return rc == 0 ? reader_approved(r, DOCUMENT_POLICY, policy_author(next), e) : rc;
}

static int read_policy(struct reading *r, struct err *e)
{
    struct policy *next = NULL;
    struct read_policy out;
    struct digest doc;
    int rc;

    memset(&out, 0, sizeof(out));
    if ((rc = reader_envelope(r->document, DOCUMENT_POLICY, "policy", &r->envelope, e)) != 0)
        return rc;
    dsse_digest(r->document, &doc);
    if ((rc = policy_parse(&next, "policy", dsse_payload(r->envelope), e)) == 0 &&
        (rc = check_policy(r, next, e)) == 0 &&
        (rc = placement_policy(next, &doc, &out.placement, e)) == 0) {
        out.has_previous = policy_previous(next) != NULL;
        if (out.has_previous)
            out.previous = *policy_previous(next);
        rc = read_policy_encode(&out, r->tail);
        if (rc != 0)
            err_sys(e, rc, "%zu changes of place in one policy", out.placement->steps);
    }
    placement_free(out.placement);
    policy_free(next);
    return rc;
}

/* --- statement, move --- */

static int read_statement(struct reading *r, struct err *e)
{
    struct read_statement out;
    struct statement s;
    int rc;

    memset(&s, 0, sizeof(s));
    memset(&out, 0, sizeof(out));
    if ((rc = reader_envelope(r->document, DOCUMENT_STATEMENT, "statement", &r->envelope, e)) != 0)
        return rc;
    if ((rc = statement_parse(&s, "statement", dsse_payload(r->envelope), e)) == 0 &&
        (rc = reader_approved(r, DOCUMENT_STATEMENT, NULL, e)) == 0) {
        out.scopes = s.scopes;
        out.erase_within = s.erase_within;
        out.retention = s.retention;
        (void)snprintf(out.language, sizeof(out.language), "%s", s.language);
        rc = read_statement_encode(&out, r->tail);
    }
    statement_done(&s);
    return rc;
}

static int read_move(struct reading *r, struct err *e)
{
    struct policy *in_force = NULL;
    struct move_approval m;
    struct read_move out;
    int rc;

    memset(&out, 0, sizeof(out));
    if ((rc = reader_envelope(r->document, DOCUMENT_MOVE, "move", &r->envelope, e)) != 0)
        return rc;
    if (r->previous.n == 0)
        return err_set(e, -EPERM, "no policy is in force at this site, so nothing can move");
    if ((rc = move_parse(&m, "move", dsse_payload(r->envelope), e)) == 0 &&
        (rc = reader_policy(r, &in_force, e)) == 0 &&
        (rc = move_allowed(&m, in_force, &r->ask->previous_doc, r->ask->at, e)) == 0 &&
        (rc = reader_approved(r, DOCUMENT_MOVE, NULL, e)) == 0) {
        out.move = m.move;
        memcpy(out.country, m.country, sizeof(out.country));
        (void)snprintf(out.from, sizeof(out.from), "%s", m.from);
        (void)snprintf(out.to, sizeof(out.to), "%s", m.to);
        out.policy = m.policy;
        rc = read_move_encode(&out, r->tail);
    }
    policy_free(in_force);
    return rc;
}

/* --- proof --- */

static int leaf_of_proof(const struct core_proof *p, struct receipt_extra *x, struct err *e)
{
    struct buf json;
    int rc;

    buf_init(&json, RECEIPT_EXTRA_MAX);
    if ((rc = tlog_proof_extra(&json, p, e)) == 0)
        rc = receipt_extra_decode(x, buf_span(&json), e);
    buf_free(&json);
    return rc;
}

static int read_proof(struct reading *r, struct err *e)
{
    struct tlog_policy *policy = NULL;
    struct receipt_extra x;
    struct tlog_verdict v;
    struct core_proof p;
    struct digest leaf;
    int rc;

    memset(&x, 0, sizeof(x));
    if (r->document.n > TLOG_PROOF_MAX || r->reg.n > TLOG_POLICY_TEXT_MAX)
        return err_set(e, -E2BIG, "a proof of %zu bytes; at most %d are read", r->document.n,
                       TLOG_PROOF_MAX);
    if ((rc = tlog_policy_parse(&policy, r->reg, e)) != 0 ||
        (rc = tlog_proof_parse(&p, r->document, e)) != 0 || (rc = leaf_of_proof(&p, &x, e)) != 0)
        goto out;
    sha256_leaf(x.leaf.p, x.leaf.n, &leaf);
    if ((rc = tlog_proof_verify(&v, &p, policy, &leaf, e)) != 0)
        goto out;
    if (!v.quorum)
        rc = err_set(e, -EBADMSG, "the proof's checkpoint is not cosigned by the quorum yet");
    else if ((rc = buf_put(r->tail, x.leaf.p, x.leaf.n)) != 0)
        err_sys(e, rc, "a leaf of %zu bytes", x.leaf.n);
out:
    receipt_extra_free(&x);
    tlog_policy_free(policy);
    return rc;
}

/* --- one request --- */

static int read_one(struct reading *r, struct err *e)
{
    static int (*const how[])(struct reading *, struct err *) = {
        [READ_REGISTER] = read_register,
        [READ_POLICY] = read_policy,
        [READ_STATEMENT] = read_statement,
        [READ_MOVE] = read_move,
        [READ_PROOF] = read_proof,
        [READ_CHANGE] = reader_rules_change,
        [READ_REPORT] = reader_rules_report,
        [READ_RELEASE] = reader_rules_release,
        [READ_OVERRIDE] = reader_rules_override,
        [READ_PUBLISHED] = reader_rules_published,
        [READ_REPLAY] = reader_rules_replay,
        [READ_PRODUCT] = reader_builds_product,
        [READ_REBUILT] = reader_builds_rebuilt,
    };

    if (r->ask->what >= ARRAY_LEN(how))
        return err_set(e, -EPROTO, "a request of an unknown kind");
    return how[r->ask->what](r, e);
}

void reader_read(const struct config *c, const struct pm_read *ask, int fd, struct pm_read_is *is,
                 struct buf *tail)
{
    struct reading r = {.c = c, .ask = ask, .tail = tail};
    struct span all = {NULL, 0};
    struct err e = ERR_INIT;
    int rc;

    memset(is, 0, sizeof(*is));
    is->what = ask->what;
    rc = map_sealed(fd, &all, &e);
    if (rc == 0 && (rc = split(&r, all, &e)) == 0) {
        dsse_digest(r.document, &is->doc);
        rc = read_one(&r, &e);
    }
    is->rc = rc;
    if (rc != 0) {
        e.code = rc;
        buf_reset(tail);
        (void)snprintf(is->text, sizeof(is->text), "%s", err_text(&e));
    }
    dsse_free(r.envelope);
    register_free(r.in_force);
    if (all.p != NULL)
        (void)munmap((void *)(uintptr_t)all.p, all.n);
}

static int answer(const struct config *c, struct msg_chan *chan, const struct msg *m)
{
    struct pm_read_is is;
    struct pm_read ask;
    struct buf tail, out;
    int rc;

    buf_init(&tail, PROTO_TAIL_MAX);
    buf_init(&out, sizeof(is) + PROTO_TAIL_MAX);
    memcpy(&ask, m->body.p, sizeof(ask));
    reader_read(c, &ask, m->fd[0], &is, &tail);
    if ((rc = buf_put(&out, &is, sizeof(is))) == 0 &&
        (rc = buf_put(&out, tail.data, tail.len)) == 0)
        rc = msg_send_wait(chan, PR_READ_IS, m->id, buf_span(&out), NULL, -1);
    buf_free(&tail);
    buf_free(&out);
    return rc;
}

int reader_main(const struct config *c)
{
    struct msg_chan *chan = NULL;
    struct err e = ERR_INIT;
    struct msg m;
    int rc;

    json_object_seed(0); /* envelopes' hash tables: it opens /dev/urandom, which the jail forbids */
    if ((rc = msg_open(&chan, PART_CHANNEL, &proto_reader, MSG_B, &e)) == 0 &&
        (rc = process_jail(c, CONFIG_READER, &e)) == 0) {
        log_info("reader serves");
        while ((rc = msg_recv_wait(chan, &m, -1, &e)) == 0 && (rc = answer(c, chan, &m)) == 0)
            ;
        if (rc == -EPIPE)
            rc = 0;
    }
    if (rc != 0) {
        e.code = rc;
        log_error(err_text(&e));
    }
    msg_close(chan);
    return rc == 0 ? 0 : rc == -EINVAL ? 2 : 3;
}

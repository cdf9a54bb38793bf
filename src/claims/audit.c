#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "claims/claims_priv.h"
#include "crypto/sha256.h"
#include "events/receipt_extra.h"
#include "events/receipt_pack.h"
#include "ledger/tlog_proof.h"

#define THREADS_DEFAULT_MAX 8

const char *audit_verdict_word(enum audit_verdict v)
{
    static const char *const words[] = {"PROVED", "BROKEN", "UNKNOWN", "EMPTY"};

    return words[v];
}

const char *audit_basis_word(enum audit_basis b)
{
    static const char *const words[] = {"MATH", "COUNTERSIGNED", "STATED"};

    return words[b];
}

/* ------------------------------------------------------------------ what the auditor brings */

/* A root held outside, of the log with this index in the policy. */
static int add_stop(struct audit *a, const char *file, const struct tlog_verdict *v)
{
    const struct vkey *log = tlog_policy_log(a->trust->policy, (size_t)v->log);

    for (size_t i = 0; i < a->sites; i++) {
        struct site *s = &a->site[i];
        int rc;

        if (s->trust->log != log)
            continue;
        if ((rc = VEC_ROOM(&s->stop)) != 0)
            return rc;
        s->stop.v[s->stop.n++] = (struct stop){.size = v->checkpoint.size,
                                               .root = v->checkpoint.root,
                                               .name = file,
                                               .final = v->quorum};
        return (int)i;
    }
    claims_unknown(a, CLAIM_APPEND_ONLY, NULL, AUDIT_NO_LEAF,
                   "\"%s\" is of a ledger that was not given", file);
    return -ENOENT;
}

static int load_checkpoint(struct audit *a, const char *file, struct err *e)
{
    struct tlog_verdict v;
    struct err why = ERR_INIT;
    struct buf note;
    int rc;

    buf_init(&note, CORE_NOTE_MAX);
    rc = io_read_file(AT_FDCWD, file, &note);
    if (rc != 0) {
        rc = err_sys(e, rc, "reading the checkpoint \"%s\"", file);
        goto out;
    }
    rc = tlog_policy_check(&v, a->trust->policy, buf_span(&note), &why);
    if (rc != 0) {
        claims_unknown(a, CLAIM_APPEND_ONLY, NULL, AUDIT_NO_LEAF,
                       "the remembered checkpoint \"%s\": %s", file, err_text(&why));
        rc = 0;
        goto out;
    }
    rc = add_stop(a, file, &v);
    if (rc > 0 || rc == -ENOENT)
        rc = 0;
out:
    buf_free(&note);
    return rc;
}

/* The copy that an opened `ref` joins to its submission. */
static int note_joined(struct audit *a, const char *file, int site, const struct receipt_extra *x)
{
    const struct receipt_opening *o = receipt_extra_find(x, LF_SEALED_REF);
    struct joined j = {.site = (uint8_t)site, .name = file};
    struct leaf l;
    int rc;

    if (o == NULL || leaf_parse(&l, x->leaf) != 0 || l.kind != LK_SUBMISSION_ACCEPTED ||
        text_unid(o->value, &j.ref) != 0)
        return 0;
    j.sub = leaf_id(&l, LF_SUB);
    if ((rc = VEC_ROOM(&a->joined)) != 0)
        return rc;
    a->joined.v[a->joined.n++] = j;
    return 0;
}

static int check_receipt(struct audit *a, const char *file, struct span text, struct err *why)
{
    struct receipt_extra x = {.openings = 0};
    struct core_proof proof;
    struct tlog_verdict v;
    struct digest hash;
    struct buf extra;
    int rc;

    buf_init(&extra, RECEIPT_EXTRA_MAX);
    if ((rc = tlog_proof_parse(&proof, text, why)) != 0 ||
        (rc = tlog_proof_extra(&extra, &proof, why)) != 0 ||
        (rc = receipt_extra_decode(&x, buf_span(&extra), why)) != 0)
        goto out;
    sha256_leaf(x.leaf.p, x.leaf.n, &hash);
    if ((rc = tlog_proof_verify(&v, &proof, a->trust->policy, &hash, why)) != 0)
        goto out;
    rc = add_stop(a, file, &v);
    if (rc >= 0)
        rc = note_joined(a, file, rc, &x);
    else if (rc == -ENOENT)
        rc = 0;
out:
    receipt_extra_free(&x);
    buf_free(&extra);
    return rc;
}

/* What does not verify is said, and the audit goes on. */
static int take_receipt(struct audit *a, const char *file, struct span text)
{
    struct err why = ERR_INIT;
    int rc = check_receipt(a, file, text, &why);

    if (rc == 0 || rc == -ENOMEM)
        return rc;
    claims_unknown(a, CLAIM_APPEND_ONLY, NULL, AUDIT_NO_LEAF,
                   "the receipt \"%s\" does not verify: %s", file, err_text(&why));
    return 0;
}

static int take_pack(struct audit *a, const char *file, struct span text)
{
    struct cur c = cur_of(text);
    struct err why = ERR_INIT;
    struct span receipt;
    struct id128 sub;
    int rc = 0;

    while (rc == 0 && (rc = receipt_pack_next(&c, &sub, &receipt, &why)) == 0)
        rc = take_receipt(a, file, receipt);
    if (rc == -EBADMSG)
        claims_unknown(a, CLAIM_APPEND_ONLY, NULL, AUDIT_NO_LEAF, "the receipts of \"%s\": %s",
                       file, err_text(&why));
    return rc == -ENOENT || rc == -EBADMSG ? 0 : rc;
}

static int load_receipt(struct audit *a, const char *file, struct err *e)
{
    struct buf text;
    int rc;

    buf_init(&text, RECEIPT_PACK_MAX);
    if ((rc = io_read_file(AT_FDCWD, file, &text)) != 0)
        rc = err_sys(e, rc, "reading the receipt \"%s\"", file);
    else
        rc = receipt_pack_is(buf_span(&text)) ? take_pack(a, file, buf_span(&text))
                                              : take_receipt(a, file, buf_span(&text));
    buf_free(&text);
    return rc;
}

/* ------------------------------------------------------------------ set-up */

static int add_sources(struct audit *a, const struct audit_source *src, size_t n, struct err *e)
{
    if (n == 0 || n > TRUST_SITES)
        return err_set(e, -EINVAL, "give one ledger or more, as SITE=FOLDER");
    a->site = calloc(n, sizeof(*a->site));
    if (a->site == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        struct site *s = &a->site[i];

        s->trust = trust_site(a->trust, src[i].site);
        s->dir = src[i].dir;
        s->number = (unsigned)i;
        if (s->trust == NULL)
            return err_set(e, -EINVAL, "the trust file has no site \"%s\"", src[i].site);
        if (access(s->dir, R_OK | X_OK) != 0)
            return err_sys(e, -errno, "opening the ledger \"%s\"", s->dir);
        for (size_t j = 0; j < i; j++)
            if (a->site[j].trust == s->trust)
                return err_set(e, -EINVAL, "site \"%s\" is given twice", src[i].site);
        a->sites = i + 1;
    }
    return 0;
}

static void begin_results(struct audit *a)
{
    for (size_t c = 0; c < CLAIMS; c++) {
        a->result[c] = (struct audit_result){.claim = claims_table[c]->name,
                                             .verdict = AUDIT_PROVED,
                                             .basis = claims_table[c]->basis,
                                             .unit = claims_table[c]->unit,
                                             .one = claims_table[c]->one,
                                             .leaf = AUDIT_NO_LEAF,
                                             .assumption = claims_table[c]->assumption};
    }
}

static int warn(struct audit *a)
{
    unix_time now = a->options->now != 0 ? a->options->now : clock_now();

    if (trust_expired(a->trust, now)) {
        a->warning[a->warnings] = strdup("the trust file has expired; get a new one out of band");
        if (a->warning[a->warnings++] == NULL)
            return -ENOMEM;
    }
    if (a->trust->quorum_inside) {
        a->warning[a->warnings] = strdup(
            "a quorum can be had without any of the outsiders: the vendor alone could do it");
        if (a->warning[a->warnings++] == NULL)
            return -ENOMEM;
    }
    return 0;
}

static unsigned threads(const struct audit_options *o)
{
    long n;

    if (o->threads != 0)
        return o->threads;
    n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > THREADS_DEFAULT_MAX ? THREADS_DEFAULT_MAX : (unsigned)n;
}

/* ------------------------------------------------------------------ run */

static int bring(struct audit *a, struct err *e)
{
    int rc = 0;

    for (size_t i = 0; i < a->options->n_checkpoints && rc == 0; i++)
        rc = load_checkpoint(a, a->options->checkpoints[i], e);
    for (size_t i = 0; i < a->options->n_receipts && rc == 0; i++)
        rc = load_receipt(a, a->options->receipts[i], e);
    return rc;
}

static int judge(struct audit *a)
{
    int rc = counts_build(a);

    for (size_t c = 0; c < CLAIMS && rc == 0; c++)
        if (claims_table[c]->end != NULL)
            rc = claims_table[c]->end(a);
    pool_finish(a->pool);
    for (size_t c = 0; c < CLAIMS && rc == 0; c++) {
        struct audit_result *r = &a->result[c];

        if (r->verdict != AUDIT_PROVED)
            continue;
        if (r->n > 0) {
            claims_table[c]->sentence(a, r->sentence, sizeof(r->sentence));
        } else {
            const char *why = claims_table[c]->nothing == NULL ? NULL : claims_table[c]->nothing(a);

            r->verdict = AUDIT_EMPTY;
            (void)snprintf(r->sentence, sizeof(r->sentence), "%s",
                           why != NULL      ? why
                           : r->pending > 0 ? "nothing is due yet"
                                            : "nothing of the kind has happened");
        }
    }
    return rc;
}

static int run(struct audit *a, const struct audit_source *src, size_t n, struct err *e)
{
    int rc;

    if ((rc = add_sources(a, src, n, e)) != 0)
        return rc;
    begin_results(a);
    subs_init(a);
    refs_init(a);
    if ((rc = warn(a)) != 0 || (rc = pool_new(&a->pool, a, threads(a->options))) != 0 ||
        (rc = bring(a, e)) != 0 || (rc = claims_state_take(a, e)) != 0)
        return rc;
    for (size_t i = 0; i < a->sites; i++)
        if ((rc = claims_ledger_open(a, &a->site[i], e)) != 0)
            return rc;
    for (size_t i = 0; i < a->sites; i++)
        if ((rc = claims_ledger_read(a, &a->site[i], e)) != 0)
            return rc;
    rc = judge(a);
    for (size_t i = 0; i < a->sites; i++)
        claims_ledger_close(&a->site[i]);
    if (a->options->progress != NULL)
        a->options->progress(a->options->arg, a->total, a->total);
    return rc;
}

int audit_run(struct audit **out, const struct trust *t, const struct audit_source *src, size_t n,
              const struct audit_options *o, struct err *e)
{
    static const struct audit_options none;
    struct audit *a = NULL;
    bool distrust = false;
    int rc;

    for (;;) {
        if ((a = calloc(1, sizeof(*a))) == NULL)
            return err_sys(e, -ENOMEM, "auditing");
        a->trust = t;
        a->options = o == NULL ? &none : o;
        a->distrust = distrust;
        rc = run(a, src, n, e);
        a->options = &none; /* what it lends may be gone from here on */
        pool_free(a->pool);
        a->pool = NULL;
        if (rc != 0 || claims_state_confirmed(a))
            break;
        distrust = true;
        audit_free(a);
    }
    if (rc != 0) {
        audit_free(a);
        return e != NULL && e->code != 0 ? rc : err_sys(e, rc, "auditing");
    }
    *out = a;
    return 0;
}

static void free_site(struct site *s)
{
    claims_ledger_close(s);
    for (size_t i = 0; i < s->registers.n; i++)
        register_free(s->registers.v[i].people);
    for (size_t i = 0; i < s->policies.n; i++)
        policy_free(s->policies.v[i].policy);
    register_diff_done(&s->expect);
    free(s->stop.v);
    free(s->registers.v);
    free(s->policies.v);
    free(s->statements.v);
    free(s->inventories.v);
    free(s->minutes.v);
    for (size_t k = 0; k < MOVE_STEPS; k++)
        free(s->moves[k].v);
    free(s->epochs.v);
    free(s->removed.v);
    free(s->releases.v);
    published_free(s->served.last);
    free(s->renewed.v);
    free(s->trips.v);
    free(s->attested.v);
    for (size_t i = 0; i < s->built.n; i++)
        free(s->built.v[i].file);
    free(s->built.v);
    free(s->started.v);
    free(s->rebuilds.v);
    free(s->placed.v);
    free(s->proposals.v);
    free(s->rules.v);
    free(s->loaded.v);
}

void audit_free(struct audit *a)
{
    if (a == NULL)
        return;
    pool_free(a->pool);
    counts_free(a);
    for (size_t i = 0; i < a->sites; i++)
        free_site(&a->site[i]);
    free(a->site);
    for (size_t i = 0; i < a->warnings; i++)
        free(a->warning[i]);
    records_free(a);
    free(a->approved.v);
    free(a->joined.v);
    free(a->withdrawals.v);
    free(a->orders.v);
    free(a->scratch.v);
    free(a);
}

/* ------------------------------------------------------------------ results */

size_t audit_results(const struct audit *a)
{
    (void)a;
    return CLAIMS;
}

const struct audit_result *audit_result(const struct audit *a, size_t i)
{
    return i < CLAIMS ? &a->result[i] : NULL;
}

const struct audit_result *audit_find(const struct audit *a, const char *claim)
{
    for (size_t i = 0; i < CLAIMS; i++)
        if (strcmp(a->result[i].claim, claim) == 0)
            return &a->result[i];
    return NULL;
}

size_t audit_ledgers(const struct audit *a)
{
    return a->sites;
}

struct audit_ledger audit_ledger(const struct audit *a, size_t i)
{
    const struct site *s = &a->site[i];
    struct audit_ledger l = {.site = s->trust->site,
                             .origin = s->trust->origin,
                             .dir = s->dir,
                             .size = s->size,
                             .root = s->root,
                             .checkpoints = s->checkpoints,
                             .witnessed = s->as_of};

    return l;
}

const char *audit_warning(const struct audit *a, size_t i)
{
    return i < a->warnings ? a->warning[i] : NULL;
}

int audit_exit(const struct audit *a)
{
    for (size_t i = 0; i < CLAIMS; i++)
        if (a->result[i].verdict == AUDIT_BROKEN || a->result[i].verdict == AUDIT_UNKNOWN)
            return 1;
    return 0;
}

void audit_signatures(const struct audit *a, uint64_t *verified, uint64_t *known)
{
    *verified = a->verified;
    *known = a->known;
}

void audit_memory(const struct audit *a, uint64_t *bytes, uint64_t *records)
{
    *records = subs_count(a) + refs_count(a);
    *bytes = records_bytes(a);
}

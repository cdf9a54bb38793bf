/* audit.h - evaluates every claim over the ledgers of a trust file, offline.
 *
 * One pass over each ledger, in the order given; memory grows with the number of submissions and
 * copies (about 63 bytes for both records of a live one), not with the leaves.  Nothing in a
 * ledger's folder is believed: a claim rests on verified checkpoints, recomputed roots and verified
 * signatures.
 *
 *   audit_run(&a, trust, sources, n, &options, e)
 *   audit_text(a, &out) or audit_json(a, &out);  exit(audit_exit(a));  audit_free(a)
 *
 * A ledger that contradicts itself is a result (BROKEN), not an error.  Errors of audit_run:
 * -EINVAL (a source the trust file does not know, one named twice, a ledger that is not there),
 * -E2BIG (more than 2^32 - 2 leaves in a ledger), -ENOMEM, and what the environment says.  Threads:
 * audit_run uses up to options.threads for signatures; an audit is for one thread at a time. */
#ifndef CLAIMS_AUDIT_H
#define CLAIMS_AUDIT_H

#include "claims/trust.h"

enum audit_verdict { AUDIT_PROVED, AUDIT_BROKEN, AUDIT_UNKNOWN, AUDIT_EMPTY };
enum audit_basis { AUDIT_MATH, AUDIT_COUNTERSIGNED, AUDIT_STATED };
const char *audit_verdict_word(enum audit_verdict v); /* "PROVED", ... */
const char *audit_basis_word(enum audit_basis b);     /* "MATH", ... */

#define AUDIT_ASSUMPTIONS 12 /* at most, of one claim */
#define AUDIT_NO_LEAF UINT64_MAX

struct audit_result {
    const char *claim; /* "ledger.append-only" */
    enum audit_verdict verdict;
    enum audit_basis basis;      /* of PROVED */
    uint64_t n;                  /* what was shown, see unit */
    const char *unit;            /* "leaves", "submissions", ... */
    const char *one;             /* "leaf", "submission", ... */
    uint64_t pending;            /* not due yet: neither shown nor missed */
    char site[17];               /* BROKEN, UNKNOWN: where; "" if nowhere in particular */
    uint64_t leaf;               /* index there, or AUDIT_NO_LEAF */
    char sentence[ERR_TEXT_MAX]; /* one clear sentence */
    const uint8_t *assumption;   /* numbers of docs/threat-model.md, ended by 0 */
};

struct audit_source {
    const char *site; /* as in the trust file */
    const char *dir;  /* the ledger's folder */
};

struct audit_options {
    const char *const *receipts; /* files the auditor holds: receipts, packs of them */
    size_t n_receipts;
    const char *const *checkpoints; /* files: checkpoints from witnesses or earlier audits */
    size_t n_checkpoints;
    /* Resumed from: the bytes of what audit_state made (n 0: from nothing), signed by this key; the
     * name is for messages. */
    struct span state;
    struct ed25519_pub state_key;
    const char *state_name;
    unsigned threads; /* for signatures; 0: the number of processors, at most 8 */
    unix_time now;    /* 0: clock_now; only for the trust file's expiry */
    /* Called now and then; total is the leaves of all ledgers.  May be NULL. */
    void (*progress)(void *arg, uint64_t done, uint64_t total);
    void *arg;
};

/* What an audit stood on. */
struct audit_ledger {
    const char *site, *origin, *dir;
    uint64_t size;
    struct digest root;
    uint64_t checkpoints; /* archived ones verified */
    unix_time witnessed;  /* newest checkpoint's witness time; 0 if none */
};

struct audit;
/* A state that is not of these ledgers in this order, this trust file and this program's table of
 * leaf kinds: -EINVAL; not a state or not signed by that key: -EBADMSG.  One whose trees the
 * ledgers do not extend is a result: ledger.append-only is BROKEN, and nothing of the state is
 * used. */
MUST_CHECK int audit_run(struct audit **out, const struct trust *t, const struct audit_source *src,
                         size_t n, const struct audit_options *o, struct err *e);
void audit_free(struct audit *a); /* NULL is fine */

size_t audit_results(const struct audit *a);
const struct audit_result *audit_result(const struct audit *a, size_t i);
const struct audit_result *audit_find(const struct audit *a, const char *claim); /* NULL: none */
size_t audit_ledgers(const struct audit *a);
struct audit_ledger audit_ledger(const struct audit *a, size_t i);
/* Sentences about the trust file itself: expired, or a quorum without outsiders. NULL past the end
 */
const char *audit_warning(const struct audit *a, size_t i);
/* 0: every claim PROVED or EMPTY; 1: one is BROKEN or UNKNOWN. */
int audit_exit(const struct audit *a);
/* Bytes held for submissions and copies, and how many there are: for the bench. */
void audit_memory(const struct audit *a, uint64_t *bytes, uint64_t *records);

/* Signatures that were verified in this run, and that the state vouched for. */
void audit_signatures(const struct audit *a, uint64_t *verified, uint64_t *known);
/* What the next audit may resume from (docs/formats.md, "Audit state"), signed by key: that all
 * submitters' signatures of these trees were verified.  -EINVAL says why there is none: one of them
 * failed, a ledger was not read to a verified and final end, or it contradicts an earlier state. */
MUST_CHECK int audit_state(const struct audit *a, const struct ed25519_key *key, struct buf *out,
                           struct err *e);

/* The board, for a terminal of 100 columns; and docs/formats.md, "audit.json". */
MUST_CHECK int audit_text(const struct audit *a, struct buf *out);
MUST_CHECK int audit_json(const struct audit *a, struct buf *out);

#endif

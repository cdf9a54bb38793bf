/* catalog.h - what a site must find quickly: submissions, the scan queue, verdicts, moves.  SQLite
 * (WAL), derived from the vault's journal; lost, it is made again by replay.
 *
 * What it holds can die: it keeps no content hash, no name and no opening in the clear (they are in
 * the vault's slots; the dedup tags and wraps in its index die with their epoch key).  What links a
 * person to a submission (account, the pair of sub and ref, the country) is deleted with the
 * submission: secure_delete zeroes the pages, and catalog_scrub, called at each turn of an epoch,
 * empties and overwrites the write-ahead log.
 *
 * A batch is one transaction; functions outside a batch are one each.  Functions return 0 or a
 * negative errno: -ENOENT no such row, -EEXIST, -ENOSPC, -EIO, -EBADMSG a damaged database, -EINVAL
 * a state that makes no sense.  One thread (the keeper's).  Times are seconds since the Epoch. */
#ifndef CATALOG_CATALOG_H
#define CATALOG_CATALOG_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "vault/index.h"

struct catalog;

/* Opens or creates; brings an older schema forward; refuses a newer one (-EINVAL, says so). */
MUST_CHECK int catalog_open(struct catalog **out, const char *path, struct err *e);
void catalog_close(struct catalog *c); /* rolls back an open batch; NULL is fine */

/* A new one (-EEXIST if the file is there) that is filled from nothing, as by a rebuild: much
 * faster, and worth nothing before catalog_ready.  Until then there is neither log nor sync, all
 * batches are one, a batch that is rolled back spoils it, and what asks by anything but identifiers
 * is slow.  After a failure, a kill or a power cut: remove the file.  catalog_ready sorts its
 * indexes (in memory, about 100 bytes a row), makes it durable and opens it for use; -EINVAL: it is
 * spoilt. */
MUST_CHECK int catalog_open_fresh(struct catalog **out, const char *path, struct err *e);
MUST_CHECK int catalog_ready(struct catalog *c, struct err *e);

MUST_CHECK int catalog_begin(struct catalog *c);
MUST_CHECK int catalog_commit(struct catalog *c);
void catalog_rollback(struct catalog *c); /* harmless without a batch */

/* Nothing deleted so far can be found in the database's files afterwards: moves the log into the
 * database, overwrites the log's file with zeros.  Not within a batch.  At each epoch turn. */
MUST_CHECK int catalog_scrub(struct catalog *c, struct err *e);
/* Makes all commits durable (otherwise a power loss may lose the last ones): before
 * vault_checkpoint. */
MUST_CHECK int catalog_sync(struct catalog *c);

/* The vault's index kept in this catalog (objects, slots, tags, seals); lent, lives as long as c.
 */
struct vault_index *catalog_index(struct catalog *c);

/* The last group of the journal whose submissions, scans … are in here (the index counts for
 * itself).  Set it in the batch that applies the group. */
MUST_CHECK int catalog_applied(struct catalog *c, uint64_t *seq);
MUST_CHECK int catalog_set_applied(struct catalog *c, uint64_t seq);

/* Small values of the caller by name (at most 64 characters): anything but secrets. */
MUST_CHECK int catalog_value_put(struct catalog *c, const char *name, struct span value);
MUST_CHECK int catalog_value_get(struct catalog *c, const char *name, struct buf *out);
typedef int catalog_value_fn(void *arg, const char *name, struct span value);
/* All whose name begins with prefix, by name.  Other than 0 from the callback stops with it. */
MUST_CHECK int catalog_values(struct catalog *c, const char *prefix, catalog_value_fn *fn,
                              void *arg);

/* --- submissions --- */

enum catalog_kind { CATALOG_FILE = 1, CATALOG_STATISTIC, CATALOG_LOOKUP };
enum catalog_state {
    CATALOG_LIVE = 1,
    CATALOG_WITHDRAWN, /* consent withdrawn or erasure ordered; its slot still lives */
    CATALOG_ERASED,    /* slot destroyed; final with final_epoch */
    CATALOG_MOVED      /* slot destroyed here after a move */
};
#define CATALOG_ACCOUNT_MAX 64

/* The leaf of a submission that came by a move (accepted elsewhere), and end_leaf while live. */
#define CATALOG_NO_LEAF UINT64_MAX

struct catalog_submission {
    struct id128 sub;
    struct id128 ref;    /* zeros once erased or moved, as are object and account */
    struct id128 object; /* zeros for kinds without bytes */
    uint8_t sub_key[32]; /* the submitter's public key, as in the ledger; stays */
    char country[3];     /* empty once erased; a moved one keeps it: where to look for it */
    char account[CATALOG_ACCOUNT_MAX + 1];
    enum catalog_kind kind;
    enum catalog_kind scope;
    enum catalog_state state;
    struct digest statement, policy;
    unix_time accepted;
    unix_time ended;      /* 0: not */
    uint64_t final_epoch; /* 0: not ended */
    uint64_t leaf;        /* index of submission.accepted in the ledger, or CATALOG_NO_LEAF */
    uint64_t end_leaf;    /* of what ended it, or CATALOG_NO_LEAF */
};

/* -EEXIST if sub or ref is known.  State must be LIVE. */
MUST_CHECK int catalog_submission_add(struct catalog *c, const struct catalog_submission *s);
MUST_CHECK int catalog_submission_get(struct catalog *c, const struct id128 *sub,
                                      struct catalog_submission *out);
MUST_CHECK int catalog_submission_by_ref(struct catalog *c, const struct id128 *ref,
                                         struct catalog_submission *out);
/* LIVE → WITHDRAWN */
MUST_CHECK int catalog_submission_withdraw(struct catalog *c, const struct id128 *sub);
/* LIVE or WITHDRAWN → ERASED or MOVED: everything of it that must die is deleted, with its scan
 * jobs and verdicts; what stays is sub, sub_key, kind, scope, state, times, statement, policy and
 * the leaves; of a moved one also the country. */
MUST_CHECK int catalog_submission_end(struct catalog *c, const struct id128 *sub,
                                      enum catalog_state state, unix_time now, uint64_t final_epoch,
                                      uint64_t end_leaf);

typedef int catalog_id_fn(void *arg, const struct id128 *id);
typedef int catalog_submission_fn(void *arg, const struct catalog_submission *s);
/* The refs that hold a slot (LIVE, WITHDRAWN), ascending: what an inventory is the root of. country
 * NULL: all.  The callback must not call into the catalog; other than 0 stops with that value. */
MUST_CHECK int catalog_refs(struct catalog *c, const char *country, catalog_id_fn *fn, void *arg);
/* The submissions behind them, by accepted time: what a move takes along. country NULL: all */
MUST_CHECK int catalog_submissions(struct catalog *c, const char *country,
                                   catalog_submission_fn *fn, void *arg);
/* WITHDRAWN ones (any time), and LIVE ones accepted before `before`: what is due for erasure. At
 * most max. */
MUST_CHECK int catalog_due(struct catalog *c, unix_time before, size_t max,
                           catalog_submission_fn *fn, void *arg);
/* Submissions of an account that hold a slot, accepted since a time (quotas): an index answers. */
MUST_CHECK int catalog_account_count(struct catalog *c, const char *account, unix_time since,
                                     uint64_t *n);

/* --- scan queue --- */

struct catalog_scan {
    uint64_t job;
    struct id128 ref;
    struct id128 object;
    uint32_t attempts; /* leases so far, this one included */
};
/* higher priority first; one job per ref (a second one replaces the first). */
MUST_CHECK int catalog_scan_add(struct catalog *c, const struct id128 *ref, int priority,
                                unix_time now);
/* Leases up to max jobs of one account, so that no engine child sees two submitters' files.  Among
 * the accounts that have jobs of the most urgent priority they take turns: the one behind `turn` in
 * their order, then the first again; turn becomes the one served (begin with "").  A lease that ran
 * out counts as free.  *n 0: none. */
MUST_CHECK int catalog_scan_claim(struct catalog *c, unix_time now, unix_time lease_until,
                                  char turn[CATALOG_ACCOUNT_MAX + 1], struct catalog_scan *out,
                                  size_t max, size_t *n);
MUST_CHECK int catalog_scan_done(struct catalog *c, uint64_t job);                /* 0 if gone */
MUST_CHECK int catalog_scan_done_ref(struct catalog *c, const struct id128 *ref); /* 0 if gone */
MUST_CHECK int catalog_scan_release(struct catalog *c,
                                    uint64_t job); /* free again, attempts stay */
MUST_CHECK int catalog_scan_unclaim(struct catalog *c,
                                    uint64_t job); /* it was never tried: attempts as before */
/* Whoever had leased jobs is gone: all are free again, as if they had not been tried. */
MUST_CHECK int catalog_scan_free(struct catalog *c);
MUST_CHECK int catalog_scan_pending(struct catalog *c, uint64_t *n);

/* --- verdicts --- */

enum catalog_verdict_word { CATALOG_MALICIOUS = 1, CATALOG_CLEAN, CATALOG_INCOMPLETE };
#define CATALOG_LABEL_MAX 32
#define CATALOG_SEALED_MAX 8192
#define CATALOG_TREE_MAX 40960

struct catalog_verdict {
    struct id128 ref;
    char engine[CATALOG_LABEL_MAX + 1];
    struct digest release;
    enum catalog_verdict_word verdict;
    char reason[CATALOG_LABEL_MAX + 1];
    uint32_t hits;
    unix_time at;
    struct span sealed; /* names and openings under vault_seal_text; lent in callbacks */
    bool detect;        /* by rules that only detect: it blocks nothing */
};
/* One per ref and engine; a newer one replaces the older, without a trace of it. */
MUST_CHECK int catalog_verdict_put(struct catalog *c, const struct catalog_verdict *v);
typedef int catalog_verdict_fn(void *arg, const struct catalog_verdict *v);
MUST_CHECK int catalog_verdicts(struct catalog *c, const struct id128 *ref, catalog_verdict_fn *fn,
                                void *arg);
/* A verdict that another live submission of the same object and of the account that ref is of got
 * from this release: -ENOENT.  out->ref is that one's; its sealed part (under that slot's key) is
 * appended to sealed, if not NULL. */
MUST_CHECK int catalog_verdict_of_object(struct catalog *c, const struct id128 *object,
                                         const struct id128 *ref, const char *engine,
                                         const struct digest *release, struct catalog_verdict *out,
                                         struct buf *sealed);
/* What the file held (detect/tree.h), under vault_seal_text; one per ref, replaced; goes with the
 * submission. */
MUST_CHECK int catalog_tree_put(struct catalog *c, const struct id128 *ref, struct span sealed);
MUST_CHECK int catalog_tree_get(struct catalog *c, const struct id128 *ref,
                                struct buf *out); /* -ENOENT */

/* --- files that are scanned again --- */

/* The verdict is v from now on; the one before it is kept, unless that blocked nothing and an older
 * one, which did, is kept already.  Of each ref there is one verdict then, whatever the engines. */
MUST_CHECK int catalog_verdict_renew(struct catalog *c, const struct catalog_verdict *v);
/* -ENOENT: it never changed.  Its sealed part is appended to sealed. */
MUST_CHECK int catalog_verdict_before(struct catalog *c, const struct id128 *ref,
                                      struct catalog_verdict *out, struct buf *sealed);
MUST_CHECK int catalog_judged(struct catalog *c, uint64_t *n); /* refs that have a verdict */

/* The refs whose verdict changed since they were last cleared, each once, erased ones too (a ref is
 * public).  Ascending; the callback must not call into the catalog. */
MUST_CHECK int catalog_renewed_add(struct catalog *c, const struct id128 *ref);
MUST_CHECK int catalog_renewed_count(struct catalog *c, uint64_t *n);
MUST_CHECK int catalog_renewed(struct catalog *c, catalog_id_fn *fn, void *arg);
MUST_CHECK int catalog_renewed_clear(struct catalog *c);

/* Where a round through all files is: begins as zeros.  It goes account by account, in the order of
 * acceptance; it may go on after a restart, but not after a rebuild. */
struct catalog_cursor {
    char account[CATALOG_ACCOUNT_MAX + 1];
    uint64_t accepted, row;
};
struct catalog_again {
    struct id128 ref, object;
    bool scanned; /* it has a verdict: */
    char engine[CATALOG_LABEL_MAX + 1];
    struct digest release;
    bool detect;
    struct catalog_cursor at; /* behind it */
};
/* The next files that hold a slot, all of one account; *n 0: there are no more. */
MUST_CHECK int catalog_again_next(struct catalog *c, const struct catalog_cursor *from,
                                  struct catalog_again *out, size_t max, size_t *n);

/* --- totals for pages --- */

struct catalog_total {
    char country[3];
    uint64_t live, pending, malicious, clean, incomplete;
};
typedef int catalog_total_fn(void *arg, const struct catalog_total *t);
/* One row for each country with live submissions, ascending. */
MUST_CHECK int catalog_totals(struct catalog *c, catalog_total_fn *fn, void *arg);

/* --- moves of a country --- */

enum catalog_move_state {
    CATALOG_MOVE_OPENED = 1, /* set and approval are in the ledger */
    CATALOG_MOVE_SENT,       /* from: the other site said it has them all */
    CATALOG_MOVE_RECEIVED,   /* to: all durable here, leaf written */
    CATALOG_MOVE_CLOSED      /* done; salt wiped */
};
struct catalog_move {
    struct id128 move;
    char country[3];
    char from[17], to[17];
    enum catalog_move_state state;
    struct digest policy, doc, set_root, salt; /* salt: zeros once closed */
    uint64_t cut, count, done;                 /* done: items sent, or received */
    uint64_t epoch;                            /* at close */
    uint64_t leaf; /* of move.opened at the old site, move.received at the new one */
    unix_time opened, closed;
};
/* Adds, or replaces the row of the same move. */
MUST_CHECK int catalog_move_put(struct catalog *c, const struct catalog_move *m);
MUST_CHECK int catalog_move_get(struct catalog *c, const struct id128 *move,
                                struct catalog_move *out);
typedef int catalog_move_fn(void *arg, const struct catalog_move *m);
MUST_CHECK int catalog_moves(struct catalog *c, catalog_move_fn *fn, void *arg);
/* The subs of a move, each with whether it has gone over. */
MUST_CHECK int catalog_move_item_put(struct catalog *c, const struct id128 *move,
                                     const struct id128 *sub, bool done);
typedef int catalog_move_item_fn(void *arg, const struct id128 *sub, bool done);
MUST_CHECK int catalog_move_items(struct catalog *c, const struct id128 *move, bool only_open,
                                  catalog_move_item_fn *fn, void *arg);

#endif

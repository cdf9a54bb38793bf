/* keeper_rescan.h - other rules serve: the files that are here already are scanned again.
 *
 * A round goes through all files, account by account, one batch at a time, whenever no new file
 * waits.  Where it is stands in the catalog, so that it goes on after a restart (after a rebuild it
 * begins anew; nothing is told twice).  A verdict that changed is a scan.done of its own; when all
 * are through, rescan.done tells of all of them.
 *
 * The breaker: of so many files in a row so many may become malicious that were clean.  If more do,
 * breaker.tripped is logged, the round ends there, and this release only detects, until people
 * decide otherwise (an override) or other rules come.
 *
 * In the catalog, derived from the journal's notes but for the second:
 *   rescan.open     u8 1 while a round is under way, release, label of its engines
 *   rescan.at       where it is
 *   rescan.done     the last one that was completed: release, u64 time, u64 leaf */
#ifndef SITE_KEEPER_RESCAN_H
#define SITE_KEEPER_RESCAN_H

#include "catalog/catalog.h"
#include "detect/line.h"

struct keeper;
struct note_rules;
struct note_round;

struct rescan {
    bool known; /* what the catalog says of it is below */
    bool open, stopped;
    struct digest release;
    char engine[CATALOG_LABEL_MAX + 1];
    struct catalog_cursor at,
        next; /* all before `at` is through; the batch on its way ends there */
    bool batch;
    size_t out;                 /* files of it at the engines */
    size_t acts;                /* changed verdicts that are not durable yet */
    bool lost;                  /* an engine was, with files of the batch */
    bool failed;                /* a verdict of the batch could not be logged */
    unsigned attempts, careful; /* of the batch; so many files go alone after an engine was lost */
    uint64_t files, total;      /* scanned again in this round; with a verdict when it began */
    uint64_t window, turned;    /* the breaker's: files in a row, and how many of them turned */
    mono_ms due;
};

/* New files do not wait: a batch of old ones, or the end of the round, if it is time for that. */
void keeper_rescan_step(struct keeper *k, struct detect_line *l, mono_ms now);
/* What became of a file of the batch: */
/* It is back from the engines; lost: one of them was, failed: it could not be logged. */
void keeper_rescan_result(struct keeper *k, bool lost, bool failed);
void keeper_rescan_judged(struct keeper *k, const struct digest *release); /* it has a verdict */
void keeper_rescan_changed(struct keeper *k); /* and that is another one: an act is on its way */
void keeper_rescan_logged(struct keeper *k, const struct digest *release, bool turned, int rc);

/* --- its steps --- */
void keeper_rescan_look(struct keeper *k); /* what the catalog says: known, open, stopped */
/* Each logs its leaf, after all that is pending, alone in its group. */
MUST_CHECK int keeper_rescan_trip(struct keeper *k);
MUST_CHECK int keeper_rescan_finish(struct keeper *k);

/* --- from the journal --- */
MUST_CHECK int keeper_rescan_apply_rules(struct keeper *k, const struct note_rules *n);
MUST_CHECK int keeper_rescan_apply_round(struct keeper *k, const struct note_round *n,
                                         uint64_t leaf);
/* People decided that the release goes on, or its breaker tripped. */
MUST_CHECK int keeper_rescan_apply_over(struct keeper *k, const struct digest *release);
void keeper_rescan_forget(struct keeper *k); /* the catalog says something else now */

/* --- for those who ask --- */
struct rescan_done {
    struct digest release;
    unix_time at;
    uint64_t leaf;
};
MUST_CHECK int keeper_rescan_last(struct keeper *k, struct rescan_done *out); /* -ENOENT */

#endif

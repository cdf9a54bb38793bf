/* keeper_lines.h - the scan line that serves, and the one that is getting ready with newer rules.
 *
 * The supervisor starts engines; the keeper asks for them, line by line.  New rules (SIGHUP) get a
 * second line; when all of its engines have loaded them and proved themselves, new batches go
 * there, and the old line ends when its last batch is through.  If one of its engines refuses the
 * rules, the old line goes on as if nothing had been asked. */
#ifndef SITE_KEEPER_LINES_H
#define SITE_KEEPER_LINES_H

#include "detect/line.h"
#include "site/keeper_priv.h"
#include "site/keeper_rescan.h"

#define KEEPER_LINES 2

struct scan_line {
    struct release *release; /* NULL: this place is free */
    struct detect_line *line;
    bool asked[DETECT_LINE_ENGINES];
    int fd[DETECT_LINE_ENGINES]; /* watched */
    bool logged;                 /* rules.loaded */
    const char *refused;         /* why these rules may not be loaded; NULL: they may */
    mono_ms ask_again;           /* whether they still may not */
};

struct lines {
    struct scan_line line[KEEPER_LINES];
    unsigned now; /* the one that gets new batches */
    bool told;    /* one of the channels, since they were last watched */
    bool loading; /* the other one has newer rules and is not ready yet */
    mono_ms due;  /* the queue is not asked before */
    char turn[CATALOG_ACCOUNT_MAX + 1];
    struct scan_job *jobs; /* at the engines */
    struct rescan rescan;
};

MUST_CHECK int keeper_lines_open(struct keeper *k, struct err *e); /* before the jail closes */
void keeper_lines_close(struct keeper *k);
void keeper_lines_engine(struct keeper *k, const struct pm_engine *m, int fd); /* takes fd */
void keeper_lines_rules(struct keeper *k, int fd);                             /* takes fd */
/* Each channel is told of once, then not before it was listened to: while a group is on its way the
 * engines have to wait. */
void keeper_lines_watch(struct keeper *k, int epoll, uint64_t what);
void keeper_lines_told(struct keeper *k);
/* Steps engines, asks for those that are missing, changes over. */
void keeper_lines_step(struct keeper *k, mono_ms now);
/* Members wait to be hashed: the loop need not wait for anything else. */
bool keeper_lines_busy(const struct keeper *k);
/* Puts the state into a sentence; true: nothing serves and nothing is starting. */
bool keeper_lines_down(const struct keeper *k, const char **why);

/* The one line there is has all files in hand: none is ending, none getting ready. */
bool keeper_lines_alone(const struct keeper *k);

/* --- keeper_scan.c --- */
/* 1: it is in the batch (or settled without); 0: the batch is full; <0: errno.  s->job 0: it is
 * scanned again. */
MUST_CHECK int keeper_scan_add(struct keeper *k, struct detect_line *l, struct detect_batch *b,
                               const struct catalog_scan *s);
/* The line did not take the batch: nothing of it, of what came after this id, will be answered. */
void keeper_scan_forget(struct keeper *k, uint64_t after);
void keeper_scan_results(struct keeper *k, struct detect_line *l);

#endif

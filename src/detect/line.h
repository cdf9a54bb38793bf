/* line.h - the scan line: all engines of a site, put together to one verdict a file.
 *
 *   object -> [hash sets] -> walk (what is in it) -> every engine, file and members -> one finding
 *
 * Calling order: detect_line_new with the names of the engines; one engine process for each,
 * started where detect_line_wants_engine says so and attached; loop: epoll on every
 * detect_line_fd, detect_line_step on any event and at detect_line_due, detect_line_next until 0.
 *
 * The engine called "walk" opens containers (engines/walk).  The members it takes out are hashed
 * here, looked up in the hash sets, and go through all other engines exactly as the file itself.
 * Bytes, members and depth are one budget a submitted file, and so is time: `file_ms` for the walk
 * and as much for each engine, everything a file holds included.
 *
 * One finding a file, by worst-wins (verdict.h): MALICIOUS if any engine names the file or a member
 * by a name of the release; else INCOMPLETE with the first reason of docs/events.md's order; else
 * CLEAN.  The line serves while every engine does: no verdict leaves one out silently. */
#ifndef DETECT_LINE_H
#define DETECT_LINE_H

#include "detect/client.h"

#define DETECT_LINE_ENGINES 6

struct detect_line;
/* names: each "walk", "yara", "clamav" or another's, in any order, at least one that scans.  r is
 * lent and outlives the line.  -EINVAL with its sentence. */
MUST_CHECK int detect_line_new(struct detect_line **out, const struct release *r,
                               const struct detect_limits *l, const char *const *names, size_t n,
                               struct err *e);
void detect_line_free(struct detect_line *l);

/* --- engines, by their place in names --- */
size_t detect_line_engines(const struct detect_line *l);
MUST_CHECK int detect_line_attach(struct detect_line *l, size_t i, int sock,
                                  struct err *e); /* takes */
bool detect_line_wants_engine(const struct detect_line *l, size_t i, mono_ms now);
enum detect_state detect_line_state(const struct detect_line *l); /* the least of all */
const char *detect_line_trouble(const struct detect_line *l);     /* of the first that is down */
int detect_line_fd(const struct detect_line *l, size_t i);
mono_ms detect_line_due(const struct detect_line *l);
void detect_line_step(struct detect_line *l, mono_ms now);

/* What serves, for rules.loaded and scan.done.  label: the engines' own labels in byte order,
 * joined by dots: "clamav.walk.yara". */
const char *detect_line_label(const struct detect_line *l);
uint32_t detect_line_rules(const struct detect_line *l);
struct digest detect_line_release(const struct detect_line *l);

/* --- files --- */
/* Takes b when 0.  -EAGAIN: no engine serves, or enough is on its way. */
MUST_CHECK int detect_line_submit(struct detect_line *l, struct detect_batch *b);
size_t detect_line_in_flight(const struct detect_line *l); /* batches */

struct detect_line_result {
    uint64_t cookie;
    bool lost; /* an engine went before it had answered, and no other found anything */
    struct finding finding;
    uint32_t members;
    struct buf tree; /* tree.h; empty without members */
};
void detect_line_result_init(struct detect_line_result *r);
void detect_line_result_done(struct detect_line_result *r);
int detect_line_next(struct detect_line *l, struct detect_line_result *r); /* 1, or 0: none now */

MUST_CHECK int detect_line_known(struct detect_line *l, const struct digest *d, struct finding *f);
/* Sums over the engines, but files, bytes and verdicts are of submitted files. */
struct detect_counts detect_line_counts(const struct detect_line *l);

#endif

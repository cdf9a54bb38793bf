/* cell.h - one build, in a cell: its steps run by bubblewrap in namespaces of their own, as a user
 * that exists nowhere else, in a root that is read-only, without network, with a build folder and a
 * /tmp in memory that are bounded.  Whatever a build does, at its end every process of it is dead
 * and nothing of it is left but its build folder, which only the result's descriptor still holds.
 *
 * What ends it beside its own end: its time, its log's size, the caller's cancel descriptor.
 * Processes, memory of each, and bytes written are bounded by the kernel: the build sees EAGAIN,
 * ENOMEM, ENOSPC, and mostly fails; cell_run then says why. */
#ifndef ASSEMBLER_CELL_H
#define ASSEMBLER_CELL_H

#include "assembler/recipe.h"

/* The circumstances of a build; the second one has others (cell_settings). */
struct cell_settings {
    char path[256];
    unsigned cores;
    const char *host, *locale, *timezone;
    bool reversed; /* files are made in the opposite order */
    unsigned umask, user;
};
void cell_settings(struct cell_settings *s, const struct recipe *r, bool varied);

struct cell_spec {
    const struct recipe *recipe;
    const struct cell_settings *settings;
    const char *root, *sources;              /* folders; sources becomes /sources */
    const char *log;                         /* file, made anew */
    int cancel;                              /* readable: stop; -1: none */
    void (*say)(void *arg, struct span log); /* as it comes; NULL: nobody listens */
    void *arg;
};

enum cell_end { CELL_DONE, CELL_FAILED, CELL_TIME, CELL_LOG, CELL_CANCELLED, CELL_NETWORK };
const char *cell_end_word(enum cell_end end); /* "done", "failed", "out-of-time", … */

struct cell_result {
    enum cell_end end;
    char why[400];    /* a sentence, unless done */
    int folder;       /* the build folder (what was /build); io_close it */
    uint64_t network; /* attempts at the network */
    uint64_t seconds;
};

/* 0: it ran, out says how it went; else there was no build: -ENOENT (no bubblewrap), -EPERM (user
 * namespaces are forbidden), ... */
MUST_CHECK int cell_run(struct cell_result *out, const struct cell_spec *s, struct err *e);

#endif

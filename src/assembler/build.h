/* build.h - a recipe and its lock become files: root, sources, the steps in a cell, the outputs;
 * and, if asked, all of it again with every circumstance changed that a recipe does not fix.
 *
 * OUT/outputs/...        what was made            OUT/log.txt          what the steps said
 * OUT/varied/..., OUT/log-varied.txt              of the second build; varied/ goes if it is equal
 * Nothing else stays: no process, no mount, no temporary folder. */
#ifndef ASSEMBLER_BUILD_H
#define ASSEMBLER_BUILD_H

#include "assembler/cell.h"
#include "assembler/lock.h"
#include "assembler/outputs.h"

struct build_spec {
    const struct recipe *recipe;
    const struct lock *lock;
    const char *packages; /* folder of the lock's packages */
    const char *sources;  /* folder that the recipe's sources are in */
    const char *out;      /* folder, made; must not be there */
    const char *work;     /* folder of roots; NULL: /var/tmp/assemble-UID */
    bool again;           /* and once more, varied */
    int cancel;           /* as of cell_spec */
    void (*say)(void *arg, struct span log);
    void (*stage)(void *arg, const char *what); /* "making the root", ...; may be NULL */
    void *arg;
};

struct build_result {
    struct cell_result first, second; /* their folders are closed */
    struct outputs outputs;
    bool made;  /* the first build is whole */
    bool equal; /* the second one made the same; only with again */
    unix_time began, ended;
};

/* 0: it ran, *out says how it went.  build_done(out) whatever it answers. */
MUST_CHECK int build_run(struct build_result *out, const struct build_spec *s, struct err *e);
void build_done(struct build_result *r);

#endif

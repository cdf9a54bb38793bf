/* cell_priv.h - the two halves of a cell: what is started in it (cell_start.c), and watching it. */
#ifndef ASSEMBLER_CELL_PRIV_H
#define ASSEMBLER_CELL_PRIV_H

#include "assembler/cell.h"
#include "jail/proc.h"

struct cell {
    struct proc proc;
    int log;       /* reads what it says */
    int up, down;  /* "r", then the number of each step begun, a line each; one byte lets it go */
    int info;      /* bubblewrap tells the process' id */
    unsigned step; /* the last begun, from 1 */
    pid_t init;    /* process 1 of the cell, as seen here */
    int initfd;    /* its pidfd */
    int build, net4, net6; /* /build in it; the counters of its network */
};

MUST_CHECK int cell_start(struct cell *c, const struct cell_spec *s, struct err *e);

#endif

/* model.h - what a vault must hold, kept in memory that a killed child shares with its parent. */
#ifndef TESTS_VAULT_MODEL_H
#define TESTS_VAULT_MODEL_H

#include "fixture.h"

#define MODEL_MAX 4096

enum model_state { ABSENT, STORING, STORED, DESTROYING, DESTROYED };

struct model {
    volatile unsigned char state[MODEL_MAX];
    volatile unsigned next;
    volatile unsigned turns, pairs;
    volatile unsigned steps; /* finished ones */
    bool threads;            /* of pairs the first group is synced in a thread */
};

struct model *model_new(void); /* shared with children of fork */
void model_free(struct model *m);
/* A put of the next number; a group of three; a pair of groups, of which the second is put together
 * while the first is on its way; a destruction; a whole turn.  What was asked for is noted before,
 * what was acknowledged after. */
int model_step(struct model *m, struct fixture *f, unsigned kind);
/* Acknowledged: readable or gone.  In doubt: one of the two, whole.  Fails the test otherwise. */
void model_verify(struct model *m, struct fixture *f);

#endif

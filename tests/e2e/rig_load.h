/* rig_load.h - a load of submissions and of orders to erase them that goes on while processes die,
 * a hand that kills them, and the reckoning: what was acknowledged is here, read back and proved;
 * what was erased is not; nothing else is here; no claim BROKEN.
 *
 *   load_open -> load_until, kill_one, witness_away ... -> load_reckon -> load_close */
#ifndef E2E_RIG_LOAD_H
#define E2E_RIG_LOAD_H

#include "base/clock.h"
#include "crypto/secret.h"
#include "rig_client.h"

struct load_target { /* where new submissions go */
    size_t site;
    const char *country;
};

/* One submission, kept for the reckoning. */
struct load_one {
    struct id128 sub;
    struct digest sha256;
    char country[3];
    size_t site;  /* that has accepted it */
    size_t place; /* where it is now */
    bool acknowledged;
    bool erased; /* by its submitter's order, acknowledged */
};

struct load {
    struct rig *r;
    const struct load_target *target;
    size_t targets;
    struct load_one *one;
    size_t n, acknowledged, repeated, erased;
    struct load_worker *worker;
    bool resting;
    unsigned kills[8], ones[RIG_SITES];
};

void load_open(struct load *l, struct rig *r, const struct load_target *target, size_t targets);
void load_close(struct load *l);
/* Goes on until then. */
void load_until(struct load *l, mono_ms until);
static inline void load_for(struct load *l, uint64_t least, uint64_t most)
{
    load_until(l, clock_mono() + (mono_ms)(least + random_below(most - least + 1)));
}
/* A submission that goes all the way at once. */
struct load_one *load_submit(struct load *l, size_t site, const char *country);

/* Kills one process of the site, any of them, or all at once; returns when the site is well again,
 * the load going on meanwhile. */
void load_kill(struct load *l, size_t site);
/* The epoch turns, if the keeper is there to hear it. */
void load_turn(struct load *l, size_t site);
/* The witness does not answer for a while: no quorum. */
void load_without_witness(struct load *l, uint64_t ms);
/* How often which process was killed, for the message. */
void load_tell(const struct load *l, unsigned rounds);

/* Everything under way comes to its end; then the reckoning, over so many acknowledged submissions
 * drawn at random (0: all of them). */
void load_reckon(struct load *l, size_t sample);

#endif

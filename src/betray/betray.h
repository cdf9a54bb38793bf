/* betray.h - the mutation test of trust: takes a true history, plays each cheat of one table with
 * the real keys, signs it again, audits, and says whether and where it was caught.
 *
 * The history given is only read: each cheat is played on a copy in a temporary folder, which is
 * removed afterwards.  docs/betray.md is the table for people; tests/betray compares the two. */
#ifndef BETRAY_BETRAY_H
#define BETRAY_BETRAY_H

#include "claims/audit.h"

enum betray_who {                      /* parties that act together */
                  BETRAY_OPERATOR = 1, /* the keeper's host and the log's key */
                  BETRAY_PEOPLE = 2,   /* persons of the register, with their keys */
                  BETRAY_WITNESS = 4,  /* the witness's key */
                  BETRAY_OUTSIDE = 8,  /* what the auditor holds is missing (no receipt, no
                                          remembered checkpoint) */
};

struct betray_cheat {
    const char *name;   /* "edited-leaf" */
    unsigned who;       /* bits of enum betray_who */
    const char *what;   /* one sentence */
    const char *when;   /* in the life of the history */
    const char *claim;  /* that must catch it, or "glarus update", which must refuse it; NULL: none
                           can */
    const char *reason; /* why none can; NULL if one can */
};
size_t betray_cheats(void);
const struct betray_cheat *betray_cheat(size_t i);

struct betray_outcome {
    const struct betray_cheat *cheat;
    bool played; /* false: the history has nothing to play it on (sentence says what) */
    bool caught;
    char claim[40], site[17];
    uint64_t leaf; /* AUDIT_NO_LEAF if nowhere in particular */
    char sentence[ERR_TEXT_MAX];
};

/* A folder of keys: log-<site>.pem, witness.pem, and <keyid>.pem of persons; submitters' secret in
 * client.secret (32 bytes) if there is one.  Missing keys make the cheats that need them unplayed.
 */
struct betray_options {
    const char *const *receipts; /* final receipts an outsider holds, for the forks */
    size_t n_receipts;
    /* What the auditor remembers of the true history: checkpoints' files, and a state of audit.h.
     */
    const char *const *checkpoints;
    size_t n_checkpoints;
    struct span state;
    struct ed25519_pub state_key;
    const char *tmp;  /* NULL: $TMPDIR or /tmp */
    const char *only; /* NULL: all; else one cheat's name */
    void (*progress)(void *arg, const struct betray_outcome *o, size_t done, size_t total);
    void *arg;
};
/* out has betray_cheats() entries.  The true history must audit without BROKEN or UNKNOWN (-EINVAL
 * with the claim's sentence else): a cheat in a broken history would prove nothing. */
MUST_CHECK int betray_run(struct betray_outcome *out, const struct trust *t,
                          const struct audit_source *src, size_t n, const char *keys,
                          const struct betray_options *o, struct err *e);
/* One line a cheat and the sum "caught n/m". */
MUST_CHECK int betray_text(const struct betray_outcome *o, size_t n, struct buf *out);
MUST_CHECK int betray_json(const struct betray_outcome *o, size_t n, struct buf *out);
/* docs/betray.md's table. */
MUST_CHECK int betray_markdown(struct buf *out);
/* 0: every cheat did what the table says; 1 otherwise. */
int betray_exit(const struct betray_outcome *o, size_t n);

#endif

/* keeper_rig.h - the real keeper in a process and a jail of its own; the test is everybody else:
 * front, signer, courier, reader, supervisor and administrator, over the channels of proto.h.
 *
 *   keeper_rig_up(state) -> rig_... -> keeper_rig_down(state)
 *
 * Signer, courier and reader answer by hooks, which are honest unless a test replaces them; a hook
 * that is NULL never answers.  They are called while the test waits for something (rig_hear,
 * rig_turn).  The site is zrh1 of zone CH: by its policy CA and CH are here, FR is at mow1; quorum:
 * one witness.  Every failed expectation fails the cmocka test with a sentence. */
#ifndef SITE_KEEPER_RIG_H
#define SITE_KEEPER_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/types.h>

#include "base/io.h"
#include "base/text.h"
#include "crypto/ed25519.h"
#include "crypto/secret.h"
#include "crypto/sha256.h"
#include "events/leaf.h"
#include "intake/submitter.h"
#include "jail/ring.h"
#include "ledger/note.h"
#include "ledger/signer.h"
#include "site/config.h"
#include "site/proto.h"
#include "site/reader.h"

#define RIG_SLOTS 16u
#define RIG_OBJECT_MAX (1u << 20)
#define RIG_SOON 10000
#define RIG_QUIET 250 /* ms in which what must not come would have come */
#define RIG_TOKEN "a token for any country"
#define RIG_TOKEN_CH "a token for CH"
#define RIG_HEARD 64

struct keeper_rig;
typedef void rig_sign_fn(struct keeper_rig *r, uint64_t id, const struct pm_sign *m);
typedef void rig_cosign_fn(struct keeper_rig *r, uint64_t id, uint32_t witness, struct span body);
typedef void rig_carry_fn(struct keeper_rig *r, uint64_t id, const struct pm_carry *m,
                          struct span body);
typedef void rig_read_fn(struct keeper_rig *r, uint64_t id, const struct pm_read *m, int fd);

struct rig_heard { /* a message from the keeper to the front */
    uint16_t type;
    uint64_t id;
    struct buf body;
    int fd;
};

struct keeper_rig {
    char dir[64], file[96], admin[96], log[96];
    struct config *c;
    pid_t pid;
    struct msg_chan *front, *signer, *courier, *reader, *control;
    struct ring *ring;
    uint64_t next_id;
    bool gone;  /* the keeper has closed a channel */
    bool ready; /* it has said so */

    struct ed25519_key *key, *witness, *peer_key;         /* of this ledger, the witness, mow1's */
    struct note_signer log_signer, w_signer, peer_signer; /* the same as signers of notes */
    char peer_policy[1024], policy[1024]; /* what mow1's, and our, final receipts must satisfy */
    uint8_t peer_move[32], move_pub[32];  /* mow1's private move key; our public one */
    uint8_t secret[SUBMITTER_SECRET];
    struct digest statement, statement_lookup, policy_doc;

    rig_sign_fn *sign;
    rig_cosign_fn *cosign;
    rig_carry_fn *carry;
    rig_read_fn *read;
    struct buf record; /* what the honest reader has read in a document */
    uint64_t signed_size;
    struct signer *rule; /* of rig_sign_by_rule */
    unsigned refusals;
    unsigned asked_signer, asked_witness, asked_courier, asked_reader;
    uint64_t last_courier_id, last_reader_id;
    struct msg_chan *old[8];
    size_t n_old;
    uint64_t life[2];                   /* of courier and reader */
    unsigned lost_courier, lost_reader; /* how often the keeper said so */
    uint64_t lost_life;
    void *arg; /* of a test's own hooks */

    struct rig_heard heard[RIG_HEARD], last;
    size_t n_heard;
};

extern const char *keeper_rig_epoch; /* how long one lasts: "1d"; set it before all else */

extern void (*keeper_rig_in_child)(void); /* called in the keeper's process before it begins */

/* cmocka's set-up and tear-down: founded, started, register-less, with policy and two statements.
 */
int keeper_rig_up(void **state);
int keeper_rig_down(void **state);

void rig_start(struct keeper_rig *r);
void rig_spawn(struct keeper_rig *r); /* does not wait until it serves */
/* As the supervisor does: another one of them.  The old channel, if there is one, stays open and is
 * not read any more. */
void rig_new_courier(struct keeper_rig *r);
void rig_new_reader(struct keeper_rig *r);
/* A policy of that serial, in effect from then on, that puts every country into that zone's site.
 */
void rig_publish_policy(struct keeper_rig *r, unsigned serial, unix_time from, uint8_t zone);
void rig_publish(struct keeper_rig *r);     /* of keeper_rig_up: policy and statements */
void rig_kill(struct keeper_rig *r);        /* SIGKILL */
int rig_ended(struct keeper_rig *r);        /* waits for its end: exit code, or 1000 + signal */
void rig_close_parts(struct keeper_rig *r); /* all other ends close: it must end in order */
bool rig_alive(struct keeper_rig *r);
bool rig_logged(const struct keeper_rig *r, const char *words);

/* Lets the parts answer for at most ms, or until something for the front comes. */
void rig_turn(struct keeper_rig *r, int ms);
void rig_parts_only(struct keeper_rig *r, int ms); /* the front's channel is not read */
void rig_quiet(struct keeper_rig *r); /* RIG_QUIET of turns: nothing may come for the front */
/* Turns until cond; fails after RIG_SOON. */
#define rig_until(r, cond)                                                                         \
    do {                                                                                           \
        mono_ms until_ = clock_mono() + RIG_SOON;                                                  \
        while (!(cond)) {                                                                          \
            if (clock_mono() > until_)                                                             \
                fail_msg("%s:%d: not within time: %s", __FILE__, __LINE__, #cond);                 \
            rig_turn(r, 20);                                                                       \
        }                                                                                          \
    } while (0)

/* --- the front's side --- */
uint64_t rig_id(struct keeper_rig *r);
void rig_say(struct keeper_rig *r, uint16_t type, uint64_t id, const void *p, size_t n);
/* The answer to id; lent until the next call. */
const struct rig_heard *rig_hear(struct keeper_rig *r, uint64_t id);
const void *rig_answer(struct keeper_rig *r, uint64_t id, uint16_t type, size_t least);
void rig_refused_(struct keeper_rig *r, uint64_t id, enum proto_refusal why, const char *where);
#define rig_refused(r, id, why) rig_refused_(r, id, why, #why)
uint64_t rig_metric(struct keeper_rig *r, const char *name);
void rig_settle(struct keeper_rig *r); /* all leaves so far are published */

struct rig_sub {
    struct id128 sub;
    struct ed25519_key *key;
    struct pm_open open;
    struct id128 ticket;
};
void rig_sub_new(struct keeper_rig *r, struct rig_sub *s, const char *country);
void rig_sub_sign(struct rig_sub *s); /* again, after fields of s->open were changed */
void rig_sub_done(struct rig_sub *s);
void rig_open_sub(struct keeper_rig *r, struct rig_sub *s);        /* must be granted */
uint64_t rig_begin(struct keeper_rig *r, const struct rig_sub *s); /* must be told to go */
/* One slot of data; returns when the keeper gave the slot back. */
void rig_data(struct keeper_rig *r, uint64_t id, const void *p, size_t n);
/* The whole way; the PUT_DONE's receipt is checked: log signature, inclusion, hash of the bytes. */
void rig_submit(struct keeper_rig *r, struct rig_sub *s, const void *p, size_t n);
/* PUT_DONE of id, checked as above; true: final. */
bool rig_receipt(struct keeper_rig *r, uint64_t id, const struct rig_sub *s, const void *p,
                 size_t n, bool repeat);
/* It is here: announced and begun again it is answered with its receipt. */
void rig_is_here(struct keeper_rig *r, struct rig_sub *s, const void *p, size_t n);
uint32_t rig_state(struct keeper_rig *r, const struct rig_sub *s); /* set of proto_sub_state */

/* --- the administrator --- */
/* Asks; the rc and text of the last word.  document may be NULL. */
int rig_admin(struct keeper_rig *r, uint32_t what, uint32_t kind, const char *document,
              char text[1024]);
/* Asks and does not wait for the answer. */
struct msg_chan *rig_admin_ask(struct keeper_rig *r, const struct pm_admin *ask,
                               const char *document);
int rig_admin_request(struct keeper_rig *r, const struct pm_admin *ask, const char *document,
                      char text[1024]);
int rig_admin_hear(struct keeper_rig *r, struct msg_chan *c, char text[1024]);

/* --- the parts' honest ways, for hooks that lie about one thing --- */
rig_sign_fn rig_sign_honest;
rig_sign_fn rig_sign_by_rule; /* the real signer's rule and its state file */
rig_cosign_fn rig_cosign_honest;
void rig_cosign_at(struct keeper_rig *r, uint64_t id, uint32_t witness, struct span body,
                   unix_time t);
rig_cosign_fn rig_cosign_from_0; /* a witness that has forgotten everything */
rig_read_fn rig_read_honest;
void rig_signed(struct keeper_rig *r, uint64_t id, const struct pm_sign *m, bool ok, uint64_t size);
void rig_cosigned(struct keeper_rig *r, uint64_t id, uint32_t witness, uint32_t status,
                  uint64_t size);
void rig_carried(struct keeper_rig *r, uint64_t id, uint32_t status, struct span body);
void rig_read_is(struct keeper_rig *r, uint64_t id, uint32_t what, int rc, const struct digest *doc,
                 struct span tail);

/* A final receipt of this leaf by a ledger of one leaf: signed by log, cosigned by witness (NULL:
 * by nobody). */
void rig_proof(struct span leaf, const struct note_signer *log, const struct note_signer *witness,
               struct buf *out);
#define rig_ok(rc, e)                                                                              \
    do {                                                                                           \
        int ok_rc_ = (rc);                                                                         \
        if (ok_rc_ != 0)                                                                           \
            fail_msg("%s:%d: %s: %d (%s): %s", __FILE__, __LINE__, #rc, ok_rc_, strerror(-ok_rc_), \
                     err_text(e));                                                                 \
    } while (0)

#endif

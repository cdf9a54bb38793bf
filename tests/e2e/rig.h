/* rig.h - real sites for a test: founded in a folder under /tmp, run by the real glarusd on
 * loopback ports the kernel chose, cosigned by a witness in a process of its own, driven over HTTP
 * and the admin socket as users and operators drive them.
 *
 *   rig_open(&plan) -> rig_client.h ... -> rig_close(r)
 *
 * As root every part gets its own uid, the witness too.  Whatever goes wrong fails the cmocka test
 * with a sentence; every process started here is killed with its parent (PR_SET_PDEATHSIG), so none
 * outlives the test however it ends. */
#ifndef E2E_RIG_H
#define E2E_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/types.h>

#include "claims/audit.h"
#include "crypto/ed25519.h"
#include "http/client.h"
#include "intake/submitter.h"
#include "site/config.h"
#include "site/proto.h"

#define RIG_SITES 2
#define RIG_PERSONS 3
#define RIG_MOVERS 60
#define RIG_TOKEN "everybody's token"         /* any country */
#define RIG_TOKEN_PLAIN "a-client's-token"    /* any country, for configurations of clients */
#define RIG_TOKEN_CH "a token of Switzerland" /* only CH */
#define RIG_OBJECT_MAX (8U << 20)             /* bytes of the largest file a site takes */
#define RIG_SOON 30000                        /* ms: whoever has not answered by then never will */

struct rig_site {
    char name[17], zone[9];
    char data[96], keys[96], file[96], log[96], admin[100]; /* paths; admin: the socket */
    char url[48];
    char certificate[112], tls_key[112]; /* paths */
    char vkey[CORE_VKEY_TEXT_MAX + 1], move_key[48];
    struct config *config;
    pid_t pid; /* the supervisor; 0: not running */
};

struct rig_plan {
    size_t sites;  /* 1: zrh1 takes every country.  2: CH, LI at zrh1, the others at mow1 */
    int moves_in;  /* two sites: so many seconds from now Canada belongs to zrh1; 0: never */
    size_t movers; /* so many countries beside Canada move with it, at most RIG_MOVERS */
    bool scanning;
    const char *rules;  /* folder; NULL: the command line's */
    uint64_t segment;   /* bytes of a vault segment, 0: 4 MiB */
    uint64_t in_flight; /* bytes of uploads under way, 0: the configuration's default */
    uint64_t object;    /* bytes of the largest file a site takes, 0: RIG_OBJECT_MAX */
    const char *limits; /* more of the configuration's limits: ", connections: 2000" */
    /* Makes the data folder of a site that is about to be founded: a mount; NULL: nothing is done.
     */
    void (*prepare)(const struct rig_site *s);
    bool tls; /* sites speak TLS with certificates of their own; also by "tls" as the last
                 word of the command line */
    unsigned handshakes; /* with TLS: of the configuration; 0: its default */
};

struct rig {
    char dir[64];
    struct rig_site site[RIG_SITES];
    size_t sites;
    struct rig_plan plan;
    struct ed25519_key *person[RIG_PERSONS], *root[2];
    struct id128 person_id[RIG_PERSONS];
    pid_t witness;
    struct note_signer witness_self;
    char witness_vkey[CORE_VKEY_TEXT_MAX + 1], witness_url[48];
    struct digest register_doc, policy_doc;
    struct digest statement, lookups_only, withdrawn; /* published in this order reversed */
    unix_time canada_moves;                           /* 0: never */
    char mover[RIG_MOVERS][3];                        /* plan.movers of them */
    struct trust *trust;                              /* also dir/trust.yaml */
    struct http_client *http;
    char authorities[80]; /* with TLS: the sites' certificates, for clients and couriers */
    uint8_t secret[SUBMITTER_SECRET];
};

/* Of the command line: GLARUSD ENGINE RULES [tls].  Call first in main. */
void rig_args(int argc, char **argv);
unsigned rig_rounds(unsigned otherwise); /* $SOAK_ROUNDS or this */

/* Founds and starts everything and publishes register, policy and three statements at each site. */
struct rig *rig_open(const struct rig_plan *plan);
void rig_close(struct rig *r); /* NULL is fine */

#define RIG_ZRH 0
#define RIG_MOW 1
void rig_start(struct rig *r, size_t site); /* returns when it says it is healthy */
void rig_spawn(struct rig *r, size_t site); /* at once */
void rig_wait_healthy(struct rig *r, size_t site);
int rig_answers(struct rig *r, size_t site);   /* the status of /healthz; 0: no answer */
void rig_stop(struct rig *r, size_t site);     /* SIGTERM; it must end in order */
void rig_kill_all(struct rig *r, size_t site); /* SIGKILL to every process of it at once */
/* Writes a site's configuration anew, with `more` behind it, for a SIGHUP. */
void rig_configure(const struct rig *r, size_t site, const char *more);
/* Returns when the site's log has that text (again: after `from`, which is moved behind it). */
void rig_await_log(const struct rig *r, size_t site, const char *text, size_t *from);
/* SIGKILL to the supervisor alone: the kernel ends its parts.  Returns when all are dead. */
void rig_kill_supervisor(struct rig *r, size_t site);
/* The processes of a site (supervisor first), at most n; their number. */
size_t rig_processes(const struct rig *r, size_t site, pid_t *out, size_t n);
/* "keeper", ..., "supervisor", "engine" for the others */
void rig_process_name(pid_t pid, char out[32]);

void rig_witness_kill(struct rig *r);
void rig_witness_again(struct rig *r); /* at its old address, with its state */

/* --- the operator --- */

/* Asks the keeper; *done (may be NULL) gets the number of its last word.  Its rc. */
int rig_admin(struct rig *r, size_t site, const struct pm_admin *ask, const struct buf *document,
              uint64_t *done, char text[1024]);
/* Publishes a statement at each site; the digest of its envelope. */
void rig_publish_statement(struct rig *r, const char *scopes, const char *text, struct digest *doc);
void rig_turn_epoch(struct rig *r, size_t site); /* returns when the old key is destroyed */
/* How many submissions the vault holds bytes for, by scrubbing it; fails if one is damaged. */
uint64_t rig_slots(struct rig *r, size_t site);
/* The vault's object behind a submission, from a copy of the catalog: while nothing is written. */
struct id128 rig_object_of(struct rig *r, size_t site, const struct id128 *sub);
/* Signs by person 0 and 1 and carries out the move of a country from one site to another. */
void rig_relocate(struct rig *r, const char *country, size_t from, size_t to);
/* The approval of a move alone, as rig_relocate signs it; env: filled, the caller's. */
void rig_approve_move(struct rig *r, const char *country, size_t from, size_t to, struct buf *env);
/* As rig_admin, for a site that may die meanwhile: -EPIPE then. */
int rig_admin_try(struct rig *r, size_t site, const struct pm_admin *ask,
                  const struct buf *document, char text[1024]);
/* Asks, and leaves after the first word. */
void rig_admin_leave(struct rig *r, size_t site, const struct pm_admin *ask,
                     const struct buf *document);
/* A number of /metrics; fails if there is no such line. */
uint64_t rig_metric(struct rig *r, size_t site, const char *name);
/* Returns when all leaves so far are published. */
void rig_settle(struct rig *r, size_t site);

/* --- the auditor --- */

struct audit *rig_audit(struct rig *r);
/* Fails unless that claim is PROVED over n, with so much not due yet. */
void rig_proved(const struct audit *a, const char *claim, uint64_t n, uint64_t pending);

/* --- the searcher: what bytes are where ---------------------------------------------------------
 * A needle is named for the message.  Both fail when a needle is found (or, if must, when none of
 * the files or processes has it: a search that cannot find proves nothing). */
struct rig_needle {
    char what[64];
    uint8_t b[80];
    size_t n;
};
size_t rig_in_files(const char *dir, const struct rig_needle *needle, size_t n, bool tell);
/* In how many places of the processes of that name only ("front", ...). */
size_t rig_in_memory_of(struct rig *r, size_t site, const char *name,
                        const struct rig_needle *needle, size_t n);
size_t rig_in_memory(struct rig *r, size_t site, const struct rig_needle *needle, size_t n,
                     bool tell);

#endif

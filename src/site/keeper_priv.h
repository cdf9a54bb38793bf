/* keeper_priv.h - the keeper's inside: one loop, one writer.
 *
 * Everything that happens becomes an *act*: leaves, notes for the catalog, changes of slots.  Acts
 * form groups: one commit record, one fdatasync (keeper_group.c).  While a group is on its way to
 * the disk, in a thread that waits for it, only openings, uploads, questions and signatures are
 * dealt with; what looks at the state that a group changes waits until it is settled.  What
 * a group changes in ledger and catalog is derived from the group alone (keeper_apply.c), at commit
 * and at replay by the same function.  An act may then wait for a signed checkpoint that covers its
 * leaves, and is ended. */
#ifndef SITE_KEEPER_PRIV_H
#define SITE_KEEPER_PRIV_H

#include "catalog/catalog.h"
#include "crypto/ed25519.h"
#include "crypto/secret.h"
#include "detect/verdict.h"
#include "events/leaf.h"
#include "intake/submitter.h"
#include "jail/ring.h"
#include "ledger/ledger.h"
#include "ledger/tlog_policy.h"
#include "site/config.h"
#include "site/proto.h"
#include "site/reader.h"
#include "vault/vault.h"

#define ACT_LEAVES_MAX 8
#define KEEPER_STATEMENTS_MAX 64
#define KEEPER_POLICIES_MAX 64
#define KEEPER_REGISTERS_MAX 65535
#define KEEPER_WITNESSES_MAX 16
#define KEEPER_UPLOAD_ROWS 1024

struct keeper;
struct act;

/* A note for the catalog (keeper_notes.h).  leaf: the act's leaf whose index in the ledger is
 * written into bytes [1, 9) at commit; -1: none. */
struct act_note {
    bool sealed; /* under ref */
    struct id128 ref;
    int leaf;
    struct buf bytes;
};

struct act {
    struct act *next;
    struct buf leaf[ACT_LEAVES_MAX];
    uint64_t index[ACT_LEAVES_MAX]; /* in the ledger, after commit */
    size_t leaves;
    struct act_note note[3];
    size_t notes;
    struct buf *more; /* further leaves beyond ACT_LEAVES_MAX: registers, moves */
    uint64_t *more_index;
    size_t mores, more_cap;
    bool in_order; /* its leaves stand in the ledger as they stand here, before those of others */
    struct id128 *destroyed; /* refs whose slots this act destroys: the group logs their root */
    size_t destroyeds;
    /* Called when its group is put together, to put into g what it has; NULL: it did so when it was
     * made.  -E2BIG: no room, the next group takes it; any other failure ends this act alone. */
    int (*join)(struct keeper *k, struct act *a, struct vault_group *g);
    /* Called once the group is durable and applied (rc 0), or failed (rc): may be NULL. */
    void (*done)(struct keeper *k, struct act *a, int rc);
    /* Called once a signed checkpoint covers the act; NULL: the act ends with done. */
    void (*signed_)(struct keeper *k, struct act *a);
    void (*free)(struct act *a); /* of ctx; may be NULL */
    void *ctx;
};

struct upload; /* keeper_intake.c */
struct ticket; /* keeper_ticket.c */
struct tickets;
struct waiter; /* keeper_trace.c */
struct move_out;
struct lines; /* keeper_lines.h */
struct move_in;
struct admin;

struct statement_in_force {
    struct digest doc;
    struct read_statement terms;
    uint64_t leaf; /* that published it; 0: not known, a catalog of an older program */
    bool withdrawn;
};

/* A checkpoint on its way to the witnesses. */
struct round {
    enum { ROUND_IDLE, ROUND_SIGNING, ROUND_WITNESSES } state;
    uint64_t size;
    struct digest root;
    struct buf note;
    tlog_witnesses asked, answered, cosigned, contradicted;
    uint8_t conflicts[KEEPER_WITNESSES_MAX]; /* 409s of each */
    bool published, late;                    /* late: a cosignature came after publication */
    bool again;                              /* what is published already, for the time alone */
    mono_ms began;
};

struct reckoning { /* keeper_clock.c */
    unix_time reference;
    mono_ms at;      /* when the reference was believed */
    mono_ms settled; /* until then the witnesses are waited for */
    mono_ms ask_at;  /* they are asked again */
    int64_t seconds; /* the clock is off by, 0: it is not */
    bool off, confirmed, has_witnesses;
    bool ask; /* a round is wanted for the time alone */
};

enum keeper_check_state { CHECK_OK, CHECK_DEGRADED, CHECK_FAILING };
struct keeper_check {
    const char *name; /* a word of docs/openapi.yaml */
    enum keeper_check_state state;
    char text[240];   /* what is wrong */
    const char *cure; /* and what to do; both "" if nothing is */
};
#define KEEPER_CHECKS 6

struct signing { /* one request at the signer at a time */
    bool out;
    mono_ms since;
    uint64_t id, size, asked_from;
    struct digest root;
    uint64_t signer_size; /* what the signer signed last, as far as we know */
    unsigned refused;     /* in a row */
    uint64_t wanted;      /* somebody beside the acts waits for this size */
    uint64_t signed_size; /* newest signed checkpoint */
    struct buf signed_note;
};

struct keeper {
    struct config *c;
    struct store *store;
    struct keyring *keys;
    struct catalog *catalog;
    struct vault *vault;
    struct ledger *ledger;
    char ledger_dir[4096];
    int ledger_fd; /* O_PATH of ledger_dir */
    struct tlog_policy *quorum;
    struct vkey log_key;
    uint64_t witness_size[KEEPER_WITNESSES_MAX]; /* what each has, as far as we know */
    int64_t witness_time[KEEPER_WITNESSES_MAX];  /* of the last cosignature that verified */
    uint8_t move_key[32];

    struct msg_chan *front, *signer, *control;
    struct msg_chan *courier, *reader; /* NULL: gone, another will come */
    uint64_t life[2];                  /* of courier and reader, as the supervisor counts */
    struct keeper_wait {               /* for what each of them answers soon or never */
        unsigned out;
        mono_ms since; /* its last answer, or the first question after it */
    } wait[2];
    struct ring *ring;
    struct admin *admins;
    int epoll;
    uint64_t next_id;

    /* documents in force */
    bool has_register;
    struct digest register_doc;
    uint64_t register_serial;
    struct placement *policy[KEEPER_POLICIES_MAX];
    size_t policies;
    struct statement_in_force statement[KEEPER_STATEMENTS_MAX];
    size_t statements;

    /* the open group and what follows it */
    struct vault_group *group;
    struct act *acts, **acts_end;
    struct { /* the group on its way to the disk; NULL: none */
        struct vault_group *group;
        struct act *acts;
    } commit;
    struct keeper_sync *sync;
    struct act *unsigned_, **unsigned_end;
    struct signing sign;
    struct round round;
    tlog_witnesses heard; /* have cosigned in this life */
    mono_ms round_due;
    mono_ms doubt_due; /* stopped by a contradiction: when the witnesses are asked again; else 0 */
    mono_ms waits_since; /* the oldest leaf without a published checkpoint; 0: there is none */
    struct reckoning clock;

    /* intake */
    struct upload *upload[KEEPER_UPLOAD_ROWS]; /* by id */
    size_t n_uploads, n_complete; /* under way; complete, in a group that is not settled */
    struct tickets *tickets;
    struct waiter *waiters;

    struct keeper_lookups *lookups;

    struct keeper_started { /* what runs: the site's own program, then each engine */
        struct digest binary;
        bool known, asked, told; /* asked: its leaf is on its way */
    } started[1 + CONFIG_ENGINES_MAX];

    /* scanning */
    struct lines *lines; /* NULL: no engine is configured */

    /* epochs and inventories */
    unix_time epoch_began, inventory_at, retention_at;
    mono_ms reclaim_at;
    bool turn_wanted;

    struct move_out *moves_out;
    struct move_in *moves_in;

    bool group_bad; /* the open group holds a change whose act failed: it cannot be committed */
    int apply_failed;
    int stopped; /* negative errno: the writer has stopped; nothing is acknowledged any more */
    char stopped_why[ERR_TEXT_MAX];
    bool draining, quit;
    struct keeper_counts {
        uint64_t accepted, bytes, repeats, refused, groups, leaves, scanned, malicious, incomplete,
            scans_spared, rescanned, renewed, members, erased, moved_in, moved_out, published,
            reclaimed, lookups;
    } n;
};

/* --- keeper_documents.c --- */
/* The documents in force, from the catalog. */
MUST_CHECK int keeper_load_documents(struct keeper *k, struct err *e);
/* What a document of that kind must follow; 1: nothing, it is the first. */
MUST_CHECK int keeper_predecessor(struct keeper *k, uint32_t what, struct digest *out);

/* --- keeper_group.c --- */
struct act *keeper_act_new(void);
void keeper_act_free(struct act *a);
/* Appends a leaf that b describes to the act. The first mistake is an error of ours: logged,
 * -EINVAL. */
MUST_CHECK int keeper_act_leaf(struct act *a, struct leaf_builder *b);
struct buf *keeper_act_note_new(struct act *a, const struct id128 *ref, int leaf);
MUST_CHECK int keeper_act_destroy(struct keeper *k, struct act *a, const struct id128 *ref);
/* The open group; begins one, after settling the one on its way.  NULL when the writer has stopped
 * or a group cannot begin. */
struct vault_group *keeper_group_of(struct keeper *k);
/* The act joins the open group; a is the keeper's from here on. */
void keeper_group_add(struct keeper *k, struct act *a);
/* Commits all that is pending and waits for it; 0, or why acts failed.  -EIO stops the writer. */
int keeper_group_commit(struct keeper *k);
/* Waits for the group on its way, if there is one: it stands, or its acts have failed (why). */
int keeper_group_settle(struct keeper *k);
/* Settles the group on its way if the disk is done with it.  true: none is on its way. */
bool keeper_group_free(struct keeper *k);
/* Nothing is on its way: what is pending sets out, without waiting. */
void keeper_group_start(struct keeper *k);
bool keeper_group_pending(const struct keeper *k);
void keeper_stop_writer(struct keeper *k, int rc, const char *why);
/* A random opening salt for a field of a leaf, derived from the submission's seed. */
void keeper_salt(const uint8_t seed[32], enum leaf_kind kind, enum leaf_field f, struct span extra,
                 uint8_t salt[32]);

/* --- keeper_apply.c --- */
vault_group_fn keeper_apply;       /* replay; arg: the keeper.  Other than 0 stops the replay */
vault_group_fn keeper_apply_fresh; /* of the group just committed: sets apply_failed, returns 0 */

/* --- keeper_witness.c --- */
void keeper_sign_step(struct keeper *k); /* asks for a signature if somebody waits for one */
void keeper_sign_answer(struct keeper *k, const struct pm_signed *m);
void keeper_round_step(struct keeper *k, mono_ms now);
void keeper_round_signed(struct keeper *k);
void keeper_round_answer(struct keeper *k, uint64_t id, const struct pm_cosigned *m);
/* A receipt of leaf index with this extra, under the newest published checkpoint if that covers it,
 * else under the newest signed one.  -EAGAIN: no signature covers it yet. */
MUST_CHECK int keeper_receipt(struct keeper *k, uint64_t index, struct span extra, struct buf *out,
                              bool *final, struct err *e);

/* Nobody will answer what the courier, or the reader, was asked: it is asked again, or refused. */
void keeper_round_courier_gone(struct keeper *k);
void keeper_move_courier_gone(struct keeper *k);
void keeper_move_reader_gone(struct keeper *k);
void keeper_receive_reader_gone(struct keeper *k);
void keeper_admin_reader_gone(struct keeper *k);

/* --- keeper_parts.c: of the reader, or else of the courier --- */
/* As msg_send; -EAGAIN also while there is none. */
MUST_CHECK int keeper_parts_ask(struct keeper *k, bool reader, uint16_t type, uint64_t id,
                                struct span body, const int *fd);
void keeper_parts_lost(struct keeper *k, bool reader);
void keeper_parts_answered(struct keeper *k, bool reader); /* a question of the quick kind */
/* Whoever has not answered for long hangs: courier and reader are given up, for the signer's sake
 * the keeper ends. */
void keeper_parts_tick(struct keeper *k, mono_ms now);
/* Takes fd, the channel of a new one; what: of its events. */
void keeper_parts_come(struct keeper *k, bool reader, uint64_t life, int fd, uint64_t what);

/* --- keeper_started.c --- */
MUST_CHECK int keeper_started_open(struct keeper *k, struct err *e); /* before the jail closes */
void keeper_started_engine(struct keeper *k, size_t which, const struct digest *binary);
void keeper_started_tick(struct keeper *k);
bool keeper_started_told(const struct keeper *k); /* of its own program */

/* --- keeper_ticket.c --- */
MUST_CHECK int keeper_ticket_open(struct keeper *k);
void keeper_ticket_close(struct keeper *k);
void keeper_ticket_ask(struct keeper *k, uint64_t id, const struct pm_open *m);
/* A look-up: token, country, place; false: it is refused. */
bool keeper_ticket_may_look(struct keeper *k, uint64_t id, const struct pm_open *m);
/* Another configuration is about to be taken over: tickets follow their submitter, or end. */
void keeper_ticket_config(struct keeper *k, const struct config *c);
void keeper_ticket_tick(struct keeper *k, unix_time now);
/* A submission has come into the catalog, by whatever way. */
void keeper_ticket_known(struct keeper *k, const struct id128 *sub);
size_t keeper_ticket_count(const struct keeper *k); /* announced and not yet accepted */

/* --- keeper_intake.c --- */
void keeper_intake_put_begin(struct keeper *k, uint64_t id, const struct pm_put_begin *m);
void keeper_intake_put_data(struct keeper *k, uint64_t id, const struct pm_put_data *m);
void keeper_intake_put_end(struct keeper *k, uint64_t id);
void keeper_intake_put_abort(struct keeper *k, uint64_t id);
void keeper_intake_front_gone(struct keeper *k);
void keeper_intake_token_gone(struct keeper *k, const struct ticket *t); /* uploads end */
void keeper_refuse(struct keeper *k, uint64_t id, enum proto_refusal why, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* A signature was looked at, with this rc: it is wrong, unless that could not be found out. */
void keeper_refuse_signature(struct keeper *k, uint64_t id, int rc, enum proto_refusal why,
                             const char *text);
/* PRF_WRONG_SITE: files of the country belong to site (NULL: nobody knows). */
void keeper_refuse_site(struct keeper *k, uint64_t id, const char *site, const char *country);
/* PRF_WRONG_SITE: the submission lives at another site now. */
void keeper_refuse_moved(struct keeper *k, uint64_t id, const struct catalog_submission *row);
void keeper_answer(struct keeper *k, uint16_t type, uint64_t id, const void *head, size_t n,
                   struct span tail, const int *fd);
/* The zone index of a country now under the policy in force; NULL policy: none in force. */
const struct placement *keeper_policy(const struct keeper *k, unix_time t);

/* --- keeper_trace.c --- */
void keeper_trace_ask(struct keeper *k, uint64_t id, const struct pm_trace *m, bool receipt);
void keeper_trace_order(struct keeper *k, uint64_t id, const struct pm_order *m);
void keeper_trace_changed(struct keeper *k,
                          const struct id128 *sub); /* NULL: everybody look again */
void keeper_trace_tick(struct keeper *k, mono_ms now);
void keeper_trace_front_gone(struct keeper *k);
/* Adds the leaves and changes that end a submission. */
MUST_CHECK int keeper_trace_erase(struct keeper *k, struct act *a,
                                  const struct catalog_submission *s, enum leaf_word_erase ground,
                                  const uint8_t *sig);

/* --- keeper_files.c --- */
void keeper_files_ask(struct keeper *k, uint64_t id, const struct pm_file *m);
void keeper_files_doc(struct keeper *k, uint64_t id, const struct pm_doc *m);

/* --- keeper_state.c --- */
uint64_t keeper_disk_free(const struct keeper *k); /* bytes of the data folder's file system */
bool keeper_disk_low(const struct keeper *k);      /* less than the reserve of the configuration */
void keeper_checks(const struct keeper *k, struct keeper_check out[KEEPER_CHECKS]);
enum keeper_check_state keeper_checks_worst(const struct keeper_check c[KEEPER_CHECKS]);
void keeper_state_ask(struct keeper *k, uint64_t id);     /* FK_STATE */
void keeper_state_tell(struct keeper *k, uint64_t admin); /* ADMIN_STATUS */

/* --- keeper_clock.c --- */
void keeper_clock_start(struct keeper *k);
void keeper_clock_step(struct keeper *k, mono_ms now); /* first in every turn of the loop */
/* The newest round's cosignatures are in round.note: what do they say of the time? */
void keeper_clock_witnessed(struct keeper *k, mono_ms now);
void keeper_clock_confirm(struct keeper *k);         /* an administrator does */
bool keeper_clock_good(const struct keeper *k);      /* leaves may be dated */
bool keeper_clock_confirmed(const struct keeper *k); /* retentions may end */

/* --- keeper_scan.c --- */
void keeper_scan_step(struct keeper *k, mono_ms now);
void keeper_scan_close(struct keeper *k);
size_t keeper_scan_out(const struct keeper *k); /* files at the engines */

/* --- keeper_epoch.c --- */
void keeper_epoch_start(struct keeper *k);
void keeper_epoch_tick(struct keeper *k, unix_time now);
/* Gives the space of some dead objects back: of erased files, of uploads that were cut. */
void keeper_epoch_reclaim(struct keeper *k, mono_ms now);
/* Logs the inventory of every country that has files here, of `also`, and of the site. */
MUST_CHECK int keeper_epoch_inventory(struct keeper *k, const char *also, struct err *e);
MUST_CHECK int keeper_epoch_inventory_leaves(struct keeper *k, struct act *a, const char *also);

/* --- keeper_admin.c --- */
/* A connection whose peer the supervisor has looked at; takes fd. */
void keeper_admin_take(struct keeper *k, int fd);
void keeper_admin_event(struct keeper *k, struct admin *a);
void keeper_admin_read_answer(struct keeper *k, uint64_t id, const struct pm_read_is *m,
                              struct span tail);
void keeper_admin_say(struct keeper *k, uint64_t admin, bool end, int rc, uint64_t done,
                      uint64_t total, const char *fmt, ...) PRINTF_LIKE(7, 8);
bool keeper_admin_flush(struct keeper *k); /* true: somebody's answers wait */
void keeper_admin_close_all(struct keeper *k);
MUST_CHECK int keeper_admin_memfd(const struct buf *b, int *out); /* sealed, for the reader */

/* Asks the reader whether proof is a final receipt under this tlog-policy; it answers with the leaf
 * to keeper_move_proof_read or keeper_receive_proof_read. */
MUST_CHECK int keeper_read_proof(struct keeper *k, uint64_t id, const char *policy,
                                 struct span proof, struct err *e);

/* Is this a final receipt of this leaf under this tlog-policy?  Keys are destroyed, and files
 * taken, on the strength of it: so the keeper looks itself, with the ledger's core, at what the
 * reader took apart. */
bool keeper_proof_holds(const char *policy, struct span proof, struct span leaf);

/* --- keeper_move.c: the old site --- */
void keeper_move_begin(struct keeper *k, uint64_t admin, const struct read_move *m,
                       const struct digest *doc);
void keeper_move_step(struct keeper *k, mono_ms now);
void keeper_move_carried(struct keeper *k, uint64_t id, const struct pm_carried *m,
                         struct span tail);
bool keeper_move_proof_read(struct keeper *k, uint64_t id, int rc, const char *text,
                            struct span leaf);
MUST_CHECK int keeper_move_resume(struct keeper *k, struct err *e); /* at start */
void keeper_move_close_all(struct keeper *k);
/* Where a country's files are now; NULL if not at a peer. */
const struct config_peer *keeper_move_peer_of(struct keeper *k,
                                              const struct catalog_submission *row);
bool keeper_move_holds(const struct keeper *k,
                       const struct catalog_submission *row); /* is on its way */
void keeper_move_published(struct keeper *k);                 /* a checkpoint was published */

/* --- keeper_receive.c: the new site --- */
void keeper_receive_open(struct keeper *k, uint64_t id, const struct pm_move *m, struct span proof,
                         struct span sealed);
void keeper_receive_close(struct keeper *k, uint64_t id, const struct pm_move *m);
bool keeper_receive_proof_read(struct keeper *k, uint64_t id, int rc, const char *text,
                               struct span leaf);
void keeper_receive_published(struct keeper *k);
/* It has arrived with a move that is not closed yet. */
bool keeper_receive_holds(const struct keeper *k, const struct id128 *sub);
void keeper_receive_tick(struct keeper *k, mono_ms now);
void keeper_receive_close_all(struct keeper *k);

/* --- products and rebuilds (keeper_builds.c) --- */
struct note_document;
/* As keeper_rules_leaf and _apply below. */
MUST_CHECK int keeper_builds_leaf(struct keeper *k, struct act *a, uint32_t what,
                                  const struct digest *doc, struct span record, struct buf *note,
                                  struct err *e);
MUST_CHECK int keeper_builds_apply(struct keeper *k, const struct note_document *n);
/* A document becomes an artifact of the ledger, a product's files first; doc is the document's. */
MUST_CHECK int keeper_builds_store(struct keeper *k, uint32_t what, struct span document,
                                   struct digest *doc, struct err *e);

/* --- releases of the rules (keeper_rules.c) --- */
/* The leaf for a document about the rules that the reader found sound, into a, and what its note
 * says, into note.  -EPERM with its sentence: it does not fit what this ledger says. */
MUST_CHECK int keeper_rules_leaf(struct keeper *k, struct act *a, uint32_t what,
                                 const struct digest *doc, struct span record, struct buf *note,
                                 struct err *e);
MUST_CHECK int keeper_rules_apply(struct keeper *k, const struct note_document *n, uint64_t leaf);
/* What the update repository served last: the artifact; 1: nothing yet. */
MUST_CHECK int keeper_rules_published(struct keeper *k, struct digest *out);
/* Do its findings block nothing: because it was published so, or because its breaker tripped?  A
 * release that people set going again does not trip twice. */
bool keeper_rules_detects(struct keeper *k, const struct digest *release);
bool keeper_rules_stopped(struct keeper *k, const struct digest *release); /* its breaker tripped */
bool keeper_rules_may_trip(struct keeper *k, const struct digest *release);
MUST_CHECK int keeper_rules_apply_trip(struct keeper *k, const struct digest *release,
                                       bool tripped);
/* Once a release is published nothing else may be loaded, and no older one again. */
bool keeper_rules_may_load(struct keeper *k, const struct digest *tree, const char **why);

#endif

/* proto.h - what the processes of a site say to each other, and what `glarus` says to the keeper.
 *
 * A message is one of the structs below (fixed size, host order: both ends are one build on one
 * machine), for some kinds followed by a tail of bytes, for some with one descriptor.  jail/msg.h
 * carries them and checks type, length and number of descriptors against the tables of proto.c
 * before anybody looks inside; the receiver checks every enum and every inner length again.
 * Strings in fixed arrays end with a NUL inside the array.
 *
 * Requests carry an id chosen by the asker (jail/msg.h); each is answered exactly once with the
 * same id, in any order. */
#ifndef SITE_PROTO_H
#define SITE_PROTO_H

#include "base/clock.h"
#include "base/defs.h"
#include "jail/msg.h"

#define PROTO_VERSION 1
#define PROTO_TEXT 256           /* sentences */
#define PROTO_NAME_MAX 255       /* bytes of a file's name */
#define PROTO_RECEIPT_MAX 24576  /* bytes of a tlog-proof */
#define PROTO_NOTE_MAX 16384     /* bytes of a checkpoint with its cosignatures */
#define PROTO_TAIL_MAX 49152     /* bytes of any tail */
#define PROTO_PROOF_MAX 64       /* digests of an inclusion or consistency proof */
#define PROTO_SLOT_BYTES 262144u /* of one slot of the upload ring */

/* The protocols.  Side A asks, side B is the keeper, except that on the channels to signer,
 * courier and reader the keeper is side A.  Types are indexes into the tables of proto.c, plus one.
 */
enum {                /* front (A) and keeper (B) */
       FK_OPEN = 1,   /* A pm_open -> FK_OPENED */
       FK_PUT_BEGIN,  /* A pm_put_begin -> FK_PUT_GO or FK_PUT_DONE (a repeat) */
       FK_PUT_DATA,   /* A pm_put_data, id of the FK_PUT_BEGIN; answered by FK_SLOT_FREE when copied
                       */
       FK_PUT_END,    /* A, empty; -> FK_PUT_DONE */
       FK_PUT_ABORT,  /* A, empty; no answer; nothing is kept */
       FK_TRACE,      /* A pm_trace -> FK_TRACED */
       FK_RECEIPT,    /* A pm_trace -> FK_RECEIPT_IS */
       FK_ORDER,      /* A pm_order -> FK_ORDERED */
       FK_FILE,       /* A pm_file -> FK_FILE_IS */
       FK_DOC,        /* A pm_doc -> FK_FILE_IS */
       FK_STATE,      /* A, empty -> FK_STATE_IS */
       FK_MOVE_OPEN,  /* A pm_move + proof + sealed -> FK_MOVE_GO */
       FK_MOVE_CLOSE, /* A pm_move -> FK_RECEIPT_IS: the proof of move.received, final */
       FK_LOOKUP,     /* A pm_lookup -> FK_LOOKUP_GO */
       FK_LOOKED,     /* A pm_looked, id 0, no answer */
       FK_REFUSED,    /* B pm_refused: instead of any answer above; ends an upload */
       FK_OPENED,     /* B pm_opened */
       FK_PUT_GO,     /* B, empty: send data */
       FK_SLOT_FREE,  /* B pm_slot_free, id of the upload */
       FK_PUT_DONE,   /* B pm_receipt + the receipt */
       FK_TRACED,     /* B pm_traced + names */
       FK_RECEIPT_IS, /* B pm_receipt + the receipt */
       FK_ORDERED,    /* B pm_ordered + the receipt */
       FK_FILE_IS,    /* B pm_file_is, 1 descriptor */
       FK_STATE_IS,   /* B pm_state_is + text */
       FK_MOVE_GO,    /* B, empty */
       FK_LOOKUP_GO,  /* B, empty: look-ups of that token for that country, PROTO_LOOKUP_MS long */
       FK_HOT,   /* B, empty, id 0, 1 descriptor: the snapshot that look-ups are answered from */
       FK_DRAIN, /* B, empty, id 0, no answer: finish what is in flight, then exit 0 */
       FK_TYPES = FK_DRAIN
};
enum {              /* keeper (A) and signer (B) */
       PS_SIGN = 1, /* A pm_sign -> PS_SIGNED */
       PS_SIGNED,   /* B pm_signed */
       PS_TYPES = PS_SIGNED
};
enum {                 /* keeper (A) and courier (B) */
       PC_WITNESS = 1, /* A pm_witness + add-checkpoint body -> PC_COSIGNED */
       PC_COSIGNED,    /* B pm_cosigned */
       PC_CARRY_TEXT,  /* A pm_carry + body -> PC_CARRIED */
       PC_CARRY_FILE,  /* A pm_carry, 1 descriptor with the body -> PC_CARRIED */
       PC_CARRIED,     /* B pm_carried + the answer's body */
       PC_TYPES = PC_CARRIED
};
enum {              /* keeper (A) and reader (B) */
       PR_READ = 1, /* A pm_read, 1 descriptor -> PR_READ_IS */
       PR_READ_IS,  /* B pm_read_is + what was read, see reader.h */
       PR_TYPES = PR_READ_IS
};
enum {              /* `glarus` on the admin socket (A) and keeper (B) */
       PA_ASK = 1,  /* A pm_admin -> PA_SAYS */
       PA_ASK_FILE, /* A pm_admin, 1 descriptor -> PA_SAYS */
       PA_SAYS,     /* B pm_admin_says: any number with end 0, then one with end 1 */
       PA_TYPES = PA_SAYS
};
enum {                  /* supervisor (A) and keeper (B) */
       PX_ENGINE = 1,   /* A pm_engine_is, 1 descriptor: a new engine's channel */
       PX_CONFIG,       /* A, 1 descriptor: the configuration to take over (SIGHUP) */
       PX_RULES,        /* A, 1 descriptor: the rule release as it is now (SIGHUP) */
       PX_DRAIN,        /* A, empty: end in order (SIGTERM) */
       PX_COURIER,      /* A, 1 descriptor: a new courier's channel; id: its life, counted from 1 */
       PX_READER,       /* A, 1 descriptor: likewise a new reader's */
       PX_WANT_ENGINE,  /* B pm_engine */
       PX_LOST_COURIER, /* B, empty: its channel is closed; id: the life that was lost */
       PX_LOST_READER,  /* B, empty */
       PX_READY,        /* B, empty: it serves */
       PX_ADMIN,        /* A, 1 descriptor: a connection to the admin socket, its peer may */
       PX_TYPES = PX_ADMIN
};
enum {              /* front (A, one of its threads) and signer (B): handshakes of TLS */
       PT_SIGN = 1, /* A pm_tls_sign -> PT_SIGNED */
       PT_SIGNED,   /* B pm_tls_signed */
       PT_TYPES = PT_SIGNED
};
enum {             /* supervisor (A) and signer or front (B): SIGHUP reads key and certificate */
       PL_KEY = 1, /* A, 1 descriptor, to the signer -> PL_KEY_IS */
       PL_KEY_IS,  /* B pm_tls_key_is */
       PL_CERTIFICATE, /* A pm_tls_key_is, 1 descriptor, to the front: for the key with that id */
       PL_TYPES = PL_CERTIFICATE
};
extern const struct msg_protocol proto_tls, proto_reload;
extern const struct msg_protocol proto_control, proto_front, proto_signer, proto_courier,
    proto_reader, proto_admin;

/* Why a request is not granted; the words of docs/openapi.yaml in proto_refusal_word. */
enum proto_refusal {
    PRF_NONE,
    PRF_MALFORMED,           /* 400 */
    PRF_TOKEN,               /* 401 no or unknown token */
    PRF_SIGNATURE,           /* 403 the submission's key did not sign this */
    PRF_COUNTRY,             /* 403 not a country of this token */
    PRF_STATEMENT_MISSING,   /* 403 */
    PRF_STATEMENT_UNKNOWN,   /* 403 */
    PRF_STATEMENT_WITHDRAWN, /* 403 */
    PRF_SCOPE,               /* 403 outside the statement's or the submission's scope */
    PRF_KIND,                /* 403 a kind this site does not take */
    PRF_TICKET,              /* 403 */
    PRF_TRACE,               /* 401 */
    PRF_UNKNOWN,             /* 404 no such submission, file, move */
    PRF_CONFLICT,            /* 409 the same sub with other content */
    PRF_TOO_LARGE,           /* 413 */
    PRF_WRONG_SITE,          /* 421 + url */
    PRF_PROOF,               /* 422 a proof does not verify */
    PRF_QUOTA,               /* 429 */
    PRF_POLICY,              /* 503 no policy is in force yet */
    PRF_BUSY,                /* 503 */
    PRF_FULL,                /* 507 the disk is full */
    PRF_STOPPED,             /* 503 the writer has stopped after an error of the disk */
    PRF_CLOCK,               /* 503 the site's clock is not confirmed */
    PRF_REFUSALS
};
unsigned proto_refusal_status(enum proto_refusal r);
const char *proto_refusal_word(enum proto_refusal r); /* "wrong_site", ... */
const char *proto_refusal_cure(enum proto_refusal r); /* what the client can do */

struct pm_refused {
    uint32_t refusal;     /* enum proto_refusal */
    uint32_t retry_after; /* seconds, 0: none */
    char site[20];        /* PRF_WRONG_SITE */
    char url[256];
    char text[PROTO_TEXT];
};
struct pm_open {
    struct digest token; /* SHA-256 of the bearer token */
    struct id128 sub;
    uint8_t sub_key[32], sub_sig[64];
    struct digest statement;
    char country[4];
    uint32_t kind, scope; /* enum intake_scope */
    uint32_t has_statement, pad;
};
struct pm_opened {
    struct id128 ticket;
    uint64_t max_bytes;
    int64_t expires;
};
struct pm_put_begin {
    struct id128 sub;
    struct id128 ticket; /* a move: the move's id */
    uint64_t length;     /* UINT64_MAX: not told */
    uint32_t move;       /* 1: a sealed object of a move */
    uint32_t name_len;
    char name[256];
};
struct pm_put_data {
    uint32_t slot, len;
};
struct pm_slot_free {
    uint32_t slot, pad;
};
struct pm_receipt {  /* tail: the tlog-proof */
    uint32_t repeat; /* 1: this submission was here before; the tail is its receipt */
    uint32_t final;  /* 1: cosigned by the quorum */
};
struct pm_trace {
    struct id128 sub;
    int64_t time;
    uint8_t sig[64];
    uint32_t wait;  /* seconds; answered earlier when the state changes */
    uint32_t seen;  /* the state the client has seen: wait for another */
    uint32_t which; /* FK_RECEIPT: enum proto_receipt */
    uint32_t pad;
};
enum proto_receipt {
    PROTO_RECEIPT_ACCEPTED,
    PROTO_RECEIPT_SCAN,
    PROTO_RECEIPT_ERASED,
    PROTO_RECEIPTS
};
enum proto_sub_state { /* grows, but for SCANNED and WITHDRAWN, forgotten once ERASED or MOVED */
                       SUB_ACCEPTED = 1,
                       SUB_FINAL = 2, /* the acceptance is cosigned */
                       SUB_SCANNED = 4,
                       SUB_WITHDRAWN = 8,
                       SUB_ERASED = 16,
                       SUB_DESTROYED = 32, /* its epoch is destroyed */
                       SUB_MOVED = 64,     /* lives at another site now */
                       SUB_RENEWED = 128,  /* other rules changed the verdict */
};
struct pm_verdict {
    uint32_t verdict, reason; /* enum of detect/verdict.h */
    uint32_t hits;
    uint32_t detect; /* 1: it blocks nothing */
    int64_t at;
    struct digest release;
};
/* tail: the names of the rules that hit, what the file held, the names of the verdict before */
struct pm_traced {
    uint32_t state;           /* set of enum proto_sub_state */
    uint32_t verdict, reason; /* enum of detect/verdict.h, when scanned */
    uint32_t hits;
    int64_t accepted, scanned, erased; /* unix time, 0: not yet */
    uint64_t final_epoch;
    uint64_t size;
    char country[4];
    char site[20]; /* where it lives now */
    char url[256];
    struct digest release;
    uint32_t names_len; /* tail: names of the rules that hit, joined by line feeds; behind them */
    uint32_t tree_len;  /* what the file held (detect/tree.h), 0: nothing */
    uint32_t before_len;
    uint32_t detect;          /* the verdict blocks nothing */
    struct pm_verdict before; /* SUB_RENEWED */
    int64_t confirmed;        /* 0, or when other rules said the same: */
    struct digest confirmed_by;
};
struct pm_order {
    struct id128 sub;
    uint8_t sig[64];
    uint32_t erase; /* 0 withdraw, 1 erase */
    uint32_t pad;
};
struct pm_ordered { /* tail: receipt of submission.erased */
    uint64_t final_epoch;
    int64_t final_by; /* when that epoch ends at the latest */
};
struct pm_file {
    char path[128]; /* relative to the ledger's folder */
};
enum proto_doc { PROTO_DOC_POLICY, PROTO_DOC_STATEMENT, PROTO_DOC_REGISTER, PROTO_DOCS };
struct pm_doc {
    uint32_t which, pad;
};
struct pm_file_is {
    uint64_t size;
    struct digest digest; /* of the answer to FK_DOC */
    uint32_t immutable, pad;
};
struct pm_state_is { /* tail: a line "NAME\tok|no\tWHAT\tCURE" a check, then the metrics */
    uint32_t state;  /* 0 all is well, 1 works but something is wrong, 2 takes no submissions */
    uint32_t checks;
};
#define PROTO_LOOKUP_MS 5000
struct pm_lookup {
    struct digest token;
    char country[4];
};
struct pm_looked { /* so many look-ups were answered since the last one */
    uint64_t n;
    char country[8];
};
struct pm_move {
    struct id128 move;
    uint32_t proof_len, sealed_len;
};

struct pm_engine { /* which: its place in the configuration; line: of which rules (keeper_scan.c) */
    uint32_t which, line;
};
struct pm_engine_is {
    struct pm_engine engine;
    struct digest binary; /* of the executable that was started */
};

struct pm_sign {
    uint64_t size;
    struct digest root;
    uint32_t proofs, pad;
    struct digest proof[PROTO_PROOF_MAX]; /* consistency from the size it signed last */
};
struct pm_signed {
    uint64_t size; /* refused: the size it signed last */
    uint32_t ok, pad;
    uint8_t sig[64];
    char text[PROTO_TEXT];
};

struct pm_tls_sign {
    struct digest key;      /* SHA-256 of its SubjectPublicKeyInfo */
    uint32_t len, pad;      /* of the transcript: 32 or 48 */
    uint8_t transcript[48]; /* its hash, and nothing of what is signed around it */
};
struct pm_tls_signed {
    uint32_t ok, len;
    uint8_t sig[112];
};
struct pm_tls_key_is {
    uint32_t ok, pad;
    struct digest key;
    char text[PROTO_TEXT];
};

struct pm_witness {        /* tail: request body */
    uint32_t witness, pad; /* index in the site's quorum policy */
};
struct pm_cosigned {
    uint32_t witness;
    uint32_t status; /* HTTP status, 0: no answer came */
    uint64_t size;   /* 409: what the witness has */
    int64_t time;    /* 200: of the cosignature */
    uint8_t sig[64];
    char text[PROTO_TEXT];
};
enum proto_carry { CARRY_MOVE_OPEN, CARRY_MOVE_PUT, CARRY_MOVE_CLOSE };
struct pm_carry {  /* to a peer; tail: body of MOVE_OPEN; descriptor: body of MOVE_PUT */
    uint32_t peer; /* index in the configuration */
    uint32_t what;
    struct id128 move, sub;
    uint64_t length;
};
struct pm_carried { /* tail: the answer's body, at most PROTO_TAIL_MAX */
    uint32_t status;
    uint32_t pad;
    char text[PROTO_TEXT];
};

enum proto_read {
    READ_REGISTER,
    READ_POLICY,
    READ_STATEMENT,
    READ_MOVE,
    READ_PROOF,
    READ_CHANGE, /* of the rules; these are numbers in the journal's notes */
    READ_REPORT, /* no envelope: the text itself */
    READ_RELEASE,
    READ_OVERRIDE,
    READ_PUBLISHED, /* of an update repository: updates/published.h */
    READ_REPLAY,    /* a verdict made again: rules/attestation.h */
    READ_PRODUCT,   /* with the files it names, a bundle: site/bundle.h */
    READ_REBUILT    /* a product built again: assembler/rebuilt.h */
};
#define READ_KINDS (READ_REBUILT + 1)
/* The descriptor holds: the envelope, then (offset `register_at`, if register_len) the register in
 * force, then (offset previous_at, if previous_len) the predecessor.  READ_PROOF: a tlog-proof,
 * then (at register_at) the tlog-policy it must satisfy; the answer's tail is the leaf, if it is
 * final. */
struct pm_read {
    uint32_t what, pad;
    int64_t at; /* the time approvals must hold at */
    uint64_t len, register_at, register_len, previous_at, previous_len;
    struct digest register_doc, previous_doc;
};
struct pm_read_is { /* tail: by `what`, see reader.h */
    uint32_t what;
    int32_t rc;
    struct digest doc;
    char text[512];
};

enum proto_admin {
    ADMIN_STATUS,
    ADMIN_PUBLISH,            /* descriptor: an envelope; kind by payloadType */
    ADMIN_WITHDRAW_STATEMENT, /* digest */
    ADMIN_RELOCATE,           /* descriptor: the approved move */
    ADMIN_TURN_EPOCH,
    ADMIN_INVENTORY,
    ADMIN_SCRUB,
    ADMIN_CONFIRM_CLOCK,
    ADMIN_BACKUP /* where the journal is whole: BACKUP_POINT of backup.h */
};
struct pm_admin {
    uint32_t what;     /* enum proto_admin */
    uint32_t document; /* enum proto_read: what is published */
    struct digest digest;
};
struct pm_admin_says {
    uint32_t end; /* 1: this is the last */
    int32_t rc;   /* of the end: 0 or negative errno */
    uint64_t done, total;
    char text[1024];
};

#endif

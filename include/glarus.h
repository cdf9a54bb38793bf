/* glarus.h - libglarus: submit files under recorded consent, keep receipts that anybody can verify,
 * and have them erased again.
 *
 *   glarus_client_open        a client: its configuration, trust file, policy and state
 *   glarus_statement_newest   the consent statement, to be shown; glarus_client_agree records it
 *   glarus_submit_path        one file (also _memory, _fd, and _paths for many)
 *   glarus_receipt_wait       its receipt, once enough witnesses have cosigned it
 *   glarus_receipt_load       a receipt verified offline: a trust file is all it needs
 *   glarus_trace              what became of it, and the verdicts
 *   glarus_lookup             is a file known to be malicious?  By its hash, without submitting it
 *   glarus_withdraw           consent withdrawn, the bytes erased, with a receipt of that
 *   glarus_update             the newest detection rules, if they are what was released
 *
 * The tutorial (docs/libglarus.md) is a whole program.  This header is the manual.
 *
 * ERRORS.  A function that can fail returns int: GLARUS_OK (0) or a code of enum glarus_code, and
 * takes a glarus_error as its last parameter, which may be NULL.  On failure *error has the code
 * and a sentence that names what failed first and what to do; on success it is not touched.  On
 * failure *out is set to NULL and nothing else that a caller can see has changed, but where it says
 * so.  A wrong use (a NULL that must not be one, a country that is none) is GLARUS_E_INVALID, not a
 * crash.
 *
 * OWNERSHIP.  What a function gives through "TYPE **out" is the caller's, to be freed with the
 * _free function of that type; NULL is fine there.  What a function returns as "const char *" or
 * another pointer to const is lent: it lives as long as the object it was asked of, unless it says
 * otherwise.  What is passed in is copied, or used during the call alone.  Texts are UTF-8 and end
 * with a NUL.
 *
 * THREADS.  There is no global state: two clients have nothing to do with each other, and each may
 * be used in a thread of its own.  One client is for one thread at a time; another thread, or a
 * callback that calls into the client it comes from, gets GLARUS_E_BUSY.  glarus_client_cancel
 * alone may be called at any time, also by a signal handler.  All other objects never change once
 * they are made: any number of threads may read one.  No signal's handling is changed, no thread of
 * ours outlives a call, nothing is printed.  After fork(2) the child may only free what it has.
 *
 * BLOCKING.  Functions that take a glarus_client and say "asks" wait for a site over the network,
 * for at most a minute, or as long as they say.  All others compute, or read and write local files.
 *
 * UNITS.  Sizes are bytes, times in options seconds.  Points in time are texts in UTC,
 * "2026-11-26T20:51:07Z".  Identifiers of submissions are 32 lower-case hex digits, digests 64.
 *
 * STABILITY.  The library's name is libglarus.so.1.  As long as it is, functions and codes are
 * added and none is removed or changed; structs that you allocate (glarus_error) keep their size,
 * or say it themselves (a field "size"); structs that we allocate may grow at their end.  Treat a
 * code you do not know as a failure. */
#ifndef GLARUS_H
#define GLARUS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) || defined(__clang__)
#define GLARUS_MUST_CHECK __attribute__((warn_unused_result))
#else
#define GLARUS_MUST_CHECK
#endif

/* The version of the library that runs, "0.1.0". */
const char *glarus_version(void);

/* ---- errors ---------------------------------------------------------------------------------- */

enum glarus_code {
    GLARUS_OK = 0,
    GLARUS_E_INVALID = 1,      /* the call, or the configuration, makes no sense */
    GLARUS_E_VERIFY = 2,       /* malformed, or a signature, hash or proof does not verify */
    GLARUS_E_REFUSED = 3,      /* forbidden: by the site, or by the policy's or register's rules */
    GLARUS_E_NOT_FOUND = 4,    /* no such submission, receipt, file */
    GLARUS_E_PENDING = 5,      /* not yet: ask again later */
    GLARUS_E_BUSY = 6,         /* somebody else is at it, or the site is overloaded */
    GLARUS_E_NETWORK = 7,      /* the site cannot be reached, or did not answer */
    GLARUS_E_PROTOCOL = 8,     /* the site's answer makes no sense */
    GLARUS_E_LIMIT = 9,        /* too large, too many */
    GLARUS_E_CANCELLED = 10,   /* by glarus_client_cancel, or by a callback */
    GLARUS_E_UNSUPPORTED = 11, /* of a kind or version that this library does not know */
    GLARUS_E_MEMORY = 12,
    GLARUS_E_SYSTEM = 13 /* anything else of the environment: see glarus_error.system */
};
/* "verify", "not_found", ...: one word, for logs.  "unknown" for other numbers.  Never NULL. */
const char *glarus_code_word(int code);

typedef struct glarus_error {
    int code;       /* enum glarus_code */
    int system;     /* the errno value behind it; 0: none */
    char text[504]; /* a sentence without its final period; control characters are replaced */
} glarus_error;

/* ---- trust ----------------------------------------------------------------------------------- */

/* What receipts are verified against: the keys of ledgers and witnesses, and how many of these must
 * have cosigned (docs/formats.md, "Trust file").  Get it from somebody you trust, not from the
 * site. */
typedef struct glarus_trust glarus_trust;
GLARUS_MUST_CHECK int glarus_trust_load(glarus_trust **out, const char *path, glarus_error *error);
GLARUS_MUST_CHECK int glarus_trust_parse(glarus_trust **out, const void *text, size_t n,
                                         glarus_error *error);
/* 1 if it has expired by this machine's clock: it still verifies, but should be renewed. */
int glarus_trust_expired(const glarus_trust *trust);
void glarus_trust_free(glarus_trust *trust);

/* ---- client ---------------------------------------------------------------------------------- */

/* A submitter.  It holds the secret from which the key of each submission is derived, and a lock on
 * its state file: a second client of the same configuration is GLARUS_E_BUSY, also in another
 * process. */
typedef struct glarus_client glarus_client;

/* From a configuration file, client.yaml(5): the same that glarus(1) reads.  What is not there yet
 * of the secret, the state and the folder of receipts is made.  Without the key "statement"
 * glarus_client_agree decides. */
GLARUS_MUST_CHECK int glarus_client_open(glarus_client **out, const char *path,
                                         glarus_error *error);
/* The same text from memory; its paths are relative to folder. */
GLARUS_MUST_CHECK int glarus_client_parse(glarus_client **out, const char *folder, const void *text,
                                          size_t n, glarus_error *error);
/* Wipes the secret from memory and unlocks the state. */
void glarus_client_free(glarus_client *client);

/* Whatever the client waits for ends with GLARUS_E_CANCELLED, within a second; so does what it is
 * asked next, until glarus_client_uncancel.  Safe in signal handlers and other threads, but not
 * while the client is being freed. */
void glarus_client_cancel(glarus_client *client);
void glarus_client_uncancel(glarus_client *client);

/* ---- consent --------------------------------------------------------------------------------- */

/* What a person agrees to before files are submitted.  The digest is what each submission's
 * signature is about, so the words cannot be changed afterwards. */
typedef struct glarus_statement glarus_statement;
/* Asks the site where the configuration's country belongs. */
GLARUS_MUST_CHECK int glarus_statement_newest(glarus_client *client, glarus_statement **out,
                                              glarus_error *error);
/* A certain one, by its digest, 64 hex digits; NULL: the one that is agreed to (GLARUS_E_NOT_FOUND
 * if none is).  Asks too; what comes is checked against the digest. */
GLARUS_MUST_CHECK int glarus_statement_get(glarus_client *client, const char *digest,
                                           glarus_statement **out, glarus_error *error);
void glarus_statement_free(glarus_statement *statement);
const char *glarus_statement_digest(const glarus_statement *statement);
const char *glarus_statement_language(const glarus_statement *statement); /* "en", "de-ch" */
const char *glarus_statement_text(const glarus_statement *statement);     /* show this */
/* What for: some of "file", "statistic", "lookup", joined by commas. */
const char *glarus_statement_scopes(const glarus_statement *statement);
/* Days: how long a file may be kept; within how many days an erasure is final. */
unsigned glarus_statement_retention(const glarus_statement *statement);
unsigned glarus_statement_erase_within(const glarus_statement *statement);

/* Records that the statement was agreed to, durably, with the time and the statement itself
 * (client.yaml(5), "The record of consent").  Submissions are made under it from now on, also by
 * later clients of this configuration.  GLARUS_E_INVALID: the configuration names another, or it
 * does not cover files. */
GLARUS_MUST_CHECK int glarus_client_agree(glarus_client *client, const glarus_statement *statement,
                                          glarus_error *error);
/* The digest of what is agreed to; NULL: nothing.  Lent until the next glarus_client_agree. */
const char *glarus_client_agreed(const glarus_client *client);

/* ---- submitting ------------------------------------------------------------------------------ */

enum glarus_fate {
    GLARUS_DONE = 0,    /* verdict and final receipt are here */
    GLARUS_PENDING = 1, /* accepted; the final receipt or the verdict is not here yet */
    GLARUS_REFUSED = 2, /* the site says no, or what it says does not verify */
    GLARUS_FAILED = 3,  /* the site could not be reached; submitting again tries again */
    GLARUS_SKIPPED = 4  /* the file could not be read */
};

/* What has become of one file. */
typedef struct glarus_submission glarus_submission;
void glarus_submission_free(glarus_submission *submission);
int glarus_submission_fate(const glarus_submission *submission);
/* The identifier to trace and withdraw it by; "" if none was drawn. */
const char *glarus_submission_sub(const glarus_submission *submission);
/* The path, absolute; of a file without a path, its name. */
const char *glarus_submission_path(const glarus_submission *submission);
const char *glarus_submission_site(const glarus_submission *submission); /* "": it went nowhere */
/* "malicious", "clean", "incomplete" (not all could be looked into); "" not known yet */
const char *glarus_submission_verdict(const glarus_submission *submission);
uint64_t glarus_submission_size(const glarus_submission *submission);
int glarus_submission_final(const glarus_submission *submission);  /* 1: its receipt is */
int glarus_submission_before(const glarus_submission *submission); /* 1: an earlier call did it */
/* Why, if it was refused, failed or skipped; GLARUS_OK and "" else. */
int glarus_submission_code(const glarus_submission *submission);
const char *glarus_submission_why(const glarus_submission *submission);

typedef struct glarus_progress {
    uint64_t bytes, bytes_total; /* of contents, sent and to be sent as far as is known */
    uint64_t files, files_total; /* looked after, and found so far */
} glarus_progress;

typedef struct glarus_submit_options {
    size_t size;         /* sizeof(glarus_submit_options) */
    const char *country; /* ISO 3166-1, two letters, declared and signed; NULL: the
                            configuration's */
    const char *scope;   /* what the file is given for: "file" (NULL: that), the only one that this
                            version's sites take */
    int no_wait;         /* not 0: return when it is accepted, with its pending receipt kept */
    unsigned wait;       /* seconds without any news after which it is left pending; 0: 300 */
    unsigned tries;      /* of one request, with growing pauses; 0: 30 */
    /* Called now and then during the call, in its thread; may be NULL.  Anything but 0 ends the
     * call as glarus_client_cancel does, once.  *progress is lent for the call. */
    int (*progress)(void *arg, const glarus_progress *progress);
    /* Called for each file when nothing more is done about it; may be NULL.  Lent for the call. */
    void (*report)(void *arg, const glarus_submission *submission);
    void *arg; /* handed to both */
} glarus_submit_options;
#define GLARUS_SUBMIT_OPTIONS_INIT                                                                 \
    {                                                                                              \
        sizeof(glarus_submit_options), NULL, NULL, 0, 0, 0, NULL, NULL, NULL                       \
    }

/* Submits one file, waits for verdict and final receipt, and keeps the receipt.  The policy says to
 * which site it goes; before anything is sent the client checks that the policy is approved.
 * options may be NULL.  *out is given with fate GLARUS_DONE or GLARUS_PENDING; any other fate is a
 * failure with its code (GLARUS_E_REFUSED, GLARUS_E_VERIFY, GLARUS_E_NETWORK, ...).
 *
 * A path whose file has been submitted before, and has the same size and time, is not sent again:
 * what is missing (verdict, final receipt) is waited for.  So a call that was interrupted, even by
 * kill -9, is simply made again. */
GLARUS_MUST_CHECK int glarus_submit_path(glarus_client *client, const char *path,
                                         const glarus_submit_options *options,
                                         glarus_submission **out, glarus_error *error);
/* Bytes in memory, not to be changed during the call.  name: a file name that the site may keep,
 * sealed, at most 255 bytes without a slash; NULL: none.  It is not known again: each call is a new
 * submission. */
GLARUS_MUST_CHECK int glarus_submit_memory(glarus_client *client, const void *bytes, size_t n,
                                           const char *name, const glarus_submit_options *options,
                                           glarus_submission **out, glarus_error *error);
/* An open regular file (or memfd), read from its beginning; offset and descriptor stay as they are.
 * The rest as with memory. */
GLARUS_MUST_CHECK int glarus_submit_fd(glarus_client *client, int fd, const char *name,
                                       const glarus_submit_options *options,
                                       glarus_submission **out, glarus_error *error);
/* Many files, and folders with every regular file beneath them (links are not followed), 64 at a
 * time unless the configuration says otherwise.  GLARUS_OK when each was looked after, whatever its
 * fate, which options->report tells; a failure only if the whole cannot go on. */
GLARUS_MUST_CHECK int glarus_submit_paths(glarus_client *client, const char *const *paths, size_t n,
                                          const glarus_submit_options *options,
                                          glarus_error *error);

/* ---- receipts -------------------------------------------------------------------------------- */

/* The proof that a ledger holds an event.  An object of this type has been verified: proof,
 * signatures, openings and the submitter's own signature.  Receipts are files (SUB.tlog-proof in
 * the configuration's folder); anybody with a trust file can verify them without a network. */
typedef struct glarus_receipt glarus_receipt;
/* GLARUS_OK also for one that is not final yet: ask glarus_receipt_final. */
GLARUS_MUST_CHECK int glarus_receipt_load(glarus_receipt **out, const char *path,
                                          const glarus_trust *trust, glarus_error *error);
GLARUS_MUST_CHECK int glarus_receipt_parse(glarus_receipt **out, const void *text, size_t n,
                                           const glarus_trust *trust, glarus_error *error);
/* In the three that follow, which is a submission's identifier, or the path of a file that this
 * client submitted (its newest submission); of is "accepted", "scan" or "erased". */
/* The one that is kept in the client's folder; GLARUS_E_NOT_FOUND if there is none. */
GLARUS_MUST_CHECK int glarus_receipt_kept(glarus_client *client, const char *which, const char *of,
                                          glarus_receipt **out, glarus_error *error);
/* Asks the site, follows it if the submission has moved, and keeps what verifies. */
GLARUS_MUST_CHECK int glarus_receipt_get(glarus_client *client, const char *which, const char *of,
                                         glarus_receipt **out, glarus_error *error);
/* The same, until the receipt is final, for about so many seconds; GLARUS_E_PENDING: it is not. */
GLARUS_MUST_CHECK int glarus_receipt_wait(glarus_client *client, const char *which, const char *of,
                                          unsigned seconds, glarus_receipt **out,
                                          glarus_error *error);
void glarus_receipt_free(glarus_receipt *receipt);

/* 1: enough witnesses have cosigned, the site cannot take it back.  0: pending. */
int glarus_receipt_final(const glarus_receipt *receipt);
const char *glarus_receipt_kind(const glarus_receipt *receipt); /* "submission.accepted" */
const char *glarus_receipt_site(const glarus_receipt *receipt);
const char *glarus_receipt_zone(const glarus_receipt *receipt);
const char *glarus_receipt_origin(const glarus_receipt *receipt); /* the ledger's name */
uint64_t glarus_receipt_index(const glarus_receipt *receipt);     /* of its leaf there */
/* A public field of the event: "time", "country", "sub", "statement", ... (docs/events.md); NULL:
 * it has none of that name. */
const char *glarus_receipt_field(const glarus_receipt *receipt, const char *name);
/* A sealed field that this receipt opens: "sha256", "size", "name", "account", ...; NULL: not
 * opened. */
const char *glarus_receipt_opening(const glarus_receipt *receipt, const char *name);
/* Everything, for a person (lines) or as one JSON object. */
const char *glarus_receipt_text(const glarus_receipt *receipt);
const char *glarus_receipt_json(const glarus_receipt *receipt);
/* The receipt itself, as to be written into a file. */
const void *glarus_receipt_bytes(const glarus_receipt *receipt, size_t *n);

/* GLARUS_OK if the receipt is of this file: it opens hash and size, and they are the file's.
 * GLARUS_E_VERIFY says what differs. */
GLARUS_MUST_CHECK int glarus_receipt_covers_path(const glarus_receipt *receipt, const char *path,
                                                 glarus_error *error);
GLARUS_MUST_CHECK int glarus_receipt_covers_memory(const glarus_receipt *receipt, const void *bytes,
                                                   size_t n, glarus_error *error);
/* A shorter receipt, which still verifies, without these openings: names joined by commas, such as
 * "name,account".  trust as when it was made.  GLARUS_E_INVALID: it has no such opening. */
GLARUS_MUST_CHECK int glarus_receipt_redact(const glarus_receipt *receipt, const char *names,
                                            const glarus_trust *trust, glarus_receipt **out,
                                            glarus_error *error);

/* ---- what became of it ----------------------------------------------------------------------- */

/* A set. */
enum glarus_state {
    GLARUS_IS_ACCEPTED = 1,
    GLARUS_IS_FINAL = 2, /* enough witnesses have seen the acceptance */
    GLARUS_IS_SCANNED = 4,
    GLARUS_IS_WITHDRAWN = 8,
    GLARUS_IS_ERASED = 16,
    GLARUS_IS_MOVED = 32,
    GLARUS_IS_DESTROYED = 64, /* erased, and its epoch's key is destroyed: gone for good */
    GLARUS_IS_RENEWED = 128   /* other rules came, and changed the verdict */
};

typedef struct glarus_verdict { /* lent by a history; may grow at its end */
    const char *verdict;        /* "malicious", "clean", "incomplete" */
    const char *reason;         /* why incomplete: "encrypted", "size", ...; "none" */
    const char *release;        /* digest of the rules that said so */
    const char *time;           /* when; "" unknown */
    uint64_t hits;              /* rules that hit */
    const char *const *names;   /* of those, the ones that are named; ends with NULL */
    const char *mode;           /* "detect": it blocks nothing; "enforce"; "" an older site */
} glarus_verdict;

typedef struct glarus_history glarus_history;
/* Asks the site where the submission lives now.  which as with receipts. */
GLARUS_MUST_CHECK int glarus_trace(glarus_client *client, const char *which, glarus_history **out,
                                   glarus_error *error);
void glarus_history_free(glarus_history *history);
unsigned glarus_history_states(const glarus_history *history); /* a set of enum glarus_state */
const char *glarus_history_sub(const glarus_history *history);
const char *glarus_history_site(const glarus_history *history);
const char *glarus_history_country(const glarus_history *history);
uint64_t glarus_history_size(const glarus_history *history);
const char *glarus_history_accepted(const glarus_history *history); /* when; "" unknown */
const char *glarus_history_ended(const glarus_history *history);    /* when; "" not */
/* How many verdicts are known, and the i-th, the newest first; NULL beyond the last.  Act on the
 * first whose mode is not "detect". */
size_t glarus_history_verdicts(const glarus_history *history);
const glarus_verdict *glarus_history_verdict(const glarus_history *history, size_t i);
/* Everything, for a person (lines) or as one JSON object. */
const char *glarus_history_text(const glarus_history *history);
const char *glarus_history_json(const glarus_history *history);

/* ---- taking it back -------------------------------------------------------------------------- */

/* The erasure is final when the key of its epoch is destroyed; the site promises until when. */
#define GLARUS_TIME_SIZE 24 /* of a buffer for a point in time */

/* Withdraws consent: the bytes are erased at once, the receipt of that is verified, kept (as
 * SUB.erased.tlog-proof) and given.  Asks.  final_by (may be NULL) gets the promised time.  which
 * as with receipts.  GLARUS_E_REFUSED: it has ended already. */
GLARUS_MUST_CHECK int glarus_withdraw(glarus_client *client, const char *which,
                                      char final_by[GLARUS_TIME_SIZE], glarus_receipt **out,
                                      glarus_error *error);
/* The same without withdrawing consent. */
GLARUS_MUST_CHECK int glarus_erase(glarus_client *client, const char *which,
                                   char final_by[GLARUS_TIME_SIZE], glarus_receipt **out,
                                   glarus_error *error);

/* ---- look-ups -------------------------------------------------------------------------------- */

enum glarus_known {
    GLARUS_UNKNOWN = 0, /* no hash set has it: it may be anything */
    GLARUS_MALICIOUS = 1
};
/* Which of n files, by their SHA-256 alone, are known to be malicious?  Nothing is submitted and no
 * consent is needed; the site keeps a count and nothing else.  known[i] becomes what is known of
 * sha256[i] (enum glarus_known); after a failure some of it may have been written.  country: on
 * whose behalf is asked, which decides the site; NULL: the configuration's.  Asks, once for each
 * 4096. */
GLARUS_MUST_CHECK int glarus_lookup(glarus_client *client, const char *country,
                                    const unsigned char (*sha256)[32], size_t n,
                                    unsigned char *known, glarus_error *error);
/* The same for one file, which is read and hashed here. */
GLARUS_MUST_CHECK int glarus_lookup_path(glarus_client *client, const char *country,
                                         const char *path, int *known, glarus_error *error);

/* ---- updates --------------------------------------------------------------------------------- */

/* A release of the detection rules that is in use in a folder, and whose leaf in a ledger has been
 * verified under a checkpoint that the quorum has cosigned. */
typedef struct glarus_release glarus_release;
/* Takes the newest release from an update repository, as `glarus update` does (docs/updates.md):
 * TUF 1.0, then the proof that the release is in a witnessed ledger, then the files, checked
 * against what was approved.  Whatever fails or is killed, folder/current is the release before,
 * whole, or the new one.
 *   repository  a URL (http:// or https://), or a folder, with metadata/ and targets/ beneath it
 *   folder      made if it is missing; folder/current is what to load
 *   trust       logs and witnesses
 *   root        a file of TUF root metadata, got out of band: needed the first time; may be NULL
 * Asks, for as long as something comes; not ended by glarus_client_cancel, it needs no client.
 * GLARUS_E_PENDING: not cosigned yet, or another update of this folder is under way.
 * Once in a process that calls it a function of ours is put before the allocator of libjansson,
 * which a program that uses jansson in another thread at that moment should know. */
GLARUS_MUST_CHECK int glarus_update(const char *repository, const char *folder,
                                    const glarus_trust *trust, const char *root,
                                    glarus_release **out, glarus_error *error);
void glarus_release_free(glarus_release *release);
uint64_t glarus_release_serial(const glarus_release *release);
/* The one that was in use before; 0: none. */
uint64_t glarus_release_before(const glarus_release *release);
/* 1: its files were put there by this call; 0: they were there, and are sound. */
int glarus_release_installed(const glarus_release *release);
const char *glarus_release_tree(const glarus_release *release); /* digest of its files */
const char *glarus_release_site(const glarus_release *release); /* whose ledger has it */
const char *glarus_release_time(const glarus_release *release); /* when it was published there */
int glarus_release_enforce(const glarus_release *release);      /* 0: for detection only */
int glarus_release_urgent(const glarus_release *release);
uint64_t glarus_release_fetched(const glarus_release *release); /* bytes that came for its files */

#ifdef __cplusplus
}
#endif
#endif

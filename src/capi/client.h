/* client.h - the submitter's side: configuration, submitting, tracing, withdrawing.
 *
 * A client has one secret, from which the key of each submission is derived; a policy, from which
 * it knows where its country's files belong; a trust file, without which it believes no receipt;
 * and a state file, by which an interrupted run goes on without sending anything twice.
 *
 *   client_load(&c, "client.yaml", e); client_submit(c, ...) or client_trace(...) ...;
 *   client_free(c)
 *
 * One thread, but for client_cancel.  Nothing is printed here except through callbacks.  docs:
 * client.yaml(5).  What programs outside this tree use is include/glarus.h, over this. */
#ifndef CAPI_CLIENT_H
#define CAPI_CLIENT_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "crypto/ed25519.h"

#define CLIENT_IN_FLIGHT_DEFAULT 64
#define CLIENT_IN_FLIGHT_MAX 128
#define CLIENT_SITES 64

struct client;

/* -EINVAL with line and column for a configuration that is refused.  Makes the secret's file at
 * first use; refuses one that others may read (-EACCES). */
MUST_CHECK int client_load(struct client **out, const char *path, struct err *e);
/* The same configuration from memory; its paths are relative to folder. */
MUST_CHECK int client_parse(struct client **out, const char *folder, struct span text,
                            struct err *e);
void client_free(struct client *c); /* NULL is fine */
/* From any thread or a signal handler: what waits for a site ends with -ECANCELED within a quarter
 * of a second, and so does what is asked next, until it is taken back with false. */
void client_cancel(struct client *c, bool stop);

enum client_fate {
    CLIENT_DONE,    /* verdict and final receipt are here */
    CLIENT_PENDING, /* accepted; the final receipt or the verdict is not here yet */
    CLIENT_REFUSED, /* the site says no, or what it says does not verify */
    CLIENT_FAILED,  /* the site could not be reached; the next run tries again */
    CLIENT_SKIPPED, /* the file could not be read */
};

struct client_report {      /* one file, when no more is done about it */
    const char *path, *sub; /* sub: 32 hex digits, "" if none was drawn */
    enum client_fate fate;
    const char *verdict; /* "malicious", "clean", "incomplete"; "" unknown */
    const char *site;    /* where it went; "" nowhere */
    const char *why;     /* of the last three; "" else */
    int code;            /* of the last three, as errno: -EPERM the site says no, -EBADMSG, ... */
    uint64_t size;
    bool final;  /* the receipt is */
    bool before; /* a run before this one had done it: nothing was sent */
};

struct client_submit {
    const char *site_url; /* send there whatever the policy says; NULL: by the policy */
    const char *country;  /* declared instead of the configuration's; NULL: that */
    bool no_wait;         /* end when everything is accepted */
    unsigned wait;        /* seconds without news after which a pending one is left; 0: 300 */
    unsigned tries;       /* of one request; 0: 30 */
    unsigned backoff_ms;  /* the first pause after a lost connection, doubled up to 10 s; 0: 200 */
    /* All may be NULL.  What gives false ends the run as client_cancel does, once. */
    bool (*progress)(void *arg, uint64_t done, uint64_t total); /* files; total grows */
    void (*report)(void *arg, const struct client_report *r);
    /* Bytes of contents that have left, of those that are known to have to. */
    bool (*sent)(void *arg, uint64_t bytes, uint64_t of);
    void *arg;
};
/* Files, and folders with everything regular beneath them (links are not followed).  0 when every
 * file was looked after, whatever its fate; an error only if the run itself cannot go on. */
MUST_CHECK int client_submit(struct client *c, const char *const *paths, size_t n,
                             const struct client_submit *o, struct err *e);

struct client_source { /* a file that has no path: it is not known again by a later run */
    const char *name;  /* without a slash, at most CLIENT_NAME_MAX bytes; "": none */
    int fd;            /* a regular file, read from its beginning; -1: bytes */
    struct span bytes; /* lent for the run */
};
#define CLIENT_NAME_MAX 255
MUST_CHECK int client_submit_source(struct client *c, const struct client_source *source,
                                    const struct client_submit *o, struct err *e);

/* which: 32 hex digits, or the path of a file that was submitted (its newest submission).  Appends
 * what there is to say, for a person or as JSON.  Follows a submission that has moved.  Receipts
 * are verified, and kept under their names if they are better than what is there. */
MUST_CHECK int client_trace(struct client *c, const char *which, bool json, struct buf *out,
                            struct err *e);
enum client_order { CLIENT_WITHDRAW, CLIENT_ERASE };
/* Keeps the receipt of the erasure as <receipts>/<sub>.erased.tlog-proof. */
MUST_CHECK int client_order(struct client *c, const char *which, enum client_order what, bool json,
                            struct buf *out, struct err *e);

#endif

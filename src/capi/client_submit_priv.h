/* client_submit_priv.h - a run of client_submit, shared by its files:
 *
 *   client_find.c    what there is to do: files and folders, what is known from before
 *   client_step.c    the steps of one file: requests, and what their answers mean
 *   client_submit.c  lists, ends, the loop
 *
 *   ANNOUNCE ─201─> UPLOAD ─201/200─> (receipt verified) ─> KEEP ─> WATCH ─> FETCH ─> KEEP ─> end
 *
 * An item leaves its step only by an answer; a lost connection, 429 and 503 put it to sleep and the
 * step is taken again, which is harmless because everything is known by its sub.  KEEP ends when
 * the shelf has made the receipt durable; only then the state says so. */
#ifndef CAPI_CLIENT_SUBMIT_PRIV_H
#define CAPI_CLIENT_SUBMIT_PRIV_H

#include <sys/queue.h>

#include "base/clock.h"
#include "capi/client_priv.h"
#include "capi/client_shelf.h"

enum submit_step { ANNOUNCE, UPLOAD, KEEP, WATCH, FETCH };

struct submit;
struct submit_list;
struct submit_item {
    struct submit *run;
    TAILQ_ENTRY(submit_item) in_list, in_idle;
    struct submit_list *list; /* the one it is in */
    char *path;
    char hex[33], ticket[33];
    enum submit_step step;
    const struct client_site *site;
    struct client_file file;
    struct client_signed own; /* own.act.sub is its sub; the rest is set when it was announced */
    bool announced;
    int64_t mtime;
    int fd;                             /* of a large file; -1 outside ANNOUNCE and UPLOAD */
    uint8_t *bytes;                     /* of a small one, read once; NULL outside, too */
    const struct client_source *source; /* it has no path; NULL: it has one */
    uint64_t sent;                      /* of its bytes, by the last word of its upload */
    int code;                           /* why it ends as it does; 0: as its fate says */
    unsigned tries, redirected;
    mono_ms wake;
    uint64_t seen;
    bool idle; /* no request is under way: it is in the run's list of these */
    bool final, fetched;
    char verdict[16];
};
TAILQ_HEAD(submit_items, submit_item);

struct submit_list {
    struct submit_items items;
    size_t n;
};

struct submit {
    struct client *c;
    const struct client_submit *o;
    struct client_site forced;
    struct submit_list todo, sending, keeping, accepted, watching;
    struct submit_items idle; /* of sending and watching */
    struct client_shelf *shelf;
    struct ed25519_key *key; /* of the item that is being announced */
    struct tlog_proof_memo memo;
    uint64_t done, total;
    uint64_t bytes, bytes_total; /* of contents: sent; to be sent as far as is known */
    bool stop;                   /* the caller's function does not want to go on */
    bool fetched;                /* a final receipt took the place of a pending one */
    mono_ms news;                /* when something last went forward */
    struct err fatal;
};

/* ---- client_submit.c ------------------------------------------------------------------------- */

void client_submit_list_add(struct submit_list *l, struct submit_item *it);
void client_submit_list_move(struct submit_list *l, struct submit_item *it);
/* It waits for its next request until wake; or a request is under way. */
void client_submit_idle(struct submit_item *it, mono_ms wake);
void client_submit_busy(struct submit_item *it);
void client_submit_forward(struct submit_item *it); /* something was achieved */
void client_submit_fatal(struct submit *r, const struct err *e);
MUST_CHECK int client_submit_note(struct submit_item *it, enum client_stage stage);
void client_submit_report(struct submit *r, const struct client_report *what);
/* The item is told of and forgotten. */
void client_submit_finish(struct submit_item *it, enum client_fate fate, const char *why);
void client_submit_refuse(struct submit_item *it, const char *why);
void client_submit_let_go(struct submit_item *it); /* of the file's bytes: they have arrived */
void client_submit_item_free(struct submit_item *it);

/* ---- client_step.c --------------------------------------------------------------------------- */

void client_step_take(struct submit_item *it);
/* Its receipt is on the shelf, or is not (rc, e). */
void client_step_kept(struct submit_item *it, int rc, const struct err *e);

/* ---- client_find.c --------------------------------------------------------------------------- */

/* A file, or a folder with everything regular beneath it, joins what is to do. */
MUST_CHECK int client_find(struct submit *r, const char *path);
MUST_CHECK int client_find_source(struct submit *r, const struct client_source *source);
/* The next file leaves the list of what is to do: it is read, and known from before or begun. */
void client_find_next(struct submit *r);

#endif

/* client_history.h - what a site tells of one submission, and its receipts: for who wants values
 * instead of client_trace's text. */
#ifndef CAPI_CLIENT_HISTORY_H
#define CAPI_CLIENT_HISTORY_H

#include "capi/client.h"
#include "capi/client_receipt.h"
#include "capi/client_state.h"

#define CLIENT_MOVES_MAX 8

struct client_answer_state; /* client_priv.h */
struct client_ordered;
struct client_site;

struct client_subject { /* a submission, and the site to be asked */
    struct id128 sub;
    char hex[33];
    const struct client_entry *entry; /* NULL: this client's state does not know it */
    const struct client_site *site;
};
/* which: 32 hex digits, or the path of a file that was submitted (its newest submission). */
MUST_CHECK int client_subject_find(const struct client *c, const char *which,
                                   struct client_subject *s, struct err *e);

/* Asks the site where the submission lives now, and moves s there; went: the sites it has left.
 * Addresses come from the configuration, never from an answer.  Release *st with
 * client_answer_state_done either way. */
MUST_CHECK int client_history_ask(struct client *c, struct client_subject *s,
                                  struct client_answer_state *st, char went[CLIENT_MOVES_MAX][17],
                                  size_t *moves, struct err *e);
/* In words, several lines; or the beginning of a JSON object, whose end is the caller's. */
MUST_CHECK int client_history_text(const struct client_subject *s,
                                   const struct client_answer_state *st,
                                   const char went[CLIENT_MOVES_MAX][17], size_t moves,
                                   struct buf *out);
MUST_CHECK int client_history_json(const struct client_subject *s,
                                   const struct client_answer_state *st, struct buf *out);
/* A receipt of it, verified, and kept: of "accepted", "scan" or "erased".  -ENOENT: the
 * site has none (yet).  Release *r with client_receipt_done either way. */
MUST_CHECK int client_history_receipt(struct client *c, const struct client_subject *s,
                                      const char *of, struct client_receipt *r, struct err *e);
/* The same until it is final; -EAGAIN with *r filled if it is there but not final after seconds,
 * -EAGAIN with *r empty if the site has none by then. */
MUST_CHECK int client_history_wait(struct client *c, struct client_subject *s, const char *of,
                                   unsigned seconds, struct client_receipt *r, struct err *e);
/* Has the bytes erased, and keeps the receipt of that.  Release *o with client_ordered_done and *r
 * either way. */
MUST_CHECK int client_history_order(struct client *c, struct client_subject *s,
                                    enum client_order what, struct client_ordered *o,
                                    struct client_receipt *r, struct err *e);
/* A receipt that is kept in the folder, from a file of its own or from a pack; no network.
 * -ENOENT: none. */
MUST_CHECK int client_history_kept(const struct client *c, const struct client_subject *s,
                                   const char *of, struct client_receipt *r, struct err *e);

#endif

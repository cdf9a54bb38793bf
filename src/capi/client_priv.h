/* client_priv.h - what the files of the client share. */
#ifndef CAPI_CLIENT_PRIV_H
#define CAPI_CLIENT_PRIV_H

#include <stdatomic.h>

#include "claims/trust.h"
#include "capi/client.h"
#include "capi/client_receipt.h"
#include "capi/client_state.h"
#include "http/client.h"
#include "intake/submitter.h"
#include "residency/placement.h"

struct client_site {
    char name[17];
    char *url; /* without a slash at its end */
    char *pin; /* of its TLS key, "sha256//BASE64"; NULL: not pinned */
};

struct client {
    uint8_t *secret;   /* SUBMITTER_SECRET bytes of secret memory */
    char *authorities; /* PEM file of those whose certificates are believed; NULL: the system's */
    char *token, *receipts, *state_path, *policy_path, *register_path;
    char country[3];
    struct digest statement; /* what is agreed to, by the configuration or client_agree */
    bool agreed, configured; /* it is; by the configuration */
    atomic_bool stop;
    struct placement *placement;
    struct digest register_digest; /* of the register, if pinned */
    bool register_pinned;
    bool approved; /* the policy is, by the register; if not, unapproved says why */
    struct err unapproved;
    struct trust *trust;
    struct client_site site[CLIENT_SITES];
    size_t sites;
    unsigned in_flight;
    struct client_state *state;
    struct http_client *http;
};

/* ---- client_policy.c */
/* The policy, and whether it is approved; that it is not does not fail. */
MUST_CHECK int client_policy_load(struct client *c, struct err *e);
/* If it was not, both are read again. */
MUST_CHECK int client_policy_approved(struct client *c, struct err *e);

/* The site for a new submission now; NULL with e if the policy or the configuration has none. */
const struct client_site *client_home(const struct client *c, struct err *e);
const struct client_site *client_site_named(const struct client *c, const char *name);
/* c->http anew, as the configuration wants it. */
MUST_CHECK int client_connect(struct client *c, struct err *e);
/* http_client_do, which client_cancel ends. */
MUST_CHECK int client_do(struct client *c, const struct http_call *call, struct http_result *a,
                         struct err *e);
/* What a status that is not the wanted one means, in the site's own words. */
int client_refused(const struct http_result *a, struct err *e);
/* ---- client_consent.c: what was agreed to before, unless the configuration says it */
MUST_CHECK int client_consent_load(struct client *c, struct err *e);
/* "Authorization: Submission TIME:SIG" for now. */
#define CLIENT_AUTH_MAX 160
MUST_CHECK int client_auth(const struct client *c, const struct id128 *sub,
                           char out[CLIENT_AUTH_MAX]);
/* <receipts>/<sub><suffix>; suffix ".tlog-proof". Written whole or not at all. */
MUST_CHECK int client_keep(const struct client *c, const struct id128 *sub, const char *suffix,
                           struct span text, struct err *e);

/* ---- client_answer.c: the JSON of answers (docs/openapi.yaml).  -EPROTO with a sentence. ------
 */

#define CLIENT_TEXT 480
struct client_ticket {
    char ticket[33];
    uint64_t max_bytes;
};
struct client_error {
    char code[40], message[CLIENT_TEXT], cure[CLIENT_TEXT];
    char site[17], url[256]; /* of 421 */
};
struct client_before { /* the verdict that other rules changed; verdict "": none */
    char verdict[16], reason[16], release[65], at[24], mode[16];
    uint64_t hits, named;
    struct buf names;
};
struct client_answer_state {
    bool accepted, final, scanned, withdrawn, erased, moved, destroyed;
    uint64_t seen, size, final_epoch;
    uint64_t hits, named; /* rules that hit; of these in names */
    char verdict[16], reason[16], release[65], country[3], site[17], url[256];
    char accepted_at[24], ended_at[24], scanned_at[24];
    bool has_epoch;
    struct buf names; /* joined by line feeds */
    struct buf held;  /* for a terminal: what the file held, a line each; empty: nothing */
    char *held_json;  /* the site's own words; NULL: nothing */
    /* once other rules came */
    bool renewed;
    char mode[16]; /* of the verdict; empty: an older site */
    struct client_before before;
    char confirmed_by[65], confirmed_at[24]; /* a later release that says the same; "": none */
    char *before_json, *confirmed_json;      /* the site's own words; NULL: nothing */
};
struct client_ordered {
    char state[16], final_by[24];
    uint64_t final_epoch;
    struct buf receipt;
};
MUST_CHECK int client_answer_ticket(struct client_ticket *out, struct span json, struct err *e);
/* What is not understood becomes a message; -ENOMEM: *out has the status alone. */
MUST_CHECK int client_answer_error(struct client_error *out, int status, struct span json);
MUST_CHECK int client_answer_submission(struct client_answer_state *out, const struct id128 *sub,
                                        struct span json, struct err *e);
void client_answer_state_done(struct client_answer_state *a);
MUST_CHECK int client_answer_ordered(struct client_ordered *out, struct span json, struct err *e);
void client_ordered_done(struct client_ordered *o);

#endif

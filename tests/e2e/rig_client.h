/* rig_client.h - a submitter: announces, uploads, asks, withdraws, verifies receipts offline. */
#ifndef E2E_RIG_CLIENT_H
#define E2E_RIG_CLIENT_H

#include "rig.h"

#include "events/receipt_extra.h"
#include "ledger/tlog_proof.h"

struct rig_sub { /* a submission; change fields between rig_sub_new and rig_announce to misbehave */
    struct id128 sub;
    char hex[33];
    struct ed25519_key *key;
    char country[3];
    enum intake_scope kind, scope;
    struct digest statement;
    bool has_statement;
    const char *token;
    bool bad_signature;
    char ticket[33]; /* after a granted announcement */
};
void rig_sub_new(struct rig *r, struct rig_sub *s, const char *country);
void rig_sub_free(struct rig_sub *s);

/* Each gives the HTTP status; *code (may be NULL) the error's word or "". */
struct rig_word {
    char text[48];
    unsigned retry_after; /* seconds of the header, 0: none */
};
int rig_announce(struct rig *r, size_t site, struct rig_sub *s, struct rig_word *code);
/* name may be NULL.  receipt (may be NULL) is a struct buf to be filled. */
int rig_put(struct rig *r, size_t site, const struct rig_sub *s, struct span bytes,
            const char *name, struct buf *receipt, struct rig_word *code);
/* Both steps; fails unless 201. */
void rig_submit(struct rig *r, size_t site, struct rig_sub *s, struct span bytes, const char *name,
                struct buf *receipt);
int rig_receipt(struct rig *r, size_t site, const struct rig_sub *s, const char *of,
                struct buf *receipt);
/* word: "withdraw" or "erase". */
int rig_order(struct rig *r, size_t site, const struct rig_sub *s, const char *word,
              uint64_t *final_epoch, struct buf *receipt, struct rig_word *code);

struct rig_state {
    bool accepted, final, scanned, withdrawn, erased, moved, destroyed, renewed;
    char verdict[16], site[17], country[3], names[128];
    char mode[16], release[65];
    /* once other rules came; "": they did not change it, or nobody said the same since */
    char before[16], before_mode[16], before_release[65], before_names[128], confirmed_by[65];
    uint64_t size, final_epoch;
    uint64_t members;     /* the file held, at any depth */
    char deepest_bad[65]; /* SHA-256 of the last malicious member listed; "" */
    unsigned chain;       /* how many members that one lies in, itself counted */
};
int rig_trace(struct rig *r, size_t site, const struct rig_sub *s, struct rig_state *out);
/* Asks until state (one of the words of openapi.yaml) is there. */
void rig_await(struct rig *r, size_t site, const struct rig_sub *s, const char *state,
               struct rig_state *out);

/* A receipt, verified against the trust file alone. */
struct rig_receipt {
    struct buf text, extra;
    struct core_proof proof;
    struct receipt_extra x;
    struct leaf leaf;
    struct tlog_verdict verdict;
};
void rig_receipt_open(struct rig *r, struct rig_receipt *p, struct span text);
void rig_receipt_done(struct rig_receipt *p);

/* For many at once: what the calls above send.  Free with buf_free. */
void rig_announcement(const struct rig_sub *s, struct buf *out);
bool rig_ticket(struct rig_sub *s, struct span body);
void rig_order_body(const struct rig_sub *s, const char *word, struct buf *out);

#endif

/* history_priv.h - the cast and the documents of a generated history. */
#ifndef BETRAY_HISTORY_PRIV_H
#define BETRAY_HISTORY_PRIV_H

#include "assembler/product.h"
#include "betray/served.h"
#include "betray/tale.h"
#include "crypto/ed25519.h"
#include "people/register.h"

#define HISTORY_SITES 2
#define HISTORY_PERSONS 10
#define HISTORY_KEYS (HISTORY_PERSONS + 1) /* person 5 has two */
#define HISTORY_ROOTS 2
#define HISTORY_BUILDS 2
#define HISTORY_PRODUCT "agent"

struct history {
    unsigned seed;
    struct tale tale[HISTORY_SITES];
    struct ed25519_key *log_key[HISTORY_SITES], *witness_key;
    struct note_signer log[HISTORY_SITES], witness;
    struct ed25519_key *root[HISTORY_ROOTS];
    struct ed25519_key *person_key[HISTORY_KEYS]; /* the last is person 5's second */
    struct id128 person[HISTORY_PERSONS], org[2], move;
    uint8_t secret[32]; /* the submitters' */
    struct buf register_env[2], policy_env[2], statement_env, move_env;
    struct people *people[2];
    struct digest policy[2], statement; /* envelopes */
    struct history_release {
        struct id128 change;
        struct digest tree, report, doc; /* doc: of release_env */
        struct buf report_text, change_env, release_env;
        struct buf metadata; /* what the update repository served then */
    } release[2];
    struct ed25519_key *served_key[SERVED_KEYS + 1]; /* the last: timestamp's, from root 2 on */
    struct buf override_env;
    struct history_build {
        struct product product;             /* without its artifacts */
        struct digest doc, output, program; /* program: its one artifact, which the sites run */
        struct buf env, rebuilt, recipe, toolchain, provenance, sbom;
    } build[HISTORY_BUILDS];
    struct ed25519_key *builder_key[HISTORY_BUILDS]; /* outsiders: not among keys/ */
};

/* Wraps yaml in an envelope of document k; signers are numbers of keys and end with -1. */
MUST_CHECK int history_wrap(enum document k, const struct buf *yaml,
                            struct ed25519_key *const *keys, const int *signers, struct buf *out);

void history_random(const struct history *h, const char *what, uint64_t n, struct digest *out);
MUST_CHECK int history_key(const struct history *h, const char *what, uint64_t n,
                           struct ed25519_key **out);

/* Draws the keys and writes the documents. */
MUST_CHECK int history_begin(struct history *h, unsigned seed, struct err *e);
void history_end(struct history *h);
/* Leaves of document k (0 or 1), with the document beside them. */
MUST_CHECK int history_register_leaves(struct history *h, int site, int k, unix_time t,
                                       struct err *e);
MUST_CHECK int history_policy_leaf(struct history *h, int site, int k, unix_time t, struct err *e);
MUST_CHECK int history_statement_leaf(struct history *h, int site, unix_time t, struct err *e);
MUST_CHECK int history_move_document(struct history *h, int site, struct digest *doc,
                                     struct err *e);
/* The rules (history_rules.c): two releases, the second with two entries of an allow list more. */
MUST_CHECK int history_rules_begin(struct history *h);
void history_rules_end(struct history *h);
/* Release k (0 or 1): what leads to it, itself, and that engines loaded it. */
MUST_CHECK int history_rules_leaves(struct history *h, int site, int k, unix_time t, struct err *e);
/* Builds (history_builds.c): two releases of a product, each built again by one builder. */
MUST_CHECK int history_builds_begin(struct history *h);
void history_builds_end(struct history *h);
/* Product k (0 or 1), with the files it names, and its rebuild: at zrh1. */
MUST_CHECK int history_builds_leaves(struct history *h, int k, unix_time t, struct err *e);
/* The site begins to run the program of product k. */
MUST_CHECK int history_builds_started(struct history *h, int site, int k, unix_time t,
                                      struct err *e);
/* trust.yaml and keys/. */
MUST_CHECK int history_write_keys(const struct history *h, const char *dir, struct err *e);

#endif

/* site.h - the stores of a site as its keeper opens them, without the processes around it: vault
 * with the catalog as its index, ledger, and the signer's rule.  For the benches that measure the
 * writing of a site in process. */
#ifndef BENCH_SITE_H
#define BENCH_SITE_H

#include <pthread.h>

#include "catalog/catalog.h"
#include "measure.h"
#include "ledger/ledger.h"
#include "ledger/signer.h"
#include "vault/vault.h"

struct site;
/* What a note of a group does to the catalog, in that group's batch. */
typedef int site_note_fn(struct site *s, struct span note);

struct site {
    struct store *store;
    struct keyring *keys;
    struct catalog *catalog;
    struct vault *vault;
    struct ledger *ledger;
    struct ed25519_key *key;
    struct note_signer log;
    struct signer *signer;
    uint64_t published;
    mono_ms publish_due;
    size_t publications, groups;
    int apply_failed;
    struct { /* the group on its way; NULL: none */
        struct vault_group *group;
        pthread_t thread;
        int rc;
    } way;
    site_note_fn *note; /* NULL: notes are nobody's */
};

/* dir must not exist.  Epoch 1 is open afterwards.  Dies on failure. */
void site_make(struct site *s, const char *dir, site_note_fn *note);
/* One that is there, as its keeper opens it, ledger and catalog brought up to the journal's end; it
 * is not signed for. */
void site_open(struct site *s, const char *dir, site_note_fn *note, struct vault_report *r);
void site_close(struct site *s);
/* Commits and lets ledger and catalog follow, as the keeper does. */
void site_commit(struct site *s, struct vault_group *g);
/* The same in two steps: a thread syncs meanwhile, and puts go on.  One group at a time. */
void site_set_out(struct site *s, struct vault_group *g);
void site_settle(struct site *s); /* nothing if none is on its way */
/* Once a second (or now), unless it was only opened: flush, sign what extends the last signed,
 * publish. */
void site_publish(struct site *s, bool now);

#endif

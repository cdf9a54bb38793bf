/* site.h - the stores of a site as its keeper opens them, without the processes around it: vault
 * with the catalog as its index, ledger, and the signer's rule.  For the benches that measure the
 * writing of a site in process. */
#ifndef BENCH_SITE_H
#define BENCH_SITE_H

#include "catalog/catalog.h"
#include "ledger/ledger.h"
#include "ledger/signer.h"
#include "vault/vault.h"

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
    double publish_due; /* wall clock of measure_now */
    size_t publications, groups;
    int apply_failed;
};

/* dir must not exist.  Epoch 1 is open afterwards.  Dies on failure. */
void site_make(struct site *s, const char *dir);
void site_close(struct site *s);
/* Commits and lets ledger and catalog follow, as the keeper does. */
void site_commit(struct site *s, struct vault_group *g);
/* Once a second (or now): flush, sign what extends the last signed, publish. */
void site_publish(struct site *s, bool now);

#endif

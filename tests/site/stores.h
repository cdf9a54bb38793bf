/* stores.h - everything a site keeps on disk, in one process: vault, journal, keys, catalog and
 * ledger through the keeper's own code (acts, groups, replay, epochs, inventories), the signer's
 * and a witness's state by calls instead of messages.  What is acknowledged is marked in the record
 * of system calls (faultfs/calls.h), so that a test can ask after every crash whether it is there.
 */
#ifndef TESTS_SITE_STORES_H
#define TESTS_SITE_STORES_H

#include "faultfs/calls.h"
#include "ledger/signer.h"
#include "ledger/tlog_witness.h"
#include "site/keeper_priv.h"

enum stores_mark {
    MARK_ASKED = 1, /* submission n is on its way */
    MARK_KEPT,      /* acknowledged: its leaf is under a signed checkpoint */
    MARK_ERASING,   /* asked to be erased */
    MARK_ERASED,    /* acknowledged */
    MARK_SIGNED,    /* value leaves, with this root: a signature was given out */
    MARK_COSIGNED,
    MARK_PUBLISHED,
    MARK_INVENTORY, /* value live submissions, logged and signed */
    MARK_TURNED,    /* the key of epoch `value` is destroyed, and its leaf signed */
};

struct stores {
    char dir[200], data[220], keys[220], state[240], witness_dir[240];
    struct config config;
    struct keeper *k;
    struct ed25519_key *log, *cosigner;
    struct note_signer log_key, cosigner_key;
    struct signer *signer;
    struct tlog_witness *witness;
    struct vault_report report;
    struct err e;
    unsigned next; /* submission */
};

/* Makes the folders and keys in dir as "site init" does; epoch 1 is opened, checkpoint published.
 */
int stores_found(struct stores *s, const char *dir);
/* Opens what is in dir and catches up.  0 or why not, in s->e; close in any case. */
int stores_open(struct stores *s, const char *dir);
void stores_close(struct stores *s);

/* Each brings its act to a signed checkpoint: 0, or why it was not acknowledged. */
int stores_accept(struct stores *s, unsigned count); /* one group */
/* Two groups; the second's objects are written while the first is on its way to the disk. */
int stores_accept_overlapping(struct stores *s, unsigned count);
int stores_erase(struct stores *s, unsigned n);
int stores_turn(struct stores *s); /* an epoch, to its key's destruction */
int stores_inventory(struct stores *s);
int stores_publish(struct stores *s);  /* flush, sign, cosign, publish */
int stores_reclaim(struct stores *s);  /* space of what was erased */
int stores_maintain(struct stores *s); /* the keeper's checkpoint of the derived stores */
int stores_sign(struct stores *s);     /* what is pending is committed, and signed */

/* --- stores_verdicts.c --- */
int stores_rules(struct stores *s, uint8_t release); /* are loaded */
/* Submission n is scanned (again) by them. */
int stores_judge(struct stores *s, unsigned n, uint8_t release, bool malicious);
int stores_trip(struct stores *s);  /* the breaker */
int stores_round(struct stores *s); /* all are through */
/* The catalog says of verdicts and rounds what the leaves do. */
void stores_check_verdicts(struct stores *s);

/* What must be true after any crash, given the marks so far; fails the test.  The stores go on
 * being used: one more submission, and a publication. */
void stores_check(const char *dir, const struct calls_mark *m, size_t n, void *where);
/* The bytes of submission n into out (STORES_BYTES); how many. */
#define STORES_BYTES 150000
size_t stores_content(unsigned n, uint8_t *out);
struct id128 stores_id(unsigned n, char which); /* 's': sub, 'r': ref */
struct digest stores_key(unsigned n);           /* the submitter's public key: any 32 bytes */

#endif

/* trust.h - the trust file: what an auditor starts from (docs/formats.md, "Trust file").  Nothing
 * in it comes from the vendor without having been checked out of band.  Read once, then immutable;
 * any number of threads may read it. */
#ifndef CLAIMS_TRUST_H
#define CLAIMS_TRUST_H

#include "assembler/product.h"
#include "base/clock.h"
#include "ledger/tlog_policy.h"

#define TRUST_SITES 64
#define TRUST_ROOTS 64
#define TRUST_ATTESTERS 64
#define TRUST_BUILDERS 64

struct trust_site {
    char site[17], zone[9];
    const char *origin;     /* lent */
    const struct vkey *log; /* its key in the policy, lent */
};

struct trust {
    struct digest digest; /* of the file's bytes */
    unix_time expires;
    uint64_t tolerance;    /* seconds a leaf's minute may lie from the witnesses' times */
    uint64_t epoch_within; /* seconds from the opening of the next epoch to the destruction of the
                            * one before; 2 days if the file says nothing */
    struct tlog_policy *policy;
    struct trust_site site[TRUST_SITES];
    size_t sites;
    struct ed25519_pub root[TRUST_ROOTS];
    size_t roots;
    unsigned threshold;
    tlog_witnesses outsiders;
    /* who make verdicts again, and whose word counts; none unless the file says so */
    struct ed25519_pub attester[TRUST_ATTESTERS];
    size_t attesters;
    /* who build products again, likewise */
    struct ed25519_pub builder[TRUST_BUILDERS];
    size_t builders;
    /* whose releases the sites are to run, each built again by at least so many of them; "": the
     * file does not say */
    char software[PRODUCT_NAME_MAX + 1];
    unsigned software_builders;
    /* SHA-256 of the first root metadata of the update repository, if the file says it */
    struct digest updates_root;
    bool has_updates_root;
    bool quorum_inside; /* a quorum can be had without any of the outsiders: to be warned of */
    void *doc;          /* what lent texts point into */
};

/* -EINVAL with "NAME:LINE:COLUMN: …".  An expired file is read (trust_expired asks). */
MUST_CHECK int trust_parse(struct trust **out, const char *name, struct span text, struct err *e);
MUST_CHECK int trust_load(struct trust **out, const char *path, struct err *e);
void trust_free(struct trust *t); /* NULL is fine */
static inline bool trust_expired(const struct trust *t, unix_time now)
{
    return now >= t->expires;
}
/* NULL if the file does not name that site. */
const struct trust_site *trust_site(const struct trust *t, const char *site);

#endif

/* stage.h - what a cheat plays with: the ledgers as tales, the keys, and the tools of forging. */
#ifndef BETRAY_STAGE_H
#define BETRAY_STAGE_H

#include "betray/betray.h"
#include "betray/tale.h"
#include "people/register.h"
#include "residency/policy.h"

struct stage {
    const struct trust *trust;
    const char *keys;
    struct tale tale[TRUST_SITES]; /* one for each source, in its order */
    size_t sites;
    struct ed25519_key *log_key[TRUST_SITES], *witness_key;
    struct note_signer log[TRUST_SITES], witness;
    /* of the first ledger: all publish the same chain */
    struct people *people;
    struct policy *policy;
    struct digest register_doc, policy_doc, statement;
    struct buf register_text, policy_text; /* payloads */
    unsigned scopes;                       /* of the statement */
    size_t n_receipts;                     /* that somebody outside holds */
    /* set by cheats */
    bool no_receipts; /* the auditor holds nothing from before */
    int patch_site;   /* -1, or where one byte of a written file is changed */
    size_t patch_leaf;
};

/* A submission that the operator makes up. */
struct made {
    int site;
    char country[3];        /* in the leaf; "" is one that belongs there */
    char signed_country[3]; /* "" is the same */
    struct digest statement;
    unsigned kind, scope;
    bool forged; /* the signature is changed */
    bool no_copy, no_scan;
    struct id128 sub;        /* out */
    struct ed25519_key *key; /* out: free it */
};

/* Reads ledgers and keys; -ENOENT names what is missing. */
MUST_CHECK int stage_open(struct stage *s, const struct trust *t, const struct audit_source *src,
                          size_t n, const char *keys, struct err *e);
/* The same scene once more, with tales of its own; stage_leave frees only these. */
MUST_CHECK int stage_enter(struct stage *out, const struct stage *s);
void stage_leave(struct stage *s);
void stage_close(struct stage *s);

/* 1 when there is nothing to play on; the sentence says what. */
int stage_nothing(struct err *e, const char *what);

unix_time stage_time(const struct stage *s, int site);   /* ten minutes after its last checkpoint */
int stage_site(const struct stage *s, const char *name); /* -1 */
const char *stage_site_name(const struct stage *s, int site);
/* The site that has a leaf of kind k, and its place; 1 if none has. */
MUST_CHECK int stage_find(const struct stage *s, enum leaf_kind k, int *site, size_t *leaf,
                          struct err *e);

void stage_begin(const struct stage *s, int site, struct leaf_builder *b, enum leaf_kind k,
                 unix_time t);
MUST_CHECK int stage_add(struct stage *s, int site, struct leaf_builder *b, struct err *e);
MUST_CHECK int stage_publish(struct stage *s, int site, unix_time leaf_time);
/* The copies held now, as a true inventory of the whole site says it. */
MUST_CHECK int stage_inventory(struct stage *s, int site, unix_time t, struct err *e);

void stage_made(const struct stage *s, int site, struct made *m); /* an honest one */
MUST_CHECK int stage_submit(struct stage *s, struct made *m, unix_time t, struct err *e);

/* Persons who hold a role at t, with a key on hand.  Which: */
enum stage_who { WHO_GOOD, WHO_AUTHOR, WHO_TWO_KEYS, WHO_REVOKED, WHO_RETIRED };
/* Loads up to max keys of persons (for WHO_TWO_KEYS: two of one); how many is the result. */
size_t stage_signers(const struct stage *s, enum register_role role, enum stage_who who,
                     unix_time t, struct ed25519_key **out, size_t max);

/* The private key of a public one, from the folder of keys; -ENOENT. */
MUST_CHECK int stage_key(const struct stage *s, const struct ed25519_pub *pub,
                         struct ed25519_key **out);

/* Signs yaml as a document of kind k and puts it beside the site's ledger; its digest in *doc. */
MUST_CHECK int stage_document(struct stage *s, int site, enum document k, const struct buf *yaml,
                              struct ed25519_key *const *keys, size_t n, struct digest *doc);
/* The newest policy or register as it would follow, with these lines replaced, signed by keys and
 * put beside the first ledger. */
MUST_CHECK int stage_policy(struct stage *s, unix_time valid_from, struct ed25519_key *const *keys,
                            size_t n, unix_time t, struct err *e);
MUST_CHECK int stage_register(struct stage *s, const char *more, struct ed25519_key *const *keys,
                              size_t n, unix_time t, struct err *e);

#endif

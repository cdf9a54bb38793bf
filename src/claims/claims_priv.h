/* claims_priv.h - what the claims share while an audit runs.
 *
 * audit.c hands every leaf to the claims in the order of claims_table.  A claim notes in struct
 * audit and struct site what later claims of the table need (the comments say who writes what), so
 * each fact is kept once.  What needs both ledgers of a move, or a look at what came later, waits
 * for `end`. */
#ifndef CLAIMS_CLAIMS_PRIV_H
#define CLAIMS_CLAIMS_PRIV_H

#include "claims/audit.h"
#include "compare/compare.h"
#include "crypto/ed25519.h"
#include "events/country.h"
#include "events/leaf.h"
#include "people/register.h"
#include "residency/move.h"
#include "residency/policy.h"
#include "updates/published.h"

#define NONE UINT32_MAX /* no leaf, no minute, no statement */

/* ---- growing arrays ---- */
#define VEC(type)                                                                                  \
    struct {                                                                                       \
        type *v;                                                                                   \
        size_t n, cap;                                                                             \
    }
/* Room for one more; -ENOMEM.  Then v[n++] = ...; */
#define VEC_ROOM(vec) claims_grow((void **)&(vec)->v, &(vec)->cap, (vec)->n, sizeof(*(vec)->v))
MUST_CHECK int claims_grow(void **v, size_t *cap, size_t n, size_t size);

/* ---- records found by a random id (ids.c) ---- */
struct ids {
    VEC(uint8_t *) chunk; /* of records, which begin with their id */
    size_t n, size;       /* records, bytes of one */
    uint32_t *slot;       /* tag of the id | number of the record + 1; 0: empty */
    size_t slots;
    uint32_t number; /* mask of the number's bits */
    uint64_t key[2];
};
void ids_init(struct ids *t, size_t size);
void ids_free(struct ids *t);
void *ids_at(const struct ids *t, size_t i);
/* The record of id, or n if there is none. */
size_t ids_find(const struct ids *t, const struct id128 *id);
/* A record of zeros for an id that is not there yet; *out is its number.  -ENOMEM, -E2BIG. */
MUST_CHECK int ids_add(struct ids *t, const struct id128 *id, size_t *out);
uint64_t ids_bytes(const struct ids *t); /* of memory, spare room included */

/* ---- submissions and copies (subs.c, refs.c): values; what lies in memory is smaller ---- */
enum { SUB_ORDERED = 1, SUB_FILE = 2 };
#define STATEMENT_NONE 0x3fffU /* statements of a site are numbered below this */
struct sub_rec {
    struct id128 id;
    uint32_t accepted;  /* leaf, NONE: not (yet) seen accepted */
    uint32_t erased;    /* leaf, NONE: lives */
    uint32_t erased_at; /* minutes */
    uint32_t final_epoch;
    uint16_t country;
    uint16_t statement; /* index among the site's, STATEMENT_NONE: unknown */
    uint8_t site, erased_site, flags;
};
struct ref_rec {
    struct id128 id;
    uint32_t placed, removed; /* leaves */
    uint32_t when;            /* minutes: placed */
    uint32_t scanned;         /* minutes; NONE: not scanned */
    uint8_t site;
};
struct sub_aside {
    uint32_t accepted, erased, erased_at, final_epoch;
    uint8_t erased_site;
};
struct ref_aside { /* and, where the minute of the scan is aside too, a second one: {scanned, 0} */
    uint32_t placed, removed;
};
struct minute_of { /* copies placed from this leaf on say this minute */
    uint32_t leaf, minute;
};

/* ---- documents ---- */
struct doc_register {
    struct digest doc;
    struct people *people; /* NULL: its artifact is missing or refused */
    uint64_t leaf;
};
struct doc_policy {
    struct digest doc;
    struct policy *policy; /* NULL as above */
    uint64_t leaf, serial;
    unix_time valid_from;
};
struct doc_statement {
    struct digest doc;
    unsigned scopes;
    uint32_t erase_within; /* days */
    uint32_t withdrawn;    /* leaf, NONE */
};

/* ---- what else a site's leaves say ---- */
struct epoch {
    uint64_t epoch;
    uint32_t opened, destroyed;       /* leaves */
    uint32_t opened_at, destroyed_at; /* minutes */
    uint64_t slots_erased;            /* copies of slot.destroyed whose ground is "erased" */
    uint64_t subs_erased;             /* submission.erased that name it as final */
};
struct release {
    struct digest release;
    char engine[33];
    uint32_t leaf;
};
struct loaded { /* rules.loaded, once there is a release */
    struct digest tree;
    char engine[33];
    uint32_t leaf;
};
/* rules_four_eyes.c: what was proposed and what passed the tests; releases as their leaves say. */
struct proposal {
    struct id128 change;
    struct digest tree, base;
    struct id128 author; /* of the document */
    bool first;          /* has no base */
    bool sound;          /* the document was read and is its author's */
    bool passed;         /* gates.passed names it and its tree */
    bool released;       /* at least once: people may approve it again later */
    struct digest report;
};
struct rules_rel {
    struct digest doc, tree;
    uint64_t serial, allows;
    bool withdrawn; /* detect_neutral.c: an override took it back */
    bool detect;    /* published as what detects only */
    uint32_t leaf;
};
struct attested { /* replay.attested whose document is what its leaf says */
    struct digest scan, release;
    uint64_t scan_leaf;
    uint32_t leaf;
    unsigned attester; /* of the trust file; TRUST_ATTESTERS: not named there */
    bool same;
};
struct built { /* product.published */
    struct digest doc, output;
    struct digest *file; /* its artifacts; NULL: another product than the trust file's `software`,
                            or not known to be what its leaf says */
    size_t files;
    char name[33];
    uint64_t serial;
    uint32_t leaf;
};
struct rebuild { /* rebuild.attested whose document is what its leaf says */
    struct digest product;
    uint32_t leaf;
    unsigned builder; /* of the trust file; TRUST_BUILDERS: not named there */
    enum compare_class verdict;
    bool transplanted; /* identical with the published signature put onto what was built */
};
struct started { /* process.started: an executable, when it was first told, how often */
    struct digest binary;
    char part[33];
    uint32_t leaf;
    uint64_t times;
};
struct placed_release { /* release.published, and the zone the policy names for rules then */
    struct digest doc;
    char zone[9]; /* "": none */
    uint32_t leaf;
};
struct trip { /* breaker.tripped */
    struct digest release;
    bool over; /* detect_neutral.c: an override set it going again */
};
struct inventory {
    uint16_t country; /* COUNTRY_COUNT: the whole site */
    uint32_t leaf, at_size, when;
    uint64_t count, live; /* live: copies at at_size by the leaves (whole site) */
    bool empty_root;
};
struct move {
    struct id128 id;
    uint16_t country;
    char from[17], to[17];
    struct digest policy, doc, set_root;
    uint64_t cut, count, epoch;
    uint32_t leaf, when; /* of the leaf that says so */
};
enum move_step { MOVE_OPENED, MOVE_RECEIVED, MOVE_CLOSED, MOVE_STEPS };

struct checkpoint {
    uint64_t size;
    unix_time early; /* earliest witness time, of outsiders if there are any; 0: none */
    bool outside;    /* an outsider cosigned */
};
/* A root that somebody else holds: an archived checkpoint, a receipt's, a remembered one. */
struct stop {
    uint64_t size;
    struct digest root;
    const char *name; /* file, lent; NULL: archived */
    bool final;       /* quorum */
    bool known;       /* the state's */
};
/* The tree whose signatures an earlier audit verified; size 0: none. */
struct known {
    uint64_t size;
    struct digest root;
    bool confirmed; /* the leaves read now have that root */
};

struct site {
    const struct trust_site *trust;
    const char *dir;
    unsigned number;
    struct tlog_tiles *tiles;
    uint64_t size; /* of the newest checkpoint */
    struct digest root;
    VEC(struct stop) stop;
    struct known known; /* audit_state.c */
    bool final;         /* the newest checkpoint has the quorum */
    bool sound;         /* read to its end, and that is the newest checkpoint's tree, final */
    uint64_t checkpoints;
    unix_time as_of; /* newest witness time, or the last leaf's time */
    bool inside;     /* a checkpoint without an outsider's cosignature */
    bool done;       /* read to its end */

    /* while reading */
    uint64_t index;           /* of the leaf in hand */
    struct checkpoint before; /* the last one that does not cover it */
    struct checkpoint cover;  /* the first one that does */
    unix_time last;           /* greatest leaf time so far */
    bool closed;              /* ledger.closed was read */

    /* people_register.c */
    VEC(struct doc_register) registers;
    struct register_diff expect; /* changes of the newest register not yet seen as leaves */
    size_t expect_left;
    /* policy_uniform.c */
    VEC(struct doc_policy) policies;
    bool accepted_any; /* residency_placement.c */
    /* intake_consent.c */
    VEC(struct doc_statement) statements;
    /* residency_placement.c */
    VEC(struct inventory) inventories;
    VEC(struct minute_of) minutes; /* refs.c */
    /* residency_relocation.c */
    VEC(struct move) moves[MOVE_STEPS];
    /* vault_erasure.c */
    VEC(struct epoch) epochs;
    VEC(struct id128) removed; /* copy.removed since the last slot.destroyed */
    uint64_t removed_erased;   /* of these, with ground "erased" */
    uint64_t moved_slots;      /* all copy.removed with ground "moved" */
    uint64_t removed_leaf;     /* the first leaf of `removed` */
    /* detect_explained.c */
    VEC(struct release) releases;
    uint64_t judged; /* copies here now that have a verdict */
    /* detect_renewed.c */
    VEC(struct id128) renewed; /* scan.done of copies that had a verdict, since the last summary */
    VEC(struct trip) trips;
    uint64_t turned; /* of `renewed`, malicious, by the rules that serve */
    uint64_t verdicts_renewed;
    bool tells_mode;               /* its leaves are of a program that says what only detects */
    bool rescan_due;               /* other rules were loaded, and no summary followed */
    VEC(struct attested) attested; /* detect_reproduced.c */
    /* rules_four_eyes.c; detect_neutral.c counts overrides in them */
    VEC(struct proposal) proposals;
    VEC(struct rules_rel) rules;
    uint64_t allowed;             /* detect_neutral.c: entries allowed since the newest release */
    VEC(struct built) built;      /* build_provenance.c */
    VEC(struct rebuild) rebuilds; /* build_reproduced.c */
    VEC(struct placed_release) placed; /* build_placement.c */
    VEC(struct started) started;       /* site_software.c */
    /* rules_unbroken.c */
    VEC(struct loaded) loaded;
    struct {
        struct published *last; /* the last that could be read; NULL: none yet */
        uint32_t leaf;          /* of it */
        uint64_t serial, n;     /* of the last one, readable or not; how many */
    } served;
};

/* Leaves to look at again when everything has been read. */
struct later {
    uint32_t sub, leaf, when;
    uint8_t site, ground;
};

/* A receipt's opening joins a submission to its copy. */
struct joined {
    struct id128 sub, ref;
    uint8_t site;
    const char *name; /* the receipt's file, lent */
};

/* The claims, in the order in which they see a leaf. */
enum claim_id {
    CLAIM_APPEND_ONLY,
    CLAIM_TIME,
    CLAIM_REGISTER,
    CLAIM_POLICY,
    CLAIM_PLACEMENT,
    CLAIM_CONSENT,
    CLAIM_LOOKUPS,
    CLAIM_RELOCATION,
    CLAIM_ERASURE,
    CLAIM_EXPLAINED,
    CLAIM_RENEWED,
    CLAIM_REPRODUCED,
    CLAIM_FOUR_EYES,
    CLAIM_UNBROKEN,
    CLAIM_NEUTRAL,
    CLAIM_PROVENANCE,
    CLAIM_REBUILT,
    CLAIM_PLACE,
    CLAIM_SOFTWARE,
    CLAIMS
};

struct pool;
struct audit {
    const struct trust *trust;
    const struct audit_options *options;
    struct site *site; /* by number; one for each source */
    size_t sites;
    struct audit_result result[CLAIMS];
    uint64_t order;        /* of what is found and queued, in the order of the ledgers */
    uint64_t told[CLAIMS]; /* when what the result says was found */
    bool distrust;         /* nothing of the state is used */
    bool contradicted;     /* a ledger is not what the state remembers, or shorter */
    char *warning[2];
    size_t warnings;
    struct pool *pool;
    uint64_t verified, known, bad_signatures;
    uint64_t done, total; /* leaves, for progress */

    struct ids sub_ids; /* residency_placement.c; intake_consent.c fills in `statement` */
    VEC(struct sub_aside) subs_aside;
    struct ids ref_ids; /* residency_placement.c; detect_explained.c fills in `scanned` */
    VEC(struct ref_aside) refs_aside;
    size_t sub;                    /* the leaf in hand is about this record; NONE else */
    bool again;                    /* detect_explained.c: and its copy had a verdict before */
    VEC(struct digest) approved;   /* documents, of all ledgers */
    VEC(struct joined) joined;     /* openings of receipts */
    VEC(struct later) withdrawals; /* intake_consent.c */
    VEC(struct later) orders;      /* vault_erasure.c */
    VEC(struct id128) scratch;
    size_t attesters, strangers; /* detect_reproduced.c: who count, attestations by others */
    /* build_reproduced.c: who count, at least how many a product, rebuilds of theirs that are not
     * identical, rebuilds by others */
    size_t builders, least_builders, differing, outside_builders, transplanted;
    /* counts by country, made by counts_build before the claims' `end` */
    struct counts *counts;
};

struct claim {
    const char *name;
    enum audit_basis basis;
    const char *unit, *one;    /* "moves", "move" */
    const uint8_t *assumption; /* ended by 0 */
    uint64_t kinds;            /* 1 << enum leaf_kind: what it reads */
    /* Each may be absent.  Nonzero only for what stops the whole audit (-ENOMEM and the like). */
    int (*leaf)(struct audit *a, struct site *s, const struct leaf *l);
    int (*end)(struct audit *a);
    void (*sentence)(const struct audit *a, char *out, size_t n); /* for PROVED */
    const char *(*nothing)(const struct audit *a); /* why n is 0, if that is not the usual reason */
};
extern const struct claim *const claims_table[CLAIMS];
extern const struct claim claims_ledger_append_only, claims_ledger_time, claims_people_register,
    claims_policy_uniform, claims_residency_placement, claims_intake_consent, claims_intake_lookups,
    claims_residency_relocation, claims_vault_erasure, claims_detect_explained,
    claims_detect_renewed, claims_detect_reproduced, claims_rules_four_eyes, claims_rules_unbroken,
    claims_detect_neutral, claims_build_provenance, claims_build_reproduced, claims_build_placement,
    claims_site_software;
/* detect_renewed.c: people decided that this release goes on although its breaker tripped. */
void claims_trip_over(struct site *s, const struct digest *release);
#define READS(kind) (1ULL << LK_##kind)

/* ---- saying what was found: the first BROKEN stays, BROKEN goes before UNKNOWN.  First in the
 * order of a->order, which is that of the ledgers: a signature is judged later than it was met, and
 * how much later must not show. ---- */
void claims_broken(struct audit *a, enum claim_id c, const struct site *s, uint64_t leaf,
                   const char *fmt, ...) PRINTF_LIKE(5, 6);
void claims_unknown(struct audit *a, enum claim_id c, const struct site *s, uint64_t leaf,
                    const char *fmt, ...) PRINTF_LIKE(5, 6);
/* As claims_broken, found when a->order was `order`. */
void claims_broken_at(struct audit *a, uint64_t order, enum claim_id c, const struct site *s,
                      uint64_t leaf, const char *fmt, ...) PRINTF_LIKE(6, 7);
/* "1 move", "2 moves" */
static inline const char *claims_noun(uint64_t n, const char *one, const char *many)
{
    return n == 1 ? one : many;
}
static inline void claims_count(struct audit *a, enum claim_id c, uint64_t n)
{
    a->result[c].n += n;
}

/* ---- reading a ledger (read.c) ---- */
MUST_CHECK int claims_ledger_open(struct audit *a, struct site *s, struct err *e);
MUST_CHECK int claims_ledger_read(struct audit *a, struct site *s, struct err *e);
void claims_ledger_close(struct site *s);
/* A leaf already read, once more; borrowed until the next call on the same site. */
MUST_CHECK int claims_ledger_leaf(struct site *s, uint32_t index, struct leaf *out);
struct site *claims_site(struct audit *a, const char *name); /* NULL: not audited */

/* ---- the state of an earlier audit (audit_state.c) ---- */
/* Reads options->state: what is known of each site, and its roots among the stops. */
MUST_CHECK int claims_state_take(struct audit *a, struct err *e);
bool claims_state_confirmed(const struct audit *a);
/* Has an earlier audit verified the signature in that leaf? */
static inline bool claims_is_known(const struct site *s, uint64_t leaf)
{
    return leaf < s->known.size;
}

/* ---- records (subs.c, refs.c, records.c) ---- */
void subs_init(struct audit *a);
void refs_init(struct audit *a);
size_t subs_count(const struct audit *a);
size_t refs_count(const struct audit *a);
/* The number of an id's record, made empty if there is none. */
MUST_CHECK int subs_of(struct audit *a, const struct id128 *id, size_t *out);
MUST_CHECK int refs_of(struct audit *a, const struct id128 *id, size_t *out);
const struct id128 *refs_id(const struct audit *a, size_t i);
struct sub_rec subs_get(const struct audit *a, size_t i);
struct ref_rec refs_get(const struct audit *a, size_t i);
MUST_CHECK int subs_put(struct audit *a, size_t i, const struct sub_rec *r);
/* A copy with a `placed` was told to refs_placed before. */
MUST_CHECK int refs_put(struct audit *a, size_t i, const struct ref_rec *r);
MUST_CHECK int refs_placed(struct site *s, uint32_t leaf, uint32_t minute);
bool subs_find(const struct audit *a, const struct id128 *id, struct sub_rec *out);
bool refs_find(const struct audit *a, const struct id128 *id, struct ref_rec *out);
void records_free(struct audit *a);
uint64_t records_bytes(const struct audit *a);
/* A site of the trust file whose ledger was not given, or NULL: then something that no ledger tells
 * is missing (UNKNOWN) rather than wrong. */
const char *claims_absent(const struct audit *a);
/* The statement a submission was accepted under, or NULL. */
const struct doc_statement *claims_statement(const struct audit *a, const struct sub_rec *r);
/* Has the submission's key signed what leaf `leaf` of s (consent.withdrawn, erase.ordered) says?
 * Queued; a failure is claim c's. */
MUST_CHECK int claims_check_signature(struct audit *a, enum claim_id c, struct site *s,
                                      uint32_t leaf, const struct sub_rec *r, bool erase);

/* ---- documents (documents.c) ---- */
/* Reads artifact/sha256/<doc> and its envelope, of kind k.  -ENOENT and -EBADMSG have been told to
 * claim c already (UNKNOWN and BROKEN) and give 1; 0 gives *out. */
MUST_CHECK int claims_document(struct audit *a, struct site *s, enum claim_id c, enum document k,
                               const struct digest *doc, struct dsse **out);
/* Is env, a document of kind k that the leaf in hand publishes, approved?  What one ledger has
 * shown to be approved is so in every other, which may publish it later.  Failures are told to
 * claim c and give 1. */
MUST_CHECK int claims_approved(struct audit *a, struct site *s, enum claim_id c, enum document k,
                               const struct digest *doc, const struct dsse *env,
                               const struct id128 *author, unix_time t);
bool claims_known_approved(const struct audit *a, const struct digest *doc);
MUST_CHECK int claims_note_approved(struct audit *a, const struct digest *doc);
/* The register in force for what the leaf in hand publishes, or NULL. */
const struct doc_register *claims_register(const struct site *s);
/* The policy in force at t of what s has published so far, or NULL. */
const struct doc_policy *claims_policy(const struct site *s, unix_time t);
/* The witnessed time of the leaf in hand, whose own time is t: the earliest witness time of the
 * first checkpoint that covers it. */
static inline unix_time claims_witnessed(const struct site *s, unix_time t)
{
    return s->cover.early != 0 ? s->cover.early : t;
}

/* ---- counts by country (counts.c), after all ledgers were read ---- */
MUST_CHECK int counts_build(struct audit *a);
void counts_free(struct audit *a);
/* File submissions of a country (COUNTRY_COUNT: all) that site s holds by its first `size` leaves:
 * accepted and received, less erased and closed moves. */
int64_t counts_held(const struct audit *a, const struct site *s, unsigned country, uint64_t size);

/* ---- signatures in threads (pool.c) ---- */
struct pool_job {
    struct ed25519_pub key;
    struct ed25519_sig sig;
    uint8_t text[448]; /* submitter.h's texts are shorter */
    uint16_t n;
    uint8_t site;
    uint32_t leaf;
    enum claim_id claim;
    uint64_t order; /* filled in by pool_put */
};
MUST_CHECK int pool_new(struct pool **out, struct audit *a, unsigned threads);
/* A job to fill in; verified sooner or later.  A signature that fails is claims_broken. */
MUST_CHECK int pool_job(struct pool *p, struct pool_job **out);
void pool_put(struct pool *p);    /* the job is filled in */
void pool_finish(struct pool *p); /* all jobs are verified and told */
void pool_free(struct pool *p);

static inline uint32_t minutes(unix_time t)
{
    return t < 0 ? 0 : (uint32_t)(t / 60);
}
static inline unix_time of_minutes(uint32_t m)
{
    return (unix_time)m * 60;
}

#endif

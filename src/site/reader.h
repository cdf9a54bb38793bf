/* reader.h - what the reader process answers about a document, as bytes on the channel
 * (PR_READ_IS). The reader parses YAML and JSON that people outside signed; the keeper only decodes
 * these fixed records. All numbers big-endian.
 *
 *   READ_REGISTER   u64 serial | u8 has_previous, previous[32] | u32 n | n changes:
 *                   u8 kind | person[16] | org[16] | voucher[16] | u8 vouched | key[32] | u8 role
 *   READ_POLICY     u8 has_previous, previous[32] | placement (residency/placement.h)
 *   READ_STATEMENT  u32 scopes | u32 erase_within | u32 retention | u8 length, language
 *   READ_MOVE       move[16] | country[2] | u8 length, from | u8 length, to | policy[32]
 *   READ_CHANGE     change[16] | author[16] | u8 first | base[32] | tree[32]
 *   READ_REPORT     tree[32] | corpus_root[32] | u64 allows | u8 length, engines
 *   READ_RELEASE    u64 serial | previous[32] | change[16] | author[16] | tree[32] | report[32] |
 *                   u8 mode | u8 urgent | u64 allows
 *   READ_OVERRIDE   u8 ground | u8 asker | u64 count | subject[32]
 *   READ_PUBLISHED  u64 serial | u32 n | n releases that the predecessor does not list: u64 serial
 * | tree[32]
 *   READ_REPLAY     u64 leaf | scan[32] | release[32] | key[32] | u8 same | u8 length, site
 *   READ_PRODUCT    u64 serial | previous[32] | source[32] | recipe[32] | toolchain[32] |
 *                   provenance[32] | sbom[32] | output[32] | u8 length, name | u8 length, site |
 *                   u8 length, zone
 *   READ_REBUILT    product[32] | output[32] | key[32] | u8 verdict */
#ifndef SITE_READER_H
#define SITE_READER_H

#include "assembler/product.h"
#include "assembler/rebuilt.h"
#include "base/clock.h"
#include "base/err.h"
#include "people/register.h"
#include "residency/placement.h"
#include "rules/approval.h"
#include "rules/attestation.h"
#include "rules/change.h"
#include "rules/override.h"
#include "site/config.h"
#include "site/proto.h"
#include "updates/published.h"

struct read_register {
    uint64_t serial;
    bool has_previous;
    struct digest previous;
    size_t n;
    struct register_change *change; /* free with read_register_done */
};
struct read_policy {
    bool has_previous;
    struct digest previous;
    struct placement *placement;
};
struct read_statement {
    unsigned scopes, erase_within, retention; /* set; days; days */
    char language[33];
};
struct read_move {
    struct id128 move;
    char country[3];
    char from[17], to[17];
    struct digest policy;
};

struct read_report {
    struct digest tree, corpus_root;
    uint64_t allows;
    char engines[33];
};

struct read_published {
    uint64_t serial; /* of the newest that is listed */
    size_t n;
    struct published_release *release; /* free with read_published_done */
};

struct read_product {
    uint64_t serial;
    struct digest previous; /* if serial > 1 */
    struct digest source, recipe, toolchain, provenance, sbom, output;
    char name[PRODUCT_NAME_MAX + 1], site[17], zone[9];
};

/* One PR_READ: fd is lent; *is is filled, and on success tail holds the record.  A register with
 * more than about 590 changes does not fit into an answer: -E2BIG, publish it in steps. */
void reader_read(const struct config *c, const struct pm_read *ask, int fd, struct pm_read_is *is,
                 struct buf *tail);

/* Decoders for the keeper: 0 or -EBADMSG. */
MUST_CHECK int read_register_decode(struct span s, struct read_register *out);
void read_register_done(struct read_register *r);
MUST_CHECK int read_policy_decode(struct span s, struct read_policy *out);
MUST_CHECK int read_statement_decode(struct span s, struct read_statement *out);
MUST_CHECK int read_move_decode(struct span s, struct read_move *out);
MUST_CHECK int read_change_decode(struct span s, struct rules_change *out);
MUST_CHECK int read_report_decode(struct span s, struct read_report *out);
MUST_CHECK int read_release_decode(struct span s, struct rules_release *out);
MUST_CHECK int read_override_decode(struct span s, struct rules_override *out);
MUST_CHECK int read_published_decode(struct span s, struct read_published *out);
void read_published_done(struct read_published *r);
MUST_CHECK int read_replay_decode(struct span s, struct attestation *out); /* what stands above */
MUST_CHECK int read_product_decode(struct span s, struct read_product *out);
MUST_CHECK int read_rebuilt_decode(struct span s, struct rebuilt *out);

/* Encoders for the reader. */
MUST_CHECK int read_register_encode(const struct read_register *r, struct buf *out);
MUST_CHECK int read_policy_encode(const struct read_policy *p, struct buf *out);
MUST_CHECK int read_statement_encode(const struct read_statement *r, struct buf *out);
MUST_CHECK int read_move_encode(const struct read_move *m, struct buf *out);
MUST_CHECK int read_change_encode(const struct rules_change *r, struct buf *out);
MUST_CHECK int read_report_encode(const struct read_report *r, struct buf *out);
MUST_CHECK int read_release_encode(const struct rules_release *r, struct buf *out);
MUST_CHECK int read_override_encode(const struct rules_override *r, struct buf *out);
MUST_CHECK int read_published_encode(const struct read_published *r, struct buf *out);
MUST_CHECK int read_replay_encode(const struct attestation *a, struct buf *out);
MUST_CHECK int read_product_encode(const struct read_product *p, struct buf *out);
MUST_CHECK int read_rebuilt_encode(const struct rebuilt *r, struct buf *out);

#endif

/* policy.h - the residency policy: which country's files belong to which zone, since when and until
 * when they must have moved, and what is equal in every zone.
 * The document, every field and every refusal: docs/policy.md.
 *
 * policy_check reads a document and collects every problem with line and column; policy_parse is
 * the same for callers who need only the first.  A policy is immutable once read and may be shared
 * by threads.  A *subject* is a country code ("CA") or a reserved subject ("product:NAME",
 * "rules:NAME"; a policy may cover all names of either by "product:*", "rules:*").
 * Times are those of leaves (docs/formats.md); an entry's `from` belongs to it.
 *
 * Errors: -EINVAL with "NAME:LINE:COLUMN: …" for a document that is refused. */
#ifndef RESIDENCY_POLICY_H
#define RESIDENCY_POLICY_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"

#define POLICY_MAX_ZONES 64
#define POLICY_MAX_SITES 64    /* of one zone */
#define POLICY_MAX_ENTRIES 64  /* of one placement's timeline */
#define POLICY_MAX_PROBLEMS 20 /* that policy_check keeps */

struct policy;

struct policy_problems {
    struct err *v; /* v[0..n) in the order of the document */
    size_t n;
    size_t more; /* found beyond POLICY_MAX_PROBLEMS */
};
/* 0 and *out, or -EINVAL and at least one problem.  Release the problems either way. */
MUST_CHECK int policy_check(struct policy **out, const char *name, struct span text,
                            struct policy_problems *p);
void policy_problems_done(struct policy_problems *p);
/* One line a problem, then "N problems". Nothing when there are none. */
MUST_CHECK int policy_problems_text(const struct policy_problems *p, struct buf *out);

MUST_CHECK int policy_parse(struct policy **out, const char *name, struct span text, struct err *e);
void policy_free(struct policy *p);

uint64_t policy_serial(const struct policy *p);
const struct digest *policy_previous(const struct policy *p); /* NULL exactly in serial 1 */
const struct id128 *policy_author(const struct policy *p);
unix_time policy_valid_from(const struct policy *p);

/* What is equal in every zone, or in one zone after its listed differences. */
enum policy_field { POLICY_RETENTION, POLICY_READ_APPROVALS, POLICY_COPIES, POLICY_SCAN_WITHIN };
struct policy_terms {
    uint64_t retention; /* seconds */
    unsigned read_approvals, copies;
    uint64_t scan_within; /* seconds */
};                        /* consent is "required" in every zone: policy/v1 has no other word */
struct policy_terms policy_uniform(const struct policy *p);
/* -ENOENT: no such zone */
MUST_CHECK int policy_terms_of(const struct policy *p, const char *zone, struct policy_terms *out);
size_t policy_differences(const struct policy *p);
/* "RU: retention is 180d, elsewhere 365d (law)": i < policy_differences */
MUST_CHECK int policy_difference_text(const struct policy *p, size_t i, struct buf *out);

/* Zones and sites, in the order written; names are lent, NULL past the end. */
const char *policy_zone_name(const struct policy *p, size_t i);
const char *policy_site_name(const struct policy *p, const char *zone, size_t i);
const char *policy_zone_of_site(const struct policy *p, const char *site); /* NULL: unknown */

/* The zone of a subject at t; NULL before its first entry, or for a subject the policy does not
 * cover.  Constant time for countries. */
const char *policy_zone(const struct policy *p, const char *subject, unix_time t);

/* One entry of a subject's timeline. */
struct policy_step {
    const char *zone; /* lent */
    unix_time from;
    unix_time move_by; /* 0: none */
};
/* The i-th entry, in order of time; false past the end. */
bool policy_step(const struct policy *p, const char *subject, size_t i, struct policy_step *out);

/* A change of zone with a deadline. */
struct policy_move {
    char country[3];
    const char *from, *to; /* zones, lent */
    unix_time since, by;   /* new files go to `to` from since; the old are there at by */
};
/* The moves running at t (since <= t < by), by country code.  free(3) *out. */
MUST_CHECK int policy_moves(const struct policy *p, unix_time t, struct policy_move **out,
                            size_t *n);
/* Every move of the document, whenever; by country code, then by time. */
MUST_CHECK int policy_moves_all(const struct policy *p, struct policy_move **out, size_t *n);

/* Is next the successor of p, whose envelope's digest is doc?  Serial plus one, previous = doc,
 * takes effect later, and says of the time before that the same as p (history is not rewritten).
 * -EINVAL otherwise. */
MUST_CHECK int policy_follows(const struct policy *p, const struct digest *doc,
                              const struct policy *next, struct err *e);

/* The timeline of a subject as text; -ENOENT with suggestions for an unknown one. */
MUST_CHECK int policy_explain(const struct policy *p, const char *subject, struct buf *out,
                              struct err *e);
/* What b changes: zones, sites, which countries go where and when, which equal value differs. */
MUST_CHECK int policy_diff(const struct policy *a, const struct policy *b, struct buf *out);

#endif

/* story.h - what a ledger tells of the rules: each release with its change, its tests, who approved
 * it, when it was loaded, how many verdicts it made; and what was decided against the rules.
 *
 * The leaves are read from the first to the last and must have the given root; documents are the
 * ledger's own artifacts, by their digests; approvals are counted by the register that was in
 * force, at the leaf's minute.  This is for people who ask: whether all of it holds, witnesses'
 * times included, is what the audit says. */
#ifndef RULES_STORY_H
#define RULES_STORY_H

#include "rules/approval.h"
#include "rules/change.h"
#include "rules/override.h"
#include "rules/report.h"

#define STORY_APPROVERS 16 /* told by name; more are counted */
#define STORY_RELEASES_MAX 100000
#define STORY_OVERRIDES_MAX 1000000

struct story_person { /* a pseudonym of the register, and its organization's */
    struct id128 id, org;
    const char
        *kind; /* of the organization: "vendor", ...; NULL: the register has no such person */
};
struct story_people {
    unsigned counted; /* distinct persons whose signature counts */
    struct story_person by[STORY_APPROVERS];
    char refused[ERR_TEXT_MAX]; /* "": enough of them; else why not, or why it is not known */
};
struct story_release {
    uint64_t leaf;
    unix_time at;
    struct digest doc;         /* the envelope */
    struct rules_release said; /* by the leaf; author by the document */
    struct story_people approved;

    bool proposed; /* its change stands in this ledger */
    unix_time proposed_at;
    struct rules_change change; /* why, ticket, commit: of the document, if that is there */
    struct story_person author;
    bool tested;
    unix_time tested_at;
    bool reported; /* the report is there */
    struct rules_report report;

    unix_time loaded; /* first; 0: not here */
    uint64_t malicious, clean,
        incomplete; /* verdicts by these rules while this was their release */
    bool withdrawn;
};
struct story_override {
    uint64_t leaf;
    unix_time at;
    bool read; /* the document is there: said and why are filled */
    struct rules_override said;
    struct story_people approved;
    char *why; /* owned; may have several lines */
};
struct story {
    char site[17];
    struct story_release *release; /* in the order of the ledger */
    size_t releases, release_room;
    struct story_override *override;
    size_t overrides, override_room;
    uint64_t unknown; /* leaves of kinds that this program does not know */
    unix_time last;   /* of the newest leaf */
};

/* -EBADMSG: the leaves do not have that root, or one is malformed; -E2BIG; -ENOENT and others of
 * the environment. */
MUST_CHECK int story_read(struct story **out, const char *dir, uint64_t size,
                          const struct digest *root, struct err *e);
void story_free(struct story *s);

#endif

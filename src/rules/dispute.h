/* dispute.h - somebody says that a file is hit wrongly.  A dispute has a deadline: until then it is
 * looked into, and whether the file is still hit is only told; from then on the file is a test like
 * any other that must not be hit, unless the dispute was settled otherwise before. docs/formats.md,
 * "Rules: dispute".
 *
 * A folder of disputes holds for each SHA256.yaml, the dispute, and SHA256.file, the file. */
#ifndef RULES_DISPUTE_H
#define RULES_DISPUTE_H

#include "base/clock.h"
#include "rules/corpus.h"
#include "rules/override.h"

#define DISPUTE_WHY_MAX 400 /* bytes */
#define DISPUTE_DAYS_MAX 366

enum dispute_settled {
    DISPUTE_OPEN,
    DISPUTE_CLEAN,     /* it must not be hit */
    DISPUTE_MALICIOUS, /* the rule is right: it must be hit */
};
const char *dispute_word(enum dispute_settled s); /* "none", "clean", "malicious" */
MUST_CHECK int dispute_of_word(const char *word, enum dispute_settled *out);

struct dispute {
    struct digest file;
    enum rules_asker asker;
    unix_time opened, due;
    char why[DISPUTE_WHY_MAX + 1]; /* one line */
    enum dispute_settled settled;
};
/* -EINVAL with line and column */
MUST_CHECK int dispute_parse(struct dispute *out, const char *name, struct span text,
                             struct err *e);
MUST_CHECK int dispute_write(const struct dispute *d, struct buf *out);

/* What becomes of the file in a test at that time. */
enum dispute_test { DISPUTE_TOLD, DISPUTE_MUST_NOT, DISPUTE_MUST };
enum dispute_test dispute_test(const struct dispute *d, unix_time now);

struct dispute_counts {
    size_t open, clean,
        malicious;  /* by what they are in a test: told only, must not, must be hit */
    unix_time next; /* the nearest deadline of the open ones; 0: none */
};
/* Every dispute of a folder, in the order of the names.  -EINVAL: a dispute that cannot be read, or
 * whose file is not there or another. */
MUST_CHECK int dispute_add(struct corpus *c, const char *folder, unix_time now,
                           struct dispute_counts *out, struct err *e);

#endif

/* rig_rules.h - a rule team: a folder of rules, and the documents that make a release of it, signed
 * by the rig's people and handed to a site as an administrator does. */
#ifndef E2E_RIG_RULES_H
#define E2E_RIG_RULES_H

#include "rig.h"
#include "rules/approval.h"
#include "rules/change.h"
#include "rules/override.h"

#define RIG_AUTHOR 2 /* person; 0 and 1 approve */

/* dir: a template of mkdtemp; it is made, for everybody to read. */
void rig_rules_make(char *dir);
void rig_rules_remove(const char *dir);                             /* with all files in it */
void rig_rule(const char *dir, const char *name, const char *text); /* text NULL: remove it */
struct digest rig_rules_tree(const char *dir);

/* A release on its way.  `by` below: numbers of persons, ended by -1; refusal NULL: it is taken,
 * else it is refused with these words. */
struct rig_release {
    struct rules_change change;
    struct rules_release release; /* its mode and allows are the caller's */
    struct buf env;
    struct digest doc;
};
extern const int rig_by_author[], rig_by_two[];
void rig_propose(struct rig *r, size_t site, struct rig_release *n, const struct digest *tree,
                 const struct digest *base, const int *by, const char *refusal);
void rig_report(struct rig *r, size_t site, struct rig_release *n, const struct digest *of,
                uint64_t missed, const char *refusal);
void rig_release(struct rig *r, size_t site, struct rig_release *n,
                 const struct rig_release *before, const int *by, const char *refusal);
void rig_override(struct rig *r, size_t site, enum rules_ground ground,
                  const struct digest *subject, uint64_t count, const int *by, const char *refusal);
/* Any document, as an administrator hands it in. */
void rig_publish(struct rig *r, size_t site, enum proto_read what, const struct buf *env,
                 const char *refusal);
/* All three of what the folder holds now, on the release before. */
void rig_release_folder(struct rig *r, size_t site, struct rig_release *n, const char *dir,
                        const struct rig_release *before);

#endif

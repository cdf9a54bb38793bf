/* scene.h - a generated history in a temporary folder, and ways to audit parts and changes of it.
 */
#ifndef TESTS_CLAIMS_SCENE_H
#define TESTS_CLAIMS_SCENE_H

#include "betray/history.h"
#include "betray/tale.h"
#include "claims/audit.h"

enum { ZRH, MOW };

struct scene {
    char dir[64];
    char path[4][128]; /* zrh1, mow1, trust.yaml, a copy */
    struct trust *trust;
};

/* spec NULL: the empty history */
void scene_make(struct scene *s, const struct history_spec *spec);
void scene_remove(struct scene *s);
struct audit *scene_audit(const struct scene *s, const struct audit_options *o);
/* Ledger `site` of the scene as a tale, and an audit in which the tale stands in its place (NULL:
 * the other ledger alone). */
void scene_tale(const struct scene *s, int site, struct tale *t);
struct audit *scene_audit_with(const struct scene *s, int site, const struct tale *t);

#endif

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
    char path[5][128]; /* zrh1, mow1, trust.yaml, a copy, a copy of the other */
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
/* The same with the ledgers in the order of scene_audit. */
struct audit *scene_audit_as(const struct scene *s, int site, const struct tale *t);
/* An audit of two tales. */
struct audit *scene_audit_both(const struct scene *s, const struct tale *const t[2],
                               const struct audit_options *o);

#endif

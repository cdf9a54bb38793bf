/* tree.h - what a file held: its members, each with its parent, hash and verdict, as one record
 * that is kept sealed beside the verdict and dies with the file.  docs/detection.md is the format.
 *
 * A record has at most TREE_MAX bytes.  Where there are more members than fit it lists the
 * malicious ones with what they lie in, then the incomplete ones, then the first of the others, and
 * says how many there were. */
#ifndef DETECT_TREE_H
#define DETECT_TREE_H

#include "detect/verdict.h"

#define TREE_MAX 32768u
#define TREE_NAME_MAX 255u
#define TREE_HITS_MAX 512u /* bytes of rule names a member */

struct tree_member {
    uint32_t number, parent; /* from 1, in the order of the walk; parent 0: the file itself */
    enum verdict verdict;
    enum verdict_reason reason;
    uint64_t size;
    struct digest sha256;
    struct span name;  /* as the container spells it: any bytes */
    struct span names; /* of rules, as in a finding; cut at a line feed */
};
struct tree {
    uint32_t members; /* all there were */
    uint32_t listed;
    struct cur rest; /* for tree_next */
};

/* The record of n members; `of` fills the i-th (0 ≤ i < n; numbers are i + 1). */
typedef void tree_member_fn(void *arg, uint32_t i, struct tree_member *out);
MUST_CHECK int tree_write(struct buf *out, uint32_t n, tree_member_fn *of, void *arg);
/* Lends from s.  Reading to the end: tree_next is 1, then 0; -EBADMSG. */
MUST_CHECK int tree_read(struct tree *t, struct span s);
MUST_CHECK int tree_next(struct tree *t, struct tree_member *out);

#endif

/* walk.h - what a file holds: every member of every container in it, at any depth, within one
 * budget of bytes, members and depth; and why, where something was left out.
 *
 * Each container format is asked alone whether the file is its, so that in a file that is two
 * things at once neither hides the other; what stands behind a container's end is looked at as if
 * it were a member.  A zip archive is read twice, by its directory and from its start: what only
 * one of the two knows is a member too. */
#ifndef ENGINE_WALK_WALK_H
#define ENGINE_WALK_WALK_H

#include "passwords.h"
#include "rules.h"

struct walk {
    const struct passwords *passwords;
    struct detect_rules limits;
    struct rules_where *where; /* arena, members so far, bytes in use */
    uint32_t table;            /* members the arena's table has room for */
    /* of the file that is walked */
    uint32_t file;
    uint32_t first;  /* its first member's index */
    uint32_t seen;   /* members and what else the containers list */
    uint64_t bytes;  /* taken out */
    uint32_t listed; /* first member of the container being read */
    enum verdict_reason reason;
    bool stop; /* the budget is spent */
};

/* Walks one file.  REASON_NONE: everything in it is in the arena; else what was first in the order
 * of docs/events.md among the things that went wrong. */
enum verdict_reason walk_file(struct walk *w, uint32_t index, struct span file);

/* For formats.c. */
void walk_worse(struct walk *w, enum verdict_reason why);
struct detect_member *walk_member(const struct walk *w, uint32_t index);
struct span walk_content(const struct walk *w, uint32_t index);
/* A new member begins (-E2BIG: the budget is spent); its bytes are appended; it ends.  same: drop
 * it if the container listed one with the same bytes already. */
MUST_CHECK int walk_begin(struct walk *w, uint32_t parent, uint32_t depth, struct span name);
uint8_t *walk_room(struct walk *w, size_t *n); /* where the next bytes go; *n 0: none left */
void walk_grow(struct walk *w, size_t n);
void walk_end(struct walk *w, enum verdict_reason why, bool same);
void walk_drop(struct walk *w); /* instead of walk_end: as if it had not begun */
/* The i-th member that the container being read has listed so far; none: empty. */
struct span walk_listed(const struct walk *w, uint32_t i);

#endif

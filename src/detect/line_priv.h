/* line_priv.h - a batch on its way through the line.
 *
 * A batch is walked in parts: as many of its files as the walk's memory holds the members of.  The
 * units of a part are its files, then their members; every engine is sent every unit. */
#ifndef DETECT_LINE_PRIV_H
#define DETECT_LINE_PRIV_H

#include "detect/batch_priv.h"
#include "detect/line.h"

enum part_step { PART_WAITING, PART_WALKING, PART_HASHING, PART_SCANNING };

struct part {
    enum part_step step;
    uint32_t from, to; /* files of the batch */
    struct detect_members table;
    int fd;
    const uint8_t *map;
    uint32_t units; /* files and members */
    struct finding *found;
    bool *lost;          /* by unit */
    bool *done;          /* by unit: known by its hash, no engine is asked */
    struct digest *sha;  /* by member */
    uint32_t hashed;     /* members */
    uint64_t hashed_of;  /* bytes of the next one */
    struct sha256 *hash; /* while it is in the middle of one */
    uint32_t sent[DETECT_LINE_ENGINES], answered[DETECT_LINE_ENGINES];
    mono_ms began;
};

struct work {
    struct work *next;
    uint64_t serial;
    struct detect_batch *batch; /* sealed */
    uint32_t walked;            /* results of the walk so far, in this part */
    struct part part;
};

struct line_engine {
    struct detect_client *client;
    bool walks;
    char name[DETECT_LABEL_MAX + 1];
};

struct answered {
    struct answered *next;
    struct detect_line_result result;
};

struct detect_line {
    const struct release *release;
    struct detect_limits limits;
    struct line_engine engine[DETECT_LINE_ENGINES];
    size_t engines;
    int walk; /* index, -1: containers are not opened */
    char label[DETECT_LABEL_MAX + 1];
    struct work *works, **last;
    size_t n_works;
    uint64_t serial;
    struct answered *first, **end;
    struct detect_counts counts;
};

/* --- line_part.c --- */
struct detect_member line_part_member(const struct part *p, uint32_t i);
void line_part_init(struct part *p, uint32_t from, uint32_t to);
void line_part_free(struct part *p);
/* Without members (fd -1), or with those that the walk told: takes fd.  -EPROTO: the table lies. */
MUST_CHECK int line_part_open(struct part *p, const struct detect_members *t, int fd);
/* Hashes members, at most *bytes of them, and takes off what it did; true: all are. */
bool line_part_hash(struct part *p, const struct release *r, uint64_t *bytes);
/* The finding and the tree of the part's i-th file. */
MUST_CHECK int line_part_result(struct part *p, uint32_t i, struct detect_line_result *out);

#endif

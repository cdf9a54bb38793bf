#include "walk.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "formats.h"
#include "kinds.h"

void walk_worse(struct walk *w, enum verdict_reason why)
{
    if (why != REASON_NONE && (w->reason == REASON_NONE || why < w->reason))
        w->reason = why;
}

struct detect_member *walk_member(const struct walk *w, uint32_t index)
{
    return (struct detect_member *)(void *)w->where->arena + index;
}

struct span walk_content(const struct walk *w, uint32_t index)
{
    const struct detect_member *m = walk_member(w, index);

    return span_of(w->where->arena + m->offset, (size_t)m->size);
}

/* --- members --- */

int walk_begin(struct walk *w, uint32_t parent, uint32_t depth, struct span name)
{
    struct rules_where *a = w->where;
    size_t n = name.n < DETECT_MEMBER_NAME ? name.n : DETECT_MEMBER_NAME;
    struct detect_member *m;

    if (w->seen >= w->limits.members || a->members >= w->table) {
        walk_worse(w, REASON_FILES);
        w->stop = true;
        return -E2BIG;
    }
    if (n > a->arena_size - a->used) {
        walk_worse(w, REASON_SIZE);
        w->stop = true;
        return -E2BIG;
    }
    w->seen++;
    m = walk_member(w, a->members);
    memset(m, 0, sizeof(*m));
    m->file = w->file;
    m->parent = parent;
    m->depth = depth;
    m->name_at = a->used;
    m->name_len = (uint32_t)n;
    if (n > 0)
        memcpy(a->arena + a->used, name.p, n);
    a->used += n;
    m->offset = a->used;
    return 0;
}

uint8_t *walk_room(struct walk *w, size_t *n)
{
    uint64_t budget = w->limits.member_bytes - w->bytes;
    uint64_t room = w->where->arena_size - w->where->used;

    *n = (size_t)(budget < room ? budget : room);
    if (*n == 0) {
        walk_worse(w, REASON_SIZE);
        w->stop = true;
    }
    return w->where->arena + w->where->used;
}

void walk_grow(struct walk *w, size_t n)
{
    w->where->used += n;
    w->bytes += n;
    walk_member(w, w->where->members)->size += n;
}

/* Lists this container's other reading the same bytes?  The same order is the rule. */
static bool listed(const struct walk *w, const struct detect_member *m)
{
    for (uint32_t i = w->listed; i < w->where->members; i++) {
        const struct detect_member *o = walk_member(w, i);

        if (o->size == m->size && o->parent == m->parent &&
            (m->size == 0 || memcmp(w->where->arena + o->offset, w->where->arena + m->offset,
                                    (size_t)m->size) == 0))
            return true;
    }
    return false;
}

struct span walk_listed(const struct walk *w, uint32_t i)
{
    return i < w->where->members - w->listed ? walk_content(w, w->listed + i) : span_of(NULL, 0);
}

void walk_drop(struct walk *w)
{
    const struct detect_member *m = walk_member(w, w->where->members);

    w->where->used = m->name_at;
    w->bytes -= m->size;
    w->seen--;
}

void walk_end(struct walk *w, enum verdict_reason why, bool same)
{
    struct detect_member *m = walk_member(w, w->where->members);

    m->reason = (uint32_t)why;
    walk_worse(w, why);
    if (same && listed(w, m)) {
        walk_drop(w);
        return;
    }
    w->where->members++;
    if (w->where->told != NULL)
        w->where->told(w->where);
}

/* --- depth --- */

static void look(struct walk *w, struct span content, uint32_t parent, uint32_t depth);

/* Every member that a container gave, once the container itself is closed. */
static void descend(struct walk *w, uint32_t from, uint32_t to, uint32_t depth)
{
    for (uint32_t i = from; i < to && !w->stop; i++)
        look(w, walk_content(w, i), i + 1, depth);
}

/* content is the bytes of member `parent` (0: the file), which is `depth` deep. */
static void look(struct walk *w, struct span content, uint32_t parent, uint32_t depth)
{
    enum verdict_reason before = w->reason, own = REASON_NONE;
    uint32_t from = w->where->members;
    bool opened;

    if (content.n == 0)
        return;
    w->listed = from;
    w->reason = REASON_NONE;
    opened = formats_open(w, content, parent, depth + 1, depth >= w->limits.depth);
    /* also where something was opened: who puts a zip behind it would else hide what it is */
    if (kinds_unopened(content, (w->limits.flags & DETECT_OTHERS_OPEN) != 0, opened))
        walk_worse(w, REASON_UNSUPPORTED);
    own = w->reason;
    if (parent != 0 && own != REASON_NONE)
        walk_member(w, parent - 1)->reason = (uint32_t)own;
    w->reason = before;
    walk_worse(w, own);
    descend(w, from, w->where->members, depth + 1);
}

enum verdict_reason walk_file(struct walk *w, uint32_t index, struct span file)
{
    w->file = index;
    w->first = w->where->members;
    w->seen = 0;
    w->bytes = 0;
    w->reason = REASON_NONE;
    w->stop = false;
    look(w, file, 0, 0);
    return w->reason;
}

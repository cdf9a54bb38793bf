/* index_memory.c - the index in hash tables.  Identifiers are random, so their first bytes are
 * the hash.  Changes are applied at once; begin, commit and rollback only keep the sequence number,
 * which is enough because every change is idempotent. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vault/index.h"

struct slot {
    struct slot *next;
    struct slot *sibling; /* of the same object */
    struct vault_slot_row row;
};

struct object {
    struct object *next;
    struct object *next_tag; /* in the table of tags, when tagged */
    struct id128 id;
    struct digest tag;
    bool tagged;
    struct slot *live;
    uint8_t *extents;
    size_t n;
};

struct seal {
    struct seal *next;
    uint32_t segment;
    uint64_t length;
    struct digest root;
};

#define BUCKETS 16384

struct memory {
    struct vault_index base;
    uint64_t applied;
    struct object *object[BUCKETS];
    struct slot *slot[BUCKETS];
    struct object *tag[BUCKETS];
    struct seal *seal;
};

static struct memory *of(struct vault_index *x)
{
    return (struct memory *)(void *)x;
}

static unsigned bucket(const void *random)
{
    const uint8_t *b = random;

    return ((unsigned)b[0] << 8 | b[1]) % BUCKETS;
}

static struct object **object_at(struct memory *m, const struct id128 *id)
{
    struct object **o = &m->object[bucket(id)];

    while (*o != NULL && memcmp(&(*o)->id, id, sizeof(*id)) != 0)
        o = &(*o)->next;
    return o;
}

static struct slot **slot_at(struct memory *m, const struct id128 *ref)
{
    struct slot **s = &m->slot[bucket(ref)];

    while (*s != NULL && memcmp(&(*s)->row.ref, ref, sizeof(*ref)) != 0)
        s = &(*s)->next;
    return s;
}

static int m_applied(struct vault_index *x, uint64_t *seq)
{
    *seq = of(x)->applied;
    return 0;
}

static int m_begin(struct vault_index *x)
{
    (void)x;
    return 0;
}

static int m_commit(struct vault_index *x, uint64_t seq)
{
    of(x)->applied = seq;
    return 0;
}

static void m_rollback(struct vault_index *x)
{
    (void)x;
}

static int m_put_object(struct vault_index *x, const struct id128 *id, struct span extents)
{
    struct object **o = object_at(of(x), id), *fresh;

    if (*o != NULL)
        return 0;
    fresh = calloc(1, sizeof(*fresh));
    if (fresh == NULL || (fresh->extents = malloc(extents.n + 1)) == NULL) {
        free(fresh);
        return -ENOMEM;
    }
    memcpy(fresh->extents, extents.p, extents.n);
    fresh->n = extents.n;
    fresh->id = *id;
    *o = fresh;
    return 0;
}

static int m_put_slot(struct vault_index *x, const struct vault_slot_row *row)
{
    struct memory *m = of(x);
    struct slot **s = slot_at(m, &row->ref);
    struct object **o = object_at(m, &row->object);

    if (*o == NULL)
        return -ENOENT;
    if (*s == NULL) {
        *s = calloc(1, sizeof(**s));
        if (*s == NULL)
            return -ENOMEM;
        (*s)->sibling = (*o)->live;
        (*o)->live = *s;
    }
    (*s)->row = *row;
    return 0;
}

static int m_rewrap(struct vault_index *x, const struct id128 *ref, uint64_t epoch,
                    const uint8_t wrap[VAULT_WRAP])
{
    struct slot *s = *slot_at(of(x), ref);

    if (s == NULL)
        return -ENOENT;
    s->row.epoch = epoch;
    memcpy(s->row.wrap, wrap, VAULT_WRAP);
    return 0;
}

static int m_drop_slot(struct vault_index *x, const struct id128 *ref)
{
    struct slot **s = slot_at(of(x), ref), *gone = *s;

    struct slot **p;

    if (gone == NULL)
        return 0;
    p = &(*object_at(of(x), &gone->row.object))->live;
    while (*p != gone)
        p = &(*p)->sibling;
    *p = gone->sibling;
    *s = gone->next;
    free(gone);
    return 0;
}

static void untag(struct memory *m, struct object *o)
{
    struct object **p = &m->tag[bucket(&o->tag)];

    if (!o->tagged)
        return;
    while (*p != o)
        p = &(*p)->next_tag;
    *p = o->next_tag;
    o->tagged = false;
}

static int m_put_tag(struct vault_index *x, const struct id128 *id, const struct digest *tag)
{
    struct memory *m = of(x);
    struct object *o = *object_at(m, id);

    if (o == NULL)
        return -ENOENT;
    untag(m, o);
    o->tag = *tag;
    o->tagged = true;
    o->next_tag = m->tag[bucket(tag)];
    m->tag[bucket(tag)] = o;
    return 0;
}

static int m_drop_object(struct vault_index *x, const struct id128 *id)
{
    struct object **o = object_at(of(x), id), *gone = *o;

    if (gone == NULL || gone->live != NULL)
        return 0;
    untag(of(x), gone);
    *o = gone->next;
    free(gone->extents);
    free(gone);
    return 0;
}

static int m_find_slot(struct vault_index *x, const struct id128 *ref, struct vault_slot_row *out)
{
    struct slot *s = *slot_at(of(x), ref);

    if (s == NULL)
        return -ENOENT;
    *out = s->row;
    return 0;
}

static int m_find_object(struct vault_index *x, const struct id128 *id, struct buf *out)
{
    struct object *o = *object_at(of(x), id);

    return o == NULL ? -ENOENT : buf_put(out, o->extents, o->n);
}

static int m_find_tag(struct vault_index *x, const struct digest *tag, struct vault_slot_row *out)
{
    for (struct object *o = of(x)->tag[bucket(tag)]; o != NULL; o = o->next_tag)
        if (o->live != NULL && memcmp(&o->tag, tag, sizeof(*tag)) == 0) {
            *out = o->live->row;
            return 0;
        }
    return -ENOENT;
}

static int m_stale_slots(struct vault_index *x, uint64_t before, struct vault_slot_row *out,
                         size_t max, size_t *n)
{
    *n = 0;
    for (unsigned i = 0; i < BUCKETS; i++)
        for (struct slot *s = of(x)->slot[i]; s != NULL && *n < max; s = s->next)
            if (s->row.epoch < before)
                out[(*n)++] = s->row;
    return 0;
}

/* Keeps the max smallest in order; the tables are not sorted. */
static int m_next_slots(struct vault_index *x, const struct id128 *after,
                        struct vault_slot_row *out, size_t max, size_t *n)
{
    *n = 0;
    for (unsigned i = 0; i < BUCKETS; i++)
        for (struct slot *s = of(x)->slot[i]; s != NULL; s = s->next) {
            size_t at = *n;

            if (after != NULL && memcmp(&s->row.ref, after, sizeof(*after)) <= 0)
                continue;
            while (at > 0 && memcmp(&out[at - 1].ref, &s->row.ref, sizeof(struct id128)) > 0)
                at--;
            if (at >= max)
                continue;
            if (*n < max)
                (*n)++;
            memmove(out + at + 1, out + at, (*n - at - 1) * sizeof(*out));
            out[at] = s->row;
        }
    return 0;
}

static int m_dead_objects(struct vault_index *x, struct id128 *out, size_t max, size_t *n)
{
    *n = 0;
    for (unsigned i = 0; i < BUCKETS; i++)
        for (struct object *o = of(x)->object[i]; o != NULL && *n < max; o = o->next)
            if (o->live == NULL)
                out[(*n)++] = o->id;
    return 0;
}

static struct seal **seal_at(struct memory *m, uint32_t segment)
{
    struct seal **s = &m->seal;

    while (*s != NULL && (*s)->segment != segment)
        s = &(*s)->next;
    return s;
}

static int m_put_seal(struct vault_index *x, uint32_t segment, uint64_t length,
                      const struct digest *root)
{
    struct seal **s = seal_at(of(x), segment);

    if (*s == NULL && (*s = calloc(1, sizeof(**s))) == NULL)
        return -ENOMEM;
    (*s)->segment = segment;
    (*s)->length = length;
    (*s)->root = *root;
    return 0;
}

static int m_drop_seal(struct vault_index *x, uint32_t segment)
{
    struct seal **s = seal_at(of(x), segment), *gone = *s;

    if (gone != NULL) {
        *s = gone->next;
        free(gone);
    }
    return 0;
}

static int m_find_seal(struct vault_index *x, uint32_t segment, uint64_t *length,
                       struct digest *root)
{
    struct seal *s = *seal_at(of(x), segment);

    if (s == NULL)
        return -ENOENT;
    *length = s->length;
    *root = s->root;
    return 0;
}

static void m_free(struct vault_index *x)
{
    struct memory *m = of(x);

    for (unsigned i = 0; i < BUCKETS; i++)
        while (m->slot[i] != NULL)
            (void)m_drop_slot(x, &m->slot[i]->row.ref);
    for (unsigned i = 0; i < BUCKETS; i++)
        while (m->object[i] != NULL)
            (void)m_drop_object(x, &m->object[i]->id);
    while (m->seal != NULL)
        (void)m_drop_seal(x, m->seal->segment);
    free(m);
}

static const struct vault_index_ops memory_ops = {
    .applied = m_applied,
    .begin = m_begin,
    .commit = m_commit,
    .rollback = m_rollback,
    .put_object = m_put_object,
    .put_slot = m_put_slot,
    .rewrap = m_rewrap,
    .drop_slot = m_drop_slot,
    .put_tag = m_put_tag,
    .drop_object = m_drop_object,
    .find_slot = m_find_slot,
    .find_object = m_find_object,
    .find_tag = m_find_tag,
    .stale_slots = m_stale_slots,
    .next_slots = m_next_slots,
    .dead_objects = m_dead_objects,
    .put_seal = m_put_seal,
    .drop_seal = m_drop_seal,
    .find_seal = m_find_seal,
    .free = m_free,
};

int vault_index_memory_new(struct vault_index **out)
{
    struct memory *m = calloc(1, sizeof(*m));

    if (m == NULL)
        return -ENOMEM;
    m->base.ops = &memory_ops;
    *out = &m->base;
    return 0;
}

void vault_index_free(struct vault_index *x)
{
    if (x != NULL && x->ops->free != NULL)
        x->ops->free(x);
}

/* group.c - one commit record, one sync.
 *
 * The order that makes it safe: ciphertext is written first; the record is written into space
 * behind it and starts on a 4 KiB boundary, and so does whatever follows, so that later writes
 * never touch a block of a committed record; then one sync; only then is anything of the group
 * visible, and only then may the next record be written.  So at most one record is ever in doubt:
 * the last one.  Chunks of the next group may be written meanwhile, behind that record: they are
 * known to nobody before their own record. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/secret.h"
#include "vault/vault_priv.h"

#define ZERO_AHEAD (UINT64_C(1) << 20)
#define SMALL_GROUP (UINT64_C(256) << 10)
#define KEPT_ROOM ((size_t)512 << 10) /* of one section, and of the record */

/* The space of aborted puts becomes objects without slots in the group that is begun next. */
static void take_waste(struct vault_group *g)
{
    struct vault *v = g->v;
    struct buf *objects = &v->waste.sec[RECORD_OBJECTS];

    (void)pthread_mutex_lock(&v->lock);
    if (buf_put(&g->d.sec[RECORD_OBJECTS], objects->data, objects->len) == 0) {
        g->d.n[RECORD_OBJECTS] = v->waste.n[RECORD_OBJECTS];
        buf_reset(objects);
        v->waste.n[RECORD_OBJECTS] = 0;
    }
    (void)pthread_mutex_unlock(&v->lock);
    g->n_waste = g->d.n[RECORD_OBJECTS];
    g->waste = g->d.sec[RECORD_OBJECTS].len;
}

/* Groups are alike: the next one takes over the room that this one needed, unless it was much. */
static void keep_room(struct buf *b)
{
    if (b->cap > KEPT_ROOM)
        buf_free(b);
    else
        buf_reset(b);
}

static void take_room(struct vault_group *g)
{
    g->d = g->v->room.d;
    g->record = g->v->room.record;
    vault_record_draft_init(&g->v->room.d);
    buf_init(&g->v->room.record, RECORD_MAX + RECORD_ALIGN);
}

static void give_room_back(struct vault_group *g)
{
    vault_record_draft_free(&g->v->room.d);
    buf_free(&g->v->room.record);
    for (int i = 0; i < RECORD_SECTIONS; i++) {
        keep_room(&g->d.sec[i]);
        g->d.n[i] = 0;
    }
    keep_room(&g->record);
    g->v->room.d = g->d;
    g->v->room.record = g->record;
}

static void give_waste_back(struct vault_group *g)
{
    struct vault *v = g->v;

    (void)pthread_mutex_lock(&v->lock);
    if (buf_put(&v->waste.sec[RECORD_OBJECTS], g->d.sec[RECORD_OBJECTS].data, g->waste) == 0)
        v->waste.n[RECORD_OBJECTS] += g->n_waste;
    (void)pthread_mutex_unlock(&v->lock);
}

int vault_group_begin(struct vault_group **out, struct vault *v)
{
    struct vault_group *g;
    uint64_t applied;
    int rc;

    if (v->group != NULL || !v->replayed)
        return -EINVAL;
    if (vault_segment_broken(v) != 0)
        return -EIO;
    /* The index's owner may have lost a batch of its own with our last group in it. */
    if ((rc = v->cfg.index->ops->applied(v->cfg.index, &applied)) != 0)
        return rc;
    v->index_late = v->index_late || applied < v->last.seq;
    g = calloc(1, sizeof(*g));
    if (g == NULL)
        return -ENOMEM;
    g->v = v;
    g->epoch = v->epoch;
    g->oldest = v->oldest;
    g->retired = v->retired;
    buf_init(&g->tmp, (size_t)RECORD_EXTENTS_MAX * RECORD_EXTENT);
    take_room(g);
    take_waste(g);
    v->group = g;
    *out = g;
    return 0;
}

static struct group_plain *plain_new(struct span s)
{
    struct group_plain *p = malloc(sizeof(*p) + s.n);

    if (p == NULL)
        return NULL;
    p->n = s.n;
    if (s.n > 0)
        memcpy(p->b, s.p, s.n);
    return p;
}

static void plain_free(struct group_plain *p)
{
    if (p != NULL)
        secret_wipe(p->b, p->n);
    free(p);
}

static void group_free(struct vault_group *g)
{
    g->v->group = NULL;
    for (size_t i = 0; i < g->n_slots; i++)
        plain_free(g->slot[i].blob);
    for (size_t i = 0; i < g->n_notes; i++)
        plain_free(g->note[i].text);
    free(g->note);
    give_room_back(g);
    buf_free(&g->tmp);
    free(g->slot);
    free(g->put);
    free(g);
}

void vault_group_abort(struct vault_group *g)
{
    if (g == NULL)
        return;
    give_waste_back(g);
    for (size_t i = 0; i < g->n_puts; i++)
        vault_put_abort(g->put[i]);
    group_free(g);
}

/* --- slots --- */

static const struct group_slot *own_slot(const struct vault_group *g, const struct id128 *ref)
{
    for (size_t i = 0; i < g->n_slots; i++)
        if (memcmp(&g->slot[i].row.ref, ref, sizeof(*ref)) == 0)
            return &g->slot[i];
    return NULL;
}

/* By its tag; what is damaged is nobody's to share. */
static int find_whole(const struct vault *v, const struct digest *tag, struct vault_slot_row *out)
{
    int rc = v->cfg.index->ops->find_tag(v->cfg.index, tag, out);

    return rc == 0 && vault_scrub_is_bad(v, &out->object) ? -ENOENT : rc;
}

/* A live slot of the same content: of this group, or in the index under either key of a turn. */
static int find_same(struct vault_group *g, const struct digest *sha256, struct digest *tag,
                     struct vault_slot_row *out)
{
    struct vault *v = g->v;
    struct digest old;
    int rc = vault_slot_tag(v, v->epoch, sha256, tag);

    if (rc != 0)
        return rc;
    for (size_t i = 0; i < g->n_slots; i++)
        if (memcmp(&g->slot[i].tag, tag, sizeof(*tag)) == 0) {
            *out = g->slot[i].row;
            return 0;
        }
    rc = find_whole(v, tag, out);
    if (rc != -ENOENT || v->oldest == v->epoch || v->retired == v->oldest)
        return rc;
    rc = vault_slot_tag(v, v->oldest, sha256, &old);
    return rc != 0 ? rc : find_whole(v, &old, out);
}

int vault_find(struct vault *v, const struct digest *sha256, struct id128 *object)
{
    struct vault_group none;
    struct vault_slot_row row;
    struct digest tag;
    int rc;

    memset(&none, 0, sizeof(none));
    none.v = v;
    if (v->epoch == 0)
        return -ENOENT;
    if ((rc = vault_replay_index(v)) == 0 && (rc = find_same(&none, sha256, &tag, &row)) == 0)
        *object = row.object;
    return rc;
}

static int slot_room(struct vault_group *g)
{
    if (g->n_slots == g->cap_slots) {
        size_t cap = g->cap_slots == 0 ? 64 : g->cap_slots * 2;
        struct group_slot *s = reallocarray(g->slot, cap, sizeof(*s));

        if (s == NULL)
            return -ENOMEM;
        g->slot = s;
        g->cap_slots = cap;
    }
    if (g->n_puts == g->cap_puts) {
        size_t cap = g->cap_puts == 0 ? 64 : g->cap_puts * 2;
        struct vault_put **p = reallocarray(g->put, cap, sizeof(struct vault_put *));

        if (p == NULL)
            return -ENOMEM;
        g->put = p;
        g->cap_puts = cap;
    }
    return 0;
}

/* Both entries or neither: the object's is added last, when nothing else can fail. */
static int add_entries(struct vault_group *g, const struct vault_put *p, struct group_slot *fresh,
                       const struct slot_secret *s, const struct id128 *sub, struct span blob)
{
    struct record_slot rs;
    int rc;

    if ((rc = vault_slot_wrap(g->v, fresh->row.epoch, &fresh->row.ref, &fresh->row.object, s,
                              fresh->row.wrap)) != 0 ||
        (rc = vault_slot_seal(s, &fresh->row.ref, &fresh->row.object, sub, blob, &g->tmp)) != 0)
        return rc;
    rs.ref = fresh->row.ref;
    rs.object = fresh->row.object;
    rs.epoch = fresh->row.epoch;
    rs.wrap = span_of(fresh->row.wrap, VAULT_WRAP);
    rs.sealed = buf_span(&g->tmp);
    if (vault_record_draft_size(&g->d) + rs.sealed.n + p->n_extents * RECORD_EXTENT + 256 >
        RECORD_MAX)
        return -E2BIG;
    if ((rc = buf_reserve(&g->d.sec[RECORD_OBJECTS], 20 + p->n_extents * RECORD_EXTENT)) != 0 ||
        (rc = vault_record_add_slot(&g->d, &rs)) != 0)
        return rc;
    buf_reset(&g->tmp);
    if ((rc = vault_put_extents(p, &g->tmp)) == 0)
        rc = vault_record_add_object(&g->d, &p->object, buf_span(&g->tmp));
    return rc;
}

static int may_put(struct vault_group *g, const struct vault_put *p, const struct id128 *ref,
                   struct span blob)
{
    struct vault *v = g->v;
    struct vault_slot_row row;
    int rc;

    if (!p->finished || p->failed != 0 || v->epoch == 0)
        return -EINVAL;
    if (blob.n > VAULT_BLOB_MAX || g->n_puts >= VAULT_GROUP_PUTS)
        return -E2BIG;
    if ((rc = vault_replay_index(v)) != 0)
        return rc;
    rc = own_slot(g, ref) != NULL ? 0 : v->cfg.index->ops->find_slot(v->cfg.index, ref, &row);
    if (rc == 0)
        return -EEXIST;
    return rc == -ENOENT ? slot_room(g) : rc;
}

/* When the content is here already, the new slot gets the old object's DEK, and the put's own bytes
 * become an object without slots, whose space reclaim gives back. */
int vault_group_put(struct vault_group *g, struct vault_put *p, const struct id128 *ref,
                    const struct id128 *sub, struct span blob, bool *again, struct id128 *object)
{
    struct group_slot fresh;
    struct vault_slot_row same;
    struct slot_secret s;
    int rc;

    if ((rc = may_put(g, p, ref, blob)) != 0)
        return rc;
    memset(&fresh, 0, sizeof(fresh));
    memset(&s, 0, sizeof(s));
    rc = find_same(g, &p->sha256, &fresh.tag, &same);
    *again = rc == 0;
    if (rc == 0) {
        rc = vault_slot_unwrap(g->v, same.epoch, &same.ref, &same.object, same.wrap, &s);
        if (rc == 0 && (!digest_eq(&s.sha256, &p->sha256) || s.size != p->size))
            rc = -EBADMSG;
    } else if (rc == -ENOENT) {
        memcpy(s.dek, p->dek, AEAD_KEY);
        rc = 0;
    }
    if (rc != 0)
        goto out;
    random_bytes(s.key, sizeof(s.key));
    s.sha256 = p->sha256;
    s.size = p->size;
    fresh.row.ref = *ref;
    fresh.row.object = *again ? same.object : p->object;
    fresh.row.epoch = g->v->epoch;
    fresh.sub = *sub;
    fresh.size = p->size;
    rc = (fresh.blob = plain_new(blob)) == NULL ? -ENOMEM : 0;
    if (rc != 0 || (rc = add_entries(g, p, &fresh, &s, sub, blob)) != 0) {
        plain_free(fresh.blob);
        goto out;
    }
    g->slot[g->n_slots++] = fresh;
    g->put[g->n_puts++] = p;
    *object = fresh.row.object;
out:
    vault_slot_wipe(&s);
    return rc;
}

bool vault_group_destroys(const struct vault_group *g, const struct id128 *ref)
{
    const struct buf *b = &g->d.sec[RECORD_DESTROYED];

    for (size_t i = 0; i < b->len; i += 16)
        if (memcmp(b->data + i, ref, 16) == 0)
            return true;
    return false;
}

int vault_group_destroy(struct vault_group *g, const struct id128 *ref)
{
    struct vault *v = g->v;
    struct vault_slot_row row;
    int rc;

    if (g->d.n[RECORD_DESTROYED] >= VAULT_GROUP_MAX)
        return -E2BIG;
    if ((rc = vault_replay_index(v)) != 0 ||
        (rc = v->cfg.index->ops->find_slot(v->cfg.index, ref, &row)) != 0)
        return rc;
    if (vault_group_destroys(g, ref))
        return -ENOENT;
    return vault_record_add_id(&g->d, RECORD_DESTROYED, ref);
}

/* --- leaves and notes --- */

int vault_group_leaf(struct vault_group *g, struct span leaf)
{
    if (leaf.n == 0)
        return -EINVAL;
    if (leaf.n > 65535 || g->d.n[RECORD_LEAVES] >= VAULT_GROUP_MAX)
        return -E2BIG;
    return vault_record_add_leaf(&g->d, leaf);
}

static int note_secret(struct vault_group *g, const struct id128 *ref, struct slot_secret *s)
{
    const struct group_slot *own = own_slot(g, ref);
    struct vault_slot_row row;

    if (own == NULL)
        return vault_slot_find(g->v, ref, &row, s);
    return vault_slot_unwrap(g->v, own->row.epoch, ref, &own->row.object, own->row.wrap, s);
}

static int note_room(struct vault_group *g)
{
    size_t cap = g->cap_notes == 0 ? 64 : g->cap_notes * 2;
    struct group_note *more;

    if (g->n_notes < g->cap_notes)
        return 0;
    if ((more = reallocarray(g->note, cap, sizeof(*more))) == NULL)
        return -ENOMEM;
    g->note = more;
    g->cap_notes = cap;
    return 0;
}

static int sealed_note(struct vault_group *g, const struct id128 *ref, struct span text)
{
    struct record_note n = {.sealed = true, .ref = *ref};
    struct slot_secret s;
    int rc;

    buf_reset(&g->tmp);
    memset(&s, 0, sizeof(s));
    if ((rc = buf_reserve(&g->tmp, text.n + VAULT_SEAL_EXTRA)) == 0 &&
        (rc = note_secret(g, ref, &s)) == 0 &&
        (rc = vault_slot_seal_text(&s, ref, SLOT_NOTE, text, g->tmp.data)) == 0) {
        n.text = span_of(g->tmp.data, text.n + VAULT_SEAL_EXTRA);
        rc = vault_record_add_note(&g->d, &n);
    }
    vault_slot_wipe(&s);
    return rc;
}

int vault_group_note(struct vault_group *g, const struct id128 *ref, struct span text)
{
    struct group_note kept = {.sealed = ref != NULL};
    struct record_note n = {.text = text};
    int rc;

    if (text.n > VAULT_BLOB_MAX || g->d.n[RECORD_NOTES] >= VAULT_GROUP_MAX)
        return -E2BIG;
    if ((rc = note_room(g)) != 0)
        return rc;
    if (ref == NULL) {
        rc = vault_record_add_note(&g->d, &n);
    } else {
        kept.ref = *ref;
        if ((kept.text = plain_new(text)) == NULL)
            return -ENOMEM;
        rc = sealed_note(g, ref, text);
    }
    if (rc == 0)
        g->note[g->n_notes++] = kept;
    else
        plain_free(kept.text);
    return rc;
}

/* --- commit --- */

/* A block that was only reserved costs a journal transaction of the file system when it is first
 * synced; a block that was written once does not.  Streams of small groups therefore write a
 * megabyte of zeros in front of them now and then, under the same sync, and find written blocks for
 * the next few dozen groups; big groups would pay twice for their bytes and go without. */
static int zero_ahead(struct vault *v, struct segment *s, uint64_t end)
{
    static const uint8_t zeros[65536];
    uint64_t upto = end + ZERO_AHEAD < s->size ? end + ZERO_AHEAD : s->size;
    int rc = 0;

    (void)pthread_mutex_lock(&v->lock);
    /* Under the lock, because nobody may be given this space before the zeros are in it. */
    if (v->since <= SMALL_GROUP && s == v->segments && v->end == end && s->zeroed < end) {
        for (uint64_t at = end; at < upto && rc == 0; at += sizeof(zeros)) {
            size_t n = upto - at < sizeof(zeros) ? (size_t)(upto - at) : sizeof(zeros);

            rc = v->cfg.store->ops->write(s->h, zeros, n, at);
        }
        if (rc == 0)
            s->zeroed = upto;
    }
    (void)pthread_mutex_unlock(&v->lock);
    return rc;
}

static int fill_head(struct vault_group *g, struct record_head *h)
{
    struct vault *v = g->v;
    struct digest check;
    int rc;

    memset(h, 0, sizeof(*h));
    h->vault = v->id;
    h->self.seq = v->last.seq + 1;
    h->prev = v->last;
    h->ledger_before = v->ledger;
    h->epoch = g->epoch;
    h->oldest = g->oldest;
    h->retired = g->retired;
    if (g->epoch == 0)
        return 0;
    rc = v->cfg.keys->ops->mac(v->cfg.keys, g->epoch, span_str("check/v1"), &check);
    if (rc == 0)
        memcpy(h->check, check.b, RECORD_CHECK);
    return rc;
}

/* Nothing may fail any more that could still be taken back once the record is being written: a
 * record that reached the disk although its writer was told otherwise stops the vault. */
static int write_record(struct vault_group *g)
{
    struct vault *v = g->v;
    size_t n = vault_record_draft_size(&g->d);
    struct segment *s;
    uint64_t at;
    int rc;

    n = (n + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
    if ((rc = buf_reserve(&g->record, n)) != 0 ||
        (rc = vault_segment_alloc(v, n, true, &s, &at)) != 0)
        return rc;
    g->head.self.segment = s->no;
    g->head.self.at = at;
    if ((rc = vault_record_seal_up(&g->d, &g->head, &g->record)) == 0)
        rc = zero_ahead(v, s, at + n);
    if (rc == 0)
        rc = vault_segment_write(v, s, g->record.data, g->record.len, at);
    (void)pthread_mutex_lock(&v->lock);
    v->broken = v->broken != 0 ? v->broken : rc;
    /* what is given out from here on belongs to the next record */
    v->behind += v->since;
    v->since = 0;
    (void)pthread_mutex_unlock(&v->lock);
    return rc;
}

/* The group is durable: it becomes the vault's state, then the index's, then the caller's. */
static void publish(struct vault_group *g, vault_group_fn *fn, void *arg)
{
    struct vault *v = g->v;
    struct record r;
    int rc;

    v->last = g->head.self;
    v->ledger += g->d.n[RECORD_LEAVES];
    v->epoch = g->epoch;
    v->oldest = g->oldest;
    v->retired = g->retired;
    for (size_t i = 0; i < g->n_puts; i++)
        vault_put_recycle(g->put[i]);
    v->group = NULL;
    vault_record_own(&g->d, &g->head, g->record.data, &r);
    rc = v->index_late ? -EAGAIN : vault_replay_apply(v, &r);
    v->index_late = rc != 0;
    if (rc == 0 && fn != NULL)
        rc = vault_replay_deliver(v, &r, g, fn, arg);
    v->missed = rc;
    group_free(g);
}

static bool is_empty(const struct vault_group *g)
{
    for (int s = 0; s < RECORD_SECTIONS; s++)
        if (g->d.n[s] != 0)
            return false;
    return true;
}

int vault_group_write(struct vault_group *g, struct err *e)
{
    int rc;

    g->written = true;
    g->empty = is_empty(g);
    if (g->empty)
        return 0;
    if ((rc = fill_head(g, &g->head)) != 0)
        rc = err_sys(e, rc, "the key of epoch %llu", (unsigned long long)g->epoch);
    else if ((rc = write_record(g)) != 0)
        rc = err_sys(e, rc, "group %llu was not committed", (unsigned long long)g->head.self.seq);
    if (rc != 0)
        vault_group_abort(g);
    return rc;
}

int vault_group_sync(struct vault_group *g)
{
    assert(g->written);
    return g->empty ? 0 : vault_segment_sync(g->v);
}

int vault_group_settle(struct vault_group *g, int rc, vault_group_fn *fn, void *arg, struct err *e)
{
    struct vault *v = g->v;

    assert(g->written);
    if (rc != 0) {
        rc = err_sys(e, rc, "group %llu was not committed", (unsigned long long)g->head.self.seq);
        vault_group_abort(g);
        return rc;
    }
    if (g->empty) {
        vault_group_abort(g);
        return 0;
    }
    publish(g, fn, arg);
    /* A checkpoint that fails is tried again with the next group. */
    if (v->behind >= v->cfg.segment_size)
        (void)!vault_checkpoint(v, NULL);
    return 0;
}

int vault_group_commit(struct vault_group *g, vault_group_fn *fn, void *arg, struct err *e)
{
    int rc = vault_group_write(g, e);

    return rc != 0 ? rc : vault_group_settle(g, vault_group_sync(g), fn, arg, e);
}

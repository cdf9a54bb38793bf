/* xz_twins.c - two sides of xz expanded by two threads, block by block.
 *
 * Compressors with several threads make blocks that can be expanded apart, and say their sizes.  So
 * blocks are what the threads share out; and what is the same block on both sides is expanded once.
 *
 * Who plans walks over a side from header to header, checks what stands between blocks, and puts
 * each block into the side's queue: a new one, or the other side's if its bytes are equal.  A block
 * that does not say its sizes, is long or is cut off is read by the reader itself when it comes to
 * it, and planning goes on behind it.  All that is planned, read and failed is in the order of the
 * side; so a reader meets what it would have met without threads. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "compare/xz_priv.h"

#define THREADS 2

struct block {
    struct block *next[2]; /* in the queues of the sides */
    bool was_in[2];        /* once only, though a side may have equal blocks */
    struct span in;
    lzma_check check;
    uint8_t *out; /* room for all of it; NULL: the reader expands it */
    size_t room, n;
    lzma_ret z; /* how it ended */
    unsigned refs;
    bool begun, done;
};

struct side {
    struct packed *p; /* whose at, parts and state are the planner's */
    struct look_source source;
    struct xz_twins *all;
    struct block *first, *last;
    /* planning */
    lzma_stream_flags flags;
    lzma_index_hash *hash;
    size_t from;
    bool inside, planned; /* planned: to its end, or to where rc and why are met */
    bool apart;           /* the last one is the reader's: nothing can be planned behind it */
    int rc;
    const char *why;
    /* the reader's */
    int which;
    size_t at;
    lzma_stream z; /* of a block it expands itself */
    lzma_block own;
    lzma_filter filters[LZMA_FILTERS_MAX + 1];
    bool reading;
};

struct xz_twins {
    struct side side[2];
    pthread_t thread[THREADS];
    unsigned threads;
    pthread_mutex_t lock; /* of all but what a block's holder does with it, and of the readers' */
    pthread_cond_t work, ready;
    size_t room, held;
    bool stop;
};

static void let_go(struct xz_twins *t, struct block *b)
{
    if (--b->refs > 0)
        return;
    t->held -= b->room;
    free(b->out);
    free(b);
}

/* --- planning; under the lock --- */

static void end_side(struct side *s, int rc, lzma_ret z)
{
    s->planned = true;
    s->rc = rc;
    s->why = rc == -EBADMSG ? xz_why(z) : NULL;
}

static struct span ahead_of(const struct side *s)
{
    return span_of(s->p->side.p + s->p->at, s->p->side.n - s->p->at);
}

static void begin_stream(struct side *s)
{
    struct span in = ahead_of(s);
    lzma_ret z;

    if (!xz_is(in)) {
        end_side(s, 0, LZMA_OK);
        return;
    }
    if ((z = lzma_stream_header_decode(&s->flags, in.p)) != LZMA_OK) {
        end_side(s, -EBADMSG, z);
    } else if (!lzma_check_is_supported(s->flags.check)) {
        end_side(s, -EBADMSG, LZMA_UNSUPPORTED_CHECK);
    } else if ((s->hash = lzma_index_hash_init(s->hash, NULL)) == NULL) {
        end_side(s, -ENOMEM, LZMA_OK);
    } else {
        s->from = s->p->at;
        s->p->at += LZMA_STREAM_HEADER_SIZE;
        s->inside = true;
    }
}

/* Index and footer. */
static void end_stream(struct side *s)
{
    struct span in = ahead_of(s);
    lzma_stream_flags footer;
    size_t at = 0;
    lzma_ret z = lzma_index_hash_decode(s->hash, in.p, &at, in.n);
    int rc;

    if (z == LZMA_OK || z == LZMA_BUF_ERROR || (z == LZMA_STREAM_END && in.n - at < 12)) {
        end_side(s, -EBADMSG, LZMA_BUF_ERROR);
        return;
    }
    if (z == LZMA_STREAM_END && (z = lzma_stream_footer_decode(&footer, in.p + at)) == LZMA_OK &&
        (z = lzma_stream_flags_compare(&s->flags, &footer)) == LZMA_OK &&
        footer.backward_size != lzma_index_hash_size(s->hash))
        z = LZMA_DATA_ERROR;
    if (z != LZMA_OK) {
        end_side(s, z == LZMA_MEM_ERROR ? -ENOMEM : -EBADMSG,
                 z == LZMA_FORMAT_ERROR ? LZMA_DATA_ERROR : z);
        return;
    }
    s->p->at += at + LZMA_STREAM_HEADER_SIZE;
    s->inside = false;
    rc = packed_part(s->p, s->from, s->p->at - s->from, PACKED_BODY, true);
    if (rc == 0)
        rc = xz_zeros(s->p);
    if (rc != 0) {
        end_side(s, rc, LZMA_DATA_ERROR);
        s->why = s->p->why; /* which the reader tells when it is there */
        s->p->why = NULL;
    }
}

static void put(struct side *s, int which, struct block *b)
{
    b->next[which] = NULL;
    b->was_in[which] = true;
    if (s->first == NULL)
        s->first = b;
    else
        s->last->next[which] = b;
    s->last = b;
    b->refs++;
}

/* The header of a block at in, with the memory it asks for checked. */
static lzma_ret header(struct side *s, struct span in, lzma_block *b, lzma_filter *filters)
{
    uint64_t memory;
    lzma_ret z;

    memset(b, 0, sizeof(*b));
    b->version = 1;
    b->check = s->flags.check;
    b->filters = filters;
    b->header_size = lzma_block_header_size_decode(in.p[0]);
    if (b->header_size > in.n)
        return LZMA_BUF_ERROR;
    if ((z = lzma_block_header_decode(b, NULL, in.p)) != LZMA_OK)
        return z;
    memory = lzma_raw_decoder_memusage(filters);
    if (memory <= XZ_MEMORY_MAX)
        return LZMA_OK;
    lzma_filters_free(filters, NULL);
    return memory == UINT64_MAX ? LZMA_OPTIONS_ERROR : LZMA_MEMLIMIT_ERROR;
}

static struct block *same_block(const struct side *other, int which, struct span in,
                                lzma_check check)
{
    for (struct block *b = other->first; b != NULL; b = b->next[which])
        if (b->out != NULL && !b->was_in[!which] && b->check == check && span_eq(b->in, in))
            return b;
    return NULL;
}

/* False: there is no room for it now. */
static bool plan_block(struct xz_twins *t, int which)
{
    struct side *s = &t->side[which];
    struct span in = ahead_of(s);
    lzma_filter filters[LZMA_FILTERS_MAX + 1];
    lzma_block h;
    lzma_vli total;
    lzma_ret z = header(s, in, &h, filters);
    struct block *b;

    if (z != LZMA_OK) {
        end_side(s, z == LZMA_MEM_ERROR ? -ENOMEM : -EBADMSG, z);
        return true;
    }
    lzma_filters_free(filters, NULL);
    total = lzma_block_total_size(&h);
    s->apart = total == LZMA_VLI_UNKNOWN || total > in.n ||
               h.uncompressed_size == LZMA_VLI_UNKNOWN || h.uncompressed_size > t->room / 4;
    if (!s->apart) {
        in.n = (size_t)total;
        b = same_block(&t->side[!which], !which, in, h.check);
        if (b == NULL && s->first != NULL && t->held + h.uncompressed_size > t->room)
            return false;
        if (lzma_index_hash_append(s->hash, lzma_block_unpadded_size(&h), h.uncompressed_size) !=
            LZMA_OK) {
            end_side(s, -EBADMSG, LZMA_DATA_ERROR);
            return true;
        }
        s->p->at += in.n;
        if (b != NULL) {
            put(s, which, b);
            return true;
        }
    }
    if ((b = calloc(1, sizeof(*b))) == NULL ||
        (!s->apart && (b->out = malloc((size_t)h.uncompressed_size + 1)) == NULL)) {
        free(b);
        end_side(s, -ENOMEM, LZMA_OK);
        return true;
    }
    b->in = in;
    b->check = h.check;
    b->room = s->apart ? 0 : (size_t)h.uncompressed_size;
    t->held += b->room;
    put(s, which, b);
    return true;
}

/* A step on the side; false: nothing can be planned there now. */
static bool plan(struct xz_twins *t, int which)
{
    struct side *s = &t->side[which];

    if (s->planned || s->apart)
        return false;
    if (!s->inside)
        begin_stream(s);
    else if (s->p->at == s->p->side.n)
        end_side(s, -EBADMSG, LZMA_BUF_ERROR);
    else if (s->p->side.p[s->p->at] == 0)
        end_stream(s);
    else
        return plan_block(t, which);
    return true;
}

/* --- the threads --- */

/* The block that is wanted first, of those nobody has begun. */
static struct block *unbegun(struct xz_twins *t)
{
    struct block *a = t->side[0].first, *b = t->side[1].first;

    while (a != NULL || b != NULL) {
        if (a != NULL && a->out != NULL && !a->begun)
            return a;
        if (b != NULL && b->out != NULL && !b->begun)
            return b;
        a = a == NULL ? NULL : a->next[0];
        b = b == NULL ? NULL : b->next[1];
    }
    return NULL;
}

static lzma_ret expand(struct block *b)
{
    lzma_filter filters[LZMA_FILTERS_MAX + 1];
    lzma_block h = {.version = 1, .check = b->check, .filters = filters};
    lzma_stream z = LZMA_STREAM_INIT;
    lzma_ret rc;

    h.header_size = lzma_block_header_size_decode(b->in.p[0]);
    if ((rc = lzma_block_header_decode(&h, NULL, b->in.p)) != LZMA_OK)
        return rc;
    if ((rc = lzma_block_decoder(&z, &h)) == LZMA_OK) {
        z.next_in = b->in.p + h.header_size;
        z.avail_in = b->in.n - h.header_size;
        z.next_out = b->out;
        z.avail_out = b->room + 1; /* what is more than it says is met, too */
        while ((rc = lzma_code(&z, LZMA_RUN)) == LZMA_OK)
            continue;
        b->n = b->room + 1 - z.avail_out;
        b->n = b->n < b->room ? b->n : b->room;
    }
    lzma_end(&z);
    lzma_filters_free(filters, NULL);
    return rc == LZMA_BUF_ERROR ? LZMA_DATA_ERROR : rc; /* more than it says, or less */
}

/* The side that is behind first: so that equal blocks are in both queues at the same time. */
static bool plan_any(struct xz_twins *t)
{
    int which = t->side[1].p->at < t->side[0].p->at;

    return plan(t, which) || plan(t, !which);
}

static void *work(void *arg)
{
    struct xz_twins *t = arg;

    (void)pthread_mutex_lock(&t->lock);
    while (!t->stop) {
        struct block *b = unbegun(t);

        if (b != NULL) {
            b->begun = true;
            b->refs++;
            (void)pthread_mutex_unlock(&t->lock);
            b->z = expand(b);
            (void)pthread_mutex_lock(&t->lock);
            b->done = true;
            let_go(t, b);
            (void)pthread_cond_broadcast(&t->ready);
        } else if (plan_any(t)) {
            (void)pthread_cond_broadcast(&t->work);
            (void)pthread_cond_broadcast(&t->ready);
        } else {
            (void)pthread_cond_wait(&t->work, &t->lock);
        }
    }
    (void)pthread_mutex_unlock(&t->lock);
    return NULL;
}

/* --- the readers --- */

static int fail_read(struct side *s, int rc, const char *why)
{
    (void)pthread_mutex_lock(&s->all->lock);
    s->p->why = rc == -EBADMSG ? why : NULL;
    (void)pthread_mutex_unlock(&s->all->lock);
    return rc;
}

static int failed(struct side *s, lzma_ret z)
{
    return fail_read(s, z == LZMA_MEM_ERROR ? -ENOMEM : -EBADMSG, xz_why(z));
}

/* Under the lock: the first block was read. */
static void pop(struct side *s)
{
    struct block *b = s->first;

    s->first = b->next[s->which];
    s->at = 0;
    if (s->p->seen != NULL && b->out != NULL)
        (void)atomic_fetch_add(s->p->seen, b->in.n);
    let_go(s->all, b);
    (void)pthread_cond_broadcast(&s->all->work);
}

/* The block to be read, which is expanded or the reader's own; NULL: there is none. */
static struct block *wait_for(struct side *s)
{
    struct xz_twins *t = s->all;
    struct block *b;

    (void)pthread_mutex_lock(&t->lock);
    if (s->first != NULL && s->first->out != NULL && s->first->done && s->at == s->first->n &&
        s->first->z == LZMA_STREAM_END)
        pop(s);
    while ((b = s->first) == NULL ? !s->planned : b->out != NULL && !b->done)
        (void)pthread_cond_wait(&t->ready, &t->lock);
    (void)pthread_mutex_unlock(&t->lock);
    return b;
}

static lzma_ret begin_own(struct side *s, struct span in)
{
    lzma_ret z = header(s, in, &s->own, s->filters);

    if (z != LZMA_OK)
        return z;
    z = lzma_block_decoder(&s->z, &s->own);
    lzma_filters_free(s->filters, NULL);
    s->z.next_in = in.p + s->own.header_size;
    s->z.avail_in = in.n - s->own.header_size;
    s->reading = z == LZMA_OK;
    return z;
}

static int read_own(struct side *s, const struct block *b, void *p, size_t n, size_t *got)
{
    lzma_ret z = LZMA_OK;

    if (!s->reading && (z = begin_own(s, b->in)) != LZMA_OK)
        return failed(s, z);
    s->z.next_out = p;
    s->z.avail_out = n;
    z = lzma_code(&s->z, LZMA_RUN);
    *got = n - s->z.avail_out;
    if (z == LZMA_OK)
        return *got == 0 && s->z.avail_in == 0 ? failed(s, LZMA_BUF_ERROR) : 0;
    if (z != LZMA_STREAM_END)
        return failed(s, z);
    (void)pthread_mutex_lock(&s->all->lock);
    s->reading = s->apart = false;
    s->p->at = s->p->side.n - s->z.avail_in;
    z = lzma_index_hash_append(s->hash, lzma_block_unpadded_size(&s->own),
                               s->own.uncompressed_size);
    if (z != LZMA_OK)
        end_side(s, -EBADMSG, LZMA_DATA_ERROR);
    pop(s);
    (void)pthread_mutex_unlock(&s->all->lock);
    return 0;
}

static int read_some(void *arg, void *p, size_t n, size_t *got)
{
    struct side *s = arg;
    struct block *b;
    int rc = 0;

    *got = 0;
    while (rc == 0 && *got == 0) {
        if ((b = wait_for(s)) == NULL)
            return s->rc == 0 ? 0 : fail_read(s, s->rc, s->why);
        if (b->out == NULL) {
            rc = read_own(s, b, p, n, got);
        } else if (s->at < b->n) {
            *got = n < b->n - s->at ? n : b->n - s->at;
            memcpy(p, b->out + s->at, *got);
            s->at += *got;
        } else if (b->z != LZMA_STREAM_END) {
            rc = failed(s, b->z);
        }
    }
    return rc;
}

struct look_source *xz_twins_source(struct xz_twins *t, int side)
{
    return &t->side[side].source;
}

/* --- beginning and end --- */

void xz_twins_end(struct xz_twins *t)
{
    if (t == NULL)
        return;
    (void)pthread_mutex_lock(&t->lock);
    t->stop = true;
    (void)pthread_cond_broadcast(&t->work);
    (void)pthread_mutex_unlock(&t->lock);
    for (unsigned i = 0; i < t->threads; i++)
        (void)pthread_join(t->thread[i], NULL);
    for (int which = 0; which < 2; which++) {
        struct side *s = &t->side[which];

        for (struct block *b = s->first, *next; b != NULL; b = next) {
            next = b->next[which];
            let_go(t, b);
        }
        lzma_index_hash_end(s->hash, NULL);
        lzma_end(&s->z);
    }
    (void)pthread_mutex_destroy(&t->lock);
    (void)pthread_cond_destroy(&t->work);
    (void)pthread_cond_destroy(&t->ready);
    free(t);
}

/* Does it begin with a block that a thread can take? */
static bool promises(struct xz_twins *t, int which)
{
    struct side *s = &t->side[which];

    while (s->first == NULL && plan(t, which))
        continue;
    return s->first != NULL && s->first->out != NULL;
}

static void undo(struct packed *p)
{
    p->at = p->parts = 0;
    p->why = NULL;
}

struct xz_twins *xz_twins_start(struct packed p[2], size_t room)
{
    struct xz_twins *t = room == 0 ? NULL : calloc(1, sizeof(*t));

    if (t == NULL)
        return NULL;
    t->room = room;
    (void)pthread_mutex_init(&t->lock, NULL);
    (void)pthread_cond_init(&t->work, NULL);
    (void)pthread_cond_init(&t->ready, NULL);
    for (int which = 0; which < 2; which++) {
        struct side *s = &t->side[which];

        s->p = &p[which];
        s->which = which;
        s->all = t;
        s->source = (struct look_source){s, read_some};
    }
    if (promises(t, 0) && promises(t, 1))
        while (t->threads < THREADS && pthread_create(&t->thread[t->threads], NULL, work, t) == 0)
            t->threads++;
    if (t->threads > 0)
        return t;
    xz_twins_end(t);
    undo(&p[0]);
    undo(&p[1]);
    return NULL;
}

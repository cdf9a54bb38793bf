#include "compare/ahead.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SLOT (UINT32_C(128) << 10)
#define SLOTS (AHEAD_MOST / SLOT)

struct ahead {
    struct look_source *from;
    struct look_source source; /* for the reader */
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows; a slot is its holder's alone */
    pthread_cond_t filled, emptied;
    size_t queue[SLOTS], first, n; /* slots that wait for the reader */
    size_t spare[SLOTS], spares;   /* empty ones, the last used on top */
    size_t len[SLOTS];
    int rc; /* how it ended, behind what waits */
    bool ended, stop, threaded;
    /* the reader's */
    size_t slot, at; /* being read; at its end: none */
    bool failed;
    uint8_t *room;
    size_t bytes;
};

/* --- the thread --- */

/* An empty slot; false: nobody wants more. */
static bool take_spare(struct ahead *a, size_t *slot)
{
    bool wanted;

    (void)pthread_mutex_lock(&a->lock);
    while (a->spares == 0 && !a->stop)
        (void)pthread_cond_wait(&a->emptied, &a->lock);
    if ((wanted = !a->stop))
        *slot = a->spare[--a->spares];
    (void)pthread_mutex_unlock(&a->lock);
    return wanted;
}

static void hand_over(struct ahead *a, size_t slot, size_t n, bool ended, int rc)
{
    (void)pthread_mutex_lock(&a->lock);
    a->len[slot] = n;
    if (n > 0)
        a->queue[(a->first + a->n++) % SLOTS] = slot;
    a->ended = ended;
    a->rc = rc;
    (void)pthread_cond_signal(&a->filled);
    (void)pthread_mutex_unlock(&a->lock);
}

static void *read_on(void *arg)
{
    struct ahead *a = arg;
    bool ended = false;
    size_t slot = 0;

    while (!ended && take_spare(a, &slot)) {
        size_t n = 0;
        int rc = a->from->read(a->from->arg, a->room + slot * SLOT, SLOT, &n);

        ended = rc != 0 || n == 0;
        hand_over(a, slot, n, ended, rc);
    }
    return NULL;
}

/* --- the reader --- */

/* Puts the slot that was read back, and waits for another; false: there is none. */
static bool next_slot(struct ahead *a)
{
    bool more;

    (void)pthread_mutex_lock(&a->lock);
    if (a->at > 0) {
        a->spare[a->spares++] = a->slot;
        a->len[a->slot] = a->at = 0;
        (void)pthread_cond_signal(&a->emptied);
    }
    while (a->n == 0 && !a->ended)
        (void)pthread_cond_wait(&a->filled, &a->lock);
    if ((more = a->n > 0)) {
        a->slot = a->queue[a->first];
        a->first = (a->first + 1) % SLOTS;
        a->n--;
    }
    (void)pthread_mutex_unlock(&a->lock);
    return more;
}

static bool read_now(struct ahead *a)
{
    if (a->ended)
        return false;
    a->len[0] = a->at = 0;
    a->rc = a->from->read(a->from->arg, a->room, SLOT, &a->len[0]);
    a->ended = a->rc != 0 || a->len[0] == 0;
    return a->len[0] > 0;
}

static int read_some(void *arg, void *p, size_t n, size_t *got)
{
    struct ahead *a = arg;
    size_t left;

    *got = 0;
    if ((a->at == 0 || a->at == a->len[a->slot]) && !(a->threaded ? next_slot(a) : read_now(a))) {
        a->failed = a->rc != 0;
        return a->rc;
    }
    left = a->len[a->slot] - a->at;
    *got = n < left ? n : left;
    memcpy(p, a->room + a->slot * SLOT + a->at, *got);
    a->at += *got;
    return 0;
}

struct look_source *ahead_source(struct ahead *a)
{
    return &a->source;
}

/* --- beginning and end --- */

static void release(struct ahead *a)
{
    (void)pthread_mutex_destroy(&a->lock);
    (void)pthread_cond_destroy(&a->filled);
    (void)pthread_cond_destroy(&a->emptied);
    if (a->room != NULL)
        (void)munmap(a->room, a->bytes);
    free(a);
}

int ahead_start(struct ahead **out, struct look_source *from, size_t room)
{
    struct ahead *a = calloc(1, sizeof(*a));
    void *p;

    *out = NULL;
    if (a == NULL)
        return -ENOMEM;
    a->from = from;
    a->source = (struct look_source){a, read_some};
    a->spares = room < AHEAD_LEAST ? 1 : room < AHEAD_MOST ? room / SLOT : SLOTS;
    for (size_t i = 0; i < a->spares; i++)
        a->spare[i] = a->spares - 1 - i;
    (void)pthread_mutex_init(&a->lock, NULL); /* these cannot fail in this C library */
    (void)pthread_cond_init(&a->filled, NULL);
    (void)pthread_cond_init(&a->emptied, NULL);
    a->bytes = a->spares * SLOT;
    /* not the heap's, which may fill what is not used */
    p = mmap(NULL, a->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        release(a);
        return -ENOMEM;
    }
    a->room = p;
    a->threaded = a->spares > 1 && pthread_create(&a->thread, NULL, read_on, a) == 0;
    *out = a;
    return 0;
}

bool ahead_end(struct ahead *a)
{
    bool failed;

    if (a == NULL)
        return false;
    if (a->threaded) {
        (void)pthread_mutex_lock(&a->lock);
        a->stop = true;
        (void)pthread_cond_signal(&a->emptied);
        (void)pthread_mutex_unlock(&a->lock);
        (void)pthread_join(a->thread, NULL);
    }
    failed = a->failed;
    release(a);
    return failed;
}

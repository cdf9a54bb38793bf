/* Two batches: one is filled while the threads verify the other.  Which signature fails first must
 * not depend on the threads: failures are told in the order of the jobs. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "claims/claims_priv.h"

#define BATCH 2048
#define THREADS_MAX 64

struct batch {
    struct pool_job job[BATCH];
    bool bad[BATCH];
    size_t n;
};

struct pool {
    struct audit *audit;
    pthread_t thread[THREADS_MAX];
    size_t threads;
    pthread_mutex_t lock;
    pthread_cond_t work, idle;
    struct batch *filling, *verifying;
    size_t next;    /* job of `verifying` that is taken next */
    size_t running; /* threads inside a job */
    bool stop;
};

static void verify(struct batch *b, size_t i)
{
    const struct pool_job *j = &b->job[i];

    b->bad[i] = ed25519_verify(&j->key, j->text, j->n, &j->sig) != 0;
}

static void *worker(void *arg)
{
    struct pool *p = arg;

    (void)pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!p->stop && p->next >= p->verifying->n)
            (void)pthread_cond_wait(&p->work, &p->lock);
        if (p->stop)
            break;
        while (p->next < p->verifying->n) {
            size_t i = p->next++;

            p->running++;
            (void)pthread_mutex_unlock(&p->lock);
            verify(p->verifying, i);
            (void)pthread_mutex_lock(&p->lock);
            p->running--;
        }
        if (p->running == 0)
            (void)pthread_cond_signal(&p->idle);
    }
    (void)pthread_mutex_unlock(&p->lock);
    return NULL;
}

int pool_new(struct pool **out, struct audit *a, unsigned threads)
{
    struct pool *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return -ENOMEM;
    p->audit = a;
    p->filling = calloc(1, sizeof(*p->filling));
    p->verifying = calloc(1, sizeof(*p->verifying));
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_cond_init(&p->work, NULL);
    (void)pthread_cond_init(&p->idle, NULL);
    if (p->filling == NULL || p->verifying == NULL) {
        pool_free(p);
        return -ENOMEM;
    }
    if (threads > THREADS_MAX)
        threads = THREADS_MAX;
    /* without a single thread the caller's own does the work, in `wait` */
    while (p->threads < threads && pthread_create(&p->thread[p->threads], NULL, worker, p) == 0)
        p->threads++;
    *out = p;
    return 0;
}

static void tell(struct pool *p, const struct batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        const struct pool_job *j = &b->job[i];

        p->audit->verified++;
        if (!b->bad[i])
            continue;
        p->audit->bad_signatures++;
        claims_broken_at(p->audit, j->order, j->claim, &p->audit->site[j->site], j->leaf,
                         "the submitter's signature is not by the submission's key");
    }
}

/* Until the batch in the threads' hands is verified; then tells of it and empties it. */
static void wait_idle(struct pool *p)
{
    (void)pthread_mutex_lock(&p->lock);
    while (p->next < p->verifying->n || p->running > 0) {
        if (p->next < p->verifying->n) { /* lend a hand */
            size_t i = p->next++;

            p->running++;
            (void)pthread_mutex_unlock(&p->lock);
            verify(p->verifying, i);
            (void)pthread_mutex_lock(&p->lock);
            p->running--;
        } else {
            (void)pthread_cond_wait(&p->idle, &p->lock);
        }
    }
    (void)pthread_mutex_unlock(&p->lock);
    tell(p, p->verifying);
    p->verifying->n = 0;
    p->next = 0;
}

static void hand_over(struct pool *p)
{
    struct batch *b = p->filling;

    wait_idle(p);
    (void)pthread_mutex_lock(&p->lock);
    p->filling = p->verifying;
    p->verifying = b;
    p->next = 0;
    (void)pthread_cond_broadcast(&p->work);
    (void)pthread_mutex_unlock(&p->lock);
}

int pool_job(struct pool *p, struct pool_job **out)
{
    if (p->filling->n == BATCH)
        hand_over(p);
    *out = &p->filling->job[p->filling->n];
    return 0;
}

void pool_put(struct pool *p)
{
    p->filling->job[p->filling->n++].order = p->audit->order++;
}

void pool_finish(struct pool *p)
{
    hand_over(p);
    wait_idle(p);
}

void pool_free(struct pool *p)
{
    if (p == NULL)
        return;
    (void)pthread_mutex_lock(&p->lock);
    p->stop = true;
    (void)pthread_cond_broadcast(&p->work);
    (void)pthread_mutex_unlock(&p->lock);
    for (size_t i = 0; i < p->threads; i++)
        (void)pthread_join(p->thread[i], NULL);
    (void)pthread_mutex_destroy(&p->lock);
    (void)pthread_cond_destroy(&p->work);
    (void)pthread_cond_destroy(&p->idle);
    free(p->filling);
    free(p->verifying);
    free(p);
}

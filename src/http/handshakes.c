#include "http/handshakes_priv.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/io.h"

#define THREADS_MAX 16

STAILQ_HEAD(handshake_list, handshake);

struct handshakes {
    pthread_mutex_t lock; /* of the lists, the flags and nothing else */
    pthread_cond_t more;
    struct handshake_list todo, over;
    bool ending, told; /* told: the eventfd is set */
    int event;
    unsigned threads, started;
    pthread_t thread[THREADS_MAX];
};

/* Lock held. */
static void give_back(struct handshakes *p, struct handshake *h)
{
    const uint64_t one = 1;

    STAILQ_INSERT_TAIL(&p->over, h, next);
    if (!p->told && write(p->event, &one, sizeof(one)) == (ssize_t)sizeof(one))
        p->told = true;
}

static void *work(void *arg)
{
    struct handshakes *p = arg;
    struct handshake *h;

    (void)pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!p->ending && STAILQ_EMPTY(&p->todo))
            (void)pthread_cond_wait(&p->more, &p->lock);
        if (p->ending)
            break;
        h = STAILQ_FIRST(&p->todo);
        STAILQ_REMOVE_HEAD(&p->todo, next);
        (void)pthread_mutex_unlock(&p->lock);
        h->rc = tls_handshake(h->tls, &h->why);
        (void)pthread_mutex_lock(&p->lock);
        give_back(p, h);
    }
    (void)pthread_mutex_unlock(&p->lock);
    return NULL;
}

int handshakes_new(struct handshakes **out, unsigned threads)
{
    struct handshakes *p = calloc(1, sizeof(*p));

    *out = NULL;
    if (p == NULL)
        return -ENOMEM;
    STAILQ_INIT(&p->todo);
    STAILQ_INIT(&p->over);
    p->threads = threads < 1 ? 1 : threads > THREADS_MAX ? THREADS_MAX : threads;
    if ((p->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0) {
        free(p);
        return -errno;
    }
    (void)pthread_mutex_init(&p->lock, NULL); /* cannot fail for plain ones */
    (void)pthread_cond_init(&p->more, NULL);
    *out = p;
    return 0;
}

static void drop_all(struct handshake_list *l)
{
    struct handshake *h;

    while ((h = STAILQ_FIRST(l)) != NULL) {
        STAILQ_REMOVE_HEAD(l, next);
        tls_close(h->tls);
        io_close(&h->left);
        free(h);
    }
}

void handshakes_free(struct handshakes *p)
{
    if (p == NULL)
        return;
    (void)pthread_mutex_lock(&p->lock);
    p->ending = true;
    (void)pthread_cond_broadcast(&p->more);
    (void)pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->started; i++)
        (void)pthread_join(p->thread[i], NULL);
    drop_all(&p->todo);
    drop_all(&p->over);
    io_close(&p->event);
    (void)pthread_cond_destroy(&p->more);
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
}

int handshakes_fd(const struct handshakes *p)
{
    return p->event;
}

/* Signals are for the thread that runs the loop. */
static int start_threads(struct handshakes *p)
{
    sigset_t all, before;
    int rc = 0;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    while (p->started < p->threads && rc == 0)
        if ((rc = pthread_create(&p->thread[p->started], NULL, work, p)) == 0)
            p->started++;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return p->started > 0 ? 0 : -rc;
}

int handshakes_put(struct handshakes *p, struct handshake *h)
{
    int rc;

    if (p->started < p->threads && (rc = start_threads(p)) != 0)
        return rc;
    (void)pthread_mutex_lock(&p->lock);
    STAILQ_INSERT_TAIL(&p->todo, h, next);
    (void)pthread_cond_signal(&p->more);
    (void)pthread_mutex_unlock(&p->lock);
    return 0;
}

struct handshake *handshakes_take(struct handshakes *p)
{
    struct handshake *h;
    uint64_t n;

    (void)pthread_mutex_lock(&p->lock);
    if ((h = STAILQ_FIRST(&p->over)) != NULL)
        STAILQ_REMOVE_HEAD(&p->over, next);
    else if (p->told && read(p->event, &n, sizeof(n)) == (ssize_t)sizeof(n))
        p->told = false;
    (void)pthread_mutex_unlock(&p->lock);
    return h;
}

#include "site/keeper_sync.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/io.h"

struct keeper_sync {
    pthread_t thread;
    int event;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* under the lock: */
    struct vault_group *group; /* what is being synced */
    bool over, end;
    int rc;
};

static void *run(void *arg)
{
    struct keeper_sync *s = arg;
    const uint64_t one = 1;

    (void)pthread_mutex_lock(&s->lock);
    for (;;) {
        int rc;

        while (!s->end && (s->group == NULL || s->over))
            (void)pthread_cond_wait(&s->changed, &s->lock);
        if (s->end)
            break;
        (void)pthread_mutex_unlock(&s->lock);
        rc = vault_group_sync(s->group);
        (void)pthread_mutex_lock(&s->lock);
        s->rc = rc;
        s->over = true;
        (void)pthread_cond_signal(&s->changed);
        (void)!write(s->event, &one, sizeof(one)); /* it can only be full: readable already */
    }
    (void)pthread_mutex_unlock(&s->lock);
    return NULL;
}

int keeper_sync_open(struct keeper_sync **out, struct err *e)
{
    struct keeper_sync *s = calloc(1, sizeof(*s));
    int rc;

    if (s == NULL)
        return err_sys(e, -ENOMEM, "starting the sync thread");
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_cond_init(&s->changed, NULL);
    s->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    rc = s->event < 0 ? -errno : -pthread_create(&s->thread, NULL, run, s);
    if (rc == 0) {
        *out = s;
        return 0;
    }
    io_close(&s->event);
    (void)pthread_cond_destroy(&s->changed);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
    return err_sys(e, rc, "starting the sync thread");
}

void keeper_sync_close(struct keeper_sync *s)
{
    if (s == NULL)
        return;
    (void)pthread_mutex_lock(&s->lock);
    assert(s->group == NULL);
    s->end = true;
    (void)pthread_cond_signal(&s->changed);
    (void)pthread_mutex_unlock(&s->lock);
    (void)pthread_join(s->thread, NULL);
    io_close(&s->event);
    (void)pthread_cond_destroy(&s->changed);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

void keeper_sync_start(struct keeper_sync *s, struct vault_group *g)
{
    (void)pthread_mutex_lock(&s->lock);
    assert(s->group == NULL);
    s->group = g;
    s->over = false;
    (void)pthread_cond_signal(&s->changed);
    (void)pthread_mutex_unlock(&s->lock);
}

int keeper_sync_fd(const struct keeper_sync *s)
{
    return s->event;
}

/* Under the lock, when it is over. */
static int take(struct keeper_sync *s)
{
    uint64_t n;

    (void)!read(s->event, &n, sizeof(n));
    s->group = NULL;
    return s->rc;
}

bool keeper_sync_over(struct keeper_sync *s, int *rc)
{
    bool over;

    (void)pthread_mutex_lock(&s->lock);
    over = s->group != NULL && s->over;
    if (over)
        *rc = take(s);
    (void)pthread_mutex_unlock(&s->lock);
    return over;
}

int keeper_sync_wait(struct keeper_sync *s)
{
    int rc;

    (void)pthread_mutex_lock(&s->lock);
    assert(s->group != NULL);
    while (!s->over)
        (void)pthread_cond_wait(&s->changed, &s->lock);
    rc = take(s);
    (void)pthread_mutex_unlock(&s->lock);
    return rc;
}

/* calls_fail.c - which call fails. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "calls_priv.h"

const char *const call_names[CALL_KINDS] = {"open", "read", "write",  "sync", "space",
                                            "name", "look", "memory", "send", "receive"};

struct failing {
    pthread_mutex_t lock;
    uint64_t counted[CALL_KINDS], until;
    unsigned mask, times;
    bool for_ever, any;
    int error;
    enum call first;
};

static struct failing own = {.lock = PTHREAD_MUTEX_INITIALIZER};
static struct failing *f = &own;
static bool halve, held, begun;
static pthread_t holder;
static pthread_cond_t held_changed = PTHREAD_COND_INITIALIZER;

_Thread_local unsigned calls_inside;

void calls_aside(bool on)
{
    calls_inside += on ? 1U : -1U;
}

void calls_share(void)
{
    pthread_mutexattr_t attr;
    struct failing *s =
        mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (s == MAP_FAILED || pthread_mutexattr_init(&attr) != 0 ||
        pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) != 0 ||
        pthread_mutex_init(&s->lock, &attr) != 0)
        abort();
    (void)pthread_mutexattr_destroy(&attr);
    if (f != &own)
        (void)munmap(f, sizeof(*f));
    f = s;
}

void calls_fail(uint64_t nth, unsigned mask, int err, unsigned times)
{
    (void)pthread_mutex_lock(&f->lock);
    f->until = nth;
    f->mask = nth == 0 ? 0 : mask;
    f->error = err;
    f->times = times;
    f->for_ever = times == 0;
    f->any = false;
    (void)pthread_mutex_unlock(&f->lock);
}

bool calls_failed(void)
{
    bool any;

    (void)pthread_mutex_lock(&f->lock);
    any = f->any;
    (void)pthread_mutex_unlock(&f->lock);
    return any;
}

enum call calls_failed_kind(void)
{
    return f->first;
}

uint64_t calls_count(enum call kind)
{
    return f->counted[kind];
}

bool calls_one(enum call kind)
{
    bool fails = false;
    int error;

    if (calls_inside > 0)
        return false;
    (void)pthread_mutex_lock(&f->lock);
    f->counted[kind]++;
    if ((f->mask >> kind & 1) != 0) {
        if (f->until > 0)
            f->until--;
        fails = f->until == 0 && (f->for_ever || f->times > 0);
        if (fails && !f->for_ever)
            f->times--;
        if (fails && !f->any)
            f->first = kind;
        f->any = f->any || fails;
    }
    error = f->error;
    (void)pthread_mutex_unlock(&f->lock);
    if (fails)
        errno = error;
    return fails;
}

/* --- reads and writes that do half --- */

void calls_halve(bool on)
{
    halve = on;
}

size_t calls_half(size_t n)
{
    return halve && n > 1 ? n / 2 : n;
}

/* --- syncs that begin and do not end --- */

void calls_hold_syncs(bool on)
{
    calls_enter();
    held = on;
    begun = false;
    holder = pthread_self();
    (void)pthread_cond_broadcast(&held_changed);
    calls_leave();
}

void calls_sync_begun(void)
{
    bool yes = false;

    for (unsigned i = 0; i < 300 && !yes; i++) { /* it may have failed before it came so far */
        calls_enter();
        yes = begun;
        calls_leave();
        if (!yes)
            (void)usleep(1000);
    }
}

void calls_sync_wait(pthread_mutex_t *lock)
{
    while (held && !pthread_equal(holder, pthread_self())) {
        begun = true;
        (void)pthread_cond_broadcast(&held_changed);
        (void)pthread_cond_wait(&held_changed, lock);
    }
}

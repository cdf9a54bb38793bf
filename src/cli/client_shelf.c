/* client_shelf.c - two lists under one lock: what was handed in, what comes back.
 *
 * The order that keeps the promise: all files written, one sync, all names given, one sync of the
 * folder.  A name never stands for a file that may be empty after a power cut.  A file that a
 * crash left without its name is written over when its submission is sent again. */
#include "cli/client_shelf.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"

#define HOLD_MS 250  /* how long a receipt waits for others to share its sync */
#define BATCH 1024   /* files of one sync */
#define FEW 4        /* up to so many are synced one by one */
#define NAME_MAX_ 96 /* 32 digits, a suffix, ".new" */

struct sheet {
    STAILQ_ENTRY(sheet) next;
    char name[NAME_MAX_], fresh[NAME_MAX_];
    void *arg;
    int rc;
    mono_ms since;
    size_t n;
    uint8_t text[];
};
STAILQ_HEAD(sheets, sheet);

struct client_shelf {
    char *folder;
    int dir, event;
    pthread_t thread;
    size_t pending; /* the owner's */
    pthread_mutex_t lock;
    pthread_cond_t more;
    /* under the lock: */
    struct sheets in, out;
    bool hurry, end;
};

/* ---- the thread ------------------------------------------------------------------------------ */

static int write_sheet(const struct client_shelf *s, const struct sheet *a)
{
    int fd = openat(s->dir, a->fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    int rc = fd < 0 ? -errno : io_write_all(fd, a->text, a->n);

    io_close(&fd);
    return rc;
}

static int sync_sheet(const struct client_shelf *s, const struct sheet *a)
{
    int fd = openat(s->dir, a->fresh, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    int rc = fd < 0 ? -errno : io_sync_fd(fd);

    io_close(&fd);
    return rc;
}

/* What was written becomes durable, then gets its name, durably; each sheet learns its rc. */
static void keep(struct client_shelf *s, struct sheets *written, size_t n)
{
    struct sheet *a;
    int rc = n > FEW && syncfs(s->dir) != 0 ? -errno : 0;

    STAILQ_FOREACH(a, written, next)
    {
        if (a->rc == 0)
            a->rc = n > FEW ? rc : sync_sheet(s, a);
        if (a->rc == 0 && renameat(s->dir, a->fresh, s->dir, a->name) != 0)
            a->rc = -errno;
        if (a->rc != 0)
            (void)unlinkat(s->dir, a->fresh, 0);
    }
    rc = io_sync_fd(s->dir);
    STAILQ_FOREACH(a, written, next)
    if (a->rc == 0)
        a->rc = rc;
}

static void give_back(struct client_shelf *s, struct sheets *kept)
{
    const uint64_t one = 1;

    (void)pthread_mutex_lock(&s->lock);
    STAILQ_CONCAT(&s->out, kept);
    (void)pthread_mutex_unlock(&s->lock);
    (void)!write(s->event, &one, sizeof(one)); /* it can only be full: readable already */
}

/* Under the lock: until there is something to write, or what was written has waited long enough. */
static void wait_for_work(struct client_shelf *s, const struct sheets *written)
{
    const struct sheet *oldest = STAILQ_FIRST(written);

    while (STAILQ_EMPTY(&s->in) && !s->end) {
        struct timespec t;
        mono_ms due;

        if (oldest == NULL) {
            (void)pthread_cond_wait(&s->more, &s->lock);
            continue;
        }
        due = oldest->since + HOLD_MS;
        if (s->hurry || clock_mono() >= due)
            return;
        t = (struct timespec){.tv_sec = due / 1000, .tv_nsec = due % 1000 * 1000000};
        (void)pthread_cond_timedwait(&s->more, &s->lock, &t);
    }
}

static void *run(void *arg)
{
    struct client_shelf *s = arg;
    struct sheets written, fresh;
    struct sheet *a;
    size_t n = 0;
    bool now, end;

    STAILQ_INIT(&written);
    STAILQ_INIT(&fresh);
    do {
        (void)pthread_mutex_lock(&s->lock);
        if (STAILQ_EMPTY(&fresh))
            wait_for_work(s, &written);
        STAILQ_CONCAT(&fresh, &s->in);
        now = s->hurry;
        end = s->end;
        (void)pthread_mutex_unlock(&s->lock);
        while ((a = STAILQ_FIRST(&fresh)) != NULL && n < BATCH) {
            STAILQ_REMOVE_HEAD(&fresh, next);
            a->rc = write_sheet(s, a);
            STAILQ_INSERT_TAIL(&written, a, next);
            n++;
        }
        a = STAILQ_FIRST(&written);
        if (a == NULL || (n < BATCH && !now && !end && clock_mono() < a->since + HOLD_MS))
            continue;
        keep(s, &written, n);
        give_back(s, &written);
        n = 0;
    } while (!end || !STAILQ_EMPTY(&fresh));
    return NULL;
}

/* ---- the owner ------------------------------------------------------------------------------- */

static int begin_thread(struct client_shelf *s)
{
    pthread_condattr_t attr;
    int rc;

    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&s->more, &attr);
    (void)pthread_condattr_destroy(&attr);
    rc = -pthread_create(&s->thread, NULL, run, s);
    if (rc != 0) {
        (void)pthread_cond_destroy(&s->more);
        (void)pthread_mutex_destroy(&s->lock);
    }
    return rc;
}

int client_shelf_open(struct client_shelf **out, const char *folder, struct err *e)
{
    struct client_shelf *s = calloc(1, sizeof(*s));
    int rc = 0;

    if (s == NULL)
        return err_sys(e, -ENOMEM, "keeping receipts");
    STAILQ_INIT(&s->in);
    STAILQ_INIT(&s->out);
    s->event = -1;
    s->dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->dir < 0 || (s->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
        rc = -errno;
    else if ((s->folder = strdup(folder)) == NULL)
        rc = -ENOMEM;
    else
        rc = begin_thread(s);
    if (rc == 0) {
        *out = s;
        return 0;
    }
    io_close(&s->dir);
    io_close(&s->event);
    free(s->folder);
    free(s);
    return err_sys(e, rc, "keeping receipts in \"%s\"", folder);
}

void client_shelf_close(struct client_shelf *s)
{
    struct sheet *a;

    if (s == NULL)
        return;
    (void)pthread_mutex_lock(&s->lock);
    s->end = true;
    (void)pthread_cond_signal(&s->more);
    (void)pthread_mutex_unlock(&s->lock);
    (void)pthread_join(s->thread, NULL);
    while ((a = STAILQ_FIRST(&s->out)) != NULL) {
        STAILQ_REMOVE_HEAD(&s->out, next);
        free(a);
    }
    (void)pthread_cond_destroy(&s->more);
    (void)pthread_mutex_destroy(&s->lock);
    io_close(&s->dir);
    io_close(&s->event);
    free(s->folder);
    free(s);
}

int client_shelf_put(struct client_shelf *s, const struct id128 *sub, const char *suffix,
                     struct span text, void *arg)
{
    struct sheet *a;
    char hex[33];

    if (s->pending == CLIENT_SHELF_MAX)
        return -EAGAIN;
    if ((a = malloc(sizeof(*a) + text.n)) == NULL)
        return -ENOMEM;
    text_id(hex, sub);
    (void)snprintf(a->name, sizeof(a->name), "%s%s", hex, suffix);
    (void)snprintf(a->fresh, sizeof(a->fresh), ".%s%s.new", hex, suffix);
    a->arg = arg;
    a->rc = 0;
    a->since = clock_mono();
    a->n = text.n;
    if (text.n > 0)
        memcpy(a->text, text.p, text.n);
    s->pending++;
    (void)pthread_mutex_lock(&s->lock);
    s->hurry = false;
    STAILQ_INSERT_TAIL(&s->in, a, next);
    (void)pthread_cond_signal(&s->more);
    (void)pthread_mutex_unlock(&s->lock);
    return 0;
}

int client_shelf_fd(const struct client_shelf *s)
{
    return s->event;
}

bool client_shelf_next(struct client_shelf *s, void **arg, int *rc, struct err *e)
{
    struct sheet *a;
    uint64_t n;

    (void)pthread_mutex_lock(&s->lock);
    if ((a = STAILQ_FIRST(&s->out)) != NULL)
        STAILQ_REMOVE_HEAD(&s->out, next);
    else
        (void)!read(s->event, &n, sizeof(n)); /* under the lock: what comes later is told again */
    (void)pthread_mutex_unlock(&s->lock);
    if (a == NULL)
        return false;
    s->pending--;
    *arg = a->arg;
    *rc = a->rc;
    if (a->rc != 0)
        (void)err_sys(e, a->rc, "keeping the receipt \"%s/%s\"", s->folder, a->name);
    free(a);
    return true;
}

void client_shelf_hurry(struct client_shelf *s)
{
    (void)pthread_mutex_lock(&s->lock);
    s->hurry = true;
    (void)pthread_cond_signal(&s->more);
    (void)pthread_mutex_unlock(&s->lock);
}

size_t client_shelf_pending(const struct client_shelf *s)
{
    return s->pending;
}

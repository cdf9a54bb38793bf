/* client_shelf.c - two lists under one lock: what was handed in, what comes back.
 *
 * The order that keeps the promise: all files written, synced, all names given, one sync of the
 * folder.  A name never stands for a file that may be empty after a power cut.  What a crash left
 * without its name (".….new") is of no use to anybody. */
#include "capi/client_shelf.h"

#include <dirent.h>
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
#include "crypto/secret.h"
#include "events/receipt_pack.h"

#define HOLD_MS 250  /* how long a receipt waits for others to share its sync */
#define BATCH 1024   /* files of one sync */
#define FEW 4        /* up to so many get a file, and a sync, each */
#define NAME_MAX_ 96 /* 32 digits, a suffix, ".new" */

struct sheet {
    STAILQ_ENTRY(sheet) next;
    char name[NAME_MAX_], fresh[NAME_MAX_];
    struct id128 sub;
    enum client_shelf_place place;
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
    size_t n_in;
    bool hurry, end;
};

/* ---- the thread ------------------------------------------------------------------------------ */

static int write_file(const struct client_shelf *s, const char *name, struct span text, bool sync)
{
    int fd = openat(s->dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    int rc = fd < 0 ? -errno : io_write_all(fd, text.p, text.n);

    if (rc == 0 && sync)
        rc = io_sync_fd(fd);
    io_close(&fd);
    return rc;
}

/* The name is given, or what was to get it is removed. */
static int give_name(const struct client_shelf *s, const char *fresh, const char *name, int rc)
{
    if (rc == 0 && renameat(s->dir, fresh, s->dir, name) != 0)
        rc = -errno;
    if (rc != 0)
        (void)unlinkat(s->dir, fresh, 0);
    return rc;
}

static void keep_alone(const struct client_shelf *s, struct sheets *list, size_t n)
{
    struct sheet *a;
    int rc = 0;

    STAILQ_FOREACH(a, list, next)
    a->rc = write_file(s, a->fresh, span_of(a->text, a->n), n <= FEW);
    if (n > FEW && syncfs(s->dir) != 0)
        rc = -errno;
    STAILQ_FOREACH(a, list, next)
    a->rc = give_name(s, a->fresh, a->name, a->rc != 0 ? a->rc : rc);
}

/* As many as go into one pack; they move to packed.  The first goes into every pack. */
static int fill_pack(struct sheets *list, struct sheets *packed, struct buf *text)
{
    struct sheet *a;
    int rc = 0;

    while (rc == 0 && (a = STAILQ_FIRST(list)) != NULL &&
           (rc = receipt_pack_put(text, &a->sub, span_of(a->text, a->n))) == 0) {
        STAILQ_REMOVE_HEAD(list, next);
        STAILQ_INSERT_TAIL(packed, a, next);
    }
    if (!STAILQ_EMPTY(packed))
        return 0;
    STAILQ_REMOVE_HEAD(list, next); /* it alone is refused */
    STAILQ_INSERT_TAIL(packed, a, next);
    return rc;
}

/* Under a name that no pack has: what others keep is not theirs to replace. */
static int write_pack(const struct client_shelf *s, struct span text)
{
    char hex[33], name[NAME_MAX_], fresh[NAME_MAX_];
    struct id128 id = random_id();

    text_id(hex, &id);
    (void)snprintf(name, sizeof(name), "%s%s", hex, CLIENT_SHELF_PACK);
    (void)snprintf(fresh, sizeof(fresh), ".%s%s.new", hex, CLIENT_SHELF_PACK);
    return give_name(s, fresh, name, write_file(s, fresh, text, true));
}

static void keep_packed(const struct client_shelf *s, struct sheets *list)
{
    struct sheets packed, done;
    struct buf text;
    struct sheet *a;
    int rc;

    STAILQ_INIT(&done);
    buf_init(&text, RECEIPT_PACK_MAX);
    while (!STAILQ_EMPTY(list)) {
        STAILQ_INIT(&packed);
        buf_reset(&text);
        if ((rc = fill_pack(list, &packed, &text)) == 0)
            rc = write_pack(s, buf_span(&text));
        STAILQ_FOREACH(a, &packed, next)
        a->rc = rc;
        STAILQ_CONCAT(&done, &packed);
    }
    STAILQ_CONCAT(list, &done);
    buf_free(&text);
}

/* What came becomes durable, then gets its name, durably; each sheet learns its rc. */
static void keep(struct client_shelf *s, struct sheets *list)
{
    struct sheets alone, packed;
    size_t n_alone = 0, n_packed = 0;
    struct sheet *a;
    int rc;

    STAILQ_INIT(&alone);
    STAILQ_INIT(&packed);
    while ((a = STAILQ_FIRST(list)) != NULL) {
        STAILQ_REMOVE_HEAD(list, next);
        if (a->place == SHELF_PACKED) {
            STAILQ_INSERT_TAIL(&packed, a, next);
            n_packed++;
        } else {
            STAILQ_INSERT_TAIL(&alone, a, next);
            n_alone++;
        }
    }
    if (n_packed <= FEW) {
        STAILQ_CONCAT(&alone, &packed);
        n_alone += n_packed;
    } else {
        keep_packed(s, &packed);
    }
    keep_alone(s, &alone, n_alone);
    STAILQ_CONCAT(list, &alone);
    STAILQ_CONCAT(list, &packed);
    rc = io_sync_fd(s->dir);
    STAILQ_FOREACH(a, list, next)
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

/* Under the lock: until there is something, and it has waited long enough for others. */
static void wait_for_work(struct client_shelf *s)
{
    while (!s->end) {
        const struct sheet *oldest = STAILQ_FIRST(&s->in);
        struct timespec t;
        mono_ms due;

        if (oldest == NULL) {
            (void)pthread_cond_wait(&s->more, &s->lock);
            continue;
        }
        due = oldest->since + HOLD_MS;
        if (s->hurry || s->n_in >= BATCH || clock_mono() >= due)
            return;
        t = (struct timespec){.tv_sec = due / 1000, .tv_nsec = due % 1000 * 1000000};
        (void)pthread_cond_timedwait(&s->more, &s->lock, &t);
    }
}

/* Under the lock: no more than one batch of what has come. */
static void take_batch(struct client_shelf *s, struct sheets *out)
{
    struct sheet *a;

    STAILQ_INIT(out);
    for (size_t n = 0; n < BATCH && (a = STAILQ_FIRST(&s->in)) != NULL; n++) {
        STAILQ_REMOVE_HEAD(&s->in, next);
        STAILQ_INSERT_TAIL(out, a, next);
        s->n_in--;
    }
}

static void *run(void *arg)
{
    struct client_shelf *s = arg;
    struct sheets list;

    for (;;) {
        (void)pthread_mutex_lock(&s->lock);
        wait_for_work(s);
        take_batch(s, &list);
        (void)pthread_mutex_unlock(&s->lock);
        if (STAILQ_EMPTY(&list)) /* the end, and nothing is left */
            return NULL;
        keep(s, &list);
        give_back(s, &list);
    }
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
                     enum client_shelf_place place, struct span text, void *arg)
{
    bool ring;
    struct sheet *a;
    char hex[33];

    if (s->pending == CLIENT_SHELF_MAX)
        return -EAGAIN;
    if ((a = malloc(sizeof(*a) + text.n)) == NULL)
        return -ENOMEM;
    text_id(hex, sub);
    (void)snprintf(a->name, sizeof(a->name), "%s%s", hex, suffix);
    (void)snprintf(a->fresh, sizeof(a->fresh), ".%s%s.new", hex, suffix);
    a->sub = *sub;
    a->place = place;
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
    s->n_in++;
    ring = s->n_in == 1 || s->n_in == BATCH; /* those between wait for the time to pass */
    if (ring)
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

/* ---- packs ----------------------------------------------------------------------------------- */

static bool is_pack(const char *name)
{
    size_t n = strlen(name), end = strlen(CLIENT_SHELF_PACK);

    return name[0] != '.' && n == 32 + end && strcmp(name + 32, CLIENT_SHELF_PACK) == 0;
}

/* Has each receipt of the pack a newer one of its own?  What cannot be read stays. */
static bool is_spent(const struct client_shelf *s, const char *name, const char *suffix)
{
    char path[NAME_MAX_], hex[33];
    struct id128 sub;
    struct span receipt;
    struct buf text;
    bool spent;
    struct cur c;
    int rc = 0;

    buf_init(&text, RECEIPT_PACK_MAX);
    spent = io_read_file(s->dir, name, &text) == 0;
    c = cur_of(buf_span(&text));
    while (spent && (rc = receipt_pack_next(&c, &sub, &receipt, NULL)) == 0) {
        text_id(hex, &sub);
        (void)snprintf(path, sizeof(path), "%s%s", hex, suffix);
        spent = faccessat(s->dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    }
    buf_free(&text);
    return spent && rc == -ENOENT;
}

int client_shelf_tidy(struct client_shelf *s, const char *suffix, struct err *e)
{
    int fd = openat(s->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *d;

    if (dir == NULL) {
        rc = -errno;
        io_close(&fd);
        return err_sys(e, rc, "looking through \"%s\"", s->folder);
    }
    /* a newer one may have its name, and not yet durably, from somebody else */
    rc = io_sync_fd(s->dir);
    while (rc == 0 && (d = readdir(dir)) != NULL)
        if (is_pack(d->d_name) && is_spent(s, d->d_name, suffix) &&
            unlinkat(s->dir, d->d_name, 0) != 0 && errno != ENOENT)
            rc = -errno;
    (void)closedir(dir);
    return rc == 0 ? 0 : err_sys(e, rc, "removing spent packs of \"%s\"", s->folder);
}

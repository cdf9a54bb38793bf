/* client_submit.c - many files, each on its way through a few steps, over one loop (the steps are
 * drawn in client_submit_priv.h). */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "capi/client_submit_priv.h"
#include "crypto/secret.h"

#define WATCHES 32 /* long polls at a time; connections are left for uploads */

/* ---- lists ----------------------------------------------------------------------------------- */

static void list_init(struct submit_list *l)
{
    TAILQ_INIT(&l->items);
    l->n = 0;
}

void client_submit_list_add(struct submit_list *l, struct submit_item *it)
{
    it->list = l;
    TAILQ_INSERT_TAIL(&l->items, it, in_list);
    l->n++;
}

static void list_remove(struct submit_item *it)
{
    TAILQ_REMOVE(&it->list->items, it, in_list);
    it->list->n--;
    it->list = NULL;
}

void client_submit_list_move(struct submit_list *l, struct submit_item *it)
{
    list_remove(it);
    client_submit_list_add(l, it);
    client_submit_busy(it);
}

void client_submit_idle(struct submit_item *it, mono_ms wake)
{
    it->wake = wake;
    if (!it->idle)
        TAILQ_INSERT_TAIL(&it->run->idle, it, in_idle);
    it->idle = true;
}

void client_submit_busy(struct submit_item *it)
{
    if (it->idle)
        TAILQ_REMOVE(&it->run->idle, it, in_idle);
    it->idle = false;
}

void client_submit_forward(struct submit_item *it)
{
    it->tries = 0;
    it->run->news = clock_mono();
}

void client_submit_let_go(struct submit_item *it)
{
    io_close(&it->fd);
    if (it->source == NULL)
        free(it->bytes);
    it->bytes = NULL;
}

void client_submit_item_free(struct submit_item *it)
{
    if (it->list != NULL)
        list_remove(it);
    client_submit_busy(it);
    client_submit_let_go(it);
    free(it->path);
    free(it);
}

/* ---- ends ------------------------------------------------------------------------------------ */

void client_submit_fatal(struct submit *r, const struct err *e)
{
    if (r->fatal.code == 0)
        r->fatal = *e;
}

int client_submit_note(struct submit_item *it, enum client_stage stage)
{
    struct client_entry entry = {.sub = it->own.act.sub,
                                 .stage = stage,
                                 .size = it->file.size,
                                 .mtime = it->mtime,
                                 .path = it->path};
    struct err e = ERR_INIT;
    int rc;

    memcpy(entry.verdict, it->verdict, sizeof(entry.verdict));
    if (it->site != NULL)
        memcpy(entry.site, it->site->name, sizeof(entry.site));
    if ((rc = client_state_put(it->run->c->state, &entry, &e)) != 0)
        client_submit_fatal(it->run, &e);
    return rc;
}

void client_submit_report(struct submit *r, const struct client_report *what)
{
    r->done++;
    r->news = clock_mono();
    if (r->o->report != NULL)
        r->o->report(r->o->arg, what);
    if (r->o->progress != NULL && !r->o->progress(r->o->arg, r->done, r->total))
        r->stop = true;
}

void client_submit_finish(struct submit_item *it, enum client_fate fate, const char *why)
{
    struct client_report what = {.path = it->path,
                                 .sub = it->hex,
                                 .fate = fate,
                                 .verdict = it->verdict,
                                 .site = it->site != NULL ? it->site->name : "",
                                 .why = why,
                                 .code = fate <= CLIENT_PENDING   ? 0
                                         : it->code != 0          ? it->code
                                         : fate == CLIENT_REFUSED ? -EPERM
                                         : fate == CLIENT_FAILED  ? -EHOSTUNREACH
                                                                  : -EIO,
                                 .size = it->file.size,
                                 .final = it->final};

    client_submit_report(it->run, &what);
    client_submit_item_free(it);
}

void client_submit_refuse(struct submit_item *it, const char *why)
{
    (void)!client_submit_note(it, STAGE_REFUSED);
    client_submit_finish(it, CLIENT_REFUSED, why);
}

/* ---- the loop -------------------------------------------------------------------------------- */

static void wake(struct submit *r)
{
    mono_ms now = clock_mono();
    struct submit_item *it, *next;

    for (it = TAILQ_FIRST(&r->idle); it != NULL; it = next) {
        next = TAILQ_NEXT(it, in_idle);
        if (it->wake <= now)
            client_step_take(it);
    }
}

static mono_ms next_wake(const struct submit *r, mono_ms most)
{
    mono_ms now = clock_mono();
    const struct submit_item *it;

    TAILQ_FOREACH(it, &r->idle, in_idle)
    if (it->wake - now < most)
        most = it->wake > now ? it->wake - now : 0;
    return most;
}

/* What the shelf has kept goes on. */
static void take_kept(struct submit *r)
{
    struct err e = ERR_INIT;
    void *it;
    int rc;

    if (r->sending.n == 0 && r->todo.n == 0 && r->keeping.n > 0)
        client_shelf_hurry(r->shelf);
    while (client_shelf_next(r->shelf, &it, &rc, &e))
        client_step_kept(it, rc, &e);
}

/* May another file be begun?  There must be room for its receipt, too. */
static bool room(const struct submit *r)
{
    return r->todo.n > 0 && r->sending.n < r->c->in_flight &&
           r->keeping.n + r->sending.n + WATCHES < CLIENT_SHELF_MAX;
}

static int turn(struct submit *r, struct err *e)
{
    struct pollfd p[] = {{.fd = http_client_fd(r->c->http), .events = POLLIN},
                         {.fd = client_shelf_fd(r->shelf), .events = POLLIN}};
    mono_ms wait = room(r) ? 0 : next_wake(r, 250);
    int own = http_client_wait(r->c->http), rc;

    if (own >= 0 && own < wait)
        wait = own;
    if (poll(p, ARRAY_LEN(p), (int)wait) < 0 && errno != EINTR)
        return err_sys(e, -errno, "waiting for answers");
    if ((rc = http_client_step(r->c->http)) != 0)
        return err_sys(e, rc, "waiting for answers");
    take_kept(r);
    return 0;
}

/* Nothing has gone forward for so long that the rest is left pending. */
static bool patience_ends(const struct submit *r)
{
    unsigned wait = r->o->wait != 0 ? r->o->wait : 300;

    return r->todo.n + r->sending.n + r->keeping.n == 0 &&
           clock_mono() - r->news > (mono_ms)wait * 1000;
}

static bool stopped(const struct submit *r)
{
    return r->fatal.code != 0 || r->stop || atomic_load(&r->c->stop);
}

static int loop(struct submit *r, struct err *e)
{
    int rc = 0;

    r->news = clock_mono();
    while (rc == 0 && !stopped(r) && !patience_ends(r) &&
           r->todo.n + r->sending.n + r->keeping.n + r->accepted.n + r->watching.n > 0) {
        while (room(r) && !stopped(r)) {
            client_find_next(r);
            wake(r);
            if ((rc = http_client_step(r->c->http)) != 0)
                return err_sys(e, rc, "sending");
        }
        while (r->accepted.n > 0 && r->watching.n < WATCHES) {
            struct submit_item *it = TAILQ_FIRST(&r->accepted.items);

            client_submit_list_move(&r->watching, it);
            client_submit_idle(it, 0);
        }
        wake(r);
        rc = turn(r, e);
    }
    return rc;
}

static void leave(struct submit_list *l, enum client_fate fate, const char *why)
{
    struct submit_item *it;

    while ((it = TAILQ_FIRST(&l->items)) != NULL)
        client_submit_finish(it, fate, why);
}

/* The end of a run, orderly or not: what is on its way to the shelf gets there. */
static void end(struct submit *r)
{
    struct err e = ERR_INIT;

    http_client_free(r->c->http); /* callbacks of what is in flight see ECANCELED */
    r->c->http = NULL;
    while (r->keeping.n > 0) {
        struct pollfd p = {.fd = client_shelf_fd(r->shelf), .events = POLLIN};

        client_shelf_hurry(r->shelf);
        (void)poll(&p, 1, -1);
        take_kept(r);
    }
    leave(&r->watching, CLIENT_PENDING, "still waiting for verdict and final receipt");
    leave(&r->accepted, CLIENT_PENDING, "still waiting for verdict and final receipt");
    leave(&r->sending, CLIENT_FAILED, "the run ended before");
    leave(&r->todo, CLIENT_FAILED, "the run ended before");
    if (r->fetched && client_shelf_tidy(r->shelf, ".tlog-proof", &e) != 0)
        client_submit_fatal(r, &e);
    client_shelf_close(r->shelf);
    ed25519_free(r->key);
    tlog_proof_memo_done(&r->memo);
}

/* The site of --site, by its address, and by its name if the configuration has it. */
static int forced_site(struct submit *r)
{
    struct client_site *f = &r->forced;

    if ((f->url = strdup(r->o->site_url)) == NULL)
        return -ENOMEM;
    while (f->url[0] != '\0' && f->url[strlen(f->url) - 1] == '/')
        f->url[strlen(f->url) - 1] = '\0';
    (void)snprintf(f->name, sizeof(f->name), "-");
    for (size_t i = 0; i < r->c->sites; i++)
        if (strcmp(r->c->site[i].url, f->url) == 0) {
            memcpy(f->name, r->c->site[i].name, sizeof(f->name));
            f->pin = r->c->site[i].pin; /* lent */
        }
    return 0;
}

static int begin(struct submit *r, struct err *e)
{
    int rc;

    if (!r->c->agreed)
        return err_set(e, -EINVAL,
                       "no consent statement is agreed to: write its digest as \"statement\" into "
                       "the configuration");
    if ((rc = client_policy_approved(r->c, e)) != 0)
        return rc; /* before anything is sent */
    list_init(&r->todo);
    list_init(&r->sending);
    list_init(&r->keeping);
    list_init(&r->accepted);
    list_init(&r->watching);
    TAILQ_INIT(&r->idle);
    if (r->c->http == NULL && (rc = client_connect(r->c, e)) != 0)
        return rc;
    if (r->o->site_url != NULL && (rc = forced_site(r)) != 0)
        return err_sys(e, rc, "submitting");
    if ((rc = ed25519_generate(&r->key)) != 0)
        (void)secret_err(e, SUBMITTER_SECRET);
    else
        rc = client_shelf_open(&r->shelf, r->c->receipts, e);
    if (rc != 0) {
        ed25519_free(r->key);
        free(r->forced.url);
    }
    return rc;
}

/* rc: of looking for files */
static int go(struct submit *r, int rc, struct err *e)
{
    bool left;

    rc = rc != 0 ? err_sys(e, rc, "looking for files") : loop(r, e);
    left = r->todo.n + r->sending.n + r->accepted.n + r->watching.n > 0;
    end(r);
    if (rc == 0 && r->fatal.code != 0) {
        rc = r->fatal.code;
        if (e != NULL)
            *e = r->fatal;
    }
    if (rc == 0 && left && stopped(r))
        rc = err_set(e, -ECANCELED, "cancelled; the next run goes on");
    free(r->forced.url);
    if (client_connect(r->c, rc == 0 ? e : NULL) != 0 && rc == 0)
        rc = -ENOMEM;
    return rc;
}

static int run(struct client *c, const char *const *paths, size_t n,
               const struct client_source *source, const struct client_submit *o, struct err *e)
{
    struct submit r = {.c = c, .o = o, .fatal = ERR_INIT};
    char country[3];
    int rc;

    if ((rc = begin(&r, e)) != 0)
        return rc;
    memcpy(country, c->country, sizeof(country));
    if (o->country != NULL) /* a country's code, says whoever calls */
        memcpy(c->country, o->country, sizeof(c->country));
    if (source != NULL)
        rc = client_find_source(&r, source);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = client_find(&r, paths[i]);
    rc = go(&r, rc, e);
    memcpy(c->country, country, sizeof(country));
    return rc;
}

int client_submit(struct client *c, const char *const *paths, size_t n,
                  const struct client_submit *o, struct err *e)
{
    return run(c, paths, n, NULL, o, e);
}

int client_submit_source(struct client *c, const struct client_source *source,
                         const struct client_submit *o, struct err *e)
{
    return run(c, NULL, 0, source, o, e);
}

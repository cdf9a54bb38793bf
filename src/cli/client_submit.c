/* client_submit.c - many files, each on its way through a few steps, over one loop:
 *
 *   ANNOUNCE ─201─> UPLOAD ─201/200─> (receipt verified and kept) ─> WATCH ─> FETCH ─> end
 *
 * An item leaves its step only by an answer; a lost connection, 429 and 503 put it to sleep and the
 * step is taken again, which is harmless because everything is known by its sub. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "cli/client_priv.h"
#include "crypto/secret.h"

#define WATCHES 32 /* long polls at a time; connections are left for uploads */
#define POLL_SECONDS 20
#define PAUSE_MAX_MS 10000
#define RETRY_AFTER_MAX 60
#define DEPTH_MAX 64
#define NAME_MAX_BYTES 255

enum step { ANNOUNCE, UPLOAD, WATCH, FETCH };

struct run;
struct item {
    struct run *run;
    struct item *next; /* in the list it is in */
    char *path;
    struct id128 sub;
    char hex[33], ticket[33];
    enum step step;
    const struct client_site *site;
    struct client_file file;
    int64_t mtime;
    int fd; /* -1 outside ANNOUNCE and UPLOAD */
    unsigned tries, redirected;
    mono_ms wake;
    uint64_t seen;
    bool busy; /* a request is under way */
    bool final;
    char verdict[16];
};

struct list {
    struct item *first, **last;
    size_t n;
};

struct run {
    struct client *c;
    const struct client_submit *o;
    struct client_site forced;
    struct list todo, sending, accepted, watching;
    uint64_t done, total;
    mono_ms news; /* when something last went forward */
    struct err fatal;
};

/* ---- lists ----------------------------------------------------------------------------------- */

static void list_init(struct list *l)
{
    l->first = NULL;
    l->last = &l->first;
    l->n = 0;
}

static void list_add(struct list *l, struct item *it)
{
    it->next = NULL;
    *l->last = it;
    l->last = &it->next;
    l->n++;
}

static void list_remove(struct list *l, struct item *it)
{
    struct item **at = &l->first;

    while (*at != it)
        at = &(*at)->next;
    *at = it->next;
    if (it->next == NULL)
        l->last = at;
    l->n--;
}

static void item_free(struct item *it)
{
    io_close(&it->fd);
    free(it->path);
    free(it);
}

/* ---- ends ------------------------------------------------------------------------------------ */

static void fatal(struct run *r, const struct err *e)
{
    if (r->fatal.code == 0)
        r->fatal = *e;
}

static void note(struct item *it, enum client_stage stage)
{
    struct client_entry entry = {.sub = it->sub,
                                 .stage = stage,
                                 .size = it->file.size,
                                 .mtime = it->mtime,
                                 .path = it->path};
    struct err e = ERR_INIT;

    memcpy(entry.verdict, it->verdict, sizeof(entry.verdict));
    if (it->site != NULL)
        memcpy(entry.site, it->site->name, sizeof(entry.site));
    if (client_state_put(it->run->c->state, &entry, &e) != 0)
        fatal(it->run, &e);
}

static void report(struct run *r, const struct client_report *what)
{
    r->done++;
    r->news = clock_mono();
    if (r->o->report != NULL)
        r->o->report(r->o->arg, what);
    if (r->o->progress != NULL)
        r->o->progress(r->o->arg, r->done, r->total);
}

/* The item is told of and forgotten; l is the list it is in. */
static void finish(struct list *l, struct item *it, enum client_fate fate, const char *why)
{
    struct client_report what = {.path = it->path,
                                 .sub = it->hex,
                                 .fate = fate,
                                 .verdict = it->verdict,
                                 .site = it->site != NULL ? it->site->name : "",
                                 .why = why,
                                 .size = it->file.size,
                                 .final = it->final};

    list_remove(l, it);
    report(it->run, &what);
    item_free(it);
}

static void refuse(struct list *l, struct item *it, const char *why)
{
    note(it, STAGE_REFUSED);
    finish(l, it, CLIENT_REFUSED, why);
}

/* Sleeps before the step is taken again, or gives up. */
static void pause_item(struct list *l, struct item *it, unsigned seconds, const char *why)
{
    unsigned most = it->run->o->tries != 0 ? it->run->o->tries : 30;
    uint64_t ms = it->run->o->backoff_ms != 0 ? it->run->o->backoff_ms : 200;

    it->busy = false;
    if (++it->tries > most) {
        finish(l, it, it->step >= WATCH ? CLIENT_PENDING : CLIENT_FAILED, why);
        return;
    }
    for (unsigned i = 1; i < it->tries && ms < PAUSE_MAX_MS; i++)
        ms *= 2;
    if (ms > PAUSE_MAX_MS)
        ms = PAUSE_MAX_MS;
    if (seconds > 0)
        ms = (uint64_t)seconds * 1000;
    it->wake = clock_mono() + (mono_ms)(ms + random_below(ms / 4 + 1));
}

static unsigned retry_after(const struct http_result *a)
{
    uint64_t s;

    if (text_u64(http_result_header(a, "retry-after"), 3600, &s) != 0)
        return 0;
    return (unsigned)(s > RETRY_AFTER_MAX ? RETRY_AFTER_MAX : s);
}

/* What all steps do alike with an answer that is not theirs. */
static void other_answer(struct list *l, struct item *it, const struct http_result *a)
{
    struct client_error why;
    char text[2 * CLIENT_TEXT + 64];

    if (a->status == 0) {
        pause_item(l, it, 0, a->err.text[0] != '\0' ? a->err.text : "the connection was lost");
        return;
    }
    client_answer_error(&why, a->status, buf_span(&a->body));
    (void)snprintf(text, sizeof(text), "%s%s%s%s%s", why.code, why.code[0] != '\0' ? ": " : "",
                   why.message, why.cure[0] != '\0' ? "; " : "", why.cure);
    if (a->status == 429 || a->status == 408 || a->status >= 500)
        pause_item(l, it, retry_after(a), text);
    else if (a->status == 403 && strcmp(why.code, "ticket_unknown") == 0) {
        it->step = ANNOUNCE; /* the ticket has ended */
        pause_item(l, it, 0, text);
    } else {
        refuse(l, it, text);
    }
}

/* ---- requests -------------------------------------------------------------------------------- */

static void start(struct list *l, struct item *it, const struct http_call *call)
{
    struct err e = ERR_INIT;

    it->busy = true;
    if (http_client_start(it->run->c->http, call, &e) != 0)
        finish(l, it, CLIENT_FAILED, err_text(&e));
}

static void forward(struct item *it)
{
    it->tries = 0;
    it->busy = false;
    it->wake = 0;
    it->run->news = clock_mono();
}

static void on_announced(struct http_result *a, void *arg);
static void on_uploaded(struct http_result *a, void *arg);
static void on_watched(struct http_result *a, void *arg);
static void on_fetched(struct http_result *a, void *arg);

static int announcement(const struct item *it, struct buf *out)
{
    const struct client *c = it->run->c;
    struct submitter_act act = {
        .sub = it->sub, .kind = SCOPE_FILE, .statement = c->statement, .scope = SCOPE_FILE};
    char key[TEXT_BASE64_LEN(32) + 1], sig64[TEXT_BASE64_LEN(64) + 1], statement[65];
    struct ed25519_key *k = NULL;
    struct ed25519_pub pub;
    struct ed25519_sig sig;
    int rc;

    memcpy(act.country, c->country, sizeof(act.country));
    if ((rc = submitter_key(&k, c->secret, &it->sub)) == 0)
        rc = submitter_sign_submit(k, &act, &sig);
    if (rc == 0) {
        ed25519_public(k, &pub);
        text_base64(key, pub.b, sizeof(pub.b));
        text_base64(sig64, sig.b, sizeof(sig.b));
        text_digest(statement, &c->statement);
        rc = buf_printf(out,
                        "{\"basis\":\"declared\",\"country\":\"%s\",\"kind\":\"file\",\"scope\":"
                        "\"file\",\"statement\":\"%s\",\"sub\":\"%s\",\"sub_key\":\"%s\","
                        "\"sub_sig\":\"%s\"}",
                        c->country, statement, it->hex, key, sig64);
    }
    ed25519_free(k);
    return rc;
}

struct message { /* a body that lives until its answer */
    struct item *it;
    struct buf body;
};

static void send_announcement(struct list *l, struct item *it)
{
    struct message *m = calloc(1, sizeof(*m));
    char url[640], auth[600];
    const char *headers[] = {auth, "Content-Type: application/json", NULL};
    struct http_call call = {.method = HTTP_POST,
                             .url = url,
                             .headers = headers,
                             .done = on_announced,
                             .total_ms = 60000,
                             .arg = m};
    struct err e = ERR_INIT;

    if (m == NULL)
        goto fail;
    m->it = it;
    buf_init(&m->body, 4096);
    if (announcement(it, &m->body) != 0)
        goto fail;
    (void)snprintf(url, sizeof(url), "%s/v1/submissions", it->site->url);
    (void)snprintf(auth, sizeof(auth), "Authorization: Bearer %s", it->run->c->token);
    call.body = buf_span(&m->body);
    it->busy = true;
    if (http_client_start(it->run->c->http, &call, &e) == 0)
        return;
fail:
    if (m != NULL)
        buf_free(&m->body);
    free(m);
    finish(l, it, CLIENT_FAILED, e.code != 0 ? err_text(&e) : "out of memory");
}

/* X-Name: the last part of the path, if it can be said in UTF-8. */
static bool name_header(const char *path, char *out, size_t cap)
{
    const char *name = strrchr(path, '/') + 1;
    size_t n = strlen(name);
    char *p;

    if (n == 0 || n > NAME_MAX_BYTES || !text_is_utf8(span_str(name)) ||
        cap < sizeof("X-Name: ") + TEXT_BASE64_LEN(n))
        return false;
    memcpy(out, "X-Name: ", 8);
    text_base64(out + 8, name, n);
    for (p = out + 8; *p != '\0' && *p != '='; p++)
        *p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
    *p = '\0';
    return true;
}

static void send_content(struct list *l, struct item *it)
{
    char url[640], ticket[64], name[400];
    const char *headers[] = {ticket, "Content-Type: application/octet-stream", name, NULL};
    struct http_call call = {.method = HTTP_PUT,
                             .url = url,
                             .headers = headers,
                             .body_fd = it->fd,
                             .body_len = it->file.size,
                             .max_answer = TLOG_PROOF_MAX,
                             .done = on_uploaded,
                             .arg = it};

    (void)snprintf(url, sizeof(url), "%s/v1/submissions/%s/content", it->site->url, it->hex);
    (void)snprintf(ticket, sizeof(ticket), "Ticket: %s", it->ticket);
    if (!name_header(it->path, name, sizeof(name)))
        headers[2] = NULL;
    if (it->file.size == 0)
        call.body_fd = 0;
    start(l, it, &call);
}

static void send_get(struct list *l, struct item *it, const char *tail, uint32_t ms,
                     void (*done)(struct http_result *, void *))
{
    char url[640], auth[CLIENT_AUTH_MAX];
    const char *headers[] = {auth, NULL};
    struct http_call call = {.method = HTTP_GET,
                             .url = url,
                             .headers = headers,
                             .max_answer = TLOG_PROOF_MAX,
                             .total_ms = ms,
                             .done = done,
                             .arg = it};

    (void)snprintf(url, sizeof(url), "%s/v1/submissions/%s%s", it->site->url, it->hex, tail);
    if (client_auth(it->run->c, &it->sub, auth) != 0)
        finish(l, it, CLIENT_FAILED, "out of memory");
    else
        start(l, it, &call);
}

static void take_step(struct list *l, struct item *it)
{
    char tail[64];

    switch (it->step) {
    case ANNOUNCE:
        send_announcement(l, it);
        break;
    case UPLOAD:
        send_content(l, it);
        break;
    case WATCH:
        (void)snprintf(tail, sizeof(tail), "?wait=%d&seen=%llu", POLL_SECONDS,
                       (unsigned long long)it->seen);
        send_get(l, it, tail, (POLL_SECONDS + 20) * 1000, on_watched);
        break;
    case FETCH:
        send_get(l, it, "/receipt", 60000, on_fetched);
        break;
    }
}

/* ---- answers --------------------------------------------------------------------------------- */

/* 421: followed only where the policy says so too, and to the address of the configuration. */
static void misdirected(struct run *r, struct item *it, const struct http_result *a)
{
    struct client_error why;
    struct err e = ERR_INIT;
    const struct client_site *home = client_home(r->c, &e);
    char text[4 * CLIENT_TEXT];

    client_answer_error(&why, a->status, buf_span(&a->body));
    if (r->o->site_url == NULL && home != NULL && home != it->site &&
        strcmp(home->name, why.site) == 0 && it->redirected++ == 0) {
        it->site = home;
        forward(it);
        return;
    }
    if (home != NULL && strcmp(home->name, why.site) == 0)
        (void)snprintf(
            text, sizeof(text),
            "%s: %s; the policy says the same: %s's files belong to %s (%s); nothing was "
            "kept there",
            why.code, why.message, r->c->country, why.site, home->url);
    else
        (void)snprintf(
            text, sizeof(text),
            "%s: the site names \"%s\", the policy \"%s\" says %s; not followed: get the "
            "newest policy and check who signed it",
            why.code, why.site, r->c->policy_path, home != NULL ? home->name : err_text(&e));
    refuse(&r->sending, it, text);
}

static void on_announced(struct http_result *a, void *arg)
{
    struct message *m = arg;
    struct item *it = m->it;
    struct run *r = it->run;
    struct client_ticket t;
    struct err e = ERR_INIT;

    buf_free(&m->body);
    free(m);
    if (a->rc == -ECANCELED)
        return;
    if (a->status == 421) {
        misdirected(r, it, a);
    } else if (a->status != 201) {
        other_answer(&r->sending, it, a);
    } else if (client_answer_ticket(&t, buf_span(&a->body), &e) != 0) {
        refuse(&r->sending, it, err_text(&e));
    } else if (t.max_bytes < it->file.size) {
        refuse(&r->sending, it, "the file is larger than the site takes");
    } else {
        memcpy(it->ticket, t.ticket, sizeof(it->ticket));
        it->step = UPLOAD;
        it->busy = false; /* not forward(): tries end only when the bytes are there */
        take_step(&r->sending, it);
    }
}

/* Is it the receipt of this very submission? */
static int believe(struct item *it, struct span text, bool *final, struct err *e)
{
    const struct client *c = it->run->c;
    struct client_receipt r;
    struct id128 sub;
    int rc = client_receipt_open(&r, text, c->trust, e);

    if (rc == 0 && r.leaf.kind != LK_SUBMISSION_ACCEPTED)
        rc = err_set(e, -EBADMSG, "it is not of an acceptance");
    if (rc == 0) {
        sub = leaf_id(&r.leaf, LF_SUB);
        if (memcmp(&sub, &it->sub, sizeof(sub)) != 0)
            rc = err_set(e, -EBADMSG, "it is of another submission");
        else if (!span_is(leaf_text(&r.leaf, LF_COUNTRY), c->country))
            rc = err_set(e, -EBADMSG, "it says another country");
        else if ((rc = client_receipt_covers(&r, &it->file, e)) == 0)
            *final = r.verdict.quorum;
    }
    client_receipt_done(&r);
    return rc == 0 ? 0 : err_prefix(e, "the receipt is not believed");
}

static void on_uploaded(struct http_result *a, void *arg)
{
    struct item *it = arg;
    struct run *r = it->run;
    struct err e = ERR_INIT;

    if (a->rc == -ECANCELED)
        return;
    if (a->status != 201 && a->status != 200) {
        if (a->status == 0)
            it->step = ANNOUNCE; /* the ticket was for one body */
        other_answer(&r->sending, it, a);
        return;
    }
    if (believe(it, buf_span(&a->body), &it->final, &e) != 0) {
        refuse(&r->sending, it, err_text(&e));
        return;
    }
    if (client_keep(r->c, &it->sub, ".tlog-proof", buf_span(&a->body), &e) != 0) {
        fatal(r, &e);
        finish(&r->sending, it, CLIENT_FAILED, err_text(&e));
        return;
    }
    note(it, STAGE_PENDING);
    io_close(&it->fd);
    forward(it);
    it->step = WATCH;
    if (r->o->no_wait) {
        finish(&r->sending, it, CLIENT_PENDING, "");
        return;
    }
    list_remove(&r->sending, it);
    list_add(&r->accepted, it);
}

static void on_watched(struct http_result *a, void *arg)
{
    struct item *it = arg;
    struct run *r = it->run;
    struct client_answer_state s;
    struct err e = ERR_INIT;

    if (a->rc == -ECANCELED)
        return;
    if (a->status == 0 && a->rc == -ETIMEDOUT) { /* a long poll may end so */
        it->busy = false;
        return;
    }
    if (a->status != 200) {
        other_answer(&r->watching, it, a);
        return;
    }
    if (client_answer_submission(&s, &it->sub, buf_span(&a->body), &e) != 0) {
        pause_item(&r->watching, it, 0, err_text(&e));
    } else {
        if (s.seen != it->seen)
            forward(it);
        it->seen = s.seen;
        it->busy = false;
        memcpy(it->verdict, s.verdict, sizeof(it->verdict));
        if (s.final && (s.verdict[0] != '\0' || s.erased || s.moved))
            it->step = FETCH;
        if (it->step == FETCH && it->final) { /* it was final at once */
            note(it, STAGE_DONE);
            finish(&r->watching, it, CLIENT_DONE, "");
        }
    }
    client_answer_state_done(&s);
}

static void on_fetched(struct http_result *a, void *arg)
{
    struct item *it = arg;
    struct run *r = it->run;
    struct err e = ERR_INIT;

    if (a->rc == -ECANCELED)
        return;
    if (a->status != 200) {
        other_answer(&r->watching, it, a);
        return;
    }
    if (believe(it, buf_span(&a->body), &it->final, &e) != 0) {
        refuse(&r->watching, it, err_text(&e));
        return;
    }
    if (!it->final) {
        pause_item(&r->watching, it, 1, "the final receipt is late");
        return;
    }
    if (client_keep(r->c, &it->sub, ".tlog-proof", buf_span(&a->body), &e) != 0)
        fatal(r, &e);
    note(it, STAGE_DONE);
    finish(&r->watching, it, CLIENT_DONE, "");
}

/* ---- what there is to do --------------------------------------------------------------------- */

static void skip(struct run *r, const char *path, int code)
{
    struct client_report what = {.path = path,
                                 .sub = "",
                                 .fate = CLIENT_SKIPPED,
                                 .verdict = "",
                                 .site = "",
                                 .why = strerror(-code)};

    r->total++;
    report(r, &what);
}

static int add_file(struct run *r, const char *path)
{
    struct item *it = calloc(1, sizeof(*it));

    if (it == NULL || (it->path = strdup(path)) == NULL) {
        free(it);
        return -ENOMEM;
    }
    it->run = r;
    it->fd = -1;
    list_add(&r->todo, it);
    r->total++;
    return 0;
}

static int add_tree(struct run *r, const char *path, int depth);

static int add_folder(struct run *r, const char *path, int depth)
{
    struct dirent **names = NULL;
    char *below;
    int n, rc = 0;

    if (depth > DEPTH_MAX) {
        skip(r, path, -ELOOP);
        return 0;
    }
    if ((n = scandir(path, &names, NULL, alphasort)) < 0) {
        skip(r, path, -errno);
        return 0;
    }
    for (int i = 0; i < n; i++) {
        const char *name = names[i]->d_name;

        if (rc == 0 && strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
            if (asprintf(&below, "%s/%s", path, name) < 0) {
                rc = -ENOMEM;
            } else {
                rc = add_tree(r, below, depth + 1);
                free(below);
            }
        }
        free(names[i]);
    }
    free(names);
    return rc;
}

static int add_tree(struct run *r, const char *path, int depth)
{
    struct stat st;

    if (lstat(path, &st) != 0) {
        skip(r, path, -errno);
        return 0;
    }
    if (S_ISDIR(st.st_mode))
        return add_folder(r, path, depth);
    if (S_ISREG(st.st_mode))
        return add_file(r, path);
    if (depth == 0)
        skip(r, path, -EINVAL); /* named by its user, and not a file */
    return 0;
}

/* Files are known by their absolute path. */
static int add_named(struct run *r, const char *path)
{
    char *real;
    struct stat st;
    int rc;

    if (lstat(path, &st) != 0 || (real = realpath(path, NULL)) == NULL) {
        skip(r, path, -errno);
        return 0;
    }
    rc = add_tree(r, real, 0);
    free(real);
    return rc;
}

static bool known(const struct client_entry *old, const struct item *it)
{
    return old != NULL && old->size == it->file.size && old->mtime == it->mtime &&
           old->stage != STAGE_REFUSED;
}

static void told_before(struct run *r, struct item *it, const struct client_entry *old)
{
    struct client_report what = {.path = it->path,
                                 .sub = it->hex,
                                 .fate = old->stage == STAGE_DONE ? CLIENT_DONE : CLIENT_PENDING,
                                 .verdict = old->verdict,
                                 .site = old->site,
                                 .why = "",
                                 .size = it->file.size,
                                 .final = old->stage == STAGE_DONE,
                                 .before = true};

    report(r, &what);
    item_free(it);
}

static int open_item(struct item *it, struct err *e)
{
    struct stat st;

    it->fd = open(it->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (it->fd < 0)
        return -errno;
    if (fstat(it->fd, &st) != 0 || !S_ISREG(st.st_mode))
        return -EINVAL;
    it->mtime = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    return client_file_read(&it->file, it->fd, e);
}

/* The next file leaves the list of what is to do: it is read, and known from before or begun. */
static void begin_item(struct run *r)
{
    struct item *it = r->todo.first;
    const struct client_entry *old;
    struct err e = ERR_INIT;
    int rc;

    list_remove(&r->todo, it);
    if ((rc = open_item(it, &e)) != 0) {
        r->total--; /* skip counts it again */
        skip(r, it->path, rc);
        item_free(it);
        return;
    }
    old = client_state_path(r->c->state, it->path);
    if (known(old, it)) {
        it->sub = old->sub;
        text_id(it->hex, &it->sub);
        if (old->stage == STAGE_DONE || (old->stage == STAGE_PENDING && r->o->no_wait)) {
            told_before(r, it, old);
            return;
        }
    } else {
        old = NULL;
        it->sub = random_id();
        text_id(it->hex, &it->sub);
    }
    it->site = r->o->site_url != NULL                       ? &r->forced
               : old != NULL && old->stage == STAGE_PENDING ? client_site_named(r->c, old->site)
                                                            : NULL;
    if (it->site == NULL && (it->site = client_home(r->c, &e)) == NULL) {
        fatal(r, &e);
        list_add(&r->sending, it);
        finish(&r->sending, it, CLIENT_FAILED, err_text(&e));
    } else if (old != NULL && old->stage == STAGE_PENDING) {
        io_close(&it->fd);
        it->step = WATCH;
        list_add(&r->accepted, it);
    } else {
        if (old == NULL)
            note(it, STAGE_DRAWN);
        list_add(&r->sending, it);
    }
}

/* ---- the loop -------------------------------------------------------------------------------- */

static void wake(struct list *l, mono_ms now)
{
    for (struct item *it = l->first, *next; it != NULL; it = next) {
        next = it->next;
        if (!it->busy && it->wake <= now)
            take_step(l, it);
    }
}

static mono_ms next_wake(const struct list *l, mono_ms now, mono_ms most)
{
    for (const struct item *it = l->first; it != NULL; it = it->next)
        if (!it->busy && it->wake - now < most)
            most = it->wake > now ? it->wake - now : 0;
    return most;
}

static int turn(struct run *r, struct err *e)
{
    struct pollfd p = {.fd = http_client_fd(r->c->http), .events = POLLIN};
    mono_ms now = clock_mono(), wait = 250;
    int own = http_client_wait(r->c->http), rc;

    wait = next_wake(&r->sending, now, next_wake(&r->watching, now, wait));
    if (r->todo.n > 0 && r->sending.n < r->c->in_flight)
        wait = 0;
    if (own >= 0 && own < wait)
        wait = own;
    if (poll(&p, 1, (int)wait) < 0 && errno != EINTR)
        return err_sys(e, -errno, "waiting for answers");
    if ((rc = http_client_step(r->c->http)) != 0)
        return err_sys(e, rc, "waiting for answers");
    return 0;
}

/* Nothing has gone forward for so long that the rest is left pending. */
static bool patience_ends(const struct run *r)
{
    unsigned wait = r->o->wait != 0 ? r->o->wait : 300;

    return r->todo.n == 0 && r->sending.n == 0 && clock_mono() - r->news > (mono_ms)wait * 1000;
}

static bool stopped(const struct run *r)
{
    return r->fatal.code != 0 || (r->o->stop != NULL && *r->o->stop);
}

static int loop(struct run *r, struct err *e)
{
    int rc = 0;

    r->news = clock_mono();
    while (rc == 0 && !stopped(r) && !patience_ends(r) &&
           r->todo.n + r->sending.n + r->accepted.n + r->watching.n > 0) {
        while (r->todo.n > 0 && r->sending.n < r->c->in_flight && !stopped(r)) {
            begin_item(r);
            wake(&r->sending, clock_mono());
            if ((rc = http_client_step(r->c->http)) != 0)
                return err_sys(e, rc, "sending");
        }
        while (r->accepted.n > 0 && r->watching.n < WATCHES) {
            struct item *it = r->accepted.first;

            list_remove(&r->accepted, it);
            list_add(&r->watching, it);
        }
        wake(&r->sending, clock_mono());
        wake(&r->watching, clock_mono());
        rc = turn(r, e);
    }
    return rc;
}

static void leave(struct list *l, enum client_fate fate, const char *why)
{
    while (l->first != NULL)
        finish(l, l->first, fate, why);
}

int client_submit(struct client *c, const char *const *paths, size_t n,
                  const struct client_submit *o, struct err *e)
{
    struct run r = {.c = c, .o = o, .fatal = ERR_INIT};
    char *url = NULL;
    int rc = 0;

    list_init(&r.todo);
    list_init(&r.sending);
    list_init(&r.accepted);
    list_init(&r.watching);
    if (o->site_url != NULL) {
        if ((url = strdup(o->site_url)) == NULL)
            return err_sys(e, -ENOMEM, "submitting");
        while (url[0] != '\0' && url[strlen(url) - 1] == '/')
            url[strlen(url) - 1] = '\0';
        r.forced.url = url;
        (void)snprintf(r.forced.name, sizeof(r.forced.name), "-");
        for (size_t i = 0; i < c->sites; i++)
            if (strcmp(c->site[i].url, url) == 0)
                memcpy(r.forced.name, c->site[i].name, sizeof(r.forced.name));
    }
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = add_named(&r, paths[i]);
    rc = rc != 0 ? err_sys(e, rc, "looking for files") : loop(&r, e);
    http_client_free(c->http); /* callbacks of what is in flight see ECANCELED */
    c->http = NULL;
    leave(&r.watching, CLIENT_PENDING, "still waiting for verdict and final receipt");
    leave(&r.accepted, CLIENT_PENDING, "still waiting for verdict and final receipt");
    leave(&r.sending, CLIENT_FAILED, "the run ended before");
    leave(&r.todo, CLIENT_FAILED, "the run ended before");
    if (rc == 0 && r.fatal.code != 0) {
        rc = r.fatal.code;
        if (e != NULL)
            *e = r.fatal;
    }
    free(url);
    if (http_client_new(&c->http, NULL, rc == 0 ? e : NULL) != 0 && rc == 0)
        rc = -ENOMEM;
    return rc;
}

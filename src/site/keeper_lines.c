#include "site/keeper_lines.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/log.h"
#include "site/keeper_notes.h"

#define REFUSED_MS 1000 /* until it is asked again whether rules may be loaded */

static int line_new(struct keeper *k, struct scan_line *s, struct release *r, struct err *e)
{
    const struct config *c = k->c;
    struct detect_limits limits = {.file_ms = (uint32_t)(c->scan_seconds * 1000),
                                   .member_bytes = c->unpacked,
                                   .members = (uint32_t)c->members,
                                   .depth = (uint32_t)c->depth};
    const char *names[CONFIG_ENGINES_MAX];
    int rc;

    for (size_t i = 0; i < c->engines; i++)
        names[i] = c->engine[i].name;
    memset(s, 0, sizeof(*s));
    for (size_t i = 0; i < DETECT_LINE_ENGINES; i++)
        s->fd[i] = -1;
    if ((rc = detect_line_new(&s->line, r, &limits, names, c->engines, e)) == 0)
        s->release = r;
    return rc;
}

static void line_free(struct scan_line *s)
{
    detect_line_free(s->line);
    release_free(s->release);
    memset(s, 0, sizeof(*s));
}

int keeper_lines_open(struct keeper *k, struct err *e)
{
    struct release *r = NULL;
    int rc;

    if (k->c->engines == 0)
        return 0;
    if ((k->lines = calloc(1, sizeof(*k->lines))) == NULL)
        return err_set(e, -ENOMEM, "out of memory");
    if ((rc = release_load(&r, k->c->rules, e)) != 0)
        return rc;
    if ((rc = line_new(k, &k->lines->line[0], r, e)) != 0)
        release_free(r);
    return rc;
}

void keeper_lines_close(struct keeper *k)
{
    if (k->lines == NULL)
        return;
    for (size_t i = 0; i < KEEPER_LINES; i++)
        line_free(&k->lines->line[i]);
    free(k->lines);
    k->lines = NULL;
}

/* --- what the supervisor sends --- */

void keeper_lines_engine(struct keeper *k, const struct pm_engine *m, int fd)
{
    struct scan_line *s;
    struct err e = ERR_INIT;

    if (k->lines == NULL || m->line >= KEEPER_LINES ||
        (s = &k->lines->line[m->line])->line == NULL || m->which >= detect_line_engines(s->line) ||
        detect_line_fd(s->line, m->which) >= 0) {
        (void)close(fd); /* of a line that is gone, or one too many */
        return;
    }
    s->asked[m->which] = false;
    if (detect_line_attach(s->line, m->which, fd, &e) != 0)
        log_warn("an engine could not be attached", "engine", k->c->engine[m->which].name, "why",
                 err_text(&e));
}

void keeper_lines_rules(struct keeper *k, int fd)
{
    struct release *r = NULL;
    struct scan_line *s;
    struct digest now, then;
    struct err e = ERR_INIT;
    const char *why;

    if (k->lines == NULL) {
        (void)close(fd);
        return;
    }
    if (release_open(&r, fd, &e) != 0) {
        log_error("the new rules are refused; the old ones serve on", "why", err_text(&e));
        return;
    }
    now = release_digest(r);
    then = detect_line_release(k->lines->line[k->lines->now].line);
    s = &k->lines->line[1 - k->lines->now];
    if (memcmp(&now, &then, sizeof(now)) == 0) {
        log_info("the rules are the same");
        release_free(r);
    } else if (s->line != NULL) {
        log_warn("rules are being replaced already; send SIGHUP again when that is done");
        release_free(r);
    } else if (!keeper_rules_may_load(k, &now, &why)) {
        log_error("the new rules are refused; the old ones serve on", "why", why);
        release_free(r);
    } else if (line_new(k, s, r, &e) != 0) {
        log_error("the new rules cannot be loaded; the old ones serve on", "why", err_text(&e));
        release_free(r);
    } else {
        k->lines->loading = true;
        log_info("new rules are being loaded; the old ones serve meanwhile");
    }
}

/* --- the loop's side --- */

void keeper_lines_watch(struct keeper *k, int epoll, uint64_t what)
{
    struct epoll_event ev = {.events = EPOLLIN | EPOLLONESHOT, .data.u64 = what};

    for (size_t n = 0; k->lines != NULL && n < KEEPER_LINES; n++) {
        struct scan_line *s = &k->lines->line[n];

        for (size_t i = 0; s->line != NULL && i < detect_line_engines(s->line); i++) {
            int fd = detect_line_fd(s->line, i);

            if (fd == s->fd[i] && !k->lines->told)
                continue;
            s->fd[i] = fd; /* a closed one has left epoll by itself */
            if (fd >= 0 && epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &ev) != 0 &&
                (errno != ENOENT || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) != 0))
                log_warn("an engine's channel cannot be watched");
        }
    }
    if (k->lines != NULL)
        k->lines->told = false;
}

void keeper_lines_told(struct keeper *k)
{
    if (k->lines != NULL)
        k->lines->told = true;
}

/* The leaf that says which rules serve: once for each release and set of engines. */
static void log_rules(struct keeper *k, struct scan_line *s)
{
    struct digest release = detect_line_release(s->line);
    const char *label = detect_line_label(s->line);
    struct note_rules n;
    struct leaf_builder b;
    struct buf have, *note;
    struct act *a;
    const char *why;
    bool same;

    if (s->refused != NULL && clock_mono() < s->ask_again)
        return;
    if (!keeper_rules_may_load(k, &release, &why)) {
        if (s->refused == NULL)
            log_error("nothing is scanned by the rules in the folder", "why", why);
        s->refused = why;
        s->ask_again = clock_mono() + REFUSED_MS;
        return;
    }
    s->refused = NULL;
    buf_init(&have, 32 + CATALOG_LABEL_MAX);
    same = catalog_value_get(k->catalog, "rules.loaded", &have) == 0 &&
           have.len == 32 + strlen(label) && memcmp(have.data, release.b, 32) == 0 &&
           memcmp(have.data + 32, label, strlen(label)) == 0;
    buf_free(&have);
    s->logged = true;
    if (same || (a = keeper_act_new()) == NULL)
        return;
    leaf_begin(&b, LK_RULES_LOADED, clock_now(), k->c->site);
    leaf_set_digest(&b, LF_RELEASE, &release);
    leaf_set_text(&b, LF_ENGINE, label);
    leaf_set_int(&b, LF_RULES, detect_line_rules(s->line));
    n.release = release;
    (void)snprintf(n.engine, sizeof(n.engine), "%s", label);
    note = keeper_act_note_new(a, NULL, 0);
    if (keeper_act_leaf(a, &b) == 0 && note != NULL && keeper_note_put_rules(note, &n) == 0)
        keeper_group_add(k, a);
    else
        keeper_act_free(a);
}

static void ask_for_engines(struct keeper *k, uint32_t line, mono_ms now)
{
    struct scan_line *s = &k->lines->line[line];

    for (uint32_t i = 0; i < detect_line_engines(s->line); i++) {
        struct pm_engine want = {i, line};

        if (!s->asked[i] && detect_line_wants_engine(s->line, i, now) &&
            msg_send(k->control, PX_WANT_ENGINE, 0, span_of(&want, sizeof(want)), NULL) == 0)
            s->asked[i] = true;
    }
}

/* The line with newer rules: it serves, or it is given up. */
static void change_over(struct keeper *k)
{
    struct lines *x = k->lines;
    struct scan_line *next = &x->line[1 - x->now];
    const char *why;

    why = detect_line_trouble(next->line);
    if (why[0] != '\0') {
        log_error("the new rules are refused; the old ones serve on", "why", why);
        line_free(next);
        x->loading = false;
    } else if (detect_line_state(next->line) == DETECT_READY) {
        x->now = 1 - x->now;
        x->loading = false;
        log_info("new rules serve", "engines", detect_line_label(next->line));
    }
}

void keeper_lines_step(struct keeper *k, mono_ms now)
{
    struct lines *x = k->lines;
    struct scan_line *old;

    for (uint32_t i = 0; i < KEEPER_LINES; i++) {
        struct scan_line *s = &x->line[i];

        if (s->line == NULL)
            continue;
        detect_line_step(s->line, now);
        keeper_scan_results(k, s->line);
        if (i == x->now || detect_line_trouble(s->line)[0] == '\0')
            ask_for_engines(k, i, now);
    }
    old = &x->line[1 - x->now];
    if (x->loading)
        change_over(k);
    else if (old->line != NULL && detect_line_in_flight(old->line) == 0)
        line_free(old); /* its last batch is through; its engines end with their channels */
    if (detect_line_state(x->line[x->now].line) == DETECT_READY && !x->line[x->now].logged)
        log_rules(k, &x->line[x->now]);
}

bool keeper_lines_alone(const struct keeper *k)
{
    return k->lines->line[1 - k->lines->now].line == NULL;
}

bool keeper_lines_busy(const struct keeper *k)
{
    for (size_t i = 0; k->lines != NULL && i < KEEPER_LINES; i++)
        if (k->lines->line[i].line != NULL && detect_line_due(k->lines->line[i].line) == 0)
            return true;
    return false;
}

bool keeper_lines_down(const struct keeper *k, const char **why)
{
    const struct detect_line *l = k->lines == NULL ? NULL : k->lines->line[k->lines->now].line;

    if (l != NULL && k->lines->line[k->lines->now].refused != NULL) {
        *why = k->lines->line[k->lines->now].refused;
        return true;
    }
    if (l == NULL || detect_line_state(l) != DETECT_DOWN)
        return false;
    *why = detect_line_trouble(l);
    return true;
}

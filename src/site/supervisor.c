#include "site/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "crypto/sha256.h"
#include "detect/client.h"
#include "http/server.h"
#include "jail/jail.h"
#include "jail/proc.h"
#include "jail/ring.h"
#include "site/admin_socket.h"
#include "site/data_format.h"
#include "site/front_priv.h"
#include "site/process.h"
#include "site/proto.h"
#include "site/tls_reload.h"

#define DRAIN_MS 20000 /* a little longer than keeper and front take at most */
#define BACKOFF_LEAST 100
#define BACKOFF_MOST 30000
#define LIVED_WELL 60000 /* ms after which a life counts as a success */

/* The parts that are started and ended together; the engines stand apart.  Two lines of them: while
 * new rules are loaded by one the other still serves. */
#define PARTS CONFIG_ENGINE
#define LINES 2

struct supervisor {
    struct config *c;
    char *file; /* the configuration's, absolute */
    struct proc part[PARTS], engine[LINES][CONFIG_ENGINES_MAX];
    struct again { /* of a part that is started alone */
        uint64_t life;
        mono_ms began, due, backoff; /* due 0: nothing is */
    } again[PARTS];
    struct msg_chan *control;
    struct tls_reload tls;
    int signals, listen, admin;
    bool stopping, ready, ever_ready;
    mono_ms began, stop_by, backoff;
    int code; /* the exit code to end with, -1: go on */
};

/* --- starting --- */

/* GnuTLS frees what it has decrypted without wiping it.  So in a front with TLS malloc itself wipes
 * all that is freed, and keeps no cache that it would not wipe. */
static const char *const wiping[] = {
    "GLIBC_TUNABLES=glibc.malloc.perturb=255:glibc.malloc.tcache_count=0", NULL};

static int start_part(struct supervisor *s, enum config_process p, const struct proc_fd *fds,
                      size_t n, struct err *e)
{
    const char *argv[] = {"glarusd", "--config", s->file, "--part", config_process_name(p), NULL};
    struct proc_spec spec = {
        .path = "/proc/self/exe", .argv = argv, .fds = fds, .nfds = n, .death_signal = SIGKILL};
    int rc;

    if (p == CONFIG_FRONT && s->c->tls_key != NULL)
        spec.envp = wiping;
    rc = proc_spawn(&s->part[p], &spec, e);

    if (rc != 0)
        err_prefix(e, "starting the %s", config_process_name(p));
    return rc;
}

struct ends { /* [0]: the keeper's, [1]: the other's */
    int front[2], signer[2], courier[2], reader[2], control[2];
    int tls[2];                 /* [0]: the signer's, [1]: the front's */
    int key[2], certificate[2]; /* [0]: the part's, [1]: the supervisor's */
};

static int open_ends(struct ends *x, bool tls, struct err *e)
{
    int rc;

    memset(x, -1, sizeof(*x));
    if ((rc = msg_pair(x->front, e)) != 0 || (rc = msg_pair(x->signer, e)) != 0 ||
        (rc = msg_pair(x->courier, e)) != 0 || (rc = msg_pair(x->reader, e)) != 0)
        return rc;
    if (tls && ((rc = msg_pair(x->tls, e)) != 0 || (rc = msg_pair(x->key, e)) != 0 ||
                (rc = msg_pair(x->certificate, e)) != 0))
        return rc;
    return msg_pair(x->control, e);
}

static void close_ends(struct ends *x)
{
    int *all = (int *)x;

    for (size_t i = 0; i < sizeof(*x) / sizeof(int); i++)
        io_close(&all[i]);
}

static int start_parts(struct supervisor *s, const struct ends *x, int ring, struct err *e)
{
    const struct proc_fd front[] = {{x->front[1], PART_CHANNEL},
                                    {ring, PART_RING},
                                    {s->listen, PART_LISTEN},
                                    {x->tls[1], PART_TLS},
                                    {x->certificate[0], PART_CONTROL}};
    const struct proc_fd signer[] = {
        {x->signer[1], PART_CHANNEL}, {x->tls[0], PART_TLS}, {x->key[0], PART_CONTROL}};
    size_t without = s->c->tls_key == NULL ? 2 : 0; /* the last two are TLS's */
    const struct proc_fd courier[] = {{x->courier[1], PART_CHANNEL}};
    const struct proc_fd reader[] = {{x->reader[1], PART_CHANNEL}};
    const struct proc_fd keeper[] = {{ring, PART_RING},           {x->front[0], PART_FRONT},
                                     {x->signer[0], PART_SIGNER}, {x->courier[0], PART_COURIER},
                                     {x->reader[0], PART_READER}, {x->control[0], PART_CONTROL}};
    int rc;

    if ((rc = start_part(s, CONFIG_READER, reader, ARRAY_LEN(reader), e)) != 0 ||
        (rc = start_part(s, CONFIG_SIGNER, signer, ARRAY_LEN(signer) - without, e)) != 0 ||
        (rc = start_part(s, CONFIG_COURIER, courier, ARRAY_LEN(courier), e)) != 0 ||
        (rc = start_part(s, CONFIG_FRONT, front, ARRAY_LEN(front) - without, e)) != 0)
        return rc;
    return start_part(s, CONFIG_KEEPER, keeper, ARRAY_LEN(keeper), e);
}

/* binary: the SHA-256 of what runs.  It is read before and afterwards, so that nothing else was in
 * its place when it was executed. */
static int execute_engine(struct proc *p, int *sock, const struct detect_engine_spec *spec,
                          struct digest *binary, struct err *e)
{
    struct digest after;
    int rc = process_binary(spec->path, binary, e);

    if (rc != 0 || (rc = detect_engine_start(p, sock, spec, e)) != 0 ||
        (rc = process_binary(spec->path, &after, e)) != 0)
        return rc;
    return digest_eq(&after, binary)
               ? 0
               : err_set(e, -EAGAIN, "\"%s\" was changed while it was started", spec->path);
}

static void start_engine(struct supervisor *s, const struct pm_engine *m)
{
    struct detect_engine_spec spec = {.uid = s->c->uid[CONFIG_ENGINE],
                                      .gid = s->c->uid[CONFIG_ENGINE]};
    struct pm_engine_is is = {.engine = *m};
    struct err e = ERR_INIT;
    struct proc *p;
    int sock = -1, rc;

    if (m->which >= s->c->engines || m->line >= LINES || s->control == NULL)
        return;
    p = &s->engine[m->line][m->which];
    spec.path = s->c->engine[m->which].program;
    proc_end_now(p);
    if ((rc = execute_engine(p, &sock, &spec, &is.binary, &e)) != 0)
        proc_end_now(p);
    else if ((rc = msg_send(s->control, PX_ENGINE, 0, span_of(&is, sizeof(is)), &sock)) != 0)
        (void)err_sys(&e, rc, "handing the engine to the keeper");
    if (rc != 0) /* the keeper asks again */
        log_error("an engine cannot start", "engine", s->c->engine[m->which].name, "why",
                  err_text(&e));
    io_close(&sock);
}

static void start_engines(struct supervisor *s)
{
    for (uint32_t i = 0; i < s->c->engines; i++)
        start_engine(s, &(struct pm_engine){i, 0});
}

/* Courier and reader hold nothing: one that ends is started anew alone. */
static bool holds_nothing(enum config_process p)
{
    return p == CONFIG_COURIER || p == CONFIG_READER;
}

static void alone_later(struct supervisor *s, enum config_process p)
{
    struct again *a = &s->again[p];
    mono_ms now = clock_mono();

    if (now - a->began > LIVED_WELL)
        a->backoff = BACKOFF_LEAST;
    a->due = now + a->backoff;
    a->backoff = a->backoff * 2 < BACKOFF_MOST ? a->backoff * 2 : BACKOFF_MOST;
}

static void start_alone(struct supervisor *s, enum config_process p)
{
    struct again *a = &s->again[p];
    struct err e = ERR_INIT;
    int end[2] = {-1, -1}, rc = msg_pair(end, &e);
    const struct proc_fd fds[] = {{end[1], PART_CHANNEL}};

    a->due = 0;
    a->life++;
    a->began = clock_mono();
    if (rc == 0)
        rc = start_part(s, p, fds, ARRAY_LEN(fds), &e);
    if (rc == 0 && (rc = msg_send(s->control, p == CONFIG_COURIER ? PX_COURIER : PX_READER, a->life,
                                  span_of(NULL, 0), &end[0])) != 0)
        (void)err_sys(&e, rc, "handing the %s to the keeper", config_process_name(p));
    io_close(&end[0]);
    io_close(&end[1]);
    if (rc == 0) {
        log_info("part started anew", "part", config_process_name(p));
        return;
    }
    log_error("a part cannot start", "why", err_text(&e));
    proc_end_now(&s->part[p]);
    alone_later(s, p);
}

/* Those that are due; when the next one is, or -1. */
static mono_ms start_due(struct supervisor *s)
{
    mono_ms now = clock_mono(), next = -1;

    for (int p = 0; p < (int)PARTS && !s->stopping; p++) {
        struct again *a = &s->again[p];

        if (a->due != 0 && now >= a->due && s->control != NULL)
            start_alone(s, (enum config_process)p);
        if (a->due != 0 && (next < 0 || a->due < next))
            next = a->due;
    }
    return next;
}

static void ended_alone(struct supervisor *s, enum config_process p, const struct proc_last *why)
{
    char text[96];

    log_warn("a part ended unexpectedly and is started anew", "part", config_process_name(p), "how",
             proc_last_text(why, text));
    alone_later(s, p);
}

/* The keeper has closed its channel: it is dead, or it spoke nonsense and may run on. */
static void part_lost(struct supervisor *s, enum config_process p, uint64_t life)
{
    struct proc_last why;

    if (s->stopping || life != s->again[p].life || s->part[p].pidfd < 0)
        return;
    (void)!proc_signal(&s->part[p], SIGKILL);
    if (proc_reap(&s->part[p], true, &why) == 0)
        ended_alone(s, p, &why);
}

static int begin_life(struct supervisor *s, struct err *e)
{
    struct ring *ring = NULL;
    struct ends x;
    int rc;

    s->ready = false;
    s->began = clock_mono();
    memset(s->again, 0, sizeof(s->again));
    for (size_t i = 0; i < PARTS; i++)
        s->again[i] = (struct again){.began = s->began, .backoff = BACKOFF_LEAST};
    if ((rc = open_ends(&x, s->c->tls_key != NULL, e)) == 0 &&
        (rc = ring_new(&ring, PROTO_SLOT_BYTES, (uint32_t)s->c->ring_slots, e)) == 0)
        rc = start_parts(s, &x, ring_fd(ring), e);
    if (rc == 0) {
        rc = msg_open(&s->control, x.control[1], &proto_control, MSG_A, e);
        x.control[1] = -1;
    }
    if (rc == 0 && s->c->tls_key != NULL) {
        rc = tls_reload_open(&s->tls, x.key[1], x.certificate[1], e);
        x.key[1] = x.certificate[1] = -1;
    }
    close_ends(&x);
    ring_close(ring);
    if (rc == 0)
        start_engines(s);
    return rc;
}

/* --- ending --- */

static void end_all(struct supervisor *s)
{
    for (size_t i = 0; i < PARTS; i++)
        proc_end_now(&s->part[i]);
    for (size_t i = 0; i < LINES * CONFIG_ENGINES_MAX; i++)
        proc_end_now(&s->engine[i / CONFIG_ENGINES_MAX][i % CONFIG_ENGINES_MAX]);
    msg_close(s->control);
    tls_reload_close(&s->tls);
    s->control = NULL;
}

static bool all_ended(const struct supervisor *s)
{
    for (size_t i = 0; i < PARTS; i++)
        if (s->part[i].pidfd >= 0)
            return false;
    return true;
}

static void stop(struct supervisor *s)
{
    if (s->stopping) {
        log_warn("told to end a second time; ending at once");
        s->stop_by = 0;
        return;
    }
    log_info("site ends");
    s->stopping = true;
    s->stop_by = clock_mono() + DRAIN_MS;
    if (s->control == NULL || msg_send(s->control, PX_DRAIN, 0, span_of(NULL, 0), NULL) != 0)
        s->stop_by = 0;
}

/* A part that says 2 or 3 before the site ever served will say so again. */
static void judge_end(struct supervisor *s, const struct proc_last *why)
{
    if (!s->ever_ready && why->end == PROC_EXITED && (why->code == 2 || why->code == 3))
        s->code = why->code;
}

static void part_ended(struct supervisor *s, enum config_process p, bool *crashed)
{
    struct proc_last why;
    char text[96];

    if (proc_reap(&s->part[p], false, &why) != 0)
        return;
    (void)proc_last_text(&why, text);
    if (s->stopping && why.end == PROC_EXITED && why.code == 0) {
        log_info("part ended", "part", config_process_name(p));
        return;
    }
    if (!s->stopping && s->ready && s->control != NULL && holds_nothing(p)) {
        ended_alone(s, p, &why);
        return;
    }
    log_error("a part ended unexpectedly", "part", config_process_name(p), "how", text);
    judge_end(s, &why);
    *crashed = true;
}

static void engine_ended(struct supervisor *s, size_t line, size_t which)
{
    struct proc_last why;
    char text[96];

    if (proc_reap(&s->engine[line][which], false, &why) != 0)
        return;
    /* a line whose rules were replaced ends in order */
    log_line(s->stopping || (why.end == PROC_EXITED && why.code == 0) ? LOG_INFO_ : LOG_WARN_,
             "an engine ended", "engine", which < s->c->engines ? s->c->engine[which].name : "?",
             "how", proc_last_text(&why, text), (char *)NULL);
}

/* --- signals and messages --- */

static void admit(struct supervisor *s)
{
    int fd = admin_socket_accept(s->admin, s->c);

    if (fd >= 0 && msg_send(s->control, PX_ADMIN, 0, span_of(NULL, 0), &fd) != 0)
        log_warn("the keeper takes no administrator now");
    io_close(&fd);
}

/* The rules as they are in the folder now.  The keeper, which cannot look there, decides whether
 * they are others. */
static int reload_rules(struct supervisor *s, struct err *e)
{
    int fd = -1, rc;

    if (s->c->rules == NULL)
        return 0;
    if ((rc = release_pack(&fd, s->c->rules, e)) == 0 &&
        (rc = msg_send(s->control, PX_RULES, 0, span_of(NULL, 0), &fd)) != 0)
        (void)err_sys(e, rc, "handing the rules to the keeper");
    io_close(&fd);
    return rc;
}

static void reload(struct supervisor *s)
{
    struct config *next = NULL;
    struct err e = ERR_INIT;
    int fd = -1, rc;

    if ((rc = config_load(&next, s->file, &e)) == 0 &&
        (rc = config_may_replace(s->c, next, &e)) == 0) {
        fd = open(s->file, O_RDONLY | O_CLOEXEC);
        rc = fd < 0               ? -errno
             : s->control == NULL ? -ENOTCONN
                                  : msg_send(s->control, PX_CONFIG, 0, span_of(NULL, 0), &fd);
        if (rc != 0)
            (void)err_sys(&e, rc, "handing \"%s\" to the keeper", s->file);
    }
    io_close(&fd);
    if (rc == 0) {
        config_free(s->c);
        s->c = next;
        log_info("configuration read again");
        tls_reload_begin(&s->tls, s->c);
        if (reload_rules(s, &e) != 0)
            log_error("the rules stay as they were", "why", err_text(&e));
        return;
    }
    log_error("the configuration stays as it was", "why", err_text(&e));
    config_free(next);
}

static void take_signals(struct supervisor *s)
{
    struct signalfd_siginfo si;

    while (read(s->signals, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
        if (si.ssi_signo == SIGHUP)
            reload(s);
        else
            stop(s);
    }
}

static void take_control(struct supervisor *s)
{
    struct err e = ERR_INIT;
    struct msg m;
    char name[128] = "?";
    int rc;

    while ((rc = msg_recv(s->control, &m, &e)) == 0) {
        if (m.type->type == PX_WANT_ENGINE) {
            struct pm_engine want;

            memcpy(&want, m.body.p, sizeof(want));
            start_engine(s, &want);
        }
        if (m.type->type == PX_LOST_COURIER)
            part_lost(s, CONFIG_COURIER, m.id);
        if (m.type->type == PX_LOST_READER)
            part_lost(s, CONFIG_READER, m.id);
        if (m.type->type != PX_READY)
            continue;
        s->ready = s->ever_ready = true;
        if (http_listen_name(s->listen, name, sizeof(name)) != 0)
            (void)snprintf(name, sizeof(name), "?");
        log_info("READY", "listen", name, "admin", s->c->admin);
    }
    if (rc == -EAGAIN)
        return;
    msg_close(s->control); /* the keeper's end tells more */
    s->control = NULL;
}

/* --- the loop --- */

enum {
    AT_SIGNALS,
    AT_CONTROL,
    AT_KEY,
    AT_ADMIN,
    AT_PARTS,
    AT_ENGINES = AT_PARTS + PARTS,
    AT_ALL = AT_ENGINES + LINES * CONFIG_ENGINES_MAX
};

/* Waits for what comes next; true: a part crashed. */
static bool watch(struct supervisor *s, int ms)
{
    struct pollfd p[AT_ALL];
    bool crashed = false;

    p[AT_SIGNALS] = (struct pollfd){.fd = s->signals, .events = POLLIN};
    p[AT_CONTROL] = (struct pollfd){.fd = s->control == NULL ? -1 : msg_fd(s->control)};
    p[AT_CONTROL].events = POLLIN;
    if (s->control != NULL && msg_wants_write(s->control))
        p[AT_CONTROL].events |= POLLOUT;
    p[AT_KEY] = (struct pollfd){.fd = tls_reload_fd(&s->tls), .events = POLLIN};
    /* between two lives they wait in the socket's queue */
    p[AT_ADMIN] = (struct pollfd){.fd = s->control == NULL ? -1 : s->admin, .events = POLLIN};
    for (size_t i = 0; i < LINES * CONFIG_ENGINES_MAX; i++)
        p[AT_ENGINES + i] =
            (struct pollfd){.fd = s->engine[i / CONFIG_ENGINES_MAX][i % CONFIG_ENGINES_MAX].pidfd,
                            .events = POLLIN};
    for (int i = 0; i < PARTS; i++)
        p[AT_PARTS + i] = (struct pollfd){.fd = s->part[i].pidfd, .events = POLLIN};
    if (poll(p, AT_ALL, ms) <= 0)
        return false;
    if (p[AT_SIGNALS].revents != 0)
        take_signals(s);
    if (p[AT_CONTROL].revents != 0 && s->control != NULL) {
        if (msg_flush(s->control) != 0 && (p[AT_CONTROL].revents & POLLIN) == 0)
            log_debug("the keeper does not listen");
        take_control(s);
    }
    if (p[AT_KEY].revents != 0)
        tls_reload_step(&s->tls, s->c);
    if (p[AT_ADMIN].revents != 0 && s->control != NULL)
        admit(s);
    for (size_t i = 0; i < LINES * CONFIG_ENGINES_MAX; i++)
        if (p[AT_ENGINES + i].revents != 0)
            engine_ended(s, i / CONFIG_ENGINES_MAX, i % CONFIG_ENGINES_MAX);
    for (int i = 0; i < PARTS; i++)
        if (p[AT_PARTS + i].revents != 0)
            part_ended(s, (enum config_process)i, &crashed);
    return crashed;
}

/* One life of the parts: until one crashes, or all have ended in order. */
static void live(struct supervisor *s)
{
    bool crashed = false;

    while (!crashed && s->code < 0) {
        mono_ms next = start_due(s), now = clock_mono();

        if (s->stopping && (all_ended(s) || now >= s->stop_by))
            break;
        next = s->stopping ? s->stop_by : next;
        crashed = watch(s, next < 0 ? -1 : next > now ? (int)(next - now) : 0);
    }
    /* when one says that it cannot begin, the others' words need not wait */
    end_all(s);
}

/* Back-off between lives; signals are heard meanwhile. */
static void rest(struct supervisor *s)
{
    mono_ms until = clock_mono() + s->backoff, now;
    char ms[24];

    (void)snprintf(ms, sizeof(ms), "%lld", (long long)s->backoff);
    log_warn("all parts begin anew", "in_ms", ms);
    while (!s->stopping && (now = clock_mono()) < until)
        (void)watch(s, (int)(until - now));
    s->backoff = s->backoff * 2 < BACKOFF_MOST ? s->backoff * 2 : BACKOFF_MOST;
}

static int run(struct supervisor *s, struct err *e)
{
    int rc = 0;

    s->backoff = BACKOFF_LEAST;
    while (!s->stopping && s->code < 0) {
        if ((rc = begin_life(s, e)) != 0) {
            end_all(s);
            return rc;
        }
        live(s);
        if (clock_mono() - s->began > LIVED_WELL)
            s->backoff = BACKOFF_LEAST;
        if (!s->stopping && s->code < 0)
            rest(s);
    }
    return 0;
}

static int open_signals(int *out, struct err *e)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return err_sys(e, -errno, "blocking signals");
    *out = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return *out >= 0 ? 0 : err_sys(e, -errno, "signalfd");
}

static int check_uids(const struct config *c, struct err *e)
{
    for (int p = 0; p < CONFIG_PROCESSES; p++)
        if (geteuid() == 0 && c->uid[p] == 0 && (p != CONFIG_ENGINE || c->engines != 0))
            return err_set(e, -EINVAL,
                           "%s: started as root, every process needs a uid to become; add "
                           "\"%s\" under \"run_as\"",
                           c->file, config_process_name((enum config_process)p));
    return 0;
}

#define FRONT_OTHERS 64 /* descriptors of the front beside connections and files */

static int check_descriptors(const struct config *c, struct err *e)
{
    uint64_t need = c->connections + FRONT_FILES_MAX + FRONT_OTHERS;
    struct rlimit have;

    if (getrlimit(RLIMIT_NOFILE, &have) != 0)
        return err_sys(e, -errno, "asking for the limit of descriptors");
    if (have.rlim_max == RLIM_INFINITY || have.rlim_max >= need)
        return 0;
    return err_set(
        e, -EINVAL,
        "%s: \"limits: connections: %llu\" needs %llu descriptors, and the front may have "
        "%llu: raise the hard limit (ulimit -Hn, LimitNOFILE=), or lower the number",
        c->file, (unsigned long long)c->connections, (unsigned long long)need,
        (unsigned long long)have.rlim_max);
}

/* Before anything listens or writes: data of a newer program are not ours to touch. */
static int check_data(const struct config *c, struct err *e)
{
    uint32_t version;
    int rc = data_format_look(c->data, &version, e);

    if (rc == 0 && version == 0)
        return err_set(e, -ENOENT, "\"%s\" holds no site; found one with \"glarus site init\"",
                       c->data);
    return rc;
}

int supervisor_run(struct config *c)
{
    struct supervisor s = {.c = c, .signals = -1, .listen = -1, .admin = -1, .code = -1};
    struct err e = ERR_INIT;
    int rc;

    for (size_t i = 0; i < PARTS; i++)
        s.part[i] = (struct proc)PROC_NONE;
    for (size_t i = 0; i < LINES * CONFIG_ENGINES_MAX; i++)
        s.engine[i / CONFIG_ENGINES_MAX][i % CONFIG_ENGINES_MAX] = (struct proc)PROC_NONE;
    if ((s.file = realpath(c->file, NULL)) == NULL)
        rc = err_sys(&e, -errno, "looking up \"%s\"", c->file);
    else if ((rc = jail_guard(&e)) == 0 && (rc = check_uids(c, &e)) == 0 &&
             (rc = check_data(c, &e)) == 0 && (rc = check_descriptors(c, &e)) == 0 &&
             (rc = open_signals(&s.signals, &e)) == 0 &&
             (rc = http_listen(&s.listen, c->listen, &e)) == 0 &&
             (rc = admin_socket_open(c, &s.admin, &e)) == 0) {
        process_warn_of_swap();
        rc = run(&s, &e);
    }
    if (rc != 0) {
        e.code = rc;
        log_error(err_text(&e));
    }
    if (s.admin >= 0)
        (void)unlink(s.c->admin);
    io_close(&s.admin);
    io_close(&s.listen);
    io_close(&s.signals);
    config_free(s.c);
    free(s.file);
    if (rc != 0)
        return rc == -EINVAL ? 2 : 3;
    return s.code >= 0 ? s.code : 0;
}

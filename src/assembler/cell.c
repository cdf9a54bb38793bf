#include "assembler/cell.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "assembler/cell_priv.h"
#include "base/io.h"
#include "base/text.h"

#define TAIL 65536
#define INFO_MAX 4096

void cell_settings(struct cell_settings *s, const struct recipe *r, bool varied)
{
    const bool *f = r->fixed;

    (void)snprintf(s->path, sizeof(s->path), "%s", r->path);
    *s = (struct cell_settings){.cores = r->cores,
                                .host = "builder",
                                .locale = "C.UTF-8",
                                .timezone = "UTC",
                                .umask = 022,
                                .user = 1000};
    (void)snprintf(s->path, sizeof(s->path), "%s", r->path);
    if (!varied)
        return;
    if (!f[VARY_PATH])
        (void)snprintf(s->path, sizeof(s->path), "/build/an-other-and-longer-path");
    if (!f[VARY_CORES])
        s->cores = r->cores == 1 ? 2 : 1;
    if (!f[VARY_HOST])
        s->host = "elsewhere.example";
    if (!f[VARY_LOCALE])
        s->locale = "fr_CH.UTF-8";
    s->reversed = !f[VARY_ORDER];
    if (!f[VARY_TIMEZONE])
        s->timezone = "XYZ-14";
    if (!f[VARY_UMASK])
        s->umask = 002;
    if (!f[VARY_USER])
        s->user = 1234;
}

const char *cell_end_word(enum cell_end end)
{
    static const char *const words[] = {"done",     "failed",    "out-of-time",
                                        "log-full", "cancelled", "network"};

    return words[end];
}

/* What is kept while one cell is watched. */
struct watch {
    struct cell cell;
    const struct cell_spec *s;
    int file; /* the log */
    uint64_t logged;
    char tail[TAIL + 1]; /* the log's end */
    size_t ntail;
    mono_ms began;
    bool released;
    bool log_open, ended;
    struct proc_last last;
};

/* {"child-pid": 123, ...}: bubblewrap's own words, before anything of the build ran. */
static int read_info(struct watch *w, struct err *e)
{
    char text[INFO_MAX], *at;
    ssize_t n = read(w->cell.info, text, sizeof(text) - 1);
    uint64_t pid;

    if (n <= 0)
        return err_set(e, -EIO, "bubblewrap did not say which process it started");
    text[n] = '\0';
    at = strstr(text, "\"child-pid\":");
    at = at == NULL ? NULL : at + strlen("\"child-pid\":");
    while (at != NULL && *at == ' ')
        at++;
    if (at == NULL || text_u64(span_of(at, strspn(at, "0123456789")), INT32_MAX, &pid) != 0)
        return err_set(e, -EIO, "bubblewrap said something else than which process it started");
    w->cell.init = (pid_t)pid;
    if ((w->cell.initfd = pidfd_open(w->cell.init, 0)) < 0)
        return err_sys(e, -errno, "the cell's first process");
    return 0;
}

/* Holds on to the build folder and the network's counters before anything of the build runs. */
static int take_hold(struct watch *w, struct err *e)
{
    struct cell *c = &w->cell;
    char path[64];
    int rc;

    if ((rc = read_info(w, e)) != 0)
        return rc;
    (void)snprintf(path, sizeof(path), "/proc/%d/root/build", (int)c->init);
    if ((c->build = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        return err_sys(e, -errno, "the build folder in the cell");
    (void)snprintf(path, sizeof(path), "/proc/%d/net/snmp", (int)c->init);
    if ((c->net4 = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        return err_sys(e, -errno, "the counters of the cell's network");
    (void)snprintf(path, sizeof(path), "/proc/%d/net/snmp6", (int)c->init);
    c->net6 = open(path, O_RDONLY | O_CLOEXEC); /* a kernel may have no IPv6 */
    if (write(c->down, "g\n", 2) != 2)
        return err_set(e, -EIO, "the cell ended before it began");
    io_close(&c->down);
    w->released = true;
    return 0;
}

/* Numbers of steps, a line each; what else stands there is left out. */
static int read_up(struct watch *w, struct err *e)
{
    char text[256];
    ssize_t n = read(w->cell.up, text, sizeof(text));
    uint64_t step = 0;

    if (n <= 0) {
        io_close(&w->cell.up);
        return 0;
    }
    if (!w->released)
        return take_hold(w, e);
    for (ssize_t i = 0; i < n; i++) {
        if (text[i] >= '0' && text[i] <= '9')
            step = step * 10 + (uint64_t)(text[i] - '0');
        else if (step > 0 && step <= w->s->recipe->nsteps)
            w->cell.step = (unsigned)step;
        if (text[i] == '\n' || step > 1000000)
            step = 0;
    }
    return 0;
}

static void keep_tail(struct watch *w, const char *p, size_t n)
{
    if (n > TAIL / 2) {
        p += n - TAIL / 2;
        n = TAIL / 2;
    }
    if (w->ntail + n > TAIL) {
        memmove(w->tail, w->tail + w->ntail - TAIL / 2, TAIL / 2);
        w->ntail = TAIL / 2;
    }
    memcpy(w->tail + w->ntail, p, n);
    w->ntail += n;
    w->tail[w->ntail] = '\0';
}

static int read_log(struct watch *w, struct err *e)
{
    char piece[16384];
    ssize_t n = read(w->cell.log, piece, sizeof(piece));
    int rc;

    if (n <= 0) {
        w->log_open = false;
        return 0;
    }
    w->logged += (uint64_t)n;
    keep_tail(w, piece, (size_t)n);
    if (w->s->say != NULL)
        w->s->say(w->s->arg, span_of(piece, (size_t)n));
    if ((rc = io_write_all(w->file, piece, (size_t)n)) != 0)
        return err_sys(e, rc, "the log \"%s\"", w->s->log);
    return 0;
}

/* Ends the whole cell: its process 1 takes all others along.  Returns when they are gone. */
static void stop(struct watch *w)
{
    struct pollfd p = {w->cell.initfd, POLLIN, 0};

    if (p.fd >= 0 && pidfd_send_signal(p.fd, SIGKILL, NULL, 0) == 0)
        while (poll(&p, 1, -1) < 0 && errno == EINTR)
            ;
    if (!w->ended)
        proc_end_now(&w->cell.proc);
    w->ended = true;
}

static enum cell_end turn(struct watch *w, int *rc, struct err *e)
{
    struct cell *c = &w->cell;
    struct pollfd p[] = {{c->log, POLLIN, 0},
                         {c->up, POLLIN, 0},
                         {w->ended ? -1 : c->proc.pidfd, POLLIN, 0},
                         {w->s->cancel, POLLIN, 0}};
    mono_ms left = w->began + (mono_ms)w->s->recipe->limits.seconds * 1000 - clock_mono();

    if (left <= 0)
        return CELL_TIME;
    if (poll(p, ARRAY_LEN(p), left > 1000000 ? 1000000 : (int)left) < 0 && errno != EINTR) {
        *rc = err_sys(e, -errno, "poll");
        return CELL_DONE;
    }
    if (p[3].revents != 0)
        return CELL_CANCELLED;
    if (p[1].revents != 0)
        *rc = read_up(w, e);
    if (*rc == 0 && p[0].revents != 0)
        *rc = read_log(w, e);
    if (p[2].revents != 0 && proc_reap(&c->proc, false, &w->last) == 0)
        w->ended = true;
    return w->logged > w->s->recipe->limits.log ? CELL_LOG : CELL_DONE;
}

/* The counter under NAME in "Ip: NAME ...\nIp: 1 ..." */
static uint64_t counter4(int fd)
{
    char text[8192], *names, *values, *a, *b, *save_a = NULL, *save_b = NULL;
    ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);
    uint64_t v = 0;

    if (n <= 0)
        return 0;
    text[n] = '\0';
    if ((names = strstr(text, "Ip: ")) == NULL || (values = strstr(names + 1, "\nIp: ")) == NULL)
        return 0;
    *values++ = '\0';
    values[strcspn(values, "\n")] = '\0';
    a = strtok_r(names, " ", &save_a);
    b = strtok_r(values, " ", &save_b);
    while (a != NULL && b != NULL) {
        if (strcmp(a, "OutNoRoutes") == 0 && text_u64(span_str(b), UINT64_MAX, &v) == 0)
            return v;
        a = strtok_r(NULL, " ", &save_a);
        b = strtok_r(NULL, " ", &save_b);
    }
    return 0;
}

static uint64_t counter6(int fd)
{
    char text[8192], *at;
    ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);
    uint64_t v = 0;

    if (n <= 0)
        return 0;
    text[n] = '\0';
    if ((at = strstr(text, "Ip6OutNoRoutes")) == NULL)
        return 0;
    at += strlen("Ip6OutNoRoutes");
    at += strspn(at, " \t");
    return text_u64(span_of(at, strspn(at, "0123456789")), UINT64_MAX, &v) == 0 ? v : 0;
}

static bool is_full(int folder)
{
    struct statvfs v;

    return folder >= 0 && fstatvfs(folder, &v) == 0 && v.f_bavail * v.f_bsize < 65536;
}

/* Why a step may have failed, as far as it can be seen from here. */
static const char *hint(const struct watch *w, uint64_t network)
{
    if (is_full(w->cell.build))
        return "; the build folder is full (\"disk\" under \"limits\")";
    if (network > 0)
        return "; it tried the network, and there is none in a build";
    if (strstr(w->tail, "Read-only file system") != NULL)
        return "; it tried to write outside of the build folder and /tmp";
    if (strstr(w->tail, "Resource temporarily unavailable") != NULL ||
        strstr(w->tail, "annot fork") != NULL || strstr(w->tail, "can't fork") != NULL)
        return "; it wanted more processes than \"processes\" under \"limits\"";
    if (strstr(w->tail, "No space left on device") != NULL)
        return "; the build folder or /tmp was full (\"disk\" under \"limits\")";
    return "";
}

/* The last line of the log, for a sentence. */
static const char *last_line(struct watch *w)
{
    char *nl;

    while (w->ntail > 0 && (w->tail[w->ntail - 1] == '\n' || w->tail[w->ntail - 1] == ' '))
        w->tail[--w->ntail] = '\0';
    nl = strrchr(w->tail, '\n');
    return nl != NULL ? nl + 1 : w->tail;
}

static void explain(struct cell_result *out, struct watch *w)
{
    const struct recipe *r = w->s->recipe;
    const char *why = hint(w, out->network);
    char how[96];
    size_t n = sizeof(out->why);

    if (out->end == CELL_TIME)
        (void)snprintf(out->why, n,
                       "stopped in step %u of %zu after %llu s: \"time\" under "
                       "\"limits\" was over",
                       w->cell.step, r->nsteps, (unsigned long long)r->limits.seconds);
    else if (out->end == CELL_LOG)
        (void)snprintf(out->why, n,
                       "stopped in step %u of %zu: it said more than \"log\" under "
                       "\"limits\"",
                       w->cell.step, r->nsteps);
    else if (out->end == CELL_CANCELLED)
        (void)snprintf(out->why, n, "cancelled in step %u of %zu", w->cell.step, r->nsteps);
    else if (out->end == CELL_NETWORK)
        (void)snprintf(out->why, n,
                       "it tried the network %llu times, and went on without: what it would have "
                       "brought elsewhere is not known (\"network-tolerated: true\" in the recipe "
                       "lets it)",
                       (unsigned long long)out->network);
    else if (out->end == CELL_FAILED)
        (void)snprintf(out->why, n, "%s %u of %zu: %s%s; last words: %.200s",
                       w->cell.step == 0 ? "laying out the sources, before step" : "step",
                       w->cell.step == 0 ? 1 : w->cell.step, r->nsteps,
                       proc_last_text(&w->last, how), why, last_line(w));
}

static int watch(struct cell_result *out, struct watch *w, struct err *e)
{
    int rc = 0;

    while (rc == 0 && out->end == CELL_DONE && (!w->ended || w->log_open))
        out->end = turn(w, &rc, e);
    stop(w);
    out->seconds = (uint64_t)(clock_mono() - w->began) / 1000;
    if (rc != 0)
        return rc;
    out->network = counter4(w->cell.net4) + counter6(w->cell.net6);
    if (!w->released && out->end == CELL_DONE)
        return err_set(e, -EPERM, "bubblewrap cannot make a cell here: %.200s", last_line(w));
    if (out->end == CELL_DONE && (w->last.end != PROC_EXITED || w->last.code != 0))
        out->end = CELL_FAILED;
    if (out->end == CELL_DONE && out->network > 0 && !w->s->recipe->network_tolerated)
        out->end = CELL_NETWORK;
    explain(out, w);
    return 0;
}

int cell_run(struct cell_result *out, const struct cell_spec *s, struct err *e)
{
    struct watch *w = calloc(1, sizeof(*w));
    int rc;

    memset(out, 0, sizeof(*out));
    out->folder = -1;
    if (w == NULL)
        return -ENOMEM;
    w->s = s;
    w->log_open = true;
    w->began = clock_mono();
    w->cell = (struct cell){.proc = PROC_NONE,
                            .log = -1,
                            .up = -1,
                            .down = -1,
                            .info = -1,
                            .build = -1,
                            .net4 = -1,
                            .net6 = -1,
                            .initfd = -1};
    if ((w->file = open(s->log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) < 0)
        rc = err_sys(e, -errno, "\"%s\"", s->log);
    else if ((rc = cell_start(&w->cell, s, e)) == 0)
        rc = watch(out, w, e);
    if (rc == 0) {
        out->folder = w->cell.build;
        w->cell.build = -1;
    }
    io_close(&w->cell.log);
    io_close(&w->cell.up);
    io_close(&w->cell.down);
    io_close(&w->cell.info);
    io_close(&w->cell.build);
    io_close(&w->cell.initfd);
    io_close(&w->cell.net4);
    io_close(&w->cell.net6);
    io_close(&w->file);
    free(w);
    return rc;
}

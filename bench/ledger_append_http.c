/* bench-ledger-append-http DIR LEAVES: durable appends of leaves of 300 bytes over HTTP, one a
 * request, over connections that stay open, each with one request on its way.
 *
 * Ours is the smallest program of this project's parts that does what Tessera's own HTTP server for
 * its POSIX driver does: POST /add, answered with the leaf's index when it is durable.  The leaves
 * that came within one turn of the loop are a group: one commit record and one fdatasync in the
 * vault's journal, then the ledger; once a second a signed checkpoint.  There is no jail, no
 * ticket, no signature of a submitter and no witness in it: a site does much more for a submission.
 *
 * Peer: "BENCH_TESSERA serve FOLDER ADDRESS" (bench/tessera/main.go); SIGTERM publishes and ends
 * it.
 *
 * CPU is the server's alone; the load generator is this program on both sides. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "http/server.h"
#include "load.h"
#include "measure.h"
#include "site.h"

#define GROUP 1024
#define LEAF 300

static const char *folder;
static size_t count;

/* ------------------------------------------------------------------ ours */

struct waiting {
    uint64_t id[GROUP]; /* of requests whose leaves are in the group */
    size_t n;
    struct vault_group *group;
    struct http_server *server;
    struct site site;
};

static volatile sig_atomic_t ending;

static void on_term(int sig)
{
    (void)sig;
    ending = 1;
}

static void commit(struct waiting *w)
{
    uint64_t first = ledger_size(w->site.ledger);
    char text[24];

    if (w->n == 0)
        return;
    site_commit(&w->site, w->group);
    w->group = NULL;
    for (size_t i = 0; i < w->n; i++) {
        struct http_req *r = http_find(w->server, w->id[i]);
        int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)(first + i));

        if (r != NULL)
            http_answer(r, 200, "text/plain", span_of(text, (size_t)n));
    }
    w->n = 0;
}

static void add(struct http_req *r, void *arg)
{
    struct waiting *w = arg;

    if (w->n == GROUP)
        commit(w);
    if (w->group == NULL && vault_group_begin(&w->group, w->site.vault) != 0)
        measure_die("group", NULL);
    if (vault_group_leaf(w->group, http_body(r)) != 0)
        measure_die("leaf", NULL);
    w->id[w->n++] = http_id(r);
}

static const struct http_route routes[] = {{.method = HTTP_POST,
                                            .pattern = "/add",
                                            .body_mode = HTTP_BODY_WHOLE,
                                            .max_body = 65535,
                                            .begin = add}};

/* The server's whole life, in a process of its own. */
static __attribute__((noreturn)) void serve(const char *dir, int listener)
{
    static struct waiting w;
    static const struct http_limits limits = {.connections = 4096, .connections_per_ip = 4096};
    struct sigaction term = {.sa_handler = on_term};
    struct pollfd p;
    struct err e = ERR_INIT;

    (void)sigaction(SIGTERM, &term, NULL);
    site_make(&w.site, dir, NULL);
    if (http_server_new(&w.server, routes, ARRAY_LEN(routes), &limits, &w, &e) != 0 ||
        http_server_listen(w.server, listener, &e) != 0)
        measure_die("server", &e);
    while (!ending) {
        int ms = http_server_wait(w.server);

        p = (struct pollfd){.fd = http_server_fd(w.server), .events = POLLIN};
        if (poll(&p, 1, ms < 0 || ms > 100 ? 100 : ms) < 0 && errno != EINTR)
            measure_die("poll", NULL);
        if (http_server_run(w.server) != 0)
            measure_die("server", NULL);
        commit(&w);
        site_publish(&w.site, false);
    }
    site_publish(&w.site, true);
    if (ledger_published(w.site.ledger) != count)
        measure_die("not every leaf was published", NULL);
    http_server_free(w.server);
    site_close(&w.site);
    _exit(0);
}

/* ------------------------------------------------------------------ both */

static const char *path_of(char out[4096], const char *name)
{
    static unsigned number;

    (void)snprintf(out, 4096, "%s/%s-%u", folder, name, number++);
    sync();
    return out;
}

/* Loads the server, asks it to end, and tells what it cost. */
static struct cost drive(pid_t pid, const char *address)
{
    struct cost begin = measure_now(), c;
    struct rusage ru;
    int status = 0;

    load_run(address, count, LEAF);
    c.wall = measure_since(&begin).wall;
    (void)kill(pid, SIGTERM);
    while (wait4(pid, &status, 0, &ru) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        measure_die("a server did not end well", NULL);
    c.cpu = (double)ru.ru_utime.tv_sec + (double)ru.ru_stime.tv_sec +
            (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
    return c;
}

static int listener(char *address, size_t cap)
{
    struct err e = ERR_INIT;
    int fd;

    if (http_listen(&fd, "127.0.0.1:0", &e) != 0 || http_listen_name(fd, address, cap) != 0)
        measure_die("listening", &e);
    return fd;
}

static struct cost ours(void)
{
    char address[64], path[4096];
    int fd = listener(address, sizeof(address));
    pid_t pid;

    (void)path_of(path, "http-ours");
    (void)fflush(stdout);
    if ((pid = fork()) == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(path, fd);
    }
    (void)close(fd);
    if (pid < 0)
        measure_die("fork", NULL);
    return drive(pid, address);
}

static struct cost tessera(const char *program)
{
    char address[64], path[4096];
    pid_t pid;

    /* a port that was free just now */
    (void)close(listener(address, sizeof(address)));
    (void)path_of(path, "http-tessera");
    (void)fflush(stdout);
    if ((pid = fork()) == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)execlp(program, program, "serve", path, address, (char *)NULL);
        _exit(127);
    }
    if (pid < 0)
        measure_die("fork", NULL);
    return drive(pid, address);
}

int main(int argc, char **argv)
{
    struct bench vs = {.name = "ledger-append-http", .unit = "leaves", .by_cpu = true, .bar = 4};
    struct bench wall = {.name = "ledger-append-http-wall", .unit = "leaves"};
    const char *program = getenv("BENCH_TESSERA");
    size_t rounds = measure_rounds(3);

    if (argc != 3 || (count = strtoul(argv[2], NULL, 10)) == 0) {
        (void)fprintf(stderr, "usage: bench-ledger-append-http FOLDER LEAVES\n");
        return 2;
    }
    folder = argv[1];
    vs.no_peer = wall.no_peer = program == NULL || program[0] == '\0';
    vs.work = wall.work = (double)count;
    for (size_t i = 0; i < rounds; i++) {
        vs.ours[i] = wall.ours[i] = ours();
        if (!vs.no_peer)
            vs.peer[i] = wall.peer[i] = tessera(program);
    }
    vs.n = wall.n = rounds;
    measure_print(&vs);
    measure_print(&wall);
    measure_say(vs.name, "%d connections, one leaf of %d bytes a request; CPU of the server alone",
                LOAD_CONNECTIONS, LEAF);
    if (vs.no_peer)
        measure_say(vs.name, "no peer: name a program in BENCH_TESSERA (docs/performance.md)");
    return 0;
}

/* A crowd at the door: ten thousand connections that say nothing, a thousand that are slow in
 * every way there is, and two thousand that talk garbage.  Others are served meanwhile, memory and
 * descriptors of the front stay bounded, and it does not fall. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "crypto/secret.h"
#include "rig_crowd.h"
#include "rig_priv.h"

#define LIMIT 4096 /* connections of the site's configuration */
#define IDLE 10000
#define SLOW 1000
#define GARBAGE 2000
#define SERVED_MS 5000 /* nobody waits longer for a whole submission */
#define MIB (UINT64_C(1) << 20)

static struct rig *r;
static int conn[IDLE];
static size_t n_conn, most;
static pid_t front;

static pid_t front_pid(void)
{
    pid_t all[64];
    size_t n = rig_processes(r, 0, all, ARRAY_LEN(all));
    char name[32];

    for (size_t i = 0; i < n; i++) {
        rig_process_name(all[i], name);
        if (strcmp(name, "front") == 0)
            return all[i];
    }
    return 0;
}

static int set_up(void **state)
{
    static const struct rig_plan plan = {.sites = 1, .limits = ", connections: 4096"};
    struct rlimit lim;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &lim), 0);
    lim.rlim_cur = lim.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &lim), 0);
    most = lim.rlim_max > IDLE + 200 ? IDLE : (size_t)lim.rlim_max - 200;
    r = rig_open(&plan);
    front = front_pid();
    return 0;
}

static void hang_up(void)
{
    while (n_conn > 0)
        io_close(&conn[--n_conn]);
}

static int tear_down(void **state)
{
    hang_up();
    rig_close(r);
    return 0;
}

static const char *somewhere(size_t i)
{
    static char from[24];

    (void)snprintf(from, sizeof(from), "127.0.%zu.%zu", 1 + i % 7, 1 + i / 7 % 250);
    return from;
}

/* A whole submission by somebody else, in time. */
static mono_ms served(void)
{
    uint8_t bytes[20000];
    mono_ms began = clock_mono(), took;
    struct rig_sub s;

    random_bytes(bytes, sizeof(bytes));
    rig_sub_new(r, &s, "CH");
    rig_submit(r, 0, &s, span_of(bytes, sizeof(bytes)), NULL, NULL);
    rig_sub_free(&s);
    took = clock_mono() - began;
    if (took > SERVED_MS)
        fail_msg("a submission took %lld ms", (long long)took);
    return took;
}

static void bounded(uint64_t memory_before, uint64_t allowed)
{
    uint64_t now = rig_memory(r, 0, "front");

    assert_int_equal(front_pid(), front); /* it has not fallen */
    if (now > memory_before + allowed)
        fail_msg("the front has %llu KiB more", (unsigned long long)((now - memory_before) >> 10));
    assert_true(rig_descriptors(r, 0, "front") <= LIMIT + 1024 + 64);
    print_message("front: %llu KiB before, %llu KiB now, %zu descriptors, %llu connections\n",
                  (unsigned long long)(memory_before >> 10), (unsigned long long)(now >> 10),
                  rig_descriptors(r, 0, "front"),
                  (unsigned long long)rig_metric(r, 0, "front_connections"));
}

static void ten_thousand_idle_connections_keep_nobody_out(void **state)
{
    uint64_t before;
    mono_ms worst = 0, took;

    (void)served();
    before = rig_memory(r, 0, "front");
    while (n_conn < most) {
        conn[n_conn] = rig_dial(r, 0, somewhere(n_conn));
        n_conn++;
        if (n_conn % 1000 == 0) {
            rig_nap(1100); /* those are idle by now, not new */
            took = served();
            worst = took > worst ? took : worst;
        }
    }
    assert_true(rig_metric(r, 0, "front_connections") <= LIMIT);
    if (most > LIMIT)
        assert_true(rig_metric(r, 0, "front_idle_closed_total") > 0);
    print_message("%zu idle connections: the slowest submission took %lld ms\n", n_conn,
                  (long long)worst);
    bounded(before, LIMIT * 2048 + 4 * MIB); /* under 2 KiB a connection */
    hang_up();
}

/* --- slow ones: a third each dribbles its head, dribbles its upload, does not read its answer ---
 */

static void say(int fd, const char *text)
{
    ssize_t n = send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);

    (void)n; /* it may have been closed */
}

static void slow_head(int fd)
{
    say(fd, "GET /v1/policy HTTP/1.1\r\nHost: a\r\nX-");
}

static struct rig_sub slow_sub[200];
static size_t n_slow;

static void slow_body(int fd)
{
    struct rig_sub *s = &slow_sub[n_slow];
    char head[512];

    if (n_slow == ARRAY_LEN(slow_sub)) { /* a token has so many at once, and others want some */
        slow_head(fd);
        return;
    }
    rig_sub_new(r, s, "CH");
    assert_int_equal(rig_announce(r, 0, s, NULL), 201);
    n_slow++;
    (void)snprintf(head, sizeof(head),
                   "PUT /v1/submissions/%s/content HTTP/1.1\r\nHost: a\r\nTicket: %s\r\n"
                   "Content-Length: 1000000\r\n\r\nx",
                   s->hex, s->ticket);
    say(fd, head);
}

static void slow_reader(int fd)
{
    int least = 2048;

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least));
    for (int i = 0; i < 40; i++) /* one after the other: answers pile up in the socket */
        say(fd, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
}

static void a_thousand_slow_connections_keep_nobody_out(void **state)
{
    static void (*const ways[])(int) = {slow_head, slow_body, slow_reader};
    mono_ms worst = 0, took, began;
    uint64_t before = rig_memory(r, 0, "front");

    for (size_t i = 0; i < SLOW; i++) {
        conn[n_conn++] = rig_dial(r, 0, somewhere(i));
        ways[i % ARRAY_LEN(ways)](conn[n_conn - 1]);
    }
    assert_true(rig_metric(r, 0, "front_uploads") >= ARRAY_LEN(slow_sub));
    for (began = clock_mono(); clock_mono() - began < 12000;) {
        took = served();
        worst = took > worst ? took : worst;
        for (size_t i = 0; i < n_conn; i++)
            if (i % ARRAY_LEN(ways) != 2)
                say(conn[i], "y");
        rig_nap(500);
    }
    print_message("%d slow connections: the slowest submission took %lld ms\n", SLOW,
                  (long long)worst);
    /* heads have ten seconds */
    assert_true(rig_metric(r, 0, "front_timeouts_total") > SLOW / 4);
    bounded(before, 32 * MIB);
    hang_up();
    for (size_t i = 0; i < n_slow; i++)
        rig_sub_free(&slow_sub[i]);
}

/* --- garbage --- */

static void garbage_into(uint8_t *out, size_t *n)
{
    static const char *const seeds[] = {
        "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /v1/submissions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        "Content-Length: 20\r\n\r\n{\"sub\":\"00\",\"kind\":1}",
        "PUT /v1/submissions/00112233445566778899aabbccddeeff/content HTTP/1.1\r\nHost: a\r\n"
        "Ticket: 00112233445566778899aabbccddeeff\r\nTransfer-Encoding: chunked\r\n\r\n"
        "ffffffffffffffff\r\nx\r\n0\r\n\r\n",
        "GET /ledger/tile/entries/000 HTTP/1.1\r\nHost: a\r\nRange: bytes=0-\r\n\r\n",
    };
    const char *seed = seeds[random_below(ARRAY_LEN(seeds))];

    if (random_below(4) == 0) {
        *n = 1 + (size_t)random_below(4000);
        random_bytes(out, *n);
        return;
    }
    *n = strlen(seed);
    memcpy(out, seed, *n);
    for (uint64_t i = random_below(6); i > 0; i--)
        out[random_below(*n)] = (uint8_t)random_below(256);
    *n -= random_below(3) == 0 ? (size_t)random_below(*n) : 0;
}

static void garbage_changes_nothing(void **state)
{
    uint64_t before = rig_memory(r, 0, "front"), leaves;
    uint8_t bytes[4096];
    size_t n;

    rig_settle(r, 0);
    leaves = rig_metric(r, 0, "site_ledger_size");
    for (size_t i = 0; i < GARBAGE; i++) {
        int fd = rig_dial(r, 0, somewhere(i));

        for (uint64_t k = 1 + random_below(3); k > 0; k--) {
            garbage_into(bytes, &n);
            (void)!send(fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        }
        if (n_conn < 500)
            conn[n_conn++] = fd; /* some stay and wait */
        else
            io_close(&fd);
    }
    (void)rig_metric(r, 0, "site_leaves_total");
    assert_true(rig_metric(r, 0, "front_gate_refusals_total") > GARBAGE / 4);
    rig_settle(r, 0);
    assert_int_equal(rig_metric(r, 0, "site_ledger_size"), leaves);
    (void)served();
    bounded(before, 32 * MIB);
    hang_up();
    rig_stop(r, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_thousand_idle_connections_keep_nobody_out),
        cmocka_unit_test(a_thousand_slow_connections_keep_nobody_out),
        cmocka_unit_test(garbage_changes_nothing),
    };

    rig_args(argc, argv);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

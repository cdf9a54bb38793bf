/* Many connections over TLS that do nothing, and many whose handshake never ends: who wants
 * something is served meanwhile, memory grows by what a connection costs, and the slow ones are
 * sent away in time.  By default some hundreds; SOAK_ROUNDS=10000 idle ones and a tenth as many
 * slow ones in the soak suite. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "rig_client.h"
#include "rig_priv.h"

#define IDLE_COST (20U << 10) /* bytes a connection may hold while nothing happens on it */
#define SLOW_COST (64U << 10) /* with a part of a record */
#define ALLOWANCE (16U << 20)

static struct rig *r;
static unsigned idle, slow;

static int set_up(void **state)
{
    struct rig_plan plan = {.sites = 1, .tls = true, .handshakes = 100000};
    static char limits[32];
    struct rlimit files;

    (void)state;
    idle = rig_rounds(300);
    slow = idle / 10;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    if (files.rlim_max < idle + slow + 200)
        fail_msg("%u connections need more than %llu descriptors: ulimit -n", idle + slow,
                 (unsigned long long)files.rlim_max);
    (void)snprintf(limits, sizeof(limits), ", connections: %u", idle + slow + 100);
    plan.limits = limits;
    r = rig_open(&plan);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_close(r);
    return 0;
}

static int connect_plain(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    a.sin_port = htons((uint16_t)strtoul(strrchr(r->site[0].url, ':') + 1, NULL, 10));
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0)
        fail_msg("connect: %s", strerror(errno));
    return fd;
}

/* Bytes of the front's own memory. */
static uint64_t front_holds(void)
{
    pid_t all[64];
    size_t n = rig_processes(r, 0, all, ARRAY_LEN(all));
    uint64_t kb = 0;

    for (size_t i = 0; i < n; i++) {
        char name[32], path[48];
        const char *at;
        struct buf b;

        rig_process_name(all[i], name);
        if (strcmp(name, "front") != 0)
            continue;
        buf_init(&b, 65536);
        (void)snprintf(path, sizeof(path), "/proc/%d/status", all[i]);
        rig_ok(io_read_file(AT_FDCWD, path, &b), NULL);
        at = strstr(buf_str(&b), "RssAnon:");
        assert_non_null(at);
        kb = strtoull(at + 8, NULL, 10);
        buf_free(&b);
    }
    assert_true(kb > 0);
    return kb << 10;
}

static void a_file_is_still_taken(void)
{
    mono_ms began = clock_mono();
    struct rig_sub s;

    rig_sub_new(r, &s, "CH");
    rig_submit(r, 0, &s, span_str("a small file"), NULL, NULL);
    rig_sub_free(&s);
    assert_true(clock_mono() - began < 10000);
}

static void a_crowd_that_does_nothing_is_in_nobodys_way(void **state)
{
    /* the beginning of a record of 512 bytes with a ClientHello of 508 */
    static const uint8_t piece[] = {0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc};
    gnutls_certificate_credentials_t none;
    gnutls_session_t *session = calloc(idle, sizeof(*session));
    int *fd = calloc(idle + slow, sizeof(*fd));
    uint64_t before, after, timeouts;
    mono_ms began;

    (void)state;
    assert_non_null(session);
    assert_non_null(fd);
    assert_int_equal(gnutls_certificate_allocate_credentials(&none), 0);
    a_file_is_still_taken();
    before = front_holds();
    timeouts = rig_metric(r, 0, "front_timeouts_total");
    for (unsigned i = 0; i < idle; i++) {
        int rc;

        fd[i] = connect_plain();
        assert_int_equal(gnutls_init(&session[i], GNUTLS_CLIENT | GNUTLS_NO_SIGNAL), 0);
        assert_int_equal(gnutls_set_default_priority(session[i]), 0);
        assert_int_equal(gnutls_credentials_set(session[i], GNUTLS_CRD_CERTIFICATE, none), 0);
        gnutls_transport_set_int(session[i], fd[i]);
        do
            rc = gnutls_handshake(session[i]);
        while (rc < 0 && gnutls_error_is_fatal(rc) == 0);
        if (rc != 0)
            fail_msg("handshake %u: %s", i, gnutls_strerror(rc));
    }
    began = clock_mono();
    for (unsigned i = 0; i < slow; i++) {
        fd[idle + i] = connect_plain();
        assert_int_equal(send(fd[idle + i], piece, sizeof(piece), MSG_NOSIGNAL), sizeof(piece));
    }
    a_file_is_still_taken();
    after = front_holds();
    print_message("%u idle and %u slow connections: the front grew from %llu to %llu KiB\n", idle,
                  slow, (unsigned long long)(before >> 10), (unsigned long long)(after >> 10));
    assert_true(after <
                before + (uint64_t)idle * IDLE_COST + (uint64_t)slow * SLOW_COST + ALLOWANCE);
    assert_true(rig_metric(r, 0, "front_connections") >= idle);
    /* the slow ones drip on; ten seconds after they connected they are gone all the same */
    while (rig_metric(r, 0, "front_timeouts_total") - timeouts < slow) {
        if (clock_mono() - began > 10000 + RIG_SOON)
            fail_msg("slow handshakes are still there");
        for (unsigned i = 0; i < slow; i++)
            (void)!send(fd[idle + i], "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        rig_nap(500);
    }
    assert_true(clock_mono() - began >= 9000);
    a_file_is_still_taken();
    for (unsigned i = 0; i < idle; i++)
        gnutls_deinit(session[i]);
    for (unsigned i = 0; i < idle + slow; i++)
        io_close(&fd[i]);
    gnutls_certificate_free_credentials(none);
    free(session);
    free(fd);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crowd_that_does_nothing_is_in_nobodys_way),
    };

    rig_args(argc, argv);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

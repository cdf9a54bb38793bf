/* Bytes in flight are budgeted: many more than limits.in_flight arrive at once, and what all
 * processes of the site hold in memory together (anonymous and shared, each page once: the kernel's
 * Pss) grows by that budget and a fixed allowance, not with what arrives. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
#include "crypto/secret.h"
#include "rig_client.h"
#include "rig_priv.h"

#define BUDGET (8U << 20)        /* limits.in_flight */
#define OBJECT ((size_t)6 << 20) /* each, so that 24 of them are 18 times the budget */
#define CLIENTS 24
/* What is held beside the ring: batches of leaves, receipts, sockets' buffers, the keeper's copy of
 * a slot, with TLS 24 sessions and their records. */
#define ALLOWANCE (16U << 20)

static struct rig *r;

static int set_up(void **state)
{
    const struct rig_plan plan = {.sites = 1, .segment = 64 << 20, .in_flight = BUDGET};

    (void)state;
    r = rig_open(&plan);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_close(r);
    return 0;
}

/* Kilobytes of a line of smaps_rollup; 0: the kernel does not tell. */
static uint64_t line_of(const char *text, const char *name)
{
    const char *at = strstr(text, name);

    return at == NULL ? 0 : strtoull(at + strlen(name), NULL, 10);
}

/* Of all processes of the site. */
static uint64_t held(void)
{
    pid_t all[64];
    size_t n = rig_processes(r, 0, all, ARRAY_LEN(all));
    uint64_t kb = 0;

    for (size_t i = 0; i < n; i++) {
        char path[48];
        struct buf b;

        buf_init(&b, 65536);
        (void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", all[i]);
        if (io_read_file(AT_FDCWD, path, &b) == 0) {
            const char *text = buf_str(&b);

            kb += line_of(text, "Pss_Anon:") + line_of(text, "Pss_Shmem:");
        }
        buf_free(&b);
    }
    return kb << 10;
}

static void on_done(struct http_result *a, void *arg)
{
    int *status = arg;

    *status = a->rc == 0 ? a->status : -1;
}

static void many_uploads_at_once_hold_no_more_than_the_budget(void **state)
{
    uint8_t *bytes = malloc(OBJECT + CLIENTS);
    char url[CLIENTS][160], ticket[CLIENTS][64];
    uint64_t before, most = 0;
    struct rig_sub sub[CLIENTS];
    int status[CLIENTS] = {0};
    struct err e = ERR_INIT;

    (void)state;
    assert_non_null(bytes);
    if (geteuid() != 0) {
        print_message("not root: the memory of the processes is not measured\n");
        skip();
    }
    random_bytes(bytes, OBJECT + CLIENTS);
    for (int i = 0; i < CLIENTS; i++) {
        struct rig_word w;

        rig_sub_new(r, &sub[i], "CH");
        assert_int_equal(rig_announce(r, 0, &sub[i], &w), 201);
    }
    before = held();
    assert_true(before > 0);
    for (int i = 0; i < CLIENTS; i++) {
        const char *headers[] = {ticket[i], "Content-Type: application/octet-stream", NULL};
        struct http_call call = {.method = HTTP_PUT,
                                 .url = url[i],
                                 .headers = headers,
                                 .body = span_of(bytes + i, OBJECT), /* no two alike */
                                 .done = on_done,
                                 .arg = &status[i]};

        (void)snprintf(url[i], sizeof(url[i]), "%s/v1/submissions/%s/content", r->site[0].url,
                       sub[i].hex);
        (void)snprintf(ticket[i], sizeof(ticket[i]), "Ticket: %s", sub[i].ticket);
        rig_ok(http_client_start(r->http, &call, &e), &e);
    }
    while (http_client_in_flight(r->http) > 0) {
        struct pollfd p = {.fd = http_client_fd(r->http), .events = POLLIN};
        mono_ms until = clock_mono() + 30;
        uint64_t now;

        while (http_client_in_flight(r->http) > 0 && clock_mono() < until) {
            (void)poll(&p, 1, 5);
            assert_int_equal(http_client_step(r->http), 0);
        }
        now = held();
        most = now > most ? now : most;
    }
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(status[i], 201);
        rig_sub_free(&sub[i]);
    }
    print_message(
        "%u MiB arrived at once, in flight at most %u MiB: memory grew from %llu to %llu KiB\n",
        (unsigned)(CLIENTS * OBJECT >> 20), BUDGET >> 20, (unsigned long long)(before >> 10),
        (unsigned long long)(most >> 10));
    assert_true(most < before + BUDGET + ALLOWANCE);
    free(bytes);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_uploads_at_once_hold_no_more_than_the_budget),
    };

    rig_args(argc, argv);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

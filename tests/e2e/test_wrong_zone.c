/* A site where a file does not belong never holds a byte of it: not on disk, not in the memory of
 * any of its processes, not in what it took from its socket after the request's head. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "crypto/secret.h"
#include "rig_client.h"
#include "rig_priv.h"

#define BLOCK ((size_t)1 << 20)
#define STREAM ((size_t)100 << 20) /* bytes the client that does not listen sends */

static struct rig *r;
static struct rig_needle marker = {"the marker", {0}, 32};
static uint8_t block[BLOCK]; /* of the file: the marker, over and over */

static int set_up(void **state)
{
    const struct rig_plan plan = {.sites = 2, .scanning = true};

    r = rig_open(&plan);
    random_bytes(marker.b, marker.n);
    for (size_t i = 0; i < sizeof(block); i += marker.n)
        memcpy(block + i, marker.b, marker.n);
    return 0;
}

static int tear_down(void **state)
{
    rig_close(r);
    return 0;
}

static void nowhere(size_t site)
{
    assert_int_equal(rig_in_files(r->dir, &marker, 1, true), 0);
    if (geteuid() == 0)
        assert_int_equal(rig_in_memory(r, site, &marker, 1, true), 0);
    else
        print_message("not root: the memory of the processes is not searched\n");
}

static void the_search_finds_what_is_there(void **state)
{
    struct rig_sub s;
    char path[160];
    struct rig_needle origin = {"the origin", "mow1.example/ledger", 19};
    size_t before;

    /* on disk */
    (void)snprintf(path, sizeof(path), "%s/decoy", r->site[RIG_MOW].data);
    rig_ok(io_replace_file(AT_FDCWD, path, block + 5, 9000, 0600), NULL);
    assert_int_equal(rig_in_files(r->dir, &marker, 1, false), 1);
    assert_int_equal(unlink(path), 0);
    /* in memory: what every process read from its configuration */
    if (geteuid() == 0)
        assert_true(rig_in_memory(r, RIG_MOW, &origin, 1, false) >= 4);
    /* and a site where the file belongs does hold it, for a while, in front and keeper */
    rig_sub_new(r, &s, "CH");
    before = marker.n;
    rig_submit(r, RIG_ZRH, &s, span_of(block, sizeof(block)), NULL, NULL);
    marker.n = before;
    if (geteuid() == 0)
        assert_true(rig_in_memory(r, RIG_ZRH, &marker, 1, false) > 0);
    rig_sub_free(&s);
}

static void a_client_that_listens_sends_nothing(void **state)
{
    struct rig_word w;
    struct rig_sub s;

    rig_sub_new(r, &s, "CH");
    assert_int_equal(rig_announce(r, RIG_MOW, &s, &w), 421);
    assert_string_equal(w.text, "wrong_site");
    nowhere(RIG_MOW);
    rig_sub_free(&s);
}

static int connect_to(size_t site)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    a.sin_port = htons((uint16_t)strtoul(strrchr(r->site[site].url, ':') + 1, NULL, 10));
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

/* Sends the file whatever the site says; the bytes that left before the connection broke. */
static uint64_t pour(int fd)
{
    struct timeval patience = {5, 0};
    uint64_t sent = 0;

    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    while (sent < STREAM) {
        ssize_t n = send(fd, block + sent % marker.n, BLOCK - marker.n, MSG_NOSIGNAL);

        if (n <= 0)
            break;
        sent += (uint64_t)n;
    }
    return sent;
}

static size_t head_of(char out[512], const struct rig_sub *s, const char *more)
{
    return (size_t)snprintf(out, 512,
                            "PUT /v1/submissions/%s/content HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                            "Ticket: 00112233445566778899aabbccddeeff\r\n"
                            "Content-Type: application/octet-stream\r\n"
                            "%s\r\n",
                            s->hex, more);
}

static void answered(int fd, const char *status, const char *word)
{
    char text[4096];
    size_t n = 0;
    ssize_t got;

    while (n < sizeof(text) - 1 && (got = recv(fd, text + n, sizeof(text) - 1 - n, 0)) > 0)
        n += (size_t)got;
    text[n] = '\0';
    if (strncmp(text, status, strlen(status)) != 0 || strstr(text, word) == NULL)
        fail_msg("the answer is: %s", text);
}

/* The answer is there before the first byte of the file is sent; then all of it is sent anyway. */
static void a_client_that_does_not_listen_is_not_listened_to(void **state)
{
    char head[512], length[64], answer[32];
    uint64_t before, discarded, sent;
    struct rig_word w;
    struct rig_sub s;
    size_t n;
    int fd;

    rig_sub_new(r, &s, "CH");
    assert_int_equal(rig_announce(r, RIG_MOW, &s, &w), 421);
    before = rig_metric(r, RIG_MOW, "front_bytes_in_total");
    discarded = rig_metric(r, RIG_MOW, "front_bytes_discarded_total");
    (void)snprintf(length, sizeof(length), "Content-Length: %u\r\n", RIG_OBJECT_MAX);
    n = head_of(head, &s, length);
    fd = connect_to(RIG_MOW);
    assert_int_equal(send(fd, head, n, MSG_NOSIGNAL), n);
    /* wait for the answer without taking it */
    assert_int_equal(recv(fd, answer, 12, MSG_PEEK | MSG_WAITALL), 12);
    assert_memory_equal(answer, "HTTP/1.1 403", 12);
    sent = pour(fd);
    nowhere(RIG_MOW); /* while the connection lingers */
    io_close(&fd);
    print_message("%llu bytes of the file were sent into a closed door\n",
                  (unsigned long long)sent);
    nowhere(RIG_MOW);
    /* what the front received is the head, and its own /metrics requests */
    assert_in_range(rig_metric(r, RIG_MOW, "front_bytes_in_total") - before, n, n + 2048);
    assert_true(rig_metric(r, RIG_MOW, "front_bytes_discarded_total") >= discarded);
    rig_sub_free(&s);
}

static void chunks_are_not_listened_to_either(void **state)
{
    char head[512], answer[32];
    struct rig_sub s;
    size_t n;
    int fd;

    rig_sub_new(r, &s, "CH");
    n = head_of(head, &s, "Transfer-Encoding: chunked\r\n");
    fd = connect_to(RIG_MOW);
    assert_int_equal(send(fd, head, n, MSG_NOSIGNAL), n);
    assert_int_equal(recv(fd, answer, 12, MSG_PEEK | MSG_WAITALL), 12);
    assert_memory_equal(answer, "HTTP/1.1 403", 12);
    assert_true(send(fd, "100000\r\n", 8, MSG_NOSIGNAL) == 8);
    (void)pour(fd);
    io_close(&fd);
    nowhere(RIG_MOW);
    rig_sub_free(&s);
}

/* What comes in one packet with the head cannot be unreceived; it is gone with the connection. */
static void what_came_with_the_head_is_forgotten(void **state)
{
    char both[512 + 1024];
    struct rig_sub s;
    size_t n;
    int fd;

    rig_sub_new(r, &s, "CH");
    n = head_of(both, &s, "Content-Length: 1024\r\n");
    memcpy(both + n, block, 1024);
    fd = connect_to(RIG_MOW);
    assert_int_equal(send(fd, both, n + 1024, MSG_NOSIGNAL), n + 1024);
    answered(fd, "HTTP/1.1 403", "ticket_unknown");
    io_close(&fd);
    (void)rig_metric(r, RIG_MOW, "front_bytes_in_total"); /* the front has turned once more */
    nowhere(RIG_MOW);
    rig_sub_free(&s);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_that_listens_sends_nothing),
        cmocka_unit_test(a_client_that_does_not_listen_is_not_listened_to),
        cmocka_unit_test(chunks_are_not_listened_to_either),
        cmocka_unit_test(what_came_with_the_head_is_forgotten),
        cmocka_unit_test(the_search_finds_what_is_there),
    };

    rig_args(argc, argv);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

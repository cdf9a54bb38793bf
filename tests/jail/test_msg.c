#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "jail/msg.h"

enum { ASK = 1, GIVE, ANSWER, BOTH };
static const struct msg_type types[] = {
    {ASK, "ASK", MSG_A, 0, 0, 16, MSG_IN_PHASE(0)},
    {GIVE, "GIVE", MSG_A, 2, 1, 8, MSG_IN_PHASE(1)},
    {ANSWER, "ANSWER", MSG_B, 0, 4, MSG_BODY_MAX, MSG_ANY_PHASE},
    {BOTH, "BOTH", MSG_A | MSG_B, 0, 0, 0, MSG_ANY_PHASE},
};
static const struct msg_protocol proto = {"test", 0x74657374, 7, types, ARRAY_LEN(types), false};

/* ASK, id 0x0102030405060708, body "hi": written by hand from the layout in msg.h */
static const uint8_t good[] = {'t', 'e', 's', 't', 0, 7, 0, 1, 0, 0, 0, 2,   0,
                               0,   0,   0,   1,   2, 3, 4, 5, 6, 7, 8, 'h', 'i'};

struct pair {
    struct msg_chan *a, *b;
    int raw; /* a's socket again, to misbehave with */
};

static struct pair begin(void)
{
    struct pair p = {NULL, NULL, -1};
    int fd[2];

    assert_int_equal(msg_pair(fd, NULL), 0);
    p.raw = fcntl(fd[0], F_DUPFD_CLOEXEC, 0);
    assert_int_equal(msg_open(&p.a, fd[0], &proto, MSG_A, NULL), 0);
    assert_int_equal(msg_open(&p.b, fd[1], &proto, MSG_B, NULL), 0);
    return p;
}

static void end(struct pair *p)
{
    msg_close(p->a);
    msg_close(p->b);
    (void)close(p->raw);
}

static size_t open_fds(void)
{
    size_t n = 0;

    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) != -1;
    return n;
}

static void a_message_arrives_as_the_layout_says(void **state)
{
    struct pair p = begin();
    uint8_t wire[64];
    struct msg m;

    (void)state;
    assert_int_equal(msg_send(p.a, ASK, UINT64_C(0x0102030405060708), span_str("hi"), NULL), 0);
    assert_int_equal(recv(msg_fd(p.b), wire, sizeof(wire), MSG_PEEK), sizeof(good));
    assert_memory_equal(wire, good, sizeof(good));
    assert_int_equal(msg_recv(p.b, &m, NULL), 0);
    assert_int_equal(m.type->type, ASK);
    assert_true(m.id == UINT64_C(0x0102030405060708));
    assert_true(span_is(m.body, "hi"));
    assert_int_equal(msg_recv(p.b, &m, NULL), -EAGAIN);
    end(&p);
}

static void the_largest_message_fits_and_one_byte_more_does_not(void **state)
{
    struct pair p = begin();
    uint8_t *big = calloc(1, 24 + MSG_BODY_MAX + 1);
    struct msg m;

    (void)state;
    assert_int_equal(msg_send(p.b, ANSWER, 0, span_of(big, MSG_BODY_MAX), NULL), 0);
    assert_int_equal(msg_recv(p.a, &m, NULL), 0);
    assert_int_equal(m.body.n, MSG_BODY_MAX);
    memcpy(big, "test\0\7\0\3\0\2\0\1", 12); /* length 0x20001 */
    assert_int_equal(send(msg_fd(p.b), big, 24 + MSG_BODY_MAX + 1, 0), 24 + MSG_BODY_MAX + 1);
    assert_int_equal(msg_recv(p.a, &m, NULL), -EPROTO);
    free(big);
    end(&p);
}

static void each_broken_header_is_refused(void **state)
{
    static const struct {
        const char *what;
        size_t at;
        uint8_t byte;
    } rows[] = {
        {"magic", 0, 'T'},       {"version", 5, 8},        {"type 0", 7, 0},
        {"unknown type", 7, 5},  {"type of B", 7, ANSWER}, {"type of another phase", 7, GIVE},
        {"length short", 11, 1}, {"length long", 11, 3},   {"length huge", 8, 0x80},
        {"descriptors", 13, 1},  {"reserved", 15, 1},      {"type's body too long", 7, BOTH},
    };
    struct msg m;

    (void)state;
    assert_int_equal(msg_parse(&proto, MSG_A, 0, span_of(good, sizeof(good)), 0, &m, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t bad[sizeof(good)];
        struct err e = ERR_INIT;

        memcpy(bad, good, sizeof(good));
        bad[rows[i].at] = rows[i].byte;
        if (msg_parse(&proto, MSG_A, 0, span_of(bad, sizeof(bad)), 0, &m, &e) != -EPROTO)
            fail_msg("%s was accepted", rows[i].what);
    }
    for (size_t n = 0; n < sizeof(good); n++)
        assert_int_equal(msg_parse(&proto, MSG_A, 0, span_of(good, n), 0, &m, NULL), -EPROTO);
    assert_int_equal(msg_parse(&proto, MSG_A, 0, span_of(good, sizeof(good)), 1, &m, NULL),
                     -EPROTO);
    assert_int_equal(msg_parse(&proto, MSG_B, 0, span_of(good, sizeof(good)), 0, &m, NULL),
                     -EPROTO);
}

static void a_message_brings_the_descriptors_its_type_has_and_its_header_says(void **state)
{
    uint8_t one[sizeof(good)];
    struct msg m;

    (void)state;
    memcpy(one, good, sizeof(good));
    one[13] = 1; /* the header says one, one came, but ASK has none */
    assert_int_equal(msg_parse(&proto, MSG_A, 0, span_of(one, sizeof(one)), 1, &m, NULL), -EPROTO);
}

static void a_peer_that_broke_the_protocol_stays_dead(void **state)
{
    struct pair p = begin();
    struct msg m;

    (void)state;
    assert_int_equal(send(p.raw, "nonsense", 8, 0), 8);
    assert_int_equal(send(p.raw, good, sizeof(good), 0), sizeof(good));
    assert_int_equal(msg_recv(p.b, &m, NULL), -EPROTO);
    assert_int_equal(msg_recv(p.b, &m, NULL), -EPROTO); /* the good one is not looked at */
    assert_int_equal(msg_send(p.b, BOTH, 0, span_str(""), NULL), -EPROTO);
    end(&p);
}

static void phases_permit_what_the_table_says(void **state)
{
    struct pair p = begin();
    struct msg m;
    int null = open("/dev/null", O_RDONLY), fds[2] = {null, null};

    (void)state;
    msg_phase(p.a, 1);
    assert_int_equal(msg_send(p.a, GIVE, 1, span_str("x"), fds), 0);
    assert_int_equal(msg_recv(p.b, &m, NULL), -EPROTO); /* b is still in phase 0 */
    end(&p);
    (void)close(null);
}

static void descriptors_are_kept_if_taken_and_closed_if_not(void **state)
{
    struct pair p = begin();
    int fds[2] = {open("/etc/passwd", O_RDONLY), open("/etc/group", O_RDONLY)};
    size_t before;
    struct msg m;
    int taken;

    (void)state;
    msg_phase(p.a, 1);
    msg_phase(p.b, 1);
    before = open_fds();
    assert_int_equal(msg_send(p.a, GIVE, 1, span_str("x"), fds), 0);
    assert_int_equal(msg_recv(p.b, &m, NULL), 0);
    assert_int_equal(open_fds(), before + 2);
    taken = msg_take_fd(&m, 1);
    assert_int_equal(m.fd[1], -1);
    assert_int_equal(fcntl(taken, F_GETFD), FD_CLOEXEC);
    assert_int_equal(msg_recv(p.b, &m, NULL), -EAGAIN);
    assert_int_equal(open_fds(), before + 1);
    assert_int_equal(fcntl(taken, F_GETFD), FD_CLOEXEC); /* ours */
    (void)close(taken);
    (void)close(fds[0]);
    (void)close(fds[1]);
    end(&p);
}

/* A hostile peer attaches descriptors to a message that has none, and too many. */
static void stolen_in_descriptors_do_not_leak(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 9; n += 4) {
        struct pair p = begin();
        char control[CMSG_SPACE(sizeof(int) * 9)] = {0};
        struct iovec iov = {(void *)(uintptr_t)good, sizeof(good)};
        struct msghdr h = {.msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = control,
                           .msg_controllen = CMSG_SPACE(sizeof(int) * n)};
        struct cmsghdr *cm = (struct cmsghdr *)(void *)control;
        size_t before = open_fds();
        struct msg m;

        cm->cmsg_level = SOL_SOCKET;
        cm->cmsg_type = SCM_RIGHTS;
        cm->cmsg_len = CMSG_LEN(sizeof(int) * n);
        for (size_t i = 0; i < n; i++)
            memcpy(control + sizeof(*cm) + i * sizeof(int), &p.raw, sizeof(int));
        assert_int_equal(sendmsg(p.raw, &h, 0), sizeof(good));
        assert_int_equal(msg_recv(p.b, &m, NULL), -EPROTO);
        assert_int_equal(open_fds(), before);
        end(&p);
    }
}

static void a_slow_reader_makes_the_sender_wait_and_loses_nothing(void **state)
{
    struct pair p = begin();
    uint8_t body[4096] = {0};
    uint64_t sent = 0, got = 0;
    struct msg m;
    int rc;

    (void)state;
    while ((rc = msg_send(p.b, ANSWER, sent, span_of(body, sizeof(body)), NULL)) == 0)
        sent++;
    assert_int_equal(rc, -EAGAIN);
    assert_int_equal(msg_queued(p.b), MSG_QUEUE);
    assert_true(msg_wants_write(p.b));
    while (got < sent) {
        rc = msg_recv(p.a, &m, NULL);
        if (rc == -EAGAIN) {
            rc = msg_flush(p.b);
            assert_true(rc == 0 || rc == -EAGAIN);
            continue;
        }
        assert_int_equal(rc, 0);
        assert_true(m.id == got); /* in order */
        got++;
    }
    assert_false(msg_wants_write(p.b));
    end(&p);
}

static void descriptors_wait_in_the_queue_too(void **state)
{
    struct pair p = begin();
    int fds[2] = {open("/dev/null", O_RDONLY), open("/dev/null", O_RDONLY)};
    size_t before;
    uint64_t sent = 0, got = 0;
    struct msg m;
    int rc;

    (void)state;
    msg_phase(p.a, 1);
    msg_phase(p.b, 1);
    before = open_fds();
    while (msg_queued(p.a) < 3) {
        assert_int_equal(msg_send(p.a, GIVE, sent++, span_str("x"), fds), 0);
    }
    assert_int_equal(open_fds(), before + 6);
    while (got < sent) {
        if ((rc = msg_recv(p.b, &m, NULL)) == 0)
            got++;
        else
            assert_int_equal(rc, -EAGAIN);
        rc = msg_flush(p.a);
        assert_true(rc == 0 || rc == -EAGAIN);
    }
    assert_int_equal(msg_recv(p.b, &m, NULL), -EAGAIN);
    assert_int_equal(open_fds(), before);
    assert_int_equal(msg_send(p.a, GIVE, 0, span_str("x"), fds), 0);
    (void)close(fds[0]);
    (void)close(fds[1]);
    end(&p);
}

static void a_peer_that_went_is_told_apart_from_one_that_lies(void **state)
{
    struct pair p = begin();
    struct msg m;

    (void)state;
    (void)close(p.raw);
    p.raw = -1;
    assert_int_equal(msg_send(p.a, ASK, 1, span_str("last"), NULL), 0);
    msg_close(p.a);
    p.a = NULL;
    assert_int_equal(msg_recv(p.b, &m, NULL), 0); /* what was sent still arrives */
    assert_true(span_is(m.body, "last"));
    assert_int_equal(msg_recv(p.b, &m, NULL), -EPIPE);
    assert_int_equal(msg_send(p.b, BOTH, 0, span_str(""), NULL), -EPIPE);
    end(&p);
}

static void waiting_ends_at_its_time(void **state)
{
    struct pair p = begin();
    struct msg m;

    (void)state;
    assert_int_equal(msg_recv_wait(p.b, &m, 20, NULL), -ETIMEDOUT);
    assert_int_equal(msg_send_wait(p.a, ASK, 1, span_str("x"), NULL, 1000), 0);
    assert_int_equal(msg_recv_wait(p.b, &m, 1000, NULL), 0);
    end(&p);
}

static void a_stream_socket_is_no_channel(void **state)
{
    struct msg_chan *c = NULL;
    int fd[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    assert_int_equal(msg_open(&c, fd[0], &proto, MSG_A, NULL), -EINVAL);
    assert_null(c);
    assert_int_equal(fcntl(fd[0], F_GETFD), -1); /* taken all the same */
    (void)close(fd[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_arrives_as_the_layout_says),
        cmocka_unit_test(the_largest_message_fits_and_one_byte_more_does_not),
        cmocka_unit_test(each_broken_header_is_refused),
        cmocka_unit_test(a_message_brings_the_descriptors_its_type_has_and_its_header_says),
        cmocka_unit_test(a_peer_that_broke_the_protocol_stays_dead),
        cmocka_unit_test(phases_permit_what_the_table_says),
        cmocka_unit_test(descriptors_are_kept_if_taken_and_closed_if_not),
        cmocka_unit_test(stolen_in_descriptors_do_not_leak),
        cmocka_unit_test(a_slow_reader_makes_the_sender_wait_and_loses_nothing),
        cmocka_unit_test(descriptors_wait_in_the_queue_too),
        cmocka_unit_test(a_peer_that_went_is_told_apart_from_one_that_lies),
        cmocka_unit_test(waiting_ends_at_its_time),
        cmocka_unit_test(a_stream_socket_is_no_channel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

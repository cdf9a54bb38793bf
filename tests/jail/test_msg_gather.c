/* Messages that share a packet: nothing is lost, reordered or let through that would not be alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "jail/msg.h"

#define HEADER 24u

enum { ASK = 1, GIVE, ANSWER };
static const struct msg_type types[] = {
    {ASK, "ASK", MSG_A, 0, 0, 20000, MSG_ANY_PHASE},
    {GIVE, "GIVE", MSG_A, 1, 1, 8, MSG_ANY_PHASE},
    {ANSWER, "ANSWER", MSG_B, 0, 0, 64, MSG_ANY_PHASE},
};
static const struct msg_protocol several = {"several", 0x74657374,       7,
                                            types,     ARRAY_LEN(types), true};
static const struct msg_protocol single = {"single", 0x74657374, 7, types, ARRAY_LEN(types), false};

/* ASK, id 1, body "hi", from the layout in msg.h */
static const uint8_t good[] = {'t', 'e', 's', 't', 0, 7, 0, 1, 0, 0, 0, 2,   0,
                               0,   0,   0,   0,   0, 0, 0, 0, 0, 0, 1, 'h', 'i'};

struct pair {
    struct msg_chan *a, *b;
    int raw; /* a's socket again */
};

static struct pair begin(const struct msg_protocol *proto)
{
    struct pair p = {NULL, NULL, -1};
    int fd[2];

    assert_int_equal(msg_pair(fd, NULL), 0);
    p.raw = fcntl(fd[0], F_DUPFD_CLOEXEC, 0);
    assert_int_equal(msg_open(&p.a, fd[0], proto, MSG_A, NULL), 0);
    assert_int_equal(msg_open(&p.b, fd[1], proto, MSG_B, NULL), 0);
    return p;
}

static void end(struct pair *p)
{
    msg_close(p->a);
    msg_close(p->b);
    (void)close(p->raw);
}

static void ask(struct pair *p, uint64_t id, size_t n)
{
    uint8_t body[20000];

    memset(body, (int)id, sizeof(body));
    assert_int_equal(msg_send(p->a, ASK, id, span_of(body, n), NULL), 0);
}

static void asked(struct pair *p, uint64_t id, size_t n)
{
    struct msg m;

    assert_int_equal(msg_recv(p->b, &m, NULL), 0);
    assert_int_equal(m.type->type, ASK);
    assert_true(m.id == id);
    assert_int_equal(m.body.n, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(m.body.p[i], (uint8_t)id);
}

static void nothing(struct pair *p)
{
    struct msg m;

    assert_int_equal(msg_recv(p->b, &m, NULL), -EAGAIN);
    assert_false(msg_has_more(p->b));
}

static size_t waiting(const struct pair *p)
{
    static uint8_t wire[65536];
    ssize_t n = recv(msg_fd(p->b), wire, sizeof(wire), MSG_PEEK | MSG_DONTWAIT);

    return n < 0 ? 0 : (size_t)n;
}

static void gathered_messages_share_a_packet(void **state)
{
    struct pair p = begin(&several);

    (void)state;
    msg_gather(p.a);
    ask(&p, 1, 2);
    ask(&p, 2, 0);
    ask(&p, 3, 300);
    nothing(&p);
    assert_true(msg_wants_write(p.a));
    assert_int_equal(msg_flush(p.a), 0);
    assert_false(msg_wants_write(p.a));
    assert_int_equal(waiting(&p), 3 * HEADER + 2 + 0 + 300);
    asked(&p, 1, 2);
    assert_true(msg_has_more(p.b));
    assert_int_equal(waiting(&p), 0);
    asked(&p, 2, 0);
    asked(&p, 3, 300);
    nothing(&p);
    end(&p);
}

static void many_do_not_wait_for_the_turns_end(void **state)
{
    struct pair p = begin(&several);

    (void)state;
    msg_gather(p.a);
    for (uint64_t i = 0; i < MSG_GATHER + 1; i++)
        ask(&p, i, 1);
    for (uint64_t i = 0; i < MSG_GATHER; i++)
        asked(&p, i, 1);
    nothing(&p);
    assert_int_equal(msg_flush(p.a), 0);
    asked(&p, MSG_GATHER, 1);
    end(&p);
}

static void what_does_not_fit_keeps_its_place(void **state)
{
    struct pair p = begin(&several);
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct msg m;

    (void)state;
    msg_gather(p.a);
    ask(&p, 1, 10000);
    ask(&p, 2, MSG_GATHER_BYTES - 10000); /* not both in one packet */
    ask(&p, 3, 20000);                    /* in none beside others */
    ask(&p, 4, 1);
    assert_int_equal(msg_send(p.a, GIVE, 5, span_str("x"), &fd), 0); /* alone */
    ask(&p, 6, 1);
    assert_int_equal(msg_flush(p.a), 0);
    asked(&p, 1, 10000);
    asked(&p, 2, MSG_GATHER_BYTES - 10000);
    asked(&p, 3, 20000);
    asked(&p, 4, 1);
    assert_int_equal(msg_recv(p.b, &m, NULL), 0);
    assert_int_equal(m.type->type, GIVE);
    assert_true(m.id == 5 && m.fd[0] >= 0);
    asked(&p, 6, 1);
    nothing(&p);
    (void)close(fd);
    end(&p);
}

static void a_slow_reader_loses_nothing(void **state)
{
    struct pair p = begin(&several);
    uint8_t body[500] = {0};
    uint64_t sent = 0, got = 0;
    struct msg m;
    int rc;

    (void)state;
    msg_gather(p.a);
    while ((rc = msg_send(p.a, ASK, sent, span_of(body, sizeof(body)), NULL)) == 0)
        sent++;
    assert_int_equal(rc, -EAGAIN); /* nothing of it was taken */
    assert_true(sent > (uint64_t)MSG_QUEUE * MSG_GATHER);
    while (got < sent) {
        rc = msg_recv(p.b, &m, NULL);
        if (rc == -EAGAIN) {
            rc = msg_flush(p.a);
            assert_true(rc == 0 || rc == -EAGAIN);
            continue;
        }
        assert_int_equal(rc, 0);
        assert_true(m.id == got++);
    }
    nothing(&p);
    assert_false(msg_wants_write(p.a));
    end(&p);
}

static void what_was_gathered_arrives_although_the_sender_went(void **state)
{
    struct pair p = begin(&several);
    struct msg m;

    (void)state;
    (void)close(p.raw);
    p.raw = -1;
    msg_gather(p.a);
    ask(&p, 1, 1);
    ask(&p, 2, 1);
    assert_int_equal(msg_flush(p.a), 0);
    msg_close(p.a);
    p.a = NULL;
    asked(&p, 1, 1);
    asked(&p, 2, 1);
    assert_int_equal(msg_recv(p.b, &m, NULL), -EPIPE);
    end(&p);
}

/* n bytes behind one good message: are they noticed? */
static void refused_behind_a_good_one(const void *bytes, size_t n)
{
    struct pair p = begin(&several);
    uint8_t wire[256];
    struct msg m;

    memcpy(wire, good, sizeof(good));
    memcpy(wire + sizeof(good), bytes, n);
    assert_int_equal(send(p.raw, wire, sizeof(good) + n, 0), sizeof(good) + n);
    assert_int_equal(msg_recv(p.b, &m, NULL), 0);
    assert_true(msg_has_more(p.b));
    assert_int_equal(msg_recv(p.b, &m, NULL), -EPROTO);
    assert_false(msg_has_more(p.b));
    assert_int_equal(msg_recv(p.b, &m, NULL), -EPROTO);
    end(&p);
}

static void rubbish_behind_a_good_message_is_refused(void **state)
{
    uint8_t bad[sizeof(good)];

    (void)state;
    refused_behind_a_good_one("x", 1);
    refused_behind_a_good_one(good, HEADER - 1);
    refused_behind_a_good_one(good, sizeof(good) - 1); /* its end is missing */
    memcpy(bad, good, sizeof(good));
    bad[0] = 'T';
    refused_behind_a_good_one(bad, sizeof(bad));
    memcpy(bad, good, sizeof(good));
    bad[7] = ANSWER; /* not of this side */
    refused_behind_a_good_one(bad, sizeof(bad));
    memcpy(bad, good, sizeof(good));
    memset(bad + 8, 0xff, 4); /* 2^32 - 1 bytes */
    refused_behind_a_good_one(bad, sizeof(bad));
    memcpy(bad, good, sizeof(good));
    bad[7] = GIVE; /* its descriptor does not come this way */
    bad[13] = 1;
    refused_behind_a_good_one(bad, sizeof(bad));
}

static void a_protocol_that_does_not_say_so_has_one_message_a_packet(void **state)
{
    struct pair p = begin(&single);
    uint8_t wire[2 * sizeof(good)];
    struct msg m;

    (void)state;
    memcpy(wire, good, sizeof(good));
    memcpy(wire + sizeof(good), good, sizeof(good));
    assert_int_equal(send(p.raw, wire, sizeof(wire), 0), sizeof(wire));
    assert_int_equal(msg_recv(p.b, &m, NULL), -EPROTO);
    end(&p);
}

static void descriptors_do_not_ride_on_several(void **state)
{
    struct pair p = begin(&several);
    char control[CMSG_SPACE(sizeof(int))] = {0};
    uint8_t wire[2 * sizeof(good)];
    struct iovec iov = {wire, sizeof(wire)};
    struct msghdr h = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof(control)};
    struct cmsghdr *cm = (struct cmsghdr *)(void *)control;
    struct msg m;

    (void)state;
    memcpy(wire, good, sizeof(good));
    memcpy(wire + sizeof(good), good, sizeof(good));
    cm->cmsg_level = SOL_SOCKET;
    cm->cmsg_type = SCM_RIGHTS;
    cm->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(cm), &p.raw, sizeof(int));
    assert_int_equal(sendmsg(p.raw, &h, 0), sizeof(wire));
    assert_int_equal(msg_recv(p.b, &m, NULL), -EPROTO);
    end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gathered_messages_share_a_packet),
        cmocka_unit_test(many_do_not_wait_for_the_turns_end),
        cmocka_unit_test(what_does_not_fit_keeps_its_place),
        cmocka_unit_test(a_slow_reader_loses_nothing),
        cmocka_unit_test(what_was_gathered_arrives_although_the_sender_went),
        cmocka_unit_test(rubbish_behind_a_good_message_is_refused),
        cmocka_unit_test(a_protocol_that_does_not_say_so_has_one_message_a_packet),
        cmocka_unit_test(descriptors_do_not_ride_on_several),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

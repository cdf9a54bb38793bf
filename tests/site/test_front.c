/* The front in a process of its own, jailed; the test is its keeper and its clients. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "http/server.h"
#include "jail/jail.h"
#include "jail/ring.h"
#include "site/hot.h"
#include "site/process.h"
#include "site/proto.h"

#define SUB "00112233445566778899aabbccddeeff"
#define HEX64 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" /* of "abc" */
#define KEY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define SIG64                                                                                      \
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="
#define SLOTS 2
#define PER_ADDRESS 40 /* connections */
#define OBJECT_MAX (64u << 20)
#define SENT_MAX (16u << 20) /* more than any socket's buffers take */
#define QUIET 300            /* ms in which nothing may come */
#define SOON 5000

struct rig {
    pid_t pid;
    struct msg_chan *keeper;
    struct ring *ring;
    uint16_t port;
};

static void place(int fd, int to)
{
    if (dup2(fd, to) < 0)
        _exit(99);
}

static __attribute__((noreturn)) void child(int chan, int ring, int listen)
{
    static struct config c = {.file = "test.yaml",
                              .url = "http://zrh1.example",
                              .object_max = OBJECT_MAX,
                              .ring_slots = SLOTS,
                              .connections = 64,
                              .per_address = PER_ADDRESS,
                              .uid = {[CONFIG_FRONT] = 65534}};
    int moved[3] = {fcntl(chan, F_DUPFD, 20), fcntl(ring, F_DUPFD, 20), fcntl(listen, F_DUPFD, 20)};

    place(moved[0], PART_CHANNEL);
    place(moved[1], PART_RING);
    place(moved[2], PART_LISTEN);
    if (jail_close_from(6, NULL, 0) != 0)
        _exit(98);
    _exit(front_main(&c));
}

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    struct ring *made = NULL;
    int pair[2], listen;
    char name[64];

    assert_non_null(rig);
    assert_int_equal(msg_pair(pair, NULL), 0);
    assert_int_equal(ring_new(&made, PROTO_SLOT_BYTES, SLOTS, NULL), 0);
    assert_int_equal(http_listen(&listen, "127.0.0.1:0", NULL), 0);
    assert_int_equal(http_listen_name(listen, name, sizeof(name)), 0);
    rig->port = (uint16_t)strtoul(strrchr(name, ':') + 1, NULL, 10);
    rig->pid = fork();
    assert_true(rig->pid >= 0);
    if (rig->pid == 0)
        child(pair[1], ring_fd(made), listen);
    assert_int_equal(close(pair[1]), 0);
    assert_int_equal(close(listen), 0);
    assert_int_equal(msg_open(&rig->keeper, pair[0], &proto_front, MSG_B, NULL), 0);
    assert_int_equal(ring_attach(&rig->ring, dup(ring_fd(made)), PROTO_SLOT_BYTES, SLOTS, NULL), 0);
    ring_close(made);
    *state = rig;
    return 0;
}

static int exit_code(struct rig *rig)
{
    int status = 0;

    assert_int_equal(waitpid(rig->pid, &status, 0), rig->pid);
    rig->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int tear_down(void **state)
{
    struct rig *rig = *state;

    msg_close(rig->keeper);
    if (rig->pid > 0) {
        (void)kill(rig->pid, SIGKILL);
        (void)waitpid(rig->pid, NULL, 0);
    }
    ring_close(rig->ring);
    free(rig);
    return 0;
}

/* --- the client --- */

static int dial(const struct rig *rig)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons(rig->port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval t = {SOON / 1000, 0};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)), 0);
    return fd;
}

static int say(const struct rig *rig, const char *head, const char *more, const char *body)
{
    char text[8192];
    int fd = dial(rig), n;

    n = snprintf(
        text, sizeof(text),
        "%s HTTP/1.1\r\nHost: zrh1\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n%s", head,
        more, strlen(body), body);
    assert_true(n > 0 && n < (int)sizeof(text));
    assert_int_equal(send(fd, text, (size_t)n, MSG_NOSIGNAL), n);
    return fd;
}

/* The whole answer; the status is returned. */
static int hear(int fd, char out[65536])
{
    size_t n = 0;
    ssize_t k;

    while (n < 65535 && (k = recv(fd, out + n, 65535 - n, 0)) > 0)
        n += (size_t)k;
    out[n] = '\0';
    assert_int_equal(close(fd), 0);
    assert_true(n > 12);
    return (int)strtol(out + 9, NULL, 10);
}

static void has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("no \"%s\" in: %s", part, text);
}

/* --- the keeper --- */

static struct msg take(const struct rig *rig, uint16_t type)
{
    struct err e = ERR_INIT;
    struct msg m;
    int rc = msg_recv_wait(rig->keeper, &m, SOON, &e);

    if (rc != 0)
        fail_msg("no message of type %u: %d %s", type, rc, err_text(&e));
    assert_int_equal(m.type->type, type);
    return m;
}

static void nothing_comes(const struct rig *rig)
{
    struct msg m;

    assert_int_equal(msg_recv_wait(rig->keeper, &m, QUIET, NULL), -ETIMEDOUT);
}

static void tell(const struct rig *rig, uint16_t type, uint64_t id, const void *p, size_t n,
                 const char *tail)
{
    struct buf b;

    buf_init(&b, MSG_BODY_MAX);
    assert_int_equal(buf_put(&b, p, n), 0);
    assert_int_equal(buf_puts(&b, tail), 0);
    assert_int_equal(msg_send_wait(rig->keeper, type, id, buf_span(&b), NULL, SOON), 0);
    buf_free(&b);
}

static void refuse(const struct rig *rig, uint64_t id, enum proto_refusal why)
{
    struct pm_refused m;

    memset(&m, 0, sizeof(m));
    m.refusal = (uint32_t)why;
    (void)snprintf(m.text, sizeof(m.text), "because \"of\" this");
    (void)snprintf(m.site, sizeof(m.site), "mow1");
    (void)snprintf(m.url, sizeof(m.url), "http://mow1.example");
    tell(rig, FK_REFUSED, id, &m, sizeof(m), "");
}

/* --- announcing --- */

#define ANNOUNCEMENT                                                                               \
    "{\"sub\":\"" SUB "\",\"sub_key\":\"" KEY "\",\"sub_sig\":\"" SIG64                            \
    "\",\"kind\":\"file\",\"country\":\"CA\",\"basis\":\"declared\",\"statement\":\"" HEX64        \
    "\",\"scope\":\"file\"}"
#define TOKEN "Authorization: Bearer abc\r\n"

static void an_announcement_reaches_the_keeper_with_its_token_hashed(void **state)
{
    struct rig *rig = *state;
    struct pm_opened opened = {{{1, 2, 3}}, 4096, 1700000000};
    struct pm_open open;
    char out[65536], hex[65];
    int fd = say(rig, "POST /v1/submissions", TOKEN, ANNOUNCEMENT);
    struct msg m = take(rig, FK_OPEN);

    memcpy(&open, m.body.p, sizeof(open));
    text_digest(hex, &open.token);
    assert_string_equal(hex, HEX64);
    text_id(hex, &open.sub);
    assert_string_equal(hex, SUB);
    assert_string_equal(open.country, "CA");
    assert_int_equal(open.has_statement, 1);
    text_digest(hex, &open.statement);
    assert_string_equal(hex, HEX64);
    tell(rig, FK_OPENED, m.id, &opened, sizeof(opened), "");
    assert_int_equal(hear(fd, out), 201);
    has(out, "\"ticket\":\"01020300000000000000000000000000\"");
    has(out, "\"upload_url\":\"http://zrh1.example/v1/submissions/" SUB "/content\"");
    has(out, "\"max_bytes\":4096");
    has(out, "\"expires\":\"2023-11-14T22:13:20Z\"");
}

static void a_malformed_announcement_is_refused_here(void **state)
{
    static const char *const bodies[] = {
        "",
        "[]",
        "{}",
        "{\"sub\":1}",
        ANNOUNCEMENT "x",
        /* an unknown member, a double one, a wrong word, upper case, a NUL */
        "{\"size\":\"1\","
        "\"sub\":\"" SUB "\",\"sub_key\":\"" KEY "\",\"sub_sig\":\"" SIG64
        "\",\"kind\":\"file\",\"country\":\"CA\",\"basis\":\"declared\",\"scope\":\"file\"}",
        "{\"sub\":\"" SUB "\",\"sub\":\"" SUB "\",\"sub_key\":\"" KEY "\",\"sub_sig\":\"" SIG64
        "\",\"kind\":\"file\",\"country\":\"CA\",\"basis\":\"declared\",\"scope\":\"file\"}",
        "{\"sub\":\"" SUB "\",\"sub_key\":\"" KEY "\",\"sub_sig\":\"" SIG64
        "\",\"kind\":\"files\",\"country\":\"CA\",\"basis\":\"declared\",\"scope\":\"file\"}",
        "{\"sub\":\"" SUB "\",\"sub_key\":\"" KEY "\",\"sub_sig\":\"" SIG64
        "\",\"kind\":\"file\",\"country\":\"ca\",\"basis\":\"declared\",\"scope\":\"file\"}",
        "{\"sub\":\"" SUB "\",\"sub_key\":\"" KEY "\",\"sub_sig\":\"" SIG64
        "\",\"kind\":\"file\",\"country\":\"C\\u0000\",\"basis\":\"declared\",\"scope\":\"file\"}",
        "{\"sub\":\"" SUB "\",\"sub_key\":\"" KEY "\",\"sub_sig\":\"" SIG64
        "\",\"kind\":\"file\",\"country\":\"CA\",\"basis\":\"guessed\",\"scope\":\"file\"}",
    };
    struct rig *rig = *state;
    char out[65536];

    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        int status = hear(say(rig, "POST /v1/submissions", TOKEN, bodies[i]), out);

        if (status != 400)
            fail_msg("%s: %s", bodies[i], out);
        has(out, "\"code\":\"bad_request\"");
    }
    assert_int_equal(hear(say(rig, "POST /v1/submissions", "", ANNOUNCEMENT), out), 401);
    has(out, "\"code\":\"token_missing\"");
    has(out, "WWW-Authenticate: Bearer\r\n");
    nothing_comes(rig);
}

static void an_announcement_without_a_statement_is_the_keepers_to_refuse(void **state)
{
    struct rig *rig = *state;
    struct pm_open open;
    char out[65536];
    int fd =
        say(rig, "POST /v1/submissions", TOKEN,
            "{\"sub\":\"" SUB "\",\"sub_key\":\"" KEY "\",\"sub_sig\":\"" SIG64
            "\",\"kind\":\"file\",\"country\":\"CA\",\"basis\":\"declared\",\"scope\":\"file\"}");
    struct msg m = take(rig, FK_OPEN);

    memcpy(&open, m.body.p, sizeof(open));
    assert_int_equal(open.has_statement, 0);
    refuse(rig, m.id, PRF_STATEMENT_MISSING);
    assert_int_equal(hear(fd, out), 403);
    has(out, "\"code\":\"consent_none\"");
}

static void every_refusal_has_its_status_and_word(void **state)
{
    static const struct {
        enum proto_refusal why;
        int status;
        const char *word;
    } rows[] = {
        {PRF_MALFORMED, 400, "bad_request"},
        {PRF_TOKEN, 401, "token_unknown"},
        {PRF_SIGNATURE, 403, "bad_signature"},
        {PRF_COUNTRY, 403, "country_not_granted"},
        {PRF_STATEMENT_MISSING, 403, "consent_none"},
        {PRF_STATEMENT_UNKNOWN, 403, "consent_unknown"},
        {PRF_STATEMENT_WITHDRAWN, 403, "consent_withdrawn"},
        {PRF_SCOPE, 403, "consent_scope"},
        {PRF_KIND, 403, "kind_not_taken"},
        {PRF_TICKET, 403, "ticket_unknown"},
        {PRF_TRACE, 401, "bad_signature"},
        {PRF_UNKNOWN, 404, "not_found"},
        {PRF_CONFLICT, 409, "sub_exists"},
        {PRF_TOO_LARGE, 413, "too_large"},
        {PRF_WRONG_SITE, 421, "wrong_site"},
        {PRF_PROOF, 422, "bad_proof"},
        {PRF_QUOTA, 429, "quota_exceeded"},
        {PRF_POLICY, 503, "not_ready"},
        {PRF_BUSY, 503, "busy"},
        {PRF_FULL, 507, "full"},
        {PRF_STOPPED, 503, "stopped"},
        {PRF_CLOCK, 503, "clock_off"},
    };
    struct rig *rig = *state;
    char out[65536], word[64];

    assert_int_equal(ARRAY_LEN(rows), PRF_REFUSALS - 1);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int fd = say(rig, "POST /v1/submissions", TOKEN, ANNOUNCEMENT);

        refuse(rig, take(rig, FK_OPEN).id, rows[i].why);
        assert_int_equal(hear(fd, out), rows[i].status);
        (void)snprintf(word, sizeof(word), "\"code\":\"%s\"", rows[i].word);
        has(out, word);
        has(out, "because \\\"of\\\" this");
        if (rows[i].status == 503 || rows[i].status == 507 || rows[i].status == 429)
            has(out, "Retry-After: ");
        if (rows[i].why == PRF_WRONG_SITE)
            has(out, "\"site\":\"mow1\",\"url\":\"http://mow1.example\"}");
    }
}

/* --- uploads --- */

#define TICKET "Ticket: 01020300000000000000000000000000\r\n"

static int put_head(const struct rig *rig, const char *more, size_t length)
{
    char text[1024];
    int fd = dial(rig), n;

    n = snprintf(text, sizeof(text),
                 "PUT /v1/submissions/" SUB "/content HTTP/1.1\r\nHost: zrh1\r\n"
                 "Connection: close\r\n%sContent-Length: %zu\r\n\r\n",
                 more, length);
    assert_int_equal(send(fd, text, (size_t)n, MSG_NOSIGNAL), n);
    return fd;
}

static void without_a_ticket_the_body_is_never_read(void **state)
{
    struct rig *rig = *state;
    char out[65536];

    assert_int_equal(hear(put_head(rig, "", 1000000), out), 403);
    has(out, "\"code\":\"ticket_missing\"");
    assert_int_equal(hear(put_head(rig, "Ticket: x\r\n", 1000000), out), 403);
    has(out, "\"code\":\"ticket_unknown\"");
    assert_int_equal(hear(put_head(rig, TICKET "X-Name: a=\r\n", 1000000), out), 400);
    assert_int_equal(hear(put_head(rig, TICKET, OBJECT_MAX + 1), out), 413);
    has(out, "\"code\":\"too_large\"");
    nothing_comes(rig);
}

static void a_refused_ticket_is_answered_before_the_body(void **state)
{
    struct rig *rig = *state;
    struct pm_put_begin begin;
    char out[65536];
    int fd = put_head(rig, TICKET "X-Name: w6k\r\n", 1000000);
    struct msg m = take(rig, FK_PUT_BEGIN);

    memcpy(&begin, m.body.p, sizeof(begin));
    assert_int_equal(begin.length, 1000000);
    assert_int_equal(begin.name_len, 2);
    assert_memory_equal(begin.name, "\xc3\xa9", 2);
    assert_int_equal(begin.move, 0);
    refuse(rig, m.id, PRF_TICKET);
    assert_int_equal(hear(fd, out), 403);
    nothing_comes(rig); /* no abort of what has ended */
}

static uint8_t pattern(size_t i)
{
    return (uint8_t)(i * 131 + (i >> 8) * 7 + (i >> 16));
}

static void send_pattern(int fd, size_t from, size_t to)
{
    uint8_t block[4096];

    while (from < to) {
        size_t n = to - from < sizeof(block) ? to - from : sizeof(block);

        for (size_t i = 0; i < n; i++)
            block[i] = pattern(from + i);
        assert_int_equal(send(fd, block, n, MSG_NOSIGNAL), n);
        from += n;
    }
}

/* Takes one PUT_DATA, checks its bytes, frees its slot if told to. */
static size_t take_data(const struct rig *rig, size_t at, bool free_it)
{
    static uint8_t copy[PROTO_SLOT_BYTES];
    struct msg m = take(rig, FK_PUT_DATA);
    struct pm_put_data d;
    struct pm_slot_free f = {0, 0};

    memcpy(&d, m.body.p, sizeof(d));
    assert_int_equal(ring_read(rig->ring, d.slot, 0, copy, d.len), 0);
    for (size_t i = 0; i < d.len; i++)
        if (copy[i] != pattern(at + i))
            fail_msg("byte %zu arrived changed", at + i);
    f.slot = d.slot;
    if (free_it)
        tell(rig, FK_SLOT_FREE, m.id, &f, sizeof(f), "");
    return d.len;
}

static void a_body_flows_through_the_ring(void **state)
{
    struct pm_receipt receipt = {0, 0};
    const size_t all = 2 * PROTO_SLOT_BYTES + 12345;
    struct rig *rig = *state;
    char out[65536];
    int fd = put_head(rig, TICKET, all);
    uint64_t id = take(rig, FK_PUT_BEGIN).id;
    size_t at = 0;

    tell(rig, FK_PUT_GO, id, NULL, 0, "");
    send_pattern(fd, 0, PROTO_SLOT_BYTES);
    while (at < PROTO_SLOT_BYTES)
        at += take_data(rig, at, true);
    send_pattern(fd, PROTO_SLOT_BYTES, all);
    while (at < all)
        at += take_data(rig, at, true);
    assert_int_equal(take(rig, FK_PUT_END).id, id);
    tell(rig, FK_PUT_DONE, id, &receipt, sizeof(receipt), "c2sp.org/tlog-proof@v1\n");
    assert_int_equal(hear(fd, out), 201);
    has(out, "X-Receipt: pending\r\n");
    has(out, "\r\n\r\nc2sp.org/tlog-proof@v1\n");
}

static void an_empty_body_and_a_repeat_are_answered(void **state)
{
    struct pm_receipt receipt = {1, 1};
    struct rig *rig = *state;
    char out[65536];
    int fd = put_head(rig, TICKET, 0);
    uint64_t id = take(rig, FK_PUT_BEGIN).id;

    assert_int_equal(take(rig, FK_PUT_END).id, id);
    tell(rig, FK_PUT_GO, id, NULL, 0, "");
    tell(rig, FK_PUT_DONE, id, &receipt, sizeof(receipt), "r\n");
    assert_int_equal(hear(fd, out), 200);
    has(out, "X-Receipt: final\r\n");
    fd = put_head(rig, TICKET, 500000);
    tell(rig, FK_PUT_DONE, take(rig, FK_PUT_BEGIN).id, &receipt, sizeof(receipt), "r\n");
    assert_int_equal(hear(fd, out), 200);
    nothing_comes(rig);
}

static void a_full_ring_stops_the_client(void **state)
{
    struct pm_slot_free f[SLOTS + 1];
    struct rig *rig = *state;
    int fd = put_head(rig, TICKET, OBJECT_MAX);
    uint64_t id = take(rig, FK_PUT_BEGIN).id;
    uint8_t block[4096] = {0};
    size_t sent = 0;
    ssize_t k;

    tell(rig, FK_PUT_GO, id, NULL, 0, "");
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    memset(f, 0, sizeof(f));
    for (int i = 0; i < SLOTS; i++) {
        struct msg m;
        struct pm_put_data d;

        while (msg_recv_wait(rig->keeper, &m, 10, NULL) != 0)
            while (sent < SENT_MAX && (k = send(fd, block, sizeof(block), MSG_NOSIGNAL)) > 0)
                sent += (size_t)k;
        memcpy(&d, m.body.p, sizeof(d));
        assert_int_equal(d.len, PROTO_SLOT_BYTES);
        f[i].slot = d.slot;
    }
    while (sent < SENT_MAX && (k = send(fd, block, sizeof(block), MSG_NOSIGNAL)) > 0)
        sent += (size_t)k;
    assert_true(sent < SENT_MAX);
    nothing_comes(rig); /* the keeper has all slots: nothing more is read */
    tell(rig, FK_SLOT_FREE, id, &f[1], sizeof(f[1]), "");
    while (sent < 3 * PROTO_SLOT_BYTES && (k = send(fd, block, sizeof(block), MSG_NOSIGNAL)) > 0)
        sent += (size_t)k;
    (void)take(rig, FK_PUT_DATA);
    assert_int_equal(close(fd), 0);
    /* a paused connection's end is seen once it may read again */
    tell(rig, FK_SLOT_FREE, id, &f[0], sizeof(f[0]), "");
    for (;;) {
        struct msg m;

        assert_int_equal(msg_recv_wait(rig->keeper, &m, SOON, NULL), 0);
        if (m.type->type == FK_PUT_ABORT)
            break;
        assert_int_equal(m.type->type, FK_PUT_DATA);
        f[2].slot = ((const struct pm_put_data *)(const void *)m.body.p)->slot;
        tell(rig, FK_SLOT_FREE, id, &f[2], sizeof(f[2]), "");
    }
}

static void a_client_that_leaves_aborts_its_upload(void **state)
{
    struct rig *rig = *state;
    int fd = put_head(rig, TICKET, 1000);
    uint64_t id = take(rig, FK_PUT_BEGIN).id;

    tell(rig, FK_PUT_GO, id, NULL, 0, "");
    send_pattern(fd, 0, 500);
    assert_int_equal(usleep(50000), 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(take(rig, FK_PUT_ABORT).id, id);
    nothing_comes(rig); /* and its half-filled slot went to nobody */
}

static void slow_clients_cannot_hold_all_slots(void **state)
{
    struct rig *rig = *state;
    int slow[SLOTS], fd;
    uint64_t id[SLOTS], mine;
    struct pm_slot_free f = {0, 0};
    struct pm_put_data d;
    struct msg m;

    for (int i = 0; i < SLOTS; i++) {
        slow[i] = put_head(rig, TICKET, 1000);
        id[i] = take(rig, FK_PUT_BEGIN).id;
        tell(rig, FK_PUT_GO, id[i], NULL, 0, "");
        send_pattern(slow[i], 0, 10);
    }
    nothing_comes(rig);
    fd = put_head(rig, TICKET, 100);
    mine = take(rig, FK_PUT_BEGIN).id;
    tell(rig, FK_PUT_GO, mine, NULL, 0, "");
    send_pattern(fd, 0, 100);
    m = take(rig, FK_PUT_DATA); /* a slow one's ten bytes, handed over early */
    memcpy(&d, m.body.p, sizeof(d));
    assert_int_equal(d.len, 10);
    f.slot = d.slot;
    tell(rig, FK_SLOT_FREE, m.id, &f, sizeof(f), "");
    while ((m = take(rig, FK_PUT_DATA)).id != mine)
        memcpy(&d, m.body.p, sizeof(d));
    assert_int_equal(take(rig, FK_PUT_END).id, mine);
    for (int i = 0; i < SLOTS; i++)
        assert_int_equal(close(slow[i]), 0);
    assert_int_equal(close(fd), 0);
}

/* --- the other routes --- */

static void every_question_reaches_the_keeper(void **state)
{
    static const struct {
        const char *head, *more, *body;
        uint16_t type;
    } rows[] = {
        {"GET /v1/submissions/" SUB, "Authorization: Submission 17:" SIG64 "\r\n", "", FK_TRACE},
        {"GET /v1/submissions/" SUB "/receipt?of=scan",
         "Authorization: Submission 17:" SIG64 "\r\n", "", FK_RECEIPT},
        {"POST /v1/submissions/" SUB "/withdraw", "", "{\"sub_sig\":\"" SIG64 "\"}", FK_ORDER},
        {"POST /v1/submissions/" SUB "/erase", "", "{\"sub_sig\":\"" SIG64 "\"}", FK_ORDER},
        {"GET /v1/policy", "", "", FK_DOC},
        {"GET /v1/statements", "", "", FK_DOC},
        {"GET /v1/register", "", "", FK_DOC},
        {"GET /ledger/tile/0/x001/234.p/5", "", "", FK_FILE},
        {"GET /healthz", "", "", FK_STATE},
        {"GET /metrics", "", "", FK_STATE},
        {"POST /v1/moves/" SUB, "", "", 0},
        {"POST /v1/moves/" SUB "/close", "", "", FK_MOVE_CLOSE},
        {"PUT /v1/moves/" SUB "/objects/" SUB, "", "", FK_PUT_BEGIN},
    };
    struct rig *rig = *state;
    char out[65536];

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int fd = say(rig, rows[i].head, rows[i].more, rows[i].body);

        if (rows[i].type != 0) {
            refuse(rig, take(rig, rows[i].type).id, PRF_UNKNOWN);
            if (rows[i].type == FK_PUT_BEGIN)
                (void)take(rig, FK_PUT_END); /* its body was empty */
        }
        assert_int_equal(hear(fd, out), rows[i].type == 0 ? 400 : 404);
    }
    assert_int_equal(hear(say(rig, "GET /v1/submissions/" SUB, "", ""), out), 401);
    has(out, "signature_missing");
    assert_int_equal(hear(say(rig, "GET /v1/submissions/" SUB "?wait=61", "", ""), out), 400);
    assert_int_equal(hear(say(rig, "GET /nowhere", "", ""), out), 404);
}

static void a_trace_says_states_and_verdict(void **state)
{
    struct rig *rig = *state;
    struct pm_trace ask;
    struct pm_traced t;
    char out[65536];
    int fd = say(rig, "GET /v1/submissions/" SUB "?wait=7&seen=3",
                 "Authorization: Submission 17:" SIG64 "\r\n", "");
    struct msg m = take(rig, FK_TRACE);

    memcpy(&ask, m.body.p, sizeof(ask));
    assert_int_equal(ask.wait, 7);
    assert_int_equal(ask.seen, 3);
    assert_int_equal(ask.time, 17);
    memset(&t, 0, sizeof(t));
    t.state = SUB_ACCEPTED | SUB_FINAL | SUB_SCANNED;
    t.verdict = 2; /* malicious */
    t.hits = 2;
    t.size = 68;
    t.accepted = 1700000000;
    memcpy(t.country, "CA", 3);
    memcpy(t.site, "zrh1", 5);
    t.names_len = 7;
    tell(rig, FK_TRACED, m.id, &t, sizeof(t), "one\ntwo");
    assert_int_equal(hear(fd, out), 200);
    has(out, "\"states\":[\"accepted\",\"final\",\"scanned\"],\"seen\":7");
    has(out, "\"verdict\":\"malicious\",\"reason\":\"none\",\"hits\":2,\"mode\":\"enforce\"");
    has(out, "\"names\":[\"one\",\"two\"]}");
    has(out, "\"country\":\"CA\",\"size\":68,\"site\":\"zrh1\"");
}

/* Once other rules came: the verdict before, and that a round said the same since. */
static void a_trace_says_what_other_rules_said(void **state)
{
    struct rig *rig = *state;
    struct pm_traced t;
    char out[65536], release[65];

    for (int i = 0; i < 2; i++) {
        int fd = say(rig, "GET /v1/submissions/" SUB "?wait=7&seen=3",
                     "Authorization: Submission 17:" SIG64 "\r\n", "");
        struct msg m = take(rig, FK_TRACE);

        memset(&t, 0, sizeof(t));
        t.state = SUB_ACCEPTED | SUB_FINAL | SUB_SCANNED | SUB_RENEWED;
        t.verdict = 2; /* malicious */
        t.hits = 1;
        t.detect = 1;
        t.names_len = 3;
        t.before_len = i == 0 ? 0 : 8; /* one more than there are: the keeper speaks nonsense */
        t.before.at = 1700000000;
        memset(&t.before.release, 0xab, sizeof(t.before.release));
        t.confirmed = 1700000060;
        memset(&t.confirmed_by, 0xcd, sizeof(t.confirmed_by));
        tell(rig, FK_TRACED, m.id, &t, sizeof(t), "one");
        assert_int_equal(hear(fd, out), i == 0 ? 200 : 503);
        if (i != 0)
            return;
        has(out, "\"seen\":135");
        has(out, "\"scanned\",\"renewed\"]");
        has(out, "\"mode\":\"detect\"");
        memset(release, 'a', 64);
        for (size_t k = 1; k < 64; k += 2)
            release[k] = 'b';
        release[64] = '\0';
        has(out,
            "\"names\":[\"one\"],\"before\":{\"verdict\":\"clean\",\"reason\":\"none\",\"hits\":0,"
            "\"mode\":\"enforce\",\"release\":\"abab");
        has(out, release);
        has(out,
            "\"time\":\"2023-11-14T22:13:20Z\",\"names\":[]},\"confirmed\":{\"release\":\"cdcd");
        has(out, "\"time\":\"2023-11-14T22:14:20Z\"}}");
    }
}

static void a_file_comes_from_its_descriptor(void **state)
{
    struct pm_file_is is = {5, {{0}}, 1, 0};
    struct rig *rig = *state;
    struct buf b;
    char out[65536];
    int fd = say(rig, "GET /ledger/checkpoints/5", "", ""), file = memfd_create("f", MFD_CLOEXEC);
    struct msg m = take(rig, FK_FILE);

    assert_string_equal(((const struct pm_file *)(const void *)m.body.p)->path, "checkpoints/5");
    assert_int_equal(io_write_all(file, "hello", 5), 0);
    buf_init(&b, 4096);
    assert_int_equal(buf_put(&b, &is, sizeof(is)), 0);
    assert_int_equal(msg_send_wait(rig->keeper, FK_FILE_IS, m.id, buf_span(&b), &file, SOON), 0);
    assert_int_equal(hear(fd, out), 200);
    has(out, "immutable\r\n");
    has(out, "\r\n\r\nhello");
    fd = say(rig, "GET /ledger/checkpoints/5", "If-None-Match: \"checkpoints/5\"\r\n", "");
    m = take(rig, FK_FILE);
    assert_int_equal(msg_send_wait(rig->keeper, FK_FILE_IS, m.id, buf_span(&b), &file, SOON), 0);
    assert_int_equal(hear(fd, out), 304);
    buf_free(&b);
    assert_int_equal(close(file), 0);
}

static void health_and_metrics_come_from_one_answer(void **state)
{
    static const char checks[] = "keeper\tok\t\t\n"
                                 "disk\tno\tit is \"full\"\tmake room\nx 1\n# EOF\n";
    struct pm_state_is is = {2, 2};
    struct rig *rig = *state;
    char out[65536];
    int fd = say(rig, "GET /healthz", "", "");

    tell(rig, FK_STATE_IS, take(rig, FK_STATE).id, &is, sizeof(is), checks);
    assert_int_equal(hear(fd, out), 503);
    has(out, "Retry-After: 2\r\n");
    has(out, "{\"status\":\"failing\",\"checks\":[{\"name\":\"keeper\",\"ok\":true},"
             "{\"name\":\"disk\",\"ok\":false,\"message\":\"it is \\\"full\\\"\","
             "\"cure\":\"make room\"}]}");
    is.state = 1;
    fd = say(rig, "GET /healthz", "", "");
    tell(rig, FK_STATE_IS, take(rig, FK_STATE).id, &is, sizeof(is), checks);
    assert_int_equal(hear(fd, out), 200);
    has(out, "{\"status\":\"degraded\",\"checks\":[");
    fd = say(rig, "GET /metrics", "", "");
    tell(rig, FK_STATE_IS, take(rig, FK_STATE).id, &is, sizeof(is), checks);
    assert_int_equal(hear(fd, out), 200);
    has(out, "\r\n\r\nx 1\n# TYPE front_");
    has(out, "front_requests_total 3\n");
    assert_string_equal(out + strlen(out) - 6, "# EOF\n");
}

/* --- the end --- */

static void one_address_holds_so_many_connections(void **state)
{
    const struct rig *rig = *state;
    char answer[65536];
    int fd[PER_ADDRESS];

    for (size_t i = 0; i < PER_ADDRESS; i++)
        fd[i] = dial(rig);
    assert_int_equal(hear(dial(rig), answer), 429);
    has(answer, "too_many_connections");
    for (size_t i = 0; i < PER_ADDRESS; i++)
        (void)close(fd[i]);
}

/* --- look-ups --- */

#define KNOWN HEX64
#define OTHER "0000000000000000000000000000000000000000000000000000000000000001"

/* The keeper gives out a snapshot in which "abc" is known, or nothing is. */
static void give_hot(const struct rig *rig, bool empty)
{
    static const struct digest release = {{0xaa}};
    struct hashset *set = NULL;
    struct err e = ERR_INIT;
    int fd;

    assert_int_equal(hashset_new(&set), 0);
    if (!empty)
        assert_int_equal(hashset_add(set, "set", span_str(KNOWN " Abc.Name\n"), &e), 0);
    hashset_seal(set);
    assert_int_equal(hot_make(&fd, set, &release, &e), 0);
    assert_int_equal(msg_send_wait(rig->keeper, FK_HOT, 0, span_of(NULL, 0), &fd, SOON), 0);
    (void)close(fd);
    hashset_free(set);
}

static int look(struct rig *rig, const char *path, const char *token)
{
    char head[256];

    (void)snprintf(head, sizeof(head), "GET /v1/lookups/%s", path);
    return say(rig, head, token, "");
}

/* It is allowed by the keeper. */
static void allow(const struct rig *rig, const char *country)
{
    struct pm_lookup ask;
    struct msg m = take(rig, FK_LOOKUP);
    char hex[65];

    memcpy(&ask, m.body.p, sizeof(ask));
    text_digest(hex, &ask.token);
    assert_string_equal(hex, HEX64); /* of "abc", the token */
    assert_string_equal(ask.country, country);
    tell(rig, FK_LOOKUP_GO, m.id, NULL, 0, "");
}

static void looked_up(const struct rig *rig, const char *country, uint64_t n)
{
    struct pm_looked is;
    struct msg m = take(rig, FK_LOOKED);

    memcpy(&is, m.body.p, sizeof(is));
    assert_string_equal(is.country, country);
    assert_int_equal(is.n, n);
}

static void a_look_up_is_answered_from_the_snapshot(void **state)
{
    struct rig *rig = *state;
    char out[65536];
    int fd;

    assert_int_equal(hear(look(rig, KNOWN "?country=CH", TOKEN), out), 503);
    has(out, "not_ready");
    give_hot(rig, false);
    fd = look(rig, KNOWN "?country=CH", TOKEN);
    allow(rig, "CH");
    assert_int_equal(hear(fd, out), 200);
    has(out, "{\"verdict\":\"malicious\",\"release\":\"aa00");
    has(out, "Cache-Control: no-store");
    /* the word of the keeper holds for a while, for that token and country */
    assert_int_equal(hear(look(rig, OTHER "?country=CH", TOKEN), out), 200);
    has(out, "\"verdict\":\"unknown\"");
    fd = look(rig, KNOWN "?country=LI", TOKEN);
    refuse(rig, take(rig, FK_LOOKUP).id, PRF_WRONG_SITE);
    assert_int_equal(hear(fd, out), 421);
    has(out, "mow1");
    give_hot(rig, true); /* other rules */
    assert_int_equal(hear(look(rig, KNOWN "?country=CH", TOKEN), out), 200);
    has(out, "\"verdict\":\"unknown\"");
    looked_up(rig, "CH", 3); /* and nothing else is told */
    nothing_comes(rig);
}

static void look_ups_without_a_shape_reach_nobody(void **state)
{
    struct rig *rig = *state;
    char out[65536];

    give_hot(rig, false);
    assert_int_equal(hear(look(rig, KNOWN "?country=CH", ""), out), 401);
    assert_int_equal(hear(look(rig, KNOWN, TOKEN), out), 400);
    assert_int_equal(hear(look(rig, KNOWN "?country=XX", TOKEN), out), 400);
    assert_int_equal(hear(look(rig, KNOWN "?country=CHE", TOKEN), out), 400);
    assert_int_equal(hear(look(rig, "abc?country=CH", TOKEN), out), 404);
    assert_int_equal(hear(say(rig, "POST /v1/lookups?country=CH", TOKEN, ""), out), 400);
    assert_int_equal(hear(say(rig, "POST /v1/lookups?country=CH", TOKEN, "not 32 bytes"), out),
                     400);
    nothing_comes(rig);
}

static void many_hashes_are_looked_up_at_once(void **state)
{
    enum { MOST = 4096 };
    static uint8_t body[(MOST + 1) * 32];
    struct rig *rig = *state;
    char out[65536], head[256];
    const char *answer;
    struct digest known;
    int fd, n;

    give_hot(rig, false);
    assert_int_equal(text_undigest(span_str(KNOWN), &known), 0);
    for (size_t i = 0; i < MOST + 1; i++) {
        if (i % 100 == 7)
            memcpy(body + i * 32, known.b, 32);
        else
            memcpy(body + i * 32, &i, sizeof(i));
    }
    for (size_t count = MOST; count <= MOST + 1; count++) {
        fd = dial(rig);
        n = snprintf(head, sizeof(head),
                     "POST /v1/lookups?country=CH HTTP/1.1\r\nHost: zrh1\r\nConnection: "
                     "close\r\n" TOKEN "Content-Length: %zu\r\n\r\n",
                     count * 32);
        assert_int_equal(send(fd, head, (size_t)n, MSG_NOSIGNAL), n);
        (void)!send(fd, body, count * 32, MSG_NOSIGNAL);
        if (count > MOST) {
            assert_int_equal(hear(fd, out), 413);
            break;
        }
        allow(rig, "CH");
        assert_int_equal(hear(fd, out), 200);
        has(out, "Content-Length: 4096\r\n");
        has(out, "X-Release: aa00");
        answer = strstr(out, "\r\n\r\n") + 4;
        for (size_t i = 0; i < MOST; i++)
            assert_int_equal(answer[i], i % 100 == 7);
    }
    looked_up(rig, "CH", MOST);
}

static void a_snapshot_that_can_be_changed_ends_the_front(void **state)
{
    struct rig *rig = *state;
    int fd = memfd_create("not sealed", MFD_CLOEXEC);

    assert_int_equal(ftruncate(fd, 1 << 20), 0);
    assert_int_equal(msg_send_wait(rig->keeper, FK_HOT, 0, span_of(NULL, 0), &fd, SOON), 0);
    (void)close(fd);
    assert_int_equal(exit_code(rig), 3);
}

static void a_front_that_drains_tells_of_all_look_ups(void **state)
{
    struct rig *rig = *state;
    char out[65536];
    int fd;

    give_hot(rig, false);
    fd = look(rig, KNOWN "?country=CH", TOKEN);
    allow(rig, "CH");
    assert_int_equal(hear(fd, out), 200);
    tell(rig, FK_DRAIN, 0, NULL, 0, "");
    looked_up(rig, "CH", 1);
    looked_up(rig, "", 0);
    assert_int_equal(exit_code(rig), 0);
}

static void a_drained_front_ends_in_order(void **state)
{
    struct rig *rig = *state;
    char out[65536];
    int fd = say(rig, "GET /healthz", "", "");
    struct pm_state_is is = {0, 0};
    uint64_t id = take(rig, FK_STATE).id;

    tell(rig, FK_DRAIN, 0, NULL, 0, "");
    tell(rig, FK_STATE_IS, id, &is, sizeof(is), "");
    assert_int_equal(hear(fd, out), 200);
    assert_int_equal(exit_code(rig), 0);
}

static void a_front_whose_keeper_dies_ends(void **state)
{
    struct rig *rig = *state;
    char out[65536];

    assert_int_equal(hear(say(rig, "GET /nowhere", "", ""), out), 404); /* it serves */
    msg_close(rig->keeper);
    rig->keeper = NULL;
    assert_int_equal(exit_code(rig), 3);
}

static void a_keeper_that_frees_what_it_has_not_is_left(void **state)
{
    struct pm_slot_free f = {1, 0};
    struct rig *rig = *state;

    tell(rig, FK_SLOT_FREE, 1, &f, sizeof(f), "");
    assert_int_equal(exit_code(rig), 3);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_announcement_reaches_the_keeper_with_its_token_hashed),
        T(a_malformed_announcement_is_refused_here),
        T(an_announcement_without_a_statement_is_the_keepers_to_refuse),
        T(every_refusal_has_its_status_and_word),
        T(without_a_ticket_the_body_is_never_read),
        T(a_refused_ticket_is_answered_before_the_body),
        T(a_body_flows_through_the_ring),
        T(an_empty_body_and_a_repeat_are_answered),
        T(a_full_ring_stops_the_client),
        T(a_client_that_leaves_aborts_its_upload),
        T(slow_clients_cannot_hold_all_slots),
        T(every_question_reaches_the_keeper),
        T(a_trace_says_states_and_verdict),
        T(a_trace_says_what_other_rules_said),
        T(a_file_comes_from_its_descriptor),
        T(health_and_metrics_come_from_one_answer),
        T(one_address_holds_so_many_connections),
        T(a_look_up_is_answered_from_the_snapshot),
        T(look_ups_without_a_shape_reach_nobody),
        T(many_hashes_are_looked_up_at_once),
        T(a_snapshot_that_can_be_changed_ends_the_front),
        T(a_front_that_drains_tells_of_all_look_ups),
        T(a_drained_front_ends_in_order),
        T(a_front_whose_keeper_dies_ends),
        T(a_keeper_that_frees_what_it_has_not_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

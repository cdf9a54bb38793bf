/* The courier in a process of its own, jailed; the test is its keeper, and the witness and the peer
 * that answer it: too long, slow, cut, of the wrong type, elsewhere, for ever. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/text.h"
#include "crypto/secret.h"
#include "http/server.h"
#include "jail/jail.h"
#include "ledger/tlog_witness.h"
#include "site/process.h"
#include "site/proto.h"

#define SOON 8000
#define QUIET 200
#define NAME "witness.example/w1"

struct rig {
    pid_t pid;
    struct msg_chan *courier;
    int listen;
    struct ed25519_key *log, *witness, *other;
    struct note_signer log_signer, w_signer, other_signer;
    struct buf body; /* of an add-checkpoint request */
    struct core_note note;
    char quorum[1024], url[64];
    uint64_t next_id;
    struct buf heard; /* the request that the server read */
    struct buf answer;
};

/* --- the courier --- */

static __attribute__((noreturn)) void child(const struct rig *r, int chan)
{
    static struct config c = {.file = "test.yaml", .peers = 1};
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    for (int p = 0; p < CONFIG_PROCESSES; p++)
        c.uid[p] = 65534;
    c.quorum = r->quorum;
    c.peer[0].site = "mow1";
    c.peer[0].url = r->url;
    if (dup2(chan, PART_CHANNEL) < 0 || dup2(null, STDERR_FILENO) < 0 ||
        jail_close_from(PART_CHANNEL + 1, NULL, 0) != 0)
        _exit(98);
    log_open("courier", LOG_INFO_, -1);
    _exit(courier_main(&c));
}

static void a_key(struct ed25519_key **key, struct note_signer *s, const char *name, uint8_t type)
{
    assert_int_equal(ed25519_generate(key), 0);
    assert_int_equal(note_signer_init(s, name, type, *key, NULL), 0);
}

/* A checkpoint to be cosigned, and the policy that names its witnesses. */
static void prepare(struct rig *r)
{
    char vkey[2][CORE_VKEY_TEXT_MAX + 1];
    struct core_add_checkpoint add;
    struct digest root = {{1}};
    struct buf note;

    a_key(&r->log, &r->log_signer, "zrh1.example/ledger", VKEY_ED25519);
    a_key(&r->witness, &r->w_signer, NAME, VKEY_COSIGNATURE);
    a_key(&r->other, &r->other_signer, "witness.example/w2", VKEY_COSIGNATURE);
    buf_init(&note, CORE_NOTE_MAX);
    buf_init(&r->body, PROTO_TAIL_MAX);
    buf_init(&r->heard, 1 << 22);
    buf_init(&r->answer, 1 << 22);
    assert_int_equal(note_checkpoint_make(&note, 1, &root, &r->log_signer, NULL), 0);
    assert_int_equal(tlog_witness_request(&r->body, 0, NULL, 0, buf_span(&note), NULL), 0);
    assert_int_equal(core_add_checkpoint_parse(buf_span(&r->body), &add), 0);
    assert_int_equal(core_note_split(add.checkpoint, &r->note), 0);
    note_vkey_format(&r->w_signer.key, vkey[0]);
    note_vkey_format(&r->other_signer.key, vkey[1]);
    (void)snprintf(r->quorum, sizeof(r->quorum),
                   "witness w1 %s %s/w1\nwitness w2 %s\ngroup both all w1 w2\nquorum both\n",
                   vkey[0], r->url, vkey[1]);
    buf_free(&note);
}

static int set_up(void **state)
{
    struct rig *r = calloc(1, sizeof(*r));
    struct timeval t = {SOON / 1000, 0};
    char name[40];
    int pair[2];

    assert_non_null(r);
    assert_int_equal(http_listen(&r->listen, "127.0.0.1:0", NULL), 0);
    assert_int_equal(http_listen_name(r->listen, name, sizeof(name)), 0);
    assert_int_equal(fcntl(r->listen, F_SETFL, 0), 0); /* accept waits */
    assert_int_equal(setsockopt(r->listen, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)), 0);
    (void)snprintf(r->url, sizeof(r->url), "http://%s", name);
    prepare(r);
    assert_int_equal(msg_pair(pair, NULL), 0);
    r->pid = fork();
    assert_true(r->pid >= 0);
    if (r->pid == 0)
        child(r, pair[1]);
    assert_int_equal(close(pair[1]), 0);
    assert_int_equal(msg_open(&r->courier, pair[0], &proto_courier, MSG_A, NULL), 0);
    *state = r;
    return 0;
}

static int exit_code(struct rig *r)
{
    int status = 0;

    assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
    r->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int tear_down(void **state)
{
    struct rig *r = *state;

    msg_close(r->courier);
    if (r->pid > 0) {
        (void)kill(r->pid, SIGKILL);
        (void)waitpid(r->pid, NULL, 0);
    }
    io_close(&r->listen);
    ed25519_free(r->log);
    ed25519_free(r->witness);
    ed25519_free(r->other);
    buf_free(&r->body);
    buf_free(&r->heard);
    buf_free(&r->answer);
    free(r);
    return 0;
}

/* --- the keeper --- */

static uint64_t ask_raw(struct rig *r, uint32_t witness, struct span body)
{
    struct pm_witness m = {witness, 0};
    struct buf b;

    buf_init(&b, MSG_BODY_MAX);
    assert_int_equal(buf_put(&b, &m, sizeof(m)), 0);
    assert_int_equal(buf_put(&b, body.p, body.n), 0);
    r->next_id++;
    assert_int_equal(msg_send_wait(r->courier, PC_WITNESS, r->next_id, buf_span(&b), NULL, SOON),
                     0);
    buf_free(&b);
    return r->next_id;
}

static uint64_t ask(struct rig *r)
{
    return ask_raw(r, 0, buf_span(&r->body));
}

static struct pm_cosigned cosigned(struct rig *r, uint64_t id)
{
    struct err e = ERR_INIT;
    struct pm_cosigned m;
    struct msg in;
    int rc = msg_recv_wait(r->courier, &in, SOON, &e);

    if (rc != 0)
        fail_msg("no answer: %d %s", rc, err_text(&e));
    assert_int_equal(in.type->type, PC_COSIGNED);
    assert_int_equal(in.id, id);
    memcpy(&m, in.body.p, sizeof(m));
    assert_non_null(memchr(m.text, '\0', sizeof(m.text)));
    return m;
}

static uint64_t carry(struct rig *r, uint32_t peer, uint32_t what, struct span body)
{
    struct pm_carry m = {.peer = peer, .what = what, .length = body.n};
    struct buf b;

    memset(m.move.b, 0xab, sizeof(m.move.b));
    memset(m.sub.b, 0xcd, sizeof(m.sub.b));
    buf_init(&b, MSG_BODY_MAX);
    assert_int_equal(buf_put(&b, &m, sizeof(m)), 0);
    assert_int_equal(buf_put(&b, body.p, body.n), 0);
    assert_int_equal(
        msg_send_wait(r->courier, PC_CARRY_TEXT, ++r->next_id, buf_span(&b), NULL, SOON), 0);
    buf_free(&b);
    return r->next_id;
}

static uint64_t carry_file(struct rig *r, int fd, uint64_t length)
{
    struct pm_carry m = {.peer = 0, .what = CARRY_MOVE_PUT, .length = length};

    memset(m.move.b, 0xab, sizeof(m.move.b));
    memset(m.sub.b, 0xcd, sizeof(m.sub.b));
    assert_int_equal(
        msg_send_wait(r->courier, PC_CARRY_FILE, ++r->next_id, span_of(&m, sizeof(m)), &fd, SOON),
        0);
    return r->next_id;
}

/* The status; the answer's body goes to r->answer. */
static uint32_t carried(struct rig *r, uint64_t id)
{
    struct err e = ERR_INIT;
    struct pm_carried m;
    struct msg in;
    int rc = msg_recv_wait(r->courier, &in, SOON, &e);

    if (rc != 0)
        fail_msg("no answer: %d %s", rc, err_text(&e));
    assert_int_equal(in.type->type, PC_CARRIED);
    assert_int_equal(in.id, id);
    memcpy(&m, in.body.p, sizeof(m));
    assert_non_null(memchr(m.text, '\0', sizeof(m.text)));
    assert_true(m.status != 0 || m.text[0] != '\0'); /* nothing fails without a sentence */
    buf_reset(&r->answer);
    assert_int_equal(buf_put(&r->answer, in.body.p + sizeof(m), in.body.n - sizeof(m)), 0);
    return m.status;
}

static void nothing_comes(struct rig *r)
{
    struct msg in;

    assert_int_equal(msg_recv_wait(r->courier, &in, QUIET, NULL), -ETIMEDOUT);
}

/* --- the server --- */

static size_t length_told(const struct buf *b)
{
    static const char word[] = "Content-Length: ";
    const char *at = memmem(b->data, b->len, word, sizeof(word) - 1);

    return at == NULL ? 0 : strtoul(at + sizeof(word) - 1, NULL, 10);
}

/* Accepts, reads the whole request (or, with head, its head alone) into r->heard. */
static int serve(struct rig *r, bool head)
{
    int fd = accept4(r->listen, NULL, NULL, SOCK_CLOEXEC);
    struct timeval t = {SOON / 1000, 0};
    const char *end = NULL;

    if (fd < 0)
        fail_msg("nobody calls: %s", strerror(errno));
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)), 0);
    buf_reset(&r->heard);
    while (end == NULL || (!head && r->heard.len < (size_t)(end + 4 - (char *)r->heard.data) +
                                                       length_told(&r->heard))) {
        char some[8192];
        ssize_t n = recv(fd, some, sizeof(some), 0);

        assert_true(n > 0);
        assert_int_equal(buf_put(&r->heard, some, (size_t)n), 0);
        end = memmem(r->heard.data, r->heard.len, "\r\n\r\n", 4);
    }
    return fd;
}

static void say(int fd, const void *p, size_t n)
{
    const char *at = p;

    while (n > 0) { /* it may have hung up: that is its right */
        ssize_t k = send(fd, at, n, MSG_NOSIGNAL);

        if (k <= 0)
            return;
        at += k;
        n -= (size_t)k;
    }
}

static void answer(int fd, const char *status, const char *more, const void *body, size_t n)
{
    char head[512];
    int k = snprintf(head, sizeof(head),
                     "HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %zu\r\n%s\r\n", status, n,
                     more);

    say(fd, head, (size_t)k);
    say(fd, body, n);
    (void)close(fd);
}

static void nobody_calls(struct rig *r)
{
    struct pollfd p = {.fd = r->listen, .events = POLLIN};

    assert_int_equal(poll(&p, 1, QUIET), 0);
}

static void cosign(const struct rig *r, const struct note_signer *by, struct buf *line)
{
    assert_int_equal(note_cosign(line, r->note.text, clock_now(), by, NULL), 0);
}

/* A whole visit that goes well: whatever came before, the courier works. */
static void it_works(struct rig *r)
{
    struct pm_cosigned m;
    struct buf line, text;
    uint64_t id = ask(r);
    int fd = serve(r, false);
    struct ed25519_pub pub;

    assert_non_null(
        memmem(r->heard.data, r->heard.len, "POST /w1/add-checkpoint HTTP/1.1\r\n", 34));
    assert_non_null(memmem(r->heard.data, r->heard.len, r->body.data, r->body.len));
    buf_init(&line, 8192);
    buf_init(&text, 8192);
    cosign(r, &r->other_signer, &line); /* others may stand there as well */
    cosign(r, &r->w_signer, &line);
    answer(fd, "200 OK", "", line.data, line.len);
    m = cosigned(r, id);
    assert_int_equal(m.status, 200);
    assert_int_equal(m.witness, 0);
    /* the text that was signed, put together from the specification */
    assert_int_equal(buf_printf(&text, "cosignature/v1\ntime %lld\n", (long long)m.time), 0);
    assert_int_equal(buf_put(&text, r->note.text.p, r->note.text.n), 0);
    ed25519_public(r->witness, &pub);
    assert_int_equal(ed25519_verify(&pub, text.data, text.len, (const struct ed25519_sig *)m.sig),
                     0);
    buf_free(&line);
    buf_free(&text);
}

/* --- witnesses --- */

static void a_cosignature_comes_over(void **state)
{
    it_works(*state);
}

static void an_answer_that_is_no_cosignature_is_502(void **state)
{
    struct rig *r = *state;
    struct note_signer fake;
    struct buf row[7];

    for (size_t i = 0; i < ARRAY_LEN(row); i++)
        buf_init(&row[i], 1 << 20);
    assert_int_equal(buf_puts(&row[1], "\xe2\x80\x94 " NAME " AAAA\n"), 0);
    cosign(r, &r->other_signer, &row[2]); /* another witness alone */
    assert_int_equal(note_signer_init(&fake, NAME, VKEY_COSIGNATURE, r->other, NULL), 0);
    cosign(r, &fake, &row[3]); /* the right name, another key and id */
    cosign(r, &r->w_signer, &row[4]);
    row[4].data[row[4].len - 12] ^= 1; /* a signature with a letter changed */
    cosign(r, &r->w_signer, &row[5]);
    row[5].len--;                 /* without its line feed */
    for (int i = 0; i < 300; i++) /* more lines than a note may have */
        cosign(r, &r->other_signer, &row[6]);
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        uint64_t id = ask(r);
        struct pm_cosigned m;

        answer(serve(r, false), "200 OK", "", row[i].data, row[i].len);
        m = cosigned(r, id);
        if (m.status != 502 || m.text[0] == '\0')
            fail_msg("row %zu: status %u: %s", i, m.status, m.text);
    }
    for (size_t i = 0; i < ARRAY_LEN(row); i++)
        buf_free(&row[i]);
    it_works(r);
}

static void a_conflict_gives_a_size_or_is_none(void **state)
{
    static const struct {
        const char *type, *body;
        uint32_t status;
        uint64_t size;
    } row[] = {
        {"Content-Type: text/x.tlog.size\r\n", "0\n", 409, 0},
        {"Content-Type: text/x.tlog.size\r\n", "4711\n", 409, 4711},
        {"Content-Type: text/x.tlog.size\r\n", "-1\n", 502, 0},
        {"Content-Type: text/x.tlog.size\r\n", "018\n", 502, 0},
        {"Content-Type: text/x.tlog.size\r\n", "99999999999999999999\n", 502, 0},
        {"Content-Type: text/x.tlog.size\r\n", "12 13\n", 502, 0},
        {"Content-Type: text/html\r\n", "<h1>Conflict</h1>", 502, 0},
        {"", "", 502, 0},
    };
    struct rig *r = *state;

    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        uint64_t id = ask(r);
        struct pm_cosigned m;

        answer(serve(r, false), "409 Conflict", row[i].type, row[i].body, strlen(row[i].body));
        m = cosigned(r, id);
        if (m.status != row[i].status || m.size != row[i].size)
            fail_msg("row %zu: %u, size %llu", i, m.status, (unsigned long long)m.size);
        assert_true(m.text[0] != '\0');
    }
    it_works(r);
}

static void refusals_and_redirects_come_over_and_are_not_followed(void **state)
{
    static const struct {
        const char *line, *more;
        uint32_t status;
    } row[] = {
        {"307 Temporary Redirect", "Location: /elsewhere\r\n", 307},
        {"301 Moved Permanently", "Location: file:///etc/passwd\r\n", 301},
        {"308 Permanent Redirect", "Location: http://127.0.0.1:1/\r\n", 308},
        {"300 Multiple Choices", "", 300},
        {"204 No Content", "", 204},
        {"400 Bad Request", "", 400},
        {"401 Unauthorized", "WWW-Authenticate: Basic\r\n", 401},
        {"403 Forbidden", "", 403},
        {"404 Not Found", "", 404},
        {"422 Unprocessable", "", 422},
        {"429 Too Many Requests", "Retry-After: 0\r\n", 429},
        {"500 Internal", "", 500},
        {"503 Busy", "Retry-After: 0\r\n", 503},
        {"999 What", "", 999},
    };
    struct rig *r = *state;

    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        uint64_t id = ask(r);
        struct pm_cosigned m;

        answer(serve(r, false), row[i].line, row[i].more, "", 0);
        m = cosigned(r, id);
        if (m.status != row[i].status)
            fail_msg("%s: %u", row[i].line, m.status);
        assert_true(m.text[0] != '\0');
    }
    nobody_calls(r);
    nothing_comes(r);
    it_works(r);
}

static void answers_that_are_none_are_status_0(void **state)
{
    static const char *const row[] = {
        "",                                                                /* hangs up */
        "HTTP/1.1 200 OK\r\nContent-Len",                                  /* cut in the head */
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",             /* in the body */
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",   /* in a chunk */
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", /* no number */
        "HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\nx",         /* 10 GiB */
        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nx",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "220 smtp ready\r\n",
        "just some text that is no HTTP\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    };
    struct rig *r = *state;

    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        uint64_t id = ask(r);
        int fd = serve(r, false);
        struct pm_cosigned m;

        say(fd, row[i], strlen(row[i]));
        (void)close(fd);
        m = cosigned(r, id);
        if (m.status != 0 || m.text[0] == '\0')
            fail_msg("row %zu: status %u: %s", i, m.status, m.text);
    }
    it_works(r);
}

/* What has no end is cut where the limit is, without being gathered first. */
static void answers_without_end_are_cut(void **state)
{
    static const char *const head[] = {
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n", /* until it is closed */
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-Header: ",
        "HTTP/1.1 200 OK\r\n",
        "",
    };
    static const char *const more[] = {"a body that goes on and on ", "8\r\n12345678\r\n",
                                       "a header that goes on and on", "X-One-More: header\r\n",
                                       "HTTP/1.1 100 Continue\r\n\r\n"};
    struct rig *r = *state;

    for (size_t i = 0; i < ARRAY_LEN(head); i++) {
        uint64_t id = ask(r);
        int fd = serve(r, false);
        struct pm_cosigned m;
        struct buf b;

        buf_init(&b, 32 << 20);
        while (b.len < (16u << 20))
            assert_int_equal(buf_puts(&b, more[i]), 0);
        say(fd, head[i], strlen(head[i]));
        say(fd, b.data, b.len);
        (void)close(fd);
        m = cosigned(r, id);
        if (m.status != 0 || m.text[0] == '\0')
            fail_msg("row %zu: status %u: %s", i, m.status, m.text);
        buf_free(&b);
    }
    it_works(r);
}

/* A letter now and then is not an answer; others are served meanwhile. */
static void a_slow_witness_has_five_seconds(void **state)
{
    struct rig *r = *state;
    mono_ms began = clock_mono();
    uint64_t id = ask(r);
    int fd = serve(r, false);
    struct pm_cosigned m;
    struct pollfd p = {.fd = msg_fd(r->courier), .events = POLLIN};

    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n", 41);
    it_works(r);
    while (poll(&p, 1, 100) == 0 && clock_mono() < began + SOON)
        say(fd, "x", 1);
    m = cosigned(r, id);
    assert_int_equal(m.status, 0);
    assert_in_range(clock_mono() - began, 4000, 7000);
    (void)close(fd);
    it_works(r);
}

static void what_the_keeper_must_not_ask_is_answered_with_a_sentence(void **state)
{
    struct rig *r = *state;
    const struct {
        uint32_t witness;
        struct span body;
    } row[] = {
        {2, buf_span(&r->body)},
        {UINT32_MAX, buf_span(&r->body)},
        {1, buf_span(&r->body)}, /* it has no URL */
        {0, {NULL, 0}},
        {0, span_str("old 0\n\nnot a note\n")},
        {0, span_str("\xff\xfe\n\n\n\n")},
    };

    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        struct pm_cosigned m = cosigned(r, ask_raw(r, row[i].witness, row[i].body));

        assert_int_equal(m.status, 0);
        assert_int_equal(m.witness, row[i].witness);
        assert_true(m.text[0] != '\0');
    }
    nobody_calls(r);
    it_works(r);
}

/* --- peers --- */

static void a_file_is_carried_whole_and_its_answer_comes_back(void **state)
{
    struct rig *r = *state;
    static uint8_t bytes[300000], big[PROTO_TAIL_MAX];
    int fd = memfd_create("file", MFD_CLOEXEC);
    uint64_t id;

    random_bytes(bytes, sizeof(bytes));
    random_bytes(big, sizeof(big));
    assert_int_equal(io_write_all(fd, bytes, sizeof(bytes)), 0);
    id = carry_file(r, fd, sizeof(bytes));
    answer(serve(r, false), "201 Created", "", big, sizeof(big)); /* the longest that may come */
    assert_int_equal(carried(r, id), 201);
    assert_int_equal(r->answer.len, sizeof(big));
    assert_memory_equal(r->answer.data, big, sizeof(big));
    assert_non_null(memmem(r->heard.data, r->heard.len,
                           "PUT /v1/moves/abababababababababababababababab/objects/"
                           "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd HTTP/1.1\r\n",
                           98));
    assert_non_null(memmem(r->heard.data, r->heard.len, bytes, sizeof(bytes)));
    id = carry(r, 0, CARRY_MOVE_OPEN, span_str("the opening"));
    answer(serve(r, false), "200 OK", "", "", 0);
    assert_int_equal(carried(r, id), 200);
    assert_non_null(memmem(r->heard.data, r->heard.len,
                           "POST /v1/moves/abababababababababababababababab HTTP/1.1\r\n", 58));
    id = carry(r, 0, CARRY_MOVE_CLOSE, span_of(NULL, 0));
    answer(serve(r, false), "200 OK", "", "proof", 5);
    assert_int_equal(carried(r, id), 200);
    assert_non_null(memmem(r->heard.data, r->heard.len,
                           "POST /v1/moves/abababababababababababababababab/close HTTP/1.1\r\n",
                           64));
    assert_int_equal(close(fd), 0);
}

static void a_peers_answer_that_is_too_long_or_cut_is_none(void **state)
{
    struct rig *r = *state;
    static uint8_t big[PROTO_TAIL_MAX + 1];
    uint64_t id;
    int fd;

    id = carry(r, 0, CARRY_MOVE_CLOSE, span_of(NULL, 0));
    answer(serve(r, false), "200 OK", "", big, sizeof(big));
    assert_int_equal(carried(r, id), 0);
    assert_int_equal(r->answer.len, 0);
    id = carry(r, 0, CARRY_MOVE_CLOSE, span_of(NULL, 0));
    fd = serve(r, false);
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhalf a proof", 50);
    (void)close(fd);
    assert_int_equal(carried(r, id), 0);
    assert_int_equal(r->answer.len, 0); /* nothing of it */
    it_works(r);
}

static void a_peer_that_sends_elsewhere_gets_no_file_there(void **state)
{
    struct rig *r = *state;
    static uint8_t bytes[2 << 20]; /* more than the socket takes */
    int fd = memfd_create("file", MFD_CLOEXEC), conn;
    char more[96];
    uint64_t id;

    assert_int_equal(io_write_all(fd, bytes, sizeof(bytes)), 0);
    (void)snprintf(more, sizeof(more), "Location: %s/v1/elsewhere\r\n", r->url);
    id = carry_file(r, fd, sizeof(bytes));
    conn = serve(r, true); /* an answer before the body was read */
    answer(conn, "307 Temporary Redirect", more, "", 0);
    {
        uint32_t status = carried(r, id);

        assert_true(status == 307 || status == 0); /* 0: its answer was lost with the connection */
    }
    nobody_calls(r);
    assert_int_equal(close(fd), 0);
    it_works(r);
}

static void what_cannot_be_carried_is_refused_with_a_sentence(void **state)
{
    struct rig *r = *state;
    int fd = memfd_create("file", MFD_CLOEXEC), ends[2];

    assert_int_equal(io_write_all(fd, "12345", 5), 0);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(carried(r, carry(r, 1, CARRY_MOVE_OPEN, span_str("x"))), 0);
    assert_int_equal(carried(r, carry(r, UINT32_MAX, CARRY_MOVE_OPEN, span_str("x"))), 0);
    assert_int_equal(carried(r, carry(r, 0, CARRY_MOVE_CLOSE + 1, span_str("x"))), 0);
    assert_int_equal(carried(r, carry_file(r, fd, 6)), 0);
    assert_int_equal(carried(r, carry_file(r, fd, UINT64_MAX)), 0);
    assert_int_equal(carried(r, carry_file(r, ends[0], 5)), 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(close(ends[1]), 0);
    nobody_calls(r);
    it_works(r);
}

static void many_at_once_are_each_answered_once(void **state)
{
    struct rig *r = *state;
    uint64_t first = ask(r);
    bool seen[40] = {false};
    int fd[40];

    for (size_t i = 1; i < ARRAY_LEN(fd); i++)
        (void)ask(r);
    for (size_t i = 0; i < ARRAY_LEN(fd); i++)
        fd[i] = serve(r, false);
    for (size_t i = ARRAY_LEN(fd); i-- > 0;)
        answer(fd[i], "404 Not Found", "", "", 0);
    for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
        struct msg in;

        assert_int_equal(msg_recv_wait(r->courier, &in, SOON, NULL), 0);
        assert_true(in.id >= first && in.id < first + ARRAY_LEN(fd) && !seen[in.id - first]);
        seen[in.id - first] = true;
    }
    nothing_comes(r);
    it_works(r);
}

/* --- its end --- */

static void it_ends_with_its_keeper_even_while_somebody_is_slow(void **state)
{
    struct rig *r = *state;
    int fd;

    (void)ask(r);
    fd = serve(r, false);
    msg_close(r->courier);
    r->courier = NULL;
    assert_int_equal(exit_code(r), 0);
    (void)close(fd);
}

static void nonsense_from_the_keeper_ends_it(void **state)
{
    struct rig *r = *state;

    assert_int_equal(send(msg_fd(r->courier), "nonsense", 8, MSG_NOSIGNAL), 8);
    assert_int_equal(exit_code(r), 3);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_cosignature_comes_over),
        T(an_answer_that_is_no_cosignature_is_502),
        T(a_conflict_gives_a_size_or_is_none),
        T(refusals_and_redirects_come_over_and_are_not_followed),
        T(answers_that_are_none_are_status_0),
        T(answers_without_end_are_cut),
        T(a_slow_witness_has_five_seconds),
        T(what_the_keeper_must_not_ask_is_answered_with_a_sentence),
        T(a_file_is_carried_whole_and_its_answer_comes_back),
        T(a_peers_answer_that_is_too_long_or_cut_is_none),
        T(a_peer_that_sends_elsewhere_gets_no_file_there),
        T(what_cannot_be_carried_is_refused_with_a_sentence),
        T(many_at_once_are_each_answered_once),
        T(it_ends_with_its_keeper_even_while_somebody_is_slow),
        T(nonsense_from_the_keeper_ends_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What an operator sees: /metrics is OpenMetrics and says what docs/operations.md explains, the
 * alert rules speak of metrics that exist, /healthz and "glarus site status" name what is wrong,
 * and neither logs nor metrics have a user's names, hashes, tokens or addresses in them.
 * $E2E_METRICS=FILE keeps a site's answer, for promtool. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "crypto/secret.h"
#include "crypto/sha256.h"
#include "rig_client.h"
#include "rig_priv.h"

#define METRICS_MAX 128
#define NAME_MAX_ 64

static struct rig *r;
static const char *docs; /* the folder */

static int set_up(void **state)
{
    const struct rig_plan plan = {.sites = 1, .scanning = true};

    r = rig_open(&plan);
    return 0;
}

static int tear_down(void **state)
{
    rig_close(r);
    return 0;
}

static void get(const char *path, int status, struct buf *out)
{
    struct http_call call = {.method = HTTP_GET, .total_ms = RIG_SOON};
    struct err e = ERR_INIT;
    struct http_result a;
    char url[96];

    (void)snprintf(url, sizeof(url), "%s%s", r->site[0].url, path);
    call.url = url;
    rig_ok(http_client_do(r->http, &call, &a, &e), &a.err);
    assert_int_equal(a.status, status);
    buf_init(out, 1 << 20);
    assert_int_equal(buf_put(out, a.body.data, a.body.len), 0);
    http_result_free(&a);
}

/* --- OpenMetrics 1.0: TYPE, HELP, sample; counters end in _total; no family twice; EOF at the end
 */

struct metrics {
    char name[METRICS_MAX][NAME_MAX_]; /* of the samples */
    size_t n;
};

static bool known(const struct metrics *m, const char *name, size_t len)
{
    for (size_t i = 0; i < m->n; i++)
        if (strlen(m->name[i]) == len && memcmp(m->name[i], name, len) == 0)
            return true;
    return false;
}

static bool is_number(const char *s)
{
    size_t n = strspn(s, "0123456789");

    return n > 0 && s[n] == '\0' && (s[0] != '0' || n == 1);
}

/* "# WORD NAME REST": NAME and REST, or fails. */
static char *comment(char *line, const char *word, char name[NAME_MAX_])
{
    size_t n = strlen(word), len;
    char *at = line + n + 3;

    if (strncmp(line, "# ", 2) != 0 || strncmp(line + 2, word, n) != 0 || line[n + 2] != ' ')
        fail_msg("not a line of %s: \"%s\"", word, line);
    len = strcspn(at, " ");
    assert_true(len > 0 && len + sizeof("_total") < NAME_MAX_ && at[len] == ' ');
    assert_int_equal(strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789_"), len);
    memcpy(name, at, len);
    name[len] = '\0';
    return at + len + 1;
}

static void parse_metrics(const struct buf *b, struct metrics *m)
{
    char *text = strdup(buf_str((struct buf *)(uintptr_t)b)), *line, *save = NULL;
    char name[NAME_MAX_], again[NAME_MAX_];
    bool ended = false;

    assert_non_null(text);
    assert_true(b->len > 6 && memcmp(b->data + b->len - 6, "# EOF\n", 6) == 0);
    for (line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
        bool counter;
        char *rest;

        if (strcmp(line, "# EOF") == 0) {
            ended = true;
            break;
        }
        rest = comment(line, "TYPE", name);
        counter = strcmp(rest, "counter") == 0;
        assert_true(counter || strcmp(rest, "gauge") == 0);
        line = strtok_r(NULL, "\n", &save);
        assert_non_null(line);
        rest = comment(line, "HELP", again);
        assert_string_equal(again, name);
        assert_true(isupper((unsigned char)rest[0]) || isdigit((unsigned char)rest[0]));
        line = strtok_r(NULL, "\n", &save);
        assert_non_null(line);
        if (counter)
            memcpy(name + strlen(name), "_total", sizeof("_total"));
        else
            assert_true(strlen(name) < 6 || strcmp(name + strlen(name) - 6, "_total") != 0);
        if (strncmp(line, name, strlen(name)) != 0 || line[strlen(name)] != ' ' ||
            !is_number(line + strlen(name) + 1))
            fail_msg("not a sample of %s: \"%s\"", name, line);
        assert_false(known(m, name, strlen(name)));
        assert_true(m->n < METRICS_MAX);
        (void)snprintf(m->name[m->n++], NAME_MAX_, "%s", name);
    }
    assert_true(ended && strtok_r(NULL, "\n", &save) == NULL);
    free(text);
}

static void read_doc(const char *name, struct buf *b)
{
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/%s", docs, name);
    buf_init(b, 1 << 20);
    rig_ok(io_read_file(AT_FDCWD, path, b), NULL);
}

static void metrics_are_those_that_the_documents_explain(void **state)
{
    static struct metrics live, told;
    const char *keep = getenv("E2E_METRICS");
    struct buf b, doc;

    get("/metrics", 200, &b);
    if (keep != NULL)
        rig_ok(io_replace_file(AT_FDCWD, keep, b.data, b.len, 0644), NULL);
    parse_metrics(&b, &live);
    buf_free(&b);
    read_doc("operations.md", &doc);
    for (const char *at = buf_str(&doc); (at = strstr(at, "\n| `")) != NULL; at++) {
        const char *name = at + 4;
        size_t len = strcspn(name, "`");

        if ((strncmp(name, "site_", 5) != 0 && strncmp(name, "front_", 6) != 0) || len >= NAME_MAX_)
            continue;
        if (!known(&live, name, len))
            fail_msg("operations.md explains \"%.*s\", which no site says", (int)len, name);
        assert_true(told.n < METRICS_MAX);
        (void)snprintf(told.name[told.n++], NAME_MAX_, "%.*s", (int)len, name);
    }
    buf_free(&doc);
    for (size_t i = 0; i < live.n; i++)
        if (!known(&told, live.name[i], strlen(live.name[i])))
            fail_msg("operations.md does not explain \"%s\"", live.name[i]);
    assert_true(live.n > 30);

    /* every word of the rules that looks like a metric is one */
    read_doc("alerts.yaml", &doc);
    size_t words = 0;
    for (const char *at = buf_str(&doc); (at = strstr(at, "expr: ")) != NULL;) {
        const char *end = strchr(at, '\n');

        for (at += 6; at < end; at++) {
            size_t len = strspn(at, "abcdefghijklmnopqrstuvwxyz_");

            if (strncmp(at, "site_", 5) == 0 || strncmp(at, "front_", 6) == 0) {
                if (!known(&live, at, len))
                    fail_msg("alerts.yaml speaks of \"%.*s\", which no site says", (int)len, at);
                words++;
            }
            at += len;
        }
    }
    assert_true(words > 15);
    buf_free(&doc);
}

/* --- what is wrong, and what to do --- */

static void status_and_health_name_what_is_wrong(void **state)
{
    struct pm_admin ask = {.what = ADMIN_STATUS};
    char text[1024];
    struct buf b;

    rig_settle(r, 0); /* the witness has been heard */
    get("/healthz", 200, &b);
    if (strcmp(buf_str(&b),
               "{\"status\":\"ok\",\"checks\":[{\"name\":\"keeper\",\"ok\":true},"
               "{\"name\":\"disk\",\"ok\":true},{\"name\":\"clock\",\"ok\":true},"
               "{\"name\":\"documents\",\"ok\":true},{\"name\":\"witnesses\",\"ok\":true},"
               "{\"name\":\"engine\",\"ok\":true}]}\n") != 0)
        fail_msg("%s", buf_str(&b));
    buf_free(&b);
    assert_int_equal(rig_admin(r, 0, &ask, NULL, NULL, text), 0);
    assert_non_null(strstr(text, "\nregister serial 1, policies 1, statements 3\n"));
}

/* --- privacy of logs and metrics --- */

/* From 127.0.0.77, so that the address is no other's. */
static void speak(const char *text)
{
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = inet_addr("127.0.0.77")},
                       to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval t = {5, 0};
    char answer[4096];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    to.sin_port = htons((uint16_t)strtoul(strrchr(r->site[0].url, ':') + 1, NULL, 10));
    assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)), 0);
    (void)send(fd, text, strlen(text), MSG_NOSIGNAL);
    while (recv(fd, answer, sizeof(answer), 0) > 0)
        ;
    io_close(&fd);
}

static void needle(struct rig_needle *n, const char *what, const char *text)
{
    (void)snprintf(n->what, sizeof(n->what), "%s", what);
    n->n = strlen(text);
    assert_true(n->n < sizeof(n->b));
    memcpy(n->b, text, n->n);
}

static void not_in(const char *where, struct span text, const struct rig_needle *n, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *at = memmem(text.p, text.n, n[i].b, n[i].n);

        if (at != NULL)
            fail_msg("%s has %s: \"%.*s\"", where, n[i].what, (int)n[i].n, (const char *)at);
    }
}

/* Fills what must never be seen of one submission. */
static size_t secrets_of(const struct rig_sub *s, const char *name, struct span file,
                         struct rig_needle *n)
{
    char hex[65], b64[TEXT_BASE64_LEN(32) + 1], half[33];
    struct digest d;

    sha256_of(file.p, file.n, &d);
    text_digest(hex, &d);
    text_base64(b64, d.b, 32);
    needle(&n[0], "a file's name", name);
    (void)snprintf(half, sizeof(half), "%.16s", hex);
    needle(&n[1], "a file's hash", half);
    (void)snprintf(half, sizeof(half), "%.20s", b64);
    needle(&n[2], "a file's hash in base64", half);
    needle(&n[3], "a submission's identifier", s->hex);
    needle(&n[4], "a ticket", s->ticket);
    return 5;
}

static void logs_and_metrics_know_nobody(void **state)
{
    static const char *const garbage[] = {
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "POST /v1/submissions HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: "
        "4\r\n\r\nabc",
        "PUT /v1/submissions/00112233445566778899aabbccddeeff/content HTTP/1.1\r\nHost: a\r\n"
        "Ticket: 00112233445566778899aabbccddeeff\r\nContent-Length: 3\r\n\r\nabc",
        "GET /v1/submissions/00112233445566778899aabbccddeeff HTTP/1.1\r\nHost: a\r\n"
        "Connection: close\r\n\r\n",
    };
    static uint8_t bytes[4][9000];
    struct rig_needle secret[64];
    struct rig_sub s[4];
    struct rig_word w;
    struct buf log;
    size_t n = 0;
    char name[32];

    needle(&secret[n++], "a client's address", "127.0.0.77");
    needle(&secret[n++], "a token", RIG_TOKEN);
    needle(&secret[n++], "a stranger's identifier", "00112233445566778899aabbccddeeff");
    for (size_t i = 0; i < ARRAY_LEN(s); i++) {
        struct span file = span_of(bytes[i], sizeof(bytes[i]));

        (void)snprintf(name, sizeof(name), "secret-name-%zu.bin", i);
        random_bytes(bytes[i], sizeof(bytes[i]));
        rig_sub_new(r, &s[i], i == 2 ? "LI" : "CH");
        s[i].token = i == 2 ? RIG_TOKEN_CH : RIG_TOKEN; /* the third is refused */
        (void)snprintf(s[i].ticket, sizeof(s[i].ticket), "ffeeddccbbaa99887766554433221100");
        if (rig_announce(r, 0, &s[i], &w) == 201)
            assert_int_equal(rig_put(r, 0, &s[i], file, name, NULL, &w), 201);
        n += secrets_of(&s[i], name, file, &secret[n]);
    }
    for (size_t i = 0; i < ARRAY_LEN(garbage); i++)
        speak(garbage[i]);
    assert_int_equal(rig_order(r, 0, &s[0], "withdraw", NULL, NULL, &w), 202);
    s[1].bad_signature = true;
    assert_int_equal(rig_order(r, 0, &s[1], "withdraw", NULL, NULL, &w), 403);
    rig_settle(r, 0);
    rig_turn_epoch(r, 0);

    get("/metrics", 200, &log);
    not_in("/metrics", buf_span(&log), secret, n);
    buf_free(&log);
    get("/healthz", 200, &log);
    not_in("/healthz", buf_span(&log), secret, n);
    buf_free(&log);
    rig_kill_all(r, 0); /* a crash and a recovery have their own lines */
    rig_start(r, 0);
    rig_stop(r, 0);
    buf_init(&log, 64 << 20);
    rig_ok(io_read_file(AT_FDCWD, r->site[0].log, &log), NULL);
    assert_true(log.len > 2000); /* it does say things */
    assert_non_null(strstr(buf_str(&log), "msg=\"READY\""));
    not_in("the log", buf_span(&log), secret, n);
    buf_free(&log);
    for (size_t i = 0; i < ARRAY_LEN(s); i++)
        rig_sub_free(&s[i]);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_are_those_that_the_documents_explain),
        cmocka_unit_test(status_and_health_name_what_is_wrong),
        cmocka_unit_test(logs_and_metrics_know_nobody),
    };

    if (argc != 5) {
        (void)fprintf(stderr, "usage: %s GLARUSD ENGINE RULES DOCS\n", argv[0]);
        return 2;
    }
    docs = argv[4];
    rig_args(argc - 1, argv);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

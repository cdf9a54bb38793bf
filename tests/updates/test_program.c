/* glarus-tuf itself, against a web server: the contract of its command line, and a SIGKILL at any
 * moment.  GLARUS_TUF in the environment is the program. */
#include "repo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/io.h"
#include "base/text.h"
#include "web.h"

#define KILLS 40

static struct repo r;
static struct web_server web;
static char top[64], meta[80], shelf[80], meta_url[80], targets_url[80], said[2000];
static char big[3 << 20];

/* /m/NAME and /t/NAME from the repository (as it was when the server began), slowly if asked. */
static void answer(int fd, const char *path, void *arg)
{
    const char *name = path + 3;
    const struct buf *b = repo_find(&r, name);
    char head[100];

    if (strncmp(path, "/m/", 3) != 0 && strncmp(path, "/t/", 3) != 0)
        b = NULL;
    if (b == NULL) {
        (void)web_says(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        return;
    }
    (void)snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", b->len);
    (void)web_says(fd, head);
    for (size_t i = 0; i < b->len; i += 1 << 16) {
        const struct timespec pause = {0, 1000000};

        if (!web_send(fd, b->data + i, b->len - i < 1 << 16 ? b->len - i : 1 << 16))
            return;
        if (arg != NULL)
            (void)nanosleep(&pause, NULL);
    }
}

static void serve(bool slowly)
{
    if (web.pid != 0)
        web_stop(&web);
    web_start(&web, answer, slowly ? &r : NULL);
    (void)snprintf(meta_url, sizeof(meta_url), "http://127.0.0.1:%d/m", web.port);
    (void)snprintf(targets_url, sizeof(targets_url), "http://127.0.0.1:%d/t", web.port);
}

/* Starts the program with these words; what it says goes to a file. */
static pid_t start(const char *const *words)
{
    const char *argv[32] = {getenv("GLARUS_TUF")};
    char out[100];
    size_t n = 1;
    pid_t pid;

    while (words[n - 1] != NULL && n < 31) {
        argv[n] = words[n - 1];
        n++;
    }
    (void)snprintf(out, sizeof(out), "%s/said", top);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0644);

        if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
            _exit(99);
        (void)execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(98);
    }
    return pid;
}

static int run(const char *const *words)
{
    char out[100];
    struct buf b;
    int status;
    pid_t pid = start(words);

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    (void)snprintf(out, sizeof(out), "%s/said", top);
    buf_init(&b, sizeof(said) - 1);
    assert_int_equal(io_read_file(AT_FDCWD, out, &b), 0);
    (void)snprintf(said, sizeof(said), "%s", buf_str(&b));
    buf_free(&b);
    return WEXITSTATUS(status);
}
#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL})
#define REFRESH "--metadata-url", meta_url, "--metadata-dir", meta, "refresh"
#define DOWNLOAD(...)                                                                              \
    "--metadata-url", meta_url, "--metadata-dir", meta, __VA_ARGS__, "--target-dir", shelf,        \
        "--target-base-url", targets_url, "download"

/* In canonical order if path sorts before other. */
static char *targets(const char *path, const char *content, const char *other)
{
    char *one = repo_target(&r, path, content), *two = repo_target(&r, other, "2"), *both;

    assert_true(asprintf(&both, "%s,%s", one, two) > 0);
    free(one);
    free(two);
    return both;
}

static int begin(void **state)
{
    char root[100];
    struct span one;

    (void)state;
    repo_open(&r);
    (void)snprintf(top, sizeof(top), "/tmp/updates-program-XXXXXX");
    assert_non_null(mkdtemp(top));
    (void)snprintf(meta, sizeof(meta), "%s/meta", top);
    (void)snprintf(shelf, sizeof(shelf), "%s/shelf", top);
    (void)snprintf(root, sizeof(root), "%s/root.json", top);
    one = buf_span(repo_find(&r, "1.root.json"));
    assert_int_equal(io_create_file(AT_FDCWD, root, one.p, one.n, 0644), 0);
    web.pid = 0;
    serve(false);
    assert_int_equal(RUN("--metadata-dir", meta, "init", root), 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    web_stop(&web);
    repo_close(&r);
    assert_int_equal(io_remove_tree(top), 0);
    return 0;
}

static bool holds(const char *folder, const char *name, const char *text)
{
    char path[200];
    struct buf b;
    bool is;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    buf_init(&b, sizeof(big) + 10);
    is = io_read_file(AT_FDCWD, path, &b) == 0 && span_is(buf_span(&b), text);
    buf_free(&b);
    return is;
}

static void refresh_keeps_what_it_received(void **state)
{
    static const char *const names[][2] = {{"root.json", "1.root.json"},
                                           {"timestamp.json", "timestamp.json"},
                                           {"snapshot.json", "1.snapshot.json"},
                                           {"targets.json", "1.targets.json"}};

    (void)state;
    assert_int_equal(RUN(REFRESH), 0);
    assert_string_equal(said, "trusted: root 1, timestamp 1, snapshot 1, targets 1\n");
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_true(holds(meta, names[i][0], buf_str(repo_find(&r, names[i][1]))));
}

static void targets_come_in_order_until_one_fails(void **state)
{
    char *t = targets("dir/one", "1", "two");

    (void)state;
    r.targets = t;
    repo_bump(&r);
    serve(false);
    assert_int_equal(
        RUN(DOWNLOAD("--target-name", "dir/one", "--target-name", "no", "--target-name", "two")),
        1);
    assert_non_null(strstr(said, "fetched: dir/one\n"));
    assert_non_null(strstr(said, "glarus-tuf: target \"no\""));
    assert_true(holds(shelf, "dir%2Fone", "1"));
    assert_false(holds(shelf, "two", "2"));
    assert_int_equal(RUN(DOWNLOAD("--target-name", "dir/one", "--target-name", "two")), 0);
    assert_non_null(strstr(said, "there already: dir/one\n"));
    assert_true(holds(shelf, "two", "2"));
    free(t);
}

static void mistakes_are_said(void **state)
{
    char none[100];

    (void)state;
    (void)snprintf(none, sizeof(none), "%s/none", top);
    assert_int_equal(RUN("--help"), 0);
    assert_non_null(strstr(said, "Example:"));
    assert_int_equal(RUN("--version"), 0);
    assert_int_equal(RUN("refresh"), 1);
    assert_non_null(strstr(said, "--metadata-dir"));
    assert_int_equal(RUN("--metadata-dir", meta, "refresh"), 1);
    assert_non_null(strstr(said, "--metadata-url"));
    assert_int_equal(RUN("--metadata-dir", meta, "nonsense"), 1);
    assert_int_equal(RUN("--metadata-dir", meta, "init"), 1);
    assert_int_equal(RUN("--nonsense"), 1);
    assert_int_equal(RUN("--metadata-dir", meta, "--metadata-url", meta_url, "download"), 1);
    assert_int_equal(RUN("--metadata-dir", none, "--metadata-url", meta_url, "refresh"), 1);
    assert_non_null(strstr(said, "init"));
    web_stop(&web);
    assert_int_equal(RUN(REFRESH), 1);
    assert_non_null(strstr(said, "is the server running"));
    web.pid = 0;
    serve(false);
}

/* Wherever the signal falls, what is there is whole, and the next download finishes the work. */
static void a_kill_at_any_moment_leaves_a_working_client(void **state)
{
    char *old, *new;

    (void)state;
    memset(big, 'n', sizeof(big) - 1);
    old = targets("a", "old", "two");
    r.targets = old;
    repo_bump(&r);
    serve(false);
    assert_int_equal(RUN(DOWNLOAD("--target-name", "a")), 0);
    new = targets("a", big, "two");
    r.targets = new;
    repo_root(&r);
    repo_bump(&r);
    serve(true);
    for (int i = 0; i < KILLS; i++) {
        const char *const words[] = {DOWNLOAD("--target-name", "a"), NULL};
        const struct timespec t = {0, (i * 7919L) % 120 * 1000000};
        pid_t pid = start(words);
        struct tuf_metadata *m;
        struct buf b;
        char path[200];
        int status;

        (void)nanosleep(&t, NULL);
        (void)kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(holds(shelf, "a", "old") || holds(shelf, "a", big));
        for (int type = 0; type < TUF_TYPES; type++) {
            (void)snprintf(path, sizeof(path), "%s/%s.json", meta,
                           tuf_type_name((enum tuf_type)type));
            buf_init(&b, 1 << 20);
            assert_int_equal(io_read_file(AT_FDCWD, path, &b), 0);
            assert_int_equal(tuf_metadata_parse(&m, (enum tuf_type)type, buf_span(&b), NULL), 0);
            tuf_metadata_free(m);
            buf_free(&b);
        }
    }
    assert_int_equal(RUN(DOWNLOAD("--target-name", "a")), 0);
    assert_true(holds(shelf, "a", big));
    free(old);
    free(new);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(refresh_keeps_what_it_received),
        TEST(targets_come_in_order_until_one_fails),
        TEST(mistakes_are_said),
        TEST(a_kill_at_any_moment_leaves_a_working_client),
    };

    assert_non_null(getenv("GLARUS_TUF"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The real glarusd, founded, started, hurt and ended: test-site-supervisor GLARUSD. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "crypto/tls.h"
#include "http/client.h"
#include "site/init.h"

#define PLAIN_UID 64124 /* nobody's */
#define KEY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define SOON 20000

static const char *glarusd;

struct site {
    char dir[64], file[96];
    pid_t pid;
    int log;
    char text[65536];
    size_t len, read; /* read: up to here lines were looked at */
};

static void write_config(struct site *s, const char *more)
{
    char text[2048];
    int n = snprintf(text, sizeof(text),
                     "format: site/v1\nsite: zrh1\nzone: CH\norigin: zrh1.example/ledger\n"
                     "url: http%s://127.0.0.1:1\nlisten: 127.0.0.1:0\nquorum: |\n  quorum none\n"
                     "keys: {}\nroots: {threshold: 1, keys: [" KEY "]}\n"
                     "run_as: {front: 64001, keeper: 64002, signer: 64003, courier: 64004, "
                     "reader: 64005, engine: 64006}\n%s",
                     strstr(more, "tls:") != NULL ? "s" : "", more);

    assert_true(n > 0 && n < (int)sizeof(text));
    assert_int_equal(io_replace_file(AT_FDCWD, s->file, text, (size_t)n, 0644), 0);
}

static int set_up(void **state)
{
    static struct site s;
    struct err e = ERR_INIT;
    struct config *c;

    memset(&s, 0, sizeof(s));
    (void)snprintf(s.dir, sizeof(s.dir), "/tmp/site-XXXXXX");
    assert_non_null(mkdtemp(s.dir));
    assert_int_equal(chmod(s.dir, 0755), 0);
    (void)snprintf(s.file, sizeof(s.file), "%s/glarusd.yaml", s.dir);
    write_config(&s, "");
    assert_int_equal(config_load(&c, s.file, &e), 0);
    if (site_init(c, &e) != 0)
        fail_msg("%s", err_text(&e));
    assert_int_equal(site_init(c, &e), -EEXIST);
    config_free(c);
    *state = &s;
    return 0;
}

static int tear_down(void **state)
{
    struct site *s = *state;
    const char *argv[] = {"rm", "-rf", s->dir, NULL};
    pid_t pid;

    if (s->pid > 0) {
        (void)kill(s->pid, SIGKILL);
        (void)waitpid(s->pid, NULL, 0);
    }
    io_close(&s->log);
    if ((pid = fork()) == 0) {
        (void)execvp("rm", (char *const *)argv);
        _exit(127);
    }
    (void)waitpid(pid, NULL, 0);
    return 0;
}

static void start(struct site *s)
{
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        (void)execl(glarusd, "glarusd", "--config", s->file, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(close(ends[1]), 0);
    s->log = ends[0];
}

/* For the message: the end of the log, of which the lines that were read end with NUL. */
static const char *last_lines(struct site *s)
{
    size_t from = s->len > 900 ? s->len - 900 : 0;

    for (size_t i = from; i < s->len; i++)
        if (s->text[i] == '\0')
            s->text[i] = '\n';
    s->text[s->len < sizeof(s->text) ? s->len : sizeof(s->text) - 1] = '\0';
    return s->text + from;
}

/* The next line of the log that has this part; fails when it does not come soon. */
static char *line_with(struct site *s, const char *part)
{
    mono_ms until = clock_mono() + SOON;

    for (;;) {
        char *line = s->text + s->read, *end = memchr(line, '\n', s->len - s->read);
        struct pollfd p = {.fd = s->log, .events = POLLIN};
        ssize_t n;

        if (end != NULL) {
            *end = '\0';
            s->read = (size_t)(end + 1 - s->text);
            if (strstr(line, part) != NULL)
                return line;
            continue;
        }
        if (clock_mono() > until || s->len == sizeof(s->text))
            fail_msg("no \"%s\" in the log, which has %zu bytes and ends: %s", part, s->len,
                     last_lines(s));
        if (poll(&p, 1, 100) <= 0)
            continue;
        n = read(s->log, s->text + s->len, sizeof(s->text) - s->len);
        if (n <= 0)
            fail_msg("the log ended without \"%s\"", part);
        s->len += (size_t)n;
    }
}

/* The pid of a part, from /proc: the supervisor's child with that argument. */
static pid_t part_of(const struct site *s, const char *name)
{
    DIR *d = opendir("/proc");
    struct dirent *x;
    pid_t found = 0;

    assert_non_null(d);
    while ((x = readdir(d)) != NULL) {
        char path[300], line[512];
        size_t dir = strlen(s->file);
        ssize_t n;
        int fd;

        (void)snprintf(path, sizeof(path), "/proc/%s/cmdline", x->d_name);
        if (x->d_name[0] < '0' || x->d_name[0] > '9' || (fd = open(path, O_RDONLY)) < 0)
            continue;
        n = read(fd, line, sizeof(line) - 1);
        (void)close(fd);
        if (n > 0 && memmem(line, (size_t)n, s->file, dir) != NULL &&
            memmem(line, (size_t)n, name, strlen(name)) != NULL)
            found = (pid_t)strtol(x->d_name, NULL, 10);
    }
    (void)closedir(d);
    assert_true(found > 0);
    return found;
}

static void is_well(const char *ready)
{
    struct http_client *c = NULL;
    struct http_result a;
    char url[96];
    const char *at = strstr(ready, "127.0.0.1:");
    struct http_call call = {.method = HTTP_GET, .url = url, .total_ms = 5000};

    assert_non_null(at);
    (void)snprintf(url, sizeof(url), "http://%.*s/healthz", (int)strcspn(at, " \""), at);
    assert_int_equal(http_client_new(&c, NULL, NULL), 0);
    assert_int_equal(http_client_do(c, &call, &a, NULL), 0);
    assert_int_equal(a.status, 200);
    http_result_free(&a);
    http_client_free(c);
}

static int ended(struct site *s)
{
    int status = 0;

    assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
    s->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void a_site_begins_anew_when_a_part_dies_that_holds_something_and_ends_in_order(void **state)
{
    static const char *const parts[] = {"signer", "front", "keeper"};
    static const char *const holds_nothing[] = {"courier", "reader", "courier", "reader"};
    struct site *s = *state;
    pid_t keeper, front;
    char *ready;

    start(s);
    ready = line_with(s, "msg=\"READY\"");
    keeper = part_of(s, "keeper");
    front = part_of(s, "front");
    for (size_t i = 0; i < ARRAY_LEN(holds_nothing); i++) {
        pid_t old = part_of(s, holds_nothing[i]);

        assert_int_equal(kill(old, SIGKILL), 0);
        (void)line_with(s, "ended unexpectedly and is started anew");
        (void)line_with(s, "a part has come");
        is_well(ready);
        assert_true(part_of(s, holds_nothing[i]) != old);
        assert_int_equal(part_of(s, "keeper"), keeper);
        assert_int_equal(part_of(s, "front"), front);
    }
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        assert_int_equal(kill(part_of(s, parts[i]), SIGKILL), 0);
        (void)line_with(s, "ended unexpectedly");
        is_well(line_with(s, "msg=\"READY\""));
    }
    assert_int_equal(kill(s->pid, SIGTERM), 0);
    assert_int_equal(ended(s), 0);
}

static void a_changed_configuration_is_read_again_or_refused(void **state)
{
    struct site *s = *state;

    start(s);
    (void)line_with(s, "msg=\"READY\"");
    write_config(s, "submitters:\n  - {name: a, token_sha256: "
                    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad}\n");
    assert_int_equal(kill(s->pid, SIGHUP), 0);
    (void)line_with(s, "configuration taken over");
    write_config(s, "surprise: 1\n");
    assert_int_equal(kill(s->pid, SIGHUP), 0);
    assert_non_null(strstr(line_with(s, "stays as it was"), ":12:1: "));
    assert_int_equal(kill(s->pid, SIGINT), 0);
    assert_int_equal(ended(s), 0);
}

static void a_part_that_cannot_begin_ends_the_site(void **state)
{
    struct site *s = *state;
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/keys/ledger.pem", s->dir);
    assert_int_equal(unlink(path), 0);
    start(s);
    assert_int_equal(ended(s), 3);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

/* --- TLS's files --- */

static void put(const struct site *s, const char *name, const void *p, size_t n)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/keys/%s", s->dir, name);
    assert_int_equal(io_replace_file(AT_FDCWD, path, p, n, 0600), 0);
    if (geteuid() == 0)
        assert_int_equal(chown(path, 64003, 64003), 0);
}

/* Starts it, and fails unless it says that and ends with the code. */
static void refuses(struct site *s, int code, const char *sentence)
{
    start(s);
    assert_non_null(line_with(s, sentence));
    assert_int_equal(ended(s), code);
    io_close(&s->log);
    s->len = s->read = 0;
}

static void tls_files_that_do_not_fit_end_the_site_with_the_cure(void **state)
{
    static const char *const names[] = {"127.0.0.1"};
    struct site *s = *state;
    char key[TLS_KEY_PEM], other[TLS_KEY_PEM], path[128];
    struct buf crt, alien, ledger;

    buf_init(&crt, TLS_PEM_MAX);
    buf_init(&alien, TLS_PEM_MAX);
    buf_init(&ledger, 4096);
    assert_int_equal(tls_self_signed(names, 1, 2, key, &crt, NULL), 0);
    assert_int_equal(tls_self_signed(names, 1, 2, other, &alien, NULL), 0);
    write_config(s, "tls: {certificate: keys/a.crt, key: keys/a.key}\n");
    refuses(s, 3, "a.key"); /* there is none */
    put(s, "a.key", key, strlen(key));
    put(s, "a.crt", alien.data, alien.len);
    refuses(s, 2, "for another key");
    put(s, "a.crt", "no PEM", 6);
    refuses(s, 2, "certificates in PEM");
    put(s, "a.crt", crt.data, crt.len); /* or the front would end before the signer has looked */
    /* the ledger's key under another name */
    (void)snprintf(path, sizeof(path), "%s/keys/ledger.pem", s->dir);
    assert_int_equal(io_read_file(AT_FDCWD, path, &ledger), 0);
    put(s, "a.key", ledger.data, ledger.len);
    refuses(s, 2, "wants one of its own");
    buf_free(&crt);
    buf_free(&alien);
    buf_free(&ledger);
}

/* --- where user namespaces are forbidden --- */

/* unshare(2) answers EPERM from here on, in all that is started too. */
static int forbid_namespaces(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_unshare, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {ARRAY_LEN(code), code};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
               ? (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program)
               : -1;
}

static int give_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return lchown(path, PLAIN_UID, PLAIN_UID);
}

static void without_namespaces_a_users_site_ends_with_3_and_the_cure(void **state)
{
    struct site *s = *state;
    int ends[2], status;
    ssize_t n;

    if (geteuid() == 0)
        assert_int_equal(nftw(s->dir, give_one, 8, FTW_PHYS), 0);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid == 0) {
        if ((geteuid() == 0 && (setresgid(PLAIN_UID, PLAIN_UID, PLAIN_UID) != 0 ||
                                setresuid(PLAIN_UID, PLAIN_UID, PLAIN_UID) != 0)) ||
            forbid_namespaces() != 0)
            _exit(126);
        (void)dup2(ends[1], STDERR_FILENO);
        (void)execl(glarusd, "glarusd", "--config", s->file, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(close(ends[1]), 0);
    s->log = ends[0];
    while ((n = read(s->log, s->text + s->len, sizeof(s->text) - 1 - s->len)) > 0)
        s->len += (size_t)n;
    s->text[s->len] = '\0';
    assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
    s->pid = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 3)
        fail_msg("status %x:\n%.900s", status, s->text);
    assert_non_null(strstr(s->text, "user.max_user_namespaces"));
    assert_non_null(strstr(s->text, "or start as root"));
    /* and nobody was jailed in part, or served unjailed */
    assert_null(strstr(s->text, "READY"));
    assert_null(strstr(s->text, "profile="));
    assert_null(strstr(s->text, "front serves"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        T(a_site_begins_anew_when_a_part_dies_that_holds_something_and_ends_in_order),
        T(a_changed_configuration_is_read_again_or_refused),
        T(a_part_that_cannot_begin_ends_the_site),
        T(tls_files_that_do_not_fit_end_the_site_with_the_cure),
        T(without_namespaces_a_users_site_ends_with_3_and_the_cure),
    };

    if (argc != 2)
        return 2;
    glarusd = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "rig.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "crypto/secret.h"
#include "crypto/sha256.h"
#include "http/server.h"
#include "ledger/tlog_witness.h"
#include "rig_priv.h"
#include "site/init.h"

#define WITNESS_UID 64120

static const char *glarusd, *engine, *rules;
static bool all_tls;
static char walk[PATH_MAX], clamav[PATH_MAX]; /* beside the engine's folder */

static void beside(char out[PATH_MAX], const char *name)
{
    const char *slash = strrchr(engine, '/');
    int folder = (int)(slash - engine);

    (void)snprintf(out, PATH_MAX, "%.*s/../%s/glarus-engine-%s", folder, engine, name, name);
}

void rig_args(int argc, char **argv)
{
    all_tls = argc == 5 && strcmp(argv[4], "tls") == 0;
    if (argc != 4 && !all_tls) {
        (void)fprintf(stderr, "usage: %s GLARUSD ENGINE RULES [tls]\n", argv[0]);
        exit(2);
    }
    /* a configuration's paths are relative to its folder, ours to where we were started */
    glarusd = realpath(argv[1], NULL);
    engine = realpath(argv[2], NULL);
    rules = realpath(argv[3], NULL);
    if (glarusd == NULL || engine == NULL || rules == NULL) {
        (void)fprintf(stderr, "%s: no such program or folder\n", argv[0]);
        exit(2);
    }
    beside(walk, "walk");
    beside(clamav, "clamav");
}

unsigned rig_rounds(unsigned otherwise)
{
    const char *s = getenv("SOAK_ROUNDS");
    uint64_t n;

    return s != NULL && text_u64(span_str(s), 1000000, &n) == 0 ? (unsigned)n : otherwise;
}

/* --- children --- */

/* What a child does first: it ends with its parent. */
static void die_with_parent(pid_t parent)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
}

static void reap(pid_t *pid)
{
    if (*pid > 0) {
        (void)kill(*pid, SIGKILL);
        (void)waitpid(*pid, NULL, 0);
    }
    *pid = 0;
}

static void remove_tree(const char *dir)
{
    const char *argv[] = {"rm", "-rf", dir, NULL};
    pid_t pid = fork();

    if (pid == 0) {
        (void)execvp("rm", (char *const *)argv);
        _exit(127);
    }
    (void)waitpid(pid, NULL, 0);
}

/* --- the witness: an outsider with a process, a uid and a folder of its own --- */

static struct tlog_witness *witness;

static void add_checkpoint(struct http_req *req, void *arg)
{
    struct tlog_answer a;

    tlog_answer_init(&a);
    tlog_witness_add(witness, http_body(req), clock_now(), &a);
    http_answer(req, a.status, a.content_type, buf_span(&a.body));
    tlog_answer_free(&a);
}

static const struct http_route witness_routes[] = {{HTTP_POST, "/add-checkpoint", HTTP_BODY_WHOLE,
                                                    TLOG_WITNESS_BODY_MAX, add_checkpoint, NULL,
                                                    NULL, NULL, NULL, NULL}};

static int witness_serve(const struct rig *r, const struct note_signer *self, const char *dir,
                         int fd)
{
    struct http_server *server;
    struct err e = ERR_INIT;
    struct vkey log;

    if (tlog_witness_open(&witness, dir, self, &e) != 0)
        return 1;
    for (size_t i = 0; i < r->sites; i++)
        if (note_vkey_parse(&log, span_str(r->site[i].vkey), &e) != 0 ||
            tlog_witness_trust(witness, &log, &e) != 0)
            return 1;
    if (http_server_new(&server, witness_routes, ARRAY_LEN(witness_routes), NULL, NULL, &e) != 0 ||
        http_server_listen(server, fd, &e) != 0)
        return 1;
    for (;;) {
        struct pollfd p = {.fd = http_server_fd(server), .events = POLLIN};

        (void)poll(&p, 1, http_server_wait(server));
        if (http_server_run(server) != 0)
            return 1;
    }
}

/* Its key and address are needed before the sites are founded, its logs are known only after. */
static void witness_prepare(struct rig *r, struct note_signer *self, int *fd)
{
    struct err e = ERR_INIT;
    struct ed25519_key *key;
    char address[48];

    rig_ok(ed25519_generate(&key), &e); /* lives as long as the test */
    rig_ok(note_signer_init(self, "witness.example/w1", VKEY_COSIGNATURE, key, &e), &e);
    note_vkey_format(&self->key, r->witness_vkey);
    rig_ok(http_listen(fd, "127.0.0.1:0", &e), &e);
    rig_ok(http_listen_name(*fd, address, sizeof(address)), &e);
    (void)snprintf(r->witness_url, sizeof(r->witness_url), "http://%.39s", address);
}

static void witness_start(struct rig *r, const struct note_signer *self, int fd)
{
    char dir[96];
    pid_t parent = getpid();

    (void)snprintf(dir, sizeof(dir), "%s/witness", r->dir);
    if (mkdir(dir, 0700) != 0)
        assert_int_equal(errno, EEXIST); /* it was there before */
    if (geteuid() == 0)
        assert_int_equal(chown(dir, WITNESS_UID, WITNESS_UID), 0);
    r->witness = fork();
    assert_true(r->witness >= 0);
    if (r->witness == 0) {
        if (geteuid() == 0 && (setresgid(WITNESS_UID, WITNESS_UID, WITNESS_UID) != 0 ||
                               setresuid(WITNESS_UID, WITNESS_UID, WITNESS_UID) != 0))
            _exit(1);
        die_with_parent(parent);
        _exit(witness_serve(r, self, dir, fd));
    }
    io_close(&fd);
}

/* --- founding --- */

/* Not one of those the kernel gives to clients: a site must find it free again after a crash. */
static unsigned free_port(void)
{
    for (int tries = 0; tries < 1000; tries++) {
        unsigned port = 15000 + (unsigned)random_below(17000);
        struct sockaddr_in a = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;

        assert_true(fd >= 0);
        rc = bind(fd, (struct sockaddr *)&a, sizeof(a));
        io_close(&fd);
        if (rc == 0)
            return port;
    }
    fail_msg("no port is free");
    return 0;
}

static void put_token(struct buf *b, const char *name, const char *token, const char *more)
{
    struct digest d;
    char hex[65];

    sha256_of(token, strlen(token), &d);
    text_digest(hex, &d);
    assert_int_equal(
        buf_printf(b, "  - {name: %s, token_sha256: %s, in_flight: 256, per_day: 10000000%s}\n",
                   name, hex, more),
        0);
}

static void put_peer(const struct rig *r, const struct rig_site *p, struct buf *b)
{
    assert_int_equal(buf_printf(b,
                                "peers:\n  - site: %s\n    zone: %s\n    url: %s\n"
                                "    move_key: '%s'\n    policy: |\n      log %s\n"
                                "      witness w1 %s\n      quorum w1\n",
                                p->name, p->zone, p->url, p->move_key, p->vkey, r->witness_vkey),
                     0);
}

static void put_roots(const struct rig *r, struct buf *b)
{
    char a[TEXT_BASE64_LEN(32) + 1], c[TEXT_BASE64_LEN(32) + 1];
    struct ed25519_pub pub;

    ed25519_public(r->root[0], &pub);
    text_base64(a, pub.b, 32);
    ed25519_public(r->root[1], &pub);
    text_base64(c, pub.b, 32);
    assert_int_equal(buf_printf(b, "roots: {threshold: 2, keys: ['%s', '%s']}\n", a, c), 0);
}

static void put_tls(const struct rig *r, const struct rig_site *s, struct buf *b)
{
    if (r->plan.tls)
        assert_int_equal(
            buf_printf(b, "tls: {certificate: %s, key: %s, handshakes: %u}\nauthorities: %s\n",
                       s->certificate, s->tls_key, r->plan.handshakes ? r->plan.handshakes : 500,
                       r->authorities),
            0);
}

static void write_config(const struct rig *r, const struct rig_site *s, const struct rig_site *peer,
                         const char *more)
{
    struct buf b;
    struct err e = ERR_INIT;

    buf_init(&b, 32768);
    assert_int_equal(
        buf_printf(&b,
                   "format: site/v1\nsite: %s\nzone: %s\norigin: %s.example/ledger\nurl: %s\n"
                   "listen: %s\ndata: %s\nadmin: %s\n"
                   "keys: {ledger: %s/ledger.pem, epochs: %s/epochs, move: %s/move.key}\n"
                   "epoch: 1h\ninventory: 1h\n"
                   "limits: {object: %llu, segment: %llu, in_flight: %llu, checkpoint_ms: 200%s}\n",
                   s->name, s->zone, s->name, s->url, strstr(s->url, "://") + 3, s->data, s->admin,
                   s->keys, s->keys, s->keys,
                   (unsigned long long)(r->plan.object ? r->plan.object : RIG_OBJECT_MAX),
                   (unsigned long long)(r->plan.segment ? r->plan.segment : 4U << 20),
                   (unsigned long long)(r->plan.in_flight ? r->plan.in_flight : 64U << 20),
                   r->plan.limits == NULL ? "" : r->plan.limits),
        0);
    if (geteuid() == 0)
        assert_int_equal(buf_puts(&b, "run_as: {front: 64101, keeper: 64102, signer: 64103, "
                                      "courier: 64104, reader: 64105, engine: 64106}\n"),
                         0);
    assert_int_equal(buf_printf(&b, "quorum: |\n  witness w1 %s %s\n  quorum w1\n", r->witness_vkey,
                                r->witness_url),
                     0);
    put_roots(r, &b);
    put_tls(r, s, &b);
    if (r->plan.scanning)
        assert_int_equal(
            buf_printf(&b,
                       "engines:\n  - {name: yara, program: %s}\n  - {name: walk, program: %s}\n"
                       "  - {name: clamav, program: %s}\nscan: {rules: %s, seconds: 30s}\n",
                       engine, walk, clamav, r->plan.rules != NULL ? r->plan.rules : rules),
            0);
    if (peer != NULL)
        put_peer(r, peer, &b);
    assert_int_equal(buf_puts(&b, "submitters:\n"), 0);
    put_token(&b, "all", RIG_TOKEN, "");
    put_token(&b, "plain", RIG_TOKEN_PLAIN, "");
    put_token(&b, "swiss", RIG_TOKEN_CH, ", countries: ['CH']");
    assert_int_equal(buf_puts(&b, more), 0);
    rig_ok(io_replace_file(AT_FDCWD, s->file, b.data, b.len, 0644), &e);
    buf_free(&b);
}

static void found(struct rig *r, struct rig_site *s)
{
    uint8_t pub[32];
    struct err e = ERR_INIT;

    if (r->plan.prepare != NULL)
        r->plan.prepare(s);
    rig_ok(config_load(&s->config, s->file, &e), &e);
    rig_ok(site_init(s->config, &e), &e);
    rig_ok(site_init_vkey(s->config, s->vkey, &e), &e);
    rig_ok(site_init_move_key(s->config, pub, &e), &e);
    text_base64(s->move_key, pub, sizeof(pub));
}

static void name_site(struct rig *r, size_t i, const char *name, const char *zone)
{
    struct rig_site *s = &r->site[i];
    char dir[sizeof(r->dir)];

    memcpy(dir, r->dir, sizeof(dir));
    (void)snprintf(s->name, sizeof(s->name), "%s", name);
    (void)snprintf(s->zone, sizeof(s->zone), "%s", zone);
    (void)snprintf(s->data, sizeof(s->data), "%s/%s", dir, name);
    (void)snprintf(s->keys, sizeof(s->keys), "%s/%s.keys", dir, name);
    (void)snprintf(s->file, sizeof(s->file), "%s/%s.yaml", dir, name);
    (void)snprintf(s->log, sizeof(s->log), "%s/%s.log", dir, name);
    (void)snprintf(s->admin, sizeof(s->admin), "%s/%s.sock", dir, name);
    (void)snprintf(s->certificate, sizeof(s->certificate), "%s/%s.keys/tls.crt", dir, name);
    (void)snprintf(s->tls_key, sizeof(s->tls_key), "%s/%s.keys/tls.key", dir, name);
    (void)snprintf(s->url, sizeof(s->url), "http%s://127.0.0.1:%u", r->plan.tls ? "s" : "",
                   free_port());
}

/* Every site signs its own certificate: together they are whom everybody trusts. */
static void gather_authorities(struct rig *r)
{
    struct err e = ERR_INIT;
    struct buf b;

    if (!r->plan.tls)
        return;
    buf_init(&b, 65536);
    for (size_t i = 0; i < r->sites; i++)
        rig_ok(io_read_file(AT_FDCWD, r->site[i].certificate, &b), &e);
    rig_ok(io_replace_file(AT_FDCWD, r->authorities, b.data, b.len, 0644), &e);
    buf_free(&b);
}

void rig_witness_kill(struct rig *r)
{
    reap(&r->witness);
}

void rig_witness_again(struct rig *r)
{
    struct err e = ERR_INIT;
    int fd;

    rig_ok(http_listen(&fd, r->witness_url + strlen("http://"), &e), &e);
    witness_start(r, &r->witness_self, fd);
}

static void found_sites(struct rig *r)
{
    int fd;

    name_site(r, RIG_ZRH, "zrh1", "CH");
    name_site(r, RIG_MOW, "mow1", "RU");
    witness_prepare(r, &r->witness_self, &fd);
    for (size_t i = 0; i < r->sites; i++) {
        write_config(r, &r->site[i], NULL, "");
        found(r, &r->site[i]);
    }
    gather_authorities(r);
    for (size_t i = 0; i < r->sites && r->sites == 2; i++)
        write_config(r, &r->site[i], &r->site[1 - i], ""); /* now they know each other's keys */
    witness_start(r, &r->witness_self, fd);
}

void rig_configure(const struct rig *r, size_t site, const char *more)
{
    write_config(r, &r->site[site], r->sites == 2 ? &r->site[1 - site] : NULL, more);
}

static void write_trust(struct rig *r)
{
    struct err e = ERR_INIT;
    struct buf b;
    char path[96];

    buf_init(&b, 16384);
    assert_int_equal(buf_puts(&b, "format: trust/v1\nexpires: 2099-01-01T00:00Z\n"
                                  "tolerance: 120s\npolicy: |\n"),
                     0);
    for (size_t i = 0; i < r->sites; i++)
        assert_int_equal(buf_printf(&b, "  log %s\n", r->site[i].vkey), 0);
    assert_int_equal(buf_printf(&b, "  witness w1 %s\n  quorum w1\nsites:\n", r->witness_vkey), 0);
    for (size_t i = 0; i < r->sites; i++)
        assert_int_equal(buf_printf(&b, "  - {site: %s, zone: %s, origin: %s.example/ledger}\n",
                                    r->site[i].name, r->site[i].zone, r->site[i].name),
                         0);
    put_roots(r, &b);
    assert_int_equal(buf_puts(&b, "outsiders: [w1]\n"), 0);
    rig_ok(trust_parse(&r->trust, "trust.yaml", buf_span(&b), &e), &e);
    (void)snprintf(path, sizeof(path), "%s/trust.yaml", r->dir);
    assert_int_equal(io_replace_file(AT_FDCWD, path, b.data, b.len, 0644), 0);
    buf_free(&b);
}

/* --- starting and ending --- */

#define TOLD 6000     /* bytes of a log */
#define TOLD_ONCE 900 /* cmocka prints 1,024 at once */

void rig_tell_log(const struct rig_site *s)
{
    struct buf b;
    size_t from;

    buf_init(&b, 64 << 20);
    if (io_read_file(AT_FDCWD, s->log, &b) == 0) {
        from = b.len > TOLD ? b.len - TOLD : 0;
        print_message("\n");
        for (size_t n; from < b.len; from += n) {
            n = b.len - from < TOLD_ONCE ? b.len - from : TOLD_ONCE;
            print_message("%.*s", (int)n, (const char *)b.data + from);
        }
        print_message("\n");
    }
    buf_free(&b);
}

void rig_await_log(const struct rig *r, size_t site, const char *text, size_t *from)
{
    mono_ms until = clock_mono() + RIG_SOON;
    struct buf b;

    buf_init(&b, 64 << 20);
    for (;;) {
        const uint8_t *at;

        buf_reset(&b);
        rig_ok(io_read_file(AT_FDCWD, r->site[site].log, &b), NULL);
        at = b.len > *from ? memmem(b.data + *from, b.len - *from, text, strlen(text)) : NULL;
        if (at != NULL) {
            *from = (size_t)(at - b.data) + strlen(text);
            break;
        }
        if (clock_mono() > until) {
            rig_tell_log(&r->site[site]);
            fail_msg("%s never says \"%s\"", r->site[site].name, text);
        }
        rig_nap(20);
    }
    buf_free(&b);
}

int rig_answers(struct rig *r, size_t site)
{
    struct http_call call = {.method = HTTP_GET, .total_ms = 3000};
    struct err e = ERR_INIT;
    struct http_result a;
    char url[80];
    int status;

    (void)snprintf(url, sizeof(url), "%s/healthz", r->site[site].url);
    call.url = url;
    status = http_client_do(r->http, &call, &a, &e) == 0 ? a.status : 0;
    http_result_free(&a);
    return status;
}

void rig_wait_healthy(struct rig *r, size_t site)
{
    mono_ms until = clock_mono() + RIG_SOON;
    int status = 0;

    while (status != 200) {
        if (clock_mono() > until || waitpid(r->site[site].pid, NULL, WNOHANG) != 0) {
            rig_tell_log(&r->site[site]);
            fail_msg("%s does not become healthy (last answer: %d)", r->site[site].name, status);
        }
        status = rig_answers(r, site);
        if (status != 200)
            rig_nap(30);
    }
}

void rig_start(struct rig *r, size_t site)
{
    rig_spawn(r, site);
    rig_wait_healthy(r, site);
}

void rig_spawn(struct rig *r, size_t site)
{
    struct rig_site *s = &r->site[site];
    pid_t parent = getpid();

    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid == 0) {
        int log = open(s->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

        die_with_parent(parent);
        if (log < 0 || dup2(log, STDERR_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0)
            _exit(127);
        (void)execl(glarusd, "glarusd", "--config", s->file, (char *)NULL);
        _exit(127);
    }
}

void rig_stop(struct rig *r, size_t site)
{
    struct rig_site *s = &r->site[site];
    mono_ms until = clock_mono() + RIG_SOON;
    int status = 0;
    pid_t got;

    if (s->pid == 0)
        return;
    assert_int_equal(kill(s->pid, SIGTERM), 0);
    while ((got = waitpid(s->pid, &status, WNOHANG)) == 0) {
        if (clock_mono() > until)
            fail_msg("%s does not end", s->name);
        rig_nap(20);
    }
    s->pid = 0;
    assert_true(got > 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("%s did not end in order (%d)", s->name, status);
}

/* 0: it is gone, or a zombie: it holds nothing any more. */
static pid_t parent_of(pid_t pid)
{
    char path[32], text[512], *at, kind = 'Z';
    int fd, parent = 0;
    ssize_t n;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        return 0;
    n = read(fd, text, sizeof(text) - 1);
    io_close(&fd);
    text[n < 0 ? 0 : n] = '\0';
    if ((at = strrchr(text, ')')) == NULL || sscanf(at, ") %c %d", &kind, &parent) != 2)
        return 0;
    return kind == 'Z' || kind == 'X' ? 0 : parent;
}

/* Of the first n processes at out, which grows: all their children. */
static size_t add_children(pid_t *out, size_t n, size_t max)
{
    DIR *d = opendir("/proc");
    const struct dirent *f;
    size_t before = n;

    assert_non_null(d);
    while ((f = readdir(d)) != NULL) {
        pid_t pid = (pid_t)strtol(f->d_name, NULL, 10), parent = pid > 0 ? parent_of(pid) : 0;
        bool mine = false;

        for (size_t i = 0; i < before; i++) {
            mine = mine || (parent > 0 && parent == out[i]);
            parent = pid == out[i] ? 0 : parent;
        }
        for (size_t i = 0; i < n; i++)
            mine = mine && pid != out[i];
        if (mine && n < max)
            out[n++] = pid;
    }
    (void)closedir(d);
    return n;
}

size_t rig_processes(const struct rig *r, size_t site, pid_t *out, size_t max)
{
    size_t n = 1, before = 0;

    out[0] = r->site[site].pid;
    while (n > before) {
        before = n;
        n = add_children(out, n, max);
    }
    return n;
}

void rig_process_name(pid_t pid, char out[32])
{
    static const char *const names[] = {"front", "keeper", "signer", "courier", "reader"};
    char path[32], text[1024];
    ssize_t n = 0;
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
    if ((fd = open(path, O_RDONLY | O_CLOEXEC)) >= 0)
        n = read(fd, text, sizeof(text));
    io_close(&fd);
    (void)snprintf(out, 32, "engine");
    if (n > 7 && memmem(text, (size_t)n, "glarusd", 7) != NULL)
        (void)snprintf(out, 32, "supervisor");
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (n > 0 && memmem(text, (size_t)n, names[i], strlen(names[i]) + 1) != NULL &&
            memmem(text, (size_t)n, "--part", 6) != NULL)
            (void)snprintf(out, 32, "%s", names[i]);
}

void rig_kill_all(struct rig *r, size_t site)
{
    pid_t all[64];
    size_t n = r->site[site].pid == 0 ? 0 : rig_processes(r, site, all, ARRAY_LEN(all));

    if (n > 0)
        (void)kill(all[0], SIGSTOP); /* so that it starts nobody meanwhile */
    for (size_t i = n; i-- > 0;)
        (void)kill(all[i], SIGKILL);
    if (n > 0)
        (void)waitpid(all[0], NULL, 0);
    /* their new parent is init; the address is free when the last of them is dead */
    for (size_t i = 1; i < n; i++)
        for (int tries = 0; tries < 2500 && parent_of(all[i]) > 0; tries++)
            rig_nap(2);
    r->site[site].pid = 0;
}

void rig_kill_supervisor(struct rig *r, size_t site)
{
    pid_t all[64];
    size_t n = rig_processes(r, site, all, ARRAY_LEN(all));

    (void)kill(all[0], SIGKILL);
    (void)waitpid(all[0], NULL, 0);
    for (size_t i = 1; i < n; i++) {
        int tries = 0;

        while (parent_of(all[i]) > 0 && tries++ < 2500)
            rig_nap(2);
        if (parent_of(all[i]) > 0)
            fail_msg("%s: a part outlives its supervisor", r->site[site].name);
    }
    r->site[site].pid = 0;
}

struct rig *rig_open(const struct rig_plan *plan)
{
    struct http_client_limits limits = {0};
    struct rig *r = calloc(1, sizeof(*r));
    struct err e = ERR_INIT;

    assert_non_null(r);
    r->plan = *plan;
    r->plan.tls |= all_tls;
    r->sites = plan->sites;
    (void)snprintf(r->dir, sizeof(r->dir), "/tmp/e2e-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    assert_int_equal(chmod(r->dir, 0755), 0);
    random_bytes(r->secret, sizeof(r->secret));
    for (size_t i = 0; i < RIG_PERSONS; i++) {
        rig_ok(ed25519_generate(&r->person[i]), &e);
        r->person_id[i] = random_id();
    }
    rig_ok(ed25519_generate(&r->root[0]), &e);
    rig_ok(ed25519_generate(&r->root[1]), &e);
    (void)snprintf(r->authorities, sizeof(r->authorities), "%s/authorities.pem", r->dir);
    if (r->plan.tls)
        limits.authorities = r->authorities;
    rig_ok(http_client_new(&r->http, &limits, &e), &e);
    found_sites(r);
    write_trust(r);
    for (size_t i = 0; i < r->sites; i++)
        rig_start(r, i);
    rig_publish_documents(r);
    return r;
}

void rig_close(struct rig *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->sites; i++) {
        rig_kill_all(r, i);
        config_free(r->site[i].config);
    }
    reap(&r->witness);
    for (size_t i = 0; i < RIG_PERSONS; i++)
        ed25519_free(r->person[i]);
    ed25519_free(r->root[0]);
    ed25519_free(r->root[1]);
    http_client_free(r->http);
    trust_free(r->trust);
    if (getenv("E2E_KEEP") == NULL)
        remove_tree(r->dir);
    free(r);
}

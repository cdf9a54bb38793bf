/* An update of rules under faults: each call on the file system fails or kills, each answer of the
 * repository is cut, stretched, changed, withheld; what is in use is the release before, whole, or
 * the new one, whole, and the next update succeeds.  The same for the repository's writer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "calls.h"
#include "base/text.h"
#include "claims/trust.h"
#include "crypto/ed25519.h"
#include "crypto/sha256.h"
#include "detect/release.h"
#include "ledger_of.h"
#include "updates/install.h"
#include "updates/published.h"
#include "updates/repository.h"

static char top[64];
static struct trust *trust;
static struct digest tree[3];
static struct signkey *online;

/* --- calls that fail, or kill --- */

WRAP(ENOSPC, int, fsync, (int fd), (fd))
WRAP(ENOSPC, int, syncfs, (int fd), (fd))
WRAP(ENOSPC, ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n))
WRAP(ENOSPC, int, mkdirat, (int a, const char *b, mode_t m), (a, b, m))
WRAP(ENOSPC, int, symlinkat, (const char *a, int b, const char *c), (a, b, c))
WRAP(ENOSPC, int, renameat, (int a, const char *b, int c, const char *d), (a, b, c, d))
WRAP(ENOSPC, int, renameat2, (int a, const char *b, int c, const char *d, unsigned f),
     (a, b, c, d, f))
WRAP(ENOSPC, int, unlinkat, (int fd, const char *p, int f), (fd, p, f))

/* --- a repository with two releases, of which the client has one --- */

static char *at(const char *name)
{
    static char path[8][256];
    static unsigned turn;
    char *p = path[turn++ % 8];

    (void)snprintf(p, sizeof(path[0]), "%s/%s", top, name);
    return p;
}

static void sh(const char *command)
{
    pid_t pid = fork();
    int status = -1;

    if (pid == 0) {
        if (chdir(top) == 0)
            (void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    if (status != 0)
        fail_msg("%s", command);
}

static struct digest tree_of(const char *folder)
{
    struct release *r = NULL;
    struct digest d = {{0}};

    if (release_load(&r, at(folder), NULL) == 0)
        d = release_digest(r);
    release_free(r);
    return d;
}

static void must(int rc, const struct err *e)
{
    if (rc != 0)
        fail_msg("%s", err_text(e));
}

static int publish(const char *dir, struct err *e)
{
    struct repository *r = NULL;
    struct repository_published p;
    int rc = repository_open(&r, at(dir), e);

    if (rc == 0)
        rc = repository_publish(r, online, online, &p, e);
    repository_close(r);
    return rc;
}

static void sign(const char *file)
{
    struct err e = ERR_INIT;
    struct buf said;

    buf_init(&said, 1 << 16);
    must(repository_sign(at(file), online, &said, &e), &e);
    buf_free(&said);
}

static void add(const char *rules, const char *ledger)
{
    const struct repository_add a = {.rules = at(rules),
                                     .ledger = at(ledger),
                                     .policy = trust->policy,
                                     .history = 5,
                                     .deltas = 5};
    struct repository_added got;
    struct repository *r = NULL;
    struct err e = ERR_INIT;

    must(repository_open(&r, at("repo"), &e), &e);
    must(repository_add(r, &a, &got, &e), &e);
    repository_close(r);
    sign("repo/pending/rules.json");
}

static void write_keys(void)
{
    static const char *const roles[] = {"root", "targets", "rules", "snapshot", "timestamp"};
    struct ed25519_pub pub;
    char key[64];
    FILE *f = fopen(at("repo/keys.yaml"), "w");

    assert_non_null(f);
    signkey_public(online, &pub);
    text_base64(key, pub.b, 32);
    (void)fprintf(f, "format: update-keys/v1\n");
    for (size_t i = 0; i < ARRAY_LEN(roles); i++)
        (void)fprintf(f, "%s: {threshold: 1, expires: 365d, keys: [\"%s\"]}\n", roles[i], key);
    assert_int_equal(fclose(f), 0);
}

static int update(const char *dir, const struct tuf_fetch *fetch, struct install_done *out,
                  struct err *e)
{
    struct install in = {
        .fetch = fetch, .url = at("repo"), .dir = at(dir), .policy = trust->policy};
    struct tuf_fetch folder;
    struct buf root;
    int rc;

    buf_init(&root, 1 << 20);
    if ((rc = io_read_file(AT_FDCWD, at("root.json"), &root)) != 0)
        return err_sys(e, rc, "root.json");
    tuf_fetch_dir(&folder);
    if (fetch == NULL)
        in.fetch = &folder;
    in.root = buf_span(&root);
    rc = install_update(&in, out, e);
    buf_free(&root);
    return rc;
}

/* old: a client with release 1; repo: release 2 is published; waiting: a repository with release 2
 * added, signed and not yet published. */
static int setup(void **state)
{
    struct repository_plan plan;
    struct repository *r = NULL;
    struct ed25519_key *k;
    struct install_done d;
    struct err e = ERR_INIT;

    (void)state;
    (void)snprintf(top, sizeof(top), "/tmp/install-XXXXXX");
    assert_non_null(mkdtemp(top));
    sh("mkdir repo r1 r1/sub && echo 'rule a { condition: false }' > r1/a.yar && "
       "seq 1 3000 | sed 's/^/0123456789abcdef0123456789abcdef:/; s/$/:M/' > r1/sub/b.hdb && "
       "cp -r r1 r2 && echo 'rule c { condition: false }' > r2/c.yar");
    tree[1] = tree_of("r1");
    tree[2] = tree_of("r2");
    must(ledger_of(at("l1"), (const char *const[]){at("r1")}, 1, false, &e), &e);
    must(ledger_of(at("l2"), (const char *const[]){at("r1"), at("r2")}, 2, false, &e), &e);
    must(trust_load(&trust, at("l1/trust.yaml"), &e), &e);
    assert_int_equal(ed25519_generate(&k), 0);
    must(ed25519_store(k, at("key.pem"), &e), &e);
    ed25519_free(k);
    must(signkey_open(&online, at("key.pem"), &e), &e);
    write_keys();
    must(repository_open(&r, at("repo"), &e), &e);
    must(repository_plan(r, false, &plan, &e), &e);
    repository_close(r);
    sign("repo/pending/root.json");
    sign("repo/pending/targets.json");
    must(publish("repo", &e), &e);
    sh("cp repo/metadata/1.root.json root.json");
    add("r1", "l1/ledger");
    must(publish("repo", &e), &e);
    must(update("old", NULL, &d, &e), &e);
    add("r2", "l2/ledger");
    sh("cp -r repo waiting");
    must(publish("repo", &e), &e);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    signkey_close(online);
    trust_free(trust);
    return io_remove_tree(top);
}

/* 1 or 2: the release in use, whose files are all there; 0: anything else. */
static int in_use(const char *dir)
{
    char name[256];
    struct digest d;

    (void)snprintf(name, sizeof(name), "%s/current", dir);
    d = tree_of(name);
    return digest_eq(&d, &tree[1]) ? 1 : digest_eq(&d, &tree[2]) ? 2 : 0;
}

static void must_succeed_now(const char *dir)
{
    struct install_done d;
    struct err e = ERR_INIT;

    must(update(dir, NULL, &d, &e), &e);
    assert_int_equal(d.release.serial, 2);
    assert_int_equal(in_use(dir), 2);
}

static void an_update_takes_the_difference(void **state)
{
    struct install_done d;
    struct err e = ERR_INIT;

    (void)state;
    sh("rm -rf c && cp -r old c");
    must(update("c", NULL, &d, &e), &e);
    assert_int_equal(d.way, INSTALL_DELTA);
    assert_true(d.installed && d.before == 1 && d.fetched < 500 && d.size > 100000);
    assert_int_equal(in_use("c"), 2);
}

static void a_call_that_fails_leaves_old_or_new(void **state)
{
    int k, failed = 0;

    (void)state;
    dies = false;
    for (k = 0; k < 1000; k++) {
        struct install_done d;
        int rc;

        sh("rm -rf c && cp -r old c");
        calls_left = k;
        rc = update("c", NULL, &d, NULL);
        if (calls_left >= 0) {
            calls_left = -1;
            assert_int_equal(rc, 0);
            break;
        }
        failed += rc != 0;
        assert_int_equal(in_use("c"), rc == 0 ? 2 : in_use("c") == 2 ? 2 : 1);
        must_succeed_now("c");
    }
    assert_true(k > 30 && k < 1000 && failed > 20);
}

static void die_at(int k, bool after)
{
    struct install_done d;

    calls_left = k;
    dies = true;
    dies_after = after;
    _exit(update("c", NULL, &d, NULL) == 0 ? 0 : 1);
}

static void a_kill_at_any_call_leaves_old_or_new(void **state)
{
    int k, old = 0, new = 0;

    (void)state;
    for (k = 0; k < 2000; k++) {
        int status = -1;
        pid_t pid;

        sh("rm -rf c && cp -r old c");
        if ((pid = fork()) == 0)
            die_at(k / 2, k % 2 == 1);
        assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
        if (WIFEXITED(status)) {
            assert_int_equal(WEXITSTATUS(status), 0);
            break;
        }
        assert_int_not_equal(in_use("c"), 0);
        *(in_use("c") == 1 ? &old : &new) += 1;
        must_succeed_now("c");
    }
    assert_true(k > 60 && k < 2000 && old > 50 && new > 2);
}

/* --- answers --- */

enum twist { CUT, STRETCH, CHANGE, EMPTY, MISSING, BROKEN, TWISTS };
static struct {
    struct tuf_fetch folder;
    enum twist twist;
    int left; /* answers until the one that is twisted */
    bool done;
} net;

struct collected {
    struct buf b;
};

static int collect(const void *p, size_t n, void *arg)
{
    return buf_put(&((struct collected *)arg)->b, p, n);
}

static int give(const struct buf *b, uint64_t max, int (*sink)(const void *p, size_t n, void *arg),
                void *arg)
{
    size_t n = net.twist == CUT ? b->len / 2 : net.twist == EMPTY ? 0 : b->len;
    int rc = n > max ? -E2BIG : sink(b->data, n, arg);

    if (net.twist != STRETCH)
        return rc;
    for (uint64_t given = n; rc == 0; given += b->len) /* without an end */
        rc = given + b->len > max ? -E2BIG : sink(b->data, b->len, arg);
    return rc;
}

static int twisted(void *ctx, const char *url, uint64_t max,
                   int (*sink)(const void *p, size_t n, void *arg), void *arg, struct err *e)
{
    struct collected all;
    int rc;

    (void)ctx;
    if (net.left-- != 0)
        return net.folder.get(NULL, url, max, sink, arg, e);
    net.done = true;
    if (net.twist == MISSING || net.twist == BROKEN)
        return err_set(e, net.twist == MISSING ? -ENOENT : -EPROTO, "no");
    buf_init(&all.b, 1 << 24);
    if ((rc = net.folder.get(NULL, url, max, collect, &all, e)) == 0) {
        if (net.twist == CHANGE && all.b.len > 0)
            all.b.data[all.b.len / 2] ^= 1;
        rc = give(&all.b, max, sink, arg);
    }
    buf_free(&all.b);
    return rc;
}

static void a_bad_answer_leaves_old_or_new(void **state)
{
    const struct tuf_fetch fetch = {twisted, NULL};
    int refused = 0, passed = 0;

    (void)state;
    tuf_fetch_dir(&net.folder);
    for (net.twist = 0; net.twist < TWISTS; net.twist++) {
        int k;

        for (k = 0; k < 100; k++) {
            struct install_done d;
            struct err e = ERR_INIT;
            int rc;

            sh("rm -rf c && cp -r old c");
            net.left = k;
            net.done = false;
            rc = update("c", &fetch, &d, &e);
            if (!net.done)
                break;
            assert_int_equal(in_use("c"), rc == 0 ? (int)d.release.serial : 1);
            *(rc == 0 ? &passed : &refused) += 1;
            must_succeed_now("c");
        }
        assert_true(k >= 7 && k < 100);
    }
    /* a root that is not there is the end of the chain; a difference that is of no use is not
     * needed; all else is refused */
    assert_true(passed >= 2 && passed <= 2 * TWISTS + 2 && refused >= 4 * TWISTS);
}

/* --- the writer --- */

static void a_folder_is_read_by_plain_names(void **state)
{
    static const char *const good[] = {"a%20b", "%61%20b", "sub%2Fc"}, *const bad[] = {"sub%2fd",
                                                                                       "%00"};
    struct tuf_fetch f;
    struct collected c;
    char url[300];

    (void)state;
    tuf_fetch_dir(&f);
    buf_init(&c.b, 100);
    sh("mkdir -p plain/sub && echo 1 > 'plain/a b' && echo 2 > plain/sub%2Fc && echo 3 > "
       "plain/sub/d");
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        (void)snprintf(url, sizeof(url), "%s/plain/%s", top, good[i]);
        assert_int_equal(f.get(NULL, url, 100, collect, &c, NULL), 0);
    }
    assert_memory_equal(c.b.data, "1\n1\n2\n", 6);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        (void)snprintf(url, sizeof(url), "%s/plain/%s", top, bad[i]);
        assert_int_equal(f.get(NULL, url, 100, collect, &c, NULL), -ENOENT);
    }
    (void)snprintf(url, sizeof(url), "%s/plain/sub", top);
    assert_int_equal(f.get(NULL, url, 100, collect, &c, NULL), -EINVAL);
    (void)snprintf(url, sizeof(url), "%s/plain/a b", top);
    assert_int_equal(f.get(NULL, url, 1, collect, &c, NULL), -E2BIG);
    buf_free(&c.b);
}

static void the_ledger_gets_what_clients_get(void **state)
{
    const struct published_release *list;
    struct published *p[2];
    struct err e = ERR_INIT;
    size_t n;

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct buf b;

        buf_init(&b, PUBLISHED_MAX_BYTES);
        assert_int_equal(
            io_read_file(AT_FDCWD, at(i == 0 ? "repo/log/2.repository" : "repo/log/3.repository"),
                         &b),
            0);
        must(published_read(&p[i], buf_span(&b), &e), &e);
        buf_free(&b);
        assert_int_equal(published_serial(p[i]), i + 1);
        list = published_releases(p[i], &n);
        assert_int_equal(n, i + 1);
        for (size_t k = 0; k < n; k++) {
            assert_int_equal(list[k].serial, k + 1);
            assert_memory_equal(list[k].tree.b, tree[k + 1].b, 32);
        }
    }
    must(published_follows(p[0], p[1], &e), &e);
    assert_int_equal(published_follows(p[1], p[0], NULL), -EBADMSG);
    published_free(p[0]);
    published_free(p[1]);
}

static void publish_and_die(int k, bool after)
{
    calls_left = k;
    dies = true;
    dies_after = after;
    _exit(publish("w", NULL) == 0 ? 0 : 1);
}

static void a_publication_that_is_killed_is_seen_whole_or_not_at_all(void **state)
{
    struct install in = {.policy = trust->policy};
    int k, old = 0, new = 0;

    (void)state;
    for (k = 0; k < 2000; k++) {
        struct tuf_fetch folder;
        struct install_done d;
        struct err e = ERR_INIT;
        int status = -1;
        pid_t pid;

        sh("rm -rf c w && cp -r waiting w && cp -r old c");
        if ((pid = fork()) == 0)
            publish_and_die(k / 2, k % 2 == 1);
        assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
        if (WIFEXITED(status)) {
            assert_int_equal(WEXITSTATUS(status), 0);
            break;
        }
        tuf_fetch_dir(&folder);
        in.fetch = &folder;
        in.url = at("w");
        in.dir = at("c");
        must(install_update(&in, &d, &e), &e);
        *(d.release.serial == 1 ? &old : &new) += 1;
        assert_int_equal(in_use("c"), (int)d.release.serial);
        must(publish("w", &e), &e); /* it is gone on with */
        assert_int_equal(access(at("w/log/3.repository"), F_OK), 0);
        in.dir = at("c");
        in.url = at("w");
        must(install_update(&in, &d, &e), &e);
        assert_int_equal(d.release.serial, 2);
    }
    assert_true(k > 20 && k < 2000 && old > 10 && new > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_update_takes_the_difference),
        cmocka_unit_test(a_call_that_fails_leaves_old_or_new),
        cmocka_unit_test(a_kill_at_any_call_leaves_old_or_new),
        cmocka_unit_test(a_bad_answer_leaves_old_or_new),
        cmocka_unit_test(a_folder_is_read_by_plain_names),
        cmocka_unit_test(the_ledger_gets_what_clients_get),
        cmocka_unit_test(a_publication_that_is_killed_is_seen_whole_or_not_at_all),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}

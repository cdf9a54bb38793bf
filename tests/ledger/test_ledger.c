#include "util.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/io.h"
#include "ledger/ledger.h"

/* Every call that touches the disk is counted; the one numbered fail_at fails, or kills us. */
static int calls, fail_at, fail_errno;
static bool fail_kills, no_sync = true;

static bool fails_now(void)
{
    if (fail_at == 0 || ++calls != fail_at)
        return false;
    if (fail_kills)
        (void)raise(SIGKILL);
    errno = fail_errno;
    return true;
}

ssize_t __real_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n)
{
    if (fails_now()) {
        (void)!__real_write(fd, p, n / 2); /* as a full disk does */
        return -1;
    }
    return __real_write(fd, p, n);
}

ssize_t __real_pwrite64(int fd, const void *p, size_t n, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *p, size_t n, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *p, size_t n, off_t at)
{
    if (fails_now()) {
        (void)!__real_pwrite64(fd, p, n / 2, at);
        return -1;
    }
    return __real_pwrite64(fd, p, n, at);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    return fails_now() ? -1 : no_sync ? 0 : __real_fsync(fd);
}

int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
    return fails_now() ? -1 : no_sync ? 0 : __real_fsync(fd);
}

int __wrap_syncfs(int fd);
int __wrap_syncfs(int fd)
{
    return fails_now() ? -1 : no_sync ? 0 : __real_fsync(fd);
}

int __real_renameat(int a, const char *from, int b, const char *to);
int __wrap_renameat(int a, const char *from, int b, const char *to);
int __wrap_renameat(int a, const char *from, int b, const char *to)
{
    return fails_now() ? -1 : __real_renameat(a, from, b, to);
}

static struct ed25519_key *key;
static struct note_signer log_signer;

static int keys_up(void **state)
{
    (void)state;
    key = util_key(1);
    log_signer = util_signer(key, "log.example/l", VKEY_ED25519);
    return 0;
}

static int keys_down(void **state)
{
    (void)state;
    ed25519_free(key);
    return 0;
}

static int setup(void **state)
{
    fail_at = calls = 0;
    no_sync = true;
    *state = util_dir();
    return 0;
}

static int teardown(void **state)
{
    util_rm(*state);
    return 0;
}

static int append_to(struct ledger *l, uint64_t size)
{
    int rc = 0;

    while (rc == 0 && ledger_size(l) < size) {
        char text[32];
        struct span s = util_leaf(ledger_size(l), text);

        rc = ledger_append(l, &s, 1, NULL);
    }
    return rc;
}

static int publish(struct ledger *l, uint64_t size)
{
    struct digest root;
    struct buf note;
    int rc;

    buf_init(&note, 4096);
    util_mth(0, size, &root);
    assert_int_equal(note_checkpoint_make(&note, size, &root, &log_signer, NULL), 0);
    rc = ledger_publish(l, buf_span(&note), NULL);
    buf_free(&note);
    return rc;
}

/* The folder at `size`: root from hash tiles and from leaves is that of the definition. */
static void check_folder(const char *dir, uint64_t size)
{
    struct tlog_walk w = {.with_tiles = true};
    struct core_range at = {0};
    struct digest want, got;
    struct tlog_tiles *t;
    struct err e = ERR_INIT;

    util_mth(0, size, &want);
    assert_int_equal(tlog_tiles_open(&t, dir, size, &e), 0);
    if (tlog_tiles_root(t, size, &got, &e) != 0 || tlog_tiles_walk(t, &at, size, &w, &e) != 0)
        fail_msg("size %llu: %s", (unsigned long long)size, err_text(&e));
    assert_memory_equal(got.b, want.b, 32);
    core_range_root(&note_crypto, &at, &got);
    assert_memory_equal(got.b, want.b, 32);
    tlog_tiles_close(t);
}

static void check_newest(const char *dir)
{
    struct core_checkpoint c;
    struct buf b;

    buf_init(&b, CORE_NOTE_MAX);
    assert_int_equal(tlog_tiles_newest(dir, &b, NULL), 0);
    assert_int_equal(note_checkpoint_open(&c, NULL, buf_span(&b), &log_signer.key, NULL), 0);
    check_folder(dir, c.size);
    buf_free(&b);
}

static void every_size_to_1025_can_be_flushed_and_read(void **state)
{
    const char *dir = *state;
    struct ledger *l;
    struct digest root, want;

    assert_int_equal(ledger_open(&l, dir, NULL), 0);
    for (uint64_t size = 0; size <= 1025; size++) {
        assert_int_equal(append_to(l, size), 0);
        assert_int_equal(ledger_flush(l, NULL), 0);
        assert_true(ledger_flushed(l) == size);
        ledger_root(l, &root);
        util_mth(0, size, &want);
        assert_memory_equal(root.b, want.b, 32);
        if (size % 8 == 1 || size % 256 == 0)
            check_folder(dir, size);
    }
    ledger_close(l);
}

static void a_reopened_ledger_continues_the_same_tree(void **state)
{
    static const uint64_t stops[] = {0, 1, 2, 255, 256, 257, 300, 511, 512, 700, 1023, 1024};
    const char *dir = *state;
    struct ledger *l;

    for (size_t i = 0; i < ARRAY_LEN(stops); i++) {
        assert_int_equal(ledger_open(&l, dir, NULL), 0);
        assert_true(ledger_size(l) == (i == 0 ? 0 : stops[i - 1]));
        assert_int_equal(append_to(l, stops[i]), 0);
        assert_int_equal(ledger_flush(l, NULL), 0);
        assert_int_equal(publish(l, stops[i]), 0);
        assert_true(ledger_published(l) == stops[i]);
        assert_int_equal(append_to(l, stops[i] + 7), 0); /* forgotten */
        ledger_close(l);
        check_newest(dir);
    }
}

static void proofs_between_flushed_sizes_verify(void **state)
{
    const char *dir = *state;
    struct digest path[CORE_PROOF_MAX], a, b, leaf;
    struct ledger *l;
    size_t n;

    assert_int_equal(ledger_open(&l, dir, NULL), 0);
    assert_int_equal(append_to(l, 300), 0);
    assert_int_equal(ledger_flush(l, NULL), 0);
    assert_int_equal(append_to(l, 777), 0);
    assert_int_equal(ledger_flush(l, NULL), 0);
    util_mth(0, 777, &b);
    for (uint64_t old = 1; old < 777; old += 13) {
        util_mth(0, old, &a);
        assert_int_equal(ledger_consistency(l, old, 777, path, &n, NULL), 0);
        assert_int_equal(core_consistency(&note_crypto, old, 777, &a, &b, path, n), 0);
        util_leaf_hash(old, &leaf);
        assert_int_equal(ledger_inclusion(l, old, 777, path, &n, NULL), 0);
        assert_int_equal(core_inclusion(&note_crypto, old, 777, &leaf, path, n, &b), 0);
    }
    assert_int_equal(ledger_inclusion(l, 777, 777, path, &n, NULL), -EINVAL);
    assert_int_equal(ledger_consistency(l, 1, 778, path, &n, NULL), -EINVAL);
    ledger_close(l);
}

/* Nothing is flushed: the proofs come from memory and from full tiles that no sync has seen. */
static void proofs_and_leaves_need_no_flush(void **state)
{
    const char *dir = *state;
    struct digest path[CORE_PROOF_MAX], old_root, root, leaf, got;
    struct ledger *l;
    struct buf bytes;
    size_t n;

    buf_init(&bytes, 65535);
    assert_int_equal(ledger_open(&l, dir, NULL), 0);
    for (uint64_t size = 1; size <= 1025; size += size < 250 ? 83 : 17) {
        assert_int_equal(append_to(l, size), 0);
        util_mth(0, size, &root);
        for (uint64_t i = 0; i < size; i += i + 20 < size ? size / 3 + 1 : 1) {
            util_leaf_hash(i, &leaf);
            assert_int_equal(ledger_inclusion(l, i, size, path, &n, NULL), 0);
            assert_int_equal(core_inclusion(&note_crypto, i, size, &leaf, path, n, &root), 0);
            buf_reset(&bytes);
            assert_int_equal(ledger_leaf(l, i, &bytes, NULL), 0);
            sha256_leaf(bytes.data, bytes.len, &got);
            assert_memory_equal(&got, &leaf, sizeof(got));
        }
        for (uint64_t old = 1; old < size; old += 1 + size / 9) {
            util_mth(0, old, &old_root);
            assert_int_equal(ledger_consistency(l, old, size, path, &n, NULL), 0);
            assert_int_equal(core_consistency(&note_crypto, old, size, &old_root, &root, path, n),
                             0);
        }
    }
    assert_true(ledger_flushed(l) == 0);
    assert_int_equal(ledger_leaf(l, ledger_size(l), &bytes, NULL), -EINVAL);
    buf_free(&bytes);
    ledger_close(l);
}

/* Leaves go on coming between a flush and the witnesses' answers to its checkpoint. */
static void a_flushed_size_is_published_after_proofs_of_a_larger_one(void **state)
{
    static const uint64_t step[] = {24, 40, 255, 257, 300, 511, 513, 900};
    const char *dir = *state;
    struct digest path[CORE_PROOF_MAX];
    struct ledger *l;
    size_t n;

    assert_int_equal(ledger_open(&l, dir, NULL), 0);
    for (size_t i = 0; i + 1 < ARRAY_LEN(step); i++) {
        assert_int_equal(append_to(l, step[i]), 0);
        assert_int_equal(ledger_flush(l, NULL), 0);
        assert_int_equal(append_to(l, step[i + 1]), 0);
        assert_int_equal(ledger_inclusion(l, step[i], step[i + 1], path, &n, NULL), 0);
        assert_int_equal(publish(l, step[i]), 0);
        check_folder(dir, step[i]);
    }
    ledger_close(l);
}

static bool exists(const char *dir, const char *name)
{
    char path[300];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

static void partial_tiles_stay_until_the_full_one_is_durable(void **state)
{
    const char *dir = *state;
    struct ledger *l;

    assert_int_equal(ledger_open(&l, dir, NULL), 0);
    assert_int_equal(append_to(l, 44), 0);
    assert_int_equal(ledger_flush(l, NULL), 0);
    assert_int_equal(publish(l, 44), 0);
    assert_int_equal(append_to(l, 600), 0);
    assert_true(exists(dir, "tile/0/000") && exists(dir, "tile/0/000.p/44"));
    assert_true(exists(dir, "tile/entries/000.p/44"));
    check_folder(dir, 44);
    assert_int_equal(ledger_flush(l, NULL), 0);
    assert_false(exists(dir, "tile/0/000.p"));
    assert_false(exists(dir, "tile/entries/000.p"));
    assert_true(exists(dir, "tile/0/002.p/88") && exists(dir, "tile/1/000.p/2"));
    check_folder(dir, 44); /* now out of the full tile */
    check_folder(dir, 600);
    ledger_close(l);
}

static void only_flushed_growing_true_checkpoints_are_published(void **state)
{
    const char *dir = *state;
    struct ledger *l;
    struct digest wrong = {{1}};
    struct buf note;
    uint64_t *sizes;
    size_t n;

    assert_int_equal(ledger_open(&l, dir, NULL), 0);
    assert_int_equal(append_to(l, 10), 0);
    assert_int_equal(publish(l, 10), -EINVAL);
    assert_int_equal(ledger_flush(l, NULL), 0);
    assert_int_equal(publish(l, 9), -EINVAL); /* passed over */
    assert_int_equal(publish(l, 11), -EINVAL);
    buf_init(&note, 4096);
    assert_int_equal(note_checkpoint_make(&note, 10, &wrong, &log_signer, NULL), 0);
    assert_int_equal(ledger_publish(l, buf_span(&note), NULL), -EINVAL);
    assert_int_equal(ledger_publish(l, span_str("x"), NULL), -EINVAL);
    buf_free(&note);
    assert_false(exists(dir, "checkpoint"));
    assert_int_equal(publish(l, 10), 0);
    assert_int_equal(publish(l, 10), 0);
    assert_int_equal(append_to(l, 300), 0);
    assert_int_equal(ledger_flush(l, NULL), 0);
    assert_int_equal(append_to(l, 301), 0);
    assert_int_equal(ledger_flush(l, NULL), 0);
    assert_int_equal(publish(l, 301), 0);
    assert_int_equal(publish(l, 300), -EINVAL);
    ledger_close(l);
    assert_int_equal(tlog_tiles_checkpoints(dir, &sizes, &n, NULL), 0);
    assert_int_equal(n, 2);
    assert_true(sizes[0] == 10 && sizes[1] == 301);
    free(sizes);
}

static void a_second_writer_is_kept_out(void **state)
{
    struct ledger *l, *m;
    struct err e = ERR_INIT;

    assert_int_equal(ledger_open(&l, *state, NULL), 0);
    assert_int_equal(ledger_open(&m, *state, &e), -EBUSY);
    assert_non_null(strstr(err_text(&e), "in use"));
    ledger_close(l);
}

static void leaves_of_zero_and_65535_bytes_are_taken_and_longer_ones_not(void **state)
{
    const char *dir = *state;
    uint8_t *big = calloc(1, 65536);
    struct span two[2] = {{big, 65535}, {big, 65536}}, none = {NULL, 0}, got;
    struct tlog_tiles *t;
    struct ledger *l;

    assert_int_equal(ledger_open(&l, dir, NULL), 0);
    assert_int_equal(ledger_append(l, two, 2, NULL), -E2BIG);
    assert_true(ledger_size(l) == 0);
    assert_int_equal(ledger_append(l, two, 1, NULL), 0);
    assert_int_equal(ledger_append(l, &none, 1, NULL), 0);
    assert_int_equal(ledger_flush(l, NULL), 0);
    assert_int_equal(tlog_tiles_open(&t, dir, 2, NULL), 0);
    assert_int_equal(tlog_tiles_leaf(t, 0, &got, NULL), 0);
    assert_int_equal(got.n, 65535);
    assert_int_equal(tlog_tiles_leaf(t, 1, &got, NULL), 0);
    assert_int_equal(got.n, 0);
    assert_int_equal(tlog_tiles_leaf(t, 2, &got, NULL), -EINVAL);
    tlog_tiles_close(t);
    ledger_close(l);
    free(big);
}

static void artifacts_are_kept_once_under_their_digest(void **state)
{
    const char *dir = *state;
    struct ledger *l;
    struct digest d, again;
    struct buf b;
    char hex[65], path[200];
    int fd;

    assert_int_equal(ledger_open(&l, dir, NULL), 0);
    assert_int_equal(ledger_put_artifact(l, span_str("a document"), &d, NULL), 0);
    assert_int_equal(ledger_put_artifact(l, span_str("a document"), &again, NULL), 0);
    assert_memory_equal(d.b, again.b, 32);
    buf_init(&b, 100);
    assert_int_equal(tlog_tiles_artifact(dir, &d, &b, NULL), 0);
    assert_true(span_is(buf_span(&b), "a document"));
    /* a damaged one is told, and mended by putting it again */
    text_digest(hex, &d);
    (void)snprintf(path, sizeof(path), "%s/artifact/sha256/%s", dir, hex);
    fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "A", 1, 0), 1);
    close(fd);
    assert_int_equal(tlog_tiles_artifact(dir, &d, &b, NULL), -EBADMSG);
    assert_int_equal(ledger_put_artifact(l, span_str("a document"), NULL, NULL), 0);
    buf_reset(&b);
    assert_int_equal(tlog_tiles_artifact(dir, &d, &b, NULL), 0);
    buf_free(&b);
    ledger_close(l);
}

/* A history with every kind of step.  Returns the first failure. */
static int history(const char *dir)
{
    static const uint64_t flushes[] = {3, 250, 256, 300, 520, 521};
    struct ledger *l;
    int rc = ledger_open(&l, dir, NULL);

    if (rc != 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(flushes); i++) {
        if (ledger_published(l) >= flushes[i])
            continue;
        rc = append_to(l, flushes[i]);
        if (rc == 0)
            rc = ledger_flush(l, NULL);
        if (rc == 0 && i != 3 && ledger_size(l) == flushes[i])
            rc = publish(l, flushes[i]);
        if (rc != 0)
            assert_int_equal(append_to(l, ledger_size(l) + 1), -EIO); /* the writer stopped */
    }
    if (rc == 0)
        rc = ledger_put_artifact(l, span_str("x"), NULL, NULL);
    ledger_close(l);
    return rc;
}

/* After a failure at any call, and at another during recovery, the tree goes on and ends the same.
 */
static void any_failing_call_leaves_a_tree_that_goes_on(void **state)
{
    const char *dir = *state;
    int total;

    fail_errno = ENOSPC;
    fail_at = 1 << 30;
    calls = 0;
    assert_int_equal(history(dir), 0);
    total = calls;
    assert_true(total > 60);
    for (int k = 1; k <= total; k++) {
        char *d = util_dir();

        fail_at = k;
        calls = 0;
        assert_int_equal(history(d), -ENOSPC);
        fail_at = 0;
        if (exists(d, "checkpoint"))
            check_newest(d);
        assert_int_equal(history(d), 0);
        check_folder(d, 521);
        check_newest(d);
        util_rm(d);
    }
}

static void a_kill_at_any_call_leaves_a_tree_that_goes_on(void **state)
{
    const char *dir = *state;
    int total;

    fail_at = 1 << 30;
    calls = 0;
    assert_int_equal(history(dir), 0);
    total = calls;
    for (int k = 1; k <= total; k++) {
        char *d = util_dir();
        pid_t pid = fork();
        int status;

        if (pid == 0) {
            fail_kills = true;
            fail_at = k;
            calls = 0;
            (void)history(d);
            _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        fail_at = 0;
        if (exists(d, "checkpoint"))
            check_newest(d);
        assert_int_equal(history(d), 0);
        check_folder(d, 521);
        util_rm(d);
    }
}

static void damage(const char *dir, const char *name, off_t at)
{
    char path[300];
    uint8_t b;
    int fd;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &b, 1, at), 1);
    b ^= 1;
    assert_int_equal(pwrite(fd, &b, 1, at), 1);
    close(fd);
}

static void flush_at(const char *dir, uint64_t size, bool and_publish)
{
    struct ledger *l;

    assert_int_equal(ledger_open(&l, dir, NULL), 0);
    assert_int_equal(append_to(l, size), 0);
    assert_int_equal(ledger_flush(l, NULL), 0);
    if (and_publish)
        assert_int_equal(publish(l, size), 0);
    ledger_close(l);
}

/* What a disk that lied about a sync may leave: the step back, never below the checkpoint. */
static void a_torn_edge_steps_back_to_the_flush_before(void **state)
{
    static const char *const torn[] = {"tile/0/001.p/94", "tile/entries/001.p/94", ".edge"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(torn); i++) {
        char *d = util_dir();
        struct ledger *l;

        flush_at(d, 300, true);
        flush_at(d, 350, false);
        /* of the records the newer one */
        damage(d, torn[i], i == 2 ? 20 : 9);
        assert_int_equal(ledger_open(&l, d, NULL), 0);
        assert_true(ledger_size(l) == 300);
        assert_int_equal(append_to(l, 350), 0);
        assert_int_equal(ledger_flush(l, NULL), 0);
        assert_int_equal(publish(l, 350), 0);
        ledger_close(l);
        check_newest(d);
        util_rm(d);
    }
}

static void damage_below_the_checkpoint_is_told_not_mended(void **state)
{
    static const char *const torn[] = {"tile/0/001.p/44", "tile/entries/001.p/44", "tile/0/000",
                                       "tile/entries/000", "tile/1/000.p/1"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(torn); i++) {
        char *d = util_dir();
        struct err e = ERR_INIT;
        struct ledger *l;

        flush_at(d, 300, true);
        damage(d, torn[i], 9);
        assert_int_equal(ledger_open(&l, d, &e), -EBADMSG);
        assert_non_null(strstr(err_text(&e), "restore"));
        util_rm(d);
    }
}

static void without_records_the_checkpoint_says_the_size(void **state)
{
    char path[300];
    struct ledger *l;

    flush_at(*state, 300, true);
    (void)snprintf(path, sizeof(path), "%s/.edge", (const char *)*state);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(ledger_open(&l, *state, NULL), 0);
    assert_true(ledger_size(l) == 300);
    ledger_close(l);
}

static void many_tiles_between_two_flushes_are_synced_at_once(void **state)
{
    const char *dir = *state;
    struct span leaf = span_str("x");
    struct tlog_tiles *t;
    struct digest a, b;
    struct ledger *l;

    assert_int_equal(ledger_open(&l, dir, NULL), 0);
    for (int i = 0; i < 70000; i++)
        assert_int_equal(ledger_append(l, &leaf, 1, NULL), 0);
    assert_int_equal(ledger_flush(l, NULL), 0);
    ledger_root(l, &a);
    ledger_close(l);
    /* the numbers of the page: 273 full, .p/112; one full, .p/17; .p/1 */
    assert_true(exists(dir, "tile/0/272") && !exists(dir, "tile/0/273"));
    assert_true(exists(dir, "tile/0/273.p/112") && exists(dir, "tile/1/000"));
    assert_true(exists(dir, "tile/1/001.p/17") && exists(dir, "tile/2/000.p/1"));
    assert_int_equal(tlog_tiles_open(&t, dir, 70000, NULL), 0);
    assert_int_equal(tlog_tiles_root(t, 70000, &b, NULL), 0);
    assert_memory_equal(a.b, b.b, 32);
    tlog_tiles_close(t);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(every_size_to_1025_can_be_flushed_and_read),
        T(a_reopened_ledger_continues_the_same_tree),
        T(proofs_between_flushed_sizes_verify),
        T(proofs_and_leaves_need_no_flush),
        T(a_flushed_size_is_published_after_proofs_of_a_larger_one),
        T(partial_tiles_stay_until_the_full_one_is_durable),
        T(only_flushed_growing_true_checkpoints_are_published),
        T(a_second_writer_is_kept_out),
        T(leaves_of_zero_and_65535_bytes_are_taken_and_longer_ones_not),
        T(artifacts_are_kept_once_under_their_digest),
        T(any_failing_call_leaves_a_tree_that_goes_on),
        T(a_kill_at_any_call_leaves_a_tree_that_goes_on),
        T(a_torn_edge_steps_back_to_the_flush_before),
        T(damage_below_the_checkpoint_is_told_not_mended),
        T(without_records_the_checkpoint_says_the_size),
        T(many_tiles_between_two_flushes_are_synced_at_once),
    };

    return cmocka_run_group_tests(tests, keys_up, keys_down);
}

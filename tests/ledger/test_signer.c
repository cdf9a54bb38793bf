#include "util.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "ledger/signer.h"

static int syncs, fail_at;
static bool fail_kills;

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
    if (fail_at != 0 && ++syncs == fail_at) {
        if (fail_kills)
            (void)raise(SIGKILL);
        errno = EIO;
        return -1;
    }
    return __real_fdatasync(fd);
}

/* Tears the write: half of it lands, and rubbish. */
static bool tear;
ssize_t __real_pwrite64(int fd, const void *p, size_t n, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *p, size_t n, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *p, size_t n, off_t at)
{
    if (!tear)
        return __real_pwrite64(fd, p, n, at);
    (void)!__real_pwrite64(fd, p, 30, at);
    (void)!__real_pwrite64(fd, "rubbish", 7, at + 30);
    errno = EIO;
    return -1;
}

struct fixture {
    char *dir, path[100];
    struct ed25519_key *key;
    struct note_signer log;
    struct signer *s;
    struct buf out;
};

static int naive_subtree(void *arg, unsigned level, uint64_t index, struct digest *out)
{
    (void)arg;
    util_mth(index << level, (index + 1) << level, out);
    return 0;
}

/* Asks to sign `size` with the root of `rooted` leaves and a proof from `from`. */
static int sign(struct fixture *f, uint64_t from, uint64_t size, uint64_t rooted)
{
    struct core_source src = {naive_subtree, NULL};
    struct digest path[CORE_PROOF_MAX], root;
    size_t n = 0;

    if (from <= size)
        assert_int_equal(core_prove_consistency(&note_crypto, &src, from, size, path, &n), 0);
    util_mth(0, rooted, &root);
    buf_reset(&f->out);
    return signer_sign(f->s, size, &root, path, n, &f->out, NULL);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    fail_at = syncs = 0;
    f->dir = util_dir();
    (void)snprintf(f->path, sizeof(f->path), "%s/state", f->dir);
    f->key = util_key(4);
    f->log = util_signer(f->key, "log.example/l", VKEY_ED25519);
    buf_init(&f->out, 4096);
    assert_int_equal(signer_open(&f->s, f->path, &f->log, true, NULL), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    signer_close(f->s);
    buf_free(&f->out);
    ed25519_free(f->key);
    util_rm(f->dir);
    free(f);
    return 0;
}

static void reopen(struct fixture *f)
{
    signer_close(f->s);
    f->s = NULL;
    assert_int_equal(signer_open(&f->s, f->path, &f->log, false, NULL), 0);
}

static void only_what_extends_is_signed(void **state)
{
    struct fixture *f = *state;
    struct core_checkpoint c;

    assert_int_equal(sign(f, 0, 5, 5), 0);
    assert_int_equal(note_checkpoint_open(&c, NULL, buf_span(&f->out), &f->log.key, NULL), 0);
    assert_true(c.size == 5);
    assert_int_equal(sign(f, 5, 9, 9), 0);
    assert_int_equal(sign(f, 9, 9, 9), 0);        /* the same again */
    assert_int_equal(sign(f, 9, 9, 8), -EPERM);   /* two roots of one size */
    assert_int_equal(sign(f, 5, 5, 5), -EPERM);   /* smaller */
    assert_int_equal(sign(f, 5, 12, 12), -EPERM); /* a proof from elsewhere */
    assert_int_equal(sign(f, 9, 12, 11), -EPERM); /* another root */
    assert_int_equal(f->out.len, 0);
    assert_true(signer_size(f->s) == 9);
    assert_int_equal(sign(f, 9, 12, 12), 0);
}

static void the_memory_outlives_the_process(void **state)
{
    struct fixture *f = *state;
    struct digest root, want;

    for (uint64_t size = 1; size < 9; size++) {
        assert_int_equal(sign(f, size - 1, size, size), 0);
        reopen(f);
        assert_true(signer_size(f->s) == size);
        signer_root(f->s, &root);
        util_mth(0, size, &want);
        assert_memory_equal(root.b, want.b, 32);
        assert_int_equal(sign(f, size, size, size + 1), -EPERM);
    }
}

static void nothing_is_signed_that_could_be_forgotten(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(sign(f, 0, 5, 5), 0);
    fail_at = 1;
    syncs = 0;
    assert_int_equal(sign(f, 5, 9, 9), -EIO);
    assert_int_equal(f->out.len, 0);
    assert_int_equal(sign(f, 5, 9, 9), -EIO); /* stopped */
    fail_at = 0;
    reopen(f);
    assert_true(signer_size(f->s) == 5 || signer_size(f->s) == 9);
    assert_int_equal(sign(f, signer_size(f->s), 12, 12), 0);
}

static void a_kill_before_the_sync_forgets_no_signature(void **state)
{
    struct fixture *f = *state;
    int status;
    pid_t pid;

    assert_int_equal(sign(f, 0, 5, 5), 0);
    signer_close(f->s);
    f->s = NULL;
    if ((pid = fork()) == 0) {
        if (signer_open(&f->s, f->path, &f->log, false, NULL) != 0)
            _exit(1);
        fail_at = 1;
        syncs = 0;
        fail_kills = true;
        (void)sign(f, 5, 9, 9);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(signer_open(&f->s, f->path, &f->log, false, NULL), 0);
    assert_true(signer_size(f->s) == 5 || signer_size(f->s) == 9);
}

static void one_torn_slot_costs_one_step_and_two_stop_everything(void **state)
{
    struct fixture *f = *state;
    struct err e = ERR_INIT;
    int fd;

    for (uint64_t size = 1; size <= 3; size++)
        assert_int_equal(sign(f, size - 1, size, size), 0);
    signer_close(f->s);
    f->s = NULL;
    /* the newest record, of size 3, is in the slot that the first and third wrote */
    fd = open(f->path, O_RDWR);
    for (int slot = 0; slot < 2; slot++) {
        uint8_t raw[60], was;

        assert_int_equal(pread(fd, raw, sizeof(raw), slot * 4096), sizeof(raw));
        was = raw[25];
        raw[25] ^= 0xff;
        assert_int_equal(pwrite(fd, &raw[25], 1, slot * 4096 + 25), 1);
        if (was == 3) {
            assert_int_equal(signer_open(&f->s, f->path, &f->log, false, NULL), 0);
            assert_true(signer_size(f->s) == 2);
            signer_close(f->s);
            f->s = NULL;
        }
        if (slot == 0)
            assert_int_equal(pwrite(fd, &was, 1, slot * 4096 + 25), 1);
    }
    assert_int_equal(ftruncate(fd, 4096 + 10), 0);
    assert_int_equal(pwrite(fd, "x", 1, 30), 1);
    close(fd);
    assert_int_equal(signer_open(&f->s, f->path, &f->log, false, &e), -EBADMSG);
    assert_non_null(strstr(err_text(&e), "never start anew"));
}

static void a_torn_write_never_touches_the_newest_record(void **state)
{
    struct fixture *f = *state;

    for (uint64_t size = 1; size <= 6; size++) {
        assert_int_equal(sign(f, size - 1, size, size), 0);
        reopen(f);
        tear = true;
        assert_int_equal(sign(f, size, size + 5, size + 5), -EIO);
        tear = false;
        reopen(f);
        assert_true(signer_size(f->s) == size);
    }
}

static void a_refusal_says_why(void **state)
{
    struct fixture *f = *state;
    struct err e = ERR_INIT;
    struct digest root;

    assert_int_equal(sign(f, 0, 5, 5), 0);
    util_mth(0, 4, &root);
    assert_int_equal(signer_sign(f->s, 5, &root, NULL, 0, &f->out, &e), -EPERM);
    assert_string_equal(err_text(&e), "refused to sign a second root of size 5");
}

static void the_state_is_made_once_for_one_log(void **state)
{
    struct fixture *f = *state;
    struct note_signer other = util_signer(f->key, "other.example", VKEY_ED25519);
    struct signer *s;
    char path[128];

    assert_int_equal(signer_open(&s, f->path, &f->log, false, NULL), -EBUSY);
    signer_close(f->s);
    f->s = NULL;
    assert_int_equal(signer_open(&s, f->path, &f->log, true, NULL), -EEXIST);
    assert_int_equal(signer_open(&s, f->path, &other, false, NULL), -EINVAL);
    (void)snprintf(path, sizeof(path), "%s/none", f->dir);
    assert_int_equal(signer_open(&s, path, &f->log, false, NULL), -ENOENT);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(only_what_extends_is_signed),
        T(the_memory_outlives_the_process),
        T(nothing_is_signed_that_could_be_forgotten),
        T(a_kill_before_the_sync_forgets_no_signature),
        T(one_torn_slot_costs_one_step_and_two_stop_everything),
        T(a_torn_write_never_touches_the_newest_record),
        T(a_refusal_says_why),
        T(the_state_is_made_once_for_one_log),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

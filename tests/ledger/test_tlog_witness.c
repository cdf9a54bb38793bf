#include "util.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

#include "base/io.h"
#include "ledger/tlog_witness.h"

struct fixture {
    char *dir;
    struct ed25519_key *log_key, *wit_key, *other_key;
    struct note_signer log, self, other;
    struct tlog_witness *w;
    struct tlog_answer a;
};

/* Fails the call of this number (0: never). */
static int fail_fsync;
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    if (fail_fsync > 0 && --fail_fsync == 0) {
        errno = EIO;
        return -1;
    }
    return __real_fsync(fd);
}

static void open_witness(struct fixture *f)
{
    assert_int_equal(tlog_witness_open(&f->w, f->dir, &f->self, NULL), 0);
    assert_int_equal(tlog_witness_trust(f->w, &f->log.key, NULL), 0);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->dir = util_dir();
    f->log_key = util_key(1);
    f->wit_key = util_key(2);
    f->other_key = util_key(3);
    f->log = util_signer(f->log_key, "log.example/l", VKEY_ED25519);
    f->self = util_signer(f->wit_key, "wit.example/w", VKEY_COSIGNATURE);
    f->other = util_signer(f->other_key, "log.example/l", VKEY_ED25519);
    tlog_answer_init(&f->a);
    open_witness(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    tlog_witness_close(f->w);
    tlog_answer_free(&f->a);
    ed25519_free(f->log_key);
    ed25519_free(f->wit_key);
    ed25519_free(f->other_key);
    util_rm(f->dir);
    free(f);
    return 0;
}

static int naive_subtree(void *arg, unsigned level, uint64_t index, struct digest *out)
{
    (void)arg;
    util_mth(index << level, (index + 1) << level, out);
    return 0;
}

/* The request from `old` to `size` (proof from `from`), root of `rooted` leaves; answers its
 * status. */
static int add(struct fixture *f, uint64_t old, uint64_t from, uint64_t size, uint64_t rooted,
               const struct note_signer *log)
{
    struct core_source src = {naive_subtree, NULL};
    struct digest path[CORE_PROOF_MAX], root;
    struct buf note, body;
    size_t n = 0;

    buf_init(&note, 4096);
    buf_init(&body, 16384);
    if (from <= size)
        assert_int_equal(core_prove_consistency(&note_crypto, &src, from, size, path, &n), 0);
    util_mth(0, rooted, &root);
    assert_int_equal(note_checkpoint_make(&note, size, &root, log, NULL), 0);
    assert_int_equal(tlog_witness_request(&body, old, path, n, buf_span(&note), NULL), 0);
    tlog_witness_add(f->w, buf_span(&body), 1700000000, &f->a);
    buf_free(&note);
    buf_free(&body);
    return f->a.status;
}

static int add_text(struct fixture *f, const char *body)
{
    tlog_witness_add(f->w, span_str(body), 1700000000, &f->a);
    return f->a.status;
}

static void each_status_is_the_pages(void **state)
{
    struct fixture *f = *state;
    struct note_signer stranger = util_signer(f->log_key, "other.example", VKEY_ED25519);

    /* 200, and what is in it */
    assert_int_equal(add(f, 0, 0, 5, 5, &f->log), 200);
    assert_memory_equal(f->a.body.data, "\xe2\x80\x94 wit.example/w ", 18);
    assert_int_equal(f->a.body.data[f->a.body.len - 1], '\n');
    assert_int_equal(add(f, 5, 5, 9, 9, &f->log), 200);
    assert_int_equal(add(f, 9, 9, 9, 9, &f->log), 200); /* the same again */
    /* 409 says the size */
    assert_int_equal(add(f, 0, 0, 12, 12, &f->log), 409);
    assert_string_equal(f->a.content_type, "text/x.tlog.size");
    assert_true(span_is(buf_span(&f->a.body), "9\n"));
    assert_int_equal(add(f, 5, 5, 7, 7, &f->log), 409);
    assert_int_equal(add(f, 12, 12, 12, 12, &f->log), 409);
    /* 404, 403 */
    assert_int_equal(add(f, 9, 9, 12, 12, &stranger), 404);
    assert_int_equal(add(f, 9, 9, 12, 12, &f->other), 403);
    /* 400: old above new */
    assert_int_equal(add(f, 9, 9, 7, 7, &f->log), 400);
    /* 422: wrong proof, wrong root, two roots of one size */
    assert_int_equal(add(f, 9, 8, 12, 12, &f->log), 422);
    assert_int_equal(add(f, 9, 9, 12, 11, &f->log), 422);
    assert_int_equal(add(f, 9, 9, 9, 8, &f->log), 422);
    assert_int_equal(add(f, 9, 8, 9, 9, &f->log), 422);
    /* and none of it moved the state */
    assert_int_equal(add(f, 9, 9, 12, 12, &f->log), 200);
}

static void the_empty_tree_has_the_empty_root_and_no_proof(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(add(f, 0, 0, 0, 3, &f->log), 422);
    assert_int_equal(add(f, 0, 0, 0, 0, &f->log), 200);
    assert_int_equal(add(f, 0, 1, 2, 2, &f->log), 422); /* a proof where none may be */
    assert_int_equal(add(f, 0, 0, 2, 2, &f->log), 200);
}

static void malformed_requests_are_400(void **state)
{
    struct fixture *f = *state;
    char line[64];
    struct buf b;

    assert_int_equal(add_text(f, ""), 400);
    assert_int_equal(add_text(f, "old 0\n"), 400);
    assert_int_equal(add_text(f, "old 0\n\n"), 400);
    assert_int_equal(add_text(f, "old 00\n\nx\n"), 400);
    assert_int_equal(add_text(f, "old -1\n\nx\n"), 400);
    assert_int_equal(add_text(f, "old 0\n\nx\n"), 400);
    assert_int_equal(add_text(f, "old 1\nAAAA\n\nx\n"), 400);
    buf_init(&b, 1 << 20);
    assert_int_equal(buf_puts(&b, "old 1\n"), 0);
    text_base64(line, f->log.key.pub, 32);
    for (int i = 0; i < 64; i++)
        assert_int_equal(buf_printf(&b, "%s\n", line), 0);
    assert_int_equal(buf_puts(&b, "\nx\n\n\xe2\x80\x94 n AAAAAAA=\n"), 0);
    tlog_witness_add(f->w, buf_span(&b), 1, &f->a);
    assert_int_equal(f->a.status, 400);
    buf_free(&b);
}

static void a_failing_signature_of_a_trusted_key_is_403_even_beside_a_good_one(void **state)
{
    struct fixture *f = *state;
    struct digest root;
    struct buf note, bad, body;

    assert_int_equal(tlog_witness_trust(f->w, &f->other.key, NULL), 0);
    buf_init(&note, 4096);
    buf_init(&bad, 4096);
    buf_init(&body, 8192);
    util_mth(0, 4, &root);
    assert_int_equal(note_checkpoint_make(&note, 4, &root, &f->log, NULL), 0);
    assert_int_equal(note_sign(&bad, span_str("something else\n"), &f->other, NULL), 0);
    assert_int_equal(buf_put(&note, bad.data + 16, bad.len - 16), 0);
    assert_int_equal(tlog_witness_request(&body, 0, NULL, 0, buf_span(&note), NULL), 0);
    tlog_witness_add(f->w, buf_span(&body), 1700000000, &f->a);
    assert_int_equal(f->a.status, 403);
    buf_free(&note);
    buf_free(&bad);
    buf_free(&body);
}

static void the_state_outlives_the_process_and_monitors_can_read_it(void **state)
{
    struct fixture *f = *state;
    struct tlog_witness *second;
    struct core_checkpoint c;
    struct core_note n;
    struct digest d;
    uint64_t t;
    char hex[65];

    sha256_of("log.example/l", 13, &d);
    text_digest(hex, &d);
    tlog_witness_get(f->w, span_str(hex), &f->a);
    assert_int_equal(f->a.status, 404);
    assert_int_equal(add(f, 0, 0, 6, 6, &f->log), 200);
    assert_int_equal(tlog_witness_open(&second, f->dir, &f->self, NULL), -EBUSY);
    tlog_witness_close(f->w);
    open_witness(f);
    assert_int_equal(add(f, 0, 0, 7, 7, &f->log), 409);
    assert_true(span_is(buf_span(&f->a.body), "6\n"));
    tlog_witness_get(f->w, span_str(hex), &f->a);
    assert_int_equal(f->a.status, 200);
    assert_int_equal(note_checkpoint_open(&c, &n, buf_span(&f->a.body), &f->log.key, NULL), 0);
    assert_true(c.size == 6);
    assert_int_equal(core_note_verify(&note_crypto, &n, &f->self.key, &t), 0);
    assert_true(t == 1700000000);
    hex[0] ^= 1;
    tlog_witness_get(f->w, span_str(hex), &f->a);
    assert_int_equal(f->a.status, 404);
}

static void no_answer_leaves_before_the_state_is_durable(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(add(f, 0, 0, 3, 3, &f->log), 200);
    fail_fsync = 1;
    assert_int_equal(add(f, 3, 3, 8, 8, &f->log), 500);
    fail_fsync = 0;
    assert_int_equal(add(f, 0, 0, 8, 8, &f->log), 409);
    assert_true(span_is(buf_span(&f->a.body), "3\n"));
    assert_int_equal(add(f, 3, 3, 8, 8, &f->log), 200);
}

static void a_damaged_state_is_refused_not_forgotten(void **state)
{
    struct fixture *f = *state;
    struct err e = ERR_INIT;
    struct digest d;
    char path[200], hex[65];
    int fd;

    assert_int_equal(add(f, 0, 0, 3, 3, &f->log), 200);
    tlog_witness_close(f->w);
    sha256_of("log.example/l", 13, &d);
    text_digest(hex, &d);
    (void)snprintf(path, sizeof(path), "%s/%s", f->dir, hex);
    fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "9", 1, 14), 1);
    close(fd);
    assert_int_equal(tlog_witness_open(&f->w, f->dir, &f->self, NULL), 0);
    assert_int_equal(tlog_witness_trust(f->w, &f->log.key, &e), -EBADMSG);
    assert_non_null(strstr(err_text(&e), "restore it"));
}

/* Many requests for different sizes from the same old size: exactly one wins. */
struct racer {
    struct fixture *f;
    struct span body;
    int status;
};

static void *race(void *arg)
{
    struct racer *r = arg;
    struct tlog_answer a;

    tlog_answer_init(&a);
    tlog_witness_add(r->f->w, r->body, 1700000000, &a);
    r->status = a.status;
    tlog_answer_free(&a);
    return NULL;
}

static void of_concurrent_requests_exactly_one_wins(void **state)
{
    enum { N = 8 };
    struct fixture *f = *state;
    struct racer r[N];
    struct buf note[N], body[N];
    pthread_t t[N];
    struct digest root;
    int won = 0;

    for (unsigned i = 0; i < N; i++) {
        buf_init(&note[i], 4096);
        buf_init(&body[i], 4096);
        util_mth(0, 10 + i, &root);
        assert_int_equal(note_checkpoint_make(&note[i], 10 + i, &root, &f->log, NULL), 0);
        assert_int_equal(tlog_witness_request(&body[i], 0, NULL, 0, buf_span(&note[i]), NULL), 0);
        r[i] = (struct racer){f, buf_span(&body[i]), 0};
    }
    for (int i = 0; i < N; i++)
        assert_int_equal(pthread_create(&t[i], NULL, race, &r[i]), 0);
    for (int i = 0; i < N; i++) {
        assert_int_equal(pthread_join(t[i], NULL), 0);
        won += r[i].status == 200;
        assert_true(r[i].status == 200 || r[i].status == 409);
        buf_free(&note[i]);
        buf_free(&body[i]);
    }
    assert_int_equal(won, 1);
}

static void the_client_takes_only_what_verifies(void **state)
{
    struct fixture *f = *state;
    struct digest root;
    struct buf note;
    uint64_t old = 77;

    buf_init(&note, CORE_NOTE_MAX);
    util_mth(0, 5, &root);
    assert_int_equal(note_checkpoint_make(&note, 5, &root, &f->log, NULL), 0);
    assert_int_equal(add(f, 0, 0, 5, 5, &f->log), 200);
    assert_int_equal(
        tlog_witness_answer(&note, 200, buf_span(&f->a.body), &f->self.key, 1, &old, NULL), 0);
    assert_int_equal(tlog_witness_answer(&note, 200, span_str("x\n"), &f->self.key, 1, &old, NULL),
                     -EPROTO);
    assert_int_equal(
        tlog_witness_answer(&note, 200, buf_span(&f->a.body), &f->log.key, 1, &old, NULL), -EPROTO);
    assert_true(old == 77);
    assert_int_equal(tlog_witness_answer(&note, 409, span_str("12\n"), NULL, 0, &old, NULL),
                     -EAGAIN);
    assert_true(old == 12);
    assert_int_equal(tlog_witness_answer(&note, 409, span_str("12"), NULL, 0, &old, NULL), -EPROTO);
    assert_int_equal(tlog_witness_answer(&note, 409, span_str("x\n"), NULL, 0, &old, NULL),
                     -EPROTO);
    assert_int_equal(tlog_witness_answer(&note, 422, span_str("no\n"), NULL, 0, &old, NULL),
                     -EPERM);
    assert_int_equal(tlog_witness_answer(&note, 503, span_str(""), NULL, 0, &old, NULL), -EIO);
    buf_free(&note);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(each_status_is_the_pages),
        T(the_empty_tree_has_the_empty_root_and_no_proof),
        T(malformed_requests_are_400),
        T(a_failing_signature_of_a_trusted_key_is_403_even_beside_a_good_one),
        T(the_state_outlives_the_process_and_monitors_can_read_it),
        T(no_answer_leaves_before_the_state_is_durable),
        T(a_damaged_state_is_refused_not_forgotten),
        T(of_concurrent_requests_exactly_one_wins),
        T(the_client_takes_only_what_verifies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

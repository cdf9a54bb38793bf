/* test_agrees.c - a ledger and a proof, whole and with each byte changed in turn: our verdict and
 * that of golang.org/x/mod must be the same, and a changed byte must not verify.  The Go program
 * runs once and answers a line for each case. */
#include "util.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/io.h"
#include "ledger/ledger.h"
#include "ledger/tlog_proof.h"

#define LEAVES 300
#define STEP 3 /* of the long files, every third byte */

static FILE *to_go, *from_go;
static pid_t go;
static char *dir;
static struct ed25519_key *log_key, *wit_key;
static struct note_signer log_signer, wit;
static char log_vkey[CORE_VKEY_TEXT_MAX + 1], wit_vkey[CORE_VKEY_TEXT_MAX + 1];
static struct tlog_policy *policy;
static uint64_t cases;

static void start_go(void)
{
    const char *prog = getenv("GO_CHECKER");
    int in[2], out[2];

    assert_non_null(prog);
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    go = fork();
    if (go == 0) {
        (void)dup2(in[0], 0);
        (void)dup2(out[1], 1);
        close(in[1]);
        close(out[0]);
        execl(prog, prog, "-cases", (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    to_go = fdopen(in[1], "w");
    from_go = fdopen(out[0], "r");
}

static char line[1000]; /* Go's last answer */

static bool ask_go(const char *question)
{
    cases++;
    (void)fprintf(to_go, "%s\n", question);
    (void)fflush(to_go);
    assert_non_null(fgets(line, sizeof(line), from_go));
    assert_true(strcmp(line, "ok\n") == 0 || strncmp(line, "bad ", 4) == 0);
    return line[0] == 'o';
}

static void flush_and_publish(struct ledger *l, uint64_t size)
{
    struct core_note n;
    struct digest root;
    struct buf note, cosig;
    size_t added;

    while (ledger_size(l) < size) {
        char text[32];
        struct span s = util_leaf(ledger_size(l), text);

        assert_int_equal(ledger_append(l, &s, 1, NULL), 0);
    }
    assert_int_equal(ledger_flush(l, NULL), 0);
    buf_init(&note, CORE_NOTE_MAX);
    buf_init(&cosig, 4096);
    ledger_root(l, &root);
    assert_int_equal(note_checkpoint_make(&note, size, &root, &log_signer, NULL), 0);
    assert_int_equal(core_note_split(buf_span(&note), &n), 0);
    assert_int_equal(note_cosign(&cosig, n.text, 1700000000, &wit, NULL), 0);
    assert_int_equal(note_merge(&note, buf_span(&cosig), &wit.key, 1, &added, NULL), 0);
    assert_int_equal(ledger_publish(l, buf_span(&note), NULL), 0);
    buf_free(&note);
    buf_free(&cosig);
}

/* dir/ledger, dir/proof of leaf 123, dir/leaf */
static int set_up(void **state)
{
    struct digest path[CORE_PROOF_MAX];
    char name[300], text[2000];
    struct ledger *l;
    struct buf note, proof;
    struct span leaf;
    size_t n;
    int len;

    (void)state;
    dir = util_dir();
    log_key = util_key(1);
    wit_key = util_key(2);
    log_signer = util_signer(log_key, "log.example/l", VKEY_ED25519);
    wit = util_signer(wit_key, "wit.example/w", VKEY_COSIGNATURE);
    note_vkey_format(&log_signer.key, log_vkey);
    note_vkey_format(&wit.key, wit_vkey);
    len = snprintf(text, sizeof(text), "log %s\nwitness w %s\nquorum w\n", log_vkey, wit_vkey);
    assert_int_equal(tlog_policy_parse(&policy, span_of(text, (size_t)len), NULL), 0);

    (void)snprintf(name, sizeof(name), "%s/ledger", dir);
    assert_int_equal(ledger_open(&l, name, NULL), 0);
    flush_and_publish(l, 200);
    flush_and_publish(l, LEAVES);
    assert_int_equal(ledger_inclusion(l, 123, LEAVES, path, &n, NULL), 0);
    ledger_close(l);
    buf_init(&note, CORE_NOTE_MAX);
    buf_init(&proof, TLOG_PROOF_MAX);
    assert_int_equal(tlog_tiles_newest(name, &note, NULL), 0);
    assert_int_equal(
        tlog_proof_format(&proof, span_of(NULL, 0), 123, path, n, buf_span(&note), NULL), 0);
    (void)snprintf(name, sizeof(name), "%s/proof", dir);
    assert_int_equal(io_replace_file(AT_FDCWD, name, proof.data, proof.len, 0644), 0);
    leaf = util_leaf(123, text);
    (void)snprintf(name, sizeof(name), "%s/leaf", dir);
    assert_int_equal(io_replace_file(AT_FDCWD, name, leaf.p, leaf.n, 0644), 0);
    buf_free(&note);
    buf_free(&proof);
    start_go();
    return 0;
}

static int tear_down(void **state)
{
    int status;

    (void)state;
    (void)fclose(to_go);
    (void)fclose(from_go);
    (void)waitpid(go, &status, 0);
    tlog_policy_free(policy);
    ed25519_free(log_key);
    ed25519_free(wit_key);
    util_rm(dir);
    print_message("%llu cases, the same verdict each time\n", (unsigned long long)cases);
    return status;
}

/* ---- Our verdicts ---------------------------------------------------------------------------- */

static bool final_checkpoint(const char *ledger, uint64_t size, struct core_checkpoint *c)
{
    struct tlog_verdict v;
    struct buf b;
    bool ok;

    buf_init(&b, CORE_NOTE_MAX);
    ok = (size == UINT64_MAX ? tlog_tiles_newest(ledger, &b, NULL)
                             : tlog_tiles_checkpoint(ledger, size, &b, NULL)) == 0 &&
         tlog_policy_check(&v, policy, buf_span(&b), NULL) == 0 && v.quorum &&
         (size == UINT64_MAX || v.checkpoint.size == size);
    if (ok)
        *c = v.checkpoint;
    buf_free(&b);
    return ok;
}

static bool our_ledger(const char *ledger)
{
    struct tlog_walk w = {.with_tiles = true};
    struct core_checkpoint newest, c;
    struct core_range at = {0};
    struct tlog_tiles *t;
    struct digest root;
    uint64_t *sizes = NULL;
    size_t n;
    bool ok;

    if (!final_checkpoint(ledger, UINT64_MAX, &newest) || newest.size > 100000 ||
        tlog_tiles_open(&t, ledger, newest.size, NULL) != 0)
        return false;
    ok = tlog_tiles_checkpoints(ledger, &sizes, &n, NULL) == 0;
    for (size_t i = 0; ok && i < n; i++) {
        ok = final_checkpoint(ledger, sizes[i], &c) &&
             tlog_tiles_walk(t, &at, sizes[i], &w, NULL) == 0;
        if (ok) {
            core_range_root(&note_crypto, &at, &root);
            ok = digest_eq(&root, &c.root);
        }
    }
    ok = ok && tlog_tiles_walk(t, &at, newest.size, &w, NULL) == 0;
    core_range_root(&note_crypto, &at, &root);
    ok = ok && digest_eq(&root, &newest.root);
    free(sizes);
    tlog_tiles_close(t);
    return ok;
}

static bool our_proof(const char *file, struct span leaf)
{
    struct tlog_verdict v;
    struct core_proof p;
    struct digest h;
    struct buf b;
    bool ok;

    sha256_leaf(leaf.p, leaf.n, &h);
    buf_init(&b, TLOG_PROOF_MAX);
    ok = io_read_file(AT_FDCWD, file, &b) == 0 && tlog_proof_parse(&p, buf_span(&b), NULL) == 0 &&
         tlog_proof_verify(&v, &p, policy, &h, NULL) == 0 && v.quorum;
    buf_free(&b);
    return ok;
}

/* ---- Cases ----------------------------------------------------------------------------------- */

static void change(const char *file, off_t at, uint8_t x)
{
    int fd = open(file, O_RDWR);
    uint8_t b;

    assert_int_equal(pread(fd, &b, 1, at), 1);
    b ^= x;
    assert_int_equal(pwrite(fd, &b, 1, at), 1);
    close(fd);
}

static bool both_on_ledger(const char *what)
{
    char question[1000], name[300];
    bool theirs, ours;

    (void)snprintf(name, sizeof(name), "%s/ledger", dir);
    (void)snprintf(question, sizeof(question), "%s %s %s", name, log_vkey, wit_vkey);
    theirs = ask_go(question);
    ours = our_ledger(name);
    if (theirs != ours)
        fail_msg("%s: Go says %s, we say %s", what, line, ours ? "ok" : "bad");
    return ours;
}

static int changed_file(const char *file, const struct stat *st, int flag, struct FTW *f)
{
    off_t step = st->st_size > 1000 ? STEP : 1;

    if (flag != FTW_F || file[f->base] == '.')
        return 0;
    for (off_t i = 0; i < st->st_size; i += step) {
        char what[400];
        uint8_t x = (uint8_t)(1 << (i % 8));

        (void)snprintf(what, sizeof(what), "%s, byte %lld", file, (long long)i);
        change(file, i, x);
        if (both_on_ledger(what))
            fail_msg("%s: accepted", what);
        change(file, i, x);
    }
    return 0;
}

static void a_ledger_and_each_changed_byte_of_it(void **state)
{
    char name[300];

    (void)state;
    assert_true(both_on_ledger("the whole ledger"));
    (void)snprintf(name, sizeof(name), "%s/ledger", dir);
    assert_int_equal(nftw(name, changed_file, 16, FTW_PHYS), 0);
    assert_true(both_on_ledger("the ledger again"));
}

static bool both_on_proof(const char *what)
{
    char question[2000], proof[300], leaf[300], text[32];
    bool theirs, ours;

    (void)snprintf(proof, sizeof(proof), "%s/proof", dir);
    (void)snprintf(leaf, sizeof(leaf), "%s/leaf", dir);
    (void)snprintf(question, sizeof(question), "-proof %s %s %s %s", proof, leaf, log_vkey,
                   wit_vkey);
    theirs = ask_go(question);
    ours = our_proof(proof, util_leaf(123, text));
    if (theirs != ours)
        fail_msg("%s: Go says %s, we say %s", what, line, ours ? "ok" : "bad");
    return ours;
}

static void a_proof_and_each_changed_bit_of_it(void **state)
{
    char proof[300], what[60];
    struct stat st;

    (void)state;
    assert_true(both_on_proof("the whole proof"));
    (void)snprintf(proof, sizeof(proof), "%s/proof", dir);
    assert_int_equal(stat(proof, &st), 0);
    for (off_t i = 0; i < st.st_size; i++)
        for (int bit = 0; bit < 8; bit++) {
            (void)snprintf(what, sizeof(what), "byte %lld, bit %d", (long long)i, bit);
            change(proof, i, (uint8_t)(1 << bit));
            if (both_on_proof(what))
                fail_msg("%s: accepted", what);
            change(proof, i, (uint8_t)(1 << bit));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_proof_and_each_changed_bit_of_it),
        cmocka_unit_test(a_ledger_and_each_changed_byte_of_it),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}

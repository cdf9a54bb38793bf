/* One bit of one file of a site flips, anywhere, while the site is down: the start refuses with a
 * sentence, or what is damaged is named when it is read or scrubbed, or nothing is wrong.  Never
 * are other bytes given out than those that came in, and never another history. */
#include "faultfs/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/log.h"
#include "crypto/sha256.h"
#include "stores.h"

#define SUBS 12

/* Which files, and whether a change in them may pass unseen. */
static const struct kind {
    const char *name, *pattern; /* below the folder */
    unsigned flips, soak_flips;
    bool unseen; /* docs/known-limits.md says so */
} kinds[] = {
    {"segments", "data/vault/seg-*", 60, 3000, false},
    {"vault's state", "data/vault/state*", 6, 200, false},
    {"bundles", "data/ledger/tile/entries/*", 20, 400, false},
    {"tiles", "data/ledger/tile/[0-9]*", 20, 400, false},
    {"edge", "data/ledger/.edge*", 10, 200, false},
    {"checkpoint", "data/ledger/checkpoint", 10, 200, false},
    {"checkpoints", "data/ledger/checkpoints/*", 6, 200, false},
    {"signer's state", "data/signer/*", 10, 300, true},
    {"witness's state", "witness/*", 10, 300, false},
    {"epoch keys", "keys/*", 10, 300, false},
    {"catalog", "data/catalog.db", 40, 2000, true},
};

static char base[SCRATCH], copy[SCRATCH];
static struct stores s;
static struct catalog_submission row[SUBS + 1]; /* as they are */
static bool here[SUBS + 1];
static struct digest root;
static uint64_t size, signed_size;
static char where[300];

enum outcome { REFUSED, FOUND, HARMLESS, UNSEEN, OUTCOMES };
static const char *const words[OUTCOMES] = {"refused at the start", "found", "harmless", "unseen"};

/* --- the folder --- */

static void run(const char *const argv[])
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        (void)execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static const char *pattern_now;
static char found_files[512][SCRATCH + 120];
static size_t n_found;

static int match(const char *path, const struct stat *st, int flag, struct FTW *f)
{
    (void)f;
    if (flag == FTW_F && st->st_size > 0 && n_found < ARRAY_LEN(found_files) &&
        fnmatch(pattern_now, path + strlen(base) + 1, 0) == 0)
        (void)snprintf(found_files[n_found++], sizeof(found_files[0]), "%s", path + strlen(base));
    return 0;
}

/* A bit of a byte that is not in a hole, in the copy. */
static void flip(const char *file, uint64_t seed)
{
    char path[2 * SCRATCH + 140];
    struct stat st;
    off_t at;
    uint8_t b;
    int fd;

    (void)snprintf(path, sizeof(path), "%s%s", copy, file);
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    at = (off_t)(seed * UINT64_C(0x9e3779b97f4a7c15) % (uint64_t)st.st_size);
    if ((at = lseek(fd, at, SEEK_DATA)) < 0)
        at = lseek(fd, 0, SEEK_DATA);
    assert_int_equal(pread(fd, &b, 1, at), 1);
    b ^= (uint8_t)(1u << (seed >> 7) % 8);
    assert_int_equal(pwrite(fd, &b, 1, at), 1);
    (void)close(fd);
    (void)snprintf(where, sizeof(where), "%s, byte %lld", file, (long long)at);
}

/* --- is all as it was? --- */

static char wrong[300]; /* the first thing */

#define WRONG(...) (void)(wrong[0] == '\0' && snprintf(wrong, sizeof(wrong), __VA_ARGS__))

/* 0, or why it cannot be read; other bytes than those that came fail the test. */
static int reads(unsigned n)
{
    static uint8_t want[STORES_BYTES];
    struct id128 ref = stores_id(n, 'r');
    size_t len = stores_content(n, want), at = 0, m;
    struct vault_read *r = NULL;
    const uint8_t *p;
    int rc = vault_read_open(&r, s.k->vault, &ref, &s.e);

    while (rc == 0 && (rc = vault_read_next(r, &p, &m)) == 0 && m > 0) {
        if (m > len - at || memcmp(p, want + at, m) != 0)
            fail_msg("other bytes than those that came");
        at += m;
    }
    vault_read_close(r);
    if (rc == 0 && at != len)
        fail_msg("fewer bytes than those that came");
    return rc;
}

static bool look_at_submission(unsigned n)
{
    struct id128 sub = stores_id(n, 's');
    struct catalog_submission now;
    int rc = catalog_submission_get(s.k->catalog, &sub, &now), read = reads(n);

    if (rc != 0 && rc != -ENOENT)
        return true;
    if (rc != 0 || memcmp(&now, &row[n], sizeof(now)) != 0)
        WRONG("submission %u: the catalog says something else (%d)", n, rc);
    if (!here[n] && read == 0)
        fail_msg("submission %u was erased, and is back", n);
    if (here[n] && read == -ENOENT)
        WRONG("submission %u is gone", n);
    return here[n] && read != 0 && read != -ENOENT;
}

static bool look_at_ledger(void)
{
    struct core_range r;
    struct digest h, is;
    struct buf leaf;
    struct err e = ERR_INIT;
    bool told = false;

    if (ledger_size(s.k->ledger) < size)
        WRONG("the ledger is shorter");
    memset(&r, 0, sizeof(r));
    buf_init(&leaf, LEAF_MAX);
    for (uint64_t i = 0; i < size && !told; i++) {
        struct digest path[CORE_PROOF_MAX];
        size_t n = 0;

        buf_reset(&leaf);
        told = ledger_leaf(s.k->ledger, i, &leaf, &e) != 0;
        sha256_leaf(leaf.data, leaf.len, &h);
        if (!told && core_range_add(&note_crypto, &r, &h) != 0)
            fail_msg("adding a leaf");
        told = told || ledger_inclusion(s.k->ledger, i, size, path, &n, &e) != 0;
        if (!told && core_inclusion(&note_crypto, i, size, &h, path, n, &root) != 0)
            WRONG("leaf %llu is not proved", (unsigned long long)i);
    }
    buf_free(&leaf);
    if (told && (e.code == 0 || e.text[0] == '\0'))
        fail_msg("the ledger fails without a sentence");
    core_range_root(&note_crypto, &r, &is);
    if (!told && !digest_eq(&is, &root))
        WRONG("another history");
    return told;
}

static enum outcome look(void)
{
    struct vault_scrub scrub;
    bool found = s.report.damaged > 0;

    for (unsigned n = 1; n <= SUBS; n++)
        found |= look_at_submission(n);
    found |= look_at_ledger();
    if (vault_scrub(s.k->vault, &scrub, NULL, NULL, &s.e) != 0)
        found = true;
    else
        found |= scrub.bad_objects + scrub.bad_segments + scrub.bad_stretches > 0;
    if (signer_size(s.signer) < signed_size)
        WRONG("the signer has forgotten what it signed");
    if (!found && wrong[0] == '\0') { /* then it goes on */
        s.next = SUBS + 1;
        if (stores_accept(&s, 1) != 0 || stores_publish(&s) != 0) {
            if (s.e.text[0] == '\0')
                fail_msg("it does not go on, without a sentence");
            found = true;
        }
    }
    return found ? FOUND : wrong[0] != '\0' ? UNSEEN : HARMLESS;
}

static enum outcome one_flip(const char *file, uint64_t seed)
{
    const char *const cp[] = {"cp", "-a", base, copy, NULL};
    enum outcome is = REFUSED;
    int rc;

    wrong[0] = '\0';
    scratch_make(copy);
    assert_int_equal(rmdir(copy), 0);
    run(cp);
    flip(file, seed);
    rc = stores_open(&s, copy);
    if (rc == 0)
        is = look();
    else if (s.e.text[0] == '\0')
        fail_msg("it does not open (%d), and does not say why", rc);
    stores_close(&s);
    scratch_remove(copy);
    return is;
}

static void kind(const struct kind *k)
{
    bool soak = getenv("SOAK_ROUNDS") != NULL;
    unsigned long count[OUTCOMES] = {0};

    pattern_now = k->pattern;
    n_found = 0;
    assert_int_equal(nftw(base, match, 16, FTW_PHYS), 0);
    if (n_found == 0)
        fail_msg("no file is called \"%s\"", k->pattern);
    for (unsigned i = 0; i < (soak ? k->soak_flips : k->flips); i++) {
        enum outcome is = one_flip(found_files[i % n_found], i + 1);

        if (is == UNSEEN && !k->unseen)
            fail_msg("nobody notices: %s", wrong);
        count[is]++;
    }
    print_message("%-16s %zu files:", k->name, n_found);
    for (unsigned i = 0; i < OUTCOMES; i++)
        print_message(" %lu %s%s", count[i], words[i], i + 1 < OUTCOMES ? "," : "\n");
    where[0] = '\0';
}

static void a_flipped_bit_is_found_or_harmless(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        kind(&kinds[i]);
}

/* --- the site, once --- */

static void good(int rc)
{
    if (rc != 0)
        fail_msg("%d: %s", rc, err_text(&s.e));
}

static int set_up(void **state)
{
    (void)state;
    log_open("test", LOG_ERROR_, open("/dev/null", O_WRONLY | O_CLOEXEC));
    scratch_make(base);
    good(stores_found(&s, base));
    good(stores_accept(&s, 3));
    good(stores_publish(&s));
    good(stores_erase(&s, 2));
    good(stores_accept(&s, 5));
    good(stores_turn(&s));
    good(stores_inventory(&s));
    good(stores_erase(&s, 7));
    good(stores_accept(&s, 4));
    good(stores_publish(&s));
    for (unsigned n = 1; n <= SUBS; n++) {
        struct id128 sub = stores_id(n, 's');

        assert_int_equal(catalog_submission_get(s.k->catalog, &sub, &row[n]), 0);
        here[n] = row[n].state == CATALOG_LIVE;
    }
    size = ledger_published(s.k->ledger);
    ledger_root(s.k->ledger, &root);
    signed_size = signer_size(s.signer);
    stores_close(&s);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (where[0] != '\0')
        print_error("%s\n", where);
    stores_close(&s);
    scratch_remove(copy);
    scratch_remove(base);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_flipped_bit_is_found_or_harmless, set_up, tear_down)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

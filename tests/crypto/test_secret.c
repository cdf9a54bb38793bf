#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gnutls/crypto.h>

#include "crypto/secret.h"
#include "hex.h"

static bool no_lock, no_random;

int __real_mlock(const void *p, size_t n);
int __wrap_mlock(const void *p, size_t n);
int __wrap_mlock(const void *p, size_t n)
{
    if (!no_lock)
        return __real_mlock(p, n);
    errno = ENOMEM;
    return -1;
}

int __real_gnutls_rnd(gnutls_rnd_level_t level, void *p, size_t n);
int __wrap_gnutls_rnd(gnutls_rnd_level_t level, void *p, size_t n);
int __wrap_gnutls_rnd(gnutls_rnd_level_t level, void *p, size_t n)
{
    return no_random ? GNUTLS_E_RANDOM_FAILED : __real_gnutls_rnd(level, p, n);
}

/* What /proc/self/smaps says about the mapping that holds p. */
static bool smaps_says(const void *p, const char *key, const char *want)
{
    FILE *f = fopen("/proc/self/smaps", "re");
    bool inside = false, yes = false;
    unsigned long from, to;
    char line[512];

    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            inside = (unsigned long)p >= from && (unsigned long)p < to;
        else if (inside && strncmp(line, key, strlen(key)) == 0)
            yes = strstr(line, want) != NULL;
    }
    (void)fclose(f);
    return yes;
}

static void secret_memory_is_zeroed_locked_and_not_dumped(void **state)
{
    uint8_t *p = secret_alloc(5000);

    (void)state;
    assert_non_null(p);
    for (size_t i = 0; i < 5000; i++)
        assert_int_equal(p[i], 0);
#ifndef __SANITIZE_ADDRESS__ /* which answers mlock itself and locks nothing */
    assert_true(smaps_says(p, "VmFlags:", " lo "));
#endif
    assert_true(smaps_says(p, "VmFlags:", " dd "));
    secret_free(p, 5000);
    secret_free(NULL, 5000);
    assert_null(secret_alloc(0));
    assert_null(secret_alloc(SIZE_MAX));
}

static void a_refused_lock_is_told_with_its_limit_and_cure(void **state)
{
    struct rlimit old, lim = {8192, 8192};
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &old), 0);
    lim.rlim_max = old.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &lim), 0);
    no_lock = true; /* root may lock beyond the limit */
    assert_null(secret_alloc(100));
    no_lock = false;
    assert_int_equal(secret_err(&e, 100), -ENOMEM);
    assert_non_null(strstr(e.text, "cannot lock 100 bytes"));
    assert_non_null(strstr(e.text, "8192"));
    assert_non_null(strstr(e.text, "LimitMEMLOCK"));
    assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &old), 0);
}

static void comparison_sees_every_byte(void **state)
{
    uint8_t a[33] = {0}, b[33] = {0};

    (void)state;
    assert_true(secret_eq(a, b, sizeof(a)));
    for (size_t i = 0; i < sizeof(a); i++) {
        b[i] = 1;
        assert_false(secret_eq(a, b, sizeof(a)));
        b[i] = 0;
    }
    assert_true(secret_eq(NULL, NULL, 0));
    memset(a, 7, sizeof(a));
    secret_wipe(a, sizeof(a));
    assert_true(secret_eq(a, b, sizeof(a)));
}

static void a_forked_child_draws_other_bytes(void **state)
{
    uint8_t mine[16], its[16];
    int end[2], status;
    pid_t pid;

    (void)state;
    random_bytes(mine, sizeof(mine)); /* the generator has its state before the fork */
    assert_int_equal(pipe(end), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        random_bytes(its, sizeof(its));
        _exit(write(end[1], its, sizeof(its)) == sizeof(its) ? 0 : 1);
    }
    random_bytes(mine, sizeof(mine));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(read(end[0], its, sizeof(its)), sizeof(its));
    assert_memory_not_equal(mine, its, sizeof(mine));
    (void)close(end[0]);
    (void)close(end[1]);
}

static void numbers_below_n_cover_all_of_it_evenly(void **state)
{
    unsigned seen[6] = {0};
    struct id128 a = random_id(), b = random_id();

    (void)state;
    assert_memory_not_equal(a.b, b.b, sizeof(a.b));
    for (int i = 0; i < 60000; i++) {
        uint64_t x = random_below(6);

        assert_true(x < 6);
        seen[x]++;
    }
    /* mean 10,000, standard deviation 91: ten of them are 910 */
    for (size_t i = 0; i < ARRAY_LEN(seen); i++)
        assert_in_range(seen[i], 9090, 10910);
    assert_true(random_below(1) == 0);
    for (int i = 0; i < 100; i++)
        assert_true(random_below(UINT64_MAX) < UINT64_MAX);
}

static void a_failed_generator_aborts(void **state)
{
    int status;
    pid_t pid = fork();

    (void)state;
    assert_true(pid >= 0);
    if (pid == 0) {
        uint8_t b[4];

        (void)signal(SIGABRT, SIG_DFL); /* cmocka would catch it */
        (void)close(STDERR_FILENO);
        no_random = true;
        random_bytes(b, sizeof(b));
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void the_vectors_of_rfc_5869_come_out(void **state)
{
    /* appendix A.1 to A.3 */
    static const struct {
        const char *ikm, *salt, *info, *okm;
    } row[] = {
        {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c",
         "f0f1f2f3f4f5f6f7f8f9",
         "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
        {"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2"
         "c2d"
         "2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f",
         "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8"
         "c8d"
         "8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
         "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbd"
         "cdd"
         "dedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
         "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65"
         "e59"
         "0e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"},
        {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
         "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        uint8_t ikm[80], salt[80], info[80], okm[82];
        size_t nk = unhex(row[i].ikm, ikm, sizeof(ikm));
        size_t ns = unhex(row[i].salt, salt, sizeof(salt));
        size_t ni = unhex(row[i].info, info, sizeof(info));
        size_t n = strlen(row[i].okm) / 2;

        hkdf_sha256(span_of(ikm, nk), span_of(ns > 0 ? salt : NULL, ns),
                    span_of(ni > 0 ? info : NULL, ni), okm, n);
        assert_hex(okm, n, row[i].okm);
    }
}

static void the_vectors_of_rfc_4231_come_out(void **state)
{
    /* sections 4.2, 4.3, 4.4 and 4.7 (a key longer than a block) */
    uint8_t key[131], data[50];
    struct digest d;

    (void)state;
    memset(key, 0x0b, 20);
    hmac_sha256(span_of(key, 20), span_str("Hi There"), &d);
    assert_hex(d.b, 32, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    hmac_sha256(span_str("Jefe"), span_str("what do ya want for nothing?"), &d);
    assert_hex(d.b, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof(key));
    memset(data, 0xdd, sizeof(data));
    hmac_sha256(span_of(key, 20), span_of(data, 50), &d);
    assert_hex(d.b, 32, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    hmac_sha256(span_of(key, 131),
                span_str("Test Using Larger Than Block-Size Key - Hash Key First"), &d);
    assert_hex(d.b, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secret_memory_is_zeroed_locked_and_not_dumped),
        cmocka_unit_test(a_refused_lock_is_told_with_its_limit_and_cure),
        cmocka_unit_test(comparison_sees_every_byte),
        cmocka_unit_test(a_forked_child_draws_other_bytes),
        cmocka_unit_test(numbers_below_n_cover_all_of_it_evenly),
        cmocka_unit_test(a_failed_generator_aborts),
        cmocka_unit_test(the_vectors_of_rfc_5869_come_out),
        cmocka_unit_test(the_vectors_of_rfc_4231_come_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

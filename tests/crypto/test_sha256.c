#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto/md5.h"
#include "crypto/sha256.h"
#include "hex.h"

#ifndef BY_NETTLE /* sha256_nettle.c: has nothing that could fail */
#include <gnutls/crypto.h>

static bool no_memory;

int __real_gnutls_hash_init(gnutls_hash_hd_t *h, gnutls_digest_algorithm_t a);
int __wrap_gnutls_hash_init(gnutls_hash_hd_t *h, gnutls_digest_algorithm_t a);
int __wrap_gnutls_hash_init(gnutls_hash_hd_t *h, gnutls_digest_algorithm_t a)
{
    return no_memory ? GNUTLS_E_MEMORY_ERROR : __real_gnutls_hash_init(h, a);
}
#endif

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define TWO_BLOCKS "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"
#define TWO_BLOCKS_HASH "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
#define MILLION_A_HASH "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"

static void the_examples_of_fips_180_come_out(void **state)
{
    struct digest d;

    (void)state;
    sha256_of("abc", 3, &d);
    assert_hex(d.b, 32, ABC);
    sha256_of(TWO_BLOCKS, strlen(TWO_BLOCKS), &d);
    assert_hex(d.b, 32, TWO_BLOCKS_HASH);
    sha256_of(NULL, 0, &d); /* also the root of RFC 6962's empty tree */
    assert_hex(d.b, 32, EMPTY);
}

static void a_running_hash_can_be_fed_in_any_pieces_and_used_again(void **state)
{
    struct sha256 *h = sha256_new();
    char a[1000];
    struct digest d;

    (void)state;
    memset(a, 'a', sizeof(a));
    for (size_t left = 1000000, step = 1; left > 0; left -= step) {
        step = step % 997 + 1 < left ? step % 997 + 1 : left;
        sha256_add(h, a, step);
    }
    sha256_end(h, &d);
    assert_hex(d.b, 32, MILLION_A_HASH);
    sha256_add(h, "ab", 2);
    sha256_add(h, NULL, 0);
    sha256_add(h, "c", 1);
    sha256_end(h, &d);
    assert_hex(d.b, 32, ABC);
    sha256_end(h, &d);
    assert_hex(d.b, 32, EMPTY);
    sha256_free(h);
    sha256_free(NULL);
}

static void parts_hash_like_their_concatenation(void **state)
{
    const struct span part[] = {span_str("a"), span_of(NULL, 0), span_str("bc")};
    struct digest d;

    (void)state;
    sha256_ofv(part, ARRAY_LEN(part), &d);
    assert_hex(d.b, 32, ABC);
    sha256_ofv(NULL, 0, &d);
    assert_hex(d.b, 32, EMPTY);
}

/* The tree of Certificate Transparency's reference tests; each value can be had with
 * `printf '\0...' | sha256sum`. */
static void leaves_and_nodes_are_separated_as_rfc_6962_says(void **state)
{
    struct digest empty, zero, node;

    (void)state;
    sha256_leaf("", 0, &empty);
    assert_hex(empty.b, 32, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    sha256_leaf("\0", 1, &zero);
    assert_hex(zero.b, 32, "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7");
    sha256_node(&empty, &zero, &node);
    assert_hex(node.b, 32, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125");
}

static void leaves_of_every_size_have_the_zero_byte_before_them(void **state)
{
    static uint8_t text[1 + 65535];
    const size_t size[] = {1, 55, 63, 1023, 1024, 1025, 65535};
    struct digest leaf, plain;

    (void)state;
    for (size_t i = 1; i < sizeof(text); i++)
        text[i] = (uint8_t)(i * 7);
    for (size_t i = 0; i < ARRAY_LEN(size); i++) {
        sha256_leaf(text + 1, size[i], &leaf);
        sha256_of(text, 1 + size[i], &plain);
        assert_true(digest_eq(&leaf, &plain));
    }
}

static void digests_compare_as_bytes(void **state)
{
    struct digest a = {{0}}, b = {{0}};

    (void)state;
    assert_true(digest_eq(&a, &b));
    assert_int_equal(digest_cmp(&a, &b), 0);
    b.b[31] = 1;
    assert_false(digest_eq(&a, &b));
    assert_true(digest_cmp(&a, &b) < 0);
    a.b[0] = 0x80;
    assert_true(digest_cmp(&a, &b) > 0);
}

static void *hash_many(void *ok)
{
    struct digest d;
    char hex[65];

    *(bool *)ok = true;
    for (int i = 0; i < 20000; i++) {
        sha256_of("abc", 3, &d);
        text_digest(hex, &d);
        if (strcmp(hex, ABC) != 0)
            *(bool *)ok = false;
    }
    return NULL;
}

static void threads_do_not_disturb_each_other(void **state)
{
    pthread_t t[4];
    bool ok[4] = {false};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        assert_int_equal(pthread_create(&t[i], NULL, hash_many, &ok[i]), 0);
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        assert_int_equal(pthread_join(t[i], NULL), 0);
        assert_true(ok[i]);
    }
}

static void the_examples_of_rfc_1321_come_out(void **state)
{
    uint8_t md5[16];

    (void)state;
    assert_true(md5_of("", 0, md5));
    assert_hex(md5, 16, "d41d8cd98f00b204e9800998ecf8427e");
    assert_true(md5_of("message digest", 14, md5));
    assert_hex(md5, 16, "f96b697d7cb7938d525a2f31aaf161d0");
}

#ifndef BY_NETTLE
static void *in_a_thread(void *arg)
{
    struct digest d;

    no_memory = true;
    sha256_of("", 0, &d);
    return arg;
}

static void lack_of_memory_is_said_by_a_running_hash_and_aborts_the_others(void **state)
{
    pthread_t thread; /* has no handle yet */
    int status;
    pid_t pid;

    (void)state;
    no_memory = true;
    assert_null(sha256_new());
    no_memory = false;
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)signal(SIGABRT, SIG_DFL); /* cmocka would catch it */
        (void)close(STDERR_FILENO);
        if (pthread_create(&thread, NULL, in_a_thread, NULL) == 0)
            (void)pthread_join(thread, NULL);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_fips_180_come_out),
        cmocka_unit_test(a_running_hash_can_be_fed_in_any_pieces_and_used_again),
        cmocka_unit_test(parts_hash_like_their_concatenation),
        cmocka_unit_test(leaves_and_nodes_are_separated_as_rfc_6962_says),
        cmocka_unit_test(leaves_of_every_size_have_the_zero_byte_before_them),
        cmocka_unit_test(digests_compare_as_bytes),
        cmocka_unit_test(threads_do_not_disturb_each_other),
        cmocka_unit_test(the_examples_of_rfc_1321_come_out),
#ifndef BY_NETTLE
        cmocka_unit_test(lack_of_memory_is_said_by_a_running_hash_and_aborts_the_others),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/io.h"
#include "crypto/ed25519.h"
#include "crypto/secret.h"
#include "hex.h"
#include "traces.h"

static bool no_lock;

int __real_mlock(const void *p, size_t n);
int __wrap_mlock(const void *p, size_t n);
int __wrap_mlock(const void *p, size_t n)
{
    if (!no_lock)
        return __real_mlock(p, n);
    errno = ENOMEM;
    return -1;
}

/* RFC 8032 section 7.1: tests 1, 2, 3 and SHA(abc) */
static const struct {
    const char *seed, *pub, *msg, *sig;
} rfc8032[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b"
     "4"
     "6bd25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11"
     "d"
     "8c387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc"
     "6"
     "594a7c15e9716ed28dc027beceea1ec40a"},
    {"833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
     "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3fee"
     "b"
     "bd454d4423643ce80e2a9ac94fa54ca49f",
     "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e"
     "0"
     "303dca179c138ac17ad9bef1177331a704"},
};

static void the_vectors_of_rfc_8032_come_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rfc8032); i++) {
        struct ed25519_key *k = NULL;
        struct ed25519_pub pub;
        struct ed25519_sig sig;
        uint8_t seed[32], back[32], msg[64];
        size_t n = unhex(rfc8032[i].msg, msg, sizeof(msg));

        (void)unhex(rfc8032[i].seed, seed, sizeof(seed));
        assert_int_equal(ed25519_from_seed(&k, seed), 0);
        ed25519_public(k, &pub);
        assert_hex(pub.b, 32, rfc8032[i].pub);
        ed25519_seed(k, back);
        assert_memory_equal(back, seed, 32);
        assert_int_equal(ed25519_sign(k, msg, n, &sig), 0);
        assert_hex(sig.b, 64, rfc8032[i].sig);
        assert_int_equal(ed25519_verify(&pub, msg, n, &sig), 0);
        ed25519_free(k);
    }
}

static void one_flipped_bit_anywhere_is_refused(void **state)
{
    uint8_t msg[2];
    struct ed25519_pub pub;
    struct ed25519_sig sig;

    (void)state;
    (void)unhex(rfc8032[2].msg, msg, sizeof(msg));
    (void)unhex(rfc8032[2].pub, pub.b, sizeof(pub.b));
    (void)unhex(rfc8032[2].sig, sig.b, sizeof(sig.b));
    for (size_t bit = 0; bit < 512; bit++) {
        sig.b[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(ed25519_verify(&pub, msg, 2, &sig), -EBADMSG);
        sig.b[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t bit = 0; bit < 256; bit++) {
        pub.b[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(ed25519_verify(&pub, msg, 2, &sig), -EBADMSG);
        pub.b[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t bit = 0; bit < 16; bit++) {
        msg[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(ed25519_verify(&pub, msg, 2, &sig), -EBADMSG);
        msg[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(ed25519_verify(&pub, msg, 1, &sig), -EBADMSG);
    assert_int_equal(ed25519_verify(&pub, msg, 2, &sig), 0);
}

/* S + L satisfies the same equation: without the check every signature would have a twin. */
static void a_signature_with_s_plus_the_order_is_refused(void **state)
{
    uint8_t order[32], msg[2];
    struct ed25519_pub pub;
    struct ed25519_sig sig;
    unsigned carry = 0;

    (void)state;
    (void)unhex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010", order, 32);
    (void)unhex(rfc8032[2].msg, msg, sizeof(msg));
    (void)unhex(rfc8032[2].pub, pub.b, sizeof(pub.b));
    (void)unhex(rfc8032[2].sig, sig.b, sizeof(sig.b));
    for (int i = 0; i < 32; i++) {
        carry += (unsigned)sig.b[32 + i] + order[i];
        sig.b[32 + i] = (uint8_t)carry;
        carry >>= 8;
    }
    assert_int_equal(carry, 0);
    assert_int_equal(ed25519_verify(&pub, msg, 2, &sig), -EBADMSG);
}

static void generated_keys_differ_and_sign(void **state)
{
    struct ed25519_key *a = NULL, *b = NULL;
    struct ed25519_pub pa, pb;
    struct ed25519_sig sig;

    (void)state;
    assert_int_equal(ed25519_generate(&a), 0);
    assert_int_equal(ed25519_generate(&b), 0);
    ed25519_public(a, &pa);
    ed25519_public(b, &pb);
    assert_memory_not_equal(pa.b, pb.b, 32);
    assert_int_equal(ed25519_sign(a, NULL, 0, &sig), 0);
    assert_int_equal(ed25519_verify(&pa, "", 0, &sig), 0);
    assert_int_equal(ed25519_verify(&pb, "", 0, &sig), -EBADMSG);
    ed25519_free(a);
    ed25519_free(b);
    ed25519_free(NULL);
}

static void a_freed_key_leaves_no_trace(void **state)
{
    uint8_t flipped[32];
    struct ed25519_key *k = NULL;
    struct ed25519_sig sig;
    int found;

    (void)state;
    assert_int_equal(ed25519_generate(&k), 0);
    ed25519_seed(k, flipped);
    for (size_t i = 0; i < sizeof(flipped); i++)
        flipped[i] = (uint8_t)~flipped[i];
    assert_int_equal(ed25519_sign(k, "x", 1, &sig), 0);
    found = traces_of(flipped, sizeof(flipped));
    ed25519_free(k);
    if (found < 0)
        skip();
    assert_true(found >= 1); /* the search can find it */
    assert_int_equal(traces_of(flipped, sizeof(flipped)), 0);
}

static void without_locked_memory_there_is_no_key(void **state)
{
    struct ed25519_key *k = NULL;
    struct err e = ERR_INIT;

    (void)state;
    no_lock = true;
    assert_int_equal(ed25519_generate(&k), -ENOMEM);
    assert_int_equal(ed25519_load(&k, "/nowhere", &e), -ENOMEM);
    no_lock = false;
    assert_null(k);
}

static char dir[] = "/tmp/test-ed25519-XXXXXX";
static char path[64];

static int make_dir(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL)
        return -1;
    (void)snprintf(path, sizeof(path), "%s/key", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(dir);
}

static void a_stored_key_loads_again_and_is_never_overwritten(void **state)
{
    struct ed25519_key *k = NULL, *back = NULL;
    struct ed25519_pub p, q;
    struct err e = ERR_INIT;
    struct stat st;

    (void)state;
    assert_int_equal(ed25519_generate(&k), 0);
    assert_int_equal(ed25519_store(k, path, &e), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(ed25519_load(&back, path, &e), 0);
    ed25519_public(k, &p);
    ed25519_public(back, &q);
    assert_memory_equal(p.b, q.b, 32);
    assert_int_equal(ed25519_store(k, path, &e), -EEXIST);
    assert_int_equal(chmod(path, 0640), 0);
    ed25519_free(back);
    assert_int_equal(ed25519_load(&back, path, &e), -EACCES);
    assert_non_null(strstr(e.text, "chmod 600"));
    ed25519_free(k);
    assert_int_equal(unlink(path), 0);
}

static void only_ed25519_keys_are_loaded(void **state)
{
    /* openssl genpkey -algorithm x25519; openssl genpkey -algorithm ed25519, cut */
    static const char *const bad[] = {
        "",
        "no key at all\n",
        "-----BEGIN PRIVATE KEY-----\n"
        "MC4CAQAwBQYDK2VuBCIEIHcHbQpzGKV9PBbBclGyZkXfTC+H68CZKrF3+6UduSwq\n"
        "-----END PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\n"
        "MC4CAQAwBQYDK2VwBCIEIHcHbQpzGKV9PBbBclGyZkXfTC+H68CZKrF3+6Ud\n"
        "-----END PRIVATE KEY-----\n",
    };
    struct ed25519_key *k = NULL;
    struct err e = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(io_replace_file(AT_FDCWD, path, bad[i], strlen(bad[i]), 0600), 0);
        assert_int_equal(ed25519_load(&k, path, &e), -EBADMSG);
        assert_non_null(strstr(e.text, path));
    }
    assert_int_equal(unlink(path), 0);
    assert_int_equal(ed25519_load(&k, path, &e), -ENOENT);
    assert_int_equal(ed25519_load(&k, dir, &e), -EINVAL);
}

/* RFC 8410 section 10.3 prints this key and, in section 10.1, its public half. */
static void the_key_file_of_rfc_8410_loads(void **state)
{
    static const char pem[] = "-----BEGIN PRIVATE KEY-----\n"
                              "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
                              "-----END PRIVATE KEY-----\n";
    struct ed25519_key *k = NULL;
    struct ed25519_pub pub;
    struct err e = ERR_INIT;
    struct buf b;

    (void)state;
    assert_int_equal(io_replace_file(AT_FDCWD, path, pem, strlen(pem), 0600), 0);
    assert_int_equal(ed25519_load(&k, path, &e), 0);
    ed25519_public(k, &pub);
    assert_hex(pub.b, 32, "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(ed25519_store(k, path, &e), 0);
    buf_init(&b, 4096);
    assert_int_equal(io_read_file(AT_FDCWD, path, &b), 0);
    assert_string_equal(buf_str(&b), pem);
    buf_free(&b);
    ed25519_free(k);
    assert_int_equal(unlink(path), 0);
}

/* printf '%s' d75a...511a | xxd -r -p | sha256sum */
static void the_keyid_is_the_hash_of_the_raw_key(void **state)
{
    struct ed25519_pub pub;
    char id[65];

    (void)state;
    (void)unhex(rfc8032[0].pub, pub.b, sizeof(pub.b));
    ed25519_keyid(&pub, id);
    assert_string_equal(id, "21fe31dfa154a261626bf854046fd2271b7bed4b6abe45aa58877ef47f9721b9");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_rfc_8032_come_out),
        cmocka_unit_test(one_flipped_bit_anywhere_is_refused),
        cmocka_unit_test(a_signature_with_s_plus_the_order_is_refused),
        cmocka_unit_test(generated_keys_differ_and_sign),
        cmocka_unit_test(a_freed_key_leaves_no_trace),
        cmocka_unit_test(without_locked_memory_there_is_no_key),
        cmocka_unit_test(a_stored_key_loads_again_and_is_never_overwritten),
        cmocka_unit_test(only_ed25519_keys_are_loaded),
        cmocka_unit_test(the_key_file_of_rfc_8410_loads),
        cmocka_unit_test(the_keyid_is_the_hash_of_the_raw_key),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

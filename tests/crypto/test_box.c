#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>

#include "crypto/aead.h"
#include "crypto/secret.h"
#include "crypto/x25519_priv.h"
#include "hex.h"

static void the_vectors_of_rfc_7748_come_out(void **state)
{
    uint8_t a[32], b[32], pa[32], pb[32], out[32], k[32], u[32];

    (void)state;
    /* section 6.1 */
    (void)unhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a", a, 32);
    (void)unhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", b, 32);
    box_public(a, pa);
    box_public(b, pb);
    assert_hex(pa, 32, "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
    assert_hex(pb, 32, "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
    x25519_mul(out, a, pb);
    assert_hex(out, 32, "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    x25519_mul(out, b, pa);
    assert_hex(out, 32, "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    /* section 5.2, first vector, then the iteration: after 1 and after 1,000 rounds */
    (void)unhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4", k, 32);
    (void)unhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c", u, 32);
    x25519_mul(out, k, u);
    assert_hex(out, 32, "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
    memset(k, 0, 32);
    k[0] = 9;
    memcpy(u, k, 32);
    for (int i = 1; i <= 1000; i++) {
        x25519_mul(out, k, u);
        memcpy(u, k, 32);
        memcpy(k, out, 32);
        if (i == 1)
            assert_hex(k, 32, "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
    }
    assert_hex(k, 32, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
}

static void a_box_opens_for_its_recipient_and_context_only(void **state)
{
    uint8_t *priv = secret_alloc(64);
    uint8_t pub[32], other[32], box[5 + BOX_EXTRA], twin[5 + BOX_EXTRA], out[5];

    (void)state;
    assert_non_null(priv);
    box_keypair(pub, priv);
    box_keypair(other, priv + 32);
    assert_int_equal(box_seal(pub, span_str("ctx"), "hello", 5, box), 0);
    assert_int_equal(box_seal(pub, span_str("ctx"), "hello", 5, twin), 0);
    assert_memory_not_equal(box, twin, 32);
    assert_int_equal(box_open(priv, span_str("ctx"), box, sizeof(box), out), 0);
    assert_memory_equal(out, "hello", 5);
    assert_int_equal(box_open(priv, span_str("cty"), box, sizeof(box), out), -EBADMSG);
    assert_int_equal(box_open(priv + 32, span_str("ctx"), box, sizeof(box), out), -EBADMSG);
    for (size_t i = 0; i < sizeof(box); i++) {
        box[i] ^= 0x01;
        assert_int_equal(box_open(priv, span_str("ctx"), box, sizeof(box), out), -EBADMSG);
        box[i] ^= 0x01;
    }
    for (size_t n = 0; n < sizeof(box); n++)
        assert_int_equal(box_open(priv, span_str("ctx"), box, n, out), -EBADMSG);
    secret_free(priv, 64);
}

/* Opened by the parts the header names, so that another program can do it. */
static void the_box_is_made_as_its_header_says(void **state)
{
    uint8_t priv[32], pub[32], shared[32], salt[64], okm[44], box[3 + BOX_EXTRA], want[3 + 16];
    struct aead *a = NULL;

    (void)state;
    box_keypair(pub, priv);
    assert_int_equal(box_seal(pub, span_str("c"), "abc", 3, box), 0);
    x25519_mul(shared, priv, box);
    memcpy(salt, box, 32);
    memcpy(salt + 32, pub, 32);
    hkdf_sha256(span_of(shared, 32), span_of(salt, 64), span_str("c"), okm, 44);
    assert_int_equal(aead_new(&a, okm), 0);
    assert_int_equal(aead_seal(a, okm + 32, span_of(NULL, 0), "abc", 3, want), 0);
    assert_memory_equal(box + 32, want, sizeof(want));
    aead_free(a);
}

static void points_of_small_order_are_refused(void **state)
{
    /* the points of order 1, 2 and 4, and one of the two of order 8 */
    static const char *const small[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    };
    uint8_t priv[32], pub[32], to[32], box[1 + BOX_EXTRA] = {0}, out[1];

    (void)state;
    box_keypair(pub, priv);
    for (size_t i = 0; i < ARRAY_LEN(small); i++) {
        (void)unhex(small[i], to, 32);
        assert_int_equal(box_seal(to, span_str(""), "x", 1, box), -EINVAL);
        memcpy(box, to, 32);
        assert_int_equal(box_open(priv, span_str(""), box, sizeof(box), out), -EBADMSG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_rfc_7748_come_out),
        cmocka_unit_test(a_box_opens_for_its_recipient_and_context_only),
        cmocka_unit_test(the_box_is_made_as_its_header_says),
        cmocka_unit_test(points_of_small_order_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

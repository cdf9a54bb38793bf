/* Signatures that satisfy an equation and are refused all the same, or not.  Made by arithmetic
 * over integers from RFC 8032 section 5.1 (a, r: SHA-512 of "edge a" and "edge r"; the message is
 * the first decimal number for which h = SHA-512(R, A, M) has the wanted remainder by 8).  All but
 * one satisfy S B = R + h A, the equation without the cofactor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "crypto/ed25519.h"
#include "hex.h"

struct point_case {
    const char *what, *pub, *msg, *sig;
};

static int verdict(const struct point_case *c)
{
    struct ed25519_pub pub;
    struct ed25519_sig sig;

    assert_int_equal(unhex(c->pub, pub.b, sizeof(pub.b)), 32);
    assert_int_equal(unhex(c->sig, sig.b, sizeof(sig.b)), 64);
    return ed25519_verify(&pub, c->msg, strlen(c->msg), &sig);
}

/* The key or the nonce's point is one of the eight of small order.  Such a key is nobody's: what is
 * signed by it fits many messages. */
static const struct point_case small_order[] = {
    {"A of small order 0", "0100000000000000000000000000000000000000000000000000000000000000", "10",
     "d3df435a2189f29a9f3b02dc05c524004a77a2ba9c10191846e7ae5f96b4a49e"
     "1905af99fce91575d8316cb86ad9438c08b82ea640555c3d6a6291f346fbf108"},
    {"A of small order 1", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", "8",
     "d3df435a2189f29a9f3b02dc05c524004a77a2ba9c10191846e7ae5f96b4a49e"
     "1905af99fce91575d8316cb86ad9438c08b82ea640555c3d6a6291f346fbf108"},
    {"A of small order 2", "0000000000000000000000000000000000000000000000000000000000000080", "3",
     "d3df435a2189f29a9f3b02dc05c524004a77a2ba9c10191846e7ae5f96b4a49e"
     "1905af99fce91575d8316cb86ad9438c08b82ea640555c3d6a6291f346fbf108"},
    {"A of small order 3", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", "11",
     "d3df435a2189f29a9f3b02dc05c524004a77a2ba9c10191846e7ae5f96b4a49e"
     "1905af99fce91575d8316cb86ad9438c08b82ea640555c3d6a6291f346fbf108"},
    {"A of small order 4", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "4",
     "d3df435a2189f29a9f3b02dc05c524004a77a2ba9c10191846e7ae5f96b4a49e"
     "1905af99fce91575d8316cb86ad9438c08b82ea640555c3d6a6291f346fbf108"},
    {"A of small order 5", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85", "15",
     "d3df435a2189f29a9f3b02dc05c524004a77a2ba9c10191846e7ae5f96b4a49e"
     "1905af99fce91575d8316cb86ad9438c08b82ea640555c3d6a6291f346fbf108"},
    {"A of small order 6", "0000000000000000000000000000000000000000000000000000000000000000", "6",
     "d3df435a2189f29a9f3b02dc05c524004a77a2ba9c10191846e7ae5f96b4a49e"
     "1905af99fce91575d8316cb86ad9438c08b82ea640555c3d6a6291f346fbf108"},
    {"A of small order 7", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa", "11",
     "d3df435a2189f29a9f3b02dc05c524004a77a2ba9c10191846e7ae5f96b4a49e"
     "1905af99fce91575d8316cb86ad9438c08b82ea640555c3d6a6291f346fbf108"},
    {"R of small order 0", "4227f14d4bb96d4a3dc593a31180c871f45d113d6c42a0805a90ec683fbafb21", "1",
     "0100000000000000000000000000000000000000000000000000000000000000"
     "40d49aacd63e8c60309aa90dbb68f08103cf6cb1c177305b6791dac342f86e09"},
    {"R of small order 1", "4227f14d4bb96d4a3dc593a31180c871f45d113d6c42a0805a90ec683fbafb21", "3",
     "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"
     "c1d7109502c3e3f9b7b1c0ff31637d0cb7148da665fe03fdd5bb493502213605"},
    {"R of small order 2", "4227f14d4bb96d4a3dc593a31180c871f45d113d6c42a0805a90ec683fbafb21", "11",
     "0000000000000000000000000000000000000000000000000000000000000080"
     "f249e6c07c74e80032655f7981ed82890d345ab154c499b1299d7ffdd6bee703"},
    {"R of small order 3", "4227f14d4bb96d4a3dc593a31180c871f45d113d6c42a0805a90ec683fbafb21", "5",
     "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"
     "763a8b2db78f968390200c9351eb2144e430851b06647eaa0688ba6f71e96502"},
    {"R of small order 4", "4227f14d4bb96d4a3dc593a31180c871f45d113d6c42a0805a90ec683fbafb21", "24",
     "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"
     "0209073ae32825476a2ce2aaf97aa81cd54e5d05a290708c40d2bcc105216804"},
    {"R of small order 5", "4227f14d4bb96d4a3dc593a31180c871f45d113d6c42a0805a90ec683fbafb21", "2",
     "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85"
     "588c6845ba259a28e7fde1bfd77a69c584851ef1dbd94b683722b84497c7d400"},
    {"R of small order 6", "4227f14d4bb96d4a3dc593a31180c871f45d113d6c42a0805a90ec683fbafb21", "3",
     "0000000000000000000000000000000000000000000000000000000000000000"
     "0c641fec2b00b222ed51d519f565426c4e5b965bef7eec8bcd9bb139dc47e10f"},
    {"R of small order 7", "4227f14d4bb96d4a3dc593a31180c871f45d113d6c42a0805a90ec683fbafb21", "22",
     "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"
     "41b6139276afea61955cac6bb199e692af2ff86ee57774a8da190ca63082e103"},
};

/* Both forms that RFC 8032 section 5.1.3 does not decode: y not below p, and x = 0 with a sign. */
static const struct point_case not_canonical[] = {
    {"R identity as p+1", "63c74463a9eb2d48664308d17d25a5e6d8c52e6e62884bc05bd1bd6daed77974", "x",
     "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"
     "f43245870e369cecaff363c514fec6ca79764ad3abcdeec2d85631dd7cf23e01"},
    {"A identity as p+1", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "x",
     "d3df435a2189f29a9f3b02dc05c524004a77a2ba9c10191846e7ae5f96b4a49e"
     "1905af99fce91575d8316cb86ad9438c08b82ea640555c3d6a6291f346fbf108"},
    {"R identity as p+1,sign", "63c74463a9eb2d48664308d17d25a5e6d8c52e6e62884bc05bd1bd6daed77974",
     "x",
     "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
     "fd6506b36573db1b6a7aca9f67aaa419579c3732e5a5d322ce151034a8b99308"},
    {"A identity as p+1,sign", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
     "x",
     "d3df435a2189f29a9f3b02dc05c524004a77a2ba9c10191846e7ae5f96b4a49e"
     "1905af99fce91575d8316cb86ad9438c08b82ea640555c3d6a6291f346fbf108"},
    {"R identity as 1,sign", "63c74463a9eb2d48664308d17d25a5e6d8c52e6e62884bc05bd1bd6daed77974",
     "x",
     "0100000000000000000000000000000000000000000000000000000000000080"
     "190b1912cd77a5b009e1669df380333097100329fba42f72508c38a7a85fee0b"},
    {"A identity as 1,sign", "0100000000000000000000000000000000000000000000000000000000000080",
     "x",
     "d3df435a2189f29a9f3b02dc05c524004a77a2ba9c10191846e7ae5f96b4a49e"
     "1905af99fce91575d8316cb86ad9438c08b82ea640555c3d6a6291f346fbf108"},
};

static void points_of_small_order_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(small_order); i++)
        if (verdict(&small_order[i]) != -EBADMSG)
            fail_msg("%s: not refused", small_order[i].what);
}

static void points_in_another_form_than_the_canonical_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(not_canonical); i++)
        if (verdict(&not_canonical[i]) != -EBADMSG)
            fail_msg("%s: not refused", not_canonical[i].what);
}

/* A key with a part of small order: the equation with the cofactor holds for every message, the one
 * without it for every eighth.  All verifiers of a ledger must agree; Go's uses the latter. */
static void the_equation_is_the_one_without_the_cofactor(void **state)
{
    static const struct point_case holds = {
        "mixed A, h a multiple of 8",
        "4227f14d4bb96d4a3dc593a31180c871f45d113d6c42a0805a90ec683fbafb21", "28",
        "d3df435a2189f29a9f3b02dc05c524004a77a2ba9c10191846e7ae5f96b4a49e"
        "ae4270bb2b12e843b913f503cf9d1e9c397d47d1b204826e6bd590affe1d8e05"};
    static const struct point_case only_with_cofactor = {
        "mixed A, h no multiple of 8",
        "4227f14d4bb96d4a3dc593a31180c871f45d113d6c42a0805a90ec683fbafb21", "0",
        "d3df435a2189f29a9f3b02dc05c524004a77a2ba9c10191846e7ae5f96b4a49e"
        "8712f5b1b1bf154268ded06c41be3d25f9403a530c2c9509ccc8eb5360a9120b"};

    (void)state;
    assert_int_equal(verdict(&holds), 0);
    assert_int_equal(verdict(&only_with_cofactor), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(points_of_small_order_are_refused),
        cmocka_unit_test(points_in_another_form_than_the_canonical_are_refused),
        cmocka_unit_test(the_equation_is_the_one_without_the_cofactor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

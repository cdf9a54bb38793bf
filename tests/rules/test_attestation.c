/* Attestations: what is written is read, every refusal says where, and an envelope is believed only
 * with the one signature of the key it names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "rules/attestation.h"

#define SCAN "00000000000000000000000000000000000000000000000000000000000000d1"
#define RULES "00000000000000000000000000000000000000000000000000000000000000e1"
#define KEY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define HEAD "format: replay/v1\nsite: zrh1\nleaf: 41\nscan: \"" SCAN "\"\nrelease: \"" RULES "\"\n"

static const char good[] =
    HEAD "engines: clamav.walk.yara\nnames: compared\nsame: \"no\"\nkey: \"" KEY "\"\n";

static void what_is_read_is_written_the_same(void **state)
{
    struct attestation a;
    struct buf b;

    (void)state;
    assert_int_equal(attestation_parse(&a, "a", span_str(good), NULL), 0);
    assert_string_equal(a.site, "zrh1");
    assert_int_equal(a.leaf, 41);
    assert_int_equal(a.scan.b[31], 0xd1);
    assert_int_equal(a.release.b[31], 0xe1);
    assert_string_equal(a.engines, "clamav.walk.yara");
    assert_true(a.names);
    assert_false(a.same);
    buf_init(&b, 4096);
    assert_int_equal(attestation_write(&a, &b), 0);
    assert_string_equal(buf_str(&b), good);
    buf_free(&b);
}

static void every_refusal_says_where(void **state)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"[]\n", "a:1:1: an attestation is a map"},
        {"format: replay/v2\n", "a:1:9: "},
        {"format: replay/v1\nsite: Zrh\n", "a:2:7: \"site\" is 1 to 16 of"},
        {"format: replay/v1\nsite: zrh1\nleaf: -1\n", "a:3:7: "},
        {"format: replay/v1\nsite: zrh1\nleaf: 9007199254740992\n", "a:3:7: "},
        {"format: replay/v1\nsite: zrh1\nleaf: 1\nscan: none\n", "a:4:7: "},
        {HEAD "engines: a/b\n", "a:6:10: \"engines\" is 1 to 32 of"},
        {HEAD "engines: yara\nnames: none\n", "a:7:8: "},
        {HEAD "engines: yara\nnames: sealed\nsame: true\n", "a:8:7: "},
        {HEAD "engines: yara\nnames: sealed\nsame: \"yes\"\nkey: AAAA\n", "a:9:6: a key is"},
        {HEAD "engines: yara\nnames: sealed\nsame: \"yes\"\nkey: \"" KEY "\"\nfile: x\n",
         "a:10:1: "},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct attestation a;
        struct err e = ERR_INIT;

        assert_int_equal(attestation_parse(&a, "a", span_str(bad[i].text), &e), -EINVAL);
        if (strncmp(err_text(&e), bad[i].says, strlen(bad[i].says)) != 0)
            fail_msg("%zu: %s", i, err_text(&e));
    }
}

/* An envelope of this type over a's document, signed by k and, unless NULL, by more. */
static void wrap(const struct attestation *a, const char *type, const struct ed25519_key *k,
                 const struct ed25519_key *more, struct buf *out)
{
    struct dsse *d = NULL;
    struct buf yaml;

    buf_reset(out);
    buf_init(&yaml, 4096);
    assert_int_equal(attestation_write(a, &yaml), 0);
    assert_int_equal(dsse_new(&d, type, buf_span(&yaml)), 0);
    if (k != NULL)
        assert_int_equal(dsse_sign(d, k), 0);
    if (more != NULL)
        assert_int_equal(dsse_sign(d, more), 0);
    assert_int_equal(dsse_write(d, out), 0);
    dsse_free(d);
    buf_free(&yaml);
}

static void an_envelope_has_the_one_signature_of_its_key(void **state)
{
    struct ed25519_key *k = NULL, *other = NULL;
    struct attestation a, again;
    struct err e = ERR_INIT;
    struct buf b;

    (void)state;
    assert_int_equal(attestation_parse(&a, "a", span_str(good), NULL), 0);
    assert_int_equal(ed25519_generate(&k), 0);
    assert_int_equal(ed25519_generate(&other), 0);
    buf_init(&b, DSSE_MAX_BYTES);
    assert_int_equal(attestation_sign(&a, k, &b, NULL), 0);
    assert_int_equal(attestation_open(&again, "a", buf_span(&b), NULL), 0);
    assert_memory_equal(&again.key, &a.key, sizeof(a.key));
    assert_int_equal(again.leaf, 41);
    wrap(&a, ATTESTATION_TYPE, NULL, NULL, &b);
    assert_int_equal(attestation_open(&again, "a", buf_span(&b), NULL), -EBADMSG);
    wrap(&a, ATTESTATION_TYPE, other, NULL, &b);
    assert_int_equal(attestation_open(&again, "a", buf_span(&b), &e), -EBADMSG);
    assert_non_null(strstr(err_text(&e), "not signed by the key it names"));
    wrap(&a, ATTESTATION_TYPE, k, other, &b);
    assert_int_equal(attestation_open(&again, "a", buf_span(&b), NULL), -EBADMSG);
    wrap(&a, "application/x.override.v1+yaml", k, NULL, &b);
    assert_int_equal(attestation_open(&again, "a", buf_span(&b), NULL), -EBADMSG);
    wrap(&a, ATTESTATION_TYPE, k, NULL, &b);
    b.data[b.len / 3] ^= 1;
    assert_int_not_equal(attestation_open(&again, "a", buf_span(&b), NULL), 0);
    ed25519_free(k);
    ed25519_free(other);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_is_written_the_same),
        cmocka_unit_test(every_refusal_says_where),
        cmocka_unit_test(an_envelope_has_the_one_signature_of_its_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

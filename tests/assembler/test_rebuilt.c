/* Rebuilds: what is written is read, every refusal says where, an envelope is believed only with
 * the one signature of the key it names, and "identical" goes with one output only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "assembler/rebuilt.h"
#include "base/text.h"

#define PRODUCT "00000000000000000000000000000000000000000000000000000000000000d1"
#define OUTPUT "00000000000000000000000000000000000000000000000000000000000000e1"
#define KEY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define HEAD "format: rebuilt/v1\nproduct: \"" PRODUCT "\"\n"

static const char good[] = HEAD "verdict: derived-only\noutput: \"" OUTPUT "\"\nkey: \"" KEY "\"\n";
static const char signed_ones[] =
    HEAD "verdict: identical\noutput: \"" OUTPUT "\"\ntransplanted: 2\nkey: \"" KEY "\"\n";

static void what_is_read_is_written_the_same(void **state)
{
    struct rebuilt r;
    struct buf b;

    (void)state;
    assert_int_equal(rebuilt_parse(&r, "r", span_str(good), NULL), 0);
    assert_int_equal(r.product.b[31], 0xd1);
    assert_int_equal(r.output.b[31], 0xe1);
    assert_int_equal(r.verdict, COMPARE_DERIVED);
    assert_int_equal(r.transplanted, 0);
    buf_init(&b, 4096);
    assert_int_equal(rebuilt_write(&r, &b), 0);
    assert_string_equal(buf_str(&b), good);
    assert_int_equal(rebuilt_parse(&r, "r", span_str(signed_ones), NULL), 0);
    assert_int_equal(r.transplanted, 2);
    buf_reset(&b);
    assert_int_equal(rebuilt_write(&r, &b), 0);
    assert_string_equal(buf_str(&b), signed_ones);
    buf_free(&b);
}

static void every_refusal_says_where(void **state)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"[]\n", "r:1:1: a rebuild is a map"},
        {"format: rebuilt/v2\n", "r:1:9: "},
        {"format: rebuilt/v1\nproduct: none\n", "r:2:10: "},
        {HEAD "verdict: reproduced\n", "r:3:10: "},
        {HEAD "verdict: identical\noutput: none\n", "r:4:9: "},
        {HEAD "verdict: identical\noutput: \"" OUTPUT "\"\ntransplanted: 0\n", "r:5:15: "},
        {HEAD "verdict: identical\noutput: \"" OUTPUT "\"\ntransplanted: yes\n", "r:5:15: "},
        {HEAD "verdict: identical\noutput: \"" OUTPUT "\"\nkey: AAAA\n", "r:5:6: a key is"},
        {HEAD "verdict: identical\noutput: \"" OUTPUT "\"\nkey: \"" KEY "\"\nfile: x\n", "r:6:1: "},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct rebuilt r;
        struct err e = ERR_INIT;

        assert_int_equal(rebuilt_parse(&r, "r", span_str(bad[i].text), &e), -EINVAL);
        if (strncmp(err_text(&e), bad[i].says, strlen(bad[i].says)) != 0)
            fail_msg("%zu: %s", i, err_text(&e));
    }
}

/* An envelope of this type over r's document, signed by k and, unless NULL, by more. */
static void wrap(const struct rebuilt *r, const char *type, const struct ed25519_key *k,
                 const struct ed25519_key *more, struct buf *out)
{
    struct dsse *d = NULL;
    struct buf yaml;

    buf_reset(out);
    buf_init(&yaml, 4096);
    assert_int_equal(rebuilt_write(r, &yaml), 0);
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
    struct rebuilt r, again;
    struct err e = ERR_INIT;
    struct buf b;

    (void)state;
    assert_int_equal(rebuilt_parse(&r, "r", span_str(good), NULL), 0);
    assert_int_equal(ed25519_generate(&k), 0);
    assert_int_equal(ed25519_generate(&other), 0);
    buf_init(&b, DSSE_MAX_BYTES);
    assert_int_equal(rebuilt_sign(&r, k, &b, NULL), 0);
    assert_int_equal(rebuilt_open(&again, "r", buf_span(&b), NULL), 0);
    assert_memory_equal(&again.key, &r.key, sizeof(r.key));
    assert_int_equal(again.verdict, COMPARE_DERIVED);
    wrap(&r, REBUILT_TYPE, NULL, NULL, &b);
    assert_int_equal(rebuilt_open(&again, "r", buf_span(&b), NULL), -EBADMSG);
    wrap(&r, REBUILT_TYPE, other, NULL, &b);
    assert_int_equal(rebuilt_open(&again, "r", buf_span(&b), &e), -EBADMSG);
    assert_non_null(strstr(err_text(&e), "not signed by the key it names"));
    wrap(&r, REBUILT_TYPE, k, other, &b);
    assert_int_equal(rebuilt_open(&again, "r", buf_span(&b), NULL), -EBADMSG);
    wrap(&r, "application/x.replay.v1+yaml", k, NULL, &b);
    assert_int_equal(rebuilt_open(&again, "r", buf_span(&b), NULL), -EBADMSG);
    wrap(&r, REBUILT_TYPE, k, NULL, &b);
    b.data[b.len / 3] ^= 1;
    assert_int_not_equal(rebuilt_open(&again, "r", buf_span(&b), NULL), 0);
    ed25519_free(k);
    ed25519_free(other);
    buf_free(&b);
}

static void identical_goes_with_one_output_only(void **state)
{
    struct digest same = {{[31] = 0xe1}}, other = {{[31] = 0xe2}};
    struct rebuilt r;

    (void)state;
    assert_int_equal(rebuilt_parse(&r, "r", span_str(good), NULL), 0);
    assert_null(rebuilt_fault(&r, &other));
    assert_non_null(strstr(rebuilt_fault(&r, &same), "does not call it identical"));
    r.verdict = COMPARE_IDENTICAL;
    assert_null(rebuilt_fault(&r, &same));
    assert_non_null(strstr(rebuilt_fault(&r, &other), "names another output"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_is_written_the_same),
        cmocka_unit_test(every_refusal_says_where),
        cmocka_unit_test(an_envelope_has_the_one_signature_of_its_key),
        cmocka_unit_test(identical_goes_with_one_output_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

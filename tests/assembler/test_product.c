/* Products: what is read is written the same, every refusal says where, and the digest of the
 * output is what sha256sum makes of the files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "assembler/product.h"
#include "base/text.h"

#define Z62 "00000000000000000000000000000000000000000000000000000000000000"
/* printf a | sha256sum, printf b | sha256sum */
#define OF_A "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
#define OF_B "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"

#define HEAD "format: product/v1\nserial: 2\nprevious: \"" Z62 "01\"\n"
#define NAMED HEAD "name: \"hello\"\nversion: \"2.10-3+b1\"\nsite: zrh1\nzone: \"CH\"\n"
#define PARTS                                                                                      \
    NAMED "source: \"" Z62 "02\"\nrecipe: \"" Z62 "03\"\ntoolchain: \"" Z62                        \
          "04\"\nprovenance: \"" Z62 "05\"\nsbom: \"" Z62 "06\"\n"
#define A "  - {name: \"a\", sha256: \"" OF_A "\", size: 1}\n"
#define B "  - {name: \"b\", sha256: \"" OF_B "\", size: 1}\n"

static void what_is_read_is_written_the_same(void **state)
{
    static const char good[] = PARTS "artifacts:\n" A B;
    struct product p;
    struct buf b;

    (void)state;
    assert_int_equal(product_parse(&p, "p", span_str(good), NULL), 0);
    assert_int_equal(p.chain.serial, 2);
    assert_int_equal(p.chain.previous.b[31], 1);
    assert_string_equal(p.name, "hello");
    assert_string_equal(p.version, "2.10-3+b1");
    assert_string_equal(p.site, "zrh1");
    assert_string_equal(p.zone, "CH");
    assert_int_equal(p.source.b[31], 2);
    assert_int_equal(p.recipe.b[31], 3);
    assert_int_equal(p.toolchain.b[31], 4);
    assert_int_equal(p.provenance.b[31], 5);
    assert_int_equal(p.sbom.b[31], 6);
    assert_int_equal(p.artifacts, 2);
    assert_string_equal(p.artifact[1].name, "b");
    assert_int_equal(p.artifact[1].sha256.b[0], 0x3e);
    assert_int_equal(p.artifact[1].size, 1);
    buf_init(&b, 4096);
    assert_int_equal(product_write(&p, &b), 0);
    assert_string_equal(buf_str(&b), good);
    buf_free(&b);
    product_done(&p);
}

/* printf a >a; printf b >b; sha256sum a b | sha256sum */
static void the_output_is_what_sha256sum_says(void **state)
{
    static const char expect[] = "cb13f400dcb618e400d0f7d54f7cdb330d37a07272cb99a1016cda5830a10556";
    struct digest d;
    struct product p;
    char hex[65];

    (void)state;
    assert_int_equal(product_parse(&p, "p", span_str(PARTS "artifacts:\n" A B), NULL), 0);
    assert_int_equal(product_output(&p, &d), 0);
    text_digest(hex, &d);
    assert_string_equal(hex, expect);
    product_done(&p);
}

/* mkdir d; printf a >d/a; printf b >b; find * -type f | sort | xargs sha256sum | sha256sum */
static void the_output_of_folders_is_by_paths(void **state)
{
    static const char expect[] = "9529fa86ec71da07cb0ce461e0c47681a2354969552734bab63accf655dfc97c";
    struct digest d;
    struct product p;
    char hex[65];

    (void)state;
    assert_int_equal(
        product_parse(
            &p, "p",
            span_str(PARTS "artifacts:\n" B "  - {name: \"d/a\", sha256: \"" OF_A "\", size: 1}\n"),
            NULL),
        0);
    assert_int_equal(product_output(&p, &d), 0);
    text_digest(hex, &d);
    assert_string_equal(hex, expect);
    product_done(&p);
}

static void every_refusal_says_where(void **state)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"[]\n", "p:1:1: a product is a map"},
        {"format: product/v2\n", "p:1:9: "},
        {"format: product/v1\nserial: 1\nprevious: \"" Z62 "01\"\n", "p:3:11: "},
        {HEAD "name: g++\n", "p:4:7: \"name\" is 1 to 32 of"},
        {HEAD "name: hello\nversion: \"1 2\"\n", "p:5:10: \"version\" is 1 to 64 of"},
        {HEAD "name: hello\nversion: \"1\"\nsite: Zrh\n", "p:6:7: \"site\" is 1 to 16 of"},
        {HEAD "name: hello\nversion: \"1\"\nsite: zrh1\nzone: ch\n", "p:7:7: \"zone\" is 1 to 8"},
        {NAMED "source: none\n", "p:8:9: "},
        {PARTS "artifacts: []\n", "p:13:12: "},
        {PARTS "artifacts:\n  - {name: a b, sha256: \"" OF_A "\", size: 1}\n",
         "p:14:12: \"name\" is 1 to 200 of"},
        {PARTS "artifacts:\n  - {name: ../a, sha256: \"" OF_A "\", size: 1}\n",
         "p:14:12: a file's name does not begin with \".\""},
        {PARTS "artifacts:\n  - {name: a/../b, sha256: \"" OF_A "\", size: 1}\n",
         "p:14:12: a file's name does not begin with \".\""},
        {PARTS "artifacts:\n  - {name: a/-b, sha256: \"" OF_A "\", size: 1}\n",
         "p:14:12: a file's name does not begin with \"-\""},
        {PARTS "artifacts:\n  - {name: /a, sha256: \"" OF_A "\", size: 1}\n",
         "p:14:12: a folder's or file's name is missing"},
        {PARTS "artifacts:\n  - {name: a//b, sha256: \"" OF_A "\", size: 1}\n",
         "p:14:12: a folder's or file's name is missing"},
        {PARTS "artifacts:\n  - {name: a/, sha256: \"" OF_A "\", size: 1}\n",
         "p:14:12: a folder's or file's name is missing"},
        {PARTS "artifacts:\n  - {name: .a, sha256: \"" OF_A "\", size: 1}\n",
         "p:14:12: a file's name does not begin with \".\""},
        {PARTS "artifacts:\n  - {name: a, sha256: \"" OF_A "\", size: -1}\n", "p:14:"},
        {PARTS "artifacts:\n" B A, "p:15:12: artifacts stand by name"},
        {PARTS "artifacts:\n" A A, "p:15:12: artifacts stand by name"},
        {PARTS "artifacts:\n" A "signed: us\n", "p:15:1: "},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct product p;
        struct err e = ERR_INIT;

        assert_int_equal(product_parse(&p, "p", span_str(bad[i].text), &e), -EINVAL);
        assert_null(p.artifact);
        if (strncmp(err_text(&e), bad[i].says, strlen(bad[i].says)) != 0)
            fail_msg("%zu: %s", i, err_text(&e));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_is_written_the_same),
        cmocka_unit_test(the_output_is_what_sha256sum_says),
        cmocka_unit_test(the_output_of_folders_is_by_paths),
        cmocka_unit_test(every_refusal_says_where),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

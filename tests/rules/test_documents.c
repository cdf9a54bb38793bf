/* The three documents of the rules: what is written is read the same, and every refusal says where.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "rules/approval.h"
#include "rules/change.h"
#include "rules/override.h"

#include "faults.h"

#define ID "000102030405060708090a0b0c0d0e0f"
#define WHO "a0000000000000000000000000000001"
#define TREE "00000000000000000000000000000000000000000000000000000000000000d1"
#define BASE "00000000000000000000000000000000000000000000000000000000000000d0"
#define REPORT "00000000000000000000000000000000000000000000000000000000000000e1"
#define PREVIOUS "00000000000000000000000000000000000000000000000000000000000000f1"

#define CHANGE_HEAD "format: rules-change/v1\nchange: \"" ID "\"\nauthor: \"" WHO "\"\n"
#define RELEASE_HEAD                                                                               \
    "format: rules-release/v1\nserial: 2\nprevious: \"" PREVIOUS "\"\nchange: \"" ID               \
    "\"\nauthor: \"" WHO "\"\n"
#define OVERRIDE_HEAD "format: override/v1\noverride: \"" ID "\"\nauthor: \"" WHO "\"\n"

static const char change[] = CHANGE_HEAD "base: \"" BASE "\"\ntree: \"" TREE "\"\n";
static const char first[] = CHANGE_HEAD "base: \"none\"\ntree: \"" TREE "\"\n";
static const char said[] = CHANGE_HEAD "base: \"" BASE "\"\ntree: \"" TREE
                                       "\"\nwhy: \"finds \\\"x\\\" \\\\ y: \xc3\xa9\"\n"
                                       "ticket: \"https://issues.example.org/17#a\"\n"
                                       "commit: \"00112233445566778899aabbccddeeff00112233\"\n";
static const char release[] = RELEASE_HEAD "tree: \"" TREE "\"\nreport: \"" REPORT
                                           "\"\nmode: enforce\nurgent: \"yes\"\nallows: 12\n";
static const char override[] = OVERRIDE_HEAD
    "ground: withdraw\nasker: government\ncount: 3\nsubject: \"" TREE "\"\nwhy: |\n  it hits x\n";

static void a_change_is_read_and_written(void **state)
{
    static const char *const texts[] = {change, first, said};
    struct rules_change c;
    struct buf b;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        assert_int_equal(change_parse(&c, "c", span_str(texts[i]), NULL), 0);
        assert_int_equal(c.change.b[15], 15);
        assert_int_equal(c.author.b[15], 1);
        assert_int_equal(c.tree.b[31], 0xd1);
        assert_int_equal(c.first, i == 1);
        assert_string_equal(c.why, i == 2 ? "finds \"x\" \\ y: \xc3\xa9" : "");
        assert_string_equal(c.ticket, i == 2 ? "https://issues.example.org/17#a" : "");
        assert_string_equal(c.commit, i == 2 ? "00112233445566778899aabbccddeeff00112233" : "");
        assert_int_equal(c.base.b[31], i == 1 ? 0 : 0xd0);
        buf_init(&b, 1000);
        assert_int_equal(change_write(&c, &b), 0);
        assert_string_equal(buf_str(&b), texts[i]);
        buf_free(&b);
    }
}

static void a_release_is_read_and_written(void **state)
{
    struct rules_release r;
    struct buf b;

    (void)state;
    assert_int_equal(approval_parse(&r, "r", span_str(release), NULL), 0);
    assert_int_equal(r.chain.serial, 2);
    assert_int_equal(r.chain.previous.b[31], 0xf1);
    assert_int_equal(r.tree.b[31], 0xd1);
    assert_int_equal(r.report.b[31], 0xe1);
    assert_int_equal(r.mode, RULES_ENFORCE);
    assert_true(r.urgent);
    assert_int_equal(r.allows, 12);
    buf_init(&b, 1000);
    assert_int_equal(approval_write(&r, &b), 0);
    assert_string_equal(buf_str(&b), release);
    buf_free(&b);
}

static void an_override_is_read_and_written(void **state)
{
    struct rules_override o;
    struct buf b;

    (void)state;
    assert_int_equal(override_parse(&o, "o", span_str(override), NULL), 0);
    assert_int_equal(o.ground, RULES_WITHDRAW);
    assert_int_equal(o.asker, RULES_GOVERNMENT);
    assert_int_equal(o.count, 3);
    assert_int_equal(o.subject.b[31], 0xd1);
    buf_init(&b, 1000);
    assert_int_equal(override_write(&o, "it hits x", &b), 0);
    assert_string_equal(buf_str(&b), override);
    buf_free(&b);
}

static int parse(int which, const char *text, struct err *e)
{
    struct rules_change c;
    struct rules_release r;
    struct rules_override o;

    return which == 0   ? change_parse(&c, "d", span_str(text), e)
           : which == 1 ? approval_parse(&r, "d", span_str(text), e)
                        : override_parse(&o, "d", span_str(text), e);
}

static void every_refusal_names_its_line_and_column(void **state)
{
    static const struct {
        int which;
        const char *text, *says;
    } bad[] = {
        {0, "[]\n", "d:1:1: a change of the rules is a map"},
        {0, "format: rules-change/v2\n", "d:1:9: format \"rules-change/v2\" is not read here"},
        {0, "format: rules-change/v1\nchange: 1\n", "d:2:9: "},
        {0, CHANGE_HEAD "base: \"" TREE "\"\ntree: \"" TREE "\"\n",
         "d:5:7: \"base\" and \"tree\" are the same"},
        {0, CHANGE_HEAD "base: \"none\"\ntree: \"none\"\n", "d:5:7: "},
        {0, CHANGE_HEAD "base: \"none\"\n", "d:1:1: "},
        {0, CHANGE_HEAD "base: \"none\"\ntree: \"" TREE "\"\nbecause: not\n", "d:6:1: "},
        {0, CHANGE_HEAD "base: \"none\"\ntree: \"" TREE "\"\nwhy: \"\"\n",
         "d:6:6: \"why\" is one line of 1 to 400 bytes"},
        {0, CHANGE_HEAD "base: \"none\"\ntree: \"" TREE "\"\nwhy: |\n  a\n  b\n",
         "d:6:6: \"why\" is one line"},
        {0, CHANGE_HEAD "base: \"none\"\ntree: \"" TREE "\"\nticket: see below\n",
         "d:6:9: \"ticket\" is made of"},
        {0, CHANGE_HEAD "base: \"none\"\ntree: \"" TREE "\"\ncommit: \"0011\"\n",
         "d:6:9: \"commit\" is 40 or 64 hex digits"},
        {0, CHANGE_HEAD "base: \"none\"\ntree: \"" TREE "\"\ncommit: HEAD\n", "d:6:9: "},
        {1, "[]\n", "d:1:1: a release of the rules is a map"},
        {1, "format: rules-release/v1\nserial: 1\nprevious: \"" PREVIOUS "\"\n", "d:3:11: "},
        {1, RELEASE_HEAD "tree: \"" TREE "\"\nreport: none\n", "d:7:9: "},
        {1, RELEASE_HEAD "tree: \"" TREE "\"\nreport: \"" REPORT "\"\nmode: maybe\n", "d:8:7: "},
        {1, RELEASE_HEAD "tree: \"" TREE "\"\nreport: \"" REPORT "\"\nmode: detect\nurgent: true\n",
         "d:9:9: "},
        {1,
         RELEASE_HEAD "tree: \"" TREE "\"\nreport: \"" REPORT
                      "\"\nmode: detect\nurgent: \"no\"\nallows: -1\n",
         "d:10:9: "},
        {1,
         RELEASE_HEAD "tree: \"" TREE "\"\nreport: \"" REPORT
                      "\"\nmode: detect\nurgent: \"no\"\nallows: 10000001\n",
         "d:10:9: "},
        {2, "[]\n", "d:1:1: an override is a map"},
        {2, OVERRIDE_HEAD "ground: because\n", "d:4:9: "},
        {2, OVERRIDE_HEAD "ground: allow\nasker: nobody\n", "d:5:8: "},
        {2, OVERRIDE_HEAD "ground: allow\nasker: court\ncount: 1\nsubject: \"" TREE "\"\n",
         "d:1:1: "},
        {2,
         OVERRIDE_HEAD "ground: allow\nasker: court\ncount: 1\nsubject: \"" TREE "\"\nwhy: \"\"\n",
         "d:8:6: \"why\" is 1 to 4096 bytes"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err e = ERR_INIT;

        assert_int_equal(parse(bad[i].which, bad[i].text, &e), -EINVAL);
        if (strncmp(err_text(&e), bad[i].says, strlen(bad[i].says)) != 0)
            fail_msg("%s: %s", bad[i].text, err_text(&e));
    }
}

static int parse_all(void *ctx)
{
    int rc;

    (void)ctx;
    if ((rc = parse(0, change, NULL)) != 0 || (rc = parse(1, release, NULL)) != 0)
        return rc;
    return parse(2, override, NULL);
}

static void running_out_of_memory_is_said(void **state)
{
    (void)state;
    assert_true(faults_each(parse_all, NULL) > 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_is_read_and_written),
        cmocka_unit_test(a_release_is_read_and_written),
        cmocka_unit_test(an_override_is_read_and_written),
        cmocka_unit_test(every_refusal_names_its_line_and_column),
        cmocka_unit_test(running_out_of_memory_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

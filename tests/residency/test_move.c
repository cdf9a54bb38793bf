#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "residency/move.h"

#include "faults.h"

#define POLICY "00000000000000000000000000000000000000000000000000000000000000d1"
#define ID "000102030405060708090a0b0c0d0e0f"

static const char good[] = "format: move/v1\n"
                           "move: " ID "\n"
                           "country: CA\n"
                           "from: mow1\n"
                           "to: zrh1\n"
                           "policy: " POLICY "\n";

static int parse(const char *text, struct move_approval *m, struct err *e)
{
    return move_parse(m, "m.yaml", span_str(text), e);
}

static void what_is_read_is_written_the_same(void **state)
{
    struct move_approval m;
    struct buf b;

    (void)state;
    assert_int_equal(parse(good, &m, NULL), 0);
    assert_string_equal(m.country, "CA");
    assert_string_equal(m.from, "mow1");
    assert_string_equal(m.to, "zrh1");
    assert_int_equal(m.move.b[15], 15);
    assert_int_equal(m.policy.b[31], 0xd1);
    buf_init(&b, 1000);
    assert_int_equal(move_write(&m, &b), 0);
    assert_string_equal(buf_str(&b), good);
    buf_free(&b);
}

static void every_refusal_names_its_line_and_column(void **state)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"[]\n", "m.yaml:1:1: a move is a map"},
        {"format: policy/v1\n", "m.yaml:1:9: format \"policy/v1\" is not read here"},
        {"format: move/v1\nmove: 1\n", "m.yaml:2:7: "},
        {"format: move/v1\nmove: " ID "\ncountry: UK\n",
         "m.yaml:3:10: \"UK\" is not a country of ISO 3166-1"},
        {"format: move/v1\nmove: " ID "\ncountry: CA\nfrom: Moscow\n",
         "m.yaml:4:7: \"Moscow\" is not a site"},
        {"format: move/v1\nmove: " ID "\ncountry: CA\nfrom: mow1\nto: mow1\npolicy: " POLICY "\n",
         "m.yaml:5:5: \"from\" and \"to\" are the same site"},
        {"format: move/v1\nmove: " ID "\ncountry: CA\nfrom: mow1\nto: zrh1\n", "m.yaml:1:1: "},
        {"format: move/v1\nmove: " ID "\ncountry: CA\nfrom: mow1\nto: zrh1\npolicy: 00\n",
         "m.yaml:6:9: "},
        {"format: move/v1\nmove: " ID "\ncountry: CA\nfrom: mow1\nto: zrh1\npolicy: " POLICY
         "\nby: now\n",
         "m.yaml:7:1: "},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct move_approval m;
        struct err e = ERR_INIT;

        assert_int_equal(parse(bad[i].text, &m, &e), -EINVAL);
        if (strncmp(err_text(&e), bad[i].says, strlen(bad[i].says)) != 0)
            fail_msg("%s: %s", bad[i].text, err_text(&e));
    }
}

static void only_what_the_policy_in_force_wants_is_allowed(void **state)
{
    static const struct {
        const char *what, *country, *from, *to, *date, *says; /* NULL: allowed */
    } v[] = {
        {"to its zone", "CA", "mow1", "zrh1", "2019-11-01T00:00Z", NULL},
        {"after the deadline too", "CA", "mow1", "zrh1", "2026-01-01T00:00Z", NULL},
        {"a minute early", "CA", "mow1", "zrh1", "2019-10-31T23:59Z",
         "CA belongs to zone RU; site"},
        {"back", "CA", "zrh1", "mow1", "2026-01-01T00:00Z", "CA belongs to zone CH; site \"mow1\""},
        {"a country that stays", "RU", "mow1", "zrh1", "2026-01-01T00:00Z", "RU belongs to zone"},
        {"no such site", "CA", "mow2", "zrh1", "2026-01-01T00:00Z", "knows no site \"mow2\""},
        {"nor there", "CA", "mow1", "zrh2", "2026-01-01T00:00Z", "knows no site \"zrh2\""},
        {"before all", "CA", "mow1", "zrh1", "2016-01-01T00:00Z", "CA belongs to zone (none)"},
    };
    struct policy *p = NULL;
    struct move_approval m;
    struct err e = ERR_INIT;
    struct digest other;
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    assert_int_equal(io_read_file(AT_FDCWD, DEMO_POLICY, &b), 0);
    assert_int_equal(policy_parse(&p, "p.yaml", buf_span(&b), NULL), 0);
    assert_int_equal(parse(good, &m, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        struct move_approval n = m;
        unix_time t;
        int rc;

        memcpy(n.country, v[i].country, 3);
        memcpy(n.from, v[i].from, 5);
        memcpy(n.to, v[i].to, 5);
        assert_int_equal(clock_unminute(span_str(v[i].date), &t), 0);
        rc = move_allowed(&n, p, &m.policy, t, &e);
        if (rc != (v[i].says == NULL ? 0 : -EPERM) ||
            (v[i].says != NULL && strstr(err_text(&e), v[i].says) == NULL))
            fail_msg("%s: %d %s", v[i].what, rc, err_text(&e));
    }
    other = m.policy;
    other.b[0] = 1;
    assert_int_equal(move_allowed(&m, p, &other, INT64_MAX, &e), -EPERM);
    assert_string_equal(err_text(&e),
                        "the move is approved under policy " POLICY ", which is not in force");
    buf_free(&b);
    policy_free(p);
}

static int parse_good(void *ctx)
{
    struct move_approval m;

    (void)ctx;
    return parse(good, &m, NULL);
}

static void running_out_of_memory_is_said(void **state)
{
    (void)state;
    assert_true(faults_each(parse_good, NULL) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_is_written_the_same),
        cmocka_unit_test(every_refusal_names_its_line_and_column),
        cmocka_unit_test(only_what_the_policy_in_force_wants_is_allowed),
        cmocka_unit_test(running_out_of_memory_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

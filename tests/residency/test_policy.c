#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "events/country.h"
#include "residency/policy.h"

#include "faults.h"

#define DIGEST "00000000000000000000000000000000000000000000000000000000000000d1"

/* @ stands for every country assigned today but CA, US and FR. */
static const char good[] =
    "format: policy/v1\n"                                                       /* 1 */
    "serial: 1\n"                                                               /* 2 */
    "previous: none\n"                                                          /* 3 */
    "author: 00000000000000000000000000000001\n"                                /* 4 */
    "valid_from: 2026-11-24T08:00Z\n"                                           /* 5 */
    "zones:\n"                                                                  /* 6 */
    "  - zone: CH\n"                                                            /* 7 */
    "    sites: [zrh1, gva1]\n"                                                 /* 8 */
    "  - zone: RU\n"                                                            /* 9 */
    "    sites: [mow1]\n"                                                       /* 10 */
    "uniform:\n"                                                                /* 11 */
    "  retention: 365d\n"                                                       /* 12 */
    "  consent: required\n"                                                     /* 13 */
    "  read_approvals: 2\n"                                                     /* 14 */
    "  copies: 1\n"                                                             /* 15 */
    "  scan_within: 24h\n"                                                      /* 16 */
    "differences:\n"                                                            /* 17 */
    "  - {zone: RU, field: retention, value: 180d, ground: law}\n"              /* 18 */
    "placement:\n"                                                              /* 19 */
    "  - subjects: [CA, US]\n"                                                  /* 20 */
    "    at:\n"                                                                 /* 21 */
    "      - {zone: RU, from: 2017-01-01T00:00Z}\n"                             /* 22 */
    "      - {zone: CH, from: 2026-11-24T08:00Z, move_by: 2026-11-25T08:00Z}\n" /* 23 */
    "  - subjects: [FR]\n"                                                      /* 24 */
    "    at:\n"                                                                 /* 25 */
    "      - {zone: RU, from: 2017-01-01T00:00Z}\n"                             /* 26 */
    "      - {zone: CH, from: 2018-11-01T00:00Z}\n"                             /* 27 */
    "  - subjects: [@]\n"                                                       /* 28 */
    "    at: [{zone: RU, from: 2017-01-01T00:00Z}]\n"                           /* 29 */
    "  - subjects: ['product:*', 'rules:*']\n"                                  /* 30 */
    "    at: [{zone: CH, from: 2018-01-01T00:00Z}]\n"                           /* 31 */
    "  - subjects: ['product:kpx-1.2']\n"                                       /* 32 */
    "    at: [{zone: RU, from: 2018-01-01T00:00Z}]\n";                          /* 33 */

/* date -u -d … +%s */
#define T2017 1483228800    /* 2017-01-01T00:00Z */
#define T2018_11 1541030400 /* 2018-11-01T00:00Z */
#define VALID 1795507200    /* 2026-11-24T08:00Z */
#define MOVED 1795593600    /* 2026-11-25T08:00Z */

static char *fill(char *out, size_t cap, const char *text)
{
    const char *at = strchr(text, '@');
    size_t n;

    if (at == NULL) {
        assert_true(snprintf(out, cap, "%s", text) < (int)cap);
        return out;
    }
    n = (size_t)snprintf(out, cap, "%.*sAD", (int)(at - text), text);
    for (size_t i = 1; i < COUNTRY_COUNT; i++) /* AD is the first */
        if (!country_table[i].formerly && strcmp(country_table[i].code, "CA") != 0 &&
            strcmp(country_table[i].code, "US") != 0 && strcmp(country_table[i].code, "FR") != 0)
            n += (size_t)snprintf(out + n, cap - n, ", %s", country_table[i].code);
    n += (size_t)snprintf(out + n, cap - n, "%s", at + 1);
    assert_true(n < cap);
    return out;
}

/* good with n lines from `line` on replaced (n 0: inserted before) */
static char *edit(char *out, size_t cap, int line, int n, const char *with)
{
    const char *at = good, *after;
    char text[8192];

    for (int i = 1; i < line; i++)
        at = strchr(at, '\n') + 1;
    after = at;
    for (int i = 0; i < n; i++)
        after = strchr(after, '\n') + 1;
    assert_true(snprintf(text, sizeof(text), "%.*s%s%s%s", (int)(at - good), good, with,
                         *with == '\0' ? "" : "\n", after) < (int)sizeof(text));
    return fill(out, cap, text);
}

static struct policy *read_policy(const char *text)
{
    struct policy *p = NULL;
    struct err e = ERR_INIT;

    if (policy_parse(&p, "p.yaml", span_str(text), &e) != 0)
        fail_msg("%s", err_text(&e));
    return p;
}

static struct policy *edited(int line, int n, const char *with)
{
    char text[16384];

    return read_policy(edit(text, sizeof(text), line, n, with));
}

static void a_policy_answers_where_and_since_when(void **state)
{
    struct policy *p = edited(1, 0, "");
    struct policy_terms t;
    struct buf b;

    (void)state;
    assert_int_equal(policy_serial(p), 1);
    assert_null(policy_previous(p));
    assert_int_equal(policy_author(p)->b[15], 1);
    assert_int_equal(policy_valid_from(p), VALID);
    assert_string_equal(policy_zone_name(p, 1), "RU");
    assert_null(policy_zone_name(p, 2));
    assert_string_equal(policy_site_name(p, "CH", 1), "gva1");
    assert_null(policy_site_name(p, "CH", 2));
    assert_null(policy_site_name(p, "DE", 0));
    assert_string_equal(policy_zone_of_site(p, "mow1"), "RU");
    assert_null(policy_zone_of_site(p, "mow2"));
    /* an entry's from belongs to it */
    assert_null(policy_zone(p, "CA", T2017 - 1));
    assert_string_equal(policy_zone(p, "CA", T2017), "RU");
    assert_string_equal(policy_zone(p, "CA", VALID - 1), "RU");
    assert_string_equal(policy_zone(p, "CA", VALID), "CH");
    assert_string_equal(policy_zone(p, "FR", T2018_11), "CH");
    assert_string_equal(policy_zone(p, "FR", T2018_11 - 1), "RU");
    assert_string_equal(policy_zone(p, "ZW", INT64_MAX), "RU");
    /* names before wildcards; kinds apart */
    assert_string_equal(policy_zone(p, "product:kpx-1.2", VALID), "RU");
    assert_string_equal(policy_zone(p, "product:kpx-1.3", VALID), "CH");
    assert_string_equal(policy_zone(p, "rules:a", VALID), "CH");
    assert_null(policy_zone(p, "models:a", VALID));
    assert_null(policy_zone(p, "ca", VALID));
    assert_null(policy_zone(p, "SU", VALID)); /* formerly assigned, not placed */
    assert_null(policy_zone(p, "", VALID));
    /* what is equal, and what differs */
    t = policy_uniform(p);
    assert_true(t.retention == 365 * 86400 && t.read_approvals == 2 && t.copies == 1 &&
                t.scan_within == 86400);
    assert_int_equal(policy_terms_of(p, "RU", &t), 0);
    assert_true(t.retention == 180 * 86400 && t.copies == 1);
    assert_int_equal(policy_terms_of(p, "CH", &t), 0);
    assert_true(t.retention == 365 * 86400);
    assert_int_equal(policy_terms_of(p, "DE", &t), -ENOENT);
    assert_int_equal(policy_differences(p), 1);
    buf_init(&b, 200);
    assert_int_equal(policy_difference_text(p, 0, &b), 0);
    assert_string_equal(buf_str(&b), "RU: retention is 180d, elsewhere 365d (law)");
    buf_free(&b);
    policy_free(p);
}

static void moves_run_from_since_until_by(void **state)
{
    struct policy *p = edited(27, 1,
                              "      - {zone: CH, from: 2018-11-01T00:00Z, move_by: "
                              "2018-11-02T00:00Z}");
    static const struct {
        unix_time t;
        const char *running;
    } v[] = {
        {T2018_11 - 1, ""}, {T2018_11, "FR"}, {T2018_11 + 86399, "FR"}, {T2018_11 + 86400, ""},
        {VALID - 1, ""},    {VALID, "CAUS"},  {MOVED - 1, "CAUS"},      {MOVED, ""},
    };
    struct policy_move *m = NULL;
    size_t n = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        char got[64] = "";

        assert_int_equal(policy_moves(p, v[i].t, &m, &n), 0);
        for (size_t k = 0; k < n; k++)
            memcpy(got + strlen(got), m[k].country, 3);
        assert_string_equal(got, v[i].running);
        free(m);
    }
    assert_int_equal(policy_moves_all(p, &m, &n), 0);
    assert_int_equal(n, 3);
    assert_string_equal(m[0].country, "CA");
    assert_string_equal(m[0].from, "RU");
    assert_string_equal(m[0].to, "CH");
    assert_int_equal(m[0].since, VALID);
    assert_int_equal(m[0].by, MOVED);
    free(m);
    policy_free(p);
}

static const struct {
    int line, n;
    const char *with, *says; /* the first problem, from its place on */
} bad[] = {
    {1, 1, "format: policy/v2", "p.yaml:1:9: format \"policy/v2\" is not read here"},
    {1, 33, "- a", "p.yaml:1:1: a policy is a map"},
    {1, 33, "a: 1\na: 2", "p.yaml:2:1: "},
    {2, 1, "serial: 01", "p.yaml:2:9: "},
    {2, 1, "serial: 2", "p.yaml:3:11: serial 2 needs the digest"},
    {3, 1, "previous: " DIGEST, "p.yaml:3:11: serial 1 has nothing before it"},
    {4, 1, "author: me", "p.yaml:4:9: "},
    {4, 1, "", "p.yaml:1:1: "},
    {5, 1, "valid_from: tomorrow", "p.yaml:5:13: "},
    {5, 1, "valid_from: 2016-11-24T08:00Z",
     "p.yaml:22:9: the first entry must not start after \"valid_from\" (2016-11-24T08:00Z)"},
    {6, 5, "zones: []", "p.yaml:6:8: \"zones\" must have at least 1 entry"},
    {7, 1, "  - zone: C", "p.yaml:7:11: \"C\" is not a zone: 2 to 8 of A-Z and 0-9"},
    {7, 1, "  - zone: Swiss", "p.yaml:7:11: \"Swiss\" is not a zone"},
    {7, 1, "  - zone: RU", "p.yaml:9:11: zone RU is already listed"},
    {8, 1, "    sites: []", "p.yaml:8:12: \"sites\" must have at least 1 entry"},
    {8, 1, "    sites: [zrh1, Gva1]", "p.yaml:8:19: \"Gva1\" is not a site"},
    {8, 1, "    sites: [zrh1, a2345678901234567]", "p.yaml:8:19: \"a2345678901234567\" is not"},
    {8, 1, "    sites: [zrh1, zrh1]",
     "p.yaml:8:19: site \"zrh1\" is already in zone CH; a site has one zone"},
    {10, 1, "    sites: [gva1]",
     "p.yaml:10:13: site \"gva1\" is already in zone CH; a site has one zone"},
    {10, 1, "    sites: [mow1]\n    city: Moscow", "p.yaml:11:5: "},
    {12, 1, "  retention: 365", "p.yaml:12:14: "},
    {12, 1, "  retention: 1h", "p.yaml:12:14: retention must be between 1d and 36500d"},
    {13, 1, "  consent: optional", "p.yaml:13:12: "},
    {13, 1, "", "p.yaml:12:3: "},
    {14, 1, "  read_approvals: 0", "p.yaml:14:19: "},
    {16, 1, "  scan_within: 24h\n  price: 0", "p.yaml:17:3: "},
    {18, 1, "  - {zone: DE, field: retention, value: 180d, ground: law}",
     "p.yaml:18:12: zone \"DE\" is not listed under \"zones\""},
    {18, 1, "  - {zone: RU, field: consent, value: no, ground: law}", "p.yaml:18:23: "},
    {18, 1, "  - {zone: RU, field: copies, value: 180d, ground: law}", "p.yaml:18:38: "},
    {18, 1, "  - {zone: RU, field: retention, value: 180d, ground: whim}", "p.yaml:18:55: "},
    {18, 1, "  - {zone: RU, field: retention, value: 365d, ground: law}",
     "p.yaml:18:5: retention of zone RU is the same as everywhere"},
    {18, 1,
     "  - {zone: RU, field: retention, value: 180d, ground: law}\n"
     "  - {zone: RU, field: retention, value: 90d, ground: law}",
     "p.yaml:19:5: retention of zone RU is already listed as different"},
    {20, 1, "  - subjects: [CA, US, UK]",
     "p.yaml:20:24: \"UK\" is not a country of ISO 3166-1; did you mean GB (United Kingdom)?"},
    {20, 1, "  - subjects: [CA, us]",
     "p.yaml:20:20: \"us\" is not a country of ISO 3166-1; did you mean US (United States"},
    {20, 1, "  - subjects: [Canada, US]",
     "p.yaml:20:16: \"Canada\" is not a country of ISO 3166-1; did you mean CA (Canada)?"},
    {20, 1, "  - subjects: [CA, US, 99]", "p.yaml:20:24: \"99\" is not a country of ISO 3166-1"},
    {20, 1, "  - subjects: [CA, US, CA]", "p.yaml:20:24: CA (Canada) is already placed at line 20"},
    {24, 1, "  - subjects: [FR, CA]", "p.yaml:24:20: CA (Canada) is already placed at line 20"},
    {20, 1, "  - subjects: []", "p.yaml:20:15: \"subjects\" must have at least 1 entry"},
    {20, 1, "  - subjects: [CA]", "p.yaml:20:3: 1 assigned country has no placement: US (United"},
    {22, 1, "      - {zone: DE, from: 2017-01-01T00:00Z}",
     "p.yaml:22:16: zone \"DE\" is not listed under \"zones\""},
    {22, 1, "      - {zone: RU, from: 2017-01-01T00:00Z, move_by: 2017-01-02T00:00Z}",
     "p.yaml:22:54: the first entry has nothing to move"},
    {22, 1, "      - {zone: RU, from: 2017-01-02T00:00Z}",
     "p.yaml:22:9: CA has no zone from 2017-01-01T00:00Z, when the first countries start, to "
     "2017-01-02T00:00Z"},
    {22, 2, "", "p.yaml:21:8: "},
    {23, 1, "      - {zone: RU, from: 2026-11-24T08:00Z}",
     "p.yaml:23:9: zone RU is where it already is"},
    {23, 1, "      - {zone: CH, from: 2017-01-01T00:00Z}",
     "p.yaml:23:9: \"from\" must be after the entry before, which starts at 2017-01-01T00:00Z"},
    {23, 1, "      - {zone: CH, from: 2026-11-24T08:00Z, move_by: 2026-11-24T07:59Z}",
     "p.yaml:23:54: \"move_by\" is before \"from\""},
    {23, 1,
     "      - {zone: CH, from: 2026-11-24T08:00Z, move_by: 2026-11-25T08:00Z}\n"
     "      - {zone: RU, from: 2026-11-25T07:59:59Z}",
     "p.yaml:24:9: this starts before the move of the entry before is over (2026-11-25T08:00Z)"},
    {23, 1, "      - {zone: CH, from: 2026-11-24T08:00Z, until: 2027-01-01T00:00Z}",
     "p.yaml:23:45: "},
    {30, 1, "  - subjects: ['product:*', 'rules:A']",
     "p.yaml:30:29: \"rules:A\" is not a subject: product:NAME, rules:NAME, or * for all names"},
    {30, 1, "  - subjects: ['product:*', 'models:*']",
     "p.yaml:30:29: \"models:*\" is not a subject"},
    {30, 1, "  - subjects: ['product:*', 'product:*']",
     "p.yaml:30:29: \"product:*\" is already placed"},
    {31, 1, "    at: [{zone: CH, from: 2027-01-01T00:00Z}]",
     "p.yaml:31:10: the first entry must not start after \"valid_from\""},
    {33, 1, "    at: [{zone: RU, from: 2018-01-01T00:00Z}]\nnote: x", "p.yaml:34:1: "},
};

static void every_problem_names_its_line_and_column(void **state)
{
    char text[16384];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct policy *p = NULL;
        struct err e = ERR_INIT;
        int rc;

        edit(text, sizeof(text), bad[i].line, bad[i].n, bad[i].with);
        rc = policy_parse(&p, "p.yaml", span_str(text), &e);
        if (rc != -EINVAL || strncmp(err_text(&e), bad[i].says, strlen(bad[i].says)) != 0)
            print_error("row %zu, \"%s\":\n got %d %s\nwant %s\n", i, bad[i].with, rc, err_text(&e),
                        bad[i].says);
        assert_int_equal(rc, -EINVAL);
        assert_null(p);
        assert_memory_equal(err_text(&e), bad[i].says, strlen(bad[i].says));
    }
}

static void all_problems_are_told_at_once(void **state)
{
    struct policy_problems pr;
    struct policy *p = NULL;
    char text[16384];
    struct buf b;

    (void)state;
    edit(text, sizeof(text), 12, 12,
         "  retention: 365\n"
         "  consent: required\n"
         "  read_approvals: 2\n"
         "  copies: 1\n"
         "  scan_within: 24h\n"
         "differences: []\n"
         "placement:\n"
         "  - subjects: [CA, UK]\n"
         "    at:\n"
         "      - {zone: RU, from: 2017-01-01T00:00Z}\n"
         "      - {zone: DE, from: 2026-11-24T08:00Z}");
    assert_int_equal(policy_check(&p, "p.yaml", span_str(text), &pr), -EINVAL);
    assert_null(p);
    assert_int_equal(pr.n, 4);
    assert_memory_equal(err_text(&pr.v[0]), "p.yaml:12:14: ", 14);
    assert_memory_equal(err_text(&pr.v[1]), "p.yaml:19:20: \"UK\"", 18);
    assert_memory_equal(err_text(&pr.v[2]), "p.yaml:22:16: zone \"DE\"", 23);
    assert_memory_equal(err_text(&pr.v[3]), "p.yaml:19:3: 1 assigned country has no", 38);
    buf_init(&b, 10000);
    assert_int_equal(policy_problems_text(&pr, &b), 0);
    assert_non_null(strstr(buf_str(&b), "\n4 problems\n"));
    buf_free(&b);
    policy_problems_done(&pr);
}

static void after_twenty_problems_they_are_only_counted(void **state)
{
    struct policy_problems pr;
    struct policy *p = NULL;
    char text[16384];
    struct buf b;

    (void)state;
    edit(text, sizeof(text), 20, 1,
         "  - subjects: [CA, US, X1, X2, X3, X4, X5, X6, X7, X8, X9, Y1, Y2, Y3, Y4, Y5, Y6, Y7, "
         "Y8,\n"
         "               Y9, Z1, Z2, Z3, Z4, Z5]");
    assert_int_equal(policy_check(&p, "p.yaml", span_str(text), &pr), -EINVAL);
    assert_int_equal(pr.n, POLICY_MAX_PROBLEMS);
    assert_int_equal(pr.more, 3);
    buf_init(&b, 20000);
    assert_int_equal(policy_problems_text(&pr, &b), 0);
    assert_non_null(strstr(buf_str(&b), "\n23 problems (the first 20 are shown)\n"));
    buf_free(&b);
    policy_problems_done(&pr);
}

static void a_formerly_assigned_country_may_be_placed_and_need_not(void **state)
{
    struct policy *p = edited(20, 1, "  - subjects: [CA, US, SU]");

    (void)state;
    assert_string_equal(policy_zone(p, "SU", VALID), "CH");
    policy_free(p);
}

/* An entry may begin at valid_from, and at the very moment by which the files have moved. */
static void what_touches_does_not_overlap(void **state)
{
    struct policy *p = edited(31, 1, "    at: [{zone: CH, from: 2026-11-24T08:00Z}]");

    (void)state;
    assert_null(policy_zone(p, "rules:a", VALID - 1));
    assert_string_equal(policy_zone(p, "rules:a", VALID), "CH");
    policy_free(p);
    p = edited(23, 1,
               "      - {zone: CH, from: 2026-11-24T08:00Z, move_by: 2026-11-24T08:00Z}\n"
               "      - {zone: RU, from: 2026-11-24T08:00:01Z, move_by: 2026-11-25T08:00Z}\n"
               "      - {zone: CH, from: 2026-11-25T08:00Z}");
    assert_string_equal(policy_zone(p, "CA", VALID), "CH");
    assert_string_equal(policy_zone(p, "CA", VALID + 1), "RU");
    assert_string_equal(policy_zone(p, "CA", MOVED), "CH");
    policy_free(p);
}

/* --- one policy after another --- */

#define NEXT                                                                                       \
    "serial: 2\nprevious: " DIGEST "\nauthor: 00000000000000000000000000000001\n"                  \
    "valid_from: 2026-12-01T00:00Z"

/* good as serial 2 of December 2026, with a further edit */
static struct policy *successor(int line, int n, const char *with)
{
    char text[16384], one[16384], *at;

    edit(one, sizeof(one), line, n, with);
    at = strstr(one, "serial: 1\n");
    assert_non_null(at);
    assert_true(snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - one), one, NEXT,
                         strstr(at, "\nzones:")) < (int)sizeof(text));
    return read_policy(text);
}

static const struct {
    const char *what;
    int line, n;
    const char *with, *says; /* NULL: it follows */
} steps[] = {
    {"nothing changes", 1, 0, "", NULL},
    {"a country moves later", 27, 1,
     "      - {zone: CH, from: 2018-11-01T00:00Z}\n"
     "      - {zone: RU, from: 2026-12-01T00:00Z, move_by: 2027-01-01T00:00Z}",
     NULL},
    {"a site is added", 10, 1, "    sites: [mow1, led1]", NULL},
    {"retention changes", 12, 1, "  retention: 90d", NULL},
    {"a country was always there", 26, 2, "      - {zone: CH, from: 2017-01-01T00:00Z}",
     "p.yaml:26:9: FR: the time before \"valid_from\" (2026-12-01T00:00Z) is not as policy 1 says"},
    {"a move is back-dated", 27, 1, "      - {zone: CH, from: 2018-10-01T00:00Z}",
     "p.yaml:27:9: FR: the time before"},
    {"a move that was is undone", 27, 1, "", "p.yaml:24:5: FR: the time before"},
    {"a move that was not", 27, 1,
     "      - {zone: CH, from: 2018-11-01T00:00Z}\n"
     "      - {zone: RU, from: 2026-11-30T23:59Z}",
     "p.yaml:28:9: FR: the time before"},
    {"a deadline that has passed is moved", 23, 1,
     "      - {zone: CH, from: 2026-11-24T08:00Z, move_by: 2027-01-01T00:00Z}",
     "p.yaml:23:9: CA: a deadline that was over before"},
    {"a product is forgotten", 32, 2, "",
     "p.yaml:20:3: product:kpx-1.2 is placed by policy 1 and no longer here"},
    {"products were elsewhere", 31, 1, "    at: [{zone: RU, from: 2018-01-01T00:00Z}]",
     "p.yaml:31:10: product:*: the time before"},
    {"a site changes its zone", 7, 4,
     "  - zone: CH\n    sites: [zrh1]\n  - zone: RU\n    sites: [mow1, gva1]",
     "p.yaml:7:3: site \"gva1\" was in zone CH and is now in RU"},
};

static void a_successor_leaves_the_past_alone(void **state)
{
    struct policy *p = edited(1, 0, "");
    struct digest doc, other;

    (void)state;
    assert_int_equal(text_undigest(span_str(DIGEST), &doc), 0);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct policy *next = successor(steps[i].line, steps[i].n, steps[i].with);
        struct err e = ERR_INIT;
        int rc = policy_follows(p, &doc, next, &e);

        if (steps[i].says == NULL
                ? rc != 0
                : rc != -EINVAL || strncmp(err_text(&e), steps[i].says, strlen(steps[i].says)) != 0)
            fail_msg("%s: %d %s", steps[i].what, rc, err_text(&e));
        policy_free(next);
    }
    /* the chain itself */
    other = doc;
    other.b[0] ^= 1;
    {
        struct policy *next = successor(1, 0, "");

        assert_memory_equal(policy_previous(next), &doc, sizeof(doc));
        assert_int_equal(policy_follows(p, &other, next, NULL), -EINVAL);
        assert_int_equal(policy_follows(next, &doc, next, NULL), -EINVAL);
        policy_free(next);
    }
    policy_free(p);
}

static void a_successor_takes_effect_later(void **state)
{
    struct policy *p = edited(1, 0, ""), *next;
    struct digest doc;
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(text_undigest(span_str(DIGEST), &doc), 0);
    next = edited(2, 2, "serial: 2\nprevious: " DIGEST);
    assert_int_equal(policy_follows(p, &doc, next, &e), -EINVAL);
    assert_string_equal(err_text(&e), "p.yaml:5:13: \"valid_from\" must be after that of policy 1, "
                                      "2026-11-24T08:00Z");
    policy_free(next);
    policy_free(p);
}

/* --- texts --- */

static void explain_tells_the_timeline(void **state)
{
    struct policy *p = edited(1, 0, "");
    struct err e = ERR_INIT;
    struct buf b;

    (void)state;
    buf_init(&b, 10000);
    assert_int_equal(policy_explain(p, "CA", &b, &e), 0);
    assert_int_equal(policy_explain(p, "FR", &b, &e), 0);
    assert_int_equal(policy_explain(p, "product:x", &b, &e), 0);
    assert_string_equal(buf_str(&b),
                        "CA (Canada)\n"
                        "  from 2017-01-01T00:00Z  RU (mow1)\n"
                        "  from 2026-11-24T08:00Z  CH (zrh1, gva1); files already in RU have moved "
                        "by 2026-11-25T08:00Z\n"
                        "FR (France)\n"
                        "  from 2017-01-01T00:00Z  RU (mow1)\n"
                        "  from 2018-11-01T00:00Z  CH (zrh1, gva1); files already in RU stay there "
                        "until they are erased\n"
                        "product:x\n"
                        "  from 2018-01-01T00:00Z  CH (zrh1, gva1)\n");
    assert_int_equal(policy_explain(p, "Switzerland", &b, &e), -ENOENT);
    assert_string_equal(err_text(&e),
                        "policy 1 places no \"Switzerland\"; did you mean CH (Switzerland)?");
    buf_free(&b);
    policy_free(p);
}

static void diff_names_together_what_moves_together(void **state)
{
    struct policy *p = edited(1, 0, ""), *next;
    struct buf b;

    (void)state;
    buf_init(&b, 10000);
    next = successor(1, 0, "");
    assert_int_equal(policy_diff(p, next, &b), 0);
    assert_string_equal(buf_str(&b), "policy 2, in force from 2026-12-01T00:00Z, against policy 1\n"
                                     "nothing else changes\n");
    policy_free(next);
    buf_reset(&b);
    next = successor(8, 16,
                     "    sites: [zrh1]\n"
                     "  - zone: RU\n"
                     "    sites: [mow1]\n"
                     "  - zone: DE\n"
                     "    sites: [fra1]\n"
                     "uniform:\n"
                     "  retention: 180d\n"
                     "  consent: required\n"
                     "  read_approvals: 2\n"
                     "  copies: 2\n"
                     "  scan_within: 24h\n"
                     "differences: [{zone: DE, field: copies, value: 3, ground: contract}]\n"
                     "placement:\n"
                     "  - subjects: [CA, US]\n"
                     "    at:\n"
                     "      - {zone: RU, from: 2017-01-01T00:00Z}\n"
                     "      - {zone: DE, from: 2026-12-24T08:00Z, move_by: 2026-12-25T08:00Z}");
    assert_int_equal(policy_diff(p, next, &b), 0);
    assert_string_equal(buf_str(&b),
                        "policy 2, in force from 2026-12-01T00:00Z, against policy 1\n"
                        "+ zone DE\n"
                        "+ site fra1 in zone DE\n"
                        "- site gva1 in zone CH\n"
                        "~ retention: 180d, was 365d\n"
                        "~ retention in zone RU: as everywhere, was 180d\n"
                        "~ copies: 2, was 1\n"
                        "~ copies in zone DE alone: 3\n"
                        "CA, US\n"
                        "    + DE from 2026-12-24T08:00Z, files moved by 2026-12-25T08:00Z\n"
                        "    - CH from 2026-11-24T08:00Z, files moved by 2026-11-25T08:00Z\n");
    policy_free(next);
    /* the same move, another deadline */
    buf_reset(&b);
    next =
        successor(23, 1, "      - {zone: CH, from: 2026-11-24T08:00Z, move_by: 2026-12-25T08:00Z}");
    assert_int_equal(policy_diff(p, next, &b), 0);
    assert_string_equal(buf_str(&b),
                        "policy 2, in force from 2026-12-01T00:00Z, against policy 1\n"
                        "CA, US\n"
                        "    + CH from 2026-11-24T08:00Z, files moved by 2026-12-25T08:00Z\n"
                        "    - CH from 2026-11-24T08:00Z, files moved by 2026-11-25T08:00Z\n");
    policy_free(next);
    buf_free(&b);
    policy_free(p);
}

/* demo/policy.yaml: the announced timeline, every country of the world enumerated. */
static void the_demonstrations_policy_is_the_announced_timeline(void **state)
{
    static const struct {
        const char *country, *date, *zone;
    } v[] = {
        {"DE", "2018-10-31T23:59Z", "RU"}, {"DE", "2018-11-01T00:00Z", "CH"},
        {"CA", "2019-10-31T23:59Z", "RU"}, {"CA", "2019-11-01T00:00Z", "CH"},
        {"JP", "2020-10-31T23:59Z", "RU"}, {"JP", "2020-11-01T00:00Z", "CH"},
        {"BR", "2022-02-28T23:59Z", "RU"}, {"BR", "2022-03-01T00:00Z", "CH"},
        {"AE", "2022-03-01T00:00Z", "CH"}, {"RU", "2026-01-01T00:00Z", "RU"},
        {"KZ", "2026-01-01T00:00Z", "RU"},
    };
    struct policy *p = NULL;
    struct err e = ERR_INIT;
    struct policy_move *m = NULL;
    struct buf b;
    size_t n = 0;

    (void)state;
    buf_init(&b, 1 << 20);
    assert_int_equal(io_read_file(AT_FDCWD, DEMO_POLICY, &b), 0);
    if (policy_parse(&p, "demo/policy.yaml", buf_span(&b), &e) != 0)
        fail_msg("%s", err_text(&e));
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        unix_time t;

        assert_int_equal(clock_unminute(span_str(v[i].date), &t), 0);
        assert_string_equal(policy_zone(p, v[i].country, t), v[i].zone);
    }
    assert_int_equal(policy_moves_all(p, &m, &n), 0);
    assert_int_equal(n, 51 + 2 + 17 + 65); /* the lengths of the four lists of the timeline */
    free(m);
    buf_free(&b);
    policy_free(p);
}

/* demo/policy.sh scaled 1795507200 20: the same steps, twenty seconds apart from VALID on. */
static void the_scaled_policy_takes_the_same_steps(void **state)
{
    static const struct {
        const char *country;
        int step; /* -1: none */
    } v[] = {{"DE", 0}, {"CA", 1}, {"US", 1}, {"JP", 2}, {"BR", 3}, {"RU", -1}};
    struct policy *p = NULL;
    struct policy_move *m = NULL;
    struct err e = ERR_INIT;
    struct buf b;
    size_t n = 0;

    (void)state;
    buf_init(&b, 1 << 20);
    assert_int_equal(io_read_file(AT_FDCWD, SCALED_POLICY, &b), 0);
    if (policy_parse(&p, "scaled", buf_span(&b), &e) != 0)
        fail_msg("%s", err_text(&e));
    assert_int_equal(policy_valid_from(p), VALID);
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        unix_time at = VALID + 20 * v[i].step;

        assert_string_equal(policy_zone(p, v[i].country, at - 1), "RU");
        assert_string_equal(policy_zone(p, v[i].country, v[i].step < 0 ? VALID + 3600 : at),
                            v[i].step < 0 ? "RU" : "CH");
    }
    assert_int_equal(policy_moves(p, VALID + 20, &m, &n), 0);
    assert_int_equal(n, 2);
    assert_string_equal(m[0].country, "CA");
    assert_int_equal(m[0].by, VALID + 40);
    free(m);
    buf_free(&b);
    policy_free(p);
}

static int parse_small(void *ctx)
{
    struct policy *p = NULL;
    int rc = policy_parse(&p, "p.yaml", span_str(ctx), NULL);

    if (rc == 0)
        policy_free(p);
    return rc;
}

static void running_out_of_memory_is_no_problem_of_the_document(void **state)
{
    char text[16384];

    (void)state;
    assert_true(faults_each(parse_small, edit(text, sizeof(text), 1, 0, "")) > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_policy_answers_where_and_since_when),
        cmocka_unit_test(moves_run_from_since_until_by),
        cmocka_unit_test(every_problem_names_its_line_and_column),
        cmocka_unit_test(all_problems_are_told_at_once),
        cmocka_unit_test(after_twenty_problems_they_are_only_counted),
        cmocka_unit_test(a_formerly_assigned_country_may_be_placed_and_need_not),
        cmocka_unit_test(what_touches_does_not_overlap),
        cmocka_unit_test(a_successor_leaves_the_past_alone),
        cmocka_unit_test(a_successor_takes_effect_later),
        cmocka_unit_test(explain_tells_the_timeline),
        cmocka_unit_test(diff_names_together_what_moves_together),
        cmocka_unit_test(the_demonstrations_policy_is_the_announced_timeline),
        cmocka_unit_test(the_scaled_policy_takes_the_same_steps),
        cmocka_unit_test(running_out_of_memory_is_no_problem_of_the_document),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What metadata may look like.  Canonical forms are those of securesystemslib 1.3.1 (Python,
 * encode_canonical), names those of urllib.parse.quote(name, ""), bins by hashlib: printf '%s' a |
 * sha256sum begins with ca978112, "file.txt" with aadf327c, "x/y" with bd3c9047, "b" with 3e23e816.
 */
#include "repo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "updates/tuf_delegation.h"
#include "updates/tuf_json.h"
#include "updates/tuf_name.h"

static void canonical_form_is_that_of_the_reference(void **state)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"{\"b\":1,\"a\":[true,false,null,-5,0,\"x\"],\"\xc3\xa9\":\"\\u00e9\\n\\\"\\\\/\\u007f\","
         "\"A\":{}}",
         "{\"A\":{},\"a\":[true,false,null,-5,0,\"x\"],\"b\":1,\"\xc3\xa9\":\"\xc3\xa9\n\\\"\\\\/"
         "\x7f\"}"},
        {"{\"\":\"\",\"\\ud83d\\ude00\":\"\\uffff\",\"\\uffff\":[[],{}]}",
         "{\"\":\"\",\"\xef\xbf\xbf\":[[],{}],\"\xf0\x9f\x98\x80\":\"\xef\xbf\xbf\"}"},
        {" { \"a\" : \"\\u0001\\t\" } ", "{\"a\":\"\x01\t\"}"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b;
        json_t *v;

        assert_int_equal(tuf_json_parse(&v, span_str(rows[i].in), NULL), 0);
        buf_init(&b, strlen(rows[i].in)); /* never longer */
        assert_int_equal(tuf_json_canonical(&b, v), 0);
        assert_string_equal(buf_str(&b), rows[i].out);
        buf_free(&b);
        json_decref(v);
    }
}

static void json_is_read_strictly(void **state)
{
    static const char *const bad[] = {
        "",
        " ",
        "[]",
        "1",
        "{",
        "{}{}",
        "{} x",
        "{\"a\":1,\"a\":1}",
        "{\"a\":{\"b\":1,\"b\":2}}",
        "{\"a\":1.0}",
        "{\"a\":1e3}",
        "{\"a\":[[0.5]]}",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":9223372036854775808}",
        "{\"a\":\"\\u0000\"}",
        "{\"a\\u0000b\":1}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\xff\"}",
        "{\"a\":\"\xc0\x80\"}",
        "{\"a\":\"\n\"}",
        "{'a':1}",
        "{\"a\":1,}",
        "{\"a\":NaN}",
        "\xef\xbb\xbf{}",
        "{/**/}",
    };
    const struct span nul = {(const uint8_t *)"{\"a\":1}\0", 8};
    json_t *v;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err e = ERR_INIT;

        if (tuf_json_parse(&v, span_str(bad[i]), &e) != -EBADMSG || e.text[0] == '\0')
            fail_msg("accepted: %s", bad[i]);
        assert_null(v);
    }
    assert_int_equal(tuf_json_parse(&v, nul, NULL), -EBADMSG);
}

/* "{"a":[[[...]]]}" with n levels in all */
static int nested(int n)
{
    struct buf b;
    json_t *v;
    int rc;

    buf_init(&b, 10000);
    assert_int_equal(buf_puts(&b, "{\"a\":"), 0);
    for (int i = 1; i < n; i++)
        assert_int_equal(buf_putc(&b, '['), 0);
    for (int i = 1; i < n; i++)
        assert_int_equal(buf_putc(&b, ']'), 0);
    assert_int_equal(buf_putc(&b, '}'), 0);
    rc = tuf_json_parse(&v, buf_span(&b), NULL);
    json_decref(v);
    buf_free(&b);
    return rc;
}

static void depth_and_number_of_values_are_bounded_before_parsing(void **state)
{
    size_t n = TUF_JSON_MAX_VALUES;
    struct buf b;
    json_t *v;

    (void)state;
    assert_int_equal(nested(2), 0);
    assert_int_equal(nested(TUF_JSON_MAX_DEPTH), 0);
    assert_int_equal(nested(TUF_JSON_MAX_DEPTH + 1), -E2BIG);
    assert_int_equal(tuf_json_parse(&v,
                                    span_str("{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\""
                                             "[[[[[[[[[[[[[[[[[[[\"}"),
                                    NULL),
                     0);
    json_decref(v);
    buf_init(&b, 2 * n + 100);
    assert_int_equal(buf_puts(&b, "{\"a\":[0"), 0);
    for (size_t i = 4; i < n; i++)
        assert_int_equal(buf_puts(&b, ",0"), 0);
    assert_int_equal(buf_puts(&b, "]}"), 0);
    assert_int_equal(tuf_json_parse(&v, buf_span(&b), NULL), 0);
    json_decref(v);
    b.len -= 2;
    assert_int_equal(buf_puts(&b, ",0,0]}"), 0);
    assert_int_equal(tuf_json_parse(&v, buf_span(&b), NULL), -E2BIG);
    buf_free(&b);
}

static void patterns_match_within_one_part_of_a_path(void **state)
{
    static const struct {
        const char *pattern, *path;
        bool yes;
    } rows[] = {
        /* the specification's examples */
        {"targets/*.tgz", "targets/foo.tgz", true},
        {"targets/*.tgz", "targets/bar.tgz", true},
        {"targets/*.tgz", "targets/foo.txt", false},
        {"foo-version-?.tgz", "foo-version-2.tgz", true},
        {"foo-version-?.tgz", "foo-version-a.tgz", true},
        {"foo-version-?.tgz", "foo-version-alpha.tgz", false},
        {"*.tgz", "foo.tgz", true},
        {"*.tgz", "targets/foo.tgz", false},
        {"foo.tgz", "foo.tgz", true},
        {"foo.tgz", "bar.tgz", false},
        /* ours */
        {"*", "", true},
        {"", "", true},
        {"", "a", false},
        {"a", "", false},
        {"*", "a", true},
        {"*", "a/b", false},
        {"*/*", "a/b", true},
        {"*/*", "a/b/c", false},
        {"**", "a", true},
        {"**", "a/b", false},
        {"a*b*c", "aXbYbZc", true},
        {"a*b*c", "aXbYbZ", false},
        {"*a*/*b", "xax/aab", true},
        {"*a*/*b", "xax/aba", false},
        {"a/*", "a/", true},
        {"a/*", "a", false},
        {"?", "/", false},
        {"a?b", "a/b", false},
        {"?", "\xc3\xa9", true},
        {"??", "\xc3\xa9", false},
        {"FOO", "foo", false},
        {".*", ".x", true},
        {"*", ".x", true},
        {"\\*", "\\x", true},
        {"\\*", "*", false},
        {"[ab]", "a", true},
        {"[ab]", "c", false},
        {"[!ab]", "c", true},
        {"[!ab]", "a", false},
        {"[!a]", "/", false},
        {"[a-c]x", "bx", true},
        {"[a-c]x", "dx", false},
        {"[]]", "]", true},
        {"[a-]", "-", true},
        {"[a", "[a", true},
        {"[a/b]", "[a/b]", true},
        {"[/]", "/", false},
        {"*[0-9].gz", "a1b2.gz", true},
        {"a.c", "abc", false},
        {"{a,b}", "a", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (tuf_pattern_matches(rows[i].pattern, rows[i].path) != rows[i].yes)
            fail_msg("\"%s\" \"%s\"", rows[i].pattern, rows[i].path);
}

static void a_pattern_of_stars_takes_no_exponential_time(void **state)
{
    char pattern[2001], path[2001];

    (void)state;
    for (int i = 0; i < 2000; i++)
        pattern[i] = i % 2 ? 'a' : '*';
    memset(path, 'a', 2000);
    path[1999] = 'b';
    pattern[2000] = path[2000] = '\0';
    assert_false(tuf_pattern_matches(pattern, path));
}

static void bins_are_the_first_bits_of_the_hash(void **state)
{
    static const struct {
        const char *path;
        unsigned bits;
        const char *name;
    } rows[] = {
        {"a", 1, "bin-1"},           {"b", 1, "bin-0"},         {"a", 4, "bin-c"},
        {"a", 5, "bin-19"},          {"file.txt", 8, "bin-aa"}, {"file.txt", 16, "bin-aadf"},
        {"x/y", 32, "bin-bd3c9047"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct tuf_delegations d = {.bins = {.prefix = "bin", .bits = rows[i].bits}};
        char name[TUF_BIN_NAME_SIZE];

        tuf_bin_name(&d.bins, rows[i].path, name);
        assert_string_equal(name, rows[i].name);
        assert_ptr_equal(tuf_delegations_signers(&d, name), &d.bins.signers);
    }
    {
        struct tuf_delegations d = {.bins = {.prefix = "bin", .bits = 5}};
        static const char *const no[] = {"bin-20", "bin-1",  "bin-001", "bin-1G", "bin",
                                         "bi-00",  "bin-+1", "targets", ""};

        for (size_t i = 0; i < ARRAY_LEN(no); i++)
            assert_null(tuf_delegations_signers(&d, no[i]));
    }
}

static void names_are_quoted_as_the_reference_quotes_them(void **state)
{
    static const struct {
        const char *in, *quoted, *file, *path;
    } rows[] = {
        {"a/b", "a%2Fb", "a%2Fb", "a/b"},
        {"?", "%3F", "%3F", "%3F"},
        {"#", "%23", "%23", "%23"},
        {"../x", "..%2Fx", "%2E.%2Fx", "../x"},
        {".", ".", "%2E", "."},
        {"\xc3\xa9", "%C3%A9", "%C3%A9", "%C3%A9"},
        {"~-_.", "~-_.", "~-_.", "~-_."},
        {"a b%20+%zz", "a%20b%2520%2B%25zz", "a%20b%2520%2B%25zz", "a%20b%20+%25zz"},
        {"%", "%25", "%25", "%25"},
    };
    struct buf b;
    char name[300];

    (void)state;
    buf_init(&b, 2000);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(tuf_name_quote(&b, rows[i].in), 0);
        assert_string_equal(buf_str(&b), rows[i].quoted);
        buf_reset(&b);
        assert_int_equal(tuf_name_file(&b, rows[i].in, ""), 0);
        assert_string_equal(buf_str(&b), rows[i].file);
        buf_reset(&b);
        assert_int_equal(tuf_name_url_path(&b, rows[i].in), 0);
        assert_string_equal(buf_str(&b), rows[i].path);
        buf_reset(&b);
    }
    memset(name, 'a', sizeof(name));
    name[250] = '\0';
    assert_int_equal(tuf_name_file(&b, name, ".json"), 0);
    buf_reset(&b);
    name[250] = 'a';
    name[251] = '\0';
    assert_int_equal(tuf_name_file(&b, name, ".json"), -E2BIG);
    buf_free(&b);
}

/* --- metadata: one change to a good file, with what must be said -------------------------------
 */

#define HEAD "\"spec_version\":\"1.0.0\",\"version\":1,\"expires\":\"2030-01-01T00:00:00Z\""
#define SIGS "\"signatures\":[{\"keyid\":\"a\",\"sig\":\"00\"}]"
#define ROLE_TEXT "{\"keyids\":[\"a\"],\"threshold\":1}"
#define ROLES                                                                                      \
    "\"root\":" ROLE_TEXT ",\"timestamp\":" ROLE_TEXT ",\"snapshot\":" ROLE_TEXT                   \
    ",\"targets\":" ROLE_TEXT
#define ROOT                                                                                       \
    "{" SIGS ",\"signed\":{\"_type\":\"root\"," HEAD ",\"consistent_snapshot\":true,"              \
    "\"keys\":{\"k\":{\"keytype\":\"ed25519\",\"scheme\":\"ed25519\",\"keyval\":{\"public\":"      \
    "\"00\"}}},\"roles\":{" ROLES "}}}"
#define TIMESTAMP                                                                                  \
    "{" SIGS ",\"signed\":{\"_type\":\"timestamp\"," HEAD ",\"meta\":{\"snapshot.json\":{"         \
    "\"version\":7,\"length\":10,\"hashes\":{\"sha256\":\"" H64 "\"}}}}}"
#define SNAPSHOT                                                                                   \
    "{" SIGS ",\"signed\":{\"_type\":\"snapshot\"," HEAD ",\"meta\":{\"targets.json\":{"           \
    "\"version\":7},\"x.json\":{\"version\":1}}}}"
#define H16 "0123456789abcdef"
#define H64 H16 H16 H16 H16
#define TARGETS                                                                                    \
    "{" SIGS ",\"signed\":{\"_type\":\"targets\"," HEAD ",\"targets\":{\"t\":{\"length\":0,"       \
    "\"hashes\":{\"sha256\":\"" H64 "\"},\"custom\":{\"any\":[1]}}},"                              \
    "\"delegations\":{\"keys\":{},\"roles\":[{\"name\":\"A\",\"keyids\":[\"a\"],"                  \
    "\"threshold\":1,\"terminating\":true,\"paths\":[\"*\"]},{\"name\":\"B\",\"keyids\":[],"       \
    "\"threshold\":2,\"path_hash_prefixes\":[\"0f\"]}]}}}"
#define BINS                                                                                       \
    "{" SIGS ",\"signed\":{\"_type\":\"targets\"," HEAD ",\"targets\":{},\"delegations\":{"        \
    "\"keys\":{},\"succinct_roles\":{\"keyids\":[\"a\"],\"threshold\":1,\"bit_length\":8,"         \
    "\"name_prefix\":\"p\"}}}}"

static const struct {
    enum tuf_type type;
    const char *good, *from, *to;
    int rc;
    const char *says;
} edits[] = {
    /* forms that are allowed */
    {TUF_ROOT, ROOT, "1.0.0", "1.0", 0, ""},
    {TUF_ROOT, ROOT, "1.0.0", "1.22.333", 0, ""},
    {TUF_ROOT, ROOT, "\"consistent_snapshot\":true,", "", 0, ""},
    {TUF_ROOT, ROOT, "\"threshold\":1", "\"threshold\":99", 0, ""},
    {TUF_ROOT, ROOT, "{" SIGS, "{\"x\":[],\"signatures\":[]", 0, ""},
    {TUF_ROOT, ROOT, "\"keyids\":[\"a\"]", "\"keyids\":[]", 0, ""},
    {TUF_ROOT, ROOT, "\"version\":1", "\"version\":9223372036854775806", 0, ""},
    {TUF_TIMESTAMP, TIMESTAMP, "\"length\":10,", "", 0, ""},
    {TUF_TIMESTAMP, TIMESTAMP, ",\"hashes\":{\"sha256\":\"" H64 "\"}", "", 0, ""},
    {TUF_TARGETS, TARGETS, "sha256", "blake2b", 0, ""},
    {TUF_TARGETS, BINS, "\"bit_length\":8", "\"bit_length\":32", 0, ""},
    /* the envelope */
    {TUF_ROOT, ROOT, "\"signed\"", "\"Signed\"", -EBADMSG, "no \"signed\""},
    {TUF_ROOT, ROOT, "\"signed\":{", "\"signed\":[],\"s\":{", -EBADMSG, "not an object"},
    {TUF_ROOT, ROOT, "\"signatures\"", "\"Signatures\"", -EBADMSG, "no \"signatures\""},
    {TUF_ROOT, ROOT, SIGS, "\"signatures\":{}", -EBADMSG, "not an array"},
    {TUF_ROOT, ROOT, SIGS, "\"signatures\":[1]", -EBADMSG, "no \"keyid\""},
    {TUF_ROOT, ROOT, "\"sig\":\"00\"", "\"sig\":0", -EBADMSG, "not a string"},
    {TUF_ROOT, ROOT, SIGS,
     "\"signatures\":[{\"keyid\":\"a\",\"sig\":\"00\"},{\"keyid\":\"a\",\"sig\":\"01\"}]", -EBADMSG,
     "two signatures"},
    /* what all have */
    {TUF_ROOT, ROOT, "\"_type\":\"root\"", "\"_type\":\"Root\"", -EBADMSG, "\"_type\""},
    {TUF_TIMESTAMP, SNAPSHOT, "", "", -EBADMSG, "\"_type\" is \"snapshot\""},
    {TUF_ROOT, ROOT, "1.0.0", "2.0.0", -EBADMSG, "spec_version"},
    {TUF_ROOT, ROOT, "1.0.0", "1", -EBADMSG, "spec_version"},
    {TUF_ROOT, ROOT, "1.0.0", "1.", -EBADMSG, "spec_version"},
    {TUF_ROOT, ROOT, "1.0.0", "1..0", -EBADMSG, "spec_version"},
    {TUF_ROOT, ROOT, "1.0.0", "1.0.0.0", -EBADMSG, "spec_version"},
    {TUF_ROOT, ROOT, "1.0.0", "1.0.0-rc", -EBADMSG, "spec_version"},
    {TUF_ROOT, ROOT, "1.0.0", "10.0.0", -EBADMSG, "spec_version"},
    {TUF_ROOT, ROOT, "\"version\":1", "\"version\":0", -EBADMSG, "\"version\""},
    {TUF_ROOT, ROOT, "\"version\":1", "\"version\":-1", -EBADMSG, "\"version\""},
    {TUF_ROOT, ROOT, "\"version\":1", "\"version\":\"1\"", -EBADMSG, "not an integer"},
    {TUF_ROOT, ROOT, "\"version\":1", "\"version\":true", -EBADMSG, "not an integer"},
    {TUF_ROOT, ROOT, "\"version\":1", "\"version\":9223372036854775807", -EBADMSG, "\"version\""},
    {TUF_ROOT, ROOT, "\"version\":1,", "", -EBADMSG, "no \"version\""},
    {TUF_ROOT, ROOT, "00:00Z", "00:00", -EBADMSG, "expires"},
    {TUF_ROOT, ROOT, "00:00Z", "00Z", -EBADMSG, "expires"},
    {TUF_ROOT, ROOT, "00:00Z", "00:00+00:00", -EBADMSG, "expires"},
    {TUF_ROOT, ROOT, "2030-01-01", "2030-02-30", -EBADMSG, "expires"},
    {TUF_ROOT, ROOT, "\"2030-01-01T00:00:00Z\"", "2030", -EBADMSG, "expires"},
    /* root */
    {TUF_ROOT, ROOT, "\"consistent_snapshot\":true", "\"consistent_snapshot\":1", -EBADMSG,
     "true or false"},
    {TUF_ROOT, ROOT, "\"roles\":{\"root\"", "\"roles\":{\"Root\"", -EBADMSG, "no \"root\""},
    {TUF_ROOT, ROOT, "\"targets\":{", "\"Targets\":{", -EBADMSG, "no \"targets\""},
    {TUF_ROOT, ROOT, "\"threshold\":1", "\"threshold\":0", -EBADMSG, "threshold"},
    {TUF_ROOT, ROOT, "\"keyids\":[\"a\"]", "\"keyids\":[\"a\",\"a\"]", -EBADMSG, "twice"},
    {TUF_ROOT, ROOT, "\"keyids\":[\"a\"]", "\"keyids\":[1]", -EBADMSG, "not a string"},
    {TUF_ROOT, ROOT, "\"keys\":{", "\"keys\":[],\"Keys\":{", -EBADMSG, "not an object"},
    {TUF_ROOT, ROOT, "\"keytype\":\"ed25519\",", "", -EBADMSG, "no \"keytype\""},
    {TUF_ROOT, ROOT, "\"public\":\"00\"", "\"public\":0", -EBADMSG, "not a string"},
    /* timestamp */
    {TUF_TIMESTAMP, TIMESTAMP, "snapshot.json", "snapshot", -EBADMSG, "snapshot.json alone"},
    {TUF_TIMESTAMP, TIMESTAMP, "\"meta\":{", "\"meta\":{\"x.json\":{\"version\":1},", -EBADMSG,
     "snapshot.json alone"},
    {TUF_TIMESTAMP, TIMESTAMP, "\"version\":7", "\"version\":0", -EBADMSG, "snapshot.json"},
    {TUF_TIMESTAMP, TIMESTAMP, "\"version\":7,", "", -EBADMSG, "no \"version\""},
    {TUF_TIMESTAMP, TIMESTAMP, "\"length\":10", "\"length\":-1", -EBADMSG, "length"},
    {TUF_TIMESTAMP, TIMESTAMP, H64, H16, -EBADMSG, "hexadecimal"},
    {TUF_TIMESTAMP, TIMESTAMP, "sha256", "md5", -EBADMSG, "neither sha256 nor sha512"},
    {TUF_TIMESTAMP, TIMESTAMP, "sha256", "sha512", -EBADMSG, "128 hexadecimal"},
    {TUF_TIMESTAMP, TIMESTAMP, "{\"sha256\":\"" H64 "\"}", "\"x\"", -EBADMSG, "not an object"},
    /* snapshot */
    {TUF_SNAPSHOT, SNAPSHOT, "targets.json", "target.json", -EBADMSG, "no \"targets.json\""},
    {TUF_SNAPSHOT, SNAPSHOT, "{\"version\":1}", "{}", -EBADMSG, "no \"version\""},
    {TUF_SNAPSHOT, SNAPSHOT, "{\"version\":1}", "1", -EBADMSG, "not an object"},
    /* targets */
    {TUF_TARGETS, TARGETS, "\"length\":0,", "", -EBADMSG, "no \"length\""},
    {TUF_TARGETS, TARGETS, "\"hashes\":{\"sha256\":\"" H64 "\"},", "", -EBADMSG, "no \"hashes\""},
    {TUF_TARGETS, TARGETS, "\"targets\":{\"t\"", "\"Targets\":{\"t\"", -EBADMSG, "no \"targets\""},
    {TUF_TARGETS, TARGETS, "\"delegations\":{", "\"delegations\":[],\"d\":{", -EBADMSG,
     "not an object"},
    {TUF_TARGETS, TARGETS, "\"name\":\"A\"", "\"name\":\"B\"", -EBADMSG, "twice"},
    {TUF_TARGETS, TARGETS, "\"name\":\"A\"", "\"name\":\"\"", -EBADMSG, "name of a role"},
    {TUF_TARGETS, TARGETS, "\"name\":\"A\"", "\"name\":\"root\"", -EBADMSG, "name of a role"},
    {TUF_TARGETS, TARGETS, "\"name\":\"A\"", "\"name\":\"timestamp\"", -EBADMSG, "name of a role"},
    {TUF_TARGETS, TARGETS, "\"name\":\"A\"", "\"name\":\"snapshot\"", -EBADMSG, "name of a role"},
    {TUF_TARGETS, TARGETS, "\"name\":\"A\"", "\"name\":\"targets\"", -EBADMSG, "name of a role"},
    {TUF_TARGETS, TARGETS, ",\"paths\":[\"*\"]", "", -EBADMSG, "needs either"},
    {TUF_TARGETS, TARGETS, "\"paths\":[\"*\"]", "\"paths\":[\"*\"],\"path_hash_prefixes\":[]",
     -EBADMSG, "needs either"},
    {TUF_TARGETS, TARGETS, "\"paths\":[\"*\"]", "\"paths\":[1]", -EBADMSG, "makes no sense"},
    {TUF_TARGETS, TARGETS, "\"0f\"", "\"0g\"", -EBADMSG, "makes no sense"},
    {TUF_TARGETS, TARGETS, "\"0f\"", "\"\"", -EBADMSG, "makes no sense"},
    {TUF_TARGETS, TARGETS, "\"terminating\":true", "\"terminating\":0", -EBADMSG, "true or false"},
    {TUF_TARGETS, BINS, "\"bit_length\":8", "\"bit_length\":0", -EBADMSG, "bit_length"},
    {TUF_TARGETS, BINS, "\"bit_length\":8", "\"bit_length\":33", -EBADMSG, "bit_length"},
    {TUF_TARGETS, BINS, "\"name_prefix\":\"p\"", "\"name_prefix\":1", -EBADMSG, "not a string"},
    {TUF_TARGETS, BINS, "\"keys\":{},", "\"keys\":{},\"roles\":[],", -EBADMSG, "need either"},
    {TUF_TARGETS, BINS, "succinct_roles", "other_roles", -EBADMSG, "need either"},
};

static char *edited(size_t i)
{
    const char *at = strstr(edits[i].good, edits[i].from);
    char *out;

    assert_non_null(at);
    assert_true(asprintf(&out, "%.*s%s%s", (int)(at - edits[i].good), edits[i].good, edits[i].to,
                         at + strlen(edits[i].from)) > 0);
    return out;
}

static void metadata_is_read_strictly(void **state)
{
    static const char *const good[] = {ROOT, TIMESTAMP, SNAPSHOT, TARGETS};
    struct tuf_metadata *m;
    size_t bad = 0;

    (void)state;
    for (int t = 0; t < TUF_TYPES; t++) {
        assert_int_equal(tuf_metadata_parse(&m, (enum tuf_type)t, span_str(good[t]), NULL), 0);
        tuf_metadata_free(m);
    }
    for (size_t i = 0; i < ARRAY_LEN(edits); i++) {
        char *text = edited(i);
        struct err e = ERR_INIT;
        int rc = tuf_metadata_parse(&m, edits[i].type, span_str(text), &e);

        if (rc != edits[i].rc || strstr(e.text, edits[i].says) == NULL) {
            print_error("row %zu: %d \"%s\"\n", i, rc, e.text);
            bad++;
        }
        tuf_metadata_free(m);
        free(text);
    }
    assert_int_equal(bad, 0);
}

static void values_are_what_stands_there(void **state)
{
    struct tuf_metadata *m;

    (void)state;
    assert_int_equal(tuf_metadata_parse(&m, TUF_TIMESTAMP, span_str(TIMESTAMP), NULL), 0);
    assert_int_equal(m->version, 1);
    assert_int_equal(m->expires, 1893456000); /* date -d 2030-01-01Z +%s */
    assert_int_equal(m->files[0].version, 7);
    assert_true(m->files[0].has_length);
    assert_int_equal(m->files[0].length, 10);
    assert_int_equal(m->files[0].hashes.sha256.b[31], 0xef);
    tuf_metadata_free(m);
    assert_int_equal(tuf_metadata_parse(&m, TUF_TARGETS, span_str(TARGETS), NULL), 0);
    assert_null(tuf_metadata_file(m, "s"));
    assert_string_equal(tuf_metadata_file(m, "t")->name, "t");
    assert_int_equal(m->delegations.n, 2);
    assert_true(m->delegations.v[0].terminating);
    assert_false(m->delegations.v[1].terminating);
    tuf_metadata_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_form_is_that_of_the_reference),
        cmocka_unit_test(json_is_read_strictly),
        cmocka_unit_test(depth_and_number_of_values_are_bounded_before_parsing),
        cmocka_unit_test(patterns_match_within_one_part_of_a_path),
        cmocka_unit_test(a_pattern_of_stars_takes_no_exponential_time),
        cmocka_unit_test(bins_are_the_first_bits_of_the_hash),
        cmocka_unit_test(names_are_quoted_as_the_reference_quotes_them),
        cmocka_unit_test(metadata_is_read_strictly),
        cmocka_unit_test(values_are_what_stands_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/yaml.h"

static struct yaml_doc *must_parse(const char *text)
{
    struct yaml_doc *d = NULL;
    struct err e = ERR_INIT;

    if (yaml_parse(&d, "f", span_str(text), &e) != 0)
        fail_msg("%s", err_text(&e));
    return d;
}

/* Each refusal with the place a reader would point at. */
static void what_is_not_allowed_is_refused_at_its_line_and_column(void **state)
{
    static const struct {
        const char *text, *says;
        int code;
    } row[] = {
        {"a: &x 1\n", "f:1:4: anchors (&x)", -EINVAL},
        {"a: 1\nb: &y [1]\n", "f:2:4: anchors (&y)", -EINVAL},
        {"&z\na: 1\n", "f:1:1: anchors (&z)", -EINVAL},
        {"a: 1\nb: *x\n", "f:2:4: aliases", -EINVAL},
        {"a: !!str 1\n", "f:1:4: tags", -EINVAL},
        {"a: ! x\n", "f:1:4: tags", -EINVAL},
        {"a:\n  - !local {b: 1}\n", "f:2:5: tags", -EINVAL},
        {"a: 1\n<<: {b: 2}\n", "f:2:1: merge keys", -EINVAL},
        {"a: 1\nb: 2\n  \na: 3\n", "f:4:1: duplicate key \"a\", first at line 1", -EINVAL},
        {"m: {x: 1, y: 2, x: 1}\n", "f:1:17: duplicate key \"x\", first at line 1", -EINVAL},
        {"\"a\": 1\na: 2\n", "f:2:1: duplicate key \"a\"", -EINVAL},
        {"a: 1\n---\nb: 2\n", "f:2:1: a second document", -EINVAL},
        {"a: 1\n...\nb: 2\n", "f:3:1: did not find expected <document start>", -EINVAL},
        {"a: 1\n--- \n", "f:2:1: a second document", -EINVAL},
        {"%YAML 1.1\n---\na: 1\n", "f:1:1: directives", -EINVAL},
        {"%TAG ! tag:x,2000:\n---\na: 1\n", "f:1:1: directives", -EINVAL},
        {"", "f:1:1: there is nothing", -EINVAL},
        {"# only a comment\n", "f:2:1: there is nothing", -EINVAL},
        {"? [a, b]\n: 1\n", "f:1:3: a key must be a plain word", -EINVAL},
        {"? {a: b}\n: 1\n", "f:1:3: a key must be a plain word", -EINVAL},
        {"\"\": 1\n", "f:1:1: a key must not be empty", -EINVAL},
        {"a: \"\\0\"\n", "f:1:4: the escaped character U+0000", -EINVAL},
        {"a: \"\\e[2J\"\n", "f:1:4: the escaped character U+001B", -EINVAL},
        {"a: \"\\u202e\"\n", "f:1:4: the escaped character U+202E", -EINVAL},
        {"\"\\x07\": 1\n", "f:1:1: the escaped character U+0007", -EINVAL},
        {"a: 1\nb: x\x1b[2J\n", "f:2:5: the character U+001B", -EINVAL},
        {"a: \xc3\xa9\xe2\x80\xae\n", "f:1:5: the character U+202E", -EINVAL},
        {"\xef\xbb\xbf"
         "a: 1\n",
         "f:1:1: the character U+FEFF", -EINVAL},
        {"a: 1\rb: 2\n", "f:1:5: the character U+000D", -EINVAL},
        {"a: 1\nb: \xc3\xa9\xff\n", "f:2:5: this is not UTF-8", -EINVAL},
        {"a: 1\n b: 2\n", "f:2:3: mapping values are not allowed", -EINVAL},
        {"a: [1, 2\nb: 3\n", "f:2:2: did not find expected ',' or ']'", -EINVAL},
        {"a: \"x\n", "f:2:1: found unexpected end of stream", -EINVAL},
        {"a: 1\n\tb: 2\n", "f:2:1: found a tab character that violates indentation", -EINVAL},
        {"a: @x\n", "f:1:4: found character that cannot start any token", -EINVAL},
        {"a: 1\n- b\n", "f:2:1: did not find expected key", -EINVAL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        struct yaml_doc *d = NULL;
        struct err e = ERR_INIT;
        int rc = yaml_parse(&d, "f", span_str(row[i].text), &e);

        if (rc != row[i].code || strncmp(e.text, row[i].says, strlen(row[i].says)) != 0)
            fail_msg("row %zu: rc %d, \"%s\" is not \"%s\"", i, rc, e.text, row[i].says);
        assert_null(d);
    }
}

static void nul_bytes_are_refused_where_they_stand(void **state)
{
    struct yaml_doc *d = NULL;
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(yaml_parse(&d, "f", span_of("a: 1\nb: \0x\n", 11), &e), -EINVAL);
    assert_non_null(strstr(e.text, "f:2:4: the character U+0000"));
}

static void sixteen_levels_are_read_and_seventeen_are_not(void **state)
{
    struct yaml_doc *d = must_parse("[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]");
    struct err e = ERR_INIT;
    char *deep = malloc(1000001);

    (void)state;
    yaml_free(d);
    d = NULL;
    assert_int_equal(yaml_parse(&d, "f", span_str("[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]"), &e),
                     -E2BIG);
    assert_string_equal(e.text, "f:1:17: nested more than 16 deep");
    assert_non_null(deep);
    memset(deep, '[', 1000000);
    assert_int_equal(yaml_parse(&d, "f", span_of(deep, 1000000), &e), -E2BIG);
    for (size_t i = 0; i < 1000000; i += 4)
        memcpy(deep + i, "{a: ", 4);
    assert_int_equal(yaml_parse(&d, "f", span_of(deep, 1000000), &e), -E2BIG);
    assert_string_equal(e.text, "f:1:65: nested more than 16 deep");
    free(deep);
}

static void two_hundred_thousand_values_are_read_and_one_more_is_not(void **state)
{
    struct yaml_doc *d = NULL;
    struct err e = ERR_INIT;
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    assert_int_equal(buf_putc(&b, '['), 0);
    for (int i = 0; i < 199999; i++) /* and the list itself */
        assert_int_equal(buf_puts(&b, "1,\n"), 0);
    assert_int_equal(buf_putc(&b, ']'), 0);
    assert_int_equal(yaml_parse(&d, "f", buf_span(&b), &e), 0);
    assert_int_equal(yaml_count(yaml_root(d)), 199999);
    yaml_free(d);
    d = NULL;
    b.len--;
    assert_int_equal(buf_puts(&b, "1]"), 0);
    assert_int_equal(yaml_parse(&d, "f", buf_span(&b), &e), -E2BIG);
    assert_string_equal(e.text, "f:200000:1: more than 200000 values");
    buf_free(&b);
}

static void input_over_four_mebibytes_is_refused(void **state)
{
    struct yaml_doc *d = NULL;
    struct err e = ERR_INIT;
    size_t n = (4u << 20) + 1;
    char *big = malloc(n);

    (void)state;
    assert_non_null(big);
    memset(big, ' ', n);
    big[0] = '1';
    assert_int_equal(yaml_parse(&d, "f", span_of(big, n), &e), -E2BIG);
    assert_int_equal(yaml_parse(&d, "f", span_of(big, n - 1), &e), 0);
    yaml_free(d);
    free(big);
}

static void every_value_knows_its_place(void **state)
{
    struct yaml_doc *d =
        must_parse("# comment\r\nat:\r\n  - {zone: CH,   from: x}\n  - \"\xc3\xa9\"\n");
    const struct yaml_node *at, *item, *from;
    struct err e = ERR_INIT;
    const char *s;

    (void)state;
    assert_int_equal(yaml_need(yaml_root(d), "at", &at, &e), 0);
    assert_int_equal(yaml_type(at), YAML_LIST_);
    assert_int_equal(yaml_item(at, 0, &item, &e), 0);
    assert_int_equal(yaml_line(item), 3);
    assert_int_equal(yaml_column(item), 5);
    assert_int_equal(yaml_need(item, "from", &from, &e), 0);
    assert_int_equal(yaml_line(from), 3);
    assert_int_equal(yaml_column(from), 24);
    assert_int_equal(yaml_err(&e, from, "\"%s\" is no time", "x"), -EINVAL);
    assert_string_equal(e.text, "f:3:24: \"x\" is no time");
    assert_int_equal(yaml_item(at, 1, &item, &e), 0);
    assert_int_equal(yaml_text(item, &s, &e), 0);
    assert_string_equal(s, "\xc3\xa9");
    assert_int_equal(yaml_item(at, 2, &item, &e), -EINVAL);
    yaml_free(d);
    yaml_free(NULL);
}

static void a_block_text_keeps_its_lines(void **state)
{
    struct yaml_doc *d = must_parse("text: |\n  one\n  two\nnone: ''\n");
    struct err e = ERR_INIT;
    const char *s;

    (void)state;
    assert_int_equal(yaml_need_text(yaml_root(d), "text", &s, &e), 0);
    assert_string_equal(s, "one\ntwo\n");
    assert_int_equal(yaml_need_text(yaml_root(d), "none", &s, &e), 0);
    assert_string_equal(s, "");
    yaml_free(d);
}

static void a_missing_key_is_named_with_the_place_of_its_map(void **state)
{
    struct yaml_doc *d = must_parse("a: 1\nm:\n  b: 2\n");
    const struct yaml_node *m, *out = NULL;
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(yaml_need(yaml_root(d), "m", &m, &e), 0);
    assert_int_equal(yaml_need(m, "c", &out, &e), -EINVAL);
    assert_string_equal(e.text, "f:3:3: the key \"c\" is missing");
    assert_int_equal(yaml_may(m, "c", &out, &e), 0);
    assert_null(out);
    yaml_free(d);
}

static void keys_nobody_asked_for_are_errors_that_list_the_known_ones(void **state)
{
    struct yaml_doc *d = must_parse("zone: CH\nsitse: [x]\nlast: 1\n");
    const struct yaml_node *out;
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(yaml_map_done(yaml_root(d), &e), -EINVAL);
    assert_string_equal(e.text, "f:1:1: unknown key \"zone\"; known: none");
    assert_int_equal(yaml_need(yaml_root(d), "zone", &out, &e), 0);
    assert_int_equal(yaml_may(yaml_root(d), "sites", &out, &e), 0);
    assert_int_equal(yaml_may(yaml_root(d), "sites", &out, &e), 0);
    assert_int_equal(yaml_need(yaml_root(d), "last", &out, &e), 0);
    assert_int_equal(yaml_map_done(yaml_root(d), &e), -EINVAL);
    assert_string_equal(e.text, "f:2:1: unknown key \"sitse\"; known: zone, sites, last");
    assert_int_equal(yaml_may(yaml_root(d), "sitse", &out, &e), 0);
    assert_int_equal(yaml_map_done(yaml_root(d), &e), 0);
    yaml_free(d);
}

static void the_list_of_known_keys_is_bounded(void **state)
{
    struct yaml_doc *d = must_parse("x: 1\n");
    const struct yaml_node *out;
    struct err e = ERR_INIT;
    char key[64];

    (void)state;
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(key, sizeof(key), "a-rather-long-name-of-a-key-number-%d", i);
        assert_int_equal(yaml_may(yaml_root(d), key, &out, &e), 0);
    }
    assert_int_equal(yaml_map_done(yaml_root(d), &e), -EINVAL);
    assert_non_null(strstr(e.text, "unknown key \"x\"; known: a-rather-long"));
    yaml_free(d);
}

static void maps_of_data_are_walked_in_the_order_written(void **state)
{
    struct yaml_doc *d = must_parse("zrh1: 1\nmow1: 2\n");
    const struct yaml_node *out;
    struct err e = ERR_INIT;
    const char *key;
    uint64_t v;

    (void)state;
    assert_int_equal(yaml_count(yaml_root(d)), 2);
    assert_int_equal(yaml_entry(yaml_root(d), 0, &key, &out, &e), 0);
    assert_string_equal(key, "zrh1");
    assert_int_equal(yaml_entry(yaml_root(d), 1, &key, &out, &e), 0);
    assert_string_equal(key, "mow1");
    assert_int_equal(yaml_u64(out, 0, 9, &v, &e), 0);
    assert_true(v == 2);
    assert_int_equal(yaml_entry(yaml_root(d), 2, &key, &out, &e), -EINVAL);
    assert_int_equal(yaml_map_done(yaml_root(d), &e), 0);
    yaml_free(d);
}

static void every_key_of_a_large_map_is_found(void **state)
{
    struct err e = ERR_INIT;
    struct yaml_doc *d;
    struct buf b;
    char key[16];
    uint64_t v;

    (void)state;
    buf_init(&b, 1 << 20);
    for (unsigned i = 0; i < 20000; i++)
        assert_int_equal(buf_printf(&b, "k%u: %u\n", i * 7919 % 20000, i), 0);
    d = must_parse(buf_str(&b));
    for (unsigned i = 0; i < 20000; i++) {
        (void)snprintf(key, sizeof(key), "k%u", i * 7919 % 20000);
        assert_int_equal(yaml_need_u64(yaml_root(d), key, 0, 20000, &v, &e), 0);
        assert_true(v == i);
    }
    assert_int_equal(yaml_map_done(yaml_root(d), &e), 0);
    yaml_free(d);
    buf_free(&b);
}

static void asking_for_the_wrong_kind_tells_both(void **state)
{
    struct yaml_doc *d = must_parse("m: {a: 1}\nl: [1]\nt: x\nn:\n");
    const struct yaml_node *m, *l, *t, *n, *out;
    struct err e = ERR_INIT;
    const char *s;
    uint64_t v;

    (void)state;
    assert_int_equal(yaml_need(yaml_root(d), "m", &m, &e), 0);
    assert_int_equal(yaml_need(yaml_root(d), "l", &l, &e), 0);
    assert_int_equal(yaml_need(yaml_root(d), "t", &t, &e), 0);
    assert_int_equal(yaml_need(yaml_root(d), "n", &n, &e), 0);
    assert_int_equal(yaml_item(m, 0, &out, &e), -EINVAL);
    assert_string_equal(e.text, "f:1:4: a list is asked for, this is a map");
    assert_int_equal(yaml_need(l, "a", &out, &e), -EINVAL);
    assert_string_equal(e.text, "f:2:4: a map is asked for, this is a list");
    assert_int_equal(yaml_map_done(t, &e), -EINVAL);
    assert_string_equal(e.text, "f:3:4: a map is asked for, this is a text");
    assert_int_equal(yaml_entry(t, 0, &s, &out, &e), -EINVAL);
    assert_int_equal(yaml_text(l, &s, &e), -EINVAL);
    assert_string_equal(e.text, "f:2:4: a text is asked for, this is a list");
    assert_int_equal(yaml_text(n, &s, &e), -EINVAL);
    assert_non_null(strstr(e.text, "a text is asked for, nothing is written"));
    assert_int_equal(yaml_u64(n, 0, 1, &v, &e), -EINVAL);
    assert_int_equal(yaml_count(t), 0);
    yaml_free(d);
}

/* Runs one getter on one scalar. */
static int get(const char *kind, const char *text, uint64_t *v, struct err *e)
{
    static const char *const words[] = {"required", "none"};
    struct yaml_doc *d = must_parse(text);
    const struct yaml_node *n = yaml_root(d);
    struct digest dg = {{0}};
    struct id128 id = {{0}};
    unix_time t = 0;
    bool yes = false;
    size_t w = 0;
    int rc;

    *v = 0;
    if (strcmp(kind, "u64") == 0) {
        rc = yaml_u64(n, 1, 100, v, e);
    } else if (strcmp(kind, "any") == 0) {
        rc = yaml_u64(n, 0, UINT64_MAX, v, e);
    } else if (strcmp(kind, "bool") == 0) {
        rc = yaml_bool(n, &yes, e);
        *v = yes;
    } else if (strcmp(kind, "digest") == 0) {
        rc = yaml_digest(n, &dg, e);
        *v = dg.b[31];
    } else if (strcmp(kind, "id") == 0) {
        rc = yaml_id(n, &id, e);
        *v = id.b[0];
    } else if (strcmp(kind, "time") == 0) {
        rc = yaml_time(n, &t, e);
        *v = (uint64_t)t;
    } else if (strcmp(kind, "duration") == 0) {
        rc = yaml_duration(n, v, e);
    } else if (strcmp(kind, "size") == 0) {
        rc = yaml_size(n, v, e);
    } else {
        rc = yaml_word(n, words, ARRAY_LEN(words), &w, e);
        *v = w;
    }
    yaml_free(d);
    return rc;
}

static void scalars_have_one_spelling(void **state)
{
    static const struct {
        const char *kind, *text;
        int code;
        uint64_t value;
        const char *says;
    } row[] = {
        {"u64", "1", 0, 1, NULL},
        {"u64", "100", 0, 100, NULL},
        {"u64", "0", -EINVAL, 0, "0 is out of range; it must be from 1 to 100"},
        {"u64", "101", -EINVAL, 0, "101 is out of range"},
        {"u64", "010", -EINVAL, 0, "\"010\" is not a number"},
        {"u64", "0x8", -EINVAL, 0, "\"0x8\" is not a number"},
        {"u64", "0o7", -EINVAL, 0, "is not a number"},
        {"u64", "1e1", -EINVAL, 0, "is not a number"},
        {"u64", "1_0", -EINVAL, 0, "is not a number"},
        {"u64", "+1", -EINVAL, 0, "is not a number"},
        {"u64", "-1", -EINVAL, 0, "is not a number"},
        {"u64", "1.0", -EINVAL, 0, "is not a number"},
        {"u64", "'1'", -EINVAL, 0, "without quotes"},
        {"any", "18446744073709551615", 0, UINT64_MAX, NULL},
        {"any", "18446744073709551616", -EINVAL, 0, "is not a number"},
        {"bool", "true", 0, 1, NULL},
        {"bool", "false", 0, 0, NULL},
        {"bool", "yes", -EINVAL, 0, "\"yes\" is neither true nor false"},
        {"bool", "True", -EINVAL, 0, "neither"},
        {"bool", "\"true\"", -EINVAL, 0, "without quotes"},
        {"digest", "000000000000000000000000000000000000000000000000000000000000000a", 0, 10, NULL},
        {"digest", "000000000000000000000000000000000000000000000000000000000000000A", -EINVAL, 0,
         "64 lower-case hex digits"},
        {"digest", "00", -EINVAL, 0, "is not a SHA-256"},
        {"id", "ff000000000000000000000000000000", 0, 255, NULL},
        {"id", "ff0000000000000000000000000000000", -EINVAL, 0, "is not an identifier"},
        {"time", "1970-01-01T00:01Z", 0, 60, NULL},
        {"time", "1970-01-01T00:01:01Z", 0, 61, NULL},
        {"time", "2026-02-29T00:00Z", -EINVAL, 0, "\"2026-02-29T00:00Z\" is not a time"},
        {"duration", "90s", 0, 90, NULL},
        {"duration", "15m", 0, 900, NULL},
        {"duration", "24h", 0, 86400, NULL},
        {"duration", "30d", 0, 2592000, NULL},
        {"duration", "30", -EINVAL, 0, "write a number and its unit: s, m, h or d"},
        {"duration", "030d", -EINVAL, 0, "is not a duration"},
        {"duration", "d", -EINVAL, 0, "is not a duration"},
        {"duration", "1w", -EINVAL, 0, "is not a duration"},
        {"duration", "1d ago", -EINVAL, 0, "is not a duration"},
        {"duration", "213503982334601d", 0, UINT64_C(18446744073709526400), NULL},
        {"duration", "213503982334602d", -EINVAL, 0, "is too long"},
        {"size", "17", 0, 17, NULL},
        {"size", "64KiB", 0, 65536, NULL},
        {"size", "3GiB", 0, UINT64_C(3221225472), NULL},
        {"size", "100MB", 0, 100000000, NULL},
        {"size", "1kB", 0, 1000, NULL},
        {"size", "2TiB", 0, UINT64_C(2199023255552), NULL},
        {"size", "1KB", -EINVAL, 0, "is not a size"},
        {"size", "1 MB", -EINVAL, 0, "is not a size"},
        {"size", "1.5MB", -EINVAL, 0, "is not a size"},
        {"size", "16777216TiB", -EINVAL, 0, "is too large"},
        {"word", "required", 0, 0, NULL},
        {"word", "none", 0, 1, NULL},
        {"word", "Required", -EINVAL, 0, "\"Required\" is not one of: required, none"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        struct err e = ERR_INIT;
        uint64_t v;
        int rc = get(row[i].kind, row[i].text, &v, &e);

        if (rc != row[i].code || (rc == 0 && v != row[i].value) ||
            (rc != 0 && strstr(e.text, row[i].says) == NULL))
            fail_msg("%s %s: rc %d, %llu, %s", row[i].kind, row[i].text, rc, (unsigned long long)v,
                     e.text);
        if (rc != 0)
            assert_int_equal(strncmp(e.text, "f:1:1: ", 7), 0);
    }
}

static void long_values_are_cut_between_characters(void **state)
{
    /* 59 letters and a two-byte character: it does not fit into 60 bytes */
    struct yaml_doc *d =
        must_parse("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xc3\xa9");
    struct err e = ERR_INIT;
    bool yes;

    (void)state;
    assert_int_equal(yaml_bool(yaml_root(d), &yes, &e), -EINVAL);
    assert_string_equal(
        e.text, "f:1:1: \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" is neither "
                "true nor false");
    yaml_free(d);
}

static void a_file_is_read_or_the_reason_told(void **state)
{
    char path[] = "/tmp/test-yaml-XXXXXX";
    int fd = mkstemp(path);
    struct yaml_doc *d = NULL;
    struct err e = ERR_INIT;
    uint64_t v;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "a: 7\n", 5), 5);
    assert_int_equal(yaml_load(&d, path, &e), 0);
    assert_int_equal(yaml_need_u64(yaml_root(d), "a", 0, 10, &v, &e), 0);
    assert_true(v == 7);
    assert_int_equal(yaml_need_u64(yaml_root(d), "a", 8, 10, &v, &e), -EINVAL);
    assert_int_equal(strncmp(e.text, path, strlen(path)), 0);
    assert_non_null(strstr(e.text, ":1:4: 7 is out of range"));
    yaml_free(d);
    d = NULL;
    assert_int_equal(ftruncate(fd, (4 << 20) + 1), 0);
    assert_int_equal(yaml_load(&d, path, &e), -E2BIG);
    assert_int_equal(yaml_load(&d, "/tmp", &e), -EINVAL);
    (void)close(fd);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(yaml_load(&d, path, &e), -ENOENT);
    assert_null(d);
}

/* Fails every allocation in turn: an error each time, no leak (the sanitizer looks), no document.
 */
static int allocations_left = -1;

void *__real_calloc(size_t n, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
char *__real_strdup(const char *s);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__wrap_strdup(const char *s);

static bool refuse_memory(void)
{
    return allocations_left >= 0 && allocations_left-- == 0;
}

void *__wrap_calloc(size_t n, size_t size)
{
    return refuse_memory() ? NULL : __real_calloc(n, size);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
    return refuse_memory() ? NULL : __real_reallocarray(p, n, size);
}

char *__wrap_strdup(const char *s)
{
    return refuse_memory() ? NULL : __real_strdup(s);
}

static void lack_of_memory_anywhere_is_an_error_and_no_leak(void **state)
{
    static const char text[] = "a: {x: [1, 2, 3, 4, 5], y: 'q'}\nb: |\n  text\n";
    const struct yaml_node *out;
    struct yaml_doc *d = NULL;
    struct err e = ERR_INIT;
    int rc = -ENOMEM, k = 0;

    (void)state;
    for (; rc != 0 && k < 1000; k++) {
        allocations_left = k;
        rc = yaml_parse(&d, "f", span_str(text), &e);
        assert_true(rc == 0 || (rc == -ENOMEM && d == NULL));
    }
    assert_in_range(k, 20, 100);
    allocations_left = 0;
    assert_int_equal(yaml_need(yaml_root(d), "a", &out, &e), -ENOMEM);
    allocations_left = 1;
    assert_int_equal(yaml_need(yaml_root(d), "a", &out, &e), -ENOMEM);
    allocations_left = -1;
    assert_int_equal(yaml_need(yaml_root(d), "a", &out, &e), 0);
    yaml_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_allowed_is_refused_at_its_line_and_column),
        cmocka_unit_test(nul_bytes_are_refused_where_they_stand),
        cmocka_unit_test(sixteen_levels_are_read_and_seventeen_are_not),
        cmocka_unit_test(two_hundred_thousand_values_are_read_and_one_more_is_not),
        cmocka_unit_test(input_over_four_mebibytes_is_refused),
        cmocka_unit_test(every_value_knows_its_place),
        cmocka_unit_test(a_block_text_keeps_its_lines),
        cmocka_unit_test(a_missing_key_is_named_with_the_place_of_its_map),
        cmocka_unit_test(keys_nobody_asked_for_are_errors_that_list_the_known_ones),
        cmocka_unit_test(the_list_of_known_keys_is_bounded),
        cmocka_unit_test(maps_of_data_are_walked_in_the_order_written),
        cmocka_unit_test(every_key_of_a_large_map_is_found),
        cmocka_unit_test(asking_for_the_wrong_kind_tells_both),
        cmocka_unit_test(scalars_have_one_spelling),
        cmocka_unit_test(long_values_are_cut_between_characters),
        cmocka_unit_test(a_file_is_read_or_the_reason_told),
        cmocka_unit_test(lack_of_memory_anywhere_is_an_error_and_no_leak),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

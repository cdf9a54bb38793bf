#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "events/country.h"
#include "events/leaf.h"

#define T 1795467060 /* 2026-11-23T20:51Z: date -u -d 2026-11-23T20:51Z +%s */
#define ID "000102030405060708090a0b0c0d0e0f"
#define DIG "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
/* printf '\0...' | base64 of 32 and 64 zero bytes */
#define KEY0 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define SIG0                                                                                       \
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="
#define EPOCH                                                                                      \
    "{\"epoch\":3,\"kind\":\"epoch.opened\",\"site\":\"zrh1\",\"time\":\"2026-11-23T20:51Z\","     \
    "\"v\":1}"

static int parse(const char *text)
{
    struct leaf l;

    return leaf_parse(&l, span_str(text));
}

/* The example of docs/formats.md, typed there by hand. */
static void the_documents_example_is_written_and_read(void **state)
{
    struct leaf_builder b;
    struct buf out;
    struct leaf l;

    (void)state;
    buf_init(&out, LEAF_MAX);
    leaf_begin(&b, LK_EPOCH_OPENED, T + 59, "zrh1");
    leaf_set_int(&b, LF_EPOCH, 3);
    assert_int_equal(leaf_end(&b, &out, NULL), 0);
    assert_string_equal(buf_str(&out), EPOCH);
    assert_int_equal(leaf_parse(&l, buf_span(&out)), 0);
    assert_int_equal(l.kind, LK_EPOCH_OPENED);
    assert_int_equal(l.time, T);
    assert_int_equal(leaf_int(&l, LF_EPOCH), 3);
    assert_true(span_is(leaf_text(&l, LF_SITE), "zrh1"));
    assert_false(leaf_has(&l, LF_SUB));
    assert_int_equal(leaf_text(&l, LF_SUB).n, 0);
    buf_free(&out);
}

static void fill(struct leaf_builder *b, enum leaf_kind k, bool optional)
{
    static const char *const text[] = {[LT_KIND] = "",
                                       [LT_INT] = "7",
                                       [LT_ID] = ID,
                                       [LT_DIGEST] = DIG,
                                       [LT_COUNTRY] = "CA",
                                       [LT_MINUTE] = "2024-02-29T23:59Z",
                                       [LT_SITE] = "mow1",
                                       [LT_ZONE] = "RU",
                                       [LT_KEY] = KEY0,
                                       [LT_SIG] = SIG0,
                                       [LT_VKEY] = "zrh1.example/ledger+0123abcd+AQID",
                                       [LT_LABEL] = "yara-4.2"};
    static const uint8_t salt[32] = {1};
    const struct leaf_kind_info *info = &leaf_kinds[k];

    leaf_begin(b, k, T, "zrh1");
    for (int sealed = 0; sealed < 2; sealed++)
        for (size_t i = 0; i < info->slots; i++) {
            enum leaf_field f = (enum leaf_field)info->slot[i].field;
            enum leaf_type t = leaf_field_type(f);

            if (f == LF_KIND || f == LF_SITE || f == LF_TIME || f == LF_V ||
                (t == LT_SEALED) != (sealed == 1) || (info->slot[i].optional && !optional))
                continue;
            if (t == LT_SEALED)
                leaf_set_sealed(b, f, salt, span_str("x"));
            else if (t == LT_WORD)
                leaf_set_word(b, f, 0);
            else
                leaf_set_text(b, f, text[t]);
        }
}

static void every_kind_can_be_written_and_read_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < (size_t)2 * LEAF_KINDS; i++) {
        size_t k = i / 2;
        struct leaf_builder b;
        struct err e = ERR_INIT;
        struct buf out;
        struct leaf l;

        buf_init(&out, LEAF_MAX);
        fill(&b, (enum leaf_kind)k, i % 2 == 0);
        if (k == LK_ERASE_ORDERED && i % 2 == 1) { /* ground 0 is the submitter's */
            assert_int_equal(leaf_end(&b, &out, &e), -EINVAL);
            buf_free(&out);
            continue;
        }
        if (leaf_end(&b, &out, &e) != 0)
            fail_msg("%s", err_text(&e));
        assert_int_equal(leaf_parse(&l, buf_span(&out)), 0);
        assert_int_equal(l.kind, k);
        for (size_t f = 0; f < LEAF_FIELDS; f++) {
            if (leaf_has(&l, (enum leaf_field)f) && leaf_field_type((enum leaf_field)f) == LT_WORD)
                assert_int_equal(leaf_word(&l, (enum leaf_field)f), 0);
        }
        buf_free(&out);
    }
}

/* The leaf with one byte changed, cut or doubled is another leaf or none; it is never read as this
 * one.  A changed leaf that is accepted must be one the builder could have written: the same keys.
 */
static void no_byte_of_a_leaf_can_be_touched_unseen(void **state)
{
    struct leaf_builder b;
    struct buf out;
    uint8_t copy[2000];
    struct leaf l;

    (void)state;
    buf_init(&out, LEAF_MAX);
    fill(&b, LK_SUBMISSION_ACCEPTED, true);
    assert_int_equal(leaf_end(&b, &out, NULL), 0);
    for (size_t i = 0; i < out.len; i++) {
        assert_int_equal(leaf_parse(&l, span_of(out.data, i)), -EBADMSG);
        memcpy(copy, out.data, i + 1);
        memcpy(copy + i + 1, out.data + i, out.len - i);
        /* a doubled byte: lengths are fixed but for words and sites */
        if (leaf_parse(&l, span_of(copy, out.len + 1)) == 0)
            assert_true(leaf_text(&l, LF_SITE).n == 5);
        for (int c = 0; c < 256; c++) {
            memcpy(copy, out.data, out.len);
            copy[i] = (uint8_t)c;
            if (c == out.data[i] || leaf_parse(&l, span_of(copy, out.len)) != 0)
                continue;
            /* only values may differ, and these not to blanks, quotes or capitals in hex */
            assert_true(c > ' ' && c < 0x7f && c != '"' && c != '\\');
            assert_int_equal(l.kind, LK_SUBMISSION_ACCEPTED);
        }
    }
    buf_free(&out);
}

static void only_one_spelling_is_a_leaf(void **state)
{
    static const struct {
        const char *why, *text;
        int rc;
    } rows[] = {
        {"the true one", EPOCH, 0},
        {"empty", "", -EBADMSG},
        {"blank",
         "{\"epoch\": "
         "3,\"kind\":\"epoch.opened\",\"site\":\"zrh1\",\"time\":\"2026-11-23T20:51Z\",\"v\":1}",
         -EBADMSG},
        {"line feed behind", EPOCH "\n", -EBADMSG},
        {"twice", EPOCH EPOCH, -EBADMSG},
        {"order of keys",
         "{\"kind\":\"epoch.opened\",\"epoch\":3,\"site\":\"zrh1\",\"time\":\"2026-11-23T20:51Z\","
         "\"v\":1}",
         -EBADMSG},
        {"key twice",
         "{\"epoch\":3,\"epoch\":3,\"kind\":\"epoch.opened\",\"site\":\"zrh1\",\"time\":\"2026-11-"
         "23T20:51Z\",\"v\":1}",
         -EBADMSG},
        {"leading zero",
         "{\"epoch\":03,\"kind\":\"epoch.opened\",\"site\":\"zrh1\",\"time\":\"2026-11-23T20:51Z\","
         "\"v\":1}",
         -EBADMSG},
        {"negative",
         "{\"epoch\":-3,\"kind\":\"epoch.opened\",\"site\":\"zrh1\",\"time\":\"2026-11-23T20:51Z\","
         "\"v\":1}",
         -EBADMSG},
        {"fraction",
         "{\"epoch\":3.0,\"kind\":\"epoch.opened\",\"site\":\"zrh1\",\"time\":\"2026-11-23T20:"
         "51Z\",\"v\":1}",
         -EBADMSG},
        {"2^53 - 1",
         "{\"epoch\":9007199254740991,\"kind\":\"epoch.opened\",\"site\":\"zrh1\",\"time\":\"2026-"
         "11-23T20:51Z\",\"v\":1}",
         0},
        {"2^53",
         "{\"epoch\":9007199254740992,\"kind\":\"epoch.opened\",\"site\":\"zrh1\",\"time\":\"2026-"
         "11-23T20:51Z\",\"v\":1}",
         -EBADMSG},
        {"2^64 + 3",
         "{\"epoch\":18446744073709551619,\"kind\":\"epoch.opened\",\"site\":\"zrh1\",\"time\":"
         "\"2026-11-23T20:51Z\",\"v\":1}",
         -EBADMSG},
        {"integer as string",
         "{\"epoch\":\"3\",\"kind\":\"epoch.opened\",\"site\":\"zrh1\",\"time\":\"2026-11-23T20:"
         "51Z\",\"v\":1}",
         -EBADMSG},
        {"field missing",
         "{\"kind\":\"epoch.opened\",\"site\":\"zrh1\",\"time\":\"2026-11-23T20:51Z\",\"v\":1}",
         -EBADMSG},
        {"no such day",
         "{\"epoch\":3,\"kind\":\"epoch.opened\",\"site\":\"zrh1\",\"time\":\"2026-02-29T20:51Z\","
         "\"v\":1}",
         -EBADMSG},
        {"no such hour",
         "{\"epoch\":3,\"kind\":\"epoch.opened\",\"site\":\"zrh1\",\"time\":\"2026-11-23T24:00Z\","
         "\"v\":1}",
         -EBADMSG},
        {"seconds",
         "{\"epoch\":3,\"kind\":\"epoch.opened\",\"site\":\"zrh1\",\"time\":\"2026-11-23T20:51:"
         "00Z\",\"v\":1}",
         -EBADMSG},
        {"site in capitals",
         "{\"epoch\":3,\"kind\":\"epoch.opened\",\"site\":\"ZRH1\",\"time\":\"2026-11-23T20:51Z\","
         "\"v\":1}",
         -EBADMSG},
        {"site of 17",
         "{\"epoch\":3,\"kind\":\"epoch.opened\",\"site\":\"a2345678901234567\",\"time\":\"2026-11-"
         "23T20:51Z\",\"v\":1}",
         -EBADMSG},
        {"escape",
         "{\"epoch\":3,\"kind\":\"epoch.opened\",\"site\":\"zrh\\u0031\",\"time\":\"2026-11-23T20:"
         "51Z\",\"v\":1}",
         -EBADMSG},
        {"v of 11",
         "{\"epoch\":3,\"kind\":\"epoch.opened\",\"site\":\"zrh1\",\"time\":\"2026-11-23T20:51Z\","
         "\"v\":11}",
         -EPROTONOSUPPORT},
        {"version 2",
         "{\"anything\":\"else\",\"kind\":\"epoch.opened\",\"site\":\"zrh1\",\"time\":\"later\","
         "\"v\":2}",
         -EPROTONOSUPPORT},
        {"version 2, malformed",
         "{\"b\":1,\"a\":1,\"kind\":\"x\",\"site\":\"zrh1\",\"time\":\"later\",\"v\":2}", -EBADMSG},
        {"a kind of tomorrow",
         "{\"kind\":\"visit.asked\",\"site\":\"zrh1\",\"time\":\"2026-11-23T20:51Z\",\"v\":1}",
         -ENOTSUP},
        {"a field of tomorrow",
         "{\"color\":\"red\",\"epoch\":3,\"kind\":\"epoch.opened\",\"site\":\"zrh1\",\"time\":"
         "\"2026-11-23T20:51Z\",\"v\":1}",
         -ENOTSUP},
        {"a word of tomorrow",
         "{\"attestation\":\"moon\",\"epoch\":3,\"kind\":\"epoch.destroyed\",\"site\":\"zrh1\","
         "\"time\":\"2026-11-23T20:51Z\",\"v\":1}",
         -ENOTSUP},
        {"a country of tomorrow",
         "{\"at_size\":1,\"count\":0,\"country\":\"XX\",\"kind\":\"inventory\",\"root\":\"" DIG
         "\",\"site\":\"zrh1\",\"time\":\"2026-11-23T20:51Z\",\"v\":1}",
         -ENOTSUP},
        {"a country of yesterday",
         "{\"at_size\":1,\"count\":0,\"country\":\"SU\",\"kind\":\"inventory\",\"root\":\"" DIG
         "\",\"site\":\"zrh1\",\"time\":\"2026-11-23T20:51Z\",\"v\":1}",
         0},
        {"hex in capitals",
         "{\"at_size\":1,\"count\":0,\"country\":\"CA\",\"kind\":\"inventory\",\"root\":"
         "\"A00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\",\"site\":\"zrh1\","
         "\"time\":\"2026-11-23T20:51Z\",\"v\":1}",
         -EBADMSG},
        {"spare bits of base64",
         "{\"key\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=\",\"kind\":\"key.bound\","
         "\"person\":\"" ID "\",\"site\":\"zrh1\",\"time\":\"2026-11-23T20:51Z\",\"v\":1}",
         -EBADMSG},
        {"the other spare bit of base64",
         "{\"key\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAC=\",\"kind\":\"key.bound\","
         "\"person\":\"" ID "\",\"site\":\"zrh1\",\"time\":\"2026-11-23T20:51Z\",\"v\":1}",
         -EBADMSG},
        {"an order by its submitter, unsigned",
         "{\"ground\":\"withdrawn\",\"kind\":\"erase.ordered\",\"site\":\"zrh1\",\"sub\":\"" ID
         "\",\"time\":\"2026-11-23T20:51Z\",\"v\":1}",
         -EBADMSG},
        {"an order by retention",
         "{\"ground\":\"retention\",\"kind\":\"erase.ordered\",\"site\":\"zrh1\",\"sub\":\"" ID
         "\",\"time\":\"2026-11-23T20:51Z\",\"v\":1}",
         0},
        {"an order by retention, signed",
         "{\"ground\":\"retention\",\"kind\":\"erase.ordered\",\"site\":\"zrh1\",\"sub\":\"" ID
         "\",\"sub_sig\":\"" SIG0 "\",\"time\":\"2026-11-23T20:51Z\",\"v\":1}",
         -EBADMSG},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (parse(rows[i].text) != rows[i].rc)
            fail_msg("%s: %d", rows[i].why, parse(rows[i].text));
}

static void the_builder_tells_its_first_mistake(void **state)
{
    struct leaf_builder b;
    struct err e = ERR_INIT;
    struct id128 id = {{0}};
    struct buf out;
    static const uint8_t salt[32];

    (void)state;
    buf_init(&out, LEAF_MAX);
    leaf_begin(&b, LK_EPOCH_OPENED, T, "zrh1");
    assert_int_equal(leaf_end(&b, &out, &e), -EINVAL);
    assert_string_equal(err_text(&e), "leaf \"epoch.opened\": field \"epoch\" is missing");

    leaf_begin(&b, LK_EPOCH_OPENED, T, "zrh1");
    leaf_set_int(&b, LF_EPOCH, 3);
    leaf_set_id(&b, LF_SUB, &id);
    assert_int_equal(leaf_end(&b, &out, NULL), -EINVAL); /* not of this kind */

    leaf_begin(&b, LK_EPOCH_OPENED, T, "zrh1");
    leaf_set_int(&b, LF_EPOCH, 3);
    leaf_set_int(&b, LF_EPOCH, 4);
    assert_int_equal(leaf_end(&b, &out, NULL), -EINVAL); /* twice */

    leaf_begin(&b, LK_EPOCH_OPENED, T, "zrh1");
    leaf_set_int(&b, LF_EPOCH, LEAF_INT_MAX);
    assert_int_equal(leaf_end(&b, &out, NULL), -EINVAL); /* too great */

    leaf_begin(&b, LK_EPOCH_OPENED, T, "Zürich");
    leaf_set_int(&b, LF_EPOCH, 1);
    assert_int_equal(leaf_end(&b, &out, NULL), -EINVAL); /* no site */

    fill(&b, LK_COPY_PLACED, true);
    leaf_set_text(&b, LF_SEALED_SUB, KEY0);
    assert_int_equal(leaf_end(&b, &out, NULL), -EINVAL); /* a commitment nobody can open */

    leaf_begin(&b, LK_COPY_PLACED, T, "zrh1");
    leaf_set_sealed(&b, LF_SEALED_SUB, salt, span_str(ID));
    leaf_set_id(&b, LF_REF, &id);
    assert_int_equal(leaf_end(&b, &out, NULL), -EINVAL); /* sealed before the identifier */

    leaf_begin(&b, LK_ROLE_GRANTED, T, "zrh1");
    leaf_set_id(&b, LF_PERSON, &id);
    leaf_set_word(&b, LF_ROLE, LW_ROLE_SUPERVISOR + 1);
    assert_int_equal(leaf_end(&b, &out, NULL), -EINVAL); /* no such word */

    leaf_begin(&b, LK_ROLE_GRANTED, T, "zrh1");
    leaf_set_int(&b, LF_PERSON, 3);
    leaf_set_word(&b, LF_ROLE, LW_ROLE_AUDITOR);
    assert_int_equal(leaf_end(&b, &out, NULL), -EINVAL); /* another type */
    assert_int_equal(out.len, 0);
    buf_free(&out);
}

static void a_full_buffer_is_left_as_it_was(void **state)
{
    struct leaf_builder b;
    struct buf out;

    (void)state;
    for (size_t max = 1; max < sizeof(EPOCH) - 1; max++) {
        buf_init(&out, max);
        assert_int_equal(buf_putc(&out, 'x'), 0);
        leaf_begin(&b, LK_EPOCH_OPENED, T, "zrh1");
        leaf_set_int(&b, LF_EPOCH, 3);
        assert_int_equal(leaf_end(&b, &out, NULL), -E2BIG);
        assert_int_equal(out.len, 1);
        buf_free(&out);
    }
}

static void getters_give_the_values(void **state)
{
    struct leaf l;
    struct id128 id;
    uint8_t key[32], zero[64] = {0}, sig[64];
    static const char text[] =
        "{\"basis\":\"declared\",\"country\":\"CA\",\"kind\":\"submission.accepted\",\"policy\":"
        "\"" DIG "\",\"scope\":\"lookup\",\"sealed.account\":\"" KEY0 "\",\"sealed.name\":\"" KEY0
        "\",\"sealed.ref\":\"" KEY0 "\",\"sealed.sha256\":\"" KEY0 "\",\"sealed.size\":\"" KEY0
        "\",\"site\":\"zrh1\",\"statement\":\"" DIG "\",\"sub\":\"" ID "\",\"sub_key\":\"" KEY0
        "\",\"sub_sig\":\"" SIG0
        "\",\"submission\":\"lookup\",\"time\":\"2026-11-23T20:51Z\",\"v\":1}";

    (void)state;
    assert_int_equal(leaf_parse(&l, span_str(text)), 0);
    id = leaf_id(&l, LF_SUB);
    for (int i = 0; i < 16; i++)
        assert_int_equal(id.b[i], i);
    for (int i = 0; i < 32; i++)
        assert_int_equal(leaf_digest(&l, LF_POLICY).b[i], i);
    assert_int_equal(leaf_word(&l, LF_SCOPE), LW_SUBMISSION_LOOKUP);
    assert_string_equal(country_table[leaf_country(&l, LF_COUNTRY)].name, "Canada");
    leaf_key(&l, LF_SUB_KEY, key);
    leaf_sig(&l, LF_SUB_SIG, sig);
    assert_memory_equal(key, zero, 32);
    assert_memory_equal(sig, zero, 64);
}

static void a_refused_leaf_names_field_and_byte(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    leaf_why(span_str("{\"epoch\":3,\"kind\":\"epoch.opened\",\"site\":\"ZRH\",\"time\":\"2026-11-"
                      "23T20:51Z\",\"v\":1}"),
             &e);
    assert_string_equal(err_text(&e),
                        "leaf \"epoch.opened\": byte 32 is not field \"site\" as its type asks");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_documents_example_is_written_and_read),
        cmocka_unit_test(every_kind_can_be_written_and_read_back),
        cmocka_unit_test(no_byte_of_a_leaf_can_be_touched_unseen),
        cmocka_unit_test(only_one_spelling_is_a_leaf),
        cmocka_unit_test(the_builder_tells_its_first_mistake),
        cmocka_unit_test(a_full_buffer_is_left_as_it_was),
        cmocka_unit_test(getters_give_the_values),
        cmocka_unit_test(a_refused_leaf_names_field_and_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

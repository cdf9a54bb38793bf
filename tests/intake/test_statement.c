#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "intake/statement.h"

#include "faults.h"

static const char good[] = "format: statement/v1\n"
                           "language: de-ch\n"
                           "scopes: [lookup, file]\n"
                           "erase_within: 30d\n"
                           "retention: 365d\n"
                           "text: |\n"
                           "  We keep the file.\n"
                           "  You may take it back.\n";

static int parse(const char *text, struct statement *s, struct err *e)
{
    memset(s, 0, sizeof(*s));
    return statement_parse(s, "s.yaml", span_str(text), e);
}

static void a_statement_says_what_for_and_how_long(void **state)
{
    struct statement s;
    struct err e = ERR_INIT;

    (void)state;
    if (parse(good, &s, &e) != 0)
        fail_msg("%s", err_text(&e));
    assert_string_equal(s.language, "de-ch");
    assert_true(statement_covers(&s, SCOPE_FILE) && statement_covers(&s, SCOPE_LOOKUP));
    assert_false(statement_covers(&s, SCOPE_STATISTIC));
    assert_string_equal(statement_scopes_word(s.scopes), "file,lookup");
    assert_int_equal(s.erase_within, 30);
    assert_int_equal(s.retention, 365);
    assert_string_equal(s.text, "We keep the file.\nYou may take it back.\n");
    statement_done(&s);
    statement_done(&s);
}

static void hours_are_days_when_they_are_whole(void **state)
{
    struct statement s;

    (void)state;
    assert_int_equal(parse("format: statement/v1\nlanguage: en\nscopes: [statistic]\n"
                           "erase_within: 48h\nretention: 1d\ntext: 'yes'\n",
                           &s, NULL),
                     0);
    assert_int_equal(s.erase_within, 2);
    assert_string_equal(s.text, "yes");
    statement_done(&s);
}

#define HEAD "format: statement/v1\nlanguage: en\n"
#define TAIL "erase_within: 30d\nretention: 365d\ntext: x\n"

static void every_refusal_names_its_line_and_column(void **state)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"- a\n", "s.yaml:1:1: a statement is a map"},
        {"format: statement/v2\n", "s.yaml:1:9: format \"statement/v2\" is not read here"},
        {"format: statement/v1\nlanguage: EN\n", "s.yaml:2:11: \"EN\" is not a language tag"},
        {"format: statement/v1\nlanguage: e\n", "s.yaml:2:11: "},
        {"format: statement/v1\nlanguage: en-\n", "s.yaml:2:11: "},
        {"format: statement/v1\nlanguage: 1en\n", "s.yaml:2:11: "},
        {"format: statement/v1\nlanguage: e23456789012345678901234567890123\n", "s.yaml:2:11: "},
        {HEAD "scopes: file\n", "s.yaml:3:9: \"scopes\" must be a list"},
        {HEAD "scopes: []\n", "s.yaml:3:9: \"scopes\" must have at least 1 entry"},
        {HEAD "scopes: [all]\n", "s.yaml:3:10: "},
        {HEAD "scopes: [file, lookup, file]\n", "s.yaml:3:24: scope \"file\" is already listed"},
        {HEAD "scopes: [file, lookup, file, file]\n",
         "s.yaml:3:9: \"scopes\" has 4 entries; at most 3 are allowed"},
        {HEAD "scopes: [file]\nerase_within: 30\n", "s.yaml:4:15: "},
        {HEAD "scopes: [file]\nerase_within: 36h\n",
         "s.yaml:4:15: \"erase_within\" must be whole days, 1d to 36500d"},
        {HEAD "scopes: [file]\nerase_within: 0d\n", "s.yaml:4:15: "},
        {HEAD "scopes: [file]\nerase_within: 30d\nretention: 36501d\n",
         "s.yaml:5:12: \"retention\" must be whole days"},
        {HEAD "scopes: [file]\nerase_within: 30d\nretention: 1d\n", "s.yaml:1:1: "},
        {HEAD "scopes: [file]\nerase_within: 30d\nretention: 1d\ntext: '  '\n",
         "s.yaml:6:7: \"text\" is empty"},
        {HEAD "scopes: [file]\n" TAIL "price: 0\n", "s.yaml:7:1: "},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct statement s;
        struct err e = ERR_INIT;

        assert_int_equal(parse(bad[i].text, &s, &e), -EINVAL);
        assert_null(s.text);
        if (strncmp(err_text(&e), bad[i].says, strlen(bad[i].says)) != 0)
            fail_msg("%s: %s", bad[i].text, err_text(&e));
    }
}

static void a_text_longer_than_the_limit_is_refused(void **state)
{
    size_t n = STATEMENT_TEXT_MAX;
    char *text = malloc(n + 200);
    struct statement s;
    int head;

    (void)state;
    assert_non_null(text);
    head = snprintf(text, 200, HEAD "scopes: [file]\nerase_within: 30d\nretention: 365d\ntext: ");
    memset(text + head, 'a', n);
    memcpy(text + (size_t)head + n, "\n", 2);
    assert_int_equal(parse(text, &s, NULL), 0);
    assert_int_equal(strlen(s.text), n);
    statement_done(&s);
    memcpy(text + (size_t)head + n, "a\n", 3);
    assert_int_equal(parse(text, &s, NULL), -EINVAL);
    free(text);
}

/* The leaf's table of words is the other half of this one. */
static void the_seven_sets_are_the_words_of_the_leaf(void **state)
{
    static const char *const leaf[] = {
#define W(list, name, word) W_##list(word)
#define W_SCOPES(word) word,
#define W_CLOSED(word)
#define W_ROLE(word)
#define W_SUBMISSION(word)
#define W_BASIS(word)
#define W_ERASE(word)
#define W_MODE(word)
#define W_URGENT(word)
#define W_SAME(word)
#define W_COMPARED(word)
#define W_OVERRIDE(word)
#define W_ASKER(word)
#define W_REMOVED(word)
#define W_ATTESTATION(word)
#define W_VERDICT(word)
#define W_REASON(word)
#include "events/words.def"
#undef W
    };
    unsigned set;

    (void)state;
    assert_int_equal(ARRAY_LEN(leaf), 7);
    for (unsigned s = 1; s <= 7; s++) {
        assert_string_equal(statement_scopes_word(s), leaf[s - 1]);
        assert_int_equal(statement_scopes_of(span_str(leaf[s - 1]), &set), 0);
        assert_int_equal(set, s);
    }
    assert_int_equal(statement_scopes_of(span_str("lookup,file"), &set), -EBADMSG);
    assert_int_equal(statement_scopes_of(span_str(""), &set), -EBADMSG);
}

static void each_scope_has_one_word(void **state)
{
    static const char *const words[INTAKE_SCOPES] = {"file", "statistic", "lookup"};
    enum intake_scope s;

    (void)state;
    for (int i = 0; i < INTAKE_SCOPES; i++) {
        assert_string_equal(intake_scope_word((enum intake_scope)i), words[i]);
        assert_int_equal(intake_scope_of(span_str(words[i]), &s), 0);
        assert_int_equal(s, i);
    }
    assert_int_equal(intake_scope_of(span_str("files"), &s), -EBADMSG);
}

static int parse_good(void *ctx)
{
    struct statement s;
    int rc = parse(good, &s, NULL);

    (void)ctx;
    if (rc == 0)
        statement_done(&s);
    return rc;
}

static void running_out_of_memory_is_said(void **state)
{
    (void)state;
    assert_true(faults_each(parse_good, NULL) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_statement_says_what_for_and_how_long),
        cmocka_unit_test(hours_are_days_when_they_are_whole),
        cmocka_unit_test(every_refusal_names_its_line_and_column),
        cmocka_unit_test(a_text_longer_than_the_limit_is_refused),
        cmocka_unit_test(the_seven_sets_are_the_words_of_the_leaf),
        cmocka_unit_test(each_scope_has_one_word),
        cmocka_unit_test(running_out_of_memory_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* docs/events.md and the program's table are one list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "events/leaf_priv.h"
#include "events/seal.h"

static char doc[64 * 1024];

static int load(void **state)
{
    FILE *f = fopen(getenv("EVENTS_MD"), "r");
    size_t n;

    (void)state;
    if (f == NULL)
        return -1;
    n = fread(doc, 1, sizeof(doc) - 1, f);
    (void)fclose(f);
    doc[n] = '\0';
    return n > 0 && n < sizeof(doc) - 1 ? 0 : -1;
}

/* What the page says of one kind. */
struct row {
    char name[40];
    size_t fields; /* plain ones */
    bool seen[LEAF_FIELDS];
};

static const struct leaf_slot *slot(enum leaf_kind k, enum leaf_field f)
{
    for (size_t i = 0; i < leaf_kinds[k].slots; i++)
        if (leaf_kinds[k].slot[i].field == f)
            return &leaf_kinds[k].slot[i];
    return NULL;
}

/* "word(a, b, c)": exactly the list's words, in its order; two phrases stand for lists. */
static void compare_words(enum leaf_list list, const char *text)
{
    char copy[200], *word, *save;
    size_t i = 0;

    if (strcmp(text, "the seven sets") == 0) {
        assert_int_equal(list, LL_SCOPES);
        return;
    }
    if (strcmp(text, "as above") == 0) {
        assert_int_equal(list, LL_ROLE);
        return;
    }
    (void)snprintf(copy, sizeof(copy), "%s", text);
    for (word = strtok_r(copy, ", ", &save); word != NULL; word = strtok_r(NULL, ", ", &save)) {
        assert_non_null(leaf_word_text(list, i));
        assert_string_equal(word, leaf_word_text(list, i));
        i++;
    }
    assert_null(leaf_word_text(list, i));
}

/* "name: type" or "name: word(...)", with "?" or a remark behind. */
static void compare_field(struct row *r, enum leaf_kind k, const char *text)
{
    char name[40], type[40], words[200];
    const struct leaf_slot *s;
    enum leaf_field f;
    int at = 0;

    assert_int_equal(sscanf(text, " %39[a-z0-9_]: %39[a-z]%n", name, type, &at), 2);
    assert_int_equal(leaf_field_of(span_str(name), &f), 0);
    s = slot(k, f);
    if (s == NULL)
        fail_msg("%s has no field %s in the program", r->name, name);
    assert_string_equal(type, leaf_type_name(leaf_field_type(f)));
    if (sscanf(text + at, "(%199[^)])", words) == 1 && strcmp(type, "word") == 0) {
        compare_words((enum leaf_list)s->list, words);
        at += (int)strlen(words) + 2;
    }
    if (s->optional != (text[at] == '?'))
        fail_msg("%s.%s: the page and the program differ on \"?\"", r->name, name);
    if (r->fields++ == 0)
        assert_int_equal(leaf_kinds[k].id, f);
    assert_false(r->seen[f]);
    r->seen[f] = true;
}

static void compare_sealed(struct row *r, enum leaf_kind k, const char *text)
{
    char copy[100], *name, *save;
    enum leaf_field f;

    (void)snprintf(copy, sizeof(copy), "%s", text);
    for (name = strtok_r(copy, ", ", &save); name != NULL; name = strtok_r(NULL, ", ", &save)) {
        assert_int_equal(seal_field(span_str(name), &f), 0);
        assert_non_null(slot(k, f));
        r->seen[f] = true;
    }
}

/* Splits the fields column at commas outside brackets. */
static void compare_fields(struct row *r, enum leaf_kind k, char *cell)
{
    char *sealed = strstr(cell, "sealed:"), *p, *start = cell;
    int depth = 0;

    if (sealed != NULL) {
        compare_sealed(r, k, sealed + strlen("sealed:"));
        *sealed = '\0';
        if ((p = strrchr(cell, ';')) != NULL)
            *p = '\0';
    }
    for (p = cell;; p++) {
        depth += *p == '(' ? 1 : *p == ')' ? -1 : 0;
        if ((*p == ',' && depth == 0) || *p == '\0') {
            bool last = *p == '\0';

            *p = '\0';
            if (strspn(start, " ") != strlen(start))
                compare_field(r, k, start);
            start = p + 1;
            if (last)
                break;
        }
    }
}

static void the_page_and_the_program_list_the_same_kinds_and_fields(void **state)
{
    char *begin = strstr(doc, "\n## Kinds\n"), *end = strstr(doc, "\n## What the claims conclude");
    bool seen[LEAF_KINDS] = {false};
    size_t kinds = 0;
    char *line, *save;

    (void)state;
    assert_true(begin != NULL && end != NULL && begin < end);
    *end = '\0';
    for (line = strtok_r(begin, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
        struct row r = {.fields = 0};
        enum leaf_kind k;
        char cell[500];

        if (sscanf(line, "| `%39[a-z.]` | %499[^|]", r.name, cell) != 2)
            continue;
        if (leaf_kind_of(span_str(r.name), &k) != 0)
            fail_msg("the program has no kind %s", r.name);
        assert_false(seen[k]);
        seen[k] = true;
        kinds++;
        compare_fields(&r, k, cell);
        for (size_t i = 0; i < leaf_kinds[k].slots; i++) {
            enum leaf_field f = (enum leaf_field)leaf_kinds[k].slot[i].field;
            bool common = f == LF_KIND || f == LF_SITE || f == LF_TIME || f == LF_V;

            if (r.seen[f] == common)
                fail_msg("the page does not list %s.%s", r.name, leaf_field_name(f));
        }
    }
    assert_int_equal(kinds, LEAF_KINDS);
    *end = '\n';
}

static void keys_stand_in_ascending_order_of_bytes(void **state)
{
    (void)state;
    for (size_t k = 0; k < LEAF_KINDS; k++)
        for (size_t i = 1; i < leaf_kinds[k].slots; i++)
            assert_true(strcmp(leaf_field_name((enum leaf_field)leaf_kinds[k].slot[i - 1].field),
                               leaf_field_name((enum leaf_field)leaf_kinds[k].slot[i].field)) < 0);
}

/* The numbering of the enums in leaf.h is the order of words.def. */
static void the_words_named_in_the_header_are_those_of_the_lists(void **state)
{
    (void)state;
    assert_string_equal(leaf_word_text(LL_CLOSED, LW_CLOSED_END), "end");
    assert_string_equal(leaf_word_text(LL_ROLE, LW_ROLE_MOVER), "mover");
    assert_string_equal(leaf_word_text(LL_ROLE, LW_ROLE_AUDITOR), "auditor");
    assert_string_equal(leaf_word_text(LL_SUBMISSION, LW_SUBMISSION_LOOKUP), "lookup");
    assert_string_equal(leaf_word_text(LL_ERASE, LW_ERASE_SUBJECT), "subject");
    assert_string_equal(leaf_word_text(LL_ERASE, LW_ERASE_POLICY), "policy");
    assert_string_equal(leaf_word_text(LL_REMOVED, LW_REMOVED_MOVED), "moved");
    assert_string_equal(leaf_word_text(LL_ATTESTATION, LW_ATTESTATION_CUSTODIAN), "custodian");
    assert_string_equal(leaf_word_text(LL_VERDICT, LW_VERDICT_INCOMPLETE), "incomplete");
    assert_string_equal(leaf_word_text(LL_REASON, LW_REASON_CRASH), "crash");
    assert_string_equal(leaf_word_text(LL_ROLE, LW_ROLE_AUTHOR), "author");
    assert_string_equal(leaf_word_text(LL_ROLE, LW_ROLE_SUPERVISOR), "supervisor");
    assert_string_equal(leaf_word_text(LL_COMPARED, LW_COMPARED_IDENTICAL), "identical");
    assert_string_equal(leaf_word_text(LL_COMPARED, LW_COMPARED_UNEXPLAINED), "unexplained");
    assert_null(leaf_word_text(LL_COMPARED, LW_COMPARED_UNEXPLAINED + 1));
    assert_string_equal(leaf_word_text(LL_MODE, LW_MODE_ENFORCE), "enforce");
    assert_string_equal(leaf_word_text(LL_URGENT, LW_URGENT_YES), "yes");
    assert_string_equal(leaf_word_text(LL_OVERRIDE, LW_OVERRIDE_VERDICT), "verdict");
    assert_string_equal(leaf_word_text(LL_ASKER, LW_ASKER_COURT), "court");
    assert_string_equal(leaf_word_text(LL_SCOPES, leaf_scopes_word(1)), "file");
    assert_string_equal(leaf_word_text(LL_SCOPES, leaf_scopes_word(5)), "file,lookup");
    assert_string_equal(leaf_word_text(LL_SCOPES, leaf_scopes_word(7)), "file,lookup,statistic");
    assert_null(leaf_word_text(LL_SCOPES, 7));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_and_the_program_list_the_same_kinds_and_fields),
        cmocka_unit_test(keys_stand_in_ascending_order_of_bytes),
        cmocka_unit_test(the_words_named_in_the_header_are_those_of_the_lists),
    };

    return cmocka_run_group_tests(tests, load, NULL);
}

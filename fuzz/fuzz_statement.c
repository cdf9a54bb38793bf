/* Statements: what is accepted has a set of scopes with a word, whole days and a text. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "intake/statement.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool held)
{
    if (!held)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct statement s = {.scopes = 0};
    struct err e = ERR_INIT;
    unsigned set = 0;

    if (statement_parse(&s, "s", span_of(data, size), &e) != 0) {
        expect(s.text == NULL && strncmp(e.text, "s:", 2) == 0);
        return 0;
    }
    expect(s.scopes >= 1 && s.scopes <= 7);
    expect(statement_scopes_of(span_str(statement_scopes_word(s.scopes)), &set) == 0);
    expect(set == s.scopes && s.erase_within > 0 && s.retention > 0);
    expect(strlen(s.text) > 0 && strlen(s.text) <= STATEMENT_TEXT_MAX && strlen(s.language) >= 2);
    statement_done(&s);
    return 0;
}

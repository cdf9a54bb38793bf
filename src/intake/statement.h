/* statement.h - the consent statement a submitter agrees to: what for, how long, how soon erased.
 * docs/formats.md, "Statement".  -EINVAL with line and column for a document that is refused. */
#ifndef INTAKE_STATEMENT_H
#define INTAKE_STATEMENT_H

#include "base/err.h"

/* The three scopes of consent, which are also the three kinds of submissions. */
enum intake_scope { SCOPE_FILE, SCOPE_STATISTIC, SCOPE_LOOKUP };
#define INTAKE_SCOPES 3
const char *intake_scope_word(enum intake_scope s);
MUST_CHECK int intake_scope_of(struct span word, enum intake_scope *out); /* 0 or -EBADMSG */

/* A set of scopes: bit 1 << scope.  Its word joins the scopes by commas in alphabetical order
 * ("file", "file,lookup", …): the field `scopes` of the leaf statement.published has these seven
 * words. */
const char *statement_scopes_word(unsigned set); /* set is 1..7 */
MUST_CHECK int statement_scopes_of(struct span word, unsigned *set);

#define STATEMENT_TEXT_MAX ((size_t)64 << 10)

struct statement {
    char language[33];     /* a label of docs/events.md: "en", "de-ch" */
    unsigned scopes;       /* a set, never empty */
    unsigned erase_within; /* days */
    unsigned retention;    /* days */
    char *text;            /* what the person reads; owned, NUL-terminated */
};
MUST_CHECK int statement_parse(struct statement *out, const char *name, struct span text,
                               struct err *e);
void statement_done(struct statement *s); /* frees what it owns; harmless twice */
static inline bool statement_covers(const struct statement *s, enum intake_scope scope)
{
    return (s->scopes >> scope & 1) != 0;
}

#endif

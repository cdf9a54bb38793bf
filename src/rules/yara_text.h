/* yara_text.h - where the rules of a YARA source begin and end, and what their meta says: as much
 * of the language as can be told without compiling it.
 *
 * Pieces are told apart as YARA's own lexer does: comments of both sorts, strings with escapes,
 * regular expressions (a "/" begins nothing else), words, and single signs.  A hex string's braces
 * are signs like a rule's own: nothing that can stand in one closes it early.  Sources may be
 * strangers': nothing here allocates, nothing recurses, and what is no rule is refused with its
 * line. */
#ifndef RULES_YARA_TEXT_H
#define RULES_YARA_TEXT_H

#include "base/buf.h"
#include "base/err.h"

enum yara_sort {
    YARA_WORD,   /* letters, digits and "_": names, keywords, numbers */
    YARA_STRING, /* with its quotes */
    YARA_REGEXP, /* with its slashes and flags */
    YARA_SIGN    /* one byte */
};
struct yara_piece {
    enum yara_sort sort;
    struct span text; /* lent */
    unsigned line;    /* from 1, where it begins */
};
struct yara_text {
    struct cur rest;
    unsigned line;
};
struct yara_text yara_text_of(struct span source);
/* 1: a piece; 0: the end; -EBADMSG: a comment, string or regular expression does not end, t->line
 * is where it begins. */
int yara_text_next(struct yara_text *t, struct yara_piece *out);

struct yara_rule {
    struct span name; /* lent, as all */
    struct span text; /* from the first of "private", "global", "rule" to the closing brace */
    struct span body; /* from the opening brace to the closing one */
    unsigned line;    /* of the name */
    bool is_private, is_global;
};
/* The next rule of a source; imports are skipped.  1, 0, or -EBADMSG with "line N: ..." in e. */
int yara_text_rule(struct yara_text *t, struct yara_rule *out, struct err *e);
/* Is one rule the other, but for layout and comments? */
bool yara_text_same(struct span a, struct span b);

/* The entries of a rule's meta, in order: t begins as yara_text_of(rule.body).  1: one, whose value
 * is a string with its quotes, a number or a word; 0: no more. */
int yara_text_meta(struct yara_text *t, struct span *key, struct span *value);
/* Appends what a quoted string means; other values as they are. */
MUST_CHECK int yara_text_value(struct buf *out, struct span value);

#endif

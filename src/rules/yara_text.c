#include "rules/yara_text.h"

#include <errno.h>
#include <string.h>

struct yara_text yara_text_of(struct span source)
{
    struct yara_text t = {cur_of(source), 1};

    return t;
}

/* --- pieces --- */

static bool is_word(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static void skip(struct yara_text *t, size_t n)
{
    for (size_t i = 0; i < n; i++)
        t->line += t->rest.p[i] == '\n';
    t->rest.p += n;
    t->rest.n -= n;
}

/* The bytes from p to the mark that ends what began there, both counted; 0: it does not end before
 * the line does. */
static size_t quoted(const uint8_t *p, size_t n, uint8_t mark)
{
    for (size_t i = 1; i < n && p[i] != '\n'; i++) {
        if (p[i] == '\\') {
            if (++i < n && p[i] == '\n')
                return 0;
        } else if (p[i] == mark) {
            return i + 1;
        }
    }
    return 0;
}

/* Blanks and comments.  -EBADMSG: a comment without an end. */
static int blanks(struct yara_text *t)
{
    while (t->rest.n > 0) {
        const uint8_t *p = t->rest.p, *end;
        size_t n = t->rest.n;

        if (p[0] == ' ' || p[0] == '\t' || p[0] == '\r' || p[0] == '\n') {
            skip(t, 1);
        } else if (n >= 2 && p[0] == '/' && p[1] == '/') {
            end = memchr(p, '\n', n);
            skip(t, end != NULL ? (size_t)(end - p) : n);
        } else if (n >= 2 && p[0] == '/' && p[1] == '*') {
            if ((end = memmem(p + 2, n - 2, "*/", 2)) == NULL)
                return -EBADMSG;
            skip(t, (size_t)(end - p) + 2);
        } else {
            break;
        }
    }
    return 0;
}

int yara_text_next(struct yara_text *t, struct yara_piece *out)
{
    const uint8_t *p;
    size_t n = 1;

    if (blanks(t) != 0)
        return -EBADMSG;
    if (t->rest.n == 0)
        return 0;
    p = t->rest.p;
    out->line = t->line;
    out->sort = YARA_SIGN;
    if (is_word(p[0])) {
        out->sort = YARA_WORD;
        while (n < t->rest.n && is_word(p[n]))
            n++;
    } else if (p[0] == '"' || p[0] == '/') {
        out->sort = p[0] == '"' ? YARA_STRING : YARA_REGEXP;
        if ((n = quoted(p, t->rest.n, p[0])) == 0)
            return -EBADMSG;
        if (out->sort == YARA_REGEXP)
            for (const char *f = "is"; *f != '\0'; f++)
                n += n < t->rest.n && p[n] == (uint8_t)*f;
    }
    out->text = span_of(p, n);
    skip(t, n);
    return 1;
}

/* --- rules --- */

static int no_end(const struct yara_text *t, struct err *e)
{
    return err_set(e, -EBADMSG, "line %u: a comment, string or regular expression does not end",
                   t->line);
}

static int no_rule(const struct yara_piece *p, struct err *e)
{
    return err_set(e, -EBADMSG, "line %u: \"%.*s\" where a rule should be", p->line,
                   (int)(p->text.n < 64 ? p->text.n : 64), (const char *)p->text.p);
}

/* The next piece, which must be there. */
static int need(struct yara_text *t, struct yara_piece *p, struct err *e)
{
    int rc = yara_text_next(t, p);

    if (rc == 0)
        return err_set(e, -EBADMSG, "line %u: the last rule does not end", t->line);
    return rc == 1 ? 0 : no_end(t, e);
}

/* From the opening brace, which is there, to the closing one. */
static int body(struct yara_text *t, const struct yara_piece *open, struct yara_rule *r,
                struct err *e)
{
    struct yara_piece p = *open;
    size_t depth = 1;
    int rc;

    while (depth > 0) {
        if ((rc = need(t, &p, e)) != 0)
            return rc;
        if (p.sort == YARA_SIGN)
            depth = p.text.p[0] == '{' ? depth + 1 : p.text.p[0] == '}' ? depth - 1 : depth;
    }
    r->body = span_of(open->text.p, (size_t)(t->rest.p - open->text.p));
    return 0;
}

static int name_and_body(struct yara_text *t, struct yara_rule *r, const uint8_t *begin,
                         struct err *e)
{
    struct yara_piece p;
    int rc = need(t, &p, e);

    if (rc != 0)
        return rc;
    if (p.sort != YARA_WORD)
        return no_rule(&p, e);
    r->name = p.text;
    r->line = p.line;
    do { /* ": tag tag" */
        if ((rc = need(t, &p, e)) != 0)
            return rc;
        if (p.sort != YARA_WORD && !span_is(p.text, ":") && !span_is(p.text, "{"))
            return no_rule(&p, e);
    } while (!span_is(p.text, "{"));
    if ((rc = body(t, &p, r, e)) != 0)
        return rc;
    r->text = span_of(begin, (size_t)(t->rest.p - begin));
    return 1;
}

int yara_text_rule(struct yara_text *t, struct yara_rule *out, struct err *e)
{
    const uint8_t *begin = NULL;
    struct yara_piece p;
    int rc;

    memset(out, 0, sizeof(*out));
    while ((rc = yara_text_next(t, &p)) == 1) {
        if (begin == NULL)
            begin = p.text.p;
        if (span_is(p.text, "private")) {
            out->is_private = true;
        } else if (span_is(p.text, "global")) {
            out->is_global = true;
        } else if (span_is(p.text, "rule")) {
            return name_and_body(t, out, begin, e);
        } else if (begin == p.text.p && (span_is(p.text, "import") || span_is(p.text, "include"))) {
            if ((rc = need(t, &p, e)) != 0)
                return rc;
            if (p.sort != YARA_STRING)
                return no_rule(&p, e);
            begin = NULL;
        } else {
            return no_rule(&p, e);
        }
    }
    if (rc < 0)
        return no_end(t, e);
    return begin == NULL ? 0 : no_rule(&p, e);
}

bool yara_text_same(struct span a, struct span b)
{
    struct yara_text s = yara_text_of(a), t = yara_text_of(b);
    struct yara_piece p, q;
    int more, other;

    do {
        more = yara_text_next(&s, &p);
        other = yara_text_next(&t, &q);
        if (more != other || (more == 1 && !span_eq(p.text, q.text)))
            return false;
    } while (more == 1);
    return more == 0;
}

/* --- meta --- */

int yara_text_meta(struct yara_text *t, struct span *key, struct span *value)
{
    struct yara_piece p, q;
    bool inside = false;

    /* between "meta:" and the next "word:" stand "word = value" */
    while (yara_text_next(t, &p) == 1) {
        struct yara_text before = *t;

        if (p.sort != YARA_WORD || yara_text_next(t, &q) != 1) {
            *t = before;
            continue;
        }
        if (span_is(q.text, ":")) {
            inside = span_is(p.text, "meta");
            if (!inside)
                break;
        } else if (span_is(q.text, "=")) {
            const uint8_t *begin;

            if (yara_text_next(t, &q) != 1)
                break;
            begin = q.text.p;
            if (span_is(q.text, "-") && yara_text_next(t, &q) != 1)
                break;
            *key = p.text;
            *value = span_of(begin, (size_t)(q.text.p + q.text.n - begin));
            return 1;
        } else {
            *t = before;
        }
    }
    t->rest.n = 0;
    return 0;
}

static int hex_of(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

int yara_text_value(struct buf *out, struct span v)
{
    int rc = 0;

    if (v.n < 2 || v.p[0] != '"')
        return buf_put(out, v.p, v.n);
    for (size_t i = 1; rc == 0 && i + 1 < v.n; i++) {
        uint8_t c = v.p[i];

        if (c == '\\' && i + 2 < v.n) {
            c = v.p[++i];
            if (c == 'x' && i + 3 < v.n && hex_of(v.p[i + 1]) >= 0 && hex_of(v.p[i + 2]) >= 0) {
                c = (uint8_t)(hex_of(v.p[i + 1]) << 4 | hex_of(v.p[i + 2]));
                i += 2;
            } else {
                c = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
            }
        }
        rc = buf_putc(out, c);
    }
    return rc;
}

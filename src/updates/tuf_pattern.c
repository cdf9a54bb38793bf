/* tuf_pattern.c - fnmatch(3) depends on the locale and takes exponential time on some patterns.
 * Here a star that fails is tried one character further on, and only the last star is: between
 * slashes that finds every match, in time pattern * path at most. */
#include <stdint.h>
#include <string.h>

#include "base/text.h"
#include "updates/tuf_delegation.h"

/* One character: a UTF-8 sequence, or a byte that is none. */
static size_t next_char(const char *s, uint32_t *code)
{
    size_t n = text_utf8_next(span_str(s), code);

    if (n > 0)
        return n;
    *code = (uint8_t)s[0];
    return s[0] != '\0';
}

/* p is behind a '['.  *end: behind the ']' (NULL if there is none: then '[' means itself). */
static bool in_class(const char *p, uint32_t c, const char **end)
{
    bool not = *p == '!', found = false, first = true;

    p += not ;
    *end = NULL;
    while (*p != '\0' && *p != '/' && (*p != ']' || first)) {
        uint32_t from, to;

        first = false;
        p += next_char(p, &from);
        to = from;
        if (p[0] == '-' && p[1] != ']' && p[1] != '\0' && p[1] != '/') {
            p++;
            p += next_char(p, &to);
        }
        found = found || (from <= c && c <= to);
    }
    if (*p == ']')
        *end = p + 1;
    return found != not ;
}

/* What p begins with matches one character of s: how far to go on in both; false: it does not. */
static bool match_one(const char **p, const char **s)
{
    const char *end;
    uint32_t c, want;
    size_t n;

    if (**s == '\0' || **p == '\0')
        return false;
    n = next_char(*s, &c);
    if (c != '/' && **p == '?') {
        (*p)++;
        *s += n;
        return true;
    }
    if (**p == '[') {
        bool in = in_class(*p + 1, c, &end);

        if (end != NULL) {
            *p = end;
            *s += n;
            return in && c != '/';
        }
    }
    *p += next_char(*p, &want);
    *s += n;
    return want == c;
}

bool tuf_pattern_matches(const char *pattern, const char *path)
{
    const char *p = pattern, *s = path, *star_p = NULL, *star_s = NULL;

    while (*s != '\0' || *p != '\0') {
        const char *p2 = p, *s2 = s;
        uint32_t c;

        if (*p == '*') {
            star_p = ++p;
            star_s = s;
            continue;
        }
        if (match_one(&p2, &s2)) {
            if (*s == '/') /* a star does not reach beyond its own part of the path */
                star_p = NULL;
            p = p2;
            s = s2;
            continue;
        }
        if (star_p == NULL || *star_s == '\0' || *star_s == '/')
            return false;
        star_s += next_char(star_s, &c);
        s = star_s;
        p = star_p;
    }
    return true;
}

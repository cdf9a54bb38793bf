#include "assembler/support.h"

#include <stdio.h>
#include <string.h>

static struct span next_line(struct span *text)
{
    const uint8_t *end = text->n == 0 ? NULL : memchr(text->p, '\n', text->n);
    const size_t n = end == NULL ? text->n : (size_t)(end - text->p);
    const struct span line = span_of(text->p, n);
    const size_t used = end == NULL ? n : n + 1;

    *text = span_of(text->p + used, text->n - used);
    return line;
}

/* The i-th of the fields that `by` parts; empty if there are fewer. */
static struct span field(struct span line, char by, size_t i)
{
    for (;; i--) {
        const uint8_t *end = line.n == 0 ? NULL : memchr(line.p, by, line.n);
        const size_t n = end == NULL ? line.n : (size_t)(end - line.p);

        if (i == 0)
            return span_of(line.p, n);
        if (end == NULL)
            return span_of("", 0);
        line = span_of(line.p + n + 1, line.n - n - 1);
    }
}

static bool is(struct span s, const char *text)
{
    return span_eq(s, span_str(text));
}

/* A release's name without that of its part: both end with it. */
static struct span release(struct span codename)
{
    static const char *const parts[] = {"-updates", "-security"};

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        const size_t n = strlen(parts[i]);

        if (codename.n > n && memcmp(codename.p + codename.n - n, parts[i], n) == 0)
            return span_of(codename.p, codename.n - n);
    }
    return codename;
}

/* The one release that the source of uri offers; empty: none, several, or not Debian's. */
static struct span offered(struct span targets, const char *uri)
{
    struct span best = span_of("", 0), name = span_of("", 0);
    bool sure = false;

    while (targets.n > 0) {
        const struct span line = next_line(&targets), where = field(line, '|', 2);
        const struct span its = release(field(line, '|', 1));
        const bool debian = is(field(line, '|', 0), "Debian") && its.n > 0;

        if (where.n == 0 || where.n < best.n || where.n > strlen(uri) ||
            memcmp(uri, where.p, where.n) != 0)
            continue;
        /* the longest address is that of the source, and all it offers must agree */
        sure = debian && (where.n > best.n || (sure && span_eq(its, name)));
        best = where;
        name = its;
    }
    return sure ? name : span_of("", 0);
}

/* The number of a column in the table's first line. */
static size_t column(struct span head, const char *name)
{
    size_t i = 0;

    while (field(head, ',', i).n > 0 && !is(field(head, ',', i), name))
        i++;
    return i;
}

unix_time support_until(struct span targets, struct span table, const char *uri)
{
    const struct span name = offered(targets, uri), head = next_line(&table);
    const size_t series = column(head, "series"), eol = column(head, "eol");
    char text[CLOCK_SECOND_LEN + 1];
    unix_time t;

    if (field(head, ',', series).n == 0 || field(head, ',', eol).n == 0)
        return SUPPORT_UNKNOWN;
    while (name.n > 0 && table.n > 0) {
        const struct span line = next_line(&table), day = field(line, ',', eol);

        if (!span_eq(field(line, ',', series), name))
            continue;
        if (day.n != strlen("2026-07-11"))
            return SUPPORT_UNKNOWN;
        (void)snprintf(text, sizeof(text), "%.10sT23:59:59Z", (const char *)day.p);
        return clock_unsecond(span_str(text), &t) == 0 ? t : SUPPORT_UNKNOWN;
    }
    return SUPPORT_UNKNOWN;
}

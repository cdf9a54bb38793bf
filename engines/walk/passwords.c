#include "passwords.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static int keep(struct passwords *p, struct span s)
{
    char *copy = strndup((const char *)s.p, s.n);

    if (copy == NULL)
        return -ENOMEM;
    p->v[p->n++] = copy;
    return 0;
}

/* The part of the line behind its third semicolon, and what stands between the second and it. */
static bool cut(struct span line, struct span *storage, struct span *word)
{
    unsigned part = 0;
    size_t second = 0;

    for (size_t i = 0; i < line.n; i++) {
        if (line.p[i] != ';')
            continue;
        if (++part == 2)
            second = i + 1;
        if (part == 3) {
            *storage = span_of(line.p + second, i - second);
            *word = span_of(line.p + i + 1, line.n - i - 1);
            return true;
        }
    }
    return false;
}

static int add_line(struct passwords *p, struct span line)
{
    uint8_t raw[PASSWORD_MAX];
    struct span storage, word;

    if (!cut(line, &storage, &word) || word.n == 0 || word.n > 2 * PASSWORD_MAX)
        return -EBADMSG;
    if (p->n == PASSWORDS_MAX)
        return -E2BIG;
    if (span_is(storage, "0") && word.n <= PASSWORD_MAX)
        return memchr(word.p, '\0', word.n) == NULL ? keep(p, word) : -EBADMSG;
    if (!span_is(storage, "1") || word.n % 2 != 0 || text_unhex(word, raw, word.n / 2) != 0 ||
        memchr(raw, '\0', word.n / 2) != NULL)
        return -EBADMSG;
    return keep(p, span_of(raw, word.n / 2));
}

int passwords_add(struct passwords *p, const char *file, struct span text, struct err *e)
{
    unsigned number = 0;

    while (text.n > 0) {
        const uint8_t *end = memchr(text.p, '\n', text.n);
        size_t n = end != NULL ? (size_t)(end - text.p) : text.n;
        struct span line = span_of(text.p, n);
        int rc;

        number++;
        text = end != NULL ? span_of(end + 1, text.n - n - 1) : span_of(NULL, 0);
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        if (line.n == 0 || line.p[0] == '#')
            continue;
        rc = add_line(p, line);
        if (rc == -E2BIG)
            return err_set(e, rc, "%s:%u: a release has at most %d passwords", file, number,
                           PASSWORDS_MAX);
        if (rc != 0)
            return err_set(e, rc,
                           "%s:%u: a password stands as NAME;TARGET;0;TEXT or NAME;TARGET;1;"
                           "HEX, at most %d bytes",
                           file, number, PASSWORD_MAX);
    }
    return 0;
}

void passwords_free(struct passwords *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->v[i]);
    p->n = 0;
}

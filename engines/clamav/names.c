#include "names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "detect/protocol.h"

#define UNOFFICIAL ".UNOFFICIAL"

/* Which field of a line is the name, and what parts fields.  field 0: lines have no names. */
static const struct kind {
    const char *ending;
    char mark;
    unsigned field;
} kinds[] = {
    {".hdb", ':', 3}, {".hsb", ':', 3},  {".mdb", ':', 3},  {".msb", ':', 3}, {".imp", ':', 3},
    {".ndb", ':', 1}, {".ldb", ';', 1},  {".cdb", ':', 1},  {".idb", ':', 1}, {".fp", ':', 0},
    {".sfp", ':', 0}, {".ign2", ':', 0}, {".pwdb", ';', 0},
};

static const struct kind *kind_of(const char *file)
{
    const char *dot = strrchr(file, '.');

    for (size_t i = 0; dot != NULL && i < ARRAY_LEN(kinds); i++)
        if (strcmp(dot, kinds[i].ending) == 0)
            return &kinds[i];
    return NULL;
}

bool names_is_database(const char *file)
{
    return kind_of(file) != NULL;
}

static struct span field(struct span line, char mark, unsigned which)
{
    for (;;) {
        const uint8_t *end = memchr(line.p, mark, line.n);
        size_t n = end != NULL ? (size_t)(end - line.p) : line.n;

        if (--which == 0)
            return span_of(line.p, n);
        if (end == NULL)
            return span_of(NULL, 0);
        line = span_of(end + 1, line.n - n - 1);
    }
}

static bool spelled(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              (c != '\0' && strchr("_.:-", c) != NULL)))
            return false;
    }
    return s.n > 0 && s.n <= VERDICT_NAME_MAX;
}

static int keep(struct names *s, struct span name)
{
    if (s->n == s->room) {
        size_t room = s->room == 0 ? 256 : s->room * 2;
        char **more = reallocarray(s->v, room, sizeof(*more));

        if (more == NULL)
            return -ENOMEM;
        s->v = more;
        s->room = room;
    }
    if ((s->v[s->n] = strndup((const char *)name.p, name.n)) == NULL)
        return -ENOMEM;
    s->n++;
    return 0;
}

int names_add(struct names *s, const char *file, struct span text, struct err *e)
{
    const struct kind *k = kind_of(file);
    unsigned number = 0;

    while (text.n > 0 && k != NULL && k->field != 0) {
        const uint8_t *end = memchr(text.p, '\n', text.n);
        size_t n = end != NULL ? (size_t)(end - text.p) : text.n;
        struct span line = span_of(text.p, n), name;

        number++;
        text = end != NULL ? span_of(end + 1, text.n - n - 1) : span_of(NULL, 0);
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        if (line.n == 0 || line.p[0] == '#')
            continue;
        name = field(line, k->mark, k->field);
        if (!spelled(name))
            return err_set(e, -EBADMSG,
                           "%s:%u: field %u is no name of letters, digits and _.:- (1 to %d)", file,
                           number, k->field, VERDICT_NAME_MAX);
        if (keep(s, name) != 0)
            return err_set(e, -ENOMEM, "out of memory for the rules");
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void names_sort(struct names *s)
{
    size_t n = 0;

    if (s->n > 0)
        qsort(s->v, s->n, sizeof(*s->v), compare);
    for (size_t i = 0; i < s->n; i++)
        if (n > 0 && strcmp(s->v[n - 1], s->v[i]) == 0)
            free(s->v[i]);
        else
            s->v[n++] = s->v[i];
    s->n = n;
}

long names_rank(const struct names *s, const char *told)
{
    char name[VERDICT_NAME_MAX + 1], *key = name;
    size_t n = strlen(told), m = sizeof(UNOFFICIAL) - 1;
    char **at;

    if (n > m && strcmp(told + n - m, UNOFFICIAL) == 0)
        n -= m;
    if (n > VERDICT_NAME_MAX || s->n == 0)
        return -1;
    memcpy(name, told, n);
    name[n] = '\0';
    at = bsearch(&key, s->v, s->n, sizeof(*s->v), compare);
    return at == NULL ? -1 : at - s->v;
}

void names_free(struct names *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->v[i]);
    free(s->v);
    memset(s, 0, sizeof(*s));
}

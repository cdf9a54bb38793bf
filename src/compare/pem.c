/* pem.c - DER as text (RFC 7468): blocks of base64 between lines that say what they are, and text
 * around them.  Another wrapping of one content is the same content; text is compared as text; the
 * order of blocks counts, since readers take the first for another thing than the others. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "compare/look_priv.h"
#include "compare/pairing.h"
#include "compare/plain.h"

#define SAMPLE ((size_t)65536)
#define BEGIN "-----BEGIN "
#define END "-----END "
#define DASHES "-----"
#define NAME 64u

extern const struct look_format pem_format;

struct block {
    struct look_range text, begin, body, end; /* text: before it */
    struct look_held plain;                   /* empty: it is no base64 */
    char name[NAME];
};
struct blocks {
    struct block *v;
    size_t n, room;
    struct look_range rest;
    uint64_t charged;
};

/* --- reading --- */

/* The line at at, without what ends it; *next is behind it. */
static struct span line(struct span s, size_t at, size_t *next)
{
    const uint8_t *feed = memchr(s.p + at, '\n', s.n - at);
    size_t end = feed == NULL ? s.n : (size_t)(feed - s.p);

    *next = feed == NULL ? s.n : end + 1;
    while (end > at && (s.p[end - 1] == '\r' || s.p[end - 1] == ' ' || s.p[end - 1] == '\t'))
        end--;
    return span_of(s.p + at, end - at);
}

/* "-----BEGIN X-----": X. */
static bool label(struct span l, const char *word, struct span *out)
{
    const size_t n = strlen(word), dashes = strlen(DASHES);

    if (l.n <= n + dashes || l.n - n - dashes >= NAME || memcmp(l.p, word, n) != 0 ||
        memcmp(l.p + l.n - dashes, DASHES, dashes) != 0)
        return false;
    *out = span_of(l.p + n, l.n - n - dashes);
    for (size_t i = 0; i < out->n; i++)
        if (out->p[i] < 0x20 || out->p[i] > 0x7e)
            return false;
    return true;
}

static bool is(struct span side, const char *name)
{
    const struct span s = span_of(side.p, side.n < SAMPLE ? side.n : SAMPLE);
    const uint8_t *p;

    (void)name;
    if (s.n == 0 || memchr(s.p, '\0', s.n) != NULL)
        return false;
    for (size_t at = 0; (p = memmem(s.p + at, s.n - at, BEGIN, strlen(BEGIN))) != NULL;
         at = (size_t)(p - s.p) + 1)
        if (p == s.p || p[-1] == '\n')
            return true;
    return false;
}

static bool blank(uint8_t c)
{
    return c == '\n' || c == '\r' || c == ' ' || c == '\t';
}

/* The bytes that a block says; none where it is no base64 or there is no room. */
static void decode(struct look *l, struct span s, struct block *b)
{
    const struct span text = span_of(s.p + b->body.at, (size_t)b->body.n);
    char *packed = look_room(l, text.n);
    uint8_t *plain = look_room(l, text.n);
    size_t n = 0, out = 0;

    for (size_t i = 0; packed != NULL && i < text.n; i++)
        if (!blank(text.p[i]))
            packed[n++] = (char)text.p[i];
    if (packed != NULL && plain != NULL && n > 0 &&
        text_unbase64(span_of(packed, n), plain, text.n, &out) == 0) {
        b->plain = (struct look_held){.at = {0, out}, .bytes = {plain, out}, .room = plain};
        plain = NULL;
    }
    look_give_back(l, plain, text.n);
    look_give_back(l, packed, text.n);
}

static int add(struct look *l, struct blocks *o, const struct block *b)
{
    const size_t more = o->room == 0 ? 16 : 2 * o->room;
    struct block *v;

    if (o->n == o->room) {
        if (!look_charge(l, (more - o->room) * sizeof(*v)))
            return -E2BIG;
        o->charged += (more - o->room) * sizeof(*v);
        if ((v = reallocarray(o->v, more, sizeof(*v))) == NULL)
            return -ENOMEM;
        o->v = v;
        o->room = more;
    }
    o->v[o->n++] = *b;
    return 0;
}

/* The block that begins at at; false: there is none. */
static bool find(struct span s, size_t at, struct block *b)
{
    struct span name, end;
    size_t next, last;

    if (!label(line(s, at, &next), BEGIN, &name))
        return false;
    *b = (struct block){.begin = {at, next - at}};
    memcpy(b->name, name.p, name.n);
    b->name[name.n] = '\0';
    for (size_t i = next; i < s.n; i = last) {
        const struct span l = line(s, i, &last);

        if (label(l, BEGIN, &end))
            return false;
        if (!label(l, END, &end))
            continue;
        b->body = (struct look_range){next, i - next};
        b->end = (struct look_range){i, last - i};
        return span_eq(name, end);
    }
    return false;
}

static int read_side(struct look *l, int side, struct blocks *o)
{
    const struct span s = look_side(l, side);
    size_t from = 0, next;
    struct block b;
    int rc = 0;

    for (size_t at = 0; at < s.n && rc == 0; at = next) {
        const uint8_t *p = memmem(s.p + at, s.n - at, BEGIN, strlen(BEGIN));

        if (p == NULL)
            break;
        at = (size_t)(p - s.p);
        next = at + 1;
        if ((at > 0 && s.p[at - 1] != '\n') || !find(s, at, &b))
            continue;
        if (!look_may(l))
            break;
        b.text = (struct look_range){from, at - from};
        decode(l, s, &b);
        if ((rc = add(l, o, &b)) != 0)
            look_give_back(l, b.plain.room, b.body.n);
        else
            from = next = (size_t)(b.end.at + b.end.n);
    }
    o->rest = (struct look_range){from, s.n - from};
    return rc == -E2BIG ? 0 : rc; /* it is cut: the rest is text */
}

static void done(struct look *l, struct blocks *o)
{
    for (size_t i = o->n; i > 0; i--)
        look_give_back(l, o->v[i - 1].plain.room, o->v[i - 1].body.n);
    look_discharge(l, o->charged);
    free(o->v);
}

/* --- pairs --- */

static int text(struct look *l, struct look_range a, struct look_range b, const char *before,
                size_t i)
{
    char name[2 * NAME];

    (void)snprintf(name, sizeof(name), before == NULL ? "text at the end" : "text before %s %zu",
                   before, i + 1);
    if (a.n == 0 && b.n == 0)
        return 0;
    if (a.n == 0 || b.n == 0 || !look_may(l))
        return look_pair(l, a, b, COMPARE_UNEXPLAINED, "%s", name);
    return look_member(l, a, b, name, name);
}

static int pair(struct look *l, const struct block *a, const struct block *b, size_t i)
{
    char name[2 * NAME];
    int rc = text(l, a->text, b->text, a->name, i);

    (void)snprintf(name, sizeof(name), "%s %zu", a->name, i + 1);
    if (rc == 0)
        rc = look_pair(l, a->begin, b->begin,
                       strcmp(a->name, b->name) == 0 ? COMPARE_SAME_CONTENT : COMPARE_UNEXPLAINED,
                       "the line that begins %s", name);
    if (rc == 0)
        rc = look_pair(l, a->end, b->end,
                       strcmp(a->name, b->name) == 0 ? COMPARE_SAME_CONTENT : COMPARE_UNEXPLAINED,
                       "the line that ends %s", name);
    if (rc != 0)
        return rc;
    if (a->plain.bytes.p == NULL || b->plain.bytes.p == NULL)
        return look_pair(l, a->body, b->body, COMPARE_UNEXPLAINED, "%s: it is no base64", name);
    return look_unpacked(l, a->body, b->body, a->plain.bytes, b->plain.bytes, name, name);
}

static int alone(struct look *l, int side, const struct block *b, size_t i)
{
    const struct look_range all = {b->text.at, b->end.at + b->end.n - b->text.at}, none = {0, 0};

    return look_pair(l, side == 0 ? all : none, side == 1 ? all : none, COMPARE_UNEXPLAINED,
                     "%s %zu is only in %c", b->name, i + 1, "AB"[side]);
}

static int all(struct look *l, const struct blocks o[2], struct pairing_item *const item[2])
{
    int rc;

    for (int side = 0; side < 2; side++)
        for (size_t i = 0; i < o[side].n; i++)
            item[side][i] =
                (struct pairing_item){o[side].v[i].name, &o[side].v[i].plain, PAIRING_NONE};
    if ((rc = pairing_by_content(item[0], o[0].n, item[1], o[1].n)) == 0)
        rc = pairing_by_name(item[0], o[0].n, item[1], o[1].n);
    for (size_t i = 0; i < o[0].n && rc == 0; i++)
        rc = item[0][i].mate == PAIRING_NONE ? alone(l, 0, &o[0].v[i], i)
                                             : pair(l, &o[0].v[i], &o[1].v[item[0][i].mate], i);
    for (size_t i = 0; i < o[1].n && rc == 0; i++)
        if (item[1][i].mate == PAIRING_NONE)
            rc = alone(l, 1, &o[1].v[i], i);
    if (rc == 0)
        rc = text(l, o[0].rest, o[1].rest, NULL, 0);
    if (rc == 0 && !pairing_ordered(item[0], o[0].n))
        rc = look_find(l, COMPARE_UNEXPLAINED, "its blocks come in another order");
    return rc;
}

static int compare(struct look *l)
{
    struct blocks o[2] = {{.v = NULL}, {.v = NULL}};
    struct pairing_item *item[2] = {NULL, NULL};
    int rc = read_side(l, 0, &o[0]);

    if (rc == 0)
        rc = read_side(l, 1, &o[1]);
    for (int side = 0; side < 2 && rc == 0; side++)
        if ((item[side] = calloc(o[side].n + 1, sizeof(**item))) == NULL)
            rc = -ENOMEM;
    if (rc == 0)
        rc = o[0].n == 0 || o[1].n == 0 ? look_otherwise(l, &pem_format) : all(l, o, item);
    free(item[0]);
    free(item[1]);
    done(l, &o[1]);
    done(l, &o[0]);
    return rc;
}

const struct look_format pem_format = {"PEM", is, compare};

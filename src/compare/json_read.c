#include "compare/json_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

struct reader {
    const uint8_t *p, *end;
    struct json *out;
    size_t room;
};

static void blanks(struct reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r'))
        r->p++;
}

static bool next_is(struct reader *r, char c)
{
    if (r->p == r->end || *r->p != (uint8_t)c)
        return false;
    r->p++;
    return true;
}

static bool digits(struct reader *r)
{
    const uint8_t *from = r->p;

    while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
        r->p++;
    return r->p > from;
}

static bool number(struct reader *r)
{
    (void)next_is(r, '-');
    if (!next_is(r, '0') && !digits(r))
        return false;
    if (next_is(r, '.') && !digits(r))
        return false;
    if (next_is(r, 'e') || next_is(r, 'E')) {
        if (!next_is(r, '+'))
            (void)next_is(r, '-');
        return digits(r);
    }
    return true;
}

static bool escape(struct reader *r)
{
    if (r->p == r->end)
        return false;
    if (*r->p != 'u')
        return strchr("\"\\/bfnrt", *r->p++) != NULL;
    r->p++;
    for (int i = 0; i < 4; i++, r->p++)
        if (r->p == r->end || strchr("0123456789abcdefABCDEF", *r->p) == NULL)
            return false;
    return true;
}

static bool string(struct reader *r, bool *escapes)
{
    *escapes = false;
    if (!next_is(r, '"'))
        return false;
    while (r->p < r->end && *r->p != '"') {
        if (*r->p < 0x20)
            return false;
        if (*r->p++ != '\\')
            continue;
        *escapes = true;
        if (!escape(r))
            return false;
    }
    return next_is(r, '"');
}

static bool word(struct reader *r, const char *w)
{
    size_t n = strlen(w);

    if ((size_t)(r->end - r->p) < n || memcmp(r->p, w, n) != 0)
        return false;
    r->p += n;
    return true;
}

static bool scalar(struct reader *r)
{
    bool escapes;

    if (r->p == r->end)
        return false;
    switch (*r->p) {
    case '"':
        return string(r, &escapes);
    case 't':
        return word(r, "true");
    case 'f':
        return word(r, "false");
    case 'n':
        return word(r, "null");
    default:
        return number(r);
    }
}

static int add(struct reader *r, struct span key, size_t *at)
{
    if (r->out->n == r->room) {
        size_t room = r->room == 0 ? 64 : 2 * r->room;
        struct json_value *more = reallocarray(r->out->v, room, sizeof(*more));

        if (more == NULL)
            return -ENOMEM;
        r->out->v = more;
        r->room = room;
    }
    if (r->out->n == JSON_VALUES)
        return -EBADMSG;
    *at = r->out->n++;
    r->out->v[*at] = (struct json_value){.sort = JSON_SCALAR, .key = key};
    return 0;
}

static uint64_t mixed(uint64_t h, uint64_t x)
{
    h = (h ^ x) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 32;
}

static uint64_t hash_of(struct span s)
{
    uint64_t h = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < s.n; i++)
        h = (h ^ s.p[i]) * UINT64_C(1099511628211);
    return h;
}

static int by_text(const void *x, const void *y)
{
    const struct span *a = x, *b = y;
    int d = memcmp(a->p, b->p, a->n < b->n ? a->n : b->n);

    return d != 0 ? d : a->n < b->n ? -1 : a->n > b->n ? 1 : 0;
}

/* -EBADMSG if a key is there twice. */
static int keys_differ(const struct json *j, size_t at)
{
    const struct json_value *o = &j->v[at];
    struct span *key = calloc((size_t)o->children + 1, sizeof(*key));
    size_t i = at + 1;
    int rc = 0;

    if (key == NULL)
        return -ENOMEM;
    for (size_t k = 0; k < o->children; k++, i += j->v[i].nodes)
        key[k] = j->v[i].key;
    qsort(key, o->children, sizeof(*key), by_text);
    for (size_t k = 1; k < o->children && rc == 0; k++)
        if (by_text(&key[k - 1], &key[k]) == 0)
            rc = -EBADMSG;
    free(key);
    return rc;
}

static void settle(const struct json *j, size_t at)
{
    struct json_value *v = &j->v[at];
    size_t i = at + 1;

    v->hash = v->sort == JSON_SCALAR ? hash_of(v->text) : (uint64_t)v->sort + 1;
    for (size_t k = 0; k < v->children; k++, i += j->v[i].nodes)
        v->hash = v->sort == JSON_ARRAY
                      ? mixed(v->hash, j->v[i].hash)
                      : v->hash + mixed(hash_of(j->v[i].key), j->v[i].hash); /* in any order */
}

static int value(struct reader *r, struct span key, unsigned depth);

static int member(struct reader *r, enum json_sort sort, unsigned depth)
{
    struct span key = {NULL, 0};
    const uint8_t *from = r->p;
    bool escapes;

    if (sort == JSON_OBJECT) {
        if (!string(r, &escapes) || escapes)
            return -EBADMSG;
        key = span_of(from, (size_t)(r->p - from));
        blanks(r);
        if (!next_is(r, ':'))
            return -EBADMSG;
        blanks(r);
    }
    return value(r, key, depth + 1);
}

static int container(struct reader *r, size_t at, unsigned depth)
{
    enum json_sort sort = *r->p++ == '{' ? JSON_OBJECT : JSON_ARRAY;
    char end = sort == JSON_OBJECT ? '}' : ']';
    int rc;

    r->out->v[at].sort = sort;
    blanks(r);
    if (next_is(r, end))
        return 0;
    for (;;) {
        if ((rc = member(r, sort, depth)) != 0)
            return rc;
        r->out->v[at].children++;
        blanks(r);
        if (next_is(r, end))
            return sort == JSON_OBJECT ? keys_differ(r->out, at) : 0;
        if (!next_is(r, ','))
            return -EBADMSG;
        blanks(r);
    }
}

static int value(struct reader *r, struct span key, unsigned depth)
{
    const uint8_t *from = r->p;
    size_t at = 0;
    int rc = depth > JSON_DEPTH ? -EBADMSG : add(r, key, &at);

    if (rc != 0)
        return rc;
    if (r->p < r->end && (*r->p == '{' || *r->p == '['))
        rc = container(r, at, depth);
    else
        rc = scalar(r) ? 0 : -EBADMSG;
    if (rc != 0)
        return rc;
    r->out->v[at].text = span_of(from, (size_t)(r->p - from));
    r->out->v[at].nodes = (uint32_t)(r->out->n - at);
    settle(r->out, at);
    return 0;
}

int json_read(struct json *out, struct span text)
{
    struct reader r = {.p = text.p, .end = text.p + text.n, .out = out};
    int rc = -EBADMSG;

    *out = (struct json){NULL, 0};
    if (text.n == 0 || text.n > JSON_BYTES || memchr(text.p, '\0', text.n) != NULL)
        return rc;
    blanks(&r);
    if (r.p == r.end || (*r.p != '{' && *r.p != '[') || !text_is_utf8(text))
        return rc;
    if ((rc = value(&r, span_of(NULL, 0), 1)) == 0) {
        blanks(&r);
        rc = r.p == r.end ? 0 : -EBADMSG;
    }
    if (rc != 0)
        json_free(out);
    return rc;
}

void json_free(struct json *j)
{
    free(j->v);
    *j = (struct json){NULL, 0};
}

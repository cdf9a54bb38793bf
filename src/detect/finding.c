#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "detect/verdict.h"

#define TEXT_MAX VERDICT_TEXT_MAX

void finding_init(struct finding *f)
{
    memset(f, 0, sizeof(*f));
    buf_init(&f->names, TEXT_MAX);
}

void finding_done(struct finding *f)
{
    buf_free(&f->names);
}

void finding_clear(struct finding *f)
{
    f->verdict = VERDICT_CLEAN;
    f->reason = REASON_NONE;
    f->hits = 0;
    buf_reset(&f->names);
}

void finding_incomplete(struct finding *f, enum verdict_reason r)
{
    finding_clear(f);
    f->verdict = VERDICT_INCOMPLETE;
    f->reason = r;
}

static bool name_ok(struct span s)
{
    if (s.n == 0 || s.n > VERDICT_NAME_MAX)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '.' || c == ':' || c == '-'))
            return false;
    }
    return true;
}

static int compare(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    size_t n = x->n < y->n ? x->n : y->n;
    int c = memcmp(x->p, y->p, n);

    return c != 0 ? c : (x->n > y->n) - (x->n < y->n);
}

/* Sorts names and joins each one once into out; *distinct is their number. */
static int join(struct span *names, size_t n, struct buf *out, size_t *distinct)
{
    bool full = false;
    int rc = 0;

    *distinct = 0;
    qsort(names, n, sizeof(*names), compare);
    for (size_t i = 0; i < n && rc == 0; i++) {
        if (i > 0 && compare(&names[i - 1], &names[i]) == 0)
            continue;
        if (++*distinct > VERDICT_NAMES_MAX || full || out->len + 1 + names[i].n > TEXT_MAX) {
            full = true; /* counted, not kept; nor are those behind it */
            continue;
        }
        if (out->len > 0)
            rc = buf_putc(out, '\n');
        if (rc == 0)
            rc = buf_put(out, names[i].p, names[i].n);
    }
    return rc;
}

int finding_malicious(struct finding *f, const struct span *names, size_t n)
{
    struct buf text;
    struct span *sorted;
    size_t distinct;
    int rc;

    if (n == 0)
        return -EINVAL;
    for (size_t i = 0; i < n; i++)
        if (!name_ok(names[i]))
            return -EBADMSG;
    sorted = calloc(n, sizeof(*sorted));
    if (sorted == NULL)
        return -ENOMEM;
    memcpy(sorted, names, n * sizeof(*sorted));
    buf_init(&text, TEXT_MAX);
    rc = join(sorted, n, &text, &distinct);
    free(sorted);
    if (rc != 0) {
        buf_free(&text);
        return rc;
    }
    buf_free(&f->names);
    f->names = text;
    f->verdict = VERDICT_MALICIOUS;
    f->reason = REASON_NONE;
    f->hits = (uint32_t)distinct;
    return 0;
}

/* The names of a finding as spans; room has VERDICT_NAMES_MAX places. */
static size_t split(const struct finding *f, struct span *room)
{
    struct span rest = buf_span(&f->names);
    size_t n = 0;

    while (rest.n > 0 && n < VERDICT_NAMES_MAX) {
        const uint8_t *end = memchr(rest.p, '\n', rest.n);
        size_t len = end != NULL ? (size_t)(end - rest.p) : rest.n;

        room[n++] = span_of(rest.p, len);
        if (end == NULL)
            break;
        rest = span_of(end + 1, rest.n - len - 1);
    }
    return n;
}

static int unite(struct finding *f, const struct finding *g)
{
    struct span names[2 * VERDICT_NAMES_MAX];
    uint32_t most = f->hits > g->hits ? f->hits : g->hits;
    size_t n;
    int rc;

    n = split(f, names);
    n += split(g, names + n);
    rc = finding_malicious(f, names, n);
    if (rc == 0 && f->hits < most)
        f->hits = most; /* some were counted that are not among the names */
    return rc;
}

static int copy(struct finding *f, const struct finding *g)
{
    struct buf text;
    int rc = 0;

    buf_init(&text, TEXT_MAX);
    if (g->names.len > 0)
        rc = buf_put(&text, g->names.data, g->names.len);
    if (rc != 0)
        return rc;
    buf_free(&f->names);
    *f = *g;
    f->names = text;
    return 0;
}

int finding_add(struct finding *f, const struct finding *g)
{
    if (g->verdict > f->verdict)
        return copy(f, g);
    if (g->verdict < f->verdict || g->verdict == VERDICT_CLEAN)
        return 0;
    if (g->verdict == VERDICT_MALICIOUS)
        return unite(f, g);
    if (g->reason < f->reason)
        f->reason = g->reason;
    return 0;
}

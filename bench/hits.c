#include "hits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "measure.h"

void hits_add(struct hits *h, const char *line, size_t n)
{
    if (h->n == h->cap) {
        h->cap = h->cap == 0 ? 256 : h->cap * 2;
        h->v = reallocarray(h->v, h->cap, sizeof(*h->v));
        if (h->v == NULL)
            measure_die("out of memory", NULL);
    }
    h->v[h->n] = strndup(line, n);
    if (h->v[h->n++] == NULL)
        measure_die("out of memory", NULL);
}

void hits_add_names(struct hits *h, const struct finding *found, const char *path)
{
    struct cur c = cur_of(buf_span(&found->names));

    while (c.n > 0) {
        const uint8_t *end = memchr(c.p, '\n', c.n);
        size_t n = end != NULL ? (size_t)(end - c.p) : c.n;
        char line[4400];
        int len = snprintf(line, sizeof(line), "%.*s %s", (int)n, (const char *)c.p, path);

        hits_add(h, line, (size_t)len);
        c.p += end != NULL ? n + 1 : n;
        c.n -= end != NULL ? n + 1 : n;
    }
}

void hits_read(struct hits *h, const char *path)
{
    struct buf b;
    struct span line;
    struct cur c;

    buf_init(&b, (size_t)256 << 20);
    if (io_read_file(AT_FDCWD, path, &b) != 0)
        measure_die(path, NULL);
    c = cur_of(buf_span(&b));
    while (cur_line(&c, &line) == 0)
        hits_add(h, (const char *)line.p, line.n);
    buf_free(&b);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void hits_compare(struct hits *a, struct hits *b)
{
    struct err e = ERR_INIT;

    if (a->n > 1)
        qsort(a->v, a->n, sizeof(*a->v), by_text);
    if (b->n > 1)
        qsort(b->v, b->n, sizeof(*b->v), by_text);
    for (size_t i = 0; i < a->n || i < b->n; i++)
        if (i >= a->n || i >= b->n || strcmp(a->v[i], b->v[i]) != 0) {
            (void)err_set(&e, -EPROTO, "of %zu and %zu hits the first that differs: \"%s\", \"%s\"",
                          a->n, b->n, i < a->n ? a->v[i] : "none", i < b->n ? b->v[i] : "none");
            measure_die("the two did not find the same", &e);
        }
    if (a->n == 0)
        measure_die("nothing was found: the comparison of hits would be empty", NULL);
}

void hits_forget(struct hits *h)
{
    for (size_t i = 0; i < h->n; i++)
        free(h->v[i]);
    h->n = 0;
}

void hits_free(struct hits *h)
{
    hits_forget(h);
    free(h->v);
    memset(h, 0, sizeof(*h));
}

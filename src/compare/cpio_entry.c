/* cpio_entry.c - one entry: header, name, content, and the padding of both. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compare/cpio_priv.h"

#define NAME_MOST 65536u
#define MAGIC_MAX 6u
#define TRAILER "TRAILER!!!"

/* In the order of enum cpio_field. */
#define NEWC                                                                                       \
    .field = {{62, 8}, {70, 8}, {6, 8},  {14, 8}, {22, 8}, {30, 8}, {38, 8},                       \
              {78, 8}, {86, 8}, {46, 8}, {94, 8}, {54, 8}, {102, 8}}
#define ODC                                                                                        \
    .field = {{6, 6},  {0, 0}, {12, 6},  {18, 6}, {24, 6},  {30, 6}, {36, 6},                      \
              {42, 6}, {0, 0}, {48, 11}, {59, 6}, {65, 11}, {0, 0}}
#define BINARY                                                                                     \
    .field = {{2, 2},  {0, 0}, {4, 2},  {6, 2},  {8, 2},  {10, 2}, {12, 2},                        \
              {14, 2}, {0, 0}, {16, 4}, {20, 2}, {22, 4}, {0, 0}}

static const struct cpio_layout layouts[] = {
    {.magic = "070701", .magic_n = 6, .head_n = 110, .align = 4, .base = 16, NEWC},
    {.magic = "070702", .magic_n = 6, .head_n = 110, .align = 4, .base = 16, NEWC},
    {.magic = "070707", .magic_n = 6, .head_n = 76, .align = 1, .base = 8, ODC},
    {.magic = "\xc7\x71", .magic_n = 2, .head_n = 26, .align = 2, .base = 1, BINARY},
    {.magic = "\x71\xc7", .magic_n = 2, .head_n = 26, .align = 2, .base = 2, BINARY},
};

bool cpio_zero(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != 0)
            return false;
    return true;
}

const struct cpio_layout *cpio_layout_of(struct span head)
{
    for (size_t i = 0; i < ARRAY_LEN(layouts); i++) {
        const struct cpio_layout *t = &layouts[i];

        if (head.n >= t->magic_n && memcmp(head.p, t->magic, t->magic_n) == 0)
            return t;
    }
    return NULL;
}

static bool digits(struct span f, unsigned base, uint64_t *v)
{
    *v = 0;
    for (size_t i = 0; i < f.n; i++) {
        uint8_t c = f.p[i] | 0x20;
        unsigned d = f.p[i] >= '0' && f.p[i] <= '9' ? f.p[i] - (unsigned)'0'
                     : c >= 'a' && c <= 'f'         ? c - (unsigned)'a' + 10
                                                    : base;

        if (d >= base)
            return false;
        *v = *v * base + d;
    }
    return true;
}

/* Halves of 16 bits, the upper one first, whatever their byte order is. */
static uint64_t halves(struct span f, bool big)
{
    uint64_t v = 0;

    for (size_t i = 0; i + 1 < f.n; i += 2)
        v = v << 16 | (uint64_t)(big ? f.p[i] << 8 | f.p[i + 1] : f.p[i + 1] << 8 | f.p[i]);
    return v;
}

bool cpio_numbers(const struct cpio_layout *t, struct span head, uint64_t v[CPIO_FIELDS])
{
    for (size_t i = 0; i < CPIO_FIELDS; i++) {
        struct span f = span_of(head.p + t->field[i].at, t->field[i].n);

        if (t->base <= 2)
            v[i] = halves(f, t->base == 2);
        else if (!digits(f, t->base, &v[i]))
            return false;
    }
    return true;
}

bool cpio_is_trailer(const struct cpio_entry *e)
{
    return strcmp(e->name, TRAILER) == 0;
}

static uint64_t padding(const struct cpio_layout *t, uint64_t n)
{
    return (t->align - n % t->align) % t->align;
}

int cpio_entry_take(struct look *l, int side, struct cpio_entry *e, size_t n)
{
    struct look_held h;
    int rc = look_take(l, side, n, &h);

    if (rc != 0)
        return rc;
    if (e->head_at.n == 0)
        e->head_at.at = h.at.at;
    /* What could not be held is not there: nobody claims it. */
    if (h.bytes.n > 0 && h.bytes.n <= CPIO_HEAD - e->head_at.n) {
        memcpy(e->head + e->head_at.n, h.bytes.p, h.bytes.n);
        e->head_at.n += h.bytes.n;
    }
    look_let_go(l, &h);
    return 0;
}

struct look_held cpio_entry_head(const struct cpio_entry *e)
{
    struct look_held h;

    memset(&h, 0, sizeof(h));
    h.at = e->head_at;
    h.bytes = span_of(e->head, (size_t)e->head_at.n);
    return h;
}

/* The rest of the header, and what it says; *why where it is none. */
static int read_head(struct look *l, int side, struct cpio_entry *e, const char **why)
{
    struct span head = span_of(e->head, 0);
    int rc = cpio_entry_take(l, side, e, MAGIC_MAX - CPIO_LEAD);

    head.n = (size_t)e->head_at.n;
    *why = "what stands there is no header";
    if (rc != 0 || (e->layout = cpio_layout_of(head)) == NULL)
        return rc;
    if ((rc = cpio_entry_take(l, side, e, e->layout->head_n - head.n)) != 0)
        return rc;
    head.n = (size_t)e->head_at.n;
    if (head.n < e->layout->head_n)
        *why = "it ends inside of a header";
    else if (!cpio_numbers(e->layout, head, e->v))
        *why = "a number that is none";
    else if (e->v[CPIO_NAME_N] < 2 || e->v[CPIO_NAME_N] > NAME_MOST)
        *why = "a name that cannot be";
    else
        *why = NULL;
    return 0;
}

static int read_name(struct look *l, int side, struct cpio_entry *e, const char **why)
{
    uint64_t n = e->v[CPIO_NAME_N], all = n + padding(e->layout, e->layout->head_n + n);
    int rc = look_take(l, side, all, &e->name_at);

    if (rc != 0)
        return rc;
    if (e->name_at.at.n < all || e->name_at.bytes.p == NULL)
        *why = "it ends inside of a name";
    else if (memchr(e->name_at.bytes.p, 0, (size_t)n) == NULL)
        *why = "a name without an end";
    else if ((e->name = strdup((const char *)e->name_at.bytes.p)) == NULL)
        return -ENOMEM;
    else if (cpio_is_trailer(e) && e->v[CPIO_SIZE] > 0)
        *why = "content where none belongs";
    return 0;
}

int cpio_entry_read(struct look *l, int side, struct cpio_entry *e, const char **why)
{
    uint64_t n;
    int rc;

    *why = NULL;
    if ((rc = read_head(l, side, e, why)) != 0 || *why != NULL ||
        (rc = read_name(l, side, e, why)) != 0 || *why != NULL)
        return rc != 0 ? rc : -EBADMSG;
    n = e->v[CPIO_SIZE];
    if ((rc = look_take(l, side, n, &e->content)) != 0 ||
        (rc = look_take(l, side, padding(e->layout, n), &e->padding)) != 0)
        return rc;
    if (e->content.at.n < n || e->padding.at.n < padding(e->layout, n)) {
        *why = "it ends inside of a file";
        return -EBADMSG;
    }
    return 1;
}

struct look_range cpio_entry_range(const struct cpio_entry *e)
{
    return (struct look_range){e->head_at.at, e->padding.at.at + e->padding.at.n - e->head_at.at};
}

void cpio_entry_free(struct look *l, struct cpio_entry *e)
{
    look_let_go(l, &e->padding);
    look_let_go(l, &e->content);
    look_let_go(l, &e->name_at);
    free(e->name);
    memset(e, 0, sizeof(*e));
}

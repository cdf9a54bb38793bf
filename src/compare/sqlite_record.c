/* sqlite_record.c - the record of a row: in pieces over pages, and its values. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare/plain.h"
#include "compare/sqlite_priv.h"
#include "crypto/sha256.h"

void sqlite_pieces_of(struct sqlite_pieces *p, const struct sqlite_side *d,
                      const struct sqlite_cell *c)
{
    *p = (struct sqlite_pieces){d, *c, 0, 0};
}

/* The pages were taken when the tree was walked: they are there. */
bool sqlite_piece(struct sqlite_pieces *p, struct look_range *out)
{
    const uint64_t left = p->cell.n - p->done, most = p->d->usable - 4;

    if (left == 0)
        return false;
    if (p->done == 0 && p->cell.local.n > 0) {
        *out = p->cell.local;
    } else {
        p->page =
            p->page == 0 ? p->cell.overflow : sqlite_u32(p->d->s.p + sqlite_page(p->d, p->page).at);
        *out = (struct look_range){sqlite_page(p->d, p->page).at + 4, left < most ? left : most};
    }
    p->done += out->n;
    return true;
}

static struct span bytes_of(const struct sqlite_side *d, struct look_range r)
{
    return span_of(d->s.p + r.at, (size_t)r.n);
}

bool sqlite_same_record(const struct sqlite_side *a, const struct sqlite_cell *ca,
                        const struct sqlite_side *b, const struct sqlite_cell *cb)
{
    struct sqlite_pieces p[2];
    struct span s[2] = {{NULL, 0}, {NULL, 0}};
    struct look_range r;

    if (ca->n != cb->n)
        return false;
    sqlite_pieces_of(&p[0], a, ca);
    sqlite_pieces_of(&p[1], b, cb);
    for (;;) {
        size_t n;

        if (s[0].n == 0 && sqlite_piece(&p[0], &r))
            s[0] = bytes_of(a, r);
        if (s[1].n == 0 && sqlite_piece(&p[1], &r))
            s[1] = bytes_of(b, r);
        n = s[0].n < s[1].n ? s[0].n : s[1].n;
        if (n == 0)
            return s[0].n == s[1].n;
        if (memcmp(s[0].p, s[1].p, n) != 0)
            return false;
        s[0] = span_of(s[0].p + n, s[0].n - n);
        s[1] = span_of(s[1].p + n, s[1].n - n);
    }
}

/* Up to `most` bytes of a record, to be freed; NULL: no memory. */
uint8_t *sqlite_record(const struct sqlite_side *d, const struct sqlite_cell *c, size_t most,
                       struct span *out)
{
    const size_t n = c->n < most ? (size_t)c->n : most;
    uint8_t *p = malloc(n + 1);
    struct sqlite_pieces pieces;
    struct look_range r;
    size_t done = 0;

    sqlite_pieces_of(&pieces, d, c);
    while (p != NULL && done < n && sqlite_piece(&pieces, &r)) {
        const size_t take = r.n < n - done ? (size_t)r.n : n - done;

        memcpy(p + done, d->s.p + r.at, take);
        done += take;
    }
    *out = span_of(p, done);
    return p;
}

/* --- values --- */

static uint64_t size_of(uint64_t sort)
{
    static const uint8_t sizes[] = {0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0};

    return sort < 12 ? sizes[sort] : (sort - 12) / 2;
}

void sqlite_values_of(struct sqlite_values *w, struct span record)
{
    uint64_t head;
    const size_t n = sqlite_varint(record, &head);

    *w = (struct sqlite_values){record, n, head, head};
    if (n == 0 || head > record.n || head < n)
        w->pos = w->head = w->at = 0;
}

bool sqlite_value(struct sqlite_values *w, struct sqlite_value *out)
{
    uint64_t sort;
    size_t n;

    if (w->pos >= w->head)
        return false;
    n = sqlite_varint(span_of(w->record.p + w->pos, (size_t)w->head - w->pos), &sort);
    if (n == 0 || size_of(sort) > w->record.n - w->at)
        return false;
    *out = (struct sqlite_value){sort, span_of(w->record.p + w->at, (size_t)size_of(sort))};
    w->pos += n;
    w->at += out->bytes.n;
    return true;
}

int64_t sqlite_int(const struct sqlite_value *v)
{
    uint64_t n = v->bytes.n > 0 && v->bytes.p[0] >= 0x80 ? UINT64_MAX : 0;

    if (v->sort == 8 || v->sort == 9)
        return (int64_t)(v->sort - 8);
    for (size_t i = 0; i < v->bytes.n && i < 8; i++)
        n = n << 8 | v->bytes.p[i];
    return (int64_t)n;
}

const char *sqlite_show(char out[SQLITE_SHOWN], const struct sqlite_value *v)
{
    double number;
    uint64_t bits;

    if (v->sort == 0) {
        (void)snprintf(out, SQLITE_SHOWN, "NULL");
    } else if (v->sort == 7) {
        bits = (uint64_t)sqlite_int(v);
        memcpy(&number, &bits, sizeof(number));
        (void)snprintf(out, SQLITE_SHOWN, "%.17g", number);
    } else if (v->sort < 10) {
        (void)snprintf(out, SQLITE_SHOWN, "%" PRId64, sqlite_int(v));
    } else if (v->sort >= 12 && v->sort % 2 == 1) {
        (void)plain_show(out, v->bytes, 0, true);
    } else {
        size_t n = 0;

        for (size_t i = 0; i < v->bytes.n && i < 16; i++)
            n += (size_t)snprintf(out + n, SQLITE_SHOWN - n, "%s%02x", i == 0 ? "x'" : "",
                                  v->bytes.p[i]);
        (void)snprintf(out + n, SQLITE_SHOWN - n, "%s (%zu bytes)",
                       v->bytes.n > 16  ? "..."
                       : v->bytes.n > 0 ? "'"
                                        : "x''",
                       v->bytes.n);
    }
    return out;
}

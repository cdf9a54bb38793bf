/* bytes.c - contents of no known format: runs of bytes that differ, where both are of one length;
 * else what is between the common beginning and the common end. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "compare/look_priv.h"

#define JOIN 16u /* equal bytes between two runs that make them one */

static bool is(struct span side, const char *name)
{
    (void)side;
    (void)name;
    return true;
}

/* Bits a byte, of at most 64 KiB. */
static double entropy(struct span s)
{
    uint32_t count[256] = {0};
    size_t n = s.n < 65536 ? s.n : 65536;
    double bits = 0;

    for (size_t i = 0; i < n; i++)
        count[s.p[i]]++;
    for (size_t i = 0; i < 256; i++)
        if (count[i] > 0)
            bits -= (double)count[i] / (double)n * log2((double)count[i] / (double)n);
    return bits;
}

static int differ(struct look *l, struct look_range a, struct look_range b)
{
    struct span pa = span_of(look_side(l, 0).p + a.at, (size_t)a.n);
    struct span pb = span_of(look_side(l, 1).p + b.at, (size_t)b.n);

    if (a.n <= 8 && b.n <= 8)
        return look_pair(l, a, b, COMPARE_UNEXPLAINED, "bytes differ");
    return look_pair(l, a, b, COMPARE_UNEXPLAINED,
                     "bytes differ (%.1f and %.1f bits of entropy a byte)", entropy(pa),
                     entropy(pb));
}

static int same(struct look *l, uint64_t a, uint64_t b, uint64_t n)
{
    return look_pair(l, (struct look_range){a, n}, (struct look_range){b, n}, COMPARE_UNEXPLAINED,
                     "bytes differ");
}

/* The end of the run of differing bytes that begins at i. */
static size_t run_end(struct span a, struct span b, size_t i)
{
    size_t end = i + 1;

    for (size_t k = i + 1; k < a.n && k - end < JOIN; k++)
        if (a.p[k] != b.p[k])
            end = k + 1;
    return end;
}

static int runs(struct look *l, struct span a, struct span b)
{
    size_t i = 0, from;
    int rc = 0;

    while (rc == 0 && i < a.n) {
        for (from = i; i < a.n && a.p[i] == b.p[i];)
            i++;
        if (i > from)
            rc = same(l, from, from, i - from);
        if (rc == 0 && i < a.n) {
            size_t end = run_end(a, b, i);
            struct look_range r = {i, end - i};

            rc = differ(l, r, r);
            i = end;
        }
    }
    return rc;
}

static int compare(struct look *l)
{
    struct span a = look_side(l, 0), b = look_side(l, 1);
    size_t least = a.n < b.n ? a.n : b.n, head = 0, tail = 0;
    int rc;

    if (a.n == b.n)
        return runs(l, a, b);
    while (head < least && a.p[head] == b.p[head])
        head++;
    while (tail < least - head && a.p[a.n - 1 - tail] == b.p[b.n - 1 - tail])
        tail++;
    if ((rc = same(l, 0, 0, head)) != 0 ||
        (rc = differ(l, (struct look_range){head, a.n - head - tail},
                     (struct look_range){head, b.n - head - tail})) != 0)
        return rc;
    return same(l, a.n - tail, b.n - tail, tail);
}

const struct look_format bytes_format = {"bytes", is, compare};

/* core_merkle.c - trees, ranges and proofs.  The verifiers follow RFC 9162 sections 2.1.3.2 and
 * 2.1.4.2 step by step; the provers follow the recursive definitions of RFC 6962 sections 2.1.1 and
 * 2.1.2 turned into loops, so that the two sides share no shortcut. */
#include "ledger/core.h"
#include "ledger/core_priv.h"

static bool same(const struct digest *a, const struct digest *b)
{
    return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

static unsigned bits_set(uint64_t v)
{
    unsigned n = 0;

    for (; v != 0; v &= v - 1)
        n++;
    return n;
}

/* As adding with carry: equal subtrees join until a place is free. */
static void join(const struct core_crypto *c, struct core_range *r, unsigned level,
                 const struct digest *root)
{
    struct digest h = *root;
    unsigned top = bits_set(r->size);

    for (uint64_t bit = UINT64_C(1) << level; (r->size & bit) != 0; bit <<= 1)
        c->node(&r->node[--top], &h, &h);
    r->node[top] = h;
    r->size += UINT64_C(1) << level;
}

int core_range_add_subtree(const struct core_crypto *c, struct core_range *r, unsigned level,
                           const struct digest *root)
{
    if (level >= 63 || (r->size & ((UINT64_C(1) << level) - 1)) != 0)
        return CORE_EINVAL;
    if (r->size > (UINT64_C(1) << 63) - 1 - (UINT64_C(1) << level))
        return CORE_E2BIG;
    join(c, r, level, root);
    return 0;
}

int core_range_add(const struct core_crypto *c, struct core_range *r, const struct digest *leaf)
{
    return core_range_add_subtree(c, r, 0, leaf);
}

void core_range_root(const struct core_crypto *c, const struct core_range *r, struct digest *out)
{
    unsigned top = bits_set(r->size);
    struct digest h;

    if (top == 0) {
        c->hash("", 0, out);
        return;
    }
    h = r->node[--top];
    while (top > 0)
        c->node(&r->node[--top], &h, &h);
    *out = h;
}

void core_fold(const struct core_crypto *c, const struct digest *h, size_t n, struct digest *out)
{
    struct core_range r;

    r.size = 0;
    for (size_t i = 0; i < n; i++)
        join(c, &r, 0, &h[i]);
    core_range_root(c, &r, out);
}

/* ---- Verifying ------------------------------------------------------------------------------- */

/* One step up beside the right edge: levels at which the right edge has no sibling are passed. */
static void skip_lone_levels(uint64_t *fn, uint64_t *sn)
{
    while (*fn != 0 && (*fn & 1) == 0) {
        *fn >>= 1;
        *sn >>= 1;
    }
}

int core_inclusion(const struct core_crypto *c, uint64_t index, uint64_t size,
                   const struct digest *leaf, const struct digest *path, size_t n,
                   const struct digest *root)
{
    struct digest r = *leaf;
    uint64_t fn = index, sn;

    if (index >= size)
        return CORE_EBADMSG;
    sn = size - 1;
    for (size_t i = 0; i < n; i++) {
        if (sn == 0)
            return CORE_EBADMSG;
        if ((fn & 1) != 0 || fn == sn) {
            c->node(&path[i], &r, &r);
            skip_lone_levels(&fn, &sn);
        } else {
            c->node(&r, &path[i], &r);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && same(&r, root) ? 0 : CORE_EBADMSG;
}

/* The trivial cases of a consistency proof; 1 if there is work to do. */
static int consistency_trivial(const struct core_crypto *c, uint64_t old_size, uint64_t new_size,
                               const struct digest *old_root, const struct digest *new_root,
                               size_t n)
{
    struct digest empty;

    if (old_size > new_size)
        return CORE_EBADMSG;
    if (old_size == 0) {
        c->hash("", 0, &empty);
        if (n != 0 || !same(old_root, &empty))
            return CORE_EBADMSG;
        return new_size != 0 || same(new_root, &empty) ? 0 : CORE_EBADMSG;
    }
    if (old_size == new_size)
        return n == 0 && same(old_root, new_root) ? 0 : CORE_EBADMSG;
    return n == 0 ? CORE_EBADMSG : 1;
}

int core_consistency(const struct core_crypto *c, uint64_t old_size, uint64_t new_size,
                     const struct digest *old_root, const struct digest *new_root,
                     const struct digest *path, size_t n)
{
    struct digest fr, sr;
    uint64_t fn, sn;
    size_t i = 0;
    int rc = consistency_trivial(c, old_size, new_size, old_root, new_root, n);

    if (rc <= 0)
        return rc;
    /* an old tree that is itself a subtree of the new one is not repeated in the proof */
    fr = sr = (old_size & (old_size - 1)) == 0 ? *old_root : path[i++];
    fn = old_size - 1;
    sn = new_size - 1;
    while ((fn & 1) != 0) {
        fn >>= 1;
        sn >>= 1;
    }
    for (; i < n; i++) {
        if (sn == 0)
            return CORE_EBADMSG;
        if ((fn & 1) != 0 || fn == sn) {
            c->node(&path[i], &fr, &fr);
            c->node(&path[i], &sr, &sr);
            skip_lone_levels(&fn, &sn);
        } else {
            c->node(&sr, &path[i], &sr);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && same(&fr, old_root) && same(&sr, new_root) ? 0 : CORE_EBADMSG;
}

/* ---- Proving --------------------------------------------------------------------------------- */

static unsigned log2_floor(uint64_t v) /* v > 0 */
{
    unsigned n = 0;

    while (v >>= 1)
        n++;
    return n;
}

static uint64_t split_point(uint64_t n) /* the largest power of two < n, for n > 1 */
{
    return UINT64_C(1) << log2_floor(n - 1);
}

/* The range of leaves lo..hi-1 as perfect subtrees; lo is a multiple of the largest of them. */
static int range_of(const struct core_crypto *c, const struct core_source *src, uint64_t lo,
                    uint64_t hi, struct core_range *r)
{
    struct digest h;
    int rc;

    r->size = 0;
    while (lo < hi) {
        unsigned level = log2_floor(hi - lo);

        if ((rc = src->subtree(src->arg, level, lo >> level, &h)) != 0 ||
            (rc = core_range_add_subtree(c, r, level, &h)) != 0)
            return rc;
        lo += UINT64_C(1) << level;
    }
    return 0;
}

int core_range_from(const struct core_crypto *c, const struct core_source *src, uint64_t size,
                    struct core_range *out)
{
    if (size > INT64_MAX)
        return CORE_E2BIG;
    return range_of(c, src, 0, size, out);
}

static int head_of(const struct core_crypto *c, const struct core_source *src, uint64_t lo,
                   uint64_t hi, struct digest *out)
{
    struct core_range r;
    int rc = range_of(c, src, lo, hi, &r);

    if (rc == 0)
        core_range_root(c, &r, out);
    return rc;
}

/* Proofs are gathered from the root down and read from the leaf up. */
static void reverse(struct digest *h, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        struct digest t = h[i];

        h[i] = h[n - 1 - i];
        h[n - 1 - i] = t;
    }
}

int core_prove_inclusion(const struct core_crypto *c, const struct core_source *src, uint64_t index,
                         uint64_t size, struct digest *path, size_t *n)
{
    uint64_t lo = 0, hi = size;
    size_t k = 0;
    int rc;

    if (index >= size || size > INT64_MAX)
        return CORE_EINVAL;
    while (hi - lo > 1) {
        uint64_t mid = lo + split_point(hi - lo);

        if (index < mid) {
            rc = head_of(c, src, mid, hi, &path[k++]);
            hi = mid;
        } else {
            rc = head_of(c, src, lo, mid, &path[k++]);
            lo = mid;
        }
        if (rc != 0)
            return rc;
    }
    reverse(path, k);
    *n = k;
    return 0;
}

int core_prove_consistency(const struct core_crypto *c, const struct core_source *src,
                           uint64_t old_size, uint64_t size, struct digest *path, size_t *n)
{
    uint64_t lo = 0, hi = size;
    size_t k = 0;
    int rc;

    if (old_size > size || size > INT64_MAX)
        return CORE_EINVAL;
    *n = 0;
    if (old_size == 0 || old_size == size)
        return 0;
    while (old_size < hi) {
        uint64_t mid = lo + split_point(hi - lo);

        if (old_size <= mid) {
            rc = head_of(c, src, mid, hi, &path[k++]);
            hi = mid;
        } else {
            rc = head_of(c, src, lo, mid, &path[k++]);
            lo = mid;
        }
        if (rc != 0)
            return rc;
    }
    /* the verifier knows the old root; what is left of it further right it must be told */
    if (lo != 0 && (rc = head_of(c, src, lo, hi, &path[k++])) != 0)
        return rc;
    reverse(path, k);
    *n = k;
    return 0;
}

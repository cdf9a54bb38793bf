/* Copies as they lie in memory: 22 bytes each.  What is removed, and a copy scanned before it was
 * placed or more than eight hours after it, has its numbers aside. */
#include <string.h>

#include "claims/claims_priv.h"

struct ref_packed {
    struct id128 id;
    uint8_t lead[4]; /* leaf of copy.placed; if aside: number of the record there */
    uint8_t bits[2]; /* site 6, aside 1, minutes from placing to scan 9 */
};
_Static_assert(sizeof(struct ref_packed) == 22, "a copy has 22 bytes");
#define REF_ASIDE (1U << 6)
#define REF_SCAN_ASIDE 510U
#define REF_UNSCANNED 511U

void refs_init(struct audit *a)
{
    ids_init(&a->ref_ids, sizeof(struct ref_packed));
}

size_t refs_count(const struct audit *a)
{
    return a->ref_ids.n;
}

const struct id128 *refs_id(const struct audit *a, size_t i)
{
    return ids_at(&a->ref_ids, i);
}

static uint32_t lead_of(const struct ref_packed *p)
{
    uint32_t v;

    memcpy(&v, p->lead, sizeof(v));
    return v;
}

static unsigned bits_of(const struct ref_packed *p)
{
    return p->bits[0] | (unsigned)p->bits[1] << 8;
}

static void pack(struct ref_packed *p, uint32_t lead, unsigned bits)
{
    memcpy(p->lead, &lead, sizeof(lead));
    p->bits[0] = (uint8_t)bits;
    p->bits[1] = (uint8_t)(bits >> 8);
}

/* Placed copies are told in ascending leaves, so a list of where their minute changes is enough. */
int refs_placed(struct site *s, uint32_t leaf, uint32_t minute)
{
    int rc;

    if (s->minutes.n > 0 && s->minutes.v[s->minutes.n - 1].minute == minute)
        return 0;
    if ((rc = VEC_ROOM(&s->minutes)) == 0)
        s->minutes.v[s->minutes.n++] = (struct minute_of){leaf, minute};
    return rc;
}

static uint32_t minute_of(const struct site *s, uint32_t leaf)
{
    size_t lo = 0, hi = s->minutes.n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (s->minutes.v[mid].leaf <= leaf)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo == 0 ? NONE : s->minutes.v[lo - 1].minute;
}

struct ref_rec refs_get(const struct audit *a, size_t i)
{
    const struct ref_packed *p = ids_at(&a->ref_ids, i);
    unsigned bits = bits_of(p), after = bits >> 7;
    struct ref_rec r = {.id = p->id,
                        .placed = lead_of(p),
                        .removed = NONE,
                        .when = NONE,
                        .scanned = NONE,
                        .site = (uint8_t)(bits & 0x3f)};

    if ((bits & REF_ASIDE) != 0) {
        const struct ref_aside *x = &a->refs_aside.v[lead_of(p)];

        r.placed = x->placed;
        r.removed = x->removed;
        if (after == REF_SCAN_ASIDE)
            r.scanned = x[1].placed;
    }
    if (r.placed != NONE)
        r.when = minute_of(&a->site[r.site], r.placed);
    if (after < REF_SCAN_ASIDE)
        r.scanned = r.when + after;
    return r;
}

/* The minutes to the scan, if they are not aside. */
static unsigned scan_bits(const struct ref_rec *r)
{
    if (r->scanned == NONE)
        return REF_UNSCANNED;
    if (r->placed != NONE && r->scanned >= r->when && r->scanned - r->when < REF_SCAN_ASIDE)
        return r->scanned - r->when;
    return REF_SCAN_ASIDE;
}

static int room_aside(struct audit *a, unsigned n, uint32_t *out)
{
    *out = (uint32_t)a->refs_aside.n;
    for (unsigned i = 0; i < n; i++) {
        int rc = VEC_ROOM(&a->refs_aside);

        if (rc != 0)
            return rc;
        a->refs_aside.n++;
    }
    return 0;
}

int refs_put(struct audit *a, size_t i, const struct ref_rec *r)
{
    struct ref_packed *p = ids_at(&a->ref_ids, i);
    unsigned bits = bits_of(p), after = scan_bits(r);
    bool aside = (bits & REF_ASIDE) != 0, scan = after == REF_SCAN_ASIDE;
    uint32_t at = lead_of(p);
    int rc;

    if (!aside && !scan && r->removed == NONE) {
        pack(p, r->placed, r->site | after << 7);
        return 0;
    }
    if ((!aside || (scan && bits >> 7 != REF_SCAN_ASIDE)) &&
        (rc = room_aside(a, scan ? 2 : 1, &at)) != 0)
        return rc;
    a->refs_aside.v[at] = (struct ref_aside){r->placed, r->removed};
    if (scan)
        a->refs_aside.v[at + 1] = (struct ref_aside){r->scanned, 0};
    pack(p, at, r->site | REF_ASIDE | after << 7);
    return 0;
}

int refs_of(struct audit *a, const struct id128 *id, size_t *out)
{
    int rc;

    *out = ids_find(&a->ref_ids, id);
    if (*out < a->ref_ids.n)
        return 0;
    if ((rc = ids_add(&a->ref_ids, id, out)) == 0)
        pack(ids_at(&a->ref_ids, *out), NONE, REF_UNSCANNED << 7);
    return rc;
}

bool refs_find(const struct audit *a, const struct id128 *id, struct ref_rec *out)
{
    size_t i = ids_find(&a->ref_ids, id);

    if (i == a->ref_ids.n)
        return false;
    *out = refs_get(a, i);
    return true;
}

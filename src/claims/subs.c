/* Submissions as they lie in memory: 24 bytes each.  What is erased has its numbers aside. */
#include "claims/claims_priv.h"

struct sub_packed {
    struct id128 id;
    uint32_t accepted; /* leaf; if aside: number of the record there */
    uint32_t bits;     /* country 9, site 6, flags 2, aside 1, statement 14 */
};
_Static_assert(sizeof(struct sub_packed) == 24, "a submission has 24 bytes");
_Static_assert(COUNTRY_COUNT <= 1 << 9 && TRUST_SITES <= 1 << 6, "they fit their bits");
#define SUB_ASIDE (1U << 17)

void subs_init(struct audit *a)
{
    ids_init(&a->sub_ids, sizeof(struct sub_packed));
}

size_t subs_count(const struct audit *a)
{
    return a->sub_ids.n;
}

struct sub_rec subs_get(const struct audit *a, size_t i)
{
    const struct sub_packed *p = ids_at(&a->sub_ids, i);
    struct sub_rec r = {.id = p->id,
                        .accepted = p->accepted,
                        .erased = NONE,
                        .erased_at = NONE,
                        .country = p->bits & 0x1ff,
                        .site = p->bits >> 9 & 0x3f,
                        .flags = p->bits >> 15 & 3,
                        .statement = (uint16_t)(p->bits >> 18)};

    if ((p->bits & SUB_ASIDE) != 0) {
        const struct sub_aside *x = &a->subs_aside.v[p->accepted];

        r.accepted = x->accepted;
        r.erased = x->erased;
        r.erased_at = x->erased_at;
        r.final_epoch = x->final_epoch;
        r.erased_site = x->erased_site;
    }
    return r;
}

int subs_put(struct audit *a, size_t i, const struct sub_rec *r)
{
    struct sub_packed *p = ids_at(&a->sub_ids, i);
    uint32_t aside = p->bits & SUB_ASIDE;

    if (r->erased != NONE && aside == 0) {
        int rc = VEC_ROOM(&a->subs_aside);

        if (rc != 0)
            return rc;
        p->accepted = (uint32_t)a->subs_aside.n++;
        aside = SUB_ASIDE;
    }
    p->bits = (uint32_t)r->country | (uint32_t)r->site << 9 | (uint32_t)r->flags << 15 | aside |
              (uint32_t)r->statement << 18;
    if (aside == 0)
        p->accepted = r->accepted;
    else
        a->subs_aside.v[p->accepted] = (struct sub_aside){.accepted = r->accepted,
                                                          .erased = r->erased,
                                                          .erased_at = r->erased_at,
                                                          .final_epoch = r->final_epoch,
                                                          .erased_site = r->erased_site};
    return 0;
}

int subs_of(struct audit *a, const struct id128 *id, size_t *out)
{
    struct sub_packed *p;
    int rc;

    *out = ids_find(&a->sub_ids, id);
    if (*out < a->sub_ids.n)
        return 0;
    if ((rc = ids_add(&a->sub_ids, id, out)) != 0)
        return rc;
    p = ids_at(&a->sub_ids, *out);
    p->accepted = NONE;
    p->bits = (uint32_t)STATEMENT_NONE << 18;
    return 0;
}

bool subs_find(const struct audit *a, const struct id128 *id, struct sub_rec *out)
{
    size_t i = ids_find(&a->sub_ids, id);

    if (i == a->sub_ids.n)
        return false;
    *out = subs_get(a, i);
    return true;
}

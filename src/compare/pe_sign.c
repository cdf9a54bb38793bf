/* pe_sign.c - the certificate tables of two PE files: signatures, but for what in them no signature
 * covers (cms.c). */
#include <errno.h>

#include "compare/der.h"
#include "compare/pe_priv.h"

/* All PKCS #7 in the table, which pe_signature has measured; false: it is not read. */
static bool parts_of(const struct pe *f, struct der_parts *o)
{
    const uint64_t end = f->signature.at + f->signature.n;
    uint64_t at = f->signature.at;

    while (at + 8 < end) {
        uint64_t behind = at + 8;
        struct der d;

        if (!der_next(f->all, &behind, end, &d) || !cms_signed(o, at + 8, behind, ""))
            return false;
        at += (behind - at + 7) & ~UINT64_C(7);
    }
    return true;
}

static void only_unexplained(struct der_parts *o)
{
    size_t n = 0;

    for (size_t i = 0; i < o->n; i++)
        if (o->v[i].class == COMPARE_UNEXPLAINED)
            o->v[n++] = o->v[i];
    o->n = n;
}

static int tables(struct look *l, const struct pe f[2], struct der_parts o[2], bool read)
{
    const struct look_range a = f[0].signature, b = f[1].signature;
    int rc;

    if (!read)
        return look_pair(l, a, b, COMPARE_UNEXPLAINED,
                         "certificate table: a signature that is not read can hold anything");
    rc = look_pair(l, a, b, COMPARE_SIGNATURE,
                   a.n == 0   ? "certificate table: only B is signed"
                   : b.n == 0 ? "certificate table: only A is signed"
                              : "certificate table: another signature");
    if (rc != 0)
        return rc;
    if (a.n == 0 || b.n == 0) {
        only_unexplained(&o[0]);
        only_unexplained(&o[1]);
    }
    return der_compare(l, o);
}

int pe_sign(struct look *l, const struct pe f[2])
{
    struct der_parts o[2];
    bool read = true;
    int rc = 0;

    for (int side = 0; side < 2; side++) {
        o[side] = (struct der_parts){.l = l, .all = f[side].all, .class = COMPARE_SIGNATURE};
        read = parts_of(&f[side], &o[side]) && read;
        rc = o[side].rc == -ENOMEM ? -ENOMEM : rc;
    }
    if (rc == 0)
        rc = tables(l, f, o, read);
    der_parts_done(&o[0]);
    der_parts_done(&o[1]);
    return rc;
}

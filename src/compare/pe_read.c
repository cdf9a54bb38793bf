/* pe_read.c - the headers of a PE file, its checksum, and what of its certificate table is a
 * signature. */
#include <string.h>

#include "compare/pe_priv.h"

#define COFF 20u
#define SECTIONS_MAX 1024u

uint64_t pe_get(const struct pe *f, uint64_t at, unsigned n)
{
    uint64_t v = 0;

    if (at > f->all.n || n > f->all.n - at)
        return 0;
    for (unsigned i = n; i > 0; i--)
        v = v << 8 | f->all.p[at + i - 1];
    return v;
}

bool pe_is(struct span s)
{
    const struct pe f = {.all = s};
    const uint64_t at = pe_get(&f, 0x3c, 4);

    return s.n >= 0x40 && s.p[0] == 'M' && s.p[1] == 'Z' && at <= s.n - 4 &&
           pe_get(&f, at, 4) == 0x4550;
}

const char *pe_read(struct pe *f, struct span all)
{
    uint64_t size;

    *f = (struct pe){.all = all};
    f->header = pe_get(f, 0x3c, 4);
    if (f->header < 0x40 || all.n - f->header < 4 + COFF)
        return "its header lies outside of it";
    f->sections = (unsigned)pe_get(f, f->header + 6, 2);
    size = pe_get(f, f->header + 20, 2);
    f->optional = f->header + 4 + COFF;
    f->table = f->optional + size;
    if (all.n < f->table || (all.n - f->table) / PE_SECTION < f->sections ||
        f->sections > SECTIONS_MAX)
        return "its table of sections lies outside of it";
    if (size < 2 || (pe_get(f, f->optional, 2) != 0x10b && pe_get(f, f->optional, 2) != 0x20b))
        return "its optional header is of no known sort";
    f->wide = pe_get(f, f->optional, 2) == 0x20b;
    f->directory = f->optional + (f->wide ? 112 : 96);
    if (f->directory > f->table)
        return "its optional header is too short";
    f->directories = (unsigned)((f->table - f->directory) / 8);
    if (pe_get(f, f->directory - 4, 4) < f->directories)
        f->directories = (unsigned)pe_get(f, f->directory - 4, 4);
    return NULL;
}

struct look_range pe_directory(const struct pe *f, unsigned i)
{
    if (i >= f->directories)
        return (struct look_range){0, 0};
    return (struct look_range){pe_get(f, f->directory + 8 * (uint64_t)i, 4),
                               pe_get(f, f->directory + 8 * (uint64_t)i + 4, 4)};
}

struct look_range pe_content(const struct pe *f, unsigned i)
{
    const uint64_t at = f->table + PE_SECTION * (uint64_t)i;
    struct look_range r = {pe_get(f, at + 20, 4), pe_get(f, at + 16, 4)};

    if (r.n == 0 || r.at > f->all.n || r.n > f->all.n - r.at)
        return (struct look_range){0, 0};
    return r;
}

/* The place in the file of an address in memory; 0: none. */
uint64_t pe_place(const struct pe *f, uint64_t rva, uint64_t n)
{
    for (unsigned i = 0; i < f->sections; i++) {
        const uint64_t at = f->table + PE_SECTION * (uint64_t)i, from = pe_get(f, at + 12, 4);
        const struct look_range r = pe_content(f, i);

        if (rva >= from && rva - from < r.n && n <= r.n - (rva - from))
            return r.at + (rva - from);
    }
    return 0;
}

uint32_t pe_words(uint32_t sum, struct span s)
{
    for (size_t i = 0; i < s.n; i += 2) {
        sum += s.p[i] | (i + 1 < s.n ? (uint32_t)s.p[i + 1] << 8 : 0);
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

/* As the loader sums it: without the field itself, and with the length. */
static uint32_t checksum(const struct pe *f)
{
    const size_t field = (size_t)f->optional + 64;
    const uint32_t before = pe_words(0, span_of(f->all.p, field));

    return pe_words(before, span_of(f->all.p + field + 4, f->all.n - field - 4)) +
           (uint32_t)f->all.n;
}

bool pe_checksum_right(const struct pe *f)
{
    const uint64_t said = pe_get(f, f->optional + 64, 4);

    return said == 0 || ((f->optional & 1) == 0 && said == checksum(f));
}

/* --- the certificate table --- */

/* A DER element of a tag at *at, all of it before end; *at moves into it, the end of it is given.
 */
static bool der(const struct pe *f, uint8_t tag, uint64_t *at, uint64_t end, uint64_t *to)
{
    uint64_t n, more;

    if (*at + 2 > end || f->all.p[*at] != tag)
        return false;
    n = f->all.p[*at + 1];
    *at += 2;
    if (n >= 0x80) {
        more = n & 0x7f;
        if (more < 1 || more > 4 || more > end - *at)
            return false;
        n = 0;
        for (uint64_t i = 0; i < more; i++)
            n = n << 8 | f->all.p[*at + i];
        *at += more;
        if (n < 0x80) /* not the shortest form */
            return false;
    }
    if (n > end - *at)
        return false;
    *to = *at + n;
    return true;
}

bool pe_signed_data(const struct pe *f, uint64_t at, uint64_t limit, uint64_t *end)
{
    static const uint8_t oid[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02};
    uint64_t outer, tagged, inner;

    if (!der(f, 0x30, &at, limit, &outer) || outer - at < sizeof(oid) ||
        memcmp(f->all.p + at, oid, sizeof(oid)) != 0)
        return false;
    at += sizeof(oid);
    if (!der(f, 0xa0, &at, outer, &tagged) || tagged != outer ||
        !der(f, 0x30, &at, tagged, &inner) || inner != tagged)
        return false;
    *end = outer;
    return true;
}

/* What WIN_CERTIFICATEs with PKCS #7 in them account for, from the beginning of the table on. */
static uint64_t accounted(const struct pe *f, struct look_range t)
{
    uint64_t at = t.at, end = t.at + t.n, done = t.at;

    while (at + 8 <= end) {
        const uint64_t n = pe_get(f, at, 4);
        uint64_t der_end, aligned;

        if (n < 8 || n > end - at || pe_get(f, at + 4, 2) != 0x0200 || pe_get(f, at + 6, 2) != 2 ||
            !pe_signed_data(f, at + 8, at + n, &der_end))
            break;
        done = der_end;
        aligned = at + ((der_end - at + 7) & ~UINT64_C(7));
        if (at + n != der_end && at + n != aligned) /* more in it than its alignment */
            break;
        while (done < aligned && done < end && f->all.p[done] == 0)
            done++;
        if (done < aligned)
            break;
        at = aligned;
    }
    return done - t.at;
}

/* Its range in the file; n 0: there is none, or it is not behind everything else. */
struct look_range pe_signature(const struct pe *f)
{
    struct look_range t = pe_directory(f, PE_CERTIFICATES); /* a place in the file, not in memory */

    if (t.n == 0 || t.at < f->table + PE_SECTION * (uint64_t)f->sections || t.at > f->all.n ||
        t.n != f->all.n - t.at || (t.at & 7) != 0)
        return (struct look_range){0, 0};
    for (unsigned i = 0; i < f->sections; i++)
        if (pe_content(f, i).at + pe_content(f, i).n > t.at)
            return (struct look_range){0, 0};
    t.n = accounted(f, t);
    return t;
}

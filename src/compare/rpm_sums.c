/* rpm_sums.c - whether the value of a tag follows from the rest of its package. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "compare/mode.h"
#include "compare/rpm_priv.h"
#include "crypto/md5.h"
#include "crypto/sha1.h"
#include "crypto/sha256.h"

#define SHA256 8u /* of OpenPGP's numbers */
#define MD5 1u
#define SIGNATURE_PACKET 2u
#define PATH_MOST 8192u
#define ARMORED_MOST (64u << 10)

/* --- numbers and texts of the header --- */

static bool number(struct span v, uint64_t *n)
{
    *n = v.n == 4 ? rpm_u32(v.p) : 0;
    return v.n == 4;
}

static bool hex_is(struct span v, const void *sum, size_t n)
{
    uint8_t said[32];

    return n <= sizeof(said) && text_unhex(v, said, n) == 0 && memcmp(said, sum, n) == 0;
}

/* A number that stands alone in the header; none: otherwise. */
static uint64_t alone(const struct rpm *r, int side, uint32_t tag, uint64_t none)
{
    const struct rpm_entry *e = rpm_find(&r->side[side].main, tag);
    uint64_t v;

    return e != NULL && e->type == RPM_INT32 && number(rpm_bytes(r, side, e->data), &v) ? v : none;
}

/* --- single files --- */

static int texts(struct rpm *r, int side, uint32_t tag, int which)
{
    struct rpm_side *s = &r->side[side];
    const struct rpm_entry *e = rpm_find(&s->main, tag);
    struct span rest;
    uint64_t cost;

    if (e == NULL || e->type != RPM_STRINGS)
        return 0;
    cost = (e->count + UINT64_C(1)) * sizeof(struct span);
    if (!look_charge(r->l, cost))
        return 0; /* nothing is said of files then */
    s->charged += cost;
    if ((s->name[which] = calloc(e->count + (size_t)1, sizeof(struct span))) == NULL)
        return -ENOMEM;
    s->names[which] = e->count;
    rest = rpm_bytes(r, side, e->data);
    for (uint32_t i = 0; i < e->count; i++)
        if (!rpm_text(&rest, &s->name[which][i]))
            return 0; /* it was measured before */
    return 0;
}

int rpm_names_read(struct rpm *r, int side)
{
    int rc = texts(r, side, RPM_BASENAMES, 0);

    return rc != 0 ? rc : texts(r, side, RPM_DIRNAMES, 1);
}

/* As the payload calls the i-th file; false: it has no name. */
static bool path_of(const struct rpm *r, int side, size_t i, char out[PATH_MOST])
{
    const struct rpm_side *s = &r->side[side];
    const struct rpm_entry *e = rpm_find(&s->main, RPM_DIRINDEXES);
    struct span dir, base;
    uint64_t k;

    if (e == NULL || e->type != RPM_INT32 || i >= e->count || i >= s->names[0] ||
        !number(rpm_bytes(r, side, (struct look_range){e->data.at + 4 * i, 4}), &k) ||
        k >= s->names[1])
        return false;
    dir = s->name[1][k];
    base = s->name[0][i];
    if (dir.n > 0 && dir.p[0] == '/')
        dir = span_of(dir.p + 1, dir.n - 1);
    if (dir.n + base.n >= PATH_MOST)
        return false;
    if (dir.n > 0)
        memcpy(out, dir.p, dir.n);
    if (base.n > 0)
        memcpy(out + dir.n, base.p, base.n);
    out[dir.n + base.n] = '\0';
    return true;
}

static bool told(struct rpm *r, int side, size_t i, struct look_told *t)
{
    char path[PATH_MOST];

    return path_of(r, side, i, path) && look_told(r->l, side, path, t);
}

bool rpm_is_file_digest(struct rpm *r, int side, const struct rpm_entry *e, size_t i,
                        struct span value)
{
    uint64_t sort = alone(r, side, RPM_FILEDIGESTALGO, MD5);
    struct look_told t;

    if (e->type != RPM_STRINGS || !told(r, side, i, &t))
        return false;
    return sort == SHA256 ? hex_is(value, t.sha256.b, sizeof(t.sha256.b))
                          : sort == MD5 && hex_is(value, t.md5, sizeof(t.md5));
}

bool rpm_is_file_size(struct rpm *r, int side, const struct rpm_entry *e, size_t i,
                      struct span value)
{
    struct look_told t;
    uint64_t n;

    return e->type == RPM_INT32 && number(value, &n) && told(r, side, i, &t) && n == t.n;
}

bool rpm_differs_file(struct rpm *r, size_t i)
{
    struct look_told t;

    return told(r, 0, i, &t) && told(r, 1, i, &t); /* no other files are told */
}

bool rpm_is_sum_of_sizes(struct rpm *r, int side, const struct rpm_entry *e, size_t i,
                         struct span value)
{
    const struct rpm_entry *sizes = rpm_find(&r->side[side].main, RPM_FILESIZES);
    uint64_t n, sum = 0;

    (void)i;
    if (e->type != RPM_INT32 || !number(value, &n) || sizes == NULL || sizes->type != RPM_INT32)
        return false;
    for (uint32_t k = 0; k < sizes->count; k++)
        sum += rpm_u32(look_side(r->l, side).p + sizes->data.at + 4 * (uint64_t)k);
    return n == sum;
}

bool rpm_is_mere_owner(struct rpm *r, int side, const struct rpm_entry *e, size_t i,
                       struct span value)
{
    const struct rpm_entry *modes = rpm_find(&r->side[side].main, RPM_FILEMODES);
    struct span mode;
    uint64_t bits;

    (void)value;
    if (e->type != RPM_STRINGS || modes == NULL || modes->type != RPM_INT16 || i >= modes->count)
        return false;
    mode = rpm_bytes(r, side, (struct look_range){modes->data.at + 2 * (uint64_t)i, 2});
    bits = (uint64_t)mode.p[0] << 8 | mode.p[1];
    return mode_owner_class(bits, bits) == COMPARE_METADATA;
}

/* --- the payload --- */

bool rpm_is_payload_digest(struct rpm *r, int side, const struct rpm_entry *e, size_t i,
                           struct span value)
{
    struct span payload = rpm_bytes(r, side, r->side[side].payload);
    struct digest d;

    if (e->type != RPM_STRINGS || e->count != 1 || i != 0 ||
        alone(r, side, RPM_PAYLOADDIGESTALGO, 0) != SHA256)
        return false;
    sha256_of(payload.p, payload.n, &d);
    return hex_is(value, d.b, sizeof(d.b));
}

bool rpm_is_plain_digest(struct rpm *r, int side, const struct rpm_entry *e, size_t i,
                         struct span value)
{
    const struct rpm_expanded *x = &r->side[side].plain;

    return e->type == RPM_STRINGS && e->count == 1 && i == 0 && x->whole &&
           alone(r, side, RPM_PAYLOADDIGESTALGO, 0) == SHA256 &&
           hex_is(value, x->sha256.b, sizeof(x->sha256.b));
}

bool rpm_is_plain_size(struct rpm *r, int side, const struct rpm_entry *e, size_t i,
                       struct span value)
{
    const struct rpm_expanded *x = &r->side[side].plain;
    uint64_t n;

    return e->type == RPM_INT32 && e->count == 1 && i == 0 && x->whole && number(value, &n) &&
           n == x->n;
}

bool rpm_differs_payload(struct rpm *r, size_t i)
{
    (void)i;
    return !span_eq(rpm_bytes(r, 0, r->side[0].payload), rpm_bytes(r, 1, r->side[1].payload));
}

bool rpm_differs_plain(struct rpm *r, size_t i)
{
    const struct rpm_expanded *a = &r->side[0].plain, *b = &r->side[1].plain;

    (void)i;
    return a->whole && b->whole && !digest_eq(&a->sha256, &b->sha256);
}

/* --- sums over what is signed: the header, or header and payload --- */

static struct span signed_bytes(const struct rpm *r, int side, bool payload)
{
    const struct rpm_side *s = &r->side[side];

    return rpm_bytes(
        r, side, (struct look_range){s->main.all.at, s->main.all.n + (payload ? s->payload.n : 0)});
}

bool rpm_differs_header(struct rpm *r, size_t i)
{
    (void)i;
    return !span_eq(signed_bytes(r, 0, false), signed_bytes(r, 1, false));
}

bool rpm_differs_signed(struct rpm *r, size_t i)
{
    (void)i;
    return !span_eq(signed_bytes(r, 0, true), signed_bytes(r, 1, true));
}

bool rpm_is_size(struct rpm *r, int side, const struct rpm_entry *e, size_t i, struct span value)
{
    uint64_t n;

    return e->type == RPM_INT32 && e->count == 1 && i == 0 && number(value, &n) &&
           n == signed_bytes(r, side, true).n;
}

bool rpm_is_md5(struct rpm *r, int side, const struct rpm_entry *e, size_t i, struct span value)
{
    struct span s = signed_bytes(r, side, true);
    uint8_t sum[16];

    return e->type == RPM_BIN && i == 0 && value.n == sizeof(sum) && md5_of(s.p, s.n, sum) &&
           memcmp(sum, value.p, sizeof(sum)) == 0;
}

bool rpm_is_sha1(struct rpm *r, int side, const struct rpm_entry *e, size_t i, struct span value)
{
    struct span s = signed_bytes(r, side, false);
    uint8_t sum[20];

    return e->type == RPM_STRING && i == 0 && sha1_of(s.p, s.n, sum) &&
           hex_is(value, sum, sizeof(sum));
}

bool rpm_is_sha256(struct rpm *r, int side, const struct rpm_entry *e, size_t i, struct span value)
{
    struct span s = signed_bytes(r, side, false);
    struct digest d;

    if (e->type != RPM_STRING || i != 0)
        return false;
    sha256_of(s.p, s.n, &d);
    return hex_is(value, d.b, sizeof(d.b));
}

/* --- what has no meaning of its own --- */

bool rpm_is_zero(struct rpm *r, int side, const struct rpm_entry *e, size_t i, struct span value)
{
    (void)r;
    (void)side;
    (void)i;
    for (size_t k = 0; k < value.n; k++)
        if (value.p[k] != 0)
            return false;
    return e->type == RPM_BIN;
}

/* The last entry of the region again: it says how many entries there are, backwards. */
bool rpm_is_region(struct rpm *r, int side, const struct rpm_entry *e, size_t i, struct span value)
{
    const struct rpm_side *s = &r->side[side];
    const struct rpm_header *h = e->index.at < s->main.all.at ? &s->sig : &s->main;

    return e->type == RPM_BIN && i == 0 && value.n == RPM_INDEX && rpm_u32(value.p) == e->tag &&
           rpm_u32(value.p + 4) == RPM_BIN &&
           rpm_u32(value.p + 8) + RPM_INDEX * h->n == 0x100000000 &&
           rpm_u32(value.p + 12) == RPM_INDEX;
}

bool rpm_is_level(struct rpm *r, int side, const struct rpm_entry *e, size_t i, struct span value)
{
    (void)r;
    (void)side;
    for (size_t k = 0; k < value.n; k++)
        if ((value.p[k] < '0' || value.p[k] > '9') && value.p[k] != 'T' && value.p[k] != 'L')
            return false;
    return e->type == RPM_STRING && i == 0 && value.n <= 8;
}

/* --- signatures --- */

/* RFC 9580 section 4.2: a packet, whose length is told in the old way or in the new one. */
static bool one_packet(struct span s)
{
    uint64_t n = 0;
    size_t head;

    if (s.n < 3 || (s.p[0] & 0x80) == 0)
        return false;
    if ((s.p[0] & 0x40) == 0) {
        size_t lengths = (size_t)1 << (s.p[0] & 3);

        head = 1 + lengths;
        if ((s.p[0] >> 2 & 15) != SIGNATURE_PACKET || lengths > 4 || s.n < head)
            return false;
        for (size_t i = 1; i < head; i++)
            n = n << 8 | s.p[i];
    } else {
        head = s.p[1] < 192 ? 2 : s.p[1] < 224 ? 3 : 6;
        if ((s.p[0] & 63) != SIGNATURE_PACKET || s.n < head || (head == 6 && s.p[1] != 255))
            return false;
        n = head == 2   ? s.p[1]
            : head == 3 ? ((s.p[1] - 192u) << 8) + s.p[2] + 192u
                        : rpm_u32(s.p + 2);
    }
    return n > 0 && n == s.n - head;
}

bool rpm_is_signature(struct rpm *r, int side, const struct rpm_entry *e, size_t i,
                      struct span value)
{
    (void)r;
    (void)side;
    return e->type == RPM_BIN && i == 0 && one_packet(value);
}

bool rpm_is_armored(struct rpm *r, int side, const struct rpm_entry *e, size_t i, struct span value)
{
    uint8_t *raw = value.n <= ARMORED_MOST ? malloc(value.n + 1) : NULL;
    size_t n = 0;
    bool ok = raw != NULL && e->type == RPM_STRINGS &&
              text_unbase64(value, raw, value.n, &n) == 0 && one_packet(span_of(raw, n));

    (void)r;
    (void)side;
    (void)i;
    free(raw);
    return ok;
}

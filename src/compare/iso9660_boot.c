/* iso9660_boot.c - El Torito: the boot catalog of two images, and what it leads to. */
#include <inttypes.h>
#include <string.h>

#include "compare/iso9660_priv.h"

#define ENTRY 32u

void iso9660_catalog_find(struct iso_side *d, uint64_t volume)
{
    const uint8_t *p = d->s.p + volume;
    const struct look_range r = {(uint64_t)iso9660_u32(p + 0x47) * ISO_SECTOR, ISO_SECTOR};

    if (memcmp(p + 7, "EL TORITO SPECIFICATION", 23) == 0 && iso9660_inside(d, r) && r.at > 0 &&
        d->catalog.n == 0)
        d->catalog = r;
}

enum role { VALIDATION, IMAGE, SECTION, MORE, REST };

struct reader { /* of one catalog: what its next 32 bytes are */
    size_t at, left;
    bool ended;
};

static enum role next(struct reader *r, const uint8_t *p)
{
    const size_t i = r->at++;

    if (i == 0)
        return VALIDATION;
    if (i == 1)
        return IMAGE;
    if (p[0] == 0x44)
        return MORE;
    if (r->left > 0 && !r->ended) {
        r->left--;
        return IMAGE;
    }
    if (r->ended || (p[0] != 0x90 && p[0] != 0x91))
        r->ended = true;
    else
        r->left = iso9660_u16(p + 2);
    return r->ended ? REST : SECTION;
}

static bool sum_right(const uint8_t *p)
{
    uint16_t sum = 0;

    for (size_t i = 0; i < ENTRY; i += 2)
        sum = (uint16_t)(sum + iso9660_u16(p + i));
    return sum == 0;
}

static struct look_range image_of(const struct iso_side *d, const uint8_t *p)
{
    static const uint32_t floppy[] = {0, 1228800, 1474560, 2949120};
    const unsigned media = p[1] & 15;
    struct look_range r = {(uint64_t)iso9660_u32(p + 8) * ISO_SECTOR,
                           media >= 1 && media <= 3 ? floppy[media] : iso9660_u16(p + 6) * 512u};

    r.at = r.at < d->s.n ? r.at : d->s.n;
    r.n = r.n < d->s.n - r.at ? r.n : d->s.n - r.at;
    return r;
}

/* The bytes that are booted: a file of the tree, compared there, or a member of its own. */
static int image(struct iso *x, struct look_range a, struct look_range b, unsigned number)
{
    const struct look_range ra = image_of(&x->d[0], iso9660_at(x, 0, a)),
                            rb = image_of(&x->d[1], iso9660_at(x, 1, b));
    const bool led = iso9660_led(x, ra.at, rb.at);
    char name[32] = "boot image 000";
    int rc =
        iso9660_raw(x, iso9660_sub(a, 0, 8), iso9660_sub(b, 0, 8), "how a boot image is booted");

    name[11] = (char)('0' + number / 100 % 10);
    name[12] = (char)('0' + number / 10 % 10);
    name[13] = (char)('0' + number % 10);
    if (rc == 0)
        rc = iso9660_say(x, true, iso9660_sub(a, 8, 4), iso9660_sub(b, 8, 4),
                         led || (ra.n > 0 && rb.n > 0) ? COMPARE_SAME_CONTENT : COMPARE_UNEXPLAINED,
                         "the place of a boot image");
    if (rc == 0)
        rc = iso9660_raw(x, iso9660_sub(a, 12, 20), iso9660_sub(b, 12, 20),
                         "how a boot image is chosen");
    if (rc != 0 || led || ra.n == 0 || rb.n == 0)
        return rc;
    if ((rc = iso9660_know(&x->d[0], ra)) == 0 && (rc = iso9660_know(&x->d[1], rb)) == 0)
        rc = look_member(x->l, ra, rb, name, name);
    return rc;
}

static int validation(struct iso *x, struct look_range a, struct look_range b)
{
    const bool right = sum_right(iso9660_at(x, 0, a)) && sum_right(iso9660_at(x, 1, b));
    int rc = iso9660_raw(x, iso9660_sub(a, 0, 28), iso9660_sub(b, 0, 28),
                         "the head of the boot catalog");

    if (rc == 0)
        rc = iso9660_say(x, false, iso9660_sub(a, 28, 2), iso9660_sub(b, 28, 2),
                         right ? COMPARE_DERIVED : COMPARE_UNEXPLAINED,
                         "the sum of the head of the boot catalog%s",
                         right ? ", right on both sides" : ", which is wrong");
    return rc != 0 ? rc
                   : iso9660_raw(x, iso9660_sub(a, 30, 2), iso9660_sub(b, 30, 2),
                                 "the head of the boot catalog");
}

int iso9660_boot_compare(struct iso *x)
{
    const struct look_range a = x->d[0].catalog, b = x->d[1].catalog;
    struct reader r[2] = {{0, 0, false}, {0, 0, false}};
    int rc = 0;

    if (a.n == 0 || b.n == 0)
        return 0; /* its bytes, if there are any, are nobody's */
    if ((rc = iso9660_know(&x->d[0], a)) != 0 || (rc = iso9660_know(&x->d[1], b)) != 0)
        return rc;
    for (uint64_t at = 0; at < ISO_SECTOR && rc == 0; at += ENTRY) {
        const struct look_range ea = iso9660_sub(a, at, ENTRY), eb = iso9660_sub(b, at, ENTRY);
        const enum role role = next(&r[0], iso9660_at(x, 0, ea)),
                        also = next(&r[1], iso9660_at(x, 1, eb));

        if (role == VALIDATION)
            rc = validation(x, ea, eb);
        else if (role == IMAGE && also == IMAGE)
            rc = image(x, ea, eb, (unsigned)(at / ENTRY));
        else
            rc = iso9660_raw(x, ea, eb, "the boot catalog");
    }
    return rc;
}

/* iso9660_susp.c - what a record holds behind its name: fields of SUSP (IEEE P1281), and what those
 * of Rock Ridge (IEEE P1282) say. */
#include <string.h>

#include "compare/iso9660_priv.h"

bool iso9660_field_is(const struct iso_side *d, struct look_range f, const char *mark)
{
    return f.n >= 4 && memcmp(d->s.p + f.at, mark, 2) == 0;
}

/* CE: where the record goes on.  NULL, or why not. */
static const char *continues(const struct iso_side *d, struct look_range f, struct look_range *to)
{
    const uint8_t *p = d->s.p + f.at;
    uint32_t block, offset, n;

    if (f.n != 28 || !iso9660_both32(p + 4, &block) || !iso9660_both32(p + 12, &offset) ||
        !iso9660_both32(p + 20, &n) || offset >= ISO_SECTOR)
        return "a record goes on nowhere";
    *to = (struct look_range){(uint64_t)block * ISO_SECTOR + offset, n};
    return iso9660_inside(d, *to) ? NULL : "a record goes on beyond the image";
}

/* The fields of one area; *to: where it goes on (n 0: nowhere). */
static const char *area(const struct iso_side *d, struct look_range a, struct iso_fields *out,
                        struct look_range *to)
{
    const char *why = NULL;

    to->n = 0;
    while (why == NULL && a.n >= 4) {
        uint64_t n = d->s.p[a.at + 2];
        struct look_range f = {a.at, n};

        if (n < 4 || n > a.n)
            break;
        if (out->n == ISO_FIELDS)
            return "a record of too many fields";
        out->v[out->n++] = f;
        a = (struct look_range){a.at + n, a.n - n};
        if (iso9660_field_is(d, f, "CE"))
            why = to->n == 0 ? continues(d, f, to) : "a record goes on in two places";
        if (iso9660_field_is(d, f, "ST"))
            break;
    }
    out->rest[out->rests++] = a;
    return why;
}

const char *iso9660_fields(const struct iso_side *d, struct look_range use, struct iso_fields *out)
{
    const char *why = NULL;
    struct look_range to = use;

    out->n = out->rests = 0;
    do {
        if (out->rests == ISO_CONTINUED + 1)
            return "a record goes on without end";
        why = area(d, to, out, &to);
    } while (why == NULL && to.n > 0);
    return why;
}

static const char *name(const uint8_t *p, size_t n, struct iso_rock *r)
{
    if (n < 5 || (p[4] & 6) != 0) /* it means "." or ".." */
        return NULL;
    if (n - 5 > sizeof(r->name) - 1 - r->name_n)
        return "a name is too long";
    memcpy(r->name + r->name_n, p + 5, n - 5);
    r->name_n += n - 5;
    r->named = true;
    return NULL;
}

const char *iso9660_rock(const struct iso_side *d, const struct iso_fields *f, struct iso_rock *out)
{
    const char *why = NULL;

    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < f->n && why == NULL; i++) {
        const uint8_t *p = d->s.p + f->v[i].at;
        size_t n = (size_t)f->v[i].n;

        if (iso9660_field_is(d, f->v[i], "NM"))
            why = name(p, n, out);
        else if (iso9660_field_is(d, f->v[i], "RE"))
            out->moved = true;
        else if (iso9660_field_is(d, f->v[i], "CL") &&
                 (n != 12 || !iso9660_both32(p + 4, &out->child)))
            why = "a folder was moved nowhere";
        else if (iso9660_field_is(d, f->v[i], "PL") &&
                 (n != 12 || !iso9660_both32(p + 4, &out->parent)))
            why = "a folder came from nowhere";
        else if (iso9660_field_is(d, f->v[i], "SF"))
            why = "sparse files are not followed";
    }
    return why;
}

static size_t utf8(uint32_t c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* Halves of a pair that stand alone become what is no UTF-8, and so stay different. */
bool iso9660_joliet(struct span s, char *out, size_t room)
{
    size_t done = 0;

    for (size_t i = 0; i + 2 <= s.n; i += 2) {
        uint32_t c = (uint32_t)s.p[i] << 8 | s.p[i + 1], low;

        if (c >> 10 == 0x36 && i + 4 <= s.n) {
            low = (uint32_t)s.p[i + 2] << 8 | s.p[i + 3];
            if (low >> 10 == 0x37) {
                c = 0x10000 + ((c & 0x3ff) << 10 | (low & 0x3ff));
                i += 2;
            }
        }
        if (c == 0 || room - done < 5)
            return false;
        done += utf8(c, out + done);
    }
    out[done] = '\0';
    return s.n % 2 == 0;
}

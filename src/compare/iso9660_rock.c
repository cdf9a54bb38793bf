/* iso9660_rock.c - what two records hold of Rock Ridge, field by field: those of one mark meet. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "compare/iso9660_priv.h"
#include "compare/mode.h"
#include "compare/plain.h"

struct two {
    struct iso *x;
    const struct iso_record *a, *b;
    bool quiet;
};

static bool is(const struct two *t, int side, struct look_range f, const char *mark)
{
    return iso9660_field_is(&t->x->d[side], f, mark);
}

/* Mark, length, version: whether both are of one version. */
static bool same_head(const struct two *t, struct look_range a, struct look_range b)
{
    return iso9660_at(t->x, 0, a)[3] == iso9660_at(t->x, 1, b)[3];
}

/* --- PX: mode, links, owner, group, serial number --- */

static int mode(struct two *t, struct look_range a, struct look_range b)
{
    static const struct {
        const char *name;
        uint8_t at;
        bool owner;
    } other[] = {{"number of links", 12, false},
                 {"owner", 20, true},
                 {"group", 28, true},
                 {"serial number", 36, false}};
    char values[40];
    uint32_t v[2][5] = {{0}};
    bool clean = same_head(t, a, b) && (a.n == 36 || a.n == 44) && (b.n == 36 || b.n == 44);
    int rc;

    for (size_t i = 0; i < 5 && clean; i++) {
        clean = 4 + 8 * i >= a.n || iso9660_both32(iso9660_at(t->x, 0, a) + 4 + 8 * i, &v[0][i]);
        clean = clean &&
                (4 + 8 * i >= b.n || iso9660_both32(iso9660_at(t->x, 1, b) + 4 + 8 * i, &v[1][i]));
    }
    if (!clean)
        return iso9660_say(t->x, false, a, b, COMPARE_UNEXPLAINED,
                           "the mode and owner of \"%s\", not as they should be", t->a->path);
    rc = iso9660_say(t->x, true, iso9660_sub(a, 0, 4), iso9660_sub(b, 0, 4), COMPARE_SAME_CONTENT,
                     "a head");
    if (rc == 0)
        rc = iso9660_say(t->x, false, iso9660_sub(a, 4, 8), iso9660_sub(b, 4, 8),
                         COMPARE_UNEXPLAINED, "the mode of \"%s\": %06" PRIo32 " and %06" PRIo32,
                         t->a->path, v[0][0], v[1][0]);
    for (size_t i = 0; i < ARRAY_LEN(other) && rc == 0; i++) {
        (void)snprintf(values, sizeof(values), "%" PRIu32 " and %" PRIu32, v[0][i + 1],
                       v[1][i + 1]);
        rc = iso9660_field(t->x, t->quiet, iso9660_sub(a, other[i].at, 8),
                           iso9660_sub(b, other[i].at, 8),
                           other[i].owner ? mode_owner_class(v[0][0], v[1][0]) : COMPARE_METADATA,
                           other[i].name, t->a->path, values);
    }
    return rc;
}

/* --- TF: times --- */

static const char *const stamps[] = {"time of creation",   "time",           "time of access",
                                     "time of attributes", "time of backup", "time of expiration",
                                     "time of effect"};

static size_t stamp_size(const uint8_t *p)
{
    return (p[4] & 0x80) != 0 ? 17 : 7;
}

static bool times_fit(const struct two *t, int side, struct look_range f)
{
    const uint8_t *p = iso9660_at(t->x, side, f);
    uint64_t n = 5;

    for (size_t i = 0; f.n >= 5 && i < ARRAY_LEN(stamps); i++)
        n += (p[4] >> i & 1) != 0 ? stamp_size(p) : 0;
    return f.n == n;
}

static void show_stamp(char out[48], const uint8_t *p, size_t n)
{
    if (n == 7)
        (void)snprintf(out, 48, "%04u-%02u-%02u %02u:%02u:%02u", 1900u + p[0], p[1], p[2], p[3],
                       p[4], p[5]);
    else
        (void)snprintf(out, 48, "%.16s", (const char *)p);
}

static int stamps_differ(struct two *t, struct look_range a, struct look_range b)
{
    const uint8_t *pa = iso9660_at(t->x, 0, a), *pb = iso9660_at(t->x, 1, b);
    uint64_t at = 5;
    char v[2][48], values[100];
    int rc;

    if (!times_fit(t, 0, a) || !times_fit(t, 1, b) || !same_head(t, a, b))
        return iso9660_say(t->x, false, a, b, COMPARE_UNEXPLAINED,
                           "the times of \"%s\", not as they should be", t->a->path);
    if (pa[4] != pb[4])
        return iso9660_say(t->x, t->quiet, a, b, COMPARE_METADATA, "which times \"%s\" has",
                           t->a->path);
    rc = iso9660_say(t->x, true, iso9660_sub(a, 0, 5), iso9660_sub(b, 0, 5), COMPARE_SAME_CONTENT,
                     "a head");
    for (size_t i = 0; i < ARRAY_LEN(stamps) && rc == 0; i++) {
        const size_t n = stamp_size(pa);

        if ((pa[4] >> i & 1) == 0)
            continue;
        show_stamp(v[0], pa + at, n);
        show_stamp(v[1], pb + at, n);
        (void)snprintf(values, sizeof(values), "%s and %s", v[0], v[1]);
        rc = iso9660_field(t->x, t->quiet, iso9660_sub(a, at, n), iso9660_sub(b, at, n),
                           COMPARE_METADATA, stamps[i], t->a->path, values);
        at += n;
    }
    return rc;
}

/* --- SL: where a link leads --- */

static void show_link(char out[PLAIN_SHOWN], const uint8_t *p, size_t n)
{
    char text[256];
    size_t done = 0;

    for (size_t i = 5; i + 2 <= n && i + 2 + p[i + 1] <= n; i += 2u + p[i + 1]) {
        static const char *const named[] = {"", ".", "..", "", "/"};
        const size_t len = p[i + 1];
        const unsigned kind = p[i] >> 1 & 7; /* 1: ".", 2: "..", 4: the root */
        const char *word = kind == 1 ? named[1] : kind == 2 ? named[2] : kind == 4 ? named[4] : "";

        if (done + strlen(word) + len + 2 > sizeof(text))
            break;
        memcpy(text + done, word, strlen(word));
        done += strlen(word);
        memcpy(text + done, p + i + 2, len);
        done += len;
        if (kind != 4 && (p[i] & 1) == 0 && i + 2 + len < n)
            text[done++] = '/';
    }
    (void)plain_show(out, span_of(text, done), 0, true);
}

static int leads(struct two *t, struct look_range a, struct look_range b)
{
    char v[2][PLAIN_SHOWN];

    show_link(v[0], iso9660_at(t->x, 0, a), (size_t)a.n);
    show_link(v[1], iso9660_at(t->x, 1, b), (size_t)b.n);
    return iso9660_say(t->x, false, a, b, COMPARE_UNEXPLAINED,
                       "the link \"%s\" leads to %s and to %s", t->a->path, v[0], v[1]);
}

/* --- any --- */

/* A field that only one side has. */
static enum compare_class alone(const struct two *t, int side, struct look_range f)
{
    const bool renamed = strcmp(t->a->path, t->b->path) != 0;

    if (is(t, side, f, "TF") || (is(t, side, f, "NM") && renamed))
        return COMPARE_METADATA;
    if (is(t, side, f, "CE") || is(t, side, f, "NM") ||
        (is(t, side, f, "PD") && iso9660_zero(t->x, side, iso9660_sub(f, 4, f.n))))
        return COMPARE_SAME_CONTENT;
    return COMPARE_UNEXPLAINED;
}

static int both(struct two *t, struct look_range a, struct look_range b)
{
    const enum compare_class ca = alone(t, 0, a), cb = alone(t, 1, b);
    const uint8_t *p = iso9660_at(t->x, 0, a);

    if (is(t, 0, a, "PX"))
        return mode(t, a, b);
    if (is(t, 0, a, "TF"))
        return stamps_differ(t, a, b);
    if (is(t, 0, a, "SL"))
        return leads(t, a, b);
    /* The folders are walked, wherever they are. */
    if ((is(t, 0, a, "CL") || is(t, 0, a, "PL")) && t->a->leads == ISO_RIGHT &&
        t->b->leads == ISO_RIGHT && a.n == b.n)
        return iso9660_say(t->x, true, a, b,
                           same_head(t, a, b) ? COMPARE_SAME_CONTENT : COMPARE_UNEXPLAINED,
                           "a place");
    if (!same_head(t, a, b) ||
        (is(t, 0, a, "NM") && (a.n < 5 || b.n < 5 || p[4] != iso9660_at(t->x, 1, b)[4])))
        return iso9660_say(t->x, false, a, b, COMPARE_UNEXPLAINED, "the field %.2s of \"%s\"",
                           (const char *)p, t->a->path);
    return iso9660_say(t->x, ca == COMPARE_SAME_CONTENT && cb == ca, a, b, ca > cb ? ca : cb,
                       "the field %.2s of \"%s\"", (const char *)p, t->a->path);
}

static int one(struct two *t, int side, struct look_range f)
{
    const struct look_range none = {0, 0};

    return iso9660_say(t->x, false, side == 0 ? f : none, side == 1 ? f : none, alone(t, side, f),
                       "the field %.2s of \"%s\", which only %s has",
                       (const char *)iso9660_at(t->x, side, f), t->a->path, side == 0 ? "A" : "B");
}

static int rests(struct two *t, const struct iso_fields f[2])
{
    const size_t n = f[0].rests > f[1].rests ? f[0].rests : f[1].rests;
    int rc = 0;

    for (size_t i = 0; i < n && rc == 0; i++) {
        struct look_range a = {0, 0}, b = {0, 0};
        bool mild;

        a = i < f[0].rests ? f[0].rest[i] : a;
        b = i < f[1].rests ? f[1].rest[i] : b;
        mild = iso9660_zero(t->x, 0, a) && iso9660_zero(t->x, 1, b);
        rc = iso9660_say(t->x, mild, a, b, mild ? COMPARE_SAME_CONTENT : COMPARE_UNEXPLAINED,
                         "bytes behind the fields of \"%s\"", t->a->path);
    }
    return rc;
}

/* The first field of B that has not met another and has the mark of A's i-th: mostly its i-th. */
static size_t like(const struct two *t, const struct iso_fields f[2], size_t i, const bool *met)
{
    const uint8_t *mark = iso9660_at(t->x, 0, f[0].v[i]);
    size_t k = 0;

    while (k < f[1].n && (met[k] || memcmp(mark, iso9660_at(t->x, 1, f[1].v[k]), 2) != 0))
        k++;
    return k;
}

int iso9660_rock_compare(struct iso *x, bool quiet, const struct iso_record *a,
                         const struct iso_record *b)
{
    struct two t = {x, a, b, quiet};
    struct iso_fields f[2];
    bool met[ISO_FIELDS] = {false};
    int rc = 0;

    /* Read once already, when the folder was walked. */
    if (iso9660_fields(&x->d[0], a->use, &f[0]) != NULL ||
        iso9660_fields(&x->d[1], b->use, &f[1]) != NULL)
        return iso9660_say(x, false, a->use, b->use, COMPARE_UNEXPLAINED,
                           "bytes behind the name of \"%s\"", a->path);
    for (size_t i = 0; i < f[0].n && rc == 0; i++) {
        const size_t k = like(&t, f, i, met);

        if (k == f[1].n) {
            rc = one(&t, 0, f[0].v[i]);
        } else {
            met[k] = true;
            rc = both(&t, f[0].v[i], f[1].v[k]);
        }
    }
    for (size_t k = 0; k < f[1].n && rc == 0; k++)
        if (!met[k])
            rc = one(&t, 1, f[1].v[k]);
    return rc != 0 ? rc : rests(&t, f);
}

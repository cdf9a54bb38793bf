/* iso9660_fields.c - two records of folders, field by field: what a difference in each would be. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "compare/iso9660_priv.h"
#include "compare/plain.h"

struct look_range iso9660_sub(struct look_range r, uint64_t at, uint64_t n)
{
    at = at < r.n ? at : r.n;
    return (struct look_range){r.at + at, n < r.n - at ? n : r.n - at};
}

const uint8_t *iso9660_at(const struct iso *x, int side, struct look_range r)
{
    return x->d[side].s.p + r.at;
}

static bool same(const struct iso *x, struct look_range a, struct look_range b)
{
    return a.n == b.n &&
           (a.n == 0 || memcmp(iso9660_at(x, 0, a), iso9660_at(x, 1, b), (size_t)a.n) == 0);
}

int iso9660_say(struct iso *x, bool quiet, struct look_range a, struct look_range b,
                enum compare_class class, const char *fmt, ...)
{
    char what[400];
    va_list ap;

    if (same(x, a, b))
        return look_quiet(x->l, a, b, class);
    if (quiet && class <= COMPARE_METADATA) {
        if (class == COMPARE_SAME_CONTENT)
            x->places++;
        else
            x->own++;
        return look_quiet(x->l, a, b, class);
    }
    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    return look_pair(x->l, a, b, class, "%s", what);
}

int iso9660_field(struct iso *x, bool quiet, struct look_range a, struct look_range b,
                  enum compare_class class, const char *what, const char *path, const char *values)
{
    if (same(x, a, b) || (quiet && class <= COMPARE_METADATA))
        return iso9660_say(x, quiet, a, b, class, "%s", what);
    return look_field(x->l, a, b, class, what, path, ": %s", values);
}

int iso9660_raw(struct iso *x, struct look_range a, struct look_range b, const char *what)
{
    const struct look_held ha = {.at = a, .bytes = span_of(iso9660_at(x, 0, a), (size_t)a.n)},
                           hb = {.at = b, .bytes = span_of(iso9660_at(x, 1, b), (size_t)b.n)};

    return look_pair_raw(x->l, &ha, &hb, COMPARE_UNEXPLAINED, what);
}

static void when(char out[48], const uint8_t *p)
{
    const int zone = 15 * (int8_t)p[6];

    (void)snprintf(out, 48, "%04u-%02u-%02u %02u:%02u:%02u %c%02d:%02d", 1900u + p[0], p[1], p[2],
                   p[3], p[4], p[5], zone < 0 ? '-' : '+', (zone < 0 ? -zone : zone) / 60,
                   (zone < 0 ? -zone : zone) % 60);
}

static int names(struct iso *x, bool quiet, const struct iso_record *a, const struct iso_record *b)
{
    char shown[2][PLAIN_SHOWN];

    (void)plain_show(shown[0], span_of(iso9660_at(x, 0, a->name), (size_t)a->name.n), 0, true);
    (void)plain_show(shown[1], span_of(iso9660_at(x, 1, b->name), (size_t)b->name.n), 0, true);
    return iso9660_say(x, quiet, a->name, b->name, COMPARE_METADATA,
                       "the ISO name of \"%s\": %s and %s", a->path, shown[0], shown[1]);
}

static const struct field {
    const char *name;
    uint8_t at, n;
    enum compare_class class;
} fields[] = {
    {"length of the record", 0, 1, COMPARE_SAME_CONTENT},
    {"length of attributes", 1, 1, COMPARE_UNEXPLAINED},
    {"place", 2, 8, COMPARE_SAME_CONTENT},
    {"size", 10, 8, COMPARE_SAME_CONTENT},
    {"time", 18, 7, COMPARE_METADATA},
    {"flags", 25, 1, COMPARE_UNEXPLAINED},
    {"interleaving", 26, 2, COMPARE_UNEXPLAINED},
    {"volume", 28, 4, COMPARE_UNEXPLAINED},
    {"length of the name", 32, 1, COMPARE_SAME_CONTENT},
};

static int field(struct iso *x, bool quiet, const struct field *f, const struct iso_record *a,
                 const struct iso_record *b)
{
    const struct look_range ra = iso9660_sub(a->at, f->at, f->n),
                            rb = iso9660_sub(b->at, f->at, f->n);
    enum compare_class class = f->class;
    char time[2][48], both[100];

    if (f->at == 18) {
        when(time[0], iso9660_at(x, 0, ra));
        when(time[1], iso9660_at(x, 1, rb));
        (void)snprintf(both, sizeof(both), "%s and %s", time[0], time[1]);
        return iso9660_field(x, quiet, ra, rb, class, "time", a->path, both);
    }
    if (f->at == 25)
        return iso9660_say(x, quiet, ra, rb, class, "the flags of \"%s\": 0x%02x and 0x%02x",
                           a->path, *iso9660_at(x, 0, ra), *iso9660_at(x, 1, rb));
    /* Folders are walked and files compared, wherever they are. */
    if ((f->at == 2 || f->at == 10) && (a->leads != b->leads || a->leads == ISO_ELSEWHERE))
        class = COMPARE_UNEXPLAINED;
    return iso9660_say(x, class == COMPARE_SAME_CONTENT, ra, rb, class, "the %s of \"%s\"", f->name,
                       a->path);
}

bool iso9660_zero(const struct iso *x, int side, struct look_range r)
{
    for (uint64_t i = 0; i < r.n; i++)
        if (iso9660_at(x, side, r)[i] != 0)
            return false;
    return true;
}

static int behind(struct iso *x, struct look_range a, struct look_range b, const char *path)
{
    return iso9660_say(x, true, a, b,
                       iso9660_zero(x, 0, a) && iso9660_zero(x, 1, b) ? COMPARE_SAME_CONTENT
                                                                      : COMPARE_UNEXPLAINED,
                       "bytes behind the name of \"%s\"", path);
}

int iso9660_record_compare(struct iso *x, size_t tree, const struct iso_record *a,
                           const struct iso_record *b)
{
    const bool quiet = tree > 0 || a->kind == ISO_SELF || a->kind == ISO_PARENT;
    const uint64_t na = a->name.at + a->name.n, nb = b->name.at + b->name.n;
    int rc = a->leads == b->leads
                 ? 0
                 : look_find(x->l, COMPARE_UNEXPLAINED,
                             "\"%s\" does not lead to the folder that it should lead to in %s",
                             a->path, a->leads == ISO_RIGHT ? "B" : "A");

    for (size_t i = 0; i < ARRAY_LEN(fields) && rc == 0; i++)
        rc = field(x, quiet, &fields[i], a, b);
    if (rc == 0)
        rc = names(x, quiet, a, b);
    if (rc == 0) /* a zero, and what the root says that is to be skipped */
        rc = behind(x, (struct look_range){na, a->use.at - na},
                    (struct look_range){nb, b->use.at - nb}, a->path);
    if (rc == 0 && !(x->d[0].tree[tree].rock && x->d[1].tree[tree].rock))
        return iso9660_say(x, false, a->use, b->use, COMPARE_UNEXPLAINED,
                           "bytes behind the name of \"%s\"", a->path);
    return rc != 0 ? rc : iso9660_rock_compare(x, quiet, a, b);
}

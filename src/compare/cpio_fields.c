/* cpio_fields.c - two entries, field by field: what a difference in each would be. */
#include <inttypes.h>
#include <string.h>

#include "compare/cpio_priv.h"
#include "compare/mode.h"

#define SORT 0170000u
#define FILE_SORT 0100000u
#define FOLDER_SORT 0040000u
#define LINK_SORT 0120000u

static const struct {
    const char *name;
    enum compare_class class;
} fields[CPIO_FIELDS] = {
    [CPIO_DEV] = {"device", COMPARE_SAME_CONTENT}, /* which names are one file is compared apart */
    [CPIO_DEV_MINOR] = {"device", COMPARE_SAME_CONTENT},
    [CPIO_INO] = {"inode", COMPARE_SAME_CONTENT},
    [CPIO_MODE] = {"mode", COMPARE_UNEXPLAINED},
    [CPIO_UID] = {"uid", COMPARE_METADATA},
    [CPIO_GID] = {"gid", COMPARE_METADATA},
    [CPIO_NLINK] = {"number of links", COMPARE_UNEXPLAINED},
    [CPIO_RDEV] = {"device that it is", COMPARE_UNEXPLAINED},
    [CPIO_RDEV_MINOR] = {"device that it is", COMPARE_UNEXPLAINED},
    [CPIO_MTIME] = {"mtime", COMPARE_METADATA},
    [CPIO_NAME_N] = {"length of the name", COMPARE_SAME_CONTENT},
    [CPIO_SIZE] = {"size", COMPARE_SAME_CONTENT},
    [CPIO_SUM] = {"sum", COMPARE_UNEXPLAINED},
};

static bool of_sort(const struct cpio_entry *e, unsigned sort)
{
    return (e->v[CPIO_MODE] & SORT) == sort;
}

/* --- the sum --- */

static bool has_sum(const struct cpio_entry *e)
{
    return memcmp(e->layout->magic, "070702", e->layout->magic_n) == 0;
}

/* The bytes added up; where there is no sum it is 0. */
static bool sum_right(const struct cpio_entry *e)
{
    uint32_t sum = 0;

    if (!has_sum(e))
        return e->v[CPIO_SUM] == 0;
    if (e->content.bytes.p == NULL && e->content.at.n > 0)
        return false;
    for (size_t i = 0; i < e->content.bytes.n; i++)
        sum += e->content.bytes.p[i];
    return sum == e->v[CPIO_SUM];
}

/* --- the header --- */

/* Nothing but the name, its NUL, and zeros. */
static bool name_clean(const struct cpio_entry *e)
{
    size_t n = strlen(e->name);

    return e->v[CPIO_NAME_N] == n + 1 &&
           cpio_zero(span_of(e->name_at.bytes.p + n, e->name_at.bytes.n - n));
}

static enum compare_class class_of(const struct cpio_entry *a, const struct cpio_entry *b,
                                   enum cpio_field i)
{
    if (i == CPIO_MODE && of_sort(a, LINK_SORT) && of_sort(b, LINK_SORT))
        return COMPARE_METADATA; /* nobody asks for it */
    if (i == CPIO_NLINK && of_sort(a, FOLDER_SORT) && of_sort(b, FOLDER_SORT))
        return COMPARE_METADATA; /* file systems count them in different ways */
    if (i == CPIO_NAME_N && !(name_clean(a) && name_clean(b)))
        return COMPARE_UNEXPLAINED;
    if (i == CPIO_SUM && sum_right(a) && sum_right(b))
        return COMPARE_DERIVED;
    if (i == CPIO_UID || i == CPIO_GID)
        return mode_owner_class(a->v[CPIO_MODE], b->v[CPIO_MODE]);
    return fields[i].class;
}

static int field(struct look *l, const struct cpio_entry *a, const struct cpio_entry *b,
                 enum cpio_field i)
{
    struct look_held ha = cpio_entry_head(a), hb = cpio_entry_head(b);
    struct look_held x = look_part(&ha, a->layout->field[i].at, a->layout->field[i].n),
                     y = look_part(&hb, b->layout->field[i].at, b->layout->field[i].n);

    if (look_held_eq(&x, &y))
        return look_pair_held(l, &x, &y, COMPARE_UNEXPLAINED, "a field");
    if (a->v[i] == b->v[i])
        return look_field_held(l, &x, &y, COMPARE_SAME_CONTENT, fields[i].name, a->name,
                               ": %" PRIu64 ", written otherwise", a->v[i]);
    if (i == CPIO_MODE)
        return look_field_held(l, &x, &y, class_of(a, b, i), fields[i].name, a->name,
                               ": %06" PRIo64 " and %06" PRIo64, a->v[i], b->v[i]);
    if (i == CPIO_SUM && class_of(a, b, i) == COMPARE_DERIVED)
        return look_field_held(l, &x, &y, COMPARE_DERIVED, fields[i].name, a->name,
                               ", right on both sides");
    return look_field_held(l, &x, &y, class_of(a, b, i), fields[i].name, a->name,
                           ": %" PRIu64 " and %" PRIu64, a->v[i], b->v[i]);
}

/* Those with and without sums are of one shape; of others nothing is said. */
static bool alike(const struct cpio_layout *a, const struct cpio_layout *b)
{
    return a == b || (a->head_n == b->head_n && a->base == b->base);
}

static int header(struct look *l, const struct cpio_entry *a, const struct cpio_entry *b)
{
    struct look_held ha = cpio_entry_head(a), hb = cpio_entry_head(b), x, y;
    int rc;

    if (look_held_eq(&ha, &hb))
        return look_pair_held(l, &ha, &hb, COMPARE_UNEXPLAINED, "a header");
    if (!alike(a->layout, b->layout))
        return look_pair_held(l, &ha, &hb, COMPARE_UNEXPLAINED,
                              "the header of \"%s\", of another sort of cpio", a->name);
    x = look_part(&ha, 0, a->layout->magic_n);
    y = look_part(&hb, 0, b->layout->magic_n);
    rc = look_field_held(l, &x, &y, COMPARE_SAME_CONTENT, "magic", a->name, "%s", "");
    for (unsigned i = 0; i < CPIO_FIELDS && rc == 0; i++)
        rc = field(l, a, b, (enum cpio_field)i);
    return rc;
}

/* --- the name --- */

static int name(struct look *l, const struct cpio_entry *a, const struct cpio_entry *b)
{
    if (!name_clean(a) || !name_clean(b))
        return look_pair_held(l, &a->name_at, &b->name_at, COMPARE_UNEXPLAINED,
                              "the name \"%s\", with bytes behind its end", a->name);
    return look_pair_held(l, &a->name_at, &b->name_at,
                          strcmp(a->name, b->name) == 0 ? COMPARE_SAME_CONTENT : COMPARE_METADATA,
                          "the name of \"%s\": \"%s\" and \"%s\"", a->name, a->name, b->name);
}

/* --- the content --- */

static int length(struct span s)
{
    return (int)(s.n < 200 ? s.n : 200);
}

static int link_content(struct look *l, const struct cpio_entry *a, const struct cpio_entry *b)
{
    struct span x = a->content.bytes, y = b->content.bytes;

    return look_pair_held(l, &a->content, &b->content, COMPARE_UNEXPLAINED,
                          "the link \"%s\" leads to \"%.*s\" and to \"%.*s\"", a->name, length(x),
                          x.p == NULL ? "" : (const char *)x.p, length(y),
                          y.p == NULL ? "" : (const char *)y.p);
}

static int file_content(struct look *l, const struct cpio_entry *a, const struct cpio_entry *b)
{
    int rc = 0;

    if (!look_held_eq(&a->content, &b->content)) {
        if ((rc = look_tell(l, 0, a->name, a->content.bytes)) == 0)
            rc = look_tell(l, 1, b->name, b->content.bytes);
        for (int side = 0; side < 2 && rc == 0; side++)
            if (!sum_right(side == 0 ? a : b))
                rc = look_find(l, COMPARE_UNEXPLAINED,
                               "the sum of \"%s\" in %s is not that of the content", a->name,
                               side == 0 ? "A" : "B");
    }
    if (rc != 0)
        return rc;
    if (a->content.at.n > 0 || b->content.at.n > 0)
        return look_member_held(l, &a->content, &b->content, a->name, b->name);
    return 0;
}

static int content(struct look *l, const struct cpio_entry *a, const struct cpio_entry *b)
{
    int rc = 0;

    if (of_sort(a, FILE_SORT) && of_sort(b, FILE_SORT))
        rc = file_content(l, a, b);
    else if (of_sort(a, LINK_SORT) && of_sort(b, LINK_SORT))
        rc = link_content(l, a, b);
    else
        rc = look_pair_raw(l, &a->content, &b->content, COMPARE_UNEXPLAINED,
                           "content where none belongs, or of other sorts");
    if (rc == 0 && strcmp(a->name, b->name) != 0)
        rc = look_find(l, COMPARE_METADATA, "\"%s\" is named \"%s\" in B", a->name, b->name);
    return rc;
}

int cpio_entry_compare(struct look *l, const struct cpio_entry *a, const struct cpio_entry *b)
{
    bool zero = cpio_zero(a->padding.bytes) && cpio_zero(b->padding.bytes);
    int rc = header(l, a, b);

    if (rc == 0)
        rc = name(l, a, b);
    if (rc == 0)
        rc = content(l, a, b);
    if (rc != 0)
        return rc;
    return look_pair_raw(l, &a->padding, &b->padding,
                         zero ? COMPARE_SAME_CONTENT : COMPARE_UNEXPLAINED,
                         "the padding of a member");
}

int cpio_entry_raw(struct look *l, const struct cpio_entry *a, const struct cpio_entry *b)
{
    static const char what[] = "bytes that cannot be followed";
    struct look_held ha = cpio_entry_head(a), hb = cpio_entry_head(b);
    int rc = look_pair_raw(l, &ha, &hb, COMPARE_UNEXPLAINED, what);

    if (rc == 0)
        rc = look_pair_raw(l, &a->name_at, &b->name_at, COMPARE_UNEXPLAINED, what);
    if (rc == 0)
        rc = look_pair_raw(l, &a->content, &b->content, COMPARE_UNEXPLAINED, what);
    return rc != 0 ? rc : look_pair_raw(l, &a->padding, &b->padding, COMPARE_UNEXPLAINED, what);
}

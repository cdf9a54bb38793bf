/* zip.c - zip and what is one: jar, apk, whl, docx.  Bytes before, between and behind the parts
 * that the directory leads to are claimed by nobody. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compare/pairing.h"
#include "compare/zip_priv.h"

/* By its first header, or its end: it may have a program in front that unpacks it, unless that is
 * one of a format of its own. */
static bool is(struct span s, const char *name)
{
    (void)name;
    if (s.n < ZIP_END || memcmp(s.p, "MZ", 2) == 0 || memcmp(s.p, "\177ELF", 4) == 0)
        return false;
    return memcmp(s.p, "PK\3\4", 4) == 0 || memcmp(s.p, "PK\5\6", 4) == 0 ||
           memcmp(s.p + s.n - ZIP_END, "PK\5\6", 4) == 0;
}

static int end(struct look *l, const struct zip_side z[2])
{
    enum compare_class follows =
        z[0].counted && z[1].counted ? COMPARE_SAME_CONTENT : COMPARE_UNEXPLAINED;
    struct look_range a = z[0].end, b = z[1].end;
    int rc = look_pair(l, (struct look_range){a.at, 8}, (struct look_range){b.at, 8},
                       COMPARE_UNEXPLAINED, "the number of disks");

    if (rc == 0)
        rc = look_pair(l, (struct look_range){a.at + 8, 14}, (struct look_range){b.at + 8, 14},
                       follows, "how many members there are, and where");
    if (rc == 0)
        rc = look_pair(l, z[0].comment, z[1].comment, COMPARE_UNEXPLAINED,
                       "the comment of the archive");
    if (rc == 0)
        rc = look_pair(l, z[0].locator, z[1].locator, follows, "where the end is");
    return rc != 0 ? rc
                   : look_pair(l, z[0].end64, z[1].end64, follows,
                               "how many members there are, and where");
}

static int items(struct look *l, int side, const struct zip_side *z, struct pairing_item **it,
                 struct look_held **held)
{
    *it = calloc(z->n + 1, sizeof(**it));
    *held = calloc(z->n + 1, sizeof(**held));
    if (*it == NULL || *held == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < z->n; i++) {
        (*held)[i].at = z->v[i].data;
        (*held)[i].bytes = span_of(look_side(l, side).p + z->v[i].data.at, (size_t)z->v[i].data.n);
        (*it)[i] = (struct pairing_item){z->v[i].name, &(*held)[i], PAIRING_NONE};
    }
    return 0;
}

static bool in_place(const struct zip_side *z)
{
    for (size_t i = 1; i < z->n; i++)
        if (z->v[i].local.at < z->v[i - 1].local.at)
            return false;
    return true;
}

static int members(struct look *l, const struct zip_side z[2])
{
    struct pairing_item *it[2] = {NULL, NULL};
    struct look_held *held[2] = {NULL, NULL};
    int rc = items(l, 0, &z[0], &it[0], &held[0]);

    if (rc == 0)
        rc = items(l, 1, &z[1], &it[1], &held[1]);
    if (rc == 0 && (rc = pairing_by_name(it[0], z[0].n, it[1], z[1].n)) == 0)
        rc = pairing_by_content(it[0], z[0].n, it[1], z[1].n);
    for (size_t i = 0; rc == 0 && i < z[0].n; i++)
        rc = it[0][i].mate == PAIRING_NONE
                 ? zip_member_alone(l, 0, &z[0].v[i])
                 : zip_member_compare(l, &z[0].v[i], &z[1].v[it[0][i].mate]);
    for (size_t i = 0; rc == 0 && i < z[1].n; i++)
        if (it[1][i].mate == PAIRING_NONE)
            rc = zip_member_alone(l, 1, &z[1].v[i]);
    if (rc == 0 && (!pairing_ordered(it[0], z[0].n) || in_place(&z[0]) != in_place(&z[1])))
        rc = look_find(l, COMPARE_SAME_CONTENT, "its members come in another order");
    for (int side = 0; side < 2; side++) {
        free(it[side]);
        free(held[side]);
    }
    return rc;
}

static int compare(struct look *l)
{
    struct zip_side z[2];
    const char *why[2] = {NULL, NULL};
    int rc = 0;

    memset(z, 0, sizeof(z));
    for (int side = 0; side < 2 && rc != -ENOMEM; side++) {
        int one = zip_read(l, side, &z[side], &why[side]);

        rc = one == -ENOMEM || rc == 0 ? one : rc;
    }
    if (rc == -EBADMSG)
        look_cut(l, why[0] != NULL ? why[0] : why[1]);
    else if (rc == 0 && (rc = members(l, z)) == 0)
        rc = end(l, z);
    zip_free(l, &z[0]);
    zip_free(l, &z[1]);
    return rc == -EBADMSG ? 0 : rc;
}

extern const struct look_format zip_format;
const struct look_format zip_format = {"zip", is, compare};

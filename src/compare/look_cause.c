/* look_cause.c - differences that what is known of both builds explains: their years and paths. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "compare/look_priv.h"

bool look_year(const struct look *l, uint64_t a, uint64_t b)
{
    const struct look_known *k = look_known(l);

    return k->years[0] != 0 && k->years[0] != k->years[1] && a == k->years[0] && b == k->years[1];
}

struct walk {
    struct span side[2];
    size_t at[2];
};

static bool begins(const struct walk *w, int side, struct span what)
{
    return what.n > 0 && w->side[side].n - w->at[side] >= what.n &&
           memcmp(w->side[side].p + w->at[side], what.p, what.n) == 0;
}

/* Whether the character k bytes further is of the kind: a word then goes on. */
static bool goes_on(const struct walk *w, int side, size_t k, bool (*kind)(int c))
{
    return w->at[side] + k < w->side[side].n && kind(w->side[side].p[w->at[side] + k]);
}

static bool came_from(const struct walk *w, int side, bool (*kind)(int c))
{
    return w->at[side] > 0 && kind(w->side[side].p[w->at[side] - 1]);
}

static bool in_name(int c)
{
    return isalnum(c) != 0 || strchr("_-.+~", c) != NULL ? c != '\0' : false;
}

static bool digit(int c)
{
    return isdigit(c) != 0;
}

/* Whole words on both sides: neither goes on before or behind. */
static bool step(struct walk *w, const struct span what[2], bool (*kind)(int c), bool whole_begin)
{
    for (int side = 0; side < 2; side++)
        if (!begins(w, side, what[side]) || goes_on(w, side, what[side].n, kind) ||
            (whole_begin && came_from(w, side, kind)))
            return false;
    w->at[0] += what[0].n;
    w->at[1] += what[1].n;
    return true;
}

const char *look_cause(const struct look *l, struct span a, struct span b)
{
    const struct look_known *k = look_known(l);
    struct walk w = {.side = {a, b}};
    bool path = false, year = false;
    char text[2][24];
    struct span years[2];

    for (int side = 0; side < 2; side++) {
        (void)snprintf(text[side], sizeof(text[side]), "%llu", (unsigned long long)k->years[side]);
        years[side] = span_of(text[side], k->years[side] == 0 ? 0 : strlen(text[side]));
    }
    while (w.at[0] < a.n || w.at[1] < b.n) {
        if (!span_eq(k->path[0], k->path[1]) && step(&w, k->path, in_name, false)) {
            path = true;
        } else if (w.at[0] < a.n && w.at[1] < b.n && a.p[w.at[0]] == b.p[w.at[1]] &&
                   !(begins(&w, 0, years[0]) && begins(&w, 1, years[1]))) {
            w.at[0]++;
            w.at[1]++;
        } else if (step(&w, years, digit, true)) {
            year = k->years[0] != k->years[1] || year;
        } else {
            return NULL;
        }
    }
    return path && year ? "build path and year" : path ? "build path" : year ? "build year" : NULL;
}

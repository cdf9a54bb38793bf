/* look_alike.c - what is the same of many members is told once: beyond a handful, findings that say
 * one thing of one member after another become one, with how many they are and the first names.
 * Explained and unexplained ones never do. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare/look_priv.h"
#include "compare/tally.h"

#define HANDFUL 4u /* told one by one */
#define NAMED 3u   /* of what is told at once */
#define VALUES 8u  /* of one field, that are told apart; then come "others" */
#define GROUPS 128u

struct group {
    enum compare_class class;
    char *what, *rest; /* "the WHAT of NAME" REST; NULL: other than those before */
    char *name[NAMED];
    uint64_t times;
    size_t at; /* where its finding was last */
};

struct look_alike {
    struct group v[GROUPS];
    size_t n;
};

void look_alike_free(struct look *l)
{
    for (size_t i = 0; l->alike != NULL && i < l->alike->n; i++) {
        struct group *g = &l->alike->v[i];

        free(g->what);
        free(g->rest);
        for (size_t k = 0; k < NAMED; k++)
            free(g->name[k]);
    }
    free(l->alike);
    l->alike = NULL;
}

static struct group *known(struct look_alike *k, enum compare_class class, const char *what,
                           const char **rest)
{
    struct group *others = NULL;
    size_t values = 0;

    for (size_t i = 0; i < k->n; i++) {
        struct group *g = &k->v[i];

        if (g->class != class || strcmp(g->what, what) != 0)
            continue;
        if (g->rest == NULL)
            others = g;
        else if (strcmp(g->rest, *rest) == 0)
            return g;
        else
            values++;
    }
    if (values >= VALUES)
        *rest = NULL;
    return values >= VALUES ? others : NULL;
}

/* *out NULL: there are too many of them, or it is to be told for itself. */
static int group_of(struct look *l, enum compare_class class, const char *what, const char *rest,
                    struct group **out)
{
    struct group *g;

    *out = NULL;
    if (class > COMPARE_METADATA)
        return 0;
    if (l->alike == NULL && (l->alike = calloc(1, sizeof(*l->alike))) == NULL)
        return -ENOMEM;
    if ((*out = known(l->alike, class, what, &rest)) != NULL || l->alike->n == GROUPS)
        return 0;
    g = &l->alike->v[l->alike->n];
    g->class = class;
    if ((g->what = strdup(what)) == NULL)
        return -ENOMEM;
    if (rest != NULL && (g->rest = strdup(rest)) == NULL) {
        free(g->what);
        return -ENOMEM;
    }
    l->alike->n++;
    *out = g;
    return 0;
}

static int tell(struct look *l, enum compare_class class, const struct look_range at[2],
                const char *what, const char *name, const char *rest)
{
    char sentence[LOOK_WHAT];
    struct group *g;
    unsigned like;
    int rc = group_of(l, class, what, rest, &g);

    if (rc != 0)
        return rc;
    like = g == NULL ? 0 : (unsigned)(g - l->alike->v) + 1;
    if (g != NULL && ++g->times > HANDFUL) {
        look_node_gather(l->node, like, at, &g->at);
        return 0;
    }
    if (g != NULL && g->times <= NAMED && (g->name[g->times - 1] = strdup(name)) == NULL)
        return -ENOMEM;
    (void)snprintf(sentence, sizeof(sentence), "the %.60s of \"%.180s\"%.140s", what, name, rest);
    return look_node_find_like(l->node, l->budget->findings, class, at, sentence, like);
}

int look_alike_find(struct look *l, enum compare_class class, const struct look_range at[2],
                    const char *what, const char *name, const char *fmt, va_list ap)
{
    char rest[LOOK_WHAT];

    (void)vsnprintf(rest, sizeof(rest), fmt, ap);
    return tell(l, class, at, what, name, rest);
}

static int rewrite(struct compare_finding *f, const struct group *g)
{
    char sentence[LOOK_WHAT], number[32], *copy;

    (void)snprintf(sentence, sizeof(sentence),
                   "the %.60s of %s members%.130s (\"%.40s\", \"%.40s\", \"%.40s\", ...)", g->what,
                   tally_number(number, f->times),
                   g->rest != NULL ? g->rest : ", not the same of each", g->name[0], g->name[1],
                   g->name[2]);
    if ((copy = strdup(sentence)) == NULL)
        return -ENOMEM;
    free((void *)(uintptr_t)f->what);
    f->what = copy;
    return 0;
}

int look_alike_tell(struct look *l)
{
    int rc = 0;

    for (size_t i = 0; l->alike != NULL && i < l->node->findings && rc == 0; i++) {
        struct compare_finding *f = &l->node->finding[i];

        if (f->like != 0 && f->times > 1)
            rc = rewrite(f, &l->alike->v[f->like - 1]);
    }
    return rc;
}

#include "compare/place.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int place_new(struct place **out, struct place *up, struct compare_node *node)
{
    struct place *p = calloc(1, sizeof(*p));

    *out = NULL;
    if (p == NULL) {
        look_node_free(node);
        return -ENOMEM;
    }
    *p = (struct place){.node = node, .up = place_hold(up), .holds = 1};
    *out = p;
    return 0;
}

struct place *place_hold(struct place *p)
{
    p->holds++;
    return p;
}

static const char *name_of(const struct compare_node *n)
{
    return n->name[0] != NULL ? n->name[0] : n->name[1] != NULL ? n->name[1] : "";
}

static int by_name(const void *x, const void *y)
{
    return strcmp(name_of(*(struct compare_node *const *)x),
                  name_of(*(struct compare_node *const *)y));
}

void place_sort(struct compare_node *n)
{
    if (n->children > 1)
        qsort(n->child, n->children, sizeof(struct compare_node *), by_name);
}

/* Of a folder that is the same on both sides its files are counted. */
static int hand_up(struct compare_node *up, struct compare_node *n)
{
    if (n->class == COMPARE_IDENTICAL) {
        up->equal_children += n->equal_children;
        look_node_free(n);
        return 0;
    }
    place_sort(n);
    return look_node_add(up, n);
}

int place_let_go(struct place *p)
{
    int rc = 0;

    while (p != NULL && --p->holds == 0 && p->up != NULL) {
        struct place *up = p->up;

        rc = hand_up(up->node, p->node) != 0 ? -ENOMEM : rc;
        free(p);
        p = up;
    }
    return rc;
}

void place_drop(struct place *p)
{
    (void)!place_let_go(p);
}

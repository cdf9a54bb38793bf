#include "compare/tally.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *tally_number(char out[32], uint64_t n)
{
    char digits[24], *p = out;
    int len = snprintf(digits, sizeof(digits), "%" PRIu64, n);

    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            *p++ = ',';
        *p++ = digits[i];
    }
    *p = '\0';
    return out;
}

/* Without its children's. */
static enum compare_class own_class(const struct compare_node *n)
{
    enum compare_class worst = COMPARE_IDENTICAL;

    for (size_t i = 0; i < n->findings; i++)
        worst = n->finding[i].class > worst ? n->finding[i].class : worst;
    return n->children == 0 ? n->class : worst;
}

/* Where they lie deepest: of what has parts, only what it tells itself, for the rest is in these.
 */
static void add_bytes(struct tally *t, const struct compare_node *n)
{
    for (int side = 0; side < 2; side++) {
        for (int c = COMPARE_SAME_CONTENT; c < COMPARE_CLASSES && n->children == 0; c++)
            t->bytes[side][c] += n->bytes[side][c];
        for (size_t i = 0; i < n->findings && n->children > 0; i++)
            t->bytes[side][n->finding[i].class] += n->finding[i].n[side];
    }
}

static void add(struct tally *t, const struct compare_node *n)
{
    t->nodes++;
    t->equal += n->equal_children;
    add_bytes(t, n);
    if (n->children == 0 || n->findings > 0) { /* else its children say it all */
        t->parts++;
        t->differ[own_class(n)]++;
    }
    for (size_t i = 0; i < n->children; i++)
        add(t, n->child[i]);
}

void tally_of(struct tally *t, const struct compare_report *r)
{
    memset(t, 0, sizeof(*t));
    if (r->root->class == COMPARE_IDENTICAL)
        t->equal = r->root->equal_children;
    else
        add(t, r->root);
}

int tally_line(const struct tally *t, struct buf *out)
{
    char n[2][32];
    bool any = false;
    int rc = 0;

    if (t->parts == 0)
        return buf_printf(out, "%s file%s", tally_number(n[0], t->equal), t->equal == 1 ? "" : "s");
    if (t->parts + t->equal > 1)
        rc = buf_printf(out, "%s of %s parts differ: ", tally_number(n[0], t->parts),
                        tally_number(n[1], t->parts + t->equal));
    for (int c = COMPARE_CLASSES - 1; c > COMPARE_IDENTICAL && rc == 0 && t->parts + t->equal > 1;
         c--) {
        if (t->differ[c] == 0)
            continue;
        rc = buf_printf(out, "%s%s %s", any ? ", " : "", tally_number(n[0], t->differ[c]),
                        compare_class_word((enum compare_class)c));
        any = true;
    }
    for (int c = COMPARE_CLASSES - 1, first = 1; c > COMPARE_IDENTICAL && rc == 0; c--) {
        if (t->bytes[0][c] == 0 && t->bytes[1][c] == 0)
            continue;
        rc = buf_printf(out, "%s%s/%s bytes %s",
                        first == 0 ? ", "
                        : any      ? "; "
                                   : "",
                        tally_number(n[0], t->bytes[0][c]), tally_number(n[1], t->bytes[1][c]),
                        compare_class_word((enum compare_class)c));
        first = 0;
    }
    return rc;
}

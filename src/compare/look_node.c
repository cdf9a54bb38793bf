/* look_node.c - nodes: made, filled, freed, and sent from the jailed child to its parent. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "compare/look_priv.h"

#define WIRE_TEXT 4096u
#define WIRE_DEPTH 64u

static char *copy(const char *s)
{
    return s == NULL ? NULL : strdup(s);
}

int look_node_new(struct compare_node **out, const char *format, const char *name_a,
                  const char *name_b)
{
    struct compare_node *n = calloc(1, sizeof(*n));

    *out = NULL;
    if (n == NULL)
        return -ENOMEM;
    n->format = copy(format);
    n->name[0] = copy(name_a);
    n->name[1] = copy(name_b);
    if (n->format == NULL || (name_a != NULL && n->name[0] == NULL) ||
        (name_b != NULL && n->name[1] == NULL)) {
        look_node_free(n);
        return -ENOMEM;
    }
    *out = n;
    return 0;
}

static void drop(const char *s)
{
    free((void *)(uintptr_t)s);
}

int look_node_format(struct compare_node *n, const char *format)
{
    char *f = strdup(format);

    if (f == NULL)
        return -ENOMEM;
    drop(n->format);
    n->format = f;
    return 0;
}

void look_node_free(struct compare_node *n)
{
    if (n == NULL)
        return;
    for (size_t i = 0; i < n->children; i++)
        look_node_free(n->child[i]);
    for (size_t i = 0; i < n->findings; i++)
        drop(n->finding[i].what);
    free(n->child);
    free(n->finding);
    drop(n->format);
    drop(n->name[0]);
    drop(n->name[1]);
    drop(n->cut);
    free(n);
}

static bool grows(size_t n)
{
    return (n & (n - 1)) == 0; /* 0, 1, 2, 4, ... */
}

int look_node_add(struct compare_node *n, struct compare_node *child)
{
    if (child->class > n->class)
        n->class = child->class;
    if (child->class == COMPARE_IDENTICAL) {
        n->equal_children++;
        look_node_free(child);
        return 0;
    }
    if (n->children >= LOOK_CHILDREN) {
        n->findings_more++;
        look_node_free(child);
        return 0;
    }
    if (grows(n->children)) {
        struct compare_node **more =
            reallocarray(n->child, n->children == 0 ? 1 : 2 * n->children, sizeof(*more));

        if (more == NULL) {
            look_node_free(child);
            return -ENOMEM;
        }
        n->child = more;
    }
    n->child[n->children++] = child;
    return 0;
}

/* Takes text. */
static void fill(struct compare_finding *f, enum compare_class class, const struct look_range at[2],
                 char *text, unsigned like)
{
    *f = (struct compare_finding){.class = class,
                                  .what = text,
                                  .at = {at[0].at, at[1].at},
                                  .n = {at[0].n, at[1].n},
                                  .times = 1,
                                  .like = like};
}

/* When no more are kept, a worse one takes the place of the last of the mildest. */
static int replace_milder(struct compare_node *n, enum compare_class class,
                          const struct look_range at[2], const char *what, unsigned like)
{
    struct compare_finding *f = NULL;
    char *text;

    for (size_t i = 0; i < n->findings; i++)
        if (n->finding[i].class < class && (f == NULL || n->finding[i].class <= f->class))
            f = &n->finding[i];
    if (f == NULL) {
        n->findings_more++;
        return 0;
    }
    if ((text = strdup(what)) == NULL)
        return -ENOMEM;
    n->findings_more += f->times;
    drop(f->what);
    fill(f, class, at, text, like);
    return 0;
}

int look_node_find_like(struct compare_node *n, size_t most, enum compare_class class,
                        const struct look_range at[2], const char *what, unsigned like)
{
    char *text;

    if (class > n->class)
        n->class = class;
    if (n->findings >= most)
        return replace_milder(n, class, at, what, like);
    if (grows(n->findings)) {
        struct compare_finding *more =
            reallocarray(n->finding, n->findings == 0 ? 1 : 2 * n->findings, sizeof(*more));

        if (more == NULL)
            return -ENOMEM;
        n->finding = more;
    }
    if ((text = strdup(what)) == NULL)
        return -ENOMEM;
    fill(&n->finding[n->findings++], class, at, text, like);
    return 0;
}

int look_node_find(struct compare_node *n, size_t most, enum compare_class class,
                   const struct look_range at[2], const char *what)
{
    return look_node_find_like(n, most, class, at, what, 0);
}

/* The first of that number takes in the others behind it. */
static void gather_all(struct compare_node *n, unsigned like, size_t first)
{
    struct compare_finding *f = &n->finding[first];
    size_t kept = first + 1;

    for (size_t i = first + 1; i < n->findings; i++) {
        struct compare_finding *g = &n->finding[i];

        if (g->like != like) {
            n->finding[kept++] = *g;
            continue;
        }
        for (int side = 0; side < 2; side++)
            f->n[side] += g->n[side];
        f->times += g->times;
        drop(g->what);
    }
    n->findings = kept;
}

void look_node_gather(struct compare_node *n, unsigned like, const struct look_range at[2],
                      size_t *hint)
{
    if (*hint >= n->findings || n->finding[*hint].like != like || n->finding[*hint].times == 1) {
        for (*hint = 0; *hint < n->findings && n->finding[*hint].like != like;)
            ++*hint;
        if (*hint == n->findings) { /* it made room for worse ones */
            n->findings_more++;
            return;
        }
        gather_all(n, like, *hint);
    }
    n->finding[*hint].times++;
    for (int side = 0; side < 2; side++)
        n->finding[*hint].n[side] += at[side].n;
}

/* --- wire: numbers and sized texts, a node before its children --- */

static int put_text(struct buf *b, const char *s)
{
    size_t n = s == NULL ? 0 : strlen(s);
    int rc = buf_putc(b, s != NULL);

    n = n > WIRE_TEXT ? WIRE_TEXT : n;
    return rc != 0 || s == NULL ? rc : buf_put_sized(b, span_of(s, n));
}

static int put_finding(struct buf *b, const struct compare_finding *f)
{
    int rc = buf_putc(b, (int)f->class);

    for (int i = 0; i < 2 && rc == 0; i++)
        if ((rc = buf_put_u64(b, f->at[i])) == 0)
            rc = buf_put_u64(b, f->n[i]);
    if (rc == 0)
        rc = buf_put_u64(b, f->times);
    return rc != 0 ? rc : put_text(b, f->what);
}

static int put_head(struct buf *b, const struct compare_node *n)
{
    int rc = buf_putc(b, (int)n->class);

    for (int i = 0; i < 2 && rc == 0; i++) {
        if ((rc = put_text(b, n->name[i])) == 0)
            rc = buf_put_u64(b, n->size[i]);
        for (int k = 0; k < COMPARE_CLASSES && rc == 0; k++)
            rc = buf_put_u64(b, n->bytes[i][k]);
    }
    if (rc != 0 || (rc = put_text(b, n->format)) != 0 || (rc = put_text(b, n->cut)) != 0 ||
        (rc = buf_put_u64(b, n->findings_more)) != 0)
        return rc;
    return buf_put_u64(b, n->equal_children);
}

int look_wire_put(struct buf *b, const struct compare_node *n)
{
    int rc = put_head(b, n);

    if (rc == 0)
        rc = buf_put_u32(b, (uint32_t)n->findings);
    for (size_t i = 0; i < n->findings && rc == 0; i++)
        rc = put_finding(b, &n->finding[i]);
    if (rc == 0)
        rc = buf_put_u32(b, (uint32_t)n->children);
    for (size_t i = 0; i < n->children && rc == 0; i++)
        rc = look_wire_put(b, n->child[i]);
    return rc;
}

/* NULL for one that is absent; -EBADMSG. */
static int get_text(struct cur *c, const char **out)
{
    struct span s;
    uint16_t n;
    uint8_t there;
    int rc;

    *out = NULL;
    if ((rc = cur_u8(c, &there)) != 0 || there == 0)
        return rc;
    if ((rc = cur_u16(c, &n)) != 0 || (rc = cur_take(c, n, &s)) != 0)
        return rc;
    if (n > WIRE_TEXT || memchr(s.p, '\0', s.n) != NULL)
        return -EBADMSG;
    *out = strndup((const char *)s.p, s.n);
    return *out == NULL ? -ENOMEM : 0;
}

static int get_class(struct cur *c, enum compare_class *out)
{
    uint8_t v;
    int rc = cur_u8(c, &v);

    if (rc == 0 && v >= COMPARE_CLASSES)
        rc = -EBADMSG;
    *out = rc == 0 ? (enum compare_class)v : COMPARE_UNEXPLAINED;
    return rc;
}

static int get_head(struct cur *c, struct compare_node *n)
{
    uint64_t more;
    int rc = get_class(c, &n->class);

    for (int i = 0; i < 2 && rc == 0; i++) {
        if ((rc = get_text(c, &n->name[i])) == 0)
            rc = cur_u64(c, &n->size[i]);
        for (int k = 0; k < COMPARE_CLASSES && rc == 0; k++)
            rc = cur_u64(c, &n->bytes[i][k]);
    }
    if (rc == 0 && (rc = get_text(c, &n->format)) == 0 && n->format == NULL)
        rc = -EBADMSG;
    if (rc == 0)
        rc = get_text(c, &n->cut);
    if (rc != 0 || (rc = cur_u64(c, &more)) != 0)
        return rc;
    n->findings_more = (size_t)more;
    return cur_u64(c, &n->equal_children);
}

static int get_findings(struct cur *c, struct compare_node *n)
{
    uint32_t many;
    int rc = cur_u32(c, &many);

    for (uint32_t i = 0; i < many && rc == 0; i++) {
        struct look_range at[2];
        enum compare_class class;
        const char *what = NULL;
        uint64_t times = 0;

        rc = get_class(c, &class);
        for (int k = 0; k < 2 && rc == 0; k++)
            if ((rc = cur_u64(c, &at[k].at)) == 0)
                rc = cur_u64(c, &at[k].n);
        if (rc == 0 && (rc = cur_u64(c, &times)) == 0 && (rc = get_text(c, &what)) == 0)
            rc = what == NULL || times == 0 ? -EBADMSG
                                            : look_node_find(n, SIZE_MAX, class, at, what);
        if (rc == 0)
            n->finding[n->findings - 1].times = times;
        drop(what);
    }
    return rc;
}

static int get(struct cur *c, struct compare_node **out, unsigned depth)
{
    struct compare_node *n = depth > WIRE_DEPTH ? NULL : calloc(1, sizeof(*n)), *one;
    uint32_t many = 0;
    int rc;

    *out = NULL;
    if (n == NULL)
        return depth > WIRE_DEPTH ? -EBADMSG : -ENOMEM;
    if ((rc = get_head(c, n)) == 0 && (rc = get_findings(c, n)) == 0)
        rc = cur_u32(c, &many);
    for (uint32_t i = 0; i < many && rc == 0; i++)
        if ((rc = get(c, &one, depth + 1)) == 0)
            rc = look_node_add(n, one);
    if (rc != 0)
        look_node_free(n);
    else
        *out = n;
    return rc;
}

int look_wire_get(struct cur *c, struct compare_node **out)
{
    return get(c, out, 0);
}

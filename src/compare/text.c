/* text.c - the report for people: the verdict first, then what makes it, worst and deepest where it
 * lies. */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "compare/compare.h"
#include "compare/tally.h"

static const char *const color[COMPARE_CLASSES] = {"\033[32m", "\033[32m", "\033[36m", "\033[36m",
                                                   "\033[33m", "\033[33m", "\033[31m"};

struct writer {
    struct buf *out;
    bool color;
};

static int class_word(const struct writer *w, enum compare_class c)
{
    return w->color ? buf_printf(w->out, "%s%s\033[0m", color[c], compare_class_word(c))
                    : buf_puts(w->out, compare_class_word(c));
}

static int indent(const struct writer *w, unsigned depth)
{
    int rc = 0;

    for (unsigned i = 0; i < depth && rc == 0; i++)
        rc = buf_puts(w->out, "  ");
    return rc;
}

static int names(const struct writer *w, const struct compare_node *n)
{
    const char *a = n->name[0], *b = n->name[1];
    int rc = text_plain(w->out, span_str(a != NULL ? a : b != NULL ? b : "(content)"));

    if (rc == 0 && a != NULL && b != NULL && strcmp(a, b) != 0 &&
        (rc = buf_puts(w->out, " -> ")) == 0)
        rc = text_plain(w->out, span_str(b));
    return rc;
}

static int place(const struct writer *w, const struct compare_finding *f)
{
    if (f->n[0] == 0 && f->n[1] == 0)
        return 0;
    if (f->times > 1 && f->n[0] == f->n[1])
        return buf_printf(w->out, " (%" PRIu64 " bytes)", f->n[0]);
    if (f->times > 1)
        return buf_printf(w->out, " (%" PRIu64 " and %" PRIu64 " bytes)", f->n[0], f->n[1]);
    if (f->at[0] == f->at[1] && f->n[0] == f->n[1])
        return buf_printf(w->out, " (%" PRIu64 " bytes at 0x%" PRIx64 ")", f->n[0], f->at[0]);
    return buf_printf(w->out, " (%" PRIu64 " bytes at 0x%" PRIx64 ", %" PRIu64 " at 0x%" PRIx64 ")",
                      f->n[0], f->at[0], f->n[1], f->at[1]);
}

static int finding(const struct writer *w, const struct compare_finding *f)
{
    int rc = text_plain(w->out, span_str(f->what));

    if (rc != 0 || (rc = place(w, f)) != 0)
        return rc;
    return buf_putc(w->out, '\n');
}

static int line(const struct writer *w, const struct compare_finding *f, unsigned depth)
{
    int rc = indent(w, depth);

    if (rc != 0 || (rc = class_word(w, f->class)) != 0 || (rc = buf_puts(w->out, ": ")) != 0)
        return rc;
    return finding(w, f);
}

/* Bytes of either side that are not identical, by class. */
static int account(const struct writer *w, const struct compare_node *n, unsigned depth)
{
    bool any = false;
    int rc = 0;

    for (int c = COMPARE_SAME_CONTENT; c < COMPARE_CLASSES && rc == 0; c++) {
        if (n->bytes[0][c] == 0 && n->bytes[1][c] == 0)
            continue;
        if (!any)
            rc = indent(w, depth);
        if (rc == 0)
            rc = buf_printf(w->out, "%s%" PRIu64 "/%" PRIu64 " bytes %s", any ? ", " : "",
                            n->bytes[0][c], n->bytes[1][c],
                            compare_class_word((enum compare_class)c));
        any = true;
    }
    return rc == 0 && any
               ? buf_printf(w->out, ", of %" PRIu64 "/%" PRIu64 "\n", n->size[0], n->size[1])
               : rc;
}

static bool one_sided(const struct compare_node *n)
{
    return (n->name[0] == NULL) != (n->name[1] == NULL);
}

/* Whether the findings say it all: then the account is not shown beside them. */
static bool all_told(const struct compare_node *n)
{
    uint64_t sum[2][COMPARE_CLASSES] = {{0}};

    if (n->children > 0)
        return true; /* it is theirs, and counted in the first line where it lies deepest */
    if (n->findings == 1 && one_sided(n))
        return true;
    for (size_t i = 0; i < n->findings; i++)
        for (int side = 0; side < 2; side++)
            sum[side][n->finding[i].class] += n->finding[i].n[side];
    for (int side = 0; side < 2; side++)
        for (int c = COMPARE_SAME_CONTENT; c < COMPARE_CLASSES; c++)
            if (sum[side][c] != n->bytes[side][c])
                return false;
    return n->findings_more == 0 && n->cut == NULL;
}

/* The one part that makes it different, without a word of its own; NULL: there is more to say. */
static const struct compare_node *only_child(const struct compare_node *n)
{
    return n->children == 1 && n->findings == 0 && n->findings_more == 0 && n->cut == NULL
               ? n->child[0]
               : NULL;
}

static bool unnamed(const struct compare_node *n)
{
    return n->name[0] == NULL && n->name[1] == NULL;
}

static bool renamed(const struct compare_node *n)
{
    return n->name[0] != NULL && n->name[1] != NULL && strcmp(n->name[0], n->name[1]) != 0;
}

/* "usr/x.deb (deb)/data.tar.xz (xz)/...": what holds nothing else that differs stands in one line
 * with what it holds.  Returns the last of them. */
static int head(const struct writer *w, const struct compare_node **at, unsigned depth)
{
    const struct compare_node *n = *at, *next;
    int rc;

    for (;;) {
        const bool folder = strcmp(n->format, "folder") == 0;

        if ((rc = names(w, n)) != 0)
            return rc;
        next = only_child(n);
        if (!folder || depth == 0 || next == NULL || unnamed(next)) {
            rc = buf_printf(w->out, " (%s", n->format);
            for (; rc == 0 && next != NULL && unnamed(next); next = only_child(n)) {
                n = next;
                rc = buf_printf(w->out, ", %s", n->format);
            }
            if (rc != 0 || (rc = buf_putc(w->out, ')')) != 0)
                return rc;
        }
        if (next == NULL || depth == 0 || renamed(n))
            break;
        n = next;
        if ((rc = buf_putc(w->out, '/')) != 0)
            return rc;
    }
    *at = n;
    if ((rc = buf_puts(w->out, ": ")) == 0)
        rc = class_word(w, n->class);
    return rc;
}

static int node(const struct writer *w, const struct compare_node *n, unsigned depth)
{
    int rc = indent(w, depth);

    if (rc != 0 || (rc = head(w, &n, depth)) != 0)
        return rc;
    if (n->findings == 1 && n->children == 0 && n->finding[0].class == n->class && all_told(n)) {
        rc = buf_puts(w->out, ": ");
        if (rc != 0 || !one_sided(n))
            return rc != 0 ? rc : finding(w, &n->finding[0]);
        rc = text_plain(w->out, span_str(n->finding[0].what));
        return rc != 0 ? rc
                       : buf_printf(w->out, " (%" PRIu64 " bytes)\n", n->size[n->name[0] == NULL]);
    }
    rc = buf_putc(w->out, '\n');
    for (size_t i = 0; i < n->findings && rc == 0; i++)
        rc = line(w, &n->finding[i], depth + 1);
    if (rc == 0 && n->findings_more > 0 && (rc = indent(w, depth + 1)) == 0)
        rc = buf_printf(w->out, "and %zu more\n", n->findings_more);
    if (rc == 0 && n->cut != NULL && (rc = indent(w, depth + 1)) == 0)
        rc = buf_printf(w->out, "not looked into to its end: %s\n", n->cut);
    if (rc == 0 && !all_told(n))
        rc = account(w, n, depth + 1);
    for (size_t i = 0; i < n->children && rc == 0; i++)
        rc = node(w, n->child[i], depth + 1);
    return rc;
}

int compare_text(const struct compare_report *r, bool with_color, struct buf *out)
{
    const struct writer w = {out, with_color};
    const struct compare_node *n = r->root;
    struct tally t;
    int rc;

    tally_of(&t, r);
    if ((rc = class_word(&w, n->class)) != 0)
        return rc;
    if (n->class == COMPARE_IDENTICAL && t.equal < 2)
        return buf_putc(out, '\n');
    if ((rc = buf_puts(out, ": ")) != 0 || (rc = tally_line(&t, out)) != 0 ||
        (rc = buf_putc(out, '\n')) != 0)
        return rc;
    return n->class == COMPARE_IDENTICAL ? 0 : node(&w, n, 0);
}

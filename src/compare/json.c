/* json.c - the report for programs: docs/formats.md, "Comparison". */
#include <inttypes.h>

#include "base/text.h"
#include "compare/compare.h"

/* Names may be any bytes: what is no text is shown as in a terminal. */
static int text(struct buf *out, const char *s)
{
    struct buf plain;
    int rc;

    if (s == NULL)
        return buf_puts(out, "null");
    buf_init(&plain, 65536);
    if ((rc = text_plain(&plain, span_str(s))) == 0)
        rc = text_json_string(out, buf_span(&plain));
    buf_free(&plain);
    return rc;
}

static int pair(struct buf *out, const char *key, const uint64_t v[2])
{
    return buf_printf(out, "\"%s\":[%" PRIu64 ",%" PRIu64 "]", key, v[0], v[1]);
}

static int finding(struct buf *out, const struct compare_finding *f)
{
    int rc;

    if ((rc = buf_puts(out, "{")) != 0 || (rc = pair(out, "at", f->at)) != 0 ||
        (rc = buf_printf(out, ",\"class\":\"%s\",", compare_class_word(f->class))) != 0 ||
        (rc = pair(out, "n", f->n)) != 0 ||
        (rc = buf_printf(out, ",\"times\":%" PRIu64 ",\"what\":", f->times)) != 0 ||
        (rc = text(out, f->what)) != 0)
        return rc;
    return buf_putc(out, '}');
}

static int account(struct buf *out, const struct compare_node *n)
{
    int rc = buf_puts(out, "{");

    for (int c = 0; c < COMPARE_CLASSES && rc == 0; c++) {
        const uint64_t v[2] = {n->bytes[0][c], n->bytes[1][c]};

        if (c > 0)
            rc = buf_putc(out, ',');
        if (rc == 0)
            rc = pair(out, compare_class_word((enum compare_class)c), v);
    }
    return rc == 0 ? buf_putc(out, '}') : rc;
}

static int node(struct buf *out, const struct compare_node *n)
{
    int rc;

    if ((rc = buf_puts(out, "{\"bytes\":")) != 0 || (rc = account(out, n)) != 0 ||
        (rc = buf_puts(out, ",\"children\":[")) != 0)
        return rc;
    for (size_t i = 0; i < n->children && rc == 0; i++)
        if ((rc = i > 0 ? buf_puts(out, ",\n") : 0) == 0)
            rc = node(out, n->child[i]);
    if (rc != 0 ||
        (rc = buf_printf(out, "],\"class\":\"%s\",\"cut\":", compare_class_word(n->class))) != 0 ||
        (rc = text(out, n->cut)) != 0 ||
        (rc = buf_printf(out, ",\"equal\":%" PRIu64 ",\"findings\":[", n->equal_children)) != 0)
        return rc;
    for (size_t i = 0; i < n->findings && rc == 0; i++)
        if ((rc = i > 0 ? buf_puts(out, ",\n") : 0) == 0)
            rc = finding(out, &n->finding[i]);
    if (rc != 0 || (rc = buf_puts(out, "],\"format\":")) != 0 || (rc = text(out, n->format)) != 0 ||
        (rc = buf_printf(out, ",\"more\":%zu,\"names\":[", n->findings_more)) != 0 ||
        (rc = text(out, n->name[0])) != 0 || (rc = buf_putc(out, ',')) != 0 ||
        (rc = text(out, n->name[1])) != 0 || (rc = buf_puts(out, "],")) != 0 ||
        (rc = pair(out, "size", n->size)) != 0)
        return rc;
    return buf_putc(out, '}');
}

int compare_json(const struct compare_report *r, struct buf *out)
{
    int rc = buf_printf(
        out, "{\"class\":\"%s\",\"format\":\"compare/v1\",\"looked\":%" PRIu64 ",\"root\":",
        compare_class_word(r->root->class), r->looked);

    if (rc == 0)
        rc = node(out, r->root);
    return rc == 0 ? buf_puts(out, "}\n") : rc;
}

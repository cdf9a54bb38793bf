/* html.c - the report as one page: no script, nothing from elsewhere, one formatter that escapes.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "compare/compare.h"
#include "compare/tally.h"

#define OPEN_NODES 60u /* so many are unfolded at first */

static const char style[] =
    "<style>\n"
    ":root{color-scheme:light "
    "dark;--bg:#fff;--fg:#1b1f24;--dim:#59636e;--line:#d6dbe1;--box:#f6f8fa;"
    "--ok:#1a6b34;--der:#0b6377;--meta:#7a4f00;--bad:#b3261e}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#14171a;--fg:#e6e8ea;--dim:#a0a8b1;--line:#"
    "343a41;"
    "--box:#1c2024;--ok:#5bd08f;--der:#66cbdc;--meta:#e5b95a;--bad:#ff8f82}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;max-width:72rem;padding:1rem;background:var(--bg);color:var(--fg);"
    "font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}\n"
    "h1{font-size:1.6rem;margin:.2rem 0}\n"
    "p{margin:.4rem 0}\n"
    "code,.w{font-family:ui-monospace,monospace;font-size:.9em}\n"
    ".w{white-space:pre-wrap}\n"
    ".d{color:var(--dim)}\n"
    ".c0,.c1{color:var(--ok)}.c2,.c3{color:var(--der)}.c4,.c5{color:var(--meta)}.c6{color:var(--"
    "bad)}\n"
    "b{font-weight:600}\n"
    "details{border:1px solid var(--line);border-radius:.4rem;margin:.5rem "
    "0;background:var(--bg)}\n"
    "summary{padding:.4rem .6rem;cursor:pointer;background:var(--box);border-radius:.4rem}\n"
    "summary:focus-visible{outline:3px solid var(--der)}\n"
    "details>div{padding:.1rem .6rem .4rem 1rem}\n"
    "ul{list-style:none;margin:.3rem 0;padding:0}\n"
    "li{border-top:1px solid var(--line);padding:.25rem 0}\n"
    "li:first-child{border:0}\n"
    "table{border-collapse:collapse;margin:.5rem 0}\n"
    "th,td{text-align:right;padding:.1rem .6rem .1rem 0;font-weight:400}\n"
    "th:first-child{text-align:left}\n"
    "@media(max-width:40rem){body{padding:.5rem}details>div{padding-left:.5rem}}\n"
    "@media print{details{break-inside:avoid}}\n"
    "</style>\n";

struct page {
    struct buf *out;
    uint64_t unfolded;
};

/* A text of anybody's: what drives a terminal becomes '?', what HTML reads becomes a reference. */
static int escaped(struct buf *out, const char *s)
{
    struct buf plain;
    int rc;

    buf_init(&plain, 1 << 20);
    rc = text_plain(&plain, span_str(s));
    for (size_t i = 0; i < plain.len && rc == 0; i++) {
        switch (plain.data[i]) {
        case '<':
            rc = buf_puts(out, "&lt;");
            break;
        case '>':
            rc = buf_puts(out, "&gt;");
            break;
        case '&':
            rc = buf_puts(out, "&amp;");
            break;
        case '"':
            rc = buf_puts(out, "&quot;");
            break;
        case '\'':
            rc = buf_puts(out, "&#39;");
            break;
        default:
            rc = buf_putc(out, plain.data[i]);
        }
    }
    buf_free(&plain);
    return rc;
}

/* All of the page but its style goes through here: %t a text, escaped; %n a number with its
 * thousands apart; %x one in hexadecimal; %c the number and %w the word of a class.  Nothing else.
 */
static int put(struct page *p, const char *fmt, ...)
{
    va_list ap;
    char number[32];
    int rc = 0;

    va_start(ap, fmt);
    for (; *fmt != '\0' && rc == 0; fmt++) {
        if (*fmt != '%') {
            rc = buf_putc(p->out, *fmt);
            continue;
        }
        switch (*++fmt) {
        case 't':
            rc = escaped(p->out, va_arg(ap, const char *));
            break;
        case 'n':
            rc = buf_puts(p->out, tally_number(number, va_arg(ap, uint64_t)));
            break;
        case 'x':
            rc = buf_printf(p->out, "0x%" PRIx64, va_arg(ap, uint64_t));
            break;
        case 'c':
            rc = buf_printf(p->out, "c%d", va_arg(ap, int));
            break;
        case 'w':
            rc = buf_puts(p->out, compare_class_word((enum compare_class)va_arg(ap, int)));
            break;
        default:
            rc = buf_putc(p->out, '%');
            fmt -= *fmt == '\0';
        }
    }
    va_end(ap);
    return rc;
}

static int place(struct page *p, const struct compare_finding *f)
{
    if (f->n[0] == 0 && f->n[1] == 0)
        return 0;
    if (f->times > 1)
        return put(p, " <span class=d>A: %n bytes, B: %n</span>", f->n[0], f->n[1]);
    if (f->at[0] == f->at[1] && f->n[0] == f->n[1])
        return put(p, " <span class=d>%n bytes at <code>%x</code></span>", f->n[0], f->at[0]);
    return put(p, " <span class=d>A: %n bytes at <code>%x</code>, B: %n at <code>%x</code></span>",
               f->n[0], f->at[0], f->n[1], f->at[1]);
}

static int findings(struct page *p, const struct compare_node *n)
{
    int rc = n->findings > 0 ? put(p, "<ul>\n") : 0;

    for (size_t i = 0; i < n->findings && rc == 0; i++) {
        const struct compare_finding *f = &n->finding[i];

        if ((rc = put(p, "<li><b class=%c>%w</b> <span class=w>%t</span>", (int)f->class,
                      (int)f->class, f->what)) == 0 &&
            (rc = place(p, f)) == 0)
            rc = put(p, "</li>\n");
    }
    if (rc == 0 && n->findings > 0)
        rc = put(p, "</ul>\n");
    if (rc == 0 && n->findings_more > 0)
        rc = put(p, "<p class=d>and %n more</p>\n", (uint64_t)n->findings_more);
    if (rc == 0 && n->cut != NULL)
        rc = put(p, "<p class=c6>not looked into to its end: %t</p>\n", n->cut);
    return rc;
}

static int account(struct page *p, const uint64_t bytes[2][COMPARE_CLASSES])
{
    int rc = put(p, "<table><tr><th class=d>bytes</th><th class=d>A</th><th class=d>B</th></tr>\n");

    for (int c = 0; c < COMPARE_CLASSES && rc == 0; c++)
        if (bytes[0][c] > 0 || bytes[1][c] > 0)
            rc = put(p, "<tr><th class=%c>%w</th><td>%n</td><td>%n</td></tr>\n", c, c, bytes[0][c],
                     bytes[1][c]);
    return rc == 0 ? put(p, "</table>\n") : rc;
}

static bool any_bytes(const struct compare_node *n)
{
    for (int c = 0; c < COMPARE_CLASSES; c++)
        if (n->bytes[0][c] > 0 || n->bytes[1][c] > 0)
            return true;
    return false;
}

static int head(struct page *p, const struct compare_node *n)
{
    const char *a = n->name[0], *b = n->name[1];
    int rc = put(p, "<details%t><summary><b class=%c>%w</b> <code>%t</code>",
                 p->unfolded++ < OPEN_NODES ? " open" : "", (int)n->class, (int)n->class,
                 a != NULL   ? a
                 : b != NULL ? b
                             : "(content)");

    if (rc == 0 && a != NULL && b != NULL && strcmp(a, b) != 0)
        rc = put(p, " &rarr; <code>%t</code>", b);
    return rc == 0 ? put(p, " <span class=d>%t</span></summary><div>\n", n->format) : rc;
}

static int node(struct page *p, const struct compare_node *n)
{
    int rc = head(p, n);

    if (rc == 0 && (rc = findings(p, n)) == 0 && any_bytes(n))
        rc = account(p, n->bytes);
    if (rc == 0 && n->equal_children > 0)
        rc = put(p, "<p class=d>%n more in it: identical</p>\n", n->equal_children);
    for (size_t i = 0; i < n->children && rc == 0; i++)
        rc = node(p, n->child[i]);
    return rc == 0 ? put(p, "</div></details>\n") : rc;
}

static int top(struct page *p, const struct compare_report *r)
{
    const struct compare_node *n = r->root;
    const char *a = n->name[0] != NULL ? n->name[0] : "A",
               *b = n->name[1] != NULL ? n->name[1] : "B";
    struct tally t;
    struct buf line;
    int rc;

    tally_of(&t, r);
    buf_init(&line, 4096);
    if ((rc = tally_line(&t, &line)) == 0 && buf_str(&line) == NULL)
        rc = -ENOMEM;
    if (rc == 0)
        rc = put(p,
                 "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n"
                 "<meta name=viewport content=\"width=device-width,initial-scale=1\">\n"
                 "<meta http-equiv=Content-Security-Policy "
                 "content=\"default-src 'none';style-src 'unsafe-inline'\">\n"
                 "<title>%w: %t, %t</title>\n",
                 (int)n->class, a, b);
    if (rc == 0)
        rc = buf_puts(p->out, style);
    if (rc == 0)
        rc = put(p,
                 "<header>\n<h1 class=%c>%w</h1>\n<p>A <code>%t</code><br>B <code>%t</code></p>\n"
                 "<p>%t</p>\n",
                 (int)n->class, (int)n->class, a, b, buf_str(&line));
    buf_free(&line);
    if (rc == 0 && t.nodes > 1)
        rc = account(p, t.bytes);
    return rc == 0 ? put(p, "<p class=d>Only <i>identical</i> means reproduced; the worst of all "
                            "parts is the word of the whole.</p>\n</header>\n<main>\n")
                   : rc;
}

int compare_html(const struct compare_report *r, struct buf *out)
{
    struct page p = {.out = out};
    int rc = top(&p, r);

    if (rc == 0 && r->root->class != COMPARE_IDENTICAL)
        rc = node(&p, r->root);
    return rc == 0 ? put(&p, "</main>\n</html>\n") : rc;
}

/* cmd_rules_diff.c - what is another in one tree of rules than in the other, rule by rule. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/cmd_rules_priv.h"
#include "crypto/sha256.h"
#include "rules/difference.h"
#include "rules/source.h"

struct side {
    struct source from;
    struct release *release;
    struct inventory *rules;
    char commit[GITREAD_COMMIT + 1], tree[65];
};

struct telling {
    bool json, any; /* any: an item was told */
    bool allows;    /* and allow lists began */
    struct buf line;
    int rc;
};

static int load(struct side *s, struct err *e)
{
    struct digest d;
    int rc = source_load(&s->release, &s->from, s->commit, e);

    if (rc == 0 && (rc = inventory_new(&s->rules, s->release, e)) == 0) {
        d = release_digest(s->release);
        text_digest(s->tree, &d);
    }
    if (rc != 0)
        (void)err_prefix(e, "\"%s\"", s->from.where);
    return rc;
}

static void done(struct side *s)
{
    inventory_free(s->rules);
    release_free(s->release);
}

/* --- for a person --- */

static const char sign[] = {
    [DIFFERENCE_ADDED] = '+', [DIFFERENCE_REMOVED] = '-', [DIFFERENCE_CHANGED] = '~'};

static int put_place(struct buf *b, const struct difference *d)
{
    const struct inventory_entry *x = d->sort == DIFFERENCE_REMOVED ? &d->was : &d->is;
    int rc = 0;

    if (d->sort == DIFFERENCE_CHANGED &&
        (strcmp(d->was.file, d->is.file) != 0 || d->was.line != d->is.line))
        rc = buf_printf(b, "  %s:%u ->", d->was.file, d->was.line);
    if (rc == 0)
        rc = buf_printf(b, "%s%s:%u", d->sort == DIFFERENCE_CHANGED ? " " : "  ", x->file, x->line);
    if (rc == 0 && d->kind != INVENTORY_YARA && d->more + d->less > 1)
        rc = buf_printf(b, "  (%zu more, %zu less of that name)", d->more, d->less);
    return rc != 0 ? rc : buf_putc(b, '\n');
}

static int put_line(struct telling *w, const struct difference *d)
{
    struct buf *b = &w->line;
    int rc;

    if (d->kind == INVENTORY_ALLOW && !w->allows &&
        (rc = buf_puts(b, "ALLOW LISTS, what is not found any more:\n")) != 0)
        return rc;
    w->allows = d->kind == INVENTORY_ALLOW;
    if ((rc = buf_printf(b, "%c %-9s", sign[d->sort], inventory_word(d->kind))) != 0 ||
        (rc = text_plain(b, d->name)) != 0)
        return rc;
    return put_place(b, d);
}

/* --- for a program --- */

static int put_entry(struct buf *b, const char *key, const struct inventory_entry *x)
{
    int rc;

    if (x->file == NULL)
        return 0;
    if ((rc = buf_printf(b, ",\"%s\":{\"file\":", key)) != 0 ||
        (rc = text_json_string(b, span_str(x->file))) != 0)
        return rc;
    return buf_printf(b, ",\"line\":%u}", x->line);
}

static int put_object(struct telling *w, const struct difference *d)
{
    struct buf *b = &w->line;
    int rc = buf_printf(b, "%s{\"change\":\"%s\",\"kind\":\"%s\",\"name\":", w->any ? ",\n" : "",
                        difference_word(d->sort), inventory_word(d->kind));

    if (rc == 0 && (rc = text_json_string(b, d->name)) == -EBADMSG)
        rc = buf_puts(b, "null"); /* the engines refuse such a name */
    if (rc != 0 || (rc = put_entry(b, "was", &d->was)) != 0 ||
        (rc = put_entry(b, "is", &d->is)) != 0)
        return rc;
    return d->kind == INVENTORY_YARA
               ? buf_putc(b, '}')
               : buf_printf(b, ",\"more\":%zu,\"less\":%zu}", d->more, d->less);
}

/* Line by line: there may be millions. */
static void tell(void *arg, const struct difference *d)
{
    struct telling *w = arg;

    buf_reset(&w->line);
    if (w->rc == 0)
        w->rc = w->json ? put_object(w, d) : put_line(w, d);
    if (w->rc == 0 && fwrite(w->line.data, 1, w->line.len, stdout) != w->line.len)
        w->rc = -EIO;
    w->any = true;
}

static void tell_end(const struct telling *w, const struct difference_counts *c,
                     const struct side *was, const struct side *is)
{
    if (w->json) {
        (void)printf("],\"added\":%zu,\"removed\":%zu,\"changed\":%zu,\"layout\":%zu,\"moved\":%zu,"
                     "\"allows_added\":%zu,\"allows_removed\":%zu,\"was\":\"%s\",\"is\":\"%s\"}\n",
                     c->added, c->removed, c->changed, c->layout, c->moved, c->allows_added,
                     c->allows_removed, was->tree, is->tree);
        return;
    }
    (void)printf("%zu added, %zu removed, %zu changed; %zu differ in layout or comments only, %zu "
                 "stand in another file\n",
                 c->added, c->removed, c->changed, c->layout, c->moved);
    if (c->allows_added + c->allows_removed > 0)
        (void)printf("ALLOW LISTS: %zu entries more, %zu less\n", c->allows_added,
                     c->allows_removed);
    (void)printf("was %s%s%s\nis  %s%s%s\n", was->tree, was->commit[0] != '\0' ? " commit " : "",
                 was->commit, is->tree, is->commit[0] != '\0' ? " commit " : "", is->commit);
}

static const struct option diff_options[] = {{"git", required_argument, NULL, 'g'},
                                             {"json", no_argument, NULL, 'j'},
                                             {"help", no_argument, NULL, 'h'},
                                             {NULL, 0, NULL, 0}};

int cmd_rules_diff(const struct command *c, int argc, char **argv)
{
    struct side was = {.rules = NULL}, is = {.rules = NULL};
    struct telling w = {.json = false};
    struct difference_counts counts;
    const char *git = NULL;
    struct err e = ERR_INIT;
    int o, code;

    while ((o = cli_getopt(c, argc, argv, "g:jh", diff_options)) != -1) {
        if (o == 'g')
            git = optarg;
        else
            w.json = true;
    }
    if (optind + 2 != argc)
        return cli_usage(c, "name two folders of rules, or two revisions and --git");
    was.from = (struct source){git, argv[optind]};
    is.from = (struct source){git, argv[optind + 1]};
    buf_init(&w.line, 1 << 20);
    if (load(&was, &e) != 0 || load(&is, &e) != 0) {
        code = e.code == -ENOMEM || e.code == -EIO ? EXIT_TROUBLE : EXIT_USAGE;
        (void)cli_fail(c, &e);
    } else {
        if (w.json)
            (void)printf("{\"format\":\"rules-diff/v1\",\"rules\":[");
        difference_run(was.rules, is.rules, tell, &w, &counts);
        tell_end(&w, &counts, &was, &is);
        code = strcmp(was.tree, is.tree) == 0 ? EXIT_HELD : EXIT_FALSE;
        if (w.rc != 0) {
            (void)err_sys(&e, w.rc, "telling the differences");
            code = cli_fail(c, &e);
        }
    }
    buf_free(&w.line);
    done(&was);
    done(&is);
    return code;
}

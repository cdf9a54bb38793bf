#include "assembler/dsc.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"

#define FIELD "Checksums-Sha256:"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

/* The next run of characters that are no blanks. */
static struct span word(struct cur *line)
{
    size_t n = 0;

    while (line->n > 0 && (*line->p == ' ' || *line->p == '\t')) {
        line->p++;
        line->n--;
    }
    while (n < line->n && strchr(" \t\r", line->p[n]) == NULL)
        n++;
    line->p += n;
    line->n -= n;
    return span_of(line->p - n, n);
}

/* " HEX SIZE NAME" */
static int read_line(struct span line, struct dsc_file *f)
{
    struct cur c = cur_of(line);
    struct span hex = word(&c), size = word(&c), name = word(&c);

    if (text_undigest(hex, &f->sha256) != 0 ||
        text_u64(size, (UINT64_C(1) << 53) - 1, &f->size) != 0 || name.n == 0 ||
        name.n >= sizeof(f->name) || memchr(name.p, '\0', name.n) != NULL)
        return -EBADMSG;
    memcpy(f->name, name.p, name.n);
    f->name[name.n] = '\0';
    return f->name[0] == '.' || f->name[0] == '-' ||
                   strspn(f->name, LETTERS "._+~%-") != strlen(f->name)
               ? -EBADMSG
               : 0;
}

int dsc_each(struct span text, int (*each)(void *arg, const struct dsc_file *f, struct err *e),
             void *arg, struct err *e)
{
    static const size_t field = sizeof(FIELD) - 1;
    bool inside = false, any = false;
    struct cur c = cur_of(text);
    struct span line;
    struct dsc_file f;
    int rc;

    while (c.n > 0) {
        if (cur_line(&c, &line) != 0 && cur_take(&c, c.n, &line) != 0)
            return -EBADMSG; /* never: the last line need not end */
        if (line.n == 0 || line.p[0] != ' ') {
            inside = line.n >= field && memcmp(line.p, FIELD, field) == 0;
            continue;
        }
        if (!inside)
            continue;
        if (read_line(line, &f) != 0)
            return err_set(e, -EBADMSG,
                           "a line of Checksums-Sha256 in the .dsc is malformed, or names no plain "
                           "file");
        if ((rc = each(arg, &f, e)) != 0)
            return rc;
        any = true;
    }
    return any ? 0 : err_set(e, -EBADMSG, "the .dsc lists no files with SHA-256");
}

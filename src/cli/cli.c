#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

int cli_exit(int rc)
{
    switch (-rc) {
    case 0:
        return EXIT_HELD;
    case EBADMSG:
    case EPROTO:
    case EPROTONOSUPPORT:
    case ENOTSUP:
    case EPERM:
    case E2BIG:
        return EXIT_FALSE;
    case EINVAL:
        return EXIT_USAGE;
    case EAGAIN:
        return EXIT_PENDING;
    default:
        return EXIT_TROUBLE;
    }
}

int cli_fail(const struct command *c, const struct err *e)
{
    (void)fprintf(stderr, "glarus %s: %s\n", c->words, err_text(e));
    return cli_exit(e->code);
}

int cli_usage(const struct command *c, const char *fmt, ...)
{
    va_list ap;

    (void)fprintf(stderr, "glarus %s: ", c->words);
    va_start(ap, fmt);
    (void)vfprintf(stderr, fmt, ap);
    va_end(ap);
    (void)fprintf(stderr, "\nusage: glarus %s %s\nTry \"glarus %s --help\".\n", c->words, c->usage,
                  c->words);
    return EXIT_USAGE;
}

void cli_help(const struct command *c)
{
    (void)printf("glarus %s - %s\n\nusage: glarus %s %s\n\n%s", c->words, c->summary, c->words,
                 c->usage, c->help);
}

int cli_put(FILE *f, const char *lines)
{
    struct buf plain;
    int rc = 0;

    buf_init(&plain, 1 << 20);
    do {
        size_t n = strcspn(lines, "\n");

        if ((rc = text_plain(&plain, span_of(lines, n))) == 0)
            rc = buf_putc(&plain, '\n');
        lines += n + (lines[n] != '\0');
    } while (rc == 0 && *lines != '\0');
    if (rc == 0 && fwrite(plain.data, 1, plain.len, f) != plain.len)
        rc = -EIO;
    buf_free(&plain);
    return rc;
}

int cli_getopt(const struct command *c, int argc, char **argv, const char *shorts,
               const struct option *longs)
{
    int o;

    opterr = 0;
    o = getopt_long(argc, argv, shorts, longs, NULL);
    if (o == 'h') {
        cli_help(c);
        exit(EXIT_HELD);
    }
    if (o == '?' || o == ':')
        exit(cli_usage(c,
                       optopt != 0 ? "unknown option or missing value: -%c"
                                   : "unknown option or missing value",
                       optopt));
    return o;
}

/* `glarus assemble transplant`: the signature of a published file, put onto what was built again.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/cmd_assemble_priv.h"
#include "compare/compare.h"
#include "compare/transplant.h"

#define REPORT_MAX ((size_t)1 << 30)

/* What is left between the published file and the one that was made. */
static int tell(const char *published, const char *made, struct err *e)
{
    static const struct compare_options usual;
    struct compare_report *r = NULL;
    struct buf text;
    int rc;

    buf_init(&text, REPORT_MAX);
    if ((rc = compare_run(&r, published, made, &usual, e)) == 0 &&
        (rc = compare_text(r, isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == NULL, &text)) ==
            0 &&
        fwrite(text.data, 1, text.len, stdout) != text.len)
        rc = err_set(e, -EIO, "the report");
    if (rc == 0)
        (void)printf("%s\n", compare_class_word(r->root->class));
    compare_report_free(r);
    buf_free(&text);
    return rc;
}

int cmd_assemble_transplanted(const char *published, const char *built, const char *to,
                              bool *identical, struct err *e)
{
    struct err none = ERR_INIT;
    struct transplant t;
    int rc = transplant_run(&t, identical, published, built, to, &none);

    if (rc == -EBADMSG) { /* there is no signature to take: compare says what differs */
        *identical = false;
        return 0;
    }
    if (rc != 0)
        return err_set(e, rc, "%s", err_text(&none));
    return unlink(to) == 0 ? 0 : err_sys(e, -errno, "removing \"%s\"", to);
}

static const struct option transplant_options[] = {
    {"out", required_argument, NULL, 'o'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};

static int assemble_transplant(const struct command *c, int argc, char **argv)
{
    const char *out = NULL;
    struct err e = ERR_INIT;
    struct transplant t;
    bool identical;
    int o, rc;

    while ((o = cli_getopt(c, argc, argv, "o:h", transplant_options)) != -1)
        out = optarg;
    if (optind + 2 != argc || out == NULL)
        return cli_usage(c, "name what was published, what was built, and --out");
    if ((rc = transplant_run(&t, &identical, argv[optind], argv[optind + 1], out, &e)) != 0)
        return cli_fail(c, &e);
    (void)printf("%s: %u signature%s (%s), %" PRIu64 " bytes at %" PRIu64 "\n", argv[optind],
                 t.signatures, t.signatures == 1 ? "" : "s", transplant_word(t.format), t.n, t.at);
    for (unsigned i = 0; i < t.edits; i++)
        (void)printf("%s: %" PRIu64 " bytes at %" PRIu64 " follow from it\n", out, t.edit[i].n,
                     t.edit[i].at);
    if (identical) {
        (void)printf("identical after the signature was transplanted\n");
        return EXIT_HELD;
    }
    return (rc = tell(argv[optind], out, &e)) == 0 ? EXIT_FALSE : cli_fail(c, &e);
}

const struct command cli_assemble_transplant[] = {
    {"assemble transplant", "put the signature of what was published onto what was built again",
     "PUBLISHED BUILT --out FILE",
     "  -o, --out FILE   the file that is made: BUILT with PUBLISHED's signature\n\n"
     "Programs of Windows (Authenticode), packages of Debian (debsigs), modules of Linux.  What\n"
     "is taken is a signature by its own lengths and nothing else; whether it is good is not\n"
     "looked at.  Exit 0: FILE is PUBLISHED, to the byte; 1: it is not, and where; or there is no\n"
     "signature to take.\n\n"
     "Example: glarus assemble transplant app.exe made/outputs/app.exe --out app-again.exe\n",
     assemble_transplant},
    {NULL, NULL, NULL, NULL, NULL}};

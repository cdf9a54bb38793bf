/* cmd_compare.c - two files or trees, and what makes them different. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/cli.h"
#include "compare/compare.h"

#define OUT_MAX ((size_t)1 << 30)
#define EXIT_DIFFERENT 1
#define EXIT_FAILED 2 /* as diff(1) */

static const struct option options[] = {
    {"json", no_argument, NULL, 'j'},        {"color", no_argument, NULL, 'c'},
    {"years", required_argument, NULL, 'y'}, {"paths", required_argument, NULL, 'p'},
    {"help", no_argument, NULL, 'h'},        {NULL, 0, NULL, 0}};

static int show(const struct compare_report *r, bool json, bool color, struct err *e)
{
    struct buf out;
    int rc;

    buf_init(&out, OUT_MAX);
    rc = json ? compare_json(r, &out) : compare_text(r, color, &out);
    if (rc == 0 && fwrite(out.data, 1, out.len, stdout) != out.len)
        rc = -EIO;
    buf_free(&out);
    return rc == 0 ? 0 : err_sys(e, rc, "the report");
}

static bool take_years(const char *arg, struct compare_options *o)
{
    const char *comma = strchr(arg, ',');

    return comma != NULL &&
           text_u64(span_of(arg, (size_t)(comma - arg)), 9999, &o->years[0]) == 0 &&
           text_u64(span_str(comma + 1), 9999, &o->years[1]) == 0 && o->years[0] >= 1970 &&
           o->years[1] >= 1970;
}

static bool take_paths(char *arg, struct compare_options *o)
{
    char *comma = strchr(arg, ',');

    if (comma == NULL || strchr(comma + 1, ',') != NULL || arg[0] != '/' || comma[1] != '/' ||
        comma - arg < 2 || comma[2] == '\0')
        return false;
    *comma = '\0';
    o->paths[0] = arg;
    o->paths[1] = comma + 1;
    return true;
}

static int compare_command(const struct command *c, int argc, char **argv)
{
    bool json = false, color = isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == NULL;
    struct compare_report *r = NULL;
    struct compare_options known = {0};
    struct err e = ERR_INIT;
    int o, rc, code;

    while ((o = cli_getopt(c, argc, argv, "jcy:p:h", options)) != -1) {
        json = json || o == 'j';
        color = color || o == 'c';
        if (o == 'y' && !take_years(optarg, &known))
            return cli_usage(c, "--years wants the years of both builds, as 2022,2024");
        if (o == 'p' && !take_paths(optarg, &known))
            return cli_usage(c, "--paths wants the folders of both builds, as /build/a,/build/b");
    }
    if (optind + 2 != argc)
        return cli_usage(c, "name two files or two folders");
    if ((rc = compare_run(&r, argv[optind], argv[optind + 1], &known, &e)) == 0)
        rc = show(r, json, color, &e);
    code = rc != 0 ? EXIT_FAILED : r->root->class == COMPARE_IDENTICAL ? EXIT_HELD : EXIT_DIFFERENT;
    if (rc != 0)
        (void)cli_fail(c, &e);
    compare_report_free(r);
    return code;
}

const struct command cli_compare[] = {
    {"compare", "say what makes two files or trees different, to the byte", "A B [--json]",
     "  -j, --json    for programs (docs/formats.md)\n"
     "  -c, --color   also where the output is no terminal\n"
     "  -y, --years Y,Y  the years of both builds: a difference that is exactly this is explained\n"
     "  -p, --paths P,P  the same, of the folders they were made in\n\n"
     "The answer is one word, worst wins: identical, same-content, derived-only, signature-only,\n"
     "metadata-only, explained, unexplained; and what makes it, where.  Only identical means\n"
     "reproduced.  Exit 0: identical; 1: different; 2: trouble.\n\n"
     "Example: glarus compare hello_2.10-3_amd64.deb rebuilt/hello_2.10-3_amd64.deb\n",
     compare_command},
    {NULL, NULL, NULL, NULL, NULL}};

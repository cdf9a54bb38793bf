/* cmd_compare.c - two files or trees, and what makes them different. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/pager.h"
#include "compare/compare.h"

#define OUT_MAX ((size_t)1 << 30)
#define EXIT_DIFFERENT 1
#define EXIT_FAILED 2      /* as diff(1) */
#define LIMIT_DEPTH_MAX 48 /* what a child can answer: look_node.c */

enum {
    LIMIT_DEPTH = 256,
    LIMIT_FINDINGS,
    LIMIT_MEMBERS,
    LIMIT_MEMORY,
    LIMIT_SECONDS,
    LIMIT_UNPACKED
};

static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                        {"html", required_argument, NULL, 'H'},
                                        {"color", no_argument, NULL, 'c'},
                                        {"years", required_argument, NULL, 'y'},
                                        {"paths", required_argument, NULL, 'p'},
                                        {"limit-depth", required_argument, NULL, LIMIT_DEPTH},
                                        {"limit-findings", required_argument, NULL, LIMIT_FINDINGS},
                                        {"limit-members", required_argument, NULL, LIMIT_MEMBERS},
                                        {"limit-memory", required_argument, NULL, LIMIT_MEMORY},
                                        {"limit-seconds", required_argument, NULL, LIMIT_SECONDS},
                                        {"limit-unpacked", required_argument, NULL, LIMIT_UNPACKED},
                                        {"help", no_argument, NULL, 'h'},
                                        {NULL, 0, NULL, 0}};

struct asked {
    bool json, color;
    const char *html;
    struct compare_options o;
    struct progress progress;
};

static int page(const struct compare_report *r, const char *path, struct err *e)
{
    struct buf out;
    int rc;

    buf_init(&out, OUT_MAX);
    if ((rc = compare_html(r, &out)) != 0)
        rc = err_sys(e, rc, "the page");
    else if ((rc = io_replace_file(AT_FDCWD, path, out.data, out.len, 0644)) != 0)
        rc = err_sys(e, rc, "writing \"%s\"", path);
    buf_free(&out);
    return rc;
}

static int show(const struct compare_report *r, const struct asked *a, struct err *e)
{
    struct buf out;
    int rc;

    if (a->html != NULL && (rc = page(r, a->html, e)) != 0)
        return rc;
    buf_init(&out, OUT_MAX);
    if ((rc = a->json ? compare_json(r, &out) : compare_text(r, a->color, &out)) != 0)
        rc = err_sys(e, rc, "the report");
    else
        rc = pager_show(buf_span(&out), e);
    buf_free(&out);
    return rc;
}

static void step(void *arg, uint64_t done, uint64_t total)
{
    struct progress *p = arg;

    p->total = total;
    progress_step(p, done);
}

/* A number above zero; as bytes also with KiB, MiB, GiB or TiB. */
static bool take_number(const char *arg, bool bytes, uint64_t max, uint64_t *out)
{
    static const char *const unit[] = {"KiB", "MiB", "GiB", "TiB"};
    size_t n = strlen(arg);
    unsigned shift = 0;

    for (unsigned i = 0; bytes && i < ARRAY_LEN(unit); i++)
        if (n > 3 && strcmp(arg + n - 3, unit[i]) == 0)
            shift = 10 * (i + 1);
    if (text_u64(span_of(arg, shift > 0 ? n - 3 : n), max >> shift, out) != 0 || *out == 0)
        return false;
    *out <<= shift;
    return true;
}

static bool take_limit(struct compare_options *o, int option, const char *arg)
{
    uint64_t n = 0;
    bool bytes = option == LIMIT_MEMORY || option == LIMIT_UNPACKED;
    uint64_t max = bytes                      ? UINT64_C(1) << 50
                   : option == LIMIT_DEPTH    ? LIMIT_DEPTH_MAX
                   : option == LIMIT_FINDINGS ? 1000000
                   : option == LIMIT_SECONDS  ? 1000000
                                              : UINT64_C(1) << 40;

    if (!take_number(arg, bytes, max, &n))
        return false;
    switch (option) {
    case LIMIT_DEPTH:
        o->depth = (unsigned)n;
        break;
    case LIMIT_FINDINGS:
        o->findings = (size_t)n;
        break;
    case LIMIT_MEMBERS:
        o->members = n;
        break;
    case LIMIT_MEMORY:
        o->memory = n;
        break;
    case LIMIT_SECONDS:
        o->seconds = (unsigned)n;
        break;
    default:
        o->unpacked = n;
    }
    return true;
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

/* 0, or the exit code of a mistake. */
static int take(const struct command *c, struct asked *a, int o)
{
    switch (o) {
    case 'j':
        a->json = true;
        return 0;
    case 'H':
        a->html = optarg;
        return 0;
    case 'c':
        a->color = true;
        return 0;
    case 'y':
        return take_years(optarg, &a->o)
                   ? 0
                   : cli_usage(c, "--years wants the years of both builds, as 2022,2024");
    case 'p':
        return take_paths(optarg, &a->o) ? 0
                                         : cli_usage(c, "--paths wants the folders of both builds, "
                                                        "as /build/a,/build/b");
    default:
        return take_limit(&a->o, o, optarg)
                   ? 0
                   : cli_usage(c,
                               "\"%.40s\" is no limit: a whole number above zero is wanted, of "
                               "memory and unpacked also as 64MiB; --limit-depth goes up to %d",
                               optarg, LIMIT_DEPTH_MAX);
    }
}

static int compare_command(const struct command *c, int argc, char **argv)
{
    struct asked a = {.color = isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == NULL};
    struct compare_report *r = NULL;
    struct err e = ERR_INIT;
    int o, rc, code;

    while ((o = cli_getopt(c, argc, argv, "jH:cy:p:h", options)) != -1)
        if ((rc = take(c, &a, o)) != 0)
            return rc;
    if (optind + 2 != argc)
        return cli_usage(c, "name two files or two folders");
    a.o.step = step;
    a.o.arg = &a.progress;
    progress_begin(&a.progress, "compare", "bytes", 0);
    rc = compare_run(&r, argv[optind], argv[optind + 1], &a.o, &e);
    progress_end(&a.progress);
    if (rc == 0)
        rc = show(r, &a, &e);
    code = rc != 0 ? EXIT_FAILED : r->root->class == COMPARE_IDENTICAL ? EXIT_HELD : EXIT_DIFFERENT;
    if (rc != 0)
        (void)cli_fail(c, &e);
    compare_report_free(r);
    return code;
}

const struct command cli_compare[] = {
    {"compare", "say what makes two files or trees different, to the byte",
     "A B [--json] [--html FILE]",
     "  -j, --json       for programs (docs/formats.md)\n"
     "  -H, --html FILE  also a page that stands alone, for a browser\n"
     "  -c, --color      also where the output is no terminal (NO_COLOR: not even there)\n"
     "  -y, --years Y,Y  the years of both builds: a difference that is exactly this is explained\n"
     "  -p, --paths P,P  the same, of the folders they were made in\n"
     "  --limit-depth N       containers in one another (16)\n"
     "  --limit-findings N    told of one part (100)\n"
     "  --limit-members N     of all containers and folders together (10000000)\n"
     "  --limit-memory SIZE   held unpacked at one time, by each of two children (1GiB)\n"
     "  --limit-seconds N     of CPU of a child (3600)\n"
     "  --limit-unpacked SIZE what streams expand to, in all (64GiB)\n\n"
     "The answer is one word, worst wins: identical, same-content, derived-only, signature-only,\n"
     "metadata-only, explained, unexplained; and what makes it, where.  Only identical means\n"
     "reproduced.  A report longer than the screen goes through $PAGER.\n"
     "Exit 0: identical; 1: different; 2: trouble.\n\n"
     "Example: glarus compare hello_2.10-3_amd64.deb rebuilt/hello_2.10-3_amd64.deb\n",
     compare_command},
    {NULL, NULL, NULL, NULL, NULL}};

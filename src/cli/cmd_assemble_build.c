/* cmd_assemble_build.c - a recipe built, and built again to be compared with what was published. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "assembler/build.h"
#include "assembler/provenance.h"
#include "base/io.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/cmd_assemble_priv.h"
#include "cli/document.h"
#include "compare/compare.h"
#include "people/dsse.h"

struct show {
    bool log;
    struct buf line; /* the last one, as far as it came */
};

/* The log, a line at a time, with nothing in it that a terminal would obey. */
static void say(void *arg, struct span log)
{
    struct show *show = arg;

    for (size_t i = 0; show->log && i < log.n; i++)
        if (buf_putc(&show->line, log.p[i] == 0 ? '?' : log.p[i]) != 0 || log.p[i] == '\n') {
            if (buf_str(&show->line) != NULL)
                (void)cli_put(stderr, (char *)show->line.data);
            buf_reset(&show->line);
        }
}

static void stage(void *arg, const char *what)
{
    (void)fprintf(stderr, "%s\n", what);
}

static int interrupts(int *fd, struct err *e)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0 || (*fd = signalfd(-1, &set, SFD_CLOEXEC)) < 0)
        return err_sys(e, -errno, "waiting for signals");
    return 0;
}

static int put_outputs(const struct outputs *o)
{
    char hex[65];

    for (size_t i = 0; i < o->n; i++) {
        text_digest(hex, &o->v[i].sha256);
        (void)printf("%s  %s\n", hex, o->v[i].path);
    }
    return 0;
}

/* The report of compare to the terminal and OUT/NAME; its class. */
static int report(const char *a, const char *b, const char *out, const char *name,
                  const struct compare_options *known, enum compare_class *class, struct err *e)
{
    struct compare_report *r = NULL;
    struct buf text;
    char path[4096];
    int rc;

    buf_init(&text, (size_t)1 << 30);
    if ((rc = compare_run(&r, a, b, known, e)) == 0 &&
        (rc = compare_text(r, isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == NULL, &text)) ==
            0) {
        *class = r->root->class;
        if (fwrite(text.data, 1, text.len, stdout) != text.len)
            rc = err_set(e, -EIO, "the report");
        buf_reset(&text);
        if (rc == 0 && (rc = compare_json(r, &text)) == 0 &&
            snprintf(path, sizeof(path), "%s/%s", out, name) < (int)sizeof(path))
            rc = cmd_assemble_store(path, &text, e);
    }
    compare_report_free(r);
    buf_free(&text);
    return rc;
}

/* Tells how one build ended; true: it is whole. */
static bool told(const char *which, const struct cell_result *r)
{
    if (r->end == CELL_DONE)
        return true;
    (void)printf("%s: %s\n", which, cell_end_word(r->end));
    (void)fflush(stdout);
    (void)cli_put(stdout, r->why);
    return false;
}

/* OUT/NAME as write(p) has it; with a key (provenance) the envelope too. */
static int put(const struct assemble_ask *a, const char *name, const struct provenance *p,
               int (*write_it)(const struct provenance *p, struct buf *out), bool sign,
               struct err *e)
{
    struct dsse *env = NULL;
    char path[4096];
    struct buf b;
    int rc;

    buf_init(&b, DSSE_MAX_PAYLOAD);
    (void)snprintf(path, sizeof(path), "%s/%s.json", a->out, name);
    if ((rc = write_it(p, &b)) != 0)
        rc = err_sys(e, rc, "\"%s\"", path);
    else if ((rc = cmd_assemble_store(path, &b, e)) == 0 && sign) {
        (void)snprintf(path, sizeof(path), "%s/%s.dsse", a->out, name);
        if ((rc = dsse_new(&env, PROVENANCE_TYPE, buf_span(&b))) == 0 &&
            (rc = document_add_signature(env, a->key, path, e)) == 0) {
            buf_free(&b);
            buf_init(&b, DSSE_MAX_BYTES);
            if ((rc = dsse_write(env, &b)) == 0)
                rc = cmd_assemble_store(path, &b, e);
        }
    }
    dsse_free(env);
    buf_free(&b);
    return rc;
}

/* What the build says of itself, once it is whole. */
static int statements(const struct assemble_ask *a, const struct recipe *r, const struct lock *l,
                      const struct build_result *res, struct err *e)
{
    struct provenance p = {.recipe = r,
                           .lock = l,
                           .outputs = &res->outputs,
                           .builder = a->builder != NULL ? a->builder : "urn:x-assemble:unnamed",
                           .began = res->began,
                           .ended = res->ended,
                           .again = !a->once,
                           .equal = res->equal};
    int rc;

    if ((rc = put(a, "provenance", &p, provenance_statement, a->key != NULL, e)) != 0 ||
        (rc = put(a, "sbom.spdx", &p, provenance_spdx, false, e)) != 0)
        return rc;
    return put(a, "sbom.cdx", &p, provenance_cyclonedx, false, e);
}

static int run(const struct command *c, const struct assemble_ask *a, struct build_result *res,
               struct err *e)
{
    struct show show = {.log = !a->quiet};
    char folder[4096];
    struct build_spec s = {.packages = a->packages,
                           .out = a->out,
                           .work = a->work,
                           .again = !a->once,
                           .cancel = -1,
                           .say = say,
                           .stage = stage,
                           .arg = &show};
    struct recipe *r = NULL;
    struct lock l = {.n = 0};
    int rc;

    buf_init(&show.line, 65536);
    (void)snprintf(folder, sizeof(folder), "%s", a->recipe);
    s.sources = a->sources != NULL ? a->sources : dirname(folder);
    if ((rc = cmd_assemble_recipe(&r, a->recipe, e)) == 0 &&
        (rc = cmd_assemble_lock(&l, a->lock, e)) == 0 && (rc = interrupts(&s.cancel, e)) == 0) {
        s.recipe = r;
        s.lock = &l;
        (void)fflush(stdout);
        if ((rc = build_run(res, &s, e)) == 0 && res->made)
            rc = statements(a, r, &l, res, e);
    }
    io_close(&s.cancel);
    buf_free(&show.line);
    lock_done(&l);
    recipe_free(r);
    return rc;
}

static int build_command(const struct command *c, int argc, char **argv)
{
    struct build_result res = {.made = false, .first.folder = -1, .second.folder = -1};
    enum compare_class class = COMPARE_UNEXPLAINED;
    char one[4096], two[4096];
    struct err e = ERR_INIT;
    struct assemble_ask a;
    int rc, code;

    if ((rc = cmd_assemble_options(c, argc, argv, "l:p:o:s:w:k:b:1qh", &a)) != 0)
        return rc;
    if (optind + 1 != argc || a.lock == NULL || a.packages == NULL || a.out == NULL)
        return cli_usage(c, "name one recipe, --lock, --packages and --out");
    a.recipe = argv[optind];
    if ((rc = run(c, &a, &res, &e)) != 0) {
        build_done(&res);
        return cli_fail(c, &e);
    }
    code = told("build", &res.first) ? EXIT_HELD : EXIT_FALSE;
    if (code == EXIT_HELD)
        (void)put_outputs(&res.outputs);
    if (code == EXIT_HELD && !a.once) {
        code = res.equal ? EXIT_HELD : EXIT_FALSE;
        if (res.equal)
            (void)puts("equal: built again with everything varied, to the byte");
        else if (told("second build", &res.second)) {
            (void)puts("NOT equal when built again with everything varied:");
            (void)fflush(stdout);
            (void)snprintf(one, sizeof(one), "%s/outputs", a.out);
            (void)snprintf(two, sizeof(two), "%s/varied", a.out);
            if (report(one, two, a.out, "varied.json", NULL, &class, &e) != 0)
                code = cli_fail(c, &e);
        }
    }
    build_done(&res);
    return code;
}

/* What is compared with what was published: a folder with all outputs, a file with its namesake. */
static int counterpart(const struct assemble_ask *a, const struct outputs *o, char out[4096],
                       struct err *e)
{
    const char *name = strrchr(a->published, '/'), *base;
    DIR *folder = opendir(a->published);

    name = name != NULL ? name + 1 : a->published;
    if (folder != NULL) {
        (void)closedir(folder);
        (void)snprintf(out, 4096, "%s/outputs", a->out);
        return 0;
    }
    for (size_t i = 0; i < o->n; i++) {
        base = strrchr(o->v[i].path, '/');
        if (strcmp(base != NULL ? base + 1 : o->v[i].path, name) != 0)
            continue;
        (void)snprintf(out, 4096, "%s/outputs/%s", a->out, o->v[i].path);
        return 0;
    }
    return err_set(e, -EINVAL, "the build made no \"%s\" to compare with", name);
}

/* The year of the published build, if it is known, and of ours. */
static int years(const char *published, const struct build_result *res, uint64_t out[2],
                 struct err *e)
{
    char now[CLOCK_SECOND_LEN + 1];

    clock_second(now, res->began);
    if (published == NULL)
        return 0;
    if (text_u64(span_str(published), 9999, &out[0]) != 0 || out[0] < 1970)
        return err_set(e, -EINVAL, "--year must be a year, as 2022");
    return text_u64(span_of(now, 4), 9999, &out[1]);
}

static int rebuild_command(const struct command *c, int argc, char **argv)
{
    struct build_result res = {.made = false, .first.folder = -1, .second.folder = -1};
    enum compare_class class = COMPARE_UNEXPLAINED;
    struct compare_options known = {.depth = 0};
    struct err e = ERR_INIT;
    char ours[4096];
    struct assemble_ask a;
    int rc, code;

    if ((rc = cmd_assemble_options(c, argc, argv, "l:p:o:s:w:P:k:b:y:qh", &a)) != 0)
        return rc;
    if (optind + 1 != argc || a.lock == NULL || a.packages == NULL || a.out == NULL ||
        a.published == NULL)
        return cli_usage(c, "name one recipe, --lock, --packages, --out and --published");
    a.recipe = argv[optind];
    a.once = true;
    if (access(a.published, R_OK) != 0)
        rc = err_sys(&e, -errno, "what was published, \"%s\"", a.published);
    else
        rc = run(c, &a, &res, &e);
    code = rc == 0 && told("rebuild", &res.first) ? EXIT_HELD : EXIT_FALSE;
    if (code == EXIT_HELD && (rc = years(a.year, &res, known.years, &e)) == 0 &&
        (rc = counterpart(&a, &res.outputs, ours, &e)) == 0 &&
        (rc = report(a.published, ours, a.out, "compare.json", &known, &class, &e)) == 0) {
        (void)printf("%s\n", compare_class_word(class));
        code = class == COMPARE_IDENTICAL ? EXIT_HELD : EXIT_FALSE;
    }
    build_done(&res);
    return rc != 0 ? cli_fail(c, &e) : code;
}

const struct command cli_assemble_build[] = {
    {"assemble build", "build a recipe, twice, in a root made of the lock's packages",
     "RECIPE --lock LOCK --packages FOLDER --out FOLDER",
     "  -l, --lock LOCK           which packages\n"
     "  -p, --packages FOLDER     where they are\n"
     "  -s, --sources FOLDER      where the sources are [beside the recipe]\n"
     "  -o, --out FOLDER          made: outputs/, log.txt, provenance, bills of material\n"
     "  -w, --work FOLDER         where roots are kept [/var/tmp/assemble-UID]\n"
     "  -k, --key KEY             signs the provenance (a file, or a token's pkcs11: URI)\n"
     "  -b, --builder URI         who builds, as the provenance has it\n"
     "  -1, --once                not a second time with everything varied\n"
     "  -q, --quiet               the log goes to its file only\n\n"
     "Exit 0: built, and equal when built again; 1: not, or stopped, and why; 3: it could not be\n"
     "tried.\n\n"
     "Example: glarus assemble build src/sed.yaml --lock sed.lock --packages kept --out made\n",
     build_command},
    {"assemble rebuild", "build what somebody published, and compare",
     "RECIPE --lock LOCK --packages FOLDER --published PATH --out FOLDER",
     "  -l, --lock LOCK           which packages\n"
     "  -p, --packages FOLDER     where they are\n"
     "  -s, --sources FOLDER      where the sources are [beside the recipe]\n"
     "  -P, --published PATH      a file that the build makes too, or a folder of all of them\n"
     "  -o, --out FOLDER          made: outputs/, log.txt, provenance, bills of material, "
     "compare.json\n"
     "  -w, --work FOLDER         where roots are kept [/var/tmp/assemble-UID]\n"
     "  -y, --year YEAR           when the published one was built, if you know: what differs in\n"
     "                            exactly that is explained\n"
     "  -k, --key KEY, -b, --builder URI   as of assemble build\n"
     "  -q, --quiet               the log goes to its file only\n\n"
     "The last line is the one word of glarus compare.  Exit 0 only if it is \"identical\".\n\n"
     "Example: glarus assemble rebuild src/sed.yaml --lock sed.lock --packages kept \\\n"
     "           --published sed_4.9-1_amd64.deb --out again\n",
     rebuild_command},
    {NULL, NULL, NULL, NULL, NULL}};

/* cmd_assemble_build.c - a recipe is built, and what the build says of itself is written. */
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
#include "base/progress.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/cmd_assemble_priv.h"
#include "cli/document.h"
#include "compare/compare.h"
#include "people/dsse.h"

struct show {
    bool log;             /* all of it; else its last line only, where that can be overwritten */
    struct buf line;      /* the last one, as far as it came */
    struct progress last; /* of a stage */
    uint64_t lines;       /* in it */
};

static void show_line(struct show *show)
{
    struct buf plain;

    show->lines++;
    if (buf_str(&show->line) == NULL)
        return;
    if (show->log) {
        (void)cli_put(stderr, (char *)show->line.data);
        return;
    }
    buf_init(&plain, 1 << 20);
    if (show->line.len > 1 &&
        text_plain(&plain, span_of(show->line.data, show->line.len - 1)) == 0 &&
        buf_str(&plain) != NULL)
        progress_tell(&show->last, show->lines, (char *)plain.data);
    buf_free(&plain);
}

/* The log, a line at a time, with nothing in it that a terminal would obey. */
static void say(void *arg, struct span log)
{
    struct show *show = arg;

    for (size_t i = 0; i < log.n; i++)
        if (buf_putc(&show->line, log.p[i] == 0 ? '?' : log.p[i]) != 0 || log.p[i] == '\n') {
            show_line(show);
            buf_reset(&show->line);
        }
}

static void stage(void *arg, const char *what)
{
    struct show *show = arg;

    progress_end(&show->last);
    (void)fprintf(stderr, "%s\n", what);
    show->lines = 0;
    progress_begin(&show->last, what, "lines", 0);
}

static int interrupts(int *fd, sigset_t *was, struct err *e)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_BLOCK, &set, was) != 0 || (*fd = signalfd(-1, &set, SFD_CLOEXEC)) < 0)
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

int cmd_assemble_build_report(const char *a, const char *b, const char *out, const char *name,
                              const struct compare_options *known, enum compare_class *class,
                              struct err *e)
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

bool cmd_assemble_build_told(const char *which, const struct cell_result *r)
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

static int fill(struct product *p, const struct assemble_ask *a, const struct recipe *r,
                const struct outputs *made, struct err *e)
{
    if (snprintf(p->name, sizeof(p->name), "%s", a->name != NULL ? a->name : r->name) >=
            (int)sizeof(p->name) ||
        snprintf(p->version, sizeof(p->version), "%s", r->version) >= (int)sizeof(p->version) ||
        snprintf(p->site, sizeof(p->site), "%s", a->site) >= (int)sizeof(p->site) ||
        snprintf(p->zone, sizeof(p->zone), "%s", a->zone) >= (int)sizeof(p->zone))
        return err_set(e, -EINVAL, "the product's name, version, site or zone is too long");
    if (r->sources[0].kind == SOURCE_GIT)
        return err_set(e, -EINVAL,
                       "a product names its source by SHA-256, and the commit of \"%s\" has none: "
                       "name an archive of it in the recipe",
                       r->sources[0].where);
    p->source = r->sources[0].sha256;
    if (made->n == 0 || made->n > PRODUCT_MAX_ARTIFACTS)
        return err_set(e, -EINVAL, "a product has 1 to %d files, the build made %zu",
                       PRODUCT_MAX_ARTIFACTS, made->n);
    if ((p->artifact = calloc(made->n, sizeof(*p->artifact))) == NULL)
        return err_sys(e, -ENOMEM, "the product");
    for (; p->artifacts < made->n; p->artifacts++) {
        struct product_artifact *one = &p->artifact[p->artifacts];
        const struct output *o = &made->v[p->artifacts];

        one->sha256 = o->sha256;
        one->size = o->size;
        if (snprintf(one->name, sizeof(one->name), "%s", o->path) >= (int)sizeof(one->name))
            return err_set(e, -EINVAL, "\"%s\" is longer than %d characters", o->path,
                           PRODUCT_FILE_MAX);
    }
    return 0;
}

/* The product as this build has it, for supervisors: what it names lies beside it. */
static int describe(const struct assemble_ask *a, const struct recipe *r,
                    const struct build_result *res, struct err *e)
{
    static const char *const name[BUNDLE_PARTS] = {"product.yaml", "recipe.yaml", "lock.yaml",
                                                   "provenance.dsse", "sbom.spdx.json"};
    char path[BUNDLE_PARTS][4096];
    const char *part[BUNDLE_PARTS];
    struct product p;
    int rc;

    memset(&p, 0, sizeof(p));
    for (size_t i = 0; i < BUNDLE_PARTS; i++) {
        (void)snprintf(path[i], sizeof(path[i]), "%s/%s", a->out, name[i]);
        part[i] = path[i];
    }
    if ((rc = fill(&p, a, r, &res->outputs, e)) == 0)
        rc = cmd_assemble_product_write(&p, part, a->after, part[BUNDLE_ENVELOPE], e);
    product_done(&p);
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
    rc = put(a, "sbom.cdx", &p, provenance_cyclonedx, false, e);
    return rc != 0 || a->site == NULL ? rc : describe(a, r, res, e);
}

/* A product's recipe and lock go with it. */
static int keep(const struct assemble_ask *a, const struct buf *recipe, const struct buf *lock,
                struct err *e)
{
    char path[4096];
    int rc;

    if (a->site == NULL)
        return 0;
    (void)snprintf(path, sizeof(path), "%s/recipe.yaml", a->out);
    if ((rc = cmd_assemble_store(path, recipe, e)) != 0)
        return rc;
    (void)snprintf(path, sizeof(path), "%s/lock.yaml", a->out);
    return cmd_assemble_store(path, lock, e);
}

int cmd_assemble_build(const struct assemble_ask *a, struct build_result *res, struct err *e)
{
    struct show show = {.log = !a->quiet, .lines = 0};
    char folder[4096];
    struct build_spec s = {.packages = a->packages,
                           .out = a->out,
                           .work = a->work,
                           .again = !a->once,
                           .cancel = -1,
                           .say = say,
                           .stage = stage,
                           .arg = &show};
    struct buf recipe, lock;
    struct recipe *r = NULL;
    struct lock l = {.n = 0};
    sigset_t was;
    int rc;

    buf_init(&show.line, 65536);
    buf_init(&recipe, DSSE_MAX_BYTES);
    buf_init(&lock, DSSE_MAX_BYTES);
    progress_begin(&show.last, "", "", 0);
    (void)snprintf(folder, sizeof(folder), "%s", a->recipe);
    s.sources = a->sources != NULL ? a->sources : dirname(folder);
    if ((rc = cmd_assemble_recipe(&r, a->recipe, &recipe, e)) == 0 &&
        (rc = cmd_assemble_lock(&l, a->lock, &lock, e)) == 0 &&
        (rc = interrupts(&s.cancel, &was, e)) == 0) {
        s.recipe = r;
        s.lock = &l;
        (void)fflush(stdout);
        if ((rc = build_run(res, &s, e)) == 0 && res->made &&
            (rc = keep(a, &recipe, &lock, e)) == 0)
            rc = statements(a, r, &l, res, e);
        /* what is compared now ends as any program does; a cancelled build is told first */
        if (res->first.end != CELL_CANCELLED && res->second.end != CELL_CANCELLED)
            (void)sigprocmask(SIG_SETMASK, &was, NULL);
    }
    progress_end(&show.last);
    io_close(&s.cancel);
    buf_free(&show.line);
    buf_free(&recipe);
    buf_free(&lock);
    lock_done(&l);
    recipe_free(r);
    return rc;
}

int cmd_assemble_build_again(const struct command *c, const struct assemble_ask *a,
                             const struct build_result *res)
{
    enum compare_class class = COMPARE_UNEXPLAINED;
    char one[4096], two[4096];
    struct err e = ERR_INIT;

    if (res->equal) {
        (void)puts("equal: built again with everything varied, to the byte");
        return EXIT_HELD;
    }
    if (!cmd_assemble_build_told("second build", &res->second))
        return EXIT_FALSE;
    (void)puts("NOT equal when built again with everything varied:");
    (void)fflush(stdout);
    (void)snprintf(one, sizeof(one), "%s/outputs", a->out);
    (void)snprintf(two, sizeof(two), "%s/varied", a->out);
    if (cmd_assemble_build_report(one, two, a->out, "varied.json", NULL, &class, &e) != 0)
        return cli_fail(c, &e);
    return EXIT_FALSE;
}

static int build_command(const struct command *c, int argc, char **argv)
{
    struct build_result res = {.made = false, .first.folder = -1, .second.folder = -1};
    struct err e = ERR_INIT;
    struct assemble_ask a;
    int rc, code;

    if ((rc = cmd_assemble_options(c, argc, argv, "l:p:o:s:w:k:b:S:z:a:n:1qh", &a)) != 0)
        return rc;
    if (optind + 1 != argc || a.lock == NULL || a.packages == NULL || a.out == NULL)
        return cli_usage(c, "name one recipe, --lock, --packages and --out");
    if ((a.site == NULL) != (a.zone == NULL) || (a.site != NULL && a.key == NULL) ||
        (a.site == NULL && (a.after != NULL || a.name != NULL)))
        return cli_usage(c, "a product takes --site, --zone and --key (--name, --after)");
    a.recipe = argv[optind];
    if ((rc = cmd_assemble_build(&a, &res, &e)) != 0) {
        build_done(&res);
        return cli_fail(c, &e);
    }
    code = cmd_assemble_build_told("build", &res.first) ? EXIT_HELD : EXIT_FALSE;
    if (code == EXIT_HELD)
        (void)put_outputs(&res.outputs);
    if (code == EXIT_HELD && !a.once)
        code = cmd_assemble_build_again(c, &a, &res);
    build_done(&res);
    return code;
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
     "  -S, --site SITE, -z, --zone ZONE   where this is: product.yaml, for supervisors to sign,\n"
     "                            is written too, and the recipe and lock beside it; takes --key\n"
     "  -a, --after ENVELOPE      the product before of that name, as published [none: the first]\n"
     "  -n, --name NAME           of the product [the recipe's]\n"
     "  -1, --once                not a second time with everything varied\n"
     "  -q, --quiet               the log goes to its file, its last line to a terminal\n\n"
     "Exit 0: built, and equal when built again; 1: not, or stopped, and why; 3: it could not be\n"
     "tried.\n\n"
     "Example: glarus assemble build src/sed.yaml --lock sed.lock --packages kept --out made\n",
     build_command},
    {NULL, NULL, NULL, NULL, NULL}};

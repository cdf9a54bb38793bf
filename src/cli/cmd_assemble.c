/* cmd_assemble.c - recipes, locks, builds, rebuilds (docs/assemble.md). */
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
#include "assembler/ready.h"
#include "assembler/resolve.h"
#include "base/io.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/document.h"
#include "compare/compare.h"
#include "crypto/sha256.h"
#include "people/dsse.h"

#define TEXT_MAX ((size_t)4 << 20)

struct ask {
    const char *recipe, *lock, *packages, *out, *sources, *work, *published, *debian, *tree, *tar,
        *name, *version, *key, *builder, *year;
    bool once, quiet;
};

static const struct option options[] = {
    {"lock", required_argument, NULL, 'l'},    {"packages", required_argument, NULL, 'p'},
    {"out", required_argument, NULL, 'o'},     {"sources", required_argument, NULL, 's'},
    {"work", required_argument, NULL, 'w'},    {"published", required_argument, NULL, 'P'},
    {"debian", required_argument, NULL, 'd'},  {"tree", required_argument, NULL, 'T'},
    {"tar", required_argument, NULL, 't'},     {"name", required_argument, NULL, 'n'},
    {"version", required_argument, NULL, 'v'}, {"key", required_argument, NULL, 'k'},
    {"builder", required_argument, NULL, 'b'}, {"year", required_argument, NULL, 'y'},
    {"once", no_argument, NULL, '1'},          {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0}};

/* Which options a command has is one string, as of getopt; a long one counts by its letter. */
static int options_of(const struct command *c, int argc, char **argv, const char *known,
                      struct ask *a)
{
    int o;

    memset(a, 0, sizeof(*a));
    while ((o = cli_getopt(c, argc, argv, known, options)) != -1) {
        const char **to = o == 'l'   ? &a->lock
                          : o == 'p' ? &a->packages
                          : o == 'o' ? &a->out
                          : o == 's' ? &a->sources
                          : o == 'w' ? &a->work
                          : o == 'P' ? &a->published
                          : o == 'd' ? &a->debian
                          : o == 'T' ? &a->tree
                          : o == 't' ? &a->tar
                          : o == 'n' ? &a->name
                          : o == 'v' ? &a->version
                          : o == 'k' ? &a->key
                          : o == 'b' ? &a->builder
                          : o == 'y' ? &a->year
                                     : NULL;
        if (strchr(known, o) == NULL)
            return cli_usage(c, "that option is for another \"assemble\"");
        if (to != NULL)
            *to = optarg;
        a->once = a->once || o == '1';
        a->quiet = a->quiet || o == 'q';
    }
    return 0;
}

static int read_text(const char *path, struct buf *text, struct err *e)
{
    int rc;

    buf_init(text, DSSE_MAX_BYTES);
    rc = io_read_file(AT_FDCWD, path, text);
    return rc == 0 ? 0 : err_sys(e, rc, "reading \"%s\"", path);
}

/* A recipe, or an envelope around one; who signed it is shown. */
static int load_recipe(struct recipe **out, const char *path, struct err *e)
{
    struct dsse *env = NULL;
    struct span payload;
    struct buf text;
    int rc = read_text(path, &text, e);

    if (rc == 0 && text.len > 0 && text.data[0] == '{') {
        if ((rc = dsse_parse(&env, buf_span(&text), e)) != 0)
            (void)err_prefix(e, "%s", path);
        else if (strcmp(dsse_type(env), RECIPE_TYPE) != 0)
            rc = err_set(e, -EINVAL, "\"%s\" is an envelope of type %s, not %s", path,
                         dsse_type(env), RECIPE_TYPE);
    }
    payload = env != NULL && rc == 0 ? dsse_payload(env) : buf_span(&text);
    if (rc == 0)
        rc = recipe_parse(out, path, payload, e);
    for (size_t i = 0; rc == 0 && env != NULL && i < dsse_count(env); i++)
        (void)printf("recipe: carries a signature of key %.16s... (not checked against anybody)\n",
                     dsse_keyid(env, i));
    dsse_free(env);
    buf_free(&text);
    return rc;
}

static int load_lock(struct lock *out, const char *path, struct err *e)
{
    struct buf text;
    int rc = read_text(path, &text, e);

    memset(out, 0, sizeof(*out));
    if (rc == 0)
        rc = lock_parse(out, path, buf_span(&text), e);
    buf_free(&text);
    return rc;
}

static int store(const char *path, const struct buf *b, struct err *e)
{
    int rc = io_replace_file(AT_FDCWD, path, b->data, b->len, 0644);

    return rc == 0 ? 0 : err_sys(e, rc, "writing \"%s\"", path);
}

/* "assemble recipe" */

static int make_recipe(const struct ask *a, struct buf *text, struct err *e)
{
    struct ready_tree t = {a->name, a->version, a->tree != NULL ? a->tree : a->tar, clock_now()};
    const char *folder = a->sources != NULL ? a->sources : ".";
    enum ready_system system;
    char dsc[256];
    int rc;

    if (a->debian == NULL) {
        if ((rc = ready_tree(text, &t, &system, e)) == 0)
            (void)printf("built with %s\n", ready_system_word(system));
        return rc;
    }
    if ((rc = resolve_source(a->debian, folder, dsc, e)) != 0)
        return rc;
    (void)printf("source: %s/%s and what it lists\n", folder, dsc);
    return ready_debian(text, folder, dsc, e);
}

static int recipe_command(const struct command *c, int argc, char **argv)
{
    struct recipe *r = NULL;
    struct err e = ERR_INIT;
    struct buf text;
    struct ask a;
    int rc;

    if ((rc = options_of(c, argc, argv, "d:t:T:n:v:s:o:h", &a)) != 0)
        return rc;
    if (optind != argc || a.out == NULL ||
        (a.debian != NULL) + (a.tree != NULL) + (a.tar != NULL) != 1)
        return cli_usage(c, "name --out, and one of --debian, --tar and --tree");
    if (a.debian == NULL && (a.name == NULL || a.version == NULL))
        return cli_usage(c, "a tree needs --name and --version");
    buf_init(&text, TEXT_MAX);
    if ((rc = make_recipe(&a, &text, &e)) == 0 &&
        (rc = recipe_parse(&r, a.out, buf_span(&text), &e)) == 0 &&
        (rc = store(a.out, &text, &e)) == 0)
        (void)printf("%s: %s %s\n", a.out, r->name, r->version);
    recipe_free(r);
    buf_free(&text);
    return rc == 0 ? EXIT_HELD : cli_fail(c, &e);
}

/* "assemble sign-recipe": a recipe and its envelope, as other documents */

static int add_to_envelope(const struct ask *a, struct span text, const char *to, struct err *e)
{
    struct dsse *env = NULL;
    struct buf bytes;
    int rc;

    buf_init(&bytes, DSSE_MAX_BYTES);
    if (text.n > 0 && text.p[0] == '{')
        rc = dsse_parse(&env, text, e);
    else if ((rc = dsse_new(&env, RECIPE_TYPE, text)) != 0)
        (void)err_sys(e, rc, "\"%s\"", a->recipe);
    if (rc == 0 && (rc = document_add_signature(env, a->key, a->recipe, e)) == 0 &&
        (rc = dsse_write(env, &bytes)) == 0 && (rc = store(to, &bytes, e)) == 0)
        (void)printf("%s: %zu signature%s\n", to, dsse_count(env), dsse_count(env) == 1 ? "" : "s");
    dsse_free(env);
    buf_free(&bytes);
    return rc;
}

static int sign_command(const struct command *c, int argc, char **argv)
{
    struct recipe *r = NULL;
    struct err e = ERR_INIT;
    char made[4096];
    struct buf text;
    struct ask a;
    int rc;

    if ((rc = options_of(c, argc, argv, "k:o:h", &a)) != 0)
        return rc;
    if (optind + 1 != argc || a.key == NULL)
        return cli_usage(c, "name one recipe and --key");
    a.recipe = argv[optind];
    if ((rc = load_recipe(&r, a.recipe, &e)) == 0 && (rc = read_text(a.recipe, &text, &e)) == 0) {
        (void)snprintf(made, sizeof(made), "%s%s", a.recipe, text.data[0] == '{' ? "" : ".dsse");
        rc = add_to_envelope(&a, buf_span(&text), a.out != NULL ? a.out : made, &e);
        buf_free(&text);
    }
    recipe_free(r);
    return rc == 0 ? EXIT_HELD : cli_fail(c, &e);
}

/* "assemble lock" */

static int lock_command(const struct command *c, int argc, char **argv)
{
    struct recipe *r = NULL;
    struct lock l = {.n = 0};
    struct err e = ERR_INIT;
    struct buf text;
    struct ask a;
    int rc;

    if ((rc = options_of(c, argc, argv, "o:p:h", &a)) != 0)
        return rc;
    if (optind + 1 != argc || a.out == NULL || a.packages == NULL)
        return cli_usage(c, "name one recipe, --out and --packages");
    buf_init(&text, TEXT_MAX);
    if ((rc = load_recipe(&r, argv[optind], &e)) == 0 &&
        (rc = resolve_toolchain(&l, r, a.packages, &e)) == 0 && (rc = lock_write(&l, &text)) == 0 &&
        (rc = store(a.out, &text, &e)) == 0)
        (void)printf("%s: %zu packages, kept in %s\n", a.out, l.n, a.packages);
    lock_done(&l);
    recipe_free(r);
    buf_free(&text);
    return rc == 0 ? EXIT_HELD : cli_fail(c, &e);
}

/* "assemble build" and "assemble rebuild" */

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
            rc = store(path, &text, e);
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
static int put(const struct ask *a, const char *name, const struct provenance *p,
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
    else if ((rc = store(path, &b, e)) == 0 && sign) {
        (void)snprintf(path, sizeof(path), "%s/%s.dsse", a->out, name);
        if ((rc = dsse_new(&env, PROVENANCE_TYPE, buf_span(&b))) == 0 &&
            (rc = document_add_signature(env, a->key, path, e)) == 0) {
            buf_free(&b);
            buf_init(&b, DSSE_MAX_BYTES);
            if ((rc = dsse_write(env, &b)) == 0)
                rc = store(path, &b, e);
        }
    }
    dsse_free(env);
    buf_free(&b);
    return rc;
}

/* What the build says of itself, once it is whole. */
static int statements(const struct ask *a, const struct recipe *r, const struct lock *l,
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

static int run(const struct command *c, const struct ask *a, struct build_result *res,
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
    if ((rc = load_recipe(&r, a->recipe, e)) == 0 && (rc = load_lock(&l, a->lock, e)) == 0 &&
        (rc = interrupts(&s.cancel, e)) == 0) {
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
    struct ask a;
    int rc, code;

    if ((rc = options_of(c, argc, argv, "l:p:o:s:w:k:b:1qh", &a)) != 0)
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
static int counterpart(const struct ask *a, const struct outputs *o, char out[4096], struct err *e)
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
    struct ask a;
    int rc, code;

    if ((rc = options_of(c, argc, argv, "l:p:o:s:w:P:k:b:y:qh", &a)) != 0)
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

const struct command cli_assemble[] = {
    {"assemble recipe", "write a recipe: for a Debian source package, an archive, a folder",
     "(--debian SRC[=VERSION] | --tar FILE | --tree FOLDER) --out RECIPE",
     "  -d, --debian SRC=VERSION  fetch that source package and write its recipe\n"
     "  -s, --sources FOLDER      where it is kept [.]\n"
     "  -t, --tar FILE            an archive with a meson.build, CMakeLists.txt, configure or\n"
     "                            Makefile\n"
     "  -T, --tree FOLDER         a folder with one\n"
     "  -n, --name NAME, -v, --version VERSION   of the archive or folder\n"
     "  -o, --out RECIPE          the file to write\n\n"
     "Example: glarus assemble recipe --debian sed --sources src --out src/sed.yaml\n",
     recipe_command},
    {"assemble sign-recipe", "sign a recipe", "RECIPE --key KEY [--out ENVELOPE]",
     "  -k, --key KEY             a key file, or a token's pkcs11: URI\n"
     "  -o, --out ENVELOPE        [RECIPE.dsse, or the envelope that RECIPE is]\n\n"
     "Builds take the envelope as they take the recipe, and a lock is of the recipe in it.\n\n"
     "Example: glarus assemble sign-recipe src/sed.yaml --key builder.pem\n",
     sign_command},
    {"assemble lock", "resolve a recipe's toolchain to packages by digest, and keep them",
     "RECIPE --out LOCK --packages FOLDER",
     "  -o, --out LOCK            the file to write\n"
     "  -p, --packages FOLDER     where the packages are kept; a build needs no others\n\n"
     "Example: glarus assemble lock src/sed.yaml --out sed.lock --packages kept\n",
     lock_command},
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

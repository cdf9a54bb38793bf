/* cmd_assemble.c - recipes and locks (docs/assemble.md). */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "assembler/ready.h"
#include "assembler/resolve.h"
#include "base/io.h"
#include "cli/cli.h"
#include "cli/cmd_assemble_priv.h"
#include "cli/document.h"
#include "people/dsse.h"

#define TEXT_MAX ((size_t)4 << 20)

static const struct option options[] = {{"lock", required_argument, NULL, 'l'},
                                        {"packages", required_argument, NULL, 'p'},
                                        {"out", required_argument, NULL, 'o'},
                                        {"sources", required_argument, NULL, 's'},
                                        {"work", required_argument, NULL, 'w'},
                                        {"debian", required_argument, NULL, 'd'},
                                        {"tree", required_argument, NULL, 'T'},
                                        {"tar", required_argument, NULL, 't'},
                                        {"name", required_argument, NULL, 'n'},
                                        {"version", required_argument, NULL, 'v'},
                                        {"key", required_argument, NULL, 'k'},
                                        {"builder", required_argument, NULL, 'b'},
                                        {"site", required_argument, NULL, 'S'},
                                        {"zone", required_argument, NULL, 'z'},
                                        {"after", required_argument, NULL, 'a'},
                                        {"once", no_argument, NULL, '1'},
                                        {"quiet", no_argument, NULL, 'q'},
                                        {"help", no_argument, NULL, 'h'},
                                        {NULL, 0, NULL, 0}};

int cmd_assemble_options(const struct command *c, int argc, char **argv, const char *known,
                         struct assemble_ask *a)
{
    int o;

    memset(a, 0, sizeof(*a));
    while ((o = cli_getopt(c, argc, argv, known, options)) != -1) {
        const char **to = o == 'l'   ? &a->lock
                          : o == 'p' ? &a->packages
                          : o == 'o' ? &a->out
                          : o == 's' ? &a->sources
                          : o == 'w' ? &a->work
                          : o == 'd' ? &a->debian
                          : o == 'T' ? &a->tree
                          : o == 't' ? &a->tar
                          : o == 'n' ? &a->name
                          : o == 'v' ? &a->version
                          : o == 'k' ? &a->key
                          : o == 'b' ? &a->builder
                          : o == 'S' ? &a->site
                          : o == 'z' ? &a->zone
                          : o == 'a' ? &a->after
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

int cmd_assemble_read(const char *path, struct buf *text, struct err *e)
{
    int rc;

    buf_init(text, DSSE_MAX_BYTES);
    rc = io_read_file(AT_FDCWD, path, text);
    return rc == 0 ? 0 : err_sys(e, rc, "reading \"%s\"", path);
}

int cmd_assemble_recipe(struct recipe **out, const char *path, struct buf *own, struct err *e)
{
    struct dsse *env = NULL;
    struct span payload;
    struct buf text;
    int rc = cmd_assemble_read(path, &text, e);

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
    if (rc == 0 && own != NULL)
        rc = buf_put(own, payload.p, payload.n);
    for (size_t i = 0; rc == 0 && env != NULL && i < dsse_count(env); i++)
        (void)printf("recipe: carries a signature of key %.16s... (not checked against anybody)\n",
                     dsse_keyid(env, i));
    dsse_free(env);
    buf_free(&text);
    return rc;
}

int cmd_assemble_lock(struct lock *out, const char *path, struct buf *own, struct err *e)
{
    struct buf text;
    int rc = cmd_assemble_read(path, &text, e);

    memset(out, 0, sizeof(*out));
    if (rc == 0)
        rc = lock_parse(out, path, buf_span(&text), e);
    if (rc == 0 && own != NULL)
        rc = buf_put(own, text.data, text.len);
    buf_free(&text);
    return rc;
}

int cmd_assemble_store(const char *path, const struct buf *b, struct err *e)
{
    int rc = io_replace_file(AT_FDCWD, path, b->data, b->len, 0644);

    return rc == 0 ? 0 : err_sys(e, rc, "writing \"%s\"", path);
}

/* "assemble recipe" */

static int make_recipe(const struct assemble_ask *a, struct buf *text, struct err *e)
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
    struct assemble_ask a;
    int rc;

    if ((rc = cmd_assemble_options(c, argc, argv, "d:t:T:n:v:s:o:h", &a)) != 0)
        return rc;
    if (optind != argc || a.out == NULL ||
        (a.debian != NULL) + (a.tree != NULL) + (a.tar != NULL) != 1)
        return cli_usage(c, "name --out, and one of --debian, --tar and --tree");
    if (a.debian == NULL && (a.name == NULL || a.version == NULL))
        return cli_usage(c, "a tree needs --name and --version");
    buf_init(&text, TEXT_MAX);
    if ((rc = make_recipe(&a, &text, &e)) == 0 &&
        (rc = recipe_parse(&r, a.out, buf_span(&text), &e)) == 0 &&
        (rc = cmd_assemble_store(a.out, &text, &e)) == 0)
        (void)printf("%s: %s %s\n", a.out, r->name, r->version);
    recipe_free(r);
    buf_free(&text);
    return rc == 0 ? EXIT_HELD : cli_fail(c, &e);
}

/* "assemble sign-recipe": a recipe and its envelope, as other documents */

static int add_to_envelope(const struct assemble_ask *a, struct span text, const char *to,
                           struct err *e)
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
        (rc = dsse_write(env, &bytes)) == 0 && (rc = cmd_assemble_store(to, &bytes, e)) == 0)
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
    struct assemble_ask a;
    int rc;

    if ((rc = cmd_assemble_options(c, argc, argv, "k:o:h", &a)) != 0)
        return rc;
    if (optind + 1 != argc || a.key == NULL)
        return cli_usage(c, "name one recipe and --key");
    a.recipe = argv[optind];
    if ((rc = cmd_assemble_recipe(&r, a.recipe, NULL, &e)) == 0 &&
        (rc = cmd_assemble_read(a.recipe, &text, &e)) == 0) {
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
    struct assemble_ask a;
    int rc;

    if ((rc = cmd_assemble_options(c, argc, argv, "o:p:h", &a)) != 0)
        return rc;
    if (optind + 1 != argc || a.out == NULL || a.packages == NULL)
        return cli_usage(c, "name one recipe, --out and --packages");
    buf_init(&text, TEXT_MAX);
    if ((rc = cmd_assemble_recipe(&r, argv[optind], NULL, &e)) == 0 &&
        (rc = resolve_toolchain(&l, r, a.packages, &e)) == 0 && (rc = lock_write(&l, &text)) == 0 &&
        (rc = cmd_assemble_store(a.out, &text, &e)) == 0)
        (void)printf("%s: %zu packages, kept in %s\n", a.out, l.n, a.packages);
    lock_done(&l);
    recipe_free(r);
    buf_free(&text);
    return rc == 0 ? EXIT_HELD : cli_fail(c, &e);
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
    {NULL, NULL, NULL, NULL, NULL}};

/* cmd_assemble_rebuild.c - what somebody published is built again and compared: from a recipe and
 * what lies about, or from a bundle that is here or in an update repository, and then the word is
 * signed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "assembler/offline.h"
#include "assembler/product_proof.h"
#include "assembler/proven.h"
#include "base/io.h"
#include "base/text.h"
#include "claims/trust.h"
#include "cli/cli.h"
#include "cli/cmd_assemble_priv.h"
#include "cli/document.h"
#include "people/register.h"
#include "updates/install.h"
#include "updates/tuf_updater.h"

struct rebuild {
    struct assemble_ask a;
    const char *published, *year, *bundle, *trust, *people;
    const char *from, *name, *version, *dir, *root; /* from an update repository */
};

/* --- from a recipe --- */

/* What is compared with what was published: a folder with all outputs, a file with its namesake. */
static int counterpart(const struct rebuild *g, const struct outputs *o, char out[4096],
                       struct err *e)
{
    const char *name = strrchr(g->published, '/'), *base;
    DIR *folder = opendir(g->published);

    name = name != NULL ? name + 1 : g->published;
    if (folder != NULL) {
        (void)closedir(folder);
        (void)snprintf(out, 4096, "%s/outputs", g->a.out);
        return 0;
    }
    for (size_t i = 0; i < o->n; i++) {
        base = strrchr(o->v[i].path, '/');
        if (strcmp(base != NULL ? base + 1 : o->v[i].path, name) != 0)
            continue;
        (void)snprintf(out, 4096, "%s/outputs/%s", g->a.out, o->v[i].path);
        return 0;
    }
    return err_set(e, -EINVAL, "the build made no \"%s\" to compare with", name);
}

/* The year of the published build, as it was given or (otherwise, 0: not) known, and of ours. */
static int years(const char *given, unsigned otherwise, const struct build_result *res,
                 uint64_t out[2], struct err *e)
{
    char now[CLOCK_SECOND_LEN + 1];

    out[0] = otherwise;
    if (given != NULL && (text_u64(span_str(given), 9999, &out[0]) != 0 || out[0] < 1970))
        return err_set(e, -EINVAL, "--year must be a year, as 2022");
    clock_second(now, res->began);
    return out[0] == 0 ? 0 : text_u64(span_of(now, 4), 9999, &out[1]);
}

/* A file that differs may be the published one without its signature. */
static int with_signature(const struct rebuild *g, const char *ours, bool *identical, struct err *e)
{
    char with[4096];
    struct stat st;

    if (stat(ours, &st) != 0 || !S_ISREG(st.st_mode))
        return 0;
    (void)snprintf(with, sizeof(with), "%s/with-signature", g->a.out);
    return cmd_assemble_transplanted(g->published, ours, with, identical, e);
}

static int from_recipe(const struct command *c, struct rebuild *g)
{
    struct build_result res = {.made = false, .first.folder = -1, .second.folder = -1};
    enum compare_class class = COMPARE_UNEXPLAINED;
    struct compare_options known = {.depth = 0};
    struct err e = ERR_INIT;
    bool identical = false;
    char ours[4096];
    int rc, code;

    g->a.once = true;
    if (access(g->published, R_OK) != 0)
        rc = err_sys(&e, -errno, "what was published, \"%s\"", g->published);
    else
        rc = cmd_assemble_build(&g->a, &res, &e);
    code = rc == 0 && cmd_assemble_build_told("rebuild", &res.first) ? EXIT_HELD : EXIT_FALSE;
    if (code == EXIT_HELD && (rc = years(g->year, 0, &res, known.years, &e)) == 0 &&
        (rc = counterpart(g, &res.outputs, ours, &e)) == 0 &&
        (rc = cmd_assemble_build_report(g->published, ours, g->a.out, "compare.json", &known,
                                        &class, &e)) == 0) {
        code = class == COMPARE_IDENTICAL ? EXIT_HELD : EXIT_FALSE;
        if (code == EXIT_FALSE)
            rc = with_signature(g, ours, &identical, &e);
        if (rc == 0 && identical)
            code = EXIT_HELD;
        if (rc == 0)
            (void)printf("%s\n", identical ? "identical after the signature was transplanted"
                                           : compare_class_word(class));
    }
    build_done(&res);
    return rc != 0 ? cli_fail(c, &e) : code;
}

/* --- from a bundle: is it what supervisors signed, and does it stand in a ledger? --- */

static int check_proof(const struct offline *b, const struct trust *t, struct product_leaf *leaf,
                       struct err *e)
{
    char when[CLOCK_MINUTE_LEN + 1];
    struct span proof = buf_span(&b->text[OFFLINE_PROOF]);
    int rc;

    if (t == NULL) {
        (void)printf("  ledger: %s\n", proof.n > 0
                                           ? "the proof in the bundle was NOT checked (--trust)"
                                           : "the bundle has no proof that it stands in any");
        return 0;
    }
    if (proof.n == 0)
        return err_set(e, -EBADMSG,
                       "the bundle has no proof that its product stands in a ledger; without "
                       "--trust it can be built nevertheless");
    if ((rc = product_proof_check(leaf, proof, &b->digest, t->policy, e)) != 0)
        return rc;
    if (!leaf->final)
        return err_set(e, -EAGAIN,
                       "the checkpoint of the product's proof is not cosigned by "
                       "enough witnesses");
    clock_minute(when, leaf->time);
    (void)printf("  ledger: leaf %" PRIu64 " of %s's, %s, cosigned by the quorum\n", leaf->index,
                 leaf->site, when);
    return 0;
}

/* The register itself: its first edition is the roots' to sign. */
static int check_register(const char *path, const struct trust *t, struct people **out,
                          struct err *e)
{
    struct dsse *env = NULL;
    struct digest digest;
    struct buf text;
    unsigned counted;
    char hex[65];
    int rc = document_read(path, DOCUMENT_REGISTER, &text, &env, &digest, e);

    if (rc == 0)
        rc = register_parse(out, path, buf_span(&text), e);
    if (rc == 0 && t != NULL && register_serial(*out) == 1)
        rc = env == NULL
                 ? err_set(e, -EINVAL, "\"%s\" is not signed", path)
                 : register_approved_by_roots(t->root, t->roots, t->threshold, env, &counted, e);
    if (rc == 0 && (t == NULL || register_serial(*out) != 1)) {
        text_digest(hex, &digest);
        (void)printf("  register: edition %" PRIu64 " as given, SHA-256 %s; hold it against the "
                     "ledger\n",
                     register_serial(*out), hex);
    }
    dsse_free(env);
    buf_free(&text);
    return rc;
}

static int check_signatures(const struct offline *b, const struct rebuild *g, const struct trust *t,
                            unix_time when, struct err *e)
{
    struct register_approval by;
    struct people *people = NULL;
    struct dsse *env = NULL;
    int rc = dsse_parse(&env, buf_span(&b->text[OFFLINE_PRODUCT]), e);

    if (rc == 0 && g->people == NULL)
        (void)printf("  signatures: %zu, NOT checked against anybody (--register)\n",
                     dsse_count(env));
    else if (rc == 0 && (rc = check_register(g->people, t, &people, e)) == 0 &&
             (rc = register_approved(people, DOCUMENT_PRODUCT, env, when, NULL, &by, e)) == 0)
        (void)printf("  signatures: %u supervisors of the register, %u are needed\n", by.counted,
                     by.needed);
    register_free(people);
    dsse_free(env);
    return rc;
}

static int check(const struct offline *b, const struct rebuild *g, struct err *e)
{
    struct product_leaf leaf = {.final = false};
    struct trust *t = NULL;
    char hex[65];
    int rc = g->trust == NULL ? 0 : trust_load(&t, g->trust, e);

    if (rc == 0) {
        text_digest(hex, &b->digest);
        (void)printf("product: %s %s, %s\n", b->product.name, b->product.version, hex);
        if (t != NULL && trust_expired(t, clock_now()))
            (void)fprintf(stderr, "warning: \"%s\" has expired; get a new one out of band\n",
                          g->trust);
        if ((rc = check_proof(b, t, &leaf, e)) == 0)
            rc = check_signatures(b, g, t, leaf.final ? leaf.time : clock_now(), e);
    }
    trust_free(t);
    return rc;
}

/* OUT/bundle, read and checked; whatever fails, OUT is not there. */
static int unpack(const struct rebuild *g, struct err *e)
{
    struct progress bar = {.total = 0};
    const struct offline_watch watch = {cmd_assemble_bundle_step, &bar};
    int fd = open(g->bundle, O_RDONLY | O_CLOEXEC);
    struct offline b;
    char to[4096];
    int rc;

    if (fd < 0)
        return err_sys(e, -errno, "the bundle \"%s\"", g->bundle);
    if (mkdir(g->a.out, 0755) != 0) {
        rc = err_sys(e, -errno, "the folder of the results \"%s\"", g->a.out);
        io_close(&fd);
        return rc;
    }
    (void)snprintf(to, sizeof(to), "%s/bundle", g->a.out);
    rc = offline_read(&b, fd, to, &watch, e);
    progress_end(&bar);
    if (rc == 0 && g->from != NULL &&
        (strcmp(b.product.name, g->name) != 0 || strcmp(b.product.version, g->version) != 0))
        rc = err_set(e, -EBADMSG, "the repository's bundle is of %s %s", b.product.name,
                     b.product.version);
    if (rc == 0)
        rc = check(&b, g, e);
    offline_done(&b);
    io_close(&fd);
    if (rc != 0 && io_remove_tree(g->a.out) != 0)
        (void)err_prefix(e, "(and \"%s\" could not be removed)", g->a.out);
    return rc;
}

/* The bundle's provenance says when; supervisors signed its digest. */
static unsigned published_in(const struct rebuild *g)
{
    char path[4096];
    unsigned year = 0;
    struct buf b;

    (void)snprintf(path, sizeof(path), "%s/bundle/provenance.dsse", g->a.out);
    buf_init(&b, DSSE_MAX_BYTES);
    if (io_read_file(AT_FDCWD, path, &b) == 0)
        year = proven_year(buf_span(&b));
    buf_free(&b);
    return year;
}

static int sign_word(const struct rebuild *g, const struct build_result *res,
                     enum compare_class *class, struct err *e)
{
    char part[5][4096];
    static const char *const name[] = {"bundle/product.dsse", "bundle/published", "build/outputs",
                                       "rebuilt.dsse", "compare"};
    struct compare_options known = {.depth = 0};
    struct assemble_attest t = {.key = g->a.key, .made = &res->outputs, .known = &known};
    int rc;

    for (size_t i = 0; i < ARRAY_LEN(name); i++)
        (void)snprintf(part[i], sizeof(part[i]), "%s/%s", g->a.out, name[i]);
    t.envelope = part[0];
    t.published = part[1];
    t.rebuilt = part[2];
    t.out = part[3];
    t.reports = part[4];
    if ((rc = years(g->year, published_in(g), res, known.years, e)) == 0 &&
        (rc = cmd_assemble_attest(&t, class, e)) == 0) {
        if (t.key != NULL)
            (void)printf("%s: signed (\"glarus assemble publish\", or send it)\n", t.out);
        else
            (void)puts("signed by nobody (--key)");
    }
    return rc;
}

static int from_bundle(const struct command *c, struct rebuild *g)
{
    struct build_result res = {.made = false, .first.folder = -1, .second.folder = -1};
    enum compare_class class = COMPARE_UNEXPLAINED;
    char recipe[4096], lock[4096], sources[4096], packages[4096], build[4096];
    struct assemble_ask a = g->a;
    struct err e = ERR_INIT;
    int rc, code = EXIT_FALSE;

    if ((rc = unpack(g, &e)) != 0)
        return cli_fail(c, &e);
    (void)snprintf(recipe, sizeof(recipe), "%s/bundle/recipe.yaml", g->a.out);
    (void)snprintf(lock, sizeof(lock), "%s/bundle/lock.yaml", g->a.out);
    (void)snprintf(sources, sizeof(sources), "%s/bundle/sources", g->a.out);
    (void)snprintf(packages, sizeof(packages), "%s/bundle/packages", g->a.out);
    (void)snprintf(build, sizeof(build), "%s/build", g->a.out);
    a.recipe = recipe;
    a.lock = lock;
    a.sources = sources;
    a.packages = packages;
    a.out = build;
    if ((rc = cmd_assemble_build(&a, &res, &e)) == 0 &&
        cmd_assemble_build_told("rebuild", &res.first)) {
        if (!a.once)
            (void)cmd_assemble_build_again(c, &a, &res);
        if ((rc = sign_word(g, &res, &class, &e)) == 0) {
            (void)printf("%s\n", compare_class_word(class));
            code = class == COMPARE_IDENTICAL ? EXIT_HELD : EXIT_FALSE;
        }
    }
    build_done(&res);
    return rc != 0 ? cli_fail(c, &e) : code;
}

/* --- from an update repository --- */

static int fetch_target(const struct rebuild *g, struct install *in, char file[4096], struct err *e)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "products/%s_%s.bundle", g->name, g->version);
    (void)fprintf(stderr, "fetching %s\n", path);
    return install_target(in, path, file, e);
}

/* The bundle becomes a file that TUF's metadata announce. */
static int fetch(const struct rebuild *g, char file[4096], struct err *e)
{
    struct install in = {.url = g->from, .dir = g->dir};
    struct tuf_fetch way = {0};
    struct trust *t = NULL;
    struct buf root;
    int rc = 0;

    buf_init(&root, TUF_MAX_ROOT);
    tuf_fetch_dir(&way);
    if (g->root != NULL && (rc = io_read_file(AT_FDCWD, g->root, &root)) != 0)
        (void)err_sys(e, rc, "reading \"%s\"", g->root);
    if (rc == 0 && g->trust != NULL)
        rc = trust_load(&t, g->trust, e);
    if (rc == 0 && strstr(g->from, "://") != NULL)
        rc = tuf_fetch_http_new(&way, NULL, e);
    if (rc == 0) {
        in.fetch = &way;
        in.root = buf_span(&root);
        in.first_root = t != NULL && t->has_updates_root ? &t->updates_root : NULL;
        rc = fetch_target(g, &in, file, e);
    }
    tuf_fetch_http_free(&way);
    trust_free(t);
    buf_free(&root);
    return rc;
}

static int from_repository(const struct command *c, struct rebuild *g)
{
    struct err e = ERR_INIT;
    char file[4096];

    if (fetch(g, file, &e) != 0)
        return cli_fail(c, &e);
    g->bundle = file;
    return from_bundle(c, g);
}

static const struct option options[] = {
    {"lock", required_argument, NULL, 'l'},     {"packages", required_argument, NULL, 'p'},
    {"sources", required_argument, NULL, 's'},  {"published", required_argument, NULL, 'P'},
    {"from", required_argument, NULL, 'f'},     {"version", required_argument, NULL, 'v'},
    {"dir", required_argument, NULL, 'd'},      {"root", required_argument, NULL, 'R'},
    {"bundle", required_argument, NULL, 'B'},   {"trust", required_argument, NULL, 't'},
    {"register", required_argument, NULL, 'r'}, {"out", required_argument, NULL, 'o'},
    {"work", required_argument, NULL, 'w'},     {"year", required_argument, NULL, 'y'},
    {"key", required_argument, NULL, 'k'},      {"builder", required_argument, NULL, 'b'},
    {"once", no_argument, NULL, '1'},           {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0}};

static int read_options(const struct command *c, int argc, char **argv, struct rebuild *g)
{
    int o;

    while ((o = cli_getopt(c, argc, argv, "l:p:s:P:B:f:v:d:R:t:r:o:w:y:k:b:1qh", options)) != -1) {
        const char **to = o == 'l'   ? &g->a.lock
                          : o == 'p' ? &g->a.packages
                          : o == 's' ? &g->a.sources
                          : o == 'P' ? &g->published
                          : o == 'B' ? &g->bundle
                          : o == 'f' ? &g->from
                          : o == 'v' ? &g->version
                          : o == 'd' ? &g->dir
                          : o == 'R' ? &g->root
                          : o == 't' ? &g->trust
                          : o == 'r' ? &g->people
                          : o == 'o' ? &g->a.out
                          : o == 'w' ? &g->a.work
                          : o == 'y' ? &g->year
                          : o == 'k' ? &g->a.key
                          : o == 'b' ? &g->a.builder
                                     : NULL;
        if (to != NULL)
            *to = optarg;
        g->a.once = g->a.once || o == '1';
        g->a.quiet = g->a.quiet || o == 'q';
    }
    return argc - optind;
}

/* Letters and digits, and more of them: what a product may be called. */
static bool is_product(const struct rebuild *g)
{
    return strlen(g->name) <= PRODUCT_NAME_MAX && strchr(g->name, '/') == NULL &&
           strlen(g->version) <= PRODUCT_VERSION_MAX && strchr(g->version, '/') == NULL;
}

static int rebuild_command(const struct command *c, int argc, char **argv)
{
    struct rebuild g = {.bundle = NULL};
    int named = read_options(c, argc, argv, &g);
    bool pieces =
        g.a.lock != NULL || g.a.packages != NULL || g.a.sources != NULL || g.published != NULL;
    bool repository = g.from != NULL || g.version != NULL || g.dir != NULL || g.root != NULL;

    g.name = g.a.recipe = named == 1 ? argv[optind] : NULL;
    if (g.bundle != NULL) {
        if (named != 0 || g.a.out == NULL || pieces || repository)
            return cli_usage(c, "with --bundle name --out (and --key); all else is in the bundle");
        return from_bundle(c, &g);
    }
    if (repository) {
        if (g.name == NULL || g.version == NULL || g.from == NULL || g.dir == NULL ||
            g.a.out == NULL || pieces || !is_product(&g))
            return cli_usage(c, "name the product, --version, --from, --dir and --out (and --key)");
        return from_repository(c, &g);
    }
    if (named != 1 || g.a.lock == NULL || g.a.packages == NULL || g.a.out == NULL ||
        g.published == NULL || g.trust != NULL || g.people != NULL)
        return cli_usage(c, "name --bundle and --out; or a product, --version and --from; "
                            "or one recipe, --lock, --packages, --published and --out");
    return from_recipe(c, &g);
}

const struct command cli_assemble_rebuild[] = {
    {"assemble rebuild", "build what somebody published, compare, and sign the word",
     "--bundle FILE --out FOLDER [--key KEY] [--trust FILE] [--register FILE]\n"
     "   or: glarus assemble rebuild NAME --version V --from REPOSITORY --dir FOLDER --out "
     "FOLDER [--key KEY]\n"
     "   or: glarus assemble rebuild RECIPE --lock LOCK --packages FOLDER --published PATH --out "
     "FOLDER",
     "  -B, --bundle FILE         made by \"assemble bundle\": nothing else is needed, no network\n"
     "  -f, --from REPOSITORY     the update repository that has NAME's bundle: a URL or folder\n"
     "  -v, --version V           which one\n"
     "  -d, --dir FOLDER          what is trusted of the repository, and what was fetched\n"
     "  -R, --root FILE           the first time: its root metadata, got out of band (or the "
     "trust\n"
     "                            file names it: updates_root)\n"
     "  -k, --key KEY             the builder's, in a file or a token (pkcs11:): signs the word;\n"
     "                            without it nobody does\n"
     "  -t, --trust FILE          logs and witnesses: the product must stand in such a ledger\n"
     "  -r, --register FILE       the register of people: enough supervisors must have signed\n"
     "  -o, --out FOLDER          made: rebuilt.dsse (to be published), bundle/, build/, "
     "compare/;\n"
     "                            of a recipe: outputs/, log.txt, provenance, bills of material,\n"
     "                            compare.json\n"
     "  -l, --lock LOCK           which packages\n"
     "  -p, --packages FOLDER     where they are\n"
     "  -s, --sources FOLDER      where the sources are [beside the recipe]\n"
     "  -P, --published PATH      a file that the build makes too, or a folder of all of them\n"
     "  -w, --work FOLDER         where roots are kept [/var/tmp/assemble-UID]\n"
     "  -y, --year YEAR           when the published one was built, if you know [of a bundle: as\n"
     "                            its provenance says]: what differs in exactly that is explained\n"
     "  -b, --builder URI         who builds, as the provenance has it\n"
     "  -1, --once                not a second time with everything varied (a bundle's)\n"
     "  -q, --quiet               the log goes to its file, its last line to a terminal\n\n"
     "The last line is the one word of glarus compare.  Exit 0 only if it is \"identical\", "
     "or so\n"
     "after the signature of what was published was put onto what was built.  The word\n"
     "that is signed is the worst of all files, whichever it is; a build that fails signs "
     "nothing.\n\n"
     "Example: glarus assemble rebuild --bundle hello-1.0.bundle --key builder.pem --out again \\\n"
     "    --trust trust.yaml\n",
     rebuild_command},
    {NULL, NULL, NULL, NULL, NULL}};

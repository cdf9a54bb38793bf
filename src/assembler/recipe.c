#include "assembler/recipe.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/yaml.h"
#include "crypto/sha256.h"
#include "people/document.h"

#define MAX_LIST 1000

static const char *const vary_words[VARIES] = {"path",  "cores",    "host",  "locale",
                                               "order", "timezone", "umask", "user"};
static const char *const source_words[] = {"tar", "debian", "git", "tree", "file"};

const char *recipe_vary_word(enum vary v)
{
    return vary_words[v];
}

/* Letters that need no quoting anywhere: in a shell, a URL, a file name. */
static bool plain(const char *s, const char *more)
{
    if (s[0] == '\0' || s[0] == '.' || s[0] == '-' || strlen(s) > 200)
        return false;
    for (; *s != '\0'; s++)
        if (!isalnum((unsigned char)*s) && strchr(more, *s) == NULL)
            return false;
    return true;
}

static int word(const struct yaml_node *map, const char *key, const char *more, const char **out,
                struct err *e)
{
    const struct yaml_node *n;
    int rc;

    if ((rc = yaml_need(map, key, &n, e)) != 0 || (rc = yaml_text(n, out, e)) != 0)
        return rc;
    if (!plain(*out, more))
        return yaml_err(e, n,
                        "\"%s\" must be letters, digits and any of \"%s\", and not begin with a "
                        "point or dash",
                        key, more);
    return 0;
}

static int texts(const struct yaml_node *list, size_t least, const char ***out, size_t *n,
                 struct err *e)
{
    const struct yaml_node *item;
    int rc;

    if (yaml_type(list) != YAML_LIST_ || yaml_count(list) < least || yaml_count(list) > MAX_LIST)
        return yaml_err(e, list, "must be a list of %zu to %d texts", least, MAX_LIST);
    if ((*out = calloc(yaml_count(list) + 1, sizeof(**out))) == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < yaml_count(list); i++) {
        if ((rc = yaml_item(list, i, &item, e)) != 0 || (rc = yaml_text(item, *out + i, e)) != 0)
            return rc;
        *n = i + 1;
    }
    return 0;
}

static int commit_of(const struct yaml_node *map, struct recipe_source *s, struct err *e)
{
    const struct yaml_node *n;
    uint8_t raw[32];
    const char *text;
    int rc;

    if ((rc = yaml_need(map, "commit", &n, e)) != 0 || (rc = yaml_text(n, &text, e)) != 0)
        return rc;
    if (text_unhex(span_str(text), raw, strlen(text) == 64 ? 32 : 20) != 0)
        return yaml_err(e, n,
                        "\"commit\" must be the 40 (or 64) hex digits of a commit, not a "
                        "branch or tag, which may move");
    (void)snprintf(s->commit, sizeof(s->commit), "%s", text);
    return 0;
}

static int source(const struct yaml_node *map, struct recipe_source *s, struct err *e)
{
    const struct yaml_node *n = NULL;
    size_t i, found = 0;
    int rc;

    for (i = 0; i < ARRAY_LEN(source_words); i++) {
        const struct yaml_node *at;

        if ((rc = yaml_may(map, source_words[i], &at, e)) != 0)
            return rc;
        if (at == NULL)
            continue;
        n = at;
        s->kind = (enum source_kind)i;
        found++;
    }
    if (found != 1)
        return yaml_err(e, map,
                        "a source is one of \"tar\", \"debian\", \"git\", \"tree\", "
                        "\"file\"");
    if ((rc = yaml_text(n, &s->where, e)) != 0)
        return rc;
    if (s->kind != SOURCE_GIT && s->kind != SOURCE_TREE && !plain(s->where, "._+~-%"))
        return yaml_err(e, n, "\"%s\" must be the plain name of a file beside the recipe",
                        source_words[s->kind]);
    if (s->kind == SOURCE_GIT)
        return (rc = commit_of(map, s, e)) != 0 ? rc : yaml_map_done(map, e);
    if ((rc = yaml_need(map, "sha256", &n, e)) == 0 && (rc = yaml_digest(n, &s->sha256, e)) == 0)
        rc = yaml_map_done(map, e);
    return rc;
}

static int sources(const struct yaml_node *map, struct recipe *r, struct err *e)
{
    const struct yaml_node *list, *item;
    int rc;

    if ((rc = document_list(map, "sources", 1, MAX_LIST, &list, e)) != 0)
        return rc;
    if ((r->sources = calloc(yaml_count(list), sizeof(*r->sources))) == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < yaml_count(list); i++) {
        if ((rc = document_item(list, i, &item, e)) != 0 ||
            (rc = source(item, &r->sources[i], e)) != 0)
            return rc;
        r->nsources = i + 1;
    }
    return 0;
}

static int toolchain(const struct yaml_node *map, struct recipe *r, struct err *e)
{
    static const char *const roots[] = {"installed", "unpacked"};
    const struct yaml_node *t, *n;
    size_t which = ROOT_INSTALLED;
    int rc;

    if ((rc = yaml_need(map, "toolchain", &t, e)) != 0)
        return rc;
    if (yaml_type(t) != YAML_MAP_)
        return yaml_err(e, t, "\"toolchain\" must be a map");
    if ((rc = yaml_may(t, "root", &n, e)) != 0 ||
        (n != NULL && (rc = yaml_word(n, roots, ARRAY_LEN(roots), &which, e)) != 0))
        return rc;
    r->root = (enum root_kind)which;
    if ((rc = yaml_may(t, "suite", &n, e)) != 0 ||
        (n != NULL && (rc = word(t, "suite", "-.", &r->suite, e)) != 0))
        return rc;
    if ((rc = yaml_need(t, "packages", &n, e)) != 0 ||
        (rc = texts(n, 1, &r->packages, &r->npackages, e)) != 0)
        return rc;
    for (size_t i = 0; i < r->npackages; i++)
        if (!isalnum((unsigned char)r->packages[i][0]) ||
            r->packages[i][strcspn(r->packages[i], ",\n\t'\"\\")] != '\0')
            return yaml_err(e, n,
                            "\"%s\" is no dependency as Debian writes them: \"NAME\" or "
                            "\"NAME (= VERSION)\"",
                            r->packages[i]);
    return yaml_map_done(t, e);
}

static int step(const struct yaml_node *n, struct recipe_step *s, struct err *e)
{
    const char **argv = NULL;
    size_t count = 0;
    int rc;

    if (yaml_type(n) == YAML_TEXT_)
        return yaml_text(n, &s->shell, e);
    rc = texts(n, 1, &argv, &count, e);
    s->argv = argv;
    return rc;
}

static int steps(const struct yaml_node *map, struct recipe *r, struct err *e)
{
    const struct yaml_node *list, *item;
    int rc;

    if ((rc = document_list(map, "steps", 1, MAX_LIST, &list, e)) != 0)
        return rc;
    if ((r->steps = calloc(yaml_count(list), sizeof(*r->steps))) == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < yaml_count(list); i++) {
        r->nsteps = i + 1;
        if ((rc = yaml_item(list, i, &item, e)) != 0 || (rc = step(item, &r->steps[i], e)) != 0)
            return rc;
    }
    return 0;
}

static int environment(const struct yaml_node *map, struct recipe *r, struct err *e)
{
    const struct yaml_node *n, *value;
    const char *key;
    int rc;

    if ((rc = yaml_may(map, "environment", &n, e)) != 0 || n == NULL)
        return rc;
    if (yaml_type(n) != YAML_MAP_ || yaml_count(n) > MAX_LIST)
        return yaml_err(e, n, "\"environment\" must be a map of variables");
    if ((r->env = calloc(2 * yaml_count(n) + 1, sizeof(*r->env))) == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < yaml_count(n); i++) {
        if ((rc = yaml_entry(n, i, &key, &value, e)) != 0)
            return rc;
        if (!plain(key, "_") || isdigit((unsigned char)key[0]))
            return yaml_err(e, value, "\"%s\" is no name of a variable", key);
        if ((rc = yaml_text(value, &r->env[2 * i + 1], e)) != 0)
            return rc;
        r->env[2 * i] = key;
        r->nenv = i + 1;
    }
    return 0;
}

/* A path that stays where it is put: no "..", no empty part. */
static bool steady(const char *s, bool absolute)
{
    if ((s[0] == '/') != absolute || strlen(s) > 200)
        return false;
    for (s += absolute; *s != '\0'; s += strcspn(s, "/"), s += *s == '/') {
        size_t n = strcspn(s, "/");

        if (n == 0 || (n <= 2 && strncmp(s, "..", n) == 0) || (s[n] == '/' && s[n + 1] == '\0'))
            return false;
    }
    return true;
}

static int outputs(const struct yaml_node *map, struct recipe *r, struct err *e)
{
    const struct yaml_node *n;
    int rc;

    if ((rc = yaml_need(map, "outputs", &n, e)) != 0 ||
        (rc = texts(n, 1, &r->outputs, &r->noutputs, e)) != 0)
        return rc;
    for (size_t i = 0; i < r->noutputs; i++)
        if (!steady(r->outputs[i], false) || r->outputs[i][0] == '\0')
            return yaml_err(e, n,
                            "\"%s\" must be a relative path of the build folder, without "
                            "\"..\"",
                            r->outputs[i]);
    return 0;
}

static int where(const struct yaml_node *map, struct recipe *r, struct err *e)
{
    const struct yaml_node *n;
    int rc;

    r->path = "/build";
    if ((rc = yaml_may(map, "path", &n, e)) != 0 ||
        (n != NULL && (rc = yaml_text(n, &r->path, e)) != 0))
        return rc;
    if (!steady(r->path, true) || strncmp(r->path, "/build", 6) != 0 ||
        (r->path[6] != '/' && r->path[6] != '\0') || strpbrk(r->path, "'\"\\ \n$`") != NULL)
        return yaml_err(e, n, "\"path\" must be \"/build\" or a folder beneath it");
    if ((rc = yaml_may(map, "folder", &n, e)) != 0)
        return rc;
    return n == NULL ? 0 : word(map, "folder", "._+~-", &r->folder, e);
}

static int fixed(const struct yaml_node *map, struct recipe *r, struct err *e)
{
    const struct yaml_node *list, *item;
    size_t which;
    int rc;

    if ((rc = yaml_may(map, "fixed", &list, e)) != 0 || list == NULL)
        return rc;
    if ((rc = document_list(map, "fixed", 0, VARIES, &list, e)) != 0)
        return rc;
    for (size_t i = 0; i < yaml_count(list); i++) {
        if ((rc = yaml_item(list, i, &item, e)) != 0 ||
            (rc = yaml_word(item, vary_words, VARIES, &which, e)) != 0)
            return rc;
        r->fixed[which] = true;
    }
    return 0;
}

static int limits(const struct yaml_node *map, struct recipe *r, struct err *e)
{
    struct recipe_limits *l = &r->limits;
    const struct yaml_node *m, *n;
    int rc;

    *l = (struct recipe_limits){7200, 4096, (uint64_t)8 << 30, (uint64_t)8 << 30, 256 << 20};
    if ((rc = yaml_may(map, "limits", &m, e)) != 0 || m == NULL)
        return rc;
    if (yaml_type(m) != YAML_MAP_)
        return yaml_err(e, m, "\"limits\" must be a map");
    if ((rc = yaml_may(m, "time", &n, e)) == 0 && n != NULL)
        rc = yaml_duration(n, &l->seconds, e);
    if (rc == 0 && (rc = yaml_may(m, "processes", &n, e)) == 0 && n != NULL)
        rc = yaml_u64(n, 16, 100000, &l->processes, e);
    if (rc == 0 && (rc = yaml_may(m, "disk", &n, e)) == 0 && n != NULL)
        rc = yaml_size(n, &l->disk, e);
    if (rc == 0 && (rc = yaml_may(m, "memory", &n, e)) == 0 && n != NULL)
        rc = yaml_size(n, &l->memory, e);
    if (rc == 0 && (rc = yaml_may(m, "log", &n, e)) == 0 && n != NULL)
        rc = yaml_size(n, &l->log, e);
    if (rc == 0 && (l->seconds == 0 || l->seconds > 30 * 86400))
        rc = yaml_err(e, m, "\"time\" must be 1s to 30d");
    if (rc == 0 && (l->disk < 65536 || l->memory < (8 << 20)))
        rc = yaml_err(e, m, "\"disk\" must be at least 64KiB, \"memory\" 8MiB");
    return rc != 0 ? rc : yaml_map_done(m, e);
}

/* What its vendor promises, for the bills of material. */
static int support(const struct yaml_node *map, struct recipe *r, struct err *e)
{
    const struct yaml_node *m;
    int rc;

    r->until = -1;
    if ((rc = yaml_may(map, "support", &m, e)) != 0 || m == NULL)
        return rc;
    if (yaml_type(m) != YAML_MAP_)
        return yaml_err(e, m, "\"support\" must be a map");
    rc = document_time(m, "until", &r->until, e);
    return rc != 0 ? rc : yaml_map_done(m, e);
}

static int rest(const struct yaml_node *map, struct recipe *r, struct err *e)
{
    const struct yaml_node *n;
    uint64_t cores = 2;
    int rc;

    r->clock = -1;
    if ((rc = yaml_may(map, "clock", &n, e)) != 0 ||
        (n != NULL && (rc = yaml_time(n, &r->clock, e)) != 0))
        return rc;
    if ((rc = yaml_may(map, "cores", &n, e)) != 0 ||
        (n != NULL && (rc = yaml_u64(n, 1, 256, &cores, e)) != 0))
        return rc;
    r->cores = (unsigned)cores;
    if ((rc = yaml_may(map, "network-tolerated", &n, e)) != 0)
        return rc;
    return n == NULL ? 0 : yaml_bool(n, &r->network_tolerated, e);
}

static int default_folder(struct recipe *r)
{
    static const char form[] = "%s-%s";
    char *made;

    if (r->folder != NULL)
        return (r->folder = strdup(r->folder)) == NULL ? -ENOMEM : 0;
    if (asprintf(&made, form, r->name, r->version) < 0)
        return -ENOMEM;
    for (char *c = made; *c != '\0'; c++)
        if (*c == ':')
            *c = '_';
    r->folder = made;
    return 0;
}

static int fill(struct recipe *r, struct err *e)
{
    const struct yaml_node *map = yaml_root(r->doc);
    int rc;

    if (yaml_type(map) != YAML_MAP_)
        return yaml_err(e, map, "a recipe is a map");
    if ((rc = document_format(map, "recipe/v1", e)) != 0 ||
        (rc = word(map, "name", "._+-", &r->name, e)) != 0 ||
        (rc = word(map, "version", "._+~:-", &r->version, e)) != 0 ||
        (rc = sources(map, r, e)) != 0 || (rc = toolchain(map, r, e)) != 0 ||
        (rc = steps(map, r, e)) != 0 || (rc = environment(map, r, e)) != 0 ||
        (rc = outputs(map, r, e)) != 0)
        return rc;
    rc = where(map, r, e);
    if (rc != 0) {
        r->folder = NULL; /* lent by the document so far */
        return rc;
    }
    if ((rc = default_folder(r)) != 0 || (rc = fixed(map, r, e)) != 0 ||
        (rc = limits(map, r, e)) != 0 || (rc = support(map, r, e)) != 0 ||
        (rc = rest(map, r, e)) != 0)
        return rc;
    return yaml_map_done(map, e);
}

int recipe_parse(struct recipe **out, const char *name, struct span text, struct err *e)
{
    struct recipe *r = calloc(1, sizeof(*r));
    int rc;

    if (r == NULL)
        return -ENOMEM;
    sha256_of(text.p, text.n, &r->digest);
    if ((rc = yaml_parse(&r->doc, name, text, e)) == 0)
        rc = fill(r, e);
    if (rc != 0) {
        recipe_free(r);
        return rc;
    }
    *out = r;
    return 0;
}

void recipe_free(struct recipe *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->nsteps; i++)
        free((void *)(uintptr_t)r->steps[i].argv);
    free(r->steps);
    free(r->sources);
    free(r->packages);
    free(r->env);
    free(r->outputs);
    free((void *)(uintptr_t)r->folder);
    yaml_doc_free(r->doc);
    free(r);
}

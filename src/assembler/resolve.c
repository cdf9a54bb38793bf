#include "assembler/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "assembler/files.h"
#include "assembler/support.h"
#include "base/io.h"
#include "crypto/sha256.h"

#define MAX_ARGS 40
#define OUTPUT_MAX ((size_t)64 << 20)

/* apt with folders of its own, beneath a temporary one. */
struct apt {
    char top[64];
    char option[16][160];
    size_t options;
};

static void option(struct apt *a, const char *form, const char *value)
{
    int n = snprintf(a->option[a->options], sizeof(a->option[0]), "%s%s", form, value);

    if (n > 0 && (size_t)n < sizeof(a->option[0]))
        a->options++;
}

static int make(const struct apt *a, const char *name)
{
    char path[128];

    files_path(path, sizeof(path), "%s/%s", a->top, name);
    return io_mkdirs(AT_FDCWD, path);
}

/* "source": the same places, asked for sources. */
static int source_lists(const struct apt *a, struct err *e)
{
    static const char form[] =
        "cd \"$1\" && mkdir parts && for f in /etc/apt/sources.list.d/*.sources; do "
        "[ -e \"$f\" ] && sed 's/^Types:.*/Types: deb-src/' \"$f\" >\"parts/${f##*/}\"; done; "
        "for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do "
        "[ -e \"$f\" ] && sed -n 's/^deb[ \\t]/deb-src /p' \"$f\" >\"parts/${f##*/}\"; done; "
        "[ -e parts/sources.list ] && mv parts/sources.list parts/main.list; true";
    const char *argv[] = {"sh", "-c", form, "sh", a->top, NULL};

    return files_run(argv, NULL, e);
}

static int apt_begin(struct apt *a, bool sources, struct err *e)
{
    char path[128];
    int rc;

    memset(a, 0, sizeof(*a));
    (void)snprintf(a->top, sizeof(a->top), "/tmp/assemble-apt-XXXXXX");
    if (mkdtemp(a->top) == NULL)
        return err_sys(e, -errno, "a folder in /tmp");
    if ((rc = make(a, "state/lists/partial")) != 0 || (rc = make(a, "cache/archives/partial")) != 0)
        return err_sys(e, rc, "\"%s\"", a->top);
    files_path(path, sizeof(path), "%s/state/status", a->top);
    if ((rc = io_replace_file(AT_FDCWD, path, "", 0, 0644)) != 0)
        return err_sys(e, rc, "\"%s\"", path);
    option(a, "Dir::State::status=", path);
    files_path(path, sizeof(path), "%s/state", a->top);
    option(a, "Dir::State=", path);
    files_path(path, sizeof(path), "%s/cache", a->top);
    option(a, "Dir::Cache=", path);
    option(a, "APT::Sandbox::User=", "root");
    option(a, "APT::Install-Recommends=", "false");
    option(a, "Acquire::Languages=", "none");
    option(a, "Acquire::Retries=", "3");
    if (!sources)
        return 0;
    if ((rc = source_lists(a, e)) != 0)
        return rc;
    files_path(path, sizeof(path), "%s/parts", a->top);
    option(a, "Dir::Etc::sourceparts=", path);
    option(a, "Dir::Etc::sourcelist=", "/dev/null");
    return 0;
}

static void apt_end(const struct apt *a)
{
    if (a->top[0] != '\0' && io_remove_tree(a->top) != 0)
        (void)fprintf(stderr, "%s could not be removed\n", a->top);
}

static int apt_get(const struct apt *a, const char *const *words, struct buf *out, struct err *e)
{
    const char *argv[MAX_ARGS] = {"apt-get", "-qq", "-y"};
    size_t n = 3;

    for (size_t i = 0; i < a->options && n + 3 < MAX_ARGS; i++) {
        argv[n++] = "-o";
        argv[n++] = a->option[i];
    }
    while (*words != NULL && n + 1 < MAX_ARGS)
        argv[n++] = *words++;
    return files_run(argv, out, e);
}

/* A line for each index of each package source. */
static int targets(const struct apt *a, const char *format, struct buf *out, struct err *e)
{
    const char *argv[MAX_ARGS] = {"apt-get", "indextargets", "--format", format};
    size_t n = 4;

    for (size_t i = 0; i < a->options && n + 3 < MAX_ARGS; i++) {
        argv[n++] = "-o";
        argv[n++] = a->option[i];
    }
    return files_run(argv, out, e);
}

/* A file, and whence; lent by what was said. */
struct offer {
    char *name, *uri;
};

/* The files in what --print-uris says: 'URI' NAME SIZE HASH. */
static int offers(struct buf *said, struct offer **out, size_t *n)
{
    const char *text = buf_str(said);
    char *line, *save = NULL;

    *n = 0;
    if (text == NULL || (*out = calloc(LOCK_MAX_PACKAGES, sizeof(**out))) == NULL)
        return -ENOMEM;
    for (line = strtok_r((char *)said->data, "\n", &save); line != NULL && *n < LOCK_MAX_PACKAGES;
         line = strtok_r(NULL, "\n", &save)) {
        char *name = line[0] == '\'' ? strstr(line, "' ") : NULL;

        if (name == NULL)
            continue;
        *name = '\0';
        name += 2;
        name[strcspn(name, " ")] = '\0';
        if (strchr(name, '/') == NULL)
            (*out)[(*n)++] = (struct offer){.name = name, .uri = line + 1};
    }
    return 0;
}

/* The dependencies to satisfy: essential packages by name, then the recipe's. */
static int wanted(const struct apt *a, const struct recipe *r, struct buf *out, struct err *e)
{
    const char *words[] = {"--print-uris", "install", "?essential", NULL};
    struct buf said;
    struct offer *of = NULL;
    size_t n = 0;
    int rc = 0;

    buf_init(&said, OUTPUT_MAX);
    if (r->root == ROOT_INSTALLED && (rc = apt_get(a, words, &said, e)) == 0 &&
        (rc = offers(&said, &of, &n)) == 0)
        for (size_t i = 0; rc == 0 && i < n; i++)
            rc = buf_printf(out, "%.*s, ", (int)strcspn(of[i].name, "_"), of[i].name);
    for (size_t i = 0; rc == 0 && i < r->npackages; i++)
        rc = buf_printf(out, "%s%s", i == 0 ? "" : ", ", r->packages[i]);
    free(of);
    buf_free(&said);
    return rc;
}

static int by_file(const void *a, const void *b)
{
    return strcmp(((const struct lock_package *)a)->file, ((const struct lock_package *)b)->file);
}

/* Takes one package over from apt's folder. */
static int keep(const struct apt *a, struct lock_package *p, const char *file, const char *folder,
                struct err *e)
{
    char from[512], to[4096];
    struct digest d;
    int rc;

    if (snprintf(p->file, sizeof(p->file), "%s", file) >= (int)sizeof(p->file) ||
        lock_named(p) != 0)
        return err_set(e, -EINVAL, "\"%s\" is no name of a package", file);
    files_path(from, sizeof(from), "%s/cache/archives/%s", a->top, file);
    files_path(to, sizeof(to), "%s/%s", folder, file);
    if ((rc = files_digest(from, &p->sha256, &p->size, e)) != 0)
        return rc;
    if (access(to, F_OK) == 0 &&
        (files_digest(to, &d, &p->size, e) != 0 || !digest_eq(&d, &p->sha256)) && unlink(to) != 0)
        return err_sys(e, -errno, "\"%s\"", to);
    if (access(to, F_OK) == 0)
        return 0;
    if ((rc = files_copy(from, to, &d, e)) != 0)
        return rc;
    return files_digest(to, &p->sha256, &p->size, e);
}

/* Until when each is supported, as far as this machine knows. */
static int date(const struct apt *a, struct lock *l, const struct offer *of, struct err *e)
{
    struct buf sources, table;
    int rc;

    buf_init(&sources, OUTPUT_MAX);
    buf_init(&table, OUTPUT_MAX);
    rc = io_read_file(AT_FDCWD, SUPPORT_TABLE, &table);
    if (rc != 0 && rc != -ENOENT)
        (void)err_sys(e, rc, "reading \"%s\"", SUPPORT_TABLE);
    else
        rc = targets(a, SUPPORT_TARGETS, &sources, e);
    for (size_t i = 0; rc == 0 && i < l->n; i++)
        l->packages[i].until = support_until(buf_span(&sources), buf_span(&table), of[i].uri);
    buf_free(&sources);
    buf_free(&table);
    return rc;
}

static int fetch(const struct apt *a, struct lock *l, const char *want, const char *folder,
                 struct err *e)
{
    const char *ask[] = {"--print-uris", "satisfy", want, NULL};
    const char *get[] = {"--download-only", "satisfy", want, NULL};
    struct buf said;
    struct offer *of = NULL;
    size_t n = 0;
    int rc;

    buf_init(&said, OUTPUT_MAX);
    if ((rc = apt_get(a, ask, &said, e)) != 0)
        (void)err_prefix(e, "the toolchain cannot be had from this machine's package sources");
    else if ((rc = apt_get(a, get, NULL, e)) == 0 && (rc = offers(&said, &of, &n)) == 0 && n == 0)
        rc = err_set(e, -ENOENT, "the toolchain is no package at all");
    if (rc == 0 && (l->packages = calloc(n, sizeof(*l->packages))) == NULL)
        rc = -ENOMEM;
    for (size_t i = 0; rc == 0 && i < n; i++)
        if ((rc = keep(a, &l->packages[i], of[i].name, folder, e)) == 0)
            l->n = i + 1;
    if (rc == 0 && (rc = date(a, l, of, e)) == 0)
        qsort(l->packages, l->n, sizeof(*l->packages), by_file);
    free(of);
    buf_free(&said);
    return rc;
}

static int architecture(struct lock *l, struct err *e)
{
    const char *argv[] = {"dpkg", "--print-architecture", NULL};
    struct buf said;
    int rc;

    buf_init(&said, 64);
    if ((rc = files_run(argv, &said, e)) == 0)
        (void)snprintf(l->architecture, sizeof(l->architecture), "%.*s",
                       (int)strcspn(buf_str(&said) == NULL ? "" : (char *)said.data, "\n"),
                       (char *)said.data);
    buf_free(&said);
    return rc;
}

/* A suite that is asked for must be among those that apt knows here. */
static int suite_known(const struct apt *a, const char *suite, struct err *e)
{
    char *line, *save = NULL;
    struct buf said;
    bool found = false;
    int rc;

    buf_init(&said, OUTPUT_MAX);
    if ((rc = targets(a, "$(CODENAME) $(SUITE)", &said, e)) == 0 && buf_str(&said) != NULL)
        for (line = strtok_r((char *)said.data, " \n", &save); line != NULL;
             line = strtok_r(NULL, " \n", &save))
            found = found || strcmp(line, suite) == 0;
    buf_free(&said);
    if (rc != 0 || found)
        return rc;
    return err_set(e, -ENOENT,
                   "the recipe wants the suite \"%s\", and this machine's package sources have "
                   "none of that name",
                   suite);
}

int resolve_toolchain(struct lock *l, const struct recipe *r, const char *folder, struct err *e)
{
    const char *update[] = {"update", NULL};
    struct apt a;
    struct buf want;
    int rc;

    memset(l, 0, sizeof(*l));
    l->recipe = r->digest;
    buf_init(&want, (size_t)1 << 20);
    if ((rc = io_mkdirs(AT_FDCWD, folder)) != 0)
        return err_sys(e, rc, "\"%s\"", folder);
    if ((rc = apt_begin(&a, false, e)) == 0 && (rc = architecture(l, e)) == 0 &&
        (rc = apt_get(&a, update, NULL, e)) == 0 &&
        (rc = r->suite == NULL ? 0 : suite_known(&a, r->suite, e)) == 0 &&
        (rc = wanted(&a, r, &want, e)) == 0)
        rc = buf_str(&want) == NULL ? -ENOMEM : fetch(&a, l, (char *)want.data, folder, e);
    apt_end(&a);
    buf_free(&want);
    return rc;
}

static int take_sources(const struct apt *a, struct buf *said, const char *folder, char dsc[256],
                        struct err *e)
{
    struct offer *of = NULL;
    char from[512], to[4096];
    struct digest d;
    size_t n = 0;
    int rc = offers(said, &of, &n);

    dsc[0] = '\0';
    for (size_t i = 0; rc == 0 && i < n; i++) {
        size_t len = strlen(of[i].name);

        files_path(from, sizeof(from), "%s/%s", a->top, of[i].name);
        files_path(to, sizeof(to), "%s/%s", folder, of[i].name);
        if (len > 4 && len < 256 && strcmp(of[i].name + len - 4, ".dsc") == 0)
            (void)snprintf(dsc, 256, "%s", of[i].name);
        if (unlink(to) != 0 && errno != ENOENT)
            rc = err_sys(e, -errno, "\"%s\"", to);
        if (rc == 0)
            rc = files_copy(from, to, &d, e);
    }
    free(of);
    if (rc == 0 && dsc[0] == '\0')
        rc = err_set(e, -ENOENT, "there is no .dsc among its files");
    return rc;
}

int resolve_source(const char *package, const char *folder, char dsc[256], struct err *e)
{
    static const char form[] = "cd \"$1\" && shift && exec apt-get \"$@\"";
    const char *update[] = {"update", NULL};
    const char *ask[] = {"--print-uris", "source", package, NULL};
    const char *argv[MAX_ARGS] = {"sh", "-c", form, "sh"};
    struct buf said;
    size_t n = 4;
    struct apt a;
    int rc;

    buf_init(&said, OUTPUT_MAX);
    if ((rc = io_mkdirs(AT_FDCWD, folder)) != 0)
        return err_sys(e, rc, "\"%s\"", folder);
    if ((rc = apt_begin(&a, true, e)) == 0 && (rc = apt_get(&a, update, NULL, e)) == 0 &&
        (rc = apt_get(&a, ask, &said, e)) == 0) {
        argv[n++] = a.top;
        argv[n++] = "-qq";
        for (size_t i = 0; i < a.options && n + 6 < MAX_ARGS; i++) {
            argv[n++] = "-o";
            argv[n++] = a.option[i];
        }
        argv[n++] = "--download-only";
        argv[n++] = "source";
        argv[n++] = package;
        if ((rc = files_run(argv, NULL, e)) == 0)
            rc = take_sources(&a, &said, folder, dsc, e);
    }
    if (rc != 0)
        (void)err_prefix(e, "the source package \"%s\"", package);
    apt_end(&a);
    buf_free(&said);
    return rc;
}

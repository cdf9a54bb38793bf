#include "assembler/build.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "assembler/dsc.h"
#include "assembler/files.h"
#include "assembler/root.h"
#include "base/io.h"
#include "base/text.h"
#include "crypto/sha256.h"

static void stage(const struct build_spec *s, const char *what)
{
    if (s->stage != NULL)
        s->stage(s->arg, what);
}

/* The folder of roots: ours, and nobody else may write there. */
static int work_folder(const struct build_spec *s, char path[256], struct err *e)
{
    struct stat st;

    if (s->work != NULL)
        files_path(path, 256, "%s", s->work);
    else
        files_path(path, 256, "/var/tmp/assemble-%u", (unsigned)geteuid());
    if (mkdir(path, 0755) != 0 && errno != EEXIST)
        return err_sys(e, -errno, "the folder of roots \"%s\"", path);
    if (lstat(path, &st) != 0)
        return err_sys(e, -errno, "the folder of roots \"%s\"", path);
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022) != 0)
        return err_set(e, -EACCES,
                       "the folder of roots \"%s\" must be yours, and nobody else may write there",
                       path);
    return 0;
}

/* "sources-123", "root-….123", "root-….123.packages": the process that made it, or -1. */
static pid_t maker(const char *name)
{
    const char *at = strncmp(name, "sources-", 8) == 0 ? name + 7
                     : strncmp(name, "root-", 5) == 0  ? strchr(name, '.')
                                                       : NULL;
    uint64_t pid;

    if (at == NULL || text_u64(span_of(at + 1, strspn(at + 1, "0123456789")), INT32_MAX, &pid) != 0)
        return -1;
    return (pid_t)pid;
}

/* Removes what a process that was killed left half made. */
static int sweep(const char *work, struct err *e)
{
    DIR *folder = opendir(work);
    char path[4096];
    struct dirent *d;
    int rc = 0;

    if (folder == NULL)
        return err_sys(e, -errno, "the folder of roots \"%s\"", work);
    while (rc == 0 && (d = readdir(folder)) != NULL) {
        pid_t pid = maker(d->d_name);

        if (pid <= 0 || kill(pid, 0) == 0 || errno != ESRCH)
            continue;
        files_path(path, sizeof(path), "%s/%s", work, d->d_name);
        rc = files_remove(path, e);
    }
    (void)closedir(folder);
    return rc;
}

static int differs(const struct recipe_source *s, const struct digest *d, struct err *e)
{
    char hex[65];

    text_digest(hex, d);
    return err_set(e, -EBADMSG, "the source \"%s\" has SHA-256 %s, not the recipe's", s->where,
                   hex);
}

static int git_source(const struct recipe_source *s, const char *from, const char *to,
                      struct err *e)
{
    static const char form[] =
        "set -e; t=$(git -c safe.directory=\"*\" -C \"$1\" rev-parse --verify --quiet "
        "\"$2^{commit}\") && [ \"$t\" = \"$2\" ] || { echo \"there is no commit $2\" >&2; exit 1; "
        "}\n"
        "git -c safe.directory=\"*\" -C \"$1\" archive --format=tar -o \"$3.tar\" \"$2\"\n"
        "mkdir \"$3\"; tar -x -f \"$3.tar\" --no-same-owner -C \"$3\"; rm \"$3.tar\"";
    const char *argv[] = {"sh", "-c", form, "sh", from, s->commit, to, NULL};
    int rc = files_run(argv, NULL, e);

    return rc == 0 ? 0 : err_prefix(e, "the repository \"%s\"", s->where);
}

/* Files that a .dsc lists. */
struct listing {
    const struct build_spec *s;
    const char *to;
};

static int listed_file(void *arg, const struct dsc_file *f, struct err *e)
{
    const struct listing *w = arg;
    char from[4096], at[4096];
    struct digest is;
    int rc;

    files_path(from, sizeof(from), "%s/%s", w->s->sources, f->name);
    files_path(at, sizeof(at), "%s/%s", w->to, f->name);
    if ((rc = files_copy(from, at, &is, e)) != 0)
        return rc;
    return digest_eq(&f->sha256, &is)
               ? 0
               : err_set(e, -EBADMSG, "\"%s\" is not the file that the .dsc lists", from);
}

/* The files that a .dsc lists, too. */
static int listed(const char *dsc, const struct build_spec *s, const char *to, struct err *e)
{
    struct listing w = {s, to};
    struct buf text;
    int rc;

    buf_init(&text, DSC_MAX);
    if ((rc = io_read_file(AT_FDCWD, dsc, &text)) != 0)
        (void)err_sys(e, rc, "\"%s\"", dsc);
    else
        rc = dsc_each(buf_span(&text), listed_file, &w, e);
    buf_free(&text);
    return rc;
}

/* Copies one source into the folder that becomes /sources, checked on the way. */
static int one_source(const struct build_spec *b, size_t i, const char *folder, struct err *e)
{
    const struct recipe_source *s = &b->recipe->sources[i];
    char from[4096], to[4096];
    struct digest d;
    int rc;

    if (s->where[0] == '/')
        files_path(from, sizeof(from), "%s", s->where);
    else
        files_path(from, sizeof(from), "%s/%s", b->sources, s->where);
    if (s->kind == SOURCE_GIT || s->kind == SOURCE_TREE)
        files_path(to, sizeof(to), "%s/%zu", folder, i);
    else
        files_path(to, sizeof(to), "%s/%s", folder, s->where);
    if (s->kind == SOURCE_GIT)
        return git_source(s, from, to, e);
    rc = s->kind == SOURCE_TREE ? files_tree(from, to, b->recipe->clock, &d, e)
                                : files_copy(from, to, &d, e);
    if (rc != 0)
        return rc;
    if (!digest_eq(&d, &s->sha256))
        return differs(s, &d, e);
    return s->kind == SOURCE_DEBIAN ? listed(to, b, folder, e) : 0;
}

static int sources(const struct build_spec *s, const char *folder, struct err *e)
{
    int rc = 0;

    if (mkdir(folder, 0755) != 0)
        return err_sys(e, -errno, "\"%s\"", folder);
    for (size_t i = 0; rc == 0 && i < s->recipe->nsources; i++)
        rc = one_source(s, i, folder, e);
    return rc;
}

/* One build: steps and outputs. */
static int once(const struct build_spec *s, const char *root, const char *src, bool varied,
                struct cell_result *cell, struct outputs *made, struct err *e)
{
    char log[4096], to[4096];
    struct cell_settings set;
    struct cell_spec c = {.recipe = s->recipe,
                          .settings = &set,
                          .root = root,
                          .sources = src,
                          .log = log,
                          .cancel = s->cancel,
                          .say = s->say,
                          .arg = s->arg};
    int rc;

    cell_settings(&set, s->recipe, varied);
    files_path(log, sizeof(log), "%s/%s", s->out, varied ? "log-varied.txt" : "log.txt");
    files_path(to, sizeof(to), "%s/%s", s->out, varied ? "varied" : "outputs");
    stage(s, varied ? "building again, with everything varied" : "building");
    rc = cell_run(cell, &c, e);
    if (rc == 0 && cell->end == CELL_DONE &&
        (rc = outputs_take(made, s->recipe, cell->folder, set.path, to, e)) == -EBADMSG) {
        cell->end = CELL_FAILED;
        (void)snprintf(cell->why, sizeof(cell->why), "%.380s", e == NULL ? "outputs" : err_text(e));
        rc = 0;
    }
    io_close(&cell->folder);
    return rc;
}

static int again(struct build_result *out, const struct build_spec *s, const char *root,
                 const char *src, struct err *e)
{
    struct outputs made = {NULL, 0};
    char path[4096];
    int rc = once(s, root, src, true, &out->second, &made, e);

    out->equal = rc == 0 && out->second.end == CELL_DONE && outputs_equal(&out->outputs, &made);
    outputs_done(&made);
    files_path(path, sizeof(path), "%s/varied", s->out);
    if (out->equal && (rc = io_remove_tree(path)) != 0)
        (void)err_sys(e, rc, "\"%s\"", path);
    return rc;
}

int build_run(struct build_result *out, const struct build_spec *s, struct err *e)
{
    char work[256], root[4096], src[300];
    int rc;

    memset(out, 0, sizeof(*out));
    out->first.folder = out->second.folder = -1;
    out->began = clock_now();
    src[0] = '\0';
    if (!digest_eq(&s->recipe->digest, &s->lock->recipe))
        return err_set(e, -EINVAL, "the lock is of another recipe: lock it again");
    if ((rc = work_folder(s, work, e)) != 0 || (rc = sweep(work, e)) != 0)
        return rc;
    if (mkdir(s->out, 0755) != 0)
        return err_sys(e, -errno, "the folder of the results \"%s\"", s->out);
    stage(s, "checking the packages");
    if ((rc = lock_check(s->lock, s->packages, e)) != 0)
        return rc;
    stage(s, "making the root");
    if ((rc = root_make(s->recipe, s->lock, s->packages, work, s->cancel, root, e)) != 0)
        return rc;
    files_path(src, sizeof(src), "%s/sources-%d", work, (int)getpid());
    stage(s, "checking the sources");
    if ((rc = sources(s, src, e)) == 0 &&
        (rc = once(s, root, src, false, &out->first, &out->outputs, e)) == 0 &&
        out->first.end == CELL_DONE) {
        out->made = true;
        if (s->again)
            rc = again(out, s, root, src, e);
    }
    if (io_remove_tree(src) != 0 && rc == 0)
        rc = err_set(e, -EIO, "\"%s\" could not be removed", src);
    out->ended = clock_now();
    return rc;
}

void build_done(struct build_result *r)
{
    io_close(&r->first.folder);
    io_close(&r->second.folder);
    outputs_done(&r->outputs);
}

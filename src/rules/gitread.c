#include "rules/gitread.h"

#include <errno.h>
#include <fcntl.h>
#include <git2.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "detect/protocol.h"
#include "detect/release.h"
#include "jail/jail.h"
#include "jail/proc.h"

#define NOBODY 65534
#define NAME_MAX_ 255u
#define ENTRIES_MAX 2000000 /* of trees: one tree may stand in itself many times */
#define CPU_SECONDS 60
#define WAIT_MS 120000
#define BUNDLE_MAX (RELEASE_BYTES_MAX + RELEASE_FILES_MAX * (NAME_MAX_ + 6))

/* What the jailed process says at its end, beside the bundle. */
struct answer {
    int32_t rc;
    char commit[GITREAD_COMMIT + 1];
    char text[ERR_TEXT_MAX];
};

/* --- in the jail --- */

struct file {
    char name[NAME_MAX_ + 2];
    git_oid id;
    uint32_t size;
};

struct reading {
    git_repository *repo;
    git_odb *odb;
    struct file *file;
    size_t n, room, entries;
    uint64_t bytes;
    int fd;
    struct err *e;
};

/* what was asked for is not there: the asker's mistake; what must be there: damage */
static int git_trouble(struct err *e, int rc, bool asked, const char *what, const char *subject)
{
    const git_error *g = git_error_last();

    if (g != NULL && g->klass == GIT_ERROR_NOMEMORY)
        rc = -ENOMEM;
    else if (asked && (rc == GIT_ENOTFOUND || rc == GIT_EINVALIDSPEC || rc == GIT_EAMBIGUOUS ||
                       rc == GIT_EPEEL))
        rc = -EINVAL;
    else
        rc = -EBADMSG;
    return err_set(e, rc, "%s \"%s\": %s", what, subject, g != NULL ? g->message : "git fails");
}

static int keep(struct reading *r, const char *name, const git_oid *id)
{
    git_object_t type;
    struct file *f;
    size_t size;
    int rc;

    if (r->n >= RELEASE_FILES_MAX)
        return err_set(r->e, -E2BIG, "a rule release has at most %d files", RELEASE_FILES_MAX);
    if ((rc = git_odb_read_header(&size, &type, r->odb, id)) != 0)
        return git_trouble(r->e, rc, false, "reading", name);
    if (type != GIT_OBJECT_BLOB)
        return err_set(r->e, -EBADMSG, "\"%s\" is no file", name);
    if (size > RELEASE_FILE_MAX || (r->bytes += size) > RELEASE_BYTES_MAX)
        return err_set(r->e, -E2BIG, "\"%s\": a rule file has at most %llu bytes, a release %llu",
                       name, (unsigned long long)RELEASE_FILE_MAX,
                       (unsigned long long)RELEASE_BYTES_MAX);
    if (r->n == r->room) {
        size_t room = r->room == 0 ? 64 : r->room * 2;
        struct file *more = reallocarray(r->file, room, sizeof(*more));

        if (more == NULL)
            return err_set(r->e, -ENOMEM, "out of memory");
        r->file = more;
        r->room = room;
    }
    f = &r->file[r->n++];
    (void)snprintf(f->name, sizeof(f->name), "%s", name);
    f->id = *id;
    f->size = (uint32_t)size;
    return 0;
}

static int walk(struct reading *r, const git_oid *id, const char *folder, unsigned depth);

/* As of a folder on disk (detect/release.c): names with a dot in front are not there, links are
 * refused where a rule would be.  What another repository holds is not read, and not passed over.
 */
static int look_at(struct reading *r, const git_tree_entry *en, const char *folder, unsigned depth)
{
    const char *own = git_tree_entry_name(en);
    git_filemode_t mode = git_tree_entry_filemode(en);
    char name[NAME_MAX_ + 2];

    if (++r->entries > ENTRIES_MAX)
        return err_set(r->e, -E2BIG, "the commit's trees have more than %d entries", ENTRIES_MAX);
    if (own[0] == '.')
        return 0;
    if (snprintf(name, sizeof(name), "%s%s%s", folder, *folder != '\0' ? "/" : "", own) >
        (int)NAME_MAX_)
        return release_wants(own) || mode == GIT_FILEMODE_TREE
                   ? err_set(r->e, -E2BIG, "\"%.64s...\": names have at most %u bytes", own,
                             NAME_MAX_)
                   : 0;
    if (mode == GIT_FILEMODE_TREE) {
        if (depth >= RELEASE_DEPTH_MAX)
            return err_set(r->e, -E2BIG, "rule folder \"%s\" is too deep", name);
        return walk(r, git_tree_entry_id(en), name, depth + 1);
    }
    if (mode == GIT_FILEMODE_COMMIT)
        return err_set(r->e, -EBADMSG,
                       "\"%s\" is a submodule; rules stand in the repository itself", name);
    if (!release_wants(own))
        return 0;
    if (mode != GIT_FILEMODE_BLOB && mode != GIT_FILEMODE_BLOB_EXECUTABLE)
        return err_set(r->e, -EBADMSG, "rule file \"%s\" is no regular file", name);
    return keep(r, name, git_tree_entry_id(en));
}

static int walk(struct reading *r, const git_oid *id, const char *folder, unsigned depth)
{
    git_tree *tree = NULL;
    int rc = git_tree_lookup(&tree, r->repo, id);

    if (rc != 0)
        return git_trouble(r->e, rc, false, "reading the folder", folder);
    for (size_t i = 0, n = git_tree_entrycount(tree); rc == 0 && i < n; i++)
        rc = look_at(r, git_tree_entry_byindex(tree, i), folder, depth);
    git_tree_free(tree);
    return rc;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct file *)a)->name, ((const struct file *)b)->name);
}

static int put(struct reading *r, const struct file *f)
{
    git_odb_object *o = NULL;
    struct buf head;
    int rc = git_odb_read(&o, r->odb, &f->id);

    if (rc != 0)
        return git_trouble(r->e, rc, false, "reading", f->name);
    buf_init(&head, NAME_MAX_ + 6);
    if (git_odb_object_size(o) != f->size)
        rc = -EBADMSG;
    else if ((rc = protocol_put_file(&head, f->name, f->size)) == 0 &&
             (rc = io_write_all(r->fd, head.data, head.len)) == 0)
        rc = io_write_all(r->fd, git_odb_object_data(o), f->size);
    buf_free(&head);
    git_odb_object_free(o);
    return rc == 0 ? 0 : err_sys(r->e, rc, "rule file \"%s\"", f->name);
}

/* rev is "REVISION" or "REVISION:FOLDER"; a revision itself has no colon but in ":/text", which is
 * not taken. */
static int find_tree(struct reading *r, const char *rev, git_oid *out, char *commit)
{
    const char *colon = strchr(rev, ':');
    size_t n = colon != NULL ? (size_t)(colon - rev) : strlen(rev);
    git_object *named = NULL, *peeled = NULL;
    git_tree_entry *en = NULL;
    git_tree *root = NULL;
    char revision[256];
    int rc;

    if (n == 0 || n >= sizeof(revision))
        return err_set(r->e, -EINVAL, "\"%s\" names no revision", rev);
    memcpy(revision, rev, n);
    revision[n] = '\0';
    if ((rc = git_revparse_single(&named, r->repo, revision)) != 0 ||
        (rc = git_object_peel(&peeled, named, GIT_OBJECT_COMMIT)) != 0 ||
        (rc = git_commit_tree(&root, (git_commit *)peeled)) != 0) {
        rc = git_trouble(r->e, rc, true, "the revision", revision);
        goto out;
    }
    (void)git_oid_tostr(commit, GITREAD_COMMIT + 1, git_object_id(peeled));
    git_oid_cpy(out, git_tree_id(root));
    if (colon == NULL || colon[1] == '\0')
        goto out;
    if ((rc = git_tree_entry_bypath(&en, root, colon + 1)) != 0)
        rc = git_trouble(r->e, rc, true, "the folder", colon + 1);
    else if (git_tree_entry_filemode(en) != GIT_FILEMODE_TREE)
        rc = err_set(r->e, -EINVAL, "\"%s\" is no folder in that commit", colon + 1);
    else
        git_oid_cpy(out, git_tree_entry_id(en));
out:
    git_tree_entry_free(en);
    git_tree_free(root);
    git_object_free(peeled);
    git_object_free(named);
    return rc;
}

static int read_all(struct reading *r, const char *folder, const char *rev, char *commit)
{
    const unsigned flags =
        GIT_REPOSITORY_OPEN_NO_SEARCH | GIT_REPOSITORY_OPEN_BARE | GIT_REPOSITORY_OPEN_NO_DOTGIT;
    git_oid tree;
    int rc;

    if ((rc = git_repository_open_ext(&r->repo, folder, flags, NULL)) != 0 ||
        (rc = git_repository_odb(&r->odb, r->repo)) != 0)
        return git_trouble(r->e, rc, true, "opening the repository", folder);
    if ((rc = find_tree(r, rev, &tree, commit)) != 0 || (rc = walk(r, &tree, "", 0)) != 0)
        return rc;
    if (r->n == 0)
        return err_set(r->e, -EINVAL, "\"%s\" has no file of rules (.yar, .ndb, .sha256, ...)",
                       rev);
    qsort(r->file, r->n, sizeof(*r->file), by_name);
    for (size_t i = 0; rc == 0 && i < r->n; i++)
        rc = put(r, &r->file[i]);
    return rc;
}

/* No configuration but git's own defaults, little memory, every object's hash checked. */
static int settle(void)
{
    static const int levels[] = {GIT_CONFIG_LEVEL_SYSTEM, GIT_CONFIG_LEVEL_XDG,
                                 GIT_CONFIG_LEVEL_GLOBAL, GIT_CONFIG_LEVEL_PROGRAMDATA};

    if (git_libgit2_init() < 0)
        return -ENOMEM;
    for (size_t i = 0; i < ARRAY_LEN(levels); i++)
        if (git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, levels[i], "") != 0)
            return -EINVAL;
    (void)git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0); /* nothing of it is ever run */
    (void)git_libgit2_opts(GIT_OPT_SET_MWINDOW_SIZE, (size_t)32 << 20);
    (void)git_libgit2_opts(GIT_OPT_SET_MWINDOW_MAPPED_LIMIT, (size_t)256 << 20);
    (void)git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 1);
    return 0;
}

static void serve(const char *folder, const char *rev, const struct stat *st, int fd, int out)
{
    const struct jail_path paths[] = {{folder, false}};
    struct jail_spec s = {.profile = JAIL_FILES_READER,
                          .flags = JAIL_NET | JAIL_IPC | JAIL_EMPTY_ROOT,
                          .paths = paths,
                          .npaths = 1,
                          .uid = st->st_uid != 0 ? st->st_uid : NOBODY,
                          .gid = st->st_gid != 0 ? st->st_gid : NOBODY,
                          .file_size = BUNDLE_MAX,
                          .cpu_seconds = CPU_SECONDS};
    const int keep_open[] = {fd < out ? fd : out, fd < out ? out : fd};
    struct err e = ERR_INIT;
    struct reading r = {.fd = fd, .e = &e};
    struct answer a;
    int rc = jail_close_from(3, keep_open, 2);

    memset(&a, 0, sizeof(a));
    if (rc == 0)
        rc = settle();
    if (rc == 0)
        rc = jail_enter(&s, &e);
    if (rc == 0)
        rc = read_all(&r, folder, rev, a.commit);
    if (rc != 0 && e.code == 0)
        (void)err_sys(&e, rc, "reading the repository");
    a.rc = rc;
    (void)snprintf(a.text, sizeof(a.text), "%s", rc != 0 ? err_text(&e) : "");
    _exit(io_write_all(out, &a, sizeof(a)) == 0 ? 0 : 3);
}

/* --- outside --- */

/* The folder with HEAD and objects. */
static int find_folder(const char *repo, char out[4096], struct stat *st, struct err *e)
{
    char real[PATH_MAX], head[4200];

    if (realpath(repo, real) == NULL)
        return err_sys(e, -errno, "the repository \"%s\"", repo);
    if (snprintf(out, 4096, "%s/.git", real) >= 4096)
        return err_set(e, -ENAMETOOLONG, "the path \"%s\" is too long", repo);
    if (stat(out, st) == 0 && S_ISREG(st->st_mode))
        return err_set(e, -EINVAL,
                       "\"%s\" is a second working tree or a submodule: name the repository that "
                       "its .git names",
                       repo);
    if (stat(out, st) != 0 && snprintf(out, 4096, "%s", real) >= 4096)
        return err_set(e, -ENAMETOOLONG, "the path \"%s\" is too long", repo);
    (void)snprintf(head, sizeof(head), "%s/HEAD", out);
    if (access(head, F_OK) != 0 || stat(out, st) != 0)
        return err_set(e, -EINVAL, "\"%s\" is no git repository", repo);
    return 0;
}

/* The whole answer, or -EPROTO: it ended without one; -ETIMEDOUT. */
static int receive(int in, struct answer *a)
{
    mono_ms due = clock_mono() + WAIT_MS;
    size_t got = 0;

    while (got < sizeof(*a)) {
        struct pollfd p = {.fd = in, .events = POLLIN};
        mono_ms left = due - clock_mono();
        ssize_t n;

        if (left <= 0)
            return -ETIMEDOUT;
        if (poll(&p, 1, (int)left) <= 0)
            continue;
        n = read(in, (uint8_t *)a + got, sizeof(*a) - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -EPROTO;
        got += (size_t)n;
    }
    a->commit[sizeof(a->commit) - 1] = '\0';
    a->text[sizeof(a->text) - 1] = '\0';
    return 0;
}

static bool is_commit(const char *s)
{
    size_t n = strlen(s);

    return (n == 40 || n == 64) && strspn(s, "0123456789abcdef") == n;
}

static int answered(struct proc *child, int in, const char *repo, char commit[GITREAD_COMMIT + 1],
                    struct err *e)
{
    struct proc_last last;
    struct answer a;
    int rc = receive(in, &a);
    char why[96];

    if (rc == -ETIMEDOUT) {
        proc_end_now(child);
        return err_set(e, -E2BIG, "reading \"%s\" takes longer than %d s", repo, WAIT_MS / 1000);
    }
    if (proc_reap(child, true, &last) == 0 && rc != 0)
        return err_set(e, -EBADMSG, "whoever read \"%s\" ended: %s", repo,
                       proc_last_text(&last, why));
    if (rc != 0)
        return err_sys(e, rc, "reading \"%s\"", repo);
    if (a.rc != 0)
        return err_set(e, a.rc < 0 ? a.rc : -EPROTO, "%s", a.text);
    if (!is_commit(a.commit))
        return err_set(e, -EPROTO, "the reader of \"%s\" names no commit", repo);
    memcpy(commit, a.commit, sizeof(a.commit));
    return 0;
}

int gitread_pack(int *fd, const char *repo, const char *rev, char commit[GITREAD_COMMIT + 1],
                 struct err *e)
{
    int memory = -1, ends[2] = {-1, -1}, rc;
    struct proc child = PROC_NONE;
    char folder[4096];
    struct stat st;

    if ((rc = find_folder(repo, folder, &st, e)) != 0)
        return rc;
    memory = memfd_create("rules", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (memory < 0 || pipe2(ends, O_CLOEXEC) != 0) {
        rc = err_sys(e, -errno, "reading \"%s\"", repo);
        goto out;
    }
    (void)fflush(stdout);
    rc = proc_fork(&child);
    if (rc == 1)
        serve(folder, rev, &st, memory, ends[1]);
    if (rc < 0) {
        rc = err_sys(e, rc, "reading \"%s\"", repo);
        goto out;
    }
    io_close(&ends[1]);
    if ((rc = answered(&child, ends[0], repo, commit, e)) == 0 &&
        (rc = release_seal(memory, e)) == 0) {
        *fd = memory;
        memory = -1;
    }
out:
    proc_end_now(&child);
    io_close(&ends[0]);
    io_close(&ends[1]);
    io_close(&memory);
    return rc;
}

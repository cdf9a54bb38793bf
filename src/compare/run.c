/* run.c - two files, or the roots of two trees.  Contents are compared byte by byte here; pairs
 * that differ go to jailed children (ask.h). */
#include "compare/run_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"

int run_note(struct running *r, struct compare_node *n, enum compare_class class, const char *what)
{
    static const struct look_range nowhere[2] = {{0, 0}, {0, 0}};
    int rc = look_node_find(n, r->findings, class, nowhere, what);

    return rc == 0 ? 0 : err_sys(r->e, rc, "comparing");
}

/* --- files --- */

/* A regular file. */
static int open_file(struct running *r, int at, const char *name, int *fd, size_t *size)
{
    struct stat st;

    *fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (*fd < 0 || fstat(*fd, &st) != 0)
        return err_sys(r->e, -errno, "reading \"%s\"", name);
    if (!S_ISREG(st.st_mode))
        return err_sys(r->e, -EINVAL, "reading \"%s\"", name);
    *size = (size_t)st.st_size;
    return 0;
}

static int map_file(struct running *r, int fd, size_t size, const char *name, struct span *out)
{
    void *p = size == 0 ? NULL : mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);

    *out = span_of("", 0);
    if (p == MAP_FAILED)
        return err_sys(r->e, -errno, "reading \"%s\"", name);
    if (p != NULL)
        *out = span_of(p, size);
    return 0;
}

int run_map(struct running *r, int at, const char *name, struct span *out)
{
    size_t size = 0;
    int fd = -1, rc = open_file(r, at, name, &fd, &size);

    *out = span_of("", 0);
    if (rc == 0)
        rc = map_file(r, fd, size, name, out);
    io_close(&fd);
    return rc;
}

/* Small files are read: to map and unmap them would take thrice as long. */
static bool equal_by_reading(struct running *r, const int fd[2], const size_t size[2])
{
    const ssize_t n = (ssize_t)size[0];

    return size[0] == size[1] && size[0] <= RUN_SMALL &&
           (n == 0 ||
            (read(fd[0], r->small[0], size[0]) == n && read(fd[1], r->small[1], size[1]) == n &&
             memcmp(r->small[0], r->small[1], size[0]) == 0));
}

static int differ(struct running *r, struct place *p, struct span side[2],
                  const char *const name[2])
{
    struct ask_pair pair = {.side = {side[0], side[1]},
                            .name = {strdup(name[0]), strdup(name[1])},
                            .place = place_hold(p)};

    if (pair.name[0] == NULL || pair.name[1] == NULL) {
        for (int i = 0; i < 2; i++) {
            ask_unmap(&pair.side[i]);
            free(pair.name[i]);
        }
        place_drop(pair.place);
        return err_sys(r->e, -ENOMEM, "comparing");
    }
    return ask_add(&r->ask, &pair);
}

static int equal(struct running *r, struct place *p, uint64_t bytes)
{
    p->node->equal_children++;
    ask_step(&r->ask, bytes);
    return 0;
}

static int by_mapping(struct running *r, struct place *p, const int fd[2], const size_t size[2],
                      const char *const name[2])
{
    struct span side[2] = {{NULL, 0}, {NULL, 0}};
    int rc;

    if ((rc = map_file(r, fd[0], size[0], name[0], &side[0])) != 0)
        return rc;
    if ((rc = map_file(r, fd[1], size[1], name[1], &side[1])) != 0) {
        ask_unmap(&side[0]);
        return rc;
    }
    if (!span_eq(side[0], side[1]))
        return differ(r, p, side, name);
    ask_unmap(&side[0]);
    ask_unmap(&side[1]);
    return equal(r, p, (uint64_t)size[0] + size[1]);
}

int run_files(struct running *r, struct place *p, const int at[2], const char *const name[2])
{
    int fd[2] = {-1, -1}, rc = 0;
    size_t size[2] = {0, 0};

    for (int side = 0; side < 2 && rc == 0; side++)
        rc = open_file(r, at[side], name[side], &fd[side], &size[side]);
    if (rc == 0 && r->root[0] >= 0) /* in trees */
        rc = attributes_compare(r, p->node, fd, name[0]);
    if (rc == 0)
        rc = equal_by_reading(r, fd, size) ? equal(r, p, 2 * (uint64_t)size[0])
                                           : by_mapping(r, p, fd, size, name);
    io_close(&fd[0]);
    io_close(&fd[1]);
    return rc;
}

/* --- all of it --- */

static int kinds(struct running *r, const char *const path[2], bool *are_folders)
{
    struct stat st[2];

    for (int side = 0; side < 2; side++)
        if (stat(path[side], &st[side]) != 0)
            return err_sys(r->e, -errno, "\"%s\"", path[side]);
    for (int side = 0; side < 2; side++)
        if (!S_ISDIR(st[side].st_mode) && !S_ISREG(st[side].st_mode))
            return err_set(r->e, -EINVAL, "\"%s\" is neither a file nor a folder", path[side]);
    if (S_ISDIR(st[0].st_mode) != S_ISDIR(st[1].st_mode))
        return err_set(r->e, -EINVAL, "\"%s\" and \"%s\": a file and a folder", path[0], path[1]);
    *are_folders = S_ISDIR(st[0].st_mode);
    if (!*are_folders)
        r->ask.total = (uint64_t)st[0].st_size + (uint64_t)st[1].st_size;
    return 0;
}

static int two_folders(struct running *r, struct place *root, const char *const path[2])
{
    int rc = 0;

    for (int side = 0; side < 2 && rc == 0; side++)
        if ((r->root[side] = open(path[side], O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
            rc = err_sys(r->e, -errno, "folder \"%s\"", path[side]);
    if (rc == 0 && (rc = tree_compare(r, root, r->root)) == 0 && (rc = ask_finish(&r->ask)) == 0)
        rc = renames_tell(r, root);
    return rc;
}

/* Two files make one node, without a folder above it. */
static int two_files(struct running *r, struct place *root, const char *const path[2])
{
    char *real[2] = {realpath(path[0], NULL), realpath(path[1], NULL)};
    const int here[2] = {AT_FDCWD, AT_FDCWD};
    int rc;

    if (real[0] == NULL || real[1] == NULL)
        rc = err_sys(r->e, -errno, "comparing");
    else if ((rc = run_files(r, root, here, (const char *const *)real)) == 0)
        rc = ask_finish(&r->ask);
    free(real[0]);
    free(real[1]);
    return rc;
}

static struct compare_node *lift(struct compare_node *root)
{
    struct compare_node *n;

    if (root->children != 1)
        return root;
    n = root->child[0];
    root->children = 0;
    look_node_free(root);
    return n;
}

static int compare(struct running *r, struct compare_node *node, const char *const path[2],
                   bool are_folders)
{
    struct place root = {.node = node, .up = NULL, .holds = 1};
    int rc = are_folders ? two_folders(r, &root, path) : two_files(r, &root, path);

    ask_done(&r->ask);
    renames_free(r);
    place_sort(node);
    return rc;
}

int compare_run(struct compare_report **out, const char *a, const char *b,
                const struct compare_options *o, struct err *e)
{
    const char *const path[2] = {a, b};
    struct running r = {.root = {-1, -1}, .e = e};
    struct compare_report *rep = calloc(1, sizeof(*rep));
    struct look_budget defaults;
    bool are_folders = false;
    int rc;

    *out = NULL;
    if (rep == NULL)
        return err_sys(e, -ENOMEM, "comparing");
    look_budget_init(&defaults, o);
    r.findings = defaults.findings;
    r.members = defaults.members;
    ask_init(&r.ask, o, e);
    if ((rc = kinds(&r, path, &are_folders)) == 0 &&
        (rc = look_node_new(&rep->root, are_folders ? "folder" : "file", a, b)) == 0)
        rc = compare(&r, rep->root, path, are_folders);
    rep->looked = r.ask.looked;
    io_close(&r.root[0]);
    io_close(&r.root[1]);
    if (rc != 0) {
        compare_report_free(rep);
        return e != NULL && e->code == 0 ? err_sys(e, rc, "comparing") : rc;
    }
    if (!are_folders)
        rep->root = lift(rep->root);
    *out = rep;
    return 0;
}

void compare_report_free(struct compare_report *r)
{
    if (r == NULL)
        return;
    look_node_free(r->root);
    free(r);
}

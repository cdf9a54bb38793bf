/* tree.c - two trees: names, types, modes and links; the contents of files are run.c's.  Owners are
 * looked at where a program runs as them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/io.h"
#include "compare/mode.h"
#include "compare/run_priv.h"

struct listing {
    char **v;
    size_t n, room;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void listing_free(struct listing *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->v[i]);
    free(l->v);
}

static int listing_add(struct listing *l, const char *name)
{
    if (l->n == l->room) {
        size_t room = l->room == 0 ? 64 : 2 * l->room;
        char **more = reallocarray(l->v, room, sizeof(*more));

        if (more == NULL)
            return -ENOMEM;
        l->v = more;
        l->room = room;
    }
    if ((l->v[l->n] = strdup(name)) == NULL)
        return -ENOMEM;
    l->n++;
    return 0;
}

static int list(struct running *r, int dir, struct listing *l)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *en;

    if (d == NULL) {
        rc = err_sys(r->e, -errno, "reading a folder");
        io_close(&fd);
        return rc;
    }
    while (rc == 0 && (errno = 0, en = readdir(d)) != NULL) {
        if (strcmp(en->d_name, ".") == 0 || strcmp(en->d_name, "..") == 0)
            continue;
        if (r->members-- == 0)
            rc = err_set(r->e, -E2BIG, "too many files");
        else if ((rc = listing_add(l, en->d_name)) != 0)
            (void)err_sys(r->e, rc, "reading a folder");
    }
    if (rc == 0 && errno != 0)
        rc = err_sys(r->e, -errno, "reading a folder");
    (void)closedir(d);
    if (rc == 0 && l->n > 0)
        qsort(l->v, l->n, sizeof(*l->v), by_name);
    return rc;
}

static const char *sort_of(mode_t m)
{
    return S_ISREG(m)    ? "a file"
           : S_ISDIR(m)  ? "a folder"
           : S_ISLNK(m)  ? "a link"
           : S_ISFIFO(m) ? "a pipe"
           : S_ISSOCK(m) ? "a socket"
                         : "a device";
}

int tree_only(struct running *r, struct place *p, int side, const char *name, uint64_t size)
{
    struct compare_node *n = NULL;
    int rc = look_node_new(&n, "member", side == 0 ? name : NULL, side == 1 ? name : NULL);

    if (rc != 0)
        return err_sys(r->e, rc, "comparing");
    n->size[side] = n->bytes[side][COMPARE_UNEXPLAINED] = size;
    if ((rc = run_note(r, n, COMPARE_UNEXPLAINED,
                       side == 0 ? "it is only in A" : "it is only in B")) != 0) {
        look_node_free(n);
        return rc;
    }
    rc = look_node_add(p->node, n);
    return rc == 0 ? 0 : err_sys(r->e, rc, "comparing");
}

static int only(struct running *r, struct place *p, int side, int at, const char *name)
{
    struct stat st;
    int rc = -E2BIG;

    if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return err_sys(r->e, -errno, "\"%s\"", name);
    if (S_ISREG(st.st_mode))
        rc = renames_add(r, p, side, name, (uint64_t)st.st_size, tree_rights_of(&st));
    return rc != -E2BIG
               ? rc
               : tree_only(r, p, side, name, S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0);
}

static int links(struct running *r, struct compare_node *n, const int at[2], const char *name)
{
    char to[2][PATH_MAX], what[LOOK_WHAT];
    ssize_t len[2];

    for (int side = 0; side < 2; side++)
        if ((len[side] = readlinkat(at[side], name, to[side], PATH_MAX - 1)) < 0)
            return err_sys(r->e, -errno, "reading the link \"%s\"", name);
    if (len[0] == len[1] && memcmp(to[0], to[1], (size_t)len[0]) == 0) {
        n->equal_children++;
        return 0;
    }
    (void)snprintf(what, sizeof(what), "the link \"%.80s\" leads to \"%.*s\" and to \"%.*s\"", name,
                   (int)(len[0] < 100 ? len[0] : 100), to[0], (int)(len[1] < 100 ? len[1] : 100),
                   to[1]);
    return run_note(r, n, COMPARE_UNEXPLAINED, what);
}

/* The folder of that name on both sides: a node of its own, and the path grows by it meanwhile. */
static int below(struct running *r, struct place *up, const int at[2], const char *name)
{
    struct compare_node *n = NULL;
    struct place *p = NULL;
    size_t path_n = r->path_n;
    int dir[2] = {-1, -1}, rc, gone;

    if (r->depth == RUN_DEPTH)
        return err_set(r->e, -E2BIG, "folder \"%s\" is too deep", name);
    if ((rc = look_node_new(&n, "folder", name, name)) != 0 || (rc = place_new(&p, up, n)) != 0)
        return err_sys(r->e, rc, "comparing");
    for (int side = 0; side < 2 && rc == 0; side++)
        if ((dir[side] = openat(at[side], name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) <
            0)
            rc = err_sys(r->e, -errno, "folder \"%s\"", name);
    if (rc == 0)
        rc = attributes_compare(r, up->node, dir, name);
    if (rc == 0 && strlen(name) > NAME_MAX)
        rc = err_set(r->e, -ENAMETOOLONG, "folder \"%.100s...\"", name);
    if (rc == 0) {
        memcpy(r->path + r->path_n, name, strlen(name));
        r->path_n += strlen(name);
        r->path[r->path_n++] = '/';
        r->path[r->path_n] = '\0';
    }
    r->depth++;
    if (rc == 0)
        rc = tree_compare(r, p, dir);
    r->depth--;
    r->path_n = path_n;
    r->path[path_n] = '\0';
    io_close(&dir[0]);
    io_close(&dir[1]);
    gone = place_let_go(p);
    return rc != 0 ? rc : gone == 0 ? 0 : err_sys(r->e, gone, "comparing");
}

struct rights tree_rights_of(const struct stat *st)
{
    return (struct rights){st->st_mode, st->st_uid, st->st_gid};
}

int tree_rights(struct running *r, struct compare_node *n, const struct rights of[2],
                const char *name)
{
    const struct rights *a = &of[0], *b = &of[1];
    const bool owned = mode_owner_class(a->mode, b->mode) == COMPARE_UNEXPLAINED;
    char what[LOOK_WHAT];
    int rc = 0;

    if (mode_class(a->mode, b->mode) == COMPARE_UNEXPLAINED) {
        (void)snprintf(what, sizeof(what), "the mode of \"%.200s\" is %04o and %04o", name,
                       a->mode & 07777, b->mode & 07777);
        rc = run_note(r, n, COMPARE_UNEXPLAINED, what);
    }
    if (rc == 0 && owned && (a->uid != b->uid || a->gid != b->gid)) {
        (void)snprintf(what, sizeof(what),
                       "\"%.200s\", setuid or setgid, is owned by %u:%u and by %u:%u", name, a->uid,
                       a->gid, b->uid, b->gid);
        rc = run_note(r, n, COMPARE_UNEXPLAINED, what);
    }
    return rc;
}

static int device(struct running *r, struct compare_node *n, const struct stat st[2],
                  const char *name)
{
    char what[LOOK_WHAT];

    if (st[0].st_rdev == st[1].st_rdev)
        return 0;
    (void)snprintf(what, sizeof(what), "the device \"%.200s\" is %u:%u and %u:%u", name,
                   major(st[0].st_rdev), minor(st[0].st_rdev), major(st[1].st_rdev),
                   minor(st[1].st_rdev));
    return run_note(r, n, COMPARE_UNEXPLAINED, what);
}

static int both(struct running *r, struct place *p, const int at[2], const char *name)
{
    const char *const names[2] = {name, name};
    struct rights rights[2];
    struct stat st[2];
    char what[LOOK_WHAT];
    int rc;

    for (int side = 0; side < 2; side++)
        if (fstatat(at[side], name, &st[side], AT_SYMLINK_NOFOLLOW) != 0)
            return err_sys(r->e, -errno, "\"%s\"", name);
    if ((st[0].st_mode & S_IFMT) != (st[1].st_mode & S_IFMT)) {
        (void)snprintf(what, sizeof(what), "\"%.200s\" is %s in A and %s in B", name,
                       sort_of(st[0].st_mode), sort_of(st[1].st_mode));
        return run_note(r, p->node, COMPARE_UNEXPLAINED, what);
    }
    if (S_ISLNK(st[0].st_mode))
        return links(r, p->node, at, name);
    rights[0] = tree_rights_of(&st[0]);
    rights[1] = tree_rights_of(&st[1]);
    if ((rc = tree_rights(r, p->node, rights, name)) != 0)
        return rc;
    if (S_ISDIR(st[0].st_mode))
        return below(r, p, at, name);
    if (S_ISREG(st[0].st_mode))
        return run_files(r, p, at, names);
    return S_ISCHR(st[0].st_mode) || S_ISBLK(st[0].st_mode) ? device(r, p->node, st, name) : 0;
}

int tree_compare(struct running *r, struct place *p, const int dir[2])
{
    struct listing l[2] = {{NULL, 0, 0}, {NULL, 0, 0}};
    size_t i = 0, k = 0;
    int rc = list(r, dir[0], &l[0]);

    if (rc == 0)
        rc = list(r, dir[1], &l[1]);
    while (rc == 0 && (i < l[0].n || k < l[1].n)) {
        int d = i == l[0].n ? 1 : k == l[1].n ? -1 : strcmp(l[0].v[i], l[1].v[k]);

        rc = d < 0   ? only(r, p, 0, dir[0], l[0].v[i])
             : d > 0 ? only(r, p, 1, dir[1], l[1].v[k])
                     : both(r, p, dir, l[0].v[i]);
        i += d <= 0;
        k += d >= 0;
    }
    listing_free(&l[0]);
    listing_free(&l[1]);
    return rc;
}

/* run.c - trees are walked and files compared byte by byte here; pairs that differ are looked into
 * in a jailed child, many pairs a child. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "compare/look_priv.h"
#include "jail/jail.h"
#include "jail/proc.h"

#define NOBODY 65534
#define BATCH 128u              /* pairs a child */
#define ANSWER_MAX (512u << 20) /* bytes of a child's answer */
#define TREE_DEPTH 256u

struct pair { /* two files that differ */
    struct span side[2];
    char *name[2];
    struct compare_node *parent;
};

struct running {
    const struct compare_options *o;
    struct look_budget budget; /* of members of folders, and what is looked at */
    struct pair *pair;
    size_t pairs;
    unsigned depth;
    struct err *e;
};

/* --- the child --- */

static int answer(struct running *r, struct buf *out)
{
    struct look_budget b;
    int rc = 0;

    look_budget_init(&b, r->o);
    for (size_t i = 0; i < r->pairs && rc == 0; i++) {
        struct compare_node *n = NULL;

        rc = look_compare(&b, r->pair[i].side[0], r->pair[i].side[1], r->pair[i].name[0],
                          r->pair[i].name[1], &n);
        if (rc == 0)
            rc = look_wire_put(out, n);
        look_node_free(n);
    }
    return rc == 0 ? buf_put_u64(out, b.looked) : rc;
}

/* Ends with 0 when all of the answer is in fd. */
static void child(struct running *r, int fd)
{
    const struct jail_spec spec = {.profile = JAIL_READER,
                                   .flags = JAIL_NET | JAIL_IPC | JAIL_EMPTY_ROOT,
                                   .uid = NOBODY,
                                   .gid = NOBODY,
                                   .file_size = ANSWER_MAX,
                                   .address_space = UINT64_C(1) << 40, /* files are mapped */
                                   .cpu_seconds =
                                       r->o->seconds != 0 ? r->o->seconds : LOOK_SECONDS};
    struct err e = ERR_INIT;
    struct buf out;

    if (jail_close_from(3, &fd, 1) != 0 || jail_enter(&spec, &e) != 0) {
        (void)!io_write_all(fd, e.text, strlen(e.text) + 1);
        _exit(3);
    }
    buf_init(&out, ANSWER_MAX);
    if (answer(r, &out) != 0 || io_write_all(fd, out.data, out.len) != 0)
        _exit(1);
    _exit(0);
}

static int take_answer(struct running *r, struct span said)
{
    struct cur c = cur_of(said);
    uint64_t looked = 0;
    int rc = 0;

    for (size_t i = 0; i < r->pairs && rc == 0; i++) {
        struct compare_node *n = NULL;

        if ((rc = look_wire_get(&c, &n)) == 0)
            rc = look_node_add(r->pair[i].parent, n);
    }
    if (rc == 0 && (rc = cur_u64(&c, &looked)) == 0 && c.n > 0)
        rc = -EBADMSG;
    r->budget.looked += looked;
    return rc;
}

/* --- what a child that died leaves: the pair is unexplained, and the others are asked anew --- */

static int give_up(struct running *r, size_t i, const struct proc_last *why)
{
    const struct look_range all[2] = {{0, r->pair[i].side[0].n}, {0, r->pair[i].side[1].n}};
    struct compare_node *n = NULL;
    char text[96], what[LOOK_WHAT];
    int rc = look_node_new(&n, "bytes", r->pair[i].name[0], r->pair[i].name[1]);

    if (rc != 0)
        return rc;
    (void)snprintf(what, sizeof(what), "the look into it ended by force: %s",
                   proc_last_text(why, text));
    for (int side = 0; side < 2; side++) {
        n->size[side] = all[side].n;
        n->bytes[side][COMPARE_UNEXPLAINED] = all[side].n;
    }
    if ((rc = look_node_find(n, 1, COMPARE_UNEXPLAINED, all, what)) != 0) {
        look_node_free(n);
        return rc;
    }
    return look_node_add(r->pair[i].parent, n);
}

static int ask(struct running *r, struct proc_last *why)
{
    int fd = memfd_create("compare", MFD_CLOEXEC), rc;
    struct proc p = PROC_NONE;
    struct buf said;

    if (fd < 0)
        return err_sys(r->e, -errno, "comparing");
    buf_init(&said, ANSWER_MAX);
    if ((rc = proc_fork(&p)) == 1)
        child(r, fd);
    if (rc == 0)
        rc = proc_reap(&p, true, why);
    if (rc != 0)
        (void)err_sys(r->e, rc, "comparing");
    else if (lseek(fd, 0, SEEK_SET) != 0 || (rc = io_read_fd(fd, &said)) != 0)
        rc = err_sys(r->e, rc != 0 ? rc : -errno, "comparing");
    else if (why->end == PROC_EXITED && why->code == 3)
        rc = err_set(r->e, -EPERM, "%.400s", buf_str(&said));
    else if (why->end == PROC_EXITED && why->code == 0)
        rc = take_answer(r, buf_span(&said)) == 0 ? 0 : 1;
    else
        rc = 1;
    buf_free(&said);
    io_close(&fd);
    return rc;
}

/* 0, or trouble.  A child that dies over many pairs is asked one by one. */
static int ask_all(struct running *r)
{
    struct proc_last why;
    struct pair *all = r->pair;
    size_t n = r->pairs;
    int rc = n == 0 ? 0 : ask(r, &why);

    if (rc == 1) {
        rc = 0;
        for (size_t i = 0; i < n && rc == 0; i++) {
            r->pair = &all[i];
            r->pairs = 1;
            if (n == 1 || (rc = ask(r, &why)) == 1)
                rc = give_up(r, 0, &why);
        }
    }
    r->pair = all;
    r->pairs = n;
    return rc;
}

static void forget_pairs(struct running *r)
{
    for (size_t i = 0; i < r->pairs; i++) {
        for (int side = 0; side < 2; side++) {
            if (r->pair[i].side[side].n > 0)
                (void)munmap((void *)(uintptr_t)r->pair[i].side[side].p, r->pair[i].side[side].n);
            free(r->pair[i].name[side]);
        }
    }
    r->pairs = 0;
}

static int flush(struct running *r)
{
    int rc = ask_all(r);

    forget_pairs(r);
    return rc;
}

/* --- files --- */

static int map(struct running *r, int at, const char *name, struct span *out)
{
    int fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), rc = 0;
    struct stat st;
    void *p;

    *out = span_of("", 0);
    if (fd < 0)
        return err_sys(r->e, -errno, "reading \"%s\"", name);
    if (fstat(fd, &st) != 0)
        rc = -errno;
    else if (!S_ISREG(st.st_mode))
        rc = -EINVAL;
    else if (st.st_size > 0) {
        p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED)
            rc = -errno;
        else
            *out = span_of(p, (size_t)st.st_size);
    }
    io_close(&fd);
    return rc == 0 ? 0 : err_sys(r->e, rc, "reading \"%s\"", name);
}

/* Both are regular files. */
static int files(struct running *r, struct compare_node *parent, const int at[2],
                 const char *const name[2], const char *shown)
{
    struct pair *p = &r->pair[r->pairs];
    int rc;

    memset(p, 0, sizeof(*p));
    p->parent = parent;
    if ((rc = map(r, at[0], name[0], &p->side[0])) != 0)
        return rc;
    r->pairs++; /* from here on it is forgotten with the others */
    if ((rc = map(r, at[1], name[1], &p->side[1])) != 0)
        return rc;
    if (span_eq(p->side[0], p->side[1])) {
        parent->equal_children++;
        for (int side = 0; side < 2; side++)
            if (p->side[side].n > 0)
                (void)munmap((void *)(uintptr_t)p->side[side].p, p->side[side].n);
        r->pairs--;
        return 0;
    }
    p->name[0] = strdup(shown != NULL ? shown : name[0]);
    p->name[1] = strdup(shown != NULL ? shown : name[1]);
    if (p->name[0] == NULL || p->name[1] == NULL)
        return err_sys(r->e, -ENOMEM, "comparing");
    return r->pairs == BATCH ? flush(r) : 0;
}

/* --- folders --- */

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
        if (r->budget.members-- == 0)
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

static int note(struct running *r, struct compare_node *n, enum compare_class class,
                const char *what)
{
    static const struct look_range nowhere[2] = {{0, 0}, {0, 0}};
    int rc = look_node_find(n, r->budget.findings, class, nowhere, what);

    return rc == 0 ? 0 : err_sys(r->e, rc, "comparing");
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

static int only(struct running *r, struct compare_node *parent, int side, const char *name)
{
    struct compare_node *n = NULL;
    int rc = look_node_new(&n, "member", side == 0 ? name : NULL, side == 1 ? name : NULL);

    if (rc != 0)
        return err_sys(r->e, rc, "comparing");
    if ((rc = note(r, n, COMPARE_UNEXPLAINED, side == 0 ? "it is only in A" : "it is only in B")) !=
        0) {
        look_node_free(n);
        return rc;
    }
    return look_node_add(parent, n);
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
    return note(r, n, COMPARE_UNEXPLAINED, what);
}

static int folders(struct running *r, struct compare_node *n, const int dir[2]);

static int below(struct running *r, struct compare_node *parent, const int at[2], const char *name)
{
    struct compare_node *n = NULL;
    int dir[2] = {-1, -1}, rc = look_node_new(&n, "folder", name, name);

    if (rc != 0)
        return err_sys(r->e, rc, "comparing");
    if (++r->depth > TREE_DEPTH)
        rc = err_set(r->e, -E2BIG, "folder \"%s\" is too deep", name);
    for (int side = 0; side < 2 && rc == 0; side++)
        if ((dir[side] = openat(at[side], name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) <
            0)
            rc = err_sys(r->e, -errno, "folder \"%s\"", name);
    if (rc == 0 && (rc = folders(r, n, dir)) == 0)
        rc = flush(r); /* they hang on n, which may be freed by its parent */
    io_close(&dir[0]);
    io_close(&dir[1]);
    r->depth--;
    if (rc != 0) {
        look_node_free(n);
        return rc;
    }
    return look_node_add(parent, n);
}

static int both(struct running *r, struct compare_node *n, const int at[2], const char *name)
{
    const char *const names[2] = {name, name};
    struct stat st[2];
    char what[LOOK_WHAT];
    int rc = 0;

    for (int side = 0; side < 2; side++)
        if (fstatat(at[side], name, &st[side], AT_SYMLINK_NOFOLLOW) != 0)
            return err_sys(r->e, -errno, "\"%s\"", name);
    if ((st[0].st_mode & S_IFMT) != (st[1].st_mode & S_IFMT)) {
        (void)snprintf(what, sizeof(what), "\"%.200s\" is %s in A and %s in B", name,
                       sort_of(st[0].st_mode), sort_of(st[1].st_mode));
        return note(r, n, COMPARE_UNEXPLAINED, what);
    }
    if (!S_ISLNK(st[0].st_mode) && st[0].st_mode != st[1].st_mode) {
        (void)snprintf(what, sizeof(what), "the mode of \"%.200s\" is %04o and %04o", name,
                       st[0].st_mode & 07777, st[1].st_mode & 07777);
        rc = note(r, n, COMPARE_METADATA, what);
    }
    if (rc != 0)
        return rc;
    if (S_ISDIR(st[0].st_mode))
        return below(r, n, at, name);
    if (S_ISREG(st[0].st_mode))
        return files(r, n, at, names, NULL);
    return S_ISLNK(st[0].st_mode) ? links(r, n, at, name) : 0;
}

static int folders(struct running *r, struct compare_node *n, const int dir[2])
{
    struct listing l[2] = {{NULL, 0, 0}, {NULL, 0, 0}};
    size_t i = 0, k = 0;
    int rc = list(r, dir[0], &l[0]);

    if (rc == 0)
        rc = list(r, dir[1], &l[1]);
    while (rc == 0 && (i < l[0].n || k < l[1].n)) {
        int d = i == l[0].n ? 1 : k == l[1].n ? -1 : strcmp(l[0].v[i], l[1].v[k]);

        rc = d < 0   ? only(r, n, 0, l[0].v[i])
             : d > 0 ? only(r, n, 1, l[1].v[k])
                     : both(r, n, dir, l[0].v[i]);
        i += d <= 0;
        k += d >= 0;
    }
    listing_free(&l[0]);
    listing_free(&l[1]);
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
    return 0;
}

static int two_folders(struct running *r, struct compare_node *root, const char *const path[2])
{
    int dir[2] = {-1, -1}, rc = 0;

    for (int side = 0; side < 2 && rc == 0; side++)
        if ((dir[side] = open(path[side], O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
            rc = err_sys(r->e, -errno, "folder \"%s\"", path[side]);
    if (rc == 0 && (rc = folders(r, root, dir)) == 0)
        rc = flush(r);
    io_close(&dir[0]);
    io_close(&dir[1]);
    return rc;
}

/* Two files make one node, without a folder above it. */
static int two_files(struct running *r, struct compare_node *root, const char *const path[2])
{
    char *real[2] = {realpath(path[0], NULL), realpath(path[1], NULL)};
    const int here[2] = {AT_FDCWD, AT_FDCWD};
    int rc;

    if (real[0] == NULL || real[1] == NULL)
        rc = err_sys(r->e, -errno, "comparing");
    else if ((rc = files(r, root, here, (const char *const *)real, NULL)) == 0)
        rc = flush(r);
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

int compare_run(struct compare_report **out, const char *a, const char *b,
                const struct compare_options *o, struct err *e)
{
    static const struct compare_options none;
    const char *const path[2] = {a, b};
    struct running r = {.o = o != NULL ? o : &none, .e = e};
    struct compare_report *rep = calloc(1, sizeof(*rep));
    bool are_folders = false;
    int rc;

    *out = NULL;
    look_budget_init(&r.budget, o);
    if (rep == NULL || (r.pair = calloc(BATCH, sizeof(*r.pair))) == NULL) {
        free(rep);
        return err_sys(e, -ENOMEM, "comparing");
    }
    if ((rc = kinds(&r, path, &are_folders)) == 0 &&
        (rc = look_node_new(&rep->root, are_folders ? "folder" : "file", a, b)) == 0)
        rc = are_folders ? two_folders(&r, rep->root, path) : two_files(&r, rep->root, path);
    forget_pairs(&r);
    free(r.pair);
    rep->looked = r.budget.looked;
    if (rc != 0) {
        compare_report_free(rep);
        return rc;
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

/* faultfs.c - a file system that fails on demand: faultfs BACKING MOUNTPOINT CONTROL
 *
 * Passes everything through to the folder BACKING, and keeps beside it the model of what would be
 * on the disk (disk.h).  Orders come as lines over the unix socket CONTROL, one answer line each:
 *
 *   fail KIND NTH ERRNO TIMES   the NTH call of KIND from now fails, and TIMES - 1 after it
 *                               (0: all); KIND: open read write sync space name; a failed sync
 *                               loses what it was to keep
 *   lie on|off                  syncs answer success and keep nothing
 *   halve on|off                writes take half of what they are given
 *   full BYTES|off              so many more bytes can be written, then ENOSPC
 *   flip PATH OFFSET            one bit at rest changes, as disks do: unseen until read
 *   flipread NTH                the NTH read from now gives one wrong bit
 *   cut WAY SEED FOLDER         writes into FOLDER what the disk would hold if the power failed
 * now; WAY: none all names some ordered count                       calls of each kind so far syncs
 * how many changes are not synced
 *
 * syncfs(2) does not reach a FUSE file system of an ordinary user space: it keeps nothing here.
 * Exit 77: FUSE is not to be had on this machine (the reason is on stderr). */
#define FUSE_USE_VERSION 31
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <fuse3/fuse_lowlevel.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <unistd.h>

#include "disk.h"

enum kind { OPEN, READ, WRITE, SYNC, SPACE, NAME, KINDS };
static const char *const kind_names[KINDS] = {"open", "read", "write", "sync", "space", "name"};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct disk *disk;
static int backing = -1; /* folder */
static bool lies, halves;
static int64_t room = -1; /* bytes left; -1: enough */
static uint64_t counted[KINDS], flip_read;
static struct {
    uint64_t nth;
    int err;
    unsigned times;
    bool for_ever;
} failing[KINDS];

struct handle {
    int fd;
    disk_node node;
};

/* --- small things --- */

static const char *below(const char *path)
{
    return path[1] == '\0' ? "." : path + 1;
}

static disk_node node_of(const char *path)
{
    return disk_path(disk, path + 1);
}

/* The folder of a path, and its last name. */
static disk_node folder_of(const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');
    char above[4096];

    *name = slash + 1;
    (void)snprintf(above, sizeof(above), "%.*s", (int)(slash - path), path);
    return disk_path(disk, above[0] == '/' ? above + 1 : above);
}

static int fails(enum kind k)
{
    counted[k]++;
    if (failing[k].nth == 0)
        return 0;
    if (failing[k].nth > 1) {
        failing[k].nth--;
        return 0;
    }
    if (!failing[k].for_ever && --failing[k].times == 0)
        failing[k].nth = 0;
    return -failing[k].err;
}

static struct handle *handle_of(const struct fuse_file_info *fi)
{
    return (struct handle *)(uintptr_t)fi->fh;
}

static int handle_new(struct fuse_file_info *fi, int fd, disk_node node)
{
    struct handle *h = malloc(sizeof(*h));

    if (h == NULL) {
        (void)close(fd);
        return -ENOMEM;
    }
    h->fd = fd;
    h->node = node;
    fi->fh = (uint64_t)(uintptr_t)h;
    return 0;
}

/* New things belong to whoever asked. */
static void give(const char *path, disk_node n, mode_t mode)
{
    const struct fuse_context *c = fuse_get_context();

    (void)!fchownat(backing, below(path), c->uid, c->gid, AT_SYMLINK_NOFOLLOW);
    disk_own(disk, n, mode & 07777, c->uid, c->gid);
}

/* --- looking --- */

static int fs_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
    int rc = fi != NULL ? fstat(handle_of(fi)->fd, st)
                        : fstatat(backing, below(path), st, AT_SYMLINK_NOFOLLOW);

    return rc == 0 ? 0 : -errno;
}

static int fs_readdir(const char *path, void *buf, fuse_fill_dir_t fill, off_t at,
                      struct fuse_file_info *fi, enum fuse_readdir_flags flags)
{
    int fd = openat(backing, below(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;

    (void)at;
    (void)fi;
    (void)flags;
    if (d == NULL)
        return -errno;
    while ((e = readdir(d)) != NULL)
        if (fill(buf, e->d_name, NULL, 0, 0) != 0)
            break;
    (void)closedir(d);
    return 0;
}

static int fs_statfs(const char *path, struct statvfs *st)
{
    (void)path;
    if (fstatvfs(backing, st) != 0)
        return -errno;
    if (room >= 0)
        st->f_bavail = st->f_bfree = (fsblkcnt_t)((uint64_t)room / st->f_frsize);
    return 0;
}

/* --- files --- */

static int open_one(const char *path, int flags, mode_t mode, struct fuse_file_info *fi)
{
    bool made = false;
    int fd, rc;

    (void)pthread_mutex_lock(&lock);
    if ((rc = fails(OPEN)) != 0)
        goto out;
    fd = openat(backing, below(path), (flags & ~(O_APPEND | O_CREAT | O_EXCL)) | O_CLOEXEC, 0);
    if (fd < 0 && errno == ENOENT && (flags & O_CREAT) != 0) {
        fd = openat(backing, below(path), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        made = fd >= 0;
    } else if (fd >= 0 && (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) {
        (void)close(fd);
        rc = -EEXIST;
        goto out;
    }
    if (fd < 0) {
        rc = -errno;
        goto out;
    }
    if (made) {
        const char *name;
        disk_node folder = folder_of(path, &name);

        give(path, disk_make(disk, folder, name, false), mode);
    } else if ((flags & O_TRUNC) != 0) {
        disk_truncate(disk, node_of(path), 0);
    }
    rc = handle_new(fi, fd, node_of(path));
out:
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

static int fs_open(const char *path, struct fuse_file_info *fi)
{
    return open_one(path, fi->flags, 0, fi);
}

static int fs_create(const char *path, mode_t mode, struct fuse_file_info *fi)
{
    return open_one(path, fi->flags | O_CREAT, mode, fi);
}

static int fs_release(const char *path, struct fuse_file_info *fi)
{
    struct handle *h = handle_of(fi);

    (void)path;
    (void)close(h->fd);
    free(h);
    return 0;
}

static int fs_read(const char *path, char *p, size_t n, off_t at, struct fuse_file_info *fi)
{
    ssize_t r;
    int rc;

    (void)path;
    (void)pthread_mutex_lock(&lock);
    rc = fails(READ);
    if (rc == 0) {
        r = pread(handle_of(fi)->fd, p, n, at);
        rc = r < 0 ? -errno : (int)r;
        if (r > 0 && flip_read > 0 && --flip_read == 0)
            p[r / 2] ^= 4;
    }
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

static int fs_write(const char *path, const char *p, size_t n, off_t at, struct fuse_file_info *fi)
{
    struct handle *h = handle_of(fi);
    ssize_t w;
    int rc;

    (void)path;
    (void)pthread_mutex_lock(&lock);
    if ((rc = fails(WRITE)) != 0)
        goto out;
    if (halves && n > 1)
        n /= 2;
    if (room >= 0 && (int64_t)n > room)
        n = (size_t)room;
    if (n == 0) {
        rc = -ENOSPC;
        goto out;
    }
    w = pwrite(h->fd, p, n, at);
    rc = w < 0 ? -errno : (int)w;
    if (w > 0) {
        disk_write(disk, h->node, p, (size_t)w, (uint64_t)at);
        room -= room >= 0 ? w : 0;
    }
out:
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

static int fs_truncate(const char *path, off_t size, struct fuse_file_info *fi)
{
    int fd, rc;

    (void)pthread_mutex_lock(&lock);
    if ((rc = fails(SPACE)) == 0) {
        fd = fi != NULL ? handle_of(fi)->fd : openat(backing, below(path), O_WRONLY | O_CLOEXEC);
        rc = fd < 0 || ftruncate(fd, size) != 0 ? -errno : 0;
        if (rc == 0)
            disk_truncate(disk, fi != NULL ? handle_of(fi)->node : node_of(path), (uint64_t)size);
        if (fi == NULL && fd >= 0)
            (void)close(fd);
    }
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

static int fs_fallocate(const char *path, int mode, off_t at, off_t n, struct fuse_file_info *fi)
{
    struct handle *h = handle_of(fi);
    bool hole = (mode & FALLOC_FL_PUNCH_HOLE) != 0;
    int rc;

    (void)path;
    (void)pthread_mutex_lock(&lock);
    if ((rc = fails(SPACE)) == 0 && !hole && room >= 0 && n > room)
        rc = -ENOSPC;
    if (rc == 0) {
        rc = fallocate(h->fd, mode, at, n) == 0 ? 0 : -errno;
        if (rc == 0 && hole)
            disk_punch(disk, h->node, (uint64_t)at, (uint64_t)n);
        else if (rc == 0)
            disk_reserve(disk, h->node, (uint64_t)at, (uint64_t)n,
                         (mode & FALLOC_FL_KEEP_SIZE) != 0);
        room -= rc == 0 && !hole && room >= 0 ? n : 0;
    }
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

static int sync_node(disk_node n)
{
    int rc;

    (void)pthread_mutex_lock(&lock);
    rc = fails(SYNC);
    if (rc != 0)
        disk_lose(disk, n);
    else if (!lies)
        disk_sync(disk, n, disk_now(disk));
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

static int fs_fsync(const char *path, int data, struct fuse_file_info *fi)
{
    (void)path;
    (void)data;
    return sync_node(handle_of(fi)->node);
}

static int fs_opendir(const char *path, struct fuse_file_info *fi)
{
    int fd, rc;

    (void)pthread_mutex_lock(&lock);
    fd = openat(backing, below(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    rc = fd < 0 ? -errno : handle_new(fi, fd, node_of(path));
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

/* --- names --- */

static int fs_mkdir(const char *path, mode_t mode)
{
    const char *name;
    disk_node folder;
    int rc;

    (void)pthread_mutex_lock(&lock);
    if ((rc = fails(NAME)) == 0 &&
        (rc = mkdirat(backing, below(path), mode) == 0 ? 0 : -errno) == 0) {
        folder = folder_of(path, &name);
        give(path, disk_make(disk, folder, name, true), mode);
    }
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

static int remove_one(const char *path, int flags)
{
    const char *name;
    disk_node folder;
    int rc;

    (void)pthread_mutex_lock(&lock);
    if ((rc = fails(NAME)) == 0 &&
        (rc = unlinkat(backing, below(path), flags) == 0 ? 0 : -errno) == 0) {
        folder = folder_of(path, &name);
        disk_remove(disk, folder, name);
    }
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

static int fs_unlink(const char *path)
{
    return remove_one(path, 0);
}

static int fs_rmdir(const char *path)
{
    return remove_one(path, AT_REMOVEDIR);
}

static int fs_rename(const char *from, const char *to, unsigned flags)
{
    const char *x, *y;
    disk_node a, b;
    int rc;

    (void)pthread_mutex_lock(&lock);
    if ((rc = fails(NAME)) == 0 &&
        (rc = renameat2(backing, below(from), backing, below(to), flags) == 0 ? 0 : -errno) == 0) {
        a = folder_of(from, &x);
        b = folder_of(to, &y);
        disk_rename(disk, a, x, b, y, (flags & RENAME_EXCHANGE) != 0);
    }
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

static int fs_link(const char *from, const char *to)
{
    const char *name;
    disk_node folder;
    int rc;

    (void)pthread_mutex_lock(&lock);
    if ((rc = fails(NAME)) == 0 &&
        (rc = linkat(backing, below(from), backing, below(to), 0) == 0 ? 0 : -errno) == 0) {
        folder = folder_of(to, &name);
        disk_link(disk, node_of(from), folder, name);
    }
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

static void own_again(const char *path)
{
    struct stat st;

    if (fstatat(backing, below(path), &st, AT_SYMLINK_NOFOLLOW) == 0 && node_of(path) != 0)
        disk_own(disk, node_of(path), st.st_mode, st.st_uid, st.st_gid);
}

static int fs_chmod(const char *path, mode_t mode, struct fuse_file_info *fi)
{
    int rc;

    (void)fi;
    (void)pthread_mutex_lock(&lock);
    rc = fchmodat(backing, below(path), mode, 0) == 0 ? 0 : -errno;
    own_again(path);
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

static int fs_chown(const char *path, uid_t uid, gid_t gid, struct fuse_file_info *fi)
{
    int rc;

    (void)fi;
    (void)pthread_mutex_lock(&lock);
    rc = fchownat(backing, below(path), uid, gid, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : -errno;
    own_again(path);
    (void)pthread_mutex_unlock(&lock);
    return rc;
}

static int fs_utimens(const char *path, const struct timespec t[2], struct fuse_file_info *fi)
{
    (void)fi;
    return utimensat(backing, below(path), t, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : -errno;
}

static void *fs_init(struct fuse_conn_info *conn, struct fuse_config *c)
{
    (void)conn;
    c->hard_remove = 1; /* open files are known by their handles */
    c->nullpath_ok = 0;
    c->kernel_cache = 0;
    c->entry_timeout = c->attr_timeout = c->negative_timeout = 0;
    return NULL;
}

static const struct fuse_operations operations = {
    .init = fs_init,
    .getattr = fs_getattr,
    .readdir = fs_readdir,
    .statfs = fs_statfs,
    .open = fs_open,
    .create = fs_create,
    .release = fs_release,
    .read = fs_read,
    .write = fs_write,
    .truncate = fs_truncate,
    .fallocate = fs_fallocate,
    .fsync = fs_fsync,
    .opendir = fs_opendir,
    .releasedir = fs_release,
    .fsyncdir = fs_fsync,
    .mkdir = fs_mkdir,
    .unlink = fs_unlink,
    .rmdir = fs_rmdir,
    .rename = fs_rename,
    .link = fs_link,
    .chmod = fs_chmod,
    .chown = fs_chown,
    .utimens = fs_utimens,
};

/* --- orders --- */

#define WORDS 6

static int order_fail(char *w[WORDS])
{
    for (unsigned k = 0; k < KINDS; k++)
        if (strcmp(w[1], kind_names[k]) == 0) {
            failing[k].nth = strtoull(w[2], NULL, 10);
            failing[k].err = (int)strtol(w[3], NULL, 10);
            failing[k].times = (unsigned)strtoul(w[4], NULL, 10);
            failing[k].for_ever = failing[k].times == 0;
            return 0;
        }
    return -EINVAL;
}

/* In the folder below and on the disk alike: what is cut later has it too. */
static int order_flip(char *w[WORDS])
{
    int fd = openat(backing, w[1], O_RDWR | O_CLOEXEC);
    off_t at = (off_t)strtoll(w[2], NULL, 10);
    uint8_t b;
    int rc = 0;

    if (fd < 0)
        return -errno;
    if (pread(fd, &b, 1, at) != 1) {
        rc = -ERANGE;
    } else {
        b ^= 4;
        rc = pwrite(fd, &b, 1, at) == 1 ? 0 : -errno;
        disk_write(disk, disk_path(disk, w[1]), &b, 1, (uint64_t)at);
        disk_sync(disk, disk_path(disk, w[1]), disk_now(disk));
    }
    (void)close(fd);
    return rc;
}

static int order_cut(char *w[WORDS])
{
    static const struct {
        const char *name;
        struct disk_cut how;
    } ways[] = {
        {"none", {DISK_NONE, DISK_NONE, 512, false, 0}},
        {"all", {DISK_ALL, DISK_ALL, 512, false, 0}},
        {"names", {DISK_NONE, DISK_ALL, 512, false, 0}},
        {"some", {DISK_SOME, DISK_SOME, 512, true, 0}},
        {"ordered", {DISK_PREFIX, DISK_PREFIX, 4096, false, 0}},
    };

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
        if (strcmp(w[1], ways[i].name) == 0) {
            struct disk_cut how = ways[i].how;

            how.seed = strtoull(w[2], NULL, 10);
            disk_cut(disk, &how, w[3]);
            return 0;
        }
    return -EINVAL;
}

static int split(char *line, char *w[WORDS])
{
    int n = 0;

    for (char *p = strtok_r(line, " \n", &line); p != NULL && n < WORDS;
         p = strtok_r(NULL, " \n", &line))
        w[n++] = p;
    return n;
}

static int obey(char *line, char *answer, size_t cap)
{
    char *w[WORDS];
    int n = split(line, w);

    answer[0] = '\0';
    if (n == 5 && strcmp(w[0], "fail") == 0)
        return order_fail(w);
    if (n == 2 && strcmp(w[0], "lie") == 0) {
        lies = strcmp(w[1], "on") == 0;
        return 0;
    }
    if (n == 2 && strcmp(w[0], "halve") == 0) {
        halves = strcmp(w[1], "on") == 0;
        return 0;
    }
    if (n == 2 && strcmp(w[0], "full") == 0) {
        room = strcmp(w[1], "off") == 0 ? -1 : strtoll(w[1], NULL, 10);
        return 0;
    }
    if (n == 3 && strcmp(w[0], "flip") == 0)
        return order_flip(w);
    if (n == 2 && strcmp(w[0], "flipread") == 0) {
        flip_read = strtoull(w[1], NULL, 10);
        return 0;
    }
    if (n == 4 && strcmp(w[0], "cut") == 0)
        return order_cut(w);
    if (n == 1 && strcmp(w[0], "syncs") == 0) {
        (void)snprintf(answer, cap, " %zu", disk_pending(disk));
        return 0;
    }
    if (n == 1 && strcmp(w[0], "count") == 0) {
        for (unsigned k = 0; k < KINDS; k++)
            (void)snprintf(answer + strlen(answer), cap - strlen(answer), " %s %llu", kind_names[k],
                           (unsigned long long)counted[k]);
        return 0;
    }
    return -EINVAL;
}

static void *orders(void *arg)
{
    int listening = *(int *)arg;

    for (;;) {
        int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC), rc;
        char line[4096], answer[300], text[400];
        FILE *f = fd < 0 ? NULL : fdopen(fd, "r+");

        if (f == NULL)
            continue;
        while (fgets(line, sizeof(line), f) != NULL) {
            int n;

            (void)pthread_mutex_lock(&lock);
            rc = obey(line, answer, sizeof(answer));
            (void)pthread_mutex_unlock(&lock);
            n = snprintf(text, sizeof(text), rc == 0 ? "ok%s\n" : "error %s\n",
                         rc == 0 ? answer : strerror(-rc));
            if (write(fd, text, (size_t)n) != n)
                break;
        }
        (void)fclose(f);
    }
    return NULL;
}

static int listen_at(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || strlen(path) >= sizeof(a.sun_path))
        return -1;
    memcpy(a.sun_path, path, strlen(path) + 1);
    (void)unlink(path);
    return bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 4) == 0 ? fd : -1;
}

/* --- start --- */

static void load(disk_node folder, int dirfd)
{
    DIR *d = fdopendir(dirfd);
    struct dirent *e;

    if (d == NULL)
        abort();
    while ((e = readdir(d)) != NULL) {
        struct stat st;
        disk_node n;
        int fd;

        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            fstatat(dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
            (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)))
            continue;
        fd = openat(dirfd, e->d_name, O_RDONLY | O_CLOEXEC);
        n = disk_make(disk, folder, e->d_name, S_ISDIR(st.st_mode));
        disk_own(disk, n, st.st_mode, st.st_uid, st.st_gid);
        if (fd < 0)
            abort();
        if (S_ISDIR(st.st_mode)) {
            load(n, fd); /* closes it */
        } else {
            char *b = malloc((size_t)st.st_size + 1);

            if (b == NULL || pread(fd, b, (size_t)st.st_size, 0) != st.st_size)
                abort();
            disk_write(disk, n, b, (size_t)st.st_size, 0);
            free(b);
            (void)close(fd);
        }
    }
    (void)closedir(d);
}

int main(int argc, char **argv)
{
    char options[] = "allow_other,default_permissions,fsname=faultfs";
    char name[] = "faultfs", dash[] = "-o";
    char *fuse_argv[] = {name, dash, options, NULL};
    struct fuse_args args = FUSE_ARGS_INIT(3, fuse_argv);
    struct fuse *fuse;
    pthread_t thread;
    int control;

    if (argc != 4) {
        (void)fprintf(stderr, "usage: faultfs BACKING MOUNTPOINT CONTROL\n");
        return 2;
    }
    (void)umask(0);
    if (access("/dev/fuse", R_OK | W_OK) != 0) {
        (void)fprintf(stderr, "faultfs: /dev/fuse cannot be used: %s\n", strerror(errno));
        return 77;
    }
    backing = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    control = listen_at(argv[3]);
    if (backing < 0 || control < 0) {
        (void)fprintf(stderr, "faultfs: \"%s\" or \"%s\": %s\n", argv[1], argv[3], strerror(errno));
        return 3;
    }
    disk = disk_new();
    load(DISK_ROOT, openat(backing, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    disk_sync_all(disk, disk_now(disk));
    fuse = fuse_new(&args, &operations, sizeof(operations), NULL);
    if (fuse == NULL || fuse_mount(fuse, argv[2]) != 0) {
        (void)fprintf(stderr, "faultfs: a FUSE file system cannot be mounted here\n");
        return 77;
    }
    if (pthread_create(&thread, NULL, orders, &control) != 0)
        return 3;
    (void)printf("mounted\n");
    (void)fflush(stdout);
    (void)fuse_set_signal_handlers(fuse_get_session(fuse));
    (void)fuse_loop(fuse);
    fuse_unmount(fuse);
    return 0;
}

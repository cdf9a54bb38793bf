/* space.c - namespaces and the empty root. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "jail/jail_priv.h"

#define CURE                                                                                       \
    "this system forbids namespaces, and without them nothing is scanned or served; allow them "   \
    "(sysctl -w user.max_user_namespaces=15000, and kernel.unprivileged_userns_clone=1 where it "  \
    "exists; in a container add CAP_SYS_ADMIN or its unconfined seccomp and AppArmor profiles; "   \
    "in a "                                                                                        \
    "chroot Linux allows them to root only), or start as root"

static int clone_flags(unsigned flags)
{
    int f = 0;

    if ((flags & JAIL_NET) != 0)
        f |= CLONE_NEWNET;
    if ((flags & JAIL_IPC) != 0)
        f |= CLONE_NEWIPC | CLONE_NEWUTS;
    if ((flags & JAIL_PID) != 0)
        f |= CLONE_NEWPID;
    if ((flags & JAIL_EMPTY_ROOT) != 0)
        f |= CLONE_NEWNS;
    return f;
}

static int write_proc(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    int rc = 0;

    if (fd < 0)
        return -errno;
    if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        rc = -errno;
    (void)close(fd);
    return rc;
}

/* A user namespace in which our own uid and gid, and no others, exist. */
static int unshare_as_user(const struct jail_spec *s, int flags, struct err *e)
{
    uid_t uid;
    gid_t gid;
    char text[64];
    int rc;

    /* root without CAP_SYS_ADMIN becomes the ordinary uid first */
    if (geteuid() == 0 && (rc = jail_drop_ids(s, e)) != 0)
        return rc;
    uid = geteuid();
    gid = getegid();
    if (unshare(flags | CLONE_NEWUSER) != 0)
        return errno == EINVAL ? err_sys(e, -EINVAL, "cannot make namespaces")
                               : err_sys(e, -EPERM, CURE);
    /* a change of uid made /proc/self root's */
    (void)prctl(PR_SET_DUMPABLE, 1);
    (void)snprintf(text, sizeof(text), "%u %u 1\n", uid, uid);
    if ((rc = write_proc("/proc/self/uid_map", text)) == 0 &&
        (rc = write_proc("/proc/self/setgroups", "deny")) == 0) {
        (void)snprintf(text, sizeof(text), "%u %u 1\n", gid, gid);
        rc = write_proc("/proc/self/gid_map", text);
    }
    return rc == 0 ? 0 : err_sys(e, rc, "cannot map the user into its namespace");
}

int space_unshare(const struct jail_spec *s, struct err *e)
{
    int flags = clone_flags(s->flags);

    if (flags == 0)
        return 0;
    if (geteuid() == 0 && unshare(flags) == 0)
        return 0;
    return unshare_as_user(s, flags, e);
}

/* --- paths that survive the change of root --- */

int space_pin(struct jail_pin *out, const struct jail_path *p, bool clone, struct err *e)
{
    struct stat st;
    int rc;

    out->tree = -1;
    out->beneath = -1;
    if (p->path[0] != '/')
        return err_set(e, -EINVAL, "the jail's path \"%s\" must be absolute", p->path);
    out->beneath = open(p->path, O_PATH | O_CLOEXEC);
    if (out->beneath < 0 || fstat(out->beneath, &st) != 0)
        return err_sys(e, -errno, "the jail's path \"%s\"", p->path);
    out->folder = S_ISDIR(st.st_mode);
    if (!clone)
        return 0;
    out->tree = (int)syscall(SYS_open_tree, AT_FDCWD, p->path,
                             OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    if (out->tree < 0) {
        rc = -errno;
        return err_sys(e, rc, "cannot bind \"%s\" into the jail", p->path);
    }
    return 0;
}

void space_unpin(struct jail_pin *p)
{
    if (p->tree >= 0)
        (void)close(p->tree);
    if (p->beneath >= 0)
        (void)close(p->beneath);
    p->tree = p->beneath = -1;
}

/* Makes the folders above path (which begins with '/') in the current folder, and path itself. */
static int make_place(const char *path, bool folder)
{
    char at[PATH_MAX];
    int fd;

    if (snprintf(at, sizeof(at), ".%s", path) >= (int)sizeof(at))
        return -ENAMETOOLONG;
    for (char *p = at + 2; *p != '\0'; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (mkdir(at, 0755) != 0 && errno != EEXIST)
            return -errno;
        *p = '/';
    }
    if (folder)
        return mkdir(at, 0755) == 0 || errno == EEXIST ? 0 : -errno;
    fd = open(at, O_WRONLY | O_CREAT | O_CLOEXEC, 0444);
    if (fd < 0)
        return -errno;
    (void)close(fd);
    return 0;
}

static int bind_path(const struct jail_path *p, struct jail_pin *pin)
{
    struct mount_attr attr = {0};
    char at[PATH_MAX];
    int rc;

    if ((rc = make_place(p->path, pin->folder)) != 0)
        return rc;
    attr.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    if (!p->write)
        attr.attr_set |= MOUNT_ATTR_RDONLY;
    if (syscall(SYS_mount_setattr, pin->tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr,
                sizeof(attr)) != 0)
        return -errno;
    (void)snprintf(at, sizeof(at), ".%s", p->path);
    if (syscall(SYS_move_mount, pin->tree, "", AT_FDCWD, at, MOVE_MOUNT_F_EMPTY_PATH) != 0)
        return -errno;
    return 0;
}

static int mount_tmp(const char *at, const struct jail_spec *s)
{
    char options[160];

    if (mkdir(at, 0755) != 0 && errno != EEXIST)
        return -errno;
    (void)snprintf(options, sizeof(options), "size=%llu,nr_inodes=%llu,mode=0700,uid=%u,gid=%u",
                   (unsigned long long)s->tmp_bytes,
                   (unsigned long long)(s->tmp_inodes == 0 ? 1024 : s->tmp_inodes),
                   geteuid() == 0 ? s->uid : geteuid(), geteuid() == 0 ? s->gid : getegid());
    return mount("tmpfs", at, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) == 0 ? 0 : -errno;
}

static int private_tmp(const struct jail_spec *s)
{
    char at[24];
    int rc = 0;

    if (s->tmp_bytes == 0)
        return 0;
    if (s->tmp_parts == 0)
        return mount_tmp("tmp", s);
    if (mkdir("tmp", 0755) != 0 && errno != EEXIST)
        return -errno;
    for (unsigned i = 0; i < s->tmp_parts && rc == 0; i++) {
        (void)snprintf(at, sizeof(at), "tmp/%u", i);
        rc = mount_tmp(at, s);
    }
    return rc;
}

/* In a chroot the root is a folder, not a mount, and can neither be made private nor pivoted. Going
 * into the mount namespace that we made for ourselves once more leads to its true root; nothing of
 * that will be seen either, since the empty root comes next. */
static int leave_chroot(void)
{
    int fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC), rc;

    if (fd < 0)
        return -errno;
    rc = setns(fd, CLONE_NEWNS) == 0 ? 0 : -errno;
    (void)close(fd);
    return rc;
}

/* Nothing mounted from here on is seen outside, nor the other way round. */
static int make_private(void)
{
    int rc;

    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0)
        return 0;
    if (errno != EINVAL)
        return -errno;
    if ((rc = leave_chroot()) != 0)
        return rc;
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 ? 0 : -errno;
}

int space_empty_root(const struct jail_spec *s, struct jail_pin *pins, struct err *e)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    int rc;

    if ((rc = make_private()) != 0)
        return err_sys(e, rc, "cannot make the mounts private");
    /* the new root grows on top of a folder that every system has */
    if (mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
              "size=1m,nr_inodes=1024,mode=0755") != 0 ||
        chdir("/tmp") != 0)
        return err_sys(e, -errno, "cannot mount an empty root");
    for (size_t i = 0; i < s->npaths; i++)
        if ((rc = bind_path(&s->paths[i], &pins[i])) != 0)
            return err_sys(e, rc, "cannot bind \"%s\" into the jail", s->paths[i].path);
    if ((rc = private_tmp(s)) != 0)
        return err_sys(e, rc, "cannot mount the jail's /tmp");
    if (syscall(SYS_mount_setattr, AT_FDCWD, ".", 0, &attr, sizeof(attr)) != 0)
        return err_sys(e, -errno, "cannot make the empty root read-only");
    /* both roots stand on "." for a moment; the old one is then taken away */
    if (syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0 || chdir("/") != 0)
        return err_sys(e, -errno, "cannot change to the empty root");
    return 0;
}

/* --- a folder before there is a jail --- */

static int set_option(int fs, const char *key, const char *value)
{
    return syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, key, value, 0) == 0 ? 0 : -errno;
}

static int new_tmpfs(int fs, uint64_t bytes)
{
    char size[24];
    int rc;

    (void)snprintf(size, sizeof(size), "%llu", (unsigned long long)bytes);
    if ((rc = set_option(fs, "size", size)) != 0 || (rc = set_option(fs, "mode", "0700")) != 0)
        return rc;
    return syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0 ? 0 : -errno;
}

int jail_memory_folder(int *out, const struct jail_spec *s, struct err *e)
{
    int fs, fd = -1, rc = 0;

    fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
    if (fs < 0 && errno == EPERM) {
        if ((rc = unshare_as_user(s, CLONE_NEWNS, e)) != 0)
            return rc;
        fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
    }
    if (fs < 0)
        return err_sys(e, -errno, "cannot make a file system in memory");
    rc = new_tmpfs(fs, s->tmp_bytes);
    if (rc == 0)
        fd = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC,
                          MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    if (rc == 0 && fd < 0)
        rc = -errno;
    (void)close(fs);
    if (rc != 0)
        return err_sys(e, rc, "cannot make a file system in memory");
    *out = fd;
    return 0;
}

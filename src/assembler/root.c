#include "assembler/root.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "assembler/files.h"
#include "base/io.h"
#include "base/text.h"
#include "crypto/sha256.h"

#define EPOCH "1600000000" /* of what tools write while the root is made */

/* A root is named by what is in it. */
static void name_of(const struct recipe *r, const struct lock *l, char hex[65])
{
    struct sha256 *h = sha256_new();
    struct digest d;
    static const char *const kinds[] = {"installed 1", "unpacked 1"};

    if (h == NULL)
        abort();
    sha256_add(h, kinds[r->root], strlen(kinds[r->root]));
    for (size_t i = 0; i < l->n; i++)
        sha256_add(h, l->packages[i].sha256.b, sizeof(l->packages[i].sha256.b));
    sha256_end(h, &d);
    sha256_free(h);
    text_digest(hex, &d);
}

/* A repository of the lock's packages alone: links to them, and an index. */
static int repository(const struct lock *l, const char *packages, const char *folder, struct err *e)
{
    char from[4096], to[4096], hex[65];
    struct digest d;
    struct buf index;
    int rc;

    buf_init(&index, (size_t)256 << 20);
    if ((rc = io_mkdirs(AT_FDCWD, folder)) != 0)
        return err_sys(e, rc, "\"%s\"", folder);
    for (size_t i = 0; rc == 0 && i < l->n; i++) {
        const struct lock_package *p = &l->packages[i];
        const char *argv[] = {"dpkg-deb", "-f", from, NULL};

        files_path(from, sizeof(from), "%s/%s", packages, p->file);
        files_path(to, sizeof(to), "%s/%zu.deb", folder, i);
        text_digest(hex, &p->sha256);
        if ((rc = files_copy(from, to, &d, e)) == 0 && !digest_eq(&d, &p->sha256))
            rc = err_set(e, -EBADMSG, "\"%s\" changed while it was read", from);
        if (rc == 0 && (rc = files_run(argv, &index, e)) == 0)
            rc = buf_printf(&index, "%sFilename: ./%zu.deb\nSize: %llu\nSHA256: %s\n\n",
                            index.len > 0 && index.data[index.len - 1] == '\n' ? "" : "\n", i,
                            (unsigned long long)p->size, hex);
    }
    files_path(to, sizeof(to), "%s/Packages", folder);
    if (rc == 0 && (rc = io_replace_file(AT_FDCWD, to, index.data, index.len, 0644)) != 0)
        (void)err_sys(e, rc, "\"%s\"", to);
    buf_free(&index);
    return rc;
}

/* "--include=NAME,NAME,...": each has one version in our repository. */
static int include(const struct lock *l, struct buf *out)
{
    int rc = buf_puts(out, "--include=");

    for (size_t i = 0; rc == 0 && i < l->n; i++)
        rc = buf_printf(out, "%s%s", i == 0 ? "" : ",", l->packages[i].name);
    return rc == 0 && buf_str(out) == NULL ? -ENOMEM : rc;
}

/* mmdebstrap configures packages; it has no network, and no other package than ours. */
static int installed(const struct lock *l, const char *packages, const char *root, int cancel,
                     struct err *e)
{
    char folder[4096], source[4200], path[64];
    struct buf names;
    int rc;

    files_path(folder, sizeof(folder), "%s.packages", root);
    files_path(source, sizeof(source), "deb [trusted=yes] copy:%s ./", folder);
    buf_init(&names, (size_t)100 << 10); /* less than one argument may have */
    if ((rc = files_tool("mmdebstrap", path, e)) == 0 && (rc = include(l, &names)) != 0)
        rc = err_set(e, rc, "the toolchain has too many packages");
    if (rc == 0 && (rc = repository(l, packages, folder, e)) == 0) {
        /* processes and mounts of their own, which end with it */
        const char *argv[] = {"unshare",
                              "--kill-child",
                              "--mount-proc",
                              geteuid() == 0 ? "-nmpf" : "-rnmpf",
                              "env",
                              "-i",
                              "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                              "LC_ALL=C.UTF-8",
                              "HOME=/nonexistent",
                              "SOURCE_DATE_EPOCH=" EPOCH,
                              "mmdebstrap",
                              "--quiet",
                              "--variant=essential",
                              "--format=directory",
                              (char *)names.data,
                              "--aptopt=Acquire::Languages \"none\"",
                              "",
                              root,
                              source,
                              NULL};

        rc = files_run_until(cancel, argv, NULL, e);
    }
    if (files_remove(folder, rc == 0 ? e : NULL) != 0 && rc == 0)
        rc = -EIO;
    buf_free(&names);
    return rc;
}

static bool readable(int fd)
{
    struct pollfd p = {fd, POLLIN, 0};

    return fd >= 0 && poll(&p, 1, 0) == 1;
}

static int unpacked(const struct lock *l, const char *packages, const char *root, int cancel,
                    struct err *e)
{
    /* usr/bin and the like are where packages think that bin is, as everywhere in Debian 12 */
    static const char merged[] =
        "umask 022; mkdir -p \"$1/usr\" && cd \"$1\" && for d in bin sbin lib lib64; do "
        "mkdir \"usr/$d\" && ln -s \"usr/$d\" $d; done; mkdir -p etc tmp proc dev build sources";
    static const char unpack[] =
        "umask 022; dpkg-deb --fsys-tarfile \"$2\" | "
        "tar -x -C \"$1\" --keep-directory-symlink --no-same-owner --numeric-owner";
    const char *first[] = {"sh", "-c", merged, "sh", root, NULL};
    char from[4096];
    int rc = files_run(first, NULL, e);

    for (size_t i = 0; rc == 0 && i < l->n; i++) {
        const char *argv[] = {"sh", "-c", unpack, "sh", root, from, NULL};

        files_path(from, sizeof(from), "%s/%s", packages, l->packages[i].file);
        rc = readable(cancel) ? err_set(e, -ECANCELED, "cancelled") : files_run(argv, NULL, e);
    }
    return rc;
}

/* What a cell needs of any root: places to mount at, users, a shell (busybox will do, for all that
 * a small root lacks), and a resolver that asks an address nobody has, so that asking for a name
 * is seen as an attempt at the network. */
static int finish(const char *root, struct err *e)
{
    static const char places[] =
        "set -e; umask 022; cd \"$1\"; mkdir -p build sources tmp proc dev etc\n"
        "rm -f etc/resolv.conf etc/hosts etc/hostname\n"
        "echo 'nameserver 192.0.2.1' >etc/resolv.conf\n"
        "echo '127.0.0.1 localhost' >etc/hosts\n"
        "touch etc/passwd etc/group\n"
        "grep -q '^root:' etc/passwd || echo 'root:x:0:0:root:/root:/bin/sh' >>etc/passwd\n"
        "for u in builder:1000 visitor:1234; do\n"
        "  echo \"${u%:*}:x:${u#*:}:${u#*:}::/nonexistent:/bin/sh\" >>etc/passwd\n"
        "  echo \"${u%:*}:x:${u#*:}:\" >>etc/group\n"
        "done\n"
        "if [ -e usr/bin/busybox ]; then\n"
        "  for a in sh awk basename cat chmod cmp cp cut date dd diff dirname echo env expr false "
        "\\\n"
        "    find grep gunzip gzip head install ln ls mkdir mktemp mv nproc od printf pwd \\\n"
        "    readlink rm rmdir sed seq sleep sort stat tail tee test touch tr true uname uniq \\\n"
        "    wc wget whoami xargs xz; do\n"
        "    [ -e usr/bin/$a ] || [ -L usr/bin/$a ] || ln -s busybox usr/bin/$a\n"
        "  done\n"
        "fi\n"
        "[ -e bin/sh ] || { [ -e bin/dash ] && ln -s dash bin/sh; }\n"
        "[ -e bin/tar ] && [ -e bin/find ]";
    const char *argv[] = {"sh", "-c", places, "sh", root, NULL};

    if (files_run(argv, NULL, e) != 0)
        return err_set(e, -EINVAL,
                       "the root lacks a shell, tar or find: name \"busybox-static\" and \"tar\" "
                       "among the toolchain's packages");
    return 0;
}

int root_make(const struct recipe *r, const struct lock *l, const char *packages, const char *work,
              int cancel, char path[4096], struct err *e)
{
    char hex[65], part[4096];
    int rc;

    name_of(r, l, hex);
    files_path(path, 4096, "%s/root-%.32s", work, hex);
    files_path(part, sizeof(part), "%s/root-%.32s.%d", work, hex, (int)getpid());
    if (access(path, F_OK) == 0)
        return 0;
    if ((rc = files_remove(part, e)) != 0)
        return rc;
    rc = r->root == ROOT_INSTALLED ? installed(l, packages, part, cancel, e)
                                   : unpacked(l, packages, part, cancel, e);
    if (rc == 0 && (rc = finish(part, e)) == 0 && chmod(part, 0755) == 0 &&
        rename(part, path) != 0 && errno != EEXIST && errno != ENOTEMPTY)
        rc = err_sys(e, -errno, "\"%s\"", path);
    if (access(part, F_OK) == 0) {
        int gone = files_remove(part, rc == 0 ? e : NULL);

        rc = rc == 0 ? gone : rc;
    }
    return rc;
}

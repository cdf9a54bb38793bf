#include "assembler/ready.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "assembler/files.h"
#include "base/io.h"
#include "base/text.h"

#define DSC_MAX ((size_t)1 << 20)

/* Appends a field's value, its lines made one, to out (NUL-terminated then); "" if it is missing.
 */
static int field(const char *text, const char *name, struct buf *out)
{
    size_t n = strlen(name);
    int rc = 0;

    buf_reset(out);
    for (const char *at = text; at != NULL && *at != '\0';
         at = strchr(at, '\n'), at = at == NULL ? NULL : at + 1) {
        if (strncmp(at, name, n) != 0 || at[n] != ':')
            continue;
        for (at += n + 1; rc == 0 && *at != '\0' && !(*at == '\n' && at[1] != ' '); at++)
            rc = buf_putc(out, *at == '\n' || *at == '\t' || *at == '\r' ? ' ' : *at);
        break;
    }
    return rc == 0 && buf_str(out) == NULL ? -ENOMEM : rc;
}

static char *trim(char *s)
{
    char *end;

    while (*s == ' ')
        s++;
    end = s + strlen(s);
    while (end > s && end[-1] == ' ')
        *--end = '\0';
    return s;
}

/* "a, b (>= 1) [amd64]" becomes items of a list. */
static int dependencies(struct buf *out, struct buf *value, struct err *e)
{
    char *save = NULL, *one;
    int rc = 0;

    for (one = strtok_r((char *)value->data, ",", &save); rc == 0 && one != NULL;
         one = strtok_r(NULL, ",", &save)) {
        one = trim(one);
        if (strpbrk(one, "\"\\'") != NULL)
            rc = err_set(e, -EBADMSG, "a build dependency has a quotation mark");
        else if (*one != '\0')
            rc = buf_printf(out, "    - \"%s\"\n", one);
    }
    return rc;
}

static int all_dependencies(struct buf *out, const char *text, struct buf *value, struct err *e)
{
    static const char *const fields[] = {"Build-Depends", "Build-Depends-Arch",
                                         "Build-Depends-Indep"};
    int rc = buf_puts(out, "toolchain:\n  packages:\n    - build-essential\n    - fakeroot\n");

    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(fields); i++)
        if ((rc = field(text, fields[i], value)) == 0)
            rc = dependencies(out, value, e);
    return rc;
}

/* The upstream part of a version: no epoch, no revision. */
static void upstream(char *out, size_t n, const char *version)
{
    const char *colon = strchr(version, ':');
    char *dash;

    (void)snprintf(out, n, "%s", colon == NULL ? version : colon + 1);
    if ((dash = strrchr(out, '-')) != NULL)
        *dash = '\0';
}

int ready_debian(struct buf *out, const char *folder, const char *dsc, struct err *e)
{
    char path[4096], name[128], version[128], part[128], hex[65];
    struct buf text, value;
    struct digest d;
    uint64_t size;
    int rc;

    buf_init(&text, DSC_MAX);
    buf_init(&value, DSC_MAX);
    files_path(path, sizeof(path), "%s/%s", folder, dsc);
    if ((rc = files_digest(path, &d, &size, e)) != 0)
        goto out;
    if ((rc = io_read_file(AT_FDCWD, path, &text)) != 0 || buf_str(&text) == NULL) {
        rc = err_sys(e, rc != 0 ? rc : -ENOMEM, "\"%s\"", path);
        goto out;
    }
    if ((rc = field((char *)text.data, "Source", &value)) != 0)
        goto out;
    files_path(name, sizeof(name), "%s", trim((char *)value.data));
    if ((rc = field((char *)text.data, "Version", &value)) != 0)
        goto out;
    files_path(version, sizeof(version), "%s", trim((char *)value.data));
    if (name[0] == '\0' || version[0] == '\0') {
        rc = err_set(e, -EBADMSG, "\"%s\" has no Source or no Version", path);
        goto out;
    }
    upstream(part, sizeof(part), version);
    text_digest(hex, &d);
    if ((rc = buf_printf(out,
                         "format: recipe/v1\nname: %s\nversion: \"%s\"\nfolder: \"%s-%s\"\n"
                         "path: /build/reproducible-path\n"
                         "sources:\n  - debian: \"%s\"\n    sha256: %s\n",
                         name, version, name, part, dsc, hex)) == 0 &&
        (rc = all_dependencies(out, (char *)text.data, &value, e)) == 0)
        /* The cell has one user: chown(2) to another says EINVAL, and fakeroot overlooks EPERM
         * only. */
        rc = buf_puts(out, "environment:\n  DEB_BUILD_OPTIONS: \"parallel=${cores} nocheck\"\n"
                           "  FAKEROOTDONTTRYCHOWN: \"1\" # the cell has one user only\n"
                           "steps:\n  - [dpkg-buildpackage, -us, -uc, -b]\n"
                           "outputs: [\"*.deb\"]\n"
                           "fixed: [path] # the archive builds every package in this one\n");
out:
    buf_free(&text);
    buf_free(&value);
    return rc;
}

static const struct system {
    const char *word, *file, *packages, *steps;
} systems[READY_SYSTEMS] = {
    {"meson", "meson.build", "build-essential, meson, ninja-build, pkg-config",
     "  - [meson, setup, --prefix=/usr, --buildtype=plain, ../made]\n"
     "  - [ninja, -C, ../made, \"-j${cores}\"]\n"
     "  - 'DESTDIR=\"$PWD/../install\" meson install -C ../made --no-rebuild'\n"},
    {"cmake", "CMakeLists.txt", "build-essential, cmake",
     "  - [cmake, -S, ., -B, ../made, -DCMAKE_INSTALL_PREFIX=/usr]\n"
     "  - [cmake, --build, ../made, \"-j${cores}\"]\n"
     "  - 'DESTDIR=\"$PWD/../install\" cmake --install ../made'\n"},
    {"configure", "configure", "build-essential",
     "  - [./configure, --prefix=/usr]\n"
     "  - [make, \"-j${cores}\"]\n"
     "  - 'make install DESTDIR=\"$PWD/../install\"'\n"},
    {"make", "Makefile", "build-essential",
     "  - [make, \"-j${cores}\"]\n"
     "  - 'make install DESTDIR=\"$PWD/../install\" PREFIX=/usr prefix=/usr'\n"},
};

const char *ready_system_word(enum ready_system s)
{
    return systems[s].word;
}

/* Is file at the top of the archive whose listing this is, or in its one first folder? */
static bool lists(const char *listing, const char *file)
{
    size_t n = strlen(file);

    for (const char *at = listing; at != NULL && *at != '\0';
         at = strchr(at, '\n'), at = at == NULL ? NULL : at + 1) {
        const char *name = strncmp(at, "./", 2) == 0 ? at + 2 : at;
        size_t first = strcspn(name, "/\n");

        if ((strncmp(name, file, n) == 0 && name[n] == '\n') ||
            (name[first] == '/' && strncmp(name + first + 1, file, n) == 0 &&
             name[first + 1 + n] == '\n'))
            return true;
    }
    return false;
}

static int find_system(const struct ready_tree *t, bool folder, enum ready_system *out,
                       struct err *e)
{
    const char *argv[] = {"tar", "-t", "-f", t->path, NULL};
    struct buf listing;
    char path[4096];
    int rc = 0, found = -1;

    buf_init(&listing, (size_t)64 << 20);
    if (!folder && (rc = files_run(argv, &listing, e)) == 0 && buf_str(&listing) == NULL)
        rc = -ENOMEM;
    for (int i = READY_SYSTEMS - 1; rc == 0 && i >= 0; i--) {
        files_path(path, sizeof(path), "%s/%s", t->path, systems[i].file);
        if (folder ? access(path, F_OK) == 0 : lists((char *)listing.data, systems[i].file))
            found = i;
    }
    buf_free(&listing);
    if (rc == 0 && found < 0)
        rc = err_set(e, -EINVAL,
                     "\"%s\" has no meson.build, CMakeLists.txt, configure or Makefile at its top: "
                     "write the recipe's steps by hand",
                     t->path);
    if (rc == 0)
        *out = (enum ready_system)found;
    return rc;
}

int ready_tree(struct buf *out, const struct ready_tree *t, enum ready_system *system,
               struct err *e)
{
    const char *base = strrchr(t->path, '/');
    char hex[65], when[CLOCK_SECOND_LEN + 1];
    struct digest d;
    struct stat st;
    uint64_t size;
    bool folder;
    int rc;

    if (stat(t->path, &st) != 0)
        return err_sys(e, -errno, "\"%s\"", t->path);
    folder = S_ISDIR(st.st_mode);
    if ((rc = find_system(t, folder, system, e)) != 0 ||
        (rc = folder ? files_tree(t->path, NULL, 0, &d, e) : files_digest(t->path, &d, &size, e)) !=
            0)
        return rc;
    base = base != NULL && !folder ? base + 1 : t->path;
    if (strpbrk(base, "\"\\\n") != NULL)
        return err_set(e, -EINVAL, "\"%s\" has a quotation mark or backslash in its name", base);
    text_digest(hex, &d);
    clock_second(when, t->clock);
    rc = buf_printf(out,
                    "format: recipe/v1\nname: %s\nversion: \"%s\"\nclock: \"%s\"\n"
                    "sources:\n  - %s: \"%s\"\n    sha256: %s\n"
                    "toolchain:\n  packages: [%s]\nsteps:\n%soutputs: [\"install/**\"]\n",
                    t->name, t->version, when, folder ? "tree" : "tar", base, hex,
                    systems[*system].packages, systems[*system].steps);
    return rc;
}

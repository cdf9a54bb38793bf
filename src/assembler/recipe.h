/* recipe.h - what is built, from what, with what and how: the document recipe/v1
 * (docs/formats.md).  It names sources by digest and the toolchain by packages; which versions of
 * these it was is for the lock (lock.h).
 *
 * A recipe is a stranger's: what it may name are plain file names beside it and relative paths in
 * the build folder; its steps run in the cell (cell.h) and nowhere else. */
#ifndef ASSEMBLER_RECIPE_H
#define ASSEMBLER_RECIPE_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"

#define RECIPE_TYPE "application/x.recipe.v1+yaml" /* of its envelope */

struct yaml_doc;

enum source_kind {
    SOURCE_TAR,    /* an archive, unpacked with its first folder taken away */
    SOURCE_DEBIAN, /* a .dsc and the files it lists, unpacked by dpkg-source */
    SOURCE_GIT,    /* a commit of a repository on this machine */
    SOURCE_TREE,   /* a folder, by the digest of its files (source.h) */
    SOURCE_FILE    /* put into the folder as it is */
};

struct recipe_source {
    enum source_kind kind;
    const char *where; /* a file's name; of git and tree a path */
    struct digest sha256;
    char commit[65]; /* of git */
};

enum root_kind {
    ROOT_INSTALLED, /* Debian: essential packages too, all configured */
    ROOT_UNPACKED   /* the packages' files alone, no maintainer script was run */
};

/* What may be varied in the second build. */
enum vary {
    VARY_PATH,
    VARY_CORES,
    VARY_HOST,
    VARY_LOCALE,
    VARY_ORDER,
    VARY_TIMEZONE,
    VARY_UMASK,
    VARY_USER,
    VARIES
};
const char *recipe_vary_word(enum vary v);

struct recipe_step {
    const char *shell;       /* a line for the shell, or NULL */
    const char *const *argv; /* NULL-terminated */
};

struct recipe_limits {
    uint64_t seconds, processes, disk, memory, log;
};

struct recipe {
    struct yaml_doc *doc; /* owns the texts */
    struct digest digest; /* of the text */
    const char *name, *version, *folder;
    struct recipe_source *sources;
    size_t nsources;
    enum root_kind root;
    const char *suite; /* "bookworm"; NULL: whatever the machine's package sources have */
    const char **packages;
    size_t npackages;
    struct recipe_step *steps;
    size_t nsteps;
    const char **env; /* pairs: name, value */
    size_t nenv;
    unix_time clock; /* SOURCE_DATE_EPOCH; -1: not set */
    unix_time until; /* the product is supported until then; -1: not said */
    const char *path;
    unsigned cores;
    const char **outputs; /* globs, relative to path */
    size_t noutputs;
    bool fixed[VARIES]; /* not varied in the second build */
    bool network_tolerated;
    struct recipe_limits limits;
};

/* -EINVAL with line and column; -E2BIG; -ENOMEM.  *out is the caller's. */
MUST_CHECK int recipe_parse(struct recipe **out, const char *name, struct span text, struct err *e);
void recipe_free(struct recipe *r); /* NULL is fine */

#endif

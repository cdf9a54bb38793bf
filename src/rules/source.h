/* source.h - where a tree of rules is: a folder, or a commit of a git repository. */
#ifndef RULES_SOURCE_H
#define RULES_SOURCE_H

#include "detect/release.h"
#include "rules/gitread.h"

struct source {
    const char *git;   /* a repository, or NULL: where is a folder */
    const char *where; /* the folder; "REVISION" or "REVISION:FOLDER" */
};
/* commit (may be NULL): hex, "" of a folder.  Errors as of release_load and gitread_pack. */
MUST_CHECK int source_load(struct release **out, const struct source *s,
                           char commit[GITREAD_COMMIT + 1], struct err *e);

#endif

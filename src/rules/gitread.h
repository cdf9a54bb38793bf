/* gitread.h - a tree of rules out of an ordinary git repository, as a commit has it: nothing is
 * checked out, and nothing of the repository's own configuration, hooks, filters or submodules is
 * run or followed.
 *
 * A repository may be a stranger's: libgit2 reads it in a process of its own, jailed, with no
 * network and no file but those beneath the repository's folder (so alternates elsewhere are not
 * there), which hands back the files' bytes in memory.  What comes back is believed no more than a
 * folder is: release_open checks and hashes it. */
#ifndef RULES_GITREAD_H
#define RULES_GITREAD_H

#include "base/err.h"

#define GITREAD_COMMIT 64 /* hex digits at most; 40 of SHA-1 */

/* repo: a folder with a ".git", or a bare repository.  rev: what git understands, "main", "v7~2",
 * and behind a colon the folder of the rules: "main:rules"; without one it is the whole tree.
 * *fd: as of release_pack.  -EINVAL: no repository, commit or rules there; -EBADMSG: what is there
 * is damaged or may not be in a release; -E2BIG; -EPERM: namespaces are forbidden here. */
MUST_CHECK int gitread_pack(int *fd, const char *repo, const char *rev,
                            char commit[GITREAD_COMMIT + 1], struct err *e);

#endif

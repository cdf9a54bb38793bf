/* install.h - rules from an update repository, as a client takes them: TUF's workflow, then the
 * release's proof under a checkpoint that witnesses have cosigned, then its files.
 *
 *   DIR/metadata     what TUF trusts here (tuf_store.h)
 *   DIR/download     the packed release in use, from which the next difference is expanded
 *   DIR/releases/N   the release's files, and N.proof
 *   DIR/current      a link to releases/N: what programs load.  It is replaced at once, last
 *
 * Whatever fails or is killed, current is the release before, whole, or the new one.  A folder is
 * for one update at a time (-EAGAIN).  docs/updates.md, "What a client does". */
#ifndef UPDATES_INSTALL_H
#define UPDATES_INSTALL_H

#include "updates/release_proof.h"
#include "updates/tuf_fetch.h"

struct install {
    const struct tuf_fetch *fetch;
    const char *url;  /* of the repository: metadata/ and targets/ are beneath it */
    const char *dir;  /* made if it is missing */
    struct span root; /* what TUF begins with, if dir has nothing yet; else may be empty */
    const struct digest *first_root; /* SHA-256 of root 1, if known: root must be it, and is fetched
                                        if it is not given; may be NULL */
    const struct tlog_policy *policy;
};

enum install_way { INSTALL_NOTHING, INSTALL_DELTA, INSTALL_COMPRESSED, INSTALL_PLAIN };

struct install_done {
    struct release_leaf release; /* that is in use now */
    uint64_t before;             /* serial of the release in use before; 0: none */
    bool installed;              /* false: it was in use already, and its files are sound */
    enum install_way way;        /* how the files came; NOTHING: they were here */
    uint64_t fetched, size;      /* bytes of what was fetched for them; of the packed release */
    bool fell_back;              /* a difference was there and of no use */
};

/* -EBADMSG what came does not verify; -EAGAIN the release is not cosigned yet, or another update is
 * under way; -ENOENT the repository has no release; -EINVAL no root to begin with; else fetch's and
 * the file system's. */
MUST_CHECK int install_update(const struct install *in, struct install_done *out, struct err *e);

/* One target, if it is what the repository's metadata announce: file becomes its path beneath
 * DIR/download.  in->policy is not asked: what stands in which ledger is for the caller.  -ENOENT:
 * the repository has no such target; else as above. */
MUST_CHECK int install_target(const struct install *in, const char *path, char file[4096],
                              struct err *e);

#endif

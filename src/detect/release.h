/* release.h - a rule release: a folder of sources, read once, hashed, and handed to engines.
 *
 * A release is every regular file beneath the folder whose name ends in .yar or .yara (YARA
 * source), in an ending of ClamAV's plain text databases, or in .sha256 (a hash set); other files
 * and names that begin with a dot are ignored; symbolic links are refused.  Its digest and the
 * bundle's format stand in docs/formats.md, "Rule release". The bytes are read once into a sealed
 * memfd: what was hashed is what the engine compiles, even if the folder changes meanwhile.
 * Compiled YARA is refused by its magic. */
#ifndef DETECT_RELEASE_H
#define DETECT_RELEASE_H

#include "base/err.h"
#include "detect/hashset.h"

#define RELEASE_FILES_MAX 20000
#define RELEASE_BYTES_MAX (UINT64_C(256) << 20)

struct release;
/* Errors name file and line. -EBADMSG: malformed; -E2BIG: over a limit; -EINVAL: no rules. */
MUST_CHECK int release_load(struct release **out, const char *folder, struct err *e);
/* The same in two steps, for when the one who may read the folder and the one who uses the rules
 * are two processes.  pack reads names and contents into sealed memory and looks at nothing; open
 * takes the descriptor (also on failure) and believes nothing. */
MUST_CHECK int release_pack(int *fd, const char *folder, struct err *e);
MUST_CHECK int release_open(struct release **out, int fd, struct err *e);
void release_free(struct release *r);
/* For who packs from somewhere else than a folder (rules/gitread.c), with what a pack is bound to:
 * is a file of that name part of a release; the most of a file's bytes, of folders in folders. */
bool release_wants(const char *name);
#define RELEASE_FILE_MAX (UINT64_C(64) << 20)
#define RELEASE_DEPTH_MAX 8
/* Seals a bundle in memory, written by protocol_put_file in the order of the names. */
MUST_CHECK int release_seal(int fd, struct err *e);
struct digest release_digest(const struct release *r);
const struct hashset *release_hashes(const struct release *r); /* lent */
int release_fd(const struct release *r);                       /* the bundle, lent, sealed */
uint64_t release_size(const struct release *r);                /* of the bundle */

#endif

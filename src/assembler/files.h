/* files.h - what the room does with files and with programs of the machine. */
#ifndef ASSEMBLER_FILES_H
#define ASSEMBLER_FILES_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"

/* A path; one that does not fit becomes "", which is nowhere. */
void files_path(char *out, size_t n, const char *form, ...) PRINTF_LIKE(3, 4);
/* SHA-256 and size of a regular file; e names it. */
MUST_CHECK int files_digest(const char *path, struct digest *out, uint64_t *size, struct err *e);
/* Copies a regular file, and tells what was copied; to must not exist. */
MUST_CHECK int files_copy(const char *from, const char *to, struct digest *out, struct err *e);
/* Hashes what fd has left to read, up to most bytes, and writes it to `to` unless that is -1.
 * -E2BIG: there is more. */
MUST_CHECK int files_stream(int fd, int to, uint64_t most, struct digest *out, uint64_t *size);
/* The digest of a folder: SHA-256 over a line "MODE SHA256 PATH\n" for each file, in the order of
 * their paths' bytes; MODE is "x" or "-", "l" for a link, whose target is hashed.  ".git" at the
 * top is left out.  -EINVAL: a device, socket, or a line feed in a name.  copy_to, unless NULL,
 * becomes a folder with exactly what was hashed, every time set to clock. */
MUST_CHECK int files_tree(const char *path, const char *copy_to, unix_time clock,
                          struct digest *out, struct err *e);

/* Runs a program of the machine: argv[0] is looked for in the usual folders.  Its output goes to
 * out (may be NULL), its errors to the last words of e.  -ENOENT: it is not installed; -EIO: it
 * failed. */
MUST_CHECK int files_run(const char *const *argv, struct buf *out, struct err *e);
/* The same of what takes long: killed when cancel (-1: never) becomes readable; -ECANCELED then.
 * What it starts is its own affair: "unshare --kill-child" takes all along. */
MUST_CHECK int files_run_until(int cancel, const char *const *argv, struct buf *out, struct err *e);
/* Removes a folder that programs which were just killed may still be writing in, for a moment. */
MUST_CHECK int files_remove(const char *path, struct err *e);
/* The absolute path of a program, or -ENOENT. */
MUST_CHECK int files_tool(const char *name, char out[64], struct err *e);

#endif

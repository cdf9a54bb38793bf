/* disk.h - what a disk holds after the power failed, by a plain description, in memory.
 *
 * A disk has nodes (files and folders; 1 is the root) and, for each, what is *there* (what a
 * running system reads) and what is *kept* for certain (what was synced).  Between the two lie
 * changes in the order they were made, and a power cut keeps any of them, as freely as POSIX lets
 * it:
 *
 *   - Bytes written are kept for certain by a sync of their file that began after they were
 * written. Until then each sector of 512 or 4096 bytes is found as it was at some moment since the
 * last sync, each on its own: writes are reordered and torn at sectors.
 *   - So is the length, on its own.  What a kept length covers and no kept write filled reads as
 *     zeros; on request as rubbish where a lost write was to fill new space.
 *   - A name made, moved or removed is kept for certain by a sync of its folder, not of the file.
 *     Until then each change may be kept or not, but none without the earlier ones of the same
 * name. A rename (an exchange too) is one change: it happened or it did not.
 *   - A name that was kept may belong to a file none of whose bytes were.
 *   - A sync of everything keeps everything.
 *
 * Mode and owner are kept at once: nothing here is about them.  Allocation failures end the
 * process. One thread at a time. */
#ifndef TESTS_FAULTFS_DISK_H
#define TESTS_FAULTFS_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct disk;
typedef uint32_t disk_node; /* numbered from 1 in the order of making; 0: none */
#define DISK_ROOT 1

struct disk *disk_new(void);
void disk_free(struct disk *d); /* NULL is fine */

/* --- what a running system sees --- */

disk_node disk_find(const struct disk *d, disk_node folder, const char *name);
/* A path of names below the root, without a leading slash; "" is the root. */
disk_node disk_path(const struct disk *d, const char *path);
bool disk_is_folder(const struct disk *d, disk_node n);
uint64_t disk_size(const struct disk *d, disk_node n);
/* Up to n bytes as a running system reads them; how many there were. */
size_t disk_read(const struct disk *d, disk_node f, void *p, size_t n, uint64_t at);

/* --- changes --- */

disk_node disk_make(struct disk *d, disk_node folder, const char *name, bool is_folder);
void disk_link(struct disk *d, disk_node f, disk_node folder, const char *name);
void disk_remove(struct disk *d, disk_node folder, const char *name); /* a file or empty folder */
void disk_rename(struct disk *d, disk_node from, const char *name, disk_node to, const char *as,
                 bool exchange);
void disk_write(struct disk *d, disk_node f, const void *p, size_t n, uint64_t at);
void disk_truncate(struct disk *d, disk_node f, uint64_t size);
void disk_reserve(struct disk *d, disk_node f, uint64_t at, uint64_t n, bool keep_size);
void disk_punch(struct disk *d, disk_node f, uint64_t at, uint64_t n);
void disk_own(struct disk *d, disk_node n, mode_t mode, uid_t uid, gid_t gid);

/* A moment: changes before it are older than those after it. */
uint64_t disk_now(const struct disk *d);
/* A sync that returned success keeps what was done to n (a folder: to its names) before it began.
 */
void disk_sync(struct disk *d, disk_node n, uint64_t began);
void disk_sync_all(struct disk *d, uint64_t began);
/* A sync of a file that failed: the bytes stay readable until the cut, and no later sync keeps them
 * (the kernel calls such pages clean). */
void disk_lose(struct disk *d, disk_node f);

/* --- the cut --- */

enum disk_keep {
    DISK_NONE,   /* nothing that was not synced */
    DISK_ALL,    /* everything: the processes died, the machine did not */
    DISK_SOME,   /* each sector, length and name as seed decides */
    DISK_PREFIX, /* all changes up to a moment that seed decides: in order */
    DISK_LATE,   /* of bytes: only the newest one to four changes, as seed decides */
};
struct disk_cut {
    enum disk_keep bytes; /* of files, with their lengths */
    enum disk_keep names;
    unsigned sector; /* 512 or 4096 */
    bool rubbish;    /* in new space whose write was lost, under a length that was kept */
    uint64_t seed;
};
/* How many changes are neither synced nor undone by it: 0 means that every cut gives the same. */
size_t disk_pending(const struct disk *d);
/* Writes what the disk holds after the cut into the folder `out`, which exists and is empty. */
void disk_cut(const struct disk *d, const struct disk_cut *how, const char *out);

#endif

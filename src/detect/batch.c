#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "detect/batch_priv.h"
#include "detect/client.h"

#define ALIGN 64u /* a file begins on its own cache line */

int detect_batch_new(struct detect_batch **out)
{
    struct detect_batch *b = calloc(1, sizeof(*b));

    if (b == NULL)
        return -ENOMEM;
    b->fd = -1;
    *out = b;
    return 0;
}

static void unmap(struct detect_batch *b)
{
    if (b->map != NULL)
        (void)munmap(b->map, (size_t)b->capacity);
    b->map = NULL;
}

void detect_batch_free(struct detect_batch *b)
{
    if (b == NULL)
        return;
    unmap(b);
    io_close(&b->fd);
    free(b);
}

/* Address space for a full batch at once, so that addresses given out stay; pages come when
 * written. */
static int open_memory(struct detect_batch *b, uint64_t first)
{
    uint64_t capacity = first > DETECT_BATCH_BYTES ? first : DETECT_BATCH_BYTES;
    void *p;
    int fd = memfd_create("batch", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return -errno;
    p = ftruncate(fd, (off_t)capacity) != 0
            ? MAP_FAILED
            : mmap(NULL, (size_t)capacity, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) {
        int rc = -errno;

        io_close(&fd);
        return rc;
    }
    (void)madvise(p, (size_t)capacity, MADV_DONTDUMP);
    b->fd = fd;
    b->map = p;
    b->capacity = capacity;
    return 0;
}

int detect_batch_add(struct detect_batch *b, uint64_t size, void **where, uint64_t cookie)
{
    uint64_t at = (b->used + ALIGN - 1) / ALIGN * ALIGN;
    uint32_t i = b->scan.n;
    int rc;

    if (size > DETECT_FILE_BYTES)
        return -E2BIG;
    if (i > 0 && (i == DETECT_BATCH_FILES || at > b->capacity || size > b->capacity - at))
        return -EAGAIN;
    if (b->fd < 0 && (rc = open_memory(b, size)) != 0)
        return rc;
    b->scan.file[i].offset = at;
    b->scan.file[i].size = size;
    b->cookie[i] = cookie;
    b->scan.n = i + 1;
    b->used = at + size;
    *where = b->map + at;
    return 0;
}

int detect_batch_slice(struct detect_batch **out, int fd)
{
    struct detect_batch *b;
    int rc = detect_batch_new(&b);

    if (rc != 0)
        return rc;
    b->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    b->sealed = true;
    if (b->fd < 0) {
        rc = -errno;
        detect_batch_free(b);
        return rc;
    }
    *out = b;
    return 0;
}

int detect_batch_point(struct detect_batch *b, uint64_t offset, uint64_t size, uint64_t cookie)
{
    uint32_t i = b->scan.n;

    if (i == DETECT_BATCH_FILES)
        return -EAGAIN;
    b->scan.file[i].offset = offset;
    b->scan.file[i].size = size;
    b->cookie[i] = cookie;
    b->scan.n = i + 1;
    b->used += size;
    return 0;
}

void detect_batch_total(struct detect_batch *b, uint64_t ms)
{
    b->scan.total = ms > DETECT_TIME_MAX ? DETECT_TIME_MAX : (uint32_t)ms;
}

size_t detect_batch_count(const struct detect_batch *b)
{
    return b->scan.n;
}

int detect_batch_seal(struct detect_batch *b)
{
    if (b->sealed)
        return 0;
    unmap(b); /* a writable mapping would forbid the seal */
    if (ftruncate(b->fd, (off_t)b->used) != 0 ||
        fcntl(b->fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return -errno;
    b->sealed = true;
    return 0;
}

#include "jail/ring.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define BLOCK 16384u

struct ring {
    int fd;
    uint32_t slot, slots;
    uint8_t *mem;
    size_t size;
    /* the producer's own: free slots as a stack, so that the warmest is used next */
    uint32_t *free_stack;
    uint32_t nfree;
    uint8_t *claimed;
};

static int shape(uint32_t slot, uint32_t slots, size_t *size, struct err *e)
{
    long page = sysconf(_SC_PAGESIZE);

    if (slot == 0 || slot > RING_SLOT_MAX || slot % (uint32_t)page != 0 || slots == 0 ||
        slots > RING_SLOTS_MAX || __builtin_mul_overflow((size_t)slot, (size_t)slots, size))
        return err_set(e, -EINVAL, "a ring of %u slots of %u bytes is not possible", slots, slot);
    return 0;
}

static int map(struct ring *r, int prot, struct err *e)
{
    void *p = mmap(NULL, r->size, prot, MAP_SHARED, r->fd, 0);

    if (p == MAP_FAILED)
        return err_sys(e, -errno, "cannot map a ring of %zu bytes", r->size);
    r->mem = p;
    (void)madvise(p, r->size, MADV_DONTDUMP);
    return 0;
}

/* The producer's own books: every slot is free. */
static int books(struct ring *r)
{
    r->free_stack = calloc(r->slots, sizeof(*r->free_stack));
    r->claimed = calloc(r->slots, 1);
    if (r->free_stack == NULL || r->claimed == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < r->slots; i++)
        r->free_stack[i] = r->slots - 1 - i;
    r->nfree = r->slots;
    return 0;
}

int ring_new(struct ring **out, uint32_t slot, uint32_t slots, struct err *e)
{
    struct ring *r;
    size_t size;
    int rc;

    if ((rc = shape(slot, slots, &size, e)) != 0)
        return rc;
    r = calloc(1, sizeof(*r));
    if (r == NULL)
        return err_set(e, -ENOMEM, "out of memory");
    r->slot = slot;
    r->slots = slots;
    r->size = size;
    r->fd = memfd_create("ring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    rc = -ENOMEM;
    if (books(r) != 0 || r->fd < 0) {
        rc = err_set(e, rc, "out of memory for a ring");
        goto out;
    }
    if (ftruncate(r->fd, (off_t)size) != 0 || fcntl(r->fd, F_ADD_SEALS, SEALS) != 0) {
        rc = err_sys(e, -errno, "cannot make a ring of %zu bytes", size);
        goto out;
    }
    if ((rc = map(r, PROT_READ | PROT_WRITE, e)) != 0)
        goto out;
    /* as far as RLIMIT_MEMLOCK goes: pages stay in memory once they are there */
    (void)mlock2(r->mem, size, MLOCK_ONFAULT);
    *out = r;
    r = NULL;
out:
    ring_close(r);
    return rc;
}

int ring_fd(const struct ring *r)
{
    return r->fd;
}

int ring_claim(struct ring *r, uint32_t *index)
{
    if (r->nfree == 0)
        return -EAGAIN;
    *index = r->free_stack[--r->nfree];
    assert(!r->claimed[*index]);
    r->claimed[*index] = 1;
    return 0;
}

void *ring_slot(struct ring *r, uint32_t index)
{
    assert(index < r->slots && r->claimed[index]);
    return r->mem + (size_t)index * r->slot;
}

int ring_free_slot(struct ring *r, uint32_t index)
{
    if (index >= r->slots || !r->claimed[index])
        return -EPROTO;
    r->claimed[index] = 0;
    r->free_stack[r->nfree++] = index;
    return 0;
}

uint32_t ring_claimed(const struct ring *r)
{
    return r->slots - r->nfree;
}

void ring_trim(struct ring *r)
{
    /* a hole rather than MADV_REMOVE, which refuses locked pages */
    for (uint32_t i = 0; i < r->slots; i++)
        if (!r->claimed[i])
            (void)fallocate(r->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                            (off_t)i * (off_t)r->slot, (off_t)r->slot);
}

/* --- over a descriptor that was passed --- */

static int attach(struct ring **out, int fd, uint32_t slot, uint32_t slots, int prot, struct err *e)
{
    struct stat st;
    struct ring *r = NULL;
    size_t size;
    int rc;

    if ((rc = shape(slot, slots, &size, e)) != 0)
        goto out;
    /* a file that could shrink would kill its reader with SIGBUS */
    if (fstat(fd, &st) != 0 || st.st_size != (off_t)size ||
        (fcntl(fd, F_GET_SEALS) & SEALS) != SEALS || fcntl(fd, F_GET_SEALS) < 0) {
        rc = err_set(e, -EPROTO, "the descriptor is no sealed ring of %zu bytes", size);
        goto out;
    }
    r = calloc(1, sizeof(*r));
    if (r == NULL) {
        rc = err_set(e, -ENOMEM, "out of memory");
        goto out;
    }
    r->slot = slot;
    r->slots = slots;
    r->size = size;
    r->fd = fd;
    fd = -1;
    if ((rc = map(r, prot, e)) != 0)
        goto out;
    *out = r;
    r = NULL;
out:
    io_close(&fd);
    ring_close(r);
    return rc;
}

int ring_attach(struct ring **out, int fd, uint32_t slot, uint32_t slots, struct err *e)
{
    return attach(out, fd, slot, slots, PROT_READ, e);
}

int ring_open(struct ring **out, int fd, uint32_t slot, uint32_t slots, struct err *e)
{
    struct ring *r;
    int rc = attach(&r, fd, slot, slots, PROT_READ | PROT_WRITE, e);

    if (rc != 0)
        return rc;
    (void)mlock2(r->mem, r->size, MLOCK_ONFAULT);
    if (books(r) != 0) {
        ring_close(r);
        return err_set(e, -ENOMEM, "out of memory for a ring");
    }
    *out = r;
    return 0;
}

static bool within(const struct ring *r, uint32_t index, uint32_t offset, uint32_t n)
{
    return index < r->slots && offset <= r->slot && n <= r->slot - offset;
}

int ring_read(const struct ring *r, uint32_t index, uint32_t offset, void *out, uint32_t n)
{
    if (!within(r, index, offset, n))
        return -EPROTO;
    memcpy(out, r->mem + (size_t)index * r->slot + offset, n);
    return 0;
}

int ring_each(const struct ring *r, uint32_t index, uint32_t n, ring_block fn, void *arg)
{
    uint8_t copy[BLOCK];
    int rc = 0;

    if (!within(r, index, 0, n))
        return -EPROTO;
    for (uint32_t at = 0; at < n && rc == 0;) {
        uint32_t m = n - at < BLOCK ? n - at : BLOCK;

        memcpy(copy, r->mem + (size_t)index * r->slot + at, m);
        rc = fn(arg, copy, m);
        at += m;
    }
    explicit_bzero(copy, n < BLOCK ? n : BLOCK);
    return rc;
}

void ring_close(struct ring *r)
{
    if (r == NULL)
        return;
    if (r->mem != NULL)
        (void)munmap(r->mem, r->size);
    io_close(&r->fd);
    free(r->free_stack);
    free(r->claimed);
    free(r);
}

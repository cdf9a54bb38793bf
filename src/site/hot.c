#include "site/hot.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"

#define MAGIC 0x676c6172686f7431ULL
#define BUCKETS 65536u
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define PIECE 4096u /* digests written at a time */

/* Digests are uniform: the first two bytes find one among about as many as n / 65536. */
struct head {
    uint64_t magic, n;
    struct digest release;
    uint32_t first[BUCKETS + 1]; /* of the digests whose first two bytes are i or greater */
    uint32_t pad;
};

struct hot {
    const struct head *head;
    const struct digest *digest; /* ascending, none twice */
    size_t size;
};

/* ---- making ---------------------------------------------------------------------------------- */

static unsigned bucket(const struct digest *d)
{
    return (unsigned)d->b[0] << 8 | d->b[1];
}

/* The next digest of h that differs from the last one. */
static const struct digest *next(const struct hashset *h, size_t *at)
{
    const struct digest *d;

    for (; h != NULL && *at < hashset_count(h); (*at)++) {
        d = hashset_digest(h, *at);
        if (*at == 0 || memcmp(hashset_digest(h, *at - 1), d, sizeof(*d)) != 0) {
            (*at)++;
            return d;
        }
    }
    return NULL;
}

static int write_all(int fd, struct head *head, const struct hashset *h)
{
    struct digest *piece = malloc(PIECE * sizeof(*piece));
    const struct digest *d;
    size_t at = 0, n = 0;
    int rc = piece == NULL ? -ENOMEM : io_write_all(fd, head, sizeof(*head));

    while (rc == 0 && (d = next(h, &at)) != NULL) {
        piece[n++] = *d;
        head->first[bucket(d) + 1]++; /* how many each has, first */
        head->n++;
        if (n == PIECE) {
            rc = io_write_all(fd, piece, n * sizeof(*piece));
            n = 0;
        }
    }
    if (rc == 0)
        rc = io_write_all(fd, piece, n * sizeof(*piece));
    for (size_t i = 0; i < BUCKETS; i++)
        head->first[i + 1] += head->first[i];
    free(piece);
    return rc != 0 ? rc : io_pwrite_all(fd, head, sizeof(*head), 0);
}

int hot_make(int *fd, const struct hashset *h, const struct digest *release, struct err *e)
{
    struct head *head = calloc(1, sizeof(*head));
    int rc;

    *fd = -1;
    if (head == NULL)
        return err_sys(e, -ENOMEM, "making the hot verdicts");
    head->magic = MAGIC;
    head->release = *release;
    if ((*fd = memfd_create("hot", MFD_CLOEXEC | MFD_ALLOW_SEALING)) < 0)
        rc = -errno;
    else if ((rc = write_all(*fd, head, h)) == 0 && fcntl(*fd, F_ADD_SEALS, SEALS) != 0)
        rc = -errno;
    free(head);
    if (rc != 0)
        io_close(fd);
    return rc == 0 ? 0 : err_sys(e, rc, "making the hot verdicts");
}

/* ---- reading --------------------------------------------------------------------------------- */

/* The table of a file of that size: it never leads outside. */
static bool sound(const struct head *head, size_t size)
{
    if (head->magic != MAGIC || head->n > (size - sizeof(*head)) / sizeof(struct digest) ||
        size != sizeof(*head) + head->n * sizeof(struct digest) || head->first[0] != 0 ||
        head->first[BUCKETS] != head->n)
        return false;
    for (size_t i = 0; i < BUCKETS; i++)
        if (head->first[i] > head->first[i + 1])
            return false;
    return true;
}

static int map(struct hot *h, int fd)
{
    struct stat st;
    void *p;

    if (fcntl(fd, F_GET_SEALS) != (int)SEALS || fstat(fd, &st) != 0 ||
        st.st_size < (off_t)sizeof(struct head))
        return -EPROTO;
    h->size = (size_t)st.st_size;
    p = mmap(NULL, h->size, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return -errno;
    h->head = p;
    h->digest = (const struct digest *)((const uint8_t *)p + sizeof(struct head));
    return sound(h->head, h->size) ? 0 : -EPROTO;
}

int hot_open(struct hot **out, int fd, struct err *e)
{
    struct hot *h = calloc(1, sizeof(*h));
    int rc = h == NULL ? -ENOMEM : map(h, fd);

    io_close(&fd); /* the mapping stays */
    if (rc != 0) {
        hot_close(h);
        return err_sys(e, rc, "taking the hot verdicts");
    }
    *out = h;
    return 0;
}

void hot_close(struct hot *h)
{
    if (h == NULL)
        return;
    if (h->head != NULL)
        (void)munmap((void *)(uintptr_t)h->head, h->size);
    free(h);
}

bool hot_find(const struct hot *h, const struct digest *d)
{
    size_t lo = h->head->first[bucket(d)], hi = h->head->first[bucket(d) + 1], mid;
    int c;

    while (lo < hi) {
        mid = lo + (hi - lo) / 2;
        c = memcmp(h->digest[mid].b, d->b, sizeof(d->b));
        if (c == 0)
            return true;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return false;
}

const struct digest *hot_release(const struct hot *h)
{
    return &h->head->release;
}

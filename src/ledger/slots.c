#include "ledger/slots_priv.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "crypto/sha256.h"

#define SLOT 4096
#define MAGIC "slots/v1"

/* Fills in slot text; returns the bytes before the zeros. */
static size_t build(uint8_t out[SLOT], uint64_t seq, const void *record, size_t n)
{
    struct digest d;

    memset(out, 0, SLOT);
    memcpy(out, MAGIC, 8);
    for (int i = 0; i < 8; i++)
        out[8 + i] = (uint8_t)(seq >> (56 - 8 * i));
    out[16] = (uint8_t)(n >> 8);
    out[17] = (uint8_t)n;
    memcpy(out + 18, record, n);
    sha256_of(out, 18 + n, &d);
    memcpy(out + 18 + n, d.b, sizeof(d.b));
    return 18 + n + sizeof(d.b);
}

/* The sequence number of a whole slot, or 0. */
static uint64_t check(const uint8_t slot[SLOT], struct span *record)
{
    struct cur c = {slot + 8, SLOT - 8};
    struct digest d;
    uint64_t seq;
    uint16_t n;

    if (memcmp(slot, MAGIC, 8) != 0 || cur_u64(&c, &seq) != 0 || cur_u16(&c, &n) != 0 ||
        n > SLOTS_RECORD_MAX)
        return 0;
    sha256_of(slot, 18 + (size_t)n, &d);
    if (memcmp(slot + 18 + n, d.b, sizeof(d.b)) != 0)
        return 0;
    *record = span_of(slot + 18, n);
    return seq;
}

static int load(struct slots *s, const char *path, struct err *e)
{
    uint8_t raw[2][SLOT] = {{0}};
    struct span record[2] = {{NULL, 0}, {NULL, 0}};
    uint64_t seq[2];
    unsigned newest;

    for (unsigned i = 0; i < 2; i++) {
        int rc = io_pread_full(s->fd, raw[i], SLOT, (off_t)i * SLOT);

        if (rc != 0 && rc != -EPIPE) /* a short file: the slot was never whole */
            return err_sys(e, rc, "reading \"%s\"", path);
        seq[i] = rc == 0 ? check(raw[i], &record[i]) : 0;
    }
    newest = seq[1] > seq[0];
    s->seq = seq[newest];
    s->next = !newest;
    for (unsigned k = 0; k < 2; k++) {
        unsigned i = k == 0 ? newest : !newest;

        if (seq[i] == 0)
            continue;
        s->len[s->found] = record[i].n;
        memcpy(s->record[s->found++], record[i].p, record[i].n);
    }
    return 0;
}

int slots_open(struct slots *s, int dirfd, const char *path, int flags, bool *fresh, struct err *e)
{
    struct stat st;
    int rc;

    memset(s, 0, sizeof(*s));
    s->fd = openat(dirfd, path, O_RDWR | O_CLOEXEC | flags, 0600);
    if (s->fd < 0)
        return err_sys(e, -errno, "opening \"%s\"", path);
    if (flock(s->fd, LOCK_EX | LOCK_NB) != 0) {
        rc = errno == EWOULDBLOCK
                 ? err_set(e, -EBUSY, "\"%s\" is in use by another process; stop it first", path)
                 : err_sys(e, -errno, "locking \"%s\"", path);
        goto fail;
    }
    if (fstat(s->fd, &st) != 0) {
        rc = err_sys(e, -errno, "reading \"%s\"", path);
        goto fail;
    }
    if (fresh != NULL)
        *fresh = st.st_size == 0;
    if ((rc = load(s, path, e)) == 0)
        return 0;
fail:
    io_close(&s->fd);
    return rc;
}

int slots_store(struct slots *s, const void *record, size_t n)
{
    uint8_t raw[SLOT];
    int rc;

    assert(n <= SLOTS_RECORD_MAX);
    (void)build(raw, s->seq + 1, record, n);
    if ((rc = io_pwrite_all(s->fd, raw, SLOT, (off_t)s->next * SLOT)) != 0 ||
        (rc = io_datasync_fd(s->fd)) != 0)
        return rc;
    s->seq++;
    s->next = !s->next;
    return 0;
}

void slots_close(struct slots *s)
{
    io_close(&s->fd);
}

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/io.h"
#include "crypto/sha256.h"
#include "detect/line_priv.h"
#include "detect/tree.h"

#define HASH_BYTES (UINT64_C(16) << 20) /* in one turn of the owner's loop */
#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)

void line_part_init(struct part *p, uint32_t from, uint32_t to)
{
    memset(p, 0, sizeof(*p));
    p->fd = -1;
    p->from = from;
    p->to = to;
}

static void unmap(struct part *p)
{
    if (p->map != NULL)
        (void)munmap((void *)(uintptr_t)p->map, (size_t)p->table.size);
    p->map = NULL;
    io_close(&p->fd);
}

void line_part_free(struct part *p)
{
    for (uint32_t i = 0; i < p->units && p->found != NULL; i++)
        finding_done(&p->found[i]);
    free(p->found);
    free(p->lost);
    free(p->done);
    free(p->sha);
    unmap(p);
    line_part_init(p, 0, 0);
}

struct detect_member line_part_member(const struct part *p, uint32_t i)
{
    struct detect_member m;

    memcpy(&m, p->map + (size_t)i * sizeof(m), sizeof(m));
    return m;
}

/* Sealed, as long as it says, and every word in bounds: from here on nothing of it can change. */
static int map_members(struct part *p)
{
    struct stat st;
    int seals = fcntl(p->fd, F_GET_SEALS);
    void *map;

    if (seals < 0 || (seals & SEALS) != SEALS || fstat(p->fd, &st) != 0 ||
        (uint64_t)st.st_size != p->table.size)
        return -EPROTO;
    if (p->table.size == 0)
        return 0;
    map = mmap(NULL, (size_t)p->table.size, PROT_READ, MAP_SHARED, p->fd, 0);
    if (map == MAP_FAILED)
        return -errno;
    p->map = map;
    (void)madvise(map, (size_t)p->table.size, MADV_DONTDUMP);
    return protocol_members_check(&p->table, p->map, p->to - p->from);
}

int line_part_open(struct part *p, const struct detect_members *t, int fd)
{
    uint32_t files = p->to - p->from;
    int rc = 0;

    p->fd = fd;
    p->table = *t;
    if (fd < 0)
        p->table.count = 0;
    else if ((rc = map_members(p)) != 0)
        p->table.count = 0;
    p->units = files + p->table.count;
    p->found = calloc(p->units, sizeof(*p->found));
    p->lost = calloc(p->units, sizeof(*p->lost));
    p->done = calloc(p->units, sizeof(*p->done));
    p->sha = calloc((size_t)p->table.count + 1, sizeof(*p->sha));
    if (p->found == NULL || p->lost == NULL || p->done == NULL || p->sha == NULL)
        abort(); /* a result would be lost */
    for (uint32_t i = 0; i < p->units; i++) {
        finding_init(&p->found[i]);
        if (i >= files) {
            struct detect_member m = line_part_member(p, i - files);

            if (m.reason != REASON_NONE)
                finding_incomplete(&p->found[i], (enum verdict_reason)m.reason);
        }
    }
    return rc;
}

bool line_part_hash(struct part *p, const struct release *r)
{
    uint32_t files = p->to - p->from;
    uint64_t bytes = 0;

    for (; p->hashed < p->table.count && bytes < HASH_BYTES; p->hashed++) {
        struct detect_member m = line_part_member(p, p->hashed);
        struct finding *f = &p->found[files + p->hashed];

        sha256_of(p->map + m.offset, (size_t)m.size, &p->sha[p->hashed]);
        bytes += m.size + 4096;
        if (hashset_find(release_hashes(r), &p->sha[p->hashed], f) == 1)
            p->done[files + p->hashed] = true;
    }
    return p->hashed == p->table.count;
}

/* --- the result --- */

struct range { /* the members of one file stand side by side */
    struct part *part;
    uint32_t first, n;
};

static struct range members_of(struct part *p, uint32_t file)
{
    struct range r = {p, 0, 0};

    while (r.first < p->table.count && line_part_member(p, r.first).file != file)
        r.first++;
    while (r.first + r.n < p->table.count && line_part_member(p, r.first + r.n).file == file)
        r.n++;
    return r;
}

static void fill_member(void *arg, uint32_t i, struct tree_member *out)
{
    const struct range *r = arg;
    struct part *p = r->part;
    struct detect_member m = line_part_member(p, r->first + i);
    const struct finding *f = &p->found[p->to - p->from + r->first + i];

    memset(out, 0, sizeof(*out));
    out->number = i + 1;
    out->parent = m.parent == 0 ? 0 : m.parent - r->first;
    out->verdict = f->verdict;
    out->reason = f->reason;
    out->size = m.size;
    out->sha256 = p->sha[r->first + i];
    out->name = span_of(p->map + m.name_at, m.name_len);
    out->names = buf_span(&f->names);
}

int line_part_result(struct part *p, uint32_t i, struct detect_line_result *out)
{
    struct range r = members_of(p, i);
    uint32_t files = p->to - p->from;
    bool lost = p->lost[i];
    int rc = finding_add(&out->finding, &p->found[i]);

    for (uint32_t k = 0; k < r.n && rc == 0; k++) {
        rc = finding_add(&out->finding, &p->found[files + r.first + k]);
        lost |= p->lost[files + r.first + k];
    }
    out->members = r.n;
    out->lost = lost && out->finding.verdict != VERDICT_MALICIOUS;
    return rc != 0 || r.n == 0 ? rc : tree_write(&out->tree, r.n, fill_member, &r);
}

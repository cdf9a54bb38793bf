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

#define MEMBER_COST 4096u /* what a member costs beside its bytes, in bytes hashed */
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
    sha256_free(p->hash);
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

/* Some bytes of the next member; true: its hash is there. */
static bool hash_on(struct part *p, const struct detect_member *m, uint64_t *bytes)
{
    uint64_t n = m->size - p->hashed_of;

    if (n > *bytes)
        n = *bytes;
    sha256_add(p->hash, p->map + m->offset + p->hashed_of, (size_t)n);
    p->hashed_of += n;
    *bytes -= n;
    if (p->hashed_of < m->size)
        return false;
    sha256_end(p->hash, &p->sha[p->hashed]);
    p->hashed_of = 0;
    *bytes = *bytes > MEMBER_COST ? *bytes - MEMBER_COST : 0;
    return true;
}

bool line_part_hash(struct part *p, const struct release *r, uint64_t *bytes)
{
    uint32_t files = p->to - p->from;

    if (p->hash == NULL && (p->hash = sha256_new()) == NULL)
        return p->hashed == p->table.count; /* no memory now: in another turn */
    while (p->hashed<p->table.count && * bytes> 0) {
        struct detect_member m = line_part_member(p, p->hashed);
        uint32_t unit = files + p->hashed;

        if (!hash_on(p, &m, bytes))
            break;
        p->done[unit] = hashset_find(release_hashes(r), &p->sha[p->hashed], &p->found[unit]) == 1;
        p->hashed++;
    }
    return p->hashed == p->table.count;
}

/* --- the result --- */

struct range { /* the members of one file stand side by side */
    struct part *part;
    uint32_t first, n;
};

/* Their first, by halves: files ascend in the table. */
static uint32_t first_of(const struct part *p, uint32_t file)
{
    uint32_t from = 0, to = p->table.count;

    while (from < to) {
        uint32_t middle = from + (to - from) / 2;

        if (line_part_member(p, middle).file < file)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static struct range members_of(struct part *p, uint32_t file)
{
    struct range r = {p, first_of(p, file), 0};

    r.n = first_of(p, file + 1) - r.first;
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

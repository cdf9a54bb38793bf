/* tlog_tiles.c - C2SP tlog-tiles: names of tiles, and a reader over a folder of them.
 *
 * The reader keeps one tile of each level and one bundle: proofs and walks go from left to right or
 * along one path, so more would rarely be hit again.  A partial tile that is gone is looked for in
 * the full one, as the page allows. */
#include "ledger/tlog_tiles_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "crypto/sha256.h"

#define LEVELS TLOG_TILES_LEVELS
#define FULL TLOG_TILES_FULL

struct tile {
    bool loaded;
    uint64_t index;
    unsigned width;
    struct digest h[FULL];
};

struct bundle {
    bool loaded;
    uint64_t index;
    unsigned width;
    uint8_t *data;
    size_t cap;
    struct span leaf[FULL];
};

struct tlog_tiles {
    int dirfd;
    char *dir; /* for messages */
    uint64_t size;
    struct tile tile[LEVELS];
    struct bundle bundle;
    struct digest run[FULL]; /* leaf hashes of the bundle in hand, while walking */
    /* the hashes that a walk with tiles has yet to compare */
    uint64_t seen_size;
    struct digest seen[LEVELS][FULL];
};

/* ---- Names ----------------------------------------------------------------------------------- */

unsigned tlog_tiles_width(unsigned level, uint64_t index, uint64_t size)
{
    uint64_t n;

    if (level == TLOG_TILES_ENTRIES)
        level = 0;
    if (level >= LEVELS || index > UINT64_MAX / FULL)
        return 0;
    n = size >> (8 * level);
    if (n <= index * FULL)
        return 0;
    n -= index * FULL;
    return n < FULL ? (unsigned)n : FULL;
}

void tlog_tiles_path(char out[TLOG_TILES_PATH_MAX], const struct tlog_tile *t)
{
    char number[40], level[12] = "entries", width[16] = "";
    uint64_t group[7], n = t->index;
    size_t k = 0, at = 0;

    do
        group[k++] = n % 1000;
    while ((n /= 1000) != 0 && k < ARRAY_LEN(group));
    while (k-- > 0)
        at += (size_t)snprintf(number + at, sizeof(number) - at, k > 0 ? "x%03u/" : "%03u",
                               (unsigned)group[k]);
    if (t->level != TLOG_TILES_ENTRIES)
        (void)snprintf(level, sizeof(level), "%u", t->level);
    if (t->width != FULL)
        (void)snprintf(width, sizeof(width), ".p/%u", t->width);
    (void)snprintf(out, TLOG_TILES_PATH_MAX, "tile/%s/%s%s", level, number, width);
}

/* "x001/x234/067" up to the end or a '.': three digits a group.  Loose; the caller compares. */
static int number_of(const char **s, uint64_t *out)
{
    unsigned groups = 0;

    *out = 0;
    for (;;) {
        bool more = **s == 'x';
        const char *d = *s + more;

        for (int i = 0; i < 3; i++)
            if (d[i] < '0' || d[i] > '9')
                return -EBADMSG;
        if (++groups > 6)
            return -EBADMSG;
        *out = *out * 1000 + (uint64_t)((d[0] - '0') * 100 + (d[1] - '0') * 10 + d[2] - '0');
        *s = d + 3;
        if (!more)
            return 0;
        if (**s != '/')
            return -EBADMSG;
        (*s)++;
    }
}

static int small_number(const char **s, uint64_t max, unsigned *out)
{
    size_t n = strspn(*s, "0123456789");
    uint64_t v;

    if (text_u64(span_of(*s, n), max, &v) != 0)
        return -EBADMSG;
    *s += n;
    *out = (unsigned)v;
    return 0;
}

int tlog_tiles_unpath(struct tlog_tile *out, struct span path)
{
    char text[TLOG_TILES_PATH_MAX], again[TLOG_TILES_PATH_MAX];
    struct tlog_tile t = {.width = FULL};
    const char *s = text;

    if (path.n >= sizeof(text) || path.n < 5 || memchr(path.p, '\0', path.n) != NULL)
        return -EBADMSG;
    memcpy(text, path.p, path.n);
    text[path.n] = '\0';
    if (strncmp(s, "tile/", 5) != 0)
        return -EBADMSG;
    s += 5;
    if (strncmp(s, "entries/", 8) == 0) {
        t.level = TLOG_TILES_ENTRIES;
        s += 7;
    } else if (small_number(&s, 63, &t.level) != 0) {
        return -EBADMSG;
    }
    if (*s++ != '/' || number_of(&s, &t.index) != 0)
        return -EBADMSG;
    if (strncmp(s, ".p/", 3) == 0) {
        s += 3;
        if (small_number(&s, FULL - 1, &t.width) != 0 || t.width == 0)
            return -EBADMSG;
    }
    /* one spelling only: what we would write */
    tlog_tiles_path(again, &t);
    if (*s != '\0' || strcmp(text, again) != 0)
        return -EBADMSG;
    *out = t;
    return 0;
}

int tlog_tiles_split(struct span bundle, unsigned width, bool exact, struct span leaves[256])
{
    const uint8_t *p = bundle.p, *end = bundle.p + bundle.n;

    if (width > FULL)
        return -EINVAL;
    for (unsigned i = 0; i < width; i++) {
        size_t n;

        if (end - p < 2)
            return -EBADMSG;
        n = (size_t)(p[0] << 8 | p[1]);
        p += 2;
        if ((size_t)(end - p) < n)
            return -EBADMSG;
        leaves[i].p = p;
        leaves[i].n = n;
        p += n;
    }
    return exact && p != end ? -EBADMSG : 0;
}

/* ---- Files ----------------------------------------------------------------------------------- */

/* Opens a regular file; a fifo or device of a hostile folder never blocks us. */
static int open_file(struct tlog_tiles *t, const char *path, uint64_t *size, struct err *e)
{
    struct stat st;
    int fd = openat(t->dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), rc;

    if (fd < 0)
        return err_sys(e, -errno, "opening \"%s/%s\"", t->dir, path);
    if (fstat(fd, &st) != 0)
        rc = err_sys(e, -errno, "reading \"%s/%s\"", t->dir, path);
    else if (!S_ISREG(st.st_mode))
        rc = err_set(e, -EBADMSG, "\"%s/%s\" is not a regular file; fetch it again", t->dir, path);
    else {
        *size = (uint64_t)st.st_size;
        return fd;
    }
    io_close(&fd);
    return rc;
}

/* Opens a tile of the opened tree, or the full one in place of a partial that is gone; *t_io says
 * which. */
static int open_tile(struct tlog_tiles *t, struct tlog_tile *name, char path[TLOG_TILES_PATH_MAX],
                     uint64_t *size, struct err *e)
{
    char partial[TLOG_TILES_PATH_MAX];
    int fd;

    tlog_tiles_path(path, name);
    fd = open_file(t, path, size, NULL);
    if (fd == -ENOENT && name->width < FULL) {
        memcpy(partial, path, sizeof(partial));
        name->width = FULL;
        tlog_tiles_path(path, name);
        if ((fd = open_file(t, path, size, NULL)) == -ENOENT)
            memcpy(path, partial, sizeof(partial));
    }
    if (fd == -ENOENT)
        return err_set(e, -ENOENT,
                       "\"%s/%s\" is missing in a ledger of %" PRIu64
                       " leaves; fetch it from the site or a mirror",
                       t->dir, path, t->size);
    return fd < 0 ? open_file(t, path, size, e) : fd;
}

static int bad_file(struct tlog_tiles *t, const char *path, const char *why, struct err *e)
{
    return err_set(e, -EBADMSG, "\"%s/%s\" %s; fetch it again from the site or a mirror", t->dir,
                   path, why);
}

static int read_tile(struct tlog_tiles *t, unsigned level, uint64_t index, struct tile *out,
                     struct err *e)
{
    struct tlog_tile name = {level, index, tlog_tiles_width(level, index, t->size)};
    char path[TLOG_TILES_PATH_MAX];
    unsigned width = name.width;
    uint64_t size;
    int fd, rc;

    out->loaded = false;
    if ((fd = open_tile(t, &name, path, &size, e)) < 0)
        return fd;
    if (size != (uint64_t)name.width * sizeof(struct digest))
        rc = bad_file(t, path, "has the wrong length", e);
    else if ((rc = io_pread_full(fd, out->h, width * sizeof(struct digest), 0)) != 0)
        rc = err_sys(e, rc, "reading \"%s/%s\"", t->dir, path);
    io_close(&fd);
    if (rc != 0)
        return rc;
    out->loaded = true;
    out->index = index;
    out->width = width;
    return 0;
}

static int get_tile(struct tlog_tiles *t, unsigned level, uint64_t index, struct err *e)
{
    struct tile *c = &t->tile[level];

    if (c->loaded && c->index == index && c->width == tlog_tiles_width(level, index, t->size))
        return 0;
    return read_tile(t, level, index, c, e);
}

static int reserve_bundle(struct bundle *b, size_t n, struct err *e)
{
    uint8_t *p;

    if (n <= b->cap)
        return 0;
    n += n / 4; /* bundles of one ledger are alike */
    if ((p = realloc(b->data, n)) == NULL)
        return err_sys(e, -ENOMEM, "reading %zu bytes of leaves", n);
    b->data = p;
    b->cap = n;
    return 0;
}

static int get_bundle(struct tlog_tiles *t, uint64_t index, struct err *e)
{
    struct tlog_tile name = {TLOG_TILES_ENTRIES, index,
                             tlog_tiles_width(TLOG_TILES_ENTRIES, index, t->size)};
    struct bundle *b = &t->bundle;
    char path[TLOG_TILES_PATH_MAX];
    unsigned width = name.width;
    uint64_t size = 0;
    int fd, rc;

    if (b->loaded && b->index == index && b->width == width)
        return 0;
    b->loaded = false;
    if ((fd = open_tile(t, &name, path, &size, e)) < 0)
        return fd;
    if (size > (uint64_t)FULL * (2 + CORE_LEAF_MAX))
        rc = bad_file(t, path, "is longer than 256 leaves can be", e);
    else if ((rc = reserve_bundle(b, (size_t)size, e)) == 0) {
        if ((rc = io_pread_full(fd, b->data, (size_t)size, 0)) != 0)
            rc = err_sys(e, rc, "reading \"%s/%s\"", t->dir, path);
        else if (tlog_tiles_split(span_of(b->data, (size_t)size), width, name.width == width,
                                  b->leaf) != 0)
            rc = bad_file(t, path, "is not the right number of leaves", e);
    }
    io_close(&fd);
    if (rc != 0)
        return rc;
    b->loaded = true;
    b->index = index;
    b->width = width;
    return 0;
}

/* ---- Open and close -------------------------------------------------------------------------- */

int tlog_tiles_open(struct tlog_tiles **out, const char *dir, uint64_t size, struct err *e)
{
    struct tlog_tiles *t;

    if (size > INT64_MAX)
        return err_set(e, -EINVAL, "a ledger cannot have %" PRIu64 " leaves", size);
    if ((t = calloc(1, sizeof(*t))) == NULL || (t->dir = strdup(dir)) == NULL) {
        free(t);
        return err_sys(e, -ENOMEM, "opening \"%s\"", dir);
    }
    t->size = size;
    t->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (t->dirfd < 0) {
        int rc = err_sys(e, -errno, "opening the ledger \"%s\"", dir);

        tlog_tiles_close(t);
        return rc;
    }
    *out = t;
    return 0;
}

int tlog_tiles_grow(struct tlog_tiles *t, uint64_t size, struct err *e)
{
    if (size < t->size || size > INT64_MAX)
        return err_set(e, -EINVAL, "a ledger of %" PRIu64 " leaves cannot become one of %" PRIu64,
                       t->size, size);
    t->size = size;
    return 0;
}

void tlog_tiles_close(struct tlog_tiles *t)
{
    if (t == NULL)
        return;
    io_close(&t->dirfd);
    free(t->dir);
    free(t->bundle.data);
    free(t);
}

uint64_t tlog_tiles_size(const struct tlog_tiles *t)
{
    return t->size;
}

/* ---- For the writer -------------------------------------------------------------------------- */

int tlog_tiles_hashes(struct tlog_tiles *t, unsigned level, uint64_t index,
                      const struct digest **out, unsigned *width, struct err *e)
{
    int rc = get_tile(t, level, index, e);

    if (rc == 0) {
        *out = t->tile[level].h;
        *width = t->tile[level].width;
    }
    return rc;
}

int tlog_tiles_bundle(struct tlog_tiles *t, uint64_t index, const struct span **leaves,
                      unsigned *width, struct err *e)
{
    int rc = get_bundle(t, index, e);

    if (rc == 0) {
        *leaves = t->bundle.leaf;
        *width = t->bundle.width;
    }
    return rc;
}

/* ---- Hashes and proofs ----------------------------------------------------------------------- */

struct asker {
    struct tlog_tiles *t;
    struct err *e;
};

static int subtree(void *arg, unsigned level, uint64_t index, struct digest *out)
{
    struct asker *a = arg;
    unsigned tile_level = level / 8, up = level % 8;
    uint64_t first = index << up;
    int rc = get_tile(a->t, tile_level, first / FULL, a->e);

    if (rc == 0)
        core_fold(&note_crypto, &a->t->tile[tile_level].h[first % FULL], (size_t)1 << up, out);
    return rc;
}

static int check_size(const struct tlog_tiles *t, uint64_t size, struct err *e)
{
    if (size <= t->size)
        return 0;
    return err_set(e, -EINVAL, "size %" PRIu64 " is beyond the opened ledger of %" PRIu64 " leaves",
                   size, t->size);
}

int tlog_tiles_range(struct tlog_tiles *t, uint64_t size, struct core_range *out, struct err *e)
{
    struct asker a = {t, e};
    struct core_source src = {subtree, &a};
    int rc = check_size(t, size, e);

    return rc != 0 ? rc : core_range_from(&note_crypto, &src, size, out);
}

int tlog_tiles_root(struct tlog_tiles *t, uint64_t size, struct digest *out, struct err *e)
{
    struct core_range r;
    int rc = tlog_tiles_range(t, size, &r, e);

    if (rc == 0)
        core_range_root(&note_crypto, &r, out);
    return rc;
}

int tlog_tiles_prove_inclusion(const struct core_source *src, uint64_t index, uint64_t size,
                               struct digest path[CORE_PROOF_MAX], size_t *n, struct err *e)
{
    if (index >= size)
        return err_set(e, -EINVAL, "there is no leaf %" PRIu64 " in a ledger of %" PRIu64 " leaves",
                       index, size);
    return core_prove_inclusion(&note_crypto, src, index, size, path, n);
}

int tlog_tiles_prove_consistency(const struct core_source *src, uint64_t old_size, uint64_t size,
                                 struct digest path[CORE_PROOF_MAX], size_t *n, struct err *e)
{
    if (old_size > size)
        return err_set(e, -EINVAL, "no tree of %" PRIu64 " leaves extends one of %" PRIu64, size,
                       old_size);
    return core_prove_consistency(&note_crypto, src, old_size, size, path, n);
}

int tlog_tiles_inclusion(struct tlog_tiles *t, uint64_t index, uint64_t size,
                         struct digest path[CORE_PROOF_MAX], size_t *n, struct err *e)
{
    struct asker a = {t, e};
    struct core_source src = {subtree, &a};
    int rc = check_size(t, size, e);

    return rc != 0 ? rc : tlog_tiles_prove_inclusion(&src, index, size, path, n, e);
}

int tlog_tiles_consistency(struct tlog_tiles *t, uint64_t old_size, uint64_t size,
                           struct digest path[CORE_PROOF_MAX], size_t *n, struct err *e)
{
    struct asker a = {t, e};
    struct core_source src = {subtree, &a};
    int rc = check_size(t, size, e);

    return rc != 0 ? rc : tlog_tiles_prove_consistency(&src, old_size, size, path, n, e);
}

/* ---- Leaves ---------------------------------------------------------------------------------- */

int tlog_tiles_leaf(struct tlog_tiles *t, uint64_t index, struct span *out, struct err *e)
{
    int rc;

    if (index >= t->size)
        return err_set(e, -EINVAL, "there is no leaf %" PRIu64 " in a ledger of %" PRIu64 " leaves",
                       index, t->size);
    if ((rc = get_bundle(t, index / FULL, e)) == 0)
        *out = t->bundle.leaf[index % FULL];
    return rc;
}

static int compare_tile(struct tlog_tiles *t, unsigned level, uint64_t index, unsigned width,
                        struct err *e)
{
    struct tlog_tile name = {level, index, width};
    char path[TLOG_TILES_PATH_MAX];
    int rc = get_tile(t, level, index, e);

    if (rc != 0)
        return rc;
    if (memcmp(t->tile[level].h, t->seen[level], width * sizeof(struct digest)) == 0)
        return 0;
    tlog_tiles_path(path, &name);
    return bad_file(t, path, "is not the hashes of the leaves below it", e);
}

/* A hash of `level` is known; at most one tile a level fills by it. */
static int see_hash(struct tlog_tiles *t, unsigned level, uint64_t n, struct digest h,
                    const struct digest *folded, struct err *e)
{
    for (; level < LEVELS; level++, n /= FULL) {
        int rc;

        t->seen[level][n % FULL] = h;
        if (n % FULL != FULL - 1)
            return 0;
        if ((rc = compare_tile(t, level, n / FULL, FULL, e)) != 0)
            return rc;
        if (level == 0 && folded != NULL)
            h = *folded;
        else
            core_fold(&note_crypto, t->seen[level], FULL, &h);
    }
    return 0;
}

static int compare_partials(struct tlog_tiles *t, struct err *e)
{
    int rc = 0;

    for (unsigned level = 0; rc == 0 && level < LEVELS; level++) {
        uint64_t n = t->size >> (8 * level);

        if (n % FULL != 0)
            rc = compare_tile(t, level, n / FULL, (unsigned)(n % FULL), e);
    }
    return rc;
}

/* Walks leaves from .. to-1 of one bundle. */
static int walk_bundle(struct tlog_tiles *t, struct core_range *at, uint64_t to,
                       const struct tlog_walk *w, struct err *e)
{
    unsigned from = (unsigned)(at->size % FULL), n = from + (unsigned)(to - at->size);
    bool whole = from == 0 && n == FULL;
    uint64_t first = at->size - from;
    struct digest folded;
    int rc = get_bundle(t, at->size / FULL, e);

    if (rc != 0)
        return rc;
    for (unsigned i = from; i < n; i++) {
        struct span leaf = t->bundle.leaf[i];

        sha256_leaf(leaf.p, leaf.n, &t->run[i]);
        if (w->leaf != NULL && (rc = w->leaf(w->arg, first + i, leaf, e)) != 0)
            return rc;
    }
    if (whole) {
        core_fold(&note_crypto, t->run, FULL, &folded);
        rc = core_range_add_subtree(&note_crypto, at, 8, &folded);
    }
    for (unsigned i = from; i < n && rc == 0 && !whole; i++)
        rc = core_range_add(&note_crypto, at, &t->run[i]);
    for (unsigned i = from; i < n && rc == 0 && w->with_tiles; i++)
        rc = see_hash(t, 0, first + i, t->run[i], whole ? &folded : NULL, e);
    return rc;
}

int tlog_tiles_walk(struct tlog_tiles *t, struct core_range *at, uint64_t to,
                    const struct tlog_walk *w, struct err *e)
{
    int rc = check_size(t, to, e);

    if (rc != 0)
        return rc;
    if (at->size > to)
        return err_set(e, -EINVAL, "a walk cannot go back from %" PRIu64 " to %" PRIu64, at->size,
                       to);
    if (w->with_tiles && at->size != 0 && at->size != t->seen_size)
        return err_set(e, -EINVAL, "a walk with tiles cannot start at %" PRIu64, at->size);
    while (at->size < to) {
        uint64_t end = (at->size / FULL + 1) * FULL;

        if ((rc = walk_bundle(t, at, end < to ? end : to, w, e)) != 0)
            return rc;
    }
    if (w->with_tiles) {
        t->seen_size = to;
        if (to == t->size)
            rc = compare_partials(t, e);
    }
    return rc;
}

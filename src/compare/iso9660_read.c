/* iso9660_read.c - one image: its descriptors, and the folders of each of its trees.  A folder is
 * read once: those that lie in one another end the walk. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compare/iso9660_priv.h"

uint16_t iso9660_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

uint32_t iso9660_u32(const uint8_t *p)
{
    return iso9660_u16(p) | (uint32_t)iso9660_u16(p + 2) << 16;
}

bool iso9660_both16(const uint8_t *p, uint32_t *v)
{
    *v = iso9660_u16(p);
    return p[0] == p[3] && p[1] == p[2];
}

bool iso9660_both32(const uint8_t *p, uint32_t *v)
{
    *v = iso9660_u32(p);
    return p[0] == p[7] && p[1] == p[6] && p[2] == p[5] && p[3] == p[4];
}

bool iso9660_inside(const struct iso_side *d, struct look_range r)
{
    return r.at <= d->s.n && r.n <= d->s.n - r.at;
}

/* --- what grows --- */

/* Room for one more of `size` bytes behind n of them, and `more` bytes with it. */
static int grow(struct iso_side *d, void **v, size_t n, size_t *room, size_t size, size_t more)
{
    if (!look_charge(d->l, size + more))
        return -E2BIG;
    d->charged += size + more;
    if (n == *room) {
        size_t wider = *room == 0 ? 32 : 2 * *room;
        void *p = reallocarray(*v, wider, size);

        if (p == NULL)
            return -ENOMEM;
        *v = p;
        *room = wider;
    }
    return 0;
}

int iso9660_range(struct iso_side *d, struct iso_ranges *to, struct look_range r)
{
    void *v = to->v;
    int rc;

    if (r.n == 0)
        return 0;
    rc = grow(d, &v, to->n, &to->room, sizeof(r), 0);
    to->v = v;
    if (rc == 0)
        to->v[to->n++] = r;
    return rc;
}

int iso9660_know(struct iso_side *d, struct look_range r)
{
    return iso9660_range(d, &d->known, r);
}

struct folder { /* to be read */
    uint32_t extent, size, above;
    const char *path;
    size_t up; /* the folder it was found in */
    unsigned depth;
};

struct walk {
    struct iso_side *d;
    struct iso_tree *t;
    struct folder *v;
    size_t n, room;
    const char *why;
    size_t pieces; /* index + 1 of the record that the next one continues */
    struct iso_fields fields;
};

static int stop(struct walk *w, const char *why)
{
    w->why = why;
    return -EBADMSG;
}

static int add_folder(struct walk *w, const struct folder *f)
{
    const struct folder *up = f;
    void *v = w->v;
    int rc;

    if (f->depth > ISO_DEPTH)
        return stop(w, "folders in too many others");
    for (unsigned i = f->depth; i > 0; i--) {
        up = &w->v[up->up];
        if (up->extent == f->extent)
            return stop(w, "a folder lies in itself");
    }
    rc = grow(w->d, &v, w->n, &w->room, sizeof(*f), 0);
    w->v = v;
    if (rc == 0)
        w->v[w->n++] = *f;
    return rc;
}

static int add_dir(struct walk *w, const struct iso_record *r, uint32_t above)
{
    struct iso_tree *t = w->t;
    void *v = t->dir;
    int rc = grow(w->d, &v, t->dirs, &t->dirs_room, sizeof(*t->dir), 0);

    t->dir = v;
    if (rc == 0)
        t->dir[t->dirs++] = (struct iso_dir){r->extent, r->size, above, r->name};
    return rc;
}

/* Takes the path, in any case. */
static int add_record(struct walk *w, struct iso_record *r, char *path)
{
    struct iso_tree *t = w->t;
    void *v = t->v;
    int rc;

    if (path == NULL)
        return -ENOMEM;
    rc = look_may(w->d->l) ? grow(w->d, &v, t->n, &t->room, sizeof(*r), strlen(path)) : -E2BIG;
    t->v = v;
    if (rc != 0) {
        free(path);
        return rc;
    }
    r->path = path;
    t->v[t->n++] = *r;
    return iso9660_know(w->d, r->at);
}

/* --- a record --- */

static char *joined(const char *folder, const char *name, size_t n)
{
    size_t before = strlen(folder);
    char *p = malloc(before + n + 2);

    if (p == NULL)
        return NULL;
    memcpy(p, folder, before);
    if (before > 0)
        p[before++] = '/';
    memcpy(p + before, name, n);
    p[before + n] = '\0';
    return p;
}

/* Its name, as most readers take it; *n 0: it cannot be one. */
static const char *name_of(struct walk *w, const struct iso_record *r, struct iso_rock *rock,
                           size_t *n)
{
    const char *p = (const char *)w->d->s.p + r->name.at;

    *n = (size_t)r->name.n;
    if (r->kind == ISO_SELF || r->kind == ISO_PARENT) {
        *n = r->kind == ISO_SELF ? 1 : 2;
        return "..";
    }
    if (rock->named) {
        p = rock->name;
        *n = rock->name_n;
    } else if (w->t->joliet) {
        if (!iso9660_joliet(span_of(p, *n), rock->name, sizeof(rock->name)))
            *n = 0;
        else
            *n = strlen(rock->name);
        p = rock->name;
    }
    if (*n > 2 && !rock->named && memcmp(p + *n - 2, ";1", 2) == 0)
        *n -= 2;
    if (memchr(p, 0, *n) != NULL || memchr(p, '/', *n) != NULL)
        *n = 0;
    return p;
}

/* The fixed part.  NULL, or why not. */
static const char *fixed(struct walk *w, uint64_t at, uint64_t left, struct iso_record *r)
{
    const uint8_t *p = w->d->s.p + at;
    uint64_t n = p[0], behind;
    uint32_t volume;

    if (n < 34 || n > left || 33u + p[32] > n)
        return "a record of a folder is none";
    if (!iso9660_both32(p + 2, &r->extent) || !iso9660_both32(p + 10, &r->size) ||
        !iso9660_both16(p + 28, &volume))
        return "a number that is written twice is two";
    if (p[1] != 0 || p[26] != 0 || p[27] != 0)
        return "interleaved files and records of attributes are not followed";
    r->at = (struct look_range){at, n};
    r->name = (struct look_range){at + 33, p[32]};
    behind = 33u + p[32] + (p[32] % 2 == 0); /* a zero makes it even */
    r->use = (struct look_range){at + (behind < n ? behind : n), behind < n ? n - behind : 0};
    r->kind = (p[25] & 2) != 0 ? ISO_DIR : ISO_FILE;
    if (p[32] == 1 && p[33] <= 1)
        r->kind = p[33] == 0 ? ISO_SELF : ISO_PARENT;
    return NULL;
}

/* Whether the root says that there is Rock Ridge in this tree. */
static void look_for_rock(struct walk *w, const struct iso_record *self)
{
    const uint8_t *p = w->d->s.p + self->use.at;

    if (!w->t->joliet && self->use.n >= 7 && memcmp(p, "SP\7\1\xbe\xef", 6) == 0) {
        w->t->rock = true;
        w->t->skip = p[6];
    }
}

static const char *read_rock(struct walk *w, struct iso_record *r, struct iso_rock *rock,
                             bool root_self)
{
    uint64_t skip = root_self ? 0 : w->t->skip;
    struct look_range use = r->use;
    const char *why;

    memset(rock, 0, sizeof(*rock));
    if (!w->t->rock)
        return NULL;
    if (skip > use.n)
        return "a record has no room for Rock Ridge";
    r->use = use = (struct look_range){use.at + skip, use.n - skip};
    if ((why = iso9660_fields(w->d, use, &w->fields)) != NULL)
        return why;
    return iso9660_rock(w->d, &w->fields, rock);
}

/* Areas that continue the record; many records could share them. */
static int know_continued(struct walk *w)
{
    int rc = 0;

    for (size_t i = 0; i < w->fields.n && rc == 0 && w->t->rock; i++) {
        const uint8_t *p = w->d->s.p + w->fields.v[i].at;

        if (!iso9660_field_is(w->d, w->fields.v[i], "CE"))
            continue;
        w->d->continued += iso9660_u32(p + 20);
        if (w->d->continued > w->d->s.n)
            return stop(w, "records go on in one another");
        rc = iso9660_know(w->d, (struct look_range){(uint64_t)iso9660_u32(p + 4) * ISO_SECTOR +
                                                        iso9660_u32(p + 12),
                                                    iso9660_u32(p + 20)});
    }
    return rc;
}

/* The content of a file, which may be in several pieces, each with a record. */
static int content(struct walk *w, struct iso_record *r)
{
    struct look_range data = {(uint64_t)r->extent * ISO_SECTOR, r->size};
    struct iso_record *first = w->pieces > 0 ? &w->t->v[w->pieces - 1] : NULL;

    if (data.n > 0 && !iso9660_inside(w->d, data))
        return stop(w, "a file goes beyond the image");
    if (first == NULL) {
        r->data = data.n > 0 ? data : (struct look_range){0, 0};
        return iso9660_know(w->d, r->data);
    }
    if (r->name.n != first->name.n ||
        memcmp(w->d->s.p + r->name.at, w->d->s.p + first->name.at, (size_t)r->name.n) != 0 ||
        data.at != first->data.at + first->data.n)
        return stop(w, "a file in pieces that lie apart");
    first->data.n += data.n;
    return iso9660_know(w->d, data);
}

/* The folder that a record leads to; child: where Rock Ridge says that it was moved to. */
static int folder(struct walk *w, const struct iso_record *r, const char *path, size_t in,
                  uint32_t child)
{
    struct folder f = {r->extent, r->size, w->v[in].extent, path, in, w->v[in].depth + 1};
    const struct look_range self = {(uint64_t)child * ISO_SECTOR, ISO_ROOT};

    if (child != 0) {
        if (!iso9660_inside(w->d, self) || !iso9660_both32(w->d->s.p + self.at + 10, &f.size))
            return stop(w, "a folder was moved nowhere");
        f.extent = child;
    }
    return add_folder(w, &f);
}

static int record(struct walk *w, uint64_t at, uint64_t left, size_t in)
{
    const struct folder home = w->v[in];
    struct iso_record r = {
        .home = home.extent, .home_n = home.size, .above = home.above, .leads = ISO_RIGHT};
    struct iso_rock rock;
    bool more;
    const char *name;
    size_t n;
    int rc = 0;

    if ((w->why = fixed(w, at, left, &r)) != NULL)
        return -EBADMSG;
    if (in == 0 && r.kind == ISO_SELF)
        look_for_rock(w, &r);
    if ((w->why = read_rock(w, &r, &rock, in == 0 && r.kind == ISO_SELF)) != NULL ||
        (rc = know_continued(w)) != 0)
        return rc != 0 ? rc : -EBADMSG;
    if (rock.child != 0 && r.kind == ISO_FILE)
        r.kind = ISO_DIR; /* in its place */
    else if (r.kind == ISO_DIR && rock.moved)
        r.kind = ISO_MOVED;
    name = name_of(w, &r, &rock, &n);
    if (n == 0)
        return stop(w, "a name that cannot be one");
    if (r.kind == ISO_FILE && (rc = content(w, &r)) != 0)
        return rc;
    if (rock.parent != 0)
        r.leads = rock.parent == home.above ? ISO_RIGHT : ISO_ELSEWHERE;
    more = r.kind == ISO_FILE && (w->d->s.p[at + 25] & 0x80) != 0;
    if ((rc = add_record(w, &r, joined(home.path, name, n))) != 0)
        return rc;
    w->pieces = !more ? 0 : w->pieces > 0 ? w->pieces : w->t->n;
    if (rock.child == 0 && (r.kind == ISO_DIR || r.kind == ISO_MOVED) &&
        (rc = add_dir(w, &r, home.extent)) != 0)
        return rc;
    return r.kind == ISO_DIR ? folder(w, &r, w->t->v[w->t->n - 1].path, in, rock.child) : 0;
}

/* --- a tree --- */

static int read_folder(struct walk *w, size_t in)
{
    const struct look_range r = {(uint64_t)w->v[in].extent * ISO_SECTOR, w->v[in].size};
    int rc = 0;

    if (r.n == 0 || !iso9660_inside(w->d, r))
        return stop(w, "a folder is not in the image");
    w->d->listed += (r.n + ISO_SECTOR - 1) / ISO_SECTOR * ISO_SECTOR;
    if (w->d->listed > w->d->s.n * (1 + w->d->trees))
        return stop(w, "folders lie in one another");
    w->pieces = 0;
    for (uint64_t at = r.at; rc == 0 && at < r.at + r.n;) {
        uint64_t left = ISO_SECTOR - at % ISO_SECTOR;

        if (left > r.at + r.n - at)
            left = r.at + r.n - at;
        if (w->d->s.p[at] == 0) { /* no record goes over the end of a sector */
            at += left;
            continue;
        }
        rc = record(w, at, left, in);
        at += w->d->s.p[at];
    }
    return rc != 0 || w->pieces == 0 ? rc : stop(w, "a file without its last piece");
}

static int by_extent(const void *x, const void *y)
{
    const struct iso_dir *a = x, *b = y;

    return a->extent < b->extent ? -1 : a->extent > b->extent;
}

const struct iso_dir *iso9660_find_dir(const struct iso_tree *t, uint32_t extent)
{
    const struct iso_dir key = {.extent = extent};

    return t->dirs == 0 ? NULL : bsearch(&key, t->dir, t->dirs, sizeof(key), by_extent);
}

static int by_text(const void *x, const void *y)
{
    return strcmp(*(char *const *)x, *(char *const *)y);
}

/* Two folders of one name: which of them is meant the reader decides. */
static int one_of_a_name(struct walk *w)
{
    char **v = calloc(w->t->n + 1, sizeof(*v));
    size_t n = 0;

    if (v == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < w->t->n; i++)
        if (w->t->v[i].kind == ISO_DIR)
            v[n++] = w->t->v[i].path;
    if (n > 1)
        qsort(v, n, sizeof(*v), by_text);
    for (size_t i = 1; i < n; i++)
        if (strcmp(v[i - 1], v[i]) == 0)
            w->why = "two folders of one name";
    free(v);
    return w->why == NULL ? 0 : -EBADMSG;
}

/* "." and ".." lead to the folder and to the one above it. */
static void judge(struct iso_tree *t)
{
    for (size_t i = 0; i < t->n; i++) {
        struct iso_record *r = &t->v[i];
        const struct iso_dir *home = iso9660_find_dir(t, r->home),
                             *up = home == NULL ? NULL : iso9660_find_dir(t, home->above);

        if (r->kind == ISO_SELF)
            r->leads = r->extent == r->home && r->size == r->home_n ? ISO_RIGHT : ISO_ELSEWHERE;
        if (r->kind == ISO_PARENT && r->leads == ISO_RIGHT)
            r->leads = up != NULL && r->extent == up->extent && r->size == up->size ? ISO_RIGHT
                       : r->extent == r->home && r->size == r->home_n               ? ISO_ITSELF
                                                                                    : ISO_ELSEWHERE;
    }
}

static int read_tree(struct iso_side *d, struct iso_tree *t, const char **why)
{
    struct walk *w = calloc(1, sizeof(*w));
    struct iso_record root = {.kind = ISO_DIR};
    int rc;

    if (w == NULL)
        return -ENOMEM;
    w->d = d;
    w->t = t;
    rc = (w->why = fixed(w, t->volume + 156, ISO_ROOT, &root)) != NULL ? -EBADMSG : 0;
    if (rc == 0 && (rc = add_dir(w, &root, root.extent)) == 0)
        rc = add_folder(w, &(const struct folder){root.extent, root.size, root.extent, "", 0, 0});
    for (size_t i = 0; i < w->n && rc == 0; i++)
        rc = read_folder(w, i);
    if (rc == 0)
        rc = one_of_a_name(w);
    if (rc == 0) {
        qsort(t->dir, t->dirs, sizeof(*t->dir), by_extent);
        judge(t);
        rc = iso9660_tables_check(d, t);
    }
    *why = rc == -E2BIG ? "too many members" : w->why;
    free(w->v);
    free(w);
    return rc;
}

/* --- descriptors --- */

static const char *tree_of(struct iso_side *d, uint64_t at)
{
    const uint8_t *p = d->s.p + at;
    uint32_t block, blocks;
    struct iso_tree *t;

    if (!iso9660_both16(p + 128, &block) || block != ISO_SECTOR)
        return "sectors of another size than 2,048 bytes";
    if (!iso9660_both32(p + 80, &blocks))
        return "a number that is written twice is two";
    if (d->trees == ISO_TREES)
        return "too many trees";
    t = &d->tree[d->trees++];
    t->volume = at;
    t->joliet = p[0] == 2 && (memcmp(p + 88, "%/@", 3) == 0 || memcmp(p + 88, "%/C", 3) == 0 ||
                              memcmp(p + 88, "%/E", 3) == 0);
    if (d->trees == 1)
        d->end = (uint64_t)blocks * ISO_SECTOR;
    return NULL;
}

static const char *volumes(struct iso_side *d)
{
    const char *why = NULL;

    for (uint64_t at = ISO_SYSTEM; why == NULL; at += ISO_SECTOR) {
        const uint8_t *p = d->s.p + at;

        if (!iso9660_inside(d, (struct look_range){at, ISO_SECTOR}) ||
            memcmp(p + 1, "CD001", 5) != 0)
            return "its descriptors have no end";
        if (d->volumes == ISO_VOLUMES)
            return "too many descriptors";
        d->volume[d->volumes++] = at;
        if (p[0] == 0)
            iso9660_catalog_find(d, at);
        else if (p[0] == 1 || p[0] == 2)
            why = tree_of(d, at);
        else if (p[0] == 255)
            break;
    }
    if (why == NULL && (d->trees == 0 || d->s.p[d->tree[0].volume] != 1))
        why = "it has no primary volume";
    return why;
}

int iso9660_read(struct iso_side *d, const char **why)
{
    int rc;

    if ((*why = volumes(d)) != NULL)
        return -EBADMSG;
    d->end = d->end < d->s.n ? d->end : d->s.n;
    rc = iso9660_know(d, (struct look_range){0, ISO_SYSTEM + d->volumes * ISO_SECTOR});
    for (size_t i = 0; i < d->trees && rc == 0; i++)
        rc = read_tree(d, &d->tree[i], why);
    if (rc == -E2BIG)
        *why = "too many members";
    return rc == -E2BIG ? -EBADMSG : rc;
}

void iso9660_free(struct iso_side *d)
{
    for (size_t i = 0; i < d->trees; i++) {
        for (size_t k = 0; k < d->tree[i].n; k++)
            free(d->tree[i].v[k].path);
        free(d->tree[i].v);
        free(d->tree[i].dir);
    }
    free(d->known.v);
    look_discharge(d->l, d->charged);
    memset(d, 0, sizeof(*d));
}

#include "rules/inventory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/text.h"
#include "detect/protocol.h"
#include "rules/yara_text.h"

#define ENTRIES_MAX ((size_t)1 << 27)

struct entry {
    uint32_t name_at, at, n, line; /* offsets in the bundle; a bundle is smaller than 4 GiB */
    uint16_t name_n, file;
    uint8_t kind;
};

struct inventory {
    const uint8_t *map;
    size_t size;
    char **file;
    size_t files, files_room;
    struct entry *entry;
    size_t n, room;
};

static const char *const words[INVENTORY_KINDS] = {"yara", "clamav", "hash", "password", "allow"};

const char *inventory_word(enum inventory_kind k)
{
    return words[k];
}

/* What the lines of a file are, and which field of a line is its name (0: the whole line). */
static const struct ending {
    const char *text;
    enum inventory_kind kind;
    char mark;
    unsigned field;
} endings[] = {
    {".sha256", INVENTORY_HASH, ' ', 2}, {".pwdb", INVENTORY_PASSWORD, ';', 1},
    {".fp", INVENTORY_ALLOW, 0, 0},      {".sfp", INVENTORY_ALLOW, 0, 0},
    {".ign2", INVENTORY_ALLOW, 0, 0},    {".hdb", INVENTORY_CLAMAV, ':', 3},
    {".hsb", INVENTORY_CLAMAV, ':', 3},  {".mdb", INVENTORY_CLAMAV, ':', 3},
    {".msb", INVENTORY_CLAMAV, ':', 3},  {".imp", INVENTORY_CLAMAV, ':', 3},
    {".ndb", INVENTORY_CLAMAV, ':', 1},  {".ldb", INVENTORY_CLAMAV, ';', 1},
    {".cdb", INVENTORY_CLAMAV, ':', 1},  {".idb", INVENTORY_CLAMAV, ':', 1},
};

static int add(struct inventory *v, enum inventory_kind k, struct span name, struct span text,
               unsigned line)
{
    struct entry *x;

    if (v->n == v->room) {
        size_t room = v->room == 0 ? 256 : v->room * 2;
        struct entry *more =
            room > ENTRIES_MAX ? NULL : reallocarray(v->entry, room, sizeof(*more));

        if (more == NULL)
            return room > ENTRIES_MAX ? -E2BIG : -ENOMEM;
        v->entry = more;
        v->room = room;
    }
    x = &v->entry[v->n++];
    x->kind = (uint8_t)k;
    x->line = line;
    x->file = (uint16_t)(v->files - 1);
    x->name_at = (uint32_t)(name.p - v->map);
    x->name_n = (uint16_t)(name.n < UINT16_MAX ? name.n : UINT16_MAX);
    x->at = (uint32_t)(text.p - v->map);
    x->n = (uint32_t)text.n;
    return 0;
}

static struct span field(struct span line, char mark, unsigned which)
{
    while (which > 1) {
        const uint8_t *end = memchr(line.p, mark, line.n);

        if (end == NULL)
            return line; /* no release has it: the engines refuse the line */
        line = span_of(end + 1, line.n - (size_t)(end + 1 - line.p));
        which--;
    }
    if (which == 1) {
        const uint8_t *end = memchr(line.p, mark, line.n);

        line.n = end != NULL ? (size_t)(end - line.p) : line.n;
    }
    return line;
}

static int lines(struct inventory *v, const struct ending *k, struct span text)
{
    unsigned number = 0;
    int rc = 0;

    while (rc == 0 && text.n > 0) {
        const uint8_t *end = memchr(text.p, '\n', text.n);
        size_t n = end != NULL ? (size_t)(end - text.p) : text.n;
        struct span line = span_of(text.p, n);

        number++;
        text = span_of(text.p + n + (end != NULL), text.n - n - (end != NULL));
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        if (line.n > 0 && line.p[0] != '#')
            rc = add(v, k->kind, field(line, k->mark, k->field), line, number);
    }
    return rc;
}

static int rules(struct inventory *v, struct span text, struct err *e)
{
    struct yara_text t = yara_text_of(text);
    struct yara_rule r;
    int rc;

    while ((rc = yara_text_rule(&t, &r, e)) == 1)
        if ((rc = add(v, INVENTORY_YARA, r.name, r.text, r.line)) != 0)
            break;
    return rc;
}

static int keep_file(struct inventory *v, const char *name)
{
    if (v->files == v->files_room) {
        size_t room = v->files_room == 0 ? 64 : v->files_room * 2;
        char **more = reallocarray(v->file, room, sizeof(*more));

        if (more == NULL)
            return -ENOMEM;
        v->file = more;
        v->files_room = room;
    }
    if ((v->file[v->files] = strdup(name)) == NULL)
        return -ENOMEM;
    v->files++;
    return 0;
}

static int take(struct inventory *v, const struct protocol_file *f, struct err *e)
{
    const char *dot = strrchr(f->name, '.');
    int rc = keep_file(v, f->name);

    if (rc != 0 || dot == NULL)
        return rc;
    for (size_t i = 0; i < ARRAY_LEN(endings); i++)
        if (strcmp(dot, endings[i].text) == 0)
            return lines(v, &endings[i], f->content);
    if ((rc = rules(v, f->content, e)) == -EBADMSG)
        (void)err_prefix(e, "%s", f->name);
    return rc;
}

static int by_bytes(struct span a, struct span b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n > 0 ? memcmp(a.p, b.p, n) : 0;

    return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

int inventory_order(const struct inventory_entry *a, const struct inventory_entry *b)
{
    return a->kind != b->kind ? (int)a->kind - (int)b->kind : by_bytes(a->name, b->name);
}

static int by_order(const void *a, const void *b, void *arg)
{
    const struct inventory *v = arg;
    const struct entry *x = a, *y = b;
    int c = x->kind - y->kind;

    if (c == 0)
        c = by_bytes(span_of(v->map + x->name_at, x->name_n),
                     span_of(v->map + y->name_at, y->name_n));
    if (c == 0)
        c = by_bytes(span_of(v->map + x->at, x->n), span_of(v->map + y->at, y->n));
    return c != 0 ? c : (x->at > y->at) - (x->at < y->at);
}

int inventory_new(struct inventory **out, const struct release *r, struct err *e)
{
    struct inventory *v = calloc(1, sizeof(*v));
    struct protocol_file f;
    struct cur c;
    void *map;
    int rc = 0;

    if (v == NULL)
        return err_sys(e, -ENOMEM, "reading the rules");
    v->size = (size_t)release_size(r);
    map = mmap(NULL, v->size, PROT_READ, MAP_SHARED, release_fd(r), 0);
    if (map == MAP_FAILED) {
        rc = -errno;
        free(v);
        return err_sys(e, rc, "reading the rules");
    }
    v->map = map;
    c = cur_of(span_of(v->map, v->size));
    if (v->size > UINT32_MAX)
        rc = -E2BIG;
    while (rc == 0 && (rc = protocol_bundle_next(&c, &f)) == 1)
        rc = take(v, &f, e);
    if (rc != 0) {
        if (e != NULL && e->code == 0)
            (void)err_sys(e, rc, "reading the rules");
        inventory_free(v);
        return rc;
    }
    if (v->n > 0)
        qsort_r(v->entry, v->n, sizeof(*v->entry), by_order, v);
    *out = v;
    return 0;
}

void inventory_free(struct inventory *v)
{
    if (v == NULL)
        return;
    (void)munmap((void *)(uintptr_t)v->map, v->size);
    for (size_t i = 0; i < v->files; i++)
        free(v->file[i]);
    free(v->file);
    free(v->entry);
    free(v);
}

size_t inventory_count(const struct inventory *v)
{
    return v->n;
}

struct inventory_entry inventory_at(const struct inventory *v, size_t i)
{
    const struct entry *x = &v->entry[i];
    struct inventory_entry e = {.kind = (enum inventory_kind)x->kind,
                                .file = v->file[x->file],
                                .line = x->line,
                                .name = span_of(v->map + x->name_at, x->name_n),
                                .text = span_of(v->map + x->at, x->n)};

    return e;
}

size_t inventory_find(const struct inventory *v, enum inventory_kind k, struct span name)
{
    const struct inventory_entry want = {.kind = k, .name = name};
    size_t lo = 0, hi = v->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        struct inventory_entry x = inventory_at(v, mid);

        if (inventory_order(&x, &want) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo < v->n) {
        struct inventory_entry x = inventory_at(v, lo);

        if (inventory_order(&x, &want) == 0)
            return lo;
    }
    return v->n;
}

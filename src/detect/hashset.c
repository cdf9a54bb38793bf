#include "detect/hashset.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define NAMES_BYTES (HASHSET_MAX * 16u)

struct entry {
    struct digest digest;
    uint32_t name; /* where it begins in names */
    uint32_t length;
};
struct hashset {
    struct entry *entries;
    size_t n, room;
    struct buf names; /* one after the other; a name that repeats the one before is kept once */
    bool sealed;
};

int hashset_new(struct hashset **out)
{
    struct hashset *h = calloc(1, sizeof(*h));

    if (h == NULL)
        return -ENOMEM;
    buf_init(&h->names, NAMES_BYTES);
    *out = h;
    return 0;
}

void hashset_free(struct hashset *h)
{
    if (h == NULL)
        return;
    free(h->entries);
    buf_free(&h->names);
    free(h);
}

static int grow(struct hashset *h)
{
    size_t room = h->room == 0 ? 64 : h->room * 2;
    struct entry *more;

    if (h->n < h->room)
        return 0;
    if (h->n >= HASHSET_MAX)
        return -E2BIG;
    more = reallocarray(h->entries, room, sizeof(*more));
    if (more == NULL)
        return -ENOMEM;
    h->entries = more;
    h->room = room;
    return 0;
}

static int keep_name(struct hashset *h, struct span name, struct entry *en)
{
    const struct entry *last = h->n > 0 ? &h->entries[h->n - 1] : NULL;

    en->length = (uint32_t)name.n;
    if (last != NULL && last->length == name.n &&
        memcmp(h->names.data + last->name, name.p, name.n) == 0) {
        en->name = last->name;
        return 0;
    }
    en->name = (uint32_t)h->names.len;
    return buf_put(&h->names, name.p, name.n);
}

static int add_line(struct hashset *h, struct span line)
{
    struct finding probe;
    struct entry en;
    struct span name;
    int rc;

    if (line.n < 66 || line.p[64] != ' ' || text_undigest(span_of(line.p, 64), &en.digest) != 0)
        return -EBADMSG;
    name = span_of(line.p + 65, line.n - 65);
    finding_init(&probe); /* the one place that knows what a name is */
    rc = finding_malicious(&probe, &name, 1);
    finding_done(&probe);
    if (rc != 0 || (rc = grow(h)) != 0 || (rc = keep_name(h, name, &en)) != 0)
        return rc;
    h->entries[h->n++] = en;
    return 0;
}

int hashset_add(struct hashset *h, const char *file, struct span text, struct err *e)
{
    struct cur c = cur_of(text);
    struct span line;
    unsigned number = 0;
    int rc;

    assert(!h->sealed);
    while (c.n > 0) {
        number++;
        if (cur_line(&c, &line) != 0)
            return err_set(e, -EBADMSG, "%s:%u: the last line does not end", file, number);
        if (line.n == 0 || line.p[0] == '#')
            continue;
        rc = add_line(h, line);
        if (rc == -EBADMSG)
            return err_set(e, rc,
                           "%s:%u: not a hash: write 64 lower-case hex digits, one blank and a "
                           "name of letters, digits and _.:-",
                           file, number);
        if (rc != 0)
            return err_sys(e, rc, "%s:%u: cannot keep the hash", file, number);
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    return memcmp(x->digest.b, y->digest.b, sizeof(x->digest.b));
}

void hashset_seal(struct hashset *h)
{
    if (h->n > 0)
        qsort(h->entries, h->n, sizeof(*h->entries), compare);
    h->sealed = true;
}

size_t hashset_count(const struct hashset *h)
{
    return h->n;
}

const struct digest *hashset_digest(const struct hashset *h, size_t i)
{
    assert(h->sealed && i < h->n);
    return &h->entries[i].digest;
}

int hashset_find(const struct hashset *h, const struct digest *d, struct finding *f)
{
    struct entry key = {*d, 0, 0};
    struct span names[VERDICT_NAMES_MAX];
    const struct entry *at, *end;
    struct finding found;
    size_t n = 0;
    int rc;

    assert(h->sealed);
    at = h->n > 0 ? bsearch(&key, h->entries, h->n, sizeof(key), compare) : NULL;
    if (at == NULL)
        return 0;
    end = h->entries + h->n;
    while (at > h->entries && compare(at - 1, &key) == 0)
        at--;
    for (; at < end && n < VERDICT_NAMES_MAX && compare(at, &key) == 0; at++)
        names[n++] = span_of(h->names.data + at->name, at->length);
    finding_init(&found);
    rc = finding_malicious(&found, names, n);
    if (rc == 0)
        rc = finding_add(f, &found);
    finding_done(&found);
    return rc == 0 ? 1 : rc;
}

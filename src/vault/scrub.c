/* scrub.c - reads everything that is live again: keys, tags, hashes, sealed parts, roots; and the
 * journal, record by record. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vault/read_priv.h"

#define PAGE 256

/* Objects that a scrub found damaged. */
struct bad {
    struct id128 *id;
    size_t n, cap;
};

static int bad_add(struct bad *b, const struct id128 *id)
{
    struct id128 *more;

    if (b->n == b->cap) {
        size_t cap = b->cap == 0 ? 64 : b->cap * 2;

        if ((more = reallocarray(b->id, cap, sizeof(*more))) == NULL)
            return -ENOMEM;
        b->id = more;
        b->cap = cap;
    }
    b->id[b->n++] = *id;
    return 0;
}

static int by_id(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct id128));
}

bool vault_scrub_is_bad(const struct vault *v, const struct id128 *object)
{
    return v->n_bad > 0 && bsearch(object, v->bad, v->n_bad, sizeof(v->bad[0]), by_id) != NULL;
}

/* What this scrub found takes the place of what the last one did. */
static void set_aside(struct vault *v, struct bad *b)
{
    if (b->n > 0)
        qsort(b->id, b->n, sizeof(b->id[0]), by_id);
    free(v->bad);
    v->bad = b->id;
    v->n_bad = b->n;
    b->id = NULL;
}

static int check_slot(struct vault *v, const struct id128 *ref, uint64_t *bytes)
{
    struct vault_slot_info info;
    struct vault_read *r = NULL;
    int rc;

    if ((rc = vault_slot_info(v, ref, &info, NULL)) != 0)
        return rc;
    *bytes = info.size;
    vault_slot_info_done(&info);
    if ((rc = vault_read_open(&r, v, ref, NULL)) == 0)
        rc = vault_read_all(r);
    vault_read_close(r);
    return rc;
}

static int check_slots(struct vault *v, struct vault_scrub *out, struct bad *found,
                       int (*progress)(void *, const struct vault_scrub *), void *arg)
{
    struct vault_index *x = v->cfg.index;
    struct vault_slot_row *row = calloc(PAGE, sizeof(*row));
    struct id128 after;
    size_t n = PAGE;
    int rc = row == NULL ? -ENOMEM : 0;

    for (bool first = true; rc == 0 && n == PAGE; first = false) {
        rc = x->ops->next_slots(x, first ? NULL : &after, row, PAGE, &n);
        for (size_t i = 0; rc == 0 && i < n; i++) {
            uint64_t bytes = 0;
            int bad = check_slot(v, &row[i].ref, &bytes);

            if (bad == -ENOMEM)
                rc = bad;
            else if (bad != 0)
                rc = bad_add(found, &row[i].object);
            if (bad != 0 && out->bad_objects++ == 0)
                out->first_bad = row[i].ref;
            out->objects++;
            out->bytes += bytes;
            if (rc == 0 && progress != NULL)
                rc = progress(arg, out);
        }
        if (n > 0)
            after = row[n - 1].ref;
    }
    free(row);
    return rc;
}

static int check_segments(struct vault *v, struct vault_scrub *out,
                          int (*progress)(void *, const struct vault_scrub *), void *arg)
{
    struct digest want, have;
    uint64_t length;
    int rc;

    for (uint32_t no = 1; no < v->last.segment; no++) {
        rc = v->cfg.index->ops->find_seal(v->cfg.index, no, &length, &want);
        if (rc == -ENOENT)
            continue;
        if (rc != 0)
            return rc;
        rc = vault_segment_root(v, no, length, &have);
        if (rc == -ENOMEM)
            return rc;
        if ((rc != 0 || !digest_eq(&want, &have)) && out->bad_segments++ == 0)
            out->first_bad_segment = no;
        out->segments++;
        if (progress != NULL && (rc = progress(arg, out)) != 0)
            return rc;
    }
    return 0;
}

/* Every record from the first to the last, whole and linked to the one before; the heads, too. */
static int check_journal(struct vault *v, struct vault_scrub *out)
{
    const struct record_place none = {0};
    struct vault_report *r;
    struct scan s;
    int rc;

    if (v->last.seq == 0)
        return 0;
    if ((r = calloc(1, sizeof(*r))) == NULL)
        return -ENOMEM;
    if ((rc = vault_scan(v, &none, 1, SEGMENT_HEAD, v->last.segment, &s, r)) == 0) {
        out->groups = s.found.n;
        out->bad_stretches = r->damaged;
        if (r->damaged > 0)
            out->first_stretch = r->damage[0];
        if (s.last.seq < v->last.seq && out->bad_stretches++ == 0)
            out->first_stretch = (struct vault_damage){v->last.segment, v->last.at, v->last.length,
                                                       s.last.seq + 1, v->last.seq};
        vault_scan_done(&s);
    }
    free(r);
    return rc;
}

int vault_scrub(struct vault *v, struct vault_scrub *out,
                int (*progress)(void *arg, const struct vault_scrub *), void *arg, struct err *e)
{
    struct bad found = {NULL, 0, 0};
    int rc;

    memset(out, 0, sizeof(*out));
    if (!v->replayed)
        return err_set(e, -EINVAL, "scrub before replay");
    if ((rc = vault_replay_index(v)) == 0 &&
        (rc = check_slots(v, out, &found, progress, arg)) == 0) {
        set_aside(v, &found);
        rc = check_segments(v, out, progress, arg);
    }
    free(found.id);
    if (rc == 0)
        rc = check_journal(v, out);
    return rc == 0 ? 0 : err_sys(e, rc, "scrubbing the vault");
}

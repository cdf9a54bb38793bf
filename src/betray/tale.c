#include "betray/tale.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "ledger/ledger.h"
#include "people/dsse.h"

void tale_init(struct tale *t, const char *site)
{
    memset(t, 0, sizeof(*t));
    (void)snprintf(t->site, sizeof(t->site), "%s", site);
}

void tale_free(struct tale *t)
{
    for (size_t i = 0; i < t->leaves; i++)
        free(t->leaf[i].bytes);
    for (size_t i = 0; i < t->artifacts; i++)
        buf_free(&t->artifact[i]);
    free(t->leaf);
    free(t->mark);
    free(t->artifact);
    memset(t, 0, sizeof(*t));
}

static int grow(void **v, size_t *cap, size_t n, size_t size)
{
    size_t more = *cap < 64 ? 64 : *cap * 2;
    void *p;

    if (n < *cap)
        return 0;
    p = reallocarray(*v, more, size);
    if (p == NULL)
        return -ENOMEM;
    *v = p;
    *cap = more;
    return 0;
}

/* ------------------------------------------------------------------ leaves */

static int put_bytes(struct tale *t, size_t i, struct span s)
{
    uint8_t *copy = malloc(s.n == 0 ? 1 : s.n);
    int rc = copy == NULL ? -ENOMEM : grow((void **)&t->leaf, &t->cap, t->leaves, sizeof(*t->leaf));

    if (rc != 0) {
        free(copy);
        return rc;
    }
    memcpy(copy, s.p, s.n);
    memmove(t->leaf + i + 1, t->leaf + i, (t->leaves - i) * sizeof(*t->leaf));
    t->leaf[i].bytes = copy;
    t->leaf[i].n = s.n;
    t->leaves++;
    return 0;
}

struct leaf tale_leaf(const struct tale *t, size_t i)
{
    struct leaf l;
    int rc = leaf_parse(&l, span_of(t->leaf[i].bytes, t->leaf[i].n));

    assert(rc == 0);
    (void)rc;
    return l;
}

/* Replaces the value of a field by other text of its type. */
static int put_value(struct tale *t, size_t i, enum leaf_field f, struct span text)
{
    struct leaf l = tale_leaf(t, i), check;
    size_t at = l.value[f].at, old = l.value[f].n, n = t->leaf[i].n - old + text.n;
    uint8_t *p;

    if (!leaf_has(&l, f))
        return -EINVAL;
    p = malloc(n);
    if (p == NULL)
        return -ENOMEM;
    memcpy(p, l.bytes.p, at);
    memcpy(p + at, text.p, text.n);
    memcpy(p + at + text.n, l.bytes.p + at + old, l.bytes.n - at - old);
    if (leaf_parse(&check, span_of(p, n)) != 0) {
        free(p);
        return -EINVAL;
    }
    free(t->leaf[i].bytes);
    t->leaf[i].bytes = p;
    t->leaf[i].n = n;
    return 0;
}

int tale_edit(struct tale *t, size_t i, enum leaf_field f, const char *text, struct err *e)
{
    int rc = put_value(t, i, f, span_str(text));

    return rc != 0 ? err_set(e, rc, "leaf %zu cannot say \"%s\" of its \"%s\"", i, text,
                             leaf_field_name(f))
                   : 0;
}

/* From leaf `from` on, sizes above i say one more or one less. */
static int renumber(struct tale *t, size_t from, size_t i, int by)
{
    static const enum leaf_field fields[] = {LF_AT_SIZE, LF_CUT};
    char text[24];

    for (size_t j = from; j < t->leaves; j++) {
        struct leaf l = tale_leaf(t, j);

        for (size_t k = 0; k < ARRAY_LEN(fields); k++) {
            int rc;

            if (!leaf_has(&l, fields[k]) || leaf_int(&l, fields[k]) <= i)
                continue;
            (void)snprintf(text, sizeof(text), "%lld",
                           (long long)leaf_int(&l, fields[k]) + (long long)by);
            if ((rc = put_value(t, j, fields[k], span_str(text))) != 0)
                return rc;
            l = tale_leaf(t, j);
        }
    }
    for (size_t j = 0; j < t->marks; j++)
        if (t->mark[j].size > i)
            t->mark[j].size = (uint64_t)((int64_t)t->mark[j].size + by);
    return 0;
}

int tale_insert(struct tale *t, size_t i, struct leaf_builder *b, struct err *e)
{
    struct buf out;
    int rc;

    buf_init(&out, LEAF_MAX);
    rc = leaf_end(b, &out, e);
    if (rc == 0)
        rc = put_bytes(t, i, buf_span(&out));
    if (rc == 0 && i + 1 < t->leaves)
        rc = renumber(t, i + 1, i, 1);
    buf_free(&out);
    return rc;
}

int tale_add(struct tale *t, struct leaf_builder *b, struct err *e)
{
    return tale_insert(t, t->leaves, b, e);
}

int tale_add_bytes(struct tale *t, struct span bytes)
{
    return put_bytes(t, t->leaves, bytes);
}

void tale_delete(struct tale *t, size_t i)
{
    int rc;

    free(t->leaf[i].bytes);
    t->leaves--;
    memmove(t->leaf + i, t->leaf + i + 1, (t->leaves - i) * sizeof(*t->leaf));
    rc = renumber(t, i, i, -1); /* shorter numbers: only memory could fail */
    assert(rc == 0);
    (void)rc;
}

int tale_delay(struct tale *t, size_t i, int64_t seconds, struct err *e)
{
    char text[CLOCK_MINUTE_LEN + 1];
    int rc;

    for (size_t j = i; j < t->leaves; j++) {
        clock_minute(text, tale_leaf(t, j).time + seconds);
        if ((rc = tale_edit(t, j, LF_TIME, text, e)) != 0)
            return rc;
    }
    for (size_t j = 0; j < t->marks; j++)
        if (t->mark[j].size > i)
            t->mark[j].when += seconds;
    return 0;
}

size_t tale_find(const struct tale *t, enum leaf_kind k, size_t from)
{
    while (from < t->leaves && tale_leaf(t, from).kind != k)
        from++;
    return from;
}

size_t tale_last(const struct tale *t, enum leaf_kind k)
{
    for (size_t i = t->leaves; i > 0; i--)
        if (tale_leaf(t, i - 1).kind == k)
            return i - 1;
    return t->leaves;
}

int tale_publish(struct tale *t, unix_time when)
{
    int rc = grow((void **)&t->mark, &t->marks_cap, t->marks, sizeof(*t->mark));

    if (rc == 0)
        t->mark[t->marks++] = (struct tale_mark){t->leaves, when};
    return rc;
}

unix_time tale_end(const struct tale *t)
{
    return t->marks == 0 ? 0 : t->mark[t->marks - 1].when;
}

int tale_document(struct tale *t, struct span bytes, struct digest *out)
{
    struct buf *b;
    int rc = grow((void **)&t->artifact, &t->artifacts_cap, t->artifacts, sizeof(*t->artifact));

    if (rc != 0)
        return rc;
    b = &t->artifact[t->artifacts];
    buf_init(b, DSSE_MAX_BYTES);
    if ((rc = buf_put(b, bytes.p, bytes.n)) != 0)
        return rc;
    t->artifacts++;
    if (out != NULL)
        dsse_digest(bytes, out);
    return 0;
}

int tale_copy(struct tale *out, const struct tale *t)
{
    int rc = 0;

    tale_init(out, t->site);
    for (size_t i = 0; i < t->leaves && rc == 0; i++)
        rc = put_bytes(out, i, span_of(t->leaf[i].bytes, t->leaf[i].n));
    for (size_t i = 0; i < t->artifacts && rc == 0; i++)
        rc = tale_document(out, buf_span(&t->artifact[i]), NULL);
    for (size_t i = 0; i < t->marks && rc == 0; i++) {
        rc = tale_publish(out, t->mark[i].when);
        out->mark[i].size = t->mark[i].size;
    }
    if (rc != 0)
        tale_free(out);
    return rc;
}

/* ------------------------------------------------------------------ from disk */

static int on_leaf(void *arg, uint64_t index, struct span leaf, struct err *e)
{
    struct leaf l;
    int rc = leaf_parse(&l, leaf);

    return rc != 0
               ? err_set(e, rc, "leaf %llu is none this program knows", (unsigned long long)index)
               : put_bytes(arg, (size_t)index, leaf);
}

static int load_mark(struct tale *t, const char *dir, uint64_t size, const struct vkey *log,
                     const struct vkey *witness, struct err *e)
{
    struct core_checkpoint cp;
    struct core_note note;
    uint64_t when = 0;
    struct buf b;
    int rc;

    buf_init(&b, CORE_NOTE_MAX);
    if ((rc = tlog_tiles_checkpoint(dir, size, &b, e)) != 0 ||
        (rc = note_checkpoint_open(&cp, &note, buf_span(&b), log, e)) != 0)
        goto out;
    if (core_note_verify(&note_crypto, &note, witness, &when) != 0)
        when = 0;
    rc = tale_publish(t, (unix_time)when);
    if (rc == 0)
        t->mark[t->marks - 1].size = size;
out:
    buf_free(&b);
    return rc;
}

static int load_artifacts(struct tale *t, const char *dir, struct err *e)
{
    char path[4096];
    struct dirent *d;
    struct buf b;
    DIR *dp;
    int rc = 0;

    (void)snprintf(path, sizeof(path), "%s/artifact/sha256", dir);
    dp = opendir(path);
    if (dp == NULL)
        return errno == ENOENT ? 0 : err_sys(e, -errno, "reading \"%s\"", path);
    buf_init(&b, DSSE_MAX_BYTES);
    while (rc == 0 && (d = readdir(dp)) != NULL) {
        if (d->d_name[0] == '.')
            continue;
        buf_reset(&b);
        if ((rc = io_read_file(dirfd(dp), d->d_name, &b)) != 0)
            rc = err_sys(e, rc, "reading \"%s/%s\"", path, d->d_name);
        else
            rc = tale_document(t, buf_span(&b), NULL);
    }
    buf_free(&b);
    (void)closedir(dp);
    return rc;
}

int tale_load(struct tale *t, const char *dir, const struct vkey *log, const struct vkey *witness,
              struct err *e)
{
    struct tlog_walk w = {.leaf = on_leaf, .arg = t};
    struct core_range at = {.size = 0};
    struct tlog_tiles *tiles = NULL;
    uint64_t *sizes = NULL;
    size_t n = 0;
    int rc;

    if ((rc = tlog_tiles_checkpoints(dir, &sizes, &n, e)) != 0)
        return rc;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = load_mark(t, dir, sizes[i], log, witness, e);
    if (rc == 0 && n > 0 && (rc = tlog_tiles_open(&tiles, dir, sizes[n - 1], e)) == 0)
        rc = tlog_tiles_walk(tiles, &at, sizes[n - 1], &w, e);
    tlog_tiles_close(tiles);
    free(sizes);
    if (rc == 0)
        rc = load_artifacts(t, dir, e);
    return rc;
}

/* ------------------------------------------------------------------ to disk */

static int append(struct ledger *l, const struct tale *t, size_t from, size_t to, struct err *e)
{
    struct span part[256];
    int rc = 0;

    while (from < to && rc == 0) {
        size_t n = to - from < ARRAY_LEN(part) ? to - from : ARRAY_LEN(part);

        for (size_t i = 0; i < n; i++)
            part[i] = span_of(t->leaf[from + i].bytes, t->leaf[from + i].n);
        rc = ledger_append(l, part, n, e);
        from += n;
    }
    return rc;
}

static int publish(struct ledger *l, const struct tale_mark *m, const struct note_signer *log,
                   const struct note_signer *witness, struct err *e)
{
    struct core_note split;
    struct digest root;
    struct buf note;
    int rc;

    buf_init(&note, CORE_NOTE_MAX);
    if ((rc = ledger_flush(l, e)) != 0)
        goto out;
    ledger_root(l, &root);
    if ((rc = note_checkpoint_make(&note, m->size, &root, log, e)) != 0)
        goto out;
    if (m->when != 0 && (rc = core_note_split(buf_span(&note), &split)) == 0) {
        struct buf text; /* the note grows while its text is signed */

        buf_init(&text, CORE_TEXT_MAX);
        if ((rc = buf_put(&text, split.text.p, split.text.n)) == 0)
            rc = note_cosign(&note, buf_span(&text), m->when, witness, e);
        buf_free(&text);
    }
    if (rc == 0)
        rc = ledger_publish(l, buf_span(&note), e);
out:
    buf_free(&note);
    return rc;
}

int tale_write(const struct tale *t, const char *dir, const struct note_signer *log,
               const struct note_signer *witness, struct err *e)
{
    struct ledger *l = NULL;
    size_t at = 0;
    int rc = ledger_open(&l, dir, e);

    for (size_t i = 0; i < t->artifacts && rc == 0; i++)
        rc = ledger_put_artifact(l, buf_span(&t->artifact[i]), NULL, e);
    for (size_t i = 0; i < t->marks && rc == 0; i++) {
        rc = append(l, t, at, (size_t)t->mark[i].size, e);
        at = (size_t)t->mark[i].size;
        if (rc == 0)
            rc = publish(l, &t->mark[i], log, witness, e);
    }
    ledger_close(l);
    return rc;
}

/* published.c - the artifact's form: the line of the format, then each file behind a line
 * "ROLE VERSION LENGTH", in one order, so that the same files are the same bytes. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "crypto/sha256.h"
#include "updates/published_priv.h"
#include "updates/tuf_metadata.h"

#define LINE_MAX_BYTES 80 /* of a file's line: name, two numbers */

static bool name_ok(struct span s)
{
    if (s.n == 0 || s.n > PUBLISHED_MAX_ROLE || s.p[0] == '-')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9') ||
              s.p[i] == '-'))
            return false;
    return true;
}

/* The order of the files: roots, snapshot, targets, the others by name. */
static int rank(const char *role)
{
    return strcmp(role, "root") == 0       ? 0
           : strcmp(role, "snapshot") == 0 ? 1
           : strcmp(role, "targets") == 0  ? 2
                                           : 3;
}

static int order(const char *a, int64_t va, const char *b, int64_t vb)
{
    int d = rank(a) - rank(b);

    if (d == 0)
        d = strcmp(a, b);
    return d != 0 ? d : va < vb ? -1 : va > vb;
}

/* --- writing --- */

static int by_order(const void *a, const void *b)
{
    const struct published_file *x = a, *y = b;

    return order(x->role, x->version, y->role, y->version);
}

/* What published_read would refuse for its form. */
static int files_ok(const struct published_file *f, size_t n, struct err *e)
{
    size_t roots = 0;

    for (size_t i = 0; i < n; i++) {
        bool root = strcmp(f[i].role, "root") == 0;

        if (!name_ok(span_str(f[i].role)) || strcmp(f[i].role, "timestamp") == 0)
            return err_set(e, -EINVAL, "\"%.80s\" is no role of a publication", f[i].role);
        if (f[i].version < 1 || (root && f[i].version != (int64_t)i + 1))
            return err_set(e, -EINVAL, "%s %" PRId64 ": roots are published from 1 on, all of them",
                           f[i].role, f[i].version);
        if (!root && i > 0 && strcmp(f[i].role, f[i - 1].role) == 0)
            return err_set(e, -EINVAL, "\"%s\" is there twice", f[i].role);
        roots += root;
    }
    if (roots == 0 || n < roots + 2 || strcmp(f[roots].role, "snapshot") != 0 ||
        strcmp(f[roots + 1].role, "targets") != 0)
        return err_set(e, -EINVAL, "root, snapshot and targets are all needed");
    if (roots > PUBLISHED_MAX_ROOTS || n - roots > PUBLISHED_PARTS)
        return err_set(e, -E2BIG, "%zu roots and %zu other files; %d and %d are published", roots,
                       n - roots, PUBLISHED_MAX_ROOTS, PUBLISHED_PARTS);
    return 0;
}

static int write_files(struct buf *out, const struct published_file *f, size_t n)
{
    int rc = buf_puts(out, PUBLISHED_FORMAT "\n");

    for (size_t i = 0; rc == 0 && i < n; i++)
        if ((rc = buf_printf(out, "%s %" PRId64 " %zu\n", f[i].role, f[i].version, f[i].bytes.n)) ==
                0 &&
            (rc = buf_put(out, f[i].bytes.p, f[i].bytes.n)) == 0)
            rc = buf_putc(out, '\n');
    return rc;
}

int published_write(struct buf *out, const struct published_file *files, size_t n, struct err *e)
{
    struct published_file *sorted = calloc(n + 1, sizeof(*sorted));
    size_t before = out->len;
    int rc;

    if (sorted == NULL)
        return err_sys(e, -ENOMEM, "the publication");
    if (n > 0)
        memcpy(sorted, files, n * sizeof(*sorted));
    qsort(sorted, n, sizeof(*sorted), by_order);
    rc = files_ok(sorted, n, e);
    if (rc == 0 && (rc = write_files(out, sorted, n)) != 0)
        (void)err_sys(e, rc, "the publication");
    if (rc == 0 && out->len - before > PUBLISHED_MAX_BYTES)
        rc = err_set(e, -E2BIG, "the repository's metadata has %zu bytes, %zu can be published",
                     out->len - before, PUBLISHED_MAX_BYTES);
    if (rc != 0)
        out->len = before;
    free(sorted);
    return rc;
}

/* --- reading --- */

static int parse_line(struct span line, struct published_part *f, uint64_t *length)
{
    const uint8_t *one = memchr(line.p, ' ', line.n), *two;
    struct span role, version;
    uint64_t v;

    if (line.n > LINE_MAX_BYTES || one == NULL)
        return -EBADMSG;
    role = span_of(line.p, (size_t)(one - line.p));
    two = memchr(one + 1, ' ', line.n - role.n - 1);
    if (two == NULL || !name_ok(role))
        return -EBADMSG;
    version = span_of(one + 1, (size_t)(two - one - 1));
    if (text_u64(version, TUF_INT_MAX, &v) != 0 || v == 0 ||
        text_u64(span_of(two + 1, line.n - role.n - version.n - 2), PUBLISHED_MAX_BYTES, length) !=
            0)
        return -EBADMSG;
    memcpy(f->role, role.p, role.n);
    f->role[role.n] = '\0';
    f->version = (int64_t)v;
    return 0;
}

static int next_file(struct cur *c, struct published_part *f, struct err *e)
{
    struct span line;
    uint64_t length;
    uint8_t end;

    if (cur_line(c, &line) != 0 || parse_line(line, f, &length) != 0)
        return err_set(e, -EBADMSG, "a file's line is not \"ROLE VERSION LENGTH\"");
    if (cur_take(c, (size_t)length, &f->bytes) != 0 || cur_u8(c, &end) != 0 || end != '\n')
        return err_set(e, -EBADMSG, "%s %" PRId64 ": not as long as its line says", f->role,
                       f->version);
    sha256_of(f->bytes.p, f->bytes.n, &f->digest);
    return 0;
}

static int take_root(struct published *p, const struct published_part *f, struct err *e)
{
    if (p->parts > 0 || f->version != (int64_t)p->roots + 1)
        return err_set(e, -EBADMSG, "root %" PRId64 " where %s is expected", f->version,
                       p->parts > 0 ? "no root" : "the one that follows");
    if (p->roots == PUBLISHED_MAX_ROOTS)
        return err_set(e, -E2BIG, "more than %d roots", PUBLISHED_MAX_ROOTS);
    p->root[p->roots++] = *f;
    return 0;
}

static int take_part(struct published *p, const struct published_part *f, struct err *e)
{
    int least = p->parts < 2 ? (int)p->parts + 1 : 3; /* snapshot, targets, then by name */

    if (p->parts == PUBLISHED_PARTS)
        return err_set(e, -E2BIG, "more than %d roles", PUBLISHED_MAX_ROLES);
    if (p->roots == 0 || rank(f->role) != least || strcmp(f->role, "timestamp") == 0 ||
        (p->parts > 2 && strcmp(f->role, p->part[p->parts - 1].role) <= 0))
        return err_set(e, -EBADMSG, "\"%s\" is not in its place", f->role);
    p->part[p->parts++] = *f;
    return 0;
}

static int parse(struct published *p, struct span artifact, struct err *e)
{
    struct cur c = cur_of(artifact);
    struct published_part f;
    struct span line;
    int rc;

    if (artifact.n > PUBLISHED_MAX_BYTES)
        return err_set(e, -E2BIG, "%zu bytes; at most %zu are read", artifact.n,
                       PUBLISHED_MAX_BYTES);
    if (cur_line(&c, &line) != 0 || !span_is(line, PUBLISHED_FORMAT))
        return err_set(e, -EBADMSG, "it does not begin with the line " PUBLISHED_FORMAT);
    if ((p->root = calloc(PUBLISHED_MAX_ROOTS, sizeof(*p->root))) == NULL)
        return err_sys(e, -ENOMEM, "the publication");
    while (c.n > 0) {
        memset(&f, 0, sizeof(f));
        if ((rc = next_file(&c, &f, e)) != 0)
            return rc;
        rc = strcmp(f.role, "root") == 0 ? take_root(p, &f, e) : take_part(p, &f, e);
        if (rc != 0)
            return rc;
    }
    return p->parts >= 2 ? 0 : err_set(e, -EBADMSG, "root, snapshot and targets are all needed");
}

int published_read(struct published **out, struct span artifact, struct err *e)
{
    struct published *p = calloc(1, sizeof(*p));
    int rc;

    if (p == NULL)
        return err_sys(e, -ENOMEM, "the publication");
    if ((rc = parse(p, artifact, e)) == 0)
        rc = published_check(p, e);
    if (rc != 0) {
        (void)err_prefix(e, "the repository's metadata");
        published_free(p);
        return rc;
    }
    for (size_t i = 0; i < p->roots; i++)
        p->root[i].bytes = span_of(NULL, 0);
    for (size_t i = 0; i < p->parts; i++)
        p->part[i].bytes = span_of(NULL, 0);
    *out = p;
    return 0;
}

void published_free(struct published *p)
{
    if (p == NULL)
        return;
    free(p->root);
    free(p->release);
    free(p);
}

const struct published_release *published_releases(const struct published *p, size_t *n)
{
    *n = p->releases;
    return p->release;
}

struct digest published_first_root(const struct published *p)
{
    return p->root[0].digest;
}

uint64_t published_serial(const struct published *p)
{
    return p->releases == 0 ? 0 : p->release[p->releases - 1].serial;
}

/* --- one after another --- */

int published_same_roots(const struct published *a, const struct published *b, struct err *e)
{
    for (size_t i = 0; i < a->roots && i < b->roots; i++)
        if (!digest_eq(&a->root[i].digest, &b->root[i].digest))
            return err_set(e, -EBADMSG, "root %zu is another than was published before", i + 1);
    return 0;
}

static const struct published_part *part_of(const struct published *p, const char *role)
{
    for (size_t i = 0; i < p->parts; i++)
        if (strcmp(p->part[i].role, role) == 0)
            return &p->part[i];
    return NULL;
}

int published_follows(const struct published *before, const struct published *after, struct err *e)
{
    int rc = published_same_roots(before, after, e);

    if (rc != 0)
        return rc;
    if (after->roots < before->roots)
        return err_set(e, -EBADMSG, "root goes back from version %zu to %zu", before->roots,
                       after->roots);
    for (size_t i = 0; i < before->parts; i++) {
        const struct published_part *old = &before->part[i], *now = part_of(after, old->role);

        if (now == NULL)
            return err_set(e, -EBADMSG, "\"%s\" was published before and is gone", old->role);
        if (now->version < old->version)
            return err_set(e, -EBADMSG, "%s goes back from version %" PRId64 " to %" PRId64,
                           old->role, old->version, now->version);
        if (now->version == old->version && !digest_eq(&now->digest, &old->digest))
            return err_set(e, -EBADMSG, "%s %" PRId64 " is another file than was published before",
                           old->role, old->version);
    }
    return 0;
}

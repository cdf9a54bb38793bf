/* read_rules.c - what the reader found in a document about the rules, as bytes (reader.h). */
#include "site/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int read_change_encode(const struct rules_change *r, struct buf *b)
{
    int rc;

    if ((rc = buf_put(b, r->change.b, 16)) != 0 || (rc = buf_put(b, r->author.b, 16)) != 0 ||
        (rc = buf_putc(b, r->first)) != 0 || (rc = buf_put(b, r->base.b, 32)) != 0)
        return rc;
    return buf_put(b, r->tree.b, 32);
}

int read_change_decode(struct span s, struct rules_change *out)
{
    struct cur c = cur_of(s);
    uint8_t first;
    int rc;

    memset(out, 0, sizeof(*out));
    if ((rc = cur_copy(&c, out->change.b, 16)) != 0 ||
        (rc = cur_copy(&c, out->author.b, 16)) != 0 || (rc = cur_u8(&c, &first)) != 0 ||
        (rc = cur_copy(&c, out->base.b, 32)) != 0 || (rc = cur_copy(&c, out->tree.b, 32)) != 0)
        return rc;
    out->first = first == 1;
    return c.n == 0 && first <= 1 ? 0 : -EBADMSG;
}

int read_report_encode(const struct read_report *r, struct buf *b)
{
    size_t n = strlen(r->engines);
    int rc;

    if ((rc = buf_put(b, r->tree.b, 32)) != 0 || (rc = buf_put(b, r->corpus_root.b, 32)) != 0 ||
        (rc = buf_put_u64(b, r->allows)) != 0 || (rc = buf_putc(b, (int)n)) != 0)
        return rc;
    return buf_put(b, r->engines, n);
}

int read_report_decode(struct span s, struct read_report *out)
{
    struct cur c = cur_of(s);
    uint8_t n;
    int rc;

    memset(out, 0, sizeof(*out));
    if ((rc = cur_copy(&c, out->tree.b, 32)) != 0 ||
        (rc = cur_copy(&c, out->corpus_root.b, 32)) != 0 || (rc = cur_u64(&c, &out->allows)) != 0 ||
        (rc = cur_u8(&c, &n)) != 0)
        return rc;
    if (n == 0 || n >= sizeof(out->engines))
        return -EBADMSG;
    rc = cur_copy(&c, out->engines, n);
    return rc == 0 && c.n == 0 ? 0 : -EBADMSG;
}

int read_release_encode(const struct rules_release *r, struct buf *b)
{
    int rc;

    if ((rc = buf_put_u64(b, r->chain.serial)) != 0 ||
        (rc = buf_put(b, r->chain.previous.b, 32)) != 0 ||
        (rc = buf_put(b, r->change.b, 16)) != 0 || (rc = buf_put(b, r->author.b, 16)) != 0 ||
        (rc = buf_put(b, r->tree.b, 32)) != 0 || (rc = buf_put(b, r->report.b, 32)) != 0 ||
        (rc = buf_putc(b, (int)r->mode)) != 0 || (rc = buf_putc(b, r->urgent)) != 0)
        return rc;
    return buf_put_u64(b, r->allows);
}

int read_release_decode(struct span s, struct rules_release *out)
{
    struct cur c = cur_of(s);
    uint8_t mode, urgent;
    int rc;

    memset(out, 0, sizeof(*out));
    if ((rc = cur_u64(&c, &out->chain.serial)) != 0 ||
        (rc = cur_copy(&c, out->chain.previous.b, 32)) != 0 ||
        (rc = cur_copy(&c, out->change.b, 16)) != 0 ||
        (rc = cur_copy(&c, out->author.b, 16)) != 0 || (rc = cur_copy(&c, out->tree.b, 32)) != 0 ||
        (rc = cur_copy(&c, out->report.b, 32)) != 0 || (rc = cur_u8(&c, &mode)) != 0 ||
        (rc = cur_u8(&c, &urgent)) != 0 || (rc = cur_u64(&c, &out->allows)) != 0)
        return rc;
    if (mode > RULES_ENFORCE || urgent > 1 || c.n != 0 || out->chain.serial == 0 ||
        out->allows > APPROVAL_ALLOWS_MAX)
        return -EBADMSG;
    out->mode = (enum rules_mode)mode;
    out->urgent = urgent == 1;
    return 0;
}

int read_override_encode(const struct rules_override *r, struct buf *b)
{
    int rc;

    if ((rc = buf_putc(b, (int)r->ground)) != 0 || (rc = buf_putc(b, (int)r->asker)) != 0 ||
        (rc = buf_put_u64(b, r->count)) != 0)
        return rc;
    return buf_put(b, r->subject.b, 32);
}

int read_override_decode(struct span s, struct rules_override *out)
{
    struct cur c = cur_of(s);
    uint8_t ground, asker;
    int rc;

    memset(out, 0, sizeof(*out));
    if ((rc = cur_u8(&c, &ground)) != 0 || (rc = cur_u8(&c, &asker)) != 0 ||
        (rc = cur_u64(&c, &out->count)) != 0 || (rc = cur_copy(&c, out->subject.b, 32)) != 0)
        return rc;
    if (ground > RULES_VERDICT || asker > RULES_COURT || c.n != 0 || out->count == 0 ||
        out->count > OVERRIDE_COUNT_MAX)
        return -EBADMSG;
    out->ground = (enum rules_ground)ground;
    out->asker = (enum rules_asker)asker;
    return 0;
}

int read_published_encode(const struct read_published *r, struct buf *b)
{
    int rc;

    if ((rc = buf_put_u64(b, r->serial)) != 0 || (rc = buf_put_u32(b, (uint32_t)r->n)) != 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < r->n; i++)
        if ((rc = buf_put_u64(b, r->release[i].serial)) == 0)
            rc = buf_put(b, r->release[i].tree.b, 32);
    return rc;
}

int read_published_decode(struct span s, struct read_published *out)
{
    struct cur c = cur_of(s);
    uint32_t n;
    int rc;

    memset(out, 0, sizeof(*out));
    if ((rc = cur_u64(&c, &out->serial)) != 0 || (rc = cur_u32(&c, &n)) != 0)
        return rc;
    if (c.n % 40 != 0 || c.n / 40 != n || out->serial == 0)
        return -EBADMSG;
    if (n > 0 && (out->release = calloc(n, sizeof(*out->release))) == NULL)
        return -ENOMEM;
    for (; rc == 0 && out->n < n; out->n++)
        if ((rc = cur_u64(&c, &out->release[out->n].serial)) == 0)
            rc = cur_copy(&c, out->release[out->n].tree.b, 32);
    if (rc != 0)
        read_published_done(out);
    return rc;
}

void read_published_done(struct read_published *r)
{
    free(r->release);
    r->release = NULL;
    r->n = 0;
}

int read_replay_encode(const struct attestation *a, struct buf *b)
{
    size_t n = strlen(a->site);
    int rc;

    if ((rc = buf_put_u64(b, a->leaf)) != 0 || (rc = buf_put(b, a->scan.b, 32)) != 0 ||
        (rc = buf_put(b, a->release.b, 32)) != 0 || (rc = buf_put(b, a->key.b, 32)) != 0 ||
        (rc = buf_putc(b, a->same)) != 0 || (rc = buf_putc(b, (int)n)) != 0)
        return rc;
    return buf_put(b, a->site, n);
}

int read_replay_decode(struct span s, struct attestation *out)
{
    struct cur c = cur_of(s);
    uint8_t same, n;
    int rc;

    memset(out, 0, sizeof(*out));
    if ((rc = cur_u64(&c, &out->leaf)) != 0 || (rc = cur_copy(&c, out->scan.b, 32)) != 0 ||
        (rc = cur_copy(&c, out->release.b, 32)) != 0 || (rc = cur_copy(&c, out->key.b, 32)) != 0 ||
        (rc = cur_u8(&c, &same)) != 0 || (rc = cur_u8(&c, &n)) != 0)
        return rc;
    if (same > 1 || n == 0 || n >= sizeof(out->site))
        return -EBADMSG;
    out->same = same == 1;
    rc = cur_copy(&c, out->site, n);
    return rc == 0 && c.n == 0 ? 0 : -EBADMSG;
}

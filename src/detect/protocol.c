#include "detect/protocol.h"

#include <errno.h>
#include <string.h>

#define SCAN_HEAD 12u
#define SCAN_FILE 16u
#define ANSWER_HEAD 16u
#define ANSWER_MAX (ANSWER_HEAD + VERDICT_NAMES_MAX * (VERDICT_NAME_MAX + 1u))

static const struct msg_type types[] = {
    {DETECT_RULES, "RULES", MSG_A, 1, 28, 28, MSG_IN_PHASE(DETECT_LOADING)},
    {DETECT_HELLO, "HELLO", MSG_B, 0, 12, 10 + 2 * DETECT_LABEL_MAX, MSG_IN_PHASE(DETECT_LOADING)},
    {DETECT_FAILED, "FAILED", MSG_B, 0, 1, ERR_TEXT_MAX, MSG_IN_PHASE(DETECT_LOADING)},
    {DETECT_SCAN, "SCAN", MSG_A, 1, SCAN_HEAD + SCAN_FILE,
     SCAN_HEAD + SCAN_FILE *DETECT_BATCH_FILES, MSG_IN_PHASE(DETECT_SERVING)},
    {DETECT_VERDICT, "VERDICT", MSG_B, 0, ANSWER_HEAD, ANSWER_MAX, MSG_IN_PHASE(DETECT_SERVING)},
    {DETECT_MEMBERS, "MEMBERS", MSG_B, 1, 16, 16, MSG_IN_PHASE(DETECT_SERVING)},
};
const struct msg_protocol detect_protocol = {"engine", 0x656e6731 /* eng1 */, 2,
                                             types,    ARRAY_LEN(types),      false};

static int refuse_rest(const struct cur *c, int rc)
{
    return rc != 0 || c->n != 0 ? -EPROTO : 0;
}

/* --- RULES: u64 size, u64 member bytes, u32 members, u32 depth, u32 flags --- */

int protocol_put_rules(struct buf *b, const struct detect_rules *m)
{
    int rc = buf_put_u64(b, m->size);

    if (rc == 0)
        rc = buf_put_u64(b, m->member_bytes);
    if (rc == 0)
        rc = buf_put_u32(b, m->members);
    if (rc == 0)
        rc = buf_put_u32(b, m->depth);
    return rc != 0 ? rc : buf_put_u32(b, m->flags);
}

int protocol_get_rules(struct span s, struct detect_rules *m)
{
    struct cur c = cur_of(s);
    int rc = cur_u64(&c, &m->size);

    if (rc == 0)
        rc = cur_u64(&c, &m->member_bytes);
    if (rc == 0)
        rc = cur_u32(&c, &m->members);
    if (rc == 0)
        rc = cur_u32(&c, &m->depth);
    if (rc == 0)
        rc = cur_u32(&c, &m->flags);
    if (rc == 0 && (m->member_bytes > DETECT_MEMBER_BYTES || m->members > DETECT_MEMBERS_MAX ||
                    m->depth > DETECT_DEPTH_MAX))
        rc = -EPROTO;
    return refuse_rest(&c, rc);
}

/* --- HELLO: u32 rules, u32 members, u8 length and label, u8 length and version --- */

static int put_label(struct buf *b, const char *s)
{
    size_t n = strnlen(s, DETECT_LABEL_MAX);
    int rc = buf_putc(b, (int)n);

    return rc != 0 ? rc : buf_put(b, s, n);
}

/* the type `label` of docs/events.md */
static int get_label(struct cur *c, char out[DETECT_LABEL_MAX + 1])
{
    uint8_t n = 0;

    if (cur_u8(c, &n) != 0 || n == 0 || n > DETECT_LABEL_MAX || cur_copy(c, out, n) != 0)
        return -EPROTO;
    out[n] = '\0';
    for (size_t i = 0; i < n; i++)
        if (!((out[i] >= 'a' && out[i] <= 'z') || (out[i] >= '0' && out[i] <= '9') ||
              out[i] == '.' || out[i] == '-'))
            return -EPROTO;
    return 0;
}

int protocol_put_hello(struct buf *b, const struct detect_hello *m)
{
    int rc = buf_put_u32(b, m->rules);

    if (rc == 0)
        rc = buf_put_u32(b, m->members);
    if (rc == 0)
        rc = put_label(b, m->engine);
    return rc != 0 ? rc : put_label(b, m->version);
}

int protocol_get_hello(struct span s, struct detect_hello *m)
{
    struct cur c = cur_of(s);
    int rc = cur_u32(&c, &m->rules);

    if (rc == 0)
        rc = cur_u32(&c, &m->members);
    if (rc == 0 && m->members > 1)
        rc = -EPROTO;
    if (rc == 0)
        rc = get_label(&c, m->engine);
    if (rc == 0)
        rc = get_label(&c, m->version);
    return refuse_rest(&c, rc);
}

/* --- SCAN: u32 limit, u32 total, u32 n, n times u64 offset and u64 size --- */

int protocol_put_scan(struct buf *b, const struct detect_scan *m)
{
    int rc = buf_put_u32(b, m->limit);

    if (rc == 0)
        rc = buf_put_u32(b, m->total);
    if (rc == 0)
        rc = buf_put_u32(b, m->n);
    for (uint32_t i = 0; i < m->n && rc == 0; i++) {
        rc = buf_put_u64(b, m->file[i].offset);
        if (rc == 0)
            rc = buf_put_u64(b, m->file[i].size);
    }
    return rc;
}

int protocol_get_scan(struct span s, struct detect_scan *m)
{
    struct cur c = cur_of(s);
    int rc;

    if (cur_u32(&c, &m->limit) != 0 || cur_u32(&c, &m->total) != 0 || cur_u32(&c, &m->n) != 0)
        return -EPROTO;
    if (m->limit == 0 || m->total == 0 || m->total > DETECT_TIME_MAX ||
        m->limit > DETECT_TIME_MAX || m->n == 0 || m->n > DETECT_BATCH_FILES)
        return -EPROTO;
    for (uint32_t i = 0; i < m->n; i++) {
        rc = cur_u64(&c, &m->file[i].offset);
        if (rc == 0)
            rc = cur_u64(&c, &m->file[i].size);
        if (rc != 0 || m->file[i].size > DETECT_FILE_BYTES ||
            m->file[i].offset > DETECT_BATCH_BYTES + DETECT_FILE_BYTES)
            return -EPROTO;
    }
    return refuse_rest(&c, 0);
}

/* --- VERDICT: u32 index, u32 child, u8 verdict, u8 reason, u16 zero, u32 hits, names --- */

int protocol_put_answer(struct buf *b, const struct detect_answer *m)
{
    int rc = buf_put_u32(b, m->index);

    if (rc == 0)
        rc = buf_put_u32(b, m->child);
    if (rc == 0)
        rc = buf_putc(b, (int)m->finding.verdict);
    if (rc == 0)
        rc = buf_putc(b, (int)m->finding.reason);
    if (rc == 0)
        rc = buf_put_u16(b, 0);
    if (rc == 0)
        rc = buf_put_u32(b, m->finding.hits);
    if (rc == 0 && m->finding.names.len > 0)
        rc = buf_put(b, m->finding.names.data, m->finding.names.len);
    return rc;
}

/* Names must be what finding_malicious makes of them: sorted, each once, well spelled. */
static int get_names(struct cur *c, uint32_t hits, struct finding *f)
{
    struct span names[VERDICT_NAMES_MAX], all = span_of(c->p, c->n), one;
    size_t n = 0;

    while (c->n > 0) {
        const uint8_t *end = memchr(c->p, '\n', c->n);
        size_t len = end != NULL ? (size_t)(end - c->p) : c->n;

        if (n == VERDICT_NAMES_MAX || cur_take(c, len, &one) != 0 ||
            (end != NULL && cur_take(c, 1, &names[n]) != 0))
            return -EPROTO;
        if (end != NULL && c->n == 0)
            return -EPROTO; /* a line feed at the end */
        names[n++] = one;
    }
    if (n == 0 || finding_malicious(f, names, n) != 0 || !span_eq(buf_span(&f->names), all) ||
        hits < f->hits ||
        (hits > f->hits && n < VERDICT_NAMES_MAX && all.n + VERDICT_NAME_MAX < VERDICT_TEXT_MAX))
        return -EPROTO;
    f->hits = hits;
    return 0;
}

int protocol_get_answer(struct span s, struct detect_answer *m)
{
    struct cur c = cur_of(s);
    uint8_t verdict, reason;
    uint16_t zero;
    uint32_t hits;

    finding_clear(&m->finding);
    if (cur_u32(&c, &m->index) != 0 || cur_u32(&c, &m->child) != 0 || cur_u8(&c, &verdict) != 0 ||
        cur_u8(&c, &reason) != 0 || cur_u16(&c, &zero) != 0 || cur_u32(&c, &hits) != 0)
        return -EPROTO;
    if (m->index >= DETECT_BATCH_FILES || verdict > VERDICT_MALICIOUS || reason >= REASONS ||
        zero != 0 || (verdict == VERDICT_INCOMPLETE) != (reason != REASON_NONE))
        return -EPROTO;
    if (verdict == VERDICT_MALICIOUS)
        return get_names(&c, hits, &m->finding);
    if (verdict == VERDICT_INCOMPLETE)
        finding_incomplete(&m->finding, (enum verdict_reason)reason);
    return refuse_rest(&c, hits == 0 ? 0 : -EPROTO);
}

/* --- MEMBERS: u32 next, u32 count, u64 size --- */

int protocol_put_members(struct buf *b, const struct detect_members *m)
{
    int rc = buf_put_u32(b, m->next);

    if (rc == 0)
        rc = buf_put_u32(b, m->count);
    return rc != 0 ? rc : buf_put_u64(b, m->size);
}

int protocol_get_members(struct span s, struct detect_members *m)
{
    struct cur c = cur_of(s);

    if (cur_u32(&c, &m->next) != 0 || cur_u32(&c, &m->count) != 0 || cur_u64(&c, &m->size) != 0)
        return -EPROTO;
    if (m->next == 0 || m->next > DETECT_BATCH_FILES || m->count > DETECT_MEMBERS_MAX ||
        m->size > DETECT_MEMBER_BYTES * 2 ||
        m->size < (uint64_t)m->count * sizeof(struct detect_member))
        return -EPROTO;
    return refuse_rest(&c, 0);
}

static bool inside(const struct detect_members *m, uint64_t at, uint64_t n)
{
    return at >= (uint64_t)m->count * sizeof(struct detect_member) && at <= m->size &&
           n <= m->size - at;
}

int protocol_members_check(const struct detect_members *m, const uint8_t *map, uint32_t files)
{
    struct detect_member one, above;
    uint64_t all = (uint64_t)m->count * sizeof(one);
    uint32_t file = 0;

    for (uint32_t i = 0; i < m->count; i++) {
        memcpy(&one, map + (size_t)i * sizeof(one), sizeof(one));
        if (one.file < file || one.file >= m->next || one.file >= files || one.parent > i ||
            one.depth == 0 || one.depth > DETECT_DEPTH_MAX || one.name_len > DETECT_MEMBER_NAME ||
            one.reason >= REASONS || one.zero != 0 || !inside(m, one.name_at, one.name_len) ||
            !inside(m, one.offset, one.size))
            return -EPROTO;
        file = one.file;
        /* who counts the same bytes again and again would have us hash and scan them as often */
        all += (uint64_t)one.name_len + one.size;
        if (all > m->size)
            return -EPROTO;
        if (one.parent == 0) {
            if (one.depth != 1)
                return -EPROTO;
            continue;
        }
        memcpy(&above, map + (size_t)(one.parent - 1) * sizeof(above), sizeof(above));
        if (above.file != one.file || above.depth + 1 != one.depth)
            return -EPROTO;
    }
    return 0;
}

/* --- the bundle --- */

int protocol_put_file(struct buf *b, const char *name, uint32_t size)
{
    size_t n = strlen(name);
    int rc = buf_put_u16(b, (uint16_t)n);

    if (rc == 0)
        rc = buf_put(b, name, n);
    return rc != 0 ? rc : buf_put_u32(b, size);
}

int protocol_bundle_next(struct cur *c, struct protocol_file *out)
{
    uint16_t length;
    uint32_t size;

    if (c->n == 0)
        return 0;
    if (cur_u16(c, &length) != 0 || length == 0 || length >= sizeof(out->name) ||
        cur_copy(c, out->name, length) != 0)
        return -EBADMSG;
    out->name[length] = '\0';
    if (strlen(out->name) != length || cur_u32(c, &size) != 0 ||
        cur_take(c, size, &out->content) != 0)
        return -EBADMSG;
    return 1;
}

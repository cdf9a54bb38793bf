#include "detect/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEAD 9u    /* u8 1, u32 members, u32 listed */
#define MEMBER 53u /* fixed bytes of one: u32, u32, u8, u8, u64, 32, u8, u16 */
#define LISTED_MAX (TREE_MAX / (MEMBER))

static uint32_t cost(const struct tree_member *m)
{
    return MEMBER + (uint32_t)(m->name.n + m->names.n);
}

/* Rule names as whole lines. */
static struct span cut(struct span names)
{
    size_t n = names.n;

    if (n <= TREE_HITS_MAX)
        return names;
    for (n = TREE_HITS_MAX; n > 0 && names.p[n] != '\n'; n--)
        ;
    return span_of(names.p, n);
}

static void member(tree_member_fn *of, void *arg, uint32_t i, struct tree_member *m)
{
    of(arg, i, m);
    if (m->name.n > TREE_NAME_MAX)
        m->name.n = TREE_NAME_MAX;
    m->names = cut(m->names);
}

struct choice {
    uint8_t *taken; /* by index */
    uint32_t listed, room;
};

/* Takes one and everything it lies in, or nothing. */
static void take(struct choice *c, uint32_t i, tree_member_fn *of, void *arg)
{
    uint32_t need = 0, at = i + 1;
    struct tree_member m;

    for (; at != 0 && !c->taken[at - 1]; at = m.parent) {
        member(of, arg, at - 1, &m);
        need += cost(&m);
        if (need > c->room || m.parent >= at)
            return;
    }
    for (at = i + 1; at != 0 && !c->taken[at - 1]; at = m.parent) {
        member(of, arg, at - 1, &m);
        c->taken[at - 1] = 1;
        c->listed++;
    }
    c->room -= need;
}

static int put_member(struct buf *b, const struct tree_member *m)
{
    int rc;

    if ((rc = buf_put_u32(b, m->number)) != 0 || (rc = buf_put_u32(b, m->parent)) != 0 ||
        (rc = buf_putc(b, (int)m->verdict)) != 0 || (rc = buf_putc(b, (int)m->reason)) != 0 ||
        (rc = buf_put_u64(b, m->size)) != 0 || (rc = buf_put(b, m->sha256.b, 32)) != 0 ||
        (rc = buf_putc(b, (int)m->name.n)) != 0 ||
        (rc = m->name.n > 0 ? buf_put(b, m->name.p, m->name.n) : 0) != 0 ||
        (rc = buf_put_u16(b, (uint16_t)m->names.n)) != 0)
        return rc;
    return m->names.n > 0 ? buf_put(b, m->names.p, m->names.n) : 0;
}

int tree_write(struct buf *out, uint32_t n, tree_member_fn *of, void *arg)
{
    static const enum verdict first[] = {VERDICT_MALICIOUS, VERDICT_INCOMPLETE, VERDICT_CLEAN};
    struct choice c = {.room = TREE_MAX - HEAD};
    struct tree_member m;
    int rc;

    c.taken = calloc(n + 1, 1);
    if (c.taken == NULL)
        return -ENOMEM;
    for (size_t k = 0; k < ARRAY_LEN(first); k++)
        for (uint32_t i = 0; i < n && c.room >= MEMBER; i++) {
            of(arg, i, &m);
            if (m.verdict == first[k] && !c.taken[i])
                take(&c, i, of, arg);
        }
    rc = buf_putc(out, 1);
    if (rc == 0)
        rc = buf_put_u32(out, n);
    if (rc == 0)
        rc = buf_put_u32(out, c.listed);
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        if (!c.taken[i])
            continue;
        member(of, arg, i, &m);
        m.number = i + 1;
        rc = put_member(out, &m);
    }
    free(c.taken);
    return rc;
}

int tree_read(struct tree *t, struct span s)
{
    uint8_t version;

    t->rest = cur_of(s);
    if (s.n > TREE_MAX || cur_u8(&t->rest, &version) != 0 || version != 1 ||
        cur_u32(&t->rest, &t->members) != 0 || cur_u32(&t->rest, &t->listed) != 0 ||
        t->listed > t->members || t->listed > LISTED_MAX)
        return -EBADMSG;
    return 0;
}

int tree_next(struct tree *t, struct tree_member *m)
{
    uint8_t verdict, reason, name;
    uint16_t names;

    if (t->rest.n == 0)
        return t->listed == 0 ? 0 : -EBADMSG;
    if (t->listed == 0 || cur_u32(&t->rest, &m->number) != 0 ||
        cur_u32(&t->rest, &m->parent) != 0 || cur_u8(&t->rest, &verdict) != 0 ||
        cur_u8(&t->rest, &reason) != 0 || cur_u64(&t->rest, &m->size) != 0 ||
        cur_copy(&t->rest, m->sha256.b, 32) != 0 || cur_u8(&t->rest, &name) != 0 ||
        cur_take(&t->rest, name, &m->name) != 0 || cur_u16(&t->rest, &names) != 0 ||
        names > TREE_HITS_MAX || cur_take(&t->rest, names, &m->names) != 0)
        return -EBADMSG;
    if (verdict > VERDICT_MALICIOUS || reason >= REASONS || m->parent >= m->number ||
        m->number > t->members || (verdict == VERDICT_INCOMPLETE) != (reason != REASON_NONE))
        return -EBADMSG;
    m->verdict = (enum verdict)verdict;
    m->reason = (enum verdict_reason)reason;
    t->listed--;
    return 1;
}

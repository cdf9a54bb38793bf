/* Cheats about the move of a country. */
#include "betray/cheats_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "events/country.h"
#include "events/setroot.h"

int cheats_object_left(struct stage *s, struct err *e)
{
    struct id128 ref = random_id();
    struct leaf_builder b;
    struct digest root;
    struct leaf l;
    unix_time t;
    size_t i;
    int site, rc = stage_find(s, LK_MOVE_CLOSED, &site, &i, e);

    if (rc != 0)
        return rc;
    l = tale_leaf(&s->tale[site], i);
    t = stage_time(s, site);
    if ((rc = setroot_ids(&ref, 1, &root)) != 0)
        return rc;
    stage_begin(s, site, &b, LK_INVENTORY, t);
    leaf_set_span(&b, LF_COUNTRY, leaf_text(&l, LF_COUNTRY));
    leaf_set_digest(&b, LF_ROOT, &root);
    leaf_set_int(&b, LF_COUNT, 1);
    leaf_set_int(&b, LF_AT_SIZE, s->tale[site].leaves);
    if ((rc = stage_add(s, site, &b, e)) != 0)
        return rc;
    return stage_publish(s, site, t);
}

/* The slots of a tale's copy.removed leaves before leaf i, since the slot.destroyed before it. */
static int slots_before(const struct tale *t, size_t i, struct digest *root, size_t *n)
{
    struct id128 *v = calloc(i + 1, sizeof(*v));
    int rc;

    if (v == NULL)
        return -ENOMEM;
    *n = 0;
    while (i-- > 0) {
        struct leaf l = tale_leaf(t, i);

        if (l.kind == LK_SLOT_DESTROYED)
            break;
        if (l.kind == LK_COPY_REMOVED)
            v[(*n)++] = leaf_id(&l, LF_REF);
    }
    rc = setroot_ids(v, *n, root);
    free(v);
    return rc;
}

/* One copy of the set stays: its removal is not told and its slot not destroyed. */
int cheats_copy_kept(struct stage *s, struct err *e)
{
    struct digest root;
    size_t i, n, slot;
    char text[80];
    int site, rc = stage_find(s, LK_MOVE_OPENED, &site, &i, e);
    struct tale *t = &s->tale[site];

    if (rc != 0)
        return rc;
    i = tale_find(t, LK_COPY_REMOVED, i);
    if (i == t->leaves)
        return stage_nothing(e, "the move was of no copy");
    tale_delete(t, i);
    slot = tale_find(t, LK_SLOT_DESTROYED, i);
    if (slot == t->leaves)
        return stage_nothing(e, "the move destroyed no slot");
    if ((rc = slots_before(t, slot, &root, &n)) != 0)
        return rc;
    text_digest(text, &root);
    if ((rc = tale_edit(t, slot, LF_ROOT, text, e)) != 0)
        return rc;
    (void)snprintf(text, sizeof(text), "%zu", n);
    return tale_edit(t, slot, LF_COUNT, text, e);
}

int cheats_object_lost(struct stage *s, struct err *e)
{
    struct leaf l;
    char text[24];
    size_t i;
    int site, rc = stage_find(s, LK_MOVE_RECEIVED, &site, &i, e);

    if (rc != 0)
        return rc;
    l = tale_leaf(&s->tale[site], i);
    if (leaf_int(&l, LF_COUNT) == 0)
        return stage_nothing(e, "the move was of nothing");
    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)leaf_int(&l, LF_COUNT) - 1);
    return tale_edit(&s->tale[site], i, LF_COUNT, text, e);
}

int cheats_object_swapped(struct stage *s, struct err *e)
{
    char hex[65];
    size_t i;
    int site, rc = stage_find(s, LK_MOVE_RECEIVED, &site, &i, e);

    if (rc != 0)
        return rc;
    cheats_random_hex(hex, 32);
    return tale_edit(&s->tale[site], i, LF_SET_ROOT, hex, e);
}

int cheats_moved_late(struct stage *s, struct err *e)
{
    size_t i, first;
    int site, rc = stage_find(s, LK_MOVE_CLOSED, &site, &i, e);
    const struct tale *t = &s->tale[site];

    if (rc != 0)
        return rc;
    /* the whole batch: from the copies' removal on */
    first = i;
    for (size_t k = 0; k < t->marks; k++)
        if (t->mark[k].size <= i)
            first = (size_t)t->mark[k].size;
    return tale_delay(&s->tale[site], first, 60 * (int64_t)DAY, e);
}

int cheats_unapproved_move(struct stage *s, struct err *e)
{
    struct ed25519_key *k[1] = {NULL};
    struct dsse *env = NULL, *d = NULL;
    struct digest doc, is;
    struct buf out;
    struct leaf l;
    char hex[65];
    size_t i, n;
    int site, rc = stage_find(s, LK_MOVE_OPENED, &site, &i, e);

    if (rc != 0)
        return rc;
    l = tale_leaf(&s->tale[site], i);
    doc = leaf_digest(&l, LF_DOC);
    n = stage_signers(s, ROLE_MOVER, WHO_GOOD, l.time, k, 1);
    buf_init(&out, DSSE_MAX_BYTES);
    for (size_t j = 0; j < s->tale[site].artifacts && env == NULL && rc == 0; j++) {
        dsse_digest(buf_span(&s->tale[site].artifact[j]), &is);
        if (memcmp(is.b, doc.b, sizeof(is.b)) == 0)
            rc = dsse_parse(&env, buf_span(&s->tale[site].artifact[j]), e);
    }
    if (rc == 0 && (env == NULL || n == 0))
        rc = stage_nothing(e, "the move's approval or a mover's key is not at hand");
    if (rc == 0 && (rc = dsse_new(&d, dsse_type(env), dsse_payload(env))) == 0 &&
        (rc = dsse_sign(d, k[0])) == 0 && (rc = dsse_write(d, &out)) == 0 &&
        (rc = tale_document(&s->tale[site], buf_span(&out), &doc)) == 0) {
        text_digest(hex, &doc);
        rc = tale_edit(&s->tale[site], i, LF_DOC, hex, e);
    }
    buf_free(&out);
    dsse_free(env);
    dsse_free(d);
    cheats_free_keys(k, n);
    return rc;
}

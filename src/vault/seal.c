/* seal.c - the Merkle root of a full segment: the unit of copies, challenges and audit. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vault/vault_priv.h"

#define LEVELS 24 /* a segment has at most 2^14 chunks */

/* RFC 6962 section 2.1 in one pass: complete subtrees wait on a stack, one for each bit of n. */
struct tree {
    uint64_t n;
    struct digest wait[LEVELS];
};

static void tree_add(struct tree *t, const void *p, size_t n)
{
    struct digest d;
    unsigned level = 0;

    sha256_leaf(p, n, &d);
    for (; (t->n >> level & 1) != 0; level++)
        sha256_node(&t->wait[level], &d, &d);
    t->wait[level] = d;
    t->n++;
}

static void tree_root(const struct tree *t, struct digest *out)
{
    bool any = false;

    sha256_of(NULL, 0, out);
    for (unsigned level = 0; level < LEVELS; level++) {
        if ((t->n >> level & 1) == 0)
            continue;
        if (any)
            sha256_node(&t->wait[level], out, out);
        else
            *out = t->wait[level];
        any = true;
    }
}

int vault_segment_root(struct vault *v, uint32_t segment, uint64_t length, struct digest *root)
{
    const struct store_ops *st = v->cfg.store->ops;
    struct tree t = {0};
    struct store_segment *h = NULL;
    uint64_t size;
    uint8_t *b;
    int rc;

    b = malloc(VAULT_CHUNK);
    if (b == NULL)
        return -ENOMEM;
    rc = st->open(v->cfg.store, segment, &h, &size);
    if (rc == 0 && (length > size || length > VAULT_SEGMENT_MOST))
        rc = -EINVAL;
    for (uint64_t at = 0; rc == 0 && at < length; at += VAULT_CHUNK) {
        size_t n = length - at < VAULT_CHUNK ? (size_t)(length - at) : VAULT_CHUNK;

        if ((rc = st->read(h, b, n, at)) == 0)
            tree_add(&t, b, n);
    }
    st->close(h);
    free(b);
    if (rc == 0)
        tree_root(&t, root);
    return rc;
}

/* Is segment no full, synced and closed for writing? */
static bool settled(struct vault *v, uint32_t no)
{
    bool yes = true;

    (void)pthread_mutex_lock(&v->lock);
    for (const struct segment *s = v->segments; s != NULL; s = s->next)
        yes = yes && s->no != no;
    (void)pthread_mutex_unlock(&v->lock);
    return yes;
}

static int seal_one(struct vault_group *g, uint32_t no)
{
    struct vault *v = g->v;
    struct record_seal s = {.segment = no};
    struct store_segment *h;
    int rc;

    rc = v->cfg.store->ops->open(v->cfg.store, no, &h, &s.length);
    if (rc != 0)
        return rc;
    v->cfg.store->ops->close(h);
    if ((rc = vault_segment_root(v, no, s.length, &s.root)) != 0)
        return rc;
    return vault_record_add_seal(&g->d, &s);
}

int vault_seal_segment(struct vault_group *g, uint32_t *sealed, struct err *e)
{
    struct vault *v = g->v;
    struct digest root;
    uint64_t length;
    int rc;

    *sealed = 0;
    if ((rc = vault_replay_index(v)) != 0)
        return err_sys(e, rc, "bringing the vault's index up to date");
    for (uint32_t no = 1; no < v->last.segment; no++) {
        rc = v->cfg.index->ops->find_seal(v->cfg.index, no, &length, &root);
        if (rc == 0 || !settled(v, no))
            continue;
        if (rc == -ENOENT)
            rc = seal_one(g, no);
        if (rc != 0)
            return err_sys(e, rc, "sealing segment %u", (unsigned)no);
        *sealed = no;
        return 0;
    }
    return 0;
}

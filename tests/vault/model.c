#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "model.h"

struct model *model_new(void)
{
    void *p =
        mmap(NULL, sizeof(struct model), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(p != MAP_FAILED);
    return p;
}

void model_free(struct model *m)
{
    (void)munmap(m, sizeof(*m));
}

/* Every fifth is the same file. */
static size_t content(unsigned n, uint8_t *out)
{
    unsigned seed = n % 5 == 0 ? 0 : n;
    size_t size = (size_t)(seed * 7919U) % 150000U;

    fixture_bytes(out, size, seed);
    return size;
}

static uint8_t big[150000];

static int store_group(struct model *m, struct fixture *f, unsigned count)
{
    unsigned first = m->next;
    struct vault_group *g;
    int rc;

    if ((rc = vault_group_begin(&g, f->v)) != 0)
        return rc;
    for (unsigned i = 0; i < count && rc == 0; i++) {
        m->state[first + i] = STORING;
        rc = fixture_add(f, g, first + i, big, content(first + i, big), NULL);
        if (rc == 0)
            rc = vault_group_leaf(g, span_str("a leaf"));
    }
    m->next = first + count;
    if (rc != 0)
        vault_group_abort(g);
    else
        rc = vault_group_commit(g, NULL, NULL, &f->e);
    for (unsigned i = 0; i < count && rc == 0; i++)
        m->state[first + i] = STORED;
    return rc;
}

static void *sync_group(void *arg)
{
    return (void *)(intptr_t)vault_group_sync(arg);
}

/* A group's sync, in the middle of which the chunks of others are written. */
static int sync_beside(struct model *m, struct fixture *f, struct vault_group *g, unsigned next,
                       struct vault_put *put[2], size_t *n)
{
    pthread_t thread;
    void *got;
    int rc = 0, mine = 0;

    if (m->threads && pthread_create(&thread, NULL, sync_group, g) != 0)
        return -EAGAIN;
    if (!m->threads && next % 8 < 4)
        rc = vault_group_sync(g); /* is over before they are written, which nobody has noticed */
    for (*n = 0; *n < 2 && mine == 0; *n += mine == 0) {
        unsigned i = next + (unsigned)*n;

        m->state[i] = STORING;
        mine = fixture_put(f, big, content(i, big), &put[*n]);
    }
    if (m->threads) {
        (void)pthread_join(thread, &got);
        rc = (int)(intptr_t)got;
    } else if (next % 8 >= 4) {
        rc = vault_group_sync(g);
    }
    rc = vault_group_settle(g, rc, NULL, NULL, &f->e);
    return rc != 0 ? rc : mine;
}

/* Two groups of two.  What a put made lives on when the group that was on its way is settled. */
static int store_pair(struct model *m, struct fixture *f)
{
    unsigned first = m->next;
    struct vault_put *put[2] = {NULL, NULL};
    struct vault_group *g;
    size_t n = 0;
    int rc;

    if ((rc = vault_group_begin(&g, f->v)) != 0)
        return rc;
    m->next = first + 4;
    for (unsigned i = first; i < first + 2 && rc == 0; i++) {
        m->state[i] = STORING;
        rc = fixture_add(f, g, i, big, content(i, big), NULL);
    }
    if (rc != 0) {
        vault_group_abort(g);
        return rc;
    }
    if ((rc = vault_group_write(g, &f->e)) != 0)
        return rc;
    if ((rc = sync_beside(m, f, g, first + 2, put, &n)) == 0)
        m->state[first] = m->state[first + 1] = STORED;
    if (rc == 0 && (rc = vault_group_begin(&g, f->v)) == 0) {
        for (size_t i = 0; i < 2 && rc == 0; i++) {
            rc = fixture_join(g, first + 2 + (unsigned)i, put[i], NULL);
            put[i] = NULL;
        }
        if (rc != 0)
            vault_group_abort(g);
        else
            rc = vault_group_commit(g, NULL, NULL, &f->e);
    }
    for (size_t i = 0; i < n; i++)
        vault_put_abort(put[i]);
    if (rc == 0)
        m->state[first + 2] = m->state[first + 3] = STORED;
    m->pairs += rc == 0;
    return rc;
}

static int destroy_one(struct model *m, struct fixture *f)
{
    int rc;

    for (unsigned n = 0; n < m->next; n += 2) {
        if (m->state[n] != STORED)
            continue;
        m->state[n] = DESTROYING;
        if ((rc = fixture_destroy(f, n)) == 0)
            m->state[n] = DESTROYED;
        return rc;
    }
    return 0;
}

int model_step(struct model *m, struct fixture *f, unsigned kind)
{
    uint64_t bytes;
    int rc;

    switch (kind % 9) {
    case 3:
        return destroy_one(m, f);
    case 5:
        return store_group(m, f, 3);
    case 6:
        return vault_reclaim(f->v, 10, &bytes, &f->e);
    case 8:
        return store_pair(m, f);
    case 7:
        rc = fixture_turn(f);
        m->turns += rc == 0;
        return rc;
    default:
        return store_group(m, f, 1);
    }
}

void model_verify(struct model *m, struct fixture *f)
{
    for (unsigned n = 0; n < m->next; n++) {
        int rc = fixture_check(f, n, big, content(n, big));
        unsigned char s = m->state[n];

        if (s == STORED)
            assert_int_equal(rc, 0);
        else if (s == ABSENT || s == DESTROYED)
            assert_int_equal(rc, -ENOENT);
        else
            assert_true(rc == 0 || rc == -ENOENT);
        /* whatever it was, it is decided now */
        m->state[n] = rc == 0 ? STORED : DESTROYED;
    }
}

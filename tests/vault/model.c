#include <errno.h>
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

    switch (kind % 8) {
    case 3:
        return destroy_one(m, f);
    case 5:
        return store_group(m, f, 3);
    case 6:
        return vault_reclaim(f->v, 10, &bytes, &f->e);
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

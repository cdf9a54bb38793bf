/* Puts in four threads while the owner commits groups and reads back. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

enum { WRITERS = 4, EACH = 24, SIZE = 150000 };

struct writer {
    struct fixture *f;
    unsigned first;
    pthread_mutex_t *lock; /* of the hand-over below */
    struct vault_put **ready;
    unsigned *number, *n;
    int rc;
};

static void *write_some(void *arg)
{
    struct writer *w = arg;
    uint8_t *p = malloc(SIZE);

    for (unsigned i = 0; i < EACH && w->rc == 0; i++) {
        struct vault_put *put;
        struct digest d;
        uint64_t size;

        fixture_bytes(p, SIZE, w->first + i);
        if ((w->rc = vault_put_begin(&put, w->f->v)) != 0)
            break;
        for (size_t at = 0; at < SIZE && w->rc == 0; at += 30000)
            w->rc = vault_put_append(put, p + at, 30000);
        if (i % 6 == 5) { /* some are given up */
            vault_put_abort(put);
            continue;
        }
        if (w->rc == 0)
            w->rc = vault_put_finish(put, &d, &size);
        (void)pthread_mutex_lock(w->lock);
        w->ready[*w->n] = put;
        w->number[*w->n] = w->first + i;
        *w->n += 1;
        (void)pthread_mutex_unlock(w->lock);
    }
    free(p);
    return NULL;
}

static void *sync_group(void *arg)
{
    return (void *)(intptr_t)vault_group_sync(arg);
}

/* In parts: another thread waits for the disk, while this one writes and reads something else. */
static void commit_beside(struct fixture *f, struct vault_group *g)
{
    struct id128 nobody;
    struct vault_slot_info info;
    struct vault_put *put;
    pthread_t t;
    void *rc;

    fixture_id(&nobody, 999999);
    assert_int_equal(vault_group_write(g, &f->e), 0);
    assert_int_equal(pthread_create(&t, NULL, sync_group, g), 0);
    assert_int_equal(fixture_put(f, "beside", 6, &put), 0);
    assert_int_equal(vault_slot_info(f->v, &nobody, &info, &f->e), -ENOENT);
    vault_put_abort(put);
    assert_int_equal(pthread_join(t, &rc), 0);
    assert_int_equal(vault_group_settle(g, (int)(intptr_t)rc, NULL, NULL, &f->e), 0);
}

/* One group of what is ready; returns how many. */
static unsigned commit_ready(struct writer *w)
{
    struct vault_put *put[WRITERS * EACH];
    unsigned number[WRITERS * EACH], n;
    struct vault_group *g;

    (void)pthread_mutex_lock(w->lock);
    n = *w->n;
    memcpy(put, w->ready, n * sizeof(put[0]));
    memcpy(number, w->number, n * sizeof(number[0]));
    *w->n = 0;
    (void)pthread_mutex_unlock(w->lock);
    if (n == 0)
        return 0;
    assert_int_equal(vault_group_begin(&g, w->f->v), 0);
    for (unsigned i = 0; i < n; i++) {
        struct id128 ref, sub, object;
        char blob[32];
        bool again;
        int m = snprintf(blob, sizeof(blob), "blob-%u", number[i]);

        fixture_id(&ref, number[i]);
        fixture_id(&sub, number[i] + 1000000);
        assert_int_equal(
            vault_group_put(g, put[i], &ref, &sub, span_of(blob, (size_t)m), &again, &object), 0);
    }
    commit_beside(w->f, g);
    return n;
}

static void puts_of_several_threads_meet_in_groups(void **state)
{
    enum { WANT = WRITERS * (EACH - EACH / 6) };
    struct fixture *f = *state;
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct vault_put *ready[WRITERS * EACH];
    unsigned number[WRITERS * EACH], n = 0, done = 0;
    struct writer w[WRITERS];
    pthread_t t[WRITERS];
    uint8_t *p = malloc(SIZE);

    assert_non_null(p);
    for (unsigned i = 0; i < WRITERS; i++) {
        w[i] = (struct writer){f, i * EACH, &lock, ready, number, &n, 0};
        assert_int_equal(pthread_create(&t[i], NULL, write_some, &w[i]), 0);
    }
    while (done < WANT) {
        unsigned got = commit_ready(&w[0]);

        done += got;
        if (got == 0)
            (void)sched_yield();
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_join(t[i], NULL), 0);
        assert_int_equal(w[i].rc, 0);
    }
    assert_int_equal(done, WANT);
    for (unsigned i = 0; i < WRITERS * EACH; i++) {
        if (i % EACH % 6 == 5)
            continue;
        fixture_bytes(p, SIZE, i);
        assert_int_equal(fixture_check(f, i, p, SIZE), 0);
    }
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(puts_of_several_threads_meet_in_groups, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

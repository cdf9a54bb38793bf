/* Groups of the keeper: what is done while one is on its way to the disk, what when the disk fails
 * then, and what each costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "site/keeper_priv.h"
#include "site/keeper_sync.h"

enum { ACTS = 8 };

struct scene {
    struct keeper k;
    struct config c;
    char dir[64];
    int done[ACTS]; /* 1 + the order in which they ended, negative: they failed so */
    int ended;
};

/* The vault's syncs: they wait while hold is set, and fail while fail is. */
static atomic_bool counting, hold, fail;
static atomic_uint syncs;

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
    if (!counting)
        return __real_fdatasync(fd);
    syncs++;
    while (hold)
        (void)usleep(1000);
    errno = EIO;
    return fail ? -1 : 0;
}

static int open_all(struct scene *s)
{
    struct keeper *k = &s->k;
    struct vault_config vc;
    struct vault_report report;
    struct err e = ERR_INIT;
    char path[96];
    int rc;

    (void)snprintf(path, sizeof(path), "%s/v", s->dir);
    if ((rc = store_dir_open(&k->store, path, &e)) != 0)
        return rc;
    (void)snprintf(path, sizeof(path), "%s/k", s->dir);
    if ((rc = keyring_file_open(&k->keys, path, &e)) != 0)
        return rc;
    (void)snprintf(path, sizeof(path), "%s/c.db", s->dir);
    if ((rc = catalog_open(&k->catalog, path, &e)) != 0)
        return rc;
    (void)snprintf(path, sizeof(path), "%s/l", s->dir);
    if ((rc = ledger_open(&k->ledger, path, &e)) != 0)
        return rc;
    vc = (struct vault_config){k->store, k->keys, catalog_index(k->catalog), 0};
    if ((rc = vault_open(&k->vault, &vc, &report, &e)) != 0)
        return rc;
    if ((rc = vault_replay(k->vault, 0, ledger_size(k->ledger), keeper_apply, k, &e)) != 0)
        return rc;
    return keeper_sync_open(&k->sync, &e);
}

static void close_all(struct scene *s)
{
    keeper_sync_close(s->k.sync);
    vault_close(s->k.vault);
    ledger_close(s->k.ledger);
    catalog_close(s->k.catalog);
    keyring_free(s->k.keys);
    store_free(s->k.store);
}

static int set_up(void **state)
{
    struct scene *s = calloc(1, sizeof(*s));
    struct vault_group *g;
    struct err e = ERR_INIT;
    uint64_t epoch;

    assert_non_null(s);
    (void)snprintf(s->dir, sizeof(s->dir), "/tmp/group-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    s->c.site = "zrh1";
    s->k.c = &s->c;
    s->k.acts_end = &s->k.acts;
    s->k.unsigned_end = &s->k.unsigned_;
    assert_int_equal(open_all(s), 0);
    assert_int_equal(vault_group_begin(&g, s->k.vault), 0);
    assert_int_equal(vault_turn_begin(g, &epoch, &e), 0);
    assert_int_equal(vault_group_commit(g, NULL, NULL, &e), 0);
    counting = true;
    hold = fail = false;
    syncs = 0;
    *state = s;
    return 0;
}

static void remove_all(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *de;
    char path[400];

    while (d != NULL && (de = readdir(d)) != NULL) {
        if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", dir, de->d_name);
        if (unlink(path) != 0)
            remove_all(path);
    }
    if (d != NULL)
        (void)closedir(d);
    (void)rmdir(dir);
}

static int tear_down(void **state)
{
    struct scene *s = *state;

    counting = false;
    close_all(s);
    remove_all(s->dir);
    free(s);
    return 0;
}

struct ctx {
    struct scene *s;
    int i;
    int answer; /* of join */
};

static int joined(struct keeper *k, struct act *a, struct vault_group *g)
{
    struct ctx *c = a->ctx;
    int answer = c->answer;

    (void)k;
    (void)g;
    if (answer == -E2BIG)
        c->answer = 0; /* there is room in the next one */
    return answer;
}

static void done(struct keeper *k, struct act *a, int rc)
{
    struct ctx *c = a->ctx;

    (void)k;
    assert_int_equal(c->s->done[c->i], 0);
    c->s->done[c->i] = rc != 0 ? rc : ++c->s->ended;
}

static void ctx_free(struct act *a)
{
    free(a->ctx);
}

/* An act of one leaf. */
static void add(struct scene *s, int i, int answer)
{
    struct act *a = keeper_act_new();
    struct ctx *c = calloc(1, sizeof(*c));
    struct leaf_builder b;
    struct digest doc;

    assert_true(a != NULL && c != NULL);
    *c = (struct ctx){s, i, answer};
    memset(doc.b, i + 1, sizeof(doc.b));
    leaf_begin(&b, LK_STATEMENT_WITHDRAWN, clock_now(), s->c.site);
    leaf_set_digest(&b, LF_DOC, &doc);
    assert_int_equal(keeper_act_leaf(a, &b), 0);
    a->ctx = c;
    a->free = ctx_free;
    a->join = joined;
    a->done = done;
    keeper_group_add(&s->k, a);
}

static void until_free(struct scene *s)
{
    struct pollfd p = {.fd = keeper_sync_fd(s->k.sync), .events = POLLIN};

    assert_int_equal(poll(&p, 1, 20000), 1);
    assert_true(keeper_group_free(&s->k));
    assert_int_equal(poll(&p, 1, 0), 0); /* asked for once */
}

static void acts_that_come_while_a_group_is_on_its_way_are_the_next(void **state)
{
    struct scene *s = *state;

    hold = true;
    add(s, 0, 0);
    keeper_group_start(&s->k);
    add(s, 1, 0);
    add(s, 2, 0);
    (void)usleep(20000);
    assert_false(keeper_group_free(&s->k));
    assert_true(keeper_group_pending(&s->k));
    assert_int_equal(s->ended, 0); /* nobody is told before the disk is done */
    assert_int_equal(ledger_size(s->k.ledger), 0);
    hold = false;
    until_free(s);
    assert_int_equal(s->done[0], 1);
    assert_int_equal(s->ended, 1);
    assert_int_equal(ledger_size(s->k.ledger), 1);
    keeper_group_start(&s->k);
    until_free(s);
    assert_int_equal(s->ended, 3);
    assert_int_equal(ledger_size(s->k.ledger), 3);
    assert_int_equal(syncs, 2);
    assert_false(keeper_group_pending(&s->k));
    keeper_group_start(&s->k); /* nothing to do costs nothing */
    assert_true(keeper_group_free(&s->k));
    assert_int_equal(syncs, 2);
}

static void who_wants_all_durable_waits_for_both(void **state)
{
    struct scene *s = *state;

    add(s, 0, 0);
    keeper_group_start(&s->k);
    add(s, 1, 0);
    assert_int_equal(keeper_group_commit(&s->k), 0);
    assert_int_equal(s->done[0], 1);
    assert_int_equal(s->done[1], 2);
    assert_int_equal(syncs, 2);
    add(s, 2, 0);
    keeper_group_start(&s->k);
    add(s, 3, 0);
    assert_non_null(keeper_group_of(&s->k)); /* a group is open only when none is on its way */
    assert_int_equal(s->done[2], 3);
    assert_int_equal(s->done[3], 0);
    assert_int_equal(keeper_group_commit(&s->k), 0);
    assert_int_equal(s->done[3], 4);
    assert_int_equal(syncs, 4);
}

static void whoever_waits_for_a_sync_that_fails_is_told(void **state)
{
    struct scene *s = *state;

    hold = fail = true;
    add(s, 0, 0);
    keeper_group_start(&s->k);
    add(s, 1, 0);
    hold = false;
    assert_true(keeper_group_commit(&s->k) < 0);
    assert_int_equal(s->done[0], -EIO);
    assert_true(s->done[1] < 0);
    assert_null(keeper_group_of(&s->k));
    assert_int_equal(ledger_size(s->k.ledger), 0);
}

static void a_sync_that_fails_acknowledges_nothing_of_either_group(void **state)
{
    struct scene *s = *state;

    add(s, 0, 0);
    assert_int_equal(keeper_group_commit(&s->k), 0);
    hold = fail = true;
    add(s, 1, 0);
    keeper_group_start(&s->k);
    add(s, 2, 0);
    hold = false;
    until_free(s);
    assert_int_equal(s->done[1], -EIO);
    assert_int_equal(s->k.stopped, -EIO);
    fail = false;
    keeper_group_start(&s->k);
    assert_true(s->done[2] < 0);
    assert_true(keeper_group_free(&s->k));
    add(s, 3, 0);
    assert_true(keeper_group_commit(&s->k) < 0);
    assert_true(s->done[3] < 0);
    assert_int_equal(s->ended, 1);
    assert_int_equal(ledger_size(s->k.ledger), 1);
    assert_int_equal(syncs, 2); /* a failed one is never tried again */
    counting = false;
    close_all(s);
    s->k.stopped = 0;
    assert_int_equal(open_all(s),
                     0); /* group 1 may have reached the disk, group 2 was not written */
    assert_in_range(ledger_size(s->k.ledger), 1, 2);
}

static void an_act_that_cannot_join_ends_alone(void **state)
{
    struct scene *s = *state;

    add(s, 0, 0);
    add(s, 1, -EBADMSG);
    add(s, 2, 0);
    assert_int_equal(keeper_group_commit(&s->k), 0);
    assert_int_equal(s->done[1], -EBADMSG);
    assert_int_equal(s->ended, 2);
    assert_int_equal(ledger_size(s->k.ledger), 2);
    assert_int_equal(syncs, 1);
    add(s, 3, -E2BIG); /* alone: there is no room for it at all */
    assert_int_equal(keeper_group_commit(&s->k), 0);
    assert_int_equal(s->done[3], -E2BIG);
}

static void what_finds_no_room_is_for_the_next_group(void **state)
{
    struct scene *s = *state;

    add(s, 0, 0);
    add(s, 1, -E2BIG);
    add(s, 2, 0);
    keeper_group_start(&s->k);
    until_free(s);
    assert_int_equal(s->ended, 1);
    assert_int_equal(s->done[0], 1);
    add(s, 3, 0);
    assert_int_equal(keeper_group_commit(&s->k), 0);
    assert_int_equal(s->done[1], 2);
    assert_int_equal(s->done[2], 3);
    assert_int_equal(s->done[3], 4);
    assert_int_equal(syncs, 2);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(acts_that_come_while_a_group_is_on_its_way_are_the_next),
        T(who_wants_all_durable_waits_for_both),
        T(whoever_waits_for_a_sync_that_fails_is_told),
        T(a_sync_that_fails_acknowledges_nothing_of_either_group),
        T(an_act_that_cannot_join_ends_alone),
        T(what_finds_no_room_is_for_the_next_group),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Every cheat of the table, played on a generated history: caught by the claim it names, or not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "betray/betray.h"
#include "betray/history.h"
#include "ledger/tlog_tiles.h"

struct scene {
    char dir[40], path[6][80];
    struct trust *trust;
    struct audit_source src[2];
    struct betray_outcome *out;
};
static struct scene scene;

static int set_up(void **state)
{
    static const struct history_spec spec = {.submissions = 2,
                                             .withdrawn = 1,
                                             .move = true,
                                             .scans = true,
                                             .group = 12,
                                             .checkpoint = 1};
    static const char *const name[] = {
        "zrh1", "mow1", "trust.yaml", "keys", "receipts/CA.tlog-proof", "receipts/RU.tlog-proof"};
    char made[60];

    (void)state;
    (void)snprintf(scene.dir, sizeof(scene.dir), "/tmp/test-betray.XXXXXX");
    if (mkdtemp(scene.dir) == NULL)
        return -1;
    (void)snprintf(made, sizeof(made), "%s/h", scene.dir);
    if (history_make(made, &spec, NULL) != 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(name); i++)
        (void)snprintf(scene.path[i], sizeof(scene.path[i]), "%s/%s", made, name[i]);
    scene.src[0] = (struct audit_source){"zrh1", scene.path[0]};
    scene.src[1] = (struct audit_source){"mow1", scene.path[1]};
    scene.out = calloc(betray_cheats(), sizeof(*scene.out));
    return scene.out == NULL ? -1 : trust_load(&scene.trust, scene.path[2], NULL);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
    (void)st;
    (void)type;
    (void)f;
    return remove(path);
}

static int tear_down(void **state)
{
    (void)state;
    trust_free(scene.trust);
    free(scene.out);
    return nftw(scene.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void run(const char *only, size_t receipts)
{
    const char *const held[] = {scene.path[4], scene.path[5]};
    struct betray_options o = {
        .receipts = held, .n_receipts = receipts, .only = only, .tmp = scene.dir};
    struct err e = ERR_INIT;

    if (betray_run(scene.out, scene.trust, scene.src, 2, scene.path[3], &o, &e) != 0)
        fail_msg("%s", err_text(&e));
}

static void every_cheat_does_what_the_table_says(void **state)
{
    (void)state;
    run(NULL, 2);
    for (size_t i = 0; i < betray_cheats(); i++) {
        const struct betray_outcome *o = &scene.out[i];
        const struct betray_cheat *c = betray_cheat(i);

        if (!o->played)
            fail_msg("%s was not played: %s", c->name, o->sentence);
        if (c->claim == NULL ? o->caught : !o->caught || strcmp(o->claim, c->claim) != 0)
            fail_msg("%s: %s %s", c->name, o->caught ? o->claim : "not caught", o->sentence);
    }
    assert_int_equal(betray_exit(scene.out, betray_cheats()), 0);
}

/* One cheat for each way of playing: quick enough for every run of the tests. */
static void a_cheat_of_each_sort_is_caught_at_its_leaf(void **state)
{
    static const char *const names[] = {"edited-file", "wrong-zone", "copy-kept", "revoked-key"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        run(names[i], 2);
        for (size_t k = 0; k < betray_cheats(); k++) {
            if (strcmp(betray_cheat(k)->name, names[i]) != 0) {
                assert_false(scene.out[k].played);
                continue;
            }
            assert_true(scene.out[k].played && scene.out[k].caught);
            assert_string_equal(scene.out[k].claim, betray_cheat(k)->claim);
        }
    }
}

static void a_fork_needs_somebody_who_holds_a_receipt(void **state)
{
    (void)state;
    run("forked", 0);
    for (size_t i = 0; i < betray_cheats(); i++)
        assert_false(scene.out[i].played);
    run("forked", 1);
    for (size_t i = 0; i < betray_cheats(); i++)
        if (strcmp(betray_cheat(i)->name, "forked") == 0)
            assert_true(scene.out[i].caught);
}

/* ------------------------------------------------------------------ what an auditor remembers */

static void copy(const char *from, const char *to)
{
    struct buf b;

    buf_init(&b, CORE_NOTE_MAX);
    assert_int_equal(io_read_file(AT_FDCWD, from, &b), 0);
    assert_int_equal(io_create_file(AT_FDCWD, to, b.data, b.len, 0644), 0);
    buf_free(&b);
}

/* A ledger as it was when two thirds of its checkpoints were published; newest[] is that one. */
static void earlier(const char *dir, const char *view, char newest[240])
{
    char from[300], to[300];
    uint64_t *sizes;
    size_t n;

    assert_int_equal(mkdir(view, 0755), 0);
    for (int i = 0; i < 2; i++) {
        (void)snprintf(from, sizeof(from), "%.200s/%s", dir, i == 0 ? "tile" : "artifact");
        (void)snprintf(to, sizeof(to), "%.200s/%s", view, i == 0 ? "tile" : "artifact");
        assert_int_equal(symlink(from, to), 0);
    }
    (void)snprintf(to, sizeof(to), "%.200s/checkpoints", view);
    assert_int_equal(mkdir(to, 0755), 0);
    assert_int_equal(tlog_tiles_checkpoints(dir, &sizes, &n, NULL), 0);
    n = n * 2 / 3;
    assert_in_range(n, 2, 1000);
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(from, sizeof(from), "%.200s/checkpoints/%llu", dir,
                       (unsigned long long)sizes[i]);
        (void)snprintf(to, sizeof(to), "%.200s/checkpoints/%llu", view,
                       (unsigned long long)sizes[i]);
        copy(from, to);
    }
    (void)snprintf(newest, 240, "%.200s/checkpoint", view);
    copy(from, newest);
    free(sizes);
}

/* The auditor's memory of the first two thirds, as a state and as two checkpoints, leads to the
 * same findings of every cheat. */
static void a_state_catches_what_a_remembered_checkpoint_catches(void **state)
{
    const char *const held[] = {scene.path[4], scene.path[5]};
    struct betray_options o = {.receipts = held, .n_receipts = 2, .tmp = scene.dir};
    struct betray_outcome *by_state = calloc(betray_cheats(), sizeof(*by_state));
    char view[2][100], newest[2][240];
    const char *const remembered[] = {newest[0], newest[1]};
    struct audit_source src[2] = {{"zrh1", view[0]}, {"mow1", view[1]}};
    struct ed25519_key *auditor;
    struct err e = ERR_INIT;
    struct buf memory;
    struct audit *a;

    (void)state;
    for (int i = 0; i < 2; i++) {
        (void)snprintf(view[i], sizeof(view[i]), "%s/view%d", scene.dir, i);
        earlier(scene.path[i], view[i], newest[i]);
    }
    assert_int_equal(ed25519_generate(&auditor), 0);
    assert_int_equal(audit_run(&a, scene.trust, src, 2, NULL, &e), 0);
    buf_init(&memory, 65536);
    if (audit_state(a, auditor, &memory, &e) != 0)
        fail_msg("%s", err_text(&e));
    audit_free(a);
    ed25519_public(auditor, &o.state_key);
    o.state = buf_span(&memory);
    assert_int_equal(betray_run(by_state, scene.trust, scene.src, 2, scene.path[3], &o, &e), 0);
    o.state = span_of(NULL, 0);
    o.checkpoints = remembered;
    o.n_checkpoints = 2;
    assert_int_equal(betray_run(scene.out, scene.trust, scene.src, 2, scene.path[3], &o, &e), 0);
    for (size_t i = 0; i < betray_cheats(); i++) {
        const struct betray_outcome *x = &by_state[i], *y = &scene.out[i];

        if (x->played != y->played || x->caught != y->caught || strcmp(x->claim, y->claim) != 0 ||
            strcmp(x->site, y->site) != 0 || x->leaf != y->leaf)
            fail_msg("%s: %d %s %s, %d %s %s", x->cheat->name, x->caught, x->claim, x->sentence,
                     y->caught, y->claim, y->sentence);
        if (x->cheat->claim != NULL)
            assert_true(x->caught);
    }
    free(by_state);
    buf_free(&memory);
    ed25519_free(auditor);
}

static void a_history_that_is_broken_already_is_refused(void **state)
{
    struct audit_source one[] = {{"zrh1", scene.path[0]}};
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(betray_run(scene.out, scene.trust, one, 1, scene.path[3], NULL, &e), -EINVAL);
    assert_non_null(strstr(err_text(&e), "the history is not true to begin with"));
}

/* docs/betray.md ends in the table that the program prints. */
static void the_page_shows_the_programs_table(void **state)
{
    static char page[64 * 1024];
    FILE *f = fopen(getenv("BETRAY_MD"), "r");
    const char *table;
    struct buf out;
    size_t n;

    (void)state;
    assert_non_null(f);
    n = fread(page, 1, sizeof(page) - 1, f);
    (void)fclose(f);
    page[n] = '\0';
    table = strstr(page, "| cheat |");
    assert_non_null(table);
    buf_init(&out, sizeof(page));
    assert_int_equal(betray_markdown(&out), 0);
    assert_string_equal(table, buf_str(&out));
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest quick[] = {
        cmocka_unit_test(a_cheat_of_each_sort_is_caught_at_its_leaf),
        cmocka_unit_test(a_history_that_is_broken_already_is_refused),
        cmocka_unit_test(the_page_shows_the_programs_table),
    };
    const struct CMUnitTest slow[] = {
        cmocka_unit_test(every_cheat_does_what_the_table_says),
        cmocka_unit_test(a_fork_needs_somebody_who_holds_a_receipt),
    };

    const struct CMUnitTest remembered[] = {
        cmocka_unit_test(a_state_catches_what_a_remembered_checkpoint_catches),
    };
    const char *which = getenv("BETRAY_SLOW");

    if (which == NULL)
        return cmocka_run_group_tests(quick, set_up, tear_down);
    return strcmp(which, "state") == 0 ? cmocka_run_group_tests(remembered, set_up, tear_down)
                                       : cmocka_run_group_tests(slow, set_up, tear_down);
}

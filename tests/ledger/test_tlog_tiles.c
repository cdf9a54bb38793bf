#include "util.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/io.h"
#include "ledger/ledger.h"

static void names_of_tiles_are_the_pages(void **state)
{
    static const struct {
        struct tlog_tile t;
        const char *path;
    } v[] = {
        {{0, 0, 256}, "tile/0/000"},
        {{0, 1234067, 256}, "tile/0/x001/x234/067"},
        {{0, 273, 112}, "tile/0/273.p/112"},
        {{1, 1, 17}, "tile/1/001.p/17"},
        {{63, 999, 1}, "tile/63/999.p/1"},
        {{TLOG_TILES_ENTRIES, 1000, 256}, "tile/entries/x001/000"},
        {{TLOG_TILES_ENTRIES, 67, 255}, "tile/entries/067.p/255"},
        {{0, INT64_MAX / 256, 256}, "tile/0/x036/x028/x797/x018/x963/967"},
    };
    static const char *const bad[] = {
        "",
        "tile/",
        "tile/0/",
        "tile/0/00",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/0/001/001",
        "tile/0/x001",
        "tile/64/000",
        "tile/00/000",
        "tile/-1/000",
        "tile//000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000/",
        "tile/0/000.p",
        "tile/entries000",
        "tile/data/000",
        "tile/0/../000",
        "/tile/0/000",
        "tile/0/x001/x001/x001/x001/x001/x001/x001/001",
    };
    char path[TLOG_TILES_PATH_MAX];
    struct tlog_tile t;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        tlog_tiles_path(path, &v[i].t);
        assert_string_equal(path, v[i].path);
        assert_int_equal(tlog_tiles_unpath(&t, span_str(path)), 0);
        assert_true(t.level == v[i].t.level && t.index == v[i].t.index && t.width == v[i].t.width);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (tlog_tiles_unpath(&t, span_str(bad[i])) != -EBADMSG)
            fail_msg("\"%s\" was accepted", bad[i]);
    assert_int_equal(tlog_tiles_unpath(&t, span_of("tile/0/000\0", 11)), -EBADMSG);
}

static void widths_are_those_of_the_pages_example(void **state)
{
    (void)state;
    assert_int_equal(tlog_tiles_width(0, 272, 70000), 256);
    assert_int_equal(tlog_tiles_width(0, 273, 70000), 112);
    assert_int_equal(tlog_tiles_width(0, 274, 70000), 0);
    assert_int_equal(tlog_tiles_width(TLOG_TILES_ENTRIES, 273, 70000), 112);
    assert_int_equal(tlog_tiles_width(1, 0, 70000), 256);
    assert_int_equal(tlog_tiles_width(1, 1, 70000), 17);
    assert_int_equal(tlog_tiles_width(2, 0, 70000), 1);
    assert_int_equal(tlog_tiles_width(3, 0, 70000), 0);
    assert_int_equal(tlog_tiles_width(0, 0, 256), 256);
    assert_int_equal(tlog_tiles_width(0, 1, 256), 0);
    assert_int_equal(tlog_tiles_width(1, 0, 256), 1);
    assert_int_equal(tlog_tiles_width(0, UINT64_MAX, INT64_MAX), 0);
}

static void bundles_have_exactly_their_leaves(void **state)
{
    static const uint8_t two[] = {0, 1, 'a', 0, 0};
    struct span leaf[256];

    (void)state;
    assert_int_equal(tlog_tiles_split(span_of(two, 5), 2, true, leaf), 0);
    assert_true(leaf[0].n == 1 && leaf[0].p[0] == 'a' && leaf[1].n == 0);
    assert_int_equal(tlog_tiles_split(span_of(two, 5), 1, true, leaf), -EBADMSG);
    assert_int_equal(tlog_tiles_split(span_of(two, 5), 1, false, leaf), 0);
    for (size_t n = 0; n < 5; n++)
        assert_int_equal(tlog_tiles_split(span_of(two, n), 2, true, leaf), -EBADMSG);
    assert_int_equal(tlog_tiles_split(span_of(two, 5), 3, false, leaf), -EBADMSG);
    assert_int_equal(tlog_tiles_split(span_of(two, 5), 257, false, leaf), -EINVAL);
}

/* A ledger of `size` leaves, flushed. */
static int setup(void **state)
{
    char *dir = util_dir(), text[32];
    struct ledger *l;

    assert_int_equal(ledger_open(&l, dir, NULL), 0);
    for (uint64_t i = 0; i < 600; i++) {
        struct span s = util_leaf(i, text);

        assert_int_equal(ledger_append(l, &s, 1, NULL), 0);
    }
    assert_int_equal(ledger_flush(l, NULL), 0);
    ledger_close(l);
    *state = dir;
    return 0;
}

static int teardown(void **state)
{
    util_rm(*state);
    return 0;
}

static char *at(const char *dir, const char *name)
{
    static char path[300];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static int walk(const char *dir, bool with_tiles, struct err *e)
{
    struct tlog_walk w = {.with_tiles = with_tiles};
    struct core_range r = {0};
    struct tlog_tiles *t;
    int rc;

    assert_int_equal(tlog_tiles_open(&t, dir, 600, NULL), 0);
    rc = tlog_tiles_walk(t, &r, 600, &w, e);
    tlog_tiles_close(t);
    return rc;
}

static void a_missing_or_cut_or_strange_file_is_named(void **state)
{
    const char *dir = *state;
    struct err e = ERR_INIT;

    assert_int_equal(walk(dir, true, &e), 0);
    assert_int_equal(truncate(at(dir, "tile/entries/001"), 100), 0);
    assert_int_equal(walk(dir, false, &e), -EBADMSG);
    assert_non_null(strstr(err_text(&e), "tile/entries/001"));
    assert_non_null(strstr(err_text(&e), "fetch it again"));
    e = (struct err)ERR_INIT;
    assert_int_equal(unlink(at(dir, "tile/entries/001")), 0);
    assert_int_equal(walk(dir, false, &e), -ENOENT);
    assert_non_null(strstr(err_text(&e), "tile/entries/001\" is missing"));
    e = (struct err)ERR_INIT;
    assert_int_equal(mkfifo(at(dir, "tile/entries/001"), 0600), 0);
    assert_int_equal(walk(dir, false, &e), -EBADMSG); /* and does not block */
    assert_non_null(strstr(err_text(&e), "not a regular file"));
    e = (struct err)ERR_INIT;
    assert_int_equal(unlink(at(dir, "tile/entries/001")), 0);
    assert_int_equal(mknod(at(dir, "tile/entries/001"), S_IFREG | 0600, 0), 0);
    assert_int_equal(truncate(at(dir, "tile/entries/001"), (off_t)1 << 40), 0);
    assert_int_equal(walk(dir, false, &e), -EBADMSG); /* nothing of that size was allocated */
    assert_non_null(strstr(err_text(&e), "longer than 256 leaves"));
}

static void a_tile_that_is_not_the_hashes_of_its_leaves_is_found(void **state)
{
    static const char *const tiles[] = {"tile/0/000", "tile/0/001", "tile/0/002.p/88",
                                        "tile/1/000.p/2"};
    const char *dir = *state;

    for (size_t i = 0; i < ARRAY_LEN(tiles); i++) {
        struct err e = ERR_INIT;
        int fd = open(at(dir, tiles[i]), O_RDWR);
        uint8_t b;

        assert_int_equal(pread(fd, &b, 1, 40), 1);
        b ^= 0x80;
        assert_int_equal(pwrite(fd, &b, 1, 40), 1);
        assert_int_equal(walk(dir, true, &e), -EBADMSG);
        assert_non_null(strstr(err_text(&e), tiles[i]));
        assert_int_equal(walk(dir, false, &e), 0);
        b ^= 0x80;
        assert_int_equal(pwrite(fd, &b, 1, 40), 1);
        close(fd);
    }
    assert_int_equal(walk(dir, true, NULL), 0);
}

struct seen {
    uint64_t next, stop;
};

static int see(void *arg, uint64_t index, struct span leaf, struct err *e)
{
    struct seen *s = arg;
    char text[32];
    struct span want = util_leaf(index, text);

    (void)e;
    assert_true(index == s->next);
    assert_true(span_eq(leaf, want));
    if (s->next == s->stop)
        return -ECANCELED;
    s->next++;
    return 0;
}

static void walks_go_from_checkpoint_to_checkpoint(void **state)
{
    struct seen seen = {0, 1000};
    struct tlog_walk w = {see, &seen, true};
    struct core_range r = {0};
    struct digest root, want;
    struct tlog_tiles *t;

    assert_int_equal(tlog_tiles_open(&t, *state, 600, NULL), 0);
    for (uint64_t to = 1; to <= 600; to += to < 30 ? 1 : 57) {
        assert_int_equal(tlog_tiles_walk(t, &r, to, &w, NULL), 0);
        core_range_root(&note_crypto, &r, &root);
        util_mth(0, to, &want);
        assert_memory_equal(root.b, want.b, 32);
        assert_int_equal(tlog_tiles_root(t, to, &root, NULL), 0);
        assert_memory_equal(root.b, want.b, 32);
        assert_true(seen.next == to);
    }
    assert_int_equal(tlog_tiles_walk(t, &r, 600, &w, NULL), 0);
    assert_int_equal(tlog_tiles_walk(t, &r, 601, &w, NULL), -EINVAL);
    assert_int_equal(tlog_tiles_walk(t, &r, 5, &w, NULL), -EINVAL);
    r.size = 7;
    assert_int_equal(tlog_tiles_walk(t, &r, 9, &w, NULL), -EINVAL); /* tiles want the start */
    memset(&r, 0, sizeof(r));
    seen = (struct seen){0, 300};
    assert_int_equal(tlog_tiles_walk(t, &r, 600, &w, NULL), -ECANCELED);
    assert_true(seen.next == 300);
    tlog_tiles_close(t);
}

static void a_reader_grows_but_never_shrinks(void **state)
{
    struct tlog_tiles *t;
    struct digest root, want;

    assert_int_equal(tlog_tiles_open(&t, *state, 512, NULL), 0);
    assert_int_equal(tlog_tiles_root(t, 513, &root, NULL), -EINVAL);
    assert_int_equal(tlog_tiles_grow(t, 600, NULL), 0);
    assert_int_equal(tlog_tiles_grow(t, 599, NULL), -EINVAL);
    assert_int_equal(tlog_tiles_root(t, 600, &root, NULL), 0);
    util_mth(0, 600, &want);
    assert_memory_equal(root.b, want.b, 32);
    tlog_tiles_close(t);
}

static void checkpoints_are_listed_in_order_and_strange_names_refused(void **state)
{
    static const char *const names[] = {"100", "9", "0", "23", ".half"};
    const char *dir = *state;
    struct err e = ERR_INIT;
    uint64_t *sizes;
    size_t n;

    assert_int_equal(tlog_tiles_checkpoints(dir, &sizes, &n, NULL), 0);
    assert_int_equal(n, 0);
    free(sizes);
    assert_int_equal(mkdir(at(dir, "checkpoints"), 0755), 0);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char name[40];

        (void)snprintf(name, sizeof(name), "checkpoints/%s", names[i]);
        assert_int_equal(mknod(at(dir, name), S_IFREG | 0600, 0), 0);
    }
    assert_int_equal(tlog_tiles_checkpoints(dir, &sizes, &n, NULL), 0);
    assert_int_equal(n, 4);
    assert_true(sizes[0] == 0 && sizes[1] == 9 && sizes[2] == 23 && sizes[3] == 100);
    free(sizes);
    assert_int_equal(mknod(at(dir, "checkpoints/007"), S_IFREG | 0600, 0), 0);
    assert_int_equal(tlog_tiles_checkpoints(dir, &sizes, &n, &e), -EBADMSG);
    assert_non_null(strstr(err_text(&e), "007"));
    assert_null(sizes);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_tiles_are_the_pages),
        cmocka_unit_test(widths_are_those_of_the_pages_example),
        cmocka_unit_test(bundles_have_exactly_their_leaves),
        T(a_missing_or_cut_or_strange_file_is_named),
        T(a_tile_that_is_not_the_hashes_of_its_leaves_is_found),
        T(walks_go_from_checkpoint_to_checkpoint),
        T(a_reader_grows_but_never_shrinks),
        T(checkpoints_are_listed_in_order_and_strange_names_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Power cuts while a client sends: a receipt that came back as kept is there, whole; the state can
 * be read and says nothing untrue, so that a run goes on without anybody's hands. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/text.h"
#include "capi/client_shelf.h"
#include "capi/client_state.h"
#include "events/receipt_pack.h"
#include "faultfs/crash.h"

enum { NOTED = 1, KEPT };

static struct crash_tally tally;

static struct id128 sub_of(unsigned n)
{
    struct id128 id;

    memset(&id, 0, sizeof(id));
    id.b[0] = (uint8_t)n;
    id.b[15] = 0x5a;
    return id;
}

/* About a kilobyte, so that receipts have sectors to lose. */
static size_t receipt_of(unsigned n, char out[2048])
{
    size_t len = 600 + n * 37 % 900;

    memset(out, 'a' + (int)(n % 26), len);
    out[len - 1] = '\n';
    return len;
}

static void path_of(unsigned n, char out[128])
{
    (void)snprintf(out, 128, "/home/somebody/files with a long name/number %u.bin", n);
}

static int note(struct client_state *s, unsigned n, enum client_stage stage)
{
    struct client_entry e = {.sub = sub_of(n), .stage = stage, .size = n * 1000U, .mtime = n};
    char path[128];

    path_of(n, path);
    e.path = path;
    (void)snprintf(e.site, sizeof(e.site), "zrh1");
    return client_state_put(s, &e, NULL);
}

/* --- the check --- */

/* From its own file, or from a pack; every pack that has its name is whole. */
static int find_receipt(const char *folder, const struct id128 *id, struct buf *out)
{
    char path[400], hex[33];
    struct span receipt;
    struct dirent *d;
    struct buf text;
    DIR *all;
    int rc;

    text_id(hex, id);
    (void)snprintf(path, sizeof(path), "%s/receipts/%s.tlog-proof", folder, hex);
    rc = io_read_file(AT_FDCWD, path, out);
    (void)snprintf(path, sizeof(path), "%s/receipts", folder);
    if ((all = opendir(path)) == NULL)
        return rc;
    buf_init(&text, RECEIPT_PACK_MAX);
    while ((d = readdir(all)) != NULL) {
        struct id128 sub;
        struct cur c;
        int got;

        if (d->d_name[0] == '.' || strstr(d->d_name, CLIENT_SHELF_PACK) == NULL)
            continue;
        (void)snprintf(path, sizeof(path), "%s/receipts/%s", folder, d->d_name);
        buf_reset(&text);
        assert_int_equal(io_read_file(AT_FDCWD, path, &text), 0);
        c = cur_of(buf_span(&text));
        while ((got = receipt_pack_next(&c, &sub, &receipt, NULL)) == 0)
            if (memcmp(&sub, id, sizeof(sub)) == 0 && rc != 0)
                rc = buf_put(out, receipt.p, receipt.n);
        assert_int_equal(got, -ENOENT);
    }
    (void)closedir(all);
    buf_free(&text);
    return rc;
}

static void check_receipt(const char *folder, unsigned n, bool must)
{
    char want[2048];
    size_t len = receipt_of(n, want);
    struct id128 id = sub_of(n);
    struct buf b;
    int rc;

    buf_init(&b, 4096);
    rc = find_receipt(folder, &id, &b);
    if (must && rc != 0)
        fail_msg("the receipt of %u was kept and is gone: %d", n, rc);
    if (rc == 0 && (b.len != len || memcmp(b.data, want, len) != 0))
        fail_msg("the receipt of %u is not whole: %zu bytes of %zu", n, b.len, len);
    buf_free(&b);
}

static void check(const char *folder, const struct calls_mark *m, size_t n, void *arg)
{
    struct client_state *s;
    struct err e = ERR_INIT;
    char path[200];
    int rc;

    (void)arg;
    (void)snprintf(path, sizeof(path), "%s/state", folder);
    for (unsigned round = 0; round < 2; round++) { /* the second finds what the first mended */
        if ((rc = client_state_open(&s, path, &e)) != 0)
            fail_msg("the state does not open: %d %s", rc, err_text(&e));
        for (unsigned i = 1; i < 60; i++) {
            struct id128 id = sub_of(i);
            const struct client_entry *entry = client_state_sub(s, &id);
            char want[128];

            path_of(i, want);
            if (entry != NULL && (strcmp(entry->path, want) != 0 || entry->size != i * 1000U ||
                                  strcmp(entry->site, "zrh1") != 0))
                fail_msg("the state says of %u: %s, %llu bytes", i, entry->path,
                         (unsigned long long)entry->size);
        }
        assert_int_equal(note(s, 59, STAGE_DONE), 0);
        client_state_close(s);
    }
    for (size_t i = 0; i < n; i++)
        check_receipt(folder, (unsigned)m[i].value, m[i].what == KEPT);
}

/* --- the life --- */

static unsigned take(struct client_shelf *shelf, struct client_state *s)
{
    struct pollfd p = {.fd = client_shelf_fd(shelf), .events = POLLIN};
    struct err e = ERR_INIT;
    unsigned n = 0;
    void *arg;
    int rc;

    (void)poll(&p, 1, 1000);
    while (client_shelf_next(shelf, &arg, &rc, &e)) {
        unsigned which = (unsigned)(uintptr_t)arg;

        n++;
        if (rc != 0)
            continue;
        calls_mark(KEPT, which, NULL);
        (void)!note(s, which, STAGE_PENDING);
    }
    return n;
}

static void send_some(struct client_shelf *shelf, struct client_state *s, unsigned first,
                      unsigned count, enum client_shelf_place place)
{
    unsigned back = 0;

    for (unsigned n = first; n < first + count; n++) {
        struct id128 id = sub_of(n);
        char text[2048];
        size_t len = receipt_of(n, text);

        (void)!note(s, n, STAGE_DRAWN);
        calls_mark(NOTED, n, NULL);
        if (client_shelf_put(shelf, &id, ".tlog-proof", place, span_of(text, len),
                             (void *)(uintptr_t)n) != 0)
            back++;
    }
    client_shelf_hurry(shelf);
    while (back < count)
        back += take(shelf, s);
}

static bool live(void)
{
    struct client_shelf *shelf;
    struct client_state *s;
    char path[200];

    (void)snprintf(path, sizeof(path), "%s/state", crash_dir);
    if (client_state_open(&s, path, NULL) != 0)
        return false;
    (void)snprintf(path, sizeof(path), "%s/receipts", crash_dir);
    if (io_mkdirs_synced(AT_FDCWD, path) == 0 && client_shelf_open(&shelf, path, NULL) == 0) {
        send_some(shelf, s, 1, 2, SHELF_ALONE);   /* synced one by one */
        send_some(shelf, s, 10, 9, SHELF_PACKED); /* in a pack */
        send_some(shelf, s, 10, 7, SHELF_ALONE);  /* with one sync */
        (void)!client_shelf_tidy(shelf, ".tlog-proof", NULL);
        send_some(shelf, s, 17, 2, SHELF_ALONE); /* and the last two of the pack */
        (void)!client_shelf_tidy(shelf, ".tlog-proof", NULL);
        send_some(shelf, s, 30, 3, SHELF_PACKED);
        client_shelf_close(shelf);
    }
    client_state_close(s);
    return true;
}

static void what_was_kept_is_there_after_every_crash(void **state)
{
    bool soak = getenv("SOAK_ROUNDS") != NULL;
    const struct crash_plan p = {.every = soak ? 1 : 2, .seeds = soak ? 20 : 3, .seed = 11};

    (void)state;
    calls_watch(crash_dir);
    assert_true(live());
    crash_enumerate(calls_take(), &p, check, NULL, &tally);
    print_message("%zu moments, %zu crash points\n", tally.moments, tally.points);
    assert_true(tally.points > 200);
}

static void a_failed_sync_keeps_no_receipt(void **state)
{
    const struct crash_plan p = {.every = 9, .seeds = 1, .seed = 3};
    unsigned k = 1;

    (void)state;
    for (bool failed = true; failed; k++) {
        calls_watch(crash_dir);
        calls_fail(k, 1U << CALL_SYNC, EIO, 1);
        (void)live();
        failed = calls_failed();
        calls_fail(0, 0, 0, 0);
        crash_enumerate(calls_take(), &p, check, NULL, &tally);
        crash_afresh();
    }
    assert_true(k > 8);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, crash_set_up, crash_tear_down)
    const struct CMUnitTest tests[] = {
        T(what_was_kept_is_there_after_every_crash),
        T(a_failed_sync_keeps_no_receipt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Catalog and tiles are derived: thrown away, `glarus site rebuild` makes them again from the
 * journal, and the site goes on as if nothing had happened.  What does not fit together is refused,
 * untouched. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "crypto/secret.h"
#include "ledger/tlog_tiles.h"
#include "rig_client.h"
#include "rig_priv.h"
#include "site/rebuild.h"

#define FILES 40
#define COPY "tiles-before"

static struct rig *r;
static struct rig_sub sub[FILES];

static int set_up(void **state)
{
    const struct rig_plan plan = {.sites = 1, .scanning = true};

    r = rig_open(&plan);
    return 0;
}

static int tear_down(void **state)
{
    for (size_t i = 0; i < FILES; i++)
        rig_sub_free(&sub[i]);
    rig_close(r);
    return 0;
}

static void PRINTF_LIKE(1, 2) run(const char *fmt, ...)
{
    char line[1024];
    int status;
    pid_t pid;
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)execl("/bin/sh", "sh", "-c", line, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status != 0)
        fail_msg("\"%s\" failed", line);
}

/* It jails its process for good, so in one of its own.  The result of site_rebuild. */
static int rebuild(struct rebuild_report *out, char text[ERR_TEXT_MAX])
{
    struct {
        int rc;
        struct rebuild_report report;
        char text[ERR_TEXT_MAX];
    } answer;
    int p[2], status;
    pid_t pid;

    assert_int_equal(pipe(p), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct err e = ERR_INIT;

        memset(&answer, 0, sizeof(answer));
        answer.rc = site_rebuild(r->site[0].config, NULL, NULL, &answer.report, &e);
        (void)snprintf(answer.text, sizeof(answer.text), "%s", err_text(&e));
        _exit(io_write_all(p[1], &answer, sizeof(answer)) == 0 ? 0 : 1);
    }
    (void)close(p[1]);
    rig_ok(io_read_full(p[0], &answer, sizeof(answer)), NULL);
    (void)close(p[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    *out = answer.report;
    memcpy(text, answer.text, ERR_TEXT_MAX);
    return answer.rc;
}

#define KILLED 99

/* In its jail it may not send a signal; nothing of its own runs after this either. */
static void die(void *arg, uint64_t done, uint64_t total)
{
    const unsigned *quarter = arg;

    if (done >= total * *quarter / 4)
        _exit(KILLED);
}

static void rebuild_killed(unsigned quarter)
{
    struct rebuild_report report;
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        _exit(site_rebuild(r->site[0].config, die, &quarter, &report, NULL) == 0 ? 0 : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == KILLED);
}

static void send(size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        uint8_t bytes[3000];
        struct rig_state now;

        random_bytes(bytes, sizeof(bytes));
        rig_sub_new(r, &sub[i], "CH");
        rig_submit(r, 0, &sub[i], span_of(bytes, sizeof(bytes)), "a file", NULL);
        rig_await(r, 0, &sub[i], "scanned", &now);
        if (i % 8 == 0)
            rig_settle(r, 0); /* several checkpoints, each with partial tiles of its own */
    }
}

/* --- every new tile was there before, and every checkpoint has its tiles --- */

static char before[256], after[256];
static size_t compared;

static int compare_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    char old[600];
    struct buf a, b;

    if (type != FTW_F)
        return 0;
    (void)snprintf(old, sizeof(old), "%s%s", before, path + strlen(after));
    buf_init(&a, 1 << 24);
    buf_init(&b, 1 << 24);
    rig_ok(io_read_file(AT_FDCWD, path, &a), NULL);
    rig_ok(io_read_file(AT_FDCWD, old, &b), NULL);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
    buf_free(&a);
    buf_free(&b);
    compared++;
    return 0;
}

static void tiles_are_the_same(void)
{
    char dir[160];
    uint64_t *sizes;
    size_t n;
    struct err e = ERR_INIT;

    (void)snprintf(before, sizeof(before), "%s/" COPY, r->dir);
    (void)snprintf(after, sizeof(after), "%s/ledger/tile", r->site[0].data);
    compared = 0;
    assert_int_equal(nftw(after, compare_one, 16, FTW_PHYS), 0);
    assert_true(compared >= 4);
    (void)snprintf(dir, sizeof(dir), "%s/ledger", r->site[0].data);
    rig_ok(tlog_tiles_checkpoints(dir, &sizes, &n, &e), &e);
    assert_true(n >= 4);
    for (size_t i = 0; i < n; i++)
        for (unsigned level = 0; level <= TLOG_TILES_ENTRIES; level += TLOG_TILES_ENTRIES) {
            struct tlog_tile t = {level, sizes[i] / 256, (unsigned)(sizes[i] % 256)};
            char name[TLOG_TILES_PATH_MAX], path[300];

            if (t.width == 0 || t.index < sizes[n - 1] / 256)
                continue; /* full since: the partial one may be gone */
            tlog_tiles_path(name, &t);
            (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
            assert_int_equal(access(path, R_OK), 0);
        }
    free(sizes);
}

static void what_was_derived_is_made_again(void **state)
{
    const char *data = r->site[0].data;
    char text[ERR_TEXT_MAX];
    struct rebuild_report report;
    struct rig_state now;
    struct audit *a;
    uint64_t leaves;

    send(0, FILES - 4);
    assert_int_equal(rig_order(r, 0, &sub[0], "withdraw", NULL, NULL, NULL), 202);
    rig_turn_epoch(r, 0);
    send(FILES - 4, FILES - 2);
    rig_settle(r, 0);
    leaves = rig_metric(r, 0, "site_ledger_size");

    assert_int_equal(rebuild(&report, text), -EBUSY);
    assert_non_null(strstr(text, "the site is running"));

    rig_stop(r, 0);
    run("cp -a %s/ledger/tile %s/" COPY, data, r->dir);
    run("rm -r %s/ledger/tile %s/ledger/.edge", data, data);
    run("echo garbage >%s/catalog.db", data);
    rig_ok(rebuild(&report, text), NULL);
    assert_int_equal(report.leaves, leaves);
    assert_int_equal(report.published, leaves);
    assert_int_equal(report.live, FILES - 3); /* of FILES - 2 sent, one withdrawn */
    assert_int_equal(report.moves, 0);
    tiles_are_the_same();

    rig_start(r, 0);
    for (size_t i = 1; i < FILES - 2; i++) {
        assert_int_equal(rig_trace(r, 0, &sub[i], &now), 200);
        assert_true(now.accepted && now.scanned && !now.withdrawn);
        assert_int_equal(now.size, 3000);
    }
    assert_int_equal(rig_slots(r, 0), FILES - 3);
    send(FILES - 2, FILES);
    rig_settle(r, 0);
    a = rig_audit(r);
    rig_proved(a, "ledger.append-only", rig_metric(r, 0, "site_ledger_size"), 0);
    rig_proved(a, "intake.consent", FILES, 0);
    audit_free(a);
}

static void another_history_is_refused_and_nothing_changes(void **state)
{
    char text[ERR_TEXT_MAX], path[200];
    struct rebuild_report report;
    struct buf note, broken;

    rig_stop(r, 0);
    (void)snprintf(path, sizeof(path), "%s/ledger/checkpoint", r->site[0].data);
    buf_init(&note, CORE_NOTE_MAX);
    buf_init(&broken, CORE_NOTE_MAX);
    rig_ok(io_read_file(AT_FDCWD, path, &note), NULL);
    rig_ok(buf_put(&broken, note.data, note.len), NULL);
    { /* the first character of the root, on the third line */
        uint8_t *line = memchr(broken.data, '\n', broken.len);

        line = memchr(line + 1, '\n', broken.len - (size_t)(line + 1 - broken.data));
        line[1] = line[1] == 'A' ? 'B' : 'A';
    }
    rig_ok(io_replace_file(AT_FDCWD, path, broken.data, broken.len, 0644), NULL);
    run("cp -a %s/catalog.db %s/catalog-before", r->site[0].data, r->dir);
    assert_int_equal(rebuild(&report, text), -EBADMSG);
    assert_non_null(strstr(text, "two histories"));
    run("cmp %s/catalog.db %s/catalog-before", r->site[0].data, r->dir);

    rig_ok(io_replace_file(AT_FDCWD, path, note.data, note.len, 0644), NULL);
    rig_ok(rebuild(&report, text), NULL); /* what the refused one left is no hindrance */
    run("! ls %s | grep rebuild", r->site[0].data);
    rig_start(r, 0);
    assert_int_equal(rig_slots(r, 0), FILES - 1);
    buf_free(&note);
    buf_free(&broken);
}

static void one_that_is_killed_leaves_what_was_there(void **state)
{
    const char *data = r->site[0].data;
    struct rebuild_report report;
    char text[ERR_TEXT_MAX];

    rig_stop(r, 0);
    run("cp -a %s/catalog.db %s/catalog-whole", data, r->dir);
    for (unsigned quarter = 0; quarter <= 4; quarter++) {
        rebuild_killed(quarter);
        run("cmp %s/catalog.db %s/catalog-whole", data, r->dir);
        run("test -e %s/catalog.rebuild", data);
    }
    rig_start(r, 0); /* which looks at nothing of it */
    assert_int_equal(rig_slots(r, 0), FILES - 1);
    rig_stop(r, 0);
    rig_ok(rebuild(&report, text), NULL);
    run("! ls %s | grep rebuild", data);
    rig_start(r, 0);
    assert_int_equal(rig_slots(r, 0), FILES - 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_derived_is_made_again),
        cmocka_unit_test(another_history_is_refused_and_nothing_changes),
        cmocka_unit_test(one_that_is_killed_leaves_what_was_there),
    };

    rig_args(argc, argv);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

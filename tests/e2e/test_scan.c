/* Scanning through a real site: every file of clamav-testfiles is found, with what it held; the
 * same bytes again are not scanned again; new rules come with SIGHUP and bad ones change nothing.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "rig_client.h"
#include "rig_priv.h"

#define SAMPLES "/usr/share/clamav-testfiles"
#define SAMPLES_MAX 64
/* clam.exe, the one file that all others hold */
#define CLAM "71e7b604d18aefd839e51a39c88df8383bb4c071dc31f87f00a2b5df580d4495"

static struct rig *r;
static char rules[] = "/tmp/scan-rules-XXXXXX";

static void rule(const char *name, const char *text)
{
    char path[128];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/%s", rules, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(io_write_all(fd, text, strlen(text)), 0);
    io_close(&fd);
}

static int set_up(void **state)
{
    struct rig_plan plan = {.sites = 1, .scanning = true, .rules = rules};

    (void)state;
    assert_non_null(mkdtemp(rules));
    assert_int_equal(chmod(rules, 0755), 0);
    rule("clam.hdb", "aa15bcf478d165efd2065190eb473bcb:544:ClamAV-Test-File\n");
    r = rig_open(&plan);
    return 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"clam.hdb", "marker.yar"};
    char path[128];

    (void)state;
    rig_close(r);
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", rules, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(rules);
    return 0;
}

static void read_sample(const char *name, struct buf *b)
{
    char path[512];

    buf_init(b, RIG_OBJECT_MAX);
    (void)snprintf(path, sizeof(path), "%s/%s", SAMPLES, name);
    assert_int_equal(io_read_file(AT_FDCWD, path, b), 0);
}

static void every_test_file_is_malicious_with_what_it_held(void **state)
{
    static struct rig_sub sub[SAMPLES_MAX];
    char name[SAMPLES_MAX][64];
    DIR *d = opendir(SAMPLES);
    struct rig_state st;
    struct dirent *en;
    size_t n = 0, found = 0, chains = 0;

    (void)state;
    assert_non_null(d); /* Debian's clamav-testfiles */
    while ((en = readdir(d)) != NULL && n < SAMPLES_MAX) {
        struct buf b;

        if (en->d_name[0] == '.')
            continue;
        (void)snprintf(name[n], sizeof(name[n]), "%.63s", en->d_name);
        read_sample(name[n], &b);
        rig_sub_new(r, &sub[n], "CH");
        rig_submit(r, RIG_ZRH, &sub[n], buf_span(&b), name[n], NULL);
        buf_free(&b);
        n++;
    }
    (void)closedir(d);
    assert_int_equal(n, 44);
    for (size_t i = 0; i < n; i++) {
        rig_await(r, RIG_ZRH, &sub[i], "scanned", &st);
        if (strcmp(st.verdict, "malicious") == 0 && strcmp(st.names, "ClamAV-Test-File") == 0)
            found++;
        else
            print_message("%s: %s\n", name[i], st.verdict);
        /* those that the walk opens lead down to clam.exe itself */
        if (strcmp(st.deepest_bad, CLAM) == 0)
            chains++;
        rig_sub_free(&sub[i]);
    }
    assert_int_equal(found, 44);
    print_message("%zu chains end at clam.exe\n", chains);
    assert_true(chains >= 10); /* 7z, zip twice, cab, cpio five times, bz2, tar.gz, ... */
}

static void the_same_bytes_are_not_scanned_again(void **state)
{
    uint64_t before = rig_metric(r, RIG_ZRH, "site_scans_spared_total");
    struct rig_state first, again;
    struct rig_sub s;
    struct buf b;

    (void)state;
    read_sample("clam.tar.gz", &b);
    for (int i = 0; i < 2; i++) {
        rig_sub_new(r, &s, "CH");
        rig_submit(r, RIG_ZRH, &s, buf_span(&b), "again", NULL);
        rig_await(r, RIG_ZRH, &s, "scanned", i == 0 ? &first : &again);
        rig_sub_free(&s);
    }
    assert_int_equal(rig_metric(r, RIG_ZRH, "site_scans_spared_total"), before + 2);
    assert_string_equal(first.verdict, "malicious");
    assert_string_equal(again.verdict, "malicious");
    assert_string_equal(again.names, "ClamAV-Test-File");
    assert_string_equal(again.deepest_bad, CLAM);
    assert_int_equal(again.members, 2);
    assert_int_equal(again.chain, 2);
    buf_free(&b);
}

static void scan_text(const char *text, struct rig_state *st)
{
    struct rig_sub s;

    rig_sub_new(r, &s, "CH");
    rig_submit(r, RIG_ZRH, &s, span_str(text), "text", NULL);
    rig_await(r, RIG_ZRH, &s, "scanned", st);
    rig_sub_free(&s);
}

static void new_rules_come_while_it_runs_and_bad_ones_change_nothing(void **state)
{
    char marker[33], text[160], sample[2][64];
    uint8_t random[16];
    struct rig_state st;
    struct audit *a;
    size_t at = 0;

    (void)state;
    assert_int_equal(getrandom(random, sizeof(random), 0), sizeof(random));
    text_hex(marker, random, sizeof(random));
    for (int i = 0; i < 2; i++)
        (void)snprintf(sample[i], sizeof(sample[i]), "%d %s", i, marker);
    scan_text(sample[0], &st);
    assert_string_equal(st.verdict, "clean");
    (void)snprintf(text, sizeof(text),
                   "rule Marker_Of_This_Run { strings: $a = \"%s\" condition: $a }\n", marker);
    rule("marker.yar", text);
    assert_int_equal(kill(r->site[RIG_ZRH].pid, SIGHUP), 0);
    rig_await_log(r, RIG_ZRH, "new rules serve", &at);
    scan_text(sample[0], &st); /* judged before, but by other rules */
    assert_string_equal(st.verdict, "malicious");
    assert_string_equal(st.names, "Marker_Of_This_Run");

    rule("marker.yar", "rule Broken {\n  condition:\n    $nowhere\n}\n");
    assert_int_equal(kill(r->site[RIG_ZRH].pid, SIGHUP), 0);
    rig_await_log(r, RIG_ZRH, "marker.yar:4:", &at);
    rig_await_log(r, RIG_ZRH, "the old ones serve on", &at);
    scan_text(sample[1], &st);
    assert_string_equal(st.verdict, "malicious");

    /* every verdict is by rules that the ledger says were loaded before */
    rig_settle(r, RIG_ZRH);
    a = rig_audit(r);
    rig_proved(a, "detect.explained", 44 + 2 + 3, 0);
    audit_free(a);
}

/* Processes of the engine whose executable ends so: its warden outside, and the server. */
static size_t engine_processes(const char *name, pid_t *out, size_t max)
{
    pid_t all[64];
    size_t n = rig_processes(r, RIG_ZRH, all, ARRAY_LEN(all)), k = 0;

    for (size_t i = 0; i < n; i++) {
        char path[32], exe[512];
        ssize_t len;

        (void)snprintf(path, sizeof(path), "/proc/%d/exe", all[i]);
        len = readlink(path, exe, sizeof(exe) - 1);
        exe[len > 0 ? len : 0] = '\0';
        if (strlen(exe) >= strlen(name) && strcmp(exe + strlen(exe) - strlen(name), name) == 0 &&
            k < max)
            out[k++] = all[i];
    }
    return k;
}

static void wait_until_out(size_t files)
{
    struct pm_admin ask = {.what = ADMIN_STATUS};
    char text[1024], want[48];

    (void)snprintf(want, sizeof(want), "at the engine %zu\n", files);
    for (int i = 0; i < 1200; i++) {
        assert_int_equal(rig_admin(r, RIG_ZRH, &ask, NULL, NULL, text), 0);
        if (strstr(text, want) != NULL)
            return;
        (void)usleep(50000);
    }
    fail_msg("the files did not go to the engine: %s", text);
}

/* SIGKILL while it has the files: each is scanned again, and has one verdict in the ledger. */
static void an_engine_killed_with_files_in_hand_costs_no_verdict_and_gives_none_twice(void **state)
{
    static const char *const engines[] = {"glarus-engine-walk", "glarus-engine-yara",
                                          "glarus-engine-clamav"};
    enum { FILES = 3 };
    uint64_t before = rig_metric(r, RIG_ZRH, "site_scans_total"), scans = 0;
    struct rig_state st;
    struct audit *a;

    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(engines); k++) {
        struct rig_sub sub[FILES];
        pid_t pid[8];
        size_t n = engine_processes(engines[k], pid, ARRAY_LEN(pid));
        char text[64];

        if (n == 0)
            continue; /* the sanitizers' run has not all */
        for (size_t i = 0; i < n; i++)
            assert_int_equal(kill(pid[i], SIGSTOP), 0);
        for (size_t i = 0; i < FILES; i++) {
            (void)snprintf(text, sizeof(text), "killed %s %zu", engines[k], i);
            rig_sub_new(r, &sub[i], "CH");
            rig_submit(r, RIG_ZRH, &sub[i], span_str(text), "text", NULL);
        }
        wait_until_out(FILES);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(kill(pid[i], SIGKILL), 0);
        for (size_t i = 0; i < FILES; i++) {
            rig_await(r, RIG_ZRH, &sub[i], "scanned", &st);
            assert_string_equal(st.verdict, "clean");
            rig_sub_free(&sub[i]);
        }
        assert_int_not_equal(engine_processes(engines[k], pid, ARRAY_LEN(pid)), 0);
        scans += FILES;
    }
    assert_true(scans >= FILES);
    rig_settle(r, RIG_ZRH);
    assert_int_equal(rig_metric(r, RIG_ZRH, "site_scans_total"), before + scans);
    a = rig_audit(r);
    rig_proved(a, "detect.explained", 44 + 2 + 3 + scans, 0);
    audit_free(a);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_test_file_is_malicious_with_what_it_held),
        cmocka_unit_test(the_same_bytes_are_not_scanned_again),
        cmocka_unit_test(new_rules_come_while_it_runs_and_bad_ones_change_nothing),
        cmocka_unit_test(an_engine_killed_with_files_in_hand_costs_no_verdict_and_gives_none_twice),
    };

    rig_args(argc, argv);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

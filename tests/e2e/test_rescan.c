/* What new rules do to files that are there already, at a real site: each is scanned again, a
 * verdict that changed is told with the one before, one that did not is confirmed; rules that only
 * detect, and rules that the breaker stops, block nothing; a round goes on where it was after a
 * kill, and an engine that is lost meanwhile spoils no verdict.  The audit holds all along. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "crypto/secret.h"
#include "crypto/sha256.h"
#include "rig_client.h"
#include "rig_priv.h"
#include "rig_rules.h"
#include "site/rebuild.h"

#define THROUGH "all files are judged by the new rules"

static struct rig *r;
static const char *glarus;
static char rules[] = "/tmp/e2e-rescan-XXXXXX";
static size_t at; /* of the log */
static struct rig_release release[16];
static char tree[16][65]; /* in hex */
static unsigned released;
static uint64_t rounds, files; /* so far; files that are there */

enum { TWO_A, TWO_B, THREE, FOUR_A, FOUR_B, FOUR_C, PLAIN, ONE, FILES };
static const char *const text[FILES] = {
    [TWO_A] = "marker-two, a",   [TWO_B] = "marker-two, b",   [THREE] = "marker-three",
    [FOUR_A] = "marker-four, a", [FOUR_B] = "marker-four, b", [FOUR_C] = "marker-four, c",
    [PLAIN] = "nothing in it",   [ONE] = "marker-one"};
static struct rig_sub sub[FILES];

static void rule(const char *name, const char *marker)
{
    char file[32], body[200];

    (void)snprintf(file, sizeof(file), "%s.yar", name);
    (void)snprintf(body, sizeof(body), "rule %s { strings: $a = \"marker-%s\" condition: $a }\n",
                   name, marker);
    rig_rule(rules, file, body);
}

/* What the folder holds becomes a release. */
static void publish(enum rules_mode mode)
{
    struct rig_release *n = &release[released];
    struct digest d = rig_rules_tree(rules);

    n->release.mode = mode;
    rig_release_folder(r, RIG_ZRH, n, rules, released == 0 ? NULL : n - 1);
    text_digest(tree[released], &d);
    released++;
}

static void hup(const char *says)
{
    assert_int_equal(kill(r->site[RIG_ZRH].pid, SIGHUP), 0);
    rig_await_log(r, RIG_ZRH, says, &at);
}

static void publish_and_load(enum rules_mode mode)
{
    publish(mode);
    hup("new rules serve");
}

static void await_through(void)
{
    rig_await_log(r, RIG_ZRH, THROUGH, &at);
    rounds++;
}

static void submit(int i)
{
    rig_sub_new(r, &sub[i], "CH");
    rig_submit(r, RIG_ZRH, &sub[i], span_str(text[i]), text[i], NULL);
    files++;
}

/* before NULL: it has not changed.  by: numbers of releases, -1: by none. */
static void is(int i, const char *verdict, int by, const char *mode, const char *before,
               int before_by, int confirmed)
{
    struct rig_state st;

    assert_int_equal(rig_trace(r, RIG_ZRH, &sub[i], &st), 200);
    if (strcmp(st.verdict, verdict) != 0 || strcmp(st.release, tree[by]) != 0 ||
        strcmp(st.mode, mode) != 0 || strcmp(st.before, before == NULL ? "" : before) != 0 ||
        st.renewed != (before != NULL) ||
        strcmp(st.before_release, before == NULL ? "" : tree[before_by]) != 0 ||
        strcmp(st.confirmed_by, confirmed < 0 ? "" : tree[confirmed]) != 0)
        fail_msg("\"%s\": %s by %.8s, %s; before %s by %.8s; confirmed by %.8s; expected: %s by "
                 "release %d, %s; before %s by %d; confirmed by %d",
                 text[i], st.verdict, st.release, st.mode, st.before, st.before_release,
                 st.confirmed_by, verdict, by + 1, mode, before == NULL ? "" : before,
                 before_by + 1, confirmed + 1);
}

static void audited(uint64_t trips)
{
    const struct audit_result *x;
    struct audit *a;
    char want[64];

    rig_settle(r, RIG_ZRH);
    a = rig_audit(r);
    rig_proved(a, "detect.renewed", rounds, 0);
    rig_proved(a, "detect.explained", files, 0);
    rig_proved(a, "rules.unbroken", released, 0);
    x = audit_find(a, "detect.renewed");
    (void)snprintf(want, sizeof(want), "the breaker stopped %u release%s", (unsigned)trips,
                   trips == 1 ? "" : "s");
    if (strstr(x->sentence, want) == NULL)
        fail_msg("%s; expected: %s", x->sentence, want);
    audit_free(a);
}

/* --- a user with the command line --- */

/* Runs a line of shell in the user's folder; $G is glarus.  What it says, which is freed. */
static char *shell(const char *line)
{
    static char dir[96];
    char path[128], *said;
    int status;
    struct buf b;
    pid_t pid;

    (void)snprintf(dir, sizeof(dir), "%s/user", r->dir);
    (void)snprintf(path, sizeof(path), "%s/said", dir);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        if (fd < 0 || chdir(dir) != 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0 ||
            setenv("G", glarus, 1) != 0)
            _exit(126);
        (void)execl("/bin/sh", "sh", "-e", "-c", line, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    buf_init(&b, 1 << 20);
    assert_int_equal(io_read_file(AT_FDCWD, path, &b), 0);
    said = strdup(buf_str(&b));
    assert_non_null(said);
    buf_free(&b);
    if (status != 0)
        fail_msg("%s: %d: %s", line, status, said);
    return said;
}

static void shell_says(const char *line, const char *const *words)
{
    char *said = shell(line);

    for (; *words != NULL; words++)
        if (strstr(said, *words) == NULL)
            fail_msg("\"%s\" is not in: %s", *words, said);
    free(said);
}

static void user_begins(void)
{
    char path[128], config[1024], line[512], hex[65];

    (void)snprintf(path, sizeof(path), "%s/user", r->dir);
    assert_int_equal(mkdir(path, 0700), 0);
    text_digest(hex, &r->statement);
    (void)snprintf(config, sizeof(config),
                   "format: client/v1\nsecret: secret\ntoken: \"%s\"\ncountry: CH\nstatement: %s\n"
                   "policy: policy.dsse\nregister: register.dsse\ntrust: ../trust.yaml\n"
                   "receipts: receipts\nstate: state\nsites:\n  - {site: zrh1, url: '%s'}\n",
                   RIG_TOKEN_PLAIN, hex, r->site[RIG_ZRH].url);
    (void)snprintf(path, sizeof(path), "%s/user/client.yaml", r->dir);
    assert_int_equal(io_replace_file(AT_FDCWD, path, config, strlen(config), 0600), 0);
    (void)snprintf(line, sizeof(line),
                   "curl -sf %s/v1/policy >policy.dsse; curl -sf %s/v1/register >register.dsse; "
                   "mkdir -p receipts; printf 'marker-two, mine' >mine",
                   r->site[RIG_ZRH].url, r->site[RIG_ZRH].url);
    free(shell(line));
}

static int set_up(void **state)
{
    struct rig_plan plan = {.sites = 1, .scanning = true, .rules = rules};

    (void)state;
    rig_rules_make(rules);
    rule("One", "one");
    r = rig_open(&plan);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < FILES; i++)
        rig_sub_free(&sub[i]);
    for (unsigned i = 0; i < released; i++)
        buf_free(&release[i].env);
    rig_close(r);
    rig_rules_remove(rules);
    return 0;
}

static void a_file_of_before_becomes_malicious_and_its_trace_tells_both(void **state)
{
    struct rig_receipt p;
    struct rig_state st;
    struct buf proof;
    struct span names;
    char line[128], kept[64];

    (void)state;
    publish(RULES_ENFORCE);
    hup("the rules are the same");
    for (int i = 0; i < FILES; i++)
        submit(i);
    for (int i = 0; i < FILES; i++)
        rig_await(r, RIG_ZRH, &sub[i], "scanned", &st);
    is(TWO_A, "clean", 0, "enforce", NULL, 0, -1);
    is(ONE, "malicious", 0, "enforce", NULL, 0, -1);
    user_begins();
    free(shell("$G submit mine"));
    files++;
    rig_settle(r, RIG_ZRH);
    shell_says("$G trace mine; ls receipts",
               (const char *const[]){"verdict    clean\n", ".scan.tlog-proof\n", NULL});

    rule("Two", "two");
    publish_and_load(RULES_ENFORCE);
    rig_await(r, RIG_ZRH, &sub[TWO_A], "renewed", &st); /* who waits is woken */
    await_through();
    is(TWO_A, "malicious", 1, "enforce", "clean", 0, -1);
    is(TWO_B, "malicious", 1, "enforce", "clean", 0, -1);
    is(PLAIN, "clean", 0, "enforce", NULL, 0, 1);
    is(ONE, "malicious", 0, "enforce", NULL, 0, 1);
    assert_int_equal(rig_metric(r, RIG_ZRH, "site_rescans_total"), files);
    assert_int_equal(rig_metric(r, RIG_ZRH, "site_rescans_changed_total"), 3);
    assert_int_equal(rig_metric(r, RIG_ZRH, "site_scans_total"), files);
    /* the receipt is of the verdict that counts now, and opens its names */
    rig_settle(r, RIG_ZRH);
    buf_init(&proof, TLOG_PROOF_MAX);
    assert_int_equal(rig_receipt(r, RIG_ZRH, &sub[TWO_A], "scan", &proof), 200);
    rig_receipt_open(r, &p, buf_span(&proof));
    assert_int_equal(leaf_word(&p.leaf, LF_VERDICT), LW_VERDICT_MALICIOUS);
    assert_true(span_is(leaf_text(&p.leaf, LF_RELEASE), tree[1]));
    names = receipt_extra_find(&p.x, LF_SEALED_NAMES)->value;
    assert_true(span_is(names, "Two"));
    rig_receipt_done(&p);
    buf_free(&proof);
    /* the command line tells both, and keeps both receipts */
    (void)snprintf(line, sizeof(line), "  before     clean, by %s\n", tree[0]);
    (void)snprintf(kept, sizeof(kept), ".scan-%.16s.tlog-proof\n", tree[0]);
    shell_says("$G trace mine; ls receipts; $G receipt verify receipts/*.scan-*.tlog-proof --trust "
               "../trust.yaml",
               (const char *const[]){"verdict    malicious\n", line, tree[1], "Two\n", kept,
                                     ".scan.tlog-proof\n", NULL});

    audited(0);
}

/* A file goes back and forth with the rules; what it was directly before is told, with its names.
 */
static void a_verdict_changes_as_often_as_the_rules(void **state)
{
    struct rig_state st;

    (void)state;
    rule("Two", "nothing-any-more");
    publish_and_load(RULES_ENFORCE);
    await_through();
    is(TWO_A, "clean", 2, "enforce", "malicious", 1, -1);
    assert_int_equal(rig_trace(r, RIG_ZRH, &sub[TWO_A], &st), 200);
    assert_string_equal(st.before_names, "Two");
    is(PLAIN, "clean", 0, "enforce", NULL, 0, 2);
    /* what is erased while its verdict stands is gone with all of it */
    assert_int_equal(rig_order(r, RIG_ZRH, &sub[TWO_B], "erase", NULL, NULL, NULL), 202);
    assert_int_equal(rig_trace(r, RIG_ZRH, &sub[TWO_B], &st), 200);
    assert_true(st.erased && !st.renewed && st.verdict[0] == '\0');
    audited(0);
}

static void what_only_detects_blocks_nothing_until_a_release_enforces(void **state)
{
    (void)state;
    rule("Three", "three");
    publish_and_load(RULES_DETECT);
    await_through();
    is(THREE, "malicious", 3, "detect", "clean", 0, -1);
    is(ONE, "malicious", 0, "enforce", NULL, 0, 3);
    rule("Unrelated", "unrelated");
    publish_and_load(RULES_ENFORCE);
    await_through();
    /* found by both: now it blocks; what blocked nothing is not what was before */
    is(THREE, "malicious", 4, "enforce", "clean", 0, -1);
    audited(0);
}

static void status_says(const char *words, bool there)
{
    struct pm_admin ask = {.what = ADMIN_STATUS};
    char line[1024];

    assert_int_equal(rig_admin(r, RIG_ZRH, &ask, NULL, NULL, line), 0);
    if ((strstr(line, words) != NULL) != there)
        fail_msg("\"%s\": %s", words, line);
}

static void health_says(const char *words)
{
    struct http_call call = {.method = HTTP_GET, .total_ms = RIG_SOON, .max_answer = 1 << 16};
    struct http_result a;
    struct err e = ERR_INIT;
    char url[80];

    (void)snprintf(url, sizeof(url), "%s/healthz", r->site[RIG_ZRH].url);
    call.url = url;
    rig_ok(http_client_do(r->http, &call, &a, &e), &e);
    assert_int_equal(a.status, 200); /* degraded */
    if (strstr(buf_str(&a.body), words) == NULL)
        fail_msg("\"%s\": %s", words, buf_str(&a.body));
    http_result_free(&a);
}

/* Catalog and tiles made anew from the journal: in a process of its own, for it jails itself. */
static void rebuild(void)
{
    struct rebuild_report report;
    struct err e = ERR_INIT;
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        _exit(site_rebuild(r->site[RIG_ZRH].config, NULL, NULL, &report, &e) == 0 ? 0 : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* Two of three in a row turn, which is more than 40%: the rules stay loaded, and block nothing from
 * then on, also after a restart and a rebuild, until two people set them going again.  What was
 * erased meanwhile is among what changed all the same. */
static void the_breaker_stops_rules_that_hit_too_much(void **state)
{
    struct digest subject;
    struct rig_state st;
    struct rig_sub late;

    (void)state;
    rig_configure(r, RIG_ZRH, "breaker: {files: 3, malicious_more: 40%}\n");
    hup("configuration taken over");
    rule("Four", "four");
    publish_and_load(RULES_ENFORCE);
    rig_await_log(r, RIG_ZRH, "the breaker stops the new rules", &at);
    assert_int_equal(rig_metric(r, RIG_ZRH, "site_breaker_tripped"), 1);
    status_says(", stopped", true);
    health_says("of 3 files 2 that were clean became malicious");
    rig_stop(r, RIG_ZRH);
    rig_start(r, RIG_ZRH);
    for (int i = 0; i < 3; i++) {
        rig_sub_new(r, &late, "CH");
        rig_submit(r, RIG_ZRH, &late, span_str(i == 0 ? "late marker-four" : "late"), "late", NULL);
        rig_await(r, RIG_ZRH, &late, "scanned", &st);
        assert_string_equal(st.verdict, i == 0 ? "malicious" : "clean");
        assert_string_equal(st.mode, "detect");
        rig_sub_free(&late);
        files++;
    }
    is(FOUR_A, "malicious", 5, "enforce", "clean", 0, -1); /* it was one of those that tripped it */
    assert_int_equal(rig_order(r, RIG_ZRH, &sub[FOUR_B], "erase", NULL, NULL, NULL), 202);
    rig_stop(r, RIG_ZRH);
    rebuild();
    rig_start(r, RIG_ZRH);
    while (rig_metric(r, RIG_ZRH, "site_breaker_tripped") != 1) /* when the engines are ready */
        (void)usleep(20000);
    is(FOUR_A, "malicious", 5, "enforce", "clean", 0, -1);
    is(THREE, "malicious", 4, "enforce", "clean", 0, -1);

    subject = release[5].release.tree;
    rig_override(r, RIG_ZRH, RULES_VERDICT, &subject, 1, rig_by_two, NULL);
    await_through();
    assert_int_equal(rig_metric(r, RIG_ZRH, "site_breaker_tripped"), 0);
    is(FOUR_C, "malicious", 5, "enforce", "clean", 0, -1);
    status_says("none is under way", true);
    audited(1);
}

static void big(uint8_t *p, size_t n, int i)
{
    random_bytes(p, 64);
    memset(p + 64, 'a' + i % 26, n - 64);
    for (size_t k = 64; k + 64 <= n; k += 4096)
        memcpy(p + k, p, 64);
}

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

static void signal_engines(const char *name, int sig)
{
    pid_t pid[16];
    size_t n = engine_processes(name, pid, ARRAY_LEN(pid));

    for (size_t i = 0; i < n; i++)
        (void)kill(pid[i], sig); /* a child may have ended meanwhile */
}

static void all_engines(int sig)
{
    signal_engines("glarus-engine-walk", sig);
    signal_engines("glarus-engine-yara", sig);
    signal_engines("glarus-engine-clamav", sig);
}

/* Loads a new rule, and stops all engines when so many files are scanned again by it, but not all;
 * a round that was over too soon is repeated with another rule.  How many are. */
static uint64_t stop_after(uint64_t n)
{
    static char name[] = "Disturbed_a";

    for (int tries = 0; tries < 4; tries++) {
        uint64_t done = 0;

        name[sizeof(name) - 2]++;
        rule(name, "five");
        publish_and_load(RULES_ENFORCE);
        for (int i = 0; i < 4000 && done < n; i++) { /* 0 again when it is over */
            done = rig_metric(r, RIG_ZRH, "site_rescan_files");
            (void)usleep(2000);
        }
        all_engines(SIGSTOP);
        (void)usleep(200000); /* what they had said is taken */
        done = rig_metric(r, RIG_ZRH, "site_rescan_files");
        if (done >= n && done < rig_metric(r, RIG_ZRH, "site_rescan_expected"))
            return done;
        all_engines(SIGCONT);
        await_through();
    }
    fail_msg("each round was over before it could be disturbed");
    return 0;
}

#define BATCH 64
#define MANY (3 * BATCH)
#define EVERY 50                                /* one in so many is marked */
#define MARKED ((MANY + EVERY - 1) / EVERY + 1) /* and the one in hand */
#define BYTES (384U << 10)

/* Many files, so that a round takes a while. */
static void a_round_goes_on_where_it_was_after_a_kill(void **state)
{
    static uint8_t bytes[BYTES];
    uint64_t before, after;
    struct rig_state st;
    struct rig_sub s;

    (void)state;
    rig_configure(r, RIG_ZRH, "breaker: {files: 1000, malicious_more: 1%}\n");
    hup("configuration taken over");
    for (int i = 0; i < MANY; i++) {
        big(bytes, sizeof(bytes), i);
        if (i % EVERY == 0)
            memcpy(bytes + 100, "marker-five", 11);
        rig_sub_new(r, &s, "CH");
        rig_submit(r, RIG_ZRH, &s, span_of(bytes, sizeof(bytes)), "big", NULL);
        if (i == MANY - 1)
            rig_await(r, RIG_ZRH, &s, "scanned", &st);
        rig_sub_free(&s);
        files++;
    }
    while (rig_metric(r, RIG_ZRH, "site_scan_queue") > 0)
        (void)usleep(20000);
    before = stop_after(BATCH + 1); /* the first batch is noted */
    rig_sub_new(r, &s, "CH");
    rig_submit(r, RIG_ZRH, &s, span_str("marker-five, in hand"), "in hand", NULL);
    files++;
    (void)usleep(300000); /* time to go to the engines, which do not answer */
    rig_kill_all(r, RIG_ZRH);
    rig_start(r, RIG_ZRH);
    await_through();
    rig_await(r, RIG_ZRH, &s, "scanned", &st); /* whoever had it in hand is gone */
    assert_string_equal(st.verdict, "malicious");
    rig_sub_free(&s);
    after = rig_metric(r, RIG_ZRH, "site_rescans_total");
    print_message("%llu of %llu files, a kill, %llu more\n", (unsigned long long)before,
                  (unsigned long long)files, (unsigned long long)after);
    assert_true(after > 0 && after <= files - BATCH);
    audited(1);
}

static void an_engine_that_is_lost_meanwhile_spoils_no_verdict(void **state)
{
    struct rig_state st;
    uint64_t changed;

    (void)state;
    changed = rig_metric(r, RIG_ZRH, "site_rescans_changed_total");
    (void)stop_after(1);
    signal_engines("glarus-engine-yara", SIGKILL);
    all_engines(SIGCONT);
    await_through();
    /* the new rule finds what the one before found, under one name more; nothing else changed, and
     * nothing is incomplete */
    changed = rig_metric(r, RIG_ZRH, "site_rescans_changed_total") - changed;
    assert_int_equal(changed % MARKED, 0);
    assert_true(changed >= MARKED);
    assert_int_equal(rig_trace(r, RIG_ZRH, &sub[PLAIN], &st), 200);
    assert_string_equal(st.verdict, "clean");
    assert_string_equal(st.confirmed_by, tree[released - 1]);
    audited(1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_of_before_becomes_malicious_and_its_trace_tells_both),
        cmocka_unit_test(a_verdict_changes_as_often_as_the_rules),
        cmocka_unit_test(what_only_detects_blocks_nothing_until_a_release_enforces),
        cmocka_unit_test(the_breaker_stops_rules_that_hit_too_much),
        cmocka_unit_test(a_round_goes_on_where_it_was_after_a_kill),
        cmocka_unit_test(an_engine_that_is_lost_meanwhile_spoils_no_verdict),
    };

    rig_args(argc < 4 ? argc : 4, argv);
    if (argc < 5 || (glarus = realpath(argv[4], NULL)) == NULL)
        return 1;
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* The tutorial of libglarus (docs/libglarus.md), compiled as its reader compiles it, against a real
 * site: consent, submission, receipt, verification offline, verdict, withdrawal.  What it claims is
 * looked at by the auditor's means. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "crypto/sha256.h"
#include "rig_client.h"
#include "rig_priv.h"

static const char *script, *root, *build; /* tests/capi/installed.sh ROOT BUILD */
static const char *glarus;
static struct rig *r;
static char user[96]; /* the submitter's folder */

/* Runs a line of shell in the user's folder; its output, and its exit status. */
static int run(const char *line, struct buf *out)
{
    char path[128];
    int status;
    pid_t pid;

    (void)snprintf(path, sizeof(path), "%s/said", user);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        if (fd < 0 || chdir(user) != 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
            _exit(126);
        (void)execl("/bin/sh", "sh", "-c", line, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    buf_init(out, 1 << 20);
    assert_int_equal(io_read_file(AT_FDCWD, path, out), 0);
    return WEXITSTATUS(status);
}

static void says(struct buf *out, const char *what)
{
    const char *text = buf_str(out);

    if (strstr(text, what) == NULL)
        fail_msg("\"%s\" is not in what the tutorial says:\n%s", what, text);
}

static void put_file(const char *name, struct span bytes)
{
    char path[160];

    (void)snprintf(path, sizeof(path), "%s/%s", user, name);
    assert_int_equal(io_replace_file(AT_FDCWD, path, bytes.p, bytes.n, 0600), 0);
}

/* A document as the site publishes it. */
static void fetch(const char *path, const char *name)
{
    struct http_call call = {.method = HTTP_GET, .total_ms = RIG_SOON, .max_answer = 6 << 20};
    struct err e = ERR_INIT;
    struct http_result a;
    char url[96];

    (void)snprintf(url, sizeof(url), "%s%s", r->site[0].url, path);
    call.url = url;
    rig_ok(http_client_do(r->http, &call, &a, &e), &a.err);
    assert_int_equal(a.status, 200);
    put_file(name, buf_span(&a.body));
    http_result_free(&a);
}

static int set_up(void **state)
{
    const struct rig_plan plan = {.sites = 1, .scanning = true};
    char config[1024];
    struct buf out;

    r = rig_open(&plan);
    (void)snprintf(user, sizeof(user), "%s/user", r->dir);
    assert_int_equal(mkdir(user, 0700), 0);
    fetch("/v1/policy", "policy.dsse");
    fetch("/v1/register", "register.dsse");
    (void)snprintf(config, sizeof(config),
                   "format: client/v1\nsecret: secret\ntoken: \"%s\"\ncountry: CH\n"
                   "policy: policy.dsse\nregister: register.dsse\ntrust: ../trust.yaml\n"
                   "receipts: receipts\nstate: state\nsites:\n  - {site: zrh1, url: '%s'}\n",
                   RIG_TOKEN_PLAIN, r->site[0].url);
    put_file("client.yaml", span_str(config));
    (void)snprintf(config, sizeof(config), "%s %s %s .", script, root, build);
    if (run(config, &out) != 0)
        fail_msg("%s: %s", config, buf_str(&out));
    buf_free(&out);
    return 0;
}

static int tear_down(void **state)
{
    rig_close(r);
    return 0;
}

/* The tutorial's whole life of a file, by the program linked in that way. */
static void play(const char *program, struct span bytes, const char *verdict, const char *answer)
{
    char line[512], hex[65];
    struct rig_receipt p;
    const struct receipt_opening *o;
    struct buf out, text;
    struct digest d;

    put_file("report.pdf", bytes);
    (void)snprintf(
        line, sizeof(line),
        "rm -f receipt.tlog-proof; %s LD_LIBRARY_PATH=./lib ./%s client.yaml ../trust.yaml "
        "report.pdf",
        answer, program);
    if (run(line, &out) != 0)
        fail_msg("%s: %s", program, buf_str(&out));
    says(&out, verdict);
    says(&out, "and final.");
    says(&out, "Erased (submission.erased), for good by 20");
    buf_free(&out);

    /* the receipt that it kept says so by other means, too */
    buf_init(&text, TLOG_PROOF_MAX);
    (void)snprintf(line, sizeof(line), "%s/receipt.tlog-proof", user);
    assert_int_equal(io_read_file(AT_FDCWD, line, &text), 0);
    rig_receipt_open(r, &p, buf_span(&text));
    assert_true(p.verdict.quorum);
    assert_true(span_is(leaf_text(&p.leaf, LF_COUNTRY), "CH"));
    sha256_of(bytes.p, bytes.n, &d);
    text_digest(hex, &d);
    o = receipt_extra_find(&p.x, LF_SEALED_SHA256);
    assert_non_null(o);
    assert_true(span_is(o->value, hex));
    text_digest(hex, &r->statement);
    assert_true(span_is(leaf_text(&p.leaf, LF_STATEMENT), hex));
    rig_receipt_done(&p);
    buf_free(&text);
}

static void who_does_not_agree_submits_nothing(void **state)
{
    char line[256];
    struct buf out;

    put_file("report.pdf", span_str("something"));
    (void)snprintf(
        line, sizeof(line),
        "echo n | LD_LIBRARY_PATH=./lib ./tutorial-shared client.yaml ../trust.yaml report.pdf");
    assert_int_equal(run(line, &out), 1);
    says(&out, "You agree that we keep and scan your file.");
    says(&out, "Do you agree?");
    buf_free(&out);
    assert_int_equal(rig_metric(r, 0, "site_submissions_total"), 0);
}

static void the_tutorial_does_what_it_says(void **state)
{
    static const char a[] = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-",
                      b[] = "ANTIVIRUS-TEST-FILE!$H+H*"; /* apart: this file is none */
    char eicar[96];
    struct audit *audit;

    (void)snprintf(eicar, sizeof(eicar), "%s%s", a, b);
    play("tutorial-shared", span_str("nothing bad in here"), "Verdict: clean", "echo y |");
    /* it is remembered: nobody is asked again */
    play("tutorial-static", span_str(eicar), "Verdict: malicious", "</dev/null");
    audit = rig_audit(r);
    rig_proved(audit, "intake.consent", 2, 0);
    audit_free(audit);
}

/* A hash of the rules' hash sets, and one that nobody knows; nothing is left of it but a count. */
static void a_look_up_knows_the_hash_sets_and_leaves_a_count(void **state)
{
    struct buf set, out;
    char line[512], hex[65], path[160];
    struct audit *audit;
    uint64_t size;

    (void)snprintf(path, sizeof(path), "%s/rules/demo/clamav-testfiles.sha256", root);
    buf_init(&set, 1 << 20);
    assert_int_equal(io_read_file(AT_FDCWD, path, &set), 0);
    for (const char *p = buf_str(&set); *p != '\0'; p = strchr(p, '\n') + 1)
        if (*p != '#' && *p != '\n')
            memcpy(hex, p, 64);
    hex[64] = '\0';
    buf_free(&set);
    put_file("harmless", span_str("harmless"));
    (void)snprintf(line, sizeof(line), "%s lookup %s harmless --config client.yaml", glarus, hex);
    assert_int_equal(run(line, &out), 1);
    (void)snprintf(line, sizeof(line), "malicious  %s\nunknown    harmless\n", hex);
    assert_string_equal(buf_str(&out), line);
    buf_free(&out);
    (void)snprintf(line, sizeof(line), "%s lookup harmless --config client.yaml", glarus);
    assert_int_equal(run(line, &out), 0);
    buf_free(&out);

    rig_settle(r, 0);
    size = rig_metric(r, 0, "site_ledger_size");
    rig_stop(r, 0); /* an end in order logs what was counted: one leaf, for the one country */
    rig_start(r, 0);
    assert_int_equal(rig_metric(r, 0, "site_ledger_size"), size + 1);
    rig_settle(r, 0);
    audit = rig_audit(r);
    rig_proved(audit, "intake.lookups", 3, 0);
    rig_proved(audit, "intake.consent", 2, 0);
    audit_free(audit);
}

static struct digest newest(void)
{
    struct http_call call = {.method = HTTP_GET, .total_ms = RIG_SOON};
    struct err e = ERR_INIT;
    struct http_result a;
    struct digest d;
    char url[96];

    (void)snprintf(url, sizeof(url), "%s/v1/statements", r->site[0].url);
    call.url = url;
    rig_ok(http_client_do(r->http, &call, &a, &e), &a.err);
    assert_int_equal(a.status, 200);
    sha256_of(a.body.data, a.body.len, &d);
    http_result_free(&a);
    return d;
}

/* The one published last, whatever its digest; when that is withdrawn, the one before. */
static void the_newest_statement_is_the_one_published_last(void **state)
{
    struct pm_admin ask = {.what = ADMIN_WITHDRAW_STATEMENT};
    struct digest doc[20], now; /* more than the sixteen that a buffer once had room for */
    char text[64], text_of_answer[1024];

    for (size_t i = 0; i < ARRAY_LEN(doc); i++) {
        (void)snprintf(text, sizeof(text), "You agree for the %zuth time.", i);
        rig_publish_statement(r, "file", text, &doc[i]);
        now = newest();
        assert_memory_equal(&now, &doc[i], sizeof(now));
    }
    rig_stop(r, 0); /* nor is it forgotten */
    rig_start(r, 0);
    for (size_t i = ARRAY_LEN(doc); i > 0; i--) {
        now = newest();
        assert_memory_equal(&now, &doc[i - 1], sizeof(now));
        ask.digest = doc[i - 1];
        assert_int_equal(rig_admin(r, 0, &ask, NULL, NULL, text_of_answer), 0);
    }
    now = newest();
    assert_memory_equal(&now, &r->statement, sizeof(now));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_does_not_agree_submits_nothing),
        cmocka_unit_test(the_tutorial_does_what_it_says),
        cmocka_unit_test(a_look_up_knows_the_hash_sets_and_leaves_a_count),
        cmocka_unit_test(the_newest_statement_is_the_one_published_last),
    };

    if (argc != 8)
        return 2;
    rig_args(4, argv);
    script = argv[4];
    root = argv[5];
    build = argv[6];
    glarus = realpath(argv[7], NULL);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

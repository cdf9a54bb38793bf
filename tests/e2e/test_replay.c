/* What a real site says of files is said again by the real program from receipts, files and rules
 * alone: plain, packed, damaged and clean ones, by all engines.  What is not the same file, the
 * same rules or the same site's is told apart. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "rig_client.h"
#include "rig_priv.h"
#include "rules/attestation.h"

static struct rig *r;
static const char *glarus, *programs;
static char rules[] = "/tmp/e2e-replay-XXXXXX";

static const char *at(const char *name)
{
    static char path[32][192];
    static unsigned n;
    char *p = path[n++ % 32];

    (void)snprintf(p, sizeof(path[0]), "%s/%s", r->dir, name);
    return p;
}

static void put(const char *path, const void *bytes, size_t n)
{
    assert_int_equal(io_replace_file(AT_FDCWD, path, bytes, n, 0644), 0);
}

static int set_up(void **state)
{
    static const char yara[] = "rule One { strings: $a = \"marker-one\" condition: $a }\n"
                               "rule Any { strings: $a = \"marker\" condition: $a }\n";
    static const char body[] = "Body.Marker:0:*:6d61726b65722d74776f\n"; /* marker-two */
    struct rig_plan plan = {.sites = 1, .scanning = true, .rules = rules};
    char path[64];

    (void)state;
    assert_non_null(mkdtemp(rules));
    assert_int_equal(chmod(rules, 0755), 0);
    (void)snprintf(path, sizeof(path), "%s/a.yar", rules);
    put(path, yara, sizeof(yara) - 1);
    (void)snprintf(path, sizeof(path), "%s/b.ndb", rules);
    put(path, body, sizeof(body) - 1);
    r = rig_open(&plan);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_close(r);
    return io_remove_tree(rules);
}

/* Runs a program; its exit status; what it says is in dir/out. */
static int run(const char *const *argv)
{
    int status = 0, fd;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        fd = open(at("out"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
            _exit(127);
        (void)execvp(argv[0], (char *const *)argv);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000;
}

static void expect(int code, const char *says, const char *const *argv)
{
    struct buf b;
    int got = run(argv);

    buf_init(&b, 1 << 20);
    rig_ok(io_read_file(AT_FDCWD, at("out"), &b), NULL);
    if (got != code || strstr(buf_str(&b), says) == NULL)
        fail_msg("exit %d, not %d with \"%s\": %s", got, code, says, buf_str(&b));
    buf_free(&b);
}

static void replayed(int code, const char *says, const char *receipt, const char *file,
                     const char *folder, const char *more, const char *value)
{
    const char *argv[] = {glarus,       "verdict", "replay", receipt,   "--file",
                          file,         "--rules", folder,   "--trust", at("trust.yaml"),
                          "--programs", programs,  more,     value,     NULL};

    expect(code, says, argv);
}

/* Submits a file that stands in dir under this name; its receipts stand beside it. */
static void submit(const char *name, const char *verdict)
{
    struct rig_state st;
    struct rig_sub s;
    struct buf bytes, scan, accepted;
    char path[96];

    buf_init(&bytes, 1 << 20);
    buf_init(&scan, TLOG_PROOF_MAX);
    buf_init(&accepted, TLOG_PROOF_MAX);
    rig_ok(io_read_file(AT_FDCWD, at(name), &bytes), NULL);
    rig_sub_new(r, &s, "CH");
    rig_submit(r, RIG_ZRH, &s, buf_span(&bytes), name, NULL);
    rig_await(r, RIG_ZRH, &s, "scanned", &st);
    if (strcmp(st.verdict, verdict) != 0)
        fail_msg("%s: %s", name, st.verdict);
    rig_settle(r, RIG_ZRH);
    assert_int_equal(rig_receipt(r, RIG_ZRH, &s, "scan", &scan), 200);
    assert_int_equal(rig_receipt(r, RIG_ZRH, &s, "accepted", &accepted), 200);
    (void)snprintf(path, sizeof(path), "%s.scan.tlog-proof", name);
    put(at(path), scan.data, scan.len);
    (void)snprintf(path, sizeof(path), "%s.tlog-proof", name);
    put(at(path), accepted.data, accepted.len);
    rig_sub_free(&s);
    buf_free(&bytes);
    buf_free(&scan);
    buf_free(&accepted);
}

static void shell(const char *script)
{
    const char *argv[] = {"sh", "-ec", script, "sh", r->dir, rules, NULL};

    expect(0, "", argv);
}

static void every_verdict_is_made_again(void **state)
{
    static const struct {
        const char *name, *verdict, *says;
    } v[] = {
        {"plain", "malicious", "rule       Any\n  rule       One\nSAME: verdict, reason, hits and"},
        {"both.gz", "malicious", "rule       Any\n  rule       Body.Marker\nSAME"},
        {"clean", "clean", "clean, reason none, 0 rules hit\nSAME"},
        {"cut.gz", "incomplete", "incomplete, reason damaged"},
    };

    (void)state;
    shell("cd \"$1\"; echo here is marker-one >plain; echo here is nothing >clean\n"
          "echo this marker-two is packed | gzip >both.gz\n"
          "seq 20000 | gzip | head -c 9000 >cut.gz\n");
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        char receipt[64];

        submit(v[i].name, v[i].verdict);
        (void)snprintf(receipt, sizeof(receipt), "%s.scan.tlog-proof", v[i].name);
        replayed(0, v[i].says, at(receipt), at(v[i].name), rules, NULL, NULL);
        replayed(0, "it is the one that was accepted", at(receipt), at(v[i].name), rules, NULL,
                 NULL);
        replayed(0, "{\"same\":true,\"final\":true,\"bound\":true,\"names_compared\":true",
                 at(receipt), at(v[i].name), rules, "--json", NULL);
    }
}

static void what_is_something_else_is_told(void **state)
{
    const char *redact[] = {glarus,   "receipt", "redact", at("plain.scan.tlog-proof"),
                            "--drop", "names",   "--out",  at("short.scan.tlog-proof"),
                            NULL};

    (void)state;
    replayed(1, "the receipt is of another file", at("plain.scan.tlog-proof"), at("clean"), rules,
             NULL, NULL);
    replayed(1, "of another stored copy", at("plain.scan.tlog-proof"), at("plain"), rules,
             "--accepted", at("clean.tlog-proof"));
    replayed(2, "a verdict stands in the receipt of a scan", at("plain.tlog-proof"), at("plain"),
             rules, NULL, NULL);
    expect(0, "", redact);
    replayed(0, "The names are sealed and not opened here", at("short.scan.tlog-proof"),
             at("plain"), rules, NULL, NULL);
    /* without the acceptance nothing says which file it was, and another one's verdict differs */
    replayed(0, "no receipt here says that it is the one", at("short.scan.tlog-proof"), at("plain"),
             rules, NULL, NULL);
    replayed(1, "DIFFERENT: the leaf says verdict malicious, here it is clean",
             at("short.scan.tlog-proof"), at("clean"), rules, NULL, NULL);
    /* the log's line alone: signed, and seen by nobody yet */
    shell("cd \"$1\"; cp plain new; head -n -1 plain.scan.tlog-proof >new.scan.tlog-proof\n"
          "cp plain.tlog-proof new.tlog-proof\n"
          "sed 's/^index .*/index 1/' plain.scan.tlog-proof >lie.scan.tlog-proof\n"
          "mkdir other; echo 'rule One { condition: false }' >other/a.yar\n");
    replayed(4, "SAME", at("new.scan.tlog-proof"), at("plain"), rules, NULL, NULL);
    replayed(1, "lie.scan.tlog-proof", at("lie.scan.tlog-proof"), at("plain"), rules, NULL, NULL);
    replayed(2, "get the folder of that release", at("plain.scan.tlog-proof"), at("plain"),
             at("other"), NULL, NULL);
    /* the rules out of a repository are the same rules */
    shell("cd \"$1\"; git init -q repo; cp -r \"$2\" repo/rules; cd repo; git add -A\n"
          "git -c user.name=a -c user.email=a@example.org commit -q -m rules\n");
    replayed(0, "SAME", at("plain.scan.tlog-proof"), at("plain"), "HEAD:rules", "--git",
             at("repo"));
    replayed(2, "is no git repository", at("plain.scan.tlog-proof"), at("plain"), "HEAD:rules",
             "--git", at("other"));
    replayed(2, "--depth is a number", at("plain.scan.tlog-proof"), at("plain"), rules, "--depth",
             "63");
}

static void publish(int code, const char *says, const char *file)
{
    const char *argv[] = {glarus, "verdict", "publish", at(file), "--config", r->site[RIG_ZRH].file,
                          NULL};

    expect(code, says, argv);
}

static void attested(int code, const char *says, const char *name, const char *more,
                     const char *value)
{
    char receipt[64], out[64];
    const char *argv[] = {glarus,       "verdict",
                          "replay",     NULL,
                          "--file",     at(name),
                          "--rules",    rules,
                          "--trust",    at("trust.yaml"),
                          "--programs", programs,
                          "--attest",   NULL,
                          "--key",      at("attester.pem"),
                          more,         value,
                          NULL};

    (void)snprintf(receipt, sizeof(receipt), "%s.scan.tlog-proof", name);
    (void)snprintf(out, sizeof(out), "%s.replay", name);
    argv[3] = at(receipt);
    argv[13] = at(out);
    expect(code, says, argv);
}

/* An attestation about a leaf that is no scan of this ledger. */
static void made_up(const struct ed25519_key *key)
{
    struct attestation a = {.leaf = 0, .same = true, .site = "zrh1", .engines = "yara"};
    struct buf b;

    buf_init(&b, 65536);
    assert_int_equal(attestation_sign(&a, key, &b, NULL), 0);
    put(at("made.replay"), b.data, b.len);
    buf_free(&b);
}

static void reproduced(enum audit_verdict verdict, uint64_t n)
{
    struct audit *a;
    const struct audit_result *is;

    rig_settle(r, RIG_ZRH);
    a = rig_audit(r);
    is = audit_find(a, "detect.reproduced");
    if (is->verdict != verdict || is->n != n)
        fail_msg("%s %llu: %s", audit_verdict_word(is->verdict), (unsigned long long)is->n,
                 is->sentence);
    audit_free(a);
}

static void replays_are_signed_and_counted(void **state)
{
    struct ed25519_key *key = NULL;

    (void)state;
    assert_int_equal(ed25519_generate(&key), 0);
    assert_int_equal(ed25519_store(key, at("attester.pem"), NULL), 0);
    reproduced(AUDIT_EMPTY, 0);
    attested(0, "SAME", "plain", NULL, NULL);
    attested(0, "SAME", "both.gz", NULL, NULL);
    attested(4, "pending", "new", NULL, NULL);
    shell("cd \"$1\"; cp plain.scan.tlog-proof lone.scan.tlog-proof; cp plain lone; "
          "test ! -e new.replay; ! grep -q marker plain.replay");
    attested(2, "cannot be attested", "lone", NULL, NULL);
    publish(0, "published", "plain.replay");
    publish(3, "published already", "plain.replay");
    publish(0, "published", "both.gz.replay");
    made_up(key);
    publish(1, "about no verdict of this ledger", "made.replay");
    publish(1, "", "plain");
    reproduced(AUDIT_EMPTY, 0); /* nobody named the key */
    ed25519_public(key, &r->trust->attester[0]);
    r->trust->attesters = 1;
    reproduced(AUDIT_PROVED, 2);

    /* with less room than the site has the file is given up on: a dissent, and it shows */
    shell("cd \"$1\"; head -c 3000000 /dev/zero | gzip >big.gz");
    submit("big.gz", "clean");
    attested(1, "DIFFERENT: the leaf says verdict clean, here it is incomplete", "big.gz",
             "--unpacked", "1048576");
    publish(0, "published", "big.gz.replay");
    reproduced(AUDIT_BROKEN, 2);
    ed25519_free(key);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_verdict_is_made_again),
        cmocka_unit_test(what_is_something_else_is_told),
        cmocka_unit_test(replays_are_signed_and_counted),
    };

    rig_args(argc < 4 ? argc : 4, argv);
    if (argc < 6)
        return 1;
    glarus = argv[4];
    programs = argv[5];
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

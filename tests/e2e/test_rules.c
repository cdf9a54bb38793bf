/* Releases of rules at a real site: before the first one the folder decides; from then on only what
 * was proposed, tested and approved by two is loaded, an older one only once the newer was taken
 * back, and the audit proves it.  What does not fit is refused with its sentence. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "betray/served.h"
#include "crypto/secret.h"
#include "rig_client.h"
#include "rig_priv.h"
#include "rig_rules.h"
#include "updates/published.h"

static struct rig *r;
static char rules[] = "/tmp/e2e-rules-XXXXXX";
static const char *glarus;
static size_t at; /* of the log */

static void rule(const char *name, const char *text)
{
    rig_rule(rules, name, text);
}

/* What the third release has beside the second: an entry of an allow list, a rule more, one in
 * other words. */
static void extra(bool there)
{
    rule("x.fp", there ? "0123456789abcdef0123456789abcdef:4:known-good\n" : NULL);
    rule("c.yar", there ? "rule Short_lived { condition: false }\n" : NULL);
    rule("a.yar", there ? "rule One { strings: $a = \"marker-one\" ascii condition: $a }\n"
                        : "rule One { strings: $a = \"marker-one\" condition: $a }\n");
}

/* Runs a program; its exit status; what it says is in dir/out. */
static int run(const char *const *argv)
{
    char out[96];
    int status = 0, fd;
    pid_t pid = fork();

    (void)snprintf(out, sizeof(out), "%s/out", r->dir);
    assert_true(pid >= 0);
    if (pid == 0) {
        fd = open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
            _exit(127);
        (void)execvp(argv[0], (char *const *)argv);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000;
}

/* What is in the folder now, for later: dir/NAME. */
static void keep(const char *name)
{
    char to[96];
    const char *argv[] = {"cp", "-r", rules, to, NULL};

    (void)snprintf(to, sizeof(to), "%s/%s", r->dir, name);
    assert_int_equal(run(argv), 0);
}

static int set_up(void **state)
{
    struct rig_plan plan = {.sites = 1, .scanning = true, .rules = rules};

    (void)state;
    rig_rules_make(rules);
    rule("a.yar", "rule One { strings: $a = \"marker-one\" condition: $a }\n");
    r = rig_open(&plan);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_close(r);
    rig_rules_remove(rules);
    return 0;
}

/* --- documents --- */

static void publish(enum proto_read what, const struct buf *env, const char *refusal)
{
    rig_publish(r, RIG_ZRH, what, env, refusal);
}

static void propose(struct rig_release *n, const struct digest *base, const int *by,
                    const char *refusal)
{
    struct digest tree = rig_rules_tree(rules);

    n->release.mode = RULES_ENFORCE;
    rig_propose(r, RIG_ZRH, n, &tree, base, by, refusal);
}

static void report(struct rig_release *n, const struct digest *of, uint64_t missed,
                   const char *refusal)
{
    rig_report(r, RIG_ZRH, n, of, missed, refusal);
}

static void release(struct rig_release *n, const struct rig_release *before, const int *by,
                    const char *refusal)
{
    rig_release(r, RIG_ZRH, n, before, by, refusal);
}

static void override(enum rules_ground ground, const struct digest *subject, uint64_t count,
                     const int *by, const char *refusal)
{
    rig_override(r, RIG_ZRH, ground, subject, count, by, refusal);
}

static void verdict(const char *text, const char *expected)
{
    char sample[96];
    struct rig_state st;
    struct rig_sub s;
    static int n;

    (void)snprintf(sample, sizeof(sample), "%s %d", text, n++);
    rig_sub_new(r, &s, "CH");
    rig_submit(r, RIG_ZRH, &s, span_str(sample), "text", NULL);
    rig_await(r, RIG_ZRH, &s, "scanned", &st);
    assert_string_equal(st.verdict, expected);
    rig_sub_free(&s);
}

static void load(const char *says)
{
    assert_int_equal(kill(r->site[RIG_ZRH].pid, SIGHUP), 0);
    rig_await_log(r, RIG_ZRH, says, &at);
    if (strcmp(says, "new rules serve") ==
        0) { /* the old ones are let go: there is room for newer */
        size_t ended = at, through = at;

        rig_await_log(r, RIG_ZRH, "an engine ended", &ended);
        rig_await_log(r, RIG_ZRH, "all files are judged by the new rules", &through);
        at = ended > through ? ended : through;
    }
}

static const int *const author = rig_by_author, *const two = rig_by_two;
static const int one[] = {0, -1}, self[] = {0, RIG_AUTHOR, -1}, stranger[] = {0, -1};
static struct rig_release first, second, third, fourth, fifth;

static void nothing_is_a_release_before_the_first(void **state)
{
    struct audit *a;

    (void)state;
    verdict("marker-one", "malicious");
    rig_settle(r, RIG_ZRH);
    a = rig_audit(r);
    assert_int_equal(audit_find(a, "rules.unbroken")->verdict, AUDIT_EMPTY);
    assert_int_equal(audit_find(a, "rules.four-eyes")->verdict, AUDIT_EMPTY);
    audit_free(a);
}

static void a_release_takes_a_change_its_tests_and_two_others(void **state)
{
    struct digest other;

    (void)state;
    keep("r1");
    random_bytes(other.b, sizeof(other.b));
    propose(&first, &other, author, "made on other rules");
    propose(&first, NULL, stranger, "not signed by the author it names");
    propose(&first, NULL, author, NULL);
    release(&first, NULL, two, "its tests are not in this ledger");
    report(&first, &other, 0, "no change to the tree of this report");
    report(&first, &first.change.tree, 1, "the tests were not passed");
    report(&first, &first.change.tree, 0, NULL);
    release(&first, NULL, one, "2 distinct persons");
    release(&first, NULL, self, "is the author's");
    first.release.tree = other;
    release(&first, NULL, two, "another tree");
    first.release.tree = first.change.tree;
    first.release.allows = 1;
    release(&first, NULL, two, "another report");
    first.release.allows = 0;
    release(&first, NULL, two, NULL);
    release(&first, NULL, two, "does not follow");
    load("the rules are the same"); /* what is loaded already is what was released */
    verdict("marker-one", "malicious");
}

static void what_is_not_released_is_not_loaded(void **state)
{
    (void)state;
    rule("b.yar", "rule Two { strings: $a = \"marker-two\" condition: $a }\n");
    load("they are no release of this ledger");
    keep("r2");
    (void)snprintf(second.change.why, sizeof(second.change.why), "finds marker two");
    (void)snprintf(second.change.ticket, sizeof(second.change.ticket), "T-2");
    verdict("marker-two", "clean");
    propose(&second, NULL, author, "made on other rules");
    propose(&second, &first.change.tree, author, NULL);
    load("they are no release of this ledger");
    report(&second, &second.change.tree, 0, NULL);
    release(&second, &first, two, NULL);
    load("new rules serve");
    verdict("marker-two", "malicious");
}

static void an_allow_list_grows_by_what_was_approved(void **state)
{
    struct digest subject = {{1}};

    (void)state;
    extra(true);
    keep("r3");
    third.release.allows = 1;
    propose(&third, &second.change.tree, author, NULL);
    report(&third, &third.change.tree, 0, NULL);
    release(&third, &second, two, "more new entries of allow lists than were approved");
    override(RULES_ALLOW, &subject, 1, one, "2 distinct persons");
    override(RULES_ALLOW, &subject, 1, two, NULL);
    release(&third, &second, two, NULL);
    load("new rules serve");
    verdict("marker-two", "malicious");
}

static void an_older_release_comes_back_when_the_newer_is_withdrawn(void **state)
{
    (void)state;
    extra(false);
    load("an older release than was loaded");
    rig_stop(r, RIG_ZRH);
    rig_start(r, RIG_ZRH); /* what may be loaded is known after a restart too */
    rig_await_log(r, RIG_ZRH, "nothing is scanned by the rules in the folder", &at);
    override(RULES_WITHDRAW, &third.change.tree, 1, two, NULL);
    verdict("marker-two", "malicious");
}

/* Forward to rules that were released before, and to those that were taken back: by the change of
 * then, approved anew. */
static void what_was_released_before_can_be_released_again(void **state)
{
    struct digest subject = {{2}};

    (void)state;
    propose(&fourth, &third.change.tree, author, NULL); /* the second's tree */
    report(&fourth, &fourth.change.tree, 0, NULL);
    release(&fourth, &third, two, NULL);
    fifth.change = third.change;
    fifth.release = third.release;
    release(&fifth, &fourth, two, "more new entries of allow lists than were approved");
    override(RULES_ALLOW, &subject, 1, two, NULL);
    release(&fifth, &fourth, two, NULL);
    extra(true);
    load("new rules serve");
    extra(false);
    load("an older release than was loaded"); /* its newest release was not withdrawn */
}

static bool said(struct buf *text, const char *what)
{
    char out[96];

    (void)snprintf(out, sizeof(out), "%s/out", r->dir);
    buf_reset(text);
    rig_ok(io_read_file(AT_FDCWD, out, text), NULL);
    return strstr(buf_str(text), what) != NULL;
}

static int explain(const char *name, const char *more, const char *value)
{
    static char d[6][160];
    static const char *const names[] = {"r1", "r2", "r3", "trust.yaml"};
    const char *argv[] = {glarus,    "rules", "explain", name,  "--rules",  d[0],
                          "--rules", d[1],    "--rules", d[2],  "--ledger", d[4],
                          "--trust", d[3],    more,      value, NULL};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        (void)snprintf(d[i], sizeof(d[i]), "%s/%s", r->dir, names[i]);
    (void)snprintf(d[4], sizeof(d[4]), "%s/ledger", r->site[RIG_ZRH].data);
    return run(argv);
}

/* "Two" came with the second release, stayed in the third, which was taken back, and in all since.
 */
static void a_rule_has_a_story(void **state)
{
    char author_is[64], approver[64], change[64];
    const char *says[] = {
        "A YARA rule of ",
        "b.yar:1",
        "NEW in release 2, ",
        ": enforce\n",
        "why         finds marker two",
        "ticket      T-2",
        author_is,
        approver,
        change,
        "3 files that must be hit, missed 0; 100 that must not, hit 0",
        "AGAINST IT, ",
        "a release that has it is withdrawn; asked for by the owner",
        "why         because",
        "2 other decisions against rules do not name it",
        "Of 5 releases in the ledger the rules of 5 are given; it is in 4 of these",
        "4 verdicts malicious, 0 clean, 0 incomplete", /* one of a file of before */
        "its log signed it, and enough witnesses"};
    struct buf text;
    char id[33];

    (void)state;
    rig_settle(r, RIG_ZRH);
    text_id(id, &r->person_id[RIG_AUTHOR]);
    (void)snprintf(author_is, sizeof(author_is), "author      %s (vendor ", id);
    text_id(id, &r->person_id[1]);
    (void)snprintf(approver, sizeof(approver), "and by      %s (vendor ", id);
    text_id(id, &second.change.change);
    (void)snprintf(change, sizeof(change), "as change %s", id);
    buf_init(&text, 1 << 20);
    assert_int_equal(explain("Two", NULL, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(says); i++)
        if (!said(&text, says[i]))
            fail_msg("\"%s\" is not said: %s", says[i], buf_str(&text));
    assert_false(said(&text, "NOT "));
    assert_int_equal(explain("One", NULL, NULL), 0);
    assert_true(said(&text, "NEW in release 1, "));
    assert_true(said(&text, "it is in 5 of these"));
    assert_true(said(&text, "CHANGED in release 3, ") && said(&text, "CHANGED in release 4, ") &&
                said(&text, "CHANGED in release 5, "));
    assert_false(said(&text, "in release 2, "));
    assert_int_equal(explain("Short_lived", NULL, NULL), 0);
    assert_true(said(&text, "WITHDRAWN later"));
    assert_true(said(&text, "NEW in release 3, ") && said(&text, "GONE in release 4, ") &&
                said(&text, "NEW in release 5, ") && said(&text, "it is in 2 of these"));
    assert_int_equal(explain("Three", NULL, NULL), 2);
    assert_true(said(&text, "none of the rules given has the name"));
    buf_free(&text);
}

/* --- the update repository --- */

static struct served shop;
static struct ed25519_key *shop_key[SERVED_KEYS];

static void serve(const struct served *v, const char *refusal)
{
    struct buf b;

    buf_init(&b, PUBLISHED_MAX_BYTES);
    assert_int_equal(served_write(v, &b), 0);
    publish(READ_PUBLISHED, &b, refusal);
    buf_free(&b);
}

/* The repository's next list, by n of the two keys that it takes. */
static void list(const struct served_release *rel, size_t n, size_t keys, const char *refusal)
{
    int64_t version = served_find(&shop, "rules")->version;

    assert_int_equal(
        served_put(&shop, "rules", served_rules(version + 1, rel, n), shop_key + KEY_RULES, keys),
        0);
    assert_int_equal(
        served_put(&shop, "snapshot", served_snapshot(&shop), shop_key + KEY_SNAPSHOT, 1), 0);
    serve(&shop, refusal);
}

/* --- as `glarus repository` makes one --- */

static const char *in_dir(const char *name)
{
    static char path[8][160];
    static unsigned next;
    char *p = path[next++ % ARRAY_LEN(path)];

    (void)snprintf(p, sizeof(path[0]), "%s/%s", r->dir, name);
    return p;
}

static void repository(const char *const *argv)
{
    struct buf out;

    if (run(argv) == 0)
        return;
    buf_init(&out, 1 << 16);
    rig_ok(io_read_file(AT_FDCWD, in_dir("out"), &out), NULL);
    fail_msg("%s: %s", argv[2], buf_str(&out));
}

/* The keys, in files, and keys.yaml: two for root and rules each, both needed. */
static void make_repository(void)
{
    static const char *const role[] = {"root", "targets", "snapshot", "timestamp", "rules"};
    static const int from[] = {KEY_ROOT, KEY_TARGETS, KEY_SNAPSHOT, KEY_TIMESTAMP, KEY_RULES};
    char b64[SERVED_KEYS][TEXT_BASE64_LEN(32) + 1], name[16];
    struct ed25519_pub pub;
    struct buf yaml;

    assert_int_equal(mkdir(in_dir("repo"), 0755), 0);
    for (unsigned i = 0; i < SERVED_KEYS; i++) {
        assert_int_equal(ed25519_generate(&shop_key[i]), 0);
        (void)snprintf(name, sizeof(name), "shop-%u", i);
        rig_ok(ed25519_store(shop_key[i], in_dir(name), NULL), NULL);
        ed25519_public(shop_key[i], &pub);
        text_base64(b64[i], pub.b, 32);
    }
    buf_init(&yaml, 4096);
    assert_int_equal(buf_puts(&yaml, "format: update-keys/v1\n"), 0);
    for (size_t i = 0; i < ARRAY_LEN(role); i++) {
        bool pair = from[i] == KEY_ROOT || from[i] == KEY_RULES;

        assert_int_equal(buf_printf(&yaml,
                                    "%s: {threshold: %d, expires: 1d, keys: [\"%s\"%s%s%s]}\n",
                                    role[i], pair ? 2 : 1, b64[from[i]], pair ? ", \"" : "",
                                    pair ? b64[from[i] + 1] : "", pair ? "\"" : ""),
                         0);
    }
    rig_ok(io_replace_file(AT_FDCWD, in_dir("repo/keys.yaml"), yaml.data, yaml.len, 0644), NULL);
    buf_free(&yaml);
}

static void sign_pending(const char *file, unsigned key)
{
    char name[16];
    const char *argv[] = {glarus, "repository", "sign", in_dir(file), "--key", NULL, NULL};

    (void)snprintf(name, sizeof(name), "shop-%u", key);
    argv[5] = in_dir(name);
    repository(argv);
}

static void publish_repository(void)
{
    const char *argv[] = {glarus,         "repository",     "publish",
                          in_dir("repo"), "--snapshot",     in_dir("shop-3"),
                          "--timestamp",  in_dir("shop-4"), NULL};

    repository(argv);
}

static void add_the_folder(void)
{
    char ledger[160];
    const char *argv[] = {glarus,           "repository", "add",     in_dir("repo"),       rules,
                          "--ledger",       ledger,       "--trust", in_dir("trust.yaml"), "--key",
                          in_dir("shop-5"), NULL};

    (void)snprintf(ledger, sizeof(ledger), "%s/ledger", r->site[RIG_ZRH].data);
    rig_settle(r, RIG_ZRH);
    repository(argv);
}

/* The release whose rules are in the folder, and its publication's artifact. */
static void serve_the_folder(struct buf *log)
{
    const char *plan[] = {glarus, "repository", "plan", NULL, NULL};

    make_repository();
    plan[3] = in_dir("repo");
    repository(plan);
    sign_pending("repo/pending/root.json", KEY_ROOT);
    sign_pending("repo/pending/root.json", KEY_ROOT_2);
    sign_pending("repo/pending/targets.json", KEY_TARGETS);
    publish_repository();
    add_the_folder();
    sign_pending("repo/pending/rules.json", KEY_RULES_2);
    publish_repository();
    buf_init(log, PUBLISHED_MAX_BYTES);
    rig_ok(io_read_file(AT_FDCWD, in_dir("repo/log/2.repository"), log), NULL);
}

static struct buf first_served;

/* By the command line, which tells by the first line what it is. */
static int publish_file(const char *name)
{
    const char *argv[] = {glarus, "rules", "publish", in_dir(name), "--config", in_dir("zrh1.yaml"),
                          NULL};

    return run(argv);
}

static void what_is_served_was_released(void **state)
{
    struct served_release all[] = {{1, first.release.tree}, {2, second.release.tree},
                                   {3, third.release.tree}, {4, fourth.release.tree},
                                   {5, fifth.release.tree}, {6, {{7}}}};
    const struct served_release other = {5, first.release.tree};
    struct buf b;

    (void)state;
    serve_the_folder(&first_served); /* release 4's rules, and so they were the second's */
    served_init(&shop);
    assert_int_equal(served_begin(&shop, shop_key, NULL, 0), 0);
    serve(&shop, "lists no release of the rules yet");
    served_free(&shop);
    assert_int_equal(publish_file("repo/log/2.repository"), 0);
    publish(READ_PUBLISHED, &first_served, "this is what was published last");
    assert_int_equal(served_parse(&shop, buf_span(&first_served)), 0);
    list(&other, 1, 2, "release 5 with another tree than was released");
    list(all + 4, 2, 2, "release 6, which is none of this ledger");
    list(all + 1, 4, 1, "rules: 1 of 2 signatures");
    list(all + 1, 4, 2, NULL);
    list(all, 4, 2, "goes back from release 5 to 4");
    override(RULES_WITHDRAW, &fifth.release.tree, 1, two, NULL);
    list(all, 4, 2, NULL);
    buf_init(&b, 100);
    assert_int_equal(buf_puts(&b, "repository/v1\nroot 1 4\n"), 0);
    publish(READ_PUBLISHED, &b, "root 1: not as long as its line says");
    buf_free(&b);
}

static void what_is_served_goes_on(void **state)
{
    const char *rebuild[] = {glarus, "site", "rebuild", "--config", in_dir("zrh1.yaml"), NULL};
    const struct served_release newest = {5, fifth.release.tree};
    struct ed25519_key *other[SERVED_KEYS], *by[2 * SERVED_KEYS];
    struct served v;

    (void)state;
    for (size_t i = 0; i < SERVED_KEYS; i++)
        assert_int_equal(ed25519_generate(&other[i]), 0);
    publish(READ_PUBLISHED, &first_served, "goes back from version");
    served_init(&v);
    assert_int_equal(served_begin(&v, other, &newest, 1), 0);
    serve(&v, "root 1 is another than was published before");
    served_free(&v);
    /* a root by the old keys and the new ones is fine; by the new ones alone it is not */
    assert_int_equal(served_put(&shop, "root", served_root(2, other), other + KEY_ROOT, 2), 0);
    serve(&shop, "root 2, by the keys of root 1");
    memcpy(by, other + KEY_ROOT, 2 * sizeof(*by));
    memcpy(by + 2, shop_key + KEY_ROOT, 2 * sizeof(*by));
    assert_int_equal(served_sign(served_find(&shop, "root"), by, 4), 0);
    assert_int_equal(served_sign(served_find(&shop, "targets"), other + KEY_TARGETS, 1), 0);
    serve(&shop, "snapshot: 0 of 1 signatures");
    assert_int_equal(served_put(&shop, "snapshot", served_snapshot(&shop), other + KEY_SNAPSHOT, 1),
                     0);
    serve(&shop, "targets 1 is another file than was published before");
    json_object_set_new(served_find(&shop, "targets")->body, "version", json_integer(2));
    assert_int_equal(served_sign(served_find(&shop, "targets"), other + KEY_TARGETS, 1), 0);
    assert_int_equal(served_put(&shop, "snapshot", served_snapshot(&shop), other + KEY_SNAPSHOT, 1),
                     0);
    rig_stop(r, RIG_ZRH);
    assert_int_equal(run(rebuild), 0);
    rig_start(r, RIG_ZRH); /* what was served last stands in the journal */
    publish(READ_PUBLISHED, &first_served, "goes back from version");
    serve(&shop, NULL);
    served_free(&shop);
    buf_free(&first_served);
    for (size_t i = 0; i < SERVED_KEYS; i++) {
        ed25519_free(other[i]);
        ed25519_free(shop_key[i]);
    }
}

static void the_audit_proves_it(void **state)
{
    struct audit *a;

    (void)state;
    rig_settle(r, RIG_ZRH);
    a = rig_audit(r);
    rig_proved(a, "rules.four-eyes", 5, 0);
    assert_non_null(strstr(audit_find(a, "rules.four-eyes")->sentence, "; 0 changes proposed"));
    rig_proved(a, "rules.unbroken", 5, 0);
    assert_non_null(strstr(audit_find(a, "rules.unbroken")->sentence, "in 4 publications of"));
    rig_proved(a, "detect.neutral", 4, 0);
    rig_proved(a, "detect.explained", 6, 0);
    audit_free(a);
    buf_free(&first.env);
    buf_free(&second.env);
    buf_free(&third.env);
    buf_free(&fourth.env);
    buf_free(&fifth.env);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_a_release_before_the_first),
        cmocka_unit_test(a_release_takes_a_change_its_tests_and_two_others),
        cmocka_unit_test(what_is_not_released_is_not_loaded),
        cmocka_unit_test(an_allow_list_grows_by_what_was_approved),
        cmocka_unit_test(an_older_release_comes_back_when_the_newer_is_withdrawn),
        cmocka_unit_test(what_was_released_before_can_be_released_again),
        cmocka_unit_test(a_rule_has_a_story),
        cmocka_unit_test(what_is_served_was_released),
        cmocka_unit_test(what_is_served_goes_on),
        cmocka_unit_test(the_audit_proves_it),
    };

    rig_args(argc < 4 ? argc : 4, argv);
    if (argc < 5)
        return 1;
    glarus = argv[4];
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

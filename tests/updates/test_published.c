/* What an update repository served, as it stands in a ledger.  The repository is repo.h's own, with
 * its own canonical writer: roots 1 and 2, two of two keys for the rules, another role beside. */
#include "repo.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "crypto/sha256.h"
#include "updates/published.h"

#define RULES_PATHS "\"paths\":[\"rules/*\"],"
#define PRODUCTS_PATHS "\"paths\":[\"products/*\"],"

static struct repo r;
static int64_t rules_version, products_version;
static char *delegations;
static const int rules_keys[] = {5, 6}, products_keys[] = {7};

/* --- a repository --- */

static void digest_of(const char *text, char hex[65])
{
    struct digest d;

    sha256_of(text, strlen(text), &d);
    text_digest(hex, &d);
}

static const char *tree(int serial)
{
    static char hex[4][65];
    static unsigned next;
    char text[20];

    next = (next + 1) % 4;
    (void)snprintf(text, sizeof(text), "tree %d", serial);
    digest_of(text, hex[next]);
    return hex[next];
}

/* "PATH":{...} of a target that is so many bytes of hash; custom "" or "\"custom\":{...}," */
static void target(struct buf *b, const char *path, const char *custom, const char *hash, size_t n)
{
    assert_int_equal(buf_printf(b, "%s\"%s\":{%s\"hashes\":{\"sha256\":\"%s\"},\"length\":%zu}",
                                b->len > 0 ? "," : "", path, custom, hash, n),
                     0);
}

static const char *custom(int serial, int tree_of)
{
    static char text[200];

    (void)snprintf(text, sizeof(text), "\"custom\":{\"serial\":%d,\"tree\":\"%s\"},", serial,
                   tree(tree_of));
    return text;
}

static void archive(struct buf *b, int serial)
{
    char path[40];

    (void)snprintf(path, sizeof(path), "rules/%d.tar", serial);
    target(b, path, custom(serial, serial), tree(serial), 10240);
}

static void current(struct buf *b, int serial)
{
    char text[200], hex[65];

    (void)snprintf(text, sizeof(text),
                   "{\"format\":\"rules-current/v1\",\"serial\":%d,\"tree\":\"%s\"}\n", serial,
                   tree(serial));
    digest_of(text, hex);
    target(b, "rules/current.json", custom(serial, serial), hex, strlen(text));
}

static void publish_rules(struct buf *list)
{
    repo_delegated(&r, "rules", ++rules_version, buf_str(list), NULL, rules_keys, 2);
    repo_bump(&r);
}

static void begin(struct buf *b)
{
    buf_init(b, 1 << 16);
}

/* Releases 1 to n, as the repository lists them. */
static void list(struct buf *b, int n)
{
    char path[40];

    begin(b);
    for (int i = 1; i <= n; i++) {
        if (i < n) {
            (void)snprintf(path, sizeof(path), "rules/%d-%d.zst", i, i + 1);
            target(b, path, "", tree(-i), 99);
        }
        (void)snprintf(path, sizeof(path), "rules/%d.proof", i);
        target(b, path, custom(i, i), tree(-i), 800);
        archive(b, i);
        (void)snprintf(path, sizeof(path), "rules/%d.tar.zst", i);
        target(b, path, custom(i, i), tree(-i), 999);
    }
    current(b, n);
}

static void delegate(const char *products_paths)
{
    const struct repo_delegation d[] = {
        {"rules", RULES_PATHS, ROLE(2, 5, 6), true},
        {"products", products_paths, ROLE(1, 7), true},
    };

    free(delegations);
    delegations = repo_delegations(d, ARRAY_LEN(d));
    r.delegations = delegations;
}

static int set_up(void **state)
{
    struct buf b;

    (void)state;
    repo_open(&r);
    r.hashes = true;
    r.roles[TUF_ROOT] = ROLE(2, 0, 8);
    repo_root(&r);
    delegate(PRODUCTS_PATHS);
    rules_version = products_version = 0;
    repo_delegated(&r, "products", ++products_version, "", NULL, products_keys, 1);
    list(&b, 3);
    publish_rules(&b);
    buf_free(&b);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    repo_close(&r);
    free(delegations);
    delegations = NULL;
    return 0;
}

/* --- its artifact --- */

static struct published_file file_of(const char *role, int64_t version)
{
    struct published_file f = {.role = role, .version = version};
    char name[80];
    struct buf *b;

    (void)snprintf(name, sizeof(name), "%" PRId64 ".%s.json", version, role);
    b = repo_find(&r, name);
    assert_non_null(b);
    f.bytes = buf_span(b);
    return f;
}

static size_t files_of(struct published_file f[16])
{
    size_t n = 0;

    f[n++] = file_of("rules", rules_version); /* not in the order of the artifact */
    f[n++] = file_of("targets", r.version[TUF_TARGETS]);
    f[n++] = file_of("products", products_version);
    for (int64_t v = r.version[TUF_ROOT]; v > 0; v--)
        f[n++] = file_of("root", v);
    f[n++] = file_of("snapshot", r.version[TUF_SNAPSHOT]);
    return n;
}

static void artifact(struct buf *out)
{
    struct published_file f[16];
    size_t n = files_of(f);

    buf_init(out, PUBLISHED_MAX_BYTES);
    assert_int_equal(published_write(out, f, n, NULL), 0);
}

static struct published *taken(void)
{
    struct published *p = NULL;
    struct err e = ERR_INIT;
    struct buf b;

    artifact(&b);
    if (published_read(&p, buf_span(&b), &e) != 0)
        fail_msg("%s", e.text);
    buf_free(&b);
    return p;
}

static void refused_bytes(struct span s, int rc, const char *words)
{
    struct published *p = NULL;
    struct err e = ERR_INIT;
    int got = published_read(&p, s, &e);

    if (got != rc || p != NULL || strstr(e.text, words) == NULL)
        fail_msg("%d, %s; expected %s", got, e.text, words);
}

static void refused(const char *words)
{
    struct buf b;

    artifact(&b);
    refused_bytes(buf_span(&b), -EBADMSG, words);
    buf_free(&b);
}

static void what_is_served_is_read(void **state)
{
    const struct published_release *v;
    struct published *p = taken();
    size_t n;

    (void)state;
    v = published_releases(p, &n);
    assert_int_equal(n, 3);
    for (int i = 0; i < 3; i++) {
        char hex[65];

        text_digest(hex, &v[i].tree);
        assert_int_equal(v[i].serial, i + 1);
        assert_string_equal(hex, tree(i + 1));
    }
    assert_int_equal(published_serial(p), 3);
    published_free(p);
    published_free(NULL);
}

/* Serials are numbers, not words: 10 comes after 9. */
static void the_newest_is_the_greatest_number(void **state)
{
    struct published *p;
    struct buf b;

    (void)state;
    begin(&b);
    archive(&b, 10);
    archive(&b, 9);
    current(&b, 10);
    publish_rules(&b);
    p = taken();
    assert_int_equal(published_serial(p), 10);
    published_free(p);
    buf_free(&b);
}

static void a_repository_without_rules_yet_lists_nothing(void **state)
{
    struct published *p;
    struct buf b;

    (void)state;
    begin(&b);
    publish_rules(&b);
    p = taken();
    assert_int_equal(published_serial(p), 0);
    published_free(p);
    buf_free(&b);
}

static void the_same_files_are_the_same_bytes(void **state)
{
    static const struct published_file f[] = {
        {"zz-9", 7, {(const uint8_t *)"e\n", 2}},
        {"root", 2, {(const uint8_t *)"b", 1}},
        {"targets", 5, {NULL, 0}},
        {"a", 12, {(const uint8_t *)"d", 1}},
        {"snapshot", 4, {(const uint8_t *)"c", 1}},
        {"root", 1, {(const uint8_t *)"a a", 3}},
    };
    static const char expected[] = "repository/v1\nroot 1 3\na a\nroot 2 1\nb\nsnapshot 4 1\nc\n"
                                   "targets 5 0\n\na 12 1\nd\nzz-9 7 2\ne\n\n";
    struct buf b;

    (void)state;
    buf_init(&b, 4000);
    assert_int_equal(published_write(&b, f, ARRAY_LEN(f), NULL), 0);
    assert_string_equal(buf_str(&b), expected);
    buf_free(&b);
}

static void what_cannot_be_read_is_not_written(void **state)
{
    static const struct published_file rows[][5] = {
        {{"snapshot", 1, {NULL, 0}}, {"targets", 1, {NULL, 0}}, {"a", 1, {NULL, 0}}},
        {{"root", 2, {NULL, 0}}, {"snapshot", 1, {NULL, 0}}, {"targets", 1, {NULL, 0}}},
        {{"root", 1, {NULL, 0}}, {"snapshot", 1, {NULL, 0}}, {"a", 1, {NULL, 0}}},
        {{"root", 1, {NULL, 0}}, {"targets", 1, {NULL, 0}}, {"a", 1, {NULL, 0}}},
        {{"root", 1, {NULL, 0}}, {"snapshot", 1, {NULL, 0}}, {"snapshot", 2, {NULL, 0}}},
        {{"root", 1, {NULL, 0}}, {"snapshot", 0, {NULL, 0}}, {"targets", 1, {NULL, 0}}},
        {{"root", 1, {NULL, 0}}, {"root", 1, {NULL, 0}}, {"snapshot", 1, {NULL, 0}}},
        {{"timestamp", 1, {NULL, 0}}, {"root", 1, {NULL, 0}}, {"snapshot", 1, {NULL, 0}}},
        {{"A", 1, {NULL, 0}}, {"root", 1, {NULL, 0}}, {"snapshot", 1, {NULL, 0}}},
        {{"a b", 1, {NULL, 0}}, {"root", 1, {NULL, 0}}, {"snapshot", 1, {NULL, 0}}},
    };
    static uint8_t much[PUBLISHED_MAX_BYTES];
    struct published_file f[] = {
        {"root", 1, {much, sizeof(much)}}, {"snapshot", 1, {NULL, 0}}, {"targets", 1, {NULL, 0}}};
    struct buf b;

    (void)state;
    buf_init(&b, 2 * PUBLISHED_MAX_BYTES);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(published_write(&b, rows[i], 3, NULL), -EINVAL);
        assert_int_equal(b.len, 0);
    }
    assert_int_equal(published_write(&b, NULL, 0, NULL), -EINVAL);
    assert_int_equal(published_write(&b, f, 3, NULL), -E2BIG);
    assert_int_equal(b.len, 0);
    buf_free(&b);
}

static void another_form_is_refused(void **state)
{
    static const struct {
        const char *text;
        const char *words;
    } rows[] = {
        {"", "does not begin with"},
        {"repository/v2\nroot 1 0\n\n", "does not begin with"},
        {"repository/v1", "does not begin with"},
        {"repository/v1\n", "are all needed"},
        {"repository/v1\nroot 1 0\n\nsnapshot 1 0\n\n", "are all needed"},
        {"repository/v1\nroot 1\n\n", "ROLE VERSION LENGTH"},
        {"repository/v1\nroot  1 0\n\n", "ROLE VERSION LENGTH"},
        {"repository/v1\nroot 01 0\n\n", "ROLE VERSION LENGTH"},
        {"repository/v1\nroot 0 0\n\n", "ROLE VERSION LENGTH"},
        {"repository/v1\nroot 1 00\n\n", "ROLE VERSION LENGTH"},
        {"repository/v1\nroot 1 99999999\n\n", "ROLE VERSION LENGTH"},
        {"repository/v1\nroot 9223372036854775807 0\n\n", "ROLE VERSION LENGTH"},
        {"repository/v1\nRoot 1 0\n\n", "ROLE VERSION LENGTH"},
        {"repository/v1\n-a 1 0\n\n", "ROLE VERSION LENGTH"},
        {"repository/v1\n 1 0\n\n", "ROLE VERSION LENGTH"},
        {"repository/v1\nroot 1 4\na\n", "not as long as"},
        {"repository/v1\nroot 1 0\nx", "not as long as"},
        {"repository/v1\nroot 1 1\na", "not as long as"},
        {"repository/v1\nroot 2 0\n\n", "the one that follows"},
        {"repository/v1\nroot 1 0\n\nroot 1 0\n\n", "the one that follows"},
        {"repository/v1\nroot 1 0\n\nsnapshot 1 0\n\nroot 2 0\n\n", "no root is expected"},
        {"repository/v1\nsnapshot 1 0\n\n", "not in its place"},
        {"repository/v1\nroot 1 0\n\ntargets 1 0\n\n", "not in its place"},
        {"repository/v1\nroot 1 0\n\nsnapshot 1 0\n\nsnapshot 2 0\n\n", "not in its place"},
        {"repository/v1\nroot 1 0\n\nsnapshot 1 0\n\ntargets 1 0\n\nb 1 0\n\na 1 0\n\n",
         "not in its place"},
        {"repository/v1\nroot 1 0\n\nsnapshot 1 0\n\ntargets 1 0\n\nb 1 0\n\nb 1 0\n\n",
         "not in its place"},
        {"repository/v1\nroot 1 0\n\nsnapshot 1 0\n\ntargets 1 0\n\ntimestamp 1 0\n\n",
         "not in its place"},
        {"repository/v1\nroot 1 0\n\nsnapshot 1 0\n\ntargets 1 0\n\n", "root: the file is empty"},
    };
    static uint8_t big[PUBLISHED_MAX_BYTES + 1];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        refused_bytes(span_str(rows[i].text), -EBADMSG, rows[i].words);
    memcpy(big, "repository/v1\n", 14);
    refused_bytes(span_of(big, sizeof(big)), -E2BIG, "at most");
}

static void too_many_files_are_refused(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    assert_int_equal(buf_puts(&b, "repository/v1\n"), 0);
    for (int i = 1; i <= PUBLISHED_MAX_ROOTS + 1; i++)
        assert_int_equal(buf_printf(&b, "root %d 0\n\n", i), 0);
    refused_bytes(buf_span(&b), -E2BIG, "more than 1024 roots");
    buf_reset(&b);
    assert_int_equal(buf_puts(&b, "repository/v1\nroot 1 0\n\nsnapshot 1 0\n\ntargets 1 0\n\n"), 0);
    for (int i = 0; i <= PUBLISHED_MAX_ROLES; i++)
        assert_int_equal(buf_printf(&b, "role-%02d 1 0\n\n", i), 0);
    refused_bytes(buf_span(&b), -E2BIG, "more than 16 roles");
    buf_free(&b);
}

/* Every role is signed by no more keys than it must, so every byte counts. */
static void no_byte_can_be_another(void **state)
{
    struct published *p;
    struct buf b;

    (void)state;
    artifact(&b);
    for (size_t i = 0; i < b.len; i += 1 + i % 13) {
        b.data[i] ^= 1;
        p = NULL;
        if (published_read(&p, buf_span(&b), NULL) == 0)
            fail_msg("byte %zu of %zu: %.20s", i, b.len, (const char *)b.data + i);
        b.data[i] ^= 1;
    }
    assert_int_equal(published_read(&p, buf_span(&b), NULL), 0);
    published_free(p);
    buf_free(&b);
}

/* --- signatures and versions --- */

static void too_few_keys_are_refused(void **state)
{
    static const int one[] = {5}, twice[] = {5, 5}, stranger[] = {5, 9};
    struct buf b;

    (void)state;
    list(&b, 3);
    repo_delegated(&r, "rules", ++rules_version, buf_str(&b), NULL, one, 1);
    repo_bump(&r);
    refused("rules: 1 of 2 signatures");
    repo_delegated(&r, "rules", ++rules_version, buf_str(&b), NULL, stranger, 2);
    repo_bump(&r);
    refused("rules: 1 of 2 signatures");
    repo_delegated(&r, "rules", ++rules_version, buf_str(&b), NULL, twice, 2);
    repo_bump(&r);
    refused("two signatures");
    buf_free(&b);
}

static void top_level_roles_need_their_keys(void **state)
{
    struct repo_role was = r.roles[TUF_SNAPSHOT];

    (void)state;
    r.roles[TUF_SNAPSHOT] = ROLE(1, 9);
    repo_bump(&r);
    refused("snapshot: 0 of 1");
    r.roles[TUF_SNAPSHOT] = was;
    r.roles[TUF_TARGETS] = ROLE(1, 9);
    repo_bump(&r);
    refused("targets: 0 of 1");
}

static void a_root_follows_by_the_keys_of_both(void **state)
{
    (void)state;
    r.version[TUF_ROOT]++;
    r.roles[TUF_ROOT] = ROLE(1, 10);
    repo_root_by(&r, (const int[]){10}, 1); /* the new keys alone */
    refused("root 3, by the keys of root 2");
    repo_root_by(&r, (const int[]){0, 10}, 2); /* one of the two old ones */
    refused("root 3, by the keys of root 2");
    repo_root_by(&r, (const int[]){0, 8}, 2); /* the old keys alone */
    refused("root 3, by its own keys");
    repo_root_by(&r, (const int[]){0, 8, 10}, 3);
    published_free(taken());
}

static void versions_are_those_that_are_said(void **state)
{
    struct published_file f[16];
    size_t n = files_of(f);
    struct buf b;

    (void)state;
    f[0].version++; /* of rules */
    buf_init(&b, PUBLISHED_MAX_BYTES);
    assert_int_equal(published_write(&b, f, n, NULL), 0);
    refused_bytes(buf_span(&b), -EBADMSG, "rules: version 2 where snapshot announces 1");
    buf_reset(&b);
    f[0].version--;
    f[n - 1].version++; /* of snapshot */
    assert_int_equal(published_write(&b, f, n, NULL), 0);
    refused_bytes(buf_span(&b), -EBADMSG, "snapshot: version 2 where 3 is said");
    buf_free(&b);
}

static void mixed_files_are_refused(void **state)
{
    struct buf b;

    (void)state;
    /* snapshot announces the hash of another rules.json with this version */
    list(&b, 2);
    repo_delegated(&r, "rules", rules_version, buf_str(&b), NULL, rules_keys, 2);
    refused("rules: ");
    r.hashes = false; /* and where it announces none, the version */
    buf_free(&b);
    list(&b, 3);
    repo_delegated(&r, "rules", ++rules_version, buf_str(&b), NULL, rules_keys, 2);
    refused("rules: version 2 where snapshot announces 1");
    buf_free(&b);
}

static void all_that_snapshot_announces_is_there_and_nothing_else(void **state)
{
    struct published_file f[16];
    size_t n = files_of(f);
    struct buf b;

    (void)state;
    buf_init(&b, PUBLISHED_MAX_BYTES);
    assert_int_equal(published_write(&b, f + 1, n - 1, NULL), 0); /* no rules */
    refused_bytes(buf_span(&b), -EBADMSG, "snapshot announces 3 files, 2 are here");
    buf_reset(&b);
    f[n] = f[0];
    f[n].role = "more";
    assert_int_equal(published_write(&b, f, n + 1, NULL), 0);
    refused_bytes(buf_span(&b), -EBADMSG, "more: not in snapshot");
    repo_set_meta(&r, "more.json", 1); /* announced, and nobody's */
    repo_delegated(&r, "more", 1, "", NULL, rules_keys, 2);
    repo_bump(&r);
    n = files_of(f);
    f[n++] = file_of("more", 1);
    buf_reset(&b);
    assert_int_equal(published_write(&b, f, n, NULL), 0);
    refused_bytes(buf_span(&b), -EBADMSG, "more: not delegated by targets");
    buf_free(&b);
}

/* --- what is listed --- */

static void only_role_rules_may_list_rules(void **state)
{
    static const char *const bad[] = {"rules/*",         "*/*",        "r*/1.tar", "rule?/*",
                                      "[a-r]ules/4.tar", "rules/4.tar"};
    static const char *const good[] = {"*",      "products/*",       "rulesx/*",
                                       "rule/*", "products/rules/*", "rules"};
    char paths[100];
    struct buf b;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        (void)snprintf(paths, sizeof(paths), "\"paths\":[\"products/*\",\"%s\"],", bad[i]);
        delegate(paths);
        repo_bump(&r);
        refused("which is for role \"rules\" alone");
    }
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        (void)snprintf(paths, sizeof(paths), "\"paths\":[\"products/*\",\"%s\"],", good[i]);
        delegate(paths);
        repo_bump(&r);
        published_free(taken());
    }
    delegate("\"path_hash_prefixes\":[\"00\"],");
    repo_bump(&r);
    refused("trusted by hashes of paths");
    delegate(PRODUCTS_PATHS);
    begin(&b);
    archive(&b, 4);
    r.targets = buf_str(&b);
    repo_bump(&r);
    refused("targets lists \"rules/4.tar\"");
    r.targets = "";
    buf_free(&b);
}

static void role_rules_trusts_nobody_and_is_one(void **state)
{
    const struct repo_delegation more = {"rest", RULES_PATHS, ROLE(1, 9), true};
    const struct repo_delegation two[] = {{"rules", RULES_PATHS, ROLE(2, 5, 6), true},
                                          {"products", PRODUCTS_PATHS, ROLE(1, 7), true},
                                          {"rules", RULES_PATHS, ROLE(1, 9), true}};
    char *text = repo_delegations(&more, 1);
    struct buf b;

    (void)state;
    list(&b, 3);
    repo_delegated(&r, "rules", ++rules_version, buf_str(&b), text, rules_keys, 2);
    repo_bump(&r);
    refused("trusts others");
    free(text);
    publish_rules(&b);
    buf_free(&b);
    free(delegations);
    r.delegations = delegations = repo_delegations(two, 3);
    repo_bump(&r);
    refused("\"rules\" stands there twice");
}

static void hash_bins_are_refused(void **state)
{
    char *bins;

    (void)state;
    assert_true(asprintf(&bins, "{\"keys\":{},\"succinct_roles\":{\"bit_length\":1,\"keyids\":[],"
                                "\"name_prefix\":\"b\",\"threshold\":1}}") > 0);
    free(delegations);
    r.delegations = delegations = bins;
    repo_bump(&r);
    refused("hash bins");
}

static void each_name_says_what_it_is(void **state)
{
    static const struct {
        const char *path;
        int custom; /* serial that is said; 0: none; -1: release 2 with the tree of 1 */
        const char *words;
    } rows[] = {
        {"rules/2b.tar", 0, "nothing that it is trusted with"},
        {"rules/02.tar", 0, "nothing that it is trusted with"},
        {"rules/0.tar", 0, "nothing that it is trusted with"},
        {"rules/extra.yar", 0, "nothing that it is trusted with"},
        {"rules/2.tar.xz", 0, "nothing that it is trusted with"},
        {"rules/2-2.zst", 0, "nothing that it is trusted with"},
        {"rules/1-2.tar", 0, "nothing that it is trusted with"},
        {"rules/", 0, "nothing that it is trusted with"},
        {"rule", 0, "nothing that it is trusted with"},
        {"products/x", 0, "nothing that it is trusted with"},
        {"rules/7.tar.zst", 0, "release 7, which is not listed"},
        {"rules/7.proof", 7, "release 7, which is not listed"},
        {"rules/2-7.zst", 0, "release 7, which is not listed"},
        {"rules/2.proof", 1, "says that it is of another release"},
        {"rules/2.proof", -1, "says that it is of another release"},
        {"rules/1.tar", 0, "does not say that it is release 1"},
        {"rules/1.tar", 2, "does not say that it is release 1"},
    };
    struct buf b;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *say = rows[i].custom == 0  ? ""
                          : rows[i].custom < 0 ? custom(2, 1)
                                               : custom(rows[i].custom, rows[i].custom);
        char *kept = strdup(say);

        assert_non_null(kept);
        begin(&b);
        if (strcmp(rows[i].path, "rules/2.tar") < 0)
            target(&b, rows[i].path, kept, tree(-9), 5);
        archive(&b, 2);
        if (strcmp(rows[i].path, "rules/2.tar") > 0 && strcmp(rows[i].path, "rules/c") < 0)
            target(&b, rows[i].path, kept, tree(-9), 5);
        current(&b, 2);
        if (strcmp(rows[i].path, "rules/c") > 0)
            target(&b, rows[i].path, kept, tree(-9), 5);
        publish_rules(&b);
        refused(rows[i].words);
        buf_free(&b);
        free(kept);
    }
}

static void a_tree_is_64_digits_and_a_serial_a_number(void **state)
{
    static const char *const bad[] = {"\"custom\":{\"serial\":2,\"tree\":\"00\"},",
                                      "\"custom\":{\"serial\":2},", "\"custom\":{\"tree\":\"00\"},",
                                      "\"custom\":{\"serial\":\"2\",\"tree\":\"00\"},"};
    struct buf b;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        begin(&b);
        target(&b, "rules/2.tar", bad[i], tree(2), 10240);
        current(&b, 2);
        publish_rules(&b);
        refused("rules/2.tar");
        buf_free(&b);
    }
}

static void current_is_the_newest(void **state)
{
    struct buf b;

    (void)state;
    begin(&b);
    archive(&b, 2);
    archive(&b, 3);
    current(&b, 2);
    publish_rules(&b);
    refused("does not name release 3");
    buf_free(&b);

    begin(&b);
    archive(&b, 2);
    publish_rules(&b);
    refused("no \"rules/current.json\"");
    buf_free(&b);

    begin(&b);
    current(&b, 2);
    publish_rules(&b);
    refused("and no release is");
    buf_free(&b);

    begin(&b); /* a hash that nobody here knows proves nothing */
    archive(&b, 2);
    assert_int_equal(buf_printf(&b,
                                ",\"rules/current.json\":{\"hashes\":{\"blake2b-256\":\"00\"},"
                                "\"length\":%zu}",
                                strlen("{\"format\":\"rules-current/v1\",\"serial\":2,\"tree\":\"\""
                                       "}\n") +
                                    64),
                     0);
    publish_rules(&b);
    refused("does not name release 2");
    buf_free(&b);
}

/* --- one after another --- */

static void expect_follows(const struct published *a, const struct published *b, const char *words)
{
    struct err e = ERR_INIT;
    int rc = published_follows(a, b, &e);

    if ((rc == 0) != (words == NULL) || (words != NULL && strstr(e.text, words) == NULL))
        fail_msg("%d, %s", rc, e.text);
}

static void versions_do_not_go_back(void **state)
{
    struct published *first = taken(), *second, *third;
    struct buf b;

    (void)state;
    list(&b, 4);
    publish_rules(&b);
    second = taken();
    repo_root(&r); /* a new root, nothing else */
    third = taken();
    expect_follows(first, first, NULL);
    expect_follows(first, second, NULL);
    expect_follows(second, third, NULL);
    expect_follows(first, third, NULL);
    expect_follows(second, first, "goes back from version 3 to 2");
    expect_follows(third, second, "root goes back from version 3 to 2");
    published_free(first);
    published_free(second);
    published_free(third);
    buf_free(&b);
}

static void one_version_is_one_file(void **state)
{
    struct published *first = taken(), *other;
    struct buf b;

    (void)state;
    list(&b, 2); /* the same versions everywhere, signed as they must be */
    repo_delegated(&r, "rules", rules_version, buf_str(&b), NULL, rules_keys, 2);
    repo_publish(&r);
    other = taken();
    expect_follows(first, other, "is another file than was published before");
    published_free(first);
    published_free(other);
    buf_free(&b);
}

static void a_role_does_not_go_away(void **state)
{
    const struct repo_delegation only = {"rules", RULES_PATHS, ROLE(2, 5, 6), true};
    struct published *first = taken(), *second = NULL;
    struct published_file f[16];
    struct buf b;
    size_t n;

    (void)state;
    free(delegations);
    r.delegations = delegations = repo_delegations(&only, 1);
    for (size_t i = 0; i < r.n_meta; i++)
        if (strcmp(r.meta[i].name, "products.json") == 0)
            r.meta[i] = r.meta[--r.n_meta];
    repo_bump(&r);
    n = files_of(f);
    f[2] = f[--n]; /* without products */
    buf_init(&b, PUBLISHED_MAX_BYTES);
    assert_int_equal(published_write(&b, f, n, NULL), 0);
    assert_int_equal(published_read(&second, buf_span(&b), NULL), 0);
    expect_follows(first, second, "\"products\" was published before and is gone");
    expect_follows(second, first, "goes back");
    published_free(first);
    published_free(second);
    buf_free(&b);
}

/* Another repository, whole and well signed, by other keys. */
static void a_root_is_not_replaced(void **state)
{
    struct published *first = taken(), *other;
    struct err e = ERR_INIT;

    (void)state;
    tear_down(NULL);
    repo_open(&r);
    r.hashes = true;
    r.version[TUF_ROOT] = 0;
    r.roles[TUF_ROOT] = ROLE(1, 11);
    repo_root_by(&r, (const int[]){11}, 1);
    r.version[TUF_ROOT] = 1;
    repo_root_by(&r, (const int[]){11}, 1);
    r.version[TUF_TARGETS] = r.version[TUF_SNAPSHOT] = 90;
    delegate(PRODUCTS_PATHS);
    repo_delegated(&r, "products", products_version = 90, "", NULL, products_keys, 1);
    {
        struct buf b;

        list(&b, 5);
        rules_version = 90;
        publish_rules(&b);
        buf_free(&b);
    }
    other = taken();
    expect_follows(first, other, "root 1 is another than was published before");
    assert_int_equal(published_same_roots(other, first, &e), -EBADMSG);
    assert_int_equal(published_same_roots(other, other, &e), 0);
    published_free(first);
    published_free(other);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(what_is_served_is_read),
        T(the_newest_is_the_greatest_number),
        T(a_repository_without_rules_yet_lists_nothing),
        T(the_same_files_are_the_same_bytes),
        T(what_cannot_be_read_is_not_written),
        T(another_form_is_refused),
        T(too_many_files_are_refused),
        T(no_byte_can_be_another),
        T(too_few_keys_are_refused),
        T(top_level_roles_need_their_keys),
        T(a_root_follows_by_the_keys_of_both),
        T(versions_are_those_that_are_said),
        T(mixed_files_are_refused),
        T(all_that_snapshot_announces_is_there_and_nothing_else),
        T(only_role_rules_may_list_rules),
        T(role_rules_trusts_nobody_and_is_one),
        T(hash_bins_are_refused),
        T(each_name_says_what_it_is),
        T(a_tree_is_64_digits_and_a_serial_a_number),
        T(current_is_the_newest),
        T(versions_do_not_go_back),
        T(one_version_is_one_file),
        T(a_role_does_not_go_away),
        T(a_root_is_not_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

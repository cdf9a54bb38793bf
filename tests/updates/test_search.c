/* From a path to a target, over delegations: the graph, the patterns, the bins, odd names, and a
 * role that two delegators trust with different keys. */
#include "repo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALL "\"paths\":[\"*\"],"
#define BY(...) (const int[]){__VA_ARGS__}, (int)(sizeof((const int[]){__VA_ARGS__}) / sizeof(int))
#define TARGET_X                                                                                   \
    "\"x\":{\"hashes\":{\"sha256\":\"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a" \
    "4881\"},\"length\":1}" /* printf x | sha256sum */

static struct repo r;
static char *owned[32];
static size_t n_owned;

static int open_repo(void **state)
{
    (void)state;
    repo_open(&r);
    return 0;
}

static int close_repo(void **state)
{
    (void)state;
    repo_close(&r);
    while (n_owned > 0)
        free(owned[--n_owned]);
    return 0;
}

static const char *delegations(const struct repo_delegation *d, size_t n)
{
    assert_true(n_owned < ARRAY_LEN(owned));
    return owned[n_owned++] = repo_delegations(d, n);
}
#define DELEGATIONS(...)                                                                           \
    delegations((const struct repo_delegation[]){__VA_ARGS__},                                     \
                sizeof((const struct repo_delegation[]){__VA_ARGS__}) /                            \
                    sizeof(struct repo_delegation))

/* Delegated roles named by capital letters, trusted with key 8 by all. */
struct edge {
    char from, to; /* from 'a': the top-level targets */
    const char *matcher;
    bool terminating;
};

static void graph(const struct edge *e, size_t n, char has_x)
{
    char names[2] = {'a', '\0'};

    for (; names[0] <= 'z'; names[0] = names[0] == 'a' ? 'A' : (char)(names[0] + 1)) {
        struct repo_delegation d[8];
        char role[8][2];
        size_t k = 0;
        const char *text;

        for (size_t i = 0; i < n; i++)
            if (e[i].from == names[0]) {
                role[k][0] = e[i].to;
                role[k][1] = '\0';
                d[k] =
                    (struct repo_delegation){role[k], e[i].matcher, ROLE(1, 8), e[i].terminating};
                k++;
            }
        text = k > 0 ? delegations(d, k) : NULL;
        if (names[0] == 'a')
            r.delegations = text;
        else if (names[0] <= 'F')
            repo_delegated(&r, names, 1, names[0] == has_x ? TARGET_X : "", text, BY(8));
        if (names[0] == 'F')
            break;
    }
    repo_bump(&r);
}

/* The roles that were asked for while looking for path, "A B C". */
static const char *visited(const char *path, int want)
{
    static char out[200];
    const char *from;
    struct err e = ERR_INIT;
    int rc = repo_search(&r, path, &e);

    if (rc != want)
        fail_msg("%s: %d %s", path, rc, err_text(&e));
    from = strstr(r.log, "2.targets");
    assert_non_null(from);
    out[0] = '\0';
    for (from += strlen("2.targets"); *from != '\0'; from++)
        if (*from != '1' && *from != '.') {
            size_t n = strlen(out);

            out[n] = *from;
            out[n + 1] = '\0';
        }
    return out[0] == ' ' ? out + 1 : out;
}

static void roles_are_visited_in_pre_order(void **state)
{
    static const struct {
        struct edge edges[8];
        char has_x; /* nobody: 'n' */
        const char *order;
    } rows[] = {
        {{{'a', 'A', ALL, false}}, 'n', "A"},
        {{{'a', 'A', ALL, false}, {'a', 'B', ALL, false}}, 'n', "A B"},
        {{{'a', 'A', ALL, false}, {'a', 'B', ALL, false}}, 'A', "A"},
        {{{'a', 'A', ALL, false},
          {'a', 'B', ALL, false},
          {'A', 'C', ALL, false},
          {'A', 'D', ALL, false}},
         'n',
         "A C D B"},
        {{{'a', 'A', ALL, false},
          {'a', 'B', ALL, false},
          {'A', 'C', ALL, false},
          {'C', 'D', ALL, false}},
         'B',
         "A C D B"},
        /* a terminating delegation ends it for those that come after, at every level */
        {{{'a', 'A', ALL, true}, {'a', 'B', ALL, false}}, 'B', "A"},
        {{{'a', 'A', ALL, false},
          {'a', 'B', ALL, false},
          {'A', 'C', ALL, true},
          {'A', 'D', ALL, false}},
         'B',
         "A C"},
        {{{'a', 'A', ALL, false},
          {'a', 'B', ALL, false},
          {'A', 'C', ALL, true},
          {'C', 'D', ALL, false}},
         'n',
         "A C D"},
        {{{'a', 'A', "\"paths\":[\"y\"],", true}, {'a', 'B', ALL, false}}, 'B', "B"},
        /* cycles */
        {{{'a', 'A', ALL, false},
          {'A', 'B', ALL, false},
          {'B', 'A', ALL, false},
          {'B', 'C', ALL, false}},
         'n',
         "A B C"},
        {{{'a', 'A', ALL, false}, {'A', 'A', ALL, false}}, 'n', "A"},
        /* whoever is reached first */
        {{{'a', 'A', ALL, false},
          {'a', 'B', ALL, false},
          {'A', 'C', "\"paths\":[\"y\"],", false},
          {'B', 'C', ALL, false}},
         'n',
         "A B C"},
        /* a path must be trusted at every step */
        {{{'a', 'A', "\"paths\":[\"z\",\"x\"],", false}, {'A', 'B', "\"paths\":[\"*y\"],", false}},
         'B',
         "A"},
        /* printf x | sha256sum begins with 2d71 */
        {{{'a', 'A', "\"path_hash_prefixes\":[\"2d8\",\"2e\"],", false},
          {'a', 'B', "\"path_hash_prefixes\":[\"0\",\"2d71\"],", false}},
         'B',
         "B"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool found = rows[i].has_x != 'n' && strchr(rows[i].order, rows[i].has_x) != NULL;
        size_t n = 0;

        (void)close_repo(NULL);
        repo_open(&r);
        while (n < 8 && rows[i].edges[n].from != '\0')
            n++;
        graph(rows[i].edges, n, rows[i].has_x);
        assert_string_equal(visited("x", found ? 0 : -ENOENT), rows[i].order);
        if (rows[i].has_x == 'n' || !found)
            continue;
        assert_int_equal(repo_search(&r, "x", NULL), 0); /* from the store, now */
        assert_string_equal(r.log, "2.root timestamp");
    }
}

static void delegated_metadata_is_bound_to_its_snapshot(void **state)
{
    const struct edge a = {'a', 'A', ALL, false};
    struct err e = ERR_INIT;

    (void)state;
    graph(&a, 1, 'A');
    repo_delegated(&r, "A", 2, TARGET_X, NULL, BY(8));
    repo_set_meta(&r, "A.json", 1); /* snapshot says 1, "1.A.json" is version 2 */
    repo_put(&r, "1.A.json", buf_span(repo_find(&r, "2.A.json")));
    assert_int_equal(repo_search(&r, "x", &e), -EBADMSG);
    assert_non_null(strstr(err_text(&e), "version 2 where snapshot announces 1"));
    assert_int_equal(repo_stored(&r, "A.json"), 0);
}

static void delegated_metadata_must_be_signed_in_time_and_listed(void **state)
{
    const struct edge a = {'a', 'A', ALL, false};

    (void)state;
    graph(&a, 1, 'A');
    repo_delegated(&r, "A", 1, TARGET_X, NULL, BY(9)); /* the wrong key */
    assert_int_equal(repo_search(&r, "x", NULL), -EBADMSG);
    assert_int_equal(repo_stored(&r, "A.json"), 0);
    repo_remove(&r, "1.A.json");
    assert_int_equal(repo_search(&r, "x", NULL), -ENOENT);
    /* not in snapshot: not even asked for */
    (void)close_repo(NULL);
    repo_open(&r);
    graph(&a, 1, 'A');
    r.n_meta = 0;
    repo_bump(&r);
    assert_int_equal(repo_search(&r, "x", NULL), -ENOENT);
    assert_null(strstr(r.log, "A"));
}

/* Two delegators, two keys: what one of them signed for is not the other's. */
static void a_role_is_verified_again_for_each_delegator(void **state)
{
    struct tuf_fetch fetch = repo_fetch(&r);
    struct tuf_store store = repo_store(&r);
    const struct tuf_file *t;
    struct tuf_updater *u;

    (void)state;
    r.delegations = DELEGATIONS({"A", "\"paths\":[\"a/*\"],", ROLE(1, 8), false},
                                {"B", "\"paths\":[\"b/*\"],", ROLE(1, 8), false});
    repo_delegated(&r, "A", 1, "", DELEGATIONS({"R", "\"paths\":[\"a/*\"],", ROLE(1, 10), false}),
                   BY(8));
    repo_delegated(&r, "B", 1, "", DELEGATIONS({"R", "\"paths\":[\"b/*\"],", ROLE(1, 11), false}),
                   BY(8));
    owned[n_owned++] = repo_target(&r, "a/1", "good");
    owned[n_owned++] = repo_target(&r, "b/1", "evil");
    {
        char both[1000];

        (void)snprintf(both, sizeof(both), "%s,%s", owned[n_owned - 2], owned[n_owned - 1]);
        repo_delegated(&r, "R", 1, both, NULL, BY(10));
    }
    repo_bump(&r);
    assert_int_equal(tuf_updater_new(&u, &fetch, &store, REPO_URL, NULL), 0);
    assert_int_equal(tuf_updater_find(u, "a/1", &t, NULL), 0);
    assert_int_equal(tuf_updater_find(u, "b/1", &t, NULL), -EBADMSG);
    assert_null(t);
    assert_int_equal(tuf_updater_find(u, "a/1", &t, NULL), 0); /* A's word still holds */
    tuf_updater_free(u);
    /* and from what is stored, in another process */
    assert_int_equal(repo_search(&r, "b/1", NULL), -EBADMSG);
    assert_int_equal(repo_search(&r, "a/1", NULL), 0);
}

static void bins_are_asked_by_the_hash_of_the_path(void **state)
{
    char text[1000];

    (void)state;
    (void)snprintf(text, sizeof(text),
                   "{\"keys\":{\"%s\":{\"keytype\":\"ed25519\",\"keyval\":{\"public\":\"%s\"},"
                   "\"scheme\":\"ed25519\"}},\"succinct_roles\":{\"bit_length\":6,"
                   "\"keyids\":[\"%s\"],\"name_prefix\":\"b\",\"threshold\":1}}",
                   repo_keyid(8), /* key 8's public key: openssl, seed 0x09 * 32 */
                   "fd1724385aa0c75b64fb78cd602fa1d991fdebf76b13c58ed702eac835e9f618",
                   repo_keyid(8));
    r.delegations = text;
    /* printf x | sha256sum begins with 2d: 0010 11.. is bin 0b */
    repo_delegated(&r, "b-0b", 1, TARGET_X, NULL, BY(8));
    repo_bump(&r);
    assert_int_equal(repo_search(&r, "x", NULL), 0);
    assert_string_equal(r.log, "2.root timestamp 2.snapshot 2.targets 1.b-0b");
    assert_int_equal(repo_search(&r, "y", NULL), -ENOENT);
}

static void odd_role_names_are_quoted_and_harm_nothing(void **state)
{
    static const struct {
        const char *json, *url, *file;
    } rows[] = {
        {"?", "1.%3F.json", "%3F.json"},
        {"#", "1.%23.json", "%23.json"},
        {"/A", "1.%2FA.json", "%2FA.json"},
        {"../A", "1...%2FA.json", "%2E.%2FA.json"},
        {".", "1...json", "%2E.json"},
        {"..", "1....json", "%2E..json"},
        {"a b%2f", "1.a%20b%252f.json", "a%20b%252f.json"},
        {"\xc3\xa9", "1.%C3%A9.json", "%C3%A9.json"},
        {"root.json", "1.root.json.json", "root.json.json"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char name[64];
        struct buf b;

        (void)close_repo(NULL);
        repo_open(&r);
        r.delegations = DELEGATIONS({rows[i].json, ALL, ROLE(1, 8), false});
        repo_delegated(&r, rows[i].json, 1, TARGET_X, NULL, BY(8));
        repo_bump(&r);
        (void)snprintf(name, sizeof(name), "1.%s.json", rows[i].json);
        buf_init(&b, 100000);
        assert_int_equal(buf_put(&b, repo_find(&r, name)->data, repo_find(&r, name)->len), 0);
        if (strcmp(name, rows[i].url) != 0)
            repo_remove(&r, name);
        repo_put(&r, rows[i].url, buf_span(&b));
        buf_free(&b);
        assert_int_equal(repo_search(&r, "x", NULL), 0);
        assert_int_equal(repo_stored(&r, rows[i].file), 1);
        assert_int_equal(repo_stored(&r, "root.json"), 1);
    }
}

/* A chain of roles, each delegating to the next: bounded. */
static void a_search_visits_so_many_roles_and_no_more(void **state)
{
    (void)state;
    for (int n = TUF_MAX_VISITS - 1; n <= TUF_MAX_VISITS; n++) {
        struct err e = ERR_INIT;

        (void)close_repo(NULL);
        repo_open(&r);
        r.n_meta = 0;
        for (int i = 0; i < n; i++) {
            char name[16], next[16];
            const char *text;
            struct repo_delegation d = {next, ALL, ROLE(1, 8), false};
            char *delegation;

            (void)snprintf(name, sizeof(name), "R%d", i);
            (void)snprintf(next, sizeof(next), "R%d", i + 1);
            delegation = repo_delegations(&d, 1);
            text = i + 1 < n ? delegation : NULL;
            repo_delegated(&r, name, 1, i + 1 < n ? "" : TARGET_X, text, BY(8));
            free(delegation);
        }
        r.delegations = DELEGATIONS({"R0", ALL, ROLE(1, 8), false});
        repo_bump(&r);
        assert_int_equal(repo_search(&r, "x", &e), n < TUF_MAX_VISITS ? 0 : -E2BIG);
    }
}

static void paths_that_cannot_be_are_refused_at_once(void **state)
{
    (void)state;
    assert_int_equal(repo_search(&r, "", NULL), -EINVAL);
    assert_int_equal(repo_search(&r, "\xff", NULL), -EINVAL);
    assert_string_equal(r.log, "");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_repo, close_repo)
    const struct CMUnitTest tests[] = {
        TEST(roles_are_visited_in_pre_order),
        TEST(delegated_metadata_is_bound_to_its_snapshot),
        TEST(delegated_metadata_must_be_signed_in_time_and_listed),
        TEST(a_role_is_verified_again_for_each_delegator),
        TEST(bins_are_asked_by_the_hash_of_the_path),
        TEST(odd_role_names_are_quoted_and_harm_nothing),
        TEST(a_search_visits_so_many_roles_and_no_more),
        TEST(paths_that_cannot_be_are_refused_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

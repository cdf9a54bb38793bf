/* An update and a download with each allocation failing once. */
#include "repo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "../people/faults.h"
#include "base/io.h"
#include "crypto/pubkey.h"
#include "updates/published.h"

#include "../crypto/vectors_pubkey.h"

static struct repo r;
static char shelf[64];

/* The store is the test's own: its allocations do not fail. */
static struct tuf_store plain;

static int save(void *ctx, const char *name, struct span bytes, struct err *e)
{
    int left = faults_left, rc;

    faults_left = -1;
    rc = plain.save(ctx, name, bytes, e);
    faults_left = left;
    return rc;
}

static int once(void *ctx)
{
    struct tuf_fetch fetch = repo_fetch(&r);
    struct tuf_store store = repo_store(&r);
    const struct tuf_file *f;
    struct tuf_updater *u = NULL;
    struct tuf_shelf *s = NULL;
    struct err e = ERR_INIT;
    bool fetched;
    int rc, left = faults_left;

    (void)ctx;
    faults_left = -1;
    r.log[0] = '\0';
    while (r.n_store > 0)
        buf_free(&r.store[--r.n_store].bytes);
    plain = store;
    assert_int_equal(plain.save(&r, "root.json", buf_span(repo_find(&r, "1.root.json")), NULL), 0);
    store.save = save;
    faults_left = left;
    if ((rc = tuf_updater_new(&u, &fetch, &store, REPO_URL, &e)) == 0 &&
        (rc = tuf_updater_find(u, "x", &f, &e)) == 0 && (rc = tuf_shelf_open(&s, shelf, &e)) == 0)
        rc = tuf_updater_download(u, f, REPO_TARGETS_URL, s, &fetched, &e);
    tuf_shelf_close(s);
    tuf_updater_free(u);
    if (rc != 0 && rc != -ENOMEM)
        print_error("%s\n", e.text);
    return rc;
}

static void no_memory_is_said_and_nothing_leaks(void **state)
{
    struct repo_delegation d = {"A", "\"paths\":[\"*\"],", ROLE(1, 8), false};
    char *delegations, *target;

    (void)state;
    json_set_alloc_funcs(malloc, free); /* ours, which may fail */
    repo_open(&r);
    delegations = repo_delegations(&d, 1);
    target = repo_target(&r, "x", "content");
    r.delegations = delegations;
    r.roles[TUF_SNAPSHOT] = ROLE(1, 9);
    repo_root(&r);
    repo_delegated(&r, "A", 1, target, NULL, (const int[]){8}, 1);
    repo_bump(&r);
    (void)snprintf(shelf, sizeof(shelf), "/tmp/updates-memory-XXXXXX");
    assert_non_null(mkdtemp(shelf));
    assert_true(faults_each(once, NULL) > 100);
    assert_int_equal(io_remove_tree(shelf), 0);
    repo_close(&r);
    free(delegations);
    free(target);
}

/* A publication, which lists one release. */
static struct published_file files[4];

static int publication(void *ctx)
{
    struct published *p = NULL;
    struct err e = ERR_INIT;
    struct buf b;
    int rc;

    (void)ctx;
    buf_init(&b, PUBLISHED_MAX_BYTES);
    if ((rc = published_write(&b, files, ARRAY_LEN(files), &e)) == 0 &&
        (rc = published_read(&p, buf_span(&b), &e)) == 0)
        assert_int_equal(published_serial(p), 1);
    published_free(p);
    buf_free(&b);
    if (rc != 0 && rc != -ENOMEM)
        print_error("%s\n", e.text);
    return rc;
}

static void a_publication_that_finds_no_memory_is_not_called_false(void **state)
{
    static const char current[] =
        "{\"format\":\"rules-current/v1\",\"serial\":1,\"tree\":"
        "\"0000000000000000000000000000000000000000000000000000000000000000\"}\n";
    struct repo_delegation d = {"rules", "\"paths\":[\"rules/*\"],", ROLE(1, 8), true};
    char *delegations, *names, *targets;

    (void)state;
    repo_open(&r);
    r.hashes = true;
    r.delegations = delegations = repo_delegations(&d, 1);
    names = repo_target(&r, "rules/current.json", current);
    assert_true(asprintf(&targets,
                         "\"rules/1.tar\":{\"custom\":{\"serial\":1,\"tree\":\"%064d\"},"
                         "\"hashes\":{\"sha256\":\"%064d\"},\"length\":0},%s",
                         0, 0, names) > 0);
    repo_delegated(&r, "rules", 1, targets, NULL, (const int[]){8}, 1);
    repo_bump(&r);
    files[0] = (struct published_file){"rules", 1, buf_span(repo_find(&r, "1.rules.json"))};
    files[1] = (struct published_file){"root", 1, buf_span(repo_find(&r, "1.root.json"))};
    files[2] = (struct published_file){"targets", 2, buf_span(repo_find(&r, "2.targets.json"))};
    files[3] = (struct published_file){"snapshot", 2, buf_span(repo_find(&r, "2.snapshot.json"))};
    assert_true(faults_each(publication, NULL) > 100);
    repo_close(&r);
    free(delegations);
    free(names);
    free(targets);
}

static int import(void *ctx)
{
    struct pubkey *k;
    int rc = pubkey_import(&k, PUBKEY_ECDSA_P256_SHA256, span_str(PEM_P256));

    (void)ctx;
    pubkey_free(k);
    return rc;
}

static void a_key_needs_memory_too(void **state)
{
    (void)state;
    assert_int_equal(import(NULL), 0);
    assert_int_equal(faults_each(import, NULL), 1); /* the rest is GnuTLS's */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_memory_is_said_and_nothing_leaks),
        cmocka_unit_test(a_publication_that_finds_no_memory_is_not_called_false),
        cmocka_unit_test(a_key_needs_memory_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

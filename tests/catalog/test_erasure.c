/* After an erasure and the turn of its epoch nothing of it is left in any file: not the bytes, not
 * their hash, not a name or salt, not the DEK, not the account.  Vault and catalog together, as the
 * keeper runs them; the search is over raw files, slack and write-ahead log included.  What must be
 * found before is looked for too, so that a search that finds nothing at all cannot pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "catalog/catalog.h"
#include "crypto/sha256.h"
#include "vault/vault.h"

struct site {
    char dir[64], path[100];
    struct catalog *c;
    struct store *store;
    struct keyring *keys;
    struct vault *v;
    struct err e;
};

static void up(struct site *s)
{
    struct vault_config c;
    struct vault_report r;

    (void)snprintf(s->path, sizeof(s->path), "%s/catalog", s->dir);
    assert_int_equal(catalog_open(&s->c, s->path, &s->e), 0);
    (void)snprintf(s->path, sizeof(s->path), "%s/vault", s->dir);
    assert_int_equal(store_dir_open(&s->store, s->path, &s->e), 0);
    (void)snprintf(s->path, sizeof(s->path), "%s/keys", s->dir);
    assert_int_equal(keyring_file_open(&s->keys, s->path, &s->e), 0);
    c = (struct vault_config){s->store, s->keys, catalog_index(s->c), 1 << 20};
    assert_int_equal(vault_open(&s->v, &c, &r, &s->e), 0);
    assert_int_equal(vault_replay(s->v, 0, 0, NULL, NULL, &s->e), 0);
}

static void down(struct site *s)
{
    vault_close(s->v);
    store_free(s->store);
    keyring_free(s->keys);
    catalog_close(s->c);
}

static int setup(void **state)
{
    struct site *s = calloc(1, sizeof(*s));

    assert_non_null(s);
    (void)snprintf(s->dir, sizeof(s->dir), "/tmp/erasure-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    up(s);
    *state = s;
    return 0;
}

static void remove_all(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *de;
    char path[400];

    if (d == NULL)
        return;
    while ((de = readdir(d)) != NULL) {
        if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", dir, de->d_name);
        if (unlink(path) != 0)
            remove_all(path);
    }
    (void)closedir(d);
    (void)rmdir(dir);
}

static int teardown(void **state)
{
    struct site *s = *state;

    down(s);
    remove_all(s->dir);
    free(s);
    return 0;
}

static bool in_file(const char *path, struct span what)
{
    struct buf b;
    bool hit;

    buf_init(&b, (size_t)64 << 20);
    assert_int_equal(io_read_file(AT_FDCWD, path, &b), 0);
    hit = b.len > 0 && memmem(b.data, b.len, what.p, what.n) != NULL;
    buf_free(&b);
    return hit;
}

static bool on_disk(const char *dir, struct span what)
{
    DIR *d = opendir(dir);
    struct dirent *de;
    char path[400];
    bool hit = false;

    assert_non_null(d);
    while ((de = readdir(d)) != NULL && !hit) {
        if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", dir, de->d_name);
        hit = de->d_type == DT_DIR ? on_disk(path, what) : in_file(path, what);
    }
    (void)closedir(d);
    return hit;
}

static struct id128 id(uint8_t kind, uint8_t n)
{
    struct id128 i;

    memset(&i, kind, sizeof(i));
    i.b[3] = n;
    return i;
}

#define MARKER "MARKER-of-the-plaintext-that-must-not-be-found"
#define BLOB "name=secret-file-name.exe salt=0123456789abcdef"

static void row(struct site *s, uint8_t n, const struct id128 *object, const char *account)
{
    struct catalog_submission c;

    memset(&c, 0, sizeof(c));
    c.sub = id(1, n);
    c.ref = id(2, n);
    c.object = *object;
    (void)snprintf(c.country, sizeof(c.country), "CA");
    (void)snprintf(c.account, sizeof(c.account), "%s", account);
    c.kind = c.scope = CATALOG_FILE;
    c.state = CATALOG_LIVE;
    c.end_leaf = CATALOG_NO_LEAF;
    assert_int_equal(catalog_submission_add(s->c, &c), 0);
}

static void submit(struct site *s, uint8_t n, const char *bytes, const char *account)
{
    struct id128 sub = id(1, n), ref = id(2, n), object;
    struct catalog_verdict v;
    uint8_t sealed[12 + VAULT_SEAL_EXTRA];
    struct vault_group *g;
    struct vault_put *p;
    struct digest d;
    uint64_t size;
    bool again;

    assert_int_equal(vault_put_begin(&p, s->v), 0);
    for (int i = 0; i < 3000; i++)
        assert_int_equal(vault_put_append(p, bytes, strlen(bytes)), 0);
    assert_int_equal(vault_put_finish(p, &d, &size), 0);
    assert_int_equal(vault_group_begin(&g, s->v), 0);
    assert_int_equal(vault_group_put(g, p, &ref, &sub, span_str(BLOB), &again, &object), 0);
    assert_int_equal(vault_group_note(g, &ref, span_str("note-that-dies")), 0);
    assert_int_equal(vault_group_leaf(g, span_str("{leaf}")), 0);
    assert_int_equal(catalog_begin(s->c), 0);
    assert_int_equal(vault_group_commit(g, NULL, NULL, &s->e), 0);
    row(s, n, &object, account);
    assert_int_equal(catalog_commit(s->c), 0);
    memset(&v, 0, sizeof(v));
    v.ref = ref;
    v.verdict = CATALOG_MALICIOUS;
    assert_int_equal(vault_seal_text(s->v, &ref, span_str("Rule.Name.xy"), sealed), 0);
    v.sealed = span_of(sealed, sizeof(sealed));
    assert_int_equal(catalog_verdict_put(s->c, &v), 0);
}

static void erase(struct site *s, uint8_t n)
{
    struct id128 sub = id(1, n), ref = id(2, n);
    struct vault_group *g;

    assert_int_equal(vault_group_begin(&g, s->v), 0);
    assert_int_equal(vault_group_destroy(g, &ref), 0);
    assert_int_equal(catalog_begin(s->c), 0);
    assert_int_equal(vault_group_commit(g, NULL, NULL, &s->e), 0);
    assert_int_equal(catalog_submission_end(s->c, &sub, CATALOG_ERASED, 1, vault_epoch(s->v), 1),
                     0);
    assert_int_equal(catalog_commit(s->c), 0);
}

static void turn(struct site *s)
{
    struct vault_group *g;
    const char *word;
    uint64_t epoch;
    bool left;

    assert_int_equal(vault_group_begin(&g, s->v), 0);
    assert_int_equal(vault_turn_begin(g, &epoch, &s->e), 0);
    assert_int_equal(vault_group_commit(g, NULL, NULL, &s->e), 0);
    if (epoch == 1)
        return;
    assert_int_equal(vault_group_begin(&g, s->v), 0);
    assert_int_equal(vault_turn_step(g, 1000, &left, &s->e), 0);
    assert_false(left);
    assert_int_equal(vault_group_commit(g, NULL, NULL, &s->e), 0);
    assert_int_equal(vault_group_begin(&g, s->v), 0);
    assert_int_equal(vault_turn_retire(g, &s->e), 0);
    assert_int_equal(vault_group_commit(g, NULL, NULL, &s->e), 0);
    assert_int_equal(vault_group_begin(&g, s->v), 0);
    assert_int_equal(vault_turn_destroy(g, &epoch, &word, &s->e), 0);
    assert_string_equal(word, "file.overwritten");
    assert_int_equal(vault_group_commit(g, NULL, NULL, &s->e), 0);
    assert_int_equal(catalog_scrub(s->c, &s->e), 0);
}

static void keep_in_sight(struct site *s, const char *name, const char *as)
{
    char from[120], to[120];

    (void)snprintf(from, sizeof(from), "%s/%s", s->dir, name);
    (void)snprintf(to, sizeof(to), "%s/%s", s->dir, as);
    assert_int_equal(link(from, to), 0);
}

static void hash_of(const char *bytes, struct digest *d)
{
    struct sha256 *h = sha256_new();

    for (int i = 0; i < 3000; i++)
        sha256_add(h, bytes, strlen(bytes));
    sha256_end(h, d);
    sha256_free(h);
}

/* Secrets that were never on the disk in the clear, erased or not. */
static void nothing_in_the_clear(struct site *s, const struct digest *d)
{
    char hex[65];

    text_digest(hex, d);
    assert_false(on_disk(s->dir, span_str(MARKER)));
    assert_false(on_disk(s->dir, span_of(d->b, 32)));
    assert_false(on_disk(s->dir, span_str(hex)));
    assert_false(on_disk(s->dir, span_str("secret-file-name")));
    assert_false(on_disk(s->dir, span_str("note-that-dies")));
    assert_false(on_disk(s->dir, span_str("Rule.Name")));
}

static void the_erased_is_in_no_file_after_the_turn(void **state)
{
    struct site *s = *state;
    struct catalog_submission got;
    struct vault_slot_row slot;
    struct vault_index *x;
    struct id128 keep = id(2, 2), gone = id(2, 1);
    uint8_t wrap[VAULT_WRAP], key[32];
    struct digest d;
    struct buf file;

    turn(s);
    submit(s, 1, MARKER, "account-of-the-erased");
    submit(s, 2, "something else ", "account-of-another");
    hash_of(MARKER, &d);
    nothing_in_the_clear(s, &d);
    /* what the search must be able to find */
    x = catalog_index(s->c);
    assert_int_equal(x->ops->find_slot(x, &gone, &slot), 0);
    memcpy(wrap, slot.wrap, sizeof(wrap));
    assert_true(on_disk(s->dir, span_of(wrap, sizeof(wrap))));
    assert_true(on_disk(s->dir, span_str("account-of-the-erased")));
    (void)snprintf(s->path, sizeof(s->path), "%s/keys/epoch-1.key", s->dir);
    buf_init(&file, 200);
    assert_int_equal(io_read_file(AT_FDCWD, s->path, &file), 0);
    memcpy(key, file.data + 24, 32); /* where docs/vault.md says the key is */
    buf_free(&file);
    assert_true(on_disk(s->dir, span_of(key, 32)));

    erase(s, 1);
    /* second names keep the files in sight that the turn unlinks: they must be overwritten first */
    keep_in_sight(s, "keys/epoch-1.key", "kept-key");
    keep_in_sight(s, "catalog-wal", "kept-log");
    turn(s);
    nothing_in_the_clear(s, &d);
    assert_false(on_disk(s->dir, span_str("account-of-the-erased")));
    assert_true(on_disk(s->dir, span_str("account-of-another")));
    assert_false(on_disk(s->dir, span_of(key, 32)));
    /* its wrap is still in the journal, and no key is left that opens it */
    assert_true(on_disk(s->dir, span_of(wrap, sizeof(wrap))));
    assert_int_equal(s->keys->ops->have(s->keys, 1), -ENOENT);
    assert_int_equal(x->ops->find_slot(x, &gone, &slot), -ENOENT);
    assert_int_equal(catalog_submission_by_ref(s->c, &gone, &got), -ENOENT);
    /* the other lives, also after a restart */
    down(s);
    up(s);
    x = catalog_index(s->c);
    assert_int_equal(x->ops->find_slot(x, &keep, &slot), 0);
    assert_int_equal(slot.epoch, 2);
    assert_int_equal(catalog_submission_by_ref(s->c, &keep, &got), 0);
}

static void doubled_bytes_die_with_their_last_slot(void **state)
{
    struct site *s = *state;
    struct vault_slot_info i;
    struct id128 two = id(2, 2), object;
    struct digest d;

    turn(s);
    submit(s, 1, MARKER, "account-one");
    submit(s, 2, MARKER, "account-two");
    erase(s, 1);
    turn(s);
    hash_of(MARKER, &d);
    assert_int_equal(vault_slot_info(s->v, &two, &i, &s->e), 0);
    assert_memory_equal(&i.sha256, &d, sizeof(d));
    vault_slot_info_done(&i);
    assert_int_equal(vault_find(s->v, &d, &object), 0);
    assert_false(on_disk(s->dir, span_str("account-one")));
    erase(s, 2);
    assert_int_equal(vault_find(s->v, &d, &object), -ENOENT);
    turn(s);
    nothing_in_the_clear(s, &d);
    assert_false(on_disk(s->dir, span_str("account-two")));
}

static int count_live(void *arg, const struct vault_group_view *g)
{
    unsigned *n = arg;

    for (size_t i = 0; i < g->n_slots; i++)
        n[g->slots[i].live] += 1;
    for (size_t i = 0; i < g->n_notes; i++)
        n[2 + g->notes[i].live] += 1;
    return 0;
}

static void a_catalog_from_nothing_knows_the_living(void **state)
{
    struct site *s = *state;
    unsigned n[4] = {0};
    struct id128 object;
    struct digest d;

    turn(s);
    submit(s, 1, MARKER, "a");
    submit(s, 2, "something else ", "b");
    erase(s, 1);
    turn(s);
    down(s);
    (void)snprintf(s->path, sizeof(s->path), "%s/catalog", s->dir);
    assert_int_equal(unlink(s->path), 0);
    (void)snprintf(s->path, sizeof(s->path), "%s/catalog-wal", s->dir);
    assert_int_equal(unlink(s->path), 0);
    up(s);
    assert_int_equal(vault_replay(s->v, 0, 0, count_live, n, &s->e), 0);
    assert_int_equal(n[0], 1);
    assert_int_equal(n[1], 1);
    assert_int_equal(n[2], 1);
    assert_int_equal(n[3], 1);
    hash_of("something else ", &d);
    assert_int_equal(vault_find(s->v, &d, &object), 0);
    hash_of(MARKER, &d);
    assert_int_equal(vault_find(s->v, &d, &object), -ENOENT);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(the_erased_is_in_no_file_after_the_turn),
        T(doubled_bytes_die_with_their_last_slot),
        T(a_catalog_from_nothing_knows_the_living),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

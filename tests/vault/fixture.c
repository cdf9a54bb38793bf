#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <dirent.h>

#include "fixture.h"

void fixture_id(struct id128 *out, unsigned n)
{
    /* spread over the index's buckets, distinct for distinct n */
    memset(out, 0, sizeof(*out));
    for (int i = 0; i < 4; i++) {
        out->b[i] = (uint8_t)((n * 2654435761U) >> (24 - 8 * i));
        out->b[12 + i] = (uint8_t)(n >> (24 - 8 * i));
    }
}

void fixture_bytes(uint8_t *out, size_t n, unsigned seed)
{
    uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

    for (size_t i = 0; i < n; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        out[i] = (uint8_t)(x >> 32);
    }
}

int fixture_open(struct fixture *f)
{
    struct vault_config c;
    int rc;

    f->e = (struct err)ERR_INIT;
    if ((rc = store_dir_open(&f->store, f->vault, &f->e)) != 0 ||
        (rc = keyring_file_open(&f->ring, f->keys, &f->e)) != 0 ||
        (f->index == NULL && (rc = vault_index_memory_new(&f->index)) != 0))
        return rc;
    c = (struct vault_config){f->store, f->ring, f->index, f->segment_size};
    if ((rc = vault_open(&f->v, &c, &f->report, &f->e)) != 0)
        return rc;
    return vault_replay(f->v, 0, 0, NULL, NULL, &f->e);
}

static void lower(struct fixture *f, bool keep_index)
{
    store_free(f->store);
    keyring_free(f->ring);
    if (!keep_index) {
        vault_index_free(f->index);
        f->index = NULL;
    }
    f->store = NULL;
    f->ring = NULL;
    f->v = NULL;
}

void fixture_close(struct fixture *f)
{
    vault_close(f->v);
    lower(f, false);
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

void fixture_found(struct fixture *f)
{
    struct vault_group *g;
    uint64_t epoch;

    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/vault-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->vault, sizeof(f->vault), "%s/v", f->dir);
    (void)snprintf(f->keys, sizeof(f->keys), "%s/k", f->dir);
    f->segment_size = UINT64_C(1) << 20;
    assert_int_equal(fixture_open(f), 0);
    assert_int_equal(vault_group_begin(&g, f->v), 0);
    assert_int_equal(vault_turn_begin(g, &epoch, &f->e), 0);
    assert_int_equal(vault_group_commit(g, NULL, NULL, &f->e), 0);
}

void fixture_remove(struct fixture *f)
{
    fixture_close(f);
    remove_all(f->dir);
}

int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    fixture_found(f);
    *state = f;
    return 0;
}

int fixture_teardown(void **state)
{
    fixture_remove(*state);
    free(*state);
    return 0;
}

int fixture_put(struct fixture *f, const void *p, size_t len, struct vault_put **out)
{
    struct vault_put *put;
    struct digest sha;
    uint64_t size;
    int rc = vault_put_begin(&put, f->v);

    if (rc != 0)
        return rc;
    if ((rc = vault_put_append(put, p, len)) != 0 ||
        (rc = vault_put_finish(put, &sha, &size)) != 0) {
        vault_put_abort(put);
        return rc;
    }
    *out = put;
    return 0;
}

int fixture_join(struct vault_group *g, unsigned n, struct vault_put *put, bool *again)
{
    struct id128 ref, sub, object;
    char blob[32];
    bool dup;
    int rc, m;

    fixture_id(&ref, n);
    fixture_id(&sub, n + 1000000);
    m = snprintf(blob, sizeof(blob), "blob-%u", n);
    rc = vault_group_put(g, put, &ref, &sub, span_of(blob, (size_t)m), &dup, &object);
    if (rc != 0)
        vault_put_abort(put);
    else if (again != NULL)
        *again = dup;
    return rc;
}

int fixture_add(struct fixture *f, struct vault_group *g, unsigned n, const void *p, size_t len,
                bool *again)
{
    struct vault_put *put;
    int rc = fixture_put(f, p, len, &put);

    return rc != 0 ? rc : fixture_join(g, n, put, again);
}

int fixture_store(struct fixture *f, unsigned n, const void *p, size_t len, bool *again)
{
    struct vault_group *g;
    char leaf[32];
    int rc, m;

    m = snprintf(leaf, sizeof(leaf), "leaf-%u", n);
    if ((rc = vault_group_begin(&g, f->v)) != 0)
        return rc;
    if ((rc = fixture_add(f, g, n, p, len, again)) != 0 ||
        (rc = vault_group_leaf(g, span_of(leaf, (size_t)m))) != 0) {
        vault_group_abort(g);
        return rc;
    }
    return vault_group_commit(g, NULL, NULL, &f->e);
}

int fixture_destroy(struct fixture *f, unsigned n)
{
    struct vault_group *g;
    struct id128 ref;
    int rc;

    fixture_id(&ref, n);
    if ((rc = vault_group_begin(&g, f->v)) != 0)
        return rc;
    if ((rc = vault_group_destroy(g, &ref)) != 0) {
        vault_group_abort(g);
        return rc;
    }
    return vault_group_commit(g, NULL, NULL, &f->e);
}

static int check_info(struct fixture *f, unsigned n, size_t len)
{
    struct vault_slot_info info;
    struct id128 ref, sub;
    char blob[32];
    int rc, m;

    fixture_id(&ref, n);
    fixture_id(&sub, n + 1000000);
    m = snprintf(blob, sizeof(blob), "blob-%u", n);
    if ((rc = vault_slot_info(f->v, &ref, &info, &f->e)) != 0)
        return rc;
    if (info.size != len || memcmp(&info.sub, &sub, sizeof(sub)) != 0 ||
        info.blob.len != (size_t)m || memcmp(info.blob.data, blob, (size_t)m) != 0)
        rc = -EILSEQ;
    vault_slot_info_done(&info);
    return rc;
}

int fixture_check(struct fixture *f, unsigned n, const void *p, size_t len)
{
    const uint8_t *want = p, *got;
    struct vault_read *r;
    struct id128 ref;
    size_t at = 0, m;
    int rc;

    if ((rc = check_info(f, n, len)) != 0)
        return rc;
    fixture_id(&ref, n);
    if ((rc = vault_read_open(&r, f->v, &ref, &f->e)) != 0)
        return rc;
    while ((rc = vault_read_next(r, &got, &m)) == 0 && m > 0) {
        if (m > len - at || memcmp(got, want + at, m) != 0) {
            rc = -EILSEQ;
            break;
        }
        at += m;
    }
    if (rc == 0 && at != len)
        rc = -EILSEQ;
    vault_read_close(r);
    return rc;
}

typedef int step_fn(struct fixture *f, struct vault_group *g);

static int in_group(struct fixture *f, step_fn *fn)
{
    struct vault_group *g;
    int rc = vault_group_begin(&g, f->v);

    if (rc != 0)
        return rc;
    if ((rc = fn(f, g)) < 0) {
        vault_group_abort(g);
        return rc;
    }
    if (rc > 0) {
        vault_group_abort(g);
        return 0;
    }
    return vault_group_commit(g, NULL, NULL, &f->e);
}

static int step_begin(struct fixture *f, struct vault_group *g)
{
    uint64_t epoch;

    if (vault_epoch_oldest(f->v) != vault_epoch(f->v))
        return 1; /* goes on with the turn that is under way */
    return vault_turn_begin(g, &epoch, &f->e);
}

static bool more;

static int step_wrap(struct fixture *f, struct vault_group *g)
{
    return vault_turn_step(g, 3, &more, &f->e);
}

static int step_retire(struct fixture *f, struct vault_group *g)
{
    return vault_turn_retire(g, &f->e);
}

static int step_destroy(struct fixture *f, struct vault_group *g)
{
    const char *word;
    uint64_t epoch;

    return vault_turn_destroy(g, &epoch, &word, &f->e);
}

int fixture_turn(struct fixture *f)
{
    int rc = in_group(f, step_begin);

    more = true;
    while (rc == 0 && more)
        rc = in_group(f, step_wrap);
    if (rc == 0)
        rc = in_group(f, step_retire);
    return rc != 0 ? rc : in_group(f, step_destroy);
}

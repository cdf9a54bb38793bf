/* Products in an update repository: listed once, under the role that is trusted with them and
 * beside what waits already; fetched as they were listed; what is published is never replaced. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "updates/install.h"
#include "updates/repository.h"
#include "updates/tuf_updater.h"

static char dir[64];
static struct signkey *key;

static const char *at(const char *name)
{
    static char path[16][256];
    static unsigned n;
    char *p = path[n++ % 16];

    (void)snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
    return p;
}

static void write_keys(bool products)
{
    static const char *const role[] = {"root",     "targets",   "rules",
                                       "snapshot", "timestamp", "products"};
    struct ed25519_pub pub;
    char b64[45];
    struct buf b;

    signkey_public(key, &pub);
    text_base64(b64, pub.b, sizeof(pub.b));
    buf_init(&b, 4096);
    assert_int_equal(buf_puts(&b, "format: update-keys/v1\n"), 0);
    for (size_t i = 0; i < ARRAY_LEN(role) - !products; i++)
        assert_int_equal(
            buf_printf(&b, "%s: {threshold: 1, expires: 30d, keys: [\"%s\"]}\n", role[i], b64), 0);
    assert_int_equal(io_replace_file(AT_FDCWD, at("repo/keys.yaml"), b.data, b.len, 0644), 0);
    buf_free(&b);
}

static struct repository *open_it(void)
{
    struct repository *r = NULL;

    assert_int_equal(repository_open(&r, at("repo"), NULL), 0);
    return r;
}

static void sign(const char *role)
{
    struct buf said;
    char name[64];

    buf_init(&said, 1 << 16);
    (void)snprintf(name, sizeof(name), "repo/pending/%s.json", role);
    assert_int_equal(repository_sign(at(name), key, &said, NULL), 0);
    buf_free(&said);
}

static struct repository_plan plan(bool renew)
{
    struct repository *r = open_it();
    struct repository_plan p;

    assert_int_equal(repository_plan(r, renew, &p, NULL), 0);
    repository_close(r);
    if (p.root > 0)
        sign("root");
    if (p.targets > 0)
        sign("targets");
    return p;
}

static int publish(void)
{
    struct repository *r = open_it();
    struct repository_published p;
    int rc = repository_publish(r, key, key, &p, NULL);

    repository_close(r);
    return rc;
}

static int add(const char *name, const char *text, bool *again, struct err *e)
{
    struct repository_file f = {.name = name, .bytes = span_str(text)};
    struct repository *r = open_it();
    int rc = repository_add_products(r, &f, 1, NULL, NULL, again, e);

    repository_close(r);
    return rc;
}

/* What a client that never saw the repository gets; NULL: it is refused. */
static const char *fetched(const char *name, int *rc)
{
    static char text[256];
    struct tuf_fetch fetch;
    struct install in = {.fetch = &fetch, .url = at("repo"), .dir = at("client")};
    char file[4096], path[200];
    struct buf root, b;

    tuf_fetch_dir(&fetch);
    buf_init(&root, TUF_MAX_ROOT);
    buf_init(&b, sizeof(text) - 1);
    assert_int_equal(io_read_file(AT_FDCWD, at("repo/metadata/1.root.json"), &root), 0);
    in.root = buf_span(&root);
    (void)snprintf(path, sizeof(path), "products/%s", name);
    if ((*rc = install_target(&in, path, file, NULL)) == 0) {
        assert_int_equal(io_read_file(AT_FDCWD, file, &b), 0);
        (void)snprintf(text, sizeof(text), "%s", buf_str(&b));
    }
    buf_free(&root);
    buf_free(&b);
    assert_int_equal(io_remove_tree(at("client")), 0);
    return *rc == 0 ? text : NULL;
}

static void brings(const char *name, const char *text)
{
    int rc;
    const char *got = fetched(name, &rc);

    if (got == NULL || strcmp(got, text) != 0)
        fail_msg("%s: %d, \"%s\"", name, rc, got == NULL ? "" : got);
}

static int set_up(void **state)
{
    struct ed25519_key *k = NULL;

    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/products-XXXXXX");
    assert_non_null(mkdtemp(dir));
    assert_int_equal(io_mkdirs(AT_FDCWD, at("repo")), 0);
    assert_int_equal(ed25519_generate(&k), 0);
    assert_int_equal(ed25519_store(k, at("key.pem"), NULL), 0);
    ed25519_free(k);
    assert_int_equal(signkey_open(&key, at("key.pem"), NULL), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    signkey_close(key);
    return io_remove_tree(dir);
}

static void nobody_lists_products_without_the_role(void **state)
{
    struct err e = ERR_INIT;
    bool again;

    (void)state;
    write_keys(false);
    assert_int_equal(add("a_1.bundle", "A", &again, &e), -EINVAL);
    assert_non_null(strstr(err_text(&e), "is not published yet"));
    (void)plan(false);
    assert_int_equal(publish(), 0);
    e = (struct err)ERR_INIT;
    assert_int_equal(add("a_1.bundle", "A", &again, &e), -EINVAL);
    assert_non_null(strstr(err_text(&e), "trust nobody with products"));
    write_keys(true);
    assert_int_equal(plan(false).targets, 2);
    assert_int_equal(publish(), 0);
}

static void what_waits_stays_listed(void **state)
{
    bool again;
    int rc;

    (void)state;
    assert_int_equal(add("a_1.bundle", "A", &again, NULL), 0);
    assert_false(again);
    assert_int_equal(publish(), -EAGAIN); /* nobody has signed it */
    assert_int_equal(add("b_1:2~c+3.bundle", "B", &again, NULL), 0);
    sign("products");
    assert_null(fetched("a_1.bundle", &rc));
    assert_int_equal(publish(), 0);
    brings("a_1.bundle", "A");
    brings("b_1:2~c+3.bundle", "B");
    assert_null(fetched("c_1.bundle", &rc));
    assert_int_equal(rc, -ENOENT);
}

static void what_is_published_is_not_replaced(void **state)
{
    struct err e = ERR_INIT;
    bool again;

    (void)state;
    assert_int_equal(add("a_1.bundle", "other", &again, &e), -EEXIST);
    assert_non_null(strstr(err_text(&e), "give the product another version"));
    assert_int_equal(add("a_1.bundle", "A", &again, NULL), 0);
    assert_true(again);
    assert_int_not_equal(access(at("repo/pending/products.json"), F_OK), 0);
    assert_int_equal(add("a_2.bundle", "A2", &again, NULL), 0);
    sign("products");
    assert_int_equal(publish(), 0);
    brings("a_1.bundle", "A");
    brings("a_2.bundle", "A2");
}

static void a_name_is_plain(void **state)
{
    static const char *const bad[] = {"", ".a", "../a", "a/b", "a b", "-a"};
    bool again;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(add(bad[i], "x", &again, NULL), -EINVAL);
}

static void the_list_is_renewed_with_the_others(void **state)
{
    (void)state;
    assert_int_equal(plan(false).products, 0);
    assert_int_equal(plan(true).products, 3);
    assert_int_equal(publish(), -EAGAIN);
    sign("products");
    assert_int_equal(publish(), 0);
    brings("a_1.bundle", "A");
}

/* The first `was` in the repository's file of that pattern becomes `is`, which is as long. */
static void edit(const char *pattern, const char *was, const char *is)
{
    char path[256], *found;
    struct buf b;
    glob_t g;

    (void)snprintf(path, sizeof(path), "%s/repo/%s", dir, pattern);
    assert_int_equal(glob(path, 0, NULL, &g), 0);
    assert_int_equal(g.gl_pathc, 1);
    buf_init(&b, 1 << 20);
    assert_int_equal(io_read_file(AT_FDCWD, g.gl_pathv[0], &b), 0);
    assert_non_null(buf_str(&b));
    assert_non_null(found = strstr((char *)b.data, was));
    memcpy(found, is, strlen(was));
    assert_int_equal(io_replace_file(AT_FDCWD, g.gl_pathv[0], b.data, b.len, 0644), 0);
    buf_free(&b);
    globfree(&g);
}

/* An edited byte, in the metadata or in the file, is nobody's word. */
static void what_was_edited_is_refused(void **state)
{
    int rc;

    (void)state;
    edit("targets/products/*.a_1.bundle", "A", "x");
    assert_null(fetched("a_1.bundle", &rc));
    assert_int_equal(rc, -EBADMSG);
    brings("a_2.bundle", "A2");
    edit("metadata/3.products.json", "a_2", "a_3");
    assert_null(fetched("a_2.bundle", &rc));
    assert_int_equal(rc, -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_lists_products_without_the_role),
        cmocka_unit_test(what_waits_stays_listed),
        cmocka_unit_test(what_is_published_is_not_replaced),
        cmocka_unit_test(a_name_is_plain),
        cmocka_unit_test(the_list_is_renewed_with_the_others),
        cmocka_unit_test(what_was_edited_is_refused),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}

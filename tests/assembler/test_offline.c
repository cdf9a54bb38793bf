/* Bundles: what is written is read again, any byte that is changed, cut off or added is refused,
 * and what is refused leaves nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "assembler/offline.h"
#include "assembler/proven.h"
#include "base/io.h"
#include "base/text.h"
#include "base/ustar.h"
#include "crypto/sha256.h"
#include "people/dsse.h"

static char dir[64];
static struct buf good; /* the bundle's bytes */

static const char *at(const char *name)
{
    static char path[16][128];
    static unsigned n;
    char *p = path[n++ % 16];

    (void)snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
    return p;
}

static void put(const char *name, const char *text)
{
    assert_int_equal(io_replace_file(AT_FDCWD, at(name), text, strlen(text), 0644), 0);
}

static const char *hex(const char *text)
{
    static char out[8][65];
    static unsigned n;
    struct digest d;
    char *h = out[n++ % 8];

    sha256_of(text, strlen(text), &d);
    text_digest(h, &d);
    return h;
}

/* --- a small product: two sources, one of which lists a third, a package, a program --- */

#define A "an archive"
#define ORIG "upstream"
#define DEB "a package"
#define PROGRAM "a program"
#define SBOM "{}"

static char dsc[256], recipe[1024], lock[512], provenance[8192], product[8192];
static const char *locked; /* the recipe that the lock is of; NULL: this one */
static const char *proven; /* the file that the provenance speaks of; NULL: the program */

static void envelope(char out[8192], const char *type, const char *payload)
{
    struct dsse *d = NULL;
    struct buf b;

    buf_init(&b, 8191);
    assert_int_equal(dsse_new(&d, type, span_str(payload)), 0);
    assert_int_equal(dsse_write(d, &b), 0);
    (void)snprintf(out, 8192, "%s", buf_str(&b));
    dsse_free(d);
    buf_free(&b);
}

static void make_documents(const char *kind, const char *name)
{
    char text[4096];

    (void)snprintf(dsc, sizeof(dsc),
                   "Format: 1.0\nChecksums-Sha256:\n %s %zu b_1.orig.tar\nFiles:\n", hex(ORIG),
                   strlen(ORIG));
    (void)snprintf(recipe, sizeof(recipe),
                   "format: recipe/v1\nname: p\nversion: \"1\"\nsources:\n"
                   "  - {%s: %s, sha256: %s}\n  - {debian: b_1.dsc, sha256: %s}\n"
                   "toolchain: {packages: [x]}\nsteps: [make]\noutputs: [\"bin/**\"]\n",
                   kind, name, hex(A), hex(dsc));
    (void)snprintf(lock, sizeof(lock),
                   "format: lock/v1\nrecipe: %s\narchitecture: amd64\npackages:\n"
                   "  - {file: x_1_all.deb, size: %zu, sha256: %s}\n",
                   hex(locked != NULL ? locked : recipe), strlen(DEB), hex(DEB));
    (void)snprintf(text, sizeof(text),
                   "{\"_type\":\"" PROVEN_STATEMENT "\",\"predicateType\":\"" PROVEN_PREDICATE
                   "\",\"subject\":[{\"name\":\"bin/p\",\"digest\":{\"sha256\":\"%s\"}}],"
                   "\"predicate\":{\"buildDefinition\":{\"resolvedDependencies\":["
                   "{\"digest\":{\"sha256\":\"%s\"}},{\"digest\":{\"sha256\":\"%s\"}},"
                   "{\"digest\":{\"sha256\":\"%s\"}}]}}}",
                   hex(proven != NULL ? proven : PROGRAM), hex(A), hex(recipe), hex(lock));
    envelope(provenance, PROVEN_TYPE, text);
    (void)snprintf(text, sizeof(text),
                   "format: product/v1\nserial: 1\nprevious: none\nname: p\nversion: \"1\"\n"
                   "site: zrh1\nzone: CH\nsource: %s\nrecipe: %s\ntoolchain: %s\nprovenance: %s\n"
                   "sbom: %s\nartifacts:\n  - {name: bin/p, sha256: %s, size: %zu}\n",
                   hex(A), hex(recipe), hex(lock), hex(provenance), hex(SBOM), hex(PROGRAM),
                   strlen(PROGRAM));
    envelope(product, document_type(DOCUMENT_PRODUCT), text);
}

static void make_files(void)
{
    put("product", product);
    put("recipe", recipe);
    put("lock", lock);
    put("provenance", provenance);
    put("sbom", SBOM);
    put("src/a.tar", A);
    put("src/b_1.dsc", dsc);
    put("src/b_1.orig.tar", ORIG);
    put("deb/x_1_all.deb", DEB);
    put("out/bin/p", PROGRAM);
}

static int write_it(const char *to, struct err *e)
{
    struct offline_from from = {
        .document = {at("product"), at("recipe"), at("lock"), at("provenance"), at("sbom")},
        .folder = {at("src"), at("deb"), at("out")}};
    struct offline b;
    int rc = offline_write(&b, &from, to, NULL, e);

    offline_done(&b);
    return rc;
}

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/offline-XXXXXX");
    assert_non_null(mkdtemp(dir));
    assert_int_equal(io_mkdirs(AT_FDCWD, at("src")), 0);
    assert_int_equal(io_mkdirs(AT_FDCWD, at("deb")), 0);
    assert_int_equal(io_mkdirs(AT_FDCWD, at("out/bin")), 0);
    make_documents("tar", "a.tar");
    make_files();
    buf_init(&good, 1 << 20);
    assert_int_equal(write_it(at("bundle"), NULL), 0);
    assert_int_equal(io_read_file(AT_FDCWD, at("bundle"), &good), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buf_free(&good);
    return io_remove_tree(dir);
}

/* --- reading --- */

static int read_bytes(const void *p, size_t n, const char *folder, struct digest *doc,
                      struct err *e)
{
    int fd = memfd_create("bundle", MFD_CLOEXEC), rc;
    struct offline b;

    assert_true(fd >= 0);
    assert_int_equal(io_write_all(fd, p, n), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    rc = offline_read(&b, fd, folder, NULL, e);
    if (doc != NULL)
        *doc = b.digest;
    offline_done(&b);
    io_close(&fd);
    return rc;
}

static void holds(const char *name, const char *text)
{
    struct buf b;

    buf_init(&b, 1 << 16);
    assert_int_equal(io_read_file(AT_FDCWD, at(name), &b), 0);
    assert_string_equal(buf_str(&b), text);
    buf_free(&b);
}

static void what_is_written_is_read_again(void **state)
{
    struct digest doc, is;

    (void)state;
    assert_int_equal(read_bytes(good.data, good.len, at("got"), &doc, NULL), 0);
    sha256_of(product, strlen(product), &is);
    assert_memory_equal(&doc, &is, sizeof(doc));
    holds("got/product.dsse", product);
    holds("got/recipe.yaml", recipe);
    holds("got/lock.yaml", lock);
    holds("got/provenance.dsse", provenance);
    holds("got/sbom.json", SBOM);
    holds("got/sources/a.tar", A);
    holds("got/sources/b_1.dsc", dsc);
    holds("got/sources/b_1.orig.tar", ORIG);
    holds("got/packages/x_1_all.deb", DEB);
    holds("got/published/bin/p", PROGRAM);
    /* ten files: a header and its content each, rounded up, and two blocks that end it */
    assert_int_equal(good.len % 512, 0);
    assert_int_equal(read_bytes(good.data, good.len, at("got"), NULL, NULL), -EEXIST);
}

/* The envelope is what the product is named by: changed it is another product, never the same. */
static void a_changed_byte_is_refused(void **state)
{
    size_t envelope_ends = 512 + strlen(product);
    struct digest doc, is;
    unsigned others = 0;

    (void)state;
    sha256_of(product, strlen(product), &is);
    for (size_t i = 0; i < good.len; i++) {
        int rc;

        good.data[i] ^= 1;
        rc = read_bytes(good.data, good.len, NULL, &doc, NULL);
        good.data[i] ^= 1;
        if (rc == 0 && i >= 512 && i < envelope_ends && memcmp(&doc, &is, sizeof(is)) != 0)
            others++;
        else if (rc != -EBADMSG)
            fail_msg("byte %zu changed: %d", i, rc);
    }
    assert_true(others < 400);
}

static void a_cut_or_longer_bundle_is_refused(void **state)
{
    struct buf more;

    (void)state;
    for (size_t n = 0; n < good.len; n += 73)
        if (read_bytes(good.data, n, NULL, NULL, NULL) != -EBADMSG)
            fail_msg("cut at %zu", n);
    buf_init(&more, 1 << 20);
    assert_int_equal(buf_put(&more, good.data, good.len), 0);
    assert_int_equal(buf_putc(&more, 0), 0);
    assert_int_equal(read_bytes(more.data, more.len, NULL, NULL, NULL), -EBADMSG);
    buf_free(&more);
}

/* Entries of the bundle, as they follow each other. */
struct entry {
    char name[USTAR_NAME_MAX + 1];
    struct span bytes; /* header and padding, too */
};

static size_t entries(struct entry out[16])
{
    struct cur c = cur_of(buf_span(&good));
    uint64_t size;
    size_t n = 0;

    while (ustar_read(c.p, out[n].name, &size) == 1) {
        assert_int_equal(cur_take(&c, 512 + (size_t)size + ustar_padding(size), &out[n].bytes), 0);
        n++;
    }
    return n;
}

/* The bundle with its entries in that order (letters are indexes) and ended; what it is refused
 * for. */
static void ordered(const char *order, const char *says)
{
    struct entry v[16];
    struct err e = ERR_INIT;
    struct buf b;

    assert_int_equal(entries(v), 10);
    buf_init(&b, 1 << 20);
    for (; *order != '\0'; order++)
        assert_int_equal(buf_put(&b, v[*order - 'a'].bytes.p, v[*order - 'a'].bytes.n), 0);
    assert_int_equal(buf_put(&b, ustar_zeros, sizeof(ustar_zeros)), 0);
    assert_int_equal(read_bytes(b.data, b.len, at("none"), NULL, &e), -EBADMSG);
    if (strstr(err_text(&e), says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err_text(&e), says);
    assert_int_not_equal(access(at("none"), F_OK), 0);
    buf_free(&b);
}

static void each_file_has_its_place(void **state)
{
    (void)state;
    ordered("abcdefghi", "has \"its end\" where \"published/bin/p\" must be");
    ordered("abcdefghijj", "has \"published/bin/p\", which nothing in it names");
    ordered("abcdefhgij", "has \"sources/b_1.orig.tar\" where");
    ordered("abcdeghij", "has \"sources/b_1.dsc\" where \"sources/a.tar\" must be");
    ordered("bacdefghij", "where \"product.dsse\" must be");
    ordered("abcdfghij", "where \"sbom.json\" must be");
    ordered("", "where \"product.dsse\" must be");
}

/* Another file of the right name and length. */
static void each_file_is_the_one_that_is_named(void **state)
{
    static const struct {
        const char *name, *text, *says;
    } other[] = {
        {"src/a.tar", "An archive", "src/a.tar\" is not the file"},
        {"src/a.tar", "longer archive", "src/a.tar\" is not the file"},
        {"src/b_1.orig.tar", "upstreaM", "b_1.orig.tar\" is not the file"},
        {"deb/x_1_all.deb", "a packagE", "x_1_all.deb\" is not the file"},
        {"deb/x_1_all.deb", "a package and more", "x_1_all.deb\" is not the file"},
        {"out/bin/p", "a prograM", "out/bin/p\" is not the file"},
        {"recipe", "format: recipe/v1\n", "\"recipe.yaml\" is not the one the product names"},
        {"lock", "format: lock/v1\n", "\"lock.yaml\" is not the one the product names"},
        {"sbom", "[]", "\"sbom.json\" is not the one the product names"},
        {"sbom", "", "is empty"},
        {"product", "{}", "envelope"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(other); i++) {
        struct err e = ERR_INIT;

        put(other[i].name, other[i].text);
        assert_int_equal(write_it(at("new"), &e), -EBADMSG);
        if (strstr(err_text(&e), other[i].says) == NULL)
            fail_msg("%zu: %s", i, err_text(&e));
        assert_int_not_equal(access(at("new"), F_OK), 0);
        assert_int_not_equal(access(at("new.part"), F_OK), 0);
        make_files();
    }
    assert_int_equal(unlink(at("deb/x_1_all.deb")), 0);
    assert_int_equal(write_it(at("new"), NULL), -ENOENT);
    make_files();
    assert_int_equal(write_it(at("bundle"), NULL), -EEXIST);
    assert_int_equal(write_it(at("new"), NULL), 0);
}

static void a_source_is_a_file_and_named_once(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    make_documents("tree", "a.tar");
    make_files();
    assert_int_equal(write_it(at("new2"), &e), -EINVAL);
    assert_non_null(strstr(err_text(&e), "a bundle carries files alone"));
    make_documents("file", "b_1.orig.tar"); /* which the .dsc lists, too */
    make_files();
    put("src/b_1.orig.tar", A);
    e = (struct err)ERR_INIT;
    assert_int_equal(write_it(at("new2"), &e), -EBADMSG);
    assert_non_null(strstr(err_text(&e), "\"b_1.orig.tar\" is named twice"));
    make_documents("tar", "a.tar");
    make_files();
}

/* Each document is the one that is named, and they do not belong together. */
static void documents_belong_together(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    locked = "another recipe";
    make_documents("tar", "a.tar");
    make_files();
    assert_int_equal(write_it(at("new3"), &e), -EBADMSG);
    assert_non_null(strstr(err_text(&e), "the lock is of another recipe"));
    locked = NULL;
    proven = "another program";
    make_documents("tar", "a.tar");
    make_files();
    e = (struct err)ERR_INIT;
    assert_int_equal(write_it(at("new3"), &e), -EBADMSG);
    assert_non_null(strstr(err_text(&e), "the provenance is of another \"bin/p\""));
    proven = NULL;
    make_documents("tar", "a.tar");
    make_files();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(a_changed_byte_is_refused),
        cmocka_unit_test(a_cut_or_longer_bundle_is_refused),
        cmocka_unit_test(each_file_has_its_place),
        cmocka_unit_test(each_file_is_the_one_that_is_named),
        cmocka_unit_test(a_source_is_a_file_and_named_once),
        cmocka_unit_test(documents_belong_together),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}

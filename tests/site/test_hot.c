/* The snapshot of hash sets: what is found is what is in the sets, and nothing that is not sealed
 * and sound is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "crypto/secret.h"
#include "crypto/sha256.h"
#include "site/hot.h"

static const struct digest release = {{7, 7, 7}};

/* A set of the digests of the numbers 0..n-1, some with two names, and of the ends of the range. */
static struct hashset *set_of(unsigned n)
{
    struct hashset *h = NULL;
    struct digest d;
    struct buf text;
    char hex[65];

    buf_init(&text, 64 << 20);
    for (unsigned i = 0; i < n; i++) {
        sha256_of(&i, sizeof(i), &d);
        text_digest(hex, &d);
        assert_int_equal(buf_printf(&text, "%s Some.Name\n", hex), 0);
        if (i % 5 == 0)
            assert_int_equal(buf_printf(&text, "%s Another.Name\n", hex), 0);
    }
    for (int byte = 0; byte < 256; byte += 255) {
        memset(&d, byte, sizeof(d));
        text_digest(hex, &d);
        assert_int_equal(buf_printf(&text, "%s An.End\n", hex), 0);
    }
    assert_int_equal(hashset_new(&h), 0);
    assert_int_equal(hashset_add(h, "set", buf_span(&text), NULL), 0);
    hashset_seal(h);
    buf_free(&text);
    return h;
}

static void what_is_in_the_sets_is_found_and_nothing_else(void **state)
{
    static const unsigned sizes[] = {0, 1, 2, 5000, 200000};

    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(sizes); k++) {
        struct hashset *set = set_of(sizes[k]);
        struct hot *hot = NULL;
        struct err e = ERR_INIT;
        struct digest d;
        int fd;

        assert_int_equal(hot_make(&fd, set, &release, &e), 0);
        assert_int_equal(hot_open(&hot, fd, &e), 0);
        assert_memory_equal(hot_release(hot), &release, sizeof(release));
        for (unsigned i = 0; i < sizes[k] + 3000; i++) {
            sha256_of(&i, sizeof(i), &d);
            if (hot_find(hot, &d) != (i < sizes[k]))
                fail_msg("%u of %u", i, sizes[k]);
        }
        for (int byte = 0; byte < 256; byte += 255) {
            memset(&d, byte, sizeof(d));
            assert_true(hot_find(hot, &d));
            d.b[31] ^= 1;
            assert_false(hot_find(hot, &d));
        }
        hot_close(hot);
        hashset_free(set);
    }
}

static void without_sets_nothing_is_known(void **state)
{
    struct hot *hot = NULL;
    struct err e = ERR_INIT;
    struct digest d = {{0}};
    int fd;

    (void)state;
    assert_int_equal(hot_make(&fd, NULL, &release, &e), 0);
    assert_int_equal(hot_open(&hot, fd, &e), 0);
    assert_false(hot_find(hot, &d));
    hot_close(hot);
    hot_close(NULL);
}

/* Nobody can change it, not even who has made it. */
static void it_is_sealed(void **state)
{
    struct hashset *set = set_of(10);
    struct err e = ERR_INIT;
    void *p;
    int fd;

    (void)state;
    assert_int_equal(hot_make(&fd, set, &release, &e), 0);
    assert_int_equal(pwrite(fd, "x", 1, 0), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(ftruncate(fd, 0), -1);
    p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_equal(p, MAP_FAILED);
    (void)close(fd);
    hashset_free(set);
}

/* A copy of a snapshot with one 8-byte word changed (at: SIZE_MAX none), cut to a length. */
static int copy_of(int fd, size_t at, uint64_t word, off_t length, unsigned seals)
{
    int copy = memfd_create("copy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    struct stat st;
    uint8_t *bytes;

    assert_true(copy >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_non_null(bytes = malloc((size_t)st.st_size));
    assert_int_equal(io_pread_full(fd, bytes, (size_t)st.st_size, 0), 0);
    if (at != SIZE_MAX)
        memcpy(bytes + at, &word, sizeof(word));
    assert_int_equal(io_write_all(copy, bytes, (size_t)st.st_size), 0);
    if (length >= 0)
        assert_int_equal(ftruncate(copy, length), 0);
    assert_int_equal(fcntl(copy, F_ADD_SEALS, seals), 0);
    free(bytes);
    return copy;
}

static void what_is_not_sealed_or_not_sound_is_not_taken(void **state)
{
    const unsigned all = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    const size_t first = 8 + 8 + 32; /* where the table begins */
    struct hashset *set = set_of(1000);
    struct hot *hot = NULL;
    struct err e = ERR_INIT;
    struct stat st;
    int fd;

    (void)state;
    assert_int_equal(hot_make(&fd, set, &release, &e), 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(hot_open(&hot, copy_of(fd, SIZE_MAX, 0, -1, all), &e), 0); /* as it is */
    hot_close(hot);
    assert_int_equal(
        hot_open(&hot, copy_of(fd, SIZE_MAX, 0, -1, all & ~(unsigned)F_SEAL_WRITE), &e), -EPROTO);
    assert_int_equal(hot_open(&hot, copy_of(fd, SIZE_MAX, 0, -1, F_SEAL_SEAL), &e), -EPROTO);
    assert_int_equal(hot_open(&hot, copy_of(fd, 0, 17, -1, all), &e), -EPROTO);         /* magic */
    assert_int_equal(hot_open(&hot, copy_of(fd, 8, 1003, -1, all), &e), -EPROTO);       /* count */
    assert_int_equal(hot_open(&hot, copy_of(fd, 8, UINT64_MAX, -1, all), &e), -EPROTO); /* … */
    assert_int_equal(hot_open(&hot, copy_of(fd, 8, 1ULL << 59, -1, all), &e), -EPROTO);
    assert_int_equal(hot_open(&hot, copy_of(fd, first, 1, -1, all), &e), -EPROTO);
    assert_int_equal(hot_open(&hot, copy_of(fd, first + 400, UINT64_MAX, -1, all), &e), -EPROTO);
    for (off_t length = 0; length < st.st_size; length += st.st_size / 7)
        assert_int_equal(hot_open(&hot, copy_of(fd, SIZE_MAX, 0, length, all), &e), -EPROTO);
    assert_int_equal(hot_open(&hot, copy_of(fd, SIZE_MAX, 0, st.st_size + 32, all), &e), -EPROTO);
    (void)close(fd);
    hashset_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_in_the_sets_is_found_and_nothing_else),
        cmocka_unit_test(without_sets_nothing_is_known),
        cmocka_unit_test(it_is_sealed),
        cmocka_unit_test(what_is_not_sealed_or_not_sound_is_not_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jail/ring.h"

#define SLOT 65536u
#define SLOTS 4u

static int again(const struct ring *r)
{
    return fcntl(ring_fd(r), F_DUPFD_CLOEXEC, 0);
}

static void a_slot_is_credit_until_it_is_freed(void **state)
{
    struct ring *r = NULL;
    uint32_t index[SLOTS], extra;

    (void)state;
    assert_int_equal(ring_new(&r, SLOT, SLOTS, NULL), 0);
    for (uint32_t i = 0; i < SLOTS; i++) {
        assert_int_equal(ring_claim(r, &index[i]), 0);
        for (uint32_t j = 0; j < i; j++)
            assert_int_not_equal(index[i], index[j]);
    }
    assert_int_equal(ring_claim(r, &extra), -EAGAIN);
    assert_int_equal(ring_claimed(r), SLOTS);
    assert_int_equal(ring_free_slot(r, index[2]), 0);
    assert_int_equal(ring_free_slot(r, index[2]), -EPROTO); /* twice */
    assert_int_equal(ring_free_slot(r, SLOTS), -EPROTO);    /* none such */
    assert_int_equal(ring_claim(r, &extra), 0);
    assert_int_equal(extra, index[2]);
    ring_close(r);
}

struct sum {
    size_t blocks, bytes;
    uint8_t text[40000];
    struct ring *producer;
    uint32_t index;
};

static int add(void *arg, const void *copy, size_t n)
{
    struct sum *s = arg;

    memcpy(s->text + s->bytes, copy, n);
    /* the producer changes everything now: neither this copy nor what was read may change */
    if (s->producer != NULL)
        memset(ring_slot(s->producer, s->index), 'x', SLOT);
    assert_memory_equal(s->text + s->bytes, copy, n);
    s->blocks++;
    s->bytes += n;
    return 0;
}

static int stop(void *arg, const void *copy, size_t n)
{
    (void)arg;
    (void)copy;
    (void)n;
    return -EIO;
}

static void the_consumer_reads_what_the_producer_wrote_once(void **state)
{
    struct ring *p = NULL, *c = NULL;
    struct sum s = {0};
    uint8_t out[16];
    uint32_t i;

    (void)state;
    assert_int_equal(ring_new(&p, SLOT, SLOTS, NULL), 0);
    assert_int_equal(ring_attach(&c, again(p), SLOT, SLOTS, NULL), 0);
    assert_int_equal(ring_claim(p, &i), 0);
    memset(ring_slot(p, i), 'a', 40000);
    memcpy(ring_slot(p, i), "begin", 5);
    assert_int_equal(ring_read(c, i, 0, out, 5), 0);
    assert_memory_equal(out, "begin", 5);
    s.producer = p;
    s.index = i;
    assert_int_equal(ring_each(c, i, 40000, add, &s), 0);
    assert_int_equal(s.bytes, 40000);
    assert_memory_equal(s.text, "begina", 6);
    assert_int_equal(s.text[39999], 'x'); /* read after the change, and only then */
    assert_int_equal(ring_each(c, i, 1, stop, NULL), -EIO);
    ring_close(c);
    ring_close(p);
}

static void nothing_outside_a_slot_is_read(void **state)
{
    struct ring *p = NULL, *c = NULL;
    uint8_t out[2];

    (void)state;
    assert_int_equal(ring_new(&p, SLOT, SLOTS, NULL), 0);
    assert_int_equal(ring_attach(&c, again(p), SLOT, SLOTS, NULL), 0);
    assert_int_equal(ring_read(c, SLOTS, 0, out, 1), -EPROTO);
    assert_int_equal(ring_read(c, UINT32_MAX, 0, out, 1), -EPROTO);
    assert_int_equal(ring_read(c, 0, SLOT, out, 1), -EPROTO);
    assert_int_equal(ring_read(c, 0, SLOT - 1, out, 2), -EPROTO);
    assert_int_equal(ring_read(c, 0, UINT32_MAX, out, 2), -EPROTO);
    assert_int_equal(ring_read(c, 0, SLOT, out, 0), 0);
    assert_int_equal(ring_each(c, 0, SLOT + 1, stop, NULL), -EPROTO);
    ring_close(c);
    ring_close(p);
}

static void only_a_sealed_ring_of_the_agreed_size_is_attached(void **state)
{
    struct ring *p = NULL, *c = NULL;
    int fd;

    (void)state;
    assert_int_equal(ring_new(&p, SLOT, SLOTS, NULL), 0);
    assert_int_equal(ring_attach(&c, again(p), SLOT, SLOTS + 1, NULL), -EPROTO);
    assert_int_equal(ring_attach(&c, again(p), SLOT, SLOTS - 1, NULL), -EPROTO);
    assert_int_equal(ftruncate(ring_fd(p), 0), -1); /* cannot shrink under its reader */
    assert_int_equal(errno, EPERM);
    fd = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(fd, SLOT * SLOTS), 0);
    assert_int_equal(ring_attach(&c, fd, SLOT, SLOTS, NULL), -EPROTO); /* not sealed */
    assert_int_equal(fcntl(fd, F_GETFD), -1);                          /* taken */
    assert_int_equal(ring_attach(&c, open("/dev/null", O_RDONLY), SLOT, SLOTS, NULL), -EPROTO);
    assert_null(c);
    ring_close(p);
}

static void impossible_shapes_are_refused(void **state)
{
    static const uint32_t bad[][2] = {
        {0, 1}, {SLOT, 0}, {SLOT + 1, 1}, {RING_SLOT_MAX * 2, 1}, {SLOT, RING_SLOTS_MAX + 1}};
    struct ring *r = NULL;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(ring_new(&r, bad[i][0], bad[i][1], NULL), -EINVAL);
    assert_null(r);
}

static void free_slots_give_their_pages_back(void **state)
{
    struct ring *p = NULL;
    struct stat st;
    uint32_t a, b;

    (void)state;
    assert_int_equal(ring_new(&p, SLOT, SLOTS, NULL), 0);
    assert_int_equal(ring_claim(p, &a), 0);
    assert_int_equal(ring_claim(p, &b), 0);
    memset(ring_slot(p, a), 1, SLOT);
    memset(ring_slot(p, b), 1, SLOT);
    assert_int_equal(fstat(ring_fd(p), &st), 0);
    assert_true((uint64_t)st.st_blocks * 512 >= 2 * SLOT);
    assert_int_equal(ring_free_slot(p, a), 0);
    ring_trim(p);
    assert_int_equal(fstat(ring_fd(p), &st), 0);
    assert_int_equal((uint64_t)st.st_blocks * 512, SLOT);
    assert_int_equal(((uint8_t *)ring_slot(p, b))[SLOT - 1], 1); /* the claimed one is whole */
    ring_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slot_is_credit_until_it_is_freed),
        cmocka_unit_test(the_consumer_reads_what_the_producer_wrote_once),
        cmocka_unit_test(nothing_outside_a_slot_is_read),
        cmocka_unit_test(only_a_sealed_ring_of_the_agreed_size_is_attached),
        cmocka_unit_test(impossible_shapes_are_refused),
        cmocka_unit_test(free_slots_give_their_pages_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A release as one file: GNU tar must write the same bytes and the program zstd expand what is
 * compressed here; nothing else than those bytes is read back. */
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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "updates/delta.h"
#include "updates/pack.h"

#define LONG_PART                                                                                  \
    "a-rule-file-of-which-the-name-is-so-long-that-it-cannot-be-in-the-first-field-of-it"

static char dir[64]; /* of this test */

static void sh(const char *command)
{
    pid_t pid = fork();
    int status = -1;

    if (pid == 0) {
        if (chdir(dir) == 0)
            (void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    if (status != 0)
        fail_msg("%s", command);
}

static char *at(const char *name)
{
    static char path[4][256];
    static unsigned turn;
    char *p = path[turn++ % 4];

    (void)snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
    return p;
}

static int setup(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/pack-XXXXXX");
    assert_non_null(mkdtemp(dir));
    sh("mkdir -p r/b/c r/" LONG_PART "/" LONG_PART "/x && printf 'rule a { condition: true }\\n' "
       "> r/a.yar && printf '' > r/empty.yar && seq 1 2000 | sed 's/.*/aa:&:x/' > r/b/c/big.hdb && "
       "printf 'rule b { condition: false }' > r/" LONG_PART "/" LONG_PART "/x/b.yar && "
       "printf 'not a rule' > r/b/README && head -c 512 /dev/zero | tr '\\0' ' ' > r/b.yara");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return io_remove_tree(dir);
}

static void pack(const char *folder, const char *file)
{
    struct release *r = NULL;
    struct err e = ERR_INIT;
    int fd = open(at(file), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    if (release_load(&r, at(folder), &e) != 0 || pack_write(r, fd, &e) != 0)
        fail_msg("%s", err_text(&e));
    release_free(r);
    assert_int_equal(close(fd), 0);
}

static struct digest digest_of(const char *folder)
{
    struct release *r = NULL;
    struct err e = ERR_INIT;
    struct digest d;

    if (release_load(&r, at(folder), &e) != 0)
        fail_msg("%s", err_text(&e));
    d = release_digest(r);
    release_free(r);
    return d;
}

static void load(struct buf *b, const char *file)
{
    buf_init(b, 1 << 24);
    assert_int_equal(io_read_file(AT_FDCWD, at(file), b), 0);
}

static void store(const struct buf *b, const char *file)
{
    assert_int_equal(io_replace_file(AT_FDCWD, at(file), b->data, b->len, 0644), 0);
}

static int unpack(struct span tar, const char *folder, struct err *e)
{
    int fd, rc;

    assert_int_equal(mkdir(at(folder), 0755), 0);
    fd = open(at(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    rc = pack_read(tar, fd, e);
    assert_int_equal(close(fd), 0);
    return rc;
}

/* --- */

static void gnu_tar_writes_the_same_bytes(void **state)
{
    (void)state;
    pack("r", "ours.tar");
    sh("cd r && find . -name '*.yar' -o -name '*.hdb' -o -name '*.yara' | sed 's,^\\./,,' | "
       "LC_ALL=C sort > ../list && tar --format=ustar --no-recursion --mtime=@0 --owner=0 "
       "--group=0 "
       "--numeric-owner --mode=0644 -b1 -cf ../gnu.tar -T ../list && cmp ../gnu.tar ../ours.tar");
}

static void gnu_tar_unpacks_it(void **state)
{
    struct digest a = digest_of("r"), b;

    (void)state;
    pack("r", "ours.tar");
    sh("mkdir out && tar -C out -xf ours.tar");
    b = digest_of("out");
    assert_memory_equal(a.b, b.b, 32);
}

static void what_is_unpacked_has_the_digest(void **state)
{
    struct digest a = digest_of("r"), b;
    struct err e = ERR_INIT;
    struct buf tar;

    (void)state;
    pack("r", "ours.tar");
    load(&tar, "ours.tar");
    if (unpack(buf_span(&tar), "out", &e) != 0)
        fail_msg("%s", err_text(&e));
    b = digest_of("out");
    assert_memory_equal(a.b, b.b, 32);
    buf_free(&tar);
}

static void a_name_with_a_long_part_is_refused(void **state)
{
    struct release *r = NULL;
    struct err e = ERR_INIT;
    int fd;

    (void)state;
    sh("mkdir l && cp r/a.yar l/$(printf 'x%.0s' $(seq 101)).yar");
    assert_int_equal(release_load(&r, at("l"), &e), 0);
    fd = open(at("l.tar"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_int_equal(pack_write(r, fd, &e), -E2BIG);
    assert_non_null(strstr(err_text(&e), "100 bytes"));
    assert_int_equal(close(fd), 0);
    release_free(r);
}

/* Each byte of the archive's frame: a header's 512, padding, the end.  Contents are the digest's
 * matter.  So every changed byte is refused or leads to another digest; a shorter or a longer
 * archive is refused. */
static void one_changed_byte_is_seen(void **state)
{
    struct digest a, b;
    struct err e = ERR_INIT;
    struct buf tar;
    char name[32];

    (void)state;
    sh("mkdir s s/b && cp r/a.yar s/ && cp r/a.yar s/b/c.yar");
    a = digest_of("s");
    pack("s", "s.tar");
    load(&tar, "s.tar");
    assert_int_equal(tar.len, 2 * 1024 + 1024);
    for (size_t i = 0; i < tar.len; i++) {
        (void)snprintf(name, sizeof(name), "o%zu", i);
        tar.data[i] ^= 1;
        if (unpack(buf_span(&tar), name, &e) == 0) {
            assert_true((i / 512) % 2 == 1); /* inside a file */
            b = digest_of(name);
            assert_memory_not_equal(a.b, b.b, 32);
        }
        tar.data[i] ^= 1;
        assert_int_equal(io_remove_tree(at(name)), 0);
    }
    for (size_t n = 0; n < tar.len; n += 64) {
        (void)snprintf(name, sizeof(name), "t%zu", n);
        assert_int_equal(unpack(span_of(tar.data, n), name, &e), -EBADMSG);
    }
    assert_int_equal(buf_putc(&tar, 0), 0);
    assert_int_equal(unpack(buf_span(&tar), "longer", &e), -EBADMSG);
    buf_free(&tar);
}

/* Archives that GNU tar makes, of what no release has. */
static void what_leads_out_is_refused(void **state)
{
    static const char *const make[] = {
        "cp ../r/a.yar .hidden.yar && tar $F -cf ../x.tar .hidden.yar",
        "cp ../r/a.yar up.yar && tar $F -P --transform='s,^,../,' -cf ../x.tar up.yar",
        "cp ../r/a.yar root.yar && tar $F -P --transform='s,^,/tmp/,' -cf ../x.tar root.yar",
        "cp ../r/a.yar t.yar && ln -s t.yar l.yar && tar $F -cf ../x.tar l.yar",
        "cp ../r/a.yar t.yar && ln t.yar l.yar && tar $F -cf ../x.tar l.yar t.yar",
        "mkdir d && tar $F -cf ../x.tar d",
        "cp ../r/a.yar t.yar && tar $F -cf ../x.tar t.yar t.yar --hard-dereference",
        "cp ../r/a.yar b.yar && cp b.yar a.yar && tar $F -cf ../x.tar b.yar a.yar",
        "cp ../r/a.yar 'a b.yar' && tar $F -cf ../x.tar 'a b.yar'",
        "cp ../r/a.yar t.yar && tar $F --mode=4755 -cf ../x.tar t.yar",
    };
    char line[1024];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(make); i++) {
        struct err e = ERR_INIT;
        struct buf tar;
        char name[16];

        (void)snprintf(line, sizeof(line),
                       "rm -rf w x.tar && mkdir w && cd w && F='--format=ustar --no-recursion "
                       "--mtime=@0 --owner=0 --group=0 --numeric-owner --mode=0644 -b1' && %s",
                       make[i]);
        sh(line);
        load(&tar, "x.tar");
        (void)snprintf(name, sizeof(name), "u%zu", i);
        if (unpack(buf_span(&tar), name, &e) != -EBADMSG)
            fail_msg("%s", make[i]);
        buf_free(&tar);
    }
    assert_int_equal(access("/tmp/root.yar", F_OK), -1);
    assert_int_equal(access(at("up.yar"), F_OK), -1);
}

/* --- compression --- */

static void zstd_expands_what_is_made(void **state)
{
    struct buf a, b, out;
    struct err e = ERR_INIT;

    (void)state;
    sh("seq 1 60000 > a && sed 's/^777$/changed/' a > b && seq 1 50 >> b");
    load(&a, "a");
    load(&b, "b");
    buf_init(&out, 1 << 24);
    assert_int_equal(delta_make(&out, (struct span){NULL, 0}, buf_span(&b), &e), 0);
    store(&out, "b.zst");
    sh("zstd -q -d b.zst -o b1 && cmp b b1");
    buf_reset(&out);
    assert_int_equal(delta_make(&out, buf_span(&a), buf_span(&b), &e), 0);
    assert_true(out.len < 1000);
    store(&out, "ab.zst");
    sh("zstd -q -d --long=31 --patch-from=a ab.zst -o b2 && cmp b b2");
    buf_free(&a);
    buf_free(&b);
    buf_free(&out);
}

static void what_zstd_makes_is_expanded(void **state)
{
    struct buf a, b, d;
    struct err e = ERR_INIT;
    uint8_t *to;

    (void)state;
    sh("seq 1 60000 > a && sed 's/^777$/changed/' a > b && zstd -q -19 --patch-from=a b -o d.zst");
    load(&a, "a");
    load(&b, "b");
    load(&d, "d.zst");
    to = malloc(b.len + 1);
    assert_non_null(to);
    assert_int_equal(delta_apply(to, b.len, buf_span(&a), buf_span(&d), &e), 0);
    assert_memory_equal(to, b.data, b.len);
    assert_int_equal(delta_apply(to, b.len - 1, buf_span(&a), buf_span(&d), &e), -EBADMSG);
    assert_int_equal(delta_apply(to, b.len + 1, buf_span(&a), buf_span(&d), &e), -EBADMSG);
    assert_int_equal(delta_apply(to, b.len, buf_span(&a), span_of(d.data, d.len / 2), &e),
                     -EBADMSG);
    assert_int_equal(delta_apply(to, b.len, buf_span(&a), span_of(d.data, 0), &e), -EBADMSG);
    free(to);
    buf_free(&a);
    buf_free(&b);
    buf_free(&d);
}

/* A frame of a few bytes that announces and would yield a gigabyte. */
static void a_bomb_yields_no_more_than_announced(void **state)
{
    struct buf d;
    struct err e = ERR_INIT;
    uint8_t to[4096];

    (void)state;
    sh("head -c 1000000000 /dev/zero | zstd -q -1 > bomb.zst");
    load(&d, "bomb.zst");
    assert_true(d.len < 100000);
    assert_int_equal(delta_apply(to, sizeof(to), (struct span){NULL, 0}, buf_span(&d), &e),
                     -EBADMSG);
    buf_free(&d);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(gnu_tar_writes_the_same_bytes),
        T(gnu_tar_unpacks_it),
        T(what_is_unpacked_has_the_digest),
        T(a_name_with_a_long_part_is_refused),
        T(one_changed_byte_is_seen),
        T(what_leads_out_is_refused),
        T(zstd_expands_what_is_made),
        T(what_zstd_makes_is_expanded),
        T(a_bomb_yields_no_more_than_announced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "detect/protocol.h"
#include "detect/release.h"

static char folder[64];

static void put(const char *name, const char *text, size_t n)
{
    char path[160];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(io_write_all(fd, text, n), 0);
    (void)close(fd);
}

static void put_text(const char *name, const char *text)
{
    put(name, text, strlen(text));
}

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/release-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static int tear_down(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int load(struct err *e)
{
    struct release *r = NULL;
    int rc = release_load(&r, folder, e);

    release_free(r);
    return rc;
}

static void the_digest_is_that_of_the_formats_page(void **state)
{
    /* computed from docs/formats.md with Python's hashlib */
    static const char want[] = "4d906e6bdc1fb73b093f0d7ba091739a331104d09cbc2a804b9a9f24d49dc132";
    struct release *r = NULL;
    struct digest d;
    char path[96], hex[65];

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/sub", folder);
    assert_int_equal(mkdir(path, 0755), 0);
    put_text("z.sha256", "# none\n");
    put_text("sub/b.yara", "");
    put_text("a.yar", "rule a { condition: true }\n");
    put_text("README.md", "not of the release");
    put_text(".hidden.yar", "not either");
    assert_int_equal(release_load(&r, folder, NULL), 0);
    d = release_digest(r);
    text_digest(hex, &d);
    assert_string_equal(hex, want);
    release_free(r);
}

static void the_bundle_is_what_was_hashed_for_ever(void **state)
{
    struct protocol_file f;
    struct release *r = NULL;
    struct cur c;
    void *p;

    (void)state;
    put_text("b.yar", "second");
    put_text("a.yar", "first");
    put_text("c.sha256", "# no\n");
    assert_int_equal(release_load(&r, folder, NULL), 0);
    put_text("a.yar", "changed");
    p = mmap(NULL, release_size(r), PROT_READ, MAP_PRIVATE, release_fd(r), 0);
    assert_ptr_not_equal(p, MAP_FAILED);
    c = cur_of(span_of(p, release_size(r)));
    assert_int_equal(protocol_bundle_next(&c, &f), 1);
    assert_string_equal(f.name, "a.yar");
    assert_true(span_is(f.content, "first"));
    assert_int_equal(protocol_bundle_next(&c, &f), 1);
    assert_string_equal(f.name, "b.yar");
    assert_true(span_is(f.content, "second"));
    assert_int_equal(protocol_bundle_next(&c, &f), 1);
    assert_string_equal(f.name, "c.sha256"); /* engines leave it alone */
    assert_int_equal(protocol_bundle_next(&c, &f), 0);
    assert_int_equal(pwrite(release_fd(r), "x", 1, 0), -1); /* sealed */
    (void)munmap(p, release_size(r));
    release_free(r);
}

static void what_is_no_source_is_refused(void **state)
{
    struct err e = ERR_INIT;
    char path[96];

    (void)state;
    assert_int_equal(load(&e), -EINVAL); /* empty */
    put("c.yar", "YARA\0\1\2", 7);
    assert_int_equal(load(&e), -EBADMSG);
    assert_non_null(strstr(err_text(&e), "c.yar:1: compiled YARA"));
    put("c.yar", "rule\n\0", 6);
    assert_int_equal(load(&e), -EBADMSG);
    assert_non_null(strstr(err_text(&e), "c.yar:2: a NUL byte"));
    put_text("c.yar", "");
    put_text("h.sha256", "nonsense\n");
    assert_int_equal(load(&e), -EBADMSG);
    assert_non_null(strstr(err_text(&e), "h.sha256:1:"));
    put_text("h.sha256", "");
    assert_int_equal(load(&e), 0);
    put_text("with blank.yar", "");
    assert_int_equal(load(&e), -EBADMSG);
    (void)snprintf(path, sizeof(path), "%s/with blank.yar", folder);
    assert_int_equal(unlink(path), 0);
    (void)snprintf(path, sizeof(path), "%s/link.yar", folder);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_int_equal(load(&e), -EBADMSG);
    assert_non_null(strstr(err_text(&e), "\"link.yar\" is no regular file"));
}

/* Somebody else's folder, read by root: a file is a link the moment after it was looked at. */
static void a_file_that_becomes_a_link_is_not_followed(void **state)
{
    char here[96], there[96], outside[96];
    mono_ms until;
    struct digest theirs, is;
    struct release *r = NULL;
    pid_t pid;
    int status;

    (void)state;
    put_text("a.yar", "not for the rules");
    assert_int_equal(release_load(&r, folder, NULL), 0);
    theirs = release_digest(r);
    release_free(r);
    (void)snprintf(here, sizeof(here), "%s/a.yar", folder);
    (void)snprintf(there, sizeof(there), "%s/other", folder);
    (void)snprintf(outside, sizeof(outside), "%s/outside", folder);
    assert_int_equal(rename(here, outside), 0);
    put_text("a.yar", "rule");
    assert_int_equal(symlink(outside, there), 0);
    if ((pid = fork()) == 0)
        for (;;)
            (void)renameat2(AT_FDCWD, here, AT_FDCWD, there, RENAME_EXCHANGE);
    assert_true(pid > 0);
    until = clock_mono() + 700;
    while (clock_mono() < until) {
        r = NULL;
        if (release_load(&r, folder, NULL) != 0)
            continue;
        is = release_digest(r);
        release_free(r);
        if (memcmp(&is, &theirs, sizeof(is)) == 0)
            break;
    }
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(clock_mono() >= until);
}

static void a_missing_folder_is_named(void **state)
{
    struct release *r = NULL;
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(release_load(&r, "/nonexistent/rules", &e), -ENOENT);
    assert_non_null(strstr(err_text(&e), "\"/nonexistent/rules\""));
    assert_null(r);
}

#define EACH(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(the_digest_is_that_of_the_formats_page),
        EACH(the_bundle_is_what_was_hashed_for_ever),
        EACH(what_is_no_source_is_refused),
        EACH(a_file_that_becomes_a_link_is_not_followed),
        EACH(a_missing_folder_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

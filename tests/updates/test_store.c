/* What lies on the disk: each call that may fail fails once, and the process dies before and after
 * each; in every case the old state or the new one is there, and the next update succeeds. */
#include "repo.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "calls.h"

#define PATH "dir/x y"
#define FILE_NAME "dir%2Fx%20y"
#define OLD "the old target"
#define NEW "the new target, which is longer"

/* --- calls that fail, or kill ----------------------------------------------------------------- */

WRAP(EIO, int, fsync, (int fd), (fd))
WRAP(EIO, ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n))
WRAP(EIO, int, renameat, (int a, const char *b, int c, const char *d), (a, b, c, d))
WRAP(EIO, int, renameat2, (int a, const char *b, int c, const char *d, unsigned f), (a, b, c, d, f))
WRAP(EIO, int, unlinkat, (int fd, const char *p, int f), (fd, p, f))

/* --- a world of one repository and two folders -------------------------------------------------
 */

static struct repo r;
static char top[64], meta[80], shelf[80];
static char *target;

static void clean(void)
{
    if (top[0] != '\0')
        assert_int_equal(io_remove_tree(top), 0);
    top[0] = '\0';
    free(target);
    target = NULL;
}

/* Root 1 is in the folder, OLD is on the shelf; the repository has root 2 with another snapshot
 * key, everything else at version 2, and NEW. */
static void begin(void)
{
    struct tuf_store store;

    repo_close(&r);
    repo_open(&r);
    clean();
    (void)snprintf(top, sizeof(top), "/tmp/updates-store-XXXXXX");
    assert_non_null(mkdtemp(top));
    (void)snprintf(meta, sizeof(meta), "%s/meta", top);
    (void)snprintf(shelf, sizeof(shelf), "%s/shelf", top);
    assert_int_equal(tuf_store_dir_open(&store, meta, NULL), 0);
    assert_int_equal(tuf_updater_init(&store, buf_span(repo_find(&r, "1.root.json")), NULL), 0);
    tuf_store_dir_close(&store);
    target = repo_target(&r, PATH, OLD);
    r.targets = target;
    repo_bump(&r);
}

static int update(void)
{
    const struct tuf_file *f;
    struct tuf_shelf *s = NULL;
    struct tuf_updater *u = NULL;
    struct tuf_fetch fetch = repo_fetch(&r);
    struct tuf_store store;
    bool fetched;
    int rc;

    r.log[0] = '\0';
    if ((rc = tuf_store_dir_open(&store, meta, NULL)) == 0 &&
        (rc = tuf_updater_new(&u, &fetch, &store, REPO_URL, NULL)) == 0 &&
        (rc = tuf_shelf_open(&s, shelf, NULL)) == 0 &&
        (rc = tuf_updater_find(u, PATH, &f, NULL)) == 0)
        rc = tuf_updater_download(u, f, REPO_TARGETS_URL, s, &fetched, NULL);
    tuf_shelf_close(s);
    tuf_updater_free(u);
    tuf_store_dir_close(&store);
    return rc;
}

static void change(void)
{
    free(target);
    target = repo_target(&r, PATH, NEW);
    r.targets = target;
    r.roles[TUF_SNAPSHOT] = ROLE(1, 9);
    repo_root(&r);
    repo_bump(&r);
}

static bool holds(const char *folder, const char *name, const char *text)
{
    char path[200];
    struct buf b;
    bool is;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    buf_init(&b, 1 << 20);
    is = io_read_file(AT_FDCWD, path, &b) == 0 && span_is(buf_span(&b), text);
    buf_free(&b);
    return is;
}

/* 1 or 2: the version of the repository's file that the folder's is, byte for byte; 0: none. */
static int version_of(const char *role)
{
    char name[40];

    for (int v = 1; v <= 3; v++) {
        (void)snprintf(name, sizeof(name), "%d.%s.json", v, role);
        if (repo_find(&r, name) != NULL) {
            char file[40];

            (void)snprintf(file, sizeof(file), "%s.json", role);
            if (holds(meta, file, buf_str(repo_find(&r, name))))
                return v;
        }
    }
    return 0;
}

static size_t files_in(const char *folder)
{
    DIR *d = opendir(folder);
    size_t n = 0;

    assert_non_null(d);
    while (readdir(d) != NULL)
        n++;
    (void)closedir(d);
    return n - 2;
}

static void must_be_new(void)
{
    int rc = update();

    if (rc != 0)
        fail_msg("%d after %s", rc, r.log);
    assert_int_equal(version_of("root"), 2);
    assert_int_equal(version_of("snapshot"), 3);
    assert_int_equal(version_of("targets"), 3);
    assert_true(holds(meta, "timestamp.json", buf_str(repo_find(&r, "timestamp.json"))));
    assert_true(holds(shelf, FILE_NAME, NEW));
    /* and nothing else: no temporary files, no note */
    assert_int_equal(files_in(meta), 4);
    assert_int_equal(files_in(shelf), 1);
}

static void every_call_that_fails_leaves_old_or_new(void **state)
{
    int k;

    (void)state;
    for (k = 0; k < 200; k++) {
        int rc;

        begin();
        assert_int_equal(update(), 0);
        change();
        dies = false;
        calls_left = k;
        rc = update();
        if (calls_left >= 0) { /* it made fewer calls */
            calls_left = -1;
            assert_int_equal(rc, 0);
            break;
        }
        assert_true(rc == 0 || rc == -EIO); /* what is removed at the end may stay */
        assert_true(holds(shelf, FILE_NAME, OLD) || holds(shelf, FILE_NAME, NEW));
        assert_true(version_of("root") != 0 && version_of("targets") != 0);
        must_be_new();
    }
    assert_in_range(k, 15, 150);
}

static void dying_at_every_call_leaves_old_or_new(void **state)
{
    (void)state;
    for (int after = 0; after < 2; after++) {
        int k, status = 0;

        for (k = 0; k < 200; k++) {
            pid_t pid;

            begin();
            assert_int_equal(update(), 0);
            change();
            pid = fork();
            assert_true(pid >= 0);
            if (pid == 0) {
                dies = true;
                dies_after = after != 0;
                calls_left = k;
                _exit(update() == 0 ? 0 : 1);
            }
            assert_int_equal(waitpid(pid, &status, 0), pid);
            if (WIFEXITED(status))
                break;
            assert_int_equal(WTERMSIG(status), SIGKILL);
            assert_true(holds(shelf, FILE_NAME, OLD) || holds(shelf, FILE_NAME, NEW));
            assert_true(version_of("root") != 0 && version_of("targets") != 0);
            must_be_new();
        }
        assert_int_equal(WEXITSTATUS(status), 0);
        assert_in_range(k, 15, 150);
    }
}

static void a_folder_is_one_updates_at_a_time(void **state)
{
    struct tuf_store store, second;
    struct err e = ERR_INIT;

    (void)state;
    begin();
    assert_int_equal(tuf_store_dir_open(&store, meta, NULL), 0);
    assert_int_equal(tuf_store_dir_open(&second, meta, &e), -EAGAIN);
    assert_non_null(strstr(err_text(&e), "another update"));
    tuf_store_dir_close(&second);
    tuf_store_dir_close(&store);
    assert_int_equal(update(), 0);
}

static struct tuf_file file_of(const char *name, const char *content)
{
    struct tuf_file f = {.name = name, .has_length = true, .length = strlen(content)};

    sha256_of(content, strlen(content), &f.hashes.sha256);
    f.hashes.has_sha256 = true;
    return f;
}

static void a_target_gets_its_name_only_when_it_is_right(void **state)
{
    static const char *const wrong[] = {"", "the old targe", "the old targeT"};
    struct tuf_file f = file_of(PATH, OLD);
    struct tuf_shelf *s, *other;
    bool have;

    (void)state;
    begin();
    assert_int_equal(tuf_shelf_open(&s, shelf, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_int_equal(tuf_shelf_begin(s, &f, NULL), 0);
        assert_int_equal(tuf_shelf_take(wrong[i], strlen(wrong[i]), s), 0);
        assert_int_equal(tuf_shelf_commit(s, NULL), -EBADMSG);
        assert_int_equal(files_in(shelf), 0);
    }
    assert_int_equal(tuf_shelf_begin(s, &f, NULL), 0);
    assert_int_equal(tuf_shelf_take(OLD, strlen(OLD), s), 0);
    assert_int_equal(tuf_shelf_take("!", 1, s), -E2BIG);
    /* somebody else's sweep spares what is being written */
    assert_int_equal(tuf_shelf_open(&other, shelf, NULL), 0);
    tuf_shelf_close(other);
    assert_int_equal(files_in(shelf), 1);
    assert_int_equal(tuf_shelf_commit(s, NULL), 0);
    assert_true(holds(shelf, FILE_NAME, OLD));
    assert_int_equal(tuf_shelf_have(s, &f, &have, NULL), 0);
    assert_true(have);
    f.hashes.has_sha512 = true; /* another hash that is not right */
    assert_int_equal(tuf_shelf_have(s, &f, &have, NULL), 0);
    assert_false(have);
    tuf_shelf_close(s);
}

static void a_link_in_the_shelf_is_replaced_and_not_followed(void **state)
{
    char link_[200], victim[200];
    struct stat st;

    (void)state;
    begin();
    assert_int_equal(mkdir(shelf, 0755), 0);
    (void)snprintf(link_, sizeof(link_), "%s/%s", shelf, FILE_NAME);
    (void)snprintf(victim, sizeof(victim), "%s/victim", top);
    assert_int_equal(io_create_file(AT_FDCWD, victim, OLD, strlen(OLD), 0644), 0);
    assert_int_equal(symlink(victim, link_), 0);
    assert_int_equal(update(), 0);
    assert_int_equal(lstat(link_, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_true(holds(top, "victim", OLD));
}

static void a_target_that_is_there_is_not_fetched_again(void **state)
{
    char path[200];

    (void)state;
    begin();
    assert_int_equal(update(), 0);
    assert_non_null(strstr(r.log, "dir/"));
    assert_int_equal(update(), 0);
    assert_null(strstr(r.log, "dir/"));
    (void)snprintf(path, sizeof(path), "%s/%s", shelf, FILE_NAME);
    assert_int_equal(io_replace_file(AT_FDCWD, path, "the old targeT", 14, 0644), 0);
    assert_int_equal(update(), 0);
    assert_non_null(strstr(r.log, "dir/"));
    assert_true(holds(shelf, FILE_NAME, OLD));
}

static void names_of_targets_stay_in_their_folder(void **state)
{
    static const char *const paths[] = {".",         "..", "../x",      "/etc/passwd",
                                        ".part-1-1", "-x", "a/../../b", "\n"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct tuf_file f = file_of(paths[i], OLD);
        struct tuf_shelf *s;

        begin();
        assert_int_equal(tuf_shelf_open(&s, shelf, NULL), 0);
        assert_int_equal(tuf_shelf_begin(s, &f, NULL), 0);
        assert_int_equal(tuf_shelf_take(OLD, strlen(OLD), s), 0);
        assert_int_equal(tuf_shelf_commit(s, NULL), 0);
        tuf_shelf_close(s);
        assert_int_equal(tuf_shelf_open(&s, shelf, NULL), 0); /* and is not swept away */
        tuf_shelf_close(s);
        assert_int_equal(files_in(shelf), 1);
        assert_int_equal(files_in(top), 2);
    }
}

static int end(void **state)
{
    (void)state;
    repo_close(&r);
    clean();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_that_fails_leaves_old_or_new),
        cmocka_unit_test(dying_at_every_call_leaves_old_or_new),
        cmocka_unit_test(a_folder_is_one_updates_at_a_time),
        cmocka_unit_test(a_target_gets_its_name_only_when_it_is_right),
        cmocka_unit_test(a_link_in_the_shelf_is_replaced_and_not_followed),
        cmocka_unit_test(a_target_that_is_there_is_not_fetched_again),
        cmocka_unit_test(names_of_targets_stay_in_their_folder),
    };

    return cmocka_run_group_tests(tests, NULL, end);
}

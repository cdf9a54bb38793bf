/* What each process of a site may do: every right (tests/jail/rights.h) tried from inside the jail
 * that the process itself would enter, with the flags, paths and users of a real configuration.
 * What comes out is the table of docs/architecture.md, and must be equal to it:
 *   test-site-rights docs/architecture.md          compares
 *   test-site-rights --print                       prints the table */
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
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../jail/rights.h"
#include "base/io.h"
#include "base/text.h"
#include "jail/jail.h"
#include "site/init.h"
#include "site/process.h"

#define KEY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define ENGINE_UID 64096

enum who {
    FRONT,
    KEEPER,
    SIGNER,
    COURIER,
    READER,
    ENGINE,
    CHILD,
    SCRATCH,
    SCRATCH_CHILD,
    SUPERVISOR,
    WHO
};
static const char *const who_name[WHO] = {"front",          "keeper",    "signer", "courier",
                                          "reader",         "engine",    "child",  "engine + /tmp",
                                          "child + folder", "supervisor"};

static const char *document;
static bool print;
static char dir[64];
static struct config *config;

/* --- a site that is founded --- */

static void write_config(const char *path)
{
    char text[2048];
    int n = snprintf(text, sizeof(text),
                     "format: site/v1\nsite: zrh1\nzone: CH\norigin: zrh1.example/ledger\n"
                     "url: http://127.0.0.1:1\nlisten: 127.0.0.1:0\nquorum: |\n  quorum none\n"
                     "keys: {}\nroots: {threshold: 1, keys: [" KEY "]}\nauthorities: ca.pem\n%s",
                     geteuid() == 0 ? "run_as: {front: 64091, keeper: 64092, signer: 64093, "
                                      "courier: 64094, reader: 64095, engine: 64096}\n"
                                    : "");

    assert_true(n > 0 && n < (int)sizeof(text));
    assert_int_equal(io_replace_file(AT_FDCWD, path, text, (size_t)n, 0644), 0);
}

static int set_up(void **state)
{
    static char signer[96], authorities[96];
    struct err e = ERR_INIT;
    char path[96];

    (void)snprintf(dir, sizeof(dir), "/tmp/rights-XXXXXX");
    assert_non_null(mkdtemp(dir));
    assert_int_equal(chmod(dir, 0755), 0);
    (void)snprintf(path, sizeof(path), "%s/glarusd.yaml", dir);
    write_config(path);
    (void)snprintf(authorities, sizeof(authorities), "%s/ca.pem", dir);
    assert_int_equal(io_replace_file(AT_FDCWD, authorities, "none\n", 5, 0644), 0);
    if (config_load(&config, path, &e) != 0 || site_init(config, &e) != 0)
        fail_msg("%s", err_text(&e));
    (void)snprintf(signer, sizeof(signer), "%s/signer", config->data);
    return rights_open(state);
}

static int tear_down(void **state)
{
    char line[128];
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        (void)snprintf(line, sizeof(line), "%s", dir);
        (void)execlp("rm", "rm", "-rf", line, (char *)NULL);
        _exit(127);
    }
    (void)waitpid(pid, &status, 0);
    config_free(config);
    return rights_close(state);
}

/* --- entering as each --- */

static const enum config_process part[] = {CONFIG_FRONT, CONFIG_KEEPER, CONFIG_SIGNER,
                                           CONFIG_COURIER, CONFIG_READER};

/* As engines/common/main.c and child.c do; files: for an engine that needs some in a /tmp of its
 * own, whose children have a folder each. */
static int enter_engine(struct jail_door **door, bool files, struct err *e)
{
    const struct jail_spec child = {.profile = files ? JAIL_SCRATCH_CHILD : JAIL_ENGINE_CHILD};
    const struct jail_spec server = {.profile = files ? JAIL_SCRATCH_SERVER : JAIL_ENGINE_SERVER,
                                     .flags = JAIL_NET | JAIL_IPC | JAIL_PID | JAIL_EMPTY_ROOT,
                                     .uid = ENGINE_UID,
                                     .gid = ENGINE_UID,
                                     .tmp_bytes = files ? 1 << 20 : 0,
                                     .tmp_inodes = files ? 64 : 0,
                                     .tmp_parts = files ? 2 : 0};
    int rc = jail_door_new(door, &child, e);

    return rc != 0 ? rc : jail_enter(&server, e);
}

static int enter_scratch_child(const struct jail_door *door)
{
    int folder;

    if ((folder = open("/tmp/0", O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
        return -1;
    return jail_close_in_beneath(door, folder);
}

static int try_sibling(void)
{
    return mkdir("/tmp/1/x", 0700) == 0 || open("/tmp/1", O_RDONLY) >= 0 || chmod("/tmp/1", 0) == 0
               ? 0
               : EACCES;
}

static int enter(void *arg)
{
    enum who who = *(enum who *)arg;
    struct jail_door *door = NULL;
    struct err e = ERR_INIT;
    int rc, null = open("/dev/null", O_WRONLY);

    if (null < 0 || dup2(null, STDERR_FILENO) < 0) /* the line "jailed", each time */
        return 1;
    if (who == SUPERVISOR)
        return jail_guard(&e);
    if (who < ENGINE)
        return process_jail(config, part[who], &e);
    rc = enter_engine(&door, who == SCRATCH || who == SCRATCH_CHILD, &e);
    if (rc == 0 && who == CHILD)
        rc = jail_close_in(door);
    if (rc == 0 && who == SCRATCH_CHILD)
        rc = enter_scratch_child(door);
    jail_door_free(door);
    return rc;
}

static void set_own(enum who who)
{
    static char path[96];

    (void)snprintf(path, sizeof(path), "%s/signer", config->data);
    rights_own_write = who == KEEPER          ? config->data
                       : who == SIGNER        ? path
                       : who == SCRATCH       ? "/tmp/0"
                       : who == SCRATCH_CHILD ? "/tmp/0"
                                              : NULL;
    rights_own_read = who == COURIER  ? config->authorities
                      : who == KEEPER ? config->move_key
                                      : NULL;
    if (who == SIGNER) {
        static char file[128];

        (void)snprintf(file, sizeof(file), "%s/state", path);
        rights_own_read = file;
    }
    if (who == KEEPER) {
        static char file[128];

        (void)snprintf(file, sizeof(file), "%s/ledger.vkey", config->data);
        rights_own_read = file;
    }
}

/* --- the table --- */

/* "yes" if any right of the group is there, "no" if all are refused. */
static bool any_of(const char *group, enum who who)
{
    bool any = false;

    for (size_t i = 0; i < rights_count; i++) {
        enum right_outcome o;
        int status;

        if (strcmp(rights[i].group, group) != 0 || !rights_asked(&rights[i]))
            continue;
        /* the courier shares the host's net; what keeps it from there came with Landlock 6 */
        if (who == COURIER && jail_landlock_abi() < 6 &&
            strcmp(rights[i].name, "connect to an abstract socket") == 0)
            continue;
        o = rights_try(&rights[i], false, enter, &who, &status);
        if (who == SUPERVISOR && (o == RIGHT_REFUSED || o == RIGHT_REACHED))
            o = o == RIGHT_REACHED ? RIGHT_GRANTED : RIGHT_DIED;
        if (o != RIGHT_GRANTED && !rights_refused(&rights[i], o))
            fail_msg("%s: \"%s\" ends with status %x", who_name[who], rights[i].name, status);
        any |= o == RIGHT_GRANTED;
    }
    return any;
}

static void make_table(struct buf *b)
{
    assert_int_equal(buf_puts(b, "| right |"), 0);
    for (enum who who = 0; who < WHO; who++)
        assert_int_equal(buf_printf(b, " %s |", who_name[who]), 0);
    assert_int_equal(buf_puts(b, "\n|---|"), 0);
    for (enum who who = 0; who < WHO; who++)
        assert_int_equal(buf_puts(b, "---|"), 0);
    for (size_t i = 0; i < rights_count; i++) {
        if (i > 0 && strcmp(rights[i].group, rights[i - 1].group) == 0)
            continue;
        assert_int_equal(buf_printf(b, "\n| %s |", rights[i].group), 0);
        for (enum who who = 0; who < WHO; who++) {
            set_own(who);
            assert_int_equal(buf_printf(b, " %s |", any_of(rights[i].group, who) ? "**yes**" : "–"),
                             0);
        }
    }
    assert_int_equal(buf_puts(b, "\n"), 0);
}

static void each_process_has_the_rights_of_the_table_and_no_others(void **state)
{
    const char *why = geteuid() == 0 ? NULL : rights_no_user_namespaces();
    struct buf table, text;

    (void)state;
    if (why != NULL) {
        print_message("not tested: %s\n", why);
        skip();
    }
    buf_init(&table, 65536);
    buf_init(&text, 1 << 20);
    make_table(&table);
    if (print) {
        (void)fwrite(table.data, 1, table.len, stdout);
    } else if (!jail_is_sanitized()) { /* whose run-time has a wider filter */
        assert_int_equal(io_read_file(AT_FDCWD, document, &text), 0);
        if (memmem(text.data, text.len, table.data, table.len) == NULL)
            fail_msg("docs/architecture.md has another table; it should be:\n%s", buf_str(&table));
    }
    buf_free(&table);
    buf_free(&text);
}

/* --- what one cannot try: what is left behind when it ends badly, who it is --- */

static int leaves_nothing(void)
{
    struct rlimit core;

    if (getrlimit(RLIMIT_CORE, &core) != 0 || core.rlim_cur != 0 || core.rlim_max != 0)
        return 1;
    return 0;
}

static void no_process_leaves_a_core(void **state)
{
    const struct right r = {.name = "core limit", .run = leaves_nothing};

    (void)state;
    if (geteuid() != 0 && rights_no_user_namespaces() != NULL)
        skip();
    for (enum who who = 0; who < WHO; who++) {
        int status;

        if (who == CHILD || who == SCRATCH_CHILD) /* may not even ask */
            continue;

        if (rights_try(&r, false, enter, &who, &status) != RIGHT_GRANTED)
            fail_msg("%s: status %x", who_name[who], status);
    }
}

/* What a submitter's batch leaves in its folder, no other child can reach. */
static void a_child_with_a_folder_reaches_no_siblings(void **state)
{
    const struct right r = {.name = "the folder of a sibling", .run = try_sibling};
    enum who who = SCRATCH_CHILD;
    int status;

    (void)state;
    if (jail_landlock_abi() == 0 || (geteuid() != 0 && rights_no_user_namespaces() != NULL))
        skip();
    assert_int_equal(rights_try(&r, false, enter, &who, &status), RIGHT_REFUSED);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_process_has_the_rights_of_the_table_and_no_others),
        cmocka_unit_test(a_child_with_a_folder_reaches_no_siblings),
        cmocka_unit_test(no_process_leaves_a_core),
    };

    if (argc != 2) {
        (void)fprintf(stderr, "usage: %s docs/architecture.md|--print\n", argv[0]);
        return 2;
    }
    document = argv[1];
    print = strcmp(argv[1], "--print") == 0;
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

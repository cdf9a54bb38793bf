/* Backups: an erased file stays erased whatever is restored, a copy that is older than what was
 * signed signs nothing, whoever finds out first, and a whole one carries on. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "crypto/secret.h"
#include "rig_client.h"
#include "rig_priv.h"

#define FILE_BYTES 30000

static struct rig *r;
static const char *glarus;
static struct rig_sub erased, stays, late;
static struct rig_needle needle[2]; /* of the erased file: its beginning and its end */

static int set_up(void **state)
{
    const struct rig_plan plan = {.sites = 1, .segment = 1 << 20};

    r = rig_open(&plan);
    return 0;
}

static int tear_down(void **state)
{
    rig_sub_free(&erased);
    rig_sub_free(&stays);
    rig_sub_free(&late);
    rig_close(r);
    return 0;
}

/* Runs a program; its exit status, what it says in r->dir/out. */
static int run(const char *const *argv)
{
    char out[96];
    int status = 0, fd;
    pid_t pid = fork();

    (void)snprintf(out, sizeof(out), "%s/out", r->dir);
    assert_true(pid >= 0);
    if (pid == 0) {
        fd = open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
            _exit(127);
        (void)execvp(argv[0], (char *const *)argv);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000;
}

static void said(const char *what)
{
    char out[96];
    struct buf b;

    (void)snprintf(out, sizeof(out), "%s/out", r->dir);
    buf_init(&b, 1 << 20);
    rig_ok(io_read_file(AT_FDCWD, out, &b), NULL);
    if (strstr(buf_str(&b), what) == NULL)
        fail_msg("\"%s\" is not said: %s", what, buf_str(&b));
    buf_free(&b);
}

/* glarus site WORD [DIR] */
static int site(const char *word, const char *name)
{
    char dir[96];
    const char *argv[] = {glarus, "site", word, "--config", r->site[0].file, name ? dir : NULL,
                          NULL};

    (void)snprintf(dir, sizeof(dir), "%s/%s", r->dir, name ? name : "");
    return run(argv);
}

static void must(const char *word, const char *name)
{
    if (site(word, name) != 0)
        said("!"); /* fails, and tells what was said */
}

/* A script of sh with $1 and $2. */
static void shell(const char *script, const char *a, const char *b)
{
    const char *argv[] = {"sh", "-ec", script, "sh", a, b, NULL};

    if (run(argv) != 0)
        said("!");
}

static void submit(struct rig_sub *s)
{
    static uint8_t bytes[FILE_BYTES];

    random_bytes(bytes, sizeof(bytes));
    rig_sub_new(r, s, "CH");
    rig_submit(r, 0, s, span_of(bytes, sizeof(bytes)), NULL, NULL);
    if (s != &erased)
        return;
    for (size_t i = 0; i < 2; i++) {
        needle[i].n = 64;
        memcpy(needle[i].b, bytes + (i == 0 ? 0 : FILE_BYTES - 64), 64);
        (void)snprintf(needle[i].what, sizeof(needle[i].what), "a part of the erased file");
    }
}

/* The data folder as an empty machine has it; the keys and the signer's state are kept elsewhere
 * and brought back by hand: those of now. */
static void empty_machine(const char *backup)
{
    const struct rig_site *s = &r->site[0];

    shell("rm -rf \"$1\" && mkdir -p \"$1\"", s->data, NULL);
    must("restore", backup);
}

static void bring_signer_state(const char *name)
{
    char from[96];

    (void)snprintf(from, sizeof(from), "%s/%s", r->dir, name);
    shell("cp -p \"$1\" \"$2/signer/state\"", from, r->site[0].data);
}

/* It starts, and says why it takes nothing; nothing is signed or written meanwhile. */
static void refuses_to_go_on(const char *why)
{
    mono_ms until = clock_mono() + RIG_SOON;
    struct http_call call = {.method = HTTP_GET, .total_ms = 5000};
    struct err e = ERR_INIT;
    char url[80], text[2048] = "";
    struct rig_sub s;
    struct rig_word w;

    (void)snprintf(url, sizeof(url), "%s/healthz", r->site[0].url);
    call.url = url;
    rig_spawn(r, 0);
    while (strstr(text, why) == NULL) {
        struct http_result a;

        if (clock_mono() > until)
            fail_msg("it never says \"%s\": %s", why, text);
        if (http_client_do(r->http, &call, &a, &e) == 0 && a.status == 503)
            (void)snprintf(text, sizeof(text), "%s", buf_str(&a.body));
        http_result_free(&a);
        rig_nap(50);
    }
    for (int i = 0; i < 20; i++) { /* nor later */
        rig_sub_new(r, &s, "CH");
        assert_int_equal(rig_announce(r, 0, &s, &w), 503);
        rig_sub_free(&s);
        rig_nap(50);
    }
    assert_int_equal(rig_metric(r, 0, "site_writer_stopped"), 1);
    assert_int_equal(rig_in_files(r->site[0].data, needle, 2, true), 0);
}

/* Ends it however it stands. */
static void end_it(void)
{
    rig_kill_all(r, 0);
}

static void backups_are_taken_while_it_runs(void **state)
{
    char found[96];

    submit(&erased);
    submit(&stays);
    rig_settle(r, 0);
    must("backup", "first");
    said("key of epoch 1");
    assert_int_equal(site("backup", "first"), 3); /* never over another */
    assert_int_equal(rig_order(r, 0, &erased, "erase", NULL, NULL, NULL), 202);
    rig_turn_epoch(r, 0);
    rig_settle(r, 0);
    must("backup", "second");
    said("key of epoch 2");
    /* what a snapshot of the machine would have taken along */
    shell("cp -p \"$1/signer/state\" \"$2/signer.old\"", r->site[0].data, r->dir);
    submit(&late);
    rig_settle(r, 0);
    must("backup", "third");
    /* no key, no state, nothing derived */
    shell(
        "cd \"$1\" && ! find first second third -name '*.key' -o -name '*.pem' -o -name '*state*' "
        "-o -name 'catalog*' -o -name tile | grep .",
        r->dir, NULL);
    (void)snprintf(found, sizeof(found), "%s/first", r->dir);
    assert_int_equal(rig_in_files(found, needle, 2, true), 0);
    rig_stop(r, 0);
    shell("cp -p \"$1/signer/state\" \"$2/signer.new\"", r->site[0].data, r->dir);
}

static void the_first_backup_is_unreadable_for_ever(void **state)
{
    empty_machine("first");
    said("the key of epoch 1");
    bring_signer_state("signer.new");
    assert_int_not_equal(site("rebuild", NULL), 0);
    said("epoch 1"); /* its key is destroyed */
    rig_spawn(r, 0);
    for (int i = 0; i < 60 && waitpid(r->site[0].pid, NULL, WNOHANG) == 0; i++) {
        assert_int_not_equal(rig_answers(r, 0), 200);
        rig_nap(50);
    }
    end_it();
    assert_int_equal(rig_in_files(r->site[0].data, needle, 2, true), 0);
}

static void an_older_backup_is_not_signed_with_the_newest_state(void **state)
{
    empty_machine("second");
    bring_signer_state("signer.new");
    must("rebuild", NULL);
    refuses_to_go_on("nothing is signed");
    end_it();
}

static void an_older_copy_of_the_whole_machine_is_stopped_by_its_witness(void **state)
{
    empty_machine("second");
    bring_signer_state("signer.old");
    must("rebuild", NULL);
    refuses_to_go_on("a witness has cosigned");
    end_it();
}

static void without_the_signers_state_nothing_is_signed(void **state)
{
    int status = 0;

    empty_machine("third");
    must("rebuild", NULL);
    rig_spawn(r, 0);
    assert_int_equal(waitpid(r->site[0].pid, &status, 0), r->site[0].pid);
    r->site[0].pid = 0;
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 3);
}

static void a_whole_backup_carries_on(void **state)
{
    struct rig_state now;
    struct rig_sub s;
    struct audit *a;

    empty_machine("third");
    bring_signer_state("signer.new");
    must("rebuild", NULL);
    rig_start(r, 0);
    assert_int_equal(rig_slots(r, 0), 2);
    assert_int_equal(rig_trace(r, 0, &late, &now), 200);
    assert_true(now.accepted && !now.erased);
    assert_int_equal(rig_trace(r, 0, &stays, &now), 200);
    assert_true(now.accepted && !now.erased);
    assert_int_equal(rig_trace(r, 0, &erased, &now), 200); /* by its leaves */
    assert_true(now.erased && now.size == 0);
    submit(&s);
    rig_sub_free(&s);
    rig_settle(r, 0);
    assert_int_equal(rig_slots(r, 0), 3);
    a = rig_audit(r);
    for (size_t i = 0; i < audit_results(a); i++)
        if (audit_result(a, i)->verdict == AUDIT_BROKEN)
            fail_msg("%s is BROKEN: %s", audit_result(a, i)->claim, audit_result(a, i)->sentence);
    rig_proved(a, "intake.consent", 4, 0);
    audit_free(a);
    assert_int_equal(rig_in_files(r->site[0].data, needle, 2, true), 0);
    rig_stop(r, 0);
}

static void a_damaged_backup_is_refused(void **state)
{
    shell("printf x | dd of=\"$1/third/files/vault/seg-00000001\" bs=1 seek=5000 conv=notrunc",
          r->dir, NULL);
    shell("rm -rf \"$1\"", r->site[0].data, NULL);
    assert_int_equal(site("restore", "third"), 1);
    said("is not what was copied");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backups_are_taken_while_it_runs),
        cmocka_unit_test(the_first_backup_is_unreadable_for_ever),
        cmocka_unit_test(an_older_backup_is_not_signed_with_the_newest_state),
        cmocka_unit_test(an_older_copy_of_the_whole_machine_is_stopped_by_its_witness),
        cmocka_unit_test(without_the_signers_state_nothing_is_signed),
        cmocka_unit_test(a_whole_backup_carries_on),
        cmocka_unit_test(a_damaged_backup_is_refused),
    };

    if (argc != 5) {
        (void)fprintf(stderr, "usage: %s GLARUSD ENGINE RULES GLARUS\n", argv[0]);
        return 2;
    }
    glarus = realpath(argv[4], NULL);
    rig_args(argc - 1, argv);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

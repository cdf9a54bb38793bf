/* The watch over the engines (watch.h): it sees nothing where jails hold, and sees each thing that
 * a child does where they do not.  Arguments: the hooked yara, the same without its jails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "jail/jail.h"
#include "line_rig.h"
#include "watch.h"

static const char *jailed, *unjailed;

/* What became of these files, all in one engine, and what was seen meanwhile. */
static struct watch_counts watched(const char *engine, const char *const *files, size_t n)
{
    struct line_rig h = {.names = {"yara"}, .paths = {engine}, .n = 1};
    struct detect_limits limits = {.file_ms = 10000};
    struct detect_line_result r;
    struct watch_counts counts;
    struct watch *w = NULL;
    struct err e = ERR_INIT;

    if (watch_open(&w, &e) != 0) {
        print_message("not watched: %s\n", err_text(&e));
        skip();
    }
    line_rig_marker(&h);
    line_rig_start(&h, &limits);
    watch_engine(w, h.proc[0].pid, false);
    detect_line_result_init(&r);
    for (size_t i = 0; i < n; i++) {
        line_rig_scan(&h, span_str(files[i]), &r);
        watch_turn(w);
    }
    counts = watch_end(w);
    detect_line_result_done(&r);
    watch_close(w);
    line_rig_stop(&h);
    rig_remove(h.folder);
    return counts;
}

static void a_child_that_stays_inside_is_no_escape(void **state)
{
    static const char *const files[] = {"a file",    "HOOK:crash",  "another",
                                        "HOOK:open", "HOOK:socket", "the last"};
    struct watch_counts n;

    (void)state;
    if (jail_is_sanitized())
        skip(); /* whose run-time does all kinds of things */
    n = watched(jailed, files, ARRAY_LEN(files));
    if (n.escapes != 0)
        fail_msg("%u escapes: %s", n.escapes, n.first);
    assert_int_equal(n.lost, 0);
    assert_int_equal(n.children, ARRAY_LEN(files));
    assert_int_equal(n.refused, 2); /* open, socket */
    assert_true(n.calls > 10 * ARRAY_LEN(files));
}

static void each_thing_done_outside_is_seen(void **state)
{
    static const struct {
        const char *deed, *seen;
    } rows[] = {
        {"HOOK:open", ""},
        {"HOOK:socket", "system call 41,"},
        {"HOOK:fork", "started another"},
        {"HOOK:exec", "a program was started"},
        {"HOOK:memfd", "system call 319,"},

    };

    (void)state;
    if (jail_is_sanitized())
        skip();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct watch_counts n = watched(unjailed, &rows[i].deed, 1);

        if (n.escapes == 0 || strstr(n.first, rows[i].seen) == NULL)
            fail_msg("%s was seen as \"%s\"", rows[i].deed, n.first);
        assert_true(n.escapes > n.files); /* the calls themselves, too */
        assert_int_equal(n.files > 0, i == 0 || strcmp(rows[i].deed, "HOOK:exec") == 0);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_that_stays_inside_is_no_escape),
        cmocka_unit_test(each_thing_done_outside_is_seen),
    };

    if (argc != 3)
        return 2;
    jailed = argv[1];
    unjailed = argv[2];
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A file's whole life through include/glarus.h, again and again, while each allocation and each
 * call about the client's files fails once: a failure has its code and a sentence and gives
 * nothing, what works is true, and the same client, or the next one, does it all afterwards. */
#include "scene.h"

#include <curl/curl.h>
#include <glarus.h>
#include <jansson.h>

#include "faultfs/calls.h"

static struct scene *s;
static unsigned long at; /* what fails, for the message */

struct life { /* how far it came */
    const char *what;
    int rc;
    glarus_error e;
    glarus_client *client;
    char sub[33];
};

/* Is it a failure as promised?  out: the place of what it would have given; NULL: it gives none. */
static bool went(struct life *l, const char *what, int rc, const void *out)
{
    const void *given = NULL;

    l->what = what;
    l->rc = rc;
    if (rc == GLARUS_OK)
        return true;
    calls_aside(true);
    if (l->e.code != rc || l->e.text[0] == '\0')
        fail_msg("%s fails with %s, its error says %s: \"%s\"", what, glarus_code_word(rc),
                 glarus_code_word(l->e.code), l->e.text);
    if (out != NULL)
        memcpy(&given, out, sizeof(given));
    if (given != NULL)
        fail_msg("%s fails and gives something", what);
    calls_aside(false);
    return false;
}

static bool agree(struct life *l)
{
    glarus_statement *st = NULL;
    bool ok;

    if (glarus_client_agreed(l->client) != NULL)
        return true;
    ok = went(l, "statement_newest", glarus_statement_newest(l->client, &st, &l->e), &st) &&
         went(l, "agree", glarus_client_agree(l->client, st, &l->e), NULL);
    glarus_statement_free(st);
    return ok;
}

static bool submit(struct life *l)
{
    glarus_submit_options o = GLARUS_SUBMIT_OPTIONS_INIT;
    glarus_submission *sub = NULL;
    char path[256];
    bool ok;

    (void)snprintf(path, sizeof(path), "%s/files/odd", s->dir);
    o.tries = 8;
    o.wait = 5;
    ok = went(l, "submit_path", glarus_submit_path(l->client, path, &o, &sub, &l->e), &sub);
    if (ok)
        (void)snprintf(l->sub, sizeof(l->sub), "%s", glarus_submission_sub(sub));
    glarus_submission_free(sub);
    if (!ok)
        return false;
    ok = went(l, "submit_memory",
              glarus_submit_memory(l->client, "four", 4, "name", &o, &sub, &l->e), &sub);
    glarus_submission_free(sub);
    return ok;
}

static bool read_receipt(struct life *l)
{
    glarus_receipt *r = NULL, *shorter = NULL;
    glarus_trust *t = NULL;
    char path[256];
    bool ok;

    (void)snprintf(path, sizeof(path), "%s/trust.yaml", s->dir);
    ok = went(l, "receipt_wait", glarus_receipt_wait(l->client, l->sub, "accepted", 20, &r, &l->e),
              r) &&
         went(l, "covers", glarus_receipt_covers_memory(r, "odd", 3, &l->e), NULL) &&
         went(l, "trust_load", glarus_trust_load(&t, path, &l->e), &t) &&
         went(l, "redact", glarus_receipt_redact(r, "name", t, &shorter, &l->e), &shorter);
    if (ok) {
        calls_aside(true);
        assert_int_equal(glarus_receipt_final(r), 1);
        assert_non_null(glarus_receipt_opening(r, "name"));
        assert_null(glarus_receipt_opening(shorter, "name"));
        assert_string_equal(glarus_receipt_opening(shorter, "size"), "3");
        calls_aside(false);
    }
    glarus_trust_free(t);
    glarus_receipt_free(r);
    glarus_receipt_free(shorter);
    return ok;
}

static bool look_and_leave(struct life *l)
{
    glarus_history *h = NULL;
    glarus_receipt *r = NULL;
    bool ok = went(l, "trace", glarus_trace(l->client, l->sub, &h, &l->e), &h);

    if (ok)
        assert_string_equal(glarus_history_verdict(h, 0)->verdict, "malicious");
    glarus_history_free(h);
    ok = ok && went(l, "withdraw", glarus_withdraw(l->client, l->sub, NULL, &r, &l->e), &r);
    glarus_receipt_free(r);
    return ok;
}

/* What is left of a life after a failure; true: all of it. */
static bool live(struct life *l)
{
    bool ok;

    calls_aside(false);
    ok = l->client != NULL ||
         went(l, "client_open", glarus_client_open(&l->client, s->config, &l->e), &l->client);
    ok = ok && agree(l) && submit(l) && read_receipt(l) && look_and_leave(l);
    calls_aside(true);
    return ok;
}

static void fresh(void **state)
{
    if (s != NULL)
        (void)close_scene(state);
    (void)open_scene(state);
    s = *state;
    put_config_unagreed(s);
}

/* again: with the client that saw the failure, if there is one; else with the next. */
static bool once(void **state, unsigned mask, int err, bool again)
{
    struct life l = {.client = NULL};
    bool failed;

    fresh(state);
    calls_watch(s->dir);
    calls_fail(at, mask, err, 1);
    (void)live(&l);
    failed = calls_failed();
    calls_fail(0, 0, 0, 0);
    calls_watch(NULL);
    if (!again) {
        glarus_client_free(l.client);
        l.client = NULL;
    }
    if (!live(&l))
        fail_msg("after a failure: %s: %s", l.what, l.e.text);
    glarus_client_free(l.client);
    return failed;
}

static void torment(void **state, const char *name, unsigned mask, int err, unsigned step)
{
    unsigned long runs = 0;

    if (getenv("SOAK_ROUNDS") != NULL)
        step = step / 30 + 1;
    for (at = 1 + step / 3; once(state, mask, err, runs % 2 == 0); at += step)
        runs++;
    print_message("%s: %lu of about %lu calls failed in turn\n", name, runs, at);
    assert_true(runs > 5);
    at = 0;
}

static void no_memory_once(void **state)
{
    torment(state, "memory", 1U << CALL_MEMORY, ENOMEM, 199);
}

static void an_input_output_error_once(void **state)
{
    torment(state, "EIO", CALLS_DISK, EIO, 3);
}

static void aside(void)
{
    calls_aside(true);
}

static int tear_down(void **state)
{
    if (at != 0)
        print_error("at %lu\n", at);
    at = 0;
    calls_fail(0, 0, 0, 0);
    calls_watch(NULL);
    if (s != NULL)
        (void)close_scene(state);
    s = NULL;
    return 0;
}

int main(int argc, char **argv)
{
#define T(name) cmocka_unit_test_teardown(name, tear_down)
    const struct CMUnitTest tests[] = {T(an_input_output_error_once), T(no_memory_once)};

    calls_aside(true);
    if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, free, realloc, strdup, calloc) !=
        CURLE_OK)
        return 1;
    json_set_alloc_funcs(malloc, free);
    fake_in_thread = aside;
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

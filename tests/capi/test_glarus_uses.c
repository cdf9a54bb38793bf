/* include/glarus.h used wrongly, against sites that do not do what they should, from several
 * threads, and cancelled: every failure has a code and a sentence. */
#include "glarus_scene.h"

/* ---- wrong uses, bad sites ------------------------------------------------------------------- */

static void every_wrong_use_has_a_code_and_a_sentence(void **state)
{
    struct scene *s = *state;
    glarus_submit_options o = GLARUS_SUBMIT_OPTIONS_INIT;
    struct {
        glarus_submit_options known;
        uint64_t more;
    } later = {GLARUS_SUBMIT_OPTIONS_INIT, 0};
    glarus_client *c = open_client(s), *second = NULL;
    glarus_submission *sub = (void *)&o;
    glarus_receipt *r = (void *)&o;
    glarus_trust *t = (void *)&o;
    glarus_history *h = (void *)&o;
    glarus_statement *st = (void *)&o;
    char path[256];
    const char *null[] = {NULL};

    in(s, "files/odd", path);
    fails(glarus_client_open(NULL, path, &last), GLARUS_E_INVALID);
    fails(glarus_client_open(&second, NULL, &last), GLARUS_E_INVALID);
    fails(glarus_client_open(&second, "/not/there.yaml", &last), GLARUS_E_NOT_FOUND);
    says(glarus_client_open(&second, s->config, &last), GLARUS_E_BUSY, "state");
    says(glarus_client_parse(&second, s->dir, "format: client/v2\n", 18, &last), GLARUS_E_INVALID,
         "client.yaml:1");
    assert_null(second);
    fails(glarus_client_parse(&second, s->dir, NULL, 0, &last), GLARUS_E_INVALID);
    fails(glarus_client_agree(c, NULL, &last), GLARUS_E_INVALID);
    fails(glarus_client_agree(NULL, NULL, &last), GLARUS_E_INVALID);
    fails(glarus_statement_newest(NULL, &st, &last), GLARUS_E_INVALID);
    assert_null(st);
    fails(glarus_statement_newest(c, NULL, &last), GLARUS_E_INVALID);
    fails(glarus_statement_get(NULL, NULL, &st, &last), GLARUS_E_INVALID);
    fails(glarus_submit_path(NULL, path, NULL, &sub, &last), GLARUS_E_INVALID);
    assert_null(sub);
    fails(glarus_submit_path(c, NULL, NULL, &sub, &last), GLARUS_E_INVALID);
    fails(glarus_submit_path(c, path, NULL, NULL, &last), GLARUS_E_INVALID);
    says(glarus_submit_path(c, s->files, NULL, &sub, &last), GLARUS_E_INVALID, "folders");
    fails(glarus_submit_path(c, "/not/there", NULL, &sub, &last), GLARUS_E_NOT_FOUND);
    fails(glarus_submit_paths(c, NULL, 1, NULL, &last), GLARUS_E_INVALID);
    fails(glarus_submit_paths(c, null, 1, NULL, &last), GLARUS_E_INVALID);
    fails(glarus_submit_memory(NULL, "x", 1, NULL, NULL, &sub, &last), GLARUS_E_INVALID);
    o.country = "Switzerland";
    says(glarus_submit_path(c, path, &o, &sub, &last), GLARUS_E_INVALID, "country");
    o.country = NULL;
    o.scope = "everything";
    fails(glarus_submit_path(c, path, &o, &sub, &last), GLARUS_E_INVALID);
    o.scope = "statistic";
    fails(glarus_submit_path(c, path, &o, &sub, &last), GLARUS_E_UNSUPPORTED);
    o.scope = "file";
    o.size = 8;
    says(glarus_submit_path(c, path, &o, &sub, &last), GLARUS_E_INVALID, "INIT");
    later.known.size = sizeof(later);
    works(glarus_submit_path(c, path, &later.known, &sub, &last)); /* a newer caller */
    glarus_submission_free(sub);
    later.more = 1;
    fails(glarus_submit_path(c, path, &later.known, &sub, &last), GLARUS_E_UNSUPPORTED);
    fails(glarus_trust_load(&t, "/not/there", &last), GLARUS_E_NOT_FOUND);
    assert_null(t);
    fails(glarus_trust_load(NULL, path, &last), GLARUS_E_INVALID);
    fails(glarus_trust_load(&t, NULL, &last), GLARUS_E_INVALID);
    fails(glarus_trust_parse(&t, "x", 1, &last), GLARUS_E_INVALID);
    t = open_trust(s);
    assert_int_equal(glarus_trust_expired(t), 0);
    fails(glarus_receipt_load(&r, path, NULL, &last), GLARUS_E_INVALID);
    assert_null(r);
    fails(glarus_receipt_load(&r, path, t, &last), GLARUS_E_VERIFY);
    fails(glarus_receipt_load(NULL, path, t, &last), GLARUS_E_INVALID);
    fails(glarus_receipt_parse(&r, "", 0, t, &last), GLARUS_E_VERIFY);
    fails(glarus_receipt_get(c, NULL, "accepted", &r, &last), GLARUS_E_INVALID);
    says(glarus_receipt_get(c, path, "rejected", &r, &last), GLARUS_E_INVALID, "rejected");
    says(glarus_receipt_wait(c, path, "rejected", 1, &r, &last), GLARUS_E_INVALID, "rejected");
    says(glarus_receipt_kept(c, path, "rejected", &r, &last), GLARUS_E_INVALID, "rejected");
    fails(glarus_receipt_kept(c, path, "erased", &r, &last), GLARUS_E_NOT_FOUND);
    fails(glarus_receipt_kept(c, "00112233445566778899aabbccddeeff", "accepted", &r, &last),
          GLARUS_E_NOT_FOUND);
    fails(glarus_receipt_covers_path(NULL, path, &last), GLARUS_E_INVALID);
    fails(glarus_receipt_covers_memory(NULL, NULL, 0, &last), GLARUS_E_INVALID);
    fails(glarus_receipt_redact(NULL, "name", t, &r, &last), GLARUS_E_INVALID);
    fails(glarus_trace(c, NULL, &h, &last), GLARUS_E_INVALID);
    assert_null(h);
    fails(glarus_trace(c, path, NULL, &last), GLARUS_E_INVALID);
    fails(glarus_withdraw(c, NULL, NULL, &r, &last), GLARUS_E_INVALID);
    fails(glarus_erase(NULL, path, NULL, &r, &last), GLARUS_E_INVALID);
    assert_int_equal(glarus_trace(NULL, path, &h, NULL), GLARUS_E_INVALID); /* no error wanted */
    glarus_trust_free(t);
    glarus_client_free(c);
}

/* Nothing given, nothing read, nothing freed. */
static void nothing_is_read_of_nothing(void **state)
{
    size_t n = 1;

    (void)state;
    glarus_client_free(NULL);
    glarus_client_cancel(NULL);
    glarus_client_uncancel(NULL);
    glarus_trust_free(NULL);
    glarus_statement_free(NULL);
    glarus_submission_free(NULL);
    glarus_receipt_free(NULL);
    glarus_history_free(NULL);
    assert_null(glarus_client_agreed(NULL));
    assert_int_equal(glarus_trust_expired(NULL), 1);
    assert_string_equal(glarus_statement_text(NULL), "");
    assert_string_equal(glarus_statement_digest(NULL), "");
    assert_int_equal(glarus_submission_fate(NULL), GLARUS_SKIPPED);
    assert_int_equal(glarus_submission_code(NULL), GLARUS_E_INVALID);
    assert_string_equal(glarus_submission_path(NULL), "");
    assert_int_equal(glarus_receipt_final(NULL), 0);
    assert_null(glarus_receipt_field(NULL, "sub"));
    assert_null(glarus_receipt_bytes(NULL, &n));
    assert_int_equal(n, 0);
    assert_int_equal(glarus_history_states(NULL), 0);
    assert_null(glarus_history_verdict(NULL, 0));
    assert_string_equal(glarus_code_word(GLARUS_E_NOT_FOUND), "not_found");
    assert_string_equal(glarus_code_word(GLARUS_E_SYSTEM), "system");
    assert_string_equal(glarus_code_word(14), "unknown");
    assert_string_equal(glarus_code_word(-1), "unknown");
    assert_string_equal(glarus_version(), "0.1.0");
}

static void what_a_site_does_wrong_has_its_own_code(void **state)
{
    struct scene *s = *state;
    glarus_submit_options o = GLARUS_SUBMIT_OPTIONS_INIT;
    glarus_client *c = open_client(s);
    glarus_submission *sub = NULL;
    char path[256];

    o.tries = 1;
    in(s, "files/odd", path);
    s->site.refuse = 1;
    says(glarus_submit_path(c, path, &o, &sub, &last), GLARUS_E_REFUSED, "country_not_granted");
    assert_null(sub);
    s->site.refuse = 0;
    s->site.lie = LIE_HASH;
    says(glarus_submit_path(c, path, &o, &sub, &last), GLARUS_E_VERIFY, "another file");
    s->site.lie = LIE_LOG;
    fails(glarus_submit_path(c, path, &o, &sub, &last), GLARUS_E_VERIFY);
    s->site.lie = LIE_NONE;
    s->site.busy = 100;
    says(glarus_submit_path(c, path, &o, &sub, &last), GLARUS_E_BUSY, "queues");
    s->site.busy = 0;
    (void)snprintf(s->site.wrong_site, sizeof(s->site.wrong_site), "mow1");
    says(glarus_submit_path(c, path, &o, &sub, &last), GLARUS_E_REFUSED, "mow1");
    s->site.wrong_site[0] = '\0';
    o.country = "CA"; /* the policy sends it where the configuration has no address */
    says(glarus_submit_path(c, path, &o, &sub, &last), GLARUS_E_INVALID, "CA");
    o.country = NULL;
    sub = submit(c, s, "files/odd");
    glarus_submission_free(sub);
    glarus_client_free(c);
}

static void a_site_that_is_not_there_is_the_network(void **state)
{
    struct scene *s = *state;
    glarus_submit_options o = GLARUS_SUBMIT_OPTIONS_INIT;
    glarus_client *c;
    glarus_submission *sub = NULL;
    glarus_statement *st = NULL;
    glarus_history *h = NULL;
    char path[256], address[64];
    int fd;
    struct err e = ERR_INIT;

    /* a port that nobody listens on, because it is listened on and closed */
    assert_int_equal(http_listen(&fd, "127.0.0.1:0", &e), 0);
    assert_int_equal(http_listen_name(fd, address, sizeof(address)), 0);
    (void)close(fd);
    memcpy(path, s->site.rig.address, sizeof(address));
    memcpy(s->site.rig.address, address, sizeof(address));
    put_config(s, "CH");
    memcpy(s->site.rig.address, path, sizeof(address));
    c = open_client(s);
    o.tries = 1;
    fails(glarus_submit_path(c, in(s, "files/odd", path), &o, &sub, &last), GLARUS_E_NETWORK);
    fails(glarus_statement_newest(c, &st, &last), GLARUS_E_NETWORK);
    fails(glarus_trace(c, "00112233445566778899aabbccddeeff", &h, &last), GLARUS_E_NETWORK);
    glarus_client_free(c);
}

/* ---- waiting, cancelling --------------------------------------------------------------------- */

struct canceller {
    glarus_client *c;
    struct fake *site;
};

/* As soon as the site is asked again how far it is. */
static void *cancel_soon(void *arg)
{
    const struct canceller *x = arg;
    int asked = x->site->gets;

    for (unsigned i = 0; x->site->gets < asked + 1 && i < 6000; i++)
        (void)poll(NULL, 0, 10);
    glarus_client_cancel(x->c);
    return NULL;
}

static int leave(void *arg, const glarus_progress *p)
{
    (void)arg;
    return p->bytes > 0;
}

static void a_call_that_waits_is_ended_from_another_thread(void **state)
{
    struct scene *s = *state;
    glarus_client *c = open_client(s);
    struct canceller x = {c, &s->site};
    glarus_submission *sub = NULL;
    glarus_receipt *r = NULL;
    mono_ms begun = clock_mono();
    pthread_t thread;
    char path[256];

    s->site.mute = 1;
    s->site.lie = LIE_UNCOSIGNED;
    in(s, "files/odd", path);
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &x), 0);
    works(glarus_submit_path(c, path, NULL, &sub, &last)); /* it was accepted before */
    assert_int_equal(glarus_submission_fate(sub), GLARUS_PENDING);
    assert_int_equal(pthread_join(thread, NULL), 0);
    glarus_submission_free(sub);
    fails(glarus_submit_path(c, in(s, "files/even", path), NULL, &sub, &last), GLARUS_E_CANCELLED);
    assert_null(sub);
    assert_int_equal(s->site.files, 1); /* nothing was announced */
    in(s, "files/odd", path);
    fails(glarus_receipt_get(c, path, "accepted", &r, &last), GLARUS_E_CANCELLED);
    glarus_client_uncancel(c);
    works(glarus_receipt_get(c, path, "accepted", &r, &last)); /* a pending one */
    assert_int_equal(glarus_receipt_final(r), 0);
    glarus_receipt_free(r);
    fails(glarus_receipt_wait(c, path, "accepted", 1, &r, &last), GLARUS_E_PENDING);
    assert_null(r);
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &x), 0);
    fails(glarus_receipt_wait(c, path, "accepted", 600, &r, &last), GLARUS_E_CANCELLED);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(clock_mono() - begun < 60000);
    glarus_client_free(c);
}

static void a_progress_function_ends_one_call(void **state)
{
    struct scene *s = *state;
    glarus_submit_options o = GLARUS_SUBMIT_OPTIONS_INIT;
    glarus_client *c = open_client(s);
    glarus_submission *sub = NULL;
    char path[256];
    int rc;

    s->site.mute = 1;
    o.progress = leave;
    in(s, "files/odd", path);
    rc = glarus_submit_path(c, path, &o, &sub, &last);
    assert_true(rc == GLARUS_E_CANCELLED || rc == GLARUS_OK); /* it may have been accepted */
    glarus_submission_free(sub);
    s->site.mute = 0;
    sub = submit(c, s, "files/odd"); /* the next call is not ended */
    assert_int_equal(glarus_submission_fate(sub), GLARUS_DONE);
    assert_int_equal(s->site.files, 1);
    glarus_submission_free(sub);
    glarus_client_free(c);
}

static void *intrude(void *arg)
{
    glarus_history *h = NULL;
    int rc = GLARUS_OK;

    for (unsigned i = 0; i < 200 && rc != GLARUS_E_BUSY; i++) {
        (void)poll(NULL, 0, 10);
        rc = glarus_trace(arg, "00112233445566778899aabbccddeeff", &h, NULL);
    }
    glarus_client_cancel(arg);
    return (void *)(intptr_t)rc;
}

static void a_second_thread_in_one_client_is_told_so(void **state)
{
    struct scene *s = *state;
    glarus_client *c = open_client(s);
    glarus_submission *sub = NULL;
    pthread_t thread;
    char path[256];
    void *rc;

    s->site.mute = 1;
    assert_int_equal(pthread_create(&thread, NULL, intrude, c), 0);
    /* the intruder may have been first */
    while (glarus_submit_path(c, in(s, "files/odd", path), NULL, &sub, &last) == GLARUS_E_BUSY)
        (void)poll(NULL, 0, 1);
    assert_int_equal(pthread_join(thread, &rc), 0);
    assert_int_equal((intptr_t)rc, GLARUS_E_BUSY);
    glarus_submission_free(sub);
    glarus_client_free(c);
}

struct worker {
    struct scene *s;
    int rc;
    unsigned done;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    glarus_client *c = NULL;
    glarus_submission *sub = NULL;
    glarus_receipt *r = NULL;
    glarus_error e;
    char path[256], name[32];

    if ((w->rc = glarus_client_open(&c, w->s->config, &e)) != GLARUS_OK)
        return NULL;
    for (unsigned i = 0; i < 5 && w->rc == GLARUS_OK; i++) {
        (void)snprintf(name, sizeof(name), "files/%u", i);
        put(w->s, name, name);
        if ((w->rc = glarus_submit_path(c, in(w->s, name, path), NULL, &sub, &e)) != GLARUS_OK)
            break;
        w->rc = glarus_receipt_kept(c, path, "accepted", &r, &e);
        w->done += w->rc == GLARUS_OK && glarus_receipt_final(r);
        glarus_receipt_free(r);
        glarus_submission_free(sub);
    }
    glarus_client_free(c);
    return NULL;
}

static void two_clients_in_two_threads_have_nothing_to_do_with_each_other(void **state)
{
    struct scene *s = *state;
    void *other = NULL;
    struct worker w[2] = {{.s = s}};
    pthread_t thread[2];

    (void)open_scene(&other);
    w[1].s = other;
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, work, &w[i]), 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
        assert_int_equal(w[i].rc, GLARUS_OK);
        assert_int_equal(w[i].done, 5);
        assert_int_equal(w[i].s->site.files, 5);
    }
    (void)close_scene(&other);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, open_scene, close_scene)
    const struct CMUnitTest tests[] = {
        T(every_wrong_use_has_a_code_and_a_sentence),
        cmocka_unit_test(nothing_is_read_of_nothing),
        T(what_a_site_does_wrong_has_its_own_code),
        T(a_site_that_is_not_there_is_the_network),
        T(a_call_that_waits_is_ended_from_another_thread),
        T(a_progress_function_ends_one_call),
        T(a_second_thread_in_one_client_is_told_so),
        T(two_clients_in_two_threads_have_nothing_to_do_with_each_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

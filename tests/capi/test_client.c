/* The client against a site that does what it should, and against sites that do not. */
#include "scene.h"

#include "capi/client_receipt.h"

static void on_report(void *arg, const struct client_report *r)
{
    struct scene *s = arg;

    s->fate[r->fate]++;
    s->before += r->before;
    s->final += r->final;
    s->malicious += strcmp(r->verdict, "malicious") == 0;
    if (r->why[0] != '\0')
        (void)snprintf(s->why, sizeof(s->why), "%s", r->why);
}

static void submit_with(struct scene *s, struct client_submit o)
{
    const char *paths[] = {s->files};
    struct client *c = NULL;
    struct err e = ERR_INIT;

    memset(s->fate, 0, sizeof(s->fate));
    s->before = s->final = s->malicious = 0;
    s->why[0] = '\0';
    o.report = on_report;
    o.arg = s;
    o.backoff_ms = 5;
    if (client_load(&c, s->config, &e) != 0)
        fail_msg("%s", err_text(&e));
    assert_int_equal(client_submit(c, paths, 1, &o, &e), 0);
    client_free(c);
}

static void submit(struct scene *s)
{
    submit_with(s, (struct client_submit){.wait = 5});
}

static size_t receipts(const struct scene *s, bool final)
{
    char path[512];
    struct trust *t = NULL;
    struct err e = ERR_INIT;
    struct dirent *d;
    size_t n = 0;
    DIR *dir;

    (void)snprintf(path, sizeof(path), "%s/trust.yaml", s->dir);
    assert_int_equal(trust_load(&t, path, &e), 0);
    (void)snprintf(path, sizeof(path), "%s/receipts", s->dir);
    dir = opendir(path);
    assert_non_null(dir);
    while ((d = readdir(dir)) != NULL) {
        struct client_receipt r;

        if (d->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof(path), "%s/receipts/%s", s->dir, d->d_name);
        if (client_receipt_load(&r, path, t, &e) == 0)
            n += r.verdict.quorum == final;
        client_receipt_done(&r);
    }
    (void)closedir(dir);
    trust_free(t);
    return n;
}

static void every_file_ends_with_a_verdict_and_a_final_receipt(void **state)
{
    struct scene *s = *state;

    submit(s);
    assert_string_equal(s->why, "");
    assert_int_equal(s->fate[CLIENT_DONE], 3);
    assert_int_equal(s->final, 3);
    assert_int_equal(s->malicious, 1);
    assert_int_equal(s->site.puts, 3);
    assert_int_equal(receipts(s, true), 3);
}

static void a_second_run_sends_nothing(void **state)
{
    struct scene *s = *state;

    submit(s);
    submit(s);
    assert_int_equal(s->before, 3);
    assert_int_equal(s->fate[CLIENT_DONE], 3);
    assert_int_equal(s->malicious, 1);
    assert_int_equal(s->site.announces, 3);
    assert_int_equal(s->site.puts, 3);
    put(s, "files/odd", "changed");
    submit(s);
    assert_int_equal(s->before, 2);
    assert_int_equal(s->site.puts, 4);
}

static void a_busy_site_and_a_lost_upload_are_asked_again(void **state)
{
    struct scene *s = *state;

    s->site.busy = 1;
    s->site.drop = 2;
    submit(s);
    assert_int_equal(s->fate[CLIENT_DONE], 3);
    assert_int_equal(s->site.puts, 5);
    assert_int_equal(s->site.files, 3); /* each under its first sub */
}

static void what_was_accepted_is_only_waited_for_by_the_next_run(void **state)
{
    struct scene *s = *state;

    submit_with(s, (struct client_submit){.no_wait = true});
    assert_int_equal(s->fate[CLIENT_PENDING], 3);
    assert_int_equal(receipts(s, false), 3);
    submit(s);
    assert_int_equal(s->fate[CLIENT_DONE], 3);
    assert_int_equal(s->site.puts, 3);
    assert_int_equal(s->site.announces, 3);
    assert_int_equal(receipts(s, true), 3);
}

/* A run dies while it writes: half a line is left. */
static void an_unfinished_line_of_the_state_is_cut_off(void **state)
{
    struct scene *s = *state;
    char path[128];
    int fd;

    submit(s);
    (void)snprintf(path, sizeof(path), "%s/state", s->dir);
    fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(io_write_all(fd, "0011 drawn", 10), 0);
    io_close(&fd);
    submit(s);
    assert_int_equal(s->before, 3);
    put(s, "files/odd", "changed"); /* what is appended now begins a line */
    submit(s);
    submit(s);
    assert_int_equal(s->before, 3);
    put(s, "state", "not a state\n");
    struct client *c = NULL;
    struct err e = ERR_INIT;

    assert_int_equal(client_load(&c, s->config, &e), -EBADMSG);
}

static void a_refusal_is_told_and_not_repeated(void **state)
{
    struct scene *s = *state;

    s->site.refuse = 1;
    submit(s);
    assert_int_equal(s->fate[CLIENT_REFUSED], 3);
    assert_non_null(strstr(s->why, "country_not_granted"));
    assert_int_equal(s->site.announces, 3);
    assert_int_equal(s->site.puts, 0);
    s->site.refuse = 0;
    submit(s);
    assert_int_equal(s->fate[CLIENT_DONE], 3);
}

static void another_site_is_not_followed_against_the_policy(void **state)
{
    struct scene *s = *state;

    (void)snprintf(s->site.wrong_site, sizeof(s->site.wrong_site), "mow1");
    submit(s);
    assert_int_equal(s->fate[CLIENT_REFUSED], 3);
    assert_non_null(strstr(s->why, "not followed"));
    assert_int_equal(s->site.announces, 3);
    assert_int_equal(s->site.puts, 0);
}

static void a_forced_site_that_refuses_is_not_left_for_the_right_one(void **state)
{
    struct scene *s = *state;
    char url[96];

    (void)snprintf(s->site.wrong_site, sizeof(s->site.wrong_site), "zrh1");
    (void)snprintf(url, sizeof(url), "http://%s", s->site.rig.address);
    submit_with(s, (struct client_submit){.wait = 1, .site_url = url});
    assert_int_equal(s->fate[CLIENT_REFUSED], 3);
    assert_non_null(strstr(s->why, "the policy says the same"));
    assert_int_equal(s->site.announces, 3);
}

static void a_country_whose_zone_has_no_address_is_sent_nowhere(void **state)
{
    struct scene *s = *state;
    const char *paths[] = {s->files};
    struct client_submit o = {.wait = 1};
    struct client *c = NULL;
    struct err e = ERR_INIT;

    put_config(s, "CA");
    assert_int_equal(client_load(&c, s->config, &e), 0);
    assert_int_equal(client_submit(c, paths, 1, &o, &e), -EINVAL);
    assert_non_null(strstr(e.text, "zone RU"));
    assert_int_equal(s->site.announces, 0);
    client_free(c);
}

static void a_receipt_that_does_not_verify_is_refused(void **state)
{
    static const enum fake_lie lies[] = {LIE_HASH, LIE_LOG, LIE_SUB};
    struct scene *s = *state;

    for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
        s->site.lie = lies[i];
        submit(s);
        assert_int_equal(s->fate[CLIENT_REFUSED], 3);
        assert_non_null(strstr(s->why, "not believed"));
        assert_int_equal(receipts(s, true) + receipts(s, false), 0);
    }
}

static void without_verdict_or_cosignature_it_stays_pending(void **state)
{
    struct scene *s = *state;

    s->site.mute = 1;
    submit_with(s, (struct client_submit){.wait = 1, .tries = 3});
    assert_int_equal(s->fate[CLIENT_PENDING], 3);
    s->site.mute = 0;
    s->site.lie = LIE_UNCOSIGNED;
    submit_with(s, (struct client_submit){.wait = 1, .tries = 1});
    assert_int_equal(s->fate[CLIENT_PENDING], 3);
    assert_int_equal(receipts(s, false), 3);
    assert_int_equal(s->site.puts, 3);
}

static void a_withdrawal_is_signed_and_its_receipt_is_kept(void **state)
{
    struct scene *s = *state;
    struct client *c = NULL;
    struct err e = ERR_INIT;
    struct buf out;
    char path[160];

    buf_init(&out, 1 << 20);
    submit(s);
    assert_int_equal(client_load(&c, s->config, &e), 0);
    (void)snprintf(path, sizeof(path), "%s/odd", s->files);
    assert_int_equal(client_trace(c, path, false, &out, &e), 0);
    assert_non_null(strstr(buf_str(&out), "malicious"));
    assert_non_null(strstr(buf_str(&out), "Eicar?")); /* no terminal is driven */
    /* the site counts 300 rules and names one */
    assert_non_null(strstr(buf_str(&out), "and 299 more, counted but not named\n"));
    assert_non_null(strstr(buf_str(&out), "w.example/w1"));
    buf_reset(&out);
    assert_int_equal(client_trace(c, path, true, &out, &e), 0);
    assert_non_null(strstr(buf_str(&out), ",\"hits\":300,"));
    (void)snprintf(path, sizeof(path), "%s/even", s->files);
    buf_reset(&out);
    assert_int_equal(client_trace(c, path, false, &out, &e), 0);
    assert_null(strstr(buf_str(&out), "not named"));
    (void)snprintf(path, sizeof(path), "%s/odd", s->files);
    buf_reset(&out);
    assert_int_equal(client_order(c, path, CLIENT_WITHDRAW, false, &out, &e), 0);
    assert_non_null(strstr(buf_str(&out), "epoch 7"));
    assert_int_equal(s->site.orders, 1);
    assert_int_equal(receipts(s, true), 4);
    assert_int_equal(client_trace(c, "00112233445566778899aabbccddeeff", false, &out, &e), -ENOENT);
    client_free(c);
    buf_free(&out);
}

static void a_secret_that_others_may_read_is_refused(void **state)
{
    struct scene *s = *state;
    struct client *c = NULL;
    struct err e = ERR_INIT;
    char path[128];
    struct stat st;

    submit(s);
    (void)snprintf(path, sizeof(path), "%s/secret", s->dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 32);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(client_load(&c, s->config, &e), -EACCES);
}

#define T(f) cmocka_unit_test_setup_teardown(f, open_scene, close_scene)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(every_file_ends_with_a_verdict_and_a_final_receipt),
        T(a_second_run_sends_nothing),
        T(a_busy_site_and_a_lost_upload_are_asked_again),
        T(what_was_accepted_is_only_waited_for_by_the_next_run),
        T(an_unfinished_line_of_the_state_is_cut_off),
        T(a_refusal_is_told_and_not_repeated),
        T(another_site_is_not_followed_against_the_policy),
        T(a_forced_site_that_refuses_is_not_left_for_the_right_one),
        T(a_country_whose_zone_has_no_address_is_sent_nowhere),
        T(a_receipt_that_does_not_verify_is_refused),
        T(without_verdict_or_cosignature_it_stays_pending),
        T(a_withdrawal_is_signed_and_its_receipt_is_kept),
        T(a_secret_that_others_may_read_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The client against a site that does what it should, and against sites that do not. */
#include "fake.h"

#include <dirent.h>
#include <sys/stat.h>

#include "cli/client.h"
#include "cli/client_receipt.h"

struct scene {
    struct fake site;
    char dir[64], config[96], files[96];
    int fate[CLIENT_SKIPPED + 1], before, final, malicious;
    char why[2048];
};

static void put(const struct scene *s, const char *name, const char *text)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/%s", s->dir, name);
    assert_int_equal(io_replace_file(AT_FDCWD, path, text, strlen(text), 0600), 0);
}

/* Every country belongs to zone CH, but Canada, which belongs to RU. */
static void put_policy(const struct scene *s)
{
    struct dsse *d = NULL;
    struct buf text, env;
    bool first = true;

    buf_init(&text, 1 << 20);
    buf_init(&env, 1 << 20);
    assert_int_equal(
        buf_puts(&text,
                 "format: policy/v1\nserial: 1\nprevious: none\n"
                 "author: 00112233445566778899aabbccddeeff\nvalid_from: 2026-01-01T00:00Z\n"
                 "zones:\n  - {zone: CH, sites: [zrh1]}\n  - {zone: RU, sites: [mow1]}\n"
                 "uniform: {retention: 365d, consent: required, read_approvals: 2, copies: 1, "
                 "scan_within: 24h}\ndifferences: []\nplacement:\n"
                 "  - {subjects: [CA], at: [{zone: RU, from: 2017-01-01T00:00Z}]}\n"
                 "  - {subjects: ["),
        0);
    for (size_t i = 0; i < COUNTRY_COUNT; i++) {
        if (country_table[i].formerly || strcmp(country_table[i].code, "CA") == 0)
            continue;
        assert_int_equal(buf_printf(&text, "%s'%s'", first ? "" : ", ", country_table[i].code), 0);
        first = false;
    }
    assert_int_equal(buf_puts(&text, ", 'product:*', 'rules:*'], at: [{zone: CH, from: "
                                     "2017-01-01T00:00Z}]}\n"),
                     0);
    assert_int_equal(dsse_new(&d, document_type(DOCUMENT_POLICY), buf_span(&text)), 0);
    assert_int_equal(dsse_sign(d, s->site.log_key), 0);
    assert_int_equal(dsse_write(d, &env), 0);
    put(s, "policy.dsse", buf_str(&env));
    dsse_free(d);
    buf_free(&text);
    buf_free(&env);
}

static void put_config(const struct scene *s, const char *country)
{
    char text[1024];

    (void)snprintf(text, sizeof(text),
                   "format: client/v1\nsecret: secret\ntoken: token-1\ncountry: %s\nstatement: "
                   "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"
                   "policy: policy.dsse\ntrust: trust.yaml\nreceipts: receipts\nstate: state\n"
                   "sites:\n  - {site: zrh1, url: 'http://%s/'}\n",
                   country, s->site.rig.address);
    put(s, "client.yaml", text);
}

static int open_scene(void **state)
{
    struct scene *s = calloc(1, sizeof(*s));
    char log[CORE_VKEY_TEXT_MAX + 1], witness[CORE_VKEY_TEXT_MAX + 1], text[2048];

    assert_non_null(s);
    (void)snprintf(s->dir, sizeof(s->dir), "/tmp/client-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    (void)snprintf(s->config, sizeof(s->config), "%s/client.yaml", s->dir);
    (void)snprintf(s->files, sizeof(s->files), "%s/files", s->dir);
    assert_int_equal(mkdir(s->files, 0755), 0);
    fake_open(&s->site);
    note_vkey_format(&s->site.log.key, log);
    note_vkey_format(&s->site.witness.key, witness);
    (void)snprintf(text, sizeof(text),
                   "format: trust/v1\nexpires: 2099-01-01T00:00Z\ntolerance: 180s\npolicy: |\n"
                   "  log %s\n  witness w1 %s\n  quorum w1\n"
                   "sites:\n  - {site: zrh1, zone: CH, origin: zrh1.example/ledger}\n"
                   "roots: {threshold: 1, keys: ['AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=']}\n"
                   "outsiders: [w1]\n",
                   log, witness);
    put(s, "trust.yaml", text);
    put_policy(s);
    put_config(s, "CH");
    put(s, "files/even", "even");
    put(s, "files/odd", "odd");
    put(s, "files/none", "");
    *state = s;
    return 0;
}

static void remove_tree(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *d;
    char below[512];

    while (dir != NULL && (d = readdir(dir)) != NULL) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        (void)snprintf(below, sizeof(below), "%s/%s", path, d->d_name);
        if (unlink(below) != 0)
            remove_tree(below);
    }
    if (dir != NULL)
        (void)closedir(dir);
    (void)rmdir(path);
}

static int close_scene(void **state)
{
    struct scene *s = *state;

    fake_close(&s->site);
    remove_tree(s->dir);
    free(s);
    return 0;
}

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
    assert_non_null(strstr(buf_str(&out), "w.example/w1"));
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

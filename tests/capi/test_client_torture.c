/* The client while it sends: each allocation and each call about its own files fails once, the disk
 * is full for a while, the connection is cut behind each byte.  What the run says is true, and the
 * next run brings every file to its end, under the submission that was drawn for it first. */
#include "scene.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdlib.h>

#include "capi/client_receipt.h"
#include "capi/client_shelf.h"
#include "events/receipt_pack.h"
#include "faultfs/calls.h"
#include "proxy.h"

#define FILES 8 /* more than a shelf gives files of their own */

struct torture {
    const char *name;
    unsigned mask;
    int err;
    unsigned times; /* in a row */
    bool halve;     /* each write writes half: lines are torn where the next half fails */
    unsigned step, soak_step;
};

/* What a run has said. */
struct said {
    unsigned files, done, skipped;
    char why[512];
};

static struct scene *s;
static struct proxy proxy;
static unsigned long at;                              /* what is being tried, for the message */
static unsigned long told[CLIENT_SKIPPED + 1], ended; /* over all runs */

/* Its receipt: a file of its own, or in one of the packs. */
static bool find_receipt(const char *hex, struct buf *out)
{
    char path[512];
    struct buf pack;
    struct dirent *d;
    bool found;
    DIR *dir;

    (void)snprintf(path, sizeof(path), "%s/receipts/%s.tlog-proof", s->dir, hex);
    if (io_read_file(AT_FDCWD, path, out) == 0)
        return true;
    (void)snprintf(path, sizeof(path), "%s/receipts", s->dir);
    assert_non_null(dir = opendir(path));
    buf_init(&pack, RECEIPT_PACK_MAX);
    for (found = false; !found && (d = readdir(dir)) != NULL;) {
        struct cur c;
        struct id128 sub;
        struct span text;
        struct err e = ERR_INIT;
        int rc = 0;

        if (strstr(d->d_name, CLIENT_SHELF_PACK) == NULL || d->d_name[0] == '.')
            continue;
        buf_reset(&pack);
        assert_int_equal(io_read_file(dirfd(dir), d->d_name, &pack), 0);
        for (c = cur_of(buf_span(&pack)); !found && rc == 0;) {
            char of[33];

            if ((rc = receipt_pack_next(&c, &sub, &text, &e)) == -EBADMSG)
                fail_msg("a pack that is not whole: %s", err_text(&e));
            text_id(of, &sub);
            found = rc == 0 && strcmp(of, hex) == 0 && buf_put(out, text.p, text.n) == 0;
        }
    }
    (void)closedir(dir);
    buf_free(&pack);
    return found;
}

/* A receipt is kept for it, believable, and final if it must be. */
static void has_receipt(const char *hex, bool final)
{
    char path[512];
    struct trust *t = NULL;
    struct client_receipt r;
    struct err e = ERR_INIT;
    struct buf text;

    buf_init(&text, TLOG_PROOF_MAX);
    (void)snprintf(path, sizeof(path), "%s/trust.yaml", s->dir);
    assert_int_equal(trust_load(&t, path, &e), 0);
    if (!find_receipt(hex, &text))
        fail_msg("%s is said to be accepted, and there is no receipt", hex);
    if (client_receipt_open(&r, buf_span(&text), t, &e) != 0)
        fail_msg("%s is said to be accepted: %s", hex, err_text(&e));
    if (final && !r.verdict.quorum)
        fail_msg("%s is said to be final, its receipt is not", hex);
    client_receipt_done(&r);
    trust_free(t);
    buf_free(&text);
}

static void on_report(void *arg, const struct client_report *r)
{
    struct said *x = arg;

    calls_aside(true);
    x->files++;
    told[r->fate]++;
    x->done += r->fate == CLIENT_DONE;
    x->skipped += r->fate == CLIENT_SKIPPED;
    if (r->why[0] != '\0')
        (void)snprintf(x->why, sizeof(x->why), "%s", r->why);
    if (r->fate == CLIENT_DONE || r->fate == CLIENT_PENDING)
        has_receipt(r->sub, r->fate == CLIENT_DONE);
    if (r->fate == CLIENT_REFUSED) /* this site refuses nothing */
        fail_msg("\"%s\" is said to be refused: %s", r->path, r->why);
    calls_aside(false);
}

/* 0, or what ended the run before its time. */
static int run(struct said *x, const char **what)
{
    const char *paths[] = {s->files};
    const struct client_submit o = {
        .wait = 2, .tries = 8, .backoff_ms = 2, .report = on_report, .arg = x};
    struct client *c = NULL;
    struct err e = ERR_INIT;
    int rc;

    memset(x, 0, sizeof(*x));
    calls_aside(false);
    rc = client_load(&c, s->config, &e);
    *what = "load";
    if (rc == 0) {
        *what = "submit";
        rc = client_submit(c, paths, 1, &o, &e);
    }
    client_free(c);
    calls_aside(true);
    if (rc != 0 && (e.code != rc || e.text[0] == '\0'))
        fail_msg("%s failed with %d and says \"%s\" (%d)", *what, rc, e.text, e.code);
    if (rc != 0)
        (void)snprintf(x->why, sizeof(x->why), "%s", e.text);
    return rc;
}

static size_t final_receipts(void)
{
    char path[512];
    struct dirent *d;
    size_t n = 0;
    DIR *dir;

    (void)snprintf(path, sizeof(path), "%s/receipts", s->dir);
    assert_non_null(dir = opendir(path));
    while ((d = readdir(dir)) != NULL) {
        char hex[33];

        if (d->d_name[0] == '.' || strstr(d->d_name, CLIENT_SHELF_PACK) != NULL)
            continue;
        assert_int_equal(strlen(d->d_name), 32 + strlen(".tlog-proof"));
        memcpy(hex, d->d_name, 32);
        hex[32] = '\0';
        has_receipt(hex, true);
        n++;
    }
    (void)closedir(dir);
    return n;
}

static void fresh(void **state)
{
    char address[64];

    if (s != NULL) {
        proxy_close(&proxy);
        (void)close_scene(state);
    }
    (void)open_scene(state);
    s = *state;
    for (unsigned i = 3; i < FILES; i++) { /* three are there */
        char name[32];

        (void)snprintf(name, sizeof(name), "files/number %u", i);
        put(s, name, name);
    }
    proxy_open(&proxy, s->site.rig.port, fake_in_thread);
    memcpy(address, s->site.rig.address, sizeof(address));
    memcpy(s->site.rig.address, proxy.address, sizeof(s->site.rig.address));
    put_config(s, "CH");
    memcpy(s->site.rig.address, address, sizeof(address));
}

/* What was said and kept in a run with a failure; then one without. */
static void and_then_it_goes_on(const struct said *first, int rc)
{
    struct said x;
    const char *what;

    if (rc == 0 && first->files != FILES && first->skipped == 0)
        fail_msg("%u files of %u are told of", first->files, FILES);
    if (run(&x, &what) != 0)
        fail_msg("the next run does not %s: %s", what, x.why);
    if (x.files != FILES || x.done != FILES)
        fail_msg("the next run brings %u of %u to their end: %s", x.done, FILES, x.why);
    if (s->site.files != FILES)
        fail_msg("%zu submissions of %u files", s->site.files, FILES);
    assert_int_equal(final_receipts(), FILES);
}

static bool once(void **state, const struct torture *t, unsigned long k)
{
    struct said x;
    const char *what;
    bool failed;
    int rc;

    fresh(state);
    calls_watch(s->dir);
    calls_halve(t->halve);
    calls_fail(k, t->mask, t->err, t->times);
    rc = run(&x, &what);
    failed = calls_failed();
    calls_fail(0, 0, 0, 0);
    calls_halve(false);
    calls_watch(NULL);
    ended += rc != 0;
    and_then_it_goes_on(&x, rc);
    return failed;
}

static void torment(void **state, const struct torture *t)
{
    unsigned step = getenv("SOAK_ROUNDS") != NULL ? t->soak_step : t->step;
    unsigned long runs = 0;

    memset(told, 0, sizeof(told));
    ended = 0;
    for (at = 1 + step / 3; once(state, t, at); at += step)
        runs++;
    print_message("%s: %lu of about %lu calls failed in turn; %lu runs ended, files: %lu done, %lu "
                  "pending, %lu failed, %lu skipped\n",
                  t->name, runs, at, ended, told[CLIENT_DONE], told[CLIENT_PENDING],
                  told[CLIENT_FAILED], told[CLIENT_SKIPPED]);
    assert_true(runs > 5);
    at = 0;
}

static void no_memory_once(void **state)
{
    const struct torture t = {"memory", 1U << CALL_MEMORY, ENOMEM, 1, false, 709, 5};

    torment(state, &t);
}

static void an_input_output_error_once(void **state)
{
    const struct torture t = {"EIO once", CALLS_DISK, EIO, 1, false, 13, 1};

    torment(state, &t);
}

static void a_full_disk_for_a_while(void **state)
{
    const struct torture t = {
        "ENOSPC", 1U << CALL_WRITE | 1U << CALL_OPEN | 1U << CALL_NAME, ENOSPC, 2, true, 31, 1};

    torment(state, &t);
}

static void a_full_disk(void **state)
{
    const struct torture t = {
        "ENOSPC for ever", 1U << CALL_WRITE | 1U << CALL_NAME, ENOSPC, 0, true, 31, 1};

    torment(state, &t);
}

static void cut(void **state, int way, bool reset, const char *name)
{
    unsigned step = getenv("SOAK_ROUNDS") != NULL ? 31 : way == PROXY_UP ? 1601 : 5501;
    const char *what;
    unsigned long cuts = 0;
    bool has_cut;

    memset(told, 0, sizeof(told));
    for (at = 1 + step / 3;; at += step) {
        struct said x;
        int rc;

        fresh(state);
        proxy.reset = reset;
        proxy.cut[way] = at;
        rc = run(&x, &what);
        if (rc != 0)
            fail_msg("a lost connection ends the run: %s", x.why);
        if (x.done != FILES) /* it is tried again within the run */
            fail_msg("%u of %u are done: %s", x.done, FILES, x.why);
        has_cut = proxy.has_cut;
        and_then_it_goes_on(&x, rc);
        if (!has_cut)
            break;
        cuts++;
    }
    print_message("%s: cut behind %lu bytes of about %lu\n", name, cuts, at);
    assert_true(cuts > 3);
    at = 0;
}

static void a_connection_that_is_cut_on_the_way_there(void **state)
{
    cut(state, PROXY_UP, false, "to the site");
}

static void a_connection_that_is_reset_on_the_way_back(void **state)
{
    cut(state, PROXY_DOWN, true, "from the site, reset");
}

static void a_connection_that_ends_on_the_way_back(void **state)
{
    cut(state, PROXY_DOWN, false, "from the site");
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
    if (s != NULL) {
        proxy_close(&proxy);
        (void)close_scene(state);
    }
    s = NULL;
    return 0;
}

/* ./test-capi-torture [NAME]: of one test alone */
int main(int argc, char **argv)
{
#define T(name) cmocka_unit_test_teardown(name, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_connection_that_is_cut_on_the_way_there),
        T(a_connection_that_is_reset_on_the_way_back),
        T(a_connection_that_ends_on_the_way_back),
        T(an_input_output_error_once),
        T(a_full_disk_for_a_while),
        T(a_full_disk),
        T(no_memory_once),
    };

    calls_aside(true);
    /* libcurl's and jansson's allocations are the program's, too: these names are wrapped */
    if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, free, realloc, strdup, calloc) !=
        CURLE_OK)
        return 1;
    json_set_alloc_funcs(malloc, free);
    fake_in_thread = aside;
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

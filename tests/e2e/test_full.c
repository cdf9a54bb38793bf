/* The disk fills up in the middle: uploads are refused in time (507, Retry-After), orders to erase
 * and checkpoints go on, /healthz names it; also when somebody else takes the last byte the site
 * recovers by itself, and nothing acknowledged is lost.  The data folder is a small tmpfs: only
 * root can mount it, anybody else skips. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "crypto/secret.h"
#include "rig_client.h"
#include "rig_priv.h"

#define DISK "size=48m,mode=755"
#define FILE_BYTES 200000
#define KEPT_MAX 512

static struct rig *r;
static struct rig_sub kept[KEPT_MAX];
static size_t n_kept, n_withdrawn;

static void mount_it(const struct rig_site *s)
{
    assert_int_equal(mkdir(s->data, 0755), 0);
    assert_int_equal(mount("tmpfs", s->data, "tmpfs", 0, DISK), 0);
}

static int set_up(void **state)
{
    const struct rig_plan plan = {
        .sites = 1, .segment = 1 << 20, .limits = ", reserve: 10MiB", .prepare = mount_it};

    if (geteuid() == 0)
        r = rig_open(&plan);
    return 0;
}

static int tear_down(void **state)
{
    char data[96];

    if (r == NULL)
        return 0;
    memcpy(data, r->site[0].data, sizeof(data));
    for (size_t i = 0; i < n_kept; i++)
        rig_sub_free(&kept[i]);
    rig_kill_all(r, 0);
    (void)umount2(data, MNT_DETACH);
    rig_close(r);
    return 0;
}

/* The status of a whole submission; kept if it was accepted. */
static int submit(struct rig_word *w)
{
    static uint8_t bytes[FILE_BYTES];
    struct rig_sub s;
    int status;

    random_bytes(bytes, sizeof(bytes));
    rig_sub_new(r, &s, "CH");
    status = rig_announce(r, 0, &s, w);
    if (status == 201)
        status = rig_put(r, 0, &s, span_of(bytes, sizeof(bytes)), NULL, NULL, w);
    if (status == 201) {
        assert_true(n_kept < KEPT_MAX);
        kept[n_kept++] = s;
    } else {
        rig_sub_free(&s);
    }
    return status;
}

static void refused(int status, const struct rig_word *w)
{
    assert_int_equal(status, 507);
    assert_string_equal(w->text, "full");
    assert_true(w->retry_after >= 1 && w->retry_after <= 600);
}

/* Somebody else's file on the same disk, as large as it gets up to n bytes. */
static void ballast(const char *name, size_t n)
{
    static uint8_t zeros[65536];
    char path[128];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/%s", r->site[0].data, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    for (size_t at = 0; at < n; at += sizeof(zeros))
        if (write(fd, zeros, sizeof(zeros)) != (ssize_t)sizeof(zeros))
            break;
    io_close(&fd);
}

static void drop(const char *name)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s", r->site[0].data, name);
    assert_int_equal(unlink(path), 0);
}

/* Until a submission is taken again, without anybody doing anything. */
static void recovers(void)
{
    mono_ms until = clock_mono() + RIG_SOON;
    struct rig_word w;

    rig_wait_healthy(r, 0);
    while (submit(&w) != 201) {
        assert_true(clock_mono() < until);
        rig_nap(100);
    }
}

static void health_says(const char *what)
{
    struct http_call call = {.method = HTTP_GET, .total_ms = 5000};
    struct err e = ERR_INIT;
    struct http_result a;
    char url[80];

    (void)snprintf(url, sizeof(url), "%s/healthz", r->site[0].url);
    call.url = url;
    rig_ok(http_client_do(r->http, &call, &a, &e), &a.err);
    if (a.status != 503 || strstr(buf_str(&a.body), what) == NULL)
        fail_msg("/healthz answers %d without %s: %s", a.status, what, buf_str(&a.body));
    http_result_free(&a);
}

static void needs_root(void)
{
    if (r == NULL)
        skip();
}

static void uploads_end_before_the_disk_does(void **state)
{
    struct rig_word w;
    int status = 201;

    needs_root();
    ballast("ballast", 16 << 20);
    while (status == 201)
        status = submit(&w);
    refused(status, &w);
    assert_true(n_kept >= 10);
    health_says("{\"name\":\"disk\",\"ok\":false");
    assert_true(rig_metric(r, 0, "site_disk_free_bytes") <
                rig_metric(r, 0, "site_disk_reserve_bytes"));
    assert_true(rig_metric(r, 0, "site_disk_free_bytes") > 4 << 20); /* the rest is for: */

    rig_settle(r, 0); /* checkpoints */
    for (; n_withdrawn < 3; n_withdrawn++) {
        assert_int_equal(rig_order(r, 0, &kept[n_withdrawn], "erase", NULL, NULL, &w), 202);
        rig_settle(r, 0);
    }
    rig_turn_epoch(r, 0); /* and epochs */
    drop("ballast");
    recovers();
}

/* Everything down to the last block, again and again, while files are sent. */
static void the_last_byte_taken_by_others_is_survived(void **state)
{
    struct rig_word w;

    needs_root();
    for (unsigned i = 0; i < rig_rounds(3); i++) {
        unsigned full = 0;

        ballast("ballast", SIZE_MAX / 2);
        for (int n = 0; n < 12; n++) {
            int status = submit(&w);

            if (status == 507)
                refused(status, &w);
            else if (status != 201 && status != 503)
                fail_msg("answered %d %s", status, w.text);
            full += status == 507;
            /* an order needs a few hundred bytes: it is taken, or refused clearly */
            status = rig_order(r, 0, &kept[n_withdrawn], "erase", NULL, NULL, &w);
            if (status == 202)
                n_withdrawn++;
            else if (status != 507 && status != 503)
                fail_msg("an order was answered %d %s", status, w.text);
        }
        assert_true(full >= 6);
        drop("ballast");
        recovers();
        /* one that was refused may have happened: asked again it is answered */
        assert_int_equal(rig_order(r, 0, &kept[n_withdrawn++], "erase", NULL, NULL, &w), 202);
    }
}

static void an_upload_in_the_middle_is_cut_off_clearly(void **state)
{
    struct rig_word w;
    uint8_t *bytes;
    struct rig_sub s;

    needs_root();
    bytes = calloc(1, RIG_OBJECT_MAX);
    assert_non_null(bytes);
    random_bytes(bytes, RIG_OBJECT_MAX);
    rig_sub_new(r, &s, "CH");
    /* just above the reserve: it begins, and there is not enough for all of it */
    for (size_t n = 1; rig_metric(r, 0, "site_disk_free_bytes") > 12U << 20 && n < 48; n++)
        ballast("ballast", n << 20);
    assert_int_equal(rig_announce(r, 0, &s, &w), 201);
    refused(rig_put(r, 0, &s, span_of(bytes, RIG_OBJECT_MAX), NULL, NULL, &w), &w);
    drop("ballast");
    rig_wait_healthy(r, 0);
    assert_int_equal(rig_announce(r, 0, &s, &w), 201);
    if (rig_put(r, 0, &s, span_of(bytes, RIG_OBJECT_MAX), NULL, NULL, &w) == 201)
        kept[n_kept++] = s;
    else
        rig_sub_free(&s);
    free(bytes);
}

static void nothing_acknowledged_is_lost(void **state)
{
    struct rig_state now;
    struct audit *a;

    needs_root();
    rig_settle(r, 0);
    for (size_t i = 0; i < n_kept; i++) {
        assert_int_equal(rig_trace(r, 0, &kept[i], &now), 200);
        assert_true(now.accepted && now.erased == (i < n_withdrawn));
    }
    assert_int_equal(rig_slots(r, 0), n_kept - n_withdrawn);
    a = rig_audit(r);
    for (size_t i = 0; i < audit_results(a); i++)
        if (audit_result(a, i)->verdict == AUDIT_BROKEN)
            fail_msg("%s is BROKEN: %s", audit_result(a, i)->claim, audit_result(a, i)->sentence);
    assert_true(audit_find(a, "intake.consent")->n >= n_kept);
    audit_free(a);
    rig_stop(r, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uploads_end_before_the_disk_does),
        cmocka_unit_test(the_last_byte_taken_by_others_is_survived),
        cmocka_unit_test(an_upload_in_the_middle_is_cut_off_clearly),
        cmocka_unit_test(nothing_acknowledged_is_lost),
    };

    rig_args(argc, argv);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

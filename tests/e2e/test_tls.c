/* A site that speaks TLS: who may speak to it, where its key is, what happens when key and
 * certificate change, when the signer hangs, when too many come. */
#include <errno.h>
#include <fcntl.h>
#include <gnutls/abstract.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "crypto/secret.h"
#include "crypto/tls.h"
#include "rig_client.h"
#include "rig_priv.h"
#include "site/init.h"

#define HANDSHAKES 25 /* a second */

static struct rig *r;

static int set_up(void **state)
{
    const struct rig_plan plan = {.sites = 1, .tls = true, .handshakes = HANDSHAKES};

    (void)state;
    r = rig_open(&plan);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_close(r);
    return 0;
}

/* A client of its own: so a handshake of its own.  The status, or the negative errno. */
static int ask(const char *authorities, const char *pin, char why[ERR_TEXT_MAX])
{
    const struct http_client_limits limits = {.authorities = authorities};
    struct http_call call = {.method = HTTP_GET, .total_ms = RIG_SOON, .pin = pin};
    struct err e = ERR_INIT;
    struct http_client *c;
    struct http_result a;
    char url[96];
    int rc;

    (void)snprintf(url, sizeof(url), "%s/healthz", r->site[0].url);
    call.url = url;
    rig_ok(http_client_new(&c, &limits, &e), &e);
    rc = http_client_do(c, &call, &a, &e);
    rc = rc == 0 ? a.status : rc;
    if (why != NULL)
        (void)snprintf(why, ERR_TEXT_MAX, "%s", err_text(&a.err));
    http_result_free(&a);
    http_client_free(c);
    return rc;
}

static int run(const char *command)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        (void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static pid_t process_named(const char *name)
{
    pid_t all[64];
    size_t n = rig_processes(r, 0, all, ARRAY_LEN(all));
    char is[32];

    for (size_t i = 0; i < n; i++) {
        rig_process_name(all[i], is);
        if (strcmp(is, name) == 0)
            return all[i];
    }
    fail_msg("no %s", name);
    return 0;
}

/* --- who may speak --- */

static void other_peoples_clients_are_served(void **state)
{
    char line[512];

    (void)state;
    (void)snprintf(line, sizeof(line), "curl -sSf --tlsv1.3 --cacert %s %s/healthz >/dev/null",
                   r->authorities, r->site[0].url);
    assert_int_equal(run(line), 0);
    (void)snprintf(
        line, sizeof(line),
        "printf 'GET /healthz HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n' | "
        "openssl s_client -quiet -verify_return_error -alpn http/1.1 -CAfile %s -connect "
        "%s 2>/dev/null | grep -q '^HTTP/1.1 200 OK'",
        r->authorities, strstr(r->site[0].url, "://") + 3);
    assert_int_equal(run(line), 0);
}

static void a_client_checks_authority_and_pin(void **state)
{
    char why[ERR_TEXT_MAX], pin[SITE_INIT_PIN];

    (void)state;
    assert_int_equal(ask(r->authorities, NULL, why), 200);
    rig_ok(site_init_pin(r->site[0].config, pin, NULL), NULL);
    assert_int_equal(ask(r->authorities, pin, why), 200);
    pin[10] = pin[10] == 'A' ? 'B' : 'A';
    assert_int_equal(ask(r->authorities, pin, why), -EBADMSG);
    assert_non_null(strstr(why, "pinned"));
    assert_int_equal(ask(NULL, NULL, why), -EBADMSG); /* the system's store knows it not */
    assert_non_null(strstr(why, "does not verify"));
}

static void tls_12_is_refused_and_the_log_says_why(void **state)
{
    char line[512];
    size_t from = 0;

    (void)state;
    (void)snprintf(line, sizeof(line), "curl -s --tls-max 1.2 --cacert %s %s/healthz",
                   r->authorities, r->site[0].url);
    assert_int_equal(run(line), 35); /* curl's word for a failed handshake */
    rig_await_log(r, 0, "the client speaks TLS 1.2 or older only; this site speaks TLS 1.3", &from);
    assert_true(rig_metric(r, 0, "front_handshakes_refused_total") > 0);
}

/* --- the key --- */

/* The private number as GnuTLS holds it and as its file has it. */
static size_t key_needles(struct rig_needle needle[3])
{
    gnutls_datum_t file, d = {NULL, 0};
    gnutls_privkey_t k;
    size_t n;

    assert_int_equal(gnutls_load_file(r->site[0].tls_key, &file), 0);
    assert_int_equal(gnutls_privkey_init(&k), 0);
    assert_int_equal(gnutls_privkey_import_x509_raw(k, &file, GNUTLS_X509_FMT_PEM, NULL, 0), 0);
    assert_int_equal(
        gnutls_privkey_export_ecc_raw2(k, NULL, NULL, NULL, &d, GNUTLS_EXPORT_FLAG_NO_LZ), 0);
    n = d.size < 24 ? 0 : 24; /* of the middle: leading zeros vary */
    assert_true(n > 0);
    memset(needle, 0, 3 * sizeof(*needle));
    for (size_t i = 0; i < 3; i++)
        needle[i].n = n;
    (void)snprintf(needle[0].what, sizeof(needle[0].what), "the key's number");
    (void)snprintf(needle[1].what, sizeof(needle[1].what), "the key's number, reversed");
    (void)snprintf(needle[2].what, sizeof(needle[2].what), "the key's file");
    memcpy(needle[0].b, d.data + d.size - n, n);
    for (size_t i = 0; i < n; i++)
        needle[1].b[i] = d.data[d.size - 1 - i];
    memcpy(needle[2].b, file.data + file.size / 2, n);
    gnutls_free(d.data);
    gnutls_free(file.data);
    gnutls_privkey_deinit(k);
    return 3;
}

static void the_key_is_in_the_signers_memory_and_in_no_others(void **state)
{
    static const char *const others[] = {"front", "keeper", "courier", "reader", "supervisor"};
    struct rig_needle needle[3];
    size_t n = key_needles(needle);

    (void)state;
    if (geteuid() != 0)
        skip(); /* the processes cannot be read */
    assert_int_equal(ask(r->authorities, NULL, NULL), 200);
    assert_true(rig_in_memory_of(r, 0, "signer", needle, n) > 0);
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (rig_in_memory_of(r, 0, others[i], needle, n) != 0)
            fail_msg("the key is in the %s", others[i]);
}

/* What stands in one record with the head of a refused upload is decrypted with it. */
static void of_a_refused_upload_nothing_stays_in_the_fronts_memory(void **state)
{
    struct rig_needle marker = {"the marker", {0}, 32};
    char line[512], path[128], head[512];
    uint8_t body[7000];
    struct buf b;
    int n;

    (void)state;
    if (geteuid() != 0)
        skip();
    random_bytes(marker.b, marker.n);
    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = marker.b[i % marker.n];
    for (size_t len = 100; len <= sizeof(body); len += 2300) {
        n = snprintf(head, sizeof(head),
                     "PUT /v1/submissions/00112233445566778899aabbccddeeff/content HTTP/1.1\r\n"
                     "Host: a\r\nTicket: 00112233445566778899aabbccddeeff\r\n"
                     "Content-Type: application/octet-stream\r\nContent-Length: %zu\r\n\r\n",
                     len);
        buf_init(&b, 65536);
        assert_int_equal(buf_put(&b, head, (size_t)n), 0);
        assert_int_equal(buf_put(&b, body, len), 0);
        (void)snprintf(path, sizeof(path), "%s/upload", r->dir);
        rig_ok(io_replace_file(AT_FDCWD, path, b.data, b.len, 0600), NULL);
        buf_free(&b);
        (void)snprintf(line, sizeof(line),
                       "openssl s_client -quiet -CAfile %s -connect %s <%s 2>/dev/null | "
                       "grep -q '^HTTP/1.1 403'",
                       r->authorities, strstr(r->site[0].url, "://") + 3, path);
        assert_int_equal(run(line), 0);
        assert_int_equal(unlink(path), 0);
        (void)rig_metric(r, 0, "front_connections"); /* the front has turned once more */
        if (rig_in_memory_of(r, 0, "front", &marker, 1) != 0)
            fail_msg("of %zu bytes something is still there", len);
    }
}

/* --- change --- */

static void write_pair(const char *key, const struct buf *crt)
{
    const struct rig_site *s = &r->site[0];

    if (key != NULL)
        rig_ok(io_replace_file(AT_FDCWD, s->tls_key, key, strlen(key), 0600), NULL);
    rig_ok(io_replace_file(AT_FDCWD, s->certificate, crt->data, crt->len, 0644), NULL);
}

static void key_and_certificate_are_read_again(void **state)
{
    static const char *const names[] = {"127.0.0.1"};
    char key[TLS_KEY_PEM], other[TLS_KEY_PEM], path[128];
    struct err e = ERR_INIT;
    struct buf crt, alien;
    size_t from = 0;

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/new.pem", r->dir);
    buf_init(&crt, TLS_PEM_MAX);
    buf_init(&alien, TLS_PEM_MAX);
    rig_ok(tls_self_signed(names, 1, 30, key, &crt, &e), &e);
    rig_ok(tls_self_signed(names, 1, 30, other, &alien, &e), &e);
    rig_ok(io_replace_file(AT_FDCWD, path, crt.data, crt.len, 0644), &e);
    assert_int_equal(ask(r->authorities, NULL, NULL), 200);

    /* a certificate that is not for the key: everything stays */
    write_pair(NULL, &alien);
    assert_int_equal(kill(r->site[0].pid, SIGHUP), 0);
    rig_await_log(r, 0, "it is for another key", &from);
    assert_int_equal(ask(r->authorities, NULL, NULL), 200);

    write_pair(key, &crt);
    assert_int_equal(kill(r->site[0].pid, SIGHUP), 0);
    rig_await_log(r, 0, "certificate read again", &from);
    assert_int_equal(ask(path, NULL, NULL), 200);
    assert_int_equal(ask(r->authorities, NULL, NULL), -EBADMSG);
    /* who was connected before still is: the rig's own client knows only the old certificate */
    assert_true(rig_metric(r, 0, "front_handshakes_total") > 0);

    /* a key that others may read: everything stays */
    assert_int_equal(chmod(r->site[0].tls_key, 0644), 0);
    assert_int_equal(kill(r->site[0].pid, SIGHUP), 0);
    rig_await_log(r, 0, "chmod 600", &from);
    assert_int_equal(chmod(r->site[0].tls_key, 0600), 0);
    assert_int_equal(ask(path, NULL, NULL), 200);
    buf_free(&crt);
    buf_free(&alien);
    assert_int_equal(rename(path, r->authorities), 0);
}

/* --- trouble --- */

static void a_signer_that_hangs_keeps_out_only_newcomers(void **state)
{
    pid_t signer = process_named("signer");
    mono_ms began;

    (void)state;
    (void)rig_metric(r, 0, "front_connections"); /* this one is in */
    assert_int_equal(kill(signer, SIGSTOP), 0);
    began = clock_mono();
    assert_true(ask(r->authorities, NULL, NULL) < 0);
    assert_true(clock_mono() - began >= 3500 && clock_mono() - began < 11000);
    began = clock_mono();
    (void)rig_metric(r, 0, "front_connections");
    assert_true(clock_mono() - began < 2000);
    assert_int_equal(kill(signer, SIGCONT), 0);
    assert_int_equal(ask(r->authorities, NULL, NULL), 200);
}

static void more_handshakes_than_allowed_are_refused_and_told(void **state)
{
    int served = 0, refused = 0;
    mono_ms began;
    size_t from = 0;

    (void)state;
    rig_nap(1200); /* full credit */
    began = clock_mono();
    for (int i = 0; i < 4 * HANDSHAKES && clock_mono() - began < 1000; i++) {
        int rc = ask(r->authorities, NULL, NULL);

        served += rc == 200;
        refused += rc < 0;
    }
    print_message("%d served, %d refused in %lld ms\n", served, refused,
                  (long long)(clock_mono() - began));
    if (served + refused <= 2 * HANDSHAKES) {
        print_message("this machine is too slow to make too many handshakes\n");
        skip();
    }
    assert_true(served >= HANDSHAKES && served <= 2 * HANDSHAKES + 2);
    rig_await_log(r, 0, "more handshakes a second", &from);
    rig_nap(1200);
    assert_int_equal(ask(r->authorities, NULL, NULL), 200);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_peoples_clients_are_served),
        cmocka_unit_test(a_client_checks_authority_and_pin),
        cmocka_unit_test(tls_12_is_refused_and_the_log_says_why),
        cmocka_unit_test(the_key_is_in_the_signers_memory_and_in_no_others),
        cmocka_unit_test(of_a_refused_upload_nothing_stays_in_the_fronts_memory),
        cmocka_unit_test(key_and_certificate_are_read_again),
        cmocka_unit_test(a_signer_that_hangs_keeps_out_only_newcomers),
        cmocka_unit_test(more_handshakes_than_allowed_are_refused_and_told),
    };

    rig_args(argc, argv);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

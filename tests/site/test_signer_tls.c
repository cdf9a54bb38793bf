/* The signer before a front that has been taken over: what it can get signed, and how much. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "crypto/tls.h"
#include "site/process.h"
#include "site/proto.h"
#include "site/signer_tls.h"

#define RATE 40

struct house {
    char dir[40], key[64], crt[64];
    struct config c;
    struct ed25519_key *ledger;
    struct buf pem;
    struct signer_tls *t;
    struct msg_chan *front, *supervisor;
};

static int place(int fd, int at)
{
    int rc = dup2(fd, at);

    (void)close(fd);
    return rc;
}

static void write_file(const char *path, const void *p, size_t n)
{
    assert_int_equal(io_replace_file(AT_FDCWD, path, p, n, 0600), 0);
}

static int set_up(void **state)
{
    static const char *const names[] = {"localhost"};
    struct house *h = calloc(1, sizeof(*h));
    int front[2], control[2];
    char key[TLS_KEY_PEM];
    struct err e = ERR_INIT;

    assert_non_null(h);
    (void)snprintf(h->dir, sizeof(h->dir), "/tmp/signer-tls-XXXXXX");
    assert_non_null(mkdtemp(h->dir));
    (void)snprintf(h->key, sizeof(h->key), "%s/key", h->dir);
    (void)snprintf(h->crt, sizeof(h->crt), "%s/crt", h->dir);
    buf_init(&h->pem, TLS_PEM_MAX);
    assert_int_equal(tls_self_signed(names, 1, 2, key, &h->pem, &e), 0);
    write_file(h->key, key, strlen(key));
    write_file(h->crt, h->pem.data, h->pem.len);
    h->c.tls_key = h->key;
    h->c.certificate = h->crt;
    h->c.handshakes = RATE;
    assert_int_equal(ed25519_generate(&h->ledger), 0);
    assert_int_equal(msg_pair(front, &e), 0);
    assert_int_equal(msg_pair(control, &e), 0);
    /* both pairs stay clear of the numbers they go to */
    for (int i = 0; i < 2; i++) {
        front[i] = place(front[i], 40 + i);
        control[i] = place(control[i], 50 + i);
    }
    assert_int_equal(place(front[0], PART_TLS), PART_TLS);
    assert_int_equal(place(control[0], PART_CONTROL), PART_CONTROL);
    if (signer_tls_open(&h->t, &h->c, h->ledger, &e) != 0)
        fail_msg("%s", err_text(&e));
    assert_int_equal(msg_open(&h->front, front[1], &proto_tls, MSG_A, &e), 0);
    assert_int_equal(msg_open(&h->supervisor, control[1], &proto_reload, MSG_A, &e), 0);
    *state = h;
    return 0;
}

static int tear_down(void **state)
{
    struct house *h = *state;

    signer_tls_close(h->t);
    msg_close(h->front);
    msg_close(h->supervisor);
    ed25519_free(h->ledger);
    buf_free(&h->pem);
    (void)unlink(h->key);
    (void)unlink(h->crt);
    (void)rmdir(h->dir);
    free(h);
    return 0;
}

static int turn(struct house *h)
{
    struct pollfd p[SIGNER_TLS_POLLS];
    struct err e = ERR_INIT;

    signer_tls_poll(h->t, p);
    if (poll(p, SIGNER_TLS_POLLS, 0) <= 0)
        return 0;
    return signer_tls_serve(h->t, p, &e);
}

static struct pm_tls_signed ask(struct house *h, const struct digest *key, uint32_t len)
{
    struct pm_tls_signed answer;
    struct pm_tls_sign q;
    struct msg m;

    memset(&q, 0, sizeof(q));
    q.key = *key;
    q.len = len;
    memset(q.transcript, 9, sizeof(q.transcript));
    assert_int_equal(msg_send(h->front, PT_SIGN, 1, span_of(&q, sizeof(q)), NULL), 0);
    assert_int_equal(turn(h), 0);
    assert_int_equal(msg_recv(h->front, &m, NULL), 0);
    memcpy(&answer, m.body.p, sizeof(answer));
    return answer;
}

static struct digest id_of(struct span pem)
{
    struct tls_certificate is;

    assert_int_equal(tls_certificate_read(pem, &is, NULL), 0);
    return is.key_id;
}

/* By GnuTLS, over bytes put together here. */
static bool signs(const struct house *h, const void *p, size_t n, const struct pm_tls_signed *a)
{
    gnutls_datum_t pem = {h->pem.data, (unsigned)h->pem.len};
    gnutls_datum_t d = {(unsigned char *)(uintptr_t)p, (unsigned)n};
    gnutls_datum_t sig = {(unsigned char *)(uintptr_t)a->sig, a->len};
    gnutls_x509_crt_t crt;
    gnutls_pubkey_t pub;
    bool ok;

    assert_int_equal(gnutls_x509_crt_init(&crt), 0);
    assert_int_equal(gnutls_x509_crt_import(crt, &pem, GNUTLS_X509_FMT_PEM), 0);
    assert_int_equal(gnutls_pubkey_init(&pub), 0);
    assert_int_equal(gnutls_pubkey_import_x509(pub, crt, 0), 0);
    ok = gnutls_pubkey_verify_data2(pub, GNUTLS_SIGN_ECDSA_SECP256R1_SHA256, 0, &d, &sig) >= 0;
    gnutls_pubkey_deinit(pub);
    gnutls_x509_crt_deinit(crt);
    return ok;
}

static void it_signs_handshakes_and_nothing_else(void **state)
{
    struct house *h = *state;
    struct digest id = id_of(buf_span(&h->pem)), other = id;
    uint8_t content[64 + 34 + 48];
    struct pm_tls_signed a = ask(h, &id, 32);

    assert_true(a.ok);
    memset(content, ' ', 64);
    memcpy(content + 64, "TLS 1.3, server CertificateVerify", 34);
    memset(content + 98, 9, 48);
    assert_true(signs(h, content, 98 + 32, &a));
    assert_false(signs(h, content + 98, 32, &a)); /* not what was sent as it was sent */
    a = ask(h, &id, 48);
    assert_true(a.ok && signs(h, content, 98 + 48, &a));
    for (uint32_t n = 0; n < 48; n += 16)
        if (n != 32)
            assert_false(ask(h, &id, n).ok);
    assert_false(ask(h, &id, 49).ok);
    assert_false(ask(h, &id, UINT32_MAX).ok);
    other.b[0] ^= 1;
    assert_false(ask(h, &other, 32).ok); /* no key of that name, the ledger's least of all */
}

static void it_signs_so_many_a_second_and_no_more(void **state)
{
    struct house *h = *state;
    struct digest id = id_of(buf_span(&h->pem));
    mono_ms began = clock_mono();
    unsigned n = 0, most;

    for (int i = 0; i < 10 * RATE; i++)
        n += ask(h, &id, 32).ok;
    most = RATE + (unsigned)(clock_mono() - began) * RATE / 1000 + 1;
    assert_true(n >= RATE && n <= most);
}

static void a_message_of_another_shape_breaks_the_protocol_and_who_leaves_may_leave(void **state)
{
    struct house *h = *state;
    struct pollfd p[SIGNER_TLS_POLLS];
    struct err e = ERR_INIT;

    assert_true(send(msg_fd(h->front), "nonsense that is no message at all", 34, 0) == 34);
    assert_int_equal(turn(h), -EPROTO); /* the signer ends, and all parts begin anew */
    /* who goes in order is let go */
    msg_close(h->supervisor);
    h->supervisor = NULL;
    signer_tls_poll(h->t, p);
    p[0].revents = 0;
    p[1].revents = POLLHUP;
    assert_int_equal(signer_tls_serve(h->t, p, &e), 0);
    signer_tls_poll(h->t, p);
    assert_int_equal(p[1].fd, -1);
}

static void both_keys_sign_while_a_new_one_comes(void **state)
{
    static const char *const names[] = {"localhost"};
    struct house *h = *state;
    struct digest before = id_of(buf_span(&h->pem)), after;
    struct pm_tls_key_is is;
    char key[TLS_KEY_PEM];
    struct buf crt;
    struct msg m;

    buf_init(&crt, TLS_PEM_MAX);
    for (int i = 0; i < 2; i++) {
        int fd;

        buf_reset(&crt);
        assert_int_equal(tls_self_signed(names, 1, 2, key, &crt, NULL), 0);
        after = id_of(buf_span(&crt));
        write_file(h->key, key, strlen(key));
        fd = open(h->key, O_RDONLY | O_CLOEXEC);
        assert_int_equal(msg_send(h->supervisor, PL_KEY, 7, span_of(NULL, 0), &fd), 0);
        io_close(&fd);
        assert_int_equal(turn(h), 0);
        assert_int_equal(msg_recv(h->supervisor, &m, NULL), 0);
        memcpy(&is, m.body.p, sizeof(is));
        assert_true(is.ok && m.id == 7);
        assert_memory_equal(&is.key, &after, sizeof(after));
        assert_true(ask(h, &after, 32).ok);
        /* the one before still does, the one before that no more */
        assert_int_equal(ask(h, &before, 32).ok, i == 0);
    }
    buf_free(&crt);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(it_signs_handshakes_and_nothing_else),
        T(it_signs_so_many_a_second_and_no_more),
        T(a_message_of_another_shape_breaks_the_protocol_and_who_leaves_may_leave),
        T(both_keys_sign_while_a_new_one_comes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

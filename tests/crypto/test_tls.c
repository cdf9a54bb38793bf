/* Sessions against GnuTLS's own client over a socket pair, both ends in this thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "crypto/tls.h"

#define P256 GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1)

static const char *const names[] = {"localhost", "127.0.0.1"};

struct house {
    struct tls_server *server;
    struct tls_key *key;
    struct buf pem; /* the certificate */
    int asked;      /* signatures */
    size_t hash;    /* length of the last transcript */
    int refuse;     /* errno for the next signature */
    /* one connection */
    struct tls_session *t;
    gnutls_session_t c;
    gnutls_certificate_credentials_t trust;
    int fd[2]; /* server, client */
};

static int get_signature(void *arg, const struct digest *id, const uint8_t *transcript, size_t n,
                         uint8_t sig[TLS_SIGNATURE_MAX], size_t *len)
{
    struct house *h = arg;
    struct digest own;

    tls_key_id(h->key, &own);
    assert_memory_equal(&own, id, sizeof(own));
    h->asked++;
    h->hash = n;
    if (h->refuse != 0)
        return -h->refuse;
    return tls_key_sign(h->key, transcript, n, sig, len);
}

static int file_of(const void *p, size_t n, mode_t mode)
{
    char path[] = "/tmp/test-tls-XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(io_write_all(fd, p, n), 0);
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static void house_with(struct house *h, const char *key, struct span certificate)
{
    struct err e = ERR_INIT;

    assert_int_equal(tls_server_new(&h->server, get_signature, h, &e), 0);
    if (tls_server_certificate(h->server, certificate, &e) != 0 ||
        tls_key_read(&h->key, file_of(key, strlen(key), 0600), "the key", &e) != 0)
        fail_msg("%s", err_text(&e));
    h->fd[0] = h->fd[1] = -1;
}

static int set_up(void **state)
{
    struct house *h = calloc(1, sizeof(*h));
    char key[TLS_KEY_PEM];

    assert_non_null(h);
    buf_init(&h->pem, TLS_PEM_MAX);
    assert_int_equal(tls_self_signed(names, ARRAY_LEN(names), 2, key, &h->pem, NULL), 0);
    house_with(h, key, buf_span(&h->pem));
    *state = h;
    return 0;
}

static void hang_up(struct house *h)
{
    tls_close(h->t);
    if (h->c != NULL)
        gnutls_deinit(h->c);
    if (h->trust != NULL)
        gnutls_certificate_free_credentials(h->trust);
    io_close(&h->fd[0]);
    io_close(&h->fd[1]);
    h->t = NULL;
    h->c = NULL;
    h->trust = NULL;
}

static int tear_down(void **state)
{
    struct house *h = *state;

    hang_up(h);
    tls_server_free(h->server);
    tls_key_free(h->key);
    buf_free(&h->pem);
    free(h);
    return 0;
}

static void connect_raw(struct house *h)
{
    struct err e = ERR_INIT;

    hang_up(h);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, h->fd), 0);
    (void)e;
    assert_int_equal(tls_open(&h->t, h->server, h->fd[0]), 0);
}

/* A client with GnuTLS's priorities, which checks the name and trusts the house's certificate. */
static void call(struct house *h, const char *priorities, const char *host, const char *alpn)
{
    gnutls_datum_t ca = {h->pem.data, (unsigned)h->pem.len};
    gnutls_datum_t p = {(unsigned char *)(uintptr_t)alpn,
                        alpn != NULL ? (unsigned)strlen(alpn) : 0};

    connect_raw(h);
    assert_int_equal(gnutls_init(&h->c, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL), 0);
    assert_int_equal(gnutls_certificate_allocate_credentials(&h->trust), 0);
    assert_true(gnutls_certificate_set_x509_trust_mem(h->trust, &ca, GNUTLS_X509_FMT_PEM) == 1);
    assert_int_equal(gnutls_credentials_set(h->c, GNUTLS_CRD_CERTIFICATE, h->trust), 0);
    assert_int_equal(gnutls_priority_set_direct(h->c, priorities, NULL), 0);
    if (host != NULL)
        gnutls_session_set_verify_cert(h->c, host, 0);
    if (alpn != NULL)
        assert_int_equal(gnutls_alpn_set_protocols(h->c, &p, 1, 0), 0);
    gnutls_transport_set_int(h->c, h->fd[1]);
}

/* Both ends in turn until both have ended; the server's word, *client the client's. */
static int shake(struct house *h, int *client, const char **why)
{
    int s = -EAGAIN, c = GNUTLS_E_AGAIN;

    *why = "";
    for (int i = 0; i < 100 && (s == -EAGAIN || c == GNUTLS_E_AGAIN); i++) {
        if (c == GNUTLS_E_AGAIN)
            do
                c = gnutls_handshake(h->c);
            while (c == GNUTLS_E_INTERRUPTED || c == GNUTLS_E_WARNING_ALERT_RECEIVED);
        if (s == -EAGAIN)
            s = tls_handshake(h->t, why);
        if (s == 0 && c < 0 && c != GNUTLS_E_AGAIN)
            break;
        if (c < 0 && c != GNUTLS_E_AGAIN) /* as a client would */
            (void)gnutls_alert_send_appropriate(h->c, c);
    }
    *client = c;
    return s;
}

static void meet(struct house *h, const char *priorities)
{
    const char *why;
    int client, rc;

    call(h, priorities, "localhost", "http/1.1");
    rc = shake(h, &client, &why);
    if (rc != 0 || client != 0)
        fail_msg("%s: server %d (%s), client %s", priorities, rc, why, gnutls_strerror(client));
}

/* The client's end may say AGAIN for what is no data. */
static ssize_t client_recv(struct house *h, void *p, size_t n)
{
    ssize_t k = GNUTLS_E_AGAIN;

    for (int i = 0; i < 3 && k == GNUTLS_E_AGAIN; i++)
        k = gnutls_record_recv(h->c, p, n);
    return k;
}

static void talk(struct house *h)
{
    char in[64];
    bool dry;

    assert_int_equal(gnutls_record_send(h->c, "question", 8), 8);
    assert_int_equal(tls_recv(h->t, in, sizeof(in), &dry), 8);
    assert_memory_equal(in, "question", 8);
    assert_true(dry);
    assert_int_equal(tls_recv(h->t, in, sizeof(in), &dry), -EAGAIN);
    assert_int_equal(tls_send(h->t, "answer", 6), 6);
    assert_int_equal(tls_flush(h->t), 0);
    assert_int_equal(client_recv(h, in, sizeof(in)), 6);
    assert_memory_equal(in, "answer", 6);
}

static void a_client_that_trusts_the_certificate_is_served(void **state)
{
    struct house *h = *state;
    gnutls_datum_t alpn;

    meet(h, "NORMAL");
    assert_int_equal(h->asked, 1);
    assert_int_equal(gnutls_protocol_get_version(h->c), GNUTLS_TLS1_3);
    assert_int_equal(gnutls_alpn_get_selected_protocol(h->c, &alpn), 0);
    assert_int_equal(alpn.size, 8);
    talk(h);
    meet(h, "NORMAL:-VERS-ALL:+VERS-TLS1.3"); /* and again: nothing is resumed */
    assert_int_equal(h->asked, 2);
    assert_false(gnutls_session_is_resumed(h->c));
}

/* Every hash, every group, and with a HelloRetryRequest in between: the first group is the only one
 * the client sends a share of, and the server has it not. */
static void the_transcript_is_right_for_every_hash_and_after_a_retry(void **state)
{
    struct house *h = *state;

    meet(h, "NORMAL:-CIPHER-ALL:+AES-256-GCM");
    assert_int_equal(h->hash, 48);
    meet(h, "NORMAL:-CIPHER-ALL:+AES-128-GCM");
    assert_int_equal(h->hash, 32);
    meet(h, "NORMAL:-CIPHER-ALL:+CHACHA20-POLY1305");
    assert_int_equal(h->hash, 32);
    meet(h, "NORMAL:-GROUP-ALL:+GROUP-SECP384R1");
    meet(h, "NORMAL:-GROUP-ALL:+GROUP-SECP521R1:+GROUP-X25519:%DISABLE_TLS13_COMPAT_MODE");
    assert_int_equal(gnutls_group_get(h->c), GNUTLS_GROUP_X25519);
    meet(h, "NORMAL:-CIPHER-ALL:+AES-128-GCM:-GROUP-ALL:+GROUP-SECP521R1:+GROUP-SECP256R1");
    assert_int_equal(gnutls_group_get(h->c), GNUTLS_GROUP_SECP256R1);
    talk(h);
}

/* A key and a certificate of another kind, made by GnuTLS itself. */
static void make_pair_until(gnutls_pk_algorithm_t pk, unsigned bits, unix_time expires,
                            char key[8192], struct buf *crt)
{
    gnutls_x509_privkey_t k;
    gnutls_x509_crt_t c;
    gnutls_datum_t pem;
    size_t len = 8192;
    static int made; /* two certificates have two names */
    char name[24];

    assert_int_equal(gnutls_x509_privkey_init(&k), 0);
    assert_int_equal(gnutls_x509_privkey_generate(k, pk, bits, 0), 0);
    assert_int_equal(gnutls_x509_privkey_export_pkcs8(k, GNUTLS_X509_FMT_PEM, NULL,
                                                      GNUTLS_PKCS_PLAIN, key, &len),
                     0);
    assert_int_equal(gnutls_x509_crt_init(&c), 0);
    assert_int_equal(gnutls_x509_crt_set_version(c, 3), 0);
    assert_int_equal(gnutls_x509_crt_set_serial(c, "\x01", 1), 0);
    (void)snprintf(name, sizeof(name), "test %d", ++made);
    assert_int_equal(gnutls_x509_crt_set_dn_by_oid(c, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                                   (unsigned)strlen(name)),
                     0);
    assert_int_equal(gnutls_x509_crt_set_activation_time(c, clock_now() - 7200), 0);
    assert_int_equal(gnutls_x509_crt_set_expiration_time(c, expires), 0);
    assert_int_equal(gnutls_x509_crt_set_subject_alt_name(c, GNUTLS_SAN_DNSNAME, "localhost", 9, 0),
                     0);
    assert_int_equal(gnutls_x509_crt_set_key(c, k), 0);
    assert_int_equal(gnutls_x509_crt_sign2(
                         c, c, k, pk == GNUTLS_PK_ECDSA ? GNUTLS_DIG_SHA256 : GNUTLS_DIG_SHA512, 0),
                     0);
    assert_int_equal(gnutls_x509_crt_export2(c, GNUTLS_X509_FMT_PEM, &pem), 0);
    assert_int_equal(buf_put(crt, pem.data, pem.size), 0);
    gnutls_free(pem.data);
    gnutls_x509_crt_deinit(c);
    gnutls_x509_privkey_deinit(k);
}

static void make_pair(gnutls_pk_algorithm_t pk, unsigned bits, char key[8192], struct buf *crt)
{
    make_pair_until(pk, bits, clock_now() + 3600, key, crt);
}

static void keys_of_each_kind_sign(void **state)
{
    static const struct {
        gnutls_pk_algorithm_t pk;
        unsigned bits;
    } kinds[] = {
        {GNUTLS_PK_EDDSA_ED25519, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_ED25519)},
        {GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP384R1)},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct house h = {0};
        char key[8192];

        buf_init(&h.pem, TLS_PEM_MAX);
        make_pair(kinds[i].pk, kinds[i].bits, key, &h.pem);
        house_with(&h, key, buf_span(&h.pem));
        meet(&h, "NORMAL");
        talk(&h);
        meet(&h, "NORMAL:-CIPHER-ALL:+AES-128-GCM:-GROUP-ALL:+GROUP-SECP521R1:+GROUP-SECP256R1");
        hang_up(&h);
        tls_server_free(h.server);
        tls_key_free(h.key);
        buf_free(&h.pem);
    }
}

static void other_keys_and_files_are_refused_with_a_cure(void **state)
{
    struct tls_certificate is;
    struct tls_key *k;
    struct err e = ERR_INIT, f = ERR_INIT;
    struct buf crt, two;
    char key[8192];

    (void)state;
    buf_init(&crt, TLS_PEM_MAX);
    make_pair(GNUTLS_PK_RSA, 2048, key, &crt);
    assert_int_equal(tls_key_read(&k, file_of(key, strlen(key), 0600), "k.pem", &e), -EINVAL);
    assert_non_null(strstr(err_text(&e), "ec_paramgen_curve:P-256"));
    assert_int_equal(tls_certificate_read(buf_span(&crt), &is, &f), -EINVAL);
    assert_non_null(strstr(err_text(&f), "P-256"));
    buf_reset(&crt);
    make_pair(GNUTLS_PK_ECDSA, P256, key, &crt);
    e = (struct err)ERR_INIT;
    assert_int_equal(tls_key_read(&k, file_of(key, strlen(key), 0640), "k.pem", &e), -EACCES);
    assert_non_null(strstr(err_text(&e), "chmod 600"));
    assert_int_equal(tls_key_read(&k, file_of("x", 1, 0600), "k.pem", NULL), -EINVAL);
    assert_int_equal(tls_key_read(&k, file_of("", 0, 0600), "k.pem", NULL), -EINVAL);
    assert_int_equal(tls_certificate_read(span_str(key), &is, NULL), -EINVAL);
    assert_int_equal(tls_certificate_read(span_str(""), &is, NULL), -EINVAL);
    assert_int_equal(tls_certificate_read(buf_span(&crt), &is, NULL), 0);
    assert_true(is.begins <= clock_now() && is.expires > clock_now());
    buf_init(&two, TLS_PEM_MAX); /* neither signed the other */
    make_pair(GNUTLS_PK_ECDSA, P256, key, &two);
    assert_int_equal(buf_put(&two, crt.data, crt.len), 0);
    assert_int_equal(tls_certificate_read(buf_span(&two), &is, NULL), -EINVAL);
    buf_free(&two);
    buf_free(&crt);
}

static void a_server_keeps_its_certificate_when_the_new_one_is_bad(void **state)
{
    struct house *h = *state;
    struct tls_certificate before, after;

    tls_server_certificate_is(h->server, &before);
    assert_int_equal(tls_server_certificate(h->server, span_str("no PEM"), NULL), -EINVAL);
    tls_server_certificate_is(h->server, &after);
    assert_memory_equal(&before, &after, sizeof(before));
    meet(h, "NORMAL");
    assert_int_equal(tls_server_certificate(h->server, buf_span(&h->pem), NULL), 0);
    talk(h); /* a session lives on with the chain it began with */
}

static void who_is_refused_hears_why(void **state)
{
    static const struct {
        const char *priorities, *alpn, *why;
        int alert;
    } rows[] = {
        {"NORMAL:-VERS-ALL:+VERS-TLS1.2", "http/1.1", "TLS 1.2 or older",
         GNUTLS_A_PROTOCOL_VERSION},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.1:+VERS-TLS1.0:%COMPAT", NULL, "TLS 1.2 or older",
         GNUTLS_A_PROTOCOL_VERSION},
        {"NORMAL", "h2", "another protocol", GNUTLS_A_NO_APPLICATION_PROTOCOL},
        {"NORMAL:-GROUP-ALL:+GROUP-SECP521R1", "http/1.1", "no group", GNUTLS_A_HANDSHAKE_FAILURE},
        {"NORMAL:-CIPHER-ALL:+AES-128-CCM", "http/1.1", "cipher suite", GNUTLS_A_HANDSHAKE_FAILURE},
    };
    struct house *h = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *why;
        int client, rc;

        call(h, rows[i].priorities, NULL, rows[i].alpn);
        rc = shake(h, &client, &why);
        assert_int_equal(rc, -EPROTO);
        if (strstr(why, rows[i].why) == NULL)
            fail_msg("%s: \"%s\"", rows[i].priorities, why);
        assert_int_equal(client, GNUTLS_E_FATAL_ALERT_RECEIVED);
        assert_int_equal(gnutls_alert_get(h->c), rows[i].alert);
    }
    assert_int_equal(h->asked, 0); /* nobody troubled the key */
}

static void bytes_that_are_no_tls_are_refused(void **state)
{
    static const char *const wrong[] = {"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                                        "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03", "\x80\x2e\x01",
                                        "SSH-2.0-x\r\n"};
    struct house *h = *state;

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        const char *why = "";
        size_t n = i == 1 ? 10 : strlen(wrong[i]);

        connect_raw(h);
        assert_int_equal(send(h->fd[1], wrong[i], n, 0), n);
        assert_int_equal(shutdown(h->fd[1], SHUT_WR), 0);
        assert_int_equal(tls_handshake(h->t, &why), -EPROTO);
        assert_true(strlen(why) > 0);
        if (i == 0)
            assert_non_null(strstr(why, "no TLS"));
    }
}

static void clients_refuse_a_wrong_name_and_a_stranger(void **state)
{
    struct house *h = *state;
    const char *why;
    struct buf other;
    char key[8192];
    int client;

    call(h, "NORMAL", "other.example", NULL);
    (void)shake(h, &client, &why);
    assert_int_equal(client, GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR);
    call(h, "NORMAL", "127.0.0.1", NULL); /* the second name of the certificate */
    assert_int_equal(shake(h, &client, &why), 0);
    assert_int_equal(client, 0);
    buf_init(&other, TLS_PEM_MAX);
    make_pair(GNUTLS_PK_ECDSA, P256, key, &other); /* trusted is another */
    buf_free(&h->pem);
    h->pem = other;
    call(h, "NORMAL", "localhost", NULL);
    (void)shake(h, &client, &why);
    assert_int_equal(client, GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR);
}

static void clients_refuse_an_expired_certificate(void **state)
{
    struct tls_certificate is;
    struct house h = {0};
    const char *why;
    char key[8192];
    int client;

    (void)state;
    buf_init(&h.pem, TLS_PEM_MAX);
    make_pair_until(GNUTLS_PK_ECDSA, P256, clock_now() - 60, key, &h.pem);
    house_with(&h, key, buf_span(&h.pem));
    tls_server_certificate_is(h.server, &is);
    assert_true(is.expires < clock_now()); /* its operator can know */
    call(&h, "NORMAL", "localhost", NULL);
    (void)shake(&h, &client, &why);
    assert_int_equal(client, GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR);
    assert_true(gnutls_session_get_verify_cert_status(h.c) & GNUTLS_CERT_EXPIRED);
    hang_up(&h);
    tls_server_free(h.server);
    tls_key_free(h.key);
    buf_free(&h.pem);
}

static int sign_by_another(void *arg, const struct digest *id, const uint8_t *transcript, size_t n,
                           uint8_t sig[TLS_SIGNATURE_MAX], size_t *len)
{
    (void)id;
    return tls_key_sign(arg, transcript, n, sig, len);
}

static void without_a_signature_or_with_a_wrong_one_there_is_no_session(void **state)
{
    struct house *h = *state;
    struct tls_server *right = h->server, *wrong;
    struct tls_key *other;
    const char *why;
    char key[8192];
    struct buf crt;
    int client;

    h->refuse = EIO;
    call(h, "NORMAL", "localhost", NULL);
    assert_int_equal(shake(h, &client, &why), -EPROTO);
    assert_string_equal(why, "the signer did not sign");
    assert_true(client < 0);
    h->refuse = 0;
    buf_init(&crt, TLS_PEM_MAX);
    make_pair(GNUTLS_PK_ECDSA, P256, key, &crt);
    assert_int_equal(tls_key_read(&other, file_of(key, strlen(key), 0600), "k", NULL), 0);
    assert_int_equal(tls_server_new(&wrong, sign_by_another, other, NULL), 0);
    assert_int_equal(tls_server_certificate(wrong, buf_span(&h->pem), NULL), 0);
    h->server = wrong;
    call(h, "NORMAL", "localhost", NULL);
    (void)shake(h, &client, &why);
    assert_int_equal(client, GNUTLS_E_PK_SIG_VERIFY_FAILED);
    hang_up(h);
    h->server = right;
    tls_server_free(wrong);
    tls_key_free(other);
    buf_free(&crt);
}

static void what_the_key_signs_is_the_text_of_rfc_8446(void **state)
{
    struct house *h = *state;
    uint8_t transcript[48], content[64 + 34 + 48], sig[TLS_SIGNATURE_MAX];
    gnutls_datum_t pem = {h->pem.data, (unsigned)h->pem.len}, d = {content, 0}, s = {sig, 0};
    gnutls_x509_crt_t crt;
    gnutls_pubkey_t pub;
    size_t len;

    assert_int_equal(gnutls_x509_crt_init(&crt), 0);
    assert_int_equal(gnutls_x509_crt_import(crt, &pem, GNUTLS_X509_FMT_PEM), 0);
    assert_int_equal(gnutls_pubkey_init(&pub), 0);
    assert_int_equal(gnutls_pubkey_import_x509(pub, crt, 0), 0);
    memset(transcript, 7, sizeof(transcript));
    for (size_t n = 0; n <= sizeof(transcript); n++) {
        int rc = tls_key_sign(h->key, transcript, n, sig, &len);

        if (n != 32 && n != 48) {
            assert_int_equal(rc, -EINVAL);
            continue;
        }
        assert_int_equal(rc, 0);
        memset(content, 0x20, 64);
        memcpy(content + 64, "TLS 1.3, server CertificateVerify", 34);
        memset(content + 98, 7, n);
        d.size = (unsigned)(98 + n);
        s.size = (unsigned)len;
        assert_true(
            gnutls_pubkey_verify_data2(pub, GNUTLS_SIGN_ECDSA_SECP256R1_SHA256, 0, &d, &s) >= 0);
        content[64] ^= 1;
        assert_true(gnutls_pubkey_verify_data2(pub, GNUTLS_SIGN_ECDSA_SECP256R1_SHA256, 0, &d, &s) <
                    0);
    }
    gnutls_pubkey_deinit(pub);
    gnutls_x509_crt_deinit(crt);
}

static void key_updates_are_followed_but_not_without_end(void **state)
{
    struct house *h = *state;
    ssize_t got = -EAGAIN;
    char in[8];
    bool dry;

    meet(h, "NORMAL");
    assert_int_equal(gnutls_session_key_update(h->c, GNUTLS_KU_PEER), 0);
    talk(h);
    talk(h);
    for (int i = 0; i < 200 && got == -EAGAIN; i++) {
        assert_int_equal(gnutls_session_key_update(h->c, 0), 0);
        got = tls_recv(h->t, in, sizeof(in), &dry);
    }
    assert_int_equal(got, -EPROTO);
}

static void an_end_in_order_is_told_from_a_cut(void **state)
{
    struct house *h = *state;
    char in[8];
    bool dry;

    meet(h, "NORMAL");
    assert_int_equal(gnutls_record_send(h->c, "x", 1), 1);
    assert_int_equal(gnutls_bye(h->c, GNUTLS_SHUT_WR), 0);
    assert_int_equal(tls_recv(h->t, in, sizeof(in), &dry), 1);
    assert_int_equal(tls_recv(h->t, in, sizeof(in), &dry), 0);
    /* half closed: the other direction still works */
    assert_int_equal(tls_send(h->t, "late", 4), 4);
    assert_int_equal(tls_flush(h->t), 0);
    assert_int_equal(gnutls_record_recv(h->c, in, sizeof(in)), 4);
    tls_bye(h->t);
    assert_int_equal(gnutls_record_recv(h->c, in, sizeof(in)), 0);

    meet(h, "NORMAL");
    assert_int_equal(gnutls_record_send(h->c, "x", 1), 1);
    assert_int_equal(shutdown(h->fd[1], SHUT_WR), 0);
    assert_int_equal(tls_recv(h->t, in, sizeof(in), &dry), 1);
    assert_int_equal(tls_recv(h->t, in, sizeof(in), &dry), -EPROTO);

    meet(h, "NORMAL"); /* and a flipped byte */
    assert_int_equal(send(h->fd[1], "\x17\x03\x03\x00\x12xxxxxxxxxxxxxxxxxx", 23, 0), 23);
    assert_int_equal(tls_recv(h->t, in, sizeof(in), &dry), -EPROTO);
}

static void what_is_taken_arrives_however_full_the_socket(void **state)
{
    enum { ALL = 1 << 20 };
    struct house *h = *state;
    uint8_t *out = malloc(ALL), *in = malloc(ALL);
    size_t sent = 0, got = 0, blocked = 0;

    assert_non_null(out);
    assert_non_null(in);
    for (size_t i = 0; i < ALL; i++)
        out[i] = (uint8_t)(i * 31 + i / 251);
    meet(h, "NORMAL");
    while (got < ALL) {
        for (ssize_t n = 0; sent < ALL && n >= 0;) { /* without asking first */
            n = tls_send(h->t, out + sent, ALL - sent);
            assert_true(n == -EAGAIN || (n > 0 && n <= TLS_RECORD));
            sent += n > 0 ? (size_t)n : 0;
        }
        blocked += sent < ALL;
        for (;;) {
            ssize_t n = gnutls_record_recv(h->c, in + got, ALL - got);

            if (n == GNUTLS_E_AGAIN)
                break;
            assert_true(n > 0);
            got += (size_t)n;
            if (got == ALL)
                break;
        }
        if (sent == ALL)
            (void)!tls_flush(h->t);
    }
    assert_true(blocked > 0);
    assert_memory_equal(in, out, ALL);
    free(out);
    free(in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        T(a_client_that_trusts_the_certificate_is_served),
        T(the_transcript_is_right_for_every_hash_and_after_a_retry),
        T(keys_of_each_kind_sign),
        T(other_keys_and_files_are_refused_with_a_cure),
        T(a_server_keeps_its_certificate_when_the_new_one_is_bad),
        T(who_is_refused_hears_why),
        T(bytes_that_are_no_tls_are_refused),
        T(clients_refuse_a_wrong_name_and_a_stranger),
        T(clients_refuse_an_expired_certificate),
        T(without_a_signature_or_with_a_wrong_one_there_is_no_session),
        T(what_the_key_signs_is_the_text_of_rfc_8446),
        T(key_updates_are_followed_but_not_without_end),
        T(an_end_in_order_is_told_from_a_cut),
        T(what_is_taken_arrives_however_full_the_socket),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* tls.c - sessions of TLS 1.3 servers whose key is elsewhere.
 *
 * GnuTLS hashes what an ECDSA key signs before it asks for the signature, so the callback sees 32
 * bytes that could be the hash of anything.  The key's side wants to see what it signs.  So the
 * session keeps a transcript of its own beside GnuTLS's, from the messages that the handshake hook
 * shows; when the signature is due it puts the CertificateVerify content together, compares it with
 * what GnuTLS asks for, and hands the transcript's hash to the key's side, which puts the content
 * together again.  If the two ever differed the handshake would fail, not sign something else. */
#include "crypto/tls_priv.h"

#include <assert.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"

#define HELLO_MAX 16384 /* a ClientHello of today has 2 KiB */
#define MESSAGE_MAX 16384
#define TURNS 4096
#define PRIORITIES                                                                                 \
    "NONE:+VERS-TLS1.3:+AES-256-GCM:+AES-128-GCM:+CHACHA20-POLY1305:+AEAD:+MAC-ALL:+GROUP-X25519:" \
    "+GROUP-SECP256R1:+GROUP-SECP384R1:+SIGN-ECDSA-SECP256R1-SHA256:+SIGN-ECDSA-SECP384R1-SHA384:" \
    "+SIGN-EDDSA-ED25519:+COMP-NULL:+CTYPE-SRV-X509"

struct chain { /* sessions of an older one may still be open */
    size_t refs;
    gnutls_pcert_st cert[TLS_CHAIN_MAX];
    unsigned n;
    const struct tls_scheme *scheme;
    struct tls_certificate is;
};

struct tls_server {
    gnutls_priority_t priorities;
    gnutls_certificate_credentials_t credentials;
    tls_sign_fn sign;
    void *arg;
    struct chain *chain;
};

struct tls_session {
    struct tls_server *server;
    struct chain *chain;
    gnutls_session_t s;
    gnutls_privkey_t key; /* only a name for the callback */
    struct buf first;     /* the first ClientHello, until the hash to use is known */
    gnutls_hash_hd_t transcript;
    gnutls_digest_algorithm_t hash;
    bool hello;   /* a ClientHello came */
    bool offered; /* ... that offers TLS 1.3 */
    bool strayed; /* our transcript is not to be used */
    bool waiting; /* for a signature; still so at the end: it did not come */
    bool ended;   /* the peer has said that it sends no more */
    bool broken;
    int fd;
    bool stalled; /* the socket said EAGAIN */
    unsigned turns;
};

/* --- the transcript (RFC 8446 section 4.4.1) --- */

static bool is_retry(unsigned type, const gnutls_datum_t *m)
{
    /* the random of a HelloRetryRequest: SHA-256 of those words (section 4.1.3) */
    static const uint8_t magic[32] = {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11,
                                      0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
                                      0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e,
                                      0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};

    return type == GNUTLS_HANDSHAKE_HELLO_RETRY_REQUEST ||
           (type == GNUTLS_HANDSHAKE_SERVER_HELLO && m->size >= 34 &&
            memcmp(m->data + 2, magic, sizeof(magic)) == 0);
}

static int add(gnutls_hash_hd_t h, unsigned type, const void *p, size_t n)
{
    const uint8_t head[4] = {(uint8_t)type, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};

    return gnutls_hash(h, head, sizeof(head)) == 0 && gnutls_hash(h, p, n) == 0 ? 0 : -EIO;
}

/* The first answer: now it is known which hash, and whether the first hello only counts by its
 * hash. */
static int transcript_begin(struct tls_session *t, bool retry)
{
    uint8_t of_first[TLS_TRANSCRIPT_MAX];
    gnutls_hash_hd_t h = NULL;
    size_t len;
    int rc;

    t->hash = gnutls_prf_hash_get(t->s);
    if (t->hash != GNUTLS_DIG_SHA256 && t->hash != GNUTLS_DIG_SHA384)
        return -EINVAL;
    len = gnutls_hash_get_len(t->hash);
    if (gnutls_hash_init(&t->transcript, t->hash) != 0)
        return -ENOMEM;
    if (!retry) {
        rc = add(t->transcript, GNUTLS_HANDSHAKE_CLIENT_HELLO, t->first.data, t->first.len);
    } else {
        if (gnutls_hash_init(&h, t->hash) != 0)
            return -ENOMEM;
        rc = add(h, GNUTLS_HANDSHAKE_CLIENT_HELLO, t->first.data, t->first.len);
        gnutls_hash_deinit(h, of_first);
        if (rc == 0)
            rc = add(t->transcript, 254 /* message_hash */, of_first, len);
    }
    buf_free(&t->first);
    return rc;
}

/* Does a ClientHello offer TLS 1.3?  Only to tell its sender why it is refused; GnuTLS decides. */
static bool offers_13(struct span hello)
{
    struct cur c = cur_of(hello), list;
    struct span skip, data;
    uint16_t n, type, version;
    uint8_t len;

    if (cur_take(&c, 34, &skip) != 0 || cur_u8(&c, &len) != 0 || cur_take(&c, len, &skip) != 0 ||
        cur_u16(&c, &n) != 0 || cur_take(&c, n, &skip) != 0 || cur_u8(&c, &len) != 0 ||
        cur_take(&c, len, &skip) != 0 || cur_u16(&c, &n) != 0)
        return false;
    while (cur_u16(&c, &type) == 0 && cur_u16(&c, &n) == 0 && cur_take(&c, n, &data) == 0) {
        if (type != 43) /* supported_versions */
            continue;
        list = cur_of(data);
        if (cur_u8(&list, &len) != 0)
            return false;
        while (cur_u16(&list, &version) == 0)
            if (version == 0x0304)
                return true;
        return false;
    }
    return false;
}

static int hello_came(struct tls_session *t, const gnutls_datum_t *m)
{
    t->hello = true;
    if (m->size > HELLO_MAX)
        return -E2BIG;
    if (t->transcript != NULL) /* the second one, after a retry */
        return add(t->transcript, GNUTLS_HANDSHAKE_CLIENT_HELLO, m->data, m->size);
    t->offered = offers_13(span_of(m->data, m->size));
    buf_reset(&t->first);
    return buf_put(&t->first, m->data, m->size);
}

static int on_message(gnutls_session_t s, unsigned type, unsigned when, unsigned incoming,
                      const gnutls_datum_t *m)
{
    struct tls_session *t = gnutls_session_get_ptr(s);
    int rc = 0;

    /* incoming ones before GnuTLS looks at them, outgoing ones when they are made */
    if (incoming != 0 && when == GNUTLS_HOOK_PRE && type == GNUTLS_HANDSHAKE_CLIENT_HELLO) {
        rc = hello_came(t, m);
    } else if (incoming == 0 && when == GNUTLS_HOOK_POST && t->key != NULL) {
        bool retry = is_retry(type, m);

        if (t->transcript == NULL)
            rc = transcript_begin(t, retry);
        if (rc == 0)
            rc = add(t->transcript, retry ? GNUTLS_HANDSHAKE_SERVER_HELLO : type, m->data, m->size);
    }
    if (rc != 0)
        t->strayed = true; /* the signature will be refused */
    return 0;
}

/* --- the signature --- */

/* asked: what GnuTLS wants signed, or its hash. */
static int sign(struct tls_session *t, gnutls_sign_algorithm_t algo, const gnutls_datum_t *asked,
                gnutls_datum_t *signature)
{
    uint8_t content[TLS_CONTENT_MAX], hash[TLS_TRANSCRIPT_MAX], digest[64], sig[TLS_SIGNATURE_MAX];
    const struct tls_scheme *scheme = t->chain->scheme;
    size_t n, len = 0;
    const uint8_t *ours = content;

    if (t->strayed || t->transcript == NULL || algo != scheme->sign)
        return GNUTLS_E_PK_SIGN_FAILED;
    gnutls_hash_deinit(t->transcript, hash);
    t->transcript = NULL;
    t->strayed = true; /* no second signature in one handshake */
    n = tls_content(hash, gnutls_hash_get_len(t->hash), content);
    if (scheme->hash != GNUTLS_DIG_UNKNOWN) {
        if (gnutls_hash_fast(scheme->hash, content, n, digest) != 0)
            return GNUTLS_E_PK_SIGN_FAILED;
        ours = digest;
        n = gnutls_hash_get_len(scheme->hash);
    }
    if (asked->size != n || memcmp(asked->data, ours, n) != 0)
        return GNUTLS_E_PK_SIGN_FAILED;
    t->waiting = true;
    if (t->server->sign(t->server->arg, &t->chain->is.key_id, hash, gnutls_hash_get_len(t->hash),
                        sig, &len) != 0 ||
        len == 0 || len > sizeof(sig) || (signature->data = gnutls_malloc(len)) == NULL)
        return GNUTLS_E_PK_SIGN_FAILED;
    memcpy(signature->data, sig, len);
    signature->size = (unsigned)len;
    t->waiting = false;
    return 0;
}

static int on_sign(gnutls_privkey_t key, gnutls_sign_algorithm_t algo, void *arg, unsigned flags,
                   const gnutls_datum_t *asked, gnutls_datum_t *signature)
{
    (void)key;
    (void)flags;
    return sign(arg, algo, asked, signature);
}

static int on_info(gnutls_privkey_t key, unsigned flags, void *arg)
{
    const struct tls_session *t = arg;
    const struct tls_scheme *scheme = t->chain->scheme;

    (void)key;
    if (flags & GNUTLS_PRIVKEY_INFO_PK_ALGO)
        return (int)scheme->pk;
    if (flags & GNUTLS_PRIVKEY_INFO_PK_ALGO_BITS)
        return (int)scheme->bits;
    if (flags & GNUTLS_PRIVKEY_INFO_SIGN_ALGO)
        return (int)scheme->sign;
    if (flags & GNUTLS_PRIVKEY_INFO_HAVE_SIGN_ALGO)
        return GNUTLS_FLAGS_TO_SIGN_ALGO(flags) == scheme->sign;
    return -1;
}

static int on_certificate(gnutls_session_t s, const struct gnutls_cert_retr_st *info,
                          gnutls_pcert_st **certs, unsigned *n, gnutls_ocsp_data_st **ocsp,
                          unsigned *ocsps, gnutls_privkey_t *key, unsigned *flags)
{
    struct tls_session *t = gnutls_session_get_ptr(s);

    (void)info;
    *certs = t->chain->cert; /* ours, for as long as the session lives */
    *n = t->chain->n;
    *ocsp = NULL;
    *ocsps = 0;
    *key = t->key;
    *flags = 0;
    return 0;
}

/* --- certificates --- */

static void chain_drop(struct chain *c)
{
    if (c == NULL || --c->refs > 0)
        return;
    for (unsigned i = 0; i < c->n; i++)
        gnutls_pcert_deinit(&c->cert[i]);
    free(c);
}

/* The first is the server's own, each is signed by the next; GnuTLS checks the order. */
static int chain_import(struct chain *c, struct span pem, struct err *e)
{
    gnutls_datum_t d = {(uint8_t *)(uintptr_t)pem.p, (unsigned)pem.n};
    gnutls_x509_crt_t *crt = NULL;
    unsigned n = 0, m;
    int rc = gnutls_x509_crt_list_import2(&crt, &n, &d, GNUTLS_X509_FMT_PEM,
                                          GNUTLS_X509_CRT_LIST_FAIL_IF_UNSORTED);

    m = n;
    if (rc < 0 || n == 0 || n > TLS_CHAIN_MAX)
        rc = err_set(e, -EINVAL,
                     "not a chain of 1 to %d certificates in PEM, the server's own first, each "
                     "signed by the next%s%s",
                     TLS_CHAIN_MAX, rc < 0 ? ": " : "", rc < 0 ? gnutls_strerror(rc) : "");
    else if (gnutls_pcert_import_x509_list(c->cert, crt, &m, 0) != 0)
        rc = err_sys(e, -ENOMEM, "reading the certificate");
    else
        rc = 0;
    c->n = rc == 0 ? m : 0;
    if (rc == 0) {
        c->is.begins = gnutls_x509_crt_get_activation_time(crt[0]);
        c->is.expires = gnutls_x509_crt_get_expiration_time(crt[0]);
    }
    for (unsigned i = 0; i < n; i++)
        gnutls_x509_crt_deinit(crt[i]);
    gnutls_free(crt);
    return rc;
}

static int chain_read(struct chain **out, struct span pem, struct err *e)
{
    struct chain *c = NULL;
    int rc;

    *out = NULL;
    if (pem.n == 0 || pem.n > TLS_PEM_MAX)
        return err_set(e, -EINVAL, "a certificate chain is 1 to %d bytes of PEM", TLS_PEM_MAX);
    if ((c = calloc(1, sizeof(*c))) == NULL)
        return err_sys(e, -ENOMEM, "reading the certificate");
    c->refs = 1;
    if ((rc = chain_import(c, pem, e)) == 0 &&
        (c->scheme = tls_scheme_of(c->cert[0].pubkey, &c->is.key_id)) == NULL)
        rc = err_set(e, -EINVAL,
                     "the certificate's key is neither Ed25519 nor ECDSA on P-256 or P-384; ask "
                     "for one of such a key");
    if (rc != 0) {
        chain_drop(c);
        return rc;
    }
    *out = c;
    return 0;
}

int tls_certificate_read(struct span pem, struct tls_certificate *out, struct err *e)
{
    struct chain *c;
    int rc = chain_read(&c, pem, e);

    if (rc != 0)
        return rc;
    *out = c->is;
    chain_drop(c);
    return 0;
}

/* --- servers --- */

int tls_server_new(struct tls_server **out, tls_sign_fn sign_fn, void *arg, struct err *e)
{
    struct tls_server *s = calloc(1, sizeof(*s));
    const char *at = NULL;
    int rc;

    *out = NULL;
    if (s == NULL)
        return err_sys(e, -ENOMEM, "TLS");
    s->sign = sign_fn;
    s->arg = arg;
    if (gnutls_certificate_allocate_credentials(&s->credentials) != 0) {
        free(s);
        return err_sys(e, -ENOMEM, "TLS");
    }
    gnutls_certificate_set_flags(s->credentials, GNUTLS_CERTIFICATE_SKIP_KEY_CERT_MATCH);
    gnutls_certificate_set_retrieve_function3(s->credentials, on_certificate);
    if ((rc = gnutls_priority_init(&s->priorities, PRIORITIES, &at)) != 0) {
        rc =
            err_set(e, -EINVAL, "this system's GnuTLS forbids TLS 1.3 as it is needed here: %s%s%s",
                    gnutls_strerror(rc), at != NULL ? " at " : "", at != NULL ? at : "");
        tls_server_free(s);
        return rc;
    }
    *out = s;
    return 0;
}

void tls_server_free(struct tls_server *s)
{
    if (s == NULL)
        return;
    chain_drop(s->chain);
    if (s->priorities != NULL)
        gnutls_priority_deinit(s->priorities);
    gnutls_certificate_free_credentials(s->credentials);
    free(s);
}

int tls_server_certificate(struct tls_server *s, struct span pem, struct err *e)
{
    struct chain *c;
    int rc = chain_read(&c, pem, e);

    if (rc != 0)
        return rc;
    chain_drop(s->chain);
    s->chain = c;
    return 0;
}

void tls_server_certificate_is(const struct tls_server *s, struct tls_certificate *out)
{
    *out = s->chain->is;
}

/* --- sessions --- */

/* GnuTLS says AGAIN for reasons of its own too, a key update for one.  Whoever waits for the socket
 * must wait only when it was the socket that had nothing. */
static ssize_t pull(gnutls_transport_ptr_t arg, void *p, size_t n)
{
    struct tls_session *t = arg;
    ssize_t got = recv(t->fd, p, n, 0);

    if (got < 0 && errno == EAGAIN)
        t->stalled = true;
    return got;
}

static ssize_t push(gnutls_transport_ptr_t arg, const giovec_t *iov, int n)
{
    struct tls_session *t = arg;
    struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)n};
    ssize_t sent = sendmsg(t->fd, &m, MSG_NOSIGNAL);

    if (sent < 0 && errno == EAGAIN)
        t->stalled = true;
    return sent;
}

/* Is it to be called again at once? */
static bool go_on(struct tls_session *t, ssize_t rc)
{
    if (++t->turns == TURNS) /* more than GnuTLS's own limit of updates: never seen */
        return false;
    return rc == GNUTLS_E_INTERRUPTED || (rc == GNUTLS_E_AGAIN && !t->stalled);
}

static int session_start(struct tls_session *t, int fd)
{
    static const gnutls_datum_t http = {(unsigned char *)(uintptr_t) "http/1.1", 8};

    if (gnutls_init(&t->s,
                    GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS) != 0)
        return -ENOMEM;
    gnutls_session_set_ptr(t->s, t);
    if (gnutls_privkey_init(&t->key) != 0 ||
        gnutls_privkey_import_ext4(t->key, t, on_sign, on_sign, NULL, NULL, on_info, 0) != 0 ||
        gnutls_priority_set(t->s, t->server->priorities) != 0 ||
        gnutls_credentials_set(t->s, GNUTLS_CRD_CERTIFICATE, t->server->credentials) != 0 ||
        gnutls_alpn_set_protocols(t->s, &http, 1, GNUTLS_ALPN_MANDATORY) != 0)
        return -ENOMEM;
    gnutls_certificate_server_set_request(t->s, GNUTLS_CERT_IGNORE);
    gnutls_handshake_set_max_packet_length(t->s, MESSAGE_MAX);
    gnutls_handshake_set_hook_function(t->s, GNUTLS_HANDSHAKE_ANY, GNUTLS_HOOK_BOTH, on_message);
    t->fd = fd;
    gnutls_transport_set_ptr(t->s, t);
    gnutls_transport_set_pull_function(t->s, pull);
    gnutls_transport_set_vec_push_function(t->s, push);
    return 0;
}

int tls_open(struct tls_session **out, struct tls_server *server, int fd)
{
    struct tls_session *t = calloc(1, sizeof(*t));
    int rc;

    *out = NULL;
    if (t == NULL)
        return -ENOMEM;
    assert(server->chain != NULL);
    t->server = server;
    t->chain = server->chain;
    t->chain->refs++;
    buf_init(&t->first, HELLO_MAX);
    if ((rc = session_start(t, fd)) != 0) {
        tls_close(t);
        return rc;
    }
    *out = t;
    return 0;
}

static void transcript_end(struct tls_session *t)
{
    if (t->transcript != NULL)
        gnutls_hash_deinit(t->transcript, NULL);
    t->transcript = NULL;
    buf_free(&t->first);
}

void tls_close(struct tls_session *t)
{
    if (t == NULL)
        return;
    if (t->s != NULL)
        gnutls_deinit(t->s);
    if (t->key != NULL)
        gnutls_privkey_deinit(t->key);
    transcript_end(t);
    chain_drop(t->chain);
    free(t);
}

static const struct {
    int code;
    const char *why;
} reasons[] = {
    {GNUTLS_E_PREMATURE_TERMINATION, "the client left in the middle"},
    {GNUTLS_E_PULL_ERROR, "the connection broke"},
    {GNUTLS_E_PUSH_ERROR, "the connection broke"},
    {GNUTLS_E_FATAL_ALERT_RECEIVED, "the client refuses the certificate or the handshake"},
    {GNUTLS_E_NO_APPLICATION_PROTOCOL, "the client wants another protocol than http/1.1"},
    {GNUTLS_E_NO_CIPHER_SUITES, "the client has no cipher suite of this site"},
    {GNUTLS_E_INSUFFICIENT_CREDENTIALS, "the client takes no signature of the site's key"},
    {GNUTLS_E_NO_COMMON_KEY_SHARE, "the client has no group of this site"},
    {GNUTLS_E_PK_SIGN_FAILED, "the handshake could not be signed"},
};

static const char *reason(const struct tls_session *t, int code)
{
    if (t->waiting)
        return "the signer did not sign";
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (reasons[i].code == code &&
            (i <= 3 || t->offered)) /* who offers no TLS 1.3 fails at whatever comes first */
            return reasons[i].why;
    if (!t->hello)
        return "the client speaks no TLS";
    if (!t->offered)
        return "the client speaks TLS 1.2 or older only; this site speaks TLS 1.3";
    return "the handshake is malformed";
}

int tls_handshake(struct tls_session *t, const char **why)
{
    int rc;

    t->stalled = false;
    t->turns = 0;
    do
        rc = gnutls_handshake(t->s);
    while (go_on(t, rc));
    if (rc == GNUTLS_E_AGAIN)
        return -EAGAIN;
    transcript_end(t);
    if (rc == 0)
        return 0;
    *why = reason(t, rc);
    t->broken = true;
    if (t->hello && !t->offered)
        (void)gnutls_alert_send(t->s, GNUTLS_AL_FATAL, GNUTLS_A_PROTOCOL_VERSION);
    else if (rc != GNUTLS_E_FATAL_ALERT_RECEIVED)
        (void)gnutls_alert_send_appropriate(t->s, rc);
    return -EPROTO;
}

bool tls_wants_write(const struct tls_session *t)
{
    return gnutls_record_get_direction(t->s) == 1;
}

ssize_t tls_recv(struct tls_session *t, void *p, size_t n, bool *dry)
{
    uint8_t *out = p;
    size_t got = 0;

    *dry = t->stalled = false;
    t->turns = 0;
    while (got < n && !t->ended && !t->broken) {
        ssize_t k = gnutls_record_recv(t->s, out + got, n - got);

        if (k > 0) {
            got += (size_t)k;
        } else if (k == GNUTLS_E_AGAIN && t->stalled) {
            *dry = true;
            break;
        } else if (k == 0) {
            t->ended = true;
        } else if (!go_on(t, k)) {
            t->broken = true;
        }
    }
    if (got > 0)
        return (ssize_t)got;
    return *dry ? -EAGAIN : t->ended ? 0 : -EPROTO;
}

int tls_flush(struct tls_session *t)
{
    ssize_t k;

    if (t->broken)
        return -EPROTO;
    t->stalled = false;
    t->turns = 0;
    do
        k = gnutls_record_send(t->s, NULL, 0);
    while (go_on(t, k));
    if (k == GNUTLS_E_AGAIN)
        return -EAGAIN;
    if (k < 0 && k != GNUTLS_E_INVALID_REQUEST) /* nothing waited */
        t->broken = true;
    return t->broken ? -EPROTO : 0;
}

ssize_t tls_send(struct tls_session *t, const void *p, size_t n)
{
    ssize_t k;
    int rc = tls_flush(t); /* GnuTLS would take these bytes for a repetition of those */

    if (rc != 0)
        return rc;
    if (n > TLS_RECORD)
        n = TLS_RECORD;
    k = gnutls_record_send(t->s, p, n);
    if (k == GNUTLS_E_AGAIN || k == GNUTLS_E_INTERRUPTED)
        return (ssize_t)n; /* encrypted, and kept by GnuTLS until it is flushed */
    if (k < 0) {
        t->broken = true;
        return -EPROTO;
    }
    return k;
}

void tls_bye(struct tls_session *t)
{
    if (!t->broken)
        (void)!gnutls_bye(t->s, GNUTLS_SHUT_WR);
}

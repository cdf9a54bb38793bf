/* tls.h - the server's side of TLS 1.3 (RFC 8446) over a non-blocking socket, by GnuTLS, with the
 * private key somewhere else.
 *
 * A server has a certificate chain and a function that gets signatures; a session is one
 * connection:
 *
 *   tls_server_new -> tls_server_certificate -> for each socket: tls_open, tls_handshake until 0,
 *   then tls_recv, tls_send and tls_flush, tls_bye -> tls_close
 *
 * The key's side, in another process, has the key and makes signatures and nothing else:
 *
 *   tls_key_read -> tls_key_sign ... -> tls_key_free
 *
 * What crosses between the two is the hash of a handshake's transcript.  The key's side itself puts
 * the 64 blanks and the words "TLS 1.3, server CertificateVerify" before it (RFC 8446 section
 * 4.4.3), so whatever the other side sends, the key signs nothing but a TLS 1.3 server's handshake.
 *
 * Only TLS 1.3, AES-GCM and ChaCha20, X25519 and the NIST curves; no tickets, no early data, no
 * client certificates, ALPN http/1.1.  Keys are Ed25519 or ECDSA on P-256 or P-384.
 *
 * Threads: a session is for one thread at a time; servers and certificates are for the thread that
 * opens and closes sessions.  tls_handshake and what it calls (the signing function too) may run in
 * any thread while that session is left alone elsewhere. */
#ifndef CRYPTO_TLS_H
#define CRYPTO_TLS_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"

#define TLS_TRANSCRIPT_MAX 48 /* SHA-256 or SHA-384 */
#define TLS_SIGNATURE_MAX 112 /* DER of P-384 */
#define TLS_CHAIN_MAX 8       /* certificates */
#define TLS_PEM_MAX 65536     /* bytes of a chain's file */
#define TLS_RECORD 16384      /* most bytes one record takes */

/* --- the key --- */

struct tls_key;
/* From a PEM file's descriptor (PKCS#8, SEC1); takes fd, also on failure.  Refuses a file that
 * others than its owner may read, and keys of another kind.  name is for messages. */
MUST_CHECK int tls_key_read(struct tls_key **out, int fd, const char *name, struct err *e);
void tls_key_free(struct tls_key *k); /* NULL is fine; wiped */
/* SHA-256 of its public half (SubjectPublicKeyInfo): what a certificate names it by. */
void tls_key_id(const struct tls_key *k, struct digest *id);
/* Signs the CertificateVerify of a transcript of n bytes.  -EINVAL: no hash has that length. */
MUST_CHECK int tls_key_sign(const struct tls_key *k, const uint8_t *transcript, size_t n,
                            uint8_t sig[TLS_SIGNATURE_MAX], size_t *len);

/* A new P-256 key and a certificate signed by itself, for the names (hosts or addresses), valid
 * from now for so many days, both PEM.  key must have room for TLS_KEY_PEM bytes and is the
 * caller's to wipe. */
#define TLS_KEY_PEM 1024
MUST_CHECK int tls_self_signed(const char *const *names, size_t n, unsigned days,
                               char key[TLS_KEY_PEM], struct buf *certificate, struct err *e);

/* --- the server --- */

struct tls_server;
/* Gets a signature by the key with that id over a transcript.  0 or a negative errno; may block, as
 * long as tls_handshake's caller can wait. */
typedef int (*tls_sign_fn)(void *arg, const struct digest *id, const uint8_t *transcript, size_t n,
                           uint8_t sig[TLS_SIGNATURE_MAX], size_t *len);
/* Reads GnuTLS's system-wide settings: before the jail. */
MUST_CHECK int tls_server_new(struct tls_server **out, tls_sign_fn sign, void *arg, struct err *e);
void tls_server_free(struct tls_server *s); /* after the last session; NULL is fine */
/* The chain, PEM, the server's own certificate first; for sessions opened from now on.  The old one
 * stays if this fails. */
MUST_CHECK int tls_server_certificate(struct tls_server *s, struct span pem, struct err *e);
struct tls_certificate {
    struct digest key_id;
    unix_time begins, expires;
};
void tls_server_certificate_is(const struct tls_server *s, struct tls_certificate *out);
/* The same of a chain that is nowhere in use yet. */
MUST_CHECK int tls_certificate_read(struct span pem, struct tls_certificate *out, struct err *e);

/* --- a session --- */

struct tls_session;
/* fd is lent and stays the caller's to close.  -ENOMEM. */
MUST_CHECK int tls_open(struct tls_session **out, struct tls_server *server, int fd);
void tls_close(struct tls_session *t); /* frees; says nothing to the peer; NULL is fine */

/* 0: established.  -EAGAIN: call again when the socket is readable (or writable, see
 * tls_wants_write).  -EPROTO: over, an alert is sent, why says what was wrong (a static text). */
MUST_CHECK int tls_handshake(struct tls_session *t, const char **why);
bool tls_wants_write(const struct tls_session *t);
/* Received bytes, as many as are there up to n; *dry: the socket has no more now.  0: the peer has
 * said that it sends no more.  -EAGAIN; -EPROTO: it broke the protocol, or the connection broke.
 * Key updates of the peer are followed in here. */
ssize_t tls_recv(struct tls_session *t, void *p, size_t n, bool *dry);
/* Takes up to n bytes, at most one record's; -EAGAIN: earlier ones are still on their way; -EPROTO.
 * What was taken is sent when tls_flush says 0. */
ssize_t tls_send(struct tls_session *t, const void *p, size_t n);
MUST_CHECK int tls_flush(struct tls_session *t); /* 0, -EAGAIN, -EPROTO */
void tls_bye(struct tls_session *t); /* close_notify, as far as it goes without waiting */

#endif

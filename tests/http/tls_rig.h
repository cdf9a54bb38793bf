/* tls_rig.h - a TLS server's key and certificate of its own, and clients that are openssl's. */
#ifndef TESTS_HTTP_TLS_RIG_H
#define TESTS_HTTP_TLS_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "crypto/tls.h"

struct tls_rig {
    struct tls_server *server;
    struct tls_key *key;
    char authority[64]; /* the certificate's file */
};

static inline int tls_rig_sign(void *arg, const struct digest *id, const uint8_t *transcript,
                               size_t n, uint8_t sig[TLS_SIGNATURE_MAX], size_t *len)
{
    struct tls_rig *r = arg;

    (void)id;
    return tls_key_sign(r->key, transcript, n, sig, len);
}

/* host: the certificate's first name; the second is 127.0.0.1 */
static inline void tls_rig_open_with(struct tls_rig *r, tls_sign_fn sign, void *arg,
                                     const char *host)
{
    const char *const names[] = {host, "127.0.0.1"};
    char pem[TLS_KEY_PEM], path[] = "/tmp/tls-rig-XXXXXX";
    struct err e = ERR_INIT;
    struct buf crt;
    int fd;

    buf_init(&crt, TLS_PEM_MAX);
    assert_int_equal(tls_self_signed(names, 2, 2, pem, &crt, &e), 0);
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(io_write_all(fd, pem, strlen(pem)), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(tls_key_read(&r->key, fd, "key", &e), 0);
    (void)snprintf(r->authority, sizeof(r->authority), "/tmp/tls-rig-XXXXXX");
    fd = mkstemp(r->authority);
    assert_true(fd >= 0);
    assert_int_equal(io_write_all(fd, crt.data, crt.len), 0);
    io_close(&fd);
    assert_int_equal(tls_server_new(&r->server, sign, arg, &e), 0);
    assert_int_equal(tls_server_certificate(r->server, buf_span(&crt), &e), 0);
    buf_free(&crt);
}

static inline void tls_rig_open(struct tls_rig *r)
{
    tls_rig_open_with(r, tls_rig_sign, r, "localhost");
}

static inline void tls_rig_close(struct tls_rig *r)
{
    tls_server_free(r->server);
    tls_key_free(r->key);
    (void)unlink(r->authority);
}

/* What is written to the descriptor comes out of a TLS connection, and the other way round; it ends
 * when the server ends the connection; an end of what is written ends nothing.  more: options,
 * ended by NULL; may be NULL. */
static inline int tls_rig_connect_with(const char *address, const char *const *more)
{
    const char *argv[32] = {"openssl", "s_client", "-quiet", "-nocommands", "-connect", address};
    int n = 6, sp[2], null;

    while (more != NULL && *more != NULL)
        argv[n++] = *more++;
    (void)signal(SIGCHLD, SIG_IGN); /* nobody waits for them */
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sp), 0);
    switch (fork()) {
    case -1:
        fail_msg("fork");
        break;
    case 0:
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        null = open("/dev/null", O_WRONLY);
        if (dup2(sp[1], 0) < 0 || dup2(sp[1], 1) < 0 || dup2(null, 2) < 0)
            _exit(127);
        (void)execvp("openssl", (char *const *)(uintptr_t)argv);
        _exit(127);
    default:
        break;
    }
    io_close(&sp[1]);
    assert_int_equal(fcntl(sp[0], F_SETFL, O_NONBLOCK), 0);
    return sp[0];
}

static inline int tls_rig_connect(const char *address)
{
    return tls_rig_connect_with(address, NULL);
}

#endif

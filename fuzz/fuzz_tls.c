/* What a client sends to a TLS server: the handshake, our reading of the ClientHello and our own
 * transcript.  Nobody without a key exchange gets through it, so no input may succeed. */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crypto/tls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int asked;

static int no_signature(void *arg, const struct digest *id, const uint8_t *transcript, size_t n,
                        uint8_t sig[TLS_SIGNATURE_MAX], size_t *len)
{
    (void)arg;
    (void)id;
    (void)transcript;
    assert(n == 32 || n == 48);
    asked++;
    memset(sig, 0x30, 70); /* so that the handshake goes on */
    *len = 70;
    return 0;
}

static struct tls_server *server(void)
{
    static const char *const names[] = {"localhost"};
    static struct tls_server *s;
    char key[TLS_KEY_PEM];
    struct buf pem;
    int rc;

    if (s != NULL)
        return s;
    buf_init(&pem, TLS_PEM_MAX);
    rc = tls_self_signed(names, 1, 2, key, &pem, NULL);
    assert(rc == 0);
    rc = tls_server_new(&s, no_signature, NULL, NULL);
    assert(rc == 0);
    rc = tls_server_certificate(s, buf_span(&pem), NULL);
    assert(rc == 0);
    (void)rc;
    buf_free(&pem);
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tls_session *t;
    const char *why = NULL;
    int fd[2], rc;

    if (size > 60000 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) != 0)
        return 0;
    rc = tls_open(&t, server(), fd[0]);
    assert(rc == 0);
    asked = 0;
    if (send(fd[1], data, size, 0) == (ssize_t)size && shutdown(fd[1], SHUT_WR) == 0) {
        rc = tls_handshake(t, &why);
        assert(rc == -EPROTO && why != NULL && strlen(why) > 0);
        assert(asked <= 1);
    }
    tls_close(t);
    (void)close(fd[0]);
    (void)close(fd[1]);
    return 0;
}

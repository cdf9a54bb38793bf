/* tls_key.c - the private key of a TLS server and what it signs. */
#include "crypto/tls_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "crypto/secret.h"
#include "crypto/sha256.h"

#define PEM_MAX 8192

struct tls_key { /* GnuTLS holds the key's numbers on its heap and wipes them on free */
    gnutls_privkey_t handle;
    const struct tls_scheme *scheme;
    struct digest id;
};

static const struct tls_scheme schemes[] = {
    {GNUTLS_PK_EDDSA_ED25519, GNUTLS_ECC_CURVE_ED25519, GNUTLS_SIGN_EDDSA_ED25519,
     GNUTLS_DIG_UNKNOWN, 256},
    {GNUTLS_PK_ECDSA, GNUTLS_ECC_CURVE_SECP256R1, GNUTLS_SIGN_ECDSA_SECP256R1_SHA256,
     GNUTLS_DIG_SHA256, 256},
    {GNUTLS_PK_ECDSA, GNUTLS_ECC_CURVE_SECP384R1, GNUTLS_SIGN_ECDSA_SECP384R1_SHA384,
     GNUTLS_DIG_SHA384, 384},
};

const struct tls_scheme *tls_scheme_of(gnutls_pubkey_t pub, struct digest *id)
{
    gnutls_datum_t der = {NULL, 0}, x = {NULL, 0}, y = {NULL, 0};
    gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;

    if (gnutls_pubkey_export_ecc_raw2(pub, &curve, &x, &y, 0) != 0 ||
        gnutls_pubkey_export2(pub, GNUTLS_X509_FMT_DER, &der) != 0)
        curve = GNUTLS_ECC_CURVE_INVALID;
    else
        sha256_of(der.data, der.size, id);
    gnutls_free(x.data);
    gnutls_free(y.data);
    gnutls_free(der.data);
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
        if (schemes[i].curve == curve)
            return &schemes[i];
    return NULL;
}

size_t tls_content(const uint8_t *transcript, size_t n, uint8_t out[TLS_CONTENT_MAX])
{
    static const char words[34] = "TLS 1.3, server CertificateVerify"; /* with its NUL */

    memset(out, ' ', 64);
    memcpy(out + 64, words, sizeof(words));
    memcpy(out + 64 + sizeof(words), transcript, n);
    return 64 + sizeof(words) + n;
}

static int read_pem(int fd, const char *name, uint8_t *pem, size_t *n, struct err *e)
{
    struct stat st;
    int rc;

    if (fstat(fd, &st) != 0)
        return err_sys(e, -errno, "cannot look at key \"%s\"", name);
    if (!S_ISREG(st.st_mode))
        return err_set(e, -EINVAL, "key \"%s\" is not a regular file", name);
    if ((st.st_mode & 077) != 0)
        return err_set(e, -EACCES, "key \"%s\" may be used by others than its owner: chmod 600 it",
                       name);
    if (st.st_size <= 0 || st.st_size > PEM_MAX)
        return err_set(e, -EINVAL, "key \"%s\" is not a PEM file of 1 to %d bytes", name, PEM_MAX);
    if ((rc = io_read_full(fd, pem, (size_t)st.st_size)) != 0)
        return err_sys(e, rc, "cannot read key \"%s\"", name);
    *n = (size_t)st.st_size;
    return 0;
}

static int import(struct tls_key *k, const uint8_t *pem, size_t n)
{
    gnutls_datum_t d = {(uint8_t *)(uintptr_t)pem, (unsigned)n};
    gnutls_pubkey_t pub = NULL;
    int rc = -EINVAL;

    if (gnutls_privkey_init(&k->handle) != 0 || gnutls_pubkey_init(&pub) != 0)
        rc = -ENOMEM;
    else if (gnutls_privkey_import_x509_raw(k->handle, &d, GNUTLS_X509_FMT_PEM, NULL, 0) == 0 &&
             gnutls_pubkey_import_privkey(pub, k->handle, 0, 0) == 0 &&
             (k->scheme = tls_scheme_of(pub, &k->id)) != NULL)
        rc = 0;
    if (pub != NULL)
        gnutls_pubkey_deinit(pub);
    return rc;
}

int tls_key_read(struct tls_key **out, int fd, const char *name, struct err *e)
{
    uint8_t *pem = secret_alloc(PEM_MAX);
    struct tls_key *k = calloc(1, sizeof(*k));
    size_t n = 0;
    int rc = 0;

    if (pem == NULL)
        rc = secret_err(e, PEM_MAX);
    else if (k == NULL)
        rc = err_sys(e, -ENOMEM, "reading key \"%s\"", name);
    else if ((rc = read_pem(fd, name, pem, &n, e)) == 0 && (rc = import(k, pem, n)) != 0)
        (void)err_set(e, rc,
                      "\"%s\" does not hold a private key for TLS (PEM; Ed25519, or ECDSA on P-256 "
                      "or P-384): openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
                      name);
    secret_free(pem, PEM_MAX);
    io_close(&fd);
    if (rc != 0) {
        tls_key_free(k);
        return rc;
    }
    *out = k;
    return 0;
}

void tls_key_free(struct tls_key *k)
{
    if (k == NULL)
        return;
    if (k->handle != NULL)
        gnutls_privkey_deinit(k->handle);
    free(k);
}

void tls_key_id(const struct tls_key *k, struct digest *id)
{
    *id = k->id;
}

int tls_key_sign(const struct tls_key *k, const uint8_t *transcript, size_t n,
                 uint8_t sig[TLS_SIGNATURE_MAX], size_t *len)
{
    uint8_t content[TLS_CONTENT_MAX];
    gnutls_datum_t data = {content, 0}, out = {NULL, 0};
    int rc = -EIO;

    if (n != 32 && n != 48)
        return -EINVAL;
    data.size = (unsigned)tls_content(transcript, n, content);
    if (gnutls_privkey_sign_data2(k->handle, k->scheme->sign, 0, &data, &out) == 0 &&
        out.size <= TLS_SIGNATURE_MAX) {
        memcpy(sig, out.data, out.size);
        *len = out.size;
        rc = 0;
    }
    gnutls_free(out.data);
    return rc;
}

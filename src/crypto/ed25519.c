#include "crypto/ed25519.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <sodium/crypto_sign_ed25519.h>

#include "base/io.h"
#include "base/text.h"
#include "crypto/secret.h"
#include "crypto/sha256.h"
#include "crypto/sodium_priv.h"

/* RFC 8410 section 7: PrivateKeyInfo of version 0 with id-Ed25519, up to the seed's 32 bytes */
static const uint8_t pkcs8_head[16] = {0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
                                       0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};
#define PKCS8_LEN (sizeof(pkcs8_head) + 32)
#define PEM_HEAD "-----BEGIN PRIVATE KEY-----\n"
#define PEM_TAIL "\n-----END PRIVATE KEY-----\n"
#define PEM_MAX 4096

/* In secret memory, and nowhere else. */
struct ed25519_key {
    uint8_t pair[crypto_sign_ed25519_SECRETKEYBYTES]; /* seed || public key */
};

static void pkcs8_of(uint8_t der[PKCS8_LEN], const uint8_t seed[32])
{
    memcpy(der, pkcs8_head, sizeof(pkcs8_head));
    memcpy(der + sizeof(pkcs8_head), seed, 32);
}

int ed25519_from_seed(struct ed25519_key **out, const uint8_t seed[32])
{
    struct ed25519_key *k = secret_alloc(sizeof(*k));

    if (k == NULL)
        return -ENOMEM;
    ed25519_reseed(k, seed);
    *out = k;
    return 0;
}

void ed25519_reseed(struct ed25519_key *k, const uint8_t seed[32])
{
    uint8_t pub[32];

    sodium_ready();
    (void)crypto_sign_ed25519_seed_keypair(pub, k->pair, seed); /* every 32 bytes are a seed */
}

int ed25519_generate(struct ed25519_key **out)
{
    uint8_t seed[32];
    int rc;

    random_bytes(seed, sizeof(seed));
    rc = ed25519_from_seed(out, seed);
    secret_wipe(seed, sizeof(seed));
    return rc;
}

void ed25519_seed(const struct ed25519_key *k, uint8_t out[32])
{
    memcpy(out, k->pair, 32);
}

void ed25519_free(struct ed25519_key *k)
{
    secret_free(k, sizeof(*k));
}

void ed25519_public(const struct ed25519_key *k, struct ed25519_pub *out)
{
    memcpy(out->b, k->pair + 32, sizeof(out->b));
}

int ed25519_sign(const struct ed25519_key *k, const void *p, size_t n, struct ed25519_sig *out)
{
    static const uint8_t none[1];

    sodium_ready();
    if (crypto_sign_ed25519_detached(out->b, NULL, n > 0 ? p : none, n, k->pair) != 0)
        return -EIO;
    return 0;
}

/* The library refuses what RFC 8032 section 5.1.7 refuses (S not below the order, an A that is no
 * point or not in canonical form, the equation without the cofactor), and points of small order
 * besides.  The tests hold it to that. */
int ed25519_verify(const struct ed25519_pub *k, const void *p, size_t n,
                   const struct ed25519_sig *sig)
{
    static const uint8_t none[1];

    sodium_ready();
    return crypto_sign_ed25519_verify_detached(sig->b, n > 0 ? p : none, n, k->b) == 0 ? 0
                                                                                       : -EBADMSG;
}

/* Reads a key file whole into secret memory of PEM_MAX bytes; struct buf is not for secrets. */
static int read_pem(const char *path, uint8_t *pem, size_t *n, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    int rc = 0;

    if (fd < 0)
        return err_sys(e, -errno, "cannot open key \"%s\"", path);
    if (fstat(fd, &st) != 0)
        rc = err_sys(e, -errno, "cannot look at key \"%s\"", path);
    else if (!S_ISREG(st.st_mode))
        rc = err_set(e, -EINVAL, "key \"%s\" is not a regular file", path);
    else if ((st.st_mode & 077) != 0)
        rc = err_set(e, -EACCES, "key \"%s\" may be used by others than its owner: chmod 600 it",
                     path);
    else if (st.st_size <= 0 || st.st_size > PEM_MAX)
        rc = err_set(e, -EBADMSG, "key \"%s\" is not a PEM file of 1 to %d bytes", path, PEM_MAX);
    else if ((rc = io_read_full(fd, pem, (size_t)st.st_size)) != 0)
        rc = err_sys(e, rc, "cannot read key \"%s\"", path);
    else
        *n = (size_t)st.st_size;
    io_close(&fd);
    return rc;
}

/* The seed of an imported key. */
static int seed_of(gnutls_privkey_t k, uint8_t seed[32])
{
    gnutls_datum_t x = {NULL, 0}, d = {NULL, 0};
    gnutls_ecc_curve_t curve;
    int rc = -EBADMSG;

    if (gnutls_privkey_export_ecc_raw2(k, &curve, &x, NULL, &d, 0) != 0)
        return -EBADMSG;
    if (curve == GNUTLS_ECC_CURVE_ED25519 && d.size == 32) {
        memcpy(seed, d.data, 32);
        rc = 0;
    }
    if (d.data != NULL)
        secret_wipe(d.data, d.size);
    gnutls_free(d.data);
    gnutls_free(x.data);
    return rc;
}

/* pem, at most PEM_MAX bytes, is GnuTLS's to read: it knows PKCS#8. */
static int seed_of_pem(uint8_t *pem, size_t n, uint8_t seed[32])
{
    gnutls_privkey_t k = NULL;
    gnutls_datum_t d = {pem, (unsigned)n};
    int rc = -EBADMSG;

    if (gnutls_privkey_init(&k) != 0)
        return -ENOMEM;
    if (gnutls_privkey_import_x509_raw(k, &d, GNUTLS_X509_FMT_PEM, NULL, 0) == 0 &&
        gnutls_privkey_get_pk_algorithm(k, NULL) == GNUTLS_PK_EDDSA_ED25519)
        rc = seed_of(k, seed);
    gnutls_privkey_deinit(k);
    return rc;
}

int ed25519_load(struct ed25519_key **out, const char *path, struct err *e)
{
    uint8_t *pem = secret_alloc(PEM_MAX);
    uint8_t seed[32];
    size_t n = 0;
    int rc;

    if (pem == NULL)
        return secret_err(e, PEM_MAX);
    rc = read_pem(path, pem, &n, e);
    if (rc != 0)
        goto out;
    rc = seed_of_pem(pem, n, seed);
    if (rc != 0) {
        (void)err_set(e, rc, "\"%s\" does not hold an Ed25519 private key (PEM, PKCS#8)", path);
        goto out;
    }
    rc = ed25519_from_seed(out, seed);
    if (rc != 0)
        (void)secret_err(e, sizeof(struct ed25519_key));
out:
    secret_wipe(seed, sizeof(seed));
    secret_free(pem, PEM_MAX);
    return rc;
}

int ed25519_store(const struct ed25519_key *k, const char *path, struct err *e)
{
    char pem[sizeof(PEM_HEAD PEM_TAIL) + TEXT_BASE64_LEN(PKCS8_LEN)];
    uint8_t der[PKCS8_LEN];
    char *p = pem;
    int rc;

    pkcs8_of(der, k->pair);
    p = stpcpy(p, PEM_HEAD);
    text_base64(p, der, sizeof(der));
    (void)stpcpy(p + strlen(p), PEM_TAIL);
    rc = io_create_file(AT_FDCWD, path, pem, strlen(pem), 0600);
    secret_wipe(pem, sizeof(pem));
    secret_wipe(der, sizeof(der));
    if (rc != 0)
        return err_sys(e, rc, "cannot store key \"%s\"", path);
    return 0;
}

void ed25519_keyid(const struct ed25519_pub *k, char out[65])
{
    struct digest d;

    sha256_of(k->b, sizeof(k->b), &d);
    text_digest(out, &d);
}

/* pubkey.c - GnuTLS verifies PSS with one length of the salt, the key's own parameter or the hash's
 * length.  A second handle of the same key carries the greatest length as its parameter: what
 * `openssl dgst` writes unless told otherwise. */
#include "crypto/pubkey.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "crypto/sha256.h"

#define RSA_MIN_BITS 2048
#define RSA_MAX_BITS 8192
#define PEM_BEGIN "-----BEGIN PUBLIC KEY-----"

struct pubkey {
    enum pubkey_kind kind;
    gnutls_pubkey_t key;
    gnutls_pubkey_t longest; /* PSS with the greatest salt; else NULL */
    struct digest id;
};

static int code_of(int rc)
{
    return rc >= 0 ? 0 : rc == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EBADMSG;
}

static int check_kind(const struct pubkey *k, unsigned *bits)
{
    int pk = gnutls_pubkey_get_pk_algorithm(k->key, bits);
    gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
    gnutls_datum_t x = {NULL, 0}, y = {NULL, 0};
    int rc;

    if (k->kind == PUBKEY_RSA_PSS_SHA256)
        return pk == GNUTLS_PK_RSA && *bits >= RSA_MIN_BITS && *bits <= RSA_MAX_BITS ? 0 : -EBADMSG;
    if (pk != GNUTLS_PK_ECDSA)
        return -EBADMSG;
    rc = code_of(gnutls_pubkey_export_ecc_raw2(k->key, &curve, &x, &y, 0));
    gnutls_free(x.data);
    gnutls_free(y.data);
    return rc != 0 ? rc : curve == GNUTLS_ECC_CURVE_SECP256R1 ? 0 : -EBADMSG;
}

static int set_id(struct pubkey *k)
{
    gnutls_datum_t der = {NULL, 0};
    int rc = code_of(gnutls_pubkey_export2(k->key, GNUTLS_X509_FMT_DER, &der));

    if (rc == 0)
        sha256_of(der.data, der.size, &k->id);
    gnutls_free(der.data);
    return rc;
}

/* RFC 8017 9.1.1: emLen = ceil((modBits - 1) / 8), and the salt takes at most emLen - hLen - 2. */
static int import_longest(struct pubkey *k, const gnutls_datum_t *pem, unsigned bits)
{
    unsigned salt = (bits - 1 + 7) / 8 - 32 - 2;
    gnutls_x509_spki_t spki = NULL;
    int rc;

    if ((rc = gnutls_pubkey_init(&k->longest)) != 0 || (rc = gnutls_x509_spki_init(&spki)) != 0)
        return code_of(rc);
    gnutls_x509_spki_set_rsa_pss_params(spki, GNUTLS_DIG_SHA256, salt);
    rc = gnutls_pubkey_import(k->longest, pem, GNUTLS_X509_FMT_PEM);
    if (rc == 0)
        rc = gnutls_pubkey_set_spki(k->longest, spki, 0);
    gnutls_x509_spki_deinit(spki);
    return code_of(rc);
}

int pubkey_import(struct pubkey **out, enum pubkey_kind kind, struct span pem)
{
    gnutls_datum_t d = {(unsigned char *)(uintptr_t)pem.p, (unsigned)pem.n};
    struct pubkey *k;
    unsigned bits = 0;
    int rc;

    *out = NULL;
    if (pem.n > PUBKEY_MAX_PEM || pem.n < strlen(PEM_BEGIN) ||
        memcmp(pem.p, PEM_BEGIN, strlen(PEM_BEGIN)) != 0)
        return -EBADMSG;
    if ((k = calloc(1, sizeof(*k))) == NULL)
        return -ENOMEM;
    k->kind = kind;
    rc = code_of(gnutls_pubkey_init(&k->key));
    if (rc == 0)
        rc = code_of(gnutls_pubkey_import(k->key, &d, GNUTLS_X509_FMT_PEM));
    if (rc == 0)
        rc = check_kind(k, &bits);
    if (rc == 0)
        rc = set_id(k);
    if (rc == 0 && kind == PUBKEY_RSA_PSS_SHA256)
        rc = import_longest(k, &d, bits);
    if (rc != 0) {
        pubkey_free(k);
        return rc;
    }
    *out = k;
    return 0;
}

void pubkey_id(const struct pubkey *k, struct digest *out)
{
    *out = k->id;
}

/* The integer at *p of a signature over P-256 in DER: positive, in its shortest form. */
static bool take_integer(const uint8_t **p, const uint8_t *end)
{
    const uint8_t *v = *p + 2;
    size_t n;

    if (end - *p < 3 || (*p)[0] != 0x02)
        return false;
    n = (*p)[1];
    if (n < 1 || n > 33 || n > (size_t)(end - v) || (v[0] & 0x80) != 0 ||
        (n > 1 && v[0] == 0 && (v[1] & 0x80) == 0))
        return false;
    *p = v + n;
    return true;
}

/* GnuTLS takes other spellings of the two numbers as well (BER); OpenSSL, and we, the one of DER.
 */
static bool is_der(struct span sig)
{
    const uint8_t *p = sig.p + 2, *end = sig.p + sig.n;

    return sig.n >= 8 && sig.n <= 72 && sig.p[0] == 0x30 && sig.p[1] == sig.n - 2 &&
           take_integer(&p, end) && take_integer(&p, end) && p == end;
}

int pubkey_verify(const struct pubkey *k, struct span message, struct span sig)
{
    gnutls_datum_t m = {(unsigned char *)(uintptr_t)message.p, (unsigned)message.n};
    gnutls_datum_t s = {(unsigned char *)(uintptr_t)sig.p, (unsigned)sig.n};
    gnutls_sign_algorithm_t how =
        k->kind == PUBKEY_RSA_PSS_SHA256 ? GNUTLS_SIGN_RSA_PSS_SHA256 : GNUTLS_SIGN_ECDSA_SHA256;
    int rc;

    if (sig.n == 0 || sig.n > PUBKEY_MAX_SIG || message.n > UINT32_MAX)
        return -EBADMSG;
    if (k->kind == PUBKEY_ECDSA_P256_SHA256 && !is_der(sig))
        return -EBADMSG;
    rc = code_of(gnutls_pubkey_verify_data2(k->key, how, 0, &m, &s));
    if (rc == -EBADMSG && k->longest != NULL)
        rc = code_of(gnutls_pubkey_verify_data2(k->longest, how, 0, &m, &s));
    return rc;
}

void pubkey_free(struct pubkey *k)
{
    if (k == NULL)
        return;
    if (k->key != NULL)
        gnutls_pubkey_deinit(k->key);
    if (k->longest != NULL)
        gnutls_pubkey_deinit(k->longest);
    free(k);
}

/* tls_make.c - a key and a certificate that it signs itself: for a site that is reached by those
 * who were handed the certificate, or its pin. */
#include "crypto/tls_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/x509.h>
#include <string.h>

#include "base/buf.h"
#include "crypto/secret.h"

#define HOUR 3600
#define DAY 86400

static int set_name(gnutls_x509_crt_t crt, const char *name, bool first)
{
    uint8_t address[16];
    unsigned flags = first ? GNUTLS_FSAN_SET : GNUTLS_FSAN_APPEND;

    if (inet_pton(AF_INET, name, address) == 1)
        return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, address, 4, flags);
    if (inet_pton(AF_INET6, name, address) == 1)
        return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, address, 16, flags);
    return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, name,
                                                (unsigned)strlen(name), flags);
}

static int fill(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const char *const *names,
                size_t n, unsigned days)
{
    unix_time now = clock_now();
    uint8_t serial[16];
    int rc = 0;

    random_bytes(serial, sizeof(serial));
    serial[0] = (uint8_t)((serial[0] & 0x3f) | 0x40); /* positive, and no zero in front */
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = set_name(crt, names[i], i == 0);
    if (rc != 0 || gnutls_x509_crt_set_version(crt, 3) != 0 ||
        gnutls_x509_crt_set_serial(crt, serial, sizeof(serial)) != 0 ||
        gnutls_x509_crt_set_activation_time(crt, now - HOUR) != 0 || /* clocks differ */
        gnutls_x509_crt_set_expiration_time(crt, now + (unix_time)days * DAY) != 0 ||
        gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, names[0],
                                      (unsigned)strlen(names[0])) != 0 ||
        gnutls_x509_crt_set_basic_constraints(crt, 0, -1) != 0 ||
        gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE) != 0 ||
        gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0) != 0 ||
        gnutls_x509_crt_set_key(crt, key) != 0)
        return -EINVAL;
    return gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0) == 0 ? 0 : -EINVAL;
}

int tls_self_signed(const char *const *names, size_t n, unsigned days, char key[TLS_KEY_PEM],
                    struct buf *certificate, struct err *e)
{
    gnutls_x509_privkey_t k = NULL;
    gnutls_x509_crt_t crt = NULL;
    gnutls_datum_t pem = {NULL, 0};
    size_t len = TLS_KEY_PEM;
    int rc = -ENOMEM;

    if (n == 0 || days == 0)
        return err_set(e, -EINVAL, "a certificate needs a name and a day");
    if (gnutls_x509_privkey_init(&k) != 0 || gnutls_x509_crt_init(&crt) != 0)
        goto out;
    if (gnutls_x509_privkey_generate2(k, GNUTLS_PK_ECDSA,
                                      GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0, NULL,
                                      0) != 0 ||
        gnutls_x509_privkey_export_pkcs8(k, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, key,
                                         &len) != 0)
        goto out;
    if ((rc = fill(crt, k, names, n, days)) != 0)
        goto out;
    rc = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem) == 0
             ? buf_put(certificate, pem.data, pem.size)
             : -ENOMEM;
out:
    if (rc != 0) {
        secret_wipe(key, TLS_KEY_PEM);
        (void)err_sys(e, rc, "cannot make a certificate for \"%s\"", names[0]);
    }
    gnutls_free(pem.data);
    if (crt != NULL)
        gnutls_x509_crt_deinit(crt);
    if (k != NULL)
        gnutls_x509_privkey_deinit(k);
    return rc;
}

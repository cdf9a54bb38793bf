/* token.c - PKCS #11 (RFC 7512 names the keys) by GnuTLS and p11-kit.
 *
 * The URI's pin-source is taken out and read here: p11-kit takes it for a path, so "file:/…", the
 * RFC's own example, is not found, and it looks at nobody's rights to the file. */
#include "crypto/token_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/pkcs11.h>

#include "base/io.h"
#include "crypto/secret.h"

#define URI_MAX 2048
#define PIN_MAX 256 /* bytes of the file; a PIN is shorter than GnuTLS's own limit */

/* A URI taken apart: what GnuTLS is given, and what is ours. */
struct parts {
    char uri[URI_MAX];
    char pin[URI_MAX];    /* a path; "": none */
    char module[URI_MAX]; /* likewise */
};

struct token_key {
    gnutls_privkey_t key;
    struct ed25519_pub pub;
    struct parts parts;
    struct err why; /* what went wrong in give_pin, which can only say that something did */
};

/* --- the URI --- */

/* Undoes percent-encoding (RFC 3986 section 2.1); false: malformed, or a NUL. */
static bool decode(const char *p, size_t n, char *out)
{
    for (size_t i = 0; i < n; i++) {
        unsigned c = (unsigned char)p[i];

        if (c == '%') {
            char hex[3] = {0};

            if (n - i < 3 || strspn(memcpy(hex, p + i + 1, 2), "0123456789abcdefABCDEF") != 2)
                return false;
            c = (unsigned)strtoul(hex, NULL, 16);
            i += 2;
        }
        if (c == 0)
            return false;
        *out++ = (char)c;
    }
    *out = '\0';
    return true;
}

static bool is_named(const char *p, size_t n, const char *name)
{
    return n > strlen(name) && strncmp(p, name, strlen(name)) == 0 && p[strlen(name)] == '=';
}

/* One attribute of the query.  What is not ours stays in the URI. */
static int take_attribute(struct parts *x, const char *p, size_t n, struct err *e)
{
    const char *eq = memchr(p, '=', n);
    size_t len;

    if (is_named(p, n, "pin-value"))
        return err_set(e, -EINVAL,
                       "a PIN on the command line is everybody's: write it to a file that only you "
                       "may read, and say pin-source=file:/path instead of pin-value=");
    if (is_named(p, n, "pin-source") || is_named(p, n, "module-path")) {
        char *out = *p == 'p' ? x->pin : x->module;

        if (out[0] != '\0' || !decode(eq + 1, n - (size_t)(eq + 1 - p), out) || out[0] == '\0')
            return err_set(e, -EINVAL, "the key's URI: \"%.*s\" is there twice or malformed",
                           (int)(eq - p), p);
        return 0;
    }
    len = strlen(x->uri); /* as long as the URI it comes from, at most */
    x->uri[len] = strchr(x->uri, '?') == NULL ? '?' : '&';
    memcpy(x->uri + len + 1, p, n);
    x->uri[len + 1 + n] = '\0';
    return 0;
}

static int pin_path(struct parts *x, struct err *e)
{
    const char *path = x->pin;

    if (strncmp(path, "file:", 5) == 0) { /* RFC 8089: file:/path, or file:///path */
        path += 5;
        path += strncmp(path, "///", 3) == 0 ? 2 : 0;
    }
    if (path[0] == '\0' || path[0] == '|' || strncmp(path, "//", 2) == 0)
        return err_set(e, -EINVAL, "the key's URI: pin-source is file:/path or a path");
    memmove(x->pin, path, strlen(path) + 1);
    return 0;
}

static int take_apart(struct parts *x, const char *uri, struct err *e)
{
    const char *query = strchr(uri, '?');
    int rc = 0;

    memset(x, 0, sizeof(*x));
    if (strlen(uri) >= URI_MAX)
        return err_set(e, -EINVAL, "the key's URI has more than %d bytes", URI_MAX - 1);
    memcpy(x->uri, uri, query != NULL ? (size_t)(query - uri) : strlen(uri));
    while (rc == 0 && query != NULL) {
        const char *p = query + 1;
        size_t n = strcspn(p, "&");

        rc = n == 0 ? 0 : take_attribute(x, p, n, e);
        query = p[n] == '&' ? p + n : NULL;
    }
    if (rc == 0 && x->pin[0] != '\0')
        rc = pin_path(x, e);
    return rc;
}

/* --- the PIN --- */

static int read_pin(const char *path, char *pin, size_t max, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    char text[PIN_MAX + 1] = {0};
    struct stat st;
    size_t n;
    int rc = 0;

    if (fd < 0)
        return err_sys(e, -errno, "cannot open the PIN's file \"%s\"", path);
    if (fstat(fd, &st) != 0)
        rc = err_sys(e, -errno, "cannot look at the PIN's file \"%s\"", path);
    else if (!S_ISREG(st.st_mode))
        rc = err_set(e, -EINVAL, "the PIN's file \"%s\" is not a regular file", path);
    else if ((st.st_mode & 077) != 0)
        rc = err_set(e, -EACCES, "others than its owner may read the PIN in \"%s\": chmod 600 it",
                     path);
    else if (st.st_size <= 0 || st.st_size > PIN_MAX)
        rc = err_set(e, -EINVAL, "\"%s\" is not a PIN: 1 to %d bytes", path, PIN_MAX);
    else if ((rc = io_read_full(fd, text, (size_t)st.st_size)) != 0)
        rc = err_sys(e, rc, "cannot read the PIN's file \"%s\"", path);
    n = strcspn(text, "\r\n"); /* an editor's line end is no part of it */
    if (rc == 0 && (n == 0 || n + 1 > max || text[n + strspn(text + n, "\r\n")] != '\0'))
        rc = err_set(e, -EINVAL, "\"%s\" is not a PIN: one line that the token can take", path);
    if (rc == 0) {
        memcpy(pin, text, n);
        pin[n] = '\0';
    }
    secret_wipe(text, sizeof(text));
    io_close(&fd);
    return rc;
}

/* GnuTLS asks again and again until the PIN is right or the token is locked; once is enough. */
static int give_pin(void *arg, int attempt, const char *token, const char *label, unsigned flags,
                    char *pin, size_t max)
{
    struct token_key *k = arg;
    int rc = 0;

    (void)token;
    if (k->why.code != 0)
        rc = k->why.code;
    else if (attempt > 0 || (flags & GNUTLS_PIN_WRONG) != 0)
        rc = err_set(&k->why, -EACCES, "token \"%s\" refuses the PIN in \"%s\"", label,
                     k->parts.pin);
    else if ((flags & GNUTLS_PIN_FINAL_TRY) != 0)
        rc = err_set(&k->why, -EACCES,
                     "token \"%s\" has one try left before it locks itself: log in with its own "
                     "tool first",
                     label);
    else if (k->parts.pin[0] == '\0')
        rc = err_set(&k->why, -EACCES,
                     "token \"%s\" wants a PIN: write it to a file that only you may read, and add "
                     "?pin-source=file:/path to the key's URI",
                     label);
    else
        rc = read_pin(k->parts.pin, pin, max, &k->why);
    return rc == 0 ? 0 : GNUTLS_E_PKCS11_PIN_ERROR;
}

/* --- the key --- */

static bool token_is_there(const char *uri)
{
    unsigned flags;

    return gnutls_pkcs11_token_get_flags(uri, &flags) == 0;
}

/* What GnuTLS's number means here, unless the PIN said more. */
static int refused(const struct token_key *k, int code, struct err *e)
{
    if (k->why.code != 0)
        return err_set(e, k->why.code, "%s", k->why.text);
    switch (code) {
    case GNUTLS_E_MEMORY_ERROR:
        return err_set(e, -ENOMEM, "opening a token: out of memory");
    case GNUTLS_E_PARSING_ERROR:
        return err_set(e, -EINVAL, "\"%s\" is not a PKCS #11 URI (RFC 7512)", k->parts.uri);
    case GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE:
    case GNUTLS_E_PKCS11_REQUESTED_OBJECT_NOT_AVAILBLE:
        if (!token_is_there(k->parts.uri))
            return err_set(
                e, -ENOENT,
                "there is no token for \"%s\": is it plugged in, and its module known to "
                "p11-kit (or named by module-path=)?",
                k->parts.uri);
        return err_set(e, -ENOENT, "the token has no private key \"%s\"", k->parts.uri);
    case GNUTLS_E_PKCS11_PIN_LOCKED:
        return err_set(e, -EACCES, "the token of \"%s\" is locked: too many wrong PINs",
                       k->parts.uri);
    default:
        return err_set(e, -EIO, "the token of \"%s\": %s", k->parts.uri, gnutls_strerror(code));
    }
}

static int load_modules(const struct parts *x, struct err *e)
{
    int code = gnutls_pkcs11_init(GNUTLS_PKCS11_FLAG_AUTO, NULL);

    if (code == 0 && x->module[0] != '\0')
        code = gnutls_pkcs11_add_provider(x->module, NULL);
    if (code != 0)
        return err_set(e, -ENOENT, "cannot load the PKCS #11 module \"%s\": %s",
                       x->module[0] != '\0' ? x->module : "of p11-kit", gnutls_strerror(code));
    return 0;
}

static int public_of(struct token_key *k, struct err *e)
{
    gnutls_datum_t x = {NULL, 0};
    gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
    gnutls_pubkey_t pub = NULL;
    int code = gnutls_pubkey_init(&pub), rc = 0;

    if (code == 0 && (code = gnutls_pubkey_import_privkey(pub, k->key, 0, 0)) == 0)
        code = gnutls_pubkey_export_ecc_raw2(pub, &curve, &x, NULL, 0);
    if (code != 0)
        rc = err_set(e, -EIO, "the token does not tell the public half of \"%s\": %s", k->parts.uri,
                     gnutls_strerror(code));
    else if (curve != GNUTLS_ECC_CURVE_ED25519 || x.size != sizeof(k->pub.b))
        rc = err_set(e, -EIO, "what the token calls the public half of \"%s\" is none",
                     k->parts.uri);
    else
        memcpy(k->pub.b, x.data, sizeof(k->pub.b));
    gnutls_free(x.data);
    if (pub != NULL)
        gnutls_pubkey_deinit(pub);
    return rc;
}

static int import(struct token_key *k, struct err *e)
{
    int code = gnutls_privkey_init(&k->key), algorithm;

    if (code != 0)
        return refused(k, code, e);
    gnutls_privkey_set_pin_function(k->key, give_pin, k);
    if ((code = gnutls_privkey_import_url(k->key, k->parts.uri, 0)) != 0)
        return refused(k, code, e);
    algorithm = gnutls_privkey_get_pk_algorithm(k->key, NULL);
    if (algorithm != GNUTLS_PK_EDDSA_ED25519)
        return err_set(
            e, -EINVAL,
            "\"%s\" is a key for %s, not for Ed25519: pkcs11-tool --keypairgen --key-type "
            "EC:edwards25519 makes one",
            k->parts.uri, gnutls_pk_get_name((gnutls_pk_algorithm_t)algorithm));
    return public_of(k, e);
}

int token_open(struct token_key **out, const char *uri, struct err *e)
{
    struct token_key *k = calloc(1, sizeof(*k));
    int rc;

    if (k == NULL)
        return err_sys(e, -ENOMEM, "opening a token");
    if ((rc = take_apart(&k->parts, uri, e)) == 0 && (rc = load_modules(&k->parts, e)) == 0)
        rc = import(k, e);
    if (rc != 0) {
        token_close(k);
        return rc;
    }
    *out = k;
    return 0;
}

void token_close(struct token_key *k)
{
    if (k == NULL)
        return;
    if (k->key != NULL)
        gnutls_privkey_deinit(k->key);
    free(k);
}

void token_public(const struct token_key *k, struct ed25519_pub *out)
{
    *out = k->pub;
}

int token_sign(const struct token_key *k, const void *p, size_t n, struct ed25519_sig *out)
{
    gnutls_datum_t data = {(uint8_t *)(uintptr_t)p, (unsigned)n}, sig = {NULL, 0};
    struct ed25519_sig made;
    int rc = -EIO;

    if (n <= UINT32_MAX &&
        gnutls_privkey_sign_data2(k->key, GNUTLS_SIGN_EDDSA_ED25519, 0, &data, &sig) == 0 &&
        sig.size == sizeof(made.b)) {
        memcpy(made.b, sig.data, sizeof(made.b));
        rc = ed25519_verify(&k->pub, p, n, &made) == 0 ? 0 : -EIO;
    }
    gnutls_free(sig.data);
    if (rc == 0)
        *out = made;
    return rc;
}

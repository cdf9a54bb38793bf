#include "site/init.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "crypto/ed25519.h"
#include "crypto/secret.h"
#include "crypto/tls.h"
#include "ledger/signer.h"
#include "site/data_format.h"

#define PATH 4096

static int path_of(const struct config *c, const char *name, char out[PATH], struct err *e)
{
    return snprintf(out, PATH, "%s/%s", c->data, name) < PATH
               ? 0
               : err_set(e, -ENAMETOOLONG, "the data folder's path is too long");
}

/* As root: the file or folder belongs to the process that uses it. */
static int give(const char *path, uint32_t uid, struct err *e)
{
    if (geteuid() != 0 || uid == 0 || chown(path, uid, uid) == 0)
        return 0;
    return err_sys(e, -errno, "giving \"%s\" to uid %u", path, uid);
}

static int folder(const char *path, mode_t mode, uint32_t uid, struct err *e)
{
    int rc = io_mkdirs_synced(AT_FDCWD, path);

    if (rc != 0)
        return err_sys(e, rc, "making the folder \"%s\"", path);
    if (chmod(path, mode) != 0)
        return err_sys(e, -errno, "setting the mode of \"%s\"", path);
    return give(path, uid, e);
}

/* The folder a file is to stand in. */
static int folder_of(const char *file, struct err *e)
{
    char dir[PATH];
    char *slash;
    int rc;

    if (snprintf(dir, sizeof(dir), "%s", file) >= (int)sizeof(dir))
        return err_set(e, -ENAMETOOLONG, "the path \"%s\" is too long", file);
    slash = strrchr(dir, '/');
    if (slash == NULL || slash == dir)
        return 0;
    *slash = '\0';
    rc = io_mkdirs_synced(AT_FDCWD, dir);
    return rc == 0 ? 0 : err_sys(e, rc, "making the folder \"%s\"", dir);
}

static int must_be_new(const char *path, struct err *e)
{
    struct stat st;

    if (lstat(path, &st) != 0 && errno == ENOENT)
        return 0;
    return err_set(e, -EEXIST,
                   "\"%s\" is there: the site is founded already, or was left half founded; "
                   "nothing was changed",
                   path);
}

static int make_folders(const struct config *c, struct err *e)
{
    uint32_t keeper = c->uid[CONFIG_KEEPER], signer = c->uid[CONFIG_SIGNER];
    char path[PATH];
    int rc;

    if ((rc = folder(c->data, 0755, keeper, e)) != 0 || (rc = folder_of(c->ledger_key, e)) != 0 ||
        (rc = folder_of(c->move_key, e)) != 0 || (rc = folder(c->epoch_keys, 0700, keeper, e)) != 0)
        return rc;
    if ((rc = path_of(c, "vault", path, e)) != 0 || (rc = folder(path, 0700, keeper, e)) != 0 ||
        (rc = path_of(c, "ledger", path, e)) != 0 || (rc = folder(path, 0755, keeper, e)) != 0 ||
        (rc = path_of(c, "signer", path, e)) != 0)
        return rc;
    return folder(path, 0700, signer, e);
}

/* The key and the state that remembers what it signed. */
static int make_ledger_key(const struct config *c, struct vkey *out, struct err *e)
{
    struct ed25519_key *key = NULL;
    struct signer *rule = NULL;
    struct note_signer note;
    char state[PATH];
    int rc;

    if ((rc = path_of(c, "signer/state", state, e)) != 0)
        return rc;
    if ((rc = ed25519_generate(&key)) != 0)
        return err_sys(e, rc, "making the ledger's key");
    if ((rc = note_signer_init(&note, c->origin, VKEY_ED25519, key, e)) == 0 &&
        (rc = ed25519_store(key, c->ledger_key, e)) == 0 &&
        (rc = signer_open(&rule, state, &note, true, e)) == 0) {
        *out = note.key;
        if ((rc = give(c->ledger_key, c->uid[CONFIG_SIGNER], e)) == 0)
            rc = give(state, c->uid[CONFIG_SIGNER], e);
    }
    signer_close(rule);
    ed25519_free(key);
    return rc;
}

static int make_move_key(const struct config *c, struct err *e)
{
    uint8_t pub[32], *priv = secret_alloc(32);
    int rc;

    if (priv == NULL)
        return secret_err(e, 32);
    box_keypair(pub, priv);
    rc = io_create_file(AT_FDCWD, c->move_key, priv, 32, 0600);
    secret_free(priv, 32);
    if (rc != 0)
        return err_sys(e, rc, "writing \"%s\"", c->move_key);
    return give(c->move_key, c->uid[CONFIG_KEEPER], e);
}

/* --- TLS --- */

#define CERTIFICATE_DAYS 3650

/* The host of the site's URL, without port and brackets. */
static int host_of(const struct config *c, char *out, size_t cap, struct err *e)
{
    const char *from = strstr(c->url, "://") + 3;
    bool six = *from == '[';
    size_t n = six ? strcspn(++from, "]") : strcspn(from, ":/");

    if (n == 0 || n >= cap)
        return err_set(e, -EINVAL, "the URL \"%s\" names no host", c->url);
    memcpy(out, from, n);
    out[n] = '\0';
    return 0;
}

static int write_pair(const struct config *c, const char *key, const struct buf *crt, struct err *e)
{
    int rc;

    if ((rc = folder_of(c->tls_key, e)) != 0 || (rc = folder_of(c->certificate, e)) != 0)
        return rc;
    if ((rc = io_create_file(AT_FDCWD, c->tls_key, key, strlen(key), 0600)) != 0)
        return err_sys(e, rc, "writing \"%s\"", c->tls_key);
    if ((rc = io_create_file(AT_FDCWD, c->certificate, crt->data, crt->len, 0644)) != 0)
        return err_sys(e, rc, "writing \"%s\"", c->certificate);
    return give(c->tls_key, c->uid[CONFIG_SIGNER], e);
}

/* Without key and certificate of an authority: a pair of the site's own. */
static int make_certificate(const struct config *c, struct err *e)
{
    char host[256], key[TLS_KEY_PEM];
    const char *const names[] = {host};
    struct buf crt;
    struct stat st;
    bool has_key, has_crt;
    int rc;

    if (c->tls_key == NULL)
        return 0;
    has_key = stat(c->tls_key, &st) == 0;
    has_crt = stat(c->certificate, &st) == 0;
    if (has_key && has_crt)
        return 0;
    if (has_key || has_crt)
        return err_set(e, -EINVAL, "\"%s\" is there and \"%s\" is not: bring both, or none",
                       has_key ? c->tls_key : c->certificate,
                       has_key ? c->certificate : c->tls_key);
    buf_init(&crt, TLS_PEM_MAX);
    if ((rc = host_of(c, host, sizeof(host), e)) == 0 &&
        (rc = tls_self_signed(names, 1, CERTIFICATE_DAYS, key, &crt, e)) == 0)
        rc = write_pair(c, key, &crt, e);
    secret_wipe(key, sizeof(key));
    buf_free(&crt);
    return rc;
}

int site_init_pin(const struct config *c, char out[SITE_INIT_PIN], struct err *e)
{
    struct tls_certificate is;
    struct buf pem;
    int rc;

    out[0] = '\0';
    if (c->certificate == NULL)
        return 0;
    buf_init(&pem, TLS_PEM_MAX);
    if ((rc = io_read_file(AT_FDCWD, c->certificate, &pem)) != 0)
        (void)err_sys(e, rc, "reading \"%s\"", c->certificate);
    else if ((rc = tls_certificate_read(buf_span(&pem), &is, e)) != 0)
        (void)err_prefix(e, "the certificate \"%s\"", c->certificate);
    buf_free(&pem);
    if (rc != 0)
        return rc;
    memcpy(out, "sha256//", 8);
    text_base64(out + 8, is.key_id.b, sizeof(is.key_id.b));
    return 0;
}

int site_init(const struct config *c, struct err *e)
{
    char vkey[PATH], text[CORE_VKEY_TEXT_MAX + 2], state[PATH], move[TEXT_BASE64_LEN(32) + 1];
    char pin[SITE_INIT_PIN];
    uint8_t pub[32];
    struct vkey key;
    int rc;

    if ((rc = path_of(c, "ledger.vkey", vkey, e)) != 0 ||
        (rc = path_of(c, "signer/state", state, e)) != 0 || (rc = must_be_new(vkey, e)) != 0 ||
        (rc = must_be_new(c->ledger_key, e)) != 0 || (rc = must_be_new(c->move_key, e)) != 0 ||
        (rc = must_be_new(state, e)) != 0)
        return rc;
    if ((rc = make_folders(c, e)) != 0 || (rc = make_ledger_key(c, &key, e)) != 0 ||
        (rc = make_move_key(c, e)) != 0 || (rc = make_certificate(c, e)) != 0 ||
        (rc = site_init_pin(c, pin, e)) != 0)
        return rc;
    note_vkey_format(&key, text);
    memcpy(text + strlen(text), "\n", 2);
    if ((rc = io_create_file(AT_FDCWD, vkey, text, strlen(text), 0644)) != 0)
        return err_sys(e, rc, "writing \"%s\"", vkey);
    if ((rc = data_format_bring(c->data, &data_format_steps, e)) != 0)
        return rc;
    if ((rc = site_init_move_key(c, pub, e)) != 0)
        return rc;
    text_base64(move, pub, sizeof(pub));
    (void)printf("ledger %smove_key %s\n", text, move);
    if (pin[0] != '\0')
        (void)printf("tls_pin %s\n", pin);
    return 0;
}

int site_init_empty(const struct config *c, struct err *e)
{
    static const char *const names[] = {"ledger.vkey", "format", "catalog.db", "vault/seg-00000001",
                                        "ledger/checkpoint"};
    char path[PATH];
    int rc = 0;

    for (size_t i = 0; i < ARRAY_LEN(names) && rc == 0; i++)
        if ((rc = path_of(c, names[i], path, e)) == 0)
            rc = must_be_new(path, e);
    return rc != 0 ? rc : make_folders(c, e);
}

int site_init_vkey(const struct config *c, char out[CORE_VKEY_TEXT_MAX + 1], struct err *e)
{
    char path[PATH];
    struct vkey key;
    int rc;

    if ((rc = path_of(c, "ledger.vkey", path, e)) != 0 || (rc = note_vkey_load(&key, path, e)) != 0)
        return rc;
    note_vkey_format(&key, out);
    return 0;
}

int site_init_move_key(const struct config *c, uint8_t out[32], struct err *e)
{
    struct buf b;
    int rc;

    buf_init(&b, 64);
    if ((rc = io_read_file(AT_FDCWD, c->move_key, &b)) != 0)
        rc = err_sys(e, rc, "reading \"%s\"", c->move_key);
    else if (b.len != 32)
        rc = err_set(e, -EBADMSG, "\"%s\" is no move key of 32 bytes", c->move_key);
    else
        box_public(b.data, out);
    if (b.data != NULL)
        secret_wipe(b.data, b.len);
    buf_free(&b);
    return rc;
}

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
    int rc = io_mkdirs(AT_FDCWD, path);

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
    rc = io_mkdirs(AT_FDCWD, dir);
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

int site_init(const struct config *c, struct err *e)
{
    char vkey[PATH], text[CORE_VKEY_TEXT_MAX + 2], state[PATH], move[TEXT_BASE64_LEN(32) + 1];
    uint8_t pub[32];
    struct vkey key;
    int rc;

    if ((rc = path_of(c, "ledger.vkey", vkey, e)) != 0 ||
        (rc = path_of(c, "signer/state", state, e)) != 0 || (rc = must_be_new(vkey, e)) != 0 ||
        (rc = must_be_new(c->ledger_key, e)) != 0 || (rc = must_be_new(c->move_key, e)) != 0 ||
        (rc = must_be_new(state, e)) != 0)
        return rc;
    if ((rc = make_folders(c, e)) != 0 || (rc = make_ledger_key(c, &key, e)) != 0 ||
        (rc = make_move_key(c, e)) != 0)
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
    return 0;
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

#include "crypto/signkey.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/token_priv.h"

struct signkey { /* one of the two */
    struct ed25519_key *file;
    struct token_key *token;
};

bool signkey_is_token(const char *spec)
{
    return strncmp(spec, TOKEN_SCHEME, strlen(TOKEN_SCHEME)) == 0;
}

int signkey_open(struct signkey **out, const char *spec, struct err *e)
{
    struct signkey *k = calloc(1, sizeof(*k));
    int rc;

    if (k == NULL)
        return err_sys(e, -ENOMEM, "opening a key");
    if (signkey_is_token(spec))
        rc = token_open(&k->token, spec, e);
    else
        rc = ed25519_load(&k->file, spec, e);
    if (rc != 0) {
        signkey_close(k);
        return rc;
    }
    *out = k;
    return 0;
}

void signkey_close(struct signkey *k)
{
    if (k == NULL)
        return;
    ed25519_free(k->file);
    token_close(k->token);
    free(k);
}

void signkey_public(const struct signkey *k, struct ed25519_pub *out)
{
    if (k->file != NULL)
        ed25519_public(k->file, out);
    else
        token_public(k->token, out);
}

int signkey_sign(const struct signkey *k, const void *p, size_t n, struct ed25519_sig *out)
{
    if (k->file != NULL)
        return ed25519_sign(k->file, p, n, out);
    return token_sign(k->token, p, n, out);
}

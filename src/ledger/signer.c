#include "ledger/signer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "crypto/sha256.h"
#include "ledger/slots_priv.h"

struct signer {
    struct slots slots;
    struct note_signer log;
    uint64_t size;
    struct digest root;
    bool stored; /* by this process, hence durable: what open found may be in memory only */
    bool broken;
};

/* record: u64 size || root || origin */
static int store(struct signer *s, uint64_t size, const struct digest *root)
{
    struct buf b;
    int rc;

    buf_init(&b, SLOTS_RECORD_MAX);
    if ((rc = buf_put_u64(&b, size)) == 0 && (rc = buf_put(&b, root->b, 32)) == 0 &&
        (rc = buf_puts(&b, s->log.key.name)) == 0)
        rc = slots_store(&s->slots, b.data, b.len);
    buf_free(&b);
    if (rc != 0)
        return rc;
    s->size = size;
    s->root = *root;
    s->stored = true;
    return 0;
}

static int load(struct signer *s, const char *path, struct err *e)
{
    struct cur c = {s->slots.record[0], s->slots.len[0]};

    if (s->slots.found == 0 || cur_u64(&c, &s->size) != 0 || cur_copy(&c, s->root.b, 32) != 0)
        return err_set(e, -EBADMSG,
                       "\"%s\" does not say what was signed last; restore it from a copy, never "
                       "start anew",
                       path);
    if (!span_is(span_of(c.p, c.n), s->log.key.name))
        return err_set(e, -EINVAL, "\"%s\" belongs to the log \"%.*s\", not to \"%s\"", path,
                       (int)c.n, (const char *)c.p, s->log.key.name);
    return 0;
}

/* A new file is of use only once its name is durable too. */
static int store_first(struct signer *s, const char *path, struct err *e)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
    struct digest empty;
    int rc;

    sha256_of("", 0, &empty);
    rc = dir == NULL ? -ENOMEM : store(s, 0, &empty);
    if (rc == 0)
        rc = io_sync_dir(AT_FDCWD, dir);
    free(dir);
    return rc == 0 ? 0 : err_sys(e, rc, "creating \"%s\"", path);
}

int signer_open(struct signer **out, const char *path, const struct note_signer *log, bool create,
                struct err *e)
{
    struct signer *s;
    bool fresh = false;
    int rc;

    if (log->key.type != VKEY_ED25519)
        return err_set(e, -EINVAL, "key \"%s\" is not a log's key", log->key.name);
    if ((s = calloc(1, sizeof(*s))) == NULL)
        return err_sys(e, -ENOMEM, "opening \"%s\"", path);
    s->slots.fd = -1;
    s->log = *log;
    rc = slots_open(&s->slots, AT_FDCWD, path, create ? O_CREAT : 0, &fresh, e);
    if (rc == 0 && create && !fresh)
        rc = err_set(e, -EEXIST, "\"%s\" exists; a log's signing state is made only once", path);
    if (rc == 0)
        rc = create ? store_first(s, path, e) : load(s, path, e);
    if (rc != 0) {
        signer_close(s);
        return rc;
    }
    *out = s;
    return 0;
}

void signer_close(struct signer *s)
{
    if (s == NULL)
        return;
    slots_close(&s->slots);
    free(s);
}

uint64_t signer_size(const struct signer *s)
{
    return s->size;
}

void signer_root(const struct signer *s, struct digest *out)
{
    *out = s->root;
}

static int check_extends(const struct signer *s, uint64_t size, const struct digest *root,
                         const struct digest *path, size_t n, struct err *e)
{
    struct digest empty;

    if (size < s->size)
        return err_set(e, -EPERM, "refused to sign size %" PRIu64 " after size %" PRIu64, size,
                       s->size);
    if (size == s->size && !digest_eq(root, &s->root))
        return err_set(e, -EPERM, "refused to sign a second root of size %" PRIu64, size);
    sha256_of("", 0, &empty);
    if (size == 0 && !digest_eq(root, &empty))
        return err_set(e, -EPERM, "refused to sign a root of no leaves that is not the empty one");
    if (core_consistency(&note_crypto, s->size, size, &s->root, root, path, n) != 0)
        return err_set(e, -EPERM,
                       "refused to sign size %" PRIu64 ": the proof does not show that it extends "
                       "size %" PRIu64,
                       size, s->size);
    return 0;
}

int signer_sign(struct signer *s, uint64_t size, const struct digest *root,
                const struct digest *path, size_t n, struct buf *out, struct err *e)
{
    int rc;

    if (s->broken)
        return err_set(e, -EIO,
                       "the signer stopped after it could not store its state; restart it");
    if ((rc = check_extends(s, size, root, path, n, e)) != 0)
        return rc;
    /* first remembered, then signed: a kill between the two costs nothing */
    if ((size != s->size || !s->stored) && (rc = store(s, size, root)) != 0) {
        s->broken = true;
        return err_sys(e, rc, "storing what is about to be signed");
    }
    return note_checkpoint_make(out, size, root, &s->log, e);
}

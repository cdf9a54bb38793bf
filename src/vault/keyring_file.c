/* keyring_file.c - epoch keys as files.  The file: 16 bytes of magic, u64 epoch, 32 bytes of key,
 * SHA-256 of all before.  From the key two others are derived (HKDF, no salt): one wraps, one
 * hashes, so that the dedup index cannot become an oracle for wraps. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "crypto/aead.h"
#include "crypto/secret.h"
#include "crypto/sha256.h"
#include "vault/keyring.h"

#define KEY_LEN 32
#define FILE_LEN (16 + 8 + KEY_LEN + 32)
#define CACHED 4 /* a turn needs two */

static const uint8_t magic[16] = {0x89, 'e',  'p',  'o',  'c', 'h', 'k', 'y',
                                  '\r', '\n', 0x1a, '\n', 0,   0,   0,   1};

struct derived {
    uint8_t wrap[KEY_LEN], mac[KEY_LEN];
};

struct keyring_file {
    struct keyring base;
    int fd;
    unsigned next;
    uint64_t epoch[CACHED]; /* 0: free */
    struct derived *key;    /* secret memory, CACHED of them */
};

static struct keyring_file *file_of(struct keyring *k)
{
    return (struct keyring_file *)(void *)k;
}

static void name_of(char out[40], uint64_t epoch)
{
    (void)snprintf(out, 40, "epoch-%" PRIu64 ".key", epoch);
}

static void forget(struct keyring_file *f, uint64_t epoch)
{
    for (unsigned i = 0; i < CACHED; i++) {
        if (f->epoch[i] != epoch)
            continue;
        secret_wipe(&f->key[i], sizeof(f->key[i]));
        f->epoch[i] = 0;
    }
}

/* Checks form and epoch of a key file's bytes. */
static int check_file(const uint8_t b[FILE_LEN], uint64_t epoch)
{
    struct cur c = {b + 16, 8};
    struct digest h;
    uint64_t in_file;

    sha256_of(b, FILE_LEN - 32, &h);
    if (memcmp(b, magic, 16) != 0 || cur_u64(&c, &in_file) != 0 || in_file != epoch ||
        memcmp(h.b, b + FILE_LEN - 32, 32) != 0)
        return -EBADMSG;
    return 0;
}

static int read_file(struct keyring_file *f, uint64_t epoch, uint8_t b[FILE_LEN])
{
    char name[40];
    struct stat st;
    int fd, rc;

    name_of(name, epoch);
    fd = openat(f->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) != 0)
        rc = -errno;
    else if ((st.st_mode & 077) != 0)
        rc = -EACCES;
    else if (st.st_size != FILE_LEN || io_pread_full(fd, b, FILE_LEN, 0) != 0)
        rc = -EBADMSG;
    else
        rc = check_file(b, epoch);
    io_close(&fd);
    return rc;
}

/* The derived keys of an epoch, from the cache or from its file. */
static int get(struct keyring_file *f, uint64_t epoch, const struct derived **out)
{
    struct derived *d;
    uint8_t *b;
    int rc;

    for (unsigned i = 0; i < CACHED; i++)
        if (epoch != 0 && f->epoch[i] == epoch) {
            *out = &f->key[i];
            return 0;
        }
    if ((b = secret_alloc(FILE_LEN)) == NULL)
        return -ENOMEM;
    if ((rc = read_file(f, epoch, b)) == 0) {
        struct span key = {b + 24, KEY_LEN}, none = {NULL, 0};

        d = &f->key[f->next];
        hkdf_sha256(key, none, span_str("epoch-wrap/v1"), d->wrap, KEY_LEN);
        hkdf_sha256(key, none, span_str("epoch-mac/v1"), d->mac, KEY_LEN);
        f->epoch[f->next] = epoch;
        f->next = (f->next + 1) % CACHED;
        *out = d;
    }
    secret_free(b, FILE_LEN);
    return rc;
}

static int file_have(struct keyring *k, uint64_t epoch)
{
    const struct derived *d;

    return get(file_of(k), epoch, &d);
}

static int overwrite(int dirfd, const char *name)
{
    uint8_t noise[FILE_LEN];
    int fd, rc;

    fd = openat(dirfd, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    random_bytes(noise, sizeof(noise));
    rc = io_pwrite_all(fd, noise, sizeof(noise), 0);
    if (rc == 0)
        rc = io_sync_fd(fd);
    io_close(&fd);
    return rc;
}

static int file_destroy(struct keyring *k, uint64_t epoch)
{
    struct keyring_file *f = file_of(k);
    char name[40];
    int rc;

    name_of(name, epoch);
    forget(f, epoch);
    rc = overwrite(f->fd, name);
    if (rc == -ENOENT)
        return io_sync_fd(f->fd); /* an earlier attempt may have died before its last sync */
    if (rc != 0)
        return rc;
    if (unlinkat(f->fd, name, 0) != 0)
        return -errno;
    return io_sync_fd(f->fd);
}

/* Written in place, not by rename: a temporary name would leave a second copy of the key's bytes
 * after a crash that no destroy knows of. */
static int write_key(int dirfd, const char *name, const uint8_t *b)
{
    int fd, rc;

    fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    rc = io_pwrite_all(fd, b, FILE_LEN, 0);
    if (rc == 0)
        rc = io_sync_fd(fd);
    io_close(&fd);
    return rc != 0 ? rc : io_sync_fd(dirfd);
}

static int file_create(struct keyring *k, uint64_t epoch, bool replace)
{
    struct keyring_file *f = file_of(k);
    struct digest h;
    char name[40];
    uint8_t *b;
    int rc;

    if (epoch == 0)
        return -EINVAL;
    if (replace && (rc = file_destroy(k, epoch)) != 0)
        return rc;
    name_of(name, epoch);
    if ((b = secret_alloc(FILE_LEN)) == NULL)
        return -ENOMEM;
    memcpy(b, magic, 16);
    for (int i = 0; i < 8; i++)
        b[16 + i] = (uint8_t)(epoch >> (56 - 8 * i));
    random_bytes(b + 24, KEY_LEN);
    sha256_of(b, FILE_LEN - 32, &h);
    memcpy(b + FILE_LEN - 32, h.b, 32);
    rc = write_key(f->fd, name, b);
    secret_free(b, FILE_LEN);
    return rc;
}

static int file_wrap(struct keyring *k, uint64_t epoch, struct span ad, const void *in, size_t n,
                     void *out)
{
    const struct derived *d;
    int rc;

    if (n > KEYRING_SECRET_MAX)
        return -EINVAL;
    if ((rc = get(file_of(k), epoch, &d)) != 0)
        return rc;
    return aead_wrap(d->wrap, ad, in, n, out);
}

static int file_unwrap(struct keyring *k, uint64_t epoch, struct span ad, const void *in, size_t n,
                       void *out)
{
    const struct derived *d;
    int rc;

    if (n < KEYRING_WRAP_EXTRA || n > KEYRING_SECRET_MAX + KEYRING_WRAP_EXTRA)
        return -EINVAL;
    if ((rc = get(file_of(k), epoch, &d)) != 0)
        return rc;
    return aead_unwrap(d->wrap, ad, in, n, out);
}

static int file_mac(struct keyring *k, uint64_t epoch, struct span msg, struct digest *out)
{
    const struct derived *d;
    int rc = get(file_of(k), epoch, &d);

    if (rc == 0)
        hmac_sha256(span_of(d->mac, KEY_LEN), msg, out);
    return rc;
}

static void file_free(struct keyring *k)
{
    struct keyring_file *f = file_of(k);

    secret_free(f->key, CACHED * sizeof(*f->key));
    io_close(&f->fd);
    free(f);
}

static const struct keyring_ops file_ops = {
    .attestation = "file.overwritten",
    .create = file_create,
    .have = file_have,
    .wrap = file_wrap,
    .unwrap = file_unwrap,
    .mac = file_mac,
    .destroy = file_destroy,
    .free = file_free,
};

int keyring_file_open(struct keyring **out, const char *dir, struct err *e)
{
    struct keyring_file *f;
    int rc;

    if ((rc = io_mkdir_synced(AT_FDCWD, dir, 0700)) != 0)
        return err_sys(e, rc, "cannot make the folder of keys \"%s\"", dir);
    f = calloc(1, sizeof(*f));
    if (f == NULL)
        return err_sys(e, -ENOMEM, "opening the folder of keys \"%s\"", dir);
    f->base.ops = &file_ops;
    f->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->fd < 0) {
        rc = err_sys(e, -errno, "cannot open the folder of keys \"%s\"", dir);
        goto out;
    }
    f->key = secret_alloc(CACHED * sizeof(*f->key));
    if (f->key == NULL) {
        rc = err_sys(e, -ENOMEM, "memory for the keys of \"%s\"", dir);
        goto out;
    }
    *out = &f->base;
    return 0;
out:
    file_free(&f->base);
    return rc;
}

void keyring_free(struct keyring *k)
{
    if (k != NULL)
        k->ops->free(k);
}

/* sha256.c - a handle of GnuTLS is ready for the next message once its output was taken, and making
 * one costs half as much as hashing a node.  So each thread keeps one for the one-call functions:
 * 6.4 million nodes a second against 4.5 with gnutls_hash_fast. */
#include "crypto/sha256.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

/* Leaves up to this size are gathered in the frame: one call instead of two. */
#define LEAF_GATHERED 1024

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t at_thread_exit;
static _Thread_local gnutls_hash_hd_t mine;

static void must(int rc, const char *what)
{
    if (rc == 0)
        return;
    (void)fprintf(stderr, "sha256: %s: %s\n", what, gnutls_strerror(rc));
    abort();
}

static void drop(void *h)
{
    gnutls_hash_deinit(h, NULL);
    mine = NULL;
}

static void make_key(void)
{
    must(pthread_key_create(&at_thread_exit, drop) == 0 ? 0 : GNUTLS_E_MEMORY_ERROR, "thread key");
}

static gnutls_hash_hd_t open_handle(void)
{
    gnutls_hash_hd_t h = NULL;

    must(gnutls_hash_init(&h, GNUTLS_DIG_SHA256), "init");
    return h;
}

static gnutls_hash_hd_t handle(void)
{
    if (mine != NULL)
        return mine;
    (void)pthread_once(&once, make_key);
    mine = open_handle();
    must(pthread_setspecific(at_thread_exit, mine) == 0 ? 0 : GNUTLS_E_MEMORY_ERROR, "thread");
    return mine;
}

static void feed(gnutls_hash_hd_t h, const void *p, size_t n)
{
    if (n > 0)
        must(gnutls_hash(h, p, n), "update");
}

void sha256_of(const void *p, size_t n, struct digest *out)
{
    gnutls_hash_hd_t h = handle();

    feed(h, p, n);
    gnutls_hash_output(h, out->b);
}

void sha256_ofv(const struct span *part, size_t n, struct digest *out)
{
    gnutls_hash_hd_t h = handle();

    for (size_t i = 0; i < n; i++)
        feed(h, part[i].p, part[i].n);
    gnutls_hash_output(h, out->b);
}

struct sha256 {
    gnutls_hash_hd_t h;
};

struct sha256 *sha256_new(void)
{
    struct sha256 *h = malloc(sizeof(*h));

    if (h != NULL && gnutls_hash_init(&h->h, GNUTLS_DIG_SHA256) != 0) {
        free(h);
        h = NULL;
    }
    return h;
}

void sha256_add(struct sha256 *h, const void *p, size_t n)
{
    feed(h->h, p, n);
}

void sha256_end(struct sha256 *h, struct digest *out)
{
    gnutls_hash_output(h->h, out->b);
}

void sha256_free(struct sha256 *h)
{
    if (h == NULL)
        return;
    gnutls_hash_deinit(h->h, NULL);
    free(h);
}

void sha256_leaf(const void *p, size_t n, struct digest *out)
{
    uint8_t small[1 + LEAF_GATHERED] NOT_CLEARED;
    struct span part[2];

    small[0] = 0x00;
    if (n <= LEAF_GATHERED) {
        if (n > 0)
            memcpy(small + 1, p, n);
        sha256_of(small, 1 + n, out);
        return;
    }
    part[0] = (struct span){small, 1};
    part[1] = (struct span){p, n};
    sha256_ofv(part, 2, out);
}

void sha256_node(const struct digest *l, const struct digest *r, struct digest *out)
{
    uint8_t pair[1 + 32 + 32] NOT_CLEARED;

    pair[0] = 0x01;
    memcpy(pair + 1, l->b, 32);
    memcpy(pair + 33, r->b, 32);
    sha256_of(pair, sizeof(pair), out);
}

bool digest_eq(const struct digest *a, const struct digest *b)
{
    return gnutls_memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

int digest_cmp(const struct digest *a, const struct digest *b)
{
    return memcmp(a->b, b->b, sizeof(a->b));
}

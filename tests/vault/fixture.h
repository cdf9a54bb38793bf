/* fixture.h - a vault in a fresh folder, and shorthands that fail the test by themselves. */
#ifndef TESTS_VAULT_FIXTURE_H
#define TESTS_VAULT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "vault/vault.h"

struct fixture {
    char dir[64], vault[80], keys[80];
    struct store *store;
    struct keyring *ring;
    struct vault_index *index;
    struct vault *v;
    struct vault_report report;
    struct err e;
    uint64_t segment_size;
};

int fixture_setup(void **state); /* founded, epoch 1 open */
int fixture_teardown(void **state);

void fixture_found(struct fixture *f); /* the same in a struct of the caller's */
void fixture_remove(struct fixture *f);

/* Opens store, keys, a new empty index, the vault, and replays. 0 or the first failure. */
int fixture_open(struct fixture *f);
void fixture_close(struct fixture *f);

void fixture_id(struct id128 *out, unsigned n); /* a ref or sub by number */
/* Bytes that differ for each seed, incompressible, reproducible. */
void fixture_bytes(uint8_t *out, size_t n, unsigned seed);

/* One object under ref n (sub is n + 1000000), blob "blob-<n>", one leaf, in one group. */
int fixture_store(struct fixture *f, unsigned n, const void *p, size_t len, bool *again);
/* Adds to an open group. */
int fixture_add(struct fixture *f, struct vault_group *g, unsigned n, const void *p, size_t len,
                bool *again);
/* The two halves of that: an object that is complete, and its place in a group (which takes put,
 * whatever comes of it). */
int fixture_put(struct fixture *f, const void *p, size_t len, struct vault_put **out);
int fixture_join(struct vault_group *g, unsigned n, struct vault_put *put, bool *again);
int fixture_destroy(struct fixture *f, unsigned n);
/* 0 if ref n reads as exactly these bytes and its blob is its own, else the failure. */
int fixture_check(struct fixture *f, unsigned n, const void *p, size_t len);
/* A whole turn of the epoch. */
int fixture_turn(struct fixture *f);

#endif

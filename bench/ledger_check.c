/* bench-ledger-check DIR LEAVES: reading a whole ledger and recomputing it.
 *
 * Ours: from the folder (page cache warm): every bundle read and split, every leaf and node hashed,
 * every hash tile compared with what was recomputed, the root compared with the writer's.
 * Peer: SHA-256 over the same leaves and nodes, already in memory.  One thread each. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/sha256.h"
#include "ledger/ledger.h"
#include "measure.h"

#define LEAF 300
#define BATCH 256

static uint64_t count;
static uint8_t *leaves;
static struct digest want;

static void make_leaves(void)
{
    uint64_t state = 8675309;

    leaves = malloc(count * LEAF);
    if (leaves == NULL)
        measure_die("out of memory", NULL);
    for (size_t i = 0; i + 8 <= count * LEAF; i += 8) {
        uint64_t x = measure_random(&state);

        memcpy(leaves + i, &x, sizeof(x));
    }
}

static struct span leaf(uint64_t i)
{
    return span_of(leaves + i * LEAF, LEAF);
}

static void fill(struct ledger *l)
{
    struct span batch[BATCH];
    struct err e = ERR_INIT;

    for (uint64_t i = ledger_size(l); i < count;) {
        size_t n = 0;

        for (; n < BATCH && i < count; n++, i++)
            batch[n] = leaf(i);
        if (ledger_append(l, batch, n, &e) != 0)
            measure_die("append", &e);
    }
    if (ledger_flush(l, &e) != 0)
        measure_die("flush", &e);
}

static void make_ledger(const char *dir)
{
    struct ledger *l;
    struct err e = ERR_INIT;

    if (ledger_open(&l, dir, &e) != 0)
        measure_die("ledger", &e);
    if (ledger_size(l) > count) { /* of another run */
        ledger_close(l);
        measure_remove(dir);
        make_ledger(dir);
        return;
    }
    fill(l);
    ledger_root(l, &want);
    ledger_close(l);
}

static struct cost check(const char *dir)
{
    const struct tlog_walk w = {.with_tiles = true};
    struct cost begin = measure_now();
    struct core_range at = {0};
    struct tlog_tiles *t;
    struct err e = ERR_INIT;
    struct digest root;
    struct cost c;

    if (tlog_tiles_open(&t, dir, count, &e) != 0 || tlog_tiles_walk(t, &at, count, &w, &e) != 0)
        measure_die("check", &e);
    core_range_root(&note_crypto, &at, &root);
    c = measure_since(&begin);
    tlog_tiles_close(t);
    if (!digest_eq(&root, &want))
        measure_die("the ledger in the folder is not the one that was written", NULL);
    return c;
}

static struct cost hashes(void)
{
    struct cost begin = measure_now();
    struct core_range r = {0};
    struct digest h;
    struct cost c;

    for (uint64_t i = 0; i < count; i++) {
        sha256_leaf(leaf(i).p, LEAF, &h);
        if (core_range_add(&note_crypto, &r, &h) != 0)
            measure_die("range", NULL);
    }
    core_range_root(&note_crypto, &r, &h);
    c = measure_since(&begin);
    if (!digest_eq(&h, &want))
        measure_die("the two sides did not hash the same tree", NULL);
    return c;
}

int main(int argc, char **argv)
{
    struct bench b = {.name = "ledger-check", .unit = "leaves", .by_cpu = true, .bar = 0.5};
    struct bench wall;

    if (argc != 3 || (count = strtoull(argv[2], NULL, 10)) == 0) {
        (void)fprintf(stderr, "usage: bench-ledger-check FOLDER LEAVES\n");
        return 2;
    }
    make_leaves();
    make_ledger(argv[1]);
    (void)check(argv[1]); /* the page cache is warm */
    b.work = (double)count;
    for (b.n = 0; b.n < measure_rounds(7); b.n++) {
        b.ours[b.n] = check(argv[1]);
        b.peer[b.n] = hashes();
    }
    measure_print(&b);
    wall = b;
    wall.name = "ledger-check-wall";
    wall.by_cpu = false;
    wall.bar = 0;
    measure_print(&wall);
    measure_say(b.name, "ours reads and compares files as well; peer has the leaves in memory; one "
                        "thread and the same SHA-256 on both sides; the page cache is warm");
    free(leaves);
    return 0;
}

/* bench-ledger-append DIR LEAVES: durable appends of leaves of 300 bytes, in process.
 *
 * Ours is what a site does: groups of 256 leaves, each one commit record and one fdatasync in the
 * vault's journal, then appended to the ledger; once a second the tiles are flushed, the root is
 * signed (the signer's state synced first) and the checkpoint published.
 *
 * Peer: BENCH_TESSERA names a program that is run as "PROGRAM FOLDER LEAVES SIZE", appends LEAVES
 * leaves of SIZE bytes durably to a new log in FOLDER with batches of 256 and a checkpoint each
 * second, and exits 0 when all are in a published checkpoint.
 *
 * The floors: the SHA-256 of these leaves and their nodes alone; a file that is written and synced
 * as often with as many bytes; and the same with the two files that the format wants for each 256
 * leaves, which is what the kernel takes of anybody who stores them so. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "crypto/sha256.h"
#include "measure.h"
#include "site.h"

#define GROUP 256
#define LEAF 300

static uint8_t *leaves;
static size_t count;
static const char *folder;

static struct span leaf(size_t i)
{
    return span_of(leaves + i * LEAF, LEAF);
}

static void make_leaves(void)
{
    uint64_t state = 20260105;

    leaves = malloc(count * LEAF);
    if (leaves == NULL)
        measure_die("out of memory", NULL);
    for (size_t i = 0; i < count * LEAF; i++)
        leaves[i] = (uint8_t)('a' + measure_random(&state) % 26);
}

/* A new folder each round, all removed at the end: ext4 without a journal searches long for an
 * inode when many were freed in the last minutes, which is not what is measured here. */
static const char *path_of(char out[4096], const char *name)
{
    static unsigned number;

    (void)snprintf(out, 4096, "%s/%s-%u", folder, name, number++);
    sync(); /* what earlier rounds left to write is not this one's */
    return out;
}

static struct cost ours(struct site *s)
{
    struct cost begin, c;
    char path[4096];

    site_make(s, path_of(path, "ours"), NULL);
    begin = measure_now();
    for (size_t i = 0; i < count; i += GROUP) {
        struct vault_group *g;

        if (vault_group_begin(&g, s->vault) != 0)
            measure_die("group", NULL);
        for (size_t k = i; k < i + GROUP && k < count; k++)
            if (vault_group_leaf(g, leaf(k)) != 0)
                measure_die("leaf", NULL);
        site_commit(s, g);
        site_publish(s, false);
    }
    site_publish(s, true);
    c = measure_since(&begin);
    if (ledger_published(s->ledger) != count)
        measure_die("not every leaf was published", NULL);
    site_close(s);
    return c;
}

static struct cost hashes(void)
{
    struct cost begin = measure_now();
    struct core_range r = {0};
    struct digest h;

    for (size_t i = 0; i < count; i++) {
        sha256_leaf(leaf(i).p, LEAF, &h);
        if (core_range_add(&note_crypto, &r, &h) != 0)
            measure_die("range", NULL);
    }
    core_range_root(&note_crypto, &r, &h);
    return measure_since(&begin);
}

static void file_or_die(int dir, const char *kind, size_t number, const void *p, size_t n)
{
    char name[32];
    int fd;

    (void)snprintf(name, sizeof(name), "%s-%06zu", kind, number);
    fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || io_write_all(fd, p, n) != 0)
        measure_die("a file of the floor", NULL);
    io_close(&fd);
}

/* tiles: a bundle and a tile for each group, too. */
static struct cost disk(bool tiles)
{
    struct cost begin, c;
    char path[4096], folder_path[4096];
    int fd, dir = -1;
    off_t at = 0;

    if (tiles && (mkdir(path_of(folder_path, "floor-tiles"), 0700) != 0 ||
                  (dir = open(folder_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0))
        measure_die(folder_path, NULL);

    fd = open(path_of(path, "floor"), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || posix_fallocate(fd, 0, (off_t)(count * LEAF)) != 0 || io_sync_fd(fd) != 0)
        measure_die("the floor's file", NULL);
    begin = measure_now();
    for (size_t i = 0; i < count; i += GROUP) {
        size_t n = (count - i < GROUP ? count - i : GROUP) * LEAF;

        if (io_pwrite_all(fd, leaves + i * LEAF, n, at) != 0 || io_datasync_fd(fd) != 0)
            measure_die("the floor's file", NULL);
        at += (off_t)n;
        if (tiles) {
            file_or_die(dir, "bundle", i / GROUP, leaves + i * LEAF, n);
            file_or_die(dir, "tile", i / GROUP, leaves + i * LEAF, n / LEAF * 32);
        }
    }
    c = measure_since(&begin);
    io_close(&fd);
    io_close(&dir);
    return c;
}

static struct cost tessera(const char *program)
{
    char path[4096], number[32], size[16];
    const char *argv[] = {program, path_of(path, "tessera"), number, size, NULL};
    struct cost c;

    (void)snprintf(number, sizeof(number), "%zu", count);
    (void)snprintf(size, sizeof(size), "%d", LEAF);
    c = measure_command(argv, NULL);
    return c;
}

int main(int argc, char **argv)
{
    struct bench vs = {.name = "ledger-append", .unit = "leaves", .by_cpu = true, .bar = 10};
    struct bench hash = {.name = "ledger-append-hash", .unit = "leaves", .by_cpu = true};
    struct bench sync = {.name = "ledger-append-disk", .unit = "leaves"};
    struct bench calls = {.name = "ledger-append-calls", .unit = "leaves", .by_cpu = true};
    const char *program = getenv("BENCH_TESSERA");
    size_t rounds = measure_rounds(5);
    struct site s;

    if (argc != 3 || (count = strtoul(argv[2], NULL, 10)) == 0) {
        (void)fprintf(stderr, "usage: bench-ledger-append FOLDER LEAVES\n");
        return 2;
    }
    folder = argv[1];
    vs.no_peer = program == NULL || program[0] == '\0';
    make_leaves();
    vs.work = hash.work = sync.work = calls.work = (double)count;
    for (size_t i = 0; i < rounds; i++) {
        vs.ours[i] = hash.ours[i] = sync.ours[i] = calls.ours[i] = ours(&s);
        hash.peer[i] = hashes();
        sync.peer[i] = disk(false);
        calls.peer[i] = disk(true);
        if (!vs.no_peer)
            vs.peer[i] = tessera(program);
    }
    vs.n = hash.n = sync.n = calls.n = rounds;
    measure_print(&vs);
    measure_print(&hash);
    measure_print(&sync);
    measure_print(&calls);
    measure_say(vs.name, "%zu groups of %d leaves of %d bytes, %zu checkpoints in the last round",
                s.groups, GROUP, LEAF, s.publications);
    if (vs.no_peer)
        measure_say(vs.name, "no peer: name a program in BENCH_TESSERA (docs/performance.md)");
    measure_say(hash.name, "peer: SHA-256 of these leaves and nodes in memory, nothing stored");
    measure_say(sync.name, "peer: the leaves' bytes to one preallocated file, as many fdatasync; "
                           "ours writes them twice (journal and tiles), and 1/256 for its proofs");
    measure_say(calls.name, "peer: the same, and the two files of each 256 leaves, unsynced");
    free(leaves);
    return 0;
}

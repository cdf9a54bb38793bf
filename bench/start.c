/* bench-start make FOLDER OBJECTS: a site with so many objects of 300 bytes, closed in order.
 * bench-start run FOLDER OBJECTS WORK: how long its stores take to open after a death, and to be
 * made anew from the journal.
 *
 * start: a child opens the site, commits some groups and ends without closing anything, as after
 * kill -9; then this process opens it as a keeper does: store, keys, catalog, ledger, vault (which
 * scans and copies the tail), replay of what ledger and catalog lack.  The bar is one second, so
 * the peer's side of each round is that second and nothing is run for it.
 * rebuild: index, catalog and ledger from nothing, by a replay of everything.  Peer: reading all
 * segments from the page cache and hashing them, the least that anything must do that trusts none.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "crypto/secret.h"
#include "crypto/sha256.h"
#include "measure.h"
#include "site.h"

#define GROUP 256
#define SIZE 300
#define LEAF 420 /* bytes of submission.accepted, nearly; copy.placed is shorter */
#define BLOB 120 /* seed, key, names */
#define TAIL_GROUPS 40
#define TAIL_OBJECTS 32 /* in each */

static void put(struct site *s, struct vault_group *g)
{
    uint8_t content[SIZE], leaf[LEAF], blob[BLOB];
    struct vault_put *p;
    struct id128 ref, sub, object;
    struct digest sha256;
    uint64_t size;
    bool again;

    random_bytes(content, sizeof(content));
    random_bytes(ref.b, sizeof(ref.b));
    random_bytes(sub.b, sizeof(sub.b));
    memset(leaf, 'x', sizeof(leaf));
    memcpy(leaf, sub.b, sizeof(sub.b));
    memset(blob, 'b', sizeof(blob));
    if (vault_put_begin(&p, s->vault) != 0 || vault_put_append(p, content, sizeof(content)) != 0 ||
        vault_put_finish(p, &sha256, &size) != 0 ||
        vault_group_put(g, p, &ref, &sub, span_of(blob, sizeof(blob)), &again, &object) != 0 ||
        vault_group_leaf(g, span_of(leaf, sizeof(leaf))) != 0 ||
        vault_group_leaf(g, span_of(leaf, sizeof(leaf) / 2)) != 0)
        measure_die("putting an object into the vault", NULL);
}

static void groups(struct site *s, size_t objects, size_t a_group)
{
    for (size_t i = 0; i < objects; i += a_group) {
        struct vault_group *g;

        if (vault_group_begin(&g, s->vault) != 0)
            measure_die("group", NULL);
        for (size_t k = i; k < i + a_group && k < objects; k++)
            put(s, g);
        site_commit(s, g);
        site_publish(s, false);
    }
}

static void make(const char *dir, size_t objects)
{
    struct site s;

    site_make(&s, dir);
    groups(&s, objects, GROUP);
    site_publish(&s, true);
    site_close(&s);
}

/* Some groups by a process that does not live to close what it has opened. */
static void die_at_work(const char *dir)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        struct vault_report r;
        struct site s;

        site_open(&s, dir, &r);
        groups(&s, (size_t)TAIL_GROUPS * TAIL_OBJECTS, TAIL_OBJECTS);
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        measure_die("the process that dies at work", NULL);
}

static void start(const char *dir, struct bench *b)
{
    struct vault_report r;
    struct cost begin;
    struct site s;

    for (b->n = 0; b->n < measure_rounds(3); b->n++) {
        uint64_t leaves;

        die_at_work(dir);
        begin = measure_now();
        site_open(&s, dir, &r);
        b->ours[b->n] = measure_since(&begin);
        b->peer[b->n] = (struct cost){1, 1};
        leaves = ledger_size(s.ledger);
        if (r.clean || r.damaged != 0 || leaves != vault_ledger_size(s.vault))
            measure_die("the site did not open as after a death", NULL);
        site_close(&s);
    }
    measure_print(b);
    measure_say(b->name, "%llu groups, %llu leaves; %.1f MB of the journal scanned",
                (unsigned long long)r.seq, (unsigned long long)r.ledger_size,
                (double)r.scanned / 1e6);
}

static struct cost read_segments(const char *dir, uint64_t *bytes)
{
    char path[4096];
    uint8_t *block = malloc(1 << 20);
    struct sha256 *h = sha256_new();
    struct cost begin = measure_now();
    struct digest d;
    struct dirent *de;
    DIR *folder;

    (void)snprintf(path, sizeof(path), "%s/vault", dir);
    folder = opendir(path);
    if (block == NULL || h == NULL || folder == NULL)
        measure_die(path, NULL);
    *bytes = 0;
    while ((de = readdir(folder)) != NULL) {
        int fd =
            strncmp(de->d_name, "seg-", 4) == 0 ? openat(dirfd(folder), de->d_name, O_RDONLY) : -1;
        ssize_t n;

        while (fd >= 0 && (n = read(fd, block, 1 << 20)) > 0) {
            sha256_add(h, block, (size_t)n);
            *bytes += (uint64_t)n;
        }
        io_close(&fd);
    }
    (void)closedir(folder);
    sha256_end(h, &d);
    sha256_free(h);
    free(block);
    return measure_since(&begin);
}

static void rebuild(const char *dir, const char *work, struct bench *b)
{
    uint64_t bytes = 0;

    for (b->n = 0; b->n < measure_rounds(1); b->n++) {
        char path[4096];

        (void)snprintf(path, sizeof(path), "%s/rebuild-%zu", work, b->n);
        (void)read_segments(dir, &bytes); /* the page cache is warm */
        b->peer[b->n] = read_segments(dir, &bytes);
        b->ours[b->n] = site_rebuild(dir, path);
    }
    measure_print(b);
    measure_say(b->name, "%.0f MB of segments; ours fills SQLite's index and writes tiles",
                (double)bytes / 1e6);
}

int main(int argc, char **argv)
{
    size_t objects = argc > 3 ? (size_t)strtoul(argv[3], NULL, 10) : 0;
    struct bench s = {.name = "start", .unit = "starts", .work = 1, .bar = 1};
    struct bench r = {.name = "rebuild", .unit = "objects", .by_cpu = true, .bar = 0.5};

    r.work = (double)objects;
    if (argc == 4 && strcmp(argv[1], "make") == 0 && objects > 0) {
        make(argv[2], objects);
        return 0;
    }
    if (argc == 5 && strcmp(argv[1], "run") == 0 && objects > 0) {
        start(argv[2], &s);
        rebuild(argv[2], argv[4], &r);
        return 0;
    }
    (void)fprintf(stderr, "usage: bench-start make FOLDER OBJECTS | run FOLDER OBJECTS WORK\n");
    return 2;
}

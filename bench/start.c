/* bench-start make FOLDER OBJECTS: a site with so many objects of 300 bytes, closed in order.
 * bench-start start FOLDER OBJECTS: how long its stores take to open after a death, and after an
 * end. bench-start rebuild FOLDER OBJECTS: and to be made anew from the journal.
 *
 * start: a child opens the site, commits some groups and ends without closing anything, as after
 * kill -9; then this process opens it as a keeper does: store, keys, catalog, ledger, vault (which
 * scans and copies the tail), replay of what ledger and catalog lack.  The bar is one second, so
 * the peer's side of each round is that second and nothing is run for it.
 * rebuild: what "glarus site rebuild" does, but for its jail: index, catalog and tiles from
 * nothing. Each object was accepted (two leaves, a sealed note) and scanned (a leaf, a sealed
 * note).  Peer: reading all segments from the page cache and hashing them, the least that anything
 * must do that trusts none. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "crypto/secret.h"
#include "crypto/sha256.h"
#include "measure.h"
#include "site.h"
#include "site/keeper_notes.h"
#include "site/rebuild.h"

#define GROUP 256
#define SIZE 300
#define LEAF 420 /* bytes of submission.accepted, nearly; copy.placed is shorter */
#define BLOB 120 /* seed, key, names */
#define NAMES 24 /* what a scan says, sealed */
#define TAIL_GROUPS 40
#define TAIL_OBJECTS 32 /* in each */

static void note_or_die(struct vault_group *g, const struct id128 *ref, struct buf *b,
                        uint64_t leaf, int rc)
{
    keeper_note_set_leaf(b, leaf);
    if (rc != 0 || vault_group_note(g, ref, buf_span(b)) != 0)
        measure_die("a note", NULL);
    buf_free(b);
}

static void accepted(struct vault_group *g, const struct id128 *ref, const struct id128 *sub,
                     const struct id128 *object, uint64_t leaf)
{
    struct note_accept n = {0};
    struct buf b;
    int rc;

    n.row.sub = *sub;
    n.row.ref = *ref;
    n.row.object = *object;
    n.row.kind = n.row.scope = CATALOG_FILE;
    n.row.accepted = 1700000000 + (unix_time)leaf / 8;
    (void)snprintf(n.row.country, sizeof(n.row.country), "%c%c", 'A' + sub->b[0] % 4, 'X');
    (void)snprintf(n.row.account, sizeof(n.row.account), "account-%u", sub->b[1] % 16U);
    buf_init(&b, VAULT_BLOB_MAX);
    rc = keeper_note_put_accept(&b, &n);
    note_or_die(g, ref, &b, leaf, rc);
}

static void scanned(struct vault_group *g, const struct id128 *ref, uint64_t leaf)
{
    struct note_scan n = {0};
    uint8_t names[NAMES] = {0};
    struct buf b;
    int rc;

    n.row.ref = *ref;
    n.row.verdict = CATALOG_CLEAN;
    n.row.at = 1700000000 + (unix_time)leaf / 8;
    (void)snprintf(n.row.engine, sizeof(n.row.engine), "yara");
    n.names = span_of(names, sizeof(names));
    buf_init(&b, VAULT_BLOB_MAX);
    rc = keeper_note_put_scan(&b, &n);
    note_or_die(g, ref, &b, leaf, rc);
}

static void leaf_or_die(struct vault_group *g, const struct id128 *first, size_t n)
{
    uint8_t leaf[LEAF];

    memset(leaf, 'x', sizeof(leaf));
    memcpy(leaf, first->b, sizeof(first->b));
    if (vault_group_leaf(g, span_of(leaf, n)) != 0)
        measure_die("a leaf", NULL);
}

static struct id128 put(struct site *s, struct vault_group *g, uint64_t leaf)
{
    uint8_t content[SIZE], blob[BLOB];
    struct id128 ref = random_id(), sub = random_id(), object;
    struct vault_put *p;
    struct digest sha256;
    uint64_t size;
    bool again;

    random_bytes(content, sizeof(content));
    memset(blob, 'b', sizeof(blob));
    if (vault_put_begin(&p, s->vault) != 0 || vault_put_append(p, content, sizeof(content)) != 0 ||
        vault_put_finish(p, &sha256, &size) != 0 ||
        vault_group_put(g, p, &ref, &sub, span_of(blob, sizeof(blob)), &again, &object) != 0)
        measure_die("putting an object into the vault", NULL);
    accepted(g, &ref, &sub, &object, leaf);
    leaf_or_die(g, &sub, LEAF);
    leaf_or_die(g, &ref, LEAF / 2);
    return ref;
}

/* As the keeper applies them. */
static int apply_note(struct site *s, struct span text)
{
    uint8_t sealed[NAMES + VAULT_SEAL_EXTRA];
    struct note n;
    int rc = keeper_note_get(text, &n);

    if (rc != 0)
        return rc;
    if (n.kind == NOTE_ACCEPT) {
        n.accept.row.leaf = n.leaf;
        rc = catalog_submission_add(s->catalog, &n.accept.row);
        return rc != 0 ? rc : catalog_scan_add(s->catalog, &n.accept.row.ref, 0, 0);
    }
    n.scan.row.sealed = span_of(sealed, sizeof(sealed));
    if ((rc = vault_seal_text(s->vault, &n.scan.row.ref, n.scan.names, sealed)) == 0)
        rc = catalog_verdict_put(s->catalog, &n.scan.row);
    return rc != 0 ? rc : catalog_scan_done_ref(s->catalog, &n.scan.row.ref);
}

static struct vault_group *begin(struct site *s)
{
    struct vault_group *g;

    if (vault_group_begin(&g, s->vault) != 0)
        measure_die("group", NULL);
    return g;
}

static void groups(struct site *s, size_t objects, size_t a_group)
{
    struct id128 ref[GROUP];

    for (size_t i = 0; i < objects; i += a_group) {
        uint64_t leaf = ledger_size(s->ledger);
        struct vault_group *g = begin(s);
        size_t n = objects - i < a_group ? objects - i : a_group;

        for (size_t k = 0; k < n; k++, leaf += 2)
            ref[k] = put(s, g, leaf);
        site_commit(s, g);
        g = begin(s);
        for (size_t k = 0; k < n; k++, leaf++) {
            scanned(g, &ref[k], leaf);
            leaf_or_die(g, &ref[k], LEAF / 2);
        }
        site_commit(s, g);
        site_publish(s, false);
    }
}

static void make(const char *dir, size_t objects)
{
    struct site s;

    site_make(&s, dir, apply_note);
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

        site_open(&s, dir, apply_note, &r);
        groups(&s, (size_t)TAIL_GROUPS * TAIL_OBJECTS, TAIL_OBJECTS);
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        measure_die("the process that dies at work", NULL);
}

static struct cost opened(const char *dir, struct vault_report *r)
{
    struct cost begin = measure_now(), c;
    struct site s;

    site_open(&s, dir, apply_note, r);
    c = measure_since(&begin);
    if (r->damaged != 0 || ledger_size(s.ledger) != vault_ledger_size(s.vault))
        measure_die("the site did not open whole", NULL);
    if (ledger_flush(s.ledger, NULL) != 0) /* a site publishes within a second */
        measure_die("flush", NULL);
    site_close(&s);
    return c;
}

static void start(const char *dir, struct bench *dead, struct bench *clean)
{
    struct vault_report r, calm;
    struct rusage used;

    for (; dead->n < measure_rounds(3); dead->n++, clean->n++) {
        die_at_work(dir);
        dead->ours[dead->n] = opened(dir, &r);
        clean->ours[clean->n] = opened(dir, &calm);
        if (r.clean || !calm.clean)
            measure_die("the site did not open as after a death, and then as after an end", NULL);
        dead->peer[dead->n] = clean->peer[clean->n] = (struct cost){1, 1};
    }
    measure_print(dead);
    measure_print(clean);
    measure_say(dead->name, "%llu groups, %llu leaves; %.1f MB of the journal scanned",
                (unsigned long long)r.seq, (unsigned long long)r.ledger_size,
                (double)r.scanned / 1e6);
    measure_say(clean->name, "%.1f MB of the journal scanned", (double)calm.scanned / 1e6);
    if (getrusage(RUSAGE_SELF, &used) == 0)
        measure_say(dead->name, "%.1f MB resident at most", (double)used.ru_maxrss / 1024);
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

static void rebuild(const char *dir, struct bench *b)
{
    char keys[4096];
    struct config c = {.data = dir, .epoch_keys = keys};
    struct rebuild_report report = {0};
    struct err e = ERR_INIT;
    uint64_t bytes = 0;

    (void)snprintf(keys, sizeof(keys), "%s/keys", dir);
    for (b->n = 0; b->n < measure_rounds(1); b->n++) {
        struct cost begin;

        (void)read_segments(dir, &bytes); /* the page cache is warm */
        b->peer[b->n] = read_segments(dir, &bytes);
        begin = measure_now();
        if (site_rebuild_unjailed(&c, NULL, NULL, &report, &e) != 0)
            measure_die("rebuild", &e);
        b->ours[b->n] = measure_since(&begin);
        if (report.live < b->work)
            measure_die("not every submission was found again", NULL);
    }
    measure_print(b);
    measure_say(b->name, "%.0f MB of segments; %llu groups, %llu leaves, %llu live submissions",
                (double)bytes / 1e6, (unsigned long long)report.groups,
                (unsigned long long)report.leaves, (unsigned long long)report.live);
}

int main(int argc, char **argv)
{
    size_t objects = argc > 3 ? (size_t)strtoul(argv[3], NULL, 10) : 0;
    struct bench s = {.name = "start", .unit = "starts", .work = 1, .bar = 1};
    struct bench c = {.name = "start-clean", .unit = "starts", .work = 1, .bar = 1};
    struct bench r = {.name = "rebuild", .unit = "objects", .by_cpu = true, .bar = 0.5};

    r.work = (double)objects;
    if (argc == 4 && strcmp(argv[1], "make") == 0 && objects > 0) {
        make(argv[2], objects);
        return 0;
    }
    if (argc == 4 && strcmp(argv[1], "start") == 0 && objects > 0) {
        start(argv[2], &s, &c);
        return 0;
    }
    if (argc == 4 && strcmp(argv[1], "rebuild") == 0 && objects > 0) {
        rebuild(argv[2], &r);
        return 0;
    }
    (void)fprintf(stderr, "usage: bench-start make|start|rebuild FOLDER OBJECTS\n");
    return 2;
}

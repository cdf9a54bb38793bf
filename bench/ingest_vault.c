/* bench-ingest-vault CORPUS DIR: the files of a corpus made durable.
 *
 * Ours, in process: each file is read, hashed, encrypted into the vault by one thread; groups of
 * 128 with two leaves and a sealed blob each, one fdatasync a group, for which a second thread
 * waits, as the keeper's does; catalog index and ledger follow; a checkpoint a second.  No HTTP, no
 * signature checks: the whole path is bench ingest-http. Peers: `cp -r` and a sync of the file
 * system (plain files, nothing logged or encrypted); `borg create` into a fresh repository
 * (repokey, lz4: encrypted, deduplicated, compressed, one commit).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/secret.h"
#include "files.h"
#include "measure.h"
#include "site.h"

#define GROUP 128
#define LEAF 420 /* bytes of submission.accepted, nearly; copy.placed is shorter */
#define BLOB 640 /* openings of eight sealed fields */
#define FILE_MOST (64 << 20)

static const char *corpus, *folder;
static struct files files;
static uint8_t *content;

/* A new folder each round, all removed at the end: ext4 without a journal searches long for an
 * inode when many were freed in the last minutes, which is not what is measured here. */
static const char *fresh(char out[4096], const char *name)
{
    static unsigned number;

    (void)snprintf(out, 4096, "%s/%s-%u", folder, name, number++);
    sync();
    return out;
}

static struct vault_put *received(struct site *s, const struct file *f)
{
    struct vault_put *p;
    struct digest sha256;
    uint64_t size;

    files_read(f, content);
    if (vault_put_begin(&p, s->vault) != 0 || vault_put_append(p, content, (size_t)f->size) != 0 ||
        vault_put_finish(p, &sha256, &size) != 0)
        measure_die("putting a file into the vault", NULL);
    return p;
}

static void join(struct vault_group *g, struct vault_put *p, uint64_t number)
{
    uint8_t leaf[LEAF], blob[BLOB] = {0};
    struct id128 ref, sub, object;
    bool again;

    random_bytes(ref.b, sizeof(ref.b));
    random_bytes(sub.b, sizeof(sub.b));
    memset(leaf, 'x', sizeof(leaf));
    memcpy(leaf, &number, sizeof(number));
    if (vault_group_put(g, p, &ref, &sub, span_of(blob, sizeof(blob)), &again, &object) != 0 ||
        vault_group_leaf(g, span_of(leaf, sizeof(leaf))) != 0 ||
        vault_group_leaf(g, span_of(leaf, sizeof(leaf) / 2)) != 0)
        measure_die("putting a file into a group", NULL);
}

/* While a group is on its way to the disk, the files of the next are read, hashed, encrypted. */
static struct cost ours(struct site *s)
{
    struct vault_put *put[GROUP];
    char path[4096];
    struct cost begin, c;

    site_make(s, fresh(path, "ours"), NULL);
    begin = measure_now();
    for (size_t i = 0; i < files.n; i += GROUP) {
        size_t n = files.n - i < GROUP ? files.n - i : GROUP;
        struct vault_group *g;

        for (size_t k = 0; k < n; k++)
            put[k] = received(s, &files.v[i + k]);
        site_settle(s);
        if (vault_group_begin(&g, s->vault) != 0)
            measure_die("group", NULL);
        for (size_t k = 0; k < n; k++)
            join(g, put[k], i + k);
        site_set_out(s, g);
        site_publish(s, false);
    }
    site_settle(s);
    site_publish(s, true);
    c = measure_since(&begin);
    site_close(s);
    return c;
}

static struct cost copied(void)
{
    char path[4096];
    const char *argv[] = {
        "sh", "-c", "cp -r \"$1\" \"$2\" && sync -f \"$2\"", "sh", corpus, fresh(path, "cp"), NULL};
    struct cost c = measure_command(argv, NULL);

    return c;
}

static struct cost borg(void)
{
    char path[4096], archive[4200], base[4096];
    const char *init[] = {"borg", "--error", "init", "--encryption=repokey", fresh(path, "borg"),
                          NULL};
    const char *create[] = {
        "borg",  "--error", "create", "--compression=lz4", "--files-cache=disabled",
        archive, corpus,    NULL};
    struct cost c;

    (void)setenv("BORG_PASSPHRASE", "bench", 1);
    (void)setenv("BORG_BASE_DIR", fresh(base, "borg-home"), 1);
    (void)snprintf(archive, sizeof(archive), "%s::a", path);
    (void)measure_command(init, NULL);
    c = measure_command(create, NULL);
    return c;
}

int main(int argc, char **argv)
{
    struct bench b[4] = {{.name = "ingest-vault-cp", .unit = "files", .bar = 0.8},
                         {.name = "ingest-vault-borg", .unit = "files", .bar = 1.5},
                         {.name = "ingest-vault-cp-cpu", .unit = "files", .by_cpu = true},
                         {.name = "ingest-vault-borg-cpu", .unit = "files", .by_cpu = true}};
    size_t rounds = measure_rounds(3);
    struct site s;

    if (argc != 3) {
        (void)fprintf(stderr, "usage: bench-ingest-vault CORPUS FOLDER\n");
        return 2;
    }
    corpus = argv[1];
    folder = argv[2];
    files_list(&files, (const char *const[]){corpus, NULL}, 0, FILE_MOST);
    content = malloc(FILE_MOST);
    if (content == NULL || files.n == 0)
        measure_die("the corpus is empty", NULL);
    for (size_t i = 0; i < files.n; i++) /* the page cache is warm */
        files_read(&files.v[i], content);
    for (size_t i = 0; i < rounds; i++) {
        b[0].ours[i] = ours(&s);
        b[0].peer[i] = copied();
        b[1].peer[i] = borg();
        b[1].ours[i] = b[2].ours[i] = b[3].ours[i] = b[0].ours[i];
        b[2].peer[i] = b[0].peer[i];
        b[3].peer[i] = b[1].peer[i];
    }
    for (size_t i = 0; i < ARRAY_LEN(b); i++) {
        b[i].n = rounds;
        b[i].work = (double)files.n;
        measure_print(&b[i]);
    }
    measure_say("ingest-vault", "%zu files, %.0f MB; %zu groups, %zu checkpoints in the last round",
                files.n, (double)files.bytes / 1e6, s.groups, s.publications);
    measure_say("ingest-vault", "not the whole path: no HTTP, no client, no signature checks; cp "
                                "neither encrypts nor logs and syncs once; borg compresses");
    free(content);
    files_free(&files);
    return 0;
}

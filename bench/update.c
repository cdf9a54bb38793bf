/* bench-update: what a week of changes costs a client.
 *
 *   update OLD NEW GLARUS MAKE-LEDGER WORK     OLD, NEW: folders of rules
 *
 * update-delta     bytes of the difference, beside `zstd -19 --patch-from` of the same archives
 * update-small     how many times smaller than the whole release, compressed, it is
 * update-make      time to make it, beside that program
 * update-install   `glarus update` from a folder with the release before (TUF, the ledger's proof,
 *                  the difference, every file read back), beside the same by hand without any
 *                  verification: zstd -d, tar, sync */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "measure.h"
#include "updates/delta.h"
#include "updates/pack.h"

#define USUAL_ROUNDS 5

static const char *work;

static char *at(const char *name)
{
    static char path[8][4096];
    static unsigned turn;
    char *p = path[turn++ % 8];

    (void)snprintf(p, sizeof(path[0]), "%s/%s", work, name);
    return p;
}

static struct cost sh(const char *command, const char *a, const char *b, const char *c)
{
    const char *const run[] = {"/bin/bash", "-euc", command, work, a, b, c, NULL};

    return measure_command(run, at("said"));
}

static void pack(const char *folder, const char *file)
{
    struct release *r = NULL;
    struct err e = ERR_INIT;
    int fd = open(at(file), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd < 0 || release_load(&r, folder, &e) != 0 || pack_write(r, fd, &e) != 0)
        measure_die(folder, &e);
    io_close(&fd);
    release_free(r);
}

static void load(struct buf *b, const char *file)
{
    buf_init(b, (size_t)PACK_BYTES_MAX);
    if (io_read_file(AT_FDCWD, at(file), b) != 0)
        measure_die(file, NULL);
}

static size_t size_of(const char *file)
{
    struct stat st;

    if (stat(at(file), &st) != 0)
        measure_die(file, NULL);
    return (size_t)st.st_size;
}

static void say_sizes(const char *name, double ours, double peer, double ratio, double bar,
                      const char *unit)
{
    (void)printf("bench %s ours=%.0f peer=%.0f ratio=%.3g bar=%g unit=%s\n", name, ours, peer,
                 ratio, bar, unit);
    (void)fflush(stdout);
}

static void differences(void)
{
    struct bench b = {.name = "update-make", .unit = "releases", .work = 1, .by_cpu = true};
    size_t rounds = measure_rounds(USUAL_ROUNDS), delta = 0;
    struct buf from, to, out;
    struct err e = ERR_INIT;

    load(&from, "old.tar");
    load(&to, "new.tar");
    for (size_t i = 0; i < rounds; i++) {
        struct cost began = measure_now();

        buf_init(&out, (size_t)PACK_BYTES_MAX);
        if (delta_make(&out, buf_span(&from), buf_span(&to), &e) != 0)
            measure_die("update-make", &e);
        b.ours[i] = measure_since(&began);
        delta = out.len;
        buf_free(&out);
        b.peer[i] = sh("zstd -q -f -19 --single-thread --patch-from=\"$0/old.tar\" \"$0/new.tar\" "
                       "-o \"$0/peer.zst\" 2>/dev/null",
                       "", "", "");
        b.n++;
    }
    buf_init(&out, (size_t)PACK_BYTES_MAX);
    if (delta_make(&out, (struct span){NULL, 0}, buf_span(&to), &e) != 0)
        measure_die("update-small", &e);
    say_sizes("update-delta", (double)delta, (double)size_of("peer.zst"),
              (double)size_of("peer.zst") / (double)delta, 0.9, "bytes");
    say_sizes("update-small", (double)delta, (double)out.len, (double)out.len / (double)delta, 50,
              "bytes");
    measure_say("update-small", "the release has %zu bytes, %zu compressed", to.len, out.len);
    measure_print(&b);
    buf_free(&from);
    buf_free(&to);
    buf_free(&out);
}

static const char repository[] =
    "cd \"$0\"; old=$1 new=$2 glarus=$3\n"
    "mkdir -p repo; \"$glarus\" people key key.pem >key\n"
    "k=$(sed -n 's/^public key //p' key)\n"
    "{ echo 'format: update-keys/v1'; for r in root targets rules snapshot timestamp; do\n"
    "  echo \"$r: {threshold: 1, expires: 30d, keys: [\\\"$k\\\"]}\"; done; } >repo/keys.yaml\n"
    "publish() { \"$glarus\" repository publish repo --snapshot key.pem --timestamp key.pem; }\n"
    "\"$glarus\" repository plan repo\n"
    "for f in root targets; do \"$glarus\" repository sign repo/pending/$f.json --key key.pem; "
    "done\n"
    "publish\n"
    "add() { \"$glarus\" repository add repo \"$1\" --ledger ledger/ledger --trust "
    "ledger/trust.yaml "
    "--key key.pem; publish; }\n"
    "add \"$old\"\n"
    "\"$glarus\" update repo --dir before --trust ledger/trust.yaml --root "
    "repo/metadata/1.root.json\n"
    "add \"$new\"\n";

static void installing(const char *glarus)
{
    struct bench b = {.name = "update-install", .unit = "releases", .work = 1};
    size_t rounds = measure_rounds(USUAL_ROUNDS);

    for (size_t i = 0; i < rounds; i++) {
        (void)sh("cd \"$0\"; rm -rf client hand; cp -r before client; mkdir hand; sync -f .", "",
                 "", "");
        b.ours[i] = sh("cd \"$0\"; \"$1\" update repo --dir client --trust ledger/trust.yaml",
                       glarus, "", "");
        b.peer[i] = sh("cd \"$0\"; zstd -q -f -d --patch-from=old.tar peer.zst -o hand.tar; tar -C "
                       "hand -xf hand.tar; sync -f hand",
                       "", "", "");
        b.n++;
    }
    (void)sh("cd \"$0\"; diff -r hand client/current", "", "", "");
    measure_print(&b);
}

int main(int argc, char **argv)
{
    const char *make[] = {NULL, NULL, NULL, NULL, NULL};

    if (argc != 6) {
        (void)fprintf(stderr, "usage: bench-update OLD NEW GLARUS MAKE-LEDGER WORK\n");
        return 2;
    }
    work = argv[5];
    pack(argv[1], "old.tar");
    pack(argv[2], "new.tar");
    differences();
    make[0] = argv[4];
    make[1] = strdup(at("ledger"));
    make[2] = argv[1];
    make[3] = argv[2];
    (void)measure_command(make, at("said"));
    (void)sh(repository, argv[1], argv[2], argv[3]);
    installing(argv[3]);
    return 0;
}

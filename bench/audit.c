/* bench-audit DIR SUBMISSIONS: every claim over a generated history of two sites with that many
 * submissions of each of six countries, each scanned, one country moved.
 *
 * Four comparisons with SHA-256 over the same leaves and nodes in memory, all in CPU seconds:
 *   audit             everything, Ed25519 signatures of all submissions included
 *   audit-resumed     everything, resumed from the state of an audit of the first 98 of 100
 * published checkpoints: what a week costs of a year that is audited each week audit-tables the
 * same run with signature checks answered "yes" at once: what reading, hashing, parsing and the
 * claims' tables cost audit-limit       everything, against hashing plus the signature checks of
 * the same run alone The wrapper below is the linker's (--wrap=ed25519_verify): the product has no
 * such switch. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "betray/history.h"
#include "claims/audit.h"
#include "crypto/secret.h"
#include "crypto/sha256.h"
#include "events/leaf.h"
#include "ledger/tlog_tiles.h"
#include "measure.h"

#define SITES 2

static _Atomic(uint64_t) verified, verify_us;
static bool skip;

int __real_ed25519_verify(const struct ed25519_pub *, const void *, size_t,
                          const struct ed25519_sig *);
int __wrap_ed25519_verify(const struct ed25519_pub *, const void *, size_t,
                          const struct ed25519_sig *);

static uint64_t thread_us(void)
{
    struct rusage r;

    if (getrusage(RUSAGE_THREAD, &r) != 0)
        return 0;
    return (uint64_t)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000U +
           (uint64_t)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

int __wrap_ed25519_verify(const struct ed25519_pub *k, const void *p, size_t n,
                          const struct ed25519_sig *sig)
{
    uint64_t begin;
    int rc;

    atomic_fetch_add_explicit(&verified, 1, memory_order_relaxed);
    if (skip)
        return 0;
    begin = thread_us();
    rc = __real_ed25519_verify(k, p, n, sig);
    atomic_fetch_add_explicit(&verify_us, thread_us() - begin, memory_order_relaxed);
    return rc;
}

static const char *const sites[SITES] = {"zrh1", "mow1"};

struct memory { /* the leaves of both ledgers, one behind the other */
    struct buf bytes;
    uint32_t *length;
    size_t leaves, cap;
    uint64_t live; /* copies placed and not removed */
};
static struct memory mem[SITES];

static int keep(void *arg, uint64_t index, struct span s, struct err *e)
{
    struct memory *m = arg;
    struct leaf l;

    if (m->leaves == m->cap) {
        m->cap = m->cap == 0 ? 4096 : m->cap * 2;
        m->length = reallocarray(m->length, m->cap, sizeof(*m->length));
        if (m->length == NULL)
            return -ENOMEM;
    }
    m->length[m->leaves++] = (uint32_t)s.n;
    if (leaf_parse(&l, s) == 0)
        m->live += (uint64_t)(l.kind == LK_COPY_PLACED) - (uint64_t)(l.kind == LK_COPY_REMOVED);
    return buf_put(&m->bytes, s.p, s.n);
}

static void load(struct memory *m, const char *dir)
{
    const struct tlog_walk w = {.leaf = keep, .arg = m};
    struct core_range at = {0};
    struct tlog_tiles *t;
    struct err e = ERR_INIT;
    uint64_t *sizes = NULL;
    size_t n = 0;

    buf_init(&m->bytes, (size_t)8 << 30);
    if (tlog_tiles_checkpoints(dir, &sizes, &n, &e) != 0 || n == 0 ||
        tlog_tiles_open(&t, dir, sizes[n - 1], &e) != 0 ||
        tlog_tiles_walk(t, &at, sizes[n - 1], &w, &e) != 0)
        measure_die(dir, &e);
    tlog_tiles_close(t);
    free(sizes);
}

static struct cost hashes(void)
{
    struct cost begin = measure_now();

    for (size_t s = 0; s < SITES; s++) {
        const uint8_t *p = mem[s].bytes.data;
        struct core_range r = {0};
        struct digest h;

        for (size_t i = 0; i < mem[s].leaves; i++) {
            sha256_leaf(p, mem[s].length[i], &h);
            p += mem[s].length[i];
            if (core_range_add(&note_crypto, &r, &h) != 0)
                measure_die("range", NULL);
        }
        core_range_root(&note_crypto, &r, &h);
    }
    return measure_since(&begin);
}

/* Signature checks and nothing else: one thread, other keys, as long as a submitter's message is.
 * The cost of so many. */
static struct cost bare_checks(uint64_t n)
{
    enum { DIFFERENT = 2000, LONG = 300 };
    static struct ed25519_pub pub[DIFFERENT];
    static struct ed25519_sig sig[DIFFERENT];
    static uint8_t text[DIFFERENT][LONG];
    struct cost begin, c;
    double each;

    for (size_t i = 0; i < DIFFERENT && pub[i].b[0] + pub[i].b[1] + pub[i].b[2] == 0; i++) {
        struct ed25519_key *key;

        random_bytes(text[i], LONG);
        if (ed25519_generate(&key) != 0 || ed25519_sign(key, text[i], LONG, &sig[i]) != 0)
            measure_die("key", NULL);
        ed25519_public(key, &pub[i]);
        ed25519_free(key);
    }
    begin = measure_now();
    for (size_t i = 0; i < DIFFERENT; i++)
        if (__real_ed25519_verify(&pub[i], text[i], LONG, &sig[i]) != 0)
            measure_die("a good signature does not verify", NULL);
    c = measure_since(&begin);
    each = (double)n / DIFFERENT;
    return (struct cost){c.wall * each, c.cpu * each};
}

struct seen {
    struct cost cost;
    double verify; /* CPU seconds */
    uint64_t signatures, leaves, bytes, records;
};

/* An audit of dirs, resumed from `state` (empty: from nothing); left (may be NULL) is its own. */
static void run(struct seen *out, const struct trust *t, const char *const dirs[SITES],
                const struct ed25519_key *key, struct span state, struct buf *left)
{
    struct audit_options o = {.threads = 0, .state = state};
    struct audit_source src[SITES];
    struct audit *a = NULL;
    struct err e = ERR_INIT;
    struct cost begin = measure_now();

    for (size_t i = 0; i < SITES; i++)
        src[i] = (struct audit_source){sites[i], dirs[i]};
    ed25519_public(key, &o.state_key);
    verified = verify_us = 0;
    if (audit_run(&a, t, src, SITES, &o, &e) != 0)
        measure_die("audit", &e);
    out->cost = measure_since(&begin);
    out->verify = (double)verify_us / 1e6;
    out->signatures = verified;
    if (left != NULL && audit_state(a, key, left, &e) != 0)
        measure_die("state", &e);
    if (left == NULL && audit_exit(a) != 0)
        measure_die("a claim over the generated history is not proved: remove the folder of "
                    "generated data (it may be of an older version) and run again",
                    NULL);
    audit_memory(a, &out->bytes, &out->records);
    out->leaves = 0;
    for (size_t i = 0; i < audit_ledgers(a); i++)
        out->leaves += audit_ledger(a, i).size;
    audit_free(a);
}

/* ------------------------------------------------------------------ an earlier audit */

static const char *name(char out[4200], const char *dir, const char *file)
{
    (void)snprintf(out, 4200, "%.4000s/%.150s", dir, file);
    return out;
}

static void copy(const char *from, const char *to)
{
    struct buf b;

    buf_init(&b, CORE_NOTE_MAX);
    if (io_read_file(AT_FDCWD, from, &b) != 0 ||
        io_replace_file(AT_FDCWD, to, b.data, b.len, 0644) != 0)
        measure_die(to, NULL);
    buf_free(&b);
}

/* view: the ledger dir as it was at 98 of 100 of its checkpoints. */
static void earlier(const char *dir, const char *view)
{
    char from[4200], to[4200], number[40] = "";
    struct err e = ERR_INIT;
    uint64_t *sizes;
    size_t n;

    measure_remove(view);
    if (mkdir(view, 0755) != 0 || mkdir(name(to, view, "checkpoints"), 0755) != 0 ||
        symlink(name(from, dir, "tile"), name(to, view, "tile")) != 0 ||
        symlink(name(from, dir, "artifact"), name(to, view, "artifact")) != 0)
        measure_die(view, NULL);
    if (tlog_tiles_checkpoints(dir, &sizes, &n, &e) != 0 || n == 0)
        measure_die(dir, &e);
    n = n * 98 / 100 > 0 ? n * 98 / 100 : 1;
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(number, sizeof(number), "checkpoints/%llu", (unsigned long long)sizes[i]);
        copy(name(from, dir, number), name(to, view, number));
    }
    copy(name(from, dir, number), name(to, view, "checkpoint"));
    free(sizes);
}

static void make(const char *dir, unsigned submissions)
{
    struct history_spec spec = {.submissions = submissions,
                                .withdrawn = submissions / 100,
                                .move = true,
                                .scans = true,
                                .group = 128,
                                .checkpoint = 16,
                                .seed = 1};
    struct err e = ERR_INIT;
    char making[4096];
    struct stat st;
    int n = snprintf(making, sizeof(making), "%s.new", dir);

    if (n < 0 || (size_t)n >= sizeof(making))
        measure_die("the path of the folder is too long", NULL);
    if (stat(dir, &st) == 0)
        return;
    measure_remove(making);
    if (history_make(making, &spec, &e) != 0)
        measure_die("history", &e);
    if (rename(making, dir) != 0)
        measure_die(dir, NULL);
}

enum { FULL, TABLES, LIMIT, BARE, RESUMED, BENCHES };

static void print(struct bench *b, const struct seen *last, const struct seen *resumed)
{
    uint64_t live = mem[0].live + mem[1].live;
    double each = (double)last->bytes / (double)(live > 0 ? live : 1);

    for (size_t i = 0; i < BENCHES; i++)
        measure_print(&b[i]);
    measure_say(b[FULL].name,
                "%llu Ed25519 signatures took %.2f of %.2f CPU seconds (%.0f %%), %.0f us each",
                (unsigned long long)last->signatures, last->verify, last->cost.cpu,
                100 * last->verify / last->cost.cpu,
                1e6 * last->verify / (double)(last->signatures > 0 ? last->signatures : 1));
    measure_say(
        b[BARE].name,
        "peer: libsodium's verification alone, as often; the last audit got %.2f of the cores",
        last->cost.cpu / last->cost.wall);
    measure_say(b[TABLES].name,
                "ours with every signature check answered yes at once (the linker's "
                "--wrap); the peer hashes with one thread, ours too");
    measure_say(b[LIMIT].name, "peer: hashing and the bare signature checks of the same rounds");
    measure_say(b[RESUMED].name, "%llu signatures verified, %llu known from the state",
                (unsigned long long)resumed->signatures,
                (unsigned long long)(last->signatures - resumed->signatures));
    (void)printf("bench audit-memory ours=%.1f peer=64 ratio=%.3g bar=1 unit=bytes/live-ref "
                 "records=%llu live=%llu bytes=%llu per_record=%.1f\n",
                 each, 64 / each, (unsigned long long)last->records, (unsigned long long)live,
                 (unsigned long long)last->bytes,
                 (double)last->bytes / (double)(last->records > 0 ? last->records : 1));
    measure_say("audit-memory", "a live copy has two records, the submission's and the copy's, "
                                "with their index, spare room and what sorting needs; peer is the "
                                "design's bar of 64 bytes a live ref");
}

int main(int argc, char **argv)
{
    struct bench b[BENCHES] = {
        [FULL] = {.name = "audit", .unit = "leaves", .by_cpu = true, .bar = 0.25},
        [TABLES] = {.name = "audit-tables", .unit = "leaves", .by_cpu = true, .bar = 0.25},
        [LIMIT] = {.name = "audit-limit", .unit = "leaves", .by_cpu = true},
        [BARE] = {.name = "audit-signatures", .unit = "leaves", .by_cpu = true},
        [RESUMED] = {.name = "audit-resumed", .unit = "leaves", .by_cpu = true, .bar = 0.25}};
    char zrh[4096], mow[4096], trust[4096], early[SITES][4200];
    const char *dirs[SITES] = {zrh, mow}, *views[SITES] = {early[0], early[1]};
    const struct span nothing = {NULL, 0};
    struct ed25519_key *key;
    struct buf state;
    struct trust *t;
    struct err e = ERR_INIT;
    struct seen full, tables, resumed;
    size_t rounds = measure_rounds(3);

    if (argc != 3) {
        (void)fprintf(stderr, "usage: bench-audit FOLDER SUBMISSIONS\n");
        return 2;
    }
    make(argv[1], (unsigned)strtoul(argv[2], NULL, 10));
    (void)snprintf(zrh, sizeof(zrh), "%s/zrh1", argv[1]);
    (void)snprintf(mow, sizeof(mow), "%s/mow1", argv[1]);
    (void)snprintf(trust, sizeof(trust), "%s/trust.yaml", argv[1]);
    if (trust_load(&t, trust, &e) != 0)
        measure_die("trust", &e);
    if (ed25519_generate(&key) != 0)
        measure_die("key", NULL);
    for (size_t i = 0; i < SITES; i++) {
        load(&mem[i], dirs[i]);
        (void)name(early[i], argv[1], i == 0 ? "early-zrh1" : "early-mow1");
        earlier(dirs[i], early[i]);
    }
    buf_init(&state, 65536);
    run(&resumed, t, views, key, nothing, &state);
    for (size_t i = 0; i < rounds; i++) {
        skip = false;
        run(&full, t, dirs, key, nothing, NULL);
        b[FULL].peer[i] = b[TABLES].peer[i] = b[LIMIT].peer[i] = b[RESUMED].peer[i] = hashes();
        run(&resumed, t, dirs, key, buf_span(&state), NULL);
        skip = true;
        run(&tables, t, dirs, key, nothing, NULL);
        b[FULL].ours[i] = b[LIMIT].ours[i] = b[BARE].ours[i] = full.cost;
        b[BARE].peer[i] = bare_checks(full.signatures);
        b[TABLES].ours[i] = tables.cost;
        b[RESUMED].ours[i] = resumed.cost;
        b[LIMIT].peer[i].cpu += full.verify;
        b[LIMIT].peer[i].wall += full.verify;
    }
    for (size_t k = 0; k < BENCHES; k++) {
        b[k].n = rounds;
        b[k].work = (double)full.leaves;
    }
    print(b, &full, &resumed);
    buf_free(&state);
    ed25519_free(key);
    trust_free(t);
    for (size_t i = 0; i < SITES; i++) {
        buf_free(&mem[i].bytes);
        free(mem[i].length);
    }
    return 0;
}

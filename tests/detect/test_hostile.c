/* Files that want to break scanners: cut, changed, glued together, bombs, headers of everything
 * with noise behind.  For each: one result, the engines live on, and the next good file gets its
 * verdict within five seconds.  Where the kernel lets root watch (watch.h), it is seen from outside
 * that no process of the engines does anything that is not its work.  $HOSTILE_CORPUS: folders of
 * more files to begin from, colons between (what ends in .uu is decoded).  $HOSTILE_KEEP: a folder
 * for what killed a child, took all its time or made ClamAV complain.  $SOAK_ROUNDS (200) files;
 * the seed is told and can be given in $HOSTILE_SEED.  Arguments: walk, yara, clamav. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include "line_rig.h"
#include "boxes.h"
#include "jail/jail.h"
#include "watch.h"

#define SAMPLES "/usr/share/clamav-testfiles"
#define SEEDS_MAX 8192
#define FILE_MAX_ ((size_t)4 << 20)
#define BATCH 16

static const char *engines[3];
static struct line_rig rig;
static struct buf seed[SEEDS_MAX];
static size_t seeds;
static uint64_t state_;
static struct watch *watch; /* NULL: nobody watches */

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *s = getenv(name);
    uint64_t n;

    return s != NULL && text_u64(span_str(s), INT64_MAX, &n) == 0 ? n : otherwise;
}

static uint64_t draw(void) /* splitmix64 */
{
    uint64_t z = (state_ += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static size_t below(size_t n)
{
    return n == 0 ? 0 : (size_t)(draw() % n);
}

static struct buf *new_seed(void)
{
    assert_true(seeds < SEEDS_MAX);
    buf_init(&seed[seeds], FILE_MAX_);
    return &seed[seeds++];
}

/* One line of uuencode: its first byte is the number of bytes. */
static void uu_line(struct buf *out, struct span line)
{
    size_t n = line.n > 0 ? (line.p[0] - 32u) & 63u : 0;

    for (size_t at = 1; n > 0 && at + 4 <= line.n; at += 4) {
        uint32_t v = 0;

        for (size_t i = 0; i < 4; i++)
            v = v << 6 | ((line.p[at + i] - 32u) & 63u);
        for (size_t i = 0; i < 3 && n > 0; i++, n--)
            (void)!buf_putc(out, (int)(v >> (16 - 8 * i) & 255));
    }
}

static void uu_decode(struct buf *b)
{
    struct cur c = cur_of(buf_span(b));
    struct span line;
    struct buf out;
    bool inside = false;

    buf_init(&out, FILE_MAX_);
    while (cur_line(&c, &line) == 0) {
        if (inside && span_is(line, "end"))
            break;
        if (inside)
            uu_line(&out, line);
        inside |= line.n > 6 && memcmp(line.p, "begin ", 6) == 0;
    }
    buf_free(b);
    *b = out;
}

static int take_seed(const char *path, const struct stat *st, int type, struct FTW *at)
{
    size_t n = strlen(path);
    struct buf *b;

    (void)at;
    if (type != FTW_F || st->st_size == 0 || st->st_size > (off_t)FILE_MAX_ || seeds == SEEDS_MAX)
        return 0;
    b = new_seed();
    if (io_read_file(AT_FDCWD, path, b) != 0) {
        buf_free(b);
        seeds--;
        return 0;
    }
    if (n > 3 && strcmp(path + n - 3, ".uu") == 0)
        uu_decode(b);
    return 0;
}

static void take_corpus(void)
{
    const char *list = getenv("HOSTILE_CORPUS");
    char *copy = list == NULL ? NULL : strdup(list), *rest = copy, *folder;

    while (rest != NULL && (folder = strsep(&rest, ":")) != NULL)
        (void)nftw(folder, take_seed, 16, FTW_PHYS);
    free(copy);
}

static void make_seeds(void)
{
    static uint8_t noise[5000];
    static char zeros[1 << 20];
    DIR *d = opendir(SAMPLES);
    struct dirent *en;
    char path[512];

    while (d != NULL && (en = readdir(d)) != NULL) {
        if (en->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", SAMPLES, en->d_name);
        assert_int_equal(io_read_file(AT_FDCWD, path, new_seed()), 0);
    }
    if (d != NULL)
        (void)closedir(d);
    for (size_t i = 0; i < sizeof(noise); i++)
        noise[i] = (uint8_t)draw();
    for (size_t i = 0; i < ARRAY_LEN(box_kinds); i++) {
        box(new_seed(), box_kinds[i].name, "m", span_of(noise, sizeof(noise)));
        box(new_seed(), box_kinds[i].name, "../../etc/passwd", span_str("x"));
    }
    box(new_seed(), "zip", "zeros", span_of(zeros, sizeof(zeros)));
    box(new_seed(), "xz", "zeros", span_of(zeros, sizeof(zeros)));
    take_corpus();
    print_message("%zu files to begin from\n", seeds);
}

/* --- making one --- */

static void flip(struct buf *b)
{
    for (size_t n = 1 + below(12); n > 0 && b->len > 0; n--)
        b->data[below(b->len)] ^= (uint8_t)(1u << below(8));
}

/* Numbers that sizes and counts go wrong at. */
static void big_numbers(struct buf *b)
{
    static const uint32_t bad[] = {0,          1,          0x7fffffff, 0x80000000,
                                   0xffffffff, 0xfffffffe, 0x7f7f7f7f, 0x10000};

    for (size_t n = 1 + below(4); n > 0 && b->len > 8; n--)
        memcpy(b->data + below(b->len - 8), &bad[below(ARRAY_LEN(bad))], 4);
}

static void cut(struct buf *b)
{
    b->len = below(b->len + 1);
}

static void glue(struct buf *b)
{
    const struct buf *o = &seed[below(seeds)];

    (void)!buf_put(b, o->data, o->len);
}

static void insert(struct buf *b) /* a piece of another somewhere inside */
{
    const struct buf *o = &seed[below(seeds)];
    size_t at = below(b->len + 1), from = below(o->len), n = below(o->len - from + 1);

    if (n > b->len - at)
        n = b->len - at;
    if (n > 0)
        memcpy(b->data + at, o->data + from, n);
}

static void wrap(struct buf *b) /* into a container */
{
    struct buf out;

    buf_init(&out, FILE_MAX_);
    box(&out, box_kinds[below(ARRAY_LEN(box_kinds))].name, "w", buf_span(b));
    buf_free(b);
    *b = out;
}

static void header_and_noise(struct buf *b)
{
    size_t n = 64 + below(200);

    if (b->len > n)
        for (size_t i = n; i < b->len; i++)
            b->data[i] = (uint8_t)draw();
}

static void many_wraps(struct buf *b) /* a nest, or a bomb of small things */
{
    for (size_t n = 2 + below(8); n > 0; n--)
        wrap(b);
}

static void hostile(struct buf *out)
{
    static void (*const deeds[])(struct buf *) = {
        flip, big_numbers, cut, glue, insert, wrap, flip, header_and_noise, many_wraps};
    const struct buf *s = &seed[below(seeds)];

    buf_init(out, FILE_MAX_);
    assert_int_equal(buf_put(out, s->data, s->len), 0);
    for (size_t n = 1 + below(3); n > 0; n--)
        deeds[below(ARRAY_LEN(deeds))](out);
}

/* --- the test --- */

static unsigned count[3], reasons[REASONS];

/* What killed a child, or made ClamAV complain, is worth another look. */
static void keep(const struct buf *file, enum verdict_reason why, uint64_t number)
{
    const char *folder = getenv("HOSTILE_KEEP");
    char path[512];

    if (folder == NULL || (why != REASON_CRASH && why != REASON_ENGINE && why != REASON_TIME))
        return;
    (void)snprintf(path, sizeof(path), "%s/%s-%05llu", folder, verdict_reason_word(why),
                   (unsigned long long)number);
    assert_int_equal(io_replace_file(AT_FDCWD, path, file->data, file->len, 0644), 0);
}

static void turn(void)
{
    line_rig_turn(&rig);
    if (watch != NULL)
        watch_turn(watch);
}

static void submit(struct buf *files, unsigned n)
{
    struct detect_batch *b = NULL;
    void *where;

    assert_int_equal(detect_batch_new(&b), 0);
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(detect_batch_add(b, files[i].len, &where, i), 0);
        if (files[i].len > 0)
            memcpy(where, files[i].data, files[i].len);
    }
    while (detect_line_submit(rig.line, b) == -EAGAIN)
        turn();
}

static void next(struct detect_line_result *r)
{
    mono_ms until = clock_mono() + 120000;

    while (detect_line_next(rig.line, r) == 0) {
        turn();
        if (clock_mono() > until)
            fail_msg("no result: %s", detect_line_trouble(rig.line));
    }
}

static void nobody_has_escaped(void)
{
    struct watch_counts n;

    if (watch == NULL)
        return;
    n = watch_end(watch);
    print_message("watched: %llu calls of %llu children, %u refused, %u escapes, %u reports lost\n",
                  n.calls, n.children, n.refused, n.escapes, n.lost);
    if (n.escapes > 0)
        fail_msg("%u escapes, the first: %s", n.escapes, n.first);
    assert_int_equal(n.refused, 0);
    assert_int_equal(n.lost, 0);
    assert_true(n.children > 0 && n.calls > n.children);
}

static void nothing_is_lost_and_the_next_file_is_unaffected(void **state)
{
    uint64_t rounds = number("SOAK_ROUNDS", 200);
    struct detect_line_result r;
    struct buf file[BATCH], good;
    pid_t pid[3];

    (void)state;
    buf_init(&good, BOX_MAX);
    box(&good, "tgz", "good", span_str(rig.marker));
    detect_line_result_init(&r);
    for (size_t i = 0; i < 3; i++)
        pid[i] = rig.proc[i].pid;
    for (uint64_t done = 0; done < rounds;) {
        unsigned n = 0;
        mono_ms began;

        for (; n < BATCH && done < rounds; n++, done++)
            hostile(&file[n]);
        submit(file, n);
        for (unsigned i = 0; i < n; i++) {
            next(&r);
            assert_int_equal(r.cookie, i); /* each once, in order */
            assert_false(r.lost);
            count[r.finding.verdict]++;
            reasons[r.finding.reason]++;
            keep(&file[i], r.finding.reason, done - n + i);
            buf_free(&file[i]);
        }
        began = clock_mono();
        line_rig_scan(&rig, buf_span(&good), &r);
        assert_int_equal(r.finding.verdict, VERDICT_MALICIOUS);
        if (clock_mono() - began > 5000)
            fail_msg("the next file took %lld ms", (long long)(clock_mono() - began));
    }
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(rig.proc[i].pid, pid[i]); /* no engine had to be started again */
    assert_int_equal(detect_line_counts(rig.line).engines_lost, 0);
    print_message("%u malicious, %u incomplete, %u clean;", count[VERDICT_MALICIOUS],
                  count[VERDICT_INCOMPLETE], count[VERDICT_CLEAN]);
    for (unsigned i = 1; i < REASONS; i++)
        print_message(" %s %u", verdict_reason_word((enum verdict_reason)i), reasons[i]);
    print_message("\n");
    nobody_has_escaped();
    detect_line_result_done(&r);
    buf_free(&good);
}

static int set_up(void **state)
{
    static const struct detect_limits limits = {
        .file_ms = 10000, .member_bytes = 16 << 20, .members = 1000, .depth = 12};

    struct err e = ERR_INIT;

    (void)state;
    state_ = number("HOSTILE_SEED", (uint64_t)clock_mono());
    print_message("HOSTILE_SEED=%llu\n", (unsigned long long)state_);
    rig = (struct line_rig){
        .names = {"walk", "yara", "clamav"}, .paths = {engines[0], engines[1], engines[2]}, .n = 3};
    line_rig_marker(&rig);
    line_rig_start(&rig, &limits);
    make_seeds();
    if (jail_is_sanitized() || watch_open(&watch, &e) != 0)
        print_message("not watched: %s\n", err_text(&e));
    for (size_t i = 0; i < 3 && watch != NULL; i++)
        watch_engine(watch, rig.proc[i].pid, strcmp(rig.names[i], "clamav") == 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    watch_close(watch);
    line_rig_stop(&rig);
    rig_remove(rig.folder);
    for (size_t i = 0; i < seeds; i++)
        buf_free(&seed[i]);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_and_the_next_file_is_unaffected),
    };

    if (argc != 4)
        return 2;
    for (int i = 0; i < 3; i++)
        engines[i] = argv[1 + i];
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

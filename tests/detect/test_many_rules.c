/* The YARA engine with a release as large as public ones: what a child costs, and a file that more
 * rules hit than a verdict has room for.  Argument: the engine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/stat.h>

#include "jail/jail.h"
#include "kin.h"
#include "rig.h"

#define UID 64123
#define RULES 8000
#define COMMON (VERDICT_NAMES_MAX + 44) /* the first ones have a text in common */
#define BATCHES 12
#define PLACE_FAULTS_OF_CHILDREN 11 /* proc(5): cminflt, rss */
#define PLACE_RESIDENT 24

static const char *engine_path;

struct rig {
    char folder[64];
    struct release *release;
    struct detect_client *client;
    struct proc proc;
};

/* xorshift64*: the same rules in every run */
static uint64_t drawn(void)
{
    static uint64_t state = 42;

    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * UINT64_C(0x2545F4914F6CDD1D);
}

static void random_words(struct buf *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_int_equal(buf_putc(b, "abcdefghijklmnopqrstuvwxyzABCDEF"[drawn() % 32]), 0);
}

static void write_rules(const char *folder)
{
    struct buf b;

    buf_init(&b, 16u << 20);
    assert_int_equal(buf_puts(&b, "import \"elf\"\nimport \"pe\"\n"), 0);
    for (int i = 0; i < RULES; i++) {
        assert_int_equal(buf_printf(&b, "rule many_%05d { meta: about = \"", i), 0);
        random_words(&b, 40 + drawn() % 80);
        assert_int_equal(buf_puts(&b, "\" strings: $a = \""), 0);
        if (i < COMMON)
            assert_int_equal(buf_puts(&b, "what they have in common"), 0);
        else
            random_words(&b, 10 + drawn() % 30);
        assert_int_equal(buf_puts(&b, "\" $b = \""), 0);
        random_words(&b, 10 + drawn() % 30);
        assert_int_equal(buf_puts(&b, "\" nocase wide $c = /"), 0);
        random_words(&b, 6 + drawn() % 6);
        assert_int_equal(buf_puts(&b, "[0-9]{2,5}x/ condition: any of them or "
                                      "(elf.number_of_sections > 900 and pe.is_dll()) }\n"),
                         0);
    }
    rig_rule(folder, "many.yar", buf_str(&b));
    buf_free(&b);
}

static int set_up(void **state)
{
    struct detect_engine_spec s = {.path = engine_path, .uid = UID, .gid = UID, .children = 2};
    struct rig *r = calloc(1, sizeof(*r));
    struct err e = ERR_INIT;
    int sock;

    r->proc.pid = r->proc.pidfd = -1;
    (void)snprintf(r->folder, sizeof(r->folder), "/tmp/engine-XXXXXX");
    assert_non_null(mkdtemp(r->folder));
    write_rules(r->folder);
    if (release_load(&r->release, r->folder, &e) != 0)
        fail_msg("%s", err_text(&e));
    assert_int_equal(detect_client_new(&r->client, r->release, &(struct detect_limits){0}), 0);
    assert_int_equal(detect_engine_start(&r->proc, &sock, &s, &e), 0);
    assert_int_equal(detect_client_attach(r->client, sock, &e), 0);
    while (detect_client_state(r->client) == DETECT_STARTING)
        rig_turn(r->client);
    if (detect_client_state(r->client) != DETECT_READY)
        fail_msg("%s", detect_client_trouble(r->client));
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *r = *state;

    detect_client_free(r->client);
    proc_end_now(&r->proc);
    release_free(r->release);
    rig_remove(r->folder);
    free(r);
    return 0;
}

/* A batch of one file, to its end. */
static void scan(struct rig *r, struct span file, struct detect_result *got)
{
    struct detect_batch *b = NULL;
    void *where;

    assert_int_equal(detect_batch_new(&b), 0);
    assert_int_equal(detect_batch_add(b, file.n, &where, 0), 0);
    memcpy(where, file.p, file.n);
    assert_int_equal(detect_client_submit(r->client, b), 0);
    while (detect_client_next(r->client, got) == 0) {
        if (detect_client_state(r->client) != DETECT_READY)
            fail_msg("the engine is gone: %s", detect_client_trouble(r->client));
        rig_turn(r->client);
    }
}

/* Copied on write is what a batch must not do to the rules: with 10,000 public ones it once cost as
 * much as the scanning did.  What is left: what a scan itself needs. */
static void a_child_copies_little_of_what_it_inherits(void **state)
{
    struct rig *r = *state;
    struct detect_result got;
    long before, each, held;
    struct buf self;
    pid_t server;

    if (jail_is_sanitized())
        skip();
    assert_int_equal(kin_children_of(r->proc.pid, &server, 1), 1);
    finding_init(&got.finding);
    buf_init(&self, 64u << 20);
    assert_int_equal(io_read_file(AT_FDCWD, "/proc/self/exe", &self), 0);
    before = kin_stat(server, PLACE_FAULTS_OF_CHILDREN);
    for (int i = 0; i < BATCHES; i++) {
        scan(r, buf_span(&self), &got);
        assert_int_equal(got.finding.verdict, VERDICT_MALICIOUS); /* the words stand in this file */
    }
    /* the last child may not be waited for yet */
    each = (kin_stat(server, PLACE_FAULTS_OF_CHILDREN) - before) / (BATCHES - 1);
    held = kin_stat(server, PLACE_RESIDENT);
    if (each < 1 || each > held / 4)
        fail_msg("each child copied %ld pages of %ld", each, held);
    buf_free(&self);
    finding_done(&got.finding);
}

static void more_hits_than_names_are_kept_are_counted(void **state)
{
    struct rig *r = *state;
    struct detect_result got;
    char wanted[VERDICT_TEXT_MAX] = "";
    int n = 0;

    finding_init(&got.finding);
    scan(r, span_str("... what they have in common ..."), &got);
    assert_int_equal(got.finding.verdict, VERDICT_MALICIOUS);
    assert_int_equal(got.finding.hits, COMMON);
    for (int i = 0; i < VERDICT_NAMES_MAX; i++)
        n += snprintf(wanted + n, sizeof(wanted) - (size_t)n, "%smany_%05d", i > 0 ? "\n" : "", i);
    assert_string_equal(buf_str(&got.finding.names), wanted);
    finding_done(&got.finding);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_copies_little_of_what_it_inherits),
        cmocka_unit_test(more_hits_than_names_are_kept_are_counted),
    };

    if (argc != 2)
        return 2;
    engine_path = argv[1];
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

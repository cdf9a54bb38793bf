/* The YARA engine itself, jailed, with a hook that misbehaves on demand (hook.c).
 * Arguments: the hooked engine, the folder of the demo rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/text.h"
#include "crypto/sha256.h"
#include "jail/jail.h"
#include "kin.h"
#include "rig.h"

#define UID 64123
#define FILE_MS 400

static const char *engine_path, *demo;

struct rig {
    char folder[64];
    char marker[33]; /* new in every run, and the rule that finds it */
    struct release *release;
    struct detect_client *client;
    struct proc proc;
};

struct verdict_of { /* what came back for one file */
    bool there;
    uint32_t child;
    enum verdict verdict;
    enum verdict_reason reason;
    uint32_t hits;
    char names[256];
};

static void start(struct rig *r)
{
    struct detect_engine_spec s = {.path = engine_path, .uid = UID, .gid = UID, .children = 2};
    struct err e = ERR_INIT;
    int sock;

    assert_int_equal(detect_engine_start(&r->proc, &sock, &s, &e), 0);
    assert_int_equal(detect_client_attach(r->client, sock, &e), 0);
    while (detect_client_state(r->client) == DETECT_STARTING)
        rig_turn(r->client);
}

static void serve(struct rig *r, const char *folder)
{
    struct detect_limits limits = {.file_ms = FILE_MS};
    struct err e = ERR_INIT;

    if (release_load(&r->release, folder, &e) != 0)
        fail_msg("%s", err_text(&e));
    assert_int_equal(detect_client_new(&r->client, r->release, &limits), 0);
    start(r);
}

static int set_up(void **state)
{
    struct rig *r = calloc(1, sizeof(*r));
    uint8_t random[16];
    char rule[256];

    r->proc.pid = r->proc.pidfd = -1;
    assert_int_equal(getrandom(random, sizeof(random), 0), sizeof(random));
    text_hex(r->marker, random, sizeof(random));
    (void)snprintf(r->folder, sizeof(r->folder), "/tmp/engine-XXXXXX");
    assert_non_null(mkdtemp(r->folder));
    (void)snprintf(rule, sizeof(rule),
                   "rule Random_Marker { strings: $a = \"%s\" condition: $a }\n"
                   "rule Also_Marker { strings: $a = \"%s\" condition: $a and filesize < 200 }\n",
                   r->marker, r->marker);
    rig_rule(r->folder, "marker.yar", rule);
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

static void submit(struct rig *r, const char *const *text, size_t n, uint64_t cookie)
{
    struct detect_batch *b = NULL;
    void *where;

    assert_int_equal(detect_batch_new(&b), 0);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(detect_batch_add(b, strlen(text[i]), &where, cookie + i), 0);
        memcpy(where, text[i], strlen(text[i]));
    }
    assert_int_equal(detect_client_submit(r->client, b), 0);
}

/* Waits for n results whose cookies are below n. */
static void gather(struct rig *r, struct verdict_of *out, size_t n)
{
    struct detect_result got;

    memset(out, 0, n * sizeof(*out));
    finding_init(&got.finding);
    for (size_t left = n; left > 0;) {
        if (detect_client_next(r->client, &got) == 0) {
            if (detect_client_state(r->client) != DETECT_READY)
                fail_msg("the engine is gone: %s", detect_client_trouble(r->client));
            rig_turn(r->client);
            continue;
        }
        assert_true(got.cookie < n);
        assert_false(out[got.cookie].there); /* one result a file */
        out[got.cookie].there = true;
        out[got.cookie].child = got.child;
        out[got.cookie].verdict = got.finding.verdict;
        out[got.cookie].reason = got.finding.reason;
        out[got.cookie].hits = got.finding.hits;
        if (got.finding.names.len > 0)
            (void)snprintf(out[got.cookie].names, sizeof(out->names), "%s",
                           buf_str(&got.finding.names));
        left--;
    }
    finding_done(&got.finding);
}

/* The EICAR file, put together here so that the source holds none. */
static const char *eicar(char out[80])
{
    (void)snprintf(out, 80, "%s%s%s%s", "X5O!P%@AP[4\\PZX54(P^)7CC)7}", "$EICAR-STANDARD-",
                   "ANTIVIRUS-TEST-FILE", "!$H+H*");
    return out;
}

static void the_demo_release_finds_what_it_says(void **state)
{
    struct rig *r = *state;
    char text[80], longer[200];
    const char *files[] = {eicar(text), "x DEMO-MARKER-BETA-9c0d77e1 DEMO-MARKER-ALPHA-4f1f0a6c",
                           "nothing",   "",
                           longer,      " X5O!P%@AP"};
    struct verdict_of v[ARRAY_LEN(files)];

    serve(r, demo);
    assert_string_equal(detect_client_engine(r->client), "yara");
    (void)snprintf(longer, sizeof(longer), "%s%100s", text, "");
    submit(r, files, ARRAY_LEN(files), 0);
    gather(r, v, ARRAY_LEN(files));
    assert_string_equal(v[0].names, "EICAR_Test_File");
    assert_int_equal(v[0].verdict, VERDICT_MALICIOUS);
    assert_string_equal(v[1].names, "Demo_Marker_Alpha\nDemo_Marker_Beta"); /* canonical */
    assert_int_equal(v[1].hits, 2);
    for (size_t i = 2; i < ARRAY_LEN(files); i++)
        assert_int_equal(v[i].verdict, VERDICT_CLEAN);
    for (size_t i = 1; i < ARRAY_LEN(files); i++)
        assert_int_equal(v[i].child, v[0].child);
}

/* Reads every test file of Debian's package: how many the demo release and its hash set flag. */
static void the_clamav_test_files_are_flagged_as_far_as_no_unpacking_goes(void **state)
{
    static const char package[] = "/usr/share/clamav-testfiles";
    struct rig *r = *state;
    struct detect_batch *b = NULL;
    struct verdict_of v[64];
    struct finding known;
    struct dirent *en;
    size_t n = 0, flagged = 0, by_hash = 0;
    DIR *d = opendir(package);

    if (d == NULL)
        skip();
    serve(r, demo);
    finding_init(&known);
    assert_int_equal(detect_batch_new(&b), 0);
    while ((en = readdir(d)) != NULL && n < ARRAY_LEN(v)) {
        struct digest digest;
        struct buf text;
        void *where;

        if (en->d_name[0] == '.')
            continue;
        buf_init(&text, 4u << 20);
        assert_int_equal(io_read_file(dirfd(d), en->d_name, &text), 0);
        assert_int_equal(detect_batch_add(b, text.len, &where, n++), 0);
        memcpy(where, text.data, text.len);
        sha256_of(text.data, text.len, &digest);
        by_hash += detect_client_known(r->client, &digest, &known) == 1;
        buf_free(&text);
    }
    (void)closedir(d);
    assert_int_equal(detect_client_submit(r->client, b), 0);
    gather(r, v, n);
    for (size_t i = 0; i < n; i++)
        flagged += v[i].verdict == VERDICT_MALICIOUS;
    assert_int_equal(n, 44);
    assert_int_equal(by_hash, 1);
    assert_string_equal(buf_str(&known.names), "ClamAV_Test_Program_Known");
    assert_int_equal(flagged, 27); /* `yara` of Debian says the same */
    finding_done(&known);
}

static void a_file_that_misbehaves_costs_itself_and_nobody_else(void **state)
{
    static const char *const files[] = {"a",         "HOOK:crash", "b",        "HOOK:crash",
                                        "HOOK:hang", "c",          "HOOK:eat", "d"};
    static const enum verdict_reason reasons[] = {0, REASON_CRASH, 0, REASON_CRASH, REASON_TIME,
                                                  0, REASON_SIZE,  0};
    struct rig *r = *state;
    struct verdict_of v[ARRAY_LEN(files)];
    mono_ms began;

    if (jail_is_sanitized())
        skip();
    serve(r, r->folder);
    began = clock_mono();
    submit(r, files, ARRAY_LEN(files), 0);
    gather(r, v, ARRAY_LEN(files));
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        if (v[i].reason != reasons[i])
            fail_msg("%s: %s", files[i], verdict_reason_word(v[i].reason));
        assert_int_equal(v[i].verdict, reasons[i] == 0 ? VERDICT_CLEAN : VERDICT_INCOMPLETE);
    }
    assert_in_range(clock_mono() - began, FILE_MS, 10 * FILE_MS);
    /* who died was replaced, for the files behind only */
    assert_int_equal(v[0].child, v[1].child);
    assert_int_equal(v[2].child, v[3].child);
    assert_int_not_equal(v[1].child, v[2].child);
    assert_int_not_equal(v[3].child, v[4].child);
    assert_int_not_equal(v[4].child, v[5].child);
    assert_int_equal(detect_client_counts(r->client).incomplete, 4);
}

static void a_taken_over_child_has_no_right_left(void **state)
{
    static const char *const files[] = {
        "HOOK:open",   "HOOK:read",       "HOOK:write", "HOOK:send",  "HOOK:socket",
        "HOOK:fork",   "HOOK:exec",       "HOOK:kill",  "HOOK:memfd", "HOOK:memory",
        "HOOK:filter", "HOOK:executable", "end"};
    struct rig *r = *state;
    struct verdict_of v[ARRAY_LEN(files)];

    if (jail_is_sanitized())
        skip();
    serve(r, r->folder);
    submit(r, files, ARRAY_LEN(files), 0);
    gather(r, v, ARRAY_LEN(files));
    for (size_t i = 0; i + 1 < ARRAY_LEN(files); i++)
        if (v[i].reason != REASON_CRASH) /* SIGSYS */
            fail_msg("the child could %s", files[i]);
    assert_int_equal(v[ARRAY_LEN(files) - 1].verdict, VERDICT_CLEAN);
}

static void a_child_that_lies_is_not_believed(void **state)
{
    static const char *const files[] = {"LIE:r", "LIE:k", "LIE:o", "LIE:v", "LIE:n",
                                        "LIE:c", "LIE:d", "LIE:s", "LIE:x", "LIE:in bounds"};
    struct rig *r = *state;
    struct verdict_of v[ARRAY_LEN(files)];

    serve(r, r->folder);
    /* each with a child of its own: one lie must not hide behind another */
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        while (detect_client_counts(r->client).in_flight > 6)
            rig_turn(r->client);
        submit(r, &files[i], 1, i);
    }
    gather(r, v, ARRAY_LEN(files));
    for (size_t i = 0; i + 1 < ARRAY_LEN(files); i++)
        if (v[i].verdict != VERDICT_INCOMPLETE || v[i].reason != REASON_CRASH)
            fail_msg("%s was believed", files[i]);
    /* a lie in bounds is: about its own submitter's file, in a name of the release */
    assert_string_equal(v[ARRAY_LEN(files) - 1].names, "Also_Marker");
}

static void a_thousand_small_files_and_only_the_marked_are_hit(void **state)
{
    enum { N = 1000, EACH = 250 };
    struct rig *r = *state;
    static char text[N][64];
    static bool marked[N];
    static struct verdict_of v[N];
    const char *files[EACH];
    uint8_t random[N];

    serve(r, r->folder);
    assert_int_equal(getrandom(random, sizeof(random), 0), sizeof(random));
    for (size_t i = 0; i < N; i++) {
        marked[i] = random[i] < 64;
        (void)snprintf(text[i], sizeof(text[i]), "file %zu %s", i, marked[i] ? r->marker : "");
    }
    for (size_t i = 0; i < N; i += EACH) {
        for (size_t k = 0; k < EACH; k++)
            files[k] = text[i + k];
        submit(r, files, EACH, i);
    }
    gather(r, v, N);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(v[i].verdict, marked[i] ? VERDICT_MALICIOUS : VERDICT_CLEAN);
        assert_string_equal(v[i].names, marked[i] ? "Also_Marker\nRandom_Marker" : "");
        assert_int_equal(v[i].child, v[i / EACH * EACH].child);
    }
    for (size_t i = EACH; i < N; i += EACH)
        assert_int_not_equal(v[i].child, v[i - EACH].child);
}

/* --- two submitters --- */

/* Inodes of the memfds called name that a process has mapped. */
static size_t mapped(pid_t pid, const char *name, unsigned long *inode, size_t max)
{
    char path[64], line[512], want[64];
    size_t n = 0;
    FILE *f;

    (void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
    (void)snprintf(want, sizeof(want), "/memfd:%s", name);
    f = fopen(path, "re");
    while (f != NULL && fgets(line, sizeof(line), f) != NULL)
        if (strstr(line, want) != NULL && n < max)
            (void)sscanf(line, "%*s %*s %*s %*s %lu", &inode[n++]);
    if (f != NULL)
        (void)fclose(f);
    return n;
}

static size_t open_files(pid_t pid)
{
    char path[64];
    struct dirent *en;
    size_t n = 0;
    DIR *d;

    (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    d = opendir(path);
    assert_non_null(d);
    while ((en = readdir(d)) != NULL)
        n += en->d_name[0] != '.';
    (void)closedir(d);
    return n;
}

static void two_submitters_never_share_a_child_nor_see_each_other(void **state)
{
    static const char *const files[] = {"HOOK:hang"};
    struct rig *r = *state;
    pid_t inner, child[4];
    unsigned long batch[2][4], sheet[2][4];
    struct verdict_of v[2];
    size_t n = 0;

    if (geteuid() != 0 || jail_is_sanitized())
        skip(); /* only root may look into the jailed */
    serve(r, r->folder);
    submit(r, files, 1, 0);
    submit(r, files, 1, 1);
    assert_int_equal(kin_children_of(r->proc.pid, &inner, 1), 1);
    for (int i = 0; i < 300 && (n = kin_children_of(inner, child, 4)) != 2; i++)
        (void)usleep(1000);
    assert_int_equal(n, 2);
    /* until both hang inside */
    for (int i = 0; i < 250 && open_files(child[0]) + open_files(child[1]) != 0; i++)
        (void)usleep(1000);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(open_files(child[i]), 0);
        assert_int_equal(mapped(child[i], "batch", batch[i], 4), 1);
        assert_int_equal(mapped(child[i], "sheet", sheet[i], 4), 1);
    }
    assert_int_not_equal(batch[0][0], batch[1][0]);
    assert_int_not_equal(sheet[0][0], sheet[1][0]);
    assert_int_equal(mapped(inner, "batch", batch[0], 4), 0); /* the server sees no file at all */
    gather(r, v, 2);
    assert_int_not_equal(v[0].child, v[1].child);
    assert_int_equal(v[0].reason, REASON_TIME);
    assert_int_equal(v[1].reason, REASON_TIME);
}

/* --- rules that do not compile --- */

static void a_rule_that_does_not_compile_is_named_with_its_line(void **state)
{
    static const struct {
        const char *text, *where;
    } rows[] = {
        {"\n\nrule a { condition: nonsense }\n", "z.yar:3: undefined identifier \"nonsense\""},
        {"rule Random_Marker { condition: true }\n",
         "z.yar:1: duplicated identifier \"Random_Marker\""},
        {"include \"marker.yar\"\n", "z.yar:1: includes are disabled"},
        {"include \"/etc/passwd\"\n", "z.yar:1: includes are disabled"},
        {"rule a {", "z.yar:1: syntax error"},
    };
    struct rig *r = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct proc_last why;

        rig_rule(r->folder, "z.yar", rows[i].text);
        serve(r, r->folder);
        assert_int_equal(detect_client_state(r->client), DETECT_DOWN);
        if (strncmp(detect_client_trouble(r->client), rows[i].where, strlen(rows[i].where)) != 0)
            fail_msg("%s: %s", rows[i].text, detect_client_trouble(r->client));
        assert_int_equal(proc_reap(&r->proc, true, &why), 0);
        assert_int_equal(why.code, 2);
        detect_client_free(r->client);
        release_free(r->release);
        r->client = NULL;
        r->release = NULL;
    }
}

static void public_rule_sets_find_their_variables_and_modules(void **state)
{
    struct rig *r = *state;

    rig_rule(r->folder, "z.yar",
             "import \"pe\" import \"magic\" import \"hash\" import \"math\"\n"
             "rule uses { condition: filename == \"\" and extension == \"\" and owner == \"\" and "
             "hash.md5(0, filesize) == \"900150983cd24fb0d6963f7d28e17f72\" and not pe.is_pe and "
             "magic.mime_type() == \"text/plain\" and math.entropy(0, filesize) < 8 }\n");
    serve(r, r->folder);
    {
        const char *files[] = {"abc"};
        struct verdict_of v;

        submit(r, files, 1, 0);
        gather(r, &v, 1);
        assert_string_equal(v.names, "uses");
    }
}

/* --- coming and going --- */

static void an_engine_that_is_killed_is_replaced(void **state)
{
    static const char *const hang[] = {"HOOK:hang"};
    const char *files[1];
    struct rig *r = *state;
    struct detect_result got;
    struct proc_last why;
    struct verdict_of v;
    pid_t inner;

    serve(r, r->folder);
    submit(r, hang, 1, 0);
    assert_int_equal(kin_children_of(r->proc.pid, &inner, 1), 1);
    assert_int_equal(proc_signal(&r->proc, SIGKILL), 0);
    while (detect_client_state(r->client) != DETECT_DOWN)
        rig_turn(r->client);
    finding_init(&got.finding);
    assert_int_equal(detect_client_next(r->client, &got), 1);
    assert_int_equal(got.finding.reason, REASON_ENGINE);
    assert_int_equal(proc_reap(&r->proc, true, &why), 0);
    /* nothing of it stays: the whole pid namespace went */
    for (int i = 0; i < 2000 && kill(inner, 0) == 0 && kin_parent_of(inner) != -1; i++)
        (void)usleep(1000);
    assert_int_not_equal(kill(inner, 0), 0);
    while (!detect_client_wants_engine(r->client, clock_mono()))
        (void)usleep(5000);
    start(r);
    files[0] = r->marker;
    submit(r, files, 1, 0);
    gather(r, &v, 1);
    assert_int_equal(v.verdict, VERDICT_MALICIOUS);
}

static void an_engine_ends_with_its_client(void **state)
{
    struct rig *r = *state;
    struct proc_last why;

    serve(r, r->folder);
    detect_client_free(r->client);
    r->client = NULL;
    assert_int_equal(proc_reap(&r->proc, true, &why), 0);
    assert_int_equal(why.end, PROC_EXITED);
    assert_int_equal(why.code, 0);
}

#define EACH(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        EACH(the_demo_release_finds_what_it_says),
        EACH(the_clamav_test_files_are_flagged_as_far_as_no_unpacking_goes),
        EACH(a_file_that_misbehaves_costs_itself_and_nobody_else),
        EACH(a_taken_over_child_has_no_right_left),
        EACH(a_child_that_lies_is_not_believed),
        EACH(a_thousand_small_files_and_only_the_marked_are_hit),
        EACH(two_submitters_never_share_a_child_nor_see_each_other),
        EACH(a_rule_that_does_not_compile_is_named_with_its_line),
        EACH(public_rule_sets_find_their_variables_and_modules),
        EACH(an_engine_that_is_killed_is_replaced),
        EACH(an_engine_ends_with_its_client),
    };

    if (argc != 3)
        return 2;
    engine_path = argv[1];
    demo = argv[2];
    return cmocka_run_group_tests(tests, NULL, NULL);
}

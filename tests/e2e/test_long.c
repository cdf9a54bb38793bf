/* What lasts long: an upload that is cut in the middle gives everything back, and submissions in a
 * row leave the memory flat.  $LONG_BYTES of the upload (192 MiB; soak: 3 GiB), $LONG_SUBMISSIONS
 * in a row (3,000; soak: 200,000). */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/io.h"
#include "base/text.h"
#include "crypto/secret.h"
#include "rig_crowd.h"
#include "rig_priv.h"
#include "site/backup.h"

#define MIB (UINT64_C(1) << 20)
#define SEGMENT (8 * MIB)
#define CATALOG_CACHE (64 * MIB) /* PRAGMA cache_size of src/catalog/catalog.c */

static struct rig *r;

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *s = getenv(name);
    uint64_t n;

    return s != NULL && text_u64(span_str(s), UINT64_C(1) << 40, &n) == 0 ? n : otherwise;
}

static int set_up(void **state)
{
    static const struct rig_plan plan = {
        .sites = 1, .segment = SEGMENT, .object = UINT64_C(8) << 30};

    r = rig_open(&plan);
    return 0;
}

static int tear_down(void **state)
{
    rig_close(r);
    return 0;
}

struct seen {
    uint64_t before, most;
};

static void look(struct seen *m)
{
    uint64_t now = rig_memory(r, 0, NULL);

    m->most = now > m->most ? now : m->most;
}

/* Sends up to `bytes` of a body that was announced longer; the memory is watched meanwhile. */
static void send_part(int fd, uint64_t bytes, struct seen *m)
{
    static uint8_t block[1 << 18];
    uint64_t sent = 0, looked = 0;

    random_bytes(block, sizeof(block));
    while (sent < bytes) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        size_t at = (size_t)(sent % sizeof(block));
        ssize_t n;

        if (poll(&p, 1, RIG_SOON) != 1)
            fail_msg("nothing is taken any more, after %llu bytes", (unsigned long long)sent);
        n = send(fd, block + at, sizeof(block) - at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN)
            fail_msg("cut by the site after %llu bytes: %s", (unsigned long long)sent,
                     strerror(errno));
        sent += n > 0 ? (uint64_t)n : 0;
        if (sent > looked + bytes / 64) {
            look(m);
            looked = sent;
        }
    }
}

static void submit_small(void)
{
    uint8_t bytes[500];
    struct rig_sub s;

    random_bytes(bytes, sizeof(bytes));
    rig_sub_new(r, &s, "CH");
    rig_submit(r, 0, &s, span_of(bytes, sizeof(bytes)), NULL, NULL);
    rig_sub_free(&s);
}

static void an_upload_cut_in_the_middle_gives_everything_back(void **state)
{
    uint64_t bytes = from_environment("LONG_BYTES", 192 * MIB), disk, full;
    mono_ms began, until;
    struct rig_word w;
    struct seen m;
    struct rig_sub s;
    char head[512];
    int fd;

    for (int i = 0; i < 20; i++)
        submit_small(); /* what is allocated once is there */
    m.before = m.most = rig_memory(r, 0, NULL);
    disk = rig_disk(r, 0, NULL);
    rig_sub_new(r, &s, "CH");
    assert_int_equal(rig_announce(r, 0, &s, &w), 201);
    fd = rig_dial(r, 0, NULL);
    (void)snprintf(head, sizeof(head),
                   "PUT /v1/submissions/%s/content HTTP/1.1\r\nHost: a\r\nTicket: %s\r\n"
                   "Content-Length: %llu\r\n\r\n",
                   s.hex, s.ticket, (unsigned long long)(2 * bytes));
    assert_int_equal(send(fd, head, strlen(head), MSG_NOSIGNAL), strlen(head));
    began = clock_mono();
    send_part(fd, bytes, &m);
    full = rig_disk(r, 0, NULL);
    if (full < disk + bytes / 4)
        fail_msg("the upload did not reach the disk: %llu MiB before, %llu MiB at the cut",
                 (unsigned long long)(disk / MIB), (unsigned long long)(full / MIB));
    io_close(&fd);

    until = clock_mono() + RIG_SOON;
    while (rig_disk(r, 0, NULL) > disk + 4 * SEGMENT) {
        if (clock_mono() > until)
            fail_msg("the space is not given back: %llu MiB before, %llu MiB full, %llu MiB now",
                     (unsigned long long)(disk / MIB), (unsigned long long)(full / MIB),
                     (unsigned long long)(rig_disk(r, 0, NULL) / MIB));
        submit_small();
        rig_nap(200);
    }
    print_message("%llu MiB cut after %lld ms: memory %llu KiB before, %llu KiB at most, %llu KiB "
                  "after; disk %llu MiB before, %llu MiB at the cut, %llu MiB after\n",
                  (unsigned long long)(bytes / MIB), (long long)(clock_mono() - began),
                  (unsigned long long)(m.before >> 10), (unsigned long long)(m.most >> 10),
                  (unsigned long long)(rig_memory(r, 0, NULL) >> 10),
                  (unsigned long long)(disk / MIB), (unsigned long long)(full / MIB),
                  (unsigned long long)(rig_disk(r, 0, NULL) / MIB));
    /* the ring is 64 MiB, seen in two processes; nothing else may grow with the upload */
    assert_true(m.most < m.before + 2 * 64 * MIB + 16 * MIB);
    assert_int_equal(rig_trace(r, 0, &s, &(struct rig_state){0}), 404);
    rig_sub_free(&s);
}

static struct {
    uint64_t n, at[5]; /* memory at each quarter */
} in_a_row;

static void quarter(uint64_t done, void *arg)
{
    static const char *const parts[] = {"keeper", "front", "signer", "courier", "reader"};

    if (done % (in_a_row.n / 4) != 0 || done > in_a_row.n)
        return;
    in_a_row.at[done / (in_a_row.n / 4)] = rig_memory(r, 0, NULL);
    print_message("after %llu, KiB:", (unsigned long long)done);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        print_message(" %s %llu", parts[i], (unsigned long long)(rig_memory(r, 0, parts[i]) >> 10));
    print_message("\n");
}

/* --- what a submission costs, held against docs/capacity.md --- */

static const char *docs;

struct cost {
    uint64_t journal, ledger, catalog, leaves, submissions, groups;
};

static struct cost costs(void)
{
    struct pm_admin ask = {.what = ADMIN_BACKUP};
    unsigned long long end, epoch, leaves;
    struct cost c;
    char text[1024];
    unsigned segment;

    rig_settle(r, 0);
    assert_int_equal(rig_admin(r, 0, &ask, NULL, NULL, text), 0);
    assert_int_equal(sscanf(text, BACKUP_POINT, &segment, &end, &epoch, &leaves), 4);
    c.journal = (segment - 1) * SEGMENT + end;
    c.ledger = rig_disk(r, 0, "ledger");
    c.catalog = rig_disk(r, 0, "catalog.db");
    c.leaves = leaves;
    c.submissions = rig_metric(r, 0, "site_submissions_total");
    c.groups = rig_metric(r, 0, "site_groups_total");
    return c;
}

/* The number of a row "| WHAT | N | ..." of the page. */
static uint64_t told(const char *what)
{
    char path[512], row[80], digits[32];
    const char *at;
    struct buf b;
    size_t n = 0;

    (void)snprintf(path, sizeof(path), "%s/capacity.md", docs);
    (void)snprintf(row, sizeof(row), "\n| %s | ", what);
    buf_init(&b, 1 << 20);
    rig_ok(io_read_file(AT_FDCWD, path, &b), NULL);
    at = strstr(buf_str(&b), row);
    if (at == NULL)
        fail_msg("capacity.md has no row \"%s\"", what);
    for (at += strlen(row); *at != ' ' && n < sizeof(digits) - 1; at++)
        if (*at != ',')
            digits[n++] = *at;
    digits[n] = '\0';
    buf_free(&b);
    return strtoull(digits, NULL, 10);
}

static void holds(const char *what, double measured, double slack)
{
    double says = (double)told(what);

    print_message("%s: %.0f, the page says %.0f\n", what, measured, says);
    if (measured < says * (1 - slack) || measured > says * (1 + slack))
        fail_msg("%s: %.0f measured, %.0f in docs/capacity.md", what, measured, says);
}

static void a_submission_costs_what_the_page_says(void **state)
{
    const uint64_t n = 2000, bytes = 300, tag = 16;
    struct cost a, b;
    double files, padding;

    rig_flood(r, 0, 200, bytes, 24, NULL, NULL);
    a = costs();
    rig_flood(r, 0, n, bytes, 24, NULL, NULL);
    b = costs();
    files = (double)(b.submissions - a.submissions);
    assert_int_equal(b.submissions - a.submissions, n);
    holds("leaves of an accepted file", (double)(b.leaves - a.leaves) / files, 0.01);
    /* a group's record is padded to 4 KiB, by 2 KiB in the middle; the page speaks of 24 a group */
    padding = (double)(b.groups - a.groups) / files - 1.0 / 24;
    print_message("%.1f files a group\n", files / (double)(b.groups - a.groups));
    holds("journal of an accepted file, beside its bytes",
          (double)(b.journal - a.journal) / files - (double)(bytes + tag) - padding * 2048, 0.15);
    holds("tiles and bundles of an accepted file", (double)(b.ledger - a.ledger) / files, 0.35);
    holds("catalog of an accepted file", (double)(b.catalog - a.catalog) / files, 0.35);
}

static void submissions_in_a_row_leave_the_memory_flat(void **state)
{
    mono_ms began = clock_mono();
    struct audit *a;
    uint64_t before;

    rig_flood(r, 0, 500, 300, 24, NULL, NULL);
    before = rig_metric(r, 0, "site_submissions_total");
    in_a_row.n = from_environment("LONG_SUBMISSIONS", 3000) / 4 * 4;
    in_a_row.at[0] = rig_memory(r, 0, NULL);
    rig_flood(r, 0, in_a_row.n, 300, 24, quarter, NULL);
    print_message(
        "%llu submissions in %lld ms; KiB of all parts at each quarter: %llu %llu %llu "
        "%llu %llu; disk %llu MiB\n",
        (unsigned long long)in_a_row.n, (long long)(clock_mono() - began),
        (unsigned long long)(in_a_row.at[0] >> 10), (unsigned long long)(in_a_row.at[1] >> 10),
        (unsigned long long)(in_a_row.at[2] >> 10), (unsigned long long)(in_a_row.at[3] >> 10),
        (unsigned long long)(in_a_row.at[4] >> 10),
        (unsigned long long)(rig_disk(r, 0, NULL) / MIB));
    assert_int_equal(rig_metric(r, 0, "site_submissions_total"), before + in_a_row.n);
    assert_true(in_a_row.at[1] > 0);
    /* until the catalog's cache of 64 MiB is full each row adds to it, 1 KiB a submission; then
     * nothing grows any more: the last half of a long run must be flat */
    assert_true(in_a_row.at[4] < in_a_row.at[0] + CATALOG_CACHE + 16 * MIB);
    assert_true(in_a_row.at[4] - in_a_row.at[2] <
                4 * MIB + (in_a_row.n < 150000 ? in_a_row.n / 2 * 1400 : 0));
    rig_settle(r, 0);
    a = rig_audit(r);
    for (size_t i = 0; i < audit_results(a); i++)
        if (audit_result(a, i)->verdict == AUDIT_BROKEN)
            fail_msg("%s is BROKEN: %s", audit_result(a, i)->claim, audit_result(a, i)->sentence);
    assert_true(audit_find(a, "intake.consent")->n >= in_a_row.n);
    audit_free(a);
    rig_stop(r, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_upload_cut_in_the_middle_gives_everything_back),
        cmocka_unit_test(a_submission_costs_what_the_page_says),
        cmocka_unit_test(submissions_in_a_row_leave_the_memory_flat),
    };

    if (argc != 5) {
        (void)fprintf(stderr, "usage: %s GLARUSD ENGINE RULES DOCS\n", argv[0]);
        return 2;
    }
    docs = argv[4];
    rig_args(argc - 1, argv);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

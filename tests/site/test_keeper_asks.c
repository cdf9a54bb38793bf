/* The keeper against its front: orders, traces, files; and how the two of them end. */
#include "keeper_rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crypto/sha256.h"
#include "ledger/ledger.h"

#define T(f) cmocka_unit_test_setup_teardown(f, keeper_rig_up, keeper_rig_down)

static const char hello[] = "a file of some bytes";

/* --- orders and traces --- */

static void order(struct keeper_rig *r, const struct rig_sub *s, const struct rig_sub *signer,
                  uint32_t erase, bool other_text, uint64_t id)
{
    struct pm_order m = {.sub = s->sub, .erase = erase};
    struct ed25519_sig sig;

    if ((erase != 0) != other_text)
        assert_int_equal(submitter_sign_erase(signer->key, &s->sub, &sig), 0);
    else
        assert_int_equal(submitter_sign_withdraw(signer->key, &s->sub, &sig), 0);
    memcpy(m.sig, sig.b, sizeof(m.sig));
    rig_say(r, FK_ORDER, id, &m, sizeof(m));
}

static void orders_need_the_key_and_the_text_of_that_order(void **state)
{
    struct keeper_rig *r = *state;
    struct rig_sub a, b, stranger;
    uint64_t size, id;

    rig_sub_new(r, &a, "CH");
    rig_sub_new(r, &b, "CH");
    rig_sub_new(r, &stranger, "CH");
    rig_submit(r, &a, hello, sizeof(hello));
    rig_submit(r, &b, "another", 7);
    size = rig_metric(r, "site_ledger_size");
    for (uint32_t erase = 0; erase < 2; erase++) {
        order(r, &a, &b, erase, false, id = rig_id(r)); /* another submission's key */
        rig_refused(r, id, PRF_SIGNATURE);
        order(r, &a, &a, erase, true, id = rig_id(r)); /* withdraw for erase and the reverse */
        rig_refused(r, id, PRF_SIGNATURE);
        order(r, &stranger, &stranger, erase, false, id = rig_id(r));
        rig_refused(r, id, PRF_UNKNOWN);
    }
    assert_int_equal(rig_metric(r, "site_ledger_size"), size);
    rig_is_here(r, &a, hello, sizeof(hello));
    rig_sub_done(&a);
    rig_sub_done(&b);
    rig_sub_done(&stranger);
}

static void the_same_order_many_times_at_once_erases_once(void **state)
{
    struct keeper_rig *r = *state;
    uint64_t id[6], size, done = 0;
    struct rig_sub s;

    rig_sub_new(r, &s, "CH");
    rig_submit(r, &s, hello, sizeof(hello));
    size = rig_metric(r, "site_ledger_size");
    for (size_t i = 0; i < ARRAY_LEN(id); i++)
        order(r, &s, &s, i % 2, false, id[i] = rig_id(r));
    for (size_t i = 0; i < ARRAY_LEN(id); i++) {
        const struct rig_heard *h = rig_hear(r, id[i]);
        struct pm_refused no;

        done += h->type == FK_ORDERED;
        if (h->type == FK_REFUSED) { /* while the first is under way */
            memcpy(&no, h->body.data, sizeof(no));
            assert_int_equal(no.refusal, PRF_BUSY);
        }
    }
    assert_true(done >= 1);
    assert_int_equal(rig_metric(r, "site_erasures_total"), 1);
    /* consent.withdrawn, erase.ordered, copy.removed, submission.erased, slot.destroyed */
    assert_int_equal(rig_metric(r, "site_ledger_size"), size + 5);
    assert_true((rig_state(r, &s) & SUB_ERASED) != 0);
    order(r, &s, &s, 1, false, id[0] = rig_id(r)); /* done already: the same answer again */
    (void)rig_answer(r, id[0], FK_ORDERED, sizeof(struct pm_ordered));
    assert_int_equal(rig_metric(r, "site_ledger_size"), size + 5);
    rig_kill(r);
    rig_start(r);
    assert_true((rig_state(r, &s) & SUB_ERASED) != 0);
    rig_sub_done(&s);
}

static void traces_and_receipts_need_a_signature_of_now(void **state)
{
    struct keeper_rig *r = *state;
    static const int64_t off[] = {SUBMITTER_TRACE_SECONDS + 5, -SUBMITTER_TRACE_SECONDS - 5,
                                  INT64_MAX / 2, INT64_MIN / 2};
    struct ed25519_sig sig;
    struct rig_sub s, other;
    struct pm_trace m;
    uint64_t id;

    rig_sub_new(r, &s, "CH");
    rig_sub_new(r, &other, "CH");
    rig_submit(r, &s, hello, sizeof(hello));
    for (int receipt = 0; receipt < 2; receipt++) {
        uint16_t type = receipt ? FK_RECEIPT : FK_TRACE;

        for (size_t i = 0; i <= ARRAY_LEN(off); i++) {
            memset(&m, 0, sizeof(m));
            m.sub = s.sub;
            m.time = clock_now() + (i < ARRAY_LEN(off) ? off[i] : 0);
            assert_int_equal(
                submitter_sign_trace(i < ARRAY_LEN(off) ? s.key : other.key, &s.sub, m.time, &sig),
                0);
            memcpy(m.sig, sig.b, sizeof(m.sig));
            rig_say(r, type, id = rig_id(r), &m, sizeof(m));
            rig_refused(r, id, PRF_TRACE);
        }
        m.sub = other.sub;
        rig_say(r, type, id = rig_id(r), &m, sizeof(m));
        rig_refused(r, id, PRF_UNKNOWN);
    }
    rig_sub_done(&s);
    rig_sub_done(&other);
}

static uint64_t say_wait(struct keeper_rig *r, const struct rig_sub *s, uint32_t seen)
{
    struct pm_trace m = {.sub = s->sub, .time = clock_now(), .wait = 60, .seen = seen};
    struct ed25519_sig sig;
    uint64_t id = rig_id(r);

    assert_int_equal(submitter_sign_trace(s->key, &s->sub, m.time, &sig), 0);
    memcpy(m.sig, sig.b, sizeof(m.sig));
    rig_say(r, FK_TRACE, id, &m, sizeof(m));
    return id;
}

static void one_account_that_waits_everywhere_keeps_nobody_else_from_waiting(void **state)
{
    struct keeper_rig *r = *state;
    struct rig_sub greedy, other;
    uint32_t seen;
    uint64_t id;

    rig_sub_new(r, &greedy, "CH");
    rig_sub_new(r, &other, "CH");
    sha256_of(RIG_TOKEN_CH, strlen(RIG_TOKEN_CH), &other.open.token);
    rig_submit(r, &greedy, hello, sizeof(hello));
    rig_submit(r, &other, "another", 7);
    rig_settle(r);
    seen = rig_state(r, &greedy);
    for (int i = 0; i < 512; i++) /* an eighth of what is there for all */
        (void)say_wait(r, &greedy, seen);
    rig_refused(r, say_wait(r, &greedy, seen), PRF_BUSY);
    assert_int_equal(rig_state(r, &greedy), seen); /* it may ask, but not wait */
    (void)say_wait(r, &other, seen);
    id = rig_id(r);
    order(r, &other, &other, 1, false, id);
    (void)rig_answer(r, id, FK_ORDERED, sizeof(struct pm_ordered));
    (void)rig_answer(r, id - 1, FK_TRACED, sizeof(struct pm_traced));
    rig_sub_done(&greedy);
    rig_sub_done(&other);
}

/* The configuration is read again, with those words for these. */
static void configure(struct keeper_rig *r, const char *these, const char *those)
{
    int fd = memfd_create("config", MFD_CLOEXEC);
    struct buf b, c;
    char *at;

    buf_init(&b, 65536);
    buf_init(&c, 65536);
    rig_ok(io_read_file(AT_FDCWD, r->file, &b), NULL);
    at = memmem(b.data, b.len, these, strlen(these));
    assert_non_null(at);
    rig_ok(buf_put(&c, b.data, (size_t)(at - (char *)b.data)), NULL);
    rig_ok(buf_puts(&c, those), NULL);
    at += strlen(these);
    rig_ok(buf_put(&c, at, b.len - (size_t)(at - (char *)b.data)), NULL);
    rig_ok(io_write_all(fd, c.data, c.len), NULL);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(msg_send_wait(r->control, PX_CONFIG, 0, span_of(NULL, 0), &fd, RIG_SOON), 0);
    rig_quiet(r);
    (void)close(fd);
    buf_free(&b);
    buf_free(&c);
}

/* What was erased is known to the catalog no more, but it was sent. */
static void erasing_gives_no_quota_back(void **state)
{
    struct keeper_rig *r = *state;
    struct rig_sub s[3];
    uint64_t id;

    configure(r, ", in_flight: 20", ", per_day: 2");
    for (size_t i = 0; i < 3; i++)
        rig_sub_new(r, &s[i], "CH");
    for (size_t i = 0; i < 2; i++) {
        rig_submit(r, &s[i], hello, sizeof(hello));
        order(r, &s[i], &s[i], 1, false, id = rig_id(r));
        (void)rig_answer(r, id, FK_ORDERED, sizeof(struct pm_ordered));
    }
    configure(r, ", in_flight: 20", ", per_day: 2"); /* the catalog is asked again */
    rig_say(r, FK_OPEN, id = rig_id(r), &s[2].open, sizeof(s[2].open));
    rig_refused(r, id, PRF_QUOTA);
    configure(r, ", in_flight: 20", ", per_day: 3");
    rig_submit(r, &s[2], hello, sizeof(hello));
    assert_false(rig_logged(r, "was not taken over"));
    for (size_t i = 0; i < 3; i++)
        rig_sub_done(&s[i]);
}

/* --- files --- */

static void only_the_names_of_a_ledger_are_served(void **state)
{
    static const char *const bad[] = {
        "",
        "/etc/passwd",
        "../vault",
        "tile/0/../../../catalog.db",
        "tile/0/000/",
        "tile/0/00",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "checkpoints/",
        "checkpoints/-1",
        "checkpoints/01",
        "checkpoints/../checkpoint",
        "checkpoint/",
        "ledger.vkey",
        "artifact/sha256/",
        "artifact/sha256/../../checkpoint",
        "checkpoints/18446744073709551615",
    };
    struct keeper_rig *r = *state;
    struct pm_file m;
    uint64_t id;

    rig_settle(r);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        memset(&m, 0, sizeof(m));
        memcpy(m.path, bad[i], strlen(bad[i]));
        rig_say(r, FK_FILE, id = rig_id(r), &m, sizeof(m));
        rig_refused_(r, id, PRF_UNKNOWN, bad[i]);
    }
    memset(&m, 'a', sizeof(m)); /* without an end */
    rig_say(r, FK_FILE, id = rig_id(r), &m, sizeof(m));
    rig_refused(r, id, PRF_UNKNOWN);
    memset(&m, 0, sizeof(m));
    memcpy(m.path, "checkpoint", 10);
    rig_say(r, FK_FILE, id = rig_id(r), &m, sizeof(m));
    (void)rig_answer(r, id, FK_FILE_IS, sizeof(struct pm_file_is));
    for (uint32_t which = PROTO_DOC_REGISTER; which < 9; which++) {
        struct pm_doc doc = {which, 0};

        rig_say(r, FK_DOC, id = rig_id(r), &doc, sizeof(doc));
        rig_refused(r, id, PRF_UNKNOWN);
    }
}

/* --- ends --- */

static void nonsense_from_the_front_ends_the_keeper_in_order_and_loses_nothing(void **state)
{
    static const struct {
        const char *what;
        const char *bytes;
        size_t n;
    } row[] = {
        {"no header", "x", 1},
        {"another magic", "\0\0\0\0\0\1\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24},
        {"a type of the other side", "\x70\x66\x10\x01\0\1\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1",
         24},
        {"type 0", "\x70\x66\x10\x01\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 24},
        {"an opening of no bytes", "\x70\x66\x10\x01\0\1\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 24},
        {"a length that is not there", "\x70\x66\x10\x01\0\1\0\4\0\0\0\7\0\0\0\0\0\0\0\0\0\0\0\1",
         24},
    };
    struct keeper_rig *r = *state;
    struct rig_sub s;

    rig_sub_new(r, &s, "CH");
    rig_submit(r, &s, hello, sizeof(hello));
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        assert_int_equal(send(msg_fd(r->front), row[i].bytes, row[i].n, MSG_NOSIGNAL),
                         (ssize_t)row[i].n);
        if (rig_ended(r) != 0)
            fail_msg("the keeper did not end in order: %s", row[i].what);
        assert_true(rig_logged(r, "broke the protocol"));
        rig_start(r);
        rig_is_here(r, &s, hello, sizeof(hello));
    }
    rig_sub_done(&s);
}

static void a_front_that_goes_takes_only_its_uploads_with_it(void **state)
{
    struct keeper_rig *r = *state;
    struct rig_sub s, half;
    uint64_t size, id;

    rig_sub_new(r, &s, "CH");
    rig_sub_new(r, &half, "CH");
    rig_submit(r, &s, hello, sizeof(hello));
    size = rig_metric(r, "site_ledger_size");
    rig_open_sub(r, &half);
    id = rig_begin(r, &half);
    rig_data(r, id, hello, 5);
    rig_close_parts(r);
    assert_int_equal(rig_ended(r), 0);
    rig_start(r);
    assert_int_equal(rig_metric(r, "site_ledger_size"), size + 1); /* that it runs */
    rig_is_here(r, &s, hello, sizeof(hello));
    rig_submit(r, &half, hello, sizeof(hello)); /* its ticket is gone; it is announced anew */
    rig_sub_done(&s);
    rig_sub_done(&half);
}

static void a_draining_keeper_finishes_what_is_under_way_and_takes_nothing_new(void **state)
{
    struct keeper_rig *r = *state;
    struct rig_sub s, late;
    const struct pm_looked all = {.n = 0};
    uint64_t id, no = rig_id(r);

    rig_sub_new(r, &s, "CH");
    rig_sub_new(r, &late, "CH");
    rig_open_sub(r, &s);
    id = rig_begin(r, &s);
    rig_data(r, id, hello, sizeof(hello));
    assert_int_equal(msg_send_wait(r->control, PX_DRAIN, 0, span_of(NULL, 0), NULL, RIG_SOON), 0);
    assert_int_equal(rig_hear(r, 0)->type, FK_DRAIN);
    rig_say(r, FK_OPEN, no, &late.open, sizeof(late.open));
    rig_refused(r, no, PRF_BUSY);
    rig_say(r, FK_PUT_END, id, NULL, 0);
    (void)rig_receipt(r, id, &s, hello, sizeof(hello), false);
    rig_say(r, FK_LOOKED, 0, &all, sizeof(all)); /* a front that drains has told of all look-ups */
    assert_int_equal(rig_ended(r), 0);
    rig_start(r);
    rig_is_here(r, &s, hello, sizeof(hello));
    rig_sub_done(&s);
    rig_sub_done(&late);
}

static void may_look(struct keeper_rig *r, const char *token, const char *country,
                     enum proto_refusal refusal)
{
    struct pm_lookup m;
    uint64_t id = rig_id(r);

    memset(&m, 0, sizeof(m));
    sha256_of(token, strlen(token), &m.token);
    (void)snprintf(m.country, sizeof(m.country), "%s", country);
    rig_say(r, FK_LOOKUP, id, &m, sizeof(m));
    if (refusal != PRF_NONE)
        rig_refused(r, id, refusal);
    else
        assert_int_equal(rig_hear(r, id)->type, FK_LOOKUP_GO);
}

static void looked(struct keeper_rig *r, const char *country, uint64_t n)
{
    struct pm_looked m = {.n = n};

    (void)snprintf(m.country, sizeof(m.country), "%s", country);
    rig_say(r, FK_LOOKED, 0, &m, sizeof(m));
}

/* Of a keeper that has ended: one of two leaves, whose order is nobody's business, begins so. */
static void leaf_is(const struct keeper_rig *r, uint64_t i, const char *begin)
{
    struct ledger *l = NULL;
    struct err e = ERR_INIT;
    struct buf leaf;
    char path[128];
    bool found = false;

    (void)snprintf(path, sizeof(path), "%s/data/ledger", r->dir);
    assert_int_equal(ledger_open(&l, path, &e), 0);
    buf_init(&leaf, LEAF_MAX);
    for (uint64_t k = i; k < i + 2; k++) {
        buf_reset(&leaf);
        assert_int_equal(ledger_leaf(l, k, &leaf, &e), 0);
        found = found || strncmp(buf_str(&leaf), begin, strlen(begin)) == 0;
    }
    if (!found)
        fail_msg("neither leaf %llu nor the next begins with %s", (unsigned long long)i, begin);
    buf_free(&leaf);
    ledger_close(l);
}

/* Who may look up is who may submit; what is left is a count for each country. */
static void look_ups_leave_a_count_of_each_country(void **state)
{
    struct keeper_rig *r = *state;
    uint64_t size;

    may_look(r, RIG_TOKEN, "CH", PRF_NONE);
    may_look(r, "nobody's token", "CH", PRF_TOKEN);
    may_look(r, RIG_TOKEN_CH, "CA", PRF_COUNTRY);
    may_look(r, RIG_TOKEN, "FR", PRF_WRONG_SITE);
    may_look(r, RIG_TOKEN, "ch", PRF_MALFORMED);
    may_look(r, RIG_TOKEN, "", PRF_MALFORMED);
    looked(r, "CH", 5);
    looked(r, "LI", 1);
    looked(r, "CH", 37);
    looked(r, "XX", 9);            /* no country */
    looked(r, "DE", LEAF_INT_MAX); /* no number of a leaf */
    rig_settle(r);
    size = rig_metric(r, "site_ledger_size");
    assert_int_equal(rig_metric(r, "site_lookups_total"), 43);
    assert_int_equal(msg_send_wait(r->control, PX_DRAIN, 0, span_of(NULL, 0), NULL, RIG_SOON), 0);
    assert_int_equal(rig_hear(r, 0)->type, FK_DRAIN);
    looked(r, "LI", 2);
    looked(r, "", 0);
    assert_int_equal(rig_ended(r), 0);
    leaf_is(r, size, "{\"count\":42,\"country\":\"CH\",\"kind\":\"lookups.counted\",");
    leaf_is(r, size, "{\"count\":3,\"country\":\"LI\",\"kind\":\"lookups.counted\",");
    rig_start(r);
    assert_int_equal(rig_metric(r, "site_ledger_size"), size + 2 + 1);
}

/* At each start a leaf says which program that is: here this very test, as another tool hashes it.
 */
static void what_runs_is_told_at_each_start(void **state)
{
    struct keeper_rig *r = *state;
    char line[64], hex[65], begin[160];
    uint64_t size;
    FILE *f;

    (void)snprintf(line, sizeof(line), "sha256sum </proc/%d/exe", (int)getpid());
    assert_non_null(f = popen(line, "r"));
    assert_int_equal(fread(hex, 1, 64, f), 64);
    hex[64] = '\0';
    (void)pclose(f);
    (void)snprintf(begin, sizeof(begin),
                   "{\"binary\":\"%s\",\"kind\":\"process.started\",\"part\":\"site\",", hex);
    for (int i = 0; i < 2; i++) {
        size = rig_metric(r, "site_ledger_size");
        rig_kill(r);
        rig_start(r);
        assert_int_equal(rig_metric(r, "site_ledger_size"), size + 1);
        rig_settle(r);
        rig_kill(r);
        leaf_is(r, size - 1, begin);
        rig_start(r);
    }
}

static void what_was_acknowledged_survives_a_kill_at_once(void **state)
{
    struct keeper_rig *r = *state;

    for (int i = 0; i < 5; i++) {
        struct rig_sub s;

        rig_sub_new(r, &s, "CH");
        rig_submit(r, &s, hello, (size_t)i + 1);
        rig_kill(r);
        rig_start(r);
        rig_is_here(r, &s, hello, (size_t)i + 1);
        rig_sub_done(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(orders_need_the_key_and_the_text_of_that_order),
        T(the_same_order_many_times_at_once_erases_once),
        T(traces_and_receipts_need_a_signature_of_now),
        T(erasing_gives_no_quota_back),
        T(one_account_that_waits_everywhere_keeps_nobody_else_from_waiting),
        T(only_the_names_of_a_ledger_are_served),
        T(nonsense_from_the_front_ends_the_keeper_in_order_and_loses_nothing),
        T(a_front_that_goes_takes_only_its_uploads_with_it),
        T(a_draining_keeper_finishes_what_is_under_way_and_takes_nothing_new),
        T(look_ups_leave_a_count_of_each_country),
        T(what_runs_is_told_at_each_start),
        T(what_was_acknowledged_survives_a_kill_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

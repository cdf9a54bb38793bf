/* include/glarus.h against a site that does what it should: what it is for. */
#include "glarus_scene.h"

#include <sys/mman.h>

/* ---- what it is for -------------------------------------------------------------------------- */

static void a_file_gets_a_verdict_and_a_receipt_that_verifies_offline(void **state)
{
    struct scene *s = *state;
    glarus_client *c = open_client(s);
    glarus_submission *sub = submit(c, s, "files/odd");
    glarus_receipt *r = NULL, *again = NULL;
    glarus_trust *t = open_trust(s);
    char path[256], name[80], id[33];
    const void *bytes;
    size_t n;

    assert_int_equal(glarus_submission_fate(sub), GLARUS_DONE);
    assert_string_equal(glarus_submission_verdict(sub), "malicious");
    assert_string_equal(glarus_submission_site(sub), "zrh1");
    assert_string_equal(glarus_submission_path(sub), in(s, "files/odd", path));
    assert_int_equal(glarus_submission_size(sub), 3);
    assert_true(glarus_submission_final(sub) && !glarus_submission_before(sub));
    assert_int_equal(glarus_submission_code(sub), GLARUS_OK);
    (void)snprintf(id, sizeof(id), "%s", glarus_submission_sub(sub));
    glarus_submission_free(sub);
    glarus_client_free(c);

    (void)snprintf(name, sizeof(name), "receipts/%s.tlog-proof", id);
    works(glarus_receipt_load(&r, in(s, name, path), t, &last));
    glarus_trust_free(t); /* a receipt outlives it */
    assert_int_equal(glarus_receipt_final(r), 1);
    assert_string_equal(glarus_receipt_kind(r), "submission.accepted");
    assert_string_equal(glarus_receipt_site(r), "zrh1");
    assert_string_equal(glarus_receipt_zone(r), "CH");
    assert_string_equal(glarus_receipt_origin(r), "zrh1.example/ledger");
    assert_int_equal(glarus_receipt_index(r), 0);
    assert_string_equal(glarus_receipt_field(r, "sub"), id);
    assert_string_equal(glarus_receipt_field(r, "country"), "CH");
    assert_null(glarus_receipt_field(r, "sha256")); /* it is sealed */
    /* printf odd | sha256sum */
    assert_string_equal(glarus_receipt_opening(r, "sha256"),
                        "990cb8ebd0afb7150da453a213036a92f2c05e091df0d803e62d257ea7796c27");
    assert_string_equal(glarus_receipt_opening(r, "size"), "3");
    assert_null(glarus_receipt_opening(r, "country"));
    assert_non_null(strstr(glarus_receipt_text(r), "FINAL"));
    assert_non_null(strstr(glarus_receipt_json(r), "\"status\":\"final\""));
    works(glarus_receipt_covers_path(r, in(s, "files/odd", path), &last));
    works(glarus_receipt_covers_memory(r, "odd", 3, &last));
    says(glarus_receipt_covers_memory(r, "even", 4, &last), GLARUS_E_VERIFY, "another file");
    fails(glarus_receipt_covers_path(r, in(s, "files/not-there", path), &last), GLARUS_E_NOT_FOUND);

    t = open_trust(s);
    bytes = glarus_receipt_bytes(r, &n);
    works(glarus_receipt_parse(&again, bytes, n, t, &last));
    glarus_receipt_free(again);
    works(glarus_receipt_redact(r, "name,account", t, &again, &last));
    assert_null(glarus_receipt_opening(again, "account"));
    assert_string_equal(glarus_receipt_opening(again, "size"), "3");
    glarus_receipt_free(again);
    says(glarus_receipt_redact(r, "country", t, &again, &last), GLARUS_E_INVALID, "country");
    assert_null(again);
    glarus_receipt_free(r);
    glarus_trust_free(t);
}

static void one_changed_byte_of_a_receipt_is_enough(void **state)
{
    struct scene *s = *state;
    glarus_client *c = open_client(s);
    glarus_submission *sub = submit(c, s, "files/even");
    glarus_trust *t = open_trust(s);
    glarus_receipt *r = NULL;
    const void *bytes;
    unsigned pending = 0;
    uint8_t *copy;
    size_t n;

    works(glarus_receipt_kept(c, glarus_submission_sub(sub), "accepted", &r, &last));
    bytes = glarus_receipt_bytes(r, &n);
    assert_non_null(copy = malloc(n));
    for (size_t i = 0; i < n; i += 7) {
        glarus_receipt *bad = NULL;

        memcpy(copy, bytes, n);
        copy[i] ^= 1;
        /* the name or key of a witness: then it is nobody's cosignature, and not final */
        if (glarus_receipt_parse(&bad, copy, n, t, &last) == GLARUS_OK) {
            if (glarus_receipt_final(bad))
                fail_msg("byte %zu of %zu may be changed", i, n);
            glarus_receipt_free(bad);
            pending++;
        } else {
            /* a changed letter may spell a version or a word of tomorrow's */
            fails(last.code, last.code == GLARUS_E_UNSUPPORTED ? last.code : GLARUS_E_VERIFY);
            assert_null(bad);
        }
    }
    assert_true(pending < n / 7 / 10);
    free(copy);
    glarus_receipt_free(r);
    glarus_submission_free(sub);
    glarus_trust_free(t);
    glarus_client_free(c);
}

static void bytes_and_descriptors_are_submitted_as_files_are(void **state)
{
    struct scene *s = *state;
    glarus_client *c = open_client(s);
    glarus_submission *sub = NULL;
    glarus_receipt *r = NULL;
    int fd, fds[2];

    works(glarus_submit_memory(c, "four", 4, "a name", NULL, &sub, &last));
    assert_string_equal(glarus_submission_path(sub), "a name");
    assert_string_equal(glarus_submission_verdict(sub), "clean");
    works(glarus_receipt_kept(c, glarus_submission_sub(sub), "accepted", &r, &last));
    works(glarus_receipt_covers_memory(r, "four", 4, &last));
    assert_string_equal(glarus_receipt_opening(r, "name"), "YSBuYW1l"); /* as the fake heard it */
    glarus_receipt_free(r);
    glarus_submission_free(sub);
    works(glarus_submit_memory(c, "four", 4, NULL, NULL, &sub, &last)); /* not known again */
    assert_false(glarus_submission_before(sub));
    assert_string_equal(glarus_submission_path(sub), "");
    glarus_submission_free(sub);
    works(glarus_submit_memory(c, NULL, 0, NULL, NULL, &sub, &last));
    glarus_submission_free(sub);
    assert_int_equal(s->site.files, 3);

    fd = memfd_create("x", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "seven!!", 7), 7);
    works(glarus_submit_fd(c, fd, NULL, NULL, &sub, &last));
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 7); /* as it was */
    assert_string_equal(glarus_submission_verdict(sub), "malicious");
    works(glarus_receipt_kept(c, glarus_submission_sub(sub), "accepted", &r, &last));
    works(glarus_receipt_covers_memory(r, "seven!!", 7, &last));
    glarus_receipt_free(r);
    glarus_submission_free(sub);
    (void)close(fd);

    assert_int_equal(pipe(fds), 0);
    says(glarus_submit_fd(c, fds[0], NULL, NULL, &sub, &last), GLARUS_E_INVALID, "memory");
    assert_null(sub);
    (void)close(fds[0]);
    (void)close(fds[1]);
    fails(glarus_submit_fd(c, -1, NULL, NULL, &sub, &last), GLARUS_E_INVALID);
    fails(glarus_submit_memory(c, "x", 1, "a/b", NULL, &sub, &last), GLARUS_E_INVALID);
    fails(glarus_submit_memory(c, "x", 1, "\xff", NULL, &sub, &last), GLARUS_E_INVALID);
    fails(glarus_submit_memory(c, NULL, 1, NULL, NULL, &sub, &last), GLARUS_E_INVALID);
    glarus_client_free(c);
}

static void what_was_submitted_is_not_sent_again_by_a_later_client(void **state)
{
    struct scene *s = *state;
    glarus_submit_options o = GLARUS_SUBMIT_OPTIONS_INIT;
    glarus_client *c = open_client(s);
    glarus_submission *sub = NULL;
    glarus_receipt *r = NULL;
    char path[256];

    o.no_wait = 1;
    works(glarus_submit_path(c, in(s, "files/odd", path), &o, &sub, &last));
    assert_int_equal(glarus_submission_fate(sub), GLARUS_PENDING);
    works(glarus_receipt_kept(c, path, "accepted", &r, &last));
    assert_int_equal(glarus_receipt_final(r), 0);
    assert_non_null(strstr(glarus_receipt_text(r), "PENDING"));
    glarus_receipt_free(r);
    works(glarus_receipt_wait(c, path, "accepted", 20, &r, &last));
    assert_int_equal(glarus_receipt_final(r), 1);
    glarus_receipt_free(r);
    glarus_submission_free(sub);
    glarus_client_free(c);

    c = open_client(s);
    sub = submit(c, s, "files/odd");
    assert_int_equal(glarus_submission_fate(sub), GLARUS_DONE);
    glarus_submission_free(sub);
    sub = submit(c, s, "files/odd");
    assert_true(glarus_submission_before(sub));
    glarus_submission_free(sub);
    assert_int_equal(s->site.puts, 1);
    glarus_client_free(c);
}

struct heard {
    unsigned reports, done, skipped, calls;
    uint64_t bytes, bytes_total, files, files_total;
    glarus_client *c;
    int inside;
};

static int on_progress(void *arg, const glarus_progress *p)
{
    struct heard *h = arg;

    h->calls++;
    assert_true(p->bytes <= p->bytes_total && p->files <= p->files_total);
    h->bytes = p->bytes;
    h->bytes_total = p->bytes_total;
    h->files = p->files;
    h->files_total = p->files_total;
    return 0;
}

static void on_report(void *arg, const glarus_submission *sub)
{
    struct heard *h = arg;
    glarus_history *history = NULL;

    h->reports++;
    h->done += glarus_submission_fate(sub) == GLARUS_DONE;
    if (glarus_submission_fate(sub) == GLARUS_SKIPPED) {
        h->skipped++;
        assert_int_equal(glarus_submission_code(sub), GLARUS_E_NOT_FOUND);
        assert_true(glarus_submission_why(sub)[0] != '\0');
    }
    /* a callback that calls back */
    h->inside = glarus_trace(h->c, "00112233445566778899aabbccddeeff", &history, NULL);
}

static void many_files_are_reported_one_by_one(void **state)
{
    struct scene *s = *state;
    struct heard h = {.c = open_client(s)};
    glarus_submit_options o = GLARUS_SUBMIT_OPTIONS_INIT;
    char missing[256];
    const char *paths[] = {s->files, in(s, "not-there", missing)};

    o.progress = on_progress;
    o.report = on_report;
    o.arg = &h;
    works(glarus_submit_paths(h.c, paths, 2, &o, &last));
    assert_int_equal(h.reports, 4);
    assert_int_equal(h.done, 3);
    assert_int_equal(h.skipped, 1);
    assert_int_equal(h.inside, GLARUS_E_BUSY);
    assert_int_equal(h.bytes, 7); /* "even", "odd", "" */
    assert_int_equal(h.bytes_total, 7);
    assert_int_equal(h.files, 4);
    assert_int_equal(h.files_total, 4);
    works(glarus_submit_paths(h.c, NULL, 0, &o, &last));
    glarus_client_free(h.c);
}

static void a_history_tells_states_and_the_verdict(void **state)
{
    struct scene *s = *state;
    glarus_client *c = open_client(s);
    glarus_submission *sub = submit(c, s, "files/odd");
    glarus_history *h = NULL;
    const glarus_verdict *v;
    char path[256];

    works(glarus_trace(c, in(s, "files/odd", path), &h, &last));
    assert_int_equal(glarus_history_states(h),
                     GLARUS_IS_ACCEPTED | GLARUS_IS_FINAL | GLARUS_IS_SCANNED);
    assert_string_equal(glarus_history_sub(h), glarus_submission_sub(sub));
    assert_string_equal(glarus_history_site(h), "zrh1");
    assert_string_equal(glarus_history_country(h), "CH");
    assert_int_equal(glarus_history_size(h), 3);
    assert_int_equal(glarus_history_verdicts(h), 1);
    v = glarus_history_verdict(h, 0);
    assert_non_null(v);
    assert_string_equal(v->verdict, "malicious");
    assert_string_equal(v->reason, "none");
    assert_int_equal(v->hits, 300);
    assert_string_equal(v->names[0], "Eicar?"); /* the site sent an escape */
    assert_null(v->names[1]);
    assert_string_equal(v->mode, ""); /* this site does not say it */
    assert_null(glarus_history_verdict(h, 1));
    assert_non_null(strstr(glarus_history_text(h), "malicious"));
    assert_non_null(strstr(glarus_history_json(h), "\"verdict\":\"malicious\""));
    glarus_history_free(h);
    fails(glarus_trace(c, "00112233445566778899aabbccddeeff", &h, &last), GLARUS_E_NOT_FOUND);
    assert_null(h);
    fails(glarus_trace(c, "nobody's file", &h, &last), GLARUS_E_NOT_FOUND);
    glarus_submission_free(sub);
    glarus_client_free(c);
}

static void a_history_tells_both_verdicts_once_other_rules_came(void **state)
{
    struct scene *s = *state;
    glarus_client *c = open_client(s);
    glarus_submission *sub = submit(c, s, "files/odd");
    glarus_history *h = NULL;
    const glarus_verdict *v;
    char path[256];

    s->site.renew = 1;
    works(glarus_trace(c, in(s, "files/odd", path), &h, &last));
    s->site.renew = 0;
    assert_int_equal(glarus_history_states(h),
                     GLARUS_IS_ACCEPTED | GLARUS_IS_FINAL | GLARUS_IS_SCANNED | GLARUS_IS_RENEWED);
    assert_int_equal(glarus_history_verdicts(h), 2);
    v = glarus_history_verdict(h, 0);
    assert_string_equal(v->verdict, "malicious");
    assert_string_equal(v->mode, "detect");
    assert_string_equal(v->release, "02");
    assert_string_equal(v->names[0], "Two");
    assert_null(v->names[1]);
    v = glarus_history_verdict(h, 1);
    assert_string_equal(v->verdict, "incomplete");
    assert_string_equal(v->reason, "size");
    assert_string_equal(v->mode, "enforce");
    assert_string_equal(v->release, "01");
    assert_string_equal(v->time, "2026-11-25T20:00:00Z");
    assert_int_equal(v->hits, 0);
    assert_null(v->names[0]);
    assert_null(glarus_history_verdict(h, 2));
    assert_non_null(strstr(glarus_history_text(h), "  before     incomplete, by 01\n"));
    assert_non_null(strstr(glarus_history_text(h), "  mode       detect: it blocks nothing\n"));
    assert_non_null(strstr(glarus_history_text(h), "  confirmed  by 03, 2026-11-27T20:00:00Z\n"));
    assert_non_null(strstr(glarus_history_json(h), ",\"before\":{\"hits\":0,\"mode\":\"enforce\""));
    assert_non_null(strstr(glarus_history_json(h), ",\"confirmed\":{\"release\":\"03\""));
    glarus_history_free(h);
    glarus_submission_free(sub);
    glarus_client_free(c);
}

static void a_withdrawal_gives_the_receipt_of_the_erasure(void **state)
{
    struct scene *s = *state;
    glarus_client *c = open_client(s);
    glarus_submission *sub = submit(c, s, "files/odd");
    char final_by[GLARUS_TIME_SIZE] = "", path[256], name[80];
    glarus_receipt *r = NULL;

    works(glarus_withdraw(c, glarus_submission_sub(sub), final_by, &r, &last));
    assert_string_equal(final_by, "2026-11-24T00:00:00Z");
    assert_string_equal(glarus_receipt_kind(r), "submission.erased");
    assert_string_equal(glarus_receipt_field(r, "final_epoch"), "7");
    glarus_receipt_free(r);
    (void)snprintf(name, sizeof(name), "receipts/%s.erased.tlog-proof", glarus_submission_sub(sub));
    assert_int_equal(access(in(s, name, path), F_OK), 0);
    works(glarus_receipt_kept(c, glarus_submission_sub(sub), "erased", &r, &last));
    glarus_receipt_free(r);
    fails(glarus_erase(c, "00112233445566778899aabbccddeeff", NULL, &r, &last), GLARUS_E_NOT_FOUND);
    glarus_submission_free(sub);
    glarus_client_free(c);
}

/* ---- consent --------------------------------------------------------------------------------- */

static void a_statement_is_shown_agreed_to_and_remembered(void **state)
{
    struct scene *s = *state;
    glarus_statement *st = NULL, *same = NULL;
    glarus_submission *sub = NULL;
    glarus_receipt *r = NULL;
    glarus_client *c;
    struct buf text;
    char path[256], name[96], digest[65];

    put_config_unagreed(s);
    c = open_client(s);
    assert_null(glarus_client_agreed(c));
    says(glarus_submit_path(c, in(s, "files/odd", path), NULL, &sub, &last), GLARUS_E_INVALID,
         "consent");
    assert_int_equal(s->site.announces, 0);
    fails(glarus_statement_get(c, NULL, &st, &last), GLARUS_E_NOT_FOUND);
    works(glarus_statement_newest(c, &st, &last));
    assert_string_equal(glarus_statement_language(st), "en");
    assert_string_equal(glarus_statement_text(st), "We keep what you send.\n");
    assert_string_equal(glarus_statement_scopes(st), "file,lookup");
    assert_int_equal(glarus_statement_retention(st), 365);
    assert_int_equal(glarus_statement_erase_within(st), 30);
    (void)snprintf(digest, sizeof(digest), "%s", glarus_statement_digest(st));
    works(glarus_client_agree(c, st, &last));
    assert_string_equal(glarus_client_agreed(c), digest);
    works(glarus_statement_get(c, NULL, &same, &last));
    assert_string_equal(glarus_statement_digest(same), digest);
    glarus_statement_free(same);
    glarus_client_free(c);

    c = open_client(s); /* a later one knows */
    assert_string_equal(glarus_client_agreed(c), digest);
    sub = submit(c, s, "files/odd");
    works(glarus_receipt_kept(c, glarus_submission_sub(sub), "accepted", &r, &last));
    assert_string_equal(glarus_receipt_field(r, "statement"), digest);
    glarus_receipt_free(r);
    glarus_submission_free(sub);
    /* the record: the line, and what was agreed to */
    buf_init(&text, 4096);
    assert_int_equal(io_read_file(AT_FDCWD, in(s, "state.consent", path), &text), 0);
    assert_int_equal(text.len, 20 + 1 + 64 + 1);
    assert_memory_equal(text.data + 21, digest, 64);
    buf_reset(&text);
    (void)snprintf(name, sizeof(name), "receipts/%s.statement", digest);
    assert_int_equal(io_read_file(AT_FDCWD, in(s, name, path), &text), 0);
    assert_true(span_eq(buf_span(&text), buf_span(&s->site.statement)));
    buf_free(&text);

    s->site.forge = 1;
    says(glarus_statement_get(c, digest, &same, &last), GLARUS_E_VERIFY, "another document");
    s->site.forge = 0;
    digest[0] = digest[0] == '0' ? '1' : '0';
    fails(glarus_statement_get(c, digest, &same, &last), GLARUS_E_NOT_FOUND);
    fails(glarus_statement_get(c, "0011", &same, &last), GLARUS_E_INVALID);
    assert_null(same);
    glarus_client_free(c);
    put_config(s, "CH"); /* which names another */
    c = open_client(s);
    says(glarus_client_agree(c, st, &last), GLARUS_E_INVALID, "configuration");
    glarus_statement_free(st);
    glarus_client_free(c);
}

static void a_statement_that_does_not_cover_files_is_not_agreed_to(void **state)
{
    struct scene *s = *state;
    glarus_statement *st = NULL;
    glarus_client *c;
    struct digest d;
    char digest[65], path[256];

    put_config_unagreed(s);
    c = open_client(s);
    sha256_of(s->site.forged.data, s->site.forged.len, &d);
    text_digest(digest, &d);
    s->site.forge = 1;
    works(glarus_statement_get(c, digest, &st, &last));
    assert_string_equal(glarus_statement_scopes(st), "statistic");
    says(glarus_client_agree(c, st, &last), GLARUS_E_INVALID, "scope");
    assert_null(glarus_client_agreed(c));
    glarus_statement_free(st);
    glarus_client_free(c);
    put(s, "state.consent", "2026-11-26T20:51:07Z 0011\n");
    says(glarus_client_open(&c, s->config, &last), GLARUS_E_VERIFY, "state.consent");
    assert_null(c);
    assert_int_equal(unlink(in(s, "state.consent", path)), 0);
}

/* ---- look-ups -------------------------------------------------------------------------------- */

static void hashes_are_looked_up_and_files_stay_here(void **state)
{
    enum { MANY = 10000 };
    static unsigned char hash[MANY][32], known[MANY];
    struct scene *s = *state;
    glarus_client *c = open_client(s);
    int one = 7;
    char path[256];

    for (unsigned i = 0; i < MANY; i++) {
        random_bytes(hash[i], sizeof(hash[i]));
        known[i] = 9;
    }
    works(glarus_lookup(c, NULL, (const unsigned char(*)[32])hash, MANY, known, &last));
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(known[i], (hash[i][0] & 1) != 0 ? GLARUS_MALICIOUS : GLARUS_UNKNOWN);
    assert_int_equal(s->site.lookups, 3); /* 4096 a request */
    works(glarus_lookup(c, "CH", NULL, 0, NULL, &last));
    assert_int_equal(s->site.lookups, 3);
    /* printf odd | sha256sum: 99… ; printf even | sha256sum: the first byte says which */
    works(glarus_lookup_path(c, NULL, in(s, "files/odd", path), &one, &last));
    assert_int_equal(one, GLARUS_MALICIOUS);
    assert_int_equal(s->site.files + (size_t)s->site.announces, 0);

    fails(glarus_lookup_path(c, NULL, in(s, "files/not-there", path), &one, &last),
          GLARUS_E_NOT_FOUND);
    fails(glarus_lookup_path(c, NULL, NULL, &one, &last), GLARUS_E_INVALID);
    fails(glarus_lookup(c, NULL, NULL, 1, known, &last), GLARUS_E_INVALID);
    says(glarus_lookup(c, "ch", (const unsigned char(*)[32])hash, 1, known, &last),
         GLARUS_E_INVALID, "country");
    fails(glarus_lookup(NULL, NULL, (const unsigned char(*)[32])hash, 1, known, &last),
          GLARUS_E_INVALID);
    says(glarus_lookup(c, "LI", (const unsigned char(*)[32])hash, 1, known, &last),
         GLARUS_E_REFUSED, "country_not_granted");
    s->site.lie = LIE_HASH; /* a verdict that nobody knows */
    fails(glarus_lookup(c, NULL, (const unsigned char(*)[32])hash, 1, known, &last),
          GLARUS_E_PROTOCOL);
    s->site.lie = LIE_SUB; /* one byte too many */
    fails(glarus_lookup(c, NULL, (const unsigned char(*)[32])hash, 1, known, &last),
          GLARUS_E_PROTOCOL);
    glarus_client_free(c);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, open_scene, close_scene)
    const struct CMUnitTest tests[] = {
        T(a_file_gets_a_verdict_and_a_receipt_that_verifies_offline),
        T(one_changed_byte_of_a_receipt_is_enough),
        T(bytes_and_descriptors_are_submitted_as_files_are),
        T(what_was_submitted_is_not_sent_again_by_a_later_client),
        T(many_files_are_reported_one_by_one),
        T(a_history_tells_states_and_the_verdict),
        T(a_history_tells_both_verdicts_once_other_rules_came),
        T(a_withdrawal_gives_the_receipt_of_the_erasure),
        T(a_statement_is_shown_agreed_to_and_remembered),
        T(a_statement_that_does_not_cover_files_is_not_agreed_to),
        T(hashes_are_looked_up_and_files_stay_here),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

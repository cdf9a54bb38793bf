/* include/glarus.h against a site that does what it should, and against those that do not; every
 * wrong use gives a code and a sentence. */
#include "scene.h"

#include <glarus.h>
#include <sys/mman.h>

/* ---- helpers --------------------------------------------------------------------------------- */

static glarus_error last;

/* A failure has its code, and a sentence. */
static void fails(int rc, int code)
{
    if (rc != code)
        fail_msg("%s instead of %s: %s", glarus_code_word(rc), glarus_code_word(code), last.text);
    assert_int_equal(last.code, code);
    assert_true(last.text[0] != '\0');
    memset(&last, 0, sizeof(last));
}

static void says(int rc, int code, const char *what)
{
    if (rc == code && strstr(last.text, what) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", last.text, what);
    fails(rc, code);
}

static void works(int rc)
{
    if (rc != GLARUS_OK)
        fail_msg("%s: %s", glarus_code_word(rc), last.text);
}

static glarus_client *open_client(const struct scene *s)
{
    glarus_client *c = NULL;

    works(glarus_client_open(&c, s->config, &last));
    assert_non_null(c);
    return c;
}

static glarus_trust *open_trust(const struct scene *s)
{
    glarus_trust *t = NULL;
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/trust.yaml", s->dir);
    works(glarus_trust_load(&t, path, &last));
    return t;
}

static char *in(const struct scene *s, const char *name, char out[256])
{
    (void)snprintf(out, 256, "%s/%s", s->dir, name);
    return out;
}

static glarus_submission *submit(glarus_client *c, const struct scene *s, const char *name)
{
    glarus_submission *sub = NULL;
    char path[256];

    works(glarus_submit_path(c, in(s, name, path), NULL, &sub, &last));
    assert_non_null(sub);
    return sub;
}

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

/* ---- wrong uses, bad sites ------------------------------------------------------------------- */

static void every_wrong_use_has_a_code_and_a_sentence(void **state)
{
    struct scene *s = *state;
    glarus_submit_options o = GLARUS_SUBMIT_OPTIONS_INIT;
    struct {
        glarus_submit_options known;
        uint64_t more;
    } later = {GLARUS_SUBMIT_OPTIONS_INIT, 0};
    glarus_client *c = open_client(s), *second = NULL;
    glarus_submission *sub = (void *)&o;
    glarus_receipt *r = (void *)&o;
    glarus_trust *t = (void *)&o;
    glarus_history *h = (void *)&o;
    glarus_statement *st = (void *)&o;
    char path[256];
    const char *null[] = {NULL};

    in(s, "files/odd", path);
    fails(glarus_client_open(NULL, path, &last), GLARUS_E_INVALID);
    fails(glarus_client_open(&second, NULL, &last), GLARUS_E_INVALID);
    fails(glarus_client_open(&second, "/not/there.yaml", &last), GLARUS_E_NOT_FOUND);
    says(glarus_client_open(&second, s->config, &last), GLARUS_E_BUSY, "state");
    says(glarus_client_parse(&second, s->dir, "format: client/v2\n", 18, &last), GLARUS_E_INVALID,
         "client.yaml:1");
    assert_null(second);
    fails(glarus_client_parse(&second, s->dir, NULL, 0, &last), GLARUS_E_INVALID);
    fails(glarus_client_agree(c, NULL, &last), GLARUS_E_INVALID);
    fails(glarus_client_agree(NULL, NULL, &last), GLARUS_E_INVALID);
    fails(glarus_statement_newest(NULL, &st, &last), GLARUS_E_INVALID);
    assert_null(st);
    fails(glarus_statement_newest(c, NULL, &last), GLARUS_E_INVALID);
    fails(glarus_statement_get(NULL, NULL, &st, &last), GLARUS_E_INVALID);
    fails(glarus_submit_path(NULL, path, NULL, &sub, &last), GLARUS_E_INVALID);
    assert_null(sub);
    fails(glarus_submit_path(c, NULL, NULL, &sub, &last), GLARUS_E_INVALID);
    fails(glarus_submit_path(c, path, NULL, NULL, &last), GLARUS_E_INVALID);
    says(glarus_submit_path(c, s->files, NULL, &sub, &last), GLARUS_E_INVALID, "folders");
    fails(glarus_submit_path(c, "/not/there", NULL, &sub, &last), GLARUS_E_NOT_FOUND);
    fails(glarus_submit_paths(c, NULL, 1, NULL, &last), GLARUS_E_INVALID);
    fails(glarus_submit_paths(c, null, 1, NULL, &last), GLARUS_E_INVALID);
    fails(glarus_submit_memory(NULL, "x", 1, NULL, NULL, &sub, &last), GLARUS_E_INVALID);
    o.country = "Switzerland";
    says(glarus_submit_path(c, path, &o, &sub, &last), GLARUS_E_INVALID, "country");
    o.country = NULL;
    o.scope = "everything";
    fails(glarus_submit_path(c, path, &o, &sub, &last), GLARUS_E_INVALID);
    o.scope = "statistic";
    fails(glarus_submit_path(c, path, &o, &sub, &last), GLARUS_E_UNSUPPORTED);
    o.scope = "file";
    o.size = 8;
    says(glarus_submit_path(c, path, &o, &sub, &last), GLARUS_E_INVALID, "INIT");
    later.known.size = sizeof(later);
    works(glarus_submit_path(c, path, &later.known, &sub, &last)); /* a newer caller */
    glarus_submission_free(sub);
    later.more = 1;
    fails(glarus_submit_path(c, path, &later.known, &sub, &last), GLARUS_E_UNSUPPORTED);
    fails(glarus_trust_load(&t, "/not/there", &last), GLARUS_E_NOT_FOUND);
    assert_null(t);
    fails(glarus_trust_load(NULL, path, &last), GLARUS_E_INVALID);
    fails(glarus_trust_load(&t, NULL, &last), GLARUS_E_INVALID);
    fails(glarus_trust_parse(&t, "x", 1, &last), GLARUS_E_INVALID);
    t = open_trust(s);
    assert_int_equal(glarus_trust_expired(t), 0);
    fails(glarus_receipt_load(&r, path, NULL, &last), GLARUS_E_INVALID);
    assert_null(r);
    fails(glarus_receipt_load(&r, path, t, &last), GLARUS_E_VERIFY);
    fails(glarus_receipt_load(NULL, path, t, &last), GLARUS_E_INVALID);
    fails(glarus_receipt_parse(&r, "", 0, t, &last), GLARUS_E_VERIFY);
    fails(glarus_receipt_get(c, NULL, "accepted", &r, &last), GLARUS_E_INVALID);
    says(glarus_receipt_get(c, path, "rejected", &r, &last), GLARUS_E_INVALID, "rejected");
    says(glarus_receipt_wait(c, path, "rejected", 1, &r, &last), GLARUS_E_INVALID, "rejected");
    says(glarus_receipt_kept(c, path, "rejected", &r, &last), GLARUS_E_INVALID, "rejected");
    fails(glarus_receipt_kept(c, path, "erased", &r, &last), GLARUS_E_NOT_FOUND);
    fails(glarus_receipt_kept(c, "00112233445566778899aabbccddeeff", "accepted", &r, &last),
          GLARUS_E_NOT_FOUND);
    fails(glarus_receipt_covers_path(NULL, path, &last), GLARUS_E_INVALID);
    fails(glarus_receipt_covers_memory(NULL, NULL, 0, &last), GLARUS_E_INVALID);
    fails(glarus_receipt_redact(NULL, "name", t, &r, &last), GLARUS_E_INVALID);
    fails(glarus_trace(c, NULL, &h, &last), GLARUS_E_INVALID);
    assert_null(h);
    fails(glarus_trace(c, path, NULL, &last), GLARUS_E_INVALID);
    fails(glarus_withdraw(c, NULL, NULL, &r, &last), GLARUS_E_INVALID);
    fails(glarus_erase(NULL, path, NULL, &r, &last), GLARUS_E_INVALID);
    assert_int_equal(glarus_trace(NULL, path, &h, NULL), GLARUS_E_INVALID); /* no error wanted */
    glarus_trust_free(t);
    glarus_client_free(c);
}

/* Nothing given, nothing read, nothing freed. */
static void nothing_is_read_of_nothing(void **state)
{
    size_t n = 1;

    (void)state;
    glarus_client_free(NULL);
    glarus_client_cancel(NULL);
    glarus_client_uncancel(NULL);
    glarus_trust_free(NULL);
    glarus_statement_free(NULL);
    glarus_submission_free(NULL);
    glarus_receipt_free(NULL);
    glarus_history_free(NULL);
    assert_null(glarus_client_agreed(NULL));
    assert_int_equal(glarus_trust_expired(NULL), 1);
    assert_string_equal(glarus_statement_text(NULL), "");
    assert_string_equal(glarus_statement_digest(NULL), "");
    assert_int_equal(glarus_submission_fate(NULL), GLARUS_SKIPPED);
    assert_int_equal(glarus_submission_code(NULL), GLARUS_E_INVALID);
    assert_string_equal(glarus_submission_path(NULL), "");
    assert_int_equal(glarus_receipt_final(NULL), 0);
    assert_null(glarus_receipt_field(NULL, "sub"));
    assert_null(glarus_receipt_bytes(NULL, &n));
    assert_int_equal(n, 0);
    assert_int_equal(glarus_history_states(NULL), 0);
    assert_null(glarus_history_verdict(NULL, 0));
    assert_string_equal(glarus_code_word(GLARUS_E_NOT_FOUND), "not_found");
    assert_string_equal(glarus_code_word(GLARUS_E_SYSTEM), "system");
    assert_string_equal(glarus_code_word(14), "unknown");
    assert_string_equal(glarus_code_word(-1), "unknown");
    assert_string_equal(glarus_version(), "0.1.0");
}

static void what_a_site_does_wrong_has_its_own_code(void **state)
{
    struct scene *s = *state;
    glarus_submit_options o = GLARUS_SUBMIT_OPTIONS_INIT;
    glarus_client *c = open_client(s);
    glarus_submission *sub = NULL;
    char path[256];

    o.tries = 1;
    in(s, "files/odd", path);
    s->site.refuse = 1;
    says(glarus_submit_path(c, path, &o, &sub, &last), GLARUS_E_REFUSED, "country_not_granted");
    assert_null(sub);
    s->site.refuse = 0;
    s->site.lie = LIE_HASH;
    says(glarus_submit_path(c, path, &o, &sub, &last), GLARUS_E_VERIFY, "another file");
    s->site.lie = LIE_LOG;
    fails(glarus_submit_path(c, path, &o, &sub, &last), GLARUS_E_VERIFY);
    s->site.lie = LIE_NONE;
    s->site.busy = 100;
    says(glarus_submit_path(c, path, &o, &sub, &last), GLARUS_E_BUSY, "queues");
    s->site.busy = 0;
    (void)snprintf(s->site.wrong_site, sizeof(s->site.wrong_site), "mow1");
    says(glarus_submit_path(c, path, &o, &sub, &last), GLARUS_E_REFUSED, "mow1");
    s->site.wrong_site[0] = '\0';
    o.country = "CA"; /* the policy sends it where the configuration has no address */
    says(glarus_submit_path(c, path, &o, &sub, &last), GLARUS_E_INVALID, "CA");
    o.country = NULL;
    sub = submit(c, s, "files/odd");
    glarus_submission_free(sub);
    glarus_client_free(c);
}

static void a_site_that_is_not_there_is_the_network(void **state)
{
    struct scene *s = *state;
    glarus_submit_options o = GLARUS_SUBMIT_OPTIONS_INIT;
    glarus_client *c;
    glarus_submission *sub = NULL;
    glarus_statement *st = NULL;
    glarus_history *h = NULL;
    char path[256], address[64];
    int fd;
    struct err e = ERR_INIT;

    /* a port that nobody listens on, because it is listened on and closed */
    assert_int_equal(http_listen(&fd, "127.0.0.1:0", &e), 0);
    assert_int_equal(http_listen_name(fd, address, sizeof(address)), 0);
    (void)close(fd);
    memcpy(path, s->site.rig.address, sizeof(address));
    memcpy(s->site.rig.address, address, sizeof(address));
    put_config(s, "CH");
    memcpy(s->site.rig.address, path, sizeof(address));
    c = open_client(s);
    o.tries = 1;
    fails(glarus_submit_path(c, in(s, "files/odd", path), &o, &sub, &last), GLARUS_E_NETWORK);
    fails(glarus_statement_newest(c, &st, &last), GLARUS_E_NETWORK);
    fails(glarus_trace(c, "00112233445566778899aabbccddeeff", &h, &last), GLARUS_E_NETWORK);
    glarus_client_free(c);
}

/* ---- waiting, cancelling --------------------------------------------------------------------- */

struct canceller {
    glarus_client *c;
    struct fake *site;
};

/* As soon as the site is asked again how far it is. */
static void *cancel_soon(void *arg)
{
    const struct canceller *x = arg;
    int asked = x->site->gets;

    for (unsigned i = 0; x->site->gets < asked + 1 && i < 6000; i++)
        (void)poll(NULL, 0, 10);
    glarus_client_cancel(x->c);
    return NULL;
}

static int leave(void *arg, const glarus_progress *p)
{
    (void)arg;
    return p->bytes > 0;
}

static void a_call_that_waits_is_ended_from_another_thread(void **state)
{
    struct scene *s = *state;
    glarus_client *c = open_client(s);
    struct canceller x = {c, &s->site};
    glarus_submission *sub = NULL;
    glarus_receipt *r = NULL;
    mono_ms begun = clock_mono();
    pthread_t thread;
    char path[256];

    s->site.mute = 1;
    s->site.lie = LIE_UNCOSIGNED;
    in(s, "files/odd", path);
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &x), 0);
    works(glarus_submit_path(c, path, NULL, &sub, &last)); /* it was accepted before */
    assert_int_equal(glarus_submission_fate(sub), GLARUS_PENDING);
    assert_int_equal(pthread_join(thread, NULL), 0);
    glarus_submission_free(sub);
    fails(glarus_submit_path(c, in(s, "files/even", path), NULL, &sub, &last), GLARUS_E_CANCELLED);
    assert_null(sub);
    assert_int_equal(s->site.files, 1); /* nothing was announced */
    in(s, "files/odd", path);
    fails(glarus_receipt_get(c, path, "accepted", &r, &last), GLARUS_E_CANCELLED);
    glarus_client_uncancel(c);
    works(glarus_receipt_get(c, path, "accepted", &r, &last)); /* a pending one */
    assert_int_equal(glarus_receipt_final(r), 0);
    glarus_receipt_free(r);
    fails(glarus_receipt_wait(c, path, "accepted", 1, &r, &last), GLARUS_E_PENDING);
    assert_null(r);
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &x), 0);
    fails(glarus_receipt_wait(c, path, "accepted", 600, &r, &last), GLARUS_E_CANCELLED);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(clock_mono() - begun < 60000);
    glarus_client_free(c);
}

static void a_progress_function_ends_one_call(void **state)
{
    struct scene *s = *state;
    glarus_submit_options o = GLARUS_SUBMIT_OPTIONS_INIT;
    glarus_client *c = open_client(s);
    glarus_submission *sub = NULL;
    char path[256];
    int rc;

    s->site.mute = 1;
    o.progress = leave;
    in(s, "files/odd", path);
    rc = glarus_submit_path(c, path, &o, &sub, &last);
    assert_true(rc == GLARUS_E_CANCELLED || rc == GLARUS_OK); /* it may have been accepted */
    glarus_submission_free(sub);
    s->site.mute = 0;
    sub = submit(c, s, "files/odd"); /* the next call is not ended */
    assert_int_equal(glarus_submission_fate(sub), GLARUS_DONE);
    assert_int_equal(s->site.files, 1);
    glarus_submission_free(sub);
    glarus_client_free(c);
}

static void *intrude(void *arg)
{
    glarus_history *h = NULL;
    int rc = GLARUS_OK;

    for (unsigned i = 0; i < 200 && rc != GLARUS_E_BUSY; i++) {
        (void)poll(NULL, 0, 10);
        rc = glarus_trace(arg, "00112233445566778899aabbccddeeff", &h, NULL);
    }
    glarus_client_cancel(arg);
    return (void *)(intptr_t)rc;
}

static void a_second_thread_in_one_client_is_told_so(void **state)
{
    struct scene *s = *state;
    glarus_client *c = open_client(s);
    glarus_submission *sub = NULL;
    pthread_t thread;
    char path[256];
    void *rc;

    s->site.mute = 1;
    assert_int_equal(pthread_create(&thread, NULL, intrude, c), 0);
    /* the intruder may have been first */
    while (glarus_submit_path(c, in(s, "files/odd", path), NULL, &sub, &last) == GLARUS_E_BUSY)
        (void)poll(NULL, 0, 1);
    assert_int_equal(pthread_join(thread, &rc), 0);
    assert_int_equal((intptr_t)rc, GLARUS_E_BUSY);
    glarus_submission_free(sub);
    glarus_client_free(c);
}

struct worker {
    struct scene *s;
    int rc;
    unsigned done;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    glarus_client *c = NULL;
    glarus_submission *sub = NULL;
    glarus_receipt *r = NULL;
    glarus_error e;
    char path[256], name[32];

    if ((w->rc = glarus_client_open(&c, w->s->config, &e)) != GLARUS_OK)
        return NULL;
    for (unsigned i = 0; i < 5 && w->rc == GLARUS_OK; i++) {
        (void)snprintf(name, sizeof(name), "files/%u", i);
        put(w->s, name, name);
        if ((w->rc = glarus_submit_path(c, in(w->s, name, path), NULL, &sub, &e)) != GLARUS_OK)
            break;
        w->rc = glarus_receipt_kept(c, path, "accepted", &r, &e);
        w->done += w->rc == GLARUS_OK && glarus_receipt_final(r);
        glarus_receipt_free(r);
        glarus_submission_free(sub);
    }
    glarus_client_free(c);
    return NULL;
}

static void two_clients_in_two_threads_have_nothing_to_do_with_each_other(void **state)
{
    struct scene *s = *state;
    void *other = NULL;
    struct worker w[2] = {{.s = s}};
    pthread_t thread[2];

    (void)open_scene(&other);
    w[1].s = other;
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, work, &w[i]), 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
        assert_int_equal(w[i].rc, GLARUS_OK);
        assert_int_equal(w[i].done, 5);
        assert_int_equal(w[i].s->site.files, 5);
    }
    (void)close_scene(&other);
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
        T(every_wrong_use_has_a_code_and_a_sentence),
        cmocka_unit_test(nothing_is_read_of_nothing),
        T(what_a_site_does_wrong_has_its_own_code),
        T(a_site_that_is_not_there_is_the_network),
        T(a_call_that_waits_is_ended_from_another_thread),
        T(a_progress_function_ends_one_call),
        T(a_second_thread_in_one_client_is_told_so),
        T(two_clients_in_two_threads_have_nothing_to_do_with_each_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "util.h"

#include "ledger/tlog_proof.h"

#define WITNESSES 7

static struct ed25519_key *log_key, *wit_key[WITNESSES];
static struct note_signer log_signer, wit[WITNESSES];

static int keys_up(void **state)
{
    char name[16];

    (void)state;
    log_key = util_key(1);
    log_signer = util_signer(log_key, "log.example/l", VKEY_ED25519);
    for (int i = 0; i < WITNESSES; i++) {
        (void)snprintf(name, sizeof(name), "w%d.example", i);
        wit_key[i] = util_key((uint8_t)(10 + i));
        wit[i] = util_signer(wit_key[i], name, VKEY_COSIGNATURE);
    }
    return 0;
}

static int keys_down(void **state)
{
    (void)state;
    ed25519_free(log_key);
    for (int i = 0; i < WITNESSES; i++)
        ed25519_free(wit_key[i]);
    return 0;
}

/* Writes the policy, %L and %0..%6 standing for the keys of the log and the witnesses. */
static void expand(struct buf *out, const char *text)
{
    char vkey[CORE_VKEY_TEXT_MAX + 1];

    buf_reset(out);
    for (; *text != '\0'; text++) {
        if (*text != '%') {
            assert_int_equal(buf_putc(out, *text), 0);
            continue;
        }
        text++;
        note_vkey_format(*text == 'L' ? &log_signer.key : &wit[*text - '0'].key, vkey);
        assert_int_equal(buf_puts(out, vkey), 0);
    }
}

static int parse(struct tlog_policy **p, const char *text, struct err *e)
{
    struct buf b;
    int rc;

    buf_init(&b, TLOG_POLICY_TEXT_MAX);
    expand(&b, text);
    rc = tlog_policy_parse(p, buf_span(&b), e);
    buf_free(&b);
    return rc;
}

/* The two-level example of the page. */
static const char example[] = "# a comment\n"
                              "log %L https://log.example/\n"
                              "\n"
                              "witness X1 %0\n"
                              " \twitness  X2\t%1 https://w1.example/ \n"
                              "witness X3 %2\n"
                              "group X-witnesses 2 X1 X2 X3\n"
                              "  # another\n"
                              "witness Y1 %3\n"
                              "witness Y2 %4\n"
                              "witness Y3 %5\n"
                              "group Y-witnesses any Y1 Y2 Y3\n"
                              "group X-and-Y all X-witnesses Y-witnesses\n"
                              "quorum X-and-Y\n";

static void the_pages_example_needs_two_of_x_and_one_of_y(void **state)
{
    struct tlog_policy *p;

    (void)state;
    assert_int_equal(parse(&p, example, NULL), 0);
    assert_int_equal(tlog_policy_logs(p), 1);
    assert_int_equal(tlog_policy_witness_count(p), 6);
    assert_string_equal(tlog_policy_log_url(p, 0), "https://log.example/");
    assert_string_equal(tlog_policy_witness_url(p, 1), "https://w1.example/");
    assert_string_equal(tlog_policy_witness_url(p, 0), "");
    assert_string_equal(tlog_policy_witness_name(p, 3), "Y1");
    assert_int_equal(tlog_policy_find_witness(p, "Y1"), 3);
    assert_int_equal(tlog_policy_find_witness(p, "X-and-Y"), -1);
    for (tlog_witnesses s = 0; s < 64; s++) {
        int x = (int)(s & 1) + (int)(s >> 1 & 1) + (int)(s >> 2 & 1);

        assert_int_equal(tlog_policy_quorum(p, s), x >= 2 && (s >> 3) != 0);
    }
    assert_true(tlog_policy_quorum_without(p, 1));
    assert_false(tlog_policy_quorum_without(p, 3));
    assert_false(tlog_policy_quorum_without(p, 0x38));
    tlog_policy_free(p);
}

static void a_single_witness_or_none_can_be_the_quorum(void **state)
{
    struct tlog_policy *p;

    (void)state;
    assert_int_equal(parse(&p, "witness a %0\nquorum a\n", NULL), 0);
    assert_false(tlog_policy_quorum(p, 0));
    assert_true(tlog_policy_quorum(p, 1));
    tlog_policy_free(p);
    assert_int_equal(parse(&p, "quorum none\n", NULL), 0);
    assert_true(tlog_policy_quorum(p, 0));
    tlog_policy_free(p);
}

static void what_the_page_forbids_is_refused_with_its_line(void **state)
{
    static const struct {
        const char *text, *says;
    } v[] = {
        {"", "no quorum line"},
        {"quorum none", "line 1: no line feed"},
        {"quorum none\nquorum none\n", "line 2: a second quorum"},
        {"quorum a\nwitness a %0\n", "line 1: \"a\" is not defined"},
        {"witness none %0\nquorum none\n", "line 1: the name \"none\""},
        {"witness a %0\nwitness a %1\nquorum none\n", "line 2: the name \"a\" is defined twice"},
        {"witness a %0\nwitness b %0\nquorum none\n", "line 2: this public key"},
        {"log %L\nlog %L\nquorum none\n", "line 2: this public key"},
        {"log %0\nquorum none\n", "line 1: a log's key has type 1"},
        {"witness a %L\nquorum none\n", "line 1: a witness's key has type 4"},
        {"log x+y\nquorum none\n", "line 1: \"x+y\" is not a verifier key"},
        {"witness a %0\ngroup g any\nquorum g\n", "line 2: expected: group"},
        {"witness a %0\ngroup g 0 a\nquorum g\n", "line 2: \"0\" is not any"},
        {"witness a %0\ngroup g 2 a\nquorum g\n", "line 2: \"2\" is not any"},
        {"witness a %0\ngroup g 01 a\nquorum g\n", "line 2: \"01\" is not any"},
        {"witness a %0\ngroup g 1 a a\nquorum g\n", "line 2: \"a\" is already a member"},
        {"witness a %0\ngroup g 1 a\ngroup h 1 a\nquorum h\n", "line 3: \"a\" is already"},
        {"witness a %0\ngroup g 1 g\nquorum g\n", "line 2: \"g\" is not defined"},
        {"witness a %0\ngroup g 1 none\nquorum g\n", "line 2: \"none\" is not defined"},
        {"Quorum none\n", "line 1: \"Quorum\" is not log"},
        {"quorum none extra\n", "line 1: expected: quorum"},
        {"quorum none\r\n", "line 1: control character"},
        {"# \x7f\nquorum none\n", "line 1: control character"},
        {"log\nquorum none\n", "line 1: expected: log"},
        {"witness a %0 u v\nquorum none\n", "line 1: expected: witness"},
    };
    struct tlog_policy *p;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        struct err e = ERR_INIT;

        assert_int_equal(parse(&p, v[i].text, &e), -EBADMSG);
        if (strstr(err_text(&e), v[i].says) == NULL)
            fail_msg("\"%s\": %s", v[i].text, err_text(&e));
    }
}

static void thirty_two_of_each_are_supported_and_sixty_five_refused(void **state)
{
    char vkey[CORE_VKEY_TEXT_MAX + 1], name[32];
    struct tlog_policy *p;
    struct buf b;

    (void)state;
    buf_init(&b, TLOG_POLICY_TEXT_MAX);
    for (int i = 0; i < 65; i++) {
        struct ed25519_pub pub = {{(uint8_t)i}};
        struct vkey k;

        (void)snprintf(name, sizeof(name), "n%d", i);
        assert_int_equal(note_vkey_make(&k, name, VKEY_COSIGNATURE, &pub, NULL), 0);
        note_vkey_format(&k, vkey);
        assert_int_equal(buf_printf(&b, "witness %s %s\ngroup g%d 1 %s\n", name, vkey, i, name), 0);
        pub.b[31] = 1;
        assert_int_equal(note_vkey_make(&k, name, VKEY_ED25519, &pub, NULL), 0);
        note_vkey_format(&k, vkey);
        assert_int_equal(buf_printf(&b, "log %s\n", vkey), 0);
        if (i == 31 || i == 64) {
            struct buf all;

            buf_init(&all, TLOG_POLICY_TEXT_MAX);
            assert_int_equal(buf_put(&all, b.data, b.len), 0);
            assert_int_equal(buf_puts(&all,
                                      "group all 17 g0 g1 g2 g3 g4 g5 g6 g7 g8 g9 g10 g11 g12 "
                                      "g13 g14 g15 g16\nquorum none\n") == 0,
                             1);
            assert_int_equal(tlog_policy_parse(&p, buf_span(&all), NULL), i == 31 ? 0 : -E2BIG);
            if (i == 31)
                tlog_policy_free(p);
            buf_free(&all);
        }
    }
    buf_free(&b);
}

/* ---- Checkpoints and proofs under a policy --------------------------------------------------- */

static int naive_subtree(void *arg, unsigned level, uint64_t index, struct digest *out)
{
    (void)arg;
    util_mth(index << level, (index + 1) << level, out);
    return 0;
}

/* A checkpoint of 13 leaves, cosigned by the witnesses of the set at 1000 + their number. */
static void make_note(struct buf *note, tlog_witnesses set)
{
    struct digest root;
    struct core_note n;
    struct buf line;
    size_t added;

    buf_reset(note);
    util_mth(0, 13, &root);
    assert_int_equal(note_checkpoint_make(note, 13, &root, &log_signer, NULL), 0);
    for (int i = 0; i < WITNESSES; i++) {
        if ((set >> i & 1) == 0)
            continue;
        buf_init(&line, 4096);
        assert_int_equal(core_note_split(buf_span(note), &n), 0);
        assert_int_equal(note_cosign(&line, n.text, 1000 + i, &wit[i], NULL), 0);
        assert_int_equal(note_merge(note, buf_span(&line), &wit[i].key, 1, &added, NULL), 0);
        buf_free(&line);
    }
}

static void cosignatures_are_counted_with_their_times(void **state)
{
    struct tlog_policy *p;
    struct tlog_verdict v;
    struct buf note;

    (void)state;
    buf_init(&note, CORE_NOTE_MAX);
    assert_int_equal(parse(&p, example, NULL), 0);
    for (tlog_witnesses s = 0; s < 128; s += 5) { /* witness 6 is not in the policy */
        make_note(&note, s);
        assert_int_equal(tlog_policy_check(&v, p, buf_span(&note), NULL), 0);
        assert_true(v.cosigned == (s & 63));
        assert_int_equal(v.quorum, tlog_policy_quorum(p, s & 63));
        assert_int_equal(v.log, 0);
        assert_true(v.checkpoint.size == 13);
        for (int i = 0; i < 6; i++)
            assert_true(v.time[i] == ((s >> i & 1) != 0 ? 1000u + (unsigned)i : 0));
        if ((s & 63) == 0)
            assert_true(v.earliest == 0 && v.latest == 0);
        if ((s & 63) == 10)
            assert_true(v.earliest == 1001 && v.latest == 1003);
    }
    tlog_policy_free(p);
    buf_free(&note);
}

static void a_log_of_another_name_or_key_is_not_believed(void **state)
{
    struct note_signer other = util_signer(wit_key[0], "log.example/l", VKEY_ED25519);
    struct tlog_policy *p;
    struct tlog_verdict v;
    struct digest root;
    struct buf note;

    (void)state;
    buf_init(&note, CORE_NOTE_MAX);
    assert_int_equal(parse(&p, "log %L\nquorum none\n", NULL), 0);
    util_mth(0, 3, &root);
    assert_int_equal(note_checkpoint_make(&note, 3, &root, &other, NULL), 0);
    assert_int_equal(tlog_policy_check(&v, p, buf_span(&note), NULL), -EBADMSG);
    assert_int_equal(tlog_policy_check_log(&v, p, &other.key, buf_span(&note), NULL), 0);
    assert_true(v.quorum);
    buf_reset(&note);
    other = util_signer(log_key, "log.example/m", VKEY_ED25519);
    assert_int_equal(note_checkpoint_make(&note, 3, &root, &other, NULL), 0);
    assert_int_equal(tlog_policy_check(&v, p, buf_span(&note), NULL), -EBADMSG);
    tlog_policy_free(p);
    buf_free(&note);
}

static void a_proof_is_pending_then_final_and_no_changed_bit_verifies(void **state)
{
    struct core_source src = {naive_subtree, NULL};
    struct digest path[CORE_PROOF_MAX], leaf;
    struct tlog_policy *p;
    struct tlog_verdict v;
    struct core_proof proof;
    struct buf note, text, extra;
    size_t n, from;

    (void)state;
    buf_init(&note, CORE_NOTE_MAX);
    buf_init(&text, TLOG_PROOF_MAX);
    buf_init(&extra, 100);
    assert_int_equal(parse(&p, "log %L\nwitness a %0\nquorum a\n", NULL), 0);
    assert_int_equal(core_prove_inclusion(&note_crypto, &src, 11, 13, path, &n), 0);
    util_leaf_hash(11, &leaf);
    make_note(&note, 0);
    assert_int_equal(tlog_proof_format(&text, span_of(NULL, 0), 11, path, n, buf_span(&note), NULL),
                     0);
    assert_int_equal(tlog_proof_parse(&proof, buf_span(&text), NULL), 0);
    assert_false(proof.has_extra);
    assert_int_equal(tlog_proof_verify(&v, &proof, p, &leaf, NULL), 0);
    assert_false(v.quorum);

    make_note(&note, 1);
    buf_reset(&text);
    assert_int_equal(
        tlog_proof_format(&text, span_str("hello"), 11, path, n, buf_span(&note), NULL), 0);
    assert_int_equal(tlog_proof_parse(&proof, buf_span(&text), NULL), 0);
    assert_int_equal(tlog_proof_extra(&extra, &proof, NULL), 0);
    assert_true(span_is(buf_span(&extra), "hello"));
    assert_int_equal(tlog_proof_verify(&v, &proof, p, &leaf, NULL), 0);
    assert_true(v.quorum);
    assert_true(v.time[0] == 1000);

    from = (size_t)(proof.extra.p - text.data); /* the extra data are not authenticated */
    for (size_t i = 0; i < text.len; i++)
        for (int bit = 0; bit < 8; bit++) {
            if (i >= from && i < from + 8)
                continue;
            text.data[i] ^= (uint8_t)(1 << bit);
            assert_false(tlog_proof_parse(&proof, buf_span(&text), NULL) == 0 &&
                         tlog_proof_verify(&v, &proof, p, &leaf, NULL) == 0 && v.quorum);
            text.data[i] ^= (uint8_t)(1 << bit);
        }
    for (size_t i = 0; i < text.len; i++)
        assert_false(tlog_proof_parse(&proof, span_of(text.data, i), NULL) == 0 &&
                     tlog_proof_verify(&v, &proof, p, &leaf, NULL) == 0 && v.quorum);
    leaf.b[0] ^= 1;
    assert_int_equal(tlog_proof_parse(&proof, buf_span(&text), NULL), 0);
    assert_int_equal(tlog_proof_verify(&v, &proof, p, &leaf, NULL), -EBADMSG);
    tlog_policy_free(p);
    buf_free(&note);
    buf_free(&text);
    buf_free(&extra);
}

/* The bytes of the checkpoint decide, not the proof around them. */
static void a_checkpoint_that_verified_stands_for_its_own_bytes_only(void **state)
{
    struct core_source src = {naive_subtree, NULL};
    struct tlog_proof_memo memo = {.note = {.len = 0}};
    struct digest path[CORE_PROOF_MAX], leaf;
    struct tlog_policy *p;
    struct tlog_verdict v, once;
    struct core_proof proof;
    struct buf note, text;
    size_t n, at;

    (void)state;
    buf_init(&note, CORE_NOTE_MAX);
    buf_init(&text, TLOG_PROOF_MAX);
    assert_int_equal(parse(&p, "log %L\nwitness a %0\nquorum a\n", NULL), 0);
    make_note(&note, 1);
    for (unsigned i = 0; i < 13; i++) {
        assert_int_equal(core_prove_inclusion(&note_crypto, &src, i, 13, path, &n), 0);
        util_leaf_hash(i, &leaf);
        buf_reset(&text);
        assert_int_equal(
            tlog_proof_format(&text, span_of(NULL, 0), i, path, n, buf_span(&note), NULL), 0);
        assert_int_equal(tlog_proof_parse(&proof, buf_span(&text), NULL), 0);
        assert_int_equal(tlog_proof_verify(&once, &proof, p, &leaf, NULL), 0);
        assert_int_equal(tlog_proof_verify_again(&v, &memo, &proof, p, &leaf, NULL), 0);
        /* the same verdict, and what it points to lies in this very proof */
        assert_true(v.quorum && v.log == once.log && v.cosigned == once.cosigned);
        assert_true(v.time[0] == once.time[0] && v.checkpoint.size == 13);
        assert_ptr_equal(v.checkpoint.origin.p, once.checkpoint.origin.p);
        assert_ptr_equal(v.text.p, once.text.p);
        assert_int_equal(v.text.n, once.text.n);
        leaf.b[3] ^= 1; /* the leaf is looked for each time */
        assert_int_equal(tlog_proof_verify_again(&v, &memo, &proof, p, &leaf, NULL), -EBADMSG);
        leaf.b[3] ^= 1;
    }
    at = (size_t)(proof.checkpoint.p - text.data);
    for (size_t i = at; i < text.len; i++) {
        text.data[i] ^= 1;
        assert_false(tlog_proof_parse(&proof, buf_span(&text), NULL) == 0 &&
                     tlog_proof_verify_again(&v, &memo, &proof, p, &leaf, NULL) == 0 && v.quorum);
        text.data[i] ^= 1;
    }
    assert_int_equal(tlog_proof_parse(&proof, buf_span(&text), NULL), 0);
    assert_int_equal(tlog_proof_verify_again(&v, &memo, &proof, p, &leaf, NULL), 0);
    tlog_proof_memo_done(&memo);
    tlog_policy_free(p);
    buf_free(&note);
    buf_free(&text);
}

static void malformed_proofs_are_refused(void **state)
{
#define H "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    static const char *const bad[] = {
        "",
        "c2sp.org/tlog-proof@v1\n",
        "c2sp.org/tlog-proof@v2\nindex 0\n\nx\n",
        "c2sp.org/tlog-proof@v1\nindex 0\n\n",
        "c2sp.org/tlog-proof@v1\nindex 00\n\nx\n",
        "c2sp.org/tlog-proof@v1\nindex -1\n\nx\n",
        "c2sp.org/tlog-proof@v1\nindex 0\n" H "x\n",
        "c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\nx\n",
        "c2sp.org/tlog-proof@v1\nextra \nindex 0\n\nx\n",
        "c2sp.org/tlog-proof@v1\nextra AA\nindex 0\n\nx\n",
        "c2sp.org/tlog-proof@v1\nextra AAAA\nextra AAAA\nindex 0\n\nx\n",
        "c2sp.org/tlog-proof@v1\nindex 0\nextra AAAA\n\nx\n",
    };
    struct core_proof p;
    struct buf b;

    (void)state;
    assert_int_equal(
        tlog_proof_parse(&p, span_str("c2sp.org/tlog-proof@v1\nextra AAAA\nindex 7\n" H "\nx\n"),
                         NULL),
        0);
    assert_true(p.index == 7 && p.n == 1 && span_is(p.extra, "AAAA") &&
                span_is(p.checkpoint, "x\n"));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(tlog_proof_parse(&p, span_str(bad[i]), NULL), -EBADMSG);
    buf_init(&b, 10000);
    assert_int_equal(buf_puts(&b, "c2sp.org/tlog-proof@v1\nindex 0\n"), 0);
    for (int i = 0; i < 65; i++)
        assert_int_equal(buf_puts(&b, H), 0);
    assert_int_equal(buf_puts(&b, "\nx\n"), 0);
    assert_int_equal(tlog_proof_parse(&p, buf_span(&b), NULL), -EBADMSG);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pages_example_needs_two_of_x_and_one_of_y),
        cmocka_unit_test(a_single_witness_or_none_can_be_the_quorum),
        cmocka_unit_test(what_the_page_forbids_is_refused_with_its_line),
        cmocka_unit_test(thirty_two_of_each_are_supported_and_sixty_five_refused),
        cmocka_unit_test(cosignatures_are_counted_with_their_times),
        cmocka_unit_test(a_log_of_another_name_or_key_is_not_believed),
        cmocka_unit_test(a_proof_is_pending_then_final_and_no_changed_bit_verifies),
        cmocka_unit_test(a_checkpoint_that_verified_stands_for_its_own_bytes_only),
        cmocka_unit_test(malformed_proofs_are_refused),
    };

    return cmocka_run_group_tests(tests, keys_up, keys_down);
}

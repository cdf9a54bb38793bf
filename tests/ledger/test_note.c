#include "util.h"

#include "base/text.h"
#include "crypto/secret.h"

#define C (&note_crypto)

/* The example of C2SP signed-note. */
static const char spec_vkey[] =
    "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
static const char spec_note[] = "This is an example message.\n"
                                "\n"
                                "\xe2\x80\x94 example.com/foo "
                                "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOB"
                                "H3mFXmRKuwHjG1Yu72IneyaQM=\n";
/* The examples of tlog-checkpoint and tlog-cosignature; their keys are not given. */
static const char spec_checkpoint[] =
    "example.com/behind-the-sofa\n"
    "20852163\n"
    "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    "\n"
    "\xe2\x80\x94 example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "\xe2\x80\x94 witness.example.com/w1 "
    "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/"
    "zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";

static void the_example_of_the_page_verifies(void **state)
{
    struct core_note n;
    struct vkey k;
    bool by = false;
    char again[CORE_VKEY_TEXT_MAX + 1];

    (void)state;
    assert_int_equal(note_vkey_parse(&k, span_str(spec_vkey), NULL), 0);
    assert_string_equal(k.name, "example.com/foo");
    assert_int_equal(k.type, VKEY_ED25519);
    note_vkey_format(&k, again);
    assert_string_equal(again, spec_vkey);
    assert_int_equal(note_verify(&n, span_str(spec_note), &k, 1, &by, NULL), 0);
    assert_true(by);
    assert_true(span_is(n.text, "This is an example message.\n"));
}

static void no_changed_byte_of_the_example_verifies(void **state)
{
    uint8_t note[sizeof(spec_note) - 1];
    struct core_note n;
    struct vkey k;

    (void)state;
    assert_int_equal(note_vkey_parse(&k, span_str(spec_vkey), NULL), 0);
    for (size_t i = 0; i < sizeof(note); i++)
        for (int x = 1; x < 256; x++) {
            memcpy(note, spec_note, sizeof(note));
            note[i] ^= (uint8_t)x;
            assert_int_equal(note_verify(&n, span_of(note, sizeof(note)), &k, 1, NULL, NULL),
                             -EBADMSG);
            if (x == 1)
                assert_int_not_equal(core_note_split(span_of(note, i), &n) == 0 &&
                                         core_note_verify(C, &n, &k, NULL) == 0,
                                     1);
        }
}

static void verifier_keys_have_one_spelling(void **state)
{
    static const char *const bad[] = {
        "",
        "x",
        "example.com/foo+530d903a",
        "example.com/foo+530d903a+",
        "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/fop+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2l",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k\n",
        "example.com foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3Q==",
    };
    /* a name ends at '+', not at a NUL: this is the right key and id of "example.com/foo" */
    static const char nul[] =
        "example.com/foo\0\0+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    struct err e = ERR_INIT;
    struct vkey k;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(note_vkey_parse(&k, span_str(bad[i]), &e), -EBADMSG);
    assert_int_equal(note_vkey_parse(&k, span_of(nul, sizeof(nul) - 1), &e), -EBADMSG);
    assert_non_null(strstr(err_text(&e), "not a verifier key"));
}

static void key_names_are_utf8_without_spaces_or_plus(void **state)
{
    static const struct {
        const char *name;
        int rc;
    } v[] = {
        {"a", 0},
        {"z\xc3\xbcrich.example", 0},
        {"\xf0\x9f\x8f\x94", 0},
        {"", -EINVAL},
        {"a b", -EINVAL},
        {"a+b", -EINVAL},
        {"a\nb", -EINVAL},
        {"a\xc2\xa0", -EINVAL},        /* U+00A0 */
        {"\xe2\x80\xa8z", -EINVAL},    /* U+2028 */
        {"\xe3\x80\x80", -EINVAL},     /* U+3000 */
        {"\xed\xa0\x80", -EINVAL},     /* a surrogate */
        {"\xc0\xaf", -EINVAL},         /* overlong */
        {"\xf4\x90\x80\x80", -EINVAL}, /* above U+10FFFF */
        {"\xe2\x80", -EINVAL},         /* cut */
        {"\x80", -EINVAL},
    };
    struct ed25519_pub pub = {{0}};
    struct vkey k;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(v); i++)
        assert_int_equal(note_vkey_make(&k, v[i].name, VKEY_ED25519, &pub, NULL), v[i].rc);
    assert_int_equal(note_vkey_make(&k, "a", 0x06, &pub, NULL), -EINVAL);
}

static void the_examples_of_checkpoint_and_cosignature_parse(void **state)
{
    struct core_checkpoint c;
    struct core_note n;

    (void)state;
    assert_int_equal(core_note_split(span_str(spec_checkpoint), &n), 0);
    assert_int_equal(n.n, 2);
    assert_true(span_is(n.sig[1].name, "witness.example.com/w1"));
    assert_memory_equal(n.sig[1].id, "\x8d\x66\xcf\x3f", 4);
    assert_int_equal(core_checkpoint_parse(n.text, &c), 0);
    assert_true(span_is(c.origin, "example.com/behind-the-sofa"));
    assert_true(c.size == 20852163);
    assert_int_equal(c.extensions.n, 0);
}

static void malformed_notes_and_checkpoints_are_refused(void **state)
{
    static const char *const notes[] = {
        "",
        "\n\n",
        "a\n\n",
        "a\n\n\xe2\x80\x94 n AAAAAAA=",       /* no line feed */
        "a\n\n\xe2\x80\x94 n AAAAAA==\n",     /* an id and nothing more */
        "a\n\n\xe2\x80\x94 n AAAAAAB=\n",     /* spare bits */
        "a\n\n\xe2\x80\x94 n  AAAAAAA=\n",    /* two spaces */
        "a\n\n\xe2\x80\x94  AAAAAAA=\n",      /* no name */
        "a\n\n- n AAAAAAA=\n",                /* another dash */
        "a\n\n\xe2\x80\x94 n+ AAAAAAA=\n",    /* plus */
        "a\n\n\xe2\x80\x94 n AAAAAAA=\r\n",   /* a control character */
        "a\t\n\n\xe2\x80\x94 n AAAAAAA=\n",   /* one in the text */
        "a\xff\n\n\xe2\x80\x94 n AAAAAAA=\n", /* not UTF-8 */
        "a\n\xe2\x80\x94 n AAAAAAA=\n",       /* no empty line */
        "a\n\n\xe2\x80\x94 n AAAAAAA=\nx\n",  /* not only signatures */
    };
    static const char *const texts[] = {
        "",
        "o\n",
        "o\n1\n",
        "o\n1\nAAAA\n",
        "\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "o\n01\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "o\n+1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "o\n-1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "o\n \nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "o\n9223372036854775808\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
        "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n",
        "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=",
        "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n",
        "o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\nx\n\ny\n",
    };
    struct core_checkpoint c;
    struct core_note n;

    (void)state;
    assert_int_equal(core_note_split(span_str("a\n\n\xe2\x80\x94 n AAAAAAA=\n"), &n), 0);
    for (size_t i = 0; i < ARRAY_LEN(notes); i++)
        assert_int_equal(core_note_split(span_str(notes[i]), &n), CORE_EBADMSG);
    assert_int_equal(core_checkpoint_parse(
                         span_str("o\n0\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\next\n"), &c),
                     0);
    assert_true(span_is(c.extensions, "ext\n"));
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_int_equal(core_checkpoint_parse(span_str(texts[i]), &c), CORE_EBADMSG);
}

static void the_text_ends_at_the_last_empty_line(void **state)
{
    struct core_note n;

    (void)state;
    assert_int_equal(core_note_split(span_str("a\n\nb\n\n\n\xe2\x80\x94 n AAAAAAA=\n"), &n), 0);
    assert_true(span_is(n.text, "a\n\nb\n\n"));
}

static void sixteen_signatures_are_read_and_a_hundred_and_one_are_not(void **state)
{
    char note[4096];
    struct core_note n;
    size_t at = 3;

    (void)state;
    memcpy(note, "a\n\n", 3);
    for (int i = 0; i < 101; i++) {
        at += (size_t)snprintf(note + at, sizeof(note) - at, "\xe2\x80\x94 n%d AAAAAAA=\n", i);
        assert_int_equal(core_note_split(span_of(note, at), &n), i < 100 ? 0 : CORE_E2BIG);
    }
}

static void unknown_signatures_are_ignored_and_a_failing_known_one_rejects(void **state)
{
    struct ed25519_key *ka = util_key(1), *kb = util_key(2), *kc = util_key(3);
    struct note_signer a = util_signer(ka, "a", VKEY_ED25519),
                       b = util_signer(kb, "b", VKEY_ED25519),
                       c = util_signer(kc, "b", VKEY_ED25519);
    struct vkey keys[2] = {a.key, b.key};
    struct core_note n;
    struct buf one, two, both;
    bool by[2];

    (void)state;
    buf_init(&one, 4096);
    buf_init(&two, 4096);
    buf_init(&both, 4096);
    assert_int_equal(note_sign(&one, span_str("t\n"), &a, NULL), 0);
    assert_int_equal(note_sign(&two, span_str("t\n"), &c, NULL), 0);
    /* "b" with another id is unknown */
    assert_int_equal(buf_put(&both, one.data, one.len), 0);
    assert_int_equal(buf_put(&both, two.data + 3, two.len - 3), 0);
    assert_int_equal(note_verify(&n, buf_span(&both), keys, 2, by, NULL), 0);
    assert_true(by[0] && !by[1]);
    assert_int_equal(note_verify(&n, buf_span(&both), keys + 1, 1, by, NULL), -EBADMSG);
    /* the same line under the id of the known "b" fails, though "a" is good */
    keys[1] = c.key;
    keys[1].pub[0] ^= 1;
    assert_int_equal(note_verify(&n, buf_span(&both), keys, 2, by, NULL), -EBADMSG);
    keys[1] = c.key;
    assert_int_equal(note_verify(&n, buf_span(&both), keys, 2, by, NULL), 0);
    assert_true(by[0] && by[1]);
    buf_free(&one);
    buf_free(&two);
    buf_free(&both);
    ed25519_free(ka);
    ed25519_free(kb);
    ed25519_free(kc);
}

static void only_notes_that_can_be_read_are_signed(void **state)
{
    struct ed25519_key *k = util_key(1);
    struct note_signer a = util_signer(k, "a", VKEY_ED25519),
                       w = util_signer(k, "a", VKEY_COSIGNATURE);
    struct buf out;

    (void)state;
    buf_init(&out, 4096);
    assert_int_equal(note_sign(&out, span_str("t"), &a, NULL), -EINVAL);
    assert_int_equal(note_sign(&out, span_str("t\x01\n"), &a, NULL), -EINVAL);
    assert_int_equal(note_sign(&out, span_str(""), &a, NULL), -EINVAL);
    assert_int_equal(note_sign(&out, span_str("t\n"), &w, NULL), -EINVAL);
    assert_int_equal(out.len, 0);
    buf_free(&out);
    ed25519_free(k);
}

/* ---- Checkpoints and cosignatures ------------------------------------------------------------ */

struct fixture {
    struct ed25519_key *log_key, *wit_key;
    struct note_signer log, wit;
    struct digest root;
    struct buf note, line;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->log_key = util_key(7);
    f->wit_key = util_key(8);
    f->log = util_signer(f->log_key, "log.example/l", VKEY_ED25519);
    f->wit = util_signer(f->wit_key, "wit.example/w", VKEY_COSIGNATURE);
    util_mth(0, 5, &f->root);
    buf_init(&f->note, CORE_NOTE_MAX);
    buf_init(&f->line, CORE_NOTE_MAX);
    assert_int_equal(note_checkpoint_make(&f->note, 5, &f->root, &f->log, NULL), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    buf_free(&f->note);
    buf_free(&f->line);
    ed25519_free(f->log_key);
    ed25519_free(f->wit_key);
    free(f);
    return 0;
}

static void a_checkpoint_is_of_the_log_that_signed_it(void **state)
{
    struct fixture *f = *state;
    struct core_checkpoint c;
    struct note_signer other = util_signer(f->log_key, "other.example", VKEY_ED25519);
    struct buf n;

    assert_int_equal(note_checkpoint_open(&c, NULL, buf_span(&f->note), &f->log.key, NULL), 0);
    assert_true(c.size == 5);
    assert_memory_equal(c.root.b, f->root.b, 32);
    assert_int_equal(note_checkpoint_open(&c, NULL, buf_span(&f->note), &other.key, NULL),
                     -EBADMSG);
    /* the other's signature on this log's text */
    buf_init(&n, 4096);
    assert_int_equal(note_sign(&n, span_of(f->note.data, 14 + 2 + 45), &other, NULL), 0);
    assert_int_equal(note_checkpoint_open(&c, NULL, buf_span(&n), &other.key, NULL), -EBADMSG);
    buf_free(&n);
}

static void a_cosignature_says_its_time_and_covers_the_text(void **state)
{
    struct fixture *f = *state;
    struct core_note n;
    uint64_t t;
    size_t added;

    assert_int_equal(core_note_split(buf_span(&f->note), &n), 0);
    assert_int_equal(core_note_verify(C, &n, &f->wit.key, &t), CORE_ENOENT);
    assert_int_equal(note_cosign(&f->line, n.text, 1679315147, &f->wit, NULL), 0);
    assert_int_equal(note_merge(&f->note, buf_span(&f->line), &f->wit.key, 1, &added, NULL), 0);
    assert_int_equal(added, 1);
    assert_int_equal(core_note_split(buf_span(&f->note), &n), 0);
    assert_int_equal(core_note_verify(C, &n, &f->wit.key, &t), 0);
    assert_true(t == 1679315147);
    /* once is enough */
    assert_int_equal(note_merge(&f->note, buf_span(&f->line), &f->wit.key, 1, &added, NULL), 0);
    assert_int_equal(added, 0);
}

/* The message of the page, put together by hand and verified by the bare signature. */
static void the_cosigned_message_is_header_time_and_text(void **state)
{
    struct fixture *f = *state;
    struct core_note n;
    struct ed25519_pub pub;
    struct ed25519_sig sig;
    uint8_t raw[76];
    char msg[512];
    size_t len;
    int at;

    assert_int_equal(core_note_split(buf_span(&f->note), &n), 0);
    assert_int_equal(note_cosign(&f->line, n.text, 1679315147, &f->wit, NULL), 0);
    assert_int_equal(core_sigs_split(buf_span(&f->line), &n), 0);
    assert_int_equal(text_unbase64(n.sig[0].b64, raw, sizeof(raw), &len), 0);
    assert_int_equal(len, 76);
    assert_memory_equal(raw + 4, "\0\0\0\0\x64\x18\x50\xcb", 8);
    at = snprintf(msg, sizeof(msg), "cosignature/v1\ntime 1679315147\n%.*s", 14 + 2 + 45,
                  (const char *)f->note.data);
    ed25519_public(f->wit_key, &pub);
    memcpy(sig.b, raw + 12, 64);
    assert_int_equal(ed25519_verify(&pub, msg, (size_t)at, &sig), 0);
}

static void no_changed_byte_of_a_cosigned_checkpoint_verifies(void **state)
{
    struct fixture *f = *state;
    struct core_checkpoint c;
    struct core_note n;
    size_t added;
    uint64_t t;

    assert_int_equal(core_note_split(buf_span(&f->note), &n), 0);
    assert_int_equal(note_cosign(&f->line, n.text, 1679315147, &f->wit, NULL), 0);
    assert_int_equal(note_merge(&f->note, buf_span(&f->line), &f->wit.key, 1, &added, NULL), 0);
    for (size_t i = 0; i < f->note.len; i++)
        for (int bit = 0; bit < 8; bit++) {
            f->note.data[i] ^= (uint8_t)(1 << bit);
            assert_false(note_checkpoint_open(&c, &n, buf_span(&f->note), &f->log.key, NULL) == 0 &&
                         core_note_verify(C, &n, &f->wit.key, &t) == 0);
            f->note.data[i] ^= (uint8_t)(1 << bit);
        }
}

static void merging_ignores_strangers_and_refuses_a_known_keys_forgery(void **state)
{
    struct fixture *f = *state;
    struct ed25519_key *k = util_key(9);
    struct note_signer stranger = util_signer(k, "x", VKEY_COSIGNATURE);
    struct core_note n;
    struct vkey forged;
    size_t added = 9, was = f->note.len;

    assert_int_equal(core_note_split(buf_span(&f->note), &n), 0);
    assert_int_equal(note_cosign(&f->line, n.text, 1, &stranger, NULL), 0);
    assert_int_equal(note_merge(&f->note, buf_span(&f->line), &f->wit.key, 1, &added, NULL), 0);
    assert_int_equal(added, 0);
    forged = stranger.key;
    forged.pub[0] ^= 1;
    assert_int_equal(note_merge(&f->note, buf_span(&f->line), &forged, 1, &added, NULL), -EBADMSG);
    assert_int_equal(note_merge(&f->note, span_str("x\n"), &forged, 1, &added, NULL), -EBADMSG);
    assert_int_equal(f->note.len, was);
    ed25519_free(k);
}

static void what_is_no_checkpoint_is_not_cosigned(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(note_cosign(&f->line, span_str("hello\n"), 1, &f->wit, NULL), -EINVAL);
    assert_int_equal(note_cosign(&f->line, span_of(f->note.data, 14 + 2 + 45), 0, &f->wit, NULL),
                     -EINVAL);
    assert_int_equal(note_cosign(&f->line, span_of(f->note.data, 14 + 2 + 45), 1, &f->log, NULL),
                     -EINVAL);
    assert_int_equal(f->line.len, 0);
    assert_int_equal(note_checkpoint_text(&f->line, "a\nb", 1, &f->root, NULL), -EINVAL);
    assert_int_equal(note_checkpoint_text(&f->line, "", 1, &f->root, NULL), -EINVAL);
    assert_int_equal(note_checkpoint_text(&f->line, "a", UINT64_MAX, &f->root, NULL), -EINVAL);
    assert_int_equal(f->line.len, 0);
}

/* Two implementations that share nothing, on texts that are nearly right. */
static void base64_is_read_as_everywhere_else(void **state)
{
    static const char sign[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/==-\n";
    uint8_t text[24], a[24], b[24];
    unsigned good = 0;

    (void)state;
    for (unsigned round = 0; round < 200000; round++) {
        size_t len = (size_t)random_below(sizeof(text) / 2 + 1) * 2, n = 0, m = 0;
        int ours, theirs;

        for (size_t i = 0; i < len; i++)
            text[i] = (uint8_t)sign[random_below(i + 2 < len ? 64 : sizeof(sign) - 1)];
        if (len > 0 && random_below(8) == 0)
            text[random_below(len)] = (uint8_t)random_below(256);
        ours = core_base64(span_of(text, len), a, sizeof(a), &n);
        theirs = text_unbase64(span_of(text, len), b, sizeof(b), &m);
        assert_int_equal(ours == 0, theirs == 0);
        assert_int_equal(core_base64(span_of(text, len), NULL, 0, &n) == 0, theirs == 0);
        if (theirs != 0)
            continue;
        assert_int_equal(n, m);
        assert_memory_equal(a, b, n);
        good += n > 0;
    }
    assert_in_range(good, 10000, 190000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_the_page_verifies),
        cmocka_unit_test(no_changed_byte_of_the_example_verifies),
        cmocka_unit_test(verifier_keys_have_one_spelling),
        cmocka_unit_test(key_names_are_utf8_without_spaces_or_plus),
        cmocka_unit_test(the_examples_of_checkpoint_and_cosignature_parse),
        cmocka_unit_test(malformed_notes_and_checkpoints_are_refused),
        cmocka_unit_test(the_text_ends_at_the_last_empty_line),
        cmocka_unit_test(sixteen_signatures_are_read_and_a_hundred_and_one_are_not),
        cmocka_unit_test(unknown_signatures_are_ignored_and_a_failing_known_one_rejects),
        cmocka_unit_test(base64_is_read_as_everywhere_else),
        cmocka_unit_test(only_notes_that_can_be_read_are_signed),
        cmocka_unit_test_setup_teardown(a_checkpoint_is_of_the_log_that_signed_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cosignature_says_its_time_and_covers_the_text, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_cosigned_message_is_header_time_and_text, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(no_changed_byte_of_a_cosigned_checkpoint_verifies, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(merging_ignores_strangers_and_refuses_a_known_keys_forgery,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_checkpoint_is_not_cosigned, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

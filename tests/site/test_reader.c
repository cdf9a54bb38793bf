/* Documents as people sign them, read as the reader reads them: one memfd, one answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "events/country.h"
#include "people/dsse.h"
#include "site/reader.h"

#define A "0000000000000000000000000000000a"
#define B "0000000000000000000000000000000b"
#define ORG "000000000000000000000000000000cc"
#define FROM "2026-01-01T00:00Z"

static struct ed25519_key *root, *key_a, *key_b, *stranger;
static struct config config = {.roots = 1, .roots_needed = 1};
static unix_time at;

static int set_up(void **state)
{
    uint8_t seed[32] = {1};
    struct ed25519_pub pub;

    (void)state;
    assert_int_equal(ed25519_from_seed(&root, seed), 0);
    seed[0] = 2;
    assert_int_equal(ed25519_from_seed(&key_a, seed), 0);
    seed[0] = 3;
    assert_int_equal(ed25519_from_seed(&key_b, seed), 0);
    seed[0] = 4;
    assert_int_equal(ed25519_from_seed(&stranger, seed), 0);
    ed25519_public(root, &pub);
    memcpy(config.root_key[0], pub.b, 32);
    return clock_unsecond(span_str("2026-11-23T12:00Z"), &at);
}

static int tear_down(void **state)
{
    (void)state;
    ed25519_free(root);
    ed25519_free(key_a);
    ed25519_free(key_b);
    ed25519_free(stranger);
    return 0;
}

/* --- documents --- */

static void person(struct buf *b, const char *id, const char *voucher, const struct ed25519_key *k)
{
    static const char *const roles[] = {"registrar", "policy", "statement", "mover"};
    struct ed25519_pub pub;
    char text[45];

    ed25519_public(k, &pub);
    text_base64(text, pub.b, 32);
    assert_int_equal(buf_printf(b, "  - id: %s\n    org: " ORG "\n", id), 0);
    if (voucher != NULL)
        assert_int_equal(buf_printf(b, "    voucher: %s\n", voucher), 0);
    assert_int_equal(
        buf_printf(b, "    keys:\n      - {key: %s, from: " FROM "}\n    roles:\n", text), 0);
    for (size_t i = 0; i < ARRAY_LEN(roles); i++)
        assert_int_equal(buf_printf(b, "      - {role: %s, from: " FROM "}\n", roles[i]), 0);
}

static void register_text_of(struct buf *b, unsigned serial, const char *previous)
{
    buf_init(b, 1 << 16);
    assert_int_equal(
        buf_printf(
            b,
            "format: register/v1\nserial: %u\nprevious: %s\napprovals:\n"
            "  register: {role: registrar, persons: 1}\n  policy: {role: policy, persons: 1}\n"
            "  statement: {role: statement, persons: 1}\n  move: {role: mover, persons: 2}\n"
            "organizations:\n  - {id: " ORG ", kind: vendor}\npersons:\n",
            serial, previous),
        0);
    person(b, A, NULL, key_a);
    person(b, B, NULL, key_b);
}

static void policy_text_of(struct buf *b, const char *from)
{
    bool first = true;

    buf_init(b, 1 << 16);
    assert_int_equal(
        buf_printf(
            b,
            "format: policy/v1\nserial: 1\nprevious: none\nauthor: " A "\nvalid_from: %s\n"
            "zones:\n  - {zone: CH, sites: [zrh1]}\n  - {zone: RU, sites: [mow1]}\nuniform:\n"
            "  retention: 365d\n  consent: required\n  read_approvals: 2\n  copies: 1\n"
            "  scan_within: 24h\ndifferences: []\nplacement:\n  - subjects: ['CA']\n    at:\n"
            "      - {zone: RU, from: 2017-01-01T00:00Z}\n"
            "      - {zone: CH, from: 2026-11-23T12:00Z, move_by: 2026-11-25T08:00Z}\n"
            "  - subjects: [",
            from),
        0);
    for (size_t i = 0; i < COUNTRY_COUNT; i++)
        if (!country_table[i].formerly && strcmp(country_table[i].code, "CA") != 0) {
            assert_int_equal(buf_printf(b, "%s'%s'", first ? "" : ", ", country_table[i].code), 0);
            first = false;
        }
    assert_int_equal(buf_puts(b, ", 'product:*', 'rules:*']\n    at:\n"
                                 "      - {zone: RU, from: 2017-01-01T00:00Z}\n"),
                     0);
}

/* The envelope of text, signed by up to two. */
static void sign(struct buf *out, enum document kind, struct buf *text,
                 const struct ed25519_key *k1, const struct ed25519_key *k2)
{
    struct dsse *d = NULL;

    assert_int_equal(dsse_new(&d, document_type(kind), buf_span(text)), 0);
    if (k1 != NULL)
        assert_int_equal(dsse_sign(d, k1), 0);
    if (k2 != NULL)
        assert_int_equal(dsse_sign(d, k2), 0);
    buf_init(out, DSSE_MAX_BYTES);
    assert_int_equal(dsse_write(d, out), 0);
    dsse_free(d);
    buf_free(text);
}

/* --- asking --- */

static struct pm_read_is ask(uint32_t what, const struct buf *doc, const struct buf *reg,
                             const struct buf *previous, struct buf *tail)
{
    struct pm_read m;
    struct pm_read_is is;
    int fd = memfd_create("document", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    memset(&m, 0, sizeof(m));
    m.what = what;
    m.at = at;
    m.len = m.register_at = doc->len;
    assert_int_equal(io_write_all(fd, doc->data, doc->len), 0);
    if (reg != NULL) {
        m.register_len = reg->len;
        dsse_digest(buf_span(reg), &m.register_doc);
        assert_int_equal(io_write_all(fd, reg->data, reg->len), 0);
    }
    m.previous_at = m.register_at + m.register_len;
    if (previous != NULL) {
        m.previous_len = previous->len;
        dsse_digest(buf_span(previous), &m.previous_doc);
        assert_int_equal(io_write_all(fd, previous->data, previous->len), 0);
    }
    assert_int_equal(
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL), 0);
    buf_reset(tail);
    reader_read(&config, &m, fd, &is, tail);
    assert_int_equal(close(fd), 0);
    assert_int_equal(is.what, what);
    if (is.rc != 0)
        assert_int_equal(tail->len, 0);
    return is;
}

static void refused(struct pm_read_is is, int rc, const char *part)
{
    if (is.rc != rc || strstr(is.text, part) == NULL)
        fail_msg("wanted %d \"%s\", got %d \"%s\"", rc, part, is.rc, is.text);
}

static void accepted(struct pm_read_is is)
{
    if (is.rc != 0)
        fail_msg("refused: %d \"%s\"", is.rc, is.text);
}

static void first_register(struct buf *out)
{
    struct buf text;

    register_text_of(&text, 1, "none");
    sign(out, DOCUMENT_REGISTER, &text, root, NULL);
}

/* --- tests --- */

static void the_first_register_is_the_roots_to_approve(void **state)
{
    struct read_register r;
    struct buf doc, text, tail;

    (void)state;
    buf_init(&tail, PROTO_TAIL_MAX);
    first_register(&doc);
    accepted(ask(READ_REGISTER, &doc, NULL, NULL, &tail));
    assert_int_equal(read_register_decode(buf_span(&tail), &r), 0);
    assert_int_equal(r.serial, 1);
    assert_false(r.has_previous);
    assert_int_equal(r.n, 2 * (1 + 1 + 4)); /* two persons, a key and four roles each */
    read_register_done(&r);
    buf_free(&doc);
    register_text_of(&text, 1, "none");
    sign(&doc, DOCUMENT_REGISTER, &text, stranger, NULL);
    assert_true(ask(READ_REGISTER, &doc, NULL, NULL, &tail).rc != 0);
    buf_free(&doc);
    buf_free(&tail);
}

static void a_mistake_is_named_with_line_and_column(void **state)
{
    struct buf doc, text, tail;

    (void)state;
    buf_init(&tail, PROTO_TAIL_MAX);
    buf_init(&text, 4096);
    assert_int_equal(buf_puts(&text, "format: register/v1\nserial: one\nprevious: none\n"), 0);
    sign(&doc, DOCUMENT_REGISTER, &text, root, NULL);
    refused(ask(READ_REGISTER, &doc, NULL, NULL, &tail), -EINVAL, "register:2:9: ");
    refused(ask(READ_POLICY, &doc, NULL, NULL, &tail), -EINVAL, "payloadType");
    refused(ask(99, &doc, NULL, NULL, &tail), -EPROTO, "unknown kind");
    buf_free(&doc);
    buf_free(&tail);
}

static void the_next_register_is_its_predecessors_to_approve(void **state)
{
    struct read_register r;
    struct buf first, next, text, tail;
    struct digest d;
    char hex[65];

    (void)state;
    buf_init(&tail, PROTO_TAIL_MAX);
    first_register(&first);
    dsse_digest(buf_span(&first), &d);
    text_digest(hex, &d);
    register_text_of(&text, 2, hex);
    sign(&next, DOCUMENT_REGISTER, &text, key_a, NULL);
    accepted(ask(READ_REGISTER, &next, &first, &first, &tail));
    assert_int_equal(read_register_decode(buf_span(&tail), &r), 0);
    assert_int_equal(r.serial, 2);
    assert_true(r.has_previous);
    assert_memory_equal(r.previous.b, d.b, 32);
    assert_int_equal(r.n, 0);
    read_register_done(&r);
    refused(ask(READ_REGISTER, &next, NULL, NULL, &tail), -EINVAL, "serial 1");
    buf_free(&next);
    register_text_of(&text, 2, hex);
    sign(&next, DOCUMENT_REGISTER, &text, root, NULL); /* the roots have no say any more */
    assert_int_equal(ask(READ_REGISTER, &next, &first, &first, &tail).rc, -EPERM);
    buf_free(&next);
    buf_free(&first);
    buf_free(&tail);
}

static void a_policy_is_not_its_authors_to_approve(void **state)
{
    struct read_policy p;
    struct buf reg, doc, text, tail;

    (void)state;
    buf_init(&tail, PROTO_TAIL_MAX);
    first_register(&reg);
    policy_text_of(&text, "2026-11-23T12:00Z");
    sign(&doc, DOCUMENT_POLICY, &text, key_b, NULL);
    accepted(ask(READ_POLICY, &doc, &reg, NULL, &tail));
    assert_int_equal(read_policy_decode(buf_span(&tail), &p), 0);
    assert_int_equal(p.placement->zones, 2);
    assert_int_equal(p.placement->steps, COUNTRY_ASSIGNED + 1);
    assert_int_equal(placement_zone(p.placement, "CA", at - 1), 1);
    assert_int_equal(placement_zone(p.placement, "CA", at), 0);
    assert_int_equal(placement_zone(p.placement, "FR", at), 1);
    assert_string_equal(placement_site(p.placement, 0), "zrh1");
    placement_free(p.placement);
    refused(ask(READ_POLICY, &doc, NULL, NULL, &tail), -EPERM, "no register");
    buf_free(&doc);
    policy_text_of(&text, "2026-11-23T12:00Z");
    sign(&doc, DOCUMENT_POLICY, &text, key_a, NULL);
    assert_int_equal(ask(READ_POLICY, &doc, &reg, NULL, &tail).rc, -EPERM);
    buf_free(&doc);
    policy_text_of(&text, "2026-11-23T11:57Z");
    sign(&doc, DOCUMENT_POLICY, &text, key_b, NULL);
    refused(ask(READ_POLICY, &doc, &reg, NULL, &tail), -EINVAL, "valid_from");
    buf_free(&doc);
    buf_free(&reg);
    buf_free(&tail);
}

static void a_statement_and_a_move_become_records(void **state)
{
    struct read_statement s;
    struct read_move m;
    struct buf reg, doc, policy, text, tail;
    struct digest d;
    char hex[65];

    (void)state;
    buf_init(&tail, PROTO_TAIL_MAX);
    first_register(&reg);
    buf_init(&text, 4096);
    assert_int_equal(buf_puts(&text, "format: statement/v1\nlanguage: en\nscopes: [file, lookup]\n"
                                     "erase_within: 30d\nretention: 365d\ntext: |\n  I agree.\n"),
                     0);
    sign(&doc, DOCUMENT_STATEMENT, &text, key_a, NULL);
    accepted(ask(READ_STATEMENT, &doc, &reg, NULL, &tail));
    assert_int_equal(read_statement_decode(buf_span(&tail), &s), 0);
    assert_int_equal(s.scopes, 5);
    assert_int_equal(s.erase_within, 30);
    assert_int_equal(s.retention, 365);
    assert_string_equal(s.language, "en");
    buf_free(&doc);
    policy_text_of(&text, "2026-11-23T12:00Z");
    sign(&policy, DOCUMENT_POLICY, &text, key_b, NULL);
    dsse_digest(buf_span(&policy), &d);
    text_digest(hex, &d);
    for (int signers = 1; signers <= 2; signers++) {
        buf_init(&text, 4096);
        assert_int_equal(buf_printf(&text,
                                    "format: move/v1\nmove: " A "\ncountry: CA\nfrom: mow1\n"
                                    "to: zrh1\npolicy: %s\n",
                                    hex),
                         0);
        sign(&doc, DOCUMENT_MOVE, &text, key_a, signers == 2 ? key_b : NULL);
        if (signers == 1)
            assert_int_equal(ask(READ_MOVE, &doc, &reg, &policy, &tail).rc, -EPERM);
        else
            accepted(ask(READ_MOVE, &doc, &reg, &policy, &tail));
        if (signers == 2)
            refused(ask(READ_MOVE, &doc, &reg, NULL, &tail), -EPERM, "no policy");
        buf_free(&doc);
    }
    buf_init(&text, 4096);
    assert_int_equal(buf_printf(&text,
                                "format: move/v1\nmove: " A "\ncountry: CA\nfrom: mow1\n"
                                "to: zrh1\npolicy: %s\n",
                                hex),
                     0);
    sign(&doc, DOCUMENT_MOVE, &text, key_a, key_b);
    accepted(ask(READ_MOVE, &doc, &reg, &policy, &tail));
    assert_int_equal(read_move_decode(buf_span(&tail), &m), 0);
    assert_string_equal(m.from, "mow1");
    assert_string_equal(m.to, "zrh1");
    assert_memory_equal(m.policy.b, d.b, 32);
    buf_free(&doc);
    buf_free(&policy);
    buf_free(&reg);
    buf_free(&tail);
}

static void memory_that_can_change_is_not_read(void **state)
{
    struct pm_read m = {.what = READ_STATEMENT, .len = 5};
    struct pm_read_is is;
    struct buf tail;
    int fd = memfd_create("document", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    (void)state;
    buf_init(&tail, PROTO_TAIL_MAX);
    assert_int_equal(io_write_all(fd, "hello", 5), 0);
    reader_read(&config, &m, fd, &is, &tail);
    refused(is, -EPROTO, "no sealed memory");
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK), 0);
    m.len = 6;
    reader_read(&config, &m, fd, &is, &tail);
    refused(is, -EPROTO, "not there");
    m.len = 5;
    m.previous_at = UINT64_MAX;
    m.previous_len = 2;
    reader_read(&config, &m, fd, &is, &tail);
    refused(is, -EPROTO, "not there");
    assert_int_equal(close(fd), 0);
    buf_free(&tail);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_register_is_the_roots_to_approve),
        cmocka_unit_test(a_mistake_is_named_with_line_and_column),
        cmocka_unit_test(the_next_register_is_its_predecessors_to_approve),
        cmocka_unit_test(a_policy_is_not_its_authors_to_approve),
        cmocka_unit_test(a_statement_and_a_move_become_records),
        cmocka_unit_test(memory_that_can_change_is_not_read),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* Certificates, lists of revoked ones, requests and signed data, all by OpenSSL: what differs is
 * told by its name, and only signatures are that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive_tool.h"
#include "base/io.h"
#include "compare/look_priv.h"

/* ca OUT SERIAL FROM TO SUBJECT SAN KEY: a certificate; ECDSA signs one content in many ways. */
static int setup(void **state)
{
    int rc = archive_setup(state);

    if (rc != 0)
        return rc;
    archive_sh(
        "cat >ca.cnf <<'E'\n[ca]\ndefault_ca=c\n[c]\ndatabase=index.txt\nnew_certs_dir=.\n"
        "serial=serial\ncrlnumber=number\ndefault_md=sha256\npolicy=p\n\n"
        "unique_subject=no\ncopy_extensions=copy\ndefault_crl_days=30\n[p]\ncommonName=supplied\n"
        "E\n"
        "cat >lib.sh <<'E'\n"
        "exec 2>/dev/null\n"
        "ca() { echo $2 >serial; : >index.txt\n"
        "openssl req -new -key $7 -subj \"$5\" ${8:-} -addext subjectAltName=$6 -out r.csr\n"
        "openssl ca -batch -config ca.cnf -keyfile ca.key -cert ca.pem -in r.csr -startdate $3 "
        "-enddate $4 -notext -out $1 -preserveDN; }\n"
        "der() { for f; do openssl x509 -in $f.pem -outform DER -out $f.der; done; }\n"
        "E\n"
        "for k in ca k1 k2; do openssl ecparam -name prime256v1 -genkey -noout -out $k.key; done\n"
        "openssl req -x509 -new -key ca.key -subj /CN=root -days 30 -out ca.pem\n"
        ". ./lib.sh; F=220101000000Z; T=230101000000Z\n"
        "ca a.pem 01 $F $T /CN=one DNS:one.test k1.key; ca sig.pem 01 $F $T /CN=one DNS:one.test "
        "k1.key\n"
        "ca serial.pem 02 $F $T /CN=one DNS:one.test k1.key\n"
        "ca time.pem 01 240101000000Z $T /CN=one DNS:one.test k1.key\n"
        "ca day.pem 01 240102000000Z $T /CN=one DNS:one.test k1.key\n"
        "ca name.pem 01 $F $T /CN=two DNS:one.test k1.key\n"
        "ca san.pem 01 $F $T /CN=one DNS:two.test k1.key\n"
        "ca key.pem 01 $F $T /CN=one DNS:one.test k2.key\n"
        "E='-addext keyUsage=digitalSignature'; ca x1.pem 01 $F $T /CN=one DNS:one.test k1.key "
        "\"$E\"\n"
        "ca x2.pem 01 $F $T /CN=one \"DNS:one.test $E\" k1.key\n"
        "der a sig serial time day name san key x1 x2\n");
    return 0;
}

static struct buf file(const char *name)
{
    char path[128];
    struct buf b;

    (void)snprintf(path, sizeof(path), "%s/%s", archive_dir(), name);
    buf_init(&b, 1u << 20);
    assert_int_equal(io_read_file(AT_FDCWD, path, &b), 0);
    return b;
}

static void what_differs_in_a_certificate_has_its_name(void **state)
{
    const struct compare_options o = {.years = {2022, 2024}};

    (void)state;
    archive_expect("a.der", "sig.der", COMPARE_SIGNATURE, "X.509 certificate", "the signature is ",
                   NULL);
    archive_expect("a.pem", "sig.pem", COMPARE_SIGNATURE, "CERTIFICATE 1 (X.509 certificate)",
                   "the signature is ", NULL);
    archive_expect("a.der", "serial.der", COMPARE_UNEXPLAINED, "the serial number is 01 and 02",
                   NULL);
    archive_expect("a.der", "time.der", COMPARE_UNEXPLAINED,
                   "valid from is 220101000000Z and 240101000000Z", NULL);
    archive_expect("a.der", "name.der", COMPARE_UNEXPLAINED, "the subject is CN=one and CN=two",
                   NULL);
    archive_expect("a.pem", "san.pem", COMPARE_UNEXPLAINED,
                   "extension subjectAltName is one.test and two.test", NULL);
    archive_expect("a.der", "key.der", COMPARE_UNEXPLAINED, "the public key is ", NULL);
    archive_expect("x1.der", "x2.der", COMPARE_UNEXPLAINED, "its parts come in another order",
                   NULL);
    archive_expect_with(&o, "a.der", "time.der", COMPARE_EXPLAINED,
                        "build year: valid from is 220101000000Z", NULL);
    archive_expect_with(&o, "a.der", "day.der", COMPARE_UNEXPLAINED, "valid from is ", NULL);
    archive_expect_with(&o, "time.der", "a.der", COMPARE_UNEXPLAINED, "valid from is ", NULL);
}

static void wrappings_of_one_content_are_the_same(void **state)
{
    (void)state;
    archive_sh("(head -n 1 a.pem; sed '1d;$d' a.pem | tr -d '\\n' | fold -w 48; echo; tail -n 1 "
               "a.pem) >w.pem; sed 's/$/\\r/' a.pem >crlf.pem\n"
               "(echo evil; cat a.pem) >front.pem; (cat a.pem; echo evil) >behind.pem\n"
               "sed '2s/^/!/' a.pem >bad.pem; sed 's/ CERT/ TRUSTED CERT/' a.pem >label.pem\n"
               "(cat a.der; printf evil) >tail.der; sed '$d' a.pem >open.pem\n");
    archive_expect("a.pem", "w.pem", COMPARE_SAME_CONTENT, "packed otherwise", NULL);
    archive_expect("a.pem", "crlf.pem", COMPARE_SAME_CONTENT, "packed otherwise", NULL);
    archive_expect("a.pem", "front.pem", COMPARE_UNEXPLAINED, "text before CERTIFICATE 1", NULL);
    archive_expect("a.pem", "behind.pem", COMPARE_UNEXPLAINED, "text at the end", NULL);
    archive_expect("a.pem", "bad.pem", COMPARE_UNEXPLAINED, "it is no base64", NULL);
    archive_expect("a.pem", "label.pem", COMPARE_UNEXPLAINED, "the line that begins CERTIFICATE 1",
                   NULL);
    archive_expect("a.pem", "open.pem", COMPARE_UNEXPLAINED, "line ", NULL);
    archive_expect("a.der", "tail.der", COMPARE_UNEXPLAINED, "no part of the format accounts for",
                   NULL);
}

static void blocks_of_a_bundle_are_found_wherever_they_are(void **state)
{
    (void)state;
    archive_sh("cat a.pem name.pem san.pem >b1; cat name.pem a.pem san.pem >b2\n"
               "cat a.pem san.pem >b3; cat a.pem sig.pem >b4; cat a.pem a.pem >b5\n"
               "cat a.pem ca.pem >b6; cat sig.pem ca.pem >b7\n");
    archive_expect("b1", "b2", COMPARE_UNEXPLAINED, "its blocks come in another order", NULL);
    archive_expect("b1", "b3", COMPARE_UNEXPLAINED, "CERTIFICATE 2 is only in A", NULL);
    archive_expect("b4", "b5", COMPARE_SIGNATURE, "the signature", NULL);
    archive_expect("b6", "b7", COMPARE_SIGNATURE, "the signature", NULL);
}

static void lists_requests_and_signed_data(void **state)
{
    (void)state;
    archive_sh(
        ". ./lib.sh\n"
        "crl() { printf \"V\\t300101000000Z\\t\\t01\\tunknown\\t/CN=one\\n$2\" >index.txt; echo 07 "
        ">number; openssl ca -config ca.cnf -gencrl -keyfile ca.key -cert ca.pem -crl_lastupdate "
        "220101000000Z -crl_nextupdate 230101000000Z -out $1; }\n"
        "R=\"R\\t300101000000Z\\t220101000000Z\\t02\\tunknown\\t/CN=x\\n\"\n"
        "crl c1 ''; crl c2 ''; crl c3 \"$R\"\n"
        "req() { openssl req -new -key $2 -subj /CN=$3 -out $1; }\n"
        "req r1 k1.key one; req r2 k1.key one; req r3 k1.key two\n"
        "echo text >t; sign() { openssl cms -sign -binary -nodetach -signer $2 -inkey k1.key "
        "-outform DER -in $3 -out $1 $4; }\n"
        "echo other >u; sign s1 a.pem t -noattr; sign s2 a.pem t -noattr; sign s3 a.pem u -noattr\n"
        "sign s4 serial.pem t -noattr; sign s5 a.pem t '-noattr -certfile ca.pem'\n"
        "sign s6 a.pem t '-noattr -certfile serial.pem'; sign s7 a.pem t '-noattr -md sha512'\n");
    archive_expect("c1", "c2", COMPARE_SIGNATURE, "list of revoked certificates", NULL);
    archive_expect("c1", "c3", COMPARE_UNEXPLAINED, "the revoked ones is only in B", NULL);
    archive_expect("r1", "r2", COMPARE_SIGNATURE, "request for a certificate", NULL);
    archive_expect("r1", "r3", COMPARE_UNEXPLAINED, "the subject is CN=one and CN=two", NULL);
    archive_expect("s1", "s2", COMPARE_SIGNATURE, "signed data", "the signature is ", NULL);
    archive_expect("s1", "s3", COMPARE_UNEXPLAINED, "the content that is signed is ", NULL);
    archive_expect("s1", "s4", COMPARE_UNEXPLAINED, "the signer is ", NULL);
    archive_expect("s1", "s5", COMPARE_UNEXPLAINED, "the certificate of CN=root is only in B",
                   NULL);
    archive_expect("s1", "s6", COMPARE_UNEXPLAINED,
                   "the certificate of CN=one that leads to no signer is only in B", NULL);
    archive_expect("s1", "s7", COMPARE_UNEXPLAINED,
                   "the digest algorithm of the signer is SHA-256 and SHA-512", NULL);
}

/* Where the last element, the signature, begins: its head is 03 and one byte of length. */
static size_t signature_of(const struct buf *b)
{
    for (size_t n = 60; n < 90; n++)
        if (b->data[b->len - n - 2] == 3 && b->data[b->len - n - 1] == n)
            return b->len - n - 2;
    fail_msg("no signature");
    return 0;
}

static enum compare_class look(const struct buf *a, const struct buf *b)
{
    struct compare_node *n = NULL;
    struct look_budget budget;
    enum compare_class class;

    look_budget_init(&budget, NULL);
    assert_int_equal(look_compare(&budget, buf_span(a), buf_span(b), "a", "b", &n), 0);
    assert_int_equal(budget.memory, LOOK_MEMORY);
    for (int side = 0; side < 2; side++) {
        uint64_t sum = 0;

        for (int c = 0; c < COMPARE_CLASSES; c++)
            sum += n->bytes[side][c];
        assert_int_equal(sum, n->size[side]);
    }
    class = n->class;
    look_node_free(n);
    return class;
}

static void each_byte_edited_alone_is_what_it_is(void **state)
{
    struct buf a = file("a.der"), b = file("a.der"), c = file("sig.der"), p = file("a.pem"),
               q = file("a.pem");
    const size_t at = signature_of(&a);
    unsigned signatures = 0;

    (void)state;
    assert_int_equal(signature_of(&c) > 0, 1);
    for (size_t i = 0; i < b.len; i++) {
        enum compare_class class;

        b.data[i] ^= 0x21;
        class = look(&a, &b);
        b.data[i] ^= 0x21;
        if (i < at + 2 ? class != COMPARE_UNEXPLAINED : class != COMPARE_SIGNATURE)
            fail_msg("byte %zu of %zu: %s", i, at, compare_class_word(class));
    }
    for (size_t i = 0; i < q.len; i++) {
        enum compare_class class;

        q.data[i] ^= 1;
        class = look(&p, &q);
        q.data[i] ^= 1;
        assert_true(class == COMPARE_UNEXPLAINED || class == COMPARE_SIGNATURE);
        signatures += class == COMPARE_SIGNATURE;
    }
    assert_in_range(signatures, 1, (a.len - at) * 4 / 3 + 2);
    buf_free(&a);
    buf_free(&b);
    buf_free(&c);
    buf_free(&p);
    buf_free(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_differs_in_a_certificate_has_its_name),
        cmocka_unit_test(wrappings_of_one_content_are_the_same),
        cmocka_unit_test(blocks_of_a_bundle_are_found_wherever_they_are),
        cmocka_unit_test(lists_requests_and_signed_data),
        cmocka_unit_test(each_byte_edited_alone_is_what_it_is),
    };

    return cmocka_run_group_tests(tests, setup, archive_teardown);
}

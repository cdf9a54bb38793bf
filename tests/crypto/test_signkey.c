/* A token is SoftHSM's, made anew in a folder of its own: two keys, a PIN.  What it signs is
 * verified with the public key that OpenSC's pkcs11-tool, not GnuTLS, reads from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gnutls/abstract.h>

#include "base/io.h"
#include "base/text.h"
#include "crypto/signkey.h"

#define MODULE "/usr/lib/softhsm/libsofthsm2.so"
#define TOOL "pkcs11-tool --module " MODULE " --token-label ours --login --pin 4711 "

/* A token that miscalculates, or is somebody else's. */
static bool bad_token;

int __real_gnutls_privkey_sign_data2(gnutls_privkey_t k, gnutls_sign_algorithm_t how,
                                     unsigned flags, const gnutls_datum_t *data,
                                     gnutls_datum_t *sig);
int __wrap_gnutls_privkey_sign_data2(gnutls_privkey_t k, gnutls_sign_algorithm_t how,
                                     unsigned flags, const gnutls_datum_t *data,
                                     gnutls_datum_t *sig);
int __wrap_gnutls_privkey_sign_data2(gnutls_privkey_t k, gnutls_sign_algorithm_t how,
                                     unsigned flags, const gnutls_datum_t *data,
                                     gnutls_datum_t *sig)
{
    int rc = __real_gnutls_privkey_sign_data2(k, how, flags, data, sig);

    if (rc == 0 && bad_token)
        sig->data[0] ^= 1;
    return rc;
}

static char dir[] = "/tmp/glarus-signkey-XXXXXX";
static struct ed25519_pub tools_word; /* pkcs11-tool's */

static const char *in_dir(const char *name)
{
    static char path[4][200];
    static unsigned next;
    char *p = path[next++ % 4];

    (void)snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
    return p;
}

static void put(const char *name, const char *text, mode_t mode)
{
    assert_int_equal(io_replace_file(AT_FDCWD, in_dir(name), text, strlen(text), mode), 0);
    assert_int_equal(chmod(in_dir(name), mode), 0);
}

/* Runs a line of shell with its output in the folder's file "out". */
static void run(const char *what)
{
    char line[1000], sh[] = "sh", c[] = "-c";
    char *argv[] = {sh, c, line, NULL};
    int status = -1;
    struct buf out;
    pid_t pid;

    (void)snprintf(line, sizeof(line), "%s >%s/out 2>&1", what, dir);
    assert_int_equal(posix_spawnp(&pid, "sh", NULL, NULL, argv, environ), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status == 0)
        return;
    buf_init(&out, 1 << 16);
    if (io_read_file(AT_FDCWD, in_dir("out"), &out) == 0)
        print_error("%s\n", buf_str(&out));
    fail_msg("failed: %s", what);
}

static int make_token(void **state)
{
    static const char word[] = "EC_POINT:   0420";
    struct buf out;
    const char *at;
    char text[300];

    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(mkdir(in_dir("tokens"), 0700), 0);
    (void)snprintf(text, sizeof(text), "directories.tokendir = %s\nlog.level = ERROR\n",
                   in_dir("tokens"));
    put("softhsm2.conf", text, 0600);
    assert_int_equal(setenv("SOFTHSM2_CONF", in_dir("softhsm2.conf"), 1), 0);
    run("softhsm2-util --init-token --free --label ours --pin 4711 --so-pin 0815");
    run(TOOL "--keypairgen --key-type EC:prime256v1 --label curve --id 02");
    run(TOOL "--keypairgen --key-type EC:edwards25519 --label anna --id 01");
    buf_init(&out, 1 << 16);
    assert_int_equal(io_read_file(AT_FDCWD, in_dir("out"), &out), 0);
    at = strstr(buf_str(&out), word);
    assert_non_null(at);
    at += strlen(word);
    assert_int_equal(text_unhex(span_of(at, 64), tools_word.b, 32), 0);
    buf_free(&out);
    put("pin", "4711\n", 0600);
    put("wrong", "4712\n", 0600);
    put("open", "4711\n", 0644);
    put("lines", "4711\nno\n", 0600);
    put("empty", "\n", 0600);
    return 0;
}

static int drop_token(void **state)
{
    (void)state;
    return io_remove_tree(dir);
}

/* spec with "DIR" for the folder */
static int open_by(const char *spec, struct signkey **k, struct err *e)
{
    struct buf text;
    const char *at;
    int rc;

    buf_init(&text, 4000);
    for (; (at = strstr(spec, "DIR")) != NULL; spec = at + 3) {
        assert_int_equal(buf_put(&text, spec, (size_t)(at - spec)), 0);
        assert_int_equal(buf_puts(&text, dir), 0);
    }
    assert_int_equal(buf_puts(&text, spec), 0);
    *e = (struct err)ERR_INIT;
    *k = NULL;
    rc = signkey_open(k, buf_str(&text), e);
    buf_free(&text);
    return rc;
}

static void what_a_token_signs_is_verified_without_it(void **state)
{
    static const char *const ways[] = {
        "pkcs11:token=ours;object=anna;type=private?pin-source=file:DIR/pin",
        "pkcs11:token=ours;id=%01?pin-source=file://DIR/pin", /* DIR begins with a slash */
        "pkcs11:token=ours;object=%61nna?pin-source=DIR/%70in&module-path=" MODULE,
        "pkcs11:token=ours;object=anna?module-path=" MODULE "&pin-source=DIR/pin",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        struct ed25519_sig sig, none;
        struct ed25519_pub pub;
        struct signkey *k;
        struct err e;

        if (open_by(ways[i], &k, &e) != 0)
            fail_msg("%s: %s", ways[i], e.text);
        signkey_public(k, &pub);
        assert_memory_equal(pub.b, tools_word.b, 32);
        assert_int_equal(signkey_sign(k, "words", 5, &sig), 0);
        assert_int_equal(ed25519_verify(&tools_word, "words", 5, &sig), 0);
        assert_int_equal(ed25519_verify(&tools_word, "wordy", 5, &sig), -EBADMSG);
        assert_int_equal(signkey_sign(k, "", 0, &none), 0);
        assert_int_equal(ed25519_verify(&tools_word, "", 0, &none), 0);
        signkey_close(k);
    }
}

static void what_is_wrong_with_a_token_is_said(void **state)
{
    static const struct {
        const char *spec;
        int rc;
        const char *words;
    } rows[] = {
        {"pkcs11:token=ours;object=anna", -EACCES, "add ?pin-source=file:/path"},
        {"pkcs11:token=ours;object=anna?pin-source=DIR/wrong", -EACCES, "refuses the PIN in"},
        {"pkcs11:token=ours;object=anna?pin-source=DIR/open", -EACCES, "chmod 600"},
        {"pkcs11:token=ours;object=anna?pin-source=DIR/absent", -ENOENT, "cannot open the PIN's"},
        {"pkcs11:token=ours;object=anna?pin-source=DIR/tokens", -EINVAL, "not a regular file"},
        {"pkcs11:token=ours;object=anna?pin-source=DIR/lines", -EINVAL, "not a PIN"},
        {"pkcs11:token=ours;object=anna?pin-source=DIR/empty", -EINVAL, "not a PIN"},
        {"pkcs11:token=ours;object=anna?pin-source=|cat", -EINVAL, "file:/path"},
        {"pkcs11:token=ours;object=anna?pin-source=file://host/pin", -EINVAL, "file:/path"},
        {"pkcs11:token=ours;object=anna?pin-source=", -EINVAL, "twice or malformed"},
        {"pkcs11:token=ours;object=anna?pin-source=%00", -EINVAL, "twice or malformed"},
        {"pkcs11:token=ours;object=anna?pin-source=DIR/pin&pin-source=DIR/pin", -EINVAL, "twice"},
        {"pkcs11:token=ours;object=anna?pin-value=4711", -EINVAL, "everybody's"},
        {"pkcs11:token=ours;object=nobody?pin-source=DIR/pin", -ENOENT, "has no private key"},
        {"pkcs11:token=ours?pin-source=DIR/pin", -ENOENT, "has no private key"},
        {"pkcs11:token=theirs;object=anna?pin-source=DIR/pin", -ENOENT, "there is no token for"},
        {"pkcs11:token=ours;object=curve?pin-source=DIR/pin", -EINVAL, "EC:edwards25519"},
        {"pkcs11:token=ours;object=anna?module-path=DIR/pin", -ENOENT, "cannot load the PKCS #11"},
        {"pkcs11:nonsense", -EINVAL, "RFC 7512"},
        {"pkcs11:token=%zz", -EINVAL, "RFC 7512"},
        {"DIR/absent", -ENOENT, "cannot open key"},
        {"DIR/pin", -EBADMSG, "does not hold an Ed25519 private key"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct signkey *k;
        struct err e;
        int rc = open_by(rows[i].spec, &k, &e);

        if (rc != rows[i].rc || strstr(e.text, rows[i].words) == NULL || k != NULL)
            fail_msg("%s: %d, %s", rows[i].spec, rc, e.text);
        assert_null(strstr(e.text, "4711")); /* a PIN is in no message */
    }
}

/* (GnuTLS would ask for ever.) */
static void a_wrong_pin_is_tried_once_and_the_right_one_taken_after_it(void **state)
{
    struct signkey *k;
    struct err e;

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(open_by("pkcs11:token=ours;object=anna?pin-source=DIR/wrong", &k, &e),
                         -EACCES);
    assert_int_equal(open_by("pkcs11:token=ours;object=anna?pin-source=DIR/pin", &k, &e), 0);
    signkey_close(k);
}

static void a_signature_that_does_not_verify_is_not_given_out(void **state)
{
    struct ed25519_sig sig, before;
    struct signkey *k;
    struct err e;

    (void)state;
    memset(&sig, 7, sizeof(sig));
    before = sig;
    assert_int_equal(open_by("pkcs11:token=ours;object=anna?pin-source=DIR/pin", &k, &e), 0);
    bad_token = true;
    assert_int_equal(signkey_sign(k, "words", 5, &sig), -EIO);
    assert_memory_equal(&sig, &before, sizeof(sig));
    bad_token = false;
    assert_int_equal(signkey_sign(k, "words", 5, &sig), 0);
    signkey_close(k);
}

static void a_uri_that_is_too_long_is_refused(void **state)
{
    static char spec[5000];
    struct signkey *k = NULL;
    struct err e = ERR_INIT;

    (void)state;
    memset(spec, 'a', sizeof(spec) - 1);
    memcpy(spec, "pkcs11:token=ours;object=", 25);
    assert_int_equal(signkey_open(&k, spec, &e), -EINVAL);
    assert_non_null(strstr(e.text, "more than"));
    memcpy(spec + 1000, "?pin-source=", 12);
    spec[2047] = '\0'; /* the longest that is taken */
    e = (struct err)ERR_INIT;
    assert_int_equal(signkey_open(&k, spec, &e), -ENAMETOOLONG); /* says the system of its PIN */
    assert_non_null(strstr(e.text, "cannot open the PIN's"));
    assert_null(k);
}

static void a_key_in_a_file_signs_as_it_always_did(void **state)
{
    struct ed25519_sig a, b;
    struct ed25519_pub pub, same;
    struct ed25519_key *f = NULL;
    struct signkey *k;
    struct err e;

    (void)state;
    assert_int_equal(ed25519_generate(&f), 0);
    assert_int_equal(ed25519_store(f, in_dir("key.pem"), NULL), 0);
    assert_int_equal(open_by("DIR/key.pem", &k, &e), 0);
    ed25519_public(f, &pub);
    signkey_public(k, &same);
    assert_memory_equal(pub.b, same.b, 32);
    assert_int_equal(ed25519_sign(f, "words", 5, &a), 0);
    assert_int_equal(signkey_sign(k, "words", 5, &b), 0);
    assert_memory_equal(a.b, b.b, 64); /* RFC 8032: nothing random in it */
    signkey_close(k);
    signkey_close(NULL);
    ed25519_free(f);
}

/* SoftHSM's library keeps two objects of OpenSSL for each key: not ours, and not each time. */
const char *__lsan_default_suppressions(void); /* NOLINT: the sanitizer's name */
const char *__lsan_default_suppressions(void)
{
    return "leak:libcrypto.so\n";
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_token_signs_is_verified_without_it),
        cmocka_unit_test(what_is_wrong_with_a_token_is_said),
        cmocka_unit_test(a_wrong_pin_is_tried_once_and_the_right_one_taken_after_it),
        cmocka_unit_test(a_signature_that_does_not_verify_is_not_given_out),
        cmocka_unit_test(a_uri_that_is_too_long_is_refused),
        cmocka_unit_test(a_key_in_a_file_signs_as_it_always_did),
    };

    return cmocka_run_group_tests_name("crypto/signkey", tests, make_token, drop_token);
}

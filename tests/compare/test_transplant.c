/* The signature of one file on another: what two tools that are not ours signed (osslsigncode,
 * openssl) comes out again to the byte, and nothing else that differs does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "compare/transplant.h"

static char dir[64];

/* A module is whatever stands before its signature: the kernel looks from the end. */
static const char make[] =
    "set -e; cat > p.c <<'E'\n"
    "__attribute__((dllexport)) int f(int x) { return x == 7 ? 2022 : x; }\n"
    "int start(void) { return f(3) + f(5); }\n"
    "E\n"
    "clang --target=x86_64-pc-windows-msvc -O1 -c p.c -o p.obj\n"
    "lld-link /entry:start /subsystem:console /nodefaultlib /timestamp:1 p.obj /out:plain\n"
    "openssl req -x509 -newkey rsa:2048 -nodes -keyout k.pem -out c.pem -subj /CN=t -days 30 2>&1\n"
    "osslsigncode sign -certs c.pem -key k.pem -in plain -out signed\n"
    "osslsigncode sign -nest -certs c.pem -key k.pem -in signed -out twice\n"
    "(cat plain; printf xyz) > odd; osslsigncode sign -certs c.pem -key k.pem -in odd -out "
    "oddsigned\n"
    "openssl cms -sign -binary -noattr -signer c.pem -inkey k.pem -md sha256 -outform DER -in "
    "p.obj "
    "-out p.p7s\n"
    "openssl req -x509 -newkey rsa:2048 -nodes -keyout k2.pem -out c2.pem -subj /CN=other 2>&1\n"
    "openssl cms -sign -binary -noattr -signer c.pem -inkey k.pem -certfile c2.pem -outform DER "
    "-in p.obj -out more.p7s\n";

static int setup(void **state)
{
    pid_t pid;
    int status = -1;

    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/transplant-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    if ((pid = fork()) == 0) {
        int null = open("/dev/null", O_WRONLY);

        if (chdir(dir) == 0 && dup2(null, 1) == 1)
            (void)execl("/bin/sh", "sh", "-c", make, (char *)NULL);
        _exit(127);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid ? status : -1;
}

static int teardown(void **state)
{
    (void)state;
    return io_remove_tree(dir);
}

static const char *in_dir(const char *name)
{
    static char path[4][128];
    static unsigned turn;

    turn = (turn + 1) % 4;
    (void)snprintf(path[turn], sizeof(path[turn]), "%s/%s", dir, name);
    return path[turn];
}

static struct buf file(const char *name)
{
    struct buf b;

    buf_init(&b, 1u << 20);
    assert_int_equal(io_read_file(AT_FDCWD, in_dir(name), &b), 0);
    return b;
}

static void store(const char *name, const struct buf *b)
{
    assert_int_equal(io_replace_file(AT_FDCWD, in_dir(name), b->data, b->len, 0755), 0);
}

/* What comes of a plan, put together here. */
static struct buf made(const struct transplant *t, const struct buf *s, const struct buf *b)
{
    struct buf out;

    buf_init(&out, 1u << 20);
    assert_int_equal(t->kept, b->len);
    assert_int_equal(t->at + t->n, s->len);
    assert_int_equal(buf_put(&out, b->data, b->len), 0);
    for (uint64_t i = 0; i < t->zeros; i++)
        assert_int_equal(buf_putc(&out, 0), 0);
    assert_int_equal(buf_put(&out, s->data + t->at, (size_t)t->n), 0);
    for (unsigned i = 0; i < t->edits; i++)
        memcpy(out.data + t->edit[i].at, t->edit[i].b, (size_t)t->edit[i].n);
    return out;
}

/* NULL: it comes out identical; else why not. */
static const char *tried(const struct buf *s, const struct buf *b)
{
    struct transplant t;
    struct buf out;
    const char *why = transplant_plan(&t, buf_span(s), buf_span(b));

    if (why != NULL)
        return why;
    out = made(&t, s, b);
    why = span_eq(buf_span(&out), buf_span(s)) ? NULL : "another";
    buf_free(&out);
    return why;
}

/* Each byte of what was built as another: none comes out identical. */
static void no_byte_may_differ(const struct buf *s, struct buf *b)
{
    assert_null(tried(s, b));
    for (size_t i = 0; i < b->len; i++) {
        b->data[i] ^= 1;
        if (tried(s, b) == NULL)
            fail_msg("byte %zu of %zu differs, and it comes out identical", i, b->len);
        b->data[i] ^= 1;
    }
    for (size_t n = b->len; n-- > 0;) {
        struct buf cut = *b;

        cut.len = n;
        if (tried(s, &cut) == NULL)
            fail_msg("cut to %zu bytes of %zu it comes out identical", n, b->len);
    }
}

static void on_disk(const char *signed_name, const char *built, enum transplant_format format)
{
    struct buf a, b;
    struct transplant t;
    struct err e = ERR_INIT;
    bool identical = false;

    if (transplant_run(&t, &identical, in_dir(signed_name), in_dir(built), in_dir("out"), &e) != 0)
        fail_msg("%s", err_text(&e));
    assert_true(identical);
    assert_int_equal(t.format, format);
    assert_int_equal(t.signatures, 1);
    a = file(signed_name);
    b = file("out");
    assert_true(span_eq(buf_span(&a), buf_span(&b)));
    buf_free(&a);
    buf_free(&b);
}

/* --- programs of Windows --- */

static void a_program_gets_its_signature(void **state)
{
    struct buf s = file("signed"), b = file("plain");

    (void)state;
    on_disk("signed", "plain", TRANSPLANT_PE);
    on_disk("oddsigned", "odd", TRANSPLANT_PE); /* zeros before the signature */
    on_disk("twice", "plain", TRANSPLANT_PE);
    no_byte_may_differ(&s, &b);
    buf_free(&s);
    buf_free(&b);
}

/* The sum of the built one may be absent (0), as linkers leave it, but not wrong. */
static void the_sum_follows_and_hides_nothing(void **state)
{
    struct buf s = file("signed"), b = file("plain");
    const size_t sum = (size_t)b.data[0x3c] + (size_t)b.data[0x3d] * 256 + 24 + 64;

    (void)state;
    memset(b.data + sum, 0, 4);
    assert_null(tried(&s, &b));
    b.data[sum + 1] = 1;
    assert_non_null(tried(&s, &b));
    buf_free(&s);
    buf_free(&b);
}

static void what_hides_beside_a_signature_is_not_taken(void **state)
{
    struct buf s = file("signed"), b = file("plain");
    const size_t entry = (size_t)s.data[0x3c] + (size_t)s.data[0x3d] * 256 + 24 + 112 + 32;
    const size_t table = b.len + (8 - b.len % 8) % 8;
    size_t n = s.len - table;

    (void)state;
    assert_int_equal(buf_put(&s, "\1\2\3\4\5\6\7\10", 8), 0); /* behind all */
    assert_string_equal(tried(&s, &b),
                        "what lies in its certificate table is more, or less, than signatures");
    n += 8;
    for (unsigned i = 0; i < 4; i++) { /* within the table, which says so, as its head does */
        s.data[entry + 4 + i] = (uint8_t)(n >> (8 * i));
        s.data[table + i] = (uint8_t)(n >> (8 * i));
    }
    assert_string_equal(tried(&s, &b),
                        "what lies in its certificate table is more, or less, than signatures");
    buf_free(&s);
    buf_free(&b);
}

static void what_is_not_signed_or_is_already_is_told(void **state)
{
    struct buf s = file("signed"), b = file("plain"), obj = file("p.obj");
    struct transplant t;
    struct err e = ERR_INIT;
    bool identical;

    (void)state;
    assert_string_equal(tried(&b, &b), "it is not signed");
    assert_string_equal(tried(&s, &s), "what was built is signed itself");
    assert_string_equal(tried(&s, &obj), "what was built is no program of Windows");
    assert_string_equal(tried(&obj, &obj), "it is no signed file of a sort that is known");
    assert_int_equal(
        transplant_run(&t, &identical, in_dir("plain"), in_dir("plain"), in_dir("none"), &e),
        -EBADMSG);
    assert_non_null(strstr(err_text(&e), "plain\": it is not signed"));
    assert_int_equal(access(in_dir("none"), F_OK), -1); /* nothing was made */
    assert_int_equal(
        transplant_run(&t, &identical, in_dir("nowhere"), in_dir("plain"), in_dir("none"), &e),
        -ENOENT);
    assert_int_equal(
        transplant_run(&t, &identical, in_dir("signed"), in_dir("plain"), in_dir("no/ne"), &e),
        -ENOENT);
    assert_int_equal(transplant_run(&t, &identical, dir, in_dir("plain"), in_dir("none"), &e),
                     -EINVAL);
    buf_free(&s);
    buf_free(&b);
    buf_free(&obj);
}

static void another_program_comes_out_as_another(void **state)
{
    struct buf b = file("plain");
    struct transplant t;
    struct err e = ERR_INIT;
    bool identical = true;

    (void)state;
    b.data[b.len / 2] ^= 0x40;
    store("other", &b);
    assert_int_equal(
        transplant_run(&t, &identical, in_dir("signed"), in_dir("other"), in_dir("made"), &e), 0);
    assert_false(identical);
    assert_int_equal(access(in_dir("made"), X_OK), 0); /* as executable as what was built */
    buf_free(&b);
}

/* --- packages of Debian --- */

static void member(struct buf *b, const char *name, const void *p, size_t n)
{
    assert_int_equal(
        buf_printf(b, "%-16s%-12u%-6u%-6u%-8s%-10zu`\n", name, 1700000000u, 0u, 0u, "100644", n),
        0);
    assert_int_equal(buf_put(b, p, n), 0);
    if (n % 2 != 0)
        assert_int_equal(buf_putc(b, '\n'), 0);
}

static struct buf package(void)
{
    struct buf b;

    buf_init(&b, 1u << 16);
    assert_int_equal(buf_puts(&b, "!<arch>\n"), 0);
    member(&b, "debian-binary", "2.0\n", 4);
    member(&b, "control.tar.xz", "control", 7);
    member(&b, "data.tar.xz", "the data of it", 14);
    return b;
}

/* A package that ends in these bytes as a member of that name. */
static struct buf with(const char *name, const void *p, size_t n)
{
    struct buf b = package();

    member(&b, name, p, n);
    return b;
}

/* RFC 4880, 4.2: old and new headers, each length's form, of nothing but its length. */
static const struct {
    const char *head;
    size_t head_n, n;
} forms[] = {{"\210\7", 2, 7},    {"\211\1\4", 3, 260},    {"\212\0\0\1\1", 5, 257},
             {"\302\100", 2, 64}, {"\302\300\10", 3, 200}, {"\302\377\0\0\0\11", 6, 9}};

static void a_package_gets_its_signatures(void **state)
{
    static const char armor[] =
        "-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n";
    static const char text[] = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nRole: builder\n"
                               "-----BEGIN PGP SIGNATURE-----\n\niQ==\n"
                               "-----END PGP SIGNATURE-----\n";
    struct buf b = package(), s;
    struct transplant t;
    uint8_t sig[300];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        memset(sig, 4, sizeof(sig));
        memcpy(sig, forms[i].head, forms[i].head_n);
        s = with("_gpgorigin", sig, forms[i].head_n + forms[i].n);
        no_byte_may_differ(&s, &b);
        buf_free(&s);
        s = with("_gpgorigin", sig, forms[i].head_n + forms[i].n - 1); /* cut */
        assert_string_equal(tried(&s, &b), "a member that is named as a signature is none");
        buf_free(&s);
    }
    s = with("_gpgbuilder/", text, sizeof(text) - 1); /* as GNU ar spells it */
    member(&s, "_gpgmaint", armor, sizeof(armor) - 1);
    assert_null(transplant_plan(&t, buf_span(&s), buf_span(&b)));
    assert_int_equal(t.signatures, 2);
    assert_int_equal(t.at, b.len);
    no_byte_may_differ(&s, &b);
    store("p.deb", &b);
    buf_free(&s);
    s = with("_gpgorigin", "\210\7abcdefg", 9);
    store("s.deb", &s);
    on_disk("s.deb", "p.deb", TRANSPLANT_DEB);
    buf_free(&s);
    buf_free(&b);
}

static void what_is_no_signature_of_a_package_is_not_taken(void **state)
{
    static const struct {
        const char *name, *content;
    } none[] = {
        {"_gpgorigin", "x"},
        {"_gpgorigin", ""},
        {"_gpgorigin", "\210\7abcdefgh"},  /* a byte behind it */
        {"_gpgorigin", "\264\7abcdefg"},   /* a user's name */
        {"_gpgorigin", "\302\341abcdefg"}, /* of partial length */
        {"_gpgorigin", "\213abcdefgh"},    /* of no length */
        {"_gpgORIGIN", "\210\7abcdefg"},   /* another name */
        {"_gpgorigin x", "\210\7abcdefg"},
        {"_gpgorigin", "-----BEGIN PGP SIGNATURE-----\n\niQ==\n\1\n-----END PGP SIGNATURE-----\n"},
        {"_gpgorigin", "-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\nx"},
        {"_gpgorigin", "x-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n"}};
    struct buf b = package(), s;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        s = with(none[i].name, none[i].content, strlen(none[i].content));
        if (tried(&s, &b) == NULL)
            fail_msg("number %zu is taken", i);
        assert_string_equal(tried(&s, &b), "a member that is named as a signature is none");
        buf_free(&s);
    }
    s = with("_gpgorigin", "\302\0\302\0\302\0", 6); /* of nothing */
    assert_string_equal(tried(&s, &b), "a member that is named as a signature is none");
    buf_free(&s);
    s = with("_gpgorigin", "\210\7abcdefg", 9);
    s.data[b.len + 20] = 'x'; /* in the time */
    assert_string_equal(tried(&s, &b), "a member that is named as a signature is none");
    s.data[b.len + 20] = '0';
    assert_null(tried(&s, &b));
    assert_string_equal(tried(&s, &s), "what was built is signed itself");
    member(&s, "data.tar.zst", "x", 1);
    assert_string_equal(tried(&s, &b), "its signatures are not at its end");
    s.len -= 1;
    s.data[s.len - 1] = '!';
    assert_non_null(tried(&s, &b));
    buf_free(&s);
    assert_string_equal(tried(&b, &b), "it is not signed");
    buf_free(&b);
}

/* --- modules of Linux --- */

static struct buf module(const struct buf *of, const struct buf *sig, uint32_t n)
{
    const uint8_t info[12] = {[2] = 2,
                              [8] = (uint8_t)(n >> 24),
                              [9] = (uint8_t)(n >> 16),
                              [10] = (uint8_t)(n >> 8),
                              [11] = (uint8_t)n};
    struct buf s;

    buf_init(&s, 1u << 20);
    assert_int_equal(buf_put(&s, of->data, of->len), 0);
    assert_int_equal(buf_put(&s, sig->data, sig->len), 0);
    assert_int_equal(buf_put(&s, info, sizeof(info)), 0);
    assert_int_equal(buf_puts(&s, "~Module signature appended~\n"), 0);
    return s;
}

static void a_module_gets_its_signature(void **state)
{
    struct buf b = file("p.obj"), sig = file("p.p7s"), s = module(&b, &sig, (uint32_t)sig.len);
    struct buf more_in_it = file("more.p7s");

    (void)state;
    store("p.ko", &s);
    on_disk("p.ko", "p.obj", TRANSPLANT_MODULE);
    no_byte_may_differ(&s, &b);
    assert_string_equal(tried(&s, &s), "what was built is signed itself");
    s.data[s.len - 28 - 12 + 2] = 1; /* another sort of key */
    assert_string_equal(tried(&s, &b), "its signature is not PKCS #7, as that of a module is");
    buf_free(&s);
    for (int more = -1; more < 2; more += 2) { /* a byte of the module, or of the signature */
        s = module(&b, &sig, (uint32_t)((int)sig.len + more));
        assert_string_equal(tried(&s, &b),
                            "what lies before its trailer is more, or less, than a signature");
        buf_free(&s);
    }
    s = module(&b, &more_in_it, (uint32_t)more_in_it.len); /* a certificate that nobody needs */
    assert_string_equal(tried(&s, &b), "its signature holds something that no signature covers");
    buf_free(&s);
    buf_free(&more_in_it);
    s = module(&b, &sig, UINT32_MAX);
    assert_non_null(tried(&s, &b));
    buf_free(&s);
    assert_int_equal(buf_putc(&sig, 'x'), 0); /* behind the signature */
    s = module(&b, &sig, (uint32_t)sig.len);
    assert_non_null(tried(&s, &b));
    buf_free(&s);
    buf_free(&sig);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_gets_its_signature),
        cmocka_unit_test(the_sum_follows_and_hides_nothing),
        cmocka_unit_test(what_hides_beside_a_signature_is_not_taken),
        cmocka_unit_test(what_is_not_signed_or_is_already_is_told),
        cmocka_unit_test(another_program_comes_out_as_another),
        cmocka_unit_test(a_package_gets_its_signatures),
        cmocka_unit_test(what_is_no_signature_of_a_package_is_not_taken),
        cmocka_unit_test(a_module_gets_its_signature),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}

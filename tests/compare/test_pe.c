/* Programs of Windows, signed by a tool that is not ours: a signature is told as that and each
 * range that goes with it; nothing hides beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "compare/look_priv.h"

static char dir[64];

static const char make[] =
    "set -e; cat > p.c <<'E'\n"
    "static const char text[] = \"Copyright 2022 here\";\n"
    "__attribute__((dllexport)) int f(int x) { return x == 7 ? 2022 : text[x & 15]; }\n"
    "int start(void) { return f(3) + f(5); }\n"
    "E\n"
    "clang --target=x86_64-pc-windows-msvc -O1 -g -gcodeview -c p.c -o p.obj\n"
    "lld-link /entry:start /subsystem:console /nodefaultlib /debug /timestamp:1 p.obj /out:plain\n"
    "for k in 1 2; do openssl req -x509 -newkey rsa:2048 -nodes -keyout k$k.pem -out c$k.pem "
    "-subj /CN=test$k -days 30 2>&1; osslsigncode sign -certs c$k.pem -key k$k.pem -in plain -out "
    "signed$k; done\n"
    "(cat plain; printf xyz) > odd; osslsigncode sign -certs c1.pem -key k1.pem -in odd -out "
    "oddsigned\n"
    /* ways to say more than a signature covers */
    "S='osslsigncode sign -certs c1.pem -key k1.pem'\n"
    "$S -addUnauthenticatedBlob -in plain -out blob; $S -nest -in signed1 -out nested\n"
    "$S -ac c2.pem -in plain -out more; $S -h sha384 -in plain -out sha384\n"
    "for k in 1 2; do echo $k | openssl cms -sign -binary -nodetach -signer c$k.pem -inkey k$k.pem "
    "-outform DER -out t$k; done\n"
    "cat > add.py <<'E'\n"
    "import struct\n"
    "def length(n): return bytes([n]) if n < 128 else b'\\x82' + struct.pack('>H', n)\n"
    "def read(b, at):\n"
    "    n = b[at + 1]; at += 2\n"
    "    if n > 127:\n"
    "        k = n & 127; n = int.from_bytes(b[at:at + k], 'big'); at += k\n"
    "    return at, at + n\n"
    "def edit(b, path, f):\n" /* f of the element to which path leads */
    "    if not path: return f(b)\n"
    "    at, end = read(b, 0); parts = []\n"
    "    while at < end: e = read(b, at)[1]; parts.append(b[at:e]); at = e\n"
    "    parts[path[0]] = edit(parts[path[0]], path[1:], f)\n"
    "    body = b''.join(parts); return b[:1] + length(len(body)) + body\n"
    "def more(what):\n"
    "    return lambda b: b[:1] + length(len(b[read(b, 0)[0]:] + what)) + b[read(b, 0)[0]:] + "
    "what\n"
    "def last(b, what): return edit(b, [-1] * 4, more(what))\n" /* in the last signer */
    "def tlv(t, b): return bytes([t]) + length(len(b)) + b\n"
    "def attribute(oid, v): return tlv(0xa1, tlv(0x30, tlv(6, bytes.fromhex(oid)) + tlv(0x31, "
    "v)))\n"
    "def put(name, f):\n"
    "    b = open('signed1', 'rb').read(); pe = struct.unpack('<I', b[60:64])[0]; e = pe + 24 + "
    "144\n"
    "    t = struct.unpack('<I', b[e:e + 4])[0]; d = b[t + 8:]; d = d[:read(d, 0)[1]]\n"
    "    d = f(d); d += b'\\0' * (-len(d) % 8); n = len(d) + 8\n"
    "    b = b[:e + 4] + struct.pack('<I', n) + b[e + 8:t] + struct.pack('<IHH', n, 0x200, 2) + d\n"
    "    open(name, 'wb').write(b[:pe + 88] + bytes(4) + b[pe + 92:])\n"
    "stamp = '2b060104018237030301'; T = [open('t%d' % k, 'rb').read() for k in (1, 2)]\n"
    "evil = attribute('2a0304', tlv(4, b'evil'))\n"
    "def also(name, oid, v): put(name, lambda d: last(d, attribute(oid, v)))\n"
    "also('stamp1', stamp, T[0]); also('stamp2', stamp, T[1]); also('evil', '2a0304', b'\\4\\1e')\n"
    "also('stampevil', stamp, last(T[0], evil)); also('nostamp', stamp, b'\\4\\1e')\n"
    "info = []; edit(T[0], [-1] * 4, lambda b: info.append(b) or b); info = info[0]\n"
    "counter = '2a864886f70d010906'; also('counter', counter, info)\n"
    "also('counterevil', counter, more(evil)(info))\n"
    "hide = tlv(0x30, tlv(6, bytes.fromhex('2a0304')) + tlv(4, b'evil' * 9))\n"
    "ac = tlv(0xa1, tlv(0x30, tlv(2, b'\\1')) + tlv(0x30, tlv(6, b'\\x2a\\3')) + tlv(3, b'\\0x'))\n"
    "also('acstamp', stamp, edit(T[0], [-1, 0, 3], more(ac)))\n"
    "put('acouter', lambda d: edit(d, [-1, 0, 3], more(ac)))\n"
    "put('digests', lambda d: edit(d, [-1, 0, 1], more(hide)))\n"
    "put('content', lambda d: edit(d, [-1, 0, 2], more(tlv(4, b'evil'))))\n"
    "put('signer', lambda d: edit(d, [-1] * 4 + [1], more(tlv(4, b'evil'))))\n"
    "E\n"
    "python3 -B add.py\n";

static int setup(void **state)
{
    pid_t pid;
    int status = -1;

    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/compare-pe-XXXXXX");
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

static struct buf file(const char *name)
{
    char path[128];
    struct buf b;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    buf_init(&b, 1u << 20);
    assert_int_equal(io_read_file(AT_FDCWD, path, &b), 0);
    return b;
}

static uint32_t get(const struct buf *b, size_t at)
{
    assert_true(at + 4 <= b->len);
    return (uint32_t)b->data[at] | (uint32_t)b->data[at + 1] << 8 |
           (uint32_t)b->data[at + 2] << 16 | (uint32_t)b->data[at + 3] << 24;
}

static void put(struct buf *b, size_t at, uint32_t v)
{
    assert_true(at + 4 <= b->len);
    for (unsigned i = 0; i < 4; i++)
        b->data[at + i] = (uint8_t)(v >> (8 * i));
}

/* The entry of the directory that says where the signature is (PE32+). */
static size_t entry(const struct buf *b)
{
    return get(b, 0x3c) + 24 + 112 + 8 * 4;
}

static struct compare_node *look(const struct buf *a, const struct buf *b)
{
    const struct compare_options known = {.years = {2022, 2024}};
    struct compare_node *n = NULL;
    struct look_budget budget;

    look_budget_init(&budget, &known);
    assert_int_equal(look_compare(&budget, buf_span(a), buf_span(b), "a", "b", &n), 0);
    for (int side = 0; side < 2; side++) {
        uint64_t sum = 0;

        for (int c = 0; c < COMPARE_CLASSES; c++)
            sum += n->bytes[side][c];
        assert_int_equal(sum, n->size[side]);
    }
    return n;
}

static void expect(struct buf *a, struct buf *b, enum compare_class class, const char *text)
{
    struct compare_node *n = look(a, b);
    bool told = false;

    for (size_t i = 0; i < n->findings; i++)
        told = told || (n->finding[i].class == class && strstr(n->finding[i].what, text) != NULL);
    if (n->class != class || !told) {
        for (size_t i = 0; i < n->findings; i++)
            print_message("%s: %s\n", compare_class_word(n->finding[i].class), n->finding[i].what);
        fail_msg("not %s, or no \"%s\"", compare_class_word(class), text);
    }
    look_node_free(n);
}

static void signed_against_unsigned_lists_each_range(void **state)
{
    struct buf a = file("plain"), b = file("signed1");
    struct compare_node *n = look(&a, &b);

    (void)state;
    assert_int_equal(n->class, COMPARE_SIGNATURE);
    assert_int_equal(n->findings, 3);
    assert_int_equal(n->finding[0].at[1], get(&b, 0x3c) + 24 + 64); /* the checksum */
    assert_int_equal(n->finding[0].n[1], 4);
    assert_int_equal(n->finding[1].at[1], entry(&b));
    assert_int_equal(n->finding[1].n[1], 8);
    assert_int_equal(n->finding[2].at[1], get(&b, entry(&b)));
    assert_int_equal(n->finding[2].n[1], get(&b, entry(&b) + 4));
    assert_int_equal(n->finding[2].n[0], 0);
    assert_int_equal(n->bytes[0][COMPARE_SIGNATURE], 12);
    assert_int_equal(n->bytes[1][COMPARE_SIGNATURE], 12 + get(&b, entry(&b) + 4));
    look_node_free(n);
    buf_free(&a);
    buf_free(&b);
}

static void another_signature_is_one_too(void **state)
{
    struct buf a = file("signed1"), b = file("signed2"), c = file("odd"), d = file("oddsigned");

    (void)state;
    expect(&a, &b, COMPARE_SIGNATURE, "another signature");
    expect(&c, &d, COMPARE_SIGNATURE, "zeros that align the signature");
    expect(&d, &c, COMPARE_SIGNATURE, "only A is signed");
    buf_free(&a);
    buf_free(&b);
    buf_free(&c);
    buf_free(&d);
}

static void what_a_signature_does_not_cover_is_found(void **state)
{
    static const struct {
        const char *name;
        enum compare_class class;
        const char *text;
    } all[] = {
        {"blob", COMPARE_UNEXPLAINED, " that is not signed is only in B"},
        {"evil", COMPARE_UNEXPLAINED, "attribute 1.2.3.4 that is not signed is only in B"},
        {"more", COMPARE_UNEXPLAINED, "the certificate of CN=test2 that leads to no signer"},
        {"stampevil", COMPARE_UNEXPLAINED, "timestamp: attribute 1.2.3.4 that is not signed"},
        {"nostamp", COMPARE_UNEXPLAINED, "a signature that is not read can hold anything"},
        {"counterevil", COMPARE_UNEXPLAINED, "countersignature: attribute 1.2.3.4 that is not"},
        {"digests", COMPARE_UNEXPLAINED, "a signature that is not read can hold anything"},
        {"content", COMPARE_UNEXPLAINED, "a signature that is not read can hold anything"},
        {"signer", COMPARE_UNEXPLAINED, "a signature that is not read can hold anything"},
        {"acouter", COMPARE_UNEXPLAINED, "a certificate of attributes is only in B"},
        {"acstamp", COMPARE_SIGNATURE, "timestamp: a certificate of attributes is only in B"},
        {"counter", COMPARE_SIGNATURE, "countersignature: the signature is only in B"},
        {"sha384", COMPARE_SIGNATURE, "digest algorithm of the signer is SHA-256 and SHA-384"},
        {"signed2", COMPARE_SIGNATURE, "the signer is "},
        {"stamp1", COMPARE_SIGNATURE, "head of timestamp is only in B"},
        {"nested", COMPARE_SIGNATURE, "nested: the signature is only in B"},
    };
    struct buf unsigned_one = file("plain"), signed_one = file("signed1");
    struct buf stamps[2] = {file("stamp1"), file("stamp2")};

    (void)state;
    expect(&stamps[0], &stamps[1], COMPARE_SIGNATURE, "timestamp: the signer is ");
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct buf b = file(all[i].name);

        expect(&signed_one, &b, all[i].class, all[i].text);
        if (all[i].class == COMPARE_UNEXPLAINED)
            expect(&unsigned_one, &b, all[i].class, all[i].text);
        else
            expect(&unsigned_one, &b, all[i].class, "only B is signed");
        buf_free(&b);
    }
    buf_free(&stamps[0]);
    buf_free(&stamps[1]);
    buf_free(&unsigned_one);
    buf_free(&signed_one);
}

/* n bytes more in the certificate table, which its entry and its head may account for. */
static void grown(uint32_t n, uint8_t what, bool in_entry, bool in_head)
{
    struct buf a = file("plain"), b = file("signed1");
    const size_t e = entry(&b), t = get(&b, e);

    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(buf_putc(&b, what), 0);
    if (in_entry)
        put(&b, e + 4, get(&b, e + 4) + n);
    if (in_head)
        put(&b, t, get(&b, t) + n);
    put(&b, get(&b, 0x3c) + 24 + 64, 0); /* no checksum: as good as a right one */
    expect(&a, &b, COMPARE_UNEXPLAINED, "");
    buf_free(&a);
    buf_free(&b);
}

static void bytes_in_the_table_that_no_signature_needs_are_found(void **state)
{
    (void)state;
    grown(8, 'A', true, true);
    grown(8, 0, true, true);
    grown(8, 'A', true, false);
    grown(8, 0, true, false);
    grown(8, 'A', false, false);
    grown(1, 0, false, false);
    grown(65536, 'A', true, true);
}

static void a_changed_byte_beside_a_signature_is_found(void **state)
{
    struct buf a = file("plain"), b = file("signed1");
    const size_t sections = get(&b, 0x3c) + 24 + 240, text = get(&b, sections + 20);

    (void)state;
    b.data[text + 2] ^= 1;
    expect(&a, &b, COMPARE_UNEXPLAINED, ".text: its bytes differ");
    expect(&a, &b, COMPARE_UNEXPLAINED, "CheckSum"); /* and that is wrong now */
    buf_free(&a);
    buf_free(&b);
}

static void a_year_in_a_text_is_explained_by_what_is_known(void **state)
{
    struct buf a = file("plain"), b = file("plain");
    uint8_t *p = memmem(b.data, b.len, "Copyright 2022", 14);

    (void)state;
    assert_non_null(p);
    p[13] = '4';
    expect(&a, &b, COMPARE_EXPLAINED, "build year");
    p[13] = '5';
    expect(&a, &b, COMPARE_UNEXPLAINED, ".rdata: its bytes differ");
    buf_free(&a);
    buf_free(&b);
}

/* Whether a byte of signed1 may differ without being unexplained. */
static bool may(const struct buf *b, size_t at, enum compare_class c)
{
    const size_t pe = get(b, 0x3c), t = get(b, entry(b));
    const uint8_t *pdb = memmem(b->data, b->len, "RSDS", 4);

    if (at >= pe + 8 && at < pe + 12)
        return c == COMPARE_METADATA; /* TimeDateStamp */
    if (pdb != NULL && at >= (size_t)(pdb - b->data) + 4 && at < (size_t)(pdb - b->data) + 24)
        return c == COMPARE_DERIVED; /* GUID and age */
    if (at >= t + 8)
        return c == COMPARE_SIGNATURE;
    return c == COMPARE_METADATA && at > pe + 24 + 240 && get(b, at & ~(size_t)3) < 0x100;
}

static void each_byte_edited_alone_is_what_it_is(void **state)
{
    struct buf a = file("signed1"), b = file("signed1");
    unsigned bad = 0, times = 0;

    (void)state;
    for (size_t i = 0; i < a.len; i++) {
        struct compare_node *n;

        b.data[i] ^= 0x21;
        n = look(&a, &b);
        if (n->class == COMPARE_METADATA)
            times++;
        if (n->class != COMPARE_UNEXPLAINED && !may(&a, i, n->class)) {
            print_message("byte 0x%zx: %s\n", i, compare_class_word(n->class));
            bad++;
        }
        look_node_free(n);
        b.data[i] ^= 0x21;
    }
    assert_int_equal(bad, 0);
    assert_int_equal(times, 12); /* of the header, the debug directory, the exports */
    buf_free(&a);
    buf_free(&b);
}

static void tables_that_lie_end_in_a_clear_answer(void **state)
{
    struct buf a = file("plain"), b = file("plain");
    const size_t pe = get(&b, 0x3c);

    (void)state;
    put(&b, pe + 20, 0xffff);
    expect(&a, &b, COMPARE_UNEXPLAINED, "table of sections lies outside of it");
    buf_free(&b);
    b = file("plain");
    put(&b, pe + 24 + 240 + 16, 0x7fffffff); /* the size of a section */
    expect(&a, &b, COMPARE_UNEXPLAINED, "SizeOfRawData");
    buf_free(&b);
    b = file("plain");
    put(&b, entry(&b), 0x400); /* a certificate table over the code */
    put(&b, entry(&b) + 4, (uint32_t)b.len - 0x400);
    expect(&a, &b, COMPARE_UNEXPLAINED, "data directory 4");
    buf_free(&a);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signed_against_unsigned_lists_each_range),
        cmocka_unit_test(another_signature_is_one_too),
        cmocka_unit_test(what_a_signature_does_not_cover_is_found),
        cmocka_unit_test(bytes_in_the_table_that_no_signature_needs_are_found),
        cmocka_unit_test(a_changed_byte_beside_a_signature_is_found),
        cmocka_unit_test(a_year_in_a_text_is_explained_by_what_is_known),
        cmocka_unit_test(each_byte_edited_alone_is_what_it_is),
        cmocka_unit_test(tables_that_lie_end_in_a_clear_answer),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}

/* rpm: packages by rpmbuild, signed by rpmsign, and what is hidden in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive_tool.h"
#include "changed.h"

/* mk OUT PAYLOAD [TIME [HOST]]: from the tree t, which x.spec packs as it is. */
static int setup(void **state)
{
    int rc = archive_setup(state);

    if (rc != 0)
        return rc;
    archive_sh(
        "mkdir -p t/usr/bin t/usr/share/x && seq 200 >t/usr/bin/x && chmod 755 t/usr/bin/x "
        "&& seq 300 >t/usr/share/x/README && ln -s README t/usr/share/x/link && "
        "cat >x.spec <<'E'\n"
        "Name: x\nVersion: 1\nRelease: 1\nSummary: x\nLicense: MIT\nBuildArch: noarch\n"
        "%%description\nx\n%%install\nmkdir -p %%{buildroot}\ncp -a %%{tree}/. %%{buildroot}\n"
        "%%files\n/usr/bin/x\n/usr/share/x\n%%post\necho hello\nE\n"
        "cat >mk <<'E'\n"
        "export SOURCE_DATE_EPOCH=${3:-1000000000} HOME=$PWD; rm -rf top\n"
        "find t -exec touch -hd @$SOURCE_DATE_EPOCH {} +\n"
        "rpmbuild -bb --quiet --define \"_topdir $PWD/top\" --define \"tree $PWD/t\" "
        "--define '_build_id_links none' --define \"_buildhost ${4:-h}\" "
        "--define 'use_source_date_epoch_as_buildtime 1' --define \"_binary_payload $2\" "
        "x.spec >log 2>&1 || { cat log; exit 1; }\n"
        "cp top/RPMS/noarch/*.rpm $1\nE\n"
        "sh mk a w6.gzdio");
    return 0;
}

static void built_twice_is_identical(void **state)
{
    (void)state;
    archive_sh("sh mk b w6.gzdio");
    archive_expect("a", "b", COMPARE_IDENTICAL, NULL);
}

static void another_level_is_derived(void **state)
{
    (void)state;
    archive_sh("sh mk b w1.gzdio");
    archive_expect("a", "b", COMPARE_DERIVED, "same-content: the same content, packed otherwise",
                   "same-content: the level of compression: \"6\" and \"1\"",
                   "the MD5 of header and payload", "the SHA-256 of the header",
                   "the digest of the payload", NULL);
}

/* What rpm itself says that the values are. */
static void time_and_host_are_metadata(void **state)
{
    char word[256];
    FILE *f;

    (void)state;
    archive_sh("sh mk b w6.gzdio 1000000007 elsewhere; "
               "rpm -qp --qf 'the digest of the payload: \"%%{PAYLOADDIGEST}\"' a >said");
    (void)snprintf(word, sizeof(word), "%s/said", archive_dir());
    f = fopen(word, "r");
    assert_non_null(f);
    assert_non_null(fgets(word, sizeof(word), f));
    assert_int_equal(fclose(f), 0);
    archive_expect("a", "b", COMPARE_METADATA, word,
                   "metadata-only: the time of the build: 1000000000 and 1000000007",
                   "metadata-only: the host of the build: \"h\" and \"elsewhere\"",
                   "metadata-only: the mtime of a file, number 1: 1000000000 and 1000000007",
                   "derived-only: the digest of what the payload expands to",
                   "payload (cpio): metadata-only", NULL);
}

static void each_compressor_is_followed(void **state)
{
    static const char *const pay[] = {"w6.xzdio", "w6.lzdio", "w9.bzdio", "w3.zstdio"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pay); i++) {
        archive_sh("sh mk b %s; sh mk c %s 1000000007", pay[i], pay[i]);
        archive_expect("b", "c", COMPARE_METADATA, "payload (cpio): metadata-only", NULL);
    }
}

static void a_file_is_unexplained_and_its_digest_follows(void **state)
{
    (void)state;
    archive_sh("sed -i s/^300/3X0/ t/usr/share/x/README; sh mk b w6.gzdio; "
               "chmod 4755 t/usr/bin/x; sh mk c w6.gzdio");
    archive_expect("a", "b", COMPARE_UNEXPLAINED, "derived-only: the digest of a file, number 3: ",
                   "./usr/share/x/README (text): unexplained", NULL);
    archive_expect("b", "c", COMPARE_UNEXPLAINED,
                   "unexplained: the mode of a file, number 1: 100755 and 104755",
                   "unexplained: the mode of \"./usr/bin/x\": 100755 and 104755", NULL);
    archive_sh("sed -i 's/^%%files/&\\n%%defattr(-,joe,staff)/' x.spec; sh mk d w6.gzdio; "
               "chmod 755 t/usr/bin/x; sh mk e w6.gzdio");
    archive_expect("c", "d", COMPARE_UNEXPLAINED,
                   "unexplained: the owner of a file, number 1: \"root\" and \"joe\"",
                   "metadata-only: the group of a file, number 3: \"root\" and \"staff\"", NULL);
    archive_expect("b", "e", COMPARE_METADATA,
                   "metadata-only: the owner of a file, number 1: \"root\" and \"joe\"", NULL);
}

static void other_scripts_are_unexplained(void **state)
{
    (void)state;
    archive_sh("sed -i 's/echo hello/echo evil/' x.spec; sh mk b w6.gzdio; "
               "sed -i 's/^Summary.*/&\\nRequires: y/' x.spec; sh mk c w6.gzdio; "
               "ln -s x t/usr/share/x/evil; sh mk d w6.gzdio");
    archive_expect("a", "b", COMPARE_UNEXPLAINED,
                   "the script behind installing: \"echo hello\" and \"echo evil\"", NULL);
    archive_expect("b", "c", COMPARE_UNEXPLAINED, "unexplained: the required names", NULL);
    archive_expect("c", "d", COMPARE_UNEXPLAINED, "./usr/share/x/evil (member): unexplained", NULL);
}

/* Each beside what would be signature alone. */
static void signatures_are_told_apart_from_what_hides_in_them(void **state)
{
    (void)state;
    archive_sh(
        "export GNUPGHOME=$PWD/g; mkdir -m 700 g; cp a s; cp a s2; "
        "gpg --batch --quiet --passphrase '' --quick-gen-key x@example.org ed25519 sign never "
        "2>log && for f in s s2; do rpmsign --define '__gpg /usr/bin/gpg' "
        "--define '_gpg_name x@example.org' --addsign $f >log 2>&1; sleep 1; done; "
        "gpgconf --kill all; cat >hide.py <<'E'\n"
        "import struct\n"
        "d = bytearray(open('s', 'rb').read())\n"
        "il, dl = struct.unpack('>II', d[104:112]); store = 112 + 16 * il\n"
        "tag = {}\n"
        "for i in range(il):\n"
        "    t, ty, o, n = struct.unpack('>IIII', d[112 + 16 * i:128 + 16 * i])\n"
        "    tag[t] = (112 + 16 * i, store + o, n)\n"
        "def put(name, at, b): open(name, 'wb').write(d[:at] + b + d[at + len(b):])\n"
        "at, sig, n = tag[267]\n"
        "put('within', sig + 1, bytes([d[sig + 1] - 4]))\n"
        "put('sort', sig, b'\\x99')\n"
        "put('reserved', tag[1008][1] + 100, b'evil')\n"
        "put('sha', tag[273][1], b'0' if d[tag[273][1]] != 48 else b'1')\n"
        "put('md5', tag[1004][1], bytes([d[tag[1004][1]] ^ 1]))\n"
        "put('size', tag[1000][1] + 3, bytes([d[tag[1000][1] + 3] ^ 1]))\n"
        "put('plain', tag[1007][1] + 3, bytes([d[tag[1007][1] + 3] ^ 1]))\n"
        "put('tag', at + 2, b'\\x02')\n"
        "put('region', tag[62][1] + 4, b'\\x01')\n"
        "put('lead', 20, b'evil')\n"
        "open('behind', 'wb').write(d + b'evil')\nE\npython3 hide.py");
    archive_expect("a", "s", COMPARE_SIGNATURE, "the signature (DSA), only in B",
                   "same-content: the reserved space", NULL);
    archive_expect("s", "s2", COMPARE_SIGNATURE, "signature-only: the signature (DSA) (", NULL);
    archive_expect("s", "within", COMPARE_UNEXPLAINED, "unexplained: the signature (DSA)", NULL);
    archive_expect("a", "within", COMPARE_UNEXPLAINED, NULL);
    archive_expect("a", "sort", COMPARE_UNEXPLAINED, NULL);
    archive_expect("a", "reserved", COMPARE_UNEXPLAINED, "unexplained: the reserved space", NULL);
    archive_expect("a", "sha", COMPARE_UNEXPLAINED, "unexplained: the SHA-256 of the header", NULL);
    archive_expect("a", "md5", COMPARE_UNEXPLAINED, "unexplained: the MD5 of header", NULL);
    archive_expect("a", "size", COMPARE_UNEXPLAINED, "unexplained: the size of header", NULL);
    archive_expect("a", "plain", COMPARE_UNEXPLAINED,
                   "unexplained: the size of what the payload expands to", NULL);
    archive_expect("a", "tag", COMPARE_UNEXPLAINED, "tag 523", NULL);
    archive_expect("a", "region", COMPARE_UNEXPLAINED, "unexplained: the region", NULL);
    archive_expect("a", "lead", COMPARE_UNEXPLAINED, "the name in the lead", NULL);
    archive_expect("a", "behind", COMPARE_UNEXPLAINED,
                   "bytes that no part of the format accounts for", NULL);
}

/* Each changed byte makes a sum wrong. */
static enum compare_class least(size_t at)
{
    (void)at;
    return COMPARE_UNEXPLAINED;
}

static void no_changed_byte_is_taken_for_less(void **state)
{
    (void)state;
    changed_expect("a", 7, least);
}

/* A byte of each tag of the header, with all sums over it made right again: what the tag itself
 * says.  The list has what it may be at least: derived of nothing, for no file differs. */
static void no_tag_is_taken_for_less(void **state)
{
    char path[256], file[64];
    unsigned least, n = 0;
    FILE *list;

    (void)state;
    archive_sh(
        "cat >tags.py <<'E'\n"
        "import struct, hashlib\n"
        "d = open('a', 'rb').read()\n"
        "def index(at):\n"
        "    il, dl = struct.unpack('>II', d[at + 8:at + 16]); s = at + 16 + 16 * il\n"
        "    return s, s + dl, [struct.unpack('>IIII', d[at + 16 + 16 * i:at + 32 + 16 * i])\n"
        "                       for i in range(il)]\n"
        "s0, e0, sig = index(96); m = (e0 + 7) // 8 * 8; s, e, tags = index(m)\n"
        "at = {t: s0 + o for t, ty, o, n in sig}; out = open('list', 'w'); used = set()\n"
        "def put(name, k, least):\n"
        "    b = bytearray(d); b[k] ^= 1; h = bytes(b[m:e])\n"
        "    sha1 = hashlib.sha1(h).hexdigest().encode(); b[at[269]:at[269] + 40] = sha1\n"
        "    sha2 = hashlib.sha256(h).hexdigest().encode(); b[at[273]:at[273] + 64] = sha2\n"
        "    b[at[1004]:at[1004] + 16] = hashlib.md5(bytes(b[m:])).digest()\n"
        "    open(name, 'wb').write(b); out.write('%%s %%d\\n' %% (name, least))\n"
        "tags.sort(key=lambda t: t[2])\n"
        "for i, (t, ty, o, n) in enumerate(tags):\n"
        "    least = 1 if t == 1126 else 4 if t in (1006, 1007, 1034, 1039, 1040, 1094) else 6\n"
        "    put('tag%%d' %% t, s + o, least)\n"
        "    w = {3: 2, 4: 4, 7: 1}.get(ty)\n"
        "    end = s + o + w * n if w else s + o\n"
        "    next = s + tags[i + 1][2] if i + 1 < len(tags) else e\n"
        "    if w and end < next: put('gap%%d' %% t, end, 6)\n"
        "    put('type%%d' %% t, m + 16 + 16 * i + 7, 6); put('n%%d' %% t, m + 31 + 16 * i, 6)\n"
        "out.close()\nE\npython3 tags.py");
    (void)snprintf(path, sizeof(path), "%s/list", archive_dir());
    assert_non_null(list = fopen(path, "r"));
    while (fscanf(list, "%63s %u", file, &least) == 2) {
        struct compare_report *r = archive_compare("a", file, NULL);

        if (r->root->class < least)
            fail_msg("%s: %s", file, compare_class_word(r->root->class));
        compare_report_free(r);
        n++;
    }
    assert_in_range(n, 100, 1000);
    assert_int_equal(fclose(list), 0);
}

static void what_cannot_be_followed_is_unexplained(void **state)
{
    (void)state;
    archive_sh("sh mk b w6.gzdio 1000000007; head -c 4600 b >cut; head -c -3 b >cut2; "
               "python3 -c \"d = bytearray(open('b', 'rb').read()); d[104] = 1; "
               "open('many', 'wb').write(d)\"");
    archive_expect("a", "cut", COMPARE_UNEXPLAINED, "ends behind the end", NULL);
    archive_expect("a", "cut2", COMPARE_UNEXPLAINED, "it ends before its sum", NULL);
    archive_expect("a", "many", COMPARE_UNEXPLAINED, "a header that is too large", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(built_twice_is_identical),
        cmocka_unit_test(another_level_is_derived),
        cmocka_unit_test(time_and_host_are_metadata),
        cmocka_unit_test(each_compressor_is_followed),
        cmocka_unit_test(signatures_are_told_apart_from_what_hides_in_them),
        cmocka_unit_test(no_changed_byte_is_taken_for_less),
        cmocka_unit_test(no_tag_is_taken_for_less),
        cmocka_unit_test(what_cannot_be_followed_is_unexplained),
        cmocka_unit_test(a_file_is_unexplained_and_its_digest_follows),
        cmocka_unit_test(other_scripts_are_unexplained),
    };

    return cmocka_run_group_tests(tests, setup, archive_teardown);
}

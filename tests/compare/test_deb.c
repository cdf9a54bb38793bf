/* ar and deb: by GNU ar and dpkg-deb, and what is hidden in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "archive_tool.h"

/* make.sh TREE DEB [OPTION...]: a package with its sums. */
static int setup(void **state)
{
    int rc = archive_setup(state);

    if (rc == 0)
        archive_sh("mkdir -p t/DEBIAN t/usr/bin t/usr/share/doc/x && "
                   "printf 'Package: x\\nVersion: 1\\nArchitecture: all\\nMaintainer: x "
                   "<x@example.org>\\nDescription: x\\n' >t/DEBIAN/control && "
                   "seq 2000 >t/usr/bin/x && seq 300 >t/usr/share/doc/x/README && "
                   "printf '#!/bin/sh\\necho hello\\n' >t/DEBIAN/postinst && chmod 755 "
                   "t/DEBIAN/postinst && cat >sums.sh <<'E'\n"
                   "(cd $1 && find usr -type f | LC_ALL=C sort | xargs md5sum >DEBIAN/md5sums)\nE\n"
                   "cat >make.sh <<'E'\n"
                   "t=$1 o=$2; shift 2; SOURCE_DATE_EPOCH=1000000000 "
                   "dpkg-deb --root-owner-group \"$@\" -b $t $o >/dev/null\nE\n"
                   "sh sums.sh t && find t -exec touch -d @5 {} + && cp -a t u && "
                   "sh make.sh t a.deb");
    return rc;
}

static void built_twice_is_identical(void **state)
{
    (void)state;
    archive_sh("sh make.sh u b.deb");
    archive_expect("a.deb", "b.deb", COMPARE_IDENTICAL, NULL);
}

static void another_compressor_is_the_same_content(void **state)
{
    (void)state;
    archive_sh("sh make.sh u b.deb -Zgzip; sh make.sh u c.deb -Znone; sh make.sh u d.deb -z1");
    archive_expect("a.deb", "b.deb", COMPARE_SAME_CONTENT, "the name of \"control.tar.xz\"", NULL);
    archive_expect("a.deb", "d.deb", COMPARE_SAME_CONTENT, "packed otherwise", NULL);
    archive_expect("a.deb", "c.deb", COMPARE_UNEXPLAINED, NULL);
}

/* The file is unexplained, its sum follows from it; of a file that is equal nothing follows. */
static void sums_follow_from_files_or_not(void **state)
{
    (void)state;
    archive_sh("sed -i s/1999/1998/ u/usr/bin/x && touch -d @5 u/usr/bin/x && sh sums.sh u && "
               "sh make.sh u b.deb && "
               "sed -i s/^./z/ u/DEBIAN/md5sums && sed -i s/^z/0/ u/DEBIAN/md5sums && "
               "sh make.sh u c.deb && cp -a t v && sed -i s/^./0/ v/DEBIAN/md5sums && "
               "sh make.sh v d.deb");
    archive_expect("a.deb", "b.deb", COMPARE_UNEXPLAINED, "./md5sums (md5sums): derived-only",
                   "derived-only: the MD5 of \"usr/bin/x\", right in both packages",
                   "./usr/bin/x (text): unexplained", NULL);
    archive_expect("a.deb", "c.deb", COMPARE_UNEXPLAINED, "./md5sums (md5sums): unexplained",
                   "the MD5 of \"usr/bin/x\", which is not that of the file", NULL);
    archive_expect("a.deb", "d.deb", COMPARE_UNEXPLAINED,
                   "the MD5 of \"usr/bin/x\", which is not that of the file", NULL);
}

/* An archive in the package cannot speak for the package. */
static void sums_follow_from_no_deeper_file(void **state)
{
    (void)state;
    archive_sh("for d in t u; do mkdir -p in$d/usr/bin; done; echo 1 >int/usr/bin/y; "
               "echo 2 >inu/usr/bin/y; tar -cC int -f t/usr/share/in.tar usr; "
               "tar -cC inu -f u/usr/share/in.tar usr; "
               "for d in t u; do sh sums.sh $d; (cd in$d; md5sum usr/bin/y) >>$d/DEBIAN/md5sums; "
               "done; sh make.sh t a.deb; sh make.sh u b.deb");
    archive_expect("a.deb", "b.deb", COMPARE_UNEXPLAINED,
                   "derived-only: the MD5 of \"usr/share/in.tar\"",
                   "unexplained: the MD5 of \"usr/bin/y\"", NULL);
}

/* Each beside what is benign: other times, another compressor. */
static void what_is_hidden_is_found(void **state)
{
    (void)state;
    archive_sh("sed -i 's/hello/evil/' u/DEBIAN/postinst && sh make.sh u script.deb -z1 && "
               "cp t/DEBIAN/postinst u/DEBIAN && chmod 4755 u/usr/bin/x && "
               "sh make.sh u mode.deb -z1 && chmod 755 u/usr/bin/x && "
               "sh make.sh t base.deb -z1 && "
               "cp base.deb behind.deb && printf evil >>behind.deb && "
               "mkdir m && cd m && ar x ../base.deb && echo evil >_evil && "
               "ar rDc ../member.deb debian-binary control.tar.xz data.tar.xz _evil && "
               "printf evil >>data.tar.xz && "
               "ar rDc ../stream.deb debian-binary control.tar.xz data.tar.xz && "
               "head -c -4 data.tar.xz >d && mv d data.tar.xz && "
               "(xz -dc <data.tar.xz; printf evil) | xz >d && mv d data.tar.xz && "
               "ar rDc ../tar.deb debian-binary control.tar.xz data.tar.xz && cd .. && "
               "ar x base.deb data.tar.xz && echo x >evil && "
               "ar rDc twice.deb m/debian-binary m/control.tar.xz data.tar.xz && "
               "ar qDc twice.deb data.tar.xz");
    archive_expect("a.deb", "script.deb", COMPARE_UNEXPLAINED, "./postinst (text)", "evil", NULL);
    archive_expect("a.deb", "mode.deb", COMPARE_UNEXPLAINED,
                   "unexplained: the mode of \"./usr/bin/x\": 0644 and 4755", NULL);
    archive_expect("a.deb", "behind.deb", COMPARE_UNEXPLAINED, "4 at 0x", NULL);
    archive_expect("a.deb", "member.deb", COMPARE_UNEXPLAINED, "_evil (member): unexplained", NULL);
    archive_expect("a.deb", "stream.deb", COMPARE_UNEXPLAINED, "data.tar.xz (xz): unexplained",
                   "bytes that no part of the format accounts for", NULL);
    archive_expect("a.deb", "tar.deb", COMPARE_UNEXPLAINED,
                   "bytes behind the end of the archive (0 bytes", NULL);
    archive_expect("a.deb", "twice.deb", COMPARE_UNEXPLAINED, "data.tar.xz (member): unexplained",
                   "it is only in B", NULL);
}

static void libraries_are_followed(void **state)
{
    (void)state;
    archive_sh("n=a-name-longer-than-fifteen-letters; for i in 1 2 3; do echo $i >m$i; done; "
               "echo long >$n.1; ar qDc a.a m1 m2 m3 $n.1; "
               "ar qDc order.a m3 m1 m2 $n.1; ar qUc meta.a m1 m2 m3 $n.1; echo X >m2; "
               "ar qDc byte.a m1 m2 m3 $n.1; cp a.a odd.a; "
               "printf Y | dd of=odd.a bs=1 seek=$(($(grep -abo '^2$' a.a | head -n 1 | cut -d: "
               "-f1) - 3)) conv=notrunc status=none");
    archive_expect("a.a", "order.a", COMPARE_SAME_CONTENT, "in another order", NULL);
    archive_expect("a.a", "meta.a", COMPARE_METADATA, "the mtime of \"m1\": 0 and", NULL);
    archive_sh(
        "chmod 4755 m1; ar qUc set.a m1 m2; chmod 755 m1; ar qUc plain.a m1 m2; cp set.a own.a; "
        "printf 7 | dd of=own.a bs=1 seek=$((8 + 28)) conv=notrunc status=none; cp plain.a "
        "pown.a; printf 7 | dd of=pown.a bs=1 seek=$((8 + 28)) conv=notrunc status=none; "
        "ar qDc d.a m1 m2; chmod 644 m1; touch m1 m2; ar qUc u.a m1 m2");
    archive_expect("plain.a", "set.a", COMPARE_UNEXPLAINED,
                   "unexplained: the mode of \"m1\": 100755 and 104755", NULL);
    archive_expect("set.a", "own.a", COMPARE_UNEXPLAINED, "unexplained: the uid of \"m1\": ", NULL);
    archive_expect("plain.a", "pown.a", COMPARE_METADATA,
                   "metadata-only: the uid of \"m1\": ", NULL);
    archive_expect("d.a", "u.a", COMPARE_METADATA,
                   "metadata-only: the mode of \"m1\": 0644 and 100644", NULL);
    archive_expect("a.a", "byte.a", COMPARE_UNEXPLAINED, "m2 (text): unexplained", NULL);
    archive_expect("a.a", "odd.a", COMPARE_UNEXPLAINED, NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, archive_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(built_twice_is_identical),      T(another_compressor_is_the_same_content),
        T(sums_follow_from_files_or_not), T(sums_follow_from_no_deeper_file),
        T(what_is_hidden_is_found),       T(libraries_are_followed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

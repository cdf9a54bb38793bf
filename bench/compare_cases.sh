#!/usr/bin/env bash
# compare_cases.sh GLARUS WORK: small pairs, each with one difference, compared by diffoscope and by
# glarus.  What diffoscope finds must be found, and by words that tell what it is, not as some bytes
# somewhere.  Prints "bench compare-cases" with how many of those that diffoscope finds are found so, a
# line for each that is not, and what only we find.
set -euo pipefail
export LC_ALL=C TZ=UTC
glarus=$1
cd "$2"
found=0 peer=0 missed=0 more=0

# NAME WORDS-THAT-TELL: A and B are there
row() {
    local name=$1 words=$2 theirs=0 ours=0
    diffoscope A B >theirs.txt 2>&1 || theirs=$?
    "$glarus" compare A B >ours.txt 2>&1 || ours=$?
    if [ "$theirs" = 1 ]; then
        peer=$((peer + 1))
        if [ "$ours" = 1 ] && grep -qE -- "$words" ours.txt; then
            found=$((found + 1))
        else
            missed=$((missed + 1))
            echo "  compare-cases: $name: diffoscope finds it, glarus does not tell \"$words\" (exit $ours): $(head -c 300 ours.txt | tr '\n' '|')"
        fi
    elif [ "$ours" = 1 ]; then
        more=$((more + 1))
        echo "  compare-cases: $name: only glarus finds it"
    fi
    rm -rf A B tree
}
tree() { # a small tree in tree/
    rm -rf tree
    mkdir -p tree/sub
    seq 100 >tree/sub/numbers
    echo hello >tree/greeting
    ln -s greeting tree/link
    chmod -R u=rwX,go=rX tree
    touch -h -d @1000000000 tree tree/* tree/sub/*
}
pack() { tar --sort=name --owner=root:0 --group=root:0 -C tree -cf "$1" .; }

seq 100 >A; sed 's/^42$/43/' A >B; row text 'line 42: "42" became "43"'
printf 'a\nb' >A; printf 'a\nb\n' >B; row text-end 'line feed in B only'
printf 'a\r\nb\r\n' >A; printf 'a\nb\n' >B; row text-crlf 'line 1: "a\\r" became "a"'
printf 'Gr\xfc\xdfe, all of you\n' >A; printf 'Gr\xfc\xdfen, all of you\n' >B; row text-latin 'line 1: '
echo '{"a":{"b":[1,2,3]}}' >A; echo '{"a":{"b":[1,2,4]}}' >B; row json '\$\.a\.b\[2\]: 3 became 4'
echo '{"a":1,"b":2}' >A; echo '{"b":2,"a":1}' >B; row json-order 'another order'
head -c 4096 /dev/zero >A; cp A B; printf x | dd of=B bs=1 seek=999 conv=notrunc status=none; row bytes '0x3e7'
: >A; echo x >B; row empty 'bytes|B'

tree; cp -a tree A; cp -a tree B; echo new >B/new; row folder-extra 'only in B'
tree; cp -a tree A; cp -a tree B; rm B/greeting; row folder-missing 'only in A'
tree; cp -a tree A; cp -a tree B; chmod 755 B/greeting; row folder-mode 'mode of "greeting"'
tree; cp -a tree A; cp -a tree B; ln -sfn sub B/link; row folder-link 'link .* leads to'
tree; cp -a tree A; cp -a tree B; rm B/link; echo hello >B/link; row folder-sort 'a link in A and a file in B'
tree; cp -a tree A; cp -a tree B; mv B/greeting B/renamed; row folder-rename 'another name'
tree; cp -a tree A; cp -a tree B; echo other >>B/sub/numbers; row folder-content 'line 101 is only in B'

for z in gzip xz bzip2 zstd lz4; do
    command -v $z >/dev/null || continue
    seq 1000 >a; sed 's/^500$/501/' a >b
    $z -c <a >A; $z -c <b >B; row "$z-content" 'line 500: "500" became "501"'
    $z -1 -c <a >A; $z -9 -c <a >B; cmp -s A B || row "$z-level" 'packed otherwise|same-content|level'
    $z -c <a >A; { cat A; echo tail; } >B; row "$z-behind" 'unexplained'
done
seq 1000 >a; touch -d @1000000000 a; gzip -c a >A; touch -d @1100000000 a; gzip -c a >B; row gzip-time 'time'
seq 1000 >a; gzip -c a >A; mv a b; gzip -c b >B; row gzip-name 'name'

tree; pack A; echo other >>tree/sub/numbers; touch -d @1000000000 tree/sub/numbers tree/sub; pack B; row tar-content 'line 101 is only in B'
tree; pack A; chmod 755 tree/greeting; pack B; row tar-mode 'mode'
tree; pack A; touch -d @1100000000 tree/greeting; pack B; row tar-time 'mtime|time'
tree; pack A; tar --sort=name --owner=me:77 --group=root:0 -C tree -cf B .; row tar-owner 'owner|uid|uname'
tree; pack A; ln -sfn sub tree/link; touch -h -d @1000000000 tree/link tree; pack B; row tar-link 'link'
tree; pack A; echo x >tree/new; touch -d @1000000000 tree/new tree; pack B; row tar-extra 'only in B'
tree; pack A; tar --owner=root:0 --group=root:0 -C tree -cf B ./sub ./link ./greeting .; row tar-order 'order|only in'
tree; pack A; cp A B; echo hidden >>B; row tar-behind 'unexplained'
tree; pack a.tar; xz -c a.tar >A; chmod 755 tree/greeting; pack b.tar; xz -c b.tar >B; row tar-xz 'mode'

tree; (cd tree && zip -qrX ../a.zip .); mv a.zip A; echo other >>tree/sub/numbers; (cd tree && zip -qrX ../a.zip .); mv a.zip B; row zip-content 'line 101 is only in B'
tree; (cd tree && zip -qrX ../a.zip .); mv a.zip A; touch -d @1100000000 tree/greeting; (cd tree && zip -qrX ../a.zip .); mv a.zip B; row zip-time 'time'
tree; (cd tree && zip -qrX -1 ../a.zip .); mv a.zip A; (cd tree && zip -qrX -0 ../a.zip .); mv a.zip B; row zip-method 'method|packed|compress'
tree; (cd tree && zip -qrX ../a.zip .); cp a.zip A; mv a.zip B; echo hidden >>B; row zip-behind 'unexplained'
tree; (cd tree && zip -qrX ../a.zip .); cp a.zip A; echo comment | zip -qz a.zip >/dev/null; mv a.zip B; row zip-comment 'comment'

tree; (cd tree && ar rcD ../A greeting sub/numbers); echo other >>tree/sub/numbers; (cd tree && ar rcD ../B greeting sub/numbers); row ar-content 'line 101 is only in B'
tree; (cd tree && ar rcU ../A greeting); touch -d @1100000000 tree/greeting; (cd tree && ar rcU ../B greeting); row ar-time 'time'
tree; (cd tree && ar rcD ../A greeting sub/numbers); (cd tree && ar rcD ../B sub/numbers greeting); row ar-order 'order'
deb() { # FILE
    mkdir -p tree/DEBIAN
    printf 'Package: p\nVersion: 1\nArchitecture: all\nMaintainer: m <m@example.org>\nDescription: d\n' >tree/DEBIAN/control
    (cd tree && find . -path ./DEBIAN -prune -o -type f -print | sed 's,^\./,,' | xargs md5sum) >tree/DEBIAN/md5sums
    SOURCE_DATE_EPOCH=1000000000 dpkg-deb --root-owner-group -b tree "$1" >/dev/null
}
if command -v dpkg-deb >/dev/null; then
    tree; deb A; echo other >>tree/sub/numbers; touch -d @1000000000 tree/sub/numbers; deb B; row deb-content 'line 101 is only in B'
    tree; deb A; chmod 755 tree/greeting; deb B; row deb-mode 'mode'
    tree; deb A; sed -i 's/Version: 1/Version: 2/' tree/DEBIAN/control; SOURCE_DATE_EPOCH=1000000000 dpkg-deb --root-owner-group -b tree B >/dev/null; row deb-control 'Version: 2'
fi

program() { # FILE CODE FLAG...
    local out=$1 code=$2
    shift 2
    printf '#include <stdio.h>\nint g(int x) { return x * 3; }\nint f(int x) { %s }\nint main(int c, char **v) { (void)v; printf("%%d\\n", f(c) + g(c)); return 0; }\n' "$code" >p.c
    gcc -O1 -fno-inline -Wl,--build-id=sha1 "$@" -o "$out" p.c
}
program A 'return x + 7;'; program B 'return x + 8;'; row elf-immediate '\bf\+0x0'
program A 'return x > 7 ? 1 : 2;'; program B 'return x < 7 ? 1 : 2;'; row elf-branch '\bf\+0x'
program A 'return x;'; program B 'return x;' -Wl,--build-id=0x0123456789012345678901234567890123456789; row elf-build-id 'build-id'
program A 'return x;'; cp A B; objcopy --add-section .extra=p.c B; row elf-section '\.extra'
program A 'return x;'; cp A B; strip B; row elf-strip '\.symtab'
program A 'return x;' -g; program B 'return x;' -g -O2; row elf-debug '\.debug_'
program A 'puts("one"); return x;'; program B 'puts("two"); return x;'; row elf-string 'one|\.rodata'
program A 'return x;'; program B 'return x;' -Wl,-rpath,/opt; row elf-rpath '/opt|RUNPATH|RPATH|\.dynamic'
program A 'return x;'; cp A B; echo hidden >>B; row elf-behind 'unexplained'

echo "bench compare-cases ours=$found peer=$peer ratio=$(awk -v a=$found -v b=$peer 'BEGIN { printf "%.3g", (b > 0) ? a / b : 0 }') bar=1 unit=cases"
echo "  compare-cases: $missed missed, $more found by glarus alone"

#!/bin/bash
# tour.sh SOURCE BUILD: "make run TOUR=build" runs to its end, and what it said of three packages is so
# by dpkg-deb, objcopy and cmp, without any of our programs.
set -eu -o pipefail
top=$1
build=$2
[ "$(id -u)" = 0 ] || {
    echo "roots of whole packages take root's rights"
    exit 77
}
work=$(mktemp -d "${TMPDIR:-/tmp}/tour-test.XXXXXX")
trap 'rm -rf "$work"' EXIT

fail() {
    echo "tour.sh: $*" >&2
    exit 1
}

var=$work/var
DEMO_VAR=$var TOUR=build NO_COLOR=1 "$top/demo/run.sh" "$build" >"$work/said" 2>&1 || {
    cat "$work/said" >&2
    tail -n 40 "$var"/again/*/log.txt >&2
    fail "it failed"
}
if grep -q $'\e' "$work/said"; then
    fail "colors, and no terminal"
fi

# open PACKAGE: both of it, in $work/PACKAGE/1 and 2
open() {
    mkdir "$work/$1"
    dpkg-deb -R "$(echo "$var/published/$1"_*.deb)" "$work/$1/1"
    dpkg-deb -R "$(echo "$var/again/$1/outputs/$1"_*.deb)" "$work/$1/2"
}
# differ PACKAGE: the names of the files that differ
differ() { (cd "$work/$1" && diff -rq 1 2 | sed -n 's/^Files 1\/\(.*\) and .*/\1/p' | sort | tr '\n' ' '); }
# code PACKAGE PROGRAM: how many bytes of its code differ
code() {
    for i in 1 2; do
        objcopy -O binary -j .text "$work/$1/$i/$2" "$work/$1/text$i"
    done
    cmp -l "$work/$1/text1" "$work/$1/text2" | wc -l
}

if ! grep -q 'The archive has sed' "$work/said"; then
    cmp "$var"/published/sed_*.deb "$var"/again/sed/outputs/sed_*.deb || fail "sed is not identical"
fi
if ! grep -q 'The archive has tree' "$work/said"; then
    open tree
    [ "$(differ tree)" = 'DEBIAN/md5sums usr/bin/tree ' ] || fail "of tree differ: $(differ tree)"
    [ "$(code tree usr/bin/tree)" = 0 ] || fail "code of tree differs"
fi
if ! grep -q 'The archive has hello' "$work/said"; then
    open hello
    [ "$(differ hello)" = 'DEBIAN/md5sums usr/bin/hello ' ] || fail "of hello differ: $(differ hello)"
    [ "$(code hello usr/bin/hello)" = 1 ] || fail "more than a year differs in the code of hello"
    grep -q 'build year: .*0x7e6' "$work/said" || fail "the year (2022: 0x7e6) is not told"
fi

# the branch that was turned round is where objdump has it, and told
dpkg-deb -R "$(echo "$var/tampered/tree"_*.deb)" "$work/turned"
dpkg-deb -R "$(echo "$var/again/tree/outputs/tree"_*.deb)" "$work/straight"
[ "$(cmp -l "$work/turned/usr/bin/tree" "$work/straight/usr/bin/tree" | wc -l)" = 1 ] || fail "not one byte was changed"
grep -q 'unexplained: .*je .* | jne ' "$work/said" || fail "the branch is not told"

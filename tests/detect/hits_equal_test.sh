#!/usr/bin/env bash
# hits_equal_test.sh BUILD: the small version of hits_equal.sh, with the demo rules, rules made from
# the files of this run and one file that more rules hit than a verdict has names for; and that each
# kind of difference is noticed.
set -euo pipefail
export LC_ALL=C
build=$(realpath "$1")
here=$(dirname "$(realpath "$0")")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() {
    echo "$1" >&2
    cat "$tmp/out" >&2
    exit 1
}

mkdir "$tmp/rules" "$tmp/files"
find /usr/bin /usr/lib -xdev -type f -size -2000 ! -empty -readable ! -name '*[!A-Za-z0-9._-]*' | sort |
    awk 'NR % 37 == 1 && n++ < 150' | while IFS= read -r file; do
    cp "$file" "$tmp/files/$(printf '%s' "$file" | tr / _)"
done
"$build/bench/bench-corpus" rules "$tmp/rules/generated.yar" 300 "$tmp/files"
cp "$here"/../../rules/demo/*.yar "$tmp/rules/"
for i in $(seq 100 399); do
    echo "rule many_$i { strings: \$a = \"a text that three hundred rules name\" condition: \$a }"
done >"$tmp/rules/many.yar"
# what a release cannot hold is left out, whatever else happens
echo 'include "demo.yar"' >"$tmp/rules/zz_includes.yar"
echo 'rule many_100 { condition: false }' >"$tmp/rules/zz_twice.yar"
echo 'rule broken { condition: nothing_known }' >"$tmp/rules/zz_broken.yar"
find "$tmp/files" -type f >"$tmp/list"

run() { # BUILD
    rc=0
    bash "$here/hits_equal.sh" "$1" --files "$tmp/list" "$tmp/rules" >"$tmp/out" 2>&1 || rc=$?
}
run "$build"
[ $rc = 0 ] || fail "not equal (exit $rc)"
grep -qE '\(3 left out\): ([0-9]+) of \1 files equal' "$tmp/out" || fail "the summary says something else"
grep -q '; 2 with more names than a verdict keeps' "$tmp/out" || fail "not two files with too many names"
hits=$(sed -nE 's/.*; ([0-9]+) hits in .*/\1/p' "$tmp/out")
[ "$hits" -gt 620 ] || fail "only $hits hits: too few to compare"

# The script itself: a yara that is silent about one hit, or says one more; ours that lacks a name, has
# another count, gives up, forgets a file.
mkdir -p "$tmp/bin" "$tmp/fake/bench"
ln -s "$build/engines" "$tmp/fake/engines"
changed() { # WRAPPER PROGRAM: the program, with what it says changed by $DEED
    rm -f "$1"
    # shellcheck disable=SC2016 # the wrapper expands these
    printf '#!/bin/sh\n"%s" "$@" | sed -e "$DEED"\n' "$2" >"$1"
    chmod +x "$1"
}
export DEED
changed "$tmp/bin/yara" "$(command -v yara)"
ln -s "$build/bench/bench-found" "$tmp/fake/bench/bench-found"
for DEED in 1d '1{p;s/^[^ ]*/invented/}'; do
    PATH=$tmp/bin:$PATH run "$tmp/fake"
    [ $rc = 1 ] || fail "a yara changed by $DEED is not noticed (exit $rc)"
done
changed "$tmp/fake/bench/bench-found" "$build/bench/bench-found"
for DEED in '/^M/{s/\t[^\t]*$//;:a;n;ba}' '/^M/{s/^M\t[0-9]*/M\t7777/;:a;n;ba}' \
    '/^M/{s/^M\t[0-9]*\t\([^\t]*\).*/I\tengine\t\1/;:a;n;ba}' '/^M/{N;s/^[^\n]*\n//;:a;n;ba}'; do
    run "$tmp/fake"
    [ $rc = 1 ] || fail "ours changed by $DEED is not noticed (exit $rc)"
done
DEED=
run "$tmp/fake"
[ $rc = 0 ] || fail "ours, unchanged, is not equal (exit $rc)"

#!/bin/sh
# layers.sh ROOT: the tree under ROOT keeps the rules of docs/conventions.md (see layers.awk), and
# every fuzz target is known to the build and has a corpus.  Exit 0, or 1 with the findings.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$1"
rc=0

files=$(find src include engines tests fuzz bench demo packaging -type f \
    \( -name '*.[ch]' -o -name '*.sh' -o -name '*.awk' -o -name '*.go' -o -name meson.build \) \
    2>/dev/null | sort) || true
[ -n "$files" ] || { echo "layers: no sources under $1"; exit 1; }
# shellcheck disable=SC2086 # one word a file
awk -f "$here/layers.awk" $files || rc=1

for source in fuzz/fuzz_*.c; do
    [ -e "$source" ] || continue
    name=${source#fuzz/fuzz_}
    name=${name%.c}
    if ! grep -q "'$name'" fuzz/meson.build; then
        echo "$source: not in the table of fuzz/meson.build"
        rc=1
    fi
    if ! find "fuzz/corpus/$name" -type f 2>/dev/null | grep -q .; then
        echo "$source: no corpus in fuzz/corpus/$name"
        rc=1
    fi
done
exit $rc

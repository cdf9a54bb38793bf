#!/bin/sh
# one-object.sh LD OBJCOPY AR MAP OUT LIBRARY...: a static library of one object.  The first LIBRARY
# goes in whole, of the others what it needs; only the names of MAP stay visible outside, so that a
# program may have functions of its own that are called as ours are inside.
set -eu
ld=$1 objcopy=$2 ar=$3 map=$4 out=$5 first=$6
shift 6
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

sed -n 's/^ *\(glarus_[a-z_]*\);$/\1/p' "$map" >"$tmp/names"
[ -s "$tmp/names" ] || { echo "one-object.sh: $map names nothing" >&2; exit 1; }
"$ld" -r -o "$tmp/glarus.o" --whole-archive "$first" --no-whole-archive \
    --start-group "$@" --end-group
"$objcopy" --keep-global-symbols="$tmp/names" "$tmp/glarus.o"
rm -f "$out"
(cd "$tmp" && "$ar" rcsD glarus.a glarus.o)
mv "$tmp/glarus.a" "$out"
